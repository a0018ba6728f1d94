/*
 * reactor.c - one loop thread, and the watch on the store's progress.
 *
 * Parked output. A session whose replies wait for a position is in the parked list. At the end of the turn the reactor asks the
 * store once for the highest position, announces that it wants to hear of progress, and only then reads the marks. The store's callback
 * moves the marks first and looks at the announcement second. Both touch wants_progress with a read-modify-write, so one of the two
 * comes first in its order: if it is the announcement, the callback sees it and posts; if it is the callback, the announcement
 * acquires what the callback released, and the marks read after it are the new ones. Either way nothing stays parked unnoticed.
 */
#include "server/reactor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/fail.h"
#include "server/dispatch.h"
#include "server/state.h"

#define SECOND_NS UINT64_C(1000000000)

/* ---- Parked output ---- */

void reactor_refresh_marks(struct reactor *reactor)
{
    kvs_marks(reactor->server->spaces[0], &reactor->marks);
}

void reactor_park(struct reactor *reactor, struct session *session)
{
    if (list_empty(&session->parked))
        list_append(&reactor->parked, &session->parked);
    uint64_t position = outbox_waits_for(&session->outbox);
    if (position > reactor->wanted)
        reactor->wanted = position;
    reactor->newly_parked = true;
}

/* A failed sync is final: the positions after it will never be durable. A full disk is not: room may come back. */
static bool store_has_failed(struct reactor *reactor)
{
    enum kvs_status health = kvs_health(reactor->server->spaces[0]);
    return health == KVS_READ_ONLY || health == KVS_IO || health == KVS_CORRUPT ||
           health == KVS_CLOSED;
}

/* Lets go what the marks have passed. */
static void release_parked(struct reactor *reactor)
{
    struct list_node waiting;
    list_init(&waiting);
    list_move_all(&reactor->parked, &waiting);
    bool failed = !list_empty(&waiting) && store_has_failed(reactor);
    if (failed)
        reactor_refresh_marks(reactor); /* they moved before it failed */
    while (!list_empty(&waiting)) {
        struct session *session = list_member(waiting.next, struct session, parked);
        list_remove(&session->parked);
        session_release(session);
        if (session->state == SESSION_CLOSED || !outbox_fenced(&session->outbox))
            continue;
        if (failed)
            session_give_up_parked(session);
        else if (list_empty(&session->parked))
            list_append(&reactor->parked, &session->parked);
    }
}

static void progress(struct loop_task *task)
{
    struct reactor *reactor = task->ctx;
    /* seq_cst and before the marks are read: progress made later posts anew. pairs with: reactor_on_progress */
    atomic_store_explicit(&reactor->progress_posted, false, memory_order_seq_cst);
    reactor_refresh_marks(reactor);
    release_parked(reactor);
}

void reactor_on_progress(struct reactor *reactor)
{
    /* acq_rel, a read-modify-write that changes nothing: see top. pairs with: watch_progress */
    if (atomic_fetch_or_explicit(&reactor->wants_progress, 0, memory_order_acq_rel) == 0)
        return;
    /* seq_cst: the marks moved before; a task that is posted already clears this before it reads them. pairs with: progress */
    if (!atomic_exchange_explicit(&reactor->progress_posted, true, memory_order_seq_cst))
        loop_post(reactor->loop, &reactor->progress_task);
}

/* At the end of a turn in which something was parked. */
static void watch_progress(struct reactor *reactor)
{
    struct kvs *db = reactor->server->spaces[0];
    reactor->newly_parked = false;
    uint64_t *asked = reactor_waits_durable(reactor) ? &reactor->sync_asked : &reactor->write_asked;
    if (reactor->wanted > *asked) {
        *asked = reactor->wanted;
        if (asked == &reactor->sync_asked)
            kvs_request_sync(db, reactor->wanted);
        else
            kvs_request_write(db, reactor->wanted);
    }
    /* acq_rel: see top. pairs with: reactor_on_progress */
    (void)atomic_exchange_explicit(&reactor->wants_progress, 1, memory_order_acq_rel);
    struct kvs_marks before = reactor->marks;
    reactor_refresh_marks(reactor);
    if (before.durable != reactor->marks.durable || before.written != reactor->marks.written ||
        store_has_failed(reactor))
        release_parked(reactor);
}

/* ---- The turn ---- */

static void free_dead(struct reactor *reactor)
{
    while (!list_empty(&reactor->dead)) {
        struct session *session = list_member(reactor->dead.next, struct session, member);
        list_remove(&session->member);
        session_free(session);
    }
}

static void gather(void *ctx)
{
    session_run_fresh(ctx);
}

static void run_ready(struct reactor *reactor)
{
    struct list_node now;
    list_init(&now);
    list_move_all(&reactor->ready, &now);
    while (!list_empty(&now))
        session_run(list_member(now.next, struct session, ready)); /* takes itself out */
}

