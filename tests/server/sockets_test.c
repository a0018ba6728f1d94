/*
 * sockets_test.c - where the server listens besides TCP addresses of its own: a Unix socket, sockets handed over by systemd; and what
 * it tells systemd.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/server/harness.h"

static struct sockaddr_un path_address(const char *path)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    assert_true(strlen(path) < sizeof un.sun_path);
    memcpy(un.sun_path, path, strlen(path) + 1);
    return un;
}

static void socket_path(char ret[100], const char *name)
{
    int len = snprintf(ret, 100, "/tmp/kvs-%d-%s", (int)getpid(), name);
    assert_true(len > 0 && len < 100);
}

static void ping(int fd)
{
    char answer[7];
    assert_int_equal(send(fd, "PING\r\n", 6, MSG_NOSIGNAL), 6);
    assert_int_equal(recv(fd, answer, sizeof answer, MSG_WAITALL), 7);
    assert_memory_equal(answer, "+PONG\r\n", 7);
}

static int connect_path(const char *path)
{
    struct sockaddr_un un = path_address(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&un, sizeof un) == 0)
        return fd;
    int errnum = errno;
    close(fd);
    return -errnum;
}

TEST(a_unix_socket_serves_has_its_permissions_and_goes_with_the_server)
{
    struct server_process server;
    char path[100];
    struct stat stat_of;
    socket_path(path, "serve");
    server_start(&server,
                 (const char *const[]){ "--unixsocket", path, "--unixsocketperm", "600", NULL });
    assert_ok(stat(path, &stat_of));
    assert_int_equal(stat_of.st_mode & 0777, 0600);
    int fd = connect_path(path);
    assert_true(fd >= 0);
    ping(fd);

    struct wire wire;
    char shown[300];
    wire_open(&wire, &server);
    (void)snprintf(shown, sizeof shown, "addr=%s:0 laddr=%s:0 ", path, path);
    assert_non_null(strstr(ask(&wire, "CLIENT", "LIST"), shown));
    assert_string_equal(ask(&wire, "CONFIG", "GET", "unixsocketperm"), "[$unixsocketperm $600]");
    wire_close(&wire);
    close(fd);
    server_end(&server);
    assert_int_equal(stat(path, &stat_of), -1);
}

TEST(the_socket_of_a_killed_server_is_taken_over_that_of_a_living_one_is_not)
{
    struct server_process killed;
    struct server_process server;
    char path[100];
    socket_path(path, "stale");
    server_start(&killed, (const char *const[]){ "--unixsocket", path, NULL });
    server_kill(&killed);
    assert_int_equal(connect_path(path), -ECONNREFUSED);
    server_start(&server, (const char *const[]){ "--unixsocket", path, NULL });
    int fd = connect_path(path);
    assert_true(fd >= 0);
    ping(fd);

    char program[600];
    (void)snprintf(program, sizeof program,
                   "%s/kvs-server --port 0 --dir %s --unixsocket %s 2>&1 | grep -q 'bind %s'",
                   getenv("KVS_BIN"), test_dir(), path, path);
    assert_int_equal(system(program), 0);
    ping(fd); /* still its own */
    close(fd);
    server_end(&server);
}

TEST(systemd_is_told_when_it_is_ready_and_when_it_stops)
{
    struct server_process server;
    char path[100];
    char text[256];
    socket_path(path, "notify");
    struct sockaddr_un un = path_address(path);
    struct timeval patience = { .tv_sec = 60 };
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_ok(bind(fd, (struct sockaddr *)&un, sizeof un));
    assert_ok(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience));
    assert_ok(setenv("NOTIFY_SOCKET", path, 1));
    server_start(&server, NULL);
    assert_ok(unsetenv("NOTIFY_SOCKET"));
    ssize_t len = recv(fd, text, sizeof text, 0);
    assert_true(len > 8);
    assert_memory_equal(text, "READY=1\n", 8);
    server_end(&server);
    len = recv(fd, text, sizeof text, 0);
    assert_true(len > 11);
    assert_memory_equal(text, "STOPPING=1\n", 11);
    close(fd);
    assert_ok(unlink(path));
}

/* Starts the program as systemd does with a socket unit: the socket is descriptor 3. */
static pid_t start_with_socket(int listening, const char *dir)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid != 0)
        return pid;
    char program[600];
    char own[24];
    (void)snprintf(program, sizeof program, "%s/kvs-server", getenv("KVS_BIN"));
    (void)snprintf(own, sizeof own, "%d", (int)getpid());
    if (dup2(listening, 3) < 0 || (listening == 3 && fcntl(3, F_SETFD, 0) != 0) ||
        setenv("LISTEN_PID", own, 1) != 0 || setenv("LISTEN_FDS", "1", 1) != 0)
        _exit(126);
    (void)execl(program, "kvs-server", "--dir", dir, "--addr", "127.0.0.1:1", (char *)NULL);
    _exit(127);
}

TEST(a_socket_that_is_handed_over_is_used_and_callers_wait_for_the_start)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof in;
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_ok(bind(listening, (struct sockaddr *)&in, sizeof in));
    assert_ok(listen(listening, 16));
    assert_ok(getsockname(listening, (struct sockaddr *)&in, &len));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_ok(connect(fd, (struct sockaddr *)&in, sizeof in)); /* before there is a server */
    pid_t pid = start_with_socket(listening, test_dir());
    close(listening);
    ping(fd);
    close(fd);
    int status = 0;
    assert_ok(kill(pid, SIGTERM));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}
