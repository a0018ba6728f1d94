/*
 * engine_run.c - running one workload on one store: threads, clock, report.
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/engine.h"
#include "bench/report.h"
#include "bench/ticks.h"

enum {
    WORKERS_MAX = 1025
};

static bool flag(atomic_bool *at)
{
    return atomic_load_explicit(at, memory_order_relaxed); /* a flag to stop soon */
}

bool worker_init(struct worker *worker, struct load *load, const struct op *op, unsigned number,
                 unsigned count)
{
    *worker = (struct worker){ .load = load, .op = op, .number = number, .count = count };
    random_seed(&worker->random, load->options->seed * 1000 + number);
    worker->keys = malloc((size_t)BATCH_MAX * BENCH_KEY_BYTES);
    worker->thread = load->ops->thread_new(load->store);
    return worker->keys != NULL && worker->thread != NULL;
}

void worker_done(struct worker *worker)
{
    worker->load->ops->thread_free(worker->thread);
    free(worker->keys);
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct load *load = worker->load;
    double ns = ticks_ns();
    uint64_t end = UINT64_MAX;
    if (load->seconds != 0)
        end = ticks_now() + (uint64_t)((double)load->seconds * 1e9 / ns);
    while (worker->beside ? !flag(&load->stop) : worker->records < load->operations) {
        worker->op->prepare(worker);
        uint64_t before = ticks_now();
        int records = worker->op->run(worker);
        uint64_t after = ticks_now();
        if (records < 0) {
            atomic_store(&load->failed, true);
            break;
        }
        worker->done++;
        worker->records += (uint64_t)records;
        histogram_add(&worker->latency, (uint64_t)((double)(after - before) * ns), 1);
        if (after > end || flag(&load->failed))
            break;
    }
    return NULL;
}

static void report_worker(struct load *load, const char *name, unsigned threads, double seconds,
                          double cpu, uint64_t written, uint64_t records,
                          const struct histogram *latency)
{
    struct report report = { .subject = load->name,
                             .workload = name,
                             .clients = threads,
                             .pipeline = 1,
                             .operations = records,
                             .seconds = seconds,
                             .cpu_seconds = cpu,
                             .disk_bytes = directory_bytes(load->dir),
                             .written_bytes = written,
                             .user_bytes = records * (BENCH_KEY_BYTES + load->value.len),
                             .latency = latency };
    if (!process_memory_bytes((int)getpid(), &report.memory_bytes))
        report.memory_bytes = 0;
    report_print(&report, load->options->json);
}

/* Runs the workers; *ret_started of them were. */
static bool run_workers(struct load *load, struct worker *workers, unsigned threads, unsigned all)
{
    unsigned started = 0;
    for (; started < all; started++) {
        struct worker *worker = &workers[started];
        worker->beside = started >= threads;
        if (pthread_create(&worker->native, NULL, work, worker) != 0) {
            fprintf(stderr, "kvs-bench: a thread could not be started\n");
            atomic_store(&load->failed, true);
            break;
        }
    }
    for (unsigned i = 0; i < started; i++) {
        if (i == threads)
            atomic_store(&load->stop, true);
        (void)pthread_join(workers[i].native, NULL); /* started above, joined once */
    }
    atomic_store(&load->stop, false);
    return !flag(&load->failed);
}

static void report_all(struct load *load, struct worker *workers, unsigned threads, unsigned all,
                       double seconds, double cpu, uint64_t written)
{
    static struct histogram latency;
    memset(&latency, 0, sizeof latency);
    uint64_t records = 0;
    for (unsigned i = 0; i < threads; i++) {
        histogram_merge(&latency, &workers[i].latency);
        records += workers[i].records;
    }
    report_worker(load, load->workload->name, threads, seconds, cpu, written, records, &latency);
    if (all == threads)
        return;
    char name[64];
    snprintf(name, sizeof name, "%s-writer", load->workload->name);
    report_worker(load, name, 1, seconds, -1, written, workers[threads].records,
                  &workers[threads].latency);
}

static bool run_threads(struct load *load)
{
    unsigned threads =
        load->workload->threads != 0 ? load->workload->threads : (unsigned)load->options->threads;
    unsigned all = threads + (load->workload->beside != NULL);
    struct worker *workers = calloc(all, sizeof *workers);
    unsigned made = 0;
    bool ok = workers != NULL;
    for (; ok && made < all; made++)
        ok = worker_init(&workers[made], load,
                         made < threads ? load->workload->op : load->workload->beside,
                         made < threads ? made : 0, made < threads ? threads : 1);
    if (ok) {
        double cpu_before = 0;
        double cpu_after = 0;
        uint64_t written_before = 0;
        uint64_t written_after = 0;
        load->operations /= threads;
        bool known = process_cpu_seconds((int)getpid(), &cpu_before);
        (void)process_written_bytes((int)getpid(), &written_before); /* stays 0: not known */
        uint64_t start_ns = now_ns();
        ok = run_workers(load, workers, threads, all);
        double seconds = (double)(now_ns() - start_ns) / 1e9;
        known = process_cpu_seconds((int)getpid(), &cpu_after) && known;
        (void)process_written_bytes((int)getpid(), &written_after);
        if (ok)
            report_all(load, workers, threads, all, seconds, known ? cpu_after - cpu_before : -1,
                       written_after - written_before);
    }
    for (unsigned i = 0; i < made; i++)
        worker_done(&workers[i]);
    free(workers);
    return ok;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    return walk->level == 0 ? 0 : remove(path);
}

bool directory_clear(const char *dir)
{
    if (nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0)
        return true;
    perror("kvs-bench: clearing a directory");
    return false;
}

bool load_close(struct load *load)
{
    if (load->store == NULL)
        return true;
    struct store *store = load->store;
    load->store = NULL;
    return load->ops->close(store);
}

bool load_open(struct load *load, bool synced)
{
    if (load->store != NULL && load->config.synced == synced)
        return true;
    if (!load_close(load))
        return false;
    load->config.synced = synced;
    load->store = load->ops->open(&load->config);
    return load->store != NULL;
}

bool load_empty(struct load *load)
{
    return load_close(load) && directory_clear(load->dir);
}

bool load_run(struct load *load, const struct workload *workload)
{
    if ((workload->ordered && !load->ops->ordered) || (workload->synced && !load->ops->syncs))
        return true; /* not for this store */
    load->workload = workload;
    load->seconds = load->options->seconds;
    load->operations = load->options->operations;
    if (load->operations == 0)
        load->operations =
            workload->times != 0 ? workload->times * load->options->keys : workload->at_most;
    if (workload->fills) {
        load->seconds = load->options->fill_seconds;
        if (!load_empty(load))
            return false;
        atomic_store(&load->inserted, 0);
    }
    if (workload->op == workload_find("readseq")->op && load->operations < WALK_RECORDS)
        load->operations = WALK_RECORDS;
    if (!load_open(load, workload->synced))
        return false;
    if (workload->zipf && load->zipf.n != load->options->keys)
        zipf_init(&load->zipf, load->options->keys, 0.99);
    bool ok = run_threads(load);
    if (load->store != NULL)
        load->ops->settle(load->store);
    return ok;
}

bool in_child(struct load *load, bool (*run)(struct load *load))
{
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid < 0) {
        perror("kvs-bench: fork");
        return false;
    }
    if (pid == 0)
        _exit(run(load) && fflush(stdout) == 0 ? 0 : 1);
    return child_ended_well(pid);
}
