/*
 * store_rocksdb.c - RocksDB through its C interface, as its tuning guide recommends for point lookups beside writes: full Bloom
 * filters of 10 bits, index and filter blocks in the block cache, hashed data blocks, LZ4 off where values do not compress, four
 * write buffers of 64 MiB, dynamic level sizes, all cores for background jobs, the log always on (synced where asked).
 */
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bench/store.h"

enum {
    MANY_MAX = 64,
    SETTLE_STEPS = 1200, /* of 50 ms */
};

static const uint64_t CACHE_BYTES = UINT64_C(2)
                                    << 30; /* the data whole, where memory is not limited */

struct store {
    rocksdb_t *db;
    rocksdb_column_family_handle_t *family; /* batched gets are asked of one */
    rocksdb_options_t *options;
    rocksdb_cache_t *cache;
    rocksdb_writeoptions_t *write;
    rocksdb_readoptions_t *read;
    rocksdb_readoptions_t *walk;
};

struct store_thread {
    struct store *store;
    rocksdb_writebatch_t *batch;
    rocksdb_iterator_t *walk;
};

static bool fine(char *error, const char *what)
{
    if (error == NULL)
        return true;
    fprintf(stderr, "kvs-bench: rocksdb: %s: %s\n", what, error);
    rocksdb_free(error);
    return false;
}

static void set_options(struct store *store, const struct store_config *config)
{
    uint64_t cache = config->memory_bytes != 0 ? config->memory_bytes : CACHE_BYTES;
    store->options = rocksdb_options_create();
    store->cache = rocksdb_cache_create_lru(cache);
    rocksdb_options_set_create_if_missing(store->options, 1);
    rocksdb_options_increase_parallelism(store->options, (int)sysconf(_SC_NPROCESSORS_ONLN));
    rocksdb_options_set_write_buffer_size(store->options, (config->memory_bytes != 0 ? 16 : 64)
                                                              << 20);
    rocksdb_options_set_max_write_buffer_number(store->options, 4);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(store->options, 1);
    rocksdb_options_set_max_bytes_for_level_base(store->options, (uint64_t)256 << 20);
    rocksdb_options_set_bytes_per_sync(store->options, 1 << 20);
    rocksdb_options_set_compression(store->options,
                                    rocksdb_no_compression); /* values are random letters */
    rocksdb_options_set_max_open_files(store->options, -1);
    rocksdb_options_set_stats_dump_period_sec(store->options, 0);
    rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
    rocksdb_block_based_options_set_block_cache(table, store->cache);
    rocksdb_block_based_options_set_filter_policy(table,
                                                  rocksdb_filterpolicy_create_bloom_full(10));
    rocksdb_block_based_options_set_cache_index_and_filter_blocks(table, 1);
    rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(table, 1);
    rocksdb_block_based_options_set_data_block_index_type(
        table, rocksdb_block_based_table_data_block_index_type_binary_search_and_hash);
    rocksdb_block_based_options_set_format_version(table, 5);
    rocksdb_options_set_block_based_table_factory(store->options, table);
    rocksdb_block_based_options_destroy(table);
}

static bool rocks_store_close(struct store *store)
{
    if (store->family != NULL)
        rocksdb_column_family_handle_destroy(store->family);
    if (store->db != NULL)
        rocksdb_close(store->db);
    rocksdb_readoptions_destroy(store->walk);
    rocksdb_readoptions_destroy(store->read);
    rocksdb_writeoptions_destroy(store->write);
    rocksdb_options_destroy(store->options);
    rocksdb_cache_destroy(store->cache);
    free(store);
    return true;
}

static struct store *rocks_store_open(const struct store_config *config)
{
    struct store *store = calloc(1, sizeof *store);
    if (store == NULL)
        return NULL;
    set_options(store, config);
    store->write = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(store->write, config->synced);
    store->read = rocksdb_readoptions_create();
    store->walk = rocksdb_readoptions_create();
    rocksdb_readoptions_set_readahead_size(store->walk, 2 << 20);
    char *error = NULL;
    const char *names[1] = { "default" };
    const rocksdb_options_t *options[1] = { store->options };
    store->db = rocksdb_open_column_families(store->options, config->dir, 1, names, options,
                                             &store->family, &error);
    if (!fine(error, "open")) {
        store->db = NULL;
        store->family = NULL;
        (void)rocks_store_close(store);
        return NULL;
    }
    return store;
}

static struct store_thread *rocks_thread_new(struct store *store)
{
    struct store_thread *thread = calloc(1, sizeof *thread);
    if (thread == NULL)
        return NULL;
    thread->store = store;
    thread->batch = rocksdb_writebatch_create();
    return thread;
}

static void rocks_thread_free(struct store_thread *thread)
{
    if (thread == NULL)
        return;
    if (thread->walk != NULL)
        rocksdb_iter_destroy(thread->walk);
    rocksdb_writebatch_destroy(thread->batch);
    free(thread);
}

static bool rocks_put(struct store_thread *thread, const char *key, struct store_value value)
{
    struct store *store = thread->store;
    char *error = NULL;
    rocksdb_put(store->db, store->write, key, BENCH_KEY_BYTES, value.data, value.len, &error);
    return fine(error, "put");
}

