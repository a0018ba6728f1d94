/*
 * lookup.c - from a key to the slot that is its own, when keys are in the log and slots only carry a tag.
 *
 * A tag match proves nothing: the record behind the slot has to be looked at. In memory that is done at once; a slot
 * whose record is on disk stops the lookup (KVS_WOULD_BLOCK), the caller leaves the epoch section, reads the record
 * (lookup_read_cold), and looks up again, now knowing whose that slot is. Locators are never reused while a record may be
 * referred to by them (segments are pinned while they are read), so what was learnt of a locator stays true.
 */
#include <string.h>

#include "base/fail.h"
#include "concurrent/epoch.h"
#include "engine/native/state.h"

void lookup_init(struct lookup *lookup, struct native *native, struct kvs_bytes key)
{
    /* not memset: the arrays are used up to known_count only */
    lookup->native = native;
    lookup->key = key;
    lookup->known_count = 0;
    lookup->cold = 0;
    lookup->stale = false;
    lookup->failed = KVS_OK;
    lookup->slot.locator = 0;
    lookup->resident = false;
}

static struct slot_info slot_of(uint64_t locator, const struct log_record *record)
{
    return (struct slot_info){ .locator = locator,
                               .version = record->version,
                               .expire_ms = record->expire_ms,
                               .stored_bytes = record->stored_bytes,
                               .kind = (uint8_t)record->kind,
                               .flags = (uint8_t)record->flags };
}

static enum index_match match(void *ctx, uint64_t locator)
{
    struct lookup *lookup = ctx;
    for (size_t i = 0; i < lookup->known_count; i++) {
        if (lookup->known[i].locator != locator)
            continue;
        if (!lookup->same[i])
            return INDEX_DIFFERENT;
        lookup->slot = lookup->known[i];
        lookup->resident = log_peek(lookup->native->log, locator, &lookup->record) == KVS_OK;
        return INDEX_MATCH;
    }
    log_prefetch(lookup->native->log, locator); /* all its lines at once, not one after the other */
    enum kvs_status status = log_peek(lookup->native->log, locator, &lookup->record);
    if (status == KVS_OK) {
        if (!bytes_equal(lookup->record.key, lookup->key))
            return INDEX_DIFFERENT;
        lookup->slot = slot_of(locator, &lookup->record);
        lookup->resident = true;
        return INDEX_MATCH;
    }
    if (status == KVS_WOULD_BLOCK)
        lookup->cold = locator;
    else if (status == KVS_NOT_FOUND)
        lookup->stale = true;
    else
        lookup->failed = status;
    return INDEX_STOP;
}

enum kvs_status lookup_slot(struct lookup *lookup)
{
    for (;;) {
        lookup->cold = 0;
        lookup->stale = false;
        lookup->slot.locator = 0;
        lookup->resident = false;
        uint64_t locator;
        enum kvs_status status =
            index_find(lookup->native->index, lookup->key, match, lookup, &locator);
        if (lookup->failed != KVS_OK)
            return lookup->failed;
        if (!lookup->stale)
            return status;
        /* The slot's segment went between reading the slot and looking at it, so the slot has changed: look again. */
    }
}

enum kvs_status lookup_read_cold(struct lookup *lookup, bool no_block, struct buf *scratch,
                                 bool *ret_same, struct log_record *ret_record)
{
    struct native *native = lookup->native;
    uint64_t locator = lookup->cold;
    enum kvs_status status = log_pin(native->log, locator);
    epoch_leave();
    if (status == KVS_NOT_FOUND) {
        *ret_same = false;
        return KVS_OK; /* moved meanwhile: the caller looks up again */
    }
    if (status != KVS_OK)
        return status;
    status = log_fetch(native->log, locator, no_block, scratch, ret_record);
    log_unpin(native->log, locator);
    if (status != KVS_OK)
        return status;
    atomic_fetch_add_explicit(&native->read_cold, 1, memory_order_relaxed); /* a statistic */
    *ret_same = bytes_equal(ret_record->key, lookup->key);
    if (lookup->known_count == NATIVE_KNOWN_MAX) {
        /* So many cold slots with one tag in one leaf, or a slot that moves each time: forget the oldest. */
        memmove(lookup->known, lookup->known + 1, (NATIVE_KNOWN_MAX - 1) * sizeof lookup->known[0]);
        memmove(lookup->same, lookup->same + 1, (NATIVE_KNOWN_MAX - 1) * sizeof lookup->same[0]);
        lookup->known_count--;
    }
    lookup->known[lookup->known_count] = slot_of(locator, ret_record);
    lookup->same[lookup->known_count++] = *ret_same;
    return KVS_OK;
}

