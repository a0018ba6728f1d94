/* Difficult keys, searching, sampling, figures, and what happens without memory. */
#include <stdio.h>

#include "base/hash.h"
#include "index/inner.h"
#include "index/leaf.h"
#include "index/owner_test.h"
#include "index/tree.h"

static void put(struct test_owner *owner, struct index *index, const void *data, size_t len)
{
    uint64_t locator = owner_add(owner, data, len);
    assert_ok(index_put(index, owner->keys[locator - 1], 0, locator, false));
}

static int compare_keys(const void *a, const void *b)
{
    return bytes_compare(*(const struct kvs_bytes *)a, *(const struct kvs_bytes *)b);
}

/* Every key of the owner is found, and scans in both directions show all of them in order. Reorders the owner's keys not. */
static void check_all_there(struct test_owner *owner, struct index *index)
{
    assert_ok(index_verify(index));
    for (size_t i = 0; i < owner->count; i++)
        assert_int_equal(owner_find(owner, index, owner->keys[i]), i + 1);
    struct kvs_bytes *sorted = malloc((owner->count + 1) * sizeof *sorted);
    assert_non_null(sorted);
    memcpy(sorted, owner->keys, owner->count * sizeof *sorted);
    qsort(sorted, owner->count, sizeof *sorted, compare_keys);
    for (int reverse = 0; reverse < 2; reverse++) {
        struct index_scan scan = { .unbounded = true, .reverse = reverse };
        uint64_t locators[INDEX_SCAN_MIN];
        size_t count;
        size_t seen = 0;
        for (;;) {
            assert_ok(index_scan(index, &scan, locators, INDEX_SCAN_MIN, &count));
            if (count == 0)
                break;
            for (size_t i = 0; i < count; i++, seen++)
                assert_true(bytes_equal(owner->keys[locators[i] - 1],
                                        sorted[reverse ? owner->count - 1 - seen : seen]));
            scan.unbounded = false;
            scan.exclusive = true;
            scan.from = owner->keys[locators[count - 1] - 1];
        }
        assert_int_equal(seen, owner->count);
    }
    free(sorted);
}

static void remove_all(struct test_owner *owner, struct index *index)
{
    for (size_t i = 0; i < owner->count; i++)
        assert_ok(index_remove(index, owner->keys[i], i + 1));
    assert_ok(index_verify(index));
    struct index_stats stats;
    index_stats(index, &stats);
    assert_int_equal(stats.slots, 0);
    assert_int_equal(stats.leaves, 1);
}

static void finish(struct test_owner *owner, struct index *index)
{
    check_all_there(owner, index);
    remove_all(owner, index);
    index_free(index);
    owner_done(owner);
}

TEST(an_empty_index_has_nothing)
{
    struct test_owner owner = { 0 };
    struct index *index = owner_index(&owner);
    uint64_t locators[INDEX_SCAN_MIN];
    size_t count = 1;
    struct index_scan scan = { .unbounded = true };
    assert_int_equal(owner_find(&owner, index, BYTES("")), 0);
    assert_ok(index_scan(index, &scan, locators, INDEX_SCAN_MIN, &count));
    assert_int_equal(count, 0);
    assert_int_equal(index_remove(index, BYTES("k"), 1), KVS_NOT_FOUND);
    assert_int_equal(index_put(index, BYTES("k"), 1, 2, false), KVS_NOT_FOUND);
    epoch_enter();
    assert_int_equal(index_sample(index, 99), 0);
    struct index_probe probe;
    index_probe(index, 1, &BYTES("k"), &probe);
    assert_int_equal(index_probe_peek(&probe), 0);
    epoch_leave();
    assert_ok(index_verify(index));
    index_free(index);
    index_free(NULL);
    owner_done(&owner);
}

