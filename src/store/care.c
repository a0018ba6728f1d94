/*
 * care.c - durability on demand, progress, figures, and the operations that look after an open store.
 */
#include "base/fail.h"
#include "pool/pool.h"
#include "store/store.h"

void kvs_marks(struct kvs *db, struct kvs_marks *ret)
{
    db->store->ops->marks(db->store->engine, ret);
}

void kvs_request_sync(struct kvs *db, uint64_t position)
{
    db->store->ops->request_sync(db->store->engine, position);
}

void kvs_request_write(struct kvs *db, uint64_t position)
{
    db->store->ops->request_write(db->store->engine, position);
}

enum kvs_status kvs_wait_durable(struct kvs *db, uint64_t position)
{
    return db->store->ops->wait_durable(db->store->engine, position);
}

enum kvs_status kvs_sync(struct kvs *db)
{
    struct kvs_marks marks;
    kvs_marks(db, &marks);
    return kvs_wait_durable(db, marks.visible);
}

void kvs_on_progress(struct kvs *db, kvs_progress_fn *fn, void *ctx)
{
    db->store->ops->on_progress(db->store->engine, fn, ctx);
}

enum kvs_status kvs_health(struct kvs *db)
{
    return db->store->ops->health(db->store->engine);
}

void kvs_stats(struct kvs *db, kvs_stat_fn *fn, void *ctx)
{
    struct store *store = db->store;
    store->ops->stats(store->engine, fn, ctx);
    /* relaxed: a figure for humans, ordered with nothing */
    fn(ctx, "transaction_conflicts", atomic_load_explicit(&store->conflicts, memory_order_relaxed));
    fn(ctx, "transactions_alone", gate_closings(&store->gate));
    fn(ctx, "references", atomic_load_explicit(&store->refs, memory_order_relaxed));
    struct pool_stats pool = { 0 };
    mutex_lock(&store->pool_mu);
    if (store->pool != NULL)
        pool_stats(store->pool, &pool);
    mutex_unlock(&store->pool_mu);
    fn(ctx, "pool_threads", pool.threads);
    fn(ctx, "pool_jobs_started", pool.spawned);
    fn(ctx, "pool_jobs_queued", pool.queued);
    fn(ctx, "pool_jobs_died", pool.died);
}

enum kvs_status kvs_checkpoint(struct kvs *db)
{
    struct store *store = db->store;
    if (store->read_only)
        return fail(KVS_READ_ONLY, 0, "the store was opened read-only");
    return store->ops->checkpoint(store->engine);
}

enum kvs_status kvs_compact(struct kvs *db)
{
    struct store *store = db->store;
    if (store->read_only)
        return fail(KVS_READ_ONLY, 0, "the store was opened read-only");
    return store->ops->compact(store->engine);
}
