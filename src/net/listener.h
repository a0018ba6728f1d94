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

/*
 * Binds. Whoever calls is refused by the system until listener_start(): nobody waits for a server that may never be ready. Of a Unix socket
 * that nobody listens on any more the file is replaced; the new one gets the permissions @mode, if that is not 0. Errors: KVS_IO with the
 * address in the text, KVS_NO_MEMORY.
 */
KVS_MUST_CHECK enum kvs_status listener_open(const struct address *address, int backlog,
                                             unsigned mode, struct listener **ret);

/* The same with a socket that another process has bound, and that may be listening already. Takes @fd over only on success. */
KVS_MUST_CHECK enum kvs_status listener_adopt(int fd, int backlog, struct listener **ret);

/* Where it really listens: the port the system chose when 0 was asked for. */
const struct address *listener_address(const struct listener *listener);

/* Listens, and hands connections to @accept. KVS_IO with the address in the text. Thread: loop. */
KVS_MUST_CHECK enum kvs_status listener_start(struct listener *listener, struct loop *loop,
                                              listener_accept_fn *accept, void *ctx);

/* Stops accepting; @listener may be closed afterwards. Thread: loop. */
void listener_stop(struct listener *listener);

/* NULL is allowed; must not be started. Removes the file of a Unix socket that it made. */
void listener_close(struct listener *listener);

/* Sends keep-alive probes after @idle_s of silence (0: never). */
void socket_set_keepalive(int fd, int idle_s);

#endif
