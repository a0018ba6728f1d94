/*
 * export_remote.c - the keys of a server into a file, page by page.
 *
 * A page of keys comes by RANGE; then the sizes of their values, since what is small is fetched together and what is large alone and in
 * pieces. Value and time of expiry of a key are read in one transaction, so they belong together; keys of different
 * transactions may be of different moments.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/interrupt.h"
#include "app/progress.h"
#include "app/record_writer.h"
#include "app/transfer.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "base/fail.h"
#include "base/number.h"

enum {
    PAGE_KEYS = 256,
    GROUP_BYTES = 4 * 1024 * 1024, /* of values fetched together */
};

struct export
{
    struct kvs_client *client;
    struct record_writer *writer;
    struct progress progress;
    struct buf start; /* RANGE's bounds */
    struct buf end;
    struct buf names; /* the page's keys, one behind the other */
    struct kvs_bytes keys[PAGE_KEYS];
    uint64_t sizes[PAGE_KEYS];
    size_t key_count;
};

static enum kvs_status unexpected(const char *command)
{
    return fail(KVS_PROTOCOL, 0, "%s was answered with a reply of another kind", command);
}

/* ---- Keys ---- */

/* Copies the page's keys, and sets the start behind the last. */
static enum kvs_status take_page(struct export *export, const struct kvs_reply *reply)
{
    if (reply->type != KVS_REPLY_ARRAY || reply->item_count > PAGE_KEYS)
        return unexpected("RANGE");
    buf_truncate(&export->names, 0);
    for (size_t i = 0; i < reply->item_count; i++) {
        if (reply->items[i].type != KVS_REPLY_BULK)
            return unexpected("RANGE");
        buf_append_bytes(&export->names, reply->items[i].text);
    }
    if (export->names.failed != KVS_OK)
        return export->names.failed;
    export->key_count = reply->item_count;
    size_t off = 0;
    for (size_t i = 0; i < export->key_count; i++) {
        size_t len = reply->items[i].text.len;
        export->keys[i] = bytes_of(export->names.data + off, len);
        off += len;
    }
    if (export->key_count == 0)
        return KVS_OK;
    buf_truncate(&export->start, 0);
    buf_append_char(&export->start, '(');
    buf_append_bytes(&export->start, export->keys[export->key_count - 1]);
    return export->start.failed;
}

static enum kvs_status next_page(struct export *export)
{
    char limit[NUMBER_I64_CHARS];
    size_t limit_len = number_print_u64(PAGE_KEYS, limit);
    struct kvs_bytes args[] = {
        BYTES("RANGE"), buf_bytes(&export->start),  buf_bytes(&export->end),
        BYTES("LIMIT"), bytes_of(limit, limit_len), BYTES("KEYS"),
    };
    const struct kvs_reply *reply;
    enum kvs_status status =
        kvs_client_call(export->client, args, sizeof args / sizeof args[0], &reply);
    return status == KVS_OK ? take_page(export, reply) : status;
}

static enum kvs_status read_sizes(struct export *export)
{
    enum kvs_status status = KVS_OK;
    for (size_t i = 0; i < export->key_count && status == KVS_OK; i++) {
        struct kvs_bytes args[] = { BYTES("STRLEN"), export->keys[i] };
        status = kvs_client_append(export->client, args, 2);
    }
    for (size_t i = 0; i < export->key_count && status == KVS_OK; i++) {
        const struct kvs_reply *reply;
        status = kvs_client_read(export->client, &reply);
        if (status == KVS_OK && (reply->type != KVS_REPLY_INTEGER || reply->integer < 0))
            status = unexpected("STRLEN");
        if (status == KVS_OK)
            export->sizes[i] = (uint64_t)reply->integer;
    }
    return status;
}

/* ---- Values ---- */

