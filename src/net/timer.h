/*
 * timer.h - a set of timers ordered by due time: an intrusive pairing heap, so that setting one needs no memory and
 * cannot fail. The owner embeds struct timer and keeps it alive while it is set. One thread at a time.
 */
#ifndef NET_TIMER_H
#define NET_TIMER_H

#include <stdbool.h>
#include <stdint.h>

struct timer {
    uint64_t due_ns; /* monotonic */
    void (*fire)(struct timer *timer);
    void *ctx;
    bool is_set;
    /* private: the heap's links. prev is the parent for a first child, else the left sibling. */
    struct timer *child;
    struct timer *next;
    struct timer *prev;
};

struct timer_heap {
    struct timer *root;
};

/* Sets @timer, or moves it when it is set already. */
void timer_set(struct timer_heap *heap, struct timer *timer, uint64_t due_ns);

/* No effect when it is not set. */
void timer_cancel(struct timer_heap *heap, struct timer *timer);

/* The earliest due time; false: none is set. */
bool timer_next_due(const struct timer_heap *heap, uint64_t *ret_due_ns);

/* Takes the earliest timer that is due at @now_ns out of the heap; NULL: none is. */
struct timer *timer_take_due(struct timer_heap *heap, uint64_t now_ns);

#endif
