/*
 * capability_test.c - what an engine cannot do is refused with the reason, or done another way: the engine "memory" with
 * capabilities taken away.
 */
#include <string.h>

#include "engine/memory/memory.h"
#include "store/store.h"
#include "tests/harness/test.h"

#define B(literal) KVS_BYTES(literal)

static struct kvs *open_with(struct kvs_engine_ops *ops)
{
    static const struct kvs_options options;
    struct kvs *db = NULL;
    assert_ok(store_open("/nowhere", &options, ops, &db));
    return db;
}

static void set(struct kvs *db, struct kvs_bytes key, struct kvs_bytes value)
{
    assert_ok(kvs_set(db, key, value));
}

static void ignore(void *ctx, const struct kvs_entry *entry)
{
    (void)ctx;
    (void)entry;
}

TEST(an_engine_for_another_interface_is_refused)
{
    struct kvs_engine_ops ops = memory_engine_ops;
    struct kvs *db;
    ops.abi = KVS_ENGINE_ABI + 1;
    assert_int_equal(store_open("/nowhere", NULL, &ops, &db), KVS_UNSUPPORTED);
}

TEST(what_is_missing_is_named)
{
    struct kvs_engine_ops ops = memory_engine_ops;
    memset(&ops.capabilities, 0, sizeof ops.capabilities);
    ops.capabilities.key_max = 100;
    ops.capabilities.value_max = 1000;
    struct kvs *db = open_with(&ops);
    struct kvs_batch *batch;
    struct kvs_iterator *iterator;
    struct kvs_snapshot *snapshot;
    assert_ok(kvs_batch_new(&batch));
    kvs_batch_if_absent(batch, db, B("k"));
    assert_int_equal(kvs_write(db, batch, NULL, NULL), KVS_UNSUPPORTED);
    assert_non_null(strstr(kvs_error(), "conditional"));
    kvs_batch_clear(batch);
    kvs_batch_set(batch, db, B("k"), B("v"), 5);
    assert_int_equal(kvs_write(db, batch, NULL, NULL), KVS_UNSUPPORTED);
    assert_non_null(strstr(kvs_error(), "expiry"));
    kvs_batch_clear(batch);
    kvs_batch_remove_range(batch, db, NULL);
    assert_int_equal(kvs_write(db, batch, NULL, NULL), KVS_UNSUPPORTED);
    kvs_batch_clear(batch);
    kvs_batch_set(batch, db, B("k"), B("v"), 0);
    kvs_batch_set(batch, db, B("l"), B("v"), 0);
    assert_int_equal(kvs_write(db, batch, NULL, NULL), KVS_UNSUPPORTED);
    assert_non_null(strstr(kvs_error(), "atomic"));
    kvs_batch_free(batch);
    assert_int_equal(kvs_snapshot_open(db, "x", &snapshot), KVS_UNSUPPORTED);
    assert_int_equal(kvs_iterator_open(db, NULL, NULL, true, &iterator), KVS_UNSUPPORTED);
    static const char bytes[2000];
    assert_int_equal(kvs_set(db, (struct kvs_bytes){ bytes, 100 }, B("v")), KVS_TOO_LONG);
    assert_ok(kvs_set(db, (struct kvs_bytes){ bytes, 99 }, B("v")));
    assert_int_equal(kvs_set(db, B("k"), (struct kvs_bytes){ bytes, 1001 }), KVS_TOO_LONG);
    assert_ok(kvs_set(db, B("k"), (struct kvs_bytes){ bytes, 1000 }));
    assert_ok(kvs_remove(db, B("k"))); /* behind the gate, for want of conditions */
    assert_int_equal(kvs_remove(db, B("k")), KVS_NOT_FOUND);
    assert_ok(kvs_close(db));
}

TEST(without_conditions_a_transaction_is_alone)
{
    struct kvs_engine_ops ops = memory_engine_ops;
    ops.capabilities.conditions = ops.capabilities.untouched = false;
    struct kvs *db = open_with(&ops);
    struct kvs_txn *txn;
    struct kvs_batch *batch;
    struct kvs_write_options soon = { .no_block = true, .park = true };
    assert_ok(kvs_txn_new(db, &txn));
    assert_ok(kvs_batch_new(&batch));
    kvs_batch_set(batch, db, B("k"), B("rival"), 0);
    assert_int_equal(kvs_txn_begin(txn, false, true), KVS_WOULD_BLOCK);
    assert_ok(kvs_txn_begin(txn, false, false));
    assert_int_equal(kvs_txn_visit(txn, db, B("k"), ignore, NULL), KVS_NOT_FOUND);
    assert_int_equal(kvs_write(db, batch, &soon, NULL), KVS_WOULD_BLOCK);
    kvs_txn_set(txn, db, B("k"), B("mine"), 0);
    assert_ok(kvs_txn_commit(txn, KVS_DURABILITY_DEFAULT, NULL, NULL));
    assert_ok(kvs_write(db, batch, &soon, NULL));
    kvs_batch_free(batch);
    kvs_txn_free(txn);
    assert_ok(kvs_close(db));
}

TEST(without_range_conditions_an_iterating_transaction_runs_again_alone)
{
    struct kvs_engine_ops ops = memory_engine_ops;
    for (int snapshots = 0; snapshots < 2; snapshots++) {
        ops.capabilities.untouched = false;
        ops.capabilities.snapshots = snapshots;
        struct kvs *db = open_with(&ops);
        set(db, B("a"), B("1"));
        set(db, B("b"), B("2"));
        struct kvs_txn *txn;
        struct kvs_txn_iterator *iterator;
        struct kvs_entry entry;
        assert_ok(kvs_txn_new(db, &txn));
        assert_ok(kvs_txn_begin(txn, false, true));
        assert_int_equal(kvs_txn_iterator_open(txn, db, NULL, false, &iterator), KVS_CONFLICT);
        assert_int_equal(kvs_txn_begin(txn, false, true),
                         KVS_WOULD_BLOCK); /* it needs the gate now */
        assert_ok(kvs_txn_begin(txn, false, false));
        assert_ok(kvs_txn_iterator_open(txn, db, NULL, false, &iterator));
        assert_ok(kvs_txn_iterator_next(iterator, &entry));
        assert_ok(kvs_txn_iterator_next(iterator, &entry));
        assert_int_equal(kvs_txn_iterator_next(iterator, &entry), KVS_NOT_FOUND);
        kvs_txn_iterator_close(iterator);
        uint64_t count;
        assert_ok(kvs_txn_count(txn, db, &count));
        assert_int_equal(count, 2);
        kvs_txn_set(txn, db, B("c"), B("3"), 0);
        assert_ok(kvs_txn_commit(txn, KVS_DURABILITY_DEFAULT, NULL, NULL));
        assert_ok(kvs_txn_begin(txn, false, true)); /* and no longer */
        kvs_txn_if_untouched(txn, db, B("c"), 1);
        assert_int_equal(kvs_txn_commit(txn, KVS_DURABILITY_DEFAULT, NULL, NULL), KVS_UNSUPPORTED);
        kvs_txn_free(txn);
        assert_ok(kvs_close(db));
    }
}
