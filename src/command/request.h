/*
 * request.h - a decoded request: half of the waist between protocols and commands.
 */
#ifndef COMMAND_REQUEST_H
#define COMMAND_REQUEST_H

#include <kvs/status.h>

#include <stddef.h>
#include <stdint.h>

struct command;
struct kvs_blob;

/*
 * Arguments, the command's name first. Borrowed from the decoder until its next call. A value that was streamed to the
 * store as it arrived has args[blob_arg].data NULL and is in blob, owned by the session until a command takes it over
 * (sets blob to NULL).
 */
struct request {
    struct kvs_bytes *args;
    size_t count;
    struct kvs_blob *blob; /* NULL: none */
    size_t blob_arg;       /* which argument it stands for; 0: none */
    const struct command *command; /* what command_lookup() answers for it, when that was asked already; else NULL */
};

#endif
