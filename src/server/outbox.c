/*
 * outbox.c - the order in which bytes and streams leave, and what holds them back.
 *
 * Invariant: fences have rising offsets and rising positions; streams have rising offsets, none before start_off. A fence stands at
 *            the first byte of a reply, and a reply's first byte is never part of a stream, so no stream begins at a fence.
 */
#include "server/outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/fail.h"

void outbox_init(struct outbox *outbox, size_t max_bytes)
{
    *outbox = (struct outbox){ 0 };
    buf_init(&outbox->own, max_bytes);
    outbox->active = &outbox->own;
}

static void close_streams(struct outbox *outbox,
                          void (*close)(void *ctx, struct kvs_reader *reader), void *ctx)
{
    for (size_t i = outbox->stream_next; i < outbox->stream_count; i++)
        close(ctx, outbox->streams[i].reader);
    free(outbox->streams);
    outbox->streams = NULL;
    outbox->stream_count = outbox->stream_next = 0;
}

void outbox_done(struct outbox *outbox, void (*close)(void *ctx, struct kvs_reader *reader),
                 void *ctx)
{
    close_streams(outbox, close, ctx);
    buf_done(&outbox->own);
    outbox->active = &outbox->own;
    outbox->start = 0;
    outbox->fence_count = 0;
}

struct buf *outbox_begin(struct outbox *outbox, struct buf *shared)
{
    if (outbox->active == &outbox->own && outbox->own.len == 0) {
        ASSERT(outbox->start == 0 && shared->len == 0);
        shared->max_bytes =
            outbox->own.max_bytes > shared->capacity ? outbox->own.max_bytes : shared->capacity;
        outbox->active = shared;
    }
    return outbox->active;
}

enum kvs_status outbox_end(struct outbox *outbox)
{
    struct buf *shared = outbox->active;
    if (shared == &outbox->own)
        return KVS_OK;
    outbox->active = &outbox->own;
    size_t left = shared->len - outbox->start;
    if (left != 0)
        buf_append(&outbox->own, shared->data + outbox->start, left);
    outbox->start = 0;
    buf_truncate(shared, 0);
    return outbox->own.failed;
}

size_t outbox_pending(const struct outbox *outbox)
{
    return outbox->active->len - outbox->start;
}

uint64_t outbox_off(const struct outbox *outbox, size_t index)
{
    return outbox->start_off + (index - outbox->start);
}

void outbox_fence(struct outbox *outbox, uint64_t off, uint64_t position, bool durable, bool join)
{
    struct fence *last = outbox->fence_count != 0 ? &outbox->fences[outbox->fence_count - 1] : NULL;
    if (last != NULL && last->position >= position && (last->durable || !durable))
        return; /* held back long enough already */
    if (last != NULL && (join || outbox->fence_count == OUTBOX_FENCES)) {
        if (position > last->position)
            last->position = position;
        last->durable |= durable;
        return;
    }
    outbox->fences[outbox->fence_count++] =
        (struct fence){ .off = off, .position = position, .durable = durable };
}

bool outbox_release(struct outbox *outbox, const struct kvs_marks *marks)
{
    unsigned passed = 0;
    while (passed < outbox->fence_count) {
        const struct fence *fence = &outbox->fences[passed];
        if (fence->position > (fence->durable ? marks->durable : marks->written))
            break;
        passed++;
    }
    if (passed == 0)
        return false;
    outbox->fence_count -= passed;
    memmove(outbox->fences, outbox->fences + passed, outbox->fence_count * sizeof *outbox->fences);
    return true;
}

uint64_t outbox_waits_for(const struct outbox *outbox)
{
    uint64_t position = 0;
    for (unsigned i = 0; i < outbox->fence_count; i++) {
        if (outbox->fences[i].position > position)
            position = outbox->fences[i].position;
    }
    return position;
}

bool outbox_cut_at_fence(struct outbox *outbox, void (*close)(void *ctx, struct kvs_reader *reader),
                         void *ctx)
{
    if (outbox->fence_count == 0)
        return false;
    uint64_t off = outbox->fences[0].off;
    size_t keep = outbox->stream_next;
    while (keep < outbox->stream_count && outbox->streams[keep].off < off)
        keep++;
    for (size_t i = keep; i < outbox->stream_count; i++)
        close(ctx, outbox->streams[i].reader);
    outbox->stream_count = keep;
    buf_truncate(outbox->active, outbox->start + (size_t)(off - outbox->start_off));
    outbox->fence_count = 0;
    return true;
}

enum kvs_status outbox_add_streams(struct outbox *outbox, const struct reply_stream *streams,
                                   size_t count)
{
    if (count == 0)
        return KVS_OK;
    if (outbox->stream_next == outbox->stream_count)
        outbox->stream_next = outbox->stream_count = 0;
    struct outbox_stream *more =
        reallocarray(outbox->streams, outbox->stream_count + count, sizeof *more);
    if (more == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "%zu streamed values", count);
    outbox->streams = more;
    for (size_t i = 0; i < count; i++) {
        more[outbox->stream_count++] = (struct outbox_stream){
            .off = outbox_off(outbox, streams[i].out_off),
            .reader = streams[i].reader,
            .value_off = streams[i].value_off,
            .left = streams[i].value_bytes,
        };
    }
    return KVS_OK;
}

struct kvs_bytes outbox_sendable(const struct outbox *outbox)
{
    uint64_t end = outbox_off(outbox, outbox->active->len);
    if (outbox->fence_count != 0 && outbox->fences[0].off < end)
        end = outbox->fences[0].off;
    if (outbox_has_streams(outbox) && outbox->streams[outbox->stream_next].off < end)
        end = outbox->streams[outbox->stream_next].off;
    if (end == outbox->start_off)
        return (struct kvs_bytes){ NULL, 0 };
    return (struct kvs_bytes){ outbox->active->data + outbox->start,
                               (size_t)(end - outbox->start_off) };
}

void outbox_sent(struct outbox *outbox, size_t len)
{
    CHECK(len <= outbox_pending(outbox));
    outbox->start += len;
    outbox->start_off += len;
    if (outbox->start == outbox->active->len) {
        buf_truncate(outbox->active, 0);
        outbox->start = 0;
    } else if (outbox->start > outbox->active->len / 2) {
        buf_consume(outbox->active,
                    outbox->start); /* amortised: at least as many bytes have left as are moved */
        outbox->start = 0;
    }
}

struct outbox_stream *outbox_stream_due(struct outbox *outbox)
{
    if (!outbox_has_streams(outbox))
        return NULL;
    struct outbox_stream *stream = &outbox->streams[outbox->stream_next];
    if (stream->off != outbox->start_off)
        return NULL;
    if (outbox->fence_count != 0 && outbox->fences[0].off <= stream->off)
        return NULL;
    return stream;
}

struct kvs_reader *outbox_stream_over(struct outbox *outbox)
{
    struct kvs_reader *reader = outbox->streams[outbox->stream_next++].reader;
    if (outbox->stream_next == outbox->stream_count) {
        free(outbox->streams);
        outbox->streams = NULL;
        outbox->stream_count = outbox->stream_next = 0;
    }
    return reader;
}

void outbox_trim(struct outbox *outbox)
{
    if (outbox->active == &outbox->own && outbox->own.capacity > outbox->own.len)
        buf_shrink(&outbox->own, outbox->own.len);
}
