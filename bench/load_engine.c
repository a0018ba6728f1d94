/*
 * load_engine.c - `kvs-bench engine`: every store in a process of its own, which does the workloads that it is told. For each
 * workload and round the stores take turns, so that what the machine does meanwhile meets all of them alike.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/engine.h"
#include "bench/report.h"
#include "bench/ticks.h"

enum {
    SUBJECTS_MAX = 16
};

/* A store's process, and the two ends of its pipes. */
struct subject {
    struct load load;
    pid_t pid; /* 0: not running */
    int orders;
    int answers;
};

struct contest {
    const struct bench_options *options;
    struct subject subjects[SUBJECTS_MAX];
    size_t count;
    char base[2048];
    char *value;
    unsigned round;
};

static const struct {
    const char *name;
    bool (*run)(struct load *load);
    const char *what;
} experiments[] = {
    { "cold", cold_run, "gets of data four times the memory limit, 1 and 32 outstanding" },
    { "reopen", reopen_run, "opening to the first get, after closing and after kill -9" },
    { "pause", pause_run, "open loop at 70 % of the peak, with upkeep running and without" },
};

void engine_workloads_print(FILE *to)
{
    fprintf(to, "engine workloads:\n");
    for (const struct workload *workload = workloads; workload->name != NULL; workload++)
        fprintf(to, "  %-18s %s\n", workload->name, workload->what);
    for (size_t i = 0; i < sizeof experiments / sizeof experiments[0]; i++)
        fprintf(to, "  %-18s %s\n", experiments[i].name, experiments[i].what);
    fprintf(to,
            "\nengine names: kvs-lmdb and kvs-rocksdb are this library's engines on those, and\n");
    for (size_t i = 0; store_at(i) != NULL; i++)
        fprintf(to, "  %-18s %s\n", store_at(i)->name, store_at(i)->what);
}

static bool run_named(struct load *load, const char *name)
{
    const struct workload *workload = workload_find(name);
    if (workload != NULL)
        return load_run(load, workload);
    for (size_t i = 0; i < sizeof experiments / sizeof experiments[0]; i++)
        if (strcmp(experiments[i].name, name) == 0)
            return load_close(load) && experiments[i].run(load);
    fprintf(stderr, "kvs-bench: unknown workload \"%s\"; see kvs-bench --help\n", name);
    return false;
}

/* The life of a store's process: a line with a workload's name comes in, a byte goes out. */
static int subject_main(struct load *load, int orders, int answers)
{
    FILE *in = fdopen(orders, "r");
    char name[64];
    (void)ticks_ns();
    while (in != NULL && fgets(name, sizeof name, in) != NULL) {
        name[strcspn(name, "\n")] = '\0';
        char answer = run_named(load, name) ? 'y' : 'n';
        if (write(answers, &answer, 1) != 1)
            break;
    }
    return load_close(load) ? 0 : 1;
}

static bool subject_start(struct contest *contest, struct subject *subject)
{
    int orders[2];
    int answers[2];
    if (pipe(orders) != 0 || pipe(answers) != 0) {
        perror("kvs-bench: pipe");
        return false;
    }
    (void)fflush(stdout);
    subject->pid = fork();
    if (subject->pid < 0) {
        perror("kvs-bench: fork");
        subject->pid = 0;
        return false;
    }
    if (subject->pid == 0) {
        for (size_t i = 0; i < contest->count; i++)
            if (contest->subjects[i].pid != 0 && &contest->subjects[i] != subject)
                (void)close(contest->subjects[i].orders);
        (void)close(orders[1]);
        (void)close(answers[0]);
        exit(subject_main(&subject->load, orders[0], answers[1]));
    }
    (void)close(orders[0]);
    (void)close(answers[1]);
    subject->orders = orders[1];
    subject->answers = answers[0];
    return true;
}

static bool subject_run(struct subject *subject, const char *workload)
{
    char line[80];
    char answer = 'n';
    int len = snprintf(line, sizeof line, "%s\n", workload);
    return write(subject->orders, line, (size_t)len) == len &&
           read(subject->answers, &answer, 1) == 1 && answer == 'y';
}

