/*
 * io_fault.c - passes every call on to another io, except for the chosen ones, which fail without having done anything.
 *
 * A test that lets the 1st, 2nd, 3rd ... call fail, until a run is over before its number comes up, has seen every call fail
 * once. Kinds of calls, for counting only some of them:
 *
 *     IO_FAULT_OPEN    open, lock              IO_FAULT_SYNC    sync, sync_dir
 *     IO_FAULT_READ    read, size, list        IO_FAULT_SPACE   allocate, map, free_space
 *     IO_FAULT_WRITE   write                   IO_FAULT_NAME    rename, unlink, link, make_dir
 *
 * Threads: any; the lock is held for counting, never during a call to the other io.
 */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "base/fail.h"
#include "concurrent/mutex.h"
#include "io/io.h"

struct fault {
    struct io io;
    struct io *inner; /* owned */
    struct mutex mu;
    uint64_t countdown GUARDED_BY(mu); /* 1: the next call fails; 0: none */
    enum kvs_status status GUARDED_BY(mu);
    bool forever GUARDED_BY(mu);
    unsigned kinds GUARDED_BY(mu);
    uint64_t hits GUARDED_BY(mu);
    uint64_t sync_delay_ms GUARDED_BY(mu);
};

struct fault_file {
    struct io_file file;
    struct fault *fault;
    struct io_file *inner; /* owned */
};

static const struct io_ops fault_ops;

static struct fault *fault_of(struct io *io)
{
    return (struct fault *)io; /* its first member */
}

static struct fault_file *fault_file(struct io_file *file)
{
    return (struct fault_file *)file; /* its first member */
}

/* Whether this call of that kind may go on. */
static enum kvs_status pass(struct fault *fault, unsigned kind, const char *what)
{
    enum kvs_status status = KVS_OK;
    mutex_lock(&fault->mu);
    if ((fault->kinds & kind) != 0 && fault->countdown > 0) {
        if (fault->countdown > 1) {
            fault->countdown--;
        } else {
            status = fault->status;
            fault->hits++;
            if (!fault->forever)
                fault->countdown = 0;
        }
    }
    mutex_unlock(&fault->mu);
    if (status != KVS_OK)
        return fail(status, 0, "%s: made to fail", what);
    return KVS_OK;
}

