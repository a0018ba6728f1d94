/*
 * write.c - a batch: what is wrong with it, whether its conditions hold, and its operations.
 *
 * Several operations on one key collapse to the last before anything is applied, so that a key set and removed again leaves
 * exactly the trace that it should.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "engine/adapter/room.h"

static enum kvs_status op_check(const struct adapter *adapter, const struct kvs_op *op)
{
    if (op->kind != KVS_OP_REMOVE_RANGE && op->key.len > adapter->key_max)
        return fail(KVS_TOO_LONG, 0, "key of %zu bytes, at most %zu", op->key.len,
                    adapter->key_max);
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

static enum kvs_status write_check(const struct adapter *adapter, const struct kvs_write *write)
{
    if (write->op_count > KVS_BATCH_OPS_MAX)
        return fail(KVS_TOO_LONG, 0, "batch of %zu operations, at most %d", write->op_count,
                    KVS_BATCH_OPS_MAX);
    size_t bytes = 0;
    size_t checked = 0;
    enum kvs_status status = KVS_OK;
    while (checked < write->op_count && status == KVS_OK) {
        const struct kvs_op *op = &write->ops[checked++];
        status = op_check(adapter, op);
        bytes += op->key.len + (op->kind == KVS_OP_SET && op->blob == NULL ? op->value.len : 0);
        if (status == KVS_OK && bytes > KVS_BATCH_BYTES_MAX)
            status = fail(KVS_TOO_LONG, 0, "batch of more than %d bytes", KVS_BATCH_BYTES_MAX);
    }
    for (size_t i = 0; i < checked; i++)
        if (write->ops[i].kind == KVS_OP_SET && write->ops[i].blob != NULL)
            write->ops[i].blob->claimed = false;
    return status;
}

static bool was_removed(struct adapter *adapter, const struct kvs_range *range, bool is_range,
                        uint64_t version)
{
    if (removals_fresh_hit(&adapter->fresh, range, is_range, version))
        return true;
    mutex_lock(&adapter->snapshots_mu);
    bool hit = removals_hit(&adapter->removals, range, is_range, version);
    mutex_unlock(&adapter->snapshots_mu);
    return hit;
}

/* Does every record of the range have a version up to @version? */
static enum kvs_status range_untouched(struct adapter *adapter, struct driver_txn *txn,
                                       const struct kvs_range *range, uint64_t version,
                                       bool *ret_holds)
{
    struct raw_range raw;
    struct driver_cursor *cursor;
    enum kvs_status status = raw_range_make(SECTION_RECORDS, range, &raw);
    if (status != KVS_OK)
        return status;
    status = adapter->ops->txn_cursor_open(txn, &cursor);
    if (status == KVS_OK) {
        status = adapter->ops->cursor_seek(cursor, raw.start.bytes);
        while (status == KVS_OK && bytes_compare(cursor->key, raw.end.bytes) < 0 && *ret_holds) {
            struct record record;
            status = adapter_record_decode(cursor->value, &record);
            if (status != KVS_OK)
                break;
            *ret_holds = record.version <= version;
            status = adapter->ops->cursor_next(cursor);
        }
        adapter->ops->cursor_close(cursor);
    }
    raw_range_done(&raw);
    return status == KVS_NOT_FOUND ? KVS_OK : status;
}

static enum kvs_status check_untouched(struct adapter *adapter, struct driver_txn *txn,
                                       const struct kvs_condition *condition, bool *ret_holds)
{
    struct kvs_range range = { condition->key, condition->end, condition->has_end };
    *ret_holds = true;
    if (condition->has_end && bytes_compare(condition->key, condition->end) >= 0)
        return KVS_OK; /* nothing is in it */
    *ret_holds = !was_removed(adapter, &range, condition->has_end, condition->version);
    if (!*ret_holds)
        return KVS_OK;
    if (condition->has_end)
        return range_untouched(adapter, txn, &range, condition->version, ret_holds);
    struct record record;
    enum kvs_status status = change_find(adapter, txn, condition->key, &record);
    if (status == KVS_OK)
        *ret_holds = record.version <= condition->version;
    return status == KVS_NOT_FOUND ? KVS_OK : status;
}

