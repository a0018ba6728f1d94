/*
 * wire_test.c - what goes over the wire: both protocols, whole and in pieces, sense and nonsense.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/random.h"
#include "tests/server/harness.h"

static struct server_process server;

static void up(void)
{
    if (server.pid == 0)
        server_start(&server, NULL);
}

#define expect_text(wire, text) wire_expect((wire), (text), sizeof(text) - 1)

TEST(resp2_answers)
{
    struct wire wire;
    up();
    wire_open(&wire, &server);
    assert_string_equal(ask(&wire, "PING"), "+PONG");
    assert_string_equal(ask(&wire, "SET", "k", "v"), "+OK");
    assert_string_equal(ask(&wire, "GET", "k"), "$v");
    assert_string_equal(ask(&wire, "GET", "none"), "_");
    assert_string_equal(ask(&wire, "STRLEN", "k"), ":1");
    assert_string_equal(ask(&wire, "MGET", "k", "none"), "[$v _]");
    assert_string_equal(ask(&wire, "INCR", "k"), "-ERR value is not an integer or out of range");
    assert_string_equal(ask(&wire, "NOSUCH", "a"),
                        "-ERR unknown command 'NOSUCH', with args beginning with: 'a' ");
    assert_string_equal(ask(&wire, "GET"), "-ERR wrong number of arguments for 'get' command");
    assert_string_equal(ask(&wire, "DEL", "k"), ":1");
    wire_close(&wire);
}

TEST(hello_switches_to_resp3_in_its_own_answer_and_back)
{
    struct wire wire;
    up();
    wire_open(&wire, &server);
    const char *hello = ask(&wire, "HELLO", "3");
    assert_memory_equal(hello, "{$server:$redis ", 14);
    assert_non_null(strstr(hello, "$proto::3"));
    assert_string_equal(ask(&wire, "GET", "none"), "_");
    wire_send_text(&wire, "GET none\r\n");
    expect_text(&wire, "_\r\n");
    assert_memory_equal(ask(&wire, "CONFIG", "GET", "port"), "{$port:", 7);
    assert_memory_equal(ask(&wire, "HELLO", "2"), "[$server $redis ", 16);
    wire_send_text(&wire, "GET none\r\n");
    expect_text(&wire, "$-1\r\n");
    assert_memory_equal(ask(&wire, "HELLO", "4"), "-NOPROTO", 8);
    wire_close(&wire);
}

TEST(inline_commands_and_empty_lines)
{
    struct wire wire;
    up();
    wire_open(&wire, &server);
    wire_send_text(&wire, "\r\n  PING  \r\nSET inline \"a b\"\r\nGET inline\n*0\r\nDEL inline\r\n");
    expect_text(&wire, "+PONG\r\n+OK\r\n$3\r\na b\r\n:1\r\n");
    wire_close(&wire);
}

TEST(ten_thousand_pipelined_commands_are_answered_in_order)
{
    struct wire wire;
    struct buf out;
    up();
    wire_open(&wire, &server);
    buf_init(&out, 1 << 24);
    for (int i = 0; i < 10000; i++) {
        char text[16];
        int len = snprintf(text, sizeof text, "%d", i);
        buf_printf(
            &out, "*3\r\n$3\r\nSET\r\n$4\r\npipe\r\n$%d\r\n%s\r\n*2\r\n$3\r\nGET\r\n$4\r\npipe\r\n",
            len, text);
    }
    assert_ok(out.failed);
    wire_send(&wire, out.data, out.len);
    for (int i = 0; i < 10000; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "$%d", i);
        assert_string_equal(wire_show(&wire), "+OK");
        assert_string_equal(wire_show(&wire), text);
    }
    buf_done(&out);
    wire_close(&wire);
}

TEST(requests_may_come_byte_by_byte)
{
    static const char requests[] = "*3\r\n$3\r\nSET\r\n$4\r\nslow\r\n$5\r\na\r\nb\0\r\n*2\r\n$"
                                   "3\r\nGET\r\n$4\r\nslow\r\nPING\r\n";
    struct wire wire;
    up();
    wire_open(&wire, &server);
    for (size_t i = 0; i < sizeof requests - 1; i++) {
        wire_send(&wire, requests + i, 1);
        if (i % 8 == 0)
            usleep(1000); /* so that they really arrive apart */
    }
    expect_text(&wire, "+OK\r\n$5\r\na\r\nb\0\r\n+PONG\r\n");
    wire_close(&wire);
}

