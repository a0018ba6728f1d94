/*
 * expiry.c - expiry times in arguments, and the options of SET and GETEX.
 */
#include "command/expiry.h"

#include "base/number.h"
#include "command/data.h"
#include "command/families.h"

enum expiry_verdict expiry_parse(struct kvs_bytes text, struct expiry_unit unit, int64_t now_ms,
                                 int64_t *ret_ms)
{
    int64_t ms;
    if (!number_parse_i64(text, &ms))
        return EXPIRY_NOT_INTEGER;
    if (ms <= 0 || (unit.seconds && __builtin_mul_overflow(ms, 1000, &ms)))
        return EXPIRY_INVALID;
    if (!unit.absolute && __builtin_add_overflow(ms, now_ms, &ms))
        return EXPIRY_INVALID;
    *ret_ms = ms;
    return EXPIRY_OK;
}

enum kvs_status expiry_error(struct command_ctx *ctx, enum expiry_verdict verdict)
{
    if (verdict == EXPIRY_NOT_INTEGER)
        return data_error_integer(ctx);
    char name[COMMAND_NAME_CHARS];
    command_name_lower(ctx->command, name);
    reply_error(ctx->reply, "ERR invalid expire time in '%s' command", name);
    return KVS_OK;
}

static bool same_unit(struct expiry_unit a, struct expiry_unit b)
{
    return a.seconds == b.seconds && a.absolute == b.absolute;
}

/* EX, PX, EXAT, PXAT and the argument behind it; *ret_taken tells whether it was one of them. */
static bool time_option(const struct command_ctx *ctx, size_t *i, struct expiry_options *options,
                        bool *ret_taken)
{
    static const struct {
        const char *name;
        struct expiry_unit unit;
    } times[] = {
        { "EX", { .seconds = true } },
        { "PX", { .seconds = false } },
        { "EXAT", { .seconds = true, .absolute = true } },
        { "PXAT", { .absolute = true } },
    };

    *ret_taken = false;
    for (size_t t = 0; t < sizeof times / sizeof times[0]; t++) {
        if (!command_arg_is(ctx, *i, times[t].name))
            continue;
        *ret_taken = true;
        if (options->keepttl || options->persist || *i + 1 >= ctx->request->count)
            return false;
        if (options->has_time && !same_unit(options->unit, times[t].unit))
            return false;
        options->has_time = true;
        options->unit = times[t].unit;
        options->time = command_arg(ctx, ++*i);
        return true;
    }
    return true;
}

static bool set_option(const struct command_ctx *ctx, size_t i, struct expiry_options *options)
{
    if (command_arg_is(ctx, i, "NX"))
        options->nx = true;
    else if (command_arg_is(ctx, i, "XX"))
        options->xx = true;
    else if (command_arg_is(ctx, i, "GET"))
        options->get = true;
    else if (command_arg_is(ctx, i, "KEEPTTL"))
        options->keepttl = true;
    else
        return false;
    return !(options->nx && options->xx) && !(options->keepttl && options->has_time);
}

static bool getex_option(const struct command_ctx *ctx, size_t i, struct expiry_options *options)
{
    if (!command_arg_is(ctx, i, "PERSIST"))
        return false;
    options->persist = true;
    return !options->has_time;
}

bool expiry_options(const struct command_ctx *ctx, size_t first, bool is_set,
                    struct expiry_options *ret)
{
    *ret = (struct expiry_options){ .nx = false };
    for (size_t i = first; i < ctx->request->count; i++) {
        bool taken;
        if (!time_option(ctx, &i, ret, &taken))
            return false;
        if (!taken && !(is_set ? set_option(ctx, i, ret) : getex_option(ctx, i, ret)))
            return false;
    }
    return true;
}
