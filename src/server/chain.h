/*
 * chain.h - a hash table of structs that carry its node: no memory of theirs is owned here, and growing never fails an insertion (the
 * chains only get longer). Who finds it decides what is equal: chain_first() and chain_next() give all with a hash.
 *
 * Thread: one at a time.
 */
#ifndef SERVER_CHAIN_H
#define SERVER_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kvs/status.h>

struct chain_node {
    struct chain_node *next;
    uint64_t hash;
};

struct chain {
    struct chain_node **slots;
    size_t slot_count; /* a power of two */
    size_t count;
};

KVS_MUST_CHECK enum kvs_status chain_init(struct chain *chain);
void chain_done(struct chain *chain); /* the members are the caller's */

void chain_add(struct chain *chain, struct chain_node *node, uint64_t hash);
void chain_remove(struct chain *chain, struct chain_node *node); /* it must be in it */

struct chain_node *chain_first(const struct chain *chain, uint64_t hash);
struct chain_node *chain_next(const struct chain_node *node); /* of the same hash */

/* Walks all: @slot begins at 0; NULL at the end. The one returned may be removed before the next call. */
struct chain_walk {
    size_t slot;
    struct chain_node *next;
};

struct chain_node *chain_walk(const struct chain *chain, struct chain_walk *walk);

#endif
