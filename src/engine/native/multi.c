/*
 * multi.c - several keys at one version.
 *
 * Without a snapshot they are read at `visible` as it was at the start; meeting anything newer, or a slot dropped from the index
 * meanwhile, means that something has changed, and the read starts again; after a few times it takes a snapshot, which nothing can
 * disturb.
 *
 * Their cache misses overlap: all keys go down the index side by side, then all leaves are on their way, then all records. When
 * all of it is in memory, which is known before anything is shown, the values are shown where they lie; else they are collected.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "concurrent/epoch.h"
#include "concurrent/fence.h"
#include "engine/native/state.h"

enum {
    MULTI_TRIES = 4,
    MULTI_BYTES_MAX = 256 * 1024 * 1024, /* of inline values in one read of several keys */
    NEAR_STACK = 32,
    NEAR_KEYS_MAX = 1024, /* more are read one by one: an epoch section is short */
    NEAR_BYTES_MAX = 4 * 1024 * 1024,
};

/* ---- One by one ---- */

struct kept {
    size_t off; /* of the value in the arena; key borrowed from the caller */
    struct kvs_entry entry;
};

struct multi {
    struct buf arena;
    struct kept *kept;
    size_t at;
};

static void keep(void *ctx, const struct log_record *record)
{
    struct multi *multi = ctx;
    struct kept *kept = &multi->kept[multi->at];
    kept->entry = entry_of(record);
    kept->off = multi->arena.len;
    buf_append_bytes(&multi->arena, kept->entry.value);
}

/* All keys at @snapshot, or (NULL) at what is visible now; KVS_CONFLICT: something changed. */
static enum kvs_status multi_once(struct native *native, const struct kvs_snapshot *snapshot,
                                  bool no_block, size_t count, const struct kvs_bytes *keys,
                                  struct multi *multi, enum kvs_status *statuses,
                                  uint64_t *ret_position)
{
    /* Before `visible`: a tombstone above @at that is swept later than this is then counted later than this. Both acquire:
     * pair with drop_slot (sweep.c) and write.c. */
    uint64_t dropped = atomic_load_explicit(&native->slots_dropped, memory_order_acquire);
    struct view view = view_of(snapshot);
    bool is_snapshot = view.is_snapshot;
    if (!is_snapshot) {
        view.at = atomic_load_explicit(&native->visible, memory_order_acquire);
        view.now_ms = log_now_ms(native->log); /* one time for all keys */
    }
    uint64_t newest = 0;
    bool any_absent = false;
    buf_truncate(&multi->arena, 0);
    for (size_t i = 0; i < count; i++) {
        uint64_t position;
        multi->at = i;
        statuses[i] = native_view(native, keys[i], &view, no_block, keep, multi, &position);
        if (statuses[i] != KVS_OK && statuses[i] != KVS_NOT_FOUND)
            return statuses[i];
        if (multi->arena.failed != KVS_OK)
            return fail(multi->arena.failed, 0, "values of %zu keys read at once, over %d bytes",
                        count, MULTI_BYTES_MAX);
        any_absent |= statuses[i] == KVS_NOT_FOUND;
        if (position > newest)
            newest = position;
    }
    /* acquire: after the lookups. pairs with: sweep.c */
    fence_acquire();
    if (any_absent && !is_snapshot &&
        atomic_load_explicit(&native->slots_dropped, memory_order_acquire) != dropped)
        return KVS_CONFLICT;
    *ret_position = newest;
    return KVS_OK;
}

static enum kvs_status multi_read(struct native *native, const struct kvs_read *read, size_t count,
                                  const struct kvs_bytes *keys, struct multi *multi,
                                  enum kvs_status *statuses, uint64_t *ret_position)
{
    if (read->snapshot != NULL)
        return multi_once(native, read->snapshot, read->no_block, count, keys, multi, statuses,
                          ret_position);
    for (int i = 0; i < MULTI_TRIES; i++) {
        enum kvs_status status =
            multi_once(native, NULL, read->no_block, count, keys, multi, statuses, ret_position);
        if (status != KVS_CONFLICT)
            return status;
    }
    struct kvs_snapshot *snapshot;
    enum kvs_status status = native_snapshot_open(&native->base, "multi-get", &snapshot);
    if (status != KVS_OK)
        return status;
    status =
        multi_once(native, snapshot, read->no_block, count, keys, multi, statuses, ret_position);
    native_snapshot_close(&native->base, snapshot);
    return status;
}

/* Starts loading up to INDEX_PROBES_MAX keys' records; inside an epoch section. */
static void prefetch_group(struct native *native, size_t count, const struct kvs_bytes *keys,
                           struct index_probe *ret_probes)
{
    index_probe(native->index, count, keys, ret_probes);
    for (size_t i = 0; i < count; i++) {
        uint64_t locator = index_probe_peek(&ret_probes[i]);
        if (locator != 0)
            log_prefetch(native->log, locator);
    }
}

void native_prefetch(struct kvs_engine *engine, size_t count, const struct kvs_bytes *keys)
{
    struct native *native = native_of(engine);
    struct index_probe probes[INDEX_PROBES_MAX];
    for (size_t done = 0; done < count; done += INDEX_PROBES_MAX) {
        size_t group = count - done < INDEX_PROBES_MAX ? count - done : INDEX_PROBES_MAX;
        epoch_enter();
        prefetch_group(native, group, keys + done, probes);
        epoch_leave();
    }
}

/* ---- All in memory ---- */

