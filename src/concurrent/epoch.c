/*
 * epoch.c - epochs over liburcu's "bulletproof" flavour (urcu-bp).
 *
 * Why a retired node cannot be read. A writer unlinks the node, then retires it. The library's worker waits for a grace
 * period, that is until every thread that was inside a section when the wait began has been outside once, and only then
 * runs the callback. A section that began before the unlinking is among those waited for; one that began after the
 * retiring cannot find the node, because the worker's membarrier(2) (a full fence on every running thread of the process;
 * plain fences where the kernel has none) orders the unlinking before all that the section reads. The library's own
 * argument, two phases of the counter included, is in "User-Level Implementations of Read-Copy Update" (Desnoyers et al.,
 * IEEE TPDS 2012).
 *
 * Readers.   A section costs a store to the thread's own cache line on entering and one on leaving, and reads one shared
 *            line that only grace periods write.
 * Threads.   A thread registers in its first section and is taken out when it ends, through the library's pthread key, also
 *            when it dies inside a section. Callbacks run on the library's one worker thread, started by the first retire.
 * Forking.   Not inside a section. The child keeps the forking thread only: the library drops the others' registrations,
 *            and the worker is started again by the child's first epoch_prepare() or retire, not in the fork handler, so that
 *            a child which is about to exec starts nothing.
 *
 * ThreadSanitizer does not see inside the library, so the three edges the library guarantees are stated to it here:
 *   retire -> callback          what the retiring thread did is before the callback (the queue publishes the node);
 *   leave  -> callback          what sections did is before the callbacks that run after they were left (grace period);
 *   callback -> barrier's end   what callbacks did is before the return of the barrier that waited for them.
 * The second is stated for all sections left so far, one variable for all nodes, which is more than the grace period of one
 * node but still true in time: the callback runs after those stores. A reader that uses a node after its callback has run
 * has no edge to it, and is reported.
 */
#include "concurrent/epoch.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
/* The static header lends the bodies of entering and leaving, which its licence allows to any code: they are short. Called
 * in the shared object instead, a section takes five times as long. Builds with sanitizers call it all the same: liburcu 0.13
 * aligns its readers' records less than it declares (harmless, as each still has its cache line), which shows only
 * in code inlined here. */
#include <urcu-bp.h>
#ifdef KVS_SANITIZED
#define section_enter   urcu_bp_read_lock
#define section_leave   urcu_bp_read_unlock
#define section_ongoing urcu_bp_read_ongoing
#else
#include <urcu/static/urcu-bp.h>
#define section_enter   _urcu_bp_read_lock
#define section_leave   _urcu_bp_read_unlock
#define section_ongoing _urcu_bp_read_ongoing
#endif

#include "base/check.h"
#include "concurrent/mutex.h"

#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#endif

#ifdef UNDER_TSAN
#include <sanitizer/tsan_interface.h>
#define EDGE_RELEASE(address) __tsan_release(address)
#define EDGE_ACQUIRE(address) __tsan_acquire(address)
static char left_edge;  /* leave -> callback */
static char freed_edge; /* callback -> barrier's end */
#else
#define EDGE_RELEASE(address) ((void)0)
#define EDGE_ACQUIRE(address) ((void)0)
#endif

/* What lies in the opaque words of a retired node. */
struct retired {
    struct rcu_head head;
    epoch_free_fn *free_fn;
};

static_assert(sizeof(struct retired) <= sizeof(struct epoch_node),
              "a node has room for the library's link");
static_assert(_Alignof(struct retired) <= _Alignof(struct epoch_node), "and is aligned for it");

/* Set in a forked child until its worker thread has been made. */
static atomic_bool worker_lost;
static pthread_mutex_t worker_lock = PTHREAD_MUTEX_INITIALIZER;

static void bring_worker_back(void)
{
    CHECK(pthread_mutex_lock(&worker_lock) == 0);
    /* relaxed: under the lock, which orders it with the store below on other threads */
    if (atomic_load_explicit(&worker_lost, memory_order_relaxed)) {
        urcu_bp_call_rcu_after_fork_child();
        /* release: who sees false sees the library usable again. pairs with: need_worker */
        atomic_store_explicit(&worker_lost, false, memory_order_release);
    }
    CHECK(pthread_mutex_unlock(&worker_lock) == 0);
}

static inline void need_worker(void)
{
    /* acquire: pairs with: bring_worker_back */
    if (unlikely(atomic_load_explicit(&worker_lost, memory_order_acquire)))
        bring_worker_back();
}

static void before_fork(void)
{
    /* A child that has retired nothing yet still holds the library's lock from its own fork. */
    need_worker();
    urcu_bp_call_rcu_before_fork();
    urcu_bp_before_fork();
}

static void after_fork_parent(void)
{
    urcu_bp_after_fork_parent();
    urcu_bp_call_rcu_after_fork_parent();
}

static void after_fork_child(void)
{
    urcu_bp_after_fork_child();
    /* relaxed: the child has one thread, and starting others orders them after this */
    atomic_store_explicit(&worker_lost, true, memory_order_relaxed);
}

/* A constructor rather than the first retire: readers alone need the handlers too. Fails only without memory at program
 * start; then forked children have no worker, and nothing else is lost. */
__attribute__((constructor)) static void watch_forks(void)
{
    (void)pthread_atfork(before_fork, after_fork_parent, after_fork_child);
}

void epoch_prepare(void)
{
    need_worker();
}

void epoch_enter(void)
{
    section_enter();
}

void epoch_leave(void)
{
    EDGE_RELEASE(&left_edge);
    section_leave();
}

static void run_callback(struct rcu_head *head)
{
    struct retired *retired = (struct retired *)head; /* its first member */
    EDGE_ACQUIRE(retired);
    EDGE_ACQUIRE(&left_edge);
    retired->free_fn((struct epoch_node *)retired);
    EDGE_RELEASE(&freed_edge);
}

void epoch_retire(struct epoch_node *node, epoch_free_fn *free_fn)
{
    struct retired *retired = (struct retired *)node;
    need_worker();
    retired->free_fn = free_fn;
    EDGE_RELEASE(retired);
    urcu_bp_call_rcu(&retired->head, run_callback);
}

void epoch_wait(void)
{
    CHECK(!section_ongoing()); /* it would wait for itself */
    urcu_bp_synchronize_rcu();
    EDGE_ACQUIRE(&left_edge);
}

/* Retired last, so called last. */
struct last_node {
    struct epoch_node node;
    struct mutex mu;
    struct cond called;
    bool is_called GUARDED_BY(mu);
};

static void last_node_called(struct epoch_node *node)
{
    struct last_node *last = (struct last_node *)node; /* its first member */
    mutex_lock(&last->mu);
    last->is_called = true;
    cond_signal(&last->called);
    mutex_unlock(&last->mu); /* from here on it may be gone */
}

/* The library has a barrier of its own, for any number of workers; with the one worker we have, whose queue is first in,
 * first out, a node behind all others is enough, and every step of it is one ThreadSanitizer sees. */
void epoch_barrier(void)
{
    CHECK(!section_ongoing()); /* it would wait for itself */
    struct last_node last = { .is_called = false };
    mutex_init(&last.mu);
    cond_init(&last.called);
    epoch_retire(&last.node, last_node_called);
    mutex_lock(&last.mu);
    while (!last.is_called)
        cond_wait(&last.called, &last.mu);
    mutex_unlock(&last.mu);
    cond_done(&last.called);
    mutex_done(&last.mu);
    EDGE_ACQUIRE(&freed_edge);
}
