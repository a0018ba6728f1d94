/*
 * txn_test.c - transactions: own writes, conflicts, iterators, counts, the gate.
 */
#include <pthread.h>

#include "tests/conformance/suite.h"

struct seen {
    int calls;
    char value[64];
    size_t len;
    uint64_t value_bytes;
    uint64_t version;
};

static void see(void *ctx, const struct kvs_entry *entry)
{
    struct seen *seen = ctx;
    seen->calls++;
    seen->len = entry->value.len;
    seen->value_bytes = entry->value_bytes;
    seen->version = entry->version;
    if (entry->value.len < sizeof seen->value) {
        if (entry->value.len != 0)
            memcpy(seen->value, entry->value.data, entry->value.len);
        seen->value[entry->value.len] = '\0';
    }
}

/* The value a run sees, "" for none. */
static const char *txn_get(struct kvs_txn *txn, struct kvs *db, const char *key)
{
    static struct seen seen;
    seen = (struct seen){ 0 };
    enum kvs_status status = kvs_txn_visit(txn, db, text_bytes(key), see, &seen);
    assert_true(status == KVS_OK || status == KVS_NOT_FOUND);
    assert_int_equal(seen.calls, status == KVS_OK);
    return seen.value;
}

static void txn_put(struct kvs_txn *txn, struct kvs *db, const char *key, const char *value)
{
    kvs_txn_set(txn, db, text_bytes(key), text_bytes(value), 0);
}

static struct kvs_txn *txn_new(struct kvs *db)
{
    struct kvs_txn *txn;
    must_ok(kvs_txn_new(db, &txn));
    return txn;
}

static enum kvs_status commit(struct kvs_txn *txn)
{
    return kvs_txn_commit(txn, KVS_DURABILITY_DEFAULT, NULL, NULL);
}

static void must_list_txn(struct kvs_txn *txn, struct kvs *db, const struct kvs_range *range,
                          bool reverse, const char *keys)
{
    struct kvs_txn_iterator *iterator;
    struct kvs_entry entry;
    char got[1024] = "";
    size_t len = 0;
    must_ok(kvs_txn_iterator_open(txn, db, range, reverse, &iterator));
    enum kvs_status status;
    while ((status = kvs_txn_iterator_next(iterator, &entry)) == KVS_OK)
        len += (size_t)snprintf(got + len, sizeof got - len, "%s%.*s", len == 0 ? "" : " ",
                                (int)entry.key.len, (const char *)entry.key.data);
    must(KVS_NOT_FOUND, status);
    must(KVS_NOT_FOUND, kvs_txn_iterator_next(iterator, &entry));
    kvs_txn_iterator_close(iterator);
    assert_string_equal(got, keys);
}

TEST(a_run_sees_its_own_writes_and_others_do_not)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs *db = suite.db;
    put(db, "a", "1");
    put(db, "b", "1");
    put(db, "c", "1");
    struct kvs_txn *txn = txn_new(db);
    must_ok(kvs_txn_begin(txn, false, false));
    txn_put(txn, db, "a", "2");
    txn_put(txn, db, "a", "much longer than before");
    txn_put(txn, db, "a", "3");
    kvs_txn_remove(txn, db, B("b"));
    txn_put(txn, db, "d", "1");
    assert_string_equal(txn_get(txn, db, "a"), "3");
    assert_string_equal(txn_get(txn, db, "b"), "");
    assert_string_equal(txn_get(txn, db, "c"), "1");
    assert_string_equal(txn_get(txn, db, "d"), "1");
    struct kvs_range range = range_of("c", "d");
    kvs_txn_remove_range(txn, db, &range);
    assert_string_equal(txn_get(txn, db, "c"), "");
    txn_put(txn, db, "c", "back");
    assert_string_equal(txn_get(txn, db, "c"), "back");
    must_hold(db, "a", "1");
    must_hold(db, "b", "1");
    must_lack(db, "d");
    uint64_t position = 0;
    bool wrote = false;
    must_ok(kvs_txn_commit(txn, KVS_DURABILITY_DEFAULT, &position, &wrote));
    assert_true(wrote);
    must_list(db, NULL, "a c d");
    must_hold(db, "a", "3");
    must_hold(db, "c", "back");
    assert_int_equal(version_of(db, "a"), position);
    must(KVS_INVALID, commit(txn)); /* a run ends with its commit */
    must(KVS_INVALID, kvs_txn_visit(txn, db, B("a"), see, &(struct seen){ 0 }));
    kvs_txn_free(txn);
    kvs_txn_free(NULL);
    suite_close(&suite);
}

