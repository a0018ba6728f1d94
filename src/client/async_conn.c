/*
 * async_conn.c - one connection of a pool: connecting, greeting, sending, receiving, losing and making it again.
 *
 * What becomes of requests when the connection is lost: those of which no byte was sent, and those that are idempotent, go back to
 * the front of the queue in their order, unless they have been tried often enough; the others complete with the failure, and nobody
 * knows whether they were carried out. A failed attempt to connect counts as a try of everything that waits.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/check.h"
#include "base/fail.h"
#include "client/async.h"

enum {
    OUT_BYTES = 256 * 1024, /* so much is put into the buffer before some of it is sent */
    PULLS_MAX = 16,         /* receives per turn: the other connections want theirs too */
    BACKOFF_DOUBLINGS = 5,
};

static void watch(struct async_conn *conn, uint32_t events)
{
    if (conn->events == events)
        return;
    struct epoll_event event = { .events = events, .data.ptr = conn };
    int op = conn->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    /* It can fail for want of memory only when adding; the time limits of the requests remain. */
    if (epoll_ctl(conn->async->epoll, op, conn->client->fd, &event) == 0)
        conn->events = events;
}

void conn_release(struct async_conn *conn, struct kvs_future *future)
{
    conn->load--;
    conn->async->queue_bytes -= future->len;
    future_unref(future);
}

/* ---- Losing it ---- */

/* How many bytes of all that was put into the buffer have left it. */
static uint64_t sent_bytes(const struct async_conn *conn)
{
    return conn->queued - (conn->client->out.len - conn->client->out_off);
}

static void give_up(struct async_conn *conn, struct kvs_future *future, enum kvs_status status,
                    const char *error)
{
    future_complete(future, fail_restore(status, error), NULL, true);
    conn_release(conn, future);
}

/* One more try is over: does @future get another? */
static bool try_again(const struct async_conn *conn, struct kvs_future *future)
{
    return !conn->async->closing && !future->done && future->tries++ < conn->async->options.retries;
}

/* Sorts @list into what stays (appended to @stay) and what is given up (to @gone). */
static void sift(struct async_conn *conn, struct future_list *list, bool was_ready, uint64_t sent,
                 struct future_list *stay, struct future_list *gone)
{
    struct kvs_future *future;
    while ((future = future_list_pop(list)) != NULL) {
        bool untouched = !was_ready || future->start_at >= sent;
        bool stays = (untouched || future->idempotent) && try_again(conn, future);
        future_list_push(stays ? stay : gone, future);
    }
}

static void conn_lost(struct async_conn *conn, enum kvs_status status)
{
    struct kvs_async *async = conn->async;
    char error[FAIL_TEXT_BYTES];
    fail_save(error);
    bool was_ready = conn->state == CONN_READY;
    uint64_t sent = was_ready ? sent_bytes(conn) : 0;
    kvs_client_close(conn->client); /* and out of the epoll set */
    conn->client = NULL;
    conn->events = 0;
    conn->state = CONN_IDLE;
    unsigned doublings = conn->failures < BACKOFF_DOUBLINGS ? conn->failures : BACKOFF_DOUBLINGS;
    conn->failures++;
    conn->due_ms = async_now_ms() + ((int64_t)async->options.reconnect_ms << doublings);

    struct future_list stay = { NULL, NULL };
    struct future_list gone = { NULL, NULL };
    sift(conn, &conn->flying, was_ready, sent, &stay, &gone);
    if (!was_ready) /* what waits was waiting for this attempt */
        sift(conn, &conn->waiting, false, 0, &stay, &gone);
    struct kvs_future *future;
    while ((future = future_list_pop(&conn->waiting)) != NULL)
        future_list_push(&stay, future);
    conn->waiting = stay;
    while ((future = future_list_pop(&gone)) !=
           NULL) /* callbacks may queue more: the lists are whole */
        give_up(conn, future, status, error);
}

void conn_abandon(struct async_conn *conn, enum kvs_status status)
{
    char error[FAIL_TEXT_BYTES];
    fail_save(error);
    kvs_client_close(conn->client);
    conn->client = NULL;
    struct kvs_future *future;
    while ((future = future_list_pop(&conn->flying)) != NULL)
        give_up(conn, future, status, error);
    while ((future = future_list_pop(&conn->waiting)) != NULL)
        give_up(conn, future, status, error);
}

/* ---- Making it ---- */

static void greet(struct async_conn *conn)
{
    enum kvs_status status = connection_greet(conn->client, &conn->async->options.client);
    if (status != KVS_OK) {
        conn_lost(conn, status);
        return;
    }
    conn->queued = conn->client->out.len;
    conn->state = conn->client->pending > 0 ? CONN_GREETING : CONN_READY;
    if (conn->state == CONN_READY)
        conn->due_ms = 0;
}

