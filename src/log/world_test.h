/*
 * world_test.h - what the tests of this room share: a log on a simulated disk, and a history of batches to compare it with.
 *
 * A history remembers every batch that was published: its version, and from its number everything it held. What an opening
 * shows is checked against it: every record shown belongs to a batch of the history and is right byte for byte, every batch is
 * there whole or not at all, the batches that are there are the first ones, and those that were acknowledged are among them.
 */
#ifndef LOG_WORLD_TEST_H
#define LOG_WORLD_TEST_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/fail.h"
#include "io/random.h"
#include "log/format.h"
#include "log/log.h"
#include "tests/harness/test.h"

#define WORLD_DIR "/db"

enum {
    BATCH_RECORDS_MAX = 16
};

struct past_batch {
    uint64_t version;
    unsigned number; /* makes keys and values */
    unsigned count;  /* of records */
    unsigned value_bytes;
    bool large;       /* its first record is a large value */
    bool from_before; /* of an earlier opening */
    unsigned found;   /* bits of records shown by the last opening */
    uint64_t locators[BATCH_RECORDS_MAX];
    uint32_t stored[BATCH_RECORDS_MAX];
};

struct world {
    struct io *memory; /* owned, unless io wraps it */
    struct io *io;     /* what the log uses */
    struct clock *clock;
    struct kvs_env env;
    struct log_config config;
    struct log *log;
    struct past_batch *history;
    size_t count;
    size_t capacity;
    unsigned next_number;
    uint64_t acknowledged; /* version */
    struct log_side *chunks;
    uint64_t records_shown;
    bool strict; /* the replay function fails the test */
};

static inline void world_init(struct world *world, struct io *io, struct io *memory)
{
    memset(world, 0, sizeof *world);
    world->memory = memory;
    world->io = io;
    world->clock = clock_manual_new(1700000000000000);
    world->env = (struct kvs_env){ .io = io, .clock = world->clock, .seed = 7 };
    world->config = (struct log_config){
        .dir = WORLD_DIR,
        .env = &world->env,
        .segment_bytes = SEGMENT_BYTES_MIN,
        .no_background = true,
    };
    assert_ok(io->ops->make_dir(io, WORLD_DIR));
}

static inline void world_done(struct world *world)
{
    io_free(world->io);
    free(world->clock);
    free(world->history);
}

/* ---- What batches hold ---- */

static inline struct kvs_bytes key_of(const struct past_batch *batch, unsigned i, char out[64])
{
    int len = snprintf(out, 64, "key-%08u-%02u", batch->number, i);
    return bytes_of(out, (size_t)len);
}

static inline void fill_value(unsigned number, unsigned i, char *out, size_t len)
{
    struct random random;
    random_seed(&random, (uint64_t)number << 8 | i);
    for (size_t at = 0; at < len; at += 8) {
        uint64_t word = random_u64(&random);
        memcpy(out + at, &word, len - at < 8 ? len - at : 8);
    }
}

static inline struct past_batch *history_find(struct world *world, uint64_t version)
{
    for (size_t i = 0; i < world->count; i++) {
        if (world->history[i].version == version)
            return &world->history[i];
    }
    return NULL;
}

static inline struct past_batch *history_add(struct world *world)
{
    if (world->count == world->capacity) {
        world->capacity = world->capacity == 0 ? 64 : world->capacity * 2;
        world->history = realloc(world->history, world->capacity * sizeof *world->history);
        CHECK(world->history != NULL);
    }
    struct past_batch *batch = &world->history[world->count++];
    memset(batch, 0, sizeof *batch);
    batch->number = world->next_number++;
    return batch;
}

/* ---- Opening ---- */

/* Whether the chunks that @record lists hold what they should. */
static inline bool large_is_right(struct world *world, const struct past_batch *batch, unsigned i,
                                  const struct log_record *record)
{
    struct buf scratch;
    buf_init(&scratch, RECORD_BYTES_MAX);
    char *want = malloc(record->value_bytes + 1);
    CHECK(want != NULL);
    fill_value(batch->number, i, want, record->value_bytes);
    size_t at = 0;
    bool right = record->value.len > 0;
    for (size_t c = 0; c < record->value.len / 8 && right; c++) {
        struct log_record chunk;
        uint64_t locator = get_u64((const uint8_t *)record->value.data + c * 8);
        right = log_fetch(world->log, locator, false, &scratch, &chunk) == KVS_OK &&
                chunk.kind == LOG_CHUNK && bytes_equal(chunk.key, record->key) &&
                at + chunk.value.len <= record->value_bytes &&
                memcmp(want + at, chunk.value.data, chunk.value.len) == 0;
        at += right ? chunk.value.len : 0;
    }
    free(want);
    buf_done(&scratch);
    return right && at == record->value_bytes;
}

