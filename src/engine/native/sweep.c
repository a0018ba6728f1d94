/*
 * sweep.c - taking slots out of the index that nobody needs any more: of tombstones, and of keys in a removed range.
 *
 * A tombstone's slot may go when the tombstone is durable (so absence needs no waiting for) and no snapshot is older than it (so
 * nobody needs it as the way to the version table). The tombstone record stays in the log until compaction finds that nothing older
 * is left there.
 *
 * slots_dropped is counted up before a slot goes: whoever misses the slot sees the count, see multi_once() in read.c.
 */
#include <stdlib.h>

#include "base/fail.h"
#include "concurrent/epoch.h"
#include "engine/native/state.h"

enum {
    SCRATCH_BYTES = 2 * LOG_INLINE_VALUE_MAX /* what is read is rounded up to the size class */,
    FIRST_RING = 256,
    IDLE_RING_MAX = 4096 /* kept while it is empty */
};

void tombs_push(struct native *native, uint64_t version, uint64_t locator)
{
    struct tombs *tombs = &native->tombs;
    mutex_lock(&tombs->mu);
    if (tombs->count == tombs->capacity) {
        size_t capacity = tombs->capacity == 0 ? FIRST_RING : tombs->capacity * 2;
        struct tomb *ring = malloc(capacity * sizeof *ring);
        if (ring == NULL) {
            mutex_unlock(&tombs->mu);
            return; /* the slot stays until the store is opened again: memory, not an error */
        }
        for (size_t i = 0; i < tombs->count; i++)
            ring[i] = tombs->ring[(tombs->head + i) & (tombs->capacity - 1)];
        free(tombs->ring);
        tombs->ring = ring;
        tombs->head = 0;
        tombs->capacity = capacity;
    }
    tombs->ring[(tombs->head + tombs->count++) & (tombs->capacity - 1)] =
        (struct tomb){ .version = version, .locator = locator };
    mutex_unlock(&tombs->mu);
}

/* What is at or below this may be forgotten. Under the append lock, so that no snapshot opens meanwhile. */
static uint64_t forgettable(struct native *native)
{
    uint64_t durable = log_durable(native->log);
    uint64_t visible =
        atomic_load_explicit(&native->visible, memory_order_relaxed); /* under the append lock */
    uint64_t oldest =
        atomic_load_explicit(&native->versions.oldest_version, memory_order_relaxed); /* likewise */
    uint64_t limit = durable < visible ? durable : visible;
    return limit < oldest ? limit : oldest;
}

static bool tombs_pop(struct native *native, uint64_t limit, struct tomb *ret)
{
    struct tombs *tombs = &native->tombs;
    mutex_lock(&tombs->mu);
    bool popped = tombs->count != 0 && tombs->ring[tombs->head].version <= limit;
    if (popped) {
        *ret = tombs->ring[tombs->head];
        tombs->head = (tombs->head + 1) & (tombs->capacity - 1);
        tombs->count--;
        if (tombs->count == 0 && tombs->capacity > IDLE_RING_MAX) {
            free(tombs->ring);
            tombs->ring = NULL;
            tombs->capacity = 0;
            tombs->head = 0;
        }
    }
    mutex_unlock(&tombs->mu);
    return popped;
}

static void drop_slot(struct native *native, struct kvs_bytes key, uint64_t locator)
{
    /* release: before the slot goes. pairs with: multi_once */
    atomic_fetch_add_explicit(&native->slots_dropped, 1, memory_order_release);
    if (index_remove(native->index, key, locator) == KVS_OK) /* else the key was set again */
        log_account_idle(native->log, locator);
}

void sweep_tombs(struct native *native)
{
    struct buf scratch;
    buf_init(&scratch, SCRATCH_BYTES);
    while (!background_stopping(native)) {
        log_lock(native->log);
        uint64_t limit = forgettable(native);
        log_unlock(native->log);
        struct tomb tomb;
        if (!tombs_pop(native, limit, &tomb))
            break;
        struct log_record record;
        if (native_fetch(native, tomb.locator, false, &scratch, &record) != KVS_OK)
            continue; /* compaction has moved it, and remembers it anew */
        /* The locator may be so old that its segment's slot has a new tenant. */
        if (record.kind != LOG_REMOVE || record.version != tomb.version)
            continue;
        log_lock(native->log);
        if (tomb.version <= forgettable(native))
            drop_slot(native, record.key, tomb.locator);
        else
            tombs_push(native, tomb.version, tomb.locator);
        log_unlock(native->log);
    }
    buf_done(&scratch);
}

