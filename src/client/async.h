/*
 * async.h - the inside of struct kvs_async: futures, the connections they travel on, and the time limits of both. Private to client/.
 *
 * A future is referenced by its connection while it is queued or its answer is outstanding, and by the caller who keeps it. When
 * it completes before its answer is there (cancelled, timed out), it stays behind as a placeholder, because answers come in the order of
 * the requests.
 *
 * Invariants. A future is in one list of one connection (waiting or flying) until it is answered or given up. It is in the heap of
 * deadlines exactly while it has one and is not done. `turning` is true while callbacks can run.
 */
#ifndef CLIENT_ASYNC_H
#define CLIENT_ASYNC_H

#include <kvs/client.h>

#include "client/connection.h"

struct async_conn;

struct kvs_future {
    struct kvs_async *async; /* not looked at once done: the pool may be closed */
    struct kvs_future *next; /* in a list of its connection */
    unsigned refs;
    bool kept; /* the caller has a reference, so the reply is copied */
    bool done;
    bool idempotent;
    bool no_reply;
    unsigned tries;
    int64_t deadline_ms; /* 0: none */
    size_t heap_at;      /* place in the heap + 1; 0: not there */
    kvs_future_fn *fn;
    void *ctx;

    enum kvs_status status;
    const struct kvs_reply *reply; /* lent during the callback, or the copy */
    void *copy;
    char *error; /* what kvs_error() said */

    uint64_t start_at; /* where its bytes begin in what the connection sends */
    size_t len;
    char bytes[]; /* the request as sent */
};

struct future_list {
    struct kvs_future *head;
    struct kvs_future *tail;
};

enum conn_state {
    CONN_IDLE,       /* no socket; connects when there is something to send, not before due_ms */
    CONN_CONNECTING, /* until due_ms */
    CONN_GREETING,   /* until due_ms */
    CONN_READY,
};

struct async_conn {
    struct kvs_async *async;
    struct kvs_client *client; /* NULL: no socket */
    enum conn_state state;
    int64_t due_ms;    /* 0: none */
    unsigned failures; /* in a row, since the last answer */
    uint32_t events;   /* that epoll watches */
    uint64_t queued;   /* bytes ever put into the client's buffer */
    uint64_t load;     /* futures in both lists */
    struct future_list waiting;
    struct future_list flying; /* in the client's buffer, or sent */
};

struct kvs_async {
    struct kvs_async_options options;
    char *addr;
    char *user;
    char *password;
    char *name;
    struct endpoint endpoint;
    int epoll;
    int timer;
    int64_t timer_ms; /* when it rings; 0: it does not */
    bool turning;
    bool closing;
    uint64_t pending;
    uint64_t queue_bytes;
    struct kvs_future **heap;
    size_t heap_count;
    size_t heap_capacity;
    struct async_conn conns[]; /* options.connections of them */
};

/* Milliseconds on the monotonic clock, never 0. */
int64_t async_now_ms(void);

/* ---- future.c ---- */

void future_list_push(struct future_list *list, struct kvs_future *future);
struct kvs_future *future_list_pop(struct future_list *list);

KVS_MUST_CHECK enum kvs_status future_new(struct kvs_async *async, const struct kvs_bytes *args,
                                          size_t count, const struct kvs_call *call,
                                          struct kvs_future **ret);
void future_unref(struct kvs_future *future);

/* Completes @future, if it has not: notes status, error text and reply, and calls its callback when @call. @reply is lent, may be NULL. */
void future_complete(struct kvs_future *future, enum kvs_status status,
                     const struct kvs_reply *reply, bool call);

/* The heap of deadlines. */
KVS_MUST_CHECK enum kvs_status deadlines_reserve(struct kvs_async *async);
void deadlines_add(struct kvs_async *async, struct kvs_future *future);
void deadlines_remove(struct kvs_async *async, struct kvs_future *future);

/* ---- async_conn.c ---- */

/* Does what can be done now: connects, fills, sends, watches for what is left. */
void conn_advance(struct async_conn *conn);

/* Something happened on the socket. */
void conn_event(struct async_conn *conn, uint32_t events);

/* The moment due_ms has come. */
void conn_due(struct async_conn *conn);

/* Drops the socket and completes everything with @status. */
void conn_abandon(struct async_conn *conn, enum kvs_status status);

/* The future's answer came or will never be waited for again: out of the pool's books. */
void conn_release(struct async_conn *conn, struct kvs_future *future);

#endif
