/*
 * iterate.c - keys in order at one version.
 *
 * The index hands out locators in key order, a batch at a time, without holding anything between the calls; the iterator goes on
 * from the last key it has looked at. Every key that existed at the snapshot has a slot as long as the snapshot is open (tombstones keep
 * theirs), so none is missed; what is newer than the snapshot is looked up in the version table.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/fail.h"
#include "concurrent/epoch.h"
#include "engine/native/state.h"

enum {
    BATCH = 256,
    FIRST_ENOUGH = 1, /* of the first batch: often few are wanted. Each further one is larger … */
    ENOUGH_GROWTH = 48, /* … than the one before by so many, up to BATCH */
    AHEAD = 12,         /* records that are on their way while one is shown */
    RECORD_BYTES_MAX = 2 * LOG_INLINE_VALUE_MAX /* what is read is rounded up to the size class */,
    SAMPLE_TRIES = 64
};

struct kvs_iterator {
    struct native *native;
    const struct kvs_snapshot *snapshot;
    struct kvs_snapshot *own_snapshot; /* NULL: the caller's */
    struct buf start;
    struct buf end;
    struct kvs_range range; /* into start and end */
    bool reverse;
    bool finished;
    bool looked;           /* last holds the last key looked at */
    struct kvs_bytes last; /* in `shown` */
    struct buf shown;      /* a key, and behind it the value of the entry shown */
    struct buf scratch;
    size_t enough; /* of the next batch */
    struct kvs_entry entry;
    uint64_t position;
    size_t at;
    size_t count;
    uint64_t places; /* native_places() before the locators were read */
    uint64_t locators[BATCH];
};

enum kvs_status native_iterator_open(struct kvs_engine *engine, const struct kvs_read *read,
                                     const struct kvs_range *range, bool reverse,
                                     struct kvs_iterator **ret)
{
    struct native *native = native_of(engine);
    struct kvs_iterator *it = malloc(sizeof *it);
    if (it == NULL)
        return fail(KVS_NO_MEMORY, 0, "iterator");
    memset(it, 0, offsetof(struct kvs_iterator, locators));
    it->native = native;
    it->reverse = reverse;
    it->enough = FIRST_ENOUGH;
    buf_init(&it->start, SIZE_MAX / 2);
    buf_init(&it->end, SIZE_MAX / 2);
    buf_init(&it->shown, 2 * KVS_ENGINE_KEY_MAX + LOG_INLINE_VALUE_MAX + 1); /* the last key too */
    buf_init(&it->scratch, RECORD_BYTES_MAX);
    buf_append_bytes(&it->start, range->start);
    if (range->has_end)
        buf_append_bytes(&it->end, range->end);
    it->range = (struct kvs_range){ .start = buf_bytes(&it->start),
                                    .end = buf_bytes(&it->end),
                                    .has_end = range->has_end };
    enum kvs_status status = it->start.failed != KVS_OK ? it->start.failed : it->end.failed;
    if (status != KVS_OK)
        status = fail(status, 0, "iterator");
    it->snapshot = read->snapshot;
    if (status == KVS_OK && it->snapshot == NULL) {
        status = native_snapshot_open(engine, "iterator", &it->own_snapshot);
        it->snapshot = it->own_snapshot;
    }
    if (status != KVS_OK) {
        native_iterator_close(it);
        return status;
    }
    *ret = it;
    return KVS_OK;
}

static enum kvs_status refill(struct kvs_iterator *it, bool no_block)
{
    struct index_scan scan = { .reverse = it->reverse, .no_block = no_block, .enough = it->enough };
    if (it->looked) {
        scan.from = it->last;
        scan.exclusive = true;
    } else if (!it->reverse) {
        scan.from = it->range.start;
    } else if (it->range.has_end) {
        scan.from = it->range.end;
        scan.exclusive = true;
    } else {
        scan.unbounded = true;
    }
    it->at = 0;
    it->count = 0;
    it->places = native_places(it->native);
    enum kvs_status status = index_scan(it->native->index, &scan, it->locators, BATCH, &it->count);
    if (status != KVS_OK)
        return status;
    it->enough = it->enough + ENOUGH_GROWTH < BATCH ? it->enough + ENOUGH_GROWTH : BATCH;
    epoch_enter();
    for (size_t i = 0; i < it->count && i < AHEAD; i++)
        log_prefetch(it->native->log, it->locators[i]);
    epoch_leave();
    return KVS_OK;
}

