/*
 * prompt_test.c - kvs-client on a terminal of the test's own: the prompt, its history, completion and hints.
 */
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cli/run.h"
#include "tests/server/harness.h"

enum {
    SCREEN_BYTES = 256 * 1024,
    PATIENCE_MS = 60 * 1000, /* only a program that hangs takes that long */
};

struct terminal {
    int fd;
    pid_t pid;
    char *screen; /* all that was ever printed */
    size_t len;
    size_t seen; /* up to where it was looked at */
};

static void terminal_open(struct terminal *terminal, const char *home, const char *addr)
{
    struct winsize size = { .ws_row = 24, .ws_col = 120 };
    *terminal = (struct terminal){ .screen = calloc(1, SCREEN_BYTES + 1) };
    assert_non_null(terminal->screen);
    /* libedit never frees the names given to EL_ADDFN; we never call wcsdup(). */
    static const char leaks[] = "leak:wcsdup\n";
    char path[400];
    char lsan[500];
    (void)snprintf(path, sizeof path, "%s/leaks", home);
    (void)snprintf(lsan, sizeof lsan, "suppressions=%s:print_suppressions=0", path);
    write_file(path, leaks, sizeof leaks - 1);
    terminal->pid = forkpty(&terminal->fd, NULL, NULL, &size);
    assert_true(terminal->pid >= 0);
    if (terminal->pid == 0) {
        setenv("HOME", home, 1);
        setenv("TERM", "xterm", 1);
        setenv("LSAN_OPTIONS", lsan, 1);
        setenv("KVS_ADDR", addr, 1);
        execl(program_path("kvs-client"), "kvs-client", (char *)NULL);
        _exit(126);
    }
}

/* Reads once. False: the program has closed the terminal. */
static bool terminal_read(struct terminal *terminal)
{
    struct pollfd poll_fd = { .fd = terminal->fd, .events = POLLIN };
    if (poll(&poll_fd, 1, PATIENCE_MS) <= 0) {
        fprintf(stderr, "the terminal is silent after:\n%s\n", terminal->screen + terminal->seen);
        kill(terminal->pid, SIGKILL);
        fail_msg("see above");
    }
    ssize_t got =
        read(terminal->fd, terminal->screen + terminal->len, SCREEN_BYTES - terminal->len);
    if (got <= 0)
        return false;
    terminal->len += (size_t)got;
    return true;
}

/* Waits until @text is printed behind what was seen. */
static void expect(struct terminal *terminal, const char *text)
{
    for (;;) {
        char *at = memmem(terminal->screen + terminal->seen, terminal->len - terminal->seen, text,
                          strlen(text));
        if (at != NULL) {
            terminal->seen = (size_t)(at - terminal->screen) + strlen(text);
            return;
        }
        if (!terminal_read(terminal)) {
            fprintf(stderr, "expected \"%s\", and the program ended after:\n%s\n", text,
                    terminal->screen + terminal->seen);
            fail_msg("see above");
        }
    }
}

static void type(struct terminal *terminal, const char *text)
{
    assert_int_equal(write(terminal->fd, text, strlen(text)), strlen(text));
}

static int terminal_close(struct terminal *terminal)
{
    while (terminal_read(terminal))
        continue;
    int status;
    assert_int_equal(waitpid(terminal->pid, &status, 0), terminal->pid);
    close(terminal->fd);
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
    if (code != 0)
        fprintf(stderr, "exit code %d after:\n%s\n", code, terminal->screen + terminal->seen);
    free(terminal->screen);
    return code;
}

static char addr[64];

static void start(struct server_process *server, const char *const *args)
{
    server_start(server, args);
    (void)snprintf(addr, sizeof addr, "127.0.0.1:%d", server->port);
}

