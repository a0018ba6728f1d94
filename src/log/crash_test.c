/*
 * crash_test.c - a power cut at every call, and what the next opening finds: every acknowledged batch, whole batches only, the
 * first ones of the history, and never a version twice.
 */
#include "log/world_test.h"

/* Under a sanitizer, fewer of the crashes: they find the same. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define STEP(step) ((step)*7)
#else
#define STEP(step) (step)
#endif

/* One life of a store: sessions of writes, syncs, side writers, rolls; until the power goes or the script ends. */
struct script {
    unsigned batches;
    unsigned value_bytes;
    bool large;
    bool rolls;
    unsigned sync_every; /* 0: never */
};

/* The highest version ever seen by a caller: none may come again. */
static uint64_t highest;

static enum kvs_status live(struct world *world, const struct script *script)
{
    enum kvs_status status = KVS_OK;
    for (unsigned i = 0; i < script->batches && status == KVS_OK; i++) {
        struct batch_shape shape = {
            .count = 1 + i % 4,
            .value_bytes = (script->value_bytes + i * 7) % 3000,
            .large_bytes = script->large && i % 5 == 3 ? 10000 : 0,
        };
        uint64_t version;
        status = world_write(world, &shape, &version);
        if (status != KVS_OK)
            break;
        assert_true(version > highest);
        highest = version;
        if (script->sync_every != 0 && i % script->sync_every == script->sync_every - 1) {
            status = log_wait_durable(world->log, version);
            if (status == KVS_OK)
                world->acknowledged = version;
        } else if (i % 3 == 0) {
            status = log_wait_written(world->log, version);
        }
        if (status == KVS_OK && script->rolls && i % 11 == 10) {
            status = log_roll(world->log);
            if (status == KVS_OK)
                world->acknowledged = version;
        }
    }
    return status;
}

static enum kvs_status live_and_close(struct world *world, const struct script *script)
{
    enum kvs_status status = world_open(world);
    if (status != KVS_OK)
        return status;
    /* What an opening shows is durable: it counts as acknowledged. */
    (void)world_compare(world);
    status = live(world, script);
    enum kvs_status closed = world_close(world);
    if (closed == KVS_OK && status == KVS_OK)
        world->acknowledged = highest;
    return status != KVS_OK ? status : closed;
}

static void after_crash(struct world *world, uint64_t keep_seed)
{
    io_memory_crash(world->memory, keep_seed);
    /* Recovery may crash as well, at any point. */
    for (uint64_t again = 1;; again += 3) {
        io_memory_crash_at(world->memory, io_memory_calls(world->memory) + again);
        enum kvs_status status = world_open(world);
        if (status == KVS_OK)
            break;
        if (status != KVS_IO)
            print_message("open after a crash: %s: %s\n", kvs_status_name(status), fail_text());
        assert_int_equal(status, KVS_IO);
        io_memory_crash(world->memory, keep_seed == 0 ? 0 : keep_seed + again);
    }
    size_t there = world_compare(world);
    world_forget_lost(world, there);
    assert_true(log_last_version(world->log) <= log_durable(world->log));
    /* All that an opening shows is durable, even if the next power cut comes right behind it. */
    if (there > 0)
        world->acknowledged = world->history[there - 1].version;
    io_memory_crash_at(world->memory, 0);
    io_memory_crash(world->memory, 0);
    (void)log_close(world->log);
    world_reopen(world);
    assert_int_equal(world_compare(world), there);
    check_all_readable(world);
    assert_ok(log_close(world->log));
    world->log = NULL;
}

/* Crashes at every @step-th call of @script; after each, the store is opened, checked, used again, and checked again. */
static void crash_everywhere(const struct script *script, uint64_t keep_seed, uint64_t first,
                             uint64_t step)
{
    for (uint64_t call = first;; call += step) {
        struct world world;
        struct io *memory = io_memory_new();
        world_init(&world, memory, memory);
        highest = 0;
        io_memory_crash_at(memory, io_memory_calls(memory) + call);
        enum kvs_status status = live_and_close(&world, script);
        bool finished = status == KVS_OK;
        if (finished) {
            uint64_t before = world.count;
            io_memory_crash_at(memory, 0);
            io_memory_crash(memory, keep_seed);
            world_reopen(&world);
            assert_int_equal(world_compare(&world), before);
            assert_ok(log_close(world.log));
        } else {
            world.chunks = NULL;
            after_crash(&world, keep_seed);
            /* A second life on what was left, and a crash of that. */
            uint64_t more = 1 + (call * 7) % 40;
            io_memory_crash_at(memory, io_memory_calls(memory) + more);
            if (live_and_close(&world, script) != KVS_OK)
                after_crash(&world, keep_seed == 0 ? 0 : keep_seed * 31 + call);
            io_memory_crash_at(memory, 0);
            world_reopen(&world);
            assert_ok(log_check(&world.config, NULL, NULL));
            assert_ok(log_close(world.log));
        }
        world_done(&world);
        if (finished)
            return;
    }
}

TEST(power_cuts_at_every_call_lose_nothing_acknowledged)
{
    const struct script script = { .batches = 30, .value_bytes = 100, .sync_every = 4 };
    for (uint64_t seed = 0; seed < 4; seed++)
        crash_everywhere(&script, seed, 1 + seed, STEP(1));
}

TEST(power_cuts_with_large_values_and_rolls)
{
    const struct script script = {
        .batches = 40, .value_bytes = 900, .large = true, .rolls = true, .sync_every = 6
    };
    for (uint64_t seed = 0; seed < 4; seed++)
        crash_everywhere(&script, seed, 1 + seed, STEP(2));
}

TEST(power_cuts_of_a_store_that_never_syncs)
{
    const struct script script = { .batches = 120, .value_bytes = 2500, .large = true };
    for (uint64_t seed = 0; seed < 3; seed++)
        crash_everywhere(&script, seed, 1 + seed, STEP(4));
}

TEST(random_power_cuts)
{
    struct random random;
    random_seed(&random, test_seed());
    for (int round = 0; round < 10; round++) {
        struct script script = {
            .batches = 10 + (unsigned)random_below(&random, 100),
            .value_bytes = (unsigned)random_below(&random, 3000),
            .large = random_below(&random, 2),
            .rolls = random_below(&random, 2),
            .sync_every = (unsigned)random_below(&random, 10),
        };
        crash_everywhere(&script, random_u64(&random), 1 + random_below(&random, 20),
                         STEP(5 + random_below(&random, 20)));
    }
}
