/*
 * client_test.c - the client against a server of a few lines that plays a script.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <kvs/client.h>

#include "base/bytes.h"
#include "tests/harness/test.h"

/* One connection: what the server expects, what it then sends. */
struct step {
    const char *expect;
    const char *send;
};

struct server {
    int listener;
    char addr[32];
    pthread_t thread;
    const struct step *steps; /* up to one with neither */
    void (*play)(struct server *server, int fd);
    size_t amount;
};

static void receive_expected(int fd, const char *expect)
{
    size_t len = strlen(expect);
    char *got = malloc(len + 1);
    assert_non_null(got);
    size_t have = 0;
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
    free(got);
}

static void send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        data += n;
        len -= (size_t)n;
    }
}

static void play_steps(struct server *server, int fd)
{
    for (const struct step *step = server->steps; step->expect != NULL || step->send != NULL;
         step++) {
        if (step->expect != NULL)
            receive_expected(fd, step->expect);
        if (step->send != NULL)
            send_all(fd, step->send, strlen(step->send));
    }
}

static void *serve(void *arg)
{
    struct server *server = arg;
    int fd = accept(server->listener, NULL, NULL);
    if (fd >= 0) {
        server->play(server, fd);
        close(fd);
    }
    return NULL;
}

static void server_start(struct server *server)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    if (server->play == NULL)
        server->play = play_steps;
    server->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(server->listener >= 0);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(server->listener, 1), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &len), 0);
    snprintf(server->addr, sizeof server->addr, "127.0.0.1:%d", ntohs(address.sin_port));
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void server_join(struct server *server)
{
    assert_int_equal(pthread_join(server->thread, NULL), 0);
    close(server->listener);
}

#define GET_K "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"
#define PING  "*1\r\n$4\r\nPING\r\n"

static struct kvs_client *open_to(struct server *server)
{
    server_start(server);
    struct kvs_client_options options = { .addr = server->addr };
    struct kvs_client *client;
    assert_ok(kvs_client_open(&options, &client));
    return client;
}

static const struct kvs_bytes ping[] = { BYTES_INIT("PING") };

TEST(get_set_and_remove_answer)
{
    static const struct step steps[] = {
        { "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\n\r\n\r\n", "+OK\r\n" },
        { GET_K, "$2\r\n\r\n\r\n" },
        { GET_K, "$-1\r\n" },
        { "*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n", ":1\r\n" },
        { "*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n", ":0\r\n" },
        { GET_K, "-WRONGTYPE no\r\n" },
        { GET_K, ":1\r\n" },
        { NULL, NULL },
    };
    struct server server = { .steps = steps };
    struct kvs_client *client = open_to(&server);
    struct kvs_bytes value;
    assert_ok(kvs_client_set(client, BYTES("k"), BYTES("\r\n")));
    assert_ok(kvs_client_get(client, BYTES("k"), &value));
    assert_true(bytes_equal(value, BYTES("\r\n")));
    assert_int_equal(kvs_client_get(client, BYTES("k"), &value), KVS_NOT_FOUND);
    assert_ok(kvs_client_remove(client, BYTES("k")));
    assert_int_equal(kvs_client_remove(client, BYTES("k")), KVS_NOT_FOUND);
    assert_int_equal(kvs_client_get(client, BYTES("k"), &value), KVS_SERVER);
    assert_string_equal(kvs_error(), "WRONGTYPE no");
    assert_int_equal(kvs_client_get(client, BYTES("k"), &value), KVS_PROTOCOL);
    server_join(&server);
    kvs_client_close(client);
}

