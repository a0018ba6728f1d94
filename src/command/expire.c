/*
 * expire.c - times to live: EXPIRE and its family, TTL and its family, PERSIST.
 *
 * The time stands in the record, as Unix time in milliseconds, so changing it writes the record again.
 */
#include "base/bytes.h"
#include "base/number.h"
#include "command/data.h"
#include "command/expiry.h"
#include "command/families.h"

/* ---- EXPIRE PEXPIRE EXPIREAT PEXPIREAT ---- */

struct expire_options {
    bool nx;
    bool xx;
    bool gt;
    bool lt;
};

/* False: the error was replied. */
static bool expire_options(struct command_ctx *ctx, struct expire_options *ret)
{
    *ret = (struct expire_options){ .nx = false };
    for (size_t i = 3; i < ctx->request->count; i++) {
        struct kvs_bytes option = command_arg(ctx, i);
        if (command_arg_is(ctx, i, "NX")) {
            ret->nx = true;
        } else if (command_arg_is(ctx, i, "XX")) {
            ret->xx = true;
        } else if (command_arg_is(ctx, i, "GT")) {
            ret->gt = true;
        } else if (command_arg_is(ctx, i, "LT")) {
            ret->lt = true;
        } else {
            reply_error(ctx->reply, "ERR Unsupported option %.*s",
                        (int)(option.len < 256 ? option.len : 256), (const char *)option.data);
            return false;
        }
    }
    if (ret->nx && (ret->xx || ret->gt || ret->lt)) {
        reply_error(ctx->reply,
                    "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if (ret->gt && ret->lt) {
        reply_error(ctx->reply, "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

/* Unlike SET's, these times may lie in the past, and be negative. False: out of range. */
static bool expire_time(const struct command_ctx *ctx, int64_t number, struct expiry_unit unit,
                        int64_t *ret_ms)
{
    if (unit.seconds && __builtin_mul_overflow(number, 1000, &number))
        return false;
    if (!unit.absolute && __builtin_add_overflow(number, ctx->now_ms, &number))
        return false;
    *ret_ms = number;
    return true;
}

/* No expiry at all counts as one that is later than any. */
static bool expire_applies(const struct expire_options *options, int64_t old_ms, int64_t new_ms)
{
    if ((options->nx && old_ms != 0) || (options->xx && old_ms == 0))
        return false;
    if (options->gt && (old_ms == 0 || new_ms <= old_ms))
        return false;
    return !(options->lt && old_ms != 0 && new_ms >= old_ms);
}

static enum kvs_status set_expiry(struct command_ctx *ctx, struct kvs_bytes key, int64_t expire_ms)
{
    struct data_value value = { .bytes = NULL };
    enum kvs_status status = data_load(ctx, key, &value);
    if (status == KVS_OK)
        status = data_set_again(ctx, key, &value, expire_ms);
    data_value_done(ctx, &value);
    return status;
}

static enum kvs_status expire_key(struct command_ctx *ctx, struct expiry_unit unit)
{
    struct kvs_bytes key = command_arg(ctx, 1);
    struct expire_options options;
    int64_t expire_ms;
    if (!expire_options(ctx, &options) || !data_arg_i64(ctx, 2, &expire_ms))
        return KVS_OK;
    if (!expire_time(ctx, expire_ms, unit, &expire_ms))
        return expiry_error(ctx, EXPIRY_INVALID);

    struct data_info info;
    enum kvs_status status = data_look(ctx, key, &info);
    if (status != KVS_OK)
        return status;
    bool applies = info.found && expire_applies(&options, info.expire_ms, expire_ms);
    reply_integer(ctx->reply, applies);
    if (!applies)
        return KVS_OK;
    if (expire_ms <= ctx->now_ms) {
        kvs_txn_remove(ctx->txn, ctx->db, key);
        return KVS_OK;
    }
    return expire_ms == info.expire_ms ? KVS_OK : set_expiry(ctx, key, expire_ms);
}

enum kvs_status cmd_expire(struct command_ctx *ctx)
{
    return expire_key(ctx, (struct expiry_unit){ .seconds = true });
}

enum kvs_status cmd_pexpire(struct command_ctx *ctx)
{
    return expire_key(ctx, (struct expiry_unit){ .seconds = false });
}

enum kvs_status cmd_expireat(struct command_ctx *ctx)
{
    return expire_key(ctx, (struct expiry_unit){ .seconds = true, .absolute = true });
}

enum kvs_status cmd_pexpireat(struct command_ctx *ctx)
{
    return expire_key(ctx, (struct expiry_unit){ .absolute = true });
}

enum kvs_status cmd_persist(struct command_ctx *ctx)
{
    struct kvs_bytes key = command_arg(ctx, 1);
    struct data_info info;
    enum kvs_status status = data_look(ctx, key, &info);
    if (status != KVS_OK)
        return status;
    bool applies = info.found && info.expire_ms != 0;
    reply_integer(ctx->reply, applies);
    return applies ? set_expiry(ctx, key, 0) : KVS_OK;
}

/* ---- TTL PTTL EXPIRETIME PEXPIRETIME ---- */

enum {
    TTL_NO_KEY = -2,
    TTL_FOREVER = -1
};

/* Seconds are rounded, not cut, as in Redis. */
static enum kvs_status reply_ttl(struct command_ctx *ctx, struct expiry_unit unit)
{
    struct data_info info;
    enum kvs_status status = data_look(ctx, command_arg(ctx, 1), &info);
    if (status != KVS_OK)
        return status;
    int64_t ms = TTL_NO_KEY;
    if (info.found)
        ms = TTL_FOREVER;
    if (info.expire_ms != 0) {
        ms = unit.absolute ? info.expire_ms : info.expire_ms - ctx->now_ms;
        if (ms < 0)
            ms = 0; /* the engine's clock is a little behind ours */
        if (unit.seconds)
            ms = ms / 1000 + (ms % 1000 >= 500);
    }
    reply_integer(ctx->reply, ms);
    return KVS_OK;
}

enum kvs_status cmd_ttl(struct command_ctx *ctx)
{
    return reply_ttl(ctx, (struct expiry_unit){ .seconds = true });
}

enum kvs_status cmd_pttl(struct command_ctx *ctx)
{
    return reply_ttl(ctx, (struct expiry_unit){ .seconds = false });
}

enum kvs_status cmd_expiretime(struct command_ctx *ctx)
{
    return reply_ttl(ctx, (struct expiry_unit){ .seconds = true, .absolute = true });
}

enum kvs_status cmd_pexpiretime(struct command_ctx *ctx)
{
    return reply_ttl(ctx, (struct expiry_unit){ .absolute = true });
}
