/*
 * repair_test.c - kvs_repair() on stores of the engine kvs with every kind of damage: what it finds was written once, what is not damaged is
 * there, and the damaged directory stays as it is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kvs/kvs.h>

#include "io/env.h"
#include "tests/harness/test.h"

enum {
    KEYS = 300,
    ROUNDS = 6,
    LARGE_KEYS = 3,
    LARGE_BYTES = 1100 * 1024,
};

struct world {
    struct kvs_env env;
    struct kvs_options options;
    unsigned newest[KEYS]; /* round of the newest value; 0: removed */
    unsigned losses;
};

#define must_ok(call) must((call), #call, __LINE__)

static void must(enum kvs_status status, const char *call, int line)
{
    if (status == KVS_OK)
        return;
    print_error("line %d: %s: %s (%s)\n", line, call, kvs_status_name(status), kvs_error());
    _fail(__FILE__, line);
}

static struct kvs_bytes key_of(unsigned i, char room[16])
{
    (void)snprintf(room, 16, "key%05u", i);
    return (struct kvs_bytes){ room, strlen(room) };
}

/* "i:round:", then as many x as differs from key to key. */
static struct kvs_bytes value_of(unsigned i, unsigned round, char room[256])
{
    int len = snprintf(room, 256, "%u:%u:", i, round);
    size_t more = (i * 7 + round * 13) % 180;
    memset(room + len, 'x', more);
    return (struct kvs_bytes){ room, (size_t)len + more };
}

static unsigned char *large_of(unsigned i)
{
    unsigned char *data = malloc(LARGE_BYTES);
    assert_non_null(data);
    for (size_t at = 0; at < LARGE_BYTES; at++)
        data[at] = (unsigned char)(at * (i + 3) >> 5);
    return data;
}

static void put_larges(struct kvs *db)
{
    for (unsigned i = 0; i < LARGE_KEYS; i++) {
        char name[16];
        unsigned char *data = large_of(i);
        (void)snprintf(name, sizeof name, "large%u", i);
        must_ok(kvs_set(db, (struct kvs_bytes){ name, strlen(name) },
                        (struct kvs_bytes){ data, LARGE_BYTES }));
        free(data);
    }
}

/* Many segments, main and side, with overwritten and removed keys and a removed range. */
static void fill(struct world *world)
{
    struct kvs *db;
    must_ok(kvs_open("/disk/store", &world->options, &db));
    char key[16];
    char value[256];
    for (unsigned round = 1; round <= ROUNDS; round++) {
        for (unsigned i = 0; i < KEYS; i++) {
            if (round > 1 && (i + round) % 3 == 0)
                continue;
            must_ok(kvs_set(db, key_of(i, key), value_of(i, round, value)));
            world->newest[i] = round;
        }
        if (round == 2)
            put_larges(db);
        if (round == 3 || round == 5)
            must_ok(kvs_compact(db));
    }
    for (unsigned i = 0; i < KEYS; i += 10) {
        must_ok(kvs_remove(db, key_of(i, key)));
        world->newest[i] = 0;
    }
    struct kvs_batch *batch;
    char end[16];
    struct kvs_range range = { key_of(101, key), key_of(110, end), true };
    must_ok(kvs_batch_new(&batch));
    kvs_batch_remove_range(batch, db, &range);
    must_ok(kvs_write(db, batch, NULL, NULL));
    kvs_batch_free(batch);
    for (unsigned i = 101; i < 110; i++)
        world->newest[i] = 0;
    must_ok(kvs_close(db));
}

static void begin(struct world *world)
{
    *world = (struct world){ .env = { .clock = clock_system(), .seed = 5 } };
    world->env.io = io_memory_new();
    world->options = (struct kvs_options){ .engine = "kvs",
                                           .env = &world->env,
                                           .segment_bytes = 64 * 1024,
                                           .memory_bytes = 16 * 1024 * 1024,
                                           .no_background = true };
    fill(world);
}

static void end(struct world *world)
{
    io_free(world->env.io);
}

static void note_loss(void *ctx, bool ok, const char *text)
{
    struct world *world = ctx;
    (void)text;
    world->losses += !ok;
}

struct outcome {
    unsigned right;
    unsigned older;
    unsigned missing; /* of those that are there in truth */
    unsigned back;    /* removed in truth */
    unsigned larges;
};

