/*
 * io_memory_test.c - what a power cut leaves on the simulated disk.
 */
#include <stdlib.h>
#include <string.h>

#include <kvs/status.h>

#include "io/io.h"
#include "tests/harness/test.h"

static struct io *disk(void)
{
    struct io *io = io_memory_new();
    assert_ok(io->ops->make_dir(io, "d"));
    return io;
}

static struct io_file *create(struct io *io, const char *path)
{
    struct io_file *file = NULL;
    assert_ok(io_open(io, path, IO_CREATE, &file));
    return file;
}

static void write_text(struct io_file *file, uint64_t off, const char *text)
{
    assert_ok(file->ops->write(file, off, text, strlen(text)));
}

static enum kvs_status read_all(struct io *io, const char *path, char **ret, size_t *ret_len)
{
    return io_read_file(io, path, 1 << 20, ret, ret_len);
}

static void assert_content(struct io *io, const char *path, const char *expected)
{
    char *data = NULL;
    size_t len = 0;
    assert_ok(read_all(io, path, &data, &len));
    assert_string_equal(data, expected);
    assert_int_equal(len, strlen(expected));
    free(data);
}

static void assert_absent(struct io *io, const char *path)
{
    struct io_file *file = NULL;
    assert_int_equal(io_open(io, path, IO_READ, &file), KVS_NOT_FOUND);
}

TEST(what_is_synced_survives_and_the_rest_is_lost)
{
    struct io *io = disk();
    struct io_file *file = create(io, "d/a");
    write_text(file, 0, "durable");
    assert_ok(file->ops->sync(file));
    assert_ok(io->ops->sync_dir(io, "d"));
    write_text(file, 0, "DUR");
    write_text(file, 7, " not");
    assert_ok(file->ops->allocate(file, 0, 100));
    io_memory_crash(io, 0);
    assert_content(io, "d/a", "durable");
    char byte;
    size_t len;
    assert_int_equal(file->ops->read(file, 0, &byte, 1, false, &len), KVS_IO);
    assert_int_equal(file->ops->write(file, 0, "x", 1), KVS_IO);
    assert_int_equal(file->ops->sync(file), KVS_IO);
    io_close(file);
    io_memory_crash(io, 0);
    assert_content(io, "d/a", "durable");
    io_free(io);
}

TEST(a_name_is_durable_only_with_its_directory)
{
    struct io *io = disk();
    struct io_file *file = create(io, "d/a");
    write_text(file, 0, "data");
    assert_ok(file->ops->sync(file));
    io_close(file);
    io_memory_crash(io, 0);
    assert_absent(io, "d/a"); /* the data were synced, the name was not */

    io_close(create(io, "d/b"));
    assert_ok(io->ops->sync_dir(io, "d"));
    io_memory_crash(io, 0);
    assert_content(io, "d/b", "");

    assert_ok(io->ops->unlink(io, "d/b"));
    assert_absent(io, "d/b");
    io_memory_crash(io, 0);
    assert_content(io, "d/b", ""); /* the removal was not durable */
    assert_ok(io->ops->unlink(io, "d/b"));
    assert_ok(io->ops->sync_dir(io, "."));
    io_memory_crash(io, 0);
    assert_content(io, "d/b", ""); /* another directory's sync says nothing about it */
    assert_ok(io->ops->unlink(io, "d/b"));
    assert_ok(io->ops->sync_dir(io, "d/"));
    io_memory_crash(io, 0);
    assert_absent(io, "d/b");
    io_free(io);
}

static struct io *disk_with_replacement(void)
{
    struct io *io = disk();
    assert_ok(io_replace_file(io, "d", "m", "old", 3));
    return io;
}

