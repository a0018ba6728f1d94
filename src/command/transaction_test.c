#include "command/rig_test.h"

#define RIG_TWO(rig, a, b) \
    RIG(rig, a);           \
    struct rig_client b;   \
    rig_client_init(&b, &rig, 8)

#define RIG_TWO_DONE(rig, a, b) \
    rig_client_done(&b);        \
    RIG_DONE(rig, a)

TEST(exec_runs_the_queue_and_sees_its_own_writes)
{
    RIG(rig, client);
    assert_reply(&client, "multi", "+OK\r\n");
    assert_reply(&client, "set a 1", "+QUEUED\r\n");
    assert_reply(&client, "incr a", "+QUEUED\r\n");
    assert_reply(&client, "get a", "+QUEUED\r\n");
    assert_reply(&client, "dbsize", "+QUEUED\r\n");
    assert_reply(&client, "ping", "+QUEUED\r\n");
    assert_int_equal(atomic_load(&client.client.multi_shown), 5);
    assert_reply(&client, "exec", "*5\r\n+OK\r\n:2\r\n$1\r\n2\r\n:1\r\n+PONG\r\n");
    assert_true(client.result.wrote);
    assert_int_equal(atomic_load(&client.client.multi_shown), -1);
    assert_reply(&client, "get a", "$1\r\n2\r\n");
    RIG_DONE(rig, client);
}

TEST(words_out_of_place_have_their_errors)
{
    RIG(rig, client);
    assert_reply(&client, "exec", "-ERR EXEC without MULTI\r\n");
    assert_reply(&client, "discard", "-ERR DISCARD without MULTI\r\n");
    assert_reply(&client, "multi", "+OK\r\n");
    assert_reply(&client, "multi", "-ERR MULTI calls can not be nested\r\n");
    assert_reply(&client, "watch a", "-ERR WATCH inside MULTI is not allowed\r\n");
    assert_reply(&client, "exec", "*0\r\n");
    RIG_DONE(rig, client);
}

TEST(a_refused_command_makes_exec_refuse)
{
    static const char *const refused[] = { "foo", "get", "client foo", "save", "shutdown" };
    RIG(rig, client);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        assert_reply(&client, "multi", "+OK\r\n");
        assert_int_equal(rig_send(&client, refused[i])[0], '-');
        assert_reply(&client, "set a 1", "+QUEUED\r\n");
        assert_reply(&client, "exec",
                     "-EXECABORT Transaction discarded because of previous errors.\r\n");
        assert_reply(&client, "get a", "$-1\r\n");
    }
    assert_false(rig.stopped);
    RIG_DONE(rig, client);
}

TEST(a_command_that_fails_inside_does_not_stop_the_others)
{
    RIG(rig, client);
    assert_reply(&client, "multi", "+OK\r\n");
    assert_reply(&client, "set a x", "+QUEUED\r\n");
    assert_reply(&client, "incr a", "+QUEUED\r\n");
    assert_reply(&client, "set b y", "+QUEUED\r\n");
    assert_reply(&client, "exec",
                 "*3\r\n+OK\r\n-ERR value is not an integer or out of range\r\n+OK\r\n");
    assert_reply(&client, "get b", "$1\r\ny\r\n");
    RIG_DONE(rig, client);
}

TEST(discard_forgets_the_queue_and_the_watches)
{
    RIG_TWO(rig, client, other);
    assert_reply(&client, "watch a", "+OK\r\n");
    assert_reply(&client, "multi", "+OK\r\n");
    assert_reply(&client, "set a 1", "+QUEUED\r\n");
    assert_reply(&client, "discard", "+OK\r\n");
    assert_reply(&other, "set a 2", "+OK\r\n");
    assert_reply(&client, "multi", "+OK\r\n");
    assert_reply(&client, "get a", "+QUEUED\r\n");
    assert_reply(&client, "exec", "*1\r\n$1\r\n2\r\n");
    RIG_TWO_DONE(rig, client, other);
}

/* What another client does between WATCH and EXEC, and whether it aborts. */
struct touch {
    const char *before; /* NULL: the key does not exist */
    const char *lines[3];
    bool aborts;
};

