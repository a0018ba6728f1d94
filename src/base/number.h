/*
 * number.h - strict reading and exact printing of numbers, and LEB128 varints. Pure; thread: any.
 */
#ifndef BASE_NUMBER_H
#define BASE_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#include <kvs/status.h>

enum {
    NUMBER_I64_CHARS = 21, /* "-9223372036854775808" and a NUL */
    NUMBER_DOUBLE_CHARS =
        5120, /* longest "%.17Lf" of a long double that Redis would print, and a NUL */
    VARINT_BYTES_MAX = 10,
};

/* Redis's rule for integers: optional '-', no leading zero, no '+', no space, fits. "0" yes; "-0", "06", "" no. */
bool number_parse_i64(struct kvs_bytes text, int64_t *ret);
bool number_parse_u64(struct kvs_bytes text, uint64_t *ret);

/* Redis's rule for floats (strtold over the whole text, no spaces in front, no NaN; infinities allowed). */
bool number_parse_long_double(struct kvs_bytes text, long double *ret);
bool number_parse_double(struct kvs_bytes text, double *ret);

/* "64mb", "1gb", "100", "5k": as in redis.conf: k/m/g are powers of ten, kb/mb/gb of two; any case. */
bool number_parse_bytes(struct kvs_bytes text, uint64_t *ret);

/* Decimal digits without a NUL; returns their count (at most NUMBER_I64_CHARS - 1). */
size_t number_print_i64(int64_t value, char *ret);
size_t number_print_u64(uint64_t value, char *ret);

/* As Redis prints INCRBYFLOAT results: %.17Lf without trailing zeros. Returns the length; 0 for what cannot be. */
size_t number_print_long_double(long double value, char ret[NUMBER_DOUBLE_CHARS]);

/* Shortest text that reads back as the same double (RESP3 doubles, INFO). Returns the length. */
size_t number_print_double(double value, char ret[32]);

/* Unsigned LEB128. put returns the bytes written (1..10); get the bytes read, 0 when truncated or over 64 bits. */
size_t varint_put(uint8_t *out, uint64_t value);
size_t varint_get(const uint8_t *in, size_t len, uint64_t *ret);

static inline size_t varint_size(uint64_t value)
{
    size_t bytes = 1;
    while (value >= 0x80) {
        value >>= 7;
        bytes++;
    }
    return bytes;
}

#endif
