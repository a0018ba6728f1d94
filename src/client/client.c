/*
 * client.c - the public client: opening, calls, pipelines.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kvs/client.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/number.h"
#include "client/connection.h"

enum {
    QUEUE_BYTES = 256 * 1024, /* more is sent before more is queued */
};

static const uint64_t reply_bytes_default = UINT64_C(1) << 30;

/* ---- Opening ---- */

enum kvs_status connection_greet(struct kvs_client *client,
                                 const struct kvs_client_options *options)
{
    struct kvs_bytes user = bytes_str(options->user != NULL ? options->user : "default");
    struct kvs_bytes args[8];
    size_t count = 0;
    enum kvs_status status = KVS_OK;
    if (options->resp == 3) {
        args[count++] = BYTES("HELLO");
        args[count++] = BYTES("3");
        if (options->password != NULL) {
            args[count++] = BYTES("AUTH");
            args[count++] = user;
            args[count++] = bytes_str(options->password);
        }
        status = kvs_client_append(client, args, count);
    } else if (options->password != NULL) {
        args[count++] = BYTES("AUTH");
        if (options->user != NULL)
            args[count++] = user;
        args[count++] = bytes_str(options->password);
        status = kvs_client_append(client, args, count);
    }
    if (status == KVS_OK && options->name != NULL) {
        struct kvs_bytes name[] = { BYTES("CLIENT"), BYTES("SETNAME"), bytes_str(options->name) };
        status = kvs_client_append(client, name, 3);
    }
    if (status == KVS_OK && options->database != 0) {
        char number[NUMBER_I64_CHARS];
        size_t len = number_print_u64(options->database, number);
        struct kvs_bytes database[] = { BYTES("SELECT"), bytes_of(number, len) };
        status = kvs_client_append(client, database, 2);
    }
    return status;
}

const char *connection_addr(const struct kvs_client_options *options)
{
    return options->addr != NULL ? options->addr : "127.0.0.1:4000";
}

enum kvs_status connection_options(const struct kvs_client_options *options,
                                   struct endpoint *ret_endpoint)
{
    if (options->resp != 0 && options->resp != 2 && options->resp != 3)
        return fail(KVS_INVALID, 0, "RESP version %u: expected 2 or 3", options->resp);
    return endpoint_parse(connection_addr(options), ret_endpoint);
}

enum kvs_status connection_new(const struct kvs_client_options *options, struct kvs_client **ret)
{
    const char *addr = connection_addr(options);
    struct kvs_client *client = calloc(1, sizeof *client);
    if (client == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "client for %s", addr);
    client->fd = -1;
    client->timeout_ms = options->timeout_ms;
    client->push = options->push;
    client->push_ctx = options->push_ctx;
    client->addr = strdup(addr);
    if (client->addr == NULL) {
        free(client);
        return fail(KVS_NO_MEMORY, ENOMEM, "client for %s", addr);
    }
    uint64_t reply_max =
        options->reply_bytes_max != 0 ? options->reply_bytes_max : reply_bytes_default;
    if (reply_max > SIZE_MAX / 4)
        reply_max = SIZE_MAX / 4;
    /* Replies read ahead while sending count too, and a receive wants room behind the largest reply. */
    buf_init(&client->in, (size_t)reply_max * 2 + 1024 * 1024);
    buf_init(&client->out, SIZE_MAX / 4);
    resp_reader_init(&client->reader, (size_t)reply_max);
    *ret = client;
    return KVS_OK;
}

enum kvs_status kvs_client_open(const struct kvs_client_options *options, struct kvs_client **ret)
{
    static const struct kvs_client_options defaults = { .addr = NULL };
    if (options == NULL)
        options = &defaults;
    struct endpoint endpoint;
    enum kvs_status status = connection_options(options, &endpoint);
    if (status != KVS_OK)
        return status;
    struct kvs_client *client = NULL;
    status = connection_new(options, &client);
    if (status != KVS_OK)
        return status;
    status = endpoint_connect(&endpoint, client->addr, options->timeout_ms, &client->fd);
    if (status == KVS_OK)
        status = connection_greet(client, options);
    while (status == KVS_OK && client->pending > 0) {
        const struct kvs_reply *reply;
        status = kvs_client_read(client, &reply);
    }
    if (status != KVS_OK) {
        kvs_client_close(client);
        return status;
    }
    *ret = client;
    return KVS_OK;
}

void kvs_client_close(struct kvs_client *client)
{
    if (client == NULL)
        return;
    if (client->fd >= 0)
        (void)close(client->fd); /* nothing can be done about what it says */
    resp_reader_done(&client->reader);
    buf_done(&client->in);
    buf_done(&client->out);
    free(client->items);
    free(client->addr);
    free(client);
}

