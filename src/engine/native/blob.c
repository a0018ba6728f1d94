/*
 * blob.c - a large value on its way in. Up to KVS_INLINE_MAX it is held in memory and becomes an ordinary record; beyond, pieces of LOG_CHUNK_BYTES go straight to a side segment of the log as they fill;
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
    size_t filled; /* bytes held in memory */
    size_t room;
    char *piece;  /* up to KVS_INLINE_MAX the whole value, then the piece being gathered */
    bool chunked; /* over KVS_INLINE_MAX: pieces are written as they fill */
    enum kvs_status failed; /* a piece could not be written: the value is not whole */
    uint8_t *list;          /* after blob_finish: chunk locators, 8 bytes little-endian each */
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
    enum kvs_status status = large_new(&blob->large);
    if (status != KVS_OK) {
        native_blob_free(blob);
        return status;
    }
    *ret = blob;
    return KVS_OK;
}

/* Writes the first @len bytes held. */
static enum kvs_status write_piece(struct kvs_blob *blob, size_t len)
{
    struct native *native = blob->native;
    struct log_record record = { .kind = LOG_CHUNK,
                                 .value = bytes_of(blob->piece, len),
                                 .value_bytes = len };
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
    log_account_pending(native->log, chunk.locator, true);
    blob->filled -= len;
    memmove(blob->piece, blob->piece + len, blob->filled);
    return KVS_OK;
}

static enum kvs_status hold_room(struct kvs_blob *blob, size_t need)
{
    if (need <= blob->room)
        return KVS_OK;
    size_t room = blob->room == 0 ? 4096 : blob->room * 2;
    while (room < need)
        room *= 2;
    char *piece = realloc(blob->piece, room);
    if (piece == NULL)
        return fail(KVS_NO_MEMORY, 0, "large value");
    blob->piece = piece;
    blob->room = room;
    return KVS_OK;
}

/* Pieces that are full go to the log. */
static enum kvs_status append_chunked(struct kvs_blob *blob, struct kvs_bytes bytes)
{
    enum kvs_status status = hold_room(blob, LOG_CHUNK_BYTES);
    for (;;) {
        while (status == KVS_OK && blob->filled >= LOG_CHUNK_BYTES)
            status = write_piece(blob, LOG_CHUNK_BYTES);
        if (status != KVS_OK || bytes.len == 0)
            return status;
        if (blob->room > LOG_CHUNK_BYTES) { /* was the whole value so far */
            char *smaller = realloc(blob->piece, LOG_CHUNK_BYTES);
            blob->piece = smaller != NULL ? smaller : blob->piece;
            blob->room = LOG_CHUNK_BYTES;
        }
        size_t take = LOG_CHUNK_BYTES - blob->filled;
        if (take > bytes.len)
            take = bytes.len;
        memcpy(blob->piece + blob->filled, bytes.data, take);
        blob->filled += take;
        blob->bytes += take;
        bytes = bytes_from(bytes, take);
    }
}

enum kvs_status native_blob_append(struct kvs_blob *blob, struct kvs_bytes bytes)
{
    if (blob->failed != KVS_OK)
        return fail(blob->failed, 0, "append to a value of which a part could not be written");
    if (blob->bytes + bytes.len > KVS_VALUE_MAX)
        return fail(KVS_TOO_LONG, 0, "value of more than %d bytes", KVS_VALUE_MAX);
    if (blob->list != NULL)
        return fail(KVS_INVALID, 0, "append to a value that was already given to a batch");
    if (bytes.len == 0)
        return KVS_OK;
    if (!blob->chunked && blob->bytes + bytes.len <= KVS_INLINE_MAX) {
        enum kvs_status status = hold_room(blob, blob->filled + bytes.len);
        if (status != KVS_OK)
            return status;
        memcpy(blob->piece + blob->filled, bytes.data, bytes.len);
        blob->filled += bytes.len;
        blob->bytes += bytes.len;
        return KVS_OK;
    }
    blob->chunked = true;
    blob->failed = append_chunked(blob, bytes);
    return blob->failed;
}

uint64_t native_blob_bytes(const struct kvs_blob *blob)
{
    return blob->bytes;
}

enum kvs_status blob_finish(struct kvs_blob *blob)
{
    if (blob->failed != KVS_OK)
        return fail(blob->failed, 0, "a value of which a part could not be written");
    if (blob->list != NULL || !blob->chunked)
        return KVS_OK; /* the batch is being written again, or there is nothing to list */
    if (blob->filled != 0) {
        enum kvs_status status = write_piece(blob, blob->filled);
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

bool blob_is_chunked(const struct kvs_blob *blob)
{
    return blob->chunked;
}

struct kvs_bytes blob_value(const struct kvs_blob *blob)
{
    return bytes_of(blob->piece, blob->filled);
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
    if (!blob->chunked) {
        native_blob_free(blob);
        return;
    }
    struct log *log = blob->native->log;
    for (size_t i = 0; i < blob->large->count; i++) {
        const struct chunk *chunk = &blob->large->chunks[i];
        log_account(log, chunk->locator, chunk->stored_bytes, 0);
        log_account_pending(log, chunk->locator, false);
    }
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
            log_account_pending(blob->native->log, large->chunks[i].locator, false);
        large_free(large);
    }
    release(blob);
}
