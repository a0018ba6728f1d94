/*
 * bitfield.c - BITFIELD and BITFIELD_RO: integers of 1 to 64 bits at any bit of a string.
 *
 * The operations are taken apart first, all of them, so that a mistake in the last one keeps the first from being done; then they are
 * run one after the other on the patched value.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/number.h"
#include "command/bitmap.h"
#include "command/data.h"
#include "command/families.h"
#include "command/patch.h"

enum overflow {
    OVERFLOW_WRAP,
    OVERFLOW_SATURATE,
    OVERFLOW_FAIL
};

struct field_op {
    enum {
        FIELD_GET,
        FIELD_SET,
        FIELD_INCRBY
    } what;

    bool is_signed;
    unsigned bits;
    uint64_t offset;
    int64_t operand;
    enum overflow overflow;
};

struct field_ops {
    struct field_op *ops;
    size_t count;
    bool writes;
    uint64_t last_bit; /* the highest one written */
};

/* ---- Parsing ---- */

/* u1 to u63, i1 to i64. False: the error was replied. */
static bool parse_type(struct command_ctx *ctx, size_t arg, struct field_op *op)
{
    struct kvs_bytes text = command_arg(ctx, arg);
    char sign = '\0';
    int64_t bits = 0;
    if (text.len > 0)
        sign = *(const char *)text.data;
    op->is_signed = sign == 'i';
    if ((sign == 'i' || sign == 'u') && number_parse_i64(bytes_from(text, 1), &bits) && bits >= 1 &&
        bits <= (op->is_signed ? 64 : 63)) {
        op->bits = (unsigned)bits;
        return true;
    }
    reply_error(ctx->reply,
                "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is "
                "not supported but i64 is.");
    return false;
}

/* False: the error was replied. */
static bool parse_overflow(struct command_ctx *ctx, size_t arg, enum overflow *ret)
{
    if (command_arg_is(ctx, arg, "WRAP")) {
        *ret = OVERFLOW_WRAP;
    } else if (command_arg_is(ctx, arg, "SAT")) {
        *ret = OVERFLOW_SATURATE;
    } else if (command_arg_is(ctx, arg, "FAIL")) {
        *ret = OVERFLOW_FAIL;
    } else {
        reply_error(ctx->reply, "ERR Invalid OVERFLOW type specified");
        return false;
    }
    return true;
}

/* Which operation begins at argument @i; false when none does, with all it needs. */
static bool parse_what(const struct command_ctx *ctx, size_t i, struct field_op *op)
{
    size_t left = ctx->request->count - i - 1;
    if (command_arg_is(ctx, i, "GET") && left >= 2)
        op->what = FIELD_GET;
    else if (command_arg_is(ctx, i, "SET") && left >= 3)
        op->what = FIELD_SET;
    else if (command_arg_is(ctx, i, "INCRBY") && left >= 3)
        op->what = FIELD_INCRBY;
    else
        return false;
    return true;
}

/* Room for one operation for each three arguments is there. False: the error was replied. */
static bool parse_ops(struct command_ctx *ctx, struct field_ops *ret)
{
    enum overflow overflow = OVERFLOW_WRAP;
    for (size_t i = 2; i < ctx->request->count;) {
        if (command_arg_is(ctx, i, "OVERFLOW") && i + 1 < ctx->request->count) {
            if (!parse_overflow(ctx, i + 1, &overflow))
                return false;
            i += 2;
            continue;
        }
        struct field_op op = { .overflow = overflow };
        if (!parse_what(ctx, i, &op)) {
            (void)data_error_syntax(ctx);
            return false;
        }
        if (!parse_type(ctx, i + 1, &op) || !bitmap_offset(ctx, i + 2, op.bits, &op.offset))
            return false;
        if (op.what != FIELD_GET) {
            ret->writes = true;
            if (ret->last_bit < op.offset + op.bits - 1)
                ret->last_bit = op.offset + op.bits - 1;
            if (!data_arg_i64(ctx, i + 3, &op.operand))
                return false;
        }
        ret->ops[ret->count++] = op;
        i += op.what == FIELD_GET ? 3 : 4;
    }
    return true;
}

/* ---- Integers in bits ---- */

enum {
    WINDOW_BYTES = 9 /* 64 bits that begin anywhere in a byte */
};

/* The field's bits, lowest bit last, in the low end of the result. */
static uint64_t window_get(const unsigned char *window, const struct field_op *op)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < op->bits; i++) {
        uint64_t bit = op->offset % 8 + i;
        value = value << 1 | (window[bit / 8] >> (7 - bit % 8) & 1);
    }
    return value;
}

static void window_put(unsigned char *window, const struct field_op *op, uint64_t value)
{
    for (unsigned i = 0; i < op->bits; i++) {
        uint64_t bit = op->offset % 8 + i;
        unsigned char mask = (unsigned char)(1u << (7 - bit % 8));
        if ((value >> (op->bits - 1 - i) & 1) != 0)
            window[bit / 8] |= mask;
        else
            window[bit / 8] &= (unsigned char)~mask;
    }
}

