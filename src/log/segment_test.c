/*
 * segment_test.c - rolling, side writers, pins, dropping, memory, scanning.
 */
#include "concurrent/epoch.h"
#include "log/world_test.h"

static void memory_world(struct world *world)
{
    struct io *memory = io_memory_new();
    world_init(world, memory, memory);
}

static struct log_segment_info *segments(struct world *world, size_t *count)
{
    struct log_segment_info *infos;
    assert_ok(log_segments(world->log, &infos, count));
    return infos;
}

TEST(rolling_seals_and_makes_durable)
{
    struct world world;
    memory_world(&world);
    world_reopen(&world);
    assert_ok(log_roll(world.log)); /* nothing to roll */
    uint64_t first = put(&world, 3, 100);
    uint64_t second = put(&world, 3, 100);
    assert_ok(log_roll(world.log));
    size_t count;
    struct log_segment_info *infos = segments(&world, &count);
    assert_int_equal(count, 1);
    assert_true(infos[0].sealed && infos[0].durable && infos[0].resident && !infos[0].side);
    assert_int_equal(infos[0].min_version, first);
    assert_int_equal(infos[0].max_version, second);
    assert_int_equal(infos[0].live_bytes, 0);
    assert_int_equal(log_segment_of(world.log, world.history[0].locators[0]), infos[0].id);
    free(infos);
    (void)put(&world, 1, 100);
    infos = segments(&world, &count);
    assert_int_equal(count, 2);
    assert_false(infos[1].sealed);
    free(infos);
    assert_ok(world_close(&world));
    world_reopen(&world);
    assert_int_equal(world_compare(&world), 3);
    assert_ok(log_close(world.log));
    world_done(&world);
}

TEST(accounting_adds_up)
{
    struct world world;
    memory_world(&world);
    world_reopen(&world);
    (void)put(&world, 2, 100);
    log_account(world.log, world.history[0].locators[0], world.history[0].stored[0], 0);
    log_account(world.log, world.history[0].locators[1], world.history[0].stored[1], 5000);
    size_t count;
    struct log_segment_info *infos = segments(&world, &count);
    assert_int_equal(infos[0].live_bytes, world.history[0].stored[0] + world.history[0].stored[1]);
    assert_int_equal(infos[0].expiring_bytes, world.history[0].stored[1]);
    assert_int_equal(infos[0].expire_max_ms, 5000);
    free(infos);
    log_account(world.log, world.history[0].locators[1], -(int64_t)world.history[0].stored[1],
                5000);
    infos = segments(&world, &count);
    assert_int_equal(infos[0].expiring_bytes, 0);
    free(infos);
    assert_ok(log_close(world.log));
    world_done(&world);
}

struct move {
    struct world *world;
    struct log_side *side;
    unsigned moved;
};

/* As compaction does: every record is copied, the history learns the new locators. */
static enum kvs_status move_one(void *ctx, uint64_t locator, const struct log_record *record)
{
    struct move *move = ctx;
    for (size_t b = 0; b < move->world->count; b++) {
        struct past_batch *batch = &move->world->history[b];
        for (unsigned i = 0; i < batch->count && batch->version == record->version; i++) {
            if (batch->locators[i] != locator)
                continue;
            enum kvs_status status =
                log_side_append(move->side, record, &batch->locators[i], &batch->stored[i]);
            if (status != KVS_OK)
                return status;
            move->moved++;
        }
    }
    return KVS_OK;
}

/* Moves the records of all sealed main segments into a side segment and drops their sources. */
static unsigned compact(struct world *world)
{
    struct move move = { .world = world };
    assert_ok(log_side_open(world->log, true, &move.side));
    size_t count;
    struct log_segment_info *infos = segments(world, &count);
    uint64_t *ids = calloc(count + 1, sizeof *ids);
    CHECK(ids != NULL);
    size_t dropped = 0;
    for (size_t i = 0; i < count; i++) {
        if (!infos[i].side && infos[i].sealed) {
            assert_true(infos[i].durable);
            assert_ok(log_scan(world->log, infos[i].id, move_one, &move));
            ids[dropped++] = infos[i].id;
        }
    }
    assert_ok(log_side_sync(move.side));
    check_all_readable(world);
    assert_ok(log_drop(world->log, ids, dropped));
    assert_ok(log_side_close(move.side));
    free(ids);
    free(infos);
    return move.moved;
}

