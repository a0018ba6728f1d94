/*
 * server_test.c - concurrent clients of a real server that is killed (-9), stopped (SIGSTOP) and started again; then the checker looks
 * whether one order explains what they all saw: nothing acknowledged lost, nothing seen taken back, nothing half, nothing twice.
 *
 * KVS_LINEAR_HISTORIES histories of KVS_LINEAR_OPS operations (6 of 4,000); KVS_TEST_SEED repeats the choices, not the timing.
 */
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <kvs/client.h>

#include "base/bytes.h"
#include "base/number.h"
#include "io/random.h"
#include "tests/linearizability/history.h"
#include "tests/server/harness.h"

enum {
    CLIENTS = 6,
    GROUPS = 6,
    VALUE_PADDING = 700,
    VALUE_CHARS = 16 + VALUE_PADDING,
    KEY_CHARS = 32,
    REPLY_WAIT_MS = 120 * 1000, /* only a server that hangs takes that long */
    PAUSE_US = 2000,
};

struct run {
    atomic_int port; /* of the server that runs now */
    atomic_bool killing;
    atomic_uint values; /* numbers given to values so far */
    atomic_size_t started;
    size_t wanted;
};

struct worker {
    struct run *run;
    pthread_t thread;
    struct random random;
    struct kvs_client *client; /* NULL: not connected */
    struct op *ops;
    size_t count;
    size_t
        open_from; /* operations from here on have an unknown outcome whose end is not known yet */
};

static uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Not on the test's thread: nothing else would fail the test. */
#define die(...) (fprintf(stderr, __VA_ARGS__), fputc('\n', stderr), abort())

/* ---- Values and keys ---- */

/* "17:xxxx", as long as the number says. */
static struct kvs_bytes value_text(uint32_t number, char text[VALUE_CHARS])
{
    int len = snprintf(text, VALUE_CHARS, "%" PRIu32 ":", number);
    size_t padding = number * 2654435761u % VALUE_PADDING;
    memset(text + len, 'x', padding);
    return bytes_of(text, (size_t)len + padding);
}

/* A value's number; a counter's value. Absent: 0. */
static int64_t value_number(const struct kvs_reply *reply)
{
    if (reply->type == KVS_REPLY_NULL)
        return 0;
    const char *colon = memchr(reply->text.data, ':', reply->text.len);
    size_t len = colon != NULL ? (size_t)(colon - (const char *)reply->text.data) : reply->text.len;
    int64_t number;
    if (!number_parse_i64(bytes_of(reply->text.data, len), &number))
        die("not a value of ours: %.*s", (int)reply->text.len, (const char *)reply->text.data);
    char text[VALUE_CHARS];
    if (colon != NULL && !bytes_equal(value_text((uint32_t)number, text), reply->text))
        die("a changed value: %.*s", (int)reply->text.len, (const char *)reply->text.data);
    return number;
}

static struct kvs_bytes key_text(const struct op *op, char which, char text[KEY_CHARS])
{
    int len = snprintf(text, KEY_CHARS, "group%u:%c", op->group, which);
    return bytes_of(text, (size_t)len);
}

static struct kvs_bytes prefix_text(const struct op *op, char text[KEY_CHARS])
{
    int len = snprintf(text, KEY_CHARS, "group%u:", op->group);
    return bytes_of(text, (size_t)len);
}

/* ---- Requests ---- */

#define SEND(client, ...)                                                  \
    kvs_client_append((client), (const struct kvs_bytes[]){ __VA_ARGS__ }, \
                      sizeof((const struct kvs_bytes[]){ __VA_ARGS__ }) /  \
                          sizeof(struct kvs_bytes))

/* Sends @op's request; *ret_replies is how many replies come, the last of which tells. */
static enum kvs_status send_op(struct kvs_client *client, const struct op *op, bool by_multi,
                               unsigned *ret_replies)
{
    char names[3][KEY_CHARS];
    char values[2][VALUE_CHARS];
    struct kvs_bytes a = key_text(op, 'a', names[0]);
    struct kvs_bytes b = key_text(op, 'b', names[1]);
    struct kvs_bytes c = key_text(op, 'c', names[2]);
    struct kvs_bytes key = op->key == 0 ? a : b;
    struct kvs_bytes value = value_text(op->value, values[0]);
    enum kvs_status status;
    char prefix[KEY_CHARS];
    *ret_replies = 1;
    switch (op->kind) {
    case OP_GET:
        return SEND(client, BYTES("GET"), key);
    case OP_SET:
        return SEND(client, BYTES("SET"), key, value);
    case OP_DEL:
        return SEND(client, BYTES("DEL"), key);
    case OP_CAS:
        return SEND(client, BYTES("CAS"), key, value_text(op->expected, values[1]), value);
    case OP_INCR:
        return SEND(client, BYTES("INCR"), c);
    case OP_CLEAR:
        return SEND(client, BYTES("DELPREFIX"), prefix_text(op, prefix));
    case OP_SET_BOTH:
        *ret_replies = 5;
        status = SEND(client, BYTES("MULTI"));
        if (status == KVS_OK)
            status = SEND(client, BYTES("SET"), a, value);
        if (status == KVS_OK)
            status = SEND(client, BYTES("SET"), b, value);
        if (status == KVS_OK)
            status = SEND(client, BYTES("INCR"), c);
        return status == KVS_OK ? SEND(client, BYTES("EXEC")) : status;
    case OP_READ_ALL:
        if (!by_multi)
            return SEND(client, BYTES("MGET"), a, b, c);
        *ret_replies = 3;
        status = SEND(client, BYTES("MULTI"));
        if (status == KVS_OK)
            status = SEND(client, BYTES("PREFIX"), prefix_text(op, prefix));
        return status == KVS_OK ? SEND(client, BYTES("EXEC")) : status;
    }
    return KVS_INVALID;
}

