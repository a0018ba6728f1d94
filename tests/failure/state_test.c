/*
 * state_test.c - what a user sees of a store whose disk fails or is full: refusals with their cause, reads that go on, and recovery; and that
 * after any failure of the disk, with the power cut on top, what was acknowledged is there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "tests/failure/scenario.h"
#include "tests/harness/test.h"

struct world {
    struct io *memory;
    struct kvs_env env;
    struct kvs_options options;
    struct kvs *db;
};

static void must(enum kvs_status status, enum kvs_status wanted, int line)
{
    if (status == wanted)
        return;
    print_error("line %d: %s (%s), not %s\n", line, kvs_status_name(status), kvs_error(),
                kvs_status_name(wanted));
    _fail(__FILE__, line);
}

#define expect(wanted, call) must((call), (wanted), __LINE__)

static void begin(struct world *world)
{
    *world = (struct world){ .memory = io_memory_new() };
    world->env = (struct kvs_env){ .io = io_fault_new(world->memory, 0, KVS_OK, false),
                                   .clock = clock_system(),
                                   .seed = 3 };
    world->options = (struct kvs_options){ .engine = "kvs",
                                           .env = &world->env,
                                           .segment_bytes = 128 * 1024,
                                           .memory_bytes = 16 * 1024 * 1024,
                                           .no_background = true };
    expect(KVS_OK, kvs_open("/disk/store", &world->options, &world->db));
}

static void end(struct world *world)
{
    (void)kvs_close(world->db);
    io_free(world->env.io);
}

static void must_hold(struct world *world, const char *key, const char *wanted, int line)
{
    struct kvs_value value = { .len = 0 };
    must(kvs_get(world->db, (struct kvs_bytes){ key, strlen(key) }, &value),
         wanted != NULL ? KVS_OK : KVS_NOT_FOUND, line);
    if (wanted != NULL &&
        (value.len != strlen(wanted) || memcmp(value.data, wanted, value.len) != 0))
        fail_msg("line %d: %s holds %.*s", line, key, (int)value.len, (const char *)value.data);
    kvs_value_done(&value);
}

#define holds(world, key, value) must_hold((world), (key), (value), __LINE__)

static enum kvs_status put(struct world *world, const char *key, const char *value)
{
    return kvs_set(world->db, (struct kvs_bytes){ key, strlen(key) },
                   (struct kvs_bytes){ value, strlen(value) });
}

TEST(a_failed_sync_makes_the_store_read_only_and_says_why_everywhere)
{
    struct world world;
    begin(&world);
    expect(KVS_OK, put(&world, "kept", "1"));
    expect(KVS_OK, put(&world, "changed", "before"));
    expect(KVS_OK, kvs_health(world.db));
    io_fault_mask(world.env.io, IO_FAULT_SYNC);
    io_fault_arm(world.env.io, 1, KVS_IO, false); /* once: it is not tried again */
    enum kvs_status status = put(&world, "changed", "after");
    assert_true(status == KVS_IO || status == KVS_READ_ONLY);
    assert_int_equal(io_fault_hits(world.env.io), 1);
    expect(KVS_READ_ONLY, kvs_health(world.db));
    assert_non_null(strstr(kvs_error(), "sync: made to fail"));
    expect(KVS_READ_ONLY, put(&world, "other", "x"));
    assert_non_null(strstr(kvs_error(), "sync: made to fail"));
    expect(KVS_READ_ONLY, kvs_remove(world.db, KVS_BYTES("kept")));
    assert_true(kvs_checkpoint(world.db) != KVS_OK);
    /* Reads go on, at what is durable: nobody sees what may be lost. */
    holds(&world, "kept", "1");
    struct kvs_value value = { .len = 0 };
    status = kvs_get(world.db, KVS_BYTES("changed"), &value);
    if (status == KVS_OK)
        assert_memory_equal(value.data, "before", 6);
    else
        assert_true(status == KVS_READ_ONLY || status == KVS_IO);
    kvs_value_done(&value);
    assert_true(kvs_close(world.db) != KVS_OK);
    io_memory_crash(world.memory, 0);
    expect(KVS_OK, kvs_open("/disk/store", &world.options, &world.db));
    holds(&world, "kept", "1");
    holds(&world, "changed", "before");
    holds(&world, "other", NULL);
    expect(KVS_OK, put(&world, "changed", "again"));
    end(&world);
}

