/*
 * io_posix.c - the real file system.
 *
 * Interrupted calls are made again and short ones continued, except that a sync which reports an error is never repeated:
 * the kernel may have dropped the dirty pages, and a second call would claim success.
 * Threads: all calls are positioned (pread, pwrite), so a file has no state that threads could fight over.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/check.h"
#include "base/fail.h"
#include "io/io.h"

enum {
    FILE_MODE = 0640,
    DIR_MODE = 0750
};

struct posix_file {
    struct io_file file;
    int fd;
    void *map; /* NULL: not mapped */
    size_t map_bytes;
    char path[]; /* for error texts */
};

static const struct io_ops posix_ops;

static struct posix_file *posix_file(struct io_file *file)
{
    return (struct posix_file *)file; /* its first member */
}

static enum kvs_status status_of(int error)
{
    switch (error) {
    case ENOENT:
        return KVS_NOT_FOUND;
    case ENOSPC:
    case EDQUOT:
        return KVS_DISK_FULL;
    case ENOMEM:
        return KVS_NO_MEMORY;
    default:
        return KVS_IO;
    }
}

static enum kvs_status open_fd(const char *path, int flags, struct posix_file **ret)
{
    size_t path_bytes = strlen(path) + 1;
    struct posix_file *file = malloc(sizeof *file + path_bytes);
    if (file == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "open %s", path);
    file->file.ops = &posix_ops;
    file->map = NULL;
    file->map_bytes = 0;
    memcpy(file->path, path, path_bytes);
    do {
        file->fd = open(path, flags | O_CLOEXEC, FILE_MODE);
    } while (file->fd < 0 && errno == EINTR);
    if (file->fd < 0) {
        enum kvs_status status = fail(status_of(errno), errno, "open %s", path);
        free(file);
        return status;
    }
    *ret = file;
    return KVS_OK;
}

static enum kvs_status posix_open(struct io *io, const char *path, enum io_mode mode,
                                  struct io_file **ret)
{
    (void)io;
    int flags = O_RDONLY;
    if (mode == IO_READ_WRITE)
        flags = O_RDWR;
    else if (mode == IO_CREATE)
        flags = O_RDWR | O_CREAT | O_EXCL;
    struct posix_file *file;
    enum kvs_status status = open_fd(path, flags, &file);
    if (status == KVS_OK)
        *ret = &file->file;
    return status;
}

static void posix_close(struct io_file *base)
{
    struct posix_file *file = posix_file(base);
    /* What close() could still report concerns data that nobody synced, and so nobody was promised. */
    (void)close(file->fd);
    if (file->map != NULL)
        CHECK(munmap(file->map, file->map_bytes) == 0);
    free(file);
}

/* preadv2() never waits for the disk with RWF_NOWAIT; file systems that cannot promise that are taken as waiting. */
static bool would_wait(int error)
{
    return error == EAGAIN || error == EOPNOTSUPP || error == ENOSYS;
}

static enum kvs_status posix_read(struct io_file *base, uint64_t off, void *buf, size_t len,
                                  bool no_block, size_t *ret_len)
{
    struct posix_file *file = posix_file(base);
    size_t done = 0;
    while (done < len) {
        struct iovec part = { (char *)buf + done, len - done };
        ssize_t got = preadv2(file->fd, &part, 1, (off_t)(off + done), no_block ? RWF_NOWAIT : 0);
        if (got > 0) {
            done += (size_t)got;
        } else if (got == 0) {
            break;
        } else if (no_block && would_wait(errno)) {
            return KVS_WOULD_BLOCK;
        } else if (errno != EINTR) {
            return fail(status_of(errno), errno, "read %zu bytes at %" PRIu64 " of %s", len, off,
                        file->path);
        }
    }
    *ret_len = done;
    return KVS_OK;
}

static enum kvs_status posix_write(struct io_file *base, uint64_t off, const void *buf, size_t len)
{
    struct posix_file *file = posix_file(base);
    size_t done = 0;
    while (done < len) {
        ssize_t put = pwrite(file->fd, (const char *)buf + done, len - done, (off_t)(off + done));
        if (put > 0)
            done += (size_t)put;
        else if (put == 0 || errno != EINTR)
            return fail(put == 0 ? KVS_IO : status_of(errno), put == 0 ? EIO : errno,
                        "write %zu bytes at %" PRIu64 " of %s", len, off, file->path);
    }
    return KVS_OK;
}

static enum kvs_status posix_sync(struct io_file *base)
{
    struct posix_file *file = posix_file(base);
    while (fdatasync(file->fd) != 0) {
        if (errno != EINTR)
            return fail(status_of(errno), errno, "sync %s", file->path);
    }
    return KVS_OK;
}

/*
 * Growing a file without reserving: for file systems that have no fallocate(). Between looking and cutting, a write beyond
 * @end would be lost, so on those file systems a file must not be written beyond the space being allocated meanwhile.
 */
