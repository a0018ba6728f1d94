/*
 * memory_names.h - the directories of the simulated disk: which names are there now, and which would be after a power cut.
 *
 * A name made, changed or removed is durable after a sync of its directory. Directories themselves are durable when made, as
 * io_posix makes them. Paths are compared without doubled and trailing slashes and "." components. Threads: under the
 * disk's lock.
 */
#ifndef IO_MEMORY_NAMES_H
#define IO_MEMORY_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include <kvs/status.h>

#include "io/memory_inode.h"
#include "io/random.h"

struct name {
    char *path;
    struct inode *inode; /* referenced */
};

struct name_table {
    struct name *names;
    size_t count;
    size_t capacity;
};

/* An unsynced step: @from is gone, @path means @inode. Either may be NULL; both together are a rename, and atomic. */
struct name_change {
    char *from;
    char *path;
    struct inode *inode;
};

struct names {
    struct name_table now;
    struct name_table durable;
    struct name_change *changes;
    size_t change_count;
    size_t change_capacity;
    char **dirs;
    size_t dir_count;
    size_t dir_capacity;
};

void names_init(struct names *names);
void names_done(struct names *names);

/* A malloc'd copy of @path as the tables spell it; NULL without memory. */
char *path_clean(const char *path);

/* All paths below are clean ones. */

struct inode *names_find(const struct names *names,
                         const char *path); /* lent; NULL: no such file */
bool names_has_dir(const struct names *names, const char *path);
bool names_has_parent(const struct names *names, const char *path);

/* @from NULL: @path begins to mean @inode. @path NULL: @from ends. Both: a rename, which replaces. Keeps inode->name_count right; an inode
 * nobody uses any more lives on while a power cut could bring its name back. KVS_NO_MEMORY: nothing changed. */
KVS_MUST_CHECK enum kvs_status names_change(struct names *names, const char *from, const char *path,
                                            struct inode *inode);

KVS_MUST_CHECK enum kvs_status names_make_dir(struct names *names,
                                              const char *path); /* with parents */
KVS_MUST_CHECK enum kvs_status names_sync_dir(struct names *names, const char *path);

/* The last component of every file and directory in @path: a malloc'd array of malloc'd strings. */
KVS_MUST_CHECK enum kvs_status names_list(const struct names *names, const char *path, char ***ret,
                                          size_t *ret_count);

/* Power cut: unsynced changes are lost (@random NULL), or each by itself as the dice say. */
void names_crash(struct names *names, struct random *random);

#endif
