/*
 * clock.h - the two clocks: wall time for expiry, monotonic time for intervals. Thread: any.
 */
#ifndef IO_CLOCK_H
#define IO_CLOCK_H

#include <stdint.h>

struct clock {
    int64_t (*wall_us)(struct clock *clock);       /* Unix time in microseconds; may jump */
    uint64_t (*monotonic_ns)(struct clock *clock); /* never goes back */
};

struct clock *clock_system(void);

/* A clock that moves only when told; free() it; NULL without memory. Starts at the given wall time, monotonic 1 s. Setting is atomic. */
struct clock *clock_manual_new(int64_t wall_us);
void clock_manual_advance_us(struct clock *manual,
                             int64_t by_us); /* both clocks; wall alone when negative */

static inline int64_t clock_wall_us(struct clock *clock)
{
    return clock->wall_us(clock);
}

static inline int64_t clock_wall_ms(struct clock *clock)
{
    return clock->wall_us(clock) / 1000;
}

static inline uint64_t clock_monotonic_ns(struct clock *clock)
{
    return clock->monotonic_ns(clock);
}

#endif
