/*
 * io_memory.c - a simulated disk that can lose its power.
 *
 * Two images of everything: what was written, which all calls see, and what is durable. A file's data and size become
 * durable by its sync, a name (made, linked, renamed, removed) by the sync of its directory; neither implies the other.
 * A power cut leaves the durable image and, with a seed, any selection of the rest: writes whole, torn or lost, names
 * changed or not, all independently, which is more than real file systems do and all that POSIX promises. What was stored into
 * a mapped file is like a write that nobody has asked to keep: the process may end and it stays, the power may not.
 *
 * Power goes off by itself right before a chosen call (io_memory_crash_at) or when told (io_memory_power_off). From then on
 * every call fails, so that the store on top can be closed without touching the disk, until io_memory_crash() decides what
 * has survived and switches the disk on again. Files opened before stay dead.
 *
 * Threads: one lock around everything. Lists are copied out before their callbacks run.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/fail.h"
#include "concurrent/mutex.h"
#include "io/io.h"
#include "io/memory_inode.h"
#include "io/memory_names.h"
#include "io/random.h"

struct memory {
    struct io io;
    struct mutex mu;
    struct names names GUARDED_BY(mu);
    uint64_t capacity_bytes GUARDED_BY(mu); /* 0: no limit */
    uint64_t used_bytes GUARDED_BY(mu);     /* by files that have a name or are open */
    uint64_t calls GUARDED_BY(mu);
    uint64_t crash_at GUARDED_BY(mu);
    uint64_t crashes GUARDED_BY(mu);
    bool is_off GUARDED_BY(mu);
};

struct memory_file {
    struct io_file file;
    struct memory *memory;
    struct inode *inode;
    uint64_t crashes; /* the disk's count when it was opened: a later crash kills it */
    bool can_write;
    bool has_lock;
    char *path;
};

static const struct io_ops memory_ops;

static struct memory *memory_of(struct io *io)
{
    return (struct memory *)io; /* its first member */
}

static struct memory_file *memory_file(struct io_file *file)
{
    return (struct memory_file *)file; /* its first member */
}

static enum kvs_status no_power(const char *what, const char *path)
{
    return fail(KVS_IO, EIO, "%s %s: the simulated disk has no power", what, path);
}

static enum kvs_status check_power(struct memory *memory, const char *what, const char *path)
    REQUIRES(&memory->mu);

static enum kvs_status check_power(struct memory *memory, const char *what, const char *path)
{
    return memory->is_off ? no_power(what, path) : KVS_OK;
}

/* Every call that changes or syncs something comes through here first. */
static enum kvs_status count_call(struct memory *memory, const char *what, const char *path)
    REQUIRES(&memory->mu);

static enum kvs_status count_call(struct memory *memory, const char *what, const char *path)
{
    if (!memory->is_off && ++memory->calls == memory->crash_at)
        memory->is_off = true;
    return check_power(memory, what, path);
}

static enum kvs_status check_file(const struct memory_file *file, const char *what)
    REQUIRES(&file->memory->mu);

static enum kvs_status check_file(const struct memory_file *file, const char *what)
{
    if (file->crashes != file->memory->crashes)
        return no_power(what, file->path);
    return check_power(file->memory, what, file->path);
}

/* ---- Files ---- */

static enum kvs_status file_new(struct memory *memory, const char *path, struct inode *inode,
                                struct memory_file **ret) REQUIRES(&memory->mu);

static enum kvs_status file_new(struct memory *memory, const char *path, struct inode *inode,
                                struct memory_file **ret)
{
    struct memory_file *file = calloc(1, sizeof *file);
    char *copy = strdup(path);
    if (file == NULL || copy == NULL) {
        free(file);
        free(copy);
        return fail(KVS_NO_MEMORY, ENOMEM, "open %s", path);
    }
    file->file.ops = &memory_ops;
    file->memory = memory;
    file->inode = inode_ref(inode);
    inode->open_count++;
    file->crashes = memory->crashes;
    file->path = copy;
    *ret = file;
    return KVS_OK;
}

/* Gives the room of an inode back that nothing uses any more. */
static void release_room(struct memory *memory, const struct inode *inode) REQUIRES(&memory->mu);

static void release_room(struct memory *memory, const struct inode *inode)
{
    if (!inode_is_used(inode))
        memory->used_bytes -= inode->written.len;
}

