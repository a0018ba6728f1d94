/*
 * record.h - the bytes that engines on other libraries keep: keys in sections, records with version and expiry, the state.
 *
 * Every raw key starts with its section. All numbers in values are little-endian, in keys big-endian, so that they sort.
 *
 *   section        key after the section byte            value
 *   STATE          -                                     how far the store is (below)
 *   RECORDS        engine key                            flags u8, version u64, [expire_ms i64], value or [blob id u64, bytes u64]
 *   CHUNKS         blob id u64, number u32               BLOB_CHUNK_BYTES of a large value, fewer in the last
 *   EXPIRY         expire_ms u64, hash of the key u64    engine key: this record may be due then
 *   OWNERS         engine key                            blob id u64: the record's value is in chunks
 *   PENDING        blob id u64                           nothing: chunks that no record owns yet
 *
 * State: format u32, clean u8, version u64, ceiling u64, now_ms i64, then (class u16, keys u64) for every class of keys that is
 * not empty; a key's class is its first byte, NO_CLASS for the empty key.
 *
 * Pure functions; thread: any. What comes from disk is tested, never trusted.
 */
#ifndef ENGINE_ADAPTER_RECORD_H
#define ENGINE_ADAPTER_RECORD_H

#include <kvs/engine.h>

enum section {
    SECTION_STATE = 0,
    SECTION_RECORDS = 1,
    SECTION_CHUNKS = 2,
    SECTION_EXPIRY = 3,
    SECTION_OWNERS = 4,
    SECTION_PENDING = 5,
};

enum {
    RECORD_FORMAT = 1,
    RECORD_HEAD_MAX = 1 + 8 + 8 + 8 + 8,
    BLOB_CHUNK_BYTES = KVS_INLINE_MAX, /* so that every value in one piece is stored in one piece */
    KEY_CLASSES = 257,
    NO_CLASS = 256,
    STATE_BYTES_MAX = 4 + 1 + 8 + 8 + 8 + KEY_CLASSES * 10,
};

struct record {
    uint64_t version;
    int64_t expire_ms; /* 0: never */
    uint64_t blob_id;  /* 0: the value is here */
    uint64_t value_bytes;
    struct kvs_bytes value; /* borrowed; empty when it is in chunks */
};

struct state {
    uint64_t version;           /* the last one given */
    uint64_t ceiling;           /* none above it has been given */
    int64_t now_ms;             /* store time */
    bool clean;                 /* closed in order */
    uint64_t keys[KEY_CLASSES]; /* records of each class, expired ones included */
};

/* KVS_CORRUPT: these bytes are no record, or no state. */
KVS_MUST_CHECK enum kvs_status adapter_record_decode(struct kvs_bytes raw, struct record *ret);
KVS_MUST_CHECK enum kvs_status state_decode(struct kvs_bytes raw, struct state *ret);

/* Everything of a record in front of its value (all of it when the value is in chunks). Returns its length. */
size_t adapter_record_head(const struct record *record, unsigned char ret[RECORD_HEAD_MAX]);
size_t state_encode(const struct state *state, unsigned char ret[STATE_BYTES_MAX]);

/* A raw key: section and up to KVS_ENGINE_KEY_MAX bytes, short ones without an allocation. */
struct raw_key {
    struct kvs_bytes bytes;
    void *heap;
    unsigned char stack[520];
};

KVS_MUST_CHECK enum kvs_status raw_key_make(enum section section, struct kvs_bytes key,
                                            struct raw_key *ret);
void raw_key_done(struct raw_key *key);

/* The raw bounds of the keys in @range of @section. */
struct raw_range {
    struct raw_key start;
    struct raw_key end;
};

KVS_MUST_CHECK enum kvs_status raw_range_make(enum section section, const struct kvs_range *range,
                                              struct raw_range *ret);
void raw_range_done(struct raw_range *range);

enum {
    SMALL_KEY_BYTES = 17
};

/* Raw keys of fixed length, built in the caller's memory. */
struct kvs_bytes raw_section(enum section section, unsigned char ret[SMALL_KEY_BYTES]);
struct kvs_bytes raw_chunk(uint64_t blob_id, uint32_t number, unsigned char ret[SMALL_KEY_BYTES]);
struct kvs_bytes raw_chunks(uint64_t blob_id,
                            unsigned char ret[SMALL_KEY_BYTES]); /* before the first of them */
struct kvs_bytes raw_pending(uint64_t blob_id, unsigned char ret[SMALL_KEY_BYTES]);
struct kvs_bytes raw_expiry(int64_t expire_ms, struct kvs_bytes key,
                            unsigned char ret[SMALL_KEY_BYTES]);

/* A number as keys hold it. */
uint64_t raw_u64(const void *at);

/* A blob id as values hold it. */
struct kvs_bytes blob_id_bytes(uint64_t blob_id, unsigned char ret[8]);
KVS_MUST_CHECK enum kvs_status blob_id_decode(struct kvs_bytes raw, uint64_t *ret);

static inline unsigned key_class(struct kvs_bytes key)
{
    return key.len == 0 ? NO_CLASS : *(const unsigned char *)key.data;
}

static inline bool record_expired(const struct record *record, int64_t now_ms)
{
    return record->expire_ms != 0 && record->expire_ms <= now_ms;
}

/* How a reader sees it. */
struct kvs_entry record_entry(struct kvs_bytes key, const struct record *record);

#endif
