/*
 * value_test.c - keys and values of all sizes; getting, visiting, many at once, removing, counting, sampling.
 */
#include "base/bytes.h"
#include "tests/conformance/suite.h"

TEST(what_was_set_is_read_and_overwritten)
{
    struct suite suite;
    suite_open(&suite);
    must_lack(suite.db, "k");
    must_ok(kvs_set(suite.db, B("k"), B("one")));
    must_hold(suite.db, "k", "one");
    uint64_t first = version_of(suite.db, "k");
    must_ok(kvs_set(suite.db, B("k"), B("two")));
    must_hold(suite.db, "k", "two");
    assert_true(version_of(suite.db, "k") > first);
    must_lack(suite.db, "kk");
    must_lack(suite.db, "");
    suite_close(&suite);
}

TEST(removing_says_whether_there_was_something)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs_marks before;
    struct kvs_marks after;
    kvs_marks(suite.db, &before);
    must(KVS_NOT_FOUND, kvs_remove(suite.db, B("k")));
    kvs_marks(suite.db, &after);
    assert_int_equal(before.visible, after.visible); /* nothing was written */
    must_ok(kvs_set(suite.db, B("k"), B("v")));
    must_ok(kvs_remove(suite.db, B("k")));
    must_lack(suite.db, "k");
    must(KVS_NOT_FOUND, kvs_remove(suite.db, B("k")));
    must_ok(kvs_set(suite.db, B("k"), B("again")));
    must_hold(suite.db, "k", "again");
    suite_close(&suite);
}

TEST(the_empty_key_and_the_empty_value_are_like_any_other)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs_bytes nothing = { NULL, 0 };
    must_ok(kvs_set(suite.db, nothing, B("empty key")));
    must_ok(kvs_set(suite.db, B("empty value"), nothing));
    for (int pass = 0; pass < 2; pass++) {
        must_hold(suite.db, "", "empty key");
        must_hold(suite.db, "empty value", "");
        assert_int_equal(count_of(suite.db), 2);
        if (pass == 0 && suite_persistent())
            suite_reopen(&suite);
    }
    struct kvs_value value = { 0 };
    must_ok(kvs_get(suite.db, B("empty value"), &value));
    assert_int_equal(value.len, 0);
    kvs_value_done(&value);
    must_ok(kvs_remove(suite.db, nothing));
    must_lack(suite.db, "");
    suite_close(&suite);
}

TEST(keys_may_be_as_long_as_the_engine_says_and_no_longer)
{
    struct suite suite;
    suite_open(&suite);
    size_t max = suite_key_max();
    unsigned char *key = pattern(max + 1, 1);
    size_t lens[] = { 1, 510, 511, 512, 513, 4096, max - 1, max };
    size_t count = sizeof lens / sizeof lens[0];
    if (max < 4096) { /* only what fits */
        lens[1] = max - 1;
        lens[2] = max;
        count = 3;
    }
    for (size_t i = 0; i < count; i++)
        put_bytes(suite.db, (struct kvs_bytes){ key, lens[i] }, (struct kvs_bytes){ key, i });
    struct kvs_bytes long_key = { key, max + 1 };
    must(KVS_TOO_LONG, kvs_set(suite.db, long_key, B("v")));
    char limit[32];
    (void)snprintf(limit, sizeof limit, "at most %zu", max);
    assert_non_null(strstr(kvs_error(), limit));
    must(KVS_TOO_LONG, kvs_remove(suite.db, long_key));
    struct kvs_value value = { 0 };
    must(KVS_TOO_LONG, kvs_get(suite.db, long_key, &value));
    enum kvs_status status;
    must(KVS_TOO_LONG, kvs_multi_get(suite.db, NULL, 1, &long_key, &value, &status));
    struct kvs_batch *batch;
    must_ok(kvs_batch_new(&batch));
    kvs_batch_set(batch, suite.db, B("good"), B("v"), 0);
    kvs_batch_set(batch, suite.db, long_key, B("v"), 0);
    must(KVS_TOO_LONG, kvs_write(suite.db, batch, NULL, NULL));
    kvs_batch_free(batch);
    must_lack(suite.db, "good");
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < count; i++)
            must_hold_at(suite.db, NULL, (struct kvs_bytes){ key, lens[i] },
                         (struct kvs_bytes){ key, i });
        assert_int_equal(count_of(suite.db), count);
        if (pass == 0 && suite_persistent())
            suite_reopen(&suite);
    }
    /* Bounds that exclude the longest key need one byte more. */
    struct kvs_range after = { .start = { key, max + 1 } };
    struct kvs_iterator *iterator;
    struct kvs_entry entry;
    key[max] = 0;
    must_ok(kvs_iterator_open(suite.db, NULL, &after, false, &iterator));
    must(KVS_NOT_FOUND, kvs_iterator_next(suite.db, iterator, false, &entry));
    kvs_iterator_close(suite.db, iterator);
    free(key);
    suite_close(&suite);
}

