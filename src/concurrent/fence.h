/*
 * fence.h - an acquire fence: what was read before it, by loads of any order, was read before what is loaded behind it.
 *
 * ThreadSanitizer does not know fences, and gcc warns of one compiled for it: there the loads stand without. It misses nothing by
 * that, since what is compared behind the fence is atomic.
 */
#ifndef CONCURRENT_FENCE_H
#define CONCURRENT_FENCE_H

#include <stdatomic.h>

static inline void fence_acquire(void)
{
#ifndef __SANITIZE_THREAD__
    atomic_thread_fence(memory_order_acquire);
#endif
}

#endif
