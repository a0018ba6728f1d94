/*
 * number.c - numbers as text, by Redis's rules, and varints.
 *
 * Floats go through the C library's strtold and printf, as in Redis; the decimal point is the C locale's as long as
 * nobody sets LC_NUMERIC, and our programs do not.
 */
#include "base/number.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"

/* All of @text as digits without leading zeros, below or equal @max. */
static bool parse_digits(struct kvs_bytes text, uint64_t max, uint64_t *ret)
{
    const unsigned char *digit = text.data;
    if (text.len == 0 || (digit[0] == '0' && text.len > 1))
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned next = (unsigned)digit[i] - '0';
        if (next > 9 || value > (max - next) / 10)
            return false;
        value = value * 10 + next;
    }
    *ret = value;
    return true;
}

bool number_parse_u64(struct kvs_bytes text, uint64_t *ret)
{
    return parse_digits(text, UINT64_MAX, ret);
}

bool number_parse_i64(struct kvs_bytes text, int64_t *ret)
{
    uint64_t magnitude;
    if (text.len == 0 || *(const char *)text.data != '-') {
        if (!parse_digits(text, INT64_MAX, &magnitude))
            return false;
        *ret = (int64_t)magnitude;
        return true;
    }
    if (!parse_digits(bytes_from(text, 1), (uint64_t)INT64_MAX + 1, &magnitude) || magnitude == 0)
        return false;
    *ret = -(int64_t)(magnitude - 1) - 1; /* INT64_MIN has no positive counterpart */
    return true;
}

/* strtold wants a NUL, and takes white space in front, which Redis refuses. */
static bool copy_float_text(struct kvs_bytes text, char ret[NUMBER_DOUBLE_CHARS])
{
    if (text.len == 0 || text.len >= NUMBER_DOUBLE_CHARS ||
        isspace(*(const unsigned char *)text.data))
        return false;
    memcpy(ret, text.data, text.len);
    ret[text.len] = '\0';
    return true;
}

bool number_parse_long_double(struct kvs_bytes text, long double *ret)
{
    char copy[NUMBER_DOUBLE_CHARS];
    if (!copy_float_text(text, copy))
        return false;
    char *end;
    errno = 0;
    long double value = strtold(copy, &end);
    if (end != copy + text.len || isnan(value))
        return false;
    if (errno == ERANGE && (isinf(value) || fpclassify(value) == FP_ZERO))
        return false;
    *ret = value;
    return true;
}

bool number_parse_double(struct kvs_bytes text, double *ret)
{
    char copy[NUMBER_DOUBLE_CHARS];
    if (!copy_float_text(text, copy))
        return false;
    char *end;
    errno = 0;
    double value = strtod(copy, &end);
    if (end != copy + text.len || isnan(value))
        return false;
    if (errno == ERANGE && (isinf(value) || fpclassify(value) == FP_ZERO))
        return false;
    *ret = value;
    return true;
}

static bool parse_unit(struct kvs_bytes unit, uint64_t *ret)
{
    static const struct {
        struct kvs_bytes name;
        uint64_t bytes;
    } units[] = {
        { BYTES_INIT(""), 1 },
        { BYTES_INIT("b"), 1 },
        { BYTES_INIT("k"), 1000 },
        { BYTES_INIT("kb"), 1024 },
        { BYTES_INIT("m"), 1000 * 1000 },
        { BYTES_INIT("mb"), 1024 * 1024 },
        { BYTES_INIT("g"), 1000 * 1000 * 1000 },
        { BYTES_INIT("gb"), 1024 * 1024 * 1024 },
    };

    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (bytes_equal_nocase(unit, units[i].name)) {
            *ret = units[i].bytes;
            return true;
        }
    }
    return false;
}

bool number_parse_bytes(struct kvs_bytes text, uint64_t *ret)
{
    const unsigned char *chars = text.data;
    size_t digits = 0;
    while (digits < text.len && isdigit(chars[digits]))
        digits++;
    /* Unlike keys' values, sizes are written by people: leading zeros are theirs to write. */
    size_t zeros = 0;
    while (zeros + 1 < digits && chars[zeros] == '0')
        zeros++;
    uint64_t count;
    uint64_t unit;
    if (digits == 0 || !parse_digits(bytes_of(chars + zeros, digits - zeros), UINT64_MAX, &count) ||
        !parse_unit(bytes_from(text, digits), &unit))
        return false;
    return !__builtin_mul_overflow(count, unit, ret);
}

size_t number_print_u64(uint64_t value, char *ret)
{
    char reversed[NUMBER_I64_CHARS];
    size_t len = 0;
    do {
        reversed[len++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    for (size_t i = 0; i < len; i++)
        ret[i] = reversed[len - 1 - i];
    return len;
}

size_t number_print_i64(int64_t value, char *ret)
{
    if (value >= 0)
        return number_print_u64((uint64_t)value, ret);
    ret[0] = '-';
    return 1 + number_print_u64(-(uint64_t)value, ret + 1);
}

size_t number_print_long_double(long double value, char ret[NUMBER_DOUBLE_CHARS])
{
    if (isnan(value))
        return 0;
    if (isinf(value))
        return (size_t)snprintf(ret, NUMBER_DOUBLE_CHARS, "%s", value > 0 ? "inf" : "-inf");
    int printed = snprintf(ret, NUMBER_DOUBLE_CHARS, "%.17Lf", value);
    if (printed < 0 || printed >= NUMBER_DOUBLE_CHARS)
        return 0;
    size_t len = (size_t)printed;
    while (ret[len - 1] == '0')
        len--;
    if (ret[len - 1] == '.')
        len--;
    if (len == 2 && ret[0] == '-' && ret[1] == '0') {
        ret[0] = '0';
        len = 1;
    }
    ret[len] = '\0';
    return len;
}

size_t number_print_double(double value, char ret[32])
{
    if (isnan(value))
        return (size_t)snprintf(ret, 32, "nan");
    if (isinf(value))
        return (size_t)snprintf(ret, 32, "%s", value > 0 ? "inf" : "-inf");
    /* Fifteen digits survive the way there and back for every normal number, so what has fewer prints as it is; seventeen
     * are always enough. Subnormal numbers carry fewer digits and are tried from the start. */
    int digits = fpclassify(value) == FP_SUBNORMAL ? 1 : 15;
    int len = 0;
    for (; digits <= 17; digits++) {
        len = snprintf(ret, 32, "%.*g", digits, value);
        if (strtod(ret, NULL) == value)
            break;
    }
    return (size_t)len;
}

size_t varint_put(uint8_t *out, uint64_t value)
{
    size_t len = 0;
    while (value >= 0x80) {
        out[len++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    out[len++] = (uint8_t)value;
    return len;
}

size_t varint_get(const uint8_t *in, size_t len, uint64_t *ret)
{
    uint64_t value = 0;
    for (size_t i = 0; i < len && i < VARINT_BYTES_MAX; i++) {
        if (i == VARINT_BYTES_MAX - 1 && in[i] > 1)
            return 0; /* the tenth byte has room for one bit */
        value |= (uint64_t)(in[i] & 0x7f) << (7 * i);
        if ((in[i] & 0x80) == 0) {
            *ret = value;
            return i + 1;
        }
    }
    return 0;
}
