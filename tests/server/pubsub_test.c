/*
 * pubsub_test.c - messages between connections: who gets what, in which order, over several loops; and who reads too slowly.
 */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "tests/server/harness.h"

#define ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static const char *next(struct wire *wire)
{
    return wire_show(wire);
}

TEST(a_message_reaches_channels_patterns_and_shard_channels)
{
    struct server_process server;
    struct wire a;
    struct wire b;
    server_start(&server, ARGS("--loops", "3"));
    wire_open(&a, &server);
    wire_open(&b, &server);
    assert_string_equal(ask(&a, "SUBSCRIBE", "news", "more"), "[$subscribe $news :1]");
    assert_string_equal(next(&a), "[$subscribe $more :2]");
    assert_string_equal(ask(&a, "PSUBSCRIBE", "n?ws"), "[$psubscribe $n?ws :3]");
    assert_string_equal(ask(&a, "SSUBSCRIBE", "news"), "[$ssubscribe $news :1]");
    assert_string_equal(ask(&b, "PUBLISH", "news", "hello"), ":2");
    assert_string_equal(next(&a), "[$message $news $hello]");
    assert_string_equal(next(&a), "[$pmessage $n?ws $news $hello]");
    assert_string_equal(ask(&b, "SPUBLISH", "news", "shard"), ":1");
    assert_string_equal(next(&a), "[$smessage $news $shard]");
    assert_string_equal(ask(&b, "PUBLISH", "elsewhere", "x"), ":0");
    assert_string_equal(ask(&b, "PUBSUB", "NUMSUB", "news", "none"), "[$news :1 $none :0]");
    assert_string_equal(ask(&b, "PUBSUB", "NUMPAT"), ":1");
    assert_non_null(strstr(ask(&b, "CLIENT", "LIST", "TYPE", "pubsub"), " sub=2 psub=1 ssub=1 "));
    assert_string_equal(ask(&b, "PUBSUB", "SHARDCHANNELS"), "[$news]");
    assert_string_equal(ask(&b, "PUBSUB", "CHANNELS", "m*"), "[$more]");
    assert_string_equal(ask(&a, "UNSUBSCRIBE", "news"), "[$unsubscribe $news :2]");
    assert_string_equal(ask(&b, "PUBLISH", "news", "again"), ":1");
    assert_string_equal(next(&a), "[$pmessage $n?ws $news $again]");
    wire_close(&a);
    for (int i = 0; i < 200 && strcmp(ask(&b, "PUBSUB", "NUMPAT"), ":0") != 0; i++)
        (void)usleep(10000);
    assert_string_equal(ask(&b, "PUBLISH", "news", "nobody"), ":0");
    assert_string_equal(ask(&b, "PUBSUB", "CHANNELS"), "[]");
    wire_close(&b);
    server_end(&server);
}

TEST(a_resp2_subscriber_may_only_listen_and_a_resp3_one_goes_on)
{
    struct server_process server;
    struct wire a;
    server_start(&server, NULL);
    wire_open(&a, &server);
    assert_string_equal(ask(&a, "SUBSCRIBE", "c"), "[$subscribe $c :1]");
    assert_string_equal(ask(&a, "GET", "x"),
                        "-ERR Can't execute 'get': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / "
                        "QUIT / RESET are allowed in this context");
    assert_string_equal(ask(&a, "EXEC"),
                        "-EXECABORT Transaction discarded because of: Can't execute 'exec': only "
                        "(P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in "
                        "this context");
    assert_string_equal(ask(&a, "PING"), "[$pong $]");
    assert_string_equal(ask(&a, "RESET"), "+RESET");
    assert_string_equal(ask(&a, "PUBSUB", "CHANNELS"), "[]");
    (void)ask(&a, "HELLO", "3");
    (void)ask(&a, "SUBSCRIBE", "c");
    assert_string_equal(ask(&a, "GET", "x"), "_");
    assert_string_equal(ask(&a, "PING"), "+PONG");
    /* what it tells itself comes behind the answer, before the next one */
    wire_send_text(&a, "PUBLISH c one\r\nGET x\r\n");
    assert_string_equal(next(&a), ":1");
    assert_non_null(strstr(next(&a), "$message $c $one"));
    assert_string_equal(next(&a), "_");
    wire_close(&a);
    server_end(&server);
}

