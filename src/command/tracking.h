/*
 * tracking.h - what the runner does for a client that caches what it reads. Private to the room.
 *
 * A key is remembered before it is read and once more behind it. Before: a write that commits after the read finds it remembered. Behind:
 * a write that committed in between has made the server forget it again, and the client, told of that write, may have read
 * something newer that it caches. Invalidations reach the client behind the answer, so that neither makes it keep anything stale.
 */
#ifndef COMMAND_TRACKING_H
#define COMMAND_TRACKING_H

#include "command/command.h"

/* Are the keys that the command reads (EXEC: its queue) to be remembered? */
bool tracking_wants(const struct command_ctx *ctx);
void tracking_remember(struct command_ctx *ctx);

/* RESET: off. */
void tracking_reset(struct command_ctx *ctx);

#endif
