/*
 * limits_test.c - what a client may not do, and what happens to it: bounds on connections, memory, time; passwords.
 */
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/server/harness.h"

#define ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })

enum {
    MIB = 1024 * 1024
};

static void set_bytes(struct wire *wire, const char *key, size_t len)
{
    char *value = malloc(len);
    assert_non_null(value);
    memset(value, 'v', len);
    struct kvs_bytes args[] = { { "SET", 3 }, { key, strlen(key) }, { value, len } };
    wire_send_args(wire, args, 3);
    assert_string_equal(wire_show(wire), "+OK");
    free(value);
}

/* Sends GETs until the server takes no more; reads nothing. Returns how many were taken. */
static void send_gets_and_never_read(struct wire *wire, const char *key, int count)
{
    char request[64];
    int len =
        snprintf(request, sizeof request, "*2\r\n$3\r\nGET\r\n$%zu\r\n%s\r\n", strlen(key), key);
    for (int i = 0; i < count; i++) {
        if (send(wire->fd, request, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
            return;
    }
}

TEST(a_client_that_never_reads_is_cut_and_costs_little_until_then)
{
    struct server_process server;
    struct wire deaf;
    struct wire other;
    server_start(&server, ARGS("--client-output-buffer-limit", "normal 64mb 1mb 2"));
    wire_open(&other, &server);
    set_bytes(&other, "big", 500 * 1000);
    wire_open(&deaf, &server);
    size_t before = server_memory(&server);
    send_gets_and_never_read(&deaf, "big", 100000);
    for (int i = 0; i < 50; i++) {
        assert_string_equal(ask(&other, "PING"), "+PONG");
        usleep(10000);
    }
    assert_true(server_memory(&server) < before + 24 * MIB);
    server_await_log(&server, "it has not read its replies");
    assert_string_equal(ask(&other, "PING"), "+PONG");
    wire_expect_closed(&deaf);
    wire_close(&deaf);
    wire_close(&other);
    server_end(&server);
}

TEST(a_slow_client_that_reads_gets_everything)
{
    enum {
        GETS = 60,
        LEN = 500 * 1000
    };
    struct server_process server;
    struct wire wire;
    server_start(&server, ARGS("--client-output-buffer-limit", "normal 64mb 1mb 2"));
    wire_open(&wire, &server);
    set_bytes(&wire, "big", LEN);
    send_gets_and_never_read(&wire, "big", GETS);
    for (int i = 0; i < GETS; i++) {
        const struct resp_value *value = wire_read(&wire);
        assert_int_equal(value->type, RESP_BULK);
        assert_int_equal(value->text.len, LEN);
        usleep(20000);
    }
    assert_string_equal(ask(&wire, "PING"), "+PONG");
    wire_close(&wire);
    server_end(&server);
}

TEST(a_reply_over_the_hard_limit_is_an_error_instead)
{
    struct server_process server;
    struct wire wire;
    server_start(&server, ARGS("--client-output-buffer-limit", "normal 2mb 1mb 60"));
    wire_open(&wire, &server);
    set_bytes(&wire, "big", 900 * 1000);
    assert_int_equal(strlen(ask(&wire, "MGET", "big", "big")), 2 * 900 * 1000 + 5);
    const char *error = ask(&wire, "MGET", "big", "big", "big");
    assert_memory_equal(error, "-ERR ", 5);
    assert_non_null(strstr(error, "2097152"));
    assert_string_equal(ask(&wire, "PING"), "+PONG");
    wire_close(&wire);
    server_end(&server);
}

TEST(a_request_over_the_query_limit_closes_the_connection)
{
    struct server_process server;
    struct wire wire;
    server_start(&server, ARGS("--client-query-buffer-limit", "1mb"));
    wire_open(&wire, &server);
    wire_send_text(&wire, "*3\r\n");
    static char block[65536];
    wire_send_text(&wire, "$4\r\nMGET\r\n$900000\r\n");
    for (int i = 0; i < 40; i++)
        (void)!send(wire.fd, block, sizeof block, MSG_NOSIGNAL | MSG_DONTWAIT);
    wire_expect_closed(&wire);
    wire_close(&wire);
    server_end(&server);
}

TEST(connections_over_maxclients_are_told_and_closed)
{
    struct server_process server;
    struct wire wires[3];
    server_start(&server, ARGS("--maxclients", "2"));
    for (int i = 0; i < 2; i++) {
        wire_open(&wires[i], &server);
        assert_string_equal(ask(&wires[i], "PING"), "+PONG");
    }
    wire_open(&wires[2], &server);
    wire_expect(&wires[2], "-ERR max number of clients reached\r\n", 36);
    wire_expect_closed(&wires[2]);
    wire_close(&wires[2]);
    assert_string_equal(ask(&wires[0], "CONFIG", "SET", "maxclients", "3"), "+OK");
    wire_open(&wires[2], &server);
    assert_string_equal(ask(&wires[2], "PING"), "+PONG");
    for (int i = 0; i < 3; i++)
        wire_close(&wires[i]);
    server_end(&server);
}

TEST(idle_clients_are_closed_after_the_timeout)
{
    struct server_process server;
    struct wire wire;
    server_start(&server, ARGS("--timeout", "1"));
    wire_open(&wire, &server);
    assert_string_equal(ask(&wire, "PING"), "+PONG");
    wire_expect_closed(&wire);
    wire_close(&wire);
    server_end(&server);
}

TEST(nothing_works_without_the_password_and_everything_with_it)
{
    struct server_process server;
    struct wire wire;
    struct wire json;
    server_start(&server, ARGS("--requirepass", "secret"));
    wire_open(&wire, &server);
    assert_string_equal(ask(&wire, "GET", "a"), "-NOAUTH Authentication required.");
    assert_string_equal(ask(&wire, "SET", "a", "1"), "-NOAUTH Authentication required.");
    assert_memory_equal(ask(&wire, "HELLO", "3"), "-NOAUTH", 7);
    assert_memory_equal(ask(&wire, "AUTH", "wrong"), "-WRONGPASS", 10);
    assert_memory_equal(ask(&wire, "AUTH", "nobody", "secret"), "-WRONGPASS", 10);
    wire_open(&json, &server);
    wire_send_text(&json, "{\"Set\":{\"key\":\"a\",\"value\":\"1\"}}");
    wire_expect(&json, "{\"Err\":\"NOAUTH Authentication required.\"}", 41);
    wire_close(&json);
    assert_string_equal(ask(&wire, "AUTH", "secret"), "+OK");
    assert_string_equal(ask(&wire, "EXISTS", "a"), ":0");
    assert_string_equal(ask(&wire, "CONFIG", "SET", "requirepass", ""), "+OK");
    wire_close(&wire);
    wire_open(&wire, &server);
    assert_string_equal(ask(&wire, "SET", "a", "1"), "+OK");
    wire_close(&wire);
    server_end(&server);
}

TEST(before_authentication_requests_are_small)
{
    struct server_process server;
    struct wire wire;
    server_start(&server, ARGS("--requirepass", "secret"));
    wire_open(&wire, &server);
    wire_send_text(&wire, "*1000\r\n");
    wire_expect(&wire, "-ERR Protocol error: unauthenticated multibulk length\r\n", 55);
    wire_expect_closed(&wire);
    wire_close(&wire);
    wire_open(&wire, &server);
    wire_send_text(&wire, "*2\r\n$4\r\nAUTH\r\n$1000000\r\n");
    wire_expect(&wire, "-ERR Protocol error: unauthenticated bulk length\r\n", 50);
    wire_expect_closed(&wire);
    wire_close(&wire);
    server_end(&server);
}

/* An IPv4 address of this machine that is not loopback. */
static bool outer_address(struct sockaddr_in *ret)
{
    struct ifaddrs *all = NULL;
    bool found = false;
    if (getifaddrs(&all) != 0)
        return false;
    for (struct ifaddrs *one = all; one != NULL && !found; one = one->ifa_next) {
        if (one->ifa_addr == NULL || one->ifa_addr->sa_family != AF_INET)
            continue;
        memcpy(ret, one->ifa_addr, sizeof *ret);
        found = ntohl(ret->sin_addr.s_addr) >> 24 != 127;
    }
    freeifaddrs(all);
    return found;
}

static void connect_from_outside(struct wire *wire, struct sockaddr_in *address,
                                 const struct server_process *server)
{
    wire_open(wire, server);
    (void)close(wire->fd);
    wire->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address->sin_port = htons((uint16_t)server->port);
    assert_ok(connect(wire->fd, (struct sockaddr *)address, sizeof *address));
}

TEST(other_hosts_are_refused_without_a_password)
{
    struct sockaddr_in address;
    struct server_process server;
    struct wire inner;
    struct wire outer;
    if (!outer_address(&address)) {
        print_message("SKIP other_hosts_are_refused_without_a_password: this machine has no "
                      "address but loopback\n");
        return;
    }
    server_start(&server, ARGS("--bind", "0.0.0.0"));
    wire_open(&inner, &server);
    connect_from_outside(&outer, &address, &server);
    wire_expect(&outer, "-DENIED ", 8);
    wire_expect_closed(&outer);
    wire_close(&outer);
    assert_string_equal(ask(&inner, "CONFIG", "SET", "requirepass", "secret"), "+OK");
    connect_from_outside(&outer, &address, &server);
    assert_string_equal(ask(&outer, "AUTH", "secret"), "+OK");
    wire_close(&outer);
    wire_close(&inner);
    server_end(&server);
}
