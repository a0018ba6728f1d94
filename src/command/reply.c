/*
 * reply.c - what of an answer does not depend on the protocol: error texts, large values, going back.
 */
#include "command/reply.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"

enum {
    ERROR_BYTES_MAX = 1024
};

void reply_bulk_str(struct reply *reply, const char *text)
{
    reply_bulk(reply, (struct kvs_bytes){ text, strlen(text) });
}

void reply_verbatim(struct reply *reply, const char type[3], struct kvs_bytes text)
{
    reply->ops->verbatim(reply, type, text);
}

/* Errors and statuses are one line on the wire: what a client sent must not be able to forge a second one. */
static size_t one_line(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] == '\r' || text[i] == '\n' || text[i] == '\0')
            text[i] = ' ';
    return len;
}

void reply_error(struct reply *reply, const char *format, ...)
{
    char text[ERROR_BYTES_MAX];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (len < 0)
        len = 0;
    size_t used = (size_t)len < sizeof text ? (size_t)len : sizeof text - 1;
    reply->ops->error(reply, (struct kvs_bytes){ text, one_line(text, used) });
    reply->error_count++;
}

void reply_too_large(struct reply *reply, uint64_t value_bytes)
{
    reply_error(reply,
                "ERR a value of %" PRIu64 " bytes is too large for this protocol (%" PRIu64 ")",
                value_bytes, reply->ops->whole_max);
}

static const char *failure_detail(enum kvs_status status)
{
    const char *text = fail_text();
    return text[0] != '\0' ? text : kvs_status_text(status);
}

void reply_failure(struct reply *reply, enum kvs_status status)
{
    switch (status) {
    case KVS_OVER_BUDGET:
        reply_error(reply, "OOM command not allowed when used memory > 'maxmemory'.");
        return;
    case KVS_NO_MEMORY:
        reply_error(reply, "OOM out of memory: %s", failure_detail(status));
        return;
    case KVS_IO:
    case KVS_READ_ONLY:
        reply_error(reply, "MISCONF The store does not accept writes or cannot read: %s",
                    failure_detail(status));
        return;
    case KVS_DISK_FULL:
        reply_error(reply, "ERR no space left on the device: %s", failure_detail(status));
        return;
    case KVS_CORRUPT:
        reply_error(reply, "ERR damaged data: %s", failure_detail(status));
        return;
    case KVS_OK:
    case KVS_NOT_FOUND:
    case KVS_CONFLICT:
    case KVS_WOULD_BLOCK:
    case KVS_INVALID:
    case KVS_TOO_LONG:
    case KVS_LOCKED:
    case KVS_WRONG_ENGINE:
    case KVS_WRONG_FORMAT:
    case KVS_UNSUPPORTED:
    case KVS_TIMEOUT:
    case KVS_CLOSED:
    case KVS_PROTOCOL:
    case KVS_SERVER:
    case KVS_NETWORK:
        reply_error(reply, "ERR %s", failure_detail(status));
        return;
    }
    reply_error(reply, "ERR status %d", (int)status);
}

static bool streams_reserve(struct reply *reply)
{
    if (reply->stream_count < reply->stream_capacity)
        return true;
    size_t capacity = reply->stream_capacity == 0 ? 4 : reply->stream_capacity * 2;
    struct reply_stream *streams = realloc(reply->streams, capacity * sizeof *streams);
    if (streams == NULL)
        return false;
    reply->streams = streams;
    reply->stream_capacity = capacity;
    return true;
}

bool reply_reader(struct reply *reply, struct kvs_reader *reader, uint64_t value_bytes)
{
    return reply_reader_between(reply, reader, value_bytes, (struct kvs_bytes){ "", 0 },
                                (struct kvs_bytes){ "", 0 });
}

bool reply_reader_between(struct reply *reply, struct kvs_reader *reader, uint64_t value_bytes,
                          struct kvs_bytes head, struct kvs_bytes tail)
{
    if (reply->ops->stream_begin == NULL) {
        reply->reader_close(reply->reader_ctx, reader);
        reply_too_large(reply, value_bytes);
        return true;
    }
    if (!streams_reserve(reply)) {
        reply->out->failed = KVS_NO_MEMORY;
        reply->reader_close(reply->reader_ctx, reader);
        return false;
    }
    reply->ops->stream_begin(reply, head.len + value_bytes + tail.len);
    buf_append_bytes(reply->out, head);
    reply->streams[reply->stream_count++] = (struct reply_stream){
        .out_off = reply->out->len,
        .reader = reader,
        .value_bytes = value_bytes,
    };
    buf_append_bytes(reply->out, tail);
    reply->ops->stream_end(reply);
    return true;
}

struct reply_mark reply_mark(const struct reply *reply)
{
    return (struct reply_mark){ reply->out->len, reply->stream_count, reply->error_count };
}

void reply_rewind(struct reply *reply, struct reply_mark mark)
{
    while (reply->stream_count > mark.stream_count)
        reply->reader_close(reply->reader_ctx, reply->streams[--reply->stream_count].reader);
    buf_truncate(reply->out, mark.out_len);
    reply->error_count = mark.error_count;
}