TEST(replies_are_trees_of_every_type)
{
    static const struct step steps[] = {
        { PING, ">2\r\n+message\r\n+x\r\n*4\r\n%1\r\n+a\r\n*2\r\n:1\r\n_\r\n~1\r\n,1.5\r\n#t\r\n="
                "6\r\ntxt:hi\r\n" },
        { NULL, NULL },
    };
    struct server server = { .steps = steps };
    struct kvs_client *client = open_to(&server);
    const struct kvs_reply *reply;
    assert_ok(kvs_client_call(client, ping, 1, &reply));
    assert_int_equal(reply->type, KVS_REPLY_ARRAY);
    assert_int_equal(reply->item_count, 4);
    const struct kvs_reply *map = &reply->items[0];
    assert_int_equal(map->type, KVS_REPLY_MAP);
    assert_int_equal(map->item_count, 2);
    assert_int_equal(map->items[0].type, KVS_REPLY_STATUS);
    assert_int_equal(map->items[1].items[0].integer, 1);
    assert_int_equal(map->items[1].items[1].type, KVS_REPLY_NULL);
    assert_int_equal(reply->items[1].type, KVS_REPLY_SET);
    assert_true(reply->items[1].items[0].real == 1.5);
    assert_int_equal(reply->items[2].type, KVS_REPLY_BOOLEAN);
    assert_int_equal(reply->items[3].type, KVS_REPLY_VERBATIM);
    assert_true(bytes_equal(reply->items[3].text, BYTES("hi")));
    server_join(&server);
    kvs_client_close(client);
}

TEST(the_greeting_says_who_and_where)
{
    static const struct step steps2[] = {
        { "*3\r\n$4\r\nAUTH\r\n$1\r\nu\r\n$2\r\npw\r\n*3\r\n$6\r\nCLIENT\r\n$7\r\nSETNAME\r\n$"
          "2\r\nme\r\n*2\r\n$6\r\nSELECT\r\n"
          "$1\r\n3\r\n",
          "+OK\r\n+OK\r\n+OK\r\n" },
        { NULL, NULL },
    };
    struct server server = { .steps = steps2 };
    server_start(&server);
    struct kvs_client_options options = {
        .addr = server.addr, .user = "u", .password = "pw", .name = "me", .database = 3
    };
    struct kvs_client *client;
    assert_ok(kvs_client_open(&options, &client));
    kvs_client_close(client);
    server_join(&server);

    static const struct step steps3[] = {
        { "*5\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n$7\r\ndefault\r\n$2\r\npw\r\n",
          "-WRONGPASS no\r\n" },
        { NULL, NULL },
    };
    server = (struct server){ .steps = steps3 };
    server_start(&server);
    options = (struct kvs_client_options){ .addr = server.addr, .password = "pw", .resp = 3 };
    assert_int_equal(kvs_client_open(&options, &client), KVS_SERVER);
    assert_string_equal(kvs_error(), "WRONGPASS no");
    server_join(&server);
}

TEST(bad_options_are_refused)
{
    struct kvs_client *client;
    struct kvs_client_options options = { .resp = 4 };
    assert_int_equal(kvs_client_open(&options, &client), KVS_INVALID);
    options = (struct kvs_client_options){ .addr = "nowhere" };
    assert_int_equal(kvs_client_open(&options, &client), KVS_INVALID);
}

TEST(nobody_listening_is_a_network_error)
{
    /* A port that was free a moment ago. */
    struct server server = { .steps = (const struct step[]){ { NULL, NULL } } };
    server_start(&server);
    struct kvs_client_options options = { .addr = server.addr };
    struct kvs_client *client;
    assert_ok(kvs_client_open(&options, &client));
    kvs_client_close(client);
    server_join(&server);
    assert_int_equal(kvs_client_open(&options, &client), KVS_NETWORK);
    assert_non_null(strstr(kvs_error(), server.addr));
    assert_non_null(strstr(kvs_error(), "refused"));
}

TEST(a_closed_connection_is_an_error_and_stays_one)
{
    static const struct step steps[] = { { PING, "+PO" }, { NULL, NULL } };
    struct server server = { .steps = steps };
    struct kvs_client *client = open_to(&server);
    const struct kvs_reply *reply;
    signal(SIGPIPE, SIG_DFL); /* sending to it must not end the program */
    assert_int_equal(kvs_client_call(client, ping, 1, &reply), KVS_NETWORK);
    server_join(&server);
    for (int i = 0; i < 3; i++)
        assert_int_equal(kvs_client_call(client, ping, 1, &reply), KVS_NETWORK);
    assert_int_equal(kvs_client_append(client, ping, 1), KVS_NETWORK);
    assert_int_equal(kvs_client_flush(client), KVS_NETWORK);
    kvs_client_close(client);
}

