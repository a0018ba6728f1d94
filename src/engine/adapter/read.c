/*
 * read.c - single keys, many at one version, counting, sampling, large values piecewise.
 *
 * The newest version is read without a snapshot: the driver's lookup is a view of its own. What an answer depends on: the
 * record's version; for absence the highest version that a group under way may make visible (absence_position), asked for after the look.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "engine/adapter/room.h"

struct kvs_reader {
    struct adapter *adapter;
    struct kvs_snapshot *snapshot; /* of a value in chunks */
    uint64_t blob_id;
    uint64_t value_bytes;
    unsigned char bytes[]; /* any other value */
};

static uint64_t absence_position(const struct adapter *adapter, const struct kvs_snapshot *snapshot)
{
    if (snapshot != NULL)
        return snapshot->version;
    return atomic_load_explicit(&adapter->issued,
                                memory_order_acquire); /* pairs with: group_commit */
}

static struct driver_view *view_of(const struct kvs_read *read)
{
    return read->snapshot != NULL ? read->snapshot->view : NULL;
}

static int64_t time_of(struct adapter *adapter, const struct kvs_read *read)
{
    return read->snapshot != NULL ? read->snapshot->now_ms : adapter_now_ms(adapter);
}

/* The record that @read sees under @key. KVS_OK: pinned. */
static enum kvs_status find(struct adapter *adapter, const struct kvs_read *read,
                            struct kvs_bytes key, struct driver_pin *pin, struct record *ret)
{
    struct raw_key raw;
    enum kvs_status status = raw_key_make(SECTION_RECORDS, key, &raw);
    if (status != KVS_OK)
        return status;
    status = adapter->ops->get(adapter->driver, view_of(read), raw.bytes, pin);
    raw_key_done(&raw);
    if (status != KVS_OK)
        return status;
    status = adapter_record_decode(pin->value, ret);
    if (status == KVS_OK && record_expired(ret, time_of(adapter, read)))
        status = KVS_NOT_FOUND;
    if (status != KVS_OK)
        adapter->ops->unpin(adapter->driver, pin);
    return status;
}

enum kvs_status adapter_get(struct kvs_engine *base, const struct kvs_read *read,
                            struct kvs_bytes key, kvs_visit_fn *visit, void *ctx,
                            uint64_t *ret_position)
{
    struct adapter *adapter = adapter_of(base);
    if (read->no_block)
        return KVS_WOULD_BLOCK;
    struct driver_pin pin;
    struct record record;
    enum kvs_status status = find(adapter, read, key, &pin, &record);
    if (status == KVS_NOT_FOUND)
        *ret_position = absence_position(adapter, read->snapshot);
    if (status != KVS_OK)
        return status;
    struct kvs_entry entry = record_entry(key, &record);
    visit(ctx, &entry);
    *ret_position = record.version;
    adapter->ops->unpin(adapter->driver, &pin);
    return KVS_OK;
}

enum kvs_status adapter_multi_get(struct kvs_engine *base, const struct kvs_read *read,
                                  size_t count, const struct kvs_bytes *keys, kvs_visit_fn *visit,
                                  void *const *ctxs, enum kvs_status *statuses,
                                  uint64_t *ret_position)
{
    if (read->no_block)
        return KVS_WOULD_BLOCK;
    struct kvs_snapshot *own = NULL;
    struct kvs_read at = *read;
    if (read->snapshot == NULL && count > 1) {
        enum kvs_status status = adapter_snapshot_open(base, "multi_get", &own);
        if (status != KVS_OK)
            return status;
        at.snapshot = own;
    }
    enum kvs_status status = KVS_OK;
    uint64_t position = 0;
    for (size_t i = 0; i < count && status == KVS_OK; i++) {
        uint64_t depends = 0;
        statuses[i] = adapter_get(base, &at, keys[i], visit, ctxs[i], &depends);
        if (statuses[i] != KVS_OK && statuses[i] != KVS_NOT_FOUND)
            status = statuses[i];
        if (depends > position)
            position = depends;
    }
    adapter_snapshot_unref(own);
    if (status == KVS_OK)
        *ret_position = position;
    return status;
}

/* Is @range all keys of one class, all of them, or less? *ret: the class, KEY_CLASSES for all. */
static bool range_is_class(const struct kvs_range *range, unsigned *ret)
{
    if (range->start.len == 0 && !range->has_end) {
        *ret = KEY_CLASSES;
        return true;
    }
    if (range->start.len != 1)
        return false;
    unsigned class = *(const unsigned char *)range->start.data;
    *ret = class;
    if (class == 255)
        return !range->has_end;
    return range->has_end && range->end.len == 1 &&
           *(const unsigned char *)range->end.data == class + 1;
}

