#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "server/config.h"
#include "tests/harness/test.h"

static struct config *fresh(void)
{
    struct config *config = NULL;
    assert_ok(config_new(&config));
    return config;
}

static void expect_text(struct config *config, enum setting setting, const char *expected)
{
    char *text = config_text(config, setting);
    assert_string_equal(text, expected);
    free(text);
}

static const char *write_file(const char *text)
{
    static char path[512];
    (void)snprintf(path, sizeof path, "%s/kvs.conf", test_dir());
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_ok(fclose(file));
    return path;
}

enum {
    ARGS_MAX = 12
};

/* Loads with these arguments, NULL-terminated, and environment. */
static enum kvs_status load(struct config *config, const char *const *args,
                            const char *const *environment)
{
    char *argv[ARGS_MAX] = { strdup("kvs-server") };
    char *envp[ARGS_MAX] = { NULL };
    int argc = 1;
    enum config_action action;
    for (; args[argc - 1] != NULL; argc++)
        argv[argc] = strdup(args[argc - 1]);
    for (int i = 0; environment != NULL && environment[i] != NULL; i++)
        envp[i] = strdup(environment[i]);
    enum kvs_status status = config_load(config, argc, argv, envp, &action);
    for (int i = 0; i < ARGS_MAX; i++) {
        free(argv[i]);
        free(envp[i]);
    }
    return status;
}

#define ARGS(...) ((const char *const[]){ __VA_ARGS__, NULL })

TEST(a_flag_wins_over_the_environment_which_wins_over_the_file_which_wins_over_the_default)
{
    const char *path = write_file("# comment\n\nport 1111\nmaxclients 5\n  timeout 7 \n");
    struct config *config = fresh();
    assert_ok(load(config, ARGS("--config", path, "--port=3333"),
                   ARGS("KVS_PORT=2222", "KVS_MAXCLIENTS=6", "KVS_NOTHING=x")));
    assert_int_equal(config_number(config, SETTING_PORT), 3333);
    assert_int_equal(config_number(config, SETTING_MAXCLIENTS), 6);
    assert_int_equal(config_number(config, SETTING_TIMEOUT), 7);
    assert_int_equal(config_number(config, SETTING_TCP_BACKLOG), 511);
    config_free(config);
}

TEST(the_file_may_be_named_alone_and_uses_the_syntax_of_redis)
{
    const char *path = write_file(
        "requirepass \"a b\\x41\\n\"\nsave 900 1\nsave 300 10\nDIR 'it\\'s'\nappendfsync everysec\n"
        "proto-max-bulk-len 64mb\nprotected-mode no\nloglevel notice\nsave_ \n");
    struct config *config = fresh();
    assert_int_equal(load(config, ARGS(path), NULL), KVS_INVALID); /* the last line */
    assert_non_null(strstr(fail_text(), "kvs.conf:9: "));
    config_free(config);

    config = fresh();
    path = write_file(
        "requirepass \"a b\\x41\\n\"\nsave 900 1\nsave 300 10\nDIR 'it\\'s'\nappendfsync everysec\n"
        "proto-max-bulk-len 64mb\nprotected-mode no\nloglevel notice\n");
    assert_ok(load(config, ARGS(path), NULL));
    expect_text(config, SETTING_REQUIREPASS, "a bA\n");
    expect_text(config, SETTING_SAVE, "900 1 300 10");
    expect_text(config, SETTING_DIR, "it's");
    expect_text(config, SETTING_DURABILITY, "everysec");
    expect_text(config, SETTING_PROTO_MAX_BULK_LEN, "67108864");
    expect_text(config, SETTING_PROTECTED_MODE, "no");
    assert_int_equal(config_number(config, SETTING_DURABILITY), DURABILITY_EVERYSEC);
    config_free(config);
}

