/*
 * mutex_test.c - locks exclude, conditions wake and time out.
 */
#include <pthread.h>
#include <time.h>

#include "concurrent/mutex.h"
#include "tests/harness/test.h"

struct shared {
    struct mutex mu;
    struct cond changed;
    int count;
    bool ready;
};

static void *add_many(void *ctx)
{
    struct shared *shared = ctx;
    for (int i = 0; i < 20000; i++) {
        mutex_lock(&shared->mu);
        shared->count++;
        mutex_unlock(&shared->mu);
    }
    return NULL;
}

static void setup(struct shared *shared)
{
    *shared = (struct shared){ .count = 0 };
    mutex_init(&shared->mu);
    cond_init(&shared->changed);
}

static void teardown(struct shared *shared)
{
    cond_done(&shared->changed);
    mutex_done(&shared->mu);
}

TEST(a_mutex_excludes)
{
    struct shared shared;
    setup(&shared);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, &shared), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(shared.count, 60000);
    teardown(&shared);
}

static void *try_it(void *ctx)
{
    struct shared *shared = ctx;
    bool got = mutex_try_lock(&shared->mu);
    if (got)
        mutex_unlock(&shared->mu);
    return got ? ctx : NULL;
}

static bool another_thread_gets_it(struct shared *shared)
{
    pthread_t thread;
    void *result;
    assert_int_equal(pthread_create(&thread, NULL, try_it, shared), 0);
    assert_int_equal(pthread_join(thread, &result), 0);
    return result != NULL;
}

TEST(trying_tells_whether_it_is_free)
{
    struct shared shared;
    setup(&shared);
    mutex_lock(&shared.mu);
    bool while_held = another_thread_gets_it(&shared);
    mutex_unlock(&shared.mu);
    assert_false(while_held);
    assert_true(another_thread_gets_it(&shared));
    teardown(&shared);
}

static void *get_ready(void *ctx)
{
    struct shared *shared = ctx;
    mutex_lock(&shared->mu);
    shared->ready = true;
    cond_broadcast(&shared->changed);
    mutex_unlock(&shared->mu);
    return NULL;
}

TEST(a_condition_wakes_its_waiter)
{
    for (int timed = 0; timed < 2; timed++) {
        struct shared shared;
        setup(&shared);
        pthread_t thread;
        mutex_lock(&shared.mu);
        assert_int_equal(pthread_create(&thread, NULL, get_ready, &shared), 0);
        while (!shared.ready) {
            if (timed == 1)
                (void)cond_wait_ms(&shared.changed, &shared.mu,
                                   UINT64_MAX); /* no overflow: it waits */
            else
                cond_wait(&shared.changed, &shared.mu);
        }
        mutex_unlock(&shared.mu);
        assert_int_equal(pthread_join(thread, NULL), 0);
        teardown(&shared);
    }
}

static int64_t now_ns(void)
{
    struct timespec now;
    assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

TEST(a_wait_without_a_signal_times_out_and_not_before)
{
    struct shared shared;
    setup(&shared);
    int64_t begin = now_ns();
    mutex_lock(&shared.mu);
    bool signalled = true;
    while (signalled && now_ns() - begin < 30 * 1000000) /* a wait may wake by itself */
        signalled = cond_wait_ms(&shared.changed, &shared.mu, 30);
    bool at_once = cond_wait_ms(&shared.changed, &shared.mu, 0);
    mutex_unlock(&shared.mu);
    assert_true(now_ns() - begin >= 30 * 1000000);
    assert_false(at_once);
    teardown(&shared);
}
