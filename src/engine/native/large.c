/*
 * large.c - two chained hash tables, see large.h.
 */
#include "engine/native/large.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/fail.h"
#include "base/hash.h"
#include "log/log.h"

struct chunk_entry {
    struct chunk_entry *next;
    uint64_t locator;
    struct large *large;
};

enum {
    FIRST_BUCKETS = 64
};

void larges_init(struct larges *larges)
{
    memset(larges, 0, sizeof *larges);
    mutex_init(&larges->mu);
}

void larges_done(struct larges *larges)
{
    for (size_t i = 0; i < larges->owner_buckets; i++) {
        while (larges->owners[i] != NULL) {
            struct large *large = larges->owners[i];
            larges->owners[i] = large->next;
            large_free(large);
        }
    }
    for (size_t i = 0; i < larges->chunk_buckets; i++) {
        while (larges->chunks[i] != NULL) {
            struct chunk_entry *entry = larges->chunks[i];
            larges->chunks[i] = entry->next;
            free(entry);
        }
    }
    free(larges->owners);
    free(larges->chunks);
    mutex_done(&larges->mu);
}

static size_t spot(uint64_t locator, size_t buckets)
{
    return hash_u64(locator) & (buckets - 1);
}

/* One more value is on its way: room for its owner, so that large_own() cannot fail. */
static enum kvs_status owners_grow(struct larges *larges) REQUIRES(&larges->mu)
{
    if (larges->owner_count < larges->owner_buckets)
        return KVS_OK;
    size_t buckets = larges->owner_buckets == 0 ? FIRST_BUCKETS : larges->owner_buckets * 2;
    struct large **owners = calloc(buckets, sizeof *owners);
    if (owners == NULL)
        return fail(KVS_NO_MEMORY, 0, "table of large values");
    for (size_t i = 0; i < larges->owner_buckets; i++) {
        while (larges->owners[i] != NULL) {
            struct large *large = larges->owners[i];
            larges->owners[i] = large->next;
            size_t at = spot(large->owner, buckets);
            large->next = owners[at];
            owners[at] = large;
        }
    }
    free(larges->owners);
    larges->owners = owners;
    larges->owner_buckets = buckets;
    return KVS_OK;
}

static enum kvs_status chunks_grow(struct larges *larges) REQUIRES(&larges->mu)
{
    if (larges->chunk_count < larges->chunk_buckets)
        return KVS_OK;
    size_t buckets = larges->chunk_buckets == 0 ? FIRST_BUCKETS : larges->chunk_buckets * 2;
    struct chunk_entry **chunks = calloc(buckets, sizeof *chunks);
    if (chunks == NULL)
        return fail(KVS_NO_MEMORY, 0, "table of chunks");
    for (size_t i = 0; i < larges->chunk_buckets; i++) {
        while (larges->chunks[i] != NULL) {
            struct chunk_entry *entry = larges->chunks[i];
            larges->chunks[i] = entry->next;
            size_t at = spot(entry->locator, buckets);
            entry->next = chunks[at];
            chunks[at] = entry;
        }
    }
    free(larges->chunks);
    larges->chunks = chunks;
    larges->chunk_buckets = buckets;
    return KVS_OK;
}

static struct chunk_entry **chunk_at(struct larges *larges, uint64_t locator) REQUIRES(&larges->mu)
{
    if (larges->chunk_buckets == 0)
        return NULL;
    struct chunk_entry **at = &larges->chunks[spot(locator, larges->chunk_buckets)];
    while (*at != NULL && (*at)->locator != locator)
        at = &(*at)->next;
    return *at == NULL ? NULL : at;
}

static void chunk_remove(struct larges *larges, uint64_t locator) REQUIRES(&larges->mu)
{
    struct chunk_entry **at = chunk_at(larges, locator);
    if (at == NULL)
        return;
    struct chunk_entry *entry = *at;
    *at = entry->next;
    larges->chunk_count--;
    free(entry);
}

