/*
 * session.c - a connection's life, and its requests.
 *
 * session_run() is the heart: decode and execute while there are whole requests and room for replies, then send once. Whatever
 * stopped it (input, a job, the disk, a slow reader) calls it again.
 */
#include "server/session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/fail.h"
#include "protocol/encode.h"
#include "server/ahead.h"
#include "server/dispatch.h"
#include "server/state.h"
#include "server/upload.h"

enum {
    ROUNDS_MAX = 4,       /* fillings of the output per turn, then others have theirs */
    UNAUTH_ARGS_MAX = 10, /* as in Redis */
    UNAUTH_BULK_MAX = 16384,
    LINGER_S = 2,
    TRIM_AFTER_S = 2,
};

#define SECOND_NS UINT64_C(1000000000)

/* ---- Beginning and end ---- */

static void input_arrived(struct conn *conn);
static void room_again(struct conn *conn);
static void connection_failed(struct conn *conn, int errnum);

static const struct conn_ops conn_handlers = { input_arrived, room_again, connection_failed };

static void adopt(struct loop_task *task)
{
    session_start(task->ctx);
}

enum kvs_status session_new(struct reactor *reactor, int fd, const struct address *peer,
                            const struct address *local, struct session **ret)
{
    struct server *server = reactor->server;
    struct session *session = calloc(1, sizeof *session);
    if (session == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "connection");
    /* relaxed: numbers need only differ */
    uint64_t id = atomic_fetch_add_explicit(&server->next_client_id, 1, memory_order_relaxed) + 1;
    enum kvs_status status = client_init(&session->client, server->spaces[0], id);
    if (status != KVS_OK) {
        free(session);
        return status;
    }
    session->reactor = reactor;
    session->conn.source.fd = fd;
    session->adopt = (struct loop_task){ .run = adopt, .ctx = session };
    list_init(&session->member);
    list_init(&session->parked);
    list_init(&session->ready);
    list_init(&session->listed);
    list_init(&session->paused);
    list_init(&session->monitoring);
    subscriber_init(&session->subscriber);
    buf_init(&session->deferred, config_output_limits(server->config, OUTPUT_PUBSUB).hard_bytes);
    outbox_init(&session->outbox, config_output_limits(server->config, OUTPUT_NORMAL).hard_bytes);
    buf_init(&session->piece, SIZE_MAX / 2);
    address_format(peer, session->peer);
    address_format(local, session->local);
    session->kind = PROTOCOL_UNKNOWN;
    session->encoder = protocol_encoder(PROTOCOL_RESP, 2);
    decoder_init(&session->decoder, PROTOCOL_UNKNOWN);
    session->opened_ns = clock_monotonic_ns(server->clock);
    /* relaxed: see struct server */
    atomic_fetch_add_explicit(&server->client_count, 1, memory_order_relaxed);
    *ret = session;
    return KVS_OK;
}

void session_start(struct session *session)
{
    struct reactor *reactor = session->reactor;
    struct server *server = reactor->server;
    int fd = session->conn.source.fd;
    size_t in_max = (size_t)config_number(server->config, SETTING_CLIENT_QUERY_BUFFER_LIMIT);
    enum kvs_status status = KVS_CLOSED;
    if (!reactor->stopping)
        status = conn_open(&session->conn, reactor->loop, fd, in_max, &conn_handlers);
    if (status != KVS_OK) {
        if (!reactor->stopping)
            trace_line(&server->trace, TRACE_WARN, "client %s: cannot be served: %s", session->peer,
                       kvs_error());
        (void)close(fd);
        session->conn.source.fd = -1;
        session->state = SESSION_CLOSED;
        session_free(session);
        return;
    }
    session->active_ns = session->took_ns = loop_now_ns(reactor->loop);
    /* relaxed: a figure */
    atomic_store_explicit(&session->shown.active_ns, session->active_ns, memory_order_relaxed);
    reactor_add(reactor, session);
    registry_add(&server->registry, session);
    counter_add(&reactor->stats.connections, 1);
    trace_line(&server->trace, TRACE_DEBUG, "client %llu %s: connected",
               (unsigned long long)session->client.id, session->peer);
}

