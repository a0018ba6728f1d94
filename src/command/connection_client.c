/*
 * connection_client.c - CLIENT and its subcommands.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/number.h"
#include "command/connection.h"
#include "command/families.h"

enum {
    TEXT_BYTES = 256,
    LIST_BYTES_MAX = 256 * 1024 * 1024
};

static enum kvs_status syntax_error(struct command_ctx *ctx)
{
    reply_error(ctx->reply, "ERR syntax error");
    return KVS_OK;
}

enum kvs_status connection_unavailable(struct command_ctx *ctx)
{
    char name[COMMAND_NAME_CHARS];
    command_name_lower(ctx->command, name);
    reply_error(ctx->reply, "ERR the '%s' command is only available in a server", name);
    return KVS_OK;
}

/* The line of @row behind its container's name, which is @skip characters long, and what it does. */
static void reply_help(struct reply *reply, const struct command *row, size_t skip)
{
    char text[512]; /* the longest syntax is half of it; a longer one would only be cut */
    (void)snprintf(text, sizeof text, "%s%s%s", row->name + skip, row->syntax[0] != '\0' ? " " : "",
                   row->syntax);
    reply_status(reply, text);
    (void)snprintf(text, sizeof text, "    %s.", row->summary);
    reply_status(reply, text);
}

enum kvs_status connection_help(struct command_ctx *ctx, const char *container)
{
    size_t total;
    size_t count = 0;
    size_t skip = strlen(container) + 1;
    const struct command *row = command_table(&total);
    const struct command *end = row + total;
    while (row < end &&
           (strncmp(row->name, container, skip - 1) != 0 || row->name[skip - 1] != '|'))
        row++;
    while (row + count < end && strncmp(row[count].name, container, skip - 1) == 0 &&
           row[count].name[skip - 1] == '|')
        count++;
    char head[128];
    (void)snprintf(head, sizeof head,
                   "%s <subcommand> [<arg> [value] [opt] ...]. Subcommands are:", container);
    reply_array(ctx->reply, 1 + 2 * count);
    reply_status(ctx->reply, head);
    for (size_t i = 0; i < count; i++)
        reply_help(ctx->reply, &row[i], skip);
    return KVS_OK;
}

/* ---- This client ---- */

enum kvs_status cmd_client_id(struct command_ctx *ctx)
{
    reply_integer(ctx->reply, (int64_t)ctx->client->id);
    return KVS_OK;
}

enum kvs_status cmd_client_getname(struct command_ctx *ctx)
{
    const char *name = ctx->client->name; /* only this thread changes it */
    if (name == NULL || name[0] == '\0')
        reply_null(ctx->reply);
    else
        reply_bulk_str(ctx->reply, name);
    return KVS_OK;
}

enum kvs_status cmd_client_setname(struct command_ctx *ctx)
{
    struct kvs_bytes name = command_arg(ctx, 2);
    if (!connection_check_name(ctx, name))
        return KVS_OK;
    enum kvs_status status = connection_set_text(ctx, &ctx->client->name, name);
    if (status == KVS_OK)
        reply_ok(ctx->reply);
    return status;
}

enum kvs_status cmd_client_setinfo(struct command_ctx *ctx)
{
    struct kvs_bytes option = command_arg(ctx, 2);
    char **field;
    int shown = option.len < TEXT_BYTES ? (int)option.len : TEXT_BYTES;
    if (command_arg_is(ctx, 2, "LIB-NAME")) {
        field = &ctx->client->lib_name;
    } else if (command_arg_is(ctx, 2, "LIB-VER")) {
        field = &ctx->client->lib_version;
    } else {
        reply_error(ctx->reply, "ERR Unrecognized option '%.*s'", shown, (const char *)option.data);
        return KVS_OK;
    }
    if (!connection_text_is_plain(command_arg(ctx, 3))) {
        reply_error(ctx->reply, "ERR %.*s cannot contain spaces, newlines or special characters.",
                    shown, (const char *)option.data);
        return KVS_OK;
    }
    enum kvs_status status = connection_set_text(ctx, field, command_arg(ctx, 3));
    if (status == KVS_OK)
        reply_ok(ctx->reply);
    return status;
}

