#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/crc64.h"
#include "base/lzf.h"
#include "tests/harness/test.h"

TEST(crc64_has_the_published_check_value)
{
    assert_true(crc64(0, "123456789", 9) == 0xe9c6d914c4b8d9cau);
    assert_true(crc64(crc64(0, "1234", 4), "56789", 5) == 0xe9c6d914c4b8d9cau);
}

TEST(all_three_kinds_of_groups_are_unpacked_in_parts_of_any_size)
{
    /* "ab", then 300 bytes more of the same by two repeats, one with a length byte. */
    static const unsigned char packed[] = { 1, 'a', 'b', 7 << 5, 255, 1, 0x20 | (2 << 5), 1 };
    uint64_t length;
    struct kvs_bytes text = bytes_of(packed, 6);
    assert_true(lzf_length(text, &length));
    assert_int_equal(length, 2 + 7 + 255 + 2);
    for (size_t step = 1; step < 20; step++) {
        struct lzf lzf;
        char out[300];
        lzf_start(&lzf, text);
        for (size_t done = 0; done < length; done += step)
            assert_true(lzf_read(&lzf, out + done, length - done < step ? length - done : step));
        for (size_t i = 0; i < length; i++)
            assert_int_equal(out[i], i % 2 == 0 ? 'a' : 'b');
        assert_false(lzf_read(&lzf, out, 1));
    }
}

TEST(what_is_cut_short_or_reaches_before_the_beginning_is_refused)
{
    static const unsigned char bad[][4] = {
        { 3, 'a', 'b', 'c' },  /* four bytes announced */
        { 0, 'a', 1 << 5, 1 }, /* a distance of two behind one byte */
        { 0, 'a', 7 << 5, 0 }, /* no distance */
        { 0, 'a', 0, 'b' },
    };
    uint64_t length;
    for (size_t i = 0; i < 3; i++)
        assert_false(lzf_length(bytes_of(bad[i], 4), &length));
    assert_false(lzf_length(bytes_of(bad[2], 3), &length));
    assert_true(lzf_length(bytes_of(bad[3], 4), &length));
    assert_int_equal(length, 2);
    assert_true(lzf_length(bytes_of(bad[3], 0), &length));
    assert_int_equal(length, 0);
}

TEST(the_longest_distance_is_the_whole_window)
{
    size_t literals = LZF_WINDOW_BYTES / 32;
    unsigned char *packed = malloc(literals * 33 + 2);
    assert_non_null(packed);
    for (size_t i = 0; i < literals; i++) {
        packed[i * 33] = 31;
        for (size_t k = 0; k < 32; k++)
            packed[i * 33 + 1 + k] = (unsigned char)(i + k * 7);
    }
    memcpy(packed + literals * 33, "\x3f\xff", 2); /* three bytes from 8192 back */
    char out[LZF_WINDOW_BYTES + 3];
    struct lzf lzf;
    uint64_t length;
    assert_true(lzf_length(bytes_of(packed, literals * 33 + 2), &length));
    assert_int_equal(length, sizeof out);
    lzf_start(&lzf, bytes_of(packed, literals * 33 + 2));
    assert_true(lzf_read(&lzf, out, sizeof out));
    assert_memory_equal(out + LZF_WINDOW_BYTES, out, 3);
    free(packed);
}
