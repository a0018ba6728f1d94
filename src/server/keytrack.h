/*
 * keytrack.h - client-side caching: which client may hold which key, and telling it when the key changes.
 *
 * A bounded table maps a key to the clients that have read it since it last changed; over its limit the oldest keys are given up, which
 * tells their clients as if they had changed. Clients in BCAST mode are told of every change under their prefixes. As in
 * Redis, a key is the same in all key spaces.
 *
 * Thread: any.
 */
#ifndef SERVER_KEYTRACK_H
#define SERVER_KEYTRACK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "command/host.h"
#include "concurrent/mutex.h"
#include "server/chain.h"
#include "server/list.h"

struct server;
struct session;

struct keytrack {
    struct server *server;
    struct mutex mu;
    struct chain keys GUARDED_BY(mu);
    struct list_node by_age GUARDED_BY(mu);
    struct chain trackers GUARDED_BY(mu); /* by the client's id */
    struct list_node broadcast GUARDED_BY(mu);
    size_t bytes GUARDED_BY(mu);
    size_t items GUARDED_BY(mu); /* pairs of key and client */
};

struct keytrack_figures {
    size_t clients;
    size_t keys;
    size_t items;
    size_t prefixes;
};

KVS_MUST_CHECK enum kvs_status keytrack_init(struct keytrack *keytrack, struct server *server);
void keytrack_done(struct keytrack *keytrack);

KVS_MUST_CHECK enum kvs_status keytrack_on(struct keytrack *keytrack, uint64_t id,
                                           const struct host_tracking *tracking,
                                           const struct kvs_bytes *prefixes, size_t count);
void keytrack_off(struct keytrack *keytrack, uint64_t id);
bool keytrack_of(struct keytrack *keytrack, uint64_t id, struct host_tracking *ret);
void keytrack_prefixes(struct keytrack *keytrack, uint64_t id, host_name_fn *fn, void *ctx);

void keytrack_remember(struct keytrack *keytrack, uint64_t id, struct kvs_bytes key);
void keytrack_changed(struct keytrack *keytrack, const struct host_change *change);

void keytrack_figures(struct keytrack *keytrack, struct keytrack_figures *ret);

#endif