TEST(a_removed_range_swallows_earlier_writes_of_the_run_and_not_later_ones)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs *db = suite.db;
    put(db, "m", "1");
    put(db, "z", "1");
    struct kvs_txn *txn = txn_new(db);
    must_ok(kvs_txn_begin(txn, false, false));
    txn_put(txn, db, "l", "1");
    txn_put(txn, db, "n", "1");
    struct kvs_range first = range_of("k", "m");
    struct kvs_range second = range_of("m", "p");
    struct kvs_range wide = range_of("j", "q");
    kvs_txn_remove_range(txn, db, &second);
    kvs_txn_remove_range(txn, db, &first);
    txn_put(txn, db, "o", "1");
    must_list_txn(txn, db, NULL, false, "o z");
    kvs_txn_remove_range(txn, db, &wide);
    txn_put(txn, db, "p", "1");
    must_list_txn(txn, db, NULL, false, "p z");
    must_list_txn(txn, db, NULL, true, "z p");
    uint64_t count;
    must_ok(kvs_txn_count(txn, db, &count));
    assert_int_equal(count, 2);
    must_ok(commit(txn));
    must_list(db, NULL, "p z");
    kvs_txn_free(txn);
    suite_close(&suite);
}

TEST(what_was_read_and_changed_since_is_a_conflict)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs *db = suite.db;
    put(db, "read", "1");
    struct kvs_txn *txn = txn_new(db);
    for (int with_snapshot = 0; with_snapshot < 2; with_snapshot++) {
        must_ok(kvs_txn_begin(txn, with_snapshot, false));
        (void)txn_get(txn, db, "read");
        txn_put(txn, db, "written", "1");
        put(db, "read", "2");
        uint64_t position = 0;
        bool wrote = true;
        must(KVS_CONFLICT, kvs_txn_commit(txn, KVS_DURABILITY_DEFAULT, &position, &wrote));
        assert_false(wrote);
        assert_true(position >= version_of(db, "read"));
        must_lack(db, "written");

        must_ok(kvs_txn_begin(txn, with_snapshot, false)); /* an absent key that appears */
        assert_string_equal(txn_get(txn, db, "absent"), "");
        txn_put(txn, db, "written", "1");
        put(db, "absent", "1");
        must(KVS_CONFLICT, commit(txn));
        must_ok(kvs_remove(db, B("absent")));

        must_ok(kvs_txn_begin(txn, with_snapshot, false)); /* what was not read does not matter */
        (void)txn_get(txn, db, "read");
        txn_put(txn, db, "blind", "1");
        put(db, "blind", "2");
        put(db, "other", "1");
        must_ok(commit(txn));
        must_hold(db, "blind", "1");
    }
    kvs_txn_free(txn);
    suite_close(&suite);
}

TEST(a_run_that_only_reads_at_a_snapshot_never_conflicts)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs *db = suite.db;
    put(db, "a", "1");
    put(db, "b", "1");
    struct kvs_txn *txn = txn_new(db);
    must_ok(kvs_txn_begin(txn, true, false));
    assert_string_equal(txn_get(txn, db, "a"), "1");
    put(db, "a", "2");
    put(db, "b", "2");
    assert_string_equal(txn_get(txn, db, "b"), "1");
    assert_string_equal(txn_get(txn, db, "a"), "1");
    must_list_txn(txn, db, NULL, false, "a b");
    uint64_t count;
    must_ok(kvs_txn_count(txn, db, &count));
    assert_int_equal(count, 2);
    uint64_t position = 0;
    bool wrote = true;
    must_ok(kvs_txn_commit(txn, KVS_DURABILITY_DEFAULT, &position, &wrote));
    assert_true(!wrote && position > 0);
    kvs_txn_free(txn);
    suite_close(&suite);
}