static bool past_the_end(const struct kvs_iterator *it, struct kvs_bytes key)
{
    if (it->reverse)
        return bytes_compare(key, it->range.start) < 0;
    return it->range.has_end && bytes_compare(key, it->range.end) >= 0;
}

static void depend(struct kvs_iterator *it, uint64_t version, unsigned flags)
{
    if ((flags & LOG_WEAK) == 0 && version > it->position)
        it->position = version;
}

/* Copies a key that was looked at, and @value, which its caller will see. On failure the last key is still there. */
static enum kvs_status look_at(struct kvs_iterator *it, struct kvs_bytes key,
                               struct kvs_bytes value)
{
    size_t bytes = key.len + value.len;
    if (unlikely(bytes >= it->shown.capacity)) {
        buf_truncate(&it->shown, 0);  /* forgets a failure */
        it->shown.len = it->last.len; /* what must stay when it grows */
        enum kvs_status status = buf_reserve(&it->shown, bytes + 1);
        if (status != KVS_OK)
            return fail(status, 0, "iterating over a record of %zu bytes", bytes);
        it->last.data = it->shown.data; /* it may have moved */
    }
    char *to = it->shown.data;
    if (key.len != 0)
        memcpy(to, key.data, key.len);
    if (value.len != 0)
        memcpy(to + key.len, value.data, value.len);
    it->last = bytes_of(to, key.len);
    it->looked = true;
    return KVS_OK;
}

/* Copies what the caller will see. */
static enum kvs_status show(struct kvs_iterator *it, const struct log_record *record)
{
    struct kvs_entry entry = entry_of(record);
    enum kvs_status status = look_at(it, record->key, entry.value);
    if (status != KVS_OK)
        return status;
    entry.key = it->last;
    if (entry.value_bytes <= KVS_INLINE_MAX)
        entry.value = bytes_of(it->shown.data + it->last.len, entry.value.len);
    it->entry = entry;
    return KVS_OK;
}

/*
 * Judges the record behind a slot. KVS_OK: the entry is filled. KVS_NOT_FOUND: nothing to show for this key. KVS_CONFLICT: *ret_older
 * has to be shown instead. KVS_CLOSED: a removal that hid this record may have been forgotten, scan again. it->looked is set to the
 * key, except at the end of the range (it->finished) and with KVS_CLOSED.
 */
static enum kvs_status judge(struct kvs_iterator *it, const struct log_record *record,
                             struct slot_info *ret_older)
{
    struct native *native = it->native;
    uint64_t at = it->snapshot->version;
    if (past_the_end(it, record->key)) {
        it->finished = true;
        return KVS_NOT_FOUND;
    }
    struct slot_info slot = { .version = record->version,
                              .expire_ms = record->expire_ms,
                              .kind = (uint8_t)record->kind,
                              .flags = (uint8_t)record->flags };
    bool older = slot.version > at;
    if (older && versions_find(&native->versions, record->key, at, &slot) != KVS_OK) {
        depend(it, ranges_cover(&native->ranges, record->key, 0, at), 0);
        enum kvs_status status = look_at(it, record->key, bytes_of(NULL, 0));
        return status == KVS_OK ? KVS_NOT_FOUND : status;
    }
    uint64_t removed = ranges_cover(&native->ranges, record->key, slot.version, at);
    /* After the ranges: a set without the removal is published after places has changed. pairs with: sweep_ranges */
    if (removed == 0 && native_places(native) != it->places)
        return KVS_CLOSED;
    depend(it, removed != 0 ? removed : slot.version, removed != 0 ? 0 : slot.flags);
    if (removed == 0 && slot_lives(native, &slot, it->snapshot->now_ms)) {
        if (older) {
            *ret_older = slot;
            return KVS_CONFLICT; /* not looked at yet: its record may have to be read first */
        }
        return show(it, record);
    }
    enum kvs_status looked = look_at(it, record->key, bytes_of(NULL, 0));
    return looked != KVS_OK ? looked : KVS_NOT_FOUND;
}

