/*
 * pieces.c - requests and replies in pieces, so that a value of any size needs bounded memory.
 *
 * A request begun counts as pending from its first byte. Of a reply only the number of items still to come is kept: reading a
 * head takes one off, and adds those of an aggregate.
 */
#include <kvs/client.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "client/connection.h"

enum {
    QUEUE_BYTES = 256 * 1024
};

static enum kvs_status queued(struct kvs_client *client)
{
    if (client->out.failed != KVS_OK)
        return connection_die(client, client->out.failed);
    if (client->out.len - client->out_off > QUEUE_BYTES)
        return connection_drain(client, QUEUE_BYTES / 2);
    return KVS_OK;
}

enum kvs_status kvs_client_begin(struct kvs_client *client, size_t count)
{
    enum kvs_status status = connection_check(client);
    if (status != KVS_OK)
        return status;
    if (client->args_left > 0 || count == 0)
        return fail(KVS_INVALID, 0,
                    count == 0 ? "a request has at least the command's name"
                               : "the request begun before is not complete");
    resp_put_count(&client->out, count);
    client->args_left = count;
    client->pending++;
    return queued(client);
}

/* Whether an argument may begin. */
static enum kvs_status check_arg(const struct kvs_client *client)
{
    enum kvs_status status = connection_check(client);
    if (status != KVS_OK)
        return status;
    if (client->args_left == 0)
        return fail(KVS_INVALID, 0, "no request was begun, or it has all its arguments");
    if (client->arg_open)
        return fail(KVS_INVALID, 0, "the argument begun before is not complete");
    return KVS_OK;
}

enum kvs_status kvs_client_arg(struct kvs_client *client, struct kvs_bytes arg)
{
    enum kvs_status status = check_arg(client);
    if (status != KVS_OK)
        return status;
    resp_put_arg(&client->out, arg);
    client->args_left--;
    return queued(client);
}

static void arg_ended(struct kvs_client *client)
{
    buf_append(&client->out, "\r\n", 2);
    client->arg_open = false;
    client->args_left--;
}

enum kvs_status kvs_client_arg_begin(struct kvs_client *client, uint64_t bytes)
{
    enum kvs_status status = check_arg(client);
    if (status != KVS_OK)
        return status;
    resp_put_arg_head(&client->out, bytes);
    client->arg_open = true;
    client->arg_bytes_left = bytes;
    if (bytes == 0)
        arg_ended(client);
    return queued(client);
}

enum kvs_status kvs_client_arg_bytes(struct kvs_client *client, struct kvs_bytes piece)
{
    enum kvs_status status = connection_check(client);
    if (status != KVS_OK)
        return status;
    if (piece.len == 0)
        return KVS_OK;
    if (!client->arg_open || piece.len > client->arg_bytes_left)
        return fail(KVS_INVALID, 0, "%zu bytes for an argument that lacks %llu", piece.len,
                    (unsigned long long)(client->arg_open ? client->arg_bytes_left : 0));
    buf_append_bytes(&client->out, piece);
    client->arg_bytes_left -= piece.len;
    if (client->arg_bytes_left == 0)
        arg_ended(client);
    return queued(client);
}

/* Behind a bulk's last byte. */
static enum kvs_status end_bulk(struct kvs_client *client)
{
    while (connection_unread(client).len < 2) {
        enum kvs_status status = connection_fill(client);
        if (status != KVS_OK)
            return status;
    }
    if (!bytes_starts_with(connection_unread(client), BYTES("\r\n")))
        return connection_die(client,
                              fail(KVS_PROTOCOL, 0, "a value does not end where it should"));
    client->in_off += 2;
    client->bulk_open = false;
    if (client->items_left == 0)
        client->pending--;
    return KVS_OK;
}

static enum kvs_status wait_head(struct kvs_client *client, struct resp_head *ret)
{
    for (;;) {
        enum kvs_status status = resp_read_head(connection_unread(client), ret);
        if (status == KVS_OK)
            client->in_off += ret->used;
        else if (status == KVS_WOULD_BLOCK)
            status = connection_fill(client);
        else
            return connection_die(client, status);
        if (status != KVS_OK || ret->used > 0)
            return status;
    }
}

enum kvs_status kvs_client_read_head(struct kvs_client *client, struct kvs_reply *ret,
                                     uint64_t *ret_count)
{
    enum kvs_status status = kvs_client_flush(client);
    if (status != KVS_OK)
        return status;
    if (client->bulk_open && client->bulk_left > 0)
        return fail(KVS_INVALID, 0, "the value before was not read to its end");
    if (client->bulk_open)
        status = end_bulk(client);
    if (status != KVS_OK)
        return status;
    if (client->pending == 0)
        return fail(KVS_INVALID, 0, "no reply is outstanding");
    struct resp_head head = { .used = 0 };
    status = wait_head(client, &head);
    if (status != KVS_OK)
        return status;
    if (client->items_left > 0)
        client->items_left--;
    if (head.is_aggregate && head.count > UINT64_MAX - client->items_left)
        return connection_die(client, fail(KVS_PROTOCOL, 0, "a reply of too many items"));
    if (head.is_aggregate)
        client->items_left += head.count;
    client->bulk_open = head.is_bulk;
    client->bulk_left = head.is_bulk ? head.count : 0;
    if (client->items_left == 0 && !client->bulk_open)
        client->pending--;
    *ret = (struct kvs_reply){
        .type = connection_reply_type(head.value.type),
        .text = head.value.text,
        .integer = head.value.integer,
        .real = head.value.real,
    };
    *ret_count = head.count;
    return KVS_OK;
}

enum kvs_status kvs_client_read_bytes(struct kvs_client *client, struct kvs_bytes *ret)
{
    enum kvs_status status = connection_check(client);
    *ret = (struct kvs_bytes){ NULL, 0 };
    if (status != KVS_OK || !client->bulk_open)
        return status;
    if (client->bulk_left == 0)
        return end_bulk(client);
    if (connection_unread(client).len == 0)
        status = connection_fill(client);
    if (status != KVS_OK)
        return status;
    struct kvs_bytes there = connection_unread(client);
    if (there.len > client->bulk_left)
        there.len = (size_t)client->bulk_left;
    client->in_off += there.len;
    client->bulk_left -= there.len;
    *ret = there;
    return KVS_OK;
}