/* Drops the slot at @locator when its record is older than @version. The key goes to @last. */
static enum kvs_status sweep_slot(struct native *native, uint64_t locator, uint64_t places,
                                  const struct removed_range *removed, struct buf *scratch,
                                  struct buf *last, bool *ret_past)
{
    struct log_record record;
    enum kvs_status status = native_fetch_found(native, locator, places, scratch, &record);
    if (status != KVS_OK)
        return status;
    if (!range_has(&removed->range, record.key)) {
        *ret_past = true;
        return KVS_OK;
    }
    buf_truncate(last, 0);
    buf_append_bytes(last, record.key);
    if (last->failed != KVS_OK)
        return fail(last->failed, 0, "sweeping a removed range");
    if (record.version >= removed->version)
        return KVS_OK;

    struct slot_info slot = { .locator = locator,
                              .expire_ms = record.expire_ms,
                              .stored_bytes = record.stored_bytes,
                              .flags = (uint8_t)record.flags };
    log_lock(native->log);
    atomic_fetch_add_explicit(&native->slots_dropped, 1,
                              memory_order_release); /* as in drop_slot */
    bool dropped = index_remove(native->index, record.key, locator) == KVS_OK;
    if (dropped && record.kind == LOG_REMOVE)
        log_account_idle(native->log, locator);
    if (dropped && record.kind == LOG_SET) {
        log_note_stale(native->log, locator, record.version);
        /* relaxed: figures, changed under the append lock only */
        atomic_fetch_sub_explicit(&native->keys[first_byte(record.key)], 1, memory_order_relaxed);
        if (record.expire_ms != 0)
            atomic_fetch_sub_explicit(&native->keys_expiring, 1, memory_order_relaxed);
        native_record_dead(native, &slot);
    }
    log_unlock(native->log);
    return KVS_OK;
}

static enum kvs_status sweep_range(struct native *native, const struct removed_range *removed)
{
    uint64_t locators[INDEX_SCAN_MIN];
    struct buf last;
    struct buf scratch;
    buf_init(&last, KVS_ENGINE_KEY_MAX);
    buf_init(&scratch, SCRATCH_BYTES);
    struct index_scan scan = { .from = removed->range.start };
    enum kvs_status status = KVS_OK;
    bool past = false;
    while (status == KVS_OK && !past) {
        size_t count;
        uint64_t places = native_places(native);
        status = index_scan(native->index, &scan, locators, INDEX_SCAN_MIN, &count);
        if (status != KVS_OK || count == 0)
            break;
        size_t moved = 0;
        for (size_t i = 0; status == KVS_OK && !past && i < count; i++) {
            status = sweep_slot(native, locators[i], places, removed, &scratch, &last, &past);
            if (status == KVS_NOT_FOUND) {
                status = KVS_OK; /* moved meanwhile: this batch again from the last key */
                moved = 1;
                break;
            }
        }
        if (last.len != 0 || !moved) {
            scan.from = buf_bytes(&last);
            scan.exclusive = true;
        }
        if (background_stopping(native))
            status = KVS_CLOSED;
    }
    buf_done(&last);
    buf_done(&scratch);
    return status;
}

/* The oldest removal if it can be swept for good, and how many others are of its version (a batch may remove several ranges). Only
 * this thread takes ripe removals out (compact_mu), and new ones come behind, so they stay where they are. */
static bool ripe_removals(struct native *native, uint64_t *ret_version, size_t *ret_count)
{
    size_t count = 0;
    log_lock(native->log); /* the set changes under the append lock only */
    const struct range_set *set = atomic_load_explicit(&native->ranges.set, memory_order_relaxed);
    if (range_set_count(set) != 0 && set->items[0]->version <= forgettable(native)) {
        *ret_version = set->items[0]->version;
        while (count < range_set_count(set) && set->items[count]->version == *ret_version)
            count++;
    }
    log_unlock(native->log);
    *ret_count = count;
    return count != 0;
}

static const struct removed_range *ripe_removal(struct native *native, size_t i)
{
    epoch_enter();
    const struct range_set *set = atomic_load_explicit(
        &native->ranges.set, memory_order_acquire); /* pairs with: ranges_publish */
    const struct removed_range *removed = set->items[i];
    epoch_leave();
    return removed;
}

enum kvs_status sweep_ranges(struct native *native)
{
    enum kvs_status status = KVS_OK;
    uint64_t version;
    size_t count;
    while (status == KVS_OK && ripe_removals(native, &version, &count)) {
        for (size_t i = 0; status == KVS_OK && i < count; i++)
            status = sweep_range(native, ripe_removal(native, i));
        if (status != KVS_OK)
            break;
        /* Who found a slot before it was dropped must still find the removal that hides it. Iterators hold locators for long and
         * compare places; counted first, so that a section which the wait below does not cover sees the new count.
         * release: after the slots went. pairs with: native_places */
        atomic_fetch_add_explicit(&native->places_reused, 1, memory_order_release);
        epoch_wait();
        log_lock(native->log);
        bool removed = ranges_remove(&native->ranges, version);
        log_unlock(native->log);
        if (!removed)
            status = fail(KVS_NO_MEMORY, 0, "forgetting a removed range");
    }
    return status;
}
