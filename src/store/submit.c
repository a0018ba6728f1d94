/*
 * submit.c - running a call here if it can be had without waiting, on the store's pool otherwise.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/fail.h"
#include "pool/pool.h"
#include "store/store.h"

struct submitted {
    kvs_call_fn *call;
    kvs_done_fn *done;
    void *ctx;
};

static void submitted_run(void *ctx)
{
    struct submitted job = *(struct submitted *)ctx;
    free(ctx); /* first: call or done may give the thread up */
    enum kvs_status status = job.call(job.ctx, true);
    job.done(job.ctx, status);
}

/* The pool, started by the first who needs it. NULL: it could not be, the reason is recorded. */
static struct pool *store_pool(struct store *store)
{
    mutex_lock(&store->pool_mu);
    if (store->pool == NULL &&
        pool_new("shared-queue", store->pool_threads, &store->pool) != KVS_OK)
        store->pool = NULL;
    struct pool *pool = store->pool;
    mutex_unlock(&store->pool_mu);
    return pool;
}

bool kvs_submit(struct kvs *db, kvs_call_fn *call, kvs_done_fn *done, void *ctx,
                enum kvs_status *ret_status)
{
    enum kvs_status status = call(ctx, false);
    if (status != KVS_WOULD_BLOCK) {
        *ret_status = status;
        return true;
    }
    struct pool *pool = store_pool(db->store);
    struct submitted *job = malloc(sizeof *job);
    if (pool == NULL || job == NULL) {
        free(job);
        *ret_status =
            pool != NULL ? fail(KVS_NO_MEMORY, ENOMEM, "call for the pool") : KVS_NO_MEMORY;
        return true;
    }
    *job = (struct submitted){ call, done, ctx };
    pool_spawn(pool, submitted_run, job);
    return false;
}