TEST(a_file_is_replaced_wholly_or_not_at_all_wherever_the_power_goes)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        bool saw_old = false;
        bool saw_new = false;
        for (uint64_t call = 1;; call++) {
            struct io *io = disk_with_replacement();
            io_memory_crash_at(io, io_memory_calls(io) + call);
            enum kvs_status status = io_replace_file(io, "d", "m", "new", 3);
            bool went_off = io_memory_is_off(io);
            assert_true(went_off == (status != KVS_OK));
            io_memory_crash(io, seed);
            char *data = NULL;
            size_t len = 0;
            assert_ok(read_all(io, "d/m", &data, &len));
            bool is_new = strcmp(data, "new") == 0;
            assert_true(is_new || strcmp(data, "old") == 0);
            assert_true(is_new || status != KVS_OK); /* what was acknowledged is there */
            saw_old |= !is_new;
            saw_new |= is_new;
            free(data);
            io_free(io);
            if (!went_off)
                break;
        }
        assert_true(saw_old && saw_new);
    }
}

TEST(without_power_nothing_works_and_nothing_changes)
{
    struct io *io = disk_with_replacement();
    struct io_file *held = NULL;
    assert_ok(io->ops->lock(io, "d/lock", &held));
    io_memory_power_off(io);
    assert_true(io_memory_is_off(io));
    uint64_t calls = io_memory_calls(io);
    struct io_file *file = NULL;
    uint64_t bytes;
    assert_int_equal(io_open(io, "d/m", IO_READ, &file), KVS_IO);
    assert_int_equal(io_open(io, "d/x", IO_CREATE, &file), KVS_IO);
    assert_int_equal(io->ops->unlink(io, "d/m"), KVS_IO);
    assert_int_equal(io->ops->rename(io, "d/m", "d/x"), KVS_IO);
    assert_int_equal(io->ops->sync_dir(io, "d"), KVS_IO);
    assert_int_equal(io->ops->make_dir(io, "e"), KVS_IO);
    assert_int_equal(io->ops->free_space(io, "d", &bytes), KVS_IO);
    assert_int_equal(held->ops->size(held, &bytes), KVS_IO);
    assert_int_equal(io_memory_calls(io), calls);
    io_memory_crash(io, 0);
    assert_false(io_memory_is_off(io));
    assert_content(io, "d/m", "old");
    struct io_file *again = NULL;
    assert_ok(io->ops->lock(io, "d/lock", &again)); /* the holder is dead */
    io_close(held); /* and does not take the new one's lock with it */
    assert_int_equal(io->ops->lock(io, "d/lock", &held), KVS_LOCKED);
    io_close(again);
    io_free(io);
}

enum {
    PAGES = 8,
    PAGE = 4096
};

/* Every survivor is old or new bytes, and over many seeds every fate is met. */
TEST(unsynced_writes_are_kept_dropped_or_torn)
{
    unsigned whole = 0;
    unsigned none = 0;
    unsigned torn_in_sector = 0;
    unsigned torn_at_sector = 0;
    unsigned name_lost = 0;
    unsigned name_kept = 0;
    static unsigned char fresh[PAGES * PAGE];
    memset(fresh, 'n', sizeof fresh);
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct io *io = disk();
        struct io_file *file = create(io, "d/a");
        static unsigned char old[PAGES * PAGE];
        memset(old, 'o', sizeof old);
        assert_ok(file->ops->write(file, 0, old, sizeof old));
        assert_ok(file->ops->sync(file));
        assert_ok(io->ops->sync_dir(io, "d"));
        assert_ok(file->ops->write(file, 0, fresh, sizeof fresh));
        io_close(file);
        io_close(create(io, "d/b"));
        io_memory_crash(io, seed);
        char *data = NULL;
        size_t len = 0;
        assert_ok(read_all(io, "d/a", &data, &len));
        assert_int_equal(len, sizeof old);
        size_t changes = 0;
        bool at_sector = true;
        for (size_t i = 0; i < len; i++) {
            assert_true(data[i] == 'o' || data[i] == 'n');
            if (i > 0 && data[i] != data[i - 1]) {
                changes++;
                at_sector = at_sector && i % 512 == 0;
            }
        }
        whole += changes == 0 && data[0] == 'n';
        none += changes == 0 && data[0] == 'o';
        torn_in_sector += changes > 0 && !at_sector;
        torn_at_sector += changes > 0 && at_sector;
        free(data);
        if (read_all(io, "d/b", &data, &len) == KVS_OK) {
            name_kept++;
            free(data);
        } else {
            name_lost++;
        }
        io_free(io);
    }
    assert_true(whole > 0 && none > 0 && torn_in_sector > 0 && torn_at_sector > 0);
    assert_true(name_lost > 0 && name_kept > 0);
}

