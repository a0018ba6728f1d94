/*
 * write.c - applying a batch: check it, allocate everything it can need, then change the table without a way to fail.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/fail.h"
#include "engine/memory/room.h"

/* What one operation needs, allocated before the first change. */
struct prepared {
    struct memory_version *version; /* SET: with its value; REMOVE: a tombstone */
    struct memory_key *key;         /* SET: in case the key is new */
};

struct plan {
    const struct kvs_write *write;
    struct prepared *prepared;         /* op_count of them */
    struct memory_version *tombstones; /* for REMOVE_RANGE, linked by older */
    uint64_t version;
    int64_t now_ms;
};

static enum kvs_status op_check(const struct kvs_op *op)
{
    if (op->key.len > KVS_ENGINE_KEY_MAX)
        return fail(KVS_TOO_LONG, 0, "key of %zu bytes, at most %d", op->key.len,
                    KVS_ENGINE_KEY_MAX);
    switch (op->kind) {
    case KVS_OP_SET:
        if (op->blob == NULL && op->value.len > KVS_INLINE_MAX)
            return fail(KVS_TOO_LONG, 0, "value of %zu bytes without a blob, at most %d",
                        op->value.len, KVS_INLINE_MAX);
        if (op->blob != NULL && op->blob->claimed)
            return fail(KVS_INVALID, 0, "one blob in two operations");
        if (op->blob != NULL)
            op->blob->claimed = true;
        return KVS_OK;
    case KVS_OP_REMOVE:
    case KVS_OP_REMOVE_RANGE:
        return KVS_OK;
    }
    return fail(KVS_INVALID, 0, "operation kind %d", (int)op->kind);
}

static enum kvs_status write_check(const struct kvs_write *write)
{
    if (write->op_count > KVS_BATCH_OPS_MAX)
        return fail(KVS_TOO_LONG, 0, "batch of %zu operations, at most %d", write->op_count,
                    KVS_BATCH_OPS_MAX);
    size_t bytes = 0;
    enum kvs_status status = KVS_OK;
    size_t checked = 0;
    while (checked < write->op_count && status == KVS_OK) {
        const struct kvs_op *op = &write->ops[checked++];
        status = op_check(op);
        bytes += op->key.len + (op->kind == KVS_OP_SET && op->blob == NULL ? op->value.len : 0);
        if (status == KVS_OK && bytes > KVS_BATCH_BYTES_MAX)
            status = fail(KVS_TOO_LONG, 0, "batch of more than %d bytes", KVS_BATCH_BYTES_MAX);
    }
    for (size_t i = 0; i < checked; i++)
        if (write->ops[i].kind == KVS_OP_SET && write->ops[i].blob != NULL)
            write->ops[i].blob->claimed = false;
    return status;
}

static bool key_untouched(const struct memory_key *key, uint64_t version)
{
    return key->newest->version <= version;
}

static bool condition_holds(struct memory_engine *engine, const struct kvs_condition *condition,
                            struct memory_view now) REQUIRES(engine->mu)
{
    bool found;
    size_t index = memory_table_find(engine, condition->key, &found);
    if (condition->kind != KVS_IF_UNTOUCHED) {
        const struct memory_version *seen =
            found ? memory_key_seen(engine->keys[index], now) : NULL;
        if (condition->kind == KVS_IF_ABSENT)
            return seen == NULL;
        return seen != NULL && seen->version == condition->version;
    }
    if (condition->version < engine->forgotten_version)
        return false; /* something newer left without a trace: it may have been here */
    if (!condition->has_end)
        return !found || key_untouched(engine->keys[index], condition->version);
    struct kvs_range range = { condition->key, condition->end, true };
    size_t end;
    memory_table_bounds(engine, &range, &index, &end);
    for (; index < end; index++)
        if (!key_untouched(engine->keys[index], condition->version))
            return false;
    return true;
}

static struct memory_version *version_new(uint64_t number)
{
    struct memory_version *version = calloc(1, sizeof *version);
    if (version == NULL)
        (void)fail(KVS_NO_MEMORY, ENOMEM, "version of a key");
    else
        version->version = number;
    return version;
}

static enum kvs_status prepare_set(const struct kvs_op *op, struct prepared *prepared)
{
    prepared->version->expire_ms = op->expire_ms;
    prepared->version->value =
        op->blob == NULL ? memory_value_new(op->value, 0) : NULL; /* blob: taken when applied */
    prepared->key = malloc(sizeof *prepared->key + op->key.len);
    if ((op->blob == NULL && prepared->version->value == NULL) || prepared->key == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "record of %zu bytes", op->key.len + op->value.len);
    prepared->key->newest = NULL;
    prepared->key->len = op->key.len;
    if (op->key.len != 0)
        memcpy(prepared->key->bytes, op->key.data, op->key.len);
    return KVS_OK;
}

static struct kvs_range op_range(const struct kvs_op *op)
{
    return (struct kvs_range){ op->key, op->end, op->has_end };
}

/* A tombstone for each key that a REMOVE_RANGE may meet. */
static enum kvs_status prepare_range(struct memory_engine *engine, struct plan *plan,
                                     const struct kvs_op *op) REQUIRES(engine->mu)
{
    struct kvs_range range = op_range(op);
    size_t start;
    size_t end;
    memory_table_bounds(engine, &range, &start, &end);
    for (size_t i = start; i < end; i++) {
        struct memory_version *tombstone = version_new(plan->version);
        if (tombstone == NULL)
            return KVS_NO_MEMORY;
        tombstone->older = plan->tombstones;
        plan->tombstones = tombstone;
    }
    return KVS_OK;
}