/* ---- Pipelines ---- */

static enum kvs_status check_idle(const struct kvs_client *client)
{
    enum kvs_status status = connection_check(client);
    if (status != KVS_OK)
        return status;
    if (client->args_left > 0)
        return fail(KVS_INVALID, 0, "a request begun is not complete: %zu arguments are missing",
                    client->args_left);
    return KVS_OK;
}

enum kvs_status kvs_client_append(struct kvs_client *client, const struct kvs_bytes *args,
                                  size_t count)
{
    enum kvs_status status = check_idle(client);
    if (status != KVS_OK)
        return status;
    if (count == 0)
        return fail(KVS_INVALID, 0, "a request has at least the command's name");
    if (client->out.len - client->out_off > QUEUE_BYTES) {
        status = connection_drain(client, QUEUE_BYTES / 2);
        if (status != KVS_OK)
            return status;
    }
    resp_put_request(&client->out, args, count);
    if (client->out.failed != KVS_OK)
        return connection_die(client, client->out.failed);
    client->pending++;
    return KVS_OK;
}

enum kvs_status kvs_client_flush(struct kvs_client *client)
{
    enum kvs_status status = check_idle(client);
    return status == KVS_OK ? connection_drain(client, 0) : status;
}

enum kvs_status kvs_client_read(struct kvs_client *client, const struct kvs_reply **ret)
{
    enum kvs_status status = kvs_client_flush(client);
    if (status != KVS_OK)
        return status;
    if (client->pending == 0)
        return fail(KVS_INVALID, 0, "no reply is outstanding");
    if (client->items_left > 0 || client->bulk_open)
        return fail(KVS_INVALID, 0, "a reply that is read in pieces is not over");
    for (;;) {
        status = connection_take(client, ret);
        if (status != KVS_WOULD_BLOCK)
            return status;
        status = connection_fill(client);
        if (status != KVS_OK)
            return status;
    }
}

uint64_t kvs_client_pending(const struct kvs_client *client)
{
    return client->pending;
}

/* ---- Calls ---- */

enum kvs_status kvs_client_call(struct kvs_client *client, const struct kvs_bytes *args,
                                size_t count, const struct kvs_reply **ret)
{
    enum kvs_status status = connection_check(client);
    if (status == KVS_OK && client->pending > 0)
        status =
            fail(KVS_INVALID, 0, "%" PRIu64 " pipelined replies are outstanding", client->pending);
    if (status == KVS_OK)
        status = kvs_client_append(client, args, count);
    return status == KVS_OK ? kvs_client_read(client, ret) : status;
}

/* A reply of a kind that the command does not have. */
static enum kvs_status unexpected(const struct kvs_client *client, const char *command)
{
    return fail(KVS_PROTOCOL, 0, "%s answered %s with a reply of another kind", client->addr,
                command);
}

enum kvs_status kvs_client_get(struct kvs_client *client, struct kvs_bytes key,
                               struct kvs_bytes *ret)
{
    struct kvs_bytes args[] = { BYTES("GET"), key };
    const struct kvs_reply *reply;
    enum kvs_status status = kvs_client_call(client, args, 2, &reply);
    if (status != KVS_OK)
        return status;
    if (reply->type == KVS_REPLY_NULL)
        return KVS_NOT_FOUND;
    if (reply->type != KVS_REPLY_BULK)
        return unexpected(client, "GET");
    *ret = reply->text;
    return KVS_OK;
}

enum kvs_status kvs_client_set(struct kvs_client *client, struct kvs_bytes key,
                               struct kvs_bytes value)
{
    struct kvs_bytes args[] = { BYTES("SET"), key, value };
    const struct kvs_reply *reply;
    enum kvs_status status = kvs_client_call(client, args, 3, &reply);
    if (status == KVS_OK && reply->type != KVS_REPLY_STATUS)
        return unexpected(client, "SET");
    return status;
}

enum kvs_status kvs_client_remove(struct kvs_client *client, struct kvs_bytes key)
{
    struct kvs_bytes args[] = { BYTES("DEL"), key };
    const struct kvs_reply *reply;
    enum kvs_status status = kvs_client_call(client, args, 2, &reply);
    if (status != KVS_OK)
        return status;
    if (reply->type != KVS_REPLY_INTEGER)
        return unexpected(client, "DEL");
    return reply->integer > 0 ? KVS_OK : KVS_NOT_FOUND;
}