TEST(a_run_that_only_reads_the_newest_is_validated_when_it_read_several)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs *db = suite.db;
    put(db, "a", "1");
    put(db, "b", "1");
    struct kvs_txn *txn = txn_new(db);
    must_ok(kvs_txn_begin(txn, false, false)); /* one key: atomic by itself */
    (void)txn_get(txn, db, "a");
    put(db, "a", "2");
    must_ok(commit(txn));
    must_ok(kvs_txn_begin(txn, false, false)); /* two that never were so at one moment */
    (void)txn_get(txn, db, "a");
    put(db, "a", "3");
    put(db, "b", "3");
    (void)txn_get(txn, db, "b");
    must(KVS_CONFLICT, commit(txn));
    must_ok(kvs_txn_begin(txn, false, false));
    (void)txn_get(txn, db, "a");
    (void)txn_get(txn, db, "b");
    struct kvs_marks before;
    struct kvs_marks after;
    kvs_marks(db, &before);
    must_ok(commit(txn));
    kvs_marks(db, &after);
    assert_int_equal(before.visible, after.visible);
    must_ok(kvs_txn_begin(txn, false, false)); /* one key read twice, changed in between */
    (void)txn_get(txn, db, "a");
    put(db, "a", "4");
    (void)txn_get(txn, db, "a");
    must(KVS_CONFLICT, commit(txn));
    kvs_txn_free(txn);
    suite_close(&suite);
}

TEST(an_iterator_merges_and_makes_the_range_it_covered_a_condition)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs *db = suite.db;
    put(db, "b", "1");
    put(db, "d", "1");
    put(db, "f", "1");
    struct kvs_txn *txn = txn_new(db);
    struct kvs_txn_iterator *iterator;
    struct kvs_entry entry;
    for (int round = 0; round < 8; round++) {
        bool reverse = round & 1;
        bool stop_early = round & 2;
        bool write_inside = round & 4;
        must_ok(kvs_txn_begin(txn, false, false));
        txn_put(txn, db, "a", "own");
        txn_put(txn, db, "d", "own");
        kvs_txn_remove(txn, db, B("f"));
        txn_put(txn, db, "g", "own");
        must_list_txn(txn, db, &(struct kvs_range){ B("x"), B("y"), true }, reverse, "");
        struct kvs_range range = range_of("a", "h");
        must_ok(kvs_txn_iterator_open(txn, db, &range, reverse, &iterator));
        const char *order = reverse ? "gdba" : "abdg";
        for (int i = 0; i < (stop_early ? 2 : 4); i++) {
            must_ok(kvs_txn_iterator_next(iterator, &entry));
            assert_int_equal(entry.key.len, 1);
            assert_memory_equal(entry.key.data, &order[i], 1);
            bool own = order[i] != 'b';
            assert_int_equal(entry.value.len, own ? 3 : 1);
            assert_int_equal(entry.version == 0, own);
        }
        if (!stop_early)
            must(KVS_NOT_FOUND, kvs_txn_iterator_next(iterator, &entry));
        if (round >= 4)
            kvs_txn_iterator_close(iterator);
        /* Within what was covered, or beyond it. */
        const char *inside = stop_early && reverse ? "e" : "aa";
        const char *outside = stop_early ? (reverse ? "c" : "c") : "h";
        if (stop_early && reverse)
            outside = "b";
        put(db, write_inside ? inside : outside, "new");
        must(write_inside ? KVS_CONFLICT : KVS_OK, commit(txn));
        if (round < 4) {
            must(KVS_INVALID, kvs_txn_iterator_next(iterator, &entry)); /* its run has ended */
            kvs_txn_iterator_close(iterator);
        }
        struct kvs_batch *batch;
        must_ok(kvs_batch_new(&batch));
        kvs_batch_remove_range(batch, db, NULL);
        kvs_batch_set(batch, db, B("b"), B("1"), 0);
        kvs_batch_set(batch, db, B("d"), B("1"), 0);
        kvs_batch_set(batch, db, B("f"), B("1"), 0);
        must_ok(kvs_write(db, batch, NULL, NULL));
        kvs_batch_free(batch);
    }
    kvs_txn_iterator_close(NULL);
    kvs_txn_free(txn);
    suite_close(&suite);
}