TEST(a_full_disk_refuses_cleanly_and_writing_resumes_by_itself)
{
    struct world world;
    begin(&world);
    static char large[8000];
    memset(large, 'v', sizeof large - 1);
    expect(KVS_OK, put(&world, "first", "1"));
    io_memory_set_capacity(world.memory, 1024 * 1024);
    char key[16];
    unsigned written = 0;
    enum kvs_status status = KVS_OK;
    while (status == KVS_OK && written < 2000) {
        (void)snprintf(key, sizeof key, "k%05u", written);
        status = put(&world, key, large);
        written += status == KVS_OK;
    }
    assert_int_equal(status, KVS_DISK_FULL);
    assert_true(written > 10);
    expect(KVS_DISK_FULL, kvs_health(world.db));
    assert_true(strlen(kvs_error()) > 0);
    for (int i = 0; i < 3; i++) {
        expect(KVS_DISK_FULL, put(&world, "refused", large));
        holds(&world, "refused", NULL);
    }
    for (unsigned i = 0; i < written; i++) {
        (void)snprintf(key, sizeof key, "k%05u", i);
        holds(&world, key, large);
    }
    io_memory_set_capacity(world.memory, 0);
    expect(KVS_OK, put(&world, "resumed", large));
    expect(KVS_OK, kvs_health(world.db));
    expect(KVS_OK, kvs_close(world.db));
    expect(KVS_OK, kvs_open("/disk/store", &world.options, &world.db));
    holds(&world, "first", "1");
    holds(&world, "resumed", large);
    holds(&world, "refused", NULL);
    for (unsigned i = 0; i < written; i++) {
        (void)snprintf(key, sizeof key, "k%05u", i);
        holds(&world, key, large);
    }
    end(&world);
}

TEST(a_backup_onto_a_full_disk_fails_alone)
{
    struct world world;
    begin(&world);
    char key[16];
    for (unsigned i = 0; i < 100; i++) {
        (void)snprintf(key, sizeof key, "k%u", i);
        expect(KVS_OK, put(&world, key, "value"));
    }
    for (int records = 0; records < 2; records++) {
        struct kvs_backup_options how = { .copy = true, .records = records };
        io_fault_mask(world.env.io, IO_FAULT_WRITE);
        io_fault_arm(world.env.io, 1, KVS_DISK_FULL, true);
        expect(KVS_DISK_FULL, kvs_backup(world.db, "/disk/backup", &how, NULL));
        io_fault_arm(world.env.io, 0, KVS_OK, false);
        expect(KVS_OK, kvs_health(world.db));
        expect(KVS_OK, put(&world, "after", "1"));
        expect(KVS_OK,
               kvs_backup(world.db, records ? "/disk/backup-r" : "/disk/backup-f", &how, NULL));
    }
    end(&world);
}

/* ---- Every call of the seam fails, and then the power goes ---- */

static void fail_then_cut(uint64_t nth, enum kvs_status status, bool forever, uint64_t keep_seed,
                          uint64_t *ret_calls)
{
    struct io *memory = io_memory_new();
    struct scenario scenario;
    scenario_init(&scenario, "kvs", "/disk");
    scenario.env.io = io_fault_new(memory, nth, status, forever);
    uint64_t far = UINT64_MAX / 2;
    if (nth == 0)
        io_fault_arm(scenario.env.io, far, KVS_IO, false); /* counts */
    scenario_run(&scenario);
    *ret_calls = nth == 0 ? io_memory_calls(memory) : 0;
    io_fault_arm(scenario.env.io, 0, KVS_OK, false);
    (void)kvs_close(scenario.db); /* may sync, or not: nothing depends on it */
    scenario.db = NULL;
    io_memory_crash(memory, keep_seed);
    scenario_verify(&scenario, false);
    io_free(scenario.env.io);
}

TEST(whatever_call_fails_and_then_the_power_what_was_acknowledged_is_there)
{
    static const enum kvs_status statuses[] = { KVS_IO, KVS_DISK_FULL, KVS_NO_MEMORY };

    const char *step_text = getenv("KVS_FAILURE_STEP");
    bool full = getenv("KVS_FAILURE_FULL") != NULL;
    uint64_t step = step_text != NULL && !full ? strtoul(step_text, NULL, 10) : 1;
    uint64_t calls;
    fail_then_cut(0, KVS_OK, false, 0, &calls);
    uint64_t none;
    uint64_t turn = test_seed() % 97;
    for (uint64_t nth = 1; nth <= calls + calls / 2; nth += step, turn++)
        fail_then_cut(nth, statuses[turn % 3], turn % 2 == 1, turn % 5, &none);
}
