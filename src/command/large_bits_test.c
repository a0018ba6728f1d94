/*
 * large_bits_test.c - commands on bits, DUMP, RESTORE, COPY and MOVE with values that are never whole in memory: against the same done
 * plainly on bytes.
 */
#include <stdio.h>

#include "base/crc64.h"
#include "base/number.h"
#include "command/stand_test.h"

enum {
    MIB = 1024 * 1024,
    LONG_BYTES = 3 * MIB + 77,
    SHORT_BYTES = 2 * MIB + 5
};

/* The value that the store should hold. */
static unsigned char *model_new(size_t len, uint64_t seed)
{
    unsigned char *bytes = malloc(len);
    assert_non_null(bytes);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (unsigned char)hash_u64(seed + i);
    return bytes;
}

/* Runs @command; "%" stands for @bytes. */
static struct kvs_bytes run_with(struct stand *stand, const char *command, struct kvs_bytes bytes)
{
    struct kvs_bytes args[STAND_ARGS_MAX];
    size_t count = stand_split(command, args);
    for (size_t i = 0; i < count; i++)
        if (bytes_equal(args[i], BYTES("%")))
            args[i] = bytes;
    if (!stand_run(stand, args, count))
        fail_msg("%s: %s", command, kvs_error());
    return buf_bytes(&stand->reply);
}

static int64_t number(struct stand *stand, const char *command)
{
    struct kvs_bytes reply = run_with(stand, command, BYTES(""));
    if (*(const char *)reply.data != ':')
        fail_msg("%s: %.*s", command, reply.len < 100 ? (int)reply.len : 100,
                 (const char *)reply.data);
    int64_t value;
    assert_true(number_parse_i64(bytes_of((const char *)reply.data + 1, reply.len - 3), &value));
    return value;
}

static void set(struct stand *stand, const char *key, const unsigned char *bytes, size_t len)
{
    char command[64];
    (void)snprintf(command, sizeof command, "SET %s %%", key);
    struct kvs_bytes reply = run_with(stand, command, bytes_of(bytes, len));
    assert_true(bytes_equal(reply, BYTES("+OK\r\n")));
}

static void expect_bytes(struct stand *stand, const char *command, const unsigned char *bytes,
                         size_t len)
{
    char head[32];
    size_t head_len = (size_t)snprintf(head, sizeof head, "$%zu\r\n", len);
    struct kvs_bytes reply = run_with(stand, command, BYTES(""));
    assert_int_equal(reply.len, head_len + len + 2);
    assert_memory_equal(reply.data, head, head_len);
    assert_memory_equal((const char *)reply.data + head_len, bytes, len);
}

static int64_t count_bits(const unsigned char *bytes, size_t first, size_t last)
{
    int64_t count = 0;
    for (size_t bit = first; bit <= last; bit++)
        count += bytes[bit / 8] >> (7 - bit % 8) & 1;
    return count;
}

TEST(bits_are_set_and_counted_in_large_values)
{
    struct stand *stand = stand_new();
    unsigned char *model = model_new(LONG_BYTES, 1);
    set(stand, "k", model, LONG_BYTES);
    assert_int_equal(number(stand, "BITCOUNT k"), count_bits(model, 0, LONG_BYTES * 8 - 1));
    assert_int_equal(number(stand, "BITCOUNT k 11 -13 BIT"),
                     count_bits(model, 11, LONG_BYTES * 8 - 13));
    assert_int_equal(number(stand, "BITCOUNT k 1048575 1048577"),
                     count_bits(model, 1048575u * 8, 1048577u * 8 + 7));
    for (uint64_t i = 0; i < 12; i++) {
        size_t bit = (size_t)(hash_u64(i) % (LONG_BYTES * 8));
        char command[64];
        (void)snprintf(command, sizeof command, "GETBIT k %zu", bit);
        assert_int_equal(number(stand, command), count_bits(model, bit, bit));
        (void)snprintf(command, sizeof command, "SETBIT k %zu %d", bit, (int)(i % 2));
        assert_int_equal(number(stand, command), count_bits(model, bit, bit));
        model[bit / 8] = (unsigned char)((model[bit / 8] & ~(1 << (7 - bit % 8))) |
                                         (int)(i % 2) << (7 - bit % 8));
    }
    expect_bytes(stand, "GET k", model, LONG_BYTES);
    free(model);
    stand_free(stand);
}

