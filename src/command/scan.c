/*
 * scan.c - finding keys: KEYS, SCAN, RANDOMKEY.
 */
#include "base/bytes.h"
#include "base/fail.h"
#include "base/glob.h"
#include "base/hash.h"
#include "base/number.h"
#include "command/bound.h"
#include "command/data.h"
#include "command/families.h"
#include "command/walk.h"

/* ---- KEYS ---- */

/* A lone star is everything, the empty key too, which no other pattern but the empty one matches. */
static bool key_matches(struct kvs_bytes pattern, struct kvs_bytes key)
{
    return bytes_equal(pattern, BYTES("*")) || glob_match(pattern, key, false);
}

static enum kvs_status harvest_matching(struct harvest *harvest, struct walk *walk,
                                        struct kvs_bytes pattern)
{
    struct kvs_entry entry;
    enum kvs_status status;
    while ((status = walk_next(walk, &entry)) == KVS_OK) {
        if (!key_matches(pattern, entry.key))
            continue;
        status = harvest_bytes(harvest, entry.key);
        if (status != KVS_OK)
            return status;
    }
    return status == KVS_NOT_FOUND ? KVS_OK : status;
}

/* Matching costs pattern times key at worst, for every key looked at: what is not literal is bounded. False: the error is replied. */
static bool pattern_is_fair(struct command_ctx *ctx, struct kvs_bytes pattern)
{
    enum {
        PATTERN_BYTES_MAX = 4096
    };

    if (pattern.len - glob_prefix(pattern).len <= PATTERN_BYTES_MAX)
        return true;
    reply_error(ctx->reply, "ERR pattern of more than %d bytes behind its literal beginning",
                PATTERN_BYTES_MAX);
    return false;
}

enum kvs_status cmd_keys(struct command_ctx *ctx)
{
    struct kvs_bytes pattern = command_arg(ctx, 1);
    if (!pattern_is_fair(ctx, pattern))
        return KVS_OK;
    struct bounds bounds = { .nothing = true };
    struct walk walk = { .ctx = ctx };
    struct harvest harvest;
    harvest_init(&harvest, ctx);
    enum kvs_status status = bounds_prefix(glob_prefix(pattern), &bounds);
    if (status == KVS_OK)
        status = walk_open(ctx, &bounds, false, &walk);
    if (status == KVS_OK)
        status = harvest_matching(&harvest, &walk, pattern);
    if (status == KVS_OK)
        status = harvest_reply(&harvest);
    else if (status == KVS_TOO_LONG)
        status = data_error_reply_bytes(ctx);
    harvest_done(&harvest);
    walk_done(&walk);
    bounds_done(&bounds);
    return status;
}

/* ---- SCAN ---- */

enum {
    SCAN_COUNT = 10 /* keys looked at in one call, when it does not say */
};

struct scan {
    struct command_ctx *ctx;
    uint64_t cursor;
    int64_t count;
    struct kvs_bytes pattern;
    struct kvs_bytes type; /* data NULL: any */
    struct buf last;       /* the key looked at last: in the call before, then in this one */
};

static enum kvs_status error_cursor(struct command_ctx *ctx)
{
    reply_error(ctx->reply, "ERR invalid cursor");
    return KVS_OK;
}

/* False: the error was replied. */
static bool scan_options(struct command_ctx *ctx, struct scan *scan)
{
    if (!number_parse_u64(command_arg(ctx, 1), &scan->cursor)) {
        (void)error_cursor(ctx);
        return false;
    }
    for (size_t i = 2; i < ctx->request->count; i += 2) {
        bool has_value = i + 1 < ctx->request->count;
        if (has_value && command_arg_is(ctx, i, "COUNT")) {
            if (!data_arg_i64(ctx, i + 1, &scan->count))
                return false;
            if (scan->count >= 1)
                continue;
        } else if (has_value && command_arg_is(ctx, i, "MATCH")) {
            scan->pattern = command_arg(ctx, i + 1);
            if (!pattern_is_fair(ctx, scan->pattern))
                return false;
            continue;
        } else if (has_value && command_arg_is(ctx, i, "TYPE")) {
            scan->type = command_arg(ctx, i + 1);
            continue;
        }
        (void)data_error_syntax(ctx);
        return false;
    }
    return true;
}

