/*
 * format.c - encoding and decoding of what is on disk. The layouts are tables in docs/format.md; the offsets below
 * and the asserts beside them are the same tables.
 */
#include "log/format.h"

#include <assert.h>
#include <inttypes.h>

#include "base/check.h"
#include "base/crc.h"
#include "base/fail.h"
#include "base/hash.h"
#include "base/number.h"

static const uint8_t segment_magic[8] = { 'K', 'V', 'S', 'S', 'E', 'G', '\r', '\n' };
static const uint32_t group_magic = 0x4753564b; /* "KVSG" */

/* Segment header. */
enum {
    SEGMENT_MAGIC = 0,
    SEGMENT_VERSION = 8,
    SEGMENT_CHECKSUM = 12,
    SEGMENT_STORE_ID = 16,
    SEGMENT_ID = 32,
    SEGMENT_INCARNATION = 40,
    SEGMENT_BASE = 48,
    SEGMENT_CAPACITY = 56,
    SEGMENT_SLOT = 60,
    SEGMENT_KIND = 64, /* 1 main, 2 side; 4 bytes, then 4 of zeros */
    SEGMENT_CREATED = 72,
    SEGMENT_USED = 80, /* the rest is zeros */
};

static_assert((int)SEGMENT_USED <= (int)SEGMENT_HEADER_BYTES &&
                  SEGMENT_HEADER_BYTES % RECORD_ALIGN == 0,
              "segment header");

/* Group header. */
enum {
    GROUP_MAGIC = 0,
    GROUP_CHECKSUM = 4,
    GROUP_POSITION = 8,
    GROUP_LENGTH = 16,
    GROUP_FLAGS = 20,
    GROUP_DURABLE = 24,
    GROUP_PREVIOUS = 32,
    GROUP_SESSION = 36,
    GROUP_TIME = 40,
    GROUP_USED = 48,
};

static_assert((int)GROUP_USED == (int)GROUP_HEADER_BYTES && GROUP_HEADER_BYTES % RECORD_ALIGN == 0,
              "group header");

/* Record: the fixed part; the rest is by flag and of variable length. */
enum {
    RECORD_CHECKSUM = 0,
    RECORD_KIND = 4,
    RECORD_FLAGS = 5,
    RECORD_FIXED = 6,
    /* Of the byte with the kind: 4 bits of kind, 2 of what the record replaces, 2 of zeros. */
    KIND_MASK = 15,
    REPLACED_SHIFT = 4,
    REPLACED_MASK = 3 << REPLACED_SHIFT,
};

static_assert(SLOT_BITS + 24 + 6 == 48, "locators have 48 bits");
static_assert(SIZE_CLASSES == 1 << 6, "locators have 6 bits of size class");
static_assert((uint64_t)SEGMENT_BYTES_MAX == (uint64_t)RECORD_ALIGN << 24,
              "locators have 24 bits of offset");
static_assert((int)LOG_INLINE_VALUE_MAX == (int)KVS_INLINE_MAX, "inline values");
/* Checksum, kind, flags, distance, version, expiry, value length, key length, value length, key, value, padding. */
static_assert(RECORD_FIXED + 4 + 8 + 10 + 10 + 3 + 4 + KVS_ENGINE_KEY_MAX + LOG_INLINE_VALUE_MAX +
                      7 <=
                  RECORD_BYTES_MAX,
              "the last size class holds every record");
static_assert((uint64_t)KVS_BATCH_BYTES_MAX + 32ULL * KVS_BATCH_OPS_MAX <= BATCH_BYTES_MAX,
              "every permitted batch fits into one segment");

/* ---- Seeds ---- */

uint64_t segment_seed(const uint8_t store_id[STORE_ID_BYTES], uint64_t incarnation)
{
    uint64_t low = get_u64(store_id);
    uint64_t high = get_u64(store_id + 8);
    return hash_u64(low ^ hash_u64(high ^ hash_u64(incarnation + 0x9e3779b97f4a7c15ULL)));
}

uint32_t place_seed(uint64_t seed, uint64_t off)
{
    return (uint32_t)(hash_u64(seed + off) >> 16);
}

/* ---- Segment headers ---- */

static uint32_t segment_header_checksum(const uint8_t in[SEGMENT_HEADER_BYTES])
{
    uint32_t crc = crc32c(0, in, SEGMENT_CHECKSUM);
    return crc32c(crc, in + SEGMENT_CHECKSUM + 4, SEGMENT_HEADER_BYTES - SEGMENT_CHECKSUM - 4);
}

