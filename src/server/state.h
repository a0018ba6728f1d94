/*
 * state.h - the server as its own files see it.
 */
#ifndef SERVER_STATE_H
#define SERVER_STATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <kvs/kvs.h>

#include "command/host.h"
#include "concurrent/mutex.h"
#include "net/listener.h"
#include "pool/pool.h"
#include "server/broker.h"
#include "server/config.h"
#include "server/cursors.h"
#include "server/keytrack.h"
#include "server/reactor.h"
#include "server/registry.h"
#include "server/snapshots.h"
#include "server/stats.h"
#include "server/trace.h"
#include "server/watchers.h"

struct server {
    struct config *config;
    struct trace trace;
    struct clock *clock;
    struct kvs *spaces[KVS_SPACES]; /* handles on one store; [0] exists once it is open */
    struct host host;
    struct pool *pool;
    struct reactor *reactors;
    unsigned reactor_count;
    struct listener **listeners;
    size_t listener_count;
    bool exposed; /* listens beyond loopback */
    struct registry registry;
    struct broker broker;
    struct keytrack keytrack;
    atomic_uint watching; /* HOST_WATCHES_…; see command/host.h */
    uint64_t hash_seed;   /* of tables that clients fill */
    atomic_uint notify;   /* classes of keyspace notifications */
    _Atomic uint64_t slow_ns; /* the least time of a command that is noted; relaxed: a setting */
    struct slowlog slowlog;
    struct mutex pause_mu;
    unsigned monitor_count GUARDED_BY(pause_mu);
    uint64_t pause_until_ns GUARDED_BY(pause_mu);
    enum host_pause pause_mode GUARDED_BY(pause_mu);
    struct cursors *cursors;
    struct snapshots *snapshots;
    struct error_stats errors;

    unsigned next_reactor; /* of the accepting loop */
    atomic_uint
        client_count; /* relaxed: a limit that may be passed by none, for one loop accepts */
    _Atomic uint64_t next_client_id;
    _Atomic uint64_t rejected; /* over maxclients */

    int wake_fd; /* the main thread waits on it */
    atomic_bool stop_wanted;
    struct loop_task stop_listening;

    enum kvs_durability opened_durability;
    int64_t started_us;
    char run_id[41];
    _Atomic int64_t last_save_s;
    atomic_bool last_save_ok;
    atomic_bool saving;

    struct mutex reset_mu; /* CONFIG RESETSTAT: where the counters were */
    struct stats_sum reset GUARDED_BY(reset_mu);
    uint64_t *reset_commands GUARDED_BY(reset_mu); /* calls, nsec, failed of each */
};

/* What the durability setting means to the store. */
enum kvs_durability server_durability(const struct server *server);

/* Begins to stop, as SIGTERM does. Thread: any. */
void server_stop(struct server *server);

/* Makes the main thread look at the settings it acts on. Thread: any. */
void server_wake(struct server *server);

/* CONFIG RESETSTAT. Thread: any. */
void server_reset_stats(struct server *server);

/* Calls, nanoseconds and failed calls of the @index-th command of the table. Thread: any. */
void server_sum_command(struct server *server, size_t index, uint64_t ret[3]);

/* Adds all reactors up, less what RESETSTAT has forgotten. Thread: any. */
void server_sum_stats(struct server *server, struct stats_sum *ret);

/* accept.c: takes a new connection in, or turns it away. Thread: the loop that accepts. */
void server_accept(void *ctx, int fd, const struct address *peer, const struct address *local);

/* Sets or clears a bit of server->watching. Thread: any. */
void server_watch(struct server *server, unsigned bit, bool on);

/* slowlog-log-slower-than has changed: server->slow_ns follows. Thread: any. */
void server_set_slow(struct server *server);

/* notify-keyspace-events has changed. Thread: any. */
void server_set_notify(struct server *server);

/* How long CLIENT PAUSE still holds; 0: it does not. Thread: any. */
uint64_t server_pause_left_ns(struct server *server);

/* host.c: fills server->host in; the others their part. */
void host_init(struct server *server);
void host_init_pubsub(struct server *server);
void host_init_clients(struct server *server);

/* info.c: INFO's text, and the figures of memory in it; see command/host.h. */
void info_memory(struct host_memory *ret);
void info_print(struct server *server, const struct kvs_bytes *sections, size_t count,
                struct buf *out);

#endif