static void delay_sync(struct fault *fault)
{
    mutex_lock(&fault->mu);
    uint64_t delay_ms = fault->sync_delay_ms;
    mutex_unlock(&fault->mu);
    struct timespec left = { (time_t)(delay_ms / 1000), (long)(delay_ms % 1000) * 1000000 };
    while (delay_ms > 0 && nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

/* Wraps @inner, which is closed when that fails. */
static enum kvs_status wrap(struct fault *fault, struct io_file *inner, struct io_file **ret)
{
    struct fault_file *file = malloc(sizeof *file);
    if (file == NULL) {
        io_close(inner);
        return fail(KVS_NO_MEMORY, ENOMEM, "open");
    }
    *file = (struct fault_file){ { &fault_ops }, fault, inner };
    *ret = &file->file;
    return KVS_OK;
}

static enum kvs_status fault_open(struct io *io, const char *path, enum io_mode mode,
                                  struct io_file **ret)
{
    struct fault *fault = fault_of(io);
    struct io_file *inner;
    enum kvs_status status = pass(fault, IO_FAULT_OPEN, "open");
    if (status == KVS_OK)
        status = fault->inner->ops->open(fault->inner, path, mode, &inner);
    return status == KVS_OK ? wrap(fault, inner, ret) : status;
}

static enum kvs_status fault_lock(struct io *io, const char *path, struct io_file **ret)
{
    struct fault *fault = fault_of(io);
    struct io_file *inner;
    enum kvs_status status = pass(fault, IO_FAULT_OPEN, "lock");
    if (status == KVS_OK)
        status = fault->inner->ops->lock(fault->inner, path, &inner);
    return status == KVS_OK ? wrap(fault, inner, ret) : status;
}

static void fault_close(struct io_file *base)
{
    struct fault_file *file = fault_file(base);
    io_close(file->inner);
    free(file);
}

static enum kvs_status fault_read(struct io_file *base, uint64_t off, void *buf, size_t len,
                                  bool no_block, size_t *ret_len)
{
    struct fault_file *file = fault_file(base);
    enum kvs_status status = pass(file->fault, IO_FAULT_READ, "read");
    return status == KVS_OK ? file->inner->ops->read(file->inner, off, buf, len, no_block, ret_len)
                            : status;
}

static enum kvs_status fault_write(struct io_file *base, uint64_t off, const void *buf, size_t len)
{
    struct fault_file *file = fault_file(base);
    enum kvs_status status = pass(file->fault, IO_FAULT_WRITE, "write");
    return status == KVS_OK ? file->inner->ops->write(file->inner, off, buf, len) : status;
}

static enum kvs_status fault_sync(struct io_file *base)
{
    struct fault_file *file = fault_file(base);
    delay_sync(file->fault);
    enum kvs_status status = pass(file->fault, IO_FAULT_SYNC, "sync");
    return status == KVS_OK ? file->inner->ops->sync(file->inner) : status;
}

static enum kvs_status fault_allocate(struct io_file *base, uint64_t off, uint64_t len)
{
    struct fault_file *file = fault_file(base);
    enum kvs_status status = pass(file->fault, IO_FAULT_SPACE, "allocate");
    return status == KVS_OK ? file->inner->ops->allocate(file->inner, off, len) : status;
}

static enum kvs_status fault_map(struct io_file *base, uint64_t len)
{
    struct fault_file *file = fault_file(base);
    enum kvs_status status = pass(file->fault, IO_FAULT_SPACE, "map");
    return status == KVS_OK ? file->inner->ops->map(file->inner, len) : status;
}

static void fault_store(struct io_file *base, uint64_t off, const void *buf, size_t len)
{
    const struct fault_file *file = fault_file(base);
    file->inner->ops->store(file->inner, off, buf, len);
}

static enum kvs_status fault_size(struct io_file *base, uint64_t *ret_bytes)
{
    struct fault_file *file = fault_file(base);
    enum kvs_status status = pass(file->fault, IO_FAULT_READ, "size");
    return status == KVS_OK ? file->inner->ops->size(file->inner, ret_bytes) : status;
}

static enum kvs_status fault_rename(struct io *io, const char *from, const char *to)
{
    struct io *inner = fault_of(io)->inner;
    enum kvs_status status = pass(fault_of(io), IO_FAULT_NAME, "rename");
    return status == KVS_OK ? inner->ops->rename(inner, from, to) : status;
}

static enum kvs_status fault_unlink(struct io *io, const char *path)
{
    struct io *inner = fault_of(io)->inner;
    enum kvs_status status = pass(fault_of(io), IO_FAULT_NAME, "remove");
    return status == KVS_OK ? inner->ops->unlink(inner, path) : status;
}

static enum kvs_status fault_link(struct io *io, const char *from, const char *to)
{
    struct io *inner = fault_of(io)->inner;
    enum kvs_status status = pass(fault_of(io), IO_FAULT_NAME, "link");
    return status == KVS_OK ? inner->ops->link(inner, from, to) : status;
}

static enum kvs_status fault_make_dir(struct io *io, const char *path)
{
    struct io *inner = fault_of(io)->inner;
    enum kvs_status status = pass(fault_of(io), IO_FAULT_NAME, "make directory");
    return status == KVS_OK ? inner->ops->make_dir(inner, path) : status;
}

static enum kvs_status fault_sync_dir(struct io *io, const char *path)
{
    struct io *inner = fault_of(io)->inner;
    delay_sync(fault_of(io));
    enum kvs_status status = pass(fault_of(io), IO_FAULT_SYNC, "sync directory");
    return status == KVS_OK ? inner->ops->sync_dir(inner, path) : status;
}

static enum kvs_status fault_list(struct io *io, const char *path, io_list_fn *fn, void *ctx)
{
    struct io *inner = fault_of(io)->inner;
    enum kvs_status status = pass(fault_of(io), IO_FAULT_READ, "list");
    return status == KVS_OK ? inner->ops->list(inner, path, fn, ctx) : status;
}

static enum kvs_status fault_free_space(struct io *io, const char *path, uint64_t *ret_bytes)
{
    struct io *inner = fault_of(io)->inner;
    enum kvs_status status = pass(fault_of(io), IO_FAULT_SPACE, "free space");
    return status == KVS_OK ? inner->ops->free_space(inner, path, ret_bytes) : status;
}

static void fault_free(struct io *io)
{
    struct fault *fault = fault_of(io);
    io_free(fault->inner);
    mutex_done(&fault->mu);
    free(fault);
}

static const struct io_ops fault_ops = {
    .open = fault_open,
    .close = fault_close,
    .read = fault_read,
    .write = fault_write,
    .sync = fault_sync,
    .allocate = fault_allocate,
    .map = fault_map,
    .store = fault_store,
    .size = fault_size,
    .rename = fault_rename,
    .unlink = fault_unlink,
    .link = fault_link,
    .make_dir = fault_make_dir,
    .sync_dir = fault_sync_dir,
    .list = fault_list,
    .free_space = fault_free_space,
    .lock = fault_lock,
    .free = fault_free,
};

struct io *io_fault_new(struct io *inner, uint64_t nth, enum kvs_status status, bool forever)
{
    struct fault *fault = calloc(1, sizeof *fault);
    CHECK(fault != NULL); /* for tests, which could do nothing with a failure */
    fault->io.ops = &fault_ops;
    fault->inner = inner;
    fault->kinds = ~0U;
    mutex_init(&fault->mu);
    io_fault_arm(&fault->io, nth, status, forever);
    return &fault->io;
}

void io_fault_arm(struct io *io, uint64_t nth, enum kvs_status status, bool forever)
{
    struct fault *fault = fault_of(io);
    mutex_lock(&fault->mu);
    fault->countdown = nth;
    fault->status = status;
    fault->forever = forever;
    mutex_unlock(&fault->mu);
}

uint64_t io_fault_hits(struct io *io)
{
    struct fault *fault = fault_of(io);
    mutex_lock(&fault->mu);
    uint64_t hits = fault->hits;
    mutex_unlock(&fault->mu);
    return hits;
}

void io_fault_mask(struct io *io, unsigned kinds)
{
    struct fault *fault = fault_of(io);
    mutex_lock(&fault->mu);
    fault->kinds = kinds;
    mutex_unlock(&fault->mu);
}

void io_fault_delay_sync(struct io *io, uint64_t delay_ms)
{
    struct fault *fault = fault_of(io);
    mutex_lock(&fault->mu);
    fault->sync_delay_ms = delay_ms;
    mutex_unlock(&fault->mu);
}
