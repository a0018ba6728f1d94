/*
 * blob.c - large values in: collected to a chunk, written a chunk at a time, given to a record when complete.
 *
 * A blob has at most one chunk of bytes in memory. The first chunk that is written gives the blob its id (the version of that
 * write) and a pending mark, which goes when a record takes the blob, in the same transaction. What is still pending when
 * the store is opened belongs to nobody.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/adapter/room.h"

enum kvs_status adapter_blob_new(struct kvs_engine *base, struct kvs_blob **ret)
{
    struct adapter *adapter = adapter_of(base);
    if (adapter->read_only)
        return fail(KVS_READ_ONLY, 0, "the store was opened read-only");
    struct kvs_blob *blob = calloc(1, sizeof *blob);
    if (blob == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "blob");
    blob->adapter = adapter;
    *ret = blob;
    return KVS_OK;
}

static enum kvs_status put_chunk(const struct kvs_blob *blob, struct driver_txn *txn, uint64_t id)
{
    unsigned char key[SMALL_KEY_BYTES];
    struct driver_value value = { .head = { blob->bytes, blob->len } };
    return blob->adapter->ops->txn_put(txn, raw_chunk(id, blob->chunk_count, key), value);
}

static enum kvs_status chunk_apply(struct adapter *adapter, struct driver_txn *txn, struct job *job)
{
    const struct kvs_blob *blob = job->blob;
    enum kvs_status status = KVS_OK;
    if (blob->id == 0) {
        unsigned char key[SMALL_KEY_BYTES];
        status = adapter->ops->txn_put(txn, raw_pending(job->version, key),
                                       (struct driver_value){ .head = { NULL, 0 } });
    }
    return status == KVS_OK ? put_chunk(blob, txn, blob->id != 0 ? blob->id : job->version)
                            : status;
}

/* Writes the full buffer as a chunk. */
static enum kvs_status chunk_out(struct kvs_blob *blob)
{
    struct job job = { .apply = chunk_apply, .changes = true, .blob = blob };
    enum kvs_status status = queue_run(blob->adapter, &job);
    if (status != KVS_OK)
        return status;
    if (blob->id == 0)
        blob->id = job.version;
    blob->chunk_count++;
    blob->len = 0;
    return KVS_OK;
}

static enum kvs_status room_for(struct kvs_blob *blob, size_t len)
{
    if (len <= blob->capacity)
        return KVS_OK;
    size_t capacity = blob->capacity < 4096 ? 4096 : blob->capacity * 2;
    while (capacity < len)
        capacity *= 2;
    if (capacity > BLOB_CHUNK_BYTES)
        capacity = BLOB_CHUNK_BYTES;
    unsigned char *bytes = realloc(blob->bytes, capacity);
    if (bytes == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "value of %zu bytes", capacity);
    blob->bytes = bytes;
    blob->capacity = capacity;
    return KVS_OK;
}

enum kvs_status adapter_blob_append(struct kvs_blob *blob, struct kvs_bytes bytes)
{
    if (bytes.len > KVS_VALUE_MAX - blob->total)
        return fail(KVS_TOO_LONG, 0, "value over %d bytes", KVS_VALUE_MAX);
    const unsigned char *from = bytes.data;
    size_t left = bytes.len;
    while (left != 0) {
        enum kvs_status status = KVS_OK;
        if (blob->len == BLOB_CHUNK_BYTES)
            status = chunk_out(blob);
        size_t piece = BLOB_CHUNK_BYTES - blob->len;
        if (piece > left)
            piece = left;
        if (status == KVS_OK)
            status = room_for(blob, blob->len + piece);
        if (status != KVS_OK)
            return status;
        memcpy(blob->bytes + blob->len, from, piece);
        blob->len += piece;
        blob->total += piece;
        from += piece;
        left -= piece;
    }
    return KVS_OK;
}

uint64_t adapter_blob_bytes(const struct kvs_blob *blob)
{
    return blob->total;
}

enum kvs_status adapter_blob_finish(struct kvs_blob *blob, struct driver_txn *txn)
{
    unsigned char key[SMALL_KEY_BYTES];
    enum kvs_status status = put_chunk(blob, txn, blob->id);
    return status == KVS_OK ? blob->adapter->ops->txn_remove(txn, raw_pending(blob->id, key))
                            : status;
}

void blob_consumed(struct kvs_blob *blob)
{
    free(blob->bytes);
    free(blob);
}

/* job->number: the id of a blob that nobody wants. */
static enum kvs_status drop_apply(struct adapter *adapter, struct driver_txn *txn, struct job *job)
{
    unsigned char key[SMALL_KEY_BYTES];
    enum kvs_status status = change_drop_chunks(txn, adapter->ops, job->number);
    return status == KVS_OK ? adapter->ops->txn_remove(txn, raw_pending(job->number, key)) : status;
}

void adapter_blob_free(struct kvs_blob *blob)
{
    if (blob == NULL)
        return;
    if (blob->id != 0) {
        struct job job = { .apply = drop_apply, .changes = true, .number = blob->id };
        if (queue_run(blob->adapter, &job) != KVS_OK)
            blob->id = 0; /* the next opening drops the chunks */
    }
    blob_consumed(blob);
}

/* The first pending blob, or 0. */
static enum kvs_status pending_first(struct adapter *adapter, uint64_t *ret)
{
    unsigned char start[SMALL_KEY_BYTES];
    struct driver_view *view;
    struct driver_cursor *cursor = NULL;
    *ret = 0;
    enum kvs_status status = adapter->ops->view_open(adapter->driver, &view);
    if (status != KVS_OK)
        return status;
    status = adapter->ops->cursor_open(view, &cursor);
    if (status == KVS_OK)
        status = adapter->ops->cursor_seek(cursor, raw_section(SECTION_PENDING, start));
    if (status == KVS_OK && cursor->key.len == 9 &&
        *(const unsigned char *)cursor->key.data == SECTION_PENDING)
        *ret = raw_u64((const unsigned char *)cursor->key.data + 1);
    adapter->ops->cursor_close(cursor);
    adapter->ops->view_close(view);
    return status == KVS_NOT_FOUND ? KVS_OK : status;
}

enum kvs_status blob_drop_pending(struct adapter *adapter)
{
    for (;;) {
        uint64_t id;
        enum kvs_status status = pending_first(adapter, &id);
        if (status != KVS_OK || id == 0)
            return status;
        struct job job = { .apply = drop_apply, .changes = true, .number = id };
        status = queue_run(adapter, &job);
        if (status != KVS_OK)
            return status;
    }
}
