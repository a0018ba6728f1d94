/*
 * ordered.c - what keys in order are good for: RANGE, PREFIX, COUNTPREFIX, DELRANGE, DELPREFIX.
 *
 * A cursor is a bound: "(" and the last key that was answered. So it needs nobody to keep it, and is as good after a restart, on another
 * connection, or in a year. "0" begins, and says at the end that there is no more.
 */
#include "base/bytes.h"
#include "command/bound.h"
#include "command/data.h"
#include "command/families.h"
#include "command/walk.h"

/* ---- RANGE and PREFIX ---- */

enum {
    CURSOR_LIMIT = 100 /* keys answered with a cursor, when LIMIT does not say */
};

struct listing {
    bool reverse;
    bool keys;
    bool values;
    uint64_t limit; /* keys */
    bool has_cursor;
    struct kvs_bytes cursor;
};

/* LIMIT's count, in argument @arg. False: the error was replied. */
static bool listing_limit(struct command_ctx *ctx, size_t arg, uint64_t *ret)
{
    int64_t limit;
    if (!data_arg_i64(ctx, arg, &limit))
        return false;
    if (limit < 0) {
        reply_error(ctx->reply, "ERR value is out of range, must be positive");
        return false;
    }
    *ret = (uint64_t)limit;
    return true;
}

static bool cursor_is_good(struct kvs_bytes cursor)
{
    return bytes_equal(cursor, BYTES("0")) || bytes_starts_with(cursor, BYTES("("));
}

/* [REV] [LIMIT count] [KEYS | VALUES] [CURSOR cursor] from argument @first on. False: the error was replied. */
static bool listing_options(struct command_ctx *ctx, size_t first, struct listing *ret)
{
    bool has_limit = false;
    *ret = (struct listing){ .limit = UINT64_MAX };
    for (size_t i = first; i < ctx->request->count; i++) {
        bool has_value = i + 1 < ctx->request->count;
        if (command_arg_is(ctx, i, "REV")) {
            ret->reverse = true;
        } else if (command_arg_is(ctx, i, "KEYS") && !ret->values) {
            ret->keys = true;
        } else if (command_arg_is(ctx, i, "VALUES") && !ret->keys) {
            ret->values = true;
        } else if (command_arg_is(ctx, i, "LIMIT") && has_value) {
            if (!listing_limit(ctx, ++i, &ret->limit))
                return false;
            has_limit = true;
        } else if (command_arg_is(ctx, i, "CURSOR") && has_value) {
            ret->has_cursor = true;
            ret->cursor = command_arg(ctx, ++i);
        } else {
            (void)data_error_syntax(ctx);
            return false;
        }
    }
    if (!ret->keys && !ret->values)
        ret->keys = ret->values = true;
    if (ret->has_cursor && !cursor_is_good(ret->cursor)) {
        reply_error(ctx->reply, "ERR invalid cursor");
        return false;
    }
    if (ret->has_cursor && has_limit && ret->limit == 0) {
        reply_error(ctx->reply, "ERR value is out of range, must be positive");
        return false;
    }
    if (ret->has_cursor && !has_limit)
        ret->limit = CURSOR_LIMIT;
    return true;
}

/* What a listing has come to. */
struct listed {
    uint64_t count;
    bool more;
    struct buf last; /* with a cursor: "(" and the key answered last */
};

static enum kvs_status list_one(const struct listing *listing, struct walk *walk,
                                struct harvest *harvest, const struct kvs_entry *entry)
{
    enum kvs_status status = KVS_OK;
    if (listing->keys)
        status = harvest_bytes(harvest, entry->key);
    if (status == KVS_OK && listing->values)
        status = harvest_value(harvest, walk, entry);
    return status;
}