TEST(mistakes_are_named_with_flag_variable_or_file_and_line)
{
    static const struct {
        const char *args[4];
        const char *variable;
        const char *file;
        const char *expected;
    } mistakes[] = {
        { { "--prot", "1" }, NULL, NULL, "unknown flag '--prot'" },
        { { "--maxclient", "1" }, NULL, NULL, "did you mean --maxclients?" },
        { { "-x" }, NULL, NULL, "unknown flag '-x'" },
        { { "--port" }, NULL, NULL, "--port: a value is missing" },
        { { "--port", "65536" }, NULL, NULL, "bad value '65536' for port" },
        { { "--port", "06" }, NULL, NULL, "bad value '06' for port" },
        { { "--port=" }, NULL, NULL, "bad value '' for port" },
        { { "--loops", "0" }, NULL, NULL, "bad value '0' for loops: a thread per connection" },
        { { "--addr", "localhost" }, NULL, NULL, "expected IP:PORT" },
        { { "--durability", "maybe" }, NULL, NULL, "one of: always everysec no" },
        { { "--protected-mode", "maybe" }, NULL, NULL, "'yes' or 'no'" },
        { { "--engine-option", "x" }, NULL, NULL, "NAME=VALUE" },
        { { "--config", "/nonexistent/file" }, NULL, NULL, "/nonexistent/file" },
        { { "a", "b" }, NULL, NULL, "already given" },
        { { NULL }, "KVS_TIMEOUT=-1", NULL, "environment variable KVS_TIMEOUT" },
        { { NULL }, "KVS_LOG=loud", NULL, "environment variable KVS_LOG" },
        { { NULL }, NULL, "port 1\nbind 1.2.3\n", "kvs.conf:2: bad value '1.2.3' for bind" },
        { { NULL },
          NULL,
          "ports 1\n",
          "kvs.conf:1: unknown setting 'ports', did you mean 'port'?" },
        { { NULL }, NULL, "port\n", "kvs.conf:1: expected 'name value'" },
        { { NULL }, NULL, "dir \"x\n", "kvs.conf:1: unbalanced quotes" },
        { { NULL }, NULL, "dir \"x\"y\n", "kvs.conf:1: unbalanced quotes" },
        { { NULL }, NULL, "client-output-buffer-limit normal 0 0 0\n", "kvs.conf:1: " },
    };

    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        struct config *config = fresh();
        const char *environment[] = { mistakes[i].variable, NULL };
        const char *args[5] = { NULL };
        size_t count = 0;
        if (mistakes[i].file != NULL)
            args[count++] = write_file(mistakes[i].file);
        for (size_t j = 0; j < 4 && mistakes[i].args[j] != NULL; j++)
            args[count++] = mistakes[i].args[j];
        assert_int_not_equal(load(config, args, environment), KVS_OK);
        if (strstr(fail_text(), mistakes[i].expected) == NULL)
            fail_msg("%zu: '%s' lacks '%s'", i, fail_text(), mistakes[i].expected);
        config_free(config);
    }
}

TEST(addresses_given_several_times_add_up_and_a_stronger_source_replaces_them)
{
    struct config *config = fresh();
    assert_ok(load(config, ARGS("--addr", "127.0.0.1:1", "--addr", "[::1]:2"),
                   ARGS("KVS_ADDR=127.0.0.1:3")));
    expect_text(config, SETTING_ADDR, "127.0.0.1:1 [::1]:2");
    config_free(config);
}

static void collect(void *ctx, const char *name, const char *value)
{
    buf_printf(ctx, "%s=%s;", name, value);
}

static void expect_get(struct config *config, const char *pattern, const char *expected)
{
    struct buf got;
    buf_init(&got, 65536);
    config_get(config, bytes_str(pattern), collect, &got);
    assert_true(bytes_equal(buf_bytes(&got), bytes_str(expected)));
    buf_done(&got);
}

TEST(get_matches_names_and_aliases)
{
    struct config *config = fresh();
    expect_get(config, "appendfsync", "appendfsync=always;");
    expect_get(config, "DURABILITY", "durability=always;");
    expect_get(config, "tcp-*", "tcp-backlog=511;tcp-keepalive=300;");
    expect_get(config, "nothing", "");
    config_free(config);
}

