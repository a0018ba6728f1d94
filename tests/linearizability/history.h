/*
 * history.h - what concurrent clients did and saw, and whether one order of it explains everything they saw.
 *
 * Keys come in groups of three: two registers, `a` and `b`, and a counter `c`. Every operation touches one group, so each group is an
 * object of its own: a history is linearizable when each group's is (locality).
 */
#ifndef TESTS_LINEARIZABILITY_HISTORY_H
#define TESTS_LINEARIZABILITY_HISTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum op_kind {
    OP_GET,      /* saw[key] */
    OP_SET,      /* value */
    OP_DEL,      /* answer: 1 it was there, 0 it was not */
    OP_CAS,      /* expected, value; answer: 1 done, 0 not */
    OP_INCR,     /* answer: the counter now */
    OP_SET_BOTH, /* MULTI: both registers to value, the counter incremented; answer: the counter now */
    OP_READ_ALL, /* saw: all three, by one command or one MULTI */
    OP_CLEAR,    /* all three removed by one DELPREFIX; answer: how many there were, -1: not told */
};

struct op {
    enum op_kind kind;
    uint8_t group;
    uint8_t key;  /* 0: a, 1: b */
    bool unknown; /* the connection was lost: it may have taken effect before return_ns, or never */
    uint64_t call_ns;
    uint64_t return_ns;
    uint32_t value; /* numbers that stand for values; 0: absent */
    uint32_t expected;
    int64_t answer;
    int64_t saw[3];
};

/*
 * Is there an order of @ops (of one group; any order in the array) in which each takes effect between its call and its return and
 * sees what it saw, all keys being absent at first? (Wing and Gong's search with Lowe's memory of states already visited.) False, also
 * when memory is missing (then *ret_gave_up).
 */
bool history_is_linearizable(const struct op *ops, size_t count, bool *ret_gave_up);

/* Prints the operations in the order of their calls. */
void history_print(const struct op *ops, size_t count);

#endif
