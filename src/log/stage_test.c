/*
 * stage_test.c - the file TAIL: what was handed over survives the end of the process, at any point; what a power cut makes of the
 * file is harmless; and nothing that was cut comes back from it.
 */
#include "log/stage.h"
#include "log/world_test.h"

/* Under a sanitizer, fewer of the crashes: they find the same. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define STEP(step) ((step)*7)
#else
#define STEP(step) (step)
#endif

static const char *const tail_path = WORLD_DIR "/" STAGE_NAME;

static void begin(struct world *world, struct io **ret_memory)
{
    struct io *memory = io_memory_new();
    world_init(world, memory, memory);
    world->config.durability = KVS_DURABILITY_EVERYSEC;
    world->config.stage_bytes = STAGE_BYTES_MIN;
    *ret_memory = memory;
}

/* Closes without touching the disk: the process has ended. */
static void end_process(struct world *world)
{
    io_memory_power_off(world->memory);
    if (world->chunks != NULL)
        (void)log_side_close(world->chunks);
    world->chunks = NULL;
    (void)log_close(world->log);
    world->log = NULL;
    io_memory_kill(world->memory);
}

static void reopen_all_there(struct world *world)
{
    world_reopen(world);
    assert_int_equal(world_compare(world), world->count);
    check_all_readable(world);
}

struct life {
    unsigned batches;
    unsigned value_bytes;
    unsigned sync_every;  /* 0: never */
    unsigned write_every; /* the committer's work; 0: never */
    bool large;
};

/* Weak writes, each waited for; acknowledged is what was handed over. */
static enum kvs_status live(struct world *world, const struct life *life)
{
    enum kvs_status status = KVS_OK;
    for (unsigned i = 0; i < life->batches && status == KVS_OK; i++) {
        struct batch_shape shape = {
            .count = 1 + i % 3,
            .value_bytes = (life->value_bytes + i * 13) % 3000,
            .large_bytes = life->large && i % 9 == 4 ? 9000 : 0,
            .weak = true,
        };
        uint64_t version;
        status = world_write(world, &shape, &version);
        if (status == KVS_OK)
            status = log_wait_written(world->log, version);
        /* The power may have gone during the copy: then nobody was left to be told. */
        if (status == KVS_OK && !io_memory_is_off(world->memory))
            world->acknowledged = version;
        if (status == KVS_OK && life->sync_every != 0 && i % life->sync_every == 0)
            status = log_wait_durable(world->log, version);
        else if (status == KVS_OK && life->write_every != 0 && i % life->write_every == 0)
            status = log_roll(world->log);
    }
    return status;
}

/* The process ends at every call, a copy into the ring being one. */
static void kill_everywhere(const struct life *life, uint64_t first, uint64_t step)
{
    for (uint64_t call = first;; call += step) {
        struct world world;
        struct io *memory;
        begin(&world, &memory);
        io_memory_crash_at(memory, io_memory_calls(memory) + call);
        enum kvs_status status = world_open(&world);
        if (status == KVS_OK)
            status = live(&world, life);
        bool finished = !io_memory_is_off(memory);
        if (finished)
            assert_ok(status);
        end_process(&world);
        /* Opening may end as well, at any point. */
        for (uint64_t again = 1;; again += 5) {
            io_memory_crash_at(memory, io_memory_calls(memory) + again);
            status = world_open(&world);
            if (status == KVS_OK)
                break;
            assert_int_equal(status, KVS_IO);
            io_memory_kill(memory);
        }
        size_t there = world_compare(&world);
        world_forget_lost(&world, there);
        /* What an opening shows is durable: not even a power cut takes it. */
        if (there > 0)
            world.acknowledged = world.history[there - 1].version;
        io_memory_crash_at(memory, 0);
        io_memory_crash(memory, 0);
        (void)log_close(world.log);
        reopen_all_there(&world);
        assert_ok(live(&world, life));
        end_process(&world);
        world.config.read_only = true;
        reopen_all_there(&world);
        assert_ok(log_close(world.log));
        world.config.read_only = false;
        assert_ok(log_check(&world.config, NULL, NULL));
        reopen_all_there(&world);
        assert_ok(world_close(&world));
        reopen_all_there(&world);
        assert_ok(world_close(&world));
        world_done(&world);
        if (finished)
            return;
    }
}

TEST(what_was_handed_over_survives_the_process_wherever_it_ends)
{
    const struct life life = { .batches = 40, .value_bytes = 100 };
    kill_everywhere(&life, 1, STEP(3));
}

TEST(the_process_ends_between_syncs_rolls_and_large_values)
{
    const struct life life = {
        .batches = 60, .value_bytes = 700, .sync_every = 7, .write_every = 5, .large = true
    };
    kill_everywhere(&life, 1, STEP(11));
}