static enum kvs_status condition_check(struct adapter *adapter, struct driver_txn *txn,
                                       const struct job *job, const struct kvs_condition *condition,
                                       bool *ret_holds)
{
    if (condition->kind == KVS_IF_UNTOUCHED)
        return check_untouched(adapter, txn, condition, ret_holds);
    struct record record;
    enum kvs_status status = change_find(adapter, txn, condition->key, &record);
    if (status != KVS_OK && status != KVS_NOT_FOUND)
        return status;
    bool lives = status == KVS_OK && !record_expired(&record, job->now_ms);
    *ret_holds =
        condition->kind == KVS_IF_ABSENT ? !lives : lives && record.version == condition->version;
    return KVS_OK;
}

static enum kvs_status conditions_check(struct adapter *adapter, struct driver_txn *txn,
                                        struct job *job)
{
    const struct kvs_write *write = job->write;
    for (size_t i = 0; i < write->condition_count; i++) {
        bool holds = false;
        enum kvs_status status = condition_check(adapter, txn, job, &write->conditions[i], &holds);
        if (status != KVS_OK)
            return status;
        if (!holds) {
            job->failed_condition = i;
            return KVS_CONFLICT;
        }
    }
    return KVS_OK;
}

static enum kvs_status apply_remove(struct adapter *adapter, struct driver_txn *txn,
                                    const struct job *job, struct kvs_bytes key)
{
    struct record record;
    enum kvs_status status = change_find(adapter, txn, key, &record);
    if (status == KVS_NOT_FOUND)
        return KVS_OK;
    if (status != KVS_OK)
        return status;
    if (record_expired(&record, job->now_ms))
        return KVS_OK; /* absent already; it goes when expired records go */
    status = change_remove(adapter, txn, key, &record);
    if (status == KVS_OK)
        removals_note(&adapter->fresh, job->version, &(struct kvs_range){ .start = key }, false);
    return status;
}

static enum kvs_status apply_range(struct adapter *adapter, struct driver_txn *txn,
                                   const struct job *job, const struct kvs_op *op)
{
    struct kvs_range range = { op->key, op->end, op->has_end };
    uint64_t removed = 0;
    enum kvs_status status = change_remove_range(adapter, txn, &range, &removed);
    if (status == KVS_OK && removed != 0)
        removals_note(&adapter->fresh, job->version, &range, true);
    return status;
}

/* Which operations count: of several on one key the last. NULL with KVS_OK: all of them. */
static enum kvs_status find_last(const struct kvs_write *write, unsigned char **ret_skip)
{
    *ret_skip = NULL;
    if (write->op_count < 2)
        return KVS_OK;
    size_t slots = 4;
    while (slots < write->op_count * 2)
        slots *= 2;
    uint32_t *table = calloc(slots, sizeof *table);
    unsigned char *skip = calloc(write->op_count, 1);
    if (table == NULL || skip == NULL) {
        free(table);
        free(skip);
        return fail(KVS_NO_MEMORY, ENOMEM, "batch of %zu operations", write->op_count);
    }
    for (size_t i = write->op_count; i-- > 0;) {
        const struct kvs_op *op = &write->ops[i];
        if (op->kind == KVS_OP_REMOVE_RANGE)
            continue;
        size_t slot = hash_bytes(op->key, 0) & (slots - 1);
        while (table[slot] != 0 && !bytes_equal(write->ops[table[slot] - 1].key, op->key))
            slot = (slot + 1) & (slots - 1);
        if (table[slot] != 0)
            skip[i] = 1;
        else
            table[slot] = (uint32_t)(i + 1);
    }
    free(table);
    *ret_skip = skip;
    return KVS_OK;
}

