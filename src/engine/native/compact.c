/*
 * compact.c - giving dead space back: what lives in the segments with most of it is copied to side segments, in key order, and
 * the segments are dropped.
 *
 * Why nothing is lost, at any crash:
 *   - A record is copied unless something newer of its key is in the index and no snapshot keeps it. Before the source goes, all
 *     that was visible when the last copy was made is durable (log_wait_durable), so what superseded the uncopied ones is.
 *   - The copies are synced before the manifest drops the sources (log_side_sync, then log_drop).
 *   - A tombstone (or a range removal) goes only when no other segment holds a superseded value that is older: else that might
 *     be its key's, and come back at the next replay. Segments know the oldest superseded value they hold (log_note_stale), from
 *     the moment it is superseded or copied, and after opening from the replay. An expired record becomes a tombstone for the
 *     same reason.
 *   - Replay meets a record twice (source and copy) when a crash falls between: same version, either will do; of a large value the
 *     later copy wins, because its list of chunks is the newer one.
 * Why no reader fails: an index slot is moved under the append lock from the source to the copy, which can be read at once; the source
 * stays until epochs and pins have let go.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "concurrent/epoch.h"
#include "engine/native/state.h"

enum {
    SCRATCH_BYTES = 2 * LOG_INLINE_VALUE_MAX,
    ROUND_LIVE_BYTES = 64 * 1024 * 1024, /* copied in one round, about */
    ROUND_SEGMENTS = 16,
    BUSY_SEGMENTS = 64,
};

struct candidate {
    uint64_t locator;
    size_t key_off; /* in arena */
    uint32_t key_len;
    uint8_t kind;
};

struct round {
    struct native *native;
    struct log_segment_info *segments;
    size_t segment_count;
    uint64_t victims[ROUND_SEGMENTS];
    size_t victim_count;
    uint64_t busy
        [BUSY_SEGMENTS]; /* not to be chosen: they have chunks of values that are still being written */
    size_t busy_count;
    int64_t reclaim_ms;
    uint64_t stale_elsewhere; /* the oldest superseded value in any segment that stays */
    struct candidate *candidates;
    size_t candidate_count;
    size_t candidate_capacity;
    struct buf arena; /* their keys */
    struct buf scratch;
    uint64_t
        pending; /* the segment in which a chunk of a value was met that is still being written; 0: none */
    bool dropped;
    uint64_t victim_bytes;
    uint64_t copied_bytes;
};

/* ---- Choosing ---- */

/* The oldest superseded value outside of segment @id. */
static uint64_t stale_besides(const struct round *round, uint64_t id)
{
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < round->segment_count; i++) {
        if (round->segments[i].id != id && round->segments[i].stale_version < least)
            least = round->segments[i].stale_version;
    }
    return least;
}

/* What would be left of the segment; @ideal: if nothing older were left for its idle tombstones to hide. */
static uint64_t live_of(const struct round *round, const struct log_segment_info *segment,
                        bool ideal)
{
    uint64_t live = segment->live_bytes > segment->bytes ? segment->bytes : segment->live_bytes;
    uint64_t gone = 0;
    if (segment->expiring_bytes != 0 && segment->expire_max_ms <= round->reclaim_ms)
        gone += segment->expiring_bytes;
    if (segment->idle_bytes != 0 &&
        (ideal || stale_besides(round, segment->id) > segment->max_version))
        gone += segment->idle_bytes;
    return live > gone ? live - gone : 0;
}

static bool chosen(const struct round *round, uint64_t id)
{
    for (size_t i = 0; i < round->victim_count; i++) {
        if (round->victims[i] == id)
            return true;
    }
    return false;
}

static bool may_choose(const struct round *round, const struct log_segment_info *segment)
{
    if (!segment->sealed || !segment->durable || segment->bytes == 0 || chosen(round, segment->id))
        return false;
    for (size_t i = 0; i < round->busy_count; i++) {
        if (round->busy[i] == segment->id)
            return false;
    }
    return true;
}

/* How much there is of what. */
struct totals {
    uint64_t bytes;
    uint64_t live; /* ideally */
    uint64_t idle;
};

static struct totals totals_of(const struct round *round)
{
    struct totals totals = { 0 };
    for (size_t i = 0; i < round->segment_count; i++) {
        totals.bytes += round->segments[i].bytes;
        totals.live += live_of(round, &round->segments[i], true);
        totals.idle += round->segments[i].idle_bytes;
    }
    return totals;
}

