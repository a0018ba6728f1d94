/*
 * pool_test.c - every kind of pool does what pool.h says, whatever jobs do to it.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kvs/status.h>

#include "pool/pool.h"
#include "tests/harness/test.h"

static atomic_int done_count;
static atomic_int death_calls;

static void count(void *ctx)
{
    (void)ctx;
    atomic_fetch_add_explicit(&done_count, 1, memory_order_relaxed);
}

static void die(void *ctx)
{
    (void)ctx;
    pool_job_abort();
}

static void exit_thread(void *ctx)
{
    (void)ctx;
    pthread_exit(NULL);
}

static struct pool *new_pool(const char *kind, unsigned threads)
{
    struct pool *pool = NULL;
    atomic_store(&done_count, 0);
    atomic_store(&death_calls, 0);
    assert_ok(pool_new(kind, threads, &pool));
    return pool;
}

static bool is_inline(const char *kind)
{
    return strcmp(kind, "inline") == 0;
}

TEST(names_are_in_order_and_end_with_null)
{
    assert_string_equal(pool_kind_name(0), "naive");
    assert_string_equal(pool_kind_name(1), "shared-queue");
    assert_string_equal(pool_kind_name(2), "stealing");
    assert_string_equal(pool_kind_name(3), "inline");
    assert_null(pool_kind_name(4));
}

TEST(unknown_kinds_and_no_threads_are_refused)
{
    struct pool *pool = NULL;
    assert_int_equal(pool_new("thread-party", 4, &pool), KVS_INVALID);
    assert_non_null(strstr(kvs_error(), "thread-party"));
    assert_int_equal(pool_new("stealing", 0, &pool), KVS_INVALID);
    assert_null(pool);
    pool_free(NULL);
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(__clang__)
#include <sys/resource.h>

/* Lowers the limit of address space to @more_bytes above what is in use. The sanitizers' shadow memory does not allow that. */
static struct rlimit limit_memory(rlim_t more_bytes)
{
    struct rlimit before;
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu", &pages), 1);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    struct rlimit low = before;
    low.rlim_cur = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + more_bytes;
    assert_int_equal(setrlimit(RLIMIT_AS, &low), 0);
    return before;
}

TEST(all_threads_start_or_none)
{
    static const char *const kinds[] = { "shared-queue", "stealing" };
    for (size_t i = 0; i < 2; i++) {
        struct pool *pool = NULL;
        struct rlimit before = limit_memory(100 << 20);
        enum kvs_status status = pool_new(kinds[i], 200, &pool);
        assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
        assert_int_equal(status, KVS_NO_MEMORY);
        assert_non_null(strstr(kvs_error(), "of 200"));
        assert_null(pool);
    }
}

static void sleep_and_count(void *ctx)
{
    usleep(20000);
    count(ctx);
}

TEST(a_naive_job_runs_in_the_caller_when_no_thread_can_be_made)
{
    struct pool *pool = new_pool("naive", 1);
    struct rlimit before = limit_memory(100 << 20);
    for (int job = 0; job < 60; job++)
        pool_spawn(pool, sleep_and_count, NULL);
    pool_free(pool);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_int_equal(atomic_load(&done_count), 60);
}
#endif

TEST(free_runs_what_was_accepted)
{
    for (size_t i = 0; pool_kind_name(i) != NULL; i++) {
        for (unsigned threads = 1; threads <= 4; threads++) {
            struct pool *pool = new_pool(pool_kind_name(i), threads);
            for (int job = 0; job < 300; job++)
                pool_spawn(pool, count, NULL);
            pool_free(pool);
            assert_int_equal(atomic_load(&done_count), 300);
        }
    }
}

struct tree {
    struct pool *pool;
    int depth;
};

static void grow_tree(void *ctx)
{
    struct tree *tree = ctx;
    count(NULL);
    for (int i = 0; i < 2 && tree->depth > 0; i++) {
        struct tree *child = malloc(sizeof *child);
        if (child == NULL)
            abort();
        *child = (struct tree){ tree->pool, tree->depth - 1 };
        pool_spawn(tree->pool, grow_tree, child);
    }
    free(tree);
}

TEST(jobs_spawn_jobs_even_while_the_pool_is_being_freed)
{
    for (size_t i = 0; pool_kind_name(i) != NULL; i++) {
        struct pool *pool = new_pool(pool_kind_name(i), 3);
        struct tree *root = malloc(sizeof *root);
        assert_non_null(root);
        *root = (struct tree){ pool, 6 };
        pool_spawn(pool, grow_tree, root);
        pool_free(pool);
        assert_int_equal(atomic_load(&done_count), 127);
    }
}

static void saw_death(void *ctx, uint64_t died)
{
    if (ctx != &death_calls || died == 0)
        abort(); /* not an assertion: this runs on the pool's threads */
    atomic_fetch_add(&death_calls, 1);
}

static void wait_until_idle(struct pool *pool, struct pool_stats *stats)
{
    do {
        usleep(1000);
        pool_stats(pool, stats);
    } while (stats->finished + stats->died < stats->spawned);
}

