/*
 * connection.c - the connection itself: HELLO, AUTH, PING, ECHO, SELECT, QUIT, RESET.
 */
#include "command/connection.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/number.h"
#include "command/families.h"
#include "command/monitor.h"
#include "command/subscribe.h"
#include "command/tracking.h"
#include "command/transaction.h"

/* What HELLO answers: clients decide by it what they may use. */
#define SHOWN_REDIS_VERSION "7.0.15"

/* ---- Texts of a client ---- */

bool connection_text_is_plain(struct kvs_bytes text)
{
    const unsigned char *bytes = text.data;
    for (size_t i = 0; i < text.len; i++)
        if (bytes[i] < '!' || bytes[i] > '~')
            return false;
    return true;
}

enum kvs_status connection_set_text(struct command_ctx *ctx, char **field, struct kvs_bytes text)
{
    char *copy = NULL;
    if (text.len != 0) {
        copy = malloc(text.len + 1);
        if (copy == NULL)
            return fail(KVS_NO_MEMORY, 0, "a name of %zu bytes", text.len);
        memcpy(copy, text.data, text.len);
        copy[text.len] = '\0';
    }
    if (ctx->host != NULL && ctx->host->client_text != NULL) {
        ctx->host->client_text(ctx->host->ctx, field, copy);
        return KVS_OK;
    }
    free(*field);
    *field = copy;
    return KVS_OK;
}

bool connection_check_name(struct command_ctx *ctx, struct kvs_bytes name)
{
    if (connection_text_is_plain(name))
        return true;
    reply_error(ctx->reply,
                "ERR Client names cannot contain spaces, newlines or special characters.");
    return false;
}

/* ---- Who it is ---- */

static bool password_needed(const struct command_ctx *ctx)
{
    return ctx->host != NULL && ctx->host->password_needed != NULL &&
           ctx->host->password_needed(ctx->host->ctx);
}

/* Replies the error and answers false when @user and @password do not open the door. */
static bool authenticate(struct command_ctx *ctx, struct kvs_bytes user, struct kvs_bytes password)
{
    bool opens;
    if (password_needed(ctx))
        opens = ctx->host->password_matches != NULL &&
                ctx->host->password_matches(ctx->host->ctx, user, password);
    else
        opens = bytes_equal(user, BYTES("default")); /* without a password, any will do */
    if (opens)
        ctx->client->authenticated = true;
    else
        reply_error(ctx->reply, "WRONGPASS invalid username-password pair or user is disabled.");
    return opens;
}

enum kvs_status cmd_auth(struct command_ctx *ctx)
{
    size_t count = ctx->request->count;
    if (count > 3) {
        reply_error(ctx->reply, "ERR syntax error");
        return KVS_OK;
    }
    if (count == 2 && !password_needed(ctx)) {
        reply_error(ctx->reply,
                    "ERR AUTH <password> called without any password configured for the "
                    "default user. Are you sure your configuration is correct?");
        return KVS_OK;
    }
    struct kvs_bytes user = count == 3 ? command_arg(ctx, 1) : BYTES("default");
    if (authenticate(ctx, user, command_arg(ctx, count - 1)))
        reply_ok(ctx->reply);
    return KVS_OK;
}

struct hello {
    int64_t version; /* 0: as it is */
    bool has_auth;
    struct kvs_bytes user;
    struct kvs_bytes password;
    bool has_name;
    struct kvs_bytes name;
};

/* False: the error was replied. */
static bool hello_version(struct command_ctx *ctx, struct hello *hello)
{
    if (ctx->request->count < 2)
        return true;
    if (!number_parse_i64(command_arg(ctx, 1), &hello->version)) {
        reply_error(ctx->reply, "ERR Protocol version is not an integer or out of range");
        return false;
    }
    if (hello->version != 2 && hello->version != 3) {
        reply_error(ctx->reply, "NOPROTO unsupported protocol version");
        return false;
    }
    return true;
}

static bool hello_options(struct command_ctx *ctx, struct hello *hello)
{
    size_t count = ctx->request->count;
    for (size_t i = 2; i < count; i++) {
        if (command_arg_is(ctx, i, "AUTH") && i + 2 < count) {
            hello->has_auth = true;
            hello->user = command_arg(ctx, i + 1);
            hello->password = command_arg(ctx, i + 2);
            i += 2;
        } else if (command_arg_is(ctx, i, "SETNAME") && i + 1 < count) {
            hello->has_name = true;
            hello->name = command_arg(ctx, i + 1);
            if (!connection_check_name(ctx, hello->name))
                return false;
            i++;
        } else {
            struct kvs_bytes option = command_arg(ctx, i);
            reply_error(ctx->reply, "ERR Syntax error in HELLO option '%.*s'",
                        option.len < 512 ? (int)option.len : 512, (const char *)option.data);
            return false;
        }
    }
    return true;
}

