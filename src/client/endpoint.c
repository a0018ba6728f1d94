/*
 * endpoint.c - addresses and non-blocking connects.
 */
#include "client/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/number.h"

enum {
    HOST_CHARS = 64,
    PORT_MAX = 65535
};

static enum kvs_status bad_address(const char *text)
{
    return fail(KVS_INVALID, 0,
                "bad address \"%s\": expected IP:PORT (127.0.0.1:4000, [::1]:4000) or unix:/path",
                text);
}

static enum kvs_status parse_unix(const char *text, const char *path, struct endpoint *ret)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof address.sun_path)
        return fail(KVS_INVALID, 0, "bad address \"%s\": expected a path of 1 to %zu bytes", text,
                    sizeof address.sun_path - 1);
    memcpy(address.sun_path, path, len);
    memcpy(&ret->storage, &address, sizeof address);
    ret->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
    return KVS_OK;
}

enum kvs_status endpoint_parse(const char *text, struct endpoint *ret)
{
    static const char unix_prefix[] = "unix:";
    *ret = (struct endpoint){ .len = 0 };
    if (strncmp(text, unix_prefix, sizeof unix_prefix - 1) == 0)
        return parse_unix(text, text + sizeof unix_prefix - 1, ret);

    const char *colon = strrchr(text, ':');
    uint64_t port;
    if (colon == NULL || !number_parse_u64(bytes_str(colon + 1), &port) || port == 0 ||
        port > PORT_MAX)
        return bad_address(text);
    char host[HOST_CHARS];
    size_t len = (size_t)(colon - text);
    bool bracketed = len >= 2 && text[0] == '[' && colon[-1] == ']';
    if (bracketed) {
        text++;
        len -= 2;
    }
    if (len >= sizeof host)
        return bad_address(bracketed ? text - 1 : text);
    memcpy(host, text, len);
    host[len] = '\0';

    struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
    if (bracketed && inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
        memcpy(&ret->storage, &v6, sizeof v6);
        ret->len = sizeof v6;
        return KVS_OK;
    }
    const char *numeric = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
    if (!bracketed && inet_pton(AF_INET, numeric, &v4.sin_addr) == 1) {
        memcpy(&ret->storage, &v4, sizeof v4);
        ret->len = sizeof v4;
        return KVS_OK;
    }
    return bad_address(bracketed ? text - 1 : text);
}

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

enum kvs_status endpoint_wait(int fd, short events, unsigned timeout_ms, short *ret_events)
{
    int64_t deadline_ms = now_ms() + timeout_ms;
    for (;;) {
        int64_t left_ms = timeout_ms == 0 ? -1 : deadline_ms - now_ms();
        if (timeout_ms != 0 && left_ms < 0)
            left_ms = 0;
        struct pollfd poll_fd = { .fd = fd, .events = events };
        int ready = poll(&poll_fd, 1, left_ms > INT32_MAX ? INT32_MAX : (int)left_ms);
        if (ready > 0) {
            *ret_events = poll_fd.revents;
            return KVS_OK;
        }
        if (ready == 0)
            return fail(KVS_TIMEOUT, 0, "the server did not answer within %u ms", timeout_ms);
        if (errno != EINTR)
            return fail(KVS_NETWORK, errno, "waiting for the server");
    }
}

enum kvs_status endpoint_begin(const struct endpoint *endpoint, const char *text, int *ret_fd)
{
    int family = endpoint->storage.ss_family;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail(KVS_NETWORK, errno, "socket for %s", text);
    int on =
        1; /* requests are sent when they are meant to be sent; refusing this costs speed only */
    if (family != AF_UNIX)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    enum kvs_status status = KVS_OK;
    if (connect(fd, (const struct sockaddr *)&endpoint->storage, endpoint->len) != 0)
        status = errno == EINPROGRESS || errno == EINTR
                     ? KVS_WOULD_BLOCK
                     : fail(KVS_NETWORK, errno, "connect to %s", text);
    if (status == KVS_OK || status == KVS_WOULD_BLOCK)
        *ret_fd = fd;
    else
        (void)close(fd);
    return status;
}

enum kvs_status endpoint_finish(int fd, const char *text)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        error = errno;
    return error == 0 ? KVS_OK : fail(KVS_NETWORK, error, "connect to %s", text);
}

enum kvs_status endpoint_connect(const struct endpoint *endpoint, const char *text,
                                 unsigned timeout_ms, int *ret_fd)
{
    int fd = -1;
    enum kvs_status status = endpoint_begin(endpoint, text, &fd);
    if (status == KVS_WOULD_BLOCK) {
        short events;
        status = endpoint_wait(fd, POLLOUT, timeout_ms, &events);
        if (status == KVS_TIMEOUT)
            status =
                fail(KVS_TIMEOUT, 0, "connecting to %s took longer than %u ms", text, timeout_ms);
        if (status == KVS_OK)
            status = endpoint_finish(fd, text);
        if (status != KVS_OK)
            (void)close(fd);
    }
    if (status == KVS_OK)
        *ret_fd = fd;
    return status;
}
