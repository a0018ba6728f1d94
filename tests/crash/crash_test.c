/*
 * crash_test.c - power cuts at every call to the disk.
 *
 * A sequence of operations (sets, overwrites, removals, batches, range removals, large values, compactions, closing and opening) is
 * run on the simulated disk, one at a time, each acknowledged before the next. The sequence is repeated with a power cut before
 * call 1, 2, 3 … of those that change the disk or sync it; what was not synced is lost, or survives in part by a seed. Then the store is
 * opened again, sometimes with a second cut in the middle of that, and must hold exactly what it held after the last acknowledged
 * operation, or after the one that was under way: nothing lost, nothing half, nothing back from the dead. With weaker durability it may
 * be any state since the last sync, but a state.
 *
 * KVS_CRASH_ROUNDS seeds are tried, each with a cut before every call; without it one seed, with a cut before every 2nd call or
 * so (KVS_CRASH_STEP: every that many). KVS_TEST_SEED repeats a run.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kvs/kvs.h>

#include "base/check.h"
#include "io/env.h"
#include "io/random.h"
#include "tests/harness/test.h"

enum {
    KEYS = 24,
    OPS = 48,
    ABSENT = 0,
    LARGE_BYTES = KVS_INLINE_MAX + 70000
};

/* What the store holds: for each key the number of the write that set it, or ABSENT. */
struct state {
    uint32_t written[KEYS];
};

struct step {
    enum {
        STEP_SET,
        STEP_REMOVE,
        STEP_BATCH,
        STEP_RANGE,
        STEP_LARGE,
        STEP_COMPACT,
        STEP_REOPEN
    } kind;

    unsigned key;
    unsigned other;
    size_t value_bytes;
};

struct run {
    struct io *io;
    struct clock *clock;
    struct kvs_env env;
    enum kvs_durability durability;
    struct step steps[OPS];
    struct state states[OPS + 1]; /* after that many steps */
    size_t synced;                /* the last step known to be on disk */
};

static void key_name(unsigned key, char ret[16])
{
    snprintf(ret, 16, "key%02u", key);
}

static struct kvs_bytes key_bytes(const char *name)
{
    return (struct kvs_bytes){ name, strlen(name) };
}

static size_t value_size(const struct run *run, uint32_t written)
{
    return run->steps[written - 1].kind == STEP_LARGE ? LARGE_BYTES
                                                      : run->steps[written - 1].value_bytes;
}

/* A value that says which step wrote it, in every byte. */
static void fill_value(char *value, size_t bytes, uint32_t written)
{
    for (size_t i = 0; i < bytes; i++)
        value[i] = (char)(written * 31 + i * 7 + (i >> 8));
}

static void plan(struct run *run, uint64_t seed)
{
    struct random random;
    random_seed(&random, seed);
    memset(run->states, 0, sizeof run->states);
    for (size_t i = 0; i < OPS; i++) {
        struct step *step = &run->steps[i];
        uint64_t dice = random_below(&random, 100);
        step->kind = dice < 50   ? STEP_SET
                     : dice < 65 ? STEP_REMOVE
                     : dice < 78 ? STEP_BATCH
                     : dice < 84 ? STEP_RANGE
                     : dice < 86 ? STEP_LARGE
                     : dice < 93 ? STEP_COMPACT
                                 : STEP_REOPEN;
        step->key = (unsigned)random_below(&random, KEYS);
        step->other = (unsigned)random_below(&random, KEYS);
        step->value_bytes = 1 + (size_t)random_below(&random, dice % 5 == 0 ? 9000 : 200);

        struct state *state = &run->states[i + 1];
        *state = run->states[i];
        uint32_t number = (uint32_t)i + 1;
        if (step->kind == STEP_SET || step->kind == STEP_LARGE)
            state->written[step->key] = number;
        if (step->kind == STEP_REMOVE)
            state->written[step->key] = ABSENT;
        for (unsigned key = 0; key < KEYS; key++) {
            if (step->kind == STEP_RANGE && key >= step->key && key < step->other)
                state->written[key] = ABSENT;
            if (step->kind == STEP_BATCH &&
                (key == step->key || key == step->other || key == KEYS - 1))
                state->written[key] = number;
        }
    }
}

static enum kvs_status open_store(struct run *run, struct kvs **ret)
{
    struct kvs_options options = { .engine = "kvs",
                                   .durability = run->durability,
                                   .segment_bytes = 64 * 1024,
                                   .memory_bytes = 1024 * 1024,
                                   .no_background = true,
                                   .env = &run->env };
    return kvs_open("/db", &options, ret);
}

static enum kvs_status set_large(struct kvs *db, struct kvs_batch *batch, struct kvs_bytes key,
                                 uint32_t number)
{
    char *value = malloc(LARGE_BYTES);
    CHECK(value != NULL);
    fill_value(value, LARGE_BYTES, number);
    struct kvs_blob *blob;
    enum kvs_status status = kvs_blob_new(db, &blob);
    if (status == KVS_OK) {
        status = kvs_blob_append(db, blob, (struct kvs_bytes){ value, LARGE_BYTES });
        kvs_batch_set_blob(batch, db, key, blob, 0);
        if (status == KVS_OK)
            status = kvs_write(db, batch, NULL, NULL);
        if (status != KVS_OK)
            kvs_blob_free(db, blob);
    }
    free(value);
    return status;
}

