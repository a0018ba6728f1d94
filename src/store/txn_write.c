/*
 * txn_write.c - what a run writes, kept until its commit. Failures stick and surface there.
 */
#include <inttypes.h>

#include "base/bytes.h"
#include "store/blob.h"
#include "store/txn.h"

/* A node of writes that @kind replaces what it held in; its old value no longer counts. NULL: the run has failed. */
static struct keyset_node *node_for(struct kvs_txn *txn, struct kvs_bytes engine_key, uint8_t kind,
                                    uint32_t *ret)
{
    bool new;
    enum kvs_status status = keyset_put(&txn->writes, engine_key, ret, &new);
    if (status == KVS_OK && new && txn->writes.count + txn->removed.count > KVS_BATCH_OPS_MAX)
        status = fail(KVS_TOO_LONG, 0, "transaction of more than %d operations", KVS_BATCH_OPS_MAX);
    if (status != KVS_OK) {
        txn_fail(txn, status);
        return NULL;
    }
    struct keyset_node *node = keyset_at(&txn->writes, *ret);
    if (new)
        txn->write_bytes += engine_key.len;
    else
        txn->write_bytes -= node->value_len;
    if (node->blob != NULL) {
        status = store_grow((void **)&txn->dropped, &txn->dropped_capacity, txn->dropped_count + 1,
                            sizeof(struct kvs_blob *));
        if (status != KVS_OK) {
            txn_fail(txn, status);
            return NULL;
        }
        txn->dropped[txn->dropped_count++] = node->blob;
    }
    node->kind = kind;
    node->blob = NULL;
    node->value_len = 0;
    node->expire_ms = 0;
    return node;
}

static void check_bytes(struct kvs_txn *txn)
{
    if (txn->write_bytes > KVS_BATCH_BYTES_MAX)
        txn_fail(txn,
                 fail(KVS_TOO_LONG, 0, "transaction of more than %d bytes", KVS_BATCH_BYTES_MAX));
}

/* Begins a call that writes @key; false: the run has failed. After true, key_done(). */
static bool write_begin(struct kvs_txn *txn, const struct kvs *db, struct kvs_bytes key,
                        struct key_scratch *scratch, struct kvs_bytes *ret_key)
{
    enum kvs_status status = txn_enter(txn, db);
    if (status == KVS_OK)
        status = key_make(db, key, scratch, ret_key);
    if (status != KVS_OK)
        txn_fail(txn, status);
    return status == KVS_OK;
}

void kvs_txn_observe(struct kvs_txn *txn, kvs_txn_observer *fn, void *ctx)
{
    txn->observer = fn;
    txn->observer_ctx = ctx;
}

void kvs_txn_set(struct kvs_txn *txn, struct kvs *db, struct kvs_bytes key, struct kvs_bytes value,
                 int64_t expire_ms)
{
    struct key_scratch scratch;
    struct kvs_bytes engine_key;
    if (!write_begin(txn, db, key, &scratch, &engine_key))
        return;
    enum kvs_status status = store_check_value(db, value, expire_ms);
    uint32_t id;
    struct keyset_node *node = status == KVS_OK ? node_for(txn, engine_key, TXN_SET, &id) : NULL;
    key_done(&scratch);
    if (status != KVS_OK)
        txn_fail(txn, status);
    if (node == NULL)
        return;
    node->expire_ms = expire_ms;
    txn->needs.expiry |= expire_ms != 0;
    txn->write_bytes += value.len;
    status = keyset_set_value(&txn->writes, id, value);
    if (status != KVS_OK)
        txn_fail(txn, status);
    if (txn->observer != NULL)
        txn->observer(txn->observer_ctx, db, KVS_TXN_SETS, key, NULL, expire_ms);
    check_bytes(txn);
}

