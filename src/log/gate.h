/*
 * gate.h - where threads sleep until something has moved on: an event count.
 *
 *     for (;;) {
 *         uint32_t ticket = gate_ticket(gate);
 *         if (what I wait for has come)
 *             break;
 *         gate_wait(gate, ticket, GATE_FOR_EVER);
 *     }
 *
 * Nobody holds a lock when he wakes up, so a crowd that was waiting for one sync leaves without meeting again (a condition
 * variable would send each of them through its mutex). Notifying costs a system call only while somebody sleeps.
 *
 * Threads: any.
 */
#ifndef LOG_GATE_H
#define LOG_GATE_H

#include <stdatomic.h>
#include <stdint.h>

struct gate {
    _Atomic uint32_t generation;
    _Atomic uint32_t sleepers;
};

#define GATE_FOR_EVER UINT64_MAX

/* Take it before looking at what is waited for. */
uint32_t gate_ticket(struct gate *gate);

/* Sleeps until a gate_notify() that came after gate_ticket(), or @timeout_ms; may wake up without cause. */
void gate_wait(struct gate *gate, uint32_t ticket, uint64_t timeout_ms);

/* Wakes everybody. What was changed before is seen by those who wake. */
void gate_notify(struct gate *gate);

#endif
