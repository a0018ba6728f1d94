/*
 * data.c - looking at keys, answering values, putting new values together.
 *
 * Values up to KVS_INLINE_MAX are answered from inside the visit, without a copy of our own. Larger ones are never whole in
 * memory: they are answered through a reader that the session drains, and rewritten piece by piece into a blob.
 */
#include "command/data.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/number.h"
#include "command/blobs.h"
#include "command/families.h"

enum {
    COPY_BYTES = 256 * 1024, /* of a large value in memory at a time */
};

/* ---- Reaching a key ---- */

static bool through_txn(const struct command_ctx *ctx)
{
    return (ctx->command->flags & COMMAND_WRITE) != 0;
}

static enum kvs_status visit_key(struct command_ctx *ctx, struct kvs_bytes key, kvs_visit_fn *visit,
                                 void *arg)
{
    if (through_txn(ctx))
        return kvs_txn_visit(ctx->txn, ctx->db, key, visit, arg);
    return command_visit(ctx, key, visit, arg);
}

static enum kvs_status open_reader(struct command_ctx *ctx, struct kvs_bytes key,
                                   struct kvs_entry *ret_entry, struct kvs_reader **ret)
{
    if (through_txn(ctx))
        return kvs_txn_reader(ctx->txn, ctx->db, key, ret_entry, ret);
    return command_reader(ctx, key, ret_entry, ret);
}

const char *data_type_name(__attribute__((unused)) const struct kvs_entry *entry)
{
    return "string";
}

static void info_fill(struct data_info *info, const struct kvs_entry *entry)
{
    *info = (struct data_info){
        .found = true,
        .value_bytes = entry->value_bytes,
        .expire_ms = entry->expire_ms,
        .version = entry->version,
        .type = data_type_name(entry),
    };
}

static const struct data_info no_key = { .type = "none" };

static void look_visit(void *arg, const struct kvs_entry *entry)
{
    info_fill(arg, entry);
}

enum kvs_status data_look(struct command_ctx *ctx, struct kvs_bytes key, struct data_info *ret)
{
    *ret = no_key;
    enum kvs_status status = visit_key(ctx, key, look_visit, ret);
    return status == KVS_NOT_FOUND ? KVS_OK : status;
}

/* ---- Values ---- */

/* What a visit does with a string's value. */
struct string_visit {
    struct command_ctx *ctx;
    struct data_info info;
    bool own;   /* the transaction itself has set the value */
    bool large; /* use a reader: @value was not called */
    void (*value)(struct string_visit *visit, struct kvs_bytes value);
    /* for data_reply_part() */
    data_part_fn *part;
    void *part_arg;
    /* for data_load() and data_load_text() */
    struct data_value *loaded;
    char *text;
    size_t text_bytes;
    /* for data_use() */
    data_use_fn *use;
    void *use_arg;
    enum kvs_status failed;
};

/* The door to every value: a type other than string is to be refused here. */
static void entry_string(void *arg, const struct kvs_entry *entry)
{
    struct string_visit *visit = arg;
    info_fill(&visit->info, entry);
    visit->own = data_is_own(entry);
    visit->large = entry->value_bytes > KVS_INLINE_MAX;
    if (!visit->large)
        visit->value(visit, entry->value);
}

enum kvs_status data_own_large(struct command_ctx *ctx, struct kvs_bytes key, struct kvs_bytes *ret)
{
    if (command_blobs_find(ctx->blobs, ctx->db, key, ret))
        return KVS_OK;
    return fail(
        KVS_UNSUPPORTED, 0,
        "this transaction has set more than %d MiB of large values: they can be read after EXEC",
        COMMAND_BLOBS_COPY_MAX / (1024 * 1024));
}

