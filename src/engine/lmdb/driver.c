/*
 * driver.c - opening the environment; statuses.
 *
 * The map is as large as the file system (1 TiB at least): only addresses are reserved, the file grows as it is written, so the disk is
 * full before the map is, and nobody ever has to choose a size. Where so many addresses are not to be had (a limit on
 * the process), half as many are tried, and so on.
 *
 * Durability. LMDB without syncs may come back from a power cut damaged as a whole: pages that the last synced tree needs are
 * reused by then. So `always` and `everysec` commit with the library's own syncs, and only `no`, which promises nothing about
 * power cuts, commits without; there a sync follows about each second. What a killed process has committed is there in any case.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/statvfs.h>

#include "base/fail.h"
#include "engine/adapter/adapter.h"
#include "engine/lmdb/room.h"

static const uint64_t MAP_LEAST = UINT64_C(1) << 40;
static const uint64_t MAP_MOST = UINT64_C(1) << 45; /* a quarter of the addresses there are */
static const uint64_t MAP_SMALLEST = UINT64_C(1) << 30;

enum kvs_status lmdb_status(int code, const char *what)
{
    switch (code) {
    case MDB_SUCCESS:
        return KVS_OK;
    case MDB_NOTFOUND:
        return KVS_NOT_FOUND;
    case MDB_MAP_FULL:
        return fail(KVS_DISK_FULL, 0, "lmdb: %s: the map is full", what);
    case ENOSPC:
    case EDQUOT:
        return fail(KVS_DISK_FULL, code, "lmdb: %s", what);
    case ENOMEM:
        return fail(KVS_NO_MEMORY, code, "lmdb: %s", what);
    case MDB_READERS_FULL:
        return fail(KVS_OVER_BUDGET, 0, "lmdb: %s: %d snapshots, iterators and readers are open",
                    what, LMDB_READERS_MAX);
    case MDB_TXN_FULL:
        return fail(KVS_OVER_BUDGET, 0, "lmdb: %s: the batch touches too many pages", what);
    case MDB_BAD_VALSIZE:
        return fail(KVS_TOO_LONG, 0, "lmdb: %s: %s", what, mdb_strerror(code));
    case MDB_VERSION_MISMATCH:
    case MDB_INVALID:
        return fail(KVS_WRONG_FORMAT, 0, "lmdb: %s: %s", what, mdb_strerror(code));
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_CURSOR_FULL:
        return fail(KVS_CORRUPT, 0, "lmdb: %s: %s", what, mdb_strerror(code));
    default:
        return code > 0 ? fail(KVS_IO, code, "lmdb: %s", what)
                        : fail(KVS_IO, 0, "lmdb: %s: %s", what, mdb_strerror(code));
    }
}

static uint64_t map_bytes(const char *dir)
{
    struct statvfs system;
    uint64_t bytes = MAP_LEAST;
    if (statvfs(dir, &system) == 0 && (uint64_t)system.f_blocks < MAP_MOST / system.f_frsize)
        bytes = (uint64_t)system.f_blocks * system.f_frsize;
    else
        bytes = MAP_MOST;
    if (bytes < MAP_LEAST)
        bytes = MAP_LEAST;
    return bytes & ~(uint64_t)0xffff;
}

/* An environment that could not be opened must be closed: each try needs a new one. */
static int env_try(const char *dir, unsigned flags, uint64_t bytes, MDB_env **ret)
{
    int code = mdb_env_create(ret);
    if (code != MDB_SUCCESS)
        return code;
    code = mdb_env_set_maxreaders(*ret, LMDB_READERS_MAX);
    if (code == MDB_SUCCESS)
        code = mdb_env_set_mapsize(*ret, bytes);
    if (code == MDB_SUCCESS)
        code = mdb_env_open(*ret, dir, flags, 0644);
    if (code != MDB_SUCCESS) {
        mdb_env_close(*ret);
        *ret = NULL;
    }
    return code;
}

static enum kvs_status env_open(struct lmdb_driver *driver, const char *dir, unsigned flags)
{
    uint64_t bytes = map_bytes(dir);
    int code = env_try(dir, flags, bytes, &driver->env);
    while (code == ENOMEM && bytes > MAP_SMALLEST) {
        bytes /= 2;
        code = env_try(dir, flags, bytes, &driver->env);
    }
    if (code != MDB_SUCCESS)
        return lmdb_status(code, "open data.mdb");
    if (mdb_env_get_maxkeysize(driver->env) < LMDB_KEY_BYTES)
        return fail(KVS_UNSUPPORTED, 0, "lmdb: this build takes keys of %d bytes, not %d",
                    mdb_env_get_maxkeysize(driver->env), LMDB_KEY_BYTES);
    int dead = 0;
    return lmdb_status(mdb_reader_check(driver->env, &dead), "look for dead readers");
}

