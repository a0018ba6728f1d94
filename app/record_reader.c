/*
 * record_reader.c - reading both formats. A large value in RESP is never held whole; a JSON line is.
 */
#include "app/record_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <kvs/kvs.h>

#include "app/base64.h"
#include "app/interrupt.h"
#include "base/bytes.h"
#include "base/fail.h"
#include "base/number.h"
#include "protocol/decode.h"

enum {
    READ_BYTES = 256 * 1024,
    LINE_BYTES_MAX = 768 * 1024 * 1024, /* the largest value in base64, and some */
    SHOWN_NAME_BYTES = 40,
};

struct record_reader {
    int fd;
    bool own_fd;
    bool at_end;
    enum record_format format;
    struct buf input;
    size_t input_off; /* of it used */
    size_t line_seen; /* bytes from there on without a line's end */
    uint64_t bytes_read;
    uint64_t bytes_total;
    uint64_t number;
    /* JSON lines */
    json_t *json;
    struct buf key; /* decoded from base64 */
    struct buf value;
    /* RESP */
    struct decoder decoder;
    uint64_t stream_left; /* of a large value */
};

enum kvs_status record_format_parse(const char *name, enum record_format *ret)
{
    if (strcmp(name, "jsonl") == 0)
        *ret = RECORD_JSONL;
    else if (strcmp(name, "resp") == 0)
        *ret = RECORD_RESP;
    else
        return fail(KVS_INVALID, 0, "unknown format \"%s\": expected jsonl or resp", name);
    return KVS_OK;
}

enum kvs_status record_reader_open(const char *path, enum record_format format,
                                   struct record_reader **ret)
{
    struct record_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "reading %s", path);
    reader->format = format;
    buf_init(&reader->input, (size_t)LINE_BYTES_MAX + READ_BYTES);
    buf_init(&reader->key, KVS_KEY_MAX + 4);
    buf_init(&reader->value, (size_t)KVS_VALUE_MAX + 4);
    decoder_init(&reader->decoder, PROTOCOL_RESP);
    reader->decoder.stream_min = KVS_INLINE_MAX;
    reader->own_fd = strcmp(path, "-") != 0;
    reader->fd = reader->own_fd ? open(path, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    if (reader->fd < 0) {
        enum kvs_status status = fail(KVS_IO, errno, "open %s", path);
        record_reader_close(reader);
        return status;
    }
    struct stat info;
    if (fstat(reader->fd, &info) == 0 && S_ISREG(info.st_mode))
        reader->bytes_total = (uint64_t)info.st_size;
    *ret = reader;
    return KVS_OK;
}

void record_reader_close(struct record_reader *reader)
{
    if (reader == NULL)
        return;
    if (reader->own_fd && reader->fd >= 0)
        (void)close(reader->fd); /* only read from */
    buf_done(&reader->input);
    buf_done(&reader->key);
    buf_done(&reader->value);
    decoder_done(&reader->decoder);
    json_decref(reader->json);
    free(reader);
}

uint64_t record_reader_done(const struct record_reader *reader)
{
    return reader->bytes_read - (reader->input.len - reader->input_off);
}

uint64_t record_reader_total(const struct record_reader *reader)
{
    return reader->bytes_total;
}

static struct kvs_bytes unread(const struct record_reader *reader)
{
    return bytes_of(reader->input.data + reader->input_off, reader->input.len - reader->input_off);
}

/* Reads on. KVS_NOT_FOUND: there is no more. Moves what is unread. */
static enum kvs_status fill(struct record_reader *reader)
{
    if (reader->at_end)
        return KVS_NOT_FOUND;
    buf_consume(&reader->input, reader->input_off);
    reader->input_off = 0;
    enum kvs_status status = buf_reserve(&reader->input, READ_BYTES);
    if (status != KVS_OK)
        return status;
    for (;;) {
        if (interrupt_asked())
            return KVS_CLOSED;
        ssize_t got = read(reader->fd, reader->input.data + reader->input.len, READ_BYTES);
        if (got > 0) {
            reader->input.len += (size_t)got;
            reader->bytes_read += (uint64_t)got;
            return KVS_OK;
        }
        if (got == 0) {
            reader->at_end = true;
            return KVS_NOT_FOUND;
        }
        if (errno != EINTR)
            return fail(KVS_IO, errno, "read the input");
    }
}