static void chunk_insert(struct larges *larges, struct chunk_entry *entry) REQUIRES(&larges->mu)
{
    struct chunk_entry **bucket = &larges->chunks[spot(entry->locator, larges->chunk_buckets)];
    entry->next = *bucket;
    *bucket = entry;
    larges->chunk_count++;
}

static struct large **owner_at(struct larges *larges, uint64_t owner) REQUIRES(&larges->mu)
{
    if (larges->owner_buckets == 0)
        return NULL;
    struct large **at = &larges->owners[spot(owner, larges->owner_buckets)];
    while (*at != NULL && (*at)->owner != owner)
        at = &(*at)->next;
    return *at == NULL ? NULL : at;
}

enum kvs_status large_new(struct large **ret)
{
    struct large *large = calloc(1, sizeof *large);
    if (large == NULL)
        return fail(KVS_NO_MEMORY, 0, "large value");
    *ret = large;
    return KVS_OK;
}

enum kvs_status large_add(struct larges *larges, struct large *large, struct chunk chunk)
{
    if (large->count == large->capacity) {
        size_t capacity = large->capacity == 0 ? 32 : large->capacity * 2;
        struct chunk *chunks = realloc(large->chunks, capacity * sizeof *chunks);
        if (chunks == NULL)
            return fail(KVS_NO_MEMORY, 0, "list of %zu chunks", capacity);
        large->chunks = chunks;
        large->capacity = capacity;
    }
    struct chunk_entry *entry = malloc(sizeof *entry);
    if (entry == NULL)
        return fail(KVS_NO_MEMORY, 0, "chunk");
    *entry = (struct chunk_entry){ .locator = chunk.locator, .large = large };

    mutex_lock(&larges->mu);
    enum kvs_status status = chunks_grow(larges);
    if (status == KVS_OK && large->count == 0) {
        status = owners_grow(larges);
        if (status == KVS_OK)
            larges->owner_count++; /* counted from the first chunk on, so that its place is sure */
    }
    if (status == KVS_OK) {
        chunk_insert(larges, entry);
        large->chunks[large->count++] = chunk;
    }
    mutex_unlock(&larges->mu);
    if (status != KVS_OK)
        free(entry);
    return status;
}

void large_own(struct larges *larges, struct large *large, uint64_t owner)
{
    mutex_lock(&larges->mu);
    CHECK(large->count != 0 && large->owner == 0);
    large->owner = owner;
    struct large **bucket = &larges->owners[spot(owner, larges->owner_buckets)];
    large->next = *bucket;
    *bucket = large;
    mutex_unlock(&larges->mu);
}

static struct large *owner_unlink(struct larges *larges, uint64_t owner) REQUIRES(&larges->mu)
{
    struct large **at = owner_at(larges, owner);
    if (at == NULL)
        return NULL;
    struct large *large = *at;
    *at = large->next;
    large->next = NULL;
    return large;
}

static void owner_link(struct larges *larges, struct large *large, uint64_t owner)
    REQUIRES(&larges->mu)
{
    large->owner = owner;
    struct large **bucket = &larges->owners[spot(owner, larges->owner_buckets)];
    large->next = *bucket;
    *bucket = large;
}

void large_move_owner(struct larges *larges, uint64_t from, uint64_t to)
{
    mutex_lock(&larges->mu);
    struct large *large = owner_unlink(larges, from);
    if (large != NULL)
        owner_link(larges, large, to);
    mutex_unlock(&larges->mu);
}

static void forget_locked(struct larges *larges, struct large *large) REQUIRES(&larges->mu)
{
    for (size_t i = 0; i < large->count; i++)
        chunk_remove(larges, large->chunks[i].locator);
    if (large->count != 0)
        larges->owner_count--;
}