static void memory_close(struct io_file *base)
{
    struct memory_file *file = memory_file(base);
    struct memory *memory = file->memory;
    mutex_lock(&memory->mu);
    if (file->crashes == memory->crashes) {
        file->inode->open_count--;
        if (file->has_lock)
            file->inode->locked = false;
        release_room(memory, file->inode);
    }
    inode_unref(file->inode);
    mutex_unlock(&memory->mu);
    free(file->path);
    free(file);
}

/* A new, empty file called @path, opened. */
static enum kvs_status create(struct memory *memory, const char *path, struct memory_file **ret)
    REQUIRES(&memory->mu);

static enum kvs_status create(struct memory *memory, const char *path, struct memory_file **ret)
{
    if (!names_has_parent(&memory->names, path))
        return fail(KVS_NOT_FOUND, ENOENT, "open %s", path);
    struct inode *inode = inode_new();
    if (inode == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "open %s", path);
    inode->crashes = memory->crashes;
    struct memory_file *file;
    enum kvs_status status = file_new(memory, path, inode, &file);
    if (status == KVS_OK) {
        status = names_change(&memory->names, NULL, path, inode);
        if (status == KVS_OK) {
            *ret = file;
        } else {
            inode_unref(inode); /* the file's reference */
            free(file->path);
            free(file);
        }
    }
    inode_unref(inode);
    return status;
}

static enum kvs_status open_clean(struct memory *memory, const char *path, enum io_mode mode,
                                  struct memory_file **ret) REQUIRES(&memory->mu);

static enum kvs_status open_clean(struct memory *memory, const char *path, enum io_mode mode,
                                  struct memory_file **ret)
{
    enum kvs_status status =
        mode == IO_CREATE ? count_call(memory, "open", path) : check_power(memory, "open", path);
    if (status != KVS_OK)
        return status;
    struct inode *inode = names_find(&memory->names, path);
    if (mode == IO_CREATE) {
        if (inode != NULL || names_has_dir(&memory->names, path))
            return fail(KVS_IO, EEXIST, "open %s", path);
        status = create(memory, path, ret);
    } else if (inode != NULL) {
        status = file_new(memory, path, inode, ret);
    } else if (mode == IO_READ_WRITE && names_has_dir(&memory->names, path)) {
        return fail(KVS_IO, EISDIR, "open %s", path);
    } else {
        return fail(KVS_NOT_FOUND, ENOENT, "open %s", path);
    }
    if (status == KVS_OK)
        (*ret)->can_write = mode != IO_READ;
    return status;
}

static enum kvs_status memory_open(struct io *io, const char *path, enum io_mode mode,
                                   struct io_file **ret)
{
    struct memory *memory = memory_of(io);
    char *clean = path_clean(path);
    if (clean == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "open %s", path);
    struct memory_file *file = NULL;
    mutex_lock(&memory->mu);
    enum kvs_status status = open_clean(memory, clean, mode, &file);
    mutex_unlock(&memory->mu);
    free(clean);
    if (status == KVS_OK)
        *ret = &file->file;
    return status;
}

static enum kvs_status memory_lock(struct io *io, const char *path, struct io_file **ret)
{
    struct memory *memory = memory_of(io);
    char *clean = path_clean(path);
    if (clean == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "lock %s", path);
    struct memory_file *file = NULL;
    mutex_lock(&memory->mu);
    enum kvs_status status = count_call(memory, "lock", clean);
    if (status == KVS_OK) {
        struct inode *inode = names_find(&memory->names, clean);
        if (inode == NULL)
            status = create(memory, clean, &file);
        else if (inode->locked)
            status = fail(KVS_LOCKED, 0, "%s is locked by process %ld", clean, (long)getpid());
        else
            status = file_new(memory, clean, inode, &file);
    }
    if (status == KVS_OK) {
        file->inode->locked = true;
        file->has_lock = true;
        file->can_write = true;
        *ret = &file->file;
    }
    mutex_unlock(&memory->mu);
    free(clean);
    return status;
}

