/*
 * kvs_test.c - kvs on a directory: every row of the contract, and that bad usage touches nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cli/run.h"

#define USAGE "usage: kvs [OPTIONS] COMMAND"

TEST(set_get_and_rm_keep_the_contract)
{
    const char *dir = new_dir();
    check(dir, 0, "", NULL, "kvs", "set", "key1", "value1");
    check(dir, 0, "value1\n", NULL, "kvs", "get", "key1");
    check(dir, 0, "Key not found\n", NULL, "kvs", "get", "key2");
    check(dir, 0, "", NULL, "kvs", "set", "key1", "value2");
    check(dir, 0, "value2\n", NULL, "kvs", "get", "key1");
    check(dir, 0, "", NULL, "kvs", "rm", "key1");
    check(dir, 0, "Key not found\n", NULL, "kvs", "get", "key1");
    check(dir, 1, "Key not found\n", NULL, "kvs", "rm", "key1");
}

TEST(keys_and_values_are_bytes)
{
    const char *dir = new_dir();
    check(dir, 0, "", NULL, "kvs", "set", "", "");
    check(dir, 0, "\n", NULL, "kvs", "get", "");
    check(dir, 0, "", NULL, "kvs", "set", "\xff\xfe \n", "\x01\xc3");
    check(dir, 0, "\x01\xc3\n", NULL, "kvs", "get", "\xff\xfe \n");
    check(dir, 0, "", NULL, "kvs", "set", "n", "-5");
    check(dir, 0, "-5\n", NULL, "kvs", "get", "n");
    check(dir, 0, "", NULL, "kvs", "set", "-", "-");
    check(dir, 0, "", NULL, "kvs", "set", "--", "--dir", "--help");
    check(dir, 0, "--help\n", NULL, "kvs", "get", "--", "--dir");
}

TEST(bad_usage_says_why_and_touches_nothing)
{
    const char *dir = new_dir();
    check(dir, 2, "", USAGE, "kvs");
    check(dir, 2, "", "unknown command \"unknown\"", "kvs", "unknown");
    check(dir, 2, "", USAGE, "kvs", "unknown", "subcommand");
    check(dir, 2, "", "missing arguments: kvs get KEY", "kvs", "get");
    check(dir, 2, "", "unexpected argument \"extra\"", "kvs", "get", "key", "extra");
    check(dir, 2, "", "missing arguments: kvs set KEY VALUE", "kvs", "set");
    check(dir, 2, "", USAGE, "kvs", "set", "key");
    check(dir, 2, "", USAGE, "kvs", "set", "key", "value", "extra");
    check(dir, 2, "", USAGE, "kvs", "rm");
    check(dir, 2, "", USAGE, "kvs", "rm", "key", "extra");
    check(dir, 2, "", "unknown option \"--unknown\"", "kvs", "set", "k", "v", "--unknown");
    check(dir, 2, "", "unknown option \"-x\"", "kvs", "set", "k", "v", "-x");
    check(dir, 2, "", "a value is missing behind \"--dir\"", "kvs", "set", "k", "v", "--dir");
    check(dir, 2, "", "no value is expected with \"--reverse=1\"", "kvs", "scan", "--reverse=1");
    check(dir, 2, "", "option --limit does not go with set", "kvs", "set", "k", "v", "--limit",
          "1");
    check(dir, 2, "", "--limit \"x\": expected a number", "kvs", "scan", "--limit", "x");
    check(dir, 2, "", "durability \"never\": expected always, everysec or no", "kvs", "set", "k",
          "v", "--durability", "never");
    check(dir, 2, "", "memory \"much\"", "kvs", "set", "k", "v", "--memory", "much");
    check(dir, 2, "", "expected NAME=VALUE", "kvs", "set", "k", "v", "--engine-option", "x");
    check(dir, 2, "", "unknown format \"xml\"", "kvs", "import", "--format", "xml");
    check(dir, 2, "", "expected a number", "kvs", "import", "--skip", "-1");
    check(dir, 1, "", "nosuchengine", "kvs", "set", "k", "v", "--engine", "nosuchengine");
    check(dir, 1, "", "nosuchfile", "kvs", "import", "nosuchfile");
    assert_true(is_empty_dir(dir));
}

TEST(help_and_version_are_answers)
{
    const char *dir = new_dir();
    check(dir, 0, "kvs 0.1.0\n", NULL, "kvs", "-V");
    check(dir, 0, "kvs 0.1.0\n", NULL, "kvs", "--version");
    check(dir, 0, "kvs 0.1.0\n", NULL, "kvs", "get", "-V");
    static const char *const wanted[] = {
        "usage: kvs", "set KEY VALUE", "rm KEY",       "scan",
        "--dir DIR",  "[KVS_DIR]",     "--durability", "--version"
    };
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        struct run run;
        run_in(&run, dir, "kvs", "--help");
        assert_int_equal(run.code, 0);
        assert_non_null(strstr(run.out, wanted[i]));
        assert_int_equal(run.err_len, 0);
        run_done(&run);
    }
    assert_true(is_empty_dir(dir));
}

TEST(reading_makes_no_store)
{
    const char *dir = new_dir();
    check(dir, 0, "Key not found\n", NULL, "kvs", "get", "k");
    check(dir, 1, "Key not found\n", NULL, "kvs", "rm", "k");
    check(dir, 0, "", NULL, "kvs", "scan");
    check(dir, 0, "", "exported 0 records", "kvs", "export");
    check(dir, 1, "", "there is no store in .", "kvs", "stats");
    check(dir, 1, "", "there is no store in .", "kvs", "check");
    check(dir, 1, "", "there is no store in .", "kvs", "compact");
    check(dir, 0, "Key not found\n", NULL, "kvs", "get", "k", "--dir", "not/there");
    assert_true(is_empty_dir(dir));
}

TEST(the_directory_comes_from_flag_or_environment)
{
    const char *dir = new_dir();
    check(dir, 0, "", NULL, "kvs", "--dir", "one", "set", "k", "flag");
    check(dir, 0, "", NULL, "kvs", "set", "k", "equals", "--dir=two");
    assert_int_equal(setenv("KVS_DIR", "two", 1), 0);
    check(dir, 0, "equals\n", NULL, "kvs", "get", "k");
    check(dir, 0, "flag\n", NULL, "kvs", "get", "--dir", "one", "k");
    assert_int_equal(unsetenv("KVS_DIR"), 0);
    check(dir, 0, "Key not found\n", NULL, "kvs", "get", "k");
}

TEST(a_directory_remembers_its_engine)
{
    const char *dir = new_dir();
    check(dir, 0, "", NULL, "kvs", "set", "k", "v");
    check(dir, 1, "", "kvs", "kvs", "get", "k", "--engine", "memory");
    check(dir, 0, "v\n", NULL, "kvs", "get", "k", "--engine", "kvs");
}

TEST(scan_prints_keys_in_order)
{
    const char *dir = new_dir();
    check(dir, 0, "", NULL, "kvs", "set", "b1", "x");
    check(dir, 0, "", NULL, "kvs", "set", "a", "y");
    check(dir, 0, "", NULL, "kvs", "set", "b2", "z");
    check(dir, 0, "a\nb1\nb2\n", NULL, "kvs", "scan");
    check(dir, 0, "b1\nb2\n", NULL, "kvs", "scan", "b");
    check(dir, 0, "b2\tz\nb1\tx\na\ty\n", NULL, "kvs", "scan", "--reverse", "--values");
    check(dir, 0, "b2\n", NULL, "kvs", "scan", "b", "--limit", "1", "--reverse");
    check(dir, 0, "", NULL, "kvs", "scan", "--limit", "0");
    check(dir, 0, "", NULL, "kvs", "scan", "c");
}

TEST(stats_check_and_compact_work_on_a_store)
{
    const char *dir = new_dir();
    check(dir, 0, "", NULL, "kvs", "set", "k", "v");
    struct run run;
    run_in(&run, dir, "kvs", "stats");
    assert_int_equal(run.code, 0);
    assert_non_null(strstr(run.out, "engine kvs\n"));
    assert_non_null(strstr(run.out, "keys 1\n"));
    run_done(&run);
    run_in(&run, dir, "kvs", "check");
    assert_int_equal(run.code, 0);
    assert_non_null(strstr(run.out, "ok: "));
    run_done(&run);
    check(dir, 0, "", NULL, "kvs", "compact");
    check(dir, 0, "v\n", NULL, "kvs", "get", "k");
}

TEST(damage_is_found_and_named)
{
    const char *dir = new_dir();
    char path[400];
    check(dir, 0, "", NULL, "kvs", "set", "key", "a value that will be damaged");
    check(dir, 0, "", NULL, "kvs", "set", "other", "value");
    (void)snprintf(path, sizeof path, "%s/00000001.seg", dir);
    size_t len;
    char *data = read_file(path, &len);
    char *at = memmem(data, len, "will be", 7);
    assert_non_null(at);
    at[0] ^= 1;
    write_file(path, data, len);
    free(data);
    struct run run;
    run_in(&run, dir, "kvs", "check");
    assert_int_equal(run.code, 1);
    assert_non_null(strstr(run.out, "00000001.seg"));
    run_done(&run);
    check(dir, 1, "", "00000001.seg", "kvs", "get", "key");
}

TEST(a_directory_in_use_is_refused)
{
    const char *dir = new_dir();
    check(dir, 0, "", NULL, "kvs", "set", "k", "v");
    /* An import that waits for its input holds the directory. */
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(fds[1]);
        if (dup2(fds[0], 0) < 0 || freopen("/dev/null", "w", stderr) == NULL || chdir(dir) != 0)
            _exit(125);
        execl(program_path("kvs"), "kvs", "import", "--format", "jsonl", (char *)NULL);
        _exit(126);
    }
    close(fds[0]);
    /* The lock names its holder; before it does, the child may still be starting. */
    char lock[400];
    char holder[32];
    (void)snprintf(lock, sizeof lock, "%s/LOCK", dir);
    (void)snprintf(holder, sizeof holder, "%d", (int)pid);
    for (bool held = false; !held;) {
        size_t len;
        char *text = read_file(lock, &len);
        held = strstr(text, holder) != NULL;
        free(text);
        usleep(1000);
    }
    struct run run;
    run_in(&run, dir, "kvs", "get", "k");
    assert_int_equal(run.code, 1);
    assert_non_null(strstr(run.err, "LOCK"));
    assert_non_null(strstr(run.err, holder));
    run_done(&run);
    close(fds[1]);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    check(dir, 0, "v\n", NULL, "kvs", "get", "k");
}

TEST(a_full_output_is_an_error)
{
    const char *dir = new_dir();
    check(dir, 0, "", NULL, "kvs", "set", "k", "v");
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (freopen("/dev/full", "w", stdout) == NULL ||
            freopen("/dev/null", "w", stderr) == NULL || chdir(dir) != 0)
            _exit(125);
        execl(program_path("kvs"), "kvs", "get", "k", (char *)NULL);
        _exit(126);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 1);
}
