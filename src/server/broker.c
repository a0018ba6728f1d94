/*
 * broker.c - channels, patterns, subscriptions; publishing and delivering.
 *
 * A topic is a channel, a pattern or a shard channel that somebody listens to. It has a list of its subscriptions per loop, and is alive
 * while it has subscriptions or a message on its way refers to it. A subscription is in three places: its topic's list, its session's
 * list and the table by (topic, session).
 *
 * Delivering. The loop takes the sessions to deliver to out of the topic under the lock and lets go of it before it writes to them: they
 * are its own sessions, which only it can free. A subscription remembers the number of the last message published before it, so a
 * message that was already on its way is not delivered to it.
 */
#include "server/broker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/glob.h"
#include "base/hash.h"
#include "io/random.h"
#include "server/push.h"
#include "server/state.h"

enum {
    SUBSCRIBER_BYTES_MAX = 64 * 1024 * 1024 /* of one client's subscriptions */
};

struct topic {
    struct chain_node node; /* of broker->topics */
    struct list_node pattern;
    enum host_topic kind;
    size_t refs;  /* messages on their way */
    size_t count; /* subscriptions */
    size_t name_bytes;
    char *name; /* behind the lists */
    struct list_node by_reactor[];
};

struct subscription {
    struct chain_node node;      /* of broker->subscriptions */
    struct list_node in_topic;   /* of topic->by_reactor[] */
    struct list_node in_session; /* of subscriber->of_kind[] */
    struct topic *topic;
    struct session *session;
    uint64_t seq;
};

/* What was published, once for all loops. */
struct message {
    atomic_uint refs;
    enum host_topic kind;
    uint64_t seq;
    uint64_t position;
    size_t channel_bytes;
    size_t payload_bytes;
    char bytes[];
};

struct message_mail {
    struct mail mail;
    struct broker *broker;
    struct message *message;
    size_t topic_count;
    struct topic *topics[];
};

/* ---- Life ---- */

enum kvs_status broker_init(struct broker *broker)
{
    *broker = (struct broker){ 0 };
    mutex_init(&broker->mu);
    list_init(&broker->patterns);
    enum kvs_status status = chain_init(&broker->topics);
    return status == KVS_OK ? chain_init(&broker->subscriptions) : status;
}

void broker_done(struct broker *broker)
{
    chain_done(&broker->topics);
    chain_done(&broker->subscriptions);
    mutex_done(&broker->mu);
}

void subscriber_init(struct subscriber *subscriber)
{
    *subscriber = (struct subscriber){ 0 };
    for (int kind = 0; kind < HOST_TOPICS; kind++)
        list_init(&subscriber->of_kind[kind]);
}

/* ---- Topics ---- */

static uint64_t topic_hash(enum host_topic kind, struct kvs_bytes name)
{
    static _Atomic uint64_t seed;
    /* relaxed: whoever comes first sets it, the others take that */
    uint64_t now = atomic_load_explicit(&seed, memory_order_relaxed);
    if (now == 0) {
        uint64_t fresh = random_system_u64() | 1;
        now = atomic_compare_exchange_strong_explicit(&seed, &now, fresh, memory_order_relaxed,
                                                      memory_order_relaxed)
                  ? fresh
                  : now;
    }
    return hash_bytes(name, now + (uint64_t)kind);
}

static struct kvs_bytes topic_name(const struct topic *topic)
{
    return bytes_of(topic->name, topic->name_bytes);
}

static struct topic *topic_of(struct chain_node *node)
{
    return list_member(node, struct topic, node);
}

static struct topic *find_topic(struct broker *broker, enum host_topic kind, struct kvs_bytes name)
    REQUIRES(&broker->mu)
{
    for (struct chain_node *node = chain_first(&broker->topics, topic_hash(kind, name));
         node != NULL; node = chain_next(node)) {
        struct topic *topic = topic_of(node);
        if (topic->kind == kind && bytes_equal(topic_name(topic), name))
            return topic;
    }
    return NULL;
}