static enum kvs_status string_read(struct string_visit *visit, struct kvs_bytes key)
{
    visit->info = no_key;
    enum kvs_status status = visit_key(visit->ctx, key, entry_string, visit);
    if (status == KVS_NOT_FOUND)
        return KVS_OK;
    if (status == KVS_OK && visit->large && visit->own) {
        struct kvs_bytes value;
        status = data_own_large(visit->ctx, key, &value);
        visit->large = false;
        if (status == KVS_OK)
            visit->value(visit, value);
    }
    return status != KVS_OK ? status : visit->failed;
}

/*
 * Opens a reader for a value that the visit said to be large. Past the transaction, the key may have changed since: then
 * *info is what the reader says, which may be a small value or none (*ret NULL).
 */
static enum kvs_status large_open(struct command_ctx *ctx, struct kvs_bytes key,
                                  struct data_info *info, struct kvs_reader **ret)
{
    struct kvs_entry entry;
    *ret = NULL;
    enum kvs_status status = open_reader(ctx, key, &entry, ret);
    if (status == KVS_NOT_FOUND) {
        *info = no_key;
        return KVS_OK;
    }
    if (status == KVS_OK)
        info_fill(info, &entry);
    return status;
}

/* Answers @bytes from @off of what @reader reads by reading them here. */
static enum kvs_status whole_reply(struct command_ctx *ctx, struct kvs_reader *reader, uint64_t off,
                                   uint64_t bytes)
{
    void *part = malloc(bytes + 1);
    if (part == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "%" PRIu64 " bytes of a large value", bytes);
    enum kvs_status status = kvs_reader_read(ctx->db, reader, !ctx->may_wait, off, part, bytes);
    if (status == KVS_OK)
        reply_bulk(ctx->reply, bytes_of(part, bytes));
    free(part);
    return status;
}

/* Answers @bytes from @off of what @reader reads: from here when they are few, by the session otherwise. Takes @reader over. */
static enum kvs_status large_reply(struct command_ctx *ctx, struct kvs_reader *reader, uint64_t off,
                                   uint64_t bytes)
{
    const struct reply_ops *ops = ctx->reply->ops;
    uint64_t whole_max = ops->whole_max != 0 ? ops->whole_max : KVS_INLINE_MAX;
    enum kvs_status status = KVS_OK;
    if (bytes > whole_max && ops->stream_begin != NULL)
        return reply_reader_part(ctx->reply, reader, off, bytes)
                   ? KVS_OK
                   : fail(KVS_NO_MEMORY, ENOMEM, "reply with a large value");
    if (bytes > whole_max)
        reply_too_large(ctx->reply, bytes);
    else
        status = whole_reply(ctx, reader, off, bytes);
    kvs_reader_close(ctx->db, reader);
    return status;
}

static void reply_value(struct string_visit *visit, struct kvs_bytes value)
{
    reply_bulk(visit->ctx->reply, value);
}

enum kvs_status data_reply_value(struct command_ctx *ctx, struct kvs_bytes key,
                                 struct data_info *ret)
{
    struct string_visit visit = { .ctx = ctx, .value = reply_value };
    enum kvs_status status = string_read(&visit, key);
    if (status != KVS_OK)
        return status;
    struct kvs_reader *reader = NULL;
    if (visit.large) {
        status = large_open(ctx, key, &visit.info, &reader);
        if (status == KVS_OK && reader != NULL)
            status = large_reply(ctx, reader, 0, visit.info.value_bytes);
    }
    if (status == KVS_OK && !visit.info.found)
        reply_null(ctx->reply);
    if (ret != NULL)
        *ret = visit.info;
    return status;
}

static void reply_part(struct string_visit *visit, struct kvs_bytes value)
{
    uint64_t off = 0;
    uint64_t bytes = 0;
    visit->part(visit->part_arg, value.len, &off, &bytes);
    struct kvs_bytes rest = bytes_from(value, off);
    reply_bulk(visit->ctx->reply, bytes_of(rest.data, bytes));
}

