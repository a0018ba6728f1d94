/*
 * versions.c - a chained hash table of replaced records, threaded into one list per keeping snapshot.
 */
#include "engine/native/versions.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/fail.h"
#include "base/hash.h"
#include "engine/native/state.h"

struct version_entry {
    struct version_entry *next; /* in its bucket */
    struct version_entry *
        *kept_at; /* where the list of its keeper points at it; NULL: kept by a batch */
    struct version_entry *kept_next;
    uint64_t hash;
    uint64_t superseded;
    struct slot_info slot;
    size_t key_len;
    char key[];
};

enum {
    FIRST_BUCKETS = 64,
    IDLE_BUCKETS_MAX = 4096 /* kept while the table is empty */
};

void versions_init(struct versions *versions, struct native *native)
{
    memset(versions, 0, sizeof *versions);
    versions->native = native;
    mutex_init(&versions->mu);
    atomic_init(&versions->oldest_version, UINT64_MAX);
}

void versions_done(struct versions *versions)
{
    for (size_t i = 0; i < versions->bucket_count; i++) {
        while (versions->buckets[i] != NULL) {
            struct version_entry *entry = versions->buckets[i];
            versions->buckets[i] = entry->next;
            free(entry);
        }
    }
    free(versions->buckets);
    while (versions->oldest != NULL) {
        struct kvs_snapshot *snapshot = versions->oldest;
        versions->oldest = snapshot->newer;
        free(snapshot);
    }
    mutex_done(&versions->mu);
}

static struct version_entry **bucket_of(struct versions *versions, uint64_t hash)
{
    return &versions->buckets[hash & (versions->bucket_count - 1)];
}

static enum kvs_status grow(struct versions *versions) REQUIRES(&versions->mu)
{
    size_t count = versions->bucket_count == 0 ? FIRST_BUCKETS : versions->bucket_count * 2;
    struct version_entry **buckets = calloc(count, sizeof *buckets);
    if (buckets == NULL)
        return fail(KVS_NO_MEMORY, 0, "table of older versions, %zu buckets", count);
    struct version_entry **old = versions->buckets;
    size_t old_count = versions->bucket_count;
    versions->buckets = buckets;
    versions->bucket_count = count;
    for (size_t i = 0; i < old_count; i++) {
        while (old[i] != NULL) {
            struct version_entry *entry = old[i];
            old[i] = entry->next;
            struct version_entry **bucket = bucket_of(versions, entry->hash);
            entry->next = *bucket;
            *bucket = entry;
        }
    }
    free(old);
    return KVS_OK;
}

/* The record lives from now on (with @more; else: no longer) only for snapshots: an opening would find it dead, and a value's chunks
 * with it. */
static void note_kept(struct versions *versions, const struct slot_info *slot, bool more)
{
    struct native *native = versions->native;
    if (native == NULL)
        return; /* a table by itself */
    log_account_kept(native->log, slot->locator, more);
    if ((slot->flags & LOG_LARGE) != 0)
        large_keep(&native->larges, native->log, slot->locator, more);
}

static void keep_link(struct kvs_snapshot *snapshot, struct version_entry *entry)
{
    entry->kept_next = snapshot->kept;
    if (entry->kept_next != NULL)
        entry->kept_next->kept_at = &entry->kept_next;
    entry->kept_at = &snapshot->kept;
    snapshot->kept = entry;
}

static void keep_unlink(struct version_entry *entry)
{
    if (entry->kept_at == NULL)
        return;
    *entry->kept_at = entry->kept_next;
    if (entry->kept_next != NULL)
        entry->kept_next->kept_at = entry->kept_at;
    entry->kept_at = NULL;
    entry->kept_next = NULL;
}

/* Out of the table; the caller has unlinked it from its keeper. */
static void entry_free(struct versions *versions, struct version_entry *entry)
    REQUIRES(&versions->mu)
{
    struct version_entry **at = bucket_of(versions, entry->hash);
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
    versions->count--;
    versions->bytes -= sizeof *entry + entry->key_len;
    free(entry);
    if (versions->count == 0 && versions->bucket_count > IDLE_BUCKETS_MAX) {
        free(versions->buckets);
        versions->buckets = NULL;
        versions->bucket_count = 0;
    }
}

