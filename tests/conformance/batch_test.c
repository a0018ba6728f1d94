/*
 * batch_test.c - batches: order of operations, conditions, limits, reuse, all or nothing.
 */
#include "tests/conformance/suite.h"

static struct kvs_batch *batch_new(void)
{
    struct kvs_batch *batch;
    must_ok(kvs_batch_new(&batch));
    return batch;
}

TEST(a_batch_is_written_as_one_and_can_be_used_again)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs *db = suite.db;
    struct kvs_batch *batch = batch_new();
    char copied[] = "a";
    kvs_batch_set(batch, db, B("k1"), text_bytes(copied), 0);
    copied[0] = 'X'; /* bytes were copied */
    kvs_batch_set(batch, db, B("k2"), B("b"), 0);
    kvs_batch_remove(batch, db, B("k3"));
    assert_int_equal(kvs_batch_count(batch), 3);
    struct kvs_written written = { 0 };
    must_ok(kvs_write(db, batch, NULL, &written));
    assert_true(written.position > 0);
    must_hold(db, "k1", "a");
    assert_int_equal(version_of(db, "k1"), written.position);
    assert_int_equal(version_of(db, "k2"), written.position);
    struct kvs_marks marks;
    kvs_marks(db, &marks);
    assert_true(marks.durable >= written.position && marks.visible >= written.position);
    struct kvs_written again = { 0 };
    must_ok(kvs_write(db, batch, NULL, &again)); /* it keeps its content */
    assert_true(again.position > written.position);
    kvs_batch_clear(batch);
    assert_int_equal(kvs_batch_count(batch), 0);
    must_ok(kvs_write(db, batch, NULL, &again)); /* nothing to do is fine */
    kvs_batch_set(batch, db, B("k4"), B("d"), 0);
    must_ok(kvs_write(db, batch, NULL, NULL));
    must_list(db, NULL, "k1 k2 k4");
    kvs_batch_free(batch);
    kvs_batch_free(NULL);
    suite_close(&suite);
}

TEST(of_several_operations_on_one_key_the_last_counts)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs *db = suite.db;
    put(db, "c", "old");
    struct kvs_batch *batch = batch_new();
    kvs_batch_set(batch, db, B("a"), B("1"), 0);
    kvs_batch_set(batch, db, B("a"), B("2"), 0);
    kvs_batch_remove(batch, db, B("b"));
    kvs_batch_set(batch, db, B("b"), B("3"), 0);
    kvs_batch_set(batch, db, B("c"), B("4"), 0);
    kvs_batch_remove(batch, db, B("c"));
    kvs_batch_set(batch, db, B("d"), B("5"), 0);
    kvs_batch_remove(batch, db, B("d"));
    must_ok(kvs_write(db, batch, NULL, NULL));
    kvs_batch_free(batch);
    must_list(db, NULL, "a b");
    must_hold(db, "a", "2");
    must_hold(db, "b", "3");
    assert_int_equal(count_of(db), 2);
    if (suite_persistent()) {
        suite_reopen(&suite);
        must_list(suite.db, NULL, "a b");
        must_hold(suite.db, "a", "2");
        assert_int_equal(count_of(suite.db), 2);
    }
    suite_close(&suite);
}

TEST(removed_ranges_count_before_the_other_operations)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs *db = suite.db;
    put(db, "a", "1");
    put(db, "b", "1");
    put(db, "c", "1");
    put(db, "d", "1");
    struct kvs_batch *batch = batch_new();
    struct kvs_range range = range_of("b", "d");
    kvs_batch_set(batch, db, B("bb"), B("new"), 0);
    kvs_batch_set(batch, db, B("c"), B("new"), 0);
    kvs_batch_remove(batch, db, B("a"));
    kvs_batch_remove_range(batch, db, &range);
    must_ok(kvs_write(db, batch, NULL, NULL));
    kvs_batch_free(batch);
    for (int pass = 0; pass < 3; pass++) {
        must_list(suite.db, NULL, "bb c d");
        must_hold(suite.db, "c", "new");
        must_lack(suite.db, "b");
        assert_int_equal(count_of(suite.db), 3);
        if (pass == 0 && suite_persistent())
            suite_reopen(&suite);
        if (pass == 1)
            must_ok(kvs_compact(suite.db));
    }
    suite_close(&suite);
}