/* The low bits of @value as the field's type reads them. */
static __int128 field_number(const struct field_op *op, uint64_t value)
{
    if (op->bits < 64)
        value &= ((uint64_t)1 << op->bits) - 1;
    if (!op->is_signed)
        return (__int128)value;
    unsigned unused = 64 - op->bits;
    return (int64_t)(value << unused) >> unused;
}

/* What becomes of @exact, which may not fit. False: it did not, and the operation is not to be done. */
static bool field_fit(const struct field_op *op, __int128 exact, int64_t *ret)
{
    __int128 high = ((__int128)1 << (op->bits - op->is_signed)) - 1;
    __int128 low = op->is_signed ? -high - 1 : 0;
    if (exact >= low && exact <= high) {
        *ret = (int64_t)exact;
        return true;
    }
    if (op->overflow == OVERFLOW_FAIL)
        return false;
    /* As there, SET saturates a number further below than 64 bits can tell at the upper end. */
    bool above =
        exact > high || (op->what == FIELD_SET && op->is_signed && exact < high - INT64_MAX);
    if (op->overflow == OVERFLOW_SATURATE)
        *ret = (int64_t)(above ? high : low);
    else
        *ret = (int64_t)field_number(op, (uint64_t)exact);
    return true;
}

/* What SET stores, or INCRBY makes of @old. An unsigned field takes a negative operand of SET as the large number with the same bits. */
static __int128 field_exact(const struct field_op *op, __int128 old)
{
    if (op->what == FIELD_INCRBY)
        return old + op->operand;
    return op->is_signed ? (__int128)op->operand : (__int128)(uint64_t)op->operand;
}

static enum kvs_status run_op(struct command_ctx *ctx, struct patch *patch,
                              const struct field_op *op, bool *changed)
{
    unsigned char window[WINDOW_BYTES];
    size_t window_bytes = (size_t)(op->offset % 8 + op->bits + 7) / 8;
    enum kvs_status status = patch_read(ctx, patch, op->offset / 8, window, window_bytes);
    if (status != KVS_OK)
        return status;
    __int128 old = field_number(op, window_get(window, op));
    if (op->what == FIELD_GET) {
        reply_integer(ctx->reply, (int64_t)old);
        return KVS_OK;
    }
    int64_t fitted;
    if (!field_fit(op, field_exact(op, old), &fitted)) {
        reply_null(ctx->reply);
        return KVS_OK;
    }
    reply_integer(ctx->reply, op->what == FIELD_SET ? (int64_t)old : fitted);
    if (fitted == (int64_t)old)
        return KVS_OK;
    *changed = true;
    window_put(window, op, (uint64_t)fitted);
    return patch_write(ctx, patch, op->offset / 8, window, window_bytes);
}

/* ---- The commands ---- */

static enum kvs_status run_ops(struct command_ctx *ctx, const struct field_ops *ops,
                               const struct data_value *old)
{
    struct patch patch = { .old = old, .bytes = old->info.value_bytes };
    /* The value grows to the highest bit that was to be written, whatever comes of the operations. */
    if (ops->writes && patch.bytes < ops->last_bit / 8 + 1)
        patch.bytes = ops->last_bit / 8 + 1;
    bool changed = patch.bytes != old->info.value_bytes;
    enum kvs_status status = KVS_OK;
    reply_array(ctx->reply, ops->count);
    for (size_t i = 0; i < ops->count && status == KVS_OK; i++)
        status = run_op(ctx, &patch, &ops->ops[i], &changed);
    if (status == KVS_OK && ops->writes && changed)
        status = patch_set(ctx, &patch, command_arg(ctx, 1));
    patch_done(&patch);
    return status;
}

static enum kvs_status use_ops(struct command_ctx *ctx, const struct data_value *value, void *arg)
{
    return run_ops(ctx, arg, value);
}

static enum kvs_status write_ops(struct command_ctx *ctx, const struct field_ops *ops)
{
    if (ops->last_bit / 8 >= KVS_VALUE_MAX) {
        reply_error(ctx->reply, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
        return KVS_OK;
    }
    struct data_value old = { .bytes = NULL };
    enum kvs_status status = data_load(ctx, command_arg(ctx, 1), &old);
    if (status == KVS_OK)
        status = run_ops(ctx, ops, &old);
    data_value_done(ctx, &old);
    return status;
}

enum kvs_status cmd_bitfield(struct command_ctx *ctx)
{
    struct field_ops ops = { .ops = calloc(ctx->request->count, sizeof *ops.ops) };
    if (ops.ops == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "%zu arguments of BITFIELD", ctx->request->count);
    enum kvs_status status = KVS_OK;
    if (!parse_ops(ctx, &ops))
        status = KVS_OK; /* the error is replied */
    else if (ops.writes && (ctx->command->flags & COMMAND_WRITE) == 0)
        reply_error(ctx->reply, "ERR BITFIELD_RO only supports the GET subcommand");
    else if (ops.writes)
        status = write_ops(ctx, &ops);
    else
        status = data_use(ctx, command_arg(ctx, 1), use_ops, &ops);
    free(ops.ops);
    return status;
}
