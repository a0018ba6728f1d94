/*
 * histogram.h - latencies in nanoseconds, with a relative error under 1 %: 64 linear steps per power of two, as HDR
 * histograms do. One thread at a time; histograms of several threads are added up.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>

enum {
    HISTOGRAM_STEPS = 64,
    HISTOGRAM_BUCKETS = 60 * HISTOGRAM_STEPS
};

struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS];
    uint64_t total;
    uint64_t max_ns;
};

void histogram_add(struct histogram *histogram, uint64_t ns, uint64_t count);
void histogram_merge(struct histogram *into, const struct histogram *from);

/* The value that @share (0..1) of all are not above; 0 when empty. */
uint64_t histogram_at(const struct histogram *histogram, double share);

#endif
