/*
 * connection.h - the inside of struct kvs_client: one socket with its buffers, and the steps that never wait.
 *
 * The blocking calls of client.h are loops around connection_push(), connection_pull() and connection_take() with a wait in between;
 * a caller with a poll loop of its own can make the same steps with its own waits.
 */
#ifndef CLIENT_CONNECTION_H
#define CLIENT_CONNECTION_H

#include <kvs/client.h>

#include "base/buf.h"
#include "client/endpoint.h"
#include "protocol/resp_reply.h"

struct kvs_client {
    int fd;
    unsigned timeout_ms;
    char *addr;           /* for errors */
    enum kvs_status dead; /* not KVS_OK: the connection is over */
    struct buf out;       /* requests */
    size_t out_off;       /* of them sent */
    struct buf in;        /* replies */
    size_t in_off;        /* of them read; what the last reply points to lies before */
    struct resp_reader reader;
    uint64_t pending; /* requests whose answers were not read */
    kvs_push_fn *push;
    void *push_ctx;

    struct kvs_reply reply; /* the last one */
    struct kvs_reply *items;
    size_t item_capacity;

    /* the request being written in pieces */
    size_t args_left;
    uint64_t arg_bytes_left;
    bool arg_open;

    /* the reply being read in pieces */
    uint64_t items_left; /* 0: none is */
    uint64_t bulk_left;
    bool bulk_open; /* its CRLF was not read yet */
};

/* Whether @options make sense; *ret_endpoint is where they lead. Shared by the blocking and the asynchronous face. KVS_INVALID. */
KVS_MUST_CHECK enum kvs_status connection_options(const struct kvs_client_options *options,
                                                  struct endpoint *ret_endpoint);
/* The address that @options name. */
const char *connection_addr(const struct kvs_client_options *options);

/* A client without a socket. */
KVS_MUST_CHECK enum kvs_status connection_new(const struct kvs_client_options *options,
                                              struct kvs_client **ret);
/* Queues what a connection begins with: password, name, key space. */
KVS_MUST_CHECK enum kvs_status connection_greet(struct kvs_client *client,
                                                const struct kvs_client_options *options);

/* Sends what the socket takes. KVS_OK: all of it; KVS_WOULD_BLOCK. */
KVS_MUST_CHECK enum kvs_status connection_push(struct kvs_client *client);

/* Receives what is there, once. KVS_OK: some; KVS_WOULD_BLOCK. Replies read before are gone. */
KVS_MUST_CHECK enum kvs_status connection_pull(struct kvs_client *client);

/* The next reply, if it is there whole; KVS_WOULD_BLOCK. Pushes go to their callback. KVS_SERVER: it is an error. A reply that
 * nothing was asked for ends the connection. */
KVS_MUST_CHECK enum kvs_status connection_take(struct kvs_client *client,
                                               const struct kvs_reply **ret);

/* Sends until at most @keep bytes are queued, receiving meanwhile, so that a server that waits for its replies to be read
 * goes on. Waits. */
KVS_MUST_CHECK enum kvs_status connection_drain(struct kvs_client *client, size_t keep);

/* Receives something. Waits. */
KVS_MUST_CHECK enum kvs_status connection_fill(struct kvs_client *client);

/* Whether calls make sense: KVS_NETWORK when the connection is over. */
KVS_MUST_CHECK enum kvs_status connection_check(const struct kvs_client *client);

/* Notes that the connection is over; returns @status. */
enum kvs_status connection_die(struct kvs_client *client, enum kvs_status status);

/* The public name of a reply's type. */
enum kvs_reply_type connection_reply_type(enum resp_type type);

static inline struct kvs_bytes connection_unread(const struct kvs_client *client)
{
    return (struct kvs_bytes){ client->in.data + client->in_off, client->in.len - client->in_off };
}

#endif
