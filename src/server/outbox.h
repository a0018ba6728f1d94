/*
 * outbox.h - what a session has still to send: bytes, large values that are read as they are sent, and fences.
 *
 * A fence says: nothing from this byte on leaves before the store has passed that position. Replies leave in
 * order, so only the first unsatisfied fence counts, and a fence may always be replaced by an earlier or a stricter one. That is why a few
 * are enough: when all are in use, the last one becomes stricter, which delays a little and never shows anything too early.
 *
 * Offsets are absolute: bytes since the connection began, not counting those of streamed values.
 * Thread: the session's loop.
 */
#ifndef SERVER_OUTBOX_H
#define SERVER_OUTBOX_H

#include <stdbool.h>
#include <stdint.h>

#include <kvs/kvs.h>

#include "base/buf.h"
#include "command/reply.h"

enum {
    OUTBOX_FENCES = 4
};

struct fence {
    uint64_t off;      /* the first byte that has to wait */
    uint64_t position; /* … until this is passed … */
    bool durable;      /* … by the durable mark; else by the written one */
};

struct outbox_stream {
    uint64_t off; /* the bytes before it */
    struct kvs_reader *reader;
    uint64_t value_off; /* the next byte to send … */
    uint64_t left;      /* … and how many from there */
};

struct outbox {
    struct buf own; /* bytes that had to stay */
    struct buf *
        active; /* where bytes are now: own, or memory shared by a loop's sessions, see outbox_begin() */
    size_t start;       /* of active: the first byte not sent */
    uint64_t start_off; /* its offset */
    struct fence fences[OUTBOX_FENCES];
    unsigned fence_count;
    struct outbox_stream *streams;
    size_t stream_count;
    size_t stream_next; /* those before it have been sent */
};

void outbox_init(struct outbox *outbox, size_t max_bytes);

/* Closes what readers are left, through @close. */
void outbox_done(struct outbox *outbox, void (*close)(void *ctx, struct kvs_reader *reader),
                 void *ctx);

/*
 * Begins a spell of appending and sending: returns the buffer to append to. It is @shared (empty, with the session's limit set) when
 * nothing is waiting, so that a session whose replies leave at once needs no memory; outbox_end() moves what has not left to the outbox's
 * own buffer and empties @shared. KVS_NO_MEMORY: bytes were lost, close the connection.
 */
struct buf *outbox_begin(struct outbox *outbox, struct buf *shared);
KVS_MUST_CHECK enum kvs_status outbox_end(struct outbox *outbox);

/* Bytes waiting, those of streams not counted. */
size_t outbox_pending(const struct outbox *outbox);

/* The offset of the byte at @index of the active buffer. */
uint64_t outbox_off(const struct outbox *outbox, size_t index);

/* Everything from @off on waits for @position. @join: the fence added last may be moved up instead of adding one. */
void outbox_fence(struct outbox *outbox, uint64_t off, uint64_t position, bool durable, bool join);

/* Drops the fences that @marks have passed; true if there was one. */
bool outbox_release(struct outbox *outbox, const struct kvs_marks *marks);

static inline bool outbox_fenced(const struct outbox *outbox)
{
    return outbox->fence_count != 0;
}

/* The highest position a fence is waiting for, 0: none. */
uint64_t outbox_waits_for(const struct outbox *outbox);

/* Forgets everything from the first fence on; true if there was something. */
bool outbox_cut_at_fence(struct outbox *outbox, void (*close)(void *ctx, struct kvs_reader *reader),
                         void *ctx);

/* Takes over the streams of a reply in the active buffer. KVS_NO_MEMORY: they are still the reply's. */
KVS_MUST_CHECK enum kvs_status outbox_add_streams(struct outbox *outbox,
                                                  const struct reply_stream *streams, size_t count);

static inline bool outbox_has_streams(const struct outbox *outbox)
{
    return outbox->stream_next < outbox->stream_count;
}

/* The next bytes that may leave, up to a fence or a stream; empty: none. And that many of them have left. */
struct kvs_bytes outbox_sendable(const struct outbox *outbox);
void outbox_sent(struct outbox *outbox, size_t len);

/* The stream whose turn it is, NULL: none. When left is 0, outbox_stream_over() drops it; its reader is the caller's again. */
struct outbox_stream *outbox_stream_due(struct outbox *outbox);
struct kvs_reader *outbox_stream_over(struct outbox *outbox);

/* Gives memory back that is not needed now. */
void outbox_trim(struct outbox *outbox);

#endif
