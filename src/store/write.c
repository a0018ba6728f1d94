/*
 * write.c - writing: capability and limit checks, the gate, the engine, the wait for durability; kvs_write, kvs_set and
 * kvs_remove on top.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/fail.h"
#include "store/batch.h"
#include "store/blob.h"
#include "store/store.h"

enum {
    REMOVE_CONFLICTS_MAX = 8
}; /* then a remove locks other writers out */

enum kvs_status store_grow(void **array, size_t *capacity, size_t count, size_t size)
{
    if (count <= *capacity)
        return KVS_OK;
    size_t grown = *capacity < 8 ? 8 : *capacity * 2;
    if (grown < count)
        grown = count;
    void *bigger = reallocarray(*array, grown, size);
    if (bigger == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "%zu elements of %zu bytes", grown, size);
    *array = bigger;
    *capacity = grown;
    return KVS_OK;
}

enum kvs_status store_check_needs(const struct store *store, const struct write_needs *needs,
                                  size_t op_count)
{
    const struct kvs_capabilities *can = &store->ops->capabilities;
    const char *lacks = NULL;
    if (store->read_only && op_count != 0)
        return fail(KVS_READ_ONLY, 0, "the store was opened read-only");
    if (needs->conditions && !can->conditions)
        lacks = "conditional writes";
    else if (needs->untouched && !can->untouched)
        lacks = "the condition that nothing was touched";
    else if (needs->expiry && !can->expiry)
        lacks = "expiry";
    else if (needs->remove_range && !can->remove_range)
        lacks = "removing a range";
    else if (op_count > 1 && !can->atomic_batches)
        lacks = "batches that are atomic over the whole store";
    if (lacks != NULL)
        return fail(KVS_UNSUPPORTED, 0, "engine %s does not have %s", store->ops->name, lacks);
    return KVS_OK;
}

static enum kvs_status check_expiry(int64_t expire_ms)
{
    return expire_ms >= 0
               ? KVS_OK
               : fail(KVS_INVALID, 0, "expiry at %" PRId64 " ms, before 1970", expire_ms);
}

enum kvs_status store_check_value(const struct kvs *db, struct kvs_bytes value, int64_t expire_ms)
{
    uint64_t max = db->store->ops->capabilities.value_max;
    if (value.len > KVS_INLINE_MAX)
        return fail(KVS_TOO_LONG, 0,
                    "value of %zu bytes in a batch, at most %d: larger ones go through a blob",
                    value.len, KVS_INLINE_MAX);
    if (value.len > max)
        return fail(KVS_TOO_LONG, 0, "value of %zu bytes, at most %" PRIu64, value.len, max);
    return check_expiry(expire_ms);
}

enum kvs_status store_check_blob(const struct kvs *db, const struct kvs_blob *blob,
                                 int64_t expire_ms)
{
    (void)db;
    if (blob == NULL)
        return fail(KVS_INVALID, 0, "no blob was given");
    return check_expiry(expire_ms);
}

/* The answer of a write leaves when what it promises holds. */
static enum kvs_status write_settle(struct store *store, const struct kvs_write *write,
                                    uint64_t position)
{
    if (write->durability == KVS_DURABILITY_ALWAYS)
        return store->ops->wait_durable(store->engine, position);
    return store->ops->wait_written(store->engine, position);
}

enum kvs_status store_apply(struct store *store, struct kvs_write *write, bool holds_gate,
                            struct applied *ret)
{
    *ret = (struct applied){ 0 };
    if (write->durability == KVS_DURABILITY_DEFAULT)
        write->durability = store->durability;
    const struct kvs_capabilities *can = &store->ops->capabilities;
    /* Waiting for the disk is what the call would have to do in the end: say so while nothing has changed. */
    if (write->no_block && !write->park && can->persistent)
        return KVS_WOULD_BLOCK;
    unsigned stripe = 0;
    if (!holds_gate) {
        enum kvs_status status = gate_enter(&store->gate, write->no_block, &stripe);
        if (status != KVS_OK)
            return status;
    }
    struct kvs_written written = { 0 };
    enum kvs_status status = store->ops->write(store->engine, write, &written);
    if (!holds_gate)
        gate_leave(&store->gate, stripe);
    if (status != KVS_OK && status != KVS_CONFLICT)
        return status;
    ret->written = written;
    ret->done = status == KVS_OK;
    if (write->park)
        return status; /* its caller asks for the sync or the hand-over, once for many */
    /* A conflict tells that somebody has written: that is an answer too. */
    enum kvs_status settled = status == KVS_OK
                                  ? write_settle(store, write, written.position)
                                  : store->ops->wait_durable(store->engine, written.position);
    return settled != KVS_OK ? settled : status;
}

