/*
 * commit_test.c - group commit: who leads, who waits, what is durable when; and what happens when a write or sync fails.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "concurrent/epoch.h"
#include "log/world_test.h"

static void fault_world(struct world *world)
{
    struct io *memory = io_memory_new();
    world_init(world, io_fault_new(memory, 0, KVS_OK, false), memory);
}

/* ---- Many threads ---- */

enum {
    WRITERS = 6,
    WRITES = 150
};

struct crowd {
    struct log *log;
    _Atomic uint64_t done;
    _Atomic uint64_t progress;
    _Atomic bool stop;
    unsigned id;
};

struct writer {
    struct crowd *crowd;
    unsigned id;
};

static enum kvs_status append_one(struct log *log, const char *key, size_t value_bytes,
                                  uint64_t *ret_version, uint64_t *ret_locator)
{
    struct log_batch batch;
    char value[4096];
    memset(value, key[0], sizeof value);
    log_batch_init(&batch);
    struct log_record record = { .kind = LOG_SET,
                                 .key = bytes_str(key),
                                 .value = bytes_of(value, value_bytes) };
    enum kvs_status status = log_batch_add(&batch, &record);
    if (status == KVS_OK) {
        log_batch_seal(&batch);
        status = log_append_begin(log, batch.bytes.len, false);
    }
    if (status == KVS_OK) {
        struct log_place place;
        publish_begun(log, &batch, &place);
        *ret_version = place.version;
        *ret_locator = log_place_locator(&place, &batch, 0);
    }
    log_batch_done(&batch);
    return status;
}

static void *write_and_wait(void *arg)
{
    struct writer *writer = arg;
    struct log *log = writer->crowd->log;
    struct buf scratch;
    buf_init(&scratch, RECORD_BYTES_MAX);
    uint64_t last = 0;
    for (unsigned i = 0; i < WRITES; i++) {
        char key[64];
        (void)snprintf(key, sizeof key, "%u-%u", writer->id, i);
        uint64_t version;
        uint64_t locator;
        CHECK(append_one(log, key, (i * 97) % 2000, &version, &locator) == KVS_OK);
        CHECK(version > last);
        last = version;
        struct log_record record;
        epoch_enter();
        enum kvs_status status = log_peek(log, locator, &record);
        CHECK(status == KVS_WOULD_BLOCK ||
              (status == KVS_OK && bytes_equal(record.key, bytes_str(key))));
        CHECK(log_pin(log, locator) == KVS_OK);
        epoch_leave();
        CHECK(log_wait_durable(log, version) == KVS_OK);
        CHECK(log_durable(log) >= version);
        CHECK(log_fetch(log, locator, false, &scratch, &record) == KVS_OK);
        CHECK(bytes_equal(record.key, bytes_str(key)) && record.version == version);
        log_unpin(log, locator);
        /* relaxed: a count */
        atomic_fetch_add_explicit(&writer->crowd->done, 1, memory_order_relaxed);
    }
    buf_done(&scratch);
    return NULL;
}

static void *move_and_trim(void *arg)
{
    struct crowd *crowd = arg;
    struct log_side *side;
    CHECK(log_side_open(crowd->log, true, &side) == KVS_OK);
    for (unsigned i = 0; !atomic_load_explicit(&crowd->stop, memory_order_relaxed);
         i++) { /* relaxed: soon is enough */
        struct log_record record = {
            .kind = LOG_SET, .key = BYTES("moved"), .value = BYTES("value"), .version = 1 + i
        };
        uint64_t locator;
        uint32_t stored;
        CHECK(log_side_append(side, &record, &locator, &stored) == KVS_OK);
        if (i % 64 == 63) {
            CHECK(log_side_sync(side) == KVS_OK);
            log_trim(crowd->log);
            (void)log_now_ms(crowd->log);
        }
    }
    CHECK(log_side_close(side) == KVS_OK);
    return NULL;
}

static void note_progress(void *ctx)
{
    struct crowd *crowd = ctx;
    atomic_fetch_add_explicit(&crowd->progress, 1, memory_order_relaxed); /* relaxed: a count */
}

static enum kvs_status count_records(void *ctx, uint64_t locator, const struct log_record *record)
{
    (void)locator;
    *(uint64_t *)ctx += (record->flags & LOG_MOVED) == 0;
    return KVS_OK;
}

