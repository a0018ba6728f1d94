/*
 * conn.h - one connected socket on a loop: bytes in, bytes out. Knows no protocol.
 *
 * In. Bytes are read once per wake-up, into the loop's scratch memory when the connection holds nothing; the owner
 * looks at them with conn_input() and takes what it understands with conn_consume(). What is left when the handler returns
 * moves to a buffer of the connection's own. So a connection whose requests arrive whole needs no memory for input, and none is
 * copied.
 *
 * Out. conn_send() takes as many bytes as the socket has room for, and the owner keeps the rest until conn_ops.writable.
 *
 * This is also the seam for completion-based systems: who reads, and when a send has really happened, is not the owner's business.
 *
 * Thread: loop, all of it.
 */
#ifndef NET_CONN_H
#define NET_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "net/loop.h"

struct conn;

/* A handler may close its connection, but must not free the struct before the turn is over. */
struct conn_ops {
    void (*input)(
        struct conn *conn); /* there are new bytes, or the end was reached (conn->at_end) */
    void (*writable)(struct conn *conn); /* after a short conn_send(): there is room again */
    void (*failed)(struct conn *conn,
                   int errnum); /* the connection is gone (0: hung up; ENOBUFS: input over its
                                                         limit); close it */
};

struct conn {
    struct loop_source source;
    struct loop *loop;
    const struct conn_ops *ops;
    struct buf in; /* received and kept; its first in_off bytes are consumed */
    size_t in_off;
    const char *view;  /* while a handler runs: bytes in the loop's scratch … */
    size_t view_len;   /* … not yet consumed */
    size_t read_bytes; /* by the read that led to the present input call */
    bool at_end;       /* the peer will send nothing more */
    bool paused;       /* the owner wants no input */
    bool send_blocked; /* the last send was short: waiting for room */
    bool deferred;     /* conn_defer() was called for the input now there */
};

/* Takes @fd over and begins to watch it. @in_max: bytes of unconsumed input it may hold. On failure @fd is still the caller's. */
KVS_MUST_CHECK enum kvs_status conn_open(struct conn *conn, struct loop *loop, int fd,
                                         size_t in_max, const struct conn_ops *ops);

/* Closes the socket; no handler is called afterwards. Input that was kept stays until conn_done(), for whoever still uses it. */
void conn_close(struct conn *conn);

/* Closes and frees. Of a zeroed struct whose source.fd is -1: no effect. */
void conn_done(struct conn *conn);

/* Everything received and not consumed. Valid until a handler returns, conn_keep_input(), or more is read. */
struct kvs_bytes conn_input(const struct conn *conn);

void conn_consume(struct conn *conn, size_t len);

/*
 * Called by an input handler that will look at the input later in this turn, together with that of other connections (see
 * loop_set_gather()): the input stays as it is until conn_settle(), which must follow. What is not consumed by then is kept, as after
 * a handler; this may fail the connection.
 */
void conn_defer(struct conn *conn);
void conn_settle(struct conn *conn);

/*
 * Moves what lies in the loop's scratch to the connection's own buffer, where it stays put until it is consumed or input goes on
 * being read (see conn_pause). KVS_NO_MEMORY; KVS_TOO_LONG: over in_max.
 */
KVS_MUST_CHECK enum kvs_status conn_keep_input(struct conn *conn);

/* True when the input buffer is at its limit, so that nothing more can be read until some is consumed. */
bool conn_input_full(const struct conn *conn);

/* Stops or resumes reading. While paused, conn_input() bytes stay where they are. */
void conn_pause(struct conn *conn);
void conn_resume(struct conn *conn);

/* Sends what the socket takes now; *ret_sent may be less than asked. KVS_NETWORK: the connection is gone. */
KVS_MUST_CHECK enum kvs_status conn_send(struct conn *conn, struct kvs_bytes bytes,
                                         size_t *ret_sent);

/* No more bytes will be sent; the peer sees the end. Input goes on. */
void conn_end_output(struct conn *conn);

/* Gives memory of empty or nearly empty buffers back. */
void conn_trim(struct conn *conn);

/* Bytes of memory its input buffer holds. */
size_t conn_memory(const struct conn *conn);

#endif
