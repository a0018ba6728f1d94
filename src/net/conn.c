/*
 * conn.c - reading and sending without blocking.
 *
 * Invariant: view_len > 0 only while a handler runs or input is deferred, and then the kept buffer is empty: input is in one place.
 */
#include "net/conn.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/fail.h"

enum {
    READ_STEP_MIN = 16 * 1024,
    READ_STEP_MAX = 256 * 1024,
    KEEP_BYTES = 16 * 1024, /* an empty input buffer larger than this is freed at once */
};

static size_t kept_len(const struct conn *conn)
{
    return conn->in.len - conn->in_off;
}

/* Watches for what is wanted now. A failure (out of kernel memory) is taken as the end of the connection by the next event
 * or the owner's time-outs: there is nothing better to do with it. */
static void watch(struct conn *conn)
{
    unsigned interest = 0;
    if (!conn->paused && !conn->at_end)
        interest |= LOOP_READ;
    if (conn->send_blocked)
        interest |= LOOP_WRITE;
    if (loop_change(conn->loop, &conn->source, interest) != KVS_OK)
        (void)shutdown(conn->source.fd, SHUT_RDWR);
}

enum kvs_status conn_keep_input(struct conn *conn)
{
    if (conn->view_len == 0)
        return KVS_OK;
    ASSERT(kept_len(conn) == 0);
    buf_truncate(&conn->in, 0);
    conn->in_off = 0;
    buf_append(&conn->in, conn->view, conn->view_len);
    if (conn->in.failed != KVS_OK) {
        enum kvs_status status = conn->in.failed;
        buf_truncate(&conn->in, 0);
        return status;
    }
    conn->view_len = 0;
    return KVS_OK;
}

bool conn_input_full(const struct conn *conn)
{
    return kept_len(conn) >= conn->in.max_bytes;
}

struct kvs_bytes conn_input(const struct conn *conn)
{
    if (conn->view_len > 0)
        return (struct kvs_bytes){ conn->view, conn->view_len };
    if (kept_len(conn) == 0)
        return (struct kvs_bytes){ NULL, 0 };
    return (struct kvs_bytes){ conn->in.data + conn->in_off, kept_len(conn) };
}

void conn_consume(struct conn *conn, size_t len)
{
    if (conn->view_len > 0) {
        CHECK(len <= conn->view_len);
        conn->view += len;
        conn->view_len -= len;
        return;
    }
    CHECK(len <= kept_len(conn));
    conn->in_off += len;
    if (conn->in_off == conn->in.len) {
        buf_truncate(&conn->in, 0);
        conn->in_off = 0;
        if (conn->in.capacity > KEEP_BYTES)
            buf_shrink(&conn->in, 0);
    }
}

/* Reads into the scratch, or behind the bytes already kept: then in steps that grow with them, so that a large request costs
 * few calls, and what is reserved stays in proportion to what has arrived. Returns what recv() did. */
static ssize_t read_some(struct conn *conn)
{
    size_t kept = kept_len(conn);
    if (kept == 0) {
        struct loop_scratch scratch = loop_scratch(conn->loop);
        ssize_t got = recv(conn->source.fd, scratch.data, scratch.len, 0);
        if (got > 0) {
            conn->view = scratch.data;
            conn->view_len = (size_t)got;
        }
        return got;
    }
    if (conn->in_off > 0) {
        buf_consume(&conn->in, conn->in_off);
        conn->in_off = 0;
    }
    size_t step = kept < READ_STEP_MIN   ? READ_STEP_MIN
                  : kept > READ_STEP_MAX ? READ_STEP_MAX
                                         : kept;
    if (step > conn->in.max_bytes - conn->in.len)
        step = conn->in.max_bytes - conn->in.len;
    if (step == 0) { /* the owner let it fill up without consuming, pausing or closing */
        errno = ENOBUFS;
        return -1;
    }
    if (buf_reserve(&conn->in, step) != KVS_OK) {
        buf_truncate(&conn->in, conn->in.len);
        errno = ENOMEM;
        return -1;
    }
    ssize_t got = recv(conn->source.fd, conn->in.data + conn->in.len, step, 0);
    if (got > 0)
        conn->in.len += (size_t)got;
    return got;
}