void large_keep(struct larges *larges, struct log *log, uint64_t owner, bool more)
{
    mutex_lock(&larges->mu);
    struct large **at = owner_at(larges, owner);
    for (size_t i = 0; at != NULL && i < (*at)->count; i++)
        log_account_kept(log, (*at)->chunks[i].locator, more);
    if (at != NULL)
        (*at)->kept = more;
    mutex_unlock(&larges->mu);
}

struct large *large_take(struct larges *larges, uint64_t owner)
{
    mutex_lock(&larges->mu);
    struct large *large = owner_unlink(larges, owner);
    if (large != NULL)
        forget_locked(larges, large);
    mutex_unlock(&larges->mu);
    return large;
}

void large_forget(struct larges *larges, struct large *large)
{
    mutex_lock(&larges->mu);
    forget_locked(larges, large);
    mutex_unlock(&larges->mu);
}

void large_free(struct large *large)
{
    if (large == NULL)
        return;
    free(large->chunks);
    free(large);
}

enum chunk_state large_chunk_state(struct larges *larges, uint64_t locator, uint64_t *ret_owner)
{
    enum chunk_state state = CHUNK_DEAD;
    mutex_lock(&larges->mu);
    struct chunk_entry **at = chunk_at(larges, locator);
    if (at != NULL && (*at)->large->owner == 0) {
        state = CHUNK_PENDING;
    } else if (at != NULL) {
        *ret_owner = (*at)->large->owner;
        state = CHUNK_LIVE;
    }
    mutex_unlock(&larges->mu);
    return state;
}

enum kvs_status large_each_chunk(struct larges *larges, large_each_fn *fn, void *ctx)
{
    enum kvs_status status = KVS_OK;
    mutex_lock(&larges->mu);
    for (size_t i = 0; i < larges->owner_buckets; i++) {
        for (const struct large *large = larges->owners[i]; large != NULL; large = large->next) {
            for (size_t j = 0; j < large->count && status == KVS_OK; j++)
                status = fn(ctx, large->chunks[j].locator, large->chunks[j].stored_bytes);
        }
    }
    mutex_unlock(&larges->mu);
    return status;
}

enum kvs_status large_copy(struct larges *larges, uint64_t owner, struct chunk **ret,
                           size_t *ret_count)
{
    enum kvs_status status = KVS_NOT_FOUND;
    mutex_lock(&larges->mu);
    struct large **at = owner_at(larges, owner);
    if (at != NULL) {
        struct large *large = *at;
        struct chunk *chunks = malloc(large->count * sizeof *chunks);
        if (chunks == NULL) {
            status = fail(KVS_NO_MEMORY, 0, "list of %zu chunks", large->count);
        } else {
            memcpy(chunks, large->chunks, large->count * sizeof *chunks);
            *ret = chunks;
            *ret_count = large->count;
            status = KVS_OK;
        }
    }
    mutex_unlock(&larges->mu);
    return status;
}

enum kvs_status large_replace(struct larges *larges, uint64_t owner, uint64_t to,
                              const struct chunk *chunks, size_t count)
{
    enum kvs_status status = KVS_NOT_FOUND;
    mutex_lock(&larges->mu);
    struct large **at = owner_at(larges, owner);
    if (at != NULL && (*at)->count == count) {
        struct large *large = *at;
        for (size_t i = 0; i < count; i++) {
            if (large->chunks[i].locator == chunks[i].locator)
                continue;
            struct chunk_entry **entry_at = chunk_at(larges, large->chunks[i].locator);
            CHECK(entry_at != NULL);
            struct chunk_entry *entry = *entry_at;
            *entry_at = entry->next;
            larges->chunk_count--;
            entry->locator = chunks[i].locator;
            chunk_insert(larges, entry);
            large->chunks[i] = chunks[i];
        }
        CHECK(owner_unlink(larges, owner) == large);
        owner_link(larges, large, to);
        status = KVS_OK;
    }
    mutex_unlock(&larges->mu);
    return status;
}