static void hello_reply(struct command_ctx *ctx)
{
    struct reply *reply = ctx->reply;
    reply_map(reply, 7);
    reply_bulk_str(reply, "server");
    reply_bulk_str(reply, "redis");
    reply_bulk_str(reply, "version");
    reply_bulk_str(reply, SHOWN_REDIS_VERSION);
    reply_bulk_str(reply, "proto");
    /* relaxed: this thread stored it */
    reply_integer(reply, atomic_load_explicit(&ctx->client->protocol, memory_order_relaxed));
    reply_bulk_str(reply, "id");
    reply_integer(reply, (int64_t)ctx->client->id);
    reply_bulk_str(reply, "mode");
    reply_bulk_str(reply, "standalone");
    reply_bulk_str(reply, "role");
    reply_bulk_str(reply, "master");
    reply_bulk_str(reply, "modules");
    reply_array(reply, 0);
}

/* From here on, this reply included, the client is answered in RESP @version. */
static void speak(struct command_ctx *ctx, int version)
{
    /* relaxed: other threads only show it */
    atomic_store_explicit(&ctx->client->protocol, version, memory_order_relaxed);
    const struct reply_ops *ops = ctx->reply->versions[version - 2];
    if (ops != NULL)
        ctx->reply->ops = ops;
}

enum kvs_status cmd_hello(struct command_ctx *ctx)
{
    struct hello hello = { 0 };
    if (!hello_version(ctx, &hello) || !hello_options(ctx, &hello))
        return KVS_OK;
    if (hello.has_auth && !authenticate(ctx, hello.user, hello.password))
        return KVS_OK;
    if (!ctx->client->authenticated && password_needed(ctx)) {
        reply_error(
            ctx->reply,
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the "
            "HELLO AUTH <user> <pass> option can be used to authenticate the client and "
            "select the RESP protocol version at the same time");
        return KVS_OK;
    }
    if (hello.has_name) {
        enum kvs_status status = connection_set_text(ctx, &ctx->client->name, hello.name);
        if (status != KVS_OK)
            return status;
    }
    if (hello.version != 0)
        speak(ctx, (int)hello.version);
    hello_reply(ctx);
    return KVS_OK;
}

/* ---- The rest ---- */

static bool is_resp2_subscriber(const struct client *client)
{
    /* relaxed: this thread stored it */
    return client_is(client, CLIENT_SUBSCRIBED) &&
           atomic_load_explicit(&client->protocol, memory_order_relaxed) == 2;
}

static void reply_pong_array(struct command_ctx *ctx)
{
    reply_array(ctx->reply, 2);
    reply_bulk_str(ctx->reply, "pong");
    reply_bulk(ctx->reply, ctx->request->count == 2 ? command_arg(ctx, 1) : BYTES(""));
}

enum kvs_status cmd_ping(struct command_ctx *ctx)
{
    if (ctx->request->count > 2)
        reply_error(ctx->reply, "ERR wrong number of arguments for 'ping' command");
    else if (is_resp2_subscriber(ctx->client)) /* what its client library expects among messages */
        reply_pong_array(ctx);
    else if (ctx->request->count == 2)
        reply_bulk(ctx->reply, command_arg(ctx, 1));
    else
        reply_status(ctx->reply, "PONG");
    return KVS_OK;
}

enum kvs_status cmd_echo(struct command_ctx *ctx)
{
    reply_bulk(ctx->reply, command_arg(ctx, 1));
    return KVS_OK;
}

static void select_space(struct command_ctx *ctx, unsigned space)
{
    ctx->db = ctx->spaces[space];
    /* relaxed: other threads only show it */
    atomic_store_explicit(&ctx->client->space, space, memory_order_relaxed);
}

enum kvs_status cmd_select(struct command_ctx *ctx)
{
    int64_t space;
    if (!number_parse_i64(command_arg(ctx, 1), &space)) {
        reply_error(ctx->reply, "ERR value is not an integer or out of range");
    } else if (space < INT32_MIN || space > INT32_MAX) {
        reply_error(ctx->reply, "ERR value is out of range, value must between %d and %d",
                    INT32_MIN, INT32_MAX);
    } else if (space < 0 || space >= KVS_SPACES) {
        reply_error(ctx->reply, "ERR DB index is out of range");
    } else {
        select_space(ctx, (unsigned)space);
        reply_ok(ctx->reply);
    }
    return KVS_OK;
}

enum kvs_status cmd_quit(struct command_ctx *ctx)
{
    reply_ok(ctx->reply);
    ctx->client->closing = true;
    return KVS_OK;
}

enum kvs_status cmd_reset(struct command_ctx *ctx)
{
    struct client *client = ctx->client;
    transaction_discard(client, ctx->db);
    subscribe_reset(ctx);
    tracking_reset(ctx);
    monitor_reset(ctx);
    client_unmark(client, CLIENT_MUTE | CLIENT_NO_EVICT | CLIENT_NO_TOUCH);
    enum kvs_status status = connection_set_text(ctx, &client->name, BYTES(""));
    if (status != KVS_OK)
        return status;
    speak(ctx, 2);
    select_space(ctx, 0);
    client->authenticated = !password_needed(ctx);
    client->reset = true;
    reply_status(ctx->reply, "RESET");
    return KVS_OK;
}
