/*
 * keytrack.c - the table of keys that clients hold, and the way of an invalidation.
 *
 * A key's entry goes away with the invalidation it causes; the client is remembered again when it reads the key again. Ids of clients
 * that have left stay in entries until then, and are passed over.
 */
#include "server/keytrack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/hash.h"
#include "server/push.h"
#include "server/state.h"

enum {
    TABLE_BYTES_MAX = 512 * 1024 * 1024
};

struct tracked_key {
    struct chain_node node;
    struct list_node age;
    size_t key_bytes;
    uint64_t *ids; /* rising */
    uint32_t id_count;
    uint32_t id_capacity;
    char key[];
};

struct prefix {
    size_t len;
    char *text;
};

struct tracker {
    struct chain_node node; /* its hash is the mixed id */
    struct list_node broadcast;
    uint64_t id;
    struct host_tracking tracking;
    struct prefix *prefixes;
    size_t prefix_count;
};

/* Keys that changed, for one client; no key: all of them. */
struct invalidation {
    struct mail mail;
    uint64_t target; /* the client that is told */
    uint64_t owner;  /* the client whose cache it is */
    bool broken;     /* tells that the redirection leads nowhere */
    bool has_key;
    uint64_t position;
    size_t key_bytes;
    char key[];
};

enum kvs_status keytrack_init(struct keytrack *keytrack, struct server *server)
{
    *keytrack = (struct keytrack){ .server = server };
    mutex_init(&keytrack->mu);
    list_init(&keytrack->by_age);
    list_init(&keytrack->broadcast);
    enum kvs_status status = chain_init(&keytrack->keys);
    return status == KVS_OK ? chain_init(&keytrack->trackers) : status;
}

/* ---- Trackers ---- */

static struct tracker *find_tracker(struct keytrack *keytrack, uint64_t id) REQUIRES(&keytrack->mu)
{
    struct chain_node *node = chain_first(&keytrack->trackers, hash_u64(id)); /* bijective */
    return node != NULL ? list_member(node, struct tracker, node) : NULL;
}

static void tracker_free(struct tracker *tracker)
{
    for (size_t i = 0; i < tracker->prefix_count; i++)
        free(tracker->prefixes[i].text);
    free(tracker->prefixes);
    free(tracker);
}

static enum kvs_status add_prefix(struct tracker *tracker, struct kvs_bytes text)
{
    struct prefix *more = reallocarray(tracker->prefixes, tracker->prefix_count + 1, sizeof *more);
    if (more == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "prefixes");
    tracker->prefixes = more;
    char *copy = malloc(text.len + 1);
    if (copy == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "prefixes");
    if (text.len != 0)
        memcpy(copy, text.data, text.len);
    size_t at = tracker->prefix_count++;
    for (; at > 0; at--) { /* in order, as TRACKINGINFO shows them */
        const struct prefix *before = &tracker->prefixes[at - 1];
        if (bytes_compare(bytes_of(before->text, before->len), text) <= 0)
            break;
        tracker->prefixes[at] = *before;
    }
    tracker->prefixes[at] = (struct prefix){ text.len, copy };
    return KVS_OK;
}

static enum kvs_status switch_on(struct keytrack *keytrack, uint64_t id,
                                 const struct host_tracking *tracking,
                                 const struct kvs_bytes *prefixes, size_t count)
    REQUIRES(&keytrack->mu)
{
    struct tracker *tracker = find_tracker(keytrack, id);
    if (tracker == NULL) {
        tracker = calloc(1, sizeof *tracker);
        if (tracker == NULL)
            return fail(KVS_NO_MEMORY, ENOMEM, "tracking");
        tracker->id = id;
        list_init(&tracker->broadcast);
        chain_add(&keytrack->trackers, &tracker->node, hash_u64(id));
    }
    tracker->tracking = *tracking;
    if ((tracking->options & HOST_TRACK_BCAST) == 0)
        return KVS_OK;
    if (list_empty(&tracker->broadcast))
        list_append(&keytrack->broadcast, &tracker->broadcast);
    enum kvs_status status = KVS_OK;
    for (size_t i = 0; status == KVS_OK && i < count; i++)
        status = add_prefix(tracker, prefixes[i]);
    if (status == KVS_OK && tracker->prefix_count == 0)
        status = add_prefix(tracker, BYTES(""));
    return status;
}

enum kvs_status keytrack_on(struct keytrack *keytrack, uint64_t id,
                            const struct host_tracking *tracking, const struct kvs_bytes *prefixes,
                            size_t count)
{
    mutex_lock(&keytrack->mu);
    enum kvs_status status = switch_on(keytrack, id, tracking, prefixes, count);
    if (keytrack->trackers.count == 1)
        server_watch(keytrack->server, HOST_WATCHES_KEYS, true);
    mutex_unlock(&keytrack->mu);
    return status;
}

