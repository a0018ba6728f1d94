/*
 * order.c - sorting the slots of a leaf by keys that have to be asked for.
 */
#include "index/order.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/fail.h"
#include "index/inner.h"

enum {
    SEARCH_STEPS = 4 /* of a search in half a leaf */
};

void order_init(struct order *order, const struct index_owner *owner, struct memory *memory,
                size_t shared_bytes)
{
    order->owner = owner;
    order->memory = memory;
    order->shared_bytes = shared_bytes;
    order->patient = false;
    order->entry_count = 0;
    order->sorted_count = 0;
    order->count = 0;
    order->missing = 0;
    buf_init(&order->scratch, INDEX_SCRATCH_MAX);
}

static void forget_keys(struct order *order)
{
    for (unsigned i = 0; i < order->entry_count; i++) {
        struct order_entry *entry = &order->entries[i];
        if (entry->copy != NULL)
            memory_free(order->memory, entry->copy, entry->key.len);
        entry->copy = NULL;
        entry->loaded = entry->given;
    }
}

void order_done(struct order *order)
{
    forget_keys(order);
    buf_done(&order->scratch);
}

void order_restart(struct order *order)
{
    forget_keys(order);
    order->patient = true;
}

void order_take(struct order *order, const uint64_t slots[LEAF_SLOTS], unsigned sorted)
{
    ASSERT(order->entry_count == 0);
    for (unsigned i = 0; i < LEAF_SLOTS; i++) {
        if (slots[i] == 0)
            continue;
        struct order_entry *entry = &order->entries[order->entry_count++];
        entry->slot = slots[i];
        entry->copy = NULL;
        entry->loaded = false;
        entry->given = false;
        if (i < sorted)
            order->sorted_count = order->entry_count;
    }
}

static void set_key(struct order *order, struct order_entry *entry, struct kvs_bytes key)
{
    struct kvs_bytes rest = bytes_from(key, order->shared_bytes);
    entry->key = key;
    entry->head = head_of(rest.data, rest.len);
    entry->loaded = true;
}

void order_add_key(struct order *order, uint64_t slot, struct kvs_bytes key)
{
    struct order_entry *entry = &order->entries[order->entry_count++];
    entry->slot = slot;
    entry->copy = NULL;
    entry->given = true;
    set_key(order, entry, key);
}

/* Whether the key lies where the next one will be loaded to. */
static bool in_scratch(const struct order *order, struct kvs_bytes key)
{
    uintptr_t at = (uintptr_t)key.data;
    uintptr_t start = (uintptr_t)order->scratch.data;
    return at >= start && at - start < order->scratch.capacity;
}

static enum kvs_status load(struct order *order, struct order_entry *entry)
{
    if (entry->loaded)
        return KVS_OK;
    struct kvs_bytes key;
    uint64_t locator = slot_locator(entry->slot);
    enum kvs_status status =
        order->owner->load_key(order->owner->ctx, locator, !order->patient, &order->scratch, &key);
    /* The locator may mean another record since the slot was copied. */
    if (status == KVS_OK && tag_of(key, order->owner->seed) != slot_tag(entry->slot))
        status = KVS_NOT_FOUND;
    if (status == KVS_NOT_FOUND)
        order->missing = locator;
    if (status != KVS_OK)
        return status;
    if (key.len > 0 && (order->patient || in_scratch(order, key))) {
        char *copy = memory_alloc(order->memory, key.len);
        if (copy == NULL)
            return fail(KVS_NO_MEMORY, ENOMEM, "key of %zu bytes", key.len);
        memcpy(copy, key.data, key.len);
        key.data = copy;
        entry->copy = copy;
    }
    set_key(order, entry, key);
    return KVS_OK;
}

static int compare(const struct order *order, const struct order_entry *a,
                   const struct order_entry *b)
{
    if (a->head != b->head)
        return a->head < b->head ? -1 : 1;
    return bytes_compare(bytes_from(a->key, order->shared_bytes),
                         bytes_from(b->key, order->shared_bytes));
}

/*
 * The first of places[low..high) whose key is not below that of @entry; *ret_equal: it is the same key.
 */
