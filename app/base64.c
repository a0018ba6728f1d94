/*
 * base64.c - three bytes, four characters.
 */
#include "app/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_put(struct buf *out, struct kvs_bytes bytes)
{
    const unsigned char *in = bytes.data;
    for (size_t off = 0; off < bytes.len; off += 3) {
        size_t left = bytes.len - off;
        uint32_t word = (uint32_t)in[off] << 16;
        if (left > 1)
            word |= (uint32_t)in[off + 1] << 8;
        if (left > 2)
            word |= in[off + 2];
        char quad[4] = {
            digits[word >> 18],
            digits[word >> 12 & 63],
            left > 1 ? digits[word >> 6 & 63] : '=',
            left > 2 ? digits[word & 63] : '=',
        };
        buf_append(out, quad, sizeof quad);
    }
}

static int digit_value(char digit)
{
    if (digit >= 'A' && digit <= 'Z')
        return digit - 'A';
    if (digit >= 'a' && digit <= 'z')
        return digit - 'a' + 26;
    if (digit >= '0' && digit <= '9')
        return digit - '0' + 52;
    if (digit == '+')
        return 62;
    return digit == '/' ? 63 : -1;
}

bool base64_read(struct buf *out, struct kvs_bytes text)
{
    const char *in = text.data;
    size_t start = out->len;
    if (text.len % 4 != 0)
        return false;
    for (size_t off = 0; off < text.len; off += 4) {
        size_t padding = 0;
        if (off + 4 == text.len && in[off + 3] == '=')
            padding = in[off + 2] == '=' ? 2 : 1;
        uint32_t word = 0;
        for (size_t i = 0; i < 4 - padding; i++) {
            int value = digit_value(in[off + i]);
            if (value < 0) {
                buf_truncate(out, start);
                return false;
            }
            word |= (uint32_t)value << (18 - 6 * i);
        }
        char bytes[3] = { (char)(word >> 16), (char)(word >> 8), (char)word };
        buf_append(out, bytes, 3 - padding);
    }
    return true;
}