static void drop_key(struct keytrack *keytrack, struct tracked_key *key) REQUIRES(&keytrack->mu)
{
    chain_remove(&keytrack->keys, &key->node);
    list_remove(&key->age);
    keytrack->bytes -= sizeof *key + key->key_bytes + key->id_capacity * sizeof *key->ids;
    keytrack->items -= key->id_count;
    free(key->ids);
    free(key);
}

static void drop_all_keys(struct keytrack *keytrack) REQUIRES(&keytrack->mu)
{
    while (!list_empty(&keytrack->by_age))
        drop_key(keytrack, list_member(keytrack->by_age.next, struct tracked_key, age));
}

void keytrack_off(struct keytrack *keytrack, uint64_t id)
{
    mutex_lock(&keytrack->mu);
    struct tracker *tracker = find_tracker(keytrack, id);
    if (tracker != NULL) {
        chain_remove(&keytrack->trackers, &tracker->node);
        list_remove(&tracker->broadcast);
        tracker_free(tracker);
    }
    if (keytrack->trackers.count == 0) {
        drop_all_keys(keytrack);
        server_watch(keytrack->server, HOST_WATCHES_KEYS, false);
    }
    mutex_unlock(&keytrack->mu);
}

void keytrack_done(struct keytrack *keytrack)
{
    struct chain_walk walk = { 0 };
    struct chain_node *node;
    drop_all_keys(keytrack);
    while ((node = chain_walk(&keytrack->trackers, &walk)) != NULL)
        tracker_free(list_member(node, struct tracker, node));
    chain_done(&keytrack->keys);
    chain_done(&keytrack->trackers);
    mutex_done(&keytrack->mu);
}

bool keytrack_of(struct keytrack *keytrack, uint64_t id, struct host_tracking *ret)
{
    mutex_lock(&keytrack->mu);
    struct tracker *tracker = find_tracker(keytrack, id);
    if (tracker != NULL)
        *ret = tracker->tracking;
    mutex_unlock(&keytrack->mu);
    return tracker != NULL;
}

void keytrack_prefixes(struct keytrack *keytrack, uint64_t id, host_name_fn *fn, void *ctx)
{
    mutex_lock(&keytrack->mu);
    struct tracker *tracker = find_tracker(keytrack, id);
    for (size_t i = 0; tracker != NULL && i < tracker->prefix_count; i++)
        fn(ctx, bytes_of(tracker->prefixes[i].text, tracker->prefixes[i].len));
    mutex_unlock(&keytrack->mu);
}

/* ---- Telling a client ---- */

static void drop_mail(struct mail *mail)
{
    free(mail);
}

static void push_body(struct reply *reply, const struct invalidation *invalidation)
{
    if (!invalidation->has_key) {
        reply_null(reply);
        return;
    }
    reply_array(reply, 1);
    reply_bulk(reply, bytes_of(invalidation->key, invalidation->key_bytes));
}

/* On the loop of the client that is told. */
static void deliver(struct reactor *reactor, struct mail *mail)
{
    struct invalidation *invalidation = (struct invalidation *)mail;
    struct session *session =
        registry_session(&reactor->server->registry, invalidation->target, reactor);
    struct push push;
    if (session == NULL || !push_begin(&push, session)) {
        free(invalidation);
        return;
    }
    /* relaxed: a command that changes it is answered before or behind this push */
    bool resp3 = atomic_load_explicit(&session->client.protocol, memory_order_relaxed) > 2;
    if (invalidation->broken) {
        client_mark(&session->client, CLIENT_BROKEN);
        if (resp3) {
            reply_push(push.reply, 2);
            reply_bulk_str(push.reply, "tracking-redir-broken");
            reply_integer(push.reply, (int64_t)invalidation->owner);
        }
    } else if (resp3) {
        reply_push(push.reply, 2);
        reply_bulk_str(push.reply, "invalidate");
        push_body(push.reply, invalidation);
    } else if (invalidation->target != invalidation->owner &&
               client_is(&session->client, CLIENT_SUBSCRIBED)) {
        reply_push(push.reply, 3);
        reply_bulk_str(push.reply, "message");
        reply_bulk_str(push.reply, "__redis__:invalidate");
        push_body(push.reply, invalidation);
    }
    push_end(&push, invalidation->position);
    free(invalidation);
}

