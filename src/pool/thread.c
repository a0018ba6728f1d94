/*
 * thread.c - starting and joining the pools' threads.
 */
#include "pool/thread.h"

#include <signal.h>

#include "base/check.h"

/* The program's signals belong to the program's threads; what a job itself causes still reaches it. */
static void keep_own_signals(sigset_t *ret)
{
    static const int own[] = { SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGPROF, SIGSEGV, SIGSYS, SIGTRAP };
    CHECK(sigfillset(ret) == 0);
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        CHECK(sigdelset(ret, own[i]) == 0);
}

int thread_start(pthread_t *ret, void *(*main)(void *), void *arg)
{
    pthread_attr_t attr;
    int error = pthread_attr_init(&attr);
    if (error != 0)
        return error;
    sigset_t blocked;
    keep_own_signals(&blocked);
    error = pthread_attr_setsigmask_np(&attr, &blocked);
    if (error == 0)
        error = pthread_create(ret, &attr, main, arg);
    CHECK(pthread_attr_destroy(&attr) == 0);
    return error;
}

/* Called by the thread itself: to others it may be gone, joined by a third, as soon as it has been started. */
void thread_begin(void)
{
    (void)pthread_setname_np(pthread_self(),
                             "kvs-pool"); /* for people; without a name it works as well */
}

void thread_join(pthread_t thread)
{
    CHECK(pthread_join(thread, NULL) == 0);
}
