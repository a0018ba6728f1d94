/*
 * decode_test.c - detection, and requests in RESP: multibulk and inline, limits, streams, garbage.
 */
#include <stdio.h>

#include "protocol/feed_test.h"

#define CHECK_RESP(input, expected) \
    feed_check_with(PROTOCOL_RESP, (input), sizeof(input) - 1, (expected), NULL)

static enum protocol_kind detect(const char *input, size_t len, size_t *ret_skip)
{
    return protocol_detect(bytes_of(input, len), ret_skip);
}

TEST(the_first_byte_that_is_not_white_space_decides)
{
    size_t skip;
    assert_int_equal(detect("", 0, &skip), PROTOCOL_UNKNOWN);
    assert_int_equal(detect(" \r\n\t", 4, &skip), PROTOCOL_UNKNOWN);
    assert_int_equal(skip, 4);
    assert_int_equal(detect("\n {\"", 4, &skip), PROTOCOL_JSON);
    assert_int_equal(skip, 2);
    assert_int_equal(detect("\0\0", 2, &skip), PROTOCOL_JSON_FRAMES);
    assert_int_equal(skip, 0);
    assert_int_equal(detect("*1", 2, &skip), PROTOCOL_RESP);
    assert_int_equal(detect(" GET", 4, &skip), PROTOCOL_RESP);
    assert_int_equal(detect("\xff", 1, &skip), PROTOCOL_RESP);
}

TEST(multibulk_requests_come_out_whole)
{
    CHECK_RESP("*1\r\n$4\r\nPING\r\n", "[PING]");
    CHECK_RESP("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\nvv\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n",
               "[SET|k|vv][GET|k]");
    CHECK_RESP("*2\r\n$4\r\nECHO\r\n$0\r\n\r\n", "[ECHO|]");
    CHECK_RESP("*2\r\n$4\r\nECHO\r\n$5\r\na\r\nb\n\r\n", "[ECHO|a\r\nb\n]");
    CHECK_RESP("*0\r\n*-1\r\n*-7\r\n*1\r\n$4\r\nPING\r\n", "[PING]");
}

TEST(more_arguments_than_the_first_array_holds)
{
    struct buf input;
    struct buf expected;
    buf_init(&input, 1 << 24);
    buf_init(&expected, 1 << 24);
    buf_append_str(&input, "*3000\r\n");
    for (int i = 0; i < 3000; i++) {
        char text[16];
        int len = snprintf(text, sizeof text, "%d", i);
        buf_printf(&input, "$%d\r\n%s\r\n", len, text);
        buf_printf(&expected, "%c%s", i == 0 ? '[' : '|', text);
    }
    buf_append_str(&expected, "]");
    struct feed feed;
    feed_init(&feed, PROTOCOL_RESP);
    for (int round = 0; round < 2; round++) {
        feed_bytes(&feed, input.data, input.len);
        assert_int_equal(feed.transcript.len, expected.len);
        assert_memory_equal(feed.transcript.data, expected.data, expected.len);
        buf_truncate(&feed.transcript, 0);
    }
    feed_done(&feed);
    buf_done(&input);
    buf_done(&expected);
}

TEST(what_follows_a_length_or_a_bulk_is_not_looked_at)
{
    CHECK_RESP("*1\rX$4\rXPINGxx*1\r\n$4\r\nPONG\r\n", "[PING][PONG]");
}

