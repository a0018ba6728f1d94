/*
 * keys.h - which arguments of a request are keys. Private to the room.
 */
#ifndef COMMAND_KEYS_H
#define COMMAND_KEYS_H

#include "command/command.h"

/* Calls @fn with the position of each key of a request that @command takes; @fn answers false to stop. False: it did. */
typedef bool keys_fn(void *arg, size_t position);
bool keys_each(const struct command *command, const struct kvs_bytes *args, size_t count,
               keys_fn *fn, void *arg);

#endif