/* relaxed, both: figures, and a shortcut that may be taken late by a publisher that runs beside the subscribing */
static void count_topic(struct broker *broker, enum host_topic kind, size_t more)
{
    atomic_fetch_add_explicit(&broker->topic_count, more, memory_order_relaxed);
    atomic_fetch_add_explicit(&broker->counts[kind], more, memory_order_relaxed);
}

static struct topic *topic_new(struct broker *broker, enum host_topic kind, struct kvs_bytes name)
    REQUIRES(&broker->mu)
{
    struct topic *topic =
        calloc(1, sizeof *topic + broker->reactor_count * sizeof *topic->by_reactor + name.len);
    if (topic == NULL)
        return NULL;
    for (unsigned i = 0; i < broker->reactor_count; i++)
        list_init(&topic->by_reactor[i]);
    list_init(&topic->pattern);
    topic->kind = kind;
    topic->name = (char *)(topic->by_reactor + broker->reactor_count);
    topic->name_bytes = name.len;
    if (name.len != 0)
        memcpy(topic->name, name.data, name.len);
    chain_add(&broker->topics, &topic->node, topic_hash(kind, name));
    if (kind == HOST_PATTERN)
        list_append(&broker->patterns, &topic->pattern);
    count_topic(broker, kind, 1);
    return topic;
}

/* A topic without subscriptions can no longer be found; messages on their way may keep its memory. */
static void topic_retire(struct broker *broker, struct topic *topic) REQUIRES(&broker->mu)
{
    chain_remove(&broker->topics, &topic->node);
    list_remove(&topic->pattern);
    count_topic(broker, topic->kind, (size_t)-1);
    if (topic->refs == 0)
        free(topic);
}

static void topic_unref(struct topic *topic)
{
    topic->refs--;
    if (topic->refs == 0 && topic->count == 0)
        free(topic);
}

/* ---- Subscriptions ---- */

static uint64_t pair_hash(const struct topic *topic, const struct session *session)
{
    return hash_u64((uintptr_t)topic ^ hash_u64((uintptr_t)session));
}

static struct subscription *find_subscription(struct broker *broker, const struct topic *topic,
                                              const struct session *session) REQUIRES(&broker->mu)
{
    for (struct chain_node *node = chain_first(&broker->subscriptions, pair_hash(topic, session));
         node != NULL; node = chain_next(node)) {
        struct subscription *subscription = list_member(node, struct subscription, node);
        if (subscription->topic == topic && subscription->session == session)
            return subscription;
    }
    return NULL;
}

static void show_count(struct session *session, enum host_topic kind)
{
    /* relaxed: a figure for CLIENT LIST; the session's own commands run after one another */
    atomic_store_explicit(&session->client.topic_counts[kind],
                          (unsigned)session->subscriber.counts[kind], memory_order_relaxed);
}

static size_t subscription_bytes(const struct topic *topic)
{
    return sizeof(struct subscription) + sizeof *topic + topic->name_bytes;
}

static enum kvs_status subscribe(struct broker *broker, struct session *session,
                                 enum host_topic kind, struct kvs_bytes name) REQUIRES(&broker->mu)
{
    struct topic *topic = find_topic(broker, kind, name);
    if (topic != NULL && find_subscription(broker, topic, session) != NULL)
        return KVS_OK;
    if (session->subscriber.bytes + sizeof(struct subscription) + sizeof *topic + name.len >
        SUBSCRIBER_BYTES_MAX)
        return fail(KVS_OVER_BUDGET, 0, "more than %d bytes of subscriptions",
                    SUBSCRIBER_BYTES_MAX);
    struct subscription *subscription = calloc(1, sizeof *subscription);
    if (subscription != NULL && topic == NULL)
        topic = topic_new(broker, kind, name);
    if (subscription == NULL || topic == NULL) {
        free(subscription);
        return fail(KVS_NO_MEMORY, ENOMEM, "a subscription");
    }
    *subscription = (struct subscription){
        .topic = topic,
        .session = session,
        .seq = broker->seq,
    };
    chain_add(&broker->subscriptions, &subscription->node, pair_hash(topic, session));
    list_append(&topic->by_reactor[session->reactor->index], &subscription->in_topic);
    list_append(&session->subscriber.of_kind[kind], &subscription->in_session);
    topic->count++;
    session->subscriber.counts[kind]++;
    session->subscriber.bytes += subscription_bytes(topic);
    show_count(session, kind);
    return KVS_OK;
}