TEST(values_of_all_sizes_come_back_byte_for_byte)
{
    struct suite suite;
    suite_open(&suite);
    static const size_t lens[] = {
        1,       2,   255,     256,         4095,           65535,         65536, 65537,
        MIB - 1, MIB, MIB + 1, 3 * MIB + 7, 5 * MIB - 4096, 64 * 1024 * 3, 100000
    };
    size_t count = sizeof lens / sizeof lens[0];
    unsigned char *bytes = pattern(6 * MIB, 2);
    char key[16];
    for (size_t i = 0; i < count; i++) {
        (void)snprintf(key, sizeof key, "v%zu", i);
        must_ok(kvs_set(suite.db, text_bytes(key), (struct kvs_bytes){ bytes + i, lens[i] }));
    }
    struct kvs_value value = { 0 }; /* one for all: its memory is reused */
    for (int pass = 0; pass < 3; pass++) {
        for (size_t i = 0; i < count; i++) {
            (void)snprintf(key, sizeof key, "v%zu", i);
            must_ok(kvs_get(suite.db, text_bytes(key), &value));
            assert_int_equal(value.len, lens[i]);
            assert_true(memcmp(value.data, bytes + i, lens[i]) == 0);
            assert_true(value.version != 0 && value.position >= value.version);
        }
        if (pass == 0 && suite_persistent())
            suite_reopen(&suite);
        if (pass == 1)
            must_ok(kvs_compact(suite.db));
    }
    kvs_value_done(&value);
    free(bytes);
    suite_close(&suite);
}

struct seen {
    int calls;
    size_t key_len;
    char key[64];
    size_t value_len;
    uint64_t value_bytes;
    bool has_data;
    int64_t expire_ms;
};

static void see(void *ctx, const struct kvs_entry *entry)
{
    struct seen *seen = ctx;
    seen->calls++;
    seen->key_len = entry->key.len;
    if (entry->key.len < sizeof seen->key && entry->key.len != 0)
        memcpy(seen->key, entry->key.data, entry->key.len);
    seen->value_len = entry->value.len;
    seen->value_bytes = entry->value_bytes;
    seen->has_data = entry->value.data != NULL;
    seen->expire_ms = entry->expire_ms;
}

