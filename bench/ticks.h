/*
 * ticks.h - a clock that costs a few nanoseconds to read, for operations that take not many more. On x86-64 the time stamp counter,
 * calibrated once against the monotonic clock; elsewhere that clock itself.
 */
#ifndef BENCH_TICKS_H
#define BENCH_TICKS_H

#include <stdint.h>

#include "bench/report.h"

static inline uint64_t ticks_now(void)
{
#if defined(__x86_64__)
    return __builtin_ia32_rdtsc();
#else
    return now_ns();
#endif
}

/* Nanoseconds in a tick; the first call takes 20 ms. Not for several threads at the first call. */
double ticks_ns(void);

#endif
