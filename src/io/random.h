/*
 * random.h - randomness as it comes in at open: from the system, or from a seed that repeats a run.
 */
#ifndef IO_RANDOM_H
#define IO_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* xoshiro256** (Blackman, Vigna); one thread at a time. */
struct random {
    uint64_t state[4];
};

void random_seed(struct random *random, uint64_t seed);
uint64_t random_u64(struct random *random);
uint64_t random_below(struct random *random, uint64_t bound); /* 0..bound-1, bound > 0 */

/* From the operating system; falls back to time and address only if the system call is missing. Thread: any. */
uint64_t random_system_u64(void);

#endif
