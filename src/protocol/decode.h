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
    DECODE_REFUSED, /* JSON that is no request of ours: answer decode_error(), consume *ret_used bytes, go on */
    DECODE_ERROR,   /* protocol error: decode_error() is the text to answer before closing */
    DECODE_CLOSE,   /* close silently (a line that begins with POST or Host:) */
};

struct decode_stream {
    size_t arg;      /* the argument's number */
    uint64_t bytes;  /* announced */
    size_t head_len; /* input bytes before its first byte */
};

/* The largest JSON value, length-framed or not; a larger one is an error. What a connection may use for one is four times this. */
enum {
    JSON_VALUE_MAX = 8 * 1024 * 1024
};

struct decoder {
    enum protocol_kind kind;
    /* limits, set by the caller; decoder_init() sets the defaults named here */
    uint64_t bulk_max;        /* proto-max-bulk-len; 512 MiB */
    uint64_t stream_min;      /* a bulk over this is offered as a stream; UINT64_MAX, the default: never */
    size_t inline_max;        /* of a line; 64 KiB */
    size_t args_max;          /* 2 Mi + 1, an MSET of the largest batch; 10 before AUTH */
    uint64_t unauth_bulk_max; /* 0, the default: none; 16384 before AUTH */
    /* private */
    size_t scanned;      /* bytes of the present request already understood */
    size_t line_seen;    /* bytes already searched for the end of a line */
    int64_t args_left;   /* of a multibulk; 0: between requests */
    int64_t bulk_len;    /* of the bulk being awaited, -1 none */
    struct kvs_bytes *args;
    size_t *arg_offs;    /* offsets in the input, so that the buffer may move */
    size_t arg_count;
    size_t arg_capacity;
    size_t kept_count;   /* arguments whose bytes are in text: those before a stream */
    struct buf text;     /* inline arguments, unquoted; arguments before a stream */
    bool stream_declined; /* the caller buffers this one */
    bool stream_taken;
    bool failed;         /* after DECODE_ERROR or DECODE_CLOSE nothing more is decoded */
    void *json;          /* the parsed value that the arguments are borrowed from */
    unsigned json_depth; /* of the JSON value being scanned */
    unsigned json_parts; /* its braces, brackets and commas */
    bool json_in_string;
    bool json_escape;
    char error[160];
    int json_request; /* enum json_request of the request returned */
};

/* Whether the next byte of the input begins a request, which another way of decoding may then take. */
static inline bool decoder_between_requests(const struct decoder *decoder)
{
    return decoder->arg_count == 0 && decoder->args_left == 0 && decoder->scanned == 0 && decoder->line_seen == 0 &&
           !decoder->failed;
}

void decoder_init(struct decoder *decoder, enum protocol_kind kind);
void decoder_done(struct decoder *decoder);

/* @input: everything received and not consumed. A request's arguments are borrowed from @input and from the decoder: they are
 * valid until the caller consumes them and until the next call. */
enum decode_result decoder_next(struct decoder *decoder, struct kvs_bytes input, struct request *ret, size_t *ret_used,
                                struct decode_stream *ret_stream);

/* After DECODE_STREAM: buffer it like any other (the limits of the input buffer decide), …
 * A request's second large bulk is not offered when its first was taken. */
void decoder_decline_stream(struct decoder *decoder);
/* … or take it: call this with the same @input, then cut the head_len bytes and the bulk's @bytes (without its CRLF) out of the
 * input. The earlier arguments are copied into the decoder, the argument itself comes out as NULL and 0 bytes, and decoding goes on
 * with the CRLF as the first bytes of the next input. KVS_NO_MEMORY. */
KVS_MUST_CHECK enum kvs_status decoder_take_stream(struct decoder *decoder, struct kvs_bytes input);

/* The text for DECODE_ERROR and DECODE_REFUSED, to be given to the reply's error() as it is ("ERR Protocol error: …"). */
const char *decode_error(const struct decoder *decoder);

/* While a multibulk is incomplete (DECODE_STREAM): how many arguments it has in all. */
static inline size_t decoder_arg_total(const struct decoder *decoder)
{
    return decoder->arg_count + (size_t)decoder->args_left;
}

/* Which JSON request is being answered: decoder->json_request, which the encoder looks up through reply->protocol. */
enum json_request {
    JSON_NONE,
    JSON_GET,
    JSON_SET,
    JSON_REMOVE,
    JSON_BAD, /* not a request of ours */
};

#endif
