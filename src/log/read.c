/*
 * read.c - finding records by locator: in memory inside an epoch section, on disk with a pin.
 *
 * A locator comes from the owner, and may be older than it should be: what it leads to is found through the slot (the argument why it
 * is never a stranger is in segment.h), decoded within bounds, and, when it comes from disk, verified before it is believed.
 */
#include <errno.h>
#include <inttypes.h>

#include "base/check.h"
#include "log/state.h"

static struct segment *segment_at(const struct log *log, uint64_t locator)
{
    /* acquire: the segment's fields. pairs with: segment_new */
    return atomic_load_explicit(&log->slots[locator_slot(locator)].segment, memory_order_acquire);
}

static enum kvs_status damaged(const struct segment *segment, uint64_t off, const char *what)
{
    return fail(KVS_CORRUPT, 0, "%s/%s: %s at offset %" PRIu64, segment->log->dir, segment->name,
                what, off);
}

static enum kvs_status absent(const struct segment *segment)
{
    /* acquire: pairs with: segments_drop */
    return segment == NULL || atomic_load_explicit(&segment->dropped, memory_order_acquire)
               ? KVS_NOT_FOUND
               : KVS_WOULD_BLOCK;
}

enum kvs_status log_peek(struct log *log, uint64_t locator, struct log_record *ret)
{
    struct slot *slot = &log->slots[locator_slot(locator)];
    /* acquire: base, limit and content. pairs with: segment_publish_frame */
    const uint8_t *frame = atomic_load_explicit(&slot->frame, memory_order_acquire);
    if (unlikely(frame == NULL))
        return absent(segment_at(log, locator));
    /* relaxed: set before the frame was published. */
    uint64_t base = atomic_load_explicit(&slot->base, memory_order_relaxed);
    uint64_t limit = atomic_load_explicit(&slot->limit, memory_order_relaxed);
    uint64_t off = locator_off(locator);
    if (unlikely(off >= limit || record_decode(frame + off, limit - off, base + off, ret) == 0)) {
        const struct segment *segment = segment_at(log, locator);
        return segment == NULL ? KVS_NOT_FOUND : damaged(segment, off, "no record");
    }
    /* relaxed: a hint for log_trim(); read first, so that readers share the line. */
    if (unlikely(atomic_load_explicit(&slot->referenced, memory_order_relaxed) == 0))
        atomic_store_explicit(&slot->referenced, 1, memory_order_relaxed);
    return KVS_OK;
}

void log_prefetch(struct log *log, uint64_t locator)
{
    enum {
        LINE_BYTES = 64,
        LINES_MAX = 4 /* what comes behind, the processor fetches by itself when it is read on */
    };

    const uint8_t *frame = atomic_load_explicit(&log->slots[locator_slot(locator)].frame,
                                                memory_order_relaxed); /* relaxed: a hint */
    if (frame == NULL)
        return;
    const uint8_t *at = frame + locator_off(locator);
    uint32_t bytes = size_class_bytes(locator_size_class(locator));
    if (bytes > LINES_MAX * LINE_BYTES)
        bytes = LINES_MAX * LINE_BYTES;
    for (uint32_t i = 0; i < bytes; i += LINE_BYTES)
        __builtin_prefetch(at + i);
    __builtin_prefetch(at + bytes - 1);
}

void log_prefetch_key(struct log *log, uint64_t locator)
{
    enum {
        HEAD_BYTES =
            40 /* most records have the first eight different bytes of their key in these */
    };

    const uint8_t *frame = atomic_load_explicit(&log->slots[locator_slot(locator)].frame,
                                                memory_order_relaxed); /* relaxed: a hint */
    if (frame == NULL)
        return;
    const uint8_t *at = frame + locator_off(locator);
    __builtin_prefetch(at);
    __builtin_prefetch(at + HEAD_BYTES - 1);
}

enum kvs_status log_pin(struct log *log, uint64_t locator)
{
    struct segment *segment = segment_at(log, locator);
    if (absent(segment) == KVS_NOT_FOUND)
        return KVS_NOT_FOUND;
    /* relaxed: the table's reference cannot be given back before the caller's epoch section ends. */
    atomic_fetch_add_explicit(&segment->refs, 1, memory_order_relaxed);
    return KVS_OK;
}

void log_unpin(struct log *log, uint64_t locator)
{
    segment_unref(segment_at(log, locator)); /* the pin kept it in its slot */
}

