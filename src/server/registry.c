/*
 * registry.c - listing and killing clients.
 */
#include "server/registry.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/hash.h"
#include "command/command.h"
#include "server/reactor.h"
#include "server/session.h"

enum kvs_status registry_init(struct registry *registry)
{
    mutex_init(&registry->mu);
    list_init(&registry->sessions);
    return chain_init(&registry->by_id);
}

void registry_done(struct registry *registry)
{
    chain_done(&registry->by_id);
    mutex_done(&registry->mu);
}

void registry_add(struct registry *registry, struct session *session)
{
    mutex_lock(&registry->mu);
    list_append(&registry->sessions, &session->listed);
    chain_add(&registry->by_id, &session->by_id, hash_u64(session->client.id));
    mutex_unlock(&registry->mu);
}

void registry_remove(struct registry *registry, struct session *session)
{
    mutex_lock(&registry->mu);
    list_remove(&session->listed);
    chain_remove(&registry->by_id, &session->by_id);
    mutex_unlock(&registry->mu);
}

static struct session *find(struct registry *registry, uint64_t id) REQUIRES(&registry->mu)
{
    struct chain_node *node = chain_first(&registry->by_id, hash_u64(id)); /* bijective */
    return node != NULL ? list_member(node, struct session, by_id) : NULL;
}

struct reactor *registry_reactor(struct registry *registry, uint64_t id)
{
    mutex_lock(&registry->mu);
    struct session *session = find(registry, id);
    struct reactor *reactor = session != NULL ? session->reactor : NULL;
    mutex_unlock(&registry->mu);
    return reactor;
}

struct session *registry_session(struct registry *registry, uint64_t id,
                                 const struct reactor *reactor)
{
    mutex_lock(&registry->mu);
    struct session *session = find(registry, id);
    if (session != NULL && session->reactor != reactor)
        session = NULL;
    mutex_unlock(&registry->mu);
    return session;
}

static uint64_t seconds_since(uint64_t then_ns, uint64_t now_ns)
{
    return now_ns > then_ns ? (now_ns - then_ns) / 1000000000 : 0;
}

static bool passes(const struct session *session, const struct host_client_filter *filter,
                   uint64_t now_ns)
{
    if (filter == NULL)
        return true;
    if (filter->id != 0 && filter->id != session->client.id)
        return false;
    if (filter->addr != NULL && strcmp(filter->addr, session->peer) != 0)
        return false;
    if (filter->laddr != NULL && strcmp(filter->laddr, session->local) != 0)
        return false;
    if (filter->user != NULL && strcmp(filter->user, "default") != 0)
        return false;
    if (filter->type != NULL &&
        strcasecmp(filter->type,
                   client_is(&session->client, CLIENT_SUBSCRIBED) ? "pubsub" : "normal") != 0)
        return false;
    return filter->max_age_s <= 0 ||
           seconds_since(session->opened_ns, now_ns) >= (uint64_t)filter->max_age_s;
}

static const char *text_or_empty(const char *text)
{
    return text != NULL ? text : "";
}

/* "get", "client|list": as Redis shows the last command. */
static void append_command(struct buf *out, const struct command *command)
{
    if (command == NULL) {
        buf_append_str(out, "NULL");
        return;
    }
    for (const char *c = command->name; *c != '\0'; c++)
        buf_append_char(out, *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c);
}

#define SHOWN(field)                                    \
    ((unsigned long long)atomic_load_explicit(&(field), \
                                              memory_order_relaxed)) /* relaxed: figures */

/* In Redis's order. */
static void append_flags(const struct client *client, bool in_multi, bool closing, char flags[12])
{
    const struct {
        bool is_set;
        char flag;
    } all[] = {
        { client_is(client, CLIENT_SUBSCRIBED), 'P' }, { in_multi, 'x' },
        { client_is(client, CLIENT_TRACKS), 't' },     { client_is(client, CLIENT_BROKEN), 'R' },
        { client_is(client, CLIENT_BCAST), 'B' },      { closing, 'c' },
        { client_is(client, CLIENT_NO_EVICT), 'e' },   { client_is(client, CLIENT_NO_TOUCH), 'T' },
    };

    size_t count = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (all[i].is_set)
            flags[count++] = all[i].flag;
    if (count == 0)
        flags[count++] = 'N';
    flags[count] = '\0';
}

