/*
 * json_encode.c - replies in JSON, bare for the stream, behind a length for frames.
 *
 *     request   answer of the command   stream              frame
 *     Get       bulk                    {"Ok":"v"}          {"Get":"v"}
 *     Get       null                    {"Ok":null}         {"Get":null}
 *     Set       status                  {"Ok":null}         "Set"
 *     Remove    1                       {"Ok":null}         "Remove"
 *     Remove    0                       {"Err":"Key not found"} in both
 *     any       error                   {"Err":"text"} in both, the text as RESP would show it
 *
 * A value that is not UTF-8, and an answer over the limit, are errors that say so. A large value is escaped, not streamed: the
 * command gives it whole up to whole_max, beyond which the reply is an error too.
 */
#include "base/bytes.h"
#include "protocol/encode.h"
#include "protocol/json_text.h"

enum {
    FRAME_HEAD_BYTES = 4
};

static bool is_framed(const struct reply *reply)
{
    return reply->ops == &reply_json_frames;
}

static int request_of(const struct reply *reply)
{
    const struct decoder *decoder = reply->protocol;
    return decoder != NULL ? decoder->json_request : JSON_NONE;
}

/* Where the answer begins; a frame's length is filled in at its end. */
static size_t answer_begin(struct reply *reply)
{
    size_t start = reply->out->len;
    if (is_framed(reply))
        buf_append(reply->out, "\0\0\0\0", FRAME_HEAD_BYTES);
    return start;
}

static size_t answer_bytes(const struct reply *reply, size_t start)
{
    return reply->out->len - start - (is_framed(reply) ? FRAME_HEAD_BYTES : 0);
}

static void answer_end(struct reply *reply, size_t start)
{
    if (!is_framed(reply) || reply->out->failed != KVS_OK)
        return;
    size_t len = answer_bytes(reply, start);
    unsigned char *head = (unsigned char *)reply->out->data + start;
    head[0] = (unsigned char)(len >> 24);
    head[1] = (unsigned char)(len >> 16);
    head[2] = (unsigned char)(len >> 8);
    head[3] = (unsigned char)len;
}

static void put_error(struct reply *reply, struct kvs_bytes text)
{
    size_t start = answer_begin(reply);
    buf_append_str(reply->out, "{\"Err\":");
    json_text_put_lossy(reply->out, text);
    buf_append_char(reply->out, '}');
    answer_end(reply, start);
}

/* An error that the protocol finds, not the command. */
static void put_own_error(struct reply *reply, const char *text)
{
    put_error(reply, bytes_str(text));
    reply->error_count++;
}

static void put_text(struct reply *reply, const char *text)
{
    size_t start = answer_begin(reply);
    buf_append_str(reply->out, text);
    answer_end(reply, start);
}

/* Nothing to show: no such key, or done. */
static void put_done(struct reply *reply)
{
    if (!is_framed(reply)) {
        put_text(reply, "{\"Ok\":null}");
        return;
    }
    switch (request_of(reply)) {
    case JSON_SET:
        put_text(reply, "\"Set\"");
        return;
    case JSON_REMOVE:
        put_text(reply, "\"Remove\"");
        return;
    default:
        put_text(reply, "{\"Get\":null}");
        return;
    }
}

static void put_value(struct reply *reply, struct kvs_bytes bytes)
{
    if (reply->out->failed != KVS_OK)
        return;
    size_t start = answer_begin(reply);
    buf_append_str(reply->out, is_framed(reply) ? "{\"Get\":" : "{\"Ok\":");
    bool shown = json_text_put(reply->out, bytes);
    buf_append_char(reply->out, '}');
    /* The output may have no room for the escaped value, and room for an error. */
    bool fits = reply->out->failed == KVS_OK && answer_bytes(reply, start) <= JSON_VALUE_MAX;
    if (shown && fits) {
        answer_end(reply, start);
        return;
    }
    buf_truncate(reply->out, start);
    put_own_error(reply, shown ? "the value is too large for JSON: its answer is over the limit"
                               : "the value is not UTF-8 and cannot be shown in JSON");
}

static void put_integer(struct reply *reply, int64_t value)
{
    if (value == 0 && request_of(reply) == JSON_REMOVE)
        put_own_error(reply, "Key not found");
    else
        put_done(reply);
}

static void put_status(struct reply *reply, struct kvs_bytes text)
{
    (void)text;
    put_done(reply);
}

/* None of the three requests is answered by what follows; should one be, its client learns it. */
static void put_unexpected(struct reply *reply)
{
    put_own_error(reply, "the answer cannot be shown in JSON");
}

static void put_aggregate(struct reply *reply, size_t count)
{
    (void)count;
    put_unexpected(reply);
}

static void put_real(struct reply *reply, double value)
{
    (void)value;
    put_unexpected(reply);
}

static void put_boolean(struct reply *reply, bool value)
{
    (void)value;
    put_unexpected(reply);
}

static void put_verbatim(struct reply *reply, const char type[3], struct kvs_bytes text)
{
    (void)type;
    (void)text;
    put_unexpected(reply);
}

const struct reply_ops reply_json = {
    .name = "json",
    .status = put_status,
    .error = put_error,
    .integer = put_integer,
    .bulk = put_value,
    .null = put_done,
    .null_array = put_unexpected,
    .array = put_aggregate,
    .map = put_aggregate,
    .set = put_aggregate,
    .push = put_aggregate,
    .real = put_real,
    .boolean = put_boolean,
    .verbatim = put_verbatim,
    .whole_max = JSON_VALUE_MAX,
};

const struct reply_ops reply_json_frames = {
    .name = "json-frames",
    .status = put_status,
    .error = put_error,
    .integer = put_integer,
    .bulk = put_value,
    .null = put_done,
    .null_array = put_unexpected,
    .array = put_aggregate,
    .map = put_aggregate,
    .set = put_aggregate,
    .push = put_aggregate,
    .real = put_real,
    .boolean = put_boolean,
    .verbatim = put_verbatim,
    .whole_max = JSON_VALUE_MAX,
};
