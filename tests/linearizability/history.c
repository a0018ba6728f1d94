/*
 * history.c - the checker. A depth-first search over the orders that the times allow.
 *
 * The calls and returns stand in a list in the order of their times. The next operation of the order can be any whose call stands before
 * the first return in the list. Taking one lifts its call and return out; when the first return is reached and nothing before it
 * can be taken, the last one taken is put back. An operation of unknown outcome may also be dropped, when its return is reached.
 * A set of (operations taken, state) pairs already tried keeps the search from doing the same again; it keeps 128 bits of each.
 */
#include "tests/linearizability/history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct state {
    int64_t at[3];
};

static bool sees(const struct op *op, int64_t what)
{
    return op->unknown || op->answer == what;
}

/* Does @op fit @state? Then *next is the state behind it. */
static bool take_effect(const struct op *op, const struct state *state, struct state *next)
{
    *next = *state;
    switch (op->kind) {
    case OP_GET:
        return op->unknown || op->saw[op->key] == state->at[op->key];
    case OP_SET:
        next->at[op->key] = op->value;
        return true;
    case OP_DEL:
        next->at[op->key] = 0;
        return sees(op, state->at[op->key] != 0);
    case OP_CAS: {
        bool fits = state->at[op->key] == op->expected;
        if (fits)
            next->at[op->key] = op->value;
        return sees(op, fits);
    }
    case OP_INCR:
        next->at[2]++;
        return sees(op, next->at[2]);
    case OP_SET_BOTH:
        next->at[0] = op->value;
        next->at[1] = op->value;
        next->at[2]++;
        return sees(op, next->at[2]);
    case OP_READ_ALL:
        return op->unknown || memcmp(op->saw, state->at, sizeof state->at) == 0;
    case OP_CLEAR: {
        int there = (state->at[0] != 0) + (state->at[1] != 0) + (state->at[2] != 0);
        memset(next, 0, sizeof *next);
        return op->answer < 0 || sees(op, there);
    }
    }
    return false;
}

/* ---- States already tried ---- */

struct seen {
    struct mark {
        uint64_t low;
        uint64_t high;
    } * marks; /* {0, 0}: free */

    size_t count;
    size_t capacity;
};

static uint64_t mix(uint64_t x)
{
    x ^= x >> 33;
    x *= UINT64_C(0xff51afd7ed558ccd);
    x ^= x >> 33;
    x *= UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ x >> 33;
}

static struct mark mark_of_op(size_t op)
{
    return (struct mark){ mix(2 * op + 1), mix(2 * op + UINT64_C(0x9e3779b97f4a7c15)) };
}

static struct mark mark_of(struct mark taken, const struct state *state)
{
    uint64_t low = taken.low;
    uint64_t high = taken.high;
    for (int i = 0; i < 3; i++) {
        low = mix(low ^ (uint64_t)state->at[i] * UINT64_C(0x9e3779b97f4a7c15));
        high = mix(high + (uint64_t)state->at[i] + UINT64_C(0xd1b54a32d192ed03));
    }
    return (struct mark){ low, high | 1 };
}

static bool seen_grow(struct seen *seen)
{
    size_t capacity = seen->capacity == 0 ? 1024 : seen->capacity * 2;
    struct mark *marks = calloc(capacity, sizeof *marks);
    if (marks == NULL)
        return false;
    for (size_t i = 0; i < seen->capacity; i++) {
        if (seen->marks[i].high == 0)
            continue;
        size_t at = seen->marks[i].low & (capacity - 1);
        while (marks[at].high != 0)
            at = (at + 1) & (capacity - 1);
        marks[at] = seen->marks[i];
    }
    free(seen->marks);
    seen->marks = marks;
    seen->capacity = capacity;
    return true;
}

/* Adds @mark; false: it was there (or, with *failed, there is no memory). */
static bool seen_add(struct seen *seen, struct mark mark, bool *failed)
{
    if (seen->count * 2 >= seen->capacity && !seen_grow(seen)) {
        *failed = true;
        return false;
    }
    size_t at = mark.low & (seen->capacity - 1);
    for (; seen->marks[at].high != 0; at = (at + 1) & (seen->capacity - 1))
        if (seen->marks[at].low == mark.low && seen->marks[at].high == mark.high)
            return false;
    seen->marks[at] = mark;
    seen->count++;
    return true;
}

/* ---- The list of calls and returns ---- */

struct event {
    uint64_t ns;
    size_t op;
    bool is_return;
    struct event *before;
    struct event *after;
    struct event *other; /* of the same operation */
};

static int by_time(const void *left, const void *right)
{
    const struct event *a = left;
    const struct event *b = right;
    if (a->ns != b->ns)
        return a->ns < b->ns ? -1 : 1;
    return (int)a->is_return - (int)b->is_return; /* at the same time: they overlap */
}

static void unlink_event(struct event *event)
{
    event->before->after = event->after;
    if (event->after != NULL)
        event->after->before = event->before;
}

static void relink_event(struct event *event)
{
    event->before->after = event;
    if (event->after != NULL)
        event->after->before = event;
}

