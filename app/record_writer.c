/*
 * record_writer.c - writing both formats, through a buffer; a file is written beside its name and renamed when it is complete.
 */
#include "app/record_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/base64.h"
#include "base/bytes.h"
#include "base/fail.h"
#include "base/number.h"
#include "protocol/json_text.h"
#include "protocol/resp_reply.h"

enum {
    WRITE_BYTES = 256 * 1024
};

struct record_writer {
    int fd;
    enum record_format format;
    char *path; /* to be renamed to; NULL: what is open is it */
    char *temporary;
    struct buf out;
    struct buf value; /* of a large record for a JSON line */
    uint64_t bytes_written;
};

/* Only a regular file, or none yet, is replaced: a device or a pipe is written to. */
static bool is_replaceable(const char *path)
{
    struct stat info;
    return stat(path, &info) != 0 || S_ISREG(info.st_mode);
}

static enum kvs_status open_file(struct record_writer *writer, const char *path)
{
    if (strcmp(path, "-") == 0) {
        writer->fd = STDOUT_FILENO;
        return KVS_OK;
    }
    const char *name = path;
    if (is_replaceable(path)) {
        writer->path = strdup(path);
        if (writer->path == NULL || asprintf(&writer->temporary, "%s.part", path) < 0) {
            writer->temporary = NULL;
            return fail(KVS_NO_MEMORY, ENOMEM, "writing %s", path);
        }
        name = writer->temporary;
    }
    writer->fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return writer->fd >= 0 ? KVS_OK : fail(KVS_IO, errno, "create %s", name);
}

enum kvs_status record_writer_open(const char *path, enum record_format format,
                                   struct record_writer **ret)
{
    struct record_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "writing %s", path);
    writer->format = format == RECORD_ANY ? RECORD_JSONL : format;
    writer->fd = -1;
    buf_init(&writer->out, SIZE_MAX / 2);
    buf_init(&writer->value, SIZE_MAX / 2);
    enum kvs_status status = open_file(writer, path);
    if (status != KVS_OK) {
        record_writer_close(writer);
        return status;
    }
    *ret = writer;
    return KVS_OK;
}

static enum kvs_status write_out(struct record_writer *writer)
{
    size_t done = 0;
    while (done < writer->out.len) {
        ssize_t wrote = write(writer->fd, writer->out.data + done, writer->out.len - done);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return fail(KVS_IO, errno, "write the output");
        done += (size_t)wrote;
    }
    writer->bytes_written += done;
    buf_truncate(&writer->out, 0);
    buf_shrink(&writer->out, 2 * WRITE_BYTES);
    return KVS_OK;
}

static enum kvs_status written(struct record_writer *writer)
{
    if (writer->out.failed != KVS_OK)
        return writer->out.failed;
    return writer->out.len >= WRITE_BYTES ? write_out(writer) : KVS_OK;
}

uint64_t record_writer_done(const struct record_writer *writer)
{
    return writer->bytes_written + writer->out.len;
}

static void put_field(struct buf *out, const char *name, struct kvs_bytes bytes)
{
    buf_printf(out, "\"%s\":", name);
    if (json_text_put(out, bytes))
        return;
    buf_truncate(out, out->len - 2); /* the quote and colon behind the name */
    buf_append_str(out, "_b64\":\"");
    base64_put(out, bytes);
    buf_append_char(out, '"');
}

static void put_json(struct buf *out, const struct record *record, struct kvs_bytes value)
{
    buf_append_char(out, '{');
    put_field(out, "key", record->key);
    buf_append_char(out, ',');
    put_field(out, "value", value);
    if (record->expire_ms != 0)
        buf_printf(out, ",\"expire_ms\":%" PRId64, record->expire_ms);
    buf_append_str(out, "}\n");
}

static void put_set_head(struct buf *out, const struct record *record)
{
    resp_put_count(out, record->expire_ms != 0 ? 5 : 3);
    resp_put_arg(out, BYTES("SET"));
    resp_put_arg(out, record->key);
}

static void put_set_end(struct buf *out, const struct record *record)
{
    if (record->expire_ms == 0)
        return;
    char digits[NUMBER_I64_CHARS];
    resp_put_arg(out, BYTES("PXAT"));
    resp_put_arg(out, bytes_of(digits, number_print_i64(record->expire_ms, digits)));
}

enum kvs_status record_write(struct record_writer *writer, const struct record *record)
{
    if (writer->format == RECORD_JSONL) {
        put_json(&writer->out, record, record->value);
    } else {
        put_set_head(&writer->out, record);
        resp_put_arg(&writer->out, record->value);
        put_set_end(&writer->out, record);
    }
    return written(writer);
}

enum kvs_status record_write_begin(struct record_writer *writer, const struct record *record)
{
    if (writer->format == RECORD_JSONL) {
        buf_truncate(&writer->value, 0);
        return KVS_OK;
    }
    put_set_head(&writer->out, record);
    resp_put_arg_head(&writer->out, record->value_bytes);
    return written(writer);
}

enum kvs_status record_write_bytes(struct record_writer *writer, struct kvs_bytes piece)
{
    if (writer->format == RECORD_JSONL) {
        buf_append_bytes(&writer->value, piece);
        return writer->value.failed;
    }
    buf_append_bytes(&writer->out, piece);
    return written(writer);
}

enum kvs_status record_write_end(struct record_writer *writer, const struct record *record)
{
    if (writer->format == RECORD_JSONL) {
        put_json(&writer->out, record, buf_bytes(&writer->value));
        buf_truncate(&writer->value, 0);
        buf_shrink(&writer->value, 0);
    } else {
        buf_append(&writer->out, "\r\n", 2);
        put_set_end(&writer->out, record);
    }
    return written(writer);
}

enum kvs_status record_writer_finish(struct record_writer *writer)
{
    enum kvs_status status = write_out(writer);
    if (status != KVS_OK || writer->path == NULL)
        return status;
    if (fsync(writer->fd) != 0)
        return fail(KVS_IO, errno, "sync %s", writer->temporary);
    if (rename(writer->temporary, writer->path) != 0)
        return fail(KVS_IO, errno, "rename %s to %s", writer->temporary, writer->path);
    free(writer->temporary);
    writer->temporary = NULL;
    return KVS_OK;
}

void record_writer_close(struct record_writer *writer)
{
    if (writer == NULL)
        return;
    if (writer->fd >= 0 && writer->fd != STDOUT_FILENO)
        (void)close(writer->fd); /* what matters was synced */
    if (writer->temporary != NULL && writer->fd >= 0)
        (void)unlink(writer->temporary);
    free(writer->temporary);
    free(writer->path);
    buf_done(&writer->out);
    buf_done(&writer->value);
    free(writer);
}
