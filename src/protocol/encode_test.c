/*
 * encode_test.c - replies in every protocol.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "protocol/encode.h"
#include "protocol/json_text.h"
#include "tests/harness/test.h"

struct fixture {
    struct buf out;
    struct decoder decoder;
    struct reply reply;
};

static void begin(struct fixture *fixture, const struct reply_ops *ops, int json_request)
{
    buf_init(&fixture->out, 64 * 1024 * 1024);
    decoder_init(&fixture->decoder, PROTOCOL_JSON);
    fixture->decoder.json_request = json_request;
    fixture->reply =
        (struct reply){ .ops = ops, .out = &fixture->out, .protocol = &fixture->decoder };
}

static void end_bytes(struct fixture *fixture, const void *expected, size_t len)
{
    assert_ok(fixture->out.failed);
    assert_int_equal(fixture->out.len, len);
    if (len > 0)
        assert_memory_equal(fixture->out.data, expected, len);
    buf_done(&fixture->out);
    decoder_done(&fixture->decoder);
}

static void end(struct fixture *fixture, const char *expected)
{
    end_bytes(fixture, expected, strlen(expected));
}

/* One of everything. */
static void put_all(struct reply *reply)
{
    const struct reply_ops *ops = reply->ops;
    ops->status(reply, BYTES("OK"));
    ops->error(reply, BYTES("ERR no"));
    ops->integer(reply, -5);
    ops->bulk(reply, BYTES("a\r\nb"));
    ops->bulk(reply, bytes_of(NULL, 0));
    ops->null(reply);
    ops->null_array(reply);
    ops->array(reply, 0);
    ops->map(reply, 2);
    ops->set(reply, 1);
    ops->push(reply, 3);
    ops->real(reply, 1.5);
    ops->real(reply, -INFINITY);
    ops->boolean(reply, true);
    ops->boolean(reply, false);
    ops->verbatim(reply, "txt", BYTES("hi"));
    ops->stream_begin(reply, 536870912);
    ops->stream_end(reply);
}

TEST(resp2_has_every_type_or_its_nearest_relative)
{
    struct fixture fixture;
    begin(&fixture, protocol_encoder(PROTOCOL_RESP, 2), JSON_NONE);
    put_all(&fixture.reply);
    end(&fixture,
        "+OK\r\n-ERR no\r\n:-5\r\n$4\r\na\r\nb\r\n$0\r\n\r\n$-1\r\n*-1\r\n*0\r\n*4\r\n*1\r\n*3\r\n"
        "$3\r\n1.5\r\n$4\r\n-inf\r\n:1\r\n:0\r\n$2\r\nhi\r\n$536870912\r\n\r\n");
}

TEST(resp3_has_every_type)
{
    struct fixture fixture;
    begin(&fixture, protocol_encoder(PROTOCOL_RESP, 3), JSON_NONE);
    put_all(&fixture.reply);
    end(&fixture,
        "+OK\r\n-ERR no\r\n:-5\r\n$4\r\na\r\nb\r\n$0\r\n\r\n_\r\n_\r\n*0\r\n%2\r\n~1\r\n>3\r\n"
        ",1.5\r\n,-inf\r\n#t\r\n#f\r\n=6\r\ntxt:hi\r\n$536870912\r\n\r\n");
}

TEST(the_json_stream_answers_ok_or_err)
{
    struct fixture fixture;
    const struct reply_ops *ops = protocol_encoder(PROTOCOL_JSON, 2);
    begin(&fixture, ops, JSON_GET);
    ops->bulk(&fixture.reply, BYTES("a\"\\\b\f\n\r\t\x01\x7f\xc3\xa9"));
    ops->null(&fixture.reply);
    fixture.decoder.json_request = JSON_SET;
    ops->status(&fixture.reply, BYTES("OK"));
    fixture.decoder.json_request = JSON_REMOVE;
    ops->integer(&fixture.reply, 1);
    assert_int_equal(fixture.reply.error_count, 0);
    ops->integer(&fixture.reply, 0);
    assert_int_equal(fixture.reply.error_count, 1);
    ops->error(&fixture.reply, BYTES("NOAUTH Authentication required."));
    ops->error(&fixture.reply, BYTES("ERR \"\xff\""));
    end(&fixture, "{\"Ok\":\"a\\\"\\\\\\b\\f\\n\\r\\t\\u0001\x7f\xc3\xa9\"}{\"Ok\":null}{\"Ok\":"
                  "null}{\"Ok\":null}"
                  "{\"Err\":\"Key not found\"}{\"Err\":\"NOAUTH Authentication required.\"}"
                  "{\"Err\":\"ERR \\\"\xef\xbf\xbd\\\"\"}");
}