/* The segments with the largest dead share above @least_share, until a round's worth of live bytes is together. */
static void choose_dead(struct round *round, double least_share)
{
    uint64_t live_sum = 0;
    while (round->victim_count < ROUND_SEGMENTS) {
        const struct log_segment_info *best = NULL;
        double best_share = least_share;
        for (size_t i = 0; i < round->segment_count; i++) {
            const struct log_segment_info *segment = &round->segments[i];
            if (!may_choose(round, segment))
                continue;
            double share = 1.0 - (double)live_of(round, segment, false) / (double)segment->bytes;
            if (share > best_share) {
                best = segment;
                best_share = share;
            }
        }
        if (best == NULL ||
            (round->victim_count != 0 && live_sum + live_of(round, best, false) > ROUND_LIVE_BYTES))
            break;
        live_sum += live_of(round, best, false);
        round->victims[round->victim_count++] = best->id;
    }
}

/* The segment with the oldest superseded value, because of which the most tombstones have to be kept. */
static void choose_oldest(struct round *round)
{
    const struct log_segment_info *oldest = NULL;
    for (size_t i = 0; i < round->segment_count; i++) {
        const struct log_segment_info *segment = &round->segments[i];
        if (may_choose(round, segment) && segment->stale_version != UINT64_MAX &&
            (oldest == NULL || segment->stale_version < oldest->stale_version))
            oldest = segment;
    }
    if (oldest != NULL)
        round->victims[round->victim_count++] = oldest->id;
}

/*
 * Reclaiming is called for when there is almost half as much dead as live, beyond a segment's worth of slack. Segments in
 * which nothing lives go at once. When it is called for and no segment has much that is dead, then tombstones take the room; they
 * go when what they hide has gone. (Not while snapshots keep what they hide: copying would not change that.)
 */
static void choose(struct native *native, struct round *round, bool all)
{
    struct totals totals = totals_of(round);
    bool due = all || totals.bytes > totals.live + totals.live * 2 / 5 + native->segment_bytes;
    choose_dead(round, all ? 0.05 : due ? 0.2 : 0.999);
    if (due && round->victim_count == 0 && totals.idle > totals.bytes / 20 &&
        atomic_load_explicit(&native->versions.snapshot_count, memory_order_relaxed) ==
            0) /* a hint */
        choose_oldest(round);
    round->stale_elsewhere = UINT64_MAX;
    for (size_t i = 0; i < round->segment_count; i++) {
        if (!chosen(round, round->segments[i].id) &&
            round->segments[i].stale_version < round->stale_elsewhere)
            round->stale_elsewhere = round->segments[i].stale_version;
    }
}

/* ---- Collecting what lives ---- */

static enum kvs_status collect(struct round *round, uint64_t locator,
                               const struct log_record *record)
{
    if (round->candidate_count == round->candidate_capacity) {
        size_t capacity = round->candidate_capacity == 0 ? 1024 : round->candidate_capacity * 2;
        struct candidate *more = realloc(round->candidates, capacity * sizeof *more);
        if (more == NULL)
            return fail(KVS_NO_MEMORY, 0, "compacting %zu records", capacity);
        round->candidates = more;
        round->candidate_capacity = capacity;
    }
    round->candidates[round->candidate_count++] =
        (struct candidate){ .locator = locator,
                            .key_off = round->arena.len,
                            .key_len = (uint32_t)record->key.len,
                            .kind = (uint8_t)record->kind };
    buf_append_bytes(&round->arena, record->key);
    return round->arena.failed == KVS_OK ? KVS_OK
                                         : fail(round->arena.failed, 0, "compacting: keys");
}

/* One look at the slot; @locked: between two batches. (The analysis does not follow a lock that is taken on a condition.) */
static enum kvs_status look_once(struct native *native, struct lookup *lookup,
                                 bool locked) NO_THREAD_SAFETY_ANALYSIS
{
    if (locked)
        log_lock(native->log);
    epoch_enter();
    enum kvs_status status = lookup_slot(lookup);
    epoch_leave();
    if (locked)
        log_unlock(native->log);
    return status;
}

