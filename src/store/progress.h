/*
 * progress.h - the engine's one progress callback, shared between the store's own waits and its user. Thread: any.
 */
#ifndef STORE_PROGRESS_H
#define STORE_PROGRESS_H

#include <kvs/engine.h>

#include "concurrent/mutex.h"

struct progress {
    struct mutex mu;
    struct cond moved;                  /* something grew, or a call of fn ended */
    kvs_progress_fn *fn GUARDED_BY(mu); /* the user's */
    void *ctx GUARDED_BY(mu);
    unsigned calls GUARDED_BY(mu); /* of fn under way */
    unsigned waiters GUARDED_BY(mu);
};

void progress_init(struct progress *progress);
void progress_done(struct progress *progress);

/* The kvs_progress_fn to give to the engine; @ctx is the struct progress. */
void progress_moved(void *ctx);

/* Sets the user's callback; returns when no call of the one before is under way. */
void progress_set(struct progress *progress, kvs_progress_fn *fn, void *ctx);

/*
 * Waits until @position was handed to the system. Fails with the engine's health when that gets in the way.
 */
KVS_MUST_CHECK enum kvs_status progress_wait_written(struct progress *progress,
                                                     struct kvs_engine *engine, uint64_t position);

#endif