void kvs_txn_set_blob(struct kvs_txn *txn, struct kvs *db, struct kvs_bytes key,
                      struct kvs_blob *blob, int64_t expire_ms)
{
    struct key_scratch scratch;
    struct kvs_bytes engine_key;
    if (!write_begin(txn, db, key, &scratch, &engine_key))
        return;
    enum kvs_status status = store_check_blob(db, blob, expire_ms);
    uint32_t id;
    struct keyset_node *node = status == KVS_OK ? node_for(txn, engine_key, TXN_SET, &id) : NULL;
    key_done(&scratch);
    if (status != KVS_OK)
        txn_fail(txn, status);
    if (node == NULL)
        return;
    node->blob = blob;
    node->expire_ms = expire_ms;
    txn->has_blobs = true;
    txn->needs.expiry |= expire_ms != 0;
    if (txn->observer != NULL)
        txn->observer(txn->observer_ctx, db, KVS_TXN_SETS, key, NULL, expire_ms);
    check_bytes(txn);
}

void kvs_txn_remove(struct kvs_txn *txn, struct kvs *db, struct kvs_bytes key)
{
    struct key_scratch scratch;
    struct kvs_bytes engine_key;
    if (!write_begin(txn, db, key, &scratch, &engine_key))
        return;
    uint32_t id;
    (void)node_for(txn, engine_key, TXN_REMOVE, &id); /* a failure sticks */
    key_done(&scratch);
    if (txn->observer != NULL)
        txn->observer(txn->observer_ctx, db, KVS_TXN_REMOVES, key, NULL, 0);
    check_bytes(txn);
}

/* In a batch a removed range counts before everything else, so earlier writes in it are taken out. */
static enum kvs_status swallow_writes(struct kvs_txn *txn, const struct kvs_range *range)
{
    uint32_t node = keyset_at_least(&txn->writes, range->start, false);
    while (node != KEYSET_NONE && bytes_compare(keyset_key(&txn->writes, node), range->end) < 0) {
        uint32_t next = keyset_next(&txn->writes, node);
        const struct keyset_node *from = keyset_at(&txn->writes, node);
        if (from->blob != NULL) {
            enum kvs_status status = store_grow((void **)&txn->dropped, &txn->dropped_capacity,
                                                txn->dropped_count + 1, sizeof(struct kvs_blob *));
            if (status != KVS_OK)
                return status;
            txn->dropped[txn->dropped_count++] = from->blob;
        }
        txn->write_bytes -= from->key_len + from->value_len;
        keyset_remove(&txn->writes, node);
        node = next;
    }
    return KVS_OK;
}

void kvs_txn_remove_range(struct kvs_txn *txn, struct kvs *db, const struct kvs_range *range)
{
    struct range_scratch scratch;
    struct kvs_range bounded;
    enum kvs_status status = txn_enter(txn, db);
    if (status == KVS_OK)
        status = range_make(db, range, &scratch, &bounded);
    if (status != KVS_OK) {
        txn_fail(txn, status);
        return;
    }
    status = swallow_writes(txn, &bounded);
    if (status == KVS_OK)
        status = rangeset_add(&txn->removed, bounded.start, bounded.end);
    txn->write_bytes +=
        bounded.start.len + bounded.end.len; /* of merged ranges too: an upper bound */
    range_done(&scratch);
    if (status == KVS_OK && txn->writes.count + txn->removed.count > KVS_BATCH_OPS_MAX)
        status = fail(KVS_TOO_LONG, 0, "transaction of more than %d operations", KVS_BATCH_OPS_MAX);
    if (status != KVS_OK)
        txn_fail(txn, status);
    txn->needs.remove_range = true;
    if (txn->observer != NULL)
        txn->observer(txn->observer_ctx, db, KVS_TXN_REMOVES_RANGE, (struct kvs_bytes){ NULL, 0 },
                      range, 0);
    check_bytes(txn);
}

void kvs_txn_if_untouched(struct kvs_txn *txn, struct kvs *db, struct kvs_bytes key,
                          uint64_t version)
{
    struct key_scratch scratch;
    struct kvs_bytes engine_key;
    if (!write_begin(txn, db, key, &scratch, &engine_key))
        return;
    uint32_t id;
    bool new;
    enum kvs_status status = keyset_put(&txn->watches, engine_key, &id, &new);
    key_done(&scratch);
    if (status != KVS_OK) {
        txn_fail(txn, status);
        return;
    }
    struct keyset_node *node = keyset_at(&txn->watches, id);
    if (new || version < node->version)
        node->version = version; /* of several the strictest */
    txn->needs.conditions = txn->needs.untouched = true;
}
