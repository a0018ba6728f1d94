/*
 * change.c - changes to records within a transaction, with all that hangs on a record: its count, its place in the expiry index,
 * the chunks of a large value and their owner.
 *
 * An entry of the expiry index may be left behind by the removal of a range: whoever takes it up compares it with the record.
 * Owners and chunks never are: the owners in a range are few, and walked.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "engine/adapter/room.h"

/* Raw keys of the leader, in memory of its own: no allocation for each operation. */
static struct kvs_bytes raw_in(unsigned char *to, enum section section, struct kvs_bytes key)
{
    to[0] = (unsigned char)section;
    if (key.len != 0)
        memcpy(to + 1, key.data, key.len);
    return (struct kvs_bytes){ to, key.len + 1 };
}

enum kvs_status change_find(struct adapter *adapter, struct driver_txn *txn, struct kvs_bytes key,
                            struct record *ret)
{
    struct kvs_bytes raw;
    enum kvs_status status =
        adapter->ops->txn_get(txn, raw_in(adapter->raw, SECTION_RECORDS, key), &raw);
    if (status != KVS_OK)
        return status;
    status = adapter_record_decode(raw, ret);
    ret->value.data = NULL; /* the next call on the transaction may move it */
    return status;
}

enum kvs_status change_drop_chunks(struct driver_txn *txn, const struct driver_ops *ops,
                                   uint64_t blob_id)
{
    unsigned char start[SMALL_KEY_BYTES];
    unsigned char end[SMALL_KEY_BYTES];
    return ops->txn_remove_range(txn, raw_chunks(blob_id, start), raw_chunks(blob_id + 1, end));
}

/* What hung on the record that goes: not the record itself. */
static enum kvs_status drop_belongings(struct adapter *adapter, struct driver_txn *txn,
                                       struct kvs_bytes key, const struct record *record)
{
    enum kvs_status status = KVS_OK;
    if (record->expire_ms != 0) {
        unsigned char due[SMALL_KEY_BYTES];
        status = adapter->ops->txn_remove(txn, raw_expiry(record->expire_ms, key, due));
    }
    if (status == KVS_OK && record->blob_id != 0) {
        status = change_drop_chunks(txn, adapter->ops, record->blob_id);
        if (status == KVS_OK)
            status = adapter->ops->txn_remove(txn, raw_in(adapter->raw2, SECTION_OWNERS, key));
    }
    return status;
}

static enum kvs_status add_belongings(struct adapter *adapter, struct driver_txn *txn,
                                      const struct kvs_op *op, const struct record *record)
{
    enum kvs_status status = KVS_OK;
    if (record->expire_ms != 0) {
        unsigned char due[SMALL_KEY_BYTES];
        struct driver_value value = { .head = op->key };
        status = adapter->ops->txn_put(txn, raw_expiry(record->expire_ms, op->key, due), value);
    }
    if (status == KVS_OK && record->blob_id != 0) {
        unsigned char id[8];
        struct driver_value value = { .head = blob_id_bytes(record->blob_id, id) };
        status = adapter_blob_finish(op->blob, txn);
        if (status == KVS_OK)
            status =
                adapter->ops->txn_put(txn, raw_in(adapter->raw2, SECTION_OWNERS, op->key), value);
    }
    return status;
}

enum kvs_status change_set(struct adapter *adapter, struct driver_txn *txn, const struct kvs_op *op,
                           uint64_t version)
{
    struct record old;
    enum kvs_status status = change_find(adapter, txn, op->key, &old);
    if (status == KVS_OK)
        status = drop_belongings(adapter, txn, op->key, &old);
    else if (status == KVS_NOT_FOUND) {
        adapter->state.keys[key_class(op->key)]++;
        status = KVS_OK;
    }
    if (status != KVS_OK)
        return status;
    struct record record = { .version = version, .expire_ms = op->expire_ms, .value = op->value };
    if (op->blob != NULL) {
        record.blob_id = op->blob->id;
        record.value_bytes = op->blob->total;
        record.value = record.blob_id != 0 ? (struct kvs_bytes){ NULL, 0 }
                                           : bytes_of(op->blob->bytes, op->blob->len);
    }
    unsigned char head[RECORD_HEAD_MAX];
    struct driver_value value = { .head = { head, adapter_record_head(&record, head) },
                                  .tail = record.value };
    status = adapter->ops->txn_put(txn, raw_in(adapter->raw, SECTION_RECORDS, op->key), value);
    return status == KVS_OK ? add_belongings(adapter, txn, op, &record) : status;
}

enum kvs_status change_remove(struct adapter *adapter, struct driver_txn *txn, struct kvs_bytes key,
                              const struct record *record)
{
    enum kvs_status status =
        adapter->ops->txn_remove(txn, raw_in(adapter->raw, SECTION_RECORDS, key));
    if (status == KVS_OK)
        status = drop_belongings(adapter, txn, key, record);
    if (status == KVS_OK && adapter->state.keys[key_class(key)] != 0)
        adapter->state.keys[key_class(key)]--;
    return status;
}

/* Walks the transaction's keys from @start to before @end. */
static enum kvs_status scan(struct adapter *adapter, struct driver_txn *txn, struct kvs_bytes start,
                            struct kvs_bytes end,
                            enum kvs_status (*see)(void *, const struct driver_cursor *), void *ctx)
{
    struct driver_cursor *cursor;
    enum kvs_status status = adapter->ops->txn_cursor_open(txn, &cursor);
    if (status != KVS_OK)
        return status;
    status = adapter->ops->cursor_seek(cursor, start);
    while (status == KVS_OK && bytes_compare(cursor->key, end) < 0) {
        status = see(ctx, cursor);
        if (status == KVS_OK)
            status = adapter->ops->cursor_next(cursor);
    }
    adapter->ops->cursor_close(cursor);
    return status == KVS_NOT_FOUND ? KVS_OK : status;
}

