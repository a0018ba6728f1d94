/*
 * table.c - the sorted array of keys and their versions.
 *
 * Which versions stay: the newest of a key that is a record; and any version v for which a snapshot s with
 * v <= s < (version above v) exists. A newest tombstone t stays while some snapshot s < t exists: that snapshot still sees what
 * lies below, and KVS_IF_UNTOUCHED relative to s must find t. What is dropped raises forgotten_version, so that
 * KVS_IF_UNTOUCHED without a snapshot may conflict needlessly but never overlooks a removal.
 */
#include "engine/memory/table.h"

#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/fail.h"

int64_t memory_now_ms(struct memory_engine *engine)
{
    int64_t wall_ms = clock_wall_ms(engine->clock);
    if (wall_ms > engine->now_ms)
        engine->now_ms = wall_ms;
    return engine->now_ms;
}

struct memory_view memory_view_of(struct memory_engine *engine, const struct kvs_snapshot *snapshot)
{
    if (snapshot != NULL)
        return snapshot->view;
    return (struct memory_view){ .version = engine->last_version, .now_ms = memory_now_ms(engine) };
}

size_t memory_table_find(const struct memory_engine *engine, struct kvs_bytes key, bool *ret_found)
{
    size_t low = 0;
    size_t high = engine->count;
    *ret_found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = bytes_compare(memory_key_bytes(engine->keys[middle]), key);
        if (order == 0) {
            *ret_found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void memory_table_bounds(const struct memory_engine *engine, const struct kvs_range *range,
                         size_t *ret_start, size_t *ret_end)
{
    bool found;
    *ret_start = memory_table_find(engine, range->start, &found);
    *ret_end = range->has_end ? memory_table_find(engine, range->end, &found) : engine->count;
    if (*ret_end < *ret_start)
        *ret_end = *ret_start;
}

const struct memory_version *memory_key_seen(const struct memory_key *key, struct memory_view view)
{
    const struct memory_version *version = key->newest;
    while (version != NULL && version->version > view.version)
        version = version->older;
    if (version == NULL || version->value == NULL)
        return NULL;
    if (version->expire_ms != 0 && version->expire_ms <= view.now_ms)
        return NULL;
    return version;
}

enum kvs_status memory_table_reserve(struct memory_engine *engine, size_t more)
{
    if (engine->capacity - engine->count >= more)
        return KVS_OK;
    size_t capacity = engine->capacity < 64 ? 64 : engine->capacity * 2;
    if (capacity < engine->count + more)
        capacity = engine->count + more;
    struct memory_key **keys = reallocarray(engine->keys, capacity, sizeof(struct memory_key *));
    if (keys == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "room for %zu keys", capacity);
    engine->keys = keys;
    engine->capacity = capacity;
    return KVS_OK;
}

void memory_table_insert(struct memory_engine *engine, size_t index, struct memory_key *key)
{
    CHECK(engine->count < engine->capacity && index <= engine->count);
    memmove(&engine->keys[index + 1], &engine->keys[index],
            (engine->count - index) * sizeof(struct memory_key *));
    engine->keys[index] = key;
    engine->count++;
}

void memory_value_unref(struct memory_value *value)
{
    if (value != NULL && --value->refs == 0)
        free(value);
}

void memory_version_free(struct memory_version *version)
{
    if (version == NULL)
        return;
    memory_value_unref(version->value);
    free(version);
}

/* Bookkeeping for a version that enters (or leaves) the table. */
static void version_account(struct memory_engine *engine, const struct memory_version *version,
                            bool enters) REQUIRES(engine->mu)
{
    uint64_t bytes = version->value != NULL ? version->value->len : 0;
    if (enters)
        engine->value_bytes += bytes;
    else
        engine->value_bytes -= bytes;
}

/* How many of the key's versions are there for snapshots alone. */
static size_t key_old_versions(const struct memory_key *key)
{
    size_t count = key->newest != NULL && key->newest->value == NULL;
    for (const struct memory_version *version = key->newest; version != NULL;
         version = version->older)
        count += version != key->newest;
    return count;
}

void memory_key_push(struct memory_engine *engine, struct memory_key *key,
                     struct memory_version *version)
{
    ASSERT(key->newest == NULL || key->newest->version < version->version);
    engine->old_versions -= key_old_versions(key);
    version->older = key->newest;
    key->newest = version;
    version_account(engine, version, true);
    engine->old_versions += key_old_versions(key);
}

void memory_key_pop(struct memory_engine *engine, struct memory_key *key)
{
    struct memory_version *top = key->newest;
    engine->old_versions -= key_old_versions(key);
    key->newest = top->older;
    version_account(engine, top, false);
    memory_version_free(top);
    engine->old_versions += key_old_versions(key);
}

/* Is there a snapshot s with low <= s < high? */
static bool snapshot_between(const struct memory_engine *engine, uint64_t low, uint64_t high)
    REQUIRES(engine->mu)
{
    for (const struct kvs_snapshot *snapshot = engine->snapshots; snapshot != NULL;
         snapshot = snapshot->next)
        if (snapshot->view.version >= low && snapshot->view.version < high)
            return true;
    return false;
}

static void forget(struct memory_engine *engine, uint64_t version) REQUIRES(engine->mu)
{
    if (version > engine->forgotten_version)
        engine->forgotten_version = version;
}

/* Drops the versions of @key that nobody can see; newest is NULL afterwards when nothing is left. */
static void key_prune(struct memory_engine *engine, struct memory_key *key) REQUIRES(engine->mu)
{
    if (key->newest == NULL)
        return;
    engine->old_versions -= key_old_versions(key);

    uint64_t above = key->newest->version;
    for (struct memory_version **link = &key->newest->older; *link != NULL;) {
        struct memory_version *version = *link;
        uint64_t next_above = version->version;
        if (snapshot_between(engine, version->version, above)) {
            link = &version->older;
        } else {
            *link = version->older;
            version_account(engine, version, false);
            memory_version_free(version);
        }
        above = next_above;
    }
    if (key->newest->value == NULL && !snapshot_between(engine, 0, key->newest->version)) {
        forget(engine, key->newest->version);
        memory_version_free(key->newest); /* nothing older: no snapshot is below it */
        key->newest = NULL;
    }
    engine->old_versions += key_old_versions(key);
}

void memory_table_prune(struct memory_engine *engine, size_t index)
{
    struct memory_key *key = engine->keys[index];
    key_prune(engine, key);
    if (key->newest != NULL)
        return;
    free(key);
    engine->count--;
    memmove(&engine->keys[index], &engine->keys[index + 1],
            (engine->count - index) * sizeof(struct memory_key *));
}

void memory_table_prune_all(struct memory_engine *engine)
{
    size_t kept = 0;
    for (size_t i = 0; i < engine->count; i++) {
        struct memory_key *key = engine->keys[i];
        key_prune(engine, key);
        if (key->newest == NULL)
            free(key);
        else
            engine->keys[kept++] = key;
    }
    engine->count = kept;
}

void memory_table_reclaim_expired(struct memory_engine *engine)
{
    if (engine->snapshots != NULL)
        return; /* a snapshot's time stands still: to it the record may be alive */
    int64_t now_ms = memory_now_ms(engine);
    for (size_t i = 0; i < engine->count; i++) {
        struct memory_key *key = engine->keys[i];
        if (key->newest->value == NULL || key->newest->expire_ms == 0 ||
            key->newest->expire_ms > now_ms)
            continue;
        forget(engine, key->newest->version);
        while (key->newest != NULL)
            memory_key_pop(engine, key);
    }
    memory_table_prune_all(engine);
}

void memory_table_free(struct memory_engine *engine)
{
    for (size_t i = 0; i < engine->count; i++) {
        while (engine->keys[i]->newest != NULL)
            memory_key_pop(engine, engine->keys[i]);
        free(engine->keys[i]);
    }
    free(engine->keys);
    engine->keys = NULL;
    engine->count = engine->capacity = 0;
}