TEST(moved_records_replace_their_source_for_good)
{
    struct world world;
    memory_world(&world);
    world_reopen(&world);
    for (int i = 0; i < 100; i++)
        world.acknowledged = put(&world, 3, 900);
    assert_ok(log_roll(world.log));
    assert_int_equal(compact(&world), 300);
    check_all_readable(&world);
    for (int i = 0; i < 10; i++)
        world.acknowledged = put(&world, 3, 900);
    uint64_t last = log_last_version(world.log);
    epoch_barrier();
    log_trim(world.log); /* reaps */
    assert_ok(world_close(&world));
    io_memory_crash(world.memory, 0);
    world_reopen(&world);
    assert_int_equal(world_compare(&world), 110);
    assert_int_equal(log_last_version(world.log), last);
    check_all_readable(&world);
    assert_int_equal(stat_of(world.log, "log_main_segments"), 1);
    /* Again, so that nothing of the stream is left; versions go on all the same. */
    assert_ok(log_roll(world.log));
    (void)compact(&world);
    assert_ok(world_close(&world));
    assert_ok(log_check(&world.config, NULL, NULL));
    world_reopen(&world);
    assert_int_equal(world_compare(&world), 110);
    assert_true(put(&world, 1, 10) > last);
    assert_ok(world_close(&world));
    world_done(&world);
}

TEST(power_cuts_while_compacting)
{
    for (uint64_t call = 1;; call++) {
        struct world world;
        memory_world(&world);
        world_reopen(&world);
        for (int i = 0; i < 60; i++)
            world.acknowledged = put(&world, 2, 900);
        assert_ok(log_roll(world.log));
        (void)put(&world, 2, 900);
        io_memory_crash_at(world.memory, io_memory_calls(world.memory) + call);
        struct move move = { .world = &world };
        size_t count;
        struct log_segment_info *infos = segments(&world, &count);
        struct past_batch *before = malloc(world.count * sizeof *before);
        CHECK(before != NULL);
        memcpy(before, world.history, world.count * sizeof *before);
        assert_ok(log_side_open(world.log, true, &move.side));
        enum kvs_status status = KVS_OK;
        for (size_t i = 0; i < count && status == KVS_OK; i++) {
            if (infos[i].sealed)
                status = log_scan(world.log, infos[i].id, move_one, &move);
            if (infos[i].sealed && status == KVS_OK)
                status = log_side_sync(move.side);
            if (infos[i].sealed && status == KVS_OK)
                status = log_drop(world.log, &infos[i].id, 1);
        }
        (void)log_side_close(move.side);
        (void)log_close(world.log);
        io_memory_crash_at(world.memory, 0);
        io_memory_crash(world.memory, call % 3);
        world_reopen(&world);
        assert_true(world_compare(&world) >= 60);
        world_forget_lost(&world, world_compare(&world));
        check_all_readable(&world);
        assert_ok(log_close(world.log));
        free(before);
        free(infos);
        world_done(&world);
        if (status == KVS_OK)
            break;
    }
}

TEST(a_pin_keeps_a_dropped_segment_readable)
{
    struct world world;
    memory_world(&world);
    world_reopen(&world);
    (void)put(&world, 1, 100);
    assert_ok(log_roll(world.log));
    sync_to(&world, put(&world, 1, 100));
    uint64_t locator = world.history[0].locators[0];
    uint64_t id = log_segment_of(world.log, locator);
    epoch_enter();
    assert_ok(log_pin(world.log, locator));
    epoch_leave();
    assert_ok(log_drop(world.log, &id, 1));
    assert_int_equal(log_drop(world.log, &id, 1), KVS_INVALID);
    epoch_barrier();
    log_trim(world.log); /* would reap it */
    struct buf scratch;
    buf_init(&scratch, RECORD_BYTES_MAX);
    struct log_record record;
    epoch_enter();
    assert_int_equal(log_peek(world.log, locator, &record), KVS_NOT_FOUND);
    assert_int_equal(log_pin(world.log, locator), KVS_NOT_FOUND);
    epoch_leave();
    assert_int_equal(log_segment_of(world.log, locator), 0);
    assert_ok(log_fetch(world.log, locator, false, &scratch, &record));
    assert_int_equal(record.value.len, 100);
    struct io_file *file;
    assert_ok(io_open(world.io, WORLD_DIR "/00000001.seg", IO_READ, &file));
    io_close(file);
    log_unpin(world.log, locator);
    log_trim(world.log);
    assert_int_equal(io_open(world.io, WORLD_DIR "/00000001.seg", IO_READ, &file), KVS_NOT_FOUND);
    epoch_enter();
    assert_int_equal(log_peek(world.log, locator, &record), KVS_NOT_FOUND);
    epoch_leave();
    buf_done(&scratch);
    assert_ok(log_close(world.log));
    world_done(&world);
}