/* ---- JSON lines ---- */

/* The next line without its end. */
static enum kvs_status next_line(struct record_reader *reader, struct kvs_bytes *ret)
{
    for (;;) {
        struct kvs_bytes there = unread(reader);
        const char *base = there.data;
        const char *end = NULL;
        if (there.len > reader->line_seen)
            end = memchr(base + reader->line_seen, '\n', there.len - reader->line_seen);
        if (end != NULL || (reader->at_end && there.len > 0)) {
            size_t len = end != NULL ? (size_t)(end - base) : there.len;
            *ret = bytes_of(base, len);
            reader->input_off += len + (end != NULL);
            reader->line_seen = 0;
            return KVS_OK;
        }
        reader->line_seen = there.len;
        if (there.len > LINE_BYTES_MAX)
            return fail(KVS_TOO_LONG, 0, "line %" PRIu64 " is over the limit of %d bytes",
                        reader->number + 1, LINE_BYTES_MAX);
        enum kvs_status status = fill(reader);
        if (status != KVS_OK && (status != KVS_NOT_FOUND || unread(reader).len == 0))
            return status;
    }
}

/* Field @name as text, or @name_b64; @buf holds what is decoded. */
static enum kvs_status take_field(json_t *object, const char *name, const char *name_b64,
                                  struct buf *buf, struct kvs_bytes *ret)
{
    json_t *text = json_object_get(object, name);
    json_t *coded = json_object_get(object, name_b64);
    if ((text != NULL) == (coded != NULL))
        return fail(KVS_INVALID, 0, "expected one of the fields \"%s\" and \"%s\"", name, name_b64);
    if (!json_is_string(text != NULL ? text : coded))
        return fail(KVS_INVALID, 0, "field \"%s\": expected a string",
                    text != NULL ? name : name_b64);
    if (text != NULL) {
        *ret = bytes_of(json_string_value(text), json_string_length(text));
        return KVS_OK;
    }
    buf_truncate(buf, 0);
    if (!base64_read(buf, bytes_of(json_string_value(coded), json_string_length(coded))))
        return fail(KVS_INVALID, 0, "field \"%s\": expected base64", name_b64);
    if (buf->failed != KVS_OK)
        return fail(KVS_INVALID, 0, "field \"%s\": over the limit of %zu bytes", name_b64,
                    buf->max_bytes - 4);
    *ret = buf_bytes(buf);
    return KVS_OK;
}

static enum kvs_status check_fields(json_t *object)
{
    static const char *const known[] = { "key", "key_b64", "value", "value_b64", "expire_ms" };
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        size_t i = 0;
        while (i < sizeof known / sizeof known[0] && strcmp(name, known[i]) != 0)
            i++;
        if (i == sizeof known / sizeof known[0])
            return fail(KVS_INVALID, 0, "unknown field \"%.*s\"", SHOWN_NAME_BYTES, name);
    }
    return KVS_OK;
}

