/*
 * transaction.c - MULTI, EXEC, DISCARD, WATCH and UNWATCH.
 *
 * EXEC runs the queue in one kvs_txn over one snapshot, so all of it sees one version of the store and its own earlier
 * writes, and takes effect at once or not at all. When the commit conflicts, the whole queue is run again (run.c) unless a
 * watched key is what changed: then the answer is null, and nothing happened.
 *
 * A watch is the version that was visible at WATCH. "Not touched since" is a condition of the commit; a snapshot taken by
 * the first WATCH keeps that question exactly answerable. A key that existed at WATCH and has run out since counts as touched, although
 * nobody wrote it.
 */
#include "command/transaction.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "command/families.h"

struct queued_command {
    const struct command *command;
    struct kvs_bytes *args; /* one block: the array and behind it the bytes */
    size_t count;
};

struct watched_key {
    struct kvs *db; /* the space's handle, lent by the runner's environment */
    char *key;
    size_t key_bytes;
    uint64_t version;
    int64_t expire_ms; /* of the record at WATCH; 0: none */
};

static void show_queue(struct client *client)
{
    /* relaxed: a figure for CLIENT LIST, nothing follows from it */
    atomic_store_explicit(&client->multi_shown, client->in_multi ? (int)client->queued_count : -1,
                          memory_order_relaxed);
    atomic_store_explicit(&client->watch_shown, (unsigned)client->watched_count,
                          memory_order_relaxed);
}

/* ---- Queue ---- */

static void queue_clear(struct client *client)
{
    for (size_t i = 0; i < client->queued_count; i++)
        free(client->queued[i].args);
    client->queued_count = 0;
    client->queued_bytes = 0;
    client->in_multi = false;
    client->multi_failed = false;
}

/* Room for one more; false when memory is missing. */
static bool queue_reserve(struct client *client)
{
    if (client->queued_count < client->queued_capacity)
        return true;
    size_t capacity = client->queued_capacity == 0 ? 8 : client->queued_capacity * 2;
    struct queued_command *queued = realloc(client->queued, capacity * sizeof *queued);
    if (queued == NULL)
        return false;
    client->queued = queued;
    client->queued_capacity = capacity;
    return true;
}

static size_t request_bytes(const struct request *request)
{
    size_t bytes = request->count * sizeof *request->args;
    for (size_t i = 0; i < request->count; i++)
        bytes += request->args[i].len;
    return bytes;
}

static void queue_copy(struct queued_command *queued, const struct request *request, void *block)
{
    queued->args = block;
    queued->count = request->count;
    char *bytes = (char *)(queued->args + request->count);
    for (size_t i = 0; i < request->count; i++) {
        struct kvs_bytes arg = request->args[i];
        if (arg.len != 0)
            memcpy(bytes, arg.data, arg.len);
        queued->args[i] = bytes_of(bytes, arg.len);
        bytes += arg.len;
    }
}

void transaction_fail(struct client *client)
{
    if (client->in_multi)
        client->multi_failed = true;
}

void transaction_queue(struct client *client, const struct command *command,
                       const struct request *request, struct reply *reply)
{
    if (client->multi_failed) { /* EXEC will refuse: nothing needs to be kept */
        reply_status(reply, "QUEUED");
        return;
    }
    size_t bytes = request_bytes(request);
    if (bytes + sizeof(struct queued_command) > CLIENT_QUEUE_BYTES_MAX - client->queued_bytes) {
        transaction_fail(client);
        reply_error(reply, "ERR the transaction is too large, at most %d bytes can be queued",
                    CLIENT_QUEUE_BYTES_MAX);
        return;
    }
    void *block = queue_reserve(client) ? malloc(bytes) : NULL;
    if (block == NULL) {
        transaction_fail(client);
        reply_error(reply, "OOM out of memory: queueing a command of %zu bytes", bytes);
        return;
    }
    struct queued_command *queued = &client->queued[client->queued_count++];
    queued->command = command;
    queue_copy(queued, request, block);
    client->queued_bytes += bytes + sizeof *queued;
    show_queue(client);
    reply_status(reply, "QUEUED");
}

bool transaction_has(const struct client *client, uint32_t flags)
{
    for (size_t i = 0; i < client->queued_count; i++)
        if ((client->queued[i].command->flags & flags) != 0)
            return true;
    return false;
}

void transaction_each(const struct client *client, transaction_fn *fn, void *arg)
{
    for (size_t i = 0; i < client->queued_count; i++) {
        const struct queued_command *queued = &client->queued[i];
        struct request request = { .args = queued->args, .count = queued->count };
        fn(arg, queued->command, &request);
    }
}

