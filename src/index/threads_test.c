/* One mutator against readers who know what must be there. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "concurrent/epoch.h"
#include "index/index.h"
#include "tests/harness/test.h"

enum {
    KEYS = 6000,
    STAYING = 16, /* every so many keys one is always in the index */
    KEY_BYTES = 48,
    READERS = 3,
#ifdef __SANITIZE_THREAD__
    STEPS = 200000,
#else
    STEPS = 600000,
#endif
};

/* Key i has locators i + 1, i + 1 + KEYS, and so on, one after the other; the latest two can be loaded. */
struct world {
    struct index *index;
    char keys[KEYS][KEY_BYTES]; /* in order */
    _Atomic uint64_t generations[KEYS];
    bool present[KEYS]; /* the mutator's */
    atomic_bool stop;
    uint64_t seed;
};

static struct kvs_bytes key_of(const struct world *world, uint64_t i)
{
    return bytes_str(world->keys[i]);
}

static uint64_t key_number(uint64_t locator)
{
    return (locator - 1) % KEYS;
}

static enum kvs_status world_load_key(void *ctx, uint64_t locator, bool no_block,
                                      struct buf *scratch, struct kvs_bytes *ret_key)
{
    struct world *world = ctx;
    uint64_t i = key_number(locator);
    uint64_t generation = atomic_load_explicit(&world->generations[i], memory_order_acquire);
    (void)scratch;
    if ((locator - 1) / KEYS + 1 < generation)
        return KVS_NOT_FOUND; /* moved */
    if (no_block && hash_u64(locator ^ world->seed) % 64 == 0)
        return KVS_WOULD_BLOCK;
    *ret_key = key_of(world, i);
    return KVS_OK;
}

static enum index_match world_match(void *ctx, uint64_t locator)
{
    return key_number(locator) == *(const uint64_t *)ctx ? INDEX_MATCH : INDEX_DIFFERENT;
}

struct reader {
    struct world *world;
    pthread_t thread;
    uint64_t random;
    uint64_t finds;
    uint64_t scans;
    uint64_t lost;     /* a staying key that was not found */
    uint64_t disorder; /* in a scan */
    uint64_t failures;
    uint64_t stale; /* a locator older than what was the latest before the call */
};

static void read_one(struct reader *reader)
{
    struct world *world = reader->world;
    uint64_t i = hash_u64(reader->random) % (KEYS / STAYING) * STAYING;
    uint64_t before = atomic_load_explicit(&world->generations[i], memory_order_acquire);
    uint64_t locator = 0;
    epoch_enter();
    if (index_find(world->index, key_of(world, i), world_match, &i, &locator) != KVS_OK)
        reader->lost++;
    else if ((locator - 1) / KEYS < before)
        reader->stale++;
    epoch_leave();
    reader->finds++;
}

/* The same for several keys side by side. */
static void read_several(struct reader *reader)
{
    enum {
        SEVERAL = 8
    };

    struct world *world = reader->world;
    uint64_t numbers[SEVERAL];
    uint64_t before[SEVERAL];
    struct kvs_bytes keys[SEVERAL];
    struct index_probe probes[SEVERAL];
    for (uint64_t i = 0; i < SEVERAL; i++) {
        numbers[i] = hash_u64(reader->random + i) % (KEYS / STAYING) * STAYING;
        before[i] = atomic_load_explicit(&world->generations[numbers[i]], memory_order_acquire);
        keys[i] = key_of(world, numbers[i]);
    }
    epoch_enter();
    index_probe(world->index, SEVERAL, keys, probes);
    for (unsigned i = 0; i < SEVERAL; i++) {
        uint64_t locator = 0;
        (void)index_probe_peek(&probes[i]);
        if (index_find_at(&probes[i], world_match, &numbers[i], &locator) != KVS_OK)
            reader->lost++;
        else if ((locator - 1) / KEYS < before[i])
            reader->stale++;
    }
    epoch_leave();
    reader->finds += SEVERAL;
}

/* Scans from a random key on, and checks the order and that no staying key is left out. */
static void scan_some(struct reader *reader)
{
    struct world *world = reader->world;
    uint64_t locators[INDEX_SCAN_MIN * 2];
    size_t count;
    uint64_t start = hash_u64(reader->random) % KEYS;
    struct index_scan scan = { .from = key_of(world, start),
                               .enough = hash_u64(reader->random + 4) % 3 * 50,
                               .reverse = hash_u64(reader->random + 1) % 2,
                               .exclusive = hash_u64(reader->random + 2) % 2,
                               .unbounded = hash_u64(reader->random + 3) % 8 == 0 };
    enum kvs_status status = index_scan(world->index, &scan, locators, INDEX_SCAN_MIN * 2, &count);
    reader->scans++;
    if (status != KVS_OK) {
        reader->failures++;
        return;
    }
    uint64_t before = scan.unbounded   ? (scan.reverse ? KEYS : UINT64_MAX)
                      : scan.exclusive ? start
                      : scan.reverse   ? start + 1
                                       : start - 1; /* wraps to what comes before 0 */
    for (size_t i = 0; i < count; i++) {
        uint64_t at = key_number(locators[i]);
        bool ascends = scan.reverse ? at < before : at + 1 > before + 1;
        if (!ascends)
            reader->disorder++;
        uint64_t low = scan.reverse ? at + 1 : before + 1;
        uint64_t high = scan.reverse ? before : at;
        if (ascends && (low + STAYING - 1) / STAYING * STAYING < high)
            reader->lost++;
        before = at;
    }
}

