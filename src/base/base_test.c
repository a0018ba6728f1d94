/*
 * base_test.c - bytes, buffers, failures, checksums and hashes.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/crc.h"
#include "base/fail.h"
#include "base/hash.h"
#include "tests/harness/test.h"

TEST(bytes_are_ordered_like_keys)
{
    assert_true(bytes_compare(BYTES("a"), BYTES("b")) < 0);
    assert_true(bytes_compare(BYTES("a"), BYTES("aa")) < 0);
    assert_true(bytes_compare(BYTES("b"), BYTES("aa")) > 0);
    assert_true(bytes_compare(BYTES("\xff"), BYTES("a")) > 0);
    assert_true(bytes_compare(bytes_of("a\0b", 3), bytes_of("a\0c", 3)) < 0);
    assert_int_equal(bytes_compare(bytes_of(NULL, 0), BYTES("")), 0);
    assert_true(bytes_compare(bytes_of(NULL, 0), BYTES("a")) < 0);
}

TEST(bytes_compare_without_case)
{
    assert_true(bytes_equal_nocase(BYTES("GeT"), BYTES("get")));
    assert_false(bytes_equal_nocase(BYTES("get"), BYTES("gets")));
    assert_false(
        bytes_equal_nocase(BYTES("@"), BYTES("`"))); /* differ in the same bit as letters do */
    assert_false(bytes_equal_nocase(BYTES("["), BYTES("{")));
    assert_true(bytes_equal_nocase(bytes_of(NULL, 0), BYTES("")));
}

TEST(bytes_slice_without_running_over)
{
    assert_true(bytes_equal(bytes_from(BYTES("hello"), 2), BYTES("llo")));
    assert_int_equal(bytes_from(BYTES("hello"), 5).len, 0);
    assert_int_equal(bytes_from(BYTES("hello"), 500).len, 0);
    assert_true(bytes_starts_with(BYTES("hello"), BYTES("he")));
    assert_true(bytes_starts_with(BYTES("hello"), bytes_of(NULL, 0)));
    assert_false(bytes_starts_with(BYTES("h"), BYTES("he")));
}

TEST(a_buffer_grows_to_its_limit_and_no_further)
{
    struct buf buf;
    buf_init(&buf, 100);
    for (int i = 0; i < 100; i++)
        buf_append_char(&buf, 'x');
    assert_ok(buf.failed);
    assert_int_equal(buf.len, 100);
    assert_true(buf.capacity <= 100);
    buf_append_char(&buf, 'y');
    assert_int_equal(buf.failed, KVS_TOO_LONG);
    assert_int_equal(buf.len, 100);
    buf_append(&buf, "", 0);
    buf_append_str(&buf, "more");
    buf_printf(&buf, "%d", 5);
    assert_int_equal(buf.len, 100);
    assert_int_equal(buf_reserve(&buf, 0), KVS_TOO_LONG);
    buf_truncate(&buf, 10);
    assert_ok(buf.failed);
    buf_append_str(&buf, "more");
    assert_int_equal(buf.len, 14);
    assert_int_equal(buf_reserve(&buf, SIZE_MAX), KVS_TOO_LONG);
    buf_done(&buf);
    assert_null(buf.data);
    buf_append_str(&buf, "usable again");
    assert_int_equal(buf.len, 12);
    buf_done(&buf);
}

TEST(a_buffer_of_nothing_takes_nothing)
{
    struct buf buf;
    buf_init(&buf, 0);
    buf_append(&buf, NULL, 0);
    assert_ok(buf.failed);
    buf_append_char(&buf, 'x');
    assert_int_equal(buf.failed, KVS_TOO_LONG);
    assert_null(buf.data);
    buf_done(&buf);
}

TEST(a_buffer_prints)
{
    struct buf buf;
    buf_init(&buf, 2000);
    buf_printf(&buf, "%s-%d", "a", 7);
    buf_append_i64(&buf, INT64_MIN);
    buf_append_u64(&buf, UINT64_MAX);
    assert_true(bytes_equal(buf_bytes(&buf), BYTES("a-7-922337203685477580818446744073709551615")));
    buf_truncate(&buf, 0);
    buf_printf(&buf, "%2000d", 5); /* longer than the stack buffer, exactly as long as allowed */
    assert_ok(buf.failed);
    assert_int_equal(buf.len, 2000);
    assert_int_equal(buf.data[1999], '5');
    buf_truncate(&buf, 1);
    buf_printf(&buf, "%2000d", 5);
    assert_int_equal(buf.failed, KVS_TOO_LONG);
    assert_int_equal(buf.len, 1);
    buf_done(&buf);
}

TEST(a_buffer_gives_back)
{
    struct buf buf;
    buf_init(&buf, 10000);
    buf_append_str(&buf, "hello world");
    buf_consume(&buf, 6);
    assert_true(bytes_equal(buf_bytes(&buf), BYTES("world")));
    buf_consume(&buf, 0);
    buf_consume(&buf, 5);
    assert_int_equal(buf.len, 0);
    assert_ok(buf_reserve(&buf, 9000));
    buf_append_str(&buf, "abc");
    buf_shrink(&buf, 2);
    assert_true(buf.capacity >= 9000); /* holds more than 2 */
    buf_shrink(&buf, 10);
    assert_int_equal(buf.capacity, 10);
    assert_memory_equal(buf.data, "abc", 3);
    buf_truncate(&buf, 0);
    buf_shrink(&buf, 0);
    assert_null(buf.data);
    buf_done(&buf);
}

