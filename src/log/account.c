/*
 * account.c - who lives where: bytes per segment, their list, dropping, figures.
 *
 * What lives is counted in units: the bytes of a record's size class, which its locator alone tells. So whoever knows a locator
 * can take its record off the account without reading it, as an opening does that replays from a checkpoint. A segment also
 * knows how many bytes all records that ever lived in it have, and how many units; with these, units become bytes again.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/check.h"
#include "log/state.h"

uint32_t log_units(uint64_t locator)
{
    return size_class_bytes(locator_size_class(locator));
}

/* A figure in bytes as stored. */
static uint64_t bytes_of_units(const struct segment *segment, const _Atomic int64_t *figure)
{
    /* relaxed: figures; additions and subtractions may be seen out of order */
    int64_t units = atomic_load_explicit(figure, memory_order_relaxed);
    uint64_t gross_units = atomic_load_explicit(&segment->gross_units, memory_order_relaxed);
    uint64_t gross_bytes = atomic_load_explicit(&segment->gross_bytes, memory_order_relaxed);
    if (units <= 0 || gross_units == 0)
        return 0;
    if ((uint64_t)units >= gross_units)
        return gross_bytes;
    return (uint64_t)units * gross_bytes / gross_units; /* both are far below 2^32 */
}

void log_account(struct log *log, uint64_t locator, int64_t stored_bytes, int64_t expire_ms)
{
    /* acquire: pairs with: segment_new */
    struct segment *segment =
        atomic_load_explicit(&log->slots[locator_slot(locator)].segment, memory_order_acquire);
    if (segment == NULL) {
        ASSERT(false);
        return;
    }
    /* relaxed: figures */
    int64_t units = log_units(locator);
    if (stored_bytes > 0) {
        atomic_fetch_add_explicit(&segment->gross_units, (uint64_t)units, memory_order_relaxed);
        atomic_fetch_add_explicit(&segment->gross_bytes, (uint64_t)stored_bytes,
                                  memory_order_relaxed);
    } else {
        units = -units;
    }
    atomic_fetch_add_explicit(&segment->live, units, memory_order_relaxed);
    if (expire_ms == 0)
        return;
    atomic_fetch_add_explicit(&segment->expiring, units, memory_order_relaxed);
    int64_t max = atomic_load_explicit(&segment->expire_max_ms, memory_order_relaxed);
    while (max < expire_ms &&
           !atomic_compare_exchange_weak_explicit(&segment->expire_max_ms, &max, expire_ms,
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
}

static struct segment *segment_of(struct log *log, uint64_t locator)
{
    /* acquire: pairs with: segment_new */
    return atomic_load_explicit(&log->slots[locator_slot(locator)].segment, memory_order_acquire);
}

static void add_units(_Atomic int64_t *figure, uint64_t locator, bool more)
{
    int64_t units = log_units(locator);
    atomic_fetch_add_explicit(figure, more ? units : -units, memory_order_relaxed); /* a figure */
}

void log_account_idle(struct log *log, uint64_t locator)
{
    struct segment *segment = segment_of(log, locator);
    if (segment != NULL)
        add_units(&segment->idle, locator, true);
}

void log_account_kept(struct log *log, uint64_t locator, bool more)
{
    struct segment *segment = segment_of(log, locator);
    if (segment != NULL)
        add_units(&segment->kept, locator, more);
}

void log_account_pending(struct log *log, uint64_t locator, bool more)
{
    struct segment *segment = segment_of(log, locator);
    if (segment != NULL)
        add_units(&segment->pending, locator, more);
}

void log_note_stale(struct log *log, uint64_t locator, uint64_t version)
{
    struct segment *segment = segment_of(log, locator);
    if (segment == NULL)
        return;
    /* relaxed: it only gets smaller, and who relies on it has been behind the append lock since. */
    uint64_t least = atomic_load_explicit(&segment->stale_version, memory_order_relaxed);
    while (version < least &&
           !atomic_compare_exchange_weak_explicit(&segment->stale_version, &least, version,
                                                  memory_order_relaxed, memory_order_relaxed))
        ;
}

uint64_t log_segment_of(struct log *log, uint64_t locator)
{
    const struct segment *segment = atomic_load_explicit(&log->slots[locator_slot(locator)].segment,
                                                         memory_order_acquire); /* likewise */
    /* acquire: pairs with: segments_drop */
    if (segment == NULL || atomic_load_explicit(&segment->dropped, memory_order_acquire))
        return 0;
    return segment->header.id;
}

/* What is on its way in is counted as if it lived, so that its segment is not taken for a dead one. */
static uint64_t pending_bytes(const struct segment *segment)
{
    int64_t units = atomic_load_explicit(&segment->pending, memory_order_relaxed); /* a figure */
    return units > 0 ? (uint64_t)units : 0;
}

static void describe(const struct segment *segment, struct log_segment_info *ret)
{
    bool sealed = segment_is_sealed(segment);
    uint64_t synced = extent_get(&segment->synced);
    uint64_t end = extent_get(&segment->end);
    /* relaxed: figures */
    *ret = (struct log_segment_info){
        .id = segment->header.id,
        .slot = segment->header.slot,
        .side = segment->header.side,
        .sealed = sealed,
        .durable = sealed && synced == end,
        .resident = segment->frame != NULL,
        .bytes = end,
        .live_bytes = bytes_of_units(segment, &segment->live) + pending_bytes(segment),
        .idle_bytes = bytes_of_units(segment, &segment->idle),
        .expiring_bytes = bytes_of_units(segment, &segment->expiring),
        .live_units = atomic_load_explicit(&segment->live, memory_order_relaxed),
        .kept_units = atomic_load_explicit(&segment->kept, memory_order_relaxed),
        .idle_units = atomic_load_explicit(&segment->idle, memory_order_relaxed),
        .expiring_units = atomic_load_explicit(&segment->expiring, memory_order_relaxed),
        .gross_units = atomic_load_explicit(&segment->gross_units, memory_order_relaxed),
        .gross_bytes = atomic_load_explicit(&segment->gross_bytes, memory_order_relaxed),
        .expire_max_ms = atomic_load_explicit(&segment->expire_max_ms, memory_order_relaxed),
        .min_version = atomic_load_explicit(&segment->min_version, memory_order_relaxed),
        .max_version = atomic_load_explicit(&segment->max_version, memory_order_relaxed),
        .stale_version = atomic_load_explicit(&segment->stale_version, memory_order_relaxed),
    };
}

enum kvs_status log_segments(struct log *log, struct log_segment_info **ret, size_t *ret_count)
{
    mutex_lock(&log->table_mu);
    size_t count = log->segment_count;
    struct log_segment_info *infos = calloc(count == 0 ? 1 : count, sizeof *infos);
    for (size_t i = 0; i < count && infos != NULL; i++)
        describe(log->segments[i], &infos[i]);
    mutex_unlock(&log->table_mu);
    if (infos == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "list of %zu segments", count);
    *ret = infos;
    *ret_count = count;
    return KVS_OK;
}

static struct segment *find_segment(const struct log *log, uint64_t id)
{
    for (size_t i = 0; i < log->segment_count; i++) {
        if (log->segments[i]->header.id == id)
            return log->segments[i];
    }
    return NULL;
}

/* Looks up what is to be dropped, each once. */
static enum kvs_status find_droppable(struct log *log, const uint64_t *ids, size_t count,
                                      struct segment **ret) REQUIRES(&log->manifest_mu)
{
    for (size_t i = 0; i < count; i++) {
        ret[i] = find_segment(log, ids[i]);
        if (ret[i] == NULL)
            return fail(KVS_INVALID, 0, "there is no segment %08" PRIx64, ids[i]);
        if (!segment_is_sealed(ret[i]) || extent_get(&ret[i]->synced) != extent_get(&ret[i]->end))
            return fail(KVS_INVALID, 0, "segment %08" PRIx64 " is not sealed and durable", ids[i]);
        for (size_t j = 0; j < i; j++) {
            if (ret[j] == ret[i])
                return fail(KVS_INVALID, 0, "segment %08" PRIx64 " is named twice", ids[i]);
        }
    }
    return KVS_OK;
}

enum kvs_status log_drop(struct log *log, const uint64_t *ids, size_t count)
{
    if (log->read_only)
        return fail(KVS_READ_ONLY, 0, "%s was opened for reading only", log->dir);
    if (count == 0)
        return KVS_OK;
    struct segment **segments = calloc(count, sizeof(struct segment *));
    if (segments == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "list of %zu segments", count);
    enum kvs_status status = log_failure(log);
    mutex_lock(&log->manifest_mu);
    if (status == KVS_OK)
        status = find_droppable(log, ids, count, segments);
    if (status == KVS_OK)
        status = segments_drop(log, segments, count);
    mutex_unlock(&log->manifest_mu);
    free(segments);
    if (!log->background)
        segments_reap(log, false);
    return status;
}

static uint64_t figure(const _Atomic uint64_t *stat)
{
    return atomic_load_explicit(stat, memory_order_relaxed); /* relaxed: a figure */
}

void log_stats(struct log *log, kvs_stat_fn *fn, void *ctx)
{
    uint64_t main_count = 0;
    uint64_t side_count = 0;
    uint64_t bytes = 0;
    uint64_t live = 0;
    uint64_t disk = 0;
    uint64_t resident = 0;
    mutex_lock(&log->table_mu);
    for (size_t i = 0; i < log->segment_count; i++) {
        struct log_segment_info info;
        describe(log->segments[i], &info);
        main_count += !info.side;
        side_count += info.side;
        bytes += info.bytes;
        live += info.live_bytes;
        disk += extent_get(&log->segments[i]->allocated);
        resident += info.resident ? info.bytes : 0;
    }
    mutex_unlock(&log->table_mu);
    fn(ctx, "log_main_segments", main_count);
    fn(ctx, "log_side_segments", side_count);
    fn(ctx, "log_bytes", bytes);
    fn(ctx, "log_live_bytes", live);
    fn(ctx, "log_disk_bytes", disk);
    fn(ctx, "log_resident_bytes", resident);
    fn(ctx, "log_unwritten_bytes", figure(&log->unwritten_bytes));
    fn(ctx, "log_written_bytes_total", figure(&log->stat_written_bytes));
    fn(ctx, "log_side_bytes_total", figure(&log->stat_side_bytes));
    fn(ctx, "log_groups_total", figure(&log->stat_groups));
    fn(ctx, "log_syncs_total", figure(&log->stat_syncs));
    fn(ctx, "log_disk_reads_total", figure(&log->stat_disk_reads));
    fn(ctx, "log_torn_tails", figure(&log->stat_torn_tails));
    fn(ctx, "log_torn_bytes", figure(&log->stat_torn_bytes));
    fn(ctx, "log_rewritten_records", figure(&log->stat_rewritten_records));
    fn(ctx, "log_leftover_files", figure(&log->stat_leftovers));
}
