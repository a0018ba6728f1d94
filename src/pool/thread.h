/*
 * thread.h - how the pools start a thread. Private to the room.
 */
#ifndef POOL_THREAD_H
#define POOL_THREAD_H

#include <pthread.h>

/* Starts a joinable thread that takes no signals meant for the program. 0 or an errno value. */
int thread_start(pthread_t *ret, void *(*main)(void *), void *arg);

/* Called first by a thread started so: calls itself "kvs-pool". */
void thread_begin(void);

void thread_join(pthread_t thread);

#endif
