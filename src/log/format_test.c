/*
 * format_test.c - what is encoded decodes to itself; what is not whole, not ours or not in its place does not.
 */
#include "base/crc.h"
#include "log/manifest.h"
#include "log/world_test.h"

TEST(every_size_fits_its_class_and_little_more)
{
    for (uint32_t bytes = 8; bytes <= RECORD_BYTES_MAX; bytes += 8) {
        unsigned size_class = size_class_of(bytes);
        assert_true(size_class < SIZE_CLASSES);
        uint32_t read = size_class_bytes(size_class);
        assert_true(read >= bytes && read % 8 == 0);
        assert_true(bytes <= 16 || read - bytes < bytes / 4 + 8);
        if (size_class > 0)
            assert_true(size_class_bytes(size_class - 1) < bytes);
    }
    assert_int_equal(size_class_bytes(SIZE_CLASSES - 1), RECORD_BYTES_MAX);
}

TEST(locators_give_back_what_they_were_made_of)
{
    uint64_t locator = locator_make(SLOT_COUNT - 1, SEGMENT_BYTES_MAX - 8, 128);
    assert_true(locator < 1ULL << 48);
    assert_int_equal(locator_slot(locator), SLOT_COUNT - 1);
    assert_int_equal(locator_off(locator), SEGMENT_BYTES_MAX - 8);
    assert_int_equal(size_class_bytes(locator_size_class(locator)), 128);
    assert_true(locator_make(0, SEGMENT_HEADER_BYTES, 8) != 0);
}

static bool same_record(const struct log_record *a, const struct log_record *b)
{
    return a->kind == b->kind && a->flags == b->flags && bytes_equal(a->key, b->key) &&
           bytes_equal(a->value, b->value) && a->value_bytes == b->value_bytes &&
           a->version == b->version && a->expire_ms == b->expire_ms;
}

/* A record of any shape whose key and value fit @room. */
static struct log_record random_record(struct random *random, const char *key, const char *value,
                                       size_t room)
{
    static const unsigned flag_sets[] = { 0, LOG_WEAK, LOG_LARGE, LOG_LARGE | LOG_WEAK };
    struct log_record record = {
        .kind = (enum log_kind)(1 + random_below(random, 3)),
        .key = bytes_of(key, random_below(random, room)),
        .value = bytes_of(value, random_below(random, room)),
        .version = random_u64(random),
        .expire_ms = random_below(random, 2) ? (int64_t)random_u64(random) : 0,
    };
    record.value_bytes = record.value.len;
    if (record.kind == LOG_SET) {
        record.flags = flag_sets[random_below(random, 4)];
        if (record.flags & LOG_LARGE)
            record.value_bytes = random_below(random, KVS_VALUE_MAX);
    } else if (record.kind == LOG_REMOVE_RANGE && random_below(random, 2)) {
        record.flags = LOG_OPEN_END;
    }
    return record;
}

static size_t encode(uint8_t *out, const struct log_record *record, unsigned more_flags)
{
    unsigned flags = record->flags | more_flags | (record->expire_ms != 0 ? RECORD_EXPIRY : 0);
    size_t plain = record_plain_bytes(record, flags);
    record_encode(out, record, flags);
    memset(out + plain, 0, align_up(plain) - plain);
    record_seal(out, align_up(plain));
    return align_up(plain);
}

TEST(records_of_any_shape_come_back)
{
    struct random random;
    random_seed(&random, test_seed());
    char bytes[3000];
    uint8_t out[8192];
    fill_value(1, 1, bytes, sizeof bytes);
    for (int round = 0; round < 20000; round++) {
        struct log_record record = random_record(
            &random, bytes, bytes + 1, 1 + random_below(&random, round % 10 == 0 ? 2900 : 40));
        bool moved = random_below(&random, 2);
        size_t stored = encode(out, &record, moved ? LOG_MOVED : 0);
        record_bind(out, 4711);
        struct log_record got;
        assert_int_equal(record_decode(out, sizeof out, 1000, &got), stored);
        assert_int_equal(got.stored_bytes, stored);
        assert_true(record_verify(out, got.stored_bytes, 4711));
        assert_false(record_verify(out, got.stored_bytes, 4712));
        record.flags |= moved ? LOG_MOVED : 0;
        if (!moved)
            record.version = 1000 + stored;
        assert_true(same_record(&record, &got));
        /* Not a byte less. */
        uint8_t *exact = malloc(stored);
        CHECK(exact != NULL);
        memcpy(exact, out, stored);
        assert_int_equal(record_decode(exact, stored, 1000, &got), stored);
        for (size_t avail = 0; avail < stored; avail += 1 + stored / 50)
            assert_int_equal(record_decode(exact, avail, 1000, &got), 0);
        free(exact);
    }
}

