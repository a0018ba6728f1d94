/*
 * start_test.c - how the program starts, and what it says when it cannot.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/server/harness.h"

struct output {
    int code;
    char out[65536];
    char err[65536];
};

static void read_whole(int fd, char *into, size_t size)
{
    size_t len = 0;
    ssize_t got;
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    while (len < size - 1 && (got = read(fd, into + len, size - 1 - len)) > 0)
        len += (size_t)got;
    into[len] = '\0';
    (void)close(fd);
}

/* Runs it to its end. */
static const struct output *run(const char *const *args)
{
    static struct output output;
    char path[600];
    char *argv[16] = { strdup("kvs-server") };
    int fds[2];
    for (int i = 0; i < 2; i++) {
        char name[] = "/tmp/kvs-start-XXXXXX";
        fds[i] = mkostemp(name, O_CLOEXEC);
        assert_true(fds[i] >= 0);
        assert_ok(unlink(name));
    }
    for (int i = 0; args[i] != NULL; i++)
        argv[i + 1] = strdup(args[i]);
    (void)snprintf(path, sizeof path, "%s/kvs-server", getenv("KVS_BIN"));
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (dup2(fds[0], STDOUT_FILENO) < 0 || dup2(fds[1], STDERR_FILENO) < 0)
            _exit(126);
        execv(path, argv);
        _exit(127);
    }
    int status = 0;
    while (waitpid(pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    output.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    read_whole(fds[0], output.out, sizeof output.out);
    read_whole(fds[1], output.err, sizeof output.err);
    for (int i = 0; i < 16; i++)
        free(argv[i]);
    return &output;
}

#define RUN(...) run((const char *const[]){ __VA_ARGS__, NULL })

static void fails_with(const struct output *output, const char *text)
{
    assert_int_not_equal(output->code, 0);
    assert_string_equal(output->out, "");
    if (strstr(output->err, text) == NULL)
        fail_msg("'%s' is not in: %s", text, output->err);
}

TEST(version_and_help_go_to_stdout)
{
    const struct output *output = RUN("-V");
    assert_int_equal(output->code, 0);
    assert_memory_equal(output->out, "kvs-server ", 11);
    output = RUN("--help");
    assert_int_equal(output->code, 0);
    static const char *const named[] = { "--addr",       "--engine",     "--dir", "--durability",
                                         "--maxclients", "--log-format", "memory" };
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        assert_non_null(strstr(output->out, named[i]));
}

TEST(bad_usage_is_told_and_touches_nothing)
{
    const char *dir = test_dir();
    char sub[600];
    (void)snprintf(sub, sizeof sub, "%s/never", dir);
    fails_with(RUN("--dir", sub, "--nosuch", "1"), "unknown flag '--nosuch'");
    fails_with(RUN("--dir", sub, "--addr", "nowhere"), "bad address 'nowhere'");
    fails_with(RUN("--dir", sub, "--addr", "127.0.0.1:99999"), "bad address '127.0.0.1:99999'");
    fails_with(RUN("--dir", sub, "--engine", "nosuch", "--port", "0"),
               "unknown engine 'nosuch'; this build has: ");
    fails_with(RUN("--dir", sub, "--port"), "--port: a value is missing");
    fails_with(RUN("--dir", sub, "/nonexistent.conf"), "/nonexistent.conf");
    assert_int_not_equal(access(sub, F_OK), 0);
}

TEST(an_address_in_use_a_locked_directory_and_a_wrong_engine_are_named)
{
    struct server_process server;
    char addr[64];
    server_start(&server, (const char *const[]){ NULL });
    (void)snprintf(addr, sizeof addr, "127.0.0.1:%d", server.port);
    fails_with(RUN("--addr", addr, "--dir", test_dir()), addr);
    if (engine_is_persistent()) {
        fails_with(RUN("--port", "0", "--dir", server.dir), "--dir");
        server_end(&server);
        fails_with(RUN("--port", "0", "--dir", server.dir, "--engine", "memory"),
                   "leave --engine out");
    } else {
        server_end(&server);
    }
}

TEST(the_log_begins_with_version_engine_address_and_configuration)
{
    struct server_process server;
    struct wire wire;
    server_start(&server, (const char *const[]){ "--log-format", "json", "--addr", "127.0.0.1:0",
                                                 "--addr", "[::1]:0", NULL });
    assert_true(server_logged(&server, "\"message\":\"kvs-server "));
    assert_true(server_logged(&server, "engine "));
    assert_true(server_logged(&server, "address 127.0.0.1:"));
    assert_true(server_logged(&server, "address [::1]:"));
    assert_true(server_logged(&server, "configuration: addr="));
    assert_true(server_logged(&server, "redis-cli -p "));
    wire_open(&wire, &server);
    assert_string_equal(ask(&wire, "PING"), "+PONG");
    wire_close(&wire);
    server_end(&server);
}
