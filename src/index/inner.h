/*
 * inner.h - inner nodes: up to 128 children and the separators between them.
 *
 * A node never changes but for its child pointers: for everything else a new one is built and takes its place. Child i holds
 * the keys >= separator i - 1 and < separator i. Level 1 has leaves as children. One block of memory:
 *
 *     head | heads: 8 bytes for each separator | children | places: of each separator | bytes of the separators
 *
 * A head is the first eight bytes of a separator behind the prefix they all share, as a big-endian number, so most
 * comparisons are of numbers lying side by side. Separators over SEPARATOR_NEAR_MAX bytes are kept out of line, and
 * carried from node to node by their address: each belongs to the one node of the tree that has it.
 *
 * Threads: the search functions any thread's, inside an epoch section; the rest is the mutator's.
 */
#ifndef INDEX_INNER_H
#define INDEX_INNER_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <kvs/status.h>

#include "concurrent/epoch.h"
#include "index/memory.h"

enum {
    INNER_CHILDREN_MAX = 128,
    INNER_CHILDREN_MIN = 16, /* of a node that is not the root */
    SEPARATOR_NEAR_MAX = 40,
};

/* A long separator. */
struct far {
    struct epoch_node retired;
    struct memory *memory;
    size_t len;
    char data[];
};

struct inner {
    uint16_t count; /* of children */
    uint16_t level;
    uint32_t prefix_bytes; /* what all separators begin with */
    const char *prefix;
    struct memory *memory;
    uint64_t bytes;
    struct epoch_node retired;
    uint64_t words[];
};

static_assert(sizeof(struct inner) == 64, "the heads begin where the second cache line does");

/* Where a separator lies: @off from the node's start. Over SEPARATOR_NEAR_MAX bytes: the address of its struct far. */
struct separator_place {
    uint32_t off;
    uint32_t len;
};

/* A separator as it is handed around. Its bytes are lent by the node, the far block or the stack it comes from. */
struct separator {
    struct kvs_bytes bytes;
    struct far *far; /* NULL: a near one */
};

/* What a node is built from: child i, and before it, for i > 0, separator i. */
struct inner_list {
    unsigned count;
    void *children[2 * INNER_CHILDREN_MAX + 2];
    struct separator separators[2 * INNER_CHILDREN_MAX + 2];
};

/* Starts loading what inner_search() looks at first: the head of the node, and the heads. */
static inline void inner_prefetch(const struct inner *inner)
{
    for (unsigned i = 0; i < 12; i++)
        __builtin_prefetch((const char *)inner + i * 64);
}

/* A child's place in a node. */
static inline _Atomic(void *) *inner_child_at(struct inner *inner, unsigned i)
{
    return (_Atomic(void *) *)(void *)(inner->words + inner->count - 1) + i;
}

/* A struct inner, or a struct leaf when the node's level is 1. */
static inline void *inner_child(struct inner *inner, unsigned i)
{
    /* acquire: the child's content. pairs with: inner_set_child */
    return atomic_load_explicit(inner_child_at(inner, i), memory_order_acquire);
}

/* The first eight bytes as a number that compares as they do. */
static inline uint64_t head_of(const char *data, size_t len)
{
    uint64_t head = 0;
    if (len >= sizeof head)
        memcpy(&head, data, sizeof head);
    else if (len > 0)
        memcpy(&head, data, len);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    head = __builtin_bswap64(head);
#endif
    return head;
}

/* How many first bytes the two have in common. */
static inline size_t common_bytes(struct kvs_bytes a, struct kvs_bytes b)
{
    size_t max = a.len < b.len ? a.len : b.len;
    const char *left = a.data;
    const char *right = b.data;
    size_t common = 0;
    while (common < max && left[common] == right[common])
        common++;
    return common;
}

/* Separator @i, 0..count - 2, which lies between children i and i + 1. */
struct separator inner_separator(const struct inner *inner, unsigned i);

/* The child that holds @key; with @below the child that holds the keys right before it. */
unsigned inner_search(const struct inner *inner, struct kvs_bytes key, bool below);

/* ---- The mutator's ---- */

/* Puts the finished node @child in place of child @i. */
static inline void inner_set_child(struct inner *inner, unsigned i, void *child)
{
    /* release: the child's content. pairs with: inner_child */
    atomic_store_explicit(inner_child_at(inner, i), child, memory_order_release);
}

/* Appends all of the node to the list; what the list had is separated from it by @between. */
void inner_list_append(struct inner_list *list, struct inner *inner, struct separator between);

void inner_list_extend(struct inner_list *list, const struct inner_list *more,
                       struct separator between);

/* Replaces @removed children from number @at on, and the separators between them, by one or two nodes, @added, the
 * second of which is separated from the first by @between. */
void inner_list_replace(struct inner_list *list, unsigned at, unsigned removed, void *const *added,
                        unsigned added_count, struct separator between);

/* A node of @count children from @first on. NULL when there is no memory. */
struct inner *inner_build(struct memory *memory, const struct inner_list *list, unsigned first,
                          unsigned count, unsigned level);

/* Frees the node alone. */
void inner_free(struct inner *inner);

/* A far separator with this content, or NULL. */
struct far *far_new(struct memory *memory, struct kvs_bytes bytes);
void far_free(struct far *far);

#endif
