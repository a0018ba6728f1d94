/*
 * random.c - xoshiro256** by Blackman and Vigna (public domain), seeded through splitmix64 as they advise.
 */
#include "io/random.h"

#include <errno.h>
#include <sys/random.h>
#include <time.h>

#include "base/check.h"
#include "base/hash.h"

void random_seed(struct random *random, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        seed += 0x9e3779b97f4a7c15ULL;
        uint64_t word = seed;
        word = (word ^ (word >> 30)) * 0xbf58476d1ce4e5b9ULL;
        word = (word ^ (word >> 27)) * 0x94d049bb133111ebULL;
        random->state[i] = word ^ (word >> 31);
    }
}

static inline uint64_t rotate(uint64_t word, int by)
{
    return (word << by) | (word >> (64 - by));
}

uint64_t random_u64(struct random *random)
{
    uint64_t *state = random->state;
    uint64_t result = rotate(state[1] * 5, 7) * 9;
    uint64_t shifted = state[1] << 17;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = rotate(state[3], 45);
    return result;
}

/* The high half of a 128-bit product; draws from the incomplete last interval are thrown away, so no number is favoured. */
uint64_t random_below(struct random *random, uint64_t bound)
{
    CHECK(bound > 0);
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)random_u64(random) * bound;
    if ((uint64_t)product < bound) {
        uint64_t incomplete = -bound % bound;
        while ((uint64_t)product < incomplete)
            product = (wide)random_u64(random) * bound;
    }
    return (uint64_t)(product >> 64);
}

uint64_t random_system_u64(void)
{
    uint64_t word;
    for (;;) {
        ssize_t got = getrandom(&word, sizeof word, 0);
        if (got == (ssize_t)sizeof word)
            return word;
        if (got < 0 && errno != EINTR)
            break;
    }
    struct timespec now;
    CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
    return hash_u64((uint64_t)now.tv_nsec ^ hash_u64((uint64_t)now.tv_sec) ^
                    (uint64_t)(uintptr_t)&now);
}
