/*
 * timer.c - an intrusive pairing heap (Fredman, Sedgewick, Sleator, Tarjan 1986).
 *
 * Invariant: a node is due no later than its children; a first child's prev is its parent, any other child's prev is its left
 *            sibling; the root has neither prev nor next.
 */
#include "net/timer.h"

#include <stddef.h>

#include "base/check.h"

/* Joins two roots: the later one becomes the first child of the earlier one. */
static struct timer *meld(struct timer *a, struct timer *b)
{
    if (a == NULL)
        return b;
    if (b == NULL)
        return a;
    if (b->due_ns < a->due_ns) {
        struct timer *swap = a;
        a = b;
        b = swap;
    }
    b->prev = a;
    b->next = a->child;
    if (a->child != NULL)
        a->child->prev = b;
    a->child = b;
    a->next = NULL;
    a->prev = NULL;
    return a;
}

/* Joins a list of siblings in two passes: pairs from the left, then all pairs from the right. */
static struct timer *meld_siblings(struct timer *first)
{
    struct timer *pairs = NULL; /* linked through next, last pair first */
    while (first != NULL) {
        struct timer *a = first;
        struct timer *b = a->next;
        first = b == NULL ? NULL : b->next;
        a->next = a->prev = NULL;
        if (b != NULL)
            b->next = b->prev = NULL;
        struct timer *pair = meld(a, b);
        pair->next = pairs;
        pairs = pair;
    }
    struct timer *root = NULL;
    while (pairs != NULL) {
        struct timer *pair = pairs;
        pairs = pair->next;
        pair->next = NULL;
        root = meld(root, pair);
    }
    return root;
}

void timer_cancel(struct timer_heap *heap, struct timer *timer)
{
    if (!timer->is_set)
        return;
    struct timer *children = timer->child;
    timer->child = NULL;
    if (heap->root == timer) {
        heap->root = meld_siblings(children);
    } else {
        if (timer->prev->child == timer)
            timer->prev->child = timer->next;
        else
            timer->prev->next = timer->next;
        if (timer->next != NULL)
            timer->next->prev = timer->prev;
        heap->root = meld(heap->root, meld_siblings(children));
    }
    timer->next = timer->prev = NULL;
    timer->is_set = false;
}

void timer_set(struct timer_heap *heap, struct timer *timer, uint64_t due_ns)
{
    ASSERT(timer->fire != NULL);
    timer_cancel(heap, timer);
    timer->due_ns = due_ns;
    timer->child = timer->next = timer->prev = NULL;
    timer->is_set = true;
    heap->root = meld(heap->root, timer);
}

bool timer_next_due(const struct timer_heap *heap, uint64_t *ret_due_ns)
{
    if (heap->root == NULL)
        return false;
    *ret_due_ns = heap->root->due_ns;
    return true;
}

struct timer *timer_take_due(struct timer_heap *heap, uint64_t now_ns)
{
    struct timer *timer = heap->root;
    if (timer == NULL || timer->due_ns > now_ns)
        return NULL;
    timer_cancel(heap, timer);
    return timer;
}
