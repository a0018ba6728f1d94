/*
 * endpoint.h - where a server listens, and connecting there. Thread: any.
 */
#ifndef CLIENT_ENDPOINT_H
#define CLIENT_ENDPOINT_H

#include <sys/socket.h>

#include <kvs/status.h>

struct endpoint {
    struct sockaddr_storage storage;
    socklen_t len;
};

/* Reads "IP:PORT", "[IPv6]:PORT", "localhost:PORT" or "unix:/path". KVS_INVALID says what was expected. */
KVS_MUST_CHECK enum kvs_status endpoint_parse(const char *text, struct endpoint *ret);

/* Connects within @timeout_ms (0: no limit) and returns a non-blocking socket, the caller's to close. @text is for errors.
 * KVS_NETWORK, KVS_TIMEOUT. */
KVS_MUST_CHECK enum kvs_status endpoint_connect(const struct endpoint *endpoint, const char *text,
                                                unsigned timeout_ms, int *ret_fd);

/* The same without waiting: begins to connect, and KVS_WOULD_BLOCK says (with *ret_fd set) that the socket becomes writable when it
 * is decided; then endpoint_finish() tells how. */
KVS_MUST_CHECK enum kvs_status endpoint_begin(const struct endpoint *endpoint, const char *text,
                                              int *ret_fd);
KVS_MUST_CHECK enum kvs_status endpoint_finish(int fd, const char *text);

/* Waits until one of @events (POLLIN, POLLOUT) is there for @fd; *ret_events tells which. KVS_TIMEOUT. */
KVS_MUST_CHECK enum kvs_status endpoint_wait(int fd, short events, unsigned timeout_ms,
                                             short *ret_events);

#endif
