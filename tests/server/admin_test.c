/*
 * admin_test.c - looking after a server over the wire: CONFIG, INFO, CLIENT, SHUTDOWN; and what needs several connections.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "tests/server/harness.h"

#define ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })

TEST(config_get_and_set)
{
    struct server_process server;
    struct wire wire;
    server_start(&server, ARGS("--maxclients", "77"));
    wire_open(&wire, &server);
    assert_string_equal(ask(&wire, "CONFIG", "GET", "maxclients"), "[$maxclients $77]");
    assert_string_equal(ask(&wire, "CONFIG", "GET", "save"), "[$save $]");
    assert_string_equal(ask(&wire, "CONFIG", "GET", "databases"), "[$databases $16]");
    char port[32];
    (void)snprintf(port, sizeof port, "[$port $%d]", server.port);
    assert_string_equal(ask(&wire, "CONFIG", "GET", "port"), port);
    assert_string_equal(ask(&wire, "CONFIG", "SET", "timeout", "100", "maxclients", "78"), "+OK");
    assert_string_equal(ask(&wire, "CONFIG", "GET", "maxclients"), "[$maxclients $78]");
    assert_string_equal(ask(&wire, "CONFIG", "SET", "timeout", "1", "maxclients", "x"),
                        "-ERR CONFIG SET failed (possibly related to argument 'maxclients') - "
                        "argument couldn't be parsed into an "
                        "integer");
    assert_string_equal(ask(&wire, "CONFIG", "GET", "timeout"), "[$timeout $100]");
    assert_string_equal(ask(&wire, "CONFIG", "SET", "appendfsync", "everysec"), "+OK");
    assert_string_equal(ask(&wire, "SET", "a", "1"), "+OK");
    assert_string_equal(ask(&wire, "CONFIG", "GET", "durability"), "[$durability $everysec]");
    wire_close(&wire);
    server_end(&server);
}

static long long field(const char *info, const char *name)
{
    char pattern[64];
    (void)snprintf(pattern, sizeof pattern, "\n%s:", name);
    const char *at = strstr(info, pattern);
    if (at == NULL)
        fail_msg("no field %s", name);
    return atoll(at + strlen(pattern));
}

TEST(info_is_sections_of_fields_with_true_numbers)
{
    struct server_process server;
    struct wire wire;
    struct wire other;
    server_start(&server, NULL);
    wire_open(&wire, &server);
    wire_open(&other, &server);
    assert_string_equal(ask(&other, "SET", "a", "1"), "+OK");
    assert_string_equal(ask(&other, "GET", "a"), "$1");
    assert_string_equal(ask(&other, "GET", "a"), "$1");
    (void)ask(&other, "NOSUCH");
    char *info = strdup(ask(&wire, "INFO", "everything"));
    for (char *line = info + 1; line != NULL && *line != '\0';) {
        char *end = strstr(line, "\r\n");
        assert_non_null(end);
        bool is_field = memchr(line, ':', (size_t)(end - line)) != NULL;
        assert_true(line == end || *line == '#' || is_field);
        line = end + 2;
    }
    static const char *const sections[] = { "Server",       "Clients",     "Memory",  "Persistence",
                                            "Stats",        "Replication", "CPU",     "Modules",
                                            "Commandstats", "Errorstats",  "Cluster", "Keyspace",
                                            "Kvs" };
    for (size_t i = 0; i < sizeof sections / sizeof *sections; i++) {
        char head[64];
        (void)snprintf(head, sizeof head, "# %s\r\n",
                       strcmp(sections[i], "CPU") == 0 ? "CPU" : sections[i]);
        if (strstr(info, head) == NULL)
            fail_msg("no section %s", sections[i]);
    }
    assert_int_equal(field(info, "connected_clients"), 2);
    assert_int_equal(field(info, "process_id"), server.pid);
    assert_int_equal(field(info, "tcp_port"), server.port);
    assert_int_equal(field(info, "total_connections_received"), 2);
    assert_int_equal(field(info, "total_error_replies"), 1);
    assert_true(field(info, "total_commands_processed") >= 4);
    assert_true(field(info, "used_memory") > 0 && field(info, "used_memory_rss") > 0);
    assert_non_null(strstr(info, "\ncmdstat_get:calls=2,"));
    assert_non_null(strstr(info, "\nerrorstat_ERR:count=1\r\n"));
    assert_non_null(strstr(info, "\ndb0:keys=1,"));
    free(info);
    assert_string_equal(ask(&wire, "CONFIG", "RESETSTAT"), "+OK");
    info = strdup(ask(&wire, "INFO", "stats", "commandstats"));
    assert_int_equal(field(info, "total_connections_received"), 0);
    assert_null(strstr(info, "cmdstat_get"));
    assert_null(strstr(info, "# Server"));
    free(info);
    wire_close(&other);
    wire_close(&wire);
    server_end(&server);
}

TEST(clients_are_listed_and_killed)
{
    struct server_process server;
    struct wire a;
    struct wire b;
    server_start(&server, NULL);
    wire_open(&a, &server);
    wire_open(&b, &server);
    assert_string_equal(ask(&a, "CLIENT", "SETNAME", "first"), "+OK");
    assert_string_equal(ask(&b, "CLIENT", "SETNAME", "second"), "+OK");
    assert_string_equal(ask(&b, "SELECT", "3"), "+OK");
    const char *list = ask(&a, "CLIENT", "LIST");
    assert_non_null(strstr(list, " name=first "));
    const char *second = strstr(list, " name=second ");
    assert_non_null(second);
    const char *line_end = strchr(second, '\n');
    assert_non_null(line_end);
    assert_non_null(strstr(second, " db=3 "));
    assert_non_null(strstr(second, " cmd=select "));
    long long id = atoll(ask(&b, "CLIENT", "ID") + 1);
    char text[32];
    (void)snprintf(text, sizeof text, "%lld", id);
    assert_non_null(strstr(ask(&a, "CLIENT", "LIST", "ID", text), " name=second "));
    assert_non_null(strstr(ask(&a, "CLIENT", "INFO"), " name=first "));
    assert_string_equal(ask(&a, "CLIENT", "KILL", "ID", text), ":1");
    wire_expect_closed(&b);
    wire_close(&b);
    assert_string_equal(ask(&a, "CLIENT", "KILL", "ID", text), ":0");
    assert_null(strstr(ask(&a, "CLIENT", "LIST"), "second"));
    /* itself: the answer comes first */
    assert_string_equal(ask(&a, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no"), ":1");
    wire_expect_closed(&a);
    wire_close(&a);
    server_end(&server);
}

TEST(transactions_of_two_connections_meet)
{
    struct server_process server;
    struct wire a;
    struct wire b;
    server_start(&server, NULL);
    wire_open(&a, &server);
    wire_open(&b, &server);
    assert_string_equal(ask(&a, "SET", "n", "1"), "+OK");
    assert_string_equal(ask(&a, "WATCH", "n"), "+OK");
    assert_string_equal(ask(&a, "MULTI"), "+OK");
    assert_string_equal(ask(&a, "INCR", "n"), "+QUEUED");
    assert_string_equal(ask(&b, "SET", "n", "10"), "+OK");
    assert_string_equal(ask(&a, "EXEC"), "_");
    assert_string_equal(ask(&b, "GET", "n"), "$10");
    assert_string_equal(ask(&a, "WATCH", "n"), "+OK");
    assert_string_equal(ask(&a, "MULTI"), "+OK");
    assert_string_equal(ask(&a, "INCR", "n"), "+QUEUED");
    assert_string_equal(ask(&a, "GET", "n"), "+QUEUED");
    assert_string_equal(ask(&b, "GET", "n"), "$10");
    assert_string_equal(ask(&a, "EXEC"), "[:11 $11]");
    assert_string_equal(ask(&b, "GET", "n"), "$11");
    assert_string_equal(ask(&a, "MULTI"), "+OK");
    assert_memory_equal(ask(&a, "NOSUCH"), "-ERR unknown command", 20);
    assert_string_equal(ask(&a, "EXEC"),
                        "-EXECABORT Transaction discarded because of previous errors.");
    wire_close(&a);
    wire_close(&b);
    server_end(&server);
}

struct writing {
    const struct server_process *server;
    atomic_bool stop;
};

/* Overwrites the stable keys and comes and goes with others. */
static void *write_meanwhile(void *arg)
{
    struct writing *writing = arg;
    struct wire wire;
    wire_open(&wire, writing->server);
    for (unsigned i = 0; !atomic_load(&writing->stop); i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "stable:%u", i * 7 % 3000);
        assert_string_equal(ask(&wire, "SET", key, "new"), "+OK");
        (void)snprintf(key, sizeof key, "other:%u", i * 13 % 5000);
        assert_string_equal(ask(&wire, "SET", key, "x"), "+OK");
        (void)snprintf(key, sizeof key, "other:%u", i * 17 % 5000);
        (void)ask(&wire, "DEL", key);
    }
    wire_close(&wire);
    return NULL;
}