/* With a cursor, it looks at one key more, and an answer that is full ends early: the next call goes on. */
static enum kvs_status list_entries(const struct listing *listing, struct walk *walk,
                                    struct harvest *harvest, struct listed *ret)
{
    while (ret->count < listing->limit || listing->has_cursor) {
        struct kvs_entry entry;
        struct harvest_mark mark = harvest_mark(harvest);
        enum kvs_status status = walk_next(walk, &entry);
        if (status == KVS_NOT_FOUND)
            return KVS_OK;
        ret->more = status == KVS_OK && ret->count == listing->limit;
        if (ret->more)
            return KVS_OK;
        if (status == KVS_OK)
            status = list_one(listing, walk, harvest, &entry);
        if (status == KVS_TOO_LONG && listing->has_cursor && ret->count != 0) {
            harvest_rewind(harvest, mark);
            ret->more = true;
            return KVS_OK;
        }
        if (status == KVS_OK && listing->has_cursor) {
            buf_truncate(&ret->last, 0);
            buf_append_char(&ret->last, '(');
            buf_append_bytes(&ret->last, entry.key);
            status = ret->last.failed;
        }
        if (status != KVS_OK)
            return status;
        ret->count++;
    }
    return KVS_OK;
}

/* The part of the range that is still to come. */
static enum kvs_status list_from(struct bounds *bounds, const struct listing *listing)
{
    if (!listing->has_cursor || bytes_equal(listing->cursor, BYTES("0")) || bounds->nothing)
        return KVS_OK;
    struct kvs_bytes last = bytes_from(listing->cursor, 1);
    return listing->reverse ? bounds_end_before(bounds, last) : bounds_start_after(bounds, last);
}

static enum kvs_status list(struct command_ctx *ctx, struct bounds *bounds,
                            const struct listing *listing)
{
    struct walk walk = { .ctx = ctx };
    struct harvest harvest;
    struct listed listed = { .count = 0 };
    harvest_init(&harvest, ctx);
    buf_init(&listed.last, KVS_KEY_MAX + 1);
    enum kvs_status status = list_from(bounds, listing);
    if (status == KVS_OK)
        status = walk_open(ctx, bounds, listing->reverse, &walk);
    if (status == KVS_OK)
        status = list_entries(listing, &walk, &harvest, &listed);
    if (status == KVS_OK && listing->has_cursor) {
        reply_array(ctx->reply, 2);
        reply_bulk(ctx->reply, listed.more ? buf_bytes(&listed.last) : BYTES("0"));
    }
    if (status == KVS_OK)
        status = harvest_reply(&harvest);
    else if (status == KVS_TOO_LONG)
        status = data_error_reply_bytes(ctx);
    harvest_done(&harvest);
    buf_done(&listed.last);
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
    struct kvs_read read = command_read(ctx);
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

/*
 * Removes a range. How many keys that were is answered, and a condition of the commit, which takes going through them; with NOCOUNT, in
 * argument @option if there is one, it is one step whatever there is.
 */
static enum kvs_status remove_range(struct command_ctx *ctx, const struct bounds *bounds,
                                    size_t option)
{
    if (option < ctx->request->count) {
        if (!command_arg_is(ctx, option, "NOCOUNT") || option + 1 != ctx->request->count)
            return data_error_syntax(ctx);
        if (!bounds->nothing)
            kvs_txn_remove_range(ctx->txn, ctx->db, &bounds->range);
        reply_ok(ctx->reply);
        return KVS_OK;
    }
    if (!ctx->may_wait)
        return KVS_WOULD_BLOCK;
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
        status = remove_range(ctx, &bounds, 2);
    bounds_done(&bounds);
    return status;
}

enum kvs_status cmd_delrange(struct command_ctx *ctx)
{
    struct bounds bounds;
    enum kvs_status status = bounds_parse(command_arg(ctx, 1), command_arg(ctx, 2), &bounds);
    if (status == KVS_OK)
        status = remove_range(ctx, &bounds, 3);
    bounds_done(&bounds);
    return status;
}