void segment_header_encode(const struct segment_header *header, uint8_t out[SEGMENT_HEADER_BYTES])
{
    memset(out, 0, SEGMENT_HEADER_BYTES);
    memcpy(out + SEGMENT_MAGIC, segment_magic, sizeof segment_magic);
    put_u32(out + SEGMENT_VERSION, FORMAT_VERSION);
    memcpy(out + SEGMENT_STORE_ID, header->store_id, STORE_ID_BYTES);
    put_u64(out + SEGMENT_ID, header->id);
    put_u64(out + SEGMENT_INCARNATION, header->incarnation);
    put_u64(out + SEGMENT_BASE, header->base);
    put_u32(out + SEGMENT_CAPACITY, header->capacity);
    put_u32(out + SEGMENT_SLOT, header->slot);
    put_u32(out + SEGMENT_KIND, header->side ? 2 : 1);
    put_u64(out + SEGMENT_CREATED, (uint64_t)header->created_ms);
    put_u32(out + SEGMENT_CHECKSUM, segment_header_checksum(out));
}

enum kvs_status segment_header_decode(const uint8_t in[SEGMENT_HEADER_BYTES], const char *name,
                                      struct segment_header *ret)
{
    if (memcmp(in + SEGMENT_MAGIC, segment_magic, sizeof segment_magic) != 0)
        return fail(KVS_WRONG_FORMAT, 0, "%s is not a segment of kvs", name);
    uint32_t version = get_u32(in + SEGMENT_VERSION);
    if (version > FORMAT_VERSION)
        return fail(KVS_WRONG_FORMAT, 0,
                    "%s has format version %" PRIu32 ", this kvs knows versions up to %d", name,
                    version, FORMAT_VERSION);
    if (get_u32(in + SEGMENT_CHECKSUM) != segment_header_checksum(in) || version == 0)
        return fail(KVS_CORRUPT, 0, "%s: damaged segment header at offset 0", name);

    uint32_t kind = get_u32(in + SEGMENT_KIND);
    struct segment_header header = {
        .id = get_u64(in + SEGMENT_ID),
        .incarnation = get_u64(in + SEGMENT_INCARNATION),
        .base = get_u64(in + SEGMENT_BASE),
        .capacity = get_u32(in + SEGMENT_CAPACITY),
        .slot = get_u32(in + SEGMENT_SLOT),
        .side = kind == 2,
        .created_ms = (int64_t)get_u64(in + SEGMENT_CREATED),
        .version = version,
    };
    memcpy(header.store_id, in + SEGMENT_STORE_ID, STORE_ID_BYTES);
    if ((kind != 1 && kind != 2) || header.slot >= SLOT_COUNT ||
        header.capacity > SEGMENT_BYTES_MAX || header.capacity < SEGMENT_HEADER_BYTES ||
        header.capacity % RECORD_ALIGN != 0)
        return fail(KVS_CORRUPT, 0, "%s: impossible segment header at offset 0", name);
    *ret = header;
    return KVS_OK;
}

bool segment_header_is_torn(const uint8_t in[SEGMENT_HEADER_BYTES],
                            const uint8_t store_id[STORE_ID_BYTES])
{
    uint8_t whole[SEGMENT_STORE_ID + STORE_ID_BYTES] = { 0 };
    memcpy(whole + SEGMENT_MAGIC, segment_magic, sizeof segment_magic);
    uint32_t version = get_u32(in + SEGMENT_VERSION); /* one that we open will do */
    put_u32(whole + SEGMENT_VERSION,
            version >= 1 && version <= FORMAT_VERSION ? version : FORMAT_VERSION);
    memcpy(whole + SEGMENT_CHECKSUM, in + SEGMENT_CHECKSUM, 4); /* any checksum will do */
    memcpy(whole + SEGMENT_STORE_ID, store_id, STORE_ID_BYTES);
    size_t same = 0;
    while (same < sizeof whole && in[same] == whole[same])
        same++;
    for (size_t i = same; i < sizeof whole; i++) {
        if (in[i] != 0)
            return false;
    }
    return true;
}

/* ---- Group headers ---- */

uint32_t group_header_encode(const struct group_header *header, uint64_t seed, uint64_t off,
                             uint8_t out[GROUP_HEADER_BYTES])
{
    put_u32(out + GROUP_MAGIC, group_magic);
    put_u64(out + GROUP_POSITION, header->position);
    put_u32(out + GROUP_LENGTH, header->length);
    put_u32(out + GROUP_FLAGS, header->flags);
    put_u64(out + GROUP_DURABLE, header->durable);
    put_u32(out + GROUP_PREVIOUS, header->previous);
    put_u32(out + GROUP_SESSION, header->session);
    put_u64(out + GROUP_TIME, (uint64_t)header->time_ms);
    uint32_t checksum = crc32c(0, out + GROUP_POSITION, GROUP_HEADER_BYTES - GROUP_POSITION) ^
                        place_seed(seed, off);
    put_u32(out + GROUP_CHECKSUM, checksum);
    return checksum;
}

