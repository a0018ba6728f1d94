/* Random operations against a sorted array. */
#include <stdio.h>

#include "base/hash.h"
#include "index/owner_test.h"
#include "index/tree.h"

struct model {
    struct test_owner owner;
    struct index *index;
    uint64_t *locators; /* in key order */
    size_t count;
    size_t capacity;
    uint64_t random;
    unsigned key_kind;
};

static uint64_t next_random(struct model *model, uint64_t below)
{
    model->random += UINT64_C(0x9e3779b97f4a7c15);
    return hash_u64(model->random) % below;
}

/* Several families of keys, each with its own difficulty. */
static size_t make_key(struct model *model, char key[4096])
{
    size_t len = 0;
    uint64_t number = next_random(model, 20000);
    switch (model->key_kind) {
    case 0: /* random bytes, short: collisions, prefixes of each other, zeros, the empty key */
        len = next_random(model, 6);
        for (size_t i = 0; i < len; i++)
            key[i] = (char)(next_random(model, 4) * 85);
        break;
    case 1: /* decimal with a long common prefix */
        memset(key, 'p', 1000);
        len = 1000 + (size_t)snprintf(key + 1000, 64, "%08llu", (unsigned long long)number);
        break;
    case 2: /* runs of 0xff and of 0 of differing lengths */
        len = number % 300;
        memset(key, number % 2 ? 0xff : 0, len);
        key[len++] = (char)next_random(model, 256);
        break;
    default: /* random eight bytes */
        number = hash_u64(number);
        memcpy(key, &number, 8);
        len = 8;
        break;
    }
    return len;
}

