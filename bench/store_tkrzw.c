/*
 * store_tkrzw.c - the hash database of tkrzw, for point lookups only: no order, no log. Buckets for twice the keys, on a mapped file.
 */
#include <stdio.h>
#include <stdlib.h>
#include <tkrzw_langc.h>

#include "bench/store.h"

struct store {
    TkrzwDBM *dbm;
};

struct store_thread {
    struct store *store;
};

static bool failed(const char *what)
{
    TkrzwStatus status = tkrzw_get_last_status();
    fprintf(stderr, "kvs-bench: tkrzw: %s: %s %s\n", what, tkrzw_status_code_name(status.code),
            status.message);
    return false;
}

static struct store *tkrzw_store_open(const struct store_config *config)
{
    struct store *store = calloc(1, sizeof *store);
    char path[4096];
    char params[256];
    if (store == NULL)
        return NULL;
    (void)snprintf(path, sizeof path, "%s/data.tkh", config->dir);
    (void)snprintf(
        params, sizeof params,
        "dbm=HashDBM,num_buckets=%llu,offset_width=5,align_pow=3,file=MemoryMapParallelFile",
        (unsigned long long)(config->keys * 2));
    store->dbm = tkrzw_dbm_open(path, true, params);
    if (store->dbm == NULL) {
        (void)failed("open");
        free(store);
        return NULL;
    }
    return store;
}

static bool tkrzw_store_close(struct store *store)
{
    bool ok = tkrzw_dbm_close(store->dbm) || failed("close");
    free(store);
    return ok;
}

static void tkrzw_settle(struct store *store)
{
    (void)store; /* it has no threads of its own */
}

static struct store_thread *tkrzw_thread_new(struct store *store)
{
    struct store_thread *thread = malloc(sizeof *thread);
    if (thread != NULL)
        thread->store = store;
    return thread;
}

static void tkrzw_thread_free(struct store_thread *thread)
{
    free(thread);
}

static bool tkrzw_put(struct store_thread *thread, const char *key, struct store_value value)
{
    return tkrzw_dbm_set(thread->store->dbm, key, BENCH_KEY_BYTES, value.data, (int32_t)value.len,
                         true) ||
           failed("set");
}

static bool tkrzw_put_batch(struct store_thread *thread, const char *keys, size_t count,
                            struct store_value value)
{
    for (size_t i = 0; i < count; i++)
        if (!tkrzw_put(thread, keys + i * BENCH_KEY_BYTES, value))
            return false;
    return true;
}

static bool tkrzw_remove(struct store_thread *thread, const char *key)
{
    return tkrzw_dbm_remove(thread->store->dbm, key, BENCH_KEY_BYTES) ||
           tkrzw_get_last_status_code() == TKRZW_STATUS_NOT_FOUND_ERROR || failed("remove");
}

static const char *touch(void *arg, const char *key, int32_t key_size, const char *value,
                         int32_t value_size, int32_t *new_size)
{
    (void)key;
    (void)key_size;
    (void)new_size;
    if (value != NULL) {
        store_touch(value, (size_t)value_size);
        *(int *)arg = 1;
    }
    return TKRZW_REC_PROC_NOOP;
}

static int tkrzw_get(struct store_thread *thread, const char *key)
{
    int found = 0;
    if (!tkrzw_dbm_process(thread->store->dbm, key, BENCH_KEY_BYTES, touch, &found, false)) {
        (void)failed("get");
        return -1;
    }
    return found;
}

static int tkrzw_get_many(struct store_thread *thread, const char *keys, size_t count)
{
    int sum = 0;
    for (size_t i = 0; i < count; i++) {
        int found = tkrzw_get(thread, keys + i * BENCH_KEY_BYTES);
        if (found < 0)
            return found;
        sum += found;
    }
    return sum;
}

const struct store_ops store_tkrzw = {
    .name = "tkrzw",
    .what = "the hash database of tkrzw: no order, no log, not synced",
    .ordered = false,
    .syncs = false,
    .open = tkrzw_store_open,
    .close = tkrzw_store_close,
    .settle = tkrzw_settle,
    .thread_new = tkrzw_thread_new,
    .thread_free = tkrzw_thread_free,
    .put = tkrzw_put,
    .put_batch = tkrzw_put_batch,
    .remove = tkrzw_remove,
    .get = tkrzw_get,
    .get_many = tkrzw_get_many,
};
