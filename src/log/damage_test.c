/*
 * damage_test.c - damage is refused and named, a torn tail is cut, and neither is taken for the other.
 */
#include "log/world_test.h"

static void memory_world(struct world *world)
{
    struct io *memory = io_memory_new();
    world_init(world, memory, memory);
}

static void change_file(struct io *io, const char *path, uint64_t off, const void *data, size_t len)
{
    struct io_file *file;
    assert_ok(io_open(io, path, IO_READ_WRITE, &file));
    assert_ok(file->ops->write(file, off, data, len));
    assert_ok(file->ops->sync(file));
    io_close(file);
}

static uint8_t byte_of(struct io *io, const char *path, uint64_t off)
{
    struct io_file *file;
    uint8_t byte = 0;
    assert_ok(io_open(io, path, IO_READ, &file));
    assert_ok(io_read_exact(file, off, &byte, 1));
    io_close(file);
    return byte;
}

static uint64_t used_bytes(struct world *world)
{
    struct log_segment_info *infos;
    size_t count;
    assert_ok(log_segments(world->log, &infos, &count));
    uint64_t bytes = infos[0].bytes;
    free(infos);
    return bytes;
}

static void three_groups(struct world *world)
{
    memory_world(world);
    world_reopen(world);
    for (int i = 0; i < 3; i++)
        sync_to(world, put(world, 2, 40));
}

TEST(after_a_close_every_flipped_bit_is_refused_or_harmless)
{
    struct world first;
    three_groups(&first);
    uint64_t end = used_bytes(&first) + GROUP_HEADER_BYTES;
    assert_ok(world_close(&first));
    world_done(&first);
    unsigned refused = 0;
    for (uint64_t off = 0; off < end; off++) {
        struct world world;
        three_groups(&world);
        assert_ok(world_close(&world));
        uint8_t byte =
            byte_of(world.memory, WORLD_DIR "/00000001.seg", off) ^ (uint8_t)(1 << off % 8);
        change_file(world.memory, WORLD_DIR "/00000001.seg", off, &byte, 1);
        enum kvs_status checked = log_check(&world.config, NULL, NULL);
        enum kvs_status status = world_open(&world);
        if (status == KVS_OK) {
            /* The end marker only: then the last group is not proven, but it is there. */
            assert_true(off >= end - GROUP_HEADER_BYTES);
            assert_int_equal(world_compare(&world), 3);
            assert_ok(checked);
            (void)log_close(world.log);
        } else {
            refused++;
            assert_true(status == KVS_CORRUPT || status == KVS_WRONG_FORMAT);
            assert_non_null(strstr(fail_text(), "00000001.seg"));
            assert_int_not_equal(checked, KVS_OK);
        }
        world_done(&world);
    }
    assert_int_equal(refused, end - GROUP_HEADER_BYTES);
}

/* Ends the log without its close: as kill -9 does; what was written stays. */
static void kill_log(struct world *world)
{
    io_fault_mask(world->io, IO_FAULT_WRITE | IO_FAULT_SYNC | IO_FAULT_NAME | IO_FAULT_SPACE);
    io_fault_arm(world->io, 1, KVS_IO, true);
    (void)log_close(world->log);
    io_fault_arm(world->io, 0, KVS_OK, false);
    world->log = NULL;
}

static void fault_world(struct world *world)
{
    struct io *memory = io_memory_new();
    world_init(world, io_fault_new(memory, 0, KVS_OK, false), memory);
    world_reopen(world);
    for (int i = 0; i < 3; i++)
        sync_to(world, put(world, 2, 40));
}

TEST(a_killed_process_loses_nothing_written)
{
    struct world world;
    fault_world(&world);
    for (unsigned i = 0; i < 4; i++)
        assert_ok(log_wait_written(world.log, put(&world, 1 + i, 40)));
    kill_log(&world);
    assert_ok(log_check(&world.config, NULL, NULL));
    world_reopen(&world);
    assert_int_equal(world_compare(&world), 7);
    assert_true(stat_of(world.log, "log_rewritten_records") > 0);
    check_all_readable(&world);
    /* And now it is on disk. */
    io_memory_crash(world.memory, 0);
    (void)log_close(world.log);
    world_reopen(&world);
    assert_int_equal(world_compare(&world), 7);
    assert_int_equal(stat_of(world.log, "log_rewritten_records"), 0);
    assert_ok(log_close(world.log));
    world_done(&world);
}

TEST(an_unproven_tail_damaged_anywhere_is_cut_there)
{
    struct world first;
    fault_world(&first);
    uint64_t durable = used_bytes(&first);
    for (unsigned i = 0; i < 2; i++)
        assert_ok(log_wait_written(first.log, put(&first, 2, 40)));
    uint64_t end = used_bytes(&first);
    kill_log(&first);
    world_done(&first);
    /* The group just before is covered by no marker any more (its space has the first unproven header), but by that header. */
    for (uint64_t off = durable + GROUP_HEADER_BYTES; off < end; off++) {
        struct world world;
        fault_world(&world);
        for (unsigned i = 0; i < 2; i++)
            assert_ok(log_wait_written(world.log, put(&world, 2, 40)));
        kill_log(&world);
        uint8_t byte = byte_of(world.memory, WORLD_DIR "/00000001.seg", off) ^ 4;
        change_file(world.memory, WORLD_DIR "/00000001.seg", off, &byte, 1);
        assert_ok(log_check(&world.config, NULL, NULL));
        world_reopen(&world);
        size_t there = world_compare(&world);
        assert_true(there == 3 || there == 4);
        assert_int_equal(stat_of(world.log, "log_torn_tails"), 1);
        world_forget_lost(&world, there);
        world.acknowledged = put(&world, 1, 10);
        assert_ok(world_close(&world));
        world_reopen(&world);
        assert_int_equal(world_compare(&world), there + 1);
        assert_int_equal(stat_of(world.log, "log_torn_tails"), 0);
        assert_ok(log_close(world.log));
        world_done(&world);
    }
}

