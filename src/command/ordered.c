/*
 * ordered.c - what keys in order are good for: RANGE, PREFIX, COUNTPREFIX, DELRANGE, DELPREFIX; and CAS.
 */
#include "base/bytes.h"
#include "base/number.h"
#include "command/bound.h"
#include "command/data.h"
#include "command/families.h"
#include "command/walk.h"

/* ---- RANGE and PREFIX ---- */

struct listing {
    bool reverse;
    bool keys;
    bool values;
    uint64_t limit; /* keys */
};

/* [REV] [LIMIT count] [KEYS | VALUES] from argument @first on. False: the error was replied. */
static bool listing_options(struct command_ctx *ctx, size_t first, struct listing *ret)
{
    *ret = (struct listing){ .limit = UINT64_MAX };
    for (size_t i = first; i < ctx->request->count; i++) {
        if (command_arg_is(ctx, i, "REV")) {
            ret->reverse = true;
        } else if (command_arg_is(ctx, i, "KEYS") && !ret->values) {
            ret->keys = true;
        } else if (command_arg_is(ctx, i, "VALUES") && !ret->keys) {
            ret->values = true;
        } else if (command_arg_is(ctx, i, "LIMIT") && i + 1 < ctx->request->count) {
            int64_t limit;
            if (!data_arg_i64(ctx, ++i, &limit))
                return false;
            if (limit < 0) {
                reply_error(ctx->reply, "ERR value is out of range, must be positive");
                return false;
            }
            ret->limit = (uint64_t)limit;
        } else {
            (void)data_error_syntax(ctx);
            return false;
        }
    }
    if (!ret->keys && !ret->values)
        ret->keys = ret->values = true;
    return true;
}

static enum kvs_status list_entries(const struct listing *listing, struct walk *walk,
                                    struct harvest *harvest)
{
    for (uint64_t listed = 0; listed < listing->limit; listed++) {
        struct kvs_entry entry;
        enum kvs_status status = walk_next(walk, &entry);
        if (status == KVS_NOT_FOUND)
            break;
        if (status == KVS_OK && listing->keys)
            status = harvest_bytes(harvest, entry.key);
        if (status == KVS_OK && listing->values)
            status = harvest_value(harvest, walk, &entry);
        if (status != KVS_OK)
            return status;
    }
    return KVS_OK;
}

static enum kvs_status list(struct command_ctx *ctx, const struct bounds *bounds,
                            const struct listing *listing)
{
    struct walk walk;
    struct harvest harvest;
    harvest_init(&harvest, ctx);
    enum kvs_status status = walk_open(ctx, bounds, listing->reverse, &walk);
    if (status == KVS_OK)
        status = list_entries(listing, &walk, &harvest);
    if (status == KVS_OK)
        status = harvest_reply(&harvest);
    else if (status == KVS_TOO_LONG)
        status = data_error_reply_bytes(ctx);
    harvest_done(&harvest);
    walk_done(&walk);
    return status;
}

enum kvs_status cmd_range(struct command_ctx *ctx)
{
    struct listing listing;
    if (!listing_options(ctx, 3, &listing))
        return KVS_OK;
    struct bounds bounds;
    enum kvs_status status = bounds_parse(command_arg(ctx, 1), command_arg(ctx, 2), &bounds);
    if (status == KVS_OK)
        status = list(ctx, &bounds, &listing);
    bounds_done(&bounds);
    return status;
}

enum kvs_status cmd_prefix(struct command_ctx *ctx)
{
    struct listing listing;
    if (!listing_options(ctx, 2, &listing))
        return KVS_OK;
    struct bounds bounds;
    enum kvs_status status = bounds_prefix(command_arg(ctx, 1), &bounds);
    if (status == KVS_OK)
        status = list(ctx, &bounds, &listing);
    bounds_done(&bounds);
    return status;
}

/* ---- Counting and removing ranges ---- */

static enum kvs_status count_by_walking(struct command_ctx *ctx, const struct bounds *bounds,
                                        uint64_t *ret)
{
    struct walk walk;
    struct kvs_entry entry;
    enum kvs_status status = walk_open(ctx, bounds, false, &walk);
    while (status == KVS_OK)
        status = walk_next(&walk, &entry);
    *ret = walk.seen;
    walk_done(&walk);
    return status == KVS_NOT_FOUND ? KVS_OK : status;
}

/* Counting is the engine's own affair, far cheaper than walking, except for one that can only estimate. */
static enum kvs_status count_range(struct command_ctx *ctx, const struct bounds *bounds,
                                   uint64_t *ret)
{
    *ret = 0;
    if (bounds->nothing)
        return KVS_OK;
    if (!kvs_capabilities(ctx->db)->exact_count)
        return count_by_walking(ctx, bounds, ret);
    if (ctx->txn != NULL)
        return kvs_txn_count_range(ctx->txn, ctx->db, &bounds->range, ret);
    struct kvs_read read = { .no_block = !ctx->may_wait, .park = true };
    bool exact;
    uint64_t position = 0;
    enum kvs_status status = kvs_count(ctx->db, &read, &bounds->range, ret, &exact, &position);
    data_note_direct(ctx, position);
    return status;
}

enum kvs_status cmd_countprefix(struct command_ctx *ctx)
{
    struct bounds bounds;
    uint64_t count;
    enum kvs_status status = bounds_prefix(command_arg(ctx, 1), &bounds);
    if (status == KVS_OK)
        status = count_range(ctx, &bounds, &count);
    if (status == KVS_OK)
        reply_integer(ctx->reply, (int64_t)count);
    bounds_done(&bounds);
    return status;
}

/* Removes a range and answers how many keys that were: the count is a condition of the commit. */
static enum kvs_status remove_range(struct command_ctx *ctx, const struct bounds *bounds)
{
    uint64_t count;
    enum kvs_status status = count_range(ctx, bounds, &count);
    if (status != KVS_OK)
        return status;
    if (count != 0)
        kvs_txn_remove_range(ctx->txn, ctx->db, &bounds->range);
    reply_integer(ctx->reply, (int64_t)count);
    return KVS_OK;
}

enum kvs_status cmd_delprefix(struct command_ctx *ctx)
{
    struct bounds bounds;
    enum kvs_status status = bounds_prefix(command_arg(ctx, 1), &bounds);
    if (status == KVS_OK)
        status = remove_range(ctx, &bounds);
    bounds_done(&bounds);
    return status;
}

enum kvs_status cmd_delrange(struct command_ctx *ctx)
{
    struct bounds bounds;
    enum kvs_status status = bounds_parse(command_arg(ctx, 1), command_arg(ctx, 2), &bounds);
    if (status == KVS_OK)
        status = remove_range(ctx, &bounds);
    bounds_done(&bounds);
    return status;
}

/* ---- CAS ---- */

/* 1 when the key held the expected value and holds the new one now; 0 when it held another, or there is none. */
enum kvs_status cmd_cas(struct command_ctx *ctx)
{
    struct kvs_bytes key = command_arg(ctx, 1);
    struct data_value old = { .bytes = NULL };
    bool equal = false;
    enum kvs_status status = data_load(ctx, key, &old);
    if (status == KVS_OK)
        status = data_equals(ctx, &old, command_arg(ctx, 2), &equal);
    data_value_done(ctx, &old);
    if (status != KVS_OK)
        return status;
    reply_integer(ctx->reply, equal);
    return equal ? data_set_arg(ctx, key, 3, 0) : KVS_OK;
}