bool group_header_decode(const uint8_t in[GROUP_HEADER_BYTES], uint64_t seed, uint64_t base,
                         uint64_t off, struct group_header *ret, uint32_t *ret_checksum)
{
    if (get_u32(in + GROUP_MAGIC) != group_magic || get_u64(in + GROUP_POSITION) != base + off)
        return false;
    uint32_t checksum = get_u32(in + GROUP_CHECKSUM);
    if (checksum != (crc32c(0, in + GROUP_POSITION, GROUP_HEADER_BYTES - GROUP_POSITION) ^
                     place_seed(seed, off)))
        return false;
    *ret = (struct group_header){
        .position = base + off,
        .length = get_u32(in + GROUP_LENGTH),
        .flags = get_u32(in + GROUP_FLAGS),
        .durable = get_u64(in + GROUP_DURABLE),
        .previous = get_u32(in + GROUP_PREVIOUS),
        .session = get_u32(in + GROUP_SESSION),
        .time_ms = (int64_t)get_u64(in + GROUP_TIME),
    };
    *ret_checksum = checksum;
    return true;
}

/* ---- Records ---- */

enum kvs_status record_check(const struct log_record *record)
{
    if (record->key.len > KVS_ENGINE_KEY_MAX)
        return fail(KVS_TOO_LONG, 0, "key of %zu bytes, at most %d", record->key.len,
                    KVS_ENGINE_KEY_MAX);
    if (record->value.len > LOG_INLINE_VALUE_MAX)
        return fail(KVS_TOO_LONG, 0, "inline value of %zu bytes, at most %d", record->value.len,
                    LOG_INLINE_VALUE_MAX);
    return KVS_OK;
}

size_t record_plain_bytes(const struct log_record *record, unsigned flags)
{
    size_t bytes = RECORD_FIXED;
    if (flags & LOG_MOVED)
        bytes += 8;
    if (flags & RECORD_EXPIRY)
        bytes += varint_size((uint64_t)record->expire_ms);
    if (flags & LOG_LARGE)
        bytes += varint_size(record->value_bytes);
    bytes += varint_size(record->key.len) + varint_size(record->value.len);
    bytes += record->key.len + record->value.len;
    return bytes;
}

void record_encode(uint8_t *out, const struct log_record *record, unsigned flags)
{
    put_u32(out + RECORD_CHECKSUM, 0);
    out[RECORD_KIND] = (uint8_t)record->kind;
    out[RECORD_FLAGS] = (uint8_t)flags;
    size_t at = RECORD_FIXED;
    if (flags & LOG_MOVED) {
        put_u64(out + at, record->version);
        at += 8;
    }
    if (flags & RECORD_EXPIRY)
        at += varint_put(out + at, (uint64_t)record->expire_ms);
    if (flags & LOG_LARGE)
        at += varint_put(out + at, record->value_bytes);
    at += varint_put(out + at, record->key.len);
    at += varint_put(out + at, record->value.len);
    if (record->key.len != 0)
        memcpy(out + at, record->key.data, record->key.len);
    at += record->key.len;
    if (record->value.len != 0)
        memcpy(out + at, record->value.data, record->value.len);
}

void record_set_distance(uint8_t *out, size_t stored_bytes, uint32_t distance)
{
    out[RECORD_FLAGS] |= LOG_MORE;
    put_u32(out + stored_bytes - RECORD_DISTANCE_BYTES, distance);
}

void record_seal(uint8_t *out, size_t stored_bytes)
{
    put_u32(out + RECORD_CHECKSUM, crc32c(0, out + RECORD_KIND, stored_bytes - RECORD_KIND));
}

/*
 * What a record replaces is known only when its place is, long after its checksum was computed. So the checksum is that of
 * the record without it, and what is said is mixed in afterwards, as the place is: each of the four ways to say it by
 * another number, so that none can be taken for another.
 */
static uint32_t replaced_mix(unsigned kind_byte)
{
    static const uint32_t mix[4] = { 0, 0x9d2c5681, 0x5a7e13c6, 0xc752e847 };
    return mix[(kind_byte & REPLACED_MASK) >> REPLACED_SHIFT];
}

void record_set_replaced(uint8_t *out, enum log_replaced replaced)
{
    out[RECORD_KIND] = (uint8_t)((out[RECORD_KIND] & KIND_MASK) | replaced << REPLACED_SHIFT);
}

