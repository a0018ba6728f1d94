/*
 * load_engine.c - `kvs-bench engine`: the workloads that storage engines are compared with, in process, over kvs.h.
 *
 * Keys are 16 bytes: 16 hexadecimal digits of the key's number, mixed for random order. Threads share one handle. A latency is that
 * of one operation (readseq: of one record; fillbatch: of one batch). fillsync waits for the disk at every operation whatever
 * --durability says.
 */
#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kvs/kvs.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "bench/options.h"
#include "bench/report.h"
#include "io/random.h"

enum {
    KEY_BYTES = 16,
    SEEK_NEXT = 50
};

struct engine_load {
    const struct bench_options *options;
    const char *engine;
    const char *dir;
    struct kvs *db;
    char *value;
    const struct workload *workload;
    uint64_t operations; /* per thread */
    atomic_bool stop;
    atomic_bool failed;
};

struct worker {
    struct engine_load *load;
    pthread_t thread;
    unsigned number;
    bool background; /* the writer of readwhilewriting */
    struct random random;
    uint64_t done;
    struct kvs_value value;
    struct kvs_batch *batch;
    struct kvs_iterator *iterator;
    struct histogram latency;
};

static void key_of(uint64_t number, char key[KEY_BYTES + 1])
{
    snprintf(key, KEY_BYTES + 1, "%016llx", (unsigned long long)number);
}

/* Sequential numbers in a random-looking order that never repeats. */
static uint64_t scattered(uint64_t number)
{
    return hash_u64(number + 1);
}

static enum kvs_status put(struct worker *worker, uint64_t number, enum kvs_durability durability)
{
    struct engine_load *load = worker->load;
    char key[KEY_BYTES + 1];
    key_of(number, key);
    kvs_batch_clear(worker->batch);
    kvs_batch_set(worker->batch, load->db, bytes_of(key, KEY_BYTES),
                  bytes_of(load->value, load->options->value_bytes), 0);
    struct kvs_write_options write = { .durability = durability };
    return kvs_write(load->db, worker->batch, &write, NULL);
}

static uint64_t my_number(const struct worker *worker)
{
    return worker->done * worker->load->options->threads + worker->number;
}

static enum kvs_status op_fillseq(struct worker *worker)
{
    return put(worker, my_number(worker), KVS_DURABILITY_DEFAULT);
}

static enum kvs_status op_fillrandom(struct worker *worker)
{
    return put(worker, scattered(my_number(worker)), KVS_DURABILITY_DEFAULT);
}

static enum kvs_status op_overwrite(struct worker *worker)
{
    return put(worker, scattered(random_below(&worker->random, worker->load->options->keys)),
               KVS_DURABILITY_DEFAULT);
}

static enum kvs_status op_fillsync(struct worker *worker)
{
    return put(worker, scattered(random_below(&worker->random, worker->load->options->keys)),
               KVS_DURABILITY_ALWAYS);
}

static enum kvs_status op_fillbatch(struct worker *worker)
{
    struct engine_load *load = worker->load;
    kvs_batch_clear(worker->batch);
    for (uint64_t i = 0; i < load->options->batch; i++) {
        char key[KEY_BYTES + 1];
        key_of(scattered(my_number(worker) * load->options->batch + i), key);
        kvs_batch_set(worker->batch, load->db, bytes_of(key, KEY_BYTES),
                      bytes_of(load->value, load->options->value_bytes), 0);
    }
    return kvs_write(load->db, worker->batch, NULL, NULL);
}

static enum kvs_status op_readrandom(struct worker *worker)
{
    char key[KEY_BYTES + 1];
    key_of(scattered(random_below(&worker->random, worker->load->options->keys)), key);
    return kvs_get(worker->load->db, bytes_of(key, KEY_BYTES), &worker->value);
}

static enum kvs_status op_readmissing(struct worker *worker)
{
    char key[KEY_BYTES + 1];
    key_of(random_u64(&worker->random), key);
    key[KEY_BYTES - 1] = '.'; /* never a digit */
    enum kvs_status status = kvs_get(worker->load->db, bytes_of(key, KEY_BYTES), &worker->value);
    return status == KVS_NOT_FOUND ? KVS_OK : status;
}

static enum kvs_status op_readseq(struct worker *worker)
{
    struct kvs *db = worker->load->db;
    struct kvs_entry entry;
    enum kvs_status status = KVS_OK;
    if (worker->iterator == NULL)
        status = kvs_iterator_open(db, NULL, NULL, false, &worker->iterator);
    if (status == KVS_OK)
        status = kvs_iterator_next(db, worker->iterator, false, &entry);
    if (status == KVS_NOT_FOUND) { /* from the first again */
        kvs_iterator_close(db, worker->iterator);
        worker->iterator = NULL;
        status = KVS_OK;
    }
    return status;
}

