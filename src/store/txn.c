/*
 * txn.c - transactions: beginning, committing, and what bounds their retries.
 *
 * Optimistic: a run reads without locks and remembers what it saw; the commit is one batch on the condition that all of it
 * still holds. Which conditions are needed:
 *   - a run that writes: every key it read (its version, or that it is absent), every range it looked at (untouched since
 *     the run's snapshot), every watch;
 *   - a run that only reads, all of it at one snapshot: none but the watches. What it saw was true at one moment;
 *   - a run that only reads, one key of the newest state: likewise. More than that, or mixed with a snapshot: all conditions, in
 *     a batch without operations.
 * Retries: after TXN_CONFLICTS_MAX conflicts in a row the next run closes the store's gate from begin to end. No other write of
 * the store comes between then, and only records that expire can still make it conflict.
 */
#include "store/txn.h"

#include <errno.h>
#include <stdlib.h>

#include "store/blob.h"

enum kvs_status kvs_txn_new(struct kvs *db, struct kvs_txn **ret)
{
    struct kvs_txn *txn = calloc(1, sizeof *txn);
    if (txn == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "transaction");
    txn->store = db->store;
    keyset_init(&txn->writes, TXN_BYTES_MAX);
    keyset_init(&txn->removed, TXN_BYTES_MAX);
    keyset_init(&txn->reads, TXN_BYTES_MAX);
    keyset_init(&txn->watches, TXN_BYTES_MAX);
    keyset_init(&txn->covers, TXN_BYTES_MAX);
    *ret = txn;
    return KVS_OK;
}

/* Ends the run: nothing of the store is held afterwards. */
static void run_end(struct kvs_txn *txn)
{
    while (txn->iterators != NULL)
        txn_iterator_orphan(txn->iterators);
    if (txn->snapshot != NULL)
        txn->store->ops->snapshot_close(txn->store->engine, txn->snapshot);
    txn->snapshot = NULL;
    if (txn->holds_gate)
        gate_open(&txn->store->gate);
    txn->holds_gate = false;
    txn->running = false;
}

static void array_trim(void **array, size_t *capacity, size_t size)
{
    if (*capacity * size <= TXN_KEEP_BYTES)
        return;
    free(*array);
    *array = NULL;
    *capacity = 0;
}

/* Forgets everything the run did. */
static void run_clear(struct kvs_txn *txn)
{
    keyset_clear(&txn->writes, TXN_KEEP_BYTES);
    keyset_clear(&txn->removed, TXN_KEEP_BYTES);
    keyset_clear(&txn->reads, TXN_KEEP_BYTES);
    keyset_clear(&txn->watches, TXN_KEEP_BYTES);
    keyset_clear(&txn->covers, TXN_KEEP_BYTES);
    array_trim((void **)&txn->ops, &txn->op_capacity, sizeof *txn->ops);
    array_trim((void **)&txn->conditions, &txn->condition_capacity, sizeof *txn->conditions);
    array_trim((void **)&txn->dropped, &txn->dropped_capacity, sizeof(struct kvs_blob *));
    txn->write_bytes = 0;
    txn->needs = (struct write_needs){ 0 };
    txn->dropped_count = 0;
    txn->has_blobs = false;
    txn->doomed = false;
    txn->lone_count = false;
    txn->newest_reads = 0;
    txn->position = 0;
    txn->failed = KVS_OK;
}

void kvs_txn_abort(struct kvs_txn *txn)
{
    run_end(txn);
    run_clear(txn);
}

void kvs_txn_free(struct kvs_txn *txn)
{
    if (txn == NULL)
        return;
    run_end(txn);
    keyset_done(&txn->writes);
    keyset_done(&txn->removed);
    keyset_done(&txn->reads);
    keyset_done(&txn->watches);
    keyset_done(&txn->covers);
    free(txn->dropped);
    free(txn->ops);
    free(txn->conditions);
    free(txn);
}

void txn_fail(struct kvs_txn *txn, enum kvs_status status)
{
    if (txn->failed != KVS_OK)
        return;
    txn->failed = status;
    fail_save(txn->why);
}

enum kvs_status txn_enter(struct kvs_txn *txn, const struct kvs *db)
{
    if (!txn->running)
        return fail(KVS_INVALID, 0, "the transaction has not begun");
    if (txn->failed != KVS_OK)
        return fail_restore(txn->failed, txn->why);
    if (db->store != txn->store)
        return fail(KVS_INVALID, 0, "the transaction belongs to another store");
    if (txn->lone_count)
        txn->doomed = txn->wants_snapshot = true;
    txn->lone_count = false;
    return KVS_OK;
}

static enum kvs_status run_snapshot(struct kvs_txn *txn)
{
    struct store *store = txn->store;
    if (!store->ops->capabilities.snapshots)
        return fail(KVS_UNSUPPORTED, 0, "engine %s has no snapshots", store->ops->name);
    return store->ops->snapshot_open(store->engine, "transaction", &txn->snapshot);
}

