/*
 * upload.c - from the socket to a blob, chunk by chunk, on the pool.
 */
#include "server/upload.h"

#include <stdio.h>

#include "base/check.h"
#include "base/fail.h"
#include "server/dispatch.h"
#include "server/state.h"

enum {
    CHUNK_BYTES_MAX = 256 * 1024
};

enum kvs_status upload_begin(struct session *session, const struct request *so_far,
                             const struct decode_stream *stream)
{
    struct server *server = session->reactor->server;
    struct kvs_blob *blob = NULL;
    bool wanted = command_streams(&server->host, &session->client, so_far->args, so_far->count,
                                  stream->arg, stream->bytes);
    if (!wanted || kvs_blob_new(server->spaces[0], &blob) != KVS_OK) {
        /* buffered then, and what the store has against it is said when the command runs */
        decoder_decline_stream(&session->decoder);
        return KVS_OK;
    }
    enum kvs_status status = decoder_take_stream(&session->decoder, conn_input(&session->conn));
    if (status != KVS_OK) {
        kvs_blob_free(server->spaces[0], blob);
        return status;
    }
    conn_consume(&session->conn, stream->head_len);
    session->upload = (struct upload){ .blob = blob, .arg = stream->arg, .left = stream->bytes };
    return KVS_OK;
}

bool upload_feed(struct session *session)
{
    struct upload *upload = &session->upload;
    size_t len = conn_input(&session->conn).len;
    if (len > upload->left)
        len = (size_t)upload->left;
    if (len == 0)
        return false;
    if (upload->blob == NULL) { /* failed */
        conn_consume(&session->conn, len);
        upload->left -= len;
        return true;
    }
    if (len > CHUNK_BYTES_MAX)
        len = CHUNK_BYTES_MAX;
    enum kvs_status status = dispatch_append(session, len);
    if (status != KVS_OK)
        upload_fail(session, status, fail_text());
    return true;
}

void upload_arrived(struct session *session, size_t len)
{
    CHECK(len <= session->upload.left);
    conn_consume(&session->conn, len);
    session->upload.left -= len;
    counter_add(&session->reactor->stats.streamed_in, len);
}

void upload_fail(struct session *session, enum kvs_status status, const char *error)
{
    struct upload *upload = &session->upload;
    kvs_blob_free(session->reactor->server->spaces[0], upload->blob);
    upload->blob = NULL;
    upload->status = status;
    (void)snprintf(upload->error, sizeof upload->error, "%s", error);
}

bool upload_attach(struct session *session, struct request *request, enum kvs_status *ret_status)
{
    struct upload *upload = &session->upload;
    if (upload->status != KVS_OK) {
        *ret_status = fail_restore(upload->status, upload->error);
        upload->status = KVS_OK;
        return false;
    }
    if (upload->blob != NULL) {
        request->blob = upload->blob;
        request->blob_arg = upload->arg;
    }
    return true;
}

void upload_over(struct session *session, const struct request *request)
{
    if (session->upload.blob == NULL)
        return;
    if (request->blob != NULL)
        kvs_blob_free(session->reactor->server->spaces[0], request->blob);
    session->upload.blob = NULL;
}

void upload_drop(struct session *session)
{
    if (session->upload.blob != NULL)
        kvs_blob_free(session->reactor->server->spaces[0], session->upload.blob);
    session->upload = (struct upload){ 0 };
}
