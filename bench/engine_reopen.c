/*
 * engine_reopen.c - from opening to the first get, in a new process each time: after the last one closed the store, and after
 * it was killed while it wrote as fast as it could.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/engine.h"
#include "bench/report.h"
#include "bench/ticks.h"

enum {
    FLIGHT_MS = 3000 /* how long the one that is killed writes */
};

static const char *reopen_name;

static bool open_and_get(struct load *load)
{
    static struct histogram latency;
    char key[BENCH_KEY_BYTES];
    key_write(key_scattered(load->options->keys / 2), key);
    uint64_t start_ns = now_ns();
    if (!load_open(load, false))
        return false;
    struct store_thread *thread = load->ops->thread_new(load->store);
    int found = thread != NULL ? load->ops->get(thread, key) : -1;
    uint64_t ns = now_ns() - start_ns;
    load->ops->thread_free(thread);
    if (found != 1) {
        fprintf(stderr, "kvs-bench: %s: the key is not there\n", load->name);
        return false;
    }
    histogram_add(&latency, ns, 1);
    struct report report = { .subject = load->name,
                             .workload = reopen_name,
                             .clients = 1,
                             .pipeline = 1,
                             .operations = 1,
                             .seconds = (double)ns / 1e9,
                             .cpu_seconds = -1,
                             .disk_bytes = directory_bytes(load->dir),
                             .latency = &latency };
    if (!process_memory_bytes((int)getpid(), &report.memory_bytes))
        report.memory_bytes = 0;
    report_print(&report, load->options->json);
    return load_close(load);
}

static bool fill(struct load *load)
{
    return load_run(load, workload_find("fillrandom")) && load_close(load);
}

/* Overwrites until it is killed. */
static bool fly(struct load *load)
{
    struct worker *worker = calloc(1, sizeof *worker);
    if (worker == NULL || !load_open(load, false) ||
        !worker_init(worker, load, workload_find("overwrite")->op, 0, 1))
        return false;
    for (;;) {
        worker->op->prepare(worker);
        if (worker->op->run(worker) < 0)
            return false;
    }
}

static bool kill_in_flight(struct load *load)
{
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid < 0)
        return false;
    if (pid == 0)
        _exit(fly(load) ? 0 : 1);
    usleep(FLIGHT_MS * 1000);
    (void)kill(pid, SIGKILL);
    int status;
    if (waitpid(pid, &status, 0) == pid && WIFSIGNALED(status))
        return true;
    fprintf(stderr, "kvs-bench: %s: the writer ended before it was killed\n", load->name);
    return false;
}

bool reopen_run(struct load *load)
{
    if (!load->options->keep && !in_child(load, fill))
        return false;
    reopen_name = "reopen";
    if (!in_child(load, open_and_get) || !kill_in_flight(load))
        return false;
    reopen_name = "reopen-killed";
    return in_child(load, open_and_get);
}