/* ---- All clients ---- */

/* Answers @text, which the host filled, and frees it. */
static enum kvs_status reply_text(struct command_ctx *ctx, struct buf *text)
{
    enum kvs_status status = text->failed;
    if (status == KVS_OK)
        reply_verbatim(ctx->reply, "txt", buf_bytes(text));
    else
        (void)fail(status, 0, "a list of more than %d bytes", LIST_BYTES_MAX);
    buf_done(text);
    return status;
}

enum kvs_status cmd_client_info(struct command_ctx *ctx)
{
    if (ctx->host == NULL || ctx->host->client_info == NULL)
        return connection_unavailable(ctx);
    struct buf text;
    buf_init(&text, LIST_BYTES_MAX);
    ctx->host->client_info(ctx->host->ctx, ctx->client, &text);
    return reply_text(ctx, &text);
}

/* NULL, with the error replied, when argument @i is no type of client. */
static const char *type_arg(struct command_ctx *ctx, size_t i)
{
    static const char *const types[] = { "normal", "replica", "pubsub", "master" };
    for (size_t t = 0; t < sizeof types / sizeof types[0]; t++)
        if (command_arg_is(ctx, i, types[t]))
            return types[t];
    if (command_arg_is(ctx, i, "slave"))
        return "replica";
    struct kvs_bytes type = command_arg(ctx, i);
    reply_error(ctx->reply, "ERR Unknown client type '%.*s'",
                type.len < TEXT_BYTES ? (int)type.len : TEXT_BYTES, (const char *)type.data);
    return NULL;
}

/* Arguments @first and up as ids; NULL: *ret_status is to be returned. free() it. */
static uint64_t *id_args(struct command_ctx *ctx, size_t first, enum kvs_status *ret_status)
{
    size_t count = ctx->request->count - first;
    uint64_t *ids = calloc(count, sizeof *ids);
    *ret_status = KVS_OK;
    if (ids == NULL) {
        *ret_status = fail(KVS_NO_MEMORY, 0, "%zu client ids", count);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        int64_t id;
        if (!number_parse_i64(command_arg(ctx, first + i), &id)) {
            reply_error(ctx->reply, "ERR Invalid client ID");
            free(ids);
            return NULL;
        }
        ids[i] = (uint64_t)id; /* a negative one becomes a number that no client has */
    }
    return ids;
}

enum kvs_status cmd_client_list(struct command_ctx *ctx)
{
    if (ctx->host == NULL || ctx->host->client_list == NULL)
        return connection_unavailable(ctx);
    size_t count = ctx->request->count;
    struct host_client_filter filter = { 0 };
    uint64_t *ids = NULL;
    size_t id_count = 0;
    if (count == 4 && command_arg_is(ctx, 2, "TYPE")) {
        filter.type = type_arg(ctx, 3);
        if (filter.type == NULL)
            return KVS_OK;
    } else if (count > 3 && command_arg_is(ctx, 2, "ID")) {
        enum kvs_status status;
        ids = id_args(ctx, 3, &status);
        if (ids == NULL)
            return status;
        id_count = count - 3;
    } else if (count != 2) {
        return syntax_error(ctx);
    }
    struct buf text;
    buf_init(&text, LIST_BYTES_MAX);
    ctx->host->client_list(ctx->host->ctx, &filter, ids, id_count, &text);
    free(ids);
    return reply_text(ctx, &text);
}

/* ---- CLIENT KILL ---- */

struct kill_args {
    struct host_client_filter filter;
    char addr[TEXT_BYTES];
    char laddr[TEXT_BYTES];
    bool nobody; /* a filter that no client passes */
};

