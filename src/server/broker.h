/*
 * broker.h - who listens to which channels, and the way of a message to them.
 *
 * One lock makes one order: whatever is published goes into the boxes of all loops that have listeners under it, so every subscriber sees
 * all messages in the same order. A loop delivers to its own sessions only, to those that had subscribed when the message was published.
 *
 * Thread: any, unless said otherwise.
 */
#ifndef SERVER_BROKER_H
#define SERVER_BROKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "command/host.h"
#include "concurrent/mutex.h"
#include "server/chain.h"
#include "server/list.h"

struct reactor;
struct session;

struct broker {
    struct mutex mu;
    struct chain topics GUARDED_BY(mu);
    struct chain subscriptions GUARDED_BY(mu);
    struct list_node patterns GUARDED_BY(mu); /* the topics that are patterns */
    uint64_t seq GUARDED_BY(mu);              /* of messages */
    atomic_size_t topic_count;                /* relaxed: 0 spares a publisher the lock */
    atomic_size_t counts[HOST_TOPICS];        /* topics of each kind; relaxed: figures */
    struct reactor *reactors;
    unsigned reactor_count;
};

/* Of one session; guarded by the broker's lock. */
struct subscriber {
    struct list_node of_kind[HOST_TOPICS];
    size_t counts[HOST_TOPICS];
    size_t bytes;
};

KVS_MUST_CHECK enum kvs_status broker_init(struct broker *broker);
void broker_done(struct broker *broker);

void subscriber_init(struct subscriber *subscriber);

/* KVS_OK also when it was subscribed already. KVS_NO_MEMORY; KVS_OVER_BUDGET: one client's limit. */
KVS_MUST_CHECK enum kvs_status broker_subscribe(struct broker *broker, struct session *session,
                                                enum host_topic kind, struct kvs_bytes name);
void broker_unsubscribe(struct broker *broker, struct session *session, enum host_topic kind,
                        struct kvs_bytes name);
void broker_forget(struct broker *broker, struct session *session);

/* Calls @fn with the name of each subscription of one kind; @fn must not call back. */
void broker_each(struct broker *broker, struct session *session, enum host_topic kind,
                 host_name_fn *fn, void *ctx);

/* Sends to all listeners of @channel, patterns too unless it is a shard channel; returns how many there are. @position: what the
 * message depends on, as a reply does. */
uint64_t broker_publish(struct broker *broker, enum host_topic kind, struct kvs_bytes channel,
                        struct kvs_bytes payload, uint64_t position);
uint64_t broker_receivers(struct broker *broker, enum host_topic kind, struct kvs_bytes channel);

/* Do all boxes have room? And: waits for it. */
bool broker_has_room(struct broker *broker);
void broker_await_room(struct broker *broker);

/* Names of the topics of a kind that match @pattern (data NULL: all); subscribers of one; how many topics of a kind. */
void broker_list(struct broker *broker, enum host_topic kind, struct kvs_bytes pattern,
                 host_name_fn *fn, void *ctx);
uint64_t broker_subscribers(struct broker *broker, enum host_topic kind, struct kvs_bytes name);
size_t broker_count(const struct broker *broker, enum host_topic kind);

#endif
