/*
 * server.c - the server and the store as wholes: INFO, CONFIG, TIME, saving, flushing, stopping.
 *
 * What has effects outside the store (CONFIG SET, SHUTDOWN) does them last, when nothing can fail any more.
 */
#include <stdlib.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/number.h"
#include "command/connection.h"
#include "command/data.h"
#include "command/families.h"
#include "io/clock.h"

enum {
    TEXT_BYTES_MAX = 16 * 1024 * 1024,
    SECTION_COUNT_MAX = 64,
    SECTION_CHARS = 32
};

static enum kvs_status syntax_error(struct command_ctx *ctx)
{
    reply_error(ctx->reply, "ERR syntax error");
    return KVS_OK;
}

/* ---- INFO and TIME ---- */

/* The sections asked for, in lower case. Unknown ones are no error, so what is too long or too many is left out. */
static size_t section_args(struct command_ctx *ctx, char names[][SECTION_CHARS],
                           struct kvs_bytes *sections)
{
    size_t count = 0;
    for (size_t i = 1; i < ctx->request->count && count < SECTION_COUNT_MAX; i++) {
        struct kvs_bytes arg = command_arg(ctx, i);
        if (arg.len > SECTION_CHARS)
            arg = BYTES("?"); /* named, and nobody's name */
        const char *from = arg.data;
        for (size_t c = 0; c < arg.len; c++)
            names[count][c] =
                from[c] >= 'A' && from[c] <= 'Z' ? (char)(from[c] - 'A' + 'a') : from[c];
        sections[count] = bytes_of(names[count], arg.len);
        count++;
    }
    return count;
}

enum kvs_status cmd_info(struct command_ctx *ctx)
{
    if (ctx->host == NULL || ctx->host->info == NULL)
        return connection_unavailable(ctx);
    char names[SECTION_COUNT_MAX][SECTION_CHARS];
    struct kvs_bytes sections[SECTION_COUNT_MAX];
    size_t count = section_args(ctx, names, sections);
    struct buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    ctx->host->info(ctx->host->ctx, sections, count, &text);
    enum kvs_status status = text.failed;
    if (status == KVS_OK)
        reply_verbatim(ctx->reply, "txt", buf_bytes(&text));
    else
        (void)fail(status, 0, "INFO of more than %d bytes", TEXT_BYTES_MAX);
    buf_done(&text);
    return status;
}

static void reply_decimal(struct reply *reply, int64_t value)
{
    char digits[NUMBER_I64_CHARS];
    size_t len = number_print_i64(value, digits);
    reply_bulk(reply, bytes_of(digits, len));
}

enum kvs_status cmd_time(struct command_ctx *ctx)
{
    int64_t now_us = ctx->host != NULL && ctx->host->now_us != NULL
                         ? ctx->host->now_us(ctx->host->ctx)
                         : clock_wall_us(clock_system());
    reply_array(ctx->reply, 2);
    reply_decimal(ctx->reply, now_us / 1000000);
    reply_decimal(ctx->reply, now_us % 1000000);
    return KVS_OK;
}

/* ---- CONFIG ---- */

struct setting {
    size_t name_off; /* in settings.text */
    size_t name_len;
    size_t value_off;
    size_t value_len;
};

struct settings {
    struct buf text;
    struct setting *items;
    size_t count;
    size_t capacity;
    enum kvs_status failed;
};

static bool settings_have(const struct settings *settings, struct kvs_bytes name)
{
    for (size_t i = 0; i < settings->count; i++) {
        const struct setting *item = &settings->items[i];
        if (bytes_equal(name, bytes_of(settings->text.data + item->name_off, item->name_len)))
            return true;
    }
    return false;
}

static bool settings_reserve(struct settings *settings)
{
    if (settings->count < settings->capacity)
        return true;
    size_t capacity = settings->capacity == 0 ? 64 : settings->capacity * 2;
    struct setting *items = realloc(settings->items, capacity * sizeof *items);
    if (items == NULL) {
        settings->failed = fail(KVS_NO_MEMORY, 0, "%zu settings", capacity);
        return false;
    }
    settings->items = items;
    settings->capacity = capacity;
    return true;
}

/* Several patterns may match one setting: it is answered once. */
static void settings_add(void *arg, const char *name, const char *value)
{
    struct settings *settings = arg;
    if (settings_have(settings, bytes_str(name)) || !settings_reserve(settings))
        return;
    struct setting *item = &settings->items[settings->count++];
    *item = (struct setting){ .name_off = settings->text.len, .name_len = strlen(name) };
    buf_append_str(&settings->text, name);
    item->value_off = settings->text.len;
    item->value_len = strlen(value);
    buf_append_str(&settings->text, value);
}

