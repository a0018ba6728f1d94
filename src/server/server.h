/*
 * server.h - the server as a program sees it: open, run, close. All that is process-wide (signals, descriptors 0..2) happens in
 * server_run() and in main.
 */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

#include <kvs/status.h>

#include "server/config.h"

struct server;

/*
 * Opens the store, listens, and starts the loops; every step is logged to stderr, so is the reason of a failure with its remedy. @config must
 * outlive the server.
 */
KVS_MUST_CHECK enum kvs_status server_open(struct config *config, struct server **ret);

/* Serves until SIGTERM, SIGINT or SHUTDOWN, then finishes what is under way. A second signal ends the process at once.
 * Thread: main, with the signals it waits for blocked in all threads, which server_block_signals() does. */
void server_run(struct server *server);

/* Before any thread is started. */
void server_block_signals(void);

/* Makes everything durable and closes the store; the failure, if any, was logged. NULL is allowed. */
enum kvs_status server_close(struct server *server);

#endif