/* The slot of @key now; cold slots are read. Not one of a batch that may still be undone. */
static enum kvs_status slot_of_key(struct native *native, struct kvs_bytes key, struct buf *scratch,
                                   struct slot_info *ret)
{
    struct lookup lookup;
    lookup_init(&lookup, native, key);
    bool locked = false;
    for (;;) {
        enum kvs_status status = look_once(native, &lookup, locked);
        if (status == KVS_WOULD_BLOCK) {
            bool same;
            struct log_record record;
            epoch_enter();
            status = lookup_read_cold(&lookup, false, scratch, &same, &record);
            if (status != KVS_OK)
                return status;
            continue;
        }
        if (status != KVS_OK && status != KVS_NOT_FOUND)
            return status;
        /* acquire. pairs with: write.c */
        if (!locked && lookup.slot.locator != 0 &&
            lookup.slot.version > atomic_load_explicit(&native->visible, memory_order_acquire)) {
            locked = true;
            continue;
        }
        *ret = lookup.slot;
        return KVS_OK;
    }
}

static enum kvs_status consider(void *ctx, uint64_t locator, const struct log_record *record)
{
    struct round *round = ctx;
    struct native *native = round->native;
    uint64_t owner;
    switch (record->kind) {
    case LOG_CHUNK:
        switch (large_chunk_state(&native->larges, locator, &owner)) {
        case CHUNK_DEAD:
            return KVS_OK;
        case CHUNK_PENDING:
            round->pending = log_segment_of(native->log, locator);
            return KVS_OK;
        case CHUNK_LIVE:
            return collect(round, locator, record);
        }
        return KVS_OK;
    case LOG_REMOVE_RANGE:
        return record->version < round->stale_elsewhere && ranges_empty(&native->ranges)
                   ? KVS_OK
                   : collect(round, locator, record);
    case LOG_SET:
    case LOG_REMOVE:
        break;
    }
    struct slot_info slot;
    enum kvs_status status = slot_of_key(native, record->key, &round->scratch, &slot);
    if (status != KVS_OK)
        return status;
    if (slot.locator == locator || versions_keeps(&native->versions, record->key, locator))
        return collect(round, locator, record);
    /* A tombstone whose slot is gone still hides superseded values that are older, in other segments. */
    if (record->kind == LOG_REMOVE && slot.locator == 0 &&
        record->version >= round->stale_elsewhere)
        return collect(round, locator, record);
    return KVS_OK;
}

static int by_key(const void *a, const void *b, void *ctx)
{
    const struct round *round = ctx;
    const struct candidate *x = a;
    const struct candidate *y = b;
    return bytes_compare(bytes_of(round->arena.data + x->key_off, x->key_len),
                         bytes_of(round->arena.data + y->key_off, y->key_len));
}

/* ---- Moving ---- */

struct move {
    uint64_t from;
    uint64_t to;
    uint32_t from_bytes;
    uint32_t to_bytes;
    int64_t expire_ms;
    uint64_t version;
    uint8_t from_kind;
    uint8_t kind; /* an expired LOG_SET becomes a LOG_REMOVE */
    uint8_t flags;
    bool large;
    struct kvs_bytes key; /* in the round's arena */
};

/* The copy, as a slot or the version table has it. */
static struct slot_info copy_of(const struct move *move)
{
    return (struct slot_info){ .locator = move->to,
                               .version = move->version,
                               .expire_ms = move->kind == LOG_SET ? move->expire_ms : 0,
                               .stored_bytes = move->to_bytes,
                               .kind = move->kind,
                               .flags = move->flags };
}

/* The copy lives instead of the source; the value's chunks go with it, unless it is a tombstone now. */
static void account_move(struct native *native, const struct move *move)
{
    struct slot_info copy = copy_of(move);
    log_account(native->log, move->to, move->to_bytes, copy.expire_ms);
    if (move->kind != move->from_kind) {
        struct slot_info dead = { .locator = move->from,
                                  .stored_bytes = move->from_bytes,
                                  .expire_ms = move->expire_ms,
                                  .flags = move->large ? LOG_LARGE : 0 };
        native_record_dead(native, &dead);
        return;
    }
    if (move->large)
        large_move_owner(&native->larges, move->from, move->to);
    log_account(native->log, move->from, -(int64_t)move->from_bytes, copy.expire_ms);
}

/* Points the slot, or the version table's entry, at the copy; neither: it was superseded meanwhile and the copy is dead.
 * Under the append lock. */
