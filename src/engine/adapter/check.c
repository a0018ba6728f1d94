/*
 * check.c - reading everything in a closed store: every record decodes, keys ascend, large values are whole, expiring records are
 * in the expiry index, and the counts are right.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "engine/adapter/room.h"

struct check {
    struct kvs_engine *engine;
    struct adapter *adapter;
    struct kvs_snapshot *snapshot;
    kvs_report_fn *report;
    void *ctx;
    uint64_t damages;
    uint64_t records;
    uint64_t bytes;
    uint64_t keys[KEY_CLASSES];
};

static void say(struct check *check, bool ok, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void say(struct check *check, bool ok, const char *format, ...)
{
    char text[FAIL_TEXT_BYTES + 128];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    check->damages += !ok;
    if (check->report != NULL)
        check->report(check->ctx, ok, text);
}

/* Does @key hold a value of @len bytes? */
static bool holds(struct check *check, struct kvs_bytes key, size_t len)
{
    struct adapter *adapter = check->adapter;
    struct driver_pin pin;
    if (adapter->ops->get(adapter->driver, check->snapshot->view, key, &pin) != KVS_OK)
        return false;
    bool good = pin.value.len == len;
    adapter->ops->unpin(adapter->driver, &pin);
    return good;
}

static void check_chunks(struct check *check, const struct record *record)
{
    uint64_t left = record->value_bytes;
    for (uint32_t number = 0; left != 0; number++) {
        unsigned char key[SMALL_KEY_BYTES];
        size_t piece = left < BLOB_CHUNK_BYTES ? (size_t)left : BLOB_CHUNK_BYTES;
        if (!holds(check, raw_chunk(record->blob_id, number, key), piece))
            say(check, false,
                "record %" PRIu64 ": piece %" PRIu32 " of its value of %" PRIu64
                " bytes is not there",
                check->records, number, record->value_bytes);
        left -= piece;
    }
}

static void check_record(struct check *check, const struct driver_cursor *cursor)
{
    struct kvs_bytes key = bytes_from(cursor->key, 1);
    struct record record;
    check->records++;
    check->bytes += cursor->key.len + cursor->value.len;
    check->keys[key_class(key)]++;
    if (adapter_record_decode(cursor->value, &record) != KVS_OK) {
        say(check, false, "record %" PRIu64 ": %s", check->records, fail_text());
        return;
    }
    if (record.version > check->snapshot->version)
        say(check, false,
            "record %" PRIu64 " has version %" PRIu64 ", but none above %" PRIu64 " was given",
            check->records, record.version, check->snapshot->version);
    unsigned char due[SMALL_KEY_BYTES];
    if (record.expire_ms != 0 && !holds(check, raw_expiry(record.expire_ms, key, due), key.len))
        say(check, false, "record %" PRIu64 " expires, but is not in the index of those",
            check->records);
    if (record.blob_id != 0)
        check_chunks(check, &record);
}

static enum kvs_status check_records(struct check *check)
{
    const struct driver_ops *ops = check->adapter->ops;
    struct driver_cursor *cursor;
    unsigned char start[SMALL_KEY_BYTES];
    enum kvs_status status = ops->cursor_open(check->snapshot->view, &cursor);
    if (status != KVS_OK)
        return status;
    status = ops->cursor_seek(cursor, raw_section(SECTION_RECORDS, start));
    while (status == KVS_OK && *(const unsigned char *)cursor->key.data == SECTION_RECORDS) {
        check_record(check, cursor);
        status = ops->cursor_next(cursor);
    }
    ops->cursor_close(cursor);
    return status == KVS_NOT_FOUND ? KVS_OK : status;
}

static void check_counts(struct check *check)
{
    for (unsigned class = 0; class < KEY_CLASSES; class ++)
        if (check->keys[class] != check->adapter->state.keys[class])
            say(check, false, "%" PRIu64 " keys begin with byte %u, the state says %" PRIu64,
                check->keys[class], class, check->adapter->state.keys[class]);
}

enum kvs_status adapter_check(const struct kvs_engine_ops *self, const struct driver_ops *driver,
                              const struct kvs_engine_config *config, kvs_report_fn *report,
                              void *ctx)
{
    struct kvs_engine_config read_only = *config;
    read_only.read_only = true;
    struct check check = { .report = report, .ctx = ctx };
    enum kvs_status status = adapter_open(self, driver, &read_only, &check.engine);
    if (status != KVS_OK) {
        say(&check, false, "it cannot be opened: %s", fail_text());
        return status;
    }
    check.adapter = adapter_of(check.engine);
    status = adapter_snapshot_open(check.engine, "check", &check.snapshot);
    if (status == KVS_OK)
        status = check_records(&check);
    if (status == KVS_OK)
        check_counts(&check);
    else
        say(&check, false, "after %" PRIu64 " records: %s", check.records, fail_text());
    adapter_snapshot_unref(check.snapshot);
    if (status == KVS_OK && check.damages == 0)
        say(&check, true, "%" PRIu64 " records, %" PRIu64 " bytes: intact", check.records,
            check.bytes);
    else if (status == KVS_OK)
        status = fail(KVS_CORRUPT, 0, "%" PRIu64 " damages", check.damages);
    char why[FAIL_TEXT_BYTES];
    fail_save(why);
    enum kvs_status closed = adapter_close(check.engine);
    return status != KVS_OK ? fail_restore(status, why) : closed;
}
