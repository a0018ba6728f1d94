/*
 * native.c - the engine "kvs": its table of operations, opening and closing, figures.
 */
#include "engine/native/native.h"

#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "concurrent/epoch.h"
#include "engine/native/state.h"
#include "io/random.h"
#include "log/salvage.h"

static const uint64_t DEFAULT_MEMORY = 1024ull * 1024 * 1024;
static const uint64_t DEFAULT_SEGMENT = 64ull * 1024 * 1024;
static const uint64_t MIN_SEGMENT = 64ull * 1024;
static const uint64_t MAX_SEGMENT = 128ull * 1024 * 1024;

static void native_free(struct native *native)
{
    if (native == NULL)
        return;
    index_free(native->index);
    write_scratch_free_all(native);
    versions_done(&native->versions);
    ranges_done(&native->ranges);
    larges_done(&native->larges);
    free(native->tombs.ring);
    mutex_done(&native->tombs.mu);
    mutex_done(&native->scratch_mu);
    mutex_done(&native->chunk_mu);
    mutex_done(&native->compact_mu);
    mutex_done(&native->background_mu);
    cond_done(&native->background_cond);
    free(native);
}

static enum kvs_status native_new(const struct kvs_engine_config *config, struct native **ret)
{
    struct native *native = calloc(1, sizeof *native);
    if (native == NULL)
        return fail(KVS_NO_MEMORY, 0, "engine kvs");
    native->base.ops = &native_engine_ops;
    native->env = config->env;
    native->durability = config->durability;
    native->memory_bytes = config->memory_bytes != 0 ? config->memory_bytes : DEFAULT_MEMORY;
    native->segment_bytes = config->segment_bytes != 0 ? config->segment_bytes : DEFAULT_SEGMENT;
    native->read_only = config->read_only;
    native->no_background = config->no_background;
    versions_init(&native->versions, native);
    ranges_init(&native->ranges);
    larges_init(&native->larges);
    mutex_init(&native->tombs.mu);
    mutex_init(&native->scratch_mu);
    mutex_init(&native->chunk_mu);
    mutex_init(&native->compact_mu);
    mutex_init(&native->background_mu);
    cond_init(&native->background_cond);
    struct index_owner owner = { .load_key = native_load_key,
                                 .prefetch_key = native_prefetch_key,
                                 .ctx = native,
                                 .seed = config->env->seed != 0 ? config->env->seed
                                                                : random_system_u64() };
    enum kvs_status status = index_new(&owner, &native->index);
    if (status != KVS_OK) {
        native_free(native);
        return status;
    }
    *ret = native;
    return KVS_OK;
}

static enum kvs_status native_close(struct kvs_engine *engine)
{
    struct native *native = native_of(engine);
    background_stop(native);
    enum kvs_status status = KVS_OK;
    struct log_side *sides[] = { native->chunk_side, native->move_side };
    for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++) {
        enum kvs_status closed = sides[i] != NULL ? log_side_close(sides[i]) : KVS_OK;
        if (status == KVS_OK)
            status = closed;
    }
    if (native->log != NULL) {
        enum kvs_status closed = log_close(native->log);
        if (status == KVS_OK)
            status = closed;
    }
    native_free(native);
    return status;
}

static struct log_config log_config_of(const struct kvs_engine_config *config,
                                       const struct native *native)
{
    return (struct log_config){ .dir = config->dir,
                                .env = config->env,
                                .segment_bytes =
                                    native != NULL ? native->segment_bytes : config->segment_bytes,
                                .memory_bytes =
                                    native != NULL ? native->memory_bytes : config->memory_bytes,
                                .durability = config->durability,
                                .read_only = config->read_only,
                                .no_background = config->no_background,
                                .amount = config->amount,
                                .amount_ctx = config->amount_ctx };
}