TEST(writes_made_while_iterating_are_met_when_they_lie_ahead)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs *db = suite.db;
    char key[16];
    for (int i = 0; i < 10; i++) {
        (void)snprintf(key, sizeof key, "k%d", i);
        put(db, key, "x");
    }
    struct kvs_txn *txn = txn_new(db);
    must_ok(kvs_txn_begin(txn, false, false));
    struct kvs_txn_iterator *iterator;
    struct kvs_entry entry;
    must_ok(kvs_txn_iterator_open(txn, db, NULL, false, &iterator));
    char got[256] = "";
    while (kvs_txn_iterator_next(iterator, &entry) == KVS_OK) {
        (void)snprintf(key, sizeof key, "%.*s", (int)entry.key.len, (const char *)entry.key.data);
        strcat(strcat(got, key), " ");
        kvs_txn_remove(txn, db, text_bytes(key)); /* where it stands */
        if (strcmp(key, "k3") == 0) {
            txn_put(txn, db, "k1+", "behind");
            txn_put(txn, db, "k3+", "ahead");
            struct kvs_range range = range_of("k5", "k8");
            kvs_txn_remove_range(txn, db, &range);
        }
    }
    kvs_txn_iterator_close(iterator);
    assert_string_equal(got, "k0 k1 k2 k3 k3+ k4 k8 k9 ");
    must_ok(commit(txn));
    must_list(db, NULL, "k1+");
    kvs_txn_free(txn);
    suite_close(&suite);
}

TEST(a_count_includes_the_runs_own_writes)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs *db = suite.db;
    struct kvs *other;
    must_ok(kvs_space(db, 2, &other));
    char key[16];
    for (int i = 0; i < 20; i++) {
        (void)snprintf(key, sizeof key, "%02d", i);
        put(db, key, "x");
        put(other, key, "x");
    }
    struct kvs_txn *txn = txn_new(db);
    uint64_t count;
    for (int with_snapshot = 0; with_snapshot < 2; with_snapshot++) {
        must_ok(kvs_txn_begin(txn, with_snapshot, false));
        txn_put(txn, db, "00", "overwritten");
        txn_put(txn, db, "new", "x");
        kvs_txn_remove(txn, db, B("01"));
        kvs_txn_remove(txn, db, B("not there"));
        must_ok(kvs_txn_count(txn, db, &count));
        assert_int_equal(count, 20);
        struct kvs_range range = range_of("05", "10");
        kvs_txn_remove_range(txn, db, &range);
        txn_put(txn, db, "07", "back");
        kvs_txn_remove_range(txn, other, NULL);
        must_ok(kvs_txn_count(txn, db, &count));
        assert_int_equal(count, 16);
        must_ok(kvs_txn_count(txn, other, &count));
        assert_int_equal(count, 0);
        kvs_txn_set(txn, other, B("gone at once"), B("x"), 1);
        must_ok(kvs_txn_count(txn, other, &count));
        assert_int_equal(count, 0);
        put(db, "somebody else", "x");
        must(KVS_CONFLICT, commit(txn)); /* the whole space was looked at */
        must_ok(kvs_remove(db, B("somebody else")));
    }
    /* A count alone needs no validation; with a write after it the next run counts at a snapshot. */
    must_ok(kvs_txn_begin(txn, false, false));
    must_ok(kvs_txn_count(txn, db, &count));
    assert_int_equal(count, 20);
    put(db, "20", "x");
    must_ok(commit(txn));
    enum kvs_status status = KVS_CONFLICT;
    int runs = 0;
    for (; status == KVS_CONFLICT; runs++) {
        must_ok(kvs_txn_begin(txn, false, false));
        must_ok(kvs_txn_count(txn, db, &count));
        txn_put(txn, db, "21", "x");
        status = commit(txn);
    }
    must_ok(status);
    assert_true(runs <= 2);
    assert_int_equal(count, 21);
    assert_int_equal(count_of(db), 22);
    kvs_txn_free(txn);
    must_ok(kvs_close(other));
    suite_close(&suite);
}

