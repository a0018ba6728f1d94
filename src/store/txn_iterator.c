/*
 * txn_iterator.c - iterating over the store and a run's own writes at once.
 *
 * The store's side is the engine's iterator at the run's snapshot, one entry ahead; the own side is looked up anew each time,
 * right behind the key last returned, so writes made while iterating are met if they lie ahead. What was looked at, up to the last
 * key returned, becomes a condition of the commit.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "store/txn.h"

struct kvs_txn_iterator {
    struct kvs_txn *txn; /* NULL: the run has ended */
    struct kvs_txn_iterator *next;
    struct kvs_txn_iterator **link; /* what points to this one */
    struct kvs_iterator *base;
    struct kvs_entry base_entry; /* with the engine's key */
    bool base_valid;             /* base_entry was not returned yet */
    bool base_done;
    bool reverse;
    bool started;
    bool ended;
    struct kvs_range range; /* into bounds */
    struct buf bounds;
    struct buf last;  /* the engine key last returned */
    struct buf value; /* of an own write last returned: the run may write on */
};

static enum kvs_status range_keep(struct kvs_txn_iterator *iterator, const struct kvs_range *range)
{
    buf_append_bytes(&iterator->bounds, range->start);
    buf_append_bytes(&iterator->bounds, range->end);
    if (iterator->bounds.failed != KVS_OK)
        return iterator->bounds.failed;
    iterator->range = (struct kvs_range){
        .start = { iterator->bounds.data, range->start.len },
        .end = { iterator->bounds.data + range->start.len, range->end.len },
        .has_end = true,
    };
    return KVS_OK;
}

static void iterator_free(struct kvs_txn_iterator *iterator)
{
    buf_done(&iterator->bounds);
    buf_done(&iterator->last);
    buf_done(&iterator->value);
    free(iterator);
}

static enum kvs_status iterator_start(struct kvs_txn *txn, struct kvs *db,
                                      const struct kvs_range *range,
                                      struct kvs_txn_iterator *iterator)
{
    struct store *store = txn->store;
    struct range_scratch scratch;
    struct kvs_range bounded;
    enum kvs_status status = range_make(db, range, &scratch, &bounded);
    if (status != KVS_OK)
        return status;
    status = range_keep(iterator, &bounded);
    range_done(&scratch);
    if (status != KVS_OK)
        return status;
    struct kvs_read read = txn_read(txn);
    return store->ops->iterator_open(store->engine, &read, &iterator->range, iterator->reverse,
                                     &iterator->base);
}

enum kvs_status kvs_txn_iterator_open(struct kvs_txn *txn, struct kvs *db,
                                      const struct kvs_range *range, bool reverse,
                                      struct kvs_txn_iterator **ret)
{
    enum kvs_status status = txn_enter(txn, db);
    if (status != KVS_OK)
        return status;
    if (reverse && !txn->store->ops->capabilities.reverse)
        return fail(KVS_UNSUPPORTED, 0, "engine %s cannot iterate in reverse",
                    txn->store->ops->name);
    status = txn_prepare_ranges(txn);
    if (status != KVS_OK)
        return status;
    struct kvs_txn_iterator *iterator = calloc(1, sizeof *iterator);
    if (iterator == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "iterator");
    iterator->reverse = reverse;
    buf_init(&iterator->bounds, 4 * KVS_ENGINE_KEY_MAX);
    buf_init(&iterator->last, 2 * KVS_ENGINE_KEY_MAX);
    buf_init(&iterator->value, KVS_INLINE_MAX);
    status = iterator_start(txn, db, range, iterator);
    if (status != KVS_OK) {
        iterator_free(iterator);
        return status;
    }
    iterator->txn = txn;
    iterator->next = txn->iterators;
    iterator->link = &txn->iterators;
    if (txn->iterators != NULL)
        txn->iterators->link = &iterator->next;
    txn->iterators = iterator;
    *ret = iterator;
    return KVS_OK;
}

/* Brings base_entry to the store's next record that the run has neither overwritten nor removed. */
static enum kvs_status base_advance(struct kvs_txn_iterator *iterator)
{
    struct kvs_txn *txn = iterator->txn;
    const struct kvs_engine_ops *ops = txn->store->ops;
    for (;;) {
        if (iterator->base_done)
            return KVS_OK;
        uint32_t node;
        if (iterator->base_valid && txn_own(txn, iterator->base_entry.key, &node) == TXN_OWN_NONE)
            return KVS_OK;
        iterator->base_valid = false;
        enum kvs_status status =
            ops->iterator_next(iterator->base, txn->no_block, &iterator->base_entry);
        if (status != KVS_OK && status != KVS_NOT_FOUND)
            return status;
        txn_depend(txn, ops->iterator_position(iterator->base));
        iterator->base_valid = status == KVS_OK;
        iterator->base_done = status == KVS_NOT_FOUND;
    }
}