TEST(a_bit_far_behind_the_end_fills_the_gap_with_zeros)
{
    struct stand *stand = stand_new();
    unsigned char *model = calloc(LONG_BYTES, 1);
    assert_non_null(model);
    EXPECT(stand, "SET k abc", "+OK\r\n");
    memcpy(model, "abc", 3);
    char command[64];
    (void)snprintf(command, sizeof command, "SETBIT k %d 1", LONG_BYTES * 8 - 1);
    assert_int_equal(number(stand, command), 0);
    model[LONG_BYTES - 1] = 1;
    expect_bytes(stand, "GET k", model, LONG_BYTES);
    assert_int_equal(number(stand, "BITPOS k 1 3"), LONG_BYTES * 8 - 1);
    assert_int_equal(number(stand, "BITPOS k 0 -1"), LONG_BYTES * 8 - 8);
    assert_int_equal(number(stand, "BITPOS none 0"), 0);
    memset(model, 0xff, LONG_BYTES);
    set(stand, "k", model, LONG_BYTES);
    assert_int_equal(number(stand, "BITPOS k 0"), LONG_BYTES * 8);
    assert_int_equal(number(stand, "BITPOS k 0 0 -1"), -1);
    assert_int_equal(number(stand, "BITPOS k 1 9 -1 BIT"), 9);
    free(model);
    stand_free(stand);
}

static int64_t field(const unsigned char *bytes, size_t first, size_t bits)
{
    uint64_t value = 0;
    for (size_t bit = first; bit < first + bits; bit++)
        value = value << 1 | (uint64_t)(bytes[bit / 8] >> (7 - bit % 8) & 1);
    return (int64_t)value;
}

TEST(fields_at_the_edges_of_blocks_and_chunks_are_read_back)
{
    struct stand *stand = stand_new();
    unsigned char *model = model_new(LONG_BYTES, 2);
    set(stand, "k", model, LONG_BYTES);
    /* 64 bits from bit 508: over the edge of a block of 64 bytes; and over that of a chunk of 64 KiB. */
    char expected[128];
    (void)snprintf(expected, sizeof expected, "*5\r\n:%u\r\n:%lld\r\n:%lld\r\n:12\r\n:-2\r\n",
                   model[0], (long long)field(model, 508, 64), (long long)field(model, 524280, 32));
    struct kvs_bytes reply = run_with(
        stand,
        "BITFIELD k SET u8 0 1 SET i64 508 -2 SET u32 524280 7 INCRBY u32 524280 5 GET i64 508",
        BYTES(""));
    assert_true(bytes_equal(reply, bytes_str(expected)));
    EXPECT(stand, "BITFIELD_RO k GET i64 508 GET u32 524280 GET u8 0",
           "*3\r\n:-2\r\n:12\r\n:1\r\n");
    assert_int_equal(number(stand, "STRLEN k"), LONG_BYTES);
    free(model);
    stand_free(stand);
}

TEST(large_and_small_strings_are_combined)
{
    static const char *const ops[] = { "AND", "OR", "XOR" };
    struct stand *stand = stand_new();
    size_t lens[] = { LONG_BYTES, SHORT_BYTES, 1000 };
    unsigned char *models[3];
    unsigned char *sum = malloc(LONG_BYTES);
    assert_non_null(sum);
    for (size_t i = 0; i < 3; i++) {
        char key[8];
        (void)snprintf(key, sizeof key, "k%zu", i);
        models[i] = model_new(lens[i], i * 1000);
        set(stand, key, models[i], lens[i]);
    }
    for (size_t op = 0; op < 3; op++) {
        for (size_t at = 0; at < LONG_BYTES; at++) {
            unsigned char b = at < lens[1] ? models[1][at] : 0;
            unsigned char c = at < lens[2] ? models[2][at] : 0;
            unsigned char a = models[0][at];
            sum[at] = (unsigned char)(op == 0 ? a & b & c : op == 1 ? a | b | c : a ^ b ^ c);
        }
        char command[64];
        (void)snprintf(command, sizeof command, "BITOP %s sum k2 k0 k1", ops[op]);
        assert_int_equal(number(stand, command), LONG_BYTES);
        expect_bytes(stand, "GET sum", sum, LONG_BYTES);
    }
    for (size_t at = 0; at < LONG_BYTES; at++)
        sum[at] = (unsigned char)~models[0][at];
    assert_int_equal(number(stand, "BITOP NOT k0 k0"), LONG_BYTES);
    expect_bytes(stand, "GET k0", sum, LONG_BYTES);
    for (size_t i = 0; i < 3; i++)
        free(models[i]);
    free(sum);
    stand_free(stand);
}

TEST(a_dumped_large_value_is_restored_copied_and_moved)
{
    struct stand *stand = stand_new();
    unsigned char *model = model_new(LONG_BYTES, 3);
    set(stand, "k", model, LONG_BYTES);
    struct kvs_bytes reply = run_with(stand, "DUMP k", BYTES(""));
    const char *end = memchr(reply.data, '\n', reply.len);
    assert_non_null(end);
    size_t len = strtoull((const char *)reply.data + 1, NULL, 10);
    assert_int_equal(len, LONG_BYTES + 1 + 5 + 10);
    char *payload = malloc(len);
    assert_non_null(payload);
    memcpy(payload, end + 1, len);
    assert_true(bytes_equal(run_with(stand, "RESTORE r 100000 %", bytes_of(payload, len)),
                            BYTES("+OK\r\n")));
    expect_bytes(stand, "GET r", model, LONG_BYTES);
    EXPECT(stand, "PTTL r", ":100000\r\n");
    payload[len / 2] ^= 1;
    assert_true(bytes_equal(run_with(stand, "RESTORE q 0 %", bytes_of(payload, len)),
                            BYTES("-ERR DUMP payload version or checksum are wrong\r\n")));
    EXPECT(stand, "COPY r c", ":1\r\n");
    EXPECT(stand, "COPY r c DB 3", ":1\r\n");
    EXPECT(stand, "MOVE c 3", ":0\r\n");
    EXPECT(stand, "MOVE c 4", ":1\r\n");
    EXPECT(stand, "EXISTS c", ":0\r\n");
    EXPECT(stand, "SELECT 4", "+OK\r\n");
    expect_bytes(stand, "GET c", model, LONG_BYTES);
    EXPECT(stand, "PTTL c", ":100000\r\n");
    free(payload);
    free(model);
    stand_free(stand);
}

