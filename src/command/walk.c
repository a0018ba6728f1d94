/*
 * walk.c - going through a range of keys, and collecting what is to be answered.
 */
#include "command/walk.h"

#include <errno.h>
#include <inttypes.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/fail.h"
#include "command/data.h"
#include "command/families.h"

enum kvs_status walk_open(struct command_ctx *ctx, const struct bounds *bounds, bool reverse,
                          struct walk *ret)
{
    *ret = (struct walk){ .ctx = ctx };
    if (bounds->nothing)
        return KVS_OK;
    if (ctx->txn != NULL)
        return kvs_txn_iterator_open(ctx->txn, ctx->db, &bounds->range, reverse,
                                     &ret->txn_iterator);
    ctx->direct = true;
    struct kvs_read read = command_read(ctx);
    return kvs_iterator_open(ctx->db, &read, &bounds->range, reverse, &ret->iterator);
}

enum kvs_status walk_next(struct walk *walk, struct kvs_entry *ret)
{
    struct command_ctx *ctx = walk->ctx;
    if (!ctx->may_wait && walk->seen == SEEN_ON_LOOP_MAX)
        return KVS_WOULD_BLOCK;
    enum kvs_status status = KVS_NOT_FOUND;
    if (walk->txn_iterator != NULL)
        status = kvs_txn_iterator_next(walk->txn_iterator, ret);
    else if (walk->iterator != NULL)
        status = kvs_iterator_next(ctx->db, walk->iterator, !ctx->may_wait, ret);
    if (status == KVS_OK)
        walk->seen++;
    return status;
}

void walk_done(struct walk *walk)
{
    if (walk->iterator != NULL) {
        data_note_direct(walk->ctx, kvs_iterator_position(walk->ctx->db, walk->iterator));
        kvs_iterator_close(walk->ctx->db, walk->iterator);
    }
    if (walk->txn_iterator != NULL)
        kvs_txn_iterator_close(walk->txn_iterator);
    walk->iterator = NULL;
    walk->txn_iterator = NULL;
}

/* ---- Harvest ---- */

/* Set in an element's length when a reader stands for its bytes. */
#define ELEMENT_STREAMED ((uint64_t)1 << 63)

/* What a protocol puts around an element, about: a reply of many empty ones is one of many bytes as well. */
enum {
    ELEMENT_FRAME_BYTES = 8
};

void harvest_init(struct harvest *harvest, struct command_ctx *ctx)
{
    *harvest = (struct harvest){ .ctx = ctx };
    buf_init(&harvest->elements, DATA_REPLY_BYTES_MAX);
}

static bool has_room(const struct harvest *harvest, uint64_t bytes)
{
    return harvest->bytes + ELEMENT_FRAME_BYTES + bytes <= DATA_REPLY_BYTES_MAX;
}

static enum kvs_status add_element(struct harvest *harvest, uint64_t bytes, uint64_t mark,
                                   struct kvs_bytes content)
{
    if (!harvest->ctx->may_wait && harvest->bytes > DATA_LOOP_BYTES_MAX)
        return KVS_WOULD_BLOCK;
    uint64_t length = bytes | mark;
    enum kvs_status status = buf_reserve(&harvest->elements, sizeof length + content.len);
    if (status != KVS_OK)
        return status;
    buf_append(&harvest->elements, &length, sizeof length);
    buf_append_bytes(&harvest->elements, content);
    harvest->bytes += ELEMENT_FRAME_BYTES + (mark != 0 ? data_reply_share(bytes) : bytes);
    harvest->count++;
    return KVS_OK;
}

enum kvs_status harvest_bytes(struct harvest *harvest, struct kvs_bytes bytes)
{
    return has_room(harvest, bytes.len) ? add_element(harvest, bytes.len, 0, bytes) : KVS_TOO_LONG;
}

