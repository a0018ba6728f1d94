/*
 * thread_test.c - one store, many threads: atomic batches under readers, counters under conditions, shared handles.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "tests/conformance/suite.h"

enum {
    THREADS = 4,
    KEYS = 8
};

/* What the threads of a test share. They count what is wrong; only the main thread asserts. */
struct shared {
    struct kvs *db;
    atomic_bool stop;
    atomic_int wrong;
    atomic_int rounds;
};

/* relaxed everywhere: counters and a flag; joining the threads orders what matters */
static void wrong_if(struct shared *shared, bool wrong)
{
    if (wrong)
        atomic_fetch_add_explicit(&shared->wrong, 1, memory_order_relaxed);
}

static bool stopped(struct shared *shared)
{
    return atomic_load_explicit(&shared->stop, memory_order_relaxed);
}

static void stop(struct shared *shared)
{
    atomic_store_explicit(&shared->stop, true, memory_order_relaxed);
}

static void key_name(int i, char ret[16])
{
    (void)snprintf(ret, 16, "key%d", i);
}

/* Writes the same number to all keys, one batch after the other. */
static void *write_batches(void *arg)
{
    struct shared *shared = arg;
    struct kvs_batch *batch;
    if (kvs_batch_new(&batch) != KVS_OK)
        return NULL;
    struct kvs_write_options options = { .durability = KVS_DURABILITY_NO };
    for (int round = 0; round < 400; round++) {
        char key[16];
        char value[32];
        int len = snprintf(value, sizeof value, "%d", round);
        kvs_batch_clear(batch);
        if (round % 50 == 49)
            kvs_batch_remove_range(batch, shared->db, NULL);
        for (int i = 0; i < KEYS; i++) {
            key_name((i + round) % KEYS, key);
            if (round % 50 == 25)
                kvs_batch_remove(batch, shared->db, text_bytes(key));
            else
                kvs_batch_set(batch, shared->db, text_bytes(key),
                              (struct kvs_bytes){ value, (size_t)len }, 0);
        }
        wrong_if(shared, kvs_write(shared->db, batch, &options, NULL) != KVS_OK);
    }
    kvs_batch_free(batch);
    stop(shared);
    return NULL;
}

/* All keys at once must hold the same number, or all be absent; and the number never falls. */
static void *read_batches(void *arg)
{
    struct shared *shared = arg;
    char names[KEYS][16];
    struct kvs_bytes keys[KEYS];
    struct kvs_value values[KEYS] = { 0 };
    enum kvs_status statuses[KEYS];
    struct kvs_read read = { .park = true };
    uint64_t last = 0;
    for (int i = 0; i < KEYS; i++) {
        key_name(i, names[i]);
        keys[i] = text_bytes(names[i]);
    }
    while (!stopped(shared)) {
        wrong_if(shared, kvs_multi_get(shared->db, &read, KEYS, keys, values, statuses) != KVS_OK);
        for (int i = 1; i < KEYS; i++) {
            wrong_if(shared, statuses[i] != statuses[0]);
            if (statuses[0] == KVS_OK && statuses[i] == KVS_OK)
                wrong_if(shared, values[i].version != values[0].version ||
                                     values[i].len != values[0].len ||
                                     memcmp(values[i].data, values[0].data, values[0].len) != 0);
        }
        if (statuses[0] == KVS_OK) {
            wrong_if(shared, values[0].version < last);
            last = values[0].version;
        }
        atomic_fetch_add_explicit(&shared->rounds, 1, memory_order_relaxed);
    }
    for (int i = 0; i < KEYS; i++)
        kvs_value_done(&values[i]);
    return NULL;
}

static void *iterate_batches(void *arg)
{
    struct shared *shared = arg;
    struct kvs_read read = { .park = true };
    while (!stopped(shared)) {
        struct kvs_iterator *iterator;
        struct kvs_entry entry;
        if (kvs_iterator_open(shared->db, &read, NULL, false, &iterator) != KVS_OK) {
            wrong_if(shared, true);
            return NULL;
        }
        int count = 0;
        uint64_t version = 0;
        enum kvs_status status;
        while ((status = kvs_iterator_next(shared->db, iterator, false, &entry)) == KVS_OK) {
            wrong_if(shared, count != 0 && entry.version != version);
            version = entry.version;
            count++;
        }
        wrong_if(shared, status != KVS_NOT_FOUND || (count != 0 && count != KEYS));
        kvs_iterator_close(shared->db, iterator);
    }
    return NULL;
}

TEST(readers_see_a_batch_wholly_or_not_at_all)
{
    struct suite suite;
    suite_open(&suite);
    struct shared shared = { .db = suite.db };
    pthread_t threads[3];
    assert_int_equal(pthread_create(&threads[0], NULL, read_batches, &shared), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, iterate_batches, &shared), 0);
    assert_int_equal(pthread_create(&threads[2], NULL, write_batches, &shared), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load_explicit(&shared.wrong, memory_order_relaxed), 0);
    assert_int_equal(count_of(suite.db), KEYS);
    suite_close(&suite);
}

enum {
    INCREMENTS = 150
};

struct counted {
    int64_t number;
    uint64_t version;
};

static void see_number(void *ctx, const struct kvs_entry *entry)
{
    struct counted *counted = ctx;
    if (entry->value.len == sizeof counted->number)
        memcpy(&counted->number, entry->value.data, sizeof counted->number);
    counted->version = entry->version;
}