TEST(a_crash_repeats_from_its_seed)
{
    uint64_t seed = test_seed();
    char *first = NULL;
    size_t first_len = 0;
    for (int round = 0; round < 2; round++) {
        struct io *io = disk();
        struct io_file *file = create(io, "d/a");
        assert_ok(io->ops->sync_dir(io, "d"));
        for (int i = 0; i < 50; i++)
            write_text(file, (uint64_t)i * 700,
                       "some bytes that may or may not be there afterwards");
        io_close(file);
        io_memory_crash(io, seed);
        char *data = NULL;
        size_t len = 0;
        assert_ok(read_all(io, "d/a", &data, &len));
        if (round == 0) {
            first = data;
            first_len = len;
        } else {
            assert_int_equal(len, first_len);
            assert_memory_equal(data, first, len);
            free(data);
        }
        io_free(io);
    }
    free(first);
}

TEST(a_full_disk_takes_what_fits_and_space_comes_back)
{
    struct io *io = disk();
    io_memory_set_capacity(io, 10);
    struct io_file *file = create(io, "d/a");
    write_text(file, 0, "12345678");
    uint64_t bytes;
    assert_ok(io->ops->free_space(io, "d", &bytes));
    assert_int_equal(bytes, 2);
    assert_int_equal(file->ops->write(file, 8, "abcd", 4), KVS_DISK_FULL);
    assert_ok(file->ops->size(file, &bytes));
    assert_int_equal(bytes, 10); /* as write(2): two bytes went in before it failed */
    assert_ok(file->ops->write(file, 0, "overwrite!", 10));
    assert_int_equal(file->ops->allocate(file, 0, 11), KVS_DISK_FULL);
    struct io_file *other = create(io, "d/b");
    assert_int_equal(other->ops->allocate(other, 0, 1), KVS_DISK_FULL);
    assert_ok(io->ops->unlink(io, "d/a"));
    assert_int_equal(other->ops->allocate(other, 0, 1), KVS_DISK_FULL); /* still open */
    io_close(file);
    assert_ok(other->ops->allocate(other, 0, 10));
    assert_int_equal(other->ops->write(other, 10, "x", 1), KVS_DISK_FULL);
    io_memory_set_capacity(io, 0);
    assert_ok(other->ops->write(other, 10, "x", 1));
    io_close(other);
    io_free(io);
}

TEST(replaced_and_crashed_files_give_their_space_back)
{
    struct io *io = disk();
    io_memory_set_capacity(io, 100);
    for (int i = 0; i < 50; i++)
        assert_ok(io_replace_file(io, "d", "m", "forty bytes, forty bytes, forty bytes...", 40));
    uint64_t bytes;
    assert_ok(io->ops->free_space(io, "d", &bytes));
    assert_int_equal(bytes, 60);
    struct io_file *file = create(io, "d/a");
    assert_ok(file->ops->allocate(file, 0, 60));
    io_memory_crash(io, 0);
    assert_ok(io->ops->free_space(io, "d", &bytes));
    assert_int_equal(bytes, 60);
    io_close(file);
    assert_ok(io->ops->free_space(io, "d", &bytes));
    assert_int_equal(bytes, 60);
    io_free(io);
}
