/*
 * keyset.c - the skip list.
 *
 * Invariant: level 0 links every node in the set in ascending order; each level above links a subset of the one below. A removed
 * node stays in the arrays, unlinked, until the set is cleared.
 */
#include "store/keyset.h"

#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/hash.h"

enum {
    NODES_MAX = 4 * KVS_BATCH_OPS_MAX, /* removed ones included */
};

void keyset_init(struct keyset *set, size_t max_bytes)
{
    *set = (struct keyset){ .random = hash_u64((uint64_t)(uintptr_t)set) | 1 };
    buf_init(&set->bytes, max_bytes);
    for (unsigned i = 0; i < KEYSET_LEVELS; i++)
        set->head[i] = KEYSET_NONE;
}

void keyset_done(struct keyset *set)
{
    free(set->nodes);
    free(set->links);
    buf_done(&set->bytes);
}

void keyset_clear(struct keyset *set, size_t keep_bytes)
{
    if (set->node_count == 0)
        return;
    set->node_count = set->link_count = set->count = 0;
    buf_truncate(&set->bytes, 0);
    buf_shrink(&set->bytes, keep_bytes);
    if (set->node_capacity * sizeof *set->nodes > keep_bytes) {
        free(set->nodes);
        set->nodes = NULL;
        set->node_capacity = 0;
    }
    if (set->link_capacity * sizeof *set->links > keep_bytes) {
        free(set->links);
        set->links = NULL;
        set->link_capacity = 0;
    }
    for (unsigned i = 0; i < KEYSET_LEVELS; i++)
        set->head[i] = KEYSET_NONE;
}

/* The link of @node (KEYSET_NONE: the head) at @level. */
static uint32_t link_get(const struct keyset *set, uint32_t node, unsigned level)
{
    return node == KEYSET_NONE ? set->head[level] : set->links[set->nodes[node].links_off + level];
}

static void link_set(struct keyset *set, uint32_t node, unsigned level, uint32_t to)
{
    if (node == KEYSET_NONE)
        set->head[level] = to;
    else
        set->links[set->nodes[node].links_off + level] = to;
}

/* The last node before @key on each level (@or_equal: at most @key on it); returns that of level 0. */
static uint32_t walk(const struct keyset *set, struct kvs_bytes key, bool or_equal,
                     uint32_t path[KEYSET_LEVELS])
{
    uint32_t node = KEYSET_NONE;
    for (unsigned level = KEYSET_LEVELS; level-- > 0;) {
        for (;;) {
            uint32_t next = link_get(set, node, level);
            if (next == KEYSET_NONE)
                break;
            int order = bytes_compare(keyset_key(set, next), key);
            if (order > 0 || (order == 0 && !or_equal))
                break;
            node = next;
        }
        if (path != NULL)
            path[level] = node;
    }
    return node;
}

uint32_t keyset_at_least(const struct keyset *set, struct kvs_bytes key, bool exclusive)
{
    if (set->count == 0)
        return KEYSET_NONE;
    return link_get(set, walk(set, key, exclusive, NULL), 0);
}

uint32_t keyset_below(const struct keyset *set, struct kvs_bytes key)
{
    return set->count == 0 ? KEYSET_NONE : walk(set, key, false, NULL);
}

uint32_t keyset_find(const struct keyset *set, struct kvs_bytes key)
{
    uint32_t node = keyset_at_least(set, key, false);
    return node != KEYSET_NONE && bytes_equal(keyset_key(set, node), key) ? node : KEYSET_NONE;
}

uint32_t keyset_first(const struct keyset *set)
{
    return set->head[0];
}

uint32_t keyset_next(const struct keyset *set, uint32_t node)
{
    return link_get(set, node, 0);
}

/* One in four nodes is one level higher than the rest. */
static uint8_t random_height(struct keyset *set)
{
    set->random ^= set->random << 13;
    set->random ^= set->random >> 7;
    set->random ^= set->random << 17;
    uint64_t bits = set->random;
    uint8_t height = 1;
    while (height < KEYSET_LEVELS && (bits & 3) == 0) {
        height++;
        bits >>= 2;
    }
    return height;
}

static enum kvs_status grow(void **array, size_t *capacity, size_t count, size_t size)
{
    if (count <= *capacity)
        return KVS_OK;
    size_t grown = *capacity < 16 ? 16 : *capacity * 2;
    if (grown < count)
        grown = count;
    void *bigger = reallocarray(*array, grown, size);
    if (bigger == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "%zu elements of %zu bytes", grown, size);
    *array = bigger;
    *capacity = grown;
    return KVS_OK;
}

/* Room in the byte array; a failure is not sticky here, the owner's is. */
static enum kvs_status reserve_bytes(struct keyset *set, size_t len)
{
    enum kvs_status status = buf_reserve(&set->bytes, len);
    if (status != KVS_OK)
        buf_truncate(&set->bytes, set->bytes.len);
    return status;
}

