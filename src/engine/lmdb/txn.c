/*
 * txn.c - the writing transaction.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "engine/lmdb/room.h"

enum kvs_status lmdb_txn_begin(struct driver *base, struct driver_txn **ret)
{
    struct driver_txn *txn = malloc(sizeof *txn);
    if (txn == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "transaction");
    txn->driver = lmdb_of(base);
    enum kvs_status status =
        lmdb_status(mdb_txn_begin(txn->driver->env, NULL, 0, &txn->txn), "begin to write");
    if (status != KVS_OK) {
        free(txn);
        return status;
    }
    *ret = txn;
    return KVS_OK;
}

enum kvs_status lmdb_txn_get(struct driver_txn *txn, struct kvs_bytes key, struct kvs_bytes *ret)
{
    MDB_val wanted = lmdb_val(key);
    MDB_val found;
    enum kvs_status status =
        lmdb_status(mdb_get(txn->txn, txn->driver->dbi, &wanted, &found), "get to write");
    if (status == KVS_OK)
        *ret = lmdb_bytes(found);
    return status;
}

enum kvs_status lmdb_txn_put(struct driver_txn *txn, struct kvs_bytes key,
                             struct driver_value value)
{
    MDB_val at = lmdb_val(key);
    MDB_val room = { value.head.len + value.tail.len, NULL };
    enum kvs_status status =
        lmdb_status(mdb_put(txn->txn, txn->driver->dbi, &at, &room, MDB_RESERVE), "put");
    if (status != KVS_OK)
        return status;
    unsigned char *to = room.mv_data;
    if (value.head.len != 0)
        memcpy(to, value.head.data, value.head.len);
    if (value.tail.len != 0)
        memcpy(to + value.head.len, value.tail.data, value.tail.len);
    return KVS_OK;
}

enum kvs_status lmdb_txn_remove(struct driver_txn *txn, struct kvs_bytes key)
{
    MDB_val at = lmdb_val(key);
    enum kvs_status status = lmdb_status(mdb_del(txn->txn, txn->driver->dbi, &at, NULL), "remove");
    return status == KVS_NOT_FOUND ? KVS_OK : status;
}

/* One key after the other, each time from the start of the range: what a cursor stands on after a removal is not relied on. */
enum kvs_status lmdb_txn_remove_range(struct driver_txn *txn, struct kvs_bytes start,
                                      struct kvs_bytes end)
{
    MDB_cursor *cursor;
    int code = mdb_cursor_open(txn->txn, txn->driver->dbi, &cursor);
    if (code != MDB_SUCCESS)
        return lmdb_status(code, "open a cursor");
    do {
        MDB_val key = lmdb_val(start);
        MDB_val value;
        code = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
        if (code == MDB_SUCCESS && bytes_compare(lmdb_bytes(key), end) >= 0)
            break;
        if (code == MDB_SUCCESS)
            code = mdb_cursor_del(cursor, 0);
    } while (code == MDB_SUCCESS);
    mdb_cursor_close(cursor);
    enum kvs_status status = lmdb_status(code, "remove a range");
    return status == KVS_NOT_FOUND ? KVS_OK : status;
}

enum kvs_status lmdb_txn_commit(struct driver_txn *txn)
{
    enum kvs_status status = lmdb_status(mdb_txn_commit(txn->txn), "commit");
    free(txn);
    return status;
}

void lmdb_txn_abort(struct driver_txn *txn)
{
    mdb_txn_abort(txn->txn);
    free(txn);
}
