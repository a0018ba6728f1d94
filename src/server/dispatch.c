/*
 * dispatch.c - jobs between a loop and the pool.
 */
#include "server/dispatch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/fail.h"
#include "server/state.h"
#include "server/upload.h"

struct job {
    struct session *session;
    struct job *next_free;
    struct loop_task task; /* back to the loop */
    void (*run)(struct job *job);
    void (*done)(struct job *job); /* not called when the connection has gone meanwhile */

    /* a command */
    struct command_env env;
    struct request request;
    size_t used;
    struct buf out;
    struct reply reply;
    struct command_result result;
    uint64_t took_ns;

    /* a piece of a value, in or out */
    struct kvs_bytes bytes;
    struct outbox_stream stream;
    char *into;
    size_t len;
    enum kvs_status status;
    char error[FAIL_TEXT_BYTES];
};

static struct job *job_get(struct session *session)
{
    struct reactor *reactor = session->reactor;
    struct job *job = reactor->free_jobs;
    if (job != NULL) {
        reactor->free_jobs = job->next_free;
    } else {
        job = calloc(1, sizeof *job);
        if (job == NULL)
            return NULL;
        buf_init(&job->out, SIZE_MAX / 2);
        job->reply.reader_close = reactor->reply.reader_close;
        job->reply.reader_ctx = reactor->reply.reader_ctx;
    }
    job->session = session;
    return job;
}

static void job_put(struct reactor *reactor, struct job *job)
{
    enum {
        KEEP_BYTES = 4096
    };

    buf_truncate(&job->out, 0);
    if (job->out.capacity > KEEP_BYTES)
        buf_done(&job->out);
    job->reply.stream_count = 0;
    job->next_free = reactor->free_jobs;
    reactor->free_jobs = job;
}

void dispatch_done(struct reactor *reactor)
{
    while (reactor->free_jobs != NULL) {
        struct job *job = reactor->free_jobs;
        reactor->free_jobs = job->next_free;
        free(job->reply.streams);
        buf_done(&job->out);
        free(job);
    }
}

static void drop_streams(struct job *job)
{
    for (size_t i = 0; i < job->reply.stream_count; i++)
        job->reply.reader_close(job->reply.reader_ctx, job->reply.streams[i].reader);
    job->reply.stream_count = 0;
}

static void command_job_done(struct job *job);

/* On the loop again. */
static void job_done(struct loop_task *task)
{
    struct job *job = task->ctx;
    struct session *session = job->session;
    struct reactor *reactor = session->reactor;
    session->busy = false;
    if (session->state == SESSION_CLOSED) {
        drop_streams(job);
        if (job->done == command_job_done)
            upload_over(session, &job->request);
        session_free(session);
    } else {
        job->done(job);
    }
    job_put(reactor, job);
}

static void job_run(void *ctx)
{
    struct job *job = ctx;
    struct loop *loop =
        job->session->reactor->loop; /* the session may go once the task is posted */
    job->run(job);
    loop_post(loop, &job->task);
}

static void job_start(struct job *job)
{
    struct session *session = job->session;
    session->busy = true;
    job->task = (struct loop_task){ .run = job_done, .ctx = job };
    pool_spawn(session->reactor->server->pool, job_run, job);
}

/* Makes the input stay where it is while a job looks at it: @request's arguments may point into it. */
static enum kvs_status pin_input(struct session *session, struct request *request)
{
    struct kvs_bytes before = conn_input(&session->conn);
    enum kvs_status status = conn_keep_input(&session->conn);
    if (status != KVS_OK)
        return status;
    conn_pause(&session->conn);
    struct kvs_bytes after = conn_input(&session->conn);
    if (request == NULL || before.data == after.data)
        return KVS_OK;
    uintptr_t begin = (uintptr_t)before.data;
    for (size_t i = 0; i < request->count; i++) {
        uintptr_t at = (uintptr_t)request->args[i].data;
        if (at >= begin && at <= begin + before.len && request->args[i].len != 0)
            request->args[i].data = (const char *)after.data + (at - begin);
    }
    return KVS_OK;
}

/* ---- Commands ---- */

static void command_job_run(struct job *job)
{
    struct session *session = job->session;
    struct clock *clock = session->reactor->server->clock;
    uint64_t begun_ns = clock_monotonic_ns(clock);
    session_reply_begin(session, &job->reply, &job->out);
    enum kvs_status status =
        command_run(&job->env, &session->client, &job->request, &job->reply, true, &job->result);
    if (status != KVS_OK)
        reply_failure(&job->reply, status);
    job->took_ns = clock_monotonic_ns(clock) - begun_ns;
}