enum kvs_status native_fetch(struct native *native, uint64_t locator, bool no_block,
                             struct buf *scratch, struct log_record *ret)
{
    epoch_enter();
    return native_fetch_here(native, locator, no_block, scratch, ret);
}

enum kvs_status native_fetch_here(struct native *native, uint64_t locator, bool no_block,
                                  struct buf *scratch, struct log_record *ret)
{
    enum kvs_status status = log_pin(native->log, locator);
    epoch_leave();
    if (status != KVS_OK)
        return status;
    status = log_fetch(native->log, locator, no_block, scratch, ret);
    log_unpin(native->log, locator);
    return status;
}

enum kvs_status native_fetch_found(struct native *native, uint64_t locator, uint64_t places,
                                   struct buf *scratch, struct log_record *ret)
{
    epoch_enter();
    /* What is reused from now on waits for this section to end. */
    enum kvs_status status =
        native_places(native) != places ? KVS_NOT_FOUND : log_peek(native->log, locator, ret);
    if (status == KVS_WOULD_BLOCK)
        return native_fetch_here(native, locator, false, scratch, ret);
    buf_truncate(scratch, 0);
    if (status == KVS_OK) {
        buf_append_bytes(scratch, ret->key);
        status = scratch->failed;
    }
    epoch_leave();
    ret->key = buf_bytes(scratch);
    ret->value = bytes_of(NULL, 0);
    return status;
}

enum kvs_status native_load_key(void *ctx, uint64_t locator, bool no_block, struct buf *scratch,
                                struct kvs_bytes *ret_key)
{
    struct native *native = ctx;
    struct log_record record;
    enum kvs_status status;
    if (no_block) {
        status =
            log_peek(native->log, locator, &record); /* the caller is inside an epoch section */
    } else {
        status = native_fetch(native, locator, false, scratch, &record);
    }
    if (status == KVS_OK)
        *ret_key = record.key;
    return status;
}

void native_prefetch_key(void *ctx, uint64_t locator)
{
    struct native *native = ctx;
    log_prefetch_key(native->log, locator);
}

bool slot_lives(struct native *native, const struct slot_info *slot, int64_t now_ms)
{
    if (slot->kind != LOG_SET)
        return false;
    return slot->expire_ms == 0 ||
           slot->expire_ms > (now_ms != 0 ? now_ms : log_now_ms(native->log));
}

bool visible_help(struct native *native, uint64_t version)
{
    /* acquire: what was installed before. pairs with: the writer's stores (write.c), and this function's own */
    uint64_t visible = atomic_load_explicit(&native->visible, memory_order_acquire);
    if (version <= visible)
        return true;
    /* acquire: a writer stores `installing` before its first slot, and the slot was read with acquire: so if this is a batch of
     * several, we see its own number here, or a later one, and then the batch is complete. */
    if (atomic_load_explicit(&native->installing, memory_order_acquire) == version)
        return false;
    while (version > visible) {
        /* acq_rel: hands on what the writer has installed. pairs with: the loads of visible */
        if (atomic_compare_exchange_weak_explicit(&native->visible, &visible, version,
                                                  memory_order_acq_rel, memory_order_acquire))
            break;
    }
    return true;
}
