/*
 * loader.c - see loader.h. Records are gathered into batches and written without waiting for the disk; only the end waits.
 */
#include "store/loader.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/fail.h"

enum {
    BATCH_OPS = 1024,
    BATCH_BYTES = 1024 * 1024,
    PIECE_BYTES = 256 * 1024,
};

/* Where a record's bytes are while the batch is gathered: the buffer may move until it is written. */
struct place {
    size_t key_off;
    size_t value_off;
};

struct loader {
    struct kvs_engine *engine;
    struct buf bytes;
    uint64_t count;
    size_t op_count;
    struct kvs_op ops[BATCH_OPS];
    struct place places[BATCH_OPS];
    unsigned char piece[PIECE_BYTES];
};

enum kvs_status loader_new(struct kvs_engine *engine, struct loader **ret)
{
    struct loader *loader = calloc(1, sizeof *loader);
    if (loader == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "loading records");
    loader->engine = engine;
    buf_init(&loader->bytes, BATCH_BYTES + KVS_INLINE_MAX + KVS_ENGINE_KEY_MAX);
    *ret = loader;
    return KVS_OK;
}

void loader_free(struct loader *loader)
{
    if (loader == NULL)
        return;
    buf_done(&loader->bytes);
    free(loader);
}

static enum kvs_status write_ops(struct loader *loader, const struct kvs_op *ops, size_t count)
{
    struct kvs_write write = { .ops = ops, .op_count = count, .durability = KVS_DURABILITY_NO };
    struct kvs_written written;
    return loader->engine->ops->write(loader->engine, &write, &written);
}

static enum kvs_status flush(struct loader *loader)
{
    if (loader->op_count == 0)
        return KVS_OK;
    for (size_t i = 0; i < loader->op_count; i++) {
        loader->ops[i].key.data = loader->bytes.data + loader->places[i].key_off;
        loader->ops[i].value.data = loader->bytes.data + loader->places[i].value_off;
    }
    enum kvs_status status = write_ops(loader, loader->ops, loader->op_count);
    if (status != KVS_OK)
        return status;
    loader->count += loader->op_count;
    loader->op_count = 0;
    buf_truncate(&loader->bytes, 0);
    return KVS_OK;
}

static enum kvs_status put_large(struct loader *loader, const struct kvs_entry *entry,
                                 kvs_salvage_read_fn *read, void *read_ctx)
{
    const struct kvs_engine_ops *ops = loader->engine->ops;
    struct kvs_blob *blob = NULL;
    enum kvs_status status = ops->blob_new(loader->engine, &blob);
    for (uint64_t off = 0; off < entry->value_bytes && status == KVS_OK;) {
        uint64_t left = entry->value_bytes - off;
        size_t len = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
        status = read(read_ctx, off, loader->piece, len);
        if (status == KVS_OK)
            status = ops->blob_append(blob, (struct kvs_bytes){ loader->piece, len });
        off += len;
    }
    struct kvs_op op = {
        .kind = KVS_OP_SET, .key = entry->key, .blob = blob, .expire_ms = entry->expire_ms
    };
    if (status == KVS_OK)
        status = write_ops(loader, &op, 1);
    if (status != KVS_OK)
        ops->blob_free(blob);
    else
        loader->count++;
    return status;
}

enum kvs_status loader_put(struct loader *loader, const struct kvs_entry *entry,
                           kvs_salvage_read_fn *read, void *read_ctx)
{
    if (entry->value_bytes > KVS_INLINE_MAX)
        return put_large(loader, entry, read, read_ctx);
    size_t i = loader->op_count;
    loader->ops[i] = (struct kvs_op){ .kind = KVS_OP_SET,
                                      .key = { NULL, entry->key.len },
                                      .value = { NULL, entry->value.len },
                                      .expire_ms = entry->expire_ms };
    loader->places[i].key_off = loader->bytes.len;
    buf_append_bytes(&loader->bytes, entry->key);
    loader->places[i].value_off = loader->bytes.len;
    buf_append_bytes(&loader->bytes, entry->value);
    if (loader->bytes.failed != KVS_OK)
        return loader->bytes.failed;
    loader->op_count++;
    if (loader->op_count < BATCH_OPS && loader->bytes.len < BATCH_BYTES)
        return KVS_OK;
    return flush(loader);
}

enum kvs_status loader_finish(struct loader *loader)
{
    enum kvs_status status = flush(loader);
    if (status == KVS_OK)
        status = loader->engine->ops->checkpoint(loader->engine);
    return status;
}

uint64_t loader_count(const struct loader *loader)
{
    return loader->count + loader->op_count;
}
