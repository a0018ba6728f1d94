/*
 * view.c - reading: transactions that are kept for the next reader, views, lookups.
 *
 * Values are shown where they lie in the map; they stay while the transaction does. A view that several threads use is locked
 * for the lookup only.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/fail.h"
#include "base/hash.h"
#include "engine/lmdb/room.h"

static size_t idle_slot(void)
{
    static _Thread_local char here;
    return hash_u64((uintptr_t)&here) % LMDB_IDLE_TXNS;
}

enum kvs_status lmdb_read_txn(struct lmdb_driver *driver, MDB_txn **ret)
{
    _Atomic(MDB_txn *) *slot = &driver->idle[idle_slot()];
    /* acquire: what the last user did with the transaction. pairs with: lmdb_read_txn_done */
    MDB_txn *txn = atomic_exchange_explicit(slot, NULL, memory_order_acquire);
    if (txn == NULL)
        return lmdb_status(mdb_txn_begin(driver->env, NULL, MDB_RDONLY, ret), "begin to read");
    int code = mdb_txn_renew(txn);
    if (code != MDB_SUCCESS) {
        mdb_txn_abort(txn);
        return lmdb_status(code, "begin to read");
    }
    *ret = txn;
    return KVS_OK;
}

void lmdb_read_txn_done(struct lmdb_driver *driver, MDB_txn *txn)
{
    mdb_txn_reset(txn);
    /* release: the reset is over for whoever takes it. pairs with: lmdb_read_txn */
    txn = atomic_exchange_explicit(&driver->idle[idle_slot()], txn, memory_order_acq_rel);
    if (txn != NULL)
        mdb_txn_abort(txn);
}

void lmdb_idle_free(struct lmdb_driver *driver)
{
    for (size_t i = 0; i < LMDB_IDLE_TXNS; i++) {
        MDB_txn *txn = atomic_exchange_explicit(&driver->idle[i], NULL, memory_order_acquire);
        if (txn != NULL)
            mdb_txn_abort(txn);
    }
}

enum kvs_status lmdb_view_open(struct driver *base, struct driver_view **ret)
{
    struct lmdb_driver *driver = lmdb_of(base);
    struct driver_view *view = malloc(sizeof *view);
    if (view == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "view");
    view->driver = driver;
    enum kvs_status status = lmdb_read_txn(driver, &view->txn);
    if (status != KVS_OK) {
        free(view);
        return status;
    }
    mutex_init(&view->mu);
    *ret = view;
    return KVS_OK;
}

void lmdb_view_close(struct driver_view *view)
{
    if (view == NULL)
        return;
    lmdb_read_txn_done(view->driver, view->txn);
    mutex_done(&view->mu);
    free(view);
}

enum kvs_status lmdb_get(struct driver *base, struct driver_view *view, struct kvs_bytes key,
                         struct driver_pin *ret)
{
    struct lmdb_driver *driver = lmdb_of(base);
    MDB_val wanted = lmdb_val(key);
    MDB_val found;
    ret->owner = NULL;
    enum kvs_status status;
    if (view != NULL) {
        mutex_lock(&view->mu);
        status = lmdb_status(mdb_get(view->txn, driver->dbi, &wanted, &found), "get");
        mutex_unlock(&view->mu);
    } else {
        MDB_txn *txn;
        status = lmdb_read_txn(driver, &txn);
        if (status != KVS_OK)
            return status;
        status = lmdb_status(mdb_get(txn, driver->dbi, &wanted, &found), "get");
        if (status == KVS_OK)
            ret->owner = txn;
        else
            lmdb_read_txn_done(driver, txn);
    }
    if (status == KVS_OK)
        ret->value = lmdb_bytes(found);
    return status;
}

void lmdb_unpin(struct driver *base, struct driver_pin *pin)
{
    if (pin->owner != NULL)
        lmdb_read_txn_done(lmdb_of(base), pin->owner);
    pin->owner = NULL;
}
