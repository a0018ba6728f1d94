/*
 * subscribe.h - what RESET needs of the subscriptions. Private to the room.
 */
#ifndef COMMAND_SUBSCRIBE_H
#define COMMAND_SUBSCRIBE_H

#include "command/command.h"

/* Ends all subscriptions of ctx->client without answering anything. */
void subscribe_reset(struct command_ctx *ctx);

#endif
