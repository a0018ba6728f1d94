/*
 * append.c - building batches, and placing them at the end of the log under the append lock.
 *
 * Invariants, under append_mu, when an active segment exists:
 *   group_off + GROUP_HEADER_BYTES <= tail_off, and the group being gathered is exactly what lies between them;
 *   tail_off + GROUP_HEADER_BYTES <= capacity, so that the group can be sealed and an end marker written behind it;
 *   bytes of the frame below group_off belong to sealed groups and never change again.
 * A group never spans segments, nor does a batch.
 *
 * Everything that may fail or wait (disk space, a new segment, room in the tail) is done in log_append_begin() before the
 * lock is given to the caller. Placing and publishing cannot fail.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/check.h"
#include "log/state.h"

/* So much disk space is kept reserved ahead of the tail: little of what is small. */
static uint64_t ahead_bytes(uint64_t tail_off)
{
    static const uint64_t least = 64 * 1024;
    static const uint64_t most = 1024 * 1024;
    return tail_off < least ? least : tail_off > most ? most : tail_off;
}

/* ---- Building a batch ---- */

void log_batch_init(struct log_batch *batch)
{
    memset(batch, 0, sizeof *batch);
    buf_init(&batch->bytes, BATCH_BYTES_MAX);
}

void log_batch_done(struct log_batch *batch)
{
    buf_done(&batch->bytes);
    free(batch->offs);
    batch->offs = NULL;
    batch->count = 0;
    batch->capacity = 0;
}

void log_batch_clear(struct log_batch *batch)
{
    buf_truncate(&batch->bytes, 0);
    batch->count = 0;
    batch->last_bytes = 0;
}

static uint8_t *batch_at(const struct log_batch *batch, size_t off)
{
    return (uint8_t *)batch->bytes.data + off;
}

static enum kvs_status batch_grow(struct log_batch *batch, size_t more)
{
    enum kvs_status status = buf_reserve(&batch->bytes, more);
    if (status != KVS_OK || batch->count < batch->capacity)
        return status;
    size_t capacity = batch->capacity == 0 ? 8 : batch->capacity * 2;
    uint32_t *offs = realloc(batch->offs, capacity * sizeof *offs);
    if (offs == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "batch of %zu records", capacity);
    batch->offs = offs;
    batch->capacity = capacity;
    return KVS_OK;
}

enum kvs_status log_batch_add(struct log_batch *batch, const struct log_record *record)
{
    enum kvs_status status = record_check(record);
    if (status != KVS_OK)
        return status;
    unsigned flags = record->flags & (LOG_WEAK | LOG_LARGE | LOG_OPEN_END);
    if (record->expire_ms != 0)
        flags |= RECORD_EXPIRY;
    size_t plain = record_plain_bytes(record, flags);
    /* Up to 4 bytes of distance for the record before this one, and both paddings. */
    size_t most = align_up(plain) + RECORD_ALIGN;
    if (batch->bytes.len + most > BATCH_BYTES_MAX)
        return fail(KVS_TOO_LONG, 0, "batch over %d bytes", BATCH_BYTES_MAX);
    status = batch_grow(batch, most);
    if (status != KVS_OK)
        return status;

    size_t end = batch->bytes.len;
    if (batch->count > 0) {
        /* The record before turns out not to be the last: it gets room for the distance, which the seal fills in. */
        size_t before_off = batch->offs[batch->count - 1];
        uint8_t *before = batch_at(batch, before_off);
        size_t bytes = align_up(batch->last_bytes + (size_t)RECORD_DISTANCE_BYTES);
        memset(before + batch->last_bytes, 0, bytes - batch->last_bytes);
        end = before_off + bytes;
    }
    uint8_t *out = batch_at(batch, end);
    record_encode(out, record, flags);
    memset(out + plain, 0, align_up(plain) - plain);
    batch->offs[batch->count++] = (uint32_t)end;
    batch->last_bytes = (uint32_t)plain;
    batch->bytes.len = end + align_up(plain);
    return KVS_OK;
}

uint32_t log_batch_record_bytes(const struct log_batch *batch, size_t i)
{
    size_t end = i + 1 < batch->count ? batch->offs[i + 1] : batch->bytes.len;
    return (uint32_t)(end - batch->offs[i]);
}

void log_batch_replaces(struct log_batch *batch, size_t i, enum log_replaced replaced)
{
    record_set_replaced(batch_at(batch, batch->offs[i]), replaced);
}

void log_batch_seal(struct log_batch *batch)
{
    CHECK(batch->count > 0);
    for (size_t i = 0; i < batch->count; i++) {
        uint8_t *out = batch_at(batch, batch->offs[i]);
        uint32_t bytes = log_batch_record_bytes(batch, i);
        if (i + 1 < batch->count)
            record_set_distance(out, bytes, (uint32_t)(batch->bytes.len - batch->offs[i]));
        record_seal(out, bytes);
    }
}

