/*
 * engine_test.c - the engine's own contract (engine.h), where kvs.h does not reach it.
 */
#include "tests/conformance/suite.h"

struct direct {
    struct suite suite;
    const struct kvs_engine_ops *ops;
    struct kvs_engine *engine;
    struct kvs_engine_config config;
};

static void direct_open(struct direct *direct)
{
    suite_init(&direct->suite);
    direct->ops = suite_ops();
    must_ok(direct->suite.env.io->ops->make_dir(direct->suite.env.io, direct->suite.dir));
    direct->config = (struct kvs_engine_config){
        .dir = direct->suite.dir,
        .env = &direct->suite.env,
        .durability = KVS_DURABILITY_ALWAYS,
    };
    must_ok(direct->ops->open(&direct->config, &direct->engine));
}

static void direct_close(struct direct *direct)
{
    must_ok(direct->ops->close(direct->engine));
    if (direct->suite.env.io != io_posix())
        io_free(direct->suite.env.io);
    free(direct->suite.env.clock);
    free(direct->suite.dir);
}

static struct kvs_op set_op(struct kvs_bytes key, struct kvs_bytes value)
{
    return (struct kvs_op){ .kind = KVS_OP_SET, .key = key, .value = value };
}

static uint64_t apply(struct direct *direct, const struct kvs_op *ops, size_t count)
{
    struct kvs_write write = { .ops = ops, .op_count = count, .durability = KVS_DURABILITY_ALWAYS };
    struct kvs_written written = { 0 };
    must_ok(direct->ops->write(direct->engine, &write, &written));
    return written.position;
}

static void see_len(void *ctx, const struct kvs_entry *entry)
{
    *(size_t *)ctx = entry->key.len;
}

TEST(an_engine_takes_keys_as_long_as_it_says)
{
    struct direct direct;
    direct_open(&direct);
    size_t key_max = direct.ops->capabilities.key_max;
    unsigned char *key = pattern(key_max + 1, 15);
    struct kvs_op op = set_op((struct kvs_bytes){ key, key_max }, B("v"));
    uint64_t position = apply(&direct, &op, 1);
    struct kvs_read read = { 0 };
    size_t len = 0;
    uint64_t depends = 0;
    must_ok(direct.ops->get(direct.engine, &read, op.key, see_len, &len, &depends));
    assert_int_equal(len, key_max);
    assert_int_equal(depends, position);
    op.key.len++;
    struct kvs_write write = { .ops = &op, .op_count = 1, .durability = KVS_DURABILITY_ALWAYS };
    struct kvs_written written;
    must(KVS_TOO_LONG, direct.ops->write(direct.engine, &write, &written));
    unsigned char *value = pattern(KVS_INLINE_MAX + 1, 16);
    op = set_op(B("k"), (struct kvs_bytes){ value, KVS_INLINE_MAX + 1 });
    must(KVS_TOO_LONG, direct.ops->write(direct.engine, &write, &written));
    op = set_op(B("k"), (struct kvs_bytes){ value, KVS_INLINE_MAX });
    must_ok(direct.ops->write(direct.engine, &write, &written));
    free(value);
    free(key);
    direct_close(&direct);
}

TEST(versions_grow_also_across_reopening)
{
    struct direct direct;
    direct_open(&direct);
    if (!direct.ops->capabilities.persistent) {
        direct_close(&direct);
        return;
    }
    uint64_t last = 0;
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 5; i++) {
            struct kvs_op op = set_op(B("k"), B("v"));
            if (i == 4)
                op.kind = KVS_OP_REMOVE;
            uint64_t position = apply(&direct, &op, 1);
            assert_true(position > last);
            last = position;
        }
        must_ok(direct.ops->close(direct.engine));
        must_ok(direct.ops->open(&direct.config, &direct.engine));
        struct kvs_marks marks;
        direct.ops->marks(direct.engine, &marks);
        assert_true(marks.visible >= last && marks.durable >= last);
    }
    direct_close(&direct);
}