/* Puts one into the box of the loop that @target is on; false: there is no such client. */
static bool post_to(struct keytrack *keytrack, uint64_t target, uint64_t owner, bool broken,
                    const struct kvs_bytes *key, uint64_t position)
{
    struct reactor *reactor = registry_reactor(&keytrack->server->registry, target);
    if (reactor == NULL)
        return false;
    size_t key_bytes = key != NULL ? key->len : 0;
    struct invalidation *invalidation = malloc(sizeof *invalidation + key_bytes);
    if (invalidation == NULL) {
        mailbox_lose(&reactor->mailbox);
        return true;
    }
    *invalidation = (struct invalidation){
        .mail = { .deliver = deliver,
                  .drop = drop_mail,
                  .bytes = sizeof *invalidation + key_bytes },
        .target = target,
        .owner = owner,
        .broken = broken,
        .has_key = key != NULL,
        .position = position,
        .key_bytes = key_bytes,
    };
    if (key_bytes != 0)
        memcpy(invalidation->key, key->data, key_bytes);
    if (!mailbox_put(&reactor->mailbox, &invalidation->mail))
        free(invalidation);
    return true;
}

static void tell(struct keytrack *keytrack, struct tracker *tracker, const struct kvs_bytes *key,
                 uint64_t position) REQUIRES(&keytrack->mu)
{
    uint64_t redirect = tracker->tracking.redirect;
    if (redirect == 0) {
        (void)post_to(keytrack, tracker->id, tracker->id, false, key,
                      position); /* it may have gone */
        return;
    }
    if (post_to(keytrack, redirect, tracker->id, false, key, position))
        return;
    if ((tracker->tracking.options & HOST_TRACK_BROKEN) == 0)
        (void)post_to(keytrack, tracker->id, redirect, true, NULL, 0);
    tracker->tracking.options |= HOST_TRACK_BROKEN;
}

/* ---- Keys ---- */

static uint64_t key_hash(const struct keytrack *keytrack, struct kvs_bytes key)
{
    return hash_bytes(key, keytrack->server->hash_seed);
}

static struct tracked_key *find_key(struct keytrack *keytrack, struct kvs_bytes key)
    REQUIRES(&keytrack->mu)
{
    for (struct chain_node *node = chain_first(&keytrack->keys, key_hash(keytrack, key));
         node != NULL; node = chain_next(node)) {
        struct tracked_key *tracked = list_member(node, struct tracked_key, node);
        if (bytes_equal(bytes_of(tracked->key, tracked->key_bytes), key))
            return tracked;
    }
    return NULL;
}

/* Tells all clients that hold it but @self, and forgets it. */
static void invalidate(struct keytrack *keytrack, struct tracked_key *tracked, uint64_t self,
                       uint64_t position) REQUIRES(&keytrack->mu)
{
    struct kvs_bytes key = bytes_of(tracked->key, tracked->key_bytes);
    for (uint32_t i = 0; i < tracked->id_count; i++) {
        struct tracker *tracker = find_tracker(keytrack, tracked->ids[i]);
        if (tracker == NULL || (tracker->tracking.options & HOST_TRACK_BCAST) != 0)
            continue;
        if (tracker->id == self && (tracker->tracking.options & HOST_TRACK_NOLOOP) != 0)
            continue;
        tell(keytrack, tracker, &key, position);
    }
    drop_key(keytrack, tracked);
}

static struct tracked_key *key_new(struct keytrack *keytrack, struct kvs_bytes key)
    REQUIRES(&keytrack->mu)
{
    struct tracked_key *tracked = calloc(1, sizeof *tracked + key.len);
    if (tracked == NULL)
        return NULL;
    tracked->key_bytes = key.len;
    if (key.len != 0)
        memcpy(tracked->key, key.data, key.len);
    chain_add(&keytrack->keys, &tracked->node, key_hash(keytrack, key));
    list_append(&keytrack->by_age, &tracked->age);
    keytrack->bytes += sizeof *tracked + key.len;
    return tracked;
}

/* False: no memory. */
static bool add_id(struct keytrack *keytrack, struct tracked_key *tracked, uint64_t id)
    REQUIRES(&keytrack->mu)
{
    uint32_t low = 0;
    uint32_t high = tracked->id_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (tracked->ids[middle] < id)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < tracked->id_count && tracked->ids[low] == id)
        return true;
    if (tracked->id_count == tracked->id_capacity) {
        uint32_t capacity = tracked->id_capacity == 0 ? 1 : tracked->id_capacity * 2;
        uint64_t *ids = reallocarray(tracked->ids, capacity, sizeof *ids);
        if (ids == NULL)
            return false;
        keytrack->bytes += (capacity - tracked->id_capacity) * sizeof *ids;
        tracked->ids = ids;
        tracked->id_capacity = capacity;
    }
    memmove(tracked->ids + low + 1, tracked->ids + low,
            (tracked->id_count - low) * sizeof *tracked->ids);
    tracked->ids[low] = id;
    tracked->id_count++;
    keytrack->items++;
    return true;
}

