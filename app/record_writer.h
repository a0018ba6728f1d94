/*
 * record_writer.h - records to a file or a pipe. One thread at a time.
 */
#ifndef APP_RECORD_WRITER_H
#define APP_RECORD_WRITER_H

#include "app/record.h"

struct record_writer;

/* @path "-" is standard output. A file appears under its name when it is complete. */
KVS_MUST_CHECK enum kvs_status record_writer_open(const char *path, enum record_format format,
                                                  struct record_writer **ret);

/* Writes a record whose value is there whole. */
KVS_MUST_CHECK enum kvs_status record_write(struct record_writer *writer,
                                            const struct record *record);

/* Or in pieces: value_bytes of them in all. As JSON lines it is held in memory. */
KVS_MUST_CHECK enum kvs_status record_write_begin(struct record_writer *writer,
                                                  const struct record *record);
KVS_MUST_CHECK enum kvs_status record_write_bytes(struct record_writer *writer,
                                                  struct kvs_bytes piece);
KVS_MUST_CHECK enum kvs_status record_write_end(struct record_writer *writer,
                                                const struct record *record);

uint64_t record_writer_done(const struct record_writer *writer); /* bytes */

/* Makes the file complete: synced, and under its name. */
KVS_MUST_CHECK enum kvs_status record_writer_finish(struct record_writer *writer);

/* Without finish before it, the file is dropped. NULL is allowed. */
void record_writer_close(struct record_writer *writer);

#endif
