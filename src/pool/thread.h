/*
 * thread.h - how the pools start a thread. Private to the room.
 */
#ifndef POOL_THREAD_H
#define POOL_THREAD_H

#include <pthread.h>

/* Starts a joinable thread called "kvs-pool" that takes no signals meant for the program. 0 or an errno value. */
int thread_start(pthread_t *ret, void *(*main)(void *), void *arg);

void thread_join(pthread_t thread);

#endif