static enum kvs_status grow(struct posix_file *file, uint64_t end)
{
    struct stat info;
    if (fstat(file->fd, &info) != 0)
        return fail(status_of(errno), errno, "size of %s", file->path);
    if ((uint64_t)info.st_size >= end)
        return KVS_OK;
    while (ftruncate(file->fd, (off_t)end) != 0) {
        if (errno != EINTR)
            return fail(status_of(errno), errno, "grow %s to %" PRIu64 " bytes", file->path, end);
    }
    return KVS_OK;
}

static enum kvs_status posix_allocate(struct io_file *base, uint64_t off, uint64_t len)
{
    struct posix_file *file = posix_file(base);
    if (len == 0)
        return KVS_OK;
    while (fallocate(file->fd, 0, (off_t)off, (off_t)len) != 0) {
        if (errno == EOPNOTSUPP || errno == ENOSYS)
            return grow(file, off + len);
        if (errno != EINTR)
            return fail(status_of(errno), errno, "allocate %" PRIu64 " bytes at %" PRIu64 " of %s",
                        len, off, file->path);
    }
    return KVS_OK;
}

/* File systems that write a block where it lies: a page of written blocks that becomes dirty needs no space. Elsewhere (copy on
 * write, over the network) it may, and then the processor stops the process in the middle of a store. */
static bool writes_in_place(int fd)
{
    struct statfs info;
    if (fstatfs(fd, &info) != 0)
        return false;
    switch ((unsigned long)info.f_type) {
    case EXT4_SUPER_MAGIC:
    case XFS_SUPER_MAGIC:
    case TMPFS_MAGIC:
        return true;
    default:
        return false;
    }
}

static enum kvs_status posix_map(struct io_file *base, uint64_t len)
{
    struct posix_file *file = posix_file(base);
    struct stat info;
    if (fstat(file->fd, &info) != 0)
        return fail(status_of(errno), errno, "size of %s", file->path);
    if (file->map != NULL || (uint64_t)info.st_size < len || !writes_in_place(file->fd))
        return fail(KVS_IO, EOPNOTSUPP, "map %" PRIu64 " bytes of %s", len, file->path);
    void *map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file->fd, 0);
    if (map == MAP_FAILED)
        return fail(status_of(errno), errno, "map %" PRIu64 " bytes of %s", len, file->path);
    (void)mlock(map, len); /* a hint: then it is never read back from the disk */
    file->map = map;
    file->map_bytes = len;
    return KVS_OK;
}

static void posix_store(struct io_file *base, uint64_t off, const void *buf, size_t len)
{
    struct posix_file *file = posix_file(base);
    CHECK(off <= file->map_bytes && len <= file->map_bytes - off);
    memcpy((char *)file->map + off, buf, len);
}

static enum kvs_status posix_size(struct io_file *base, uint64_t *ret_bytes)
{
    struct posix_file *file = posix_file(base);
    struct stat info;
    if (fstat(file->fd, &info) != 0)
        return fail(status_of(errno), errno, "size of %s", file->path);
    *ret_bytes = (uint64_t)info.st_size;
    return KVS_OK;
}

static enum kvs_status posix_rename(struct io *io, const char *from, const char *to)
{
    (void)io;
    if (rename(from, to) != 0)
        return fail(status_of(errno), errno, "rename %s to %s", from, to);
    return KVS_OK;
}

static enum kvs_status posix_unlink(struct io *io, const char *path)
{
    (void)io;
    if (unlink(path) != 0)
        return fail(status_of(errno), errno, "remove %s", path);
    return KVS_OK;
}

static enum kvs_status posix_link(struct io *io, const char *from, const char *to)
{
    (void)io;
    if (link(from, to) != 0)
        return fail(status_of(errno), errno, "link %s to %s", from, to);
    return KVS_OK;
}

static enum kvs_status posix_sync_dir(struct io *io, const char *path)
{
    (void)io;
    struct posix_file *dir;
    enum kvs_status status = open_fd(path, O_RDONLY | O_DIRECTORY, &dir);
    if (status != KVS_OK)
        return status;
    int result;
    do {
        result = fsync(dir->fd);
    } while (result != 0 && errno == EINTR);
    /* EINVAL: this file system keeps its directories in order without being asked. */
    if (result != 0 && errno != EINVAL)
        status = fail(status_of(errno), errno, "sync directory %s", path);
    posix_close(&dir->file);
    return status;
}

/* Makes the last component of @path, whose parents exist, and makes its name durable: nobody else would. */
static enum kvs_status make_one_dir(struct io *io, char *path)
{
    if (mkdir(path, DIR_MODE) != 0) {
        int error = errno;
        struct stat info;
        /* Not only EEXIST: the root of a read-only file system answers EROFS for a directory that is there. */
        if (stat(path, &info) == 0)
            return S_ISDIR(info.st_mode) ? KVS_OK
                                         : fail(KVS_IO, ENOTDIR, "make directory %s", path);
        return fail(status_of(error), error, "make directory %s", path);
    }
    char *slash = strrchr(path, '/');
    if (slash == NULL)
        return posix_sync_dir(io, ".");
    if (slash == path)
        return posix_sync_dir(io, "/");
    *slash = '\0';
    enum kvs_status status = posix_sync_dir(io, path);
    *slash = '/';
    return status;
}

