/*
 * cursors.h - SCAN's cursors: numbers for positions (the last key returned). Bounded in number and bytes, the least recently
 * used go first; expiring. A cursor can be used again and from any connection, and numbers are not given twice.
 * Thread: any.
 */
#ifndef SERVER_CURSORS_H
#define SERVER_CURSORS_H

#include <stdbool.h>
#include <stdint.h>

#include <kvs/status.h>

#include "base/buf.h"
#include "io/clock.h"

struct cursors;

enum {
    CURSORS_MAX = 65536,
    CURSORS_BYTES_MAX = 64 * 1024 * 1024,
    CURSORS_AGE_S = 3600
};

/* @max a power of two, at most CURSORS_MAX. */
KVS_MUST_CHECK enum kvs_status cursors_new(struct clock *clock, uint32_t max, size_t bytes_max,
                                           struct cursors **ret);
void cursors_free(struct cursors *cursors); /* NULL is allowed */

/* A new number, in 1..2^53 (so that clients which keep numbers as doubles can hold it); 0: out of memory. */
uint64_t cursors_open(struct cursors *cursors, unsigned space, struct kvs_bytes last_key);

/* False: there is no such cursor (any more), or it belongs to another space. */
bool cursors_find(struct cursors *cursors, uint64_t cursor, unsigned space,
                  struct buf *ret_last_key);

#endif
