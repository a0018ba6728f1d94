/*
 * blob_test.c - large values: in through blobs, out through readers, and who owns what.
 */
#include "tests/conformance/suite.h"

static struct kvs_blob *blob_of(struct kvs *db, const unsigned char *bytes, size_t len,
                                size_t piece)
{
    struct kvs_blob *blob;
    must_ok(kvs_blob_new(db, &blob));
    for (size_t off = 0; off < len; off += piece) {
        size_t rest = len - off;
        must_ok(kvs_blob_append(db, blob,
                                (struct kvs_bytes){ bytes + off, rest < piece ? rest : piece }));
    }
    assert_int_equal(kvs_blob_bytes(db, blob), len);
    return blob;
}

static void must_hold_large(struct kvs *db, const char *key, const unsigned char *bytes, size_t len)
{
    struct kvs_value value = { 0 };
    must_ok(kvs_get(db, text_bytes(key), &value));
    assert_int_equal(value.len, len);
    assert_true(len == 0 || memcmp(value.data, bytes, len) == 0);
    kvs_value_done(&value);
}

TEST(a_blob_of_any_size_and_piece_is_a_value)
{
    struct suite suite;
    suite_open(&suite);

    static const struct {
        size_t len;
        size_t piece;
    } cases[] = {
        { 0, 1 },
        { 1, 1 },
        { 1000, 7 },
        { 65536, 65536 },
        { 65537, 65536 },
        { MIB, 4096 },
        { MIB + 1, 100000 },
        { 4 * MIB, 4 * MIB },
        { 3 * MIB - 1, 65535 },
    };

    unsigned char *bytes = pattern(4 * MIB, 8);
    struct kvs_batch *batch;
    must_ok(kvs_batch_new(&batch));
    char key[16];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        (void)snprintf(key, sizeof key, "b%zu", i);
        kvs_batch_set_blob(batch, suite.db, text_bytes(key),
                           blob_of(suite.db, bytes, cases[i].len, cases[i].piece), 0);
    }
    kvs_batch_set(batch, suite.db, B("small"), B("x"), 0);
    must_ok(kvs_write(suite.db, batch, NULL, NULL));
    must(KVS_INVALID, kvs_write(suite.db, batch, NULL, NULL)); /* its blobs are gone */
    kvs_batch_free(batch);
    for (int pass = 0; pass < 3; pass++) {
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
            (void)snprintf(key, sizeof key, "b%zu", i);
            must_hold_large(suite.db, key, bytes, cases[i].len);
        }
        if (pass == 0 && suite_persistent())
            suite_reopen(&suite);
        if (pass == 1)
            must_ok(kvs_compact(suite.db));
    }
    free(bytes);
    suite_close(&suite);
}

TEST(a_blob_stays_the_callers_until_a_write_succeeds)
{
    struct suite suite;
    suite_open(&suite);
    unsigned char *bytes = pattern(2 * MIB, 9);
    struct kvs_blob *blob = blob_of(suite.db, bytes, 2 * MIB, 300000);
    struct kvs_batch *batch;
    must_ok(kvs_batch_new(&batch));
    kvs_batch_if_absent(batch, suite.db, B("k"));
    kvs_batch_set_blob(batch, suite.db, B("k"), blob, 0);
    put(suite.db, "k", "in the way");
    must(KVS_CONFLICT, kvs_write(suite.db, batch, NULL, NULL));
    must_hold(suite.db, "k", "in the way");
    must_ok(kvs_remove(suite.db, B("k")));
    must_ok(kvs_write(suite.db, batch, NULL, NULL));
    must_hold_large(suite.db, "k", bytes, 2 * MIB);

    struct kvs_blob *unused = blob_of(suite.db, bytes, 2 * MIB, 300000); /* never written: freed */
    kvs_blob_free(suite.db, unused);
    kvs_blob_free(suite.db, NULL);

    kvs_batch_clear(batch);
    struct kvs_blob *twice = blob_of(suite.db, bytes, MIB + 5, MIB);
    kvs_batch_set_blob(batch, suite.db, B("x"), twice, 0);
    kvs_batch_set_blob(batch, suite.db, B("y"), twice, 0);
    must(KVS_INVALID, kvs_write(suite.db, batch, NULL, NULL));
    kvs_batch_clear(batch);
    kvs_batch_set_blob(batch, suite.db, B("x"), twice, 0);
    kvs_batch_set(batch, suite.db, B("x"), B("the last counts"), 0);
    must_ok(kvs_write(suite.db, batch, NULL, NULL)); /* which consumes the blob all the same */
    must_hold(suite.db, "x", "the last counts");
    kvs_batch_free(batch);
    free(bytes);
    suite_close(&suite);
}

