/*
 * format.h - the bytes on disk: segment headers, group headers, records, locators. Tables in docs/format.md.
 *
 * Everything is little-endian and aligned to 8 bytes. Decoding takes untrusted bytes: every length is checked against
 * what is there before it is used, unknown kinds and flags are refused, and nothing is read outside [data, data + avail).
 *
 * Checksums. The stored checksum of a record or group header is CRC-32C of what follows it, XORed with a seed that mixes
 * store id, segment incarnation and offset. So the expensive part is computed before the place is known, and yet bytes
 * that once were valid elsewhere (in another store, in an earlier use of the file, at another offset) do not verify.
 *
 * Pure functions; thread: any.
 */
#ifndef LOG_FORMAT_H
#define LOG_FORMAT_H

#include <endian.h>
#include <string.h>

#include "log/log.h"

enum {
    FORMAT_VERSION = 2, /* of all files; a newer one is refused by name, the one before is opened */
    STORE_ID_BYTES = 16,
    SEGMENT_HEADER_BYTES = 128,
    GROUP_HEADER_BYTES = 48,
    RECORD_ALIGN = 8,
    RECORD_BYTES_MIN = 8,
    RECORD_DISTANCE_BYTES = 4,      /* the last bytes of a record with LOG_MORE */
    RECORD_BYTES_MAX = 1280 * 1024, /* = size of the last class */
    SIZE_CLASSES = 64,
    SLOT_BITS = 18,
    SLOT_COUNT = 1 << SLOT_BITS,
    SEGMENT_BYTES_MIN = 64 * 1024,
    SEGMENT_BYTES_MAX = 128 * 1024 * 1024, /* what 24 bits of offset / 8 can address */
    SEGMENT_BYTES_DEFAULT = 64 * 1024 * 1024,
    /* The largest batch: alone in the largest segment, with its group header and room for the next one. */
    BATCH_BYTES_MAX = SEGMENT_BYTES_MAX - SEGMENT_HEADER_BYTES - 2 * GROUP_HEADER_BYTES,
};

/* Record flags beyond those of log.h. */
enum {
    RECORD_EXPIRY = 32,   /* a varint expiry follows */
    RECORD_PREVIOUS = 64, /* reserved for the locator of the version before; refused */
    RECORD_FLAGS_KNOWN = LOG_WEAK | LOG_LARGE | LOG_MOVED | LOG_MORE | LOG_OPEN_END | RECORD_EXPIRY,
};

/* Group header flags. */
enum {
    GROUP_CLOSED = 1, /* an end marker written by an orderly close */
};

struct segment_header {
    uint8_t store_id[STORE_ID_BYTES];
    uint64_t id;
    uint64_t incarnation;
    uint64_t base;     /* main: position of the segment's first byte; side: 0 */
    uint32_t capacity; /* bytes the segment may grow to */
    uint32_t slot;
    bool side;
    int64_t created_ms;
    uint32_t version; /* of the format, as decoded */
};

struct group_header {
    uint64_t position; /* of this header */
    uint32_t length;   /* bytes of records that follow; 0: end marker */
    uint32_t flags;
    uint64_t durable;  /* the durable position known when this was written */
    uint32_t previous; /* stored checksum of the group header before, across segments */
    uint32_t session;  /* of the manifest, when this was written */
    int64_t time_ms;   /* store time */
};

static inline size_t align_up(size_t bytes)
{
    return (bytes + RECORD_ALIGN - 1) & ~(size_t)(RECORD_ALIGN - 1);
}

/* ---- Locators and size classes ---- */

/* The smallest class whose size is at least @bytes (a multiple of 8, at most RECORD_BYTES_MAX). */
static inline unsigned size_class_of(uint32_t bytes)
{
    if (bytes <= 64)
        return bytes <= 16 ? 0 : (bytes - 16) / 8;
    unsigned exponent = 31 - (unsigned)__builtin_clz(bytes - 1);
    return 7 + (exponent - 6) * 4 + (((bytes - 1) >> (exponent - 2)) & 3);
}

/* How much to read for a record of class @size_class (below SIZE_CLASSES). */
static inline uint32_t size_class_bytes(unsigned size_class)
{
    if (size_class < 7)
        return 16 + 8 * size_class;
    unsigned octave = (size_class - 7) / 4;
    return (5 + (size_class - 7) % 4) << (octave + 4);
}

