/*
 * sink.h - where imported records go: a store in a directory, or a server. One thread at a time.
 *
 * Records are stored in order. stored and stored_number only count what is acknowledged, which means as durable as the store
 * is set to make it.
 */
#ifndef APP_SINK_H
#define APP_SINK_H

#include <kvs/client.h>
#include <kvs/kvs.h>

#include "app/record.h"

struct sink;

/* Told of a record that the other side refused, after its put() was accepted. */
typedef void sink_refused_fn(void *ctx, uint64_t number, const char *reason);

struct sink_ops {
    enum kvs_status (*put)(struct sink *sink, const struct record *record);
    /* A large one in pieces; only when everything before it was flushed. */
    enum kvs_status (*large_begin)(struct sink *sink, const struct record *record);
    enum kvs_status (*large_bytes)(struct sink *sink, struct kvs_bytes piece);
    enum kvs_status (*large_end)(struct sink *sink, const struct record *record);
    void (*large_abort)(
        struct sink *sink); /* the value will not be completed; nothing more can be put */
    enum kvs_status (*flush)(struct sink *sink);
    void (*free)(struct sink *sink);
};

struct sink {
    const struct sink_ops *ops;
    uint64_t stored;
    uint64_t stored_number; /* of the last record stored */
    sink_refused_fn *refused;
    void *refused_ctx;
};

/* Into space 0 of @db, in batches. */
KVS_MUST_CHECK enum kvs_status sink_local_new(struct kvs *db, struct sink **ret);

/* Through @client, pipelined. */
KVS_MUST_CHECK enum kvs_status sink_remote_new(struct kvs_client *client, struct sink **ret);

#endif