TEST(a_visit_shows_the_users_key_and_only_small_values)
{
    struct suite suite;
    suite_open(&suite);
    unsigned char *bytes = pattern(MIB + 1, 3);
    put_until(suite.db, "small", "value", SUITE_START_MS + 5000);
    must_ok(kvs_set(suite.db, B("one"), (struct kvs_bytes){ bytes, MIB }));
    must_ok(kvs_set(suite.db, B("more"), (struct kvs_bytes){ bytes, MIB + 1 }));
    struct seen seen = { 0 };
    uint64_t position = 0;
    must_ok(kvs_visit(suite.db, NULL, B("small"), see, &seen, &position));
    assert_int_equal(seen.calls, 1);
    assert_int_equal(seen.key_len, 5);
    assert_memory_equal(seen.key, "small", 5);
    assert_int_equal(seen.value_len, 5);
    assert_int_equal(seen.value_bytes, 5);
    assert_int_equal(seen.expire_ms, SUITE_START_MS + 5000);
    assert_true(position >= version_of(suite.db, "small"));
    must_ok(kvs_visit(suite.db, NULL, B("one"), see, &seen, NULL));
    assert_true(seen.has_data && seen.value_len == MIB && seen.value_bytes == MIB &&
                seen.expire_ms == 0);
    must_ok(kvs_visit(suite.db, NULL, B("more"), see, &seen, NULL));
    assert_true(!seen.has_data && seen.value_len == 0 && seen.value_bytes == MIB + 1);
    must(KVS_NOT_FOUND, kvs_visit(suite.db, NULL, B("none"), see, &seen, &position));
    assert_int_equal(seen.calls, 3);
    free(bytes);
    suite_close(&suite);
}

TEST(many_keys_are_read_at_once)
{
    struct suite suite;
    suite_open(&suite);

    enum {
        MANY = 200
    };

    unsigned char *bytes = pattern(2 * MIB, 4);
    struct kvs_bytes keys[MANY];
    struct kvs_value *values = calloc(MANY, sizeof *values);
    enum kvs_status statuses[MANY];
    char names[MANY][16];
    for (int i = 0; i < MANY; i++) {
        (void)snprintf(names[i], sizeof names[i], "m%d", i / 2 * 2); /* every key twice */
        keys[i] = text_bytes(names[i]);
        if (i % 4 == 0)
            put(suite.db, names[i], names[i]);
    }
    for (int pass = 0; pass < 2; pass++) {
        must_ok(kvs_multi_get(suite.db, NULL, MANY, keys, values, statuses));
        for (int i = 0; i < MANY; i++) {
            assert_int_equal(statuses[i], i / 2 % 2 == 0 ? KVS_OK : KVS_NOT_FOUND);
            if (statuses[i] == KVS_OK && !(pass == 1 && i < 2))
                assert_memory_equal(values[i].data, keys[i].data, keys[i].len);
        }
        if (pass == 1)
            assert_true(values[1].len == 2 * MIB && memcmp(values[1].data, bytes, 2 * MIB) == 0);
        must_ok(kvs_set(suite.db, B("m0"),
                        (struct kvs_bytes){ bytes, 2 * MIB })); /* one large among them */
    }
    for (int i = 0; i < MANY; i++)
        kvs_value_done(&values[i]);
    must_ok(kvs_multi_get(suite.db, NULL, 0, NULL, NULL, NULL));
    /* A hint changes nothing, whatever the keys are. */
    static const char long_key[KVS_KEY_MAX + 1];
    keys[1] = (struct kvs_bytes){ long_key, sizeof long_key };
    keys[2] = (struct kvs_bytes){ NULL, 0 };
    kvs_prefetch(suite.db, MANY, keys);
    kvs_prefetch(suite.db, 2, keys);
    kvs_prefetch(suite.db, 0, NULL);
    struct seen seen[3] = { 0 };
    void *ctxs[3] = { &seen[0], &seen[1], &seen[2] };
    struct kvs_bytes three[3] = { B("m4"), B("m6"), B("m0") };
    must_ok(kvs_multi_visit(suite.db, NULL, 3, three, see, ctxs, statuses, NULL));
    assert_true(seen[0].calls == 1 && seen[1].calls == 0 && seen[2].calls == 1);
    assert_memory_equal(seen[0].key, "m4", 2);
    assert_true(!seen[2].has_data && seen[2].value_bytes == 2 * MIB);
    free(values);
    free(bytes);
    suite_close(&suite);
}

