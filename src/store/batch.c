/*
 * batch.c - a batch under construction: bytes in one growing arena, operations and conditions as offsets into it.
 *
 * Invariant: failed is KVS_OK, or the status with which the batch refuses to be written; nothing is added any more then.
 * Clearing keeps the memory. The arrays an engine reads are built when the batch is written, when the arena stands still.
 */
#include "store/batch.h"

#include <errno.h>
#include <stdlib.h>

#include "base/fail.h"
#include "store/blob.h"

enum {
    ARENA_BYTES_MAX = 4 * KVS_BATCH_BYTES_MAX
}; /* operations up to the limit, and the keys of their conditions */

_Static_assert((uint64_t)ARENA_BYTES_MAX <= UINT32_MAX, "offsets into the arena are 32 bits");

enum kvs_status kvs_batch_new(struct kvs_batch **ret)
{
    struct kvs_batch *batch = calloc(1, sizeof *batch);
    if (batch == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "batch");
    buf_init(&batch->arena, ARENA_BYTES_MAX);
    *ret = batch;
    return KVS_OK;
}

void kvs_batch_free(struct kvs_batch *batch)
{
    if (batch == NULL)
        return;
    buf_done(&batch->arena);
    free(batch->ops);
    free(batch->conditions);
    free(batch->built_ops);
    free(batch->built_conditions);
    free(batch);
}

void kvs_batch_clear(struct kvs_batch *batch)
{
    buf_truncate(&batch->arena, 0);
    batch->op_count = 0;
    batch->op_bytes = 0;
    batch->condition_count = 0;
    batch->needs = (struct write_needs){ 0 };
    batch->has_blobs = false;
    batch->failed = KVS_OK;
    batch->why[0] = '\0';
}

size_t kvs_batch_count(const struct kvs_batch *batch)
{
    return batch->op_count;
}

static void batch_fail(struct kvs_batch *batch, enum kvs_status status)
{
    batch->failed = status;
    fail_save(batch->why);
}

/* Copies @space and @bytes to the arena. */
static struct slice arena_key(struct kvs_batch *batch, unsigned char space, struct kvs_bytes bytes)
{
    struct slice slice = { (uint32_t)batch->arena.len, (uint32_t)bytes.len + 1 };
    buf_append_char(&batch->arena, (char)space);
    buf_append_bytes(&batch->arena, bytes);
    return slice;
}

/* The end of @range in the arena: the space's own end when it has none. */
static struct slice arena_end(struct kvs_batch *batch, const struct kvs *db,
                              const struct kvs_range *range)
{
    if (range != NULL && range->has_end)
        return arena_key(batch, db->space, range->end);
    return arena_key(batch, (unsigned char)(db->space + 1), (struct kvs_bytes){ NULL, 0 });
}

/* Room for one more operation of @bytes; NULL: the batch has failed. */
static struct batch_op *op_add(struct kvs_batch *batch, size_t bytes)
{
    enum kvs_status status = KVS_OK;
    if (batch->op_count == KVS_BATCH_OPS_MAX)
        status = fail(KVS_TOO_LONG, 0, "batch of more than %d operations", KVS_BATCH_OPS_MAX);
    else if (bytes > KVS_BATCH_BYTES_MAX - batch->op_bytes)
        status = fail(KVS_TOO_LONG, 0, "batch of more than %d bytes", KVS_BATCH_BYTES_MAX);
    else
        status = store_grow((void **)&batch->ops, &batch->op_capacity, batch->op_count + 1,
                            sizeof *batch->ops);
    if (status == KVS_OK)
        status = buf_reserve(&batch->arena, bytes);
    if (status != KVS_OK) {
        batch_fail(batch, status);
        return NULL;
    }
    batch->op_bytes += bytes;
    struct batch_op *op = &batch->ops[batch->op_count++];
    *op = (struct batch_op){ 0 };
    return op;
}

/* The checks that every keyed call starts with. */
static bool key_accept(struct kvs_batch *batch, const struct kvs *db, struct kvs_bytes key)
{
    if (batch->failed != KVS_OK)
        return false;
    enum kvs_status status = key_check(db, key);
    if (status != KVS_OK)
        batch_fail(batch, status);
    return status == KVS_OK;
}

