/*
 * stealing.c - threads with a queue each, which take from one another when their own is empty.
 *
 * A job spawned by a job goes to its worker's own queue, one from outside to the queues in turn; so in the common case a
 * worker meets nobody at its queue's lock. Both the owner and thieves take the oldest job: taking the newest is kinder to
 * the cache, but a request that waits must not be overtaken for ever.
 *
 * Sleeping. `queued` is the number of jobs in all queues, changed under the lock of the queue concerned, so it is exact. A
 * worker that is about to sleep counts itself in `sleepers`, then looks at `queued`; a spawner raises `queued`, then looks
 * at `sleepers`. All four are sequentially consistent: in whatever single order they happened, at least one of the two sees
 * the other. The sleeper holds idle_mu from counting itself until it waits, and the spawner takes idle_mu to signal, so the
 * signal cannot fall between.
 *
 * Stopping. A worker leaves when the pool is stopping and nothing is queued. What running jobs spawn later is in their own
 * workers' queues or others', and those workers look at all queues before they leave.
 */
#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/fail.h"
#include "pool/crew.h"
#include "pool/job_queue.h"
#include "pool/kind.h"

enum {
    CACHE_LINE = 64
};

struct worker {
    alignas(CACHE_LINE) struct mutex mu;
    struct job_queue queue GUARDED_BY(mu);
};

struct stealing {
    struct pool pool;
    struct crew crew;
    struct worker *workers;
    unsigned worker_count;
    atomic_uint next_worker; /* for jobs from outside */
    _Atomic uint64_t queued;
    atomic_uint sleepers;
    struct mutex idle_mu;
    struct cond has_job;
    bool is_stopping GUARDED_BY(idle_mu);
};

/* Which worker of which pool this thread is. */
static _Thread_local struct stealing *own_pool;
static _Thread_local unsigned own_index;

static bool take_from(struct stealing *stealing, unsigned index, struct job *ret)
{
    struct worker *worker = &stealing->workers[index];
    mutex_lock(&worker->mu);
    bool has_job = job_queue_pop(&worker->queue, ret);
    if (has_job) {
        /* relaxed: lowering it can only keep somebody awake for one more look */
        atomic_fetch_sub_explicit(&stealing->queued, 1, memory_order_relaxed);
    }
    mutex_unlock(&worker->mu);
    return has_job;
}

/* From the worker's own queue, else from the next one that has something. */
static bool take_any(struct stealing *stealing, unsigned index, struct job *ret)
{
    for (unsigned i = 0; i < stealing->worker_count; i++) {
        if (take_from(stealing, (index + i) % stealing->worker_count, ret))
            return true;
    }
    return false;
}

static bool has_queued(struct stealing *stealing)
{
    /* seq_cst: after `sleepers` was raised, in the one order that also has the spawner's pair (head comment) */
    return atomic_load_explicit(&stealing->queued, memory_order_seq_cst) > 0;
}

/* Sleeps until there is something to look for. False: nothing queued and the pool is stopping. */
static bool wait_for_job(struct stealing *stealing)
{
    mutex_lock(&stealing->idle_mu);
    /* seq_cst: before `queued` is read (head comment) */
    atomic_fetch_add_explicit(&stealing->sleepers, 1, memory_order_seq_cst);
    while (!has_queued(stealing) && !stealing->is_stopping)
        cond_wait(&stealing->has_job, &stealing->idle_mu);
    /* relaxed: lowering it late costs a spawner one signal */
    atomic_fetch_sub_explicit(&stealing->sleepers, 1, memory_order_relaxed);
    bool go_on = has_queued(stealing);
    mutex_unlock(&stealing->idle_mu);
    return go_on;
}

static void work(void *owner, unsigned index)
{
    struct stealing *stealing = owner;
    own_pool = stealing;
    own_index = index;
    struct job job;
    do {
        while (take_any(stealing, index, &job))
            pool_run(&stealing->pool, job);
    } while (wait_for_job(stealing));
}