TEST(inside_exec_messages_leave_with_the_commit)
{
    struct server_process server;
    struct wire a;
    struct wire b;
    server_start(&server, NULL);
    wire_open(&a, &server);
    wire_open(&b, &server);
    (void)ask(&a, "SUBSCRIBE", "c");
    (void)ask(&b, "WATCH", "k");
    (void)ask(&b, "MULTI");
    (void)ask(&b, "PUBLISH", "c", "lost");
    struct wire other;
    wire_open(&other, &server);
    (void)ask(&other, "SET", "k", "1");
    assert_string_equal(ask(&b, "EXEC"), "_");
    (void)ask(&b, "MULTI");
    (void)ask(&b, "SET", "k", "2");
    (void)ask(&b, "PUBLISH", "c", "kept");
    (void)ask(&b, "INCR", "k");
    assert_string_equal(ask(&b, "EXEC"), "[+OK :1 :3]");
    assert_string_equal(next(&a), "[$message $c $kept]");
    wire_close(&other);
    wire_close(&a);
    wire_close(&b);
    server_end(&server);
}

enum {
    PUBLISHERS = 3,
    SUBSCRIBERS = 6,
    MESSAGES = 2000
};

static void *publish_many(void *arg)
{
    struct wire *wire = arg;
    for (int i = 0; i < MESSAGES; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "%d:%d", wire->fd, i);
        assert_string_equal(ask(wire, "PUBLISH", "order", text), ":6");
    }
    return NULL;
}

/* All subscribers, on all loops, see all messages, and in the same order. */
TEST(every_subscriber_sees_the_same_order)
{
    struct server_process server;
    struct wire publishers[PUBLISHERS];
    struct wire subscribers[SUBSCRIBERS];
    pthread_t threads[PUBLISHERS];
    server_start(&server, ARGS("--loops", "3"));
    for (int i = 0; i < SUBSCRIBERS; i++) {
        wire_open(&subscribers[i], &server);
        (void)ask(&subscribers[i], "SUBSCRIBE", "order");
    }
    for (int i = 0; i < PUBLISHERS; i++)
        wire_open(&publishers[i], &server);
    for (int i = 0; i < PUBLISHERS; i++)
        assert_ok(pthread_create(&threads[i], NULL, publish_many, &publishers[i]));
    for (int i = 0; i < PUBLISHERS * MESSAGES; i++) {
        char first[128];
        (void)snprintf(first, sizeof first, "%s", next(&subscribers[0]));
        for (int s = 1; s < SUBSCRIBERS; s++)
            assert_string_equal(next(&subscribers[s]), first);
    }
    for (int i = 0; i < PUBLISHERS; i++) {
        assert_ok(pthread_join(threads[i], NULL));
        wire_close(&publishers[i]);
    }
    for (int i = 0; i < SUBSCRIBERS; i++)
        wire_close(&subscribers[i]);
    server_end(&server);
}

/* A subscriber that does not read is closed at its limit; the others and the publisher do not notice. */
TEST(a_subscriber_that_does_not_read_is_closed)
{
    struct server_process server;
    struct wire slow;
    struct wire good;
    struct wire publisher;
    static char payload[100000];
    server_start(&server, ARGS("--client-output-buffer-limit",
                               "normal 256mb 1mb 60 pubsub 4mb 2mb 60", "--loops", "2"));
    wire_open(&slow, &server);
    wire_open(&good, &server);
    wire_open(&publisher, &server);
    (void)ask(&slow, "SUBSCRIBE", "big");
    (void)ask(&good, "SUBSCRIBE", "big");
    memset(payload, 'p', sizeof payload - 1);
    for (int i = 0; i < 300; i++) {
        const char *answer = ask(&publisher, "PUBLISH", "big", payload);
        assert_true(strcmp(answer, ":2") == 0 || strcmp(answer, ":1") == 0);
        assert_int_equal(wire_read(&good)->type, RESP_ARRAY);
    }
    for (int i = 0; i < 500 && strcmp(ask(&publisher, "PUBSUB", "NUMSUB", "big"), "[$big :1]") != 0;
         i++)
        (void)usleep(10000);
    assert_string_equal(ask(&publisher, "PUBSUB", "NUMSUB", "big"), "[$big :1]");
    assert_true(server_logged(&server, "client-output-buffer-limit"));
    wire_close(&slow);
    wire_close(&good);
    wire_close(&publisher);
    server_end(&server);
}

TEST(subscribing_and_leaving_in_great_numbers_leaves_nothing)
{
    struct server_process server;
    struct wire wire;
    server_start(&server, NULL);
    wire_open(&wire, &server);
    (void)ask(&wire, "HELLO", "3");
    for (int i = 0; i < 3000; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "channel:%d", i);
        (void)ask(&wire, "SUBSCRIBE", name);
    }
    assert_string_equal(ask(&wire, "PUBLISH", "channel:2999", "x"), ":1");
    (void)next(&wire);
    assert_string_equal(ask(&wire, "RESET"), "+RESET");
    assert_string_equal(ask(&wire, "PUBSUB", "CHANNELS"), "[]");
    assert_string_equal(ask(&wire, "PUBLISH", "channel:2999", "x"), ":0");
    wire_close(&wire);
    server_end(&server);
}