/* ---- Watches ---- */

static void watches_clear(struct client *client, struct kvs *db)
{
    for (size_t i = 0; i < client->watched_count; i++)
        free(client->watched[i].key);
    client->watched_count = 0;
    client->watched_bytes = 0;
    if (client->watch_snapshot != NULL)
        kvs_snapshot_close(db, client->watch_snapshot);
    client->watch_snapshot = NULL;
}

void transaction_discard(struct client *client, struct kvs *db)
{
    queue_clear(client);
    watches_clear(client, db);
    show_queue(client);
}

/* Watching a key twice does no harm, so a long list is not searched: that would be quadratic. */
enum {
    WATCH_SEARCH_MAX = 256
};

static bool watch_exists(const struct client *client, const struct kvs *db, struct kvs_bytes key)
{
    for (size_t i = 0; i < client->watched_count && i < WATCH_SEARCH_MAX; i++) {
        const struct watched_key *watched = &client->watched[i];
        if (watched->db == db && bytes_equal(bytes_of(watched->key, watched->key_bytes), key))
            return true;
    }
    return false;
}

/* The version to watch from: everything acknowledged before this WATCH is at or below it. */
static enum kvs_status watch_version(struct command_ctx *ctx, uint64_t *ret)
{
    struct client *client = ctx->client;
    if (client->watch_snapshot == NULL) {
        enum kvs_status status = kvs_snapshot_open(ctx->db, "watch", &client->watch_snapshot);
        if (status != KVS_OK)
            return status;
        *ret = kvs_snapshot_version(ctx->db, client->watch_snapshot);
        return KVS_OK;
    }
    struct kvs_marks marks;
    kvs_marks(ctx->db, &marks);
    *ret = marks.visible;
    return KVS_OK;
}

static void note_expiry(void *arg, const struct kvs_entry *entry)
{
    *(int64_t *)arg = entry->expire_ms;
}

static enum kvs_status watch_append(struct client *client, const struct watched_key *watched,
                                    struct kvs_bytes key)
{
    if (client->watched_count == client->watched_capacity) {
        size_t capacity = client->watched_capacity == 0 ? 4 : client->watched_capacity * 2;
        struct watched_key *grown = realloc(client->watched, capacity * sizeof *grown);
        if (grown == NULL)
            return fail(KVS_NO_MEMORY, 0, "watching %zu keys", capacity);
        client->watched = grown;
        client->watched_capacity = capacity;
    }
    char *copy = malloc(key.len + 1);
    if (copy == NULL)
        return fail(KVS_NO_MEMORY, 0, "watching a key of %zu bytes", key.len);
    if (key.len != 0)
        memcpy(copy, key.data, key.len);
    struct watched_key *slot = &client->watched[client->watched_count++];
    *slot = *watched;
    slot->key = copy;
    slot->key_bytes = key.len;
    client->watched_bytes += sizeof *slot + key.len;
    return KVS_OK;
}

static enum kvs_status watch_one(struct command_ctx *ctx, struct kvs_bytes key)
{
    struct watched_key watched = { .db = ctx->db };
    enum kvs_status status = watch_version(ctx, &watched.version);
    if (status != KVS_OK)
        return status;
    /* Read after the version was taken: a write in between is noticed as one after WATCH. */
    struct kvs_read read = { .no_block = !ctx->may_wait, .park = true };
    status = kvs_visit(ctx->db, &read, key, note_expiry, &watched.expire_ms, NULL);
    if (status != KVS_OK && status != KVS_NOT_FOUND)
        return status;
    return watch_append(ctx->client, &watched, key);
}

static bool watch_ran_out(const struct command_ctx *ctx)
{
    for (size_t i = 0; i < ctx->client->watched_count; i++) {
        int64_t expire_ms = ctx->client->watched[i].expire_ms;
        if (expire_ms != 0 && expire_ms <= ctx->now_ms)
            return true;
    }
    return false;
}

enum kvs_status transaction_check_watches(struct client *client, bool no_block,
                                          uint64_t *ret_position)
{
    if (client->watched_count == 0)
        return KVS_OK;
    struct kvs_batch *batch;
    enum kvs_status status = kvs_batch_new(&batch);
    if (status != KVS_OK)
        return status;
    for (size_t i = 0; i < client->watched_count; i++) {
        const struct watched_key *watched = &client->watched[i];
        kvs_batch_if_untouched(batch, watched->db, bytes_of(watched->key, watched->key_bytes), NULL,
                               watched->version);
    }
    struct kvs_write_options options = { .no_block = no_block, .park = true };
    struct kvs_written written = { 0 };
    status = kvs_write(client->watched[0].db, batch, &options, &written);
    *ret_position = written.position;
    kvs_batch_free(batch);
    return status;
}