static void conn_readable(struct conn *conn)
{
    ssize_t got = read_some(conn);
    if (got < 0) {
        if (errno == EAGAIN || errno == EINTR)
            return;
        conn->ops->failed(conn, errno);
        return;
    }
    if (got == 0) {
        conn->at_end = true;
        watch(conn);
    }
    conn->read_bytes = (size_t)got;
    conn->ops->input(conn);
    if (!conn->deferred)
        conn_settle(conn);
    else if (conn->view_len != 0)
        loop_scratch_hold(conn->loop, conn->view_len);
}

void conn_defer(struct conn *conn)
{
    conn->deferred = true;
}

void conn_settle(struct conn *conn)
{
    conn->deferred = false;
    if (conn->source.fd < 0 || conn->view_len == 0)
        return;
    enum kvs_status status = conn_keep_input(conn);
    if (status != KVS_OK)
        conn->ops->failed(conn, status == KVS_TOO_LONG ? ENOBUFS : ENOMEM);
}

static void conn_ready(struct loop_source *source, unsigned events)
{
    struct conn *conn = source->ctx;
    if (events & LOOP_HANGUP) {
        int errnum = 0;
        socklen_t len = sizeof errnum;
        (void)getsockopt(source->fd, SOL_SOCKET, SO_ERROR, &errnum, &len);
        /* Bytes that came before the end can still be read; a connection nobody reads from now is over. */
        if (errnum != 0 || conn->paused || conn->at_end) {
            conn->ops->failed(conn, errnum);
            return;
        }
        events |= LOOP_READ;
    }
    if (events & LOOP_WRITE && conn->send_blocked) {
        conn->send_blocked = false;
        conn->ops->writable(conn); /* may close */
        if (conn->source.fd < 0)
            return;
        if (!conn->send_blocked)
            watch(conn);
        /* what the socket holds is reported again in the next turn */
        return;
    }
    if (events & LOOP_READ) {
        if (conn->paused || conn->at_end)
            watch(conn); /* only now: a pause that ends before more arrives costs no system call */
        else
            conn_readable(conn);
    }
}

enum kvs_status conn_open(struct conn *conn, struct loop *loop, int fd, size_t in_max,
                          const struct conn_ops *ops)
{
    *conn = (struct conn){ .loop = loop, .ops = ops };
    buf_init(&conn->in, in_max);
    conn->source = (struct loop_source){ .fd = fd, .ready = conn_ready, .ctx = conn };
    return loop_add(loop, &conn->source, LOOP_READ);
}

void conn_close(struct conn *conn)
{
    if (conn->source.fd >= 0) {
        loop_remove(conn->loop, &conn->source);
        (void)close(conn->source.fd);
        conn->source.fd = -1;
    }
    conn->view_len = 0;
    conn->deferred = false;
}

void conn_done(struct conn *conn)
{
    conn_close(conn);
    conn->in_off = 0;
    buf_done(&conn->in);
}

void conn_pause(struct conn *conn)
{
    conn->paused = true;
}

void conn_resume(struct conn *conn)
{
    if (!conn->paused)
        return;
    conn->paused = false;
    watch(conn);
}

enum kvs_status conn_send(struct conn *conn, struct kvs_bytes bytes, size_t *ret_sent)
{
    ssize_t sent;
    if (conn->send_blocked) { /* still no room: writable() will tell */
        *ret_sent = 0;
        return KVS_OK;
    }
    do
        sent = send(conn->source.fd, bytes.data, bytes.len, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    if (sent < 0) {
        if (errno != EAGAIN)
            return fail(KVS_NETWORK, errno, "send");
        sent = 0;
    }
    if ((size_t)sent < bytes.len) {
        conn->send_blocked = true;
        watch(conn);
    }
    *ret_sent = (size_t)sent;
    return KVS_OK;
}

void conn_end_output(struct conn *conn)
{
    (void)shutdown(conn->source.fd, SHUT_WR); /* fails only when the connection is gone already */
}

void conn_trim(struct conn *conn)
{
    if (conn->in_off > 0) {
        buf_consume(&conn->in, conn->in_off);
        conn->in_off = 0;
    }
    buf_shrink(&conn->in, conn->in.len);
}

size_t conn_memory(const struct conn *conn)
{
    return conn->in.capacity;
}
