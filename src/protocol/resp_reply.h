/*
 * resp_reply.h - the client's side of RESP: requests to bytes, bytes to reply trees. Pure.
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

enum resp_type {
    RESP_STATUS,
    RESP_ERROR,
    RESP_INTEGER,
    RESP_BULK,
    RESP_NULL,
    RESP_ARRAY, /* arrays, sets and pushes, see sub */
    RESP_MAP,   /* items: key, value, key, value … */
    RESP_SET,
    RESP_PUSH,
    RESP_REAL,
    RESP_BOOLEAN,
    RESP_VERBATIM,
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

/* Nodes come from an arena inside, freed with resp_reader_done or at the next call. */
struct resp_reader {
    size_t bytes_max;  /* of one reply; more is KVS_PROTOCOL */
    unsigned depth_max; /* 32 */
    void *arena;       /* private */
    size_t hint;       /* private: don't look again before that many bytes are there */
};

void resp_reader_init(struct resp_reader *reader, size_t bytes_max);
void resp_reader_done(struct resp_reader *reader);

/* KVS_OK: *ret is a whole reply of *ret_used bytes. KVS_WOULD_BLOCK: more input needed. KVS_PROTOCOL: not RESP. */
KVS_MUST_CHECK enum kvs_status resp_read(struct resp_reader *reader, struct kvs_bytes input, struct resp_value *ret,
                                         size_t *ret_used);

#endif