/* ---- Commands ---- */

enum kvs_status cmd_multi(struct command_ctx *ctx)
{
    if (ctx->client->in_multi) {
        reply_error(ctx->reply, "ERR MULTI calls can not be nested");
        return KVS_OK;
    }
    ctx->client->in_multi = true;
    show_queue(ctx->client);
    reply_ok(ctx->reply);
    return KVS_OK;
}

enum kvs_status cmd_discard(struct command_ctx *ctx)
{
    if (!ctx->client->in_multi) {
        reply_error(ctx->reply, "ERR DISCARD without MULTI");
        return KVS_OK;
    }
    transaction_discard(ctx->client, ctx->db);
    reply_ok(ctx->reply);
    return KVS_OK;
}

enum kvs_status cmd_watch(struct command_ctx *ctx)
{
    struct client *client = ctx->client;
    if (client->in_multi) {
        reply_error(ctx->reply, "ERR WATCH inside MULTI is not allowed");
        return KVS_OK;
    }
    for (size_t i = 1; i < ctx->request->count; i++) {
        struct kvs_bytes key = command_arg(ctx, i);
        if (watch_exists(client, ctx->db, key))
            continue;
        if (client->watched_bytes + sizeof(struct watched_key) + key.len > CLIENT_WATCH_BYTES_MAX) {
            reply_error(ctx->reply, "ERR too many watched keys, at most %d bytes of them",
                        CLIENT_WATCH_BYTES_MAX);
            return KVS_OK;
        }
        enum kvs_status status = watch_one(ctx, key);
        if (status != KVS_OK)
            return status; /* run again, it passes over the keys that are watched already */
    }
    show_queue(client);
    reply_ok(ctx->reply);
    return KVS_OK;
}

enum kvs_status cmd_unwatch(struct command_ctx *ctx)
{
    /* Inside EXEC the watches have done their work, and the runner may still ask for them. */
    if (!ctx->in_exec)
        watches_clear(ctx->client, ctx->db);
    show_queue(ctx->client);
    reply_ok(ctx->reply);
    return KVS_OK;
}

/* Runs the queue. A command that fails answers its error in its place and the others go on, as in Redis. */
static enum kvs_status exec_queue(struct command_ctx *ctx)
{
    struct client *client = ctx->client;
    struct command_ctx inner = *ctx; /* SELECT moves inner.db on for the commands behind it */
    inner.in_exec = true;
    reply_array(ctx->reply, client->queued_count);
    for (size_t i = 0; i < client->queued_count; i++) {
        struct queued_command *queued = &client->queued[i];
        struct request request = { .args = queued->args, .count = queued->count };
        inner.command = queued->command;
        inner.request = &request;
        client->running = queued->command;
        client->running_request = &request;
        struct reply_mark mark = reply_mark(ctx->reply);
        enum kvs_status status = queued->command->run(&inner);
        if (status == KVS_WOULD_BLOCK || status == KVS_CONFLICT)
            return status;
        if (status != KVS_OK) {
            reply_rewind(ctx->reply, mark);
            reply_failure(ctx->reply, status);
        }
    }
    if (inner.position > ctx->position)
        ctx->position = inner.position;
    return KVS_OK;
}

enum kvs_status cmd_exec(struct command_ctx *ctx)
{
    struct client *client = ctx->client;
    if (!client->in_multi) {
        reply_error(ctx->reply, "ERR EXEC without MULTI");
        return KVS_OK;
    }
    if (client->multi_failed) {
        reply_error(ctx->reply, "EXECABORT Transaction discarded because of previous errors.");
        return KVS_OK;
    }
    if (transaction_has(client, COMMAND_SLOW) && !ctx->may_wait)
        return KVS_WOULD_BLOCK;
    if (watch_ran_out(ctx)) {
        struct kvs_marks marks;
        kvs_marks(ctx->db, &marks);
        ctx->position = marks.visible;
        reply_null_array(ctx->reply);
        return KVS_OK;
    }
    for (size_t i = 0; i < client->watched_count; i++) {
        const struct watched_key *watched = &client->watched[i];
        kvs_txn_if_untouched(ctx->txn, watched->db, bytes_of(watched->key, watched->key_bytes),
                             watched->version);
    }
    return exec_queue(ctx);
}
