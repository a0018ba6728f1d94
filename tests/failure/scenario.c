/*
 * scenario.c - see scenario.h.
 */
#include "tests/failure/scenario.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "tests/harness/test.h"

enum {
    LARGE_BYTES = 1100 * 1024,
};

static struct kvs_options options_of(struct scenario *scenario)
{
    return (struct kvs_options){ .engine = scenario->engine,
                                 .env = &scenario->env,
                                 .segment_bytes = 256 * 1024,
                                 .memory_bytes = 16 * 1024 * 1024,
                                 .no_background = true };
}

static bool went_well(struct scenario *scenario, enum kvs_status status, const char *call)
{
    if (status == KVS_OK)
        return true;
    scenario->failures++;
    if (scenario->seen != NULL)
        scenario->seen(scenario, status, call);
    return false;
}

#define try(scenario, call) went_well((scenario), (call), #call)

static struct kvs_bytes key_of(unsigned i, char room[16])
{
    (void)snprintf(room, 16, "key%02u", i);
    return (struct kvs_bytes){ room, strlen(room) };
}

static struct kvs_bytes value_of(unsigned i, unsigned value, char room[400])
{
    int len = snprintf(room, 400, "%u:%u:", i, value);
    memset(room + len, '.', 300);
    return (struct kvs_bytes){ room, (size_t)len + 300 };
}

/* A write of @value to key @i was tried: from now on it may be there, and nothing else when it was acknowledged. */
static void note(struct scenario *scenario, unsigned i, unsigned value, bool acknowledged)
{
    if (acknowledged)
        scenario->keys[i].count = 0;
    assert_true(scenario->keys[i].count < SCENARIO_TRIES);
    scenario->keys[i].values[scenario->keys[i].count++] = value;
}

static unsigned char *large_value(void)
{
    static unsigned char data[LARGE_BYTES];
    for (size_t i = 0; i < LARGE_BYTES && data[1] == 0; i++)
        data[LARGE_BYTES - 1 - i] = (unsigned char)((LARGE_BYTES - 1 - i) * 31 >> 3 | 1);
    return data;
}

/* ---- Steps ---- */

static void open_store(struct scenario *scenario)
{
    struct kvs_options options = options_of(scenario);
    if (!try(scenario, kvs_open(scenario->dir, &options, &scenario->db)) &&
        !try(scenario, kvs_open(scenario->dir, &options, &scenario->db)))
        scenario->db = NULL;
}

static void close_store(struct scenario *scenario)
{
    if (scenario->db != NULL)
        (void)try(scenario, kvs_close(scenario->db));
    scenario->db = NULL;
}

static void set_keys(struct scenario *scenario, unsigned value, unsigned step)
{
    for (unsigned i = 0; i < SCENARIO_KEYS; i += step) {
        char key[16];
        char room[400];
        note(scenario, i, value,
             try(scenario, kvs_set(scenario->db, key_of(i, key), value_of(i, value, room))));
    }
}

static void set_large(struct scenario *scenario)
{
    struct kvs_bytes value = { large_value(), LARGE_BYTES };
    scenario->large_acknowledged |= try(scenario, kvs_set(scenario->db, KVS_BYTES("large"), value));
}

static void write_batch(struct scenario *scenario, unsigned value)
{
    struct kvs_batch *batch;
    if (!try(scenario, kvs_batch_new(&batch)))
        return;
    for (unsigned i = 0; i < 5; i++) {
        char key[16];
        char room[400];
        kvs_batch_set(batch, scenario->db, key_of(i, key), value_of(i, value, room), 0);
    }
    bool done = try(scenario, kvs_write(scenario->db, batch, NULL, NULL));
    for (unsigned i = 0; i < 5; i++)
        note(scenario, i, value, done);
    kvs_batch_free(batch);
}

