/*
 * naive.c - a thread per job: what the other pools are compared with.
 *
 * Every thread joins the one that finished before it, so at most one finished thread is unjoined at any time, and nobody has
 * to collect them. The number of threads asked for means nothing here. When a thread cannot be made, the job runs in the
 * caller.
 */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/fail.h"
#include "pool/kind.h"
#include "pool/thread.h"

struct naive {
    struct pool pool;
    struct mutex mu;
    struct cond all_finished;
    unsigned threads GUARDED_BY(mu); /* made, and not finished */
    bool has_finished GUARDED_BY(mu);
    pthread_t finished GUARDED_BY(mu); /* the latest to finish; to be joined */
};

struct naive_job {
    struct naive *naive;
    struct job job;
};

static enum kvs_status naive_open(unsigned threads, struct pool **ret)
{
    (void)threads;
    struct naive *naive = calloc(1, sizeof *naive);
    if (naive == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "a pool");
    pool_init(&naive->pool, &pool_kind_naive);
    mutex_init(&naive->mu);
    cond_init(&naive->all_finished);
    *ret = &naive->pool;
    return KVS_OK;
}

/* The last thing a thread does, whether its job returned or ended it. */
static void finish(struct naive_job *own)
{
    struct naive *naive = own->naive;
    free(own);
    mutex_lock(&naive->mu);
    bool has_before = naive->has_finished;
    pthread_t before = naive->finished;
    naive->has_finished = true;
    naive->finished = pthread_self();
    mutex_unlock(&naive->mu);
    if (has_before)
        thread_join(before);
    /* Only now: when the count is zero, the pool may go, and one thread is left to join. */
    mutex_lock(&naive->mu);
    if (--naive->threads == 0)
        cond_signal(&naive->all_finished);
    mutex_unlock(&naive->mu);
}

static void job_died(void *arg)
{
    struct naive_job *own = arg;
    pool_job_died(&own->naive->pool);
    finish(own);
}

static void *job_main(void *arg)
{
    struct naive_job *own = arg;
    thread_begin();
    pthread_cleanup_push(job_died, own);
    pool_run(&own->naive->pool, own->job);
    pthread_cleanup_pop(0);
    finish(own);
    return NULL;
}

static void naive_spawn(struct pool *pool, struct job job)
{
    struct naive *naive = (struct naive *)pool; /* its first member */
    struct naive_job *own = malloc(sizeof *own);
    if (own == NULL) {
        pool_run_in_caller(pool, job);
        return;
    }
    *own = (struct naive_job){ naive, job };
    mutex_lock(&naive->mu);
    naive->threads++;
    mutex_unlock(&naive->mu);
    pthread_t thread; /* known to itself; nobody else needs it */
    if (thread_start(&thread, job_main, own) == 0)
        return;
    free(own);
    pool_run_in_caller(pool, job);
    mutex_lock(&naive->mu);
    if (--naive->threads == 0)
        cond_signal(&naive->all_finished);
    mutex_unlock(&naive->mu);
}

static void naive_stats(struct pool *pool, struct pool_stats *ret)
{
    struct naive *naive = (struct naive *)pool; /* its first member */
    mutex_lock(&naive->mu);
    ret->threads = naive->threads;
    mutex_unlock(&naive->mu);
    ret->queued = 0;
}

static void naive_close(struct pool *pool)
{
    struct naive *naive = (struct naive *)pool; /* its first member */
    mutex_lock(&naive->mu);
    while (naive->threads > 0)
        cond_wait(&naive->all_finished, &naive->mu);
    mutex_unlock(&naive->mu);
    if (naive->has_finished)
        thread_join(naive->finished);
    cond_done(&naive->all_finished);
    mutex_done(&naive->mu);
    pool_done(pool);
    free(naive);
}

const struct pool_kind pool_kind_naive = {
    .name = "naive",
    .open = naive_open,
    .spawn = naive_spawn,
    .stats = naive_stats,
    .close = naive_close,
};
