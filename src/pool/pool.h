/*
 * pool.h - thread pools: naive (a thread per job), shared-queue, stealing; and inline (in the caller; for tests).
 *
 * pool_new() starts all threads or none. pool_spawn() always succeeds: the job runs, in the caller if need be. A job that
 * ends its thread (pthread_exit, or pool_job_abort()) costs nobody else anything: the thread is replaced, the loss
 * counted and told to the observer. pool_free() runs what was accepted and joins every thread. Jobs may spawn jobs.
 */
#ifndef POOL_POOL_H
#define POOL_POOL_H

#include <stdint.h>

#include <kvs/status.h>

struct pool;

typedef void pool_job_fn(void *ctx);

/* Names in order ("naive", "shared-queue", "stealing", "inline"); NULL past the last. */
const char *pool_kind_name(size_t index);

/* @kind one of the names, @threads >= 1. Errors: KVS_INVALID, KVS_NO_MEMORY. */
KVS_MUST_CHECK enum kvs_status pool_new(const char *kind, unsigned threads, struct pool **ret);

/* Thread: any, also from inside a job. */
void pool_spawn(struct pool *pool, pool_job_fn *run, void *ctx);

/* Called inside a job: gives it up at once, as if it had died. Cleanup handlers and thread-specific destructors run as for
 * pthread_exit(); but a job that runs in its caller (inline, or for want of a thread) just returns there. */
_Noreturn void pool_job_abort(void);

/* Told of every job that died, on the dying thread, with the count so far; one observer, NULL removes it. Must be short, and not
 * call pool_on_death() itself. */
typedef void pool_death_fn(void *ctx, uint64_t died);
void pool_on_death(struct pool *pool, pool_death_fn *fn, void *ctx);

struct pool_stats {
    unsigned threads; /* running now */
    uint64_t spawned;
    uint64_t finished;
    uint64_t died;
    uint64_t queued; /* waiting now */
};

void pool_stats(struct pool *pool, struct pool_stats *ret);

/* Runs what was accepted, joins, frees. NULL is allowed. Not from inside a job. From here on idle threads leave, so a job must
 * not wait for another one. */
void pool_free(struct pool *pool);

#endif
