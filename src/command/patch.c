/*
 * patch.c - a value with some bytes written over, without a copy of the whole.
 */
#include "command/patch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"

/* The first block at or behind @number. */
static size_t block_place(const struct patch *patch, uint64_t number)
{
    size_t low = 0;
    size_t high = patch->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (patch->blocks[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Of the old value, zeros behind its end. */
static enum kvs_status read_old(struct command_ctx *ctx, const struct patch *patch, uint64_t off,
                                unsigned char *out, size_t len)
{
    uint64_t old_bytes = patch->old->info.value_bytes;
    size_t there = 0;
    if (off < old_bytes)
        there = old_bytes - off < len ? (size_t)(old_bytes - off) : len;
    memset(out + there, 0, len - there);
    return there == 0 ? KVS_OK : data_read(ctx, patch->old, off, out, there);
}

enum kvs_status patch_read(struct command_ctx *ctx, const struct patch *patch, uint64_t off,
                           unsigned char *out, size_t len)
{
    enum kvs_status status = read_old(ctx, patch, off, out, len);
    if (status != KVS_OK)
        return status;
    size_t at = block_place(patch, off / PATCH_BLOCK_BYTES);
    for (; at < patch->count; at++) {
        const struct patch_block *block = &patch->blocks[at];
        uint64_t start = block->number * PATCH_BLOCK_BYTES;
        if (start >= off + len)
            break;
        for (size_t i = 0; i < PATCH_BLOCK_BYTES; i++)
            if (start + i >= off && start + i < off + len)
                out[start + i - off] = block->bytes[i];
    }
    return KVS_OK;
}

static enum kvs_status block_of(struct command_ctx *ctx, struct patch *patch, uint64_t number,
                                struct patch_block **ret)
{
    size_t at = block_place(patch, number);
    if (at == patch->count || patch->blocks[at].number != number) {
        if (patch->count == patch->capacity) {
            size_t capacity = patch->capacity == 0 ? 2 : patch->capacity * 2;
            struct patch_block *blocks =
                reallocarray(patch->blocks, capacity, sizeof *patch->blocks);
            if (blocks == NULL)
                return fail(KVS_NO_MEMORY, ENOMEM, "changing bits at %zu places", capacity);
            patch->blocks = blocks;
            patch->capacity = capacity;
        }
        struct patch_block block = { .number = number };
        enum kvs_status status =
            read_old(ctx, patch, number * PATCH_BLOCK_BYTES, block.bytes, PATCH_BLOCK_BYTES);
        if (status != KVS_OK)
            return status;
        memmove(&patch->blocks[at + 1], &patch->blocks[at],
                (patch->count - at) * sizeof *patch->blocks);
        patch->blocks[at] = block;
        patch->count++;
    }
    *ret = &patch->blocks[at];
    return KVS_OK;
}

enum kvs_status patch_write(struct command_ctx *ctx, struct patch *patch, uint64_t off,
                            const unsigned char *from, size_t len)
{
    for (size_t done = 0; done < len;) {
        struct patch_block *block;
        enum kvs_status status = block_of(ctx, patch, (off + done) / PATCH_BLOCK_BYTES, &block);
        if (status != KVS_OK)
            return status;
        size_t in_block = (size_t)((off + done) % PATCH_BLOCK_BYTES);
        size_t part =
            PATCH_BLOCK_BYTES - in_block < len - done ? PATCH_BLOCK_BYTES - in_block : len - done;
        memcpy(block->bytes + in_block, from + done, part);
        done += part;
    }
    return KVS_OK;
}

/* What lies between two blocks, or behind the last: of the old value, then zeros. */
static size_t add_gap(const struct patch *patch, uint64_t off, uint64_t end,
                      struct data_piece *pieces)
{
    uint64_t old_bytes = patch->old->info.value_bytes;
    size_t count = 0;
    if (off < end && off < old_bytes) {
        uint64_t old_end = end < old_bytes ? end : old_bytes;
        pieces[count++] = (struct data_piece){ .kind = DATA_OLD, .off = off, .len = old_end - off };
        off = old_end;
    }
    if (off < end)
        pieces[count++] = (struct data_piece){ .kind = DATA_ZEROS, .len = end - off };
    return count;
}

enum kvs_status patch_set(struct command_ctx *ctx, const struct patch *patch, struct kvs_bytes key)
{
    struct data_piece *pieces = calloc(patch->count * 3 + 2, sizeof *pieces);
    if (pieces == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "changing bits at %zu places", patch->count);
    size_t count = 0;
    uint64_t off = 0;
    for (size_t i = 0; i < patch->count; i++) {
        const struct patch_block *block = &patch->blocks[i];
        uint64_t start = block->number * PATCH_BLOCK_BYTES;
        uint64_t len =
            patch->bytes - start < PATCH_BLOCK_BYTES ? patch->bytes - start : PATCH_BLOCK_BYTES;
        count += add_gap(patch, off, start, pieces + count);
        pieces[count++] =
            (struct data_piece){ .kind = DATA_BYTES, .bytes = block->bytes, .len = len };
        off = start + len;
    }
    count += add_gap(patch, off, patch->bytes, pieces + count);
    enum kvs_status status =
        data_set_pieces(ctx, key, patch->old, pieces, count, patch->old->info.expire_ms);
    free(pieces);
    return status;
}

void patch_done(struct patch *patch)
{
    free(patch->blocks);
}