/* Asks for keys @first up to @end in a transaction, and reads the answers up to, not including, EXEC's. */
static enum kvs_status ask(struct export *export, size_t first, size_t end)
{
    static const struct kvs_bytes multi[] = { BYTES_INIT("MULTI") };
    static const struct kvs_bytes exec[] = { BYTES_INIT("EXEC") };
    struct kvs_client *client = export->client;
    enum kvs_status status = kvs_client_append(client, multi, 1);
    for (size_t i = first; i < end && status == KVS_OK; i++) {
        struct kvs_bytes expiry[] = { BYTES("PEXPIRETIME"), export->keys[i] };
        struct kvs_bytes get[] = { BYTES("GET"), export->keys[i] };
        status = kvs_client_append(client, expiry, 2);
        if (status == KVS_OK)
            status = kvs_client_append(client, get, 2);
    }
    if (status == KVS_OK)
        status = kvs_client_append(client, exec, 1);
    while (status == KVS_OK && kvs_client_pending(client) > 1) {
        const struct kvs_reply *reply;
        status = kvs_client_read(client, &reply);
    }
    return status;
}

static void count_record(struct export *export)
{
    export->progress.records++;
    export->progress.bytes = record_writer_done(export->writer);
    progress_tick(&export->progress);
}

static enum kvs_status export_group(struct export *export, size_t first, size_t end)
{
    const struct kvs_reply *reply;
    enum kvs_status status = ask(export, first, end);
    if (status == KVS_OK)
        status = kvs_client_read(export->client, &reply);
    if (status != KVS_OK)
        return status;
    if (reply->type != KVS_REPLY_ARRAY || reply->item_count != 2 * (end - first))
        return unexpected("EXEC");
    for (size_t i = first; i < end && status == KVS_OK; i++) {
        const struct kvs_reply *expiry = &reply->items[2 * (i - first)];
        const struct kvs_reply *value = expiry + 1;
        if (value->type == KVS_REPLY_NULL)
            continue; /* gone since its page was read */
        if (value->type == KVS_REPLY_ERROR)
            return fail(KVS_SERVER, 0, "%.*s", (int)value->text.len,
                        (const char *)value->text.data);
        if (expiry->type != KVS_REPLY_INTEGER || value->type != KVS_REPLY_BULK)
            return unexpected("EXEC");
        struct record record = {
            .key = export->keys[i],
            .value = value->text,
            .value_bytes = value->text.len,
            .expire_ms = expiry->integer > 0 ? expiry->integer : 0,
        };
        status = record_write(export->writer, &record);
        count_record(export);
    }
    return status;
}

/* One item of a reply that is read in pieces, of the kind that is expected there. */
static enum kvs_status expect_head(struct export *export, enum kvs_reply_type type,
                                   struct kvs_reply *ret, uint64_t *ret_count)
{
    enum kvs_status status = kvs_client_read_head(export->client, ret, ret_count);
    if (status != KVS_OK)
        return status;
    if (ret->type == KVS_REPLY_ERROR)
        return fail(KVS_SERVER, 0, "%.*s", (int)ret->text.len, (const char *)ret->text.data);
    return ret->type == type ? KVS_OK : unexpected("EXEC");
}

static enum kvs_status export_pieces(struct export *export, struct record *record)
{
    enum kvs_status status = record_write_begin(export->writer, record);
    struct kvs_bytes piece;
    do {
        if (status == KVS_OK)
            status = kvs_client_read_bytes(export->client, &piece);
        if (status == KVS_OK && piece.len > 0)
            status = record_write_bytes(export->writer, piece);
        if (status == KVS_OK && interrupt_asked())
            status = KVS_CLOSED;
        export->progress.bytes = record_writer_done(export->writer);
        progress_tick(&export->progress);
    } while (status == KVS_OK && piece.len > 0);
    return status == KVS_OK ? record_write_end(export->writer, record) : status;
}

