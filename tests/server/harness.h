/*
 * harness.h - a kvs-server of the test's own, on a free port and in a directory of its own, and raw connections to it.
 *
 * The program is KVS_BIN/kvs-server; KVS_TEST_ENGINE picks its engine (default: memory). Everything fails the test by itself.
 */
#ifndef TESTS_SERVER_HARNESS_H
#define TESTS_SERVER_HARNESS_H

#include <stdbool.h>
#include <sys/types.h>

#include "protocol/resp_reply.h"
#include "tests/harness/test.h"

struct server_process {
    pid_t pid; /* 0: not running */
    int port;
    char dir[512];
    char log[560]; /* its stderr */
};

/* Starts it with a new directory and further arguments (NULL-terminated; NULL: none), and waits until it is ready. */
void server_start(struct server_process *server, const char *const *args);

/* The same in the directory of an earlier one, which has ended. */
void server_restart(struct server_process *server, const char *const *args);

/* Sends SIGTERM, waits, and expects exit code 0. */
void server_end(struct server_process *server);

/* Waits for its end by itself; returns the exit code. */
int server_wait(struct server_process *server);

/* kill -9. */
void server_kill(struct server_process *server);

/* Resident memory in bytes; and whether its log has the text. */
size_t server_memory(const struct server_process *server);
bool server_logged(const struct server_process *server, const char *text);
void server_await_log(const struct server_process *server, const char *text);

bool engine_is_persistent(void);

/* ---- Connections ---- */

struct wire {
    int fd;
    struct buf in;
    size_t in_used;
    struct resp_reader reader;
    struct resp_value value;
    struct buf out;
    struct buf shown;
};

void wire_open(struct wire *wire, const struct server_process *server);
void wire_close(struct wire *wire);

void wire_send(struct wire *wire, const void *data, size_t len);
void wire_send_text(struct wire *wire, const char *text);
void wire_send_args(struct wire *wire, const struct kvs_bytes *args, size_t count);

/* The next reply; lent until the next call. */
const struct resp_value *wire_read(struct wire *wire);

/*
 * Sends a command of strings and shows its reply as text: "+OK", "-ERR x", ":1", "$bulk", "_" (null), "[a b]", "{k:v}" (map), "(a b)"
 * (set), ",1.5", "#t". Lent until the next call.
 */
#define ask(wire, ...) wire_ask((wire), (const char *const[]){ __VA_ARGS__, NULL })
const char *wire_ask(struct wire *wire, const char *const *words);
const char *wire_show(struct wire *wire);

/* Raw bytes exactly as expected, for what is not RESP. */
void wire_expect(struct wire *wire, const void *data, size_t len);

/* The server closes; whatever still arrives is thrown away. */
void wire_expect_closed(struct wire *wire);

#endif
