/*
 * owner_test.h - an owner of keys for the tests of this room: an array of keys, the locator of key i is i + 1.
 *
 * It can play that some records are cold (they would block; a patient caller gets them) and that they show keys in the scratch
 * buffer.
 */
#ifndef INDEX_OWNER_TEST_H
#define INDEX_OWNER_TEST_H

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "concurrent/epoch.h"
#include "index/index.h"
#include "tests/harness/test.h"

struct test_owner {
    struct kvs_bytes *keys;
    size_t count;
    size_t capacity;
    bool (*is_cold)(uint64_t locator); /* NULL: none is */
    bool through_scratch;
    uint64_t missing;     /* KVS_NOT_FOUND for this locator */
    uint64_t missing_for; /* so many times */
    uint64_t loads;
    uint64_t waits;
};

static inline uint64_t owner_add(struct test_owner *owner, const void *data, size_t len)
{
    if (owner->count == owner->capacity) {
        owner->capacity = owner->capacity == 0 ? 64 : owner->capacity * 2;
        owner->keys = realloc(owner->keys, owner->capacity * sizeof *owner->keys);
        assert_non_null(owner->keys);
    }
    char *copy = malloc(len + 1); /* one more, so that no key is nothing */
    assert_non_null(copy);
    if (len > 0)
        memcpy(copy, data, len);
    owner->keys[owner->count++] = bytes_of(copy, len);
    return owner->count;
}

static inline void owner_done(struct test_owner *owner)
{
    for (size_t i = 0; i < owner->count; i++) {
        void *copy;
        memcpy(&copy, &owner->keys[i].data, sizeof copy);
        free(copy);
    }
    free(owner->keys);
}

static inline enum kvs_status owner_load_key(void *ctx, uint64_t locator, bool no_block,
                                             struct buf *scratch, struct kvs_bytes *ret_key)
{
    struct test_owner *owner = ctx;
    owner->loads++;
    assert_true(locator >= 1 && locator <= owner->count);
    if (locator == owner->missing && owner->missing_for > 0) {
        owner->missing_for--;
        return KVS_NOT_FOUND;
    }
    if (owner->is_cold != NULL && owner->is_cold(locator)) {
        if (no_block)
            return KVS_WOULD_BLOCK;
        owner->waits++;
    }
    *ret_key = owner->keys[locator - 1];
    if (owner->through_scratch || !no_block) {
        buf_truncate(scratch, 0);
        buf_append_bytes(scratch, *ret_key);
        if (scratch->failed != KVS_OK)
            return scratch->failed;
        *ret_key = buf_bytes(scratch);
    }
    return KVS_OK;
}

struct test_match {
    const struct test_owner *owner;
    struct kvs_bytes key;
    unsigned offered;
    bool stop;
};

static inline enum index_match owner_match(void *ctx, uint64_t locator)
{
    struct test_match *match = ctx;
    match->offered++;
    if (match->stop)
        return INDEX_STOP;
    return bytes_equal(match->owner->keys[locator - 1], match->key) ? INDEX_MATCH : INDEX_DIFFERENT;
}

/* The key's locator, 0 when the index has none. */
static inline uint64_t owner_find(const struct test_owner *owner, struct index *index,
                                  struct kvs_bytes key)
{
    struct test_match match = { .owner = owner, .key = key };
    uint64_t locator = 0;
    epoch_enter();
    enum kvs_status status = index_find(index, key, owner_match, &match, &locator);
    epoch_leave();
    assert_true(status == KVS_OK || status == KVS_NOT_FOUND);
    assert_int_equal(status == KVS_OK, locator != 0);
    return locator;
}

static inline struct index *owner_index(struct test_owner *owner)
{
    struct index_owner config = { .load_key = owner_load_key, .ctx = owner, .seed = 7 };
    struct index *index = NULL;
    assert_ok(index_new(&config, &index));
    return index;
}

#endif
