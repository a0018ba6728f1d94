/*
 * host.c - fills command/host.h in: what commands may ask of the server.
 */
#include <stdlib.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "io/random.h"
#include "server/state.h"

static int64_t host_now_us(void *ctx)
{
    struct server *server = ctx;
    return clock_wall_us(server->clock);
}

static uint64_t host_random(void *ctx)
{
    (void)ctx;
    return random_system_u64();
}

static void host_config_get(void *ctx, struct kvs_bytes pattern, host_setting_fn *fn, void *fn_ctx)
{
    struct server *server = ctx;
    config_get(server->config, pattern, fn, fn_ctx);
}

/* What has to be told of a change; everything else reads its setting when it needs it. */
static void setting_changed(void *ctx, enum setting setting)
{
    struct server *server = ctx;
    enum trace_level level;
    char *text = config_text(server->config, setting);
    if (text == NULL)
        return;
    if (setting == SETTING_LOG_LEVEL && trace_level_parse(text, &level))
        atomic_store_explicit(&server->trace.level, (int)level,
                              memory_order_relaxed); /* relaxed: a setting */
    if (setting == SETTING_LOG_FORMAT)
        /* relaxed: a setting */
        atomic_store_explicit(&server->trace.json, config_number(server->config, setting) == 1,
                              memory_order_relaxed);
    trace_line(&server->trace, TRACE_INFO, "%s is now '%s'", config_row(setting)->name,
               setting == SETTING_REQUIREPASS ? "..." : text);
    free(text);
    if (setting == SETTING_DURABILITY)
        server_wake(server);
    if (setting == SETTING_SLOWLOG_LOG_SLOWER_THAN)
        server_set_slow(server);
    if (setting == SETTING_NOTIFY_KEYSPACE_EVENTS)
        server_set_notify(server);
}

static enum kvs_status host_config_set(void *ctx, const struct kvs_bytes *names,
                                       const struct kvs_bytes *values, size_t count,
                                       struct buf *ret_error)
{
    struct server *server = ctx;
    return config_set(server->config, names, values, count, ret_error, setting_changed, server);
}

static void host_config_resetstat(void *ctx)
{
    server_reset_stats(ctx);
}

static bool host_password_needed(void *ctx)
{
    struct server *server = ctx;
    return config_secret_is_set(server->config, SETTING_REQUIREPASS);
}

static bool host_password_matches(void *ctx, struct kvs_bytes user, struct kvs_bytes password)
{
    struct server *server = ctx;
    if (!bytes_equal(user, BYTES("default")))
        return false;
    if (!config_secret_is_set(server->config, SETTING_REQUIREPASS))
        return true; /* the default user needs none: any will do, as in Redis */
    return config_secret_equals(server->config, SETTING_REQUIREPASS, password);
}

static void host_info(void *ctx, const struct kvs_bytes *sections, size_t count, struct buf *ret)
{
    info_print(ctx, sections, count, ret);
}

static void host_memory(__attribute__((unused)) void *ctx, struct host_memory *ret)
{
    info_memory(ret);
}

static void host_client_list(void *ctx, const struct host_client_filter *filter,
                             const uint64_t *ids, size_t id_count, struct buf *ret)
{
    struct server *server = ctx;
    registry_list(&server->registry, filter, ids, id_count, clock_monotonic_ns(server->clock), ret);
}

static void host_client_info(void *ctx, const struct client *client, struct buf *ret)
{
    struct server *server = ctx;
    registry_info(&server->registry, client, clock_monotonic_ns(server->clock), ret);
}

static uint64_t host_client_kill(void *ctx, const struct client *self,
                                 const struct host_client_filter *filter)
{
    struct server *server = ctx;
    return registry_kill(&server->registry, self->id, filter, clock_monotonic_ns(server->clock));
}

static void host_client_text(void *ctx, char **field, char *text)
{
    struct server *server = ctx;
    registry_set_text(&server->registry, field, text);
}

static uint64_t host_cursor_open(void *ctx, unsigned space, struct kvs_bytes last_key)
{
    struct server *server = ctx;
    return cursors_open(server->cursors, space, last_key);
}

static uint64_t host_snapshot_open(void *ctx, int64_t ttl_s)
{
    struct server *server = ctx;
    return snapshots_open(server->snapshots, server->spaces[0], ttl_s);
}

