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
struct kvs_reply;

/* Called with a message that RESP3 servers push between replies (invalidations, channels, MONITOR). @push is lent for the call,
 * which must not call the client. */
typedef void kvs_push_fn(void *ctx, const struct kvs_reply *push);

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
    kvs_push_fn *push;        /* NULL: pushes are skipped */
    void *push_ctx;
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
    KVS_REPLY_PUSH,       /* items; inside other replies, and what kvs_push_fn is given */
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

/* ---- Futures: requests under way on connections that the caller's own poll loop drives ---- */

/*
 * A pool of connections to one server. Nothing here waits but kvs_async_wait() and kvs_future_wait(): calls queue requests,
 * kvs_async_turn() connects, sends, receives and completes. One descriptor, kvs_async_fd(), becomes readable whenever a turn has
 * something to do, time limits included, so any poll loop can drive it.
 *
 *     kvs_async_call(async, args, 2, &(struct kvs_call){ .done = got_it, .ctx = me }, NULL);
 *     ... poll() says that kvs_async_fd(async) is readable ...
 *     kvs_async_turn(async);                                       // calls got_it(me, future)
 *
 * Each request stands alone: with several connections, requests may overtake each other, and what belongs to a connection (SELECT,
 * MULTI, WATCH, SUBSCRIBE) needs a pool of one. With one connection, requests are carried out in the order of the calls, as long
 * as none is sent again.
 *
 * Lost connections are made again, after a pause that doubles. Requests that were not sent yet, and those marked idempotent,
 * are sent again, up to @retries times; of others nobody knows whether they were carried out, and they complete with KVS_NETWORK.
 *
 * Threads: one at a time per kvs_async, its futures included. Callbacks run inside kvs_async_turn(), kvs_async_wait(),
 * kvs_future_wait() and kvs_async_close(); they may make calls, cancel and free futures, and must not call those four (KVS_INVALID).
 */
struct kvs_async;
struct kvs_future;

/* All zero: one connection to the default server. */
struct kvs_async_options {
    struct kvs_client_options client; /* timeout_ms: of connecting with its greeting, and of a call that names none */
    unsigned connections;             /* 0: 1; at most KVS_ASYNC_CONNECTIONS_MAX; made when they are first needed */
    unsigned retries;                 /* of one request, by lost connections or failed attempts to connect; 0: 3 */
    unsigned reconnect_ms;            /* the first pause before connecting again, doubled up to 32 times; 0: 50 */
    uint64_t queue_bytes_max;         /* requests not answered yet; one more is KVS_WOULD_BLOCK; 0: 64 MiB */
};

enum {
    KVS_ASYNC_CONNECTIONS_MAX = 1024
};

/* Called once when @future completes, but not after it was cancelled or freed. @future is lent for the call, if it was not kept. */
typedef void kvs_future_fn(void *ctx, struct kvs_future *future);

/* How to make a call. All zero (or NULL): not sent again, the pool's time limit, no callback. */
struct kvs_call {
    bool idempotent;     /* carrying it out twice does no harm: it is sent again when the connection is lost */
    bool no_reply;       /* the server sends none (SUBSCRIBE in RESP3, CLIENT REPLY OFF): complete, without a reply, when it is handed over */
    unsigned timeout_ms; /* until it is answered: then it completes with KVS_TIMEOUT, its outcome unknown; 0: the pool's */
    kvs_future_fn *done;
    void *ctx;
};

/** Makes the pool; does not connect yet. @options NULL: defaults. Errors: KVS_INVALID, KVS_NO_MEMORY, KVS_IO (no descriptors). */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_async_open(const struct kvs_async_options *options, struct kvs_async **ret);

/** Completes all that is under way with KVS_CLOSED, and closes. Futures that were kept stay the caller's to free. NULL is allowed.
 * KVS_INVALID: inside a callback; nothing was closed. */
KVS_API enum kvs_status kvs_async_close(struct kvs_async *async);

/** The descriptor to poll for input. It is not to be read, and lives as long as @async. */
KVS_API int kvs_async_fd(const struct kvs_async *async);

/** Does everything that can be done without waiting. Errors: KVS_INVALID (inside a callback), KVS_IO, KVS_NO_MEMORY. */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_async_turn(struct kvs_async *async);

/** Waits until there is something to do, at most @timeout_ms (negative: for ever), and does it. For those without a poll loop. */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_async_wait(struct kvs_async *async, int timeout_ms);

/** Number of calls that were not completed yet. */
KVS_API uint64_t kvs_async_pending(const struct kvs_async *async);

/**
 * Queues a request, which is copied. @ret not NULL: the future is kept, the caller frees it. @ret NULL: it is gone when it has
 * completed and its callback has returned. Errors, with nothing queued: KVS_INVALID, KVS_WOULD_BLOCK (the queue is full), KVS_NO_MEMORY,
 * KVS_CLOSED (the pool is being closed).
 */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_async_call(struct kvs_async *async, const struct kvs_bytes *args, size_t count,
                                                      const struct kvs_call *call, struct kvs_future **ret);

/** Has it completed? */
KVS_API bool kvs_future_done(const struct kvs_future *future);

/**
 * What became of it: KVS_OK with the reply; KVS_SERVER with the error reply, or NULL when the server did not let us in; KVS_NETWORK, KVS_TIMEOUT, KVS_PROTOCOL, KVS_NO_MEMORY,
 * KVS_CLOSED with *ret NULL, kvs_error() says more; KVS_WOULD_BLOCK: not completed. The reply lives as long as the future. @ret may be NULL.
 */
KVS_API enum kvs_status kvs_future_result(const struct kvs_future *future, const struct kvs_reply **ret);

/** Turns until it has completed, at most @timeout_ms (negative: for ever). KVS_OK: it has; KVS_TIMEOUT: it goes on. */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_future_wait(struct kvs_future *future, int timeout_ms);

/**
 * Nobody wants the answer any more: completes with KVS_CLOSED and without its callback. What was sent already may still be carried out;
 * what was not is not sent.
 */
KVS_API void kvs_future_cancel(struct kvs_future *future);

/** Gives back a future that was kept; cancels it first if it has not completed. NULL is allowed. */
KVS_API void kvs_future_free(struct kvs_future *future);

#ifdef __cplusplus
}
#endif

#endif
