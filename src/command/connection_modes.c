/*
 * connection_modes.c - CLIENT REPLY, PAUSE, UNPAUSE, UNBLOCK, NO-EVICT and NO-TOUCH: how a client, or all of them, are served.
 */
#include "base/number.h"
#include "command/connection.h"
#include "command/families.h"

static enum kvs_status syntax_error(struct command_ctx *ctx)
{
    reply_error(ctx->reply, "ERR syntax error");
    return KVS_OK;
}

/* What is not to be answered is taken back by the session. */
enum kvs_status cmd_client_reply(struct command_ctx *ctx)
{
    struct client *client = ctx->client;
    if (command_arg_is(ctx, 2, "ON")) {
        client_unmark(client, CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP | CLIENT_REPLY_SKIP_NEXT);
        reply_ok(ctx->reply);
    } else if (command_arg_is(ctx, 2, "OFF")) {
        client_mark(client, CLIENT_REPLY_OFF);
    } else if (command_arg_is(ctx, 2, "SKIP")) {
        if (!client_is(client, CLIENT_REPLY_OFF))
            client_mark(client, CLIENT_REPLY_SKIP_NEXT);
    } else {
        return syntax_error(ctx);
    }
    return KVS_OK;
}

enum kvs_status cmd_client_pause(struct command_ctx *ctx)
{
    int64_t ms;
    enum host_pause mode = HOST_PAUSE_ALL;
    if (ctx->host == NULL || ctx->host->pause == NULL)
        return connection_unavailable(ctx);
    if (ctx->request->count == 4) {
        if (command_arg_is(ctx, 3, "WRITE")) {
            mode = HOST_PAUSE_WRITE;
        } else if (!command_arg_is(ctx, 3, "ALL")) {
            reply_error(ctx->reply, "ERR CLIENT PAUSE mode must be WRITE or ALL");
            return KVS_OK;
        }
    } else if (ctx->request->count > 4) {
        return syntax_error(ctx);
    }
    if (!number_parse_i64(command_arg(ctx, 2), &ms)) {
        reply_error(ctx->reply, "ERR timeout is not an integer or out of range");
    } else if (ms < 0) {
        reply_error(ctx->reply, "ERR timeout is negative");
    } else {
        reply_ok(ctx->reply);
        ctx->host->pause(ctx->host->ctx, (uint64_t)ms, mode);
    }
    return KVS_OK;
}

enum kvs_status cmd_client_unpause(struct command_ctx *ctx)
{
    if (ctx->host == NULL || ctx->host->unpause == NULL)
        return connection_unavailable(ctx);
    reply_ok(ctx->reply);
    ctx->host->unpause(ctx->host->ctx);
    return KVS_OK;
}

/* No command waits for others here, so there is never anybody to unblock. */
enum kvs_status cmd_client_unblock(struct command_ctx *ctx)
{
    int64_t id;
    if (ctx->request->count > 4) {
        struct kvs_bytes name = command_arg(ctx, 1);
        reply_error(ctx->reply,
                    "ERR unknown subcommand or wrong number of arguments for '%.*s'. Try CLIENT "
                    "HELP.",
                    (int)name.len, (const char *)name.data);
        return KVS_OK;
    }
    if (ctx->request->count == 4 && !command_arg_is(ctx, 3, "TIMEOUT") &&
        !command_arg_is(ctx, 3, "ERROR"))
        reply_error(ctx->reply, "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    else if (!number_parse_i64(command_arg(ctx, 2), &id))
        reply_error(ctx->reply, "ERR value is not an integer or out of range");
    else
        reply_integer(ctx->reply, 0);
    return KVS_OK;
}

static enum kvs_status mark_on_off(struct command_ctx *ctx, unsigned special)
{
    if (command_arg_is(ctx, 2, "ON"))
        client_mark(ctx->client, special);
    else if (command_arg_is(ctx, 2, "OFF"))
        client_unmark(ctx->client, special);
    else
        return syntax_error(ctx);
    reply_ok(ctx->reply);
    return KVS_OK;
}

enum kvs_status cmd_client_no_evict(struct command_ctx *ctx)
{
    return mark_on_off(ctx, CLIENT_NO_EVICT);
}

enum kvs_status cmd_client_no_touch(struct command_ctx *ctx)
{
    return mark_on_off(ctx, CLIENT_NO_TOUCH);
}