static inline enum kvs_status world_replay(void *ctx, uint64_t locator,
                                           const struct log_record *record)
{
    struct world *world = ctx;
    world->records_shown++;
    log_account(world->log, locator, record->stored_bytes, record->expire_ms);
    if (record->kind == LOG_CHUNK)
        return KVS_OK;
    struct past_batch *batch = history_find(world, record->version);
    if (batch == NULL)
        return fail(KVS_INVALID, 0, "version %" PRIu64 " was never written", record->version);
    unsigned i = 0;
    char key[64];
    while (i < batch->count && !bytes_equal(record->key, key_of(batch, i, key)))
        i++;
    if (i == batch->count)
        return fail(KVS_INVALID, 0, "a key that batch %u does not have", batch->number);
    if (batch->large && i == 0) {
        if (!(record->flags & LOG_LARGE) || !large_is_right(world, batch, i, record))
            return fail(KVS_INVALID, 0, "batch %u: the large value is wrong", batch->number);
    } else {
        char value[4096];
        fill_value(batch->number, i, value, batch->value_bytes);
        if (!bytes_equal(record->value, bytes_of(value, batch->value_bytes)))
            return fail(KVS_INVALID, 0, "batch %u: value %u is wrong", batch->number, i);
    }
    batch->found |= 1u << i;
    batch->locators[i] = locator;
    batch->stored[i] = record->stored_bytes;
    return KVS_OK;
}

static inline enum kvs_status world_open(struct world *world)
{
    for (size_t i = 0; i < world->count; i++)
        world->history[i].found = 0;
    world->records_shown = 0;
    return log_open(&world->config, world_replay, world, &world->log);
}

/* Compares what the last opening has shown with the history; forgets what was lost, legally. Returns how many are there. */
static inline size_t world_compare(struct world *world)
{
    size_t there = 0;
    while (there < world->count &&
           world->history[there].found == (1u << world->history[there].count) - 1)
        there++;
    for (size_t i = there; i < world->count; i++) {
        if (world->history[i].found != 0)
            print_message("batch %zu of %zu is there (%x), batch %zu (%x of %u) is not\n", i,
                          world->count, world->history[i].found, there, world->history[there].found,
                          world->history[there].count);
        assert_int_equal(world->history[i].found, 0);
        if (world->history[i].version <= world->acknowledged)
            print_message("version %" PRIu64 " was acknowledged (%" PRIu64 "), but is not there\n",
                          world->history[i].version, world->acknowledged);
        assert_true(world->history[i].version > world->acknowledged);
    }
    return there;
}

/* What is lost is lost; its versions must never come back, which history_find() would not notice: so keep the highest. */
static inline void world_forget_lost(struct world *world, size_t there)
{
    world->count = there;
}

static inline void world_reopen(struct world *world)
{
    enum kvs_status status = world_open(world);
    if (status != KVS_OK)
        print_message("open: %s: %s\n", kvs_status_name(status), fail_text());
    assert_ok(status);
    (void)world_compare(world);
}

static inline enum kvs_status world_close(struct world *world)
{
    enum kvs_status status = KVS_OK;
    if (world->chunks != NULL)
        status = log_side_close(world->chunks);
    world->chunks = NULL;
    enum kvs_status closed = log_close(world->log);
    world->log = NULL;
    return status == KVS_OK ? closed : status;
}

/* ---- Writing ---- */

/* The compiler does not follow the lock through log_append_begin(). */
static inline void unlock_begun(struct log *log) NO_THREAD_SAFETY_ANALYSIS
{
    log_unlock(log);
}

/* After a log_append_begin() that answered KVS_OK. */
static inline void publish_begun(struct log *log, const struct log_batch *batch,
                                 struct log_place *ret) NO_THREAD_SAFETY_ANALYSIS
{
    log_append_place(log, batch, ret);
    log_append_publish(log);
    log_unlock(log);
}

struct batch_shape {
    unsigned count;
    unsigned value_bytes;
    unsigned large_bytes; /* 0: no large value */
    bool weak;
    int64_t expire_ms;
};

static inline enum kvs_status write_chunks(struct world *world, const struct past_batch *batch,
                                           unsigned bytes, struct buf *list)
{
    enum kvs_status status = KVS_OK;
    if (world->chunks == NULL)
        status = log_side_open(world->log, false, &world->chunks);
    char *value = malloc(bytes);
    CHECK(value != NULL);
    fill_value(batch->number, 0, value, bytes);
    char key[64];
    for (unsigned at = 0; at < bytes && status == KVS_OK; at += 4000) {
        struct log_record chunk = {
            .kind = LOG_CHUNK,
            .key = key_of(batch, 0, key),
            .value = bytes_of(value + at, bytes - at < 4000 ? bytes - at : 4000),
        };
        uint64_t locator;
        uint32_t stored;
        status = log_side_append(world->chunks, &chunk, &locator, &stored);
        uint8_t word[8];
        if (status == KVS_OK) {
            put_u64(word, locator);
            buf_append(list, word, sizeof word);
        }
    }
    free(value);
    return status;
}

