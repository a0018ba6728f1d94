/*
 * bitmap.h - what the commands on bits share. Private to the room.
 */
#ifndef COMMAND_BITMAP_H
#define COMMAND_BITMAP_H

#include "command/command.h"

/*
 * Argument @arg as the number of a bit, within the longest value there may be; with @bits not 0, "#n" is the n-th group of so many. False: the
 * error was replied.
 */
bool bitmap_offset(struct command_ctx *ctx, size_t arg, unsigned bits, uint64_t *ret);

#endif