TEST(overwriting_puts_the_new_locator_into_the_same_slot)
{
    struct test_owner owner = { 0 };
    struct index *index = owner_index(&owner);
    put(&owner, index, "key", 3);
    uint64_t second = owner_add(&owner, "key", 3);
    assert_int_equal(index_put(index, BYTES("key"), 77, second, false), KVS_NOT_FOUND);
    assert_ok(index_put(index, BYTES("key"), 1, second, true));
    assert_int_equal(owner_find(&owner, index, BYTES("key")), second);
    struct index_stats stats;
    index_stats(index, &stats);
    assert_int_equal(stats.slots, 1);
    assert_int_equal(index_remove(index, BYTES("key"), 1), KVS_NOT_FOUND);
    assert_ok(index_remove(index, BYTES("key"), second));
    assert_int_equal(owner_find(&owner, index, BYTES("key")), 0);
    index_free(index);
    owner_done(&owner);
}

TEST(a_match_may_stop_the_search)
{
    struct test_owner owner = { 0 };
    struct index *index = owner_index(&owner);
    put(&owner, index, "key", 3);
    struct test_match match = { .owner = &owner, .key = BYTES("key"), .stop = true };
    uint64_t locator = 0;
    epoch_enter();
    assert_int_equal(index_find(index, match.key, owner_match, &match, &locator), KVS_WOULD_BLOCK);
    epoch_leave();
    assert_int_equal(match.offered, 1);
    assert_int_equal(locator, 0);
    index_free(index);
    owner_done(&owner);
}

/* Lengths from nothing to the longest, each the beginning of the next, all of zeros. */
TEST(zeros_of_every_length_are_different_keys)
{
    struct test_owner owner = { 0 };
    struct index *index = owner_index(&owner);
    static const char zeros[3000];
    for (size_t len = 0; len < sizeof zeros; len++)
        put(&owner, index, zeros, (len * 1571) % sizeof zeros);
    finish(&owner, index);
}

TEST(runs_of_0xff_are_ordered_by_their_lengths)
{
    struct test_owner owner = { 0 };
    struct index *index = owner_index(&owner);
    char ff[1009];
    memset(ff, 0xff, sizeof ff);
    for (size_t i = 0; i < sizeof ff; i++)
        put(&owner, index, ff, i * 613 % sizeof ff);
    finish(&owner, index);
}

enum {
    LONGEST = 65791
};

TEST(the_longest_keys_may_differ_in_their_last_byte_only)
{
    struct test_owner owner = { 0 };
    struct index *index = owner_index(&owner);
    char *key = malloc(LONGEST);
    assert_non_null(key);
    memset(key, 'x', LONGEST);
    for (unsigned i = 0; i < 256; i++) {
        key[LONGEST - 1] = (char)(i * 37);
        put(&owner, index, key, LONGEST);
    }
    free(key);
    finish(&owner, index);
}

TEST(common_beginnings_of_60_kb_are_carried_by_the_separators)
{
    struct test_owner owner = { 0 };
    struct index *index = owner_index(&owner);

    enum {
        COMMON = 60000
    };

    char *key = malloc(COMMON + 16);
    assert_non_null(key);
    memset(key, 0, COMMON);
    for (unsigned i = 0; i < 1500; i++) {
        int len = snprintf(key + COMMON, 16, "%u", i * 7919 % 10007);
        put(&owner, index, key, COMMON + (size_t)len);
    }
    free(key);
    finish(&owner, index);
}

/* Two families: very long separators between very short ones. */
TEST(short_and_long_separators_live_side_by_side)
{
    struct test_owner owner = { 0 };
    struct index *index = owner_index(&owner);
    char key[512];
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t random = hash_u64(i);
        int len = snprintf(key, sizeof key, "%02u", (unsigned)(random % 50));
        if (random % 50 % 2 == 0) {
            memset(key + len, 'm', 100);
            len += 100;
        }
        len += snprintf(key + len, 32, "%u", i);
        put(&owner, index, key, (size_t)len);
    }
    finish(&owner, index);
}

/* ---- Filling in order ---- */