/* Two million bytes out of a few thousand: what is unpacked goes to a blob in pieces. */
TEST(a_packed_payload_is_unpacked_piece_by_piece)
{
    enum {
        REPEATS = 8000,
        UNPACKED = 2 + REPEATS * 264
    };

    struct stand *stand = stand_new();
    unsigned char *model = malloc(UNPACKED);
    unsigned char *payload = malloc(REPEATS * 3 + 64);
    assert_non_null(model);
    assert_non_null(payload);
    for (size_t i = 0; i < UNPACKED; i++)
        model[i] = i % 2 == 0 ? 'x' : 'y';
    size_t packed = 3 + REPEATS * 3;
    size_t len = 0;
    memcpy(payload, "\0\xc3\x80\0\0\0\0\x80\0\0\0\0\x01xy", 15);
    for (size_t i = 0; i < 4; i++) {
        payload[3 + i] = (unsigned char)(packed >> (24 - 8 * i));
        payload[8 + i] = (unsigned char)((size_t)UNPACKED >> (24 - 8 * i));
    }
    len = 15;
    for (size_t i = 0; i < REPEATS; i++, len += 3)
        memcpy(payload + len, "\xe0\xff\x01", 3);
    memcpy(payload + len, "\x0a\0", 2);
    len += 2;
    uint64_t crc = crc64(0, payload, len);
    for (size_t i = 0; i < 8; i++)
        payload[len++] = (unsigned char)(crc >> (8 * i));
    assert_true(
        bytes_equal(run_with(stand, "RESTORE k 0 %", bytes_of(payload, len)), BYTES("+OK\r\n")));
    expect_bytes(stand, "GET k", model, UNPACKED);
    EXPECT(stand, "MULTI", "+OK\r\n");
    (void)run_with(stand, "RESTORE k 0 % REPLACE", bytes_of(payload, len));
    EXPECT(stand, "GETRANGE k 2097150 2097152", "+QUEUED\r\n");
    EXPECT(stand, "EXEC", "*2\r\n+OK\r\n$3\r\nxyx\r\n");
    free(payload);
    free(model);
    stand_free(stand);
}

TEST(spaces_change_places_with_all_they_hold)
{
    struct stand *stand = stand_new();
    unsigned char *model = model_new(LONG_BYTES, 4);
    set(stand, "big", model, LONG_BYTES);
    EXPECT(stand, "SET both here PX 5000", "+OK\r\n");
    EXPECT(stand, "SELECT 2", "+OK\r\n");
    EXPECT(stand, "MSET both there only 1", "+OK\r\n");
    EXPECT(stand, "SWAPDB 2 0", "+OK\r\n");
    EXPECT(stand, "MGET both only", "*2\r\n$4\r\nhere\r\n$-1\r\n");
    EXPECT(stand, "PTTL both", ":5000\r\n");
    EXPECT(stand, "DBSIZE", ":2\r\n");
    expect_bytes(stand, "GET big", model, LONG_BYTES);
    EXPECT(stand, "SELECT 0", "+OK\r\n");
    EXPECT(stand, "MGET both only big", "*3\r\n$5\r\nthere\r\n$1\r\n1\r\n$-1\r\n");
    EXPECT(stand, "PTTL both", ":-1\r\n");
    EXPECT(stand, "MULTI", "+OK\r\n");
    assert_true(bytes_equal(run_with(stand, "SET new %", bytes_of(model, SHORT_BYTES)),
                            BYTES("+QUEUED\r\n")));
    EXPECT(stand, "SWAPDB 0 3", "+QUEUED\r\n");
    EXPECT(stand, "SET both again", "+QUEUED\r\n");
    EXPECT(stand, "EXEC", "*3\r\n+OK\r\n+OK\r\n+OK\r\n");
    EXPECT(stand, "KEYS *", "*1\r\n$4\r\nboth\r\n");
    EXPECT(stand, "SELECT 3", "+OK\r\n");
    expect_bytes(stand, "GET new", model, SHORT_BYTES);
    EXPECT(stand, "MGET both only", "*2\r\n$5\r\nthere\r\n$1\r\n1\r\n");
    free(model);
    stand_free(stand);
}
