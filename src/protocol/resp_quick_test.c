/*
 * resp_quick_test.c - what the quick way takes, the decoder would have taken in the same way.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "io/random.h"
#include "protocol/decode.h"
#include "protocol/resp_quick.h"
#include "tests/harness/test.h"

enum {
    ROOM = 8,
    BULK_MAX = 1000
};

static size_t quick(const char *input, size_t len)
{
    struct kvs_bytes args[ROOM];
    size_t count;
    return resp_quick(bytes_of(input, len), BULK_MAX, args, ROOM, &count);
}

#define QUICK(input) quick((input), sizeof(input) - 1)

TEST(a_whole_plain_request_is_taken)
{
    struct kvs_bytes args[ROOM];
    size_t count;
    static const char set[] = "*3\r\n$3\r\nSET\r\n$0\r\n\r\n$12\r\nabcdefghijkl\r\n*1\r\n";
    assert_int_equal(resp_quick(bytes_of(set, sizeof set - 1), BULK_MAX, args, ROOM, &count),
                     sizeof set - 1 - 4);
    assert_int_equal(count, 3);
    assert_true(bytes_equal(args[0], BYTES("SET")));
    assert_int_equal(args[1].len, 0);
    assert_true(bytes_equal(args[2], BYTES("abcdefghijkl")));
}

TEST(everything_else_is_left_to_the_decoder)
{
    static const char get[] = "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
    assert_int_equal(QUICK("*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"), sizeof get - 1);
    for (size_t len = 0; len + 1 < sizeof get; len++) {
        char *copy = malloc(len + 1); /* reading beyond the end is seen by ASan */
        assert_non_null(copy);
        memcpy(copy, get, len);
        char *exact = realloc(copy, len == 0 ? 1 : len);
        assert_non_null(exact);
        assert_int_equal(quick(exact, len), 0);
        free(exact);
    }
    assert_int_equal(QUICK("PING\r\n"), 0);
    assert_int_equal(QUICK("*0\r\n"), 0);
    assert_int_equal(QUICK("*-1\r\n"), 0);
    assert_int_equal(QUICK("*01\r\n$1\r\nk\r\n"), 0);
    assert_int_equal(QUICK("*1\n$1\nk\n12345678"), 0);
    assert_int_equal(QUICK("*9\r\n$1\r\nk\r\n$1\r\nk\r\n"), 0);
    assert_int_equal(QUICK("*1\r\n$1001\r\nk\r\n"), 0);
    assert_int_equal(QUICK("*1\r\n$9999999\r\nk\r\n"), 0);
    assert_int_equal(QUICK("*1\r\n$-1\r\nk\r\n"), 0);
    assert_int_equal(QUICK("*1\r\n:1\r\nk\r\n"), 0);
}

/* A request, perhaps spoilt in one place. */
static size_t make_input(struct random *random, char *input, size_t size)
{
    size_t count = 1 + random_below(random, 4);
    size_t len = (size_t)snprintf(input, size, "*%zu\r\n", count);
    for (size_t i = 0; i < count; i++) {
        size_t bytes = random_below(random, 20);
        len += (size_t)snprintf(input + len, size - len, "$%zu\r\n", bytes);
        memset(input + len, 'x', bytes);
        memcpy(input + len + bytes, "\r\n", 2);
        len += bytes + 2;
    }
    if (random_below(random, 2) == 0) {
        static const char spoils[] = "\r\n*$0123456789-: x\0\xff";
        input[random_below(random, len)] = spoils[random_below(random, sizeof spoils - 1)];
    }
    return random_below(random, 4) == 0 ? random_below(random, len + 1) : len;
}

TEST(what_is_taken_is_what_the_decoder_takes)
{
    struct random random;
    random_seed(&random, test_seed());
    unsigned taken = 0;
    for (int round = 0; round < 20000; round++) {
        char input[512];
        size_t len = make_input(&random, input, sizeof input);
        struct kvs_bytes args[ROOM];
        size_t count;
        size_t used = resp_quick(bytes_of(input, len), BULK_MAX, args, ROOM, &count);
        if (used == 0)
            continue;
        taken++;
        struct decoder decoder;
        struct request request;
        struct decode_stream stream;
        size_t decoder_used = 0;
        decoder_init(&decoder, PROTOCOL_RESP);
        assert_true(decoder_between_requests(&decoder));
        assert_int_equal(
            decoder_next(&decoder, bytes_of(input, len), &request, &decoder_used, &stream),
            DECODE_REQUEST);
        assert_int_equal(decoder_used, used);
        assert_int_equal(request.count, count);
        for (size_t i = 0; i < count; i++) {
            assert_ptr_equal(request.args[i].data, args[i].data);
            assert_int_equal(request.args[i].len, args[i].len);
        }
        assert_true(decoder_between_requests(&decoder));
        decoder_done(&decoder);
    }
    assert_true(taken > 5000 && taken < 19000);
}