void kvs_batch_set(struct kvs_batch *batch, struct kvs *db, struct kvs_bytes key,
                   struct kvs_bytes value, int64_t expire_ms)
{
    if (!key_accept(batch, db, key))
        return;
    enum kvs_status status = store_check_value(db, value, expire_ms);
    if (status != KVS_OK) {
        batch_fail(batch, status);
        return;
    }
    struct batch_op *op = op_add(batch, key.len + 1 + value.len);
    if (op == NULL)
        return;
    op->kind = KVS_OP_SET;
    op->key = arena_key(batch, db->space, key);
    op->value = (struct slice){ (uint32_t)batch->arena.len, (uint32_t)value.len };
    buf_append_bytes(&batch->arena, value);
    op->expire_ms = expire_ms;
    batch->needs.expiry |= expire_ms != 0;
}

void kvs_batch_set_blob(struct kvs_batch *batch, struct kvs *db, struct kvs_bytes key,
                        struct kvs_blob *blob, int64_t expire_ms)
{
    if (!key_accept(batch, db, key))
        return;
    enum kvs_status status = store_check_blob(db, blob, expire_ms);
    if (status != KVS_OK) {
        batch_fail(batch, status);
        return;
    }
    struct batch_op *op = op_add(batch, key.len + 1);
    if (op == NULL)
        return;
    op->kind = KVS_OP_SET;
    op->key = arena_key(batch, db->space, key);
    op->blob = blob;
    batch->has_blobs = true;
    op->expire_ms = expire_ms;
    batch->needs.expiry |= expire_ms != 0;
}

void kvs_batch_remove(struct kvs_batch *batch, struct kvs *db, struct kvs_bytes key)
{
    if (!key_accept(batch, db, key))
        return;
    struct batch_op *op = op_add(batch, key.len + 1);
    if (op == NULL)
        return;
    op->kind = KVS_OP_REMOVE;
    op->key = arena_key(batch, db->space, key);
}

/* The checks of a range; NULL is the whole space. */
static bool range_accept(struct kvs_batch *batch, const struct kvs_range *range)
{
    if (batch->failed != KVS_OK)
        return false;
    enum kvs_status status = range != NULL ? range_check(range) : KVS_OK;
    if (status != KVS_OK)
        batch_fail(batch, status);
    return status == KVS_OK;
}

static struct kvs_bytes range_start(const struct kvs_range *range)
{
    return range != NULL ? range->start : (struct kvs_bytes){ NULL, 0 };
}

static size_t range_bytes(const struct kvs_range *range)
{
    return 2 + range_start(range).len + (range != NULL && range->has_end ? range->end.len : 0);
}

void kvs_batch_remove_range(struct kvs_batch *batch, struct kvs *db, const struct kvs_range *range)
{
    if (!range_accept(batch, range))
        return;
    struct batch_op *op = op_add(batch, range_bytes(range));
    if (op == NULL)
        return;
    op->kind = KVS_OP_REMOVE_RANGE;
    op->key = arena_key(batch, db->space, range_start(range));
    op->value = arena_end(batch, db, range);
    batch->needs.remove_range = true;
}

static struct batch_condition *condition_add(struct kvs_batch *batch, size_t bytes)
{
    enum kvs_status status = KVS_OK;
    if (batch->condition_count == KVS_BATCH_OPS_MAX)
        status = fail(KVS_TOO_LONG, 0, "batch of more than %d conditions", KVS_BATCH_OPS_MAX);
    else
        status = store_grow((void **)&batch->conditions, &batch->condition_capacity,
                            batch->condition_count + 1, sizeof *batch->conditions);
    if (status == KVS_OK)
        status = buf_reserve(&batch->arena, bytes);
    if (status != KVS_OK) {
        batch_fail(batch, status);
        return NULL;
    }
    struct batch_condition *condition = &batch->conditions[batch->condition_count++];
    *condition = (struct batch_condition){ 0 };
    batch->needs.conditions = true;
    return condition;
}

void kvs_batch_if_absent(struct kvs_batch *batch, struct kvs *db, struct kvs_bytes key)
{
    if (!key_accept(batch, db, key))
        return;
    struct batch_condition *condition = condition_add(batch, key.len + 1);
    if (condition == NULL)
        return;
    condition->kind = KVS_IF_ABSENT;
    condition->key = arena_key(batch, db->space, key);
}

void kvs_batch_if_version(struct kvs_batch *batch, struct kvs *db, struct kvs_bytes key,
                          uint64_t version)
{
    if (!key_accept(batch, db, key))
        return;
    struct batch_condition *condition = condition_add(batch, key.len + 1);
    if (condition == NULL)
        return;
    condition->kind = KVS_IF_VERSION;
    condition->key = arena_key(batch, db->space, key);
    condition->version = version;
}

