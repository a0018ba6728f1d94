/*
 * gate.h - lets one transaction lock all other writers out for a while, at next to no cost for writers when nobody does.
 *
 * Writers pass with gate_enter()/gate_leave() around their engine call (not around their wait for durability). A holder
 * closes the gate, which waits until every writer inside has left, and opens it again. Thread: any; the holder may close and
 * open on different threads. Not recursive: a holder's own writes go past the gate.
 */
#ifndef STORE_GATE_H
#define STORE_GATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <kvs/status.h>

#include "concurrent/mutex.h"

enum {
    GATE_STRIPES = 16,
    GATE_LINE_BYTES = 64
};

struct gate_stripe {
    _Alignas(GATE_LINE_BYTES)
        atomic_uint inside; /* writers that entered through this stripe and have not left */
};

struct gate {
    struct gate_stripe stripes[GATE_STRIPES];
    _Alignas(GATE_LINE_BYTES) atomic_bool closed;
    struct mutex mu;
    struct cond changed;
    bool held GUARDED_BY(mu);
    uint64_t closings GUARDED_BY(mu); /* for stats */
};

void gate_init(struct gate *gate);
void gate_done(struct gate *gate);

/* KVS_WOULD_BLOCK: the gate is closed (only with @no_block). @ret_stripe goes to gate_leave(). */
KVS_MUST_CHECK enum kvs_status gate_enter(struct gate *gate, bool no_block, unsigned *ret_stripe);
void gate_leave(struct gate *gate, unsigned stripe);

/* Waits for another holder, closes the gate, waits for the writers inside. */
void gate_close(struct gate *gate);
void gate_open(struct gate *gate);

uint64_t gate_closings(struct gate *gate);

#endif
