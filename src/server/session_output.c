/*
 * session_output.c - what leaves a session: bytes, streamed values piece by piece, and what was parked.
 */
#include "base/check.h"
#include "base/fail.h"
#include "server/dispatch.h"
#include "server/session.h"
#include "server/state.h"

enum {
    PIECE_BYTES = 256 * 1024,
    STREAM_BYTES_PER_TURN = 1024 * 1024,
};

static void close_reader(void *ctx, struct kvs_reader *reader)
{
    kvs_reader_close(ctx, reader);
}

/* Sends @bytes; *ret_sent < bytes.len means that the socket is full. False: the connection is closed. */
static bool send_bytes(struct session *session, struct kvs_bytes bytes, size_t *ret_sent)
{
    struct reactor *reactor = session->reactor;
    bool was_blocked = session->conn.send_blocked;
    if (conn_send(&session->conn, bytes, ret_sent) != KVS_OK) {
        session_drop_output(session);
        session_close(session);
        return false;
    }
    if (*ret_sent != 0 || !was_blocked)
        session->took_ns = loop_now_ns(reactor->loop);
    counter_add(&reactor->stats.bytes_out, *ret_sent);
    return true;
}

/* Gets the next piece of @stream into session->piece. False: it comes later, or the session was closed. */
static bool next_piece(struct session *session, struct outbox_stream *stream)
{
    struct server *server = session->reactor->server;
    struct buf *piece = &session->piece;
    size_t len = stream->left < PIECE_BYTES ? (size_t)stream->left : PIECE_BYTES;
    buf_truncate(piece, 0);
    session->piece_sent = 0;
    enum kvs_status status = buf_reserve(piece, len);
    if (status == KVS_OK)
        status = kvs_reader_read(server->spaces[0], stream->reader, true, stream->value_off,
                                 piece->data, len);
    if (status == KVS_OK) {
        piece->len = len;
        return true;
    }
    if (status == KVS_WOULD_BLOCK) {
        status = dispatch_read(session, len);
        if (status == KVS_OK)
            return false;
    }
    /* The reply's header is out: there is no way left to say it but to close. */
    trace_line(&server->trace, TRACE_ERROR, "client %llu %s: sending a value failed, closing: %s",
               (unsigned long long)session->client.id, session->peer, kvs_error());
    session_drop_output(session);
    session_close(session);
    return false;
}

/* Sends of the stream whose turn it is. True: it has gone whole. */
static bool send_stream(struct session *session, struct outbox_stream *stream, size_t *budget)
{
    struct buf *piece = &session->piece;
    while (stream->left != 0) {
        if (session->busy)
            return false;
        if (session->piece_sent == piece->len && !next_piece(session, stream))
            return false;
        struct kvs_bytes rest = { piece->data + session->piece_sent,
                                  piece->len - session->piece_sent };
        size_t sent;
        if (!send_bytes(session, rest, &sent))
            return false;
        session->piece_sent += sent;
        stream->value_off += sent;
        stream->left -= sent;
        counter_add(&session->reactor->stats.streamed_out, sent);
        if (sent < rest.len)
            return false;
        *budget = sent < *budget ? *budget - sent : 0;
        if (*budget == 0 && stream->left != 0) {
            session_yield(session);
            return false;
        }
    }
    close_reader(session->reactor->server->spaces[0], outbox_stream_over(&session->outbox));
    buf_truncate(piece, 0);
    session->piece_sent = 0;
    if (!outbox_has_streams(&session->outbox))
        buf_done(piece);
    return true;
}

void session_flush(struct session *session)
{
    size_t budget = STREAM_BYTES_PER_TURN;
    for (;;) {
        struct kvs_bytes bytes = outbox_sendable(&session->outbox);
        if (bytes.len != 0) {
            size_t sent;
            if (!send_bytes(session, bytes, &sent))
                return;
            outbox_sent(&session->outbox, sent);
            if (sent < bytes.len)
                return;
            continue;
        }
        struct outbox_stream *stream = outbox_stream_due(&session->outbox);
        if (stream == NULL || !send_stream(session, stream, &budget))
            return;
    }
}

void session_drop_output(struct session *session)
{
    /* the memory shared by the loop must be empty for the next session */
    struct buf *active = session->outbox.active;
    if (active != &session->outbox.own) {
        session->outbox.active = &session->outbox.own;
        session->outbox.start = 0;
        buf_truncate(active, 0);
    }
}

void session_release(struct session *session)
{
    if (outbox_release(&session->outbox, &session->reactor->marks))
        session_run(session);
}

void session_give_up_parked(struct session *session)
{
    struct server *server = session->reactor->server;
    if (!outbox_cut_at_fence(&session->outbox, close_reader, server->spaces[0]))
        return;
    trace_line(&server->trace, TRACE_ERROR,
               "client %llu %s: closed: what it waits for can no longer become durable: %s",
               (unsigned long long)session->client.id, session->peer, kvs_error());
    session->cut = true;
    if (session->state == SESSION_OPEN)
        session->state = SESSION_ENDING;
    session_run(session);
}
