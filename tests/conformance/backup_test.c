/*
 * backup_test.c - backing up a store that is written to, restoring, checking and dumping; every engine alike.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "tests/conformance/suite.h"

enum {
    KEYS = 2000,
    LARGE_BYTES = 3 * MIB + 17
};

static void sibling(const struct suite *suite, const char *name, char ret[512])
{
    assert_true(snprintf(ret, 512, "%s-%s", suite->dir, name) < 512);
}

/* Options for what a backup of the engine can be restored into. */
static struct kvs_options target_options(struct suite *suite)
{
    struct kvs_options options = suite->options;
    if (!suite_persistent())
        options.engine = "kvs";
    return options;
}

static void put_large(struct kvs *db, const char *key, unsigned seed)
{
    unsigned char *data = pattern(LARGE_BYTES, seed);
    must_ok(kvs_set(db, text_bytes(key), (struct kvs_bytes){ data, LARGE_BYTES }));
    free(data);
}

static void must_hold_large(struct kvs *db, const char *key, unsigned seed)
{
    unsigned char *data = pattern(LARGE_BYTES, seed);
    must_hold_at(db, NULL, text_bytes(key), (struct kvs_bytes){ data, LARGE_BYTES });
    free(data);
}

static void put_numbered(struct kvs *db, int from, int to, const char *value)
{
    for (int i = from; i < to; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "key:%06d", i);
        put(db, key, value);
    }
}

static void must_hold_numbered(struct kvs *db, int from, int to, const char *value)
{
    for (int i = from; i < to; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "key:%06d", i);
        must_hold(db, key, value);
    }
}

/* Something of everything. */
static void fill(struct suite *suite)
{
    struct kvs *other;
    put_numbered(suite->db, 0, KEYS, "old");
    put_numbered(suite->db, 100, 200, "new");
    must_ok(kvs_remove(suite->db, B("key:000300")));
    put_large(suite->db, "large", 7);
    put_until(suite->db, "mortal", "m", SUITE_START_MS + 5000);
    put(suite->db, "", "empty key");
    put(suite->db, "empty value", "");
    must_ok(kvs_space(suite->db, 3, &other));
    put(other, "key:000300", "in space 3");
    must_ok(kvs_close(other));
    if (kvs_capabilities(suite->db)->remove_range) {
        struct kvs_batch *batch;
        struct kvs_range range = range_of("key:000400", "key:000500");
        must_ok(kvs_batch_new(&batch));
        kvs_batch_remove_range(batch, suite->db, &range);
        must_ok(kvs_write(suite->db, batch, NULL, NULL));
        kvs_batch_free(batch);
    }
}

static void must_be_filled(struct suite *suite, struct kvs *db, bool ranges)
{
    struct kvs *other;
    must_hold_numbered(db, 0, 100, "old");
    must_hold_numbered(db, 100, 200, "new");
    must_hold_numbered(db, 200, 300, "old");
    must_lack(db, "key:000300");
    if (ranges)
        must_lack(db, "key:000450");
    must_hold_numbered(db, 500, KEYS, "old");
    must_hold_large(db, "large", 7);
    must_hold(db, "", "empty key");
    must_hold(db, "empty value", "");
    must_hold(db, "mortal", "m");
    suite_advance_ms(suite, 6000);
    must_lack(db, "mortal");
    must_ok(kvs_space(db, 3, &other));
    must_hold(other, "key:000300", "in space 3");
    must_ok(kvs_close(other));
}

/* What happens to the store after its backup must not be in it. */
static void change(struct suite *suite)
{
    put_numbered(suite->db, 0, KEYS, "later");
    must_ok(kvs_remove(suite->db, B("large")));
    must_ok(kvs_remove(suite->db, B("")));
    must_ok(kvs_compact(suite->db));
}

static void there_and_back(const struct kvs_backup_options *how)
{
    struct suite suite;
    char backup[512];
    char restored[512];
    suite_open(&suite);
    sibling(&suite, "backup", backup);
    sibling(&suite, "restored", restored);
    bool ranges = kvs_capabilities(suite.db)->remove_range;
    fill(&suite);
    uint64_t position = 0;
    must_ok(kvs_backup(suite.db, backup, how, &position));
    assert_true(position > 0);
    change(&suite);
    struct kvs_options options = target_options(&suite);
    must_ok(kvs_check(backup, &options, NULL, NULL));
    must_ok(kvs_restore(backup, restored, &options));
    struct kvs *db;
    must_ok(kvs_open(restored, &options, &db));
    must_be_filled(&suite, db, ranges);
    /* It is a store like any other. */
    put(db, "after", "restore");
    must_ok(kvs_compact(db));
    must_ok(kvs_close(db));
    must_ok(kvs_open(restored, &options, &db));
    must_hold(db, "after", "restore");
    must_hold_large(db, "large", 7);
    must_ok(kvs_close(db));
    must_ok(kvs_check(backup, &options, NULL, NULL)); /* still */
    suite_close(&suite);
}

