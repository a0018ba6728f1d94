/*
 * glob.c - Redis's patterns, without its recursion.
 *
 * A star first matches nothing. When the rest does not match, the text it swallows grows by one byte and the rest is tried
 * again. Only the latest star is ever grown: whatever an earlier one could swallow more, the later one can take over. So
 * the work is at most pattern × text, where trying every star would be exponential.
 *
 * As in Redis: an empty text matches the empty pattern only (its callers treat "*" as everything before they come here), an unclosed class ends with the pattern, a range may be given backwards, a backslash at the very end is
 * itself. Bytes are compared unsigned; case is folded for ASCII only.
 */
#include "base/glob.h"

#include <stdint.h>
#include <string.h>

static inline unsigned fold(unsigned c, bool ignore_case)
{
    return ignore_case && c >= 'A' && c <= 'Z' ? c + 32 : c;
}

/* @pattern stands behind '['. Says whether @c is in the class, and where the pattern goes on. */
static bool class_has(const unsigned char *pattern, const unsigned char *end, unsigned c,
                      bool ignore_case, const unsigned char **ret_next)
{
    bool negated = pattern < end && *pattern == '^';
    if (negated)
        pattern++;
    bool found = false;
    c = fold(c, ignore_case);
    while (pattern < end && *pattern != ']') {
        if (*pattern == '\\' && end - pattern >= 2) {
            found |= fold(pattern[1], ignore_case) == c;
            pattern += 2;
        } else if (end - pattern >= 3 && pattern[1] == '-') {
            unsigned low = pattern[0];
            unsigned high = pattern[2];
            if (low > high) {
                low = pattern[2];
                high = pattern[0];
            }
            found |= c >= fold(low, ignore_case) && c <= fold(high, ignore_case);
            pattern += 3;
        } else {
            found |= fold(*pattern, ignore_case) == c;
            pattern++;
        }
    }
    *ret_next = pattern < end ? pattern + 1 : end;
    return found != negated;
}

/* Whether the pattern's next element (no star) matches the byte @c, and where the pattern goes on. */
static bool element_matches(const unsigned char *pattern, const unsigned char *end, unsigned c,
                            bool ignore_case, const unsigned char **ret_next)
{
    if (*pattern == '[')
        return class_has(pattern + 1, end, c, ignore_case, ret_next);
    if (*pattern == '\\' && end - pattern >= 2)
        pattern++;
    else if (*pattern == '?') {
        *ret_next = pattern + 1;
        return true;
    }
    *ret_next = pattern + 1;
    return fold(*pattern, ignore_case) == fold(c, ignore_case);
}

bool glob_match(struct kvs_bytes pattern, struct kvs_bytes text, bool ignore_case)
{
    static const unsigned char nothing[1];
    const unsigned char *at = pattern.len > 0 ? pattern.data : nothing;
    const unsigned char *at_end = at + pattern.len;
    const unsigned char *byte = text.len > 0 ? text.data : nothing;
    const unsigned char *byte_end = byte + text.len;
    const unsigned char *after_star = NULL; /* the pattern behind the latest star */
    const unsigned char *star_byte = NULL;  /* the first byte that star does not swallow */

    if (text.len == 0)
        return pattern.len == 0;
    while (byte < byte_end) {
        const unsigned char *next;
        if (at < at_end && *at == '*') {
            after_star = ++at;
            star_byte = byte;
        } else if (at < at_end && element_matches(at, at_end, *byte, ignore_case, &next)) {
            at = next;
            byte++;
        } else if (after_star != NULL) {
            if (after_star == at_end)
                return true;
            at = after_star;
            byte = ++star_byte;
        } else {
            return false;
        }
    }
    while (at < at_end && *at == '*')
        at++;
    return at == at_end;
}

struct kvs_bytes glob_prefix(struct kvs_bytes pattern)
{
    const char *chars = pattern.data;
    size_t len = 0;
    while (len < pattern.len && memchr("*?[\\", chars[len], 4) == NULL)
        len++;
    return (struct kvs_bytes){ pattern.data, len };
}
