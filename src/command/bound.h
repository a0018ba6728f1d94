/*
 * bound.h - ranges of keys as commands name them. Private to the room.
 */
#ifndef COMMAND_BOUND_H
#define COMMAND_BOUND_H

#include <stdbool.h>

#include <kvs/kvs.h>

/* A range that owns its bounds. Zero it, release it with bounds_done(). */
struct bounds {
    struct kvs_range range;
    bool nothing;      /* the range holds no key; range is not to be used */
    void *start_bytes; /* private */
    void *end_bytes;   /* private */
};

/*
 * From @start to @end as RANGE writes them: "key" and "[key" include the start, "key" and "(key" leave the end out, "(key" and
 * "[key" are the other way round; "-" is before the first key, "+" behind the last. KVS_NO_MEMORY.
 */
KVS_MUST_CHECK enum kvs_status bounds_parse(struct kvs_bytes start, struct kvs_bytes end,
                                            struct bounds *ret);

/* The keys that begin with @prefix. KVS_NO_MEMORY. */
KVS_MUST_CHECK enum kvs_status bounds_prefix(struct kvs_bytes prefix, struct bounds *ret);

/* Takes @key and everything before it out of the range. KVS_NO_MEMORY. */
KVS_MUST_CHECK enum kvs_status bounds_start_after(struct bounds *bounds, struct kvs_bytes key);

/* Takes @key and everything behind it out of the range. KVS_NO_MEMORY. */
KVS_MUST_CHECK enum kvs_status bounds_end_before(struct bounds *bounds, struct kvs_bytes key);

void bounds_done(struct bounds *bounds);

#endif
