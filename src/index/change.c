/*
 * change.c - structural changes: every one builds its new nodes, links them with one store, and retires what they replace.
 *
 * From the leaf up, nodes are rebuilt until one takes the place of exactly one other: then its address is stored over that
 * other's, in a parent that stays. Before this store nobody sees anything; a failure of an allocation frees what was
 * built, and nothing has happened. After it, nothing can fail.
 *
 * What a node holds (its borders) is fixed for its life: a node that would have to hold more, because its neighbour goes, is
 * rebuilt as well. Readers who came to it through an old parent therefore never find keys in it which lie beyond the borders
 * they know it by.
 */
#include "index/change.h"

#include <errno.h>
#include <stddef.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/fail.h"
#include "index/order.h"

enum {
    MERGE_LIVE =
        LEAF_SLOTS / 4, /* a leaf with at most so many looks for a neighbour to merge with */
    MERGED_LIVE_MAX = LEAF_SLOTS * 3 / 4, /* and does when the two have no more than so many */
    COMBINED_MAX = INNER_CHILDREN_MAX * 3 / 4,
    EDGE_REST = 4,        /* slots that go to the other side when a leaf was filled in order */
    INNER_EDGE_REST = 17, /* the same for an inner node */
    NODES_MAX = 2 * PATH_MAX_DEPTH + 2,
};

static_assert((int)INNER_EDGE_REST >= (int)INNER_CHILDREN_MIN, "the small side is large enough");

/* Nodes built and nodes to be retired. */
struct change {
    struct index *index;
    struct inner *new_inners[NODES_MAX];
    struct inner *old_inners[NODES_MAX];
    unsigned new_inner_count;
    unsigned old_inner_count;
    struct leaf *new_leaves[2];
    struct leaf *old_leaves[2];
    unsigned new_leaf_count;
    unsigned old_leaf_count;
    struct far *new_far;
    struct far *old_far;
};

/* What takes the place of @removed children of a node from number @at on. */
struct replacement {
    unsigned at;
    unsigned removed;
    void *added[2];
    unsigned added_count;
    struct separator between; /* of two that are added */
};

/* ---- The fate of nodes ---- */

static void retired_leaf(struct epoch_node *node)
{
    memory_leaf_free((struct leaf *)(void *)((char *)node - offsetof(struct leaf, retired)));
}

static void retired_inner(struct epoch_node *node)
{
    inner_free((struct inner *)(void *)((char *)node - offsetof(struct inner, retired)));
}

static void retired_far(struct epoch_node *node)
{
    far_free((struct far *)(void *)((char *)node - offsetof(struct far, retired)));
}

static void count_by(_Atomic uint64_t *figure, unsigned more, unsigned less)
{
    /* relaxed: a figure, and only the mutator changes it */
    uint64_t now = atomic_load_explicit(figure, memory_order_relaxed);
    atomic_store_explicit(figure, now + more - less, memory_order_relaxed);
}

/* The new nodes are in the tree, the old ones are not. */
static void change_done(struct change *change)
{
    count_by(&change->index->leaf_count, change->new_leaf_count, change->old_leaf_count);
    count_by(&change->index->inner_count, change->new_inner_count, change->old_inner_count);
    for (unsigned i = 0; i < change->old_leaf_count; i++)
        epoch_retire(&change->old_leaves[i]->retired, retired_leaf);
    for (unsigned i = 0; i < change->old_inner_count; i++)
        epoch_retire(&change->old_inners[i]->retired, retired_inner);
    if (change->old_far != NULL)
        epoch_retire(&change->old_far->retired, retired_far);
}

static void change_undo(struct change *change)
{
    for (unsigned i = 0; i < change->new_leaf_count; i++)
        memory_leaf_free(change->new_leaves[i]);
    for (unsigned i = 0; i < change->new_inner_count; i++)
        inner_free(change->new_inners[i]);
    far_free(change->new_far);
}

static struct leaf *new_leaf(struct change *change)
{
    struct leaf *leaf = memory_leaf_new(&change->index->memory);
    if (leaf != NULL)
        change->new_leaves[change->new_leaf_count++] = leaf;
    return leaf;
}

static struct inner *new_inner(struct change *change, const struct inner_list *list, unsigned first,
                               unsigned count, unsigned level)
{
    struct inner *inner = inner_build(&change->index->memory, list, first, count, level);
    if (inner != NULL)
        change->new_inners[change->new_inner_count++] = inner;
    return inner;
}