/* A blob whose operation does not count goes all the same. */
static enum kvs_status drop_unused(struct adapter *adapter, struct driver_txn *txn,
                                   const struct kvs_op *op)
{
    if (op->kind != KVS_OP_SET || op->blob == NULL || op->blob->id == 0)
        return KVS_OK;
    unsigned char key[SMALL_KEY_BYTES];
    enum kvs_status status = change_drop_chunks(txn, adapter->ops, op->blob->id);
    return status == KVS_OK ? adapter->ops->txn_remove(txn, raw_pending(op->blob->id, key))
                            : status;
}

static enum kvs_status apply_ops(struct adapter *adapter, struct driver_txn *txn,
                                 const struct job *job, const unsigned char *skip)
{
    const struct kvs_write *write = job->write;
    enum kvs_status status = KVS_OK;
    for (size_t i = 0; i < write->op_count && status == KVS_OK; i++)
        if (write->ops[i].kind == KVS_OP_REMOVE_RANGE)
            status = apply_range(adapter, txn, job, &write->ops[i]);
    for (size_t i = 0; i < write->op_count && status == KVS_OK; i++) {
        const struct kvs_op *op = &write->ops[i];
        if (op->kind == KVS_OP_REMOVE_RANGE)
            continue;
        if (skip != NULL && skip[i] != 0)
            status = drop_unused(adapter, txn, op);
        else if (op->kind == KVS_OP_SET)
            status = change_set(adapter, txn, op, job->version);
        else
            status = apply_remove(adapter, txn, job, op->key);
    }
    return status;
}

static enum kvs_status batch_apply(struct adapter *adapter, struct driver_txn *txn, struct job *job)
{
    enum kvs_status status = conditions_check(adapter, txn, job);
    if (status != KVS_OK || job->write->op_count == 0)
        return status;
    unsigned char *skip;
    status = find_last(job->write, &skip);
    if (status == KVS_OK)
        status = apply_ops(adapter, txn, job, skip);
    free(skip);
    return status;
}

static bool batch_scans(const struct kvs_write *write)
{
    for (size_t i = 0; i < write->condition_count; i++)
        if (write->conditions[i].kind == KVS_IF_UNTOUCHED && write->conditions[i].has_end)
            return true;
    for (size_t i = 0; i < write->op_count; i++)
        if (write->ops[i].kind == KVS_OP_REMOVE_RANGE)
            return true;
    return false;
}

enum kvs_status adapter_write(struct kvs_engine *base, const struct kvs_write *write,
                              struct kvs_written *ret)
{
    struct adapter *adapter = adapter_of(base);
    if (adapter->read_only)
        return fail(KVS_READ_ONLY, 0, "the store was opened read-only");
    enum kvs_status status = write_check(adapter, write);
    if (status != KVS_OK)
        return status;
    if (write->no_block)
        return KVS_WOULD_BLOCK; /* both libraries may wait for a disk in any write */
    struct job job = {
        .apply = batch_apply,
        .scans = batch_scans(write),
        .changes = write->op_count != 0,
        .write = write,
    };
    status = queue_run(adapter, &job);
    if (status != KVS_OK && status != KVS_CONFLICT)
        return status;
    atomic_fetch_add_explicit(&adapter->batches, 1, memory_order_relaxed); /* relaxed: a figure */
    *ret = (struct kvs_written){ .failed_condition = job.failed_condition };
    if (status == KVS_OK && job.changes)
        ret->position = job.version;
    else
        ret->position = atomic_load_explicit(&adapter->visible, memory_order_acquire);
    if (status == KVS_OK)
        for (size_t i = 0; i < write->op_count; i++)
            if (write->ops[i].kind == KVS_OP_SET && write->ops[i].blob != NULL)
                blob_consumed(write->ops[i].blob);
    return status;
}
