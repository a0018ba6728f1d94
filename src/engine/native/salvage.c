/*
 * salvage.c - the newest intact value of every key in a damaged log, without an index.
 *
 * Each record that verifies becomes an entry: hash of its key, version, place. Sorted by hash and version, the records of a key stand
 * together, newest first; the keys themselves are read only then. What does not fit the memory budget at once is done in
 * passes, each for the keys of some hashes. A key whose newest value is damaged further down, in a chunk, is lost and reported: an older
 * value would be a wrong answer. Range removals are few and kept aside.
 */
#include "log/salvage.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/hash.h"
#include "engine/native/state.h"

enum {
    RECORD_SCRATCH_MAX = 4 * 1024 * 1024,
    RANGES_BYTES_MAX = 256 * 1024 * 1024,
    DECIDED_BYTES_MAX = 64 * 1024 * 1024,
};

struct found {
    uint64_t hash;
    uint64_t version;
    uint64_t locator;
    uint64_t segment; /* the id; together with moved: which of two copies counts */
    bool moved;
};

struct range {
    uint64_t version;
    size_t start_off; /* in the bytes of all */
    size_t start_len;
    size_t end_off;
    size_t end_len;
    bool open_end;
};

struct salvage {
    struct log_salvage *log;
    kvs_salvage_fn *put;
    void *put_ctx;
    kvs_report_fn *report;
    void *report_ctx;

    struct found *found;
    size_t found_count;
    size_t found_max;
    uint64_t pass;
    uint64_t passes;

    struct range *ranges;
    size_t range_count;
    size_t range_capacity;
    struct buf range_bytes;

    struct buf record;  /* as fetched */
    struct buf decided; /* keys of one hash: length in 4 bytes, key */
    struct buf chunk;
};

/* ---- Collecting ---- */

static enum kvs_status take_range(struct salvage *salvage, const struct log_record *record)
{
    if (salvage->range_count == salvage->range_capacity) {
        size_t capacity = salvage->range_capacity == 0 ? 64 : salvage->range_capacity * 2;
        struct range *more = realloc(salvage->ranges, capacity * sizeof *more);
        if (more == NULL)
            return fail(KVS_NO_MEMORY, ENOMEM, "list of %zu removed ranges", capacity);
        salvage->ranges = more;
        salvage->range_capacity = capacity;
    }
    struct range range = { .version = record->version,
                           .start_off = salvage->range_bytes.len,
                           .start_len = record->key.len,
                           .end_off = salvage->range_bytes.len + record->key.len,
                           .end_len = record->value.len,
                           .open_end = record->flags & LOG_OPEN_END };
    buf_append_bytes(&salvage->range_bytes, record->key);
    buf_append_bytes(&salvage->range_bytes, record->value);
    salvage->ranges[salvage->range_count++] = range;
    return salvage->range_bytes.failed;
}

static enum kvs_status take(void *ctx, uint64_t locator, const struct log_record *record)
{
    struct salvage *salvage = ctx;
    if (record->kind == LOG_CHUNK)
        return KVS_OK;
    if (record->kind == LOG_REMOVE_RANGE)
        return salvage->pass == 0 ? take_range(salvage, record) : KVS_OK;
    uint64_t hash = hash_bytes(record->key, 0);
    if (hash % salvage->passes != salvage->pass)
        return KVS_OK;
    if (salvage->found_count == salvage->found_max) {
        size_t more = salvage->found_max + salvage->found_max / 2 + 1024;
        struct found *found = realloc(salvage->found, more * sizeof *found);
        if (found == NULL)
            return fail(KVS_NO_MEMORY, ENOMEM, "list of %zu records", more);
        salvage->found = found;
        salvage->found_max = more;
    }
    salvage->found[salvage->found_count++] =
        (struct found){ .hash = hash,
                        .version = record->version,
                        .locator = locator,
                        .segment = log_salvage_segment_of(salvage->log, locator),
                        .moved = record->flags & LOG_MOVED };
    return KVS_OK;
}