static void judge_key(const struct world *world, struct kvs *db, unsigned i, struct outcome *ret)
{
    char key[16];
    char wanted[256];
    struct kvs_value value = { .len = 0 };
    enum kvs_status status = kvs_get(db, key_of(i, key), &value);
    if (status == KVS_NOT_FOUND) {
        ret->missing += world->newest[i] != 0;
        ret->right += world->newest[i] == 0;
        return;
    }
    must_ok(status);
    unsigned round = 0;
    unsigned said = 0;
    char text[32];
    (void)snprintf(text, sizeof text, "%.*s", (int)value.len, (const char *)value.data);
    assert_int_equal(sscanf(text, "%u:%u:", &said, &round), 2);
    struct kvs_bytes whole = value_of(i, round, wanted);
    assert_int_equal(said, i);
    assert_int_equal(whole.len, value.len);
    assert_memory_equal(whole.data, value.data, value.len);
    ret->right += round == world->newest[i];
    ret->back += world->newest[i] == 0;
    ret->older += world->newest[i] != 0 && round != world->newest[i];
    kvs_value_done(&value);
}

/* Repairs into @to, and compares what is there with the truth. Nothing that was never written may be there. */
static struct outcome repair(struct world *world, const char *to)
{
    struct outcome outcome = { 0 };
    struct kvs_repaired repaired;
    world->losses = 0;
    must_ok(kvs_repair("/disk/store", to, &world->options, note_loss, world, &repaired));
    assert_int_equal(repaired.losses, world->losses);
    struct kvs *db;
    must_ok(kvs_open(to, &world->options, &db));
    for (unsigned i = 0; i < KEYS; i++)
        judge_key(world, db, i, &outcome);
    for (unsigned i = 0; i < LARGE_KEYS; i++) {
        char name[16];
        struct kvs_value value = { .len = 0 };
        (void)snprintf(name, sizeof name, "large%u", i);
        enum kvs_status status = kvs_get(db, (struct kvs_bytes){ name, strlen(name) }, &value);
        if (status == KVS_OK) {
            unsigned char *data = large_of(i);
            assert_int_equal(value.len, LARGE_BYTES);
            assert_memory_equal(value.data, data, LARGE_BYTES);
            free(data);
            outcome.larges++;
        }
        kvs_value_done(&value);
    }
    must_ok(kvs_close(db));
    must_ok(kvs_check(to, &world->options, NULL, NULL));
    return outcome;
}

struct files {
    char names[256][32];
    size_t count;
};

static void note_segment(void *ctx, const char *name)
{
    struct files *files = ctx;
    if (strstr(name, ".seg") != NULL) {
        assert_true(files->count < 256);
        (void)snprintf(files->names[files->count++], 32, "%.31s", name);
    }
}

static void list_segments(struct world *world, struct files *ret)
{
    ret->count = 0;
    must_ok(world->env.io->ops->list(world->env.io, "/disk/store", note_segment, ret));
    assert_true(ret->count > 3);
}

static struct io_file *open_file(struct world *world, const char *name, uint64_t *ret_bytes)
{
    char path[64];
    struct io_file *file;
    (void)snprintf(path, sizeof path, "/disk/store/%s", name);
    must_ok(io_open(world->env.io, path, IO_READ_WRITE, &file));
    must_ok(file->ops->size(file, ret_bytes));
    return file;
}

static void change(struct io_file *file, uint64_t off, size_t len, bool zero)
{
    unsigned char bytes[4096];
    size_t got;
    assert_true(len <= sizeof bytes);
    must_ok(file->ops->read(file, off, bytes, len, false, &got));
    for (size_t i = 0; i < got; i++)
        bytes[i] = zero ? 0 : bytes[i] ^ 0x40;
    must_ok(file->ops->write(file, off, bytes, got));
}

TEST(a_whole_store_is_repaired_without_loss)
{
    struct world world;
    begin(&world);
    struct outcome outcome = repair(&world, "/disk/new");
    assert_int_equal(outcome.right, KEYS);
    assert_int_equal(outcome.larges, LARGE_KEYS);
    assert_int_equal(world.losses, 0);
    end(&world);
}

