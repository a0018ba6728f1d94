/*
 * json_request_test.c - requests in JSON: the stream and the frames.
 */
#include <stdio.h>

#include "protocol/feed_test.h"

#define CHECK_JSON(input, expected) \
    feed_check_with(PROTOCOL_JSON, (input), sizeof(input) - 1, (expected), NULL)

TEST(values_back_to_back_are_requests)
{
    CHECK_JSON("{\"Get\":{\"key\":\"k\"}}", "[GET|k]");
    CHECK_JSON("{\"Set\":{\"key\":\"k\",\"value\":\"v\"}}{\"Remove\":{\"key\":\"k\"}}\n"
               " {\"Set\":{\"value\":\"}{\\\"\",\"key\":\"\"}}\t",
               "[SET|k|v][DEL|k][SET||}{\"]");
    CHECK_JSON("{ \"Get\" : { \"key\" : \"\\u00e9\\n\\ud83d\\ude00\" } }",
               "[GET|\xc3\xa9\n\xf0\x9f\x98\x80]");
    CHECK_JSON("{\"Get\":{\"key\":\"\xc3\xa9\"}}", "[GET|\xc3\xa9]");
}

TEST(a_byte_0_in_a_string_is_a_byte)
{
    struct feed feed;
    feed_init(&feed, PROTOCOL_JSON);
    static const char input[] = "{\"Get\":{\"key\":\"a\\u0000b\"}}";
    feed_bytes(&feed, input, sizeof input - 1);
    assert_int_equal(feed.transcript.len, 9);
    assert_memory_equal(feed.transcript.data, "[GET|a\0b]", 9);
    feed_done(&feed);
}

TEST(json_that_is_no_request_is_refused_by_name_and_the_next_is_read)
{
    CHECK_JSON("{\"Foo\":{\"key\":\"k\"}}{\"Get\":{\"key\":\"k\"}}",
               "R(unknown request \"Foo\": expected Get, Set or Remove)[GET|k]");
    CHECK_JSON("{\"get\":{\"key\":\"k\"}}",
               "R(unknown request \"get\": expected Get, Set or Remove)");
    static const char none[] =
        "R(unknown request: expected an object with one of Get, Set, Remove)";
    CHECK_JSON("{}", none);
    CHECK_JSON("[]", none);
    CHECK_JSON("\"Get\"", none);
    CHECK_JSON("{\"Get\":{\"key\":\"k\"},\"Remove\":{\"key\":\"k\"}}", none);
    CHECK_JSON("{\"Get\":\"k\"}", "R(Get: expected an object with \"key\")");
    CHECK_JSON("{\"Set\":[]}", "R(Set: expected an object with \"key\" and \"value\")");
    CHECK_JSON("{\"Get\":{}}", "R(Get: missing field \"key\")");
    CHECK_JSON("{\"Set\":{\"key\":\"k\"}}", "R(Set: missing field \"value\")");
    CHECK_JSON("{\"Set\":{\"key\":\"k\",\"value\":1}}",
               "R(Set: field \"value\": expected a string)");
    CHECK_JSON("{\"Get\":{\"key\":null}}", "R(Get: field \"key\": expected a string)");
    CHECK_JSON("{\"Get\":{\"key\":\"k\",\"value\":\"v\"}}", "R(Get: unknown field \"value\")");
    CHECK_JSON("{\"Remove\":{\"key\":\"k\",\"x\":1}}", "R(Remove: unknown field \"x\")");
}

static void check_error(const void *input, size_t len, const char *part)
{
    for (int by_byte = 0; by_byte < 2; by_byte++) {
        struct feed feed;
        feed_init(&feed, PROTOCOL_JSON);
        if (by_byte) {
            for (size_t i = 0; i < len; i++)
                feed_bytes(&feed, (const char *)input + i, 1);
        } else {
            feed_bytes(&feed, input, len);
        }
        assert_true(feed.over);
        const char *text = feed_text(&feed);
        assert_non_null(strstr(text, "E("));
        if (strstr(text, part) == NULL)
            fail_msg("\"%s\" does not contain \"%s\"", text, part);
        feed_done(&feed);
    }
}

#define CHECK_ERROR(input, part) check_error((input), sizeof(input) - 1, (part))

