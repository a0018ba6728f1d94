/*
 * keeper.c - the adapter's one thread: syncs when asked to, or each second where writes do not wait for the disk, and lets go of
 * expired records.
 */
#include <errno.h>
#include <pthread.h>

#include "engine/adapter/room.h"

enum {
    KEEPER_STEP_MS = 1000
};

/* False: it is over. *ret_sync: somebody asked. */
static bool keeper_wait(struct adapter *adapter, bool *ret_sync, bool *ret_due)
{
    mutex_lock(&adapter->keeper_mu);
    *ret_due = false;
    if (!adapter->keeper_stop && !adapter->sync_wanted)
        *ret_due = !cond_wait_ms(&adapter->keeper_wake, &adapter->keeper_mu, KEEPER_STEP_MS);
    *ret_sync = adapter->sync_wanted;
    adapter->sync_wanted = false;
    bool stop = adapter->keeper_stop;
    mutex_unlock(&adapter->keeper_mu);
    return !stop;
}

static void *keeper_main(void *arg)
{
    struct adapter *adapter = arg;
    bool wanted;
    bool due;
    while (keeper_wait(adapter, &wanted, &due)) {
        struct kvs_marks marks;
        adapter_marks(&adapter->base, &marks);
        /* Failures stick in the engine and are told to whoever writes next; nobody waits for them here. */
        if ((wanted || (due && adapter->periodic_sync)) &&
            marks_sync(adapter, marks.visible) != KVS_OK)
            continue;
        uint64_t gone = 1;
        while (due && gone != 0 && !adapter->read_only && expire_some(adapter, &gone) == KVS_OK)
            continue;
    }
    return NULL;
}

enum kvs_status keeper_start(struct adapter *adapter)
{
    if (adapter->no_background || adapter->read_only)
        return KVS_OK;
    int error = pthread_create(&adapter->keeper, NULL, keeper_main, adapter);
    if (error != 0)
        return fail(KVS_NO_MEMORY, error, "a thread of engine %s", adapter->base.ops->name);
    adapter->keeper_runs = true;
    return KVS_OK;
}

void keeper_stop(struct adapter *adapter)
{
    if (!adapter->keeper_runs)
        return;
    mutex_lock(&adapter->keeper_mu);
    adapter->keeper_stop = true;
    cond_signal(&adapter->keeper_wake);
    mutex_unlock(&adapter->keeper_mu);
    (void)pthread_join(adapter->keeper, NULL);
    adapter->keeper_runs = false;
}