static void unsubscribe(struct broker *broker, struct subscription *subscription)
    REQUIRES(&broker->mu)
{
    struct topic *topic = subscription->topic;
    struct session *session = subscription->session;
    chain_remove(&broker->subscriptions, &subscription->node);
    list_remove(&subscription->in_topic);
    list_remove(&subscription->in_session);
    session->subscriber.counts[topic->kind]--;
    session->subscriber.bytes -= subscription_bytes(topic);
    show_count(session, topic->kind);
    free(subscription);
    topic->count--;
    if (topic->count == 0)
        topic_retire(broker, topic);
}

enum kvs_status broker_subscribe(struct broker *broker, struct session *session,
                                 enum host_topic kind, struct kvs_bytes name)
{
    mutex_lock(&broker->mu);
    enum kvs_status status = subscribe(broker, session, kind, name);
    mutex_unlock(&broker->mu);
    return status;
}

void broker_unsubscribe(struct broker *broker, struct session *session, enum host_topic kind,
                        struct kvs_bytes name)
{
    mutex_lock(&broker->mu);
    struct topic *topic = find_topic(broker, kind, name);
    struct subscription *subscription =
        topic != NULL ? find_subscription(broker, topic, session) : NULL;
    if (subscription != NULL)
        unsubscribe(broker, subscription);
    mutex_unlock(&broker->mu);
}

void broker_forget(struct broker *broker, struct session *session)
{
    mutex_lock(&broker->mu);
    for (int kind = 0; kind < HOST_TOPICS; kind++) {
        struct list_node *list = &session->subscriber.of_kind[kind];
        while (!list_empty(list))
            unsubscribe(broker, list_member(list->next, struct subscription, in_session));
    }
    mutex_unlock(&broker->mu);
}

void broker_each(struct broker *broker, struct session *session, enum host_topic kind,
                 host_name_fn *fn, void *ctx)
{
    struct list_node *list = &session->subscriber.of_kind[kind];
    mutex_lock(&broker->mu);
    for (struct list_node *node = list->next; node != list; node = node->next)
        fn(ctx, topic_name(list_member(node, struct subscription, in_session)->topic));
    mutex_unlock(&broker->mu);
}

/* ---- Delivering ---- */

static void message_unref(struct message *message)
{
    /* acq_rel: the last one frees what all have read. pairs with: itself */
    if (atomic_fetch_sub_explicit(&message->refs, 1, memory_order_acq_rel) == 1)
        free(message);
}

static void mail_free(struct message_mail *mail)
{
    mutex_lock(&mail->broker->mu);
    for (size_t i = 0; i < mail->topic_count; i++)
        topic_unref(mail->topics[i]);
    mutex_unlock(&mail->broker->mu);
    message_unref(mail->message);
    free(mail);
}

static void mail_drop(struct mail *mail)
{
    mail_free((struct message_mail *)mail);
}

static void push_message(struct session *session, const struct topic *topic,
                         const struct message *message)
{
    struct push push;
    if (!push_begin(&push, session))
        return;
    struct kvs_bytes channel = bytes_of(message->bytes, message->channel_bytes);
    if (topic->kind == HOST_PATTERN) {
        reply_push(push.reply, 4);
        reply_bulk_str(push.reply, "pmessage");
        reply_bulk(push.reply, topic_name(topic));
    } else {
        reply_push(push.reply, 3);
        reply_bulk_str(push.reply, topic->kind == HOST_SHARD ? "smessage" : "message");
    }
    reply_bulk(push.reply, channel);
    reply_bulk(push.reply,
               bytes_of(message->bytes + message->channel_bytes, message->payload_bytes));
    push_end(&push, message->position);
}

/* Room for @count sessions in the loop's list of targets. */
static bool targets_reserve(struct reactor *reactor, size_t count)
{
    if (count <= reactor->target_capacity)
        return true;
    struct session **more = reallocarray(reactor->targets, count, sizeof *more);
    if (more == NULL)
        return false;
    reactor->targets = more;
    reactor->target_capacity = count;
    return true;
}

