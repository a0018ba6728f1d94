/*
 * host_clients.c - what CLIENT TRACKING and CLIENT PAUSE ask of the server.
 */
#include <stdlib.h>

#include "command/notify.h"
#include "server/session.h"
#include "server/state.h"

void server_watch(struct server *server, unsigned bit, bool on)
{
    /* release, both: what is watched is set up before it is seen. pairs with: host_watching */
    if (on)
        atomic_fetch_or_explicit(&server->watching, bit, memory_order_release);
    else
        atomic_fetch_and_explicit(&server->watching, ~bit, memory_order_release);
}

/* ---- Client-side caching ---- */

static enum kvs_status tracking_on(void *ctx, struct client *client,
                                   const struct host_tracking *tracking,
                                   const struct kvs_bytes *prefixes, size_t count)
{
    struct server *server = ctx;
    return keytrack_on(&server->keytrack, client->id, tracking, prefixes, count);
}

static void tracking_off(void *ctx, struct client *client)
{
    struct server *server = ctx;
    keytrack_off(&server->keytrack, client->id);
}

static bool tracking(void *ctx, struct client *client, struct host_tracking *ret)
{
    struct server *server = ctx;
    return keytrack_of(&server->keytrack, client->id, ret);
}

static void tracking_prefixes(void *ctx, struct client *client, host_name_fn *fn, void *fn_ctx)
{
    struct server *server = ctx;
    keytrack_prefixes(&server->keytrack, client->id, fn, fn_ctx);
}

static void remember(void *ctx, struct client *client, unsigned space, struct kvs_bytes key)
{
    struct server *server = ctx;
    (void)space;
    keytrack_remember(&server->keytrack, client->id, key);
}

static void changed(void *ctx, const struct host_change *change)
{
    struct server *server = ctx;
    /* relaxed: whoever begins to track now has read nothing yet */
    if ((atomic_load_explicit(&server->watching, memory_order_relaxed) & HOST_WATCHES_KEYS) != 0)
        keytrack_changed(&server->keytrack, change);
}

static bool client_exists(void *ctx, uint64_t id)
{
    struct server *server = ctx;
    return registry_reactor(&server->registry, id) != NULL;
}

/* ---- Watching ---- */

void server_set_slow(struct server *server)
{
    int64_t us = config_number(server->config, SETTING_SLOWLOG_LOG_SLOWER_THAN);
    uint64_t ns = us < 0 || us > INT64_MAX / 1000 ? UINT64_MAX : (uint64_t)us * 1000;
    /* relaxed: a setting */
    atomic_store_explicit(&server->slow_ns, ns, memory_order_relaxed);
}

void server_set_notify(struct server *server)
{
    unsigned classes = 0;
    char *text = config_text(server->config, SETTING_NOTIFY_KEYSPACE_EVENTS);
    if (text == NULL || !notify_parse(text, &classes))
        classes = 0;
    free(text);
    /* relaxed: a setting */
    atomic_store_explicit(&server->notify, classes, memory_order_relaxed);
    bool on = (classes & (NOTIFY_KEYSPACE | NOTIFY_KEYEVENT)) != 0;
    server_watch(server, HOST_WATCHES_EVENTS, on);
}

static void monitor(void *ctx, struct client *client, bool on)
{
    (void)ctx;
    if (on)
        monitors_add(session_of_client(client));
    else
        monitors_remove(session_of_client(client));
}

static void show_command(void *ctx, const struct client *client, unsigned space,
                         const struct kvs_bytes *args, size_t count, size_t redacted)
{
    monitors_show(ctx, client, space, args, count, redacted);
}

static size_t each_slow(void *ctx, int64_t max, host_slow_fn *fn, void *fn_ctx)
{
    struct server *server = ctx;
    return slowlog_each(&server->slowlog, max, fn, fn_ctx);
}

static void reset_slow(void *ctx)
{
    struct server *server = ctx;
    slowlog_reset(&server->slowlog);
}

/* ---- Pausing ---- */

uint64_t server_pause_left_ns(struct server *server)
{
    uint64_t now_ns = clock_monotonic_ns(server->clock);
    mutex_lock(&server->pause_mu);
    uint64_t left_ns = server->pause_until_ns > now_ns ? server->pause_until_ns - now_ns : 0;
    mutex_unlock(&server->pause_mu);
    return left_ns;
}

static void pause_clients(void *ctx, uint64_t ms, enum host_pause mode)
{
    struct server *server = ctx;
    uint64_t now_ns = clock_monotonic_ns(server->clock);
    uint64_t until_ns = ms < UINT64_MAX / 4000000 ? now_ns + ms * 1000000 : UINT64_MAX / 2;
    mutex_lock(&server->pause_mu);
    bool is_paused = server->pause_until_ns > now_ns;
    /* a pause under way becomes longer or stricter, never less */
    if (!is_paused || mode > server->pause_mode)
        server->pause_mode = mode;
    if (!is_paused || until_ns > server->pause_until_ns)
        server->pause_until_ns = until_ns;
    server_watch(server, HOST_PAUSED, true);
    mutex_unlock(&server->pause_mu);
}

static void unpause(void *ctx)
{
    struct server *server = ctx;
    mutex_lock(&server->pause_mu);
    server->pause_until_ns = 0;
    server_watch(server, HOST_PAUSED, false);
    mutex_unlock(&server->pause_mu);
    for (unsigned i = 0; i < server->reactor_count; i++)
        reactor_sweep(&server->reactors[i]);
}

static bool is_paused(void *ctx, bool writes)
{
    struct server *server = ctx;
    uint64_t now_ns = clock_monotonic_ns(server->clock);
    mutex_lock(&server->pause_mu);
    bool paused = server->pause_until_ns > now_ns;
    bool waits = paused && (writes || server->pause_mode == HOST_PAUSE_ALL);
    if (!paused)
        server_watch(server, HOST_PAUSED, false);
    mutex_unlock(&server->pause_mu);
    return waits;
}

void host_init_clients(struct server *server)
{
    struct host *host = &server->host;
    host->watching = &server->watching;
    host->tracking_on = tracking_on;
    host->tracking_off = tracking_off;
    host->tracking = tracking;
    host->tracking_prefixes = tracking_prefixes;
    host->remember = remember;
    host->changed = changed;
    host->client_exists = client_exists;
    host->notify = &server->notify;
    host->monitor = monitor;
    host->show_command = show_command;
    host->slowlog_each = each_slow;
    host->slowlog_reset = reset_slow;
    host->pause = pause_clients;
    host->unpause = unpause;
    host->is_paused = is_paused;
}
