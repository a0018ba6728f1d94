/*
 * open_test.c - opening, marker and lock, options, references, key spaces, what is there after opening again.
 */
#include "tests/conformance/suite.h"

static void path_of(const struct suite *suite, const char *name, char ret[512])
{
    assert_true(snprintf(ret, 512, "%s/%s", suite->dir, name) < 512);
}

TEST(an_engine_has_a_name_a_summary_and_all_functions)
{
    const struct kvs_engine_ops *ops = suite_ops();
    assert_int_equal(ops->abi, KVS_ENGINE_ABI);
    assert_string_equal(ops->name, suite_engine);
    assert_true(strlen(ops->summary) > 0);
    assert_true(ops->capabilities.key_max >= 256); /* less is not worth an engine */
    assert_true(ops->capabilities.value_max >= KVS_VALUE_MAX);
    assert_non_null(ops->open);
    assert_non_null(ops->compact);
    bool listed = false;
    for (size_t i = 0; kvs_engine_name(i) != NULL; i++) {
        assert_non_null(kvs_engine_summary(i));
        listed |= strcmp(kvs_engine_name(i), suite_engine) == 0;
    }
    assert_true(listed);
    assert_string_equal(kvs_version(), KVS_VERSION);
}

TEST(an_unknown_engine_is_refused_and_the_known_ones_listed)
{
    struct suite suite;
    suite_init(&suite);
    suite.options.engine = "no-such-engine";
    must(KVS_INVALID, kvs_open(suite.dir, &suite.options, &suite.db));
    assert_non_null(strstr(kvs_error(), "no-such-engine"));
    assert_non_null(strstr(kvs_error(), suite_engine));
    suite_close(&suite);
}

TEST(bad_options_are_refused_before_anything_is_made)
{
    struct suite suite;
    suite_init(&suite);
    must(KVS_INVALID, kvs_open("", &suite.options, &suite.db));
    must(KVS_INVALID, kvs_open(NULL, &suite.options, &suite.db));
    struct kvs_options bad = suite.options;
    bad.durability = (enum kvs_durability)99;
    must(KVS_INVALID, kvs_open(suite.dir, &bad, &suite.db));
    bad = suite.options;
    bad.pool_threads = 1000000;
    must(KVS_INVALID, kvs_open(suite.dir, &bad, &suite.db));
    bad = suite.options;
    bad.setting_count = 1;
    must(KVS_INVALID, kvs_open(suite.dir, &bad, &suite.db));
    char *text = NULL;
    size_t len;
    char path[512];
    path_of(&suite, "ENGINE", path);
    must(KVS_NOT_FOUND, io_read_file(suite.env.io, path, 100, &text, &len));
    suite_close(&suite);
}

TEST(an_unknown_setting_is_refused_and_leaves_no_store_behind)
{
    struct suite suite;
    suite_init(&suite);
    struct kvs_setting setting = { "no-such-setting", "1" };
    suite.options.settings = &setting;
    suite.options.setting_count = 1;
    must(KVS_INVALID, kvs_open(suite.dir, &suite.options, &suite.db));
    assert_non_null(strstr(kvs_error(), "no-such-setting"));
    char *text = NULL;
    size_t len;
    char path[512];
    path_of(&suite, "ENGINE", path);
    must(KVS_NOT_FOUND, io_read_file(suite.env.io, path, 100, &text, &len));
    suite_close(&suite);
}

