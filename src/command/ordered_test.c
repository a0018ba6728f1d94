/*
 * ordered_test.c - ours: RANGE, PREFIX, COUNTPREFIX, DELRANGE, DELPREFIX, CAS; and what SCAN and KEYS promise.
 */
#include <stdio.h>

#include "command/stand_test.h"

#define TWO(a, b)        "*2\r\n$1\r\n" a "\r\n$1\r\n" b "\r\n"
#define THREE(a, b, c)   "*3\r\n$1\r\n" a "\r\n$1\r\n" b "\r\n$1\r\n" c "\r\n"
#define FOUR(a, b, c, d) "*4\r\n$1\r\n" a "\r\n$1\r\n" b "\r\n$1\r\n" c "\r\n$1\r\n" d "\r\n"
#define NONE             "*0\r\n"
#define SYNTAX           "-ERR syntax error\r\n"
#define NOT_INTEGER      "-ERR value is not an integer or out of range\r\n"

static struct stand *stand_abcd(void)
{
    struct stand *stand = stand_new();
    EXPECT(stand, "MSET a 1 b 2 c 3 d 4", "+OK\r\n");
    return stand;
}

TEST(range_begins_at_its_start_and_stops_before_its_end)
{
    struct stand *stand = stand_abcd();
    EXPECT(stand, "RANGE b d", FOUR("b", "2", "c", "3"));
    EXPECT(stand, "RANGE b d KEYS", TWO("b", "c"));
    EXPECT(stand, "RANGE b d VALUES", TWO("2", "3"));
    EXPECT(stand, "RANGE b d rev", FOUR("c", "3", "b", "2"));
    EXPECT(stand, "RANGE b d REV LIMIT 1 keys", "*1\r\n$1\r\nc\r\n");
    EXPECT(stand, "RANGE - + LIMIT 3 VALUES", THREE("1", "2", "3"));
    EXPECT(stand, "RANGE - + LIMIT 0", NONE);
    EXPECT(stand, "RANGE - + REV LIMIT 3 VALUES", THREE("4", "3", "2"));
    EXPECT(stand, "RANGE aa c KEYS", "*1\r\n$1\r\nb\r\n");
    stand_free(stand);
}

TEST(range_bounds_say_whether_they_belong)
{
    struct stand *stand = stand_abcd();
    EXPECT(stand, "RANGE [b [d KEYS", THREE("b", "c", "d"));
    EXPECT(stand, "RANGE (b [d KEYS", TWO("c", "d"));
    EXPECT(stand, "RANGE (b (d KEYS", "*1\r\n$1\r\nc\r\n");
    EXPECT(stand, "RANGE (a + KEYS", THREE("b", "c", "d"));
    EXPECT(stand, "RANGE - [b KEYS", TWO("a", "b"));
    EXPECT(stand, "RANGE b b", NONE);
    EXPECT(stand, "RANGE [b [b KEYS", "*1\r\n$1\r\nb\r\n");
    EXPECT(stand, "RANGE (b (b", NONE);
    EXPECT(stand, "RANGE (b [b", NONE);
    EXPECT(stand, "RANGE d a", NONE);
    EXPECT(stand, "RANGE + -", NONE);
    EXPECT(stand, "RANGE + +", NONE);
    EXPECT(stand, "RANGE - -", NONE);
    EXPECT(stand, "RANGE ~ b KEYS", "*1\r\n$1\r\na\r\n");
    EXPECT(stand, "RANGE - ~", NONE);
    stand_free(stand);
}

TEST(keys_that_look_like_bounds_can_be_named)
{
    struct stand *stand = stand_new();
    EXPECT(stand, "MSET - 1 + 2 [ 3 ( 4", "+OK\r\n");
    EXPECT(stand, "RANGE [- [- VALUES", "*1\r\n$1\r\n1\r\n");
    EXPECT(stand, "RANGE [+ [+ VALUES", "*1\r\n$1\r\n2\r\n");
    EXPECT(stand, "RANGE [[ [[ VALUES", "*1\r\n$1\r\n3\r\n");
    EXPECT(stand, "RANGE [( [( VALUES", "*1\r\n$1\r\n4\r\n");
    EXPECT(stand, "RANGE [( (- VALUES", TWO("4", "2")); /* ( + - [ */
    EXPECT(stand, "SET ~ empty", "+OK\r\n");
    EXPECT(stand, "RANGE [ [ VALUES", "*1\r\n$5\r\nempty\r\n");
    EXPECT(stand, "RANGE ( [( VALUES", "*1\r\n$1\r\n4\r\n");
    stand_free(stand);
}