/* A byte costs one record at most. What it hides may show an older value, and never something else. */
TEST(one_damaged_byte_costs_one_record_at_most)
{
    struct world world;
    struct files files;
    begin(&world);
    list_segments(&world, &files);
    srand((unsigned)test_seed());
    for (unsigned turn = 0; turn < 24; turn++) {
        char to[32];
        uint64_t bytes;
        struct io_file *file = open_file(&world, files.names[turn % files.count], &bytes);
        uint64_t off = (uint64_t)rand() % bytes;
        change(file, off, 1, false);
        (void)snprintf(to, sizeof to, "/disk/new%u", turn);
        struct outcome outcome = repair(&world, to);
        /* A tombstone or a removed range that is lost brings back what it hid: several keys. */
        assert_true(outcome.missing + outcome.older <= 1);
        assert_true(outcome.back <= 9);
        assert_true(outcome.larges >= LARGE_KEYS - 1);
        assert_true(outcome.right >= KEYS - 10);
        change(file, off, 1, false);
        io_close(file);
    }
    struct kvs *db;
    must_ok(kvs_open("/disk/store", &world.options, &db)); /* is as it was */
    must_ok(kvs_close(db));
    end(&world);
}

TEST(damaged_stretches_cost_what_lay_there_and_are_reported)
{
    struct world world;
    struct files files;
    begin(&world);
    list_segments(&world, &files);
    for (unsigned turn = 0; turn < 2; turn++) {
        char to[32];
        uint64_t bytes;
        struct io_file *file = open_file(&world, files.names[files.count / 2], &bytes);
        change(file, 4096, 4096, turn == 1);
        (void)snprintf(to, sizeof to, "/disk/stretch%u", turn);
        struct outcome outcome = repair(&world, to);
        assert_true(world.losses > 0);
        assert_true(outcome.right > KEYS / 2);
        if (turn == 0)
            change(file, 4096, 4096, false);
        io_close(file);
    }
    end(&world);
}

TEST(a_missing_and_a_swapped_segment_cost_what_they_held)
{
    struct world world;
    struct files files;
    begin(&world);
    list_segments(&world, &files);
    char one[64];
    char two[64];
    (void)snprintf(one, sizeof one, "/disk/store/%s", files.names[0]);
    (void)snprintf(two, sizeof two, "/disk/store/%s", files.names[1]);
    struct io *io = world.env.io;
    must_ok(io->ops->rename(io, one, "/disk/aside"));
    (void)repair(&world, "/disk/lacking");
    assert_true(world.losses >= 1);
    struct kvs *db;
    assert_int_equal(kvs_open("/disk/store", &world.options, &db), KVS_CORRUPT);
    assert_non_null(strstr(kvs_error(), files.names[0]));
    must_ok(io->ops->rename(io, two, one));
    must_ok(io->ops->rename(io, "/disk/aside", two));
    (void)repair(&world, "/disk/swapped");
    assert_true(world.losses >= 2);
    assert_int_equal(kvs_open("/disk/store", &world.options, &db), KVS_CORRUPT);
    assert_non_null(strstr(kvs_error(), ".seg"));
    end(&world);
}

TEST(a_lost_manifest_costs_nothing_that_is_still_there)
{
    struct world world;
    begin(&world);
    uint64_t bytes;
    struct io_file *file = open_file(&world, "MANIFEST", &bytes);
    change(file, 20, 8, false);
    io_close(file);
    struct outcome outcome = repair(&world, "/disk/new");
    assert_int_equal(outcome.missing, 0);
    assert_int_equal(outcome.right, KEYS);
    assert_int_equal(outcome.larges, LARGE_KEYS);
    assert_int_equal(world.losses, 1); /* the manifest */
    must_ok(world.env.io->ops->unlink(world.env.io, "/disk/store/MANIFEST"));
    outcome = repair(&world, "/disk/newer");
    assert_int_equal(outcome.right, KEYS);
    end(&world);
}

TEST(a_damaged_segment_header_costs_nothing)
{
    struct world world;
    struct files files;
    begin(&world);
    list_segments(&world, &files);
    uint64_t bytes;
    struct io_file *file = open_file(&world, files.names[1], &bytes);
    change(file, 0, 128, false);
    io_close(file);
    struct outcome outcome = repair(&world, "/disk/new");
    assert_int_equal(outcome.right, KEYS);
    assert_int_equal(outcome.larges, LARGE_KEYS);
    assert_int_equal(world.losses, 1);
    end(&world);
}

TEST(repairing_in_many_passes_finds_the_same)
{
    struct world world;
    begin(&world);
    world.options.memory_bytes = 1; /* the least there is: 4096 records a pass */
    struct outcome outcome = repair(&world, "/disk/new");
    assert_int_equal(outcome.right, KEYS);
    assert_int_equal(world.losses, 0);
    end(&world);
}