static enum kvs_status write_step(struct run *run, struct kvs *db, size_t i)
{
    const struct step *step = &run->steps[i];
    uint32_t number = (uint32_t)i + 1;
    char name[16];
    char end[16];
    static char value[16384];
    key_name(step->key, name);
    fill_value(value, step->value_bytes, number);
    struct kvs_bytes bytes = { value, step->value_bytes };
    struct kvs_batch *batch;
    enum kvs_status status = kvs_batch_new(&batch);
    if (status != KVS_OK)
        return status;
    if (step->kind == STEP_SET) {
        kvs_batch_set(batch, db, key_bytes(name), bytes, 0);
    } else if (step->kind == STEP_REMOVE) {
        kvs_batch_remove(batch, db, key_bytes(name));
    } else if (step->kind == STEP_RANGE) {
        key_name(step->other, end);
        struct kvs_range range = { key_bytes(name), key_bytes(end), true };
        if (step->key < step->other)
            kvs_batch_remove_range(batch, db, &range);
    } else if (step->kind == STEP_BATCH) {
        kvs_batch_set(batch, db, key_bytes(name), bytes, 0);
        key_name(step->other, name);
        kvs_batch_set(batch, db, key_bytes(name), bytes, 0);
        key_name(KEYS - 1, name);
        kvs_batch_set(batch, db, key_bytes(name), bytes, 0);
    }
    status = step->kind == STEP_LARGE ? set_large(db, batch, key_bytes(name), number)
                                      : kvs_write(db, batch, NULL, NULL);
    kvs_batch_free(batch);
    return status;
}

/* Runs the plan until something fails; returns how many steps were acknowledged. */
static size_t run_plan(struct run *run, size_t from)
{
    struct kvs *db;
    run->synced = from;
    if (open_store(run, &db) != KVS_OK)
        return from;
    size_t i = from;
    for (; i < OPS; i++) {
        enum kvs_status status;
        if (run->steps[i].kind == STEP_COMPACT) {
            status = kvs_compact(db);
        } else if (run->steps[i].kind == STEP_REOPEN) {
            status = kvs_close(db);
            db = NULL;
            if (status == KVS_OK) {
                run->synced = i + 1;
                status = open_store(run, &db);
            }
            if (status != KVS_OK)
                break;
        } else {
            status = write_step(run, db, i);
        }
        if (status != KVS_OK)
            break;
        if (run->durability == KVS_DURABILITY_ALWAYS)
            run->synced = i + 1;
    }
    (void)kvs_close(db); /* after a cut it fails, as it should */
    return i;
}

/* What the store holds now, or fails the test. */
static struct state read_state(struct run *run, struct kvs *db)
{
    struct state state = { 0 };
    struct kvs_iterator *it;
    struct kvs_entry entry;
    assert_ok(kvs_iterator_open(db, NULL, NULL, false, &it));
    enum kvs_status status;
    while ((status = kvs_iterator_next(db, it, false, &entry)) == KVS_OK) {
        char name[16] = { 0 };
        assert_true(entry.key.len < sizeof name);
        memcpy(name, entry.key.data, entry.key.len);
        unsigned key = (unsigned)strtoul(name + 3, NULL, 10);
        assert_true(key < KEYS);
        struct kvs_value value = { 0 };
        assert_ok(kvs_get(db, entry.key, &value));
        /* which step wrote it: the one whose value it is */
        for (uint32_t number = OPS; number >= 1 && state.written[key] == ABSENT; number--) {
            size_t bytes = value_size(run, number);
            if (value.len != bytes)
                continue;
            char *expected = malloc(bytes);
            assert_non_null(expected);
            fill_value(expected, bytes, number);
            if (memcmp(expected, value.data, bytes) == 0)
                state.written[key] = number;
            free(expected);
        }
        if (state.written[key] == ABSENT)
            fail_msg("key%02u holds %zu bytes that no step wrote", key, value.len);
        kvs_value_done(&value);
    }
    assert_int_equal(status, KVS_NOT_FOUND);
    kvs_iterator_close(db, it);
    return state;
}

/* The step after which the store held @state, between @least and @most; fails the test when there is none. */
static size_t find_state(struct run *run, const struct state *state, size_t least, size_t most)
{
    for (size_t i = most + 1; i-- > least;) {
        if (memcmp(&run->states[i], state, sizeof *state) == 0)
            return i;
    }
    for (unsigned key = 0; key < KEYS; key++) {
        if (state->written[key] != run->states[least].written[key] ||
            state->written[key] != run->states[most].written[key])
            print_error("key%02u: written by step %u, expected %u or %u\n", key,
                        state->written[key], run->states[least].written[key],
                        run->states[most].written[key]);
    }
    fail_msg("the store holds no state of after step %zu to %zu", least, most);
    return 0;
}