TEST(multibulk_errors_are_those_of_redis)
{
    CHECK_RESP("*x\r\n", "E(ERR Protocol error: invalid multibulk length)");
    CHECK_RESP("*\r\n", "E(ERR Protocol error: invalid multibulk length)");
    CHECK_RESP("*01\r\n", "E(ERR Protocol error: invalid multibulk length)");
    CHECK_RESP("*+1\r\n", "E(ERR Protocol error: invalid multibulk length)");
    CHECK_RESP("*2147483648\r\n", "E(ERR Protocol error: invalid multibulk length)");
    CHECK_RESP("*99999999999999999999\r\n", "E(ERR Protocol error: invalid multibulk length)");
    CHECK_RESP("*1\r\n+x\r\n", "E(ERR Protocol error: expected '$', got '+')");
    CHECK_RESP("*1\r\n\r\n", "E(ERR Protocol error: expected '$', got ' ')");
    CHECK_RESP("*2\r\n$3\r\nGET\r\n:5\r\n", "E(ERR Protocol error: expected '$', got ':')");
    CHECK_RESP("*1\r\n$\r\n", "E(ERR Protocol error: invalid bulk length)");
    CHECK_RESP("*1\r\n$-1\r\n", "E(ERR Protocol error: invalid bulk length)");
    CHECK_RESP("*1\r\n$536870913\r\n", "E(ERR Protocol error: invalid bulk length)");
    CHECK_RESP("*1\r\n$99999999999999999999\r\n", "E(ERR Protocol error: invalid bulk length)");
}

TEST(an_announced_length_takes_no_memory)
{
    struct feed feed;
    feed_init(&feed, PROTOCOL_RESP);
    feed_bytes(&feed, "*2000000\r\n$536870912\r\nabc", 25);
    assert_false(feed.over);
    assert_int_equal(feed.decoder.arg_capacity, 0);
    assert_int_equal(feed.decoder.text.capacity, 0);
    feed_done(&feed);
}

static void unauthenticated(struct feed *feed)
{
    feed->decoder.args_max = 10;
    feed->decoder.unauth_bulk_max = 16384;
}

TEST(before_auth_requests_are_small)
{
    static const char many[] = "*11\r\n";
    feed_check_with(PROTOCOL_RESP, many, sizeof many - 1,
                    "E(ERR Protocol error: unauthenticated multibulk length)", unauthenticated);
    static const char large[] = "*10\r\n$16385\r\n";
    feed_check_with(PROTOCOL_RESP, large, sizeof large - 1,
                    "E(ERR Protocol error: unauthenticated bulk length)", unauthenticated);
    static const char right[] = "*10\r\n$16384\r\n";
    feed_check_with(PROTOCOL_RESP, right, sizeof right - 1, "", unauthenticated);
}

/* @head, then enough of @fill to pass the limit of a line, in pieces. */
static void check_endless_line(const char *head, char fill, const char *expected)
{
    char piece[1000];
    memset(piece, fill, sizeof piece);
    struct feed feed;
    feed_init(&feed, PROTOCOL_RESP);
    feed_bytes(&feed, head, strlen(head));
    for (int i = 0; i < 65; i++)
        feed_bytes(&feed, piece, sizeof piece);
    assert_false(feed.over);
    feed_bytes(&feed, piece, sizeof piece);
    assert_string_equal(feed_text(&feed), expected);
    feed_bytes(&feed, piece, sizeof piece); /* an error stays */
    assert_string_equal(feed_text(&feed), expected);
    feed_done(&feed);
}

TEST(a_line_has_a_limit)
{
    check_endless_line("*", '1', "E(ERR Protocol error: too big mbulk count string)");
    check_endless_line("*1\r\n$", '1', "E(ERR Protocol error: too big bulk count string)");
    check_endless_line("*1\r\n", 'x', "E(ERR Protocol error: too big bulk count string)");
    check_endless_line("PING ", 'x', "E(ERR Protocol error: too big inline request)");
}

