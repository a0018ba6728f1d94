/*
 * zipf.h - numbers 0..n-1, small ones much more often (Gray and others, "Quickly generating billion-record synthetic databases", 1994):
 * what YCSB draws its keys with. The caller scatters them. Making one costs n powers; drawing is for any number of threads.
 */
#ifndef BENCH_ZIPF_H
#define BENCH_ZIPF_H

#include <stdint.h>

struct zipf {
    uint64_t n;
    double theta;
    double alpha;
    double zeta;
    double eta;
};

void zipf_init(struct zipf *zipf, uint64_t n, double theta);
/* @random: 64 random bits. */
uint64_t zipf_draw(const struct zipf *zipf, uint64_t random);

#endif
