/*
 * run.c - from a request to its complete reply: find the command, refuse what may not run, run it in a transaction, again where the
 * store says so.
 *
 * A run is: mark the reply, begin the transaction, call the command, commit. On a conflict everything is put back to
 * the mark and done again; the transaction object bounds how often. When something would have to wait on a thread that may not, everything
 * is put back and KVS_WOULD_BLOCK handed up: then nothing happened. Nothing is sent before command_run() returns, which is what makes
 * going back possible.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/fail.h"
#include "command/blobs.h"
#include "command/events.h"
#include "command/families.h"
#include "command/monitor.h"
#include "command/tracking.h"
#include "command/transaction.h"
#include "io/clock.h"

/* ---- What may not run ---- */

/* Redis shows at most 128 bytes of what it does not know. */
enum {
    SHOWN_BYTES_MAX = 128,
    REFUSAL_BYTES = 512
};

static int shown_len(struct kvs_bytes text, size_t max)
{
    return (int)(text.len < max ? text.len : max);
}

static void reply_unknown(struct reply *reply, const struct request *request,
                          const struct command *container)
{
    struct kvs_bytes name = request->args[0];
    if (container != NULL) {
        struct kvs_bytes sub = request->args[1];
        reply_error(reply, "ERR unknown subcommand '%.*s'. Try %s HELP.",
                    shown_len(sub, SHOWN_BYTES_MAX), (const char *)sub.data, container->name);
        return;
    }
    char shown[SHOWN_BYTES_MAX * 2];
    size_t used = 0;
    for (size_t i = 1; i < request->count && used < SHOWN_BYTES_MAX; i++) {
        struct kvs_bytes arg = request->args[i];
        int len = snprintf(shown + used, sizeof shown - used, "'%.*s' ",
                           shown_len(arg, SHOWN_BYTES_MAX - used), (const char *)arg.data);
        used += len > 0 ? (size_t)len : 0;
    }
    shown[used] = '\0';
    reply_error(reply, "ERR unknown command '%.*s', with args beginning with: %s",
                shown_len(name, SHOWN_BYTES_MAX), (const char *)name.data, shown);
}