static void old_leaf(struct change *change, struct leaf *leaf)
{
    change->old_leaves[change->old_leaf_count++] = leaf;
}

static void old_inner(struct change *change, struct inner *inner)
{
    change->old_inners[change->old_inner_count++] = inner;
}

/* ---- Inner nodes ---- */

/* Builds one node of the list, or two of which the first has @first_count children. What they replace is set by the caller. */
static enum kvs_status build(struct change *change, const struct inner_list *list, unsigned level,
                             unsigned first_count, struct replacement *ret)
{
    ret->added_count = first_count < list->count ? 2 : 1;
    ret->added[0] = new_inner(change, list, 0, first_count, level);
    if (ret->added_count == 2) {
        ret->added[1] = new_inner(change, list, first_count, list->count - first_count, level);
        ret->between = list->separators[first_count];
    }
    if (ret->added[0] == NULL || (ret->added_count == 2 && ret->added[1] == NULL))
        return fail(KVS_NO_MEMORY, ENOMEM, "index node of %u children", list->count);
    return KVS_OK;
}

static unsigned first_of_split(const struct inner_list *list, const struct replacement *done)
{
    if (done->at + done->added_count == list->count) /* growing at its end */
        return list->count - INNER_EDGE_REST;
    if (done->at == 0)
        return INNER_EDGE_REST;
    return list->count / 2;
}

/* Puts the children of the thin node that @list is for together with those of a neighbour, for one or two nodes. @child: the
 * number of the thin one in @parent. */
static enum kvs_status combine(struct change *change, const struct inner_list *list, unsigned level,
                               struct inner *parent, unsigned child, struct replacement *ret)
{
    static const struct separator none;
    CHECK(parent->count > 1); /* every node above another has two children, see install() */
    bool with_left = child > 0;
    unsigned left = with_left ? child - 1 : child;
    struct inner *neighbour = inner_child(parent, with_left ? left : left + 1);
    struct separator between = inner_separator(parent, left);
    struct inner_list whole;
    whole.count = 0;
    if (with_left) {
        inner_list_append(&whole, neighbour, none);
        inner_list_extend(&whole, list, between);
    } else {
        inner_list_extend(&whole, list, none);
        inner_list_append(&whole, neighbour, between);
    }
    old_inner(change, neighbour);
    ret->at = left;
    ret->removed = 2;
    return build(change, &whole, level, whole.count <= COMBINED_MAX ? whole.count : whole.count / 2,
                 ret);
}

static void publish_root(struct index *index, struct inner *root)
{
    /* release: the node's content. pairs with: index_root */
    atomic_store_explicit(&index->root, root, memory_order_release);
}

/* The root is replaced by one or two nodes. */
static enum kvs_status install_root(struct change *change, const struct replacement *replacement)
{
    struct inner *root = replacement->added[0];
    if (replacement->added_count == 2) {
        struct inner_list list;
        list.count = 0;
        list.children[0] = root;
        list.children[1] = replacement->added[1];
        list.separators[1] = replacement->between;
        list.count = 2;
        root = new_inner(change, &list, 0, 2, root->level + 1u);
        if (root == NULL)
            return fail(KVS_NO_MEMORY, ENOMEM, "index root");
    }
    publish_root(change->index, root);
    return KVS_OK;
}

/* Replaces children of the last node of the path, and of those above as far as it must. On KVS_OK it has happened. */
static enum kvs_status install(struct change *change, const struct path *path,
                               struct replacement replacement)
{
    for (unsigned depth = path->depth; depth-- > 0;) {
        struct inner *inner = path->steps[depth].inner;
        if (replacement.removed == 1 && replacement.added_count == 1) {
            inner_set_child(inner, replacement.at, replacement.added[0]);
            return KVS_OK;
        }
        static const struct separator none;
        struct inner_list list;
        list.count = 0;
        inner_list_append(&list, inner, none);
        inner_list_replace(&list, replacement.at, replacement.removed, replacement.added,
                           replacement.added_count, replacement.between);
        old_inner(change, inner);
        if (depth == 0 && list.count == 1 && inner->level > 1) {
            publish_root(change->index, list.children[0]);
            return KVS_OK;
        }
        struct replacement next = { .removed = 1 };
        enum kvs_status status;
        if (depth > 0)
            next.at = path->steps[depth - 1].child;
        if (list.count > INNER_CHILDREN_MAX)
            status = build(change, &list, inner->level, first_of_split(&list, &replacement), &next);
        else if (list.count < INNER_CHILDREN_MIN && depth > 0)
            status =
                combine(change, &list, inner->level, path->steps[depth - 1].inner, next.at, &next);
        else
            status = build(change, &list, inner->level, list.count, &next);
        if (status != KVS_OK)
            return status;
        replacement = next;
    }
    return install_root(change, &replacement);
}

