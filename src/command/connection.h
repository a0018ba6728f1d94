/*
 * connection.h - a client's texts, which several commands set. Private to the room.
 */
#ifndef COMMAND_CONNECTION_H
#define COMMAND_CONNECTION_H

#include <stdbool.h>

#include "command/command.h"

/* Only '!' to '~', so that CLIENT LIST stays readable by machines. */
bool connection_text_is_plain(struct kvs_bytes text);

/* The same for a name; false: the error was replied. */
bool connection_check_name(struct command_ctx *ctx, struct kvs_bytes name);

/* Sets a text of ctx->client to a copy of @text; empty: none. */
KVS_MUST_CHECK enum kvs_status connection_set_text(struct command_ctx *ctx, char **field,
                                                   struct kvs_bytes text);

/* Answers that this program has no such thing (a member of the host is missing). Returns KVS_OK. */
enum kvs_status connection_unavailable(struct command_ctx *ctx);

/* Answers what the table says of @container's subcommands, in the form of every HELP of Redis: a head line, then pairs of lines. */
enum kvs_status connection_help(struct command_ctx *ctx, const char *container);

#endif
