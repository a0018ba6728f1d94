/*
 * kill_test.c - a process that is killed: what it was told is stored is there, its versions are not given again.
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/conformance/suite.h"

enum {
    ROUNDS = 3,
    ACKNOWLEDGED_MIN = 50
};

/* What the child tells through a pipe after each acknowledgement. */
struct told {
    int number;
    uint64_t version;
};

/* Writes pairs of keys until it is killed; on the side a large value that is never finished. Never returns. */
static void child_main(struct suite *suite, enum kvs_durability durability, int first, int out)
{
    struct kvs *db;
    struct kvs_blob *blob;
    struct kvs_batch *batch;
    suite->options.durability = durability;
    if (kvs_open(suite->dir, &suite->options, &db) != KVS_OK || kvs_blob_new(db, &blob) != KVS_OK ||
        kvs_batch_new(&batch) != KVS_OK)
        _exit(1);
    unsigned char *bytes = pattern(3 * MIB, 3);
    if (kvs_blob_append(db, blob, (struct kvs_bytes){ bytes, 3 * MIB }) != KVS_OK)
        _exit(2);
    for (int i = first;; i++) {
        char key[2][32];
        struct kvs_written written;
        kvs_batch_clear(batch);
        for (int j = 0; j < 2; j++) {
            (void)snprintf(key[j], sizeof key[j], "%c%06d", "ab"[j], i);
            kvs_batch_set(batch, db, text_bytes(key[j]), text_bytes(key[j]), 0);
        }
        if (kvs_write(db, batch, NULL, &written) != KVS_OK)
            _exit(3);
        struct told told = { i, written.position };
        if (write(out, &told, sizeof told) != (ssize_t)sizeof told)
            _exit(4);
    }
}

/* Runs a child, kills it in full flight, and returns the last thing it told. */
static struct told run_and_kill(struct suite *suite, enum kvs_durability durability, int first)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(fds[0]);
        child_main(suite, durability, first, fds[1]);
    }
    (void)close(fds[1]);
    struct told told = { -1, 0 };
    struct told next;
    int count = 0;
    while (read(fds[0], &next, sizeof next) == (ssize_t)sizeof next) {
        told = next;
        if (++count == ACKNOWLEDGED_MIN)
            assert_int_equal(kill(pid, SIGKILL), 0);
    }
    (void)close(fds[0]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return told;
}

static void kill_and_look(enum kvs_durability durability)
{
    struct suite suite;
    suite_init(&suite);
    if (!suite_persistent() || suite.env.io != io_posix()) {
        suite_close(&suite);
        return;
    }
    int next = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct told told = run_and_kill(&suite, durability, next);
        assert_true(told.number >= next + ACKNOWLEDGED_MIN - 1);
        must_ok(kvs_open(suite.dir, &suite.options, &suite.db));
        char key[32];
        for (int i = 0; i <= told.number + 1; i++) {
            struct kvs_value values[2] = { 0 };
            enum kvs_status statuses[2];
            char other[32];
            (void)snprintf(key, sizeof key, "a%06d", i);
            (void)snprintf(other, sizeof other, "b%06d", i);
            struct kvs_bytes keys[2] = { text_bytes(key), text_bytes(other) };
            must_ok(kvs_multi_get(suite.db, NULL, 2, keys, values, statuses));
            assert_int_equal(statuses[0], statuses[1]); /* both or none */
            if (i <= told.number)
                assert_int_equal(statuses[0], KVS_OK);
            next = statuses[0] == KVS_OK ? i + 1 : next;
            kvs_value_done(&values[0]);
            kvs_value_done(&values[1]);
        }
        assert_int_equal(count_of(suite.db), 2 * next + round);
        (void)snprintf(key, sizeof key, "after%d", round);
        must_ok(kvs_set(suite.db, text_bytes(key), B("x")));
        assert_true(version_of(suite.db, key) > told.version);
        must_ok(kvs_close(suite.db));
        must_ok(kvs_check(suite.dir, &suite.options, NULL, NULL));
    }
    must_ok(kvs_open(suite.dir, &suite.options, &suite.db));
    suite_close(&suite);
}

TEST(what_was_acknowledged_survives_kill_9)
{
    kill_and_look(KVS_DURABILITY_ALWAYS);
}

TEST(what_was_handed_to_the_system_survives_kill_9)
{
    kill_and_look(KVS_DURABILITY_EVERYSEC);
    kill_and_look(KVS_DURABILITY_NO);
}
