/*
 * future.c - the answer to one request: its life, its place in lists, its deadline.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/fail.h"
#include "base/number.h"
#include "client/async.h"

/* ---- Lists ---- */

void future_list_push(struct future_list *list, struct kvs_future *future)
{
    future->next = NULL;
    if (list->tail != NULL)
        list->tail->next = future;
    else
        list->head = future;
    list->tail = future;
}

struct kvs_future *future_list_pop(struct future_list *list)
{
    struct kvs_future *future = list->head;
    if (future == NULL)
        return NULL;
    list->head = future->next;
    if (list->head == NULL)
        list->tail = NULL;
    future->next = NULL;
    return future;
}

/* ---- Deadlines: a binary heap, the earliest first ---- */

static void heap_set(struct kvs_async *async, size_t at, struct kvs_future *future)
{
    async->heap[at] = future;
    future->heap_at = at + 1;
}

static void heap_up(struct kvs_async *async, size_t at)
{
    struct kvs_future *future = async->heap[at];
    while (at > 0 && async->heap[(at - 1) / 2]->deadline_ms > future->deadline_ms) {
        heap_set(async, at, async->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    heap_set(async, at, future);
}

static void heap_down(struct kvs_async *async, size_t at)
{
    struct kvs_future *future = async->heap[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= async->heap_count)
            break;
        if (child + 1 < async->heap_count &&
            async->heap[child + 1]->deadline_ms < async->heap[child]->deadline_ms)
            child++;
        if (async->heap[child]->deadline_ms >= future->deadline_ms)
            break;
        heap_set(async, at, async->heap[child]);
        at = child;
    }
    heap_set(async, at, future);
}

enum kvs_status deadlines_reserve(struct kvs_async *async)
{
    if (async->heap_count < async->heap_capacity)
        return KVS_OK;
    size_t capacity = async->heap_capacity == 0 ? 64 : async->heap_capacity * 2;
    struct kvs_future **heap = realloc(async->heap, capacity * sizeof(struct kvs_future *));
    if (heap == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "deadlines of %zu requests", capacity);
    async->heap = heap;
    async->heap_capacity = capacity;
    return KVS_OK;
}

void deadlines_add(struct kvs_async *async, struct kvs_future *future)
{
    async->heap[async->heap_count] = future;
    heap_up(async, async->heap_count++);
}

void deadlines_remove(struct kvs_async *async, struct kvs_future *future)
{
    if (future->heap_at == 0)
        return;
    size_t at = future->heap_at - 1;
    future->heap_at = 0;
    struct kvs_future *last = async->heap[--async->heap_count];
    if (last == future)
        return;
    heap_set(async, at, last);
    heap_up(async, at);
    heap_down(async, last->heap_at - 1);
}

/* ---- Life ---- */

static size_t request_bytes(const struct kvs_bytes *args, size_t count)
{
    size_t len = 3 + NUMBER_I64_CHARS;
    for (size_t i = 0; i < count; i++)
        len += args[i].len + 5 + NUMBER_I64_CHARS;
    return len;
}

enum kvs_status future_new(struct kvs_async *async, const struct kvs_bytes *args, size_t count,
                           const struct kvs_call *call, struct kvs_future **ret)
{
    struct buf bytes;
    buf_init(&bytes, SIZE_MAX / 4);
    if (buf_reserve(&bytes, sizeof(struct kvs_future) + request_bytes(args, count)) != KVS_OK) {
        buf_done(&bytes);
        return fail(KVS_NO_MEMORY, ENOMEM, "a request of %zu arguments", count);
    }
    /* The buffer's memory becomes the future: its head first, the request behind it. There is room for all of it. */
    static const char head[sizeof(struct kvs_future)];
    buf_append(&bytes, head, offsetof(struct kvs_future, bytes));
    resp_put_request(&bytes, args, count);
    CHECK(bytes.failed == KVS_OK);
    struct kvs_future *future = (struct kvs_future *)(void *)bytes.data;
    future->async = async;
    future->refs = 1;
    future->idempotent = call->idempotent;
    future->no_reply = call->no_reply;
    future->fn = call->done;
    future->ctx = call->ctx;
    future->status = KVS_WOULD_BLOCK;
    future->len = bytes.len - offsetof(struct kvs_future, bytes);
    *ret = future;
    return KVS_OK;
}

void future_unref(struct kvs_future *future)
{
    if (--future->refs > 0)
        return;
    free(future->copy);
    free(future->error);
    free(future);
}

/* ---- Keeping a reply: the tree and its texts in one piece of memory ---- */

static void measure(const struct kvs_reply *reply, size_t *nodes, size_t *bytes)
{
    *nodes += reply->item_count;
    *bytes += reply->text.len;
    for (size_t i = 0; i < reply->item_count; i++)
        measure(&reply->items[i], nodes, bytes);
}

static void copy_reply(const struct kvs_reply *from, struct kvs_reply *to, struct kvs_reply **nodes,
                       char **bytes)
{
    *to = *from;
    if (from->text.len > 0) {
        memcpy(*bytes, from->text.data, from->text.len);
        to->text.data = *bytes;
        *bytes += from->text.len;
    }
    struct kvs_reply *items = *nodes;
    to->items = from->item_count > 0 ? items : NULL;
    *nodes += from->item_count;
    for (size_t i = 0; i < from->item_count; i++)
        copy_reply(&from->items[i], &items[i], nodes, bytes);
}

/* NULL: no memory. */
static struct kvs_reply *keep_reply(const struct kvs_reply *reply)
{
    size_t count = 1;
    size_t len = 0;
    measure(reply, &count, &len);
    struct kvs_reply *copy = malloc(count * sizeof *copy + len);
    if (copy == NULL)
        return NULL;
    struct kvs_reply *nodes = copy + 1;
    char *bytes = (char *)(copy + count);
    copy_reply(reply, copy, &nodes, &bytes);
    return copy;
}

void future_complete(struct kvs_future *future, enum kvs_status status,
                     const struct kvs_reply *reply, bool call)
{
    if (future->done)
        return;
    if (reply != NULL && future->kept) {
        future->copy = keep_reply(reply);
        reply = future->copy;
        if (reply == NULL)
            status = fail(KVS_NO_MEMORY, ENOMEM, "the answer to a request");
    }
    future->done = true;
    future->status = status;
    future->reply = reply;
    if (status != KVS_OK)
        future->error = strdup(kvs_error()); /* missing memory costs the text only */
    future->async->pending--;
    deadlines_remove(future->async, future);
    if (!call || future->fn == NULL)
        return;
    future->refs++; /* the callback may free it */
    future->fn(future->ctx, future);
    if (future->copy == NULL)
        future->reply = NULL; /* it was lent */
    future_unref(future);
}

/* ---- The public side ---- */

bool kvs_future_done(const struct kvs_future *future)
{
    return future->done;
}

enum kvs_status kvs_future_result(const struct kvs_future *future, const struct kvs_reply **ret)
{
    if (ret != NULL)
        *ret = future->reply;
    if (future->done && future->status != KVS_OK)
        return fail_restore(future->status, future->error != NULL ? future->error : "");
    return future->status;
}

void kvs_future_cancel(struct kvs_future *future)
{
    if (future->done)
        return;
    /* Its connection lets go of it when its turn comes, to be sent or to be answered. */
    future_complete(future, fail(KVS_CLOSED, 0, "the request was cancelled"), NULL, false);
}

void kvs_future_free(struct kvs_future *future)
{
    if (future == NULL)
        return;
    kvs_future_cancel(future);
    future->kept = false;
    future_unref(future);
}
