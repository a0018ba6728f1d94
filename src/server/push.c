/*
 * push.c - appending to a session's output from outside of its requests.
 */
#include "server/push.h"

#include "base/check.h"
#include "server/session.h"
#include "server/state.h"

bool push_begin(struct push *push, struct session *session)
{
    if (session->state != SESSION_OPEN || session->cut)
        return false;
    /* While a job works for it, the answer is to come first. */
    struct buf *out = session->busy ? &session->deferred : session->outbox.active;
    if (out->failed != KVS_OK)
        return false;
    *push = (struct push){ .session = session, .at = out->len };
    push->reply = &push->own;
    session_reply_begin(session, push->reply, out);
    return true;
}

void push_end(struct push *push, uint64_t position)
{
    struct session *session = push->session;
    struct reactor *reactor = session->reactor;
    struct buf *out = push->reply->out;
    if (out == &session->deferred) {
        if (position > session->deferred_position)
            session->deferred_position = position;
        return; /* the job's end sees to the rest */
    }
    if (out->failed == KVS_OK && position > reactor_mark(reactor))
        outbox_fence(&session->outbox, outbox_off(&session->outbox, push->at), position,
                     reactor_waits_durable(reactor), false);
    session_yield(session); /* a failure closes it there */
}
