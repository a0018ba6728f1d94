/*
 * read.c - reading single keys, counting, sampling, and large values piecewise.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "engine/memory/room.h"

struct kvs_reader {
    struct memory_engine *engine;
    struct memory_value *value;
};

struct kvs_entry memory_entry(const struct memory_key *key, const struct memory_version *version)
{
    struct kvs_entry entry = {
        .key = memory_key_bytes(key),
        .value_bytes = version->value->len,
        .version = version->version,
        .expire_ms = version->expire_ms,
    };
    if (version->value->len <= KVS_INLINE_MAX)
        entry.value = (struct kvs_bytes){ version->value->data, version->value->len };
    return entry;
}

/* The record @view sees under @key; NULL: absent. */
static const struct memory_version *record_find(const struct memory_engine *engine,
                                                struct kvs_bytes key, struct memory_view view,
                                                const struct memory_key **ret_key)
    REQUIRES(engine->mu)
{
    bool found;
    size_t index = memory_table_find(engine, key, &found);
    if (!found)
        return NULL;
    *ret_key = engine->keys[index];
    return memory_key_seen(engine->keys[index], view);
}

enum kvs_status memory_get(struct kvs_engine *base, const struct kvs_read *read,
                           struct kvs_bytes key, kvs_visit_fn *visit, void *ctx,
                           uint64_t *ret_position)
{
    enum kvs_status found;
    enum kvs_status status =
        memory_multi_get(base, read, 1, &key, visit, &ctx, &found, ret_position);
    return status != KVS_OK ? status : found;
}

enum kvs_status memory_multi_get(struct kvs_engine *base, const struct kvs_read *read, size_t count,
                                 const struct kvs_bytes *keys, kvs_visit_fn *visit,
                                 void *const *ctxs, enum kvs_status *statuses,
                                 uint64_t *ret_position)
{
    struct memory_engine *engine = memory_engine_of(base);
    mutex_lock(&engine->mu);
    struct memory_view view = memory_view_of(engine, read->snapshot);
    for (size_t i = 0; i < count; i++) {
        const struct memory_key *key = NULL;
        const struct memory_version *version = record_find(engine, keys[i], view, &key);
        statuses[i] = version != NULL ? KVS_OK : KVS_NOT_FOUND;
        if (version == NULL)
            continue;
        struct kvs_entry entry = memory_entry(key, version);
        visit(ctxs[i], &entry);
    }
    *ret_position = view.version;
    mutex_unlock(&engine->mu);
    return KVS_OK;
}

enum kvs_status memory_count(struct kvs_engine *base, const struct kvs_read *read,
                             const struct kvs_range *range, uint64_t *ret_count, bool *ret_exact,
                             uint64_t *ret_position)
{
    struct memory_engine *engine = memory_engine_of(base);
    mutex_lock(&engine->mu);
    struct memory_view view = memory_view_of(engine, read->snapshot);
    size_t start;
    size_t end;
    memory_table_bounds(engine, range, &start, &end);
    uint64_t count = 0;
    for (size_t i = start; i < end; i++)
        count += memory_key_seen(engine->keys[i], view) != NULL;
    mutex_unlock(&engine->mu);
    *ret_count = count;
    *ret_exact = true;
    *ret_position = view.version;
    return KVS_OK;
}

enum kvs_status memory_sample(struct kvs_engine *base, const struct kvs_read *read,
                              const struct kvs_range *range, uint64_t random, kvs_visit_fn *visit,
                              void *ctx, uint64_t *ret_position)
{
    struct memory_engine *engine = memory_engine_of(base);
    mutex_lock(&engine->mu);
    struct memory_view view = memory_view_of(engine, read->snapshot);
    size_t start;
    size_t end;
    memory_table_bounds(engine, range, &start, &end);
    enum kvs_status status = KVS_NOT_FOUND;
    size_t keys = end - start;
    for (size_t i = 0; i < keys && status == KVS_NOT_FOUND; i++) {
        const struct memory_key *key = engine->keys[start + (random % keys + i) % keys];
        const struct memory_version *version = memory_key_seen(key, view);
        if (version == NULL)
            continue;
        struct kvs_entry entry = memory_entry(key, version);
        visit(ctx, &entry);
        status = KVS_OK;
    }
    mutex_unlock(&engine->mu);
    *ret_position = view.version;
    return status;
}

enum kvs_status memory_reader_open(struct kvs_engine *base, const struct kvs_read *read,
                                   struct kvs_bytes key, struct kvs_entry *ret_entry,
                                   uint64_t *ret_position, struct kvs_reader **ret)
{
    struct memory_engine *engine = memory_engine_of(base);
    struct kvs_reader *reader = malloc(sizeof *reader);
    if (reader == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "reader");
    mutex_lock(&engine->mu);
    struct memory_view view = memory_view_of(engine, read->snapshot);
    *ret_position = view.version;
    const struct memory_key *found = NULL;
    const struct memory_version *version = record_find(engine, key, view, &found);
    if (version == NULL) {
        mutex_unlock(&engine->mu);
        free(reader);
        return KVS_NOT_FOUND;
    }
    reader->engine = engine;
    reader->value = version->value;
    reader->value->refs++;
    *ret_entry = memory_entry(found, version);
    mutex_unlock(&engine->mu);
    ret_entry->key = (struct kvs_bytes){ NULL, 0 };
    ret_entry->value = (struct kvs_bytes){ NULL, 0 };
    *ret = reader;
    return KVS_OK;
}

enum kvs_status memory_reader_read(struct kvs_reader *reader, bool no_block, uint64_t off,
                                   void *buf, size_t len)
{
    (void)no_block;
    if (off > reader->value->len || len > reader->value->len - off)
        return fail(KVS_INVALID, 0, "read of %zu bytes at %" PRIu64 " of a value of %zu bytes", len,
                    off, reader->value->len);
    if (len != 0)
        memcpy(buf, reader->value->data + off, len);
    return KVS_OK;
}

void memory_reader_close(struct kvs_reader *reader)
{
    if (reader == NULL)
        return;
    mutex_lock(&reader->engine->mu);
    memory_value_unref(reader->value);
    mutex_unlock(&reader->engine->mu);
    free(reader);
}
