/*
 * keyset_test.c - the ordered set against a plain sorted list, and ranges that merge.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "store/keyset.h"
#include "tests/harness/test.h"

static uint32_t put(struct keyset *set, const char *key, bool want_new)
{
    uint32_t node;
    bool new;
    assert_ok(keyset_put(set, bytes_str(key), &node, &new));
    assert_int_equal(new, want_new);
    return node;
}

TEST(a_set_keeps_order_through_puts_and_removals)
{
    enum {
        KEYS = 2000
    };
    struct keyset set;
    static bool there[KEYS];
    keyset_init(&set, 1024 * 1024);
    uint64_t random = test_seed();
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < KEYS; i++)
            there[i] = false;
        for (int i = 0; i < 3 * KEYS; i++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
            size_t at = (random >> 33) % KEYS;
            char key[16];
            (void)snprintf(key, sizeof key, "%04zu", at);
            if ((random >> 20) % 3 != 0) {
                (void)put(&set, key, !there[at]);
                there[at] = true;
            } else if (there[at]) {
                keyset_remove(&set, keyset_find(&set, bytes_str(key)));
                there[at] = false;
            }
        }
        assert_true(keyset_verify(&set));
        uint32_t node = keyset_first(&set);
        uint32_t before = KEYSET_NONE;
        for (size_t i = 0; i < KEYS; i++) {
            char key[16];
            (void)snprintf(key, sizeof key, "%04zu", i);
            assert_int_equal(keyset_find(&set, bytes_str(key)) != KEYSET_NONE, there[i]);
            assert_int_equal(keyset_below(&set, bytes_str(key)), before);
            assert_int_equal(keyset_at_least(&set, bytes_str(key), false), node);
            if (!there[i])
                continue;
            assert_true(bytes_equal(keyset_key(&set, node), bytes_str(key)));
            before = node;
            node = keyset_next(&set, node);
            assert_int_equal(keyset_at_least(&set, bytes_str(key), true), node);
        }
        assert_int_equal(node, KEYSET_NONE);
        keyset_clear(&set, round == 1 ? 0 : 1024 * 1024);
        assert_int_equal(keyset_first(&set), KEYSET_NONE);
    }
    keyset_done(&set);
}

TEST(a_value_that_grows_leaves_little_behind)
{
    struct keyset set;
    static char bytes[100000];
    keyset_init(&set, 4 * sizeof bytes);
    uint32_t node = put(&set, "k", true);
    for (size_t len = 0; len <= sizeof bytes; len += 100) {
        assert_ok(keyset_set_value(&set, node, bytes_of(bytes, len)));
        assert_int_equal(keyset_value(&set, node).len, len);
    }
    assert_int_equal(keyset_set_value(&set, node, bytes_of(bytes, 10)), KVS_OK);
    assert_int_equal(keyset_value(&set, node).len, 10);
    keyset_done(&set);
}

TEST(a_full_set_refuses_and_stays_usable)
{
    struct keyset set;
    keyset_init(&set, 100);
    static char key[200];
    uint32_t node;
    bool new;
    assert_int_equal(keyset_put(&set, bytes_of(key, sizeof key), &node, &new), KVS_TOO_LONG);
    (void)put(&set, "small", true);
    assert_int_equal(set.count, 1);
    keyset_done(&set);
}

TEST(ranges_merge_into_what_a_bitmap_says)
{
    enum {
        SPOTS = 60
    };

    uint64_t random = test_seed();
    for (int round = 0; round < 200; round++) {
        struct keyset set;
        bool covered[SPOTS] = { false };
        keyset_init(&set, 100000);
        for (int i = 0; i < 25; i++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
            unsigned from = (unsigned)(random >> 33) % SPOTS;
            unsigned to = from + (unsigned)(random >> 50) % 12; /* empty ones too */
            char start[8];
            char end[8];
            (void)snprintf(start, sizeof start, "%02u", from);
            (void)snprintf(end, sizeof end, "%02u", to);
            assert_ok(rangeset_add(&set, bytes_str(start), bytes_str(end)));
            for (unsigned spot = from; spot < to && spot < SPOTS; spot++)
                covered[spot] = true;
            assert_true(keyset_verify(&set));
        }
        for (unsigned spot = 0; spot < SPOTS; spot++) {
            char key[8];
            (void)snprintf(key, sizeof key, "%02u", spot);
            assert_int_equal(rangeset_covers(&set, bytes_str(key)), covered[spot]);
        }
        struct kvs_bytes last = { NULL, 0 };
        for (uint32_t node = keyset_first(&set); node != KEYSET_NONE;
             node = keyset_next(&set, node)) {
            assert_true(bytes_compare(last, keyset_key(&set, node)) <= 0); /* disjoint */
            last = keyset_value(&set, node);
        }
        keyset_done(&set);
    }
}
