/*
 * bytes.h - borrowed byte strings: comparing, slicing, building. Pure functions; thread: any.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <kvs/status.h>

/* A string literal as bytes; BYTES_INIT for static initialisers. */
#define BYTES(literal) ((struct kvs_bytes){ (literal), sizeof(literal) - 1 })
#define BYTES_INIT(literal)            \
    {                                  \
        (literal), sizeof(literal) - 1 \
    }

static inline struct kvs_bytes bytes_of(const void *data, size_t len)
{
    return (struct kvs_bytes){ data, len };
}

static inline struct kvs_bytes bytes_str(const char *text)
{
    return (struct kvs_bytes){ text, strlen(text) };
}

static inline bool bytes_equal(struct kvs_bytes a, struct kvs_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

/* The order of keys: memcmp, then the shorter first. Negative, zero or positive. */
static inline int bytes_compare(struct kvs_bytes a, struct kvs_bytes b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    if (order != 0)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

/* ASCII case folded comparison. */
bool bytes_equal_nocase(struct kvs_bytes a, struct kvs_bytes b);

static inline bool bytes_starts_with(struct kvs_bytes whole, struct kvs_bytes prefix)
{
    return whole.len >= prefix.len &&
           (prefix.len == 0 || memcmp(whole.data, prefix.data, prefix.len) == 0);
}

/* @off beyond the end gives an empty slice. */
static inline struct kvs_bytes bytes_from(struct kvs_bytes whole, size_t off)
{
    if (off >= whole.len)
        return (struct kvs_bytes){ NULL, 0 };
    return (struct kvs_bytes){ (const char *)whole.data + off, whole.len - off };
}

#endif
