/*
 * compact_test.c - reclaiming: what lives stays, what is dead goes, and the figures agree.
 */
#include "engine/native/rig_test.h"

enum {
    LARGE = KVS_INLINE_MAX + 200000
};

TEST(a_large_value_whose_record_and_chunks_move_together_survives)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    rig_set_large(&rig, "large", LARGE, 1);
    rig_fill(&rig, "k", 200, 500, 0);
    rig_sync(&rig);
    rig_crash(&rig, 1);
    /* what was copied at opening lies with its chunks, in one kind of segment */
    rig_expect_large(&rig, NULL, "large", LARGE, 1);
    for (unsigned round = 1; round < 6; round++) {
        rig_set_large(&rig, "other", LARGE, round);
        rig_fill(&rig, "k", 200, 500, round);
        rig_compact(&rig);
        rig_verify(&rig);
        rig_expect_large(&rig, NULL, "large", LARGE, 1);
        rig_sync(&rig);
        if (round % 2 == 0)
            rig_crash(&rig, round);
        else
            rig_reopen(&rig);
        rig_verify(&rig);
        rig_expect_large(&rig, NULL, "large", LARGE, 1);
        rig_expect_large(&rig, NULL, "other", LARGE, round);
        rig_expect_filled(&rig, NULL, "k", 200, 500, round);
    }
    rig_remove(&rig, "large");
    rig_remove(&rig, "other");
    rig_compact(&rig);
    rig_verify(&rig);
    rig_compact(&rig);
    assert_true(rig_space(&rig).bytes < LARGE);
    rig_done(&rig);
}

/* The record of the value and its chunks both lie in victims of one round, whatever their order. */
TEST(a_large_value_all_of_which_is_copied_in_one_round_survives_the_next_opening)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    /* dead chunks around the living ones, dead records around the living one */
    rig_set_large(&rig, "dead1", LARGE, 3);
    rig_set_large(&rig, "large", LARGE, 4);
    rig_set_large(&rig, "dead2", LARGE, 5);
    rig_fill(&rig, "k", 200, 500, 0);
    rig_remove(&rig, "dead1");
    rig_remove(&rig, "dead2");
    rig_fill(&rig, "k", 200, 500, 1);
    for (unsigned round = 0; round < 3; round++) {
        rig_compact(&rig);
        rig_verify(&rig);
        rig_reopen(&rig);
        rig_verify(&rig);
        rig_expect_large(&rig, NULL, "large", LARGE, 4);
        rig_fill(&rig, "k", 200, 500, round);
    }
    rig_done(&rig);
}

TEST(an_upload_that_never_ends_does_not_stop_compaction)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    struct kvs_blob *blob;
    must(native_engine_ops.blob_new(rig.engine, &blob));
    static char piece[KVS_INLINE_MAX + 100000];
    must(native_engine_ops.blob_append(blob, bytes_of(piece, sizeof piece)));
    rig_set_large(&rig, "large", LARGE, 1); /* its chunks come behind those of the blob, and die */
    must(native_engine_ops.blob_append(blob, bytes_of(piece, sizeof piece)));
    rig_remove(&rig, "large");
    rig_fill(&rig, "k", 2000, 500, 0);
    rig_fill(&rig, "k", 2000, 500, 1);
    rig_compact(&rig);
    struct rig_space space = rig_space(&rig);
    assert_true(space.bytes < space.live * 3 / 2 + 4 * 64 * 1024);
    struct kvs_op op = { .kind = KVS_OP_SET, .key = text_of("blob"), .blob = blob };
    must(rig_write(&rig, &op, 1, NULL));
    rig_compact(&rig);
    rig_verify(&rig);
    rig_reopen(&rig);
    rig_verify(&rig);
    rig_expect_filled(&rig, NULL, "k", 2000, 500, 1);
    rig_done(&rig);
}

