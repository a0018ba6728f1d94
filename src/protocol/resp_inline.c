/*
 * resp_inline.c - requests as people type them: words on a line, with Redis's quoting rules.
 *
 * "double quotes" know \n \r \t \b \a \xhh and take any other escaped byte as it is; 'single quotes' know \' only. A closing quote
 * must be followed by white space or the end of the line. Unlike Redis, a byte 0 is a byte like any other.
 */
#include <ctype.h>
#include <string.h>

#include "base/bytes.h"
#include "protocol/requests.h"

/* A line being split; words are unquoted into the decoder's text, which has room for all of the line. */
struct split {
    const char *next;
    const char *end;
    struct buf *text;
};

static void put(struct split *split, char byte)
{
    split->text->data[split->text->len++] = byte;
}

static int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    digit = (char)(digit | 0x20);
    return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* At a backslash inside double quotes, with at least one byte behind it. */
static void put_escaped(struct split *split)
{
    const char *next = split->next;
    if (next[1] == 'x' && split->end - next >= 4 && hex_value(next[2]) >= 0 &&
        hex_value(next[3]) >= 0) {
        put(split, (char)(hex_value(next[2]) * 16 + hex_value(next[3])));
        split->next += 4;
        return;
    }
    static const char names[] = "nrtba";
    static const char bytes[] = "\n\r\t\b\a";
    const char *name = next[1] != '\0' ? strchr(names, next[1]) : NULL;
    put(split, name != NULL ? bytes[name - names] : next[1]);
    split->next += 2;
}

/* Behind an opening quote. False: it never closes, or closes inside a word. */
static bool split_quoted(struct split *split, char quote)
{
    while (split->next < split->end) {
        bool more = split->end - split->next > 1;
        if (quote == '"' && *split->next == '\\' && more) {
            put_escaped(split);
        } else if (quote == '\'' && *split->next == '\\' && more && split->next[1] == '\'') {
            put(split, '\'');
            split->next += 2;
        } else if (*split->next == quote) {
            split->next++;
            return split->next == split->end || isspace((unsigned char)*split->next);
        } else {
            put(split, *split->next++);
        }
    }
    return false;
}

/* One word. A quote may also open in the middle of it. */
static bool split_word(struct split *split)
{
    while (split->next < split->end) {
        char byte = *split->next;
        if (byte == ' ' || byte == '\t' || byte == '\r')
            return true;
        split->next++;
        if (byte == '"' || byte == '\'')
            return split_quoted(split, byte);
        put(split, byte);
    }
    return true;
}

/* -1: unbalanced quotes; -2: no memory; else 0. */
static int split_line(struct decoder *decoder, struct kvs_bytes line)
{
    if (buf_reserve(&decoder->text, line.len + 1) != KVS_OK)
        return -2;
    struct split split = { line.data, (const char *)line.data + line.len, &decoder->text };
    for (;;) {
        while (split.next < split.end && isspace((unsigned char)*split.next))
            split.next++;
        if (split.next == split.end)
            return 0;
        size_t off = decoder->text.len;
        if (!split_word(&split))
            return -1;
        if (!decoder_reserve(decoder, decoder->arg_count + 1))
            return -2;
        decoder_add(decoder, off, decoder->text.len - off);
    }
}

/* A web page that was tricked into talking to us sends these first. */
static bool is_http(struct kvs_bytes line, struct kvs_bytes first_word)
{
    struct kvs_bytes host = { line.data, line.len < 5 ? line.len : 5 };
    return bytes_equal_nocase(first_word, BYTES("post")) ||
           bytes_equal_nocase(host, BYTES("host:"));
}

enum decode_result resp_inline_next(struct decoder *decoder, struct kvs_bytes input,
                                    struct request *ret, size_t *ret_used)
{
    const char *base = input.data;
    const char *newline = memchr(base + decoder->line_seen, '\n', input.len - decoder->line_seen);
    size_t len = newline != NULL ? (size_t)(newline - base) : input.len;
    decoder->line_seen = len;
    if (len > decoder->inline_max)
        return decoder_fail(decoder, "ERR Protocol error: too big inline request");
    if (newline == NULL)
        return DECODE_MORE;
    struct kvs_bytes line = { base, len > 0 && base[len - 1] == '\r' ? len - 1 : len };
    switch (split_line(decoder, line)) {
    case -1:
        return decoder_fail(decoder, "ERR Protocol error: unbalanced quotes in request");
    case -2:
        return decoder_fail(decoder, "ERR out of memory for the arguments of a request");
    default:
        break;
    }
    *ret_used = len + 1;
    if (decoder->arg_count == 0) {
        decoder->line_seen = 0;
        return DECODE_EMPTY;
    }
    decoder->kept_count = decoder->arg_count;
    enum decode_result result = decoder_finish(decoder, NULL, ret);
    if (is_http(line, ret->args[0])) {
        decoder->error[0] = '\0';
        return DECODE_CLOSE;
    }
    return result;
}