static unsigned space_number(const struct command_ctx *ctx)
{
    unsigned space = 0;
    while (space < KVS_SPACES - 1 && ctx->spaces[space] != ctx->db)
        space++;
    return space;
}

static bool scan_wants(const struct scan *scan, const struct kvs_entry *entry)
{
    if (scan->type.data != NULL &&
        !bytes_equal_nocase(scan->type, bytes_str(data_type_name(entry))))
        return false;
    return scan->pattern.data == NULL || key_matches(scan->pattern, entry->key);
}

static enum kvs_status note_last(struct scan *scan, struct kvs_bytes key)
{
    buf_truncate(&scan->last, 0);
    buf_append_bytes(&scan->last, key);
    return scan->last.failed;
}

/*
 * Looks at up to scan->count keys, and at one more, to know whether the scan is over; *ret_more tells. A harvest that is
 * full ends the call early: how many keys one call looks at is a hint.
 */
static enum kvs_status scan_step(struct scan *scan, struct walk *walk, struct harvest *harvest,
                                 bool *ret_more)
{
    struct kvs_entry entry;
    enum kvs_status status = KVS_OK;
    for (int64_t seen = 0; status == KVS_OK; seen++) {
        status = walk_next(walk, &entry);
        if (status != KVS_OK)
            break;
        *ret_more = seen == scan->count;
        if (*ret_more)
            return KVS_OK;
        if (scan_wants(scan, &entry))
            status = harvest_bytes(harvest, entry.key);
        if (status == KVS_TOO_LONG) {
            *ret_more = true;
            return KVS_OK;
        }
        if (status == KVS_OK)
            status = note_last(scan, entry.key);
    }
    *ret_more = false;
    return status == KVS_NOT_FOUND ? KVS_OK : status;
}

/* The next call's cursor is made last of all: it is the only thing that stays when a run is put back. */
static enum kvs_status scan_reply(struct scan *scan, struct harvest *harvest, bool more)
{
    struct command_ctx *ctx = scan->ctx;
    uint64_t cursor = 0;
    if (more) {
        cursor = ctx->host->cursor_open(ctx->host->ctx, space_number(ctx), buf_bytes(&scan->last));
        if (cursor == 0)
            return fail(KVS_NO_MEMORY, 0, "a cursor for SCAN");
    }
    char digits[NUMBER_I64_CHARS];
    reply_array(ctx->reply, 2);
    reply_bulk(ctx->reply, bytes_of(digits, number_print_u64(cursor, digits)));
    return harvest_reply(harvest);
}

static enum kvs_status scan_run(struct scan *scan, struct bounds *bounds)
{
    struct command_ctx *ctx = scan->ctx;
    struct walk walk = { .ctx = ctx };
    struct harvest harvest;
    bool more = false;
    harvest_init(&harvest, ctx);
    enum kvs_status status = bounds_prefix(glob_prefix(scan->pattern), bounds);
    if (status == KVS_OK && scan->cursor != 0)
        status = bounds_start_after(bounds, buf_bytes(&scan->last));
    if (status == KVS_OK)
        status = walk_open(ctx, bounds, false, &walk);
    if (status == KVS_OK)
        status = scan_step(scan, &walk, &harvest, &more);
    if (status == KVS_OK)
        status = scan_reply(scan, &harvest, more);
    harvest_done(&harvest);
    walk_done(&walk);
    return status;
}