/* One key of a read in memory. */
struct near {
    struct native *native;
    struct kvs_bytes key;
    struct log_record record;
    bool gone; /* the record cannot be looked at now */
};

static enum index_match match_near(void *ctx, uint64_t locator)
{
    struct near *near = ctx;
    if (log_peek(near->native->log, locator, &near->record) != KVS_OK) {
        near->gone = true;
        return INDEX_STOP;
    }
    return bytes_equal(near->record.key, near->key) ? INDEX_MATCH : INDEX_DIFFERENT;
}

/* Looks at one key; false: it takes more than a look at memory, or something has changed. */
static bool look_near(struct near *near, const struct index_probe *probe, struct view *view,
                      enum kvs_status *ret_status, uint64_t *newest)
{
    struct native *native = near->native;
    uint64_t locator;
    near->gone = false;
    enum kvs_status status = index_find_at(probe, match_near, near, &locator);
    if (near->gone)
        return false;
    *ret_status = KVS_NOT_FOUND;
    if (status == KVS_NOT_FOUND)
        return true;
    const struct log_record *record = &near->record;
    if (record->version > view->at)
        return false; /* newer: another try, or the version table */
    uint64_t position = ranges_cover(&native->ranges, near->key, record->version, view->at);
    if (position == 0) {
        struct slot_info slot = { .kind = (uint8_t)record->kind, .expire_ms = record->expire_ms };
        if (slot.expire_ms != 0 && view->now_ms == 0)
            view->now_ms = log_now_ms(native->log); /* one time for all keys */
        if (slot_lives(native, &slot, view->now_ms))
            *ret_status = KVS_OK;
        position = (record->flags & LOG_WEAK) != 0 ? 0 : record->version;
    }
    if (position > *newest)
        *newest = position;
    return true;
}

/*
 * The read as it nearly always goes: within one epoch section everything is found in memory, nothing has changed, and the values
 * are shown where they lie. False: nothing was shown, the keys have to be read one by one.
 */
static bool multi_near(struct native *native, const struct kvs_snapshot *snapshot, size_t count,
                       const struct kvs_bytes *keys, struct near *nears, kvs_visit_fn *visit,
                       void *const *ctxs, enum kvs_status *statuses, uint64_t *ret_position)
{
    /* as in multi_once(), and for the reason there */
    uint64_t dropped = atomic_load_explicit(&native->slots_dropped, memory_order_acquire);
    struct view view = view_of(snapshot);
    if (!view.is_snapshot)
        view.at = atomic_load_explicit(&native->visible, memory_order_acquire);
    uint64_t newest = 0;
    uint64_t bytes = 0;
    bool any_absent = false;
    bool is_near = true;
    struct index_probe probes[INDEX_PROBES_MAX];
    epoch_enter();
    for (size_t i = 0; i < count && is_near; i++) {
        size_t in_group = i % INDEX_PROBES_MAX;
        if (in_group == 0)
            prefetch_group(native, count - i < INDEX_PROBES_MAX ? count - i : INDEX_PROBES_MAX,
                           keys + i, probes);
        nears[i].native = native;
        nears[i].key = keys[i];
        is_near = look_near(&nears[i], &probes[in_group], &view, &statuses[i], &newest);
        any_absent |= statuses[i] == KVS_NOT_FOUND;
        bytes += statuses[i] == KVS_OK ? nears[i].record.value.len : 0;
    }
    fence_acquire(); /* after the lookups. pairs with: sweep.c */
    if (bytes > NEAR_BYTES_MAX ||
        (any_absent && !view.is_snapshot &&
         atomic_load_explicit(&native->slots_dropped, memory_order_acquire) != dropped))
        is_near = false;
    for (size_t i = 0; i < count && is_near; i++) {
        if (statuses[i] != KVS_OK)
            continue;
        struct kvs_entry entry = entry_of(&nears[i].record);
        visit(ctxs[i], &entry);
    }
    epoch_leave();
    *ret_position = newest;
    return is_near;
}

/* ---- The whole ---- */

enum kvs_status native_multi_get(struct kvs_engine *engine, const struct kvs_read *read,
                                 size_t count, const struct kvs_bytes *keys, kvs_visit_fn *visit,
                                 void *const *ctxs, enum kvs_status *statuses,
                                 uint64_t *ret_position)
{
    struct native *native = native_of(engine);
    struct near few[NEAR_STACK];
    struct near *nears = few;
    if (count > NEAR_STACK)
        nears = count <= NEAR_KEYS_MAX ? malloc(count * sizeof *nears) : NULL;
    bool done = nears != NULL && multi_near(native, read->snapshot, count, keys, nears, visit, ctxs,
                                            statuses, ret_position);
    if (nears != few)
        free(nears);
    if (done)
        return KVS_OK;
    struct multi multi = { .kept = calloc(count != 0 ? count : 1, sizeof *multi.kept) };
    if (multi.kept == NULL)
        return fail(KVS_NO_MEMORY, 0, "reading %zu keys at once", count);
    buf_init(&multi.arena, MULTI_BYTES_MAX);
    enum kvs_status status = multi_read(native, read, count, keys, &multi, statuses, ret_position);
    for (size_t i = 0; status == KVS_OK && i < count; i++) {
        if (statuses[i] != KVS_OK)
            continue;
        struct kvs_entry *entry = &multi.kept[i].entry;
        entry->key = keys[i];
        if (entry->value.data != NULL)
            entry->value.data = multi.arena.data + multi.kept[i].off;
        visit(ctxs[i], entry);
    }
    buf_done(&multi.arena);
    free(multi.kept);
    return status;
}