/* ---- Groups and segments ---- */

void append_seal_group(struct log *log)
{
    struct segment *active = log->active;
    if (active == NULL || log->tail_off == log->group_off + GROUP_HEADER_BYTES)
        return;
    CHECK(log->placed_off == log->tail_off);
    struct group_header header = {
        .position = active->header.base + log->group_off,
        .length = (uint32_t)(log->tail_off - log->group_off - GROUP_HEADER_BYTES),
        .durable = log_durable(log),
        .previous = log->chain,
        .session = atomic_load_explicit(&log->session,
                                        memory_order_relaxed), /* relaxed: set before any append */
        .time_ms = log_now_ms(log),
    };
    log->chain = group_header_encode(&header, active->seed, log->group_off,
                                     active->frame->data + log->group_off);
    stage_seal(log);
    log->group_off = log->tail_off;
    log->tail_off += GROUP_HEADER_BYTES;
    log->placed_off = log->tail_off;
    stat_add(&log->unwritten_bytes, GROUP_HEADER_BYTES);
    stat_add(&log->stat_groups, 1);
}

void append_activate(struct log *log, struct segment *segment)
{
    struct segment *before = log->active;
    if (before != NULL) {
        append_seal_group(log);
        segment_seal(before);
        before->commit_next = segment;
    }
    /* From commit_head to active every segment is held: once sealed and durable it may be compacted and dropped, and we still
     * look at it. relaxed: it is listed, so it is there. pairs with: round_forget */
    atomic_fetch_add_explicit(&segment->refs, 1, memory_order_relaxed);
    if (log->commit_head == NULL)
        log->commit_head = segment;
    if (log->write_head == NULL)
        log->write_head = segment;
    if (extent_get(&segment->end) == SEGMENT_HEADER_BYTES) { /* else it is continued */
        segment->start_chain = log->chain;
        segment->chain_known = true;
    }
    log->active = segment;
    log->group_off = extent_get(&segment->end);
    log->tail_off = log->group_off + GROUP_HEADER_BYTES;
    log->placed_off = log->tail_off;
    log->bell_off = 0; /* what is to be prepared next is up to the committer */
}

/* What stands in the way of placing @bytes now. */
enum obstacle {
    CLEAR,
    NO_SEGMENT, /* the active one has no room, and no next one is prepared that has */
    NO_SPACE,   /* disk space must be reserved first */
    NO_TAIL,    /* too much is waiting to be written */
};

static enum obstacle obstacle_to(struct log *log, size_t bytes) REQUIRES(&log->append_mu)
{
    /* relaxed: the bound is a rough one */
    uint64_t unwritten = atomic_load_explicit(&log->unwritten_bytes, memory_order_relaxed);
    if (unwritten > 0 && unwritten + bytes > TAIL_BYTES_MAX)
        return NO_TAIL;
    while (log->active == NULL || segment_is_sealed(log->active) ||
           log->tail_off + bytes + GROUP_HEADER_BYTES > log->active->header.capacity) {
        if (log->next == NULL)
            return NO_SEGMENT;
        append_activate(log, log->next); /* an empty one that is too small is left behind, empty */
        log->next = NULL;
    }
    if (!stage_has_room(log, bytes,
                        log->active->header.base + log->tail_off + bytes + GROUP_HEADER_BYTES))
        return NO_TAIL;
    if (log->tail_off + bytes + GROUP_HEADER_BYTES > extent_get(&log->active->allocated))
        return NO_SPACE;
    return CLEAR;
}

/* Continues the segment that the last session closed in good order: from now on it is not closed any more, durably. */
static enum kvs_status resume_segment(struct log *log) REQUIRES(&log->manifest_mu)
{
    struct segment *segment = log->resume;
    log->resume = NULL;
    enum kvs_status status = segments_store(log);
    if (status != KVS_OK) {
        log->resume = segment;
        return status;
    }
    mutex_lock(&log->append_mu);
    append_activate(log, segment);
    mutex_unlock(&log->append_mu);
    return KVS_OK;
}

/* The first append of a session: from here on the manifest says that an end marker of before is no orderly close, and segments
 * that were prepared and never used are gone. */
