/*
 * backup_list.h - the file BACKUP: what a backup is of, and which files belong to it. Thread: any.
 */
#ifndef STORE_BACKUP_LIST_H
#define STORE_BACKUP_LIST_H

#include "store/directory.h"

struct backup_file {
    char *name;
    uint64_t bytes;
    uint32_t crc; /* CRC-32C of all of them */
};

struct backup_list {
    char engine[DIRECTORY_NAME_BYTES];
    bool records; /* one file of records; else the engine's own files */
    uint64_t position;
    int64_t time_ms;
    struct backup_file *files;
    size_t count;
    size_t capacity;
};

/* Adds a file; the name is copied. KVS_INVALID: no file of a backup is called that. */
KVS_MUST_CHECK enum kvs_status backup_list_add(struct backup_list *list, const char *name,
                                               uint64_t bytes, uint32_t crc);
void backup_list_done(struct backup_list *list);

/* Writes and reads @dir/BACKUP. Reading: KVS_NOT_FOUND, KVS_WRONG_FORMAT (newer), KVS_CORRUPT. */
KVS_MUST_CHECK enum kvs_status backup_list_write(struct io *io, const char *dir,
                                                 const struct backup_list *list);
KVS_MUST_CHECK enum kvs_status backup_list_read(struct io *io, const char *dir,
                                                struct backup_list *ret);

#endif
