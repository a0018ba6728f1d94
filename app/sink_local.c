/*
 * sink_local.c - imports into a store: batches large enough that a sync each does not matter, small enough to be no burden. A large
 * value goes to the log as it is read.
 */
#include <errno.h>
#include <stdlib.h>

#include "app/sink.h"
#include "base/fail.h"

enum {
    BATCH_RECORDS = 16 * 1024,
    BATCH_BYTES = 8 * 1024 * 1024,
};

struct sink_local {
    struct sink sink;
    struct kvs *db;
    struct kvs_batch *batch;
    size_t batch_bytes;
    uint64_t last_number; /* in the batch */
    struct kvs_blob *blob;
};

static struct sink_local *local_of(struct sink *sink)
{
    return (struct sink_local *)sink; /* its first member */
}

static enum kvs_status local_flush(struct sink *sink)
{
    struct sink_local *local = local_of(sink);
    size_t count = kvs_batch_count(local->batch);
    if (count == 0)
        return KVS_OK;
    enum kvs_status status = kvs_write(local->db, local->batch, NULL, NULL);
    if (status != KVS_OK)
        return status;
    sink->stored += count;
    sink->stored_number = local->last_number;
    kvs_batch_clear(local->batch);
    local->batch_bytes = 0;
    return KVS_OK;
}

static enum kvs_status added(struct sink_local *local, const struct record *record, size_t bytes)
{
    local->last_number = record->number;
    local->batch_bytes += bytes;
    if (kvs_batch_count(local->batch) < BATCH_RECORDS && local->batch_bytes < BATCH_BYTES)
        return KVS_OK;
    return local_flush(&local->sink);
}

static enum kvs_status local_put(struct sink *sink, const struct record *record)
{
    struct sink_local *local = local_of(sink);
    kvs_batch_set(local->batch, local->db, record->key, record->value, record->expire_ms);
    return added(local, record, record->key.len + record->value.len);
}

static enum kvs_status local_large_begin(struct sink *sink, const struct record *record)
{
    (void)record;
    return kvs_blob_new(local_of(sink)->db, &local_of(sink)->blob);
}

static enum kvs_status local_large_bytes(struct sink *sink, struct kvs_bytes piece)
{
    return kvs_blob_append(local_of(sink)->db, local_of(sink)->blob, piece);
}

static void local_large_abort(struct sink *sink)
{
    struct sink_local *local = local_of(sink);
    kvs_batch_clear(local->batch); /* which may name the blob */
    kvs_blob_free(local->db, local->blob);
    local->blob = NULL;
}

static enum kvs_status local_large_end(struct sink *sink, const struct record *record)
{
    struct sink_local *local = local_of(sink);
    kvs_batch_set_blob(local->batch, local->db, record->key, local->blob, record->expire_ms);
    local->last_number = record->number;
    enum kvs_status status = local_flush(sink);
    if (status == KVS_OK)
        local->blob = NULL; /* consumed by the write */
    return status;
}

static void local_free(struct sink *sink)
{
    struct sink_local *local = local_of(sink);
    kvs_batch_free(local->batch);
    if (local->blob != NULL)
        kvs_blob_free(local->db, local->blob);
    free(local);
}

static const struct sink_ops local_ops = {
    .put = local_put,
    .large_begin = local_large_begin,
    .large_bytes = local_large_bytes,
    .large_end = local_large_end,
    .large_abort = local_large_abort,
    .flush = local_flush,
    .free = local_free,
};

enum kvs_status sink_local_new(struct kvs *db, struct sink **ret)
{
    struct sink_local *local = calloc(1, sizeof *local);
    if (local == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "import");
    local->sink.ops = &local_ops;
    local->db = db;
    enum kvs_status status = kvs_batch_new(&local->batch);
    if (status != KVS_OK) {
        free(local);
        return status;
    }
    *ret = &local->sink;
    return KVS_OK;
}