static void *reader_main(void *arg)
{
    struct reader *reader = arg;
    while (!atomic_load_explicit(&reader->world->stop, memory_order_relaxed)) {
        reader->random += UINT64_C(0x9e3779b97f4a7c15);
        for (unsigned i = 0; i < 20; i++) {
            reader->random++;
            read_one(reader);
            read_several(reader);
        }
        scan_some(reader);
    }
    return NULL;
}

static void overwrite(struct world *world, uint64_t i)
{
    uint64_t generation = atomic_load_explicit(&world->generations[i], memory_order_relaxed);
    uint64_t old = i + 1 + generation * KEYS;
    assert_ok(index_put(world->index, key_of(world, i), old, old + KEYS, false));
    atomic_store_explicit(&world->generations[i], generation + 1, memory_order_release);
}

static void insert(struct world *world, uint64_t i)
{
    uint64_t generation = atomic_load_explicit(&world->generations[i], memory_order_relaxed) + 1;
    uint64_t locator = i + 1 + generation * KEYS;
    enum kvs_status status = index_put(world->index, key_of(world, i), 0, locator, true);
    if (status == KVS_WOULD_BLOCK)
        status = index_put(world->index, key_of(world, i), 0, locator, false);
    assert_ok(status);
    atomic_store_explicit(&world->generations[i], generation, memory_order_release);
    world->present[i] = true;
}

static void remove_key(struct world *world, uint64_t i)
{
    uint64_t generation = atomic_load_explicit(&world->generations[i], memory_order_relaxed);
    assert_ok(index_remove(world->index, key_of(world, i), i + 1 + generation * KEYS));
    world->present[i] = false;
}

/* Also says how many leaves there were at least and at most. */
static void mutate(struct world *world, uint64_t *ret_min, uint64_t *ret_max)
{
    uint64_t random = world->seed;
    *ret_min = UINT64_MAX;
    *ret_max = 0;
    for (uint64_t step = 0; step < STEPS; step++) {
        random = hash_u64(random + step + 1);
        uint64_t i = random % KEYS;
        bool growing = step / (3 * KEYS) % 2 == 0;
        uint64_t dice = (random >> 32) % 8;
        if (dice == 0 || i % STAYING == 0) {
            if (world->present[i])
                overwrite(world, i);
        } else if (world->present[i] && (!growing || dice == 1)) {
            remove_key(world, i);
        } else if (!world->present[i] && (growing || dice == 1)) {
            insert(world, i);
        }
        if (step % 512 != 0 || step < 3 * KEYS)
            continue;
        struct index_stats stats;
        index_stats(world->index, &stats);
        *ret_min = stats.leaves < *ret_min ? stats.leaves : *ret_min;
        *ret_max = stats.leaves > *ret_max ? stats.leaves : *ret_max;
    }
}

static struct world world;

TEST(readers_miss_nothing_while_leaves_split_and_merge)
{
    world.seed = test_seed();
    struct index_owner owner = { .load_key = world_load_key, .ctx = &world };
    assert_ok(index_new(&owner, &world.index));
    for (uint64_t i = 0; i < KEYS; i++) {
        (void)snprintf(world.keys[i], KEY_BYTES, "a common beginning of all keys %08llu",
                       (unsigned long long)i * 7);
        if (i % STAYING == 0)
            insert(&world, i);
    }
    struct reader readers[READERS] = { 0 };
    for (unsigned i = 0; i < READERS; i++) {
        readers[i].world = &world;
        readers[i].random = hash_u64(world.seed + i + 1);
        assert_int_equal(pthread_create(&readers[i].thread, NULL, reader_main, &readers[i]), 0);
    }
    uint64_t min_leaves;
    uint64_t max_leaves;
    mutate(&world, &min_leaves, &max_leaves);
    atomic_store_explicit(&world.stop, true, memory_order_relaxed);
    for (unsigned i = 0; i < READERS; i++) {
        assert_int_equal(pthread_join(readers[i].thread, NULL), 0);
        print_message("reader %u: %llu finds, %llu scans\n", i,
                      (unsigned long long)readers[i].finds, (unsigned long long)readers[i].scans);
        assert_int_equal(readers[i].lost, 0);
        assert_int_equal(readers[i].stale, 0);
        assert_int_equal(readers[i].disorder, 0);
        assert_int_equal(readers[i].failures, 0);
        assert_true(readers[i].finds > 0 && readers[i].scans > 0);
    }
    print_message("%llu to %llu leaves\n", (unsigned long long)min_leaves,
                  (unsigned long long)max_leaves);
    assert_true(max_leaves >= 2 * min_leaves); /* leaves have been split and merged */
    assert_ok(index_verify(world.index));
    index_free(world.index);
}
