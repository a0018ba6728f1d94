/*
 * copy.h - reading or copying a whole stretch of a file in pieces, with its checksum. Thread: any.
 */
#ifndef IO_COPY_H
#define IO_COPY_H

#include "io/io.h"

/* Told of each piece of @bytes that was done; false stops with KVS_CLOSED. */
typedef bool io_copy_fn(void *ctx, uint64_t bytes);

/*
 * Reads the first @bytes bytes of @from (UINT64_MAX: all there are), writes them to @to at the same offsets (NULL: only reads), and tells
 * how many there were and their CRC-32C. The caller syncs. @fn, @ret_bytes and @ret_crc may be NULL.
 */
KVS_MUST_CHECK enum kvs_status io_copy(struct io_file *from, struct io_file *to, uint64_t bytes,
                                       io_copy_fn *fn, void *ctx, uint64_t *ret_bytes,
                                       uint32_t *ret_crc);

/* The same from path to path, the new file synced (its directory is not); what was begun and failed is removed. */
KVS_MUST_CHECK enum kvs_status io_copy_file(struct io *io, const char *from, const char *to,
                                            uint64_t bytes, io_copy_fn *fn, void *ctx,
                                            uint64_t *ret_bytes, uint32_t *ret_crc);

#endif
