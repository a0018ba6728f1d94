/*
 * memory.h - where the index gets its memory from: leaves from slabs (huge pages, once there are many), all else from malloc(), everything counted.
 *
 * Threads: memory_alloc() and memory_leaf_new() are the mutator's or a scan's; freeing is any thread's, as retired nodes
 * are freed by the thread that runs the callbacks of the epochs.
 */
#ifndef INDEX_MEMORY_H
#define INDEX_MEMORY_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "concurrent/mutex.h"

struct leaf;
struct slab;

struct memory {
    _Atomic uint64_t bytes;  /* taken from malloc() and not given back */
    _Atomic uint64_t leaves; /* in use, retired ones that are not yet free included */
    _Atomic int64_t allowed; /* for tests: allocations that still succeed; negative: all of them */
    struct mutex mu;
    struct slab *roomy
        GUARDED_BY(mu); /* slabs with a free leaf; the others are reached from their leaves only */
    unsigned small_slabs GUARDED_BY(mu);
};

void memory_init(struct memory *memory);
void memory_done(struct memory *memory); /* everything has been freed */

/* NULL when there is no memory. @bytes of memory_free() are those of memory_alloc(); NULL may be freed. */
void *memory_alloc(struct memory *memory, size_t bytes);
void memory_free(struct memory *memory, void *block, size_t bytes);

/* An empty leaf, or NULL. */
struct leaf *memory_leaf_new(struct memory *memory);
void memory_leaf_free(struct leaf *leaf);

#endif