static enum kvs_status first_append(struct log *log) REQUIRES(&log->manifest_mu)
{
    if (log->session_begun)
        return KVS_OK;
    struct segment **empty = calloc(log->segment_count + 1, sizeof(struct segment *));
    if (empty == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "list of %zu segments", log->segment_count);
    size_t count = 0;
    for (size_t i = 0; i < log->segment_count; i++) {
        struct segment *segment = log->segments[i];
        if (!segment->header.side && segment_is_sealed(segment) &&
            extent_get(&segment->end) == SEGMENT_HEADER_BYTES)
            empty[count++] = segment;
    }
    /* relaxed: under manifest_mu, and group headers come after. Should the manifest fail now, a number too high is no harm. */
    atomic_fetch_add_explicit(&log->session, 1, memory_order_relaxed);
    log->session_begun = true;
    stage_open(log);
    enum kvs_status status = count == 0 ? KVS_OK : segments_drop(log, empty, count);
    free(empty);
    return status;
}

/* Makes a next segment with room for @bytes, unless somebody else did meanwhile; @ahead: though the active one has room. */
static enum kvs_status provide_segment(struct log *log, size_t bytes, bool ahead)
{
    enum kvs_status status = KVS_OK;
    mutex_lock(&log->manifest_mu);
    mutex_lock(&log->append_mu);
    bool needed = log->next == NULL && (ahead || obstacle_to(log, bytes) == NO_SEGMENT);
    bool first = log->active == NULL;
    mutex_unlock(&log->append_mu);
    if (needed)
        status = first_append(log);
    if (needed && status == KVS_OK && first && log->resume != NULL) {
        status = resume_segment(log);
    } else if (needed && status == KVS_OK) {
        struct segment *segment = NULL;
        status = segment_create(log, false, true, bytes, first ? bytes : SPACE_STEP_MAX, &segment);
        if (status == KVS_OK) {
            mutex_lock(&log->append_mu);
            log->next = segment;
            mutex_unlock(&log->append_mu);
        }
    }
    mutex_unlock(&log->manifest_mu);
    return status;
}

/* Reserves disk space for @bytes in the active segment, and some more. */
static enum kvs_status provide_space(struct log *log, size_t bytes)
{
    mutex_lock(&log->append_mu);
    struct segment *active = log->active;
    uint64_t need = active == NULL ? 0 : log->tail_off + bytes + GROUP_HEADER_BYTES;
    bool fits = active != NULL && !segment_is_sealed(active) && need <= active->header.capacity;
    if (fits) /* relaxed: we know it is there; it cannot be reaped while pinned */
        atomic_fetch_add_explicit(&active->refs, 1, memory_order_relaxed);
    mutex_unlock(&log->append_mu);
    if (!fits)
        return KVS_OK; /* things have changed: look again */
    enum kvs_status status = segment_allocate(active, need);
    segment_unref(active);
    return status;
}

static void ask_for_room(struct log *log)
{
    /* release: the committer looks at the state after the flag. pairs with: append_prepare */
    atomic_store_explicit(&log->want_room, true, memory_order_release);
    gate_notify(&log->work);
}

enum kvs_status log_append_begin(struct log *log, size_t bytes, bool no_block)
{
    if (log->read_only)
        return fail(KVS_READ_ONLY, 0, "%s was opened for reading only", log->dir);
    if (bytes > BATCH_BYTES_MAX)
        return fail(KVS_TOO_LONG, 0, "batch of %zu bytes, at most %d", bytes, BATCH_BYTES_MAX);
    for (;;) {
        uint32_t ticket = gate_ticket(&log->gate);
        enum kvs_status status = log_failure(log);
        if (status != KVS_OK)
            return status;
        mutex_lock(&log->append_mu);
        enum obstacle obstacle = obstacle_to(log, bytes);
        if (obstacle == CLEAR)
            return KVS_OK; /* with the lock */
        mutex_unlock(&log->append_mu);
        if (no_block) {
            if (obstacle == NO_TAIL)
                log_request_write(log);
            else
                ask_for_room(log);
            return KVS_WOULD_BLOCK;
        }
        switch (obstacle) {
        case NO_SEGMENT:
            status = provide_segment(log, bytes, false);
            break;
        case NO_SPACE:
            status = provide_space(log, bytes);
            break;
        case NO_TAIL:
            if (!commit_try_lead(log, false))
                gate_wait(&log->gate, ticket, GATE_FOR_EVER);
            break;
        case CLEAR:
            break;
        }
        if (status != KVS_OK)
            return status;
    }
}

/* Where the tail passes the half of its segment without a next one, or comes near the end of its disk space, there is something to do. */
static void set_bell(struct log *log)
{
    mutex_lock(&log->append_mu);
    const struct segment *active = log->active;
    uint64_t bell = UINT64_MAX;
    if (active != NULL && !segment_is_sealed(active)) {
        uint64_t allocated = extent_get(&active->allocated);
        uint64_t half = active->header.capacity / 2;
        if (log->next == NULL && half > log->tail_off)
            bell = half;
        uint64_t ahead = ahead_bytes(log->tail_off);
        if (allocated < active->header.capacity && allocated > log->tail_off + ahead &&
            allocated - ahead < bell)
            bell = allocated - ahead;
    }
    log->bell_off = bell;
    mutex_unlock(&log->append_mu);
}

