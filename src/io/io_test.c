/*
 * io_test.c - what every implementation of io.h does alike: the real file system, the simulated disk, and the fault wrapper
 * around it while nothing is made to fail.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kvs/status.h>

#include "io/io.h"
#include "tests/harness/test.h"

struct place {
    const char *name;
    struct io *io;
    const char *dir;
};

/* The path of @name in the place; valid until the eighth call from here. */
static const char *at(const struct place *place, const char *name)
{
    static char paths[8][512];
    static unsigned next;
    char *path = paths[next++ % 8];
    assert_true(snprintf(path, sizeof paths[0], "%s/%s", place->dir, name) < (int)sizeof paths[0]);
    return path;
}

static void in_every_place(void (*check)(const struct place *place))
{
    struct place places[] = {
        { "posix", io_posix(), test_dir() },
        { "memory", io_memory_new(), "/simulated/dir" },
        { "fault", io_fault_new(io_memory_new(), 0, KVS_IO, false), "/simulated/dir" },
    };
    for (size_t i = 0; i < 3; i++) {
        assert_ok(places[i].io->ops->make_dir(places[i].io, places[i].dir));
        check(&places[i]);
        io_free(places[i].io);
    }
}

static struct io_file *create(const struct place *place, const char *name)
{
    struct io_file *file = NULL;
    assert_ok(io_open(place->io, at(place, name), IO_CREATE, &file));
    return file;
}

static void write_text(struct io_file *file, uint64_t off, const char *text)
{
    assert_ok(file->ops->write(file, off, text, strlen(text)));
}

static void assert_text(struct io_file *file, uint64_t off, const char *expected)
{
    char text[64];
    size_t len = 99;
    assert_ok(file->ops->read(file, off, text, sizeof text, false, &len));
    assert_int_equal(len, strlen(expected));
    assert_memory_equal(text, expected, len);
}

static uint64_t size_of(struct io_file *file)
{
    uint64_t bytes = 99;
    assert_ok(file->ops->size(file, &bytes));
    return bytes;
}

static void files_are_made_and_found(const struct place *place)
{
    struct io_file *file = NULL;
    assert_int_equal(io_open(place->io, at(place, "a"), IO_READ, &file), KVS_NOT_FOUND);
    assert_non_null(strstr(kvs_error(), at(place, "a")));
    assert_int_equal(io_open(place->io, at(place, "a"), IO_READ_WRITE, &file), KVS_NOT_FOUND);
    assert_int_equal(io_open(place->io, at(place, "none/a"), IO_CREATE, &file), KVS_NOT_FOUND);
    assert_null(file);

    file = create(place, "a");
    write_text(file, 0, "hello");
    struct io_file *again = NULL;
    assert_int_equal(io_open(place->io, at(place, "a"), IO_CREATE, &again), KVS_IO);
    assert_null(again);
    assert_ok(io_open(place->io, at(place, "a"), IO_READ_WRITE, &again));
    assert_text(again, 0, "hello"); /* nothing truncates */
    write_text(again, 4, "o!");
    io_close(again);
    assert_text(file, 0, "hello!");
    assert_ok(io_open(place->io, at(place, "a"), IO_READ, &again));
    assert_int_equal(again->ops->write(again, 0, "x", 1), KVS_IO);
    assert_text(again, 0, "hello!");
    io_close(again);
    io_close(file);
    io_close(NULL);
}

TEST(files_are_made_once_and_opened_without_truncation)
{
    in_every_place(files_are_made_and_found);
}

static void reads_end_with_the_file(const struct place *place)
{
    struct io_file *file = create(place, "a");
    assert_text(file, 0, "");
    assert_text(file, 1000, "");
    write_text(file, 3, "abc"); /* a hole in front */
    assert_int_equal(size_of(file), 6);
    char text[8];
    size_t len;
    assert_ok(file->ops->read(file, 0, text, 4, false, &len));
    assert_int_equal(len, 4);
    assert_memory_equal(text, "\0\0\0a", 4);
    assert_text(file, 5, "c");
    assert_text(file, 6, "");
    assert_ok(file->ops->read(file, 3, text, 0, false, &len));
    assert_int_equal(len, 0);
    assert_ok(file->ops->write(file, 100, "", 0)); /* nothing at all */
    assert_int_equal(size_of(file), 6);

    assert_ok(io_read_exact(file, 3, text, 3));
    assert_int_equal(io_read_exact(file, 3, text, 4), KVS_CORRUPT);
    assert_string_equal(kvs_error(), "unexpected end of file at 6");
    enum kvs_status status = file->ops->read(file, 3, text, 3, true, &len);
    assert_true(status == KVS_OK || status == KVS_WOULD_BLOCK); /* up to the file system */
    assert_int_equal(file->ops->write(file, UINT64_MAX - 10, "x", 1), KVS_IO);
    assert_ok(file->ops->sync(file));
    io_close(file);
}

