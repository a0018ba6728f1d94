/*
 * snapshot_test.c - what a snapshot sees while the store changes under it, and iterators over it.
 */
#include "tests/conformance/suite.h"

static struct kvs_snapshot *snapshot_of(struct kvs *db)
{
    struct kvs_snapshot *snapshot;
    must_ok(kvs_snapshot_open(db, "suite", &snapshot));
    return snapshot;
}

static void remove_range(struct kvs *db, const char *start, const char *end)
{
    struct kvs_batch *batch;
    must_ok(kvs_batch_new(&batch));
    struct kvs_range range = range_of(start, end);
    kvs_batch_remove_range(batch, db, &range);
    must_ok(kvs_write(db, batch, NULL, NULL));
    kvs_batch_free(batch);
}

TEST(a_snapshot_sees_what_was_there_when_it_was_opened)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs *db = suite.db;
    struct kvs_snapshot *empty = snapshot_of(db);
    put(db, "a", "1");
    put(db, "b", "1");
    put(db, "c", "1");
    struct kvs_snapshot *first = snapshot_of(db);
    assert_true(kvs_snapshot_version(db, first) >= version_of(db, "c"));
    put(db, "a", "2");
    must_ok(kvs_remove(db, B("b")));
    put(db, "d", "1");
    struct kvs_snapshot *second = snapshot_of(db);
    remove_range(db, "a", NULL);
    put(db, "c", "3");
    for (int pass = 0; pass < 2; pass++) {
        must_list_at(db, empty, NULL, false, "");
        must_list_at(db, first, NULL, false, "a b c");
        must_list_at(db, second, NULL, false, "a c d");
        must_list_at(db, NULL, NULL, false, "c");
        must_list_at(db, first, NULL, true, "c b a");
        must_list_at(db, second, NULL, true, "d c a");
        must_hold_at(db, first, B("a"), B("1"));
        must_hold_at(db, first, B("b"), B("1"));
        must_lack_at(db, first, B("d"));
        must_hold_at(db, second, B("a"), B("2"));
        must_lack_at(db, second, B("b"));
        must_hold_at(db, second, B("c"), B("1"));
        must_lack(db, "a");
        must_hold(db, "c", "3");
        struct kvs_read read = { .snapshot = first };
        uint64_t count;
        bool exact;
        must_ok(kvs_count(db, &read, NULL, &count, &exact, NULL));
        assert_true(!exact || count == 3);
        if (pass == 0) {
            must_ok(kvs_compact(db)); /* keeps what snapshots see */
            for (int i = 0; i < 20; i++)
                put(db, "a", "again and again");
            remove_range(db, "a", "b");
        }
    }
    kvs_snapshot_close(db, second);
    must_list_at(db, first, NULL, false, "a b c");
    kvs_snapshot_close(db, first);
    kvs_snapshot_close(db, empty);
    kvs_snapshot_close(db, NULL);
    must_ok(kvs_compact(db));
    must_list(db, NULL, "c");
    suite_close(&suite);
}

TEST(many_versions_of_a_key_are_each_seen_by_their_snapshot)
{
    struct suite suite;
    suite_open(&suite);

    enum {
        VERSIONS = 30
    };
    struct kvs_snapshot *snapshots[VERSIONS];
    char value[16];
    for (int i = 0; i < VERSIONS; i++) {
        (void)snprintf(value, sizeof value, "v%d", i);
        if (i % 5 == 4)
            must_ok(kvs_remove(suite.db, B("k")));
        else
            put(suite.db, "k", value);
        put(suite.db, "k2", value);
        snapshots[i] = snapshot_of(suite.db);
        if (i % 10 == 9)
            must_ok(kvs_compact(suite.db));
    }
    for (int step = 0; step < VERSIONS; step++) {
        int at = step * 7 % VERSIONS; /* closed in another order than opened */
        for (int i = 0; i < VERSIONS; i++) {
            if (snapshots[i] == NULL)
                continue;
            (void)snprintf(value, sizeof value, "v%d", i);
            if (i % 5 == 4)
                must_lack_at(suite.db, snapshots[i], B("k"));
            else
                must_hold_at(suite.db, snapshots[i], B("k"), text_bytes(value));
            must_hold_at(suite.db, snapshots[i], B("k2"), text_bytes(value));
        }
        kvs_snapshot_close(suite.db, snapshots[at]);
        snapshots[at] = NULL;
        if (step % 7 == 0)
            must_ok(kvs_compact(suite.db));
    }
    suite_close(&suite);
}

TEST(a_snapshot_spans_all_key_spaces)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs *other;
    must_ok(kvs_space(suite.db, 9, &other));
    put(suite.db, "a", "1");
    put(other, "b", "1");
    struct kvs_snapshot *snapshot = snapshot_of(other);
    put(suite.db, "a", "2");
    put(other, "b", "2");
    must_hold_at(suite.db, snapshot, B("a"), B("1"));
    must_hold_at(other, snapshot, B("b"), B("1"));
    must_list_at(other, snapshot, NULL, false, "b");
    kvs_snapshot_close(suite.db, snapshot);
    must_ok(kvs_close(other));
    suite_close(&suite);
}

