/*
 * index.c - the ordered map: an order tree of inner nodes over hashed leaves that are read without locks.
 *
 * ---- The argument ----
 *
 * One mutator at a time changes the tree; readers only load. Two kinds of words change while readers may look:
 *
 *   slot     of a leaf: a locator with its key's tag, or 0. Over its life in one leaf: 0 -> a key's locators one after the
 *            other -> 0 -> perhaps another key's. A key that stays in the index stays in its slot: nothing ever moves within
 *            a leaf.
 *   address  of a child in an inner node, and of the root: goes from one node to the one that replaces it.
 *
 * All else in a node is written before the node is published, by a store with release into an address; readers load
 * addresses with acquire (leaf.c treats the one exception, `sorted`). Structural changes (change.c) build new nodes, publish
 * them with one such store, then retire the old ones: linked -> unlinked -> freed, by the mutator alone. Nothing stores into
 * an unlinked node: the mutator stores only into nodes it has just reached from the root.
 *
 * A freed node cannot be read. Readers hold addresses only within an epoch section. A node is retired after the store that
 * unlinked it, so a section that begins later finds no way to it, and one that began before keeps it from being freed.
 * The mutator needs no section: nobody else retires nodes.
 *
 * Every node a reader reaches was linked at some moment of its section. By induction: the root was when its address was
 * loaded. Let M have been linked at a moment of the section, and N be loaded from M. If M was still linked at the load, so was
 * N. Else M was unlinked during the section, its addresses have not changed since, and N was linked when M was unlinked. What a
 * slot is read as was, by the same reasoning, in the index at some moment of the section.
 *
 * A reader cannot miss a key that is in the index all the time. Searching by the separators of linked nodes leads to
 * the leaf whose borders hold the key; borders of a node are fixed for its life, so this is so however old the nodes of
 * the way are. That leaf was linked at a moment of the section, so the key then lay in one of its slots, in which it lies for
 * as long as leaf and key stay; after unlinking the slots stand still. So it does not matter when the slot is read: it holds
 * the key, with its tag. A split or a merge copies slots to new leaves and changes nothing in the old ones.
 *
 * What the caller read before the call orders too: if it has seen, with acquire, something the mutator stored with release
 * after a put returned, the call finds that put done, as all loads here come later and all of the put's stores earlier.
 *
 * Deadlock, waiting. Readers loop over the depth of the tree and the slots of a leaf; nothing waits. Memory that readers keep
 * from being freed is bounded by their sections being short. The lock of memory.c is taken by the mutator and by the
 * thread that frees retired leaves, never by readers, and nothing else is taken under it.
 */
#include "index/index.h"

#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/fail.h"
#include "concurrent/epoch.h"
#include "index/change.h"
#include "index/tree.h"

/* The empty tree: a root with one empty leaf. */
static enum kvs_status plant(struct index *index)
{
    struct inner_list list;
    list.count = 1;
    list.children[0] = memory_leaf_new(&index->memory);
    if (list.children[0] == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "index leaf");
    struct inner *root = inner_build(&index->memory, &list, 0, 1, 1);
    if (root == NULL) {
        memory_leaf_free(list.children[0]);
        return fail(KVS_NO_MEMORY, ENOMEM, "index root");
    }
    atomic_init(&index->root, root);
    atomic_init(&index->leaf_count, 1);
    atomic_init(&index->inner_count, 1);
    return KVS_OK;
}

enum kvs_status index_new(const struct index_owner *owner, struct index **ret)
{
    struct index *index = calloc(1, sizeof *index);
    if (index == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "index");
    epoch_prepare();
    index->owner = *owner;
    atomic_init(&index->slot_count, 0);
    memory_init(&index->memory);
    enum kvs_status status = plant(index);
    if (status != KVS_OK) {
        memory_done(&index->memory);
        free(index);
        return status;
    }
    *ret = index;
    return KVS_OK;
}

void index_free(struct index *index)
{
    if (index == NULL)
        return;
    epoch_barrier(); /* retired nodes go back to our memory */
    change_free_tree(index_root(index));
    memory_done(&index->memory);
    free(index);
}

/* ---- Readers ---- */

static inline enum kvs_status find_in(const struct leaf *leaf, uint16_t tag, index_match_fn *match,
                                      void *ctx, uint64_t *ret_locator)
{
    for (uint64_t left = leaf_match(leaf, tag); left != 0; left &= left - 1) {
        uint64_t slot = leaf_slot(leaf, (unsigned)__builtin_ctzll(left));
        if (slot_tag(slot) != tag)
            continue; /* removed meanwhile */
        switch (match(ctx, slot_locator(slot))) {
        case INDEX_MATCH:
            *ret_locator = slot_locator(slot);
            return KVS_OK;
        case INDEX_STOP:
            return KVS_WOULD_BLOCK;
        case INDEX_DIFFERENT:
            break;
        }
    }
    return KVS_NOT_FOUND;
}

enum kvs_status index_find(struct index *index, struct kvs_bytes key, index_match_fn *match,
                           void *ctx, uint64_t *ret_locator)
{
    const struct leaf *leaf = index_leaf(index, key);
    leaf_prefetch(leaf);
    /* the tag after that, while the leaf is on its way */
    return find_in(leaf, tag_of(key, index->owner.seed), match, ctx, ret_locator);
}

