#include <stdlib.h>
#include <string.h>

#include "io/random.h"
#include "server/outbox.h"
#include "tests/harness/test.h"

enum {
    LIMIT = 1024 * 1024
};

static int closed;

static void close_reader(void *ctx, struct kvs_reader *reader)
{
    (void)ctx;
    (void)reader;
    closed++;
}

static void expect_sendable(struct outbox *outbox, const char *text)
{
    struct kvs_bytes bytes = outbox_sendable(outbox);
    assert_int_equal(bytes.len, strlen(text));
    if (bytes.len != 0)
        assert_memory_equal(bytes.data, text, bytes.len);
}

/* Appends a reply; a position other than 0 puts a fence in front of it. */
static void add(struct outbox *outbox, const char *text, uint64_t position)
{
    size_t at = outbox->active->len;
    buf_append_str(outbox->active, text);
    if (position != 0)
        outbox_fence(outbox, outbox_off(outbox, at), position, true, false);
}

TEST(replies_behind_a_fence_wait_and_those_before_it_go)
{
    struct outbox outbox;
    outbox_init(&outbox, LIMIT);
    add(&outbox, "a", 0);
    add(&outbox, "b", 10);
    add(&outbox, "c", 0);
    expect_sendable(&outbox, "a");
    outbox_sent(&outbox, 1);
    expect_sendable(&outbox, "");
    struct kvs_marks marks = { .written = 99, .durable = 9 };
    assert_false(outbox_release(&outbox, &marks));
    expect_sendable(&outbox, "");
    marks.durable = 10;
    assert_true(outbox_release(&outbox, &marks));
    expect_sendable(&outbox, "bc");
    outbox_sent(&outbox, 2);
    assert_int_equal(outbox_pending(&outbox), 0);
    outbox_done(&outbox, close_reader, NULL);
}

TEST(a_fence_for_written_does_not_wait_for_durable)
{
    struct outbox outbox;
    outbox_init(&outbox, LIMIT);
    buf_append_str(outbox.active, "a");
    outbox_fence(&outbox, 0, 5, false, false);
    struct kvs_marks marks = { .written = 5 };
    assert_true(outbox_release(&outbox, &marks));
    outbox_done(&outbox, close_reader, NULL);
}

/* Whatever is added, nothing leaves before its own position, nor before anything in front of it. */
TEST(random_fences_never_let_a_byte_out_early)
{
    struct random random;
    random_seed(&random, test_seed());
    for (int round = 0; round < 500; round++) {
        struct outbox outbox;
        struct buf shared;
        static uint64_t needs[4096];
        size_t added = 0;
        size_t sent = 0;
        uint64_t next_position = 1;
        struct kvs_marks marks = { 0 };
        outbox_init(&outbox, LIMIT);
        buf_init(&shared, SIZE_MAX / 2);
        while (added < 4000) {
            struct buf *out = outbox_begin(&outbox, &shared);
            bool join = false;
            for (uint64_t n = random_below(&random, 30) + 1; n > 0; n--) {
                uint64_t position = 0;
                if (random_below(&random, 3) == 0)
                    position = next_position++;
                else if (random_below(&random, 3) == 0)
                    position = random_below(&random, next_position);
                buf_append_char(out, (char)('a' + added % 26));
                needs[added++] = position;
                if (position > marks.durable) {
                    outbox_fence(&outbox, outbox_off(&outbox, out->len - 1), position, true, join);
                    join = random_below(&random, 2) == 0;
                }
            }
            if (random_below(&random, 2) == 0) {
                marks.durable += random_below(&random, next_position - marks.durable + 1);
                (void)outbox_release(&outbox, &marks);
            }
            struct kvs_bytes bytes = outbox_sendable(&outbox);
            size_t take = bytes.len == 0 ? 0 : random_below(&random, bytes.len + 1);
            for (size_t i = 0; i < take; i++) {
                assert_int_equal(((const char *)bytes.data)[i], 'a' + (int)((sent + i) % 26));
                assert_true(needs[sent + i] <= marks.durable);
            }
            outbox_sent(&outbox, take);
            sent += take;
            assert_ok(outbox_end(&outbox));
            assert_int_equal(shared.len, 0);
            assert_true(outbox.fence_count <= OUTBOX_FENCES);
        }
        marks.durable = next_position;
        (void)outbox_release(&outbox, &marks);
        assert_int_equal(outbox_sendable(&outbox).len, added - sent);
        outbox_done(&outbox, close_reader, NULL);
        buf_done(&shared);
    }
}