TEST(exec_is_null_when_a_watched_key_was_touched)
{
    static const struct touch touches[] = {
        { "set a 1", { "set a 2" }, true },     { "set a 1", { "set a 1" }, true },
        { "set a 1", { "del a" }, true },       { NULL, { "set a 1" }, true },
        { NULL, { "set a 1", "del a" }, true }, { "set a 1", { "del a", "set a 1" }, true },
        { "set a 1", { "expire a 9" }, true },  { "set a 1", { "flushall" }, true },
        { "set a 1", { "rename a b" }, true },  { "set a 1", { "get a", "set b 1" }, false },
        { NULL, { "del a" }, false },           { NULL, { "select 1", "set a 1" }, false },
        { "set a 1", { "incr b" }, false },     { "set a 1", { "persist a" }, false },
    };
    for (size_t i = 0; i < sizeof touches / sizeof touches[0]; i++)
        for (int writes = 0; writes < 2; writes++) { /* EXEC that only reads must notice as well */
            RIG_TWO(rig, client, other);
            if (touches[i].before != NULL)
                assert_reply(&other, touches[i].before, "+OK\r\n");
            assert_reply(&client, "watch a", "+OK\r\n");
            assert_int_equal(atomic_load(&client.client.watch_shown), 1);
            for (size_t l = 0; l < 3 && touches[i].lines[l] != NULL; l++)
                assert_int_not_equal(rig_send(&other, touches[i].lines[l])[0], '-');
            assert_reply(&client, "multi", "+OK\r\n");
            assert_reply(&client, writes ? "set c 1" : "get c", "+QUEUED\r\n");
            const char *reply = rig_send(&client, "exec");
            assert_int_equal(strcmp(reply, "*-1\r\n") == 0, touches[i].aborts);
            assert_reply(&client, "exists c", writes && !touches[i].aborts ? ":1\r\n" : ":0\r\n");
            RIG_TWO_DONE(rig, client, other);
        }
}

TEST(a_watched_key_that_ran_out_aborts)
{
    RIG_TWO(rig, client, other);
    assert_reply(&other, "set a 1 px 50", "+OK\r\n");
    assert_reply(&client, "watch a", "+OK\r\n");
    clock_manual_advance_us(rig.clock, 50 * 1000);
    assert_reply(&client, "multi", "+OK\r\n");
    assert_reply(&client, "ping", "+QUEUED\r\n");
    assert_reply(&client, "exec", "*-1\r\n");
    /* One that was gone at WATCH already does not. */
    assert_reply(&client, "watch a", "+OK\r\n");
    assert_reply(&client, "multi", "+OK\r\n");
    assert_reply(&client, "ping", "+QUEUED\r\n");
    assert_reply(&client, "exec", "*1\r\n+PONG\r\n");
    RIG_TWO_DONE(rig, client, other);
}

TEST(a_later_watch_counts_from_its_own_time)
{
    RIG_TWO(rig, client, other);
    assert_reply(&client, "watch a", "+OK\r\n");
    assert_reply(&other, "set b 1", "+OK\r\n");
    assert_reply(&client, "watch b a", "+OK\r\n");
    assert_reply(&client, "multi", "+OK\r\n");
    assert_reply(&client, "exec", "*0\r\n");
    RIG_TWO_DONE(rig, client, other);
}

TEST(own_writes_break_the_watch_and_unwatch_ends_it)
{
    RIG(rig, client);
    assert_reply(&client, "watch a", "+OK\r\n");
    assert_reply(&client, "set a 1", "+OK\r\n");
    assert_reply(&client, "multi", "+OK\r\n");
    assert_reply(&client, "exec", "*-1\r\n");
    assert_reply(&client, "watch a", "+OK\r\n");
    assert_reply(&client, "set a 2", "+OK\r\n");
    assert_reply(&client, "unwatch", "+OK\r\n");
    assert_reply(&client, "multi", "+OK\r\n");
    assert_reply(&client, "exec", "*0\r\n");
    assert_reply(&client, "watch a", "+OK\r\n");
    assert_reply(&client, "exec", "-ERR EXEC without MULTI\r\n");
    assert_reply(&client, "set a 3", "+OK\r\n");
    assert_reply(&client, "multi", "+OK\r\n");
    assert_reply(&client, "exec", "*-1\r\n"); /* EXEC without MULTI has not ended it */
    RIG_DONE(rig, client);
}

