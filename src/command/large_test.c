/*
 * large_test.c - values over KVS_INLINE_MAX in every command that meets them: in through blobs, out through readers.
 */
#include <stdio.h>

#include "command/stand_test.h"

enum {
    MIB = 1024 * 1024,
    TEXT_BYTES = 48 * MIB
};

static char *text_bytes;

__attribute__((destructor)) static void free_text(void)
{
    free(text_bytes);
}

/* Bytes in which every place looks different from its neighbours, at all distances that matter here. */
static const char *text(void)
{
    if (text_bytes != NULL)
        return text_bytes;
    text_bytes = malloc(TEXT_BYTES);
    assert_non_null(text_bytes);
    for (size_t i = 0; i < TEXT_BYTES / sizeof(uint64_t); i++) {
        uint64_t word = hash_u64(i + 1);
        memcpy(text_bytes + i * sizeof word, &word, sizeof word);
    }
    return text_bytes;
}

/* Runs @command; "%" stands for @len bytes from @off of text(). */
static void run_with(struct stand *stand, const char *command, size_t off, size_t len)
{
    struct kvs_bytes args[STAND_ARGS_MAX];
    size_t count = stand_split(command, args);
    for (size_t i = 0; i < count; i++)
        if (bytes_equal(args[i], BYTES("%")))
            args[i] = bytes_of(text() + off, len);
    if (!stand_run(stand, args, count))
        fail_msg("%s: %s", command, kvs_error());
}

static void expect_with(struct stand *stand, const char *command, size_t off, size_t len,
                        const char *answer)
{
    run_with(stand, command, off, len);
    if (!bytes_equal(buf_bytes(&stand->reply), bytes_str(answer)))
        fail_msg("%s: expected %s answered %.*s", command, answer, (int)stand->reply.len,
                 stand->reply.data);
}

/* Takes a bulk of @len bytes, those from @off of text(), from the front of @reply. */
static void take_text(struct kvs_bytes *reply, size_t off, size_t len)
{
    char head[32];
    size_t head_len = (size_t)snprintf(head, sizeof head, "$%zu\r\n", len);
    assert_true(bytes_starts_with(*reply, bytes_of(head, head_len)));
    *reply = bytes_from(*reply, head_len);
    assert_true(bytes_starts_with(*reply, bytes_of(text() + off, len)));
    *reply = bytes_from(*reply, len);
    assert_true(bytes_starts_with(*reply, BYTES("\r\n")));
    *reply = bytes_from(*reply, 2);
}

static void take(struct kvs_bytes *reply, const char *part)
{
    if (!bytes_starts_with(*reply, bytes_str(part)))
        fail_msg("expected %s, there is %.*s", part, reply->len < 100 ? (int)reply->len : 100,
                 (const char *)reply->data);
    *reply = bytes_from(*reply, strlen(part));
}

/* The answer to @command is text() from @off. */
static void expect_text(struct stand *stand, const char *command, size_t off, size_t len)
{
    run_with(stand, command, 0, 0);
    struct kvs_bytes reply = buf_bytes(&stand->reply);
    take_text(&reply, off, len);
    assert_int_equal(reply.len, 0);
    assert_int_equal(stand->streams, len > KVS_INLINE_MAX ? 1 : 0);
}

TEST(large_values_are_streamed_in_and_out)
{
    struct stand *stand = stand_new();
    static const size_t sizes[] = { MIB - 1, MIB, MIB + 1, 2 * MIB, 5 * MIB + 3 };
    static const char *const sets[] = {
        "SET k %",
        "SET k % EX 100",
        "SET k % XX",
        "SET k % KEEPTTL",
        "SETEX k 100 %",
        "PSETEX k 100000 %",
        "SET k % PXAT 4102444800000",
    };
    EXPECT(stand, "SET k first", "+OK\r\n");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t j = 0; j < sizeof sets / sizeof sets[0]; j++) {
            expect_with(stand, sets[j], i + j, sizes[i], "+OK\r\n");
            expect_text(stand, "GET k", i + j, sizes[i]);
            char length[32];
            (void)snprintf(length, sizeof length, ":%zu\r\n", sizes[i]);
            expect_with(stand, "STRLEN k", 0, 0, length);
        }
    }
    stand_free(stand);
}