static enum kvs_status count_class(const struct kvs_snapshot *snapshot, unsigned class,
                                   uint64_t *ret)
{
    struct state state;
    enum kvs_status status = snapshot_state(snapshot, &state);
    *ret = 0;
    for (unsigned i = 0; i < KEY_CLASSES && status == KVS_OK; i++)
        if (class == KEY_CLASSES || class == i)
            *ret += state.keys[i];
    return status;
}

static enum kvs_status count_walk(struct adapter *adapter, const struct kvs_snapshot *snapshot,
                                  const struct kvs_range *range, uint64_t *ret)
{
    struct raw_range raw;
    struct driver_cursor *cursor;
    enum kvs_status status = raw_range_make(SECTION_RECORDS, range, &raw);
    if (status != KVS_OK)
        return status;
    *ret = 0;
    status = adapter->ops->cursor_open(snapshot->view, &cursor);
    if (status == KVS_OK) {
        status = adapter->ops->cursor_seek(cursor, raw.start.bytes);
        while (status == KVS_OK && bytes_compare(cursor->key, raw.end.bytes) < 0) {
            struct record record;
            status = adapter_record_decode(cursor->value, &record);
            if (status != KVS_OK)
                break;
            *ret += !record_expired(&record, snapshot->now_ms);
            status = adapter->ops->cursor_next(cursor);
        }
        adapter->ops->cursor_close(cursor);
    }
    raw_range_done(&raw);
    return status == KVS_NOT_FOUND ? KVS_OK : status;
}

/* The count of the last commit, from memory: never waits. */
static uint64_t count_now(struct adapter *adapter, unsigned class)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < KEY_CLASSES; i++)
        if (class == KEY_CLASSES || class == i)
            count += atomic_load_explicit(&adapter->keys[i],
                                          memory_order_acquire); /* pairs with: publish_counts */
    return count;
}

enum kvs_status adapter_count(struct kvs_engine *base, const struct kvs_read *read,
                              const struct kvs_range *range, uint64_t *ret_count, bool *ret_exact,
                              uint64_t *ret_position)
{
    struct adapter *adapter = adapter_of(base);
    unsigned class;
    bool is_class = range_is_class(range, &class);
    *ret_exact = true;
    if (is_class && read->snapshot == NULL) {
        *ret_count = count_now(adapter, class);
        *ret_position = absence_position(adapter, NULL);
        return KVS_OK;
    }
    if (read->no_block)
        return KVS_WOULD_BLOCK;
    struct kvs_snapshot *own = NULL;
    const struct kvs_snapshot *snapshot = read->snapshot;
    if (snapshot == NULL) {
        enum kvs_status status = adapter_snapshot_open(base, "count", &own);
        if (status != KVS_OK)
            return status;
        snapshot = own;
    }
    enum kvs_status status = is_class ? count_class(snapshot, class, ret_count)
                                      : count_walk(adapter, snapshot, range, ret_count);
    *ret_position = snapshot->version;
    adapter_snapshot_unref(own);
    return status;
}

enum {
    SAMPLE_WALK = 256, /* ranges with fewer keys are sampled exactly */
    SAMPLE_HOPS = 64   /* after a seek, up to this many keys are passed over */
};

static uint64_t mix(uint64_t x)
{
    x ^= x >> 31;
    x *= UINT64_C(0x9e3779b97f4a7c15);
    return x ^ (x >> 29);
}

struct sample {
    struct adapter *adapter;
    const struct kvs_snapshot *snapshot;
    struct driver_cursor *cursor;
    struct kvs_bytes start; /* raw bounds */
    struct kvs_bytes end;
};

/* On to the next record that is alive; from the end back to the start. KVS_NOT_FOUND: came by the end. */
static enum kvs_status sample_settle(struct sample *sample, enum kvs_status status,
                                     struct record *ret)
{
    while (status == KVS_OK) {
        if (bytes_compare(sample->cursor->key, sample->end) >= 0)
            return KVS_NOT_FOUND;
        status = adapter_record_decode(sample->cursor->value, ret);
        if (status != KVS_OK || !record_expired(ret, sample->snapshot->now_ms))
            return status;
        status = sample->adapter->ops->cursor_next(sample->cursor);
    }
    return status;
}

/* Counts the records up to SAMPLE_WALK. */
static enum kvs_status sample_count(struct sample *sample, size_t *ret)
{
    struct record record;
    *ret = 0;
    enum kvs_status status = sample->adapter->ops->cursor_seek(sample->cursor, sample->start);
    while ((status = sample_settle(sample, status, &record)) == KVS_OK && *ret < SAMPLE_WALK) {
        ++*ret;
        status = sample->adapter->ops->cursor_next(sample->cursor);
    }
    return status == KVS_NOT_FOUND ? KVS_OK : status;
}

