/*
 * leaf.h - 512 bytes: 59 slots of 8 bytes, each 16 bits of the key's hash (its tag) over 48 bits of locator. 0: a free slot.
 *
 * Threads: readers use leaf_match(), leaf_slot() and leaf_copy() on any leaf they reach inside an epoch section; the rest is
 * the mutator's. What may change when is said in index.c.
 */
#ifndef INDEX_LEAF_H
#define INDEX_LEAF_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <kvs/status.h>

#include "base/hash.h"
#include "concurrent/epoch.h"

enum {
    LEAF_SLOTS = 59,
    LEAF_BYTES = 512,
    LOCATOR_BITS = 48,
};

struct leaf {
    _Atomic uint64_t slots[LEAF_SLOTS];
    _Atomic uint8_t sorted; /* the live slots below this one are in key order */
    uint8_t used;           /* no slot from here on was ever filled. Mutator's, as the next two */
    uint8_t live;
    bool in_huge; /* the slab it lies in is a huge page */
    uint8_t unused[4];
    struct epoch_node retired;
};

static_assert(sizeof(struct leaf) == LEAF_BYTES, "eight cache lines");

#define LOCATOR_MASK ((UINT64_C(1) << LOCATOR_BITS) - 1)

/* Never 0, so that free slots match no tag. */
static inline uint16_t tag_of(struct kvs_bytes key, uint64_t seed)
{
    uint16_t tag = (uint16_t)(hash_bytes(key, seed) >> 48);
    return tag == 0 ? 1 : tag;
}

static inline uint64_t slot_of(uint16_t tag, uint64_t locator)
{
    return (uint64_t)tag << LOCATOR_BITS | locator;
}

static inline uint16_t slot_tag(uint64_t slot)
{
    return (uint16_t)(slot >> LOCATOR_BITS);
}

static inline uint64_t slot_locator(uint64_t slot)
{
    return slot & LOCATOR_MASK;
}

/* Starts loading all of the leaf. */
static inline void leaf_prefetch(const struct leaf *leaf)
{
    for (unsigned i = 0; i < LEAF_BYTES; i += 64)
        __builtin_prefetch((const char *)leaf + i);
}

static inline uint64_t leaf_slot(const struct leaf *leaf, unsigned i)
{
    /* acquire: the record behind the locator. pairs with: leaf_store */
    return atomic_load_explicit(&leaf->slots[i], memory_order_acquire);
}

/* Bit i is set when slot i has @tag. A hint: read the slot again with leaf_slot(). A slot that has the tag all the time is
 * never missed. */
uint64_t leaf_match(const struct leaf *leaf, uint16_t tag);

/* The same without vector instructions, for other processors; here so that tests can compare the two. */
uint64_t leaf_match_portable(const struct leaf *leaf, uint16_t tag);

/* Copies the slots, free ones too; returns how many of them, from the first, are in key order. */
unsigned leaf_copy(const struct leaf *leaf, uint64_t ret_slots[LEAF_SLOTS]);

/* ---- The mutator's ---- */

/* Makes it empty. Nobody else may see it. */
void leaf_clear(struct leaf *leaf);

/* The number of the slot that holds exactly @slot, or -1. */
int leaf_find(const struct leaf *leaf, uint64_t slot);

/* Replaces slot @i, by 0 to free it. */
void leaf_store(struct leaf *leaf, unsigned i, uint64_t slot);

/* Puts @slot into a free place. @ascending: its key follows that of the last slot used, and all slots are sorted. The leaf
 * is not full. */
void leaf_add(struct leaf *leaf, uint64_t slot, bool ascending);

/* Fills an empty leaf that nobody else sees, with @count slots whose first @sorted are in key order. */
void leaf_fill(struct leaf *leaf, const uint64_t *slots, unsigned count, unsigned sorted);

/* The last slot used, when all slots are sorted and it is still live; else 0. What follows its key may be added as ascending. */
uint64_t leaf_sorted_last(const struct leaf *leaf);

#endif