TEST(a_stream_goes_between_the_bytes_around_it)
{
    struct outbox outbox;
    static int somebody;
    struct kvs_reader *reader = (struct kvs_reader *)(void *)&somebody;
    outbox_init(&outbox, LIMIT);
    closed = 0;
    add(&outbox, "x", 0);
    add(&outbox, "$5", 3);
    struct reply_stream stream = { .out_off = outbox.active->len,
                                   .reader = reader,
                                   .value_bytes = 5 };
    buf_append_str(outbox.active, "\r\n");
    assert_ok(outbox_add_streams(&outbox, &stream, 1));

    expect_sendable(&outbox, "x");
    outbox_sent(&outbox, 1);
    assert_null(outbox_stream_due(&outbox));
    struct kvs_marks marks = { .durable = 3 };
    assert_true(outbox_release(&outbox, &marks));
    expect_sendable(&outbox, "$5");
    assert_null(outbox_stream_due(&outbox));
    outbox_sent(&outbox, 2);
    expect_sendable(&outbox, "");
    struct outbox_stream *due = outbox_stream_due(&outbox);
    assert_non_null(due);
    assert_int_equal(due->left, 5);
    assert_ptr_equal(outbox_stream_over(&outbox), reader);
    assert_false(outbox_has_streams(&outbox));
    expect_sendable(&outbox, "\r\n");
    outbox_done(&outbox, close_reader, NULL);
    assert_int_equal(closed, 0);
}

TEST(cutting_at_the_fence_keeps_what_is_before_it_and_closes_readers_behind)
{
    struct outbox outbox;
    static int somebody;
    outbox_init(&outbox, LIMIT);
    closed = 0;
    add(&outbox, "good", 0);
    add(&outbox, "bad", 7);
    struct reply_stream stream = { .out_off = outbox.active->len,
                                   .reader = (struct kvs_reader *)(void *)&somebody,
                                   .value_bytes = 5 };
    assert_ok(outbox_add_streams(&outbox, &stream, 1));
    assert_int_equal(outbox_waits_for(&outbox), 7);
    assert_true(outbox_cut_at_fence(&outbox, close_reader, NULL));
    assert_int_equal(closed, 1);
    expect_sendable(&outbox, "good");
    assert_int_equal(outbox_pending(&outbox), 4);
    assert_false(outbox_cut_at_fence(&outbox, close_reader, NULL));
    outbox_done(&outbox, close_reader, NULL);
}

TEST(output_that_leaves_at_once_needs_no_memory_of_its_own)
{
    struct outbox outbox;
    struct buf shared;
    outbox_init(&outbox, LIMIT);
    buf_init(&shared, SIZE_MAX / 2);
    struct buf *out = outbox_begin(&outbox, &shared);
    assert_ptr_equal(out, &shared);
    buf_append_str(out, "reply");
    outbox_sent(&outbox, 5);
    assert_ok(outbox_end(&outbox));
    assert_int_equal(outbox.own.capacity, 0);
    out = outbox_begin(&outbox, &shared);
    buf_append_str(out, "reply");
    outbox_sent(&outbox, 2);
    assert_ok(outbox_end(&outbox));
    expect_sendable(&outbox, "ply");
    out = outbox_begin(&outbox, &shared);
    assert_ptr_equal(out, &outbox.own);
    assert_ok(outbox_end(&outbox));
    outbox_done(&outbox, close_reader, NULL);
    buf_done(&shared);
}