TEST(a_watched_key_that_was_touched_is_a_conflict)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs *db = suite.db;
    put(db, "w", "1");
    put(db, "v", "1");
    struct kvs_txn *txn = txn_new(db);
    struct kvs_snapshot *snapshot;
    for (int round = 0; round < 6; round++) {
        must_ok(kvs_snapshot_open(db, "watch", &snapshot));
        uint64_t since = kvs_snapshot_version(db, snapshot);
        bool touch = round % 3 != 0;
        if (round % 3 == 1)
            put(db, "w", "again");
        if (round % 3 == 2) {
            put(db, "w", "again");
            must_ok(kvs_remove(db, B("w")));
        }
        must_ok(kvs_txn_begin(txn, round < 3, false));
        kvs_txn_if_untouched(txn, db, B("w"), since);
        kvs_txn_if_untouched(txn, db, B("v"), since);
        if (round >= 3)
            txn_put(txn, db, "x", "1");
        must(touch ? KVS_CONFLICT : KVS_OK, commit(txn));
        kvs_snapshot_close(db, snapshot);
    }
    kvs_txn_free(txn);
    suite_close(&suite);
}

TEST(failures_inside_a_run_surface_at_its_commit)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs *db = suite.db;
    unsigned char *bytes = pattern(MIB + 1, 13);
    struct kvs_txn *txn = txn_new(db);
    must_ok(kvs_txn_begin(txn, false, false));
    txn_put(txn, db, "a", "1");
    kvs_txn_set(txn, db, B("b"), (struct kvs_bytes){ bytes, MIB + 1 }, 0);
    must(KVS_TOO_LONG, commit(txn));
    must_list(db, NULL, "");
    must_ok(kvs_txn_begin(txn, false, false));
    for (int i = 0; i < 70; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "%d", i);
        kvs_txn_set(txn, db, text_bytes(key), (struct kvs_bytes){ bytes, MIB }, 0);
    }
    must(KVS_TOO_LONG, commit(txn));
    must_ok(kvs_txn_begin(txn, false, false));
    for (int i = 0; i < 200; i++) /* one key, again and again: only the last counts */
        kvs_txn_set(txn, db, B("k"), (struct kvs_bytes){ bytes, (size_t)MIB - 200 + (size_t)i }, 0);
    must_ok(commit(txn));
    struct suite another;
    suite_open(&another);
    must_ok(kvs_txn_begin(txn, false, false));
    must(KVS_INVALID, kvs_txn_visit(txn, another.db, B("k"), see, &(struct seen){ 0 }));
    kvs_txn_abort(txn);
    must(KVS_INVALID, commit(txn));
    suite_close(&another);
    kvs_txn_free(txn);
    free(bytes);
    suite_close(&suite);
}

TEST(blobs_and_readers_work_in_transactions)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs *db = suite.db;
    unsigned char *bytes = pattern(2 * MIB, 14);
    must_ok(kvs_set(db, B("old"), (struct kvs_bytes){ bytes, 2 * MIB }));
    struct kvs_txn *txn = txn_new(db);
    struct kvs_blob *first;
    struct kvs_blob *second;
    struct kvs_blob *third;
    must_ok(kvs_blob_new(db, &first));
    must_ok(kvs_blob_new(db, &second));
    must_ok(kvs_blob_new(db, &third));
    must_ok(kvs_blob_append(db, first, B("replaced")));
    must_ok(kvs_blob_append(db, second, (struct kvs_bytes){ bytes, MIB + 100 }));
    must_ok(kvs_blob_append(db, third, B("in a removed range")));
    for (int round = 0; round < 2; round++) {
        must_ok(kvs_txn_begin(txn, false, false));
        struct seen seen = { 0 };
        must_ok(kvs_txn_visit(txn, db, B("old"), see, &seen));
        assert_true(seen.value_bytes == 2 * MIB && seen.len == 0);
        struct kvs_reader *reader;
        struct kvs_entry entry;
        must_ok(kvs_txn_reader(txn, db, B("old"), &entry, &reader));
        unsigned char got[100];
        must_ok(kvs_reader_read(db, reader, false, MIB, got, sizeof got));
        assert_memory_equal(got, bytes + MIB, sizeof got);
        kvs_reader_close(db, reader);
        kvs_txn_set_blob(txn, db, B("k"), first, 0);
        kvs_txn_set_blob(txn, db, B("k"), second, 0);
        kvs_txn_set_blob(txn, db, B("r"), third, 0);
        struct kvs_range range = range_of("r", "s");
        kvs_txn_remove_range(txn, db, &range);
        must_ok(kvs_txn_visit(txn, db, B("k"), see, &seen));
        assert_true(seen.value_bytes == MIB + 100 && seen.len == 0);
        must(KVS_INVALID, kvs_txn_reader(txn, db, B("k"), &entry, &reader));
        if (round == 0) {
            must_ok(kvs_set(db, B("old"), (struct kvs_bytes){ bytes, 2 * MIB })); /* in between */
            must(KVS_CONFLICT, commit(txn)); /* the blobs are still ours */
        } else {
            must_ok(commit(txn));
        }
    }
    struct kvs_value value = { 0 };
    must_ok(kvs_get(db, B("k"), &value));
    assert_true(value.len == MIB + 100 && memcmp(value.data, bytes, value.len) == 0);
    kvs_value_done(&value);
    must_lack(db, "r");
    kvs_txn_free(txn);
    free(bytes);
    suite_close(&suite);
}

