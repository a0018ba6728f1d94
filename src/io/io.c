/*
 * io.c - what every implementation of io.h shares: conveniences made of its calls.
 */
#include "io/io.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/fail.h"

void io_close(struct io_file *file)
{
    if (file != NULL)
        file->ops->close(file);
}

void io_free(struct io *io)
{
    if (io != NULL)
        io->ops->free(io);
}

enum kvs_status io_read_exact(struct io_file *file, uint64_t off, void *buf, size_t len)
{
    size_t got;
    enum kvs_status status = file->ops->read(file, off, buf, len, false, &got);
    if (status == KVS_OK && got < len)
        return fail(KVS_CORRUPT, 0, "unexpected end of file at %" PRIu64, off + got);
    return status;
}

/* @ret gets a byte more than the content, a NUL, for readers of text. */
static enum kvs_status read_whole(struct io_file *file, const char *path, size_t max_bytes,
                                  char **ret, size_t *ret_len)
{
    uint64_t bytes;
    enum kvs_status status = file->ops->size(file, &bytes);
    if (status != KVS_OK)
        return status;
    if (bytes > max_bytes)
        return fail(KVS_TOO_LONG, 0, "%s has %" PRIu64 " bytes, more than the expected %zu", path,
                    bytes, max_bytes);
    char *data = malloc((size_t)bytes + 1);
    if (data == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "read %s", path);
    size_t len;
    status = file->ops->read(file, 0, data, (size_t)bytes, false, &len);
    if (status != KVS_OK) {
        free(data);
        return status;
    }
    data[len] = '\0';
    *ret = data;
    *ret_len = len;
    return KVS_OK;
}

enum kvs_status io_read_file(struct io *io, const char *path, size_t max_bytes, char **ret,
                             size_t *ret_len)
{
    struct io_file *file;
    enum kvs_status status = io_open(io, path, IO_READ, &file);
    if (status != KVS_OK)
        return status;
    status = read_whole(file, path, max_bytes, ret, ret_len);
    io_close(file);
    return status;
}

/* A file that a crash left behind half-written is in the way of IO_CREATE. */
static enum kvs_status remove_leftover(struct io *io, const char *path)
{
    enum kvs_status status = io->ops->unlink(io, path);
    return status == KVS_NOT_FOUND ? KVS_OK : status;
}

static enum kvs_status write_new(struct io *io, const char *path, const void *data, size_t len)
{
    struct io_file *file;
    enum kvs_status status = remove_leftover(io, path);
    if (status == KVS_OK)
        status = io_open(io, path, IO_CREATE, &file);
    if (status != KVS_OK)
        return status;
    status = file->ops->write(file, 0, data, len);
    if (status == KVS_OK)
        status = file->ops->sync(file);
    io_close(file);
    return status;
}

enum kvs_status io_replace_file(struct io *io, const char *dir, const char *name, const void *data,
                                size_t len)
{
    char *path = NULL;
    char *new_path = NULL;
    enum kvs_status status;
    if (asprintf(&path, "%s/%s", dir, name) < 0) {
        path = NULL; /* undefined after a failure */
        status = fail(KVS_NO_MEMORY, ENOMEM, "replace %s/%s", dir, name);
        goto done;
    }
    if (asprintf(&new_path, "%s.new", path) < 0) {
        new_path = NULL;
        status = fail(KVS_NO_MEMORY, ENOMEM, "replace %s", path);
        goto done;
    }
    status = write_new(io, new_path, data, len);
    if (status == KVS_OK)
        status = io->ops->rename(io, new_path, path);
    if (status != KVS_OK) {
        char text[FAIL_TEXT_BYTES];
        fail_save(text);
        (void)io->ops->unlink(io, new_path); /* the next replacement would do it as well */
        (void)fail_restore(status, text);
        goto done;
    }
    status = io->ops->sync_dir(io, dir);

done:
    free(new_path);
    free(path);
    return status;
}