static enum kvs_status op_seekrandom(struct worker *worker)
{
    struct kvs *db = worker->load->db;
    char key[KEY_BYTES + 1];
    key_of(random_u64(&worker->random), key);
    struct kvs_range range = { .start = bytes_of(key, KEY_BYTES) };
    struct kvs_iterator *iterator;
    struct kvs_entry entry;
    enum kvs_status status = kvs_iterator_open(db, NULL, &range, false, &iterator);
    if (status != KVS_OK)
        return status;
    for (int i = 0; i < SEEK_NEXT && status == KVS_OK; i++)
        status = kvs_iterator_next(db, iterator, false, &entry);
    kvs_iterator_close(db, iterator);
    return status == KVS_NOT_FOUND ? KVS_OK : status;
}

static enum kvs_status op_deleterandom(struct worker *worker)
{
    char key[KEY_BYTES + 1];
    key_of(scattered(my_number(worker)), key);
    kvs_batch_clear(worker->batch);
    kvs_batch_remove(worker->batch, worker->load->db, bytes_of(key, KEY_BYTES));
    return kvs_write(worker->load->db, worker->batch, NULL, NULL);
}

static const struct workload {
    const char *name;
    enum kvs_status (*op)(struct worker *worker);
    enum kvs_status (*beside)(struct worker *worker); /* run by one further thread meanwhile */
    bool fills;       /* begins with an empty store, and does each key once */
    uint64_t at_most; /* operations unless told; 0: as many as keys */
} workloads[] = {
    { "fillseq", op_fillseq, NULL, true, 0 },
    { "fillbatch", op_fillbatch, NULL, true, 0 },
    { "fillrandom", op_fillrandom, NULL, true, 0 },
    { "overwrite", op_overwrite, NULL, false, 0 },
    { "fillsync", op_fillsync, NULL, false, 20000 },
    { "readrandom", op_readrandom, NULL, false, 0 },
    { "readmissing", op_readmissing, NULL, false, 0 },
    { "readseq", op_readseq, NULL, false, 0 },
    { "seekrandom", op_seekrandom, NULL, false, 200000 },
    { "readwhilewriting", op_readrandom, op_overwrite, false, 0 },
    { "deleterandom", op_deleterandom, NULL, false, 0 },
};

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct engine_load *load = worker->load;
    enum kvs_status (*op)(struct worker *) =
        worker->background ? load->workload->beside : load->workload->op;
    uint64_t end_ns =
        load->options->seconds != 0 ? now_ns() + load->options->seconds * 1000000000u : UINT64_MAX;
    uint64_t before = now_ns();
    while (worker->background ? !atomic_load(&load->stop) : worker->done < load->operations) {
        enum kvs_status status = op(worker);
        if (status != KVS_OK) {
            fprintf(stderr, "kvs-bench: %s: %s: %s\n", load->workload->name,
                    kvs_status_text(status), kvs_error());
            atomic_store(&load->failed, true);
            break;
        }
        worker->done++;
        uint64_t after = now_ns();
        histogram_add(&worker->latency, after - before, 1);
        before = after;
        if (after > end_ns ||
            atomic_load_explicit(&load->failed, memory_order_relaxed)) /* a flag to stop soon */
            break;
    }
    kvs_iterator_close(load->db, worker->iterator);
    worker->iterator = NULL;
    return NULL;
}

static bool worker_start(struct worker *worker, struct engine_load *load, unsigned number,
                         bool background)
{
    worker->load = load;
    worker->number = number;
    worker->background = background;
    random_seed(&worker->random, load->options->seed * 1000 + number);
    return kvs_batch_new(&worker->batch) == KVS_OK &&
           pthread_create(&worker->thread, NULL, work, worker) == 0;
}

static void worker_report(struct engine_load *load, const char *name, unsigned threads,
                          uint64_t per_op, double seconds, double cpu,
                          const struct histogram *latency)
{
    struct report report = { .subject = load->engine,
                             .workload = name,
                             .clients = threads,
                             .pipeline = 1,
                             .operations = latency->total * per_op,
                             .seconds = seconds,
                             .cpu_seconds = cpu,
                             .disk_bytes = directory_bytes(load->dir),
                             .latency = latency };
    (void)process_memory_bytes((int)getpid(), &report.memory_bytes); /* stays 0: not known */
    report_print(&report, load->options->json);
}

static bool run_threads(struct engine_load *load)
{
    unsigned threads = (unsigned)load->options->threads;
    unsigned all = threads + (load->workload->beside != NULL);
    struct worker *workers = calloc(all, sizeof *workers);
    struct histogram *latency = calloc(1, sizeof *latency);
    if (workers == NULL || latency == NULL) {
        fprintf(stderr, "kvs-bench: out of memory\n");
        free(workers);
        free(latency);
        return false;
    }
    double cpu_before = 0;
    double cpu_after = 0;
    (void)process_cpu_seconds((int)getpid(), &cpu_before);
    uint64_t start_ns = now_ns();
    unsigned started = 0;
    while (started < all && worker_start(&workers[started], load, started, started >= threads))
        started++;
    if (started < all)
        atomic_store(&load->failed, true);
    for (unsigned i = 0; i < started; i++) {
        if (i == threads)
            atomic_store(&load->stop, true);
        (void)pthread_join(workers[i].thread, NULL); /* started above, joined once */
    }
    double seconds = (double)(now_ns() - start_ns) / 1e9;
    (void)process_cpu_seconds((int)getpid(), &cpu_after);
    for (unsigned i = 0; i < threads; i++)
        histogram_merge(latency, &workers[i].latency);
    uint64_t per_op = load->workload->op == op_fillbatch ? load->options->batch : 1;
    if (!atomic_load(&load->failed)) {
        worker_report(load, load->workload->name, threads, per_op, seconds, cpu_after - cpu_before,
                      latency);
        if (all > threads)
            worker_report(load, "  its writer", 1, 1, seconds, -1, &workers[threads].latency);
    }
    for (unsigned i = 0; i < all; i++) {
        kvs_value_done(&workers[i].value);
        kvs_batch_free(workers[i].batch);
    }
    free(workers);
    free(latency);
    atomic_store(&load->stop, false);
    return !atomic_load(&load->failed);
}