TEST(bad_options_are_errors)
{
    struct stand *stand = stand_abcd();
    EXPECT(stand, "RANGE a b c", SYNTAX);
    EXPECT(stand, "RANGE a b KEYS VALUES", SYNTAX);
    EXPECT(stand, "RANGE a b LIMIT", SYNTAX);
    EXPECT(stand, "RANGE a b LIMIT x", NOT_INTEGER);
    EXPECT(stand, "RANGE a b LIMIT -1", "-ERR value is out of range, must be positive\r\n");
    EXPECT(stand, "RANGE a b LIMIT 99999999999999999999", NOT_INTEGER);
    EXPECT(stand, "PREFIX a VALUES KEYS", SYNTAX);
    EXPECT(stand, "RANGE a", "-ERR wrong number of arguments for 'range' command\r\n");
    EXPECT(stand, "DELRANGE a", "-ERR wrong number of arguments for 'delrange' command\r\n");
    stand_free(stand);
}

TEST(prefix_lists_and_counts_what_begins_so)
{
    struct stand *stand = stand_new();
    EXPECT(stand, "MSET u 0 u: 1 u:1 2 u:2 3 u; 4 v 5", "+OK\r\n");
    EXPECT(stand, "PREFIX u: VALUES", THREE("1", "2", "3"));
    EXPECT(stand, "PREFIX u: REV LIMIT 2 VALUES", TWO("3", "2"));
    EXPECT(stand, "PREFIX x", NONE);
    EXPECT(stand, "COUNTPREFIX u:", ":3\r\n");
    EXPECT(stand, "COUNTPREFIX u", ":5\r\n");
    EXPECT(stand, "COUNTPREFIX ~", ":6\r\n");
    EXPECT(stand, "COUNTPREFIX x", ":0\r\n");
    EXPECT(stand, "PREFIX ~ LIMIT 1 KEYS", "*1\r\n$1\r\nu\r\n");
    stand_free(stand);
}

TEST(a_prefix_of_the_last_bytes_has_no_end)
{
    struct stand *stand = stand_new();
    EXPECT(stand, "MSET \xff 1 \xff\xff 2 \xfe\xff 3", "+OK\r\n");
    EXPECT(stand, "PREFIX \xff VALUES", TWO("1", "2"));
    EXPECT(stand, "PREFIX \xfe\xff VALUES", "*1\r\n$1\r\n3\r\n");
    EXPECT(stand, "KEYS \xff*", "*2\r\n$1\r\n\xff\r\n$2\r\n\xff\xff\r\n");
    EXPECT(stand, "DELPREFIX \xff", ":2\r\n");
    EXPECT(stand, "RANGE - + VALUES", "*1\r\n$1\r\n3\r\n");
    stand_free(stand);
}

TEST(a_pattern_is_bounded_behind_its_literal_beginning)
{
    struct stand *stand = stand_abcd();
    static char command[8000];
    memset(command, 'a', sizeof command);
    memcpy(command, "KEYS [", 6);
    command[6 + 4096] = '\0';
    EXPECT(stand, command, "-ERR pattern of more than 4096 bytes behind its literal beginning\r\n");
    memset(command, 'a', sizeof command);
    memcpy(command, "KEYS ", 5);
    command[sizeof command - 1] = '\0';
    EXPECT(stand, command, "*0\r\n"); /* literal: found by its place, however long */
    stand_free(stand);
}