TEST(a_blob_that_is_not_stored_stays_with_its_owner)
{
    struct stand *stand = stand_new();
    EXPECT(stand, "SET k v", "+OK\r\n");
    expect_with(stand, "SETNX k %", 0, 2 * MIB, ":0\r\n");
    expect_with(stand, "SET k % NX", 0, 2 * MIB, "$-1\r\n");
    expect_with(stand, "SET none % XX", 0, 2 * MIB, "$-1\r\n");
    expect_with(stand, "SET k % NX GET", 0, 2 * MIB, "$1\r\nv\r\n");
    expect_with(stand, "SET k % EX 0", 0, 2 * MIB, "-ERR invalid expire time in 'set' command\r\n");
    EXPECT(stand, "GET k", "$1\r\nv\r\n");
    expect_with(stand, "SET k % EXAT 1", 0, 2 * MIB, "+OK\r\n"); /* long ago: gone at once */
    EXPECT(stand, "EXISTS k", ":0\r\n");
    expect_with(stand, "SETNX k %", 7, 2 * MIB, ":1\r\n");
    expect_text(stand, "GET k", 7, 2 * MIB);
    stand_free(stand);
}

TEST(old_large_values_are_answered_when_they_go)
{
    struct stand *stand = stand_new();
    expect_with(stand, "SET k %", 1, 3 * MIB, "+OK\r\n");
    run_with(stand, "SET k % GET", 2, 2 * MIB);
    struct kvs_bytes reply = buf_bytes(&stand->reply);
    take_text(&reply, 1, 3 * MIB);
    run_with(stand, "GETSET k %", 3, 4 * MIB);
    reply = buf_bytes(&stand->reply);
    take_text(&reply, 2, 2 * MIB);
    expect_text(stand, "GETEX k EX 100", 3, 4 * MIB);
    EXPECT(stand, "TTL k", ":100\r\n");
    expect_text(stand, "GETEX k PERSIST", 3, 4 * MIB);
    EXPECT(stand, "TTL k", ":-1\r\n");
    expect_text(stand, "GETDEL k", 3, 4 * MIB);
    EXPECT(stand, "GET k", "$-1\r\n");
    expect_with(stand, "SET k %", 1, 3 * MIB, "+OK\r\n");
    expect_text(stand, "GETEX k EXAT 1", 1, 3 * MIB);
    EXPECT(stand, "EXISTS k", ":0\r\n");
    stand_free(stand);
}

TEST(parts_of_large_values_are_read_where_they_lie)
{
    struct stand *stand = stand_new();
    expect_with(stand, "SET k %", 0, 5 * MIB, "+OK\r\n");
    expect_text(stand, "GETRANGE k 0 0", 0, 1);
    expect_text(stand, "GETRANGE k 4000000 4000099", 4000000, 100);
    expect_text(stand, "GETRANGE k -10 -1", 5 * MIB - 10, 10);
    expect_text(stand, "GETRANGE k 100 1048675", 100, MIB); /* the longest that is not streamed */
    expect_text(stand, "GETRANGE k 100 1048676", 100, MIB + 1); /* the shortest that is */
    expect_text(stand, "SUBSTR k 1234567 -1", 1234567, 5 * MIB - 1234567);
    expect_text(stand, "GETRANGE k 0 -1", 0, 5 * MIB);
    EXPECT(stand, "GETRANGE k 6000000 7000000", "$0\r\n\r\n");
    stand_free(stand);
}

TEST(append_grows_across_the_border_and_beyond)
{
    struct stand *stand = stand_new();
    expect_with(stand, "SET k % EX 100", 0, MIB - 1, "+OK\r\n");
    expect_with(stand, "APPEND k %", MIB - 1, 1, ":1048576\r\n");
    expect_text(stand, "GET k", 0, MIB);
    expect_with(stand, "APPEND k %", MIB, 1, ":1048577\r\n");
    expect_text(stand, "GET k", 0, MIB + 1);
    expect_with(stand, "APPEND k %", MIB + 1, 3 * MIB, ":4194305\r\n");
    expect_text(stand, "GET k", 0, 4 * MIB + 1);
    EXPECT(stand, "APPEND k ~", ":4194305\r\n");
    EXPECT(stand, "TTL k", ":100\r\n");
    expect_with(stand, "APPEND new %", 5, 2 * MIB, ":2097152\r\n");
    expect_text(stand, "GET new", 5, 2 * MIB);
    stand_free(stand);
}

