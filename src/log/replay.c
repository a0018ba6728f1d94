/*
 * replay.c - finding out, at opening, what the log holds.
 *
 * The stream is the chain of groups through the main segments, each group header naming the checksum of the one before. It ends
 * where no group follows. Whether that is the honest end, a torn tail, or damage is decided by one number, the proven durable
 * position D: the largest position that the manifest, or any group header or end marker anywhere, says was durable when it
 * was written.
 *
 * Why a torn tail is not taken for damage. Headers and markers state what a completed sync has covered. If nothing durable
 * was lost, then everything below D verifies, so the first place that does not is at D or behind it: that is a tail which no
 * sync has covered, and it may be torn in any way, groups and whole segments missing in the middle included.
 *
 * Why damage is not taken for a torn tail. If a place below D does not verify, the stream ends before D. D is known from what lies
 * behind, if the walk could not go there: so past the end of the stream, in that segment and in all later ones, every
 * 8 bytes are tried as a header. (Damage between the last two things that say so, that is in the last group synced before a
 * power cut that also took the unsynced end marker behind it, cannot be told from a tear, and is not acknowledged as damage.
 * After an orderly close the marker is synced.)
 *
 * Why nothing issued twice. next_base in the manifest is durable before the first version of a segment is issued, so
 * every version ever handed out lies below it; a new segment begins there. Only a segment that was closed in good order is
 * continued: the marker of the close carries the session, and the first append of the next session makes a larger session
 * durable in the manifest before any version is issued, so that marker never counts again.
 *
 * With a mark all this begins at the mark: what lies before was durable when the checkpoint was named, so D is beyond it, and the chain's
 * checksum there is part of the mark. Side segments then have nothing to show but what an earlier recovery cut off the stream behind
 * the mark: copies that compaction made since are not needed, as no segment they were made from has been dropped.
 *
 * Segments whose groups are all proven are shown as soon as that is known. What lies behind D is recover.c's work, or, when reading
 * only, shown as it is.
 */
#include "log/replay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/check.h"

/* ---- Showing ---- */

enum kvs_status replay_show(struct replay *replay, struct segment *segment, uint64_t locator,
                            const struct log_record *record)
{
    if (record->kind != LOG_CHUNK && record->version > replay->log->next_base)
        return fail(KVS_CORRUPT, 0, "%s/%s: a version from the future at offset %" PRIu64,
                    replay->log->dir, segment->name, locator_off(locator));
    segment_note_version(segment, record);
    if (record->kind != LOG_CHUNK && record->version > replay->max_version)
        replay->max_version = record->version;
    return replay->fn == NULL ? KVS_OK : replay->fn(replay->ctx, locator, record);
}

struct show {
    struct replay *replay;
    struct segment *segment;
};

static enum kvs_status show_one(void *ctx, uint64_t locator, const struct log_record *record)
{
    struct show *show = ctx;
    return replay_show(show->replay, show->segment, locator, record);
}

static enum kvs_status show_segment(struct replay *replay, struct segment *segment, uint64_t start)
{
    struct show show = { .replay = replay, .segment = segment };
    return segment_scan_from(segment, start, show_one, &show);
}

/* ---- Loading ---- */

static enum kvs_status load(struct segment *segment, uint64_t *ret_size)
{
    uint64_t size;
    enum kvs_status status = segment->file->ops->size(segment->file, &size);
    if (status != KVS_OK)
        return status;
    if (size > segment->header.capacity)
        size = segment->header.capacity;
    size -= size % RECORD_ALIGN;
    extent_set(&segment->end, size);
    struct frame *frame = NULL;
    status = segment_hold_frame(segment, &frame);
    if (status != KVS_OK)
        return status;
    segment_publish_frame(segment, frame);
    segment->frame_holds = 0; /* nobody else is here yet */
    *ret_size = size;
    return KVS_OK;
}

/* From here on the segment ends at @end: what its memory holds behind that is not to be read. */
static void set_extents(struct segment *segment, uint64_t end)
{
    extent_set(&segment->end, end);
    extent_set(&segment->written, end);
    extent_set(&segment->synced, end);
    /* relaxed: nobody else is here yet */
    atomic_store_explicit(&segment->slot->limit, (uint32_t)end, memory_order_relaxed);
}

