/*
 * index.c - the ordered map as a sorted array of key copies under a reader-writer lock: the obvious form, which serves
 * until the tree stands.
 */
#include "index/index.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/fail.h"

struct entry {
    char *key;
    uint32_t key_bytes;
    uint64_t locator;
};

struct index {
    pthread_rwlock_t lock;
    struct entry *entries; /* in key order */
    size_t count;
    size_t capacity;
    uint64_t key_bytes;
};

enum kvs_status index_new(const struct index_owner *owner, struct index **ret)
{
    (void)owner; /* the keys are here */
    struct index *index = calloc(1, sizeof *index);
    if (index == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "index");
    CHECK(pthread_rwlock_init(&index->lock, NULL) == 0);
    *ret = index;
    return KVS_OK;
}

void index_free(struct index *index)
{
    if (index == NULL)
        return;
    for (size_t i = 0; i < index->count; i++)
        free(index->entries[i].key);
    free(index->entries);
    CHECK(pthread_rwlock_destroy(&index->lock) == 0);
    free(index);
}

/* The first entry whose key is not below @key; *ret_equal: it is @key. */
static size_t lower_bound(const struct index *index, struct kvs_bytes key, bool *ret_equal)
{
    size_t low = 0;
    size_t high = index->count;
    *ret_equal = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct entry *entry = &index->entries[middle];
        int order = bytes_compare(bytes_of(entry->key, entry->key_bytes), key);
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

static void lock_shared(struct index *index)
{
    CHECK(pthread_rwlock_rdlock(&index->lock) == 0);
}

static void lock_exclusive(struct index *index)
{
    CHECK(pthread_rwlock_wrlock(&index->lock) == 0);
}

static void unlock(struct index *index)
{
    CHECK(pthread_rwlock_unlock(&index->lock) == 0);
}

enum kvs_status index_find(struct index *index, struct kvs_bytes key, index_match_fn *match,
                           void *ctx, uint64_t *ret_locator)
{
    bool equal;
    uint64_t locator = 0;
    lock_shared(index);
    size_t at = lower_bound(index, key, &equal);
    if (equal)
        locator = index->entries[at].locator;
    unlock(index);
    if (!equal)
        return KVS_NOT_FOUND;
    switch (match(ctx, locator)) {
    case INDEX_MATCH:
        *ret_locator = locator;
        return KVS_OK;
    case INDEX_STOP:
        return KVS_WOULD_BLOCK;
    case INDEX_DIFFERENT:
    default:
        return KVS_NOT_FOUND;
    }
}

void index_prefetch(struct index *index, struct kvs_bytes key)
{
    (void)index;
    (void)key;
}

static enum kvs_status insert_at(struct index *index, size_t at, struct kvs_bytes key,
                                 uint64_t locator)
{
    if (index->count == index->capacity) {
        size_t capacity = index->capacity == 0 ? 64 : index->capacity * 2;
        struct entry *entries = realloc(index->entries, capacity * sizeof *entries);
        if (entries == NULL)
            return fail(KVS_NO_MEMORY, ENOMEM, "index of %zu keys", capacity);
        index->entries = entries;
        index->capacity = capacity;
    }
    char *copy = malloc(key.len + 1);
    if (copy == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "index key of %zu bytes", key.len);
    if (key.len > 0)
        memcpy(copy, key.data, key.len);
    memmove(&index->entries[at + 1], &index->entries[at],
            (index->count - at) * sizeof *index->entries);
    index->entries[at] = (struct entry){ copy, (uint32_t)key.len, locator };
    index->count++;
    index->key_bytes += key.len + 1;
    return KVS_OK;
}

enum kvs_status index_put(struct index *index, struct kvs_bytes key, uint64_t replaced,
                          uint64_t locator, bool no_block)
{
    (void)no_block; /* never has to load a key */
    CHECK(locator != 0 && locator >> 48 == 0);
    bool equal;
    enum kvs_status status = KVS_OK;
    lock_exclusive(index);
    size_t at = lower_bound(index, key, &equal);
    if (replaced == 0) {
        ASSERT(!equal);
        status = insert_at(index, at, key, locator);
    } else if (equal && index->entries[at].locator == replaced) {
        index->entries[at].locator = locator;
    } else {
        status = KVS_NOT_FOUND;
    }
    unlock(index);
    return status;
}

enum kvs_status index_remove(struct index *index, struct kvs_bytes key, uint64_t locator)
{
    bool equal;
    enum kvs_status status = KVS_NOT_FOUND;
    lock_exclusive(index);
    size_t at = lower_bound(index, key, &equal);
    if (equal && index->entries[at].locator == locator) {
        free(index->entries[at].key);
        index->count--;
        index->key_bytes -= key.len + 1;
        memmove(&index->entries[at], &index->entries[at + 1],
                (index->count - at) * sizeof *index->entries);
        status = KVS_OK;
    }
    unlock(index);
    return status;
}

enum kvs_status index_scan(struct index *index, const struct index_scan *scan,
                           uint64_t *ret_locators, size_t max, size_t *ret_count)
{
    CHECK(max >= INDEX_SCAN_MIN);
    bool equal = false;
    size_t count = 0;
    lock_shared(index);
    size_t at = scan->reverse ? index->count : 0;
    if (!scan->unbounded) {
        at = lower_bound(index, scan->from, &equal);
        if (equal && scan->reverse != scan->exclusive)
            at++;
    }
    if (scan->reverse) {
        while (count < max && at > 0)
            ret_locators[count++] = index->entries[--at].locator;
    } else {
        while (count < max && at < index->count)
            ret_locators[count++] = index->entries[at++].locator;
    }
    unlock(index);
    *ret_count = count;
    return KVS_OK;
}

uint64_t index_sample(struct index *index, uint64_t random)
{
    lock_shared(index);
    uint64_t locator =
        index->count == 0 ? 0 : index->entries[(size_t)(random % index->count)].locator;
    unlock(index);
    return locator;
}

void index_stats(struct index *index, struct index_stats *ret)
{
    lock_shared(index);
    *ret = (struct index_stats){
        .slots = index->count,
        .leaves = 1,
        .bytes = sizeof *index + index->capacity * sizeof *index->entries + index->key_bytes,
        .height = 1,
    };
    unlock(index);
}

enum kvs_status index_verify(struct index *index)
{
    enum kvs_status status = KVS_OK;
    lock_shared(index);
    for (size_t i = 1; i < index->count && status == KVS_OK; i++) {
        const struct entry *a = &index->entries[i - 1];
        const struct entry *b = &index->entries[i];
        if (bytes_compare(bytes_of(a->key, a->key_bytes), bytes_of(b->key, b->key_bytes)) >= 0)
            status = fail(KVS_CORRUPT, 0, "index entries %zu and %zu out of order", i - 1, i);
    }
    unlock(index);
    return status;
}