TEST(iterators_honour_bounds_prefixes_and_direction)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs *db = suite.db;
    static const char *const keys[] = { "a", "aa", "ab", "b", "ba", "c\xff", "c\xff\xff", "d" };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        put(db, keys[i], "x");
    put_bytes(db, B(""), B("empty")); /* does not show in lists of keys */

    static const struct {
        const char *start;
        const char *end;
        const char *forward;
        const char *backward;
    } cases[] = {
        { "a", "b", "a aa ab", "ab aa a" },
        { "aa", "aa", "", "" },
        { "b", "a", "", "" },
        { "aaa", "b", "ab", "ab" },
        { "b", NULL, "b ba c\xff c\xff\xff d", "d c\xff\xff c\xff ba b" },
        { "d", NULL, "d", "d" },
        { "da", NULL, "", "" },
        { "ba", "c", "ba", "ba" },
        { "b", "ba", "b", "b" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kvs_range range = range_of(cases[i].start, cases[i].end);
        must_list_at(db, NULL, &range, false, cases[i].forward);
        must_list_at(db, NULL, &range, true, cases[i].backward);
    }
    char end[16];
    struct kvs_range prefix = kvs_prefix_range(B("a"), end);
    must_list(db, &prefix, "a aa ab");
    prefix = kvs_prefix_range(B("c\xff"), end);
    must_list(db, &prefix, "c\xff c\xff\xff");
    prefix = kvs_prefix_range(B("\xff\xff"), end);
    must_list(db, &prefix, "");
    prefix = kvs_prefix_range(B(""), end);
    must_list(db, &prefix, "a aa ab b ba c\xff c\xff\xff d");
    suite_close(&suite);
}

TEST(an_iterator_stays_at_its_version_while_the_store_changes)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs *db = suite.db;
    char key[16];

    enum {
        KEYS = 500
    };

    for (int i = 0; i < KEYS; i++) {
        (void)snprintf(key, sizeof key, "i%03d", i);
        put(db, key, "old");
    }
    for (int reverse = 0; reverse < 2; reverse++) {
        struct kvs_iterator *iterator;
        struct kvs_entry entry;
        must_ok(kvs_iterator_open(db, NULL, NULL, reverse, &iterator));
        assert_non_null(kvs_iterator_snapshot(db, iterator));
        for (int i = 0; i < KEYS; i++) {
            int at = reverse ? KEYS - 1 - i : i;
            must_ok(kvs_iterator_next(db, iterator, false, &entry));
            (void)snprintf(key, sizeof key, "i%03d", at);
            assert_int_equal(entry.key.len, 4);
            assert_memory_equal(entry.key.data, key, 4);
            assert_int_equal(entry.value.len, 3);
            assert_memory_equal(entry.value.data, "old", 3);
            assert_true(kvs_iterator_position(db, iterator) >= entry.version);
            /* Changes before, at and ahead of where it stands. */
            (void)snprintf(key, sizeof key, "i%03d", (at * 7 + 13) % KEYS);
            put(db, key, "new");
            (void)snprintf(key, sizeof key, "i%03d+", at);
            put(db, key, "between");
            if (i == KEYS / 2)
                remove_range(db, "i", "j");
            if (i % 100 == 50)
                must_ok(kvs_compact(db));
        }
        must(KVS_NOT_FOUND, kvs_iterator_next(db, iterator, false, &entry));
        must_hold_at(db, kvs_iterator_snapshot(db, iterator), B("i007"), B("old"));
        kvs_iterator_close(db, iterator);
        remove_range(db, "", NULL);
        for (int i = 0; i < KEYS; i++) {
            (void)snprintf(key, sizeof key, "i%03d", i);
            put(db, key, "old");
        }
    }
    kvs_iterator_close(db, NULL);
    suite_close(&suite);
}

TEST(an_iterator_shows_large_values_without_their_bytes)
{
    struct suite suite;
    suite_open(&suite);
    unsigned char *bytes = pattern(2 * MIB, 7);
    must_ok(kvs_set(suite.db, B("b"), (struct kvs_bytes){ bytes, 2 * MIB }));
    must_ok(kvs_set(suite.db, B("a"), (struct kvs_bytes){ bytes, MIB }));
    struct kvs_iterator *iterator;
    struct kvs_entry entry;
    must_ok(kvs_iterator_open(suite.db, NULL, NULL, false, &iterator));
    must_ok(kvs_iterator_next(suite.db, iterator, false, &entry));
    assert_true(entry.value.len == MIB && memcmp(entry.value.data, bytes, MIB) == 0);
    must_ok(kvs_iterator_next(suite.db, iterator, false, &entry));
    assert_true(entry.value.data == NULL && entry.value.len == 0 && entry.value_bytes == 2 * MIB);
    put(suite.db, "b", "small now");
    struct kvs_read read = { .snapshot = kvs_iterator_snapshot(suite.db, iterator) };
    struct kvs_value value = { 0 };
    must_ok(kvs_get_at(suite.db, &read, B("b"), &value));
    assert_true(value.len == 2 * MIB && memcmp(value.data, bytes, 2 * MIB) == 0);
    kvs_value_done(&value);
    kvs_iterator_close(suite.db, iterator);
    free(bytes);
    suite_close(&suite);
}
