/*
 * adapter_test.c - the encodings, and which removals are remembered.
 */
#include <string.h>

#include "base/bytes.h"
#include "engine/adapter/record.h"
#include "engine/adapter/removals.h"
#include "tests/harness/test.h"

static struct record round_trip(struct record record, size_t *ret_head)
{
    unsigned char raw[RECORD_HEAD_MAX + 16];
    *ret_head = adapter_record_head(&record, raw);
    if (record.value.len != 0)
        memcpy(raw + *ret_head, record.value.data, record.value.len);
    struct record back;
    assert_ok(adapter_record_decode(bytes_of(raw, *ret_head + record.value.len), &back));
    assert_int_equal(back.version, record.version);
    assert_int_equal(back.expire_ms, record.expire_ms);
    assert_int_equal(back.blob_id, record.blob_id);
    return back;
}

TEST(a_record_keeps_version_expiry_and_value)
{
    size_t head;
    struct record back = round_trip((struct record){ .version = 7, .value = BYTES("abc") }, &head);
    assert_int_equal(head, 9);
    assert_int_equal(back.value_bytes, 3);
    back = round_trip((struct record){ .version = UINT64_MAX, .expire_ms = INT64_MAX }, &head);
    assert_int_equal(head, 17);
    assert_int_equal(back.value_bytes, 0);
    back = round_trip((struct record){ .version = 1, .blob_id = 9, .value_bytes = KVS_VALUE_MAX },
                      &head);
    assert_int_equal(back.value_bytes, KVS_VALUE_MAX);
}

TEST(bytes_that_are_no_record_are_refused)
{
    unsigned char raw[64] = { 0 };
    struct record record;
    for (size_t len = 0; len < 9; len++)
        assert_int_equal(adapter_record_decode(bytes_of(raw, len), &record), KVS_CORRUPT);
    assert_ok(adapter_record_decode(bytes_of(raw, 9), &record));
    raw[0] = 4; /* an unknown flag */
    assert_int_equal(adapter_record_decode(bytes_of(raw, 40), &record), KVS_CORRUPT);
    raw[0] = 1; /* expiry without its bytes, and at 0 */
    assert_int_equal(adapter_record_decode(bytes_of(raw, 16), &record), KVS_CORRUPT);
    assert_int_equal(adapter_record_decode(bytes_of(raw, 17), &record), KVS_CORRUPT);
    raw[0] = 2; /* a large value that is small */
    assert_int_equal(adapter_record_decode(bytes_of(raw, 25), &record), KVS_CORRUPT);
}

TEST(the_state_comes_back_and_nonsense_does_not)
{
    struct state kept = { .version = 5, .ceiling = 10, .now_ms = 77, .clean = true };
    kept.keys[0] = 3;
    kept.keys[NO_CLASS] = 1;
    unsigned char raw[STATE_BYTES_MAX];
    size_t len = state_encode(&kept, raw);
    struct state back;
    assert_ok(state_decode(bytes_of(raw, len), &back));
    assert_memory_equal(&back, &kept, sizeof kept);
    for (size_t cut = 0; cut < len; cut++)
        if ((len - cut) % 10 != 0)
            assert_int_equal(state_decode(bytes_of(raw, cut), &back), KVS_CORRUPT);
    raw[0] = 2;
    assert_int_equal(state_decode(bytes_of(raw, len), &back), KVS_WRONG_FORMAT);
    kept.ceiling = 4;
    len = state_encode(&kept, raw);
    assert_int_equal(state_decode(bytes_of(raw, len), &back), KVS_CORRUPT);
}

static struct kvs_range key(const char *text)
{
    return (struct kvs_range){ .start = bytes_str(text) };
}

static struct kvs_range range(const char *start, const char *end)
{
    return (struct kvs_range){ bytes_str(start), bytes_str(end), true };
}

TEST(removals_are_found_by_key_range_and_version)
{
    struct removals removals = { 0 };
    struct removals_fresh fresh = { 0 };
    struct kvs_range b = key("b");
    struct kvs_range d_to_f = range("d", "f");
    removals_note(&fresh, 10, &b, false);
    removals_note(&fresh, 11, &d_to_f, true);
    assert_true(removals_fresh_hit(&fresh, &b, false, 9));
    removals_add(&removals, &fresh, true);
    assert_int_equal(fresh.count, 0);

    static const struct {
        const char *start;
        const char *end; /* NULL: the one key */
        uint64_t version;
        bool hit;
    } cases[] = {
        { "b", NULL, 9, true },   { "b", NULL, 10, false }, { "a", NULL, 0, false },
        { "bb", NULL, 0, false }, { "a", "b", 0, false },   { "a", "bb", 0, true },
        { "b", "c", 0, true },    { "b", "c", 10, false },  { "e", NULL, 10, true },
        { "f", NULL, 0, false },  { "d", NULL, 11, false }, { "d", NULL, 10, true },
        { "c", "d", 0, false },   { "c", "dd", 0, true },   { "ee", "z", 0, true },
        { "f", "z", 0, false },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool is_range = cases[i].end != NULL;
        struct kvs_range asked =
            is_range ? range(cases[i].start, cases[i].end) : key(cases[i].start);
        assert_int_equal(removals_hit(&removals, &asked, is_range, cases[i].version), cases[i].hit);
    }
    removals_prune(&removals, 10); /* no snapshot before 10: what it forgets it refuses */
    struct kvs_range a = key("a");
    assert_true(removals_hit(&removals, &a, false, 9));
    assert_false(removals_hit(&removals, &a, false, 10));
    struct kvs_range e = key("e");
    assert_true(removals_hit(&removals, &e, false, 10));
    removals_done(&removals);
    removals_fresh_done(&fresh);
}

TEST(removals_that_nobody_keeps_or_too_many_are_forgotten_not_overlooked)
{
    struct removals removals = { 0 };
    struct removals_fresh fresh = { 0 };
    struct kvs_range b = key("b");
    removals_note(&fresh, 10, &b, false);
    removals_add(&removals, &fresh, false);
    assert_int_equal(removals.count, 0);
    assert_true(removals_hit(&removals, &b, false, 9));
    for (uint64_t i = 0; i < 3 * REMOVALS_MAX; i++) {
        removals_note(&fresh, 11 + i, &b, false);
        removals_add(&removals, &fresh, true);
    }
    assert_true(removals.count - removals.first <= REMOVALS_MAX);
    assert_true(removals_hit(&removals, &b, false, 11 + REMOVALS_MAX));
    removals_note(&fresh, UINT64_MAX - 1, &b, false);
    removals_cut(&fresh, 0, 0); /* taken back */
    assert_false(removals_fresh_hit(&fresh, &b, false, 0));
    removals_done(&removals);
    removals_fresh_done(&fresh);
}
