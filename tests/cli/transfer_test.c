/*
 * transfer_test.c - import and export, by kvs on a directory and by kvs-client on a server.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/cli/run.h"
#include "tests/server/harness.h"

static char addr[64];

/* Runs with @input; the exit code must be @code and standard error contain @err. */
static void check_input(const char *dir, const char *input, size_t len, int code, const char *err,
                        const char *const *argv)
{
    struct run run;
    run_program(&run, dir, input, len, argv);
    if (run.code != code || strstr(run.err, err) == NULL) {
        fprintf(stderr, "exit code %d, expected %d\nerr: %s\nexpected: %s\n", run.code, code,
                run.err, err);
        fail_msg("see above");
    }
    run_done(&run);
}

#define check_import(dir, input, code, err, ...)                  \
    check_input((dir), (input), sizeof(input) - 1, (code), (err), \
                (const char *const[]){ "kvs", "import", __VA_ARGS__, NULL })

TEST(json_lines_are_imported)
{
    const char *dir = new_dir();
    check_import(dir,
                 "{\"key\":\"a\",\"value\":\"1\"}\n\n  "
                 "\r\n{\"value\":\"\\u00e9\\u0000\",\"key\":\"b\",\"expire_ms\":null}\r\n"
                 "{\"key_b64\":\"/"
                 "w==\",\"value_b64\":\"AAEC\"}\n{\"key\":\"\",\"value_b64\":\"\",\"expire_ms\":"
                 "99999999999999}",
                 0, "imported 4 records", "-");
    struct run run;
    run_in(&run, dir, "kvs", "export");
    assert_string_equal(
        run.out, "{\"key\":\"\",\"value\":\"\",\"expire_ms\":99999999999999}\n"
                 "{\"key\":\"a\",\"value\":\"1\"}\n{\"key\":\"b\",\"value\":\"\xc3\xa9\\u0000\"}\n"
                 "{\"key_b64\":\"/w==\",\"value\":\"\\u0000\\u0001\\u0002\"}\n");
    run_done(&run);
    check(dir, 0, "{\"key\":\"a\",\"value\":\"1\"}\n", "exported 1 records", "kvs", "export",
          "--prefix", "a");
}

