/*
 * string_range.c - parts of strings: APPEND, GETRANGE, SETRANGE. The time to live stays.
 */
#include "base/bytes.h"
#include "command/data.h"
#include "command/families.h"

/* ---- GETRANGE ---- */

struct wanted {
    int64_t start; /* as given: negative counts from the end */
    int64_t end;   /* inclusive */
};

/*
 * Redis's rules, with their corners: positions before the beginning are the beginning (for the end as well, so that 0 -100 is
 * the first byte), but a start behind its end, both counted from the end, is nothing.
 */
static void wanted_part(void *arg, uint64_t value_bytes, uint64_t *ret_off, uint64_t *ret_bytes)
{
    const struct wanted *wanted = arg;
    int64_t start = wanted->start;
    int64_t end = wanted->end;
    int64_t len = (int64_t)value_bytes; /* at most KVS_VALUE_MAX */
    *ret_off = 0;
    *ret_bytes = 0;
    if (start < 0 && end < 0 && start > end)
        return;
    if (start < 0)
        start += len;
    if (end < 0)
        end += len;
    if (start < 0)
        start = 0;
    if (end < 0)
        end = 0;
    if (end >= len)
        end = len - 1;
    if (start > end || len == 0)
        return;
    *ret_off = (uint64_t)start;
    *ret_bytes = (uint64_t)(end - start + 1);
}

enum kvs_status cmd_getrange(struct command_ctx *ctx)
{
    struct wanted wanted;
    if (!data_arg_i64(ctx, 2, &wanted.start) || !data_arg_i64(ctx, 3, &wanted.end))
        return KVS_OK;
    return data_reply_part(ctx, command_arg(ctx, 1), wanted_part, &wanted);
}

/* ---- APPEND and SETRANGE ---- */

/* False, with the error replied, when a value of @off and @more bytes would be too long. */
static bool length_fits(struct command_ctx *ctx, uint64_t off, uint64_t more)
{
    if (off <= KVS_VALUE_MAX && more <= KVS_VALUE_MAX - off)
        return true;
    reply_error(ctx->reply, "ERR string exceeds maximum allowed size (proto-max-bulk-len)");
    return false;
}

static struct data_piece piece_bytes(struct kvs_bytes bytes)
{
    return (struct data_piece){ .kind = DATA_BYTES, .bytes = bytes.data, .len = bytes.len };
}

static struct data_piece piece_old(uint64_t off, uint64_t len)
{
    return (struct data_piece){ .kind = DATA_OLD, .off = off, .len = len };
}

static enum kvs_status append_to(struct command_ctx *ctx, const struct data_value *old,
                                 struct kvs_bytes more)
{
    uint64_t old_bytes = old->info.value_bytes;
    if (old->info.found && !length_fits(ctx, old_bytes, more.len))
        return KVS_OK;
    reply_integer(ctx->reply, (int64_t)(old_bytes + more.len));
    if (old->reader != NULL && more.len == 0)
        return KVS_OK; /* a large value is not rewritten for nothing */
    struct data_piece pieces[] = { piece_old(0, old_bytes), piece_bytes(more) };
    return data_set_pieces(ctx, command_arg(ctx, 1), old, pieces, 2, old->info.expire_ms);
}

enum kvs_status cmd_append(struct command_ctx *ctx)
{
    struct data_value old = { .bytes = NULL };
    enum kvs_status status = data_load(ctx, command_arg(ctx, 1), &old);
    if (status == KVS_OK)
        status = append_to(ctx, &old, command_arg(ctx, 2));
    data_value_done(ctx, &old);
    return status;
}

/* What is left of the old value before and behind @patch; what lies between its end and @off becomes zero. */
static enum kvs_status patch_at(struct command_ctx *ctx, const struct data_value *old, uint64_t off,
                                struct kvs_bytes patch)
{
    uint64_t old_bytes = old->info.value_bytes;
    uint64_t end = off + patch.len;
    uint64_t before = off < old_bytes ? off : old_bytes;
    uint64_t behind = end < old_bytes ? old_bytes - end : 0;
    struct data_piece pieces[] = {
        piece_old(0, before),
        { .kind = DATA_ZEROS, .len = off - before },
        piece_bytes(patch),
        piece_old(end, behind),
    };
    reply_integer(ctx->reply, (int64_t)(end + behind));
    return data_set_pieces(ctx, command_arg(ctx, 1), old, pieces, 4, old->info.expire_ms);
}

enum kvs_status cmd_setrange(struct command_ctx *ctx)
{
    struct kvs_bytes key = command_arg(ctx, 1);
    struct kvs_bytes patch = command_arg(ctx, 3);
    int64_t off;
    if (!data_arg_i64(ctx, 2, &off))
        return KVS_OK;
    if (off < 0) {
        reply_error(ctx->reply, "ERR offset is out of range");
        return KVS_OK;
    }
    if (patch.len == 0) {
        struct data_info info;
        enum kvs_status status = data_look(ctx, key, &info);
        if (status == KVS_OK)
            reply_integer(ctx->reply, (int64_t)info.value_bytes);
        return status;
    }
    if (!length_fits(ctx, (uint64_t)off, patch.len))
        return KVS_OK;
    struct data_value old = { .bytes = NULL };
    enum kvs_status status = data_load(ctx, key, &old);
    if (status == KVS_OK)
        status = patch_at(ctx, &old, (uint64_t)off, patch);
    data_value_done(ctx, &old);
    return status;
}
