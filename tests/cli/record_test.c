/*
 * record_test.c - base64, and the words of the prompt: what needs no program around it.
 */
#include <string.h>

#include "app/base64.h"
#include "app/prompt_words.h"
#include "base/bytes.h"
#include "tests/harness/test.h"

TEST(base64_is_that_of_the_rfc)
{
    static const char *const rows[][2] = {
        { "", "" },
        { "f", "Zg==" },
        { "fo", "Zm8=" },
        { "foo", "Zm9v" },
        { "foob", "Zm9vYg==" },
        { "fooba", "Zm9vYmE=" },
        { "foobar", "Zm9vYmFy" },
        { "\xff\xfe\xfd", "//79" },
        { "\xfb\xff", "+/8=" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf buf;
        buf_init(&buf, 100);
        base64_put(&buf, bytes_str(rows[i][0]));
        assert_true(bytes_equal(buf_bytes(&buf), bytes_str(rows[i][1])));
        buf_truncate(&buf, 0);
        assert_true(base64_read(&buf, bytes_str(rows[i][1])));
        assert_true(bytes_equal(buf_bytes(&buf), bytes_str(rows[i][0])));
        buf_done(&buf);
    }
}

TEST(what_is_not_base64_is_refused)
{
    static const char *const bad[] = { "Z",    "Zg",   "Zg=",    "Zg===", "=Zg=",
                                       "Z===", "====", "Zm9v\n", "Zm-v",  "Zg==Zg==" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct buf buf;
        buf_init(&buf, 100);
        buf_append_str(&buf, "x");
        assert_false(base64_read(&buf, bytes_str(bad[i])));
        assert_int_equal(buf.len, 1);
        buf_done(&buf);
    }
}

static void check_hint(const char *line, const char *expected)
{
    struct buf hint;
    buf_init(&hint, 1000);
    words_hint(bytes_str(line), &hint);
    if (!bytes_equal(buf_bytes(&hint), bytes_str(expected)))
        fail_msg("the hint for \"%s\" is \"%.*s\", not \"%s\"", line, (int)hint.len, hint.data,
                 expected);
    buf_done(&hint);
}

TEST(hints_are_the_arguments_still_to_come)
{
    check_hint("", "");
    check_hint("getrange", "");
    check_hint("getrange ", "key start end");
    check_hint("GETRANGE k", "key start end");
    check_hint("GETRANGE k ", "start end");
    check_hint("GETRANGE k 0 ", "end");
    check_hint("GETRANGE  k  0  1 ", "");
    check_hint("nosuch ", "");
    check_hint("client setname ", "connection-name");
    check_hint("client setname x ", "");
}

static void check_complete(const char *line, const char *rest, size_t count)
{
    struct buf got;
    struct buf names;
    buf_init(&got, 1000);
    buf_init(&names, 100000);
    assert_int_equal(words_complete(bytes_str(line), &got, &names), count);
    assert_true(bytes_equal(buf_bytes(&got), bytes_str(rest)));
    buf_done(&got);
    buf_done(&names);
}

TEST(names_are_completed)
{
    check_complete("GETR", "ANGE ", 1);
    check_complete("getr", "ange ", 1);
    check_complete("INCRBYF", "LOAT ", 1);
    check_complete("NOSUCH", "", 0);
    check_complete("CLIENT SETN", "AME ", 1);
    check_complete("client  setn", "ame ", 1);
    check_complete("ping ", "", 0);
}