TEST(removing_ranges_answers_how_many_keys_went)
{
    struct stand *stand = stand_abcd();
    EXPECT(stand, "DELRANGE b d", ":2\r\n");
    EXPECT(stand, "RANGE - + KEYS", TWO("a", "d"));
    EXPECT(stand, "DELRANGE b d", ":0\r\n");
    EXPECT(stand, "DELRANGE d a", ":0\r\n");
    EXPECT(stand, "DELPREFIX a", ":1\r\n");
    EXPECT(stand, "DELRANGE - +", ":1\r\n");
    EXPECT(stand, "DBSIZE", ":0\r\n");
    EXPECT(stand, "SELECT 1", "+OK\r\n");
    EXPECT(stand, "MSET a 1 b 2", "+OK\r\n");
    EXPECT(stand, "SELECT 0", "+OK\r\n");
    EXPECT(stand, "DELPREFIX ~", ":0\r\n");
    EXPECT(stand, "SELECT 1", "+OK\r\n");
    EXPECT(stand, "DELPREFIX ~", ":2\r\n");
    stand_free(stand);
}

TEST(a_transaction_sees_its_own_writes_in_ranges)
{
    struct stand *stand = stand_abcd();
    EXPECT(stand, "MULTI", "+OK\r\n");
    EXPECT(stand, "SET bb 9", "+QUEUED\r\n");
    EXPECT(stand, "DEL c", "+QUEUED\r\n");
    EXPECT(stand, "RANGE b d VALUES", "+QUEUED\r\n");
    EXPECT(stand, "COUNTPREFIX b", "+QUEUED\r\n");
    EXPECT(stand, "DELPREFIX b", "+QUEUED\r\n");
    EXPECT(stand, "SET b 7", "+QUEUED\r\n");
    EXPECT(stand, "DELRANGE a bb", "+QUEUED\r\n");
    EXPECT(stand, "SET b 8", "+QUEUED\r\n");
    EXPECT(stand, "PREFIX ~ REV VALUES", "+QUEUED\r\n");
    EXPECT(stand, "COUNTPREFIX ~", "+QUEUED\r\n");
    EXPECT(stand, "KEYS *", "+QUEUED\r\n");
    EXPECT(stand, "EXEC",
           "*11\r\n+OK\r\n:1\r\n" TWO("2", "9") ":2\r\n:2\r\n+OK\r\n:2\r\n+OK\r\n" TWO(
               "4", "8") ":2\r\n" TWO("b", "d"));
    EXPECT(stand, "RANGE - +", FOUR("b", "8", "d", "4"));
    stand_free(stand);
}

TEST(randomkey_inside_a_transaction_never_names_a_removed_key)
{
    struct stand *stand = stand_abcd();
    EXPECT(stand, "MULTI", "+OK\r\n");
    EXPECT(stand, "DEL a b d", "+QUEUED\r\n");
    EXPECT(stand, "RANDOMKEY", "+QUEUED\r\n");
    EXPECT(stand, "DEL c", "+QUEUED\r\n");
    EXPECT(stand, "RANDOMKEY", "+QUEUED\r\n");
    EXPECT(stand, "SET e 5", "+QUEUED\r\n");
    EXPECT(stand, "RANDOMKEY", "+QUEUED\r\n");
    EXPECT(stand, "EXEC", "*6\r\n:3\r\n$1\r\nc\r\n:1\r\n$-1\r\n+OK\r\n$1\r\ne\r\n");
    stand_free(stand);
}

TEST(randomkey_names_every_key_sometimes)
{
    struct stand *stand = stand_abcd();
    bool met[4] = { false };
    for (int i = 0; i < 500; i++) {
        struct kvs_bytes args[] = { BYTES("RANDOMKEY") };
        assert_true(stand_run(stand, args, 1));
        assert_int_equal(stand->reply.len, 7);
        met[stand->reply.data[4] - 'a'] = true;
    }
    assert_true(met[0] && met[1] && met[2] && met[3]);
    stand_free(stand);
}

