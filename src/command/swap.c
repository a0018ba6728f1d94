/*
 * swap.c - SWAPDB: two key spaces change places.
 *
 * A space is the first byte of its keys, so changing places is writing every key again: as one transaction, within its limits (a million keys,
 * 64 MiB of keys and small values). Spaces that hold more are refused, with the figures, rather than swapped in steps that others could
 * see. Large values are copied through their readers, which were opened before the spaces were emptied.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/fail.h"
#include "base/number.h"
#include "command/data.h"
#include "command/families.h"

enum {
    LARGE_MAX = 256, /* values over KVS_INLINE_MAX in the two spaces together */
};

struct mover {
    size_t off; /* of the key in bytes, the value behind it */
    size_t key_bytes;
    struct data_value
        value; /* info, reader; bytes only for a value the transaction itself has set */
};

/* What one space holds. */
struct load {
    struct buf bytes;
    struct mover *movers;
    size_t count;
    size_t capacity;
    size_t large;
};

static void load_init(struct load *load)
{
    *load = (struct load){ .count = 0 };
    buf_init(&load->bytes, KVS_BATCH_BYTES_MAX + KVS_INLINE_MAX + KVS_KEY_MAX);
}

static void load_done(struct command_ctx *ctx, struct load *load)
{
    for (size_t i = 0; i < load->count; i++)
        if (load->movers[i].value.reader != NULL)
            kvs_reader_close(ctx->db, load->movers[i].value.reader);
    free(load->movers);
    buf_done(&load->bytes);
}

static enum kvs_status reserve(struct load *load)
{
    if (load->count < load->capacity)
        return KVS_OK;
    size_t capacity = load->capacity == 0 ? 64 : load->capacity * 2;
    struct mover *movers = reallocarray(load->movers, capacity, sizeof *movers);
    if (movers == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "swapping %zu keys", capacity);
    load->movers = movers;
    load->capacity = capacity;
    return KVS_OK;
}

static enum kvs_status open_large(struct command_ctx *ctx, struct kvs *from, struct load *load,
                                  struct mover *mover, const struct kvs_entry *entry)
{
    if (++load->large > LARGE_MAX)
        return fail(KVS_TOO_LONG, 0, "SWAPDB with more than %d values over %d bytes", LARGE_MAX,
                    KVS_INLINE_MAX);
    if (!data_is_own(entry)) {
        struct kvs_entry seen;
        return kvs_txn_reader(ctx->txn, from, entry->key, &seen, &mover->value.reader);
    }
    struct kvs *here = ctx->db;
    struct kvs_bytes value;
    ctx->db = from;
    enum kvs_status status = data_own_large(ctx, entry->key, &value);
    ctx->db = here;
    if (status == KVS_OK) {
        mover->value.bytes = value.data;
        mover->value.lasting = true;
    }
    return status;
}

static enum kvs_status take_up(struct command_ctx *ctx, struct kvs *from, struct load *load,
                               const struct kvs_entry *entry)
{
    bool small = entry->value_bytes <= KVS_INLINE_MAX;
    size_t inline_bytes = entry->key.len + (small ? (size_t)entry->value_bytes : 0);
    if (load->count >= KVS_BATCH_OPS_MAX || load->bytes.len + inline_bytes > KVS_BATCH_BYTES_MAX)
        return fail(KVS_TOO_LONG, 0,
                    "SWAPDB of a space with more than %d keys, or %d bytes of keys and values",
                    KVS_BATCH_OPS_MAX, KVS_BATCH_BYTES_MAX);
    enum kvs_status status = reserve(load);
    if (status != KVS_OK)
        return status;
    struct mover mover = {
        .off = load->bytes.len,
        .key_bytes = entry->key.len,
        .value.info = {
            .found = true,
            .value_bytes = entry->value_bytes,
            .expire_ms = entry->expire_ms,
        },
    };
    buf_append_bytes(&load->bytes, entry->key);
    if (small)
        buf_append_bytes(&load->bytes, entry->value);
    else
        status = open_large(ctx, from, load, &mover, entry);
    if (status == KVS_OK)
        status = load->bytes.failed;
    if (status == KVS_OK)
        load->movers[load->count++] = mover;
    return status;
}

static enum kvs_status take_space(struct command_ctx *ctx, struct kvs *from, struct load *load)
{
    struct kvs_txn_iterator *iterator;
    struct kvs_entry entry;
    enum kvs_status status = kvs_txn_iterator_open(ctx->txn, from, NULL, false, &iterator);
    if (status != KVS_OK)
        return status;
    while ((status = kvs_txn_iterator_next(iterator, &entry)) == KVS_OK) {
        status = take_up(ctx, from, load, &entry);
        if (status != KVS_OK)
            break;
    }
    kvs_txn_iterator_close(iterator);
    return status == KVS_NOT_FOUND ? KVS_OK : status;
}

static enum kvs_status put_down(struct command_ctx *ctx, struct kvs *to, const struct load *load)
{
    struct kvs *here = ctx->db;
    enum kvs_status status = KVS_OK;
    ctx->db = to;
    for (size_t i = 0; i < load->count && status == KVS_OK; i++) {
        const struct mover *mover = &load->movers[i];
        const struct data_info *info = &mover->value.info;
        struct kvs_bytes key = bytes_of(load->bytes.data + mover->off, mover->key_bytes);
        if (info->value_bytes > KVS_INLINE_MAX)
            status = data_set_again(ctx, key, &mover->value, info->expire_ms);
        else
            kvs_txn_set(ctx->txn, to, key,
                        bytes_of(load->bytes.data + mover->off + mover->key_bytes,
                                 (size_t)info->value_bytes),
                        info->expire_ms);
    }
    ctx->db = here;
    return status;
}

static enum kvs_status swap(struct command_ctx *ctx, struct kvs *a, struct kvs *b)
{
    struct load from_a;
    struct load from_b;
    load_init(&from_a);
    load_init(&from_b);
    enum kvs_status status = take_space(ctx, a, &from_a);
    if (status == KVS_OK)
        status = take_space(ctx, b, &from_b);
    if (status == KVS_OK) {
        kvs_txn_remove_range(ctx->txn, a, NULL);
        kvs_txn_remove_range(ctx->txn, b, NULL);
        status = put_down(ctx, b, &from_a);
    }
    if (status == KVS_OK)
        status = put_down(ctx, a, &from_b);
    load_done(ctx, &from_a);
    load_done(ctx, &from_b);
    return status;
}

/* False: the error was replied. */
static bool parse_index(struct command_ctx *ctx, size_t arg, const char *which, int64_t *ret)
{
    if (number_parse_i64(command_arg(ctx, arg), ret) && *ret >= INT32_MIN && *ret <= INT32_MAX)
        return true;
    reply_error(ctx->reply, "ERR invalid %s DB index", which);
    return false;
}

enum kvs_status cmd_swapdb(struct command_ctx *ctx)
{
    int64_t a;
    int64_t b;
    if (!parse_index(ctx, 1, "first", &a) || !parse_index(ctx, 2, "second", &b))
        return KVS_OK;
    if (a < 0 || a >= KVS_SPACES || b < 0 || b >= KVS_SPACES) {
        reply_error(ctx->reply, "ERR DB index is out of range");
        return KVS_OK;
    }
    reply_ok(ctx->reply);
    return a == b ? KVS_OK : swap(ctx, ctx->spaces[a], ctx->spaces[b]);
}