/* [key, value, key, value …] of those that exist. */
static void read_listing(struct op *op, const struct kvs_reply *listing)
{
    for (size_t i = 0; i + 1 < listing->item_count; i += 2) {
        struct kvs_bytes key = listing->items[i].text;
        char which = ((const char *)key.data)[key.len - 1];
        op->saw[which - 'a'] = value_number(&listing->items[i + 1]);
    }
}

static void read_answer(struct op *op, const struct kvs_reply *reply)
{
    switch (op->kind) {
    case OP_GET:
        op->saw[op->key] = value_number(reply);
        return;
    case OP_SET:
        return;
    case OP_DEL:
    case OP_CAS:
    case OP_INCR:
    case OP_CLEAR:
        op->answer = reply->integer;
        return;
    case OP_SET_BOTH:
        if (reply->type != KVS_REPLY_ARRAY || reply->item_count != 3)
            die("EXEC answered something else");
        op->answer = reply->items[2].integer;
        return;
    case OP_READ_ALL:
        if (reply->item_count == 1) {
            read_listing(op, &reply->items[0]);
            return;
        }
        for (size_t i = 0; i < 3; i++)
            op->saw[i] = value_number(&reply->items[i]);
        return;
    }
}

/* ---- A client ---- */

static enum kvs_status carry_out(struct worker *worker, struct op *op)
{
    unsigned replies;
    const struct kvs_reply *reply = NULL;
    enum kvs_status status =
        send_op(worker->client, op, random_below(&worker->random, 2) == 0, &replies);
    for (unsigned i = 0; i < replies && status == KVS_OK; i++)
        status = kvs_client_read(worker->client, &reply);
    if (status == KVS_OK)
        read_answer(op, reply);
    return status;
}

static void choose_op(struct worker *worker, struct op *op)
{
    static const enum op_kind kinds[] = { OP_GET,      OP_GET,     OP_GET,      OP_SET,
                                          OP_SET,      OP_DEL,     OP_CAS,      OP_CAS,
                                          OP_INCR,     OP_INCR,    OP_SET_BOTH, OP_SET_BOTH,
                                          OP_READ_ALL, OP_READ_ALL };
    struct random *random = &worker->random;
    *op = (struct op){
        .kind = kinds[random_below(random, sizeof kinds / sizeof *kinds)],
        .group = (uint8_t)random_below(random, GROUPS),
        .key = (uint8_t)random_below(random, 2),
        /* relaxed: numbers need only differ */
        .value = atomic_fetch_add_explicit(&worker->run->values, 1, memory_order_relaxed) + 1,
    };
    if (random_below(random, 50) == 0)
        op->kind = OP_CLEAR;
    /* What it saw last of this key is the best guess. */
    op->expected = 1;
    for (size_t i = worker->count; i-- > 0;) {
        const struct op *seen = &worker->ops[i];
        if (seen->kind == OP_GET && seen->group == op->group && seen->key == op->key) {
            op->expected = seen->saw[op->key] != 0 ? (uint32_t)seen->saw[op->key] : 1;
            break;
        }
    }
}

/* A new connection proves that the old server is dead: what it did not answer it will not do any more. */
static void connect_again(struct worker *worker)
{
    while (worker->client == NULL) {
        char addr[32];
        int port = atomic_load(&worker->run->port);
        snprintf(addr, sizeof addr, "127.0.0.1:%d", port);
        struct kvs_client_options options = { .addr = addr, .timeout_ms = REPLY_WAIT_MS };
        if (port == 0 || kvs_client_open(&options, &worker->client) != KVS_OK) {
            worker->client = NULL;
            usleep(PAUSE_US);
        }
    }
    uint64_t dead_ns = now_ns();
    for (; worker->open_from < worker->count; worker->open_from++)
        if (worker->ops[worker->open_from].unknown)
            worker->ops[worker->open_from].return_ns = dead_ns;
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct run *run = worker->run;
    while (atomic_fetch_add(&run->started, 1) < run->wanted) {
        if (worker->client == NULL)
            connect_again(worker);
        struct op *op = &worker->ops[worker->count];
        choose_op(worker, op);
        op->call_ns = now_ns();
        enum kvs_status status = carry_out(worker, op);
        op->return_ns = now_ns();
        worker->count++;
        if (status == KVS_OK)
            continue;
        if (status != KVS_NETWORK || !atomic_load(&run->killing))
            die("a request failed although nobody killed the server: %s", kvs_error());
        op->unknown = true;
        kvs_client_close(worker->client);
        worker->client = NULL;
    }
    connect_again(worker);
    kvs_client_close(worker->client);
    return NULL;
}