TEST(a_snapshot_keeps_what_it_sees_through_compaction)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    rig_fill(&rig, "k", 1000, 200, 0);
    rig_set_large(&rig, "large", LARGE, 1);
    struct kvs_snapshot *first;
    must(native_engine_ops.snapshot_open(rig.engine, "first", &first));
    rig_fill(&rig, "k", 1000, 200, 1);
    rig_set_large(&rig, "large", LARGE, 2);
    struct kvs_snapshot *second;
    must(native_engine_ops.snapshot_open(rig.engine, "second", &second));
    struct kvs_op range = op_range("k", "l");
    must(rig_write(&rig, &range, 1, NULL));
    rig_fill(&rig, "k", 500, 200, 2);
    rig_remove(&rig, "large");
    for (unsigned round = 0; round < 3; round++) {
        rig_compact(&rig);
        rig_verify(&rig);
        rig_expect_filled(&rig, first, "k", 1000, 200, 0);
        rig_expect_filled(&rig, second, "k", 1000, 200, 1);
        rig_expect_filled(&rig, NULL, "k", 500, 200, 2);
        rig_expect(&rig, "k00700", NULL);
        rig_expect_large(&rig, first, "large", LARGE, 1);
        rig_expect_large(&rig, second, "large", LARGE, 2);
        assert_int_equal(rig_iterate(&rig, first, true), 1001);
        assert_int_equal(rig_iterate(&rig, second, false), 1001);
        assert_int_equal(rig_iterate(&rig, NULL, false), 500);
        rig_fill(&rig, "z", 2000, 100, round);
        struct kvs_op gone = op_range("z", "zz");
        must(rig_write(&rig, &gone, 1, NULL));
    }
    native_engine_ops.snapshot_close(rig.engine, first);
    rig_verify(&rig);
    rig_compact(&rig);
    rig_expect_filled(&rig, second, "k", 1000, 200, 1);
    rig_expect_large(&rig, second, "large", LARGE, 2);
    native_engine_ops.snapshot_close(rig.engine, second);
    assert_int_equal(rig_figure(&rig, "older_versions"), 0);
    assert_int_equal(rig_figure(&rig, "older_versions_bytes"), 0);
    rig_compact(&rig);
    rig_verify(&rig);
    rig_reopen(&rig);
    rig_verify(&rig);
    rig_expect_filled(&rig, NULL, "k", 500, 200, 2);
    assert_int_equal(rig_iterate(&rig, NULL, false), 500);
    rig_done(&rig);
}

TEST(expired_records_under_a_snapshot_do_not_keep_compaction_busy)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    int64_t now_ms = clock_wall_ms(rig.clock);
    for (unsigned i = 0; i < 2000; i++) {
        char key[32];
        snprintf(key, sizeof key, "e%05u", i);
        rig_set_expiring(&rig, key, "a value that goes, after some time, and is some bytes long",
                         now_ms + 1000);
    }
    struct kvs_snapshot *snapshot;
    must(native_engine_ops.snapshot_open(rig.engine, "holder", &snapshot));
    clock_manual_advance_us(rig.clock, 10 * 1000 * 1000);
    rig_expect(&rig, "e00001", NULL);
    rig_compact(&rig); /* comes to an end */
    rig_expect_at(&rig, snapshot, "e00001",
                  "a value that goes, after some time, and is some bytes long");
    rig_verify(&rig);
    for (unsigned i = 0; i < 500; i++) { /* superseded while the snapshot sees them */
        char key[32];
        snprintf(key, sizeof key, "e%05u", i);
        rig_set(&rig, key, "again");
    }
    rig_compact(&rig);
    rig_expect_at(&rig, snapshot, "e00001",
                  "a value that goes, after some time, and is some bytes long");
    native_engine_ops.snapshot_close(rig.engine, snapshot);
    rig_verify(&rig);
    rig_compact(&rig);
    rig_compact(&rig);
    rig_verify(&rig);
    assert_int_equal(rig_figure(&rig, "keys_expiring"), 0);
    assert_int_equal(rig_figure(&rig, "keys"), 500);
    rig_reopen(&rig);
    rig_verify(&rig);
    assert_int_equal(rig_iterate(&rig, NULL, false), 500);
    rig_done(&rig);
}

TEST(a_store_whose_keys_are_all_removed_becomes_small)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    rig_fill(&rig, "k", 5000, 100, 0);
    for (unsigned i = 0; i < 5000; i++) {
        char key[32];
        snprintf(key, sizeof key, "k%05u", i);
        rig_remove(&rig, key);
    }
    rig_compact(&rig);
    rig_compact(&rig);
    rig_verify(&rig);
    struct rig_space space = rig_space(&rig);
    assert_int_equal(rig_figure(&rig, "index_slots"), 0);
    assert_int_equal(rig.native->tombs.count, 0);
    if (space.bytes > 2 * 64 * 1024)
        fail_msg("an empty store takes %llu bytes in %zu segments", (unsigned long long)space.bytes,
                 space.segments);
    rig_reopen(&rig);
    assert_int_equal(rig_iterate(&rig, NULL, false), 0);
    rig_verify(&rig);
    rig_done(&rig);
}

