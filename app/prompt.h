/*
 * prompt.h - kvs-client on a terminal: lines with history, completion and hints.
 */
#ifndef APP_PROMPT_H
#define APP_PROMPT_H

#include <kvs/client.h>

/* Reads and runs commands until the end of the input; returns the exit code. @options are kept for reconnecting. */
int prompt_run(const struct kvs_client_options *options);

#endif
