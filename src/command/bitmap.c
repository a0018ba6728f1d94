/*
 * bitmap.c - strings as rows of bits: GETBIT, SETBIT, BITCOUNT, BITPOS. Bit 0 is the highest of the first byte.
 */
#include "command/bitmap.h"

#include <string.h>

#include "base/bytes.h"
#include "base/number.h"
#include "command/data.h"
#include "command/families.h"
#include "command/patch.h"

bool bitmap_offset(struct command_ctx *ctx, size_t arg, unsigned bits, uint64_t *ret)
{
    struct kvs_bytes text = command_arg(ctx, arg);
    bool groups = bits != 0 && text.len > 0 && *(const char *)text.data == '#';
    int64_t number;
    if (number_parse_i64(groups ? bytes_from(text, 1) : text, &number)) {
        uint64_t offset = (uint64_t)number;
        if (groups) /* around the end of 64 bits, as there */
            offset *= bits;
        if (offset <= INT64_MAX && offset / 8 < KVS_VALUE_MAX) {
            *ret = offset;
            return true;
        }
    }
    reply_error(ctx->reply, "ERR bit offset is not an integer or out of range");
    return false;
}

/* ---- GETBIT and SETBIT ---- */

static int bit_of(unsigned char byte, uint64_t offset)
{
    return byte >> (7 - offset % 8) & 1;
}

static enum kvs_status getbit_use(struct command_ctx *ctx, const struct data_value *value,
                                  void *arg)
{
    uint64_t offset = *(const uint64_t *)arg;
    unsigned char byte = 0;
    enum kvs_status status = KVS_OK;
    if (offset / 8 < value->info.value_bytes)
        status = data_read(ctx, value, offset / 8, &byte, 1);
    if (status == KVS_OK)
        reply_integer(ctx->reply, bit_of(byte, offset));
    return status;
}

enum kvs_status cmd_getbit(struct command_ctx *ctx)
{
    uint64_t offset;
    if (!bitmap_offset(ctx, 2, 0, &offset))
        return KVS_OK;
    return data_use(ctx, command_arg(ctx, 1), getbit_use, &offset);
}

static enum kvs_status setbit_in(struct command_ctx *ctx, const struct data_value *old,
                                 uint64_t offset, bool on)
{
    uint64_t at = offset / 8;
    struct patch patch = {
        .old = old,
        .bytes = at < old->info.value_bytes ? old->info.value_bytes : at + 1,
    };
    unsigned char byte;
    enum kvs_status status = patch_read(ctx, &patch, at, &byte, 1);
    if (status != KVS_OK)
        return status;
    int was = bit_of(byte, offset);
    reply_integer(ctx->reply, was);
    if (was == on && patch.bytes == old->info.value_bytes)
        return KVS_OK; /* nothing changes */
    byte ^= (unsigned char)((was ^ on) << (7 - offset % 8));
    status = patch_write(ctx, &patch, at, &byte, 1);
    if (status == KVS_OK)
        status = patch_set(ctx, &patch, command_arg(ctx, 1));
    patch_done(&patch);
    return status;
}

enum kvs_status cmd_setbit(struct command_ctx *ctx)
{
    uint64_t offset;
    int64_t on;
    if (!bitmap_offset(ctx, 2, 0, &offset))
        return KVS_OK;
    if (!number_parse_i64(command_arg(ctx, 3), &on) || (on != 0 && on != 1)) {
        reply_error(ctx->reply, "ERR bit is not an integer or out of range");
        return KVS_OK;
    }
    struct data_value old = { .bytes = NULL };
    enum kvs_status status = data_load(ctx, command_arg(ctx, 1), &old);
    if (status == KVS_OK)
        status = setbit_in(ctx, &old, offset, on != 0);
    data_value_done(ctx, &old);
    return status;
}

/* ---- Ranges of bits ---- */

/* What to look at, and what has been found there. */
struct bits {
    uint64_t first; /* bits, both included */
    uint64_t last;
    unsigned char
        seek; /* bit_seek(): every bit differs from what is looked for where a byte equals this */
    int64_t result;
};

/* The bits of the byte at @at that lie in the range. */
static unsigned edge_mask(const struct bits *bits, uint64_t at)
{
    unsigned mask = 0xff;
    if (at == bits->first / 8)
        mask &= 0xffu >> (bits->first % 8);
    if (at == bits->last / 8)
        mask &= 0xffu << (7 - bits->last % 8);
    return mask & 0xff;
}

/* Is the word at @at inside the range, no edge of it cut? */
static bool word_is_inner(const struct bits *bits, uint64_t at, size_t left)
{
    return left >= sizeof(uint64_t) && at > bits->first / 8 &&
           at + sizeof(uint64_t) <= bits->last / 8;
}

static enum kvs_status count_piece(void *arg, uint64_t off, struct kvs_bytes piece)
{
    struct bits *bits = arg;
    const unsigned char *bytes = piece.data;
    for (size_t i = 0; i < piece.len;) {
        if (word_is_inner(bits, off + i, piece.len - i)) {
            uint64_t word;
            memcpy(&word, bytes + i, sizeof word);
            bits->result += __builtin_popcountll(word);
            i += sizeof word;
        } else {
            bits->result += __builtin_popcount(bytes[i] & edge_mask(bits, off + i));
            i++;
        }
    }
    return KVS_OK;
}