TEST(no_changed_byte_of_a_record_verifies_or_is_read_outside)
{
    char bytes[100];
    fill_value(2, 2, bytes, sizeof bytes);
    struct log_record record = {
        .kind = LOG_SET,
        .flags = LOG_WEAK,
        .key = bytes_of(bytes, 16),
        .value = bytes_of(bytes, 90),
        .expire_ms = 1700000000000,
    };
    uint8_t out[256];
    size_t stored = encode(out, &record, 0);
    record_bind(out, 99);
    for (size_t at = 0; at < stored; at++) {
        for (unsigned value = 0; value < 256; value++) {
            uint8_t *changed =
                malloc(stored); /* exactly: the sanitizer sees what is read behind it */
            CHECK(changed != NULL);
            memcpy(changed, out, stored);
            changed[at] = (uint8_t)value;
            struct log_record got;
            uint32_t bytes_used = record_decode(changed, stored, 0, &got);
            assert_true(bytes_used <= stored);
            if (bytes_used != 0 && value != out[at])
                assert_false(record_verify(changed, bytes_used, 99));
            free(changed);
        }
    }
}

TEST(random_bytes_never_hurt_the_decoder)
{
    struct random random;
    random_seed(&random, test_seed());
    for (int round = 0; round < 200000; round++) {
        size_t len = random_below(&random, 64);
        uint8_t *data = malloc(len + 1);
        CHECK(data != NULL);
        for (size_t i = 0; i < len; i++)
            data[i] = (uint8_t)random_u64(&random);
        if (len > 5) {
            data[4] = (uint8_t)(1 + random_below(&random, 4));
            data[5] &= RECORD_FLAGS_KNOWN;
        }
        struct log_record got;
        assert_true(record_decode(data, len, 0, &got) <= len);
        free(data);
    }
}

TEST(reserved_flags_are_refused)
{
    struct log_record record = { .kind = LOG_SET, .key = BYTES("k"), .value = BYTES("v") };
    struct log_record got;
    uint8_t out[64];
    (void)encode(out, &record, 0);
    assert_true(record_decode(out, sizeof out, 0, &got) != 0);
    out[5] = RECORD_PREVIOUS;
    assert_int_equal(record_decode(out, sizeof out, 0, &got), 0);
    out[5] = 128;
    assert_int_equal(record_decode(out, sizeof out, 0, &got), 0);
    out[5] = LOG_OPEN_END; /* not of a LOG_SET */
    assert_int_equal(record_decode(out, sizeof out, 0, &got), 0);
    out[5] = LOG_MOVED | LOG_MORE;
    assert_int_equal(record_decode(out, sizeof out, 0, &got), 0);
}

TEST(a_batch_names_its_end_in_every_record)
{
    struct log_batch batch;
    log_batch_init(&batch);
    char bytes[200];
    fill_value(3, 3, bytes, sizeof bytes);
    for (unsigned i = 0; i < 100; i++) {
        struct log_record record = { .kind = LOG_SET,
                                     .key = bytes_of(bytes, i % 23),
                                     .value = bytes_of(bytes, (i * 13) % 199) };
        assert_ok(log_batch_add(&batch, &record));
    }
    log_batch_seal(&batch);
    size_t off = 0;
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(batch.offs[i], off);
        struct log_record got;
        const uint8_t *data = (const uint8_t *)batch.bytes.data + off;
        uint32_t stored = record_decode(data, batch.bytes.len - off, 5000 + off, &got);
        assert_int_equal(stored, log_batch_record_bytes(&batch, i));
        assert_int_equal(got.version, 5000 + batch.bytes.len);
        assert_int_equal((got.flags & LOG_MORE) != 0, i < 99);
        assert_true(record_verify(data, stored, 0));
        assert_true(bytes_equal(got.value, bytes_of(bytes, (i * 13) % 199)));
        off += stored;
    }
    assert_int_equal(off, batch.bytes.len);
    log_batch_done(&batch);
}

TEST(too_long_keys_and_values_are_refused)
{
    static char bytes[LOG_INLINE_VALUE_MAX + 1];
    struct log_batch batch;
    log_batch_init(&batch);
    struct log_record record = { .kind = LOG_SET, .key = bytes_of(bytes, KVS_ENGINE_KEY_MAX + 1) };
    assert_int_equal(log_batch_add(&batch, &record), KVS_TOO_LONG);
    record.key.len = KVS_ENGINE_KEY_MAX;
    record.value = bytes_of(bytes, LOG_INLINE_VALUE_MAX + 1);
    assert_int_equal(log_batch_add(&batch, &record), KVS_TOO_LONG);
    record.value.len = LOG_INLINE_VALUE_MAX;
    record.expire_ms = -1;
    assert_ok(log_batch_add(&batch, &record));
    assert_ok(log_batch_add(&batch, &record));
    log_batch_seal(&batch);
    assert_true(log_batch_record_bytes(&batch, 0) <= RECORD_BYTES_MAX);
    log_batch_done(&batch);
}

