/*
 * client.h - talking to a kvs server, or to any server that speaks RESP.
 *
 *     struct kvs_client *client;
 *     if (kvs_client_open(NULL, &client) != KVS_OK)               // 127.0.0.1:4000
 *         errx(1, "%s", kvs_error());
 *     if (kvs_client_set(client, (struct kvs_bytes){ "answer", 6 }, (struct kvs_bytes){ "42", 2 }) != KVS_OK)
 *         errx(1, "%s", kvs_error());
 *     kvs_client_close(client);
 *
 * Failures. KVS_SERVER: the server answered an error, its text is kvs_error(), the connection goes on. KVS_NETWORK,
 * KVS_TIMEOUT, KVS_PROTOCOL and KVS_NO_MEMORY end the connection: every later call answers KVS_NETWORK, and whether
 * requests under way were carried out is not known. KVS_INVALID: the call was wrong, nothing happened.
 *
 * Lifetimes. A reply, with all it points to, lives in the client until the next call on it.
 *
 * Threads: one at a time per client; different clients are independent. No global state, and no signals: a closed connection
 * is an error, not a SIGPIPE.
 */
#ifndef KVS_CLIENT_H
#define KVS_CLIENT_H

#include <kvs/status.h>

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct kvs_client;

/* All zero: the default server, no password, no time limit. */
struct kvs_client_options {
    const char *addr;         /* "IP:PORT", "[IPv6]:PORT", "unix:/path"; NULL: "127.0.0.1:4000" */
    const char *user;         /* NULL: "default" */
    const char *password;     /* NULL: none is sent */
    const char *name;         /* shown by CLIENT LIST; NULL: none */
    unsigned database;        /* key space, as by SELECT */
    unsigned resp;            /* protocol version 2 or 3; 0: 2 */
    unsigned timeout_ms;      /* of connecting, and of each wait for the server to take or give something; 0: none */
    uint64_t reply_bytes_max; /* a larger reply is KVS_PROTOCOL; 0: 1 GiB */
};

enum kvs_reply_type {
    KVS_REPLY_STATUS,     /* text: "OK" */
    KVS_REPLY_ERROR,      /* text: "ERR …" */
    KVS_REPLY_INTEGER,    /* integer */
    KVS_REPLY_BULK,       /* text: any bytes */
    KVS_REPLY_NULL,
    KVS_REPLY_ARRAY,      /* items */
    KVS_REPLY_MAP,        /* items: key, value, key, value …; RESP3 only, as are the following */
    KVS_REPLY_SET,        /* items */
    KVS_REPLY_PUSH,       /* items; only inside other replies, since top-level ones are skipped */
    KVS_REPLY_REAL,       /* real, and text as sent */
    KVS_REPLY_BOOLEAN,    /* integer 0 or 1 */
    KVS_REPLY_VERBATIM,   /* text */
    KVS_REPLY_BIG_NUMBER, /* text: digits */
};

struct kvs_reply {
    enum kvs_reply_type type;
    struct kvs_bytes text;
    int64_t integer;
    double real;
    const struct kvs_reply *items;
    size_t item_count;
};

/** Connects and introduces itself. @options NULL: defaults. Errors: KVS_INVALID (options), KVS_NETWORK, KVS_TIMEOUT, KVS_SERVER
 * (wrong password …), KVS_PROTOCOL, KVS_NO_MEMORY. */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_client_open(const struct kvs_client_options *options,
                                                       struct kvs_client **ret);

/** Closes the connection; requests that were not flushed are dropped. NULL is allowed. */
KVS_API void kvs_client_close(struct kvs_client *client);

/* ---- One request, one answer. Not while pipelined replies are outstanding (KVS_INVALID). ---- */

/** Sends a command, its name first, and waits for the answer. *ret is set for KVS_OK and for KVS_SERVER. */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_client_call(struct kvs_client *client, const struct kvs_bytes *args,
                                                       size_t count, const struct kvs_reply **ret);

/** The value of @key, lent until the next call on @client; KVS_NOT_FOUND. */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_client_get(struct kvs_client *client, struct kvs_bytes key,
                                                      struct kvs_bytes *ret);

/** When it answers KVS_OK, the write is as durable as the server is set to make it. */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_client_set(struct kvs_client *client, struct kvs_bytes key,
                                                      struct kvs_bytes value);

/** KVS_NOT_FOUND when there is no such key. */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_client_remove(struct kvs_client *client, struct kvs_bytes key);

/* ---- Pipelines: many requests, then their answers, in order ---- */

/** Queues a request; it is copied. What is queued is sent by and by; replies that arrive meanwhile are kept. */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_client_append(struct kvs_client *client, const struct kvs_bytes *args,
                                                         size_t count);

/** Sends everything queued. */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_client_flush(struct kvs_client *client);

/** The next answer; flushes first. KVS_SERVER: it is an error. KVS_INVALID: nothing is outstanding. */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_client_read(struct kvs_client *client, const struct kvs_reply **ret);

/** Number of requests whose answers were not read yet. */
KVS_API uint64_t kvs_client_pending(const struct kvs_client *client);

/* ---- Large requests and replies, in pieces and in bounded memory ---- */

/** Begins a request of @count arguments; exactly so many follow. */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_client_begin(struct kvs_client *client, size_t count);
/** One argument of the request begun … */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_client_arg(struct kvs_client *client, struct kvs_bytes arg);
/** … or the announcement of one of @bytes, which follow in any number of pieces. */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_client_arg_begin(struct kvs_client *client, uint64_t bytes);
KVS_API KVS_MUST_CHECK enum kvs_status kvs_client_arg_bytes(struct kvs_client *client, struct kvs_bytes piece);

/**
 * Reads the next reply item by item, instead of kvs_client_read(). *ret has no items, and no text when it is a bulk: *ret_count
 * is the number of items of an aggregate, which come by further calls, or the bytes of a bulk, which come by
 * kvs_client_read_bytes(). Errors are KVS_OK here, with their type. The reply is over when all its items were read.
 */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_client_read_head(struct kvs_client *client, struct kvs_reply *ret,
                                                            uint64_t *ret_count);
/** The next bytes of a bulk, as many as are there, at least one; at its end none. */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_client_read_bytes(struct kvs_client *client, struct kvs_bytes *ret);

#ifdef __cplusplus
}
#endif

#endif
