#include "command/rig_test.h"

TEST(command_info_as_redis_gives_it)
{
    RIG(rig, client);
    assert_reply(&client, "command info get",
                 "*1\r\n*10\r\n$3\r\nget\r\n:2\r\n*2\r\n+readonly\r\n+fast\r\n:1\r\n:1\r\n:1\r\n"
                 "*3\r\n+@read\r\n+@string\r\n+@fast\r\n*0\r\n"
                 "*1\r\n*6\r\n$5\r\nflags\r\n*2\r\n+RO\r\n+access\r\n"
                 "$12\r\nbegin_search\r\n*4\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec\r\n*2\r\n$"
                 "5\r\nindex\r\n:1\r\n"
                 "$9\r\nfind_keys\r\n*4\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\nspec\r\n*6\r\n"
                 "$7\r\nlastkey\r\n:0\r\n$7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n"
                 "*0\r\n");
    (void)rig_send(&client, "hello 3");
    assert_reply(&client, "command info nope exec",
                 "*2\r\n_\r\n*10\r\n$4\r\nexec\r\n:1\r\n~4\r\n+noscript\r\n+loading\r\n+stale\r\n"
                 "+skip_slowlog\r\n:0\r\n:0\r\n:0\r\n~2\r\n+@slow\r\n+@transaction\r\n"
                 "~0\r\n~0\r\n~0\r\n");
    RIG_DONE(rig, client);
}

TEST(command_docs_as_redis_gives_them)
{
    RIG(rig, client);
    (void)rig_send(&client, "hello 3");
    assert_reply(&client, "command docs nope", "%0\r\n");
    assert_reply(
        &client, "command docs getset",
        "%1\r\n$6\r\ngetset\r\n%8\r\n$7\r\nsummary\r\n"
        "$51\r\nSets a key to a string; answers what it held before\r\n"
        "$5\r\nsince\r\n$5\r\n1.0.0\r\n$5\r\ngroup\r\n$6\r\nstring\r\n$10\r\ncomplexity\r\n"
        "$23\r\nO(log N), N keys stored\r\n"
        "$9\r\ndoc_flags\r\n~1\r\n+deprecated\r\n$16\r\ndeprecated_since\r\n$5\r\n6.2.0\r\n"
        "$11\r\nreplaced_by\r\n$19\r\n`SET key value GET`\r\n"
        "$9\r\narguments\r\n*2\r\n%3\r\n$4\r\nname\r\n$3\r\nkey\r\n$4\r\ntype\r\n$3\r\nkey\r\n"
        "$14\r\nkey_spec_index\r\n:0\r\n%2\r\n$4\r\nname\r\n$5\r\nvalue\r\n$4\r\ntype\r\n$"
        "6\r\nstring\r\n");
    RIG_DONE(rig, client);
}

TEST(command_without_arguments_lists_all_and_count_agrees)
{
    RIG(rig, client);
    long count = strtol(rig_send(&client, "command count") + 1, NULL, 10);
    assert_true(count > 60);
    assert_int_equal(strtol(rig_send(&client, "command") + 1, NULL, 10), count);
    assert_int_equal(strtol(rig_send(&client, "command info") + 1, NULL, 10), count);
    assert_int_equal(strtol(rig_send(&client, "command docs") + 1, NULL, 10), count * 2);
    RIG_DONE(rig, client);
}

TEST(command_list_filters)
{
    RIG(rig, client);
    assert_reply(&client, "command list filterby pattern CONFIG*",
                 "*5\r\n$6\r\nconfig\r\n$10\r\nconfig|get\r\n$11\r\nconfig|help\r\n"
                 "$16\r\nconfig|resetstat\r\n$10\r\nconfig|set\r\n");
    assert_reply(
        &client, "command list filterby aclcat Transaction",
        "*5\r\n$7\r\ndiscard\r\n$4\r\nexec\r\n$5\r\nmulti\r\n$7\r\nunwatch\r\n$5\r\nwatch\r\n");
    assert_reply(&client, "command list filterby aclcat nope", "*0\r\n");
    assert_reply(&client, "command list filterby module any", "*0\r\n");
    assert_reply(&client, "command list filterby x y", "-ERR syntax error\r\n");
    assert_reply(&client, "command list x", "-ERR syntax error\r\n");
    RIG_DONE(rig, client);
}

TEST(command_getkeys)
{
    RIG(rig, client);
    assert_reply(&client, "command getkeys mset a 1 b 2", "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
    assert_reply(&client, "command getkeys mset a 1 b", "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
    assert_reply(&client, "command getkeys ping x", "-ERR The command has no key arguments\r\n");
    assert_reply(&client, "command getkeys foo x", "-ERR Invalid command specified\r\n");
    assert_reply(&client, "command getkeys get a b",
                 "-ERR Invalid number of arguments specified for command\r\n");
    assert_reply(&client, "command getkeysandflags set a b",
                 "*1\r\n*2\r\n$1\r\na\r\n*2\r\n+OW\r\n+update\r\n");
    assert_reply(&client, "command getkeysandflags set a b get",
                 "*1\r\n*2\r\n$1\r\na\r\n*3\r\n+RW\r\n+access\r\n+update\r\n");
    assert_reply(&client, "command getkeysandflags rename a b",
                 "*2\r\n*2\r\n$1\r\na\r\n*3\r\n+RW\r\n+access\r\n+delete\r\n"
                 "*2\r\n$1\r\nb\r\n*2\r\n+OW\r\n+update\r\n");
    RIG_DONE(rig, client);
}
