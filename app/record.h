/*
 * record.h - the two formats that keys travel in between a store and a file, and what a record is.
 *
 * JSON lines: {"key":"k","value":"v","expire_ms":1700000000000}, one on each line; "key_b64", "value_b64" for what is not UTF-8.
 * RESP: SET key value [PXAT ms] as redis-cli --pipe reads them; also with EX, PX and EXAT.
 * expire_ms is Unix time in milliseconds.
 */
#ifndef APP_RECORD_H
#define APP_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include <kvs/status.h>

enum record_format {
    RECORD_ANY, /* reading: by the first byte; writing: JSON lines */
    RECORD_JSONL,
    RECORD_RESP,
};

struct record {
    uint64_t number; /* of its line, or of its request, from 1 */
    struct kvs_bytes key;
    struct kvs_bytes value; /* not of a large one */
    uint64_t value_bytes;
    int64_t expire_ms; /* 0: never; of a large one known behind its value */
    bool is_large;     /* the value comes, or goes, in pieces */
    bool may_expire;   /* of a large one: a time stands behind its value */
};

/* "jsonl", "resp"; KVS_INVALID. */
KVS_MUST_CHECK enum kvs_status record_format_parse(const char *name, enum record_format *ret);

#endif
