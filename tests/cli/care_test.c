/*
 * care_test.c - kvs check, repair, dump, backup and restore as programs: outputs, exit codes, and that nothing is touched by a refusal.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/cli/run.h"
#include "tests/server/harness.h"

static void fill(const char *dir)
{
    check(dir, 0, "", NULL, "kvs", "set", "k1", "v1");
    check(dir, 0, "", NULL, "kvs", "set", "k2", "v2");
    check(dir, 0, "", NULL, "kvs", "set", "k3", "v3");
    check(dir, 0, "", NULL, "kvs", "rm", "k2");
}

/* The first segment file's bytes at @off, each flipped. */
static void damage(const char *dir, long off, size_t count)
{
    char path[512];
    (void)snprintf(path, sizeof path, "%s/00000001.seg", dir);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(fseek(file, off + (long)i, SEEK_SET), 0);
        int byte = fgetc(file);
        assert_true(byte != EOF);
        assert_int_equal(fseek(file, off + (long)i, SEEK_SET), 0);
        assert_true(fputc(byte ^ 0x5a, file) != EOF);
    }
    assert_int_equal(fclose(file), 0);
}

static void must_say(const char *dir, int code, const char *out, const char *err,
                     const char *const *argv)
{
    struct run run;
    run_program(&run, dir, "", 0, argv);
    if (run.code != code || strstr(run.out, out) == NULL || strstr(run.err, err) == NULL)
        fail_msg("%s %s: %d\n%s%s", argv[0], argv[1], run.code, run.out, run.err);
    /* No bar, no control characters where there is no terminal. */
    assert_null(strchr(run.err, '\r'));
    run_done(&run);
}

#define says(dir, code, out, err, ...) \
    must_say((dir), (code), (out), (err), (const char *const[]){ __VA_ARGS__, NULL })

TEST(a_backup_and_its_restored_store_hold_the_same)
{
    const char *dir = new_dir();
    fill(dir);
    says(dir, 0, "", "backed up to safe", "kvs", "backup", "safe");
    check(dir, 0, "", NULL, "kvs", "set", "k4", "v4");
    says(dir, 0, "ok: BACKUP", "", "kvs", "check", "--dir", "safe");
    says(dir, 0, "", "restored safe to back", "kvs", "restore", "safe", "--dir", "back");
    check(dir, 0, "k1\tv1\nk3\tv3\n", NULL, "kvs", "scan", "--values", "--dir", "back");
    check(dir, 0, "k1\nk3\nk4\n", NULL, "kvs", "scan");
    says(dir, 0, "", "backed up to plain", "kvs", "backup", "plain", "--records", "--copy");
    says(dir, 0, "", "restored", "kvs", "restore", "plain", "--dir", "again", "--engine", "kvs");
    check(dir, 0, "k1\nk3\nk4\n", NULL, "kvs", "scan", "--dir", "again");
}

TEST(backup_and_restore_refuse_what_would_be_lost)
{
    const char *dir = new_dir();
    fill(dir);
    says(dir, 0, "", "backed up", "kvs", "backup", "safe");
    check(dir, 1, "", "safe is not empty", "kvs", "backup", "safe");
    check(dir, 1, "", "is not empty", "kvs", "restore", "safe");
    check(dir, 1, "", "no backup, or an unfinished one", "kvs", "restore", ".", "--dir", "new");
    check(dir, 1, "", "kvs restore makes a store of it", "kvs", "get", "k1", "--dir", "safe");
    check(dir, 1, "", "there is no store in nothing", "kvs", "backup", "safe2", "--dir", "nothing");
    check(dir, 2, "", "missing arguments", "kvs", "backup");
    check(dir, 2, "", "missing arguments", "kvs", "restore");
    check(dir, 2, "", "missing arguments", "kvs", "repair");
    check(dir, 2, "", "does not go with check", "kvs", "check", "--copy");
    check(dir, 0, "v1\n", NULL, "kvs", "get", "k1");
}