struct counted {
    struct adapter *adapter;
    struct driver_txn *txn;
    uint64_t count;
};

/* A cursor that does not see the transaction's changes shows what an earlier range of the batch has removed. */
static enum kvs_status see_one(void *ctx, const struct driver_cursor *cursor)
{
    struct counted *counted = ctx;
    struct kvs_bytes value;
    enum kvs_status status = KVS_OK;
    if (!counted->adapter->ops->cursors_see_changes)
        status = counted->adapter->ops->txn_get(counted->txn, cursor->key, &value);
    counted->count += status == KVS_OK;
    return status == KVS_NOT_FOUND ? KVS_OK : status;
}

/* Chunks of the large values in the range: first noted, then dropped, for a cursor may not see its ground change. */
struct owned {
    uint64_t *ids;
    size_t count;
    size_t capacity;
};

static enum kvs_status see_owner(void *ctx, const struct driver_cursor *cursor)
{
    struct owned *owned = ctx;
    if (owned->count == owned->capacity) {
        size_t grown = owned->capacity < 64 ? 64 : owned->capacity * 2;
        uint64_t *bigger = reallocarray(owned->ids, grown, sizeof *bigger);
        if (bigger == NULL)
            return fail(KVS_NO_MEMORY, ENOMEM, "%zu large values", grown);
        owned->ids = bigger;
        owned->capacity = grown;
    }
    enum kvs_status status = blob_id_decode(cursor->value, &owned->ids[owned->count]);
    if (status == KVS_OK)
        owned->count++;
    return status;
}

static enum kvs_status drop_owned(struct adapter *adapter, struct driver_txn *txn,
                                  const struct kvs_range *range)
{
    struct raw_range raw;
    enum kvs_status status = raw_range_make(SECTION_OWNERS, range, &raw);
    if (status != KVS_OK)
        return status;
    struct owned owned = { 0 };
    status = scan(adapter, txn, raw.start.bytes, raw.end.bytes, see_owner, &owned);
    for (size_t i = 0; i < owned.count && status == KVS_OK; i++)
        status = change_drop_chunks(txn, adapter->ops, owned.ids[i]);
    if (owned.count != 0 && status == KVS_OK)
        status = adapter->ops->txn_remove_range(txn, raw.start.bytes, raw.end.bytes);
    free(owned.ids);
    raw_range_done(&raw);
    return status;
}

/* The part of @range in @class, as a range; false: they do not meet. *ret_whole: all of the class. */
static bool class_part(const struct kvs_range *range, unsigned class, const unsigned char bounds[2],
                       struct kvs_range *ret, bool *ret_whole)
{
    /* bounds: the class and the next, in memory that lasts as long as the part */
    struct kvs_bytes low = class == NO_CLASS ? bytes_of(NULL, 0) : bytes_of(bounds, 1);
    struct kvs_bytes high = class == NO_CLASS ? bytes_of("", 1) : bytes_of(bounds + 1, 1);
    bool has_high = class != 255;
    bool from_low = bytes_compare(range->start, low) <= 0;
    bool to_high = !range->has_end || (has_high && bytes_compare(range->end, high) >= 0);
    *ret = (struct kvs_range){ .start = from_low ? low : range->start,
                               .end = to_high ? high : range->end,
                               .has_end = to_high ? has_high : true };
    *ret_whole = from_low && to_high;
    return !ret->has_end || bytes_compare(ret->start, ret->end) < 0;
}

static enum kvs_status count_part(struct adapter *adapter, struct driver_txn *txn,
                                  const struct kvs_range *part, uint64_t *ret)
{
    struct raw_range raw;
    enum kvs_status status = raw_range_make(SECTION_RECORDS, part, &raw);
    if (status != KVS_OK)
        return status;
    struct counted counted = { adapter, txn, 0 };
    status = scan(adapter, txn, raw.start.bytes, raw.end.bytes, see_one, &counted);
    *ret = counted.count;
    raw_range_done(&raw);
    return status;
}

enum kvs_status change_remove_range(struct adapter *adapter, struct driver_txn *txn,
                                    const struct kvs_range *range, uint64_t *ret_removed)
{
    *ret_removed = 0;
    if (range->has_end && bytes_compare(range->start, range->end) >= 0)
        return KVS_OK;
    for (unsigned class = 0; class < KEY_CLASSES; class ++) {
        unsigned char bounds[2] = { (unsigned char)class, (unsigned char)(class + 1) };
        struct kvs_range part;
        bool whole;
        uint64_t *keys = &adapter->state.keys[class];
        if (*keys == 0 || !class_part(range, class, bounds, &part, &whole))
            continue;
        uint64_t removed = *keys;
        enum kvs_status status = whole ? KVS_OK : count_part(adapter, txn, &part, &removed);
        if (status != KVS_OK)
            return status;
        *keys -= removed < *keys ? removed : *keys;
        *ret_removed += removed;
    }
    if (*ret_removed == 0)
        return KVS_OK;
    enum kvs_status status = drop_owned(adapter, txn, range);
    if (status != KVS_OK)
        return status;
    struct raw_range raw;
    status = raw_range_make(SECTION_RECORDS, range, &raw);
    if (status != KVS_OK)
        return status;
    status = adapter->ops->txn_remove_range(txn, raw.start.bytes, raw.end.bytes);
    raw_range_done(&raw);
    return status;
}
