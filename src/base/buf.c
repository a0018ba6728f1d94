/*
 * buf.c - the growable buffer.
 *
 * Invariant: len <= capacity <= max_bytes; data is NULL exactly when capacity is 0; failed != KVS_OK means that nothing was
 * appended since the failure.
 */
#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/fail.h"
#include "base/number.h"

enum {
    FIRST_BYTES = 64,
    PRINT_BYTES = 512
};

void buf_init(struct buf *buf, size_t max_bytes)
{
    *buf = (struct buf){ .max_bytes = max_bytes };
}

void buf_done(struct buf *buf)
{
    free(buf->data);
    buf_init(buf, buf->max_bytes);
}

/* Doubling, so that appending n bytes costs O(n); never past the maximum. */
static size_t grown_capacity(const struct buf *buf, size_t need)
{
    size_t capacity = buf->capacity < FIRST_BYTES ? FIRST_BYTES : buf->capacity;
    while (capacity < need) {
        if (capacity > buf->max_bytes / 2)
            return buf->max_bytes;
        capacity *= 2;
    }
    return capacity < buf->max_bytes ? capacity : buf->max_bytes;
}

enum kvs_status buf_reserve(struct buf *buf, size_t more)
{
    if (unlikely(buf->failed != KVS_OK))
        return buf->failed;
    if (likely(more <= buf->capacity - buf->len))
        return KVS_OK;
    if (more > buf->max_bytes - buf->len) {
        buf->failed = KVS_TOO_LONG;
        return fail(KVS_TOO_LONG, 0, "%zu bytes and %zu more are over the limit of %zu", buf->len,
                    more, buf->max_bytes);
    }
    size_t capacity = grown_capacity(buf, buf->len + more);
    char *data = realloc(buf->data, capacity);
    if (data == NULL) {
        buf->failed = KVS_NO_MEMORY;
        return fail(KVS_NO_MEMORY, ENOMEM, "buffer of %zu bytes", capacity);
    }
    buf->data = data;
    buf->capacity = capacity;
    return KVS_OK;
}

void buf_append(struct buf *buf, const void *data, size_t len)
{
    if (buf_reserve(buf, len) != KVS_OK || len == 0)
        return;
    memcpy(buf->data + buf->len, data, len);
    buf->len += len;
}

void buf_append_bytes(struct buf *buf, struct kvs_bytes bytes)
{
    buf_append(buf, bytes.data, bytes.len);
}

void buf_append_str(struct buf *buf, const char *text)
{
    buf_append(buf, text, strlen(text));
}

void buf_append_char(struct buf *buf, char byte)
{
    if (buf_reserve(buf, 1) != KVS_OK)
        return;
    buf->data[buf->len++] = byte;
}

void buf_append_i64(struct buf *buf, int64_t value)
{
    char digits[NUMBER_I64_CHARS];
    buf_append(buf, digits, number_print_i64(value, digits));
}

void buf_append_u64(struct buf *buf, uint64_t value)
{
    char digits[NUMBER_I64_CHARS];
    buf_append(buf, digits, number_print_u64(value, digits));
}

/* Texts that do not fit the stack go through the heap: vsnprintf wants room for a NUL, which the buffer may not have. */
__attribute__((format(printf, 3, 0))) static void print_long(struct buf *buf, size_t len,
                                                             const char *format, va_list args)
{
    if (buf_reserve(buf, len) != KVS_OK)
        return;
    char *text = malloc(len + 1);
    if (text == NULL) {
        buf->failed = fail(KVS_NO_MEMORY, ENOMEM, "text of %zu bytes", len);
        return;
    }
    if (vsnprintf(text, len + 1, format, args) >= 0)
        buf_append(buf, text, len);
    free(text);
}

void buf_printf(struct buf *buf, const char *format, ...)
{
    if (buf->failed != KVS_OK)
        return;
    char text[PRINT_BYTES];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (len < 0) {
        buf->failed = fail(KVS_INVALID, errno, "printing with \"%s\"", format);
    } else if ((size_t)len < sizeof text) {
        buf_append(buf, text, (size_t)len);
    } else {
        va_start(args, format);
        print_long(buf, (size_t)len, format, args);
        va_end(args);
    }
}

void buf_truncate(struct buf *buf, size_t len)
{
    if (len < buf->len)
        buf->len = len;
    buf->failed = KVS_OK;
}

void buf_consume(struct buf *buf, size_t len)
{
    ASSERT(len <= buf->len);
    if (len >= buf->len) {
        buf->len = 0;
        return;
    }
    if (len == 0)
        return;
    memmove(buf->data, buf->data + len, buf->len - len);
    buf->len -= len;
}

void buf_shrink(struct buf *buf, size_t keep_bytes)
{
    if (buf->capacity <= keep_bytes || buf->len > keep_bytes)
        return;
    if (keep_bytes == 0) {
        free(buf->data);
        buf->data = NULL;
        buf->capacity = 0;
        return;
    }
    char *data = realloc(buf->data, keep_bytes);
    if (data == NULL)
        return; /* the larger block serves as well */
    buf->data = data;
    buf->capacity = keep_bytes;
}
