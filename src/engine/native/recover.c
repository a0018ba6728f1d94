/*
 * recover.c - rebuilding the index from the log.
 *
 * The log shows every record of every whole batch, in no particular order. Of each key the newest version wins; of two copies of
 * one version the moved one, and of two moved ones the later (compaction writes a large value's record anew when its chunks
 * move, so the later list is the right one). Tombstones get a slot like values, so that older records that come after them do not
 * come back; the sweeper takes those slots away afterwards.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "concurrent/epoch.h"
#include "engine/native/state.h"

struct recovery {
    struct native *native;
    struct log *log;
    struct buf scratch;
    /* chunks seen: {locator, stored bytes}, sorted afterwards */
    struct chunk *chunks;
    size_t chunk_count;
    size_t chunk_capacity;
};

static enum kvs_status find(struct recovery *recovery, struct kvs_bytes key, struct slot_info *ret)
{
    struct lookup lookup;
    lookup_init(&lookup, recovery->native, key);
    for (;;) {
        epoch_enter();
        enum kvs_status status = lookup_slot(&lookup);
        if (status != KVS_WOULD_BLOCK) {
            epoch_leave();
            *ret = lookup.slot;
            return status == KVS_NOT_FOUND ? KVS_OK : status;
        }
        bool same;
        struct log_record record;
        status = lookup_read_cold(&lookup, false, &recovery->scratch, &same, &record);
        if (status != KVS_OK)
            return status;
    }
}

static bool is_newer(struct recovery *recovery, uint64_t locator, const struct log_record *record,
                     const struct slot_info *old)
{
    if (record->version != old->version)
        return record->version > old->version;
    bool moved = (record->flags & LOG_MOVED) != 0;
    if (moved != ((old->flags & LOG_MOVED) != 0))
        return moved;
    uint64_t segment = log_segment_of(recovery->log, locator);
    uint64_t old_segment = log_segment_of(recovery->log, old->locator);
    return segment != old_segment ? segment > old_segment : locator > old->locator;
}

static void count(struct native *native, struct kvs_bytes key, bool value, int64_t expire_ms,
                  int64_t by)
{
    if (!value)
        return;
    /* relaxed: nobody else is there yet */
    atomic_fetch_add_explicit(&native->keys[first_byte(key)], by, memory_order_relaxed);
    if (expire_ms != 0)
        atomic_fetch_add_explicit(&native->keys_expiring, by, memory_order_relaxed);
}

static enum kvs_status take_record(struct recovery *recovery, uint64_t locator,
                                   const struct log_record *record)
{
    struct native *native = recovery->native;
    struct slot_info old;
    enum kvs_status status = find(recovery, record->key, &old);
    if (status != KVS_OK)
        return status;
    if (old.locator != 0 && !is_newer(recovery, locator, record, &old)) {
        if (record->kind == LOG_SET)
            log_note_stale(native->log, locator, record->version);
        return KVS_OK;
    }
    status = index_put(native->index, record->key, old.locator, locator, false);
    if (status != KVS_OK)
        return status;
    if (old.locator != 0) {
        if (old.kind == LOG_SET)
            log_note_stale(native->log, old.locator, old.version);
        log_account(native->log, old.locator, -(int64_t)old.stored_bytes,
                    old.kind == LOG_SET ? old.expire_ms : 0);
        count(native, record->key, old.kind == LOG_SET, old.expire_ms, -1);
    }
    log_account(native->log, locator, record->stored_bytes,
                record->kind == LOG_SET ? record->expire_ms : 0);
    count(native, record->key, record->kind == LOG_SET, record->expire_ms, 1);
    if (record->kind == LOG_REMOVE)
        tombs_push(native, record->version, locator);
    return KVS_OK;
}

static enum kvs_status take_chunk(struct recovery *recovery, uint64_t locator,
                                  const struct log_record *record)
{
    if (recovery->chunk_count == recovery->chunk_capacity) {
        size_t capacity = recovery->chunk_capacity == 0 ? 256 : recovery->chunk_capacity * 2;
        struct chunk *more = realloc(recovery->chunks, capacity * sizeof *more);
        if (more == NULL)
            return fail(KVS_NO_MEMORY, 0, "recovering %zu chunks", capacity);
        recovery->chunks = more;
        recovery->chunk_capacity = capacity;
    }
    recovery->chunks[recovery->chunk_count++] =
        (struct chunk){ .locator = locator, .stored_bytes = record->stored_bytes };
    return KVS_OK;
}

