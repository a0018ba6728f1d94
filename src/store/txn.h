/*
 * txn.h - what is inside a transaction. One thread at a time.
 *
 * A run keeps, under engine keys:
 *   writes   key -> the last operation on it (TXN_SET, TXN_REMOVE); earlier ones that a removed range covers are gone
 *   removed  ranges removed in the run; they count before the writes
 *   reads    key -> the version read from the store (0: absent); a condition of the commit
 *   watches  key -> the version after which nothing may have touched it
 *   covers   ranges looked at by iterators and counts, as of the run's snapshot; a condition of the commit
 */
#ifndef STORE_TXN_H
#define STORE_TXN_H

#include "base/fail.h"
#include "store/keyset.h"
#include "store/store.h"

enum {
    TXN_CONFLICTS_MAX = 8,             /* then the next run locks other writers out */
    TXN_BYTES_MAX = 256 * 1024 * 1024, /* of each of the sets; the batch's own limit is lower */
    TXN_KEEP_BYTES = 16 * 1024,        /* memory an idle transaction keeps in each array */
};

/* keyset_node.kind in writes; 0: the operation was swallowed by a removed range. */
enum {
    TXN_SET = 1,
    TXN_REMOVE = 2
};

struct kvs_txn_iterator;

struct kvs_txn {
    struct store *store;
    bool running;
    bool no_block;
    bool holds_gate;
    bool
        doomed; /* what was read cannot all be true at one moment: the commit will be KVS_CONFLICT */
    bool
        lone_count; /* a count of the newest state is all that was done so far; anything more dooms the run … */
    bool wants_snapshot; /* … and the next one gets a snapshot; until a commit succeeds */
    bool
        wants_gate; /* the next run must have the gate: the engine cannot validate what this one wanted to read */
    bool has_blobs;
    unsigned conflicts; /* in a row */
    struct kvs_snapshot *snapshot;
    uint64_t position;   /* dependency of everything read */
    size_t newest_reads; /* of keys, without a snapshot */

    struct keyset writes;
    size_t write_bytes; /* of live operations, removed ranges included */
    struct keyset removed;
    struct keyset reads;
    struct keyset watches;
    struct keyset covers;
    struct write_needs needs;
    struct kvs_txn_iterator *iterators; /* open ones */
    kvs_txn_observer *observer;         /* NULL: none */
    void *observer_ctx;

    struct kvs_blob *
        *dropped; /* of operations that a later one replaced; freed when the commit succeeds */
    size_t dropped_count;
    size_t dropped_capacity;

    enum kvs_status failed;
    char why[FAIL_TEXT_BYTES];

    struct kvs_op *ops; /* scratch of the commit */
    size_t op_capacity;
    struct kvs_condition *conditions;
    size_t condition_capacity;
};

/* The first failure of a run sticks; the text of fail() is kept with it. */
void txn_fail(struct kvs_txn *txn, enum kvs_status status);

/* KVS_OK when a call may go on: the run has begun, has not failed, and @db is of its store. Ends a lone count. */
KVS_MUST_CHECK enum kvs_status txn_enter(struct kvs_txn *txn, const struct kvs *db);

/* How the run reads the store. */
static inline struct kvs_read txn_read(const struct kvs_txn *txn)
{
    return (struct kvs_read){ .snapshot = txn->snapshot, .no_block = txn->no_block, .park = true };
}

static inline void txn_depend(struct kvs_txn *txn, uint64_t position)
{
    if (position > txn->position)
        txn->position = position;
}

/* Makes looking at ranges possible: a snapshot, or the gate where the engine cannot validate ranges. KVS_CONFLICT: begin
 * again, the next run will have it. */
KVS_MUST_CHECK enum kvs_status txn_prepare_ranges(struct kvs_txn *txn);

/* The run's own record of an engine key. */
enum txn_own {
    TXN_OWN_NONE,
    TXN_OWN_ABSENT,
    TXN_OWN_VALUE
};
enum txn_own txn_own(struct kvs_txn *txn, struct kvs_bytes engine_key, uint32_t *ret_node);
/* The same for a node of writes: has its value expired already? */
bool txn_node_lives(const struct kvs_txn *txn, const struct keyset_node *node);

/* The entry of a live node of writes, with the user's key; lent until the next write of the run. */
struct kvs_entry txn_own_entry(struct kvs_txn *txn, uint32_t node);

/* txn_iterator.c: adds what an open iterator has looked at to covers. */
KVS_MUST_CHECK enum kvs_status txn_iterator_cover(struct kvs_txn_iterator *iterator);
/* Takes the iterator away from its run, which ends; only closing it is left. */
void txn_iterator_orphan(struct kvs_txn_iterator *iterator);
struct kvs_txn_iterator *txn_iterator_following(const struct kvs_txn_iterator *iterator);

#endif