TEST(absence_depends_on_the_removal)
{
    struct direct direct;
    direct_open(&direct);
    struct kvs_op op = set_op(B("k"), B("v"));
    uint64_t set = apply(&direct, &op, 1);
    op.kind = KVS_OP_REMOVE;
    uint64_t removed = apply(&direct, &op, 1);
    struct kvs_read read = { 0 };
    size_t len;
    uint64_t depends = 0;
    must(KVS_NOT_FOUND, direct.ops->get(direct.engine, &read, B("k"), see_len, &len, &depends));
    assert_true(depends >= removed && removed > set);
    struct kvs_range all = { .has_end = false };
    uint64_t count;
    bool exact;
    depends = 0;
    must_ok(direct.ops->count(direct.engine, &read, &all, &count, &exact, &depends));
    assert_true(depends >= removed);
    struct kvs_condition condition = { .kind = KVS_IF_VERSION, .key = B("k"), .version = set };
    struct kvs_write write = { .ops = &op,
                               .op_count = 1,
                               .conditions = &condition,
                               .condition_count = 1,
                               .durability = KVS_DURABILITY_ALWAYS };
    struct kvs_written written = { 0 };
    must(KVS_CONFLICT, direct.ops->write(direct.engine, &write, &written));
    assert_true(written.position >= removed);
    direct_close(&direct);
}

TEST(a_batch_that_does_nothing_still_succeeds)
{
    struct direct direct;
    direct_open(&direct);
    struct kvs_op ops[2] = {
        { .kind = KVS_OP_REMOVE, .key = B("absent") },
        { .kind = KVS_OP_REMOVE_RANGE, .key = B("x"), .end = B("x"), .has_end = true }
    };
    uint64_t first = apply(&direct, ops, 2);
    struct kvs_op set = set_op(B("k"), B("v"));
    assert_true(apply(&direct, &set, 1) > first);
    struct kvs_write nothing = { .durability = KVS_DURABILITY_ALWAYS };
    struct kvs_written written = { 0 };
    must_ok(direct.ops->write(direct.engine, &nothing, &written));
    direct_close(&direct);
}

TEST(ranges_without_an_end_reach_the_last_key)
{
    struct direct direct;
    direct_open(&direct);
    struct kvs_op ops[3] = { set_op(B("a"), B("1")), set_op(B("\xff\xff\xff"), B("2")),
                             set_op(B(""), B("0")) };
    (void)apply(&direct, ops, 3);
    struct kvs_range range = { .start = B("b") };
    struct kvs_read read = { 0 };
    uint64_t count;
    uint64_t depends;
    bool exact;
    must_ok(direct.ops->count(direct.engine, &read, &range, &count, &exact, &depends));
    assert_true(!exact || count == 1);
    struct kvs_iterator *iterator;
    struct kvs_entry entry;
    must_ok(
        direct.ops->iterator_open(direct.engine, &read, &(struct kvs_range){ 0 }, true, &iterator));
    must_ok(direct.ops->iterator_next(iterator, false, &entry));
    assert_int_equal(entry.key.len, 3);
    must_ok(direct.ops->iterator_next(iterator, false, &entry));
    must_ok(direct.ops->iterator_next(iterator, false, &entry));
    assert_int_equal(entry.key.len, 0);
    must(KVS_NOT_FOUND, direct.ops->iterator_next(iterator, false, &entry));
    direct.ops->iterator_close(iterator);
    struct kvs_op remove = { .kind = KVS_OP_REMOVE_RANGE, .key = B("b") };
    (void)apply(&direct, &remove, 1);
    range.start = B("");
    must_ok(direct.ops->count(direct.engine, &read, &range, &count, &exact, &depends));
    assert_true(!exact || count == 2);
    direct_close(&direct);
}

static void count_call(void *ctx, const struct kvs_entry *entry)
{
    (void)entry;
    ++*(int *)ctx;
}

TEST(an_engines_sample_stays_in_its_range)
{
    struct direct direct;
    direct_open(&direct);
    struct kvs_op ops[3] = { set_op(B("\x01x"), B("1")), set_op(B("\x02y"), B("2")),
                             set_op(B("\x03z"), B("3")) };
    (void)apply(&direct, ops, 3);
    struct kvs_read read = { 0 };
    struct kvs_range second = { .start = B("\x02"), .end = B("\x03"), .has_end = true };
    struct kvs_range none = { .start = B("\x04"), .end = B("\x05"), .has_end = true };
    int calls = 0;
    uint64_t depends;
    for (uint64_t i = 0; i < 50; i++) {
        must_ok(direct.ops->sample(direct.engine, &read, &second, i * UINT64_C(0x9e3779b97f4a7c15),
                                   count_call, &calls, &depends));
        must(KVS_NOT_FOUND,
             direct.ops->sample(direct.engine, &read, &none, i, count_call, &calls, &depends));
    }
    assert_int_equal(calls, 50);
    direct_close(&direct);
}
