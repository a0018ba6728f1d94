/*
 * number_test.c - every rule of number.h at its edges.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/number.h"
#include "tests/harness/test.h"

static bool reads_i64(const char *text, int64_t expected)
{
    int64_t value = 77;
    return number_parse_i64(bytes_str(text), &value) && value == expected;
}

static bool refuses_i64(const char *text)
{
    int64_t value = 77;
    return !number_parse_i64(bytes_str(text), &value) && value == 77;
}

TEST(integers_are_read_as_redis_reads_them)
{
    assert_true(reads_i64("0", 0));
    assert_true(reads_i64("7", 7));
    assert_true(reads_i64("-1", -1));
    assert_true(reads_i64("10", 10));
    assert_true(reads_i64("9223372036854775807", INT64_MAX));
    assert_true(reads_i64("-9223372036854775808", INT64_MIN));
    static const char *const bad[] = {
        "",
        "-",
        "-0",
        "06",
        "00",
        "+1",
        " 1",
        "1 ",
        "1a",
        "a",
        "0x",
        "1.0",
        "1e3",
        "--1",
        "-01",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551616",
        "99999999999999999999999999",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_true(refuses_i64(bad[i]));
    int64_t value;
    assert_false(number_parse_i64(bytes_of("1\0", 2), &value));
    assert_false(number_parse_i64(bytes_of(NULL, 0), &value));
    assert_true(number_parse_i64(bytes_of("123", 2), &value)); /* not terminated */
    assert_int_equal(value, 12);
}

TEST(unsigned_integers_reach_their_limit_and_no_further)
{
    uint64_t value;
    assert_true(number_parse_u64(BYTES("18446744073709551615"), &value));
    assert_true(value == UINT64_MAX);
    assert_false(number_parse_u64(BYTES("18446744073709551616"), &value));
    assert_false(number_parse_u64(BYTES("-1"), &value));
    assert_false(number_parse_u64(BYTES("01"), &value));
    assert_true(number_parse_u64(BYTES("0"), &value));
    assert_int_equal(value, 0);
}

TEST(integers_print_at_their_limits)
{
    char text[NUMBER_I64_CHARS];
    size_t len = number_print_i64(INT64_MIN, text);
    assert_int_equal(len, NUMBER_I64_CHARS - 1);
    assert_memory_equal(text, "-9223372036854775808", len);
    len = number_print_i64(INT64_MAX, text);
    assert_memory_equal(text, "9223372036854775807", len);
    len = number_print_u64(UINT64_MAX, text);
    assert_int_equal(len, 20);
    assert_memory_equal(text, "18446744073709551615", len);
    assert_int_equal(number_print_i64(0, text), 1);
    assert_int_equal(text[0], '0');
}

TEST(floats_are_read_as_redis_reads_them)
{
    static const char *const good[] = { "1.5",  "-1.5", "+1.5", ".5",   "5.",
                                        "1e10", "0x10", "inf",  "-inf", "Infinity" };
    static const char *const bad[] = { "",     " 1",  "1 ", "\t1",     "nan",      "-nan",
                                       "1.5x", "1,5", "e5", "1e99999", "-1e99999", "1e-99999" };
    long double value;
    double narrow;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(number_parse_long_double(bytes_str(good[i]), &value));
        assert_true(number_parse_double(bytes_str(good[i]), &narrow));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(number_parse_long_double(bytes_str(bad[i]), &value));
        assert_false(number_parse_double(bytes_str(bad[i]), &narrow));
    }
    assert_false(number_parse_double(BYTES("1e400"), &narrow));
    assert_true(number_parse_long_double(BYTES("1e400"), &value));
    assert_false(number_parse_double(bytes_of("1\0002", 3), &narrow));
    char many[NUMBER_DOUBLE_CHARS + 1];
    memset(many, '1', sizeof many);
    assert_false(number_parse_long_double(bytes_of(many, NUMBER_DOUBLE_CHARS), &value));
    assert_true(number_parse_long_double(bytes_of(many, NUMBER_DOUBLE_CHARS - 4000), &value));
}

