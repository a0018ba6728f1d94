/*
 * monitor.h - showing commands to clients that MONITOR, and which arguments are secret. Private to the room, but for the last.
 */
#ifndef COMMAND_MONITOR_H
#define COMMAND_MONITOR_H

#include "command/command.h"

/* Shows ctx's command, and of EXEC what was queued. */
void monitor_show(struct command_ctx *ctx);

/* RESET: it sees no more. */
void monitor_reset(struct command_ctx *ctx);

/* The first argument that nobody else is to see; @count: there is none. For the slow log too. */
size_t monitor_redacted(const struct command *command, const struct kvs_bytes *args, size_t count);

#endif
