/*
 * driver.c - opening RocksDB, its options, statuses.
 *
 * Options follow what its authors recommend for point lookups on a mix of reads and writes: full Bloom filters of 10 bits, a
 * block cache of half the memory budget that index and filter blocks are charged to, dynamic level sizes, LZ4, bytes synced
 * as they are written, background jobs as the machine has cores.
 *
 * Durability. Every write goes to the library's log, in the file when the call returns, so a killed process loses nothing. Nobody
 * syncs in a write: whoever waits for a position syncs the log, once for all who wait. After a power cut the log is taken
 * up to the first gap, as a whole prefix.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "engine/adapter/adapter.h"
#include "engine/rocksdb/room.h"

enum {
    BLOOM_BITS = 10,
    MIB = 1024 * 1024,
    CACHE_MIN = 8 * MIB,
    BUFFER_MIN = 4 * MIB,
    BUFFER_MAX = 64 * MIB
};

enum kvs_status rocks_status(char *error, const char *what)
{
    if (error == NULL)
        return KVS_OK;
    enum kvs_status status = KVS_IO;
    if (strstr(error, "No space left") != NULL || strstr(error, "no space") != NULL)
        status = KVS_DISK_FULL;
    else if (strncmp(error, "Corruption", 10) == 0)
        status = KVS_CORRUPT;
    else if (strncmp(error, "Invalid argument", 16) == 0 ||
             strncmp(error, "Not implemented", 15) == 0)
        status = KVS_WRONG_FORMAT;
    (void)fail(status, 0, "rocksdb: %s: %s", what, error);
    rocksdb_free(error);
    return status;
}

static size_t buffer_bytes(uint64_t memory)
{
    uint64_t bytes = memory / 16;
    if (bytes < BUFFER_MIN)
        return BUFFER_MIN;
    return bytes < BUFFER_MAX ? (size_t)bytes : BUFFER_MAX;
}

static void set_table(struct rocks_driver *driver, uint64_t memory)
{
    driver->cache =
        rocksdb_cache_create_lru(memory / 2 > CACHE_MIN ? (size_t)(memory / 2) : CACHE_MIN);
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_cache(table, driver->cache);
    rocksdb_block_based_options_set_filter_policy(
        table, rocksdb_filterpolicy_create_bloom_full(BLOOM_BITS)); /* the table's from now on */
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1);
    rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(table, 1);
    rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(table, 1);
    rocksdb_block_based_options_set_format_version(table, 5);
    rocksdb_options_set_block_based_table_factory(driver->options, table);
    rocksdb_block_based_options_destroy(table);
}

static void set_options(struct rocks_driver *driver, const struct kvs_engine_config *config)
{
    uint64_t memory = config->memory_bytes != 0 ? config->memory_bytes : (uint64_t)256 * MIB;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    driver->options = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(driver->options, 1);
    rocksdb_options_set_max_background_jobs(driver->options, cores > 2 ? (int)cores : 2);
    rocksdb_options_set_write_buffer_size(driver->options, buffer_bytes(memory));
    rocksdb_options_set_max_write_buffer_number(driver->options, 4);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(driver->options, 1);
    rocksdb_options_set_max_bytes_for_level_base(driver->options, 4 * buffer_bytes(memory));
    rocksdb_options_set_bytes_per_sync(driver->options, MIB);
    rocksdb_options_set_wal_bytes_per_sync(driver->options, MIB);
    rocksdb_options_set_compression(driver->options, rocksdb_lz4_compression);
    rocksdb_options_set_keep_log_file_num(driver->options, 2);
    rocksdb_options_set_stats_dump_period_sec(driver->options, 0);
    set_table(driver, memory);
}

static void rocks_close(struct driver *base)
{
    struct rocks_driver *driver = rocks_of(base);
    rocks_txn_free(driver->idle);
    if (driver->db != NULL)
        rocksdb_close(driver->db);
    if (driver->newest != NULL)
        rocksdb_readoptions_destroy(driver->newest);
    if (driver->write != NULL)
        rocksdb_writeoptions_destroy(driver->write);
    if (driver->options != NULL)
        rocksdb_options_destroy(driver->options);
    if (driver->cache != NULL)
        rocksdb_cache_destroy(driver->cache);
    free(driver);
}

