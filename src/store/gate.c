/*
 * gate.c - the gate between writers and a transaction that must not fail again.
 *
 * Why striped counters and not a read-write lock: a pthread_rwlock is one cache line that every writer would write twice; here
 * a writer writes a line that it mostly has to itself and only reads the shared flag, which changes when a transaction has
 * conflicted many times in a row, that is almost never.
 *
 * Why it is right. A writer increments its stripe and then looks at closed; a holder sets closed and then looks at the
 * stripes. All four are seq_cst, so in their one total order either the increment comes before the holder's look, and the
 * holder waits for it, or the store of closed comes before the writer's look, and the writer turns back. Both cannot miss.
 * Why nobody sleeps for ever. The holder looks at the stripes under mu and sleeps on changed, which gives mu up. A writer
 * that leaves decrements first and then looks at closed: if the holder did not see the decrement, closed had been set before,
 * so the writer sees it and broadcasts under mu, which it gets only once the holder sleeps. Writers sleep until held is false,
 * under the same mutex.
 */
#include "store/gate.h"

#include "base/check.h"
#include "base/hash.h"

/* Threads spread over the stripes by the address of something each has its own of. */
static unsigned stripe_of_thread(void)
{
    static _Thread_local char mine;
    return (unsigned)(hash_u64((uint64_t)(uintptr_t)&mine) % GATE_STRIPES);
}

void gate_init(struct gate *gate)
{
    for (unsigned i = 0; i < GATE_STRIPES; i++)
        atomic_init(&gate->stripes[i].inside, 0);
    atomic_init(&gate->closed, false);
    mutex_init(&gate->mu);
    cond_init(&gate->changed);
    gate->held = false;
    gate->closings = 0;
}

void gate_done(struct gate *gate)
{
    cond_done(&gate->changed);
    mutex_done(&gate->mu);
}

enum kvs_status gate_enter(struct gate *gate, bool no_block, unsigned *ret_stripe)
{
    unsigned stripe = stripe_of_thread();
    for (;;) {
        /* seq_cst: before the look at closed, see the head of the file. pairs with: gate_close */
        atomic_fetch_add_explicit(&gate->stripes[stripe].inside, 1, memory_order_seq_cst);
        if (likely(!atomic_load_explicit(&gate->closed, memory_order_seq_cst))) {
            *ret_stripe = stripe;
            return KVS_OK;
        }
        gate_leave(gate, stripe);
        if (no_block)
            return KVS_WOULD_BLOCK;
        mutex_lock(&gate->mu);
        while (gate->held)
            cond_wait(&gate->changed, &gate->mu);
        mutex_unlock(&gate->mu);
    }
}

void gate_leave(struct gate *gate, unsigned stripe)
{
    /* seq_cst: before the look at closed; also a release of what the writer did. pairs with: gate_close */
    unsigned before =
        atomic_fetch_sub_explicit(&gate->stripes[stripe].inside, 1, memory_order_seq_cst);
    ASSERT(before > 0);
    (void)before;
    if (likely(!atomic_load_explicit(&gate->closed, memory_order_seq_cst)))
        return;
    mutex_lock(&gate->mu);
    cond_broadcast(&gate->changed);
    mutex_unlock(&gate->mu);
}

static bool anybody_inside(struct gate *gate)
{
    for (unsigned i = 0; i < GATE_STRIPES; i++)
        if (atomic_load_explicit(&gate->stripes[i].inside, memory_order_seq_cst) != 0)
            return true;
    return false;
}

void gate_close(struct gate *gate)
{
    mutex_lock(&gate->mu);
    while (gate->held)
        cond_wait(&gate->changed, &gate->mu);
    gate->held = true;
    gate->closings++;
    /* seq_cst: before the look at the stripes, see the head of the file. pairs with: gate_enter, gate_leave */
    atomic_store_explicit(&gate->closed, true, memory_order_seq_cst);
    while (anybody_inside(gate))
        cond_wait(&gate->changed, &gate->mu);
    mutex_unlock(&gate->mu);
}

void gate_open(struct gate *gate)
{
    mutex_lock(&gate->mu);
    CHECK(gate->held);
    gate->held = false;
    /* seq_cst: as strong as its other accesses; a writer that still reads true finds held false under mu */
    atomic_store_explicit(&gate->closed, false, memory_order_seq_cst);
    cond_broadcast(&gate->changed);
    mutex_unlock(&gate->mu);
}

uint64_t gate_closings(struct gate *gate)
{
    mutex_lock(&gate->mu);
    uint64_t closings = gate->closings;
    mutex_unlock(&gate->mu);
    return closings;
}
