/*
 * value.c - values copied into memory of the caller's; those over KVS_INLINE_MAX put together through a reader.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "store/store.h"

void kvs_value_done(struct kvs_value *value)
{
    free(value->heap);
    *value = (struct kvs_value){ 0 };
}

/* Room for @bytes; what was in it is lost. Doubles, so that a reused value soon stops allocating. */
static enum kvs_status value_room(struct kvs_value *value, size_t bytes)
{
    if (bytes <= value->heap_bytes && value->heap != NULL)
        return KVS_OK;
    size_t room = value->heap_bytes < 64 ? 64 : value->heap_bytes;
    while (room < bytes)
        room *= 2;
    if (bytes > KVS_INLINE_MAX)
        room = bytes;
    void *heap = malloc(room);
    if (heap == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "value of %zu bytes", bytes);
    free(value->heap);
    value->heap = heap;
    value->heap_bytes = room;
    return KVS_OK;
}

static void value_describe(struct kvs_value *value, const struct kvs_entry *entry)
{
    value->data = value->heap;
    value->len = (size_t)entry->value_bytes;
    value->version = entry->version;
    value->expire_ms = entry->expire_ms;
}

/* Where a visit puts a record. */
struct collect {
    struct kvs_value *value;
    enum kvs_status status;
    bool large; /* no data came along: a reader is needed */
};

static void collect_entry(void *ctx, const struct kvs_entry *entry)
{
    struct collect *collect = ctx;
    collect->large = entry->value_bytes > KVS_INLINE_MAX;
    if (collect->large)
        return;
    collect->status = value_room(collect->value, entry->value.len);
    if (collect->status != KVS_OK)
        return;
    if (entry->value.len != 0)
        memcpy(collect->value->heap, entry->value.data, entry->value.len);
    value_describe(collect->value, entry);
}

/* The value may have changed since a visit found it large: whatever the reader finds is the answer. */
static enum kvs_status value_assemble(struct kvs *db, const struct kvs_read *read,
                                      struct kvs_bytes key, struct kvs_value *ret)
{
    struct kvs_entry entry;
    struct kvs_reader *reader;
    uint64_t position = ret->position;
    enum kvs_status status = kvs_reader_open(db, read, key, &entry, &position, &reader);
    ret->position = position;
    if (status != KVS_OK)
        return status;
    status = value_room(ret, (size_t)entry.value_bytes);
    if (status == KVS_OK)
        status =
            kvs_reader_read(db, reader, read->no_block, 0, ret->heap, (size_t)entry.value_bytes);
    kvs_reader_close(db, reader);
    if (status == KVS_OK)
        value_describe(ret, &entry);
    return status;
}

enum kvs_status kvs_get_at(struct kvs *db, const struct kvs_read *read, struct kvs_bytes key,
                           struct kvs_value *ret)
{
    if (read == NULL)
        read = &store_read_default;
    struct collect collect = { .value = ret, .status = KVS_OK };
    enum kvs_status status = kvs_visit(db, read, key, collect_entry, &collect, &ret->position);
    if (status != KVS_OK)
        return status;
    return collect.large ? value_assemble(db, read, key, ret) : collect.status;
}

enum kvs_status kvs_get(struct kvs *db, struct kvs_bytes key, struct kvs_value *ret)
{
    return kvs_get_at(db, NULL, key, ret);
}

/* One pass over all keys; *ret_large: some value needs a reader. */
static enum kvs_status collect_many(struct kvs *db, const struct kvs_read *read, size_t count,
                                    const struct kvs_bytes *keys, struct collect *collects,
                                    void *const *ctxs, enum kvs_status *statuses, bool *ret_large)
{
    uint64_t position = 0;
    enum kvs_status status =
        kvs_multi_visit(db, read, count, keys, collect_entry, ctxs, statuses, &position);
    if (status != KVS_OK)
        return status;
    *ret_large = false;
    for (size_t i = 0; i < count; i++) {
        collects[i].value->position = position;
        if (statuses[i] != KVS_OK)
            continue;
        if (collects[i].status != KVS_OK)
            return collects[i].status;
        *ret_large |= collects[i].large;
    }
    return KVS_OK;
}

/* Large values are read after the others: a snapshot keeps all of them at one version. */
static enum kvs_status collect_with_large(struct kvs *db, const struct kvs_read *read, size_t count,
                                          const struct kvs_bytes *keys, struct collect *collects,
                                          void *const *ctxs, enum kvs_status *statuses)
{
    struct kvs_snapshot *own = NULL;
    struct kvs_read at = *read;
    enum kvs_status status = KVS_OK;
    bool large = true;
    if (read->snapshot == NULL) {
        status = kvs_snapshot_open(db, "multi_get", &own);
        if (status != KVS_OK)
            return status;
        at.snapshot = own;
        status = collect_many(db, &at, count, keys, collects, ctxs, statuses, &large);
    }
    for (size_t i = 0; i < count && status == KVS_OK; i++)
        if (statuses[i] == KVS_OK && collects[i].large)
            status = value_assemble(db, &at, keys[i], collects[i].value);
    kvs_snapshot_close(db, own);
    return status;
}

enum kvs_status kvs_multi_get(struct kvs *db, const struct kvs_read *read, size_t count,
                              const struct kvs_bytes *keys, struct kvs_value *values,
                              enum kvs_status *statuses)
{
    if (read == NULL)
        read = &store_read_default;
    if (count == 0)
        return KVS_OK;

    enum {
        FEW = 32
    };

    struct collect few_collects[FEW];
    void *few_ctxs[FEW];
    struct collect *collects = few_collects;
    void **ctxs = few_ctxs;
    enum kvs_status status = KVS_OK;
    if (count > FEW) {
        collects = calloc(count, sizeof *collects);
        ctxs = calloc(count, sizeof *ctxs);
        if (collects == NULL || ctxs == NULL)
            status = fail(KVS_NO_MEMORY, ENOMEM, "read of %zu keys", count);
    }
    for (size_t i = 0; i < count && status == KVS_OK; i++) {
        collects[i] = (struct collect){ .value = &values[i] };
        ctxs[i] = &collects[i];
    }
    bool large = false;
    if (status == KVS_OK)
        status = collect_many(db, read, count, keys, collects, ctxs, statuses, &large);
    if (status == KVS_OK && large)
        status = collect_with_large(db, read, count, keys, collects, ctxs, statuses);
    if (count > FEW) {
        free(ctxs);
        free(collects);
    }
    return status;
}
