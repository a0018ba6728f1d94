/*
 * adapter.c - opening and closing an engine on another library, settings, progress, figures.
 *
 * Versions across restarts: the state keeps the last version given and a ceiling, which is on disk before any version above
 * the old one is given. A store that was closed in order goes on after its last version; any other beyond the ceiling, for
 * what its process gave last may have been lost.
 */
#include "engine/adapter/adapter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/adapter/room.h"

enum kvs_status adapter_check_settings(const char *engine, const struct kvs_engine_config *config,
                                       const char *const *names)
{
    for (size_t i = 0; i < config->setting_count; i++) {
        size_t j = 0;
        while (names[j] != NULL && strcmp(names[j], config->settings[i].name) != 0)
            j++;
        if (names[j] == NULL)
            return fail(KVS_INVALID, 0, "engine %s has no setting %s", engine,
                        config->settings[i].name);
    }
    return KVS_OK;
}

enum kvs_status adapter_setting_bool(const struct kvs_engine_config *config, const char *name,
                                     bool otherwise, bool *ret)
{
    *ret = otherwise;
    for (size_t i = 0; i < config->setting_count; i++) {
        if (strcmp(config->settings[i].name, name) != 0)
            continue;
        *ret = strcmp(config->settings[i].value, "yes") == 0;
        if (!*ret && strcmp(config->settings[i].value, "no") != 0)
            return fail(KVS_INVALID, 0, "setting %s is '%s', neither yes nor no", name,
                        config->settings[i].value);
    }
    return KVS_OK;
}

int64_t adapter_now_ms(struct adapter *adapter)
{
    int64_t wall_ms = clock_wall_ms(adapter->clock);
    /* relaxed: a clock orders nothing; it only must not go back */
    int64_t last = atomic_load_explicit(&adapter->now_ms, memory_order_relaxed);
    while (wall_ms > last)
        if (atomic_compare_exchange_weak_explicit(&adapter->now_ms, &last, wall_ms,
                                                  memory_order_relaxed, memory_order_relaxed))
            return wall_ms;
    return last;
}

static void init_locks(struct adapter *adapter)
{
    mutex_init(&adapter->mu);
    mutex_init(&adapter->marks_mu);
    cond_init(&adapter->marks_moved);
    mutex_init(&adapter->snapshots_mu);
    mutex_init(&adapter->progress_mu);
    cond_init(&adapter->progress_idle);
    mutex_init(&adapter->keeper_mu);
    cond_init(&adapter->keeper_wake);
}

static void adapter_free(struct adapter *adapter)
{
    if (adapter->driver != NULL)
        adapter->ops->close(adapter->driver);
    mutex_lock(&adapter->snapshots_mu);
    removals_done(&adapter->removals);
    mutex_unlock(&adapter->snapshots_mu);
    removals_fresh_done(&adapter->fresh);
    cond_done(&adapter->keeper_wake);
    mutex_done(&adapter->keeper_mu);
    cond_done(&adapter->progress_idle);
    mutex_done(&adapter->progress_mu);
    mutex_done(&adapter->snapshots_mu);
    cond_done(&adapter->marks_moved);
    mutex_done(&adapter->marks_mu);
    mutex_done(&adapter->mu);
    free(adapter->raw);
    free(adapter->raw2);
    free(adapter);
}

/* NULL: out of memory, recorded. */
static struct adapter *adapter_new(const struct kvs_engine_ops *self,
                                   const struct driver_ops *driver,
                                   const struct kvs_engine_config *config)
{
    struct adapter *adapter = calloc(1, sizeof *adapter);
    if (adapter == NULL) {
        (void)fail(KVS_NO_MEMORY, ENOMEM, "engine %s", self->name);
        return NULL;
    }
    init_locks(adapter);
    adapter->base.ops = self;
    adapter->ops = driver;
    adapter->key_max = self->capabilities.key_max;
    adapter->clock = config->env->clock != NULL ? config->env->clock : clock_system();
    adapter->read_only = config->read_only;
    adapter->no_background = config->no_background;
    adapter->periodic_sync =
        config->durability == KVS_DURABILITY_EVERYSEC || config->durability == KVS_DURABILITY_NO;
    adapter->queue_end = &adapter->queue;
    adapter->raw = malloc(KVS_ENGINE_KEY_MAX + 1);
    adapter->raw2 = malloc(KVS_ENGINE_KEY_MAX + 1);
    if (adapter->raw == NULL || adapter->raw2 == NULL) {
        adapter_free(adapter);
        (void)fail(KVS_NO_MEMORY, ENOMEM, "engine %s", self->name);
        return NULL;
    }
    return adapter;
}