TEST(reads_end_with_the_file_and_holes_are_zero)
{
    in_every_place(reads_end_with_the_file);
}

static void allocation_grows(const struct place *place)
{
    struct io_file *file = create(place, "a");
    write_text(file, 0, "abc");
    assert_ok(file->ops->allocate(file, 0, 10));
    assert_int_equal(size_of(file), 10);
    assert_ok(file->ops->allocate(file, 2, 3)); /* never shrinks, never changes bytes */
    assert_ok(file->ops->allocate(file, 50, 0));
    assert_int_equal(size_of(file), 10);
    char text[10];
    assert_ok(io_read_exact(file, 0, text, 10));
    assert_memory_equal(text, "abc\0\0\0\0\0\0\0", 10);
    assert_ok(file->ops->allocate(file, 100, 28));
    assert_int_equal(size_of(file), 128);
    io_close(file);
}

TEST(allocation_grows_and_changes_nothing)
{
    in_every_place(allocation_grows);
}

static void names_move(const struct place *place)
{
    const struct io_ops *ops = place->io->ops;
    struct io_file *a = create(place, "a");
    struct io_file *b = create(place, "b");
    write_text(a, 0, "A");
    write_text(b, 0, "B");
    assert_ok(ops->rename(place->io, at(place, "a"), at(place, "b")));
    assert_text(b, 0, "B"); /* open files live on without their name */
    struct io_file *file = NULL;
    assert_int_equal(io_open(place->io, at(place, "a"), IO_READ, &file), KVS_NOT_FOUND);
    assert_ok(io_open(place->io, at(place, "b"), IO_READ, &file));
    assert_text(file, 0, "A");
    io_close(file);
    io_close(a);
    io_close(b);

    assert_int_equal(ops->rename(place->io, at(place, "a"), at(place, "c")), KVS_NOT_FOUND);
    assert_ok(ops->link(place->io, at(place, "b"), at(place, "c")));
    assert_int_equal(ops->link(place->io, at(place, "b"), at(place, "c")), KVS_IO);
    assert_ok(
        ops->rename(place->io, at(place, "b"), at(place, "c"))); /* one file: both names stay */
    assert_ok(ops->rename(place->io, at(place, "b"), at(place, "b")));
    assert_ok(ops->unlink(place->io, at(place, "b")));
    assert_int_equal(ops->unlink(place->io, at(place, "b")), KVS_NOT_FOUND);
    assert_ok(io_open(place->io, at(place, "c"), IO_READ, &file));
    assert_text(file, 0, "A");
    io_close(file);
    assert_ok(ops->sync_dir(place->io, place->dir));
    assert_int_equal(ops->sync_dir(place->io, at(place, "none")), KVS_NOT_FOUND);
}

TEST(names_are_renamed_linked_and_removed)
{
    in_every_place(names_move);
}

struct listing {
    unsigned files;
    unsigned dirs;
    unsigned others;
};

static void note(void *ctx, const char *name)
{
    struct listing *listing = ctx;
    if (name[0] == 'f')
        listing->files++;
    else if (name[0] == 'd')
        listing->dirs++;
    else
        listing->others++;
}

static void directories_list(const struct place *place)
{
    const struct io_ops *ops = place->io->ops;
    assert_ok(ops->make_dir(place->io, at(place, "d1//deep/er/")));
    assert_ok(ops->make_dir(place->io, at(place, "d1/deep")));
    assert_ok(ops->make_dir(place->io, at(place, "d2")));
    io_close(create(place, "f1"));
    io_close(create(place, "f2"));
    io_close(create(place, "d1/deep/er/f3"));
    io_close(create(place, "d1/./deep//er/f4"));
    struct listing listing = { 0 };
    assert_ok(ops->list(place->io, place->dir, note, &listing));
    assert_int_equal(listing.files, 2);
    assert_int_equal(listing.dirs, 2);
    assert_int_equal(listing.others, 0);
    listing = (struct listing){ 0 };
    assert_ok(ops->list(place->io, at(place, "d1/deep/er"), note, &listing));
    assert_int_equal(listing.files, 2);
    assert_int_equal(ops->list(place->io, at(place, "none"), note, &listing), KVS_NOT_FOUND);
    assert_int_equal(ops->make_dir(place->io, at(place, "f1")), KVS_IO);
    struct io_file *file = NULL;
    assert_int_equal(io_open(place->io, at(place, "d1"), IO_READ_WRITE, &file), KVS_IO);
    uint64_t bytes = 0;
    assert_ok(ops->free_space(place->io, place->dir, &bytes));
    assert_true(bytes > 0);
}