/* Adds one with a conditional batch, again and again until it held. */
static void *count_up(void *arg)
{
    struct shared *shared = arg;
    struct kvs_batch *batch;
    if (kvs_batch_new(&batch) != KVS_OK)
        return NULL;
    struct kvs_write_options options = { .durability = KVS_DURABILITY_NO };
    struct kvs_read read = { .park = true };
    for (int i = 0; i < INCREMENTS;) {
        struct counted counted = { 0 };
        enum kvs_status status =
            kvs_visit(shared->db, &read, B("counter"), see_number, &counted, NULL);
        kvs_batch_clear(batch);
        if (status == KVS_NOT_FOUND)
            kvs_batch_if_absent(batch, shared->db, B("counter"));
        else
            kvs_batch_if_version(batch, shared->db, B("counter"), counted.version);
        int64_t next = counted.number + 1;
        kvs_batch_set(batch, shared->db, B("counter"), (struct kvs_bytes){ &next, sizeof next }, 0);
        status = kvs_write(shared->db, batch, &options, NULL);
        wrong_if(shared, status != KVS_OK && status != KVS_CONFLICT);
        i += status == KVS_OK;
    }
    kvs_batch_free(batch);
    return NULL;
}

TEST(conditional_writes_lose_no_update)
{
    struct suite suite;
    suite_open(&suite);
    struct shared shared = { .db = suite.db };
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, &shared), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load_explicit(&shared.wrong, memory_order_relaxed), 0);
    struct counted counted = { 0 };
    must_ok(kvs_visit(suite.db, NULL, B("counter"), see_number, &counted, NULL));
    assert_int_equal(counted.number, THREADS * INCREMENTS);
    suite_close(&suite);
}

static void *use_reference(void *arg)
{
    struct shared *shared = arg;
    for (int i = 0; i < 200; i++) {
        struct kvs *mine = kvs_ref(shared->db);
        struct kvs *space = NULL;
        if (kvs_space(mine, (unsigned)i % KVS_SPACES, &space) != KVS_OK) {
            wrong_if(shared, true);
            return NULL;
        }
        char key[16];
        key_name(i % KEYS, key);
        struct kvs_value value = { 0 };
        struct kvs_read read = { .park = true };
        enum kvs_status status = kvs_get_at(space, &read, text_bytes(key), &value);
        wrong_if(shared, status != KVS_OK && status != KVS_NOT_FOUND);
        kvs_value_done(&value);
        wrong_if(shared, kvs_close(space) != KVS_OK || kvs_close(mine) != KVS_OK);
    }
    wrong_if(shared, kvs_close(shared->db) != KVS_OK); /* each thread owns one */
    return NULL;
}

TEST(the_last_of_many_owners_closes_the_store)
{
    struct suite suite;
    suite_open(&suite);
    put(suite.db, "key1", "x");
    struct shared shared = { .db = suite.db };
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        (void)kvs_ref(suite.db);
        assert_int_equal(pthread_create(&threads[i], NULL, use_reference, &shared), 0);
    }
    must_ok(kvs_close(suite.db));
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load_explicit(&shared.wrong, memory_order_relaxed), 0);
    must_ok(kvs_open(suite.dir, &suite.options, &suite.db)); /* nobody has it any more */
    suite_close(&suite);
}

/* Overwrites and removes in one thread, snapshots in the others: a snapshot gives the same answer twice. */
static void *read_snapshots(void *arg)
{
    struct shared *shared = arg;
    while (!stopped(shared)) {
        struct kvs_snapshot *snapshot;
        if (kvs_snapshot_open(shared->db, "thread", &snapshot) != KVS_OK) {
            wrong_if(shared, true);
            return NULL;
        }
        struct kvs_read read = { .snapshot = snapshot, .park = true };
        uint64_t seen[2][KEYS] = { 0 };
        for (int pass = 0; pass < 2; pass++)
            for (int i = 0; i < KEYS; i++) {
                char key[16];
                key_name(i, key);
                struct counted counted = { 0 };
                enum kvs_status status =
                    kvs_visit(shared->db, &read, text_bytes(key), see_number, &counted, NULL);
                wrong_if(shared, status != KVS_OK && status != KVS_NOT_FOUND);
                seen[pass][i] = counted.version;
                wrong_if(shared, counted.version > kvs_snapshot_version(shared->db, snapshot));
                wrong_if(shared, pass == 1 && seen[0][i] != seen[1][i]);
                wrong_if(shared, seen[pass][i] != seen[pass][0]);
            }
        kvs_snapshot_close(shared->db, snapshot);
    }
    return NULL;
}

static void *compact_often(void *arg)
{
    struct shared *shared = arg;
    while (!stopped(shared))
        wrong_if(shared, kvs_compact(shared->db) != KVS_OK);
    return NULL;
}

TEST(snapshots_are_stable_under_writers_and_compaction)
{
    struct suite suite;
    suite_open(&suite);
    struct shared shared = { .db = suite.db };
    pthread_t threads[4];
    assert_int_equal(pthread_create(&threads[0], NULL, read_snapshots, &shared), 0);
    assert_int_equal(pthread_create(&threads[1], NULL, read_snapshots, &shared), 0);
    assert_int_equal(pthread_create(&threads[2], NULL, compact_often, &shared), 0);
    assert_int_equal(pthread_create(&threads[3], NULL, write_batches, &shared), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load_explicit(&shared.wrong, memory_order_relaxed), 0);
    suite_close(&suite);
}
