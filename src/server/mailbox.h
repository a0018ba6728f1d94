/*
 * mailbox.h - what other threads have for the sessions of one loop: messages, invalidations, lines of MONITOR.
 *
 * Order. Mail is delivered in the order in which it was put. Whoever needs one order over several loops puts into all their boxes under a
 * lock of its own; all boxes then hold it in that order.
 *
 * Back-pressure. A box knows how many bytes wait in it. Over the soft limit, a publisher that may wait does (mailbox_await), and one
 * that may not goes to a thread that may. What nobody can be made to wait for (a notification of a write that has happened) goes in up to
 * the hard limit. Beyond it mail is lost, and the loop closes the sessions that mail is for: they learn that they missed something.
 */
#ifndef SERVER_MAILBOX_H
#define SERVER_MAILBOX_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include <kvs/status.h>

#include "concurrent/mutex.h"
#include "net/loop.h"

struct reactor;

/* One piece. Embedded by what it carries; @deliver runs on the loop and frees it. */
struct mail {
    struct mail *next;
    size_t bytes; /* of memory, all of it */
    void (*deliver)(struct reactor *reactor, struct mail *mail);
    void (*drop)(struct mail *mail); /* instead of deliver, when there is no loop any more */
};

struct mailbox {
    struct reactor *reactor;
    struct mutex mu;
    struct cond room;
    struct mail *first GUARDED_BY(mu);
    struct mail *last GUARDED_BY(mu);
    bool lost GUARDED_BY(mu);
    bool posted GUARDED_BY(mu);
    _Atomic size_t bytes; /* changed under mu; relaxed reads: a measure of pressure */
    struct loop_task task;
};

void mailbox_init(struct mailbox *box, struct reactor *reactor);
void mailbox_done(struct mailbox *box); /* drops what is left */

/* Takes @mail over. False: it is full, @mail is still the caller's, and the listeners of the loop will be closed. Thread: any. */
KVS_MUST_CHECK bool mailbox_put(struct mailbox *box, struct mail *mail);

/* Something for this box could not even be made: as if it had been full. Thread: any. */
void mailbox_lose(struct mailbox *box);

/* Is there less in it than the soft limit? And: waits until there is, but not for ever. Thread: any; the second: one that may wait. */
bool mailbox_has_room(const struct mailbox *box);
void mailbox_await(struct mailbox *box);

/* Delivers what is there now. Thread: the loop. */
void mailbox_drain(struct mailbox *box);

#endif
