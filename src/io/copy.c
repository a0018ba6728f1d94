/*
 * copy.c - see copy.h. Nothing is written that was not read whole: an error on either side ends the copy.
 */
#include "io/copy.h"

#include <errno.h>
#include <stdlib.h>

#include "base/crc.h"
#include "base/fail.h"

enum {
    PIECE_BYTES = 1024 * 1024
};

enum kvs_status io_copy(struct io_file *from, struct io_file *to, uint64_t bytes, io_copy_fn *fn,
                        void *ctx, uint64_t *ret_bytes, uint32_t *ret_crc)
{
    void *piece = malloc(PIECE_BYTES);
    if (piece == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "copy buffer of %d bytes", PIECE_BYTES);
    enum kvs_status status = KVS_OK;
    uint64_t off = 0;
    uint32_t crc = 0;
    while (off < bytes && status == KVS_OK) {
        size_t want = bytes - off < PIECE_BYTES ? (size_t)(bytes - off) : PIECE_BYTES;
        size_t got = 0;
        status = from->ops->read(from, off, piece, want, false, &got);
        if (status != KVS_OK || got == 0)
            break;
        crc = crc32c(crc, piece, got);
        if (to != NULL)
            status = to->ops->write(to, off, piece, got);
        off += got;
        if (status == KVS_OK && fn != NULL && !fn(ctx, got))
            status = fail(KVS_CLOSED, 0, "stopped on demand");
        if (got < want)
            break;
    }
    free(piece);
    if (status == KVS_OK && bytes != UINT64_MAX && off < bytes)
        status = fail(KVS_CORRUPT, 0, "unexpected end of file at %llu", (unsigned long long)off);
    if (status != KVS_OK)
        return status;
    if (ret_bytes != NULL)
        *ret_bytes = off;
    if (ret_crc != NULL)
        *ret_crc = crc;
    return KVS_OK;
}

enum kvs_status io_copy_file(struct io *io, const char *from, const char *to, uint64_t bytes,
                             io_copy_fn *fn, void *ctx, uint64_t *ret_bytes, uint32_t *ret_crc)
{
    struct io_file *in = NULL;
    struct io_file *out = NULL;
    enum kvs_status status = io_open(io, from, IO_READ, &in);
    if (status != KVS_OK)
        return status;
    status = io_open(io, to, IO_CREATE, &out);
    bool made = status == KVS_OK;
    if (status == KVS_OK)
        status = io_copy(in, out, bytes, fn, ctx, ret_bytes, ret_crc);
    if (status == KVS_CORRUPT) {
        char why[FAIL_TEXT_BYTES];
        fail_save(why);
        status = fail(KVS_CORRUPT, 0, "%s: %s", from, why);
    }
    if (status == KVS_OK)
        status = out->ops->sync(out);
    io_close(in);
    io_close(out);
    if (status != KVS_OK && made) {
        char why[FAIL_TEXT_BYTES];
        fail_save(why);
        (void)io->ops->unlink(io, to);
        (void)fail_restore(status, why);
    }
    return status;
}
