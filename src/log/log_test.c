/*
 * log_test.c - the log as its owner uses it: append, commit, read, close, open again.
 */
#include "log/world_test.h"

static void memory_world(struct world *world)
{
    struct io *memory = io_memory_new();
    world_init(world, memory, memory);
}

TEST(an_empty_log_opens_and_closes)
{
    struct world world;
    memory_world(&world);
    for (int round = 0; round < 3; round++) {
        world_reopen(&world);
        assert_int_equal(world.records_shown, 0);
        assert_int_equal(log_last_version(world.log), 0);
        assert_ok(log_health(world.log));
        assert_int_equal(stat_of(world.log, "log_disk_bytes"), 0);
        assert_ok(world_close(&world));
    }
    world_done(&world);
}

TEST(what_was_written_is_there_after_closing_and_opening)
{
    struct world world;
    memory_world(&world);
    world_reopen(&world);
    uint64_t last = 0;
    for (unsigned i = 0; i < 500; i++) {
        uint64_t version = put(&world, 1 + i % 5, (i * 37) % 900);
        assert_true(version > last);
        last = version;
        assert_int_equal(log_last_version(world.log), version);
        if (i % 50 == 0)
            sync_to(&world, version);
    }
    check_all_readable(&world);
    assert_ok(world_close(&world));
    world.acknowledged = last;
    world_reopen(&world);
    assert_int_equal(world_compare(&world), 500);
    assert_int_equal(log_last_version(world.log), last);
    assert_true(log_durable(world.log) >= last);
    check_all_readable(&world);
    assert_int_equal(stat_of(world.log, "log_torn_tails"), 0);
    assert_int_equal(stat_of(world.log, "log_rewritten_records"), 0);
    assert_ok(world_close(&world));
    world_done(&world);
}

TEST(many_short_sessions_continue_one_segment)
{
    struct world world;
    memory_world(&world);
    for (unsigned i = 0; i < 50; i++) {
        world_reopen(&world);
        assert_int_equal(world_compare(&world), i);
        world.acknowledged = put(&world, 2, 100);
        check_all_readable(&world);
        assert_ok(world_close(&world));
    }
    world_reopen(&world);
    assert_int_equal(stat_of(world.log, "log_main_segments"), 1);
    assert_int_equal(stat_of(world.log, "log_side_segments"), 0);
    assert_ok(world_close(&world));
    world_done(&world);
}

TEST(a_small_record_takes_128_bytes)
{
    struct log_batch batch;
    log_batch_init(&batch);
    char value[100] = { 0 };
    struct log_record record = { .kind = LOG_SET,
                                 .key = BYTES("0123456789abcdef"),
                                 .value = bytes_of(value, sizeof value) };
    assert_ok(log_batch_add(&batch, &record));
    assert_ok(log_batch_add(&batch, &record));
    log_batch_seal(&batch);
    assert_int_equal(log_batch_record_bytes(&batch, 0), 128);
    assert_int_equal(log_batch_record_bytes(&batch, 1), 128);
    log_batch_done(&batch);
}

TEST(a_batch_larger_than_a_segment_gets_one_of_its_own)
{
    struct world world;
    memory_world(&world);
    world_reopen(&world);
    (void)put(&world, 1, 100);
    struct log_batch batch;
    log_batch_init(&batch);
    static char value[LOG_INLINE_VALUE_MAX];
    struct log_record record = { .kind = LOG_SET,
                                 .key = BYTES("big"),
                                 .value = bytes_of(value, sizeof value) };
    assert_ok(log_batch_add(&batch, &record));
    assert_ok(log_batch_add(&batch, &record));
    log_batch_seal(&batch);
    assert_ok(log_append_begin(world.log, batch.bytes.len, false));
    struct log_place place;
    publish_begun(world.log, &batch, &place);
    struct buf scratch;
    buf_init(&scratch, RECORD_BYTES_MAX);
    struct log_record got;
    assert_ok(log_fetch(world.log, log_place_locator(&place, &batch, 1), false, &scratch, &got));
    assert_int_equal(got.value.len, sizeof value);
    assert_int_equal(got.version, place.version);
    buf_done(&scratch);
    log_batch_done(&batch);
    sync_to(&world, put(&world, 1, 100));
    assert_ok(log_close(world.log));
    world_done(&world);
}

static void cancel_begun(struct log *log, const struct log_batch *batch,
                         struct log_place *ret) NO_THREAD_SAFETY_ANALYSIS
{
    log_append_place(log, batch, ret);
    log_append_cancel(log);
    log_unlock(log);
}

TEST(a_cancelled_batch_leaves_no_trace)
{
    struct world world;
    memory_world(&world);
    world_reopen(&world);
    (void)put(&world, 2, 50);
    struct log_batch batch;
    log_batch_init(&batch);
    struct log_record record = { .kind = LOG_SET, .key = BYTES("never"), .value = BYTES("was") };
    assert_ok(log_batch_add(&batch, &record));
    log_batch_seal(&batch);
    assert_ok(log_append_begin(world.log, batch.bytes.len, false));
    struct log_place place;
    cancel_begun(world.log, &batch, &place);
    log_batch_done(&batch);
    world.acknowledged = put(&world, 1, 10);
    assert_ok(world_close(&world));
    world_reopen(&world);
    assert_int_equal(world_compare(&world), 2);
    assert_ok(world_close(&world));
    world_done(&world);
}

TEST(versions_lost_by_a_session_that_continued_a_segment_never_come_again)
{
    for (int written = 0; written < 2; written++) {
        struct world world;
        memory_world(&world);
        world_reopen(&world);
        world.acknowledged = put(&world, 1, 100);
        assert_ok(world_close(&world));
        world_reopen(&world);
        uint64_t lost = put(&world, 1, 100); /* seen by readers, never synced */
        if (written)
            assert_ok(log_wait_written(world.log, lost));
        io_memory_crash(world.memory, 0);
        (void)log_close(world.log);
        world_reopen(&world);
        assert_int_equal(world_compare(&world), 1);
        world_forget_lost(&world, 1);
        assert_true(put(&world, 1, 100) > lost);
        assert_ok(world_close(&world));
        world_done(&world);
    }
}