TEST(ranges_are_removed_with_open_inverted_and_empty_bounds)
{
    struct suite suite;
    suite_open(&suite);

    static const struct {
        const char *start;
        const char *end;
        const char *left;
    } cases[] = {
        { "b", "c", "a c d" }, { "b", "b", "a b c d" }, { "c", "b", "a b c d" },
        { "c", NULL, "a b" },  { "", "b", "b c d" },    { "bb", "bc", "a b c d" },
        { "", NULL, "" },      { "d", "dd", "a b c" },  { "a", "d", "d" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put(suite.db, "a", "1");
        put(suite.db, "b", "1");
        put(suite.db, "c", "1");
        put(suite.db, "d", "1");
        struct kvs_batch *batch = batch_new();
        struct kvs_range range = range_of(cases[i].start, cases[i].end);
        kvs_batch_remove_range(batch, suite.db, &range);
        must_ok(kvs_write(suite.db, batch, NULL, NULL));
        kvs_batch_free(batch);
        must_list(suite.db, NULL, cases[i].left);
        if (suite_persistent())
            suite_reopen(&suite);
        must_list(suite.db, NULL, suite_persistent() ? cases[i].left : cases[i].left);
    }
    suite_close(&suite);
}

TEST(a_removed_range_can_be_written_again_and_removed_again)
{
    struct suite suite;
    suite_open(&suite);
    for (int round = 0; round < 5; round++) {
        char key[16];
        for (int i = 0; i < 50; i++) {
            (void)snprintf(key, sizeof key, "r%02d", i);
            put(suite.db, key, "x");
        }
        assert_int_equal(count_of(suite.db), 50);
        struct kvs_batch *batch = batch_new();
        struct kvs_range range = range_of("r10", "r40");
        kvs_batch_remove_range(batch, suite.db, round % 2 == 0 ? &range : NULL);
        must_ok(kvs_write(suite.db, batch, NULL, NULL));
        kvs_batch_free(batch);
        assert_int_equal(count_of(suite.db), round % 2 == 0 ? 20 : 0);
        must_lack(suite.db, "r20");
        must(KVS_NOT_FOUND, kvs_remove(suite.db, B("r20")));
        if (round == 2)
            must_ok(kvs_compact(suite.db));
        if (round == 3 && suite_persistent())
            suite_reopen(&suite);
    }
    suite_close(&suite);
}

/* Writes "changed" under the conditions that @fill adds; KVS_CONFLICT must change nothing. */
static enum kvs_status write_if(struct kvs *db, struct kvs_batch *batch, struct kvs_written *ret)
{
    kvs_batch_set(batch, db, B("changed"), B("yes"), 0);
    enum kvs_status status = kvs_write(db, batch, NULL, ret);
    if (status == KVS_OK)
        must_ok(kvs_remove(db, B("changed")));
    else
        must_lack(db, "changed");
    kvs_batch_clear(batch);
    return status;
}

TEST(conditions_on_absence_and_version_hold_or_conflict)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs *db = suite.db;
    put(db, "here", "1");
    uint64_t version = version_of(db, "here");
    struct kvs_batch *batch = batch_new();
    struct kvs_written written;

    kvs_batch_if_absent(batch, db, B("not here"));
    must_ok(write_if(db, batch, NULL));
    kvs_batch_if_absent(batch, db, B("here"));
    must(KVS_CONFLICT, write_if(db, batch, &written));
    assert_int_equal(written.failed_condition, 0);
    assert_true(written.position >= version);
    kvs_batch_if_version(batch, db, B("here"), version);
    must_ok(write_if(db, batch, NULL));
    kvs_batch_if_version(batch, db, B("here"), version + 1);
    must(KVS_CONFLICT, write_if(db, batch, NULL));
    kvs_batch_if_version(batch, db, B("here"), version - 1);
    must(KVS_CONFLICT, write_if(db, batch, NULL));
    kvs_batch_if_version(batch, db, B("not here"), version);
    must(KVS_CONFLICT, write_if(db, batch, NULL));

    kvs_batch_if_version(batch, db, B("here"), version);
    kvs_batch_if_absent(batch, db, B("not here"));
    kvs_batch_if_version(batch, db, B("not here either"), version);
    kvs_batch_if_absent(batch, db, B("here"));
    must(KVS_CONFLICT, write_if(db, batch, &written));
    assert_int_equal(written.failed_condition, 2);

    put(db, "here", "1"); /* the same value, another version */
    kvs_batch_if_version(batch, db, B("here"), version);
    must(KVS_CONFLICT, write_if(db, batch, NULL));
    must_ok(kvs_remove(db, B("here")));
    kvs_batch_if_absent(batch, db, B("here"));
    must_ok(write_if(db, batch, NULL));

    /* Conditions see the state before the batch, its own operations do not count. */
    kvs_batch_if_absent(batch, db, B("own"));
    kvs_batch_set(batch, db, B("own"), B("1"), 0);
    must_ok(write_if(db, batch, NULL));
    kvs_batch_remove(batch, db, B("own"));
    kvs_batch_if_absent(batch, db, B("own"));
    must(KVS_CONFLICT, write_if(db, batch, NULL));
    kvs_batch_free(batch);
    suite_close(&suite);
}

