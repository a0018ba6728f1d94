/*
 * glob_test.c - Redis's patterns, and that none of them takes for ever.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/glob.h"
#include "tests/harness/test.h"

static const struct {
    const char *pattern;
    const char *text;
    bool matches;
} cases[] = {
    { "", "", true },
    { "", "a", false },
    { "a", "", false },
    { "*", "",
      false }, /* as redis-server 7.0 has it: KEYS asks for a lone star before it comes here */
    { "**", "", false },
    { "*", "anything", true },
    { "?", "", false },
    { "h?llo", "hello", true },
    { "h?llo", "hllo", false },
    { "h*llo", "hllo", true },
    { "h*llo", "heeeello", true },
    { "h[ae]llo", "hello", true },
    { "h[ae]llo", "hillo", false },
    { "h[^e]llo", "hallo", true },
    { "h[^e]llo", "hello", false },
    { "h[a-b]llo", "hbllo", true },
    { "h[a-b]llo", "hcllo", false },
    { "h[b-a]llo", "hallo", true }, /* backwards */
    { "[abc", "b", true },          /* unclosed */
    { "[abc", "d", false },
    { "[", "[", false },
    { "[^", "x", true },
    { "[]", "]", false }, /* an empty class */
    { "[^]", "x", true },
    { "[a-]", "]", true }, /* a range up to ']', unclosed */
    { "[\\]]", "]", true },
    { "[\\^x]", "^", true },
    { "[a\\-z]", "-", true },
    { "[a\\-z]", "m", false },
    { "\\*", "*", true },
    { "\\*", "x", false },
    { "\\?x", "?x", true },
    { "a\\", "a\\", true }, /* a backslash at the end is itself */
    { "a*b*c", "axxbxxbc", true },
    { "a*b*c", "axxbxxbd", false },
    { "*a", "ba", true },
    { "*a*", "bab", true },
    { "a*", "a", true },
    { "a**", "a", true },
    { "*?", "", false },
    { "*??", "ab", true },
    { "?*?", "a", false },
    { "user:*:name", "user:17:name", true },
    { "user:*:name", "user:17:nam", false },
    { "*[0-9]", "abc5", true },
    { "[\xc3-\xff]x", "\xe4x", true }, /* bytes are unsigned */
};

TEST(patterns_match_as_in_redis)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool matches = glob_match(bytes_str(cases[i].pattern), bytes_str(cases[i].text), false);
        if (matches != cases[i].matches)
            fail_msg("pattern \"%s\", text \"%s\"", cases[i].pattern, cases[i].text);
    }
}

TEST(case_is_ignored_on_request)
{
    assert_true(glob_match(BYTES("MAX*"), BYTES("maxmemory"), true));
    assert_false(glob_match(BYTES("MAX*"), BYTES("maxmemory"), false));
    assert_true(glob_match(BYTES("[A-C]x"), BYTES("bX"), true));
    assert_true(glob_match(BYTES("\\A"), BYTES("a"), true));
}

TEST(any_byte_is_a_byte)
{
    assert_true(glob_match(bytes_of("a\0*", 3), bytes_of("a\0b", 3), false));
    assert_false(glob_match(bytes_of("a\0b", 3), bytes_of("a\0c", 3), false));
    assert_true(glob_match(bytes_of(NULL, 0), bytes_of(NULL, 0), false));
}

/* Exponential matching would need longer than the age of the universe here. */
TEST(many_stars_are_no_trap)
{
    enum {
        STARS = 2000,
        TEXT = 20000
    };

    char *pattern = malloc(2 * STARS + 1);
    char *text = malloc(TEXT);
    assert_non_null(pattern);
    assert_non_null(text);
    for (size_t i = 0; i < STARS; i++) {
        pattern[2 * i] = '*';
        pattern[2 * i + 1] = 'a';
    }
    pattern[2 * STARS] = 'b';
    memset(text, 'a', TEXT);
    assert_false(glob_match(bytes_of(pattern, 2 * STARS + 1), bytes_of(text, TEXT), false));
    assert_true(glob_match(bytes_of(pattern, 2 * STARS), bytes_of(text, TEXT), false));
    free(pattern);
    free(text);
}

static void assert_prefix(const char *pattern, const char *prefix)
{
    assert_true(bytes_equal(glob_prefix(bytes_str(pattern)), bytes_str(prefix)));
}

TEST(the_prefix_is_what_every_match_begins_with)
{
    assert_prefix("user:*", "user:");
    assert_prefix("user", "user");
    assert_prefix("*", "");
    assert_prefix("", "");
    assert_prefix("a?c", "a");
    assert_prefix("a[bc]", "a");
    assert_prefix("ab\\*c", "ab");
}