static enum kvs_status native_open(const struct kvs_engine_config *config, struct kvs_engine **ret)
{
    if (config->setting_count != 0)
        return fail(KVS_INVALID, 0, "engine kvs has no setting \"%s\"", config->settings[0].name);
    if (config->segment_bytes != 0 &&
        (config->segment_bytes < MIN_SEGMENT || config->segment_bytes > MAX_SEGMENT))
        return fail(KVS_INVALID, 0, "segments of %llu bytes; from %llu to %llu are possible",
                    (unsigned long long)config->segment_bytes, (unsigned long long)MIN_SEGMENT,
                    (unsigned long long)MAX_SEGMENT);
    struct native *native = NULL;
    enum kvs_status status = native_new(config, &native);
    if (status != KVS_OK)
        return status;
    struct log_config log_config = log_config_of(config, native);
    status = native_recover(native, &log_config);
    if (status == KVS_OK && !native->no_background && !native->read_only)
        status = background_start(native);
    if (status != KVS_OK) {
        char text[FAIL_TEXT_BYTES];
        fail_save(text); /* closing must not hide the reason */
        (void)native_close(&native->base);
        return fail_restore(status, text);
    }
    *ret = &native->base;
    return KVS_OK;
}

static void native_marks(struct kvs_engine *engine, struct kvs_marks *ret)
{
    struct native *native = native_of(engine);
    ret->durable = log_durable(native->log);
    ret->written = log_written(native->log);
    /* acquire. pairs with: write.c */
    ret->visible = atomic_load_explicit(&native->visible, memory_order_acquire);
}

static void native_request_sync(struct kvs_engine *engine, uint64_t position)
{
    log_request_sync(native_of(engine)->log, position);
}

static void native_request_write(struct kvs_engine *engine, uint64_t position)
{
    struct log *log = native_of(engine)->log;
    if (position > log_written(log))
        log_request_write(log);
}

static enum kvs_status native_wait_written(struct kvs_engine *engine, uint64_t position)
{
    return log_wait_written(native_of(engine)->log, position);
}

static enum kvs_status native_wait_durable(struct kvs_engine *engine, uint64_t position)
{
    return log_wait_durable(native_of(engine)->log, position);
}

static void native_on_progress(struct kvs_engine *engine, kvs_progress_fn *fn, void *ctx)
{
    log_on_progress(native_of(engine)->log, fn, ctx);
}

static enum kvs_status native_health(struct kvs_engine *engine)
{
    return log_health(native_of(engine)->log);
}

static enum kvs_status native_checkpoint(struct kvs_engine *engine)
{
    struct native *native = native_of(engine);
    return log_wait_durable(native->log,
                            atomic_load_explicit(&native->visible, memory_order_acquire));
}

static uint64_t load(const _Atomic uint64_t *figure)
{
    return atomic_load_explicit(figure, memory_order_relaxed); /* a statistic */
}

static void native_stats(struct kvs_engine *engine, kvs_stat_fn *fn, void *ctx)
{
    struct native *native = native_of(engine);
    int64_t keys = 0;
    for (size_t i = 0; i < NATIVE_FIRST_BYTES; i++)
        keys += atomic_load_explicit(&native->keys[i], memory_order_relaxed);
    int64_t expiring = atomic_load_explicit(&native->keys_expiring, memory_order_relaxed);
    struct index_stats index;
    index_stats(native->index, &index);
    fn(ctx, "keys", keys > 0 ? (uint64_t)keys : 0);
    fn(ctx, "keys_expiring", expiring > 0 ? (uint64_t)expiring : 0);
    fn(ctx, "index_slots", index.slots);
    fn(ctx, "index_leaves", index.leaves);
    fn(ctx, "index_inner_nodes", index.inner_nodes);
    fn(ctx, "index_height", index.height);
    fn(ctx, "index_bytes", index.bytes);
    fn(ctx, "memory_budget_bytes", native->memory_bytes);
    fn(ctx, "visible_position", load(&native->visible));
    fn(ctx, "reads_cold", load(&native->read_cold));
    fn(ctx, "write_conflicts", load(&native->write_conflicts));
    fn(ctx, "compactions", load(&native->compactions));
    fn(ctx, "compaction_copied_bytes", load(&native->compacted_bytes));

    mutex_lock(&native->versions.mu);
    uint64_t now_ns = clock_monotonic_ns(native->env->clock);
    uint64_t oldest_ns =
        native->versions.oldest != NULL ? now_ns - native->versions.oldest->opened_ns : 0;
    uint64_t older_count = native->versions.count;
    uint64_t older_bytes = native->versions.bytes;
    mutex_unlock(&native->versions.mu);
    fn(ctx, "snapshots",
       atomic_load_explicit(&native->versions.snapshot_count, memory_order_relaxed));
    fn(ctx, "snapshot_oldest_age_ms", oldest_ns / 1000000);
    fn(ctx, "older_versions", older_count);
    fn(ctx, "older_versions_bytes", older_bytes);
    log_stats(native->log, fn, ctx);
}