static uint64_t fill(struct test_owner *owner, struct index *index, unsigned count, bool descending)
{
    for (unsigned i = 0; i < count; i++) {
        char key[32];
        int len = snprintf(key, sizeof key, "key:%010u", descending ? count - i : i);
        put(owner, index, key, (size_t)len);
    }
    struct index_stats stats;
    index_stats(index, &stats);
    assert_int_equal(stats.slots, count);
    return stats.leaves;
}

TEST(keys_that_come_in_order_fill_leaves_densely)
{
    for (int descending = 0; descending < 2; descending++) {
        struct test_owner owner = { 0 };
        struct index *index = owner_index(&owner);
        uint64_t leaves = fill(&owner, index, 50000, descending);
        assert_true(leaves < 50000 / (LEAF_SLOTS * 9 / 10));
        finish(&owner, index);
    }
}

TEST(what_was_filled_in_order_is_scanned_without_loading_keys)
{
    struct test_owner owner = { 0 };
    struct index *index = owner_index(&owner);
    (void)fill(&owner, index, 20000, false);
    owner.loads = 0;
    uint64_t *locators = malloc(20000 * sizeof *locators);
    assert_non_null(locators);
    struct index_scan scan = { .unbounded = true, .no_block = true };
    size_t count;
    assert_ok(index_scan(index, &scan, locators, 20000, &count));
    assert_true(count > 20000 - LEAF_SLOTS);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(locators[i], i + 1);
    assert_int_equal(owner.loads, 0);
    free(locators);
    finish(&owner, index);
}

TEST(emptying_and_refilling_does_not_grow_the_index)
{
    struct test_owner owner = { 0 };
    struct index *index = owner_index(&owner);
    struct index_stats first;
    struct index_stats stats;
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < 20000; i++) {
            uint64_t key = hash_u64(i);
            if (round == 0)
                (void)owner_add(&owner, &key, sizeof key);
            assert_ok(index_put(index, owner.keys[i], 0, i + 1, true));
        }
        epoch_barrier();
        index_stats(index, round == 0 ? &first : &stats);
        if (round > 0) {
            assert_int_equal(stats.leaves, first.leaves);
            /* Not equal: how many leaves wait for readers while others are taken depends on the threads' timing. */
            assert_true(stats.bytes <= 2 * first.bytes);
        }
        remove_all(&owner, index);
        epoch_barrier();
        index_stats(index, &stats);
        assert_true(stats.bytes < 100000);
    }
    index_free(index);
    owner_done(&owner);
}

/* ---- Scans ---- */

static bool every_key_is_cold(uint64_t locator)
{
    return locator != 0;
}

TEST(a_scan_waits_for_cold_keys_only_when_it_may)
{
    struct test_owner owner = { 0 };
    struct index *index = owner_index(&owner);
    for (unsigned i = 0; i < 5000; i++) {
        uint64_t key = hash_u64(i);
        put(&owner, index, &key, sizeof key);
    }
    owner.is_cold = every_key_is_cold;
    uint64_t locators[INDEX_SCAN_MIN];
    size_t count;
    struct index_scan scan = { .from = owner.keys[17], .no_block = true };
    assert_int_equal(index_scan(index, &scan, locators, INDEX_SCAN_MIN, &count), KVS_WOULD_BLOCK);
    assert_int_equal(owner.waits, 0);
    scan.no_block = false;
    assert_ok(index_scan(index, &scan, locators, INDEX_SCAN_MIN, &count));
    assert_int_equal(locators[0], 18);
    assert_true(owner.waits > 0);
    finish(&owner, index);
}

