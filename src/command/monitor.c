/*
 * monitor.c - MONITOR, SLOWLOG.
 */
#include "command/monitor.h"

#include "base/bytes.h"
#include "base/number.h"
#include "command/connection.h"
#include "command/families.h"
#include "command/transaction.h"

/* ---- MONITOR ---- */

size_t monitor_redacted(const struct command *command, const struct kvs_bytes *args, size_t count)
{
    if (command->run == cmd_auth)
        return 1;
    if (command->run == cmd_hello) {
        for (size_t i = 2; i < count; i++)
            if (bytes_equal_nocase(args[i], BYTES("AUTH")))
                return i + 1;
    }
    if (command->run == cmd_config_set) {
        for (size_t i = 2; i + 1 < count; i += 2)
            if (bytes_equal_nocase(args[i], BYTES("requirepass")))
                return i + 1;
    }
    return count;
}

struct showing {
    struct command_ctx *ctx;
    unsigned space;
};

static void show(void *arg, const struct command *command, const struct request *request)
{
    struct showing *showing = arg;
    struct command_ctx *ctx = showing->ctx;
    if ((command->flags & (COMMAND_SKIP_MONITOR | COMMAND_ADMIN)) != 0)
        return;
    ctx->host->show_command(ctx->host->ctx, ctx->client, showing->space, request->args,
                            request->count,
                            monitor_redacted(command, request->args, request->count));
}

void monitor_show(struct command_ctx *ctx)
{
    struct showing showing = { .ctx = ctx };
    while (showing.space < KVS_SPACES - 1 && ctx->spaces[showing.space] != ctx->db)
        showing.space++;
    if (ctx->host->show_command == NULL || ctx->command->run == cmd_monitor)
        return;
    if (ctx->command->run == cmd_exec) /* as in Redis, what was queued comes before EXEC */
        transaction_each(ctx->client, show, &showing);
    show(&showing, ctx->command, ctx->request);
}

enum kvs_status cmd_monitor(struct command_ctx *ctx)
{
    if (ctx->host == NULL || ctx->host->monitor == NULL)
        return connection_unavailable(ctx);
    if (ctx->in_exec) {
        reply_error(ctx->reply, "ERR MONITOR isn't allowed for DENY BLOCKING client");
        return KVS_OK;
    }
    if (!client_is(ctx->client, CLIENT_MONITORS)) {
        client_mark(ctx->client, CLIENT_MONITORS);
        ctx->host->monitor(ctx->host->ctx, ctx->client, true);
    }
    reply_ok(ctx->reply);
    return KVS_OK;
}

void monitor_reset(struct command_ctx *ctx)
{
    if (!client_is(ctx->client, CLIENT_MONITORS))
        return;
    client_unmark(ctx->client, CLIENT_MONITORS);
    ctx->host->monitor(ctx->host->ctx, ctx->client, false);
}

/* ---- SLOWLOG ---- */

static void count_slow(void *arg, const struct host_slow *slow)
{
    (void)slow;
    (*(size_t *)arg)++;
}

static void reply_slow(void *arg, const struct host_slow *slow)
{
    struct reply *reply = arg;
    reply_array(reply, 6);
    reply_integer(reply, (int64_t)slow->id);
    reply_integer(reply, slow->time_s);
    reply_integer(reply, (int64_t)slow->took_us);
    reply_array(reply, slow->count);
    for (size_t i = 0; i < slow->count; i++)
        reply_bulk(reply, slow->args[i]);
    reply_bulk_str(reply, slow->addr);
    reply_bulk_str(reply, slow->name);
}

struct slow_list {
    struct reply *reply;
    size_t left;
};

static void reply_counted(void *arg, const struct host_slow *slow)
{
    struct slow_list *list = arg;
    if (list->left == 0)
        return; /* came between counting and answering */
    list->left--;
    reply_slow(list->reply, slow);
}

enum kvs_status cmd_slowlog_get(struct command_ctx *ctx)
{
    int64_t max = 10;
    if (ctx->host == NULL || ctx->host->slowlog_each == NULL)
        return connection_unavailable(ctx);
    if (ctx->request->count > 3) {
        reply_error(ctx->reply,
                    "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try SLOWLOG "
                    "HELP.",
                    (int)command_arg(ctx, 1).len, (const char *)command_arg(ctx, 1).data);
        return KVS_OK;
    }
    if (ctx->request->count == 3 && (!number_parse_i64(command_arg(ctx, 2), &max) || max < -1)) {
        reply_error(ctx->reply, "ERR count should be greater than or equal to -1");
        return KVS_OK;
    }
    size_t count = 0;
    (void)ctx->host->slowlog_each(ctx->host->ctx, max, count_slow, &count);
    struct slow_list list = { .reply = ctx->reply, .left = count };
    struct reply_mark mark = reply_mark(ctx->reply);
    reply_array(ctx->reply, count);
    (void)ctx->host->slowlog_each(ctx->host->ctx, max, reply_counted, &list);
    if (list.left != 0) { /* it was reset in between */
        reply_rewind(ctx->reply, mark);
        reply_array(ctx->reply, 0);
    }
    return KVS_OK;
}

enum kvs_status cmd_slowlog_len(struct command_ctx *ctx)
{
    size_t count = 0;
    if (ctx->host == NULL || ctx->host->slowlog_each == NULL)
        return connection_unavailable(ctx);
    (void)ctx->host->slowlog_each(ctx->host->ctx, -1, count_slow, &count);
    reply_integer(ctx->reply, (int64_t)count);
    return KVS_OK;
}

enum kvs_status cmd_slowlog_reset(struct command_ctx *ctx)
{
    if (ctx->host == NULL || ctx->host->slowlog_reset == NULL)
        return connection_unavailable(ctx);
    ctx->host->slowlog_reset(ctx->host->ctx);
    reply_ok(ctx->reply);
    return KVS_OK;
}

enum kvs_status cmd_slowlog_help(struct command_ctx *ctx)
{
    return connection_help(ctx, "SLOWLOG");
}
