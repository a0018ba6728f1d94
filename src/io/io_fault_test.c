/*
 * io_fault_test.c - chosen calls fail, and all others pass. And the clocks and dice of this room.
 */
#include <stdlib.h>
#include <string.h>

#include <kvs/status.h>

#include "io/clock.h"
#include "io/env.h"
#include "io/io.h"
#include "io/random.h"
#include "tests/harness/test.h"

static enum kvs_status replace(struct io *io, const char *text)
{
    return io_replace_file(io, "d", "m", text, strlen(text));
}

TEST(every_call_fails_once_as_the_number_goes_up)
{
    for (uint64_t nth = 1;; nth++) {
        struct io *memory = io_memory_new();
        assert_ok(memory->ops->make_dir(memory, "d"));
        assert_ok(replace(memory, "old"));
        struct io *io = io_fault_new(memory, nth, KVS_DISK_FULL, false);
        enum kvs_status status = replace(io, "new");
        uint64_t hits = io_fault_hits(io);
        assert_true(hits <= 1);
        assert_int_equal(status, hits == 1 ? KVS_DISK_FULL : KVS_OK);
        io_fault_arm(io, 0, KVS_OK, false);
        char *data = NULL;
        size_t len = 0;
        assert_ok(io_read_file(io, "d/m", 100, &data, &len));
        assert_true(strcmp(data, "new") == 0 || hits == 1);
        free(data);
        io_free(io);
        if (hits == 0) {
            assert_int_equal(
                nth,
                7); /* unlink, create, write, sync, rename, sync_dir; then the first that is too far */
            break;
        }
    }
}

TEST(a_lasting_fault_lasts_and_only_its_kind_counts)
{
    struct io *io = io_fault_new(io_memory_new(), 2, KVS_IO, true);
    io_fault_mask(io, IO_FAULT_SYNC);
    assert_ok(io->ops->make_dir(io, "d"));
    struct io_file *file = NULL;
    assert_ok(io_open(io, "d/a", IO_CREATE, &file));
    assert_ok(file->ops->write(file, 0, "x", 1));
    assert_ok(file->ops->sync(file));
    assert_int_equal(io_fault_hits(io), 0);
    assert_int_equal(file->ops->sync(file), KVS_IO);
    assert_non_null(strstr(kvs_error(), "made to fail"));
    assert_int_equal(io->ops->sync_dir(io, "d"), KVS_IO);
    assert_ok(file->ops->write(file, 1, "y", 1));
    assert_int_equal(io_fault_hits(io), 2);
    io_fault_arm(io, 1, KVS_WOULD_BLOCK, false);
    io_fault_mask(io, IO_FAULT_READ);
    char text[2];
    size_t len;
    assert_int_equal(file->ops->read(file, 0, text, 2, true, &len), KVS_WOULD_BLOCK);
    assert_ok(file->ops->read(file, 0, text, 2, true, &len));
    assert_memory_equal(text, "xy", 2);
    io_close(file);
    io_free(io);
}

TEST(a_slow_disk_is_slow)
{
    struct io *io = io_fault_new(io_memory_new(), 0, KVS_OK, false);
    assert_ok(io->ops->make_dir(io, "d"));
    io_fault_delay_sync(io, 30);
    uint64_t begin = clock_monotonic_ns(clock_system());
    assert_ok(io->ops->sync_dir(io, "d"));
    assert_true(clock_monotonic_ns(clock_system()) - begin >= 30 * 1000000);
    io_free(io);
}

TEST(a_manual_clock_moves_when_told)
{
    struct clock *clock = clock_manual_new(5000000);
    assert_non_null(clock);
    assert_int_equal(clock_wall_us(clock), 5000000);
    assert_int_equal(clock_wall_ms(clock), 5000);
    assert_int_equal(clock_monotonic_ns(clock), 1000000000);
    clock_manual_advance_us(clock, 7);
    assert_int_equal(clock_wall_us(clock), 5000007);
    assert_int_equal(clock_monotonic_ns(clock), 1000007000);
    clock_manual_advance_us(clock, -1000007);
    assert_int_equal(clock_wall_us(clock), 4000000);
    assert_int_equal(clock_monotonic_ns(clock), 1000007000);
    free(clock);
}

TEST(the_system_environment_is_complete)
{
    struct kvs_env *env = env_system();
    assert_ptr_equal(env->io, io_posix());
    assert_ptr_equal(env->clock, clock_system());
    assert_true(clock_wall_ms(env->clock) > INT64_C(1700000000000));
    assert_true(random_system_u64() != random_system_u64());
}

TEST(dice_repeat_from_their_seed_and_are_fair)
{
    struct random a;
    struct random b;
    random_seed(&a, 42);
    random_seed(&b, 42);
    unsigned counts[6] = { 0 };
    for (int i = 0; i < 60000; i++) {
        uint64_t eye = random_below(&a, 6);
        assert_true(eye < 6);
        counts[eye]++;
        assert_true(random_below(&b, 6) == eye);
    }
    for (int i = 0; i < 6; i++)
        assert_true(counts[i] > 9500 && counts[i] < 10500);
    random_seed(&b, 43);
    assert_true(random_u64(&a) != random_u64(&b));
    assert_int_equal(random_below(&a, 1), 0);
}