enum kvs_status kvs_txn_begin(struct kvs_txn *txn, bool with_snapshot, bool no_block)
{
    struct store *store = txn->store;
    kvs_txn_abort(txn);
    /* An engine that cannot validate anything serves one transaction at a time. */
    bool alone = txn->conflicts >= TXN_CONFLICTS_MAX || txn->wants_gate ||
                 !store->ops->capabilities.conditions;
    if (alone && no_block)
        return KVS_WOULD_BLOCK;
    if (alone)
        gate_close(&store->gate);
    txn->holds_gate = alone;
    txn->no_block = no_block;
    if (with_snapshot || txn->wants_snapshot) {
        enum kvs_status status = run_snapshot(txn);
        if (status != KVS_OK) {
            run_end(txn);
            return status;
        }
    }
    txn->running = true;
    return KVS_OK;
}

enum kvs_status txn_prepare_ranges(struct kvs_txn *txn)
{
    const struct kvs_capabilities *can = &txn->store->ops->capabilities;
    if ((!can->untouched || !can->snapshots) && !txn->holds_gate) {
        txn->wants_gate = true;
        txn->doomed = true;
        return KVS_CONFLICT;
    }
    if (txn->snapshot != NULL || !can->snapshots)
        return KVS_OK;
    return run_snapshot(txn);
}

/* ---- Commit ---- */

static bool run_writes(const struct kvs_txn *txn)
{
    return txn->writes.count != 0 || txn->removed.count != 0;
}

/* Does what was read need to be validated? See the head of the file. */
static bool run_needs_reads(const struct kvs_txn *txn)
{
    if (run_writes(txn))
        return true;
    if (txn->newest_reads == 0)
        return false;
    return txn->reads.count > 1 || txn->covers.count != 0;
}

static void build_ops(struct kvs_txn *txn, struct kvs_write *write)
{
    struct kvs_op *op = txn->ops;
    for (uint32_t node = keyset_first(&txn->removed); node != KEYSET_NONE;
         node = keyset_next(&txn->removed, node))
        *op++ = (struct kvs_op){
            .kind = KVS_OP_REMOVE_RANGE,
            .key = keyset_key(&txn->removed, node),
            .end = keyset_value(&txn->removed, node),
            .has_end = true,
        };
    for (uint32_t node = keyset_first(&txn->writes); node != KEYSET_NONE;
         node = keyset_next(&txn->writes, node)) {
        const struct keyset_node *from = keyset_at(&txn->writes, node);
        *op++ = (struct kvs_op){
            .kind = from->kind == TXN_SET ? KVS_OP_SET : KVS_OP_REMOVE,
            .key = keyset_key(&txn->writes, node),
            .value = keyset_value(&txn->writes, node),
            .blob = from->blob != NULL ? blob_inner(from->blob)->engine : NULL,
            .expire_ms = from->expire_ms,
        };
    }
    write->ops = txn->ops;
    write->op_count = (size_t)(op - txn->ops);
}

static struct kvs_condition *build_reads(struct kvs_txn *txn, struct kvs_condition *condition)
{
    for (uint32_t node = keyset_first(&txn->reads); node != KEYSET_NONE;
         node = keyset_next(&txn->reads, node)) {
        uint64_t version = keyset_at(&txn->reads, node)->version;
        *condition++ = (struct kvs_condition){
            .kind = version != 0 ? KVS_IF_VERSION : KVS_IF_ABSENT,
            .key = keyset_key(&txn->reads, node),
            .version = version,
        };
    }
    if (txn->snapshot == NULL || !txn->store->ops->capabilities.untouched)
        return condition; /* the gate is held, see txn_prepare_ranges() */
    uint64_t version = txn->store->ops->snapshot_version(txn->snapshot);
    for (uint32_t node = keyset_first(&txn->covers); node != KEYSET_NONE;
         node = keyset_next(&txn->covers, node))
        *condition++ = (struct kvs_condition){
            .kind = KVS_IF_UNTOUCHED,
            .key = keyset_key(&txn->covers, node),
            .end = keyset_value(&txn->covers, node),
            .has_end = true,
            .version = version,
        };
    return condition;
}

static void build_conditions(struct kvs_txn *txn, struct kvs_write *write)
{
    struct kvs_condition *condition = txn->conditions;
    for (uint32_t node = keyset_first(&txn->watches); node != KEYSET_NONE;
         node = keyset_next(&txn->watches, node))
        *condition++ = (struct kvs_condition){
            .kind = KVS_IF_UNTOUCHED,
            .key = keyset_key(&txn->watches, node),
            .version = keyset_at(&txn->watches, node)->version,
        };
    if (run_needs_reads(txn) && txn->store->ops->capabilities.conditions)
        condition = build_reads(txn, condition);
    write->conditions = txn->conditions;
    write->condition_count = (size_t)(condition - txn->conditions);
}

