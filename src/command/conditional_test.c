/*
 * conditional_test.c - GETV, CAS, CAD, BATCH, and the cursors of RANGE and PREFIX.
 */
#include <stdio.h>

#include "command/stand_test.h"

/* The version of @key as GETV tells it, in digits. */
static const char *version_of(struct stand *stand, const char *key)
{
    static char digits[32];
    char command[64];
    struct kvs_bytes args[STAND_ARGS_MAX];
    (void)snprintf(command, sizeof command, "GETV %s", key);
    assert_true(stand_run(stand, args, stand_split(command, args)));
    buf_append_char(&stand->reply, '\0');
    assert_int_equal(sscanf(stand->reply.data, "*2\r\n$%*d\r\n%31[0-9]", digits), 1);
    return digits;
}

/* The answer to @before, @version and @after, as one command. */
static void expect_version(struct stand *stand, const char *before, const char *version,
                           const char *after, const char *answer)
{
    char command[128];
    (void)snprintf(command, sizeof command, "%s %s%s", before, version, after);
    stand_expect(stand, command, bytes_str(answer));
}

TEST(a_version_is_good_until_the_next_write)
{
    struct stand *stand = stand_new();
    char old[32];
    EXPECT(stand, "GETV k", "$-1\r\n");
    EXPECT(stand, "CAS k VERSION 0 first", ":1\r\n");
    EXPECT(stand, "CAS k VERSION 0 again", ":0\r\n");
    (void)snprintf(old, sizeof old, "%s", version_of(stand, "k"));
    assert_string_equal(version_of(stand, "k"), old);
    expect_version(stand, "CAS k VERSION", old, " second", ":1\r\n");
    expect_version(stand, "CAS k VERSION", old, " third", ":0\r\n");
    EXPECT(stand, "SET k first", "+OK\r\n"); /* the value is back, the version is not */
    expect_version(stand, "CAD k VERSION", old, "", ":0\r\n");
    EXPECT(stand, "CAD k VERSION 0", ":0\r\n");
    expect_version(stand, "CAD k VERSION", version_of(stand, "k"), "", ":1\r\n");
    EXPECT(stand, "EXISTS k", ":0\r\n");
    EXPECT(stand, "CAD k VERSION 0", ":1\r\n");
    stand_free(stand);
}

TEST(cad_removes_what_is_as_expected)
{
    struct stand *stand = stand_new();
    EXPECT(stand, "SET k v EX 100", "+OK\r\n");
    EXPECT(stand, "CAD k w", ":0\r\n");
    EXPECT(stand, "CAD k ~", ":0\r\n");
    EXPECT(stand, "CAD k v", ":1\r\n");
    EXPECT(stand, "CAD k v", ":0\r\n");
    EXPECT(stand, "CAD k VERSION x", "-ERR version is not an integer or out of range\r\n");
    EXPECT(stand, "CAD k VERSIO 1", "-ERR syntax error\r\n");
    EXPECT(stand, "CAD k a b c", "-ERR syntax error\r\n");
    EXPECT(stand, "CAD k", "-ERR wrong number of arguments for 'cad' command\r\n");
    EXPECT(stand, "CAS k a b c d", "-ERR syntax error\r\n");
    EXPECT(stand, "CAS k VERSION -1 v", "-ERR version is not an integer or out of range\r\n");
    stand_free(stand);
}

TEST(a_batch_is_done_whole_or_not_at_all)
{
    struct stand *stand = stand_new();
    EXPECT(stand, "BATCH IFVERSION a 0 SET a 1 SET b x INCRBY n 5", ":1\r\n");
    EXPECT(stand, "MGET a b n", "*3\r\n$1\r\n1\r\n$1\r\nx\r\n$1\r\n5\r\n");
    EXPECT(stand, "BATCH SET a 2 IF b y SET c 3",
           ":0\r\n"); /* conditions come first wherever they stand */
    EXPECT(stand, "MGET a c", "*2\r\n$1\r\n1\r\n$-1\r\n");
    EXPECT(stand, "BATCH IF b x DEL b ~ SET a 2 PEXPIRE a 5000 INCRBY n -1", ":1\r\n");
    EXPECT(stand, "MGET a b n", "*3\r\n$1\r\n2\r\n$-1\r\n$1\r\n4\r\n");
    EXPECT(stand, "PTTL a", ":5000\r\n");
    EXPECT(stand, "BATCH SET a 3 INCRBY a 4 INCRBY a 5", ":1\r\n"); /* each sees those before it */
    EXPECT(stand, "GET a", "$2\r\n12\r\n");
    EXPECT(stand, "TTL a", ":-1\r\n");
    expect_version(stand, "BATCH IFVERSION a", version_of(stand, "a"), " DEL a ~", ":1\r\n");
    EXPECT(stand, "BATCH PEXPIRE a 5000 INCRBY a 1", ":1\r\n"); /* no key, nothing to expire */
    EXPECT(stand, "TTL a", ":-1\r\n");
    stand_free(stand);
}