static void new_disk(struct run *run)
{
    if (run->io != NULL)
        io_free(run->io);
    run->io = io_memory_new();
    assert_non_null(run->io);
    run->env = (struct kvs_env){ .io = run->io, .clock = run->clock, .seed = 1 };
}

/* One cut before call @call, then maybe a second one during recovery, then the check. True: the cut was never reached. */
static bool cut_at(struct run *run, uint64_t call, uint64_t keep_seed, uint64_t second_call)
{
    if (getenv("KVS_CRASH_VERBOSE") != NULL)
        fprintf(stderr, "cut before call %llu, keep %llu, second %llu\n", (unsigned long long)call,
                (unsigned long long)keep_seed, (unsigned long long)second_call);
    new_disk(run);
    io_memory_crash_at(run->io, call);
    size_t done = run_plan(run, 0);
    bool unreached = done == OPS && io_memory_calls(run->io) < call;
    io_memory_crash_at(run->io, 0);
    if (unreached)
        return true;
    size_t synced = run->synced;
    io_memory_crash(run->io, keep_seed);
    size_t most = done < OPS ? done + 1 : OPS;

    struct kvs *db;
    if (second_call != 0) {
        io_memory_crash_at(run->io, io_memory_calls(run->io) + second_call);
        if (open_store(run, &db) == KVS_OK)
            (void)kvs_close(db);
        io_memory_crash_at(run->io, 0);
        io_memory_crash(run->io, keep_seed * 3 + 1);
    }
    enum kvs_status status = open_store(run, &db);
    if (status != KVS_OK)
        fail_msg("cut before call %llu (keep %llu, second %llu): %s", (unsigned long long)call,
                 (unsigned long long)keep_seed, (unsigned long long)second_call, kvs_error());
    struct state state = read_state(run, db);
    size_t at = find_state(run, &state, synced, most);
    assert_ok(kvs_close(db));

    /* what was recovered stays, and the store goes on working */
    io_memory_crash(run->io, 0);
    (void)run_plan(run, at);
    status = open_store(run, &db);
    if (status != KVS_OK)
        fail_msg("after cut %llu (keep %llu) and going on: %s", (unsigned long long)call,
                 (unsigned long long)keep_seed, kvs_error());
    state = read_state(run, db);
    (void)find_state(run, &state, OPS, OPS);
    assert_ok(kvs_close(db));
    return false;
}

/* What a failing run did, for whoever repeats it. */
static void print_plan(const struct run *run)
{
    static const char *const names[] = { "set",   "remove",  "batch", "range",
                                         "large", "compact", "reopen" };
    for (size_t i = 0; i < OPS; i++)
        fprintf(stderr, "step %zu: %s key%02u key%02u, %zu bytes\n", i + 1,
                names[run->steps[i].kind], run->steps[i].key, run->steps[i].other,
                run->steps[i].value_bytes);
}

static unsigned long number_of(const char *variable, unsigned long otherwise)
{
    const char *text = getenv(variable);
    return text != NULL && *text != '\0' ? strtoul(text, NULL, 10) : otherwise;
}

static void cut_everywhere(enum kvs_durability durability)
{
    unsigned long rounds = number_of("KVS_CRASH_ROUNDS", 1);
    unsigned long step = number_of("KVS_CRASH_STEP", getenv("KVS_CRASH_ROUNDS") != NULL ? 1 : 3);
    if (durability != KVS_DURABILITY_ALWAYS && getenv("KVS_CRASH_STEP") == NULL)
        step *= 4; /* each copy into the ring counts as a call, so there are several times as many */
    uint64_t seed = test_seed();
    struct run run = { .durability = durability, .clock = clock_manual_new(1700000000000000) };
    assert_non_null(run.clock);
    uint64_t points = 0;
    for (unsigned long round = 0; round < rounds; round++) {
        struct random random;
        random_seed(&random, seed + round);
        plan(&run, seed + round);
        if (getenv("KVS_CRASH_VERBOSE") != NULL)
            print_plan(&run);
        uint64_t call = 1 + random_below(&random, 3);
        while (!cut_at(&run, call, random_below(&random, 4) == 0 ? 0 : random_u64(&random) | 1,
                       random_below(&random, 3) == 0 ? 1 + random_below(&random, 12) : 0)) {
            points++;
            if (getenv("KVS_CRASH_VERBOSE") != NULL)
                fprintf(stderr, "survived a cut before call %llu\n", (unsigned long long)call);
            call += 1 + random_below(&random, step);
        }
    }
    printf("%llu power cuts\n", (unsigned long long)points);
    io_free(run.io);
    free(run.clock);
}

TEST(acknowledged_writes_survive_a_power_cut_at_any_call)
{
    cut_everywhere(KVS_DURABILITY_ALWAYS);
}

TEST(with_weak_durability_a_power_cut_leaves_a_state_that_was)
{
    cut_everywhere(KVS_DURABILITY_NO);
}
