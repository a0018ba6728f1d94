#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "server/cursors.h"
#include "tests/harness/test.h"

static bool finds(struct cursors *cursors, uint64_t cursor, unsigned space, const char *key)
{
    struct buf found;
    buf_init(&found, 65536);
    bool is = cursors_find(cursors, cursor, space, &found);
    if (is)
        assert_true(bytes_equal(buf_bytes(&found), bytes_str(key)));
    buf_done(&found);
    return is;
}

TEST(a_cursor_finds_its_key_again_and_again_in_its_space)
{
    struct cursors *cursors = NULL;
    assert_ok(cursors_new(clock_system(), 16, 1000, &cursors));
    uint64_t a = cursors_open(cursors, 0, BYTES("apple"));
    uint64_t b = cursors_open(cursors, 3, BYTES(""));
    assert_true(a != 0 && b != 0 && a != b);
    assert_true(finds(cursors, a, 0, "apple"));
    assert_true(finds(cursors, a, 0, "apple"));
    assert_false(finds(cursors, a, 1, "apple"));
    assert_true(finds(cursors, b, 3, ""));
    assert_false(finds(cursors, 12345, 0, ""));
    assert_false(finds(cursors, UINT64_MAX, 0, ""));
    cursors_free(cursors);
}

TEST(the_least_recently_used_goes_first_and_its_number_is_not_reused)
{
    struct cursors *cursors = NULL;
    assert_ok(cursors_new(clock_system(), 4, 1000, &cursors));
    uint64_t kept = cursors_open(cursors, 0, BYTES("kept"));
    uint64_t old = cursors_open(cursors, 0, BYTES("old"));
    for (int i = 0; i < 1000; i++) {
        uint64_t cursor = cursors_open(cursors, 0, BYTES("x"));
        assert_true(cursor != kept && cursor != old && cursor < UINT64_C(1) << 53);
        assert_true(finds(cursors, kept, 0, "kept"));
    }
    assert_false(finds(cursors, old, 0, "old"));
    cursors_free(cursors);
}

TEST(bytes_are_bounded_too)
{
    struct cursors *cursors = NULL;
    assert_ok(cursors_new(clock_system(), 1024, 100, &cursors));
    uint64_t first = cursors_open(cursors, 0, BYTES("0123456789012345678901234567890123456789"));
    uint64_t second = cursors_open(cursors, 0, BYTES("0123456789012345678901234567890123456789"));
    assert_true(finds(cursors, first, 0, "0123456789012345678901234567890123456789"));
    uint64_t third = cursors_open(cursors, 0, BYTES("0123456789012345678901234567890123456789"));
    assert_true(finds(cursors, third, 0, "0123456789012345678901234567890123456789"));
    assert_true(finds(cursors, first, 0, "0123456789012345678901234567890123456789"));
    assert_false(finds(cursors, second, 0, ""));
    cursors_free(cursors);
}

TEST(cursors_expire)
{
    struct clock *clock = clock_manual_new(0);
    struct cursors *cursors = NULL;
    assert_non_null(clock);
    assert_ok(cursors_new(clock, 16, 1000, &cursors));
    uint64_t used = cursors_open(cursors, 0, BYTES("used"));
    uint64_t unused = cursors_open(cursors, 0, BYTES("unused"));
    clock_manual_advance_us(clock, INT64_C(1000000) * (CURSORS_AGE_S - 1));
    assert_true(finds(cursors, used, 0, "used"));
    clock_manual_advance_us(clock, INT64_C(1000000) * 2);
    assert_true(finds(cursors, used, 0, "used"));
    assert_false(finds(cursors, unused, 0, "unused"));
    cursors_free(cursors);
    free(clock);
}
