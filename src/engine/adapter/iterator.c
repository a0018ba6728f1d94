/*
 * iterator.c - ordered iteration: a cursor of the driver over a snapshot, which skips what has expired at its time.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "engine/adapter/room.h"

struct kvs_iterator {
    struct adapter *adapter;
    struct kvs_snapshot *snapshot;
    struct driver_cursor *cursor;
    struct raw_range range;
    bool reverse;
    bool started;
    bool ended;
};

enum kvs_status adapter_iterator_open(struct kvs_engine *base, const struct kvs_read *read,
                                      const struct kvs_range *range, bool reverse,
                                      struct kvs_iterator **ret)
{
    struct adapter *adapter = adapter_of(base);
    if (read->no_block)
        return KVS_WOULD_BLOCK;
    struct kvs_iterator *iterator = calloc(1, sizeof *iterator);
    if (iterator == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "iterator");
    iterator->adapter = adapter;
    iterator->reverse = reverse;
    enum kvs_status status = raw_range_make(SECTION_RECORDS, range, &iterator->range);
    if (status != KVS_OK) {
        free(iterator);
        return status;
    }
    if (read->snapshot != NULL) {
        iterator->snapshot = (struct kvs_snapshot *)(uintptr_t)read->snapshot; /* see reader_open */
        adapter_snapshot_ref(iterator->snapshot);
    } else {
        status = adapter_snapshot_open(base, "iterator", &iterator->snapshot);
    }
    if (status == KVS_OK)
        status = adapter->ops->cursor_open(iterator->snapshot->view, &iterator->cursor);
    if (status != KVS_OK) {
        adapter_iterator_close(iterator);
        return status;
    }
    *ret = iterator;
    return KVS_OK;
}

static enum kvs_status step(struct kvs_iterator *iterator)
{
    const struct driver_ops *ops = iterator->adapter->ops;
    bool started = iterator->started;
    iterator->started = true;
    if (iterator->reverse)
        return started ? ops->cursor_prev(iterator->cursor)
                       : ops->cursor_seek_before(iterator->cursor, iterator->range.end.bytes);
    return started ? ops->cursor_next(iterator->cursor)
                   : ops->cursor_seek(iterator->cursor, iterator->range.start.bytes);
}

static bool outside(const struct kvs_iterator *iterator)
{
    struct kvs_bytes key = iterator->cursor->key;
    return iterator->reverse ? bytes_compare(key, iterator->range.start.bytes) < 0
                             : bytes_compare(key, iterator->range.end.bytes) >= 0;
}

enum kvs_status adapter_iterator_next(struct kvs_iterator *iterator, bool no_block,
                                      struct kvs_entry *ret_entry)
{
    if (no_block)
        return KVS_WOULD_BLOCK;
    while (!iterator->ended) {
        enum kvs_status status = step(iterator);
        if (status == KVS_NOT_FOUND || (status == KVS_OK && outside(iterator)))
            break;
        struct record record;
        if (status == KVS_OK)
            status = adapter_record_decode(iterator->cursor->value, &record);
        if (status != KVS_OK)
            return status;
        if (record_expired(&record, iterator->snapshot->now_ms))
            continue;
        *ret_entry = record_entry(bytes_from(iterator->cursor->key, 1), &record);
        return KVS_OK;
    }
    iterator->ended = true;
    return KVS_NOT_FOUND;
}

const struct kvs_snapshot *adapter_iterator_snapshot(const struct kvs_iterator *iterator)
{
    return iterator->snapshot;
}

uint64_t adapter_iterator_position(const struct kvs_iterator *iterator)
{
    return iterator->snapshot->version;
}

void adapter_iterator_close(struct kvs_iterator *iterator)
{
    if (iterator == NULL)
        return;
    iterator->adapter->ops->cursor_close(iterator->cursor);
    adapter_snapshot_unref(iterator->snapshot);
    raw_range_done(&iterator->range);
    free(iterator);
}