static void move_slot(struct native *native, const struct move *move)
{
    if (move->kind == LOG_REMOVE_RANGE)
        return;
    struct slot_info copy = copy_of(move);
    if (move->from_kind == LOG_SET)
        log_note_stale(native->log, move->from, move->version);
    if (index_put(native->index, move->key, move->from, move->to, true) == KVS_OK) {
        account_move(native, move);
        if (move->kind == LOG_REMOVE)
            tombs_push(native, move->version, move->to);
        if (move->kind != move->from_kind) {
            /* relaxed: figures, changed under the append lock only */
            atomic_fetch_sub_explicit(&native->keys[first_byte(move->key)], 1,
                                      memory_order_relaxed);
            atomic_fetch_sub_explicit(&native->keys_expiring, 1, memory_order_relaxed);
        }
        return;
    }
    if (move->kind == LOG_SET)
        log_note_stale(native->log, move->to, move->version);
    if (versions_move(&native->versions, move->key, move->from, &copy)) {
        account_move(native, move);
    } else if (move->from_kind == LOG_REMOVE) {
        log_account(native->log, move->to, move->to_bytes, 0);
        log_account_idle(native->log, move->to);
    }
}

static void move_slots(struct native *native, const struct move *moves, size_t count)
{
    log_lock(native->log);
    epoch_enter(); /* index_put in place, which does not wait */
    for (size_t i = 0; i < count; i++)
        move_slot(native, &moves[i]);
    epoch_leave();
    log_unlock(native->log);
}

/* Copies one record; an expired one as a tombstone. */
static enum kvs_status copy_record(struct round *round, const struct candidate *candidate,
                                   struct move *ret)
{
    struct native *native = round->native;
    struct log_record record;
    enum kvs_status status =
        native_fetch(native, candidate->locator, false, &round->scratch, &record);
    if (status != KVS_OK)
        return status;
    *ret = (struct move){ .from = candidate->locator,
                          .from_bytes = record.stored_bytes,
                          .expire_ms = record.expire_ms,
                          .version = record.version,
                          .from_kind = (uint8_t)record.kind,
                          .kind = (uint8_t)record.kind,
                          .flags = (uint8_t)(record.flags | LOG_MOVED),
                          .large = (record.flags & LOG_LARGE) != 0,
                          .key = bytes_of(round->arena.data + candidate->key_off,
                                          candidate->key_len) };
    if (record.kind == LOG_SET && record.expire_ms != 0 && record.expire_ms <= reclaim_ms(native) &&
        !versions_keeps(&native->versions, record.key, candidate->locator)) {
        ret->kind = LOG_REMOVE;
        ret->flags = LOG_MOVED;
        record.kind = LOG_REMOVE;
        record.flags = 0;
        record.expire_ms = 0;
        record.value = bytes_of(NULL, 0);
        record.value_bytes = 0;
    }
    record.replaced = LOG_REPLACED_UNKNOWN; /* a copy replaces nothing */
    status = log_side_append(native->move_side, &record, &ret->to, &ret->to_bytes);
    round->copied_bytes += ret->to_bytes;
    if (status == KVS_OK && record.kind == LOG_REMOVE_RANGE)
        native_account_range(native, ret->to, ret->to_bytes);
    return status;
}

static enum kvs_status move_records(struct round *round)
{
    struct move moves[NATIVE_MOVE_BATCH];
    size_t count = 0;
    enum kvs_status status = KVS_OK;
    for (size_t i = 0; status == KVS_OK && i < round->candidate_count; i++) {
        if (round->candidates[i].kind == LOG_CHUNK)
            continue;
        status = copy_record(round, &round->candidates[i], &moves[count]);
        if (status == KVS_OK)
            count++;
        if (count == NATIVE_MOVE_BATCH) {
            move_slots(round->native, moves, count);
            count = 0;
        }
    }
    if (count != 0)
        move_slots(round->native, moves, count);
    return status;
}

/* ---- Moving chunks: the record that lists them has to be written anew ---- */

/* Copies those chunks of @owner that lie in victims. */
static enum kvs_status copy_chunks(struct round *round, struct chunk *chunks, size_t count)
{
    struct native *native = round->native;
    for (size_t i = 0; i < count; i++) {
        if (!chosen(round, log_segment_of(native->log, chunks[i].locator)))
            continue;
        struct log_record record;
        enum kvs_status status =
            native_fetch(native, chunks[i].locator, false, &round->scratch, &record);
        if (status == KVS_OK)
            status = log_side_append(native->move_side, &record, &chunks[i].locator,
                                     &chunks[i].stored_bytes);
        if (status != KVS_OK)
            return status;
        round->copied_bytes += chunks[i].stored_bytes;
    }
    return KVS_OK;
}

