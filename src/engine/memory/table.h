/*
 * table.h - what the memory engine is made of: a sorted array of keys, each with its versions, newest first.
 *
 * Invariant: the array is strictly ascending; a key has at least one version; versions strictly descend; every version but
 * the newest is seen by some snapshot, and so is the record below a newest version that is a tombstone.
 * Threads: everything here needs memory_engine.mu held.
 */
#ifndef ENGINE_MEMORY_TABLE_H
#define ENGINE_MEMORY_TABLE_H

#include <kvs/engine.h>

#include "concurrent/mutex.h"
#include "io/env.h"

/* Bytes of a value, shared between a version and the readers of it. refs is guarded by memory_engine.mu. */
struct memory_value {
    size_t refs;
    size_t len;
    size_t capacity;
    unsigned char data[];
};

struct memory_version {
    struct memory_version *older;
    struct memory_value *value; /* NULL: a tombstone */
    uint64_t version;
    int64_t expire_ms; /* 0: never */
};

struct memory_key {
    struct memory_version *newest;
    size_t len;
    unsigned char bytes[];
};

/* How far a read can see: the newest version up to @version, as of @now_ms. */
struct memory_view {
    uint64_t version;
    int64_t now_ms;
};

enum {
    MEMORY_OWNER_BYTES = 48
};

struct kvs_snapshot {
    struct kvs_snapshot *next;
    struct memory_view view;
    char owner[MEMORY_OWNER_BYTES];
};

struct memory_engine {
    struct kvs_engine base;
    struct clock *clock;
    bool read_only;

    struct mutex mu;
    struct memory_key **keys GUARDED_BY(mu);
    size_t count GUARDED_BY(mu);
    size_t capacity GUARDED_BY(mu);
    uint64_t last_version GUARDED_BY(mu);
    uint64_t forgotten_version
        GUARDED_BY(mu); /* newest version of any record or tombstone that left no trace */
    uint64_t value_bytes GUARDED_BY(mu);
    size_t old_versions GUARDED_BY(mu); /* versions and tombstones kept for snapshots alone */
    int64_t now_ms GUARDED_BY(mu);      /* store time: never goes back */
    struct kvs_snapshot *snapshots GUARDED_BY(mu);

    struct mutex progress_mu; /* after mu, never with it */
    struct cond progress_idle;
    kvs_progress_fn *progress_fn GUARDED_BY(progress_mu);
    void *progress_ctx GUARDED_BY(progress_mu);
    unsigned progress_calls GUARDED_BY(progress_mu);
};

static inline struct memory_engine *memory_engine_of(struct kvs_engine *engine)
{
    return (struct memory_engine *)engine;
}

static inline struct kvs_bytes memory_key_bytes(const struct memory_key *key)
{
    return (struct kvs_bytes){ key->bytes, key->len };
}

/* Store time: the wall clock, except that it never goes back. */
int64_t memory_now_ms(struct memory_engine *engine) REQUIRES(engine->mu);

/* What a read sees: the snapshot's view, or with NULL everything as of now. */
struct memory_view memory_view_of(struct memory_engine *engine, const struct kvs_snapshot *snapshot)
    REQUIRES(engine->mu);

/* Index of the first key >= @key; *ret_found: whether it is equal. */
size_t memory_table_find(const struct memory_engine *engine, struct kvs_bytes key, bool *ret_found)
    REQUIRES(engine->mu);

/* Indexes [start, end) of the keys in @range; an inverted range is empty. */
void memory_table_bounds(const struct memory_engine *engine, const struct kvs_range *range,
                         size_t *ret_start, size_t *ret_end) REQUIRES(engine->mu);

/* The version of @key that @view sees and that has not expired; NULL: absent. */
const struct memory_version *memory_key_seen(const struct memory_key *key, struct memory_view view);

/* Makes room for @more keys. */
KVS_MUST_CHECK enum kvs_status memory_table_reserve(struct memory_engine *engine, size_t more)
    REQUIRES(engine->mu);

/* Puts @key (owned by the table from now on) at @index; room was reserved. */
void memory_table_insert(struct memory_engine *engine, size_t index, struct memory_key *key)
    REQUIRES(engine->mu);

/* Puts @version (owned by the key from now on) on top of the key's versions, or takes the top one off and frees it. */
void memory_key_push(struct memory_engine *engine, struct memory_key *key,
                     struct memory_version *version) REQUIRES(engine->mu);
void memory_key_pop(struct memory_engine *engine, struct memory_key *key) REQUIRES(engine->mu);

/* Drops what no snapshot can see of the key at @index; the key goes when nothing is left. */
void memory_table_prune(struct memory_engine *engine, size_t index) REQUIRES(engine->mu);
void memory_table_prune_all(struct memory_engine *engine) REQUIRES(engine->mu);

/* Turns records that have expired for good, for every snapshot too, into nothing. */
void memory_table_reclaim_expired(struct memory_engine *engine) REQUIRES(engine->mu);

void memory_table_free(struct memory_engine *engine) REQUIRES(engine->mu);

void memory_value_unref(struct memory_value *value) /* REQUIRES(mu) once it is shared */;

/* Frees a version that is in no key. NULL is allowed. */
void memory_version_free(struct memory_version *version);

#endif
