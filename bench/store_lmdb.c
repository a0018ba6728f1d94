/*
 * store_lmdb.c - LMDB through its own interface, as its experts use it: a kept reading transaction renewed for each get, cursors
 * renewed for each scan, one writing transaction for each operation or batch. Without syncs WRITEMAP and NOSYNC (a killed
 * process loses nothing: the map is the file). NORDAHEAD when the data does not fit memory, as its manual says.
 */
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

#include "bench/store.h"

struct store {
    MDB_env *env;
    MDB_dbi dbi;
};

struct store_thread {
    struct store *store;
    MDB_txn *read;      /* reset between gets */
    MDB_cursor *cursor; /* of read, renewed for scans */
    MDB_txn *walk;
    MDB_cursor *walk_cursor;
};

static bool fine(int code, const char *what)
{
    if (code == MDB_SUCCESS)
        return true;
    fprintf(stderr, "kvs-bench: lmdb: %s: %s\n", what, mdb_strerror(code));
    return false;
}

static MDB_val val_of(const char *data, size_t len)
{
    return (MDB_val){ len, (void *)(uintptr_t)data }; /* the library does not write to it */
}

static bool lmdb_store_close(struct store *store)
{
    bool ok = store->env == NULL || fine(mdb_env_sync(store->env, 1), "sync");
    if (store->env != NULL)
        mdb_env_close(store->env);
    free(store);
    return ok;
}

static struct store *lmdb_store_open(const struct store_config *config)
{
    struct store *store = calloc(1, sizeof *store);
    if (store == NULL)
        return NULL;
    unsigned flags = MDB_NOTLS | (config->synced ? 0u : MDB_WRITEMAP | MDB_NOSYNC) |
                     (config->large ? MDB_NORDAHEAD : 0u);
    MDB_txn *txn;
    bool ok = fine(mdb_env_create(&store->env), "create") &&
              fine(mdb_env_set_mapsize(store->env, (size_t)64 << 30), "map size") &&
              fine(mdb_env_set_maxreaders(store->env, 512), "readers") &&
              fine(mdb_env_open(store->env, config->dir, flags, 0644), "open") &&
              fine(mdb_txn_begin(store->env, NULL, 0, &txn), "begin") &&
              fine(mdb_dbi_open(txn, NULL, 0, &store->dbi), "tree") &&
              fine(mdb_txn_commit(txn), "commit");
    if (!ok) {
        (void)lmdb_store_close(store);
        return NULL;
    }
    return store;
}

static struct store_thread *lmdb_thread_new(struct store *store)
{
    struct store_thread *thread = calloc(1, sizeof *thread);
    if (thread == NULL)
        return NULL;
    thread->store = store;
    if (!fine(mdb_txn_begin(store->env, NULL, MDB_RDONLY, &thread->read), "begin") ||
        !fine(mdb_cursor_open(thread->read, store->dbi, &thread->cursor), "cursor")) {
        free(thread);
        return NULL;
    }
    mdb_txn_reset(thread->read);
    return thread;
}

static void walk_end(struct store_thread *thread)
{
    if (thread->walk == NULL)
        return;
    mdb_cursor_close(thread->walk_cursor);
    mdb_txn_abort(thread->walk);
    thread->walk = NULL;
}

static void lmdb_thread_free(struct store_thread *thread)
{
    if (thread == NULL)
        return;
    walk_end(thread);
    mdb_cursor_close(thread->cursor);
    mdb_txn_abort(thread->read);
    free(thread);
}

static bool lmdb_put_batch(struct store_thread *thread, const char *keys, size_t count,
                           struct store_value value)
{
    MDB_txn *txn;
    if (!fine(mdb_txn_begin(thread->store->env, NULL, 0, &txn), "begin"))
        return false;
    for (size_t i = 0; i < count; i++) {
        MDB_val at = val_of(keys + i * BENCH_KEY_BYTES, BENCH_KEY_BYTES);
        MDB_val data = val_of(value.data, value.len);
        if (!fine(mdb_put(txn, thread->store->dbi, &at, &data, 0), "put")) {
            mdb_txn_abort(txn);
            return false;
        }
    }
    return fine(mdb_txn_commit(txn), "commit");
}

