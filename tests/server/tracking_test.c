/*
 * tracking_test.c - client-side caching, CLIENT PAUSE and CLIENT REPLY, as several connections see them.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "tests/server/harness.h"

#define ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static const char *next(struct wire *wire)
{
    return wire_show(wire);
}

struct stage {
    struct server_process server;
    struct wire a; /* RESP3 */
    struct wire b;
};

static void stage_open(struct stage *stage, const char *const *args)
{
    server_start(&stage->server, args);
    wire_open(&stage->a, &stage->server);
    wire_open(&stage->b, &stage->server);
    (void)ask(&stage->a, "HELLO", "3");
}

static void stage_close(struct stage *stage)
{
    wire_close(&stage->a);
    wire_close(&stage->b);
    server_end(&stage->server);
}

TEST(a_key_that_was_read_is_invalidated_once)
{
    struct stage stage;
    stage_open(&stage, ARGS("--loops", "2"));
    assert_string_equal(ask(&stage.a, "CLIENT", "TRACKING", "ON"), "+OK");
    (void)ask(&stage.a, "GET", "k");
    (void)ask(&stage.b, "SET", "k", "1");
    const char *push = next(&stage.a);
    assert_non_null(strstr(push, "$invalidate [$k]"));
    (void)ask(&stage.b, "SET", "k", "2"); /* it was not read again */
    assert_string_equal(ask(&stage.a, "GET", "k"), "$2");
    (void)ask(&stage.b, "DELPREFIX", "k");
    assert_non_null(strstr(next(&stage.a), "$invalidate [$k]"));
    (void)ask(&stage.a, "GET", "k");
    (void)ask(&stage.b, "DELRANGE", "a", "j"); /* not in there */
    (void)ask(&stage.b, "FLUSHALL");
    assert_non_null(strstr(next(&stage.a), "$invalidate _"));
    assert_string_equal(ask(&stage.a, "PING"), "+PONG"); /* and only once */
    stage_close(&stage);
}

TEST(invalidations_go_where_they_are_redirected_to)
{
    struct stage stage;
    struct wire listener;
    stage_open(&stage, ARGS("--loops", "3"));
    wire_open(&listener, &stage.server);
    char id[32];
    (void)snprintf(id, sizeof id, "%s", ask(&listener, "CLIENT", "ID") + 1);
    (void)ask(&listener, "SUBSCRIBE", "__redis__:invalidate");
    assert_string_equal(ask(&stage.b, "CLIENT", "TRACKING", "ON", "REDIRECT", id), "+OK");
    (void)ask(&stage.b, "GET", "k");
    (void)ask(&stage.a, "SET", "k", "1");
    assert_string_equal(next(&listener), "[$message $__redis__:invalidate [$k]]");
    assert_non_null(strstr(ask(&stage.b, "CLIENT", "INFO"), "flags=t "));
    (void)ask(&stage.a, "CLIENT", "TRACKING", "ON", "REDIRECT", id);
    wire_close(&listener);
    for (int i = 0; i < 500; i++) {
        (void)ask(&stage.b, "SET", "k", "x");
        const char *list = ask(&stage.b, "CLIENT", "LIST", "TYPE", "pubsub");
        if (strcmp(list, "$") == 0)
            break;
    }
    (void)ask(&stage.a, "GET", "q");
    (void)ask(&stage.b, "SET", "q", "x");
    assert_non_null(strstr(next(&stage.a), "$tracking-redir-broken"));
    stage_close(&stage);
}

TEST(the_table_of_tracked_keys_is_bounded)
{
    struct stage stage;
    stage_open(&stage, ARGS("--tracking-table-max-keys", "100"));
    (void)ask(&stage.a, "CLIENT", "TRACKING", "ON");
    unsigned invalidated = 0;
    for (int i = 0; i < 150; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "key:%d", i);
        wire_send_args(&stage.a, (struct kvs_bytes[]){ BYTES("GET"), bytes_str(key) }, 2);
        const char *answer = next(&stage.a);
        assert_string_equal(answer, "_");
        if (i >= 100) {
            assert_non_null(strstr(next(&stage.a), "$invalidate"));
            invalidated++;
        }
    }
    assert_int_equal(invalidated, 50);
    assert_non_null(strstr(ask(&stage.b, "INFO", "stats"), "tracking_total_keys:100\r\n"));
    stage_close(&stage);
}