TEST(what_is_not_json_ends_the_connection)
{
    CHECK_ERROR("{\"Get\" 1}", "bad JSON");
    CHECK_ERROR("{\"Get\":{\"key\":\"k\"}]", "bad JSON");
    CHECK_ERROR("{\"Get\":{\"key\":\"\xff\"}}", "bad JSON");
    CHECK_ERROR("{\"Get\":{\"key\":\"\\ud800\"}}", "bad JSON");
    CHECK_ERROR("{\"Get\":{\"key\":\"a\nb\"}}", "bad JSON");
    CHECK_ERROR("{'Get':1}", "bad JSON");
    CHECK_ERROR("{\"Get\":{\"key\":\"k\"}}xyz", "bad JSON: a request is an object");
    CHECK_ERROR("12", "bad JSON: a request is an object");
    CHECK_ERROR("}", "bad JSON: a request is an object");
}

TEST(a_field_given_twice_is_refused)
{
    struct feed feed;
    feed_init(&feed, PROTOCOL_JSON);
    static const char input[] = "{\"Get\":{\"key\":\"a\",\"key\":\"b\"}}{\"Get\":{\"key\":\"c\"}}";
    feed_bytes(&feed, input, sizeof input - 1);
    assert_non_null(strstr(feed_text(&feed), "R(bad JSON: duplicate object key"));
    assert_non_null(strstr(feed_text(&feed), "[GET|c]"));
    feed_done(&feed);
}

TEST(depth_and_parts_are_bounded_before_anything_is_parsed)
{
    struct buf input;
    buf_init(&input, 1 << 20);
    buf_append_str(&input, "{\"a\":");
    for (int i = 0; i < 64; i++)
        buf_append_char(&input, '[');
    check_error(input.data, input.len, "nested deeper than 64");
    buf_truncate(&input, 0);
    buf_append_str(&input, "{\"a\":[0");
    for (int i = 0; i < 300; i++)
        buf_append_str(&input, ",0");
    check_error(input.data, input.len, "more parts than a request has");
    buf_done(&input);
}

TEST(a_value_has_a_limit)
{
    char *piece = malloc(1 << 20);
    assert_non_null(piece);
    memset(piece, 'x', 1 << 20);
    struct feed feed;
    feed_init(&feed, PROTOCOL_JSON);
    feed_bytes(&feed, "{\"Get\":{\"key\":\"", 15);
    for (int i = 0; i < 8; i++) {
        assert_false(feed.over);
        feed_bytes(&feed, piece, 1 << 20);
    }
    assert_string_equal(feed_text(&feed), "E(a JSON value is over the limit of 8388608 bytes)");
    feed_done(&feed);
    free(piece);
}

static void put_frame(struct buf *out, const char *text)
{
    size_t len = strlen(text);
    char head[4] = { (char)(len >> 24), (char)(len >> 16), (char)(len >> 8), (char)len };
    buf_append(out, head, 4);
    buf_append_str(out, text);
}

TEST(frames_are_requests_too)
{
    struct buf input;
    buf_init(&input, 1 << 20);
    put_frame(&input, "{\"Get\":{\"key\":\"k\"}}");
    put_frame(&input, " {\"Set\":{\"key\":\"k\",\"value\":\"v\"}} ");
    put_frame(&input, "\"Get\"");
    put_frame(&input, "{\"Remove\":{\"key\":\"k\"}}");
    feed_check_with(PROTOCOL_JSON_FRAMES, input.data, input.len,
                    "[GET|k][SET|k|v]R(unknown request: expected an object with one of Get, Set, "
                    "Remove)[DEL|k]",
                    NULL);
    buf_done(&input);
}

TEST(bad_frames_end_the_connection)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *expected;
    } rows[] = {
        { "\0\x80\0\1", 4, "E(a frame of 8388609 bytes is over the limit of 8388608)" },
        { "\0\0\0\0", 4, "E(bad JSON: a frame of 0 bytes holds no whole value)" },
        { "\0\0\0\2{}\x7f\0\0\0", 10,
          "R(unknown request: expected an object with one of Get, Set, Remove)E(a frame of "
          "2130706432 bytes is over the limit of 8388608)" },
        { "\0\0\0\3{\"a", 7, "E(bad JSON: a frame of 3 bytes holds no whole value)" },
        { "\0\0\0\4true", 8, "E(bad JSON: a request is an object, {\"Get\":{\"key\":\"k\"}})" },
        { "\0\0\0\4{}{}", 8, "E(bad JSON: end of file expected near '{')" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        feed_check_with(PROTOCOL_JSON_FRAMES, rows[i].bytes, rows[i].len, rows[i].expected, NULL);
    /* The largest length, announced: nothing happens and nothing is allocated. */
    struct feed feed;
    feed_init(&feed, PROTOCOL_JSON_FRAMES);
    feed_bytes(&feed, "\0\x80\0\0", 4);
    assert_false(feed.over);
    feed_done(&feed);
}