/* The sessions of @reactor that @message is for because of @topic go to reactor->targets. */
static size_t take_targets(struct broker *broker, struct reactor *reactor,
                           const struct topic *topic, const struct message *message)
{
    size_t count = 0;
    mutex_lock(&broker->mu);
    const struct list_node *list = &topic->by_reactor[reactor->index];
    bool fits = targets_reserve(reactor, topic->count);
    for (struct list_node *node = list->next; fits && node != list; node = node->next) {
        struct subscription *subscription = list_member(node, struct subscription, in_topic);
        if (subscription->seq < message->seq)
            reactor->targets[count++] = subscription->session;
    }
    mutex_unlock(&broker->mu);
    if (!fits)
        mailbox_lose(&reactor->mailbox);
    return count;
}

static void deliver(struct reactor *reactor, struct mail *mail)
{
    struct message_mail *own = (struct message_mail *)mail;
    for (size_t t = 0; t < own->topic_count; t++) {
        size_t count = take_targets(own->broker, reactor, own->topics[t], own->message);
        for (size_t i = 0; i < count; i++)
            push_message(reactor->targets[i], own->topics[t], own->message);
    }
    mail_free(own);
}

/* ---- Publishing ---- */

static struct message *message_new(struct broker *broker, enum host_topic kind,
                                   struct kvs_bytes channel, struct kvs_bytes payload,
                                   uint64_t position) REQUIRES(&broker->mu)
{
    struct message *message = malloc(sizeof *message + channel.len + payload.len);
    if (message == NULL)
        return NULL;
    atomic_init(&message->refs, 1);
    message->kind = kind;
    message->seq = ++broker->seq;
    message->position = position;
    message->channel_bytes = channel.len;
    message->payload_bytes = payload.len;
    if (channel.len != 0)
        memcpy(message->bytes, channel.data, channel.len);
    if (payload.len != 0)
        memcpy(message->bytes + channel.len, payload.data, payload.len);
    return message;
}

/* The topics that hear of @channel: calls @fn for each and adds their subscriptions up. */
typedef void topic_fn(void *ctx, struct topic *topic);

static uint64_t each_topic(struct broker *broker, enum host_topic kind, struct kvs_bytes channel,
                           topic_fn *fn, void *ctx) REQUIRES(&broker->mu)
{
    uint64_t receivers = 0;
    struct topic *topic = find_topic(broker, kind, channel);
    if (topic != NULL) {
        receivers += topic->count;
        if (fn != NULL)
            fn(ctx, topic);
    }
    if (kind == HOST_SHARD)
        return receivers;
    for (struct list_node *node = broker->patterns.next; node != &broker->patterns;
         node = node->next) {
        topic = list_member(node, struct topic, pattern);
        if (!glob_match(topic_name(topic), channel, false))
            continue;
        receivers += topic->count;
        if (fn != NULL)
            fn(ctx, topic);
    }
    return receivers;
}

struct hearing {
    struct topic **topics;
    size_t count;
    size_t capacity;
    bool failed;
};

static void hear(void *ctx, struct topic *topic)
{
    struct hearing *hearing = ctx;
    if (hearing->count == hearing->capacity) {
        size_t capacity = hearing->capacity == 0 ? 8 : hearing->capacity * 2;
        struct topic **more = reallocarray(hearing->topics, capacity, sizeof *more);
        if (more == NULL) {
            hearing->failed = true;
            return;
        }
        hearing->topics = more;
        hearing->capacity = capacity;
    }
    hearing->topics[hearing->count++] = topic;
}

