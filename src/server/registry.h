/*
 * registry.h - all clients of the server, over all loops: for CLIENT LIST and KILL, and for the names they show.
 *
 * Invariant: a session is in the list from before its first command until before its memory goes, so whoever holds the lock may look at
 * the fields of a listed session that are constant, atomic, or guarded by this lock (the client's name and library).
 * Thread: any.
 */
#ifndef SERVER_REGISTRY_H
#define SERVER_REGISTRY_H

#include <stdint.h>

#include "base/buf.h"
#include "command/host.h"
#include "concurrent/mutex.h"
#include "server/chain.h"
#include "server/list.h"

struct session;

struct registry {
    struct mutex mu;
    struct list_node sessions GUARDED_BY(mu);
    struct chain by_id GUARDED_BY(mu);
};

KVS_MUST_CHECK enum kvs_status registry_init(struct registry *registry);
void registry_done(struct registry *registry);
void registry_add(struct registry *registry, struct session *session);
void registry_remove(struct registry *registry, struct session *session);

/* The loop that client @id is on; NULL: there is none. */
struct reactor *registry_reactor(struct registry *registry, uint64_t id);

/* Its session, for the thread of @reactor only; NULL: it is not there. */
struct session *registry_session(struct registry *registry, uint64_t id,
                                 const struct reactor *reactor);

/* Lines of CLIENT LIST for those that pass @filter (NULL: all) and are among @ids (@id_count 0: all). */
void registry_list(struct registry *registry, const struct host_client_filter *filter,
                   const uint64_t *ids, size_t id_count, uint64_t now_ns, struct buf *out);

/* The line of one client. */
void registry_info(struct registry *registry, const struct client *client, uint64_t now_ns,
                   struct buf *out);

/* Marks those that pass for closing and returns their number; @self_id is spared with skip_me. */
uint64_t registry_kill(struct registry *registry, uint64_t self_id,
                       const struct host_client_filter *filter, uint64_t now_ns);

/* Replaces a text of a client's under the lock. */
void registry_set_text(struct registry *registry, char **field, char *text);

#endif