TEST(a_client_that_shuts_its_side_still_gets_its_answers)
{
    struct wire wire;
    up();
    wire_open(&wire, &server);
    wire_send_text(&wire, "PING\r\nSET half 1\r\nGET half\r\n*2\r\n$3\r\nGE");
    assert_ok(shutdown(wire.fd, SHUT_WR));
    expect_text(&wire, "+PONG\r\n+OK\r\n$1\r\n1\r\n");
    wire_expect_closed(&wire);
    wire_close(&wire);
}

TEST(quit_answers_and_closes)
{
    struct wire wire;
    up();
    wire_open(&wire, &server);
    wire_send_text(&wire, "QUIT\r\nPING\r\n");
    expect_text(&wire, "+OK\r\n");
    wire_expect_closed(&wire);
    wire_close(&wire);
}

TEST(json_values_back_to_back)
{
    struct wire wire;
    up();
    wire_open(&wire, &server);
    wire_send_text(&wire, " \n{\"Set\":{\"key\":\"j\",\"value\":\"\\u00e9 "
                          "v\"}}{\"Get\":{\"key\":\"j\"}} {\"Get\":{\"key\":\"none\"}}"
                          "{\"Remove\":{\"key\":\"j\"}}\n{\"Remove\":{\"key\":\"j\"}}");
    expect_text(&wire, "{\"Ok\":null}{\"Ok\":\"\xc3\xa9 "
                       "v\"}{\"Ok\":null}{\"Ok\":null}{\"Err\":\"Key not found\"}");
    wire_close(&wire);
}

static void send_frame(struct wire *wire, const char *text)
{
    size_t len = strlen(text);
    unsigned char head[4] = { (unsigned char)(len >> 24), (unsigned char)(len >> 16),
                              (unsigned char)(len >> 8), (unsigned char)len };
    wire_send(wire, head, sizeof head);
    wire_send(wire, text, len);
}

static void expect_frame(struct wire *wire, const char *text)
{
    size_t len = strlen(text);
    unsigned char head[4] = { 0, 0, (unsigned char)(len >> 8), (unsigned char)len };
    wire_expect(wire, head, sizeof head);
    wire_expect(wire, text, len);
}

TEST(json_in_frames)
{
    struct wire wire;
    up();
    wire_open(&wire, &server);
    send_frame(&wire, "{\"Set\":{\"key\":\"f\",\"value\":\"v\"}}");
    expect_frame(&wire, "\"Set\"");
    send_frame(&wire, "{\"Get\":{\"key\":\"f\"}}");
    expect_frame(&wire, "{\"Get\":\"v\"}");
    send_frame(&wire, "{\"Remove\":{\"key\":\"f\"}}");
    expect_frame(&wire, "\"Remove\"");
    send_frame(&wire, "{\"Get\":{\"key\":\"f\"}}");
    expect_frame(&wire, "{\"Get\":null}");
    wire_close(&wire);
}

TEST(protocols_side_by_side_see_the_same_keys)
{
    struct wire resp;
    struct wire json;
    struct wire frames;
    up();
    wire_open(&resp, &server);
    wire_open(&json, &server);
    wire_open(&frames, &server);
    assert_string_equal(ask(&resp, "SET", "shared", "1"), "+OK");
    wire_send_text(&json, "{\"Get\":{\"key\":\"shared\"}}");
    expect_text(&json, "{\"Ok\":\"1\"}");
    send_frame(&frames, "{\"Set\":{\"key\":\"shared\",\"value\":\"2\"}}");
    expect_frame(&frames, "\"Set\"");
    assert_string_equal(ask(&resp, "GET", "shared"), "$2");
    assert_string_equal(ask(&resp, "DEL", "shared"), ":1");
    wire_close(&resp);
    wire_close(&json);
    wire_close(&frames);
}