TEST(sending_into_a_closed_connection_is_no_signal)
{
    static const struct step steps[] = { { NULL, NULL } };
    struct server server = { .steps = steps };
    struct kvs_client *client = open_to(&server);
    server_join(&server);
    (void)signal(SIGPIPE, SIG_DFL);
    enum kvs_status status = KVS_OK;
    while (status == KVS_OK) { /* the first may still be taken by the system */
        status = kvs_client_append(client, ping, 1);
        if (status == KVS_OK)
            status = kvs_client_flush(client);
    }
    assert_int_equal(status, KVS_NETWORK);
    kvs_client_close(client);
}

TEST(what_is_not_resp_is_an_error)
{
    static const struct step steps[] = { { PING, "HTTP/1.1 400\r\n" }, { NULL, NULL } };
    struct server server = { .steps = steps };
    struct kvs_client *client = open_to(&server);
    const struct kvs_reply *reply;
    assert_int_equal(kvs_client_call(client, ping, 1, &reply), KVS_PROTOCOL);
    assert_non_null(strstr(kvs_error(), "HTTP/1.1"));
    server_join(&server);
    kvs_client_close(client);
}

static void play_nothing(struct server *server, int fd)
{
    (void)server;
    char byte;
    while (recv(fd, &byte, 1, 0) > 0)
        continue;
}

TEST(a_silent_server_is_a_timeout)
{
    struct server server = { .play = play_nothing };
    server_start(&server);
    struct kvs_client_options options = { .addr = server.addr, .timeout_ms = 20 };
    struct kvs_client *client;
    assert_ok(kvs_client_open(&options, &client));
    const struct kvs_reply *reply;
    assert_int_equal(kvs_client_call(client, ping, 1, &reply), KVS_TIMEOUT);
    kvs_client_close(client);
    server_join(&server);
}

enum {
    ECHO_BYTES = 2000,
    ECHO_REQUEST_BYTES = ECHO_BYTES + 23, /* "*2\r\n$4\r\nECHO\r\n$2000\r\n" and CRLF around them */
};

/* Answers each ECHO, and reads nothing while its answers are not taken. */
static void play_echo(struct server *server, int fd)
{
    char bytes[ECHO_REQUEST_BYTES];
    for (size_t i = 0; i < server->amount; i++) {
        if (recv(fd, bytes, sizeof bytes, MSG_WAITALL) != (ssize_t)sizeof bytes)
            return;
        send_all(fd, "$2000\r\n", 7);
        send_all(fd, bytes, ECHO_BYTES);
        send_all(fd, "\r\n", 2);
    }
}

TEST(a_pipeline_larger_than_all_buffers_does_not_lock_up)
{
    enum {
        COUNT = 20000 /* 40 MB each way */
    };

    struct server server = { .play = play_echo, .amount = COUNT };
    struct kvs_client *client = open_to(&server);
    char bytes[ECHO_BYTES] = { 0 };
    struct kvs_bytes args[] = { BYTES("ECHO"), bytes_of(bytes, sizeof bytes) };
    for (size_t i = 0; i < COUNT; i++)
        assert_ok(kvs_client_append(client, args, 2));
    assert_ok(kvs_client_flush(client));
    assert_int_equal(kvs_client_pending(client), COUNT);
    const struct kvs_reply *reply;
    assert_int_equal(kvs_client_call(client, ping, 1, &reply), KVS_INVALID);
    for (size_t i = 0; i < COUNT; i++) {
        assert_ok(kvs_client_read(client, &reply));
        assert_int_equal(reply->text.len, ECHO_BYTES);
    }
    assert_int_equal(kvs_client_pending(client), 0);
    assert_int_equal(kvs_client_read(client, &reply), KVS_INVALID);
    server_join(&server);
    kvs_client_close(client);
}

