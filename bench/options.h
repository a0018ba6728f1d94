/*
 * options.h - the flags of kvs-bench, shared by its subcommands.
 */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct bench_options {
    /* both */
    const char *workloads; /* comma separated; NULL: the default ones */
    uint64_t keys;
    uint64_t value_bytes;
    uint64_t operations; /* per workload; 0: chosen by it */
    uint64_t seconds;    /* stop after that long even if operations are left; 0: no limit */
    uint64_t seed;
    bool json;
    /* server */
    const char *addr;
    const char *name;     /* what to call it in the report */
    const char *protocol; /* "resp" or "memcached" */
    const char *password;
    uint64_t clients;
    uint64_t pipeline;
    uint64_t pid; /* of the server; 0: asked from it */
    /* engine */
    const char *engines; /* comma separated; NULL: all */
    const char *dir;
    uint64_t threads;
    uint64_t memory_bytes;
    uint64_t batch;
    uint64_t rounds;
    uint64_t fill_seconds; /* end a fill after that long; 0: no limit */
    uint64_t memory_limit; /* of the control group of cold gets */
    bool keep;             /* experiments use the data that is there */
};

/* Each runs its subcommand and returns the exit status. */
int bench_server(const struct bench_options *options);
int bench_engine(const struct bench_options *options);
int bench_floor(const struct bench_options *options);

/* "IP:PORT", IPv4. */
struct sockaddr_in;
bool bench_parse_addr(const char *addr, struct sockaddr_in *ret);

/* The workloads and stores of `kvs-bench engine`, for --help. */
void engine_workloads_print(FILE *to);

/* Calls @run for each name of a comma separated list; stops at the first failure. */
bool for_each_name(const char *list, bool (*run)(void *ctx, const char *name), void *ctx);

#endif