static enum kvs_status memory_read(struct io_file *base, uint64_t off, void *buf, size_t len,
                                   bool no_block, size_t *ret_len)
{
    (void)no_block; /* it is all in memory */
    struct memory_file *file = memory_file(base);
    mutex_lock(&file->memory->mu);
    enum kvs_status status = check_file(file, "read");
    if (status == KVS_OK) {
        const struct image *image = &file->inode->written;
        size_t got = off >= image->len ? 0 : image->len - (size_t)off;
        if (got > len)
            got = len;
        if (got > 0)
            memcpy(buf, image->data + off, got);
        *ret_len = got;
    }
    mutex_unlock(&file->memory->mu);
    return status;
}

static enum kvs_status check_writable(const struct memory_file *file, const char *what,
                                      uint64_t off, uint64_t len) REQUIRES(&file->memory->mu);

static enum kvs_status check_writable(const struct memory_file *file, const char *what,
                                      uint64_t off, uint64_t len)
{
    enum kvs_status status = check_file(file, what);
    if (status != KVS_OK)
        return status;
    if (!file->can_write)
        return fail(KVS_IO, EBADF, "%s %s", what, file->path);
    if (off > INT64_MAX || len > INT64_MAX - off)
        return fail(KVS_IO, EFBIG, "%s %" PRIu64 " bytes at %" PRIu64 " of %s", what, len, off,
                    file->path);
    return KVS_OK;
}

/* How far the file may grow towards @end before the disk is full. */
static uint64_t reachable_end(const struct memory *memory, const struct inode *inode, uint64_t end)
    REQUIRES(&memory->mu);

static uint64_t reachable_end(const struct memory *memory, const struct inode *inode, uint64_t end)
{
    uint64_t len = inode->written.len;
    if (memory->capacity_bytes == 0 || end <= len)
        return end;
    uint64_t room = memory->used_bytes < memory->capacity_bytes
                        ? memory->capacity_bytes - memory->used_bytes
                        : 0;
    return end - len <= room ? end : len + room;
}

static enum kvs_status write_locked(struct memory_file *file, uint64_t off, const void *buf,
                                    size_t len) REQUIRES(&file->memory->mu);

static enum kvs_status write_locked(struct memory_file *file, uint64_t off, const void *buf,
                                    size_t len)
{
    struct inode *inode = file->inode;
    uint64_t old_len = inode->written.len;
    uint64_t end = reachable_end(file->memory, inode, off + len);
    /* Like the system call: what fits is written, and the failure comes afterwards. */
    size_t fits = end > off ? (size_t)(end - off) : 0;
    if (fits > len)
        fits = len;
    enum kvs_status status = inode_write(inode, off, buf, fits);
    if (status != KVS_OK)
        return status;
    file->memory->used_bytes += inode->written.len - old_len;
    if (fits < len)
        return fail(KVS_DISK_FULL, ENOSPC, "write %zu bytes at %" PRIu64 " of %s", len, off,
                    file->path);
    return KVS_OK;
}

static enum kvs_status memory_write(struct io_file *base, uint64_t off, const void *buf, size_t len)
{
    struct memory_file *file = memory_file(base);
    mutex_lock(&file->memory->mu);
    enum kvs_status status = count_call(file->memory, "write", file->path);
    if (status == KVS_OK)
        status = check_writable(file, "write", off, len);
    if (status == KVS_OK)
        status = write_locked(file, off, buf, len);
    mutex_unlock(&file->memory->mu);
    return status;
}

static enum kvs_status memory_sync(struct io_file *base)
{
    struct memory_file *file = memory_file(base);
    mutex_lock(&file->memory->mu);
    enum kvs_status status = count_call(file->memory, "sync", file->path);
    if (status == KVS_OK)
        status = check_file(file, "sync");
    if (status == KVS_OK)
        status = inode_sync(file->inode);
    mutex_unlock(&file->memory->mu);
    return status;
}

static enum kvs_status allocate_locked(struct memory_file *file, uint64_t off, uint64_t len)
    REQUIRES(&file->memory->mu);

static enum kvs_status allocate_locked(struct memory_file *file, uint64_t off, uint64_t len)
{
    uint64_t old_len = file->inode->written.len;
    if (reachable_end(file->memory, file->inode, off + len) < off + len)
        return fail(KVS_DISK_FULL, ENOSPC, "allocate %" PRIu64 " bytes at %" PRIu64 " of %s", len,
                    off, file->path);
    enum kvs_status status = inode_grow(file->inode, off + len);
    file->memory->used_bytes += file->inode->written.len - old_len;
    return status;
}