TEST(conditions_alone_are_checked_too)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs *db = suite.db;
    put(db, "k", "v");
    struct kvs_batch *batch = batch_new();
    struct kvs_written written = { 0 };
    struct kvs_marks before;
    struct kvs_marks after;
    kvs_marks(db, &before);
    kvs_batch_if_version(batch, db, B("k"), version_of(db, "k"));
    must_ok(kvs_write(db, batch, NULL, &written));
    assert_true(written.position >= version_of(db, "k"));
    kvs_batch_if_absent(batch, db, B("k"));
    must(KVS_CONFLICT, kvs_write(db, batch, NULL, &written));
    assert_int_equal(written.failed_condition, 1);
    kvs_marks(db, &after);
    assert_int_equal(before.visible, after.visible);
    kvs_batch_free(batch);
    suite_close(&suite);
}

TEST(untouched_sees_writes_and_removals_of_keys_and_ranges)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs *db = suite.db;
    put(db, "b", "1");
    put(db, "d", "1");
    put(db, "n", "1");
    struct kvs_snapshot *snapshot;
    must_ok(kvs_snapshot_open(db, "suite", &snapshot));
    uint64_t since = kvs_snapshot_version(db, snapshot);
    struct kvs_batch *batch = batch_new();
    struct kvs_range b_to_e = range_of("b", "e");
    struct kvs_range e_to_m = range_of("e", "m");
    struct kvs_range m_on = range_of("m", NULL);

    kvs_batch_if_untouched(batch, db, B("b"), NULL, since);
    kvs_batch_if_untouched(batch, db, B("missing"), NULL, since);
    kvs_batch_if_untouched(batch, db, B(""), &b_to_e, since);
    kvs_batch_if_untouched(batch, db, B(""), &e_to_m, since);
    kvs_batch_if_untouched(batch, db, B(""), &m_on, since);
    must_ok(kvs_write(db, batch, NULL, NULL));
    kvs_batch_clear(batch);

    put(db, "c", "new");
    kvs_batch_if_untouched(batch, db, B("c"), NULL, since);
    must(KVS_CONFLICT, write_if(db, batch, NULL));
    kvs_batch_if_untouched(batch, db, B(""), &b_to_e, since);
    must(KVS_CONFLICT, write_if(db, batch, NULL));
    kvs_batch_if_untouched(batch, db, B("b"), NULL, since); /* a key is not its neighbours */
    must_ok(write_if(db, batch, NULL));
    kvs_batch_if_untouched(batch, db, B(""), &e_to_m, since);
    must_ok(write_if(db, batch, NULL));
    kvs_batch_if_untouched(batch, db, B("c"), NULL, version_of(db, "c")); /* not after itself */
    must_ok(write_if(db, batch, NULL));

    must_ok(kvs_remove(db, B("n")));
    kvs_batch_if_untouched(batch, db, B("n"), NULL, since);
    must(KVS_CONFLICT, write_if(db, batch, NULL));
    kvs_batch_if_untouched(batch, db, B(""), &m_on, since);
    must(KVS_CONFLICT, write_if(db, batch, NULL));

    struct kvs_range only_d = range_of("d", "dd");
    kvs_batch_remove_range(batch, db, &only_d);
    must_ok(kvs_write(db, batch, NULL, NULL));
    kvs_batch_clear(batch);
    kvs_batch_if_untouched(batch, db, B("d"), NULL, since);
    must(KVS_CONFLICT, write_if(db, batch, NULL));
    kvs_batch_if_untouched(batch, db, B("b"), NULL, since);
    must_ok(write_if(db, batch, NULL));

    /* Set and removed again: nothing is left but the fact. */
    put(db, "f", "1");
    must_ok(kvs_remove(db, B("f")));
    must_ok(kvs_compact(db));
    kvs_batch_if_untouched(batch, db, B("f"), NULL, since);
    must(KVS_CONFLICT, write_if(db, batch, NULL));
    kvs_batch_if_untouched(batch, db, B(""), &e_to_m, since);
    must(KVS_CONFLICT, write_if(db, batch, NULL));
    kvs_batch_free(batch);
    kvs_snapshot_close(db, snapshot);
    suite_close(&suite);
}