TEST(a_run_of_very_many_operations_is_one_batch)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs *db = suite.db;

    enum {
        OPS = 20000
    };
    struct kvs_txn *txn = txn_new(db);
    must_ok(kvs_txn_begin(txn, false, false));
    char key[16];
    for (int i = 0; i < OPS; i++) {
        (void)snprintf(key, sizeof key, "%06d", (i * 7919) % OPS);
        assert_string_equal(txn_get(txn, db, key), "");
        txn_put(txn, db, key, key);
        assert_string_equal(txn_get(txn, db, key), key);
    }
    must_ok(commit(txn));
    assert_int_equal(count_of(db), OPS);
    must_hold(db, "012345", "012345");
    kvs_txn_free(txn);
    suite_close(&suite);
}

TEST(after_many_conflicts_a_run_shuts_other_writers_out)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs *db = suite.db;
    put(db, "k", "0");
    struct kvs_txn *txn = txn_new(db);
    int conflicts = 0;
    struct kvs_batch *batch;
    must_ok(kvs_batch_new(&batch));
    kvs_batch_set(batch, db, B("k"), B("rival"), 0);
    struct kvs_write_options rival = { .park = true };
    for (;;) {
        must_ok(kvs_txn_begin(txn, false, false));
        (void)txn_get(txn, db, "k");
        txn_put(txn, db, "k", "mine");
        rival.no_block = !suite_may_block() || conflicts == 8;
        /* The rival writes in the middle of each run, until it cannot. */
        enum kvs_status rivals = kvs_write(db, batch, &rival, NULL);
        if (rivals == KVS_WOULD_BLOCK)
            break;
        must_ok(rivals);
        must(KVS_CONFLICT, commit(txn));
        assert_true(++conflicts < 100);
        must(conflicts < 8 ? KVS_OK : KVS_WOULD_BLOCK, kvs_txn_begin(txn, false, true));
    }
    assert_int_equal(conflicts, 8);
    struct kvs_txn *other = txn_new(db); /* a transaction's commit meets the gate too */
    must_ok(kvs_txn_begin(other, false, true));
    txn_put(other, db, "k", "other");
    must(KVS_WOULD_BLOCK, commit(other));
    must_ok(commit(txn));
    must_hold(db, "k", "mine");
    rival.no_block = !suite_may_block();
    must_ok(kvs_write(db, batch, &rival, NULL)); /* open again */
    must_ok(kvs_txn_begin(txn, false, true));
    kvs_txn_free(other);
    kvs_txn_free(txn);
    kvs_batch_free(batch);
    suite_close(&suite);
}

TEST(giving_a_run_up_lets_other_writers_in)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs *db = suite.db;
    struct kvs_txn *txn = txn_new(db);
    for (int way = 0; way < 2; way++) {
        for (int i = 0; i < 8; i++) {
            must_ok(kvs_txn_begin(txn, false, false));
            (void)txn_get(txn, db, "k");
            txn_put(txn, db, "k", "mine");
            put(db, "k", "rival");
            must(KVS_CONFLICT, commit(txn));
        }
        must_ok(kvs_txn_begin(txn, true, false)); /* holds the gate */
        if (way == 0)
            kvs_txn_abort(txn);
        else
            kvs_txn_free(txn);
        put(db, "k", "rival");
        if (way == 0) {
            kvs_txn_free(txn);
            txn = txn_new(db);
        }
    }
    suite_close(&suite);
}