static enum kvs_status tree_open(struct lmdb_driver *driver)
{
    MDB_txn *txn;
    enum kvs_status status =
        lmdb_status(mdb_txn_begin(driver->env, NULL, MDB_RDONLY, &txn), "begin to read");
    if (status != KVS_OK)
        return status;
    status = lmdb_status(mdb_dbi_open(txn, NULL, 0, &driver->dbi), "open the tree");
    if (status != KVS_OK) {
        mdb_txn_abort(txn);
        return status;
    }
    return lmdb_status(mdb_txn_commit(txn), "open the tree");
}

static void lmdb_close(struct driver *base)
{
    struct lmdb_driver *driver = lmdb_of(base);
    if (driver->env != NULL) {
        lmdb_idle_free(driver);
        mdb_env_close(driver->env);
    }
    free(driver);
}

static enum kvs_status flags_of(const struct kvs_engine_config *config, unsigned *ret)
{
    static const char *const names[] = { "readahead", "writemap", NULL };
    bool readahead;
    bool writemap;
    enum kvs_status status = adapter_check_settings("lmdb", config, names);
    if (status == KVS_OK)
        status = adapter_setting_bool(config, "readahead", false, &readahead);
    if (status == KVS_OK)
        status = adapter_setting_bool(config, "writemap", false, &writemap);
    if (status != KVS_OK)
        return status;
    *ret = MDB_NOTLS | (readahead ? 0u : MDB_NORDAHEAD) | (writemap ? MDB_WRITEMAP : 0u);
    if (config->read_only)
        *ret = (*ret & ~(unsigned)MDB_WRITEMAP) | MDB_RDONLY;
    else if (config->durability == KVS_DURABILITY_NO)
        *ret |= MDB_NOSYNC;
    return KVS_OK;
}

static enum kvs_status lmdb_open(const struct kvs_engine_config *config, bool *ret_commits_durable,
                                 struct driver **ret)
{
    unsigned flags;
    enum kvs_status status = flags_of(config, &flags);
    if (status != KVS_OK)
        return status;
    struct lmdb_driver *driver = calloc(1, sizeof *driver);
    if (driver == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "engine lmdb");
    driver->base.ops = &lmdb_driver_ops;
    status = env_open(driver, config->dir, flags);
    if (status == KVS_OK)
        status = tree_open(driver);
    if (status != KVS_OK) {
        lmdb_close(&driver->base);
        return status;
    }
    *ret_commits_durable = (flags & MDB_NOSYNC) == 0;
    *ret = &driver->base;
    return KVS_OK;
}

static enum kvs_status lmdb_sync(struct driver *base)
{
    return lmdb_status(mdb_env_sync(lmdb_of(base)->env, 1), "sync");
}

static enum kvs_status lmdb_compact(struct driver *base)
{
    (void)base;
    return KVS_OK; /* free pages are used again, the file never shrinks while it is open */
}

static void lmdb_stats(struct driver *base, kvs_stat_fn *fn, void *ctx)
{
    struct lmdb_driver *driver = lmdb_of(base);
    MDB_envinfo info;
    MDB_stat stat;
    if (mdb_env_info(driver->env, &info) != MDB_SUCCESS ||
        mdb_env_stat(driver->env, &stat) != MDB_SUCCESS)
        return;
    fn(ctx, "lmdb_map_bytes", info.me_mapsize);
    fn(ctx, "lmdb_file_bytes", ((uint64_t)info.me_last_pgno + 1) * stat.ms_psize);
    fn(ctx, "lmdb_transaction", info.me_last_txnid);
    fn(ctx, "lmdb_readers", info.me_numreaders);
    fn(ctx, "lmdb_depth", stat.ms_depth);
    fn(ctx, "lmdb_branch_pages", stat.ms_branch_pages);
    fn(ctx, "lmdb_leaf_pages", stat.ms_leaf_pages);
    fn(ctx, "lmdb_overflow_pages", stat.ms_overflow_pages);
}

const struct driver_ops lmdb_driver_ops = {
    .name = "lmdb",
    .cursors_see_changes = true,
    .open = lmdb_open,
    .close = lmdb_close,
    .view_open = lmdb_view_open,
    .view_close = lmdb_view_close,
    .get = lmdb_get,
    .unpin = lmdb_unpin,
    .cursor_open = lmdb_cursor_open,
    .txn_cursor_open = lmdb_txn_cursor_open,
    .cursor_close = lmdb_cursor_close,
    .cursor_seek = lmdb_cursor_seek,
    .cursor_seek_before = lmdb_cursor_seek_before,
    .cursor_next = lmdb_cursor_next,
    .cursor_prev = lmdb_cursor_prev,
    .txn_begin = lmdb_txn_begin,
    .txn_get = lmdb_txn_get,
    .txn_put = lmdb_txn_put,
    .txn_remove = lmdb_txn_remove,
    .txn_remove_range = lmdb_txn_remove_range,
    .txn_commit = lmdb_txn_commit,
    .txn_abort = lmdb_txn_abort,
    .sync = lmdb_sync,
    .compact = lmdb_compact,
    .stats = lmdb_stats,
};
