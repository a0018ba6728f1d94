/*
 * resp_encode.c - replies as RESP2 and RESP3.
 *
 * The two differ in null, aggregates and the types that RESP2 lacks, which Redis sends there as their nearest relatives: a map as a
 * flat array, a boolean as 0 or 1, a double and a verbatim text as bulks.
 */
#include "base/bytes.h"
#include "base/number.h"
#include "protocol/encode.h"

/* "<mark><number>\r\n" */
static void put_head(struct buf *out, char mark, int64_t number)
{
    char line[NUMBER_I64_CHARS + 3];
    line[0] = mark;
    size_t len = 1 + number_print_i64(number, line + 1);
    line[len++] = '\r';
    line[len++] = '\n';
    buf_append(out, line, len);
}

static void put_line(struct buf *out, char mark, struct kvs_bytes text)
{
    buf_append_char(out, mark);
    buf_append_bytes(out, text);
    buf_append(out, "\r\n", 2);
}

static void put_bulk(struct reply *reply, struct kvs_bytes bytes)
{
    put_head(reply->out, '$', (int64_t)bytes.len);
    buf_append_bytes(reply->out, bytes);
    buf_append(reply->out, "\r\n", 2);
}

static void put_status(struct reply *reply, struct kvs_bytes text)
{
    put_line(reply->out, '+', text);
}

static void put_error(struct reply *reply, struct kvs_bytes text)
{
    put_line(reply->out, '-', text);
}

static void put_integer(struct reply *reply, int64_t value)
{
    put_head(reply->out, ':', value);
}

static void put_array(struct reply *reply, size_t count)
{
    put_head(reply->out, '*', (int64_t)count);
}

static void put_stream_begin(struct reply *reply, uint64_t bytes)
{
    put_head(reply->out, '$', (int64_t)bytes);
}

static void put_stream_end(struct reply *reply)
{
    buf_append(reply->out, "\r\n", 2);
}

static void put_null2(struct reply *reply)
{
    buf_append(reply->out, "$-1\r\n", 5);
}

static void put_null_array2(struct reply *reply)
{
    buf_append(reply->out, "*-1\r\n", 5);
}

static void put_map2(struct reply *reply, size_t pairs)
{
    put_head(reply->out, '*', (int64_t)pairs * 2);
}

static void put_real2(struct reply *reply, double value)
{
    char text[32];
    put_bulk(reply, bytes_of(text, number_print_double(value, text)));
}

static void put_boolean2(struct reply *reply, bool value)
{
    put_head(reply->out, ':', value);
}

static void put_verbatim2(struct reply *reply, const char type[3], struct kvs_bytes text)
{
    (void)type;
    put_bulk(reply, text);
}

static void put_null3(struct reply *reply)
{
    buf_append(reply->out, "_\r\n", 3);
}

static void put_map3(struct reply *reply, size_t pairs)
{
    put_head(reply->out, '%', (int64_t)pairs);
}

static void put_set3(struct reply *reply, size_t count)
{
    put_head(reply->out, '~', (int64_t)count);
}

static void put_push3(struct reply *reply, size_t count)
{
    put_head(reply->out, '>', (int64_t)count);
}

static void put_real3(struct reply *reply, double value)
{
    char text[32];
    put_line(reply->out, ',', bytes_of(text, number_print_double(value, text)));
}

static void put_boolean3(struct reply *reply, bool value)
{
    buf_append_str(reply->out, value ? "#t\r\n" : "#f\r\n");
}

static void put_verbatim3(struct reply *reply, const char type[3], struct kvs_bytes text)
{
    put_head(reply->out, '=', (int64_t)text.len + 4);
    buf_append(reply->out, type, 3);
    buf_append_char(reply->out, ':');
    buf_append_bytes(reply->out, text);
    buf_append(reply->out, "\r\n", 2);
}

const struct reply_ops reply_resp2 = {
    .name = "resp2",
    .status = put_status,
    .error = put_error,
    .integer = put_integer,
    .bulk = put_bulk,
    .null = put_null2,
    .null_array = put_null_array2,
    .array = put_array,
    .map = put_map2,
    .set = put_array,
    .push = put_array,
    .real = put_real2,
    .boolean = put_boolean2,
    .verbatim = put_verbatim2,
    .stream_begin = put_stream_begin,
    .stream_end = put_stream_end,
};

const struct reply_ops reply_resp3 = {
    .name = "resp3",
    .status = put_status,
    .error = put_error,
    .integer = put_integer,
    .bulk = put_bulk,
    .null = put_null3,
    .null_array = put_null3,
    .array = put_array,
    .map = put_map3,
    .set = put_set3,
    .push = put_push3,
    .real = put_real3,
    .boolean = put_boolean3,
    .verbatim = put_verbatim3,
    .stream_begin = put_stream_begin,
    .stream_end = put_stream_end,
};

const struct reply_ops *protocol_encoder(enum protocol_kind kind, int resp_version)
{
    if (kind == PROTOCOL_JSON)
        return &reply_json;
    if (kind == PROTOCOL_JSON_FRAMES)
        return &reply_json_frames;
    return resp_version == 3 ? &reply_resp3 : &reply_resp2;
}
