/*
 * write_test.c - batches: what they leave behind in the tables, when they succeed and when they are taken back.
 */
#include "engine/native/rig_test.h"

TEST(removing_a_removed_key_in_a_batch_leaves_nothing_behind)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    rig_set(&rig, "a", "1");
    rig_remove(&rig, "a");
    struct kvs_op ops[] = { op_remove("a"), op_set("b", text_of("2")), op_remove("never") };
    must(rig_write(&rig, ops, 3, NULL));
    assert_int_equal(rig_figure(&rig, "older_versions"), 0);
    rig_verify(&rig);

    struct kvs_snapshot *snapshot;
    must(native_engine_ops.snapshot_open(rig.engine, "test", &snapshot));
    must(rig_write(&rig, ops, 3, NULL));
    rig_verify(&rig);
    native_engine_ops.snapshot_close(rig.engine, snapshot);
    assert_int_equal(rig_figure(&rig, "older_versions"), 0);
    rig_verify(&rig);
    rig_compact(&rig);
    rig_verify(&rig);
    rig_expect(&rig, "a", NULL);
    rig_expect(&rig, "b", "2");
    rig_done(&rig);
}

TEST(ranges_removed_by_one_batch_stay_removed)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    rig_fill(&rig, "a", 300, 50, 0);
    rig_fill(&rig, "m", 300, 50, 0);
    rig_fill(&rig, "z", 300, 50, 0);
    struct kvs_op ops[] = { op_range("a", "b"), op_set("a00007", text_of("new")),
                            op_range("z", "zz") };
    must(rig_write(&rig, ops, 3, NULL));
    assert_int_equal(rig_iterate(&rig, NULL, false), 301);
    rig_sync(&rig);
    mutex_lock(&rig.native->compact_mu);
    must(sweep_ranges(rig.native));
    mutex_unlock(&rig.native->compact_mu);
    assert_true(ranges_empty(&rig.native->ranges));
    rig_verify(&rig);
    assert_int_equal(rig_iterate(&rig, NULL, false), 301);
    rig_expect(&rig, "z00001", NULL);
    rig_expect(&rig, "a00007", "new");
    rig_reopen(&rig);
    assert_int_equal(rig_iterate(&rig, NULL, true), 301);
    rig_compact(&rig);
    rig_verify(&rig);
    rig_reopen(&rig);
    assert_int_equal(rig_iterate(&rig, NULL, false), 301);
    rig_verify(&rig);
    rig_done(&rig);
}

/* Cold keys around a full leaf make an insert that may not wait fail in the middle of a batch. */
static void fill_cold(struct rig *rig, unsigned keys)
{
    rig_fill(rig, "k", keys, 400, 0);
    must(log_roll(rig->native->log));
    rig_reopen(rig); /* all of it is sealed now or read back */
    log_set_memory(rig->native->log, 0);
    rig_fill(rig, "x", 2000, 400, 0); /* others push it out */
    must(log_roll(rig->native->log));
    log_set_memory(rig->native->log, 0);
    log_trim(rig->native->log);
    log_trim(rig->native->log);
    log_trim(rig->native->log);
}

TEST(a_batch_that_would_block_in_the_middle_is_taken_back)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    fill_cold(&rig, 3000);

    struct random random;
    random_seed(&random, test_seed());
    unsigned blocked = 0;
    unsigned undone = 0;
    for (unsigned round = 0; round < 400; round++) {
        enum {
            OPS = 12
        };

        char keys[OPS][32];
        struct kvs_op ops[OPS];
        for (unsigned i = 0; i < OPS; i++) {
            snprintf(keys[i], sizeof keys[i], "k%05u.%u", (unsigned)random_below(&random, 3000),
                     (unsigned)random_below(&random, 1000));
            ops[i] = op_set(keys[i], text_of("v"));
        }
        struct kvs_write write = {
            .ops = ops, .op_count = OPS, .durability = KVS_DURABILITY_ALWAYS, .no_block = true
        };
        struct kvs_written written;
        uint64_t places = native_places(rig.native);
        enum kvs_status status = native_engine_ops.write(rig.engine, &write, &written);
        undone += native_places(rig.native) != places;
        if (status == KVS_OK)
            continue;
        assert_int_equal(status, KVS_WOULD_BLOCK);
        blocked++;
        assert_int_equal(rig_figure(&rig, "older_versions"), 0);
        write.no_block = false;
        must(native_engine_ops.write(rig.engine, &write, &written));
        for (unsigned i = 0; i < OPS; i++)
            rig_expect(&rig, keys[i], "v");
    }
    printf("%u batches would have blocked, %u were half installed\n", blocked, undone);
    rig_verify(&rig);
    rig_expect_filled(&rig, NULL, "k", 3000, 400, 0);
    rig_reopen(&rig);
    rig_verify(&rig);
    rig_expect_filled(&rig, NULL, "k", 3000, 400, 0);
    rig_done(&rig);
}