TEST(setrange_changes_large_values_and_makes_them)
{
    struct stand *stand = stand_new();
    expect_with(stand, "SET k % EX 100", 0, 3 * MIB, "+OK\r\n");
    EXPECT(stand, "SETRANGE k 1500000 ~", ":3145728\r\n");
    expect_with(stand, "SETRANGE k 1500000 %", 9, 1000, ":3145728\r\n");
    expect_text(stand, "GETRANGE k 0 1499999", 0, 1500000);
    expect_text(stand, "GETRANGE k 1500000 1500999", 9, 1000);
    expect_text(stand, "GETRANGE k 1501000 -1", 1501000, 3 * MIB - 1501000);
    expect_with(stand, "SETRANGE k 0 %", 77, 4 * MIB, ":4194304\r\n");
    expect_text(stand, "GET k", 77, 4 * MIB);
    EXPECT(stand, "TTL k", ":100\r\n");
    EXPECT(stand, "SETRANGE gap 2000000 x", ":2000001\r\n");
    EXPECT(stand, "GETRANGE gap 0 2", "$3\r\n\0\0\0\r\n");
    EXPECT(stand, "GETRANGE gap 1999998 -1", "$3\r\n\0\0x\r\n");
    EXPECT(stand, "SETRANGE gap 4000000 yz", ":4000002\r\n");
    EXPECT(stand, "GETRANGE gap 2000000 2000001", "$2\r\nx\0\r\n");
    EXPECT(stand, "GETRANGE gap 3999999 -1", "$3\r\n\0yz\r\n");
    stand_free(stand);
}

TEST(large_values_keep_their_bytes_under_other_names_and_times)
{
    struct stand *stand = stand_new();
    expect_with(stand, "SET k %", 3, 2 * MIB, "+OK\r\n");
    EXPECT(stand, "EXPIRE k 100", ":1\r\n");
    EXPECT(stand, "RENAME k l", "+OK\r\n");
    EXPECT(stand, "EXISTS k", ":0\r\n");
    EXPECT(stand, "TTL l", ":100\r\n");
    expect_text(stand, "GET l", 3, 2 * MIB);
    EXPECT(stand, "PERSIST l", ":1\r\n");
    EXPECT(stand, "RENAMENX l m", ":1\r\n");
    EXPECT(stand, "TTL m", ":-1\r\n");
    expect_text(stand, "GET m", 3, 2 * MIB);
    EXPECT(stand, "RENAME m m", "+OK\r\n");
    EXPECT(stand, "TYPE m", "+string\r\n");
    EXPECT(stand, "INCR m", "-ERR value is not an integer or out of range\r\n");
    EXPECT(stand, "INCRBYFLOAT m 1", "-ERR value is not a valid float\r\n");
    EXPECT(stand, "EXPIRE m -1", ":1\r\n");
    EXPECT(stand, "DEL m", ":0\r\n");
    stand_free(stand);
}

TEST(cas_compares_large_values_to_the_last_byte)
{
    struct stand *stand = stand_new();
    expect_with(stand, "SET k %", 0, 3 * MIB, "+OK\r\n");
    EXPECT(stand, "CAS k small new", ":0\r\n");
    expect_with(stand, "CAS k % new", 1, 3 * MIB, ":0\r\n");
    EXPECT(stand, "SETRANGE k 3145727 x", ":3145728\r\n");
    if (text()[3 * MIB - 1] != 'x')
        expect_with(stand, "CAS k % new", 0, 3 * MIB, ":0\r\n");
    expect_with(stand, "SET k %", 0, 3 * MIB, "+OK\r\n");
    expect_with(stand, "CAS k % new", 0, 3 * MIB, ":1\r\n");
    EXPECT(stand, "GET k", "$3\r\nnew\r\n");
    expect_with(stand, "CAS k new %", 5, 2 * MIB, ":1\r\n");
    expect_text(stand, "GET k", 5, 2 * MIB);
    stand_free(stand);
}