/* What may change while it runs, read once per turn. */
static void read_settings(struct reactor *reactor)
{
    reactor->env.durability = server_durability(reactor->server);
    /* relaxed: a setting */
    reactor->slow_ns = atomic_load_explicit(&reactor->server->slow_ns, memory_order_relaxed);
    reactor->soft_bytes =
        (size_t)config_output_limits(reactor->server->config, OUTPUT_NORMAL).soft_bytes;
}

static bool after_turn(void *ctx)
{
    struct reactor *reactor = ctx;
    run_ready(reactor);
    while (reactor->newly_parked)
        watch_progress(reactor);
    if (list_empty(&reactor->parked))
        /* relaxed: a callback that still sees 1 posts a task for nothing */
        atomic_store_explicit(&reactor->wants_progress, 0, memory_order_relaxed);
    free_dead(reactor);
    if (reactor->session_count == 0 && snapshots_count(reactor->server->snapshots) == 0)
        loop_timer_cancel(reactor->loop, &reactor->tick);
    if (reactor->stopping && reactor->session_count == 0)
        loop_stop(reactor->loop);
    read_settings(reactor);
    return !list_empty(&reactor->ready);
}

static void tick(struct timer *timer)
{
    struct reactor *reactor = timer->ctx;
    uint64_t now_ns = loop_now_ns(reactor->loop);
    for (struct list_node *node = reactor->sessions.next; node != &reactor->sessions;) {
        struct session *session = list_member(node, struct session, member);
        node = node->next; /* it may be closed */
        session_tick(session, now_ns);
    }

    enum {
        KEEP_BYTES = 256 * 1024
    };

    if (reactor->out.capacity > KEEP_BYTES)
        buf_done(&reactor->out);
    unsigned snapshots = snapshots_expire(reactor->server->snapshots, reactor->server->spaces[0]);
    if (reactor->session_count != 0 || snapshots != 0)
        loop_timer_set(reactor->loop, timer, SECOND_NS);
}

void reactor_add(struct reactor *reactor, struct session *session)
{
    list_append(&reactor->sessions, &session->member);
    reactor->session_count++;
    if (!reactor->tick.is_set)
        loop_timer_set(reactor->loop, &reactor->tick, SECOND_NS);
}

/* ---- Pausing ---- */

static void resume_sessions(struct reactor *reactor)
{
    struct list_node now;
    list_init(&now);
    list_move_all(&reactor->paused, &now);
    while (!list_empty(&now))
        session_resume(list_member(now.next, struct session, paused)); /* takes itself out */
}

/* Those that still have to wait put themselves back. */
static void resume(struct timer *timer)
{
    resume_sessions(timer->ctx);
}

void reactor_await_resume(struct reactor *reactor)
{
    uint64_t left_ns = server_pause_left_ns(reactor->server);
    if (!reactor->resume.is_set)
        loop_timer_set(reactor->loop, &reactor->resume, left_ns != 0 ? left_ns : 1);
}

/* ---- Killing and stopping ---- */

static void sweep(struct loop_task *task)
{
    struct reactor *reactor = task->ctx;
    /* seq_cst and before the flags are read: one set later posts anew. pairs with: reactor_sweep */
    atomic_store_explicit(&reactor->sweep_posted, false, memory_order_seq_cst);
    for (struct list_node *node = reactor->sessions.next; node != &reactor->sessions;) {
        struct session *session = list_member(node, struct session, member);
        node = node->next;
        /* relaxed: ordered by sweep_posted. A busy one closes when its job is done, an ending one ends. */
        if (session->state == SESSION_OPEN && !session->busy &&
            atomic_load_explicit(&session->killed, memory_order_relaxed)) {
            counter_add(&reactor->stats.evicted_clients, 1);
            session_close(session);
        }
    }
    if (!list_empty(&reactor->paused))
        resume_sessions(reactor);
}

void reactor_sweep(struct reactor *reactor)
{
    /* seq_cst: pairs with: sweep */
    if (!atomic_exchange_explicit(&reactor->sweep_posted, true, memory_order_seq_cst))
        loop_post(reactor->loop, &reactor->sweep_task);
}

void reactor_close_listeners(struct reactor *reactor)
{
    for (struct list_node *node = reactor->sessions.next; node != &reactor->sessions;) {
        struct session *session = list_member(node, struct session, member);
        node = node->next;
        /* relaxed: a client that has just begun to listen missed nothing, and one that stopped does not care */
        if ((atomic_load_explicit(&session->client.special, memory_order_relaxed) &
             CLIENT_LISTENS) == 0)
            continue;
        counter_add(&reactor->stats.output_limit, 1);
        trace_line(&reactor->server->trace, TRACE_WARN,
                   "client %llu %s: closed: messages for it came faster than they could be "
                   "delivered, and were lost",
                   (unsigned long long)session->client.id, session->peer);
        /* relaxed: this is its loop; it ends when its spell begins or its job is done */
        atomic_store_explicit(&session->killed, true, memory_order_relaxed);
        session_yield(session);
    }
}

