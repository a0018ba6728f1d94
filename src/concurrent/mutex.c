/*
 * mutex.c - pthread mutexes and condition variables whose errors are ours: every one is a mistake in this program (a lock
 * taken twice, destroyed while held), so CHECK ends the process instead of going on unprotected.
 *
 * In debug builds a mutex notices its own thread locking it again, or another one unlocking it.
 */
#include "concurrent/mutex.h"

#include <errno.h>
#include <time.h>

#include "base/check.h"

void mutex_init(struct mutex *mu)
{
    pthread_mutexattr_t attr;
    CHECK(pthread_mutexattr_init(&attr) == 0);
#ifdef KVS_DEBUG
    CHECK(pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK) == 0);
#endif
    CHECK(pthread_mutex_init(&mu->native, &attr) == 0);
    CHECK(pthread_mutexattr_destroy(&attr) == 0);
}

void mutex_done(struct mutex *mu)
{
    CHECK(pthread_mutex_destroy(&mu->native) == 0);
}

/* The compiler cannot see that the pthread call is what takes the lock; the annotations in the header say so. */
void mutex_lock(struct mutex *mu) NO_THREAD_SAFETY_ANALYSIS
{
    CHECK(pthread_mutex_lock(&mu->native) == 0);
}

bool mutex_try_lock(struct mutex *mu) NO_THREAD_SAFETY_ANALYSIS
{
    int error = pthread_mutex_trylock(&mu->native);
    CHECK(error == 0 || error == EBUSY);
    return error == 0;
}

void mutex_unlock(struct mutex *mu) NO_THREAD_SAFETY_ANALYSIS
{
    CHECK(pthread_mutex_unlock(&mu->native) == 0);
}

void cond_init(struct cond *cond)
{
    pthread_condattr_t attr;
    CHECK(pthread_condattr_init(&attr) == 0);
    CHECK(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&cond->native, &attr) == 0);
    CHECK(pthread_condattr_destroy(&attr) == 0);
}

void cond_done(struct cond *cond)
{
    CHECK(pthread_cond_destroy(&cond->native) == 0);
}

void cond_wait(struct cond *cond, struct mutex *mu)
{
    CHECK(pthread_cond_wait(&cond->native, &mu->native) == 0);
}

bool cond_wait_ms(struct cond *cond, struct mutex *mu, uint64_t timeout_ms)
{
    /* A century is as good as for ever, and its sum with the present time fits everywhere. */
    const uint64_t century_ms = UINT64_C(100) * 365 * 24 * 3600 * 1000;
    if (timeout_ms > century_ms)
        timeout_ms = century_ms;
    struct timespec until;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &until) == 0);
    until.tv_sec += (time_t)(timeout_ms / 1000);
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    int error = pthread_cond_timedwait(&cond->native, &mu->native, &until);
    CHECK(error == 0 || error == ETIMEDOUT);
    return error == 0;
}

void cond_signal(struct cond *cond)
{
    CHECK(pthread_cond_signal(&cond->native) == 0);
}

void cond_broadcast(struct cond *cond)
{
    CHECK(pthread_cond_broadcast(&cond->native) == 0);
}
