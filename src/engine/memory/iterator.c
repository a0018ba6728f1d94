/*
 * iterator.c - ordered iteration: each step looks up the key that follows the last one, under the mutex, at a snapshot.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "engine/memory/room.h"

struct kvs_iterator {
    struct memory_engine *engine;
    struct kvs_snapshot *own;            /* NULL: the snapshot is lent by the caller */
    const struct kvs_snapshot *snapshot; /* the one read at */
    struct kvs_range range;              /* start and end point into bounds */
    unsigned char *bounds;
    bool reverse;
    bool started;
    struct memory_value *value; /* of the entry last returned */
    size_t last_len;
    unsigned char last[KVS_ENGINE_KEY_MAX]; /* the key last returned */
};

static enum kvs_status range_copy(struct kvs_iterator *iterator, const struct kvs_range *range)
{
    size_t end_len = range->has_end ? range->end.len : 0;
    iterator->bounds = malloc(range->start.len + end_len + 1);
    if (iterator->bounds == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "bounds of an iterator");
    if (range->start.len != 0)
        memcpy(iterator->bounds, range->start.data, range->start.len);
    if (end_len != 0)
        memcpy(iterator->bounds + range->start.len, range->end.data, end_len);
    iterator->range = (struct kvs_range){
        .start = { iterator->bounds, range->start.len },
        .end = { iterator->bounds + range->start.len, end_len },
        .has_end = range->has_end,
    };
    return KVS_OK;
}

enum kvs_status memory_iterator_open(struct kvs_engine *base, const struct kvs_read *read,
                                     const struct kvs_range *range, bool reverse,
                                     struct kvs_iterator **ret)
{
    struct kvs_iterator *iterator = malloc(sizeof *iterator);
    if (iterator == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "iterator");
    iterator->engine = memory_engine_of(base);
    iterator->own = NULL;
    iterator->bounds = NULL;
    iterator->reverse = reverse;
    iterator->started = false;
    iterator->value = NULL;
    iterator->last_len = 0;

    enum kvs_status status = range_copy(iterator, range);
    if (status != KVS_OK)
        goto undo;
    if (read->snapshot == NULL) {
        status = memory_snapshot_open(base, "iterator", &iterator->own);
        if (status != KVS_OK)
            goto undo;
    }
    iterator->snapshot = read->snapshot != NULL ? read->snapshot : iterator->own;
    *ret = iterator;
    return KVS_OK;

undo:
    memory_iterator_close(iterator);
    return status;
}

/* The first index of what is left, and one past it: [start, end) shrinks from the side the iterator comes from. */
static void rest_bounds(const struct memory_engine *engine, const struct kvs_iterator *iterator,
                        size_t *ret_start, size_t *ret_end) REQUIRES(engine->mu)
{
    memory_table_bounds(engine, &iterator->range, ret_start, ret_end);
    if (!iterator->started)
        return;
    bool found;
    struct kvs_bytes last = { iterator->last, iterator->last_len };
    size_t index = memory_table_find(engine, last, &found);
    if (iterator->reverse)
        *ret_end = index;
    else
        *ret_start = index + found;
}

enum kvs_status memory_iterator_next(struct kvs_iterator *iterator, bool no_block,
                                     struct kvs_entry *ret_entry)
{
    (void)no_block;
    struct memory_engine *engine = iterator->engine;
    enum kvs_status status = KVS_NOT_FOUND;
    mutex_lock(&engine->mu);
    memory_value_unref(iterator->value);
    iterator->value = NULL;
    size_t start;
    size_t end;
    rest_bounds(engine, iterator, &start, &end);
    while (start < end) {
        const struct memory_key *key = engine->keys[iterator->reverse ? end - 1 : start];
        const struct memory_version *version = memory_key_seen(key, iterator->snapshot->view);
        if (version != NULL) {
            memcpy(iterator->last, key->bytes, key->len);
            iterator->last_len = key->len;
            iterator->started = true;
            iterator->value = version->value;
            iterator->value->refs++;
            *ret_entry = memory_entry(key, version);
            ret_entry->key.data = iterator->last;
            status = KVS_OK;
            break;
        }
        if (iterator->reverse)
            end--;
        else
            start++;
    }
    mutex_unlock(&engine->mu);
    return status;
}

const struct kvs_snapshot *memory_iterator_snapshot(const struct kvs_iterator *iterator)
{
    return iterator->snapshot;
}

uint64_t memory_iterator_position(const struct kvs_iterator *iterator)
{
    return iterator->snapshot->view.version;
}

void memory_iterator_close(struct kvs_iterator *iterator)
{
    if (iterator == NULL)
        return;
    mutex_lock(&iterator->engine->mu);
    memory_value_unref(iterator->value);
    mutex_unlock(&iterator->engine->mu);
    if (iterator->own != NULL)
        memory_snapshot_close(&iterator->engine->base, iterator->own);
    free(iterator->bounds);
    free(iterator);
}