static long long shown_redirect(const struct client *client)
{
    if (!client_is(client, CLIENT_TRACKS))
        return -1;
    /* relaxed: a figure */
    return (long long)atomic_load_explicit(&client->redirect_shown, memory_order_relaxed);
}

static void append_line(struct buf *out, struct session *session, uint64_t now_ns)
{
    const struct client *client = &session->client;
    int multi = atomic_load_explicit(&client->multi_shown,
                                     memory_order_relaxed); /* relaxed: figures, all of these */
    bool closing =
        atomic_load_explicit(&session->shown.state, memory_order_relaxed) != SESSION_OPEN;
    char flags[12];
    append_flags(client, multi >= 0, closing, flags);
    unsigned long long input = SHOWN(session->shown.input_bytes);
    unsigned long long input_memory = SHOWN(session->shown.input_memory);
    unsigned long long output = SHOWN(session->shown.output_bytes);
    unsigned long long output_memory = SHOWN(session->shown.output_memory);
    buf_printf(out, "id=%llu addr=%s laddr=%s fd=%d name=%s age=%llu idle=%llu flags=%s",
               (unsigned long long)client->id, session->peer, session->local,
               session->conn.source.fd, text_or_empty(client->name),
               (unsigned long long)seconds_since(session->opened_ns, now_ns),
               (unsigned long long)seconds_since(SHOWN(session->shown.active_ns), now_ns), flags);
    buf_printf(out,
               " db=%llu sub=%llu psub=%llu ssub=%llu multi=%d watch=%llu qbuf=%llu qbuf-free=%llu "
               "argv-mem=0 multi-mem=0",
               SHOWN(client->space), SHOWN(client->topic_counts[HOST_CHANNEL]),
               SHOWN(client->topic_counts[HOST_PATTERN]), SHOWN(client->topic_counts[HOST_SHARD]),
               multi, SHOWN(client->watch_shown), input,
               input_memory > input ? input_memory - input : 0);
    buf_printf(out, " rbs=0 rbp=0 obl=%llu oll=0 omem=%llu tot-mem=%llu events=%s cmd=", output,
               output_memory, input_memory + output_memory + (unsigned long long)sizeof *session,
               output != 0 ? "rw" : "r");
    append_command(out, atomic_load_explicit(&client->last_command, memory_order_relaxed));
    buf_printf(out, " user=default redir=%lld resp=%llu lib-name=%s lib-ver=%s\n",
               shown_redirect(client), SHOWN(client->protocol), text_or_empty(client->lib_name),
               text_or_empty(client->lib_version));
}

static bool is_among(uint64_t id, const uint64_t *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (ids[i] == id)
            return true;
    }
    return count == 0;
}

void registry_list(struct registry *registry, const struct host_client_filter *filter,
                   const uint64_t *ids, size_t id_count, uint64_t now_ns, struct buf *out)
{
    mutex_lock(&registry->mu);
    for (struct list_node *node = registry->sessions.next; node != &registry->sessions;
         node = node->next) {
        struct session *session = list_member(node, struct session, listed);
        if (passes(session, filter, now_ns) && is_among(session->client.id, ids, id_count))
            append_line(out, session, now_ns);
    }
    mutex_unlock(&registry->mu);
}

void registry_info(struct registry *registry, const struct client *client, uint64_t now_ns,
                   struct buf *out)
{
    registry_list(registry, NULL, &client->id, 1, now_ns, out);
}

uint64_t registry_kill(struct registry *registry, uint64_t self_id,
                       const struct host_client_filter *filter, uint64_t now_ns)
{
    uint64_t count = 0;
    mutex_lock(&registry->mu);
    for (struct list_node *node = registry->sessions.next; node != &registry->sessions;
         node = node->next) {
        struct session *session = list_member(node, struct session, listed);
        if (!passes(session, filter, now_ns) || (filter->skip_me && session->client.id == self_id))
            continue;
        /* relaxed: the sweep, which is posted after it, orders it. pairs with: loop_post, run_tasks */
        if (!atomic_exchange_explicit(&session->killed, true, memory_order_relaxed)) {
            reactor_sweep(session->reactor);
            count++;
        }
    }
    mutex_unlock(&registry->mu);
    return count;
}

void registry_set_text(struct registry *registry, char **field, char *text)
{
    mutex_lock(&registry->mu);
    char *old = *field;
    *field = text;
    mutex_unlock(&registry->mu);
    free(old);
}