TEST(select_inside_moves_the_commands_behind_it)
{
    RIG(rig, client);
    assert_reply(&client, "multi", "+OK\r\n");
    assert_reply(&client, "set a 0", "+QUEUED\r\n");
    assert_reply(&client, "select 3", "+QUEUED\r\n");
    assert_reply(&client, "set a 3", "+QUEUED\r\n");
    assert_reply(&client, "exec", "*3\r\n+OK\r\n+OK\r\n+OK\r\n");
    assert_reply(&client, "get a", "$1\r\n3\r\n");
    assert_reply(&client, "select 0", "+OK\r\n");
    assert_reply(&client, "get a", "$1\r\n0\r\n");
    RIG_DONE(rig, client);
}

TEST(hello_inside_changes_the_encoding_of_what_follows)
{
    RIG(rig, client);
    assert_reply(&client, "multi", "+OK\r\n");
    assert_reply(&client, "get x", "+QUEUED\r\n");
    assert_reply(&client, "hello 3", "+QUEUED\r\n");
    assert_reply(&client, "get x", "+QUEUED\r\n");
    const char *reply = rig_send(&client, "exec");
    assert_memory_equal(reply, "*3\r\n$-1\r\n%7\r\n", 13);
    assert_string_equal(reply + strlen(reply) - 3, "_\r\n");
    RIG_DONE(rig, client);
}

/* Another client's write, the first time only. */
static void write_once(struct rig *rig)
{
    if (rig->meanwhile_count != 1)
        return;
    assert_ok(kvs_set(rig->spaces[0], BYTES("a"), BYTES("2")));
    assert_ok(kvs_set(rig->spaces[0], BYTES("b"), BYTES("2")));
}

TEST(a_queue_that_runs_again_begins_as_it_did_the_first_time)
{
    RIG(rig, client);
    assert_reply(&client, "set a 1", "+OK\r\n");
    assert_reply(&client, "multi", "+OK\r\n");
    assert_reply(&client, "get a", "+QUEUED\r\n");
    assert_reply(&client, "get absent", "+QUEUED\r\n");
    assert_reply(&client, "select 3", "+QUEUED\r\n");
    assert_reply(&client, "hello 3", "+QUEUED\r\n");
    assert_reply(&client, "config get port", "+QUEUED\r\n");
    assert_reply(&client, "set c 1", "+QUEUED\r\n");
    rig.meanwhile = write_once; /* what the queue has read changes before it commits */
    const char *reply = rig_send(&client, "exec");
    assert_int_equal(rig.meanwhile_count, 2);
    const char *begins = "*6\r\n$1\r\n2\r\n$-1\r\n+OK\r\n%7\r\n";
    assert_memory_equal(reply, begins, strlen(begins));
    assert_non_null(strstr(reply, "%1\r\n$4\r\nport\r\n$4\r\n4000\r\n+OK\r\n"));
    assert_true(client.result.wrote);
    assert_reply(&client, "dbsize", ":1\r\n");
    assert_reply(&client, "get c", "$1\r\n1\r\n");
    RIG_DONE(rig, client);
}

TEST(an_exec_that_aborts_while_it_runs_leaves_the_client_as_it_was)
{
    RIG(rig, client);
    assert_reply(&client, "watch a", "+OK\r\n");
    assert_reply(&client, "multi", "+OK\r\n");
    assert_reply(&client, "select 3", "+QUEUED\r\n");
    assert_reply(&client, "hello 3", "+QUEUED\r\n");
    assert_reply(&client, "config get port", "+QUEUED\r\n");
    assert_reply(&client, "set c 1", "+QUEUED\r\n");
    rig.meanwhile = write_once;
    assert_reply(&client, "exec", "*-1\r\n");
    assert_int_equal(rig.meanwhile_count, 1);
    assert_true(client.result.position != 0 && !client.result.wrote);
    assert_reply(&client, "get a", "$1\r\n2\r\n"); /* in space 0, by RESP2 */
    assert_reply(&client, "get c", "$-1\r\n");
    assert_int_equal(atomic_load(&client.client.protocol), 2);
    RIG_DONE(rig, client);
}