/* Nobody shall send it anything more. Once more when it is freed: a job may have subscribed meanwhile. */
static void forget(struct session *session)
{
    /* relaxed: it was set on this thread or by a job that has come back */
    if (atomic_load_explicit(&session->client.special, memory_order_relaxed) == 0)
        return;
    broker_forget(&session->reactor->server->broker, session);
    monitors_remove(session);
    if (client_is(&session->client, CLIENT_TRACKS))
        keytrack_off(&session->reactor->server->keytrack, session->client.id);
}

void session_close(struct session *session)
{
    struct reactor *reactor = session->reactor;
    if (session->state == SESSION_CLOSED)
        return;
    session->state = SESSION_CLOSED;
    trace_line(&reactor->server->trace, TRACE_DEBUG, "client %llu %s: closed",
               (unsigned long long)session->client.id, session->peer);
    registry_remove(&reactor->server->registry, session);
    forget(session);
    conn_close(&session->conn);
    list_remove(&session->member);
    list_remove(&session->parked);
    list_remove(&session->ready);
    list_remove(&session->paused);
    reactor->session_count--;
    if (!session->busy)
        list_append(&reactor->dead, &session->member);
}

static void close_reader(void *ctx, struct kvs_reader *reader)
{
    kvs_reader_close(ctx, reader);
}

void session_free(struct session *session)
{
    struct server *server = session->reactor->server;
    CHECK(session->state == SESSION_CLOSED && !session->busy);
    forget(session);
    upload_drop(session);
    outbox_done(&session->outbox, close_reader, server->spaces[0]);
    buf_done(&session->piece);
    buf_done(&session->deferred);
    decoder_done(&session->decoder);
    client_done(&session->client, server->spaces[0]);
    conn_done(&session->conn);
    /* relaxed: see struct server */
    atomic_fetch_sub_explicit(&server->client_count, 1, memory_order_relaxed);
    free(session);
}

/* ---- Executing ---- */

enum step {
    STEP_AGAIN, /* something was done: look again */
    STEP_INPUT, /* nothing whole is there */
};

static bool may_execute(const struct session *session)
{
    return session->state == SESSION_OPEN && !session->busy && !session->postponed &&
           !outbox_has_streams(&session->outbox) &&
           outbox_pending(&session->outbox) < session->reactor->soft_bytes;
}

void session_reply_begin(struct session *session, struct reply *reply, struct buf *out)
{
    bool resp = session->kind == PROTOCOL_RESP || session->kind == PROTOCOL_UNKNOWN;
    reply->ops = session->encoder;
    reply->out = out;
    reply->stream_count = 0;
    reply->error_count = 0;
    reply->versions[0] = resp ? &reply_resp2 : NULL;
    reply->versions[1] = resp ? &reply_resp3 : NULL;
    reply->protocol = &session->decoder;
}

static void reply_text(struct session *session, struct buf *out, const char *text)
{
    struct reply *reply = &session->reactor->reply;
    session_reply_begin(session, reply, out);
    reply->ops->error(reply, bytes_str(text));
    counter_add(&session->reactor->stats.error_replies, 1);
    error_stats_note(&session->reactor->server->errors, bytes_str(text));
}

static void count_command(struct reactor *reactor, const struct command_result *result,
                          uint64_t errors, uint64_t took_ns)
{
    counter_add(&reactor->stats.commands, 1);
    if (result->command == NULL)
        return;
    struct command_stats *stats = &reactor->stats.by_command[result->command - reactor->commands];
    counter_add(&stats->calls, 1);
    counter_add(&stats->nsec, took_ns);
    if (errors != 0)
        counter_add(&stats->failed, 1);
}

static void note_errors(struct reactor *reactor, const struct buf *out, size_t at, uint64_t errors)
{
    counter_add(&reactor->stats.error_replies, errors);
    if (at < out->len && out->data[at] == '-')
        error_stats_note(&reactor->server->errors, bytes_of(out->data + at + 1, out->len - at - 1));
    else
        error_stats_note(&reactor->server->errors, BYTES("ERR"));
}

