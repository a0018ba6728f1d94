/*
 * bound.c - ranges of keys as commands name them.
 *
 * The store knows half-open ranges [start, end) only, so a bound that lies just behind a key becomes the smallest key that can
 * follow it. Keys are at most KVS_KEY_MAX bytes: behind a shorter key comes the key with a zero byte more, behind one of full
 * length the next one of that length or less. Bounds longer than any key can be are first cut to such a place.
 */
#include "command/bound.h"

#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/fail.h"

/* A place between keys: just before @key, or just behind it. */
struct place {
    struct kvs_bytes key;
    bool behind;
    bool first; /* before all keys */
    bool last;  /* behind all keys */
};

/* Places are few and keys up to 64 KiB, so each bound has memory of its own. */
static enum kvs_status place_to_key(struct place place, void **ret_bytes, struct kvs_bytes *ret,
                                    bool *ret_last)
{
    if (place.key.len > KVS_KEY_MAX) {
        place.key.len = KVS_KEY_MAX; /* no key lies between the cut and the long one */
        place.behind = true;
    }
    unsigned char *bytes = malloc(place.key.len + 1);
    if (bytes == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "bound of %zu bytes", place.key.len);
    size_t len = place.key.len;
    if (len > 0)
        memcpy(bytes, place.key.data, len);
    *ret_last = place.last;
    if (place.behind && len < KVS_KEY_MAX) {
        bytes[len++] = 0;
    } else if (place.behind) {
        while (len > 0 && bytes[len - 1] == 0xff)
            len--;
        if (len > 0)
            bytes[len - 1]++;
        else
            *ret_last = true;
    }
    free(*ret_bytes);
    *ret_bytes = bytes;
    *ret = bytes_of(bytes, len);
    return KVS_OK;
}

static enum kvs_status set_start(struct bounds *bounds, struct place place)
{
    bool last = false;
    enum kvs_status status = place_to_key(place, &bounds->start_bytes, &bounds->range.start, &last);
    if (status == KVS_OK && last)
        bounds->nothing = true;
    return status;
}

static enum kvs_status set_end(struct bounds *bounds, struct place place)
{
    bool last = false;
    if (place.first)
        bounds->nothing = true;
    enum kvs_status status = place_to_key(place, &bounds->end_bytes, &bounds->range.end, &last);
    bounds->range.has_end = !last;
    return status;
}

/* An empty range is told from the others once, here, so that no engine has to be asked about one that runs backwards. */
static void find_nothing(struct bounds *bounds)
{
    if (bounds->range.has_end && bytes_compare(bounds->range.start, bounds->range.end) >= 0)
        bounds->nothing = true;
}

static struct place parse_place(struct kvs_bytes text, bool is_end)
{
    struct place place = { .key = text };
    char mark = '\0';
    if (text.len > 0)
        mark = *(const char *)text.data;
    if (mark == '[' || mark == '(') {
        place.key = bytes_from(text, 1);
        place.behind = (mark == '[') == is_end;
    } else if (text.len == 1 && (mark == '-' || mark == '+')) {
        place.key = BYTES("");
        place.first = mark == '-';
        place.last = mark == '+';
    }
    return place;
}

enum kvs_status bounds_parse(struct kvs_bytes start, struct kvs_bytes end, struct bounds *ret)
{
    *ret = (struct bounds){ .nothing = false };
    enum kvs_status status = set_start(ret, parse_place(start, false));
    if (status == KVS_OK)
        status = set_end(ret, parse_place(end, true));
    find_nothing(ret);
    return status;
}

enum kvs_status bounds_prefix(struct kvs_bytes prefix, struct bounds *ret)
{
    *ret = (struct bounds){ .nothing = prefix.len > KVS_KEY_MAX };
    if (ret->nothing)
        return KVS_OK;
    enum kvs_status status = set_start(ret, (struct place){ .key = prefix });
    if (status != KVS_OK)
        return status;
    ret->end_bytes = malloc(prefix.len + 1);
    if (ret->end_bytes == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "bound of %zu bytes", prefix.len);
    struct kvs_range range = kvs_prefix_range(prefix, ret->end_bytes);
    ret->range.end = range.end;
    ret->range.has_end = range.has_end;
    return KVS_OK;
}

enum kvs_status bounds_start_after(struct bounds *bounds, struct kvs_bytes key)
{
    if (bytes_compare(key, bounds->range.start) < 0)
        return KVS_OK;
    enum kvs_status status = set_start(bounds, (struct place){ .key = key, .behind = true });
    find_nothing(bounds);
    return status;
}

enum kvs_status bounds_end_before(struct bounds *bounds, struct kvs_bytes key)
{
    if (bounds->range.has_end && bytes_compare(key, bounds->range.end) >= 0)
        return KVS_OK;
    enum kvs_status status = set_end(bounds, (struct place){ .key = key });
    find_nothing(bounds);
    return status;
}

void bounds_done(struct bounds *bounds)
{
    free(bounds->start_bytes);
    free(bounds->end_bytes);
    *bounds = (struct bounds){ .nothing = true };
}