static enum kvs_status memory_allocate(struct io_file *base, uint64_t off, uint64_t len)
{
    struct memory_file *file = memory_file(base);
    mutex_lock(&file->memory->mu);
    enum kvs_status status = count_call(file->memory, "allocate", file->path);
    if (status == KVS_OK)
        status = check_writable(file, "allocate", off, len);
    if (status == KVS_OK && len > 0)
        status = allocate_locked(file, off, len);
    mutex_unlock(&file->memory->mu);
    return status;
}

static enum kvs_status memory_map(struct io_file *base, uint64_t len)
{
    struct memory_file *file = memory_file(base);
    mutex_lock(&file->memory->mu);
    enum kvs_status status = count_call(file->memory, "map", file->path);
    if (status == KVS_OK)
        status = check_writable(file, "map", 0, len);
    if (status == KVS_OK && file->inode->written.len < len)
        status = fail(KVS_IO, EINVAL, "map %" PRIu64 " bytes of %s", len, file->path);
    if (status == KVS_OK)
        status = inode_map(file->inode, len);
    mutex_unlock(&file->memory->mu);
    return status;
}

/* Without power, nothing happens: the machine that would notice is off. */
static void memory_store(struct io_file *base, uint64_t off, const void *buf, size_t len)
{
    struct memory_file *file = memory_file(base);
    mutex_lock(&file->memory->mu);
    if (count_call(file->memory, "store", file->path) == KVS_OK &&
        check_file(file, "store") == KVS_OK)
        inode_store(file->inode, off, buf, len);
    mutex_unlock(&file->memory->mu);
}

static enum kvs_status memory_size(struct io_file *base, uint64_t *ret_bytes)
{
    struct memory_file *file = memory_file(base);
    mutex_lock(&file->memory->mu);
    enum kvs_status status = check_file(file, "size of");
    if (status == KVS_OK)
        *ret_bytes = file->inode->written.len;
    mutex_unlock(&file->memory->mu);
    return status;
}

/* ---- Names ---- */

/* Changes names and gives back the room of the file that lost its last one. */
static enum kvs_status change_names(struct memory *memory, const char *from, const char *path,
                                    struct inode *inode) REQUIRES(&memory->mu);

static enum kvs_status change_names(struct memory *memory, const char *from, const char *path,
                                    struct inode *inode)
{
    struct inode *loser = names_find(&memory->names, path != NULL ? path : from);
    if (loser != NULL)
        inode_ref(loser);
    enum kvs_status status = names_change(&memory->names, from, path, inode);
    if (status == KVS_OK && loser != NULL)
        release_room(memory, loser);
    inode_unref(loser);
    return status;
}

static enum kvs_status rename_clean(struct memory *memory, const char *from, const char *to)
    REQUIRES(&memory->mu);

static enum kvs_status rename_clean(struct memory *memory, const char *from, const char *to)
{
    struct inode *inode = names_find(&memory->names, from);
    if (inode == NULL || !names_has_parent(&memory->names, to))
        return fail(KVS_NOT_FOUND, ENOENT, "rename %s to %s", from, to);
    if (names_has_dir(&memory->names, to))
        return fail(KVS_IO, EISDIR, "rename %s to %s", from, to);
    if (names_find(&memory->names, to) == inode)
        return KVS_OK; /* two names of one file: POSIX leaves both */
    return change_names(memory, from, to, inode);
}

static enum kvs_status unlink_clean(struct memory *memory, const char *path) REQUIRES(&memory->mu);

static enum kvs_status unlink_clean(struct memory *memory, const char *path)
{
    if (names_has_dir(&memory->names, path))
        return fail(KVS_IO, EISDIR, "remove %s", path);
    if (names_find(&memory->names, path) == NULL)
        return fail(KVS_NOT_FOUND, ENOENT, "remove %s", path);
    return change_names(memory, path, NULL, NULL);
}

static enum kvs_status link_clean(struct memory *memory, const char *from, const char *to)
    REQUIRES(&memory->mu);

