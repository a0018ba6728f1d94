/*
 * directory.h - the store's directory: who made it (file ENGINE), who has it open (file LOCK). Thread: any.
 */
#ifndef STORE_DIRECTORY_H
#define STORE_DIRECTORY_H

#include "io/io.h"

enum {
    DIRECTORY_NAME_BYTES = 32
}; /* an engine's name and its NUL */

#define DIRECTORY_MARKER     "ENGINE"
#define DIRECTORY_LOCK       "LOCK"
#define DIRECTORY_UNFINISHED "UNFINISHED" /* while a restore or a repair fills the directory */
#define DIRECTORY_BACKUP     "BACKUP"     /* makes a directory a backup, and complete */

/*
 * The name in @dir's marker into @ret; "" when there is no directory or no marker in it.
 * Errors: KVS_WRONG_FORMAT (the marker holds no name), KVS_IO, KVS_NO_MEMORY.
 */
KVS_MUST_CHECK enum kvs_status directory_engine(struct io *io, const char *dir,
                                                char ret[DIRECTORY_NAME_BYTES]);

/* KVS_WRONG_FORMAT when @dir, which has no marker, holds files that look like an engine's. A missing one is fine. */
KVS_MUST_CHECK enum kvs_status directory_check_unmarked(struct io *io, const char *dir);

/* KVS_WRONG_FORMAT when @dir is not, or not yet, a store: a backup, or what a restore or repair has left unfinished. */
KVS_MUST_CHECK enum kvs_status directory_check_whole(struct io *io, const char *dir);

/* Takes the lock of @dir, which exists. KVS_LOCKED names the holder. Closed with io_close(). */
KVS_MUST_CHECK enum kvs_status directory_lock(struct io *io, const char *dir, struct io_file **ret);

/* Writes the marker, durably. */
KVS_MUST_CHECK enum kvs_status directory_mark(struct io *io, const char *dir, const char *engine);

/* Takes the marker away again when nothing but it and the lock is in @dir: an open that failed leaves no trace. */
void directory_unmark_empty(struct io *io, const char *dir);

/* ---- Directories that are filled: backups, restored and repaired stores ---- */

/* The names of the files in @dir, sorted. KVS_NOT_FOUND: there is no such directory. */
struct directory_names {
    char **names;
    size_t count;
    size_t capacity;
    bool no_memory; /* private */
};
KVS_MUST_CHECK enum kvs_status directory_list(struct io *io, const char *dir,
                                              struct directory_names *ret);
void directory_names_done(struct directory_names *names);

/* "dir/name", malloc'd; NULL: no memory, recorded. */
KVS_MUST_CHECK char *directory_path(const char *dir, const char *name);

/* Makes @dir where it is missing; KVS_INVALID when something but a lock is in it. */
KVS_MUST_CHECK enum kvs_status directory_make_empty(struct io *io, const char *dir);

/* Removes every file in @dir but a lock, as far as that goes: @dir was empty before what has failed. Keeps the detail of that failure. */
void directory_clear(struct io *io, const char *dir);

/* Begins to fill @dir, empty or missing, with a store: it is marked as unfinished, and locked. And ends it: the marker of
 * @engine says that it is one. */
KVS_MUST_CHECK enum kvs_status directory_begin(struct io *io, const char *dir,
                                               struct io_file **ret_lock);
KVS_MUST_CHECK enum kvs_status directory_finish(struct io *io, const char *dir, const char *engine);

#endif
