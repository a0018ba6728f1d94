/*
 * read.c - reading keys in place, counting, sampling, reading large values piecewise.
 *
 * A record is visited before its position is known to be durable; the wait comes after. So a visit function may have been
 * called although the call then fails or answers KVS_WOULD_BLOCK, and what it noted counts only with KVS_OK.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "store/store.h"

const struct kvs_read store_read_default;

enum kvs_status store_settle(struct store *store, const struct kvs_read *read, uint64_t position)
{
    if (read->park)
        return KVS_OK;
    struct kvs_marks marks;
    store->ops->marks(store->engine, &marks);
    if (marks.durable >= position)
        return KVS_OK;
    if (read->no_block) {
        store->ops->request_sync(store->engine, position);
        return KVS_WOULD_BLOCK;
    }
    return store->ops->wait_durable(store->engine, position);
}

/* An answer (KVS_OK or KVS_NOT_FOUND) leaves when its dependency is durable; failures leave at once. */
static enum kvs_status settle_answer(struct store *store, const struct kvs_read *read,
                                     enum kvs_status status, uint64_t position,
                                     uint64_t *ret_position)
{
    if (status != KVS_OK && status != KVS_NOT_FOUND)
        return status;
    enum kvs_status settled = store_settle(store, read, position);
    if (settled != KVS_OK)
        return settled;
    if (ret_position != NULL)
        *ret_position = position;
    return status;
}

/* Shows a record under the user's key. */
struct stripped {
    kvs_visit_fn *visit;
    void *ctx;
};

static void visit_stripped(void *ctx, const struct kvs_entry *entry)
{
    const struct stripped *stripped = ctx;
    struct kvs_entry own = *entry;
    own.key = key_strip(entry->key);
    stripped->visit(stripped->ctx, &own);
}

enum kvs_status kvs_visit(struct kvs *db, const struct kvs_read *read, struct kvs_bytes key,
                          kvs_visit_fn *visit, void *ctx, uint64_t *ret_position)
{
    if (read == NULL)
        read = &store_read_default;
    struct store *store = db->store;
    struct key_scratch scratch;
    struct kvs_bytes engine_key;
    enum kvs_status status = key_make(db, key, &scratch, &engine_key);
    if (status != KVS_OK)
        return status;
    struct stripped stripped = { visit, ctx };
    uint64_t position = 0;
    status = store->ops->get(store->engine, read, engine_key, visit_stripped, &stripped, &position);
    key_done(&scratch);
    return settle_answer(store, read, status, position, ret_position);
}

/* What a read of many keys needs besides, in one block: small ones on the stack. */
struct many {
    struct kvs_bytes *keys;
    struct stripped *stripped;
    void **ctxs;
    unsigned char *bytes;
    void *heap;
    _Alignas(max_align_t) unsigned char stack[2048];
};

static enum kvs_status many_make(const struct kvs *db, size_t count, const struct kvs_bytes *keys,
                                 kvs_visit_fn *visit, void *const *ctxs, struct many *many)
{
    size_t key_bytes = 0;
    for (size_t i = 0; i < count; i++) {
        enum kvs_status status = key_check(db, keys[i]);
        if (status != KVS_OK)
            return status;
        key_bytes += keys[i].len + 1;
    }
    size_t each = sizeof *many->keys + sizeof *many->stripped + sizeof *many->ctxs;
    size_t total = count * each + key_bytes;
    unsigned char *block = many->stack;
    many->heap = NULL;
    if (total > sizeof many->stack) {
        block = many->heap = malloc(total);
        if (block == NULL)
            return fail(KVS_NO_MEMORY, ENOMEM, "read of %zu keys", count);
    }
    many->keys = (struct kvs_bytes *)(void *)block;
    many->stripped = (struct stripped *)(void *)(many->keys + count);
    many->ctxs = (void **)(many->stripped + count);
    many->bytes = (unsigned char *)(many->ctxs + count);
    unsigned char *to = many->bytes;
    for (size_t i = 0; i < count; i++) {
        many->keys[i] = (struct kvs_bytes){ to, keys[i].len + 1 };
        *to++ = db->space;
        if (keys[i].len != 0)
            memcpy(to, keys[i].data, keys[i].len);
        to += keys[i].len;
        many->stripped[i] = (struct stripped){ visit, ctxs[i] };
        many->ctxs[i] = &many->stripped[i];
    }
    return KVS_OK;
}

enum kvs_status kvs_multi_visit(struct kvs *db, const struct kvs_read *read, size_t count,
                                const struct kvs_bytes *keys, kvs_visit_fn *visit,
                                void *const *ctxs, enum kvs_status *statuses,
                                uint64_t *ret_position)
{
    if (read == NULL)
        read = &store_read_default;
    struct store *store = db->store;
    struct many many;
    enum kvs_status status = many_make(db, count, keys, visit, ctxs, &many);
    if (status != KVS_OK)
        return status;
    uint64_t position = 0;
    status = store->ops->multi_get(store->engine, read, count, many.keys, visit_stripped, many.ctxs,
                                   statuses, &position);
    free(many.heap);
    return settle_answer(store, read, status, position, ret_position);
}

