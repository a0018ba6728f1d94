/*
 * transfer.h - import and export, for both command lines.
 */
#ifndef APP_TRANSFER_H
#define APP_TRANSFER_H

#include "app/record.h"
#include "app/sink.h"

struct transfer {
    const char *program; /* for messages: "kvs" */
    const char *path;    /* "-": standard input or output */
    enum record_format format;
    uint64_t skip;           /* import: records not to store */
    struct kvs_bytes prefix; /* export: of the keys */
};

/* Reads records from the file into @sink. Messages, progress and summary go to stderr; returns the exit code. */
int transfer_import(const struct transfer *transfer, struct sink *sink);

/* Writes the keys of space 0 of @db, at one version (NULL: of a store that does not exist); or of the server behind @client, each
 * as it is when it is read. */
int transfer_export_local(const struct transfer *transfer, struct kvs *db);
int transfer_export_remote(const struct transfer *transfer, struct kvs_client *client);

#endif
