/*
 * reader.c - a value of any size out, piecewise. A small value is copied at open; of a large one the chunks are pinned, so that
 * overwriting the key, dropping it, or moving its chunks leaves what was opened readable.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/hash.h"
#include "concurrent/epoch.h"
#include "engine/native/state.h"

struct kvs_reader {
    struct native *native;
    uint64_t value_bytes;
    struct buf value; /* a small value, or the list of chunks while opening */
    uint64_t *chunks; /* locators, pinned */
    size_t chunk_count;
    size_t pinned_count;
    struct buf scratch;
    bool large;
    struct kvs_entry entry;
};

static void take(void *ctx, const struct log_record *record)
{
    struct kvs_reader *reader = ctx;
    reader->entry = entry_of(record);
    reader->entry.key = bytes_of(NULL, 0);
    reader->entry.value = bytes_of(NULL, 0);
    reader->value_bytes = record->value_bytes;
    reader->large = (record->flags & LOG_LARGE) != 0;
    buf_truncate(&reader->value, 0);
    buf_append_bytes(&reader->value, record->value);
}

/* Pins every chunk. KVS_NOT_FOUND: one has moved since the list was read. */
static enum kvs_status pin_chunks(struct kvs_reader *reader)
{
    reader->chunk_count = reader->value.len / 8;
    reader->chunks =
        calloc(reader->chunk_count != 0 ? reader->chunk_count : 1, sizeof *reader->chunks);
    if (reader->chunks == NULL)
        return fail(KVS_NO_MEMORY, 0, "list of %zu chunks", reader->chunk_count);
    for (size_t i = 0; i < reader->chunk_count; i++) {
        for (size_t byte = 0; byte < 8; byte++)
            reader->chunks[i] |= (uint64_t)(uint8_t)reader->value.data[i * 8 + byte] << (8 * byte);
    }
    enum kvs_status status = KVS_OK;
    epoch_enter();
    while (status == KVS_OK && reader->pinned_count < reader->chunk_count) {
        status = log_pin(reader->native->log, reader->chunks[reader->pinned_count]);
        if (status == KVS_OK)
            reader->pinned_count++;
    }
    epoch_leave();
    return status;
}

static void unpin_chunks(struct kvs_reader *reader)
{
    while (reader->pinned_count > 0)
        log_unpin(reader->native->log, reader->chunks[--reader->pinned_count]);
    free(reader->chunks);
    reader->chunks = NULL;
}

enum kvs_status native_reader_open(struct kvs_engine *engine, const struct kvs_read *read,
                                   struct kvs_bytes key, struct kvs_entry *ret_entry,
                                   uint64_t *ret_position, struct kvs_reader **ret)
{
    struct native *native = native_of(engine);
    struct kvs_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return fail(KVS_NO_MEMORY, 0, "reader");
    reader->native = native;
    buf_init(&reader->value, LOG_INLINE_VALUE_MAX);
    buf_init(&reader->scratch, 4 * LOG_CHUNK_BYTES);
    struct view view = view_of(read->snapshot);
    enum kvs_status status;
    uint64_t list_hash_before = 0;
    unsigned tries = 0;
    for (;;) {
        status = native_view(native, key, &view, read->no_block, take, reader, ret_position);
        if (status == KVS_OK && reader->value.failed != KVS_OK)
            status = fail(reader->value.failed, 0, "value of %zu bytes", reader->value.len);
        if (status != KVS_OK || !reader->large)
            break;
        status = pin_chunks(reader);
        if (status != KVS_NOT_FOUND)
            break;
        /* When chunks move, the record gets a new list first: the same list twice has lost one for good. */
        uint64_t list_hash = hash_bytes(buf_bytes(&reader->value), 0);
        if (tries++ > 0 && list_hash == list_hash_before) {
            status = fail(KVS_CORRUPT, 0, "a chunk of a value of %llu bytes is missing",
                          (unsigned long long)reader->value_bytes);
            break;
        }
        list_hash_before = list_hash;
        unpin_chunks(reader); /* compaction was faster: the record has a new list by now */
    }
    if (status != KVS_OK) {
        native_reader_close(reader);
        return status;
    }
    *ret_entry = reader->entry;
    *ret = reader;
    return KVS_OK;
}

static enum kvs_status read_chunk(struct kvs_reader *reader, bool no_block, size_t chunk,
                                  size_t off, char *to, size_t len)
{
    struct log_record record;
    enum kvs_status status =
        log_fetch(reader->native->log, reader->chunks[chunk], no_block, &reader->scratch, &record);
    if (status != KVS_OK)
        return status;
    if (record.kind != LOG_CHUNK || record.value.len < off + len)
        return fail(KVS_CORRUPT, 0,
                    "chunk %zu of a value of %llu bytes is not what its record says", chunk,
                    (unsigned long long)reader->value_bytes);
    memcpy(to, (const char *)record.value.data + off, len);
    return KVS_OK;
}

enum kvs_status native_reader_read(struct kvs_reader *reader, bool no_block, uint64_t off,
                                   void *buf, size_t len)
{
    if (off > reader->value_bytes || len > reader->value_bytes - off)
        return fail(KVS_INVALID, 0, "reading %zu bytes at %llu of a value of %llu", len,
                    (unsigned long long)off, (unsigned long long)reader->value_bytes);
    if (!reader->large) {
        if (len != 0)
            memcpy(buf, reader->value.data + off, len);
        return KVS_OK;
    }
    char *to = buf;
    while (len != 0) {
        size_t in_chunk = off % LOG_CHUNK_BYTES;
        size_t take_bytes = LOG_CHUNK_BYTES - in_chunk;
        if (take_bytes > len)
            take_bytes = len;
        size_t chunk = (size_t)(off / LOG_CHUNK_BYTES);
        if (chunk >= reader->chunk_count)
            return fail(KVS_CORRUPT, 0, "a value of %llu bytes has %zu chunks",
                        (unsigned long long)reader->value_bytes, reader->chunk_count);
        enum kvs_status status = read_chunk(reader, no_block, chunk, in_chunk, to, take_bytes);
        if (status != KVS_OK)
            return status;
        to += take_bytes;
        off += take_bytes;
        len -= take_bytes;
    }
    return KVS_OK;
}

void native_reader_close(struct kvs_reader *reader)
{
    if (reader == NULL)
        return;
    unpin_chunks(reader);
    buf_done(&reader->value);
    buf_done(&reader->scratch);
    free(reader);
}