static const struct kvs_snapshot *host_snapshot_use(void *ctx, uint64_t id)
{
    return snapshots_use(((struct server *)ctx)->snapshots, id);
}

static void host_snapshot_release(void *ctx, uint64_t id)
{
    struct server *server = ctx;
    snapshots_release(server->snapshots, server->spaces[0], id);
}

static bool host_snapshot_close(void *ctx, uint64_t id)
{
    struct server *server = ctx;
    return snapshots_close(server->snapshots, server->spaces[0], id);
}

static bool host_cursor_find(void *ctx, uint64_t cursor, unsigned space, struct buf *ret_last_key)
{
    struct server *server = ctx;
    return cursors_find(server->cursors, cursor, space, ret_last_key);
}

static void host_shutdown(void *ctx, bool save, bool force)
{
    struct server *server = ctx;
    (void)save; /* everything acknowledged is in the log; closing makes the rest durable */
    (void)force;
    trace_line(&server->trace, TRACE_INFO, "SHUTDOWN requested");
    server_stop(server);
}

static void note_save(struct server *server, bool ok)
{
    /* relaxed: figures */
    if (ok)
        atomic_store_explicit(&server->last_save_s, clock_wall_us(server->clock) / 1000000,
                              memory_order_relaxed);
    atomic_store_explicit(&server->last_save_ok, ok, memory_order_relaxed);
}

static void host_note_save(void *ctx, bool ok)
{
    note_save(ctx, ok);
}

static int64_t host_last_save_s(void *ctx)
{
    struct server *server = ctx;
    return atomic_load_explicit(&server->last_save_s, memory_order_relaxed); /* relaxed: a figure */
}

static enum kvs_status host_backup_dir(void *ctx, struct buf *ret)
{
    struct server *server = ctx;
    char *dir = config_text(server->config, SETTING_BACKUP_DIR);
    char *store = config_text(server->config, SETTING_DIR);
    enum kvs_status status = KVS_OK;
    if (dir == NULL || store == NULL)
        status = fail(KVS_NO_MEMORY, 0, "path of a backup");
    else if (dir[0] != '\0')
        buf_append_str(ret, dir);
    else
        buf_printf(ret, "%s/backups", store);
    free(dir);
    free(store);
    return status == KVS_OK ? ret->failed : status;
}

static void run_background_save(void *ctx)
{
    struct server *server = ctx;
    enum kvs_status status = kvs_checkpoint(server->spaces[0]);
    if (status != KVS_OK)
        trace_line(&server->trace, TRACE_ERROR, "background save failed: %s", kvs_error());
    note_save(server, status == KVS_OK);
    atomic_store_explicit(&server->saving, false,
                          memory_order_relaxed); /* relaxed: a flag, hands nothing over */
}

static void host_background_save(void *ctx)
{
    struct server *server = ctx;
    /* relaxed: it only keeps a second one from starting; the one under way covers what was written before it ends or a sync does */
    if (!atomic_exchange_explicit(&server->saving, true, memory_order_relaxed))
        pool_spawn(server->pool, run_background_save, server);
}

void host_init(struct server *server)
{
    server->host = (struct host){
        .ctx = server,
        .now_us = host_now_us,
        .random = host_random,
        .config_get = host_config_get,
        .config_set = host_config_set,
        .config_resetstat = host_config_resetstat,
        .password_needed = host_password_needed,
        .password_matches = host_password_matches,
        .info = host_info,
        .memory = host_memory,
        .client_list = host_client_list,
        .client_info = host_client_info,
        .client_kill = host_client_kill,
        .client_text = host_client_text,
        .cursor_open = host_cursor_open,
        .cursor_find = host_cursor_find,
        .snapshot_open = host_snapshot_open,
        .snapshot_use = host_snapshot_use,
        .snapshot_release = host_snapshot_release,
        .snapshot_close = host_snapshot_close,
        .shutdown = host_shutdown,
        .background_save = host_background_save,
        .last_save_s = host_last_save_s,
        .note_save = host_note_save,
        .backup_dir = host_backup_dir,
    };
    host_init_pubsub(server);
    host_init_clients(server);
}
