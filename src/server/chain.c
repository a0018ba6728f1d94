/*
 * chain.c - the table of chain.h.
 */
#include "server/chain.h"

#include <errno.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/fail.h"

enum {
    SLOTS_MIN = 16
};

enum kvs_status chain_init(struct chain *chain)
{
    *chain = (struct chain){ .slot_count = SLOTS_MIN };
    chain->slots = calloc(SLOTS_MIN, sizeof *chain->slots);
    return chain->slots != NULL ? KVS_OK : fail(KVS_NO_MEMORY, ENOMEM, "a table");
}

void chain_done(struct chain *chain)
{
    free(chain->slots);
    *chain = (struct chain){ 0 };
}

static void put(struct chain_node **slots, size_t slot_count, struct chain_node *node)
{
    struct chain_node **slot = &slots[node->hash & (slot_count - 1)];
    node->next = *slot;
    *slot = node;
}

/* Without memory it stays as it is. */
static void resize(struct chain *chain, size_t slot_count)
{
    struct chain_node **slots = calloc(slot_count, sizeof *slots);
    if (slots == NULL)
        return;
    for (size_t i = 0; i < chain->slot_count; i++) {
        while (chain->slots[i] != NULL) {
            struct chain_node *node = chain->slots[i];
            chain->slots[i] = node->next;
            put(slots, slot_count, node);
        }
    }
    free(chain->slots);
    chain->slots = slots;
    chain->slot_count = slot_count;
}

void chain_add(struct chain *chain, struct chain_node *node, uint64_t hash)
{
    if (chain->count >= chain->slot_count)
        resize(chain, chain->slot_count * 2);
    node->hash = hash;
    put(chain->slots, chain->slot_count, node);
    chain->count++;
}

void chain_remove(struct chain *chain, struct chain_node *node)
{
    struct chain_node **at = &chain->slots[node->hash & (chain->slot_count - 1)];
    while (*at != node) {
        CHECK(*at != NULL);
        at = &(*at)->next;
    }
    *at = node->next;
    chain->count--;
    if (chain->slot_count > SLOTS_MIN && chain->count < chain->slot_count / 8)
        resize(chain, chain->slot_count / 4);
}

static struct chain_node *with_hash(struct chain_node *node, uint64_t hash)
{
    while (node != NULL && node->hash != hash)
        node = node->next;
    return node;
}

struct chain_node *chain_first(const struct chain *chain, uint64_t hash)
{
    return with_hash(chain->slots[hash & (chain->slot_count - 1)], hash);
}

struct chain_node *chain_next(const struct chain_node *node)
{
    return with_hash(node->next, node->hash);
}

struct chain_node *chain_walk(const struct chain *chain, struct chain_walk *walk)
{
    while (walk->next == NULL && walk->slot < chain->slot_count)
        walk->next = chain->slots[walk->slot++];
    struct chain_node *node = walk->next;
    if (node != NULL)
        walk->next = node->next;
    return node;
}