TEST(a_scan_reads_the_leaf_again_when_a_record_has_moved)
{
    struct test_owner owner = { 0 };
    struct index *index = owner_index(&owner);
    for (unsigned i = 0; i < 50; i++) {
        uint64_t key = hash_u64(i);
        put(&owner, index, &key, sizeof key);
    }
    struct index_scan scan = { .unbounded = true };
    uint64_t locators[INDEX_SCAN_MIN];
    size_t count;
    owner.missing = 30;
    owner.missing_for = 3;
    assert_ok(index_scan(index, &scan, locators, INDEX_SCAN_MIN, &count));
    assert_int_equal(count, 50);
    /* An owner who never knows a locator that is there is told so. */
    owner.missing_for = UINT64_MAX;
    assert_int_equal(index_scan(index, &scan, locators, INDEX_SCAN_MIN, &count), KVS_CORRUPT);
    owner.missing_for = 0;
    finish(&owner, index);
}

/* ---- Samples ---- */

TEST(samples_come_from_all_of_the_index)
{
    struct test_owner owner = { 0 };
    struct index *index = owner_index(&owner);

    enum {
        COUNT = 2000
    };

    for (unsigned i = 0; i < COUNT; i++) {
        uint64_t key = hash_u64(i);
        put(&owner, index, &key, sizeof key);
    }
    static unsigned hits[COUNT + 1];
    unsigned never = 0;
    for (unsigned i = 0; i < 20 * COUNT; i++) {
        epoch_enter();
        uint64_t locator = index_sample(index, i);
        epoch_leave();
        assert_true(locator >= 1 && locator <= COUNT);
        hits[locator]++;
    }
    for (unsigned i = 1; i <= COUNT; i++)
        never += hits[i] == 0;
    assert_true(never < COUNT / 10);
    finish(&owner, index);
}

/* ---- Without memory ---- */

static uint64_t count_slots(struct index *index)
{
    struct index_stats stats;
    index_stats(index, &stats);
    return stats.slots;
}

/* Puts each key with 0, 1, 2 … allocations allowed until it succeeds; in between nothing may have changed. */
TEST(an_insert_without_memory_changes_nothing)
{
    struct test_owner owner = { 0 };
    struct index *index = owner_index(&owner);
    char key[400];
    memset(key, 'k', sizeof key);
    unsigned failures = 0;
    for (unsigned i = 0; i < 12000; i++) {
        uint64_t random = hash_u64(i);
        size_t len = i % 2 == 0 ? 8 : 300; /* separators near and far */
        memcpy(key + len - 8, &random, 8);
        uint64_t locator = owner_add(&owner, key, len);
        owner.through_scratch = i % 3 == 0;
        for (int64_t allowed = 0;; allowed++) {
            index_allow_allocations(index, allowed);
            enum kvs_status status =
                index_put(index, owner.keys[locator - 1], 0, locator, i % 2 == 0);
            index_allow_allocations(index, -1);
            if (status == KVS_OK)
                break;
            assert_int_equal(status, KVS_NO_MEMORY);
            assert_int_equal(count_slots(index), i);
            assert_int_equal(owner_find(&owner, index, owner.keys[locator - 1]), 0);
            failures++;
        }
        if (i % 2000 == 0)
            assert_ok(index_verify(index));
        memset(key, 'k', sizeof key);
    }
    assert_true(failures > 500);
    finish(&owner, index);
}

TEST(a_removal_without_memory_leaves_thin_leaves_that_later_ones_merge)
{
    struct test_owner owner = { 0 };
    struct index *index = owner_index(&owner);
    for (unsigned i = 0; i < 10000; i++) {
        uint64_t key = hash_u64(i);
        put(&owner, index, &key, sizeof key);
    }
    for (unsigned i = 0; i < 10000; i++) {
        index_allow_allocations(index, i < 9000 ? (int64_t)(i % 4) : -1);
        assert_ok(index_remove(index, owner.keys[i], i + 1));
        index_allow_allocations(index, -1);
        if (i % 1000 == 999)
            assert_ok(index_verify(index));
    }
    assert_int_equal(count_slots(index), 0);
    struct index_scan scan = { .unbounded = true };
    uint64_t locators[INDEX_SCAN_MIN];
    size_t count;
    assert_ok(index_scan(index, &scan, locators, INDEX_SCAN_MIN, &count));
    assert_int_equal(count, 0);
    index_free(index);
    owner_done(&owner);
}

