/*
 * key.c - engine keys: the space's number in front of the user's key, without an allocation for short ones.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "store/store.h"

enum kvs_status key_check(const struct kvs *db, struct kvs_bytes key)
{
    size_t max = db->store->ops->capabilities.key_max - 1;
    if (max > KVS_KEY_MAX)
        max = KVS_KEY_MAX;
    if (key.len > max)
        return fail(KVS_TOO_LONG, 0, "key of %zu bytes, at most %zu", key.len, max);
    return KVS_OK;
}

enum kvs_status range_check(const struct kvs_range *range)
{
    size_t len = range->start.len;
    if (range->has_end && range->end.len > len)
        len = range->end.len;
    if (len > KEY_BOUND_MAX)
        return fail(KVS_TOO_LONG, 0, "bound of a range of %zu bytes, at most %d", len,
                    KEY_BOUND_MAX);
    return KVS_OK;
}

static enum kvs_status scratch_fill(unsigned char space, struct kvs_bytes key,
                                    struct key_scratch *scratch, struct kvs_bytes *ret)
{
    unsigned char *to = scratch->stack;
    scratch->heap = NULL;
    if (key.len + 1 > sizeof scratch->stack) {
        to = scratch->heap = malloc(key.len + 1);
        if (to == NULL)
            return fail(KVS_NO_MEMORY, ENOMEM, "key of %zu bytes", key.len);
    }
    to[0] = space;
    if (key.len != 0)
        memcpy(to + 1, key.data, key.len);
    *ret = (struct kvs_bytes){ to, key.len + 1 };
    return KVS_OK;
}

enum kvs_status key_make(const struct kvs *db, struct kvs_bytes key, struct key_scratch *scratch,
                         struct kvs_bytes *ret)
{
    enum kvs_status status = key_check(db, key);
    return status != KVS_OK ? status : scratch_fill(db->space, key, scratch, ret);
}

void key_done(struct key_scratch *scratch)
{
    free(scratch->heap);
}

enum kvs_status range_make(const struct kvs *db, const struct kvs_range *range,
                           struct range_scratch *scratch, struct kvs_range *ret)
{
    static const struct kvs_range whole = { .has_end = false };
    if (range == NULL)
        range = &whole;
    enum kvs_status status = range_check(range);
    if (status != KVS_OK)
        return status;
    ret->has_end = true; /* by the space at the latest */
    status = scratch_fill(db->space, range->start, &scratch->start, &ret->start);
    if (status != KVS_OK)
        return status;
    if (range->has_end)
        status = scratch_fill(db->space, range->end, &scratch->end, &ret->end);
    else
        status = scratch_fill((unsigned char)(db->space + 1), (struct kvs_bytes){ NULL, 0 },
                              &scratch->end, &ret->end);
    if (status != KVS_OK)
        key_done(&scratch->start);
    return status;
}

void range_done(struct range_scratch *scratch)
{
    key_done(&scratch->start);
    key_done(&scratch->end);
}

struct kvs_range kvs_prefix_range(struct kvs_bytes prefix, void *end_buf)
{
    struct kvs_range range = { .start = prefix };
    unsigned char *end = end_buf;
    size_t len = prefix.len;
    if (len != 0)
        memcpy(end, prefix.data, len);
    while (len > 0 && end[len - 1] == 0xff)
        len--; /* no key follows ff ff … within this length: the end is one shorter */
    if (len == 0)
        return range; /* the prefix is empty or all ff: up to the last key */
    end[len - 1]++;
    range.end = (struct kvs_bytes){ end, len };
    range.has_end = true;
    return range;
}
