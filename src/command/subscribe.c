/*
 * subscribe.c - SUBSCRIBE, PUBLISH, PUBSUB and their kin.
 *
 * A client that has subscribed and speaks RESP2 gets messages in between its answers, so it may run only what cannot be mistaken for
 * one; run.c sees to that. In RESP3 messages are pushes, and there is no such limit.
 *
 * Inside EXEC a message leaves when the transaction has been committed (events.c); its number of receivers is that of the run.
 */
#include "command/subscribe.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "command/connection.h"
#include "command/events.h"
#include "command/families.h"

enum {
    NAMES_BYTES_MAX = 256 * 1024 * 1024
};

/* ---- Subscribing ---- */

static uint64_t topics_of(const struct client *client, enum host_topic kind)
{
    /* relaxed: the client's own commands change it */
    return atomic_load_explicit(&client->topic_counts[kind], memory_order_relaxed);
}

/* What is answered: channels and patterns are counted together. */
static int64_t shown_count(const struct client *client, enum host_topic kind)
{
    if (kind == HOST_SHARD)
        return (int64_t)topics_of(client, HOST_SHARD);
    return (int64_t)(topics_of(client, HOST_CHANNEL) + topics_of(client, HOST_PATTERN));
}

static void note_subscribed(struct client *client)
{
    uint64_t all = topics_of(client, HOST_CHANNEL) + topics_of(client, HOST_PATTERN) +
                   topics_of(client, HOST_SHARD);
    if (all != 0)
        client_mark(client, CLIENT_SUBSCRIBED);
    else
        client_unmark(client, CLIENT_SUBSCRIBED);
}

static enum kvs_status subscribe_all(struct command_ctx *ctx, enum host_topic kind,
                                     const char *word)
{
    if (ctx->host == NULL || ctx->host->subscribe == NULL)
        return connection_unavailable(ctx);
    for (size_t i = 1; i < ctx->request->count; i++) {
        enum kvs_status status =
            ctx->host->subscribe(ctx->host->ctx, ctx->client, kind, command_arg(ctx, i));
        note_subscribed(ctx->client);
        if (status != KVS_OK) {
            reply_failure(ctx->reply, status);
            return KVS_OK;
        }
        reply_push(ctx->reply, 3);
        reply_bulk_str(ctx->reply, word);
        reply_bulk(ctx->reply, command_arg(ctx, i));
        reply_integer(ctx->reply, shown_count(ctx->client, kind));
    }
    return KVS_OK;
}

enum kvs_status cmd_subscribe(struct command_ctx *ctx)
{
    return subscribe_all(ctx, HOST_CHANNEL, "subscribe");
}

enum kvs_status cmd_psubscribe(struct command_ctx *ctx)
{
    return subscribe_all(ctx, HOST_PATTERN, "psubscribe");
}

enum kvs_status cmd_ssubscribe(struct command_ctx *ctx)
{
    return subscribe_all(ctx, HOST_SHARD, "ssubscribe");
}

/* Names, one after the other in one buffer: a list that may be walked while the host changes its own. */
struct names {
    struct buf bytes;
    size_t *ends;
    size_t count;
    size_t capacity;
    enum kvs_status failed;
};

static void names_init(struct names *names)
{
    *names = (struct names){ .failed = KVS_OK };
    buf_init(&names->bytes, NAMES_BYTES_MAX);
}

static void names_done(struct names *names)
{
    buf_done(&names->bytes);
    free(names->ends);
}

static void names_add(void *ctx, struct kvs_bytes name)
{
    struct names *names = ctx;
    if (names->count == names->capacity) {
        size_t capacity = names->capacity == 0 ? 16 : names->capacity * 2;
        size_t *ends = reallocarray(names->ends, capacity, sizeof *ends);
        if (ends == NULL) {
            names->failed = KVS_NO_MEMORY;
            return;
        }
        names->ends = ends;
        names->capacity = capacity;
    }
    buf_append_bytes(&names->bytes, name);
    if (names->bytes.failed != KVS_OK)
        names->failed = names->bytes.failed;
    names->ends[names->count++] = names->bytes.len;
}