/* Puts the message into one loop's box, if anybody there hears it. Without memory its listeners are told by closing them. */
static void put(struct broker *broker, struct reactor *reactor, const struct hearing *hearing,
                struct message *message) REQUIRES(&broker->mu)
{
    size_t count = 0;
    for (size_t i = 0; i < hearing->count; i++)
        count += !list_empty(&hearing->topics[i]->by_reactor[reactor->index]);
    if (count == 0)
        return;
    struct message_mail *mail = malloc(sizeof *mail + count * sizeof *mail->topics);
    if (mail == NULL) {
        mailbox_lose(&reactor->mailbox);
        return;
    }
    *mail = (struct message_mail){
        .mail = { .deliver = deliver,
                  .drop = mail_drop,
                  .bytes = sizeof *mail + count * sizeof *mail->topics + sizeof *message +
                           message->channel_bytes + message->payload_bytes },
        .broker = broker,
        .message = message,
    };
    for (size_t i = 0; i < hearing->count; i++) {
        if (list_empty(&hearing->topics[i]->by_reactor[reactor->index]))
            continue;
        hearing->topics[i]->refs++;
        mail->topics[mail->topic_count++] = hearing->topics[i];
    }
    /* relaxed: the box's lock hands it over */
    atomic_fetch_add_explicit(&message->refs, 1, memory_order_relaxed);
    if (mailbox_put(&reactor->mailbox, &mail->mail))
        return;
    for (size_t i = 0; i < mail->topic_count; i++)
        mail->topics[i]->refs--; /* it has subscriptions, so it stays */
    message_unref(message);      /* not the last: the publisher has one */
    free(mail);
}

uint64_t broker_publish(struct broker *broker, enum host_topic kind, struct kvs_bytes channel,
                        struct kvs_bytes payload, uint64_t position)
{
    /* relaxed: a subscription that is answered happened before; see count_topic() */
    if (atomic_load_explicit(&broker->topic_count, memory_order_relaxed) == 0)
        return 0;
    struct hearing hearing = { 0 };
    mutex_lock(&broker->mu);
    uint64_t receivers = each_topic(broker, kind, channel, hear, &hearing);
    if (hearing.failed) {
        for (unsigned i = 0; i < broker->reactor_count; i++)
            mailbox_lose(&broker->reactors[i].mailbox);
    }
    struct message *message =
        hearing.count != 0 ? message_new(broker, kind, channel, payload, position) : NULL;
    for (unsigned i = 0; message != NULL && i < broker->reactor_count; i++)
        put(broker, &broker->reactors[i], &hearing, message);
    mutex_unlock(&broker->mu);
    if (message != NULL)
        message_unref(message);
    free(hearing.topics);
    return receivers;
}

uint64_t broker_receivers(struct broker *broker, enum host_topic kind, struct kvs_bytes channel)
{
    mutex_lock(&broker->mu);
    uint64_t receivers = each_topic(broker, kind, channel, NULL, NULL);
    mutex_unlock(&broker->mu);
    return receivers;
}

bool broker_has_room(struct broker *broker)
{
    for (unsigned i = 0; i < broker->reactor_count; i++)
        if (!mailbox_has_room(&broker->reactors[i].mailbox))
            return false;
    return true;
}

void broker_await_room(struct broker *broker)
{
    for (unsigned i = 0; i < broker->reactor_count; i++)
        mailbox_await(&broker->reactors[i].mailbox);
}

/* ---- Asking ---- */

void broker_list(struct broker *broker, enum host_topic kind, struct kvs_bytes pattern,
                 host_name_fn *fn, void *ctx)
{
    struct chain_walk walk = { 0 };
    struct chain_node *node;
    mutex_lock(&broker->mu);
    while ((node = chain_walk(&broker->topics, &walk)) != NULL) {
        struct topic *topic = topic_of(node);
        if (topic->kind == kind &&
            (pattern.data == NULL || glob_match(pattern, topic_name(topic), false)))
            fn(ctx, topic_name(topic));
    }
    mutex_unlock(&broker->mu);
}

uint64_t broker_subscribers(struct broker *broker, enum host_topic kind, struct kvs_bytes name)
{
    mutex_lock(&broker->mu);
    struct topic *topic = find_topic(broker, kind, name);
    uint64_t count = topic != NULL ? topic->count : 0;
    mutex_unlock(&broker->mu);
    return count;
}

size_t broker_count(const struct broker *broker, enum host_topic kind)
{
    /* relaxed: a figure */
    return atomic_load_explicit(&broker->counts[kind], memory_order_relaxed);
}