/* KVS_NOT_FOUND ends the walk: found. */
static enum kvs_status seek_piece(void *arg, uint64_t off, struct kvs_bytes piece)
{
    struct bits *bits = arg;
    const unsigned char *bytes = piece.data;
    const uint64_t nothing = 0x0101010101010101u * bits->seek;
    for (size_t i = 0; i < piece.len;) {
        uint64_t word;
        if (word_is_inner(bits, off + i, piece.len - i) &&
            (memcpy(&word, bytes + i, sizeof word), word == nothing)) {
            i += sizeof word;
            continue;
        }
        unsigned hits = (bytes[i] ^ bits->seek) & edge_mask(bits, off + i);
        if (hits != 0) {
            bits->result = (int64_t)((off + i) * 8) + __builtin_clz(hits) - 24;
            return KVS_NOT_FOUND;
        }
        i++;
    }
    return KVS_OK;
}

static enum kvs_status walk_bits(struct command_ctx *ctx, const struct data_value *value,
                                 struct bits *bits, data_take_fn *take)
{
    uint64_t off = bits->first / 8;
    enum kvs_status status = data_walk(ctx, value, off, bits->last / 8 - off + 1, take, bits);
    return status == KVS_NOT_FOUND ? KVS_OK : status;
}

/* BYTE or BIT in argument @arg. False: the error was replied. */
static bool unit_is_bit(struct command_ctx *ctx, size_t arg, bool *ret)
{
    *ret = command_arg_is(ctx, arg, "BIT");
    if (*ret || command_arg_is(ctx, arg, "BYTE"))
        return true;
    (void)data_error_syntax(ctx);
    return false;
}

/* Positions as given, negative from the end, to bits of a value of @value_bytes. False: there is nothing between them. */
static bool place_range(int64_t start, int64_t end, bool is_bit, uint64_t value_bytes,
                        struct bits *ret)
{
    int64_t total = (int64_t)(is_bit ? value_bytes * 8 : value_bytes);
    if (start < 0)
        start += total;
    if (end < 0)
        end += total;
    if (start < 0)
        start = 0;
    if (end < 0)
        end = 0;
    if (end >= total)
        end = total - 1;
    if (start > end)
        return false;
    ret->first = (uint64_t)start * (is_bit ? 1 : 8);
    ret->last = (uint64_t)end * (is_bit ? 1 : 8) + (is_bit ? 0 : 7);
    return true;
}

/* ---- BITCOUNT ---- */

static enum kvs_status bitcount_use(struct command_ctx *ctx, const struct data_value *value,
                                    __attribute__((unused)) void *arg)
{
    size_t count = ctx->request->count;
    struct bits bits = { .result = 0 };
    int64_t start = 0;
    int64_t end = -1;
    bool is_bit = false;
    if (!value->info.found) { /* before the options, as there */
        reply_integer(ctx->reply, 0);
        return KVS_OK;
    }
    if (count == 3 || count > 5)
        return data_error_syntax(ctx);
    if (count >= 4 && (!data_arg_i64(ctx, 2, &start) || !data_arg_i64(ctx, 3, &end)))
        return KVS_OK;
    bool nothing = count >= 4 && start < 0 && end < 0 && start > end;
    if (!nothing && count == 5 && !unit_is_bit(ctx, 4, &is_bit))
        return KVS_OK;
    enum kvs_status status = KVS_OK;
    if (!nothing && place_range(start, end, is_bit, value->info.value_bytes, &bits))
        status = walk_bits(ctx, value, &bits, count_piece);
    if (status == KVS_OK)
        reply_integer(ctx->reply, bits.result);
    return status;
}

enum kvs_status cmd_bitcount(struct command_ctx *ctx)
{
    return data_use(ctx, command_arg(ctx, 1), bitcount_use, NULL);
}

/* ---- BITPOS ---- */

static enum kvs_status bitpos_use(struct command_ctx *ctx, const struct data_value *value,
                                  void *arg)
{
    bool bit = *(const bool *)arg;
    size_t count = ctx->request->count;
    struct bits bits = { .seek = bit ? 0 : 0xff, .result = -1 };
    int64_t start = 0;
    int64_t end = -1;
    bool is_bit = false;
    if (!value->info.found) { /* zeros without end */
        reply_integer(ctx->reply, bit ? -1 : 0);
        return KVS_OK;
    }
    if (count > 6)
        return data_error_syntax(ctx);
    if ((count >= 4 && !data_arg_i64(ctx, 3, &start)) ||
        (count == 6 && !unit_is_bit(ctx, 5, &is_bit)) ||
        (count >= 5 && !data_arg_i64(ctx, 4, &end)))
        return KVS_OK;
    enum kvs_status status = KVS_OK;
    if (place_range(start, end, is_bit, value->info.value_bytes, &bits)) {
        status = walk_bits(ctx, value, &bits, seek_piece);
        /* Zeros follow a value whose end was not given. */
        if (bits.result < 0 && !bit && count < 5)
            bits.result = (int64_t)bits.last + 1;
    }
    if (status == KVS_OK)
        reply_integer(ctx->reply, bits.result);
    return status;
}

enum kvs_status cmd_bitpos(struct command_ctx *ctx)
{
    int64_t bit;
    if (!data_arg_i64(ctx, 2, &bit))
        return KVS_OK;
    if (bit != 0 && bit != 1) {
        reply_error(ctx->reply, "ERR The bit argument must be 1 or 0.");
        return KVS_OK;
    }
    bool seek = bit != 0;
    return data_use(ctx, command_arg(ctx, 1), bitpos_use, &seek);
}