/* What the reply depends on may not be on disk yet: it, and all after it, then wait. */
static void fence_reply(struct session *session, size_t at, uint64_t position)
{
    struct reactor *reactor = session->reactor;
    if (!session->fence_joins) {
        if (position > reactor_mark(reactor))
            reactor_refresh_marks(reactor);
        if (position <= reactor_mark(reactor))
            return;
    }
    outbox_fence(&session->outbox, outbox_off(&session->outbox, at), position,
                 reactor_waits_durable(reactor), session->fence_joins);
    session->fence_joins = true;
    counter_add(&reactor->stats.parked, 1);
}

/* What was subscribed to may have come or gone: other limits hold then. */
static void set_output_class(struct session *session)
{
    session->listens = client_is(&session->client, CLIENT_SUBSCRIBED | CLIENT_MONITORS);
    session->outbox.own.max_bytes =
        config_output_limits(session->reactor->server->config,
                             session->listens ? OUTPUT_PUBSUB : OUTPUT_NORMAL)
            .hard_bytes;
    session->over_soft_ns = 0;
}

/* CLIENT REPLY: what was answered is taken back, and SKIP, asked for by this command, becomes due for the next. */
static void mute(struct client *client, struct buf *out, size_t at, struct reply *reply)
{
    if (client_is(client, CLIENT_REPLY_OFF | CLIENT_REPLY_SKIP)) {
        while (reply->stream_count !=
               0) /* a job's reply was written elsewhere and copied to @out */
            reply->reader_close(reply->reader_ctx, reply->streams[--reply->stream_count].reader);
        buf_truncate(out, at);
    }
    client_unmark(client, CLIENT_REPLY_SKIP);
    if (client_is(client, CLIENT_REPLY_SKIP_NEXT)) {
        client_unmark(client, CLIENT_REPLY_SKIP_NEXT);
        client_mark(client, CLIENT_REPLY_SKIP);
    }
}

void session_append_deferred(struct session *session, struct buf *out)
{
    struct buf *deferred = &session->deferred;
    if (deferred->failed != KVS_OK)
        out->failed = deferred->failed;
    if (deferred->len != 0) {
        size_t at = out->len;
        buf_append(out, deferred->data, deferred->len);
        if (session->deferred_position > reactor_mark(session->reactor))
            fence_reply(session, at, session->deferred_position);
    }
    session->deferred_position = 0;
    buf_done(deferred);
}

void session_replied(struct session *session, struct buf *out, size_t at, struct reply *reply,
                     const struct command_result *result, uint64_t took_ns)
{
    struct reactor *reactor = session->reactor;
    struct client *client = &session->client;
    count_command(reactor, result, reply->error_count, took_ns);
    if (unlikely(reply->error_count != 0))
        note_errors(reactor, out, at, reply->error_count);
    /* relaxed: the client's own commands change it, and this one is over */
    const unsigned special = atomic_load_explicit(&client->special, memory_order_relaxed);
    if (unlikely((special & CLIENT_MUTE) != 0))
        mute(client, out, at, reply);
    if (unlikely(reply->stream_count != 0)) {
        if (outbox_add_streams(&session->outbox, reply->streams, reply->stream_count) != KVS_OK) {
            for (size_t i = 0; i < reply->stream_count; i++)
                reply->reader_close(reply->reader_ctx, reply->streams[i].reader);
            out->failed = KVS_NO_MEMORY;
        }
        reply->stream_count = 0;
    }
    if (unlikely(client->no_reply)) {
        client->no_reply = false;
        buf_truncate(out, at);
    }
    if (unlikely((special & CLIENT_CACHING) != 0))
        command_over(client, result->command);
    if (result->position > reactor_mark(reactor) && out->len > at)
        fence_reply(session, at, result->position);
    session->encoder = reply->ops;
    client->reset =
        false; /* the session has no modes of its own: the client's were reset by the command */
    if (unlikely(((special & (CLIENT_SUBSCRIBED | CLIENT_MONITORS)) != 0) != session->listens))
        set_output_class(session);
    /* relaxed: CLIENT KILL by the client itself happened on this thread, or before its job's hand-over */
    if (unlikely(client->closing || atomic_load_explicit(&session->killed, memory_order_relaxed)))
        session->state = SESSION_ENDING;
}

