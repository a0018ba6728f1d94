/*
 * changes.c - the table of a batch's changes.
 */
#include "engine/rocksdb/changes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/hash.h"

enum {
    SLOTS_MIN = 64,
    SLOTS_KEEP = 4096, /* larger tables are freed when the batch is over */
    BLOCK_BYTES = 64 * 1024
};

struct changes_block {
    struct changes_block *older;
    size_t used;
    size_t capacity;
    unsigned char bytes[];
};

static unsigned char *block_take(struct changes *changes, size_t len)
{
    struct changes_block *block = changes->blocks;
    if (block == NULL || block->capacity - block->used < len) {
        size_t capacity = len > BLOCK_BYTES ? len : BLOCK_BYTES;
        block = malloc(sizeof *block + capacity);
        if (block == NULL)
            return NULL;
        *block = (struct changes_block){ .older = changes->blocks, .capacity = capacity };
        changes->blocks = block;
    }
    unsigned char *at = block->bytes + block->used;
    block->used += len;
    return at;
}

/* A copy of two pieces; an empty one is not NULL. */
static enum kvs_status copy(struct changes *changes, struct kvs_bytes head, struct kvs_bytes tail,
                            struct kvs_bytes *ret)
{
    size_t len = head.len + tail.len;
    unsigned char *to = block_take(changes, len + 1);
    if (to == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "batch");
    if (head.len != 0)
        memcpy(to, head.data, head.len);
    if (tail.len != 0)
        memcpy(to + head.len, tail.data, tail.len);
    *ret = bytes_of(to, len);
    return KVS_OK;
}

/* The slot of @key, or the empty one where it would be. */
static struct change *slot_of(const struct changes *changes, struct kvs_bytes key)
{
    size_t at = hash_bytes(key, 0) & (changes->slot_count - 1);
    while (changes->slots[at].key.data != NULL && !bytes_equal(changes->slots[at].key, key))
        at = (at + 1) & (changes->slot_count - 1);
    return &changes->slots[at];
}

static enum kvs_status grow(struct changes *changes)
{
    if ((changes->count + 1) * 2 <= changes->slot_count)
        return KVS_OK;
    struct changes bigger = { .slot_count =
                                  changes->slot_count == 0 ? SLOTS_MIN : changes->slot_count * 2 };
    bigger.slots = calloc(bigger.slot_count, sizeof *bigger.slots);
    if (bigger.slots == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "batch of %zu changes", changes->count);
    for (size_t i = 0; i < changes->slot_count; i++)
        if (changes->slots[i].key.data != NULL)
            *slot_of(&bigger, changes->slots[i].key) = changes->slots[i];
    free(changes->slots);
    changes->slots = bigger.slots;
    changes->slot_count = bigger.slot_count;
    return KVS_OK;
}

enum kvs_status changes_find(const struct changes *changes, struct kvs_bytes key,
                             struct kvs_bytes *ret)
{
    if (changes->count != 0) {
        const struct change *change = slot_of(changes, key);
        if (change->key.data != NULL) {
            *ret = change->value;
            return change->removed ? KVS_NOT_FOUND : KVS_OK;
        }
    }
    for (size_t i = 0; i < changes->range_count; i++)
        if (bytes_compare(key, changes->ranges[i].start) >= 0 &&
            bytes_compare(key, changes->ranges[i].end) < 0)
            return KVS_NOT_FOUND;
    return KVS_WOULD_BLOCK;
}

static enum kvs_status slot_for(struct changes *changes, struct kvs_bytes key, struct change **ret)
{
    static const struct kvs_bytes nothing;
    enum kvs_status status = grow(changes);
    if (status != KVS_OK)
        return status;
    struct change *change = slot_of(changes, key);
    if (change->key.data == NULL) {
        struct kvs_bytes own;
        status = copy(changes, key, nothing, &own);
        if (status != KVS_OK)
            return status;
        change->key = own;
        changes->count++;
    }
    *ret = change;
    return KVS_OK;
}

enum kvs_status changes_put(struct changes *changes, struct kvs_bytes key, struct kvs_bytes head,
                            struct kvs_bytes tail)
{
    struct kvs_bytes value;
    struct change *change;
    enum kvs_status status = copy(changes, head, tail, &value);
    if (status == KVS_OK)
        status = slot_for(changes, key, &change);
    if (status != KVS_OK)
        return status;
    change->value = value;
    change->removed = false;
    return KVS_OK;
}

enum kvs_status changes_remove(struct changes *changes, struct kvs_bytes key)
{
    struct change *change;
    enum kvs_status status = slot_for(changes, key, &change);
    if (status != KVS_OK)
        return status;
    change->removed = true;
    return KVS_OK;
}

enum kvs_status changes_remove_range(struct changes *changes, struct kvs_bytes start,
                                     struct kvs_bytes end)
{
    static const struct kvs_bytes nothing;
    if (changes->range_count == changes->range_capacity) {
        size_t grown = changes->range_capacity == 0 ? 8 : changes->range_capacity * 2;
        struct changed_range *bigger = reallocarray(changes->ranges, grown, sizeof *bigger);
        if (bigger == NULL)
            return fail(KVS_NO_MEMORY, ENOMEM, "batch of %zu ranges", grown);
        changes->ranges = bigger;
        changes->range_capacity = grown;
    }
    struct changed_range range;
    enum kvs_status status = copy(changes, start, nothing, &range.start);
    if (status == KVS_OK)
        status = copy(changes, end, nothing, &range.end);
    if (status != KVS_OK)
        return status;
    changes->ranges[changes->range_count++] = range;
    for (size_t i = 0; i < changes->slot_count && changes->count != 0; i++) {
        struct change *change = &changes->slots[i];
        if (change->key.data != NULL && bytes_compare(change->key, start) >= 0 &&
            bytes_compare(change->key, end) < 0)
            change->removed = true;
    }
    return KVS_OK;
}

void changes_clear(struct changes *changes)
{
    struct changes_block *keep = NULL;
    while (changes->blocks != NULL) {
        struct changes_block *block = changes->blocks;
        changes->blocks = block->older;
        if (keep == NULL && block->capacity == BLOCK_BYTES)
            keep = block;
        else
            free(block);
    }
    if (keep != NULL) {
        keep->older = NULL;
        keep->used = 0;
        changes->blocks = keep;
    }
    if (changes->slot_count > SLOTS_KEEP) {
        free(changes->slots);
        changes->slots = NULL;
        changes->slot_count = 0;
    } else if (changes->count != 0) {
        memset(changes->slots, 0, changes->slot_count * sizeof *changes->slots);
    }
    changes->count = 0;
    changes->range_count = 0;
}

void changes_done(struct changes *changes)
{
    changes_clear(changes);
    free(changes->blocks);
    free(changes->slots);
    free(changes->ranges);
}
