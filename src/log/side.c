/*
 * side.c - writers of side segments: moved records (kept in memory too) and chunks of large values (not).
 *
 * One thread writes through a struct log_side; the commit leader may write out and sync the same segment at any time, so what both
 * touch (written, synced, end) is under the segment's side_mu. A segment with unsynced bytes is on the log's list of dirty ones,
 * which each commit round works off before it syncs main segments: so what was appended here before a batch was published is
 * durable before that batch is.
 *
 * How much of a side segment counts after a crash. Up to the proven length in the manifest: all of it, and damage there is
 * damage. Beyond: chunks, as far as records verify without a gap, because a durable record of a main segment may refer to
 * them; moved records do not, because their originals are dropped only after log_side_sync() has extended the proven length.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/check.h"
#include "log/state.h"

struct log_side {
    struct log *log;
    struct segment *segment; /* NULL: the next append makes one. Pinned. */
    bool resident;
    struct buf scratch; /* not resident: the record on its way */
};

/* ---- Dirty segments ---- */

static void note_dirty(struct segment *segment)
{
    struct log *log = segment->log;
    mutex_lock(&log->dirty_mu);
    if (!segment->side_listed) {
        segment->side_listed = true;
        segment->side_next = log->dirty_sides;
        log->dirty_sides = segment;
        /* relaxed: the writer's pin is there. The list's own keeps the segment until it is synced. */
        atomic_fetch_add_explicit(&segment->refs, 1, memory_order_relaxed);
    }
    mutex_unlock(&log->dirty_mu);
}

/* Hands to the system what is in memory only. */
static enum kvs_status side_write(struct segment *segment) REQUIRES(&segment->side_mu)
{
    uint64_t from = extent_get(&segment->written);
    uint64_t to = extent_get(&segment->end);
    if (from == to)
        return KVS_OK;
    enum kvs_status status = segment->file->ops->write(
        segment->file, from, segment->frame->data + from, (size_t)(to - from));
    if (status != KVS_OK)
        return status;
    extent_set(&segment->written, to);
    stat_add(&segment->log->stat_side_bytes, to - from);
    return KVS_OK;
}

static enum kvs_status side_sync(struct segment *segment)
{
    mutex_lock(&segment->side_mu);
    enum kvs_status status = side_write(segment);
    uint64_t to = extent_get(&segment->written);
    bool needed = extent_get(&segment->synced) < to;
    mutex_unlock(&segment->side_mu);
    if (status != KVS_OK || !needed)
        return status;
    status = segment->file->ops->sync(segment->file);
    if (status != KVS_OK)
        return status;
    stat_add(&segment->log->stat_syncs, 1);
    mutex_lock(&segment->side_mu);
    if (extent_get(&segment->synced) < to)
        extent_set(&segment->synced, to);
    mutex_unlock(&segment->side_mu);
    return KVS_OK;
}

/* Takes the clean ones off the list. */
static void unlist_clean(struct log *log)
{
    struct segment *gone = NULL;
    mutex_lock(&log->dirty_mu);
    for (struct segment **at = &log->dirty_sides; *at != NULL;) {
        struct segment *segment = *at;
        if (extent_get(&segment->synced) < extent_get(&segment->end)) {
            at = &segment->side_next;
            continue;
        }
        *at = segment->side_next;
        segment->side_listed = false;
        segment->side_next = gone;
        gone = segment;
    }
    /* A writer appends before it lists: what was found clean and is not any more is listed again by it. */
    while (gone != NULL) {
        struct segment *segment = gone;
        gone = segment->side_next;
        segment->side_next = NULL;
        segment_unref(segment);
    }
    mutex_unlock(&log->dirty_mu);
}

enum kvs_status side_sync_all(struct log *log)
{
    enum kvs_status status = KVS_OK;
    /* Held throughout: who finds nothing to do here must know that it is done, not that somebody is at it. */
    mutex_lock(&log->side_sync_mu);
    mutex_lock(&log->dirty_mu);
    struct segment *first = log->dirty_sides;
    mutex_unlock(&log->dirty_mu);
    /* Only we take segments off the list, and new ones come in front of the first: the rest stands still. */
    for (struct segment *segment = first; segment != NULL && status == KVS_OK;
         segment = segment->side_next)
        status = side_sync(segment);
    if (first != NULL && status == KVS_OK)
        unlist_clean(log);
    mutex_unlock(&log->side_sync_mu);
    return status;
}

/* ---- Writing ---- */

enum kvs_status log_side_open(struct log *log, bool resident, struct log_side **ret)
{
    if (log->read_only)
        return fail(KVS_READ_ONLY, 0, "%s was opened for reading only", log->dir);
    struct log_side *side = calloc(1, sizeof *side);
    if (side == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "side writer");
    side->log = log;
    side->resident = resident;
    buf_init(&side->scratch, RECORD_BYTES_MAX);
    *ret = side;
    return KVS_OK;
}

/* Lets go of the present segment: complete as it is. */
static void side_seal(struct log_side *side)
{
    if (side->segment == NULL)
        return;
    segment_seal(side->segment);
    segment_unref(side->segment);
    side->segment = NULL;
}