TEST(a_directory_remembers_its_engine)
{
    struct suite suite;
    suite_open(&suite);
    char path[512];
    path_of(&suite, "ENGINE", path);
    char *text = NULL;
    size_t len = 0;
    if (!suite_persistent()) {
        must(KVS_NOT_FOUND, io_read_file(suite.env.io, path, 100, &text, &len));
        suite_close(&suite);
        return;
    }
    must_ok(io_read_file(suite.env.io, path, 100, &text, &len));
    assert_int_equal(len, strlen(suite_engine) + 1);
    assert_memory_equal(text, suite_engine, strlen(suite_engine));
    assert_int_equal(text[len - 1], '\n');
    free(text);
    put(suite.db, "k", "v");
    suite.options.engine = NULL;
    suite_reopen(&suite);
    assert_string_equal(kvs_engine(suite.db), suite_engine);
    must_hold(suite.db, "k", "v");
    if (suite.env.io == io_posix()) {
        char name[32];
        must_ok(kvs_engine_of(suite.dir, name));
        assert_string_equal(name, suite_engine);
        must_ok(kvs_engine_of("/nonexistent/dir", name));
        assert_string_equal(name, "");
    }
    suite_close(&suite);
}

TEST(another_engines_directory_is_refused_and_both_are_named)
{
    struct suite suite;
    suite_init(&suite);
    const char *other = strcmp(suite_engine, "memory") == 0 ? "kvs" : "memory";
    char line[32];
    (void)snprintf(line, sizeof line, "%s\n", other);
    must_ok(suite.env.io->ops->make_dir(suite.env.io, suite.dir));
    must_ok(io_replace_file(suite.env.io, suite.dir, "ENGINE", line, strlen(line)));
    must(KVS_WRONG_ENGINE, kvs_open(suite.dir, &suite.options, &suite.db));
    assert_non_null(strstr(kvs_error(), suite_engine));
    assert_non_null(strstr(kvs_error(), other));

    must_ok(io_replace_file(suite.env.io, suite.dir, "ENGINE", "martian\n", 8));
    suite.options.engine = NULL;
    must(KVS_WRONG_ENGINE, kvs_open(suite.dir, &suite.options, &suite.db));
    assert_non_null(strstr(kvs_error(), "martian"));
    assert_non_null(strstr(kvs_error(), suite_engine));

    must_ok(io_replace_file(suite.env.io, suite.dir, "ENGINE", "\x01\x02 !", 4));
    must(KVS_WRONG_FORMAT, kvs_open(suite.dir, &suite.options, &suite.db));
    suite_close(&suite);
}

TEST(segments_without_a_marker_are_refused)
{
    struct suite suite;
    suite_init(&suite);
    if (!suite_persistent()) {
        suite_close(&suite);
        return;
    }
    must_ok(suite.env.io->ops->make_dir(suite.env.io, suite.dir));
    must_ok(io_replace_file(suite.env.io, suite.dir, "notes.txt", "x", 1));
    must_ok(io_replace_file(suite.env.io, suite.dir, "00000001.seg", "x", 1));
    must(KVS_WRONG_FORMAT, kvs_open(suite.dir, &suite.options, &suite.db));
    assert_non_null(strstr(kvs_error(), "00000001.seg"));
    char path[512];
    path_of(&suite, "00000001.seg", path);
    must_ok(suite.env.io->ops->unlink(suite.env.io, path));
    must_ok(
        kvs_open(suite.dir, &suite.options, &suite.db)); /* a file that is not ours is left alone */
    put(suite.db, "k", "v");
    suite_reopen(&suite);
    must_hold(suite.db, "k", "v");
    path_of(&suite, "notes.txt", path);
    char *text = NULL;
    size_t len = 0;
    must_ok(io_read_file(suite.env.io, path, 100, &text, &len));
    assert_int_equal(len, 1);
    free(text);
    suite_close(&suite);
}

TEST(a_directory_can_be_open_once)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs *second = NULL;
    if (!suite_persistent()) {
        must_ok(kvs_open(suite.dir, &suite.options, &second));
        must_ok(kvs_close(second));
        suite_close(&suite);
        return;
    }
    must(KVS_LOCKED, kvs_open(suite.dir, &suite.options, &second));
    must(KVS_LOCKED, kvs_check(suite.dir, &suite.options, NULL, NULL));
    put(suite.db, "k", "v");
    suite_reopen(&suite); /* the failed openings have taken nothing away */
    must_hold(suite.db, "k", "v");
    suite_close(&suite);
}

