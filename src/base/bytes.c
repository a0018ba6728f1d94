/*
 * bytes.c - what of bytes.h is too long to be inline.
 */
#include "base/bytes.h"

static inline unsigned fold(unsigned char c)
{
    return c >= 'A' && c <= 'Z' ? c + 32U : c;
}

bool bytes_equal_nocase(struct kvs_bytes a, struct kvs_bytes b)
{
    if (a.len != b.len)
        return false;
    const unsigned char *left = a.data;
    const unsigned char *right = b.data;
    for (size_t i = 0; i < a.len; i++) {
        if (fold(left[i]) != fold(right[i]))
            return false;
    }
    return true;
}