static bool lmdb_put(struct store_thread *thread, const char *key, struct store_value value)
{
    return lmdb_put_batch(thread, key, 1, value);
}

static bool lmdb_remove(struct store_thread *thread, const char *key)
{
    MDB_txn *txn;
    MDB_val at = val_of(key, BENCH_KEY_BYTES);
    if (!fine(mdb_txn_begin(thread->store->env, NULL, 0, &txn), "begin"))
        return false;
    int code = mdb_del(txn, thread->store->dbi, &at, NULL);
    if (code != MDB_NOTFOUND && !fine(code, "remove")) {
        mdb_txn_abort(txn);
        return false;
    }
    return fine(mdb_txn_commit(txn), "commit");
}

static int lmdb_get_many(struct store_thread *thread, const char *keys, size_t count)
{
    int found = 0;
    if (!fine(mdb_txn_renew(thread->read), "renew"))
        return -1;
    for (size_t i = 0; i < count && found >= 0; i++) {
        MDB_val at = val_of(keys + i * BENCH_KEY_BYTES, BENCH_KEY_BYTES);
        MDB_val value;
        int code = mdb_get(thread->read, thread->store->dbi, &at, &value);
        if (code == MDB_NOTFOUND)
            continue;
        if (!fine(code, "get")) {
            found = -1;
            break;
        }
        store_touch(value.mv_data, value.mv_size);
        found++;
    }
    mdb_txn_reset(thread->read);
    return found;
}

static int lmdb_get(struct store_thread *thread, const char *key)
{
    return lmdb_get_many(thread, key, 1);
}

static int take(MDB_cursor *cursor, MDB_val at, MDB_cursor_op op, int count)
{
    MDB_val value;
    for (int i = 0; i < count; i++, op = MDB_NEXT) {
        int code = mdb_cursor_get(cursor, &at, &value, op);
        if (code == MDB_NOTFOUND)
            return i;
        if (!fine(code, "next"))
            return -1;
        store_touch(value.mv_data, value.mv_size);
    }
    return count;
}

static int lmdb_scan(struct store_thread *thread, const char *key, int count)
{
    if (!fine(mdb_txn_renew(thread->read), "renew") ||
        !fine(mdb_cursor_renew(thread->read, thread->cursor), "renew a cursor"))
        return -1;
    int seen = take(thread->cursor, val_of(key, BENCH_KEY_BYTES), MDB_SET_RANGE, count);
    mdb_txn_reset(thread->read);
    return seen;
}

static int lmdb_walk(struct store_thread *thread, int count)
{
    struct store *store = thread->store;
    MDB_cursor_op op = MDB_NEXT;
    if (thread->walk == NULL) {
        if (!fine(mdb_txn_begin(store->env, NULL, MDB_RDONLY, &thread->walk), "begin"))
            return -1;
        if (!fine(mdb_cursor_open(thread->walk, store->dbi, &thread->walk_cursor), "cursor")) {
            mdb_txn_abort(thread->walk);
            thread->walk = NULL;
            return -1;
        }
        op = MDB_FIRST;
    }
    int seen = take(thread->walk_cursor, (MDB_val){ 0, NULL }, op, count);
    if (seen < count)
        walk_end(thread);
    return seen;
}

static void lmdb_settle(struct store *store)
{
    (void)store; /* it has no threads of its own */
}

static bool lmdb_checkpoint(struct store *store)
{
    return fine(mdb_env_sync(store->env, 1), "sync");
}

const struct store_ops store_lmdb = {
    .name = "lmdb",
    .what = "LMDB, WRITEMAP|NOSYNC where not synced",
    .ordered = true,
    .syncs = true,
    .open = lmdb_store_open,
    .close = lmdb_store_close,
    .settle = lmdb_settle,
    .thread_new = lmdb_thread_new,
    .thread_free = lmdb_thread_free,
    .put = lmdb_put,
    .put_batch = lmdb_put_batch,
    .remove = lmdb_remove,
    .get = lmdb_get,
    .get_many = lmdb_get_many,
    .scan = lmdb_scan,
    .walk = lmdb_walk,
    .checkpoint = lmdb_checkpoint,
};