static void set_limits(struct session *session)
{
    struct server *server = session->reactor->server;
    struct decoder *decoder = &session->decoder;
    bool limited =
        !session->client.authenticated && config_secret_is_set(server->config, SETTING_REQUIREPASS);
    struct decoder defaults;
    decoder_init(&defaults, session->kind);
    session->limited = limited;
    decoder->args_max = limited ? UNAUTH_ARGS_MAX : defaults.args_max;
    decoder->unauth_bulk_max = limited ? UNAUTH_BULK_MAX : 0;
    decoder_done(&defaults);
}

static enum step detect(struct session *session, struct kvs_bytes input)
{
    size_t skip = 0;
    enum protocol_kind kind = protocol_detect(input, &skip);
    conn_consume(&session->conn, skip);
    if (kind == PROTOCOL_UNKNOWN)
        return STEP_INPUT;
    session->kind = kind;
    decoder_done(&session->decoder);
    decoder_init(&session->decoder, kind);
    session->decoder.stream_min = KVS_INLINE_MAX;
    session->encoder = protocol_encoder(kind, 2);
    set_limits(session);
    return STEP_AGAIN;
}

/* @request lies in memory of the reactor's: decodes it again, into the session's own, and hands it to the pool. */
static enum kvs_status dispatch_ahead(struct session *session, size_t used)
{
    struct request own;
    struct decode_stream stream;
    size_t own_used = 0;
    enum decode_result result =
        decoder_next(&session->decoder, conn_input(&session->conn), &own, &own_used, &stream);
    if (result != DECODE_REQUEST) /* for want of memory: it is a request */
        return fail(KVS_NO_MEMORY, ENOMEM, "arguments of a request");
    CHECK(own_used == used);
    return dispatch_command(session, &own, used);
}

void session_note_slow(struct session *session, const struct command *command,
                       const struct request *request, uint64_t took_ns)
{
    struct server *server = session->reactor->server;
    int64_t us = config_number(server->config, SETTING_SLOWLOG_LOG_SLOWER_THAN);
    bool skips = (command->flags & COMMAND_SKIP_SLOWLOG) != 0 && strcmp(command->name, "EXEC") != 0;
    if (us >= 0 && took_ns / 1000 >= (uint64_t)us && !skips)
        slowlog_note(server, session, command, request, took_ns);
}

/* The request stays where it is, and is decoded again when clients are no longer paused. */
static void postpone(struct session *session)
{
    session->postponed = true;
    list_append(&session->reactor->paused, &session->paused);
    reactor_await_resume(session->reactor);
}

void session_resume(struct session *session)
{
    list_remove(&session->paused);
    session->postponed = false;
    session_run(session);
}

static void run_request(struct session *session, struct request *request, size_t used,
                        struct buf *out)
{
    struct reactor *reactor = session->reactor;
    struct reply *reply = &reactor->reply;
    struct command_result result = { 0 };
    size_t at = out->len;
    enum kvs_status status;

    session_reply_begin(session, reply, out);
    if (unlikely(!upload_attach(session, request, &status))) {
        reply_failure(reply, status);
    } else {
        status = command_run(&reactor->env, &session->client, request, reply, false, &result);
        if (unlikely(status == KVS_WOULD_BLOCK && result.postponed)) {
            postpone(session);
            return;
        }
        if (status == KVS_WOULD_BLOCK) {
            status = session->ahead != NULL ? dispatch_ahead(session, used)
                                            : dispatch_command(session, request, used);
            if (status == KVS_OK)
                return;
        }
        if (unlikely(status != KVS_OK))
            reply_failure(reply, status);
    }
    uint64_t now_ns = loop_clock_ns(reactor->loop);
    if (unlikely(now_ns - reactor->command_ns >= reactor->slow_ns) && result.command != NULL)
        session_note_slow(session, result.command, request, now_ns - reactor->command_ns);
    upload_over(session, request);
    conn_consume(&session->conn, used);
    session_replied(session, out, at, reply, &result, now_ns - reactor->command_ns);
    reactor->command_ns = now_ns;
    if (unlikely(session->limited))
        set_limits(session);
    if (unlikely(session->listens)) /* what it told itself comes right behind the answer */
        mailbox_drain(&reactor->mailbox);
}

