/*
 * floor.c - `kvs-bench floor`: the floor that the kernel sets under any server. An epoll loop that reads, cuts RESP requests into
 * arguments and answers without storing anything: +OK for what begins with S, a value of --value-bytes for what begins with G, ten
 * of them for MGET. What a server spends beyond this is its own.
 *
 * Not a server for anybody: it trusts its input (the requests of kvs-bench) and ends on a request it cannot hold.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/options.h"

enum {
    IN_BYTES = 1024 * 1024,
    OUT_BYTES = 4 * 1024 * 1024,
    EVENTS = 256,
    FDS_MAX = 65536,
};

struct rest {
    char *data; /* of an incomplete request */
    size_t len;
};

struct floor {
    struct rest rests[FDS_MAX]; /* by descriptor */
    char in[IN_BYTES];
    char out[OUT_BYTES];
    size_t out_len;
    char *bulk; /* the answer to a GET, whole */
    size_t bulk_len;
    int epoll;
    int listener;
};

static void put(struct floor *floor, const char *data, size_t len)
{
    memcpy(floor->out + floor->out_len, data, len);
    floor->out_len += len;
}

/* "<mark><digits>\r\n" at @*at; false: not there whole. */
static bool read_number(const char *in, size_t len, size_t *at, size_t *ret)
{
    size_t i = *at + 1;
    size_t number = 0;
    while (i < len && in[i] != '\r')
        number = number * 10 + (size_t)(in[i++] - '0');
    if (i + 2 > len)
        return false;
    *at = i + 2;
    *ret = number;
    return true;
}

static void answer(struct floor *floor, const char *name, size_t args)
{
    if (name[0] == 'G') {
        put(floor, floor->bulk, floor->bulk_len);
    } else if (strncmp(name, "MG", 2) == 0) {
        char head[32];
        put(floor, head, (size_t)snprintf(head, sizeof head, "*%zu\r\n", args - 1));
        for (size_t i = 1; i < args; i++)
            put(floor, floor->bulk, floor->bulk_len);
    } else {
        put(floor, "+OK\r\n", 5);
    }
}

/* Answers what is whole; how many bytes that was. */
static size_t take_requests(struct floor *floor, const char *in, size_t len)
{
    size_t taken = 0;
    while (taken < len && floor->out_len < OUT_BYTES / 2) {
        size_t at = taken;
        size_t args = 0;
        if (in[at] != '*') { /* inline, as the question who this is */
            const char *end = memchr(in + at, '\n', len - at);
            if (end == NULL)
                return taken;
            put(floor, "+floor\r\n", 8);
            taken = (size_t)(end - in) + 1;
            continue;
        }
        if (!read_number(in, len, &at, &args))
            return taken;
        const char *name = "";
        for (size_t i = 0; i < args; i++) {
            size_t bytes;
            if (at >= len || !read_number(in, len, &at, &bytes) || at + bytes + 2 > len)
                return taken;
            if (i == 0)
                name = in + at;
            at += bytes + 2;
        }
        answer(floor, name, args);
        taken = at;
    }
    return taken;
}

static void drop(struct floor *floor, int fd)
{
    free(floor->rests[fd].data);
    floor->rests[fd] = (struct rest){ 0 };
    close(fd);
}

/* Blocks when the peer does not read: kvs-bench does. */
static bool send_all(struct floor *floor, int fd)
{
    size_t sent = 0;
    while (sent < floor->out_len) {
        ssize_t took = send(fd, floor->out + sent, floor->out_len - sent, MSG_NOSIGNAL);
        if (took < 0 && errno != EINTR)
            return false;
        sent += took > 0 ? (size_t)took : 0;
    }
    floor->out_len = 0;
    return true;
}

static bool serve(struct floor *floor, int fd)
{
    struct rest *rest = &floor->rests[fd];
    if (rest->len != 0)
        memcpy(floor->in, rest->data, rest->len);
    ssize_t got = recv(fd, floor->in + rest->len, IN_BYTES - rest->len, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    if (got <= 0)
        return false;
    size_t len = rest->len + (size_t)got;
    size_t taken = 0;
    for (;;) {
        size_t more = take_requests(floor, floor->in + taken, len - taken);
        if (more == 0)
            break;
        taken += more;
        if (!send_all(floor, fd))
            return false;
    }
    rest->len = len - taken;
    if (rest->len == IN_BYTES)
        return false;
    if (rest->len != 0) {
        char *data = realloc(rest->data, rest->len);
        if (data == NULL)
            return false;
        rest->data = data;
        memcpy(data, floor->in + taken, rest->len);
    }
    return true;
}

static void accept_one(struct floor *floor)
{
    int on = 1;
    int fd = accept4(floor->listener, NULL, NULL, SOCK_CLOEXEC);
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
    if (fd < 0)
        return;
    if (fd >= FDS_MAX || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        epoll_ctl(floor->epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        close(fd);
}

static bool start(struct floor *floor, const struct bench_options *options)
{
    struct sockaddr_in addr;
    int on = 1;
    floor->bulk = malloc(options->value_bytes + 32);
    if (floor->bulk == NULL || !bench_parse_addr(options->addr, &addr))
        return false;
    size_t head = (size_t)snprintf(floor->bulk, 32, "$%llu\r\n",
                                   (unsigned long long)options->value_bytes);
    memset(floor->bulk + head, 'v', options->value_bytes);
    memcpy(floor->bulk + head + options->value_bytes, "\r\n", 2);
    floor->bulk_len = head + options->value_bytes + 2;
    floor->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    floor->epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = { .events = EPOLLIN, .data.fd = floor->listener };
    return floor->listener >= 0 && floor->epoll >= 0 &&
           setsockopt(floor->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
           bind(floor->listener, (struct sockaddr *)&addr, sizeof addr) == 0 &&
           listen(floor->listener, 511) == 0 &&
           epoll_ctl(floor->epoll, EPOLL_CTL_ADD, floor->listener, &event) == 0;
}

int bench_floor(const struct bench_options *options)
{
    static struct floor floor;
    if (!start(&floor, options)) {
        fprintf(stderr, "kvs-bench: listening on %s: %s\n", options->addr, strerror(errno));
        return 1;
    }
    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(floor.epoll, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == floor.listener)
                accept_one(&floor);
            else if (!serve(&floor, fd))
                drop(&floor, fd);
        }
    }
}
