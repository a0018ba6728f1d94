/*
 * history_test.c - the checker against histories known to be right or wrong, and against orders that were made to be right.
 */
#include <stdlib.h>
#include <string.h>

#include "io/random.h"
#include "tests/harness/test.h"
#include "tests/linearizability/history.h"

static bool linearizable(const struct op *ops, size_t count)
{
    bool gave_up;
    bool fits = history_is_linearizable(ops, count, &gave_up);
    assert_false(gave_up);
    return fits;
}

#define CHECK_OPS(...)                               \
    linearizable((const struct op[]){ __VA_ARGS__ }, \
                 sizeof((const struct op[]){ __VA_ARGS__ }) / sizeof(struct op))
#define AT(call, ret) .call_ns = (call), .return_ns = (ret)
#define GET(from, to, what)                            \
    {                                                  \
        .kind = OP_GET, AT(from, to), .saw = {(what) } \
    }
#define SET(from, to, what)                           \
    {                                                 \
        .kind = OP_SET, AT(from, to), .value = (what) \
    }

TEST(an_empty_history_is_right)
{
    assert_true(linearizable(NULL, 0));
}

TEST(a_read_sees_the_write_before_it)
{
    assert_true(CHECK_OPS(SET(1, 2, 7), GET(3, 4, 7)));
    assert_false(CHECK_OPS(SET(1, 2, 7), GET(3, 4, 0))); /* lost */
    assert_false(CHECK_OPS(SET(1, 2, 7), GET(3, 4, 8))); /* never written */
    assert_false(CHECK_OPS(GET(1, 2, 7), SET(3, 4, 7))); /* read before it was written */
}

TEST(a_read_beside_a_write_sees_either)
{
    assert_true(CHECK_OPS(SET(1, 5, 7), GET(2, 3, 7)));
    assert_true(CHECK_OPS(SET(1, 5, 7), GET(2, 3, 0)));
    assert_true(CHECK_OPS(SET(1, 9, 7), GET(2, 3, 0), GET(4, 5, 7)));
    assert_false(CHECK_OPS(SET(1, 9, 7), GET(2, 3, 7), GET(4, 5, 0))); /* seen, then not */
}

TEST(an_overwritten_value_does_not_come_back)
{
    assert_false(CHECK_OPS(SET(1, 2, 7), SET(3, 4, 8), GET(5, 6, 7)));
    assert_true(CHECK_OPS(SET(1, 4, 7), SET(2, 3, 8), GET(5, 6, 7)));
    struct op del = { .kind = OP_DEL, AT(3, 4), .answer = 1 };
    assert_false(CHECK_OPS(SET(1, 2, 7), del, GET(5, 6, 7)));
    del.answer = 0; /* it did not find what was there */
    assert_false(CHECK_OPS(SET(1, 2, 7), del));
}

TEST(what_is_unknown_may_have_happened_until_the_server_died_or_never)
{
    struct op set = { .kind = OP_SET, AT(3, 6), .value = 8, .unknown = true };
    assert_true(CHECK_OPS(SET(1, 2, 7), set, GET(7, 8, 7)));
    assert_true(CHECK_OPS(SET(1, 2, 7), set, GET(7, 8, 8)));
    assert_true(CHECK_OPS(SET(1, 2, 7), set, GET(4, 5, 7), GET(7, 8, 8)));
    assert_false(CHECK_OPS(SET(1, 2, 7), set, GET(7, 8, 7), GET(9, 10, 8))); /* after its time */
    assert_false(CHECK_OPS(SET(1, 2, 7), set, GET(4, 5, 8), GET(7, 8, 7)));  /* seen, then lost */
    assert_false(CHECK_OPS(SET(1, 2, 7), GET(1, 2, 8), set));                /* before its call */
    struct op incr = { .kind = OP_INCR, AT(1, 4), .unknown = true };
    struct op two = { .kind = OP_INCR, AT(5, 6), .answer = 2 };
    struct op three = { .kind = OP_INCR, AT(5, 6), .answer = 3 };
    assert_true(CHECK_OPS(incr, two));
    assert_true(CHECK_OPS(incr, incr, two));
    assert_true(CHECK_OPS(incr, incr, three));
    assert_false(CHECK_OPS(incr, three)); /* applied twice */
}

