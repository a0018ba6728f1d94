/*
 * resp_quick.c - see resp_quick.h.
 */
#include "protocol/resp_quick.h"

#include <stdint.h>

#include "base/check.h"

/* The number behind the mark at @at, of one to six digits without leading zeros, and its line end. NULL: something else, or not all
 * there. */
static inline const char *read_count(const char *at, const char *end, char mark, size_t *ret)
{
    enum {
        DIGITS_MAX = 6
    };

    if (end - at < 4 || at[0] != mark)
        return NULL;
    unsigned digit = (unsigned)(unsigned char)at[1] - '0';
    if (digit > 9)
        return NULL;
    size_t number = digit;
    const char *next = at + 2;
    const char *last = end - next > DIGITS_MAX - 1 ? next + DIGITS_MAX - 1 : end;
    if (likely(number != 0)) {
        while (next < last && (digit = (unsigned)(unsigned char)*next - '0') <= 9) {
            number = number * 10 + digit;
            next++;
        }
    }
    if (end - next < 2 || next[0] != '\r' || next[1] != '\n')
        return NULL;
    *ret = number;
    return next + 2;
}

size_t resp_quick(struct kvs_bytes input, size_t bulk_max, struct kvs_bytes *args, size_t room,
                  size_t *ret_count)
{
    const char *begin = input.data;
    const char *end = begin + input.len;
    size_t count;
    const char *at = read_count(begin, end, '*', &count);
    if (at == NULL || count == 0 || count > room)
        return 0;
    for (size_t i = 0; i < count; i++) {
        size_t len;
        at = read_count(at, end, '$', &len);
        if (at == NULL || len > bulk_max || (size_t)(end - at) < len + 2)
            return 0;
        args[i] = (struct kvs_bytes){ at, len };
        at += len + 2;
    }
    *ret_count = count;
    return (size_t)(at - begin);
}