TEST(a_group_header_is_good_in_its_place_only)
{
    const struct group_header header = { .position = 10000 + 640,
                                         .length = 128,
                                         .durable = 9000,
                                         .previous = 5,
                                         .session = 3,
                                         .time_ms = 77 };
    uint8_t bytes[GROUP_HEADER_BYTES];
    uint32_t checksum = group_header_encode(&header, 42, 640, bytes);
    struct group_header got;
    uint32_t got_checksum;
    assert_true(group_header_decode(bytes, 42, 10000, 640, &got, &got_checksum));
    assert_memory_equal(&got, &header, sizeof header);
    assert_int_equal(got_checksum, checksum);
    assert_false(group_header_decode(bytes, 43, 10000, 640, &got, &got_checksum));
    assert_false(group_header_decode(bytes, 42, 10008, 640, &got, &got_checksum));
    assert_false(group_header_decode(bytes, 42, 10008, 632, &got, &got_checksum));
    for (size_t at = 0; at < sizeof bytes; at++) {
        bytes[at] ^= 1;
        assert_false(group_header_decode(bytes, 42, 10000, 640, &got, &got_checksum));
        bytes[at] ^= 1;
    }
}

TEST(segment_headers_are_refused_when_changed_newer_or_foreign)
{
    struct segment_header header = {
        .id = 12, .incarnation = 99, .base = 4096, .capacity = 65536, .slot = 7, .side = true
    };
    memset(header.store_id, 0xab, sizeof header.store_id);
    uint8_t bytes[SEGMENT_HEADER_BYTES];
    struct segment_header got;
    segment_header_encode(&header, bytes);
    assert_ok(segment_header_decode(bytes, "x", &got));
    assert_memory_equal(got.store_id, header.store_id, STORE_ID_BYTES);
    assert_true(got.id == 12 && got.incarnation == 99 && got.base == 4096 &&
                got.capacity == 65536 && got.slot == 7 && got.side && got.created_ms == 0);
    for (size_t at = 0; at < sizeof bytes; at++) {
        bytes[at] ^= 0x40;
        assert_int_not_equal(segment_header_decode(bytes, "x", &got), KVS_OK);
        bytes[at] ^= 0x40;
    }
    bytes[8] = FORMAT_VERSION + 1;
    assert_int_equal(segment_header_decode(bytes, "x.seg", &got), KVS_WRONG_FORMAT);
    assert_non_null(strstr(fail_text(), "x.seg"));
    bytes[8] = FORMAT_VERSION;
    for (size_t torn = 0; torn < 32; torn++) {
        uint8_t part[SEGMENT_HEADER_BYTES] = { 0 };
        memcpy(part, bytes, torn);
        assert_true(segment_header_is_torn(part, header.store_id));
        if (torn > 20) {
            uint8_t other[STORE_ID_BYTES] = { 1 };
            assert_false(segment_header_is_torn(part, other));
        }
    }
}

TEST(a_manifest_comes_back_and_no_changed_byte_of_it_does)
{
    struct manifest_entry entries[] = {
        { .id = 1,
          .incarnation = 5,
          .base = 0,
          .capacity = 65536,
          .slot = 0,
          .flags = MANIFEST_FINAL,
          .proven = 640 },
        { .id = 4,
          .incarnation = 6,
          .capacity = 65536,
          .slot = 1,
          .flags = MANIFEST_SIDE,
          .proven = 128 },
    };
    struct manifest manifest = {
        .store_id = { 1, 2, 3 },
        .next_id = 5,
        .next_base = 65536,
        .durable = 640,
        .time_ms = 7,
        .session = 2,
        .count = 2,
        .entries = entries,
    };
    uint8_t *data;
    size_t len;
    struct manifest got;
    assert_ok(manifest_encode(&manifest, &data, &len));
    assert_ok(manifest_decode(data, len, "m", &got));
    assert_int_equal(got.count, 2);
    assert_memory_equal(got.entries, entries, sizeof entries);
    assert_memory_equal(got.store_id, manifest.store_id, STORE_ID_BYTES);
    assert_int_equal(got.next_base, 65536);
    manifest_done(&got);
    for (size_t at = 0; at < len; at++) {
        data[at] ^= 0x10;
        assert_int_not_equal(manifest_decode(data, len, "m", &got), KVS_OK);
        data[at] ^= 0x10;
    }
    for (size_t cut = 0; cut < len; cut++)
        assert_int_not_equal(manifest_decode(data, cut, "m", &got), KVS_OK);
    free(data);
    entries[1].slot = SLOT_COUNT; /* whole, but impossible */
    assert_ok(manifest_encode(&manifest, &data, &len));
    assert_int_equal(manifest_decode(data, len, "m", &got), KVS_CORRUPT);
    free(data);
}
