/*
 * patch.h - a value with some bytes written over, without a copy of the whole: what SETBIT and BITFIELD work on. Private to the room.
 *
 * Bytes are kept in blocks of 64, read from the old value when first written to; everything else stays where it is until the value is put
 * together. Memory grows with the number of writes, not with the value. One thread at a time.
 */
#ifndef COMMAND_PATCH_H
#define COMMAND_PATCH_H

#include "command/data.h"

enum {
    PATCH_BLOCK_BYTES = 64
};

struct patch_block {
    uint64_t number; /* its first byte is at number * PATCH_BLOCK_BYTES */
    unsigned char bytes[PATCH_BLOCK_BYTES];
};

/* Set old and bytes (the length of the new value, at least the old one's), the rest zero. */
struct patch {
    const struct data_value *old;
    uint64_t bytes;
    struct patch_block *blocks; /* in order */
    size_t count;
    size_t capacity;
};

/* Copies @len bytes from @off, at most PATCH_BLOCK_BYTES, to @out; behind the value's end there are zeros. */
KVS_MUST_CHECK enum kvs_status patch_read(struct command_ctx *ctx, const struct patch *patch,
                                          uint64_t off, unsigned char *out, size_t len);

/* Writes @len bytes at @off, which lie within patch->bytes. */
KVS_MUST_CHECK enum kvs_status patch_write(struct command_ctx *ctx, struct patch *patch,
                                           uint64_t off, const unsigned char *from, size_t len);

/* Sets @key to the new value, with the old one's time to live. */
KVS_MUST_CHECK enum kvs_status patch_set(struct command_ctx *ctx, const struct patch *patch,
                                         struct kvs_bytes key);

void patch_done(struct patch *patch);

#endif
