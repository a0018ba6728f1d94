/*
 * async.c - a pool of connections as one descriptor: an epoll set of their sockets and of a timer for all time limits.
 */
#include "client/async.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/fail.h"

enum {
    EVENTS_MAX = 64,
    RETRIES_DEFAULT = 3,
    RECONNECT_MS_DEFAULT = 50,
};

static const uint64_t queue_bytes_default = 64 * 1024 * 1024;

int64_t async_now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 + 1;
}

/* ---- The timer ---- */

/* Lets the timer ring at @at_ms, unless it rings earlier anyway: a ring too many does no harm. */
static void timer_at(struct kvs_async *async, int64_t at_ms)
{
    if (async->timer_ms != 0 && async->timer_ms <= at_ms)
        return;
    int64_t left_ms = at_ms - async_now_ms();
    struct itimerspec when = { .it_value.tv_nsec = 1 };
    if (left_ms > 0)
        when.it_value =
            (struct timespec){ .tv_sec = left_ms / 1000, .tv_nsec = left_ms % 1000 * 1000000 };
    CHECK(timerfd_settime(async->timer, 0, &when, NULL) == 0); /* fails for wrong arguments only */
    async->timer_ms = at_ms;
}

static void timer_rang(struct kvs_async *async)
{
    uint64_t rings;
    ssize_t got = read(async->timer, &rings, sizeof rings); /* EAGAIN: nothing to take back */
    (void)got;
    async->timer_ms = 0;
}

static void timer_rearm(struct kvs_async *async)
{
    int64_t next_ms = async->heap_count > 0 ? async->heap[0]->deadline_ms : 0;
    for (unsigned i = 0; i < async->options.connections; i++) {
        int64_t due_ms = async->conns[i].due_ms;
        if (due_ms != 0 && (next_ms == 0 || due_ms < next_ms))
            next_ms = due_ms;
    }
    if (next_ms != 0)
        timer_at(async, next_ms);
}

static void expire(struct kvs_async *async)
{
    int64_t now_ms = async_now_ms();
    while (async->heap_count > 0 && async->heap[0]->deadline_ms <= now_ms) {
        struct kvs_future *future = async->heap[0];
        future->refs++;
        enum kvs_status status = fail(KVS_TIMEOUT, 0, "%s did not answer in time", async->addr);
        future_complete(future, status, NULL, true);
        future_unref(future);
    }
    for (unsigned i = 0; i < async->options.connections; i++) {
        struct async_conn *conn = &async->conns[i];
        if (conn->due_ms != 0 && conn->due_ms <= now_ms)
            conn_due(conn);
    }
}

/* ---- Turning ---- */

static enum kvs_status refuse_inside(const struct kvs_async *async)
{
    return async->turning ? fail(KVS_INVALID, 0, "not inside a callback of the same pool") : KVS_OK;
}

enum kvs_status kvs_async_turn(struct kvs_async *async)
{
    enum kvs_status status = refuse_inside(async);
    if (status != KVS_OK)
        return status;
    async->turning = true;
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(async->epoll, events, EVENTS_MAX, 0);
    if (count < 0 && errno != EINTR)
        status = fail(KVS_IO, errno, "looking at connections to %s", async->addr);
    for (int i = 0; i < count; i++) {
        if (events[i].data.ptr == NULL)
            timer_rang(async);
        else
            conn_event(events[i].data.ptr, events[i].events);
    }
    expire(async);
    for (unsigned i = 0; i < async->options.connections; i++) {
        if (async->conns[i].waiting.head != NULL)
            conn_advance(&async->conns[i]);
    }
    timer_rearm(async);
    async->turning = false;
    return status;
}

enum kvs_status kvs_async_wait(struct kvs_async *async, int timeout_ms)
{
    enum kvs_status status = refuse_inside(async);
    if (status != KVS_OK)
        return status;
    struct pollfd poll_fd = { .fd = async->epoll, .events = POLLIN };
    if (poll(&poll_fd, 1, timeout_ms) < 0 && errno != EINTR)
        return fail(KVS_IO, errno, "waiting for %s", async->addr);
    return kvs_async_turn(async);
}

enum kvs_status kvs_future_wait(struct kvs_future *future, int timeout_ms)
{
    int64_t until_ms = async_now_ms() + (timeout_ms > 0 ? timeout_ms : 0);
    while (!future->done) {
        int64_t left_ms = timeout_ms < 0 ? -1 : until_ms - async_now_ms();
        if (timeout_ms >= 0 && left_ms < 0)
            left_ms = 0;
        enum kvs_status status = kvs_async_wait(future->async, (int)left_ms);
        if (status != KVS_OK)
            return status;
        if (!future->done && timeout_ms >= 0 && async_now_ms() >= until_ms)
            return fail(KVS_TIMEOUT, 0, "not answered within %d ms", timeout_ms);
    }
    return KVS_OK;
}

int kvs_async_fd(const struct kvs_async *async)
{
    return async->epoll;
}

uint64_t kvs_async_pending(const struct kvs_async *async)
{
    return async->pending;
}

/* ---- Calls ---- */

/* The connection with the least to do; of equals one that is there already. */
static struct async_conn *choose(struct kvs_async *async)
{
    struct async_conn *best = &async->conns[0];
    for (unsigned i = 1; i < async->options.connections && (best->load > 0 || best->client == NULL);
         i++) {
        struct async_conn *conn = &async->conns[i];
        bool better =
            conn->load == best->load ? conn->state > best->state : conn->load < best->load;
        if (better && (conn->failures == 0 || best->failures > 0))
            best = conn;
    }
    return best;
}

