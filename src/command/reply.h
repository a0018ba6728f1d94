/*
 * reply.h - what a command answers: the other half of the waist.
 *
 * A command calls reply_x() functions in order; the protocol's encoder, behind reply->ops, turns each into bytes at the
 * end of reply->out. An aggregate is opened with its number of elements (a map: of pairs) and followed by them. A value over
 * KVS_INLINE_MAX goes as a stream: its header is encoded, and the session sends the bytes from the reader as the socket takes
 * them. Nothing is sent while a command runs, so it may be run again after reply_rewind().
 */
#ifndef COMMAND_REPLY_H
#define COMMAND_REPLY_H

#include "base/buf.h"

#include <kvs/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reply;
struct kvs_reader;

struct reply_ops {
    const char *name; /* "resp2", "resp3", "json", "json-frames" */
    void (*status)(struct reply *reply, struct kvs_bytes text);  /* +OK */
    void (*error)(struct reply *reply, struct kvs_bytes text);   /* text begins with its code: "ERR ..." */
    void (*integer)(struct reply *reply, int64_t value);
    void (*bulk)(struct reply *reply, struct kvs_bytes bytes);
    void (*null)(struct reply *reply);       /* null bulk */
    void (*null_array)(struct reply *reply); /* EXEC aborted */
    void (*array)(struct reply *reply, size_t count);
    void (*map)(struct reply *reply, size_t pairs);
    void (*set)(struct reply *reply, size_t count);
    void (*push)(struct reply *reply, size_t count);
    void (*real)(struct reply *reply, double value);
    void (*boolean)(struct reply *reply, bool value);
    void (*verbatim)(struct reply *reply, const char type[3], struct kvs_bytes text); /* INFO: "txt" */
    void (*stream_begin)(struct reply *reply, uint64_t bytes); /* the header of a bulk of that many bytes … */
    void (*stream_end)(struct reply *reply);                   /* … and what follows them */
    /* Values up to this many bytes (0: KVS_INLINE_MAX) are given to bulk(), larger ones are streams; where stream_begin is NULL,
     * larger ones cannot be answered, which reply_too_large() says. */
    uint64_t whole_max;
};

/* A place in the output where a large value's bytes go. */
struct reply_stream {
    size_t out_off; /* bytes of reply->out before it */
    struct kvs_reader *reader; /* owned by the reply, then by the session */
    uint64_t value_bytes;      /* to send, … */
    uint64_t value_off;        /* … from there in the reader's value */
};

struct reply {
    const struct reply_ops *ops;
    struct buf *out; /* the session's output, or a pool job's own */
    struct reply_stream *streams;
    size_t stream_count;
    size_t stream_capacity;
    void (*reader_close)(void *ctx, struct kvs_reader *reader);
    void *reader_ctx;
    uint64_t error_count; /* errors encoded so far, for statistics and transactions */
    const struct reply_ops *versions[2]; /* encoders of RESP2 and RESP3 that HELLO chooses from; NULL: there is no choice */
    void *protocol;       /* the encoder's own state (json: which request is being answered) */
};

static inline void reply_status(struct reply *reply, const char *text)
{
    reply->ops->status(reply, (struct kvs_bytes){ text, __builtin_strlen(text) });
}

static inline void reply_ok(struct reply *reply)
{
    reply->ops->status(reply, (struct kvs_bytes){ "OK", 2 });
}

static inline void reply_integer(struct reply *reply, int64_t value)
{
    reply->ops->integer(reply, value);
}

static inline void reply_bulk(struct reply *reply, struct kvs_bytes bytes)
{
    reply->ops->bulk(reply, bytes);
}

static inline void reply_null(struct reply *reply)
{
    reply->ops->null(reply);
}

static inline void reply_null_array(struct reply *reply)
{
    reply->ops->null_array(reply);
}

static inline void reply_array(struct reply *reply, size_t count)
{
    reply->ops->array(reply, count);
}

static inline void reply_map(struct reply *reply, size_t pairs)
{
    reply->ops->map(reply, pairs);
}

static inline void reply_set(struct reply *reply, size_t count)
{
    reply->ops->set(reply, count);
}

static inline void reply_push(struct reply *reply, size_t count)
{
    reply->ops->push(reply, count);
}

static inline void reply_real(struct reply *reply, double value)
{
    reply->ops->real(reply, value);
}

static inline void reply_boolean(struct reply *reply, bool value)
{
    reply->ops->boolean(reply, value);
}

void reply_bulk_str(struct reply *reply, const char *text);
void reply_verbatim(struct reply *reply, const char type[3], struct kvs_bytes text);

/* "ERR " and the like are part of the text. Line breaks in it become spaces. */
void reply_error(struct reply *reply, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* For a value that is over ops->whole_max while there are no streams. */
void reply_too_large(struct reply *reply, uint64_t value_bytes);

/* The standard text for a failed store call: "ERR …", "OOM …", "MISCONF …", "READONLY …" and kvs_error(). */
void reply_failure(struct reply *reply, enum kvs_status status);

/* Takes @reader over. False (reader closed, error noted in out->failed) when memory is missing. */
bool reply_reader(struct reply *reply, struct kvs_reader *reader, uint64_t value_bytes);

/* The same for a bulk of @head, the value and @tail. */
bool reply_reader_between(struct reply *reply, struct kvs_reader *reader, uint64_t value_bytes,
                          struct kvs_bytes head, struct kvs_bytes tail);

/* The same for the @bytes of the value that begin at @off (GETRANGE). */
static inline bool reply_reader_part(struct reply *reply, struct kvs_reader *reader, uint64_t off,
                                     uint64_t bytes)
{
    if (!reply_reader(reply, reader, bytes))
        return false;
    reply->streams[reply->stream_count - 1].value_off = off;
    return true;
}

/* Where we are, and back to there: later output and streams are dropped. */
struct reply_mark {
    size_t out_len;
    size_t stream_count;
    uint64_t error_count;
};
struct reply_mark reply_mark(const struct reply *reply);
void reply_rewind(struct reply *reply, struct reply_mark mark);

#endif
