/*
 * dispatch.h - what a session needs and the loop must not wait for: run on the pool, finished on the loop.
 *
 * A session has at most one job. While it has, session->busy is set: client, decoder and the pinned input are the job's, and the
 * session lives until the job is done, even if the connection goes.
 */
#ifndef SERVER_DISPATCH_H
#define SERVER_DISPATCH_H

#include <stddef.h>
#include <stdint.h>

#include <kvs/status.h>

#include "command/request.h"

struct job;
struct reactor;
struct session;

/* Runs a request, @used bytes of the input, where it may wait. Its reply follows in order. */
KVS_MUST_CHECK enum kvs_status dispatch_command(struct session *session,
                                                const struct request *request, size_t used);

/* Appends the first @len bytes of the input to the value that is arriving. */
KVS_MUST_CHECK enum kvs_status dispatch_append(struct session *session, size_t len);

/* Reads @len bytes of the stream whose turn it is into session->piece, which has the room. */
KVS_MUST_CHECK enum kvs_status dispatch_read(struct session *session, size_t len);

/* Frees the jobs a reactor has kept for reuse. */
void dispatch_done(struct reactor *reactor);

#endif
