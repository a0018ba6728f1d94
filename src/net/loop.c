/*
 * loop.c - one thread's event loop, woken by an eventfd.
 *
 * Tasks. Posters push on a stack with compare-and-swap; the loop takes the whole stack and turns it round. Nodes are never
 * popped one by one, so there is no ABA problem.
 *
 * Waking. A poster writes to the eventfd only when the loop may be about to sleep. Loop: sleeping = true; is the stack empty? then wait.
 * Poster: push; is sleeping true? then (exchange it to false and) write. Both sides store first and load second, all four operations are
 * sequentially consistent, so they are in one total order: if the loop saw an empty stack, the push comes after its load, hence
 * after sleeping = true, and the poster sees it. Only the one poster that turned sleeping off makes the system call.
 */
#include "net/loop.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"
#include "base/fail.h"

enum {
    TURN_EVENTS_MAX = 256,
    SCRATCH_BYTES = 4 * LOOP_SCRATCH_BYTES,
    SCRATCH_ROOM_MIN = LOOP_SCRATCH_BYTES / 4,
};

struct loop {
    const struct poller_ops *ops;
    struct poller *poller;
    struct clock *clock;
    uint64_t now_ns;
    struct timer_heap timers;
    bool (*after)(void *ctx);
    void *after_ctx;
    bool more; /* what the after-turn function answered */
    void (*gather)(void *ctx);
    void *gather_ctx;
    char *scratch;
    size_t scratch_held; /* its first bytes, until gather() has run */

    struct poller_event events[TURN_EVENTS_MAX];
    size_t
        event_next; /* while handlers run: the events not yet handled are [event_next, event_count) */
    size_t event_count;

    struct loop_source wake_source;
    _Atomic(struct loop_task *) posted;
    atomic_bool sleeping;
    atomic_bool stopping;

    /* written by the loop alone (wakes: by posters); relaxed: figures, nothing is ordered by them */
    _Atomic uint64_t turns;
    _Atomic uint64_t event_total;
    _Atomic uint64_t task_total;
    _Atomic uint64_t wakes;
};

static void count_own(_Atomic uint64_t *counter, uint64_t more)
{
    /* relaxed, and no read-modify-write: the loop is the only writer */
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more,
                          memory_order_relaxed);
}

static void wake_ready(struct loop_source *source, unsigned events)
{
    (void)events;
    uint64_t count;
    ssize_t got = read(source->fd, &count, sizeof count);
    CHECK(got == (ssize_t)sizeof count || errno == EAGAIN || errno == EINTR);
}

enum kvs_status loop_new(const struct poller_ops *ops, struct clock *clock, struct loop **ret)
{
    struct loop *loop = calloc(1, sizeof *loop);
    if (loop == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "event loop");
    loop->ops = ops != NULL ? ops : &poller_epoll;
    loop->clock = clock != NULL ? clock : clock_system();
    loop->now_ns = clock_monotonic_ns(loop->clock);
    loop->wake_source = (struct loop_source){ .fd = -1, .ready = wake_ready };

    enum kvs_status status = loop->ops->open(&loop->poller);
    if (status != KVS_OK)
        goto undo;
    loop->scratch = malloc(SCRATCH_BYTES);
    if (loop->scratch == NULL) {
        status = fail(KVS_NO_MEMORY, ENOMEM, "event loop");
        goto undo;
    }
    loop->wake_source.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->wake_source.fd < 0) {
        status = fail(KVS_IO, errno, "eventfd");
        goto undo;
    }
    status = loop_add(loop, &loop->wake_source, LOOP_READ);
    if (status != KVS_OK)
        goto undo;
    *ret = loop;
    return KVS_OK;

undo:
    loop_free(loop);
    return status;
}

