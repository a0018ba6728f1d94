#include "command/rig_test.h"

/* ---- What may not run ---- */

TEST(unknown_commands_are_named_with_their_arguments)
{
    RIG(rig, client);
    assert_reply(&client, "foo", "-ERR unknown command 'foo', with args beginning with: \r\n");
    assert_null(client.result.command);
    assert_reply(&client, "foo bar baz",
                 "-ERR unknown command 'foo', with args beginning with: 'bar' 'baz' \r\n");
    assert_reply(&client, "EVAL x 0",
                 "-ERR unknown command 'EVAL', with args beginning with: 'x' '0' \r\n");
    RIG_DONE(rig, client);
}

TEST(unknown_commands_are_shown_up_to_128_bytes_and_on_one_line)
{
    RIG(rig, client);
    char name[300];
    memset(name, 'x', sizeof name);
    struct kvs_bytes args[] = { bytes_of(name, 300), bytes_of(name, 300), BYTES_INIT("tail") };
    struct request request = { .args = args, .count = 3 };
    char expected[600];
    (void)snprintf(expected, sizeof expected,
                   "-ERR unknown command '%.128s', with args beginning with: '%.128s' \r\n", name,
                   name);
    assert_string_equal(rig_run(&client, &request), expected);
    args[0] = BYTES("f\r\noo");
    args[1] = BYTES("a\nb");
    request.count = 2;
    assert_string_equal(rig_run(&client, &request),
                        "-ERR unknown command 'f  oo', with args beginning with: 'a b' \r\n");
    RIG_DONE(rig, client);
}

TEST(subcommands_have_their_own_errors)
{
    RIG(rig, client);
    assert_reply(&client, "client foo x", "-ERR unknown subcommand 'foo'. Try CLIENT HELP.\r\n");
    assert_reply(&client, "Config x", "-ERR unknown subcommand 'x'. Try CONFIG HELP.\r\n");
    assert_reply(&client, "client", "-ERR wrong number of arguments for 'client' command\r\n");
    assert_reply(&client, "CLIENT ID x",
                 "-ERR wrong number of arguments for 'client|id' command\r\n");
    RIG_DONE(rig, client);
}

TEST(arities_are_checked)
{
    RIG(rig, client);
    assert_reply(&client, "get", "-ERR wrong number of arguments for 'get' command\r\n");
    assert_reply(&client, "GET a b", "-ERR wrong number of arguments for 'get' command\r\n");
    assert_reply(&client, "set a", "-ERR wrong number of arguments for 'set' command\r\n");
    RIG_DONE(rig, client);
}

