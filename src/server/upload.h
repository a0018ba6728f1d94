/*
 * upload.h - a large value that is streamed to the store as it arrives. Thread: the session's loop.
 */
#ifndef SERVER_UPLOAD_H
#define SERVER_UPLOAD_H

#include "server/session.h"

/* The decoder offers a stream: takes it, if the command may have one, or declines. KVS_NO_MEMORY: close. */
KVS_MUST_CHECK enum kvs_status upload_begin(struct session *session, const struct request *so_far,
                                            const struct decode_stream *stream);

static inline bool upload_under_way(const struct session *session)
{
    return session->upload.left != 0;
}

/* Passes on what has arrived; false when there is nothing to pass on. Failures are kept for the reply. */
bool upload_feed(struct session *session);

/* @len bytes of it have been stored, or thrown away. */
void upload_arrived(struct session *session, size_t len);

/* Nothing more of it is stored; what still comes is thrown away, and the request answers @status. */
void upload_fail(struct session *session, enum kvs_status status, const char *error);

/* The request it belongs to is whole: gives it the blob. False: it failed; the failure is recorded again and *ret_status. */
bool upload_attach(struct session *session, struct request *request, enum kvs_status *ret_status);

/* The request has been run: frees the blob unless a command has taken it. */
void upload_over(struct session *session, const struct request *request);

/* Frees what there is. */
void upload_drop(struct session *session);

#endif
