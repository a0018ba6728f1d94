/*
 * cursor.c - cursors over a view, under its lock step by step, or over the writing transaction.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/fail.h"
#include "engine/lmdb/room.h"

struct lmdb_cursor {
    struct driver_cursor base;
    MDB_cursor *cursor;
    struct driver_view *view; /* NULL: of a transaction */
};

static struct lmdb_cursor *cursor_of(struct driver_cursor *cursor)
{
    return (struct lmdb_cursor *)(void *)cursor;
}

static void lock(struct lmdb_cursor *cursor) NO_THREAD_SAFETY_ANALYSIS
{
    if (cursor->view != NULL)
        mutex_lock(&cursor->view->mu);
}

static void unlock(struct lmdb_cursor *cursor) NO_THREAD_SAFETY_ANALYSIS
{
    if (cursor->view != NULL)
        mutex_unlock(&cursor->view->mu);
}

static enum kvs_status make(MDB_txn *txn, MDB_dbi dbi, struct driver_view *view,
                            struct driver_cursor **ret)
{
    struct lmdb_cursor *cursor = calloc(1, sizeof *cursor);
    if (cursor == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "cursor");
    cursor->view = view;
    lock(cursor);
    enum kvs_status status =
        lmdb_status(mdb_cursor_open(txn, dbi, &cursor->cursor), "open a cursor");
    unlock(cursor);
    if (status != KVS_OK) {
        free(cursor);
        return status;
    }
    *ret = &cursor->base;
    return KVS_OK;
}

enum kvs_status lmdb_cursor_open(struct driver_view *view, struct driver_cursor **ret)
{
    return make(view->txn, view->driver->dbi, view, ret);
}

enum kvs_status lmdb_txn_cursor_open(struct driver_txn *txn, struct driver_cursor **ret)
{
    return make(txn->txn, txn->driver->dbi, NULL, ret);
}

void lmdb_cursor_close(struct driver_cursor *base)
{
    if (base == NULL)
        return;
    struct lmdb_cursor *cursor = cursor_of(base);
    lock(cursor);
    mdb_cursor_close(cursor->cursor);
    unlock(cursor);
    free(cursor);
}

static enum kvs_status settle(struct lmdb_cursor *cursor, int code, MDB_val key, MDB_val value)
{
    enum kvs_status status = lmdb_status(code, "move a cursor");
    if (status == KVS_OK) {
        cursor->base.key = lmdb_bytes(key);
        cursor->base.value = lmdb_bytes(value);
    }
    return status;
}

static enum kvs_status move(struct driver_cursor *base, MDB_cursor_op op)
{
    struct lmdb_cursor *cursor = cursor_of(base);
    MDB_val key;
    MDB_val value;
    lock(cursor);
    int code = mdb_cursor_get(cursor->cursor, &key, &value, op);
    unlock(cursor);
    return settle(cursor, code, key, value);
}

enum kvs_status lmdb_cursor_seek(struct driver_cursor *base, struct kvs_bytes at)
{
    struct lmdb_cursor *cursor = cursor_of(base);
    MDB_val key = lmdb_val(at);
    MDB_val value;
    lock(cursor);
    int code = mdb_cursor_get(cursor->cursor, &key, &value, MDB_SET_RANGE);
    unlock(cursor);
    return settle(cursor, code, key, value);
}

enum kvs_status lmdb_cursor_seek_before(struct driver_cursor *base, struct kvs_bytes at)
{
    struct lmdb_cursor *cursor = cursor_of(base);
    MDB_val key = lmdb_val(at);
    MDB_val value;
    lock(cursor);
    int code = mdb_cursor_get(cursor->cursor, &key, &value, MDB_SET_RANGE);
    if (code == MDB_SUCCESS)
        code = mdb_cursor_get(cursor->cursor, &key, &value, MDB_PREV);
    else if (code == MDB_NOTFOUND)
        code = mdb_cursor_get(cursor->cursor, &key, &value, MDB_LAST);
    unlock(cursor);
    return settle(cursor, code, key, value);
}

enum kvs_status lmdb_cursor_next(struct driver_cursor *cursor)
{
    return move(cursor, MDB_NEXT);
}

enum kvs_status lmdb_cursor_prev(struct driver_cursor *cursor)
{
    return move(cursor, MDB_PREV);
}