static uint64_t eight_bytes(struct kvs_bytes key, size_t off)
{
    unsigned char eight[8] = { 0 };
    size_t len = key.len > off ? key.len - off : 0;
    if (len > sizeof eight)
        len = sizeof eight;
    if (len != 0)
        memcpy(eight, (const unsigned char *)key.data + off, len);
    return raw_u64(eight);
}

/* A place between the first and the last key, by their first bytes that differ. */
static enum kvs_status sample_seek(struct sample *sample, uint64_t random)
{
    const struct driver_ops *ops = sample->adapter->ops;
    unsigned char place[1 + KVS_ENGINE_KEY_MAX + 8];
    enum kvs_status status = ops->cursor_seek(sample->cursor, sample->start);
    if (status != KVS_OK || bytes_compare(sample->cursor->key, sample->end) >= 0)
        return status != KVS_OK ? status : KVS_NOT_FOUND;
    struct kvs_bytes first = sample->cursor->key;
    if (first.len > sizeof place - 8)
        return fail(KVS_CORRUPT, 0, "a key of %zu bytes", first.len);
    memcpy(place, first.data, first.len);
    first.data = place;
    status = ops->cursor_seek_before(sample->cursor, sample->end);
    if (status != KVS_OK)
        return status;
    struct kvs_bytes last = sample->cursor->key;
    size_t common = 0;
    while (common < first.len && common < last.len &&
           place[common] == ((const unsigned char *)last.data)[common])
        common++;
    uint64_t low = eight_bytes(first, common);
    uint64_t span = eight_bytes(last, common) - low + 1;
    uint64_t at = low + (span == 0 ? random : (uint64_t)(((unsigned __int128)random * span) >> 64));
    for (size_t i = 0; i < 8; i++)
        place[common + i] = (unsigned char)(at >> (8 * (7 - i)));
    return ops->cursor_seek(sample->cursor, bytes_of(place, common + 8));
}

/* Stands on a record chosen about uniformly: exactly so in small ranges, else a place by its bytes and some keys further. */
static enum kvs_status sample_choose(struct sample *sample, uint64_t random, struct record *ret)
{
    size_t count;
    enum kvs_status status = sample_count(sample, &count);
    if (status != KVS_OK || count == 0)
        return status != KVS_OK ? status : KVS_NOT_FOUND;
    uint64_t hops = mix(random);
    if (count < SAMPLE_WALK) {
        hops %= count;
        status = sample->adapter->ops->cursor_seek(sample->cursor, sample->start);
    } else {
        hops %= SAMPLE_HOPS;
        status = sample_seek(sample, mix(random + 1));
    }
    for (;; hops--) {
        status = sample_settle(sample, status, ret);
        if (status == KVS_NOT_FOUND)
            status = sample_settle(
                sample, sample->adapter->ops->cursor_seek(sample->cursor, sample->start), ret);
        if (status != KVS_OK || hops == 0)
            return status;
        status = sample->adapter->ops->cursor_next(sample->cursor);
    }
}

enum kvs_status adapter_sample(struct kvs_engine *base, const struct kvs_read *read,
                               const struct kvs_range *range, uint64_t random, kvs_visit_fn *visit,
                               void *ctx, uint64_t *ret_position)
{
    struct adapter *adapter = adapter_of(base);
    if (read->no_block)
        return KVS_WOULD_BLOCK;
    struct kvs_snapshot *own = NULL;
    struct sample sample = { .adapter = adapter, .snapshot = read->snapshot };
    struct raw_range raw;
    enum kvs_status status = raw_range_make(SECTION_RECORDS, range, &raw);
    if (status != KVS_OK)
        return status;
    if (read->snapshot == NULL) {
        status = adapter_snapshot_open(base, "sample", &own);
        sample.snapshot = own;
    }
    if (status == KVS_OK)
        status = adapter->ops->cursor_open(sample.snapshot->view, &sample.cursor);
    if (status == KVS_OK) {
        struct record record;
        sample.start = raw.start.bytes;
        sample.end = raw.end.bytes;
        status = sample_choose(&sample, random, &record);
        if (status == KVS_OK) {
            struct kvs_entry entry = record_entry(bytes_from(sample.cursor->key, 1), &record);
            visit(ctx, &entry);
        }
        *ret_position = sample.snapshot->version;
    }
    adapter->ops->cursor_close(sample.cursor);
    adapter_snapshot_unref(own);
    raw_range_done(&raw);
    return status;
}

