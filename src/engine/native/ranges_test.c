/*
 * ranges_test.c - removed ranges: what they hide, and at which versions.
 */
#include "base/bytes.h"
#include "engine/native/ranges.h"
#include "tests/harness/test.h"

static struct kvs_range range(const char *start, const char *end)
{
    return (struct kvs_range){ .start = bytes_str(start),
                               .end = end != NULL ? bytes_str(end) : bytes_of(NULL, 0),
                               .has_end = end != NULL };
}

static void add(struct ranges *ranges, const char *start, const char *end, uint64_t version)
{
    struct kvs_range r = range(start, end);
    assert_ok(ranges_add(ranges, &r, version));
}

TEST(a_removal_hides_older_records_inside_from_its_version_on)
{
    struct ranges ranges;
    ranges_init(&ranges);
    assert_true(ranges_empty(&ranges));
    add(&ranges, "b", "d", 10);
    assert_int_equal(ranges_cover(&ranges, BYTES("b"), 5, 10), 10);
    assert_int_equal(ranges_cover(&ranges, BYTES("c"), 5, UINT64_MAX), 10);
    assert_int_equal(ranges_cover(&ranges, BYTES("d"), 5, 10), 0); /* the end is outside */
    assert_int_equal(ranges_cover(&ranges, BYTES("a"), 5, 10), 0);
    assert_int_equal(ranges_cover(&ranges, BYTES("c"), 5, 9), 0); /* a reader before it */
    assert_int_equal(ranges_cover(&ranges, BYTES("c"), 10, 20),
                     0); /* written by the same batch, or later */
    ranges_done(&ranges);
}

TEST(the_newest_of_several_removals_a_reader_sees_counts)
{
    struct ranges ranges;
    ranges_init(&ranges);
    add(&ranges, "a", NULL, 30);
    add(&ranges, "a", "z", 10); /* recovery adds them in any order */
    add(&ranges, "", "c", 20);
    assert_int_equal(ranges_cover(&ranges, BYTES("b"), 5, UINT64_MAX), 30);
    assert_int_equal(ranges_cover(&ranges, BYTES("b"), 5, 29), 20);
    assert_int_equal(ranges_cover(&ranges, BYTES("b"), 5, 19), 10);
    assert_int_equal(ranges_cover(&ranges, BYTES("b"), 5, 9), 0);
    assert_true(ranges_remove(&ranges, 30));
    assert_int_equal(ranges_cover(&ranges, BYTES("x"), 5, UINT64_MAX), 10);
    assert_true(ranges_remove(&ranges, 10));
    assert_true(ranges_remove(&ranges, 20));
    assert_true(ranges_remove(&ranges, 99)); /* not there: nothing */
    assert_true(ranges_empty(&ranges));
    ranges_done(&ranges);
}

TEST(ranges_meet_when_they_share_a_key)
{
    struct ranges ranges;
    ranges_init(&ranges);
    add(&ranges, "d", "f", 10);
    struct kvs_range before = range("a", "d");
    struct kvs_range inside = range("e", "ee");
    struct kvs_range after = range("f", NULL);
    struct kvs_range all = range("", NULL);
    assert_int_equal(ranges_meet(&ranges, &before, 0), 0);
    assert_int_equal(ranges_meet(&ranges, &inside, 0), 10);
    assert_int_equal(ranges_meet(&ranges, &after, 0), 0);
    assert_int_equal(ranges_meet(&ranges, &all, 0), 10);
    assert_int_equal(ranges_meet(&ranges, &all, 10), 0); /* only removals after that version */
    ranges_done(&ranges);
}
