/*
 * records.c - see records.h. The records are one stream of bytes, cut into blocks that each carry a checksum over their number and
 * content: no block can be lost, repeated, or taken for another. The last block is empty of records and holds their count, so a file
 * that was cut short is not whole.
 */
#include "store/records.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/crc.h"
#include "base/fail.h"
#include "base/number.h"

enum {
    FORMAT_VERSION = 1,
    HEAD_BYTES = 64,
    BLOCK_HEAD_BYTES = 8,           /* length, checksum */
    BLOCK_BYTES_MAX = 256 * 1024,   /* of content */
    BLOCK_LAST = (int)0x80000000,   /* in the length: the last block */
    LAST_BYTES = 8,                 /* its content: the number of records */
    WITH_EXPIRY = 1,                /* flag of a record */
    RECORD_HEAD_BYTES_MAX = 4 * 10, /* four varints */
};

static const uint8_t magic[8] = { 'K', 'V', 'S', 'R', 'E', 'C', '\r', '\n' };

static void put_u32(uint8_t *out, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> 8 * i);
}

static void put_u64(uint8_t *out, uint64_t value)
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)(value >> 8 * i);
}

static uint32_t get_u32(const uint8_t *in)
{
    return (uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
}

static uint64_t get_u64(const uint8_t *in)
{
    return get_u32(in) | (uint64_t)get_u32(in + 4) << 32;
}

static uint32_t head_crc(const uint8_t head[HEAD_BYTES])
{
    return crc32c(crc32c(0, head, 12), head + 16, HEAD_BYTES - 16);
}

static uint32_t block_crc(uint64_t number, uint32_t length, const uint8_t *content, size_t len)
{
    uint8_t seed[12];
    put_u64(seed, number);
    put_u32(seed + 8, length);
    return crc32c(crc32c(0, seed, sizeof seed), content, len);
}

/* ---- Writing ---- */

struct records_writer {
    struct io_file *file;
    uint64_t off;
    uint64_t blocks;
    uint64_t records;
    size_t len; /* content gathered */
    uint8_t block[BLOCK_HEAD_BYTES + BLOCK_BYTES_MAX];
};

enum kvs_status records_writer_new(struct io *io, const char *path, uint64_t position,
                                   int64_t time_ms, struct records_writer **ret)
{
    struct records_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "write %s", path);
    uint8_t head[HEAD_BYTES] = { 0 };
    memcpy(head, magic, sizeof magic);
    put_u32(head + 8, FORMAT_VERSION);
    put_u64(head + 16, position);
    put_u64(head + 24, (uint64_t)time_ms);
    put_u32(head + 12, head_crc(head));
    enum kvs_status status = io_open(io, path, IO_CREATE, &writer->file);
    if (status == KVS_OK)
        status = writer->file->ops->write(writer->file, 0, head, sizeof head);
    if (status != KVS_OK) {
        records_writer_free(writer);
        return status;
    }
    writer->off = sizeof head;
    *ret = writer;
    return KVS_OK;
}

static enum kvs_status write_block(struct records_writer *writer, uint32_t flags)
{
    uint32_t length = (uint32_t)writer->len | flags;
    uint8_t *content = writer->block + BLOCK_HEAD_BYTES;
    put_u32(writer->block, length);
    put_u32(writer->block + 4, block_crc(writer->blocks, length, content, writer->len));
    size_t bytes = BLOCK_HEAD_BYTES + writer->len;
    enum kvs_status status =
        writer->file->ops->write(writer->file, writer->off, writer->block, bytes);
    writer->off += bytes;
    writer->blocks++;
    writer->len = 0;
    return status;
}

enum kvs_status records_put_bytes(struct records_writer *writer, const void *data, size_t len)
{
    const uint8_t *from = data;
    while (len > 0) {
        size_t part = BLOCK_BYTES_MAX - writer->len;
        part = part < len ? part : len;
        memcpy(writer->block + BLOCK_HEAD_BYTES + writer->len, from, part);
        writer->len += part;
        from += part;
        len -= part;
        if (writer->len == BLOCK_BYTES_MAX) {
            enum kvs_status status = write_block(writer, 0);
            if (status != KVS_OK)
                return status;
        }
    }
    return KVS_OK;
}

enum kvs_status records_put(struct records_writer *writer, const struct kvs_entry *entry)
{
    uint8_t head[RECORD_HEAD_BYTES_MAX];
    size_t len = varint_put(head, entry->expire_ms != 0 ? WITH_EXPIRY : 0);
    len += varint_put(head + len, entry->key.len);
    len += varint_put(head + len, entry->value_bytes);
    if (entry->expire_ms != 0)
        len += varint_put(head + len, (uint64_t)entry->expire_ms);
    writer->records++;
    enum kvs_status status = records_put_bytes(writer, head, len);
    return status == KVS_OK ? records_put_bytes(writer, entry->key.data, entry->key.len) : status;
}