TEST(conditions_are_checked_against_what_a_range_removal_has_hidden)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    uint64_t version = 0;
    struct kvs_op set = op_set("k", text_of("1"));
    must(rig_write(&rig, &set, 1, &version));
    struct kvs_op range = op_range("a", "z");
    must(rig_write(&rig, &range, 1, NULL));
    struct kvs_condition condition = { .kind = KVS_IF_VERSION,
                                       .key = text_of("k"),
                                       .version = version };
    struct kvs_write write = { .ops = &set,
                               .op_count = 1,
                               .conditions = &condition,
                               .condition_count = 1,
                               .durability = KVS_DURABILITY_ALWAYS };
    struct kvs_written written;
    assert_int_equal(native_engine_ops.write(rig.engine, &write, &written), KVS_CONFLICT);
    condition.kind = KVS_IF_UNTOUCHED;
    assert_int_equal(native_engine_ops.write(rig.engine, &write, &written), KVS_CONFLICT);
    condition.kind = KVS_IF_ABSENT;
    must(native_engine_ops.write(rig.engine, &write, &written));
    rig_expect(&rig, "k", "1");
    rig_compact(&rig);
    rig_expect(&rig, "k", "1");
    rig_verify(&rig);
    rig_reopen(&rig);
    rig_expect(&rig, "k", "1");
    rig_verify(&rig);
    rig_done(&rig);
}

TEST(a_range_removal_touches_what_was_there_and_nothing_else)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    struct kvs_op set = op_set("there", text_of("1"));
    must(rig_write(&rig, &set, 1, NULL));
    struct kvs_snapshot *snapshot;
    must(native_engine_ops.snapshot_open(rig.engine, "test", &snapshot));
    struct kvs_op range = op_range("a", "z");
    must(rig_write(&rig, &range, 1, NULL));
    struct kvs_condition condition = { .kind = KVS_IF_UNTOUCHED,
                                       .key = text_of("absent"),
                                       .version = native_engine_ops.snapshot_version(snapshot) };
    struct kvs_write write = { .conditions = &condition,
                               .condition_count = 1,
                               .durability = KVS_DURABILITY_ALWAYS };
    struct kvs_written written;
    must(native_engine_ops.write(rig.engine, &write, &written));
    condition.key = text_of("there");
    assert_int_equal(native_engine_ops.write(rig.engine, &write, &written), KVS_CONFLICT);
    native_engine_ops.snapshot_close(rig.engine, snapshot);
    rig_done(&rig);
}

/* An iterator has found a key; then its removal is swept out of the index, and forgotten. */
TEST(a_removed_range_stays_removed_for_an_iterator_that_is_under_way)
{
    struct rig rig;
    rig_init(&rig);
    rig_open(&rig);
    rig_fill(&rig, "k", 200, 50, 0);
    struct kvs_op range = op_range("k00100", "k00200");
    must(rig_write(&rig, &range, 1, NULL));
    struct kvs_read read = { 0 };
    struct kvs_range all = { 0 };
    struct kvs_iterator *it;
    struct kvs_entry entry;
    must(native_engine_ops.iterator_open(rig.engine, &read, &all, false, &it));
    must(native_engine_ops.iterator_next(it, false, &entry)); /* has the next ones in hand */
    rig_compact(&rig);
    assert_true(ranges_empty(&rig.native->ranges));
    size_t count = 1;
    while (native_engine_ops.iterator_next(it, false, &entry) == KVS_OK)
        count++;
    assert_int_equal(count, 100);
    native_engine_ops.iterator_close(it);
    rig_verify(&rig);
    rig_done(&rig);
}

/* More data than memory: the segment that is continued must keep its own, whatever else has to go. */
TEST(a_store_larger_than_its_memory_can_be_written_to_after_opening)
{
    struct rig rig;
    rig_init(&rig);
    rig.config.memory_bytes = 64 * 1024;
    rig_open(&rig);
    for (unsigned round = 0; round < 8; round++) {
        rig_fill(&rig, "k", 1000 + round * 137, 300, round);
        rig_reopen(&rig);
        rig_set(&rig, "first", "after opening");
        rig_expect_filled(&rig, NULL, "k", 1000 + round * 137, 300, round);
    }
    rig_verify(&rig);
    rig_done(&rig);
}
