/*
 * hash.h - XXH3 (xxHash library), 64 bits. Not for untrusted keys without a seed.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stdint.h>

#include <kvs/status.h>

uint64_t hash_bytes(struct kvs_bytes bytes, uint64_t seed);

/* A cheap bijective mixer of one word (the finaliser of MurmurHash3). */
static inline uint64_t hash_u64(uint64_t x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdULL;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53ULL;
    x ^= x >> 33;
    return x;
}

#endif