enum kvs_status keyset_put(struct keyset *set, struct kvs_bytes key, uint32_t *ret, bool *ret_new)
{
    uint32_t path[KEYSET_LEVELS];
    uint32_t before = walk(set, key, false, path);
    uint32_t there = link_get(set, before, 0);
    *ret_new = there == KEYSET_NONE || !bytes_equal(keyset_key(set, there), key);
    if (!*ret_new) {
        *ret = there;
        return KVS_OK;
    }
    if (set->node_count == NODES_MAX)
        return fail(KVS_TOO_LONG, 0, "transaction over %d keys", NODES_MAX);
    uint8_t height = random_height(set);
    enum kvs_status status =
        grow((void **)&set->nodes, &set->node_capacity, set->node_count + 1, sizeof *set->nodes);
    if (status == KVS_OK)
        status = grow((void **)&set->links, &set->link_capacity, set->link_count + height,
                      sizeof *set->links);
    if (status == KVS_OK)
        status = reserve_bytes(set, key.len);
    if (status != KVS_OK)
        return status;

    uint32_t node = (uint32_t)set->node_count++;
    set->nodes[node] = (struct keyset_node){
        .key_off = (uint32_t)set->bytes.len,
        .key_len = (uint32_t)key.len,
        .links_off = (uint32_t)set->link_count,
        .height = height,
    };
    set->link_count += height;
    buf_append_bytes(&set->bytes, key);
    for (unsigned level = 0; level < height; level++) {
        link_set(set, node, level, link_get(set, path[level], level));
        link_set(set, path[level], level, node);
    }
    set->count++;
    *ret = node;
    return KVS_OK;
}

enum kvs_status keyset_set_value(struct keyset *set, uint32_t node, struct kvs_bytes value)
{
    struct keyset_node *to = &set->nodes[node];
    if (value.len > to->value_room) {
        /* A value that grows again and again gets room ahead, so that what it leaves behind stays in proportion. */
        size_t room = to->value_room == 0 ? value.len : 2 * (size_t)to->value_room;
        if (room < value.len)
            room = value.len;
        enum kvs_status status = reserve_bytes(set, room);
        if (status != KVS_OK)
            return status;
        to->value_off = (uint32_t)set->bytes.len;
        to->value_room = (uint32_t)room;
        memcpy(set->bytes.data + set->bytes.len, value.data, value.len);
        memset(set->bytes.data + set->bytes.len + value.len, 0, room - value.len);
        set->bytes.len += room;
    } else if (value.len != 0) {
        memcpy(set->bytes.data + to->value_off, value.data, value.len);
    }
    to->value_len = (uint32_t)value.len;
    return KVS_OK;
}

void keyset_remove(struct keyset *set, uint32_t node)
{
    uint32_t path[KEYSET_LEVELS];
    (void)walk(set, keyset_key(set, node), false, path);
    for (unsigned level = 0; level < set->nodes[node].height; level++)
        link_set(set, path[level], level, link_get(set, node, level));
    set->count--;
}

enum kvs_status rangeset_add(struct keyset *set, struct kvs_bytes start, struct kvs_bytes end)
{
    if (bytes_compare(start, end) >= 0)
        return KVS_OK;
    /* The range that begins at or before ours, if it reaches us, grows; else a new one begins. */
    uint32_t node = set->count == 0 ? KEYSET_NONE : walk(set, start, true, NULL);
    if (node == KEYSET_NONE || bytes_compare(keyset_value(set, node), start) <= 0) {
        bool new;
        enum kvs_status status = keyset_put(set, start, &node, &new);
        if (status == KVS_OK)
            status = keyset_set_value(set, node, end);
        if (status != KVS_OK)
            return status;
    } else if (bytes_compare(keyset_value(set, node), end) < 0) {
        enum kvs_status status = keyset_set_value(set, node, end);
        if (status != KVS_OK)
            return status;
    } else {
        return KVS_OK;
    }
    /* It swallows those that begin within it. Neighbours stay apart, so a range never grows beyond its key space. */
    for (;;) {
        uint32_t next = keyset_next(set, node);
        if (next == KEYSET_NONE ||
            bytes_compare(keyset_key(set, next), keyset_value(set, node)) >= 0)
            return KVS_OK;
        if (bytes_compare(keyset_value(set, next), keyset_value(set, node)) > 0) {
            /* Taken over without a copy: the bytes of a removed node stay where they are. */
            set->nodes[node].value_off = set->nodes[next].value_off;
            set->nodes[node].value_len = set->nodes[next].value_len;
            set->nodes[node].value_room = set->nodes[next].value_len;
        }
        keyset_remove(set, next);
    }
}

bool rangeset_covers(const struct keyset *set, struct kvs_bytes key)
{
    if (set->count == 0)
        return false;
    uint32_t node = walk(set, key, true, NULL);
    return node != KEYSET_NONE && bytes_compare(key, keyset_value(set, node)) < 0;
}

bool keyset_verify(const struct keyset *set)
{
    for (unsigned level = 0; level < KEYSET_LEVELS; level++) {
        size_t count = 0;
        uint32_t node = set->head[level];
        for (; node != KEYSET_NONE; node = link_get(set, node, level), count++) {
            uint32_t next = link_get(set, node, level);
            if (set->nodes[node].height <= level)
                return false;
            if (next != KEYSET_NONE &&
                bytes_compare(keyset_key(set, node), keyset_key(set, next)) >= 0)
                return false;
        }
        if (level == 0 ? count != set->count : count > set->count)
            return false;
    }
    return true;
}
