/*
 * decode.h - bytes to requests, for every protocol. Pure: no sockets; the caller owns the input buffer.
 *
 * The caller feeds the unconsumed input again and again; the decoder remembers how far it has looked, so bytes that
 * trickle in one by one cost linear time. What a request borrows lies in the caller's buffer: it stays valid until the
 * caller consumes it.
 */
#ifndef PROTOCOL_DECODE_H
#define PROTOCOL_DECODE_H

#include "base/buf.h"
#include "command/request.h"
#include "protocol/detect.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum decode_result {
    DECODE_MORE,    /* not a whole request yet */
    DECODE_REQUEST, /* *ret is one; consume *ret_used bytes after running it */
    DECODE_STREAM,  /* a bulk over the limit was announced: see struct decode_stream; ret holds the arguments so far */
    DECODE_EMPTY,   /* nothing to run (empty line, *0): consume *ret_used bytes */
    DECODE_ERROR,   /* protocol error: decode_error() is the text to answer before closing */
    DECODE_CLOSE,   /* close silently (a line that begins with POST or Host:) */
};

struct decode_stream {
    size_t arg;      /* the argument's number */
    uint64_t bytes;  /* announced */
    size_t head_len; /* input bytes before its first byte */
};

struct decoder {
    enum protocol_kind kind;
    /* limits, set by the caller */
    uint64_t bulk_max;        /* proto-max-bulk-len */
    uint64_t stream_min;      /* a bulk over this is offered as a stream; UINT64_MAX: never */
    size_t inline_max;        /* 64 KiB */
    size_t args_max;          /* 1024 * 1024, as in Redis; 10 before AUTH */
    uint64_t unauth_bulk_max; /* 0: none; 16384 before AUTH */
    /* private */
    size_t scanned;           /* bytes of the present request already understood */
    int64_t args_left;
    int64_t bulk_len;         /* of the bulk being awaited, -1 none */
    struct kvs_bytes *args;
    size_t *arg_offs;         /* offsets in the input, so that the buffer may move */
    size_t arg_count;
    size_t arg_capacity;
    struct buf text;          /* inline arguments and JSON strings, decoded */
    int json_depth;           /* of the JSON value being scanned */
    bool json_in_string;
    bool json_escape;
    bool stream_declined;     /* the caller buffers this one */
    bool stream_taken;
    char error[160];
    int json_request;         /* enum json_request of the request returned */
};

void decoder_init(struct decoder *decoder, enum protocol_kind kind);
void decoder_done(struct decoder *decoder);

/* @input: everything received and not consumed. */
enum decode_result decoder_next(struct decoder *decoder, struct kvs_bytes input, struct request *ret, size_t *ret_used,
                                struct decode_stream *ret_stream);

/* After DECODE_STREAM: buffer it like any other (the limits of the input buffer decide), … */
void decoder_decline_stream(struct decoder *decoder);
/* … or: the caller has cut @head_len + @bytes (the bulk without its CRLF) out of the input itself; the earlier arguments are kept by
 * the decoder (copied), the argument is empty, and decoding goes on with the CRLF. KVS_NO_MEMORY. */
KVS_MUST_CHECK enum kvs_status decoder_take_stream(struct decoder *decoder, struct kvs_bytes input);

const char *decode_error(const struct decoder *decoder);

/* Which JSON request is being answered, for the encoder: set as reply->protocol. */
enum json_request { JSON_NONE, JSON_GET, JSON_SET, JSON_REMOVE, JSON_BAD };

#endif
