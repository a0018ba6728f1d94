/*
 * engine_cold.c - cold gets: the data is four times what the process may hold in memory, page cache included. The limit is a
 * control group's (version 2 or 1), of which the process that reads is a member from before it opens the store; --memory-limit says how
 * much, --keys should give data of four times that. Without a writable control group hierarchy the limit is the store's own
 * budget alone, and the report says "unlimited".
 *
 * One get at a time; then 32 at a time, asynchronously from one thread where the store can (kvs_submit), else from 32 threads.
 */
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bench/engine.h"
#include "bench/report.h"
#include "bench/ticks.h"

enum {
    OUTSTANDING = 32,
    COLD_SECONDS = 10
};

static char group[256]; /* the control group of ours; "" none */

static bool write_text(const char *dir, const char *file, const char *text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, file);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    return close(fd) == 0 && ok;
}

/* Makes a group with a limit and joins it. */
static bool group_join(uint64_t limit)
{
    static const struct {
        const char *root;
        const char *file;
    } hierarchies[] = {
        { "/sys/fs/cgroup", "memory.max" },
        { "/sys/fs/cgroup/memory", "memory.limit_in_bytes" },
    };

    char number[32];
    snprintf(number, sizeof number, "%llu", (unsigned long long)limit);
    for (size_t i = 0; i < sizeof hierarchies / sizeof hierarchies[0]; i++) {
        snprintf(group, sizeof group, "%s/kvs-bench-%d", hierarchies[i].root, (int)getpid());
        if (mkdir(group, 0755) != 0)
            continue;
        if (write_text(group, hierarchies[i].file, number) &&
            write_text(group, "cgroup.procs", "0"))
            return true;
        (void)rmdir(group);
    }
    group[0] = '\0';
    return false;
}

/* A group is removed by a process outside: its members leave with their end. */
static void group_remove(int pid)
{
    static const char *const roots[] = { "/sys/fs/cgroup", "/sys/fs/cgroup/memory" };
    for (size_t i = 0; i < sizeof roots / sizeof roots[0]; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/kvs-bench-%d", roots[i], pid);
        for (int try = 0; try < 50 && rmdir(path) != 0 && errno == EBUSY; try++)
            usleep(100000);
    }
}

static void drop_caches(void)
{
    sync();
    if (!write_text("/proc/sys/vm", "drop_caches", "3"))
        fprintf(stderr, "kvs-bench: the page cache cannot be emptied; the limit does it in time\n");
}

/* ---- 32 gets at a time ---- */

struct flight {
    sem_t room;
    struct histogram latency;
    pthread_mutex_t mu;
    atomic_bool failed;
};

struct ticket {
    struct flight *flight;
    uint64_t start;
};

static void landed(void *ctx, bool ok)
{
    struct ticket *ticket = ctx;
    struct flight *flight = ticket->flight;
    uint64_t ns = (uint64_t)((double)(ticks_now() - ticket->start) * ticks_ns());
    if (!ok)
        atomic_store(&flight->failed, true);
    (void)pthread_mutex_lock(&flight->mu);
    histogram_add(&flight->latency, ns, 1);
    (void)pthread_mutex_unlock(&flight->mu);
    free(ticket);
    (void)sem_post(&flight->room);
}

static void report_cold(struct load *load, const char *name, unsigned outstanding, uint64_t gets,
                        double seconds, const struct histogram *latency, uint64_t blocks)
{
    struct report report = { .subject = load->name,
                             .workload = name,
                             .clients = outstanding,
                             .pipeline = 1,
                             .operations = gets,
                             .seconds = seconds,
                             .cpu_seconds = -1,
                             .disk_bytes = directory_bytes(load->dir),
                             .read_bytes = blocks,
                             .latency = latency };
    if (!process_memory_bytes((int)getpid(), &report.memory_bytes))
        report.memory_bytes = 0;
    report_print(&report, load->options->json);
}

static bool fly(struct load *load, uint64_t end_ns, struct flight *flight, uint64_t *ret_gets)
{
    struct random random;
    random_seed(&random, load->options->seed + 77);
    while (now_ns() < end_ns && !atomic_load(&flight->failed)) {
        char key[BENCH_KEY_BYTES];
        struct ticket *ticket = malloc(sizeof *ticket);
        if (ticket == NULL)
            return false;
        while (sem_wait(&flight->room) != 0)
            continue;
        key_write(key_scattered(random_below(&random, load->options->keys)), key);
        *ticket = (struct ticket){ flight, ticks_now() };
        if (!load->ops->get_async(load->store, key, landed, ticket))
            return false;
        ++*ret_gets;
    }
    for (int i = 0; i < OUTSTANDING; i++) /* all back */
        while (sem_wait(&flight->room) != 0)
            continue;
    return !atomic_load(&flight->failed);
}

