/*
 * client.h - what the commands know about one client: its database, transaction, name, rights. The session owns it and
 * runs one command of a client at a time.
 */
#ifndef COMMAND_CLIENT_H
#define COMMAND_CLIENT_H

#include "base/buf.h"

#include <kvs/kvs.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct queued_command; /* of a MULTI; transaction.c */
struct watched_key;

/* Bytes of commands queued by one client in a MULTI, and of keys it watches; more is refused. */
enum { CLIENT_QUEUE_BYTES_MAX = 64 * 1024 * 1024, CLIENT_WATCH_BYTES_MAX = 1024 * 1024 };

struct client {
    uint64_t id;
    atomic_uint space;  /* SELECT */
    atomic_int protocol; /* 2 or 3; HELLO changes it, the session then switches encoders */
    bool authenticated;
    bool closing;       /* QUIT: close after the reply */
    bool reset;         /* RESET was run: the session forgets its own modes too */
    bool no_reply;      /* the reply of this command is not sent (SHUTDOWN) */
    char *name;         /* CLIENT SETNAME; malloc'd, NULL or "": none. Guarded by name_lock of the session's registry */
    char *lib_name;     /* CLIENT SETINFO */
    char *lib_version;

    /* MULTI */
    bool in_multi;
    bool multi_failed;  /* a queueing error: EXEC answers EXECABORT */
    struct queued_command *queued;
    size_t queued_count;
    size_t queued_capacity;
    size_t queued_bytes;
    struct kvs_snapshot *watch_snapshot; /* opened by the first WATCH */
    struct watched_key *watched;
    size_t watched_count;
    size_t watched_capacity;
    size_t watched_bytes;

    struct kvs_txn *txn; /* made on first use, reused by every command of the client */
    struct kvs_batch *batch; /* the same, for single writes past the transaction */

    /* For CLIENT LIST, which other threads run: relaxed, each is a figure on its own. */
    _Atomic(const struct command *) last_command;
    atomic_int multi_shown; /* queued commands; -1 outside MULTI */
    atomic_uint watch_shown;
};

/* @id must be unique. The client starts in space 0, with RESP2, not authenticated (which counts only where a password is
 * needed). client_done() frees what the client owns; no command of it may be under way. */
KVS_MUST_CHECK enum kvs_status client_init(struct client *client, struct kvs *db, uint64_t id);
void client_done(struct client *client, struct kvs *db);

#endif
