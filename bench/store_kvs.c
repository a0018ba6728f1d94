/*
 * store_kvs.c - engines of this library, through kvs.h, as an embedder uses them: values are visited in place.
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kvs/kvs.h>

#include "bench/store.h"

enum {
    MANY_MAX = 64
};

struct store {
    struct kvs *db;
    enum kvs_durability durability;
    const char *engine;
};

struct store_thread {
    struct store *store;
    struct kvs_batch *batch;
    struct kvs_iterator *walk;
};

static bool fine(enum kvs_status status, const char *what)
{
    if (status == KVS_OK)
        return true;
    fprintf(stderr, "kvs-bench: kvs: %s: %s: %s\n", what, kvs_status_text(status), kvs_error());
    return false;
}

static struct kvs_bytes key_bytes(const char *key)
{
    return (struct kvs_bytes){ key, BENCH_KEY_BYTES };
}

static struct store *kvs_store_open(const struct store_config *config)
{
    struct store *store = calloc(1, sizeof *store);
    if (store == NULL)
        return NULL;
    store->durability = config->synced ? KVS_DURABILITY_ALWAYS : KVS_DURABILITY_NO;
    store->engine = config->engine;
    struct kvs_options options = { .engine = config->engine,
                                   .durability = store->durability,
                                   .memory_bytes = config->memory_bytes,
                                   .pool_threads = config->threads };
    if (!fine(kvs_open(config->dir, &options, &store->db), "open")) {
        free(store);
        return NULL;
    }
    return store;
}

static bool kvs_store_close(struct store *store)
{
    bool ok = fine(kvs_close(store->db), "close");
    free(store);
    return ok;
}

static struct store_thread *kvs_thread_new(struct store *store)
{
    struct store_thread *thread = calloc(1, sizeof *thread);
    if (thread == NULL || !fine(kvs_batch_new(&thread->batch), "batch")) {
        free(thread);
        return NULL;
    }
    thread->store = store;
    return thread;
}

static void kvs_thread_free(struct store_thread *thread)
{
    if (thread == NULL)
        return;
    kvs_iterator_close(thread->store->db, thread->walk);
    kvs_batch_free(thread->batch);
    free(thread);
}

static bool kvs_put(struct store_thread *thread, const char *key, struct store_value value)
{
    struct kvs_bytes bytes = { value.data, value.len };
    return fine(kvs_set(thread->store->db, key_bytes(key), bytes), "set");
}

static bool kvs_put_batch(struct store_thread *thread, const char *keys, size_t count,
                          struct store_value value)
{
    struct kvs_bytes bytes = { value.data, value.len };
    kvs_batch_clear(thread->batch);
    for (size_t i = 0; i < count; i++)
        kvs_batch_set(thread->batch, thread->store->db, key_bytes(keys + i * BENCH_KEY_BYTES),
                      bytes, 0);
    return fine(kvs_write(thread->store->db, thread->batch, NULL, NULL), "write");
}

static bool kvs_remove_one(struct store_thread *thread, const char *key)
{
    kvs_batch_clear(thread->batch);
    kvs_batch_remove(thread->batch, thread->store->db, key_bytes(key));
    return fine(kvs_write(thread->store->db, thread->batch, NULL, NULL), "remove");
}

static void touch(void *ctx, const struct kvs_entry *entry)
{
    (void)ctx;
    store_touch(entry->value.data, entry->value.len);
}

static int kvs_get_one(struct store_thread *thread, const char *key)
{
    enum kvs_status status = kvs_visit(thread->store->db, NULL, key_bytes(key), touch, NULL, NULL);
    if (status == KVS_NOT_FOUND)
        return 0;
    return fine(status, "get") ? 1 : -1;
}

static int kvs_get_many(struct store_thread *thread, const char *keys, size_t count)
{
    static void *const nothing[MANY_MAX];
    struct kvs_bytes wanted[MANY_MAX];
    enum kvs_status statuses[MANY_MAX];
    if (count == 0 || count > MANY_MAX)
        return -1;
    for (size_t i = 0; i < count; i++)
        wanted[i] = key_bytes(keys + i * BENCH_KEY_BYTES);
    if (!fine(
            kvs_multi_visit(thread->store->db, NULL, count, wanted, touch, nothing, statuses, NULL),
            "get many"))
        return -1;
    int found = 0;
    for (size_t i = 0; i < count; i++)
        found += statuses[i] == KVS_OK;
    return found;
}

/* Up to @count records. */
static int take(struct store_thread *thread, struct kvs_iterator *iterator, int count)
{
    struct kvs_entry entry;
    for (int i = 0; i < count; i++) {
        enum kvs_status status = kvs_iterator_next(thread->store->db, iterator, false, &entry);
        if (status == KVS_NOT_FOUND)
            return i;
        if (!fine(status, "next"))
            return -1;
        store_touch(entry.value.data, entry.value.len);
    }
    return count;
}