/* Publishes one batch and adds it to the history. */
static inline enum kvs_status world_write(struct world *world, const struct batch_shape *shape,
                                          uint64_t *ret_version)
{
    struct log_batch building;
    struct buf list;
    buf_init(&list, LOG_INLINE_VALUE_MAX);
    log_batch_init(&building);
    struct past_batch batch = {
        .number = world->next_number++,
        .count = shape->count,
        .value_bytes = shape->value_bytes,
        .large = shape->large_bytes > 0,
    };
    enum kvs_status status = KVS_OK;
    for (unsigned i = 0; i < shape->count && status == KVS_OK; i++) {
        char key[64];
        char value[4096];
        fill_value(batch.number, i, value, shape->value_bytes);
        struct log_record record = {
            .kind = LOG_SET,
            .flags = shape->weak ? LOG_WEAK : 0,
            .key = key_of(&batch, i, key),
            .value = bytes_of(value, shape->value_bytes),
            .expire_ms = shape->expire_ms,
        };
        if (batch.large && i == 0) {
            status = write_chunks(world, &batch, shape->large_bytes, &list);
            record.flags |= LOG_LARGE;
            record.value = buf_bytes(&list);
            record.value_bytes = shape->large_bytes;
        }
        if (status == KVS_OK)
            status = log_batch_add(&building, &record);
    }
    if (status == KVS_OK) {
        log_batch_seal(&building);
        status = log_append_begin(world->log, building.bytes.len, false);
    }
    if (status == KVS_OK) {
        struct log_place place;
        publish_begun(world->log, &building, &place);
        batch.version = place.version;
        for (unsigned i = 0; i < shape->count; i++) {
            batch.locators[i] = log_place_locator(&place, &building, i);
            batch.stored[i] = log_batch_record_bytes(&building, i);
        }
        unsigned number = batch.number;
        world->next_number = number;
        *history_add(world) = batch;
        *ret_version = place.version;
    }
    buf_done(&list);
    log_batch_done(&building);
    return status;
}

static inline uint64_t put(struct world *world, unsigned count, unsigned value_bytes)
{
    uint64_t version = 0;
    enum kvs_status status = world_write(
        world, &(struct batch_shape){ .count = count, .value_bytes = value_bytes }, &version);
    if (status != KVS_OK)
        print_message("write: %s: %s\n", kvs_status_name(status), fail_text());
    assert_ok(status);
    return version;
}

static inline void sync_to(struct world *world, uint64_t version)
{
    assert_ok(log_wait_durable(world->log, version));
    if (version > world->acknowledged)
        world->acknowledged = version;
}

/* Every record of the history is read by its locator, from memory or disk. */
static inline void check_all_readable(struct world *world)
{
    struct buf scratch;
    buf_init(&scratch, RECORD_BYTES_MAX);
    for (size_t b = 0; b < world->count; b++) {
        const struct past_batch *batch = &world->history[b];
        for (unsigned i = 0; i < batch->count; i++) {
            struct log_record record;
            char key[64];
            char value[4096];
            enum kvs_status status =
                log_fetch(world->log, batch->locators[i], false, &scratch, &record);
            if (status != KVS_OK)
                print_message("fetch: %s: %s\n", kvs_status_name(status), fail_text());
            assert_ok(status);
            assert_true(bytes_equal(record.key, key_of(batch, i, key)));
            assert_int_equal(record.version, batch->version);
            assert_int_equal(record.stored_bytes, batch->stored[i]);
            fill_value(batch->number, i, value, batch->value_bytes);
            if (!batch->large || i > 0)
                assert_true(bytes_equal(record.value, bytes_of(value, batch->value_bytes)));
        }
    }
    buf_done(&scratch);
}

struct one_stat {
    const char *name;
    uint64_t value;
};

static inline void pick_stat(void *ctx, const char *name, uint64_t value)
{
    struct one_stat *want = ctx;
    if (strcmp(want->name, name) == 0)
        want->value = value;
}

static inline uint64_t stat_of(struct log *log, const char *name)
{
    struct one_stat want = { .name = name, .value = UINT64_MAX };
    log_stats(log, pick_stat, &want);
    assert_true(want.value != UINT64_MAX);
    return want.value;
}

#endif