/* ---- Side segments ---- */

static enum kvs_status replay_side(struct replay *replay, struct segment *segment)
{
    uint64_t size;
    uint64_t records = 0;
    enum kvs_status status = load(segment, &size);
    if (status != KVS_OK)
        return status;
    if (segment->final && size > segment->proven)
        size = segment->proven;
    uint64_t end = scan_side(segment, segment->frame->data, size, &records);
    if (end < segment->proven)
        return fail(KVS_CORRUPT, 0,
                    "%s/%s is damaged at offset %" PRIu64 ", before its proven end %" PRIu64
                    "; kvs check tells more",
                    replay->log->dir, segment->name, end, segment->proven);
    set_extents(segment, end);
    if (end > segment->proven)
        segment->shown_end =
            segment->proven < SEGMENT_HEADER_BYTES ? SEGMENT_HEADER_BYTES : segment->proven;
    segment_seal(segment);
    status = show_segment(replay, segment, SEGMENT_HEADER_BYTES);
    log_trim(replay->log);
    return status;
}

/* Where a side segment ends, of which nothing is to be shown. What it may have behind its proven end is read, all else is not. */
static enum kvs_status measure_side(struct segment *segment)
{
    uint64_t from = segment->proven < SEGMENT_HEADER_BYTES ? SEGMENT_HEADER_BYTES : segment->proven;
    uint64_t size;
    enum kvs_status status = segment->file->ops->size(segment->file, &size);
    if (status != KVS_OK)
        return status;
    if (size < segment->proven)
        return fail(KVS_CORRUPT, 0, "%s/%s ends at offset %" PRIu64 ", before its proven end",
                    segment->log->dir, segment->name, size);
    if (size > segment->header.capacity)
        size = segment->header.capacity;
    size -= size % RECORD_ALIGN;
    uint64_t end = from;
    if (!segment->final && size > from) {
        uint8_t *data = malloc(size - from);
        size_t got = 0;
        uint64_t records = 0;
        if (data == NULL)
            return fail(KVS_NO_MEMORY, ENOMEM, "memory to read %s", segment->name);
        status = segment->file->ops->read(segment->file, from, data, size - from, false, &got);
        if (status == KVS_OK)
            end = scan_side_from(segment, data, from, from + got, &records);
        free(data);
        if (status != KVS_OK)
            return status;
    }
    set_extents(segment, end);
    if (end > from)
        segment->shown_end = from;
    segment_seal(segment);
    return KVS_OK;
}

static int by_first_version(const void *a, const void *b)
{
    const struct cut_off *x = a;
    const struct cut_off *y = b;
    return x->first_version < y->first_version ? -1 : x->first_version > y->first_version;
}

/* A side segment behind a mark. */
static enum kvs_status take_side(struct replay *replay, struct segment *segment)
{
    enum kvs_status status = measure_side(segment);
    if (status != KVS_OK || !segment->recovered || segment->header.id < replay->mark->id)
        return status;
    /* Only versions are looked at: they are in order, chunks have none. */
    struct replay probe = { .log = replay->log };
    status = show_segment(&probe, segment, SEGMENT_HEADER_BYTES);
    /* relaxed: nobody else is here yet */
    uint64_t first = atomic_load_explicit(&segment->min_version, memory_order_relaxed);
    if (status == KVS_OK && first != UINT64_MAX)
        replay->cut_offs[replay->cut_off_count++] = (struct cut_off){ segment, first };
    return status;
}

static enum kvs_status show_not_chunk(void *ctx, uint64_t locator, const struct log_record *record)
{
    return record->kind == LOG_CHUNK ? KVS_OK : show_one(ctx, locator, record);
}

/* Shows what was cut off the stream before @base. */
static enum kvs_status show_cut_off(struct replay *replay, uint64_t base)
{
    enum kvs_status status = KVS_OK;
    while (status == KVS_OK && replay->cut_off_next < replay->cut_off_count &&
           replay->cut_offs[replay->cut_off_next].first_version <= base) {
        struct show show = { replay, replay->cut_offs[replay->cut_off_next++].segment };
        status = segment_scan(show.segment, show_not_chunk, &show);
    }
    return status;
}

