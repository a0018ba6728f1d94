/*
 * generic.c - keys whatever they hold: DEL, EXISTS, TYPE, RENAME, COPY, MOVE and the like.
 */
#include "base/bytes.h"
#include "command/data.h"
#include "command/families.h"

enum kvs_status cmd_del(struct command_ctx *ctx)
{
    int64_t removed = 0;
    for (size_t i = 1; i < ctx->request->count; i++) {
        struct kvs_bytes key = command_arg(ctx, i);
        struct data_info info;
        enum kvs_status status = data_look(ctx, key, &info);
        if (status != KVS_OK)
            return status;
        if (!info.found)
            continue; /* also a key that was named before: the transaction sees its own removals */
        kvs_txn_remove(ctx->txn, ctx->db, key);
        removed++;
    }
    reply_integer(ctx->reply, removed);
    return KVS_OK;
}

/* Removing frees nothing that takes long, so this is DEL. */
enum kvs_status cmd_unlink(struct command_ctx *ctx)
{
    return cmd_del(ctx);
}

enum kvs_status cmd_exists(struct command_ctx *ctx)
{
    int64_t count;
    enum kvs_status status = data_count_existing(ctx, 1, &count);
    if (status == KVS_OK)
        reply_integer(ctx->reply, count);
    return status;
}

/* Nothing here depends on when a key was last used. */
enum kvs_status cmd_touch(struct command_ctx *ctx)
{
    return cmd_exists(ctx);
}

enum kvs_status cmd_type(struct command_ctx *ctx)
{
    struct data_info info;
    enum kvs_status status = data_look(ctx, command_arg(ctx, 1), &info);
    if (status == KVS_OK)
        reply_status(ctx->reply, info.type);
    return status;
}

/* ---- Renaming ---- */

static enum kvs_status move_value(struct command_ctx *ctx, const struct data_value *value)
{
    struct kvs_bytes from = command_arg(ctx, 1);
    struct kvs_bytes to = command_arg(ctx, 2);
    enum kvs_status status = data_set_again(ctx, to, value, value->info.expire_ms);
    if (status == KVS_OK)
        kvs_txn_remove(ctx->txn, ctx->db, from);
    return status;
}

/* RENAME answers OK; RENAMENX 1, or 0 when the new name is taken, also by the key itself. */
static enum kvs_status rename_key(struct command_ctx *ctx, bool only_new)
{
    struct kvs_bytes to = command_arg(ctx, 2);
    bool same = bytes_equal(command_arg(ctx, 1), to);
    struct data_info from_info;
    struct data_info to_info = { .found = same };
    enum kvs_status status = data_look(ctx, command_arg(ctx, 1), &from_info);
    if (status == KVS_OK && only_new && !same)
        status = data_look(ctx, to, &to_info);
    if (status != KVS_OK)
        return status;
    if (!from_info.found) {
        reply_error(ctx->reply, "ERR no such key");
        return KVS_OK;
    }
    if (only_new)
        reply_integer(ctx->reply, !to_info.found);
    else
        reply_ok(ctx->reply);
    if (same || (only_new && to_info.found))
        return KVS_OK;

    struct data_value value = { .bytes = NULL };
    status = data_load(ctx, command_arg(ctx, 1), &value);
    if (status == KVS_OK)
        status = move_value(ctx, &value);
    data_value_done(ctx, &value);
    return status;
}

enum kvs_status cmd_rename(struct command_ctx *ctx)
{
    return rename_key(ctx, false);
}

enum kvs_status cmd_renamenx(struct command_ctx *ctx)
{
    return rename_key(ctx, true);
}

/* ---- COPY and MOVE ---- */

static enum kvs_status error_same(struct command_ctx *ctx)
{
    reply_error(ctx->reply, "ERR source and destination objects are the same");
    return KVS_OK;
}