/* Looks at one locator of the batch. KVS_CONFLICT: what it led to has moved, scan again. */
static enum kvs_status look(struct kvs_iterator *it, uint64_t locator, bool no_block)
{
    struct native *native = it->native;
    struct log_record record;
    struct slot_info older = { 0 };
    epoch_enter();
    if (it->at + AHEAD < it->count)
        log_prefetch(native->log, it->locators[it->at + AHEAD]);
    if (native_places(native) != it->places) {
        epoch_leave();
        return KVS_CONFLICT; /* the locator may mean another record by now; from here on it cannot come to */
    }
    enum kvs_status status = log_peek(native->log, locator, &record);
    bool peeked = status == KVS_OK;
    if (peeked)
        status = judge(it, &record, &older);
    if (peeked || status != KVS_WOULD_BLOCK) {
        epoch_leave();
    } else {
        status = native_fetch_here(native, locator, no_block, &it->scratch, &record);
        peeked = status == KVS_OK;
        if (peeked) {
            /* A section again, for the removed ranges; one of them may have been swept and forgotten while we read. */
            epoch_enter();
            status =
                native_places(native) != it->places ? KVS_CONFLICT : judge(it, &record, &older);
            epoch_leave();
            if (status == KVS_CONFLICT && older.locator == 0)
                return KVS_CONFLICT;
        }
    }
    if (!peeked)
        return status == KVS_NOT_FOUND ? KVS_CONFLICT : status;
    if (status == KVS_CLOSED)
        return KVS_CONFLICT;
    if (status != KVS_CONFLICT)
        return status;
    status = native_fetch(native, older.locator, no_block, &it->scratch, &record);
    if (status == KVS_NOT_FOUND)
        return KVS_CONFLICT;
    return status == KVS_OK ? show(it, &record) : status;
}

enum kvs_status native_iterator_next(struct kvs_iterator *it, bool no_block,
                                     struct kvs_entry *ret_entry)
{
    while (!it->finished) {
        if (it->at == it->count) {
            enum kvs_status status = refill(it, no_block);
            if (status != KVS_OK)
                return status;
            if (it->count == 0)
                break;
        }
        enum kvs_status status = look(it, it->locators[it->at], no_block);
        if (status == KVS_CONFLICT) {
            it->at = it->count; /* from the last key again */
            continue;
        }
        if (status != KVS_OK && status != KVS_NOT_FOUND)
            return status;
        it->at++;
        if (status == KVS_OK) {
            *ret_entry = it->entry;
            return KVS_OK;
        }
    }
    it->finished = true;
    return KVS_NOT_FOUND;
}

const struct kvs_snapshot *native_iterator_snapshot(const struct kvs_iterator *it)
{
    return it->snapshot;
}

uint64_t native_iterator_position(const struct kvs_iterator *it)
{
    return it->position;
}

void native_iterator_close(struct kvs_iterator *it)
{
    if (it == NULL)
        return;
    native_snapshot_close(&it->native->base, it->own_snapshot);
    buf_done(&it->start);
    buf_done(&it->end);
    buf_done(&it->shown);
    buf_done(&it->scratch);
    free(it);
}

/* ---- Counting and sampling ---- */

/* All keys that begin with one byte, and only they. */
static bool is_one_byte(const struct kvs_range *range)
{
    if (range->start.len != 1)
        return false;
    uint8_t first = first_byte(range->start);
    if (!range->has_end)
        return first == 0xff;
    return range->end.len == 1 && first_byte(range->end) == first + 1;
}

