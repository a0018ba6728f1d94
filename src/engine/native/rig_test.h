/*
 * rig_test.h - an engine "kvs" on a simulated disk, for the tests of this room. Small segments, no threads of its own unless asked for.
 */
#ifndef ENGINE_NATIVE_RIG_TEST_H
#define ENGINE_NATIVE_RIG_TEST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "concurrent/epoch.h"
#include "engine/native/native.h"
#include "engine/native/state.h"
#include "io/random.h"
#include "tests/harness/test.h"

static inline struct kvs_bytes text_of(const char *text)
{
    return bytes_of(text, strlen(text));
}

/* Like assert_ok, with the reason. */
#define must(call)                                                               \
    do {                                                                         \
        enum kvs_status must_status = (call);                                    \
        if (must_status != KVS_OK)                                               \
            fail_msg("%s: status %d, %s", #call, (int)must_status, fail_text()); \
    } while (0)

struct rig {
    struct io *io;
    struct clock *clock;
    struct kvs_env env;
    struct kvs_engine_config config;
    struct kvs_engine *engine;
    struct native *native;
};

static inline void rig_open(struct rig *rig)
{
    must(native_engine_ops.open(&rig->config, &rig->engine));
    rig->native = native_of(rig->engine);
}

static inline void rig_init(struct rig *rig)
{
    *rig = (struct rig){ .io = io_memory_new(), .clock = clock_manual_new(1700000000000000) };
    assert_non_null(rig->io);
    assert_non_null(rig->clock);
    must(rig->io->ops->make_dir(rig->io, "/db"));
    rig->env = (struct kvs_env){ .io = rig->io, .clock = rig->clock, .seed = 7 };
    rig->config = (struct kvs_engine_config){ .dir = "/db",
                                              .env = &rig->env,
                                              .durability = KVS_DURABILITY_ALWAYS,
                                              .memory_bytes = 1024 * 1024,
                                              .segment_bytes = 64 * 1024,
                                              .no_background = true };
}

static inline void rig_close(struct rig *rig)
{
    must(native_engine_ops.close(rig->engine));
    rig->engine = NULL;
    rig->native = NULL;
}

static inline void rig_done(struct rig *rig)
{
    if (rig->engine != NULL)
        rig_close(rig);
    io_free(rig->io);
    free(rig->clock);
}

static inline void rig_reopen(struct rig *rig)
{
    rig_close(rig);
    rig_open(rig);
}

/* Makes everything durable. */
static inline void rig_sync(struct rig *rig)
{
    must(native_engine_ops.checkpoint(rig->engine));
}

static inline void rig_crash(struct rig *rig, uint64_t keep_seed)
{
    io_memory_power_off(rig->io);
    (void)native_engine_ops.close(rig->engine); /* fails, as it should */
    io_memory_crash(rig->io, keep_seed);
    rig_open(rig);
}

static inline void rig_verify(struct rig *rig)
{
    must(native_verify(rig->native));
}

static inline enum kvs_status rig_write(struct rig *rig, const struct kvs_op *ops, size_t count,
                                        uint64_t *ret_version)
{
    struct kvs_write write = { .ops = ops, .op_count = count, .durability = KVS_DURABILITY_ALWAYS };
    struct kvs_written written;
    enum kvs_status status = native_engine_ops.write(rig->engine, &write, &written);
    if (status == KVS_OK && ret_version != NULL)
        *ret_version = written.position;
    return status;
}

static inline struct kvs_op op_set(const char *key, struct kvs_bytes value)
{
    return (struct kvs_op){ .kind = KVS_OP_SET, .key = text_of(key), .value = value };
}

static inline struct kvs_op op_remove(const char *key)
{
    return (struct kvs_op){ .kind = KVS_OP_REMOVE, .key = text_of(key) };
}

static inline struct kvs_op op_range(const char *start, const char *end)
{
    return (struct kvs_op){
        .kind = KVS_OP_REMOVE_RANGE, .key = text_of(start), .end = text_of(end), .has_end = true
    };
}

static inline void rig_set(struct rig *rig, const char *key, const char *value)
{
    struct kvs_op op = op_set(key, text_of(value));
    must(rig_write(rig, &op, 1, NULL));
}

static inline void rig_set_expiring(struct rig *rig, const char *key, const char *value,
                                    int64_t expire_ms)
{
    struct kvs_op op = op_set(key, text_of(value));
    op.expire_ms = expire_ms;
    must(rig_write(rig, &op, 1, NULL));
}

static inline void rig_remove(struct rig *rig, const char *key)
{
    struct kvs_op op = op_remove(key);
    must(rig_write(rig, &op, 1, NULL));
}

/* Sets @count keys "prefixNNNNN" to @value_bytes of a pattern that says @round. */
static inline void rig_fill(struct rig *rig, const char *prefix, unsigned count, size_t value_bytes,
                            unsigned round)
{
    char *value = malloc(value_bytes + 1);
    assert_non_null(value);
    for (unsigned i = 0; i < count; i++) {
        char key[64];
        snprintf(key, sizeof key, "%s%05u", prefix, i);
        memset(value, (char)('a' + (i + round) % 26), value_bytes);
        value[value_bytes] = '\0';
        rig_set(rig, key, value);
    }
    free(value);
}

struct rig_got {
    struct buf value;
    uint64_t version;
    unsigned visits;
};

static inline void rig_visit(void *ctx, const struct kvs_entry *entry)
{
    struct rig_got *got = ctx;
    buf_truncate(&got->value, 0);
    buf_append_bytes(&got->value, entry->value);
    got->version = entry->version;
    got->visits++;
}

/* The value of @key at @snapshot is @value; NULL: there is none. */
static inline void rig_expect_at(struct rig *rig, const struct kvs_snapshot *snapshot,
                                 const char *key, const char *value)
{
    struct rig_got got = { .visits = 0 };
    buf_init(&got.value, SIZE_MAX / 2);
    struct kvs_read read = { .snapshot = snapshot };
    uint64_t position;
    enum kvs_status status =
        native_engine_ops.get(rig->engine, &read, text_of(key), rig_visit, &got, &position);
    if (status != (value != NULL ? KVS_OK : KVS_NOT_FOUND))
        fail_msg("get %s: status %d, %s", key, (int)status,
                 status != KVS_OK && status != KVS_NOT_FOUND ? fail_text() : "");
    if (value != NULL && !bytes_equal(buf_bytes(&got.value), text_of(value)))
        fail_msg("%s is \"%.*s\", not \"%s\"", key, (int)(got.value.len < 80 ? got.value.len : 80),
                 got.value.data, value);
    buf_done(&got.value);
}

static inline void rig_expect(struct rig *rig, const char *key, const char *value)
{
    rig_expect_at(rig, NULL, key, value);
}

static inline void rig_expect_filled(struct rig *rig, const struct kvs_snapshot *snapshot,
                                     const char *prefix, unsigned count, size_t value_bytes,
                                     unsigned round)
{
    char *value = malloc(value_bytes + 1);
    assert_non_null(value);
    for (unsigned i = 0; i < count; i++) {
        char key[64];
        snprintf(key, sizeof key, "%s%05u", prefix, i);
        memset(value, (char)('a' + (i + round) % 26), value_bytes);
        value[value_bytes] = '\0';
        rig_expect_at(rig, snapshot, key, value);
    }
    free(value);
}

static inline void rig_compact(struct rig *rig)
{
    must(native_engine_ops.compact(rig->engine));
}

struct rig_figure {
    const char *name;
    uint64_t value;
    bool found;
};

static inline void rig_take_figure(void *ctx, const char *name, uint64_t value)
{
    struct rig_figure *figure = ctx;
    if (strcmp(name, figure->name) == 0) {
        figure->value = value;
        figure->found = true;
    }
}

static inline uint64_t rig_figure(struct rig *rig, const char *name)
{
    struct rig_figure figure = { .name = name };
    native_engine_ops.stats(rig->engine, rig_take_figure, &figure);
    if (!figure.found)
        fail_msg("there is no figure %s", name);
    return figure.value;
}

struct rig_space {
    uint64_t bytes;
    uint64_t live;
    uint64_t idle;
    size_t segments;
};

static inline struct rig_space rig_space(struct rig *rig)
{
    struct rig_space space = { 0 };
    struct log_segment_info *infos;
    must(log_segments(rig->native->log, &infos, &space.segments));
    for (size_t i = 0; i < space.segments; i++) {
        space.bytes += infos[i].bytes;
        space.live += infos[i].live_bytes;
        space.idle += infos[i].idle_bytes;
    }
    free(infos);
    return space;
}

/* Number of keys, by iterating; each in order. */
static inline size_t rig_iterate(struct rig *rig, const struct kvs_snapshot *snapshot, bool reverse)
{
    struct kvs_read read = { .snapshot = snapshot };
    struct kvs_range all = { 0 };
    struct kvs_iterator *it;
    must(native_engine_ops.iterator_open(rig->engine, &read, &all, reverse, &it));
    struct buf last;
    buf_init(&last, KVS_ENGINE_KEY_MAX);
    size_t count = 0;
    struct kvs_entry entry;
    enum kvs_status status;
    while ((status = native_engine_ops.iterator_next(it, false, &entry)) == KVS_OK) {
        int order = count == 0 ? 0 : bytes_compare(buf_bytes(&last), entry.key);
        if (count != 0 && (reverse ? order <= 0 : order >= 0))
            fail_msg("keys out of order: \"%.*s\" after \"%.*s\"", (int)entry.key.len,
                     (const char *)entry.key.data, (int)last.len, last.data);
        buf_truncate(&last, 0);
        buf_append_bytes(&last, entry.key);
        count++;
    }
    assert_int_equal(status, KVS_NOT_FOUND);
    native_engine_ops.iterator_close(it);
    buf_done(&last);
    return count;
}

/* A value of @len bytes, written through a blob. Byte i is (char)(i * 7 + seed). */
static inline void rig_set_large(struct rig *rig, const char *key, size_t len, unsigned seed)
{
    struct kvs_blob *blob;
    must(native_engine_ops.blob_new(rig->engine, &blob));
    char piece[10000];
    for (size_t off = 0; off < len;) {
        size_t take = len - off < sizeof piece ? len - off : sizeof piece;
        for (size_t i = 0; i < take; i++)
            piece[i] = (char)((off + i) * 7 + (off + i) / 65536 + seed);
        must(native_engine_ops.blob_append(blob, bytes_of(piece, take)));
        off += take;
    }
    struct kvs_op op = { .kind = KVS_OP_SET, .key = text_of(key), .blob = blob };
    must(rig_write(rig, &op, 1, NULL));
}

static inline void rig_expect_large(struct rig *rig, const struct kvs_snapshot *snapshot,
                                    const char *key, size_t len, unsigned seed)
{
    struct kvs_read read = { .snapshot = snapshot };
    struct kvs_entry entry;
    struct kvs_reader *reader;
    uint64_t position;
    must(native_engine_ops.reader_open(rig->engine, &read, text_of(key), &entry, &position,
                                       &reader));
    assert_int_equal(entry.value_bytes, len);
    char piece[10000];
    for (size_t off = 0; off < len;) {
        size_t take = len - off < sizeof piece ? len - off : sizeof piece;
        must(native_engine_ops.reader_read(reader, false, off, piece, take));
        for (size_t i = 0; i < take; i++) {
            if (piece[i] != (char)((off + i) * 7 + (off + i) / 65536 + seed))
                fail_msg("byte %zu of the large value %s is wrong", off + i, key);
        }
        off += take;
    }
    native_engine_ops.reader_close(reader);
}

#endif
