/*
 * loop.h - an event loop: descriptors, timers, and tasks from other threads. Knows no protocol.
 *
 * One turn of the loop: wait; run the handlers of ready sources, then the gather function; fire due timers; run the tasks that were posted; call the
 * after-turn function once. What has to be done once per wake-up and not per event (asking for a sync, say) goes there.
 *
 * Threads: everything runs on the thread in loop_run(), which is meant by "loop" below; loop_post(), loop_wake() and loop_stop()
 * may be called from any thread. Before loop_run() the thread that made the loop counts as the loop.
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include <kvs/status.h>

#include "io/clock.h"
#include "net/poller.h"
#include "net/timer.h"

struct loop;

/* A descriptor and who is told about it. Embedded by its owner, alive until loop_remove(). */
struct loop_source {
    int fd;
    unsigned interest; /* what is watched for now; private to the loop */
    void (*ready)(struct loop_source *source, unsigned events);
    void *ctx;
};

/* Work handed to a loop. Embedded by its owner; may be posted again once it runs. */
struct loop_task {
    struct loop_task *next; /* private */
    void (*run)(struct loop_task *task);
    void *ctx;
};

/* @ops NULL: the system's best. @clock NULL: the real one. Errors: KVS_IO, KVS_NO_MEMORY. */
KVS_MUST_CHECK enum kvs_status loop_new(const struct poller_ops *ops, struct clock *clock,
                                        struct loop **ret);

/* Runs tasks still posted, then frees. Sources must have been removed. NULL is allowed. Not while loop_run() runs. */
void loop_free(struct loop *loop);

/* Runs turns until loop_stop(). */
void loop_run(struct loop *loop);

/* One turn; waits for events only when @may_wait. For tests and for loops driven by somebody else. */
void loop_turn(struct loop *loop, bool may_wait);

/* Makes loop_run() return after the present turn. Thread: any. */
void loop_stop(struct loop *loop);

/* @after is called at the end of every turn; while it answers true the next turn does not wait. */
void loop_set_after(struct loop *loop, bool (*after)(void *ctx), void *ctx);

/* Watches source->fd. Errors: KVS_IO (the system's limit on watched descriptors), KVS_NO_MEMORY. Thread: loop. */
KVS_MUST_CHECK enum kvs_status loop_add(struct loop *loop, struct loop_source *source,
                                        unsigned interest);
KVS_MUST_CHECK enum kvs_status loop_change(struct loop *loop, struct loop_source *source,
                                           unsigned interest);

/* Stops watching; no handler is called for it afterwards, not even for an event of the present turn. The descriptor stays open. */
void loop_remove(struct loop *loop, struct loop_source *source);

void loop_timer_set(struct loop *loop, struct timer *timer, uint64_t after_ns);
void loop_timer_cancel(struct loop *loop, struct timer *timer);

/* Tasks run in the order in which they were posted. A task must not be posted while it is waiting to run. Thread: any. */
void loop_post(struct loop *loop, struct loop_task *task);

/* Monotonic time as of the present wake-up, and read anew. Thread: loop. */
uint64_t loop_now_ns(const struct loop *loop);
uint64_t loop_clock_ns(struct loop *loop);

/*
 * Memory every handler of the loop may use until it returns. A handler may have the first bytes of what it was lent stay as they are
 * with loop_scratch_hold(), until the gather function has run. Thread: loop.
 */
enum {
    LOOP_SCRATCH_BYTES = 64 * 1024 /* lent at most */
};

struct loop_scratch {
    char *data;
    size_t len; /* at least a quarter of LOOP_SCRATCH_BYTES */
};

struct loop_scratch loop_scratch(struct loop *loop);
void loop_scratch_hold(struct loop *loop, size_t len);

/*
 * @gather is called when the handlers of a turn have run, and before the memory that they hold gets short: for work on what several
 * handlers have brought. Afterwards nothing is held any more.
 */
void loop_set_gather(struct loop *loop, void (*gather)(void *ctx), void *ctx);

struct loop_stats {
    uint64_t turns;
    uint64_t events;
    uint64_t tasks;
    uint64_t wakes; /* system calls made by other threads to wake it */
};

/* Thread: any; each figure is exact, they need not belong to one moment. */
void loop_stats(const struct loop *loop, struct loop_stats *ret);

#endif
