/*
 * resp_reply_test.c - the client's reader and writer.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "protocol/resp_reply.h"
#include "tests/harness/test.h"

static void describe(const struct resp_value *value, struct buf *out)
{
    static const char marks[] = "+-:$_*%~>,#=(";
    buf_append_char(out, marks[value->type]);
    if (value->type == RESP_INTEGER || value->type == RESP_BOOLEAN)
        buf_append_i64(out, value->integer);
    else if (value->type == RESP_REAL)
        buf_printf(out, "%g", value->real);
    else if (value->type != RESP_NULL)
        buf_append_bytes(out, value->text);
    if (value->item_count > 0) {
        buf_append_char(out, '[');
        for (size_t i = 0; i < value->item_count; i++)
            describe(&value->items[i], out);
        buf_append_char(out, ']');
    }
    buf_append_char(out, ';');
}

/* Reads all replies of @input, @step bytes at a time, each time from a copy elsewhere. */
static enum kvs_status read_all(const char *input, size_t len, size_t step, struct buf *out)
{
    struct resp_reader reader;
    resp_reader_init(&reader, 1 << 20);
    size_t start = 0;
    size_t end = 0;
    enum kvs_status status = KVS_OK;
    while (start < len) {
        size_t have = end - start;
        char *copy = malloc(have + (have == 0));
        assert_non_null(copy);
        memcpy(copy, input + start, have);
        struct resp_value value;
        size_t used = 0;
        status = resp_read(&reader, bytes_of(copy, have), &value, &used);
        if (status == KVS_OK) {
            describe(&value, out);
            start += used;
        }
        free(copy);
        if (status == KVS_OK)
            continue;
        if (status != KVS_WOULD_BLOCK || end == len)
            break;
        end = end + step < len ? end + step : len;
    }
    resp_reader_done(&reader);
    return status;
}

static void check_replies(const char *input, size_t len, const char *expected)
{
    for (size_t step = 1; step <= len; step++) {
        struct buf out;
        buf_init(&out, 1 << 20);
        assert_int_equal(read_all(input, len, step, &out), KVS_OK);
        buf_append_char(&out, '\0');
        assert_string_equal(out.data, expected);
        buf_done(&out);
    }
}

#define CHECK_REPLIES(input, expected) check_replies((input), sizeof(input) - 1, (expected))

TEST(every_type_is_read_however_it_is_cut)
{
    CHECK_REPLIES("+OK\r\n-ERR no\r\n:-5\r\n$3\r\na\rb\r\n$0\r\n\r\n$-1\r\n*-1\r\n_\r\n",
                  "+OK;-ERR no;:-5;$a\rb;$;_;_;_;");
    CHECK_REPLIES(",1.5\r\n,inf\r\n,-inf\r\n#t\r\n#f\r\n(123456789012345678901\r\n!5\r\nERR "
                  "x\r\n=6\r\ntxt:hi\r\n",
                  ",1.5;,inf;,-inf;#1;#0;(123456789012345678901;-ERR x;=hi;");
    CHECK_REPLIES(
        "*0\r\n*2\r\n:1\r\n*2\r\n$1\r\na\r\n*0\r\n%1\r\n+k\r\n~2\r\n:1\r\n:2\r\n>1\r\n+p\r\n",
        "*;*[:1;*[$a;*;];];%[+k;~[:1;:2;];];>[+p;];");
}

TEST(not_a_number_is_read)
{
    struct resp_reader reader;
    resp_reader_init(&reader, 100);
    struct resp_value value;
    size_t used;
    assert_ok(resp_read(&reader, BYTES(",nan\r\n"), &value, &used));
    assert_true(isnan(value.real));
    resp_reader_done(&reader);
}

TEST(attributes_are_skipped)
{
    CHECK_REPLIES(
        "|1\r\n+key\r\n*2\r\n:1\r\n:2\r\n+OK\r\n*2\r\n|1\r\n+a\r\n+b\r\n:1\r\n|0\r\n:2\r\n",
        "+OK;*[:1;:2;];");
}

static void check_refused(const char *input, size_t len)
{
    for (size_t step = 1; step <= len; step += len - 1 > 0 ? len - 1 : 1) {
        struct buf out;
        buf_init(&out, 1 << 20);
        assert_int_equal(read_all(input, len, step, &out), KVS_PROTOCOL);
        assert_string_not_equal(fail_text(), "");
        buf_done(&out);
    }
}

#define CHECK_REFUSED(input) check_refused((input), sizeof(input) - 1)

TEST(what_is_not_resp_is_refused)
{
    CHECK_REFUSED("HTTP/1.1 400 Bad Request\r\n");
    CHECK_REFUSED("\r\n");
    CHECK_REFUSED("+OK\rX");
    CHECK_REFUSED(":abc\r\n");
    CHECK_REFUSED("$x\r\n");
    CHECK_REFUSED("$-2\r\n");
    CHECK_REFUSED("*-2\r\n");
    CHECK_REFUSED("#x\r\n");
    CHECK_REFUSED("=3\r\ntxt\r\n");
    CHECK_REFUSED("_x\r\n");
    CHECK_REFUSED("|-1\r\n");
    CHECK_REFUSED("$1048577\r\n");
    CHECK_REFUSED("*1048577\r\n");
    CHECK_REFUSED("*9223372036854775807\r\n");
    CHECK_REFUSED("%9223372036854775807\r\n");
}

