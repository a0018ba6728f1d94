/*
 * object.c - what Redis tells of the inside of a value: OBJECT, MEMORY; and SORT, as far as there are only strings.
 *
 * A value here is its bytes; encoding and reference count are what Redis would answer for a string that was just set to them.
 */
#include <malloc.h>

#include "base/bytes.h"
#include "base/number.h"
#include "command/connection.h"
#include "command/data.h"
#include "command/families.h"

/* ---- OBJECT ---- */

enum {
    EMBEDDED_BYTES_MAX = 44,
    SHARED_INTEGERS = 10000,
    SHARED_REFERENCES = 2147483647
};

enum object_question {
    OBJECT_ENCODING,
    OBJECT_REFCOUNT,
    OBJECT_IDLETIME
};

static enum kvs_status object_use(struct command_ctx *ctx, const struct data_value *value,
                                  void *arg)
{
    enum object_question question = *(const enum object_question *)arg;
    uint64_t bytes = value->info.value_bytes;
    int64_t number = -1;
    if (!value->info.found) {
        reply_null(ctx->reply);
        return KVS_OK;
    }
    bool integer = value->reader == NULL && bytes < NUMBER_I64_CHARS &&
                   number_parse_i64(bytes_of(value->bytes, bytes), &number);
    if (question == OBJECT_ENCODING)
        reply_bulk_str(ctx->reply, integer                       ? "int"
                                   : bytes <= EMBEDDED_BYTES_MAX ? "embstr"
                                                                 : "raw");
    else if (question == OBJECT_REFCOUNT)
        reply_integer(ctx->reply,
                      integer && number >= 0 && number < SHARED_INTEGERS ? SHARED_REFERENCES : 1);
    else
        reply_integer(ctx->reply, 0); /* nobody keeps when a key was used */
    return KVS_OK;
}

static enum kvs_status object_ask(struct command_ctx *ctx, enum object_question question)
{
    return data_use(ctx, command_arg(ctx, 2), object_use, &question);
}

enum kvs_status cmd_object_encoding(struct command_ctx *ctx)
{
    return object_ask(ctx, OBJECT_ENCODING);
}

enum kvs_status cmd_object_refcount(struct command_ctx *ctx)
{
    return object_ask(ctx, OBJECT_REFCOUNT);
}

enum kvs_status cmd_object_idletime(struct command_ctx *ctx)
{
    return object_ask(ctx, OBJECT_IDLETIME);
}

enum kvs_status cmd_object_freq(struct command_ctx *ctx)
{
    struct data_info info;
    enum kvs_status status = data_look(ctx, command_arg(ctx, 2), &info);
    if (status != KVS_OK)
        return status;
    if (info.found)
        reply_error(ctx->reply,
                    "ERR An LFU maxmemory policy is not selected, access frequency not tracked. "
                    "Please note that when switching between policies at runtime LRU and LFU data "
                    "will take some time to adjust.");
    else
        reply_null(ctx->reply);
    return KVS_OK;
}

enum kvs_status cmd_object_help(struct command_ctx *ctx)
{
    return connection_help(ctx, "OBJECT");
}

/* ---- MEMORY ---- */

/* What a key costs beside its bytes: the head of its record, and its place in the index. */
enum {
    RECORD_BYTES = 24,
    INDEX_BYTES = 12
};

/* False: the error was replied. */
static bool usage_options(struct command_ctx *ctx)
{
    for (size_t i = 3; i < ctx->request->count; i += 2) {
        int64_t samples = 0;
        bool known = command_arg_is(ctx, i, "SAMPLES") && i + 1 < ctx->request->count;
        if (known && !data_arg_i64(ctx, i + 1, &samples))
            return false;
        if (!known || samples < 0) {
            (void)data_error_syntax(ctx);
            return false;
        }
    }
    return true;
}

enum kvs_status cmd_memory_usage(struct command_ctx *ctx)
{
    struct kvs_bytes key = command_arg(ctx, 2);
    struct data_info info;
    if (!usage_options(ctx))
        return KVS_OK;
    enum kvs_status status = data_look(ctx, key, &info);
    if (status != KVS_OK)
        return status;
    uint64_t record = (RECORD_BYTES + key.len + info.value_bytes + 7) / 8 * 8;
    if (info.found)
        reply_integer(ctx->reply, (int64_t)(record + INDEX_BYTES));
    else
        reply_null(ctx->reply);
    return KVS_OK;
}

enum kvs_status cmd_memory_doctor(struct command_ctx *ctx)
{
    static const char text[] = "Sam, I can't find any memory issue in your instance. "
                               "Memory here is one budget (--memory); INFO tells how it is used.\n";
    reply_verbatim(ctx->reply, "txt", BYTES(text));
    return KVS_OK;
}

enum kvs_status cmd_memory_malloc_stats(struct command_ctx *ctx)
{
    static const char text[] = "Stats not supported for the current allocator";
    reply_bulk(ctx->reply, BYTES(text));
    return KVS_OK;
}

enum kvs_status cmd_memory_purge(struct command_ctx *ctx)
{
    (void)malloc_trim(0);
    reply_ok(ctx->reply);
    return KVS_OK;
}