/* As engine keys, some at a time; long ones are left out. */
void kvs_prefetch(struct kvs *db, size_t count, const struct kvs_bytes *keys)
{
    enum {
        KEYS = 64,
        KEY_BYTES = 40
    };

    const struct kvs_engine_ops *ops = db->store->ops;
    if (ops->prefetch == NULL)
        return;
    struct kvs_bytes engine_keys[KEYS];
    unsigned char bytes[KEYS][KEY_BYTES];
    size_t some = 0;
    for (size_t i = 0; i < count; i++) {
        if (keys[i].len != 0 && keys[i].len < KEY_BYTES) {
            bytes[some][0] = db->space;
            memcpy(bytes[some] + 1, keys[i].data, keys[i].len);
            engine_keys[some] = (struct kvs_bytes){ bytes[some], keys[i].len + 1 };
            some++;
        }
        if (some == KEYS || (i + 1 == count && some != 0)) {
            ops->prefetch(db->store->engine, some, engine_keys);
            some = 0;
        }
    }
}

enum kvs_status kvs_reader_open(struct kvs *db, const struct kvs_read *read, struct kvs_bytes key,
                                struct kvs_entry *ret_entry, uint64_t *ret_position,
                                struct kvs_reader **ret)
{
    if (read == NULL)
        read = &store_read_default;
    struct store *store = db->store;
    struct key_scratch scratch;
    struct kvs_bytes engine_key;
    enum kvs_status status = key_make(db, key, &scratch, &engine_key);
    if (status != KVS_OK)
        return status;
    struct kvs_entry entry = { 0 };
    struct kvs_reader *reader = NULL;
    uint64_t position = 0;
    status = store->ops->reader_open(store->engine, read, engine_key, &entry, &position, &reader);
    key_done(&scratch);
    enum kvs_status settled = settle_answer(store, read, status, position, ret_position);
    if (settled != KVS_OK) {
        if (status == KVS_OK)
            store->ops->reader_close(reader);
        return settled;
    }
    *ret_entry = entry;
    *ret = reader;
    return KVS_OK;
}

enum kvs_status kvs_reader_read(struct kvs *db, struct kvs_reader *reader, bool no_block,
                                uint64_t off, void *buf, size_t len)
{
    return db->store->ops->reader_read(reader, no_block, off, buf, len);
}

void kvs_reader_close(struct kvs *db, struct kvs_reader *reader)
{
    if (reader != NULL)
        db->store->ops->reader_close(reader);
}

enum kvs_status kvs_count(struct kvs *db, const struct kvs_read *read,
                          const struct kvs_range *range, uint64_t *ret_count, bool *ret_exact,
                          uint64_t *ret_position)
{
    if (read == NULL)
        read = &store_read_default;
    struct store *store = db->store;
    struct range_scratch scratch;
    struct kvs_range bounded;
    enum kvs_status status = range_make(db, range, &scratch, &bounded);
    if (status != KVS_OK)
        return status;
    uint64_t position = 0;
    uint64_t count = 0;
    bool exact = false;
    status = store->ops->count(store->engine, read, &bounded, &count, &exact, &position);
    range_done(&scratch);
    status = settle_answer(store, read, status, position, ret_position);
    if (status != KVS_OK)
        return status;
    *ret_count = count;
    if (ret_exact != NULL)
        *ret_exact = exact;
    return KVS_OK;
}

enum kvs_status kvs_sample(struct kvs *db, const struct kvs_read *read, uint64_t random,
                           kvs_visit_fn *visit, void *ctx, uint64_t *ret_position)
{
    if (read == NULL)
        read = &store_read_default;
    struct store *store = db->store;
    struct range_scratch scratch;
    struct kvs_range bounded;
    enum kvs_status status = range_make(db, NULL, &scratch, &bounded);
    if (status != KVS_OK)
        return status;
    struct stripped stripped = { visit, ctx };
    uint64_t position = 0;
    status = store->ops->sample(store->engine, read, &bounded, random, visit_stripped, &stripped,
                                &position);
    range_done(&scratch);
    return settle_answer(store, read, status, position, ret_position);
}

enum kvs_status kvs_snapshot_open(struct kvs *db, const char *owner, struct kvs_snapshot **ret)
{
    struct store *store = db->store;
    if (!store->ops->capabilities.snapshots)
        return fail(KVS_UNSUPPORTED, 0, "engine %s has no snapshots", store->ops->name);
    return store->ops->snapshot_open(store->engine, owner != NULL ? owner : "", ret);
}

uint64_t kvs_snapshot_version(struct kvs *db, const struct kvs_snapshot *snapshot)
{
    return db->store->ops->snapshot_version(snapshot);
}

void kvs_snapshot_close(struct kvs *db, struct kvs_snapshot *snapshot)
{
    if (snapshot != NULL)
        db->store->ops->snapshot_close(db->store->engine, snapshot);
}
