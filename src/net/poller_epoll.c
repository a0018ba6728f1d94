/*
 * poller_epoll.c - epoll(7), level-triggered.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/check.h"
#include "base/fail.h"
#include "net/poller.h"

enum {
    EVENTS_MAX = 256
};

struct poller {
    int fd;
    struct epoll_event events[EVENTS_MAX];
};

static enum kvs_status epoll_poller_open(struct poller **ret)
{
    struct poller *poller = calloc(1, sizeof *poller);
    if (poller == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "event poller");
    poller->fd = epoll_create1(EPOLL_CLOEXEC);
    if (poller->fd < 0) {
        int errnum = errno;
        free(poller);
        return fail(KVS_IO, errnum, "epoll_create1");
    }
    *ret = poller;
    return KVS_OK;
}

static void epoll_poller_close(struct poller *poller)
{
    if (poller == NULL)
        return;
    (void)close(poller->fd);
    free(poller);
}

static enum kvs_status control(struct poller *poller, int op, int fd, struct loop_source *source,
                               unsigned interest)
{
    struct epoll_event event = { .data.ptr = source };
    if (interest & LOOP_READ)
        event.events |= EPOLLIN;
    if (interest & LOOP_WRITE)
        event.events |= EPOLLOUT;
    if (epoll_ctl(poller->fd, op, fd, &event) != 0)
        return fail(KVS_IO, errno, "epoll_ctl");
    return KVS_OK;
}

static enum kvs_status epoll_poller_add(struct poller *poller, int fd, struct loop_source *source,
                                        unsigned interest)
{
    return control(poller, EPOLL_CTL_ADD, fd, source, interest);
}

static enum kvs_status epoll_poller_change(struct poller *poller, int fd,
                                           struct loop_source *source, unsigned interest)
{
    return control(poller, EPOLL_CTL_MOD, fd, source, interest);
}

static void epoll_poller_remove(struct poller *poller, int fd)
{
    struct epoll_event none = { 0 };
    (void)epoll_ctl(poller->fd, EPOLL_CTL_DEL, fd,
                    &none); /* fails only for a descriptor that is gone already */
}

static size_t epoll_poller_wait(struct poller *poller, int64_t timeout_ns,
                                struct poller_event *events, size_t max)
{
    int timeout_ms = -1;
    if (timeout_ns >= 0) {
        /* rounded up: waking before a timer is due would only go round once more */
        int64_t ms = (timeout_ns + 999999) / 1000000;
        timeout_ms = ms > INT_MAX ? INT_MAX : (int)ms;
    }
    int limit = max < EVENTS_MAX ? (int)max : EVENTS_MAX;
    int count = epoll_wait(poller->fd, poller->events, limit, timeout_ms);
    if (count < 0) {
        CHECK(errno == EINTR); /* anything else is a mistake of ours: a bad descriptor or address */
        return 0;
    }
    for (int i = 0; i < count; i++) {
        uint32_t got = poller->events[i].events;
        unsigned out = 0;
        if (got & EPOLLIN)
            out |= LOOP_READ;
        if (got & EPOLLOUT)
            out |= LOOP_WRITE;
        if (got & (EPOLLHUP | EPOLLERR))
            out |= LOOP_HANGUP;
        events[i] = (struct poller_event){ poller->events[i].data.ptr, out };
    }
    return (size_t)count;
}

const struct poller_ops poller_epoll = {
    .name = "epoll",
    .open = epoll_poller_open,
    .close = epoll_poller_close,
    .add = epoll_poller_add,
    .change = epoll_poller_change,
    .remove = epoll_poller_remove,
    .wait = epoll_poller_wait,
};