enum kvs_status cmd_memory_help(struct command_ctx *ctx)
{
    return connection_help(ctx, "MEMORY");
}

/* MEMORY STATS: Redis's names, so that what reads them finds them; what there is no such thing of is 0. */
static void reply_figure(struct reply *reply, const char *name, uint64_t value)
{
    reply_bulk_str(reply, name);
    reply_integer(reply, (int64_t)value);
}

static void reply_ratio(struct reply *reply, const char *name, uint64_t part, uint64_t whole)
{
    reply_bulk_str(reply, name);
    reply_real(reply, whole == 0 ? 0 : (double)part / (double)whole);
}

static enum kvs_status count_keys(struct command_ctx *ctx, uint64_t *ret)
{
    *ret = 0;
    struct kvs_read read = command_read(ctx);
    enum kvs_status status = KVS_OK;
    for (unsigned space = 0; space < KVS_SPACES && status == KVS_OK; space++) {
        uint64_t count;
        uint64_t position = 0;
        bool exact;
        status = kvs_count(ctx->spaces[space], &read, NULL, &count, &exact, &position);
        if (status == KVS_OK)
            *ret += count;
        data_note_direct(ctx, position);
    }
    return status;
}

enum kvs_status cmd_memory_stats(struct command_ctx *ctx)
{
    struct reply *reply = ctx->reply;
    struct host_memory memory = { .used = 0 };
    uint64_t keys;
    if (ctx->host != NULL && ctx->host->memory != NULL)
        ctx->host->memory(ctx->host->ctx, &memory);
    enum kvs_status status = count_keys(ctx, &keys);
    if (status != KVS_OK)
        return status;
    reply_map(reply, 21);
    reply_figure(reply, "peak.allocated", memory.peak);
    reply_figure(reply, "total.allocated", memory.used);
    reply_figure(reply, "startup.allocated", 0);
    reply_figure(reply, "replication.backlog", 0);
    reply_figure(reply, "clients.slaves", 0);
    reply_figure(reply, "clients.normal", 0);
    reply_figure(reply, "cluster.links", 0);
    reply_figure(reply, "aof.buffer", 0);
    reply_figure(reply, "lua.caches", 0);
    reply_figure(reply, "functions.caches", 0);
    reply_figure(reply, "overhead.total", 0);
    reply_figure(reply, "keys.count", keys);
    reply_figure(reply, "keys.bytes-per-key", keys == 0 ? 0 : memory.used / keys);
    reply_figure(reply, "dataset.bytes", memory.used);
    reply_ratio(reply, "dataset.percentage", memory.used * 100, memory.used);
    reply_ratio(reply, "peak.percentage", memory.used * 100, memory.peak);
    reply_figure(reply, "allocator.allocated", memory.used);
    reply_figure(reply, "allocator.active", memory.used);
    reply_figure(reply, "allocator.resident", memory.resident);
    reply_ratio(reply, "fragmentation", memory.resident, memory.used);
    reply_figure(reply, "fragmentation.bytes",
                 memory.resident > memory.used ? memory.resident - memory.used : 0);
    return KVS_OK;
}

/* ---- SORT and SORT_RO ---- */

/* False: the error was replied. @ret_store: the argument behind STORE, 0: none. */
static bool sort_options(struct command_ctx *ctx, bool may_store, size_t *ret_store)
{
    *ret_store = 0;
    for (size_t i = 2; i < ctx->request->count; i++) {
        size_t left = ctx->request->count - i - 1;
        int64_t number;
        if (command_arg_is(ctx, i, "ASC") || command_arg_is(ctx, i, "DESC") ||
            command_arg_is(ctx, i, "ALPHA"))
            continue;
        if (command_arg_is(ctx, i, "LIMIT") && left >= 2) {
            if (!data_arg_i64(ctx, i + 1, &number) || !data_arg_i64(ctx, i + 2, &number))
                return false;
            i += 2;
        } else if (command_arg_is(ctx, i, "STORE") && left >= 1 && may_store) {
            *ret_store = ++i;
        } else if ((command_arg_is(ctx, i, "BY") || command_arg_is(ctx, i, "GET")) && left >= 1) {
            i++;
        } else {
            (void)data_error_syntax(ctx);
            return false;
        }
    }
    return true;
}

/* What can be sorted are lists and sets, which there are none of: a key that does not exist is an empty one. */
enum kvs_status cmd_sort(struct command_ctx *ctx)
{
    size_t store;
    struct data_info info;
    struct data_info target = { .found = false };
    if (!sort_options(ctx, (ctx->command->flags & COMMAND_WRITE) != 0, &store))
        return KVS_OK;
    enum kvs_status status = data_look(ctx, command_arg(ctx, 1), &info);
    if (status == KVS_OK && store != 0)
        status = data_look(ctx, command_arg(ctx, store), &target);
    if (status != KVS_OK)
        return status;
    if (info.found) {
        reply_error(ctx->reply,
                    "WRONGTYPE Operation against a key holding the wrong kind of value");
    } else if (store != 0) {
        if (target.found)
            kvs_txn_remove(ctx->txn, ctx->db, command_arg(ctx, store));
        reply_integer(ctx->reply, 0);
    } else {
        reply_array(ctx->reply, 0);
    }
    return KVS_OK;
}
