/*
 * iterator.c - iterating over one key space: the engine's iterator, with the space's byte taken off and the wait for
 * durability added.
 *
 * A struct kvs_iterator of kvs.h is a struct space_iterator; the engine's own is inside. An entry whose position is not durable yet
 * is held back (the engine's iterator has moved on already), and offered again by the next call.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/fail.h"
#include "store/store.h"

struct space_iterator {
    struct kvs_iterator *engine;
    bool park;
    bool held;        /* status and entry wait for durability */
    uint64_t settled; /* answers that depend on nothing later need not be asked about again */
    enum kvs_status status;
    struct kvs_entry entry;
};

/* Casts happen here only. The outer type has no members, so nobody can use it for what it is not. */
static struct kvs_iterator *outer(struct space_iterator *iterator)
{
    return (struct kvs_iterator *)(void *)iterator;
}

static struct space_iterator *inner(struct kvs_iterator *iterator)
{
    return (struct space_iterator *)(void *)iterator;
}

static const struct space_iterator *inner_const(const struct kvs_iterator *iterator)
{
    return (const struct space_iterator *)(const void *)iterator;
}

enum kvs_status kvs_iterator_open(struct kvs *db, const struct kvs_read *read,
                                  const struct kvs_range *range, bool reverse,
                                  struct kvs_iterator **ret)
{
    if (read == NULL)
        read = &store_read_default;
    struct store *store = db->store;
    if (reverse && !store->ops->capabilities.reverse)
        return fail(KVS_UNSUPPORTED, 0, "engine %s cannot iterate in reverse", store->ops->name);
    struct range_scratch scratch;
    struct kvs_range bounded;
    enum kvs_status status = range_make(db, range, &scratch, &bounded);
    if (status != KVS_OK)
        return status;
    struct space_iterator *iterator = calloc(1, sizeof *iterator);
    if (iterator == NULL)
        status = fail(KVS_NO_MEMORY, ENOMEM, "iterator");
    else
        status =
            store->ops->iterator_open(store->engine, read, &bounded, reverse, &iterator->engine);
    range_done(&scratch);
    if (status != KVS_OK) {
        free(iterator);
        return status;
    }
    iterator->park = read->park;
    *ret = outer(iterator);
    return KVS_OK;
}

enum kvs_status kvs_iterator_next(struct kvs *db, struct kvs_iterator *public, bool no_block,
                                  struct kvs_entry *ret_entry)
{
    struct store *store = db->store;
    struct space_iterator *iterator = inner(public);
    if (!iterator->held) {
        iterator->status = store->ops->iterator_next(iterator->engine, no_block, &iterator->entry);
        if (iterator->status != KVS_OK && iterator->status != KVS_NOT_FOUND)
            return iterator->status;
    }
    uint64_t position = store->ops->iterator_position(iterator->engine);
    if (position > iterator->settled) {
        struct kvs_read read = { .no_block = no_block, .park = iterator->park };
        enum kvs_status settled = store_settle(store, &read, position);
        iterator->held = settled != KVS_OK;
        if (settled != KVS_OK)
            return settled;
        iterator->settled = position;
    }
    iterator->held = false;
    if (iterator->status == KVS_OK) {
        *ret_entry = iterator->entry;
        ret_entry->key = key_strip(iterator->entry.key);
    }
    return iterator->status;
}

const struct kvs_snapshot *kvs_iterator_snapshot(struct kvs *db,
                                                 const struct kvs_iterator *iterator)
{
    return db->store->ops->iterator_snapshot(inner_const(iterator)->engine);
}

uint64_t kvs_iterator_position(struct kvs *db, const struct kvs_iterator *iterator)
{
    return db->store->ops->iterator_position(inner_const(iterator)->engine);
}

void kvs_iterator_close(struct kvs *db, struct kvs_iterator *iterator)
{
    if (iterator == NULL)
        return;
    db->store->ops->iterator_close(inner(iterator)->engine);
    free(inner(iterator));
}