enum kvs_status cmd_config_get(struct command_ctx *ctx)
{
    if (ctx->host == NULL || ctx->host->config_get == NULL)
        return connection_unavailable(ctx);
    struct settings settings = { .failed = KVS_OK };
    buf_init(&settings.text, TEXT_BYTES_MAX);
    for (size_t i = 2; i < ctx->request->count; i++)
        ctx->host->config_get(ctx->host->ctx, command_arg(ctx, i), settings_add, &settings);
    enum kvs_status status = settings.failed != KVS_OK ? settings.failed : settings.text.failed;
    if (status == KVS_OK) {
        reply_map(ctx->reply, settings.count);
        for (size_t i = 0; i < settings.count; i++) {
            const struct setting *item = &settings.items[i];
            reply_bulk(ctx->reply, bytes_of(settings.text.data + item->name_off, item->name_len));
            reply_bulk(ctx->reply, bytes_of(settings.text.data + item->value_off, item->value_len));
        }
    }
    free(settings.items);
    buf_done(&settings.text);
    return status;
}

enum kvs_status cmd_config_set(struct command_ctx *ctx)
{
    if (ctx->host == NULL || ctx->host->config_set == NULL)
        return connection_unavailable(ctx);
    size_t pairs = (ctx->request->count - 2) / 2;
    if (ctx->request->count % 2 != 0)
        return syntax_error(ctx);
    struct kvs_bytes *names = calloc(pairs * 2, sizeof *names);
    if (names == NULL)
        return fail(KVS_NO_MEMORY, 0, "%zu settings", pairs);
    struct kvs_bytes *values = names + pairs;
    for (size_t i = 0; i < pairs; i++) {
        names[i] = command_arg(ctx, 2 + i * 2);
        values[i] = command_arg(ctx, 3 + i * 2);
    }
    struct buf error;
    buf_init(&error, 4096);
    enum kvs_status status = ctx->host->config_set(ctx->host->ctx, names, values, pairs, &error);
    if (status == KVS_OK)
        reply_ok(ctx->reply);
    else if (error.len != 0)
        reply_error(ctx->reply, "ERR %.*s", (int)error.len, error.data);
    else
        reply_failure(ctx->reply, status);
    buf_done(&error);
    free(names);
    return KVS_OK;
}

enum kvs_status cmd_config_resetstat(struct command_ctx *ctx)
{
    if (ctx->host == NULL || ctx->host->config_resetstat == NULL)
        return connection_unavailable(ctx);
    ctx->host->config_resetstat(ctx->host->ctx);
    reply_ok(ctx->reply);
    return KVS_OK;
}

enum kvs_status cmd_config_help(struct command_ctx *ctx)
{
    return connection_help(ctx, "CONFIG");
}

/* ---- Saving: what was acknowledged is in the log already, so this makes the rest durable ---- */

static void note_save(struct command_ctx *ctx, bool ok)
{
    if (ctx->host != NULL && ctx->host->note_save != NULL)
        ctx->host->note_save(ctx->host->ctx, ok);
}

enum kvs_status cmd_save(struct command_ctx *ctx)
{
    enum kvs_status status = kvs_checkpoint(ctx->db);
    note_save(ctx, status == KVS_OK);
    if (status == KVS_OK)
        reply_ok(ctx->reply);
    return status;
}

enum kvs_status cmd_bgsave(struct command_ctx *ctx)
{
    size_t count = ctx->request->count;
    if (count > 2 || (count == 2 && !command_arg_is(ctx, 1, "SCHEDULE")))
        return syntax_error(ctx);
    if (ctx->host == NULL || ctx->host->background_save == NULL)
        return connection_unavailable(ctx);
    ctx->host->background_save(ctx->host->ctx);
    reply_status(ctx->reply, "Background saving started");
    return KVS_OK;
}

enum kvs_status cmd_lastsave(struct command_ctx *ctx)
{
    if (ctx->host == NULL || ctx->host->last_save_s == NULL)
        return connection_unavailable(ctx);
    reply_integer(ctx->reply, ctx->host->last_save_s(ctx->host->ctx));
    return KVS_OK;
}

/* ---- BACKUP ---- */

/* The client names a backup, never a place: what it can write to is the directory that the server was started with. */
static bool is_backup_name(struct kvs_bytes name)
{
    const char *chars = name.data;
    if (name.len == 0 || name.len > 128 || chars[0] == '.' || chars[0] == '-')
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = chars[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '_' || c == '.'))
            return false;
    }
    return true;
}

static bool backup_options(struct command_ctx *ctx, struct kvs_backup_options *ret)
{
    for (size_t i = 2; i < ctx->request->count; i++) {
        if (command_arg_is(ctx, i, "RECORDS"))
            ret->records = true;
        else if (command_arg_is(ctx, i, "COPY"))
            ret->copy = true;
        else
            return false;
    }
    return true;
}

