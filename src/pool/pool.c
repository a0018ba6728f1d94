/*
 * pool.c - what all kinds of pools share: names, counters, the observer, running a job and giving one up.
 *
 * Each thread knows the job it is running (`running`): a job on a pool's thread gives up by ending the thread, one in its
 * caller by jumping back, because that thread is not ours to end.
 */
#include "pool/pool.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdbool.h>
#include <string.h>

#include "base/check.h"
#include "base/fail.h"
#include "pool/kind.h"

struct running_job {
    const struct pool *pool;
    struct running_job
        *outer; /* the job that spawned this one and runs it in its own thread; or NULL */
    bool in_caller;
    jmp_buf give_up; /* in_caller only */
};

static _Thread_local struct running_job *running;

static const struct pool_kind *const kinds[] = {
    &pool_kind_naive,
    &pool_kind_shared_queue,
    &pool_kind_stealing,
    &pool_kind_inline,
};

enum {
    KIND_COUNT = sizeof kinds / sizeof kinds[0]
};

const char *pool_kind_name(size_t index)
{
    return index < KIND_COUNT ? kinds[index]->name : NULL;
}

enum kvs_status pool_new(const char *kind, unsigned threads, struct pool **ret)
{
    if (threads == 0)
        return fail(KVS_INVALID, 0, "a pool needs at least one thread");
    for (size_t i = 0; i < KIND_COUNT; i++) {
        if (strcmp(kinds[i]->name, kind) == 0)
            return kinds[i]->open(threads, ret);
    }
    return fail(KVS_INVALID, 0,
                "unknown pool \"%s\": expected naive, shared-queue, stealing or inline", kind);
}

void pool_init(struct pool *pool, const struct pool_kind *kind)
{
    pool->kind = kind;
    atomic_init(&pool->spawned, 0);
    atomic_init(&pool->finished, 0);
    atomic_init(&pool->died, 0);
    mutex_init(&pool->observer_mu);
    pool->observer = NULL;
    pool->observer_ctx = NULL;
}

void pool_done(struct pool *pool)
{
    mutex_done(&pool->observer_mu);
}

void pool_spawn(struct pool *pool, pool_job_fn *run, void *ctx)
{
    /* relaxed: see struct pool */
    atomic_fetch_add_explicit(&pool->spawned, 1, memory_order_relaxed);
    pool->kind->spawn(pool, (struct job){ run, ctx });
}

void pool_run(struct pool *pool, struct job job)
{
    struct running_job self = { .pool = pool, .outer = running };
    running = &self;
    job.run(job.ctx);
    running = self.outer;
    /* relaxed: see struct pool */
    atomic_fetch_add_explicit(&pool->finished, 1, memory_order_relaxed);
}

void pool_run_in_caller(struct pool *pool, struct job job)
{
    struct running_job self = { .pool = pool, .outer = running, .in_caller = true };
    running = &self;
    /* Neither pool nor job changes after this, so both have their values when the job jumps back. */
    if (_setjmp(self.give_up) == 0) {
        job.run(job.ctx);
        running = self.outer;
        /* relaxed: see struct pool */
        atomic_fetch_add_explicit(&pool->finished, 1, memory_order_relaxed);
    } else {
        running = self.outer;
        pool_job_died(pool);
    }
}

void pool_job_died(struct pool *pool)
{
    /* relaxed: see struct pool */
    uint64_t died = atomic_fetch_add_explicit(&pool->died, 1, memory_order_relaxed) + 1;
    mutex_lock(&pool->observer_mu);
    if (pool->observer != NULL)
        pool->observer(pool->observer_ctx, died);
    mutex_unlock(&pool->observer_mu);
}

void pool_job_abort(void)
{
    CHECK(running != NULL); /* called inside a job only */
    if (running->in_caller)
        _longjmp(running->give_up, 1);
    pthread_exit(NULL);
}

void pool_on_death(struct pool *pool, pool_death_fn *fn, void *ctx)
{
    mutex_lock(&pool->observer_mu);
    pool->observer = fn;
    pool->observer_ctx = ctx;
    mutex_unlock(&pool->observer_mu);
}

void pool_stats(struct pool *pool, struct pool_stats *ret)
{
    *ret = (struct pool_stats){ 0 };
    pool->kind->stats(pool, ret);
    /* relaxed: see struct pool */
    ret->finished = atomic_load_explicit(&pool->finished, memory_order_relaxed);
    ret->died = atomic_load_explicit(&pool->died, memory_order_relaxed);
    ret->spawned = atomic_load_explicit(&pool->spawned, memory_order_relaxed);
}

void pool_free(struct pool *pool)
{
    if (pool == NULL)
        return;
    for (const struct running_job *job = running; job != NULL; job = job->outer)
        CHECK(job->pool != pool); /* a job would wait for itself */
    pool->kind->close(pool);
}