TEST(a_batch_with_a_mistake_changes_nothing)
{
    static const char *const not_integer = "-ERR value is not an integer or out of range\r\n";
    struct stand *stand = stand_new();
    EXPECT(stand, "SET t text", "+OK\r\n");
    stand_expect(stand, "BATCH SET a 1 INCRBY t 1", bytes_str(not_integer));
    stand_expect(stand, "BATCH SET a 1 SET a x INCRBY a 1", bytes_str(not_integer));
    stand_expect(stand, "BATCH SET a 1 INCRBY n x", bytes_str(not_integer));
    EXPECT(stand, "BATCH SET a 9223372036854775806 INCRBY a 1 INCRBY a 1",
           "-ERR increment or decrement would overflow\r\n");
    EXPECT(stand, "BATCH SET a 1 PEXPIRE a 0", "-ERR invalid expire time in 'batch' command\r\n");
    EXPECT(stand, "BATCH SET a 1 IFVERSION a x",
           "-ERR version is not an integer or out of range\r\n");
    EXPECT(stand, "BATCH SET a 1 NOSUCH a x", "-ERR syntax error\r\n");
    EXPECT(stand, "BATCH SET a 1 DEL a", "-ERR wrong number of arguments for 'batch' command\r\n");
    EXPECT(stand, "EXISTS a", ":0\r\n");
    EXPECT(stand, "BATCH SET t 1 INCRBY t 1 DEL t ~ INCRBY t 7", ":1\r\n");
    EXPECT(stand, "GET t", "$1\r\n7\r\n");
    EXPECT(stand, "COMMAND GETKEYS BATCH SET a 1 DEL b ~ IF c x",
           "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n");
    stand_free(stand);
}

TEST(a_batch_inside_exec_sees_what_came_before_it)
{
    struct stand *stand = stand_new();
    EXPECT(stand, "MULTI", "+OK\r\n");
    EXPECT(stand, "SET a 1", "+QUEUED\r\n");
    EXPECT(stand, "BATCH IF a 1 INCRBY a 1", "+QUEUED\r\n");
    EXPECT(stand, "BATCH IF a 1 DEL a ~", "+QUEUED\r\n");
    EXPECT(stand, "CAS a VERSION 0 x", "+QUEUED\r\n"); /* it exists, without a version yet */
    EXPECT(stand, "CAD a 2", "+QUEUED\r\n");
    EXPECT(stand, "EXEC", "*5\r\n+OK\r\n:1\r\n:0\r\n:0\r\n:1\r\n");
    stand_free(stand);
}

