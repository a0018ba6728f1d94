/*
 * ticks.c - how long a tick is.
 */
#include "bench/ticks.h"

#include <unistd.h>

double ticks_ns(void)
{
    static double ns;
    if (ns > 0)
        return ns;
    uint64_t start_ns = now_ns();
    uint64_t start = ticks_now();
    usleep(20000);
    uint64_t ticks = ticks_now() - start;
    ns = (double)(now_ns() - start_ns) / (double)ticks;
    return ns;
}