void record_bind(uint8_t *out, uint32_t seed)
{
    put_u32(out + RECORD_CHECKSUM,
            get_u32(out + RECORD_CHECKSUM) ^ seed ^ replaced_mix(out[RECORD_KIND]));
}

bool record_verify(const uint8_t *data, uint32_t stored_bytes, uint32_t seed)
{
    uint32_t crc;
    if ((data[RECORD_KIND] & REPLACED_MASK) == 0) {
        crc = crc32c(0, data + RECORD_KIND, stored_bytes - RECORD_KIND);
    } else {
        uint8_t kind = data[RECORD_KIND] & (uint8_t)~REPLACED_MASK;
        crc = crc32c(0, &kind, 1);
        crc = crc32c(crc, data + RECORD_KIND + 1, stored_bytes - RECORD_KIND - 1);
    }
    return get_u32(data + RECORD_CHECKSUM) == (crc ^ seed ^ replaced_mix(data[RECORD_KIND]));
}

/* Reads one varint at *at, which it moves on. */
static inline bool take_varint(const uint8_t *data, size_t avail, size_t *at, uint64_t *ret)
{
    if (likely(*at < avail && data[*at] < 0x80)) {
        *ret = data[(*at)++];
        return true;
    }
    size_t used = *at < avail ? varint_get(data + *at, avail - *at, ret) : 0;
    *at += used;
    return used != 0;
}

/* Which flags make sense with which kind. */
static inline bool kind_takes_flags(unsigned kind, unsigned flags)
{
    if (kind < LOG_SET || kind > LOG_CHUNK || (flags & ~(unsigned)RECORD_FLAGS_KNOWN) != 0)
        return false;
    if ((flags & LOG_LARGE) && kind != LOG_SET)
        return false;
    if ((flags & LOG_OPEN_END) && kind != LOG_REMOVE_RANGE)
        return false;
    return (flags & (LOG_MOVED | LOG_MORE)) != (LOG_MOVED | LOG_MORE);
}

uint32_t record_decode(const uint8_t *data, size_t avail, uint64_t position, struct log_record *ret)
{
    if (avail < RECORD_BYTES_MIN)
        return 0;
    unsigned kind = data[RECORD_KIND] & ~(unsigned)REPLACED_MASK;
    unsigned flags = data[RECORD_FLAGS];
    if (!kind_takes_flags(kind, flags))
        return 0;
    size_t at = RECORD_FIXED;
    uint64_t version = 0;
    if (flags & LOG_MOVED) {
        if (avail - at < 8)
            return 0;
        version = get_u64(data + at);
        at += 8;
    }
    uint64_t expire = 0;
    uint64_t large_bytes = 0;
    uint64_t key_bytes;
    uint64_t value_bytes;
    if ((flags & RECORD_EXPIRY) && !take_varint(data, avail, &at, &expire))
        return 0;
    if ((flags & LOG_LARGE) && !take_varint(data, avail, &at, &large_bytes))
        return 0;
    if (!take_varint(data, avail, &at, &key_bytes) || !take_varint(data, avail, &at, &value_bytes))
        return 0;
    if (key_bytes > KVS_ENGINE_KEY_MAX || value_bytes > LOG_INLINE_VALUE_MAX ||
        large_bytes > KVS_VALUE_MAX)
        return 0;
    size_t plain = at + key_bytes + value_bytes + (flags & LOG_MORE ? RECORD_DISTANCE_BYTES : 0);
    size_t stored = align_up(plain);
    if (stored > avail)
        return 0;
    if (flags & LOG_MORE) {
        uint32_t distance = get_u32(data + stored - RECORD_DISTANCE_BYTES);
        if (distance < stored + RECORD_BYTES_MIN || distance % RECORD_ALIGN != 0)
            return 0;
        version = position + distance;
    } else if (!(flags & LOG_MOVED)) {
        version = position + stored;
    }

    ret->kind = (enum log_kind)kind;
    ret->replaced = (enum log_replaced)((data[RECORD_KIND] & REPLACED_MASK) >> REPLACED_SHIFT);
    ret->flags = flags & ~(unsigned)RECORD_EXPIRY;
    ret->key = (struct kvs_bytes){ data + at, key_bytes };
    ret->value = (struct kvs_bytes){ data + at + key_bytes, value_bytes };
    ret->value_bytes = flags & LOG_LARGE ? large_bytes : value_bytes;
    ret->version = version;
    ret->expire_ms = (int64_t)expire;
    ret->stored_bytes = (uint32_t)stored;
    return (uint32_t)stored;
}