TEST(without_the_password_only_the_door_answers)
{
    RIG(rig, client);
    rig.password = "pw";
    assert_reply(&client, "get a", "-NOAUTH Authentication required.\r\n");
    assert_reply(&client, "ping", "-NOAUTH Authentication required.\r\n");
    assert_reply(&client, "multi", "-NOAUTH Authentication required.\r\n");
    assert_reply(&client, "get", "-ERR wrong number of arguments for 'get' command\r\n");
    assert_reply(
        &client, "hello 3",
        "-NOAUTH HELLO must be called with the client already authenticated, otherwise the "
        "HELLO AUTH <user> <pass> option can be used to authenticate the client and select "
        "the RESP protocol version at the same time\r\n");
    assert_reply(&client, "auth nope",
                 "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    assert_reply(&client, "auth default pw", "+OK\r\n");
    assert_reply(&client, "ping", "+PONG\r\n");
    assert_reply(&client, "reset", "+RESET\r\n");
    assert_reply(&client, "ping", "-NOAUTH Authentication required.\r\n");
    assert_reply(&client, "quit", "+OK\r\n");
    assert_true(client.client.closing);
    RIG_DONE(rig, client);
}

TEST(who_came_before_the_password_stays)
{
    RIG(rig, client);
    assert_reply(&client, "ping", "+PONG\r\n");
    rig.password = "pw";
    assert_reply(&client, "ping", "+PONG\r\n");
    RIG_DONE(rig, client);
}

/* ---- Running ---- */

TEST(writes_and_reads_tell_their_positions)
{
    RIG(rig, client);
    assert_reply(&client, "set a 1", "+OK\r\n");
    assert_true(client.result.wrote);
    uint64_t position = client.result.position;
    assert_true(position != 0);
    assert_reply(&client, "get a", "$1\r\n1\r\n");
    assert_false(client.result.wrote);
    assert_int_equal(client.result.position, position);
    assert_reply(&client, "incr a", ":2\r\n");
    assert_true(client.result.position > position);
    position = client.result.position;
    assert_reply(&client, "get absent", "$-1\r\n");
    assert_reply(&client, "mget a absent", "*2\r\n$1\r\n2\r\n$-1\r\n");
    assert_int_equal(client.result.position, position);
    assert_reply(&client, "dbsize", ":1\r\n");
    assert_int_equal(client.result.position, position);
    assert_reply(&client, "ping", "+PONG\r\n");
    assert_int_equal(client.result.position, 0);
    RIG_DONE(rig, client);
}

TEST(an_error_reply_writes_nothing)
{
    RIG(rig, client);
    assert_reply(&client, "set a 06", "+OK\r\n");
    assert_reply(&client, "incr a", "-ERR value is not an integer or out of range\r\n");
    assert_false(client.result.wrote);
    assert_int_equal(client.reply.error_count, 1);
    assert_reply(&client, "get a", "$2\r\n06\r\n");
    RIG_DONE(rig, client);
}

TEST(slow_commands_ask_for_a_thread_that_may_wait)
{
    RIG(rig, client);
    assert_reply(&client, "set a 1", "+OK\r\n");
    client.may_wait = false;
    assert_reply(&client, "get a", "$1\r\n1\r\n");
    assert_int_equal(client.status, KVS_OK);
    (void)rig_send(&client, "keys *");
    assert_int_equal(client.status, KVS_WOULD_BLOCK);
    client.may_wait = true;
    assert_reply(&client, "keys *", "*1\r\n$1\r\na\r\n");
    RIG_DONE(rig, client);
}

TEST(a_reply_over_the_limit_is_an_error_and_nothing_is_written)
{
    RIG(rig, client);
    char big[3000];
    memset(big, 'v', sizeof big);
    struct kvs_bytes args[] = { BYTES_INIT("set"), BYTES_INIT("a"), bytes_of(big, sizeof big) };
    struct request request = { .args = args, .count = 3 };
    assert_string_equal(rig_run(&client, &request), "+OK\r\n");
    client.out.max_bytes = 2000;
    assert_reply(&client, "get a", "-ERR a reply of more than 2000 bytes\r\n");
    assert_reply(&client, "getset a x", "-ERR a reply of more than 2000 bytes\r\n");
    client.out.max_bytes = RIG_REPLY_MAX;
    assert_reply(&client, "strlen a", ":3000\r\n");
    RIG_DONE(rig, client);
}

TEST(spaces_are_apart)
{
    RIG(rig, client);
    assert_reply(&client, "set a 0", "+OK\r\n");
    assert_reply(&client, "select 15", "+OK\r\n");
    assert_reply(&client, "get a", "$-1\r\n");
    assert_reply(&client, "set a 15", "+OK\r\n");
    assert_reply(&client, "flushdb", "+OK\r\n");
    assert_reply(&client, "dbsize", ":0\r\n");
    assert_reply(&client, "select 0", "+OK\r\n");
    assert_reply(&client, "get a", "$1\r\n0\r\n");
    assert_reply(&client, "flushall sync", "+OK\r\n");
    assert_reply(&client, "get a", "$-1\r\n");
    RIG_DONE(rig, client);
}

TEST(large_arguments_are_streamed_where_a_command_takes_them)
{
    RIG(rig, client);
    struct kvs_bytes set[] = { BYTES_INIT("SET"), BYTES_INIT("k") };
    struct kvs_bytes echo[] = { BYTES_INIT("ECHO") };
    uint64_t large = KVS_INLINE_MAX + 1;
    assert_true(command_streams(&rig.host, &client.client, set, 2, 2, large));
    assert_false(command_streams(&rig.host, &client.client, set, 1, 1, large));
    assert_false(command_streams(&rig.host, &client.client, echo, 1, 1, large));
    assert_false(
        command_streams(&rig.host, &client.client, set, 2, 2, (uint64_t)KVS_VALUE_MAX + 1));
    rig.password = "pw";
    assert_false(command_streams(&rig.host, &client.client, set, 2, 2, large));
    rig.password = NULL;
    assert_reply(&client, "multi", "+OK\r\n");
    assert_false(command_streams(&rig.host, &client.client, set, 2, 2, large));
    RIG_DONE(rig, client);
}

TEST(a_streamed_value_is_taken_over_by_the_write)
{
    RIG(rig, client);
    struct kvs_blob *blob;
    assert_ok(kvs_blob_new(rig.spaces[0], &blob));
    char *piece = calloc(1, KVS_INLINE_MAX);
    assert_ok(kvs_blob_append(rig.spaces[0], blob, bytes_of(piece, KVS_INLINE_MAX)));
    assert_ok(kvs_blob_append(rig.spaces[0], blob, BYTES("tail")));
    free(piece);
    struct kvs_bytes args[] = {
        BYTES_INIT("set"), BYTES_INIT("big"), { NULL, 0 }, BYTES_INIT("xx")
    };
    struct request request = { .args = args, .count = 4, .blob = blob, .blob_arg = 2 };
    assert_string_equal(rig_run(&client, &request), "$-1\r\n"); /* XX, and there is none */
    assert_ptr_equal(request.blob, blob);
    request.count = 3;
    assert_string_equal(rig_run(&client, &request), "+OK\r\n");
    assert_null(request.blob);
    assert_reply(&client, "strlen big", ":1048580\r\n");
    assert_reply(&client, "getrange big -4 -1", "$4\r\ntail\r\n");
    assert_reply(&client, "get big",
                 "$1048580\r\n\r\n"); /* the session puts the bytes in between */
    assert_int_equal(client.reply.stream_count, 1);
    assert_int_equal(client.reply.streams[0].out_off, 10);
    assert_int_equal(client.reply.streams[0].value_bytes, KVS_INLINE_MAX + 4);
    RIG_DONE(rig, client);
}