TEST(must_exist_and_read_only_make_nothing)
{
    struct suite suite;
    suite_init(&suite);
    suite.options.must_exist = true;
    must(KVS_NOT_FOUND, kvs_open(suite.dir, &suite.options, &suite.db));
    suite.options.must_exist = false;
    if (!suite_persistent()) {
        suite_close(&suite);
        return;
    }
    suite.options.read_only = true;
    must(KVS_NOT_FOUND, kvs_open(suite.dir, &suite.options, &suite.db));
    must(KVS_NOT_FOUND, kvs_check(suite.dir, &suite.options, NULL, NULL));
    suite.options.read_only = false;
    must_ok(kvs_open(suite.dir, &suite.options, &suite.db));
    must_ok(kvs_set(suite.db, B("k"), B("v")));
    suite.options.must_exist = true;
    suite_reopen(&suite);
    must_hold(suite.db, "k", "v");
    suite_close(&suite);
}

TEST(a_read_only_store_refuses_every_write_and_serves_reads)
{
    struct suite suite;
    suite_open(&suite);
    put(suite.db, "k", "v");
    suite.options.read_only = true;
    suite_reopen(&suite);
    struct kvs *db = suite.db;
    if (suite_persistent())
        must_hold(db, "k", "v");
    must(KVS_READ_ONLY, kvs_set(db, B("k"), B("w")));
    must(KVS_READ_ONLY, kvs_remove(db, B("k")));
    struct kvs_blob *blob = NULL;
    must(KVS_READ_ONLY, kvs_blob_new(db, &blob));
    struct kvs_batch *batch;
    must_ok(kvs_batch_new(&batch));
    kvs_batch_remove_range(batch, db, NULL);
    must(KVS_READ_ONLY, kvs_write(db, batch, NULL, NULL));
    kvs_batch_free(batch);
    struct kvs_txn *txn;
    must_ok(kvs_txn_new(db, &txn));
    must_ok(kvs_txn_begin(txn, false, false));
    kvs_txn_set(txn, db, B("k"), B("w"), 0);
    must(KVS_READ_ONLY, kvs_txn_commit(txn, KVS_DURABILITY_DEFAULT, NULL, NULL));
    must_ok(kvs_txn_begin(txn, true, false));
    must_ok(kvs_txn_commit(txn, KVS_DURABILITY_DEFAULT, NULL, NULL));
    kvs_txn_free(txn);
    must(KVS_READ_ONLY, kvs_compact(db));
    must(KVS_READ_ONLY, kvs_checkpoint(db));
    if (suite_persistent())
        must_hold(db, "k", "v");
    suite_close(&suite);
}

TEST(references_keep_the_store_open)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs *second = kvs_ref(suite.db);
    must_ok(kvs_close(suite.db));
    put(second, "k", "v");
    must_hold(second, "k", "v");
    struct kvs *space = NULL;
    must_ok(kvs_space(second, 3, &space));
    must_ok(kvs_close(second));
    put(space, "k", "w");
    must_hold(space, "k", "w");
    suite.db = space;
    must_ok(kvs_close(NULL));
    suite_close(&suite);
}