static enum kvs_status take(void *ctx, uint64_t locator, const struct log_record *record)
{
    struct recovery *recovery = ctx;
    struct native *native = recovery->native;
    recovery->log = native->log; /* log_open() sets it before the first record */
    switch (record->kind) {
    case LOG_CHUNK:
        return take_chunk(recovery, locator, record);
    case LOG_REMOVE_RANGE: {
        bool open_end = (record->flags & LOG_OPEN_END) != 0;
        struct kvs_range range = { .start = record->key,
                                   .end = record->value,
                                   .has_end = !open_end };
        native_account_range(native, locator, record->stored_bytes);
        return ranges_add(&native->ranges, &range, record->version);
    }
    case LOG_SET:
    case LOG_REMOVE:
        return take_record(recovery, locator, record);
    }
    return KVS_OK;
}

/* ---- Large values: which records won, and which chunks they own ---- */

static int by_locator(const void *a, const void *b)
{
    const struct chunk *x = a;
    const struct chunk *y = b;
    return x->locator < y->locator ? -1 : x->locator > y->locator;
}

static enum kvs_status own_chunks(struct recovery *recovery, uint64_t owner, struct kvs_bytes list)
{
    struct native *native = recovery->native;
    struct large *large;
    enum kvs_status status = large_new(&large);
    if (status != KVS_OK)
        return status;
    const uint8_t *bytes = list.data;
    for (size_t i = 0; status == KVS_OK && i < list.len / 8; i++) {
        struct chunk chunk = { 0 };
        for (size_t byte = 0; byte < 8; byte++)
            chunk.locator |= (uint64_t)bytes[i * 8 + byte] << (8 * byte);
        const struct chunk *seen = recovery->chunk_count == 0
                                       ? NULL
                                       : bsearch(&chunk, recovery->chunks, recovery->chunk_count,
                                                 sizeof chunk, by_locator);
        /* A chunk that is gone is damage of this value alone: reading it will say so. */
        if (seen == NULL)
            continue;
        chunk.stored_bytes = seen->stored_bytes;
        status = large_add(&native->larges, large, chunk);
        if (status == KVS_OK)
            log_account(native->log, chunk.locator, chunk.stored_bytes, 0);
    }
    if (status == KVS_OK && large->count != 0) {
        large_own(&native->larges, large, owner);
        return KVS_OK;
    }
    large_forget(&native->larges, large);
    large_free(large);
    return status;
}

/* Walks the index for large values; only when there are any chunks at all. */
static enum kvs_status find_larges(struct recovery *recovery)
{
    struct native *native = recovery->native;
    if (recovery->chunk_count == 0)
        return KVS_OK;
    qsort(recovery->chunks, recovery->chunk_count, sizeof *recovery->chunks, by_locator);
    uint64_t locators[INDEX_SCAN_MIN];
    struct buf last;
    buf_init(&last, KVS_ENGINE_KEY_MAX);
    struct index_scan scan = { .unbounded = true };
    enum kvs_status status = KVS_OK;
    while (status == KVS_OK) {
        size_t found;
        status = index_scan(native->index, &scan, locators, INDEX_SCAN_MIN, &found);
        if (status != KVS_OK || found == 0)
            break;
        for (size_t i = 0; status == KVS_OK && i < found; i++) {
            struct log_record record;
            status = native_fetch(native, locators[i], false, &recovery->scratch, &record);
            if (status != KVS_OK)
                break;
            buf_truncate(&last, 0);
            buf_append_bytes(&last, record.key);
            status = last.failed;
            if (status == KVS_OK && (record.flags & LOG_LARGE) != 0)
                status = own_chunks(recovery, locators[i], record.value);
        }
        scan = (struct index_scan){ .from = buf_bytes(&last), .exclusive = true };
    }
    buf_done(&last);
    return status;
}

enum kvs_status native_recover(struct native *native, const struct log_config *config)
{
    struct recovery recovery = { .native = native };
    buf_init(&recovery.scratch, 2 * LOG_INLINE_VALUE_MAX);
    enum kvs_status status = log_open(config, take, &recovery, &native->log);
    if (status != KVS_OK)
        native->log = NULL; /* it was set for take(), and is gone */
    if (status == KVS_OK)
        status = find_larges(&recovery);
    if (status == KVS_OK) {
        /* release: the index. pairs with: the loads of visible */
        atomic_store_explicit(&native->visible, log_last_version(native->log),
                              memory_order_release);
    }
    free(recovery.chunks);
    buf_done(&recovery.scratch);
    return status;
}
