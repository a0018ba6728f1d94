/*
 * record.c - encoding and decoding what engines on other libraries keep.
 */
#include "engine/adapter/record.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "base/hash.h"

enum {
    FLAG_EXPIRY = 1,
    FLAG_BLOB = 2,
};

static unsigned char *put_le(unsigned char *to, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] = (unsigned char)(value >> (8 * i));
    return to + bytes;
}

static uint64_t take_le(const unsigned char *from, size_t bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++)
        value |= (uint64_t)from[i] << (8 * i);
    return value;
}

static void put_be(unsigned char *to, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] = (unsigned char)(value >> (8 * (bytes - 1 - i)));
}

uint64_t raw_u64(const void *at)
{
    const unsigned char *from = at;
    uint64_t value = 0;
    for (size_t i = 0; i < 8; i++)
        value = value << 8 | from[i];
    return value;
}

size_t adapter_record_head(const struct record *record, unsigned char ret[RECORD_HEAD_MAX])
{
    unsigned char *at = ret;
    *at++ = (unsigned char)((record->expire_ms != 0 ? FLAG_EXPIRY : 0) |
                            (record->blob_id != 0 ? FLAG_BLOB : 0));
    at = put_le(at, record->version, 8);
    if (record->expire_ms != 0)
        at = put_le(at, (uint64_t)record->expire_ms, 8);
    if (record->blob_id != 0) {
        at = put_le(at, record->blob_id, 8);
        at = put_le(at, record->value_bytes, 8);
    }
    return (size_t)(at - ret);
}

enum kvs_status adapter_record_decode(struct kvs_bytes raw, struct record *ret)
{
    const unsigned char *at = raw.data;
    size_t need = 9;
    if (raw.len < need || (at[0] & ~(FLAG_EXPIRY | FLAG_BLOB)) != 0)
        return fail(KVS_CORRUPT, 0, "a record of %zu bytes does not begin like one", raw.len);
    bool expires = (at[0] & FLAG_EXPIRY) != 0;
    bool in_chunks = (at[0] & FLAG_BLOB) != 0;
    need += (expires ? 8u : 0u) + (in_chunks ? 16u : 0u);
    if (raw.len < need || (in_chunks && raw.len != need))
        return fail(KVS_CORRUPT, 0, "a record of %zu bytes that needs %zu", raw.len, need);
    ret->version = take_le(at + 1, 8);
    at += 9;
    ret->expire_ms = 0;
    if (expires) {
        ret->expire_ms = (int64_t)take_le(at, 8);
        at += 8;
    }
    ret->blob_id = in_chunks ? take_le(at, 8) : 0;
    ret->value_bytes = in_chunks ? take_le(at + 8, 8) : raw.len - need;
    ret->value = (struct kvs_bytes){ in_chunks ? NULL : at, in_chunks ? 0 : raw.len - need };
    if (ret->expire_ms < 0 || (expires && ret->expire_ms == 0) ||
        ret->value_bytes > KVS_VALUE_MAX ||
        (in_chunks && (ret->blob_id == 0 || ret->value_bytes <= BLOB_CHUNK_BYTES)))
        return fail(KVS_CORRUPT, 0, "a record whose figures cannot be");
    return KVS_OK;
}

size_t state_encode(const struct state *state, unsigned char ret[STATE_BYTES_MAX])
{
    unsigned char *at = put_le(ret, RECORD_FORMAT, 4);
    *at++ = state->clean;
    at = put_le(at, state->version, 8);
    at = put_le(at, state->ceiling, 8);
    at = put_le(at, (uint64_t)state->now_ms, 8);
    for (unsigned class = 0; class < KEY_CLASSES; class ++) {
        if (state->keys[class] == 0)
            continue;
        at = put_le(at, class, 2);
        at = put_le(at, state->keys[class], 8);
    }
    return (size_t)(at - ret);
}

