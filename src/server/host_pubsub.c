/*
 * host_pubsub.c - what PUBLISH, SUBSCRIBE and PUBSUB ask of the server.
 */
#include "server/push.h"
#include "server/state.h"

static enum kvs_status subscribe(void *ctx, struct client *client, enum host_topic kind,
                                 struct kvs_bytes name)
{
    struct server *server = ctx;
    return broker_subscribe(&server->broker, session_of_client(client), kind, name);
}

static void unsubscribe(void *ctx, struct client *client, enum host_topic kind,
                        struct kvs_bytes name)
{
    struct server *server = ctx;
    broker_unsubscribe(&server->broker, session_of_client(client), kind, name);
}

static void subscriptions(void *ctx, struct client *client, enum host_topic kind, host_name_fn *fn,
                          void *fn_ctx)
{
    struct server *server = ctx;
    broker_each(&server->broker, session_of_client(client), kind, fn, fn_ctx);
}

static enum kvs_status publish(void *ctx, enum host_topic kind, struct kvs_bytes channel,
                               struct kvs_bytes payload, uint64_t position,
                               enum host_pressure pressure, uint64_t *ret_receivers)
{
    struct server *server = ctx;
    if (pressure != HOST_PRESSURE_IGNORE && !broker_has_room(&server->broker)) {
        if (pressure == HOST_PRESSURE_REFUSE)
            return KVS_WOULD_BLOCK;
        broker_await_room(&server->broker);
    }
    *ret_receivers = broker_publish(&server->broker, kind, channel, payload, position);
    return KVS_OK;
}

static uint64_t receivers(void *ctx, enum host_topic kind, struct kvs_bytes channel)
{
    struct server *server = ctx;
    return broker_receivers(&server->broker, kind, channel);
}

static void channels(void *ctx, enum host_topic kind, struct kvs_bytes pattern, host_name_fn *fn,
                     void *fn_ctx)
{
    struct server *server = ctx;
    broker_list(&server->broker, kind, pattern, fn, fn_ctx);
}

static uint64_t subscribers(void *ctx, enum host_topic kind, struct kvs_bytes name)
{
    struct server *server = ctx;
    return broker_subscribers(&server->broker, kind, name);
}

static uint64_t topic_count(void *ctx, enum host_topic kind)
{
    struct server *server = ctx;
    return broker_count(&server->broker, kind);
}

void host_init_pubsub(struct server *server)
{
    struct host *host = &server->host;
    host->subscribe = subscribe;
    host->unsubscribe = unsubscribe;
    host->subscriptions = subscriptions;
    host->publish = publish;
    host->receivers = receivers;
    host->channels = channels;
    host->subscribers = subscribers;
    host->topic_count = topic_count;
}
