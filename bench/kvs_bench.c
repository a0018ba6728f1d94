/*
 * kvs_bench.c - the benchmark program: `kvs-bench server` drives any RESP server (or memcached), `kvs-bench engine` an engine of
 * this library in process.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kvs/kvs.h>

#include "base/number.h"
#include "bench/options.h"

enum {
    EXIT_USAGE = 2
};

struct flag {
    const char *name;
    const char *argument;
    const char *help;
    const char **text;
    uint64_t *number;
    bool *given;
};

static struct bench_options options = {
    .keys = 1000000,
    .value_bytes = 100,
    .seed = 1,
    .addr = "127.0.0.1:4000",
    .protocol = "resp",
    .clients = 50,
    .pipeline = 1,
    .threads = 1,
    .batch = 100,
    .rounds = 1,
};

static const struct flag flags[] = {
    { "workload", "LIST", "what to run, comma separated (default: all that fit)",
      &options.workloads, NULL, NULL },
    { "keys", "N", "number of different keys (default 1000000)", NULL, &options.keys, NULL },
    { "value-bytes", "N", "length of a value (default 100)", NULL, &options.value_bytes, NULL },
    { "operations", "N", "operations per workload (default: as many as keys)", NULL,
      &options.operations, NULL },
    { "seconds", "N", "end a workload after that long (default: no limit)", NULL, &options.seconds,
      NULL },
    { "seed", "N", "of the random keys (default 1)", NULL, &options.seed, NULL },
    { "json", NULL, "one JSON object a line", NULL, NULL, &options.json },
    { "addr", "IP:PORT", "server: where it listens (default 127.0.0.1:4000)", &options.addr, NULL,
      NULL },
    { "name", "TEXT", "server: what to call it (default: what it says of itself)", &options.name,
      NULL, NULL },
    { "protocol", "resp|memcached", "server: what it speaks (default resp)", &options.protocol,
      NULL, NULL },
    { "password", "TEXT", "server: sent with AUTH", &options.password, NULL, NULL },
    { "clients", "N", "server: connections (default 50)", NULL, &options.clients, NULL },
    { "pipeline", "N", "server: requests under way per connection (default 1)", NULL,
      &options.pipeline, NULL },
    { "pid", "N", "server: its process, for CPU and memory (default: asked from it)", NULL,
      &options.pid, NULL },
    { "engine", "LIST", "engine: stores, comma separated (default kvs)", &options.engines, NULL,
      NULL },
    { "dir", "DIR", "engine: where to put the data (default: a new directory in /tmp, removed)",
      &options.dir, NULL, NULL },
    { "threads", "N", "engine: threads (default 1)", NULL, &options.threads, NULL },
    { "memory", "BYTES", "engine: memory budget (default: the engine's)", NULL,
      &options.memory_bytes, NULL },
    { "batch", "N", "engine: operations in a batch of fillbatch (default 100)", NULL,
      &options.batch, NULL },
    { "rounds", "N", "engine: times each workload is done, the stores in turn (default 1)", NULL,
      &options.rounds, NULL },
    { "fill-seconds", "N", "engine: end a fill after that long (default: no limit)", NULL,
      &options.fill_seconds, NULL },
    { "memory-limit", "BYTES", "engine: of the control group of cold gets, a quarter of the data",
      NULL, &options.memory_limit, NULL },
    { "keep", NULL, "engine: reopen and pause use the data in --dir instead of filling first", NULL,
      NULL, &options.keep },
};

static void usage(FILE *to)
{
    fprintf(to, "usage: kvs-bench server [--flag value]...\n"
                "       kvs-bench engine [--flag value]...\n"
                "       kvs-bench floor [--flag value]...    (a server that stores nothing)\n"
                "       kvs-bench --help | -V\n\n"
                "server workloads: set get mixed incr ping mset mget\n\n");
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++) {
        char left[48];
        snprintf(left, sizeof left, "--%s%s%s", flags[i].name, flags[i].argument != NULL ? " " : "",
                 flags[i].argument != NULL ? flags[i].argument : "");
        fprintf(to, "  %-32s %s\n", left, flags[i].help);
    }
    fprintf(to, "\n");
    engine_workloads_print(to);
    fprintf(
        to,
        "\nWithout --dir the data goes to a directory in /tmp and is removed. Ten million keys, "
        "three stores in turn:\n"
        "  kvs-bench engine --engine kvs,lmdb,rocksdb --keys 10000000 --seconds 5 --rounds 3 "
        "--dir DIR --json >LINES\n"
        "  bench/engine_summary.py LINES\n"
        "`make bench` does all of it; bench/run says which variables it takes.\n");
}

static const struct flag *find_flag(const char *argument)
{
    for (size_t i = 0; strncmp(argument, "--", 2) == 0 && i < sizeof flags / sizeof flags[0]; i++) {
        if (strcmp(argument + 2, flags[i].name) == 0)
            return &flags[i];
    }
    return NULL;
}

/* Reads the flags behind the subcommand; false after a message. */
static bool read_flags(int argc, char **argv)
{
    for (int i = 2; i < argc; i++) {
        const struct flag *flag = find_flag(argv[i]);
        if (flag == NULL) {
            fprintf(stderr, "kvs-bench: unknown flag %s; see kvs-bench --help\n", argv[i]);
            return false;
        }
        if (flag->given != NULL) {
            *flag->given = true;
            continue;
        }
        if (i + 1 == argc) {
            fprintf(stderr, "kvs-bench: --%s wants %s\n", flag->name, flag->argument);
            return false;
        }
        const char *value = argv[++i];
        if (flag->text != NULL)
            *flag->text = value;
        else if (!number_parse_bytes((struct kvs_bytes){ value, strlen(value) }, flag->number)) {
            fprintf(stderr, "kvs-bench: --%s wants a number, not \"%s\"\n", flag->name, value);
            return false;
        }
    }
    if (options.keys == 0 || options.clients == 0 || options.pipeline == 0 ||
        options.threads == 0 || options.batch == 0 || options.batch > 10000 ||
        options.rounds == 0 || options.value_bytes > KVS_INLINE_MAX || options.clients > 20000 ||
        options.pipeline > 10000 || options.threads > 1024) {
        fprintf(stderr,
                "kvs-bench: keys, clients (to 20000), pipeline (to 10000), threads (to 1024), "
                "batch (to "
                "10000) and rounds are at least 1, "
                "value-bytes at most %d\n",
                KVS_INLINE_MAX);
        return false;
    }
    return true;
}