/* A command that may not run. EXEC refused is a transaction over, and says why. */
static void refuse(const struct command_env *env, struct client *client,
                   const struct command *command, struct reply *reply, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

static void refuse(const struct command_env *env, struct client *client,
                   const struct command *command, struct reply *reply, const char *format, ...)
{
    char text[REFUSAL_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args); /* what is cut is a name somebody made up */
    va_end(args);
    if (command->run != cmd_exec) {
        reply_error(reply, "%s", text);
        return;
    }
    bool plain = strncmp(text, "ERR ", 4) == 0;
    reply_error(reply, "EXECABORT Transaction discarded because of: %s", text + (plain ? 4 : 0));
    transaction_discard(client, env->spaces[0]);
}

static bool arity_fits(const struct command *command, size_t count)
{
    return command->arity >= 0 ? count == (size_t)command->arity : count >= (size_t)-command->arity;
}

/* Clients that came while no password was needed stay welcome when one is set later, as in Redis. */
static bool client_may_enter(const struct host *host, struct client *client)
{
    if (client->authenticated)
        return true;
    if (host != NULL && host->password_needed != NULL && host->password_needed(host->ctx))
        return false;
    client->authenticated = true;
    return true;
}

/* In RESP2 the answers of other commands could be taken for messages. */
static bool fits_subscriber(const struct client *client, const struct command *command)
{
    /* relaxed: only this thread stores it */
    if (atomic_load_explicit(&client->protocol, memory_order_relaxed) > 2)
        return true;
    return command->run == cmd_subscribe || command->run == cmd_psubscribe ||
           command->run == cmd_ssubscribe || command->run == cmd_unsubscribe ||
           command->run == cmd_punsubscribe || command->run == cmd_sunsubscribe ||
           command->run == cmd_ping || command->run == cmd_quit || command->run == cmd_reset;
}

/* NULL, with the error replied, when the request may not run. The order of the checks is Redis's, so are the texts. */
static const struct command *admit(const struct command_env *env, struct client *client,
                                   const struct request *request, struct reply *reply)
{
    const struct command *container = NULL;
    const struct command *command = request->command;
    if (command == NULL)
        command = command_lookup(request->args, request->count, &container);
    char name[COMMAND_NAME_CHARS];
    if (command == NULL) {
        reply_unknown(reply, request, container);
        return NULL;
    }
    if (!arity_fits(command, request->count) || command->run == NULL) {
        command_name_lower(command, name);
        refuse(env, client, command, reply, "ERR wrong number of arguments for '%s' command", name);
        return NULL;
    }
    if (!client_may_enter(env->host, client) && (command->flags & COMMAND_NO_AUTH) == 0) {
        refuse(env, client, command, reply, "NOAUTH Authentication required.");
        return NULL;
    }
    if (client->in_multi && (command->flags & COMMAND_NO_MULTI) != 0) {
        reply_error(reply, "ERR Command not allowed inside a transaction");
        return NULL;
    }
    if (unlikely(client_is(client, CLIENT_SUBSCRIBED)) && !fits_subscriber(client, command)) {
        command_name_lower(command, name);
        refuse(env, client, command, reply,
               "ERR Can't execute '%s': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / "
               "RESET are allowed in this context",
               name);
        return NULL;
    }
    return command;
}

bool command_streams(const struct host *host, const struct client *client,
                     const struct kvs_bytes *args, size_t count, size_t arg, uint64_t bytes)
{
    if (count == 0 || client->in_multi || bytes > KVS_VALUE_MAX)
        return false;
    if (!client->authenticated && host != NULL && host->password_needed != NULL &&
        host->password_needed(host->ctx))
        return false;
    const struct command *container;
    const struct command *command = command_lookup(args, count, &container);
    return command != NULL && (command->flags & COMMAND_STREAMS) != 0 &&
           (size_t)command->stream_arg == arg;
}

/* ---- Running ---- */

/* A request with more arguments (an MSET of thousands of keys) is no work for a thread that must not wait. */
enum {
    LOOP_ARGS_MAX = 2048
};

/* What a run changes before its commit, and how to put it back. */
struct undo {
    struct reply_mark mark;
    const struct reply_ops *ops; /* HELLO inside EXEC changes them */
    unsigned space;              /* SELECT inside EXEC */
    int protocol;
};

static struct undo undo_note(const struct client *client, const struct reply *reply)
{
    /* relaxed: only this thread stores them */
    return (struct undo){
        .mark = reply_mark(reply),
        .ops = reply->ops,
        .space = atomic_load_explicit(&client->space, memory_order_relaxed),
        .protocol = atomic_load_explicit(&client->protocol, memory_order_relaxed),
    };
}

static void undo_apply(const struct undo *undo, struct client *client, struct reply *reply)
{
    reply_rewind(reply, undo->mark);
    reply->ops = undo->ops;
    /* relaxed: other threads only show them */
    atomic_store_explicit(&client->space, undo->space, memory_order_relaxed);
    atomic_store_explicit(&client->protocol, undo->protocol, memory_order_relaxed);
}

/* Begins the transaction. A run that only reads, and EXEC, look at one version of the store. */
static enum kvs_status begin(struct command_ctx *ctx)
{
    struct client *client = ctx->client;
    if (client->txn == NULL) {
        enum kvs_status status = kvs_txn_new(ctx->db, &client->txn);
        if (status != KVS_OK)
            return status;
    }
    bool with_snapshot = (ctx->command->flags & COMMAND_WRITE) == 0;
    enum kvs_status status = kvs_txn_begin(client->txn, with_snapshot, !ctx->may_wait);
    if (status == KVS_OK)
        ctx->txn = client->txn;
    if (unlikely(ctx->watching != 0 || client->observed))
        events_observe(ctx);
    return status;
}

static bool begins_at_once(const struct command *command)
{
    if (command->run == cmd_exec)
        return true;
    return (command->flags & (COMMAND_READONLY | COMMAND_WRITE)) != 0 &&
           (command->flags & COMMAND_DIRECT) == 0;
}

/* What follows the command itself: nothing where it stood alone, the commit otherwise. */
static enum kvs_status settle(struct command_ctx *ctx, struct command_result *ret)
{
    ret->position = ctx->position;
    ret->wrote = ctx->wrote;
    if (ctx->wrote)
        return KVS_OK; /* a direct write has happened: whatever else fails, it is answered */
    if (ctx->reply->out->failed != KVS_OK) /* nobody would see the answer: don't write either */
        return fail(ctx->reply->out->failed, 0, "a reply of more than %zu bytes",
                    ctx->reply->out->max_bytes);
    if (ctx->txn == NULL || ctx->direct)
        return KVS_OK;
    uint64_t position = 0;
    enum kvs_status status = kvs_txn_commit(ctx->txn, ctx->durability, &position, &ret->wrote);
    if (position > ret->position)
        ret->position = position;
    return status;
}

/* One run. Whatever comes of it, the transaction is over and holds nothing. */
static enum kvs_status attempt(struct command_ctx *ctx, struct command_result *ret)
{
    enum kvs_status status = begins_at_once(ctx->command) ? begin(ctx) : KVS_OK;
    if (status == KVS_OK)
        status = ctx->command->run(ctx);
    if (status == KVS_OK)
        status = settle(ctx, ret);
    if (ctx->txn != NULL && (status != KVS_OK || ctx->direct))
        kvs_txn_abort(ctx->txn);
    return status;
}

/* After EXEC's commit conflicted: is a watched key the reason? KVS_CONFLICT: it is, the null answer is in place. */
static enum kvs_status check_watches(struct command_ctx *ctx, const struct undo *undo,
                                     struct command_result *ret)
{
    uint64_t position = 0;
    enum kvs_status status = transaction_check_watches(ctx->client, !ctx->may_wait, &position);
    if (status == KVS_CONFLICT) {
        undo_apply(undo, ctx->client, ctx->reply);
        reply_null_array(ctx->reply);
        ret->position = position;
        ret->wrote = false;
    }
    return status;
}

static unsigned host_watching(const struct host *host)
{
    if (host == NULL || host->watching == NULL)
        return 0;
    /* acquire: pairs with: watch_set, watch_clear */
    return atomic_load_explicit(host->watching, memory_order_acquire);
}

/* Somebody began to keep what he reads while this ran, without notes of what it wrote: he may have read what it replaced. */
static bool began_to_watch(const struct command_ctx *ctx)
{
    return (host_watching(ctx->host) & ~ctx->watching & HOST_WATCHES_KEYS) != 0;
}

/* Attempts until the store agrees. KVS_OK, KVS_WOULD_BLOCK or a failure; except for KVS_OK the reply is as it was. */
static enum kvs_status run(struct command_ctx *ctx, struct command_result *ret)
{
    const struct undo undo = undo_note(ctx->client, ctx->reply);
    const struct command_ctx fresh = *ctx;
    for (;;) {
        enum kvs_status status = attempt(ctx, ret);
        if (status == KVS_OK)
            command_blobs_consumed(ctx->blobs);
        else
            command_blobs_free(ctx->blobs, ctx->db);
        if (status == KVS_OK) {
            if (unlikely(events_pending(ctx->client)))
                events_tell(ctx, ret->position);
            if (ret->wrote && unlikely(began_to_watch(ctx)))
                events_tell_all_changed(ctx, ret->position);
            return KVS_OK;
        }
        events_clear(ctx->client);
        if (status == KVS_CONFLICT && ctx->command->run == cmd_exec) {
            status = check_watches(ctx, &undo, ret);
            if (status == KVS_CONFLICT)
                return KVS_OK;
            if (status == KVS_OK) /* something else that was read has changed */
                status = KVS_CONFLICT;
        }
        undo_apply(&undo, ctx->client, ctx->reply);
        if (status != KVS_CONFLICT)
            return status;
        *ctx = fresh;
    }
}

/* The reply becomes whole: with the error that says why there is no other. */
static void finish(struct command_ctx *ctx, struct request *request, enum kvs_status status,
                   struct command_result *ret)
{
    if (status != KVS_OK) {
        *ret = (struct command_result){ .command = ret->command };
        reply_failure(ctx->reply, status);
    } else if (ctx->blob_used) {
        request->blob = NULL; /* the write consumed it */
    }
    if (ctx->command->run == cmd_exec && ctx->client->in_multi)
        transaction_discard(ctx->client, ctx->db);
}

/* What is written while clients are paused waits; so does everything, when all are. */
static bool must_wait_for_pause(const struct command_env *env, const struct client *client,
                                const struct command *command, const struct request *request)
{
    if (env->host->is_paused == NULL || request->blob != NULL)
        return false;
    bool writes = (command->flags & COMMAND_WRITE) != 0 || command->run == cmd_publish ||
                  command->run == cmd_spublish ||
                  (command->run == cmd_exec && transaction_has(client, COMMAND_WRITE));
    return env->host->is_paused(env->host->ctx, writes);
}

static int64_t now_ms(const struct host *host)
{
    if (host != NULL && host->now_us != NULL)
        return host->now_us(host->ctx) / 1000;
    return clock_wall_ms(clock_system());
}

/* Others want to see each command, or the keys it missed. */
static void tell_watchers(struct command_ctx *ctx)
{
    if ((ctx->watching & HOST_MONITORED) != 0)
        monitor_show(ctx);
    if ((ctx->watching & HOST_WATCHES_EVENTS) != 0)
        events_misses(ctx);
}

/* While somebody watches, who may be the client itself: before a command runs, and when it has. */
static bool watched_begin(struct command_ctx *ctx)
{
    bool tracks = client_is(ctx->client, CLIENT_TRACKS) && tracking_wants(ctx);
    if (tracks) /* before and after: see tracking.h */
        tracking_remember(ctx);
    return tracks;
}

static void watched_end(struct command_ctx *ctx, bool tracks)
{
    if (tracks)
        tracking_remember(ctx);
    tell_watchers(ctx);
}

enum kvs_status command_run(const struct command_env *env, struct client *client,
                            struct request *request, struct reply *reply, bool may_wait,
                            struct command_result *ret)
{
    *ret = (struct command_result){ 0 };
    ASSERT(request->count != 0);
    const struct command *command = admit(env, client, request, reply);
    if (command == NULL) {
        transaction_fail(client);
        return KVS_OK;
    }
    ret->command = command;
    unsigned watching = host_watching(env->host);
    if (unlikely(watching != 0)) {
        if ((watching & HOST_PAUSED) != 0 && must_wait_for_pause(env, client, command, request)) {
            ret->postponed = true;
            return KVS_WOULD_BLOCK;
        }
        client->running = command;
        client->running_request = request;
    }
    /* relaxed: only shown, and the table it points to is constant */
    atomic_store_explicit(&client->last_command, command, memory_order_relaxed);
    if (client->in_multi && (command->flags & COMMAND_IN_MULTI) == 0) {
        transaction_queue(client, command, request, reply);
        return KVS_OK;
    }
    if (((command->flags & COMMAND_SLOW) != 0 || request->count > LOOP_ARGS_MAX) && !may_wait)
        return KVS_WOULD_BLOCK;

    struct command_blobs blobs = { 0 };
    struct command_ctx ctx = {
        .watching = watching,
        .command = command,
        .request = request,
        .client = client,
        .reply = reply,
        .host = env->host,
        .spaces = env->spaces,
        /* relaxed: only this thread stores it */
        .db = env->spaces[atomic_load_explicit(&client->space, memory_order_relaxed)],
        .may_wait = may_wait,
        .now_ms = env->now_ms != 0 ? env->now_ms : now_ms(env->host),
        .durability = env->durability,
        .blobs = &blobs,
    };
    bool tracks = unlikely(watching != 0) && watched_begin(&ctx);
    enum kvs_status status = run(&ctx, ret);
    if (unlikely(watching != 0) && status == KVS_OK)
        watched_end(&ctx, tracks);
    if (status == KVS_WOULD_BLOCK) {
        *ret = (struct command_result){ .command = command };
        return KVS_WOULD_BLOCK;
    }
    finish(&ctx, request, status, ret);
    return KVS_OK;
}

/* ---- What every family uses to reach the data ---- */

enum kvs_status command_begin(struct command_ctx *ctx)
{
    return ctx->txn == NULL ? begin(ctx) : KVS_OK;
}

enum kvs_status command_visit(struct command_ctx *ctx, struct kvs_bytes key, kvs_visit_fn *visit,
                              void *arg)
{
    if (ctx->txn != NULL)
        return kvs_txn_visit(ctx->txn, ctx->db, key, visit, arg);
    ctx->direct = true;
    struct kvs_read read = command_read(ctx);
    uint64_t position = 0;
    enum kvs_status status = kvs_visit(ctx->db, &read, key, visit, arg, &position);
    if (position > ctx->position)
        ctx->position = position;
    return status;
}

enum kvs_status command_reader(struct command_ctx *ctx, struct kvs_bytes key,
                               struct kvs_entry *ret_entry, struct kvs_reader **ret)
{
    if (ctx->txn != NULL)
        return kvs_txn_reader(ctx->txn, ctx->db, key, ret_entry, ret);
    ctx->direct = true;
    struct kvs_read read = command_read(ctx);
    uint64_t position = 0;
    enum kvs_status status = kvs_reader_open(ctx->db, &read, key, ret_entry, &position, ret);
    if (position > ctx->position)
        ctx->position = position;
    return status;
}

/* A batch that once held much is not kept for the next small write. */
enum {
    BATCH_KEEP_BYTES = 64 * 1024
};

static enum kvs_status write_alone(struct command_ctx *ctx, struct kvs_bytes key,
                                   struct kvs_bytes value, int64_t expire_ms)
{
    struct client *client = ctx->client;
    if (client->batch == NULL) {
        enum kvs_status status = kvs_batch_new(&client->batch);
        if (status != KVS_OK)
            return status;
    }
    kvs_batch_clear(client->batch);
    if (ctx->blob_used)
        kvs_batch_set_blob(client->batch, ctx->db, key, ctx->request->blob, expire_ms);
    else
        kvs_batch_set(client->batch, ctx->db, key, value, expire_ms);
    struct kvs_write_options options = {
        .durability = ctx->durability,
        .no_block = !ctx->may_wait,
        .park = true,
    };
    struct kvs_written written = { 0 };
    enum kvs_status status = kvs_write(ctx->db, client->batch, &options, &written);
    if (status == KVS_OK) {
        ctx->direct = true;
        ctx->wrote = true;
        ctx->position = written.position;
        if (unlikely((ctx->watching & HOST_WATCHES_CHANGES) != 0))
            events_set(ctx, key, expire_ms);
    }
    if (key.len + value.len > BATCH_KEEP_BYTES) {
        kvs_batch_free(client->batch);
        client->batch = NULL;
    }
    return status;
}

enum kvs_status command_set_one(struct command_ctx *ctx, struct kvs_bytes key,
                                struct kvs_bytes value, int64_t expire_ms)
{
    ctx->blob_used = ctx->request->blob != NULL;
    if (ctx->txn == NULL && unlikely((ctx->watching & HOST_WATCHES_EVENTS) != 0)) {
        /* notifications may want to know whether the key was there */
        enum kvs_status status = begin(ctx);
        if (status != KVS_OK)
            return status;
    }
    if (ctx->txn == NULL)
        return write_alone(ctx, key, value, expire_ms);
    if (ctx->blob_used)
        kvs_txn_set_blob(ctx->txn, ctx->db, key, ctx->request->blob, expire_ms);
    else
        kvs_txn_set(ctx->txn, ctx->db, key, value, expire_ms);
    return KVS_OK;
}

bool command_arg_is(const struct command_ctx *ctx, size_t i, const char *word)
{
    return bytes_equal_nocase(ctx->request->args[i], bytes_str(word));
}

void command_name_lower(const struct command *command, char ret[COMMAND_NAME_CHARS])
{
    size_t i = 0;
    for (; command->name[i] != '\0' && i < COMMAND_NAME_CHARS - 1; i++) {
        char c = command->name[i];
        ret[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    ret[i] = '\0';
}
