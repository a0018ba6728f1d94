/*
 * client_test.c - kvs-client against a server of its own: every row of the contract.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/cli/run.h"
#include "tests/server/harness.h"

#define USAGE "usage: kvs-client [OPTIONS] COMMAND"

static char addr[64];

static void start(struct server_process *server, const char *const *args)
{
    server_start(server, args);
    (void)snprintf(addr, sizeof addr, "127.0.0.1:%d", server->port);
}

TEST(set_get_and_rm_keep_the_contract)
{
    const char *dir = new_dir();
    struct server_process server;
    start(&server, NULL);
    check(dir, 0, "", NULL, "kvs-client", "set", "key1", "value1", "--addr", addr);
    check(dir, 0, "value1\n", NULL, "kvs-client", "get", "key1", "--addr", addr);
    check(dir, 0, "Key not found\n", NULL, "kvs-client", "--addr", addr, "get", "key2");
    check(dir, 0, "", NULL, "kvs-client", "rm", "key1", "--addr", addr);
    check(dir, 0, "Key not found\n", NULL, "kvs-client", "get", "key1", "--addr", addr);
    check(dir, 1, "", "Key not found\n", "kvs-client", "rm", "key1", "--addr", addr);
    check(dir, 0, "", NULL, "kvs-client", "set", "\xff", "\xfe\n", "--addr", addr);
    check(dir, 0, "\xfe\n\n", NULL, "kvs-client", "get", "\xff", "--addr", addr);
    assert_int_equal(setenv("KVS_ADDR", addr, 1), 0);
    check(dir, 0, "", NULL, "kvs-client", "set", "", "");
    check(dir, 0, "\n", NULL, "kvs-client", "get", "");
    assert_int_equal(unsetenv("KVS_ADDR"), 0);
    server_end(&server);
    assert_true(is_empty_dir(dir));
}

TEST(bad_usage_says_why)
{
    const char *dir = new_dir();
    check(dir, 2, "", USAGE, "kvs-client");
    check(dir, 2, "", "unknown command \"unknown\"", "kvs-client", "unknown");
    check(dir, 2, "", "missing arguments: kvs-client get KEY", "kvs-client", "get");
    check(dir, 2, "", USAGE, "kvs-client", "get", "k", "extra");
    check(dir, 2, "", USAGE, "kvs-client", "set", "k");
    check(dir, 2, "", USAGE, "kvs-client", "set", "k", "v", "extra");
    check(dir, 2, "", USAGE, "kvs-client", "rm");
    check(dir, 2, "", USAGE, "kvs-client", "rm", "k", "extra");
    check(dir, 2, "", USAGE, "kvs-client", "call");
    check(dir, 2, "", "unknown option \"--unknown\"", "kvs-client", "get", "k", "--unknown", "x");
    check(dir, 2, "", "a value is missing", "kvs-client", "get", "k", "--addr");
    check(dir, 2, "", "--db \"x\": expected a number", "kvs-client", "get", "k", "--db", "x");
    check(dir, 2, "", "--timeout \"-1\"", "kvs-client", "get", "k", "--timeout", "-1");
}

TEST(help_and_version_are_answers)
{
    const char *dir = new_dir();
    check(dir, 0, "kvs-client 0.1.0\n", NULL, "kvs-client", "-V");
    check(dir, 0, "kvs-client 0.1.0\n", NULL, "kvs-client", "--version");
    struct run run;
    run_in(&run, dir, "kvs-client", "--help");
    assert_int_equal(run.code, 0);
    assert_non_null(strstr(run.out, "--addr IP:PORT"));
    assert_non_null(strstr(run.out, "127.0.0.1:4000"));
    assert_non_null(strstr(run.out, "[KVS_PASSWORD]"));
    run_done(&run);
}

/* A port nobody listens on: bound, not listening. */
static int dead_port(int *ret_fd)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof address;
    *ret_fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(*ret_fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(getsockname(*ret_fd, (struct sockaddr *)&address, &len), 0);
    return ntohs(address.sin_port);
}

