/*
 * snapshot.c - pinning the newest visible version. Under the append lock for a moment, so that no batch is half
 * installed: what a later batch replaces then sees the snapshot and is kept.
 */
#include "engine/native/state.h"

enum kvs_status native_snapshot_open(struct kvs_engine *engine, const char *owner,
                                     struct kvs_snapshot **ret)
{
    struct native *native = native_of(engine);
    log_lock(native->log);
    uint64_t version =
        atomic_load_explicit(&native->visible, memory_order_relaxed); /* under the append lock */
    enum kvs_status status = versions_snapshot_open(&native->versions, owner, version,
                                                    clock_monotonic_ns(native->env->clock), ret);
    if (status == KVS_OK)
        (*ret)->now_ms = log_now_ms(
            native->log); /* before anybody else can look for it: reclaim_ms() takes the lock too */
    log_unlock(native->log);
    return status;
}

int64_t reclaim_ms(struct native *native)
{
    log_lock(native->log);
    int64_t now_ms = log_now_ms(native->log);
    mutex_lock(&native->versions.mu);
    const struct kvs_snapshot *oldest = native->versions.oldest;
    if (oldest != NULL && oldest->now_ms < now_ms)
        now_ms =
            oldest->now_ms; /* the later ones were opened later, and store time never goes back */
    mutex_unlock(&native->versions.mu);
    log_unlock(native->log);
    return now_ms;
}

uint64_t native_snapshot_version(const struct kvs_snapshot *snapshot)
{
    return snapshot->version;
}

static void record_dead(void *ctx, const struct slot_info *slot)
{
    native_record_dead(ctx, slot);
}

void native_snapshot_close(struct kvs_engine *engine, struct kvs_snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    struct native *native = native_of(engine);
    log_lock(native->log);
    versions_snapshot_close(&native->versions, snapshot, record_dead, native);
    log_unlock(native->log);
}