static void died(void *owner, unsigned index)
{
    (void)index; /* its queue stays, and goes to the successor */
    struct stealing *stealing = owner;
    pool_job_died(&stealing->pool);
}

static void wake_one(struct stealing *stealing)
{
    /* seq_cst: after `queued` was raised (head comment) */
    if (atomic_load_explicit(&stealing->sleepers, memory_order_seq_cst) == 0)
        return;
    mutex_lock(&stealing->idle_mu);
    cond_signal(&stealing->has_job);
    mutex_unlock(&stealing->idle_mu);
}

static void stealing_spawn(struct pool *pool, struct job job)
{
    struct stealing *stealing = (struct stealing *)pool; /* its first member */
    crew_repair(&stealing->crew);
    unsigned index = own_index;
    if (own_pool != stealing) {
        /* relaxed: any spread will do */
        index = atomic_fetch_add_explicit(&stealing->next_worker, 1, memory_order_relaxed) %
                stealing->worker_count;
    }
    struct worker *worker = &stealing->workers[index];
    mutex_lock(&worker->mu);
    bool is_queued = job_queue_push(&worker->queue, job);
    if (is_queued) {
        /* seq_cst: before `sleepers` is read (head comment) */
        atomic_fetch_add_explicit(&stealing->queued, 1, memory_order_seq_cst);
    }
    mutex_unlock(&worker->mu);
    if (is_queued)
        wake_one(stealing);
    else
        pool_run_in_caller(pool, job);
}

static void stealing_stats(struct pool *pool, struct pool_stats *ret)
{
    struct stealing *stealing = (struct stealing *)pool; /* its first member */
    ret->threads = crew_live(&stealing->crew);
    /* relaxed: a figure for people */
    ret->queued = atomic_load_explicit(&stealing->queued, memory_order_relaxed);
}

/* Frees what is there; the threads are gone, or never were. */
static void stealing_done(struct stealing *stealing)
{
    for (unsigned i = 0; i < stealing->worker_count; i++) {
        job_queue_done(&stealing->workers[i].queue);
        mutex_done(&stealing->workers[i].mu);
    }
    free(stealing->workers);
    cond_done(&stealing->has_job);
    mutex_done(&stealing->idle_mu);
    pool_done(&stealing->pool);
    free(stealing);
}

static void stealing_close(struct pool *pool)
{
    struct stealing *stealing = (struct stealing *)pool; /* its first member */
    mutex_lock(&stealing->idle_mu);
    stealing->is_stopping = true;
    cond_broadcast(&stealing->has_job);
    mutex_unlock(&stealing->idle_mu);
    crew_stopping(&stealing->crew);
    crew_join(&stealing->crew);
    struct job job;
    while (take_any(stealing, 0, &job)) /* only when threads could not be replaced */
        pool_run_in_caller(pool, job);
    stealing_done(stealing);
}

static enum kvs_status stealing_open(unsigned threads, struct pool **ret)
{
    struct stealing *stealing = calloc(1, sizeof *stealing);
    if (stealing == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "a pool");
    pool_init(&stealing->pool, &pool_kind_stealing);
    mutex_init(&stealing->idle_mu);
    cond_init(&stealing->has_job);
    stealing->workers = aligned_alloc(CACHE_LINE, threads * sizeof *stealing->workers);
    if (stealing->workers == NULL) {
        stealing_done(stealing);
        return fail(KVS_NO_MEMORY, ENOMEM, "a pool of %u threads", threads);
    }
    for (; stealing->worker_count < threads; stealing->worker_count++) {
        struct worker *worker = &stealing->workers[stealing->worker_count];
        mutex_init(&worker->mu);
        worker->queue = (struct job_queue){ 0 };
    }
    enum kvs_status status = crew_start(&stealing->crew, threads, work, died, stealing);
    if (status == KVS_OK)
        *ret = &stealing->pool;
    else
        stealing_close(&stealing->pool);
    return status;
}

const struct pool_kind pool_kind_stealing = {
    .name = "stealing",
    .open = stealing_open,
    .spawn = stealing_spawn,
    .stats = stealing_stats,
    .close = stealing_close,
};