TEST(many_values_come_with_large_ones_among_them)
{
    struct stand *stand = stand_new();
    EXPECT(stand, "MSET a 1 c 3", "+OK\r\n");
    expect_with(stand, "MSET b % d %", 4, 2 * MIB, "+OK\r\n");
    run_with(stand, "MGET a none b c d b", 0, 0);
    assert_int_equal(stand->streams, 3);
    struct kvs_bytes reply = buf_bytes(&stand->reply);
    take(&reply, "*6\r\n$1\r\n1\r\n$-1\r\n");
    take_text(&reply, 4, 2 * MIB);
    take(&reply, "$1\r\n3\r\n");
    take_text(&reply, 4, 2 * MIB);
    take_text(&reply, 4, 2 * MIB);
    assert_int_equal(reply.len, 0);

    run_with(stand, "RANGE b d", 0, 0);
    reply = buf_bytes(&stand->reply);
    take(&reply, "*4\r\n$1\r\nb\r\n");
    take_text(&reply, 4, 2 * MIB);
    take(&reply, "$1\r\nc\r\n$1\r\n3\r\n");
    assert_int_equal(reply.len, 0);
    run_with(stand, "PREFIX ~ REV LIMIT 2 VALUES", 0, 0);
    reply = buf_bytes(&stand->reply);
    take(&reply, "*2\r\n");
    take_text(&reply, 4, 2 * MIB);
    take(&reply, "$1\r\n3\r\n");
    assert_int_equal(reply.len, 0);

    struct kvs_bytes often[300] = { BYTES("MGET") };
    for (size_t i = 1; i < 300; i++)
        often[i] = BYTES("b");
    assert_true(stand_run(stand, often, 300));
    assert_true(bytes_equal(buf_bytes(&stand->reply),
                            BYTES("-ERR the reply would exceed 256 MiB; ask for fewer keys\r\n")));
    assert_int_equal(stand->streams, 0);
    stand_free(stand);
}

TEST(a_transaction_reads_the_large_values_it_has_set)
{
    struct stand *stand = stand_new();
    expect_with(stand, "SET old %", 50, 2 * MIB, "+OK\r\n");
    static const char *const queue[] = { "SET k %",          "EXPIRE k 100",   "GET k",
                                         "APPEND k !",       "STRLEN k",       "RENAME k l",
                                         "GETRANGE l -2 -1", "MGET k old",     "PREFIX l VALUES",
                                         "SETRANGE old 0 %", "GETDEL old",     "TTL l",
                                         "INCR l",           "GETEX l PERSIST" };
    EXPECT(stand, "MULTI", "+OK\r\n");
    for (size_t i = 0; i < sizeof queue / sizeof queue[0]; i++)
        expect_with(stand, queue[i], 6, 3 * MIB, "+QUEUED\r\n");
    run_with(stand, "EXEC", 0, 0);
    struct kvs_bytes reply = buf_bytes(&stand->reply);
    char tail[32];
    take(&reply, "*14\r\n+OK\r\n:1\r\n");
    take_text(&reply, 6, 3 * MIB);
    take(&reply, ":3145729\r\n:3145729\r\n+OK\r\n$2\r\n");
    assert_int_equal(*(const char *)reply.data, text()[6 + 3 * MIB - 1]);
    reply = bytes_from(reply, 1);
    take(&reply, "!\r\n*2\r\n$-1\r\n");
    take_text(&reply, 50, 2 * MIB);
    take(&reply, "*1\r\n$3145729\r\n");
    reply = bytes_from(reply, 3 * MIB);
    take(&reply, "!\r\n:3145728\r\n");
    take_text(&reply, 6, 3 * MIB);
    take(&reply, ":100\r\n-ERR value is not an integer or out of range\r\n$3145729\r\n");
    reply = bytes_from(reply, 3 * MIB);
    take(&reply, "!\r\n");
    assert_int_equal(reply.len, 0);
    (void)snprintf(tail, sizeof tail, "GETRANGE l 0 %d", 3 * MIB - 1);
    expect_text(stand, tail, 6, 3 * MIB);
    EXPECT(stand, "STRLEN l", ":3145729\r\n");
    EXPECT(stand, "EXISTS k old", ":0\r\n");
    stand_free(stand);
}

TEST(large_values_of_one_name_are_told_apart_by_their_space)
{
    struct stand *stand = stand_new();
    EXPECT(stand, "MULTI", "+OK\r\n");
    expect_with(stand, "SET k %", 1, 2 * MIB, "+QUEUED\r\n");
    EXPECT(stand, "SELECT 1", "+QUEUED\r\n");
    expect_with(stand, "SET k %", 2, 2 * MIB, "+QUEUED\r\n");
    EXPECT(stand, "SELECT 0", "+QUEUED\r\n");
    EXPECT(stand, "GET k", "+QUEUED\r\n");
    run_with(stand, "EXEC", 0, 0);
    struct kvs_bytes reply = buf_bytes(&stand->reply);
    take(&reply, "*5\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n");
    take_text(&reply, 1, 2 * MIB);
    expect_text(stand, "GET k", 1, 2 * MIB);
    EXPECT(stand, "SELECT 1", "+OK\r\n");
    expect_text(stand, "GET k", 2, 2 * MIB);
    stand_free(stand);
}