/* Threads move money between accounts; the sum stays. */
enum {
    ACCOUNTS = 5,
    MOVES = 60,
    MOVERS = 4,
    START = 100
};

struct mover {
    struct kvs *db;
    unsigned seed;
    bool failed;
    pthread_t thread;
};

static void see_amount(void *ctx, const struct kvs_entry *entry)
{
    memcpy(ctx, entry->value.data, sizeof(int));
}

static void *move_money(void *arg)
{
    struct mover *mover = arg;
    struct kvs_txn *txn;
    if (kvs_txn_new(mover->db, &txn) != KVS_OK) {
        mover->failed = true;
        return NULL;
    }
    for (int i = 0; i < MOVES && !mover->failed;) {
        mover->seed = mover->seed * 1103515245 + 12345;
        char from[2] = { (char)('a' + mover->seed / 65536 % ACCOUNTS), 0 };
        char to[2] = { (char)('a' + mover->seed / 1048576 % ACCOUNTS), 0 };
        int had = 0;
        int has = 0;
        if (strcmp(from, to) == 0) {
            i++;
            continue;
        }
        bool bad = kvs_txn_begin(txn, i % 2 == 0, false) != KVS_OK ||
                   kvs_txn_visit(txn, mover->db, text_bytes(from), see_amount, &had) != KVS_OK ||
                   kvs_txn_visit(txn, mover->db, text_bytes(to), see_amount, &has) != KVS_OK;
        had -= 1;
        has += 1;
        kvs_txn_set(txn, mover->db, text_bytes(from), (struct kvs_bytes){ &had, sizeof had }, 0);
        kvs_txn_set(txn, mover->db, text_bytes(to), (struct kvs_bytes){ &has, sizeof has }, 0);
        enum kvs_status status = kvs_txn_commit(txn, KVS_DURABILITY_NO, NULL, NULL);
        mover->failed = bad || (status != KVS_OK && status != KVS_CONFLICT);
        i += status == KVS_OK;
    }
    kvs_txn_free(txn);
    return NULL;
}

static int sum_of(struct kvs *db, struct kvs_txn *txn)
{
    int sum = 0;
    must_ok(kvs_txn_begin(txn, true, false));
    struct kvs_txn_iterator *iterator;
    struct kvs_entry entry;
    must_ok(kvs_txn_iterator_open(txn, db, NULL, false, &iterator));
    while (kvs_txn_iterator_next(iterator, &entry) == KVS_OK) {
        int amount;
        memcpy(&amount, entry.value.data, sizeof amount);
        sum += amount;
    }
    kvs_txn_iterator_close(iterator);
    must_ok(commit(txn));
    return sum;
}

TEST(concurrent_transactions_are_serializable)
{
    struct suite suite;
    suite_open(&suite);
    for (int i = 0; i < ACCOUNTS; i++) {
        char key[2] = { (char)('a' + i), 0 };
        int amount = START;
        put_bytes(suite.db, text_bytes(key), (struct kvs_bytes){ &amount, sizeof amount });
    }
    struct mover movers[MOVERS];
    for (unsigned i = 0; i < MOVERS; i++) {
        movers[i] = (struct mover){ .db = suite.db, .seed = (unsigned)test_seed() + i };
        assert_int_equal(pthread_create(&movers[i].thread, NULL, move_money, &movers[i]), 0);
    }
    struct kvs_txn *txn = txn_new(suite.db);
    for (int i = 0; i < 50; i++)
        assert_int_equal(sum_of(suite.db, txn), ACCOUNTS * START);
    for (int i = 0; i < MOVERS; i++) {
        assert_int_equal(pthread_join(movers[i].thread, NULL), 0);
        assert_false(movers[i].failed);
    }
    assert_int_equal(sum_of(suite.db, txn), ACCOUNTS * START);
    kvs_txn_free(txn);
    suite_close(&suite);
}