/* Newest first; of one version the moved one, and of two moved ones the later: as recover.c has it. */
static int by_hash_newest_first(const void *a, const void *b)
{
    const struct found *x = a;
    const struct found *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    if (x->version != y->version)
        return x->version > y->version ? -1 : 1;
    if (x->moved != y->moved)
        return x->moved ? -1 : 1;
    if (x->segment != y->segment)
        return x->segment > y->segment ? -1 : 1;
    return x->locator > y->locator ? -1 : x->locator < y->locator;
}

/* ---- Deciding ---- */

static bool is_removed(const struct salvage *salvage, const struct log_record *record)
{
    const char *bytes = salvage->range_bytes.data;
    for (size_t i = 0; i < salvage->range_count; i++) {
        const struct range *range = &salvage->ranges[i];
        /* A range of the same batch comes before the batch's other operations. */
        if (range->version > record->version &&
            bytes_compare(record->key, bytes_of(bytes + range->start_off, range->start_len)) >= 0 &&
            (range->open_end ||
             bytes_compare(record->key, bytes_of(bytes + range->end_off, range->end_len)) < 0))
            return true;
    }
    return false;
}

static bool is_decided(const struct salvage *salvage, struct kvs_bytes key)
{
    struct kvs_bytes rest = buf_bytes(&salvage->decided);
    while (rest.len > 0) {
        uint32_t len;
        memcpy(&len, rest.data, sizeof len);
        rest = bytes_from(rest, sizeof len);
        if (bytes_equal(key, bytes_of(rest.data, len)))
            return true;
        rest = bytes_from(rest, len);
    }
    return false;
}

static enum kvs_status decide(struct salvage *salvage, struct kvs_bytes key)
{
    uint32_t len = (uint32_t)key.len;
    buf_append(&salvage->decided, &len, sizeof len);
    buf_append_bytes(&salvage->decided, key);
    return salvage->decided.failed;
}

struct pieces {
    struct salvage *salvage;
    struct kvs_bytes list; /* of locators */
    size_t next;           /* chunk to fetch */
    uint64_t off;          /* of the value, where the fetched chunk begins */
    struct kvs_bytes chunk;
};

/* Fetches the next chunk behind the one there is. */
static enum kvs_status next_chunk(struct pieces *pieces)
{
    struct log_record record;
    uint64_t locator;
    if (pieces->next >= pieces->list.len / 8)
        return fail(KVS_CORRUPT, 0, "its chunks are too few");
    memcpy(&locator, (const char *)pieces->list.data + pieces->next * 8, 8);
    locator = le64toh(locator);
    enum kvs_status status =
        log_salvage_fetch(pieces->salvage->log, locator, &pieces->salvage->chunk, &record);
    if (status == KVS_IO)
        status = fail(KVS_CORRUPT, 0, "a chunk of it cannot be read");
    if (status == KVS_OK && (record.kind != LOG_CHUNK || record.value.len == 0))
        status = fail(KVS_CORRUPT, 0, "a chunk of it is something else");
    if (status != KVS_OK)
        return status;
    pieces->off += pieces->chunk.len;
    pieces->chunk = record.value;
    pieces->next++;
    return KVS_OK;
}

/* Front to back. */
static enum kvs_status read_large(void *ctx, uint64_t off, void *buf, size_t len)
{
    struct pieces *pieces = ctx;
    char *to = buf;
    while (len > 0) {
        if (off >= pieces->off + pieces->chunk.len) {
            enum kvs_status status = next_chunk(pieces);
            if (status != KVS_OK)
                return status;
            continue;
        }
        size_t at = (size_t)(off - pieces->off);
        size_t part = pieces->chunk.len - at;
        part = part < len ? part : len;
        memcpy(to, (const char *)pieces->chunk.data + at, part);
        to += part;
        off += part;
        len -= part;
    }
    return KVS_OK;
}