TEST(several_keys_change_together)
{
    struct op both = { .kind = OP_SET_BOTH, AT(1, 9), .value = 7, .answer = 1 };
    struct op all = { .kind = OP_READ_ALL, AT(2, 3), .saw = { 7, 7, 1 } };
    assert_true(CHECK_OPS(both, all));
    all.saw[1] = 0;
    assert_false(CHECK_OPS(both, all)); /* half of it */
    struct op a = { .kind = OP_GET, AT(2, 3), .key = 0, .saw = { 7 } };
    struct op b = { .kind = OP_GET, AT(4, 5), .key = 1, .saw = { 0, 0 } };
    assert_false(CHECK_OPS(both, a, b));
    struct op clear = { .kind = OP_CLEAR, AT(10, 11), .answer = 3 };
    struct op none = { .kind = OP_READ_ALL, AT(12, 13) };
    assert_true(CHECK_OPS(both, clear, none));
    none.saw[2] = 1;
    assert_false(CHECK_OPS(both, clear, none));
    clear.answer = 2;
    assert_false(CHECK_OPS(both, clear));
}

TEST(a_comparison_that_fails_changes_nothing)
{
    struct op cas = { .kind = OP_CAS, AT(3, 4), .expected = 7, .value = 8, .answer = 1 };
    assert_true(CHECK_OPS(SET(1, 2, 7), cas, GET(5, 6, 8)));
    assert_false(CHECK_OPS(SET(1, 2, 6), cas));
    cas.answer = 0;
    assert_false(CHECK_OPS(SET(1, 2, 7), cas));
    assert_true(CHECK_OPS(SET(1, 2, 6), cas, GET(5, 6, 6)));
    struct op won = { .kind = OP_CAS, AT(3, 9), .expected = 7, .value = 8, .answer = 1 };
    struct op also = { .kind = OP_CAS, AT(3, 9), .expected = 7, .value = 9, .answer = 1 };
    assert_false(CHECK_OPS(SET(1, 2, 7), won, also)); /* both cannot have won */
}

/* ---- Histories that are right because they were carried out one after the other ---- */

enum {
    CLIENTS = 6,
    OPS = 400
};

static void carry_out(struct random *random, int64_t at[3], struct op *op)
{
    op->key = (uint8_t)random_below(random, 2);
    op->kind = (enum op_kind)random_below(random, OP_CLEAR + 1);
    op->value = 1 + (uint32_t)random_below(random, 5);
    op->expected = 1 + (uint32_t)random_below(random, 5);
    memcpy(op->saw, at, sizeof op->saw);
    switch (op->kind) {
    case OP_GET:
    case OP_READ_ALL:
        break;
    case OP_SET:
        at[op->key] = op->value;
        break;
    case OP_DEL:
        op->answer = at[op->key] != 0;
        at[op->key] = 0;
        break;
    case OP_CAS:
        op->answer = at[op->key] == op->expected;
        if (op->answer != 0)
            at[op->key] = op->value;
        break;
    case OP_INCR:
        op->answer = ++at[2];
        break;
    case OP_SET_BOTH:
        at[0] = at[1] = op->value;
        op->answer = ++at[2];
        break;
    case OP_CLEAR:
        op->answer = (at[0] != 0) + (at[1] != 0) + (at[2] != 0);
        memset(at, 0, 3 * sizeof *at);
        break;
    }
}

/* Calls and returns spread around the moment of each effect, one at a time per client. */
static void make_history(struct random *random, struct op *ops)
{
    int64_t at[3] = { 0 };
    uint64_t free_ns[CLIENTS] = { 0 };
    for (size_t i = 0; i < OPS; i++) {
        uint64_t now_ns = 1000 * (i + 1);
        size_t client = random_below(random, CLIENTS);
        ops[i] = (struct op){ 0 };
        carry_out(random, at, &ops[i]);
        uint64_t early = random_below(random, 4000);
        uint64_t call_ns = now_ns > early ? now_ns - early : 0;
        ops[i].call_ns = call_ns > free_ns[client] ? call_ns : free_ns[client];
        if (ops[i].call_ns > now_ns)
            ops[i].call_ns = now_ns;
        ops[i].return_ns = now_ns + random_below(random, 4000);
        free_ns[client] = ops[i].return_ns + 1;
    }
}

TEST(histories_made_right_are_right_and_changed_answers_are_noticed)
{
    struct random random;
    random_seed(&random, test_seed());
    unsigned noticed = 0;
    for (int round = 0; round < 50; round++) {
        struct op ops[OPS];
        make_history(&random, ops);
        assert_true(linearizable(ops, OPS));
        size_t wrong = random_below(&random, OPS);
        while (ops[wrong].kind != OP_READ_ALL)
            wrong = (wrong + 1) % OPS;
        ops[wrong].saw[2] += 100; /* no such counter */
        noticed += !linearizable(ops, OPS);
    }
    assert_int_equal(noticed, 50);
}