/* Takes all posted tasks and runs them, oldest first. */
static void run_tasks(struct loop *loop)
{
    /* relaxed: only to skip the exchange; a task missed here keeps the loop from sleeping, or wakes it */
    if (atomic_load_explicit(&loop->posted, memory_order_relaxed) == NULL)
        return;
    /* acquire: what the poster wrote into the task is seen. pairs with: loop_post */
    struct loop_task *stack = atomic_exchange_explicit(&loop->posted, NULL, memory_order_acquire);
    struct loop_task *first = NULL;
    while (stack != NULL) {
        struct loop_task *task = stack;
        stack = task->next;
        task->next = first;
        first = task;
    }
    uint64_t count = 0;
    while (first != NULL) {
        struct loop_task *task = first;
        first = task->next; /* before it runs: running may free or post it again */
        task->run(task);
        count++;
    }
    count_own(&loop->task_total, count);
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    run_tasks(loop);
    if (loop->wake_source.fd >= 0) {
        if (loop->poller != NULL)
            loop_remove(loop, &loop->wake_source);
        (void)close(loop->wake_source.fd);
    }
    loop->ops->close(loop->poller);
    free(loop->scratch);
    free(loop);
}

static int64_t wait_ns(struct loop *loop, bool may_wait)
{
    uint64_t due;
    if (!may_wait || loop->more)
        return 0;
    if (!timer_next_due(&loop->timers, &due))
        return -1;
    uint64_t now = clock_monotonic_ns(loop->clock);
    return due <= now ? 0 : (int64_t)(due - now);
}

static void wait_for_events(struct loop *loop, bool may_wait)
{
    int64_t timeout_ns = wait_ns(loop, may_wait);
    if (timeout_ns != 0) {
        /* seq_cst: this store before the load below, against loop_post's push before its load of sleeping (see top) */
        atomic_store_explicit(&loop->sleeping, true, memory_order_seq_cst);
        if (atomic_load_explicit(&loop->posted, memory_order_seq_cst) != NULL ||
            atomic_load_explicit(&loop->stopping, memory_order_seq_cst))
            timeout_ns = 0;
    }
    loop->event_next = 0;
    loop->event_count = loop->ops->wait(loop->poller, timeout_ns, loop->events, TURN_EVENTS_MAX);
    /* relaxed: a poster that still sees true makes one system call too many, nothing worse */
    atomic_store_explicit(&loop->sleeping, false, memory_order_relaxed);
}

static void gather(struct loop *loop)
{
    if (loop->gather != NULL)
        loop->gather(loop->gather_ctx);
    loop->scratch_held = 0;
}

void loop_turn(struct loop *loop, bool may_wait)
{
    wait_for_events(loop, may_wait);
    loop->now_ns = clock_monotonic_ns(loop->clock);
    count_own(&loop->turns, 1);
    count_own(&loop->event_total, loop->event_count);

    while (loop->event_next < loop->event_count) {
        struct poller_event event = loop->events[loop->event_next++];
        if (event.source != NULL)
            event.source->ready(event.source, event.events);
    }
    gather(loop);
    struct timer *timer;
    while ((timer = timer_take_due(&loop->timers, loop->now_ns)) != NULL)
        timer->fire(timer);
    run_tasks(loop);
    loop->more = loop->after != NULL && loop->after(loop->after_ctx);
}

void loop_run(struct loop *loop)
{
    /* acquire: what was done before loop_stop() is seen after loop_run(). pairs with: loop_stop */
    while (!atomic_load_explicit(&loop->stopping, memory_order_acquire))
        loop_turn(loop, true);
    atomic_store_explicit(&loop->stopping, false,
                          memory_order_relaxed); /* relaxed: it may be run again by this thread */
}

static void wake(struct loop *loop)
{
    /* seq_cst: see top; exchange, so that one of many posters makes the system call */
    if (!atomic_load_explicit(&loop->sleeping, memory_order_seq_cst) ||
        !atomic_exchange_explicit(&loop->sleeping, false, memory_order_seq_cst))
        return;
    atomic_fetch_add_explicit(&loop->wakes, 1, memory_order_relaxed); /* relaxed: a figure */
    uint64_t one = 1;
    ssize_t put;
    do
        put = write(loop->wake_source.fd, &one, sizeof one);
    while (put < 0 && errno == EINTR);
    CHECK(put == (ssize_t)sizeof one ||
          errno == EAGAIN); /* EAGAIN: the counter is full, so the loop wakes anyway */
}