/* A queue of ever new keys beside old ones that stay: tombstones must not pile up. */
TEST(tombstones_go_when_what_they_hide_has_gone)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    rig_fill(&rig, "cold", 3000, 100, 0);
    for (unsigned i = 0; i < 3000; i += 100) { /* a little that is dead, in every segment */
        char key[32];
        snprintf(key, sizeof key, "cold%05u", i);
        rig_set(&rig, key, "new");
    }
    rig_compact(&rig);
    struct rig_space before = rig_space(&rig);
    for (unsigned round = 0; round < 10; round++) {
        for (unsigned i = 0; i < 2000; i++) {
            char key[32];
            snprintf(key, sizeof key, "q%05u", round * 2000 + i);
            rig_set(&rig, key, "a job");
            rig_remove(&rig, key);
        }
        rig_sync(&rig);
        bool did = true;
        mutex_lock(&rig.native->compact_mu);
        sweep_tombs(rig.native);
        while (did)
            must(compact_round(rig.native, false, &did));
        mutex_unlock(&rig.native->compact_mu);
        if (round % 3 == 2)
            rig_reopen(&rig);
    }
    rig_verify(&rig);
    struct rig_space after = rig_space(&rig);
    uint64_t live = after.live - after.idle;
    if (after.bytes > live * 3 / 2 + 2 * 64 * 1024)
        fail_msg("%llu bytes, %llu live, %llu idle; before %llu", (unsigned long long)after.bytes,
                 (unsigned long long)live, (unsigned long long)after.idle,
                 (unsigned long long)before.bytes);
    rig_done(&rig);
}

TEST(overwriting_a_working_set_keeps_the_space_within_bounds)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    struct random random;
    random_seed(&random, test_seed());
    rig_fill(&rig, "k", 4000, 150, 0);
    for (unsigned i = 0; i < 60000; i++) {
        char key[32];
        snprintf(key, sizeof key, "k%05u", (unsigned)random_below(&random, 4000));
        rig_set(&rig, key,
                "some other value, of about the same size as those that it replaces, more or less");
        if (i % 5000 == 4999) {
            rig_sync(&rig);
            bool did = true;
            mutex_lock(&rig.native->compact_mu);
            while (did)
                must(compact_round(rig.native, false, &did));
            mutex_unlock(&rig.native->compact_mu);
            struct rig_space space = rig_space(&rig);
            if (space.bytes > space.live * 3 / 2 + 2 * 64 * 1024)
                fail_msg("%llu bytes, %llu live", (unsigned long long)space.bytes,
                         (unsigned long long)space.live);
        }
    }
    rig_verify(&rig);
    rig_reopen(&rig);
    rig_verify(&rig);
    assert_int_equal(rig_iterate(&rig, NULL, false), 4000);
    rig_done(&rig);
}

/* What was removed does not come back, whatever was copied, dropped and opened in between. */
TEST(nothing_removed_comes_back_after_compaction_and_opening)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    struct random random;
    uint64_t seed = test_seed();
    random_seed(&random, seed);

    enum {
        KEYS = 600
    };

    static unsigned model[KEYS];
    memset(model, 0, sizeof model);
    for (unsigned step = 1; step < 12000; step++) {
        char key[32];
        char value[400];
        unsigned k = (unsigned)random_below(&random, KEYS);
        unsigned dice = (unsigned)random_below(&random, 1000);
        snprintf(key, sizeof key, "k%05u", k);
        snprintf(value, sizeof value, "%0*u", 30 + (int)(step % 300), step);
        if (dice < 550) {
            rig_set(&rig, key, value);
            model[k] = step;
        } else if (dice < 980) {
            rig_remove(&rig, key);
            model[k] = 0;
        } else if (dice < 990) {
            char end[32];
            unsigned to = k + (unsigned)random_below(&random, 60);
            snprintf(end, sizeof end, "k%05u", to);
            struct kvs_op op = op_range(key, end);
            must(rig_write(&rig, &op, 1, NULL));
            for (unsigned i = k; i < to && i < KEYS; i++)
                model[i] = 0;
        } else if (dice < 997) {
            bool did;
            must(log_roll(rig.native->log));
            mutex_lock(&rig.native->compact_mu);
            if (dice % 2 == 0)
                sweep_tombs(rig.native);
            must(sweep_ranges(rig.native));
            must(compact_round(rig.native, dice != 990, &did));
            mutex_unlock(&rig.native->compact_mu);
        } else if (dice < 999) {
            rig_reopen(&rig);
        } else {
            rig_sync(&rig);
            rig_crash(&rig, random_u64(&random));
        }
        if (dice < 980)
            continue;
        rig_verify(&rig);
        for (unsigned i = 0; i < KEYS; i++) {
            snprintf(key, sizeof key, "k%05u", i);
            snprintf(value, sizeof value, "%0*u", 30 + (int)(model[i] % 300), model[i]);
            rig_expect(&rig, key, model[i] != 0 ? value : NULL);
        }
    }
    rig_done(&rig);
}