static enum kvs_status side_make_room(struct log_side *side, size_t bytes)
{
    struct log *log = side->log;
    if (side->segment != NULL &&
        extent_get(&side->segment->end) + bytes > side->segment->header.capacity)
        side_seal(side);
    if (side->segment == NULL) {
        mutex_lock(&log->manifest_mu);
        enum kvs_status status =
            segment_create(log, true, side->resident, bytes, bytes, &side->segment);
        mutex_unlock(&log->manifest_mu);
        if (status != KVS_OK)
            return status;
        /* relaxed: nobody can drop it before it is sealed */
        atomic_fetch_add_explicit(&side->segment->refs, 1, memory_order_relaxed);
    }
    uint64_t need = extent_get(&side->segment->end) + bytes;
    return need <= extent_get(&side->segment->allocated) ? KVS_OK
                                                         : segment_allocate(side->segment, need);
}

/* Encodes the record for its place, into the frame or the scratch buffer. */
static void side_encode(struct log_side *side, const struct log_record *record, unsigned flags,
                        size_t plain, uint8_t *out)
{
    struct segment *segment = side->segment;
    size_t stored = align_up(plain);
    record_encode(out, record, flags);
    memset(out + plain, 0, stored - plain);
    record_seal(out, stored);
    record_set_replaced(out, record->replaced);
    record_bind(out, place_seed(segment->seed, extent_get(&segment->end)));
}

static enum kvs_status side_put(struct log_side *side, const struct log_record *record,
                                unsigned flags, size_t plain)
{
    struct segment *segment = side->segment;
    size_t stored = align_up(plain);
    uint64_t off = extent_get(&segment->end);
    enum kvs_status status = KVS_OK;
    if (side->resident) {
        side_encode(side, record, flags, plain, segment->frame->data + off);
        mutex_lock(&segment->side_mu);
        extent_set(&segment->end, off + stored);
        if (off + stored - extent_get(&segment->written) >= SIDE_FLUSH_BYTES)
            status = side_write(segment);
        mutex_unlock(&segment->side_mu);
        return status;
    }
    buf_truncate(&side->scratch, 0);
    status = buf_reserve(&side->scratch, stored);
    if (status != KVS_OK)
        return status;
    side_encode(side, record, flags, plain, (uint8_t *)side->scratch.data);
    status = segment->file->ops->write(segment->file, off, side->scratch.data, stored);
    if (status != KVS_OK)
        return status;
    stat_add(&side->log->stat_side_bytes, stored);
    mutex_lock(&segment->side_mu);
    extent_set(&segment->end, off + stored);
    extent_set(&segment->written, off + stored);
    mutex_unlock(&segment->side_mu);
    return KVS_OK;
}

enum kvs_status log_side_append(struct log_side *side, const struct log_record *record,
                                uint64_t *ret_locator, uint32_t *ret_stored_bytes)
{
    struct log *log = side->log;
    enum kvs_status status = log_failure(log);
    if (status == KVS_OK)
        status = record_check(record);
    if (status != KVS_OK)
        return status;
    unsigned flags = (record->flags & (LOG_WEAK | LOG_LARGE | LOG_OPEN_END)) | LOG_MOVED;
    if (record->expire_ms != 0)
        flags |= RECORD_EXPIRY;
    size_t plain = record_plain_bytes(record, flags);
    status = side_make_room(side, align_up(plain));
    if (status != KVS_OK)
        return status;
    struct segment *segment = side->segment;
    uint64_t off = extent_get(&segment->end);
    status = side_put(side, record, flags, plain);
    if (status == KVS_NO_MEMORY)
        return status;
    if (status != KVS_OK)
        return log_fail(log, status);
    segment_note_version(segment, record);
    note_dirty(segment);
    *ret_stored_bytes = (uint32_t)align_up(plain);
    *ret_locator = locator_make(segment->header.slot, off, *ret_stored_bytes);
    return KVS_OK;
}

/* ---- Syncing ---- */

/* Whether the manifest has something to learn about side segments. */
static bool manifest_is_behind(struct log *log) REQUIRES(&log->manifest_mu)
{
    for (size_t i = 0; i < log->segment_count; i++) {
        struct segment *segment = log->segments[i];
        uint64_t synced = extent_get(&segment->synced);
        if (segment->shown_end != UINT64_MAX) /* found so, and so it stays */
            continue;
        if (segment->header.side &&
            (synced > segment->proven || (segment_is_sealed(segment) && !segment->final &&
                                          synced == extent_get(&segment->end))))
            return true;
    }
    return false;
}

static enum kvs_status side_record(struct log *log)
{
    enum kvs_status status = KVS_OK;
    mutex_lock(&log->manifest_mu);
    if (manifest_is_behind(log))
        status = segments_store(log);
    mutex_unlock(&log->manifest_mu);
    return status;
}

enum kvs_status log_side_sync(struct log_side *side)
{
    struct log *log = side->log;
    enum kvs_status status = log_failure(log);
    if (status == KVS_OK) {
        status = side_sync_all(log);
        if (status != KVS_OK)
            return log_fail(log, status);
        status = side_record(log);
    }
    return status;
}

enum kvs_status side_finish(struct log_side *side)
{
    struct log *log = side->log;
    side_seal(side);
    enum kvs_status status = log_failure(log);
    if (status == KVS_OK) {
        status = side_sync_all(log);
        if (status != KVS_OK)
            return log_fail(log, status);
    }
    return status;
}

void side_free(struct log_side *side)
{
    if (side == NULL)
        return;
    side_seal(side);
    buf_done(&side->scratch);
    free(side);
}

enum kvs_status log_side_close(struct log_side *side)
{
    enum kvs_status status = side_finish(side);
    if (status == KVS_OK)
        status = side_record(side->log);
    side_free(side);
    return status;
}