static enum kvs_status link_clean(struct memory *memory, const char *from, const char *to)
{
    struct inode *inode = names_find(&memory->names, from);
    if (inode == NULL || !names_has_parent(&memory->names, to))
        return fail(KVS_NOT_FOUND, ENOENT, "link %s to %s", from, to);
    if (names_find(&memory->names, to) != NULL || names_has_dir(&memory->names, to))
        return fail(KVS_IO, EEXIST, "link %s to %s", from, to);
    return change_names(memory, NULL, to, inode);
}

static enum kvs_status sync_dir_clean(struct memory *memory, const char *path)
    REQUIRES(&memory->mu);

static enum kvs_status sync_dir_clean(struct memory *memory, const char *path)
{
    if (!names_has_dir(&memory->names, path))
        return fail(KVS_NOT_FOUND, ENOENT, "sync directory %s", path);
    return names_sync_dir(&memory->names, path);
}

enum name_call {
    CALL_RENAME,
    CALL_UNLINK,
    CALL_LINK,
    CALL_MAKE_DIR,
    CALL_SYNC_DIR
};

static enum kvs_status do_name_call(struct memory *memory, enum name_call call, const char *path,
                                    const char *to) REQUIRES(&memory->mu);

static enum kvs_status do_name_call(struct memory *memory, enum name_call call, const char *path,
                                    const char *to)
{
    static const char *const verbs[] = { "rename", "remove", "link", "make directory",
                                         "sync directory" };
    enum kvs_status status = count_call(memory, verbs[call], path);
    if (status != KVS_OK)
        return status;
    switch (call) {
    case CALL_RENAME:
        return rename_clean(memory, path, to);
    case CALL_UNLINK:
        return unlink_clean(memory, path);
    case CALL_LINK:
        return link_clean(memory, path, to);
    case CALL_MAKE_DIR:
        return names_make_dir(&memory->names, path);
    case CALL_SYNC_DIR:
        return sync_dir_clean(memory, path);
    }
    return KVS_IO; /* not reached: the switch is complete */
}

static enum kvs_status name_call(struct io *io, enum name_call call, const char *path,
                                 const char *to)
{
    struct memory *memory = memory_of(io);
    char *clean = path_clean(path);
    char *clean_to = path_clean(to != NULL ? to : "");
    enum kvs_status status;
    if (clean == NULL || clean_to == NULL) {
        status = fail(KVS_NO_MEMORY, ENOMEM, "simulated directory of %s", path);
    } else {
        mutex_lock(&memory->mu);
        status = do_name_call(memory, call, clean, clean_to);
        mutex_unlock(&memory->mu);
    }
    free(clean);
    free(clean_to);
    return status;
}

static enum kvs_status memory_rename(struct io *io, const char *from, const char *to)
{
    return name_call(io, CALL_RENAME, from, to);
}

static enum kvs_status memory_unlink(struct io *io, const char *path)
{
    return name_call(io, CALL_UNLINK, path, NULL);
}

static enum kvs_status memory_link(struct io *io, const char *from, const char *to)
{
    return name_call(io, CALL_LINK, from, to);
}

static enum kvs_status memory_make_dir(struct io *io, const char *path)
{
    return name_call(io, CALL_MAKE_DIR, path, NULL);
}

static enum kvs_status memory_sync_dir(struct io *io, const char *path)
{
    return name_call(io, CALL_SYNC_DIR, path, NULL);
}

static enum kvs_status memory_list(struct io *io, const char *path, io_list_fn *fn, void *ctx)
{
    struct memory *memory = memory_of(io);
    char *clean = path_clean(path);
    if (clean == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "list %s", path);
    char **list = NULL;
    size_t count = 0;
    mutex_lock(&memory->mu);
    enum kvs_status status = check_power(memory, "list", clean);
    if (status == KVS_OK && !names_has_dir(&memory->names, clean))
        status = fail(KVS_NOT_FOUND, ENOENT, "list %s", clean);
    if (status == KVS_OK)
        status = names_list(&memory->names, clean, &list, &count);
    mutex_unlock(&memory->mu);
    free(clean);
    for (size_t i = 0; i < count; i++) {
        fn(ctx, list[i]);
        free(list[i]);
    }
    free(list);
    return status;
}