/* Argument @i as text; NULL when no address is that long. */
static const char *text_arg(struct command_ctx *ctx, size_t i, char text[TEXT_BYTES])
{
    struct kvs_bytes arg = command_arg(ctx, i);
    if (arg.len >= TEXT_BYTES || (arg.len != 0 && memchr(arg.data, '\0', arg.len) != NULL))
        return NULL;
    if (arg.len != 0)
        memcpy(text, arg.data, arg.len);
    text[arg.len] = '\0';
    return text;
}

static bool kill_id(struct command_ctx *ctx, size_t i, struct kill_args *args)
{
    int64_t id;
    if (!number_parse_i64(command_arg(ctx, i), &id) || id < 1) {
        reply_error(ctx->reply, "ERR client-id should be greater than 0");
        return false;
    }
    args->filter.id = (uint64_t)id;
    return true;
}

static bool kill_user(struct command_ctx *ctx, size_t i, struct kill_args *args)
{
    struct kvs_bytes user = command_arg(ctx, i);
    if (!bytes_equal(user, BYTES("default"))) {
        reply_error(ctx->reply, "ERR No such user '%.*s'",
                    user.len < TEXT_BYTES ? (int)user.len : TEXT_BYTES, (const char *)user.data);
        return false;
    }
    args->filter.user = "default";
    return true;
}

static bool kill_skip_me(struct command_ctx *ctx, size_t i, struct kill_args *args)
{
    args->filter.skip_me = command_arg_is(ctx, i, "yes");
    if (args->filter.skip_me || command_arg_is(ctx, i, "no"))
        return true;
    (void)syntax_error(ctx);
    return false;
}

/* One "option value" pair; false: the error was replied. */
static bool kill_option(struct command_ctx *ctx, size_t i, struct kill_args *args)
{
    struct host_client_filter *filter = &args->filter;
    bool has_value = i + 1 < ctx->request->count;
    if (has_value && command_arg_is(ctx, i, "ID"))
        return kill_id(ctx, i + 1, args);
    if (has_value && command_arg_is(ctx, i, "USER"))
        return kill_user(ctx, i + 1, args);
    if (has_value && command_arg_is(ctx, i, "SKIPME"))
        return kill_skip_me(ctx, i + 1, args);
    if (has_value && command_arg_is(ctx, i, "TYPE")) {
        filter->type = type_arg(ctx, i + 1);
        return filter->type != NULL;
    }
    if (has_value && command_arg_is(ctx, i, "ADDR")) {
        filter->addr = text_arg(ctx, i + 1, args->addr);
        args->nobody |= filter->addr == NULL;
        return true;
    }
    if (has_value && command_arg_is(ctx, i, "LADDR")) {
        filter->laddr = text_arg(ctx, i + 1, args->laddr);
        args->nobody |= filter->laddr == NULL;
        return true;
    }
    (void)syntax_error(ctx);
    return false;
}

enum kvs_status cmd_client_kill(struct command_ctx *ctx)
{
    if (ctx->host == NULL || ctx->host->client_kill == NULL)
        return connection_unavailable(ctx);
    struct kill_args args = { 0 };
    bool old_style = ctx->request->count == 3;
    if (old_style) {
        args.filter.addr = text_arg(ctx, 2, args.addr);
        args.nobody = args.filter.addr == NULL;
    } else {
        args.filter.skip_me = true;
        for (size_t i = 2; i < ctx->request->count; i += 2)
            if (!kill_option(ctx, i, &args))
                return KVS_OK;
    }
    uint64_t killed =
        args.nobody ? 0 : ctx->host->client_kill(ctx->host->ctx, ctx->client, &args.filter);
    if (!old_style)
        reply_integer(ctx->reply, (int64_t)killed);
    else if (killed == 0)
        reply_error(ctx->reply, "ERR No such client");
    else
        reply_ok(ctx->reply);
    return KVS_OK;
}

enum kvs_status cmd_client_help(struct command_ctx *ctx)
{
    return connection_help(ctx, "CLIENT");
}