static void remove_keys(struct scenario *scenario)
{
    for (unsigned i = 5; i < 8; i++) {
        char key[16];
        enum kvs_status status = kvs_remove(scenario->db, key_of(i, key));
        /* Not found is an answer: it was not there, and still is not. */
        note(scenario, i, 0,
             status == KVS_NOT_FOUND || went_well(scenario, status, "kvs_remove()"));
    }
}

/* Written without waiting, and made durable together. */
static void write_parked(struct scenario *scenario, unsigned value)
{
    bool written[SCENARIO_KEYS] = { false };
    struct kvs_write_options options = { .park = true };
    for (unsigned i = 8; i < SCENARIO_KEYS; i++) {
        struct kvs_batch *batch;
        char key[16];
        char room[400];
        if (!try(scenario, kvs_batch_new(&batch)))
            continue;
        kvs_batch_set(batch, scenario->db, key_of(i, key), value_of(i, value, room), 0);
        written[i] = try(scenario, kvs_write(scenario->db, batch, &options, NULL));
        note(scenario, i, value, false);
        kvs_batch_free(batch);
    }
    if (!try(scenario, kvs_sync(scenario->db)))
        return;
    for (unsigned i = 8; i < SCENARIO_KEYS; i++)
        if (written[i])
            note(scenario, i, value, true);
}

static void check_value(const struct scenario *scenario, unsigned i, const struct kvs_value *value)
{
    char text[32] = "";
    unsigned said = 0;
    unsigned number = 0;
    char room[400];
    if (value != NULL) {
        (void)snprintf(text, sizeof text, "%.*s", (int)value->len, (const char *)value->data);
        assert_int_equal(sscanf(text, "%u:%u:", &said, &number), 2);
        struct kvs_bytes wanted = value_of(i, number, room);
        assert_int_equal(said, i);
        assert_int_equal(wanted.len, value->len);
        assert_memory_equal(wanted.data, value->data, value->len);
    }
    for (unsigned n = 0; n < scenario->keys[i].count; n++)
        if (scenario->keys[i].values[n] == number)
            return;
    fail_msg("key %u has value %u; the first of %u that may be there is %u", i, number,
             scenario->keys[i].count, scenario->keys[i].values[0]);
}

/* Reads everything; with @must nothing may fail. */
static void read_all(struct scenario *scenario, struct kvs *db, bool must)
{
    struct kvs_value value = { .len = 0 };
    for (unsigned i = 0; i < SCENARIO_KEYS; i++) {
        char key[16];
        enum kvs_status status = kvs_get(db, key_of(i, key), &value);
        if (status == KVS_OK)
            check_value(scenario, i, &value);
        else if (status == KVS_NOT_FOUND)
            check_value(scenario, i, NULL);
        else if (must)
            fail_msg("reading key %u: %s (%s)", i, kvs_status_name(status), kvs_error());
        else
            (void)went_well(scenario, status, "kvs_get()");
    }
    enum kvs_status status = kvs_get(db, KVS_BYTES("large"), &value);
    if (status == KVS_OK) {
        assert_int_equal(value.len, LARGE_BYTES);
        assert_memory_equal(value.data, large_value(), LARGE_BYTES);
    } else if (status == KVS_NOT_FOUND) {
        assert_false(scenario->large_acknowledged);
    } else if (must) {
        fail_msg("reading the large value: %s (%s)", kvs_status_name(status), kvs_error());
    } else {
        (void)went_well(scenario, status, "kvs_get()");
    }
    kvs_value_done(&value);
}

static void iterate(struct scenario *scenario)
{
    struct kvs_iterator *iterator;
    if (!try(scenario, kvs_iterator_open(scenario->db, NULL, NULL, false, &iterator)))
        return;
    enum kvs_status status = KVS_OK;
    struct kvs_entry entry;
    for (unsigned count = 0; status == KVS_OK && count < 100; count++)
        status = kvs_iterator_next(scenario->db, iterator, false, &entry);
    if (status != KVS_NOT_FOUND)
        (void)went_well(scenario, status, "kvs_iterator_next()");
    kvs_iterator_close(scenario->db, iterator);
}

