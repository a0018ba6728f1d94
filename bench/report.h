/*
 * report.h - one measured run, printed as a table row or as a JSON line.
 */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "bench/histogram.h"

struct report {
    const char *subject;  /* "kvs", "redis", "memory" … */
    const char *workload; /* "set", "fillrandom" … */
    unsigned clients;     /* connections or threads */
    unsigned pipeline;
    uint64_t operations;
    double seconds;
    double cpu_seconds;     /* of the server, user and system; negative: not known */
    uint64_t memory_bytes;  /* resident; 0: not known */
    uint64_t disk_bytes;    /* 0: not known */
    uint64_t written_bytes; /* handed to the block layer by the process; 0: not known */
    uint64_t user_bytes;    /* of keys and values in these operations; 0: not known */
    uint64_t read_bytes;    /* from the disk; 0: not known */
    const struct histogram *latency;
};

void report_header(bool json);
void report_print(const struct report *report, bool json);

/* Figures of a process from /proc; false when it is not there. */
bool process_cpu_seconds(int pid, double *ret);
bool process_memory_bytes(int pid, uint64_t *ret);

/* What it caused to be written to and read from disks. */
bool process_written_bytes(int pid, uint64_t *ret);
bool process_read_bytes(int pid, uint64_t *ret);
/* Waits for it; false: it did not end with 0. */
bool child_ended_well(int pid);

uint64_t now_ns(void);

/* Bytes on disk of all files in a directory and below it. */
uint64_t directory_bytes(const char *path);

#endif