static void run_crowd(bool background)
{
    struct world world;
    fault_world(&world);
    world.config.no_background = !background;
    world.env.clock = clock_system();
    uint64_t records = 0;
    struct crowd crowd = { 0 };
    assert_ok(log_open(&world.config, count_records, &records, &crowd.log));
    log_on_progress(crowd.log, note_progress, &crowd);
    pthread_t threads[WRITERS];
    pthread_t mover;
    struct writer writers[WRITERS];
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){ .crowd = &crowd, .id = i };
        assert_int_equal(pthread_create(&threads[i], NULL, write_and_wait, &writers[i]), 0);
    }
    assert_int_equal(pthread_create(&mover, NULL, move_and_trim, &crowd), 0);
    for (unsigned i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    atomic_store_explicit(&crowd.stop, true, memory_order_relaxed); /* relaxed: soon is enough */
    assert_int_equal(pthread_join(mover, NULL), 0);
    log_on_progress(crowd.log, NULL, NULL);
    assert_int_equal(crowd.done, WRITERS * WRITES);
    assert_true(crowd.progress > 0);
    assert_ok(log_close(crowd.log));
    io_memory_crash(world.memory, 0);
    assert_ok(log_open(&world.config, count_records, &records, &crowd.log));
    assert_int_equal(records, WRITERS * WRITES);
    assert_ok(log_close(crowd.log));
    world_done(&world);
}

TEST(threads_lead_for_each_other)
{
    run_crowd(false);
}

TEST(threads_and_a_committer_lead_for_each_other)
{
    run_crowd(true);
}

/* ---- Who follows whom ---- */

static void *wait_durable(void *arg)
{
    struct writer *writer = arg;
    char key[16];
    (void)snprintf(key, sizeof key, "%u", writer->id);
    uint64_t version;
    uint64_t locator;
    CHECK(append_one(writer->crowd->log, key, 10, &version, &locator) == KVS_OK);
    CHECK(log_wait_durable(writer->crowd->log, version) == KVS_OK);
    return NULL;
}

TEST(while_one_sync_runs_the_next_group_gathers)
{
    struct world world;
    fault_world(&world);
    world_reopen(&world);
    sync_to(&world, put(&world, 1, 10));
    uint64_t before = stat_of(world.log, "log_syncs_total");
    io_fault_delay_sync(world.io, 200);
    struct crowd crowd = { .log = world.log };
    pthread_t threads[16];
    struct writer writers[16];
    for (unsigned i = 0; i < 16; i++) {
        writers[i] = (struct writer){ .crowd = &crowd, .id = i };
        assert_int_equal(pthread_create(&threads[i], NULL, wait_durable, &writers[i]), 0);
    }
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    /* One by one it would be 16. */
    assert_true(stat_of(world.log, "log_syncs_total") - before <= 8);
    io_fault_delay_sync(world.io, 0);
    assert_ok(log_close(world.log));
    world_done(&world);
}

static void wait_until(struct log *log, uint64_t position, bool durable)
{
    while ((durable ? log_durable(log) : log_written(log)) < position) {
        struct timespec pause = { .tv_nsec = 1000000 };
        (void)nanosleep(&pause, NULL);
    }
}

TEST(the_committer_does_what_it_is_asked_for)
{
    struct world world;
    fault_world(&world);
    world.config.no_background = false;
    world.env.clock = clock_system();
    world_reopen(&world);
    uint64_t version = put(&world, 1, 10);
    log_request_write(world.log);
    wait_until(world.log, version, false);
    log_request_sync(world.log, version);
    wait_until(world.log, version, true);
    version = put(&world, 1, 10); /* nobody asks: after a second all the same */
    wait_until(world.log, version, true);
    assert_ok(world_close(&world));
    world_done(&world);
}

TEST(weaker_modes_write_by_themselves)
{
    for (enum kvs_durability durability = KVS_DURABILITY_EVERYSEC; durability <= KVS_DURABILITY_NO;
         durability++) {
        struct world world;
        fault_world(&world);
        world.config.no_background = false;
        world.config.durability = durability;
        world.env.clock = clock_system();
        world_reopen(&world);
        uint64_t version = 0;
        for (int i = 0; i < 10; i++) {
            version = put(&world, 1, 10);
            wait_until(world.log, version, false);
        }
        if (durability == KVS_DURABILITY_EVERYSEC) {
            wait_until(world.log, version, true);
        } else {
            assert_true(log_durable(world.log) < version);
            assert_ok(log_wait_durable(world.log, version)); /* works in every mode */
        }
        assert_ok(world_close(&world));
        world_done(&world);
    }
}

/* ---- Failure ---- */

TEST(a_failed_sync_is_never_retried_and_everybody_hears_of_it)
{
    for (int kind = 0; kind < 2; kind++) {
        struct world world;
        fault_world(&world);
        world_reopen(&world);
        sync_to(&world, put(&world, 1, 10));
        uint64_t version = put(&world, 2, 100);
        io_fault_mask(world.io, kind == 0 ? IO_FAULT_SYNC : IO_FAULT_WRITE);
        io_fault_arm(world.io, 1, KVS_IO, false);
        assert_int_equal(log_wait_durable(world.log, version), KVS_READ_ONLY);
        char text[FAIL_TEXT_BYTES];
        fail_save(text);
        assert_true(strlen(text) > 0);
        /* The disk works again, but nobody asks it. */
        assert_int_equal(log_wait_durable(world.log, version), KVS_READ_ONLY);
        assert_string_equal(fail_text(), text);
        assert_int_equal(log_health(world.log), KVS_READ_ONLY);
        assert_int_equal(log_append_begin(world.log, 100, false), KVS_READ_ONLY);
        assert_ok(log_wait_durable(world.log, world.acknowledged)); /* that was before */
        check_all_readable(&world);
        assert_int_equal(log_close(world.log), KVS_READ_ONLY);
        io_memory_crash(world.memory, 0);
        world_reopen(&world);
        assert_int_equal(world_compare(&world), 1);
        assert_ok(log_close(world.log));
        world_done(&world);
    }
}

