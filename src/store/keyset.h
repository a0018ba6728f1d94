/*
 * keyset.h - an ordered set of keys with something attached to each: what a transaction has written and read. And ranges:
 * a set of disjoint ranges kept in one.
 *
 * A skip list in three growing arrays (nodes, links, bytes), so that clearing keeps the memory and a set of one key costs next to
 * nothing. Nodes are numbers, valid until the set is cleared; bytes handed out are valid until the set grows.
 * One thread at a time.
 */
#ifndef STORE_KEYSET_H
#define STORE_KEYSET_H

#include <kvs/engine.h>

#include "base/buf.h"

enum {
    KEYSET_LEVELS = 16
};

#define KEYSET_NONE UINT32_MAX

struct keyset_node {
    uint32_t key_off;
    uint32_t key_len;
    uint32_t value_off;
    uint32_t value_len;
    uint32_t value_room; /* bytes at value_off, so that an overwrite can reuse them */
    uint32_t links_off;
    uint8_t height;
    /* What it means is the owner's affair; all zero for a new node. */
    uint8_t kind;
    uint8_t note;
    struct kvs_blob *blob;
    int64_t expire_ms;
    uint64_t version;
};

struct keyset {
    struct keyset_node *nodes;
    size_t node_count; /* removed ones included */
    size_t node_capacity;
    uint32_t *links;
    size_t link_count;
    size_t link_capacity;
    struct buf bytes;
    size_t count; /* nodes in the list */
    uint32_t head[KEYSET_LEVELS];
    uint64_t random;
};

void keyset_init(struct keyset *set, size_t max_bytes);
void keyset_done(struct keyset *set);
/* Forgets everything; keeps at most @keep_bytes of memory in each array. */
void keyset_clear(struct keyset *set, size_t keep_bytes);

/* The node of @key; KEYSET_NONE when there is none. */
uint32_t keyset_find(const struct keyset *set, struct kvs_bytes key);
/* The first node >= @key (> with @exclusive); the last one < @key; the first, the last, the next. */
uint32_t keyset_at_least(const struct keyset *set, struct kvs_bytes key, bool exclusive);
uint32_t keyset_below(const struct keyset *set, struct kvs_bytes key);
uint32_t keyset_first(const struct keyset *set);
uint32_t keyset_next(const struct keyset *set, uint32_t node);

/* The node of @key, made when missing (*ret_new). KVS_NO_MEMORY, KVS_TOO_LONG. */
KVS_MUST_CHECK enum kvs_status keyset_put(struct keyset *set, struct kvs_bytes key, uint32_t *ret,
                                          bool *ret_new);
/* Copies @value to the node. KVS_NO_MEMORY, KVS_TOO_LONG. */
KVS_MUST_CHECK enum kvs_status keyset_set_value(struct keyset *set, uint32_t node,
                                                struct kvs_bytes value);
/* Takes the node out of the list. */
void keyset_remove(struct keyset *set, uint32_t node);

static inline struct keyset_node *keyset_at(struct keyset *set, uint32_t node)
{
    return &set->nodes[node];
}

static inline struct kvs_bytes keyset_key(const struct keyset *set, uint32_t node)
{
    return (struct kvs_bytes){ set->bytes.data + set->nodes[node].key_off,
                               set->nodes[node].key_len };
}

static inline struct kvs_bytes keyset_value(const struct keyset *set, uint32_t node)
{
    return (struct kvs_bytes){ set->bytes.data + set->nodes[node].value_off,
                               set->nodes[node].value_len };
}

/* ---- Ranges: key is the start, value the end; disjoint, neighbours may touch ---- */

/* Adds [start, end), merging it with what it meets. An empty range is nothing. */
KVS_MUST_CHECK enum kvs_status rangeset_add(struct keyset *set, struct kvs_bytes start,
                                            struct kvs_bytes end);
bool rangeset_covers(const struct keyset *set, struct kvs_bytes key);

/* Walks all invariants; false: broken. For tests. */
bool keyset_verify(const struct keyset *set);

#endif