enum kvs_status records_writer_finish(struct records_writer *writer)
{
    enum kvs_status status = writer->len > 0 ? write_block(writer, 0) : KVS_OK;
    if (status != KVS_OK)
        return status;
    put_u64(writer->block + BLOCK_HEAD_BYTES, writer->records);
    writer->len = LAST_BYTES;
    status = write_block(writer, (uint32_t)BLOCK_LAST);
    return status == KVS_OK ? writer->file->ops->sync(writer->file) : status;
}

void records_writer_free(struct records_writer *writer)
{
    if (writer == NULL)
        return;
    io_close(writer->file);
    free(writer);
}

/* ---- Reading ---- */

struct records_reader {
    struct io_file *file;
    char *path;
    uint64_t size;
    uint64_t off; /* of the next block */
    uint64_t blocks;
    uint64_t records;
    uint64_t value_left; /* of a value that is read piecewise */
    bool ended;
    size_t at;  /* in the block's content */
    size_t len; /* of it */
    struct buf key;
    struct buf value;
    uint8_t block[BLOCK_BYTES_MAX];
};

static enum kvs_status damaged(const struct records_reader *reader, const char *what)
{
    return fail(KVS_CORRUPT, 0, "%s is damaged at offset %" PRIu64 ": %s", reader->path,
                reader->off, what);
}

static enum kvs_status read_head(struct records_reader *reader)
{
    uint8_t head[HEAD_BYTES];
    size_t got = 0;
    enum kvs_status status =
        reader->file->ops->read(reader->file, 0, head, sizeof head, false, &got);
    if (status != KVS_OK)
        return status;
    if (got < sizeof head || memcmp(head, magic, sizeof magic) != 0)
        return fail(KVS_WRONG_FORMAT, 0, "%s is not a file of records of kvs", reader->path);
    if (get_u32(head + 8) > FORMAT_VERSION)
        return fail(KVS_WRONG_FORMAT, 0,
                    "%s has format version %" PRIu32 ", this kvs knows versions up to %d",
                    reader->path, get_u32(head + 8), FORMAT_VERSION);
    if (get_u32(head + 12) != head_crc(head))
        return damaged(reader, "its header does not verify");
    reader->off = sizeof head;
    return KVS_OK;
}

enum kvs_status records_reader_new(struct io *io, const char *path, struct records_reader **ret)
{
    struct records_reader *reader = calloc(1, sizeof *reader);
    if (reader == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "read %s", path);
    buf_init(&reader->key, KVS_ENGINE_KEY_MAX);
    buf_init(&reader->value, KVS_INLINE_MAX);
    reader->path = strdup(path);
    enum kvs_status status = reader->path != NULL ? io_open(io, path, IO_READ, &reader->file)
                                                  : fail(KVS_NO_MEMORY, ENOMEM, "read %s", path);
    if (status == KVS_OK)
        status = reader->file->ops->size(reader->file, &reader->size);
    if (status == KVS_OK)
        status = read_head(reader);
    if (status != KVS_OK) {
        records_reader_free(reader);
        return status;
    }
    *ret = reader;
    return KVS_OK;
}

void records_reader_free(struct records_reader *reader)
{
    if (reader == NULL)
        return;
    io_close(reader->file);
    buf_done(&reader->key);
    buf_done(&reader->value);
    free(reader->path);
    free(reader);
}

/* The last block says how many records there were, and nothing follows it. */
static enum kvs_status read_end(struct records_reader *reader)
{
    if (reader->len != LAST_BYTES || get_u64(reader->block) != reader->records)
        return damaged(reader, "it does not hold as many records as it says");
    if (reader->off != reader->size)
        return damaged(reader, "something follows its end");
    reader->ended = true;
    reader->len = 0;
    return KVS_OK;
}

static enum kvs_status read_block(struct records_reader *reader)
{
    uint8_t head[BLOCK_HEAD_BYTES];
    size_t got = 0;
    enum kvs_status status =
        reader->file->ops->read(reader->file, reader->off, head, sizeof head, false, &got);
    if (status != KVS_OK)
        return status;
    if (got < sizeof head)
        return damaged(reader, "it ends before its end");
    uint32_t length = get_u32(head);
    size_t len = length & ~(uint32_t)BLOCK_LAST;
    if (len == 0 || len > BLOCK_BYTES_MAX)
        return damaged(reader, "no block is that long");
    status = reader->file->ops->read(reader->file, reader->off + sizeof head, reader->block, len,
                                     false, &got);
    if (status != KVS_OK)
        return status;
    if (got < len || block_crc(reader->blocks, length, reader->block, len) != get_u32(head + 4))
        return damaged(reader, "the block does not verify");
    reader->off += sizeof head + len;
    reader->blocks++;
    reader->at = 0;
    reader->len = len;
    return length & (uint32_t)BLOCK_LAST ? read_end(reader) : KVS_OK;
}

