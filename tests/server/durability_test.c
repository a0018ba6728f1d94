/*
 * durability_test.c - what was acknowledged is there: after a graceful stop under load, and after kill -9, many times.
 *
 * KVS_TEST_ROUNDS sets the number of kill -9 rounds (default 12).
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "io/random.h"
#include "tests/server/harness.h"

enum {
    WRITERS = 4,
    KEYS = 200,
    PIPELINE = 8,
};

/* One connection that overwrites its own keys with rising numbers, several requests at a time. */
struct writer {
    const struct server_process *server;
    int index;
    pthread_t thread;
    uint64_t next;               /* number of the next write, over all rounds */
    uint64_t acknowledged[KEYS]; /* highest number acknowledged per key … */
    uint64_t attempted[KEYS];    /* … and sent */
    _Atomic uint64_t count;
};

static bool read_ok(int fd, char *buf, size_t *len)
{
    while (*len < 5) {
        ssize_t got = recv(fd, buf + *len, 512 - *len, 0);
        if (got <= 0)
            return false;
        *len += (size_t)got;
    }
    assert_memory_equal(buf, "+OK\r\n", 5);
    memmove(buf, buf + 5, *len - 5);
    *len -= 5;
    return true;
}

/* Until the server goes. */
static void *write_on(void *arg)
{
    struct writer *writer = arg;
    struct wire wire;
    char answers[512];
    size_t answered = 0;
    bool there = true;
    wire_open(&wire, writer->server);
    while (there) {
        uint64_t first = writer->next;
        struct buf out;
        buf_init(&out, 65536);
        for (int i = 0; i < PIPELINE; i++) {
            uint64_t number = writer->next++;
            char key[32];
            char value[32];
            int key_len = snprintf(key, sizeof key, "w%d:%llu", writer->index,
                                   (unsigned long long)(number % KEYS));
            int value_len = snprintf(value, sizeof value, "%llu", (unsigned long long)number);
            writer->attempted[number % KEYS] = number;
            buf_printf(&out, "*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n", key_len, key,
                       value_len, value);
        }
        there = send(wire.fd, out.data, out.len, MSG_NOSIGNAL) == (ssize_t)out.len;
        buf_done(&out);
        for (int i = 0; i < PIPELINE && there; i++) {
            there = read_ok(wire.fd, answers, &answered);
            if (there) {
                writer->acknowledged[(first + (uint64_t)i) % KEYS] = first + (uint64_t)i;
                atomic_fetch_add(&writer->count, 1);
            }
        }
    }
    wire_close(&wire);
    return NULL;
}

static void start_writers(struct writer *writers, const struct server_process *server)
{
    for (int i = 0; i < WRITERS; i++) {
        writers[i].server = server;
        writers[i].index = i;
        assert_ok(pthread_create(&writers[i].thread, NULL, write_on, &writers[i]));
    }
}

static void join_writers(struct writer *writers)
{
    for (int i = 0; i < WRITERS; i++)
        assert_ok(pthread_join(writers[i].thread, NULL));
}

static uint64_t total(struct writer *writers)
{
    uint64_t sum = 0;
    for (int i = 0; i < WRITERS; i++)
        sum += atomic_load(&writers[i].count);
    return sum;
}

/* Every key holds at least what was acknowledged, and at most what was sent. */
static void check(struct writer *writers, const struct server_process *server)
{
    struct wire wire;
    wire_open(&wire, server);
    for (int w = 0; w < WRITERS; w++) {
        for (int k = 0; k < KEYS; k++) {
            char key[32];
            (void)snprintf(key, sizeof key, "w%d:%d", w, k);
            const char *shown = ask(&wire, "GET", key);
            uint64_t found = shown[0] == '$' ? strtoull(shown + 1, NULL, 10) : 0;
            if (found < writers[w].acknowledged[k] || found > writers[w].attempted[k])
                fail_msg("%s: acknowledged %llu, sent %llu, found %s", key,
                         (unsigned long long)writers[w].acknowledged[k],
                         (unsigned long long)writers[w].attempted[k], shown);
            /* what was seen now must stay */
            writers[w].acknowledged[k] = found;
        }
    }
    wire_close(&wire);
}

static void reset(struct writer *writers)
{
    memset(writers, 0, WRITERS * sizeof *writers);
    for (int i = 0; i < WRITERS; i++)
        writers[i].next = KEYS; /* so that 0 means absent */
}

