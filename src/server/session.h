/*
 * session.h - one connection: bytes to requests, requests to replies, replies to the socket in order.
 *
 * At most one request of a connection is under way. It runs on the loop, unless it would have to wait: then on the pool, and
 * the input it borrows stays where it is until it is done. Output that waits for the disk, or for a slow reader, is bounded: over the
 * soft limit nothing more is executed or read.
 *
 * Threads: a session belongs to its reactor's loop. Another thread may work for it (session->busy: the client and the request
 * are the job's until it is done), and others look at the fields marked so.
 */
#ifndef SERVER_SESSION_H
#define SERVER_SESSION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <kvs/kvs.h>

#include "command/client.h"
#include "net/address.h"
#include "net/conn.h"
#include "protocol/decode.h"
#include "server/broker.h"
#include "server/list.h"
#include "server/outbox.h"

struct ahead;
struct reactor;

enum session_state {
    SESSION_OPEN,
    SESSION_ENDING, /* executes nothing more; closes when its output has left */
    SESSION_LINGERING, /* has sent everything; takes in what the peer still sends, so that no reset eats the last reply */
    SESSION_CLOSED, /* waits for its job, if any, to be freed */
};

/* A large value on its way in. */
struct upload {
    struct kvs_blob *blob;
    size_t arg;
    uint64_t left;          /* bytes still to come */
    enum kvs_status status; /* of the first append that failed; the rest is then thrown away */
    char error[160];
};

struct session {
    struct conn conn; /* first: handlers cast */
    struct reactor *reactor;
    struct list_node member; /* of reactor->sessions, or ->dead */
    struct list_node parked; /* of reactor->parked while the outbox has fences */
    struct list_node ready;  /* of reactor->ready: has more to do and let others go first; or of ->fresh: has new input */
    struct list_node listed; /* of the registry, under its lock */
    struct chain_node by_id; /* likewise */
    struct loop_task adopt;  /* hands it to its reactor */

    struct client client;
    struct subscriber subscriber;
    struct buf
        deferred; /* pushes that came while a job worked for it: they go behind its answer … */
    uint64_t deferred_position;  /* … which depend on this */
    bool postponed;              /* its next request waits for the end of CLIENT PAUSE */
    struct list_node paused;     /* of reactor->paused */
    struct list_node monitoring; /* of reactor->monitors */
    bool listens;                /* it is in the class of those that have subscribed */
    uint64_t
        over_soft_ns; /* a subscriber's output has been over its soft limit since; 0: it is not */
    struct decoder decoder;
    enum protocol_kind kind;
    const struct reply_ops *encoder;
    enum session_state state;
    bool busy;        /* a job works for it */
    bool cut;         /* replies were given up: no later one may be sent */
    bool fence_joins; /* a reply of this spell is parked: later ones wait with it */
    bool limited;     /* has not authenticated where it must: small requests only */
    struct outbox outbox;
    struct upload upload;
    struct buf piece; /* of the stream being sent */
    size_t piece_sent;

    uint64_t opened_ns;
    uint64_t took_ns;   /* when the peer last took bytes, or none were waiting */
    uint64_t active_ns; /* of the last input; a copy others may read is in shown */
    bool trimmed;

    /* While it runs: its next requests, those from ahead_next to ahead_end of *ahead. */
    struct ahead *ahead;
    uint16_t ahead_next;
    uint16_t ahead_end;

    char peer[ADDRESS_CHARS];
    char local[ADDRESS_CHARS];
    atomic_bool killed; /* by CLIENT KILL, from any thread */

    /* For CLIENT LIST. relaxed: each is a figure on its own. */
    struct {
        _Atomic uint64_t active_ns;
        _Atomic uint64_t input_bytes;
        _Atomic uint64_t input_memory;
        _Atomic uint64_t output_bytes;
        _Atomic uint64_t output_memory;
        atomic_int state;
    } shown;
};

/* Made by the thread that accepts; counts as a client until it is freed. Takes @fd over only on success. */
KVS_MUST_CHECK enum kvs_status session_new(struct reactor *reactor, int fd,
                                           const struct address *peer, const struct address *local,
                                           struct session **ret);

/* Begins to serve it. Thread: loop; also as the task session->adopt. */
void session_start(struct session *session);

/* Executes and sends what can be executed and sent now. */
void session_run(struct session *session);

/* Has session_run() called, with the input there now and that of other sessions looked at together. */
void session_run_fresh(struct reactor *reactor);

/* Output that was parked may leave: marks have moved. */
void session_release(struct session *session);

/* The store will never reach what this session's output waits for: sends what comes before, and closes. */
void session_give_up_parked(struct session *session);

/* Executes no more, and closes when what is under way and waiting has left. */
void session_finish(struct session *session);

/* Closes now. Its memory goes at the end of the turn, or when its job is done. */
void session_close(struct session *session);
void session_free(struct session *session);

/* Once a second: time-outs, and memory of idle connections. */
void session_tick(struct session *session, uint64_t now_ns);

/* ---- For the files of the session: session.c, session_output.c, upload.c, dispatch.c ---- */

/* Sends what may leave. Closes on failure. */
void session_flush(struct session *session);

/* Before closing in the middle of a spell: leaves the loop's shared memory empty for others. */
void session_drop_output(struct session *session);

/* Something of the session that waited goes on in the next turn, after others. */
void session_yield(struct session *session);

struct command_result;
/* After a command: fence, streams, statistics, and what the client's flags ask for. The reply begins at @at of @out. */
void session_replied(struct session *session, struct buf *out, size_t at, struct reply *reply,
                     const struct command_result *result, uint64_t took_ns);

/* A command took at least reactor->slow_ns: notes it where it belongs. */
struct command;
void session_note_slow(struct session *session, const struct command *command,
                       const struct request *request, uint64_t took_ns);

/* Appends what was deferred to @out. */
void session_append_deferred(struct session *session, struct buf *out);

/* The session whose client that is. */
static inline struct session *session_of_client(const struct client *client)
{
    return (struct session *)(uintptr_t)((const char *)client - offsetof(struct session, client));
}

/* Clients are no longer paused. */
void session_resume(struct session *session);

/* Readies @reply for an answer of @session's at the end of @out. */
void session_reply_begin(struct session *session, struct reply *reply, struct buf *out);

#endif