TEST(frames_answer_by_the_requests_name)
{
    struct fixture fixture;
    const struct reply_ops *ops = protocol_encoder(PROTOCOL_JSON_FRAMES, 2);
    begin(&fixture, ops, JSON_GET);
    ops->bulk(&fixture.reply, BYTES("v"));
    ops->null(&fixture.reply);
    fixture.decoder.json_request = JSON_SET;
    ops->status(&fixture.reply, BYTES("OK"));
    fixture.decoder.json_request = JSON_REMOVE;
    ops->integer(&fixture.reply, 1);
    ops->integer(&fixture.reply, 0);
    ops->error(&fixture.reply, BYTES("ERR x"));
    static const char expected[] =
        "\0\0\0\x0b{\"Get\":\"v\"}\0\0\0\x0c{\"Get\":null}\0\0\0\5\"Set\"\0\0\0\x08\"Remove\""
        "\0\0\0\x17{\"Err\":\"Key not found\"}\0\0\0\x0f{\"Err\":\"ERR x\"}";
    end_bytes(&fixture, expected, sizeof expected - 1);
}

TEST(a_value_that_is_not_utf8_is_an_error_that_says_so)
{
    static const char *const bad[] = { "\xff",
                                       "a\xc3",
                                       "\xc0\x80",
                                       "\xe0\x80\x80",
                                       "\xed\xa0\x80",
                                       "\xf4\x90\x80\x80",
                                       "\xf5\x80\x80\x80",
                                       "\x80",
                                       "abcdefgh\xe2\x82",
                                       "\xf0\x80\x80\x80" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct fixture fixture;
        begin(&fixture, &reply_json, JSON_GET);
        fixture.reply.ops->bulk(&fixture.reply, bytes_str(bad[i]));
        assert_int_equal(fixture.reply.error_count, 1);
        end(&fixture, "{\"Err\":\"the value is not UTF-8 and cannot be shown in JSON\"}");
    }
    static const char *const good[] = { "",
                                        "\x7f",
                                        "\xc2\x80",
                                        "\xe0\xa0\x80",
                                        "\xed\x9f\xbf",
                                        "\xee\x80\x80",
                                        "\xf0\x90\x80\x80",
                                        "\xf4\x8f\xbf\xbf",
                                        "12345678\xc3\xa9!2345678" };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(json_text_is_utf8(bytes_str(good[i])));
}

static void check_too_large(const struct reply_ops *ops, size_t room, char fill)
{
    struct fixture fixture;
    begin(&fixture, ops, JSON_GET);
    fixture.out.max_bytes = room;
    size_t len = JSON_VALUE_MAX - 64;
    char *value = malloc(len);
    assert_non_null(value);
    memset(value, fill, len);
    ops->null(&fixture.reply);
    size_t before = fixture.out.len;
    ops->bulk(&fixture.reply, bytes_of(value, len));
    assert_ok(fixture.out.failed);
    assert_int_equal(fixture.reply.error_count, fill == '\n');
    if (fill == '\n') {
        buf_append_char(&fixture.out, '\0');
        assert_non_null(strstr(fixture.out.data + before + (ops == &reply_json_frames ? 4 : 0),
                               "{\"Err\":\"the value is too large for JSON"));
    }
    free(value);
    buf_done(&fixture.out);
    decoder_done(&fixture.decoder);
}

TEST(an_answer_over_the_limit_is_an_error_in_its_place)
{
    check_too_large(&reply_json, 64 * 1024 * 1024, '\n');
    check_too_large(&reply_json_frames, 64 * 1024 * 1024, '\n');
    check_too_large(&reply_json_frames, 64 * 1024 * 1024, 'x');
    /* The output's own limit is met first. */
    check_too_large(&reply_json, 9 * 1024 * 1024, '\n');
}