static enum kvs_status plan_prepare(struct memory_engine *engine, struct plan *plan)
    REQUIRES(engine->mu)
{
    const struct kvs_write *write = plan->write;
    plan->prepared = calloc(write->op_count, sizeof *plan->prepared);
    if (plan->prepared == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "batch of %zu operations", write->op_count);
    enum kvs_status status = memory_table_reserve(engine, write->op_count);
    for (size_t i = 0; i < write->op_count && status == KVS_OK; i++) {
        const struct kvs_op *op = &write->ops[i];
        if (op->kind == KVS_OP_REMOVE_RANGE) {
            status = prepare_range(engine, plan, op);
            continue;
        }
        plan->prepared[i].version = version_new(plan->version);
        if (plan->prepared[i].version == NULL)
            return KVS_NO_MEMORY;
        if (op->kind == KVS_OP_SET)
            status = prepare_set(op, &plan->prepared[i]);
    }
    return status;
}

/* Frees what applying has not taken. */
static void plan_done(struct plan *plan)
{
    for (size_t i = 0; plan->prepared != NULL && i < plan->write->op_count; i++) {
        memory_version_free(plan->prepared[i].version);
        free(plan->prepared[i].key);
    }
    free(plan->prepared);
    while (plan->tombstones != NULL) {
        struct memory_version *tombstone = plan->tombstones;
        plan->tombstones = tombstone->older;
        memory_version_free(tombstone);
    }
}

static bool key_lives(const struct memory_key *key, int64_t now_ms)
{
    return key->newest != NULL &&
           memory_key_seen(key, (struct memory_view){ .version = UINT64_MAX, .now_ms = now_ms }) !=
               NULL;
}

static void apply_range(struct memory_engine *engine, struct plan *plan, const struct kvs_op *op)
    REQUIRES(engine->mu)
{
    struct kvs_range range = op_range(op);
    size_t start;
    size_t end;
    memory_table_bounds(engine, &range, &start, &end);
    for (size_t i = start; i < end; i++) {
        if (!key_lives(engine->keys[i], plan->now_ms))
            continue; /* absent already, or removed by another range of this batch */
        struct memory_version *tombstone = plan->tombstones;
        plan->tombstones = tombstone->older;
        memory_key_push(engine, engine->keys[i], tombstone);
    }
}

static void apply_key(struct memory_engine *engine, struct plan *plan, size_t i)
    REQUIRES(engine->mu)
{
    const struct kvs_op *op = &plan->write->ops[i];
    struct prepared *prepared = &plan->prepared[i];
    if (op->kind == KVS_OP_SET && op->blob != NULL) {
        prepared->version->value = op->blob->value;
        free(op->blob); /* consumed */
    }
    bool found;
    size_t index = memory_table_find(engine, op->key, &found);
    if (!found) {
        if (op->kind == KVS_OP_REMOVE)
            return;
        memory_table_insert(engine, index, prepared->key);
        prepared->key = NULL;
    }
    struct memory_key *key = engine->keys[index];
    if (key->newest != NULL && key->newest->version == plan->version)
        memory_key_pop(engine, key); /* of several operations on one key the last counts */
    if (op->kind == KVS_OP_SET || key_lives(key, plan->now_ms)) {
        memory_key_push(engine, key, prepared->version);
        prepared->version = NULL;
    }
    memory_table_prune(engine, index);
}

static void plan_apply(struct memory_engine *engine, struct plan *plan) REQUIRES(engine->mu)
{
    const struct kvs_write *write = plan->write;
    bool ranges = false;
    for (size_t i = 0; i < write->op_count; i++) {
        if (write->ops[i].kind != KVS_OP_REMOVE_RANGE)
            continue;
        apply_range(engine, plan, &write->ops[i]);
        ranges = true;
    }
    for (size_t i = 0; i < write->op_count; i++)
        if (write->ops[i].kind != KVS_OP_REMOVE_RANGE)
            apply_key(engine, plan, i);
    engine->last_version = plan->version;
    if (ranges)
        memory_table_prune_all(engine);
}

enum kvs_status memory_write(struct kvs_engine *base, const struct kvs_write *write,
                             struct kvs_written *ret)
{
    struct memory_engine *engine = memory_engine_of(base);
    if (engine->read_only)
        return fail(KVS_READ_ONLY, 0, "the store was opened read-only");
    enum kvs_status status = write_check(write);
    if (status != KVS_OK)
        return status;

    struct plan plan = { .write = write };
    mutex_lock(&engine->mu);
    struct memory_view now = memory_view_of(engine, NULL);
    *ret = (struct kvs_written){ .position = engine->last_version };
    for (size_t i = 0; i < write->condition_count; i++) {
        if (condition_holds(engine, &write->conditions[i], now))
            continue;
        ret->failed_condition = i;
        mutex_unlock(&engine->mu);
        return KVS_CONFLICT;
    }
    if (write->op_count != 0) {
        plan.version = engine->last_version + 1;
        plan.now_ms = now.now_ms;
        status = plan_prepare(engine, &plan);
        if (status == KVS_OK) {
            plan_apply(engine, &plan);
            ret->position = plan.version;
        }
    }
    plan_done(&plan);
    mutex_unlock(&engine->mu);
    if (status == KVS_OK && write->op_count != 0)
        memory_tell_progress(engine);
    return status;
}