static enum kvs_status posix_make_dir(struct io *io, const char *path)
{
    char *copy = strdup(path);
    if (copy == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "make directory %s", path);
    size_t len = strlen(copy);
    while (len > 1 && copy[len - 1] == '/')
        copy[--len] = '\0';
    enum kvs_status status = KVS_OK;
    for (char *slash = strchr(copy + (len > 0), '/'); slash != NULL && status == KVS_OK;
         slash = strchr(slash + 1, '/')) {
        if (slash[-1] == '/')
            continue; /* "a//b" */
        *slash = '\0';
        status = make_one_dir(io, copy);
        *slash = '/';
    }
    if (status == KVS_OK)
        status = make_one_dir(io, copy);
    free(copy);
    return status;
}

static enum kvs_status posix_list(struct io *io, const char *path, io_list_fn *fn, void *ctx)
{
    (void)io;
    DIR *dir = opendir(path);
    if (dir == NULL)
        return fail(status_of(errno), errno, "list %s", path);
    enum kvs_status status = KVS_OK;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (entry == NULL)
            break;
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            fn(ctx, entry->d_name);
    }
    if (errno != 0)
        status = fail(status_of(errno), errno, "list %s", path);
    (void)closedir(dir);
    return status;
}

static enum kvs_status posix_free_space(struct io *io, const char *path, uint64_t *ret_bytes)
{
    (void)io;
    struct statvfs info;
    while (statvfs(path, &info) != 0) {
        if (errno != EINTR)
            return fail(status_of(errno), errno, "free space of %s", path);
    }
    *ret_bytes = (uint64_t)info.f_bavail * info.f_frsize;
    return KVS_OK;
}

/* Whether @path still names the file that is open: another process may have removed and made it again meanwhile. */
static bool still_named(const struct posix_file *file, const char *path)
{
    struct stat open_info;
    struct stat path_info;
    return fstat(file->fd, &open_info) == 0 && stat(path, &path_info) == 0 &&
           open_info.st_dev == path_info.st_dev && open_info.st_ino == path_info.st_ino;
}

/* KVS_LOCKED, naming the holder by what it wrote into the file. */
static enum kvs_status held_by_another(struct posix_file *file)
{
    char holder[24];
    size_t len;
    if (posix_read(&file->file, 0, holder, sizeof holder - 1, false, &len) != KVS_OK)
        len = 0;
    holder[len] = '\0';
    holder[strspn(holder, "0123456789")] = '\0';
    if (holder[0] == '\0')
        return fail(KVS_LOCKED, 0, "%s is locked by another process", file->path);
    return fail(KVS_LOCKED, 0, "%s is locked by process %s", file->path, holder);
}

/* For the error text of others only, so it may fail: a full disk must not keep a store from opening. */
static void write_holder(struct posix_file *file)
{
    char holder[24];
    int len = snprintf(holder, sizeof holder, "%ld\n", (long)getpid());
    bool is_written =
        ftruncate(file->fd, 0) == 0 && pwrite(file->fd, holder, (size_t)len, 0) == len;
    (void)is_written;
}

/* flock() belongs to the open file, so it keeps out a second opener in this process too, and ends with the process. */
static enum kvs_status posix_lock(struct io *io, const char *path, struct io_file **ret)
{
    (void)io;
    for (;;) {
        struct posix_file *file;
        enum kvs_status status = open_fd(path, O_RDWR | O_CREAT, &file);
        if (status != KVS_OK)
            return status;
        int result;
        do {
            result = flock(file->fd, LOCK_EX | LOCK_NB);
        } while (result != 0 && errno == EINTR);
        if (result != 0 && errno == EWOULDBLOCK)
            status = held_by_another(file);
        else if (result != 0)
            status = fail(status_of(errno), errno, "lock %s", path);
        else if (!still_named(file, path)) {
            posix_close(&file->file);
            continue;
        }
        if (status != KVS_OK) {
            posix_close(&file->file);
            return status;
        }
        write_holder(file);
        *ret = &file->file;
        return KVS_OK;
    }
}

static void posix_free(struct io *io)
{
    (void)io; /* there is one for the whole process */
}

static const struct io_ops posix_ops = {
    .open = posix_open,
    .close = posix_close,
    .read = posix_read,
    .write = posix_write,
    .sync = posix_sync,
    .allocate = posix_allocate,
    .map = posix_map,
    .store = posix_store,
    .size = posix_size,
    .rename = posix_rename,
    .unlink = posix_unlink,
    .link = posix_link,
    .make_dir = posix_make_dir,
    .sync_dir = posix_sync_dir,
    .list = posix_list,
    .free_space = posix_free_space,
    .lock = posix_lock,
    .free = posix_free,
};

struct io *io_posix(void)
{
    static struct io io = { &posix_ops };
    return &io;
}