/* ---- A history ---- */

/* Adds what is there at the end, as if one more client had looked. */
static size_t look_once_more(const struct run *run, struct op *ops)
{
    char addr[32];
    snprintf(addr, sizeof addr, "127.0.0.1:%d", atomic_load(&run->port));
    struct kvs_client_options options = { .addr = addr, .timeout_ms = REPLY_WAIT_MS };
    struct worker worker = { .ops = ops };
    random_seed(&worker.random, 1);
    assert_ok(kvs_client_open(&options, &worker.client));
    for (uint8_t group = 0; group < GROUPS; group++) {
        ops[group] = (struct op){ .kind = OP_READ_ALL, .group = group, .call_ns = now_ns() };
        assert_ok(carry_out(&worker, &ops[group]));
        ops[group].return_ns = now_ns();
    }
    kvs_client_close(worker.client);
    return GROUPS;
}

static void check(const struct op *ops, size_t count, const char *durability)
{
    struct op *group_ops = calloc(count, sizeof *group_ops);
    assert_non_null(group_ops);
    for (uint8_t group = 0; group < GROUPS; group++) {
        size_t group_count = 0;
        for (size_t i = 0; i < count; i++)
            if (ops[i].group == group)
                group_ops[group_count++] = ops[i];
        bool gave_up;
        bool fits = history_is_linearizable(group_ops, group_count, &gave_up);
        assert_false(gave_up);
        if (fits)
            continue;
        history_print(group_ops, group_count);
        fail_msg("no order explains what was seen of group %u (see above), durability %s", group,
                 durability);
    }
    free(group_ops);
}

/* Kills, stops and starts the server until all operations are under way. */
static void disturb(struct run *run, struct server_process *server, const char *const *args,
                    struct random *random)
{
    while (atomic_load(&run->started) < run->wanted) {
        usleep(1000 * (20 + (useconds_t)random_below(random, 250)));
        if (random_below(random, 3) == 0) {
            assert_ok(kill(server->pid, SIGSTOP));
            usleep(1000 * (useconds_t)random_below(random, 100));
            assert_ok(kill(server->pid, SIGCONT));
            continue;
        }
        atomic_store(&run->killing, true);
        atomic_store(&run->port, 0);
        server_kill(server);
        server_restart(server, args);
        atomic_store(&run->port, server->port);
        usleep(20000); /* the clients notice */
    }
}

static void make_and_check(struct random *random, size_t wanted)
{
    static const char *const durabilities[] = { "always", "always", "everysec", "no" };
    static const char *const segments[] = { "65536", "262144", "67108864" };
    const char *durability = durabilities[random_below(random, 4)];
    const char *segment = segments[random_below(random, 3)];
    const char *const args[] = { "--durability", durability, "--segment-size", segment, NULL };
    struct server_process server;
    struct run run = { .wanted = wanted };
    struct worker workers[CLIENTS] = { 0 };
    server_start(&server, args);
    atomic_store(&run.port, server.port);
    for (size_t i = 0; i < CLIENTS; i++) {
        workers[i].run = &run;
        random_seed(&workers[i].random, random_u64(random));
        workers[i].ops = calloc(wanted, sizeof *workers[i].ops);
        assert_non_null(workers[i].ops);
        assert_ok(pthread_create(&workers[i].thread, NULL, work, &workers[i]));
    }
    disturb(&run, &server, args, random);
    struct op *all = calloc(wanted + 2 * GROUPS, sizeof *all);
    assert_non_null(all);
    size_t count = 0;
    for (size_t i = 0; i < CLIENTS; i++) {
        assert_ok(pthread_join(workers[i].thread, NULL));
        memcpy(all + count, workers[i].ops, workers[i].count * sizeof *all);
        count += workers[i].count;
        free(workers[i].ops);
    }
    count += look_once_more(&run, all + count);
    server_kill(&server); /* what was answered, and seen, is there after this one as well */
    server_restart(&server, args);
    atomic_store(&run.port, server.port);
    count += look_once_more(&run, all + count);
    check(all, count, durability);
    free(all);
    server_end(&server);
}

static size_t setting(const char *name, size_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? (size_t)strtoull(text, NULL, 10) : otherwise;
}

TEST(histories_under_kills_and_stops_are_linearizable)
{
    struct random random;
    size_t histories = setting("KVS_LINEAR_HISTORIES", 6);
    size_t ops = setting("KVS_LINEAR_OPS", 4000);
    random_seed(&random, test_seed());
    for (size_t i = 0; i < histories; i++)
        make_and_check(&random, ops);
}
