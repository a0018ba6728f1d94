/*
 * index_bench.c - the index alone: index_bench [keys [read threads]]. Keys of 16 bytes in an array; nanoseconds per operation and
 * bytes per key, filled at random and in order.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "concurrent/epoch.h"
#include "index/index.h"

enum {
    KEY_BYTES = 16,
    THREADS_MAX = 64,
};

struct bench {
    struct index *index;
    char (*keys)[KEY_BYTES]; /* locator i + 1 has keys[i] */
    uint64_t count;
};

static double now_ns(void)
{
    struct timespec now;
    if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
        return 0;
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void must(enum kvs_status status, const char *what)
{
    if (status == KVS_OK)
        return;
    fprintf(stderr, "index_bench: %s: %s\n", what, kvs_status_name(status));
    exit(1);
}

static void report(const char *what, double start_ns, uint64_t count)
{
    printf("%-28s %8.1f ns\n", what, (now_ns() - start_ns) / (double)count);
}

static struct kvs_bytes key_of(const struct bench *bench, uint64_t i)
{
    return bytes_of(bench->keys[i], KEY_BYTES);
}

static enum kvs_status load_key(void *ctx, uint64_t locator, bool no_block, struct buf *scratch,
                                struct kvs_bytes *ret_key)
{
    (void)no_block;
    (void)scratch;
    *ret_key = key_of(ctx, locator - 1);
    return KVS_OK;
}

static void prefetch_key(void *ctx, uint64_t locator)
{
    const struct bench *bench = ctx;
    __builtin_prefetch(bench->keys[locator - 1]);
}

struct wanted {
    const struct bench *bench;
    struct kvs_bytes key;
};

static enum index_match match(void *ctx, uint64_t locator)
{
    const struct wanted *wanted = ctx;
    return bytes_equal(key_of(wanted->bench, locator - 1), wanted->key) ? INDEX_MATCH
                                                                        : INDEX_DIFFERENT;
}

static void find_one(const struct bench *bench, uint64_t i)
{
    struct wanted wanted = { bench, key_of(bench, i) };
    uint64_t locator = 0;
    epoch_enter();
    enum kvs_status status = index_find(bench->index, wanted.key, match, &wanted, &locator);
    epoch_leave();
    must(status, "find");
    if (locator != i + 1)
        must(KVS_CORRUPT, "find");
}

static void *find_many(void *arg)
{
    struct bench *bench = arg;
    uint64_t random = (uint64_t)(uintptr_t)&random;
    for (uint64_t i = 0; i < bench->count; i++)
        find_one(bench, (random = hash_u64(random + i + 1)) % bench->count);
    return NULL;
}

/* As a server does with a pipeline: all leaves are asked for first. */
static void find_in_groups(const struct bench *bench)
{
    enum {
        GROUP = 16
    };

    uint64_t random = 7;
    for (uint64_t i = 0; i < bench->count; i += GROUP) {
        uint64_t wanted[GROUP];
        struct kvs_bytes keys[GROUP];
        struct index_probe probes[GROUP];
        for (unsigned j = 0; j < GROUP; j++) {
            wanted[j] = (random = hash_u64(random + j + 1)) % bench->count;
            keys[j] = key_of(bench, wanted[j]);
        }
        epoch_enter();
        index_probe(bench->index, GROUP, keys, probes);
        for (unsigned j = 0; j < GROUP; j++) {
            uint64_t locator = index_probe_peek(&probes[j]);
            if (locator != 0)
                __builtin_prefetch(bench->keys[locator - 1]);
        }
        epoch_leave();
        for (unsigned j = 0; j < GROUP; j++)
            find_one(bench, wanted[j]);
    }
}

static void bench_finds(struct bench *bench, unsigned threads)
{
    double start = now_ns();
    (void)find_many(bench);
    report("find", start, bench->count);
    start = now_ns();
    find_in_groups(bench);
    report("find, 16 prefetched", start, bench->count);

    pthread_t others[THREADS_MAX];
    start = now_ns();
    for (unsigned i = 0; i < threads; i++) {
        if (pthread_create(&others[i], NULL, find_many, bench) != 0)
            must(KVS_NO_MEMORY, "thread");
    }
    for (unsigned i = 0; i < threads; i++)
        (void)pthread_join(others[i], NULL);
    report("find, all threads", start, bench->count * threads);
}

static void bench_scan(struct bench *bench)
{
    enum {
        MAX = 1024
    };

    uint64_t locators[MAX];
    struct index_scan scan = { .unbounded = true, .no_block = true };
    uint64_t seen = 0;
    size_t count;
    double start = now_ns();
    for (;;) {
        must(index_scan(bench->index, &scan, locators, MAX, &count), "scan");
        if (count == 0)
            break;
        seen += count;
        scan = (struct index_scan){ .from = key_of(bench, locators[count - 1] - 1),
                                    .exclusive = true,
                                    .no_block = true };
    }
    if (seen != bench->count)
        must(KVS_CORRUPT, "scan");
    report("scan, per key", start, seen);
}

static void bench_round(struct bench *bench, unsigned threads)
{
    struct index_owner owner = { .load_key = load_key, .prefetch_key = prefetch_key, .ctx = bench };
    must(index_new(&owner, &bench->index), "new");
    double start = now_ns();
    for (uint64_t i = 0; i < bench->count; i++)
        must(index_put(bench->index, key_of(bench, i), 0, i + 1, false), "put");
    report("insert", start, bench->count);
    epoch_barrier();
    struct index_stats stats;
    index_stats(bench->index, &stats);
    printf("%-28s %8.2f bytes\n%-28s %" PRIu64 " leaves, %" PRIu64 " inner nodes, height %u\n",
           "memory, per key", (double)stats.bytes / (double)stats.slots, "", stats.leaves,
           stats.inner_nodes, (unsigned)stats.height);
    bench_finds(bench, threads);
    bench_scan(bench);
    start = now_ns();
    for (uint64_t i = 0; i < bench->count; i++)
        must(index_put(bench->index, key_of(bench, i), i + 1, i + 1, true), "overwrite");
    report("overwrite", start, bench->count);
    start = now_ns();
    for (uint64_t i = 0; i < bench->count; i++)
        must(index_remove(bench->index, key_of(bench, i), i + 1), "remove");
    report("remove", start, bench->count);
    index_free(bench->index);
}

int main(int argc, char **argv)
{
    struct bench bench = { .count = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000 };
    unsigned threads = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 2;
    if (argc > 3 || bench.count == 0 || threads == 0 || threads > THREADS_MAX) {
        fprintf(stderr, "usage: index_bench [keys [read threads, at most %d]]\n", THREADS_MAX);
        return 2;
    }
    bench.keys = malloc(bench.count * sizeof *bench.keys);
    if (bench.keys == NULL) {
        fprintf(stderr, "index_bench: keys: %s\n", strerror(errno));
        return 1;
    }
    printf("%" PRIu64 " keys in random order\n", bench.count);
    for (uint64_t i = 0; i < bench.count; i++) {
        uint64_t halves[2] = { hash_u64(i + 1), hash_u64(~i) };
        memcpy(bench.keys[i], halves, KEY_BYTES);
    }
    bench_round(&bench, threads);
    printf("\n%" PRIu64 " keys in order\n", bench.count);
    for (uint64_t i = 0; i < bench.count; i++) {
        char text[KEY_BYTES + 1];
        (void)snprintf(text, sizeof text, "key:%012" PRIu64, i % 1000000000000);
        memcpy(bench.keys[i], text, KEY_BYTES);
    }
    bench_round(&bench, threads);
    free(bench.keys);
    return 0;
}
