/*
 * client.h - what the commands know about one client: its database, transaction, name, rights. The session owns it and
 * runs one command of a client at a time.
 */
#ifndef COMMAND_CLIENT_H
#define COMMAND_CLIENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <kvs/kvs.h>

#include "base/buf.h"
#include "command/host.h"

struct queued_command; /* of a MULTI; transaction.c */
struct watched_key;
struct events; /* of a run; events.c */

/* Bytes of commands queued by one client in a MULTI, and of keys it watches; more is refused. */
enum {
    CLIENT_QUEUE_BYTES_MAX = 64 * 1024 * 1024,
    CLIENT_WATCH_BYTES_MAX = 1024 * 1024
};

/* What is special about a client, so that one test finds the many about whom nothing is. */
enum {
    CLIENT_SUBSCRIBED = 1u << 0, /* has subscribed to something; cleared when it has none left */
    CLIENT_TRACKS = 1u << 1,     /* the keys it reads */
    CLIENT_BCAST = 1u << 2,      /* … or whatever begins with its prefixes */
    CLIENT_BROKEN = 1u << 3,     /* … and tells a client that is no more */
    CLIENT_CACHING = 1u << 4,    /* CLIENT CACHING was the last command */
    CLIENT_REPLY_OFF = 1u << 5,
    CLIENT_REPLY_SKIP_NEXT = 1u << 6,
    CLIENT_REPLY_SKIP = 1u << 7,
    CLIENT_NO_EVICT = 1u << 8,
    CLIENT_NO_TOUCH = 1u << 9,
    CLIENT_MONITORS = 1u << 10,
    CLIENT_LISTENS =
        CLIENT_SUBSCRIBED | CLIENT_TRACKS | CLIENT_MONITORS, /* gets what it did not ask for */
    CLIENT_MUTE = CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP_NEXT | CLIENT_REPLY_SKIP,
};

struct client {
    uint64_t id;
    atomic_uint special; /* CLIENT_…; relaxed: changed by the client's own commands */
    atomic_uint space;   /* SELECT */
    atomic_int protocol; /* 2 or 3; HELLO changes it, the session then switches encoders */
    bool authenticated;
    unsigned tracking_options; /* HOST_TRACK_…, with CLIENT_TRACKS */
    _Atomic uint64_t redirect_shown;
    bool closing;  /* QUIT: close after the reply */
    bool reset;    /* RESET was run: the session forgets its own modes too */
    bool no_reply; /* the reply of this command is not sent (SHUTDOWN) */
    char *
        name; /* CLIENT SETNAME; malloc'd, NULL or "": none. Guarded by name_lock of the session's registry */
    char *lib_name; /* CLIENT SETINFO */
    char *lib_version;

    /* MULTI */
    bool in_multi;
    bool multi_failed; /* a queueing error: EXEC answers EXECABORT */
    struct queued_command *queued;
    size_t queued_count;
    size_t queued_capacity;
    size_t queued_bytes;
    struct kvs_snapshot *watch_snapshot; /* opened by the first WATCH */
    struct watched_key *watched;
    size_t watched_count;
    size_t watched_capacity;
    size_t watched_bytes;

    struct kvs_txn *txn;     /* made on first use, reused by every command of the client */
    struct kvs_batch *batch; /* the same, for single writes past the transaction */

    struct events *events;         /* of the present run; events.c */
    const struct command *running; /* of the present run, inside EXEC the queued one */
    const struct request *running_request;
    bool observed; /* txn tells events.c */

    /* For CLIENT LIST, which other threads run: relaxed, each is a figure on its own. */
    _Atomic(const struct command *) last_command;
    atomic_int multi_shown; /* queued commands; -1 outside MULTI */
    atomic_uint watch_shown;
    atomic_uint topic_counts[HOST_TOPICS]; /* subscriptions */
};

/* relaxed, all three: see struct client */
static inline bool client_is(const struct client *client, unsigned special)
{
    return (atomic_load_explicit(&client->special, memory_order_relaxed) & special) != 0;
}

static inline void client_mark(struct client *client, unsigned special)
{
    atomic_fetch_or_explicit(&client->special, special, memory_order_relaxed);
}

static inline void client_unmark(struct client *client, unsigned special)
{
    atomic_fetch_and_explicit(&client->special, ~special, memory_order_relaxed);
}

/* @id must be unique. The client starts in space 0, with RESP2, not authenticated (which counts only where a password is
 * needed). client_done() frees what the client owns; no command of it may be under way. */
KVS_MUST_CHECK enum kvs_status client_init(struct client *client, struct kvs *db, uint64_t id);
void client_done(struct client *client, struct kvs *db);

#endif
