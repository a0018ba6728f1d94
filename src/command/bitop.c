/*
 * bitop.c - BITOP: AND, OR, XOR and NOT of whole strings.
 *
 * Shorter strings count as if zeros followed. Sources up to KVS_INLINE_MAX are combined at once into one buffer of that size, whatever
 * their number; longer ones stay open and are read while the result is made, piece by piece. So memory does not grow with the values, and
 * with the number of sources only by what a reader takes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "command/data.h"
#include "command/families.h"

enum bit_op {
    OP_AND,
    OP_OR,
    OP_XOR,
    OP_NOT
};

enum {
    LARGE_MAX = 256, /* sources over KVS_INLINE_MAX in one command */
    READ_BYTES = 64 * 1024
};

struct bit_sum {
    enum bit_op op;
    uint64_t bytes;       /* of the longest source */
    uint64_t shortest;    /* of the shortest */
    unsigned char *small; /* of the sources that are not large, combined; zeros behind their ends */
    uint64_t small_bytes; /* of the longest of them */
    size_t small_count;
    struct kvs_reader **large;
    uint64_t *large_bytes;
    size_t large_count;
    unsigned char *read; /* READ_BYTES */
};

static void combine(enum bit_op op, unsigned char *into, const unsigned char *from, size_t len)
{
    switch (op) {
    case OP_AND:
        for (size_t i = 0; i < len; i++)
            into[i] &= from[i];
        return;
    case OP_OR:
        for (size_t i = 0; i < len; i++)
            into[i] |= from[i];
        return;
    case OP_XOR:
        for (size_t i = 0; i < len; i++)
            into[i] ^= from[i];
        return;
    case OP_NOT:
        return;
    }
}

/* ---- Taking the sources in ---- */

static enum kvs_status add_small(struct bit_sum *sum, const unsigned char *bytes, uint64_t len)
{
    if (len > sum->small_bytes) {
        unsigned char *longer = realloc(sum->small, len);
        if (longer == NULL)
            return fail(KVS_NO_MEMORY, ENOMEM, "%llu bytes of BITOP", (unsigned long long)len);
        memset(longer + sum->small_bytes, 0, len - sum->small_bytes);
        sum->small = longer;
        sum->small_bytes = len;
    }
    if (len == 0)
        return KVS_OK; /* sum->shortest tells */
    if (sum->small_count++ == 0)
        memcpy(sum->small, bytes, len);
    else
        combine(sum->op, sum->small, bytes, len);
    return KVS_OK;
}

static enum kvs_status add_source(struct command_ctx *ctx, struct bit_sum *sum, size_t arg)
{
    struct data_value value = { .bytes = NULL };
    enum kvs_status status = data_load(ctx, command_arg(ctx, arg), &value);
    uint64_t bytes = value.info.value_bytes;
    if (bytes > sum->bytes)
        sum->bytes = bytes;
    if (bytes < sum->shortest)
        sum->shortest = bytes;
    if (status == KVS_OK && value.reader == NULL) {
        status = add_small(sum, (const unsigned char *)value.bytes, bytes);
    } else if (status == KVS_OK && sum->large_count == LARGE_MAX) {
        status = fail(KVS_UNSUPPORTED, 0, "more than %d values over %d bytes in one BITOP",
                      LARGE_MAX, KVS_INLINE_MAX);
    } else if (status == KVS_OK) {
        sum->large[sum->large_count] = value.reader;
        sum->large_bytes[sum->large_count++] = bytes;
        value.reader = NULL; /* is the sum's */
    }
    data_value_done(ctx, &value);
    return status;
}

/* ---- Making the result ---- */

/* What the small sources make of it, for a sum without them the neutral thing. */
static void make_small(const struct bit_sum *sum, uint64_t off, unsigned char *out, size_t len)
{
    bool first_is_large = sum->small_count == 0;
    memset(out, first_is_large && sum->op == OP_AND ? 0xff : 0, len);
    if (off < sum->small_bytes) {
        size_t there = sum->small_bytes - off < len ? (size_t)(sum->small_bytes - off) : len;
        memcpy(out, sum->small + off, there);
    }
}