static enum kvs_status take_sides(struct replay *replay)
{
    struct log *log = replay->log;
    replay->cut_offs = calloc(log->segment_count + 1, sizeof *replay->cut_offs);
    if (replay->cut_offs == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "list of %zu segments", log->segment_count);
    enum kvs_status status = KVS_OK;
    for (size_t i = 0; i < log->segment_count && status == KVS_OK; i++) {
        if (log->segments[i]->header.side)
            status = take_side(replay, log->segments[i]);
    }
    if (replay->cut_off_count > 1)
        qsort(replay->cut_offs, replay->cut_off_count, sizeof *replay->cut_offs, by_first_version);
    return status;
}

/* ---- The stream ---- */

static void raise_durable(struct replay *replay, uint64_t claim)
{
    if (claim > replay->durable)
        replay->durable = claim;
}

static enum kvs_status damage(const struct replay *replay, const struct found *found, uint64_t off)
{
    return fail(KVS_CORRUPT, 0,
                "%s/%s is damaged at offset %" PRIu64
                ", before the durable end of the log; kvs check tells more",
                replay->log->dir, found->segment->name, off);
}

/* Marks the groups of a segment that are proven by now. */
static void find_proven(const struct replay *replay, struct found *found, const uint8_t *data)
{
    const struct segment *segment = found->segment;
    uint64_t off = found->start;
    found->proven_chain =
        off > SEGMENT_HEADER_BYTES ? replay->mark->chain : segment->start_chain;
    while (off < found->scan.end) {
        struct group_header group;
        uint32_t checksum;
        CHECK(group_header_decode(data + off, segment->seed, segment->header.base, off, &group,
                                  &checksum));
        uint64_t end = off + GROUP_HEADER_BYTES + group.length;
        if (!segment->final && segment->header.base + end > replay->durable)
            break;
        found->proven_chain = checksum;
        off = end;
    }
    found->proven_end = off;
}

/* Shows what is proven of a joined segment. */
static enum kvs_status show_proven(struct replay *replay, struct found *found)
{
    struct frame *frame = NULL;
    extent_set(&found->segment->end, found->size);
    enum kvs_status status = segment_hold_frame(found->segment, &frame);
    if (status != KVS_OK)
        return status;
    find_proven(replay, found, frame->data);
    segment_release_frame(found->segment, frame);
    set_extents(found->segment, found->proven_end);
    found->shown = true;
    status = show_segment(replay, found->segment, found->start);
    log_trim(replay->log);
    return status;
}

/* Shows the segments whose groups are all proven by now. */
static enum kvs_status show_settled(struct replay *replay, size_t upto)
{
    enum kvs_status status = KVS_OK;
    for (size_t i = 0; i < upto && status == KVS_OK; i++) {
        struct found *found = &replay->mains[i];
        bool whole = found->scan.valid_end == found->scan.end;
        if (found->joined && !found->shown && whole &&
            (found->segment->final ||
             found->segment->header.base + found->scan.end <= replay->durable))
            status = show_proven(replay, found);
    }
    return status;
}

/* Follows one main segment, the stream before it ending in *chain. */
static enum kvs_status follow(struct replay *replay, size_t i, uint32_t *chain)
{
    struct found *found = &replay->mains[i];
    struct segment *segment = found->segment;
    enum kvs_status status = load(segment, &found->size);
    if (status != KVS_OK)
        return status;
    if (segment->final && found->size > segment->proven)
        found->size = segment->proven;
    /* A final segment is followed by whatever its successor says; behind an open one the chain must go on. */
    bool open_before = i > 0 && !replay->mains[i - 1].segment->final;
    bool broken = open_before && segment->chain_known && segment->start_chain != *chain;
    uint32_t start = segment->chain_known ? segment->start_chain : *chain;
    bool from_mark = found->start > SEGMENT_HEADER_BYTES;
    if (from_mark)
        start = replay->mark->chain;
    scan_main(segment, segment->frame->data, found->start, found->size, start, &found->scan);
    if (segment->final && found->scan.end != segment->proven && segment->proven > found->start)
        return damage(replay, found, found->scan.bad_off);
    found->joined = segment->final || (!broken && (found->scan.matched || from_mark));
    if (!open_before)
        *chain = start;
    if (found->joined) {
        replay->last = i;
        *chain = found->scan.chain;
        if (!from_mark) {
            segment->start_chain = start;
            segment->chain_known = true;
        }
        raise_durable(replay, found->scan.claim);
        log_raise_now(replay->log, found->scan.time_ms);
    }
    return KVS_OK;
}