static enum kvs_status export_large(struct export *export, size_t at)
{
    struct kvs_reply head;
    uint64_t count = 0;
    enum kvs_status status = ask(export, at, at + 1);
    if (status == KVS_OK)
        status = expect_head(export, KVS_REPLY_ARRAY, &head, &count);
    if (status == KVS_OK)
        status = expect_head(export, KVS_REPLY_INTEGER, &head, &count);
    if (status != KVS_OK)
        return status;
    struct record record = {
        .key = export->keys[at],
        .expire_ms = head.integer > 0 ? head.integer : 0,
    };
    status = kvs_client_read_head(export->client, &head, &record.value_bytes);
    if (status != KVS_OK || head.type == KVS_REPLY_NULL)
        return status; /* null: gone since its page was read */
    if (head.type != KVS_REPLY_BULK)
        return unexpected("GET");
    status = export_pieces(export, &record);
    count_record(export);
    return status;
}

static enum kvs_status export_page(struct export *export)
{
    enum kvs_status status = read_sizes(export);
    size_t first = 0;
    while (first < export->key_count && status == KVS_OK) {
        if (export->sizes[first] > KVS_INLINE_MAX) {
            status = export_large(export, first++);
            continue;
        }
        uint64_t bytes = 0;
        size_t end = first;
        while (end < export->key_count && export->sizes[end] <= KVS_INLINE_MAX &&
               bytes < GROUP_BYTES)
            bytes += export->sizes[end++];
        status = export_group(export, first, end);
        first = end;
    }
    return status;
}

/* RANGE's bounds for the keys that begin with @prefix. */
static void put_bounds(struct export *export, struct kvs_bytes prefix)
{
    buf_append_char(&export->start, '[');
    buf_append_bytes(&export->start, prefix);
    const unsigned char *byte = prefix.data;
    size_t len = prefix.len;
    while (len > 0 && byte[len - 1] == 0xff)
        len--;
    if (len == 0) {
        buf_append_char(&export->end, '+');
        return;
    }
    buf_append_char(&export->end, '(');
    buf_append(&export->end, byte, len);
    export->end.data[export->end.len - 1]++;
}

static enum kvs_status export_all(struct export *export, struct kvs_bytes prefix)
{
    put_bounds(export, prefix);
    enum kvs_status status =
        export->start.failed != KVS_OK ? export->start.failed : export->end.failed;
    do {
        if (status == KVS_OK)
            status = next_page(export);
        if (status == KVS_OK)
            status = export_page(export);
        if (status == KVS_OK && interrupt_asked())
            status = KVS_CLOSED;
    } while (status == KVS_OK && export->key_count > 0);
    return status;
}

static int run_export(const struct transfer *transfer, struct export *export)
{
    if (record_writer_open(transfer->path, transfer->format, &export->writer) != KVS_OK) {
        (void)fprintf(stderr, "%s: %s\n", transfer->program, kvs_error());
        return EXIT_FAILURE;
    }
    interrupt_catch();
    progress_begin(&export->progress, "exported", 0);
    enum kvs_status status = export_all(export, transfer->prefix);
    if (status == KVS_OK)
        status = record_writer_finish(export->writer);
    export->progress.bytes = record_writer_done(export->writer);
    progress_clear(&export->progress);
    if (status != KVS_OK)
        (void)fprintf(stderr, "%s: %s\n", transfer->program,
                      status == KVS_CLOSED ? "interrupted" : kvs_error());
    progress_end(&export->progress);
    record_writer_close(export->writer);
    return status == KVS_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

int transfer_export_remote(const struct transfer *transfer, struct kvs_client *client)
{
    struct export *export = calloc(1, sizeof *export);
    if (export == NULL) {
        (void)fprintf(stderr, "%s: out of memory\n", transfer->program);
        return EXIT_FAILURE;
    }
    export->client = client;
    buf_init(&export->start, KVS_KEY_MAX * 2);
    buf_init(&export->end, KVS_KEY_MAX * 2);
    buf_init(&export->names, (size_t)PAGE_KEYS * (KVS_KEY_MAX + 1));
    int code = run_export(transfer, export);
    buf_done(&export->start);
    buf_done(&export->end);
    buf_done(&export->names);
    free(export);
    return code;
}