TEST(a_queue_that_only_reads_sees_one_version_and_runs_once)
{
    RIG(rig, client);
    assert_reply(&client, "mset a 1 b 1", "+OK\r\n");
    assert_reply(&client, "multi", "+OK\r\n");
    assert_reply(&client, "get a", "+QUEUED\r\n");
    assert_reply(&client, "config get port", "+QUEUED\r\n");
    assert_reply(&client, "get b", "+QUEUED\r\n");
    rig.meanwhile = write_once;
    assert_reply(&client, "exec", "*3\r\n$1\r\n1\r\n*2\r\n$4\r\nport\r\n$4\r\n4000\r\n$1\r\n1\r\n");
    assert_int_equal(rig.meanwhile_count, 1);
    RIG_DONE(rig, client);
}

TEST(slow_commands_inside_take_exec_to_a_thread_that_may_wait)
{
    RIG(rig, client);
    client.may_wait = false;
    assert_reply(&client, "multi", "+OK\r\n");
    assert_reply(&client, "set a 1", "+QUEUED\r\n");
    assert_reply(&client, "select 2", "+QUEUED\r\n");
    assert_reply(&client, "keys *", "+QUEUED\r\n");
    (void)rig_send(&client, "exec");
    assert_int_equal(client.status, KVS_WOULD_BLOCK);
    client.may_wait = true;
    assert_reply(&client, "exec", "*3\r\n+OK\r\n+OK\r\n*0\r\n");
    RIG_DONE(rig, client);
}

TEST(the_queue_is_bounded)
{
    RIG(rig, client);
    char *big = calloc(1, 1024 * 1024);
    struct kvs_bytes args[] = { BYTES_INIT("set"), BYTES_INIT("a"), bytes_of(big, 1024 * 1024) };
    struct request request = { .args = args, .count = 3 };
    assert_reply(&client, "multi", "+OK\r\n");
    for (int i = 0; i < 63; i++)
        assert_string_equal(rig_run(&client, &request), "+QUEUED\r\n");
    assert_string_equal(
        rig_run(&client, &request),
        "-ERR the transaction is too large, at most 67108864 bytes can be queued\r\n");
    assert_string_equal(rig_run(&client, &request), "+QUEUED\r\n");
    assert_true(client.client.queued_bytes <= CLIENT_QUEUE_BYTES_MAX);
    assert_reply(&client, "exec",
                 "-EXECABORT Transaction discarded because of previous errors.\r\n");
    assert_int_equal(client.client.queued_bytes, 0);
    free(big);
    RIG_DONE(rig, client);
}

TEST(watched_keys_are_bounded)
{
    RIG(rig, client);
    char *key = calloc(1, 60000);
    struct kvs_bytes args[] = { BYTES_INIT("watch"), bytes_of(key, 60000) };
    struct request request = { .args = args, .count = 2 };
    const char *reply = "";
    int watched = 0;
    for (; watched < 100 && reply[0] != '-'; watched++) {
        key[0]++;
        reply = rig_run(&client, &request);
    }
    assert_string_equal(reply, "-ERR too many watched keys, at most 1048576 bytes of them\r\n");
    assert_int_equal(watched, 18);
    free(key);
    RIG_DONE(rig, client);
}

TEST(reset_and_a_closed_client_leave_nothing)
{
    RIG(rig, client);
    assert_reply(&client, "watch a b", "+OK\r\n");
    assert_reply(&client, "multi", "+OK\r\n");
    assert_reply(&client, "set a 1", "+QUEUED\r\n");
    assert_reply(&client, "reset", "+RESET\r\n");
    assert_reply(&client, "exec", "-ERR EXEC without MULTI\r\n");
    assert_reply(&client, "watch a b", "+OK\r\n");
    assert_reply(&client, "multi", "+OK\r\n");
    assert_reply(&client, "set a 1", "+QUEUED\r\n");
    RIG_DONE(rig, client); /* the leak check tells */
}
