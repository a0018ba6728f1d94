/*
 * lzf.c - unpacking LZF as a stream.
 */
#include "base/lzf.h"

/* A group's head at *@at: how many bytes it makes, and how. False: cut short. */
struct group {
    size_t len;
    size_t distance; /* 0: the bytes follow */
};

static bool next_group(struct kvs_bytes packed, size_t *at, struct group *ret)
{
    const unsigned char *bytes = packed.data;
    unsigned head = bytes[(*at)++];
    if (head < 32) {
        *ret = (struct group){ .len = head + 1 };
        return packed.len - *at >= ret->len;
    }
    size_t len = head >> 5;
    if (len == 7) {
        if (*at == packed.len)
            return false;
        len += bytes[(*at)++];
    }
    if (*at == packed.len)
        return false;
    size_t distance = ((size_t)(head & 31) << 8 | bytes[(*at)++]) + 1;
    *ret = (struct group){ .len = len + 2, .distance = distance };
    return true;
}

bool lzf_length(struct kvs_bytes packed, uint64_t *ret)
{
    uint64_t made = 0;
    for (size_t at = 0; at < packed.len;) {
        struct group group;
        if (!next_group(packed, &at, &group) || group.distance > made)
            return false;
        if (group.distance == 0)
            at += group.len;
        made += group.len;
    }
    *ret = made;
    return true;
}

void lzf_start(struct lzf *lzf, struct kvs_bytes packed)
{
    lzf->packed = packed;
    lzf->at = 0;
    lzf->made = 0;
    lzf->literal = 0;
    lzf->repeat = 0;
    lzf->distance = 0;
}

bool lzf_read(struct lzf *lzf, char *out, size_t len)
{
    const unsigned char *bytes = lzf->packed.data;
    for (size_t i = 0; i < len;) {
        if (lzf->literal == 0 && lzf->repeat == 0) {
            struct group group;
            if (lzf->at == lzf->packed.len || !next_group(lzf->packed, &lzf->at, &group) ||
                group.distance > lzf->made)
                return false;
            lzf->distance = group.distance;
            *(group.distance == 0 ? &lzf->literal : &lzf->repeat) = group.len;
            continue;
        }
        unsigned char byte;
        if (lzf->literal != 0) {
            byte = bytes[lzf->at++];
            lzf->literal--;
        } else {
            byte = lzf->window[(lzf->made - lzf->distance) % LZF_WINDOW_BYTES];
            lzf->repeat--;
        }
        lzf->window[lzf->made++ % LZF_WINDOW_BYTES] = byte;
        out[i++] = (char)byte;
    }
    return true;
}
