/*
 * expiry_test.c - records that run out, by the clock that came in at open.
 */
#include "tests/conformance/suite.h"

#define AFTER(ms) (SUITE_START_MS + (ms))

TEST(an_expired_key_is_absent_everywhere)
{
    struct suite suite;
    suite_open(&suite);
    put_until(suite.db, "a", "1", AFTER(1000));
    put_until(suite.db, "b", "2", AFTER(2000));
    put(suite.db, "c", "3");
    must_list(suite.db, NULL, "a b c");
    struct kvs_value value = { 0 };
    must_ok(kvs_get(suite.db, B("a"), &value));
    assert_int_equal(value.expire_ms, AFTER(1000));
    kvs_value_done(&value);
    suite_advance_ms(&suite, 999);
    must_hold(suite.db, "a", "1");
    suite_advance_ms(&suite, 1);
    for (int pass = 0; pass < 3; pass++) {
        must_lack(suite.db, "a");
        must_hold(suite.db, "b", "2");
        must_list(suite.db, NULL, "b c");
        must_list_at(suite.db, NULL, NULL, true, "c b");
        must(KVS_NOT_FOUND, kvs_remove(suite.db, B("a")));
        struct kvs_value values[2] = { 0 };
        struct kvs_bytes keys[2] = { B("a"), B("b") };
        enum kvs_status statuses[2];
        must_ok(kvs_multi_get(suite.db, NULL, 2, keys, values, statuses));
        assert_int_equal(statuses[0], KVS_NOT_FOUND);
        assert_int_equal(statuses[1], KVS_OK);
        kvs_value_done(&values[0]);
        kvs_value_done(&values[1]);
        if (pass == 0)
            must_ok(kvs_compact(suite.db));
        if (pass == 1 && suite_persistent())
            suite_reopen(&suite);
    }
    suite_advance_ms(&suite, 1000);
    must_list(suite.db, NULL, "c");
    suite_advance_ms(&suite, INT64_C(1000) * 3600 * 24 * 365);
    must_list(suite.db, NULL, "c");
    suite_close(&suite);
}

TEST(a_key_set_with_an_expiry_in_the_past_is_absent_at_once)
{
    struct suite suite;
    suite_open(&suite);
    put(suite.db, "k", "old");
    put_until(suite.db, "k", "new", AFTER(-1));
    must_lack(suite.db, "k");
    put_until(suite.db, "l", "new", 1);
    must_lack(suite.db, "l");
    must_list(suite.db, NULL, "");
    if (suite_persistent())
        suite_reopen(&suite);
    must_list(suite.db, NULL, "");
    suite_close(&suite);
}

TEST(overwriting_replaces_the_expiry)
{
    struct suite suite;
    suite_open(&suite);
    put_until(suite.db, "a", "1", AFTER(1000));
    put(suite.db, "a", "2");
    put(suite.db, "b", "1");
    put_until(suite.db, "b", "2", AFTER(1000));
    put_until(suite.db, "c", "1", AFTER(1000));
    put_until(suite.db, "c", "2", AFTER(3000));
    suite_advance_ms(&suite, 1500);
    must_list(suite.db, NULL, "a c");
    put(suite.db, "b", "again"); /* over an expired one */
    must_hold(suite.db, "b", "again");
    if (suite_persistent())
        suite_reopen(&suite);
    if (suite_persistent())
        must_list(suite.db, NULL, "a b c");
    suite_close(&suite);
}

TEST(for_conditions_an_expired_key_is_absent)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs *db = suite.db;
    put_until(db, "k", "1", AFTER(1000));
    uint64_t version = version_of(db, "k");
    struct kvs_batch *batch;
    must_ok(kvs_batch_new(&batch));
    kvs_batch_if_absent(batch, db, B("k"));
    must(KVS_CONFLICT, kvs_write(db, batch, NULL, NULL));
    suite_advance_ms(&suite, 1000);
    must_ok(kvs_write(db, batch, NULL, NULL));
    kvs_batch_clear(batch);
    kvs_batch_if_version(batch, db, B("k"), version);
    must(KVS_CONFLICT, kvs_write(db, batch, NULL, NULL));
    kvs_batch_free(batch);
    suite_close(&suite);
}

TEST(time_never_goes_back_for_what_has_expired)
{
    struct suite suite;
    suite_open(&suite);
    put_until(suite.db, "k", "1", AFTER(1000));
    put_until(suite.db, "l", "1", AFTER(100000));
    suite_advance_ms(&suite, 2000);
    must_lack(suite.db, "k");
    put(suite.db, "m", "1"); /* a write carries the time into the store */
    suite_advance_ms(&suite, -1500);
    must_lack(suite.db, "k");
    must_hold(suite.db, "l", "1");
    if (suite_persistent())
        suite_reopen(&suite);
    must_lack(suite.db, "k");
    suite_close(&suite);
}

TEST(a_snapshot_keeps_its_time)
{
    struct suite suite;
    suite_open(&suite);
    put_until(suite.db, "k", "1", AFTER(1000));
    struct kvs_snapshot *snapshot;
    must_ok(kvs_snapshot_open(suite.db, "suite", &snapshot));
    suite_advance_ms(&suite, 5000);
    must_lack(suite.db, "k");
    must_hold_at(suite.db, snapshot, B("k"), B("1"));
    must_list_at(suite.db, snapshot, NULL, false, "k");
    must_ok(kvs_compact(suite.db));
    must_hold_at(suite.db, snapshot, B("k"), B("1"));
    kvs_snapshot_close(suite.db, snapshot);
    must_lack(suite.db, "k");
    suite_close(&suite);
}

TEST(expired_records_are_reclaimed)
{
    struct suite suite;
    suite_open(&suite);
    char key[16];
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(key, sizeof key, "e%03d", i);
        put_until(suite.db, key, "some bytes to reclaim", AFTER(1000 + i % 7));
    }
    put(suite.db, "stays", "x");
    suite_advance_ms(&suite, INT64_C(1000) * 3600 * 24);
    must_ok(kvs_compact(suite.db));
    must_list(suite.db, NULL, "stays");
    suite_advance_ms(&suite, INT64_C(1000) * 3600 * 24); /* past any grace period */
    must_ok(kvs_compact(suite.db));
    assert_true(count_of(suite.db) == 1);
    suite_close(&suite);
}