static void close_all(struct timer *timer)
{
    struct reactor *reactor = timer->ctx;
    trace_line(&reactor->server->trace, TRACE_WARN,
               "closing %zu connections that did not finish in time", reactor->session_count);
    while (!list_empty(&reactor->sessions))
        session_close(list_member(reactor->sessions.next, struct session, member));
}

static void stop(struct loop_task *task)
{
    struct reactor *reactor = task->ctx;
    reactor->stopping = true;
    for (struct list_node *node = reactor->sessions.next; node != &reactor->sessions;) {
        struct session *session = list_member(node, struct session, member);
        node = node->next;
        session_finish(session);
    }
    uint64_t seconds = (uint64_t)config_number(reactor->server->config, SETTING_SHUTDOWN_TIMEOUT);
    loop_timer_set(reactor->loop, &reactor->deadline, seconds * SECOND_NS);
}

void reactor_stop(struct reactor *reactor)
{
    if (reactor->running)
        loop_post(reactor->loop, &reactor->stop_task);
}

/* ---- Life ---- */

static void close_reader(void *ctx, struct kvs_reader *reader)
{
    kvs_reader_close(ctx, reader);
}

enum kvs_status reactor_init(struct reactor *reactor, struct server *server, unsigned index)
{
    size_t count;
    *reactor = (struct reactor){ .server = server, .index = index };
    list_init(&reactor->sessions);
    list_init(&reactor->parked);
    list_init(&reactor->ready);
    list_init(&reactor->fresh);
    list_init(&reactor->dead);
    list_init(&reactor->paused);
    list_init(&reactor->monitors);
    reactor->resume = (struct timer){ .fire = resume, .ctx = reactor };
    buf_init(&reactor->out, SIZE_MAX / 2);
    reactor->commands = command_table(&count);
    reactor->env = (struct command_env){ .host = &server->host, .spaces = server->spaces };
    reactor->reply.reader_close = close_reader;
    reactor->reply.reader_ctx = server->spaces[0];
    reactor->progress_task = (struct loop_task){ .run = progress, .ctx = reactor };
    reactor->sweep_task = (struct loop_task){ .run = sweep, .ctx = reactor };
    reactor->stop_task = (struct loop_task){ .run = stop, .ctx = reactor };
    mailbox_init(&reactor->mailbox, reactor);
    reactor->tick = (struct timer){ .fire = tick, .ctx = reactor };
    reactor->deadline = (struct timer){ .fire = close_all, .ctx = reactor };
    enum kvs_status status = stats_init(&reactor->stats);
    if (status == KVS_OK)
        status = loop_new(NULL, server->clock, &reactor->loop);
    if (status != KVS_OK)
        return status;
    read_settings(reactor);
    loop_set_gather(reactor->loop, gather, reactor);
    loop_set_after(reactor->loop, after_turn, reactor);
    return KVS_OK;
}

static void *run(void *arg)
{
    struct reactor *reactor = arg;
    char name[16];
    (void)snprintf(name, sizeof name, "kvs-loop-%u", reactor->index);
    (void)pthread_setname_np(pthread_self(), name); /* a help for people */
    loop_run(reactor->loop);
    return NULL;
}

enum kvs_status reactor_start(struct reactor *reactor)
{
    int errnum = pthread_create(&reactor->thread, NULL, run, reactor);
    if (errnum != 0)
        return fail(KVS_NO_MEMORY, errnum, "thread of event loop %u", reactor->index);
    reactor->running = true;
    return KVS_OK;
}

void reactor_join(struct reactor *reactor)
{
    if (!reactor->running)
        return;
    int errnum = pthread_join(reactor->thread, NULL);
    CHECK(errnum == 0);
    reactor->running = false;
}

void reactor_done(struct reactor *reactor)
{
    if (reactor->loop != NULL) {
        /* what jobs and other threads posted last; sessions that were busy are freed by it */
        reactor->stopping = true;
        loop_turn(reactor->loop, false);
        while (!list_empty(&reactor->sessions))
            session_close(list_member(reactor->sessions.next, struct session, member));
        free_dead(reactor);
        loop_free(reactor->loop);
        reactor->loop = NULL;
    }
    mailbox_done(&reactor->mailbox);
    free(reactor->targets);
    dispatch_done(reactor);
    free(reactor->reply.streams);
    reactor->reply.streams = NULL;
    buf_done(&reactor->out);
    stats_done(&reactor->stats);
}