TEST(a_backup_restores_what_the_store_held)
{
    there_and_back(NULL);
}

TEST(a_backup_that_links_nothing_restores_the_same)
{
    there_and_back(&(struct kvs_backup_options){ .copy = true });
}

TEST(a_backup_as_records_restores_the_same)
{
    there_and_back(&(struct kvs_backup_options){ .records = true });
}

TEST(records_restore_into_another_engine)
{
    struct suite suite;
    char backup[512];
    char restored[512];
    suite_open(&suite);
    sibling(&suite, "across", backup);
    sibling(&suite, "across-kvs", restored);
    fill(&suite);
    bool ranges = kvs_capabilities(suite.db)->remove_range;
    struct kvs_backup_options how = { .records = true };
    must_ok(kvs_backup(suite.db, backup, &how, NULL));
    struct kvs_options options = { .engine = "kvs", .env = &suite.env };
    must_ok(kvs_restore(backup, restored, &options));
    struct kvs *db;
    must_ok(kvs_open(restored, &options, &db));
    must_be_filled(&suite, db, ranges);
    must_ok(kvs_close(db));
    suite_close(&suite);
}

/* ---- While others write ---- */

struct writer {
    struct kvs *db;
    unsigned number;
    atomic_uint done; /* rounds acknowledged */
    atomic_bool *stop;
};

/* Each round sets both halves of a pair to the round's number, in one batch. */
static void *write_pairs(void *arg)
{
    struct writer *writer = arg;
    struct kvs_batch *batch;
    must_ok(kvs_batch_new(&batch));
    for (unsigned round = 1; !atomic_load(writer->stop); round++) {
        char left[32];
        char right[32];
        char value[32];
        (void)snprintf(left, sizeof left, "a:%u", writer->number);
        (void)snprintf(right, sizeof right, "z:%u", writer->number);
        (void)snprintf(value, sizeof value, "%u", round);
        kvs_batch_clear(batch);
        kvs_batch_set(batch, writer->db, text_bytes(left), text_bytes(value), 0);
        kvs_batch_set(batch, writer->db, text_bytes(right), text_bytes(value), 0);
        must_ok(kvs_write(writer->db, batch, NULL, NULL));
        atomic_store(&writer->done, round);
    }
    kvs_batch_free(batch);
    return NULL;
}

static unsigned round_in(struct kvs *db, const char *side, unsigned number)
{
    char key[32];
    char text[32] = "0";
    struct kvs_value value = { .len = 0 };
    (void)snprintf(key, sizeof key, "%s:%u", side, number);
    enum kvs_status status = kvs_get(db, text_bytes(key), &value);
    if (status == KVS_OK)
        (void)snprintf(text, sizeof text, "%.*s", (int)value.len, (const char *)value.data);
    else
        must(KVS_NOT_FOUND, status);
    kvs_value_done(&value);
    return (unsigned)atoi(text);
}

TEST(a_backup_under_load_is_one_version_with_everything_acknowledged_before)
{
    enum {
        WRITERS = 3,
        BACKUPS = 4
    };
    struct suite suite;
    suite_open(&suite);
    put_numbered(suite.db, 0, KEYS, "ballast");
    atomic_bool stop = false;
    struct writer writers[WRITERS];
    pthread_t threads[WRITERS];
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){ .db = suite.db, .number = i, .stop = &stop };
        assert_int_equal(pthread_create(&threads[i], NULL, write_pairs, &writers[i]), 0);
    }
    unsigned before[BACKUPS][WRITERS];
    for (unsigned b = 0; b < BACKUPS; b++) {
        char name[32];
        char backup[512];
        (void)snprintf(name, sizeof name, "busy-%u", b);
        sibling(&suite, name, backup);
        for (unsigned i = 0; i < WRITERS; i++)
            before[b][i] = atomic_load(&writers[i].done);
        struct kvs_backup_options how = { .records = b % 2 == 1 };
        must_ok(kvs_backup(suite.db, backup, &how, NULL));
        must_ok(kvs_compact(suite.db));
    }
    atomic_store(&stop, true);
    for (unsigned i = 0; i < WRITERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    struct kvs_options options = target_options(&suite);
    for (unsigned b = 0; b < BACKUPS; b++) {
        char name[32];
        char backup[512];
        char restored[512];
        (void)snprintf(name, sizeof name, "busy-%u", b);
        sibling(&suite, name, backup);
        (void)snprintf(name, sizeof name, "calm-%u", b);
        sibling(&suite, name, restored);
        must_ok(kvs_restore(backup, restored, &options));
        struct kvs *db;
        must_ok(kvs_open(restored, &options, &db));
        must_hold_numbered(db, 0, KEYS, "ballast");
        for (unsigned i = 0; i < WRITERS; i++) {
            unsigned left = round_in(db, "a", i);
            assert_int_equal(left, round_in(db, "z", i));
            assert_true(left >= before[b][i]);
        }
        must_ok(kvs_close(db));
    }
    suite_close(&suite);
}