/* The newest snapshot that is older than @version. Nearly always the newest of all. */
static struct kvs_snapshot *newest_below(struct versions *versions, uint64_t version)
    REQUIRES(&versions->mu)
{
    struct kvs_snapshot *snapshot = versions->newest;
    while (snapshot != NULL && snapshot->version >= version)
        snapshot = snapshot->older;
    return snapshot;
}

enum kvs_status versions_add(struct versions *versions, struct kvs_bytes key,
                             const struct slot_info *slot, uint64_t superseded,
                             struct version_entry **ret_entry)
{
    struct version_entry *entry = malloc(sizeof *entry + key.len);
    if (entry == NULL)
        return fail(KVS_NO_MEMORY, 0, "older version of a key of %zu bytes", key.len);
    *entry = (struct version_entry){ .hash = hash_bytes(key, 0),
                                     .superseded = superseded,
                                     .slot = *slot };
    entry->key_len = key.len;
    if (key.len != 0)
        memcpy(entry->key, key.data, key.len);

    mutex_lock(&versions->mu);
    if (versions->count >= versions->bucket_count) {
        enum kvs_status status = grow(versions);
        if (status != KVS_OK) {
            mutex_unlock(&versions->mu);
            free(entry);
            return status;
        }
    }
    struct version_entry **bucket = bucket_of(versions, entry->hash);
    entry->next = *bucket;
    *bucket = entry;
    versions->count++;
    versions->bytes += sizeof *entry + key.len;
    struct kvs_snapshot *keeper = newest_below(versions, superseded);
    if (keeper != NULL && keeper->version >= slot->version) {
        keep_link(keeper, entry);
        note_kept(versions, slot, true);
    }
    mutex_unlock(&versions->mu);
    if (ret_entry != NULL)
        *ret_entry = entry;
    return KVS_OK;
}

bool versions_needed(struct versions *versions, uint64_t version, uint64_t superseded)
{
    if (atomic_load_explicit(&versions->snapshot_count, memory_order_relaxed) == 0)
        return false; /* relaxed: it changes under the append lock, which the caller holds */
    mutex_lock(&versions->mu);
    const struct kvs_snapshot *keeper = newest_below(versions, superseded);
    bool needed = keeper != NULL && keeper->version >= version;
    mutex_unlock(&versions->mu);
    return needed;
}

void versions_drop(struct versions *versions, struct version_entry *entry, version_dead_fn *dead,
                   void *ctx)
{
    mutex_lock(&versions->mu);
    if (entry->kept_at == NULL) {
        if (dead != NULL)
            dead(ctx, &entry->slot);
        entry_free(versions, entry);
    }
    mutex_unlock(&versions->mu);
}

void versions_undo(struct versions *versions, struct version_entry *entry)
{
    mutex_lock(&versions->mu);
    if (entry->kept_at != NULL)
        note_kept(versions, &entry->slot, false);
    keep_unlink(entry);
    entry_free(versions, entry);
    mutex_unlock(&versions->mu);
}

static bool entry_is(const struct version_entry *entry, struct kvs_bytes key, uint64_t hash)
{
    return entry->hash == hash && bytes_equal(bytes_of(entry->key, entry->key_len), key);
}

enum kvs_status versions_find(struct versions *versions, struct kvs_bytes key, uint64_t at,
                              struct slot_info *ret)
{
    uint64_t hash = hash_bytes(key, 0);
    enum kvs_status status = KVS_NOT_FOUND;
    mutex_lock(&versions->mu);
    struct version_entry *entry = versions->bucket_count == 0 ? NULL : *bucket_of(versions, hash);
    for (; entry != NULL; entry = entry->next) {
        if (entry_is(entry, key, hash) && entry->slot.version <= at && at < entry->superseded) {
            *ret = entry->slot;
            status = KVS_OK;
            break;
        }
    }
    mutex_unlock(&versions->mu);
    return status;
}