static enum kvs_status finish(struct change *change, const struct path *path,
                              const struct replacement *replacement)
{
    enum kvs_status status = install(change, path, *replacement);
    if (status == KVS_OK)
        change_done(change);
    else
        change_undo(change);
    return status;
}

/* ---- Splitting a leaf ---- */

struct split {
    unsigned first_count; /* slots of the first half */
    struct separator between;
    char near[SEPARATOR_NEAR_MAX];
};

/*
 * Where to split. In the middle; but when the new key follows the one before it at the end of the leaf, or precedes it at
 * its beginning, keys come in order, and a leaf that is left behind full stays so.
 */
static unsigned split_place(const struct order *order)
{
    unsigned count = order->count;
    unsigned newest = order->entry_count - 1u;
    unsigned last_used = newest - 1;
    if (order->places[count - 1] == newest && order->places[count - 2] == last_used)
        return count - EDGE_REST;
    if (order->places[0] == newest && order->places[1] == last_used)
        return EDGE_REST;
    return count / 2;
}

/* The shortest string that separates the two: of @high, one byte more than it has in common with @low. */
static enum kvs_status make_separator(struct change *change, struct kvs_bytes low,
                                      struct kvs_bytes high, struct split *ret)
{
    struct kvs_bytes bytes = { high.data, common_bytes(low, high) + 1 };
    CHECK(bytes.len <= high.len); /* else low is not below high */
    ret->between.far = NULL;
    if (bytes.len > SEPARATOR_NEAR_MAX) {
        change->new_far = far_new(&change->index->memory, bytes);
        if (change->new_far == NULL)
            return fail(KVS_NO_MEMORY, ENOMEM, "index separator of %zu bytes", bytes.len);
        ret->between = (struct separator){ { change->new_far->data, bytes.len }, change->new_far };
    } else {
        memcpy(ret->near, bytes.data, bytes.len);
        ret->between = (struct separator){ { ret->near, bytes.len }, NULL };
    }
    return KVS_OK;
}

static enum kvs_status plan_split(struct change *change, struct order *order, struct split *ret)
{
    enum kvs_status status = order_sort(order);
    if (status != KVS_OK)
        return status;
    if (order->count != order->entry_count)
        return fail(KVS_INVALID, 0, "the index has the key already, or has one key twice");
    ret->first_count = split_place(order);
    struct kvs_bytes low;
    struct kvs_bytes high;
    status = order_key(order, ret->first_count - 1, &low);
    if (status == KVS_OK)
        status = order_key(order, ret->first_count, &high);
    if (status == KVS_OK)
        status = make_separator(change, low, high, ret);
    return status;
}

/* Sorts and plans, waiting for keys only when it must and may. */
static enum kvs_status order_and_plan(struct change *change, struct order *order, bool no_block,
                                      struct split *ret)
{
    epoch_enter();
    enum kvs_status status = plan_split(change, order, ret);
    epoch_leave();
    if (status != KVS_WOULD_BLOCK || no_block)
        return status;
    order_restart(order);
    return plan_split(change, order, ret);
}

static struct leaf *leaf_of(struct change *change, const struct order *order, unsigned first,
                            unsigned end)
{
    struct leaf *leaf = new_leaf(change);
    if (leaf == NULL)
        return NULL;
    uint64_t slots[LEAF_SLOTS];
    for (unsigned i = first; i < end; i++)
        slots[i - first] = order_slot(order, i);
    leaf_fill(leaf, slots, end - first, end - first);
    return leaf;
}