static uint64_t read_so_far(void)
{
    uint64_t bytes = 0;
    if (!process_read_bytes((int)getpid(), &bytes))
        return 0;
    return bytes;
}

static bool many_async(struct load *load, const char *name)
{
    static struct flight flight;
    if (sem_init(&flight.room, 0, OUTSTANDING) != 0 || pthread_mutex_init(&flight.mu, NULL) != 0)
        return false;
    uint64_t seconds = load->options->seconds != 0 ? load->options->seconds : COLD_SECONDS;
    uint64_t before = read_so_far();
    uint64_t start_ns = now_ns();
    uint64_t gets = 0;
    bool ok = fly(load, start_ns + seconds * 1000000000u, &flight, &gets);
    if (ok)
        report_cold(load, name, OUTSTANDING, gets, (double)(now_ns() - start_ns) / 1e9,
                    &flight.latency, read_so_far() - before);
    (void)sem_destroy(&flight.room);
    (void)pthread_mutex_destroy(&flight.mu);
    return ok;
}

static void *get_for_a_while(void *arg)
{
    struct worker *worker = arg;
    const struct load *load = worker->load;
    uint64_t seconds = load->options->seconds != 0 ? load->options->seconds : COLD_SECONDS;
    uint64_t end_ns = now_ns() + seconds * 1000000000u;
    while (now_ns() < end_ns) {
        worker->op->prepare(worker);
        uint64_t before = ticks_now();
        if (worker->op->run(worker) < 0) {
            atomic_store(&worker->load->failed, true);
            break;
        }
        histogram_add(&worker->latency, (uint64_t)((double)(ticks_now() - before) * ticks_ns()), 1);
        worker->done++;
    }
    return NULL;
}

static bool by_threads(struct load *load, const char *name, unsigned threads)
{
    static struct worker workers[OUTSTANDING];
    static struct histogram latency;
    memset(&latency, 0, sizeof latency);
    uint64_t before = read_so_far();
    uint64_t start_ns = now_ns();
    unsigned started = 0;
    for (; started < threads; started++)
        if (!worker_init(&workers[started], load, workload_find("readrandom")->op, started,
                         threads) ||
            pthread_create(&workers[started].native, NULL, get_for_a_while, &workers[started]) != 0)
            break;
    uint64_t gets = 0;
    for (unsigned i = 0; i < started; i++) {
        (void)pthread_join(workers[i].native, NULL);
        histogram_merge(&latency, &workers[i].latency);
        gets += workers[i].done;
        worker_done(&workers[i]);
    }
    if (started < threads || atomic_load(&load->failed))
        return false;
    report_cold(load, name, threads, gets, (double)(now_ns() - start_ns) / 1e9, &latency,
                read_so_far() - before);
    return true;
}

static bool read_cold(struct load *load)
{
    uint64_t limit = load->options->memory_limit;
    bool limited = group_join(limit);
    (void)ticks_ns();
    load->config.large = true;
    load->config.memory_bytes =
        limit / 2; /* the rest is for the process, and for what the system holds of its files */
    load->config.threads = OUTSTANDING;
    if (!load_open(load, false))
        return false;
    bool ok = by_threads(load, limited ? "cold1" : "cold1-unlimited", 1);
    const char *name = limited ? "cold32" : "cold32-unlimited";
    if (ok)
        ok = load->ops->get_async != NULL ? many_async(load, name)
                                          : by_threads(load, name, OUTSTANDING);
    return load_close(load) && ok;
}

static bool fill(struct load *load)
{
    return load_run(load, workload_find("fillrandom")) && load_close(load);
}

bool cold_run(struct load *load)
{
    if (load->options->memory_limit == 0) {
        fprintf(stderr, "kvs-bench: cold needs --memory-limit, a quarter of the data\n");
        return false;
    }
    if (!in_child(load, fill))
        return false;
    drop_caches();
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid < 0)
        return false;
    if (pid == 0)
        _exit(read_cold(load) && fflush(stdout) == 0 ? 0 : 1);
    bool ok = child_ended_well(pid);
    group_remove((int)pid);
    return ok;
}
