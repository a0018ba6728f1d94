/*
 * command.h - what requests mean: from struct request through kvs.h calls to struct reply.
 *
 * One table (table.c): name, arity, flags, key positions, summary, function. COMMAND, help texts, the prompt's hints and
 * docs/commands.md come from it. Adding a command is one row and one function in its family's file (string.c, generic.c …).
 *
 * Running again. A command function must have no effect outside its transaction and its reply until it returns; then it can be run
 * again on a conflict, or on a thread that may wait after KVS_WOULD_BLOCK. Commands that have others (CONFIG SET, SHUTDOWN) are
 * flagged COMMAND_EFFECT and do them last.
 */
#ifndef COMMAND_COMMAND_H
#define COMMAND_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include <kvs/kvs.h>

#include "command/client.h"
#include "command/host.h"
#include "command/reply.h"
#include "command/request.h"

enum {
    COMMAND_WRITE = 1u << 0,
    COMMAND_READONLY = 1u << 1,
    COMMAND_FAST = 1u << 2,
    COMMAND_ADMIN = 1u << 3,
    COMMAND_NO_AUTH = 1u << 4,  /* allowed before AUTH */
    COMMAND_NO_MULTI = 1u << 5, /* refused inside MULTI */
    COMMAND_IN_MULTI = 1u << 6, /* run, not queued, inside MULTI (EXEC, DISCARD …) */
    COMMAND_SLOW = 1u << 7,     /* goes to the pool at once: its cost grows with the data */
    COMMAND_EFFECT = 1u << 8,   /* has effects outside the store */
    COMMAND_DENY_OOM = 1u << 9,
    COMMAND_MOVABLE_KEYS = 1u << 10,
    COMMAND_LOADING = 1u << 11,
    COMMAND_STALE = 1u << 12,
    COMMAND_STREAMS =
        1u << 13, /* its stream_arg may be a value over KVS_INLINE_MAX, streamed to a blob */
    COMMAND_OURS = 1u << 14, /* not a Redis command */
    COMMAND_SKIP_MONITOR = 1u << 15,
    COMMAND_DURABLE = 1u << 16,   /* reserved for barriers */
    COMMAND_CONTAINER = 1u << 17, /* rows of subcommands follow */
    COMMAND_DIRECT = 1u << 26,    /* alone, it gets ctx->txn NULL: see families.h */
    /* Only shown, by COMMAND INFO. */
    COMMAND_NO_SCRIPT = 1u << 18,
    COMMAND_SKIP_SLOWLOG = 1u << 19,
    COMMAND_ALLOW_BUSY = 1u << 20,
    COMMAND_NO_ASYNC_LOADING = 1u << 21,
    /* ACL categories that do not follow from group and flags. */
    COMMAND_CAT_ADMIN = 1u << 22,
    COMMAND_CAT_DANGEROUS = 1u << 23,
    COMMAND_CAT_KEYSPACE = 1u << 24,
    COMMAND_CAT_CONNECTION = 1u << 25,
    COMMAND_PUBSUB = 1u << 27,
};

struct command_blobs;
struct command_ctx;
typedef enum kvs_status command_fn(struct command_ctx *ctx);

struct command {
    const char *name; /* upper case, "CLIENT" or, of a subcommand, "CLIENT|LIST" */
    command_fn *run;  /* NULL: only its subcommands can be run */
    int arity;        /* with the name; negative: at least that many */
    uint32_t flags;
    int first_key; /* 0: none; positions as in COMMAND INFO */
    int last_key;  /* negative: from the end */
    int key_step;
    int stream_arg; /* with COMMAND_STREAMS: which argument */
    const char *
        group; /* "string", "generic", "connection", "transactions", "pubsub", "server", "ordered" */
    const char *since; /* version of Redis, or of kvs for COMMAND_OURS */
    const char *summary;
    const char *syntax; /* arguments, for hints and documents: "key value [NX | XX] ..." */
    const char *complexity;
};

/* The table, in name order; a subcommand stands behind its container. */
const struct command *command_table(size_t *ret_count);

/* Finds by name, any case; @request's second argument selects a subcommand where the command has some (NULL, and *ret_container set,
 * when it names none). */
const struct command *command_lookup(const struct kvs_bytes *args, size_t count,
                                     const struct command **ret_container);

/* What a command function works with. Status returned: KVS_OK (the reply holds the answer, errors included),
 * KVS_WOULD_BLOCK or KVS_CONFLICT (run again), KVS_NO_MEMORY; other failures become an error reply. */
struct command_ctx {
    const struct command *command;
    const struct request *request;
    struct client *client;
    struct reply *reply;
    const struct host *host;
    struct kvs *const *spaces; /* KVS_SPACES handles */
    struct kvs *db;            /* of the client's SELECTed space; SELECT inside EXEC changes it */
    struct kvs_txn *txn;       /* begun; all reads and writes of data go through it … */
    const struct kvs_snapshot *snapshot; /* direct reads are at this version; NULL: the newest */
    unsigned watching;         /* HOST_WATCHES_…, as of the start */
    bool may_wait;             /* … except direct reads of read-only fast paths, which obey this */
    bool in_exec;              /* part of a transaction */
    int64_t now_ms;            /* fixed at the start */
    uint64_t position;         /* dependency of direct reads; the runner adds the transaction's */
    bool direct;               /* set by a command whose reads did not go through txn */
    bool blob_used;            /* set by a command that gave request->blob to txn; the runner clears it after the commit */
    enum kvs_durability durability; /* for direct writes */
    bool wrote;                     /* set by a direct write */
    struct command_blobs *blobs;    /* see blobs.h: the runner's, never NULL where txn is not */
};

struct command_result {
    uint64_t
        position; /* the reply may leave when this is durable (written, for weaker durability); 0: at once */
    bool wrote;
    bool
        postponed; /* with KVS_WOULD_BLOCK: clients are paused; run it again, on any thread, when they are not */
    const struct command *command; /* NULL: unknown */
};

/* How a command is to be run, from the program around it. */
struct command_env {
    const struct host *host;
    struct kvs *const *spaces;
    enum kvs_durability durability; /* of writes now */
    int64_t now_ms; /* wall clock, when many commands are run at what counts as one time; 0: read it for each */
};

/*
 * Runs one request to its reply: lookup, arity, authentication, queueing in MULTI, transaction, retries. KVS_OK: the reply is
 * complete in @reply. KVS_WOULD_BLOCK (only without @may_wait): nothing happened, nothing was replied; run it again with
 * @may_wait on a thread that may wait.
 */
enum kvs_status command_run(const struct command_env *env, struct client *client,
                            struct request *request, struct reply *reply, bool may_wait,
                            struct command_result *ret);

/* After a command of a client with CLIENT_CACHING was answered: what held for it only is over. */
void command_over(struct client *client, const struct command *command);

/* For a large bulk announced as argument @arg of @bytes while a request arrives (args so far complete): may it be streamed to a
 * blob? Only for authenticated clients outside MULTI. */
bool command_streams(const struct host *host, const struct client *client,
                     const struct kvs_bytes *args, size_t count, size_t arg, uint64_t bytes);

#endif
