/*
 * change.h - replacing nodes of the tree: splitting a full leaf, merging thin ones. All of it the mutator's.
 */
#ifndef INDEX_CHANGE_H
#define INDEX_CHANGE_H

#include "index/tree.h"

/*
 * Splits the full leaf that @path leads to, and puts @slot with @key into its half. As index_put(): KVS_WOULD_BLOCK (only
 * with @no_block), KVS_NO_MEMORY or the owner's, with nothing changed.
 */
KVS_MUST_CHECK enum kvs_status change_split(struct index *index, const struct path *path,
                                            struct kvs_bytes key, uint64_t slot, bool no_block);

/* After a removal: merges the leaf that @path leads to with a neighbour if the two are thin. Without memory it does not. */
void change_merge(struct index *index, const struct path *path);

/* Frees the node and all below it. Nobody may see it. */
void change_free_tree(struct inner *inner);

#endif