static inline uint64_t locator_make(uint32_t slot, uint64_t off, uint32_t stored_bytes)
{
    return (uint64_t)slot << 30 | (off / RECORD_ALIGN) << 6 | size_class_of(stored_bytes);
}

static inline uint32_t locator_slot(uint64_t locator)
{
    return (uint32_t)(locator >> 30) & (SLOT_COUNT - 1);
}

static inline uint64_t locator_off(uint64_t locator)
{
    return (locator >> 6 & 0xffffff) * RECORD_ALIGN;
}

static inline unsigned locator_size_class(uint64_t locator)
{
    return (unsigned)(locator & (SIZE_CLASSES - 1));
}

/* ---- Checksum seeds ---- */

uint64_t segment_seed(const uint8_t store_id[STORE_ID_BYTES], uint64_t incarnation);
uint32_t place_seed(uint64_t seed, uint64_t off); /* of a segment's seed, at an offset */

/* ---- Segment headers ---- */

void segment_header_encode(const struct segment_header *header, uint8_t out[SEGMENT_HEADER_BYTES]);

/* KVS_WRONG_FORMAT: no segment, or of a newer format; KVS_CORRUPT: checksum. @name is for the text. */
KVS_MUST_CHECK enum kvs_status segment_header_decode(const uint8_t in[SEGMENT_HEADER_BYTES],
                                                     const char *name, struct segment_header *ret);

/* Whether @in may be what a crash left of creating a segment of this store: a beginning of it, then zeros. */
bool segment_header_is_torn(const uint8_t in[SEGMENT_HEADER_BYTES],
                            const uint8_t store_id[STORE_ID_BYTES]);

/* ---- Group headers ---- */

/* Returns the stored checksum, which the next group chains to. */
uint32_t group_header_encode(const struct group_header *header, uint64_t seed, uint64_t off,
                             uint8_t out[GROUP_HEADER_BYTES]);

/* Whether @in is a group header made for this place: magic, checksum and position. *ret_checksum as stored. */
bool group_header_decode(const uint8_t in[GROUP_HEADER_BYTES], uint64_t seed, uint64_t base,
                         uint64_t off, struct group_header *ret, uint32_t *ret_checksum);

/* ---- Records ---- */

/* KVS_TOO_LONG when key or value pass the limits. */
KVS_MUST_CHECK enum kvs_status record_check(const struct log_record *record);

/* Bytes of @record encoded with @flags, without padding. */
size_t record_plain_bytes(const struct log_record *record, unsigned flags);

/* Writes record_plain_bytes() bytes; the checksum is left zero. @flags without LOG_MORE. */
void record_encode(uint8_t *out, const struct log_record *record, unsigned flags);

/* Makes the encoded record at @out, whose stored size is @stored_bytes with LOG_MORE counted in, one that others of its batch
 * follow: sets the flag, and the distance from its start to the batch's end, which are its last 4 bytes. */
void record_set_distance(uint8_t *out, size_t stored_bytes, uint32_t distance);

/* Computes the checksum of a complete, padded record, not yet bound to a place. What it replaces may be said (again) after that;
 * then it is bound, once. */
void record_seal(uint8_t *out, size_t stored_bytes);
void record_set_replaced(uint8_t *out, enum log_replaced replaced);
void record_bind(uint8_t *out, uint32_t seed);

/* Decodes the record at @data, whose position is @position. Returns its stored bytes, 0 when it is none. */
uint32_t record_decode(const uint8_t *data, size_t avail, uint64_t position,
                       struct log_record *ret);

/* Where the batch of a decoded record of a main segment ends. */
static inline uint64_t record_batch_end(const struct log_record *record)
{
    return record->version;
}

/* Whether the checksum of the decoded record at @data fits its place. */
bool record_verify(const uint8_t *data, uint32_t stored_bytes, uint32_t seed);

/* ---- Little-endian words ---- */

static inline void put_u32(uint8_t *out, uint32_t value)
{
    value = htole32(value);
    memcpy(out, &value, sizeof value);
}

static inline void put_u64(uint8_t *out, uint64_t value)
{
    value = htole64(value);
    memcpy(out, &value, sizeof value);
}

static inline uint32_t get_u32(const uint8_t *in)
{
    uint32_t value;
    memcpy(&value, in, sizeof value);
    return le32toh(value);
}

static inline uint64_t get_u64(const uint8_t *in)
{
    uint64_t value;
    memcpy(&value, in, sizeof value);
    return le64toh(value);
}

#endif
