#include "command/rig_test.h"

static const char hello2[] =
    "*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:2\r\n"
    "$2\r\nid\r\n:7\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"
    "$7\r\nmodules\r\n*0\r\n";
static const char hello3[] =
    "%7\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:3\r\n"
    "$2\r\nid\r\n:7\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n"
    "$7\r\nmodules\r\n*0\r\n";

TEST(hello_switches_the_protocol_with_its_own_reply)
{
    RIG(rig, client);
    assert_reply(&client, "hello", hello2);
    assert_reply(&client, "hello 3 setname bob", hello3);
    assert_int_equal(atomic_load(&client.client.protocol), 3);
    assert_reply(&client, "client getname", "$3\r\nbob\r\n");
    assert_reply(&client, "get a", "_\r\n");
    assert_reply(&client, "hello", hello3);
    assert_reply(&client, "hello 2", hello2);
    assert_reply(&client, "get a", "$-1\r\n");
    RIG_DONE(rig, client);
}

TEST(hello_refuses_what_it_does_not_understand)
{
    RIG(rig, client);
    assert_reply(&client, "hello 1", "-NOPROTO unsupported protocol version\r\n");
    assert_reply(&client, "hello 4", "-NOPROTO unsupported protocol version\r\n");
    assert_reply(&client, "hello x", "-ERR Protocol version is not an integer or out of range\r\n");
    assert_reply(&client, "hello 3 foo", "-ERR Syntax error in HELLO option 'foo'\r\n");
    assert_reply(&client, "hello 3 auth a", "-ERR Syntax error in HELLO option 'auth'\r\n");
    assert_reply(&client, "hello 3 auth a b",
                 "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    struct kvs_bytes args[] = { BYTES_INIT("hello"), BYTES_INIT("3"), BYTES_INIT("setname"),
                                BYTES_INIT("a b") };
    struct request request = { .args = args, .count = 4 };
    assert_string_equal(
        rig_run(&client, &request),
        "-ERR Client names cannot contain spaces, newlines or special characters.\r\n");
    assert_int_equal(atomic_load(&client.client.protocol), 2);
    RIG_DONE(rig, client);
}