void append_prepare(struct log *log)
{
    /* acquire: what the asker saw. pairs with: ask_for_room */
    bool asked = atomic_exchange_explicit(&log->want_room, false, memory_order_acquire);
    if (log_has_failed(log))
        return;
    mutex_lock(&log->append_mu);
    struct segment *active = log->active;
    bool usable = active != NULL && !segment_is_sealed(active);
    uint64_t left = usable ? active->header.capacity - log->tail_off : 0;
    bool segment_due = log->next == NULL && (usable ? left < active->header.capacity / 2 : asked);
    uint64_t ahead = usable ? ahead_bytes(log->tail_off) : 0;
    bool space_due =
        usable && left > ahead + GROUP_HEADER_BYTES &&
        extent_get(&active->allocated) <= log->tail_off + (asked ? SPACE_STEP_MAX / 4 : ahead);
    mutex_unlock(&log->append_mu);
    enum kvs_status status = KVS_OK;
    if (space_due)
        status = provide_space(log, ahead);
    if (segment_due && status == KVS_OK)
        status = provide_segment(log, 0, true);
    set_bell(log);
    /* A full disk or missing memory: whoever appends next meets it himself and tells his caller. */
    if (asked) {
        gate_notify(&log->gate);
        commit_progress(log);
    }
    (void)status;
}

/* ---- Placing ---- */

void log_append_place(struct log *log, const struct log_batch *batch, struct log_place *ret)
{
    struct segment *active = log->active;
    CHECK(log->placed_off == log->tail_off && batch->count > 0 &&
          log->tail_off + batch->bytes.len + GROUP_HEADER_BYTES <= active->header.capacity);
    uint64_t off = log->tail_off;
    uint8_t *out = active->frame->data + off;
    memcpy(out, batch->bytes.data, batch->bytes.len);
    for (size_t i = 0; i < batch->count; i++)
        record_bind(out + batch->offs[i], place_seed(active->seed, off + batch->offs[i]));
    log->placed_off = off + batch->bytes.len;
    log->placed_version = active->header.base + log->placed_off;
    *ret = (struct log_place){
        .version = log->placed_version,
        .first_locator = locator_make(active->header.slot, off, log_batch_record_bytes(batch, 0)),
        .segment_slot = active->header.slot,
        .off = off,
    };
}

uint64_t log_place_locator(const struct log_place *place, const struct log_batch *batch, size_t i)
{
    return locator_make(place->segment_slot, place->off + batch->offs[i],
                        log_batch_record_bytes(batch, i));
}

/* The compiler does not see that log_append_mutex() is append_mu. */
void log_append_publish(struct log *log) NO_THREAD_SAFETY_ANALYSIS
{
    struct segment *active = log->active;
    CHECK(log->placed_off > log->tail_off);
    stage_batch(log, log->tail_off, log->placed_off);
    segment_note_versions(active, log->placed_version, log->placed_version);
    stat_add(&log->unwritten_bytes, log->placed_off - log->tail_off);
    log->tail_off = log->placed_off;
    extent_set(&active->end, log->tail_off);
    /* release: who sees the version sees its bytes. pairs with: log_last_version */
    atomic_store_explicit(&log->appended, log->placed_version, memory_order_release);
    commit_note_published(log);
}

void log_append_cancel(struct log *log)
{
    CHECK(log->placed_off > log->tail_off);
    log->placed_off = log->tail_off;
}

enum kvs_status log_roll(struct log *log)
{
    if (log->read_only)
        return fail(KVS_READ_ONLY, 0, "%s was opened for reading only", log->dir);
    mutex_lock(&log->manifest_mu);
    mutex_lock(&log->append_mu);
    struct segment *active = log->active;
    if (log->resume != NULL) {
        segment_seal(log->resume);
        log->resume = NULL;
    }
    bool rolled = active != NULL && !segment_is_sealed(active) &&
                  extent_get(&active->end) > SEGMENT_HEADER_BYTES;
    if (rolled) {
        append_seal_group(log);
        segment_seal(active);
        if (log->next != NULL) {
            log->next->start_chain = log->chain;
            log->next->chain_known = true;
        }
    }
    uint64_t position = log_last_version(log);
    mutex_unlock(&log->append_mu);
    mutex_unlock(&log->manifest_mu);
    return log_wait_durable(log, position);
}