TEST(damage_before_a_later_sync_is_damage)
{
    struct world world;
    fault_world(&world);
    uint64_t middle = used_bytes(&world) - 60; /* in the third group */
    sync_to(&world, put(&world, 2, 40));
    kill_log(&world);
    uint8_t byte = byte_of(world.memory, WORLD_DIR "/00000001.seg", middle) ^ 1;
    change_file(world.memory, WORLD_DIR "/00000001.seg", middle, &byte, 1);
    assert_int_equal(world_open(&world), KVS_CORRUPT);
    assert_non_null(strstr(fail_text(), "00000001.seg is damaged at offset"));
    assert_int_equal(log_check(&world.config, NULL, NULL), KVS_CORRUPT);
    world_done(&world);
}

TEST(reading_only_shows_the_tail_and_changes_nothing)
{
    struct world world;
    fault_world(&world);
    assert_ok(log_wait_written(world.log, put(&world, 3, 40)));
    kill_log(&world);
    uint64_t calls = io_memory_calls(world.memory);
    world.config.read_only = true;
    for (int i = 0; i < 2; i++) {
        world_reopen(&world);
        assert_int_equal(world_compare(&world), 4);
        check_all_readable(&world);
        assert_int_equal(log_append_begin(world.log, 100, false), KVS_READ_ONLY);
        assert_ok(log_close(world.log));
    }
    assert_int_equal(io_memory_calls(world.memory), calls);
    world_done(&world);
}

TEST(a_missing_segment_is_named)
{
    struct world world;
    fault_world(&world);
    assert_ok(world_close(&world));
    assert_ok(world.io->ops->unlink(world.io, WORLD_DIR "/00000001.seg"));
    assert_int_equal(world_open(&world), KVS_CORRUPT);
    assert_non_null(strstr(fail_text(), "00000001.seg is missing"));
    assert_int_equal(log_check(&world.config, NULL, NULL), KVS_CORRUPT);
    world_done(&world);
}

TEST(segments_without_a_manifest_are_refused)
{
    struct world world;
    fault_world(&world);
    assert_ok(world_close(&world));
    assert_ok(world.io->ops->unlink(world.io, WORLD_DIR "/MANIFEST"));
    assert_int_equal(world_open(&world), KVS_CORRUPT);
    assert_non_null(strstr(fail_text(), "MANIFEST"));
    world_done(&world);
}

static void make_file(struct io *io, const char *path, const void *data, size_t len)
{
    struct io_file *file;
    assert_ok(io_open(io, path, IO_CREATE, &file));
    assert_ok(file->ops->write(file, 0, data, len));
    io_close(file);
}

TEST(leftovers_go_strangers_stay)
{
    struct world world;
    fault_world(&world);
    assert_ok(world_close(&world));
    uint8_t zeros[SEGMENT_HEADER_BYTES] = { 0 };
    make_file(world.io, WORLD_DIR "/000000ff.seg", zeros, sizeof zeros);
    make_file(world.io, WORLD_DIR "/000000fe.seg", "KVSSEG", 6);
    make_file(world.io, WORLD_DIR "/notes.seg", "mine", 4);
    make_file(world.io, WORLD_DIR "/000000FD.seg", "mine", 4);
    world_reopen(&world);
    assert_int_equal(stat_of(world.log, "log_leftover_files"), 2);
    assert_ok(log_close(world.log));
    struct io_file *file;
    assert_int_equal(io_open(world.io, WORLD_DIR "/000000ff.seg", IO_READ, &file), KVS_NOT_FOUND);
    assert_int_equal(io_open(world.io, WORLD_DIR "/000000fe.seg", IO_READ, &file), KVS_NOT_FOUND);
    assert_ok(io_open(world.io, WORLD_DIR "/notes.seg", IO_READ, &file));
    io_close(file);
    assert_ok(io_open(world.io, WORLD_DIR "/000000FD.seg", IO_READ, &file));
    io_close(file);

    struct segment_header header = { .id = 0x77, .capacity = 65536, .store_id = { 9 } };
    uint8_t bytes[SEGMENT_HEADER_BYTES];
    segment_header_encode(&header, bytes);
    make_file(world.io, WORLD_DIR "/00000077.seg", bytes, sizeof bytes);
    assert_int_equal(world_open(&world), KVS_WRONG_FORMAT);
    assert_non_null(strstr(fail_text(), "00000077.seg belongs to another store"));
    bytes[8] = 9;
    change_file(world.io, WORLD_DIR "/00000077.seg", 0, bytes, sizeof bytes);
    assert_int_equal(world_open(&world), KVS_WRONG_FORMAT);
    assert_non_null(strstr(fail_text(), "00000077.seg has format version 9"));
    world_done(&world);
}

TEST(swapped_segments_are_refused)
{
    struct world world;
    fault_world(&world);
    assert_ok(log_roll(world.log));
    sync_to(&world, put(&world, 1, 10));
    assert_ok(world_close(&world));
    assert_ok(world.io->ops->rename(world.io, WORLD_DIR "/00000001.seg", WORLD_DIR "/x"));
    assert_ok(
        world.io->ops->rename(world.io, WORLD_DIR "/00000002.seg", WORLD_DIR "/00000001.seg"));
    assert_ok(world.io->ops->rename(world.io, WORLD_DIR "/x", WORLD_DIR "/00000002.seg"));
    assert_int_equal(world_open(&world), KVS_CORRUPT);
    assert_non_null(strstr(fail_text(), "is not the segment that the manifest means"));
    world_done(&world);
}
