/*
 * verify.c - do index, tables and accounting agree? An expensive walk over everything, for tests and checks; nobody writes meanwhile.
 *
 * Of every segment, what is accounted as living must be exactly what slots, the version table and the table of chunks refer to, and
 * the tombstones that are kept though nothing refers to them.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/fail.h"
#include "concurrent/epoch.h"
#include "engine/native/state.h"

struct census {
    struct native *native;
    struct log_segment_info *segments;
    size_t segment_count;
    int64_t *live; /* units, of each segment */
    int64_t keys[NATIVE_FIRST_BYTES];
    int64_t keys_expiring;
    size_t slots;
};

static enum kvs_status count_units(struct census *census, uint64_t locator, const char *what)
{
    uint64_t id = log_segment_of(census->native->log, locator);
    for (size_t i = 0; i < census->segment_count; i++) {
        if (census->segments[i].id == id) {
            census->live[i] += log_units(locator);
            return KVS_OK;
        }
    }
    return fail(KVS_CORRUPT, 0, "%s refers to locator %#" PRIx64 ", whose segment is gone", what,
                locator);
}

static enum kvs_status visit_slot(struct census *census, uint64_t locator,
                                  const struct log_record *record)
{
    census->slots++;
    if (record->kind != LOG_SET && record->kind != LOG_REMOVE)
        return fail(KVS_CORRUPT, 0, "a slot names a record of kind %d", record->kind);
    if (record->kind == LOG_SET) {
        census->keys[first_byte(record->key)]++;
        census->keys_expiring += record->expire_ms != 0;
    }
    struct slot_info slot;
    struct lookup lookup;
    lookup_init(&lookup, census->native, record->key);
    slot.locator = 0;
    for (;;) {
        epoch_enter();
        enum kvs_status status = lookup_slot(&lookup);
        epoch_leave();
        if (status == KVS_OK)
            slot = lookup.slot;
        if (status != KVS_WOULD_BLOCK)
            break;
        struct buf scratch;
        struct log_record cold;
        bool same;
        buf_init(&scratch, 2 * LOG_INLINE_VALUE_MAX);
        epoch_enter();
        status = lookup_read_cold(&lookup, false, &scratch, &same, &cold);
        buf_done(&scratch);
        if (status != KVS_OK)
            return status;
    }
    if (slot.locator != locator)
        return fail(KVS_CORRUPT, 0,
                    "a key of %zu bytes is found at locator %#" PRIx64 ", its slot has %#" PRIx64,
                    record->key.len, slot.locator, locator);
    return count_units(census, locator, "a slot");
}

static enum kvs_status walk_index(struct census *census)
{
    struct native *native = census->native;
    uint64_t locators[INDEX_SCAN_MIN];
    struct buf last;
    struct buf scratch;
    buf_init(&last, KVS_ENGINE_KEY_MAX);
    buf_init(&scratch, 2 * LOG_INLINE_VALUE_MAX);
    struct index_scan scan = { .unbounded = true };
    enum kvs_status status = KVS_OK;
    size_t found = 1;
    while (status == KVS_OK && found != 0) {
        status = index_scan(native->index, &scan, locators, INDEX_SCAN_MIN, &found);
        for (size_t i = 0; status == KVS_OK && i < found; i++) {
            struct log_record record;
            status = native_fetch(native, locators[i], false, &scratch, &record);
            if (status != KVS_OK)
                break;
            status = visit_slot(census, locators[i], &record);
            buf_truncate(&last, 0);
            buf_append_bytes(&last, record.key);
        }
        scan = (struct index_scan){ .from = buf_bytes(&last), .exclusive = true };
    }
    buf_done(&last);
    buf_done(&scratch);
    return status;
}

static enum kvs_status count_reference(void *ctx, uint64_t locator, uint32_t stored_bytes)
{
    (void)stored_bytes;
    return count_units(ctx, locator, "a table");
}

static enum kvs_status compare_segments(const struct census *census)
{
    for (size_t i = 0; i < census->segment_count; i++) {
        const struct log_segment_info *segment = &census->segments[i];
        if (segment->live_units != census->live[i] + segment->idle_units)
            return fail(KVS_CORRUPT, 0,
                        "segment %" PRIx64 " counts %" PRId64 " living units, %" PRId64
                        " of them idle; referred to are %" PRId64,
                        segment->id, segment->live_units, segment->idle_units, census->live[i]);
    }
    return KVS_OK;
}

static enum kvs_status compare_keys(const struct census *census)
{
    struct native *native = census->native;
    struct index_stats stats;
    index_stats(native->index, &stats);
    if (stats.slots != census->slots)
        return fail(KVS_CORRUPT, 0, "the index counts %" PRIu64 " slots and shows %zu", stats.slots,
                    census->slots);
    for (size_t i = 0; i < NATIVE_FIRST_BYTES; i++) {
        int64_t keys = atomic_load_explicit(&native->keys[i], memory_order_relaxed); /* a figure */
        if (keys != census->keys[i])
            return fail(KVS_CORRUPT, 0, "%" PRId64 " keys begin with %zu, %" PRId64 " are counted",
                        census->keys[i], i, keys);
    }
    int64_t expiring =
        atomic_load_explicit(&native->keys_expiring, memory_order_relaxed); /* likewise */
    if (expiring != census->keys_expiring)
        return fail(KVS_CORRUPT, 0, "%" PRId64 " keys expire, %" PRId64 " are counted",
                    census->keys_expiring, expiring);
    return KVS_OK;
}

enum kvs_status native_verify(struct native *native)
{
    struct census census = { .native = native };
    enum kvs_status status = index_verify(native->index);
    if (status == KVS_OK)
        status = log_segments(native->log, &census.segments, &census.segment_count);
    if (status != KVS_OK)
        return status;
    census.live = calloc(census.segment_count + 1, sizeof *census.live);
    if (census.live == NULL)
        status = fail(KVS_NO_MEMORY, 0, "figures of %zu segments", census.segment_count);
    if (status == KVS_OK)
        status = walk_index(&census);
    if (status == KVS_OK)
        status = versions_each(&native->versions, count_reference, &census);
    if (status == KVS_OK)
        status = large_each_chunk(&native->larges, count_reference, &census);
    if (status == KVS_OK)
        status = compare_segments(&census);
    if (status == KVS_OK)
        status = compare_keys(&census);
    free(census.live);
    free(census.segments);
    return status;
}