TEST(every_call_may_fail_once_and_nothing_acknowledged_is_lost)
{
    for (uint64_t nth = 1;; nth++) {
        struct world world;
        fault_world(&world);
        io_fault_arm(world.io, nth, KVS_IO, false);
        enum kvs_status status = world_open(&world);
        if (status == KVS_OK) {
            for (unsigned i = 0; i < 60 && status == KVS_OK; i++) {
                uint64_t version;
                status = world_write(&world,
                                     &(struct batch_shape){ .count = 2,
                                                            .value_bytes = 1500,
                                                            .large_bytes = i % 20 == 7 ? 9000 : 0 },
                                     &version);
                if (status == KVS_OK && i % 4 == 0) {
                    status = log_wait_durable(world.log, version);
                    if (status == KVS_OK)
                        world.acknowledged = version;
                }
            }
            enum kvs_status closed = world_close(&world);
            status = status == KVS_OK ? closed : status;
        }
        bool finished = io_fault_hits(world.io) == 0;
        io_fault_arm(world.io, 0, KVS_OK, false);
        if (finished) /* else it may be OK all the same: not every failure matters, that of a removal for one */
            assert_ok(status);
        io_memory_crash(world.memory, 0);
        world_reopen(&world);
        world_forget_lost(&world, world_compare(&world));
        check_all_readable(&world);
        assert_ok(log_close(world.log));
        world_done(&world);
        if (finished)
            break;
    }
}

TEST(a_full_disk_refuses_cleanly_and_writes_resume)
{
    struct world world;
    fault_world(&world);
    world_reopen(&world);
    io_memory_set_capacity(world.memory, 400 * 1024);
    uint64_t version = 0;
    enum kvs_status status = KVS_OK;
    unsigned written = 0;
    for (; written < 1000 && status == KVS_OK; written++)
        status =
            world_write(&world, &(struct batch_shape){ .count = 2, .value_bytes = 2000 }, &version);
    assert_int_equal(status, KVS_DISK_FULL);
    assert_true(written > 20);
    assert_int_equal(log_health(world.log), KVS_DISK_FULL);
    for (int i = 0; i < 5; i++)
        assert_int_equal(
            world_write(&world, &(struct batch_shape){ .count = 2, .value_bytes = 3000 }, &version),
            KVS_DISK_FULL);
    sync_to(&world, world.history[world.count - 1].version); /* what was accepted has its space */
    check_all_readable(&world);
    io_memory_set_capacity(world.memory, 0);
    sync_to(&world, put(&world, 2, 3000));
    assert_ok(log_health(world.log));
    size_t count = world.count;
    assert_ok(world_close(&world));
    world_reopen(&world);
    assert_int_equal(world_compare(&world), count);
    assert_ok(log_close(world.log));
    world_done(&world);
}

TEST(who_may_not_wait_is_told_so)
{
    struct world world;
    fault_world(&world);
    world_reopen(&world);
    assert_int_equal(log_append_begin(world.log, 100, true), KVS_WOULD_BLOCK); /* no segment yet */
    (void)put(&world, 1, 10);
    assert_ok(log_append_begin(world.log, 100, true));
    unlock_begun(world.log);
    assert_int_equal(log_append_begin(world.log, SEGMENT_BYTES_MIN - 200, true), KVS_WOULD_BLOCK);
    assert_int_equal(log_append_begin(world.log, (size_t)BATCH_BYTES_MAX + 8, true), KVS_TOO_LONG);
    assert_ok(log_close(world.log));
    world_done(&world);
}

TEST(a_committer_makes_room_for_those_who_may_not_wait)
{
    struct world world;
    fault_world(&world);
    world.config.no_background = false;
    world.env.clock = clock_system();
    world_reopen(&world);
    for (int i = 0; i < 200; i++) {
        for (;;) {
            enum kvs_status status = log_append_begin(world.log, 3000, true);
            if (status == KVS_OK)
                break;
            assert_int_equal(status, KVS_WOULD_BLOCK);
            struct timespec pause = { .tv_nsec = 100000 };
            (void)nanosleep(&pause, NULL);
        }
        unlock_begun(world.log);
        (void)put(&world, 1, 2900);
    }
    assert_ok(world_close(&world));
    world_done(&world);
}
