/*
 * view.c - reading: snapshots of the library, lookups without a copy, iterators as cursors.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "engine/rocksdb/room.h"

struct rocks_cursor {
    struct driver_cursor base;
    rocksdb_iterator_t *iterator;
};

static struct rocks_cursor *cursor_of(struct driver_cursor *cursor)
{
    return (struct rocks_cursor *)(void *)cursor;
}

enum kvs_status rocks_view_open(struct driver *base, struct driver_view **ret)
{
    struct rocks_driver *driver = rocks_of(base);
    struct driver_view *view = calloc(1, sizeof *view);
    if (view == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "view");
    view->driver = driver;
    view->at = rocksdb_readoptions_create();
    /* Nothing changes below a store that is only read. */
    if (!driver->read_only) {
        view->snapshot = rocksdb_create_snapshot(driver->db);
        rocksdb_readoptions_set_snapshot(view->at, view->snapshot);
    }
    *ret = view;
    return KVS_OK;
}

void rocks_view_close(struct driver_view *view)
{
    if (view == NULL)
        return;
    if (view->snapshot != NULL)
        rocksdb_release_snapshot(view->driver->db, view->snapshot);
    rocksdb_readoptions_destroy(view->at);
    free(view);
}

enum kvs_status rocks_get(struct driver *base, struct driver_view *view, struct kvs_bytes key,
                          struct driver_pin *ret)
{
    struct rocks_driver *driver = rocks_of(base);
    char *error = NULL;
    rocksdb_pinnableslice_t *pin = rocksdb_get_pinned(
        driver->db, view != NULL ? view->at : driver->newest, key.data, key.len, &error);
    enum kvs_status status = rocks_status(error, "get");
    if (status != KVS_OK)
        return status;
    if (pin == NULL)
        return KVS_NOT_FOUND;
    ret->value.data = rocksdb_pinnableslice_value(pin, &ret->value.len);
    ret->owner = pin;
    return KVS_OK;
}

void rocks_unpin(struct driver *base, struct driver_pin *pin)
{
    (void)base;
    rocksdb_pinnableslice_destroy(pin->owner);
    pin->owner = NULL;
}

static enum kvs_status make(struct rocks_driver *driver, const rocksdb_readoptions_t *at,
                            struct driver_cursor **ret)
{
    struct rocks_cursor *cursor = calloc(1, sizeof *cursor);
    if (cursor == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "cursor");
    cursor->iterator = rocksdb_create_iterator(driver->db, at);
    *ret = &cursor->base;
    return KVS_OK;
}

enum kvs_status rocks_cursor_open(struct driver_view *view, struct driver_cursor **ret)
{
    return make(view->driver, view->at, ret);
}

enum kvs_status rocks_txn_cursor_open(struct driver_txn *txn, struct driver_cursor **ret)
{
    return make(txn->driver, txn->driver->newest, ret);
}

void rocks_cursor_close(struct driver_cursor *base)
{
    if (base == NULL)
        return;
    rocksdb_iter_destroy(cursor_of(base)->iterator);
    free(cursor_of(base));
}

static enum kvs_status settle(struct rocks_cursor *cursor)
{
    if (rocksdb_iter_valid(cursor->iterator)) {
        cursor->base.key.data = rocksdb_iter_key(cursor->iterator, &cursor->base.key.len);
        cursor->base.value.data = rocksdb_iter_value(cursor->iterator, &cursor->base.value.len);
        return KVS_OK;
    }
    char *error = NULL;
    rocksdb_iter_get_error(cursor->iterator, &error);
    enum kvs_status status = rocks_status(error, "move an iterator");
    return status != KVS_OK ? status : KVS_NOT_FOUND;
}

enum kvs_status rocks_cursor_seek(struct driver_cursor *base, struct kvs_bytes key)
{
    rocksdb_iter_seek(cursor_of(base)->iterator, key.data, key.len);
    return settle(cursor_of(base));
}

/* The library's seek backwards finds the key itself too. */
enum kvs_status rocks_cursor_seek_before(struct driver_cursor *base, struct kvs_bytes key)
{
    struct rocks_cursor *cursor = cursor_of(base);
    rocksdb_iter_seek_for_prev(cursor->iterator, key.data, key.len);
    enum kvs_status status = settle(cursor);
    if (status != KVS_OK || base->key.len != key.len ||
        memcmp(base->key.data, key.data, key.len) != 0)
        return status;
    return rocks_cursor_prev(base);
}

enum kvs_status rocks_cursor_next(struct driver_cursor *base)
{
    rocksdb_iter_next(cursor_of(base)->iterator);
    return settle(cursor_of(base));
}

enum kvs_status rocks_cursor_prev(struct driver_cursor *base)
{
    rocksdb_iter_prev(cursor_of(base)->iterator);
    return settle(cursor_of(base));
}