static enum kvs_status state_load(struct adapter *adapter)
{
    unsigned char key[SMALL_KEY_BYTES];
    struct driver_pin pin;
    enum kvs_status status =
        adapter->ops->get(adapter->driver, NULL, raw_section(SECTION_STATE, key), &pin);
    if (status == KVS_NOT_FOUND)
        return KVS_OK; /* new */
    if (status != KVS_OK)
        return status;
    status = state_decode(pin.value, &adapter->state);
    adapter->state_found = true;
    adapter->ops->unpin(adapter->driver, &pin);
    return status;
}

static enum kvs_status mark_apply(struct adapter *adapter, struct driver_txn *txn, struct job *job)
{
    (void)adapter;
    (void)txn;
    (void)job;
    return KVS_OK;
}

/* Writes the state alone, as a version of its own. */
static enum kvs_status state_mark(struct adapter *adapter, bool clean)
{
    adapter->state.clean = clean;
    struct job job = { .apply = mark_apply, .changes = true };
    enum kvs_status status = queue_run(adapter, &job);
    return status == KVS_OK ? marks_sync(adapter, job.version) : status;
}

static void marks_begin(struct adapter *adapter)
{
    /* relaxed: nobody else is here yet */
    atomic_store_explicit(&adapter->visible, adapter->state.version, memory_order_relaxed);
    atomic_store_explicit(&adapter->durable, adapter->state.version, memory_order_relaxed);
    atomic_store_explicit(&adapter->issued, adapter->state.version, memory_order_relaxed);
    atomic_store_explicit(&adapter->now_ms, adapter->state.now_ms, memory_order_relaxed);
    for (unsigned i = 0; i < KEY_CLASSES; i++)
        atomic_store_explicit(&adapter->keys[i], adapter->state.keys[i], memory_order_relaxed);
    adapter->removals.forgotten = adapter->state.version; /* what was removed before is not known */
}

static enum kvs_status begin(struct adapter *adapter)
{
    enum kvs_status status = state_load(adapter);
    if (status != KVS_OK)
        return status;
    if (!adapter->state.clean)
        adapter->state.version = adapter->state.ceiling;
    marks_begin(adapter);
    if (adapter->read_only)
        return KVS_OK;
    status = state_mark(adapter, false);
    if (status == KVS_OK) {
        adapter->state_found = true;
        status = blob_drop_pending(adapter);
    }
    return status == KVS_OK ? keeper_start(adapter) : status;
}

enum kvs_status adapter_open(const struct kvs_engine_ops *self, const struct driver_ops *driver,
                             const struct kvs_engine_config *config, struct kvs_engine **ret)
{
    if (config->env->io != NULL && config->env->io != io_posix())
        return fail(KVS_UNSUPPORTED, 0, "engine %s keeps its files itself, on the real disk only",
                    self->name);
    struct adapter *adapter = adapter_new(self, driver, config);
    if (adapter == NULL)
        return KVS_NO_MEMORY;
    enum kvs_status status = driver->open(config, &adapter->commits_durable, &adapter->driver);
    if (status == KVS_OK)
        status = begin(adapter);
    if (status != KVS_OK) {
        char why[FAIL_TEXT_BYTES];
        fail_save(why);
        adapter_free(adapter);
        return fail_restore(status, why);
    }
    *ret = &adapter->base;
    return KVS_OK;
}

