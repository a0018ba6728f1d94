/*
 * counter.c - strings as numbers: INCR and its family. The time to live stays.
 */
#include <math.h>

#include "base/bytes.h"
#include "base/number.h"
#include "command/data.h"
#include "command/families.h"

/* ---- Integers ---- */

/* Adds @by to the integer under argument 1, which is 0 when there is none. */
static enum kvs_status add_integer(struct command_ctx *ctx, int64_t by)
{
    struct kvs_bytes key = command_arg(ctx, 1);
    char text[NUMBER_I64_CHARS];
    struct data_info old;
    enum kvs_status status = data_load_text(ctx, key, text, sizeof text, &old);
    if (status != KVS_OK)
        return status;
    int64_t value = 0;
    if (old.found && (old.value_bytes > sizeof text ||
                      !number_parse_i64(bytes_of(text, old.value_bytes), &value)))
        return data_error_integer(ctx);
    if (__builtin_add_overflow(value, by, &value)) {
        reply_error(ctx->reply, "ERR increment or decrement would overflow");
        return KVS_OK;
    }
    size_t len = number_print_i64(value, text);
    kvs_txn_set(ctx->txn, ctx->db, key, bytes_of(text, len), old.expire_ms);
    reply_integer(ctx->reply, value);
    return KVS_OK;
}

enum kvs_status cmd_incr(struct command_ctx *ctx)
{
    return add_integer(ctx, 1);
}

enum kvs_status cmd_decr(struct command_ctx *ctx)
{
    return add_integer(ctx, -1);
}

enum kvs_status cmd_incrby(struct command_ctx *ctx)
{
    int64_t by;
    return data_arg_i64(ctx, 2, &by) ? add_integer(ctx, by) : KVS_OK;
}

enum kvs_status cmd_decrby(struct command_ctx *ctx)
{
    int64_t by;
    if (!data_arg_i64(ctx, 2, &by))
        return KVS_OK;
    if (by == INT64_MIN) {
        reply_error(ctx->reply, "ERR decrement would overflow");
        return KVS_OK;
    }
    return add_integer(ctx, -by);
}

/* ---- Floats ---- */

static enum kvs_status error_float(struct command_ctx *ctx)
{
    reply_error(ctx->reply, "ERR value is not a valid float");
    return KVS_OK;
}

enum kvs_status cmd_incrbyfloat(struct command_ctx *ctx)
{
    struct kvs_bytes key = command_arg(ctx, 1);
    char text[NUMBER_DOUBLE_CHARS];
    struct data_info old;
    enum kvs_status status = data_load_text(ctx, key, text, sizeof text, &old);
    if (status != KVS_OK)
        return status;
    long double value = 0;
    long double by;
    if (old.found && (old.value_bytes > sizeof text ||
                      !number_parse_long_double(bytes_of(text, old.value_bytes), &value)))
        return error_float(ctx);
    if (!number_parse_long_double(command_arg(ctx, 2), &by))
        return error_float(ctx);
    value += by;
    size_t len = isnan(value) || isinf(value) ? 0 : number_print_long_double(value, text);
    if (len == 0) {
        reply_error(ctx->reply, "ERR increment would produce NaN or Infinity");
        return KVS_OK;
    }
    kvs_txn_set(ctx->txn, ctx->db, key, bytes_of(text, len), old.expire_ms);
    reply_bulk(ctx->reply, bytes_of(text, len));
    return KVS_OK;
}