TEST(the_ring_goes_round)
{
    struct world world;
    struct io *memory;
    begin(&world, &memory);
    world.config.segment_bytes = 1024 * 1024;
    assert_ok(world_open(&world));
    for (unsigned i = 0; i < 100; i++) {
        uint64_t version;
        struct batch_shape shape = { .count = 4, .value_bytes = 3000 + i % 64, .weak = true };
        assert_ok(world_write(&world, &shape, &version));
        assert_ok(log_wait_written(world.log, version));
        world.acknowledged = version;
    }
    assert_true(stat_of(world.log, "log_unwritten_bytes") > 0);
    end_process(&world);
    reopen_all_there(&world);
    assert_ok(world_close(&world));
    world_done(&world);
}

/* Nothing but copies: groups form when they are written, not for each batch. */
TEST(a_weak_write_makes_no_call_and_no_group)
{
    struct world world;
    struct io *memory;
    begin(&world, &memory);
    assert_ok(world_open(&world));
    uint64_t version = put(&world, 1, 100);
    assert_ok(log_wait_written(world.log, version));
    uint64_t groups = stat_of(world.log, "log_groups_total");
    uint64_t calls = io_memory_calls(memory);
    for (unsigned i = 0; i < 100; i++)
        assert_ok(log_wait_written(world.log, put(&world, 1, 100)));
    assert_true(io_memory_calls(memory) <=
                calls + 102); /* a store is counted as one; it may wrap */
    assert_int_equal(stat_of(world.log, "log_groups_total"), groups);
    assert_int_equal(log_durable(world.log), 0);
    assert_ok(world_close(&world));
    struct io_file *file = NULL;
    assert_int_equal(io_open(memory, tail_path, IO_READ, &file), KVS_NOT_FOUND);
    world_done(&world);
}

TEST(a_batch_too_large_for_the_ring_is_written)
{
    struct world world;
    struct io *memory;
    begin(&world, &memory);
    world.config.segment_bytes = 16 * 1024 * 1024;
    assert_ok(world_open(&world));
    struct log_batch big;
    log_batch_init(&big);
    char *value = calloc(1, 1000000);
    CHECK(value != NULL);
    for (unsigned i = 0; i < 4; i++) {
        struct log_record record = { .kind = LOG_SET,
                                     .flags = LOG_WEAK,
                                     .key = bytes_of(&i, sizeof i),
                                     .value = bytes_of(value, 1000000) };
        assert_ok(log_batch_add(&big, &record));
    }
    log_batch_seal(&big);
    (void)put(&world, 1, 10);
    assert_ok(log_append_begin(world.log, big.bytes.len, false));
    struct log_place place;
    publish_begun(world.log, &big, &place);
    assert_true(log_written(world.log) < place.version);
    uint64_t after = put(&world, 1, 10);
    assert_true(log_written(world.log) >= place.version); /* to have room in the ring again */
    assert_ok(log_wait_written(world.log, after));
    free(value);
    log_batch_done(&big);
    assert_ok(world_close(&world));
    world_done(&world);
}

/* ---- Power cuts ---- */

TEST(power_cuts_at_every_call_with_a_ring)
{
    const struct life life = {
        .batches = 40, .value_bytes = 500, .sync_every = 6, .write_every = 0, .large = false
    };
    for (uint64_t seed = 0; seed < 4; seed++) {
        for (uint64_t call = 1 + seed;; call += STEP(5)) {
            struct world world;
            struct io *memory;
            begin(&world, &memory);
            io_memory_crash_at(memory, io_memory_calls(memory) + call);
            enum kvs_status status = world_open(&world);
            if (status == KVS_OK)
                (void)live(&world, &life);
            bool finished = !io_memory_is_off(memory);
            uint64_t durable = world.log == NULL ? 0 : log_durable(world.log);
            io_memory_power_off(memory);
            (void)log_close(world.log);
            world.log = NULL;
            io_memory_crash(memory, seed == 0 ? 0 : seed * 1000 + call);
            world.acknowledged = durable;
            world_reopen(&world);
            size_t there = world_compare(&world);
            world_forget_lost(&world, there);
            (void)live(&world, &life);
            end_process(&world);
            reopen_all_there(&world);
            assert_ok(log_check(&world.config, NULL, NULL));
            assert_ok(world_close(&world));
            world_done(&world);
            if (finished)
                break;
        }
    }
}

static void save_file(struct io *io, const char *path, char **ret, size_t *ret_len)
{
    assert_ok(io_read_file(io, path, 64 * 1024 * 1024, ret, ret_len));
}

static void write_all(struct io *io, const char *path, const char *data, size_t len)
{
    struct io_file *file = NULL;
    enum kvs_status status = io_open(io, path, IO_READ_WRITE, &file);
    if (status == KVS_NOT_FOUND)
        status = io_open(io, path, IO_CREATE, &file);
    assert_ok(status);
    assert_ok(file->ops->write(file, 0, data, len));
    io_close(file);
}

/* The power goes, the ring is torn at its first page, so all that was staged is cut; then an old image of the ring, which has it all,
 * is put back. */
