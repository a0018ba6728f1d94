/*
 * blob.c - a large value on its way in: pieces of LOG_CHUNK_BYTES go straight to a side segment of the log as they fill;
 * the record that lists them is written with the batch. Until then they belong to an unowned `struct large`, so that
 * compaction leaves their segment alone.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/fail.h"
#include "engine/native/state.h"

struct kvs_blob {
    struct native *native;
    struct large *large;
    uint64_t bytes;
    size_t filled; /* bytes of the piece being gathered */
    char *piece;   /* LOG_CHUNK_BYTES */
    uint8_t *list; /* after blob_finish: chunk locators, 8 bytes little-endian each */
    size_t list_bytes;
};

enum kvs_status native_blob_new(struct kvs_engine *engine, struct kvs_blob **ret)
{
    struct native *native = native_of(engine);
    if (native->read_only)
        return fail(KVS_READ_ONLY, 0, "the store was opened read-only");
    struct kvs_blob *blob = calloc(1, sizeof *blob);
    if (blob == NULL)
        return fail(KVS_NO_MEMORY, 0, "large value");
    blob->native = native;
    blob->piece = malloc(LOG_CHUNK_BYTES);
    enum kvs_status status =
        blob->piece == NULL ? fail(KVS_NO_MEMORY, 0, "large value") : large_new(&blob->large);
    if (status != KVS_OK) {
        native_blob_free(blob);
        return status;
    }
    *ret = blob;
    return KVS_OK;
}

static enum kvs_status write_piece(struct kvs_blob *blob)
{
    struct native *native = blob->native;
    struct log_record record = { .kind = LOG_CHUNK,
                                 .value = bytes_of(blob->piece, blob->filled),
                                 .value_bytes = blob->filled };
    struct chunk chunk;
    mutex_lock(&native->chunk_mu);
    enum kvs_status status = KVS_OK;
    if (native->chunk_side == NULL)
        status = log_side_open(native->log, false, &native->chunk_side);
    if (status == KVS_OK)
        status = log_side_append(native->chunk_side, &record, &chunk.locator, &chunk.stored_bytes);
    /* Told to the table before chunk_mu is released: its segment is not sealed before, so compaction never meets a chunk it
     * does not know. */
    if (status == KVS_OK)
        status = large_add(&native->larges, blob->large, chunk);
    mutex_unlock(&native->chunk_mu);
    if (status != KVS_OK)
        return status;
    log_account(native->log, chunk.locator, chunk.stored_bytes, 0);
    blob->filled = 0;
    return KVS_OK;
}

enum kvs_status native_blob_append(struct kvs_blob *blob, struct kvs_bytes bytes)
{
    if (blob->bytes + bytes.len > KVS_VALUE_MAX)
        return fail(KVS_TOO_LONG, 0, "value of more than %d bytes", KVS_VALUE_MAX);
    if (blob->list != NULL)
        return fail(KVS_INVALID, 0, "append to a value that was already given to a batch");
    while (bytes.len != 0) {
        size_t take = LOG_CHUNK_BYTES - blob->filled;
        if (take > bytes.len)
            take = bytes.len;
        memcpy(blob->piece + blob->filled, bytes.data, take);
        blob->filled += take;
        blob->bytes += take;
        bytes = bytes_from(bytes, take);
        if (blob->filled == LOG_CHUNK_BYTES) {
            enum kvs_status status = write_piece(blob);
            if (status != KVS_OK)
                return status;
        }
    }
    return KVS_OK;
}

uint64_t native_blob_bytes(const struct kvs_blob *blob)
{
    return blob->bytes;
}

enum kvs_status blob_finish(struct kvs_blob *blob)
{
    if (blob->list != NULL)
        return KVS_OK; /* the batch is being written again */
    if (blob->filled != 0 || blob->large->count == 0) {
        enum kvs_status status = write_piece(blob);
        if (status != KVS_OK)
            return status;
    }
    blob->list = malloc(blob->large->count * 8);
    if (blob->list == NULL)
        return fail(KVS_NO_MEMORY, 0, "list of %zu chunks", blob->large->count);
    for (size_t i = 0; i < blob->large->count; i++) {
        for (size_t byte = 0; byte < 8; byte++)
            blob->list[i * 8 + byte] = (uint8_t)(blob->large->chunks[i].locator >> (8 * byte));
    }
    blob->list_bytes = blob->large->count * 8;
    return KVS_OK;
}

struct kvs_bytes blob_list(const struct kvs_blob *blob)
{
    return bytes_of(blob->list, blob->list_bytes);
}

static void release(struct kvs_blob *blob)
{
    free(blob->piece);
    free(blob->list);
    free(blob);
}

void blob_commit(struct kvs_blob *blob, uint64_t locator)
{
    large_own(&blob->native->larges, blob->large, locator);
    release(blob);
}

void native_blob_free(struct kvs_blob *blob)
{
    if (blob == NULL)
        return;
    struct large *large = blob->large;
    if (large != NULL) {
        large_forget(&blob->native->larges, large);
        for (size_t i = 0; i < large->count; i++)
            log_account(blob->native->log, large->chunks[i].locator,
                        -(int64_t)large->chunks[i].stored_bytes, 0);
        large_free(large);
    }
    release(blob);
}
