/*
 * async_test.c - futures against servers of a few lines that play scripts, one connection after the other.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <kvs/client.h>

#include "base/bytes.h"
#include "tests/harness/test.h"

enum {
    STEPS_MAX = 8
};

/* One connection: what is expected, what is sent then. NULL in both: it is closed. "wait" as what is sent: until the peer closes. */
struct script {
    const char *expect[STEPS_MAX];
    const char *send[STEPS_MAX];
};

struct server {
    int listener;
    char addr[32];
    pthread_t thread;
    const struct script *scripts;
    size_t count;
};

static void receive_expected(int fd, const char *expect)
{
    size_t len = strlen(expect);
    char got[4096];
    size_t have = 0;
    assert_true(len < sizeof got);
    while (have < len) {
        ssize_t n = recv(fd, got + have, len - have, 0);
        if (n <= 0)
            break;
        have += (size_t)n;
    }
    got[have] = '\0';
    if (strcmp(got, expect) != 0) {
        fprintf(stderr, "expected \"%s\", got \"%s\"\n", expect, got);
        abort(); /* not on the test's thread: nothing else would fail the test */
    }
}

static void play(int fd, const struct script *script)
{
    for (size_t i = 0; i < STEPS_MAX; i++) {
        const char *expect = script->expect[i];
        const char *answer = script->send[i];
        if (expect == NULL && answer == NULL)
            return;
        if (expect != NULL)
            receive_expected(fd, expect);
        char byte;
        if (answer != NULL && strcmp(answer, "wait") == 0)
            while (recv(fd, &byte, 1, 0) > 0)
                continue;
        else if (answer != NULL)
            (void)send(fd, answer, strlen(answer), MSG_NOSIGNAL);
    }
}

static void *serve(void *arg)
{
    struct server *server = arg;
    for (size_t i = 0; i < server->count; i++) {
        int fd = accept(server->listener, NULL, NULL);
        if (fd < 0)
            break;
        play(fd, &server->scripts[i]);
        close(fd);
    }
    return NULL;
}

static void server_listen(struct server *server)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    server->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(server->listener >= 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(server->listener, 16), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &len), 0);
    snprintf(server->addr, sizeof server->addr, "127.0.0.1:%d", ntohs(address.sin_port));
}