TEST(bad_lines_are_named_and_left_out)
{
    const char *dir = new_dir();
    static const char input[] = "{\"key\":\"a\",\"value\":\"1\"}\n"
                                "not json\n"
                                "{\"key\":\"b\"}\n"
                                "{\"key\":\"b\",\"value\":1}\n"
                                "{\"key\":\"b\",\"value\":\"v\",\"x\":1}\n"
                                "{\"key\":\"b\",\"value\":\"v\",\"expire_ms\":\"soon\"}\n"
                                "{\"key\":\"b\",\"key_b64\":\"\",\"value\":\"v\"}\n"
                                "{\"key_b64\":\"!!!!\",\"value\":\"v\"}\n"
                                "[]\n"
                                "{\"key\":\"c\",\"value\":\"2\"}\n";
    static const char *const wanted[] = {
        "record 2: bad JSON",
        "record 3: expected one of the fields \"value\" and \"value_b64\"",
        "record 4: field \"value\": expected a string",
        "record 5: unknown field \"x\"",
        "record 6: field \"expire_ms\": expected milliseconds",
        "record 7: expected one of the fields \"key\" and \"key_b64\"",
        "record 8: field \"key_b64\": expected base64",
        "record 9: expected an object",
        "imported 2 records",
        "8 errors",
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        check_import(dir, input, 1, wanted[i], "--format", "jsonl");
    check(dir, 0, "a\nc\n", NULL, "kvs", "scan");
}

TEST(resp_is_imported)
{
    const char *dir = new_dir();
    check_import(dir,
                 "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$2\r\n\r\n\r\n*5\r\n$3\r\nset\r\n$1\r\nb\r\n$"
                 "1\r\n2\r\n$4\r\nPXAT\r\n$14\r\n"
                 "99999999999999\r\n*5\r\n$3\r\nSET\r\n$1\r\nc\r\n$1\r\n3\r\n$2\r\nEX\r\n$"
                 "3\r\n100\r\nSET d \"inline word\"\r\n",
                 0, "imported 4 records", "-");
    check(dir, 0, "\r\n\n", NULL, "kvs", "get", "a");
    check(dir, 0, "inline word\n", NULL, "kvs", "get", "d");
    struct run run;
    run_in(&run, dir, "kvs", "export", "--format", "resp", "--prefix", "b");
    assert_string_equal(
        run.out,
        "*5\r\n$3\r\nSET\r\n$1\r\nb\r\n$1\r\n2\r\n$4\r\nPXAT\r\n$14\r\n99999999999999\r\n");
    run_done(&run);
    run_in(&run, dir, "kvs", "export", "--prefix", "c");
    const char *expire = strstr(run.out, "\"expire_ms\":");
    assert_non_null(expire);
    long long left = atoll(expire + 12) - (long long)time(NULL) * 1000;
    assert_true(left > 10 * 1000 && left <= 101 * 1000);
    run_done(&run);
}

TEST(bad_resp_is_named)
{
    const char *dir = new_dir();
#define FIRST "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n"
    check_import(
        dir, FIRST "*2\r\n$3\r\nDEL\r\n$1\r\nx\r\n" FIRST, 1,
        "record 2: expected SET key value [EX|PX|EXAT|PXAT time], got \"DEL\" with 1 arguments",
        "-");
    check_import(dir,
                 FIRST "*5\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n$2\r\nPX\r\n$1\r\nx\r\n" FIRST, 1,
                 "record 2: SET with a bad time", "-");
    check_import(dir, FIRST "*5\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n$3\r\nFOO\r\n$1\r\n1\r\n", 1,
                 "record 2: SET with an option that an import does not take: \"FOO\"", "-");
    check_import(dir, FIRST "*1\r\n!", 1, "the input ends in the middle of record 2", "-");
    check_import(dir, FIRST "*1\r\n!\r\n", 1, "record 2: ERR Protocol error: expected '$', got '!'",
                 "-");
    check_import(dir, FIRST "*x\r\n", 1,
                 "the records up to 1 are stored; to go on: kvs import --skip 1 -", "-");
    check(dir, 0, "a\n", NULL, "kvs", "scan");
}

TEST(records_can_be_skipped)
{
    const char *dir = new_dir();
    check_import(dir, "{\"key\":\"a\",\"value\":\"\"}\nbad\n{\"key\":\"b\",\"value\":\"\"}\n", 0,
                 "imported 1 records", "--skip", "2");
    check(dir, 0, "b\n", NULL, "kvs", "scan");
}

TEST(an_empty_file_is_no_error)
{
    const char *dir = new_dir();
    check_import(dir, "", 0, "imported 0 records", "-");
    check_import(dir, "\n \n", 0, "imported 0 records", "-");
}

/* A record for every kind of bytes and size. */
static void fill(const char *dir, const char *file)
{
    char path[400];
    (void)snprintf(path, sizeof path, "%s/%s", dir, file);
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    static const size_t sizes[] = {
        0, 1, 100, 70000, 1024 * 1024, 1024 * 1024 + 1, 5 * 1024 * 1024 + 3
    };
    for (size_t i = 0; i < 1000 + sizeof sizes / sizeof sizes[0]; i++) {
        size_t len = i < 1000 ? i : sizes[i - 1000];
        char key[32];
        int key_len = snprintf(key, sizeof key, "%c%zu", (int)(i % 256), i);
        bool expires = i % 3 == 0;
        fprintf(out, "*%d\r\n$3\r\nSET\r\n$%d\r\n", expires ? 5 : 3, key_len);
        fwrite(key, 1, (size_t)key_len, out);
        fprintf(out, "\r\n$%zu\r\n", len);
        for (size_t at = 0; at < len; at++)
            fputc((int)((at * 31 + i) % (i % 2 == 0 ? 256 : 100)), out);
        fprintf(out, "\r\n");
        if (expires)
            fprintf(out, "$4\r\nPXAT\r\n$13\r\n9999999999%03zu\r\n", i % 1000);
    }
    assert_int_equal(fclose(out), 0);
}

static void check_same_files(const char *dir, const char *a, const char *b)
{
    char path[400];
    size_t a_len;
    size_t b_len;
    (void)snprintf(path, sizeof path, "%s/%s", dir, a);
    char *a_data = read_file(path, &a_len);
    (void)snprintf(path, sizeof path, "%s/%s", dir, b);
    char *b_data = read_file(path, &b_len);
    assert_int_equal(a_len, b_len);
    assert_true(a_len > 6 * 1024 * 1024);
    assert_memory_equal(a_data, b_data, a_len);
    free(a_data);
    free(b_data);
}

TEST(everything_comes_back_through_both_formats_and_a_server)
{
    const char *dir = new_dir();
    struct server_process server;
    server_start(&server, NULL);
    (void)snprintf(addr, sizeof addr, "127.0.0.1:%d", server.port);
    fill(dir, "in.resp");
    check(dir, 0, "", "imported 1007 records", "kvs", "import", "in.resp", "--dir", "one");
    check(dir, 0, "", "exported 1007 records", "kvs", "export", "a.resp", "--format", "resp",
          "--dir", "one");
    check(dir, 0, "", "exported 1007 records", "kvs", "export", "a.jsonl", "--dir", "one");
    check(dir, 0, "", "imported 1007 records", "kvs", "import", "a.jsonl", "--dir", "two");
    check(dir, 0, "", "exported 1007 records", "kvs", "export", "b.resp", "--format", "resp",
          "--dir", "two");
    check_same_files(dir, "a.resp", "b.resp");
    check(dir, 0, "", "imported 1007 records", "kvs-client", "import", "b.resp", "--addr", addr);
    check(dir, 0, "", "exported 1007 records", "kvs-client", "export", "c.resp", "--format", "resp",
          "--addr", addr);
    check_same_files(dir, "b.resp", "c.resp");
    check(dir, 0, "OK\n", NULL, "kvs-client", "call", "--addr", addr, "FLUSHALL");
    check(dir, 0, "", "imported 1007 records", "kvs-client", "import", "a.jsonl", "--addr", addr);
    check(dir, 0, "", "exported 1007 records", "kvs-client", "export", "c.jsonl", "--addr", addr);
    check_same_files(dir, "a.jsonl", "c.jsonl");
    check(dir, 0, "", "exported 4 records", "kvs-client", "export", "/dev/null", "--prefix", "a",
          "--addr", addr);
    server_end(&server);
}

TEST(what_the_server_refuses_is_named)
{
    const char *dir = new_dir();
    struct server_process server;
    server_start(&server, NULL);
    (void)snprintf(addr, sizeof addr, "127.0.0.1:%d", server.port);
    static const char input[] = "{\"key\":\"a\",\"value\":\"\"}\n{\"key\":\"b\",\"value\":\"\","
                                "\"expire_ms\":9223372036854775807}\n"
                                "{\"key\":\"c\",\"value\":\"\"}\n";
    static const char *const wanted[] = { "imported 3 records", "0 errors" };
    for (size_t i = 0; i < 2; i++)
        check_input(dir, input, sizeof input - 1, 0, wanted[i],
                    (const char *const[]){ "kvs-client", "import", "--addr", addr, NULL });
    server_end(&server);
    check_input(dir, input, sizeof input - 1, 1, "refused",
                (const char *const[]){ "kvs-client", "import", "--addr", addr, NULL });
}

TEST(an_export_that_fails_leaves_no_file)
{
    const char *dir = new_dir();
    check(dir, 0, "", NULL, "kvs", "set", "k", "v", "--dir", "d");
    check(dir, 1, "", "create not/there.part", "kvs", "export", "not/there", "--dir", "d");
    check(dir, 1, "", "write the output", "kvs", "export", "/dev/full", "--dir", "d");
    char text[400];
    (void)snprintf(text, sizeof text, "%s/x", dir);
    check(dir, 1, "", "refused", "kvs-client", "export", "x", "--addr", "127.0.0.1:1");
    assert_int_not_equal(access(text, F_OK), 0);
}

/* Feeds an import through a pipe, one record at a time, and stops it with @signal in the middle. */
static void interrupt_import(const char *dir, const char *const *argv, int signal, char **ret_err,
                             int *ret_code)
{
    int fds[2];
    char err_path[400];
    assert_int_equal(pipe(fds), 0);
    (void)snprintf(err_path, sizeof err_path, "%s/err", dir);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(fds[1]);
        if (dup2(fds[0], 0) < 0 || chdir(dir) != 0 || freopen("err", "w", stderr) == NULL)
            _exit(125);
        char *args[16] = { NULL };
        for (size_t i = 0; argv[i] != NULL && i < 15; i++)
            args[i] = strdup(argv[i]);
        execv(program_path(argv[0]), args);
        _exit(126);
    }
    close(fds[0]);
    /* More than any pipe and buffer holds: when the last write returns, most was read. */
    for (int i = 0; i < 60000; i++) {
        char line[64];
        int len = snprintf(line, sizeof line, "{\"key\":\"k%d\",\"value\":\"%d\"}\n", i, i);
        assert_int_equal(write(fds[1], line, (size_t)len), len);
    }
    assert_int_equal(kill(pid, signal), 0);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    close(fds[1]);
    size_t len;
    *ret_err = read_file(err_path, &len);
    *ret_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST(an_interrupted_import_has_stored_what_it_says)
{
    const char *dir = new_dir();
    char *err;
    int code;
    interrupt_import(dir, (const char *const[]){ "kvs", "import", "--dir", "d", NULL }, SIGINT,
                     &err, &code);
    assert_int_equal(code, 1);
    assert_non_null(strstr(err, "kvs: interrupted\n"));
    const char *at = strstr(err, "the records up to ");
    assert_non_null(at);
    int number = atoi(at + 18);
    assert_true(number > 10000);
    char hint[64];
    (void)snprintf(hint, sizeof hint, "to go on: kvs import --skip %d -", number);
    assert_non_null(strstr(err, hint));
    free(err);
    /* Exactly those are there. */
    char key[32];
    char value[32];
    (void)snprintf(key, sizeof key, "k%d", number - 1);
    (void)snprintf(value, sizeof value, "%d\n", number - 1);
    check(dir, 0, value, NULL, "kvs", "get", key, "--dir", "d");
    (void)snprintf(key, sizeof key, "k%d", number);
    check(dir, 0, "Key not found\n", NULL, "kvs", "get", key, "--dir", "d");
    struct run run;
    run_in(&run, dir, "kvs", "stats", "--dir", "d");
    char stat[32];
    (void)snprintf(stat, sizeof stat, "keys %d\n", number);
    assert_non_null(strstr(run.out, stat));
    run_done(&run);
}

TEST(a_killed_import_leaves_a_store_that_opens)
{
    const char *dir = new_dir();
    char *err;
    int code;
    interrupt_import(dir, (const char *const[]){ "kvs", "import", "--dir", "d", NULL }, SIGKILL,
                     &err, &code);
    assert_int_equal(code, 128 + SIGKILL);
    free(err);
    check(dir, 0, "0\n", NULL, "kvs", "get", "k0", "--dir", "d");
    check(dir, 0, "9999\n", NULL, "kvs", "get", "k9999", "--dir", "d");
}

TEST(an_interrupted_import_into_a_server_has_stored_what_it_says)
{
    const char *dir = new_dir();
    struct server_process server;
    server_start(&server, NULL);
    (void)snprintf(addr, sizeof addr, "127.0.0.1:%d", server.port);
    char *err;
    int code;
    interrupt_import(dir, (const char *const[]){ "kvs-client", "import", "--addr", addr, NULL },
                     SIGTERM, &err, &code);
    assert_int_equal(code, 1);
    const char *at = strstr(err, "the records up to ");
    assert_non_null(at);
    char count[32];
    (void)snprintf(count, sizeof count, "%d\n", atoi(at + 18));
    free(err);
    check(dir, 0, count, NULL, "kvs-client", "--addr", addr, "call", "DBSIZE");
    server_end(&server);
}