TEST(a_failed_append_sticks_until_the_batch_is_cleared)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs *db = suite.db;
    unsigned char *bytes = pattern(MIB + 1, 5);
    struct kvs_batch *batch = batch_new();
    kvs_batch_set(batch, db, B("a"), B("1"), 0);
    kvs_batch_set(batch, db, B("b"), (struct kvs_bytes){ bytes, MIB + 1 },
                  0); /* over the limit for whole values */
    kvs_batch_set(batch, db, B("c"), B("1"), 0);
    must(KVS_TOO_LONG, kvs_write(db, batch, NULL, NULL));
    assert_non_null(strstr(kvs_error(), "blob"));
    must(KVS_TOO_LONG, kvs_write(db, batch, NULL, NULL));
    must_list(db, NULL, "");
    kvs_batch_clear(batch);
    kvs_batch_set(batch, db, B("a"), B("1"), -5);
    must(KVS_INVALID, kvs_write(db, batch, NULL, NULL));
    kvs_batch_clear(batch);
    kvs_batch_set(batch, db, B("a"), B("1"), 0);
    must_ok(kvs_write(db, batch, NULL, NULL));
    struct kvs_write_options options = { .durability = (enum kvs_durability)42 };
    must(KVS_INVALID, kvs_write(db, batch, &options, NULL));
    kvs_batch_free(batch);
    free(bytes);
    suite_close(&suite);
}

TEST(batches_have_limits_of_bytes_and_operations)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs *db = suite.db;
    unsigned char *bytes = pattern(MIB, 6);
    struct kvs_batch *batch = batch_new();
    char key[16];
    for (int i = 0; i < 63; i++) {
        (void)snprintf(key, sizeof key, "%02d", i);
        kvs_batch_set(batch, db, text_bytes(key), (struct kvs_bytes){ bytes, MIB }, 0);
    }
    must_ok(kvs_write(db, batch, NULL, NULL)); /* close to the limit of 64 MiB */
    kvs_batch_set(batch, db, B("64th"), (struct kvs_bytes){ bytes, MIB }, 0);
    must(KVS_TOO_LONG, kvs_write(db, batch, NULL, NULL));
    assert_int_equal(count_of(db), 63);
    kvs_batch_clear(batch);
    for (int i = 0; i <= KVS_BATCH_OPS_MAX; i++)
        kvs_batch_remove(batch, db, B("x"));
    must(KVS_TOO_LONG, kvs_write(db, batch, NULL, NULL));
    kvs_batch_free(batch);
    free(bytes);
    suite_close(&suite);
}

TEST(a_batch_of_many_operations_is_one)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs_batch *batch = batch_new();
    char key[16];

    enum {
        OPS = 20000
    };

    for (int i = 0; i < OPS; i++) {
        (void)snprintf(key, sizeof key, "m%06d", i);
        kvs_batch_set(batch, suite.db, text_bytes(key), text_bytes(key), 0);
    }
    struct kvs_written written;
    must_ok(kvs_write(suite.db, batch, NULL, &written));
    kvs_batch_free(batch);
    assert_int_equal(count_of(suite.db), OPS);
    assert_int_equal(version_of(suite.db, "m000000"), written.position);
    assert_int_equal(version_of(suite.db, "m019999"), written.position);
    if (suite_persistent()) {
        suite_reopen(&suite);
        assert_int_equal(count_of(suite.db), OPS);
        assert_int_equal(version_of(suite.db, "m012345"), written.position);
    }
    suite_close(&suite);
}
