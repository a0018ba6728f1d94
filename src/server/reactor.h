/*
 * reactor.h - one thread with its loop and the sessions on it; what they share: memory for replies, counters, and the
 * watch on the store's durable position.
 *
 * Thread: its own, except what says any.
 */
#ifndef SERVER_REACTOR_H
#define SERVER_REACTOR_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <kvs/kvs.h>

#include "command/command.h"
#include "net/loop.h"
#include "server/ahead.h"
#include "server/list.h"
#include "server/mailbox.h"
#include "server/session.h"
#include "server/stats.h"

struct job;
struct server;

struct reactor {
    struct server *server;
    struct loop *loop;
    unsigned index;
    pthread_t thread;
    bool running;

    struct list_node sessions;
    struct list_node parked;
    struct list_node ready;
    struct list_node fresh;
    struct list_node dead;
    size_t session_count;
    bool stopping;
    struct loop_task stop_task;
    struct timer deadline;

    struct buf out; /* see outbox_begin() */
    struct ahead ahead; /* requests of several sessions, … */
    struct ahead more;  /* … and further ones of the session that runs */
    struct reply reply;
    struct command_env env;
    const struct command *commands; /* the table */
    uint64_t command_ns;            /* when the command before ended */
    size_t soft_bytes;              /* of client-output-buffer-limit, as of this turn */
    struct job *free_jobs;

    struct kvs_marks marks; /* as last read */
    uint64_t wanted;        /* highest position that something is parked on … */
    uint64_t sync_asked;    /* … that the store was asked to sync, … */
    uint64_t write_asked;   /* … and to hand to the system */
    bool newly_parked;
    atomic_uint wants_progress; /* something is parked: see reactor_on_progress() */
    atomic_bool progress_posted;
    struct loop_task progress_task;
    atomic_bool sweep_posted;
    struct loop_task sweep_task;

    struct list_node paused; /* sessions that wait for the end of CLIENT PAUSE */
    struct timer resume;
    struct list_node monitors; /* sessions that MONITOR */
    atomic_uint monitor_count;
    uint64_t slow_ns; /* commands that take as long are noted; as of this turn */
    struct mailbox mailbox;
    struct session **targets; /* of one message; broker.c */
    size_t target_capacity;

    struct timer tick;
    struct stats stats;
};

KVS_MUST_CHECK enum kvs_status reactor_init(struct reactor *reactor, struct server *server,
                                            unsigned index);
KVS_MUST_CHECK enum kvs_status reactor_start(struct reactor *reactor);

/* Finishes its sessions, the remaining ones by force after the time-out, and ends the thread. Thread: any; then join. */
void reactor_stop(struct reactor *reactor);
void reactor_join(struct reactor *reactor);

/* Frees what is left. Nothing of it runs any more: neither thread nor jobs. */
void reactor_done(struct reactor *reactor);

/* Takes a session in, on its own thread. */
void reactor_add(struct reactor *reactor, struct session *session);

/* Reads the marks anew. */
void reactor_refresh_marks(struct reactor *reactor);

/* The mark that replies wait for under the durability in force. */
static inline bool reactor_waits_durable(const struct reactor *reactor)
{
    return reactor->env.durability == KVS_DURABILITY_ALWAYS;
}

static inline uint64_t reactor_mark(const struct reactor *reactor)
{
    return reactor_waits_durable(reactor) ? reactor->marks.durable : reactor->marks.written;
}

/* @session has output that waits for a position. */
void reactor_park(struct reactor *reactor, struct session *session);

/* The store has moved on, or failed. Thread: any. */
void reactor_on_progress(struct reactor *reactor);

/* Mail was lost: closes the sessions that may have missed something. */
void reactor_close_listeners(struct reactor *reactor);

/* A session waits for the end of CLIENT PAUSE. */
void reactor_await_resume(struct reactor *reactor);

/* Closes the sessions whose killed flag is set, and lets those go on that were paused and are no longer. Thread: any. */
void reactor_sweep(struct reactor *reactor);

#endif