static struct kvs_bytes names_at(const struct names *names, size_t i)
{
    size_t begin = i == 0 ? 0 : names->ends[i - 1];
    return bytes_of(names->bytes.data + begin, names->ends[i] - begin);
}

static enum kvs_status names_failed(const struct names *names)
{
    return fail(names->failed, 0, "a list of more than %d bytes of names", NAMES_BYTES_MAX);
}

static void unsubscribe_one(struct command_ctx *ctx, enum host_topic kind, const char *word,
                            struct kvs_bytes name)
{
    ctx->host->unsubscribe(ctx->host->ctx, ctx->client, kind, name);
    reply_push(ctx->reply, 3);
    reply_bulk_str(ctx->reply, word);
    reply_bulk(ctx->reply, name);
    reply_integer(ctx->reply, shown_count(ctx->client, kind));
}

static enum kvs_status unsubscribe_all(struct command_ctx *ctx, enum host_topic kind,
                                       const char *word)
{
    if (ctx->host == NULL || ctx->host->unsubscribe == NULL || ctx->host->subscriptions == NULL)
        return connection_unavailable(ctx);
    for (size_t i = 1; i < ctx->request->count; i++)
        unsubscribe_one(ctx, kind, word, command_arg(ctx, i));
    if (ctx->request->count == 1) {
        struct names names;
        names_init(&names);
        ctx->host->subscriptions(ctx->host->ctx, ctx->client, kind, names_add, &names);
        enum kvs_status status = names.failed != KVS_OK ? names_failed(&names) : KVS_OK;
        for (size_t i = 0; status == KVS_OK && i < names.count; i++)
            unsubscribe_one(ctx, kind, word, names_at(&names, i));
        if (status == KVS_OK && names.count == 0) {
            reply_push(ctx->reply, 3);
            reply_bulk_str(ctx->reply, word);
            reply_null(ctx->reply);
            reply_integer(ctx->reply, shown_count(ctx->client, kind));
        }
        names_done(&names);
        if (status != KVS_OK)
            return status;
    }
    note_subscribed(ctx->client);
    return KVS_OK;
}

enum kvs_status cmd_unsubscribe(struct command_ctx *ctx)
{
    return unsubscribe_all(ctx, HOST_CHANNEL, "unsubscribe");
}

enum kvs_status cmd_punsubscribe(struct command_ctx *ctx)
{
    return unsubscribe_all(ctx, HOST_PATTERN, "punsubscribe");
}

enum kvs_status cmd_sunsubscribe(struct command_ctx *ctx)
{
    return unsubscribe_all(ctx, HOST_SHARD, "sunsubscribe");
}

void subscribe_reset(struct command_ctx *ctx)
{
    if (!client_is(ctx->client, CLIENT_SUBSCRIBED) || ctx->host == NULL)
        return;
    for (enum host_topic kind = 0; kind < HOST_TOPICS; kind++) {
        struct names names;
        names_init(&names);
        ctx->host->subscriptions(ctx->host->ctx, ctx->client, kind, names_add, &names);
        for (size_t i = 0; i < names.count; i++)
            ctx->host->unsubscribe(ctx->host->ctx, ctx->client, kind, names_at(&names, i));
        names_done(&names);
    }
    note_subscribed(ctx->client);
}

/* ---- Publishing ---- */