enum kvs_status data_reply_part(struct command_ctx *ctx, struct kvs_bytes key, data_part_fn *part,
                                void *arg)
{
    struct string_visit visit = {
        .ctx = ctx,
        .value = reply_part,
        .part = part,
        .part_arg = arg,
    };
    enum kvs_status status = string_read(&visit, key);
    if (status != KVS_OK)
        return status;
    struct kvs_reader *reader = NULL;
    if (visit.large) {
        status = large_open(ctx, key, &visit.info, &reader);
        if (status == KVS_OK && reader != NULL) {
            uint64_t off = 0;
            uint64_t bytes = 0;
            part(arg, visit.info.value_bytes, &off, &bytes);
            status = large_reply(ctx, reader, off, bytes);
        }
    }
    if (status == KVS_OK && !visit.info.found)
        reply_bulk(ctx->reply, BYTES(""));
    return status;
}

static void load_value(struct string_visit *visit, struct kvs_bytes value)
{
    struct data_value *loaded = visit->loaded;
    if (value.len > KVS_INLINE_MAX) { /* remembered until the run ends */
        loaded->bytes = value.data;
        loaded->lasting = true;
        return;
    }
    char *bytes = loaded->small;
    if (value.len > sizeof loaded->small) {
        loaded->heap = malloc(value.len);
        bytes = loaded->heap;
    }
    if (bytes == NULL) {
        visit->failed = fail(KVS_NO_MEMORY, ENOMEM, "value of %zu bytes", value.len);
        return;
    }
    if (value.len > 0)
        memcpy(bytes, value.data, value.len);
    loaded->bytes = bytes;
}

enum kvs_status data_load(struct command_ctx *ctx, struct kvs_bytes key, struct data_value *ret)
{
    struct string_visit visit = { .ctx = ctx, .value = load_value, .loaded = ret };
    enum kvs_status status = string_read(&visit, key);
    if (status == KVS_OK && visit.large)
        status = large_open(ctx, key, &visit.info, &ret->reader);
    ret->info = visit.info;
    return status;
}

void data_value_done(struct command_ctx *ctx, struct data_value *value)
{
    if (value->reader != NULL)
        kvs_reader_close(ctx->db, value->reader);
    free(value->heap);
    value->reader = NULL;
    value->heap = NULL;
    value->bytes = NULL;
}

static void load_text(struct string_visit *visit, struct kvs_bytes value)
{
    if (value.len > 0 && value.len <= visit->text_bytes)
        memcpy(visit->text, value.data, value.len);
}

enum kvs_status data_load_text(struct command_ctx *ctx, struct kvs_bytes key, char *text,
                               size_t text_bytes, struct data_info *ret)
{
    struct string_visit visit = {
        .ctx = ctx,
        .value = load_text,
        .text = text,
        .text_bytes = text_bytes,
    };
    enum kvs_status status = string_read(&visit, key);
    if (status == KVS_OK)
        *ret = visit.info;
    return status;
}

static void use_value(struct string_visit *visit, struct kvs_bytes bytes)
{
    const struct data_value value = {
        .info = visit->info,
        .bytes = bytes.len != 0 ? bytes.data : "",
    };
    visit->failed = visit->use(visit->ctx, &value, visit->use_arg);
}

enum kvs_status data_use(struct command_ctx *ctx, struct kvs_bytes key, data_use_fn *use, void *arg)
{
    struct string_visit visit = { .ctx = ctx, .value = use_value, .use = use, .use_arg = arg };
    enum kvs_status status = string_read(&visit, key);
    if (status != KVS_OK || (visit.info.found && !visit.large))
        return status;
    struct data_value value = { .info = visit.info };
    if (visit.large)
        status = large_open(ctx, key, &value.info, &value.reader);
    if (status == KVS_OK)
        status = use(ctx, &value, arg);
    data_value_done(ctx, &value);
    return status;
}

enum kvs_status data_read(struct command_ctx *ctx, const struct data_value *value, uint64_t off,
                          void *out, size_t len)
{
    if (value->reader != NULL)
        return kvs_reader_read(ctx->db, value->reader, !ctx->may_wait, off, out, len);
    if (len > 0)
        memcpy(out, value->bytes + off, len);
    return KVS_OK;
}