enum kvs_status native_count(struct kvs_engine *engine, const struct kvs_read *read,
                             const struct kvs_range *range, uint64_t *ret_count, bool *ret_exact,
                             uint64_t *ret_position)
{
    struct native *native = native_of(engine);
    *ret_exact = true;
    if (read->snapshot == NULL && is_one_byte(range)) {
        epoch_enter();
        bool swept = ranges_meet(&native->ranges, range, 0) == 0;
        epoch_leave();
        if (swept) {
            /* relaxed: a figure of its own; acquire on visible pairs with write.c */
            int64_t count =
                atomic_load_explicit(&native->keys[first_byte(range->start)], memory_order_relaxed);
            *ret_count = count > 0 ? (uint64_t)count : 0;
            *ret_position = atomic_load_explicit(&native->visible, memory_order_acquire);
            return KVS_OK;
        }
    }
    struct kvs_iterator *it;
    enum kvs_status status = native_iterator_open(engine, read, range, false, &it);
    if (status != KVS_OK)
        return status;
    uint64_t count = 0;
    struct kvs_entry entry;
    while ((status = native_iterator_next(it, read->no_block, &entry)) == KVS_OK)
        count++;
    *ret_position = it->position;
    native_iterator_close(it);
    if (status != KVS_NOT_FOUND)
        return status;
    *ret_count = count;
    return KVS_OK;
}

struct sample {
    kvs_visit_fn *visit;
    void *ctx;
};

static void show_sample(void *ctx, const struct log_record *record)
{
    struct sample *sample = ctx;
    struct kvs_entry entry = entry_of(record);
    sample->visit(sample->ctx, &entry);
}

/* The key behind a random slot, into @key. */
static enum kvs_status random_key(struct native *native, uint64_t random, bool no_block,
                                  struct buf *key, struct buf *scratch)
{
    epoch_enter();
    uint64_t locator = index_sample(native->index, random);
    struct log_record record;
    enum kvs_status status = locator == 0 ? KVS_NOT_FOUND : log_peek(native->log, locator, &record);
    buf_truncate(key, 0);
    if (status == KVS_OK)
        buf_append_bytes(key, record.key);
    epoch_leave();
    if (status == KVS_WOULD_BLOCK) {
        status = native_fetch(native, locator, no_block, scratch, &record);
        if (status == KVS_OK)
            buf_append_bytes(key, record.key);
    }
    return status == KVS_OK ? key->failed : status;
}

enum kvs_status native_sample(struct kvs_engine *engine, const struct kvs_read *read,
                              const struct kvs_range *range, uint64_t random, kvs_visit_fn *visit,
                              void *ctx, uint64_t *ret_position)
{
    struct native *native = native_of(engine);
    struct buf key;
    struct buf scratch;
    buf_init(&key, KVS_ENGINE_KEY_MAX);
    buf_init(&scratch, RECORD_BYTES_MAX);
    struct view view = view_of(read->snapshot);
    struct sample sample = { visit, ctx };
    enum kvs_status status = KVS_NOT_FOUND;
    for (int i = 0; i < SAMPLE_TRIES && status == KVS_NOT_FOUND; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX generator */
        status = random_key(native, random, read->no_block, &key, &scratch);
        if (status == KVS_OK && range_has(range, buf_bytes(&key)))
            status = native_view(native, buf_bytes(&key), &view, read->no_block, show_sample,
                                 &sample, ret_position);
        else if (status == KVS_OK)
            status = KVS_NOT_FOUND;
    }
    if (status == KVS_NOT_FOUND) {
        /* Few of the store's keys are in this range, or most are gone: the first that lives. */
        struct kvs_iterator *it;
        status = native_iterator_open(engine, read, range, false, &it);
        if (status == KVS_OK) {
            struct kvs_entry entry;
            status = native_iterator_next(it, read->no_block, &entry);
            if (status == KVS_OK)
                visit(ctx, &entry);
            *ret_position = it->position;
            native_iterator_close(it);
        }
    }
    buf_done(&key);
    buf_done(&scratch);
    return status;
}