/* Runs the next of the requests that were cut out already. False: there is none. */
static bool step_ahead(struct session *session, struct buf *out)
{
    if (session->ahead_next == session->ahead_end) {
        struct ahead *more = &session->reactor->more;
        session->ahead = NULL;
        ahead_clear(more);
        if (!ahead_fill(more, session))
            return false;
        ahead_prefetch(more);
    }
    unsigned next = session->ahead_next++;
    run_request(session, &session->ahead->requests[next], session->ahead->used[next], out);
    return true;
}

static void forget_ahead(struct session *session)
{
    session->ahead = NULL;
    session->ahead_next = session->ahead_end = 0;
}

static enum step step(struct session *session, struct buf *out)
{
    if (likely(step_ahead(session, out)))
        return STEP_AGAIN;
    struct kvs_bytes input = conn_input(&session->conn);
    if (input.len == 0)
        return STEP_INPUT;
    if (unlikely(upload_under_way(session)))
        return upload_feed(session) ? STEP_AGAIN : STEP_INPUT;
    if (unlikely(session->kind == PROTOCOL_UNKNOWN))
        return detect(session, input);

    struct request request = { 0 };
    struct decode_stream stream = { 0 };
    size_t used = 0;
    switch (decoder_next(&session->decoder, input, &request, &used, &stream)) {
    case DECODE_REQUEST:
        run_request(session, &request, used, out);
        return STEP_AGAIN;
    case DECODE_MORE:
        return STEP_INPUT;
    case DECODE_EMPTY:
        conn_consume(&session->conn, used);
        return STEP_AGAIN;
    case DECODE_STREAM:
        if (upload_begin(session, &request, &stream) != KVS_OK)
            out->failed = KVS_NO_MEMORY;
        return STEP_AGAIN;
    case DECODE_REFUSED:
        conn_consume(&session->conn, used);
        reply_text(session, out, decode_error(&session->decoder));
        return STEP_AGAIN;
    case DECODE_ERROR:
        counter_add(&session->reactor->stats.protocol_errors, 1);
        reply_text(session, out, decode_error(&session->decoder));
        session->state = SESSION_ENDING;
        return STEP_AGAIN;
    case DECODE_CLOSE:
        trace_line(&session->reactor->server->trace, TRACE_WARN,
                   "client %s: closed: a line began with POST or Host:, as a browser tricked into "
                   "attacking this port would send",
                   session->peer);
        session->state = SESSION_ENDING;
        return STEP_AGAIN;
    }
    return STEP_INPUT;
}

/* ---- After a spell of executing and sending ---- */

static void close_over_limit(struct session *session, const char *what, struct counter *counter)
{
    counter_add(counter, 1);
    trace_line(&session->reactor->server->trace, TRACE_WARN, "client %llu %s: closed: %s",
               (unsigned long long)session->client.id, session->peer, what);
    session_close(session);
}

static void show(struct session *session)
{
    /* relaxed, all of them: figures */
    struct kvs_bytes input = conn_input(&session->conn);
    atomic_store_explicit(&session->shown.active_ns, session->active_ns, memory_order_relaxed);
    atomic_store_explicit(&session->shown.input_bytes, input.len, memory_order_relaxed);
    atomic_store_explicit(&session->shown.input_memory, conn_memory(&session->conn),
                          memory_order_relaxed);
    atomic_store_explicit(&session->shown.output_bytes, outbox_pending(&session->outbox),
                          memory_order_relaxed);
    atomic_store_explicit(&session->shown.output_memory,
                          session->outbox.own.capacity + session->piece.capacity,
                          memory_order_relaxed);
    atomic_store_explicit(&session->shown.state, (int)session->state, memory_order_relaxed);
}