TEST(commands_run_and_answers_are_readable)
{
    struct server_process server;
    struct terminal terminal;
    start(&server, NULL);
    terminal_open(&terminal, new_dir(), addr);
    expect(&terminal, addr);
    expect(&terminal, "> ");
    type(&terminal, "SET k \"a b\\n\"\n");
    expect(&terminal, "OK\r\n");
    type(&terminal, "get k\n");
    expect(&terminal, "\"a b\\n\"\r\n");
    type(&terminal, "GET none\n");
    expect(&terminal, "(nil)\r\n");
    type(&terminal, "STRLEN k\n");
    expect(&terminal, "(integer) 4\r\n");
    type(&terminal, "MGET k none\n");
    expect(&terminal, "1) \"a b\\n\"\r\n2) (nil)\r\n");
    type(&terminal, "NOSUCH\n");
    expect(&terminal, "(error) ERR unknown command");
    type(&terminal, "GET 'k\n");
    expect(&terminal, "Invalid argument(s)");
    type(&terminal, "GET k\n"); /* and it goes on */
    expect(&terminal, "\"a b\\n\"\r\n");
    type(&terminal, "SELECT 3\n");
    expect(&terminal, "OK\r\n");
    expect(&terminal, "[3]> ");
    type(&terminal, "MULTI\n");
    expect(&terminal, "[3](TX)> ");
    type(&terminal, "DISCARD\n");
    expect(&terminal, "[3]> ");
    type(&terminal, "HELLO 3\n");
    expect(&terminal, "1# \"server\" => \"");
    type(&terminal, "help get\n");
    expect(&terminal, "GET key");
    type(&terminal, "help nosuch\n");
    expect(&terminal, "no command is called that");
    type(&terminal, "quit\n");
    assert_int_equal(terminal_close(&terminal), 0);
    server_end(&server);
}

TEST(names_are_completed_and_arguments_hinted)
{
    struct server_process server;
    struct terminal terminal;
    start(&server, NULL);
    terminal_open(&terminal, new_dir(), addr);
    expect(&terminal, "> ");
    type(&terminal, "GETR\t");
    expect(&terminal, "ANGE");
    expect(&terminal, "key start end"); /* the hint */
    type(&terminal, "x 0 -1\n");
    expect(&terminal, "\"\"\r\n");
    type(&terminal, "client set\t\t"); /* SETINFO, SETNAME */
    expect(&terminal, "CLIENT SETINFO CLIENT SETNAME");
    type(&terminal, "n\t");
    expect(&terminal, "ame");
    type(&terminal, "me\n");
    expect(&terminal, "OK\r\n");
    expect(&terminal, "> ");
    type(&terminal, "\x04");
    assert_int_equal(terminal_close(&terminal), 0);
    server_end(&server);
}

TEST(history_is_kept_but_for_passwords)
{
    struct server_process server;
    struct terminal terminal;
    start(&server, (const char *const[]){ "--requirepass", "secret", NULL });
    const char *home = new_dir();
    terminal_open(&terminal, home, addr);
    expect(&terminal, "> ");
    type(&terminal, "AUTH secret\n");
    expect(&terminal, "OK\r\n");
    type(&terminal, "ECHO remembered\n");
    expect(&terminal, "\"remembered\"\r\n");
    type(&terminal, "exit\n");
    assert_int_equal(terminal_close(&terminal), 0);
    char path[400];
    (void)snprintf(path, sizeof path, "%s/.kvs_history", home);
    size_t len;
    char *text = read_file(path, &len);
    assert_non_null(strstr(text, "remembered"));
    assert_null(strstr(text, "secret"));
    free(text);
    terminal_open(&terminal, home, addr);
    expect(&terminal, "> ");
    type(&terminal, "\x1b[A\x1b[A"); /* up, over "exit" */
    expect(&terminal, "ECHO remembered");
    type(&terminal, "\n");
    expect(&terminal, "(error) NOAUTH");
    expect(&terminal, "> ");
    type(&terminal, "\x04");
    assert_int_equal(terminal_close(&terminal), 0);
    server_end(&server);
}

TEST(a_lost_connection_is_made_again)
{
    struct server_process server;
    struct terminal terminal;
    start(&server, NULL);
    terminal_open(&terminal, new_dir(), addr);
    expect(&terminal, "> ");
    type(&terminal, "CLIENT KILL TYPE normal SKIPME no\n");
    expect(&terminal, "> ");
    type(&terminal, "PING\n");
    expect(&terminal, "> ");
    type(&terminal, "PING\n");
    expect(&terminal, "PONG\r\n");
    server_end(&server);
    type(&terminal, "PING\n");
    expect(&terminal, "kvs-client: ");
    expect(&terminal, "not connected> ");
    type(&terminal, "PING\n");
    expect(&terminal, "refused");
    type(&terminal, "quit\n");
    assert_int_equal(terminal_close(&terminal), 0);
}