TEST(a_graceful_stop_under_load_loses_nothing_acknowledged)
{
    static struct writer writers[WRITERS];
    static const char *const durabilities[] = { "always", "everysec", "no" };
    struct server_process server;
    for (size_t i = 0; i < 3; i++) {
        const char *const args[] = { "--durability", durabilities[i], NULL };
        reset(writers);
        server_start(&server, args);
        start_writers(writers, &server);
        while (total(writers) < 3000)
            usleep(1000);
        server_end(&server);
        join_writers(writers);
        server_restart(&server, args);
        check(writers, &server);
        server_end(&server);
    }
}

static int rounds(void)
{
    const char *text = getenv("KVS_TEST_ROUNDS");
    return text != NULL ? atoi(text) : 12;
}

/* A process that is killed takes nothing with it that the system has: so this holds for every durability. */
TEST(kill_9_loses_nothing_acknowledged)
{
    static struct writer writers[WRITERS];
    static const char *const durabilities[] = { "always", "always", "everysec", "no" };
    struct server_process server = { 0 };
    struct random random;
    random_seed(&random, test_seed());
    reset(writers);
    for (int round = 0; round < rounds(); round++) {
        const char *const args[] = { "--durability", durabilities[round % 4], "--segment-size",
                                     "1mb", NULL };
        if (round == 0)
            server_start(&server, args);
        else
            server_restart(&server, args);
        if (round != 0)
            check(writers, &server);
        uint64_t goal = total(writers) + random_below(&random, 3000);
        start_writers(writers, &server);
        while (total(writers) < goal)
            usleep(500);
        server_kill(&server);
        join_writers(writers);
    }
    server_restart(&server, NULL);
    check(writers, &server);
    server_end(&server);
}

/* A reader must not be shown what a crash could take back: what one connection read, the next server still has. */
TEST(what_was_read_survives_kill_9)
{
    struct server_process server = { 0 };
    for (int round = 0; round < 6; round++) {
        struct wire writer;
        struct wire reader;
        char last[64] = "";
        if (round == 0)
            server_start(&server, NULL);
        else
            server_restart(&server, NULL);
        wire_open(&writer, &server);
        wire_open(&reader, &server);
        for (int i = 0; i < 200; i++) {
            struct buf out;
            buf_init(&out, 4096);
            buf_printf(&out, "SET seen %d:%d\r\n", round, i);
            wire_send(&writer, out.data, out.len); /* its answer is not waited for */
            buf_done(&out);
            (void)snprintf(last, sizeof last, "%s", ask(&reader, "GET", "seen"));
        }
        server_kill(&server);
        wire_close(&writer);
        wire_close(&reader);
        server_restart(&server, NULL);
        wire_open(&reader, &server);
        const char *now = ask(&reader, "GET", "seen");
        int seen_round = -1;
        int seen = -1;
        int now_round = -1;
        int found = -1;
        assert_true(sscanf(last, "$%d:%d", &seen_round, &seen) == 2 || strcmp(last, "_") == 0);
        (void)sscanf(now, "$%d:%d", &now_round, &found);
        assert_true(now_round > seen_round || (now_round == seen_round && found >= seen));
        wire_close(&reader);
        server_kill(&server);
    }
}

/* What only the ring of staged writes holds is salvaged too. */
TEST(repair_finds_weak_writes_that_no_segment_has)
{
    struct server_process server;
    struct wire wire;
    char command[2400];
    const char *bin = getenv("KVS_BIN");
    server_start(&server, (const char *const[]){ "--durability", "everysec", NULL });
    wire_open(&wire, &server);
    assert_string_equal(ask(&wire, "SET", "first", "1"), "+OK");
    assert_string_equal(ask(&wire, "SET", "second", "2"), "+OK");
    server_kill(&server);
    wire_close(&wire);
    (void)snprintf(command, sizeof command, "%s/kvs --dir %s repair %s.new >/dev/null", bin,
                   server.dir, server.dir);
    assert_int_equal(system(command), 0); /* nothing lost */
    (void)snprintf(command, sizeof command,
                   "test \"$(%s/kvs --dir %s.new get first; %s/kvs --dir %s.new get second)\" = "
                   "\"$(printf '1\\n2')\"",
                   bin, server.dir, bin, server.dir);
    assert_int_equal(system(command), 0);
}
