/*
 * memory.c - slabs of leaves.
 *
 * A leaf is 512 bytes on a border of cache lines. malloc() would spend another 80 bytes on each, so leaves are cut from slabs.
 * A slab lies on a border of its own size, so a leaf finds its slab by its address. Slabs that have room are on a list; one that
 * is empty is given back unless it is the only one there, so that an index which breathes around a border does not come back for it
 * each time.
 *
 * The first slabs are small, as most stores are. All others are one huge page each, if the kernel gives it: a leaf is the one
 * thing of the index that is in no cache, and on ordinary pages finding out where it lies costs as much as fetching it.
 *
 * Invariant: a slab is on the list exactly when it has a free leaf.
 */
#include "index/memory.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/check.h"
#include "index/leaf.h"

enum {
    CACHE_LINE = 64,
    SMALL_BYTES = 64 * 1024,
    HUGE_BYTES = 2 * 1024 * 1024,
    SMALL_SLABS = 32, /* as many small ones as make a huge one, before the first huge one */
};

struct slab {
    struct memory *memory;
    struct slab *next; /* of the roomy ones */
    struct slab *previous;
    struct leaf *free; /* linked through retired.opaque[0] */
    uint32_t used;
    uint32_t fresh; /* leaves from here on were never used */
    uint32_t capacity;
    bool huge;
};

static_assert(sizeof(struct slab) <= CACHE_LINE, "the head costs one line");

static struct leaf *slab_leaf(struct slab *slab, uint32_t i)
{
    return (struct leaf *)(void *)((char *)slab + CACHE_LINE) + i;
}

static size_t slab_bytes(bool huge)
{
    return huge ? HUGE_BYTES : SMALL_BYTES;
}

void memory_init(struct memory *memory)
{
    atomic_init(&memory->bytes, 0);
    atomic_init(&memory->leaves, 0);
    atomic_init(&memory->allowed, -1);
    mutex_init(&memory->mu);
    memory->roomy = NULL;
    memory->small_slabs = 0;
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
    size_t bytes = slab_bytes(slab->huge);
    free(slab);
    atomic_fetch_sub_explicit(&memory->bytes, bytes, memory_order_relaxed); /* a figure */
}

static struct slab *slab_new(struct memory *memory) REQUIRES(&memory->mu)
{
    bool huge = memory->small_slabs == SMALL_SLABS;
    size_t bytes = slab_bytes(huge);
    struct slab *slab = refused(memory) ? NULL : aligned_alloc(bytes, bytes);
    if (slab == NULL)
        return NULL;
    if (huge) /* a hint, before it is touched */
        (void)madvise(slab, bytes, MADV_HUGEPAGE);
    else
        memory->small_slabs++;
    atomic_fetch_add_explicit(&memory->bytes, bytes, memory_order_relaxed); /* a figure */
    *slab = (struct slab){ .memory = memory,
                           .huge = huge,
                           .capacity = (uint32_t)((bytes - CACHE_LINE) / sizeof(struct leaf)) };
    return slab;
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
        leaf = slab_leaf(slab, slab->fresh++);
        leaf->in_huge = slab->huge;
    }
    slab->used++;
    if (slab->used == slab->capacity)
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
    struct slab *slab =
        (struct slab *)(void *)((char *)leaf - (uintptr_t)leaf % slab_bytes(leaf->in_huge));
    struct memory *memory = slab->memory;
    struct slab *empty = NULL;
    mutex_lock(&memory->mu);
    leaf->retired.opaque[0] = slab->free;
    slab->free = leaf;
    if (slab->used == slab->capacity)
        roomy_push(memory, slab);
    slab->used--;
    if (slab->used == 0 && (slab->next != NULL || slab->previous != NULL)) {
        roomy_remove(memory, slab);
        memory->small_slabs -= !slab->huge;
        empty = slab;
    }
    mutex_unlock(&memory->mu);
    atomic_fetch_sub_explicit(&memory->leaves, 1, memory_order_relaxed); /* a figure */
    if (empty != NULL)
        slab_free(empty);
}