enum kvs_status cmd_scan(struct command_ctx *ctx)
{
    struct scan scan = { .ctx = ctx, .count = SCAN_COUNT };
    if (!scan_options(ctx, &scan))
        return KVS_OK;
    if (ctx->host == NULL || ctx->host->cursor_open == NULL || ctx->host->cursor_find == NULL) {
        reply_error(ctx->reply, "ERR SCAN is not available here; use RANGE");
        return KVS_OK;
    }
    if (scan.count > SEEN_ON_LOOP_MAX && !ctx->may_wait)
        return KVS_WOULD_BLOCK;
    struct bounds bounds = { .nothing = true };
    enum kvs_status status = KVS_OK;
    buf_init(&scan.last, KVS_KEY_MAX);
    if (scan.cursor != 0 &&
        !ctx->host->cursor_find(ctx->host->ctx, scan.cursor, space_number(ctx), &scan.last))
        status = error_cursor(ctx);
    else
        status = scan_run(&scan, &bounds);
    bounds_done(&bounds);
    buf_done(&scan.last);
    return status;
}

/* ---- RANDOMKEY ---- */

static void reply_key(void *arg, const struct kvs_entry *entry)
{
    reply_bulk(arg, entry->key);
}

static void copy_key(void *arg, const struct kvs_entry *entry)
{
    buf_append_bytes(arg, entry->key);
}

static uint64_t random_number(const struct command_ctx *ctx)
{
    if (ctx->host != NULL && ctx->host->random != NULL)
        return ctx->host->random(ctx->host->ctx);
    return hash_u64((uint64_t)ctx->now_ms);
}

/* The first key as the transaction sees the space: when all samples were keys that it has removed, or there are none. */
static enum kvs_status reply_first_key(struct command_ctx *ctx)
{
    struct bounds bounds = { .nothing = true };
    struct walk walk = { .ctx = ctx };
    struct kvs_entry entry;
    enum kvs_status status = bounds_prefix(BYTES(""), &bounds);
    if (status == KVS_OK)
        status = walk_open(ctx, &bounds, false, &walk);
    if (status == KVS_OK)
        status = walk_next(&walk, &entry);
    if (status == KVS_OK)
        reply_bulk(ctx->reply, entry.key);
    else if (status == KVS_NOT_FOUND)
        reply_null(ctx->reply);
    walk_done(&walk);
    bounds_done(&bounds);
    return status == KVS_NOT_FOUND ? KVS_OK : status;
}

/* Samples come from the store, which knows nothing of the transaction's own writes. */
static enum kvs_status random_in_txn(struct command_ctx *ctx)
{
    enum {
        TRIES = 16
    };

    struct kvs_read read = { .no_block = !ctx->may_wait, .park = true };
    struct buf key;
    buf_init(&key, KVS_KEY_MAX);
    enum kvs_status status = KVS_OK;
    bool found = false;
    for (int i = 0; i < TRIES && status == KVS_OK && !found; i++) {
        buf_truncate(&key, 0);
        status = kvs_sample(ctx->db, &read, random_number(ctx), copy_key, &key, NULL);
        if (status == KVS_OK)
            status = key.failed;
        struct data_info info;
        if (status == KVS_OK)
            status = data_look(ctx, buf_bytes(&key), &info);
        found = status == KVS_OK && info.found;
    }
    if (found)
        reply_bulk(ctx->reply, buf_bytes(&key));
    else if (status == KVS_OK || status == KVS_NOT_FOUND)
        status = reply_first_key(ctx);
    buf_done(&key);
    return status;
}

enum kvs_status cmd_randomkey(struct command_ctx *ctx)
{
    if (ctx->txn != NULL)
        return random_in_txn(ctx);
    struct kvs_read read = command_read(ctx);
    uint64_t position = 0;
    enum kvs_status status =
        kvs_sample(ctx->db, &read, random_number(ctx), reply_key, ctx->reply, &position);
    data_note_direct(ctx, position);
    if (status != KVS_NOT_FOUND)
        return status;
    reply_null(ctx->reply);
    return KVS_OK;
}