enum kvs_status index_find_at(const struct index_probe *probe, index_match_fn *match, void *ctx,
                              uint64_t *ret_locator)
{
    return find_in(probe->node, probe->tag, match, ctx, ret_locator);
}

/* The first live slot from a random one on, around the leaf; 0 when there is none. */
static uint64_t sample_leaf(const struct leaf *leaf, uint64_t random)
{
    for (unsigned i = 0; i < LEAF_SLOTS; i++) {
        uint64_t slot = leaf_slot(leaf, (unsigned)((random + i) % LEAF_SLOTS));
        if (slot != 0)
            return slot;
    }
    return 0;
}

/* The first live slot of all below. */
static uint64_t sample_tree(struct inner *inner)
{
    uint64_t slot = 0;
    for (unsigned i = 0; i < inner->count && slot == 0; i++) {
        void *child = inner_child(inner, i);
        slot = inner->level == 1 ? sample_leaf(child, 0) : sample_tree(child);
    }
    return slot;
}

uint64_t index_sample(struct index *index, uint64_t random)
{
    enum {
        TRIES = 16
    };

    for (unsigned i = 0; i < TRIES; i++) {
        struct inner *inner = index_root(index);
        void *child;
        for (;;) {
            random = hash_u64(random + i + 1);
            child = inner_child(inner, (unsigned)(random % inner->count));
            if (inner->level == 1)
                break;
            inner = child;
        }
        uint64_t slot = sample_leaf(child, hash_u64(random + i + 1));
        if (slot != 0)
            return slot_locator(slot);
    }
    return slot_locator(sample_tree(index_root(index))); /* mostly empty leaves: rare and small */
}

void index_stats(struct index *index, struct index_stats *ret)
{
    /* relaxed: figures, each right for itself */
    *ret = (struct index_stats){
        .slots = atomic_load_explicit(&index->slot_count, memory_order_relaxed),
        .leaves = atomic_load_explicit(&index->leaf_count, memory_order_relaxed),
        .inner_nodes = atomic_load_explicit(&index->inner_count, memory_order_relaxed),
        .bytes = sizeof *index + atomic_load_explicit(&index->memory.bytes, memory_order_relaxed),
    };
    epoch_enter();
    ret->height = index_root(index)->level + 1u;
    epoch_leave();
}

/* ---- The mutator ---- */

static void count_slots(struct index *index, uint64_t more)
{
    /* relaxed: a figure, and only the mutator changes it */
    uint64_t now = atomic_load_explicit(&index->slot_count, memory_order_relaxed);
    atomic_store_explicit(&index->slot_count, now + more, memory_order_relaxed);
}

/* Whether @key follows all keys that ever were in the leaf, known without waiting; then the leaf stays sorted. */
static bool follows_last(struct index *index, const struct leaf *leaf, struct kvs_bytes key)
{
    if (leaf->used == 0)
        return true;
    uint64_t last = leaf_sorted_last(leaf);
    if (last == 0)
        return false;
    struct buf scratch;
    struct kvs_bytes last_key;
    buf_init(&scratch, INDEX_SCRATCH_MAX);
    epoch_enter();
    enum kvs_status status =
        index->owner.load_key(index->owner.ctx, slot_locator(last), true, &scratch, &last_key);
    bool follows = status == KVS_OK && bytes_compare(last_key, key) < 0;
    epoch_leave();
    buf_done(&scratch);
    return follows;
}

static enum kvs_status insert(struct index *index, struct kvs_bytes key, uint64_t slot,
                              bool no_block)
{
    struct path path;
    path_find(index, key, PATH_AT, &path);
    leaf_prefetch(path.leaf);
    if (path.leaf->live == LEAF_SLOTS) {
        enum kvs_status status = change_split(index, &path, key, slot, no_block);
        if (status != KVS_OK)
            return status;
    } else {
        leaf_add(path.leaf, slot, follows_last(index, path.leaf, key));
    }
    count_slots(index, 1);
    return KVS_OK;
}

enum kvs_status index_put(struct index *index, struct kvs_bytes key, uint64_t replaced,
                          uint64_t locator, bool no_block)
{
    CHECK(locator != 0 && locator <= LOCATOR_MASK);
    uint16_t tag = tag_of(key, index->owner.seed);
    if (replaced == 0)
        return insert(index, key, slot_of(tag, locator), no_block);
    struct leaf *leaf = index_leaf(index, key);
    int at = leaf_find(leaf, slot_of(tag, replaced));
    if (at < 0)
        return KVS_NOT_FOUND;
    leaf_store(leaf, (unsigned)at, slot_of(tag, locator));
    return KVS_OK;
}

enum kvs_status index_remove(struct index *index, struct kvs_bytes key, uint64_t locator)
{
    struct path path;
    path_find(index, key, PATH_AT, &path);
    int at = leaf_find(path.leaf, slot_of(tag_of(key, index->owner.seed), locator));
    if (at < 0)
        return KVS_NOT_FOUND;
    leaf_store(path.leaf, (unsigned)at, 0);
    count_slots(index, UINT64_MAX); /* one less */
    change_merge(index, &path);
    return KVS_OK;
}
