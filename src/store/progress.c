/*
 * progress.c - waiting for `written`, and passing progress on to the user.
 *
 * Invariant: the user's callback runs with no lock held, so it may call anything but progress_set() for itself.
 */
#include "store/progress.h"

enum {
    LOOK_AGAIN_MS = 100
}; /* health may change without a call; a waiter looks this often */

void progress_init(struct progress *progress)
{
    mutex_init(&progress->mu);
    cond_init(&progress->moved);
    progress->fn = NULL;
    progress->ctx = NULL;
    progress->calls = 0;
    progress->waiters = 0;
}

void progress_done(struct progress *progress)
{
    cond_done(&progress->moved);
    mutex_done(&progress->mu);
}

void progress_moved(void *ctx)
{
    struct progress *progress = ctx;
    mutex_lock(&progress->mu);
    if (progress->waiters != 0)
        cond_broadcast(&progress->moved);
    kvs_progress_fn *fn = progress->fn;
    void *fn_ctx = progress->ctx;
    if (fn == NULL) {
        mutex_unlock(&progress->mu);
        return;
    }
    progress->calls++;
    mutex_unlock(&progress->mu);
    fn(fn_ctx);
    mutex_lock(&progress->mu);
    progress->calls--;
    cond_broadcast(&progress->moved);
    mutex_unlock(&progress->mu);
}

void progress_set(struct progress *progress, kvs_progress_fn *fn, void *ctx)
{
    mutex_lock(&progress->mu);
    progress->fn = NULL; /* no new call begins while those under way end */
    while (progress->calls != 0)
        cond_wait(&progress->moved, &progress->mu);
    progress->fn = fn;
    progress->ctx = ctx;
    mutex_unlock(&progress->mu);
}

enum kvs_status progress_wait_written(struct progress *progress, struct kvs_engine *engine,
                                      uint64_t position)
{
    struct kvs_marks marks;
    engine->ops->marks(engine, &marks);
    if (marks.written >= position)
        return KVS_OK;
    enum kvs_status status = KVS_OK;
    mutex_lock(&progress->mu);
    progress->waiters++;
    for (;;) {
        /* Marks grow before the callback is called, and it broadcasts under mu: a look here misses nothing. */
        engine->ops->marks(engine, &marks);
        if (marks.written >= position)
            break;
        status = engine->ops->health(engine);
        if (status != KVS_OK)
            break;
        (void)cond_wait_ms(&progress->moved, &progress->mu, LOOK_AGAIN_MS);
    }
    progress->waiters--;
    mutex_unlock(&progress->mu);
    return status;
}
