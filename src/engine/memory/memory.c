/*
 * memory.c - the engine "memory": opening, closing, marks, and the table of operations.
 *
 * Nothing is ever written anywhere, so visible, written and durable are one and the same number.
 */
#include "engine/memory/memory.h"

#include <errno.h>
#include <stdlib.h>

#include "base/fail.h"
#include "engine/memory/room.h"

static enum kvs_status memory_open(const struct kvs_engine_config *config, struct kvs_engine **ret)
{
    if (config->setting_count != 0)
        return fail(KVS_INVALID, 0, "engine memory has no setting %s", config->settings[0].name);
    struct memory_engine *engine = calloc(1, sizeof *engine);
    if (engine == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "engine memory");
    engine->base.ops = &memory_engine_ops;
    engine->clock = config->env->clock != NULL ? config->env->clock : clock_system();
    engine->read_only = config->read_only;
    mutex_init(&engine->mu);
    mutex_init(&engine->progress_mu);
    cond_init(&engine->progress_idle);
    *ret = &engine->base;
    return KVS_OK;
}

static enum kvs_status memory_close(struct kvs_engine *base)
{
    struct memory_engine *engine = memory_engine_of(base);
    mutex_lock(&engine->mu);
    memory_table_free(engine);
    mutex_unlock(&engine->mu);
    cond_done(&engine->progress_idle);
    mutex_done(&engine->progress_mu);
    mutex_done(&engine->mu);
    free(engine);
    return KVS_OK;
}

static void memory_marks(struct kvs_engine *base, struct kvs_marks *ret)
{
    struct memory_engine *engine = memory_engine_of(base);
    mutex_lock(&engine->mu);
    uint64_t version = engine->last_version;
    mutex_unlock(&engine->mu);
    *ret = (struct kvs_marks){ version, version, version };
}

static void memory_request_sync(struct kvs_engine *engine, uint64_t position)
{
    (void)engine;
    (void)position;
}

static void memory_request_write(struct kvs_engine *base, uint64_t position)
{
    (void)base;
    (void)position; /* nothing is ever waiting to be written */
}

static enum kvs_status memory_wait_durable(struct kvs_engine *base, uint64_t position)
{
    struct kvs_marks marks;
    memory_marks(base, &marks);
    if (position > marks.durable)
        return fail(KVS_INVALID, 0, "position beyond the last write");
    return KVS_OK;
}

static void memory_on_progress(struct kvs_engine *base, kvs_progress_fn *fn, void *ctx)
{
    struct memory_engine *engine = memory_engine_of(base);
    mutex_lock(&engine->progress_mu);
    engine->progress_fn = NULL;
    while (engine->progress_calls != 0)
        cond_wait(&engine->progress_idle, &engine->progress_mu);
    engine->progress_fn = fn;
    engine->progress_ctx = ctx;
    mutex_unlock(&engine->progress_mu);
}

void memory_tell_progress(struct memory_engine *engine)
{
    mutex_lock(&engine->progress_mu);
    kvs_progress_fn *fn = engine->progress_fn;
    void *ctx = engine->progress_ctx;
    if (fn != NULL) {
        engine->progress_calls++;
        mutex_unlock(&engine->progress_mu);
        fn(ctx);
        mutex_lock(&engine->progress_mu);
        if (--engine->progress_calls == 0)
            cond_broadcast(&engine->progress_idle);
    }
    mutex_unlock(&engine->progress_mu);
}

static enum kvs_status memory_health(struct kvs_engine *engine)
{
    (void)engine;
    return KVS_OK;
}

static void memory_stats(struct kvs_engine *base, kvs_stat_fn *fn, void *ctx)
{
    struct memory_engine *engine = memory_engine_of(base);
    mutex_lock(&engine->mu);
    uint64_t keys = engine->count;
    uint64_t old_versions = engine->old_versions;
    uint64_t value_bytes = engine->value_bytes;
    uint64_t version = engine->last_version;
    uint64_t snapshots = 0;
    for (const struct kvs_snapshot *snapshot = engine->snapshots; snapshot != NULL;
         snapshot = snapshot->next)
        snapshots++;
    mutex_unlock(&engine->mu);
    fn(ctx, "keys", keys);
    fn(ctx, "old_versions", old_versions);
    fn(ctx, "value_bytes", value_bytes);
    fn(ctx, "last_version", version);
    fn(ctx, "snapshots", snapshots);
}

static enum kvs_status memory_checkpoint(struct kvs_engine *engine)
{
    (void)engine;
    return KVS_OK;
}

static enum kvs_status memory_compact(struct kvs_engine *base)
{
    struct memory_engine *engine = memory_engine_of(base);
    mutex_lock(&engine->mu);
    memory_table_reclaim_expired(engine);
    mutex_unlock(&engine->mu);
    return KVS_OK;
}

const struct kvs_engine_ops memory_engine_ops = {
    .abi = KVS_ENGINE_ABI,
    .name = "memory",
    .summary = "a sorted array in memory; keeps nothing, for tests",
    .capabilities = {
        .persistent = false,
        .atomic_batches = true,
        .snapshots = true,
        .reverse = true,
        .conditions = true,
        .untouched = true,
        .expiry = true,
        .remove_range = true,
        .durable_ack = false,
        .exact_count = true,
        .local_files = false,
        .shared = false,
        .may_block = false,
        .key_max = KVS_ENGINE_KEY_MAX,
        .value_max = KVS_VALUE_MAX,
    },
    .open = memory_open,
    .close = memory_close,
    .get = memory_get,
    .multi_get = memory_multi_get,
    .write = memory_write,
    .blob_new = memory_blob_new,
    .blob_append = memory_blob_append,
    .blob_bytes = memory_blob_bytes,
    .blob_free = memory_blob_free,
    .reader_open = memory_reader_open,
    .reader_read = memory_reader_read,
    .reader_close = memory_reader_close,
    .iterator_open = memory_iterator_open,
    .iterator_next = memory_iterator_next,
    .iterator_snapshot = memory_iterator_snapshot,
    .iterator_position = memory_iterator_position,
    .iterator_close = memory_iterator_close,
    .count = memory_count,
    .sample = memory_sample,
    .snapshot_open = memory_snapshot_open,
    .snapshot_version = memory_snapshot_version,
    .snapshot_close = memory_snapshot_close,
    .marks = memory_marks,
    .request_sync = memory_request_sync,
    .request_write = memory_request_write,
    .wait_written = memory_wait_durable, /* the same: there is nothing to wait for */
    .wait_durable = memory_wait_durable,
    .on_progress = memory_on_progress,
    .health = memory_health,
    .stats = memory_stats,
    .checkpoint = memory_checkpoint,
    .compact = memory_compact,
    .check = NULL,
};