TEST(nobody_there_and_bad_addresses_are_errors)
{
    const char *dir = new_dir();
    int fd;
    char dead[64];
    (void)snprintf(dead, sizeof dead, "127.0.0.1:%d", dead_port(&fd));
    static const char *const commands[][3] = { { "get", "k", NULL },
                                               { "rm", "k", NULL },
                                               { "set", "k", "v" } };
    for (size_t i = 0; i < 3; i++) {
        const char *const *words = commands[i];
        const char *argv[] = { "kvs-client", "--addr", dead, words[0], words[1], words[2], NULL };
        check_run(dir, 1, "", "refused", argv);
        argv[2] = "invalid-addr";
        check_run(dir, 1, "", "bad address \"invalid-addr\": expected IP:PORT", argv);
        argv[2] = "127.0.0.1";
        check_run(dir, 1, "", "bad address", argv);
        argv[2] = "127.0.0.1:99999";
        check_run(dir, 1, "", "bad address", argv);
    }
    close(fd);
}

TEST(a_server_error_is_an_error)
{
    const char *dir = new_dir();
    struct server_process server;
    start(&server, (const char *const[]){ "--requirepass", "secret", NULL });
    check(dir, 1, "", "NOAUTH Authentication required.", "kvs-client", "get", "k", "--addr", addr);
    check(dir, 1, "", "NOAUTH", "kvs-client", "rm", "k", "--addr", addr);
    check(dir, 1, "", "WRONGPASS", "kvs-client", "get", "k", "--addr", addr, "--password", "bad");
    check(dir, 0, "", NULL, "kvs-client", "set", "k", "v", "--addr", addr, "--password", "secret");
    assert_int_equal(setenv("KVS_PASSWORD", "secret", 1), 0);
    check(dir, 0, "v\n", NULL, "kvs-client", "get", "k", "--addr", addr);
    check(dir, 0, "v\n", NULL, "kvs-client", "get", "k", "--addr", addr, "--user", "default");
    assert_int_equal(unsetenv("KVS_PASSWORD"), 0);
    server_end(&server);
}

TEST(a_key_space_can_be_chosen)
{
    const char *dir = new_dir();
    struct server_process server;
    start(&server, NULL);
    check(dir, 0, "", NULL, "kvs-client", "set", "k", "three", "--addr", addr, "--db", "3");
    check(dir, 0, "Key not found\n", NULL, "kvs-client", "get", "k", "--addr", addr);
    check(dir, 0, "three\n", NULL, "kvs-client", "get", "k", "--addr", addr, "--db", "3");
    check(dir, 1, "", "ERR DB index is out of range", "kvs-client", "get", "k", "--addr", addr,
          "--db", "99");
    server_end(&server);
}

TEST(call_runs_any_command_and_prints_bare)
{
    const char *dir = new_dir();
    struct server_process server;
    start(&server, NULL);
    check(dir, 0, "OK\n", NULL, "kvs-client", "--addr", addr, "call", "SET", "k", "-1");
    check(dir, 0, "-2\n", NULL, "kvs-client", "--addr", addr, "call", "DECR", "k");
    check(dir, 0, "-2\n\n-2\n", NULL, "kvs-client", "--addr", addr, "call", "MGET", "k", "none",
          "k");
    check(dir, 0, "--addr\n", NULL, "kvs-client", "--addr", addr, "call", "ECHO", "--addr");
    check(dir, 1, "", "ERR unknown command", "kvs-client", "--addr", addr, "call", "NOSUCH");
    server_end(&server);
}

TEST(a_server_that_is_none_is_an_error)
{
    const char *dir = new_dir();
    int fd;
    char text[64];
    (void)snprintf(text, sizeof text, "127.0.0.1:%d", dead_port(&fd));
    assert_int_equal(listen(fd, 1), 0);
    /* It takes the connection and says nothing. */
    check(dir, 1, "", "within 50 ms", "kvs-client", "get", "k", "--addr", text, "--timeout", "50");
    close(fd);
}