/* What lies behind the end of the stream: claims, and bytes. */
static enum kvs_status look_past(struct replay *replay)
{
    bool none = replay->last == replay->main_count;
    for (size_t i = none ? 0 : replay->last; i < replay->main_count; i++) {
        struct found *found = &replay->mains[i];
        struct frame *frame = NULL;
        if (found->segment->final)
            continue;
        uint64_t end = extent_get(&found->segment->end);
        extent_set(&found->segment->end, found->size);
        enum kvs_status status = segment_hold_frame(found->segment, &frame);
        if (status != KVS_OK)
            return status;
        bool is_last = i == replay->last;
        uint64_t from = is_last ? found->scan.bad_off : SEGMENT_HEADER_BYTES;
        raise_durable(replay, scan_claims(found->segment, frame->data, from, found->size));
        uint64_t after =
            is_last ? found->scan.valid_end + (found->scan.marker ? GROUP_HEADER_BYTES : 0) : from;
        if (after < found->size)
            replay->torn_bytes += scan_used(frame->data, after, found->size) - after;
        segment_release_frame(found->segment, frame);
        extent_set(&found->segment->end, end);
    }
    return KVS_OK;
}

/* Whether everything that was proven durable has been found. */
static enum kvs_status judge(struct replay *replay)
{
    size_t next = replay->last == replay->main_count ? 0 : replay->last + 1;
    if (replay->last < replay->main_count && !replay->mains[replay->last].segment->final) {
        const struct found *last = &replay->mains[replay->last];
        if (replay->durable > last->segment->header.base + last->scan.bad_off)
            return damage(replay, last, last->scan.bad_off);
    } else if (next < replay->main_count) {
        const struct found *lost = &replay->mains[next];
        if (replay->durable > lost->segment->header.base + SEGMENT_HEADER_BYTES)
            return damage(replay, lost, SEGMENT_HEADER_BYTES);
    }
    return KVS_OK;
}

static enum kvs_status replay_mains(struct replay *replay)
{
    uint32_t chain = replay->mark != NULL ? replay->mark->chain : 0;
    replay->last = replay->main_count;
    enum kvs_status status = KVS_OK;
    for (size_t i = 0; i < replay->main_count && status == KVS_OK; i++) {
        status = show_cut_off(replay, replay->mains[i].segment->header.base);
        if (status == KVS_OK)
            status = follow(replay, i, &chain);
        if (status == KVS_OK)
            status = show_settled(replay, i + 1);
        log_trim(replay->log);
    }
    if (status == KVS_OK)
        status = show_cut_off(replay, UINT64_MAX);
    if (status == KVS_OK)
        status = look_past(replay);
    if (status == KVS_OK)
        status = judge(replay);
    for (size_t i = 0; i < replay->main_count && status == KVS_OK; i++) {
        struct found *found = &replay->mains[i];
        if (!found->joined) {
            found->proven_end = found->start;
            set_extents(found->segment, found->start);
            continue;
        }
        if (!found->shown)
            status = show_proven(replay, found);
        if (found->scan.valid_end > found->proven_end)
            replay->unproven = true;
    }
    return status;
}

/* ---- Behind the proven end ---- */

/* The batches of one group, whole or not, from @off on. */
static enum kvs_status each_batch(struct segment *segment, const uint8_t *data, uint64_t off,
                                  uint64_t end, unproven_may_fn *may, unproven_fn *fn, void *ctx,
                                  bool *go_on)
{
    while (off < end && *go_on) {
        uint64_t bad_off;
        uint64_t records = 0;
        uint64_t batch_end = scan_batch(segment, data, off, end, &bad_off, &records);
        CHECK(batch_end != 0);
        enum kvs_status status =
            may == NULL ? KVS_OK : may(ctx, segment, data, off, batch_end, go_on);
        for (uint64_t at = off; at < batch_end && *go_on && status == KVS_OK;) {
            struct log_record record;
            uint32_t stored =
                record_decode(data + at, batch_end - at, segment->header.base + at, &record);
            status = fn(ctx, segment, at, &record);
            at += stored;
        }
        if (status != KVS_OK)
            return status;
        off = batch_end;
    }
    return KVS_OK;
}

