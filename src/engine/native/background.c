/*
 * background.c - the one thread that looks after the store: sweeps, compacts, keeps to the memory budget.
 */
#include "base/fail.h"
#include "concurrent/epoch.h"
#include "engine/native/state.h"

enum {
    TICK_MS = 200
};

void native_trim(struct native *native)
{
    struct index_stats stats;
    index_stats(native->index, &stats);
    bool over = stats.bytes > native->memory_bytes;
    atomic_store_explicit(&native->over_budget, over, memory_order_relaxed); /* a hint */
    /* One budget: what the index takes the log has not. */
    log_set_memory(native->log, over ? 0 : native->memory_bytes - stats.bytes);
    log_trim(native->log);
}

bool background_stopping(struct native *native)
{
    mutex_lock(&native->background_mu);
    bool stopping = native->background_stop;
    mutex_unlock(&native->background_mu);
    return stopping;
}

static void tick(struct native *native)
{
    mutex_lock(&native->compact_mu);
    sweep_tombs(native);
    (void)sweep_ranges(native); /* what could not be read stays hidden, and is tried again */
    bool did = true;
    while (did) {
        if (compact_round(native, false, &did) != KVS_OK)
            break; /* a full or failed disk; stats and health tell, and it is tried again */
        did = did && !background_stopping(native);
        native_trim(native); /* there may be many rounds */
    }
    native_trim(native);
    mutex_unlock(&native->compact_mu);
}

static void *run(void *arg)
{
    struct native *native = arg;
    mutex_lock(&native->background_mu);
    while (!native->background_stop) {
        (void)cond_wait_ms(&native->background_cond, &native->background_mu, TICK_MS);
        if (native->background_stop)
            break;
        mutex_unlock(&native->background_mu);
        tick(native);
        mutex_lock(&native->background_mu);
    }
    mutex_unlock(&native->background_mu);
    return NULL;
}

enum kvs_status background_start(struct native *native)
{
    int error = pthread_create(&native->background, NULL, run, native);
    if (error != 0)
        return fail(KVS_NO_MEMORY, error, "starting the compaction thread");
    native->background_running = true;
    return KVS_OK;
}

void background_stop(struct native *native)
{
    mutex_lock(&native->background_mu);
    native->background_stop = true;
    cond_broadcast(&native->background_cond);
    mutex_unlock(&native->background_mu);
    if (native->background_running)
        (void)pthread_join(native->background, NULL); /* it exists and is joined once */
    native->background_running = false;
}
