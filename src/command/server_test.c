#include "command/rig_test.h"

TEST(info_hands_its_sections_on_in_lower_case)
{
    RIG(rig, client);
    assert_reply(&client, "info", "$10\r\n# Sections\r\n");
    assert_reply(&client, "info Server CLIENTS", "$25\r\n# Sections server clients\r\n");
    (void)rig_send(&client, "hello 3");
    assert_reply(&client, "info", "=14\r\ntxt:# Sections\r\n");
    RIG_DONE(rig, client);
}

TEST(config_get_answers_each_setting_once)
{
    RIG(rig, client);
    assert_reply(&client, "config get port", "*2\r\n$4\r\nport\r\n$4\r\n4000\r\n");
    assert_reply(&client, "config get p* * port",
                 "*4\r\n$4\r\nport\r\n$4\r\n4000\r\n$9\r\nmaxmemory\r\n$1\r\n0\r\n");
    assert_reply(&client, "config get nothing", "*0\r\n");
    (void)rig_send(&client, "hello 3");
    assert_reply(&client, "config get PORT", "%1\r\n$4\r\nport\r\n$4\r\n4000\r\n");
    RIG_DONE(rig, client);
}

TEST(config_set_passes_the_hosts_words_on)
{
    RIG(rig, client);
    assert_reply(&client, "config set maxmemory 1", "+OK\r\n");
    assert_reply(&client, "config set maxmemory 1 foo 2",
                 "-ERR Unknown option or number of arguments for CONFIG SET - 'foo'\r\n");
    assert_reply(&client, "config set maxmemory 1 x", "-ERR syntax error\r\n");
    assert_reply(&client, "config set a",
                 "-ERR wrong number of arguments for 'config|set' command\r\n");
    RIG_DONE(rig, client);
}

TEST(time_is_the_hosts)
{
    RIG(rig, client);
    clock_manual_advance_us(rig.clock, 42);
    assert_reply(&client, "time", "*2\r\n$4\r\n1000\r\n$2\r\n42\r\n");
    RIG_DONE(rig, client);
}

TEST(saving)
{
    RIG(rig, client);
    assert_reply(&client, "save", "+OK\r\n");
    assert_int_equal(rig.saves, 1);
    assert_reply(&client, "bgsave", "+Background saving started\r\n");
    assert_reply(&client, "bgsave schedule", "+Background saving started\r\n");
    assert_int_equal(rig.saves, 3);
    assert_reply(&client, "bgsave x", "-ERR syntax error\r\n");
    assert_reply(&client, "lastsave", ":77\r\n");
    RIG_DONE(rig, client);
}

TEST(shutdown_reads_its_words_before_it_acts)
{
    RIG(rig, client);
    assert_reply(&client, "shutdown x", "-ERR syntax error\r\n");
    assert_reply(&client, "shutdown save nosave", "-ERR syntax error\r\n");
    assert_reply(&client, "shutdown abort now", "-ERR syntax error\r\n");
    assert_reply(&client, "shutdown abort", "-ERR No shutdown in progress.\r\n");
    assert_false(rig.stopped);
    assert_reply(&client, "shutdown NOSAVE now force", "");
    assert_true(rig.stopped && client.client.no_reply && client.client.closing);
    assert_false(rig.stop_saves);
    RIG_DONE(rig, client);
}

TEST(flushing_and_counting)
{
    RIG(rig, client);
    assert_reply(&client, "mset a 1 b 2", "+OK\r\n");
    assert_reply(&client, "dbsize", ":2\r\n");
    assert_reply(&client, "flushdb x", "-ERR syntax error\r\n");
    assert_reply(&client, "flushall async sync", "-ERR syntax error\r\n");
    assert_reply(&client, "multi", "+OK\r\n");
    assert_reply(&client, "set c 3", "+QUEUED\r\n");
    assert_reply(&client, "dbsize", "+QUEUED\r\n");
    assert_reply(&client, "flushdb async", "+QUEUED\r\n");
    assert_reply(&client, "dbsize", "+QUEUED\r\n");
    assert_reply(&client, "set d 4", "+QUEUED\r\n");
    assert_reply(&client, "exec", "*5\r\n+OK\r\n:3\r\n+OK\r\n:0\r\n+OK\r\n");
    assert_reply(&client, "dbsize", ":1\r\n");
    assert_reply(&client, "get d", "$1\r\n4\r\n");
    RIG_DONE(rig, client);
}

TEST(help_lists_only_what_there_is)
{
    static const char *const containers[] = { "client", "config", "command" };
    RIG(rig, client);
    for (size_t i = 0; i < 3; i++) {
        char line[32];
        (void)snprintf(line, sizeof line, "%s help", containers[i]);
        const char *reply = rig_send(&client, line);
        assert_int_equal(reply[0], '*');
        /* As many statuses as the array says. */
        long lines = 0;
        for (const char *at = reply; (at = strstr(at, "\r\n+")) != NULL; at++)
            lines++;
        assert_int_equal(lines, strtol(reply + 1, NULL, 10));
        assert_non_null(strstr(reply, "+HELP\r\n+    Lists the subcommands of "));
        /* Two for each subcommand of the table, and the head. */
        long rows = 0;
        size_t count;
        const struct command *table = command_table(&count);
        for (size_t row = 0; row < count; row++) {
            size_t len = strlen(containers[i]);
            rows += strncasecmp(table[row].name, containers[i], len) == 0 &&
                    table[row].name[len] == '|';
        }
        assert_int_equal(lines, 1 + 2 * rows);
    }
    RIG_DONE(rig, client);
}

TEST(error_texts_for_failures_name_the_cause)
{
    struct buf out;
    buf_init(&out, 4096);
    struct reply reply = { .ops = &reply_resp2, .out = &out };

    static const struct {
        enum kvs_status status;
        const char *begins;
    } cases[] = {
        { KVS_OVER_BUDGET, "-OOM command not allowed when used memory > 'maxmemory'.\r\n" },
        { KVS_NO_MEMORY, "-OOM " },
        { KVS_IO, "-MISCONF " },
        { KVS_READ_ONLY, "-MISCONF " },
        { KVS_DISK_FULL, "-ERR no space left on the device: " },
        { KVS_TOO_LONG, "-ERR " },
        { KVS_CORRUPT, "-ERR damaged data: " },
        { KVS_UNSUPPORTED, "-ERR " },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        buf_truncate(&out, 0);
        reply_failure(&reply, cases[i].status);
        assert_memory_equal(out.data, cases[i].begins, strlen(cases[i].begins));
    }
    assert_int_equal(reply.error_count, 8);
    buf_done(&out);
}
