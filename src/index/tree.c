/*
 * tree.c - ways from the root to a leaf.
 */
#include "index/tree.h"

#include "base/check.h"

void path_find(struct index *index, struct kvs_bytes key, enum path_target target, struct path *ret)
{
    struct inner *inner = index_root(index);
    ret->depth = 0;
    for (;;) {
        unsigned child = 0;
        switch (target) {
        case PATH_AT:
            child = inner_search(inner, key, false);
            break;
        case PATH_BELOW:
            child = inner_search(inner, key, true);
            break;
        case PATH_FIRST:
            break;
        case PATH_LAST:
            child = inner->count - 1u;
            break;
        }
        CHECK(ret->depth < PATH_MAX_DEPTH);
        ret->steps[ret->depth].inner = inner;
        ret->steps[ret->depth].child = child;
        ret->depth++;
        void *next = inner_child(inner, child);
        if (inner->level == 1) {
            ret->leaf = next;
            return;
        }
        inner = next;
    }
}

bool path_low(const struct path *path, struct kvs_bytes *ret)
{
    for (unsigned i = path->depth; i-- > 0;) {
        unsigned child = path->steps[i].child;
        if (child > 0) {
            *ret = inner_separator(path->steps[i].inner, child - 1).bytes;
            return true;
        }
    }
    return false;
}

bool path_high(const struct path *path, struct kvs_bytes *ret)
{
    for (unsigned i = path->depth; i-- > 0;) {
        unsigned child = path->steps[i].child;
        if (child + 1 < path->steps[i].inner->count) {
            *ret = inner_separator(path->steps[i].inner, child).bytes;
            return true;
        }
    }
    return false;
}

size_t path_shared_bytes(const struct path *path)
{
    struct kvs_bytes low;
    struct kvs_bytes high;
    if (!path_low(path, &low) || !path_high(path, &high))
        return 0;
    return common_bytes(low, high);
}

void index_allow_allocations(struct index *index, int64_t allowed)
{
    /* relaxed: read by the calls of the same thread */
    atomic_store_explicit(&index->memory.allowed, allowed, memory_order_relaxed);
}