static void command_job_done(struct job *job)
{
    struct session *session = job->session;
    struct reactor *reactor = session->reactor;
    if (session->cut) {
        drop_streams(job);
        upload_over(session, &job->request);
        session_run(session);
        return;
    }
    struct buf *out = outbox_begin(&session->outbox, &reactor->out);
    size_t at = out->len;
    if (unlikely(job->took_ns >= reactor->slow_ns) && job->result.command != NULL)
        session_note_slow(session, job->result.command, &job->request, job->took_ns);
    upload_over(session, &job->request);
    conn_consume(&session->conn, job->used);
    if (job->out.failed != KVS_OK)
        out->failed = job->out.failed;
    buf_append(out, job->out.data, job->out.len);
    for (size_t i = 0; i < job->reply.stream_count; i++)
        job->reply.streams[i].out_off += at; /* the job's output began at 0 */
    session_replied(session, out, at, &job->reply, &job->result, job->took_ns);
    session_append_deferred(session, out);
    session_run(session);
}

enum kvs_status dispatch_command(struct session *session, const struct request *request,
                                 size_t used)
{
    struct job *job = job_get(session);
    if (job == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "job");
    job->request = *request;
    enum kvs_status status = pin_input(session, &job->request);
    if (status != KVS_OK) {
        job_put(session->reactor, job);
        return status;
    }
    job->run = command_job_run;
    job->done = command_job_done;
    job->env = session->reactor->env;
    job->env.now_ms = 0; /* it may wait for its turn */
    job->used = used;
    job->out.max_bytes = session->outbox.own.max_bytes;
    counter_add(&session->reactor->stats.pool_commands, 1);
    job_start(job);
    return KVS_OK;
}

/* ---- Values coming in ---- */

/* Pushes that came meanwhile: there is no answer that they have to wait for. */
static void append_deferred(struct session *session)
{
    if (session->deferred.len != 0 || session->deferred.failed != KVS_OK)
        session_append_deferred(session, session->outbox.active);
}

static void append_job_run(struct job *job)
{
    struct session *session = job->session;
    struct kvs *db = session->reactor->server->spaces[0];
    job->status = kvs_blob_append(db, session->upload.blob, job->bytes);
    if (job->status != KVS_OK)
        fail_save(job->error);
}

static void append_job_done(struct job *job)
{
    struct session *session = job->session;
    append_deferred(session);
    if (job->status != KVS_OK)
        upload_fail(session, job->status, job->error);
    upload_arrived(session, job->bytes.len);
    session_run(session);
}

enum kvs_status dispatch_append(struct session *session, size_t len)
{
    struct job *job = job_get(session);
    if (job == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "job");
    enum kvs_status status = pin_input(session, NULL);
    if (status != KVS_OK) {
        job_put(session->reactor, job);
        return status;
    }
    job->run = append_job_run;
    job->done = append_job_done;
    job->bytes = (struct kvs_bytes){ conn_input(&session->conn).data, len };
    job_start(job);
    return KVS_OK;
}

/* ---- Values going out ---- */

static void read_job_run(struct job *job)
{
    struct kvs *db = job->session->reactor->server->spaces[0];
    job->status =
        kvs_reader_read(db, job->stream.reader, false, job->stream.value_off, job->into, job->len);
    if (job->status != KVS_OK)
        fail_save(job->error);
}

static void read_job_done(struct job *job)
{
    struct session *session = job->session;
    if (job->status != KVS_OK) {
        trace_line(&session->reactor->server->trace, TRACE_ERROR,
                   "client %llu %s: sending a value failed, closing: %s",
                   (unsigned long long)session->client.id, session->peer, job->error);
        session_close(session);
        return;
    }
    session->piece.len = job->len;
    append_deferred(session);
    session_run(session);
}

enum kvs_status dispatch_read(struct session *session, size_t len)
{
    struct job *job = job_get(session);
    if (job == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "job");
    job->run = read_job_run;
    job->done = read_job_done;
    job->stream = *outbox_stream_due(&session->outbox);
    job->into = session->piece.data;
    job->len = len;
    job_start(job);
    return KVS_OK;
}
