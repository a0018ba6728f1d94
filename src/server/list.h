/*
 * list.h - a doubly linked list through nodes embedded in the members. An unlinked node points to itself.
 */
#ifndef SERVER_LIST_H
#define SERVER_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list_node {
    struct list_node *next;
    struct list_node *prev;
};

static inline void list_init(struct list_node *node)
{
    node->next = node->prev = node;
}

/* True for an empty list, and for a node that is in none. */
static inline bool list_empty(const struct list_node *node)
{
    return node->next == node;
}

static inline void list_append(struct list_node *list, struct list_node *node)
{
    node->prev = list->prev;
    node->next = list;
    list->prev->next = node;
    list->prev = node;
}

/* Of a node that is in no list: no effect. */
static inline void list_remove(struct list_node *node)
{
    node->next->prev = node->prev;
    node->prev->next = node->next;
    list_init(node);
}

/* Moves all members to the end of @to. */
static inline void list_move_all(struct list_node *from, struct list_node *to)
{
    while (!list_empty(from)) {
        struct list_node *node = from->next;
        list_remove(node);
        list_append(to, node);
    }
}

#define list_member(node, type, field) ((type *)(void *)((char *)(node)-offsetof(type, field)))

#endif