TEST(directories_are_made_with_parents_and_listed)
{
    in_every_place(directories_list);
}

static void locks_exclude(const struct place *place)
{
    struct io_file *held = NULL;
    struct io_file *other = NULL;
    assert_ok(place->io->ops->lock(place->io, at(place, "lock"), &held));
    assert_int_equal(place->io->ops->lock(place->io, at(place, "lock"), &other), KVS_LOCKED);
    assert_null(other);
    char pid[32];
    (void)snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    assert_non_null(strstr(kvs_error(), pid));
    assert_ok(place->io->ops->lock(place->io, at(place, "lock2"), &other));
    io_close(other);
    io_close(held);
    assert_ok(place->io->ops->lock(place->io, at(place, "lock"), &held));
    io_close(held);
    assert_int_equal(place->io->ops->lock(place->io, at(place, "none/lock"), &held), KVS_NOT_FOUND);
}

TEST(a_lock_keeps_out_a_second_opener_and_names_the_first)
{
    in_every_place(locks_exclude);
}

static void whole_files(const struct place *place)
{
    char *data = NULL;
    size_t len = 0;
    assert_int_equal(io_read_file(place->io, at(place, "m"), 100, &data, &len), KVS_NOT_FOUND);
    assert_ok(io_replace_file(place->io, place->dir, "m", "first", 5));
    io_close(create(place, "m.new")); /* what a crash may leave */
    assert_ok(io_replace_file(place->io, place->dir, "m", "second!", 7));
    assert_ok(io_read_file(place->io, at(place, "m"), 7, &data, &len));
    assert_int_equal(len, 7);
    assert_string_equal(data, "second!");
    free(data);
    assert_int_equal(io_read_file(place->io, at(place, "m"), 6, &data, &len), KVS_TOO_LONG);
    assert_ok(io_replace_file(place->io, place->dir, "m", NULL, 0));
    assert_ok(io_read_file(place->io, at(place, "m"), 0, &data, &len));
    assert_int_equal(len, 0);
    free(data);
    struct listing listing = { 0 };
    assert_ok(place->io->ops->list(place->io, place->dir, note, &listing));
    assert_int_equal(listing.others, 1);
    assert_int_equal(io_replace_file(place->io, at(place, "none"), "m", "x", 1), KVS_NOT_FOUND);
}

TEST(small_files_are_read_and_replaced_whole)
{
    in_every_place(whole_files);
}

struct writer {
    struct io_file *file;
    unsigned index;
    enum kvs_status status;
};

enum {
    BLOCK = 512,
    BLOCKS_EACH = 50
};

static void *write_blocks(void *ctx)
{
    struct writer *writer = ctx;
    unsigned char block[BLOCK];
    memset(block, (int)writer->index + 1, BLOCK);
    for (unsigned i = 0; i < BLOCKS_EACH && writer->status == KVS_OK; i++) {
        uint64_t off = (uint64_t)(i * 4 + writer->index) * BLOCK;
        writer->status = writer->file->ops->write(writer->file, off, block, BLOCK);
        unsigned char back[BLOCK];
        if (writer->status == KVS_OK)
            writer->status = io_read_exact(writer->file, off, back, BLOCK);
        if (writer->status == KVS_OK && memcmp(block, back, BLOCK) != 0)
            writer->status = KVS_CORRUPT;
        if (writer->status == KVS_OK && i % 10 == 0)
            writer->status = writer->file->ops->sync(writer->file);
    }
    return NULL;
}

static void threads_share(const struct place *place)
{
    struct io_file *file = create(place, "a");
    struct writer writers[4];
    pthread_t threads[4];
    for (unsigned i = 0; i < 4; i++) {
        writers[i] = (struct writer){ file, i, KVS_OK };
        assert_int_equal(pthread_create(&threads[i], NULL, write_blocks, &writers[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_ok(writers[i].status);
    }
    assert_int_equal(size_of(file), 4 * BLOCK * BLOCKS_EACH);
    io_close(file);
}

TEST(threads_share_a_file)
{
    in_every_place(threads_share);
}
