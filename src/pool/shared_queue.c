/*
 * shared_queue.c - some threads, one queue.
 *
 * Invariant: a worker leaves only when the queue is empty and the pool is stopping. Jobs accepted later come from jobs that
 * are still running, whose own workers look at the queue again before they leave; so everything accepted is run.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/fail.h"
#include "pool/crew.h"
#include "pool/job_queue.h"
#include "pool/kind.h"

struct shared {
    struct pool pool;
    struct crew crew;
    struct mutex mu;
    struct cond has_job;
    struct job_queue queue GUARDED_BY(mu);
    bool is_stopping GUARDED_BY(mu);
};

/* Waits for a job; false when there will be none. */
static bool take(struct shared *shared, struct job *ret)
{
    mutex_lock(&shared->mu);
    while (shared->queue.count == 0 && !shared->is_stopping)
        cond_wait(&shared->has_job, &shared->mu);
    bool has_job = job_queue_pop(&shared->queue, ret);
    mutex_unlock(&shared->mu);
    return has_job;
}

static void work(void *owner, unsigned index)
{
    (void)index;
    struct shared *shared = owner;
    struct job job;
    while (take(shared, &job))
        pool_run(&shared->pool, job);
}

static void died(void *owner, unsigned index)
{
    (void)index;
    struct shared *shared = owner;
    pool_job_died(&shared->pool);
}

static void shared_spawn(struct pool *pool, struct job job)
{
    struct shared *shared = (struct shared *)pool; /* its first member */
    crew_repair(&shared->crew);
    mutex_lock(&shared->mu);
    bool is_queued = job_queue_push(&shared->queue, job);
    if (is_queued)
        cond_signal(&shared->has_job);
    mutex_unlock(&shared->mu);
    if (!is_queued)
        pool_run_in_caller(pool, job);
}

static void shared_stats(struct pool *pool, struct pool_stats *ret)
{
    struct shared *shared = (struct shared *)pool; /* its first member */
    ret->threads = crew_live(&shared->crew);
    mutex_lock(&shared->mu);
    ret->queued = shared->queue.count;
    mutex_unlock(&shared->mu);
}

static void shared_close(struct pool *pool)
{
    struct shared *shared = (struct shared *)pool; /* its first member */
    mutex_lock(&shared->mu);
    shared->is_stopping = true;
    cond_broadcast(&shared->has_job);
    mutex_unlock(&shared->mu);
    crew_stopping(&shared->crew);
    crew_join(&shared->crew);
    struct job job;
    while (take(shared, &job)) /* only when threads could not be replaced */
        pool_run_in_caller(pool, job);
    job_queue_done(&shared->queue);
    cond_done(&shared->has_job);
    mutex_done(&shared->mu);
    pool_done(pool);
    free(shared);
}

static enum kvs_status shared_open(unsigned threads, struct pool **ret)
{
    struct shared *shared = calloc(1, sizeof *shared);
    if (shared == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "a pool");
    pool_init(&shared->pool, &pool_kind_shared_queue);
    mutex_init(&shared->mu);
    cond_init(&shared->has_job);
    enum kvs_status status = crew_start(&shared->crew, threads, work, died, shared);
    if (status == KVS_OK)
        *ret = &shared->pool;
    else
        shared_close(&shared->pool);
    return status;
}

const struct pool_kind pool_kind_shared_queue = {
    .name = "shared-queue",
    .open = shared_open,
    .spawn = shared_spawn,
    .stats = shared_stats,
    .close = shared_close,
};