TEST(what_is_appended_to_is_not_dropped_or_scanned)
{
    struct world world;
    memory_world(&world);
    world_reopen(&world);
    (void)put(&world, 1, 100);
    uint64_t id = log_segment_of(world.log, world.history[0].locators[0]);
    assert_int_equal(log_drop(world.log, &id, 1), KVS_INVALID);
    assert_int_equal(log_scan(world.log, id, world_replay, &world), KVS_INVALID);
    assert_int_equal(log_scan(world.log, 999, world_replay, &world), KVS_INVALID);
    assert_ok(log_close(world.log));
    world_done(&world);
}

TEST(memory_stays_within_its_budget_and_cold_records_are_read)
{
    struct world world;
    memory_world(&world);
    world_reopen(&world);
    for (int i = 0; i < 400; i++)
        world.acknowledged = put(&world, 2, 1500); /* about 20 segments */
    sync_to(&world, world.acknowledged);
    log_trim(world.log);
    assert_true(stat_of(world.log, "log_resident_bytes") <= 5 * SEGMENT_BYTES_MIN);
    unsigned cold = 0;
    epoch_enter();
    for (size_t i = 0; i < world.count; i++) {
        struct log_record record;
        cold += log_peek(world.log, world.history[i].locators[0], &record) == KVS_WOULD_BLOCK;
        log_prefetch(world.log, world.history[i].locators[0]);
    }
    epoch_leave();
    assert_true(cold > 200);
    uint64_t reads = stat_of(world.log, "log_disk_reads_total");
    check_all_readable(&world);
    assert_true(stat_of(world.log, "log_disk_reads_total") > reads);
    assert_ok(world_close(&world));
    world_reopen(&world);
    assert_int_equal(world_compare(&world), 400);
    assert_true(stat_of(world.log, "log_resident_bytes") <= 5 * SEGMENT_BYTES_MIN);
    check_all_readable(&world);
    assert_ok(log_close(world.log));
    world_done(&world);
}

TEST(chunks_are_durable_before_the_record_that_lists_them)
{
    struct world world;
    memory_world(&world);
    world_reopen(&world);
    uint64_t version;
    for (int i = 0; i < 5; i++) {
        assert_ok(world_write(
            &world, &(struct batch_shape){ .count = 2, .value_bytes = 50, .large_bytes = 30000 },
            &version));
        sync_to(&world, version);
    }
    /* The process ends here, side writer open, manifest not told. */
    io_memory_crash(world.memory, 0);
    (void)log_side_close(world.chunks);
    world.chunks = NULL;
    (void)log_close(world.log);
    world_reopen(&world); /* reads the large values */
    assert_int_equal(world_compare(&world), 5);
    assert_ok(log_close(world.log));
    world_done(&world);
}

TEST(store_time_never_goes_back)
{
    struct world world;
    memory_world(&world);
    world_reopen(&world);
    int64_t now = log_now_ms(world.log);
    clock_manual_advance_us(world.clock, 5000000);
    assert_int_equal(log_now_ms(world.log), now + 5000);
    sync_to(&world, put(&world, 1, 10));
    clock_manual_advance_us(world.clock, -60000000);
    assert_int_equal(log_now_ms(world.log), now + 5000);
    assert_ok(world_close(&world));
    world_reopen(&world);
    assert_int_equal(log_now_ms(world.log), now + 5000);
    assert_ok(log_close(world.log));
    world_done(&world);
}

TEST(a_little_data_takes_little_disk)
{
    struct world world;
    memory_world(&world);
    world.config.segment_bytes = 0;
    world_reopen(&world);
    sync_to(&world, put(&world, 1, 10));
    assert_true(stat_of(world.log, "log_disk_bytes") <= 256 * 1024);
    assert_ok(log_close(world.log));
    world_done(&world);
}

TEST(the_real_file_system_will_do)
{
    struct world world;
    struct io *memory = io_memory_new();
    world_init(&world, memory, memory);
    world.env.io = NULL;
    world.config.dir = test_dir();
    world.config.no_background = false;
    world.env.clock = NULL;
    world_reopen(&world);
    for (int i = 0; i < 300; i++) {
        uint64_t version = put(&world, 2, 1000);
        if (i % 20 == 0)
            sync_to(&world, version);
    }
    check_all_readable(&world);
    assert_ok(world_close(&world));
    assert_ok(log_check(&world.config, NULL, NULL));
    world_reopen(&world);
    assert_int_equal(world_compare(&world), 300);
    check_all_readable(&world);
    assert_ok(log_close(world.log));
    world_done(&world);
}