static void connect_begin(struct async_conn *conn)
{
    struct kvs_async *async = conn->async;
    enum kvs_status status = connection_new(&async->options.client, &conn->client);
    if (status == KVS_OK) {
        conn->state = CONN_CONNECTING;
        unsigned timeout_ms = async->options.client.timeout_ms;
        conn->due_ms = timeout_ms != 0 ? async_now_ms() + timeout_ms : 0;
        status = endpoint_begin(&async->endpoint, async->addr, &conn->client->fd);
    }
    if (status == KVS_OK)
        greet(conn);
    else if (status == KVS_WOULD_BLOCK)
        watch(conn, EPOLLOUT);
    else
        conn_lost(conn, status);
}

void conn_due(struct async_conn *conn)
{
    if (conn->state == CONN_CONNECTING || conn->state == CONN_GREETING)
        conn_lost(conn, fail(KVS_TIMEOUT, 0, "connecting to %s took longer than %u ms",
                             conn->async->addr, conn->async->options.client.timeout_ms));
    else
        conn->due_ms = 0; /* the pause before connecting again is over */
    conn_advance(conn);
}

/* ---- Sending ---- */

/* Puts @future's request into the buffer. False: there is no memory for it. */
static bool put(struct async_conn *conn, struct kvs_future *future)
{
    struct kvs_client *client = conn->client;
    buf_append(&client->out, future->bytes, future->len);
    if (client->out.failed != KVS_OK) {
        buf_truncate(&client->out, client->out.len); /* what it held it still holds */
        future_complete(future,
                        fail(KVS_NO_MEMORY, ENOMEM, "sending a request of %zu bytes", future->len),
                        NULL, true);
        return false;
    }
    future->start_at = conn->queued;
    conn->queued += future->len;
    if (future->no_reply)
        future_complete(future, KVS_OK, NULL, true);
    else
        client->pending++;
    return true;
}

static void fill(struct async_conn *conn)
{
    struct kvs_client *client = conn->client;
    while (conn->waiting.head != NULL && client->out.len - client->out_off < OUT_BYTES) {
        struct kvs_future *future = future_list_pop(&conn->waiting);
        if (!future->done && put(conn, future) && !future->no_reply)
            future_list_push(&conn->flying, future);
        else
            conn_release(conn, future);
    }
}

void conn_advance(struct async_conn *conn)
{
    if (conn->state == CONN_IDLE && conn->waiting.head != NULL && conn->due_ms == 0)
        connect_begin(conn);
    while (conn->state == CONN_GREETING || conn->state == CONN_READY) {
        if (conn->state == CONN_READY)
            fill(conn);
        enum kvs_status status = connection_push(conn->client);
        if (status == KVS_WOULD_BLOCK) {
            watch(conn, EPOLLIN | EPOLLOUT);
            return;
        }
        if (status != KVS_OK) {
            conn_lost(conn, status);
            return;
        }
        watch(conn, EPOLLIN);
        if (conn->state != CONN_READY || conn->waiting.head == NULL)
            return;
    }
}

/* ---- Receiving ---- */

/* Takes the replies that are there. KVS_WOULD_BLOCK: all of them. */
static enum kvs_status take_replies(struct async_conn *conn)
{
    for (;;) {
        const struct kvs_reply *reply;
        enum kvs_status status = connection_take(conn->client, &reply);
        if (status != KVS_OK && (status != KVS_SERVER || conn->client->dead != KVS_OK))
            return status;
        if (conn->state == CONN_GREETING) {
            if (status != KVS_OK)
                return status;
            if (conn->client->pending == 0) {
                conn->state = CONN_READY;
                conn->due_ms = 0;
            }
            continue;
        }
        conn->failures = 0;
        struct kvs_future *future = future_list_pop(&conn->flying);
        future_complete(future, status, reply, true);
        conn_release(conn, future);
    }
}

static enum kvs_status receive(struct async_conn *conn)
{
    for (int i = 0; i < PULLS_MAX; i++) {
        enum kvs_status status = connection_pull(conn->client);
        if (status != KVS_OK)
            return status;
        status = take_replies(conn);
        if (status != KVS_WOULD_BLOCK)
            return status;
    }
    return KVS_WOULD_BLOCK;
}

void conn_event(struct async_conn *conn, uint32_t events)
{
    if (conn->client == NULL)
        return; /* lost by an event before this one */
    if (conn->state == CONN_CONNECTING) {
        enum kvs_status status = endpoint_finish(conn->client->fd, conn->async->addr);
        if (status == KVS_OK)
            greet(conn);
        else
            conn_lost(conn, status);
    } else if ((events & ~(uint32_t)EPOLLOUT) != 0) {
        enum kvs_status status = receive(conn);
        if (status != KVS_WOULD_BLOCK)
            conn_lost(conn, status);
    }
    conn_advance(conn);
}