static enum kvs_status search(struct order *order, const struct order_entry *entry, unsigned low,
                              unsigned high, unsigned *ret, bool *ret_equal)
{
    *ret_equal = false;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        struct order_entry *other = &order->entries[order->places[middle]];
        enum kvs_status status = load(order, other);
        if (status != KVS_OK)
            return status;
        int at = compare(order, other, entry);
        if (at == 0) {
            *ret = middle;
            *ret_equal = true;
            return KVS_OK;
        }
        if (at < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret = low;
    return KVS_OK;
}

/* Sorts the entries behind the sorted ones into @ret: insertion, as they are few and shift cheaply. */
static enum kvs_status sort_rest(struct order *order, uint8_t ret[ORDER_MAX], unsigned *ret_count)
{
    unsigned count = 0;
    for (unsigned i = order->sorted_count; i < order->entry_count; i++) {
        struct order_entry *entry = &order->entries[i];
        enum kvs_status status = load(order, entry);
        if (status != KVS_OK)
            return status;
        unsigned at = count;
        int above = -1;
        while (at > 0 && (above = compare(order, entry, &order->entries[ret[at - 1]])) < 0)
            at--;
        if (at > 0 && above == 0) {
            ret[at - 1] = (uint8_t)i; /* the later one */
            continue;
        }
        memmove(&ret[at + 1], &ret[at], count - at);
        ret[at] = (uint8_t)i;
        count++;
    }
    *ret_count = count;
    return KVS_OK;
}

static void prefetch(const struct order *order, unsigned first)
{
    if (order->owner->prefetch_key == NULL || order->patient)
        return;
    for (unsigned i = first; i < order->entry_count; i++) {
        if (!order->entries[i].loaded)
            order->owner->prefetch_key(order->owner->ctx, slot_locator(order->entries[i].slot));
    }
}

/*
 * Sorts all entries by their heads, if these tell them apart; false: they do not, or a key cannot be loaded now. The place of an entry
 * is the number of heads below its own: all pairs are compared, without a jump that could be guessed wrongly.
 */
static bool sort_by_heads(struct order *order)
{
    uint64_t heads[ORDER_MAX];
    uint8_t ranks[ORDER_MAX];
    unsigned count = order->entry_count;
    for (unsigned i = 0; i < count; i++) {
        if (load(order, &order->entries[i]) != KVS_OK)
            return false;
        heads[i] = order->entries[i].head;
    }
    for (unsigned i = 0; i < count; i++) {
        uint64_t head = heads[i];
        unsigned rank = 0;
        for (unsigned j = 0; j < i; j++) {
            unsigned below = heads[j] < head;
            rank += below;
            ranks[j] = (uint8_t)(ranks[j] + 1 - below);
        }
        ranks[i] = (uint8_t)rank;
    }
    for (unsigned i = 0; i < count; i++)
        order->places[ranks[i]] = (uint8_t)i;
    for (unsigned i = 1; i < count; i++) {
        if (heads[order->places[i - 1]] == heads[order->places[i]])
            return false;
    }
    order->count = count;
    return true;
}

enum kvs_status order_sort(struct order *order)
{
    uint8_t rest[ORDER_MAX];
    unsigned rest_count = order->entry_count - order->sorted_count;
    /* Finding the places of so many looks at nearly all of the sorted ones, one after the other. */
    bool all = rest_count * SEARCH_STEPS >= order->sorted_count && rest_count > 1;
    prefetch(order, all ? 0 : order->sorted_count);
    if (all && sort_by_heads(order))
        return KVS_OK;
    enum kvs_status status = sort_rest(order, rest, &rest_count);
    if (status != KVS_OK)
        return status;
    order->count = order->sorted_count;
    for (unsigned i = 0; i < order->sorted_count; i++)
        order->places[i] = (uint8_t)i;

    unsigned low = 0; /* what is behind the place of one is behind that of all earlier ones */
    for (unsigned i = 0; i < rest_count; i++) {
        bool equal;
        status = search(order, &order->entries[rest[i]], low, order->count, &low, &equal);
        if (status != KVS_OK)
            return status;
        if (!equal) {
            memmove(&order->places[low + 1], &order->places[low], order->count - low);
            order->count++;
        }
        order->places[low] = rest[i]; /* equal: the later one counts */
        low++;
    }
    return KVS_OK;
}

uint64_t order_slot(const struct order *order, unsigned place)
{
    ASSERT(place < order->count);
    return order->entries[order->places[place]].slot;
}

enum kvs_status order_key(struct order *order, unsigned place, struct kvs_bytes *ret)
{
    ASSERT(place < order->count);
    struct order_entry *entry = &order->entries[order->places[place]];
    enum kvs_status status = load(order, entry);
    if (status == KVS_OK)
        *ret = entry->key;
    return status;
}

enum kvs_status order_count_below(struct order *order, struct kvs_bytes key, bool after,
                                  unsigned *ret)
{
    unsigned low = 0;
    unsigned high = order->count;
    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        struct kvs_bytes other;
        enum kvs_status status = order_key(order, middle, &other);
        if (status != KVS_OK)
            return status;
        int at = bytes_compare(other, key);
        if (at < 0 || (at == 0 && after))
            low = middle + 1;
        else
            high = middle;
    }
    *ret = low;
    return KVS_OK;
}
