/*
 * room.h - what the files of engine/lmdb share: the environment, its pool of reading transactions, statuses.
 */
#ifndef ENGINE_LMDB_ROOM_H
#define ENGINE_LMDB_ROOM_H

#include <lmdb.h>
#include <stdatomic.h>

#include "concurrent/mutex.h"
#include "engine/adapter/driver.h"

enum {
    LMDB_KEY_BYTES = 511, /* MDB_MAXKEYSIZE of the library as it is built everywhere */
    LMDB_KEY_MAX =
        LMDB_KEY_BYTES - 1,  /* an engine key: the adapter's section byte comes in front */
    LMDB_READERS_MAX = 4096, /* snapshots, iterators, readers and gets at one time */
    LMDB_IDLE_TXNS = 16,
};

struct lmdb_driver {
    struct driver base;
    MDB_env *env;
    MDB_dbi dbi;
    /* Reading transactions that are reset: taking one is an exchange, renewing it needs no lock of the library. */
    _Atomic(MDB_txn *) idle[LMDB_IDLE_TXNS];
};

struct driver_view {
    struct lmdb_driver *driver;
    MDB_txn *txn;
    struct mutex mu; /* a transaction of the library is for one thread at a time */
};

static inline struct lmdb_driver *lmdb_of(struct driver *driver)
{
    return (struct lmdb_driver *)(void *)driver;
}

extern const struct driver_ops lmdb_driver_ops;

/* The status for what the library answered; records what was tried unless it is an answer. */
KVS_MUST_CHECK enum kvs_status lmdb_status(int code, const char *what);

/* view.c */
KVS_MUST_CHECK enum kvs_status lmdb_read_txn(struct lmdb_driver *driver, MDB_txn **ret);
void lmdb_read_txn_done(struct lmdb_driver *driver, MDB_txn *txn);
void lmdb_idle_free(struct lmdb_driver *driver);
enum kvs_status lmdb_view_open(struct driver *driver, struct driver_view **ret);
void lmdb_view_close(struct driver_view *view);
enum kvs_status lmdb_get(struct driver *driver, struct driver_view *view, struct kvs_bytes key,
                         struct driver_pin *ret);
void lmdb_unpin(struct driver *driver, struct driver_pin *pin);

/* cursor.c */
enum kvs_status lmdb_cursor_open(struct driver_view *view, struct driver_cursor **ret);
enum kvs_status lmdb_txn_cursor_open(struct driver_txn *txn, struct driver_cursor **ret);
void lmdb_cursor_close(struct driver_cursor *cursor);
enum kvs_status lmdb_cursor_seek(struct driver_cursor *cursor, struct kvs_bytes key);
enum kvs_status lmdb_cursor_seek_before(struct driver_cursor *cursor, struct kvs_bytes key);
enum kvs_status lmdb_cursor_next(struct driver_cursor *cursor);
enum kvs_status lmdb_cursor_prev(struct driver_cursor *cursor);

/* txn.c */
struct driver_txn {
    struct lmdb_driver *driver;
    MDB_txn *txn;
};
enum kvs_status lmdb_txn_begin(struct driver *driver, struct driver_txn **ret);
enum kvs_status lmdb_txn_get(struct driver_txn *txn, struct kvs_bytes key, struct kvs_bytes *ret);
enum kvs_status lmdb_txn_put(struct driver_txn *txn, struct kvs_bytes key,
                             struct driver_value value);
enum kvs_status lmdb_txn_remove(struct driver_txn *txn, struct kvs_bytes key);
enum kvs_status lmdb_txn_remove_range(struct driver_txn *txn, struct kvs_bytes start,
                                      struct kvs_bytes end);
enum kvs_status lmdb_txn_commit(struct driver_txn *txn);
void lmdb_txn_abort(struct driver_txn *txn);

static inline MDB_val lmdb_val(struct kvs_bytes bytes)
{
    return (MDB_val){ bytes.len,
                      (void *)(uintptr_t)bytes.data }; /* the library does not write to keys */
}

static inline struct kvs_bytes lmdb_bytes(MDB_val val)
{
    return (struct kvs_bytes){ val.mv_data, val.mv_size };
}

#endif
