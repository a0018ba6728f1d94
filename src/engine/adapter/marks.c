/*
 * marks.c - how far the store is: visible, written, durable; waiting for it; and the failure that ends writing.
 *
 * What is committed has been handed to the system by both libraries, so written is visible. Where commits are durable,
 * durable is too. Otherwise one thread at a time syncs for all who wait: what was visible when it began is durable when it is done.
 *
 * A failed sync is not tried again: the kernel may have dropped what it could not write. The failure sticks, writes are refused.
 */
#include "engine/adapter/room.h"

static void raise_mark(_Atomic uint64_t *mark, uint64_t to)
{
    /* relaxed: only raised under marks_mu */
    if (atomic_load_explicit(mark, memory_order_relaxed) < to)
        atomic_store_explicit(mark, to, memory_order_release); /* pairs with: mark_of */
}

static uint64_t mark_of(const _Atomic uint64_t *mark)
{
    return atomic_load_explicit(mark, memory_order_acquire); /* pairs with: raise_mark */
}

void marks_group_done(struct adapter *adapter, uint64_t version, bool durable)
{
    mutex_lock(&adapter->marks_mu);
    raise_mark(&adapter->visible, version);
    if (durable && adapter->failed == KVS_OK)
        raise_mark(&adapter->durable, version);
    cond_broadcast(&adapter->marks_moved);
    mutex_unlock(&adapter->marks_mu);
}

void marks_fail(struct adapter *adapter, enum kvs_status status)
{
    mutex_lock(&adapter->marks_mu);
    if (adapter->failed == KVS_OK) {
        adapter->failed = status;
        fail_save(adapter->failed_why);
    }
    cond_broadcast(&adapter->marks_moved);
    mutex_unlock(&adapter->marks_mu);
}

enum kvs_status marks_health(struct adapter *adapter)
{
    mutex_lock(&adapter->marks_mu);
    enum kvs_status status = adapter->failed;
    if (status != KVS_OK)
        status = fail(KVS_READ_ONLY, 0, "the store is read-only since a failure: %s",
                      adapter->failed_why);
    mutex_unlock(&adapter->marks_mu);
    return status;
}

/* One sync, for all who wait. */
static void sync_once(struct adapter *adapter) REQUIRES(adapter->marks_mu)
{
    adapter->syncing = true;
    uint64_t target = mark_of(&adapter->visible);
    mutex_unlock(&adapter->marks_mu);
    enum kvs_status status = adapter->ops->sync(adapter->driver);
    atomic_fetch_add_explicit(&adapter->syncs, 1, memory_order_relaxed); /* relaxed: a figure */
    mutex_lock(&adapter->marks_mu);
    adapter->syncing = false;
    if (status == KVS_OK) {
        raise_mark(&adapter->durable, target);
    } else if (adapter->failed == KVS_OK) {
        adapter->failed = status;
        fail_save(adapter->failed_why);
    }
    cond_broadcast(&adapter->marks_moved);
}

enum kvs_status marks_sync(struct adapter *adapter, uint64_t position)
{
    if (mark_of(&adapter->durable) >= position)
        return KVS_OK;
    if (position > atomic_load_explicit(&adapter->issued, memory_order_acquire))
        return fail(KVS_INVALID, 0, "position beyond the last write");
    enum kvs_status status = KVS_OK;
    bool synced = false;
    mutex_lock(&adapter->marks_mu);
    while (mark_of(&adapter->durable) < position && status == KVS_OK) {
        if (adapter->failed != KVS_OK) {
            status = fail(KVS_READ_ONLY, 0, "it will never be durable: %s", adapter->failed_why);
        } else if (adapter->syncing || adapter->commits_durable ||
                   mark_of(&adapter->visible) < position) {
            cond_wait(&adapter->marks_moved,
                      &adapter->marks_mu); /* a group or a sync is under way */
        } else {
            sync_once(adapter);
            synced = true;
        }
    }
    mutex_unlock(&adapter->marks_mu);
    if (synced)
        adapter_tell_progress(adapter);
    return status;
}

void adapter_marks(struct kvs_engine *engine, struct kvs_marks *ret)
{
    struct adapter *adapter = adapter_of(engine);
    /* In this order: durable must not be seen beyond visible. */
    ret->durable = mark_of(&adapter->durable);
    ret->visible = ret->written = mark_of(&adapter->visible);
}

enum kvs_status adapter_wait_durable(struct kvs_engine *engine, uint64_t position)
{
    return marks_sync(adapter_of(engine), position);
}

enum kvs_status adapter_wait_written(struct kvs_engine *engine, uint64_t position)
{
    struct adapter *adapter = adapter_of(engine);
    if (position > atomic_load_explicit(&adapter->issued, memory_order_acquire))
        return fail(KVS_INVALID, 0, "position beyond the last write");
    return KVS_OK; /* whoever got the position got it after the commit */
}

void adapter_request_write(struct kvs_engine *engine, uint64_t position)
{
    (void)engine;
    (void)position; /* nothing waits to be written */
}

void adapter_request_sync(struct kvs_engine *engine, uint64_t position)
{
    struct adapter *adapter = adapter_of(engine);
    if (mark_of(&adapter->durable) >= position)
        return;
    if (!adapter->keeper_runs && marks_sync(adapter, position) != KVS_OK)
        return; /* the failure sticks, and shows in health */
    if (!adapter->keeper_runs)
        return;
    mutex_lock(&adapter->keeper_mu);
    adapter->sync_wanted = true;
    cond_signal(&adapter->keeper_wake);
    mutex_unlock(&adapter->keeper_mu);
}

enum kvs_status adapter_health(struct kvs_engine *engine)
{
    return marks_health(adapter_of(engine));
}