static enum kvs_status native_backup(struct kvs_engine *engine, const char *dir, bool copy,
                                     kvs_amount_fn *amount, void *amount_ctx,
                                     uint64_t *ret_position)
{
    struct native *native = native_of(engine);
    /* acquire. pairs with: write.c */
    enum kvs_status status =
        log_wait_durable(native->log, atomic_load_explicit(&native->visible, memory_order_acquire));
    return status == KVS_OK ? log_backup(native->log, dir, copy, amount, amount_ctx, ret_position)
                            : status;
}

static enum kvs_status native_check(const struct kvs_engine_config *config, kvs_report_fn *report,
                                    void *ctx)
{
    struct log_config log_config = log_config_of(config, NULL);
    log_config.read_only = true;
    return log_check(&log_config, report, ctx);
}

static enum kvs_status salvage_dir(const struct kvs_engine_config *config, kvs_salvage_fn *put,
                                   void *put_ctx, kvs_report_fn *report, void *report_ctx)
{
    struct log_config log_config = log_config_of(config, NULL);
    return native_salvage(config, &log_config, put, put_ctx, report, report_ctx);
}

static enum kvs_status native_dump(const struct kvs_engine_config *config, kvs_report_fn *report,
                                   void *ctx)
{
    struct log_config log_config = log_config_of(config, NULL);
    return log_dump(&log_config, report, ctx);
}

const struct kvs_engine_ops native_engine_ops = {
    .abi = KVS_ENGINE_ABI,
    .name = "kvs",
    .summary = "log-structured, durable, ordered index in memory (the default)",
    .capabilities = {
        .persistent = true,
        .atomic_batches = true,
        .snapshots = true,
        .reverse = true,
        .conditions = true,
        .untouched = true,
        .expiry = true,
        .remove_range = true,
        .durable_ack = true,
        .exact_count = true,
        .local_files = true,
        .key_max = KVS_ENGINE_KEY_MAX,
        .value_max = KVS_VALUE_MAX,
    },
    .open = native_open,
    .close = native_close,
    .get = native_get,
    .multi_get = native_multi_get,
    .prefetch = native_prefetch,
    .write = native_write,
    .blob_new = native_blob_new,
    .blob_append = native_blob_append,
    .blob_bytes = native_blob_bytes,
    .blob_free = native_blob_free,
    .reader_open = native_reader_open,
    .reader_read = native_reader_read,
    .reader_close = native_reader_close,
    .iterator_open = native_iterator_open,
    .iterator_next = native_iterator_next,
    .iterator_snapshot = native_iterator_snapshot,
    .iterator_position = native_iterator_position,
    .iterator_close = native_iterator_close,
    .count = native_count,
    .sample = native_sample,
    .snapshot_open = native_snapshot_open,
    .snapshot_version = native_snapshot_version,
    .snapshot_close = native_snapshot_close,
    .marks = native_marks,
    .request_sync = native_request_sync,
    .request_write = native_request_write,
    .wait_written = native_wait_written,
    .wait_durable = native_wait_durable,
    .on_progress = native_on_progress,
    .health = native_health,
    .stats = native_stats,
    .checkpoint = native_checkpoint,
    .compact = native_compact,
    .check = native_check,
    .backup = native_backup,
    .salvage = salvage_dir,
    .dump = native_dump,
};
