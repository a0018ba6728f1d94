/*
 * scan.c - slots in key order, leaf by leaf.
 *
 * A leaf is found by a key: where the caller starts, then the border of the leaf before. Its slots are copied inside a
 * section, sorted there if all keys at hand are in memory, else outside, and what lies beyond the place to start is cut off.
 * No address is kept from one section to the next, so splits and merges between them do not matter: the next leaf is the one
 * that holds the border then.
 *
 * Why no key is missed or returned twice. The copy of a leaf has every key between its borders that was in the index for
 * as long as it took (index.c), each once (order.c takes the later of two slots of one key), and none from beyond its
 * borders. The next leaf is searched by this leaf's border and cut there, so the parts taken from the leaves lie side by side.
 *
 * A record that has moved since its slot was copied (KVS_NOT_FOUND) sends us back to the leaf. As it moved, the slot
 * has changed; an owner who forever denies a locator that is still in the index is in error, and is told so.
 */
#include <inttypes.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/fail.h"
#include "index/order.h"
#include "index/tree.h"

enum {
    RETRIES_MAX = 1000 /* of one leaf */
};

/* Where a scan is. */
struct scanner {
    struct index *index;
    struct kvs_bytes from; /* in what the caller gave, or in borders[!next] */
    bool unbounded;
    bool exclusive;
    bool reverse;
    bool no_block;
    struct buf borders[2]; /* where the leaf before ended, and where this one ends */
    unsigned next;         /* the second of them */
    bool at_end;           /* nothing lies behind this leaf */
    bool cut;              /* this leaf may have keys on the wrong side of `from` */
    uint64_t *locators;
    size_t count;
    size_t max;
};

static void find_leaf(struct scanner *scanner, struct path *ret)
{
    enum path_target target = PATH_AT;
    if (scanner->unbounded)
        target = scanner->reverse ? PATH_LAST : PATH_FIRST;
    else if (scanner->reverse && scanner->exclusive)
        target = PATH_BELOW;
    path_find(scanner->index, scanner->from, target, ret);
    leaf_prefetch(ret->leaf);
    /* The next one as well, if it has the same parent. */
    struct inner *parent = ret->steps[ret->depth - 1].inner;
    unsigned child = ret->steps[ret->depth - 1].child;
    if (!scanner->reverse && child + 1 < parent->count)
        leaf_prefetch(inner_child(parent, child + 1));
    else if (scanner->reverse && child > 0)
        leaf_prefetch(inner_child(parent, child - 1));
}

/* Whether keys of a leaf with these borders may lie on the wrong side of where to start. */
static bool needs_cut(const struct scanner *scanner, const struct path *path)
{
    struct kvs_bytes border;
    if (scanner->unbounded)
        return false;
    if (scanner->reverse)
        return !path_high(path, &border) || bytes_compare(border, scanner->from) > 0;
    return scanner->exclusive || !path_low(path, &border) ||
           bytes_compare(border, scanner->from) < 0;
}

/* Keeps where the leaf ends. */
static enum kvs_status keep_border(struct scanner *scanner, const struct path *path)
{
    struct buf *keep = &scanner->borders[scanner->next];
    struct kvs_bytes border;
    scanner->at_end = scanner->reverse ? !path_low(path, &border) : !path_high(path, &border);
    buf_truncate(keep, 0);
    if (!scanner->at_end)
        buf_append_bytes(keep, border);
    return keep->failed;
}

/* The part of the leaf that belongs to the scan goes to the result. Nothing has when it does not answer KVS_OK. */
static enum kvs_status emit(struct scanner *scanner, struct order *order)
{
    enum kvs_status status = order_sort(order);
    if (status != KVS_OK)
        return status;
    unsigned first = 0;
    unsigned end = order->count;
    if (scanner->cut) {
        unsigned below;
        bool after = scanner->exclusive != scanner->reverse;
        status = order_count_below(order, scanner->from, after, &below);
        if (status != KVS_OK)
            return status;
        if (scanner->reverse)
            end = below;
        else
            first = below;
    }
    for (unsigned i = first; i < end; i++) {
        unsigned place = scanner->reverse ? end - 1 - (i - first) : i;
        scanner->locators[scanner->count++] = slot_locator(order_slot(order, place));
    }
    return KVS_OK;
}

/* Reads one leaf. *ret_full: it has more than there is room for, and nothing was read. KVS_NOT_FOUND: read it again. */
static enum kvs_status read_leaf(struct scanner *scanner, uint64_t *ret_missing, bool *ret_full)
{
    struct order order;
    struct path path;
    uint64_t slots[LEAF_SLOTS];
    epoch_enter();
    find_leaf(scanner, &path);
    unsigned sorted = leaf_copy(path.leaf, slots);
    order_init(&order, &scanner->index->owner, &scanner->index->memory, path_shared_bytes(&path));
    order_take(&order, slots, sorted);
    scanner->cut = needs_cut(scanner, &path);
    *ret_full = order.entry_count > scanner->max - scanner->count;
    enum kvs_status status = *ret_full ? KVS_OK : keep_border(scanner, &path);
    if (status == KVS_OK && !*ret_full)
        status = emit(scanner, &order);
    epoch_leave();
    if (status == KVS_WOULD_BLOCK && !scanner->no_block) {
        order_restart(&order);
        status = emit(scanner, &order);
    }
    *ret_missing = order.missing;
    order_done(&order);
    return status;
}

/* The same until no record moves under it. */
static enum kvs_status read_leaf_again(struct scanner *scanner, bool *ret_full)
{
    uint64_t missing_before = 0;
    unsigned same = 0;
    for (;;) {
        uint64_t missing;
        enum kvs_status status = read_leaf(scanner, &missing, ret_full);
        if (status != KVS_NOT_FOUND)
            return status;
        same = missing == missing_before ? same + 1 : 0;
        missing_before = missing;
        if (same == RETRIES_MAX)
            return fail(KVS_CORRUPT, 0, "the index leads to no record at locator %#" PRIx64,
                        missing);
    }
}

enum kvs_status index_scan(struct index *index, const struct index_scan *scan,
                           uint64_t *ret_locators, size_t max, size_t *ret_count)
{
    CHECK(max >= INDEX_SCAN_MIN);
    struct scanner scanner = { .index = index,
                               .from = scan->from,
                               .unbounded = scan->unbounded,
                               .exclusive = scan->exclusive,
                               .reverse = scan->reverse,
                               .no_block = scan->no_block,
                               .locators = ret_locators,
                               .max = max };
    buf_init(&scanner.borders[0], SIZE_MAX / 2); /* keys are as long as the owner lets them be */
    buf_init(&scanner.borders[1], SIZE_MAX / 2);
    enum kvs_status status = KVS_OK;
    bool full = false;
    size_t enough = scan->enough == 0 ? SIZE_MAX : scan->enough;
    while (status == KVS_OK && !full && !scanner.at_end && scanner.count < enough) {
        status = read_leaf_again(&scanner, &full);
        scanner.from = buf_bytes(&scanner.borders[scanner.next]);
        scanner.next = !scanner.next;
        scanner.unbounded = false;
        scanner.exclusive = scanner.reverse;
    }
    /* What is needed later may be in the way now: what was found before is an answer too. */
    if (status == KVS_WOULD_BLOCK && scanner.count > 0)
        status = KVS_OK;
    buf_done(&scanner.borders[0]);
    buf_done(&scanner.borders[1]);
    if (status == KVS_OK)
        *ret_count = scanner.count;
    return status;
}
