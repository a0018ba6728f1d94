/*
 * conditional.c - writes that depend on what is there: GETV, CAS, CAD, BATCH.
 *
 * A key's version is the position in the log of the write that set it: it changes with every write to the key, and with nothing else, so a
 * value that came back is not taken for the old one. Version 0 stands for "there is no such key".
 */
#include "base/bytes.h"
#include "base/number.h"
#include "command/data.h"
#include "command/families.h"

/* ---- Versions ---- */

/* Of argument @arg; false: the error was replied. */
static bool arg_version(struct command_ctx *ctx, size_t arg, uint64_t *ret)
{
    if (number_parse_u64(command_arg(ctx, arg), ret))
        return true;
    reply_error(ctx->reply, "ERR version is not an integer or out of range");
    return false;
}

static enum kvs_status getv_use(struct command_ctx *ctx, const struct data_value *value,
                                __attribute__((unused)) void *arg)
{
    char digits[NUMBER_I64_CHARS];
    if (!value->info.found) {
        reply_null(ctx->reply);
        return KVS_OK;
    }
    reply_array(ctx->reply, 2);
    reply_bulk(ctx->reply, bytes_of(digits, number_print_u64(value->info.version, digits)));
    if (value->reader == NULL) {
        reply_bulk(ctx->reply, bytes_of(value->bytes, value->info.value_bytes));
        return KVS_OK;
    }
    reply_error(ctx->reply, "ERR a value of more than %d bytes; use GET", KVS_INLINE_MAX);
    return KVS_OK;
}

/* The version, as a string since it may pass what a client's numbers can hold, and the value. */
enum kvs_status cmd_getv(struct command_ctx *ctx)
{
    return data_use(ctx, command_arg(ctx, 1), getv_use, NULL);
}

/* ---- CAS and CAD ---- */

/* What a key is expected to be. */
struct expectation {
    bool by_version;
    uint64_t version;
    size_t value_arg;
};

/* Argument @arg is the value, unless there is one argument more: then VERSION and the version. False: the error was replied. */
static bool parse_expectation(struct command_ctx *ctx, size_t arg, bool by_version,
                              struct expectation *ret)
{
    *ret = (struct expectation){ .by_version = by_version, .value_arg = arg };
    if (!by_version)
        return true;
    if (!command_arg_is(ctx, arg, "VERSION")) {
        (void)data_error_syntax(ctx);
        return false;
    }
    return arg_version(ctx, arg + 1, &ret->version);
}

static enum kvs_status is_as_expected(struct command_ctx *ctx, struct kvs_bytes key,
                                      const struct expectation *expected, bool *ret)
{
    if (expected->by_version) {
        struct data_info info;
        enum kvs_status status = data_look(ctx, key, &info);
        *ret = info.version == expected->version && info.found == (expected->version != 0);
        return status;
    }
    struct data_value old = { .bytes = NULL };
    enum kvs_status status = data_load(ctx, key, &old);
    *ret = false;
    if (status == KVS_OK)
        status = data_equals(ctx, &old, command_arg(ctx, expected->value_arg), ret);
    data_value_done(ctx, &old);
    return status;
}

/* 1 when the key was as expected and holds the new value now; 0 when it was not. */
enum kvs_status cmd_cas(struct command_ctx *ctx)
{
    size_t count = ctx->request->count;
    struct expectation expected;
    bool is = false;
    if (count > 5)
        return data_error_syntax(ctx);
    if (!parse_expectation(ctx, 2, count == 5, &expected))
        return KVS_OK;
    enum kvs_status status = is_as_expected(ctx, command_arg(ctx, 1), &expected, &is);
    if (status != KVS_OK)
        return status;
    reply_integer(ctx->reply, is);
    return is ? data_set_arg(ctx, command_arg(ctx, 1), count - 1, 0) : KVS_OK;
}

/* The same, removing. */
enum kvs_status cmd_cad(struct command_ctx *ctx)
{
    size_t count = ctx->request->count;
    struct expectation expected;
    bool is = false;
    if (count > 4)
        return data_error_syntax(ctx);
    if (!parse_expectation(ctx, 2, count == 4, &expected))
        return KVS_OK;
    enum kvs_status status = is_as_expected(ctx, command_arg(ctx, 1), &expected, &is);
    if (status != KVS_OK)
        return status;
    if (is)
        kvs_txn_remove(ctx->txn, ctx->db, command_arg(ctx, 1));
    reply_integer(ctx->reply, is);
    return KVS_OK;
}