void loop_stop(struct loop *loop)
{
    /* seq_cst, a store before the load in wake(), as for a task. pairs with: wait_for_events, loop_run */
    atomic_store_explicit(&loop->stopping, true, memory_order_seq_cst);
    wake(loop);
}

void loop_post(struct loop *loop, struct loop_task *task)
{
    /* relaxed: only a first guess for the exchange below */
    struct loop_task *head = atomic_load_explicit(&loop->posted, memory_order_relaxed);
    do
        task->next = head;
    while (!atomic_compare_exchange_weak_explicit(
        &loop->posted, &head, task, memory_order_seq_cst,
        memory_order_relaxed)); /* pairs with: run_tasks, wait_for_events */
    wake(loop);
}

void loop_set_after(struct loop *loop, bool (*after)(void *ctx), void *ctx)
{
    loop->after = after;
    loop->after_ctx = ctx;
}

enum kvs_status loop_add(struct loop *loop, struct loop_source *source, unsigned interest)
{
    ASSERT(source->ready != NULL);
    enum kvs_status status = loop->ops->add(loop->poller, source->fd, source, interest);
    if (status == KVS_OK)
        source->interest = interest;
    return status;
}

enum kvs_status loop_change(struct loop *loop, struct loop_source *source, unsigned interest)
{
    if (source->interest == interest)
        return KVS_OK;
    enum kvs_status status = loop->ops->change(loop->poller, source->fd, source, interest);
    if (status == KVS_OK)
        source->interest = interest;
    return status;
}

void loop_remove(struct loop *loop, struct loop_source *source)
{
    loop->ops->remove(loop->poller, source->fd);
    for (size_t i = loop->event_next; i < loop->event_count; i++) {
        if (loop->events[i].source == source)
            loop->events[i].source = NULL;
    }
}

void loop_timer_set(struct loop *loop, struct timer *timer, uint64_t after_ns)
{
    timer_set(&loop->timers, timer, loop->now_ns + after_ns);
}

void loop_timer_cancel(struct loop *loop, struct timer *timer)
{
    timer_cancel(&loop->timers, timer);
}

uint64_t loop_now_ns(const struct loop *loop)
{
    return loop->now_ns;
}

uint64_t loop_clock_ns(struct loop *loop)
{
    return clock_monotonic_ns(loop->clock);
}

struct loop_scratch loop_scratch(struct loop *loop)
{
    if (SCRATCH_BYTES - loop->scratch_held < SCRATCH_ROOM_MIN)
        gather(loop);
    size_t room = SCRATCH_BYTES - loop->scratch_held;
    return (struct loop_scratch){ loop->scratch + loop->scratch_held,
                                  room < LOOP_SCRATCH_BYTES ? room : LOOP_SCRATCH_BYTES };
}

void loop_scratch_hold(struct loop *loop, size_t len)
{
    CHECK(len <= SCRATCH_BYTES - loop->scratch_held);
    loop->scratch_held += len;
}

void loop_set_gather(struct loop *loop, void (*gather_fn)(void *ctx), void *ctx)
{
    loop->gather = gather_fn;
    loop->gather_ctx = ctx;
}

void loop_stats(const struct loop *loop, struct loop_stats *ret)
{
    /* relaxed: independent figures */
    ret->turns = atomic_load_explicit(&loop->turns, memory_order_relaxed);
    ret->events = atomic_load_explicit(&loop->event_total, memory_order_relaxed);
    ret->tasks = atomic_load_explicit(&loop->task_total, memory_order_relaxed);
    ret->wakes = atomic_load_explicit(&loop->wakes, memory_order_relaxed);
}