/* Copies the record out of memory, if it is there. */
static enum kvs_status copy_resident(struct log *log, uint64_t locator, struct buf *scratch)
{
    struct log_record record;
    epoch_enter();
    enum kvs_status status = log_peek(log, locator, &record);
    if (status == KVS_OK) {
        const uint8_t *data = atomic_load_explicit(&log->slots[locator_slot(locator)].frame,
                                                   memory_order_acquire); /* see log_peek */
        buf_truncate(scratch, 0);
        status = data == NULL ? KVS_WOULD_BLOCK : buf_reserve(scratch, record.stored_bytes);
        if (status == KVS_OK)
            buf_append(scratch, data + locator_off(locator), record.stored_bytes);
    }
    epoch_leave();
    return status;
}

static enum kvs_status decode_scratch(const struct segment *segment, uint64_t off, bool verify,
                                      struct buf *scratch, struct log_record *ret)
{
    const uint8_t *data = (const uint8_t *)scratch->data;
    uint64_t base = segment->header.side ? 0 : segment->header.base;
    uint32_t stored = scratch->len == 0 ? 0 : record_decode(data, scratch->len, base + off, ret);
    if (stored == 0)
        return damaged(segment, off, "no record");
    if (verify && !record_verify(data, stored, place_seed(segment->seed, off)))
        return damaged(segment, off, "record with a wrong checksum");
    return KVS_OK;
}

enum kvs_status segment_read_record(struct segment *segment, uint64_t off, size_t bytes,
                                    bool no_block, struct buf *scratch, struct log_record *ret)
{
    size_t got = 0;
    buf_truncate(scratch, 0);
    enum kvs_status status = buf_reserve(scratch, bytes);
    if (status == KVS_OK)
        status = segment->file->ops->read(segment->file, off, scratch->data, bytes, no_block, &got);
    if (status != KVS_OK)
        return status;
    stat_add(&segment->log->stat_disk_reads, 1);
    scratch->len = got;
    return decode_scratch(segment, off, true, scratch, ret);
}

enum kvs_status log_fetch(struct log *log, uint64_t locator, bool no_block, struct buf *scratch,
                          struct log_record *ret)
{
    struct segment *segment = segment_at(log, locator);
    uint64_t off = locator_off(locator);
    if (segment == NULL)
        return fail(KVS_CORRUPT, 0, "locator %" PRIx64 " leads to no segment", locator);
    enum kvs_status status = copy_resident(log, locator, scratch);
    if (status == KVS_OK)
        return decode_scratch(segment, off, false, scratch, ret);
    if (status != KVS_WOULD_BLOCK && status != KVS_NOT_FOUND)
        return status;
    if (off >= extent_get(&segment->end))
        return damaged(segment, off, "no record, the segment ends before it,");
    status = segment_read_record(segment, off, size_class_bytes(locator_size_class(locator)),
                                 no_block, scratch, ret);
    if (status == KVS_OK && size_class_of(ret->stored_bytes) != locator_size_class(locator))
        return damaged(segment, off, "another record than the locator means");
    return status;
}

/* ---- Whole segments ---- */

static enum kvs_status read_into(struct segment *segment, uint8_t *data, uint64_t end)
{
    for (uint64_t off = 0; off < end;) {
        size_t piece = end - off < READ_PIECE_BYTES ? (size_t)(end - off) : READ_PIECE_BYTES;
        size_t got = 0;
        enum kvs_status status =
            segment->file->ops->read(segment->file, off, data + off, piece, false, &got);
        if (status != KVS_OK)
            return status;
        off += got;
        if (got < piece)
            return KVS_OK; /* the file is shorter: zeros, which are no records */
    }
    return KVS_OK;
}

enum kvs_status segment_hold_frame(struct segment *segment, struct frame **ret)
{
    struct log *log = segment->log;
    mutex_lock(&log->table_mu);
    struct frame *frame = segment->frame;
    if (frame != NULL)
        segment->frame_holds++;
    mutex_unlock(&log->table_mu);
    if (frame == NULL) {
        uint64_t end = extent_get(&segment->end);
        frame = frame_new(end);
        if (frame == NULL)
            return fail(KVS_NO_MEMORY, ENOMEM, "memory to read %s", segment->name);
        enum kvs_status status = read_into(segment, frame->data, end);
        if (status != KVS_OK) {
            frame_free(frame);
            return status;
        }
        if (log->opening && stage_overlay(log, segment, frame->data, end) && log->read_only)
            segment->staged = true;
    }
    *ret = frame;
    return KVS_OK;
}

