/*
 * events.c - noting what happened, and telling it when it is certain.
 *
 * Notes are in the order of the run, each with its bytes copied. Telling happens behind the commit, so whoever hears of a change and
 * looks finds it; and with the position of the commit, so that nobody hears of a change that a power cut could take back.
 */
#include "command/events.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "command/families.h"
#include "command/keys.h"
#include "command/notify.h"

enum {
    EVENT_BYTES_MAX = 256 * 1024 * 1024
};

enum event_kind {
    EVENT_MESSAGE, /* name: the channel, text: the message */
    EVENT_SET,     /* name: the key */
    EVENT_REMOVED,
    EVENT_REMOVED_RANGE, /* name: from, text: to */
};

struct event {
    enum event_kind kind;
    enum host_topic topic;
    unsigned space;
    bool has_end;
    bool repeated;
    bool keeps_time; /* SET KEEPTTL */
    bool is_new;
    const struct command *command;
    int64_t expire_ms;
    size_t name_off;
    size_t name_bytes;
    size_t text_off;
    size_t text_bytes;
};

struct events {
    struct buf bytes;
    struct event *items;
    size_t count;
    size_t capacity;
    bool lost; /* of changes: too many, or no memory */
};

void events_clear(struct client *client)
{
    struct events *events = client->events;
    if (events == NULL)
        return;
    buf_done(&events->bytes);
    free(events->items);
    free(events);
    client->events = NULL;
}

/* Room for one more. */
static enum kvs_status reserve(struct client *client, struct events **ret)
{
    struct events *events = client->events;
    if (events == NULL) {
        events = calloc(1, sizeof *events);
        if (events == NULL)
            return fail(KVS_NO_MEMORY, 0, "events");
        buf_init(&events->bytes, EVENT_BYTES_MAX);
        client->events = events;
    }
    if (events->count == events->capacity) {
        size_t capacity = events->capacity == 0 ? 4 : events->capacity * 2;
        struct event *items = reallocarray(events->items, capacity, sizeof *items);
        if (items == NULL)
            return fail(KVS_NO_MEMORY, 0, "%zu events", capacity);
        events->items = items;
        events->capacity = capacity;
    }
    *ret = events;
    return KVS_OK;
}

static size_t keep(struct events *events, struct kvs_bytes bytes)
{
    size_t off = events->bytes.len;
    buf_append_bytes(&events->bytes, bytes);
    return off;
}

static enum kvs_status add(struct client *client, struct event event, struct kvs_bytes name,
                           struct kvs_bytes text)
{
    struct events *events;
    enum kvs_status status = reserve(client, &events);
    if (status != KVS_OK)
        return status;
    event.name_bytes = name.len;
    event.text_bytes = text.len;
    event.name_off = keep(events, name);
    event.text_off = keep(events, text);
    if (events->bytes.failed != KVS_OK)
        return fail(events->bytes.failed, 0, "more than %d bytes of events in a transaction",
                    EVENT_BYTES_MAX);
    events->items[events->count++] = event;
    return KVS_OK;
}

enum kvs_status events_publish(struct command_ctx *ctx, enum host_topic kind,
                               struct kvs_bytes channel, struct kvs_bytes payload)
{
    return add(ctx->client, (struct event){ .kind = EVENT_MESSAGE, .topic = kind }, channel,
               payload);
}

/* ---- Changes ---- */

static unsigned space_of(const struct command_ctx *ctx, const struct kvs *db)
{
    unsigned space = 0;
    while (space < KVS_SPACES - 1 && ctx->spaces[space] != db)
        space++;
    return space;
}

static unsigned notify_classes(const struct host *host)
{
    if (host == NULL || host->notify == NULL)
        return 0;
    return atomic_load_explicit(host->notify, memory_order_relaxed); /* relaxed: a setting */
}

/* Was @key set before in this run? Then it is not new a second time. */
static bool was_set(const struct events *events, unsigned space, struct kvs_bytes key)
{
    for (size_t i = 0; events != NULL && i < events->count; i++) {
        const struct event *event = &events->items[i];
        if (event->kind == EVENT_SET && event->space == space &&
            bytes_equal(bytes_of(events->bytes.data + event->name_off, event->name_bytes), key))
            return true;
    }
    return false;
}