TEST(a_cursor_goes_on_where_it_left_off_in_both_directions)
{
    struct stand *stand = stand_new();
    EXPECT(stand, "MSET a 1 b 2 c 3 d 4 e 5", "+OK\r\n");
    EXPECT(stand, "RANGE - + KEYS LIMIT 2 CURSOR 0",
           "*2\r\n$2\r\n(b\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n");
    EXPECT(stand, "DEL b c", ":2\r\n"); /* its own key may go */
    EXPECT(stand, "RANGE - + KEYS LIMIT 2 CURSOR (b",
           "*2\r\n$1\r\n0\r\n*2\r\n$1\r\nd\r\n$1\r\ne\r\n");
    EXPECT(stand, "RANGE a e REV LIMIT 1 CURSOR 0",
           "*2\r\n$2\r\n(d\r\n*2\r\n$1\r\nd\r\n$1\r\n4\r\n");
    EXPECT(stand, "RANGE a e REV LIMIT 1 CURSOR (d",
           "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n");
    EXPECT(stand, "RANGE a e REV CURSOR (a", "*2\r\n$1\r\n0\r\n*0\r\n");
    EXPECT(stand, "RANGE a e CURSOR (z", "*2\r\n$1\r\n0\r\n*0\r\n");
    EXPECT(stand, "PREFIX d VALUES CURSOR 0", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\n4\r\n");
    EXPECT(stand, "PREFIX d CURSOR x", "-ERR invalid cursor\r\n");
    EXPECT(stand, "PREFIX d LIMIT 0 CURSOR 0", "-ERR value is out of range, must be positive\r\n");
    EXPECT(stand, "PREFIX d CURSOR", "-ERR syntax error\r\n");
    stand_free(stand);
}

TEST(a_cursor_of_the_empty_key_is_not_the_beginning)
{
    struct stand *stand = stand_new();
    EXPECT(stand, "MSET ~ 1 a 2", "+OK\r\n");
    EXPECT(stand, "RANGE - + KEYS LIMIT 1 CURSOR 0", "*2\r\n$1\r\n(\r\n*1\r\n$0\r\n\r\n");
    EXPECT(stand, "RANGE - + KEYS LIMIT 1 CURSOR (", "*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n");
    EXPECT(stand, "RANGE - + REV KEYS CURSOR (", "*2\r\n$1\r\n0\r\n*0\r\n");
    stand_free(stand);
}

TEST(a_range_goes_without_being_counted)
{
    struct stand *stand = stand_new();
    EXPECT(stand, "MSET a 1 b 2 c 3 d 4", "+OK\r\n");
    EXPECT(stand, "DELRANGE b d NOCOUNT", "+OK\r\n");
    EXPECT(stand, "RANGE - + KEYS", "*2\r\n$1\r\na\r\n$1\r\nd\r\n");
    EXPECT(stand, "DELPREFIX d nocount", "+OK\r\n");
    EXPECT(stand, "DELPREFIX d NOCOUNT", "+OK\r\n");
    EXPECT(stand, "RANGE - + KEYS", "*1\r\n$1\r\na\r\n");
    EXPECT(stand, "DELRANGE z a NOCOUNT", "+OK\r\n");
    EXPECT(stand, "DELPREFIX d COUNT", "-ERR syntax error\r\n");
    EXPECT(stand, "DELRANGE a b NOCOUNT NOCOUNT", "-ERR syntax error\r\n");
    EXPECT(stand, "DBSIZE", ":1\r\n");
    stand_free(stand);
}

/* ---- Snapshots, with a host that keeps one ---- */

struct keeper {
    struct kvs *db;
    struct kvs_snapshot *snapshot;
    unsigned users;
};

static struct keeper keeper;

static uint64_t keeper_open(void *ctx, int64_t ttl_s)
{
    (void)ctx;
    (void)ttl_s;
    return kvs_snapshot_open(keeper.db, "test", &keeper.snapshot) == KVS_OK ? 7 : 0;
}

static const struct kvs_snapshot *keeper_use(void *ctx, uint64_t id)
{
    (void)ctx;
    keeper.users += id == 7;
    return id == 7 ? keeper.snapshot : NULL;
}

static void keeper_release(void *ctx, uint64_t id)
{
    (void)ctx;
    assert_int_equal(id, 7);
    keeper.users--;
}

static bool keeper_close(void *ctx, uint64_t id)
{
    (void)ctx;
    if (id != 7)
        return false;
    kvs_snapshot_close(keeper.db, keeper.snapshot);
    return true;
}

TEST(commands_read_at_one_version_while_others_write)
{
    struct stand *stand = stand_new();
    keeper = (struct keeper){ .db = stand->spaces[0] };
    stand->host.snapshot_open = keeper_open;
    stand->host.snapshot_use = keeper_use;
    stand->host.snapshot_release = keeper_release;
    stand->host.snapshot_close = keeper_close;
    EXPECT(stand, "MSET a 1 b 2 c 3", "+OK\r\n");
    EXPECT(stand, "SNAPSHOT OPEN EX 100", ":7\r\n");
    EXPECT(stand, "MSET a 10 d 4", "+OK\r\n");
    EXPECT(stand, "DELPREFIX b", ":1\r\n");
    EXPECT(stand, "SNAPSHOT READ 7 MGET a b c d", "*4\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$-1\r\n");
    EXPECT(stand, "SNAPSHOT READ 7 GET b", "$1\r\n2\r\n");
    EXPECT(stand, "SNAPSHOT READ 7 RANGE - + KEYS LIMIT 2 CURSOR (a",
           "*2\r\n$1\r\n0\r\n*2\r\n$1\r\nb\r\n$1\r\nc\r\n");
    EXPECT(stand, "SNAPSHOT READ 7 COUNTPREFIX ~", ":3\r\n");
    EXPECT(stand, "SNAPSHOT READ 7 DBSIZE", ":3\r\n");
    EXPECT(stand, "SNAPSHOT READ 7 EXISTS a b d", ":2\r\n");
    EXPECT(stand, "SNAPSHOT READ 7 KEYS ?", "*3\r\n$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n");
    EXPECT(stand, "GET a", "$2\r\n10\r\n");
    EXPECT(stand, "SNAPSHOT READ 7 SET a 5",
           "-ERR SNAPSHOT READ takes a command that reads keys\r\n");
    EXPECT(stand, "SNAPSHOT READ 7 INFO", "-ERR SNAPSHOT READ takes a command that reads keys\r\n");
    EXPECT(stand, "SNAPSHOT READ 7 SNAPSHOT READ 7 GET a",
           "-ERR SNAPSHOT READ takes a command that reads keys\r\n");
    EXPECT(stand, "SNAPSHOT READ 7 GET", "-ERR wrong number of arguments for 'get' command\r\n");
    EXPECT(stand, "SNAPSHOT READ 8 GET a", "-ERR no such snapshot\r\n");
    EXPECT(stand, "SNAPSHOT READ x GET a", "-ERR no such snapshot\r\n");
    EXPECT(stand, "SNAPSHOT OPEN EX 0", "-ERR a snapshot lives for 1 to 3600 seconds\r\n");
    EXPECT(stand, "SNAPSHOT OPEN 5", "-ERR syntax error\r\n");
    EXPECT(stand, "MULTI", "+OK\r\n");
    EXPECT(stand, "SNAPSHOT READ 7 GET a", "-ERR Command not allowed inside a transaction\r\n");
    EXPECT(stand, "DISCARD", "+OK\r\n");
    assert_int_equal(keeper.users, 0);
    EXPECT(stand, "SNAPSHOT CLOSE 7", "+OK\r\n");
    EXPECT(stand, "SNAPSHOT CLOSE 9", "-ERR no such snapshot\r\n");
    stand_free(stand);
}