static bool has_output(const struct session *session)
{
    return outbox_pending(&session->outbox) != 0 || outbox_has_streams(&session->outbox);
}

/* Decides what happens next: read on, wait, end. */
static void settle(struct session *session)
{
    struct reactor *reactor = session->reactor;
    bool executes = may_execute(session);
    if (executes && conn_input_full(&session->conn)) {
        close_over_limit(session, "a request over client-query-buffer-limit",
                         &reactor->stats.query_limit);
        return;
    }
    /* Whatever is whole has been executed; what is left will never be. */
    if (session->conn.at_end && executes && list_empty(&session->ready))
        session->state = SESSION_ENDING;
    if (session->state == SESSION_ENDING && !session->busy && !has_output(session)) {
        if (session->conn.at_end) {
            session_close(session);
            return;
        }
        conn_end_output(&session->conn);
        session->state = SESSION_LINGERING;
        session->took_ns = loop_now_ns(reactor->loop);
    }
    if (session->state == SESSION_LINGERING) {
        conn_consume(&session->conn, conn_input(&session->conn).len);
        conn_resume(&session->conn);
    } else if (executes) {
        conn_resume(&session->conn);
    } else {
        conn_pause(&session->conn);
    }
    if (outbox_fenced(&session->outbox))
        reactor_park(reactor, session);
    else
        list_remove(&session->parked);
    show(session);
}

static void run_spell(struct session *session)
{
    struct reactor *reactor = session->reactor;
    list_remove(&session->ready);
    if (unlikely(session->outbox.own.failed != KVS_OK)) { /* by what was pushed to it */
        close_over_limit(session, "messages over client-output-buffer-limit",
                         &reactor->stats.output_limit);
        return;
    }
    /* relaxed: the sweep that follows CLIENT KILL left it to its job. pairs with: registry_kill */
    if (session->state == SESSION_OPEN &&
        atomic_load_explicit(&session->killed, memory_order_relaxed)) {
        session_close(session);
        return;
    }
    for (unsigned round = 0;; round++) {
        struct buf *out = outbox_begin(&session->outbox, &reactor->out);
        enum step last = STEP_AGAIN;
        session->fence_joins = false;
        reactor->env.now_ms = clock_wall_ms(reactor->server->clock);
        reactor->command_ns = loop_clock_ns(reactor->loop);
        while (last == STEP_AGAIN && out->failed == KVS_OK && may_execute(session))
            last = step(session, out);
        if (unlikely(out->failed != KVS_OK)) {
            session_drop_output(session);
            close_over_limit(session, "replies over client-output-buffer-limit",
                             &reactor->stats.output_limit);
            return;
        }
        session_flush(session);
        if (session->state != SESSION_CLOSED && outbox_end(&session->outbox) != KVS_OK)
            close_over_limit(session, "out of memory for its replies",
                             &reactor->stats.output_limit);
        if (session->state == SESSION_CLOSED)
            return;
        if (last == STEP_INPUT || !may_execute(session))
            break;
        if (round + 1 == ROUNDS_MAX) {
            session_yield(session);
            break;
        }
    }
    settle(session);
}

void session_run(struct session *session)
{
    run_spell(session);
    forget_ahead(session);
}

void session_run_fresh(struct reactor *reactor)
{
    struct ahead *ahead = &reactor->ahead;
    struct list_node group;
    list_init(&group);
    while (!list_empty(&reactor->fresh)) {
        ahead_clear(ahead);
        while (!list_empty(&reactor->fresh) && !ahead_full(ahead)) {
            struct session *session = list_member(reactor->fresh.next, struct session, ready);
            list_remove(&session->ready);
            list_append(&group, &session->ready);
            if (may_execute(session))
                (void)ahead_fill(ahead, session);
        }
        ahead_prefetch(ahead);
        while (!list_empty(&group)) {
            struct session *session = list_member(group.next, struct session, ready);
            session_run(session); /* takes itself out */
            conn_settle(&session->conn);
        }
    }
}