/* The next own record ahead; only as far as the store's next record, which bounds the work of skipping removed ones. */
static uint32_t own_ahead(struct kvs_txn_iterator *iterator)
{
    struct kvs_txn *txn = iterator->txn;
    struct keyset *writes = &txn->writes;
    struct kvs_bytes from = iterator->reverse ? iterator->range.end : iterator->range.start;
    if (iterator->started)
        from = buf_bytes(&iterator->last);
    uint32_t node = iterator->reverse ? keyset_below(writes, from)
                                      : keyset_at_least(writes, from, iterator->started);
    while (node != KEYSET_NONE) {
        struct kvs_bytes key = keyset_key(writes, node);
        if (iterator->reverse ? bytes_compare(key, iterator->range.start) < 0
                              : bytes_compare(key, iterator->range.end) >= 0)
            return KEYSET_NONE;
        if (iterator->base_valid) {
            int order = bytes_compare(key, iterator->base_entry.key);
            if (iterator->reverse ? order < 0 : order > 0)
                return KEYSET_NONE;
        }
        if (txn_node_lives(txn, keyset_at(writes, node)))
            return node;
        node = iterator->reverse ? keyset_below(writes, key) : keyset_next(writes, node);
    }
    return KEYSET_NONE;
}

static enum kvs_status keep(struct buf *to, struct kvs_bytes bytes)
{
    buf_truncate(to, 0);
    buf_append_bytes(to, bytes);
    return to->failed;
}

/* Returns the own record; copied, since the run may write before the next step. */
static enum kvs_status return_own(struct kvs_txn_iterator *iterator, uint32_t node,
                                  struct kvs_entry *ret_entry)
{
    struct kvs_txn *txn = iterator->txn;
    struct kvs_entry entry = txn_own_entry(txn, node);
    enum kvs_status status = keep(&iterator->value, entry.value);
    if (status == KVS_OK)
        status = keep(&iterator->last, keyset_key(&txn->writes, node));
    if (status != KVS_OK)
        return status;
    entry.key = key_strip(buf_bytes(&iterator->last));
    if (entry.value.len != 0)
        entry.value = buf_bytes(&iterator->value);
    *ret_entry = entry;
    return KVS_OK;
}

static enum kvs_status return_base(struct kvs_txn_iterator *iterator, struct kvs_entry *ret_entry)
{
    enum kvs_status status = keep(&iterator->last, iterator->base_entry.key);
    if (status != KVS_OK)
        return status;
    iterator->base_valid =
        false; /* what it lends stays until the engine's iterator moves, in our next call */
    *ret_entry = iterator->base_entry;
    ret_entry->key = key_strip(iterator->base_entry.key);
    return KVS_OK;
}

enum kvs_status kvs_txn_iterator_next(struct kvs_txn_iterator *iterator,
                                      struct kvs_entry *ret_entry)
{
    struct kvs_txn *txn = iterator->txn;
    if (txn == NULL)
        return fail(KVS_INVALID, 0, "the transaction of the iterator has ended");
    if (iterator->ended)
        return KVS_NOT_FOUND;
    if (txn->failed != KVS_OK)
        return fail_restore(txn->failed, txn->why);
    enum kvs_status status = base_advance(iterator);
    if (status != KVS_OK)
        return status;
    uint32_t own = own_ahead(iterator);
    if (own == KEYSET_NONE && !iterator->base_valid) {
        iterator->ended = true;
        return KVS_NOT_FOUND;
    }
    status = own != KEYSET_NONE ? return_own(iterator, own, ret_entry)
                                : return_base(iterator, ret_entry);
    iterator->started |= status == KVS_OK;
    return status;
}

enum kvs_status txn_iterator_cover(struct kvs_txn_iterator *iterator)
{
    struct keyset *covers = &iterator->txn->covers;
    if (iterator->ended)
        return rangeset_add(covers, iterator->range.start, iterator->range.end);
    if (!iterator->started)
        return KVS_OK;
    if (iterator->reverse)
        return rangeset_add(covers, buf_bytes(&iterator->last), iterator->range.end);
    /* Up to and with the last key: its successor is itself and a zero byte. */
    buf_append_char(&iterator->last, '\0');
    if (iterator->last.failed != KVS_OK)
        return iterator->last.failed;
    enum kvs_status status =
        rangeset_add(covers, iterator->range.start, buf_bytes(&iterator->last));
    buf_truncate(&iterator->last, iterator->last.len - 1);
    return status;
}

struct kvs_txn_iterator *txn_iterator_following(const struct kvs_txn_iterator *iterator)
{
    return iterator->next;
}

void txn_iterator_orphan(struct kvs_txn_iterator *iterator)
{
    const struct kvs_engine_ops *ops = iterator->txn->store->ops;
    ops->iterator_close(iterator->base);
    iterator->base = NULL;
    *iterator->link = iterator->next;
    if (iterator->next != NULL)
        iterator->next->link = iterator->link;
    iterator->txn = NULL;
}

void kvs_txn_iterator_close(struct kvs_txn_iterator *iterator)
{
    if (iterator == NULL)
        return;
    if (iterator->txn != NULL) {
        enum kvs_status status = txn_iterator_cover(iterator);
        if (status != KVS_OK)
            txn_fail(iterator->txn, status);
        txn_iterator_orphan(iterator);
    }
    iterator_free(iterator);
}