TEST(requests_and_replies_go_in_pieces)
{
    static const struct step steps[] = {
        { "*5\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nabcde\r\n$2\r\nPX\r\n$0\r\n\r\n" GET_K PING PING,
          "+OK\r\n*4\r\n:7\r\n$6\r\nabcdef\r\n$0\r\n\r\n*1\r\n$-1\r\n$2\r\nxy\r\n-ERR no\r\n" },
        { NULL, NULL },
    };
    struct server server = { .steps = steps };
    struct kvs_client *client = open_to(&server);
    const struct kvs_reply *reply;
    assert_ok(kvs_client_begin(client, 5));
    assert_int_equal(kvs_client_append(client, ping, 1), KVS_INVALID);
    assert_int_equal(kvs_client_flush(client), KVS_INVALID);
    assert_int_equal(kvs_client_begin(client, 1), KVS_INVALID);
    assert_ok(kvs_client_arg(client, BYTES("SET")));
    assert_ok(kvs_client_arg(client, BYTES("k")));
    assert_ok(kvs_client_arg_begin(client, 5));
    assert_int_equal(kvs_client_arg(client, BYTES("x")), KVS_INVALID);
    assert_ok(kvs_client_arg_bytes(client, BYTES("ab")));
    assert_int_equal(kvs_client_arg_bytes(client, BYTES("cdef")), KVS_INVALID);
    assert_ok(kvs_client_arg_bytes(client, BYTES("cde")));
    assert_ok(kvs_client_arg(client, BYTES("PX")));
    assert_ok(kvs_client_arg_begin(client, 0));
    assert_int_equal(kvs_client_arg(client, BYTES("x")), KVS_INVALID);
    struct kvs_bytes get[] = { BYTES("GET"), BYTES("k") };
    assert_ok(kvs_client_append(client, get, 2));
    assert_ok(kvs_client_append(client, ping, 1));
    assert_ok(kvs_client_append(client, ping, 1));

    struct kvs_reply head;
    uint64_t count;
    struct kvs_bytes piece;
    assert_ok(kvs_client_read(client, &reply));
    assert_ok(kvs_client_read_head(client, &head, &count));
    assert_int_equal(head.type, KVS_REPLY_ARRAY);
    assert_int_equal(count, 4);
    assert_int_equal(kvs_client_read(client, &reply), KVS_INVALID);
    assert_ok(kvs_client_read_head(client, &head, &count));
    assert_int_equal(head.integer, 7);
    assert_ok(kvs_client_read_head(client, &head, &count));
    assert_int_equal(count, 6);
    assert_int_equal(kvs_client_read_head(client, &head, &count), KVS_INVALID);
    size_t got = 0;
    do {
        assert_ok(kvs_client_read_bytes(client, &piece));
        assert_memory_equal(piece.data, &"abcdef"[got], piece.len);
        got += piece.len;
    } while (piece.len > 0);
    assert_int_equal(got, 6);
    assert_ok(kvs_client_read_head(client, &head,
                                   &count)); /* an empty bulk: its end is found by the next call */
    assert_int_equal(count, 0);
    assert_ok(kvs_client_read_head(client, &head, &count));
    assert_int_equal(head.type, KVS_REPLY_ARRAY);
    assert_int_equal(kvs_client_pending(client), 3);
    assert_ok(kvs_client_read_head(client, &head, &count));
    assert_int_equal(head.type, KVS_REPLY_NULL);
    assert_int_equal(kvs_client_pending(client), 2);
    assert_ok(kvs_client_read(client, &reply));
    assert_true(bytes_equal(reply->text, BYTES("xy")));
    assert_ok(kvs_client_read_head(client, &head, &count));
    assert_int_equal(head.type, KVS_REPLY_ERROR);
    assert_true(bytes_equal(head.text, BYTES("ERR no")));
    assert_int_equal(kvs_client_pending(client), 0);
    server_join(&server);
    kvs_client_close(client);
}
