/*
 * crew.h - a fixed number of worker threads, each in its slot; a thread that a job ended is replaced. Private to the room.
 */
#ifndef POOL_CREW_H
#define POOL_CREW_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include <kvs/status.h>

#include "concurrent/mutex.h"

/* Takes jobs and runs them until the owner wants it to stop; then returns. Runs jobs with no lock held. */
typedef void crew_work_fn(void *owner, unsigned index);
/* A job of slot @index ended its thread. Called on that thread, before its replacement starts. */
typedef void crew_died_fn(void *owner, unsigned index);

struct crew_slot {
    struct crew *crew;
    unsigned index;
    pthread_t thread;      /* the latest in this slot, not joined yet */
    pthread_t predecessor; /* which `thread` joins first */
    bool has_predecessor;
    bool is_missing; /* its thread has ended and no other could be started so far */
};

struct crew {
    crew_work_fn *work;
    crew_died_fn *died;
    void *owner;
    unsigned slot_count;
    struct mutex mu;
    struct cond left;
    struct crew_slot *slots GUARDED_BY(mu);
    unsigned live GUARDED_BY(mu); /* threads that will call work() (again) or are in it */
    bool is_stopping GUARDED_BY(mu);
    atomic_uint missing; /* slots without a thread; written under mu */
};

/* Starts @slot_count threads; work() may begin before this returns. KVS_NO_MEMORY: some may have been started; the owner tells
 * them to stop and calls crew_join(), as always. */
KVS_MUST_CHECK enum kvs_status crew_start(struct crew *crew, unsigned slot_count,
                                          crew_work_fn *work, crew_died_fn *died, void *owner);

/* Tries to fill slots that have no thread. Cheap when there are none. Thread: any. */
void crew_repair(struct crew *crew);

unsigned crew_live(struct crew *crew);

/* The owner has told its workers to stop: no thread is worth waiting for any more when one cannot be started. */
void crew_stopping(struct crew *crew);

/* Waits until every worker has returned, joins all threads and frees. */
void crew_join(struct crew *crew);

#endif