TEST(a_failure_keeps_its_text_and_origin)
{
    errno = EINTR;
    assert_int_equal(fail(KVS_IO, ENOSPC, "append %d bytes to %s", 128, "x.seg"), KVS_IO);
    assert_int_equal(errno, EINTR);
    assert_string_equal(kvs_error(), "append 128 bytes to x.seg: No space left on device");
    assert_string_equal(fail_text(), kvs_error());
    assert_int_equal(strncmp(fail_origin(), "base/base_test.c:", 17), 0);
    assert_int_equal(fail(KVS_INVALID, 0, "again: %s", kvs_error()), KVS_INVALID);
    assert_string_equal(kvs_error(), "again: append 128 bytes to x.seg: No space left on device");
    char text[FAIL_TEXT_BYTES];
    fail_save(text);
    (void)fail(KVS_IO, 0, "other");
    assert_int_equal(fail_restore(KVS_TIMEOUT, text), KVS_TIMEOUT);
    assert_string_equal(kvs_error(), text);
    assert_string_equal(fail_origin(), "");
}

TEST(long_failures_are_cut)
{
    char many[2000];
    memset(many, 'x', sizeof many - 1);
    many[sizeof many - 1] = '\0';
    (void)fail(KVS_IO, EIO, "%s", many);
    assert_int_equal(strlen(kvs_error()), FAIL_TEXT_BYTES - 1);
}

static void *look_at_failure(void *ret)
{
    *(size_t *)ret = strlen(kvs_error());
    return NULL;
}

TEST(failures_belong_to_their_thread)
{
    (void)fail(KVS_IO, 0, "here");
    pthread_t thread;
    size_t len = 99;
    assert_int_equal(pthread_create(&thread, NULL, look_at_failure, &len), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(len, 0);
    assert_string_equal(kvs_error(), "here");
}

TEST(statuses_have_names_and_texts)
{
    assert_string_equal(kvs_status_name(KVS_OK), "KVS_OK");
    assert_string_equal(kvs_status_name(KVS_NETWORK), "KVS_NETWORK");
    assert_string_equal(kvs_status_text(KVS_NOT_FOUND), "key not found");
    assert_non_null(kvs_status_name((enum kvs_status)12345));
    assert_non_null(kvs_status_text((enum kvs_status)12345));
}

/* RFC 3720, appendix B.4; the last is the check value of the catalogue of CRCs. */
TEST(crc32c_gives_the_published_checksums)
{
    unsigned char data[32] = { 0 };
    assert_int_equal(crc32c(0, data, 32), 0x8a9136aa);
    memset(data, 0xff, sizeof data);
    assert_int_equal(crc32c(0, data, 32), 0x62a8ab43);
    for (unsigned i = 0; i < 32; i++)
        data[i] = (unsigned char)i;
    assert_int_equal(crc32c(0, data, 32), 0x46dd794e);
    for (unsigned i = 0; i < 32; i++)
        data[i] = (unsigned char)(31 - i);
    assert_int_equal(crc32c(0, data, 32), 0x113fdb5c);
    const unsigned char command[48] = {
        0x01, 0xc0, [16] = 0x14, [22] = 0x04, [27] = 0x14, [31] = 0x18, [32] = 0x28, [40] = 0x02
    };
    assert_int_equal(crc32c(0, command, 48), 0xd9963a56);
    assert_int_equal(crc32c_portable(0, command, 48), 0xd9963a56);
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c_portable(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(0, NULL, 0), 0);
    assert_int_equal(crc32c(0x12345678, "", 0), 0x12345678);
}

TEST(crc32c_is_the_same_by_instruction_and_by_tables_and_in_pieces)
{
    enum {
        BYTES_MAX = 40000
    };

    unsigned char *data = malloc(BYTES_MAX + 16);
    assert_non_null(data);
    for (size_t i = 0; i < BYTES_MAX + 16; i++)
        data[i] = (unsigned char)(hash_u64(i) >> 13);
    for (size_t len = 0; len < BYTES_MAX; len += len < 1600 ? 1 : 1237) {
        const unsigned char *at = data + len % 16;
        uint32_t whole = crc32c(7, at, len);
        assert_int_equal(whole, crc32c_portable(7, at, len));
        assert_int_equal(whole, crc32c(crc32c(7, at, len / 3), at + len / 3, len - len / 3));
    }
    free(data);
}

TEST(hashes_depend_on_bytes_and_seed)
{
    assert_true(hash_bytes(BYTES("a"), 0) != hash_bytes(BYTES("b"), 0));
    assert_true(hash_bytes(BYTES("a"), 0) != hash_bytes(BYTES("a"), 1));
    assert_true(hash_bytes(bytes_of(NULL, 0), 0) == hash_bytes(BYTES(""), 0));
    assert_true(hash_bytes(bytes_of(NULL, 0), 0) ==
                0x2d06800538d394c2ULL); /* as the library documents it */
}
