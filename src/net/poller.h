/*
 * poller.h - what a loop asks of the system: which of these descriptors are ready. One implementation per system
 * interface (poller_epoll.c), so that another can be put beside it. Level-triggered: a source that stays ready is reported again.
 *
 * Level, not edge: a session reads once per wake-up and may stop reading at any time; with level-triggered events nothing
 * has to remember that a socket still holds bytes, and no read call is spent on learning that it does not.
 *
 * Thread: the loop's; one thread at a time.
 */
#ifndef NET_POLLER_H
#define NET_POLLER_H

#include <stddef.h>
#include <stdint.h>

#include <kvs/status.h>

enum {
    LOOP_READ = 1u << 0,
    LOOP_WRITE = 1u << 1,
    LOOP_HANGUP = 1u << 2, /* reported only: both directions are gone, or an error is pending */
};

struct loop_source;
struct poller;

struct poller_event {
    struct loop_source *source;
    unsigned events;
};

struct poller_ops {
    const char *name;
    enum kvs_status (*open)(struct poller **ret);
    void (*close)(struct poller *poller);
    /* Begins to watch @fd, or changes what is watched for. @interest 0 still reports LOOP_HANGUP. */
    enum kvs_status (*add)(struct poller *poller, int fd, struct loop_source *source,
                           unsigned interest);
    enum kvs_status (*change)(struct poller *poller, int fd, struct loop_source *source,
                              unsigned interest);
    void (*remove)(struct poller *poller, int fd);
    /* Waits up to @timeout_ns (negative: without bound); returns the number of events filled in, 0 when interrupted. */
    size_t (*wait)(struct poller *poller, int64_t timeout_ns, struct poller_event *events,
                   size_t max);
};

extern const struct poller_ops poller_epoll;

#endif