/* Gives the oldest keys up until the table is within its limits. */
static void shrink(struct keytrack *keytrack) REQUIRES(&keytrack->mu)
{
    uint64_t keys_max =
        (uint64_t)config_number(keytrack->server->config, SETTING_TRACKING_TABLE_MAX_KEYS);
    while ((keys_max != 0 && keytrack->keys.count > keys_max) || keytrack->bytes > TABLE_BYTES_MAX)
        invalidate(keytrack, list_member(keytrack->by_age.next, struct tracked_key, age), 0, 0);
}

void keytrack_remember(struct keytrack *keytrack, uint64_t id, struct kvs_bytes key)
{
    mutex_lock(&keytrack->mu);
    struct tracker *tracker = find_tracker(keytrack, id);
    if (tracker != NULL) {
        struct tracked_key *tracked = find_key(keytrack, key);
        if (tracked == NULL)
            tracked = key_new(keytrack, key);
        /* what cannot be remembered is told at once: the client then does not rely on it */
        if (tracked == NULL || !add_id(keytrack, tracked, id))
            tell(keytrack, tracker, &key, 0);
        shrink(keytrack);
    }
    mutex_unlock(&keytrack->mu);
}

/* ---- Changes ---- */

static bool prefix_concerns(const struct prefix *prefix, const struct host_change *change)
{
    struct kvs_bytes text = bytes_of(prefix->text, prefix->len);
    if (change->kind != HOST_REMOVED_RANGE)
        return bytes_starts_with(change->key, text);
    /* Does the range meet the keys that begin so? Those are at least @text, and begin with it or are beyond all of them. */
    if (change->has_end && bytes_compare(change->end, text) <= 0)
        return false;
    return bytes_compare(change->key, text) <= 0 || bytes_starts_with(change->key, text);
}

static void tell_broadcast(struct keytrack *keytrack, const struct host_change *change)
    REQUIRES(&keytrack->mu)
{
    for (struct list_node *node = keytrack->broadcast.next; node != &keytrack->broadcast;
         node = node->next) {
        struct tracker *tracker = list_member(node, struct tracker, broadcast);
        if (tracker->id == change->client_id &&
            (tracker->tracking.options & HOST_TRACK_NOLOOP) != 0)
            continue;
        for (size_t i = 0; i < tracker->prefix_count; i++) {
            if (!prefix_concerns(&tracker->prefixes[i], change))
                continue;
            tell(keytrack, tracker, change->kind == HOST_REMOVED_RANGE ? NULL : &change->key,
                 change->position);
            break; /* a client's prefixes do not overlap */
        }
    }
}

static bool range_is_all(const struct host_change *change)
{
    return change->key.len == 0 && !change->has_end;
}

/* Everything is gone: each client is told once, of all keys. */
static void tell_everybody(struct keytrack *keytrack, uint64_t position) REQUIRES(&keytrack->mu)
{
    struct chain_walk walk = { 0 };
    struct chain_node *node;
    while ((node = chain_walk(&keytrack->trackers, &walk)) != NULL)
        tell(keytrack, list_member(node, struct tracker, node), NULL, position);
    drop_all_keys(keytrack);
}

static void invalidate_range(struct keytrack *keytrack, const struct host_change *change)
    REQUIRES(&keytrack->mu)
{
    for (struct list_node *node = keytrack->by_age.next; node != &keytrack->by_age;) {
        struct tracked_key *tracked = list_member(node, struct tracked_key, age);
        struct kvs_bytes key = bytes_of(tracked->key, tracked->key_bytes);
        node = node->next;
        if (bytes_compare(key, change->key) >= 0 &&
            (!change->has_end || bytes_compare(key, change->end) < 0))
            invalidate(keytrack, tracked, change->client_id, change->position);
    }
}

void keytrack_changed(struct keytrack *keytrack, const struct host_change *change)
{
    mutex_lock(&keytrack->mu);
    if (change->kind == HOST_REMOVED_RANGE && range_is_all(change)) {
        if (!change->repeated)
            tell_everybody(keytrack, change->position);
    } else {
        if (change->kind == HOST_REMOVED_RANGE) {
            invalidate_range(keytrack, change);
        } else {
            struct tracked_key *tracked = find_key(keytrack, change->key);
            if (tracked != NULL)
                invalidate(keytrack, tracked, change->client_id, change->position);
        }
        tell_broadcast(keytrack, change);
    }
    mutex_unlock(&keytrack->mu);
}

void keytrack_figures(struct keytrack *keytrack, struct keytrack_figures *ret)
{
    mutex_lock(&keytrack->mu);
    *ret = (struct keytrack_figures){
        .clients = keytrack->trackers.count,
        .keys = keytrack->keys.count,
        .items = keytrack->items,
    };
    for (struct list_node *node = keytrack->broadcast.next; node != &keytrack->broadcast;
         node = node->next)
        ret->prefixes += list_member(node, struct tracker, broadcast)->prefix_count;
    mutex_unlock(&keytrack->mu);
}