enum kvs_status kvs_write(struct kvs *db, struct kvs_batch *batch,
                          const struct kvs_write_options *options, struct kvs_written *ret)
{
    static const struct kvs_write_options defaults;
    if (options == NULL)
        options = &defaults;
    if (options->durability < KVS_DURABILITY_DEFAULT || options->durability > KVS_DURABILITY_NO)
        return fail(KVS_INVALID, 0, "durability %d is none of always, everysec and no",
                    (int)options->durability);
    struct store *store = db->store;
    struct kvs_write write = {
        .durability = options->durability,
        .no_block = options->no_block,
        .park = options->park,
    };
    enum kvs_status status = batch_build(batch, &write);
    if (status != KVS_OK)
        return status;
    status = store_check_needs(store, &batch->needs, write.op_count);
    if (status != KVS_OK)
        return status;
    struct applied applied;
    status = store_apply(store, &write, false, &applied);
    if (applied.done)
        batch_blobs_taken(batch, status == KVS_OK);
    if (ret != NULL && (status == KVS_OK || status == KVS_CONFLICT))
        *ret = applied.written;
    return status;
}

/* One operation, waited for. */
static enum kvs_status apply_one(struct store *store, const struct kvs_op *op,
                                 const struct kvs_condition *condition, bool holds_gate,
                                 struct applied *ret)
{
    struct kvs_write write = {
        .ops = op,
        .op_count = 1,
        .conditions = condition,
        .condition_count = condition != NULL,
    };
    return store_apply(store, &write, holds_gate, ret);
}

static enum kvs_status set_large(struct kvs *db, struct kvs_bytes engine_key,
                                 struct kvs_bytes value)
{
    struct store *store = db->store;
    struct kvs_blob *blob;
    enum kvs_status status = kvs_blob_new(db, &blob);
    if (status != KVS_OK)
        return status;
    status = kvs_blob_append(db, blob, value);
    if (status == KVS_OK) {
        struct kvs_op op = { .kind = KVS_OP_SET,
                             .key = engine_key,
                             .blob = blob_inner(blob)->engine };
        struct applied applied;
        status = apply_one(store, &op, NULL, false, &applied);
        if (applied.done)
            blob_taken(blob, false);
    }
    kvs_blob_free(db, blob);
    return status;
}

enum kvs_status kvs_set(struct kvs *db, struct kvs_bytes key, struct kvs_bytes value)
{
    static const struct write_needs nothing;
    enum kvs_status status = store_check_needs(db->store, &nothing, 1);
    if (status != KVS_OK)
        return status;
    struct key_scratch scratch;
    struct kvs_bytes engine_key;
    status = key_make(db, key, &scratch, &engine_key);
    if (status != KVS_OK)
        return status;
    if (value.len > KVS_INLINE_MAX) {
        status = set_large(db, engine_key, value);
    } else {
        status = store_check_value(db, value, 0);
        struct kvs_op op = { .kind = KVS_OP_SET, .key = engine_key, .value = value };
        struct applied applied;
        if (status == KVS_OK)
            status = apply_one(db->store, &op, NULL, false, &applied);
    }
    key_done(&scratch);
    return status;
}

static void note_version(void *ctx, const struct kvs_entry *entry)
{
    uint64_t *version = ctx;
    *version = entry->version;
}

/* Looks, and removes what it saw. KVS_CONFLICT: it has changed in between. */
static enum kvs_status remove_try(struct store *store, struct kvs_bytes engine_key, bool holds_gate)
{
    static const struct kvs_read parked = { .park = true };
    uint64_t position = 0;
    struct kvs_condition condition = { .kind = KVS_IF_VERSION, .key = engine_key };
    enum kvs_status status = store->ops->get(store->engine, &parked, engine_key, note_version,
                                             &condition.version, &position);
    if (status == KVS_NOT_FOUND) {
        enum kvs_status settled = store_settle(store, &store_read_default, position);
        return settled != KVS_OK ? settled : KVS_NOT_FOUND;
    }
    if (status != KVS_OK)
        return status;
    struct kvs_op op = { .kind = KVS_OP_REMOVE, .key = engine_key };
    struct applied applied;
    /* Without conditions in the engine the gate, which is held then, keeps the record as it was seen. */
    return apply_one(store, &op, store->ops->capabilities.conditions ? &condition : NULL,
                     holds_gate, &applied);
}

enum kvs_status kvs_remove(struct kvs *db, struct kvs_bytes key)
{
    static const struct write_needs nothing;
    struct store *store = db->store;
    enum kvs_status status = store_check_needs(store, &nothing, 1);
    if (status != KVS_OK)
        return status;
    struct key_scratch scratch;
    struct kvs_bytes engine_key;
    status = key_make(db, key, &scratch, &engine_key);
    if (status != KVS_OK)
        return status;
    status = KVS_CONFLICT;
    unsigned tries = store->ops->capabilities.conditions ? 0 : REMOVE_CONFLICTS_MAX;
    for (; status == KVS_CONFLICT && tries < REMOVE_CONFLICTS_MAX; tries++)
        status = remove_try(store, engine_key, false);
    while (status == KVS_CONFLICT) { /* behind the gate only expiry can still come between */
        gate_close(&store->gate);
        status = remove_try(store, engine_key, true);
        gate_open(&store->gate);
    }
    key_done(&scratch);
    return status;
}