enum kvs_status change_split(struct index *index, const struct path *path, struct kvs_bytes key,
                             uint64_t slot, bool no_block)
{
    struct change change = { .index = index };
    struct split split;
    struct order order;
    uint64_t slots[LEAF_SLOTS];
    unsigned sorted = leaf_copy(path->leaf, slots);
    order_init(&order, &index->owner, &index->memory, path_shared_bytes(path));
    order_take(&order, slots, sorted);
    order_add_key(&order, slot, key);
    enum kvs_status status = order_and_plan(&change, &order, no_block, &split);
    struct replacement replacement = { .removed = 1, .added_count = 2 };
    if (status == KVS_OK) {
        replacement.at = path->steps[path->depth - 1].child;
        replacement.between = split.between;
        replacement.added[0] = leaf_of(&change, &order, 0, split.first_count);
        replacement.added[1] = leaf_of(&change, &order, split.first_count, order.count);
        if (replacement.added[0] == NULL || replacement.added[1] == NULL)
            status = fail(KVS_NO_MEMORY, ENOMEM, "index leaf");
    }
    order_done(&order);
    if (status != KVS_OK) {
        change_undo(&change);
        return status;
    }
    old_leaf(&change, path->leaf);
    return finish(&change, path, &replacement);
}

/* ---- Merging leaves ---- */

static unsigned take_live(const uint64_t slots[LEAF_SLOTS], unsigned first, unsigned end,
                          uint64_t *ret)
{
    unsigned count = 0;
    for (unsigned i = first; i < end; i++) {
        if (slots[i] != 0)
            ret[count++] = slots[i];
    }
    return count;
}

/* All keys of @low come before those of @high, so if @low is sorted, what is sorted of @high goes on. */
static void fill_merged(struct leaf *leaf, const struct leaf *low, const struct leaf *high)
{
    uint64_t low_slots[LEAF_SLOTS];
    uint64_t high_slots[LEAF_SLOTS];
    uint64_t merged[LEAF_SLOTS];
    unsigned low_sorted = leaf_copy(low, low_slots);
    unsigned high_sorted = leaf_copy(high, high_slots);
    unsigned sorted = take_live(low_slots, 0, low_sorted, merged);
    unsigned count = sorted;
    count += take_live(low_slots, low_sorted, LEAF_SLOTS, merged + count);
    if (count == sorted) {
        sorted += take_live(high_slots, 0, high_sorted, merged + count);
        count = sorted;
    } else {
        count += take_live(high_slots, 0, high_sorted, merged + count);
    }
    count += take_live(high_slots, high_sorted, LEAF_SLOTS, merged + count);
    leaf_fill(leaf, merged, count, sorted);
}

/* Whether the two may become one: thin ones, and an empty one with any. */
static bool merge_fits(const struct leaf *a, const struct leaf *b)
{
    return a->live + b->live <= MERGED_LIVE_MAX || a->live == 0 || b->live == 0;
}

void change_merge(struct index *index, const struct path *path)
{
    if (path->leaf->live > MERGE_LIVE)
        return;
    struct inner *parent = path->steps[path->depth - 1].inner;
    unsigned left = path->steps[path->depth - 1].child;
    if (left > 0 && merge_fits(inner_child(parent, left - 1), path->leaf))
        left--;
    else if (left + 1 >= parent->count || !merge_fits(path->leaf, inner_child(parent, left + 1)))
        return;
    struct leaf *low = inner_child(parent, left);
    struct leaf *high = inner_child(parent, left + 1);

    struct change change = { .index = index };
    struct leaf *merged = new_leaf(&change);
    if (merged == NULL)
        return; /* the leaf stays thin until the next removal from it, or from a neighbour */
    fill_merged(merged, low, high);
    old_leaf(&change, low);
    old_leaf(&change, high);
    change.old_far = inner_separator(parent, left).far;
    struct replacement replacement = {
        .at = left, .removed = 2, .added = { merged }, .added_count = 1
    };
    /* For the same reason a failure is none. */
    enum kvs_status status = finish(&change, path, &replacement);
    (void)status;
}

/* ---- The end ---- */

void change_free_tree(struct inner *inner)
{
    for (unsigned i = 0; i < inner->count; i++) {
        if (i > 0)
            far_free(inner_separator(inner, i - 1).far);
        if (inner->level == 1)
            memory_leaf_free(inner_child(inner, i));
        else
            change_free_tree(inner_child(inner, i));
    }
    inner_free(inner);
}
