/*
 * sink_remote.c - imports into a server: SETs in a pipeline of bounded length, one answer each.
 */
#include <errno.h>
#include <stdlib.h>

#include "app/sink.h"
#include "base/bytes.h"
#include "base/fail.h"
#include "base/number.h"

enum {
    WINDOW = 2048 /* requests under way at most */
};

struct sink_remote {
    struct sink sink;
    struct kvs_client *client;
    size_t first; /* of the numbers below, those of records without an answer */
    size_t count;
    uint64_t numbers[WINDOW];
};

static struct sink_remote *remote_of(struct sink *sink)
{
    return (struct sink_remote *)sink; /* its first member */
}

static enum kvs_status read_answer(struct sink_remote *remote)
{
    const struct kvs_reply *reply;
    enum kvs_status status = kvs_client_read(remote->client, &reply);
    if (status != KVS_OK && status != KVS_SERVER)
        return status;
    uint64_t number = remote->numbers[remote->first];
    remote->first = (remote->first + 1) % WINDOW;
    remote->count--;
    if (status == KVS_SERVER) {
        if (remote->sink.refused != NULL)
            remote->sink.refused(remote->sink.refused_ctx, number, kvs_error());
        return KVS_OK;
    }
    if (reply->type != KVS_REPLY_STATUS)
        return fail(KVS_PROTOCOL, 0, "SET was answered with something else than OK");
    remote->sink.stored++;
    remote->sink.stored_number = number;
    return KVS_OK;
}

static enum kvs_status read_down_to(struct sink_remote *remote, size_t left)
{
    enum kvs_status status = KVS_OK;
    while (status == KVS_OK && remote->count > left)
        status = read_answer(remote);
    return status;
}

/* One more request is under way. */
static enum kvs_status sent(struct sink_remote *remote, uint64_t number)
{
    remote->numbers[(remote->first + remote->count) % WINDOW] = number;
    remote->count++;
    return remote->count < WINDOW ? KVS_OK : read_down_to(remote, WINDOW / 2);
}

static enum kvs_status remote_put(struct sink *sink, const struct record *record)
{
    struct sink_remote *remote = remote_of(sink);
    char digits[NUMBER_I64_CHARS];
    struct kvs_bytes args[] = { BYTES("SET"), record->key, record->value, BYTES("PXAT"),
                                bytes_of(digits, number_print_i64(record->expire_ms, digits)) };
    enum kvs_status status =
        kvs_client_append(remote->client, args, record->expire_ms != 0 ? 5 : 3);
    return status == KVS_OK ? sent(remote, record->number) : status;
}

static enum kvs_status remote_large_begin(struct sink *sink, const struct record *record)
{
    struct kvs_client *client = remote_of(sink)->client;
    enum kvs_status status = kvs_client_begin(client, record->may_expire ? 5 : 3);
    if (status == KVS_OK)
        status = kvs_client_arg(client, BYTES("SET"));
    if (status == KVS_OK)
        status = kvs_client_arg(client, record->key);
    return status == KVS_OK ? kvs_client_arg_begin(client, record->value_bytes) : status;
}

static enum kvs_status remote_large_bytes(struct sink *sink, struct kvs_bytes piece)
{
    return kvs_client_arg_bytes(remote_of(sink)->client, piece);
}

static enum kvs_status remote_large_end(struct sink *sink, const struct record *record)
{
    struct sink_remote *remote = remote_of(sink);
    enum kvs_status status = KVS_OK;
    if (record->may_expire) {
        char digits[NUMBER_I64_CHARS];
        status = kvs_client_arg(remote->client, BYTES("PXAT"));
        if (status == KVS_OK)
            status = kvs_client_arg(remote->client,
                                    bytes_of(digits, number_print_i64(record->expire_ms, digits)));
    }
    return status == KVS_OK ? sent(remote, record->number) : status;
}

/* The request stays incomplete, and the connection of no further use. */
static void remote_large_abort(struct sink *sink)
{
    (void)sink;
}

static enum kvs_status remote_flush(struct sink *sink)
{
    return read_down_to(remote_of(sink), 0);
}

static void remote_free(struct sink *sink)
{
    free(remote_of(sink));
}

static const struct sink_ops remote_ops = {
    .put = remote_put,
    .large_begin = remote_large_begin,
    .large_bytes = remote_large_bytes,
    .large_end = remote_large_end,
    .large_abort = remote_large_abort,
    .flush = remote_flush,
    .free = remote_free,
};

enum kvs_status sink_remote_new(struct kvs_client *client, struct sink **ret)
{
    struct sink_remote *remote = calloc(1, sizeof *remote);
    if (remote == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "import");
    remote->sink.ops = &remote_ops;
    remote->client = client;
    *ret = &remote->sink;
    return KVS_OK;
}
