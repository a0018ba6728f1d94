/*
 * connection.c - bytes to and from the socket, and replies out of them.
 *
 * Invariant: in_off <= in.len and out_off <= out.len; the reader's state belongs to the bytes from in_off on.
 */
#include "client/connection.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/fail.h"
#include "client/endpoint.h"

enum {
    RECEIVE_BYTES = 64 * 1024, /* at least so much room for a receive */
    KEPT_BYTES = 1024 * 1024,  /* larger buffers are given back when they are empty */
};

enum kvs_status connection_die(struct kvs_client *client, enum kvs_status status)
{
    client->dead = status;
    return status;
}

enum kvs_status connection_check(const struct kvs_client *client)
{
    if (likely(client->dead == KVS_OK))
        return KVS_OK;
    return fail(KVS_NETWORK, 0, "the connection to %s is closed after an earlier failure (%s)",
                client->addr, kvs_status_text(client->dead));
}

enum kvs_status connection_push(struct kvs_client *client)
{
    while (client->out_off < client->out.len) {
        ssize_t sent = send(client->fd, client->out.data + client->out_off,
                            client->out.len - client->out_off, MSG_NOSIGNAL);
        if (sent >= 0) {
            client->out_off += (size_t)sent;
            continue;
        }
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return KVS_WOULD_BLOCK;
        if (errno != EINTR)
            return connection_die(client, fail(KVS_NETWORK, errno, "send to %s", client->addr));
    }
    buf_truncate(&client->out, 0);
    buf_shrink(&client->out, KEPT_BYTES);
    client->out_off = 0;
    return KVS_OK;
}

enum kvs_status connection_pull(struct kvs_client *client)
{
    /* At most a part of one reply is moved, and by doubling buffers each byte only a few times. */
    buf_consume(&client->in, client->in_off);
    client->in_off = 0;
    buf_shrink(&client->in, KEPT_BYTES);
    if (client->in.capacity - client->in.len < RECEIVE_BYTES &&
        buf_reserve(&client->in, RECEIVE_BYTES) != KVS_OK)
        return connection_die(client, client->in.failed);
    for (;;) {
        ssize_t got = recv(client->fd, client->in.data + client->in.len,
                           client->in.capacity - client->in.len, 0);
        if (got > 0) {
            client->in.len += (size_t)got;
            return KVS_OK;
        }
        if (got == 0)
            return connection_die(client,
                                  fail(KVS_NETWORK, 0, "%s closed the connection", client->addr));
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return KVS_WOULD_BLOCK;
        if (errno != EINTR)
            return connection_die(client,
                                  fail(KVS_NETWORK, errno, "receive from %s", client->addr));
    }
}

enum kvs_status connection_fill(struct kvs_client *client)
{
    for (;;) {
        enum kvs_status status = connection_pull(client);
        if (status != KVS_WOULD_BLOCK)
            return status;
        short events;
        status = endpoint_wait(client->fd, POLLIN, client->timeout_ms, &events);
        if (status != KVS_OK)
            return connection_die(client, status);
    }
}

enum kvs_status connection_drain(struct kvs_client *client, size_t keep)
{
    enum kvs_status status = connection_check(client);
    while (status == KVS_OK && client->out.len - client->out_off > keep) {
        status = connection_push(client);
        if (status != KVS_WOULD_BLOCK)
            continue;
        short events = 0;
        status = endpoint_wait(client->fd, POLLIN | POLLOUT, client->timeout_ms, &events);
        if (status != KVS_OK)
            return connection_die(client, status);
        if ((events & (POLLIN | POLLHUP | POLLERR)) != 0) {
            status = connection_pull(client);
            if (status == KVS_WOULD_BLOCK)
                status = KVS_OK;
        }
    }
    return status;
}

/* ---- Reply trees ---- */

static size_t count_items(const struct resp_value *value)
{
    size_t count = value->item_count;
    for (size_t i = 0; i < value->item_count; i++)
        count += count_items(&value->items[i]);
    return count;
}