enum kvs_status adapter_close(struct kvs_engine *base)
{
    struct adapter *adapter = adapter_of(base);
    keeper_stop(adapter);
    enum kvs_status status = KVS_OK;
    char why[FAIL_TEXT_BYTES];
    if (!adapter->read_only) {
        status = state_mark(adapter, true);
        fail_save(why);
    }
    adapter_free(adapter);
    return status == KVS_OK ? KVS_OK : fail_restore(status, why);
}

void adapter_on_progress(struct kvs_engine *base, kvs_progress_fn *fn, void *ctx)
{
    struct adapter *adapter = adapter_of(base);
    mutex_lock(&adapter->progress_mu);
    adapter->progress_fn = NULL;
    while (adapter->progress_calls != 0)
        cond_wait(&adapter->progress_idle, &adapter->progress_mu);
    adapter->progress_fn = fn;
    adapter->progress_ctx = ctx;
    mutex_unlock(&adapter->progress_mu);
}

void adapter_tell_progress(struct adapter *adapter)
{
    mutex_lock(&adapter->progress_mu);
    kvs_progress_fn *fn = adapter->progress_fn;
    void *ctx = adapter->progress_ctx;
    if (fn != NULL) {
        adapter->progress_calls++;
        mutex_unlock(&adapter->progress_mu);
        fn(ctx);
        mutex_lock(&adapter->progress_mu);
        if (--adapter->progress_calls == 0)
            cond_broadcast(&adapter->progress_idle);
    }
    mutex_unlock(&adapter->progress_mu);
}

static enum kvs_status refuse_read_only(const struct adapter *adapter)
{
    return adapter->read_only ? fail(KVS_READ_ONLY, 0, "the store was opened read-only") : KVS_OK;
}

enum kvs_status adapter_checkpoint(struct kvs_engine *base)
{
    struct adapter *adapter = adapter_of(base);
    enum kvs_status status = refuse_read_only(adapter);
    if (status != KVS_OK)
        return status;
    struct kvs_marks marks;
    adapter_marks(base, &marks);
    return marks_sync(adapter, marks.visible);
}

enum kvs_status adapter_compact(struct kvs_engine *base)
{
    struct adapter *adapter = adapter_of(base);
    enum kvs_status status = refuse_read_only(adapter);
    uint64_t gone = 1;
    while (status == KVS_OK && gone != 0)
        status = expire_some(adapter, &gone);
    return status == KVS_OK ? adapter->ops->compact(adapter->driver) : status;
}

void adapter_stats(struct kvs_engine *base, kvs_stat_fn *fn, void *ctx)
{
    struct adapter *adapter = adapter_of(base);
    struct kvs_marks marks;
    adapter_marks(base, &marks);
    uint64_t snapshots = 0;
    mutex_lock(&adapter->snapshots_mu);
    for (const struct kvs_snapshot *snapshot = adapter->snapshots; snapshot != NULL;
         snapshot = snapshot->next)
        snapshots++;
    uint64_t removals = adapter->removals.count - adapter->removals.first;
    mutex_unlock(&adapter->snapshots_mu);
    /* relaxed: figures */
    uint64_t keys = 0;
    for (unsigned i = 0; i < KEY_CLASSES; i++)
        keys += atomic_load_explicit(&adapter->keys[i], memory_order_relaxed);
    fn(ctx, "keys", keys);
    fn(ctx, "version", marks.visible);
    fn(ctx, "durable_version", marks.durable);
    fn(ctx, "snapshots", snapshots);
    fn(ctx, "remembered_removals", removals);
    fn(ctx, "batches", atomic_load_explicit(&adapter->batches, memory_order_relaxed));
    fn(ctx, "groups", atomic_load_explicit(&adapter->groups, memory_order_relaxed));
    fn(ctx, "syncs", atomic_load_explicit(&adapter->syncs, memory_order_relaxed));
    fn(ctx, "expired_records_reclaimed",
       atomic_load_explicit(&adapter->reclaimed, memory_order_relaxed));
    fn(ctx, "commits_are_durable", adapter->commits_durable);
    adapter->ops->stats(adapter->driver, fn, ctx);
}