struct rewriting {
    struct stage *stage;
    atomic_bool stop;
};

static void *rewrite(void *arg)
{
    struct rewriting *rewriting = arg;
    for (unsigned i = 1; !atomic_load(&rewriting->stop); i++) {
        char value[32];
        (void)snprintf(value, sizeof value, "%u", i);
        (void)ask(&rewriting->stage->b, "SET", "shared", value);
    }
    return NULL;
}

/* A cache that keeps what it read until it is told otherwise must end with the last value. */
TEST(a_cache_is_never_left_stale)
{
    struct stage stage;
    stage_open(&stage, ARGS("--loops", "2", "--durability", "no"));
    (void)ask(&stage.a, "CLIENT", "TRACKING", "ON");
    for (int round = 0; round < 20; round++) {
        struct rewriting rewriting = { .stage = &stage };
        pthread_t thread;
        char cached[64] = "";
        assert_ok(pthread_create(&thread, NULL, rewrite, &rewriting));
        for (int i = 0; i < 200; i++) {
            wire_send_text(&stage.a, "GET shared\r\n");
            const char *answer = next(&stage.a);
            while (strstr(answer, "invalidate") != NULL) {
                cached[0] = '\0';
                answer = next(&stage.a);
            }
            (void)snprintf(cached, sizeof cached, "%s", answer);
        }
        atomic_store(&rewriting.stop, true);
        assert_ok(pthread_join(thread, NULL));
        (void)nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
        wire_send_text(&stage.a, "PING\r\n");
        for (const char *answer = next(&stage.a); strcmp(answer, "+PONG") != 0;
             answer = next(&stage.a))
            cached[0] = '\0';
        char last[64];
        (void)snprintf(last, sizeof last, "%s", ask(&stage.b, "GET", "shared"));
        if (cached[0] != '\0')
            assert_string_equal(cached, last);
    }
    stage_close(&stage);
}

TEST(paused_clients_wait_and_go_on)
{
    struct stage stage;
    struct timespec before;
    struct timespec after;
    stage_open(&stage, ARGS("--loops", "2"));
    assert_string_equal(ask(&stage.b, "CLIENT", "PAUSE", "100000", "WRITE"), "+OK");
    assert_string_equal(ask(&stage.a, "GET", "k"), "_");
    wire_send_text(&stage.a, "SET k 1\r\nGET k\r\n");
    assert_string_equal(ask(&stage.b, "GET", "k"), "_");
    assert_string_equal(ask(&stage.b, "CLIENT", "UNPAUSE"), "+OK");
    assert_string_equal(next(&stage.a), "+OK");
    assert_string_equal(next(&stage.a), "$1");
    clock_gettime(CLOCK_MONOTONIC, &before);
    assert_string_equal(ask(&stage.b, "CLIENT", "PAUSE", "300"), "+OK");
    assert_string_equal(ask(&stage.b, "GET", "k"), "$1");
    clock_gettime(CLOCK_MONOTONIC, &after);
    assert_true(
        (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 >= 290);
    stage_close(&stage);
}

TEST(answers_are_switched_off_and_skipped)
{
    struct stage stage;
    stage_open(&stage, NULL);
    wire_send_text(&stage.b, "CLIENT REPLY OFF\r\nSET k 1\r\nNOSUCH\r\nCLIENT REPLY ON\r\n");
    assert_string_equal(next(&stage.b), "+OK");
    wire_send_text(&stage.b, "CLIENT REPLY SKIP\r\nGET k\r\nGET k\r\n");
    assert_string_equal(next(&stage.b), "$1");
    assert_string_equal(ask(&stage.b, "PING"), "+PONG");
    stage_close(&stage);
}