TEST(scan_returns_every_lasting_key_exactly_once_under_writes)
{
    enum {
        KEYS = 3000
    };
    struct server_process server;
    struct wire wire;
    struct wire second;
    static unsigned char seen[KEYS];
    server_start(&server, ARGS("--durability", "no"));
    wire_open(&wire, &server);
    wire_open(&second, &server);
    for (int i = 0; i < KEYS; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "stable:%d", i);
        assert_string_equal(ask(&wire, "SET", key, "old"), "+OK");
    }
    struct writing writing = { .server = &server };
    pthread_t thread;
    assert_ok(pthread_create(&thread, NULL, write_meanwhile, &writing));
    for (int round = 0; round < 3; round++) {
        char cursor[32] = "0";
        memset(seen, 0, sizeof seen);
        for (int step = 0;; step++) {
            struct wire *either =
                step % 2 == 0 ? &wire : &second; /* a cursor is not bound to its connection */
            wire_send_args(either,
                           (struct kvs_bytes[]){ BYTES("SCAN"), bytes_str(cursor), BYTES("COUNT"),
                                                 BYTES("17") },
                           4);
            const struct resp_value *reply = wire_read(either);
            assert_int_equal(reply->type, RESP_ARRAY);
            const struct resp_value *keys = &reply->items[1];
            for (size_t i = 0; i < keys->item_count; i++) {
                struct kvs_bytes key = keys->items[i].text;
                if (!bytes_starts_with(key, BYTES("stable:")))
                    continue;
                char number[16] = "";
                memcpy(number, (const char *)key.data + 7, key.len - 7);
                assert_int_equal(seen[atoi(number)]++, 0);
            }
            struct kvs_bytes next = reply->items[0].text;
            memcpy(cursor, next.data, next.len);
            cursor[next.len] = '\0';
            if (strcmp(cursor, "0") == 0)
                break;
        }
        for (int i = 0; i < KEYS; i++)
            assert_int_equal(seen[i], 1);
    }
    atomic_store(&writing.stop, true);
    assert_ok(pthread_join(thread, NULL));
    assert_string_equal(ask(&wire, "SCAN", "99999999"), "-ERR invalid cursor");
    wire_close(&wire);
    wire_close(&second);
    server_end(&server);
}

