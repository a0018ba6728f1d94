/*
 * hash.c - XXH3 from the xxHash library, called rather than inlined: one copy of it, the distribution's.
 */
#include "base/hash.h"

#include <xxhash.h>

uint64_t hash_bytes(struct kvs_bytes bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes.data, bytes.len, seed);
}