/* The next bytes of the stream, @len at most, lent; an end is damage here. */
static enum kvs_status next_bytes(struct records_reader *reader, size_t len, struct kvs_bytes *ret)
{
    if (reader->at == reader->len && !reader->ended) {
        enum kvs_status status = read_block(reader);
        if (status != KVS_OK)
            return status;
    }
    if (reader->ended)
        return damaged(reader, "it ends inside a record");
    size_t left = reader->len - reader->at;
    *ret = bytes_of(reader->block + reader->at, left < len ? left : len);
    reader->at += ret->len;
    return KVS_OK;
}

static enum kvs_status read_varint(struct records_reader *reader, uint64_t *ret)
{
    uint8_t bytes[VARINT_BYTES_MAX];
    for (size_t len = 0; len < sizeof bytes;) {
        struct kvs_bytes one = { NULL, 0 };
        enum kvs_status status = next_bytes(reader, 1, &one);
        if (status != KVS_OK)
            return status;
        memcpy(&bytes[len++], one.data, one.len);
        if (bytes[len - 1] < 0x80) {
            if (varint_get(bytes, len, ret) == len)
                return KVS_OK;
            break;
        }
    }
    return damaged(reader, "a number is too long");
}

static enum kvs_status read_into(struct records_reader *reader, struct buf *buf, uint64_t len)
{
    buf_truncate(buf, 0);
    while (buf->len < len) {
        struct kvs_bytes part = { NULL, 0 };
        enum kvs_status status = next_bytes(reader, (size_t)(len - buf->len), &part);
        if (status != KVS_OK)
            return status;
        buf_append_bytes(buf, part);
        if (buf->failed != KVS_OK)
            return buf->failed;
    }
    return KVS_OK;
}

/* What the caller has not read of a large value. */
static enum kvs_status skip_value(struct records_reader *reader)
{
    while (reader->value_left > 0) {
        struct kvs_bytes part = { NULL, 0 };
        size_t want =
            reader->value_left < BLOCK_BYTES_MAX ? (size_t)reader->value_left : BLOCK_BYTES_MAX;
        enum kvs_status status = next_bytes(reader, want, &part);
        if (status != KVS_OK)
            return status;
        reader->value_left -= part.len;
    }
    return KVS_OK;
}

enum kvs_status records_next(struct records_reader *reader, struct kvs_entry *ret)
{
    enum kvs_status status = skip_value(reader);
    if (status == KVS_OK && reader->at == reader->len && !reader->ended)
        status = read_block(reader);
    if (status == KVS_OK && reader->ended)
        return KVS_NOT_FOUND;
    uint64_t flags = 0;
    uint64_t key_bytes = 0;
    uint64_t value_bytes = 0;
    uint64_t expire = 0;
    if (status == KVS_OK)
        status = read_varint(reader, &flags);
    if (status == KVS_OK)
        status = read_varint(reader, &key_bytes);
    if (status == KVS_OK)
        status = read_varint(reader, &value_bytes);
    if (status == KVS_OK && (flags & WITH_EXPIRY))
        status = read_varint(reader, &expire);
    if (status == KVS_OK &&
        (flags > WITH_EXPIRY || key_bytes > KVS_ENGINE_KEY_MAX || value_bytes > KVS_VALUE_MAX))
        status = damaged(reader, "no record is like that");
    if (status == KVS_OK)
        status = read_into(reader, &reader->key, key_bytes);
    bool is_large = value_bytes > KVS_INLINE_MAX;
    if (status == KVS_OK)
        status = read_into(reader, &reader->value, is_large ? 0 : value_bytes);
    if (status != KVS_OK)
        return status;
    reader->value_left = is_large ? value_bytes : 0;
    reader->records++;
    *ret = (struct kvs_entry){
        .key = buf_bytes(&reader->key),
        .value = buf_bytes(&reader->value),
        .value_bytes = value_bytes,
        .expire_ms = (int64_t)expire,
    };
    if (is_large)
        ret->value = bytes_of(NULL, 0);
    return KVS_OK;
}

enum kvs_status records_read_value(struct records_reader *reader, void *buf, size_t len)
{
    uint8_t *to = buf;
    if (len > reader->value_left)
        return damaged(reader, "a value is shorter than asked for");
    while (len > 0) {
        struct kvs_bytes part = { NULL, 0 };
        enum kvs_status status = next_bytes(reader, len, &part);
        if (status != KVS_OK)
            return status;
        memcpy(to, part.data, part.len);
        to += part.len;
        len -= part.len;
        reader->value_left -= part.len;
    }
    return KVS_OK;
}

uint64_t records_done(const struct records_reader *reader)
{
    return reader->off;
}

uint64_t records_total(const struct records_reader *reader)
{
    return reader->size;
}