enum kvs_status kvs_async_call(struct kvs_async *async, const struct kvs_bytes *args, size_t count,
                               const struct kvs_call *call, struct kvs_future **ret)
{
    static const struct kvs_call defaults = { .idempotent = false };
    if (call == NULL)
        call = &defaults;
    if (count == 0)
        return fail(KVS_INVALID, 0, "a request has at least the command's name");
    if (async->closing)
        return fail(KVS_CLOSED, 0, "the connections to %s are being closed", async->addr);
    if (async->queue_bytes >= async->options.queue_bytes_max)
        return fail(KVS_WOULD_BLOCK, 0, "%" PRIu64 " bytes of requests to %s are not answered yet",
                    async->queue_bytes, async->addr);
    enum kvs_status status = deadlines_reserve(async);
    if (status != KVS_OK)
        return status;
    struct kvs_future *future;
    status = future_new(async, args, count, call, &future);
    if (status != KVS_OK)
        return status;
    unsigned timeout_ms =
        call->timeout_ms != 0 ? call->timeout_ms : async->options.client.timeout_ms;
    if (timeout_ms != 0) {
        future->deadline_ms = async_now_ms() + timeout_ms;
        deadlines_add(async, future);
    }
    struct async_conn *conn = choose(async);
    future_list_push(&conn->waiting, future);
    conn->load++;
    async->pending++;
    async->queue_bytes += future->len;
    if (!async->turning)
        timer_at(async, async_now_ms()); /* so that the descriptor asks for a turn */
    if (ret != NULL) {
        future->kept = true;
        future->refs++;
        *ret = future;
    }
    return KVS_OK;
}

/* ---- Opening and closing ---- */

static enum kvs_status copy_text(const char *text, char **ret)
{
    if (text == NULL)
        return KVS_OK;
    *ret = strdup(text);
    return *ret != NULL ? KVS_OK : fail(KVS_NO_MEMORY, ENOMEM, "options of a client");
}

static enum kvs_status copy_options(struct kvs_async *async)
{
    struct kvs_client_options *client = &async->options.client;
    enum kvs_status status = copy_text(connection_addr(client), &async->addr);
    if (status == KVS_OK)
        status = copy_text(client->user, &async->user);
    if (status == KVS_OK)
        status = copy_text(client->password, &async->password);
    if (status == KVS_OK)
        status = copy_text(client->name, &async->name);
    client->addr = async->addr;
    client->user = async->user;
    client->password = async->password;
    client->name = async->name;
    if (async->options.retries == 0)
        async->options.retries = RETRIES_DEFAULT;
    if (async->options.reconnect_ms == 0)
        async->options.reconnect_ms = RECONNECT_MS_DEFAULT;
    if (async->options.queue_bytes_max == 0)
        async->options.queue_bytes_max = queue_bytes_default;
    return status;
}

static enum kvs_status open_descriptors(struct kvs_async *async)
{
    async->epoll = epoll_create1(EPOLL_CLOEXEC);
    async->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
    if (async->epoll < 0 || async->timer < 0 ||
        epoll_ctl(async->epoll, EPOLL_CTL_ADD, async->timer, &event) != 0)
        return fail(KVS_IO, errno, "descriptors for connections to %s", async->addr);
    return KVS_OK;
}

static void async_free(struct kvs_async *async)
{
    if (async->epoll >= 0)
        (void)close(async->epoll);
    if (async->timer >= 0)
        (void)close(async->timer);
    free(async->heap);
    free(async->addr);
    free(async->user);
    free(async->password);
    free(async->name);
    free(async);
}

enum kvs_status kvs_async_open(const struct kvs_async_options *options, struct kvs_async **ret)
{
    static const struct kvs_async_options defaults = { .connections = 0 };
    if (options == NULL)
        options = &defaults;
    unsigned connections = options->connections != 0 ? options->connections : 1;
    if (connections > KVS_ASYNC_CONNECTIONS_MAX)
        return fail(KVS_INVALID, 0, "%u connections: at most %d", connections,
                    KVS_ASYNC_CONNECTIONS_MAX);
    struct endpoint endpoint;
    enum kvs_status status = connection_options(&options->client, &endpoint);
    if (status != KVS_OK)
        return status;
    struct kvs_async *async = calloc(1, sizeof *async + connections * sizeof async->conns[0]);
    if (async == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "%u connections", connections);
    async->options = *options;
    async->options.connections = connections;
    async->endpoint = endpoint;
    async->epoll = -1;
    async->timer = -1;
    for (unsigned i = 0; i < connections; i++)
        async->conns[i].async = async;
    status = copy_options(async);
    if (status == KVS_OK)
        status = open_descriptors(async);
    if (status != KVS_OK) {
        async_free(async);
        return status;
    }
    *ret = async;
    return KVS_OK;
}

enum kvs_status kvs_async_close(struct kvs_async *async)
{
    if (async == NULL)
        return KVS_OK;
    enum kvs_status status = refuse_inside(async);
    if (status != KVS_OK)
        return status;
    async->turning = true;
    async->closing = true;
    for (unsigned i = 0; i < async->options.connections; i++)
        conn_abandon(&async->conns[i],
                     fail(KVS_CLOSED, 0, "the connections to %s are closed", async->addr));
    async_free(async);
    return KVS_OK;
}
