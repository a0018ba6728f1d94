/*
 * test.h - cmocka with tests that register themselves:
 *
 *     TEST(replay_stops_at_first_torn_record)
 *     {
 *         assert_int_equal(...);
 *     }
 *
 * main() is in test_main.c: runs all, or those whose names contain argv[1]. KVS_TEST_SEED repeats a randomised run.
 */
#ifndef TESTS_HARNESS_TEST_H
#define TESTS_HARNESS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

/* cmocka has a macro called fail(); ours, from base/fail.h, is the one that stays, whichever header comes first. */
#pragma push_macro("fail")
#undef fail
#include <cmocka.h>
#undef fail
#pragma pop_macro("fail")
#undef fail_msg
#define fail_msg(...) (print_error(__VA_ARGS__), print_error("\n"), _fail(__FILE__, __LINE__))

struct test_entry {
    const char *name;
    void (*run)(void **state);
    struct test_entry *next;
};

void test_register(struct test_entry *entry);

/* The seed of this run: KVS_TEST_SEED or a new one; printed once, when first asked for. */
uint64_t test_seed(void);

/* A fresh directory under /tmp (or $TMPDIR), removed with all it holds when the program ends. */
const char *test_dir(void);

#define TEST(test_name)                                                                            \
    static void test_name(void **state);                                                           \
    static struct test_entry entry_##test_name = { #test_name, test_name, NULL };                  \
    __attribute__((constructor)) static void register_##test_name(void)                            \
    {                                                                                              \
        test_register(&entry_##test_name);                                                         \
    }                                                                                              \
    static void test_name(__attribute__((unused)) void **state)

/* The call answers KVS_OK; else fails with kvs_error() where the program links it. */
#define assert_ok(call) assert_int_equal((call), 0)

#endif