/* The key space that argument @arg names, a 32-bit number. False: the error was replied. */
static bool parse_space(struct command_ctx *ctx, size_t arg, struct kvs **ret)
{
    int64_t space;
    if (!data_arg_i64(ctx, arg, &space))
        return false;
    if (space < INT32_MIN || space > INT32_MAX) {
        reply_error(ctx->reply,
                    "ERR value is out of range, value must between -2147483648 and 2147483647");
        return false;
    }
    if (space < 0 || space >= KVS_SPACES) {
        reply_error(ctx->reply, "ERR DB index is out of range");
        return false;
    }
    *ret = ctx->spaces[space];
    return true;
}

/* Looks at @key of another space, and sets it there: everything below works on ctx->db. */
static enum kvs_status look_there(struct command_ctx *ctx, struct kvs *there, struct kvs_bytes key,
                                  struct data_info *ret)
{
    struct kvs *here = ctx->db;
    ctx->db = there;
    enum kvs_status status = data_look(ctx, key, ret);
    ctx->db = here;
    return status;
}

/* Puts the value of argument 1 under @to in @there. */
static enum kvs_status put_there(struct command_ctx *ctx, struct kvs *there, struct kvs_bytes to)
{
    struct data_value value = { .bytes = NULL };
    enum kvs_status status = data_load(ctx, command_arg(ctx, 1), &value);
    if (status == KVS_OK) {
        struct kvs *here = ctx->db;
        ctx->db = there; /* readers know their own space */
        status = data_set_again(ctx, to, &value, value.info.expire_ms);
        ctx->db = here;
    }
    data_value_done(ctx, &value);
    return status;
}

struct copy_options {
    struct kvs *there;
    bool replace;
};

/* False: the error was replied. */
static bool copy_options(struct command_ctx *ctx, struct copy_options *ret)
{
    *ret = (struct copy_options){ .there = ctx->db };
    for (size_t i = 3; i < ctx->request->count; i++) {
        if (command_arg_is(ctx, i, "REPLACE")) {
            ret->replace = true;
        } else if (command_arg_is(ctx, i, "DB") && i + 1 < ctx->request->count) {
            if (!parse_space(ctx, ++i, &ret->there))
                return false;
        } else {
            (void)data_error_syntax(ctx);
            return false;
        }
    }
    return true;
}

enum kvs_status cmd_copy(struct command_ctx *ctx)
{
    struct kvs_bytes from = command_arg(ctx, 1);
    struct kvs_bytes to = command_arg(ctx, 2);
    struct copy_options options;
    if (!copy_options(ctx, &options))
        return KVS_OK;
    if (options.there == ctx->db && bytes_equal(from, to))
        return error_same(ctx);
    struct data_info source;
    struct data_info target = { .found = false };
    enum kvs_status status = data_look(ctx, from, &source);
    if (status == KVS_OK && source.found && !options.replace)
        status = look_there(ctx, options.there, to, &target);
    if (status != KVS_OK)
        return status;
    bool copies = source.found && !target.found;
    reply_integer(ctx->reply, copies);
    return copies ? put_there(ctx, options.there, to) : KVS_OK;
}

enum kvs_status cmd_move(struct command_ctx *ctx)
{
    struct kvs_bytes key = command_arg(ctx, 1);
    struct kvs *there;
    if (!parse_space(ctx, 2, &there))
        return KVS_OK;
    if (there == ctx->db)
        return error_same(ctx);
    struct data_info source;
    struct data_info target = { .found = false };
    enum kvs_status status = data_look(ctx, key, &source);
    if (status == KVS_OK && source.found)
        status = look_there(ctx, there, key, &target);
    if (status != KVS_OK)
        return status;
    bool moves = source.found && !target.found;
    reply_integer(ctx->reply, moves);
    if (!moves)
        return KVS_OK;
    status = put_there(ctx, there, key);
    if (status == KVS_OK)
        kvs_txn_remove(ctx->txn, ctx->db, key);
    return status;
}