static void report_lost(struct salvage *salvage, struct kvs_bytes key, const char *why)
{
    char text[FAIL_TEXT_BYTES];
    char name[200];
    size_t at = 0;
    const unsigned char *from = key.data;
    for (size_t i = 1; i < key.len && at + 8 < sizeof name; i++)
        at += (size_t)snprintf(name + at, sizeof name - at,
                               from[i] > ' ' && from[i] <= '~' ? "%c" : "\\x%02x", from[i]);
    name[at] = '\0';
    (void)snprintf(text, sizeof text, "the value of key %s in space %u: %.200s", name,
                   key.len > 0 ? from[0] : 0, why);
    salvage->report(salvage->report_ctx, false, text);
}

static enum kvs_status put_value(struct salvage *salvage, const struct log_record *record)
{
    struct kvs_entry entry = { .key = record->key,
                               .value = record->value,
                               .value_bytes = record->value_bytes,
                               .version = record->version,
                               .expire_ms = record->expire_ms };
    struct pieces pieces = { .salvage = salvage, .list = record->value };
    if (record->flags & LOG_LARGE)
        entry.value = bytes_of(NULL, 0);
    enum kvs_status status = salvage->put(salvage->put_ctx, &entry, read_large, &pieces);
    if (status != KVS_CORRUPT)
        return status;
    report_lost(salvage, record->key, fail_text());
    return KVS_OK;
}

static enum kvs_status decide_one(struct salvage *salvage, const struct found *found)
{
    struct log_record record;
    enum kvs_status status =
        log_salvage_fetch(salvage->log, found->locator, &salvage->record, &record);
    if (status == KVS_CORRUPT || status == KVS_IO) {
        salvage->report(salvage->report_ctx, false, fail_text()); /* it was whole a moment ago */
        return KVS_OK;
    }
    if (status != KVS_OK || is_decided(salvage, record.key))
        return status;
    status = decide(salvage, record.key);
    if (status != KVS_OK || record.kind != LOG_SET || is_removed(salvage, &record))
        return status;
    return put_value(salvage, &record);
}

static enum kvs_status decide_all(struct salvage *salvage)
{
    enum kvs_status status = KVS_OK;
    if (salvage->found_count > 0)
        qsort(salvage->found, salvage->found_count, sizeof *salvage->found, by_hash_newest_first);
    for (size_t i = 0; i < salvage->found_count && status == KVS_OK; i++) {
        if (i == 0 || salvage->found[i].hash != salvage->found[i - 1].hash)
            buf_truncate(&salvage->decided, 0);
        status = decide_one(salvage, &salvage->found[i]);
    }
    return status;
}

enum kvs_status native_salvage(const struct kvs_engine_config *config,
                               const struct log_config *log_config, kvs_salvage_fn *put,
                               void *put_ctx, kvs_report_fn *report, void *report_ctx)
{
    struct salvage salvage = {
        .put = put, .put_ctx = put_ctx, .report = report, .report_ctx = report_ctx
    };
    struct log_survey survey;
    enum kvs_status status =
        log_salvage_open(log_config, report, report_ctx, &survey, &salvage.log);
    if (status != KVS_OK)
        return status;
    buf_init(&salvage.range_bytes, RANGES_BYTES_MAX);
    buf_init(&salvage.record, RECORD_SCRATCH_MAX);
    buf_init(&salvage.decided, DECIDED_BYTES_MAX);
    buf_init(&salvage.chunk, RECORD_SCRATCH_MAX);
    uint64_t budget = config->memory_bytes / 4 / sizeof(struct found);
    salvage.passes = survey.records / (budget > 4096 ? budget : 4096) + 1;
    for (salvage.pass = 0; salvage.pass < salvage.passes && status == KVS_OK; salvage.pass++) {
        salvage.found_count = 0;
        status = log_salvage_walk(salvage.log, take, &salvage);
        if (status == KVS_OK)
            status = decide_all(&salvage);
    }
    char why[FAIL_TEXT_BYTES];
    fail_save(why);
    buf_done(&salvage.range_bytes);
    buf_done(&salvage.record);
    buf_done(&salvage.decided);
    buf_done(&salvage.chunk);
    free(salvage.found);
    free(salvage.ranges);
    log_salvage_close(salvage.log);
    return status == KVS_OK ? KVS_OK : fail_restore(status, why);
}