/* ---- What is refused ---- */

TEST(a_backup_goes_into_an_empty_directory_only)
{
    struct suite suite;
    suite_open(&suite);
    put(suite.db, "a", "1");
    char backup[512];
    sibling(&suite, "twice", backup);
    must(KVS_INVALID, kvs_backup(suite.db, "", NULL, NULL));
    must_ok(kvs_backup(suite.db, backup, NULL, NULL));
    must(KVS_INVALID, kvs_backup(suite.db, backup, NULL, NULL));
    assert_non_null(strstr(kvs_error(), "is not empty"));
    struct kvs_options options = target_options(&suite);
    must_ok(kvs_check(backup, &options, NULL, NULL)); /* and is not touched */
    must(KVS_INVALID, kvs_restore(backup, backup, &options));
    suite_close(&suite);
}

TEST(a_backup_is_no_store_and_a_store_is_no_backup)
{
    struct suite suite;
    suite_open(&suite);
    put(suite.db, "a", "1");
    char backup[512];
    char restored[512];
    sibling(&suite, "no-store", backup);
    sibling(&suite, "no-backup", restored);
    must_ok(kvs_backup(suite.db, backup, NULL, NULL));
    struct kvs_options options = target_options(&suite);
    struct kvs *db;
    must(KVS_WRONG_FORMAT, kvs_open(backup, &options, &db));
    assert_non_null(strstr(kvs_error(), "kvs restore"));
    if (suite_persistent()) {
        must(KVS_WRONG_FORMAT, kvs_restore(suite.dir, restored, &options));
        assert_non_null(strstr(kvs_error(), "BACKUP"));
    }
    suite_close(&suite);
}

static void flip(struct io *io, const char *dir, const char *name, uint64_t off)
{
    char path[1024];
    unsigned char byte;
    size_t got;
    struct io_file *file;
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    must_ok(io_open(io, path, IO_READ_WRITE, &file));
    must_ok(file->ops->read(file, off, &byte, 1, false, &got));
    assert_int_equal(got, 1);
    byte ^= 0x20;
    must_ok(file->ops->write(file, off, &byte, 1));
    io_close(file);
}

struct names {
    char names[64][64];
    size_t count;
};

static void note_name(void *ctx, const char *name)
{
    struct names *names = ctx;
    assert_true(names->count < 64 && strlen(name) < 64);
    (void)snprintf(names->names[names->count++], 64, "%s", name);
}

static void note_damage(void *ctx, bool ok, const char *text)
{
    char *found = ctx;
    if (!ok && found[0] == '\0')
        (void)snprintf(found, 512, "%s", text);
}

static uint64_t file_bytes(struct io *io, const char *dir, const char *name)
{
    char path[1024];
    struct io_file *file;
    uint64_t bytes;
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    must_ok(io_open(io, path, IO_READ, &file));
    must_ok(file->ops->size(file, &bytes));
    io_close(file);
    return bytes;
}

static bool is_empty_but_lock(struct io *io, const char *dir)
{
    struct names names = { .count = 0 };
    enum kvs_status status = io->ops->list(io, dir, note_name, &names);
    return status == KVS_NOT_FOUND || names.count == 0 ||
           (names.count == 1 && strcmp(names.names[0], "LOCK") == 0);
}

/* One byte of each file, at its beginning, in the middle, at its end: named by a check, refused by a restore. */
TEST(damage_in_a_backup_is_named_and_never_restored)
{
    for (int records = 0; records < 2; records++) {
        struct suite suite;
        suite_open(&suite);
        put_numbered(suite.db, 0, 50, "v");
        char backup[512];
        char restored[512];
        sibling(&suite, records ? "bad-r" : "bad-f", backup);
        sibling(&suite, records ? "bad-r-restored" : "bad-f-restored", restored);
        struct kvs_backup_options how = { .records = records };
        must_ok(kvs_backup(suite.db, backup, &how, NULL));
        struct kvs_options options = target_options(&suite);
        struct names names = { .count = 0 };
        must_ok(suite.env.io->ops->list(suite.env.io, backup, note_name, &names));
        assert_true(names.count >= 2);
        for (size_t i = 0; i < names.count; i++) {
            uint64_t bytes = file_bytes(suite.env.io, backup, names.names[i]);
            for (int place = 0; bytes > 0 && place < 3; place++) {
                uint64_t off = place == 0 ? 0 : place == 1 ? bytes / 2 : bytes - 1;
                char found[512] = "";
                flip(suite.env.io, backup, names.names[i], off);
                enum kvs_status status = kvs_check(backup, &options, note_damage, found);
                assert_true(status == KVS_CORRUPT || status == KVS_WRONG_FORMAT);
                if (found[0] == '\0')
                    (void)snprintf(found, sizeof found, "%s", kvs_error());
                if (strstr(found, names.names[i]) == NULL)
                    fail_msg("%s is not named in: %s", names.names[i], found);
                status = kvs_restore(backup, restored, &options);
                assert_true(status == KVS_CORRUPT || status == KVS_WRONG_FORMAT);
                assert_non_null(strstr(kvs_error(), names.names[i]));
                assert_true(is_empty_but_lock(suite.env.io, restored));
                flip(suite.env.io, backup, names.names[i], off);
            }
        }
        must_ok(kvs_restore(backup, restored, &options));
        suite_close(&suite);
    }
}