TEST(a_reader_survives_whatever_happens_to_its_key)
{
    struct suite suite;
    suite_open(&suite);
    unsigned char *bytes = pattern(3 * MIB, 10);
    static const size_t lens[] = { 0, 10, 70000, MIB, 3 * MIB };
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++) {
        size_t len = lens[i];
        must_ok(kvs_set(suite.db, B("k"), (struct kvs_bytes){ bytes, len }));
        struct kvs_reader *reader;
        struct kvs_entry entry;
        uint64_t position = 0;
        must_ok(kvs_reader_open(suite.db, NULL, B("k"), &entry, &position, &reader));
        assert_int_equal(entry.value_bytes, len);
        assert_null(entry.value.data);
        assert_true(entry.version != 0 && position >= entry.version);
        if (i % 2 == 0)
            must_ok(kvs_remove(suite.db, B("k")));
        put(suite.db, "k", "something else");
        must_ok(kvs_compact(suite.db));
        unsigned char *got = malloc(len + 1);
        assert_non_null(got);
        must_ok(kvs_reader_read(suite.db, reader, false, 0, got, len));
        assert_true(len == 0 || memcmp(got, bytes, len) == 0);
        for (size_t off = 0; off < len; off += 65521) { /* pieces across the engine's own */
            size_t piece = len - off < 70001 ? len - off : 70001;
            must_ok(kvs_reader_read(suite.db, reader, false, off, got, piece));
            assert_true(memcmp(got, bytes + off, piece) == 0);
        }
        must_ok(kvs_reader_read(suite.db, reader, false, len, got, 0));
        must(KVS_INVALID, kvs_reader_read(suite.db, reader, false, len, got, 1));
        must(KVS_INVALID, kvs_reader_read(suite.db, reader, false, 1, got, len));
        free(got);
        kvs_reader_close(suite.db, reader);
    }
    struct kvs_reader *reader;
    struct kvs_entry entry;
    must(KVS_NOT_FOUND, kvs_reader_open(suite.db, NULL, B("none"), &entry, NULL, &reader));
    kvs_reader_close(suite.db, NULL);
    free(bytes);
    suite_close(&suite);
}

TEST(large_values_follow_snapshots_and_expiry)
{
    struct suite suite;
    suite_open(&suite);
    unsigned char *one = pattern(2 * MIB, 11);
    unsigned char *two = pattern(2 * MIB, 12);
    must_ok(kvs_set(suite.db, B("k"), (struct kvs_bytes){ one, 2 * MIB }));
    struct kvs_snapshot *snapshot;
    must_ok(kvs_snapshot_open(suite.db, "suite", &snapshot));
    must_ok(kvs_set(suite.db, B("k"), (struct kvs_bytes){ two, 2 * MIB - 1 }));
    must_ok(kvs_compact(suite.db));
    must_hold_at(suite.db, snapshot, B("k"), (struct kvs_bytes){ one, 2 * MIB });
    must_hold_large(suite.db, "k", two, 2 * MIB - 1);
    struct kvs_bytes keys[2] = { B("k"), B("none") };
    struct kvs_value values[2] = { 0 };
    enum kvs_status statuses[2];
    struct kvs_read read = { .snapshot = snapshot };
    must_ok(kvs_multi_get(suite.db, &read, 2, keys, values, statuses));
    assert_true(values[0].len == 2 * MIB && memcmp(values[0].data, one, 2 * MIB) == 0);
    kvs_value_done(&values[0]);
    kvs_value_done(&values[1]);
    kvs_snapshot_close(suite.db, snapshot);
    struct kvs_batch *batch;
    must_ok(kvs_batch_new(&batch));
    kvs_batch_set_blob(batch, suite.db, B("k"), blob_of(suite.db, one, 2 * MIB, MIB),
                       SUITE_START_MS + 10);
    must_ok(kvs_write(suite.db, batch, NULL, NULL));
    kvs_batch_free(batch);
    must_hold_large(suite.db, "k", one, 2 * MIB);
    suite_advance_ms(&suite, 10);
    must_lack(suite.db, "k");
    free(one);
    free(two);
    suite_close(&suite);
}

TEST(a_value_over_the_limit_is_refused_while_it_arrives)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs_blob *blob;
    must_ok(kvs_blob_new(suite.db, &blob));
    char byte = 0;
    must(KVS_TOO_LONG,
         kvs_blob_append(suite.db, blob, (struct kvs_bytes){ &byte, KVS_VALUE_MAX + (size_t)1 }));
    must_ok(kvs_blob_append(suite.db, blob, B("good")));
    must(KVS_TOO_LONG,
         kvs_blob_append(suite.db, blob, (struct kvs_bytes){ &byte, KVS_VALUE_MAX - 3 }));
    assert_int_equal(kvs_blob_bytes(suite.db, blob), 4);
    kvs_blob_free(suite.db, blob);
    suite_close(&suite);
}