static enum kvs_status parse_line(struct record_reader *reader, struct kvs_bytes line,
                                  struct record *ret)
{
    json_error_t error;
    json_decref(reader->json);
    reader->json = json_loadb(line.data, line.len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
    if (reader->json == NULL)
        return fail(KVS_INVALID, 0, "bad JSON: %s", error.text);
    if (!json_is_object(reader->json))
        return fail(KVS_INVALID, 0, "expected an object with \"key\" and \"value\"");
    enum kvs_status status = check_fields(reader->json);
    if (status == KVS_OK)
        status = take_field(reader->json, "key", "key_b64", &reader->key, &ret->key);
    if (status == KVS_OK)
        status = take_field(reader->json, "value", "value_b64", &reader->value, &ret->value);
    if (status != KVS_OK)
        return status;
    ret->value_bytes = ret->value.len;
    json_t *expire = json_object_get(reader->json, "expire_ms");
    if (expire == NULL || json_is_null(expire))
        return KVS_OK;
    if (!json_is_integer(expire) || json_integer_value(expire) < 0)
        return fail(KVS_INVALID, 0, "field \"expire_ms\": expected milliseconds since 1970");
    ret->expire_ms = json_integer_value(expire);
    return KVS_OK;
}

static bool is_blank(struct kvs_bytes line)
{
    const char *byte = line.data;
    for (size_t i = 0; i < line.len; i++)
        if (byte[i] != ' ' && byte[i] != '\t' && byte[i] != '\r')
            return false;
    return true;
}

static enum kvs_status next_json(struct record_reader *reader, struct record *ret)
{
    struct kvs_bytes line;
    do {
        enum kvs_status status = next_line(reader, &line);
        if (status != KVS_OK)
            return status;
        reader->number++;
    } while (is_blank(line));
    ret->number = reader->number;
    return parse_line(reader, line, ret);
}

/* ---- RESP ---- */

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static enum kvs_status parse_expiry(struct kvs_bytes unit, struct kvs_bytes text, int64_t *ret)
{
    int64_t time;
    bool seconds = bytes_equal_nocase(unit, BYTES("EX")) || bytes_equal_nocase(unit, BYTES("EXAT"));
    bool from_now = bytes_equal_nocase(unit, BYTES("EX")) || bytes_equal_nocase(unit, BYTES("PX"));
    if (!seconds && !from_now && !bytes_equal_nocase(unit, BYTES("PXAT")))
        return fail(KVS_INVALID, 0, "SET with an option that an import does not take: \"%.*s\"",
                    unit.len < SHOWN_NAME_BYTES ? (int)unit.len : SHOWN_NAME_BYTES,
                    (const char *)unit.data);
    if (!number_parse_i64(text, &time) || time <= 0 ||
        (seconds && __builtin_mul_overflow(time, INT64_C(1000), &time)) ||
        (from_now && __builtin_add_overflow(time, now_ms(), &time)))
        return fail(KVS_INVALID, 0, "SET with a bad time");
    *ret = time;
    return KVS_OK;
}

/* The name and number of arguments of what an import understands. */
static bool is_set(const struct kvs_bytes *args, size_t total)
{
    return (total == 3 || total == 5) && bytes_equal_nocase(args[0], BYTES("SET"));
}

static enum kvs_status not_set(const struct request *request)
{
    struct kvs_bytes name = request->args[0];
    return fail(KVS_INVALID, 0,
                "expected SET key value [EX|PX|EXAT|PXAT time], got \"%.*s\" with %zu arguments",
                name.len < SHOWN_NAME_BYTES ? (int)name.len : SHOWN_NAME_BYTES,
                (const char *)name.data, request->count - 1);
}

static enum kvs_status take_set(const struct request *request, struct record *ret)
{
    if (!is_set(request->args, request->count))
        return not_set(request);
    ret->key = request->args[1];
    ret->value = request->args[2];
    if (!ret->is_large)
        ret->value_bytes = ret->value.len;
    return request->count == 5 ? parse_expiry(request->args[3], request->args[4], &ret->expire_ms)
                               : KVS_OK;
}

static enum kvs_status truncated(const struct record_reader *reader)
{
    return fail(KVS_PROTOCOL, 0, "the input ends in the middle of record %" PRIu64,
                reader->number + 1);
}

/* One step of the decoder: KVS_OK with *ret_result, having read on when it wanted that. */
static enum kvs_status decode(struct record_reader *reader, struct request *ret_request,
                              struct decode_stream *ret_stream, enum decode_result *ret_result)
{
    size_t used = 0;
    *ret_result = decoder_next(&reader->decoder, unread(reader), ret_request, &used, ret_stream);
    reader->input_off += used;
    if (*ret_result == DECODE_CLOSE)
        return fail(KVS_PROTOCOL, 0, "record %" PRIu64 " is a request in HTTP", reader->number + 1);
    if (*ret_result == DECODE_ERROR || *ret_result == DECODE_REFUSED)
        return fail(KVS_PROTOCOL, 0, "record %" PRIu64 ": %s", reader->number + 1,
                    decode_error(&reader->decoder));
    if (*ret_result != DECODE_MORE)
        return KVS_OK;
    enum kvs_status status = fill(reader);
    bool is_within = unread(reader).len > 0 || decoder_arg_total(&reader->decoder) > 0;
    return status == KVS_NOT_FOUND && is_within ? truncated(reader) : status;
}

/* A large bulk begins. KVS_OK: it is the value of a record; KVS_WOULD_BLOCK: of something else, whose bytes are to be dropped. */
static enum kvs_status begin_large(struct record_reader *reader, const struct request *request,
                                   const struct decode_stream *stream, struct record *ret)
{
    size_t total = decoder_arg_total(&reader->decoder);
    bool is_value = stream->arg == 2 && is_set(request->args, total);
    enum kvs_status status = KVS_OK;
    buf_truncate(&reader->key, 0);
    if (is_value)
        buf_append_bytes(&reader->key, request->args[1]);
    if (reader->key.failed == KVS_OK)
        status = decoder_take_stream(&reader->decoder, unread(reader));
    else
        status = fail(KVS_TOO_LONG, 0, "record %" PRIu64 ": a key over the limit of %d bytes",
                      reader->number + 1, KVS_KEY_MAX);
    if (status != KVS_OK)
        return status;
    reader->input_off += stream->head_len;
    reader->stream_left = stream->bytes;
    if (!is_value)
        return KVS_WOULD_BLOCK;
    *ret = (struct record){
        .number = ++reader->number,
        .key = buf_bytes(&reader->key),
        .value_bytes = stream->bytes,
        .is_large = true,
        .may_expire = total == 5,
    };
    return KVS_OK;
}

static enum kvs_status drop_value(struct record_reader *reader)
{
    struct kvs_bytes piece;
    enum kvs_status status;
    do {
        status = record_value(reader, &piece);
    } while (status == KVS_OK && piece.len > 0);
    return status;
}

static enum kvs_status next_resp(struct record_reader *reader, struct record *ret)
{
    for (;;) {
        struct request request;
        struct decode_stream stream;
        enum decode_result result;
        enum kvs_status status = decode(reader, &request, &stream, &result);
        if (status == KVS_OK && result == DECODE_STREAM) {
            status = begin_large(reader, &request, &stream, ret);
            if (status == KVS_OK)
                return KVS_OK;
            if (status == KVS_WOULD_BLOCK)
                status = drop_value(reader);
        }
        if (status != KVS_OK)
            return status;
        if (result == DECODE_REQUEST) {
            ret->number = ++reader->number;
            return take_set(&request, ret);
        }
    }
}

enum kvs_status record_value(struct record_reader *reader, struct kvs_bytes *ret)
{
    *ret = (struct kvs_bytes){ NULL, 0 };
    if (reader->stream_left == 0)
        return KVS_OK;
    if (unread(reader).len == 0) {
        enum kvs_status status = fill(reader);
        if (status != KVS_OK)
            return status == KVS_NOT_FOUND ? truncated(reader) : status;
    }
    *ret = unread(reader);
    if (ret->len > reader->stream_left)
        ret->len = (size_t)reader->stream_left;
    reader->input_off += ret->len;
    reader->stream_left -= ret->len;
    return KVS_OK;
}

enum kvs_status record_value_end(struct record_reader *reader, struct record *record)
{
    for (;;) {
        struct request request;
        struct decode_stream stream;
        enum decode_result result;
        enum kvs_status status = decode(reader, &request, &stream, &result);
        if (status == KVS_NOT_FOUND)
            return truncated(reader);
        if (status != KVS_OK)
            return status;
        if (result == DECODE_REQUEST)
            return take_set(&request, record);
    }
}

/* ---- Both ---- */

enum kvs_status record_next(struct record_reader *reader, struct record *ret)
{
    *ret = (struct record){ .number = reader->number + 1 };
    while (reader->format == RECORD_ANY) {
        size_t skip;
        enum protocol_kind kind = protocol_detect(unread(reader), &skip);
        if (kind == PROTOCOL_UNKNOWN) {
            enum kvs_status status = fill(reader);
            if (status != KVS_OK)
                return status;
        } else {
            reader->format = kind == PROTOCOL_JSON ? RECORD_JSONL : RECORD_RESP;
        }
    }
    return reader->format == RECORD_JSONL ? next_json(reader, ret) : next_resp(reader, ret);
}
