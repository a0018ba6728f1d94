/*
 * record_reader.h - records from a file or a pipe. One thread at a time.
 */
#ifndef APP_RECORD_READER_H
#define APP_RECORD_READER_H

#include "app/record.h"

struct record_reader;

/* @path "-" is standard input. */
KVS_MUST_CHECK enum kvs_status record_reader_open(const char *path, enum record_format format,
                                                  struct record_reader **ret);
void record_reader_close(struct record_reader *reader);

/*
 * The next record, lent until the next call. KVS_NOT_FOUND: the end. KVS_INVALID: this one is bad (kvs_error() says how,
 * ret->number which), the next can be read. KVS_CLOSED: interrupted, see interrupt.h. Anything else: the input cannot be
 * read on.
 */
KVS_MUST_CHECK enum kvs_status record_next(struct record_reader *reader, struct record *ret);

/* The next bytes of a large record's value, lent until the next call; none at its end. */
KVS_MUST_CHECK enum kvs_status record_value(struct record_reader *reader, struct kvs_bytes *ret);

/* Behind the value: fills in the time. KVS_INVALID as above. */
KVS_MUST_CHECK enum kvs_status record_value_end(struct record_reader *reader,
                                                struct record *record);

/* Bytes read so far, and in all (0: not known). */
uint64_t record_reader_done(const struct record_reader *reader);
uint64_t record_reader_total(const struct record_reader *reader);

#endif
