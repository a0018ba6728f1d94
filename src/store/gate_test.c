/*
 * gate_test.c - nobody is inside while the gate is closed, and nobody waits for ever.
 */
#include <sched.h>

#include "store/gate.h"
#include "tests/harness/test.h"

enum {
    WRITERS = 4,
    HOLDERS = 2,
    ROUNDS = 2000
};

static struct gate gate;
static atomic_int inside; /* writers */
static atomic_int held;
static atomic_int wrong;

static void *write_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        unsigned stripe;
        enum kvs_status status = gate_enter(&gate, i % 3 == 0, &stripe);
        if (status == KVS_WOULD_BLOCK)
            continue;
        /* relaxed: the gate itself is what orders these */
        atomic_fetch_add_explicit(&inside, 1, memory_order_relaxed);
        if (status != KVS_OK || atomic_load_explicit(&held, memory_order_relaxed) != 0)
            atomic_fetch_add_explicit(&wrong, 1, memory_order_relaxed);
        atomic_fetch_sub_explicit(&inside, 1, memory_order_relaxed);
        gate_leave(&gate, stripe);
    }
    return NULL;
}

static void *hold_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < ROUNDS / 10; i++) {
        gate_close(&gate);
        if (atomic_fetch_add_explicit(&held, 1, memory_order_relaxed) != 0 ||
            atomic_load_explicit(&inside, memory_order_relaxed) != 0)
            atomic_fetch_add_explicit(&wrong, 1, memory_order_relaxed);
        atomic_fetch_sub_explicit(&held, 1, memory_order_relaxed);
        gate_open(&gate);
    }
    return NULL;
}

TEST(writers_and_holders_exclude_each_other)
{
    pthread_t threads[WRITERS + HOLDERS];
    gate_init(&gate);
    for (int i = 0; i < WRITERS + HOLDERS; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, i < WRITERS ? write_often : hold_often, NULL), 0);
    for (int i = 0; i < WRITERS + HOLDERS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load_explicit(&wrong, memory_order_relaxed), 0);
    assert_int_equal(gate_closings(&gate), HOLDERS * (ROUNDS / 10));
    gate_done(&gate);
}

static void *close_once(void *arg)
{
    gate_close(&gate);
    /* release: pairs with the load in the test below */
    atomic_store_explicit((atomic_bool *)arg, true, memory_order_release);
    gate_open(&gate);
    return NULL;
}

TEST(closing_waits_for_those_inside)
{
    unsigned stripe;
    pthread_t thread;
    atomic_bool closed = false;
    gate_init(&gate);
    assert_ok(gate_enter(&gate, true, &stripe));
    assert_int_equal(pthread_create(&thread, NULL, close_once, &closed), 0);
    unsigned second;
    while (gate_enter(&gate, true, &second) == KVS_OK) { /* until the other has begun to close it */
        gate_leave(&gate, second);
        (void)sched_yield();
    }
    for (int i = 0; i < 2000; i++) { /* a good while, in which it must not get through */
        assert_false(atomic_load_explicit(&closed, memory_order_acquire));
        (void)sched_yield();
    }
    gate_leave(&gate, stripe);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(atomic_load_explicit(&closed, memory_order_acquire));
    gate_done(&gate);
}

TEST(a_closed_gate_turns_back_who_may_not_wait)
{
    unsigned stripe;
    gate_init(&gate);
    assert_ok(gate_enter(&gate, true, &stripe));
    gate_leave(&gate, stripe);
    gate_close(&gate);
    assert_int_equal(gate_enter(&gate, true, &stripe), KVS_WOULD_BLOCK);
    gate_open(&gate);
    assert_ok(gate_enter(&gate, true, &stripe));
    gate_leave(&gate, stripe);
    gate_done(&gate);
}
