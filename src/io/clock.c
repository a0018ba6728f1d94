/*
 * clock.c - the system's clocks, and a clock for tests.
 */
#include "io/clock.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"

static int64_t system_wall_us(struct clock *clock)
{
    (void)clock;
    struct timespec now;
    CHECK(clock_gettime(CLOCK_REALTIME, &now) == 0);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static uint64_t system_monotonic_ns(struct clock *clock)
{
    (void)clock;
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

struct clock *clock_system(void)
{
    static struct clock clock = { system_wall_us, system_monotonic_ns };
    return &clock;
}

/* Relaxed throughout: a time orders nothing but itself. */
struct manual_clock {
    struct clock clock;
    _Atomic int64_t wall_us;
    _Atomic uint64_t monotonic_ns;
};

static struct manual_clock *manual_clock(struct clock *clock)
{
    return (struct manual_clock *)clock; /* its first member */
}

static int64_t manual_wall_us(struct clock *clock)
{
    return atomic_load_explicit(&manual_clock(clock)->wall_us, memory_order_relaxed);
}

static uint64_t manual_monotonic_ns(struct clock *clock)
{
    return atomic_load_explicit(&manual_clock(clock)->monotonic_ns, memory_order_relaxed);
}

struct clock *clock_manual_new(int64_t wall_us)
{
    struct manual_clock *manual = malloc(sizeof *manual);
    if (manual == NULL)
        return NULL;
    manual->clock = (struct clock){ manual_wall_us, manual_monotonic_ns };
    atomic_init(&manual->wall_us, wall_us);
    atomic_init(&manual->monotonic_ns, UINT64_C(1000000000));
    return &manual->clock;
}

void clock_manual_advance_us(struct clock *clock, int64_t by_us)
{
    struct manual_clock *manual = manual_clock(clock);
    atomic_fetch_add_explicit(&manual->wall_us, by_us, memory_order_relaxed);
    if (by_us > 0)
        atomic_fetch_add_explicit(&manual->monotonic_ns, (uint64_t)by_us * 1000,
                                  memory_order_relaxed);
}
