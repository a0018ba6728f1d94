/*
 * ahead.h - requests that were cut out of the input and looked at before the first of them runs.
 *
 * A loop's turn gathers what all ready connections have sent. The whole, plain requests of it are cut out here, and the store is told
 * about all of their keys together, so that the cache misses of unrelated lookups overlap. Then they are run, one by one, connection
 * by connection, as if nobody had looked.
 *
 * Nothing depends on it: what is cut out is not consumed, and a session that stops in the middle (a job, a full output) forgets what
 * it has ahead and has it cut out again later.
 *
 * Memory: one per reactor, so a connection needs none for its requests. Thread: the reactor's.
 */
#ifndef SERVER_AHEAD_H
#define SERVER_AHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kvs/kvs.h>

#include "command/request.h"

enum {
    AHEAD_REQUESTS = 64,
    AHEAD_ARGS = 512,
    AHEAD_KEYS = 256,
    AHEAD_BULK_MAX = 64 * 1024, /* requests with larger arguments are left to the decoder */
};

struct session;

struct ahead {
    struct request requests[AHEAD_REQUESTS];
    uint32_t used[AHEAD_REQUESTS]; /* bytes of input */
    struct kvs_bytes args[AHEAD_ARGS];
    struct kvs_bytes keys[AHEAD_KEYS];
    struct kvs *db; /* whose keys they are */
    size_t request_count;
    size_t arg_count;
    size_t key_count;
};

/* Forgets everything. */
void ahead_clear(struct ahead *ahead);

/* Cuts out what @session has sent, as far as there is room; session->ahead names it. False: nothing was. */
bool ahead_fill(struct ahead *ahead, struct session *session);

/* Tells the store about the keys not yet told. */
void ahead_prefetch(struct ahead *ahead);

static inline bool ahead_full(const struct ahead *ahead)
{
    return ahead->request_count == AHEAD_REQUESTS;
}

#endif