void session_yield(struct session *session)
{
    if (list_empty(&session->ready))
        list_append(&session->reactor->ready, &session->ready);
}

void session_finish(struct session *session)
{
    if (session->state == SESSION_LINGERING) {
        session_close(session);
        return;
    }
    if (session->state == SESSION_OPEN)
        session->state = SESSION_ENDING;
    session_run(session);
}

/* ---- What the connection tells ---- */

static void input_arrived(struct conn *conn)
{
    struct session *session = (struct session *)conn;
    struct reactor *reactor = session->reactor;
    size_t now = conn_input(conn).len;
    session->active_ns = loop_now_ns(reactor->loop);
    session->trimmed = false;
    counter_add(&reactor->stats.bytes_in, conn->read_bytes);
    if (session->state == SESSION_LINGERING) {
        conn_consume(conn, now);
        if (conn->at_end)
            session_close(session);
        return;
    }
    conn_defer(conn);
    list_remove(&session->ready);
    list_append(&reactor->fresh, &session->ready);
}

static void room_again(struct conn *conn)
{
    struct session *session = (struct session *)conn;
    session_run(session);
}

static void connection_failed(struct conn *conn, int errnum)
{
    struct session *session = (struct session *)conn;
    if (errnum == ENOBUFS)
        close_over_limit(session, "a request over client-query-buffer-limit",
                         &session->reactor->stats.query_limit);
    else
        session_close(session);
}

/* ---- Time ---- */

/* A subscriber that reads, but not as fast as messages come. */
static bool over_soft_too_long(struct session *session, uint64_t now_ns)
{
    struct output_limits limits =
        config_output_limits(session->reactor->server->config, OUTPUT_PUBSUB);
    if (limits.soft_s == 0 || outbox_pending(&session->outbox) < limits.soft_bytes) {
        session->over_soft_ns = 0;
        return false;
    }
    if (session->over_soft_ns == 0)
        session->over_soft_ns = now_ns;
    return (now_ns - session->over_soft_ns) / SECOND_NS >= limits.soft_s;
}

void session_tick(struct session *session, uint64_t now_ns)
{
    struct reactor *reactor = session->reactor;
    struct config *config = reactor->server->config;
    uint64_t idle_s = (now_ns - session->active_ns) / SECOND_NS;
    uint64_t timeout_s = (uint64_t)config_number(config, SETTING_TIMEOUT);
    uint64_t stalled_s = (now_ns - session->took_ns) / SECOND_NS;
    uint64_t soft_s = config_output_limits(config, OUTPUT_NORMAL).soft_s;

    if (session->state == SESSION_LINGERING) {
        if (stalled_s >= LINGER_S)
            session_close(session);
        return;
    }
    if (session->conn.send_blocked && soft_s != 0 && stalled_s >= soft_s &&
        (outbox_pending(&session->outbox) >= reactor->soft_bytes ||
         session->state == SESSION_ENDING || outbox_has_streams(&session->outbox))) {
        close_over_limit(session, "it has not read its replies (client-output-buffer-limit)",
                         &reactor->stats.output_limit);
        return;
    }
    if (session->listens && over_soft_too_long(session, now_ns)) {
        close_over_limit(session,
                         "its messages stayed over the soft limit for too long "
                         "(client-output-buffer-limit)",
                         &reactor->stats.output_limit);
        return;
    }
    if (timeout_s != 0 && idle_s >= timeout_s && !session->busy && !has_output(session) &&
        !session->listens) {
        counter_add(&reactor->stats.idle_closed, 1);
        session_close(session);
        return;
    }
    if (!session->trimmed && idle_s >= TRIM_AFTER_S && !session->busy) {
        conn_trim(&session->conn);
        outbox_trim(&session->outbox);
        if (!outbox_has_streams(&session->outbox))
            buf_done(&session->piece);
        session->trimmed = true;
        show(session);
    }
}
