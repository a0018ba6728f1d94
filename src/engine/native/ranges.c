/*
 * ranges.c - see ranges.h. Sets are immutable once published; items are shared between them and freed with the last.
 */
#include "engine/native/ranges.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/fail.h"

static struct removed_range *item_new(const struct kvs_range *range, uint64_t version)
{
    struct removed_range *item = malloc(sizeof *item + range->start.len + range->end.len);
    if (item == NULL)
        return NULL;
    char *bytes = (char *)(item + 1);
    item->version = version;
    item->range = (struct kvs_range){ .has_end = range->has_end };
    item->range.start = bytes_of(bytes, range->start.len);
    item->range.end = bytes_of(bytes + range->start.len, range->end.len);
    if (range->start.len != 0)
        memcpy(bytes, range->start.data, range->start.len);
    if (range->end.len != 0)
        memcpy(bytes + range->start.len, range->end.data, range->end.len);
    return item;
}

void ranges_init(struct ranges *ranges)
{
    atomic_init(&ranges->set, NULL);
}

void ranges_done(struct ranges *ranges)
{
    struct range_set *set =
        atomic_load_explicit(&ranges->set, memory_order_relaxed); /* closing: nobody else is left */
    for (size_t i = 0; i < range_set_count(set); i++)
        free(set->items[i]);
    free(set);
}

static void set_free(struct epoch_node *node)
{
    free(node); /* node is the set's first member */
}

static void item_free(struct epoch_node *node)
{
    free(node); /* likewise */
}

static void ranges_publish(struct ranges *ranges, struct range_set *set)
{
    struct range_set *old = atomic_load_explicit(
        &ranges->set, memory_order_relaxed); /* changed under the append lock */
    /* release: the set's content. pairs with: ranges_empty, ranges_cover, ranges_meet */
    atomic_store_explicit(&ranges->set, set, memory_order_release);
    if (old != NULL)
        epoch_retire(&old->node, set_free);
}

static struct range_set *set_new(size_t count)
{
    struct range_set *set = malloc(sizeof *set + count * sizeof(struct removed_range *));
    if (set != NULL)
        atomic_init(&set->count, 0);
    return set;
}

enum kvs_status ranges_add(struct ranges *ranges, const struct kvs_range *range, uint64_t version)
{
    struct range_set *old =
        atomic_load_explicit(&ranges->set, memory_order_relaxed); /* under the append lock */
    size_t old_count = range_set_count(old);
    struct range_set *set = set_new(old_count + 1);
    struct removed_range *item = item_new(range, version);
    if (set == NULL || item == NULL) {
        free(set);
        free(item);
        return fail(KVS_NO_MEMORY, 0, "removal of a range");
    }
    if (old_count != 0)
        memcpy(set->items, old->items, old_count * sizeof(struct removed_range *));
    atomic_init(&set->count, old_count + 1);
    /* in version order also when recovery adds them in any */
    size_t at = old_count;
    while (at > 0 && set->items[at - 1]->version > version) {
        set->items[at] = set->items[at - 1];
        at--;
    }
    set->items[at] = item;
    ranges_publish(ranges, set);
    return KVS_OK;
}

bool ranges_remove(struct ranges *ranges, uint64_t version)
{
    struct range_set *old =
        atomic_load_explicit(&ranges->set, memory_order_relaxed); /* under the append lock */
    size_t old_count = range_set_count(old);
    size_t gone = 0;
    for (size_t i = 0; i < old_count; i++)
        gone += old->items[i]->version == version;
    if (gone == 0)
        return true;
    struct range_set *set = NULL;
    if (gone < old_count) {
        set = set_new(old_count - gone);
        if (set == NULL)
            return false;
        size_t count = 0;
        for (size_t i = 0; i < old_count; i++) {
            if (old->items[i]->version != version)
                set->items[count++] = old->items[i];
        }
        atomic_init(&set->count, count);
    }
    epoch_enter(); /* the old set is looked at after it was retired */
    ranges_publish(ranges, set);
    for (size_t i = 0; i < old_count; i++) {
        if (old->items[i]->version == version)
            epoch_retire(&old->items[i]->node, item_free);
    }
    epoch_leave();
    return true;
}

void ranges_undo(struct ranges *ranges, uint64_t version)
{
    struct range_set *set =
        atomic_load_explicit(&ranges->set, memory_order_relaxed); /* under the append lock */
    size_t count = range_set_count(set);
    size_t kept = count;
    while (kept > 0 && set->items[kept - 1]->version == version)
        kept--;
    if (kept == count)
        return;
    /* relaxed: see range_set_count() */
    atomic_store_explicit(&set->count, kept, memory_order_relaxed);
    for (size_t i = kept; i < count; i++)
        epoch_retire(&set->items[i]->node, item_free);
    if (kept == 0)
        ranges_publish(ranges, NULL);
}

bool range_has(const struct kvs_range *range, struct kvs_bytes key)
{
    return bytes_compare(range->start, key) <= 0 &&
           (!range->has_end || bytes_compare(key, range->end) < 0);
}

uint64_t ranges_cover(struct ranges *ranges, struct kvs_bytes key, uint64_t version, uint64_t at)
{
    /* acquire: the set's content. pairs with: ranges_publish */
    struct range_set *set = atomic_load_explicit(&ranges->set, memory_order_acquire);
    if (set == NULL)
        return 0;
    for (size_t i = range_set_count(set); i-- > 0;) {
        const struct removed_range *item = set->items[i];
        if (item->version <= version)
            break;
        if (item->version <= at && range_has(&item->range, key))
            return item->version;
    }
    return 0;
}

uint64_t ranges_first_cover(struct ranges *ranges, struct kvs_bytes key, uint64_t version)
{
    /* acquire: as above. pairs with: ranges_publish */
    struct range_set *set = atomic_load_explicit(&ranges->set, memory_order_acquire);
    for (size_t i = 0; i < range_set_count(set); i++) {
        if (set->items[i]->version > version && range_has(&set->items[i]->range, key))
            return set->items[i]->version;
    }
    return 0;
}

uint64_t ranges_meet(struct ranges *ranges, const struct kvs_range *range, uint64_t version)
{
    /* acquire: as above. pairs with: ranges_publish */
    struct range_set *set = atomic_load_explicit(&ranges->set, memory_order_acquire);
    if (set == NULL)
        return 0;
    for (size_t i = range_set_count(set); i-- > 0;) {
        const struct removed_range *item = set->items[i];
        if (item->version <= version)
            break;
        if ((!range->has_end || bytes_compare(item->range.start, range->end) < 0) &&
            (!item->range.has_end || bytes_compare(range->start, item->range.end) < 0))
            return item->version;
    }
    return 0;
}
