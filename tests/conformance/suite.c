/*
 * suite.c - opening stores for the suite, and expectations.
 */
#include "tests/conformance/suite.h"

#include "store/registry.h"

const char *const suite_engine = KVS_SUITE_ENGINE;

void suite_init(struct suite *suite)
{
    const char *kind = getenv("KVS_SUITE_IO");
    *suite = (struct suite){ 0 };
    suite->env.clock = clock_manual_new(SUITE_START_MS * 1000);
    assert_non_null(suite->env.clock);
    suite->env.seed = 1;
    suite->env.io = kind != NULL && strcmp(kind, "memory") == 0 ? io_memory_new() : io_posix();
    assert_true(
        asprintf(&suite->dir, "%s/store", suite->env.io == io_posix() ? test_dir() : "/disk") > 0);
    suite->options = (struct kvs_options){ .engine = suite_engine, .env = &suite->env };
}

void suite_open(struct suite *suite)
{
    suite_init(suite);
    must_ok(kvs_open(suite->dir, &suite->options, &suite->db));
}

void suite_reopen(struct suite *suite)
{
    must_ok(kvs_close(suite->db));
    must_ok(kvs_open(suite->dir, &suite->options, &suite->db));
}

void suite_close(struct suite *suite)
{
    must_ok(kvs_close(suite->db));
    if (suite->env.io != io_posix())
        io_free(suite->env.io);
    free(suite->env.clock);
    free(suite->dir);
}

void suite_advance_ms(struct suite *suite, int64_t by_ms)
{
    clock_manual_advance_us(suite->env.clock, by_ms * 1000);
}

const struct kvs_engine_ops *suite_ops(void)
{
    const struct kvs_engine_ops *ops = NULL;
    must_ok(registry_find(suite_engine, &ops));
    return ops;
}

bool suite_persistent(void)
{
    return suite_ops()->capabilities.persistent;
}

bool suite_may_block(void)
{
    return suite_ops()->capabilities.may_block;
}

size_t suite_key_max(void)
{
    size_t max = suite_ops()->capabilities.key_max - 1; /* a byte is the key space's */
    return max < KVS_KEY_MAX ? max : KVS_KEY_MAX;
}

void must_status(enum kvs_status got, enum kvs_status wanted, const char *call, const char *file,
                 int line)
{
    if (got == wanted)
        return;
    print_error("%s:%d: %s is %s (%s), not %s\n", file, line, call, kvs_status_name(got),
                kvs_error(), kvs_status_name(wanted));
    _fail(file, line);
}

static void write_soon(struct kvs *db, struct kvs_batch *batch)
{
    struct kvs_write_options options = { .park = true };
    must_ok(kvs_write(db, batch, &options, NULL));
    kvs_batch_free(batch);
}

void put_bytes(struct kvs *db, struct kvs_bytes key, struct kvs_bytes value)
{
    struct kvs_batch *batch;
    must_ok(kvs_batch_new(&batch));
    kvs_batch_set(batch, db, key, value, 0);
    write_soon(db, batch);
}

void put(struct kvs *db, const char *key, const char *value)
{
    put_bytes(db, text_bytes(key), text_bytes(value));
}

void put_until(struct kvs *db, const char *key, const char *value, int64_t expire_ms)
{
    struct kvs_batch *batch;
    must_ok(kvs_batch_new(&batch));
    kvs_batch_set(batch, db, text_bytes(key), text_bytes(value), expire_ms);
    write_soon(db, batch);
}

void must_hold_at(struct kvs *db, const struct kvs_snapshot *snapshot, struct kvs_bytes key,
                  struct kvs_bytes value)
{
    struct kvs_read read = { .snapshot = snapshot };
    struct kvs_value got = { 0 };
    must_ok(kvs_get_at(db, &read, key, &got));
    assert_int_equal(got.len, value.len);
    if (value.len != 0)
        assert_memory_equal(got.data, value.data, value.len);
    kvs_value_done(&got);
}

void must_lack_at(struct kvs *db, const struct kvs_snapshot *snapshot, struct kvs_bytes key)
{
    struct kvs_read read = { .snapshot = snapshot };
    struct kvs_value got = { 0 };
    must(KVS_NOT_FOUND, kvs_get_at(db, &read, key, &got));
    kvs_value_done(&got);
}

void must_list_at(struct kvs *db, const struct kvs_snapshot *snapshot,
                  const struct kvs_range *range, bool reverse, const char *keys)
{
    struct kvs_read read = { .snapshot = snapshot };
    struct kvs_iterator *iterator;
    char got[4096] = "";
    size_t len = 0;
    must_ok(kvs_iterator_open(db, &read, range, reverse, &iterator));
    struct kvs_entry entry;
    enum kvs_status status;
    while ((status = kvs_iterator_next(db, iterator, false, &entry)) == KVS_OK) {
        assert_true(len + entry.key.len + 2 < sizeof got);
        if (len != 0)
            got[len++] = ' ';
        if (entry.key.len != 0)
            memcpy(got + len, entry.key.data, entry.key.len);
        len += entry.key.len;
        got[len] = '\0';
    }
    must(KVS_NOT_FOUND, status);
    kvs_iterator_close(db, iterator);
    assert_string_equal(got, keys);
}

struct kvs_range range_of(const char *start, const char *end)
{
    struct kvs_range range = { .start = text_bytes(start) };
    if (end != NULL) {
        range.end = text_bytes(end);
        range.has_end = true;
    }
    return range;
}

static void note_version(void *ctx, const struct kvs_entry *entry)
{
    *(uint64_t *)ctx = entry->version;
}

uint64_t version_of(struct kvs *db, const char *key)
{
    uint64_t version = 0;
    enum kvs_status status = kvs_visit(db, NULL, text_bytes(key), note_version, &version, NULL);
    assert_true(status == KVS_OK || status == KVS_NOT_FOUND);
    return status == KVS_OK ? version : 0;
}

uint64_t count_of(struct kvs *db)
{
    uint64_t count;
    bool exact;
    must_ok(kvs_count(db, NULL, NULL, &count, &exact, NULL));
    assert_true(exact);
    return count;
}

unsigned char *pattern(size_t len, unsigned seed)
{
    unsigned char *bytes = malloc(len + 1);
    assert_non_null(bytes);
    uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (size_t i = 0; i < len; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes[i] = (unsigned char)(state >> 32);
    }
    return bytes;
}
