/*
 * json_text.c - UTF-8 checked and escaped in runs: what needs no escape is copied in one piece.
 */
#include "protocol/json_text.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

static bool is_tail(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/* Bytes of the character at @text (1..4), or 0: not UTF-8. */
static size_t utf8_len(const unsigned char *text, size_t left)
{
    unsigned char lead = text[0];
    if (lead < 0x80)
        return 1;
    if (lead < 0xc2)
        return 0; /* a tail, or an overlong form */
    if (lead < 0xe0)
        return left >= 2 && is_tail(text[1]) ? 2 : 0;
    if (lead < 0xf0) {
        if (left < 3 || !is_tail(text[1]) || !is_tail(text[2]))
            return 0;
        if ((lead == 0xe0 && text[1] < 0xa0) || (lead == 0xed && text[1] >= 0xa0))
            return 0; /* overlong; a surrogate */
        return 3;
    }
    if (lead > 0xf4 || left < 4 || !is_tail(text[1]) || !is_tail(text[2]) || !is_tail(text[3]))
        return 0;
    if ((lead == 0xf0 && text[1] < 0x90) || (lead == 0xf4 && text[1] >= 0x90))
        return 0; /* overlong; over U+10FFFF */
    return 4;
}

/* Eight bytes at once, since most text is ASCII. */
static size_t ascii_run(const unsigned char *text, size_t off, size_t len)
{
    while (len - off >= 8) {
        uint64_t word;
        memcpy(&word, text + off, 8);
        if ((word & UINT64_C(0x8080808080808080)) != 0)
            break;
        off += 8;
    }
    while (off < len && text[off] < 0x80)
        off++;
    return off;
}

bool json_text_is_utf8(struct kvs_bytes text)
{
    const unsigned char *byte = text.data;
    size_t off = 0;
    while (off < text.len) {
        off = ascii_run(byte, off, text.len);
        if (off == text.len)
            return true;
        size_t len = utf8_len(byte + off, text.len - off);
        if (len == 0)
            return false;
        off += len;
    }
    return true;
}

static void put_escape(struct buf *out, unsigned char byte)
{
    static const char names[] = "\"\\\b\f\n\r\t";
    static const char letters[] = "\"\\bfnrt";
    const char *name = byte != 0 ? strchr(names, byte) : NULL;
    if (name != NULL) {
        char escape[2] = { '\\', letters[name - names] };
        buf_append(out, escape, 2);
    } else {
        buf_printf(out, "\\u%04x", byte);
    }
}

void json_text_put_lossy(struct buf *out, struct kvs_bytes text)
{
    const unsigned char *byte = text.data;
    size_t run = 0; /* where the bytes that need no escape began */
    size_t off = 0;
    buf_append_char(out, '"');
    while (off < text.len) {
        size_t len = 1;
        if (byte[off] >= 0x80)
            len = utf8_len(byte + off, text.len - off);
        if (len != 0 && byte[off] >= 0x20 && byte[off] != '"' && byte[off] != '\\') {
            off += len;
            continue;
        }
        buf_append(out, byte + run, off - run);
        if (len == 0)
            buf_append_str(out, "\xef\xbf\xbd");
        else
            put_escape(out, byte[off]);
        run = ++off;
    }
    if (text.len > 0)
        buf_append(out, byte + run, off - run);
    buf_append_char(out, '"');
}

bool json_text_put(struct buf *out, struct kvs_bytes text)
{
    if (!json_text_is_utf8(text))
        return false;
    json_text_put_lossy(out, text);
    return true;
}