/* ---- BATCH ---- */

/*
 * BATCH is steps of three arguments: what, key, argument. All IF… are looked at first, against what was there before the batch; if
 * one does not hold, nothing is done. The others are done in order, each seeing what those before it did.
 */
enum step_kind {
    STEP_IF,
    STEP_IFVERSION,
    STEP_SET,
    STEP_PEXPIRE,
    STEP_INCRBY,
    STEP_DEL,
    STEP_UNKNOWN
};

static enum step_kind step_kind(const struct command_ctx *ctx, size_t arg)
{
    static const char *const names[] = { "IF", "IFVERSION", "SET", "PEXPIRE", "INCRBY", "DEL" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (command_arg_is(ctx, arg, names[i]))
            return (enum step_kind)i;
    return STEP_UNKNOWN;
}

/* Everything that can be wrong with the arguments, before anything is done. False: the error was replied. */
static bool check_steps(struct command_ctx *ctx)
{
    for (size_t i = 1; i < ctx->request->count; i += 3) {
        int64_t number;
        uint64_t version;
        switch (step_kind(ctx, i)) {
        case STEP_IFVERSION:
            if (!arg_version(ctx, i + 2, &version))
                return false;
            break;
        case STEP_PEXPIRE:
            if (!data_arg_i64(ctx, i + 2, &number))
                return false;
            if (number <= 0 || __builtin_add_overflow(number, ctx->now_ms, &number)) {
                reply_error(ctx->reply, "ERR invalid expire time in 'batch' command");
                return false;
            }
            break;
        case STEP_INCRBY:
            if (!data_arg_i64(ctx, i + 2, &number))
                return false;
            break;
        case STEP_UNKNOWN:
            (void)data_error_syntax(ctx);
            return false;
        case STEP_IF:
        case STEP_SET:
        case STEP_DEL:
            break;
        }
    }
    return true;
}

static enum kvs_status check_conditions(struct command_ctx *ctx, bool *ret)
{
    enum kvs_status status = KVS_OK;
    *ret = true;
    for (size_t i = 1; i < ctx->request->count && status == KVS_OK && *ret; i += 3) {
        enum step_kind kind = step_kind(ctx, i);
        if (kind != STEP_IF && kind != STEP_IFVERSION)
            continue;
        struct expectation expected = {
            .by_version = kind == STEP_IFVERSION,
            .value_arg = i + 2,
        };
        if (expected.by_version)
            (void)number_parse_u64(command_arg(ctx, i + 2), &expected.version); /* was checked */
        status = is_as_expected(ctx, command_arg(ctx, i + 1), &expected, ret);
    }
    return status;
}

static struct kvs_bytes step_key(const struct command_ctx *ctx, size_t arg)
{
    return command_arg(ctx, arg + 1);
}

/* The integer under a key, 0 when there is none. KVS_OK with *ret_good false: it is something else. */
static enum kvs_status stored_integer(struct command_ctx *ctx, struct kvs_bytes key, int64_t *ret,
                                      int64_t *ret_expire_ms, bool *ret_good)
{
    char text[NUMBER_I64_CHARS];
    struct data_info old;
    enum kvs_status status = data_load_text(ctx, key, text, sizeof text, &old);
    if (status != KVS_OK)
        return status;
    *ret = 0;
    *ret_expire_ms = old.expire_ms;
    *ret_good = !old.found || (old.value_bytes <= sizeof text &&
                               number_parse_i64(bytes_of(text, old.value_bytes), ret));
    return KVS_OK;
}

/* What the key of the INCRBY at @arg will hold when its turn comes, found by going through the steps before it. False: no integer. */
static enum kvs_status integer_before(struct command_ctx *ctx, size_t arg, int64_t *ret,
                                      bool *ret_good)
{
    struct kvs_bytes key = step_key(ctx, arg);
    int64_t expire_ms;
    enum kvs_status status = stored_integer(ctx, key, ret, &expire_ms, ret_good);
    for (size_t i = 1; i < arg && status == KVS_OK; i += 3) {
        enum step_kind kind = step_kind(ctx, i);
        int64_t by = 0;
        if (!bytes_equal(step_key(ctx, i), key))
            continue;
        if (kind == STEP_SET)
            *ret_good = number_parse_i64(command_arg(ctx, i + 2), ret);
        if (kind == STEP_DEL) {
            *ret = 0;
            *ret_good = true;
        }
        if (kind == STEP_INCRBY && number_parse_i64(command_arg(ctx, i + 2), &by))
            *ret += by; /* was tried before this one */
    }
    return status;
}

/* Tries every INCRBY before anything is done: what has been written cannot be taken back. *ret false: the error was replied. */
static enum kvs_status check_increments(struct command_ctx *ctx, bool *ret)
{
    enum kvs_status status = KVS_OK;
    *ret = true;
    for (size_t i = 1; i < ctx->request->count && status == KVS_OK && *ret; i += 3) {
        int64_t value = 0;
        int64_t by = 0;
        bool good = true;
        if (step_kind(ctx, i) != STEP_INCRBY)
            continue;
        (void)number_parse_i64(command_arg(ctx, i + 2), &by); /* was checked */
        status = integer_before(ctx, i, &value, &good);
        *ret = good && !__builtin_add_overflow(value, by, &value);
        if (status == KVS_OK && !good)
            (void)data_error_integer(ctx);
        else if (status == KVS_OK && !*ret)
            reply_error(ctx->reply, "ERR increment or decrement would overflow");
    }
    return status;
}

static enum kvs_status step_incrby(struct command_ctx *ctx, size_t arg)
{
    char text[NUMBER_I64_CHARS];
    int64_t value;
    int64_t expire_ms;
    int64_t by = 0;
    bool good;
    enum kvs_status status = stored_integer(ctx, step_key(ctx, arg), &value, &expire_ms, &good);
    if (status != KVS_OK)
        return status;
    (void)number_parse_i64(command_arg(ctx, arg + 2), &by); /* all was checked */
    size_t len = number_print_i64(value + by, text);
    kvs_txn_set(ctx->txn, ctx->db, step_key(ctx, arg), bytes_of(text, len), expire_ms);
    return KVS_OK;
}

static enum kvs_status step_pexpire(struct command_ctx *ctx, size_t arg)
{
    struct kvs_bytes key = command_arg(ctx, arg + 1);
    int64_t ms = 0;
    (void)number_parse_i64(command_arg(ctx, arg + 2), &ms); /* was checked */
    struct data_value value = { .bytes = NULL };
    enum kvs_status status = data_load(ctx, key, &value);
    if (status == KVS_OK && value.info.found)
        status = data_set_again(ctx, key, &value, ctx->now_ms + ms);
    data_value_done(ctx, &value);
    return status;
}

static enum kvs_status run_step(struct command_ctx *ctx, size_t arg)
{
    switch (step_kind(ctx, arg)) {
    case STEP_SET:
        return data_set_arg(ctx, step_key(ctx, arg), arg + 2, 0);
    case STEP_DEL:
        kvs_txn_remove(ctx->txn, ctx->db, step_key(ctx, arg));
        return KVS_OK;
    case STEP_PEXPIRE:
        return step_pexpire(ctx, arg);
    case STEP_INCRBY:
        return step_incrby(ctx, arg);
    case STEP_IF:
    case STEP_IFVERSION:
    case STEP_UNKNOWN:
        break;
    }
    return KVS_OK;
}

static enum kvs_status run_steps(struct command_ctx *ctx)
{
    enum kvs_status status = KVS_OK;
    for (size_t i = 1; i < ctx->request->count && status == KVS_OK; i += 3)
        status = run_step(ctx, i);
    if (status == KVS_OK)
        reply_integer(ctx->reply, 1);
    return status;
}

/* 1: done, all of it; 0: a condition did not hold, nothing was done. */
enum kvs_status cmd_batch(struct command_ctx *ctx)
{
    enum {
        STEPS_MAX = 1024 /* INCRBY looks at all steps before it */
    };

    bool holds;
    bool good = true;
    if ((ctx->request->count - 1) % 3 != 0)
        return data_error_arity(ctx);
    if ((ctx->request->count - 1) / 3 > STEPS_MAX) {
        reply_error(ctx->reply, "ERR a batch has at most %d steps", STEPS_MAX);
        return KVS_OK;
    }
    if (!check_steps(ctx))
        return KVS_OK;
    enum kvs_status status = check_conditions(ctx, &holds);
    if (status == KVS_OK && holds)
        status = check_increments(ctx, &good);
    if (status != KVS_OK || !good)
        return status;
    if (holds)
        return run_steps(ctx);
    reply_integer(ctx->reply, 0);
    return KVS_OK;
}