TEST(cas_sets_only_what_it_expects)
{
    struct stand *stand = stand_new();
    EXPECT(stand, "CAS k ~ v", ":0\r\n");
    EXPECT(stand, "EXISTS k", ":0\r\n");
    EXPECT(stand, "SET k old EX 100", "+OK\r\n");
    EXPECT(stand, "CAS k other new", ":0\r\n");
    EXPECT(stand, "CAS k ol new", ":0\r\n");
    EXPECT(stand, "GET k", "$3\r\nold\r\n");
    EXPECT(stand, "TTL k", ":100\r\n");
    EXPECT(stand, "CAS k old new", ":1\r\n");
    EXPECT(stand, "GET k", "$3\r\nnew\r\n");
    EXPECT(stand, "TTL k", ":-1\r\n");
    EXPECT(stand, "CAS k new ~", ":1\r\n");
    EXPECT(stand, "CAS k ~ again", ":1\r\n");
    stand_free(stand);
}

TEST(expired_keys_are_gone_everywhere)
{
    struct stand *stand = stand_new();
    EXPECT(stand, "SET a 1 PX 1000", "+OK\r\n");
    EXPECT(stand, "SET b 2", "+OK\r\n");
    EXPECT(stand, "PTTL a", ":1000\r\n");
    clock_manual_advance_us(stand->clock, 400 * 1000);
    EXPECT(stand, "PTTL a", ":600\r\n");
    EXPECT(stand, "TTL a", ":1\r\n");
    EXPECT(stand, "PEXPIRETIME a", ":1700000001000\r\n");
    EXPECT(stand, "EXPIRETIME a", ":1700000001\r\n");
    clock_manual_advance_us(stand->clock, 200 * 1000);
    EXPECT(stand, "TTL a", ":0\r\n"); /* 400 ms, rounded */
    clock_manual_advance_us(stand->clock, 400 * 1000);
    EXPECT(stand, "TTL a", ":-2\r\n");
    EXPECT(stand, "GET a", "$-1\r\n");
    EXPECT(stand, "MGET a b", "*2\r\n$-1\r\n$1\r\n2\r\n");
    EXPECT(stand, "EXISTS a b", ":1\r\n");
    EXPECT(stand, "KEYS *", "*1\r\n$1\r\nb\r\n");
    EXPECT(stand, "RANGE - + KEYS", "*1\r\n$1\r\nb\r\n");
    EXPECT(stand, "SCAN 0", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nb\r\n");
    EXPECT(stand, "DEL a", ":0\r\n");
    EXPECT(stand, "PERSIST a", ":0\r\n");
    EXPECT(stand, "EXPIRE a 10", ":0\r\n");
    EXPECT(stand, "APPEND a x", ":1\r\n");
    EXPECT(stand, "TTL a", ":-1\r\n");
    EXPECT(stand, "SET a 1 PX 1000", "+OK\r\n");
    clock_manual_advance_us(stand->clock, 1000 * 1000);
    EXPECT(stand, "INCR a", ":1\r\n");
    EXPECT(stand, "SET a 1 PX 1000", "+OK\r\n");
    clock_manual_advance_us(stand->clock, 1000 * 1000);
    EXPECT(stand, "SET a 2 NX", "+OK\r\n");
    stand_free(stand);
}

/* ---- Keys of full length ---- */

static void run_long(struct stand *stand, const char *name, const char *key, size_t len,
                     const char *more)
{
    struct kvs_bytes args[] = { bytes_str(name), bytes_of(key, len), bytes_str(more) };
    assert_true(stand_run(stand, args, 3));
}

TEST(bounds_longer_than_any_key_lie_between_keys)
{
    struct stand *stand = stand_new();
    static char key[KVS_KEY_MAX + 2];
    memset(key, 'm', sizeof key);
    run_long(stand, "SET", key, KVS_KEY_MAX, "longest");
    run_long(stand, "SET", "z", 1, "behind");

    struct kvs_bytes from_too_long[] = { BYTES("RANGE"), bytes_of(key, sizeof key), BYTES("+"),
                                         BYTES("VALUES") };
    assert_true(stand_run(stand, from_too_long, 4));
    assert_true(bytes_equal(buf_bytes(&stand->reply), BYTES("*1\r\n$6\r\nbehind\r\n")));

    struct kvs_bytes to_too_long[] = { BYTES("RANGE"), BYTES("-"), bytes_of(key, sizeof key),
                                       BYTES("VALUES") };
    assert_true(stand_run(stand, to_too_long, 4));
    assert_true(bytes_equal(buf_bytes(&stand->reply), BYTES("*1\r\n$7\r\nlongest\r\n")));

    key[0] = '(';
    struct kvs_bytes behind_longest[] = { BYTES("RANGE"), bytes_of(key, KVS_KEY_MAX + 1),
                                          BYTES("+"), BYTES("VALUES") };
    assert_true(stand_run(stand, behind_longest, 4));
    assert_true(bytes_equal(buf_bytes(&stand->reply), BYTES("*1\r\n$6\r\nbehind\r\n")));

    key[0] = 'm';
    struct kvs_bytes prefix[] = { BYTES("COUNTPREFIX"), bytes_of(key, KVS_KEY_MAX) };
    assert_true(stand_run(stand, prefix, 2));
    assert_true(bytes_equal(buf_bytes(&stand->reply), BYTES(":1\r\n")));
    prefix[1].len++;
    assert_true(stand_run(stand, prefix, 2));
    assert_true(bytes_equal(buf_bytes(&stand->reply), BYTES(":0\r\n")));
    stand_free(stand);
}

TEST(behind_the_very_last_key_there_is_nothing)
{
    struct stand *stand = stand_new();
    static char key[KVS_KEY_MAX + 1];
    memset(key, 0xff, sizeof key);
    run_long(stand, "SET", key, KVS_KEY_MAX, "last");
    key[0] = '(';
    struct kvs_bytes args[] = { BYTES("RANGE"), bytes_of(key, sizeof key), BYTES("+") };
    memset(key + 1, 0xff, KVS_KEY_MAX);
    assert_true(stand_run(stand, args, 3));
    assert_true(bytes_equal(buf_bytes(&stand->reply), BYTES(NONE)));
    key[0] = '[';
    args[1] = BYTES("-");
    args[2] = bytes_of(key, sizeof key);
    assert_true(stand_run(stand, args, 3));
    assert_memory_equal(stand->reply.data, "*2\r\n$65535\r\n", 12);
    EXPECT(stand, "SCAN 0 COUNT 1 MATCH x*", "*2\r\n$1\r\n0\r\n*0\r\n");
    stand_free(stand);
}

TEST(keys_over_the_limit_are_refused_by_name)
{
    struct stand *stand = stand_new();
    static char key[KVS_KEY_MAX + 1];
    memset(key, 'k', sizeof key);
    const char *const writes[] = { "SET", "APPEND", "GETSET", "RENAME" };
    for (size_t i = 0; i < sizeof writes / sizeof writes[0]; i++) {
        run_long(stand, writes[i], key, sizeof key, "v");
        assert_memory_equal(stand->reply.data, "-ERR ", 5);
    }
    EXPECT(stand, "DBSIZE", ":0\r\n");
    stand_free(stand);
}

/* ---- SCAN ---- */

enum {
    SCAN_KEYS = 1000
};

/* Takes an array's next bulk from @at; returns what follows it. */
static const char *take_bulk(const char *at, struct kvs_bytes *ret)
{
    char *end;
    assert_int_equal(*at, '$');
    size_t len = strtoul(at + 1, &end, 10);
    *ret = bytes_of(end + 2, len);
    return end + 2 + len + 2;
}

/* One call; counts the keys it returns in @met. Returns the next cursor. */
static unsigned long scan_once(struct stand *stand, unsigned long cursor, const char *options,
                               unsigned met[SCAN_KEYS])
{
    char command[128];
    (void)snprintf(command, sizeof command, "SCAN %lu%s", cursor, options);
    struct kvs_bytes args[STAND_ARGS_MAX];
    assert_true(stand_run(stand, args, stand_split(command, args)));
    buf_append_char(&stand->reply, '\0');
    assert_memory_equal(stand->reply.data, "*2\r\n", 4);
    struct kvs_bytes bulk;
    const char *at = take_bulk(stand->reply.data + 4, &bulk);
    unsigned long next = strtoul(bulk.data, NULL, 10);
    char *end;
    unsigned long count = strtoul(at + 1, &end, 10);
    at = end + 2;
    for (unsigned long i = 0; i < count; i++) {
        at = take_bulk(at, &bulk);
        unsigned long number = strtoul((const char *)bulk.data + 1, NULL, 10);
        assert_true(number < SCAN_KEYS);
        met[number]++;
    }
    return next;
}

/* Runs a command that is printed as printf does. */
__attribute__((format(printf, 2, 3))) static void run_printed(struct stand *stand,
                                                              const char *format, ...)
{
    char command[64];
    va_list values;
    va_start(values, format);
    (void)vsnprintf(command, sizeof command, format, values);
    va_end(values);
    struct kvs_bytes args[STAND_ARGS_MAX];
    assert_true(stand_run(stand, args, stand_split(command, args)));
}

TEST(scan_returns_what_stays_exactly_once_while_the_rest_changes)
{
    static const char *const options[] = {
        "", " COUNT 1", " COUNT 7", " COUNT 100000", " MATCH k* COUNT 13", " TYPE string COUNT 3"
    };
    for (size_t o = 0; o < sizeof options / sizeof options[0]; o++) {
        struct stand *stand = stand_new();
        unsigned met[SCAN_KEYS] = { 0 };
        for (unsigned i = 0; i < SCAN_KEYS; i++)
            run_printed(stand, "SET k%03u v", i);
        unsigned long cursor = 0;
        unsigned calls = 0;
        do {
            cursor = scan_once(stand, cursor, options[o], met);
            /* Odd keys come, go and change behind and before the cursor. */
            unsigned odd = (calls * 337 % SCAN_KEYS) | 1;
            run_printed(stand, calls % 2 != 0 ? "SET k%03u changed" : "DEL k%03u", odd);
            calls++;
        } while (cursor != 0);
        for (unsigned i = 0; i < SCAN_KEYS; i += 2)
            assert_int_equal(met[i], 1);
        for (unsigned i = 1; i < SCAN_KEYS; i += 2)
            assert_true(met[i] <= 1);
        stand_free(stand);
    }
}

TEST(scan_looks_at_as_many_keys_as_it_was_told)
{
    struct stand *stand = stand_new();
    unsigned met[SCAN_KEYS] = { 0 };
    for (unsigned i = 0; i < 20; i++)
        run_printed(stand, "SET k%03u v", i);
    unsigned long first = scan_once(stand, 0, "", met);
    assert_true(first != 0 && met[9] == 1 && met[10] == 0); /* ten are the default */
    assert_int_equal(scan_once(stand, first, "", met), 0);  /* exactly the rest: done at once */
    assert_true(scan_once(stand, first, " COUNT 9", met) != 0);
    EXPECT(stand, "SCAN 0 MATCH none* COUNT 2", "*2\r\n$1\r\n0\r\n*0\r\n");
    stand_free(stand);
}

TEST(unknown_cursors_are_refused)
{
    struct stand *stand = stand_new();
    for (unsigned i = 0; i < 20; i++)
        run_printed(stand, "SET k%03u v", i);
    EXPECT(stand, "SCAN 5", "-ERR invalid cursor\r\n");
    unsigned met[SCAN_KEYS] = { 0 };
    unsigned long cursor = scan_once(stand, 0, "", met);
    assert_int_equal(cursor, 1);
    EXPECT(stand, "SELECT 3", "+OK\r\n");
    EXPECT(stand, "SCAN 1", "-ERR invalid cursor\r\n"); /* of another space */
    EXPECT(stand, "SELECT 0", "+OK\r\n");
    EXPECT(stand, "SCAN 18446744073709551616", "-ERR invalid cursor\r\n");
    stand->host.cursor_open = NULL;
    EXPECT(stand, "SCAN 0", "-ERR SCAN is not available here; use RANGE\r\n");
    stand_free(stand);
}

/* ---- Long walks and long replies ---- */

TEST(a_long_walk_moves_to_a_thread_that_may_wait)
{
    struct stand *stand = stand_new();
    for (unsigned i = 0; i < SCAN_KEYS; i++)
        run_printed(stand, "SET k%03u v", i);
    stand->waits = 0;
    run_printed(stand, "RANGE - + LIMIT %u", 500);
    run_printed(stand, "SCAN 0 COUNT %u", 500);
    assert_int_equal(stand->waits, 0);
    run_printed(stand, "RANGE - + LIMIT %u", 600);
    run_printed(stand, "SCAN 0 COUNT %u", 600);
    run_printed(stand, "KEYS *%u", 1);
    assert_int_equal(stand->waits, 3);
    stand_free(stand);
}

TEST(long_replies_and_long_requests_move_there_too)
{
    struct stand *stand = stand_new();
    static char value[KVS_INLINE_MAX];
    struct kvs_bytes set[] = { BYTES("SET"), BYTES("k"), bytes_of(value, sizeof value) };
    assert_true(stand_run(stand, set, 3));
    stand->waits = 0;
    run_printed(stand, "MGET k k k k");
    assert_int_equal(stand->waits, 0);
    run_printed(stand, "MGET k k k k k");
    assert_int_equal(stand->waits, 1);
    run_printed(stand, "MGET k k k k k k none none");
    buf_append_char(&stand->reply, '\0');
    assert_memory_equal(stand->reply.data, "*8\r\n$1048576\r\n", 14);

    for (unsigned i = 0; i < 6; i++) {
        char key[8];
        (void)snprintf(key, sizeof key, "l%u", i);
        struct kvs_bytes more[] = { BYTES("SET"), bytes_str(key), bytes_of(value, sizeof value) };
        assert_true(stand_run(stand, more, 3));
    }
    stand->waits = 0;
    run_printed(stand, "PREFIX l LIMIT 4");
    assert_int_equal(stand->waits, 0);
    run_printed(stand, "PREFIX l LIMIT 6");
    assert_int_equal(stand->waits, 1);

    static struct kvs_bytes many[3000];
    for (size_t i = 0; i < 3000; i++)
        many[i] = i == 0 ? BYTES("EXISTS") : BYTES("k");
    assert_true(stand_run(stand, many, 3000));
    assert_true(bytes_equal(buf_bytes(&stand->reply), BYTES(":2999\r\n")));
    assert_int_equal(stand->waits, 2);
    stand_free(stand);
}

TEST(replies_over_their_bound_are_errors)
{
    struct stand *stand = stand_new();
    static char value[KVS_INLINE_MAX];
    memset(value, 'v', sizeof value);
    for (unsigned i = 0; i < 260; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "k%03u", i);
        struct kvs_bytes args[] = { BYTES("SET"), bytes_str(key), bytes_of(value, sizeof value) };
        assert_true(stand_run(stand, args, 3));
    }
    EXPECT(stand, "RANGE - +", "-ERR the reply would exceed 256 MiB; use SCAN or LIMIT\r\n");
    EXPECT(stand, "PREFIX k", "-ERR the reply would exceed 256 MiB; use SCAN or LIMIT\r\n");
    struct kvs_bytes limited[] = { BYTES("RANGE"), BYTES("-"), BYTES("+"), BYTES("LIMIT"),
                                   BYTES("255") };
    assert_true(stand_run(stand, limited, 5));
    assert_memory_equal(stand->reply.data, "*510\r\n", 6);

    struct kvs_bytes many[300] = { BYTES("MGET") };
    for (size_t i = 1; i < 300; i++)
        many[i] = BYTES("k000");
    assert_true(stand_run(stand, many, 300));
    assert_true(bytes_equal(buf_bytes(&stand->reply),
                            BYTES("-ERR the reply would exceed 256 MiB; ask for fewer keys\r\n")));
    assert_true(stand_run(stand, many, 200));
    assert_memory_equal(stand->reply.data, "*199\r\n", 6);
    stand_free(stand);
}
