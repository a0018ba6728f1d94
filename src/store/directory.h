/*
 * directory.h - the store's directory: who made it (file ENGINE), who has it open (file LOCK). Thread: any.
 */
#ifndef STORE_DIRECTORY_H
#define STORE_DIRECTORY_H

#include "io/io.h"

enum {
    DIRECTORY_NAME_BYTES = 32
}; /* an engine's name and its NUL */

/*
 * The name in @dir's marker into @ret; "" when there is no directory or no marker in it.
 * Errors: KVS_WRONG_FORMAT (the marker holds no name), KVS_IO, KVS_NO_MEMORY.
 */
KVS_MUST_CHECK enum kvs_status directory_engine(struct io *io, const char *dir,
                                                char ret[DIRECTORY_NAME_BYTES]);

/* KVS_WRONG_FORMAT when @dir, which has no marker, holds files that look like an engine's. A missing one is fine. */
KVS_MUST_CHECK enum kvs_status directory_check_unmarked(struct io *io, const char *dir);

/* Takes the lock of @dir, which exists. KVS_LOCKED names the holder. Closed with io_close(). */
KVS_MUST_CHECK enum kvs_status directory_lock(struct io *io, const char *dir, struct io_file **ret);

/* Writes the marker, durably. */
KVS_MUST_CHECK enum kvs_status directory_mark(struct io *io, const char *dir, const char *engine);

/* Takes the marker away again when nothing but it and the lock is in @dir: an open that failed leaves no trace. */
void directory_unmark_empty(struct io *io, const char *dir);

#endif
