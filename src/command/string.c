/*
 * string.c - strings as wholes: GET, SET and their variants, several keys at once.
 */
#include "command/data.h"
#include "command/expiry.h"
#include "command/families.h"

enum kvs_status cmd_get(struct command_ctx *ctx)
{
    return data_reply_value(ctx, command_arg(ctx, 1), NULL);
}

enum kvs_status cmd_strlen(struct command_ctx *ctx)
{
    struct data_info info;
    enum kvs_status status = data_look(ctx, command_arg(ctx, 1), &info);
    if (status == KVS_OK)
        reply_integer(ctx->reply, (int64_t)info.value_bytes);
    return status;
}

/* ---- SET and its like ---- */

/*
 * Sets @key to argument @arg. A time that has passed (only an absolute one can) makes the key go, as it would at the first look
 * at it.
 */
static enum kvs_status set_or_expire(struct command_ctx *ctx, struct kvs_bytes key, size_t arg,
                                     int64_t expire_ms)
{
    if (expire_ms == 0 || expire_ms > ctx->now_ms)
        return data_set_arg(ctx, key, arg, expire_ms);
    kvs_txn_remove(ctx->txn, ctx->db, key);
    return KVS_OK;
}

/* The same when nothing was read: one write without a transaction, except for what that cannot do. The reply is there already. */
static enum kvs_status set_blindly(struct command_ctx *ctx, struct kvs_bytes key, size_t arg,
                                   int64_t expire_ms)
{
    struct kvs_bytes value = command_arg(ctx, arg);
    if (value.len <= KVS_INLINE_MAX && (expire_ms == 0 || expire_ms > ctx->now_ms))
        return command_set_one(ctx, key, value, expire_ms);
    enum kvs_status status = command_begin(ctx);
    return status != KVS_OK ? status : set_or_expire(ctx, key, arg, expire_ms);
}

/* SET with an option that depends on the old value. */
static enum kvs_status set_looking(struct command_ctx *ctx, const struct expiry_options *options,
                                   int64_t expire_ms)
{
    struct kvs_bytes key = command_arg(ctx, 1);
    struct data_info old;
    enum kvs_status status = command_begin(ctx);
    if (status != KVS_OK)
        return status;
    status = options->get ? data_reply_value(ctx, key, &old) : data_look(ctx, key, &old);
    if (status != KVS_OK)
        return status;
    if ((options->nx && old.found) || (options->xx && !old.found)) {
        if (!options->get)
            reply_null(ctx->reply);
        return KVS_OK;
    }
    if (!options->get)
        reply_ok(ctx->reply);
    return set_or_expire(ctx, key, 2, options->keepttl ? old.expire_ms : expire_ms);
}

enum kvs_status cmd_set(struct command_ctx *ctx)
{
    struct expiry_options options;
    if (!expiry_options(ctx, 3, true, &options))
        return data_error_syntax(ctx);
    int64_t expire_ms = 0;
    if (options.has_time) {
        enum expiry_verdict verdict =
            expiry_parse(options.time, options.unit, ctx->now_ms, &expire_ms);
        if (verdict != EXPIRY_OK)
            return expiry_error(ctx, verdict);
    }
    if (options.nx || options.xx || options.get || options.keepttl)
        return set_looking(ctx, &options, expire_ms);
    reply_ok(ctx->reply);
    return set_blindly(ctx, command_arg(ctx, 1), 2, expire_ms);
}

enum kvs_status cmd_setnx(struct command_ctx *ctx)
{
    struct kvs_bytes key = command_arg(ctx, 1);
    struct data_info old;
    enum kvs_status status = data_look(ctx, key, &old);
    if (status != KVS_OK)
        return status;
    reply_integer(ctx->reply, !old.found);
    return old.found ? KVS_OK : data_set_arg(ctx, key, 2, 0);
}

static enum kvs_status set_for(struct command_ctx *ctx, bool seconds)
{
    struct expiry_unit unit = { .seconds = seconds };
    int64_t expire_ms;
    enum expiry_verdict verdict = expiry_parse(command_arg(ctx, 2), unit, ctx->now_ms, &expire_ms);
    if (verdict != EXPIRY_OK)
        return expiry_error(ctx, verdict);
    reply_ok(ctx->reply);
    return set_blindly(ctx, command_arg(ctx, 1), 3, expire_ms);
}