/* ---- Parts ---- */

TEST(the_vector_search_finds_what_the_portable_one_does)
{
    struct memory memory;
    memory_init(&memory);
    struct leaf *leaf = memory_leaf_new(&memory);
    assert_non_null(leaf);
    uint64_t random = test_seed();
    static const uint16_t tags[] = { 1, 0x7fff, 0x8000, 0x8001, 0xffff, 0x1234, 0xff00, 0x00ff };
    for (unsigned round = 0; round < 2000; round++) {
        for (unsigned i = 0; i < LEAF_SLOTS; i++) {
            random = hash_u64(random + 1);
            uint16_t tag = tags[random % 8];
            leaf_store(leaf, i, random % 5 == 0 ? 0 : slot_of(tag, (random >> 16) | 1));
        }
        for (unsigned i = 0; i < 8; i++) {
            uint64_t matches = leaf_match(leaf, tags[i]);
            assert_true(matches == leaf_match_portable(leaf, tags[i]));
            for (unsigned j = 0; j < LEAF_SLOTS; j++)
                assert_int_equal(matches >> j & 1, slot_tag(leaf_slot(leaf, j)) == tags[i]);
        }
    }
    memory_leaf_free(leaf);
    memory_done(&memory);
}

/* A node's search against counting the separators that come before. */
TEST(an_inner_node_leads_to_the_child_between_the_right_separators)
{
    struct memory memory;
    memory_init(&memory);
    static const char *texts[] = { "a",          "aa",        "aa\0\0",    "ab",  "abcdefgh",
                                   "abcdefgh\0", "abcdefghi", "abcdefghj", "abd", "\xff\xff" };
    static const size_t lens[] = { 1, 2, 4, 2, 8, 9, 9, 9, 3, 2 };

    enum {
        TEXTS = 10
    };

    for (unsigned prefix = 0; prefix <= 3000; prefix += 1000) {
        char keys[TEXTS][4000];
        struct inner_list list;
        list.count = TEXTS + 1;
        for (unsigned i = 0; i < TEXTS; i++) {
            memset(keys[i], 'p', prefix);
            memcpy(keys[i] + prefix, texts[i], lens[i]);
            struct kvs_bytes bytes = { keys[i], prefix + lens[i] };
            list.children[i + 1] = &keys[i];
            list.separators[i + 1] = (struct separator){ bytes, NULL };
            if (bytes.len > SEPARATOR_NEAR_MAX) {
                struct far *far = far_new(&memory, bytes);
                assert_non_null(far);
                list.separators[i + 1] = (struct separator){ { far->data, far->len }, far };
            }
        }
        list.children[0] = NULL;
        struct inner *inner = inner_build(&memory, &list, 0, TEXTS + 1, 1);
        assert_non_null(inner);
        for (unsigned i = 0; i < TEXTS * 3; i++) {
            char key[4001];
            size_t len = prefix + lens[i / 3];
            memcpy(key, keys[i / 3], len);
            if (i % 3 == 1)
                key[len++] = 0;
            else if (i % 3 == 2)
                len--;
            struct kvs_bytes bytes = { key, len };
            unsigned before = 0;
            unsigned equal = 0;
            for (unsigned j = 0; j < TEXTS; j++) {
                int order = bytes_compare(list.separators[j + 1].bytes, bytes);
                before += order < 0;
                equal += order == 0;
            }
            assert_int_equal(inner_search(inner, bytes, true), before);
            assert_int_equal(inner_search(inner, bytes, false), before + equal);
        }
        assert_int_equal(inner_search(inner, BYTES(""), false), 0);
        assert_int_equal(inner_search(inner, BYTES("\xff\xff\xff"), false), TEXTS);
        inner_free(inner);
        for (unsigned i = 0; i < TEXTS; i++)
            far_free(list.separators[i + 1].far);
    }
    memory_done(&memory);
}