TEST(a_backup_without_one_of_its_files_is_refused_by_name)
{
    struct suite suite;
    suite_open(&suite);
    put_numbered(suite.db, 0, 50, "v");
    char backup[512];
    char restored[512];
    char path[1024];
    sibling(&suite, "lacking", backup);
    sibling(&suite, "lacking-restored", restored);
    struct kvs_backup_options how = { .records = true };
    must_ok(kvs_backup(suite.db, backup, &how, NULL));
    (void)snprintf(path, sizeof path, "%s/RECORDS", backup);
    must_ok(suite.env.io->ops->unlink(suite.env.io, path));
    struct kvs_options options = target_options(&suite);
    enum kvs_status status = kvs_restore(backup, restored, &options);
    assert_true(status != KVS_OK);
    assert_non_null(strstr(kvs_error(), "RECORDS"));
    suite_close(&suite);
}

static bool stop_at_once(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    (void)what;
    (void)done;
    (void)total;
    int *left = ctx;
    return --*left > 0;
}

TEST(a_backup_and_a_restore_that_are_stopped_leave_nothing)
{
    struct suite suite;
    suite_open(&suite);
    put_numbered(suite.db, 0, 200, "v");
    char backup[512];
    char restored[512];
    sibling(&suite, "stopped", backup);
    sibling(&suite, "stopped-restored", restored);
    int calls = 1 << 30;
    struct kvs_backup_options how = { .amount = stop_at_once, .amount_ctx = &calls };
    must_ok(kvs_backup(suite.db, backup, &how, NULL));
    int total = (1 << 30) - calls;
    assert_true(total > 0);
    for (int i = 1; i <= total && i < 12; i++) {
        char stopped[512];
        char name[32];
        (void)snprintf(name, sizeof name, "stopped-%d", i);
        sibling(&suite, name, stopped);
        calls = i;
        must(KVS_CLOSED, kvs_backup(suite.db, stopped, &how, NULL));
        assert_true(is_empty_but_lock(suite.env.io, stopped));
    }
    struct kvs_options options = target_options(&suite);
    options.amount = stop_at_once;
    options.amount_ctx = &calls;
    calls = 1;
    must(KVS_CLOSED, kvs_restore(backup, restored, &options));
    assert_true(is_empty_but_lock(suite.env.io, restored));
    calls = 1 << 30;
    must_ok(kvs_restore(backup, restored, &options));
    suite_close(&suite);
}

/* ---- Repairing what is whole, dumping ---- */

static void count_lines(void *ctx, bool ok, const char *text)
{
    unsigned *lines = ctx;
    assert_true(strlen(text) > 0);
    *lines += ok;
}

TEST(repairing_a_whole_store_loses_nothing)
{
    struct suite suite;
    if (!suite_persistent())
        return;
    suite_open(&suite);
    char repaired[512];
    sibling(&suite, "repaired", repaired);
    fill(&suite);
    bool ranges = kvs_capabilities(suite.db)->remove_range;
    must_ok(kvs_close(suite.db));
    unsigned lines = 0;
    must_ok(kvs_dump(suite.dir, &suite.options, count_lines, &lines));
    assert_true(lines > 0);
    struct kvs_repaired result;
    must_ok(kvs_repair(suite.dir, repaired, &suite.options, NULL, NULL, &result));
    assert_int_equal(result.losses, 0);
    struct kvs *db;
    must_ok(kvs_open(repaired, &suite.options, &db));
    assert_int_equal(result.keys, count_of(db) + 1); /* the other space's */
    must_be_filled(&suite, db, ranges);
    must_ok(kvs_close(db));
    must(KVS_INVALID, kvs_repair(suite.dir, repaired, &suite.options, NULL, NULL, &result));
    must_ok(kvs_open(suite.dir, &suite.options, &suite.db)); /* as it was */
    suite_close(&suite);
}
