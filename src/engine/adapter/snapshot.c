/*
 * snapshot.c - versions to read at: a view of the driver, the version the state has in it, and the time it was opened.
 *
 * A snapshot is in the list before its view is taken, with a version that is not above the one it will have: whoever publishes
 * removals meanwhile keeps them for it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "engine/adapter/room.h"

static void list_add(struct adapter *adapter, struct kvs_snapshot *snapshot)
{
    mutex_lock(&adapter->snapshots_mu);
    snapshot->version = atomic_load_explicit(&adapter->visible, memory_order_acquire);
    snapshot->prev = NULL;
    snapshot->next = adapter->snapshots;
    if (snapshot->next != NULL)
        snapshot->next->prev = snapshot;
    adapter->snapshots = snapshot;
    mutex_unlock(&adapter->snapshots_mu);
}

static uint64_t oldest(struct adapter *adapter) REQUIRES(adapter->snapshots_mu)
{
    uint64_t version = UINT64_MAX;
    for (const struct kvs_snapshot *snapshot = adapter->snapshots; snapshot != NULL;
         snapshot = snapshot->next)
        if (snapshot->version < version)
            version = snapshot->version;
    return version;
}

static void list_remove(struct adapter *adapter, struct kvs_snapshot *snapshot)
{
    mutex_lock(&adapter->snapshots_mu);
    if (snapshot->prev != NULL)
        snapshot->prev->next = snapshot->next;
    else
        adapter->snapshots = snapshot->next;
    if (snapshot->next != NULL)
        snapshot->next->prev = snapshot->prev;
    if (adapter->removals.count != 0)
        removals_prune(&adapter->removals, oldest(adapter));
    mutex_unlock(&adapter->snapshots_mu);
}

enum kvs_status snapshot_state(const struct kvs_snapshot *snapshot, struct state *ret)
{
    struct adapter *adapter = snapshot->adapter;
    unsigned char key[SMALL_KEY_BYTES];
    struct driver_pin pin;
    enum kvs_status status =
        adapter->ops->get(adapter->driver, snapshot->view, raw_section(SECTION_STATE, key), &pin);
    if (status == KVS_NOT_FOUND) {
        memset(ret, 0, sizeof *ret);
        return adapter->state_found ? fail(KVS_CORRUPT, 0, "the store has lost its state") : KVS_OK;
    }
    if (status != KVS_OK)
        return status;
    status = state_decode(pin.value, ret);
    adapter->ops->unpin(adapter->driver, &pin);
    return status;
}

/* The version and time of what the view shows. */
static enum kvs_status read_state(struct kvs_snapshot *snapshot)
{
    struct adapter *adapter = snapshot->adapter;
    struct state state;
    enum kvs_status status = snapshot_state(snapshot, &state);
    if (status != KVS_OK)
        return status;
    /* A store that was not closed in order and is read only now stands at its ceiling. */
    uint64_t version = adapter->read_only ? adapter->state.version : state.version;
    mutex_lock(&adapter->snapshots_mu);
    snapshot->version = version;
    mutex_unlock(&adapter->snapshots_mu);
    snapshot->now_ms = adapter_now_ms(adapter);
    return KVS_OK;
}

enum kvs_status adapter_snapshot_open(struct kvs_engine *base, const char *owner,
                                      struct kvs_snapshot **ret)
{
    struct adapter *adapter = adapter_of(base);
    struct kvs_snapshot *snapshot = calloc(1, sizeof *snapshot);
    if (snapshot == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "snapshot");
    (void)snprintf(snapshot->owner, sizeof snapshot->owner, "%s", owner);
    snapshot->adapter = adapter;
    snapshot->refs = 1;
    list_add(adapter, snapshot);
    enum kvs_status status = adapter->ops->view_open(adapter->driver, &snapshot->view);
    if (status == KVS_OK)
        status = read_state(snapshot);
    if (status != KVS_OK) {
        adapter_snapshot_unref(snapshot);
        return status;
    }
    *ret = snapshot;
    return KVS_OK;
}

uint64_t adapter_snapshot_version(const struct kvs_snapshot *snapshot)
{
    return snapshot->version;
}

void adapter_snapshot_ref(struct kvs_snapshot *snapshot)
{
    mutex_lock(&snapshot->adapter->snapshots_mu);
    snapshot->refs++;
    mutex_unlock(&snapshot->adapter->snapshots_mu);
}

void adapter_snapshot_unref(struct kvs_snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    struct adapter *adapter = snapshot->adapter;
    mutex_lock(&adapter->snapshots_mu);
    CHECK(snapshot->refs != 0);
    bool last = --snapshot->refs == 0;
    mutex_unlock(&adapter->snapshots_mu);
    if (!last)
        return;
    adapter->ops->view_close(snapshot->view);
    list_remove(adapter, snapshot);
    free(snapshot);
}

void adapter_snapshot_close(struct kvs_engine *base, struct kvs_snapshot *snapshot)
{
    (void)base;
    adapter_snapshot_unref(snapshot);
}

uint64_t snapshot_oldest(struct adapter *adapter)
{
    mutex_lock(&adapter->snapshots_mu);
    uint64_t version = oldest(adapter);
    mutex_unlock(&adapter->snapshots_mu);
    return version;
}
