/*
 * mutex.h - mutexes and condition variables with clang's thread-safety annotations.
 *
 * GUARDED_BY on struct fields is a comment for clang 14 in C; REQUIRES, ACQUIRE and RELEASE on functions are checked.
 */
#ifndef CONCURRENT_MUTEX_H
#define CONCURRENT_MUTEX_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#if defined(__clang__)
#define TS_ATTR(x) __attribute__((x))
#else
#define TS_ATTR(x)
#endif
#define CAPABILITY(name)          TS_ATTR(capability(name))
#define GUARDED_BY(lock)          /* checked by readers only */
#define REQUIRES(...)             TS_ATTR(requires_capability(__VA_ARGS__))
#define EXCLUDES(...)             TS_ATTR(locks_excluded(__VA_ARGS__))
#define ACQUIRE(...)              TS_ATTR(acquire_capability(__VA_ARGS__))
#define RELEASE(...)              TS_ATTR(release_capability(__VA_ARGS__))
#define TRY_ACQUIRE(...)          TS_ATTR(try_acquire_capability(__VA_ARGS__))
#define NO_THREAD_SAFETY_ANALYSIS TS_ATTR(no_thread_safety_analysis)

struct CAPABILITY("mutex") mutex {
    pthread_mutex_t native;
};

struct cond {
    pthread_cond_t native; /* on the monotonic clock */
};

void mutex_init(struct mutex *mu);
void mutex_done(struct mutex *mu);
void mutex_lock(struct mutex *mu) ACQUIRE(mu);
bool mutex_try_lock(struct mutex *mu) TRY_ACQUIRE(true, mu);
void mutex_unlock(struct mutex *mu) RELEASE(mu);

void cond_init(struct cond *cond);
void cond_done(struct cond *cond);
void cond_wait(struct cond *cond, struct mutex *mu) REQUIRES(mu);
/* False when @timeout_ms passed without a signal. */
bool cond_wait_ms(struct cond *cond, struct mutex *mu, uint64_t timeout_ms) REQUIRES(mu);
void cond_signal(struct cond *cond);
void cond_broadcast(struct cond *cond);

#endif
