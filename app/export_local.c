/*
 * export_local.c - the keys of a store into a file, all at one version.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "app/interrupt.h"
#include "app/progress.h"
#include "app/record_writer.h"
#include "app/transfer.h"
#include "base/bytes.h"
#include "base/fail.h"

enum {
    PIECE_BYTES = 256 * 1024
};

/* A value over KVS_INLINE_MAX, as the iterator sees it. */
static enum kvs_status export_large(struct kvs *db, struct kvs_iterator *iterator,
                                    struct record_writer *writer, const struct record *record)
{
    struct kvs_read read = { .snapshot = kvs_iterator_snapshot(db, iterator) };
    struct kvs_entry entry;
    struct kvs_reader *reader;
    enum kvs_status status = kvs_reader_open(db, &read, record->key, &entry, NULL, &reader);
    if (status != KVS_OK)
        return status;
    char *piece = malloc(PIECE_BYTES);
    status = piece != NULL ? record_write_begin(writer, record)
                           : fail(KVS_NO_MEMORY, ENOMEM, "export of a large value");
    for (uint64_t off = 0; off < record->value_bytes && status == KVS_OK;) {
        uint64_t left = record->value_bytes - off;
        size_t len = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
        status = kvs_reader_read(db, reader, false, off, piece, len);
        if (status == KVS_OK)
            status = record_write_bytes(writer, bytes_of(piece, len));
        off += len;
        if (status == KVS_OK && interrupt_asked())
            status = KVS_CLOSED;
    }
    if (status == KVS_OK)
        status = record_write_end(writer, record);
    free(piece);
    kvs_reader_close(db, reader);
    return status;
}

static enum kvs_status export_entries(struct kvs *db, struct kvs_iterator *iterator,
                                      struct record_writer *writer, struct progress *progress)
{
    for (;;) {
        struct kvs_entry entry;
        enum kvs_status status = kvs_iterator_next(db, iterator, false, &entry);
        if (status != KVS_OK)
            return status == KVS_NOT_FOUND ? KVS_OK : status;
        struct record record = {
            .key = entry.key,
            .value = entry.value,
            .value_bytes = entry.value_bytes,
            .expire_ms = entry.expire_ms,
        };
        if (entry.value_bytes > KVS_INLINE_MAX)
            status = export_large(db, iterator, writer, &record);
        else
            status = record_write(writer, &record);
        if (status == KVS_OK && interrupt_asked())
            status = KVS_CLOSED;
        if (status != KVS_OK)
            return status;
        progress->records++;
        progress->bytes = record_writer_done(writer);
        progress_tick(progress);
    }
}

static enum kvs_status export_range(const struct transfer *transfer, struct kvs *db,
                                    struct record_writer *writer, struct progress *progress)
{
    void *end = malloc(transfer->prefix.len + 1);
    if (end == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "export");
    struct kvs_range range = kvs_prefix_range(transfer->prefix, end);
    struct kvs_iterator *iterator;
    enum kvs_status status = kvs_iterator_open(db, NULL, &range, false, &iterator);
    if (status == KVS_OK) {
        status = export_entries(db, iterator, writer, progress);
        kvs_iterator_close(db, iterator);
    }
    free(end);
    return status;
}

int transfer_export_local(const struct transfer *transfer, struct kvs *db)
{
    struct record_writer *writer;
    struct progress progress;
    if (record_writer_open(transfer->path, transfer->format, &writer) != KVS_OK) {
        (void)fprintf(stderr, "%s: %s\n", transfer->program, kvs_error());
        return EXIT_FAILURE;
    }
    interrupt_catch();
    progress_begin(&progress, "exported", 0);
    enum kvs_status status = db != NULL ? export_range(transfer, db, writer, &progress) : KVS_OK;
    if (status == KVS_OK)
        status = record_writer_finish(writer);
    progress.bytes = record_writer_done(writer);
    progress_clear(&progress);
    if (status != KVS_OK)
        (void)fprintf(stderr, "%s: %s\n", transfer->program,
                      status == KVS_CLOSED ? "interrupted" : kvs_error());
    progress_end(&progress);
    record_writer_close(writer);
    return status == KVS_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