/* Its file LOCK is the store's too: that one is locked with flock(), the library uses fcntl(), and neither minds the other. */
static enum kvs_status db_open(struct rocks_driver *driver, const struct kvs_engine_config *config)
{
    char *error = NULL;
    driver->db = config->read_only
                     ? rocksdb_open_for_read_only(driver->options, config->dir, 0, &error)
                     : rocksdb_open(driver->options, config->dir, &error);
    return rocks_status(error, "open");
}

static enum kvs_status rocks_open(const struct kvs_engine_config *config, bool *ret_commits_durable,
                                  struct driver **ret)
{
    static const char *const names[] = { NULL };
    enum kvs_status status = adapter_check_settings("rocksdb", config, names);
    if (status != KVS_OK)
        return status;
    struct rocks_driver *driver = calloc(1, sizeof *driver);
    if (driver == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "engine rocksdb");
    driver->base.ops = &rocks_driver_ops;
    driver->read_only = config->read_only;
    driver->newest = rocksdb_readoptions_create();
    driver->write = rocksdb_writeoptions_create();
    set_options(driver, config);
    status = db_open(driver, config);
    if (status != KVS_OK) {
        rocks_close(&driver->base);
        return status;
    }
    *ret_commits_durable = false;
    *ret = &driver->base;
    return KVS_OK;
}

static enum kvs_status rocks_sync(struct driver *base)
{
    char *error = NULL;
    rocksdb_flush_wal(rocks_of(base)->db, 1, &error);
    return rocks_status(error, "sync the log");
}

static enum kvs_status rocks_compact(struct driver *base)
{
    rocksdb_compact_range(rocks_of(base)->db, NULL, 0, NULL, 0);
    return KVS_OK;
}

static void rocks_stats(struct driver *base, kvs_stat_fn *fn, void *ctx)
{
    static const struct {
        const char *property;
        const char *name;
    } figures[] = {
        { "rocksdb.estimate-num-keys", "rocksdb_keys_estimated" },
        { "rocksdb.cur-size-all-mem-tables", "rocksdb_memtable_bytes" },
        { "rocksdb.total-sst-files-size", "rocksdb_table_bytes" },
        { "rocksdb.live-sst-files-size", "rocksdb_live_table_bytes" },
        { "rocksdb.block-cache-usage", "rocksdb_cache_bytes" },
        { "rocksdb.num-running-compactions", "rocksdb_running_compactions" },
        { "rocksdb.estimate-pending-compaction-bytes", "rocksdb_pending_compaction_bytes" },
        { "rocksdb.actual-delayed-write-rate", "rocksdb_delayed_write_rate" },
        { "rocksdb.background-errors", "rocksdb_background_errors" },
    };

    for (size_t i = 0; i < sizeof figures / sizeof figures[0]; i++) {
        uint64_t value;
        if (rocksdb_property_int(rocks_of(base)->db, figures[i].property, &value) == 0)
            fn(ctx, figures[i].name, value);
    }
}

const struct driver_ops rocks_driver_ops = {
    .name = "rocksdb",
    .cursors_see_changes = false,
    .open = rocks_open,
    .close = rocks_close,
    .view_open = rocks_view_open,
    .view_close = rocks_view_close,
    .get = rocks_get,
    .unpin = rocks_unpin,
    .cursor_open = rocks_cursor_open,
    .txn_cursor_open = rocks_txn_cursor_open,
    .cursor_close = rocks_cursor_close,
    .cursor_seek = rocks_cursor_seek,
    .cursor_seek_before = rocks_cursor_seek_before,
    .cursor_next = rocks_cursor_next,
    .cursor_prev = rocks_cursor_prev,
    .txn_begin = rocks_txn_begin,
    .txn_get = rocks_txn_get,
    .txn_put = rocks_txn_put,
    .txn_remove = rocks_txn_remove,
    .txn_remove_range = rocks_txn_remove_range,
    .txn_commit = rocks_txn_commit,
    .txn_abort = rocks_txn_abort,
    .sync = rocks_sync,
    .compact = rocks_compact,
    .stats = rocks_stats,
};