static void ignore_entry(void *arg, const struct kvs_entry *entry)
{
    (void)arg;
    (void)entry;
}

/* What only notifications want to know of a key that is set. */
static void note_event(struct command_ctx *ctx, struct event *event, struct kvs_bytes key)
{
    const struct request *request = ctx->client->running_request;
    if (event->command != NULL && event->command->run == cmd_set && request != NULL) {
        for (size_t i = 3; i < request->count; i++)
            event->keeps_time |= bytes_equal_nocase(request->args[i], BYTES("KEEPTTL"));
    }
    if ((notify_classes(ctx->host) & NOTIFY_NEW) == 0)
        return;
    struct kvs_read read = { .no_block = !ctx->may_wait, .park = true };
    event->is_new = kvs_visit(ctx->spaces[event->space], &read, key, ignore_entry, NULL, NULL) ==
                        KVS_NOT_FOUND &&
                    !was_set(ctx->client->events, event->space, key);
}

/* A change that cannot be noted is told as one of everything: nobody keeps what he believes to be true. */
static void note(struct command_ctx *ctx, struct event event, struct kvs_bytes name,
                 struct kvs_bytes text)
{
    struct client *client = ctx->client;
    event.command = client->running;
    if (event.kind == EVENT_SET && (ctx->watching & HOST_WATCHES_EVENTS) != 0)
        note_event(ctx, &event, name);
    if (add(client, event, name, text) != KVS_OK && client->events != NULL)
        client->events->lost = true;
}

static bool is_whole_space(const struct event *event)
{
    return event->kind == EVENT_REMOVED_RANGE && event->name_bytes == 0 && !event->has_end;
}

static void observed(void *arg, struct kvs *db, enum kvs_txn_change change, struct kvs_bytes key,
                     const struct kvs_range *range, int64_t expire_ms)
{
    struct command_ctx *ctx = arg;
    struct event event = { .space = space_of(ctx, db), .expire_ms = expire_ms };
    struct kvs_bytes end = { NULL, 0 };
    switch (change) {
    case KVS_TXN_SETS:
        event.kind = EVENT_SET;
        break;
    case KVS_TXN_REMOVES:
        event.kind = EVENT_REMOVED;
        break;
    case KVS_TXN_REMOVES_RANGE:
        event.kind = EVENT_REMOVED_RANGE;
        if (range != NULL) {
            key = range->start;
            event.has_end = range->has_end;
            end = event.has_end ? range->end : end;
        }
        break;
    }
    const struct events *events = ctx->client->events;
    event.repeated = event.kind == EVENT_REMOVED_RANGE && key.len == 0 && !event.has_end &&
                     events != NULL && events->count != 0 &&
                     is_whole_space(&events->items[events->count - 1]);
    note(ctx, event, key, end);
}

void events_observe(struct command_ctx *ctx)
{
    struct client *client = ctx->client;
    bool wanted = (ctx->watching & HOST_WATCHES_CHANGES) != 0;
    client->observed = wanted;
    kvs_txn_observe(client->txn, wanted ? observed : NULL, ctx);
}

void events_set(struct command_ctx *ctx, struct kvs_bytes key, int64_t expire_ms)
{
    note(ctx,
         (struct event){
             .kind = EVENT_SET, .space = space_of(ctx, ctx->db), .expire_ms = expire_ms },
         key, (struct kvs_bytes){ NULL, 0 });
}

/* ---- Telling ---- */

static void tell_message(const struct host *host, const struct event *event, struct kvs_bytes name,
                         struct kvs_bytes text, uint64_t position)
{
    uint64_t receivers;
    /* It has happened: nothing can refuse it any more, and nobody waits. */
    (void)host->publish(host->ctx, event->topic, name, text, position, HOST_PRESSURE_IGNORE,
                        &receivers);
}

