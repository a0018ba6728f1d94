/*
 * memory.c - slabs of leaves.
 *
 * A leaf is 512 bytes on a border of cache lines. malloc() would spend another 80 bytes on each, so leaves are cut from slabs,
 * and a leaf knows its number in its slab. Slabs that have room are on a list; one that is empty is given back unless it is
 * the only one there, so that an index which breathes around a border does not come back for it each time.
 *
 * Invariant: a slab is on the list exactly when it has a free leaf.
 */
#include "index/memory.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/check.h"
#include "index/leaf.h"

enum {
    SLAB_LEAVES = 127,
    CACHE_LINE = 64,
};

struct slab {
    struct memory *memory;
    struct slab *next; /* of the roomy ones */
    struct slab *previous;
    struct leaf *free; /* linked through retired.opaque[0] */
    uint32_t used;
    uint32_t fresh; /* leaves from here on were never used */
};

struct slab_memory {
    _Alignas(CACHE_LINE) struct slab head;
    _Alignas(CACHE_LINE) struct leaf leaves[SLAB_LEAVES];
};

static_assert(SLAB_LEAVES <= UINT8_MAX, "leaf.place holds it");
static_assert(sizeof(struct slab) <= CACHE_LINE, "the head costs one line");

void memory_init(struct memory *memory)
{
    atomic_init(&memory->bytes, 0);
    atomic_init(&memory->leaves, 0);
    atomic_init(&memory->allowed, -1);
    mutex_init(&memory->mu);
    memory->roomy = NULL;
}

/* True when a test wants this allocation to fail. */
static bool refused(struct memory *memory)
{
    /* relaxed: set by a test before the calls it counts, on their thread */
    int64_t allowed = atomic_load_explicit(&memory->allowed, memory_order_relaxed);
    if (likely(allowed < 0))
        return false;
    if (allowed == 0)
        return true;
    atomic_store_explicit(&memory->allowed, allowed - 1, memory_order_relaxed);
    return false;
}

void *memory_alloc(struct memory *memory, size_t bytes)
{
    void *block = refused(memory) ? NULL : malloc(bytes);
    if (block != NULL)
        atomic_fetch_add_explicit(&memory->bytes, bytes, memory_order_relaxed); /* a figure */
    return block;
}

void memory_free(struct memory *memory, void *block, size_t bytes)
{
    if (block == NULL)
        return;
    free(block);
    atomic_fetch_sub_explicit(&memory->bytes, bytes, memory_order_relaxed); /* a figure */
}

static void roomy_push(struct memory *memory, struct slab *slab) REQUIRES(&memory->mu)
{
    slab->previous = NULL;
    slab->next = memory->roomy;
    if (slab->next != NULL)
        slab->next->previous = slab;
    memory->roomy = slab;
}

static void roomy_remove(struct memory *memory, struct slab *slab) REQUIRES(&memory->mu)
{
    if (slab->previous != NULL)
        slab->previous->next = slab->next;
    else
        memory->roomy = slab->next;
    if (slab->next != NULL)
        slab->next->previous = slab->previous;
}

static void slab_free(struct slab *slab)
{
    struct memory *memory = slab->memory;
    free(slab); /* the head is the block's first byte */
    atomic_fetch_sub_explicit(&memory->bytes, sizeof(struct slab_memory),
                              memory_order_relaxed); /* a figure */
}

static struct slab *slab_new(struct memory *memory)
{
    struct slab_memory *block =
        refused(memory) ? NULL : aligned_alloc(CACHE_LINE, sizeof(struct slab_memory));
    if (block == NULL)
        return NULL;
    atomic_fetch_add_explicit(&memory->bytes, sizeof *block, memory_order_relaxed); /* a figure */
    block->head = (struct slab){ .memory = memory };
    return &block->head;
}

void memory_done(struct memory *memory) NO_THREAD_SAFETY_ANALYSIS
{
    ASSERT(atomic_load_explicit(&memory->leaves, memory_order_relaxed) == 0);
    struct slab *slab = memory->roomy; /* at most the one that is kept */
    if (slab != NULL) {
        CHECK(slab->used == 0 && slab->next == NULL);
        slab_free(slab);
    }
    ASSERT(atomic_load_explicit(&memory->bytes, memory_order_relaxed) == 0);
    mutex_done(&memory->mu);
}

static struct leaf *slab_take(struct memory *memory, struct slab *slab) REQUIRES(&memory->mu)
{
    struct leaf *leaf = slab->free;
    if (leaf != NULL) {
        slab->free = leaf->retired.opaque[0];
    } else {
        struct slab_memory *block = (struct slab_memory *)slab; /* its first member */
        leaf = &block->leaves[slab->fresh];
        leaf->place = (uint8_t)slab->fresh;
        slab->fresh++;
    }
    slab->used++;
    if (slab->used == SLAB_LEAVES)
        roomy_remove(memory, slab);
    return leaf;
}

struct leaf *memory_leaf_new(struct memory *memory)
{
    mutex_lock(&memory->mu);
    struct slab *slab = memory->roomy;
    if (slab == NULL) {
        slab = slab_new(memory);
        if (slab == NULL) {
            mutex_unlock(&memory->mu);
            return NULL;
        }
        roomy_push(memory, slab);
    }
    struct leaf *leaf = slab_take(memory, slab);
    mutex_unlock(&memory->mu);
    atomic_fetch_add_explicit(&memory->leaves, 1, memory_order_relaxed); /* a figure */
    leaf_clear(leaf);
    return leaf;
}

void memory_leaf_free(struct leaf *leaf)
{
    struct leaf *first = leaf - leaf->place;
    struct slab *slab =
        (struct slab *)(void *)((char *)first - offsetof(struct slab_memory, leaves));
    struct memory *memory = slab->memory;
    struct slab *empty = NULL;
    mutex_lock(&memory->mu);
    leaf->retired.opaque[0] = slab->free;
    slab->free = leaf;
    if (slab->used == SLAB_LEAVES)
        roomy_push(memory, slab);
    slab->used--;
    if (slab->used == 0 && (slab->next != NULL || slab->previous != NULL)) {
        roomy_remove(memory, slab);
        empty = slab;
    }
    mutex_unlock(&memory->mu);
    atomic_fetch_sub_explicit(&memory->leaves, 1, memory_order_relaxed); /* a figure */
    if (empty != NULL)
        slab_free(empty);
}