static void server_start(struct server *server, const struct script *scripts, size_t count)
{
    *server = (struct server){ .scripts = scripts, .count = count };
    server_listen(server);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void server_join(struct server *server)
{
    assert_int_equal(pthread_join(server->thread, NULL), 0);
    close(server->listener);
}

static struct kvs_async *open_to(const struct server *server, struct kvs_async_options options)
{
    struct kvs_async *async;
    options.client.addr = server->addr;
    if (options.reconnect_ms == 0)
        options.reconnect_ms = 1;
    assert_ok(kvs_async_open(&options, &async));
    return async;
}

#define GET(key)     "*2\r\n$3\r\nGET\r\n$1\r\n" key "\r\n"
#define INCR(key)    "*2\r\n$4\r\nINCR\r\n$1\r\n" key "\r\n"
#define OPTIONS(...) ((struct kvs_async_options){ __VA_ARGS__ })

static struct kvs_future *call(struct kvs_async *async, const char *command, const char *key,
                               struct kvs_call how)
{
    struct kvs_bytes args[] = { bytes_str(command), bytes_str(key) };
    struct kvs_future *future;
    assert_ok(kvs_async_call(async, args, 2, &how, &future));
    return future;
}

static void assert_text(const struct kvs_reply *reply, const char *text)
{
    assert_non_null(reply);
    assert_int_equal(reply->text.len, strlen(text));
    assert_memory_equal(reply->text.data, text, strlen(text));
}

struct note {
    int calls;
    enum kvs_status status;
    char text[64];
    struct kvs_async *again; /* another call is made inside */
};

static void noted(void *ctx, struct kvs_future *future)
{
    struct note *note = ctx;
    const struct kvs_reply *reply;
    note->calls++;
    assert_true(kvs_future_done(future));
    note->status = kvs_future_result(future, &reply);
    if (reply != NULL)
        snprintf(note->text, sizeof note->text, "%.*s", (int)reply->text.len,
                 (const char *)reply->text.data);
    if (note->again != NULL) {
        struct kvs_async *async = note->again;
        struct kvs_bytes args[] = { BYTES("GET"), BYTES("b") };
        note->again = NULL;
        assert_int_equal(kvs_async_turn(async), KVS_INVALID);
        assert_int_equal(kvs_async_wait(async, 0), KVS_INVALID);
        assert_int_equal(kvs_async_close(async), KVS_INVALID);
        assert_ok(
            kvs_async_call(async, args, 2, &(struct kvs_call){ .done = noted, .ctx = note }, NULL));
    }
}

TEST(answers_come_in_order_and_are_kept)
{
    static const struct script scripts[] = {
        { { GET("a") GET("b") GET("c") },
          { "$1\r\n1\r\n*2\r\n$2\r\nxy\r\n*1\r\n:7\r\n-ERR no\r\nextra" } },
    };
    struct server server;
    server_start(&server, scripts, 1);
    struct kvs_async *async = open_to(&server, OPTIONS());
    struct kvs_future *a = call(async, "GET", "a", (struct kvs_call){ 0 });
    struct kvs_future *b = call(async, "GET", "b", (struct kvs_call){ 0 });
    struct kvs_future *c = call(async, "GET", "c", (struct kvs_call){ 0 });
    const struct kvs_reply *reply;
    assert_int_equal(kvs_async_pending(async), 3);
    assert_int_equal(kvs_future_result(a, &reply), KVS_WOULD_BLOCK);
    assert_ok(kvs_future_wait(c, -1));
    assert_int_equal(kvs_async_pending(async), 0);
    assert_ok(kvs_async_close(async));
    assert_ok(kvs_future_result(a, &reply));
    assert_text(reply, "1");
    assert_ok(kvs_future_result(b, &reply));
    assert_int_equal(reply->item_count, 2);
    assert_text(&reply->items[0], "xy");
    assert_int_equal(reply->items[1].items[0].integer, 7);
    assert_int_equal(kvs_future_result(c, &reply), KVS_SERVER);
    assert_text(reply, "ERR no");
    assert_string_equal(kvs_error(), "ERR no");
    kvs_future_free(a);
    kvs_future_free(b);
    kvs_future_free(c);
    server_join(&server);
}

TEST(a_callers_own_poll_loop_drives_it)
{
    static const struct script scripts[] = {
        { { GET("a"), GET("b") }, { "$1\r\n1\r\n", "$1\r\n2\r\n" } },
    };
    struct server server;
    server_start(&server, scripts, 1);
    struct kvs_async *async = open_to(&server, OPTIONS());
    struct note note = { .again = async };
    struct kvs_bytes args[] = { BYTES("GET"), BYTES("a") };
    assert_ok(
        kvs_async_call(async, args, 2, &(struct kvs_call){ .done = noted, .ctx = &note }, NULL));
    while (note.calls < 2) {
        struct pollfd poll_fd = { .fd = kvs_async_fd(async), .events = POLLIN };
        assert_int_equal(poll(&poll_fd, 1, 60000), 1);
        assert_ok(kvs_async_turn(async));
    }
    assert_ok(note.status);
    assert_string_equal(note.text, "2");
    assert_ok(kvs_async_close(async));
    server_join(&server);
}

TEST(idempotent_requests_are_sent_again_and_others_are_not)
{
    static const struct script scripts[] = {
        { { GET("a") INCR("n") GET("b") }, { "$1\r\n1\r\n" } }, /* and the connection is lost */
        { { GET("b") }, { "$1\r\n2\r\n" } },
    };
    struct server server;
    server_start(&server, scripts, 2);
    struct kvs_async *async = open_to(&server, OPTIONS());
    struct kvs_call again = { .idempotent = true };
    struct kvs_future *a = call(async, "GET", "a", again);
    struct kvs_future *n = call(async, "INCR", "n", (struct kvs_call){ 0 });
    struct kvs_future *b = call(async, "GET", "b", again);
    const struct kvs_reply *reply;
    assert_ok(kvs_future_wait(b, -1));
    assert_ok(kvs_future_result(a, &reply));
    assert_int_equal(kvs_future_result(n, &reply), KVS_NETWORK);
    assert_null(reply);
    assert_ok(kvs_future_result(b, &reply));
    assert_text(reply, "2");
    kvs_future_free(a);
    kvs_future_free(n);
    kvs_future_free(b);
    assert_ok(kvs_async_close(async));
    server_join(&server);
}

TEST(a_request_is_not_tried_for_ever)
{
    static const struct script scripts[] = {
        { { GET("a") }, { NULL } },
        { { GET("a") }, { NULL } },
        { { GET("a") }, { NULL } },
    };
    struct server server;
    server_start(&server, scripts, 3);
    struct kvs_async *async = open_to(&server, OPTIONS(.retries = 2));
    struct kvs_future *a = call(async, "GET", "a", (struct kvs_call){ .idempotent = true });
    assert_ok(kvs_future_wait(a, -1));
    assert_int_equal(kvs_future_result(a, NULL), KVS_NETWORK);
    kvs_future_free(a);
    server_join(&server);

    /* Nobody listens now: an attempt to connect counts as well. */
    a = call(async, "GET", "a", (struct kvs_call){ 0 });
    assert_ok(kvs_future_wait(a, -1));
    assert_int_equal(kvs_future_result(a, NULL), KVS_NETWORK);
    assert_non_null(strstr(kvs_error(), "connect to"));
    kvs_future_free(a);
    assert_ok(kvs_async_close(async));
}

TEST(a_request_of_which_nothing_was_sent_waits_for_the_next_connection)
{
    static const struct script scripts[] = {
        { { NULL }, { NULL } }, /* accepted and closed */
        { { "*2\r\n$4\r\nAUTH\r\n$1\r\np\r\n", INCR("n") }, { "+OK\r\n", ":1\r\n" } },
    };
    struct server server;
    server_start(&server, scripts, 2);
    struct kvs_async *async = open_to(&server, OPTIONS(.client.password = "p"));
    /* The greeting is not answered, so the request itself is not sent. */
    struct kvs_future *n = call(async, "INCR", "n", (struct kvs_call){ 0 });
    const struct kvs_reply *reply;
    assert_ok(kvs_future_wait(n, -1));
    assert_ok(kvs_future_result(n, &reply));
    assert_int_equal(reply->integer, 1);
    kvs_future_free(n);
    assert_ok(kvs_async_close(async));
    server_join(&server);
}

TEST(a_refused_greeting_is_the_answer)
{
    static const struct script scripts[] = {
        { { "*2\r\n$4\r\nAUTH\r\n$1\r\np\r\n" }, { "-WRONGPASS no\r\n" } },
        { { NULL }, { "-ERR max number of clients reached\r\n", "wait" } },
    };
    struct server server;
    server_start(&server, scripts, 2);
    struct kvs_async *async = open_to(&server, OPTIONS(.client.password = "p", .retries = 1));
    struct kvs_future *a = call(async, "GET", "a", (struct kvs_call){ 0 });
    const struct kvs_reply *reply;
    assert_ok(kvs_future_wait(a, -1));
    assert_int_equal(kvs_future_result(a, &reply), KVS_SERVER);
    assert_null(reply);
    kvs_future_free(a);
    assert_ok(kvs_async_close(async));
    server_join(&server);
}

TEST(deadlines_pass_and_answers_that_come_late_are_dropped)
{
    static const struct script scripts[] = {
        { { GET("a") GET("b"), GET("c") }, { "$1\r\n1\r\n", "$1\r\n2\r\n$1\r\n3\r\n" } },
    };
    struct server server;
    server_start(&server, scripts, 1);
    struct kvs_async *async = open_to(&server, OPTIONS());
    struct note note = { 0 };
    struct kvs_future *a = call(async, "GET", "a", (struct kvs_call){ .timeout_ms = 3600000 });
    struct kvs_future *b =
        call(async, "GET", "b", (struct kvs_call){ .timeout_ms = 5, .done = noted, .ctx = &note });
    assert_ok(kvs_future_wait(b, -1));
    assert_int_equal(kvs_future_result(b, NULL), KVS_TIMEOUT);
    assert_int_equal(note.calls, 1);
    struct kvs_future *c = call(async, "GET", "c", (struct kvs_call){ 0 });
    const struct kvs_reply *reply;
    assert_ok(kvs_future_wait(c, -1));
    assert_ok(kvs_future_result(a, NULL));
    assert_ok(kvs_future_result(c, &reply));
    assert_text(reply, "3"); /* not b's */
    assert_int_equal(note.calls, 1);
    kvs_future_free(a);
    kvs_future_free(b);
    kvs_future_free(c);
    assert_ok(kvs_async_close(async));
    server_join(&server);
}

TEST(waiting_for_a_future_has_its_own_limit)
{
    static const struct script scripts[] = { { { GET("a") }, { "wait" } } };
    struct server server;
    server_start(&server, scripts, 1);
    struct kvs_async *async = open_to(&server, OPTIONS());
    struct kvs_future *a = call(async, "GET", "a", (struct kvs_call){ 0 });
    assert_int_equal(kvs_future_wait(a, 5), KVS_TIMEOUT);
    assert_false(kvs_future_done(a));
    assert_ok(kvs_async_close(async)); /* a kept future outlives the pool */
    assert_int_equal(kvs_future_result(a, NULL), KVS_CLOSED);
    kvs_future_free(a);
    server_join(&server);
}

TEST(what_is_cancelled_is_not_sent_or_its_answer_dropped)
{
    static const struct script scripts[] = {
        { { GET("x") GET("b"), GET("c") }, { "$1\r\n1\r\n", "$1\r\n2\r\n$1\r\n3\r\n" } },
    };
    struct server server;
    server_start(&server, scripts, 1);
    struct kvs_async *async = open_to(&server, OPTIONS());
    struct note note = { 0 };
    struct kvs_call how = { .done = noted, .ctx = &note };
    struct kvs_future *a = call(async, "GET", "a", how);
    kvs_future_free(a); /* never sent */
    struct kvs_future *x = call(async, "GET", "x", (struct kvs_call){ 0 });
    struct kvs_future *b = call(async, "GET", "b", how);
    assert_ok(kvs_future_wait(x, -1)); /* b was sent with it */
    kvs_future_cancel(b);
    assert_int_equal(kvs_future_result(b, NULL), KVS_CLOSED);
    struct kvs_future *c = call(async, "GET", "c", how);
    const struct kvs_reply *reply;
    assert_ok(kvs_future_wait(c, -1));
    assert_ok(kvs_future_result(c, &reply));
    assert_text(reply, "3");
    assert_int_equal(note.calls, 1);
    kvs_future_free(x);
    kvs_future_free(b);
    kvs_future_free(c);
    assert_ok(kvs_async_close(async));
    server_join(&server);
}

static void freed(void *ctx, struct kvs_future *future)
{
    (*(int *)ctx)++;
    kvs_future_free(future);
}

TEST(a_kept_future_may_be_freed_by_its_callback)
{
    static const struct script scripts[] = { { { GET("a") }, { "$1\r\n1\r\n" } } };
    struct server server;
    server_start(&server, scripts, 1);
    struct kvs_async *async = open_to(&server, OPTIONS());
    int calls = 0;
    (void)call(async, "GET", "a", (struct kvs_call){ .done = freed, .ctx = &calls });
    while (calls == 0)
        assert_ok(kvs_async_wait(async, -1));
    assert_ok(kvs_async_close(async));
    server_join(&server);
}

TEST(the_queue_is_bounded)
{
    struct server server = { 0 };
    server_listen(&server); /* never accepts: nothing is answered */
    struct kvs_async *async = open_to(&server, OPTIONS(.queue_bytes_max = 1000));
    struct kvs_bytes args[] = { BYTES("GET"), BYTES("0123456789") };
    struct note note = { 0 };
    int queued = 0;
    enum kvs_status status;
    while ((status = kvs_async_call(
                async, args, 2, &(struct kvs_call){ .done = noted, .ctx = &note }, NULL)) == KVS_OK)
        queued++;
    assert_int_equal(status, KVS_WOULD_BLOCK);
    assert_true(queued > 20 && queued < 1000 / 20);
    assert_ok(kvs_async_turn(async));
    assert_ok(kvs_async_close(async));
    assert_int_equal(note.calls, queued);
    assert_int_equal(note.status, KVS_CLOSED);
    close(server.listener);
}

static void pushed(void *ctx, const struct kvs_reply *push)
{
    struct note *note = ctx;
    note->calls++;
    assert_int_equal(push->type, KVS_REPLY_PUSH);
    assert_text(&push->items[0], "message");
}

TEST(pushes_go_to_their_callback_and_a_request_may_have_no_reply)
{
    static const struct script scripts[] = {
        { { "*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n", "*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\nc\r\n" GET("a") },
          { "%1\r\n+proto\r\n:3\r\n",
            ">1\r\n$7\r\nmessage\r\n$1\r\n1\r\n>1\r\n$7\r\nmessage\r\n" } },
    };
    struct server server;
    struct note pushes = { 0 };
    server_start(&server, scripts, 1);
    struct kvs_async *async =
        open_to(&server, OPTIONS(.client = { .resp = 3, .push = pushed, .push_ctx = &pushes }));
    struct kvs_future *s = call(async, "SUBSCRIBE", "c", (struct kvs_call){ .no_reply = true });
    struct kvs_future *a = call(async, "GET", "a", (struct kvs_call){ 0 });
    assert_ok(kvs_future_wait(a, -1));
    assert_ok(kvs_future_result(s, NULL));
    while (pushes.calls < 2)
        assert_ok(kvs_async_wait(async, -1));
    kvs_future_free(s);
    kvs_future_free(a);
    assert_ok(kvs_async_close(async));
    server_join(&server);
}

TEST(garbage_ends_the_connection_and_names_itself)
{
    static const struct script scripts[] = { { { GET("a") }, { "rubbish\r\n", "wait" } } };
    struct server server;
    server_start(&server, scripts, 1);
    struct kvs_async *async = open_to(&server, OPTIONS());
    struct kvs_future *a = call(async, "GET", "a", (struct kvs_call){ 0 });
    assert_ok(kvs_future_wait(a, -1));
    assert_int_equal(kvs_future_result(a, NULL), KVS_PROTOCOL);
    kvs_future_free(a);
    assert_ok(kvs_async_close(async));
    server_join(&server);
}

TEST(a_pool_spreads_requests_over_its_connections)
{
    static const struct script scripts[] = {
        { { GET("a") }, { "$1\r\n1\r\n", "wait" } },
        { { GET("a") }, { "$1\r\n1\r\n", "wait" } },
    };
    struct server server;
    server_start(&server, scripts, 2);
    struct server second = server;
    assert_int_equal(pthread_create(&second.thread, NULL, serve, &server), 0);
    struct kvs_async *async = open_to(&server, OPTIONS(.connections = 2));
    struct kvs_future *a = call(async, "GET", "a", (struct kvs_call){ 0 });
    struct kvs_future *b = call(async, "GET", "a", (struct kvs_call){ 0 });
    assert_ok(kvs_future_wait(a, -1)); /* each connection answers once */
    assert_ok(kvs_future_wait(b, -1));
    assert_ok(kvs_future_result(a, NULL));
    assert_ok(kvs_future_result(b, NULL));
    kvs_future_free(a);
    kvs_future_free(b);
    assert_ok(kvs_async_close(async));
    assert_int_equal(shutdown(server.listener, SHUT_RDWR), 0); /* the threads' further accepts */
    assert_int_equal(pthread_join(second.thread, NULL), 0);
    server_join(&server);
}

TEST(bad_options_are_refused)
{
    struct kvs_async *async;
    assert_int_equal(kvs_async_open(&OPTIONS(.client.addr = "nowhere"), &async), KVS_INVALID);
    assert_int_equal(kvs_async_open(&OPTIONS(.client.resp = 4), &async), KVS_INVALID);
    assert_int_equal(kvs_async_open(&OPTIONS(.connections = KVS_ASYNC_CONNECTIONS_MAX + 1), &async),
                     KVS_INVALID);
    assert_ok(kvs_async_open(NULL, &async));
    assert_int_equal(kvs_async_call(async, NULL, 0, NULL, NULL), KVS_INVALID);
    assert_ok(kvs_async_close(async));
    assert_ok(kvs_async_close(NULL));
}