static struct version_entry *find_locator(struct versions *versions, struct kvs_bytes key,
                                          uint64_t locator) REQUIRES(&versions->mu)
{
    uint64_t hash = hash_bytes(key, 0);
    struct version_entry *entry = versions->bucket_count == 0 ? NULL : *bucket_of(versions, hash);
    while (entry != NULL && !(entry->slot.locator == locator && entry_is(entry, key, hash)))
        entry = entry->next;
    return entry;
}

bool versions_keeps(struct versions *versions, struct kvs_bytes key, uint64_t locator)
{
    mutex_lock(&versions->mu);
    bool keeps = find_locator(versions, key, locator) != NULL;
    mutex_unlock(&versions->mu);
    return keeps;
}

bool versions_move(struct versions *versions, struct kvs_bytes key, uint64_t from,
                   const struct slot_info *to)
{
    mutex_lock(&versions->mu);
    struct version_entry *entry = find_locator(versions, key, from);
    if (entry != NULL && entry->kept_at != NULL && versions->native != NULL) {
        log_account_kept(versions->native->log, from, false);
        log_account_kept(versions->native->log, to->locator, true);
    }
    if (entry != NULL)
        entry->slot = *to;
    mutex_unlock(&versions->mu);
    return entry != NULL;
}

enum kvs_status versions_each(struct versions *versions, version_each_fn *fn, void *ctx)
{
    enum kvs_status status = KVS_OK;
    mutex_lock(&versions->mu);
    for (size_t i = 0; i < versions->bucket_count; i++) {
        const struct version_entry *entry = versions->buckets[i];
        for (; entry != NULL && status == KVS_OK; entry = entry->next)
            status = fn(ctx, entry->slot.locator, entry->slot.stored_bytes);
    }
    mutex_unlock(&versions->mu);
    return status;
}

enum kvs_status versions_snapshot_open(struct versions *versions, const char *owner,
                                       uint64_t version, uint64_t now_ns, struct kvs_snapshot **ret)
{
    struct kvs_snapshot *snapshot = calloc(1, sizeof *snapshot);
    if (snapshot == NULL)
        return fail(KVS_NO_MEMORY, 0, "snapshot");
    snapshot->version = version;
    snapshot->opened_ns = now_ns;
    strncpy(snapshot->owner, owner != NULL ? owner : "", sizeof snapshot->owner - 1);

    mutex_lock(&versions->mu);
    CHECK(versions->newest == NULL || versions->newest->version <= version);
    snapshot->older = versions->newest;
    if (versions->newest != NULL)
        versions->newest->newer = snapshot;
    else
        versions->oldest = snapshot;
    versions->newest = snapshot;
    /* relaxed: read as a hint, or under the append lock that this is called with */
    atomic_store_explicit(&versions->oldest_version, versions->oldest->version,
                          memory_order_relaxed);
    atomic_fetch_add_explicit(&versions->snapshot_count, 1, memory_order_relaxed);
    mutex_unlock(&versions->mu);
    *ret = snapshot;
    return KVS_OK;
}

void versions_snapshot_close(struct versions *versions, struct kvs_snapshot *snapshot,
                             version_dead_fn *dead, void *ctx)
{
    mutex_lock(&versions->mu);
    if (snapshot->older != NULL)
        snapshot->older->newer = snapshot->newer;
    else
        versions->oldest = snapshot->newer;
    if (snapshot->newer != NULL)
        snapshot->newer->older = snapshot->older;
    else
        versions->newest = snapshot->older;
    atomic_store_explicit(&versions->oldest_version,
                          versions->oldest != NULL ? versions->oldest->version : UINT64_MAX,
                          memory_order_relaxed); /* as above */
    atomic_fetch_sub_explicit(&versions->snapshot_count, 1, memory_order_relaxed);

    while (snapshot->kept != NULL) {
        struct version_entry *entry = snapshot->kept;
        keep_unlink(entry);
        struct kvs_snapshot *heir = snapshot->older;
        if (heir != NULL && heir->version >= entry->slot.version) {
            keep_link(heir, entry);
        } else {
            note_kept(versions, &entry->slot, false);
            dead(ctx, &entry->slot);
            entry_free(versions, entry);
        }
    }
    mutex_unlock(&versions->mu);
    free(snapshot);
}
