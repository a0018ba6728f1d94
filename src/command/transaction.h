/*
 * transaction.h - what the runner needs of MULTI, EXEC and WATCH. Private to the room. Thread: the one that runs the client's
 * command.
 */
#ifndef COMMAND_TRANSACTION_H
#define COMMAND_TRANSACTION_H

#include "command/command.h"

/* Queues @request and answers QUEUED, or the error that makes EXEC fail. */
void transaction_queue(struct client *client, const struct command *command,
                       const struct request *request, struct reply *reply);

/* A command was refused before it could run or be queued: EXEC of the MULTI it stands in, if any, will be refused too. */
void transaction_fail(struct client *client);

/* Ends MULTI and WATCH. */
void transaction_discard(struct client *client, struct kvs *db);

/* Does the queue hold a command that has one of @flags? */
bool transaction_has(const struct client *client, uint32_t flags);

/* Calls @fn for each command of the queue. */
typedef void transaction_fn(void *arg, const struct command *command,
                            const struct request *request);
void transaction_each(const struct client *client, transaction_fn *fn, void *arg);

/*
 * Has a watched key been touched since its WATCH? KVS_OK: none has. KVS_CONFLICT: one has, *ret_position is the dependency
 * of that answer. Or KVS_WOULD_BLOCK, or a failure.
 */
KVS_MUST_CHECK enum kvs_status transaction_check_watches(struct client *client, bool no_block,
                                                         uint64_t *ret_position);

#endif