enum kvs_status state_decode(struct kvs_bytes raw, struct state *ret)
{
    const unsigned char *at = raw.data;
    if (raw.len < 29 || (raw.len - 29) % 10 != 0)
        return fail(KVS_CORRUPT, 0, "the state has %zu bytes, which it cannot have", raw.len);
    uint64_t format = take_le(at, 4);
    if (format != RECORD_FORMAT)
        return fail(KVS_WRONG_FORMAT, 0, "records of format %u, this program knows %d",
                    (unsigned)format, RECORD_FORMAT);
    memset(ret, 0, sizeof *ret);
    ret->clean = at[4] != 0;
    ret->version = take_le(at + 5, 8);
    ret->ceiling = take_le(at + 13, 8);
    ret->now_ms = (int64_t)take_le(at + 21, 8);
    if (ret->ceiling < ret->version)
        return fail(KVS_CORRUPT, 0, "the state gives versions beyond its own ceiling");
    const unsigned char *end = at + raw.len;
    for (at += 29; at < end; at += 10) {
        uint64_t class = take_le(at, 2);
        if (class >= KEY_CLASSES)
            return fail(KVS_CORRUPT, 0, "the state counts keys of class %u", (unsigned)class);
        ret->keys[class] = take_le(at + 2, 8);
    }
    return KVS_OK;
}

enum kvs_status raw_key_make(enum section section, struct kvs_bytes key, struct raw_key *ret)
{
    unsigned char *to = ret->stack;
    ret->heap = NULL;
    if (key.len + 1 > sizeof ret->stack) {
        to = ret->heap = malloc(key.len + 1);
        if (to == NULL)
            return fail(KVS_NO_MEMORY, ENOMEM, "key of %zu bytes", key.len);
    }
    to[0] = (unsigned char)section;
    if (key.len != 0)
        memcpy(to + 1, key.data, key.len);
    ret->bytes = (struct kvs_bytes){ to, key.len + 1 };
    return KVS_OK;
}

void raw_key_done(struct raw_key *key)
{
    free(key->heap);
}

enum kvs_status raw_range_make(enum section section, const struct kvs_range *range,
                               struct raw_range *ret)
{
    static const struct kvs_bytes nothing;
    enum kvs_status status = raw_key_make(section, range->start, &ret->start);
    if (status != KVS_OK)
        return status;
    status = range->has_end ? raw_key_make(section, range->end, &ret->end)
                            : raw_key_make((enum section)(section + 1), nothing, &ret->end);
    if (status != KVS_OK)
        raw_key_done(&ret->start);
    return status;
}

void raw_range_done(struct raw_range *range)
{
    raw_key_done(&range->start);
    raw_key_done(&range->end);
}

struct kvs_bytes raw_section(enum section section, unsigned char ret[SMALL_KEY_BYTES])
{
    ret[0] = (unsigned char)section;
    return (struct kvs_bytes){ ret, 1 };
}

struct kvs_bytes raw_chunk(uint64_t blob_id, uint32_t number, unsigned char ret[SMALL_KEY_BYTES])
{
    ret[0] = SECTION_CHUNKS;
    put_be(ret + 1, blob_id, 8);
    put_be(ret + 9, number, 4);
    return (struct kvs_bytes){ ret, 13 };
}

struct kvs_bytes raw_chunks(uint64_t blob_id, unsigned char ret[SMALL_KEY_BYTES])
{
    ret[0] = SECTION_CHUNKS;
    put_be(ret + 1, blob_id, 8);
    return (struct kvs_bytes){ ret, 9 };
}

struct kvs_bytes raw_pending(uint64_t blob_id, unsigned char ret[SMALL_KEY_BYTES])
{
    ret[0] = SECTION_PENDING;
    put_be(ret + 1, blob_id, 8);
    return (struct kvs_bytes){ ret, 9 };
}

struct kvs_bytes raw_expiry(int64_t expire_ms, struct kvs_bytes key,
                            unsigned char ret[SMALL_KEY_BYTES])
{
    ret[0] = SECTION_EXPIRY;
    put_be(ret + 1, (uint64_t)expire_ms, 8);
    put_be(ret + 9, hash_bytes(key, 0), 8);
    return (struct kvs_bytes){ ret, 17 };
}

struct kvs_bytes blob_id_bytes(uint64_t blob_id, unsigned char ret[8])
{
    (void)put_le(ret, blob_id, 8);
    return (struct kvs_bytes){ ret, 8 };
}

enum kvs_status blob_id_decode(struct kvs_bytes raw, uint64_t *ret)
{
    if (raw.len != 8)
        return fail(KVS_CORRUPT, 0, "the owner of a large value has %zu bytes, not 8", raw.len);
    *ret = take_le(raw.data, 8);
    return KVS_OK;
}

struct kvs_entry record_entry(struct kvs_bytes key, const struct record *record)
{
    return (struct kvs_entry){
        .key = key,
        .value = record->value,
        .value_bytes = record->value_bytes,
        .version = record->version,
        .expire_ms = record->expire_ms,
    };
}
