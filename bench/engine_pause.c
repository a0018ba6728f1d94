/*
 * engine_pause.c - never a pause: gets and sets that arrive on schedule (an open loop), at 70 % of the rate that the store does when
 * one follows the other, once with nothing else to do and once with compaction, checkpoints and a snapshot's iterator running
 * all the time. A latency is from when an operation was due to when it was done, so that a pause counts for all that it held up.
 *
 * Half of the operations are gets, half sets that do not wait for the disk, of random keys. What the store does in the background by
 * itself it does in both.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bench/engine.h"
#include "bench/report.h"
#include "bench/ticks.h"

enum {
    PEAK_SECONDS = 3,
    PAUSE_SECONDS = 20,
    CHECKPOINT_MS = 2000
};

struct upkeep {
    struct load *load;
    atomic_bool stop;
    atomic_bool failed;
};

static bool over(struct upkeep *upkeep)
{
    return atomic_load_explicit(&upkeep->stop, memory_order_relaxed); /* a flag to stop soon */
}

static void *keep_compacting(void *arg)
{
    struct upkeep *upkeep = arg;
    const struct load *load = upkeep->load;
    while (load->ops->compact != NULL && !over(upkeep)) {
        if (!load->ops->compact(load->store))
            atomic_store(&upkeep->failed, true);
        usleep(10000);
    }
    return NULL;
}

static void *keep_checkpointing(void *arg)
{
    struct upkeep *upkeep = arg;
    const struct load *load = upkeep->load;
    while (load->ops->checkpoint != NULL && !over(upkeep)) {
        if (!load->ops->checkpoint(load->store))
            atomic_store(&upkeep->failed, true);
        for (int ms = 0; ms < CHECKPOINT_MS && !over(upkeep); ms += 10)
            usleep(10000);
    }
    return NULL;
}

static void *keep_walking(void *arg)
{
    struct upkeep *upkeep = arg;
    const struct load *load = upkeep->load;
    struct store_thread *thread = load->ops->thread_new(load->store);
    while (thread != NULL && load->ops->ordered && !over(upkeep)) {
        if (load->ops->walk(thread, 100) < 0)
            atomic_store(&upkeep->failed, true);
        usleep(1000); /* a reader that does something with what it reads */
    }
    load->ops->thread_free(thread);
    return NULL;
}

/* Get or set of a random key. */
static bool one(struct worker *worker, bool *ret_get)
{
    worker->op->prepare(worker);
    *ret_get = (random_u64(&worker->random) & 1) != 0;
    if (*ret_get)
        return worker->load->ops->get(worker->thread, worker->keys) >= 0;
    return worker->load->ops->put(worker->thread, worker->keys, worker->load->value);
}

static double peak_rate(struct worker *worker)
{
    uint64_t start_ns = now_ns();
    uint64_t count = 0;
    bool get;
    while (now_ns() - start_ns < PEAK_SECONDS * UINT64_C(1000000000)) {
        if (!one(worker, &get))
            return 0;
        count++;
    }
    return (double)count / ((double)(now_ns() - start_ns) / 1e9);
}

struct schedule {
    struct histogram get;
    struct histogram set;
    uint64_t operations;
    double seconds;
};

static bool keep_schedule(struct worker *worker, double rate, struct schedule *schedule)
{
    double ns = ticks_ns();
    uint64_t seconds = worker->load->options->seconds;
    if (seconds == 0)
        seconds = PAUSE_SECONDS;
    double step = 1e9 / rate / ns;
    uint64_t start = ticks_now();
    uint64_t end = start + (uint64_t)((double)seconds * 1e9 / ns);
    memset(schedule, 0, sizeof *schedule);
    for (uint64_t i = 0;; i++) {
        uint64_t due = start + (uint64_t)(step * (double)i);
        uint64_t now = ticks_now();
        if (now > end || due > end)
            break;
        if (due > now + (uint64_t)(200000 / ns))
            usleep(50);
        while (ticks_now() < due)
            continue;
        bool get;
        if (!one(worker, &get))
            return false;
        uint64_t late = (uint64_t)((double)(ticks_now() - due) * ns);
        histogram_add(get ? &schedule->get : &schedule->set, late, 1);
        schedule->operations++;
    }
    schedule->seconds = (double)(ticks_now() - start) * ns / 1e9;
    return true;
}

static void report_schedule(struct load *load, const char *what, const struct schedule *schedule)
{
    char name[2][48];
    const struct histogram *latencies[2] = { &schedule->get, &schedule->set };
    for (int i = 0; i < 2; i++) {
        snprintf(name[i], sizeof name[i], "pause-%s-%s", i == 0 ? "get" : "set", what);
        struct report report = { .subject = load->name,
                                 .workload = name[i],
                                 .clients = 1,
                                 .pipeline = 1,
                                 .operations = latencies[i]->total,
                                 .seconds = schedule->seconds,
                                 .cpu_seconds = -1,
                                 .disk_bytes = directory_bytes(load->dir),
                                 .latency = latencies[i] };
        if (!process_memory_bytes((int)getpid(), &report.memory_bytes))
            report.memory_bytes = 0;
        report_print(&report, load->options->json);
    }
}

static bool busy_phase(struct load *load, struct worker *worker, double rate,
                       struct schedule *schedule)
{
    static void *(*const bodies[])(void *) = { keep_compacting, keep_checkpointing, keep_walking };
    struct upkeep upkeep = { .load = load };
    pthread_t threads[3];
    unsigned started = 0;
    while (started < 3 && pthread_create(&threads[started], NULL, bodies[started], &upkeep) == 0)
        started++;
    bool ok = started == 3 && keep_schedule(worker, rate, schedule);
    atomic_store(&upkeep.stop, true);
    for (unsigned i = 0; i < started; i++)
        (void)pthread_join(threads[i], NULL);
    return ok && !atomic_load(&upkeep.failed);
}

static bool pause_child(struct load *load)
{
    static struct schedule schedule;
    struct worker *worker = calloc(1, sizeof *worker);
    (void)ticks_ns();
    if (!load->options->keep && !load_run(load, workload_find("fillrandom")))
        return false;
    if (worker == NULL || !load_open(load, false) ||
        !worker_init(worker, load, workload_find("overwrite")->op, 0, 1))
        return false;
    double rate = peak_rate(worker) * 0.7;
    load->ops->settle(load->store);
    bool ok = rate > 0 && keep_schedule(worker, rate, &schedule);
    if (ok)
        report_schedule(load, "quiet", &schedule);
    ok = ok && busy_phase(load, worker, rate, &schedule);
    if (ok)
        report_schedule(load, "busy", &schedule);
    worker_done(worker);
    free(worker);
    return load_close(load) && ok;
}

bool pause_run(struct load *load)
{
    return in_child(load, pause_child);
}