/* A value in one piece is copied; one in chunks keeps its version open. */
static enum kvs_status reader_make(struct adapter *adapter, struct kvs_snapshot *snapshot,
                                   const struct record *record, struct kvs_reader **ret)
{
    struct kvs_reader *reader = malloc(sizeof *reader + record->value.len);
    if (reader == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "reader of %zu bytes", record->value.len);
    *reader = (struct kvs_reader){ .adapter = adapter,
                                   .blob_id = record->blob_id,
                                   .value_bytes = record->value_bytes };
    if (record->value.len != 0)
        memcpy(reader->bytes, record->value.data, record->value.len);
    if (record->blob_id != 0) {
        adapter_snapshot_ref(snapshot);
        reader->snapshot = snapshot;
    }
    *ret = reader;
    return KVS_OK;
}

enum kvs_status adapter_reader_open(struct kvs_engine *base, const struct kvs_read *read,
                                    struct kvs_bytes key, struct kvs_entry *ret_entry,
                                    uint64_t *ret_position, struct kvs_reader **ret)
{
    struct adapter *adapter = adapter_of(base);
    if (read->no_block)
        return KVS_WOULD_BLOCK;
    struct kvs_snapshot *own;
    if (read->snapshot == NULL) {
        enum kvs_status status = adapter_snapshot_open(base, "reader", &own);
        if (status != KVS_OK)
            return status;
    } else {
        own = (struct kvs_snapshot *)(uintptr_t)
                  read->snapshot; /* its count of references changes, nothing else */
        adapter_snapshot_ref(own);
    }
    struct kvs_read at = { .snapshot = own };
    struct driver_pin pin;
    struct record record;
    enum kvs_status status = find(adapter, &at, key, &pin, &record);
    if (status == KVS_OK) {
        status = reader_make(adapter, own, &record, ret);
        *ret_entry = record_entry(bytes_of(NULL, 0), &record);
        ret_entry->value = bytes_of(NULL, 0);
        adapter->ops->unpin(adapter->driver, &pin);
    }
    *ret_position = status == KVS_OK ? record.version : own->version;
    adapter_snapshot_unref(own);
    return status;
}

/* Copies the part of chunk @number from @from on, up to @len bytes. *ret: how many. */
static enum kvs_status chunk_copy(const struct kvs_reader *reader, uint32_t number, size_t from,
                                  unsigned char *to, size_t len, size_t *ret)
{
    const struct adapter *adapter = reader->adapter;
    unsigned char key[SMALL_KEY_BYTES];
    struct driver_pin pin;
    uint64_t rest = reader->value_bytes - (uint64_t)number * BLOB_CHUNK_BYTES;
    size_t expected = rest < BLOB_CHUNK_BYTES ? (size_t)rest : BLOB_CHUNK_BYTES;
    enum kvs_status status = adapter->ops->get(adapter->driver, reader->snapshot->view,
                                               raw_chunk(reader->blob_id, number, key), &pin);
    if (status == KVS_NOT_FOUND)
        return fail(KVS_CORRUPT, 0, "piece %" PRIu32 " of a large value is missing", number);
    if (status != KVS_OK)
        return status;
    if (pin.value.len != expected) {
        status = fail(KVS_CORRUPT, 0, "piece %" PRIu32 " of a large value has %zu bytes, not %zu",
                      number, pin.value.len, expected);
    } else {
        *ret = expected - from < len ? expected - from : len;
        memcpy(to, (const unsigned char *)pin.value.data + from, *ret);
    }
    adapter->ops->unpin(adapter->driver, &pin);
    return status;
}

enum kvs_status adapter_reader_read(struct kvs_reader *reader, bool no_block, uint64_t off,
                                    void *buf, size_t len)
{
    if (off > reader->value_bytes || len > reader->value_bytes - off)
        return fail(KVS_INVALID, 0,
                    "read of %zu bytes at %" PRIu64 " of a value of %" PRIu64 " bytes", len, off,
                    reader->value_bytes);
    if (len == 0)
        return KVS_OK;
    if (reader->snapshot == NULL) {
        memcpy(buf, reader->bytes + off, len);
        return KVS_OK;
    }
    if (no_block)
        return KVS_WOULD_BLOCK;
    unsigned char *to = buf;
    while (len != 0) {
        size_t copied = 0;
        enum kvs_status status = chunk_copy(reader, (uint32_t)(off / BLOB_CHUNK_BYTES),
                                            (size_t)(off % BLOB_CHUNK_BYTES), to, len, &copied);
        if (status != KVS_OK)
            return status;
        to += copied;
        off += copied;
        len -= copied;
    }
    return KVS_OK;
}

void adapter_reader_close(struct kvs_reader *reader)
{
    if (reader == NULL)
        return;
    adapter_snapshot_unref(reader->snapshot);
    free(reader);
}