static void assert_prints(long double value, const char *expected)
{
    char text[NUMBER_DOUBLE_CHARS];
    size_t len = number_print_long_double(value, text);
    assert_int_equal(len, strlen(expected));
    assert_memory_equal(text, expected, len);
}

TEST(long_doubles_print_as_incrbyfloat_answers)
{
    assert_prints(0, "0");
    assert_prints(-0.0L, "0");
    assert_prints(3, "3");
    assert_prints(100, "100");
    assert_prints(10.6L, "10.6");
    assert_prints(-5000, "-5000");
    assert_prints(3.0e3L, "3000");
    assert_prints(0.1L, "0.1");
    assert_prints(1e-17L, "0.00000000000000001");
    assert_prints(-1e-30L, "0"); /* rounds to -0 */
    assert_prints(1e20L, "100000000000000000000");
    assert_prints(INFINITY, "inf");
    assert_prints(-INFINITY, "-inf");
    char text[NUMBER_DOUBLE_CHARS];
    assert_int_equal(number_print_long_double(NAN, text), 0);
    assert_int_equal(number_print_long_double(1.18e4932L, text), 4933);
}

TEST(doubles_print_short_and_read_back)
{
    static const double values[] = { 0,
                                     1,
                                     -1,
                                     0.1,
                                     0.30000000000000004,
                                     1e300,
                                     5e-324,
                                     2.2250738585072014e-308,
                                     1.0 / 3,
                                     123456789012345678.0,
                                     1e21,
                                     -2.5e-9,
                                     1.7976931348623157e308 };
    char text[32];
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        size_t len = number_print_double(values[i], text);
        assert_int_equal(len, strlen(text));
        assert_true(strtod(text, NULL) == values[i]);
    }
    (void)number_print_double(0.1, text);
    assert_string_equal(text, "0.1");
    (void)number_print_double(5e-324, text);
    assert_string_equal(text, "5e-324");
    (void)number_print_double(3, text);
    assert_string_equal(text, "3");
    (void)number_print_double(-INFINITY, text);
    assert_string_equal(text, "-inf");
    (void)number_print_double(NAN, text);
    assert_string_equal(text, "nan");
}

static bool reads_size(const char *text, uint64_t expected)
{
    uint64_t value;
    return number_parse_bytes(bytes_str(text), &value) && value == expected;
}

TEST(sizes_have_units)
{
    assert_true(reads_size("0", 0));
    assert_true(reads_size("100", 100));
    assert_true(reads_size("007", 7));
    assert_true(reads_size("5k", 5000));
    assert_true(reads_size("5KB", 5 * 1024));
    assert_true(reads_size("64mb", 64U << 20));
    assert_true(reads_size("64m", 64000000));
    assert_true(reads_size("1Gb", 1U << 30));
    assert_true(reads_size("1g", 1000000000));
    assert_true(reads_size("3b", 3));
    static const char *const bad[] = {
        "", "k", "-1", "1.5k", "1 k", "1kk", "1t", "18446744073709551616", "99999999999gb"
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint64_t value;
        assert_false(number_parse_bytes(bytes_str(bad[i]), &value));
    }
}

TEST(varints_come_back)
{
    uint8_t bytes[VARINT_BYTES_MAX];
    for (int bit = 0; bit <= 64; bit++) {
        uint64_t base = bit == 64 ? UINT64_MAX : (uint64_t)1 << bit;
        for (int around = -1; around <= 1; around++) {
            uint64_t value = base + (uint64_t)(int64_t)around;
            size_t len = varint_put(bytes, value);
            uint64_t back = ~value;
            assert_int_equal(len, varint_size(value));
            assert_int_equal(varint_get(bytes, sizeof bytes, &back), len);
            assert_true(back == value);
            assert_int_equal(varint_get(bytes, len - 1, &back), 0); /* truncated */
        }
    }
    const uint8_t over[] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02 };
    const uint8_t endless[] = { 0x80, 0x80, 0x80, 0x80, 0x80, 0x80,
                                0x80, 0x80, 0x80, 0x80, 0x80, 0x01 };
    uint64_t value;
    assert_int_equal(varint_get(over, sizeof over, &value), 0);
    assert_int_equal(varint_get(endless, sizeof endless, &value), 0);
}