static enum kvs_status reader_walk(struct command_ctx *ctx, struct kvs_reader *reader, uint64_t off,
                                   uint64_t len, data_take_fn *take, void *arg)
{
    char *piece = malloc(COPY_BYTES);
    if (piece == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "copying a large value");
    enum kvs_status status = KVS_OK;
    for (uint64_t done = 0; done < len && status == KVS_OK;) {
        size_t bytes = len - done < COPY_BYTES ? (size_t)(len - done) : COPY_BYTES;
        status = kvs_reader_read(ctx->db, reader, !ctx->may_wait, off + done, piece, bytes);
        if (status == KVS_OK)
            status = take(arg, off + done, bytes_of(piece, bytes));
        done += bytes;
    }
    free(piece);
    return status;
}

enum kvs_status data_walk(struct command_ctx *ctx, const struct data_value *value, uint64_t off,
                          uint64_t len, data_take_fn *take, void *arg)
{
    if (value->reader == NULL)
        return len == 0 ? KVS_OK : take(arg, off, bytes_of(value->bytes + off, len));
    return ctx->may_wait ? reader_walk(ctx, value->reader, off, len, take, arg) : KVS_WOULD_BLOCK;
}

struct comparison {
    struct kvs_bytes expected;
    bool equal;
};

static enum kvs_status compare_piece(void *arg, uint64_t off, struct kvs_bytes piece)
{
    struct comparison *comparison = arg;
    struct kvs_bytes rest = bytes_from(comparison->expected, off);
    comparison->equal = comparison->equal && bytes_starts_with(rest, piece);
    return KVS_OK;
}

enum kvs_status data_equals(struct command_ctx *ctx, const struct data_value *value,
                            struct kvs_bytes expected, bool *ret_equal)
{
    *ret_equal = false;
    if (!value->info.found || value->info.value_bytes != expected.len)
        return KVS_OK;
    if (value->reader == NULL) {
        *ret_equal = bytes_equal(bytes_of(value->bytes, expected.len), expected);
        return KVS_OK;
    }
    struct comparison comparison = { .expected = expected, .equal = true };
    enum kvs_status status =
        reader_walk(ctx, value->reader, 0, expected.len, compare_piece, &comparison);
    *ret_equal = comparison.equal;
    return status;
}

/* ---- Setting ---- */

static bool arg_streamed(const struct command_ctx *ctx, size_t arg)
{
    return ctx->request->blob != NULL && ctx->request->blob_arg == arg;
}

uint64_t data_arg_bytes(const struct command_ctx *ctx, size_t arg)
{
    if (arg_streamed(ctx, arg))
        return kvs_blob_bytes(ctx->db, ctx->request->blob);
    return command_arg(ctx, arg).len;
}

enum kvs_status data_set_arg(struct command_ctx *ctx, struct kvs_bytes key, size_t arg,
                             int64_t expire_ms)
{
    if (arg_streamed(ctx, arg)) {
        kvs_txn_set_blob(ctx->txn, ctx->db, key, ctx->request->blob, expire_ms);
        ctx->blob_used = true;
        return KVS_OK;
    }
    struct kvs_bytes value = command_arg(ctx, arg);
    struct data_piece piece = { .kind = DATA_BYTES, .bytes = value.data, .len = value.len };
    return data_set_pieces(ctx, key, NULL, &piece, 1, expire_ms);
}

/* Copies the pieces to @out, which has room for all of them. */
static enum kvs_status assemble(struct command_ctx *ctx, const struct data_value *old,
                                const struct data_piece *pieces, size_t count, char *out)
{
    for (size_t i = 0; i < count; i++) {
        const struct data_piece *piece = &pieces[i];
        if (piece->len == 0)
            continue;
        if (piece->kind == DATA_BYTES) {
            memcpy(out, piece->bytes, piece->len);
        } else if (piece->kind == DATA_ZEROS) {
            memset(out, 0, piece->len);
        } else {
            enum kvs_status status = piece->kind == DATA_MADE
                                         ? piece->make(ctx, piece->arg, 0, out, piece->len)
                                         : data_read(ctx, old, piece->off, out, piece->len);
            if (status != KVS_OK)
                return status;
        }
        out += piece->len;
    }
    return KVS_OK;
}