enum kvs_reply_type connection_reply_type(enum resp_type type)
{
    static const enum kvs_reply_type types[] = {
        [RESP_STATUS] = KVS_REPLY_STATUS,
        [RESP_ERROR] = KVS_REPLY_ERROR,
        [RESP_INTEGER] = KVS_REPLY_INTEGER,
        [RESP_BULK] = KVS_REPLY_BULK,
        [RESP_NULL] = KVS_REPLY_NULL,
        [RESP_ARRAY] = KVS_REPLY_ARRAY,
        [RESP_MAP] = KVS_REPLY_MAP,
        [RESP_SET] = KVS_REPLY_SET,
        [RESP_PUSH] = KVS_REPLY_PUSH,
        [RESP_REAL] = KVS_REPLY_REAL,
        [RESP_BOOLEAN] = KVS_REPLY_BOOLEAN,
        [RESP_VERBATIM] = KVS_REPLY_VERBATIM,
        [RESP_BIG_NUMBER] = KVS_REPLY_BIG_NUMBER,
    };

    return types[type];
}

/* Copies @value's tree; *used counts the places of client->items in use. */
static void copy_tree(struct kvs_client *client, const struct resp_value *value,
                      struct kvs_reply *reply, size_t *used)
{
    *reply = (struct kvs_reply){
        .type = connection_reply_type(value->type),
        .text = value->text,
        .integer = value->integer,
        .real = value->real,
        .item_count = value->item_count,
    };
    if (value->item_count == 0)
        return;
    struct kvs_reply *items = client->items + *used;
    reply->items = items;
    *used += value->item_count;
    for (size_t i = 0; i < value->item_count; i++)
        copy_tree(client, &value->items[i], &items[i], used);
}

static enum kvs_status set_reply(struct kvs_client *client, const struct resp_value *value)
{
    size_t count = count_items(value);
    if (count > client->item_capacity) {
        struct kvs_reply *items = calloc(count, sizeof *items);
        if (items == NULL)
            return fail(KVS_NO_MEMORY, ENOMEM, "a reply of %zu items", count);
        free(client->items);
        client->items = items;
        client->item_capacity = count;
    }
    size_t used = 0;
    copy_tree(client, value, &client->reply, &used);
    return KVS_OK;
}

static enum kvs_status server_error(const struct resp_value *value)
{
    return fail(KVS_SERVER, 0, "%.*s",
                (int)(value->text.len < INT32_MAX ? value->text.len : INT32_MAX),
                (const char *)value->text.data);
}

/* What a server says unasked before it closes, such as that it has too many clients, is the best reason there is. */
static enum kvs_status unasked(struct kvs_client *client, const struct resp_value *value)
{
    if (value->type != RESP_ERROR)
        return connection_die(
            client,
            fail(KVS_PROTOCOL, 0, "%s sent a reply that nothing was asked for", client->addr));
    return connection_die(client, server_error(value));
}

enum kvs_status connection_take(struct kvs_client *client, const struct kvs_reply **ret)
{
    for (;;) {
        struct resp_value value;
        size_t used = 0;
        enum kvs_status status =
            resp_read(&client->reader, connection_unread(client), &value, &used);
        if (status == KVS_WOULD_BLOCK)
            return status;
        bool skipped = status == KVS_OK && value.type == RESP_PUSH && client->push == NULL;
        if (status == KVS_OK && !skipped)
            status = set_reply(client, &value);
        if (status != KVS_OK)
            return connection_die(client, status);
        client->in_off += used;
        if (value.type == RESP_PUSH) {
            if (!skipped)
                client->push(client->push_ctx, &client->reply);
            continue;
        }
        if (client->pending == 0)
            return unasked(client, &value);
        client->pending--;
        *ret = &client->reply;
        return value.type == RESP_ERROR ? server_error(&value) : KVS_OK;
    }
}