static enum kvs_status combine_large(struct command_ctx *ctx, const struct bit_sum *sum, size_t i,
                                     uint64_t off, unsigned char *out, size_t len)
{
    enum kvs_status status = KVS_OK;
    for (size_t done = 0; done < len && off + done < sum->large_bytes[i] && status == KVS_OK;) {
        uint64_t left = sum->large_bytes[i] - off - done;
        size_t part = len - done < READ_BYTES ? len - done : READ_BYTES;
        if (left < part)
            part = (size_t)left;
        status =
            kvs_reader_read(ctx->db, sum->large[i], !ctx->may_wait, off + done, sum->read, part);
        if (status == KVS_OK)
            combine(sum->op == OP_NOT ? OP_OR : sum->op, out + done, sum->read, part);
        done += part;
    }
    return status;
}

static enum kvs_status make_sum(struct command_ctx *ctx, void *arg, uint64_t off, char *out_chars,
                                size_t len)
{
    const struct bit_sum *sum = arg;
    unsigned char *out = (unsigned char *)out_chars;
    enum kvs_status status = KVS_OK;
    make_small(sum, off, out, len);
    for (size_t i = 0; i < sum->large_count && status == KVS_OK; i++)
        status = combine_large(ctx, sum, i, off, out, len);
    if (sum->op == OP_AND && off + len > sum->shortest) {
        uint64_t keep = sum->shortest > off ? sum->shortest - off : 0;
        memset(out + keep, 0, len - keep);
    }
    for (size_t i = 0; sum->op == OP_NOT && i < len; i++)
        out[i] = (unsigned char)~out[i];
    return status;
}

static enum kvs_status store_sum(struct command_ctx *ctx, struct bit_sum *sum)
{
    struct kvs_bytes target = command_arg(ctx, 2);
    reply_integer(ctx->reply, (int64_t)sum->bytes);
    if (sum->bytes == 0) {
        struct data_info info;
        enum kvs_status status = data_look(ctx, target, &info);
        if (status == KVS_OK && info.found)
            kvs_txn_remove(ctx->txn, ctx->db, target);
        return status;
    }
    struct data_piece piece = {
        .kind = DATA_MADE,
        .len = sum->bytes,
        .make = make_sum,
        .arg = sum,
    };
    return data_set_pieces(ctx, target, NULL, &piece, 1, 0);
}

static bool parse_op(const struct command_ctx *ctx, enum bit_op *ret)
{
    static const char *const names[] = { "AND", "OR", "XOR", "NOT" };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        *ret = (enum bit_op)i;
        if (command_arg_is(ctx, 1, names[i]))
            return true;
    }
    return false;
}

static enum kvs_status sum_sources(struct command_ctx *ctx, struct bit_sum *sum)
{
    enum kvs_status status = KVS_OK;
    for (size_t i = 3; i < ctx->request->count && status == KVS_OK; i++)
        status = add_source(ctx, sum, i);
    if (status == KVS_OK && sum->large_count != 0 && !ctx->may_wait)
        status = KVS_WOULD_BLOCK;
    if (status == KVS_OK && sum->large_count != 0) {
        sum->read = malloc(READ_BYTES);
        if (sum->read == NULL)
            status = fail(KVS_NO_MEMORY, ENOMEM, "reading large values");
    }
    return status == KVS_OK ? store_sum(ctx, sum) : status;
}

enum kvs_status cmd_bitop(struct command_ctx *ctx)
{
    struct kvs_reader *large[LARGE_MAX];
    uint64_t large_bytes[LARGE_MAX];
    struct bit_sum sum = { .shortest = UINT64_MAX, .large = large, .large_bytes = large_bytes };
    if (!parse_op(ctx, &sum.op))
        return data_error_syntax(ctx);
    if (sum.op == OP_NOT && ctx->request->count != 4) {
        reply_error(ctx->reply, "ERR BITOP NOT must be called with a single source key.");
        return KVS_OK;
    }
    enum kvs_status status = sum_sources(ctx, &sum);
    for (size_t i = 0; i < sum.large_count; i++)
        kvs_reader_close(ctx->db, large[i]);
    free(sum.small);
    free(sum.read);
    return status;
}