static enum kvs_status each_group(struct found *found, const uint8_t *data, unproven_may_fn *may,
                                  unproven_fn *fn, void *ctx, bool *go_on)
{
    struct segment *segment = found->segment;
    for (uint64_t off = found->proven_end; off < found->scan.valid_end && *go_on;) {
        struct group_header group;
        uint32_t checksum;
        CHECK(group_header_decode(data + off, segment->seed, segment->header.base, off, &group,
                                  &checksum));
        off += GROUP_HEADER_BYTES;
        uint64_t end = off + group.length;
        if (end > found->scan.valid_end)
            end = found->scan.valid_end;
        enum kvs_status status = each_batch(segment, data, off, end, may, fn, ctx, go_on);
        if (status != KVS_OK)
            return status;
        off = end;
    }
    return KVS_OK;
}

enum kvs_status replay_each_unproven(struct replay *replay, unproven_may_fn *may, unproven_fn *fn,
                                     void *ctx)
{
    bool go_on = true;
    for (size_t i = 0; i < replay->main_count && go_on; i++) {
        struct found *found = &replay->mains[i];
        if (!found->joined || found->scan.valid_end <= found->proven_end)
            continue;
        struct frame *frame = NULL;
        set_extents(found->segment, found->scan.valid_end);
        enum kvs_status status = segment_hold_frame(found->segment, &frame);
        if (status == KVS_OK) {
            status = each_group(found, frame->data, may, fn, ctx, &go_on);
            segment_release_frame(found->segment, frame);
        }
        set_extents(found->segment, found->proven_end);
        if (status != KVS_OK)
            return status;
    }
    return KVS_OK;
}

static enum kvs_status show_unproven(void *ctx, struct segment *segment, uint64_t off,
                                     const struct log_record *record)
{
    return replay_show(ctx, segment, locator_make(segment->header.slot, off, record->stored_bytes),
                       record);
}

/* Reading only: the tail is shown where it lies. */
static enum kvs_status show_tail(struct replay *replay)
{
    enum kvs_status status = replay_each_unproven(replay, NULL, show_unproven, replay);
    for (size_t i = 0; i < replay->main_count; i++) {
        struct found *found = &replay->mains[i];
        if (found->joined && found->scan.valid_end > found->proven_end)
            set_extents(found->segment, found->scan.valid_end);
    }
    return status;
}

/* ---- Ready ---- */

/* A segment that was closed in good order is continued: its memory becomes as large as it may grow. */
static enum kvs_status prepare_resume(struct replay *replay, struct found *found)
{
    struct log *log = replay->log;
    struct segment *segment = found->segment;
    struct frame *frame = frame_new(segment->header.capacity);
    if (frame == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "memory for %s", segment->name);
    struct frame *old = NULL;
    enum kvs_status status = segment_hold_frame(segment, &old);
    if (status != KVS_OK) {
        frame_free(frame);
        return status;
    }
    memcpy(frame->data, old->data, found->proven_end);
    segment_release_frame(segment, old);
    segment_retire_frame(segment);
    segment_publish_frame(segment, frame);
    log->resume = segment;
    return KVS_OK;
}

enum {
    RESUME_BYTES_MAX = 8 * 1024 * 1024
};

static bool can_resume(const struct replay *replay)
{
    if (replay->log->read_only || replay->last == replay->main_count || replay->torn_bytes > 0 ||
        replay->unproven)
        return false;
    const struct found *last = &replay->mains[replay->last];
    /* relaxed: nobody else is here yet */
    uint32_t session = atomic_load_explicit(&replay->log->session, memory_order_relaxed);
    /* Behind a checkpoint only what is short is read again for that; a new segment costs less. */
    if (replay->mark != NULL && last->scan.end > RESUME_BYTES_MAX)
        return false;
    return !last->segment->final && last->segment->header.version == FORMAT_VERSION &&
           last->scan.closed && last->scan.session == session &&
           replay->durable == last->segment->header.base + last->scan.end;
}