TEST(a_transaction_that_sets_too_much_to_remember_says_so)
{
    struct stand *stand = stand_new();
    expect_with(stand, "SET k %", 0, 40 * MIB, "+OK\r\n");
    EXPECT(stand, "MULTI", "+OK\r\n");
    EXPECT(stand, "APPEND k a", "+QUEUED\r\n"); /* 40 MiB remembered */
    EXPECT(stand, "APPEND k b", "+QUEUED\r\n"); /* 40 more are too many */
    EXPECT(stand, "GET k", "+QUEUED\r\n");
    EXPECT(stand, "SET small 1", "+QUEUED\r\n");
    EXPECT(stand, "EXEC",
           "*4\r\n:41943041\r\n:41943042\r\n-ERR this transaction has set more than 64 MiB of "
           "large values: they can be read after EXEC\r\n+OK\r\n");
    EXPECT(stand, "GETRANGE k -2 -1", "$2\r\nab\r\n");
    EXPECT(stand, "GET small", "$1\r\n1\r\n");
    stand_free(stand);
}

/* ---- Running again ---- */

/* Someone else writes the key, once, when a command has read it and replies an integer for the @disturb_at-th time. */
static struct stand *disturbed;
static struct kvs_bytes disturbing_value;
static int disturb_at;

static void integer_and_disturb(struct reply *reply, int64_t value)
{
    reply_resp2.integer(reply, value);
    if (disturb_at == 0 || --disturb_at != 0)
        return;
    assert_ok(kvs_set(disturbed->spaces[0], BYTES("k"), disturbing_value));
}

/* Large values are put together in the second run, which may wait. */
enum {
    FIRST_RUN = 1,
    SECOND_RUN = 2
};

static void disturb(int at, struct kvs_bytes value)
{
    assert_int_equal(disturb_at, 0); /* the one before has happened */
    disturb_at = at;
    disturbing_value = value;
}

TEST(what_was_made_of_a_changed_value_is_made_again)
{
    struct stand *stand = stand_new();
    struct reply_ops ops = reply_resp2;
    ops.integer = integer_and_disturb;
    stand->ops = &ops;
    disturbed = stand;

    EXPECT(stand, "SET k 1", "+OK\r\n");
    disturb(FIRST_RUN, BYTES("41"));
    EXPECT(stand, "INCR k", ":42\r\n");

    expect_with(stand, "SET k %", 0, 2 * MIB, "+OK\r\n");
    disturb(SECOND_RUN, bytes_of(text() + 9, MIB));
    expect_with(stand, "APPEND k %", 9 + MIB, 5, ":1048581\r\n");
    expect_text(stand, "GET k", 9, MIB + 5);

    expect_with(stand, "SET k %", 0, 2 * MIB, "+OK\r\n");
    disturb(SECOND_RUN, BYTES("small"));
    EXPECT(stand, "EXPIRE k 100", ":1\r\n");
    EXPECT(stand, "GET k", "$5\r\nsmall\r\n");
    EXPECT(stand, "TTL k", ":100\r\n");

    EXPECT(stand, "DEL k", ":1\r\n");
    disturb(FIRST_RUN, BYTES("there"));
    expect_with(stand, "SETNX k %", 0, 2 * MIB, ":0\r\n");
    EXPECT(stand, "GET k", "$5\r\nthere\r\n");

    disturb(FIRST_RUN, BYTES("other"));
    EXPECT(stand, "CAS k there new", ":0\r\n");
    EXPECT(stand, "GET k", "$5\r\nother\r\n");

    EXPECT(stand, "DEL k", ":1\r\n");
    EXPECT(stand, "SET kk 1", "+OK\r\n");
    disturb(FIRST_RUN, BYTES("new in the range"));
    EXPECT(stand, "DELPREFIX k", ":2\r\n");
    EXPECT(stand, "DBSIZE", ":0\r\n");
    stand_free(stand);
}