static bool subject_end(struct subject *subject)
{
    if (subject->pid == 0)
        return true;
    (void)close(subject->orders);
    int status;
    bool ok = waitpid(subject->pid, &status, 0) == subject->pid && WIFEXITED(status) &&
              WEXITSTATUS(status) == 0;
    (void)close(subject->answers);
    subject->pid = 0;
    return ok;
}

static bool run_workload(void *ctx, const char *name)
{
    struct contest *contest = ctx;
    for (uint64_t round = 0; round < contest->options->rounds; round++)
        for (size_t i = 0; i < contest->count; i++)
            if (!subject_run(&contest->subjects[i], name)) {
                fprintf(stderr, "kvs-bench: %s failed at %s\n", contest->subjects[i].load.name,
                        name);
                return false;
            }
    return true;
}

static bool add_subject(void *ctx, const char *name)
{
    struct contest *contest = ctx;
    const struct bench_options *options = contest->options;
    if (contest->count == SUBJECTS_MAX) {
        fprintf(stderr, "kvs-bench: at most %d stores at a time\n", SUBJECTS_MAX);
        return false;
    }
    struct load *load = &contest->subjects[contest->count].load;
    const char *engine;
    load->options = options;
    load->name = strdup(name);
    load->ops = load->name != NULL ? store_find(load->name, &engine) : NULL;
    if (load->ops == NULL) {
        fprintf(stderr, "kvs-bench: unknown store \"%s\"; see kvs-bench --help\n", name);
        return false;
    }
    snprintf(load->dir, sizeof load->dir, "%s/%s", contest->base, name);
    if (mkdir(load->dir, 0700) != 0 && errno != EEXIST) {
        perror("kvs-bench: making a directory");
        return false;
    }
    load->value = (struct store_value){ contest->value, options->value_bytes };
    load->config = (struct store_config){ .dir = load->dir,
                                          .engine = engine,
                                          .memory_bytes = options->memory_bytes,
                                          .keys = options->keys };
    contest->count++;
    return true;
}

static char *value_make(const struct bench_options *options)
{
    struct random random;
    char *value = malloc(options->value_bytes + 1);
    random_seed(&random, options->seed);
    for (uint64_t i = 0; value != NULL && i < options->value_bytes; i++)
        value[i] = (char)('a' + random_below(&random, 26));
    return value;
}

int bench_engine(const struct bench_options *options)
{
    static struct contest contest;
    static const char all[] =
        "fillseq,fillbatch,fillrandom,readrandom,readrandom2,multiget16,multiget32,readmissing,"
        "readseq,seekrandom,ycsbc,ycsbb,ycsba,ycsbf,ycsbd,ycsbe,overwrite,readwhilewriting,"
        "fillsync,"
        "fillsync4,fillsync16,deleterandom";
    char fresh[] = "/tmp/kvs-bench-XXXXXX";
    contest.options = options;
    if (options->dir != NULL && mkdir(options->dir, 0700) != 0 && errno != EEXIST) {
        perror("kvs-bench: making a directory");
        return 1;
    }
    const char *base = options->dir != NULL ? options->dir : mkdtemp(fresh);
    contest.value = value_make(options);
    if (base == NULL || contest.value == NULL) {
        perror("kvs-bench");
        return 1;
    }
    snprintf(contest.base, sizeof contest.base, "%s", base);
    bool ok =
        for_each_name(options->engines != NULL ? options->engines : "kvs", add_subject, &contest);
    report_header(options->json);
    for (size_t i = 0; ok && i < contest.count; i++)
        ok = subject_start(&contest, &contest.subjects[i]);
    ok = ok && for_each_name(options->workloads != NULL ? options->workloads : all, run_workload,
                             &contest);
    for (size_t i = 0; i < contest.count; i++)
        ok = subject_end(&contest.subjects[i]) && ok;
    if (options->dir == NULL && (!directory_clear(base) || rmdir(base) != 0))
        perror("kvs-bench: removing the data");
    free(contest.value);
    return ok ? 0 : 1;
}
