/*
 * kind.h - what one kind of pool fills in, and what it gets from pool.c in return. Private to the room.
 */
#ifndef POOL_KIND_H
#define POOL_KIND_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <kvs/status.h>

#include "concurrent/mutex.h"
#include "pool/pool.h"

struct job {
    pool_job_fn *run;
    void *ctx;
};

struct pool_kind {
    const char *name;
    /* Makes the pool with all its threads, or nothing. The kind embeds struct pool as its first member. */
    enum kvs_status (*open)(unsigned threads, struct pool **ret);
    void (*spawn)(struct pool *pool, struct job job);
    /* Fills in threads and queued. */
    void (*stats)(struct pool *pool, struct pool_stats *ret);
    /* Runs what was accepted, joins, and frees. */
    void (*close)(struct pool *pool);
};

struct pool {
    const struct pool_kind *kind;
    /* Relaxed counters: each is a figure for people, and orders nothing. */
    _Atomic uint64_t spawned;
    _Atomic uint64_t finished;
    _Atomic uint64_t died;
    struct mutex observer_mu;
    pool_death_fn *observer GUARDED_BY(observer_mu);
    void *observer_ctx GUARDED_BY(observer_mu);
};

extern const struct pool_kind pool_kind_naive;
extern const struct pool_kind pool_kind_shared_queue;
extern const struct pool_kind pool_kind_stealing;
extern const struct pool_kind pool_kind_inline;

void pool_init(struct pool *pool, const struct pool_kind *kind);
void pool_done(struct pool *pool);

/* Runs @job on a thread of the pool. Does not come back when the job ends its thread: the kind hears of that through its
 * cleanup handler, and calls pool_job_died(). */
void pool_run(struct pool *pool, struct job job);
void pool_job_died(struct pool *pool);

/* Runs @job on the caller's thread. A job that gives up comes back here; one that calls pthread_exit() ends the caller. */
void pool_run_in_caller(struct pool *pool, struct job job);

#endif
