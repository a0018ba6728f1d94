/*
 * resp_reply.h - the client's side of RESP: requests to bytes, bytes to reply trees. Pure; one thread at a time per reader.
 */
#ifndef PROTOCOL_RESP_REPLY_H
#define PROTOCOL_RESP_REPLY_H

#include "base/buf.h"

#include <kvs/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Appends a request as a multibulk. */
void resp_put_request(struct buf *out, const struct kvs_bytes *args, size_t count);

/* The same in pieces: the head of a request of @count arguments, an argument, the head of one whose bytes and CRLF follow. */
void resp_put_count(struct buf *out, size_t count);
void resp_put_arg(struct buf *out, struct kvs_bytes arg);
void resp_put_arg_head(struct buf *out, uint64_t bytes);

enum resp_type {
    RESP_STATUS,
    RESP_ERROR, /* one-line and bulk errors */
    RESP_INTEGER,
    RESP_BULK,
    RESP_NULL, /* RESP2's null bulk and null array, and RESP3's null */
    RESP_ARRAY,
    RESP_MAP, /* items: key, value, key, value … */
    RESP_SET,
    RESP_PUSH,
    RESP_REAL,
    RESP_BOOLEAN,
    RESP_VERBATIM, /* text is behind the format, "txt:" */
    RESP_BIG_NUMBER,
};

struct resp_value {
    enum resp_type type;
    struct kvs_bytes text; /* STATUS, ERROR, BULK, VERBATIM, BIG_NUMBER, REAL (as sent); borrowed from the input */
    int64_t integer;       /* INTEGER, BOOLEAN */
    double real;
    struct resp_value *items;
    size_t item_count;
};

struct resp_node;

/* A nested aggregate that is not complete yet. */
struct resp_level {
    size_t items_left;
    size_t first_node; /* its own */
    bool attribute;    /* skipped when complete */
};

enum {
    RESP_DEPTH_MAX = 32
};

struct resp_reader {
    size_t bytes_max; /* of one reply; more is KVS_PROTOCOL */
    /* private */
    size_t scanned;   /* bytes of the reply already understood */
    size_t line_seen; /* bytes already searched for the end of a line */
    struct resp_node *nodes;
    size_t node_count;
    size_t node_capacity;
    struct resp_value *values;
    size_t value_capacity;
    unsigned depth;
    struct resp_level levels[RESP_DEPTH_MAX];
};

void resp_reader_init(struct resp_reader *reader, size_t bytes_max);
void resp_reader_done(struct resp_reader *reader);

/*
 * Reads the reply at the start of @input, which is everything received and not consumed: the same bytes again, and more, until the
 * reply is whole. The reader remembers how far it has come, so the total time is linear.
 * KVS_OK: *ret is a reply of *ret_used bytes; its items live in the reader until the next call, its texts in @input.
 * KVS_WOULD_BLOCK: more input needed. KVS_PROTOCOL: not RESP, or over a limit. KVS_NO_MEMORY.
 */
KVS_MUST_CHECK enum kvs_status resp_read(struct resp_reader *reader, struct kvs_bytes input, struct resp_value *ret,
                                         size_t *ret_used);

/* The bytes of a reply that is under way so far understood; 0: at the start of one. */
static inline size_t resp_reader_scanned(const struct resp_reader *reader)
{
    return reader->scanned;
}

/* The head of an item, for who takes a reply apart piecewise. */
struct resp_head {
    struct resp_value value; /* without items, and without the text of a bulk */
    bool is_aggregate;       /* count items follow */
    bool is_bulk;            /* count bytes and a CRLF follow */
    uint64_t count;
    size_t used;             /* bytes of the input */
};

/* Reads one head, at the start of @input. Same answers as resp_read(). */
KVS_MUST_CHECK enum kvs_status resp_read_head(struct kvs_bytes input, struct resp_head *ret);

#endif
