/*
 * txn.c - the writing transaction: a batch of the library, and a table to look up what is in it.
 *
 * A range of few keys is removed key by key: markers of removed ranges slow later reads of what surrounds them.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "engine/rocksdb/room.h"

enum {
    RANGE_KEYS_MAX = 64 /* more are removed as a range */
};

enum kvs_status rocks_txn_begin(struct driver *base, struct driver_txn **ret)
{
    struct rocks_driver *driver = rocks_of(base);
    struct driver_txn *txn = driver->idle;
    driver->idle = NULL;
    if (txn == NULL) {
        txn = calloc(1, sizeof *txn);
        if (txn == NULL)
            return fail(KVS_NO_MEMORY, ENOMEM, "transaction");
        txn->driver = driver;
        txn->batch = rocksdb_writebatch_create();
    }
    *ret = txn;
    return KVS_OK;
}

static void unpin(struct driver_txn *txn)
{
    rocksdb_pinnableslice_destroy(txn->pin); /* NULL is allowed */
    txn->pin = NULL;
}

void rocks_txn_free(struct driver_txn *txn)
{
    if (txn == NULL)
        return;
    unpin(txn);
    rocksdb_writebatch_destroy(txn->batch);
    changes_done(&txn->changes);
    free(txn);
}

void rocks_txn_abort(struct driver_txn *txn)
{
    unpin(txn);
    rocksdb_writebatch_clear(txn->batch);
    changes_clear(&txn->changes);
    txn->driver->idle = txn;
}

enum kvs_status rocks_txn_get(struct driver_txn *txn, struct kvs_bytes key, struct kvs_bytes *ret)
{
    unpin(txn);
    enum kvs_status status = changes_find(&txn->changes, key, ret);
    if (status != KVS_WOULD_BLOCK)
        return status;
    struct driver_pin pin;
    status = rocks_get(&txn->driver->base, NULL, key, &pin);
    if (status == KVS_OK) {
        txn->pin = pin.owner;
        *ret = pin.value;
    }
    return status;
}

enum kvs_status rocks_txn_put(struct driver_txn *txn, struct kvs_bytes key,
                              struct driver_value value)
{
    unpin(txn);
    const char *keys[1] = { key.data };
    const char *values[2] = { value.head.data, value.tail.len != 0 ? value.tail.data : "" };
    size_t value_lens[2] = { value.head.len, value.tail.len };
    if (value.head.len == 0)
        values[0] = "";
    rocksdb_writebatch_putv(txn->batch, 1, keys, &key.len, 2, values, value_lens);
    return changes_put(&txn->changes, key, value.head, value.tail);
}

enum kvs_status rocks_txn_remove(struct driver_txn *txn, struct kvs_bytes key)
{
    unpin(txn);
    rocksdb_writebatch_delete(txn->batch, key.data, key.len);
    return changes_remove(&txn->changes, key);
}

/* Removes the range's keys in the store one by one, unless they are many: *ret_few false. */
static enum kvs_status remove_few(struct driver_txn *txn, struct kvs_bytes start,
                                  struct kvs_bytes end, bool *ret_few)
{
    struct driver_cursor *cursor;
    enum kvs_status status = rocks_txn_cursor_open(txn, &cursor);
    if (status != KVS_OK)
        return status;
    int count = 0;
    status = rocks_cursor_seek(cursor, start);
    while (status == KVS_OK && bytes_compare(cursor->key, end) < 0 && count < RANGE_KEYS_MAX) {
        status = rocks_txn_remove(txn, cursor->key);
        count++;
        if (status == KVS_OK)
            status = rocks_cursor_next(cursor);
    }
    *ret_few = count < RANGE_KEYS_MAX;
    rocks_cursor_close(cursor);
    return status == KVS_NOT_FOUND ? KVS_OK : status;
}

enum kvs_status rocks_txn_remove_range(struct driver_txn *txn, struct kvs_bytes start,
                                       struct kvs_bytes end)
{
    unpin(txn);
    bool few;
    enum kvs_status status = remove_few(txn, start, end, &few);
    if (status != KVS_OK)
        return status;
    /* What this batch has put into the range itself: the library's order is that of the calls. */
    for (size_t i = 0; few && i < txn->changes.slot_count; i++) {
        const struct change *change = &txn->changes.slots[i];
        if (change->key.data != NULL && !change->removed &&
            bytes_compare(change->key, start) >= 0 && bytes_compare(change->key, end) < 0)
            rocksdb_writebatch_delete(txn->batch, change->key.data, change->key.len);
    }
    if (!few)
        rocksdb_writebatch_delete_range(txn->batch, start.data, start.len, end.data, end.len);
    return changes_remove_range(&txn->changes, start, end);
}

enum kvs_status rocks_txn_commit(struct driver_txn *txn)
{
    char *error = NULL;
    unpin(txn);
    rocksdb_write(txn->driver->db, txn->driver->write, txn->batch, &error);
    enum kvs_status status = rocks_status(error, "write");
    rocks_txn_abort(txn);
    return status;
}
