/*
 * generic.c - keys whatever they hold: DEL, EXISTS, TYPE, RENAME and the like.
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