TEST(protocol_errors_are_told_and_close_that_connection_only)
{
    static const struct {
        const char *text;
        const char *answer;
    } errors[] = {
        { "*1\r\nPING\r\n", "-ERR Protocol error: expected '$', got 'P'\r\n" },
        { "*99999999999\r\n", "-ERR Protocol error: invalid multibulk length\r\n" },
        { "*1\r\n$-5\r\n", "-ERR Protocol error: invalid bulk length\r\n" },
        { "*1\r\n$999999999999\r\n", "-ERR Protocol error: invalid bulk length\r\n" },
        { "SET \"a\r\n", "-ERR Protocol error: unbalanced quotes in request\r\n" },
    };
    struct wire other;
    up();
    wire_open(&other, &server);
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        struct wire wire;
        wire_open(&wire, &server);
        wire_send_text(&wire, "PING\r\n");
        wire_send_text(&wire, errors[i].text);
        wire_expect(&wire, "+PONG\r\n", 7);
        wire_expect(&wire, errors[i].answer, strlen(errors[i].answer));
        wire_expect_closed(&wire);
        wire_close(&wire);
    }
    assert_string_equal(ask(&other, "PING"), "+PONG");
    wire_close(&other);
}

TEST(a_browser_is_shown_the_door)
{
    struct wire wire;
    up();
    wire_open(&wire, &server);
    wire_send_text(&wire, "POST / HTTP/1.1\r\nHost: x\r\n\r\nSET evil 1\r\n");
    wire_expect_closed(&wire);
    wire_close(&wire);
    wire_open(&wire, &server);
    assert_string_equal(ask(&wire, "EXISTS", "evil"), ":0");
    wire_close(&wire);
}

TEST(random_bytes_never_hurt)
{
    struct random random;
    up();
    random_seed(&random, test_seed());
    for (int round = 0; round < 300; round++) {
        static const char seasoning[] = "*$\r\n0123456789{}\":-+ GETSget\"'\\";
        struct wire wire;
        char bytes[2048];
        size_t len = random_below(&random, sizeof bytes) + 1;
        for (size_t i = 0; i < len; i++)
            bytes[i] = random_below(&random, 3) == 0
                           ? (char)random_u64(&random)
                           : seasoning[random_below(&random, sizeof seasoning - 1)];
        wire_open(&wire, &server);
        (void)!send(wire.fd, bytes, len, MSG_NOSIGNAL);
        assert_ok(shutdown(wire.fd, SHUT_WR));
        wire_expect_closed(&wire);
        wire_close(&wire);
    }
    struct wire wire;
    wire_open(&wire, &server);
    assert_string_equal(ask(&wire, "PING"), "+PONG");
    wire_close(&wire);
}

TEST(announcing_much_and_sending_nothing_costs_no_memory)
{
    enum {
        CLIENTS = 50
    };

    static const char *const announcements[] = {
        "*1000000\r\n",
        "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$512000000\r\n",
        "*2\r\n$512000000\r\n",
        "*1000000\r\n$3\r\nSET\r\n",
        "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\nabc",
        "{\"Set\":{\"key\":\"",
        "\x00\x7f\xff\xff",
    };
    struct wire wires[CLIENTS];
    struct wire other;
    up();
    wire_open(&other, &server);
    assert_string_equal(ask(&other, "PING"), "+PONG");
    size_t before = server_memory(&server);
    for (int i = 0; i < CLIENTS; i++) {
        wire_open(&wires[i], &server);
        size_t kind = (size_t)i % (sizeof announcements / sizeof *announcements);
        wire_send(&wires[i], announcements[kind], kind == 6 ? 4 : strlen(announcements[kind]));
    }
    for (int i = 0; i < 20; i++) {
        assert_string_equal(ask(&other, "PING"), "+PONG");
        usleep(10000);
    }
    size_t after = server_memory(&server);
    if (after > before + 32 * 1024 * 1024)
        fail_msg("%zu MiB before, %zu MiB after", before >> 20, after >> 20);
    for (int i = 0; i < CLIENTS; i++)
        wire_close(&wires[i]);
    wire_close(&other);
}

TEST(zz_the_server_ends_well)
{
    up();
    server_end(&server);
}
