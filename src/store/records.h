/*
 * records.h - a file of records: what a store holds, independent of engines, each byte under a checksum. docs/format.md
 * describes it. One thread at a time.
 */
#ifndef STORE_RECORDS_H
#define STORE_RECORDS_H

#include <kvs/engine.h>

#include "io/io.h"

#define RECORDS_NAME "RECORDS"

/* ---- Writing ---- */

struct records_writer;

/* Makes the file @path. */
KVS_MUST_CHECK enum kvs_status records_writer_new(struct io *io, const char *path,
                                                  uint64_t position, int64_t time_ms,
                                                  struct records_writer **ret);

/* Begins a record; its value_bytes bytes of value follow in pieces. Keys in ascending order. */
KVS_MUST_CHECK enum kvs_status records_put(struct records_writer *writer,
                                           const struct kvs_entry *entry);
KVS_MUST_CHECK enum kvs_status records_put_bytes(struct records_writer *writer, const void *data,
                                                 size_t len);

/* Ends the file and syncs it. */
KVS_MUST_CHECK enum kvs_status records_writer_finish(struct records_writer *writer);
void records_writer_free(struct records_writer *writer); /* NULL is allowed */

/* ---- Reading ---- */

struct records_reader;

/* KVS_WRONG_FORMAT (none of ours, or newer), KVS_CORRUPT. */
KVS_MUST_CHECK enum kvs_status records_reader_new(struct io *io, const char *path,
                                                  struct records_reader **ret);
void records_reader_free(struct records_reader *reader); /* NULL is allowed */

/*
 * The next record, lent until the next call; values over KVS_INLINE_MAX come without data, and are read with records_read_value(), front to
 * back, or left out. KVS_NOT_FOUND: the end, and everything was whole. KVS_CORRUPT with file and offset. Nothing is
 * shown that was not verified.
 */
KVS_MUST_CHECK enum kvs_status records_next(struct records_reader *reader, struct kvs_entry *ret);
KVS_MUST_CHECK enum kvs_status records_read_value(struct records_reader *reader, void *buf,
                                                  size_t len);

uint64_t records_done(const struct records_reader *reader);  /* bytes of the file */
uint64_t records_total(const struct records_reader *reader); /* likewise */

#endif