TEST(what_was_cut_does_not_come_back_from_an_old_ring)
{
    struct world world;
    struct io *memory;
    begin(&world, &memory);
    assert_ok(world_open(&world));
    sync_to(&world, put(&world, 2, 50));
    for (unsigned i = 0; i < 20; i++)
        assert_ok(log_wait_written(world.log, put(&world, 1, 300)));
    char *tail;
    size_t tail_len;
    end_process(&world);
    save_file(memory, tail_path, &tail, &tail_len);
    io_memory_crash(memory, 0);
    world_reopen(&world);
    size_t there = world_compare(&world);
    assert_int_equal(there, 1);
    world_forget_lost(&world, there);
    for (unsigned i = 0; i < 5; i++)
        assert_ok(log_wait_written(world.log, put(&world, 1, 300)));
    end_process(&world);
    /* Only the old laps: the new process's own ring is lost with it. */
    write_all(memory, tail_path, tail, tail_len);
    world_reopen(&world); /* a record that was cut is in no history: showing it would fail */
    there = world_compare(&world);
    assert_int_equal(there, 1);
    world_forget_lost(&world, there);
    assert_ok(world_close(&world));
    free(tail);
    world_done(&world);
}

TEST(a_damaged_ring_only_shortens_what_was_not_durable)
{
    struct random random;
    random_seed(&random, test_seed());
    for (unsigned round = 0; round < 40; round++) {
        struct world world;
        struct io *memory;
        begin(&world, &memory);
        assert_ok(world_open(&world));
        for (unsigned i = 0; i < 20; i++) {
            uint64_t version = put(&world, 1 + i % 3, 100);
            assert_ok(log_wait_written(world.log, version));
            if (i == 7)
                sync_to(&world, version);
        }
        end_process(&world);
        char *tail;
        size_t tail_len;
        save_file(memory, tail_path, &tail, &tail_len);
        for (unsigned i = 0; i < 3; i++)
            tail[STAGE_HEADER_BYTES + random_below(&random, 8000)] ^= (char)(1 + i);
        if (round % 8 == 0)
            tail[random_below(&random, 48)] ^= 1;
        write_all(memory, tail_path, tail, round % 5 == 0 ? tail_len / 2 : tail_len);
        enum kvs_status status = world_open(&world);
        if (status == KVS_OK) {
            assert_true(world_compare(&world) >= 8);
            assert_ok(log_close(world.log));
        } else {
            assert_int_equal(status, KVS_WRONG_FORMAT); /* its version or store id was hit */
        }
        free(tail);
        world_done(&world);
    }
}

TEST(the_ring_of_another_store_is_refused_by_name)
{
    struct world world;
    struct world other;
    struct io *memory;
    struct io *other_memory;
    begin(&world, &memory);
    begin(&other, &other_memory);
    other.env.seed = 99;
    struct world *both[] = { &world, &other };
    for (unsigned i = 0; i < 2; i++) {
        assert_ok(world_open(both[i]));
        assert_ok(log_wait_written(both[i]->log, put(both[i], 1, 10)));
        end_process(both[i]);
    }
    char *tail;
    size_t tail_len;
    save_file(other_memory, tail_path, &tail, &tail_len);
    write_all(memory, tail_path, tail, tail_len);
    assert_int_equal(world_open(&world), KVS_WRONG_FORMAT);
    assert_non_null(strstr(fail_text(), "another store"));
    tail[8] = 99;
    write_all(memory, tail_path, tail, tail_len);
    assert_int_equal(world_open(&world), KVS_WRONG_FORMAT);
    assert_non_null(strstr(fail_text(), "version"));
    free(tail);
    world_done(&world);
    world_done(&other);
}

/* Each call fails once: where the ring cannot be made, the log does without, and nothing handed over is lost. */
TEST(where_there_is_no_ring_weak_writes_are_written)
{
    for (uint64_t nth = 1;; nth++) {
        struct io *memory = io_memory_new();
        struct io *io = io_fault_new(memory, 0, KVS_IO, false);
        struct world world;
        world_init(&world, io, memory);
        world.config.durability = KVS_DURABILITY_EVERYSEC;
        world.config.stage_bytes = STAGE_BYTES_MIN;
        assert_ok(world_open(&world));
        io_fault_arm(io, nth, KVS_DISK_FULL, false);
        enum kvs_status status = KVS_OK;
        for (unsigned i = 0; i < 10 && status == KVS_OK; i++) {
            uint64_t version;
            struct batch_shape shape = { .count = 2, .value_bytes = 200, .weak = true };
            status = world_write(&world, &shape, &version);
            if (status == KVS_OK)
                status = log_wait_written(world.log, version);
            if (status == KVS_OK)
                world.acknowledged = version;
        }
        bool hit = io_fault_hits(io) > 0;
        io_fault_arm(io, 0, KVS_OK, false);
        end_process(&world);
        world_reopen(&world);
        assert_ok(world_close(&world));
        world_done(&world);
        if (!hit)
            break;
    }
}