static void back_up_and_restore(struct scenario *scenario)
{
    struct kvs_backup_options how = { .copy = true };
    struct kvs_options options = options_of(scenario);
    if (!try(scenario, kvs_backup(scenario->db, scenario->backup, &how, NULL)))
        return;
    if (!try(scenario, kvs_restore(scenario->backup, scenario->restored, &options)))
        return;
    struct kvs *db;
    if (!try(scenario, kvs_open(scenario->restored, &options, &db)))
        return;
    read_all(scenario, db, false);
    (void)try(scenario, kvs_close(db));
}

void scenario_run(struct scenario *scenario)
{
    open_store(scenario);
    if (scenario->db == NULL)
        return;
    set_keys(scenario, 1, 1);
    set_large(scenario);
    write_batch(scenario, 2);
    remove_keys(scenario);
    write_parked(scenario, 3);
    (void)try(scenario, kvs_compact(scenario->db));
    read_all(scenario, scenario->db, false);
    (void)try(scenario, kvs_checkpoint(scenario->db));
    iterate(scenario);
    close_store(scenario);
    open_store(scenario);
    if (scenario->db == NULL)
        return;
    read_all(scenario, scenario->db, false);
    set_keys(scenario, 4, 2);
    back_up_and_restore(scenario);
}

/* ---- Around it ---- */

static void clear(const char *dir)
{
    DIR *listing = opendir(dir);
    if (listing == NULL)
        return;
    for (const struct dirent *entry; (entry = readdir(listing)) != NULL;) {
        char path[512];
        (void)snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        (void)unlink(path);
    }
    (void)closedir(listing);
    (void)rmdir(dir);
}

void scenario_init(struct scenario *scenario, const char *engine, const char *base)
{
    *scenario =
        (struct scenario){ .engine = engine, .env = { .clock = clock_system(), .seed = 11 } };
    (void)snprintf(scenario->dir, sizeof scenario->dir, "%s/store", base);
    (void)snprintf(scenario->backup, sizeof scenario->backup, "%s/backup", base);
    (void)snprintf(scenario->restored, sizeof scenario->restored, "%s/restored", base);
    clear(scenario->dir);
    clear(scenario->backup);
    clear(scenario->restored);
    for (unsigned i = 0; i < SCENARIO_KEYS; i++)
        scenario->keys[i].count = 1; /* absent */
}

static void must(enum kvs_status status, const char *what)
{
    if (status != KVS_OK)
        fail_msg("%s: %s (%s)", what, kvs_status_name(status), kvs_error());
}

void scenario_verify(struct scenario *scenario, bool same_handle)
{
    struct kvs_options options = options_of(scenario);
    char key[16];
    char room[400];
    if (scenario->db != NULL && same_handle) {
        must(kvs_health(scenario->db), "health afterwards");
        must(kvs_set(scenario->db, key_of(0, key), value_of(0, 7, room)), "writing afterwards");
        note(scenario, 0, 7, true);
        read_all(scenario, scenario->db, true);
        must(kvs_compact(scenario->db), "compacting afterwards");
        must(kvs_close(scenario->db), "closing afterwards");
        scenario->db = NULL;
    }
    (void)kvs_close(scenario->db);
    must(kvs_open(scenario->dir, &options, &scenario->db), "opening afterwards");
    read_all(scenario, scenario->db, true);
    must(kvs_set(scenario->db, key_of(0, key), value_of(0, 8, room)), "writing when open again");
    note(scenario, 0, 8, true);
    must(kvs_compact(scenario->db), "compacting when open again");
    must(kvs_close(scenario->db), "closing when open again");
    must(kvs_check(scenario->dir, &options, NULL, NULL), "checking");
    must(kvs_open(scenario->dir, &options, &scenario->db), "opening at last");
    read_all(scenario, scenario->db, true);
    must(kvs_close(scenario->db), "closing at last");
    scenario->db = NULL;
}