TEST(counting_follows_every_change)
{
    struct suite suite;
    suite_open(&suite);
    char key[16];
    assert_int_equal(count_of(suite.db), 0);
    for (int i = 0; i < 100; i++) {
        (void)snprintf(key, sizeof key, "c%02d", i);
        put(suite.db, key, "1");
        put(suite.db, key, "2");
        assert_int_equal(count_of(suite.db), i + 1);
    }
    uint64_t count;
    bool exact;
    struct kvs_range range = range_of("c10", "c20");
    must_ok(kvs_count(suite.db, NULL, &range, &count, &exact, NULL));
    assert_true(!exact || count == 10);
    range = range_of("c20", "c10");
    must_ok(kvs_count(suite.db, NULL, &range, &count, NULL, NULL));
    assert_int_equal(count, 0);
    for (int i = 0; i < 100; i += 2) {
        (void)snprintf(key, sizeof key, "c%02d", i);
        must_ok(kvs_remove(suite.db, text_bytes(key)));
    }
    assert_int_equal(count_of(suite.db), 50);
    if (suite_persistent()) {
        suite_reopen(&suite);
        assert_int_equal(count_of(suite.db), 50);
    }
    suite_close(&suite);
}

TEST(a_sample_is_a_key_that_exists_and_reaches_all)
{
    struct suite suite;
    suite_open(&suite);
    struct seen seen = { 0 };
    must(KVS_NOT_FOUND, kvs_sample(suite.db, NULL, 7, see, &seen, NULL));
    struct kvs *other;
    must_ok(kvs_space(suite.db, 1, &other));
    put(other, "elsewhere", "x");
    must(KVS_NOT_FOUND, kvs_sample(suite.db, NULL, 7, see, &seen, NULL));

    enum {
        KEYS = 20
    };

    int hits[KEYS] = { 0 };
    char key[16];
    for (int i = 0; i < KEYS; i++) {
        (void)snprintf(key, sizeof key, "s%02d", i);
        put(suite.db, key, "x");
        (void)snprintf(key, sizeof key, "t%02d", i); /* removed again: never sampled */
        put(suite.db, key, "x");
        must_ok(kvs_remove(suite.db, text_bytes(key)));
    }
    uint64_t random = test_seed();
    for (int i = 0; i < 5000; i++) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint64_t mixed = random ^ (random >> 29);
        must_ok(kvs_sample(suite.db, NULL, mixed, see, &seen, NULL));
        assert_true(seen.key_len == 3 && seen.key[0] == 's');
        hits[(seen.key[1] - '0') * 10 + seen.key[2] - '0']++;
    }
    for (int i = 0; i < KEYS; i++)
        assert_true(hits[i] > 0);
    must_ok(kvs_close(other));
    suite_close(&suite);
}

TEST(binary_keys_sort_as_unsigned_bytes_shorter_first)
{
    struct suite suite;
    suite_open(&suite);
    static const struct kvs_bytes keys[] = {
        { "", 0 },     { "\0", 1 },     { "\0\0", 2 },     { "\0\xff", 2 },   { "\x01", 1 },
        { "a", 1 },    { "a\0", 2 },    { "a\0b", 3 },     { "ab", 2 },       { "\x7f", 1 },
        { "\x80", 1 }, { "\xff\0", 2 }, { "\xff\xfe", 2 }, { "\xff\xff", 2 },
    };
    size_t count = sizeof keys / sizeof keys[0];
    for (size_t i = 0; i < count; i++)
        put_bytes(suite.db, keys[(i * 5 + 3) % count], B("x"));
    for (int reverse = 0; reverse < 2; reverse++) {
        struct kvs_iterator *iterator;
        struct kvs_entry entry;
        must_ok(kvs_iterator_open(suite.db, NULL, NULL, reverse, &iterator));
        for (size_t i = 0; i < count; i++) {
            must_ok(kvs_iterator_next(suite.db, iterator, false, &entry));
            assert_true(bytes_equal(entry.key, keys[reverse ? count - 1 - i : i]));
        }
        must(KVS_NOT_FOUND, kvs_iterator_next(suite.db, iterator, false, &entry));
        must(KVS_NOT_FOUND, kvs_iterator_next(suite.db, iterator, false, &entry));
        kvs_iterator_close(suite.db, iterator);
    }
    suite_close(&suite);
}
