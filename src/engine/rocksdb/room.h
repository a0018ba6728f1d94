/*
 * room.h - what the files of engine/rocksdb share.
 */
#ifndef ENGINE_ROCKSDB_ROOM_H
#define ENGINE_ROCKSDB_ROOM_H

#include <rocksdb/c.h>

#include "engine/adapter/driver.h"
#include "engine/rocksdb/changes.h"

struct rocks_driver {
    struct driver base;
    rocksdb_t *db;
    rocksdb_options_t *options;
    rocksdb_cache_t *cache;
    rocksdb_readoptions_t *newest; /* reads what was written last */
    rocksdb_writeoptions_t *write; /* to the log, without a sync */
    struct driver_txn *idle;       /* the transaction, kept with its memory; one at a time */
    bool read_only;
};

struct driver_view {
    struct rocks_driver *driver;
    const rocksdb_snapshot_t *snapshot;
    rocksdb_readoptions_t *at;
};

struct driver_txn {
    struct rocks_driver *driver;
    rocksdb_writebatch_t *batch;
    struct changes changes;       /* what is in the batch, to be looked up */
    rocksdb_pinnableslice_t *pin; /* of the last lookup; NULL */
};

static inline struct rocks_driver *rocks_of(struct driver *driver)
{
    return (struct rocks_driver *)(void *)driver;
}

extern const struct driver_ops rocks_driver_ops;

/* The status for what the library said (NULL: all is well), whose text is freed. */
KVS_MUST_CHECK enum kvs_status rocks_status(char *error, const char *what);

/* view.c */
enum kvs_status rocks_view_open(struct driver *driver, struct driver_view **ret);
void rocks_view_close(struct driver_view *view);
enum kvs_status rocks_get(struct driver *driver, struct driver_view *view, struct kvs_bytes key,
                          struct driver_pin *ret);
void rocks_unpin(struct driver *driver, struct driver_pin *pin);
enum kvs_status rocks_cursor_open(struct driver_view *view, struct driver_cursor **ret);
enum kvs_status rocks_txn_cursor_open(struct driver_txn *txn, struct driver_cursor **ret);
void rocks_cursor_close(struct driver_cursor *cursor);
enum kvs_status rocks_cursor_seek(struct driver_cursor *cursor, struct kvs_bytes key);
enum kvs_status rocks_cursor_seek_before(struct driver_cursor *cursor, struct kvs_bytes key);
enum kvs_status rocks_cursor_next(struct driver_cursor *cursor);
enum kvs_status rocks_cursor_prev(struct driver_cursor *cursor);

/* txn.c */
enum kvs_status rocks_txn_begin(struct driver *driver, struct driver_txn **ret);
enum kvs_status rocks_txn_get(struct driver_txn *txn, struct kvs_bytes key, struct kvs_bytes *ret);
enum kvs_status rocks_txn_put(struct driver_txn *txn, struct kvs_bytes key,
                              struct driver_value value);
enum kvs_status rocks_txn_remove(struct driver_txn *txn, struct kvs_bytes key);
enum kvs_status rocks_txn_remove_range(struct driver_txn *txn, struct kvs_bytes start,
                                       struct kvs_bytes end);
enum kvs_status rocks_txn_commit(struct driver_txn *txn);
void rocks_txn_abort(struct driver_txn *txn);
void rocks_txn_free(struct driver_txn *txn);

#endif
