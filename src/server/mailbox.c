/*
 * mailbox.c - putting mail in, and delivering it.
 *
 * The loop takes a bounded number of pieces per turn and posts itself again for the rest, so that connections are served in between.
 * Only the task itself says that it is no longer posted: mailbox_drain() is also called while it waits to run.
 */
#include "server/mailbox.h"

#include "server/reactor.h"

enum {
    SOFT_BYTES = 8 * 1024 * 1024,
    HARD_BYTES = 256 * 1024 * 1024,
    PIECES_PER_TURN = 512,
    AWAIT_MS = 2000
};

static void deliver_task(struct loop_task *task)
{
    struct mailbox *box = task->ctx;
    mutex_lock(&box->mu);
    box->posted = false;
    mutex_unlock(&box->mu);
    mailbox_drain(box);
}

void mailbox_init(struct mailbox *box, struct reactor *reactor)
{
    *box = (struct mailbox){ .reactor = reactor };
    mutex_init(&box->mu);
    cond_init(&box->room);
    box->task = (struct loop_task){ .run = deliver_task, .ctx = box };
}

void mailbox_done(struct mailbox *box)
{
    while (box->first != NULL) {
        struct mail *mail = box->first;
        box->first = mail->next;
        mail->drop(mail);
    }
    cond_done(&box->room);
    mutex_done(&box->mu);
}

/* Posts the loop's task unless it is under way. */
static void post(struct mailbox *box) REQUIRES(&box->mu)
{
    if (box->posted)
        return;
    box->posted = true;
    loop_post(box->reactor->loop, &box->task);
}

void mailbox_lose(struct mailbox *box)
{
    mutex_lock(&box->mu);
    box->lost = true;
    post(box);
    mutex_unlock(&box->mu);
}

bool mailbox_put(struct mailbox *box, struct mail *mail)
{
    mail->next = NULL;
    mutex_lock(&box->mu);
    /* relaxed: changed under mu only */
    size_t bytes = atomic_load_explicit(&box->bytes, memory_order_relaxed);
    bool fits = bytes + mail->bytes <= HARD_BYTES;
    if (fits) {
        if (box->first == NULL)
            box->first = mail;
        else
            box->last->next = mail;
        box->last = mail;
        /* relaxed: see above */
        atomic_store_explicit(&box->bytes, bytes + mail->bytes, memory_order_relaxed);
    } else {
        box->lost = true;
    }
    post(box);
    mutex_unlock(&box->mu);
    return fits;
}

bool mailbox_has_room(const struct mailbox *box)
{
    /* relaxed: a measure of pressure */
    return atomic_load_explicit(&box->bytes, memory_order_relaxed) < SOFT_BYTES;
}

void mailbox_await(struct mailbox *box)
{
    mutex_lock(&box->mu);
    while (!mailbox_has_room(box)) {
        if (!cond_wait_ms(&box->room, &box->mu, AWAIT_MS))
            break;
    }
    mutex_unlock(&box->mu);
}

/* The next piece; NULL: none. */
static struct mail *take(struct mailbox *box, bool *ret_lost)
{
    mutex_lock(&box->mu);
    struct mail *mail = box->first;
    *ret_lost = box->lost;
    box->lost = false;
    if (mail != NULL) {
        box->first = mail->next;
        /* relaxed: changed under mu only */
        size_t left = atomic_load_explicit(&box->bytes, memory_order_relaxed) - mail->bytes;
        atomic_store_explicit(&box->bytes, left, memory_order_relaxed);
        if (left < SOFT_BYTES && left + mail->bytes >= SOFT_BYTES)
            cond_broadcast(&box->room);
    }
    mutex_unlock(&box->mu);
    return mail;
}

void mailbox_drain(struct mailbox *box)
{
    struct reactor *reactor = box->reactor;
    bool lost = false;
    for (int i = 0; i < PIECES_PER_TURN; i++) {
        bool lost_now;
        struct mail *mail = take(box, &lost_now);
        lost |= lost_now;
        if (mail == NULL) {
            if (lost)
                reactor_close_listeners(reactor);
            return;
        }
        mail->deliver(reactor, mail);
    }
    if (lost)
        reactor_close_listeners(reactor);
    mutex_lock(&box->mu);
    post(box);
    mutex_unlock(&box->mu);
}