struct search {
    const struct op *ops;
    struct event head;
    struct event *events;
    struct event **by_op; /* the calls */

    struct taken {
        struct event *call;
        struct state before;
        bool dropped;
    } * stack;

    size_t depth;
    struct state state;
    struct mark taken;
    struct seen seen;
    bool gave_up;
};

static bool search_init(struct search *search, const struct op *ops, size_t count)
{
    *search = (struct search){ .ops = ops };
    search->events = calloc(2 * count + 1, sizeof *search->events);
    search->by_op = calloc(count + 1, sizeof *search->by_op);
    search->stack = calloc(count + 1, sizeof *search->stack);
    if (search->events == NULL || search->by_op == NULL || search->stack == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        search->events[2 * i] = (struct event){ .ns = ops[i].call_ns, .op = i };
        search->events[2 * i + 1] =
            (struct event){ .ns = ops[i].return_ns, .op = i, .is_return = true };
    }
    qsort(search->events, 2 * count, sizeof *search->events, by_time);
    struct event *last = &search->head;
    for (size_t i = 0; i < 2 * count; i++) {
        struct event *event = &search->events[i];
        event->before = last;
        last->after = event;
        last = event;
        if (!event->is_return) {
            search->by_op[event->op] = event;
        } else {
            event->other = search->by_op[event->op];
            event->other->other = event;
        }
    }
    return true;
}

static void search_done(struct search *search)
{
    free(search->events);
    free(search->by_op);
    free(search->stack);
    free(search->seen.marks);
}

/* Takes @call's operation (or drops it) as the next one, unless that was tried. */
static bool take(struct search *search, struct event *call, const struct state *next, bool drop)
{
    struct mark mark = mark_of_op(call->op);
    struct mark taken = { search->taken.low ^ mark.low, search->taken.high ^ mark.high };
    if (!seen_add(&search->seen, mark_of(taken, next), &search->gave_up))
        return false;
    search->stack[search->depth++] = (struct taken){ call, search->state, drop };
    search->state = *next;
    search->taken = taken;
    unlink_event(call);
    unlink_event(call->other);
    return true;
}

/* Puts the last one taken back; where the search goes on. NULL: there is none. */
static struct event *put_back(struct search *search)
{
    if (search->depth == 0)
        return NULL;
    struct taken *last = &search->stack[--search->depth];
    struct mark mark = mark_of_op(last->call->op);
    search->taken = (struct mark){ search->taken.low ^ mark.low, search->taken.high ^ mark.high };
    search->state = last->before;
    relink_event(last->call->other);
    relink_event(last->call);
    /* A drop is the last thing that is tried at its place. */
    return last->dropped ? last->call->other : last->call->after;
}

static bool search_run(struct search *search)
{
    struct event *at = search->head.after;
    bool tried_drop = false;
    while (search->head.after != NULL && !search->gave_up) {
        const struct op *op = &search->ops[at->op];
        struct state next;
        if (!at->is_return) {
            if (take_effect(op, &search->state, &next) && take(search, at, &next, false))
                at = search->head.after;
            else
                at = at->after;
            continue;
        }
        if (op->unknown && !tried_drop && take(search, at->other, &search->state, true)) {
            at = search->head.after;
            continue;
        }
        tried_drop = search->depth > 0 && search->stack[search->depth - 1].dropped;
        at = put_back(search);
        if (at == NULL)
            return false;
    }
    return !search->gave_up;
}

bool history_is_linearizable(const struct op *ops, size_t count, bool *ret_gave_up)
{
    struct search search;
    bool fits = search_init(&search, ops, count);
    *ret_gave_up = !fits;
    if (fits) {
        fits = search_run(&search);
        *ret_gave_up = search.gave_up;
    }
    search_done(&search);
    return fits;
}

/* ---- Showing ---- */

static int by_call(const void *left, const void *right)
{
    const struct op *a = *(const struct op *const *)left;
    const struct op *b = *(const struct op *const *)right;
    return a->call_ns < b->call_ns ? -1 : a->call_ns > b->call_ns;
}

void history_print(const struct op *ops, size_t count)
{
    static const char *const names[] = { "GET",  "SET",      "DEL",      "CAS",
                                         "INCR", "SET_BOTH", "READ_ALL", "CLEAR" };
    const struct op **order = calloc(count + 1, sizeof *order);
    if (order == NULL)
        return;
    for (size_t i = 0; i < count; i++)
        order[i] = &ops[i];
    qsort(order, count, sizeof *order, by_call);
    for (size_t i = 0; i < count; i++) {
        const struct op *op = order[i];
        fprintf(stderr,
                "%12" PRIu64 " %12" PRIu64 " %-8s g%u %c value %u expected %u answer %" PRId64
                " saw %" PRId64 " %" PRId64 " %" PRId64 "%s\n",
                op->call_ns / 1000, op->return_ns / 1000, names[op->kind], op->group,
                op->key == 0 ? 'a' : 'b', op->value, op->expected, op->answer, op->saw[0],
                op->saw[1], op->saw[2], op->unknown ? " unknown" : "");
    }
    free(order);
}