static enum kvs_status set_inline(struct command_ctx *ctx, struct kvs_bytes key,
                                  const struct data_value *old, const struct data_piece *pieces,
                                  size_t count, uint64_t total, int64_t expire_ms)
{
    char *value = malloc(total + 1);
    if (value == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "value of %" PRIu64 " bytes", total);
    enum kvs_status status = assemble(ctx, old, pieces, count, value);
    if (status == KVS_OK)
        kvs_txn_set(ctx->txn, ctx->db, key, bytes_of(value, total), expire_ms);
    free(value);
    return status;
}

struct blob_copy {
    struct kvs *db;
    struct kvs_blob *blob;
};

static enum kvs_status append_piece(void *arg, __attribute__((unused)) uint64_t off,
                                    struct kvs_bytes piece)
{
    struct blob_copy *copy = arg;
    return kvs_blob_append(copy->db, copy->blob, piece);
}

static enum kvs_status append_zeros(struct blob_copy *copy, uint64_t len)
{
    static const char zeros[64 * 1024];
    enum kvs_status status = KVS_OK;
    for (uint64_t done = 0; done < len && status == KVS_OK;) {
        size_t bytes = len - done < sizeof zeros ? (size_t)(len - done) : sizeof zeros;
        status = kvs_blob_append(copy->db, copy->blob, bytes_of(zeros, bytes));
        done += bytes;
    }
    return status;
}

static enum kvs_status append_made(struct command_ctx *ctx, const struct data_piece *piece,
                                   struct blob_copy *copy)
{
    char *made = malloc(COPY_BYTES);
    if (made == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "making a large value");
    enum kvs_status status = KVS_OK;
    for (uint64_t done = 0; done < piece->len && status == KVS_OK;) {
        size_t bytes = piece->len - done < COPY_BYTES ? (size_t)(piece->len - done) : COPY_BYTES;
        status = piece->make(ctx, piece->arg, done, made, bytes);
        if (status == KVS_OK)
            status = kvs_blob_append(copy->db, copy->blob, bytes_of(made, bytes));
        done += bytes;
    }
    free(made);
    return status;
}

static enum kvs_status append_to_blob(struct command_ctx *ctx, const struct data_value *old,
                                      const struct data_piece *piece, struct blob_copy *copy)
{
    if (piece->len == 0)
        return KVS_OK;
    if (piece->kind == DATA_BYTES)
        return kvs_blob_append(copy->db, copy->blob, bytes_of(piece->bytes, piece->len));
    if (piece->kind == DATA_ZEROS)
        return append_zeros(copy, piece->len);
    if (piece->kind == DATA_MADE)
        return append_made(ctx, piece, copy);
    if (old->reader == NULL)
        return kvs_blob_append(copy->db, copy->blob, bytes_of(old->bytes + piece->off, piece->len));
    return reader_walk(ctx, old->reader, piece->off, piece->len, append_piece, copy);
}

/* Only a later command of an EXEC can ask for it. */
static enum kvs_status remember(struct command_ctx *ctx, const struct data_value *old,
                                const struct data_piece *pieces, size_t count, uint64_t total)
{
    if (!ctx->in_exec)
        return KVS_OK;
    if (count == 1 && pieces->kind == DATA_BYTES) { /* an argument, which the queue holds */
        command_blobs_remember(ctx->blobs, bytes_of(pieces->bytes, pieces->len));
        return KVS_OK;
    }
    if (count == 1 && pieces->kind == DATA_OLD && old->lasting) {
        command_blobs_remember(ctx->blobs, bytes_of(old->bytes + pieces->off, pieces->len));
        return KVS_OK;
    }
    char *copy = command_blobs_copy(ctx->blobs, total);
    if (copy == NULL)
        return KVS_OK; /* whoever asks is told */
    enum kvs_status status = assemble(ctx, old, pieces, count, copy);
    if (status == KVS_OK)
        command_blobs_remember(ctx->blobs, bytes_of(copy, total));
    return status;
}