/* The number of the model's first key that is not below @key. */
static size_t model_search(const struct model *model, struct kvs_bytes key, bool *ret_equal)
{
    size_t low = 0;
    size_t high = model->count;
    *ret_equal = false;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = bytes_compare(model->owner.keys[model->locators[middle] - 1], key);
        if (order == 0) {
            *ret_equal = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void model_put(struct model *model, struct kvs_bytes key)
{
    bool equal;
    size_t at = model_search(model, key, &equal);
    uint64_t locator = owner_add(&model->owner, key.data, key.len);
    uint64_t old = equal ? model->locators[at] : 0;
    assert_ok(index_put(model->index, key, old, locator, next_random(model, 2) == 0));
    if (!equal) {
        assert_true(model->count < model->capacity);
        memmove(&model->locators[at + 1], &model->locators[at],
                (model->count - at) * sizeof *model->locators);
        model->count++;
    }
    model->locators[at] = locator;
}

static void model_remove(struct model *model, size_t at)
{
    uint64_t locator = model->locators[at];
    struct kvs_bytes key = model->owner.keys[locator - 1];
    assert_ok(index_remove(model->index, key, locator));
    assert_int_equal(index_remove(model->index, key, locator), KVS_NOT_FOUND);
    model->count--;
    memmove(&model->locators[at], &model->locators[at + 1],
            (model->count - at) * sizeof *model->locators);
}

static void check_find(struct model *model, struct kvs_bytes key)
{
    bool equal;
    size_t at = model_search(model, key, &equal);
    assert_int_equal(owner_find(&model->owner, model->index, key), equal ? model->locators[at] : 0);
}

/* One call of index_scan() from a random place against the model. */
static void check_scan(struct model *model, struct kvs_bytes from)
{
    uint64_t locators[INDEX_SCAN_MIN + 200];
    size_t max = INDEX_SCAN_MIN + next_random(model, 201);
    struct index_scan scan = { .from = from,
                               .unbounded = next_random(model, 8) == 0,
                               .exclusive = next_random(model, 2),
                               .reverse = next_random(model, 2),
                               .no_block = next_random(model, 2) };
    size_t count;
    assert_ok(index_scan(model->index, &scan, locators, max, &count));
    bool equal;
    size_t at = model_search(model, from, &equal);
    size_t left = scan.reverse ? at + (equal && !scan.exclusive) : model->count - at;
    if (!scan.reverse && equal && scan.exclusive) {
        at++;
        left--;
    }
    if (scan.unbounded) {
        at = 0;
        left = model->count;
    }
    assert_true(count <= left && count <= max);
    assert_true(count > 0 || left == 0);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(locators[i], model->locators[scan.reverse ? left - 1 - i : at + i]);
}

/* The whole index in both directions, continued by keys. */
static void check_all(struct model *model)
{
    assert_ok(index_verify(model->index));
    for (int reverse = 0; reverse < 2; reverse++) {
        struct index_scan scan = { .unbounded = true, .reverse = reverse };
        uint64_t locators[INDEX_SCAN_MIN];
        size_t seen = 0;
        for (;;) {
            size_t count;
            assert_ok(index_scan(model->index, &scan, locators, INDEX_SCAN_MIN, &count));
            if (count == 0)
                break;
            for (size_t i = 0; i < count; i++, seen++) {
                assert_true(seen < model->count);
                assert_int_equal(locators[i],
                                 model->locators[reverse ? model->count - 1 - seen : seen]);
            }
            scan.unbounded = false;
            scan.exclusive = true;
            scan.from = model->owner.keys[locators[count - 1] - 1];
        }
        assert_int_equal(seen, model->count);
    }
    struct index_stats stats;
    index_stats(model->index, &stats);
    assert_int_equal(stats.slots, model->count);
}

static bool third_is_cold(uint64_t locator)
{
    return locator % 3 == 0;
}

/* Grows and shrinks by turns, so that splits and merges of all levels happen. */
static void run(struct model *model, size_t steps)
{
    char key[4096];
    bool growing = true;
    model->capacity = steps + 1;
    model->locators = malloc(model->capacity * sizeof *model->locators);
    assert_non_null(model->locators);
    model->index = owner_index(&model->owner);
    for (size_t i = 0; i < steps; i++) {
        if (next_random(model, 4000) == 0)
            growing = !growing;
        model->owner.through_scratch = next_random(model, 2) == 0;
        struct kvs_bytes bytes = bytes_of(key, make_key(model, key));
        uint64_t dice = next_random(model, 10);
        if (model->count > 0 && (growing ? dice < 2 : dice < 7))
            model_remove(model, next_random(model, model->count));
        else
            model_put(model, bytes);
        bytes = bytes_of(key, make_key(model, key));
        if (dice % 2 == 0)
            check_find(model, bytes);
        if (dice == 3)
            check_scan(model, bytes);
        if (i % 5000 == 0)
            check_all(model);
    }
    check_all(model);
    while (model->count > 0)
        model_remove(model, next_random(model, model->count));
    check_all(model);
    struct index_stats stats;
    index_stats(model->index, &stats);
    assert_int_equal(stats.leaves, 1);
    assert_int_equal(stats.inner_nodes, 1);
    assert_int_equal(stats.height, 2);
    index_free(model->index);
    free(model->locators);
    owner_done(&model->owner);
}

TEST(random_operations_agree_with_a_sorted_array)
{
    for (unsigned kind = 0; kind < 4; kind++) {
        struct model model = { .random = test_seed() + kind, .key_kind = kind };
        run(&model, kind == 1 ? 20000 : 60000);
    }
}

/* With cold keys a hurried put or scan may answer KVS_WOULD_BLOCK, and has then changed nothing. */
TEST(cold_keys_block_only_who_must_not_wait)
{
    struct model model = { .random = test_seed(), .key_kind = 3 };
    model.capacity = 30001;
    model.locators = malloc(model.capacity * sizeof *model.locators);
    assert_non_null(model.locators);
    model.index = owner_index(&model.owner);
    model.owner.is_cold = third_is_cold;
    size_t blocked = 0;
    for (size_t i = 0; i < 30000; i++) {
        char data[4096];
        struct kvs_bytes key = bytes_of(data, make_key(&model, data));
        bool equal;
        size_t at = model_search(&model, key, &equal);
        if (equal) {
            model_remove(&model, at);
            continue;
        }
        struct index_stats before;
        struct index_stats after;
        index_stats(model.index, &before);
        uint64_t waits = model.owner.waits;
        uint64_t locator = owner_add(&model.owner, key.data, key.len);
        enum kvs_status status = index_put(model.index, key, 0, locator, true);
        if (status == KVS_WOULD_BLOCK) {
            blocked++;
            index_stats(model.index, &after);
            assert_int_equal(before.slots, after.slots);
            assert_int_equal(before.leaves, after.leaves);
            assert_int_equal(owner_find(&model.owner, model.index, key), 0);
            assert_int_equal(waits, model.owner.waits);
            status = index_put(model.index, key, 0, locator, false);
            assert_true(waits < model.owner.waits);
        }
        assert_ok(status);
        memmove(&model.locators[at + 1], &model.locators[at],
                (model.count - at) * sizeof *model.locators);
        model.locators[at] = locator;
        model.count++;
    }
    assert_true(blocked > 50);
    check_all(&model);
    /* A hurried scan answers what it has, or that it would have to wait; it does not wait, and says nothing wrong. */
    struct index_scan scan = { .unbounded = true, .no_block = true };
    uint64_t locators[INDEX_SCAN_MIN];
    uint64_t waits = model.owner.waits;
    size_t seen = 0;
    enum kvs_status status;
    size_t count = 1;
    while ((status = index_scan(model.index, &scan, locators, INDEX_SCAN_MIN, &count)) == KVS_OK &&
           count > 0) {
        for (size_t i = 0; i < count; i++)
            assert_int_equal(locators[i], model.locators[seen++]);
        scan = (struct index_scan){ .from = model.owner.keys[locators[count - 1] - 1],
                                    .exclusive = true,
                                    .no_block = true };
    }
    assert_true(status == KVS_WOULD_BLOCK || seen == model.count);
    assert_int_equal(waits, model.owner.waits);
    index_free(model.index);
    free(model.locators);
    owner_done(&model.owner);
}
