/*
 * lzf.h - unpacking LZF, in which Redis packs long strings, as a stream: what is unpacked need not be in memory as a whole.
 *
 * A packed text is a row of groups. A first byte below 32 stands before that many bytes plus one, taken as they are. Any other repeats what
 * came before: its upper three bits are the length minus two (7: a further byte is added to it), its lower five and the byte behind the
 * length the distance minus one.
 */
#ifndef BASE_LZF_H
#define BASE_LZF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kvs/status.h>

enum {
    LZF_WINDOW_BYTES = 8192 /* the longest distance */
};

struct lzf {
    struct kvs_bytes packed; /* borrowed */
    size_t at;               /* in packed */
    uint64_t made;           /* bytes */
    size_t literal;          /* left of the group under way … */
    size_t repeat;           /* … one or the other */
    size_t distance;
    unsigned char window[LZF_WINDOW_BYTES]; /* what was made last, in a ring */
};

/* How many bytes @packed unpacks to; false: it is not LZF. */
bool lzf_length(struct kvs_bytes packed, uint64_t *ret);

/* Begins; @packed has passed lzf_length(). */
void lzf_start(struct lzf *lzf, struct kvs_bytes packed);

/* The next @len bytes. False: there are not so many. */
bool lzf_read(struct lzf *lzf, char *out, size_t len);

#endif
