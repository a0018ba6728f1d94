/*
 * driver.h - what a library has to offer so that engine/adapter can make a whole engine of it: ordered bytes, consistent views,
 * one writing transaction at a time.
 *
 * Keys and values here are raw: the adapter has put its section byte and its record header in front. All keys have at least one byte.
 *
 * Threads: any, except that the adapter has at most one transaction at a time, and uses a cursor on one thread at a time. One
 * view may be read by several threads at once.
 */
#ifndef ENGINE_ADAPTER_DRIVER_H
#define ENGINE_ADAPTER_DRIVER_H

#include <kvs/engine.h>

struct driver;
struct driver_view; /* one version of everything */
struct driver_txn;  /* changes on their way in */

/* A value that was found. The bytes are good until driver_ops.unpin. */
struct driver_pin {
    struct kvs_bytes value;
    void *owner; /* the driver's */
};

/* Where a cursor stands. The bytes are good until it moves or is closed. Drivers embed it as their first member. */
struct driver_cursor {
    struct kvs_bytes key;
    struct kvs_bytes value;
};

/* Bytes in two pieces, joined when they are stored. */
struct driver_value {
    struct kvs_bytes head;
    struct kvs_bytes tail;
};

struct driver_ops {
    const char *name;
    /* Lookups in a transaction see its own changes in any case; cursors in it: only where this is true. */
    bool cursors_see_changes;

    /** Opens what lies in config->dir. *ret_commits_durable: what was committed is on disk. */
    enum kvs_status (*open)(const struct kvs_engine_config *config, bool *ret_commits_durable,
                            struct driver **ret);
    void (*close)(struct driver *driver);

    enum kvs_status (*view_open)(struct driver *driver, struct driver_view **ret);
    void (*view_close)(struct driver_view *view); /* NULL is allowed */

    /** Finds @key in @view (NULL: in what was committed last). KVS_OK: pinned until unpin(); else nothing is. */
    enum kvs_status (*get)(struct driver *driver, struct driver_view *view, struct kvs_bytes key,
                           struct driver_pin *ret);
    void (*unpin)(struct driver *driver, struct driver_pin *pin);

    /** A cursor over @view, or over the transaction. It stands nowhere yet. */
    enum kvs_status (*cursor_open)(struct driver_view *view, struct driver_cursor **ret);
    enum kvs_status (*txn_cursor_open)(struct driver_txn *txn, struct driver_cursor **ret);
    void (*cursor_close)(struct driver_cursor *cursor); /* NULL is allowed */
    /* To the first key >= @key; to the last key < @key; one on; one back. KVS_NOT_FOUND: there is none. */
    enum kvs_status (*cursor_seek)(struct driver_cursor *cursor, struct kvs_bytes key);
    enum kvs_status (*cursor_seek_before)(struct driver_cursor *cursor, struct kvs_bytes key);
    enum kvs_status (*cursor_next)(struct driver_cursor *cursor);
    enum kvs_status (*cursor_prev)(struct driver_cursor *cursor);

    enum kvs_status (*txn_begin)(struct driver *driver, struct driver_txn **ret);
    /** The bytes are good until the next call on the transaction. */
    enum kvs_status (*txn_get)(struct driver_txn *txn, struct kvs_bytes key, struct kvs_bytes *ret);
    enum kvs_status (*txn_put)(struct driver_txn *txn, struct kvs_bytes key,
                               struct driver_value value);
    enum kvs_status (*txn_remove)(struct driver_txn *txn,
                                  struct kvs_bytes key); /* absent: KVS_OK */
    enum kvs_status (*txn_remove_range)(struct driver_txn *txn, struct kvs_bytes start,
                                        struct kvs_bytes end);
    /** Ends the transaction, also when it fails; then nothing of it is visible. */
    enum kvs_status (*txn_commit)(struct driver_txn *txn);
    void (*txn_abort)(struct driver_txn *txn);

    /** Makes what was committed before the call durable. Waits. */
    enum kvs_status (*sync)(struct driver *driver);
    /** Gives back what the library can give back while it is open. Waits. */
    enum kvs_status (*compact)(struct driver *driver);
    void (*stats)(struct driver *driver, kvs_stat_fn *fn, void *ctx);
};

struct driver {
    const struct driver_ops *ops;
};

#endif