TEST(inline_requests_are_split_and_unquoted_as_redis_does)
{
    CHECK_RESP("PING\r\n", "[PING]");
    CHECK_RESP("PING\n\r\n  \r\n PING\r\n", "[PING][PING]");
    CHECK_RESP("SET  k\t\"a b\"  \r\n", "[SET|k|a b]");
    CHECK_RESP("ECHO \"\\x41\\n\\q\\\"\\x4\\\\\"\r\n", "[ECHO|A\nq\"x4\\]");
    CHECK_RESP("ECHO 'a\\'b\\n'\r\n", "[ECHO|a'b\\n]");
    CHECK_RESP("ECHO a\"b\"\r\n", "[ECHO|ab]");
    CHECK_RESP("ECHO ''\r\n", "[ECHO|]");
    CHECK_RESP("\"\"\r\n", "[]");
    CHECK_RESP("ECHO\v1\f2\r\n", "[ECHO\v1\f2]");
    CHECK_RESP("PING\r\r\n", "[PING]");
    CHECK_RESP("GET k\n*1\r\n$4\r\nPING\r\nGET j\r\n", "[GET|k][PING][GET|j]");
}

TEST(a_byte_0_in_a_line_is_a_byte)
{
    struct feed feed;
    feed_init(&feed, PROTOCOL_RESP);
    feed_bytes(&feed, "ECHO a\0b\r\n", 10);
    assert_int_equal(feed.transcript.len, 10);
    assert_memory_equal(feed.transcript.data, "[ECHO|a\0b]", 10);
    feed_done(&feed);
}

TEST(unbalanced_quotes_are_an_error)
{
    static const char text[] = "E(ERR Protocol error: unbalanced quotes in request)";
    CHECK_RESP("ECHO \"a\r\n", text);
    CHECK_RESP("ECHO \"a\\\"\r\n", text);
    CHECK_RESP("ECHO \"a\\\r\n", text);
    CHECK_RESP("ECHO 'a\r\n", text);
    CHECK_RESP("ECHO 'a'b\r\n", text);
    CHECK_RESP("ECHO \"a\"b\r\n", text);
    CHECK_RESP("ECHO \"\r\n", text);
}

TEST(a_web_page_gets_no_answer)
{
    CHECK_RESP("POST / HTTP/1.1\r\nHost: x\r\n\r\nSET a b\r\n", "X");
    CHECK_RESP("GET / HTTP/1.1\r\nHost: x\r\nSET a b\r\n", "[GET|/|HTTP/1.1]X");
    CHECK_RESP("hosT:x\r\nPING\r\n", "X");
    CHECK_RESP("post\nPING\r\n", "X");
    CHECK_RESP("POSTMAN\r\nHost\r\n", "[POSTMAN][Host]");
}

static void with_streams(struct feed *feed)
{
    feed->decoder.stream_min = 8;
    feed->take_streams = true;
}

static void with_streams_declined(struct feed *feed)
{
    feed->decoder.stream_min = 8;
}

static void with_second_stream(struct feed *feed)
{
    with_streams(feed);
    feed->declines = 1;
}

TEST(a_large_bulk_behind_one_that_was_declined_is_offered)
{
    static const char input[] = "*3\r\n$1\r\nX\r\n$9\r\n123456789\r\n$9\r\n987654321\r\n";
    feed_check_with(PROTOCOL_RESP, input, sizeof input - 1, "S(2,9)[X|123456789|NULL]",
                    with_second_stream);
}

TEST(a_large_bulk_can_be_taken_out_of_the_request)
{
    static const char input[] =
        "*5\r\n$3\r\nSET\r\n$1\r\nk\r\n$9\r\n123456789\r\n$2\r\nPX\r\n$9\r\n"
        "987654321\r\n*1\r\n$4\r\nPING\r\n*2\r\n$1\r\nX\r\n$9\r\nabcdefghi\r\n";
    feed_check_with(PROTOCOL_RESP, input, sizeof input - 1,
                    "S(2,9)[SET|k|NULL|PX|987654321][PING]S(1,9)[X|NULL]", with_streams);
    feed_check_with(PROTOCOL_RESP, input, sizeof input - 1,
                    "[SET|k|123456789|PX|987654321][PING][X|abcdefghi]", with_streams_declined);
}