static enum kvs_status set_blob(struct command_ctx *ctx, struct kvs_bytes key,
                                const struct data_value *old, const struct data_piece *pieces,
                                size_t count, uint64_t total, int64_t expire_ms)
{
    if (!ctx->may_wait)
        return KVS_WOULD_BLOCK; /* as much copying as this, and a disk to write to, is not for a loop */
    struct blob_copy copy = { .db = ctx->db };
    enum kvs_status status = kvs_blob_new(ctx->db, &copy.blob);
    if (status != KVS_OK)
        return status;
    for (size_t i = 0; i < count && status == KVS_OK; i++)
        status = append_to_blob(ctx, old, &pieces[i], &copy);
    if (status != KVS_OK) {
        kvs_blob_free(ctx->db, copy.blob);
        return status;
    }
    status = command_blobs_keep(ctx->blobs, ctx->db, key, copy.blob);
    if (status != KVS_OK)
        return status;
    status = remember(ctx, old, pieces, count, total);
    if (status == KVS_OK)
        kvs_txn_set_blob(ctx->txn, ctx->db, key, copy.blob, expire_ms);
    return status;
}

enum kvs_status data_set_pieces(struct command_ctx *ctx, struct kvs_bytes key,
                                const struct data_value *old, const struct data_piece *pieces,
                                size_t count, int64_t expire_ms)
{
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++)
        total += pieces[i].len;
    if (total > KVS_INLINE_MAX)
        return set_blob(ctx, key, old, pieces, count, total, expire_ms);
    if (count == 1 && pieces->kind == DATA_BYTES) {
        kvs_txn_set(ctx->txn, ctx->db, key, bytes_of(pieces->bytes, pieces->len), expire_ms);
        return KVS_OK;
    }
    if (count == 1 && pieces->kind == DATA_OLD && old->reader == NULL) {
        kvs_txn_set(ctx->txn, ctx->db, key, bytes_of(old->bytes + pieces->off, pieces->len),
                    expire_ms);
        return KVS_OK;
    }
    return set_inline(ctx, key, old, pieces, count, total, expire_ms);
}

enum kvs_status data_set_again(struct command_ctx *ctx, struct kvs_bytes key,
                               const struct data_value *value, int64_t expire_ms)
{
    struct data_piece whole = { .kind = DATA_OLD, .len = value->info.value_bytes };
    return data_set_pieces(ctx, key, value, &whole, 1, expire_ms);
}

/* ---- Error replies ---- */

enum kvs_status data_error_syntax(struct command_ctx *ctx)
{
    reply_error(ctx->reply, "ERR syntax error");
    return KVS_OK;
}

enum kvs_status data_error_integer(struct command_ctx *ctx)
{
    reply_error(ctx->reply, "ERR value is not an integer or out of range");
    return KVS_OK;
}

enum kvs_status data_error_arity(struct command_ctx *ctx)
{
    char name[COMMAND_NAME_CHARS];
    command_name_lower(ctx->command, name);
    reply_error(ctx->reply, "ERR wrong number of arguments for '%s' command", name);
    return KVS_OK;
}

enum kvs_status data_error_reply_bytes(struct command_ctx *ctx)
{
    reply_error(ctx->reply, "ERR the reply would exceed %d MiB; use SCAN or LIMIT",
                DATA_REPLY_BYTES_MAX / (1024 * 1024));
    return KVS_OK;
}

bool data_arg_i64(struct command_ctx *ctx, size_t arg, int64_t *ret)
{
    if (number_parse_i64(command_arg(ctx, arg), ret))
        return true;
    (void)data_error_integer(ctx);
    return false;
}
