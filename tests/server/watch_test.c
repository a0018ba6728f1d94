/*
 * watch_test.c - watching others: keyspace notifications, MONITOR, SLOWLOG.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "tests/server/harness.h"

#define ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static const char *next(struct wire *wire)
{
    return wire_show(wire);
}

TEST(writes_are_published_as_events_in_their_order)
{
    struct server_process server;
    struct wire a;
    struct wire b;
    server_start(&server, ARGS("--loops", "2", "--notify-keyspace-events", "KEA"));
    wire_open(&a, &server);
    wire_open(&b, &server);
    assert_string_equal(ask(&b, "CONFIG", "GET", "notify-keyspace-events"),
                        "[$notify-keyspace-events $AKE]");
    assert_string_equal(ask(&b, "CONFIG", "SET", "notify-keyspace-events", "Q"),
                        "-ERR CONFIG SET failed (possibly related to argument "
                        "'notify-keyspace-events') - Invalid event class character. Use "
                        "'Ag$lshzxeKEtmdn'.");
    (void)ask(&a, "PSUBSCRIBE", "__keyevent@*");
    (void)ask(&b, "SET", "k", "1", "EX", "100");
    assert_string_equal(next(&a), "[$pmessage $__keyevent@* $__keyevent@0__:set $k]");
    assert_string_equal(next(&a), "[$pmessage $__keyevent@* $__keyevent@0__:expire $k]");
    (void)ask(&b, "SET", "k", "2", "KEEPTTL");
    assert_string_equal(next(&a), "[$pmessage $__keyevent@* $__keyevent@0__:set $k]");
    (void)ask(&b, "RENAME", "k", "l");
    assert_string_equal(next(&a), "[$pmessage $__keyevent@* $__keyevent@0__:rename_from $k]");
    assert_string_equal(next(&a), "[$pmessage $__keyevent@* $__keyevent@0__:rename_to $l]");
    (void)ask(&b, "SET", "l", "x", "NX"); /* changes nothing, says nothing */
    (void)ask(&b, "SELECT", "5");
    (void)ask(&b, "MULTI");
    (void)ask(&b, "INCR", "n");
    (void)ask(&b, "APPEND", "n", "0");
    (void)ask(&b, "DEL", "n");
    (void)ask(&b, "EXEC");
    assert_string_equal(next(&a), "[$pmessage $__keyevent@* $__keyevent@5__:incrby $n]");
    assert_string_equal(next(&a), "[$pmessage $__keyevent@* $__keyevent@5__:append $n]");
    assert_string_equal(next(&a), "[$pmessage $__keyevent@* $__keyevent@5__:del $n]");
    (void)ask(&b, "CONFIG", "SET", "notify-keyspace-events", "KEmn");
    (void)ask(&b, "MGET", "no", "nothing");
    assert_string_equal(next(&a), "[$pmessage $__keyevent@* $__keyevent@5__:keymiss $no]");
    assert_string_equal(next(&a), "[$pmessage $__keyevent@* $__keyevent@5__:keymiss $nothing]");
    (void)ask(&b, "SET", "fresh", "1");
    assert_string_equal(next(&a), "[$pmessage $__keyevent@* $__keyevent@5__:new $fresh]");
    (void)ask(&b, "SET", "fresh", "2");
    (void)ask(&b, "CONFIG", "SET", "notify-keyspace-events", "");
    (void)ask(&b, "PUBLISH", "__keyevent@x", "last");
    assert_string_equal(next(&a), "[$pmessage $__keyevent@* $__keyevent@x $last]");
    wire_close(&a);
    wire_close(&b);
    server_end(&server);
}

TEST(a_monitor_sees_commands_of_all_loops_but_no_secrets)
{
    struct server_process server;
    struct wire monitor;
    struct wire b;
    server_start(&server, ARGS("--loops", "3", "--requirepass", "secret"));
    wire_open(&monitor, &server);
    wire_open(&b, &server);
    (void)ask(&monitor, "AUTH", "secret");
    assert_string_equal(ask(&monitor, "MONITOR"), "+OK");
    (void)ask(&b, "AUTH", "secret");
    const char *line = next(&monitor);
    assert_non_null(strstr(line, "\"AUTH\" \"(redacted)\""));
    assert_null(strstr(line, "secret"));
    (void)ask(&b, "SET", "a\"b\n", "\x01");
    assert_non_null(strstr(next(&monitor), "\"SET\" \"a\\\"b\\n\" \"\\x01\""));
    (void)ask(&b, "CONFIG", "SET", "requirepass", "other"); /* administration is not shown */
    (void)ask(&b, "SELECT", "2");
    assert_non_null(strstr(next(&monitor), "[2 127.0.0.1:"));
    (void)ask(&b, "MULTI");
    (void)ask(&b, "GET", "k");
    (void)ask(&b, "EXEC");
    assert_non_null(strstr(next(&monitor), "\"MULTI\""));
    assert_non_null(strstr(next(&monitor), "\"GET\" \"k\""));
    assert_non_null(strstr(next(&monitor), "\"EXEC\""));
    assert_string_equal(ask(&monitor, "RESET"), "+RESET");
    (void)ask(&b, "GET", "k");
    assert_string_equal(ask(&monitor, "PING"), "-NOAUTH Authentication required.");
    wire_close(&monitor);
    wire_close(&b);
    server_end(&server);
}

TEST(slow_commands_are_kept_without_secrets_and_bounded)
{
    struct server_process server;
    struct wire a;
    server_start(&server, ARGS("--slowlog-log-slower-than", "0", "--slowlog-max-len", "3"));
    wire_open(&a, &server);
    static char value[4000];
    memset(value, 'v', sizeof value - 1);
    (void)ask(&a, "CLIENT", "SETNAME", "me");
    (void)ask(&a, "SET", "k", value);
    (void)ask(&a, "AUTH", "default", "hidden");
    const char *log = ask(&a, "SLOWLOG", "GET");
    assert_non_null(strstr(log, "[$AUTH $(redacted) $(redacted)]"));
    assert_null(strstr(log, "hidden"));
    assert_non_null(strstr(log, "... (3871 more bytes)]"));
    assert_non_null(strstr(log, " $me]"));
    for (int i = 0; i < 10; i++)
        (void)ask(&a, "PING");
    assert_string_equal(ask(&a, "SLOWLOG", "LEN"), ":3");
    assert_string_equal(ask(&a, "CONFIG", "SET", "slowlog-log-slower-than", "-1"), "+OK");
    assert_string_equal(ask(&a, "SLOWLOG", "RESET"), "+OK");
    assert_string_equal(ask(&a, "SLOWLOG", "GET", "-1"), "[]");
    wire_close(&a);
    server_end(&server);
}