/* The owner's record with the list @chunks, appended; its key to @key. */
static enum kvs_status copy_owner(struct round *round, uint64_t owner, const struct chunk *chunks,
                                  size_t count, struct buf *key, struct move *ret)
{
    struct native *native = round->native;
    struct log_record record;
    enum kvs_status status = native_fetch(native, owner, false, &round->scratch, &record);
    if (status != KVS_OK)
        return status;
    buf_append_bytes(key, record.key);
    uint8_t *list = key->failed == KVS_OK ? malloc(count * 8) : NULL;
    if (list == NULL)
        return fail(KVS_NO_MEMORY, 0, "list of %zu chunks", count);
    for (size_t i = 0; i < count * 8; i++)
        list[i] = (uint8_t)(chunks[i / 8].locator >> (8 * (i % 8)));
    *ret = (struct move){ .from = owner,
                          .from_bytes = record.stored_bytes,
                          .expire_ms = record.expire_ms,
                          .version = record.version,
                          .from_kind = LOG_SET,
                          .kind = LOG_SET,
                          .flags = (uint8_t)(record.flags | LOG_MOVED) };
    record.value = bytes_of(list, count * 8);
    record.replaced = LOG_REPLACED_UNKNOWN;
    status = log_side_append(native->move_side, &record, &ret->to, &ret->to_bytes);
    free(list);
    return status;
}

static void move_large(struct native *native, const struct move *move, const struct chunk *old,
                       const struct chunk *chunks, size_t count)
{
    struct slot_info copy = copy_of(move);
    log_lock(native->log);
    log_note_stale(native->log, move->from, move->version);
    epoch_enter();
    bool moved = index_put(native->index, move->key, move->from, move->to, true) == KVS_OK;
    epoch_leave();
    bool kept = !moved;
    if (!moved) {
        log_note_stale(native->log, move->to, move->version);
        moved = versions_move(&native->versions, move->key, move->from, &copy);
    }
    if (moved && large_replace(&native->larges, move->from, move->to, chunks, count) == KVS_OK) {
        log_account(native->log, move->to, move->to_bytes, move->expire_ms);
        log_account(native->log, move->from, -(int64_t)move->from_bytes, move->expire_ms);
        for (size_t i = 0; i < count; i++) {
            if (old[i].locator == chunks[i].locator)
                continue;
            log_account(native->log, chunks[i].locator, chunks[i].stored_bytes, 0);
            log_account(native->log, old[i].locator, -(int64_t)old[i].stored_bytes, 0);
            if (kept) {
                log_account_kept(native->log, chunks[i].locator, true);
                log_account_kept(native->log, old[i].locator, false);
            }
        }
    }
    log_unlock(native->log);
}

static enum kvs_status move_owner(struct round *round, uint64_t owner)
{
    struct native *native = round->native;
    struct chunk *old;
    size_t count;
    enum kvs_status status = large_copy(&native->larges, owner, &old, &count);
    if (status != KVS_OK)
        return status == KVS_NOT_FOUND ? KVS_OK
                                       : status; /* died, or moved by an earlier chunk of it */
    struct chunk *chunks = malloc(count * sizeof *chunks);
    struct buf key;
    buf_init(&key, KVS_ENGINE_KEY_MAX);
    struct move move;
    if (chunks == NULL) {
        status = fail(KVS_NO_MEMORY, 0, "list of %zu chunks", count);
    } else {
        memcpy(chunks, old, count * sizeof *chunks);
        status = copy_chunks(round, chunks, count);
        if (status == KVS_OK)
            status = copy_owner(round, owner, chunks, count, &key, &move);
        if (status == KVS_OK) {
            move.key = buf_bytes(&key);
            move_large(native, &move, old, chunks, count);
        } else if (status == KVS_NOT_FOUND) {
            status = KVS_OK; /* the record or a chunk went meanwhile: overwritten */
        }
    }
    buf_done(&key);
    free(chunks);
    free(old);
    return status;
}

static enum kvs_status move_chunks(struct round *round)
{
    for (size_t i = 0; i < round->candidate_count; i++) {
        if (round->candidates[i].kind != LOG_CHUNK)
            continue;
        uint64_t owner;
        if (large_chunk_state(&round->native->larges, round->candidates[i].locator, &owner) !=
            CHUNK_LIVE)
            continue;
        enum kvs_status status = move_owner(round, owner);
        if (status != KVS_OK)
            return status;
    }
    return KVS_OK;
}

/* ---- A round ---- */

