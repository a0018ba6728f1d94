/*
 * tree.h - the tree behind index.h, and the way from its root to a leaf.
 *
 * Threads: path_find() and its companions any thread's inside an epoch section, or the mutator's.
 */
#ifndef INDEX_TREE_H
#define INDEX_TREE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "index/index.h"
#include "index/inner.h"
#include "index/leaf.h"
#include "index/memory.h"

struct index {
    _Atomic(struct inner *) root; /* always an inner node, be it of one child */
    struct index_owner owner;
    struct memory memory;
    /* Figures, changed by the mutator alone. */
    _Atomic uint64_t slot_count;
    _Atomic uint64_t leaf_count;
    _Atomic uint64_t inner_count;
};

enum {
    PATH_MAX_DEPTH = 24 /* 16 children to the 24th: no memory holds that many */
};

struct path {
    struct {
        struct inner *inner;
        unsigned child;      /* the one taken */
    } steps[PATH_MAX_DEPTH]; /* from the root */

    unsigned depth;
    struct leaf *leaf;
};

enum path_target {
    PATH_AT,    /* the leaf that holds the key */
    PATH_BELOW, /* the leaf that holds the keys right before it */
    PATH_FIRST, /* the first leaf; the key does not matter, as in the next */
    PATH_LAST,
};

static inline struct inner *index_root(struct index *index)
{
    /* acquire: the node's content. pairs with: change_publish_root */
    return atomic_load_explicit(&index->root, memory_order_acquire);
}

/* The leaf that holds @key. */
static inline struct leaf *index_leaf(struct index *index, struct kvs_bytes key)
{
    struct inner *inner = index_root(index);
    for (;;) {
        void *child = inner_child(inner, inner_search(inner, key, false));
        if (inner->level == 1)
            return child;
        inner = child;
        inner_prefetch(inner);
    }
}

/* The same, remembering the way. */
void path_find(struct index *index, struct kvs_bytes key, enum path_target target,
               struct path *ret);

/* The borders of what the path's leaf holds: keys >= low and < high. False: there is none on that side. Lent by the nodes of
 * the path. */
bool path_low(const struct path *path, struct kvs_bytes *ret);
bool path_high(const struct path *path, struct kvs_bytes *ret);

/* How many first bytes are the same in all keys of the path's leaf, whatever they are, by its borders. */
size_t path_shared_bytes(const struct path *path);

/*
 * For tests: the next @allowed allocations succeed, all after them fail; negative: none fails.
 */
void index_allow_allocations(struct index *index, int64_t allowed);

#endif