static void tell_change(const struct command_ctx *ctx, const struct event *event,
                        struct kvs_bytes name, struct kvs_bytes text, uint64_t position)
{
    struct host_change change = {
        .kind = event->kind == EVENT_SET       ? HOST_SET
                : event->kind == EVENT_REMOVED ? HOST_REMOVED
                                               : HOST_REMOVED_RANGE,
        .space = event->space,
        .client_id = ctx->client->id,
        .key = name,
        .end = text,
        .has_end = event->has_end,
        .repeated = event->repeated,
        .expire_ms = event->expire_ms,
        .position = position,
    };
    if (ctx->host->changed != NULL)
        ctx->host->changed(ctx->host->ctx, &change);
}

static void tell_event(const struct command_ctx *ctx, const struct event *event,
                       struct kvs_bytes key, uint64_t position)
{
    unsigned classes = notify_classes(ctx->host);
    if (event->is_new)
        notify_event(ctx->host, classes, NOTIFY_NEW, "new", event->space, key, position);
    if (event->kind == EVENT_SET)
        notify_set(ctx->host, classes, event->command, event->keeps_time, event->space, key,
                   event->expire_ms, position);
    else if (event->kind == EVENT_REMOVED)
        notify_removed(ctx->host, classes, event->command, event->space, key, position);
}

/* RENAME and MOVE set first and remove then; Redis tells of it the other way round. */
static void put_in_order(struct events *events)
{
    for (size_t i = 1; i < events->count; i++) {
        struct event *set = &events->items[i - 1];
        struct event *removed = &events->items[i];
        bool moves = set->kind == EVENT_SET && removed->kind == EVENT_REMOVED &&
                     set->command != NULL && set->command == removed->command &&
                     (set->command->run == cmd_rename || set->command->run == cmd_renamenx ||
                      strcmp(set->command->name, "MOVE") == 0);
        if (!moves)
            continue;
        struct event first = *removed;
        *removed = *set;
        *set = first;
    }
}

void events_tell_all_changed(const struct command_ctx *ctx, uint64_t position)
{
    struct event all = { .kind = EVENT_REMOVED_RANGE };
    for (all.space = 0; all.space < KVS_SPACES; all.space++) {
        all.repeated = all.space != 0;
        tell_change(ctx, &all, BYTES(""), BYTES(""), position);
    }
}

void events_tell(struct command_ctx *ctx, uint64_t position)
{
    struct events *events = ctx->client->events;
    bool notifies = (ctx->watching & HOST_WATCHES_EVENTS) != 0;
    put_in_order(events);
    for (size_t i = 0; i < events->count; i++) {
        const struct event *event = &events->items[i];
        struct kvs_bytes name = bytes_of(events->bytes.data + event->name_off, event->name_bytes);
        struct kvs_bytes text = bytes_of(events->bytes.data + event->text_off, event->text_bytes);
        if (event->kind == EVENT_MESSAGE)
            tell_message(ctx->host, event, name, text, position);
        else
            tell_change(ctx, event, name, text, position);
        if (notifies && event->kind != EVENT_MESSAGE)
            tell_event(ctx, event, name, position);
    }
    if (events->lost)
        events_tell_all_changed(ctx, position);
    events_clear(ctx->client);
}

struct missing {
    struct command_ctx *ctx;
    unsigned classes;
    unsigned space;
};

static bool tell_if_missing(void *arg, size_t position)
{
    struct missing *missing = arg;
    struct command_ctx *ctx = missing->ctx;
    struct kvs_read read = { .no_block = !ctx->may_wait, .park = true };
    struct kvs_bytes key = command_arg(ctx, position);
    uint64_t depends = 0;
    if (kvs_visit(ctx->db, &read, key, ignore_entry, NULL, &depends) == KVS_NOT_FOUND)
        notify_event(ctx->host, missing->classes, NOTIFY_MISS, "keymiss", missing->space, key,
                     depends);
    return true;
}

void events_misses(struct command_ctx *ctx)
{
    unsigned classes = notify_classes(ctx->host);
    if ((classes & NOTIFY_MISS) == 0 || (ctx->command->flags & COMMAND_READONLY) == 0)
        return;
    struct missing missing = { ctx, classes, space_of(ctx, ctx->db) };
    (void)keys_each(ctx->command, ctx->request->args, ctx->request->count, tell_if_missing,
                    &missing);
}