static bool rocks_put_batch(struct store_thread *thread, const char *keys, size_t count,
                            struct store_value value)
{
    struct store *store = thread->store;
    char *error = NULL;
    rocksdb_writebatch_clear(thread->batch);
    for (size_t i = 0; i < count; i++)
        rocksdb_writebatch_put(thread->batch, keys + i * BENCH_KEY_BYTES, BENCH_KEY_BYTES,
                               value.data, value.len);
    rocksdb_write(store->db, store->write, thread->batch, &error);
    return fine(error, "write");
}

static bool rocks_remove(struct store_thread *thread, const char *key)
{
    struct store *store = thread->store;
    char *error = NULL;
    rocksdb_delete(store->db, store->write, key, BENCH_KEY_BYTES, &error);
    return fine(error, "remove");
}

static int show(rocksdb_pinnableslice_t *pin)
{
    if (pin == NULL)
        return 0;
    size_t len;
    const char *value = rocksdb_pinnableslice_value(pin, &len);
    store_touch(value, len);
    rocksdb_pinnableslice_destroy(pin);
    return 1;
}

static int rocks_get(struct store_thread *thread, const char *key)
{
    struct store *store = thread->store;
    char *error = NULL;
    rocksdb_pinnableslice_t *pin =
        rocksdb_get_pinned(store->db, store->read, key, BENCH_KEY_BYTES, &error);
    return fine(error, "get") ? show(pin) : -1;
}

static int rocks_get_many(struct store_thread *thread, const char *keys, size_t count)
{
    struct store *store = thread->store;
    const char *wanted[MANY_MAX];
    size_t lens[MANY_MAX];
    rocksdb_pinnableslice_t *pins[MANY_MAX];
    char *errors[MANY_MAX];
    if (count == 0 || count > MANY_MAX)
        return -1;
    for (size_t i = 0; i < count; i++) {
        wanted[i] = keys + i * BENCH_KEY_BYTES;
        lens[i] = BENCH_KEY_BYTES;
        errors[i] = NULL;
    }
    rocksdb_batched_multi_get_cf(store->db, store->read, store->family, count, wanted, lens, pins,
                                 errors, false);
    int found = 0;
    for (size_t i = 0; i < count; i++) {
        if (!fine(errors[i], "get many"))
            found = -(int)MANY_MAX;
        found += show(pins[i]);
    }
    return found;
}

static int take(rocksdb_iterator_t *iterator, int count)
{
    for (int i = 0; i < count; i++) {
        if (!rocksdb_iter_valid(iterator)) {
            char *error = NULL;
            rocksdb_iter_get_error(iterator, &error);
            return fine(error, "next") ? i : -1;
        }
        size_t len;
        const char *value = rocksdb_iter_value(iterator, &len);
        store_touch(value, len);
        rocksdb_iter_next(iterator);
    }
    return count;
}

static int rocks_scan(struct store_thread *thread, const char *key, int count)
{
    rocksdb_iterator_t *iterator = rocksdb_create_iterator(thread->store->db, thread->store->read);
    rocksdb_iter_seek(iterator, key, BENCH_KEY_BYTES);
    int seen = take(iterator, count);
    rocksdb_iter_destroy(iterator);
    return seen;
}

static int rocks_walk(struct store_thread *thread, int count)
{
    if (thread->walk == NULL) {
        thread->walk = rocksdb_create_iterator(thread->store->db, thread->store->walk);
        rocksdb_iter_seek_to_first(thread->walk);
    }
    int seen = take(thread->walk, count);
    if (seen < count) {
        rocksdb_iter_destroy(thread->walk);
        thread->walk = NULL;
    }
    return seen;
}

static void rocks_settle(struct store *store)
{
    for (int i = 0; i < SETTLE_STEPS; i++) {
        uint64_t busy = 0;
        uint64_t sum = 0;
        static const char *const names[] = { "rocksdb.num-running-compactions",
                                             "rocksdb.num-running-flushes",
                                             "rocksdb.compaction-pending",
                                             "rocksdb.mem-table-flush-pending" };
        for (size_t j = 0; j < sizeof names / sizeof names[0]; j++)
            if (rocksdb_property_int(store->db, names[j], &busy) == 0)
                sum += busy;
        if (sum == 0)
            return;
        usleep(50000);
    }
}

static bool rocks_compact(struct store *store)
{
    rocksdb_compact_range(store->db, NULL, 0, NULL, 0);
    return true;
}

static bool rocks_checkpoint(struct store *store)
{
    char *error = NULL;
    rocksdb_flush_wal(store->db, 1, &error);
    return fine(error, "sync the log");
}

const struct store_ops store_rocksdb = {
    .name = "rocksdb",
    .what = "RocksDB, Bloom filters, 2 GiB of block cache, its log always on",
    .ordered = true,
    .syncs = true,
    .open = rocks_store_open,
    .close = rocks_store_close,
    .settle = rocks_settle,
    .thread_new = rocks_thread_new,
    .thread_free = rocks_thread_free,
    .put = rocks_put,
    .put_batch = rocks_put_batch,
    .remove = rocks_remove,
    .get = rocks_get,
    .get_many = rocks_get_many,
    .scan = rocks_scan,
    .walk = rocks_walk,
    .compact = rocks_compact,
    .checkpoint = rocks_checkpoint,
};