TEST(dying_jobs_cost_no_other_job_anything)
{
    for (size_t i = 0; pool_kind_name(i) != NULL; i++) {
        const char *kind = pool_kind_name(i);
        struct pool *pool = new_pool(kind, 2);
        pool_on_death(pool, saw_death, &death_calls);
        for (int job = 0; job < 100; job++) {
            /* pthread_exit() in an inline pool would end this very thread */
            pool_spawn(pool, job % 2 == 0 || is_inline(kind) ? die : exit_thread, NULL);
            pool_spawn(pool, count, NULL);
        }
        struct pool_stats stats;
        wait_until_idle(pool, &stats);
        assert_int_equal(stats.spawned, 200);
        assert_int_equal(stats.finished, 100);
        assert_int_equal(stats.died, 100);
        assert_int_equal(stats.queued, 0);
        pool_spawn(pool, die, NULL); /* its replacement has to be joined too */
        pool_free(pool);
        assert_int_equal(atomic_load(&done_count), 100);
        assert_int_equal(atomic_load(&death_calls), 101);
    }
}

TEST(lost_threads_are_replaced)
{
    static const char *const kinds[] = { "shared-queue", "stealing" };
    for (size_t i = 0; i < 2; i++) {
        struct pool *pool = new_pool(kinds[i], 3);
        for (int job = 0; job < 30; job++)
            pool_spawn(pool, exit_thread, NULL);
        struct pool_stats stats;
        wait_until_idle(pool, &stats);
        assert_int_equal(stats.died, 30);
        assert_int_equal(stats.threads, 3);
        pool_free(pool);
    }
}

static sem_t arrived;
static sem_t go_on;

static void meet(void *ctx)
{
    (void)ctx;
    sem_post(&arrived);
    while (sem_wait(&go_on) != 0)
        continue;
    count(NULL);
}

TEST(all_threads_work_at_once)
{
    for (size_t i = 0; i < 3; i++) {
        struct pool *pool = new_pool(pool_kind_name(i), 4);
        assert_int_equal(sem_init(&arrived, 0, 0), 0);
        assert_int_equal(sem_init(&go_on, 0, 0), 0);
        for (int job = 0; job < 4; job++)
            pool_spawn(pool, meet, NULL);
        for (int job = 0; job < 4; job++) /* comes back only when four jobs run side by side */
            assert_int_equal(sem_wait(&arrived), 0);
        struct pool_stats stats;
        pool_stats(pool, &stats);
        assert_int_equal(stats.threads, 4);
        assert_int_equal(stats.finished, 0);
        for (int job = 0; job < 4; job++)
            sem_post(&go_on);
        pool_free(pool);
        assert_int_equal(atomic_load(&done_count), 4);
        sem_destroy(&arrived);
        sem_destroy(&go_on);
    }
}

static void spawn_and_wait(void *ctx)
{
    struct pool *pool = ctx;
    pool_spawn(pool, meet, NULL); /* into this worker's own queue, while this worker is busy */
    while (sem_wait(&arrived) != 0)
        continue;
    sem_post(&go_on);
    count(NULL);
}

TEST(an_idle_worker_steals_from_a_busy_one)
{
    struct pool *pool = new_pool("stealing", 2);
    assert_int_equal(sem_init(&arrived, 0, 0), 0);
    assert_int_equal(sem_init(&go_on, 0, 0), 0);
    pool_spawn(pool, spawn_and_wait, pool);
    struct pool_stats stats;
    wait_until_idle(pool,
                    &stats); /* while the pool is being freed, an idle worker may be gone already */
    pool_free(pool);
    assert_int_equal(atomic_load(&done_count), 2);
    sem_destroy(&arrived);
    sem_destroy(&go_on);
}

static void *spawn_many(void *ctx)
{
    for (int i = 0; i < 500; i++)
        pool_spawn(ctx, i % 50 == 0 ? die : count, NULL);
    return NULL;
}

TEST(threads_share_a_pool)
{
    for (size_t i = 0; pool_kind_name(i) != NULL; i++) {
        struct pool *pool = new_pool(pool_kind_name(i), 2);
        pthread_t threads[4];
        for (int t = 0; t < 4; t++)
            assert_int_equal(pthread_create(&threads[t], NULL, spawn_many, pool), 0);
        for (int t = 0; t < 4; t++)
            assert_int_equal(pthread_join(threads[t], NULL), 0);
        pool_free(pool);
        assert_int_equal(atomic_load(&done_count), 4 * 490);
    }
}

static void nest_death(void *ctx)
{
    pool_spawn(ctx, die, NULL); /* inline: dies within this job, which goes on */
    count(NULL);
}

TEST(an_inline_job_that_gives_up_returns_to_its_spawner)
{
    struct pool *pool = new_pool("inline", 1);
    pool_spawn(pool, nest_death, pool);
    assert_int_equal(atomic_load(&done_count), 1);
    struct pool_stats stats;
    pool_stats(pool, &stats);
    assert_int_equal(stats.finished, 1);
    assert_int_equal(stats.died, 1);
    assert_int_equal(stats.threads, 0);
    pool_free(pool);
}
