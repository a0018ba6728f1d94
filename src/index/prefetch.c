/*
 * prefetch.c - loading what lookups of many keys will touch, all at once.
 *
 * A lookup is a chain of cache misses, each of which says where the next one is: node by node, the leaf, the record. Here many keys
 * go down side by side: a step of all keys is started before the next step of the first, so that the misses of one step wait for
 * memory together. Nothing is decided here; the lookups that follow do all of their work again, and find it loaded.
 */
#include "index/tree.h"

enum {
    SIDE_BY_SIDE = 32 /* keys: more would push out what the first have loaded */
};

struct walk {
    struct inner *inner;
    unsigned child;
    const struct leaf *leaf;
};

/* The slots with the key's tag: nearly always one, which is the key's. */
static void prefetch_records(struct index *index, const struct leaf *leaf, struct kvs_bytes key)
{
    uint16_t tag = tag_of(key, index->owner.seed);
    for (uint64_t left = leaf_match(leaf, tag); left != 0; left &= left - 1) {
        uint64_t slot = leaf_slot(leaf, (unsigned)__builtin_ctzll(left));
        if (slot_tag(slot) == tag)
            index->owner.prefetch_key(index->owner.ctx, slot_locator(slot));
    }
}

static void prefetch_some(struct index *index, size_t count, const struct kvs_bytes *keys)
{
    struct walk walks[SIDE_BY_SIDE];
    struct inner *root = index_root(index);
    for (size_t i = 0; i < count; i++)
        walks[i].inner = root;
    for (unsigned level = root->level; level >= 1; level--) {
        for (size_t i = 0; i < count; i++) {
            walks[i].child = inner_search(walks[i].inner, keys[i], false);
            __builtin_prefetch(
                (const void *)(uintptr_t)inner_child_at(walks[i].inner, walks[i].child));
        }
        for (size_t i = 0; i < count; i++) {
            void *child = inner_child(walks[i].inner, walks[i].child);
            if (level == 1) {
                walks[i].leaf = child;
                leaf_prefetch(walks[i].leaf);
            } else {
                walks[i].inner = child;
                inner_prefetch(walks[i].inner);
            }
        }
    }
    if (index->owner.prefetch_key == NULL)
        return;
    for (size_t i = 0; i < count; i++)
        prefetch_records(index, walks[i].leaf, keys[i]);
}

void index_prefetch(struct index *index, size_t count, const struct kvs_bytes *keys)
{
    for (size_t i = 0; i < count; i += SIDE_BY_SIDE) {
        size_t some = count - i < SIDE_BY_SIDE ? count - i : SIDE_BY_SIDE;
        prefetch_some(index, some, keys + i);
    }
}