TEST(long_commands_do_not_stop_others)
{
    struct server_process server;
    struct wire slow;
    struct wire wire;
    server_start(&server, ARGS("--durability", "no"));
    wire_open(&wire, &server);
    for (int i = 0; i < 2000; i++) {
        char key[32];
        (void)snprintf(key, sizeof key, "key:%d", i);
        assert_string_equal(ask(&wire, "SET", key, "v"), "+OK");
    }
    wire_open(&slow, &server);
    for (int i = 0; i < 50; i++)
        wire_send_text(&slow, "KEYS *\r\nDBSIZE\r\n");
    for (int i = 0; i < 50; i++) {
        assert_string_equal(ask(&wire, "PING"), "+PONG");
        assert_int_equal(wire_read(&slow)->item_count, 2000);
        assert_int_equal(wire_read(&slow)->integer, 2000);
    }
    wire_close(&slow);
    wire_close(&wire);
    server_end(&server);
}

TEST(saving_and_shutting_down)
{
    struct server_process server;
    struct wire wire;
    server_start(&server, NULL);
    wire_open(&wire, &server);
    assert_string_equal(ask(&wire, "SET", "a", "1"), "+OK");
    assert_string_equal(ask(&wire, "SAVE"), "+OK");
    assert_memory_equal(ask(&wire, "BGSAVE"), "+Background saving started", 26);
    assert_true(atoll(ask(&wire, "LASTSAVE") + 1) > 1600000000);
    assert_ok(kill(server.pid, SIGHUP));
    assert_string_equal(ask(&wire, "PING"), "+PONG");
    wire_send_text(&wire, "SHUTDOWN\r\n");
    assert_int_equal(server_wait(&server), 0);
    wire_close(&wire);
    if (engine_is_persistent()) {
        server_restart(&server, NULL);
        wire_open(&wire, &server);
        assert_string_equal(ask(&wire, "GET", "a"), "$1");
        wire_close(&wire);
        server_end(&server);
    }
}