static int kvs_scan(struct store_thread *thread, const char *key, int count)
{
    struct kvs_range range = { .start = key_bytes(key) };
    struct kvs_iterator *iterator;
    if (!fine(kvs_iterator_open(thread->store->db, NULL, &range, false, &iterator), "iterate"))
        return -1;
    int seen = take(thread, iterator, count);
    kvs_iterator_close(thread->store->db, iterator);
    return seen;
}

static int kvs_walk(struct store_thread *thread, int count)
{
    struct kvs *db = thread->store->db;
    if (thread->walk == NULL &&
        !fine(kvs_iterator_open(db, NULL, NULL, false, &thread->walk), "iterate"))
        return -1;
    int seen = take(thread, thread->walk, count);
    if (seen < count) {
        kvs_iterator_close(db, thread->walk);
        thread->walk = NULL;
    }
    return seen;
}

/* One asynchronous get. */
struct async {
    struct kvs *db;
    void (*done)(void *ctx, bool ok);
    void *ctx;
    char key[BENCH_KEY_BYTES];
};

static enum kvs_status async_call(void *ctx, bool may_wait)
{
    struct async *async = ctx;
    struct kvs_read read = { .no_block = !may_wait };
    return kvs_visit(async->db, &read, key_bytes(async->key), touch, NULL, NULL);
}

static void async_done(void *ctx, enum kvs_status status)
{
    struct async *async = ctx;
    bool ok = status == KVS_NOT_FOUND || fine(status, "asynchronous get");
    async->done(async->ctx, ok);
    free(async);
}

static bool kvs_get_async(struct store *store, const char *key, void (*done)(void *ctx, bool ok),
                          void *ctx)
{
    struct async *async = malloc(sizeof *async);
    if (async == NULL)
        return false;
    *async = (struct async){ .db = store->db, .done = done, .ctx = ctx };
    memcpy(async->key, key, BENCH_KEY_BYTES);
    enum kvs_status status;
    if (kvs_submit(store->db, async_call, async_done, async, &status))
        async_done(async, status);
    return true;
}

static bool kvs_compact_now(struct store *store)
{
    return fine(kvs_compact(store->db), "compact");
}

static bool kvs_checkpoint_now(struct store *store)
{
    return fine(kvs_checkpoint(store->db), "checkpoint");
}

static void kvs_settle(struct store *store)
{
    (void)
        store; /* what it does in the background it does beside the others as beside its own users */
}

const struct store_ops store_kvs = {
    .name = "kvs",
    .what = "an engine of this library, through kvs.h",
    .ordered = true,
    .syncs = true,
    .open = kvs_store_open,
    .close = kvs_store_close,
    .settle = kvs_settle,
    .thread_new = kvs_thread_new,
    .thread_free = kvs_thread_free,
    .put = kvs_put,
    .put_batch = kvs_put_batch,
    .remove = kvs_remove_one,
    .get = kvs_get_one,
    .get_many = kvs_get_many,
    .scan = kvs_scan,
    .walk = kvs_walk,
    .get_async = kvs_get_async,
    .compact = kvs_compact_now,
    .checkpoint = kvs_checkpoint_now,
};
