/*
 * blob.c - values that arrive in pieces.
 */
#include "store/blob.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/fail.h"

enum kvs_status kvs_blob_new(struct kvs *db, struct kvs_blob **ret)
{
    struct store *store = db->store;
    if (store->read_only)
        return fail(KVS_READ_ONLY, 0, "the store was opened read-only");
    struct blob *blob = calloc(1, sizeof *blob);
    if (blob == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "blob");
    enum kvs_status status = store->ops->blob_new(store->engine, &blob->engine);
    if (status != KVS_OK) {
        free(blob);
        return status;
    }
    *ret = (struct kvs_blob *)(void *)blob;
    return KVS_OK;
}

static enum kvs_status fail_taken(void)
{
    return fail(KVS_INVALID, 0, "the blob was written already");
}

enum kvs_status kvs_blob_append(struct kvs *db, struct kvs_blob *public, struct kvs_bytes bytes)
{
    const struct kvs_engine_ops *ops = db->store->ops;
    struct blob *blob = blob_inner(public);
    if (blob->engine == NULL)
        return fail_taken();
    uint64_t max =
        ops->capabilities.value_max < KVS_VALUE_MAX ? ops->capabilities.value_max : KVS_VALUE_MAX;
    uint64_t had = ops->blob_bytes(blob->engine);
    if (bytes.len > max || had > max - bytes.len)
        return fail(KVS_TOO_LONG, 0, "value of %" PRIu64 " and %zu more bytes, at most %" PRIu64,
                    had, bytes.len, max);
    return ops->blob_append(blob->engine, bytes);
}

uint64_t kvs_blob_bytes(struct kvs *db, const struct kvs_blob *public)
{
    const struct blob *blob = blob_inner_const(public);
    return blob->engine != NULL ? db->store->ops->blob_bytes(blob->engine) : 0;
}

void kvs_blob_free(struct kvs *db, struct kvs_blob *public)
{
    if (public == NULL)
        return;
    struct blob *blob = blob_inner(public);
    if (blob->engine != NULL)
        db->store->ops->blob_free(blob->engine);
    free(blob);
}

enum kvs_status blob_claim(struct kvs_blob *public)
{
    struct blob *blob = blob_inner(public);
    if (blob->engine == NULL)
        return fail_taken();
    if (blob->claimed)
        return fail(KVS_INVALID, 0, "one blob is the value of two operations");
    blob->claimed = true;
    return KVS_OK;
}

void blob_unclaim(struct kvs_blob *public)
{
    blob_inner(public)->claimed = false;
}

void blob_taken(struct kvs_blob *public, bool consume)
{
    struct blob *blob = blob_inner(public);
    blob->engine = NULL;
    if (consume)
        free(blob);
}
