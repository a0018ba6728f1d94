/*
 * import.c - records from a file into a sink.
 *
 * Whatever ends an import early (a signal, a failure, a bad file), the records before it are stored and acknowledged, and the
 * last line says how to go on from there. Bad records are named and left out.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/interrupt.h"
#include "app/progress.h"
#include "app/record_reader.h"
#include "app/transfer.h"
#include "base/fail.h"

enum {
    ERRORS_SHOWN = 20
};

struct import {
    const struct transfer *transfer;
    struct record_reader *reader;
    struct sink *sink;
    struct progress progress;
};

static void note_error(void *ctx, uint64_t number, const char *reason)
{
    struct import *import = ctx;
    import->progress.errors++;
    if (import->progress.errors > ERRORS_SHOWN)
        return;
    progress_clear(&import->progress);
    (void)fprintf(stderr, "%s: record %" PRIu64 ": %s\n", import->transfer->program, number,
                  reason);
    if (import->progress.errors == ERRORS_SHOWN)
        (void)fprintf(stderr, "%s: further errors are only counted\n", import->transfer->program);
}

static enum kvs_status check_limits(const struct record *record)
{
    if (record->key.len > KVS_KEY_MAX)
        return fail(KVS_INVALID, 0, "a key of %zu bytes is over the limit of %d", record->key.len,
                    KVS_KEY_MAX);
    if (record->value_bytes > KVS_VALUE_MAX)
        return fail(KVS_INVALID, 0, "a value of %" PRIu64 " bytes is over the limit of %d",
                    record->value_bytes, KVS_VALUE_MAX);
    return KVS_OK;
}

/* Behind a large record's head: its bytes go on, or, for one to be skipped, nowhere. */
static enum kvs_status move_value(struct import *import, bool keep)
{
    struct kvs_bytes piece;
    for (;;) {
        enum kvs_status status = record_value(import->reader, &piece);
        if (status != KVS_OK || piece.len == 0)
            return status;
        if (keep)
            status = import->sink->ops->large_bytes(import->sink, piece);
        if (status != KVS_OK)
            return status;
        import->progress.bytes = record_reader_done(import->reader);
        progress_tick(&import->progress);
        if (interrupt_asked())
            return KVS_CLOSED;
    }
}

static enum kvs_status import_large(struct import *import, struct record *record)
{
    struct sink *sink = import->sink;
    enum kvs_status status = sink->ops->flush(sink);
    if (status == KVS_OK)
        status = sink->ops->large_begin(sink, record);
    if (status != KVS_OK)
        return status;
    status = move_value(import, true);
    if (status == KVS_OK)
        status = record_value_end(import->reader, record);
    if (status == KVS_OK)
        status = sink->ops->large_end(sink, record);
    if (status != KVS_OK)
        sink->ops->large_abort(sink);
    return status;
}

/* A value that is whole but too large to be one of a batch. */
static enum kvs_status import_whole(struct import *import, struct record *record)
{
    struct sink *sink = import->sink;
    enum kvs_status status = sink->ops->flush(sink);
    record->may_expire = record->expire_ms != 0;
    if (status == KVS_OK)
        status = sink->ops->large_begin(sink, record);
    if (status != KVS_OK)
        return status;
    status = sink->ops->large_bytes(sink, record->value);
    if (status == KVS_OK)
        status = sink->ops->large_end(sink, record);
    if (status != KVS_OK)
        sink->ops->large_abort(sink);
    return status;
}

static enum kvs_status import_record(struct import *import, struct record *record)
{
    bool keep = record->number > import->transfer->skip;
    enum kvs_status status = check_limits(record);
    if (status == KVS_INVALID)
        note_error(import, record->number, kvs_error());
    keep = keep && status == KVS_OK;
    if (record->is_large && keep)
        return import_large(import, record);
    if (record->is_large) {
        status = move_value(import, false);
        return status == KVS_OK ? record_value_end(import->reader, record) : status;
    }
    if (!keep)
        return KVS_OK;
    if (record->value_bytes > KVS_INLINE_MAX)
        return import_whole(import, record);
    return import->sink->ops->put(import->sink, record);
}

/* KVS_OK: the file's end. */
static enum kvs_status import_all(struct import *import)
{
    for (;;) {
        if (interrupt_asked())
            return KVS_CLOSED;
        struct record record;
        enum kvs_status status = record_next(import->reader, &record);
        if (status == KVS_NOT_FOUND)
            return KVS_OK;
        if (status == KVS_INVALID) {
            if (record.number > import->transfer->skip)
                note_error(import, record.number, kvs_error());
            continue;
        }
        if (status == KVS_OK)
            status = import_record(import, &record);
        if (status != KVS_OK)
            return status;
        import->progress.records = import->sink->stored;
        import->progress.bytes = record_reader_done(import->reader);
        progress_tick(&import->progress);
    }
}

static void say_how_to_go_on(const struct import *import)
{
    const char *program = import->transfer->program;
    uint64_t number = import->sink->stored_number;
    if (number < import->transfer->skip)
        number = import->transfer->skip;
    (void)fprintf(stderr,
                  "%s: the records up to %" PRIu64
                  " are stored; to go on: %s import --skip %" PRIu64 " %s\n",
                  program, number, program, number, import->transfer->path);
}

int transfer_import(const struct transfer *transfer, struct sink *sink)
{
    struct import import = { .transfer = transfer, .sink = sink };
    if (record_reader_open(transfer->path, transfer->format, &import.reader) != KVS_OK) {
        (void)fprintf(stderr, "%s: %s\n", transfer->program, kvs_error());
        return EXIT_FAILURE;
    }
    sink->refused = note_error;
    sink->refused_ctx = &import;
    interrupt_catch();
    progress_begin(&import.progress, "imported", record_reader_total(import.reader));

    enum kvs_status status = import_all(&import);
    char reason[FAIL_TEXT_BYTES];
    fail_save(reason);
    enum kvs_status flushed = sink->ops->flush(sink);
    if (flushed != KVS_OK && status == KVS_OK) {
        status = flushed;
        fail_save(reason);
    }
    import.progress.records = sink->stored;
    import.progress.bytes = record_reader_done(import.reader);
    progress_clear(&import.progress);
    if (status == KVS_CLOSED)
        (void)fprintf(stderr, "%s: interrupted\n", transfer->program);
    else if (status != KVS_OK)
        (void)fprintf(stderr, "%s: %s\n", transfer->program, reason);
    progress_end(&import.progress);
    if (status != KVS_OK)
        say_how_to_go_on(&import);
    record_reader_close(import.reader);
    return status == KVS_OK && import.progress.errors == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