void kvs_batch_if_untouched(struct kvs_batch *batch, struct kvs *db, struct kvs_bytes key,
                            const struct kvs_range *range, uint64_t version)
{
    if (range != NULL ? !range_accept(batch, range) : !key_accept(batch, db, key))
        return;
    struct batch_condition *condition =
        condition_add(batch, range != NULL ? range_bytes(range) : key.len + 1);
    if (condition == NULL)
        return;
    condition->kind = KVS_IF_UNTOUCHED;
    condition->key = arena_key(batch, db->space, range != NULL ? range->start : key);
    condition->has_end = range != NULL;
    if (range != NULL)
        condition->end = arena_end(batch, db, range);
    condition->version = version;
    batch->needs.untouched = true;
}

static struct kvs_bytes slice_bytes(const struct kvs_batch *batch, struct slice slice)
{
    return slice.len != 0 ? (struct kvs_bytes){ batch->arena.data + slice.off, slice.len }
                          : (struct kvs_bytes){ NULL, 0 };
}

static void build_op(const struct kvs_batch *batch, const struct batch_op *from, struct kvs_op *op)
{
    *op = (struct kvs_op){ .kind = from->kind, .key = slice_bytes(batch, from->key) };
    if (from->kind == KVS_OP_SET) {
        op->value = slice_bytes(batch, from->value);
        op->blob = from->blob != NULL ? blob_inner(from->blob)->engine : NULL;
        op->expire_ms = from->expire_ms;
    } else if (from->kind == KVS_OP_REMOVE_RANGE) {
        op->end = slice_bytes(batch, from->value);
        op->has_end = true;
    }
}

/* Each blob may be the value of one operation only: the engine would take it twice. */
static enum kvs_status check_blobs(const struct kvs_batch *batch)
{
    if (!batch->has_blobs)
        return KVS_OK;
    enum kvs_status status = KVS_OK;
    size_t claimed = 0;
    for (; claimed < batch->op_count && status == KVS_OK; claimed++)
        if (batch->ops[claimed].blob != NULL)
            status = blob_claim(batch->ops[claimed].blob);
    for (size_t i = 0; i < claimed; i++)
        if (batch->ops[i].blob != NULL)
            blob_unclaim(batch->ops[i].blob);
    return status;
}

static void build_condition(const struct kvs_batch *batch, const struct batch_condition *from,
                            struct kvs_condition *condition)
{
    *condition = (struct kvs_condition){
        .kind = from->kind,
        .key = slice_bytes(batch, from->key),
        .end = slice_bytes(batch, from->end),
        .has_end = from->has_end,
        .version = from->version,
    };
}

enum kvs_status batch_build(struct kvs_batch *batch, struct kvs_write *ret)
{
    if (batch->failed != KVS_OK)
        return fail_restore(batch->failed, batch->why);
    enum kvs_status status = check_blobs(batch);
    if (status == KVS_OK)
        status = store_grow((void **)&batch->built_ops, &batch->built_op_capacity, batch->op_count,
                            sizeof *batch->built_ops);
    if (status == KVS_OK)
        status = store_grow((void **)&batch->built_conditions, &batch->built_condition_capacity,
                            batch->condition_count, sizeof *batch->built_conditions);
    if (status != KVS_OK)
        return status;
    for (size_t i = 0; i < batch->op_count; i++)
        build_op(batch, &batch->ops[i], &batch->built_ops[i]);
    for (size_t i = 0; i < batch->condition_count; i++)
        build_condition(batch, &batch->conditions[i], &batch->built_conditions[i]);
    ret->ops = batch->built_ops;
    ret->op_count = batch->op_count;
    ret->conditions = batch->built_conditions;
    ret->condition_count = batch->condition_count;
    return KVS_OK;
}

void batch_blobs_taken(struct kvs_batch *batch, bool consume)
{
    if (!batch->has_blobs)
        return;
    for (size_t i = 0; i < batch->op_count; i++) {
        if (batch->ops[i].blob == NULL)
            continue;
        blob_taken(batch->ops[i].blob, consume);
        batch->ops[i].blob = NULL;
    }
    char saved[FAIL_TEXT_BYTES];
    fail_save(
        saved); /* kvs_error() is about the call under way, not about a next one that may never come */
    batch_fail(batch, fail(KVS_INVALID, 0,
                           "the batch was written, which consumed its blobs; clear it first"));
    (void)fail_restore(KVS_OK, saved);
}