enum kvs_status cmd_setex(struct command_ctx *ctx)
{
    return set_for(ctx, true);
}

enum kvs_status cmd_psetex(struct command_ctx *ctx)
{
    return set_for(ctx, false);
}

enum kvs_status cmd_getset(struct command_ctx *ctx)
{
    enum kvs_status status = data_reply_value(ctx, command_arg(ctx, 1), NULL);
    return status != KVS_OK ? status : data_set_arg(ctx, command_arg(ctx, 1), 2, 0);
}

enum kvs_status cmd_getdel(struct command_ctx *ctx)
{
    struct data_info old;
    enum kvs_status status = data_reply_value(ctx, command_arg(ctx, 1), &old);
    if (status == KVS_OK && old.found)
        kvs_txn_remove(ctx->txn, ctx->db, command_arg(ctx, 1));
    return status;
}

/* ---- GETEX ---- */

/* The value is answered and written again with its new expiry. */
static enum kvs_status getex_change(struct command_ctx *ctx, int64_t expire_ms)
{
    struct kvs_bytes key = command_arg(ctx, 1);
    struct data_info old;
    enum kvs_status status = data_reply_value(ctx, key, &old);
    if (status != KVS_OK || !old.found)
        return status;
    if (expire_ms != 0 && expire_ms <= ctx->now_ms) {
        kvs_txn_remove(ctx->txn, ctx->db, key);
        return KVS_OK;
    }
    if (expire_ms == old.expire_ms)
        return KVS_OK;
    struct data_value value = { .bytes = NULL };
    status = data_load(ctx, key, &value);
    if (status == KVS_OK)
        status = data_set_again(ctx, key, &value, expire_ms);
    data_value_done(ctx, &value);
    return status;
}

enum kvs_status cmd_getex(struct command_ctx *ctx)
{
    struct expiry_options options;
    if (!expiry_options(ctx, 2, false, &options))
        return data_error_syntax(ctx);
    if (!options.has_time && !options.persist)
        return data_reply_value(ctx, command_arg(ctx, 1), NULL);
    int64_t expire_ms = 0;
    if (options.has_time) {
        enum expiry_verdict verdict =
            expiry_parse(options.time, options.unit, ctx->now_ms, &expire_ms);
        if (verdict != EXPIRY_OK) {
            /* Redis finds a bad time only when there is a key to use it on. */
            struct data_info old;
            enum kvs_status status = data_look(ctx, command_arg(ctx, 1), &old);
            if (status != KVS_OK)
                return status;
            if (old.found)
                return expiry_error(ctx, verdict);
            reply_null(ctx->reply);
            return KVS_OK;
        }
    }
    return getex_change(ctx, expire_ms);
}

/* ---- Several keys ---- */

enum kvs_status cmd_mget(struct command_ctx *ctx)
{
    return data_reply_values(ctx, 1);
}

enum kvs_status cmd_mset(struct command_ctx *ctx)
{
    if (ctx->request->count % 2 == 0)
        return data_error_arity(ctx);
    for (size_t i = 1; i < ctx->request->count; i += 2) {
        enum kvs_status status = data_set_arg(ctx, command_arg(ctx, i), i + 1, 0);
        if (status != KVS_OK)
            return status;
    }
    reply_ok(ctx->reply);
    return KVS_OK;
}

enum kvs_status cmd_msetnx(struct command_ctx *ctx)
{
    if (ctx->request->count % 2 == 0)
        return data_error_arity(ctx);
    for (size_t i = 1; i < ctx->request->count; i += 2) {
        struct data_info info;
        enum kvs_status status = data_look(ctx, command_arg(ctx, i), &info);
        if (status != KVS_OK)
            return status;
        if (info.found) {
            reply_integer(ctx->reply, 0);
            return KVS_OK;
        }
    }
    for (size_t i = 1; i < ctx->request->count; i += 2) {
        enum kvs_status status = data_set_arg(ctx, command_arg(ctx, i), i + 1, 0);
        if (status != KVS_OK)
            return status;
    }
    reply_integer(ctx->reply, 1);
    return KVS_OK;
}
