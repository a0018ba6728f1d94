/*
 * verify.c - walks the whole tree and checks what the other files rely on.
 *
 * Levels and numbers of children; separators ascending, as short as their place says, with the prefix and the heads that belong
 * to them; in leaves the figures, the tags, the order of the sorted prefix, and every key between the borders of its leaf,
 * once; over all, the figures, and no locator twice.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "index/order.h"
#include "index/tree.h"

struct walk {
    struct index *index;
    uint64_t slots;
    uint64_t leaves;
    uint64_t inners;
    uint64_t *locators; /* of all slots */
};

/* The borders of what a node holds; NULL: none on that side. */
struct borders {
    const struct kvs_bytes *low;
    const struct kvs_bytes *high;
};

static enum kvs_status broken(const struct walk *walk, const char *what)
{
    return fail(KVS_CORRUPT, 0, "index: %s (leaf %" PRIu64 ", inner node %" PRIu64 ")", what,
                walk->leaves, walk->inners);
}

static bool inside(struct borders borders, struct kvs_bytes key)
{
    return (borders.low == NULL || bytes_compare(*borders.low, key) <= 0) &&
           (borders.high == NULL || bytes_compare(key, *borders.high) < 0);
}

/* Keys are compared with those of the sorted order; the part that claims to be sorted is looked at by itself. */
static enum kvs_status verify_keys(struct walk *walk, struct order *order, struct borders borders)
{
    for (unsigned i = 0; i < order->sorted_count; i++)
        order->places[i] = (uint8_t)i;
    order->count = order->sorted_count;
    struct kvs_bytes before = { NULL, 0 };
    for (unsigned i = 0; i < order->sorted_count; i++) {
        struct kvs_bytes key;
        enum kvs_status status = order_key(order, i, &key);
        if (status != KVS_OK)
            return status;
        if (i > 0 && bytes_compare(before, key) >= 0)
            return broken(walk, "the sorted part of a leaf is not");
        before = key;
    }
    enum kvs_status status = order_sort(order);
    if (status != KVS_OK)
        return status;
    if (order->count != order->entry_count)
        return broken(walk, "a key has two slots");
    for (unsigned i = 0; i < order->count; i++) {
        struct kvs_bytes key;
        status = order_key(order, i, &key);
        if (status != KVS_OK)
            return status;
        if (!inside(borders, key))
            return broken(walk, "a key lies outside of its leaf's borders");
        if (slot_tag(order_slot(order, i)) != tag_of(key, walk->index->owner.seed))
            return broken(walk, "a slot's tag is not its key's");
    }
    return KVS_OK;
}

static enum kvs_status verify_leaf(struct walk *walk, const struct leaf *leaf,
                                   struct borders borders)
{
    uint64_t slots[LEAF_SLOTS];
    unsigned sorted = leaf_copy(leaf, slots);
    unsigned live = 0;
    for (unsigned i = 0; i < LEAF_SLOTS; i++) {
        if (slots[i] == 0)
            continue;
        live++;
        if (i >= leaf->used)
            return broken(walk, "a slot is filled that was never used");
        if (slot_locator(slots[i]) == 0 || slot_tag(slots[i]) == 0)
            return broken(walk, "a slot has no locator or no tag");
        if (walk->locators != NULL)
            walk->locators[walk->slots] = slot_locator(slots[i]);
        walk->slots++;
    }
    if (live != leaf->live || sorted > leaf->used || leaf->used > LEAF_SLOTS)
        return broken(walk, "a leaf's figures are wrong");
    if (walk->locators == NULL)
        return KVS_OK; /* counting */
    struct order order;
    order_init(&order, &walk->index->owner, &walk->index->memory, 0);
    order.patient = true;
    order_take(&order, slots, sorted);
    enum kvs_status status = verify_keys(walk, &order, borders);
    order_done(&order);
    walk->leaves++;
    return status;
}

static enum kvs_status verify_separators(struct walk *walk, const struct inner *inner,
                                         struct borders borders)
{
    struct kvs_bytes before = { NULL, 0 };
    for (unsigned i = 0; i + 1 < inner->count; i++) {
        struct separator separator = inner_separator(inner, i);
        struct kvs_bytes bytes = separator.bytes;
        if ((separator.far != NULL) != (bytes.len > SEPARATOR_NEAR_MAX) ||
            (separator.far != NULL && separator.far->len != bytes.len))
            return broken(walk, "a separator is not where it belongs");
        if (!inside(borders, bytes))
            return broken(walk, "a separator lies outside of its node's borders");
        if (i > 0 && bytes_compare(before, bytes) >= 0)
            return broken(walk, "separators do not ascend");
        if (!bytes_starts_with(bytes, bytes_of(inner->prefix, inner->prefix_bytes)))
            return broken(walk, "a separator lacks its node's prefix");
        struct kvs_bytes rest = bytes_from(bytes, inner->prefix_bytes);
        if (inner->words[i] != head_of(rest.data, rest.len))
            return broken(walk, "a head is not its separator's");
        before = bytes;
    }
    return KVS_OK;
}

static enum kvs_status verify_inner(struct walk *walk, struct inner *inner, unsigned level,
                                    struct borders borders)
{
    bool is_root = inner == index_root(walk->index);
    if (inner->level != level)
        return broken(walk, "a node has the wrong level");
    if (inner->count > INNER_CHILDREN_MAX || inner->count < (!is_root     ? INNER_CHILDREN_MIN
                                                             : level == 1 ? 1
                                                                          : 2))
        return broken(walk, "a node has too many or too few children");
    enum kvs_status status = verify_separators(walk, inner, borders);
    for (unsigned i = 0; status == KVS_OK && i < inner->count; i++) {
        struct kvs_bytes low;
        struct kvs_bytes high;
        struct borders child = borders;
        if (i > 0) {
            low = inner_separator(inner, i - 1).bytes;
            child.low = &low;
        }
        if (i + 1u < inner->count) {
            high = inner_separator(inner, i).bytes;
            child.high = &high;
        }
        if (level == 1)
            status = verify_leaf(walk, inner_child(inner, i), child);
        else
            status = verify_inner(walk, inner_child(inner, i), level - 1, child);
    }
    walk->inners++;
    return status;
}

static int compare_locators(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a;
    uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static enum kvs_status verify_whole(struct walk *walk)
{
    struct index_stats stats;
    index_stats(walk->index, &stats);
    if (walk->slots != stats.slots || walk->leaves != stats.leaves ||
        walk->inners != stats.inner_nodes)
        return broken(walk, "the figures are wrong");
    qsort(walk->locators, walk->slots, sizeof *walk->locators, compare_locators);
    for (uint64_t i = 1; i < walk->slots; i++) {
        if (walk->locators[i - 1] == walk->locators[i])
            return broken(walk, "a locator is in two slots");
    }
    return KVS_OK;
}

enum kvs_status index_verify(struct index *index)
{
    struct inner *root = index_root(index);
    static const struct borders none;
    struct walk count = { .index = index };
    enum kvs_status status = verify_inner(&count, root, root->level, none);
    if (status != KVS_OK)
        return status;
    struct walk walk = { .index = index };
    walk.locators = calloc(count.slots + 1, sizeof *walk.locators);
    if (walk.locators == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "verifying an index of %" PRIu64 " slots", count.slots);
    status = verify_inner(&walk, root, root->level, none);
    if (status == KVS_OK)
        status = verify_whole(&walk);
    free(walk.locators);
    return status;
}
