/*
 * offline.c - kvs_check() and kvs_dump(): looking at a directory whose store is closed. The lock is held meanwhile.
 */
#include "store/offline.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/fail.h"
#include "store/backup.h"
#include "store/directory.h"
#include "store/open.h"
#include "store/registry.h"

static enum kvs_status find_engine(struct offline *offline, const char *dir,
                                   const struct kvs_options *options, bool damaged)
{
    char marker[DIRECTORY_NAME_BYTES];
    enum kvs_status status = directory_engine(offline->env.io, dir, marker);
    if (damaged && options->engine != NULL)
        return registry_find(options->engine, &offline->ops);
    if (status == KVS_OK && marker[0] == '\0') {
        status = directory_check_unmarked(offline->env.io, dir);
        if (status == KVS_OK)
            status = fail(KVS_NOT_FOUND, 0, "there is no store in %s", dir);
    }
    if (status == KVS_OK)
        status = open_choose_engine(dir, options->engine, marker, &offline->ops);
    return status;
}

enum kvs_status offline_begin(struct offline *offline, const char *dir,
                              const struct kvs_options *options, bool damaged)
{
    *offline = (struct offline){ .env = open_env(options->env) };
    enum kvs_status status = open_check_options(dir, options);
    if (status == KVS_OK)
        status = find_engine(offline, dir, options, damaged);
    if (status == KVS_OK)
        status = directory_lock(offline->env.io, dir, &offline->lock);
    if (status != KVS_OK)
        return status;
    offline->config = open_config(dir, &offline->env, options);
    offline->config.read_only = true;
    return KVS_OK;
}

void offline_end(struct offline *offline)
{
    io_close(offline->lock);
}

/* A backup is not locked: it never changes. */
static enum kvs_status check_backup(const char *dir, const struct kvs_options *options,
                                    kvs_report_fn *report, void *ctx)
{
    struct kvs_env env = open_env(options->env);
    struct kvs_engine_config config = open_config(dir, &env, options);
    config.read_only = true;
    config.no_background = true;
    return backup_check(dir, &config, report, ctx);
}

enum kvs_status kvs_check(const char *dir, const struct kvs_options *options, kvs_report_fn *report,
                          void *ctx)
{
    if (options == NULL)
        options = &open_options_default;
    enum kvs_status status = open_check_options(dir, options);
    if (status != KVS_OK)
        return status;
    status = check_backup(dir, options, report, ctx);
    if (status != KVS_NOT_FOUND)
        return status;
    struct offline offline;
    status = offline_begin(&offline, dir, options, false);
    if (status != KVS_OK)
        return status;
    if (offline.ops->check == NULL)
        status = fail(KVS_UNSUPPORTED, 0, "engine %s has nothing that could be checked",
                      offline.ops->name);
    else
        status = offline.ops->check(&offline.config, report, ctx);
    offline_end(&offline);
    return status;
}

/* A key as text: what is not printable as \xNN. */
static void print_key(struct kvs_bytes key, char *out, size_t room)
{
    const unsigned char *from = key.data;
    size_t at = 0;
    for (size_t i = 0; i < key.len; i++) {
        if (at + 8 > room) {
            (void)snprintf(out + at, room - at, "...");
            return;
        }
        bool plain = from[i] > ' ' && from[i] <= '~' && from[i] != '\\';
        at += (size_t)snprintf(out + at, room - at, plain ? "%c" : "\\x%02x", from[i]);
    }
    out[at] = '\0';
}

/* For engines whose files only their library reads: the keys, as an iterator finds them. */
static enum kvs_status list_keys(const struct offline *offline, kvs_report_fn *report, void *ctx)
{
    const struct kvs_engine_ops *ops = offline->ops;
    struct kvs_engine *engine;
    struct kvs_iterator *iterator;
    struct kvs_read read = { .no_block = false };
    struct kvs_range all = { .has_end = false };
    enum kvs_status status = ops->open(&offline->config, &engine);
    if (status != KVS_OK)
        return status;
    status = ops->iterator_open(engine, &read, &all, false, &iterator);
    if (status == KVS_OK) {
        struct kvs_entry entry;
        while ((status = ops->iterator_next(iterator, false, &entry)) == KVS_OK) {
            char key[256];
            char text[512];
            print_key((struct kvs_bytes){ (const char *)entry.key.data + 1, entry.key.len - 1 },
                      key, sizeof key);
            (void)snprintf(text, sizeof text,
                           "space %u key %s version %" PRIu64 " value %" PRIu64
                           " bytes expires %" PRId64,
                           *(const unsigned char *)entry.key.data, key, entry.version,
                           entry.value_bytes, entry.expire_ms);
            report(ctx, true, text);
        }
        ops->iterator_close(iterator);
    }
    char why[FAIL_TEXT_BYTES];
    fail_save(why);
    enum kvs_status closed = ops->close(engine);
    if (status == KVS_NOT_FOUND)
        return closed;
    return fail_restore(status, why);
}

enum kvs_status kvs_dump(const char *dir, const struct kvs_options *options, kvs_report_fn *report,
                         void *ctx)
{
    if (options == NULL)
        options = &open_options_default;
    struct offline offline;
    enum kvs_status status = offline_begin(&offline, dir, options, false);
    if (status != KVS_OK)
        return status;
    status = offline.ops->dump != NULL ? offline.ops->dump(&offline.config, report, ctx)
                                       : list_keys(&offline, report, ctx);
    offline_end(&offline);
    return status;
}