/* Claims, or lets go of, every blob of the run: none may be given to the engine and freed, or given twice. */
static enum kvs_status check_blobs(struct kvs_txn *txn)
{
    enum kvs_status status = KVS_OK;
    for (uint32_t node = keyset_first(&txn->writes); node != KEYSET_NONE && status == KVS_OK;
         node = keyset_next(&txn->writes, node))
        if (keyset_at(&txn->writes, node)->blob != NULL)
            status = blob_claim(keyset_at(&txn->writes, node)->blob);
    for (size_t i = 0; i < txn->dropped_count && status == KVS_OK; i++)
        status = blob_claim(txn->dropped[i]);
    for (uint32_t node = keyset_first(&txn->writes); node != KEYSET_NONE;
         node = keyset_next(&txn->writes, node))
        if (keyset_at(&txn->writes, node)->blob != NULL)
            blob_unclaim(keyset_at(&txn->writes, node)->blob);
    for (size_t i = 0; i < txn->dropped_count; i++)
        blob_unclaim(txn->dropped[i]);
    return status;
}

static void blobs_consumed(struct kvs_txn *txn)
{
    for (uint32_t node = keyset_first(&txn->writes); node != KEYSET_NONE;
         node = keyset_next(&txn->writes, node))
        if (keyset_at(&txn->writes, node)->blob != NULL)
            blob_taken(keyset_at(&txn->writes, node)->blob, true);
    for (size_t i = 0; i < txn->dropped_count; i++)
        kvs_blob_free(&txn->store->handles[0], txn->dropped[i]);
}

/* Everything up to the engine's answer. */
static enum kvs_status run_commit(struct kvs_txn *txn, enum kvs_durability durability,
                                  struct applied *ret)
{
    struct store *store = txn->store;
    for (struct kvs_txn_iterator *iterator = txn->iterators; iterator != NULL;
         iterator = txn_iterator_following(iterator)) {
        enum kvs_status status = txn_iterator_cover(iterator);
        if (status != KVS_OK)
            return status;
    }
    if (txn->failed != KVS_OK)
        return fail_restore(txn->failed, txn->why);
    if (txn->doomed)
        return KVS_CONFLICT;
    if (!run_writes(txn) && txn->watches.count == 0 && !run_needs_reads(txn))
        return KVS_OK;
    if (!run_writes(txn) && store->read_only)
        return KVS_OK; /* nothing ever changes */
    if (durability < KVS_DURABILITY_DEFAULT || durability > KVS_DURABILITY_NO)
        return fail(KVS_INVALID, 0, "durability %d is none of always, everysec and no",
                    (int)durability);

    enum kvs_status status = txn->has_blobs ? check_blobs(txn) : KVS_OK;
    if (status == KVS_OK)
        status = store_check_needs(store, &txn->needs, txn->writes.count + txn->removed.count);
    if (status == KVS_OK)
        status = store_grow((void **)&txn->ops, &txn->op_capacity,
                            txn->writes.count + txn->removed.count, sizeof *txn->ops);
    if (status == KVS_OK)
        status = store_grow((void **)&txn->conditions, &txn->condition_capacity,
                            txn->watches.count + txn->reads.count + txn->covers.count,
                            sizeof *txn->conditions);
    if (status != KVS_OK)
        return status;
    struct kvs_write write = { .durability = durability, .no_block = txn->no_block, .park = true };
    build_ops(txn, &write);
    build_conditions(txn, &write);
    return store_apply(store, &write, txn->holds_gate, ret);
}

enum kvs_status kvs_txn_commit(struct kvs_txn *txn, enum kvs_durability durability,
                               uint64_t *ret_position, bool *ret_wrote)
{
    if (!txn->running)
        return fail(KVS_INVALID, 0, "the transaction has not begun");
    struct applied applied = { 0 };
    enum kvs_status status = run_commit(txn, durability, &applied);
    if (status == KVS_OK) {
        txn->conflicts = 0;
        txn->wants_gate = txn->wants_snapshot = false;
        if (txn->has_blobs)
            blobs_consumed(txn);
    } else if (status == KVS_CONFLICT) {
        txn->conflicts++;
        /* relaxed: a figure for humans, ordered with nothing */
        atomic_fetch_add_explicit(&txn->store->conflicts, 1, memory_order_relaxed);
    }
    if (status == KVS_OK || status == KVS_CONFLICT) {
        txn_depend(txn, applied.written.position);
        if (ret_position != NULL)
            *ret_position = txn->position;
        if (ret_wrote != NULL)
            *ret_wrote = applied.done && run_writes(txn);
    }
    run_end(txn);
    return status;
}
