/*
 * events.h - what a run wants to tell others once it has taken effect: messages published inside EXEC, and keys it wrote, when
 * somebody watches. A run that is undone tells nothing. Private to the room.
 */
#ifndef COMMAND_EVENTS_H
#define COMMAND_EVENTS_H

#include "command/command.h"

/* Notes a message. */
KVS_MUST_CHECK enum kvs_status events_publish(struct command_ctx *ctx, enum host_topic kind,
                                              struct kvs_bytes channel, struct kvs_bytes payload);

/* Makes @ctx's transaction note what is written, or stop doing so. */
void events_observe(struct command_ctx *ctx);

/* Notes a write past the transaction. */
void events_set(struct command_ctx *ctx, struct kvs_bytes key, int64_t expire_ms);

/* After a command that reads has run: tells of the keys it did not find, when somebody wants to know. */
void events_misses(struct command_ctx *ctx);

/* Is anything noted? Only then need the others be called. */
static inline bool events_pending(const struct client *client)
{
    return client->events != NULL;
}

/* Forgets all; or tells all, which depends on @position, and forgets it. */
void events_clear(struct client *client);
void events_tell(struct command_ctx *ctx, uint64_t position);

/* Tells that anything may have changed. */
void events_tell_all_changed(const struct command_ctx *ctx, uint64_t position);

#endif
