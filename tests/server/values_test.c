/*
 * values_test.c - values of every size, those that are streamed above all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <xxhash.h>

#include "tests/server/harness.h"

enum {
    KIB = 1024,
    MIB = 1024 * 1024
};

/* The same bytes for the same seed; none of them text. */
static char *make_value(uint64_t seed, size_t len)
{
    char *value = malloc(len + 8);
    assert_non_null(value);
    for (size_t i = 0; i < len; i += 8) {
        uint64_t word = (seed + i) * UINT64_C(0x9E3779B97F4A7C15);
        word ^= word >> 29;
        memcpy(value + i, &word, 8);
    }
    return value;
}

static void send_set(struct wire *wire, const char *key, const char *value, size_t len)
{
    struct kvs_bytes args[] = { { "SET", 3 }, { key, strlen(key) }, { value, len } };
    wire_send_args(wire, args, 3);
}

static void expect_bulk(struct wire *wire, const char *value, size_t len)
{
    const struct resp_value *got = wire_read(wire);
    assert_int_equal(got->type, RESP_BULK);
    assert_int_equal(got->text.len, len);
    assert_true(XXH3_64bits(got->text.data, got->text.len) == XXH3_64bits(value, len));
}

static void goes_round(struct wire *wire, size_t len)
{
    char *value = make_value(len, len);
    send_set(wire, "large", value, len);
    assert_string_equal(wire_show(wire), "+OK");
    /* several in a row, with small ones between: streams and bytes must not change places */
    wire_send_text(wire, "PING\r\nGET large\r\nPING\r\nGET large\r\nSTRLEN large\r\n");
    assert_string_equal(wire_show(wire), "+PONG");
    expect_bulk(wire, value, len);
    assert_string_equal(wire_show(wire), "+PONG");
    expect_bulk(wire, value, len);
    assert_int_equal(wire_read(wire)->integer, (int64_t)len);
    free(value);
}

TEST(values_around_the_sizes_where_something_changes)
{
    static const size_t sizes[] = {
        0,       1,   4095,    16 * KIB, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1,
        MIB - 1, MIB, MIB + 1, 2 * MIB,  5 * MIB + 3
    };
    struct server_process server;
    struct wire wire;
    server_start(&server, NULL);
    wire_open(&wire, &server);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        goes_round(&wire, sizes[i]);
    wire_close(&wire);
    server_end(&server);
}

TEST(a_value_of_64_mib_is_not_buffered_per_connection)
{
    struct server_process server;
    struct wire wire;
    server_start(&server, (const char *const[]){ "--memory", "256mb", NULL });
    wire_open(&wire, &server);
    goes_round(&wire, 64 * MIB);
    /* the memory shown of the connection itself */
    const char *info = ask(&wire, "CLIENT", "INFO");
    const char *memory = strstr(info, "tot-mem=");
    assert_non_null(memory);
    assert_true(atoll(memory + 8) < 2 * MIB);
    if (engine_is_persistent()) {
        char *value = make_value(64 * MIB, 64 * MIB);
        server_kill(&server);
        wire_close(&wire);
        server_restart(&server, NULL);
        wire_open(&wire, &server);
        wire_send_text(&wire, "GET large\r\n");
        expect_bulk(&wire, value, 64 * MIB);
        free(value);
    }
    wire_close(&wire);
    server_end(&server);
}

TEST(parts_of_large_values_and_commands_on_them)
{
    struct server_process server;
    struct wire wire;
    char *value = make_value(1, 3 * MIB);
    server_start(&server, NULL);
    wire_open(&wire, &server);
    send_set(&wire, "a", value, 3 * MIB);
    assert_string_equal(wire_show(&wire), "+OK");
    wire_send_text(&wire, "GETRANGE a 1000000 2999999\r\n");
    expect_bulk(&wire, value + 1000000, 2000000);
    wire_send_text(&wire, "MGET a a\r\n");
    const struct resp_value *got = wire_read(&wire);
    assert_int_equal(got->item_count, 2);
    assert_true(memcmp(got->items[1].text.data, value, 3 * MIB) == 0);
    wire_send_text(&wire, "GETDEL a\r\n");
    expect_bulk(&wire, value, 3 * MIB);
    assert_string_equal(ask(&wire, "EXISTS", "a"), ":0");
    free(value);
    wire_close(&wire);
    server_end(&server);
}

TEST(a_client_that_goes_in_the_middle_of_a_value_leaves_nothing)
{
    struct server_process server;
    struct wire wire;
    char *value = make_value(2, 4 * MIB);
    server_start(&server, NULL);
    for (int i = 0; i < 20; i++) {
        wire_open(&wire, &server);
        wire_send_text(&wire, "*3\r\n$3\r\nSET\r\n$4\r\ngone\r\n$4194304\r\n");
        wire_send(&wire, value, (size_t)(i + 1) * 200000);
        wire_close(&wire);
    }
    /* and one that goes in the middle of reading */
    wire_open(&wire, &server);
    send_set(&wire, "there", value, 4 * MIB);
    assert_string_equal(wire_show(&wire), "+OK");
    wire_send_text(&wire, "GET there\r\nGET there\r\nGET there\r\nGET there\r\n");
    wire_expect(&wire, "$4194304\r\n", 10);
    wire_close(&wire);
    wire_open(&wire, &server);
    assert_string_equal(ask(&wire, "EXISTS", "gone", "there"), ":1");
    wire_close(&wire);
    free(value);
    server_end(&server);
}

TEST(large_values_in_a_transaction_are_refused_or_kept_whole)
{
    struct server_process server;
    struct wire wire;
    char *value = make_value(3, 2 * MIB);
    server_start(&server, NULL);
    wire_open(&wire, &server);
    assert_string_equal(ask(&wire, "MULTI"), "+OK");
    send_set(&wire, "m", value, 2 * MIB);
    bool queued = strcmp(wire_show(&wire), "+QUEUED") == 0;
    const char *exec = ask(&wire, "EXEC");
    wire_send_text(&wire, "GET m\r\n");
    if (queued && strcmp(exec, "[+OK]") == 0)
        expect_bulk(&wire, value, 2 * MIB);
    else
        assert_string_equal(wire_show(&wire), "_");
    wire_close(&wire);
    free(value);
    server_end(&server);
}
