/*
 * io.h - THE SEAM: every file call of the project goes through here.
 *
 * io_posix is the real system; io_memory a simulated disk that keeps what is durable apart from what is only written;
 * io_fault wraps another and makes chosen calls fail. Paths are relative to nothing: whole paths, as open(2) takes them.
 *
 * All functions return KVS_OK or fail() with path and reason: KVS_NOT_FOUND (no such file), KVS_DISK_FULL
 * (ENOSPC, EDQUOT), KVS_LOCKED, KVS_WOULD_BLOCK, KVS_NO_MEMORY, else KVS_IO. Interrupted and short calls are continued inside.
 * Threads: any; one struct io_file may be used by several threads at once.
 */
#ifndef IO_IO_H
#define IO_IO_H

#include <stdbool.h>
#include <stdint.h>

#include <kvs/status.h>

struct io;
struct io_file;

enum io_mode {
    IO_READ,       /* existing file, reading only */
    IO_READ_WRITE, /* existing file; never truncates */
    IO_CREATE,     /* new file, must not exist (O_EXCL) */
};

typedef void io_list_fn(void *ctx, const char *name);

struct io_ops {
    enum kvs_status (*open)(struct io *io, const char *path, enum io_mode mode,
                            struct io_file **ret);
    void (*close)(struct io_file *file);

    /* Reads exactly @len bytes at @off, or up to the end of the file: *ret_len tells. no_block: KVS_WOULD_BLOCK
     * rather than waiting for the disk (reads what memory has, or nothing). */
    enum kvs_status (*read)(struct io_file *file, uint64_t off, void *buf, size_t len,
                            bool no_block, size_t *ret_len);

    /* Writes all @len bytes at @off, extending the file as needed. */
    enum kvs_status (*write)(struct io_file *file, uint64_t off, const void *buf, size_t len);

    /* Data (and the size, when it changed) to the disk. Never retried by callers after a failure. */
    enum kvs_status (*sync)(struct io_file *file);

    /* Reserves disk space for [off, off + len) without changing what reads return; the size grows to off + len. */
    enum kvs_status (*allocate)(struct io_file *file, uint64_t off, uint64_t len);

    /* Makes [0, len) of the file, all of it written before, memory that is shared with the system, for store(). KVS_IO: this
     * file system cannot promise that storing never runs out of space. Once for a file, before it is used by several threads. */
    enum kvs_status (*map)(struct io_file *file, uint64_t len);

    /* Puts @len bytes at @off of what is mapped: as write() does, but for the price of a copy, and it never fails. What was stored
     * survives the end of the process, and is durable after sync(). */
    void (*store)(struct io_file *file, uint64_t off, const void *buf, size_t len);

    enum kvs_status (*size)(struct io_file *file, uint64_t *ret_bytes);

    enum kvs_status (*rename)(struct io *io, const char *from,
                              const char *to); /* replaces @to atomically */
    enum kvs_status (*unlink)(struct io *io, const char *path);
    enum kvs_status (*link)(struct io *io, const char *from, const char *to);
    enum kvs_status (*make_dir)(struct io *io,
                                const char *path); /* with parents; existing is fine */
    enum kvs_status (*sync_dir)(struct io *io, const char *path);
    enum kvs_status (*list)(struct io *io, const char *path, io_list_fn *fn,
                            void *ctx); /* no "." and ".." */
    enum kvs_status (*free_space)(struct io *io, const char *path, uint64_t *ret_bytes);

    /* Takes an exclusive lock on the file @path (created when missing); held until io_close. KVS_LOCKED with the holder's
     * process id in the text when another process (or another opener in this one) holds it. */
    enum kvs_status (*lock)(struct io *io, const char *path, struct io_file **ret);

    void (*free)(struct io *io);
};

/* Implementations embed these as their first member. */
struct io {
    const struct io_ops *ops;
};

struct io_file {
    const struct io_ops *ops;
};

/* The real file system; never fails, never freed. */
struct io *io_posix(void);

/* A simulated disk, see io_memory.c: everything in memory, durable apart from written. */
struct io *io_memory_new(void);
/* Power cut: what is not durable is lost (@keep_seed 0) or survives in part (writes kept, dropped or torn by that seed; names
 * changed or not). The disk is on again afterwards. Open files of before stay valid objects whose calls all fail. */
void io_memory_crash(struct io *memory, uint64_t keep_seed);
/* The end of the process (kill -9): everything that was written or stored stays as it was, durable or not. The disk is on again
 * afterwards if it was off, files of before are dead and their locks gone. */
void io_memory_kill(struct io *memory);
/* Bytes the simulated disk may hold before it answers KVS_DISK_FULL; 0: no limit. */
void io_memory_set_capacity(struct io *memory, uint64_t bytes);
/* Calls that changed something or synced so far. */
uint64_t io_memory_calls(struct io *memory);
/* Power goes off right before call number @call (0: never; the next call has number io_memory_calls() + 1), or at once. All
 * calls fail with KVS_IO from then on, so the store on top can be closed without touching the disk, until io_memory_crash()
 * decides what has survived and switches it on again. */
void io_memory_crash_at(struct io *memory, uint64_t call);
void io_memory_power_off(struct io *memory);
bool io_memory_is_off(struct io *memory);

/* Wraps @inner (owned): the @nth call from now on fails with @status, once, or for ever with @forever; 0: none. */
struct io *io_fault_new(struct io *inner, uint64_t nth, enum kvs_status status, bool forever);
void io_fault_arm(struct io *fault, uint64_t nth, enum kvs_status status, bool forever);
uint64_t io_fault_hits(struct io *fault);

/* Only calls of these kinds count: a mask of IO_FAULT_x; default all. */
enum {
    IO_FAULT_OPEN = 1,
    IO_FAULT_READ = 2,
    IO_FAULT_WRITE = 4,
    IO_FAULT_SYNC = 8,
    IO_FAULT_SPACE = 16,
    IO_FAULT_NAME = 32
};

void io_fault_mask(struct io *fault, unsigned kinds);
/* Every sync waits this long first: a slow disk, for tests of who waits for whom. */
void io_fault_delay_sync(struct io *fault, uint64_t delay_ms);

/* Convenience over ops. */
static inline enum kvs_status io_open(struct io *io, const char *path, enum io_mode mode,
                                      struct io_file **ret)
{
    return io->ops->open(io, path, mode, ret);
}

void io_close(struct io_file *file); /* NULL is allowed */
void io_free(struct io *io);         /* NULL is allowed */

/* Reads exactly @len bytes; a shorter file is KVS_CORRUPT with path-less text "unexpected end of file at N". */
KVS_MUST_CHECK enum kvs_status io_read_exact(struct io_file *file, uint64_t off, void *buf,
                                             size_t len);

/* Whole small files: read into memory of at most @max_bytes (free() it); replace atomically: write "path.new", sync, rename,
 * sync the directory. */
KVS_MUST_CHECK enum kvs_status io_read_file(struct io *io, const char *path, size_t max_bytes,
                                            char **ret, size_t *ret_len);
KVS_MUST_CHECK enum kvs_status io_replace_file(struct io *io, const char *dir, const char *name,
                                               const void *data, size_t len);

#endif