TEST(check_names_damage_and_repair_saves_the_rest)
{
    const char *dir = new_dir();
    fill(dir);
    says(dir, 0, "ok: ", "", "kvs", "check");
    damage(dir, 176 + 12, 4); /* inside the first record */
    says(dir, 1, "damage: ", "damaged", "kvs", "check");
    check(dir, 1, "", "kvs check tells more", "kvs", "get", "k3");
    says(dir, 1, "lost: ", "repaired: 1 keys are in new; 1 losses", "kvs", "repair", "new");
    check(dir, 0, "k3\tv3\n", NULL, "kvs", "scan", "--values", "--dir", "new");
    check(dir, 1, "", "new is not empty", "kvs", "repair", "new");
    check(dir, 1, "", "kvs check tells more", "kvs", "get", "k3"); /* as it was */
}

TEST(dump_shows_what_the_files_hold)
{
    const char *dir = new_dir();
    fill(dir);
    says(dir, 0, "k1", "", "kvs", "dump");
    says(dir, 0, "k2", "", "kvs", "dump"); /* removed, and still in the log */
    check(dir, 1, "", "there is no store in none", "kvs", "dump", "--dir", "none");
}

TEST(a_damaged_marker_is_named_and_can_be_repaired_past)
{
    const char *dir = new_dir();
    fill(dir);
    char path[512];
    (void)snprintf(path, sizeof path, "%s/ENGINE", dir);
    static const char *const texts[] = { "jvs\n", "kv\x53\n", "kvsj", "k\n", "" };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        write_file(path, texts[i], strlen(texts[i]));
        check(dir, 1, "", "ENGINE", "kvs", "get", "k1");
        check(dir, 1, "", "ENGINE", "kvs", "check");
        char to[32];
        (void)snprintf(to, sizeof to, "new%zu", i);
        check(dir, 1, "", "ENGINE", "kvs", "repair", to);
        says(dir, 0, "", "repaired: 2 keys", "kvs", "repair", to, "--engine", "kvs");
    }
}

TEST(a_running_server_makes_backups_in_its_own_directory_by_name)
{
    assert_int_equal(setenv("KVS_TEST_ENGINE", "kvs", 1), 0);
    const char *dir = new_dir();
    struct server_process server;
    char addr[64];
    char path[700];
    server_start(&server, NULL);
    (void)snprintf(addr, sizeof addr, "127.0.0.1:%d", server.port);
    assert_int_equal(setenv("KVS_ADDR", addr, 1), 0);
    check(dir, 0, "", NULL, "kvs-client", "set", "k1", "v1");
    says(dir, 0, "backups/nightly-1", "", "kvs-client", "backup", "nightly-1");
    check(dir, 0, "", NULL, "kvs-client", "set", "k2", "v2");
    says(dir, 0, "backups/nightly-2", "", "kvs-client", "backup", "nightly-2", "--records");
    check(dir, 1, "", "is not empty", "kvs-client", "backup", "nightly-2");
    static const char *const bad[] = { "", ".", "..", "../up", "a/b", ".hidden", "-x", "a b" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        check(dir, 1, "", "a backup's name is made of", "kvs-client", "backup", "--", bad[i]);
    check(dir, 1, "", "syntax error", "kvs-client", "call", "BACKUP", "x", "NOW");
    check(dir, 0, "OK\n", NULL, "kvs-client", "call", "SAVE");
    says(dir, 1, "", "kvs-client backup NAME", "kvs", "backup", "x", "--dir", server.dir);
    says(dir, 1, "", "CONFIG SET failed", "kvs-client", "call", "CONFIG", "SET", "backup-dir", "/");
    for (int i = 1; i <= 2; i++) {
        char to[16];
        (void)snprintf(path, sizeof path, "%s/backups/nightly-%d", server.dir, i);
        (void)snprintf(to, sizeof to, "back%d", i);
        says(dir, 0, "", "restored", "kvs", "restore", path, "--dir", to);
    }
    check(dir, 0, "k1\n", NULL, "kvs", "scan", "--dir", "back1");
    check(dir, 0, "k1\nk2\n", NULL, "kvs", "scan", "--dir", "back2");
    server_end(&server);
    assert_int_equal(unsetenv("KVS_ADDR"), 0);
}
