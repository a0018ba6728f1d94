/*
 * push.h - bytes for a session that are no answer: messages, invalidations, lines of MONITOR. They go behind all replies it has got so
 * far, and leave in the loop's next spell of sending. Thread: the session's loop.
 */
#ifndef SERVER_PUSH_H
#define SERVER_PUSH_H

#include <stdbool.h>
#include <stdint.h>

#include "command/reply.h"

struct session;

struct push {
    struct session *session;
    struct reply *reply; /* to write with */
    struct reply own;
    size_t at;
};

/* False: the session takes nothing more. */
bool push_begin(struct push *push, struct session *session);

/* @position: the push leaves when it is durable, as a reply that depends on it. */
void push_end(struct push *push, uint64_t position);

#endif
