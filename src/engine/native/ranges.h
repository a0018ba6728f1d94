/*
 * ranges.h - range removals that have not been swept out of the index yet.
 *
 * A removed range hides every record in it that is older than the removal. The set is copied when it changes and published with a
 * release store, so readers see it without a lock (NULL, the usual case: nothing to check); old copies go through epochs. Changes
 * are made under the log's append lock.
 */
#ifndef ENGINE_NATIVE_RANGES_H
#define ENGINE_NATIVE_RANGES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <kvs/engine.h>

#include "concurrent/epoch.h"

struct removed_range {
    struct epoch_node node; /* first: the epoch's callback casts */
    uint64_t version;
    struct kvs_range range; /* memory of its own, shared by the copies of the set */
};

struct range_set {
    struct epoch_node node;
    _Atomic size_t count;          /* fixed, but for an undo, which takes the last ones away */
    struct removed_range *items[]; /* in version order */
};

static inline size_t range_set_count(const struct range_set *set)
{
    /* relaxed: the set was acquired; what an undo takes away nobody may see yet, and so nobody minds */
    return set == NULL ? 0 : atomic_load_explicit(&set->count, memory_order_relaxed);
}

struct ranges {
    _Atomic(struct range_set *) set;
};

void ranges_init(struct ranges *ranges);
void ranges_done(struct ranges *ranges);

/* Copies @range. Under the append lock. KVS_NO_MEMORY. */
KVS_MUST_CHECK enum kvs_status ranges_add(struct ranges *ranges, const struct kvs_range *range,
                                          uint64_t version);

/* Takes out the removals of @version, which have been swept. Under the append lock. False: there is no memory, all stays as it is,
 * which is slower but right. */
KVS_MUST_CHECK bool ranges_remove(struct ranges *ranges, uint64_t version);

/* Takes out the removals of @version, the last ones added; nobody has read at it. Under the append lock. */
void ranges_undo(struct ranges *ranges, uint64_t version);

/* The largest removal version in (@version, @at] that covers @key; 0: none. Inside an epoch section or under the append lock. */
uint64_t ranges_cover(struct ranges *ranges, struct kvs_bytes key, uint64_t version, uint64_t at);

/* The smallest removal version above @version that covers @key; 0: none. As above. */
uint64_t ranges_first_cover(struct ranges *ranges, struct kvs_bytes key, uint64_t version);

/* The largest removal version above @version whose range meets @range; 0: none. */
uint64_t ranges_meet(struct ranges *ranges, const struct kvs_range *range, uint64_t version);

bool range_has(const struct kvs_range *range, struct kvs_bytes key);

static inline bool ranges_empty(struct ranges *ranges)
{
    /* acquire: the set's content. pairs with: ranges_publish */
    return atomic_load_explicit(&ranges->set, memory_order_acquire) == NULL;
}

#endif