/* Does anything still refer into the victims? A chunk that was committed or moved in between; then they stay for now. */
static bool still_used(struct round *round)
{
    for (size_t i = 0; i < round->candidate_count; i++) {
        uint64_t owner;
        if (round->candidates[i].kind == LOG_CHUNK &&
            large_chunk_state(&round->native->larges, round->candidates[i].locator, &owner) !=
                CHUNK_DEAD)
            return true;
    }
    return false;
}

static enum kvs_status reclaim(struct native *native, struct round *round)
{
    enum kvs_status status = KVS_OK;
    for (size_t i = 0; status == KVS_OK && i < round->victim_count; i++)
        status = log_scan(native->log, round->victims[i], consider, round);
    if (status != KVS_OK || round->pending != 0)
        return status;
    if (round->candidate_count != 0)
        qsort_r(round->candidates, round->candidate_count, sizeof *round->candidates, by_key,
                round);
    if (round->candidate_count != 0 && native->move_side == NULL)
        status = log_side_open(native->log, true, &native->move_side);
    /* Chunks last: of two copies of a large value's record the later one counts at replay, and that has to be the one that
     * lists the copied chunks. */
    if (status == KVS_OK)
        status = move_records(round);
    if (status == KVS_OK)
        status = move_chunks(round);
    /* What superseded the records that were not copied has to be on disk before they go. acquire: pairs with write.c */
    if (status == KVS_OK)
        status = log_wait_durable(native->log,
                                  atomic_load_explicit(&native->visible, memory_order_acquire));
    if (status == KVS_OK && round->candidate_count != 0)
        status = log_side_sync(native->move_side);
    if (status == KVS_OK && !still_used(round)) {
        /* release: before slots of segments can be used again. pairs with: native_places */
        atomic_fetch_add_explicit(&native->places_reused, 1, memory_order_release);
        status = log_drop(native->log, round->victims, round->victim_count);
        round->dropped = status == KVS_OK;
    }
    return status;
}

/* One round without the segments in @busy. */
static enum kvs_status run_round(struct native *native, bool all, struct round *round)
{
    enum kvs_status status = log_segments(native->log, &round->segments, &round->segment_count);
    if (status != KVS_OK)
        return status;
    buf_init(&round->arena, SIZE_MAX / 2);
    buf_init(&round->scratch, SCRATCH_BYTES);
    round->reclaim_ms = reclaim_ms(native);
    choose(native, round, all);
    if (round->victim_count != 0) {
        for (size_t i = 0; i < round->segment_count; i++)
            round->victim_bytes +=
                chosen(round, round->segments[i].id) ? round->segments[i].bytes : 0;
        status = reclaim(native, round);
        /* relaxed: statistics */
        atomic_fetch_add_explicit(&native->compactions, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&native->compacted_bytes, round->copied_bytes,
                                  memory_order_relaxed);
    }
    free(round->segments);
    free(round->candidates);
    buf_done(&round->arena);
    buf_done(&round->scratch);
    return status;
}

enum kvs_status compact_round(struct native *native, bool all, bool *ret_did)
{
    struct round round = { .native = native };
    *ret_did = false;
    for (;;) {
        enum kvs_status status = run_round(native, all, &round);
        /* Headers and padding come back with every copy: a round that gains little else would be repeated for ever by those who
         * go on while something was gained, over small segments that live wholly. */
        *ret_did =
            round.dropped && round.copied_bytes + round.victim_bytes / 8 < round.victim_bytes;
        if (status != KVS_OK || round.pending == 0 || round.busy_count == BUSY_SEGMENTS)
            return status;
        /* Others may be worth it: an upload that never ends must not keep the space of all. */
        struct round next = { .native = native, .busy_count = round.busy_count };
        memcpy(next.busy, round.busy, sizeof next.busy);
        next.busy[next.busy_count++] = round.pending;
        round = next;
    }
}

enum kvs_status native_compact(struct kvs_engine *engine)
{
    struct native *native = native_of(engine);
    if (native->read_only)
        return fail(KVS_READ_ONLY, 0, "the store was opened read-only");
    enum kvs_status status =
        log_wait_durable(native->log, atomic_load_explicit(&native->visible, memory_order_acquire));
    if (status == KVS_OK)
        status = log_roll(native->log);
    mutex_lock(&native->compact_mu);
    if (status == KVS_OK) {
        sweep_tombs(native);
        status = sweep_ranges(native);
    }
    bool did = true;
    while (status == KVS_OK && did)
        status = compact_round(native, true, &did);
    native_trim(native);
    mutex_unlock(&native->compact_mu);
    return status;
}
