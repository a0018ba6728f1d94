/*
 * prompt_words.h - what the prompt knows of commands: words of a line, completions, hints, help. From the command table.
 */
#ifndef APP_PROMPT_WORDS_H
#define APP_PROMPT_WORDS_H

#include <stdbool.h>
#include <stdio.h>

#include "base/buf.h"

/*
 * What may follow @line (up to the cursor) so that a command's, or subcommand's, name is complete: the common part of all that
 * fit, into @ret_rest, with a blank behind when there is only one. @ret_names gets their names, with blanks between. Returns
 * how many fit.
 */
size_t words_complete(struct kvs_bytes line, struct buf *ret_rest, struct buf *ret_names);

/* The arguments of the line's command that are still to come, into @ret; nothing when the line names none. */
void words_hint(struct kvs_bytes line, struct buf *ret);

/* Writes a table of all commands, or about the one that @name begins with. False: there is none. */
bool words_help(FILE *file, struct kvs_bytes name);

#endif