static void count_changes(void *ctx, enum setting setting)
{
    (void)setting;
    ++*(int *)ctx;
}

static enum kvs_status set(struct config *config, const char *const *pairs, struct buf *error,
                           int *changes)
{
    struct kvs_bytes names[4];
    struct kvs_bytes values[4];
    size_t count = 0;
    for (; pairs[count * 2] != NULL; count++) {
        names[count] = bytes_str(pairs[count * 2]);
        values[count] = bytes_str(pairs[count * 2 + 1]);
    }
    buf_truncate(error, 0);
    enum kvs_status status =
        config_set(config, names, values, count, error, count_changes, changes);
    buf_append_char(error, '\0');
    return status;
}

TEST(set_changes_all_or_none_and_only_what_is_live)
{
    struct config *config = fresh();
    struct buf error;
    int changes = 0;
    buf_init(&error, 4096);
    assert_ok(set(config, ARGS("maxclients", "7", "appendfsync", "no"), &error, &changes));
    assert_int_equal(changes, 2);
    assert_int_equal(config_number(config, SETTING_MAXCLIENTS), 7);
    assert_int_equal(config_number(config, SETTING_DURABILITY), DURABILITY_NO);

    assert_int_equal(set(config, ARGS("maxclients", "8", "port", "1"), &error, &changes),
                     KVS_INVALID);
    assert_string_equal(
        error.data,
        "CONFIG SET failed (possibly related to argument 'port') - can't set immutable config");
    assert_int_equal(set(config, ARGS("maxclients", "8", "nothing-like-it", "1"), &error, &changes),
                     KVS_INVALID);
    assert_string_equal(error.data,
                        "Unknown option or number of arguments for CONFIG SET - 'nothing-like-it'");
    assert_int_equal(set(config, ARGS("maxclients", "8", "timeuot", "1"), &error, &changes),
                     KVS_INVALID);
    assert_non_null(strstr(error.data, "did you mean 'timeout'?"));
    assert_int_equal(set(config, ARGS("maxclients", "8", "maxclients", "9"), &error, &changes),
                     KVS_INVALID);
    assert_non_null(strstr(error.data, "duplicate parameter"));
    assert_int_equal(set(config, ARGS("maxclients", "0"), &error, &changes), KVS_INVALID);
    assert_int_equal(config_number(config, SETTING_MAXCLIENTS), 7);
    assert_int_equal(changes, 2);

    assert_ok(set(config,
                  ARGS("client-output-buffer-limit", "normal 2mb 1mb 3 replica 256mb 64mb 60"),
                  &error, &changes));
    struct output_limits limits = config_output_limits(config, OUTPUT_NORMAL);
    assert_int_equal(limits.hard_bytes, 2 * 1024 * 1024);
    assert_int_equal(limits.soft_bytes, 1024 * 1024);
    assert_int_equal(limits.soft_s, 3);
    buf_done(&error);
    config_free(config);
}

TEST(secrets_are_compared_whole)
{
    struct config *config = fresh();
    assert_false(config_secret_is_set(config, SETTING_REQUIREPASS));
    assert_false(config_secret_equals(config, SETTING_REQUIREPASS, BYTES("")));
    assert_ok(config_put(config, SETTING_REQUIREPASS, "secret", SOURCE_LIVE));
    assert_true(config_secret_is_set(config, SETTING_REQUIREPASS));
    assert_true(config_secret_equals(config, SETTING_REQUIREPASS, BYTES("secret")));
    assert_false(config_secret_equals(config, SETTING_REQUIREPASS, BYTES("secre")));
    assert_false(config_secret_equals(config, SETTING_REQUIREPASS, BYTES("secretsecret")));
    assert_false(config_secret_equals(config, SETTING_REQUIREPASS, BYTES("")));
    config_free(config);
}