static enum kvs_status memory_free_space(struct io *io, const char *path, uint64_t *ret_bytes)
{
    struct memory *memory = memory_of(io);
    mutex_lock(&memory->mu);
    enum kvs_status status = check_power(memory, "free space of", path);
    if (status == KVS_OK) {
        /* Without a limit, plenty; but not so much that sums of it overflow. */
        uint64_t capacity =
            memory->capacity_bytes == 0 ? UINT64_C(1) << 50 : memory->capacity_bytes;
        *ret_bytes = memory->used_bytes < capacity ? capacity - memory->used_bytes : 0;
    }
    mutex_unlock(&memory->mu);
    return status;
}

static void memory_free(struct io *io)
{
    struct memory *memory = memory_of(io);
    names_done(&memory->names);
    mutex_done(&memory->mu);
    free(memory);
}

static const struct io_ops memory_ops = {
    .open = memory_open,
    .close = memory_close,
    .read = memory_read,
    .write = memory_write,
    .sync = memory_sync,
    .allocate = memory_allocate,
    .map = memory_map,
    .store = memory_store,
    .size = memory_size,
    .rename = memory_rename,
    .unlink = memory_unlink,
    .link = memory_link,
    .make_dir = memory_make_dir,
    .sync_dir = memory_sync_dir,
    .list = memory_list,
    .free_space = memory_free_space,
    .lock = memory_lock,
    .free = memory_free,
};

/* ---- The disk itself ---- */

struct io *io_memory_new(void)
{
    struct memory *memory = calloc(1, sizeof *memory);
    CHECK(memory != NULL); /* for tests, which could do nothing with a failure */
    memory->io.ops = &memory_ops;
    mutex_init(&memory->mu);
    names_init(&memory->names);
    return &memory->io;
}

void io_memory_crash(struct io *io, uint64_t keep_seed)
{
    struct memory *memory = memory_of(io);
    struct random dice;
    random_seed(&dice, keep_seed);
    struct random *random = keep_seed == 0 ? NULL : &dice;

    mutex_lock(&memory->mu);
    names_crash(&memory->names, random);
    memory->crashes++;
    memory->used_bytes = 0;
    for (size_t i = 0; i < memory->names.now.count; i++) {
        struct inode *inode = memory->names.now.names[i].inode;
        if (inode->crashes == memory->crashes)
            continue; /* met already under another name */
        inode->crashes = memory->crashes;
        inode_crash(inode, random);
        memory->used_bytes += inode->written.len;
    }
    memory->is_off = false;
    memory->crash_at = 0;
    mutex_unlock(&memory->mu);
}

void io_memory_kill(struct io *io)
{
    struct memory *memory = memory_of(io);
    mutex_lock(&memory->mu);
    memory->crashes++;
    memory->used_bytes = 0;
    for (size_t i = 0; i < memory->names.now.count; i++) {
        struct inode *inode = memory->names.now.names[i].inode;
        if (inode->crashes == memory->crashes)
            continue; /* met already under another name */
        inode->crashes = memory->crashes;
        inode->locked = false;
        inode->open_count = 0;
        memory->used_bytes += inode->written.len;
    }
    memory->is_off = false;
    memory->crash_at = 0;
    mutex_unlock(&memory->mu);
}

void io_memory_power_off(struct io *io)
{
    struct memory *memory = memory_of(io);
    mutex_lock(&memory->mu);
    memory->is_off = true;
    mutex_unlock(&memory->mu);
}

bool io_memory_is_off(struct io *io)
{
    struct memory *memory = memory_of(io);
    mutex_lock(&memory->mu);
    bool is_off = memory->is_off;
    mutex_unlock(&memory->mu);
    return is_off;
}

void io_memory_set_capacity(struct io *io, uint64_t bytes)
{
    struct memory *memory = memory_of(io);
    mutex_lock(&memory->mu);
    memory->capacity_bytes = bytes;
    mutex_unlock(&memory->mu);
}

uint64_t io_memory_calls(struct io *io)
{
    struct memory *memory = memory_of(io);
    mutex_lock(&memory->mu);
    uint64_t calls = memory->calls;
    mutex_unlock(&memory->mu);
    return calls;
}

void io_memory_crash_at(struct io *io, uint64_t call)
{
    struct memory *memory = memory_of(io);
    mutex_lock(&memory->mu);
    memory->crash_at = call;
    mutex_unlock(&memory->mu);
}
