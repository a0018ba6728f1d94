/*
 * expire.c - letting go of expired records: the expiry index is in order of time, so what is due stands in front.
 *
 * A record that a snapshot may still see alive, written after that snapshot's version, keeps its place until the snapshot is closed:
 * a condition relative to the snapshot must find it. (Older records need no trace: they were written before.)
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "engine/adapter/room.h"

enum {
    EXPIRE_STEP = 256
};

/* Entries that are due, copied: a cursor may not see its ground change. */
struct due {
    size_t count;

    struct {
        unsigned char raw[SMALL_KEY_BYTES];
        struct kvs_bytes key; /* heap */
    } entries[EXPIRE_STEP];
};

static void due_done(struct due *due)
{
    for (size_t i = 0; i < due->count; i++)
        free((void *)(uintptr_t)due->entries[i].key.data);
    free(due);
}

static enum kvs_status due_note(struct due *due, const struct driver_cursor *cursor)
{
    unsigned char *key = malloc(cursor->value.len + 1);
    if (key == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "key of %zu bytes", cursor->value.len);
    if (cursor->value.len != 0)
        memcpy(key, cursor->value.data, cursor->value.len);
    memcpy(due->entries[due->count].raw, cursor->key.data, SMALL_KEY_BYTES);
    due->entries[due->count].key = bytes_of(key, cursor->value.len);
    due->count++;
    return KVS_OK;
}

static enum kvs_status due_collect(struct adapter *adapter, struct driver_txn *txn, int64_t now_ms,
                                   struct due *due)
{
    struct driver_cursor *cursor;
    unsigned char start[SMALL_KEY_BYTES];
    enum kvs_status status = adapter->ops->txn_cursor_open(txn, &cursor);
    if (status != KVS_OK)
        return status;
    status = adapter->ops->cursor_seek(cursor, raw_section(SECTION_EXPIRY, start));
    while (status == KVS_OK && due->count < EXPIRE_STEP) {
        const unsigned char *key = cursor->key.data;
        if (cursor->key.len != SMALL_KEY_BYTES || key[0] != SECTION_EXPIRY ||
            raw_u64(key + 1) > (uint64_t)now_ms)
            break;
        status = due_note(due, cursor);
        if (status == KVS_OK)
            status = adapter->ops->cursor_next(cursor);
    }
    adapter->ops->cursor_close(cursor);
    return status == KVS_NOT_FOUND ? KVS_OK : status;
}

/* One entry: its record goes if it is the one meant, the entry in any case. *ret_gone: it did not have to stay. */
static enum kvs_status due_apply(struct adapter *adapter, struct driver_txn *txn,
                                 const struct job *job, struct due *due, size_t i, uint64_t oldest,
                                 bool *ret_gone)
{
    struct kvs_bytes key = due->entries[i].key;
    struct record record;
    enum kvs_status status = change_find(adapter, txn, key, &record);
    bool meant = status == KVS_OK && record_expired(&record, job->now_ms) &&
                 raw_u64(due->entries[i].raw + 1) == (uint64_t)record.expire_ms;
    *ret_gone = !meant || record.version <= oldest;
    if ((status != KVS_OK && status != KVS_NOT_FOUND) || !*ret_gone)
        return status;
    if (meant) {
        removals_note_forgotten(&adapter->fresh, record.version);
        return change_remove(adapter, txn, key, &record); /* takes the entry along */
    }
    return adapter->ops->txn_remove(txn, bytes_of(due->entries[i].raw, SMALL_KEY_BYTES));
}

static enum kvs_status expire_apply(struct adapter *adapter, struct driver_txn *txn,
                                    struct job *job)
{
    struct due *due = calloc(1, sizeof *due);
    if (due == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "expired records");
    uint64_t oldest = snapshot_oldest(adapter);
    uint64_t visible = atomic_load_explicit(&adapter->visible, memory_order_acquire);
    if (oldest > visible)
        oldest = visible; /* a snapshot that is opened now sees up to here at least */
    job->number = 0;
    enum kvs_status status = due_collect(adapter, txn, job->now_ms, due);
    for (size_t i = 0; i < due->count && status == KVS_OK; i++) {
        bool gone;
        status = due_apply(adapter, txn, job, due, i, oldest, &gone);
        job->number += gone;
    }
    due_done(due);
    job->changes = job->number != 0;
    return status;
}

/* Is there anything due? Looked up without a transaction. */
static enum kvs_status something_due(struct adapter *adapter, bool *ret)
{
    unsigned char start[SMALL_KEY_BYTES];
    struct driver_view *view;
    struct driver_cursor *cursor = NULL;
    *ret = false;
    enum kvs_status status = adapter->ops->view_open(adapter->driver, &view);
    if (status != KVS_OK)
        return status;
    status = adapter->ops->cursor_open(view, &cursor);
    if (status == KVS_OK)
        status = adapter->ops->cursor_seek(cursor, raw_section(SECTION_EXPIRY, start));
    if (status == KVS_OK) {
        const unsigned char *key = cursor->key.data;
        *ret = cursor->key.len == SMALL_KEY_BYTES && key[0] == SECTION_EXPIRY &&
               raw_u64(key + 1) <= (uint64_t)adapter_now_ms(adapter);
    }
    adapter->ops->cursor_close(cursor);
    adapter->ops->view_close(view);
    return status == KVS_NOT_FOUND ? KVS_OK : status;
}

enum kvs_status expire_some(struct adapter *adapter, uint64_t *ret)
{
    bool due;
    *ret = 0;
    enum kvs_status status = something_due(adapter, &due);
    if (status != KVS_OK || !due)
        return status;
    struct job job = { .apply = expire_apply, .scans = true, .changes = true };
    status = queue_run(adapter, &job);
    if (status != KVS_OK)
        return status;
    *ret = job.number;
    atomic_fetch_add_explicit(&adapter->reclaimed, job.number, memory_order_relaxed); /* a figure */
    return KVS_OK;
}