TEST(bytes_that_trickle_in_cost_linear_time)
{
    /* What a call looks at again is a bounded line at most: the number of calls is the measure, the time is ASan's. */
    enum {
        BULK = 200 * 1000
    };
    struct feed feed;
    feed_init(&feed, PROTOCOL_RESP);
    char *bulk = malloc(BULK);
    assert_non_null(bulk);
    memset(bulk, 'x', BULK);
    struct request request;
    struct decode_stream stream;
    size_t used = 0;
    struct buf input;
    buf_init(&input, 1 << 20);
    buf_printf(&input, "*2\r\n$4\r\nECHO\r\n$%d\r\n", BULK);
    size_t head = input.len;
    for (size_t i = 0; i < BULK; i++) {
        buf_append_char(&input, 'x');
        assert_int_equal(decoder_next(&feed.decoder, buf_bytes(&input), &request, &used, &stream),
                         DECODE_MORE);
        assert_int_equal(feed.decoder.scanned, head);
    }
    buf_append_str(&input, "\r\n");
    assert_int_equal(decoder_next(&feed.decoder, buf_bytes(&input), &request, &used, &stream),
                     DECODE_REQUEST);
    assert_int_equal(used, input.len);
    assert_int_equal(request.args[1].len, BULK);
    assert_memory_equal(request.args[1].data, bulk, BULK);
    free(bulk);
    buf_done(&input);
    feed_done(&feed);
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Pieces that requests are made of, glued in any order, now and then with a byte changed. */
static void garbage(uint64_t *state, struct buf *out)
{
    static const char *const pieces[] = {
        "*1\r\n",
        "*3\r\n",
        "$3\r\n",
        "GET",
        "\r\n",
        "$0\r\n\r\n",
        "*-1\r\n",
        "$10\r\n0123456789\r\n",
        "PING\n",
        "\"",
        "'",
        "\\x4",
        " ",
        "*",
        "$",
        "\n",
        "{",
        "}",
        "{\"Get\":{\"key\":\"k\"}}",
        "{\"Set\":{\"key\":\"k\",\"value\":\"\\u00e9\"}}",
        "[",
        "]",
        "\"Get\"",
        ":",
        ",",
        "\\",
        "12",
        "true",
        "{\"Remove\":{\"key\":1}}",
        "\xc3",
        "\xff",
        "99999999999",
    };
    size_t count = next_random(state) % 24;
    for (size_t i = 0; i < count; i++) {
        buf_append_str(out, pieces[next_random(state) % (sizeof pieces / sizeof pieces[0])]);
        if (next_random(state) % 8 == 0)
            buf_append_char(out, (char)next_random(state));
    }
    if (out->len > 4 && next_random(state) % 4 == 0)
        out->data[next_random(state) % out->len] = (char)next_random(state);
}

TEST(garbage_is_understood_alike_however_it_is_cut)
{
    uint64_t seed = test_seed();

    static const enum protocol_kind kinds[] = { PROTOCOL_RESP, PROTOCOL_JSON,
                                                PROTOCOL_JSON_FRAMES };

    for (int round = 0; round < 6000; round++) {
        struct buf input;
        buf_init(&input, 1 << 16);
        enum protocol_kind kind = kinds[round % 3];
        if (kind == PROTOCOL_JSON_FRAMES)
            buf_append(&input, "\0\0\0\x17", 4);
        garbage(&seed, &input);
        struct feed whole;
        struct feed pieces;
        feed_init(&whole, kind);
        feed_init(&pieces, kind);
        if (round % 2 == 0) {
            with_streams(&whole);
            with_streams(&pieces);
        }
        feed_bytes(&whole, input.data, input.len);
        for (size_t off = 0; off < input.len;) {
            size_t len = 1 + next_random(&seed) % 5;
            if (len > input.len - off)
                len = input.len - off;
            feed_bytes(&pieces, input.data + off, len);
            off += len;
        }
        assert_int_equal(whole.transcript.len, pieces.transcript.len);
        if (whole.transcript.len > 0)
            assert_memory_equal(whole.transcript.data, pieces.transcript.data,
                                whole.transcript.len);
        feed_done(&whole);
        feed_done(&pieces);
        buf_done(&input);
    }
}
