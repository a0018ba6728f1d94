/* Clients on several threads at once: what each of them was told must add up. */
#include <pthread.h>

#include "command/rig_test.h"

enum {
    THREADS = 4,
    ROUNDS = 200
};

struct worker {
    struct rig *rig;
    pthread_t thread;
    unsigned number;
    unsigned done; /* transactions that went through */
};

static void worker_start(struct worker *worker, struct rig *rig, unsigned number,
                         void *(*run)(void *))
{
    *worker = (struct worker){ .rig = rig, .number = number };
    assert_int_equal(pthread_create(&worker->thread, NULL, run, worker), 0);
}

static void run_workers(struct rig *rig, struct worker workers[THREADS], void *(*run)(void *))
{
    for (unsigned i = 0; i < THREADS; i++)
        worker_start(&workers[i], rig, i, run);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
}

/* Moves one from a to b and counts the moves, all in one transaction; the sum never changes. */
static void *move(void *arg)
{
    struct worker *worker = arg;
    struct rig_client client;
    rig_client_init(&client, worker->rig, worker->number + 1);
    for (int i = 0; i < ROUNDS; i++) {
        (void)rig_send(&client, "multi");
        (void)rig_send(&client, "decr a");
        (void)rig_send(&client, "incr b");
        (void)rig_send(&client, "mget a b");
        const char *reply = rig_send(&client, "exec");
        worker->done += reply[0] == '*' && reply[1] == '3';
        reply = rig_send(&client, "mget a b");
        const char *a = strstr(reply, "\r\n$") + 1;
        a = strstr(a, "\r\n") + 2;
        const char *b = strstr(a, "\r\n$") + 3;
        b = strstr(b, "\r\n") + 2;
        assert_int_equal(strtol(a, NULL, 10) + strtol(b, NULL, 10), 0);
    }
    rig_client_done(&client);
    return NULL;
}

TEST(transactions_of_many_clients_are_atomic_and_none_is_lost)
{
    RIG(rig, client);
    assert_reply(&client, "mset a 0 b 0", "+OK\r\n");
    struct worker workers[THREADS];
    run_workers(&rig, workers, move);
    unsigned done = 0;
    for (unsigned i = 0; i < THREADS; i++)
        done += workers[i].done;
    assert_int_equal(done, THREADS * ROUNDS); /* without WATCH every EXEC goes through */
    assert_reply(&client, "get b", "$3\r\n800\r\n");
    RIG_DONE(rig, client);
}

/* The classic: WATCH, GET, compute, MULTI, SET, EXEC, and again when it was null. */
static void *increment(void *arg)
{
    struct worker *worker = arg;
    struct rig_client client;
    rig_client_init(&client, worker->rig, worker->number + 1);
    while (worker->done < ROUNDS / 4) {
        assert_string_equal(rig_send(&client, "watch n"), "+OK\r\n");
        const char *reply = rig_send(&client, "get n");
        long n = strtol(strstr(reply, "\r\n") + 2, NULL, 10);
        char line[64];
        (void)snprintf(line, sizeof line, "set n %ld", n + 1);
        (void)rig_send(&client, "multi");
        (void)rig_send(&client, line);
        worker->done += strcmp(rig_send(&client, "exec"), "*1\r\n+OK\r\n") == 0;
    }
    rig_client_done(&client);
    return NULL;
}

TEST(watched_increments_are_not_lost)
{
    RIG(rig, client);
    assert_reply(&client, "set n 0", "+OK\r\n");
    struct worker workers[THREADS];
    run_workers(&rig, workers, increment);
    char expected[32];
    (void)snprintf(expected, sizeof expected, "$3\r\n%d\r\n", THREADS * (ROUNDS / 4));
    assert_reply(&client, "get n", expected);
    RIG_DONE(rig, client);
}

static void *plain(void *arg)
{
    struct worker *worker = arg;
    struct rig_client client;
    rig_client_init(&client, worker->rig, worker->number + 1);
    for (int i = 0; i < ROUNDS; i++) {
        assert_int_equal(rig_send(&client, "incr n")[0], ':');
        assert_string_equal(rig_send(&client, "set own x"), "+OK\r\n");
        assert_string_equal(rig_send(&client, "get own"), "$1\r\nx\r\n");
    }
    rig_client_done(&client);
    return NULL;
}

TEST(single_commands_of_many_clients_are_atomic)
{
    RIG(rig, client);
    struct worker workers[THREADS];
    run_workers(&rig, workers, plain);
    assert_reply(&client, "get n", "$3\r\n800\r\n");
    RIG_DONE(rig, client);
}
