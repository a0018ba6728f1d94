/*
 * gate.c - the event count of gate.h on a futex.
 *
 * Why no wake-up is lost. A sleeper counts itself (S1), then sleeps only if the generation is still its ticket, which the
 * kernel compares under its own lock (S2). A notifier moves the generation (N1), then looks at the count (N2). S1, N1
 * and N2 are seq_cst: if N2 misses S1, then N1 is before S1 in the one order of all four, so S2 sees the new generation and
 * does not sleep. If N2 sees S1, the notifier makes the call that wakes.
 */
#include "log/gate.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

uint32_t gate_ticket(struct gate *gate)
{
    /* acquire: who sees a generation sees what was changed before it. pairs with: gate_notify */
    return atomic_load_explicit(&gate->generation, memory_order_acquire);
}

void gate_wait(struct gate *gate, uint32_t ticket, uint64_t timeout_ms)
{
    struct timespec timeout = {
        .tv_sec = (time_t)(timeout_ms / 1000),
        .tv_nsec = (long)(timeout_ms % 1000) * 1000000,
    };
    /* seq_cst: agrees with gate_notify on the order of counting and moving, see above. */
    atomic_fetch_add_explicit(&gate->sleepers, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&gate->generation, memory_order_seq_cst) == ticket) {
        /* Woken, timed out, interrupted or too late: the caller looks again whatever it was. */
        (void)syscall(SYS_futex, &gate->generation, FUTEX_WAIT_PRIVATE, ticket,
                      timeout_ms == GATE_FOR_EVER ? NULL : &timeout, NULL, 0);
    }
    atomic_fetch_sub_explicit(&gate->sleepers, 1,
                              memory_order_relaxed); /* relaxed: a count too high wakes nobody */
}

void gate_notify(struct gate *gate)
{
    /* seq_cst (and so release): see above. pairs with: gate_ticket */
    atomic_fetch_add_explicit(&gate->generation, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&gate->sleepers, memory_order_seq_cst) != 0)
        (void)syscall(SYS_futex, &gate->generation, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}
