/*
 * order.h - the keys behind the slots of one leaf, in order, loading as few of them as it can.
 *
 * The part of a leaf that is sorted is taken as it is; the others are loaded, sorted, and each finds its place among the
 * sorted ones by binary search. Keys are loaded once, when first needed.
 *
 * Two ways to load. A hurried order never waits, and lives within one epoch section, for which keys are lent to it. A patient
 * one may wait, lives outside of sections, and copies the keys. order_restart() goes from the first to the second.
 *
 * Threads: each its own.
 */
#ifndef INDEX_ORDER_H
#define INDEX_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "index/index.h"
#include "index/leaf.h"
#include "index/memory.h"

enum {
    ORDER_MAX = LEAF_SLOTS + 1 /* a full leaf and what it has no room for */
};

struct order_entry {
    uint64_t slot;
    uint64_t head; /* of the key behind the shared bytes; valid with `loaded` */
    struct kvs_bytes key;
    char *copy; /* owned; NULL: the key is lent */
    bool loaded;
    bool given; /* by order_add_key(): not the owner's to load */
};

struct order {
    const struct index_owner *owner;
    struct memory *memory;
    size_t shared_bytes; /* the first bytes of all keys are known to be equal */
    bool patient;
    unsigned entry_count;
    unsigned sorted_count;     /* entries before this one are in order */
    unsigned count;            /* of places */
    uint8_t places[ORDER_MAX]; /* after order_sort(): entry numbers by key */
    struct order_entry entries[ORDER_MAX];
    struct buf scratch;
    uint64_t missing; /* the locator at which KVS_NOT_FOUND was met */
};

/* @shared_bytes: how many first bytes of all keys are known to be the same. */
void order_init(struct order *order, const struct index_owner *owner, struct memory *memory,
                size_t shared_bytes);
void order_done(struct order *order);

/* Takes the live ones of a leaf's slots, of which the first @sorted are sorted. */
void order_take(struct order *order, const uint64_t slots[LEAF_SLOTS], unsigned sorted);

/* Takes one more slot, whose key is known. @key is borrowed until order_done(). */
void order_add_key(struct order *order, uint64_t slot, struct kvs_bytes key);

/* Forgets all that was loaded; from now on it may wait. */
void order_restart(struct order *order);

/* Sorts. Of slots with one key (one was removed while the other was put elsewhere: seen by readers) the later one counts.
 * KVS_WOULD_BLOCK, KVS_NOT_FOUND, KVS_NO_MEMORY, the owner's. */
KVS_MUST_CHECK enum kvs_status order_sort(struct order *order);

/* The slot, or the key, at @place in order. The key lives as the order does. */
uint64_t order_slot(const struct order *order, unsigned place);
KVS_MUST_CHECK enum kvs_status order_key(struct order *order, unsigned place,
                                         struct kvs_bytes *ret);

/* How many keys come before @key; with @after, those equal to it are counted in. */
KVS_MUST_CHECK enum kvs_status order_count_below(struct order *order, struct kvs_bytes key,
                                                 bool after, unsigned *ret);

#endif
