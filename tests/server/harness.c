/*
 * harness.c - starting, ending and talking to a server.
 */
#include "tests/server/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"

enum {
    ARGS_MAX = 32,
    START_TRIES = 12000, /* of 10 ms: only to end a test whose server never comes up */
    REPLY_WAIT_S = 120,
};

static const char *engine(void)
{
    const char *name = getenv("KVS_TEST_ENGINE");
    return name != NULL ? name : "memory";
}

bool engine_is_persistent(void)
{
    return strcmp(engine(), "memory") != 0;
}

static void run(struct server_process *server, const char *const *args)
{
    const char *bin = getenv("KVS_BIN");
    const char *const first[] = { "kvs-server", "--port",   "0",     "--dir",
                                  server->dir,  "--engine", engine() };
    char path[600];
    char *argv[ARGS_MAX] = { NULL };
    int argc = 0;
    assert_non_null(bin);
    (void)snprintf(path, sizeof path, "%s/kvs-server", bin);
    for (size_t i = 0; i < sizeof first / sizeof *first; i++)
        argv[argc++] = strdup(first[i]);
    for (; args != NULL && *args != NULL; args++) {
        assert_true(argc < ARGS_MAX - 1);
        argv[argc++] = strdup(*args);
    }
    (void)unlink(server->log); /* what an earlier one said must not be taken for its words */
    server->pid = fork();
    assert_true(server->pid >= 0);
    if (server->pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* it must not outlive a test that dies */
        int fd = open(server->log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (fd < 0 || dup2(fd, STDERR_FILENO) < 0)
            _exit(126);
        execv(path, argv);
        _exit(127);
    }
    while (argc > 0)
        free(argv[--argc]);
}

static char *read_log(const struct server_process *server)
{
    char *text = calloc(1, 1 << 20);
    assert_non_null(text);
    FILE *file = fopen(server->log, "re");
    if (file != NULL) {
        size_t got = fread(text, 1, (1 << 20) - 1, file);
        text[got] = '\0';
        assert_ok(fclose(file));
    }
    return text;
}

bool server_logged(const struct server_process *server, const char *text)
{
    char *log = read_log(server);
    bool found = strstr(log, text) != NULL;
    free(log);
    return found;
}

void server_await_log(const struct server_process *server, const char *text)
{
    for (int i = 0; i < START_TRIES && !server_logged(server, text); i++)
        usleep(10000);
    assert_true(server_logged(server, text));
}

static void await_ready(struct server_process *server)
{
    for (int i = 0; i < START_TRIES; i++) {
        char *log = read_log(server);
        const char *ready = strstr(log, "ready on ");
        bool whole = ready != NULL && strchr(ready, '\n') != NULL;
        if (whole)
            server->port = atoi(strrchr(strtok(strdupa(ready), ";"), ':') + 1);
        free(log);
        if (whole)
            return;
        int status;
        if (waitpid(server->pid, &status, WNOHANG) == server->pid) {
            log = read_log(server);
            server->pid = 0;
            fail_msg("the server ended: %s", log);
        }
        usleep(10000);
    }
    fail_msg("the server did not get ready");
}

void server_start(struct server_process *server, const char *const *args)
{
    static unsigned count; /* a test may start several, one after the other */
    *server = (struct server_process){ 0 };
    (void)snprintf(server->dir, sizeof server->dir, "%s/data%u", test_dir(), count++);
    assert_ok(mkdir(server->dir, 0700));
    (void)snprintf(server->log, sizeof server->log, "%.500s.log", server->dir);
    server_restart(server, args);
}

void server_restart(struct server_process *server, const char *const *args)
{
    run(server, args);
    await_ready(server);
}

int server_wait(struct server_process *server)
{
    int status = 0;
    while (waitpid(server->pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    server->pid = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void server_end(struct server_process *server)
{
    assert_ok(kill(server->pid, SIGTERM));
    int code = server_wait(server);
    if (code != 0) {
        char *log = read_log(server);
        fail_msg("the server ended with %d: %s", code, log);
    }
}

void server_kill(struct server_process *server)
{
    assert_ok(kill(server->pid, SIGKILL));
    assert_int_equal(server_wait(server), 128 + SIGKILL);
}

size_t server_memory(const struct server_process *server)
{
    char path[64];
    unsigned long long total = 0;
    unsigned long long pages = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/statm", (int)server->pid);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%llu %llu", &total, &pages), 2);
    assert_ok(fclose(file));
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* ---- Connections ---- */

void wire_open(struct wire *wire, const struct server_process *server)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)server->port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    struct timeval wait = { .tv_sec = REPLY_WAIT_S };
    *wire = (struct wire){ 0 };
    wire->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(wire->fd >= 0);
    assert_ok(setsockopt(wire->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait));
    assert_ok(setsockopt(wire->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait));
    assert_ok(connect(wire->fd, (const struct sockaddr *)&address, sizeof address));
    buf_init(&wire->in, (size_t)1 << 30);
    buf_init(&wire->out, (size_t)1 << 30);
    buf_init(&wire->shown, (size_t)1 << 30);
    resp_reader_init(&wire->reader, (size_t)1 << 30);
}

void wire_close(struct wire *wire)
{
    (void)close(wire->fd);
    buf_done(&wire->in);
    buf_done(&wire->out);
    buf_done(&wire->shown);
    resp_reader_done(&wire->reader);
}

void wire_send(struct wire *wire, const void *data, size_t len)
{
    const char *at = data;
    while (len != 0) {
        ssize_t put = send(wire->fd, at, len, MSG_NOSIGNAL);
        if (put <= 0)
            fail_msg("send: %s", strerror(errno));
        at += put;
        len -= (size_t)put;
    }
}

void wire_send_text(struct wire *wire, const char *text)
{
    wire_send(wire, text, strlen(text));
}

void wire_send_args(struct wire *wire, const struct kvs_bytes *args, size_t count)
{
    buf_truncate(&wire->out, 0);
    resp_put_request(&wire->out, args, count);
    assert_ok(wire->out.failed);
    wire_send(wire, wire->out.data, wire->out.len);
}

/* Reads more; the number of bytes, 0 at the end. */
static size_t fill(struct wire *wire)
{
    enum {
        STEP = 1 << 18
    };

    if (wire->in_used != 0) {
        buf_consume(&wire->in, wire->in_used);
        wire->in_used = 0;
    }
    assert_ok(buf_reserve(&wire->in, STEP));
    ssize_t got = recv(wire->fd, wire->in.data + wire->in.len, STEP, 0);
    if (got < 0 && errno == ECONNRESET)
        return 0;
    if (got < 0)
        fail_msg("recv: %s", strerror(errno));
    wire->in.len += (size_t)got;
    return (size_t)got;
}

const struct resp_value *wire_read(struct wire *wire)
{
    for (;;) {
        size_t used = 0;
        struct kvs_bytes input = bytes_from(buf_bytes(&wire->in), wire->in_used);
        enum kvs_status status =
            input.len == 0 ? KVS_WOULD_BLOCK : resp_read(&wire->reader, input, &wire->value, &used);
        if (status == KVS_OK) {
            wire->in_used += used;
            return &wire->value;
        }
        if (status != KVS_WOULD_BLOCK)
            fail_msg("not RESP: '%.*s'", (int)(input.len < 200 ? input.len : 200),
                     (const char *)input.data);
        if (fill(wire) == 0)
            fail_msg("the server closed the connection");
    }
}

static void show(struct buf *out, const struct resp_value *value)
{
    switch (value->type) {
    case RESP_STATUS:
        buf_append_char(out, '+');
        buf_append_bytes(out, value->text);
        return;
    case RESP_ERROR:
        buf_append_char(out, '-');
        buf_append_bytes(out, value->text);
        return;
    case RESP_INTEGER:
        buf_printf(out, ":%lld", (long long)value->integer);
        return;
    case RESP_BULK:
        buf_append_char(out, '$');
        buf_append_bytes(out, value->text);
        return;
    case RESP_VERBATIM:
        buf_append_char(out, '=');
        buf_append_bytes(out, value->text);
        return;
    case RESP_NULL:
        buf_append_char(out, '_');
        return;
    case RESP_REAL:
    case RESP_BIG_NUMBER:
        buf_append_char(out, ',');
        buf_append_bytes(out, value->text);
        return;
    case RESP_BOOLEAN:
        buf_append_str(out, value->integer != 0 ? "#t" : "#f");
        return;
    case RESP_ARRAY:
    case RESP_MAP:
    case RESP_SET:
    case RESP_PUSH:
        break;
    }
    bool is_map = value->type == RESP_MAP;
    buf_append_char(out, is_map ? '{' : value->type == RESP_SET ? '(' : '[');
    for (size_t i = 0; i < value->item_count; i++) {
        if (i != 0)
            buf_append_char(out, is_map && i % 2 == 1 ? ':' : ' ');
        show(out, &value->items[i]);
    }
    buf_append_char(out, is_map ? '}' : value->type == RESP_SET ? ')' : ']');
}

const char *wire_show(struct wire *wire)
{
    const struct resp_value *value = wire_read(wire);
    buf_truncate(&wire->shown, 0);
    show(&wire->shown, value);
    buf_append_char(&wire->shown, '\0');
    return wire->shown.data;
}

const char *wire_ask(struct wire *wire, const char *const *words)
{
    struct kvs_bytes args[ARGS_MAX];
    size_t count = 0;
    for (; words[count] != NULL; count++) {
        assert_true(count < ARGS_MAX);
        args[count] = bytes_str(words[count]);
    }
    wire_send_args(wire, args, count);
    return wire_show(wire);
}

void wire_expect(struct wire *wire, const void *data, size_t len)
{
    while (wire->in.len - wire->in_used < len) {
        if (fill(wire) == 0)
            fail_msg("the server closed the connection after '%.*s'",
                     (int)(wire->in.len - wire->in_used), wire->in.data + wire->in_used);
    }
    if (memcmp(wire->in.data + wire->in_used, data, len) != 0)
        fail_msg("expected '%.*s', got '%.*s'", (int)len, (const char *)data, (int)len,
                 wire->in.data + wire->in_used);
    wire->in_used += len;
}

void wire_expect_closed(struct wire *wire)
{
    do
        wire->in_used = wire->in.len;
    while (fill(wire) != 0);
}