TEST(key_spaces_are_maps_of_their_own)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs *spaces[KVS_SPACES];
    struct kvs *none = NULL;
    must(KVS_INVALID, kvs_space(suite.db, KVS_SPACES, &none));
    for (unsigned i = 0; i < KVS_SPACES; i++) {
        must_ok(kvs_space(suite.db, i, &spaces[i]));
        char value[16];
        (void)snprintf(value, sizeof value, "space %u", i);
        put(spaces[i], "same", value);
        put_bytes(spaces[i], B("\xff\xff\xff"), B("last"));
        put_bytes(spaces[i], B(""), B("first"));
    }
    must_hold(suite.db, "same", "space 0");
    for (unsigned i = 0; i < KVS_SPACES; i++) {
        assert_int_equal(count_of(spaces[i]), 3);
        must_list(spaces[i], NULL,
                  "same \xff\xff\xff"); /* the empty key, which comes first, does not show */
    }
    struct kvs_batch *batch;
    must_ok(kvs_batch_new(&batch));
    kvs_batch_remove_range(batch, spaces[7], NULL);
    kvs_batch_set(batch, spaces[15], B("same"), B("changed"), 0);
    kvs_batch_remove(batch, spaces[0], B("same"));
    must_ok(kvs_write(suite.db, batch, NULL, NULL));
    kvs_batch_free(batch);
    must_list(spaces[7], NULL, "");
    assert_int_equal(count_of(spaces[7]), 0);
    assert_int_equal(count_of(spaces[6]), 3);
    assert_int_equal(count_of(spaces[8]), 3);
    must_hold(spaces[15], "same", "changed");
    must_lack(spaces[0], "same");
    must_hold(spaces[1], "same", "space 1");
    for (unsigned i = 0; i < KVS_SPACES; i++)
        must_ok(kvs_close(spaces[i]));
    suite_close(&suite);
}

TEST(everything_is_there_after_opening_again)
{
    struct suite suite;
    suite_open(&suite);
    if (!suite_persistent()) {
        put(suite.db, "k", "v");
        suite_reopen(&suite);
        must_lack(suite.db, "k");
        suite_close(&suite);
        return;
    }
    char key[16];
    char value[16];
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 300; i++) {
            (void)snprintf(key, sizeof key, "k%03d", i);
            (void)snprintf(value, sizeof value, "%d-%d", round, i);
            if (i % 10 != round)
                put(suite.db, key, value);
            else if (round != 0)
                must_ok(kvs_remove(suite.db, text_bytes(key)));
        }
        uint64_t before = version_of(suite.db, "k009");
        assert_true(before != 0);
        suite_reopen(&suite);
        assert_int_equal(version_of(suite.db, "k009"), before);
        put(suite.db, "later", "x");
        assert_true(version_of(suite.db, "later") > before);
    }
    for (int i = 0; i < 300; i++) {
        (void)snprintf(key, sizeof key, "k%03d", i);
        (void)snprintf(value, sizeof value, "%d-%d", 2, i);
        if (i % 10 == 2)
            must_lack(suite.db, key);
        else
            must_hold(suite.db, key, value);
    }
    assert_int_equal(count_of(suite.db), 271);
    suite_close(&suite);
}

static void note_finding(void *ctx, bool ok, const char *text)
{
    assert_non_null(text);
    if (!ok)
        ++*(int *)ctx;
}

TEST(a_closed_store_can_be_checked)
{
    struct suite suite;
    suite_open(&suite);
    put(suite.db, "a", "1");
    int damages = 0;
    if (!suite_persistent()) {
        suite_close(&suite);
        return;
    }
    must_ok(kvs_close(suite.db));
    must_ok(kvs_check(suite.dir, &suite.options, note_finding, &damages));
    assert_int_equal(damages, 0);
    must_ok(kvs_open(suite.dir, &suite.options, &suite.db));
    must_hold(suite.db, "a", "1");
    suite_close(&suite);
}

static void note_stat(void *ctx, const char *name, uint64_t value)
{
    (void)value;
    for (const char *c = name; *c != '\0'; c++)
        assert_true((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '_');
    ++*(int *)ctx;
}

TEST(a_store_tells_figures_and_health)
{
    struct suite suite;
    suite_open(&suite);
    int figures = 0;
    kvs_stats(suite.db, note_stat, &figures);
    assert_true(figures > 5);
    must_ok(kvs_health(suite.db));
    must_ok(kvs_checkpoint(suite.db));
    assert_ptr_equal(kvs_capabilities(suite.db), &suite_ops()->capabilities);
    suite_close(&suite);
}
