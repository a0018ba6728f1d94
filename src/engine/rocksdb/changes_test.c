/*
 * changes_test.c - looking up what a batch holds, against a plain array.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "engine/rocksdb/changes.h"
#include "tests/harness/test.h"

enum {
    KEYS = 200,
    STEPS = 20000
};

/* What the batch should know: 0 nothing, 1 removed, else the value's number. */
static unsigned truth[KEYS];

static struct kvs_bytes key_of(unsigned i, char buf[16])
{
    return bytes_of(buf, (size_t)snprintf(buf, 16, "%03u", i));
}

static void compare(const struct changes *changes)
{
    char buf[16];
    char wanted[16];
    for (unsigned i = 0; i < KEYS; i++) {
        struct kvs_bytes value;
        enum kvs_status status = changes_find(changes, key_of(i, buf), &value);
        if (truth[i] < 2) {
            assert_int_equal(status, truth[i] == 0 ? KVS_WOULD_BLOCK : KVS_NOT_FOUND);
            continue;
        }
        assert_ok(status);
        int len = snprintf(wanted, sizeof wanted, "v%u", truth[i]);
        assert_true(bytes_equal(value, bytes_of(wanted, (size_t)len)));
    }
}

static void step(struct changes *changes, unsigned number)
{
    char buf[16];
    char end_buf[16];
    char value[16];
    unsigned i = (unsigned)rand() % KEYS;
    switch (rand() % 40) {
    case 0: {
        unsigned end = i + (unsigned)rand() % 20;
        assert_ok(changes_remove_range(changes, key_of(i, buf), key_of(end, end_buf)));
        for (unsigned j = i; j < end && j < KEYS; j++)
            truth[j] = 1;
        return;
    }
    case 1:
    case 2:
    case 3:
        assert_ok(changes_remove(changes, key_of(i, buf)));
        truth[i] = 1;
        return;
    default: {
        int len = snprintf(value, sizeof value, "%u", number);
        assert_ok(changes_put(changes, key_of(i, buf), BYTES("v"), bytes_of(value, (size_t)len)));
        truth[i] = number;
        return;
    }
    }
}

TEST(the_last_change_of_a_key_is_found)
{
    struct changes changes = { 0 };
    srand((unsigned)test_seed());
    for (unsigned number = 2; number < STEPS; number++) {
        step(&changes, number);
        if (number % 500 == 0)
            compare(&changes);
        if (number % 3000 == 0) {
            changes_clear(&changes);
            memset(truth, 0, sizeof truth);
            compare(&changes);
        }
    }
    changes_done(&changes);
}

TEST(large_values_and_many_keys_are_held)
{
    struct changes changes = { 0 };
    char buf[16];
    size_t len = 1024 * 1024;
    char *large = calloc(1, len);
    assert_non_null(large);
    for (unsigned i = 0; i < 10000; i++)
        assert_ok(changes_put(&changes, bytes_of(buf, (size_t)snprintf(buf, 16, "%u", i)),
                              i % 5000 == 0 ? bytes_of(large, len) : BYTES("s"), BYTES("")));
    struct kvs_bytes value;
    assert_ok(changes_find(&changes, BYTES("5000"), &value));
    assert_int_equal(value.len, len);
    assert_ok(changes_find(&changes, BYTES("4999"), &value));
    assert_int_equal(value.len, 1);
    free(large);
    changes_done(&changes);
}