TEST(hello_authenticates)
{
    RIG(rig, client);
    rig.password = "pw";
    assert_reply(&client, "hello 3 auth default nope",
                 "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    assert_reply(&client, "hello 3 auth default pw", hello3);
    assert_reply(&client, "ping", "+PONG\r\n");
    RIG_DONE(rig, client);
}

TEST(auth_without_a_password_says_so)
{
    RIG(rig, client);
    assert_reply(&client, "auth x",
                 "-ERR AUTH <password> called without any password configured for the default "
                 "user. Are you sure your configuration is correct?\r\n");
    assert_reply(&client, "auth default x", "+OK\r\n");
    assert_reply(&client, "auth other x",
                 "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    assert_reply(&client, "auth a b c", "-ERR syntax error\r\n");
    RIG_DONE(rig, client);
}

TEST(ping_and_echo)
{
    RIG(rig, client);
    assert_reply(&client, "ping", "+PONG\r\n");
    assert_reply(&client, "ping hello", "$5\r\nhello\r\n");
    assert_reply(&client, "ping a b", "-ERR wrong number of arguments for 'ping' command\r\n");
    assert_reply(&client, "echo \"\"", "$0\r\n\r\n");
    RIG_DONE(rig, client);
}

TEST(select_is_strict)
{
    RIG(rig, client);
    assert_reply(&client, "select 15", "+OK\r\n");
    assert_reply(&client, "select 16", "-ERR DB index is out of range\r\n");
    assert_reply(&client, "select -1", "-ERR DB index is out of range\r\n");
    assert_reply(&client, "select x", "-ERR value is not an integer or out of range\r\n");
    assert_reply(&client, "select 06", "-ERR value is not an integer or out of range\r\n");
    assert_reply(&client, "select 5000000000",
                 "-ERR value is out of range, value must between -2147483648 and 2147483647\r\n");
    assert_int_equal(atomic_load(&client.client.space), 15);
    RIG_DONE(rig, client);
}

TEST(reset_makes_a_client_new)
{
    RIG(rig, client);
    (void)rig_send(&client, "hello 3 setname bob");
    assert_reply(&client, "select 4", "+OK\r\n");
    assert_reply(&client, "reset", "+RESET\r\n");
    assert_true(client.client.reset);
    assert_int_equal(atomic_load(&client.client.space), 0);
    assert_int_equal(atomic_load(&client.client.protocol), 2);
    assert_reply(&client, "client getname", "$-1\r\n");
    RIG_DONE(rig, client);
}

TEST(quit_closes_inside_multi_too)
{
    RIG(rig, client);
    assert_reply(&client, "multi", "+OK\r\n");
    assert_reply(&client, "quit now", "+OK\r\n");
    assert_true(client.client.closing);
    RIG_DONE(rig, client);
}

/* ---- CLIENT ---- */

TEST(client_names)
{
    RIG(rig, client);
    assert_reply(&client, "client id", ":7\r\n");
    assert_reply(&client, "client getname", "$-1\r\n");
    assert_reply(&client, "client setname bob", "+OK\r\n");
    assert_reply(&client, "client getname", "$3\r\nbob\r\n");
    assert_reply(&client, "client setname \"\"", "+OK\r\n");
    assert_reply(&client, "client getname", "$-1\r\n");
    assert_reply(&client, "client setname b\tb",
                 "-ERR Client names cannot contain spaces, newlines or special characters.\r\n");
    assert_reply(&client, "client setinfo lib-name kvs", "+OK\r\n");
    assert_string_equal(client.client.lib_name, "kvs");
    assert_reply(&client, "client setinfo LIB-VER 1.0", "+OK\r\n");
    assert_string_equal(client.client.lib_version, "1.0");
    assert_reply(&client, "client setinfo lib-ver 1\t0",
                 "-ERR lib-ver cannot contain spaces, newlines or special characters.\r\n");
    assert_reply(&client, "client setinfo colour red", "-ERR Unrecognized option 'colour'\r\n");
    RIG_DONE(rig, client);
}

TEST(client_list_filters)
{
    RIG(rig, client);
    assert_reply(&client, "client list", "$17\r\ntype=any first=0\n\r\n");
    assert_reply(&client, "client list type SLAVE", "$21\r\ntype=replica first=0\n\r\n");
    assert_reply(&client, "client list id 5 6", "$17\r\ntype=any first=5\n\r\n");
    assert_int_equal(rig.list_ids, 2);
    assert_reply(&client, "client list type foo", "-ERR Unknown client type 'foo'\r\n");
    assert_reply(&client, "client list id x", "-ERR Invalid client ID\r\n");
    assert_reply(&client, "client list id", "-ERR syntax error\r\n");
    assert_reply(&client, "client list foo", "-ERR syntax error\r\n");
    (void)rig_send(&client, "hello 3");
    assert_reply(&client, "client list", "=21\r\ntxt:type=any first=0\n\r\n");
    RIG_DONE(rig, client);
}

TEST(client_kill_old_and_new_style)
{
    RIG(rig, client);
    assert_reply(&client, "client kill 1.2.3.4:5", "-ERR No such client\r\n");
    assert_false(rig.kill_filter.skip_me);
    rig.killed = 1;
    assert_reply(&client, "client kill 1.2.3.4:5", "+OK\r\n");
    assert_reply(&client, "client kill id 5 type normal", ":1\r\n");
    assert_true(rig.kill_filter.skip_me);
    assert_int_equal(rig.kill_filter.id, 5);
    assert_string_equal(rig.kill_filter.type, "normal");
    assert_reply(&client, "client kill skipme no user default", ":1\r\n");
    assert_false(rig.kill_filter.skip_me);
    assert_reply(&client, "client kill id -1", "-ERR client-id should be greater than 0\r\n");
    assert_reply(&client, "client kill id x", "-ERR client-id should be greater than 0\r\n");
    assert_reply(&client, "client kill type x", "-ERR Unknown client type 'x'\r\n");
    assert_reply(&client, "client kill user foo", "-ERR No such user 'foo'\r\n");
    assert_reply(&client, "client kill skipme x", "-ERR syntax error\r\n");
    assert_reply(&client, "client kill a b c", "-ERR syntax error\r\n");
    RIG_DONE(rig, client);
}

TEST(modes_that_always_hold_are_accepted)
{
    RIG(rig, client);
    assert_reply(&client, "client no-evict on", "+OK\r\n");
    assert_reply(&client, "client no-touch OFF", "+OK\r\n");
    assert_reply(&client, "client no-evict x", "-ERR syntax error\r\n");
    RIG_DONE(rig, client);
}

TEST(what_the_program_lacks_is_said)
{
    RIG(rig, client);
    rig.env.host = NULL;
    static const char *const lines[] = {
        "client list",    "client info",      "client kill id 1", "info",     "config get *",
        "config set a b", "config resetstat", "bgsave",           "lastsave", "shutdown"
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        const char *reply = rig_send(&client, lines[i]);
        assert_non_null(strstr(reply, "command is only available in a server\r\n"));
        assert_int_equal(reply[0], '-');
    }
    assert_reply(&client, "set a 1", "+OK\r\n");
    assert_reply(&client, "hello", hello2);
    assert_int_equal(strncmp(rig_send(&client, "time"), "*2\r\n", 4), 0);
    RIG_DONE(rig, client);
}