bool for_each_name(const char *list, bool (*run)(void *ctx, const char *name), void *ctx)
{
    while (*list != '\0') {
        size_t len = strcspn(list, ",");
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)len, list);
        if (!run(ctx, name))
            return false;
        list += len;
        list += *list == ',';
    }
    return true;
}

typedef int subcommand_fn(const struct bench_options *options);

static subcommand_fn *find_subcommand(const char *name)
{
    static const struct {
        const char *name;
        subcommand_fn *run;
    } subcommands[] = {
        { "server", bench_server },
        { "engine", bench_engine },
        { "floor", bench_floor },
    };
    for (size_t i = 0; i < sizeof subcommands / sizeof subcommands[0]; i++) {
        if (strcmp(name, subcommands[i].name) == 0)
            return subcommands[i].run;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "--help") == 0) {
        usage(stdout);
        return 0;
    }
    if (argc == 2 && (strcmp(argv[1], "-V") == 0 || strcmp(argv[1], "--version") == 0)) {
        printf("kvs-bench %s\n", kvs_version());
        return 0;
    }
    if (argc < 2 || find_subcommand(argv[1]) == NULL) {
        usage(stderr);
        return EXIT_USAGE;
    }
    if (!read_flags(argc, argv))
        return EXIT_USAGE;
    return find_subcommand(argv[1])(&options);
}