TEST(depth_and_size_have_limits)
{
    struct buf input;
    struct buf out;
    buf_init(&input, 1 << 22);
    buf_init(&out, 1 << 20);
    for (int i = 0; i < RESP_DEPTH_MAX; i++)
        buf_append_str(&input, "*1\r\n");
    size_t nested = input.len;
    buf_append_str(&input, ":1\r\n");
    assert_int_equal(read_all(input.data, input.len, 1, &out), KVS_OK);
    buf_truncate(&input, nested);
    buf_append_str(&input, "*1\r\n:1\r\n");
    assert_int_equal(read_all(input.data, input.len, 1, &out), KVS_PROTOCOL);
    buf_truncate(&input, 0);
    buf_append_char(&input, '+');
    for (int i = 0; i < 70000; i++)
        buf_append_char(&input, 'x');
    assert_int_equal(read_all(input.data, input.len, 1000, &out), KVS_PROTOCOL);
    /* Many small items together are over the limit too. */
    buf_truncate(&input, 0);
    buf_append_str(&input, "*400000\r\n");
    for (int i = 0; i < 400000; i++)
        buf_append_str(&input, ":1\r\n");
    assert_int_equal(read_all(input.data, input.len, 1 << 22, &out), KVS_PROTOCOL);
    buf_done(&input);
    buf_done(&out);
}

TEST(a_long_list_is_read_again_and_again_with_the_same_reader)
{
    struct resp_reader reader;
    resp_reader_init(&reader, 1 << 20);
    struct buf input;
    buf_init(&input, 1 << 20);
    buf_append_str(&input, "*10000\r\n");
    for (int i = 0; i < 10000; i++)
        buf_printf(&input, ":%d\r\n", i);
    for (int round = 0; round < 3; round++) {
        struct resp_value value;
        size_t used;
        for (size_t len = 0; len < input.len; len += 997)
            assert_int_equal(resp_read(&reader, bytes_of(input.data, len), &value, &used),
                             KVS_WOULD_BLOCK);
        assert_ok(resp_read(&reader, buf_bytes(&input), &value, &used));
        assert_int_equal(used, input.len);
        assert_int_equal(value.item_count, 10000);
        for (size_t i = 0; i < 10000; i++)
            assert_int_equal(value.items[i].integer, i);
        assert_ok(resp_read(&reader, BYTES("+OK\r\n"), &value, &used));
        assert_int_equal(value.type, RESP_STATUS);
    }
    resp_reader_done(&reader);
    buf_done(&input);
}

TEST(heads_are_read_alone)
{
    struct resp_head head;
    assert_ok(resp_read_head(BYTES("*2\r\n:1\r\n"), &head));
    assert_int_equal(head.value.type, RESP_ARRAY);
    assert_true(head.is_aggregate);
    assert_int_equal(head.count, 2);
    assert_int_equal(head.used, 4);
    assert_ok(resp_read_head(BYTES("$500\r\nabc"), &head));
    assert_int_equal(head.value.type, RESP_BULK);
    assert_true(head.is_bulk);
    assert_int_equal(head.count, 500);
    assert_int_equal(head.used, 6);
    assert_ok(resp_read_head(BYTES("$-1\r\n"), &head));
    assert_int_equal(head.value.type, RESP_NULL);
    assert_false(head.is_bulk);
    assert_ok(resp_read_head(BYTES("-ERR x\r\n"), &head));
    assert_int_equal(head.value.type, RESP_ERROR);
    assert_false(head.is_bulk);
    assert_true(bytes_equal(head.value.text, BYTES("ERR x")));
    assert_int_equal(resp_read_head(BYTES("$50"), &head), KVS_WOULD_BLOCK);
    assert_int_equal(resp_read_head(BYTES("?\r\n"), &head), KVS_PROTOCOL);
}

TEST(requests_are_written_as_multibulks)
{
    struct buf out;
    buf_init(&out, 1000);
    struct kvs_bytes args[] = { BYTES("SET"), BYTES(""), BYTES("a\r\n") };
    resp_put_request(&out, args, 3);
    resp_put_count(&out, 1);
    resp_put_arg_head(&out, 5000000000);
    buf_append_char(&out, '\0');
    assert_string_equal(out.data,
                        "*3\r\n$3\r\nSET\r\n$0\r\n\r\n$3\r\na\r\n\r\n*1\r\n$5000000000\r\n");
    buf_done(&out);
}

TEST(garbage_gives_the_same_answer_however_it_is_cut)
{
    static const char *const pieces[] = { "+OK\r\n",       ":1\r\n",   "*2\r\n", "%1\r\n",
                                          "$3\r\nabc\r\n", "$-1\r\n",  "|1\r\n", "~1\r\n",
                                          "_\r\n",         ",1.5\r\n", "#t\r\n", "-ERR\r\n",
                                          "\r\n",          "*",        "$2\r\n", "x" };
    uint64_t seed = test_seed();
    for (int round = 0; round < 3000; round++) {
        struct buf input;
        buf_init(&input, 1 << 16);
        for (int i = 0; i < 12; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            /* mostly well-formed pieces, so that some get deep */
            size_t pick = (seed >> 33) % (round % 4 == 0 ? 16 : 12);
            buf_append_str(&input, pieces[pick]);
        }
        struct buf whole;
        struct buf parts;
        buf_init(&whole, 1 << 16);
        buf_init(&parts, 1 << 16);
        enum kvs_status a = read_all(input.data, input.len, input.len, &whole);
        enum kvs_status b = read_all(input.data, input.len, 1 + (size_t)(seed >> 60), &parts);
        assert_int_equal(a, b);
        assert_true(bytes_equal(buf_bytes(&whole), buf_bytes(&parts)));
        buf_done(&input);
        buf_done(&whole);
        buf_done(&parts);
    }
}