void segment_release_frame(struct segment *segment, struct frame *frame)
{
    struct log *log = segment->log;
    mutex_lock(&log->table_mu);
    bool own = segment->frame != frame;
    if (!own)
        segment->frame_holds--;
    mutex_unlock(&log->table_mu);
    if (own)
        frame_free(frame);
}

static enum kvs_status scan_side(struct segment *segment, const struct frame *frame, bool verify,
                                 log_replay_fn *fn, void *ctx)
{
    uint64_t end = extent_get(&segment->end);
    for (uint64_t off = SEGMENT_HEADER_BYTES; off < end;) {
        struct log_record record;
        uint32_t stored = record_decode(frame->data + off, end - off, 0, &record);
        if (stored == 0 ||
            (verify && !record_verify(frame->data + off, stored, place_seed(segment->seed, off))))
            return damaged(segment, off, "no record that verifies");
        /* Moved records that were never proven are still where they were moved from. */
        enum kvs_status status = KVS_OK;
        if (off < segment->shown_end || record.kind == LOG_CHUNK)
            status = fn(ctx, locator_make(segment->header.slot, off, stored), &record);
        if (status != KVS_OK)
            return status;
        off += stored;
    }
    return KVS_OK;
}

static enum kvs_status scan_main(struct segment *segment, const struct frame *frame, bool verify,
                                 uint64_t start, log_replay_fn *fn, void *ctx)
{
    uint64_t end = extent_get(&segment->end);
    uint64_t group_end = start;
    for (uint64_t off = start; off < end;) {
        const uint8_t *at = frame->data + off;
        if (off == group_end) {
            struct group_header group;
            uint32_t checksum;
            if (end - off < GROUP_HEADER_BYTES ||
                !group_header_decode(at, segment->seed, segment->header.base, off, &group,
                                     &checksum) ||
                group.length == 0 || group.length > end - off - GROUP_HEADER_BYTES)
                return damaged(segment, off, "no group header");
            off += GROUP_HEADER_BYTES;
            group_end = off + group.length;
            continue;
        }
        struct log_record record;
        uint32_t stored = record_decode(at, group_end - off, segment->header.base + off, &record);
        if (stored == 0 || (verify && !record_verify(at, stored, place_seed(segment->seed, off))))
            return damaged(segment, off, "no record that verifies");
        enum kvs_status status = fn(ctx, locator_make(segment->header.slot, off, stored), &record);
        if (status != KVS_OK)
            return status;
        off += stored;
    }
    return KVS_OK;
}

enum kvs_status segment_scan(struct segment *segment, log_replay_fn *fn, void *ctx)
{
    return segment_scan_from(segment, SEGMENT_HEADER_BYTES, fn, ctx);
}

enum kvs_status segment_scan_from(struct segment *segment, uint64_t start, log_replay_fn *fn,
                                  void *ctx)
{
    struct frame *frame = NULL;
    enum kvs_status status = segment_hold_frame(segment, &frame);
    if (status != KVS_OK)
        return status;
    bool verify = frame != segment->frame; /* held: the segment's own frame cannot change */
    if (segment->header.side)
        status = scan_side(segment, frame, verify, fn, ctx);
    else
        status = scan_main(segment, frame, verify, start, fn, ctx);
    segment_release_frame(segment, frame);
    return status;
}

enum kvs_status log_scan(struct log *log, uint64_t id, log_replay_fn *fn, void *ctx)
{
    struct segment *segment = NULL;
    mutex_lock(&log->table_mu);
    for (size_t i = 0; i < log->segment_count; i++) {
        if (log->segments[i]->header.id == id)
            segment = log->segments[i];
    }
    if (segment != NULL) /* relaxed: listed, so the table's reference is there */
        atomic_fetch_add_explicit(&segment->refs, 1, memory_order_relaxed);
    mutex_unlock(&log->table_mu);
    if (segment == NULL)
        return fail(KVS_INVALID, 0, "there is no segment %08" PRIx64, id);
    enum kvs_status status;
    if (!segment_is_sealed(segment))
        status = fail(KVS_INVALID, 0, "segment %08" PRIx64 " is not sealed", id);
    else
        status = segment_scan(segment, fn, ctx);
    segment_unref(segment);
    return status;
}