enum kvs_status cmd_backup(struct command_ctx *ctx)
{
    struct kvs_bytes name = command_arg(ctx, 1);
    struct kvs_backup_options how = { .copy = false };
    if (!backup_options(ctx, &how))
        return syntax_error(ctx);
    if (!is_backup_name(name)) {
        reply_error(ctx->reply, "ERR a backup's name is made of letters, digits, '-', '_' and '.', "
                                "and begins with a letter, a digit or '_'");
        return KVS_OK;
    }
    if (ctx->host == NULL || ctx->host->backup_dir == NULL)
        return connection_unavailable(ctx);
    struct buf path;
    buf_init(&path, TEXT_BYTES_MAX);
    enum kvs_status status = ctx->host->backup_dir(ctx->host->ctx, &path);
    if (status == KVS_OK) {
        buf_append_char(&path, '/');
        buf_append_bytes(&path, name);
        buf_append_char(&path, '\0');
        status = path.failed;
    }
    if (status == KVS_OK)
        status = kvs_backup(ctx->db, path.data, &how, NULL);
    if (status == KVS_OK)
        reply_bulk(ctx->reply, bytes_of(path.data, path.len - 1));
    buf_done(&path);
    return status;
}

/* ---- SHUTDOWN ---- */

struct shutdown_args {
    bool save;
    bool nosave;
    bool now;
    bool force;
    bool abort;
};

static bool shutdown_args(struct command_ctx *ctx, struct shutdown_args *args)
{
    for (size_t i = 1; i < ctx->request->count; i++) {
        if (command_arg_is(ctx, i, "NOSAVE"))
            args->nosave = true;
        else if (command_arg_is(ctx, i, "SAVE"))
            args->save = true;
        else if (command_arg_is(ctx, i, "NOW"))
            args->now = true;
        else if (command_arg_is(ctx, i, "FORCE"))
            args->force = true;
        else if (command_arg_is(ctx, i, "ABORT"))
            args->abort = true;
        else
            return false;
    }
    bool others = args->save || args->nosave || args->now || args->force;
    return !(args->save && args->nosave) && !(args->abort && others);
}

enum kvs_status cmd_shutdown(struct command_ctx *ctx)
{
    struct shutdown_args args = { 0 };
    if (!shutdown_args(ctx, &args))
        return syntax_error(ctx);
    if (args.abort) { /* a stop under way cannot be called back */
        reply_error(ctx->reply, "ERR No shutdown in progress.");
        return KVS_OK;
    }
    if (ctx->host == NULL || ctx->host->shutdown == NULL)
        return connection_unavailable(ctx);
    ctx->client->no_reply = true;
    ctx->client->closing = true;
    ctx->host->shutdown(ctx->host->ctx, !args.nosave, args.force);
    return KVS_OK;
}

/* ---- Whole key spaces ---- */

enum kvs_status cmd_dbsize(struct command_ctx *ctx)
{
    uint64_t count = 0;
    enum kvs_status status;
    if (ctx->in_exec) {
        status = kvs_txn_count(ctx->txn, ctx->db, &count);
    } else {
        struct kvs_read read = command_read(ctx);
        bool exact;
        status = kvs_count(ctx->db, &read, NULL, &count, &exact, &ctx->position);
    }
    if (status == KVS_OK)
        reply_integer(ctx->reply, (int64_t)count);
    return status;
}

/* ASYNC and SYNC are the same here: a range goes in one step, its space comes back behind. */
static bool flush_args(struct command_ctx *ctx)
{
    size_t count = ctx->request->count;
    if (count == 1)
        return true;
    if (count == 2 && (command_arg_is(ctx, 1, "ASYNC") || command_arg_is(ctx, 1, "SYNC")))
        return true;
    (void)syntax_error(ctx);
    return false;
}

enum kvs_status cmd_flushdb(struct command_ctx *ctx)
{
    if (!flush_args(ctx))
        return KVS_OK;
    kvs_txn_remove_range(ctx->txn, ctx->db, NULL);
    reply_ok(ctx->reply);
    return KVS_OK;
}

enum kvs_status cmd_flushall(struct command_ctx *ctx)
{
    if (!flush_args(ctx))
        return KVS_OK;
    for (unsigned space = 0; space < KVS_SPACES; space++)
        kvs_txn_remove_range(ctx->txn, ctx->spaces[space], NULL);
    reply_ok(ctx->reply);
    return KVS_OK;
}

/* ---- WAIT ---- */

/*
 * There are no replicas, so none has acknowledged; what is left of WAIT is a barrier: it answers when everything written before it is on
 * disk, with whatever durability it was written.
 */
enum kvs_status cmd_wait(struct command_ctx *ctx)
{
    int64_t timeout_ms;
    int64_t replicas;
    if (!data_arg_i64(ctx, 1, &replicas))
        return KVS_OK;
    if (!number_parse_i64(command_arg(ctx, 2), &timeout_ms)) {
        reply_error(ctx->reply, "ERR timeout is not an integer or out of range");
        return KVS_OK;
    }
    if (timeout_ms < 0) {
        reply_error(ctx->reply, "ERR timeout is negative");
        return KVS_OK;
    }
    struct kvs_marks marks;
    enum kvs_status status = KVS_OK;
    kvs_marks(ctx->db, &marks);
    if (marks.durable < marks.visible && !ctx->in_exec) {
        if (!ctx->may_wait)
            return KVS_WOULD_BLOCK;
        status = kvs_wait_durable(ctx->db, marks.visible);
    }
    if (status == KVS_OK)
        reply_integer(ctx->reply, 0);
    return status;
}
