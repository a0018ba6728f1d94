/*
 * hiredis_test.c - the C client library that everybody uses: blocking, pipelined, and asynchronous on a poll loop.
 */
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/server/harness.h"

static redisContext *connect_to(const struct server_process *server)
{
    redisContext *redis = redisConnect("127.0.0.1", server->port);
    assert_non_null(redis);
    if (redis->err != 0)
        fail_msg("%s", redis->errstr);
    return redis;
}

TEST(blocking_calls_and_pipelines)
{
    enum {
        COUNT = 5000
    };
    struct server_process server;
    server_start(&server, NULL);
    redisContext *redis = connect_to(&server);
    redisReply *reply = redisCommand(redis, "SET %s %b", "key", "a\0b", (size_t)3);
    assert_non_null(reply);
    assert_int_equal(reply->type, REDIS_REPLY_STATUS);
    freeReplyObject(reply);
    reply = redisCommand(redis, "GET key");
    assert_int_equal(reply->type, REDIS_REPLY_STRING);
    assert_int_equal(reply->len, 3);
    assert_memory_equal(reply->str, "a\0b", 3);
    freeReplyObject(reply);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(redisAppendCommand(redis, "INCR counter"), REDIS_OK);
    for (int i = 1; i <= COUNT; i++) {
        void *answer = NULL;
        assert_int_equal(redisGetReply(redis, &answer), REDIS_OK);
        reply = answer;
        assert_int_equal(reply->type, REDIS_REPLY_INTEGER);
        assert_int_equal(reply->integer, i);
        freeReplyObject(reply);
    }
    reply = redisCommand(redis, "LPUSH nothing like it");
    assert_int_equal(reply->type, REDIS_REPLY_ERROR);
    freeReplyObject(reply);
    redisFree(redis);
    server_end(&server);
}

/* hiredis's hooks for an event loop, on poll(2). */
struct poller {
    redisAsyncContext *redis;
    bool reads;
    bool writes;
    bool gone;
    int replies;
};

static void add_read(void *data)
{
    ((struct poller *)data)->reads = true;
}

static void del_read(void *data)
{
    ((struct poller *)data)->reads = false;
}

static void add_write(void *data)
{
    ((struct poller *)data)->writes = true;
}

static void del_write(void *data)
{
    ((struct poller *)data)->writes = false;
}

static void cleanup(void *data)
{
    ((struct poller *)data)->gone = true;
}

static void on_reply(redisAsyncContext *redis, void *answer, void *data)
{
    struct poller *poller = redis->ev.data;
    const redisReply *reply = answer;
    assert_non_null(reply);
    assert_int_equal(reply->type, REDIS_REPLY_INTEGER);
    assert_int_equal(reply->integer, (long long)(intptr_t)data);
    poller->replies++;
}

TEST(asynchronous_calls)
{
    enum {
        COUNT = 2000
    };
    struct server_process server;
    server_start(&server, NULL);
    redisAsyncContext *redis = redisAsyncConnect("127.0.0.1", server.port);
    assert_non_null(redis);
    assert_int_equal(redis->err, 0);
    struct poller poller = { .redis = redis };
    redis->ev.data = &poller;
    redis->ev.addRead = add_read;
    redis->ev.delRead = del_read;
    redis->ev.addWrite = add_write;
    redis->ev.delWrite = del_write;
    redis->ev.cleanup = cleanup;
    poller.writes = true;
    int fd = redis->c.fd;
    for (intptr_t i = 1; i <= COUNT; i++)
        assert_int_equal(redisAsyncCommand(redis, on_reply, (void *)i, "INCR n"), REDIS_OK);
    bool leaving = false;
    while (!poller.gone) {
        struct pollfd poll_fd = {
            .fd = fd, .events = (short)((poller.reads ? POLLIN : 0) | (poller.writes ? POLLOUT : 0))
        };
        assert_true(poll(&poll_fd, 1, 60000) > 0);
        if (poll_fd.revents & POLLOUT && poller.writes)
            redisAsyncHandleWrite(redis);
        if (!poller.gone && poll_fd.revents & (POLLIN | POLLHUP) && poller.reads)
            redisAsyncHandleRead(redis);
        if (poller.replies == COUNT && !leaving) {
            leaving = true;
            redisAsyncDisconnect(redis);
        }
    }
    assert_int_equal(poller.replies, COUNT);
    server_end(&server);
}
