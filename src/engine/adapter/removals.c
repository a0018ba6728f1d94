/*
 * removals.c - a list of removals, ascending by version. Removals are few while snapshots are open, and conditions ask about
 * the newest: a walk from the end.
 */
#include "engine/adapter/removals.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

static void removal_free(struct removal *removal)
{
    free((void *)(uintptr_t)removal->start.data);
}

static bool removal_make(struct removal *removal, uint64_t version, const struct kvs_range *range,
                         bool is_range)
{
    size_t end_len = is_range && range->has_end ? range->end.len : 0;
    unsigned char *block = malloc(range->start.len + end_len + 1);
    if (block == NULL)
        return false;
    if (range->start.len != 0)
        memcpy(block, range->start.data, range->start.len);
    if (end_len != 0)
        memcpy(block + range->start.len, range->end.data, end_len);
    *removal = (struct removal){
        .version = version,
        .start = { block, range->start.len },
        .end = { block + range->start.len, end_len },
        .has_end = is_range && range->has_end,
        .range = is_range,
    };
    return true;
}

static bool room_for(struct removal **list, size_t *capacity, size_t count)
{
    if (count <= *capacity)
        return true;
    size_t grown = *capacity < 16 ? 16 : *capacity * 2;
    while (grown < count)
        grown *= 2;
    struct removal *bigger = reallocarray(*list, grown, sizeof **list);
    if (bigger == NULL)
        return false;
    *list = bigger;
    *capacity = grown;
    return true;
}

void removals_note_forgotten(struct removals_fresh *fresh, uint64_t version)
{
    if (version > fresh->forgotten)
        fresh->forgotten = version;
}

void removals_note(struct removals_fresh *fresh, uint64_t version, const struct kvs_range *range,
                   bool is_range)
{
    struct removal removal;
    size_t bytes = range->start.len + (is_range && range->has_end ? range->end.len : 0);
    if (fresh->count >= REMOVALS_MAX || bytes > REMOVALS_BYTES_MAX - fresh->bytes ||
        !room_for(&fresh->list, &fresh->capacity, fresh->count + 1) ||
        !removal_make(&removal, version, range, is_range)) {
        removals_note_forgotten(fresh, version);
        return;
    }
    fresh->list[fresh->count++] = removal;
    fresh->bytes += bytes;
}

void removals_cut(struct removals_fresh *fresh, size_t count, uint64_t forgotten)
{
    while (fresh->count > count) {
        struct removal *removal = &fresh->list[--fresh->count];
        fresh->bytes -= removal->start.len + removal->end.len;
        removal_free(removal);
    }
    fresh->forgotten = forgotten;
}

static void forget(struct removals *removals, uint64_t version)
{
    if (version > removals->forgotten)
        removals->forgotten = version;
}

static void drop_first(struct removals *removals)
{
    struct removal *removal = &removals->list[removals->first++];
    forget(removals, removal->version);
    removals->bytes -= removal->start.len + removal->end.len;
    removal_free(removal);
}

/* Moves the list to the front of its memory. */
static void settle(struct removals *removals)
{
    size_t held = removals->count - removals->first;
    if (removals->first == 0)
        return;
    memmove(removals->list, removals->list + removals->first, held * sizeof *removals->list);
    removals->first = 0;
    removals->count = held;
}

void removals_add(struct removals *removals, struct removals_fresh *fresh, bool keep)
{
    forget(removals, fresh->forgotten);
    if (removals->first > 1024)
        settle(removals);
    for (size_t i = 0; i < fresh->count; i++) {
        struct removal *removal = &fresh->list[i];
        size_t bytes = removal->start.len + removal->end.len;
        while (keep && removals->first < removals->count &&
               (removals->count - removals->first >= REMOVALS_MAX ||
                removals->bytes + bytes > REMOVALS_BYTES_MAX))
            drop_first(removals);
        if (!keep || !room_for(&removals->list, &removals->capacity, removals->count + 1)) {
            forget(removals, removal->version);
            removal_free(removal);
            continue;
        }
        removals->list[removals->count++] = *removal;
        removals->bytes += bytes;
    }
    fresh->count = 0;
    fresh->bytes = 0;
    fresh->forgotten = 0;
}

void removals_prune(struct removals *removals, uint64_t oldest)
{
    while (removals->first < removals->count && removals->list[removals->first].version <= oldest)
        drop_first(removals);
    if (removals->first == removals->count)
        removals->first = removals->count = 0;
}

static bool overlaps(const struct removal *removal, const struct kvs_range *range, bool is_range)
{
    /* Ends are exclusive, except that a single key is its own end. */
    bool starts_after = removal->range
                            ? removal->has_end && bytes_compare(removal->end, range->start) <= 0
                            : bytes_compare(removal->start, range->start) < 0;
    bool ends_before;
    if (!is_range)
        ends_before = bytes_compare(range->start, removal->start) < 0;
    else
        ends_before = range->has_end && bytes_compare(range->end, removal->start) <= 0;
    return !starts_after && !ends_before;
}

static bool list_hit(const struct removal *list, size_t first, size_t count,
                     const struct kvs_range *range, bool is_range, uint64_t version)
{
    for (size_t i = count; i > first && list[i - 1].version > version; i--)
        if (overlaps(&list[i - 1], range, is_range))
            return true;
    return false;
}

bool removals_hit(const struct removals *removals, const struct kvs_range *range, bool is_range,
                  uint64_t version)
{
    return version < removals->forgotten ||
           list_hit(removals->list, removals->first, removals->count, range, is_range, version);
}

bool removals_fresh_hit(const struct removals_fresh *fresh, const struct kvs_range *range,
                        bool is_range, uint64_t version)
{
    return version < fresh->forgotten ||
           list_hit(fresh->list, 0, fresh->count, range, is_range, version);
}

void removals_done(struct removals *removals)
{
    while (removals->first < removals->count)
        drop_first(removals);
    free(removals->list);
}

void removals_fresh_done(struct removals_fresh *fresh)
{
    removals_cut(fresh, 0, 0);
    free(fresh->list);
}
