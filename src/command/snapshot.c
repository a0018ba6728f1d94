/*
 * snapshot.c - SNAPSHOT: several commands at one version of the store, from any connection.
 *
 * The snapshots are the host's: bounded in number, each with a time to live, so that one that is forgotten does not hold back
 * what it pins for ever. READ runs a command that reads past the transaction (DIRECT in the table), with ctx->snapshot set.
 */
#include "base/bytes.h"
#include "base/number.h"
#include "command/connection.h"
#include "command/data.h"
#include "command/families.h"

enum {
    TTL_S = 60,
    TTL_MAX_S = 3600
};

static bool have_snapshots(const struct command_ctx *ctx)
{
    return ctx->host != NULL && ctx->host->snapshot_open != NULL &&
           kvs_capabilities(ctx->db)->snapshots;
}

static enum kvs_status error_unknown(struct command_ctx *ctx)
{
    reply_error(ctx->reply, "ERR no such snapshot");
    return KVS_OK;
}

enum kvs_status cmd_snapshot_open(struct command_ctx *ctx)
{
    int64_t ttl_s = TTL_S;
    if (!have_snapshots(ctx))
        return connection_unavailable(ctx);
    if (ctx->request->count != 2) {
        if (ctx->request->count != 4 || !command_arg_is(ctx, 2, "EX"))
            return data_error_syntax(ctx);
        if (!data_arg_i64(ctx, 3, &ttl_s))
            return KVS_OK;
        if (ttl_s < 1 || ttl_s > TTL_MAX_S) {
            reply_error(ctx->reply, "ERR a snapshot lives for 1 to %d seconds", TTL_MAX_S);
            return KVS_OK;
        }
    }
    uint64_t id = ctx->host->snapshot_open(ctx->host->ctx, ttl_s);
    if (id == 0)
        reply_error(ctx->reply, "ERR too many snapshots are open");
    else
        reply_integer(ctx->reply, (int64_t)id);
    return KVS_OK;
}

/* The number in argument 2; false: the error was replied. */
static bool arg_snapshot(struct command_ctx *ctx, uint64_t *ret)
{
    if (number_parse_u64(command_arg(ctx, 2), ret) && *ret != 0)
        return true;
    (void)error_unknown(ctx);
    return false;
}

enum kvs_status cmd_snapshot_close(struct command_ctx *ctx)
{
    uint64_t id;
    if (!have_snapshots(ctx))
        return connection_unavailable(ctx);
    if (!arg_snapshot(ctx, &id))
        return KVS_OK;
    if (!ctx->host->snapshot_close(ctx->host->ctx, id))
        return error_unknown(ctx);
    reply_ok(ctx->reply);
    return KVS_OK;
}

/* The command behind the number, if it can be run so. NULL: the error was replied. */
static const struct command *inner_command(struct command_ctx *ctx, const struct request *request)
{
    const struct command *container;
    const struct command *command = command_lookup(request->args, request->count, &container);
    const uint32_t needs = COMMAND_READONLY | COMMAND_DIRECT;
    if (command == NULL || (command->flags & needs) != needs || command->run == NULL ||
        command->run == cmd_snapshot_read || command->run == cmd_randomkey) {
        reply_error(ctx->reply, "ERR SNAPSHOT READ takes a command that reads keys");
        return NULL;
    }
    size_t arity = (size_t)(command->arity < 0 ? -command->arity : command->arity);
    if (request->count < arity || (command->arity > 0 && request->count != arity)) {
        char name[COMMAND_NAME_CHARS];
        command_name_lower(command, name);
        reply_error(ctx->reply, "ERR wrong number of arguments for '%s' command", name);
        return NULL;
    }
    return command;
}

enum kvs_status cmd_snapshot_read(struct command_ctx *ctx)
{
    uint64_t id;
    if (!have_snapshots(ctx))
        return connection_unavailable(ctx);
    if (!arg_snapshot(ctx, &id))
        return KVS_OK;
    struct request request = {
        .args = ctx->request->args + 3,
        .count = ctx->request->count - 3,
    };
    const struct command *command = inner_command(ctx, &request);
    if (command == NULL)
        return KVS_OK;
    if ((command->flags & COMMAND_SLOW) != 0 && !ctx->may_wait)
        return KVS_WOULD_BLOCK;
    struct command_ctx inner = *ctx;
    inner.command = command;
    inner.request = &request;
    inner.snapshot = ctx->host->snapshot_use(ctx->host->ctx, id);
    if (inner.snapshot == NULL)
        return error_unknown(ctx);
    enum kvs_status status = command->run(&inner);
    ctx->host->snapshot_release(ctx->host->ctx, id);
    data_note_direct(ctx, inner.position);
    return status;
}

enum kvs_status cmd_snapshot_help(struct command_ctx *ctx)
{
    return connection_help(ctx, "SNAPSHOT");
}
