/*
 * buf.h - an owned, growable byte buffer with a maximum given at init, so that no input grows memory without a bound.
 *
 * Appends that would pass the maximum, or for which memory is missing, leave the content as it was and make the buffer
 * `failed`; later appends then do nothing, so a sequence may be checked once at its end. One thread at a time.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stdint.h>

#include <kvs/status.h>

struct buf {
    char *data;       /* NULL while nothing was ever appended */
    size_t len;       /* bytes in use */
    size_t capacity;  /* bytes allocated */
    size_t max_bytes; /* never grows beyond */
    enum kvs_status failed;
};

void buf_init(struct buf *buf, size_t max_bytes);
void buf_done(struct buf *buf); /* frees; the buffer is empty and usable again */

/* Makes room for @more further bytes. */
KVS_MUST_CHECK enum kvs_status buf_reserve(struct buf *buf, size_t more);

void buf_append(struct buf *buf, const void *data, size_t len);
void buf_append_bytes(struct buf *buf, struct kvs_bytes bytes);
void buf_append_str(struct buf *buf, const char *text);
void buf_append_char(struct buf *buf, char byte);
void buf_append_i64(struct buf *buf, int64_t value); /* decimal */
void buf_append_u64(struct buf *buf, uint64_t value);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Cuts to @len bytes (at most the present length), and forgets a failure. */
void buf_truncate(struct buf *buf, size_t len);

/* Removes the first @len bytes. */
void buf_consume(struct buf *buf, size_t len);

/* Frees the memory above @keep_bytes when the buffer holds no more than that. */
void buf_shrink(struct buf *buf, size_t keep_bytes);

static inline struct kvs_bytes buf_bytes(const struct buf *buf)
{
    return (struct kvs_bytes){ buf->data, buf->len };
}

#endif