static bool parse_durability(const char *text, enum kvs_durability *ret)
{
    static const char *const names[] = { "always", "everysec", "no" };
    for (int i = 0; i < 3; i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret = (enum kvs_durability)(KVS_DURABILITY_ALWAYS + i);
            return true;
        }
    }
    fprintf(stderr, "kvs-bench: --durability is always, everysec or no, not \"%s\"\n", text);
    return false;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

static bool reopen(struct engine_load *load, bool empty)
{
    if (load->db != NULL && kvs_close(load->db) != KVS_OK) {
        fprintf(stderr, "kvs-bench: closing: %s\n", kvs_error());
        return false;
    }
    load->db = NULL;
    if (empty && load->options->dir == NULL)
        (void)nftw(load->dir, remove_one, 16,
                   FTW_DEPTH | FTW_PHYS); /* what cannot be removed is met when opening */
    struct kvs_options open = { .engine = load->engine,
                                .memory_bytes = load->options->memory_bytes };
    if (!parse_durability(load->options->durability, &open.durability))
        return false;
    if (kvs_open(load->dir, &open, &load->db) != KVS_OK) {
        fprintf(stderr, "kvs-bench: opening %s: %s\n", load->dir, kvs_error());
        return false;
    }
    return true;
}

static bool run_workload(void *ctx, const char *name)
{
    struct engine_load *load = ctx;
    load->workload = NULL;
    for (size_t i = 0; i < sizeof workloads / sizeof workloads[0]; i++) {
        if (strcmp(workloads[i].name, name) == 0)
            load->workload = &workloads[i];
    }
    if (load->workload == NULL) {
        fprintf(stderr, "kvs-bench: unknown workload \"%s\"; see kvs-bench --help\n", name);
        return false;
    }
    if ((load->workload->fills || load->db == NULL) && !reopen(load, load->workload->fills))
        return false;
    uint64_t operations =
        load->options->operations != 0 ? load->options->operations : load->options->keys;
    if (load->options->operations == 0 && load->workload->at_most != 0 &&
        operations > load->workload->at_most)
        operations = load->workload->at_most;
    if (load->workload->op == op_fillbatch)
        operations /= load->options->batch;
    load->operations = operations / load->options->threads;
    if (load->operations == 0)
        load->operations = 1;
    return run_threads(load);
}

static bool run_engine(void *ctx, const char *engine)
{
    struct engine_load *load = ctx;
    static const char all[] =
        "fillseq,fillbatch,fillrandom,overwrite,fillsync,readrandom,readmissing,readseq,seekrandom,"
        "readwhilewriting,deleterandom";
    load->engine = engine;
    bool ok = for_each_name(load->options->workloads != NULL ? load->options->workloads : all,
                            run_workload, load);
    if (load->db != NULL && kvs_close(load->db) != KVS_OK) {
        fprintf(stderr, "kvs-bench: closing: %s\n", kvs_error());
        ok = false;
    }
    load->db = NULL;
    if (load->options->dir == NULL)
        (void)nftw(load->dir, remove_one, 16,
                   FTW_DEPTH | FTW_PHYS); /* a directory of ours in /tmp */
    return ok;
}

int bench_engine(const struct bench_options *options)
{
    static struct engine_load load;
    load.options = options;
    char fresh[] = "/tmp/kvs-bench-XXXXXX";
    load.dir = options->dir != NULL ? options->dir : mkdtemp(fresh);
    load.value = malloc(options->value_bytes + 1);
    if (load.dir == NULL || load.value == NULL) {
        perror("kvs-bench");
        return 1;
    }
    struct random random;
    random_seed(&random, options->seed);
    for (uint64_t i = 0; i < options->value_bytes; i++)
        load.value[i] = (char)('a' + random_below(&random, 26));
    report_header(options->json);
    bool ok = true;
    if (options->engines != NULL) {
        ok = for_each_name(options->engines, run_engine, &load);
    } else {
        for (size_t i = 0; ok && kvs_engine_name(i) != NULL; i++)
            ok = run_engine(&load, kvs_engine_name(i));
    }
    free(load.value);
    return ok ? 0 : 1;
}
