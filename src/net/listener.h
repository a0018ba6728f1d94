/*
 * listener.h - a listening socket on a loop, and the settings of the sockets it accepts.
 */
#ifndef NET_LISTENER_H
#define NET_LISTENER_H

#include "net/address.h"
#include "net/loop.h"

struct listener;

/* @fd is the callee's from now on. @peer and @local are lent. */
typedef void listener_accept_fn(void *ctx, int fd, const struct address *peer,
                                const struct address *local);

/* Binds and listens; connections are accepted once listener_start() was called. Errors: KVS_IO with the address in the text,
 * KVS_NO_MEMORY. */
KVS_MUST_CHECK enum kvs_status listener_open(const struct address *address, int backlog,
                                             struct listener **ret);

/* Where it really listens: the port the system chose when 0 was asked for. */
const struct address *listener_address(const struct listener *listener);

/* Thread: loop. */
KVS_MUST_CHECK enum kvs_status listener_start(struct listener *listener, struct loop *loop,
                                              listener_accept_fn *accept, void *ctx);

/* Stops accepting; @listener may be closed afterwards. Thread: loop. */
void listener_stop(struct listener *listener);

/* NULL is allowed; must not be started. */
void listener_close(struct listener *listener);

/* Sends keep-alive probes after @idle_s of silence (0: never). */
void socket_set_keepalive(int fd, int idle_s);

#endif
