/*
 * data_many.c - several keys at one version: MGET, EXISTS, TOUCH.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "command/data.h"
#include "command/families.h"

/* What a read of many keys at once needs beside the keys; the stack has room for a few. */
enum {
    FEW = 32
};

struct many {
    size_t count;
    void **args;
    enum kvs_status *statuses;
    void *few_args[FEW];
    enum kvs_status few_statuses[FEW];
};

static enum kvs_status many_init(struct many *many, size_t count)
{
    many->count = count;
    many->args = many->few_args;
    many->statuses = many->few_statuses;
    if (count <= FEW)
        return KVS_OK;
    many->args = calloc(count, sizeof *many->args);
    many->statuses = calloc(count, sizeof *many->statuses);
    if (many->args == NULL || many->statuses == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "reading %zu keys", count);
    return KVS_OK;
}

static void many_done(struct many *many)
{
    if (many->count <= FEW)
        return;
    free(many->args);
    free(many->statuses);
}

/* Past the transaction; many->args are the visits'. */
static enum kvs_status many_visit(struct command_ctx *ctx, struct many *many, size_t first,
                                  kvs_visit_fn *visit)
{
    struct kvs_read read = command_read(ctx);
    uint64_t position = 0;
    enum kvs_status status =
        kvs_multi_visit(ctx->db, &read, many->count, &ctx->request->args[first], visit, many->args,
                        many->statuses, &position);
    data_note_direct(ctx, position);
    return status;
}

/* ---- Counting ---- */

static void nothing_visit(__attribute__((unused)) void *arg,
                          __attribute__((unused)) const struct kvs_entry *entry)
{
}

static enum kvs_status count_together(struct command_ctx *ctx, size_t first, int64_t *ret_count)
{
    struct many many;
    enum kvs_status status = many_init(&many, ctx->request->count - first);
    for (size_t i = 0; status == KVS_OK && i < many.count; i++)
        many.args[i] = NULL;
    if (status == KVS_OK)
        status = many_visit(ctx, &many, first, nothing_visit);
    int64_t found = 0;
    for (size_t i = 0; status == KVS_OK && i < many.count; i++)
        found += many.statuses[i] == KVS_OK;
    many_done(&many);
    *ret_count = found;
    return status;
}

enum kvs_status data_count_existing(struct command_ctx *ctx, size_t first, int64_t *ret_count)
{
    if (ctx->txn == NULL && ctx->request->count - first > 1)
        return count_together(ctx, first, ret_count);
    int64_t found = 0;
    for (size_t i = first; i < ctx->request->count; i++) {
        struct data_info info;
        enum kvs_status status = data_look(ctx, command_arg(ctx, i), &info);
        if (status != KVS_OK)
            return status;
        found += info.found;
    }
    *ret_count = found;
    return KVS_OK;
}

/* ---- Answering ---- */

/*
 * The visits come in the keys' order, so the answers are written as they come, with nulls for the keys that were passed over.
 * Each visit's argument is its own slot, which leads to the row and says, by its place, which key it is.
 */
struct values_slot {
    struct values *row;
};

struct values {
    struct command_ctx *ctx;
    struct values_slot *slots;
    size_t answered; /* keys */
    uint64_t bytes;  /* of the reply's memory */
    bool large;      /* a value over KVS_INLINE_MAX was met */
};

static bool is_over(const struct values *row)
{
    return row->bytes > DATA_REPLY_BYTES_MAX;
}

static bool is_over_loop(const struct values *row)
{
    return !row->ctx->may_wait && row->bytes > DATA_LOOP_BYTES_MAX;
}

static void values_visit(void *arg, const struct kvs_entry *entry)
{
    struct values_slot *slot = arg;
    struct values *row = slot->row;
    row->bytes += data_reply_share(entry->value_bytes);
    row->large |= entry->value_bytes > KVS_INLINE_MAX;
    if (row->large || is_over(row) || is_over_loop(row))
        return; /* what is written so far goes */
    for (size_t i = (size_t)(slot - row->slots); row->answered < i; row->answered++)
        reply_null(row->ctx->reply);
    reply_bulk(row->ctx->reply, entry->value);
    row->answered++;
}

static enum kvs_status values_together(struct values *row, size_t first)
{
    struct command_ctx *ctx = row->ctx;
    struct values_slot few_slots[FEW];
    struct many many;
    size_t count = ctx->request->count - first;
    enum kvs_status status = many_init(&many, count);
    row->slots = count <= FEW ? few_slots : calloc(count, sizeof *row->slots);
    if (status == KVS_OK && row->slots == NULL)
        status = fail(KVS_NO_MEMORY, ENOMEM, "reading %zu keys", count);
    for (size_t i = 0; status == KVS_OK && i < count; i++) {
        row->slots[i].row = row;
        many.args[i] = &row->slots[i];
    }
    if (status == KVS_OK)
        status = many_visit(ctx, &many, first, values_visit);
    if (status == KVS_OK && is_over_loop(row))
        status = KVS_WOULD_BLOCK;
    for (; status == KVS_OK && !row->large && row->answered < count; row->answered++)
        reply_null(ctx->reply);
    if (row->slots != few_slots)
        free(row->slots);
    many_done(&many);
    return status;
}

/* One after the other, through a transaction, which looks at one version as well. */
static enum kvs_status values_singly(struct values *row, size_t first)
{
    struct command_ctx *ctx = row->ctx;
    enum kvs_status status = command_begin(ctx);
    row->bytes = 0;
    for (size_t i = first; status == KVS_OK && !is_over(row) && i < ctx->request->count; i++) {
        struct data_info info = { .found = false };
        status = data_reply_value(ctx, command_arg(ctx, i), &info);
        row->bytes += data_reply_share(info.value_bytes);
        if (status == KVS_OK && is_over_loop(row))
            status = KVS_WOULD_BLOCK;
    }
    return status;
}

enum kvs_status data_reply_values(struct command_ctx *ctx, size_t first)
{
    struct values row = { .ctx = ctx };
    const struct reply_mark mark = reply_mark(ctx->reply);
    enum kvs_status status = KVS_OK;
    bool alone = ctx->txn == NULL;
    reply_array(ctx->reply, ctx->request->count - first);
    if (alone)
        status = values_together(&row, first);
    if (alone && row.large) {
        reply_rewind(ctx->reply, mark);
        reply_array(ctx->reply, ctx->request->count - first);
        ctx->direct = false; /* the transaction's position counts */
    }
    if (status == KVS_OK && !is_over(&row) && (!alone || row.large))
        status = values_singly(&row, first);
    if (status == KVS_OK && is_over(&row)) {
        reply_rewind(ctx->reply, mark);
        reply_error(ctx->reply, "ERR the reply would exceed %d MiB; ask for fewer keys",
                    DATA_REPLY_BYTES_MAX / (1024 * 1024));
    }
    return status;
}