static enum kvs_status make_ready(struct replay *replay)
{
    struct log *log = replay->log;
    enum kvs_status status = KVS_OK;
    if (replay->mark != NULL) {
        log->chain = replay->mark->chain;
        if (replay->max_version < replay->mark->version)
            replay->max_version = replay->mark->version;
    }
    if (can_resume(replay))
        status = prepare_resume(replay, &replay->mains[replay->last]);
    for (size_t i = 0; i < replay->main_count; i++) {
        struct found *found = &replay->mains[i];
        if (found->joined && found->proven_end > SEGMENT_HEADER_BYTES)
            log->chain = found->proven_chain;
        if (found->segment != log->resume)
            segment_seal(found->segment);
    }
    uint64_t version =
        replay->max_version > replay->durable ? replay->max_version : replay->durable;
    /* relaxed: nobody else is here yet */
    atomic_store_explicit(&log->appended, version, memory_order_relaxed);
    atomic_store_explicit(&log->written, version, memory_order_relaxed);
    atomic_store_explicit(&log->durable, version, memory_order_relaxed);
    return status;
}

static int by_base(const void *a, const void *b)
{
    const struct found *x = a;
    const struct found *y = b;
    return x->segment->header.base < y->segment->header.base
               ? -1
               : x->segment->header.base > y->segment->header.base;
}

static enum kvs_status collect_mains(struct replay *replay)
{
    struct log *log = replay->log;
    replay->mains = calloc(log->segment_count + 1, sizeof *replay->mains);
    if (replay->mains == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "list of %zu segments", log->segment_count);
    for (size_t i = 0; i < log->segment_count; i++) {
        struct segment *segment = log->segments[i];
        if (segment->header.side)
            continue;
        if (replay->mark == NULL || segment->header.base >= replay->mark->base) {
            replay->mains[replay->main_count++] =
                (struct found){ .segment = segment, .start = SEGMENT_HEADER_BYTES };
            continue;
        }
        if (!segment->final)
            return fail(KVS_CORRUPT, 0, "%s/%s lies before the checkpoint and is not complete",
                        log->dir, segment->name);
        set_extents(segment, segment->proven);
        segment_seal(segment);
    }
    qsort(replay->mains, replay->main_count, sizeof *replay->mains, by_base);
    for (size_t i = 1; i < replay->main_count; i++) {
        const struct segment_header *before = &replay->mains[i - 1].segment->header;
        if (replay->mains[i].segment->header.base < before->base + before->capacity)
            return fail(KVS_CORRUPT, 0, "%s/%s overlaps the segment before it", log->dir,
                        replay->mains[i].segment->name);
    }
    if (replay->mark == NULL || replay->mark->off == SEGMENT_HEADER_BYTES)
        return KVS_OK;
    if (replay->main_count == 0 || replay->mains[0].segment->header.base != replay->mark->base)
        return fail(KVS_CORRUPT, 0, "%s: the segment in which the checkpoint ends is missing",
                    log->dir);
    replay->mains[0].start = replay->mark->off;
    return KVS_OK;
}

enum kvs_status replay_run(struct log *log, log_replay_fn *fn, void *ctx,
                           const struct log_mark *mark)
{
    struct replay replay = {
        .log = log, .fn = fn, .ctx = ctx, .mark = mark, .durable = log_durable(log)
    };
    enum kvs_status status = collect_mains(&replay);
    if (status == KVS_OK && mark != NULL)
        status = take_sides(&replay);
    for (size_t i = 0; mark == NULL && i < log->segment_count && status == KVS_OK; i++) {
        if (log->segments[i]->header.side)
            status = replay_side(&replay, log->segments[i]);
    }
    if (status == KVS_OK)
        status = replay_mains(&replay);
    if (status == KVS_OK) {
        stat_add(&log->stat_torn_bytes, replay.torn_bytes);
        stat_add(&log->stat_torn_tails, replay.torn_bytes > 0);
        if (log->read_only)
            status = show_tail(&replay);
        else if (replay.unproven || replay.torn_bytes > 0)
            status = recover_tail(&replay);
    }
    if (status == KVS_OK)
        status = make_ready(&replay);
    free(replay.mains);
    free(replay.cut_offs);
    log_trim(log);
    return status;
}
