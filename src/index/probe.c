/*
 * probe.c - loading what lookups of many keys will touch, all at once.
 *
 * A lookup is a chain of cache misses, each of which says where the next one is: node by node, the leaf, the record. Here many keys
 * go down side by side: a step of all keys is started before the next step of the first, so that the misses of one step wait for
 * memory together.
 */
#include "base/check.h"
#include "index/tree.h"

void index_probe(struct index *index, size_t count, const struct kvs_bytes *keys,
                 struct index_probe *ret_probes)
{
    unsigned children[INDEX_PROBES_MAX];
    CHECK(count <= INDEX_PROBES_MAX);
    struct inner *root = index_root(index);
    for (size_t i = 0; i < count; i++)
        ret_probes[i].node = root;
    for (unsigned level = root->level; level >= 1; level--) { /* all leaves are equally deep */
        for (size_t i = 0; i < count; i++) {
            struct inner *inner = ret_probes[i].node;
            children[i] = inner_search(inner, keys[i], false);
            __builtin_prefetch((const void *)(uintptr_t)inner_child_at(inner, children[i]));
        }
        for (size_t i = 0; i < count; i++) {
            ret_probes[i].node = inner_child(ret_probes[i].node, children[i]);
            if (level == 1)
                leaf_prefetch(ret_probes[i].node);
            else
                inner_prefetch(ret_probes[i].node);
        }
    }
    for (size_t i = 0; i < count; i++)
        ret_probes[i].tag = tag_of(keys[i], index->owner.seed);
}

uint64_t index_probe_peek(const struct index_probe *probe)
{
    const struct leaf *leaf = probe->node;
    uint64_t matches = leaf_match(leaf, probe->tag);
    return matches == 0 ? 0 : slot_locator(leaf_slot(leaf, (unsigned)__builtin_ctzll(matches)));
}