static enum kvs_status publish(struct command_ctx *ctx, enum host_topic kind)
{
    if (ctx->host == NULL || ctx->host->publish == NULL)
        return connection_unavailable(ctx);
    struct kvs_bytes channel = command_arg(ctx, 1);
    struct kvs_bytes payload = command_arg(ctx, 2);
    uint64_t receivers = 0;
    if (ctx->in_exec) {
        receivers = ctx->host->receivers(ctx->host->ctx, kind, channel);
        if (receivers != 0) {
            enum kvs_status status = events_publish(ctx, kind, channel, payload);
            if (status != KVS_OK)
                return status;
        }
    } else {
        enum kvs_status status = ctx->host->publish(
            ctx->host->ctx, kind, channel, payload, 0,
            ctx->may_wait ? HOST_PRESSURE_WAIT : HOST_PRESSURE_REFUSE, &receivers);
        if (status != KVS_OK)
            return status;
    }
    reply_integer(ctx->reply, (int64_t)receivers);
    return KVS_OK;
}

enum kvs_status cmd_publish(struct command_ctx *ctx)
{
    return publish(ctx, HOST_CHANNEL);
}

enum kvs_status cmd_spublish(struct command_ctx *ctx)
{
    return publish(ctx, HOST_SHARD);
}

/* ---- PUBSUB ---- */

static enum kvs_status reply_channels(struct command_ctx *ctx, enum host_topic kind)
{
    if (ctx->host == NULL || ctx->host->channels == NULL)
        return connection_unavailable(ctx);
    if (ctx->request->count > 3) {
        reply_error(ctx->reply,
                    "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try PUBSUB "
                    "HELP.",
                    command_arg(ctx, 1).len < 128 ? (int)command_arg(ctx, 1).len : 128,
                    (const char *)command_arg(ctx, 1).data);
        return KVS_OK;
    }
    struct kvs_bytes pattern = { NULL, 0 };
    if (ctx->request->count == 3)
        pattern = command_arg(ctx, 2).len != 0 ? command_arg(ctx, 2) : BYTES("");
    struct names names;
    names_init(&names);
    ctx->host->channels(ctx->host->ctx, kind, pattern, names_add, &names);
    enum kvs_status status = names.failed != KVS_OK ? names_failed(&names) : KVS_OK;
    if (status == KVS_OK) {
        reply_array(ctx->reply, names.count);
        for (size_t i = 0; i < names.count; i++)
            reply_bulk(ctx->reply, names_at(&names, i));
    }
    names_done(&names);
    return status;
}

static enum kvs_status reply_numbers(struct command_ctx *ctx, enum host_topic kind)
{
    if (ctx->host == NULL || ctx->host->subscribers == NULL)
        return connection_unavailable(ctx);
    reply_array(ctx->reply, (ctx->request->count - 2) * 2);
    for (size_t i = 2; i < ctx->request->count; i++) {
        reply_bulk(ctx->reply, command_arg(ctx, i));
        reply_integer(ctx->reply,
                      (int64_t)ctx->host->subscribers(ctx->host->ctx, kind, command_arg(ctx, i)));
    }
    return KVS_OK;
}

enum kvs_status cmd_pubsub_channels(struct command_ctx *ctx)
{
    return reply_channels(ctx, HOST_CHANNEL);
}

enum kvs_status cmd_pubsub_shardchannels(struct command_ctx *ctx)
{
    return reply_channels(ctx, HOST_SHARD);
}

enum kvs_status cmd_pubsub_numsub(struct command_ctx *ctx)
{
    return reply_numbers(ctx, HOST_CHANNEL);
}

enum kvs_status cmd_pubsub_shardnumsub(struct command_ctx *ctx)
{
    return reply_numbers(ctx, HOST_SHARD);
}

enum kvs_status cmd_pubsub_numpat(struct command_ctx *ctx)
{
    if (ctx->host == NULL || ctx->host->topic_count == NULL)
        return connection_unavailable(ctx);
    reply_integer(ctx->reply, (int64_t)ctx->host->topic_count(ctx->host->ctx, HOST_PATTERN));
    return KVS_OK;
}

enum kvs_status cmd_pubsub_help(struct command_ctx *ctx)
{
    return connection_help(ctx, "PUBSUB");
}