/* A reader at the walk's version, or at the transaction's. */
static enum kvs_status open_large(const struct walk *walk, struct kvs_bytes key,
                                  struct kvs_reader **ret)
{
    struct command_ctx *ctx = walk->ctx;
    struct kvs_entry entry;
    if (walk->txn_iterator != NULL)
        return kvs_txn_reader(ctx->txn, ctx->db, key, &entry, ret);
    struct kvs_read read = {
        .snapshot = kvs_iterator_snapshot(ctx->db, walk->iterator),
        .no_block = !ctx->may_wait,
        .park = true,
    };
    uint64_t position = 0;
    enum kvs_status status = kvs_reader_open(ctx->db, &read, key, &entry, &position, ret);
    data_note_direct(ctx, position);
    return status;
}

enum kvs_status harvest_value(struct harvest *harvest, const struct walk *walk,
                              const struct kvs_entry *entry)
{
    if (entry->value_bytes <= KVS_INLINE_MAX)
        return harvest_bytes(harvest, entry->value);
    if (data_is_own(entry)) {
        struct kvs_bytes value;
        enum kvs_status status = data_own_large(harvest->ctx, entry->key, &value);
        return status == KVS_OK ? harvest_bytes(harvest, value) : status;
    }
    if (!has_room(harvest, data_reply_share(entry->value_bytes)) ||
        harvest->ctx->reply->ops->stream_begin == NULL)
        return KVS_TOO_LONG;
    struct kvs_reader *reader;
    enum kvs_status status = open_large(walk, entry->key, &reader);
    if (status != KVS_OK)
        return status;
    status = add_element(harvest, entry->value_bytes, ELEMENT_STREAMED,
                         bytes_of(&reader, sizeof(struct kvs_reader *)));
    if (status != KVS_OK)
        kvs_reader_close(harvest->ctx->db, reader);
    return status;
}

/* One element; *reader is NULL for one that is not streamed. */
struct element {
    uint64_t length;
    struct kvs_bytes bytes;
    struct kvs_reader *reader;
};

/* Takes the element at *@off; false at the end. */
static bool next_element(const struct harvest *harvest, size_t *off, struct element *ret)
{
    if (*off == harvest->elements.len)
        return false;
    const char *at = harvest->elements.data + *off;
    uint64_t length;
    memcpy(&length, at, sizeof length);
    *ret = (struct element){ .length = length & ~ELEMENT_STREAMED };
    size_t content_len = (size_t)ret->length;
    if ((length & ELEMENT_STREAMED) != 0) {
        content_len = sizeof(struct kvs_reader *);
        memcpy(&ret->reader, at + sizeof length, content_len);
    } else {
        ret->bytes = bytes_of(at + sizeof length, content_len);
    }
    *off += sizeof length + content_len;
    return true;
}

static void close_readers(struct harvest *harvest, size_t off)
{
    struct element element;
    while (next_element(harvest, &off, &element))
        if (element.reader != NULL)
            kvs_reader_close(harvest->ctx->db, element.reader);
}

struct harvest_mark harvest_mark(const struct harvest *harvest)
{
    return (struct harvest_mark){ harvest->elements.len, harvest->bytes, harvest->count };
}

void harvest_rewind(struct harvest *harvest, struct harvest_mark mark)
{
    close_readers(harvest, mark.len);
    buf_truncate(&harvest->elements, mark.len);
    harvest->bytes = mark.bytes;
    harvest->count = mark.count;
}

enum kvs_status harvest_reply(struct harvest *harvest)
{
    struct reply *reply = harvest->ctx->reply;
    enum kvs_status status = KVS_OK;
    size_t off = 0;
    struct element element;
    reply_array(reply, harvest->count);
    while (status == KVS_OK && next_element(harvest, &off, &element)) {
        if (element.reader == NULL)
            reply_bulk(reply, element.bytes);
        else if (!reply_reader(reply, element.reader, element.length))
            status = fail(KVS_NO_MEMORY, ENOMEM, "reply with %zu elements", harvest->count);
    }
    close_readers(harvest, off); /* of what could not be answered */
    buf_done(&harvest->elements);
    return status;
}

void harvest_done(struct harvest *harvest)
{
    close_readers(harvest, 0);
    buf_done(&harvest->elements);
}
