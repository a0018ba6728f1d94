/*
 * epoch_test.c - what is retired is freed, and never while somebody could read it.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "concurrent/epoch.h"
#include "tests/harness/test.h"

enum {
    ALIVE = 0x600d,
    DEAD = 0xdead
};

struct item {
    struct epoch_node node;
    int state;
    int other; /* a second copy: both are written by the freeing callback */
};

static _Atomic(struct item *) current;
static atomic_bool stop;
static atomic_int freed;

static struct item *item_new(void)
{
    struct item *item = calloc(1, sizeof *item);
    if (item == NULL)
        abort();
    item->state = ALIVE;
    item->other = ALIVE;
    return item;
}

static void item_free(struct epoch_node *node)
{
    struct item *item = (struct item *)node;
    item->state = DEAD;
    item->other = DEAD;
    free(item);
    atomic_fetch_add_explicit(&freed, 1, memory_order_relaxed);
}

static void *read_items(void *ctx)
{
    uintptr_t wrong = 0;
    (void)ctx;
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        epoch_enter();
        const struct item *item = atomic_load_explicit(&current, memory_order_acquire);
        for (int look = 0; look < 20; look++)
            wrong += item->state != ALIVE || item->other != ALIVE;
        epoch_leave();
    }
    return wrong != 0 ? ctx : NULL;
}

static void replace_item(void)
{
    struct item *before = atomic_exchange_explicit(&current, item_new(), memory_order_acq_rel);
    epoch_retire(&before->node, item_free);
}

static void *replace_items(void *ctx)
{
    (void)ctx;
    for (int i = 0; i < 5000; i++)
        replace_item();
    return NULL;
}

/* The sanitizers see every read of a freed item; without them its state would tell, most times. */
TEST(readers_never_meet_a_freed_node)
{
    pthread_t readers[3];
    pthread_t writers[2];
    int mark;
    atomic_store(&current, item_new());
    atomic_store(&stop, false);
    atomic_store(&freed, 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&readers[i], NULL, read_items, &mark), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&writers[i], NULL, replace_items, NULL), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_join(writers[i], NULL), 0);
    atomic_store(&stop, true);
    for (int i = 0; i < 3; i++) {
        void *result;
        assert_int_equal(pthread_join(readers[i], &result), 0);
        assert_null(result);
    }
    epoch_barrier();
    assert_int_equal(atomic_load(&freed), 10000);
    free(atomic_load(&current));
}

static sem_t inside;
static sem_t may_leave;

static void *stay_inside(void *ctx)
{
    epoch_enter();
    epoch_enter(); /* sections nest: leaving the inner one is not enough */
    epoch_leave();
    sem_post(&inside);
    while (sem_wait(&may_leave) != 0)
        continue;
    int state = ((struct item *)ctx)->state;
    epoch_leave();
    return state == ALIVE ? ctx : NULL;
}

TEST(a_node_outlives_every_section_that_could_see_it)
{
    struct item *item = item_new();
    pthread_t reader;
    atomic_store(&freed, 0);
    assert_int_equal(sem_init(&inside, 0, 0), 0);
    assert_int_equal(sem_init(&may_leave, 0, 0), 0);
    assert_int_equal(pthread_create(&reader, NULL, stay_inside, item), 0);
    assert_int_equal(sem_wait(&inside), 0);
    epoch_retire(&item->node, item_free);
    usleep(100000); /* many grace periods, were there no reader */
    assert_int_equal(atomic_load(&freed), 0);
    sem_post(&may_leave);
    void *result;
    assert_int_equal(pthread_join(reader, &result), 0);
    assert_non_null(result);
    epoch_barrier();
    assert_int_equal(atomic_load(&freed), 1);
    sem_destroy(&inside);
    sem_destroy(&may_leave);
}

TEST(a_node_may_be_retired_inside_a_section)
{
    atomic_store(&freed, 0);
    epoch_enter();
    struct item *item = item_new();
    epoch_retire(&item->node, item_free);
    assert_int_equal(item->state, ALIVE);
    epoch_leave();
    epoch_barrier();
    assert_int_equal(atomic_load(&freed), 1);
}

static void *die_inside(void *ctx)
{
    (void)ctx;
    epoch_enter();
    pthread_exit(NULL);
}

TEST(a_thread_that_dies_inside_a_section_holds_nobody_up)
{
    pthread_t thread;
    atomic_store(&freed, 0);
    assert_int_equal(pthread_create(&thread, NULL, die_inside, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    epoch_retire(&item_new()->node, item_free);
    epoch_barrier();
    assert_int_equal(atomic_load(&freed), 1);
}

static struct item *second;

static void free_and_retire(struct epoch_node *node)
{
    item_free(node);
    epoch_retire(&second->node, item_free);
}

TEST(a_callback_may_retire_another_node)
{
    atomic_store(&freed, 0);
    second = item_new();
    epoch_retire(&item_new()->node, free_and_retire);
    epoch_barrier();
    epoch_barrier(); /* the first may have been enqueued before the second node */
    assert_int_equal(atomic_load(&freed), 2);
}

/* A child of fork() has a worker again when it needs one. */
TEST(a_forked_child_can_go_on)
{
    epoch_retire(&item_new()->node, item_free);
    epoch_barrier();
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
#if !defined(__SANITIZE_THREAD__) /* which ends children that start threads */
        atomic_store(&freed, 0);
        epoch_enter();
        epoch_leave();
        epoch_retire(&item_new()->node, item_free);
        epoch_barrier();
        _exit(atomic_load(&freed) == 1 ? 0 : 1);
#endif
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    atomic_store(&freed, 0);
    epoch_retire(&item_new()->node, item_free);
    epoch_barrier();
    assert_int_equal(atomic_load(&freed), 1);
}

/* A child that has retired nothing forks again: neither it nor its own child may wait for a lock of the library for ever. */
TEST(a_forked_child_can_fork)
{
#if !defined(__SANITIZE_THREAD__) /* which ends children that start threads */
    epoch_retire(&item_new()->node, item_free);
    epoch_barrier();
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)alarm(60);
        pid_t grandchild = fork();
        if (grandchild == 0)
            _exit(7);
        int ended;
        _exit(grandchild > 0 && waitpid(grandchild, &ended, 0) == grandchild && WIFEXITED(ended)
                  ? WEXITSTATUS(ended)
                  : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
#endif
}
