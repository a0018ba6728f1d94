/*
 * cursors.c - a table of slots with a list in order of use.
 *
 * A cursor's number is generation * max + slot. A slot's generation grows each time it is given out, so an old number never finds a
 * new position. The table (a few MiB) is made when the first cursor is.
 */
#include "server/cursors.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/fail.h"
#include "concurrent/mutex.h"

#define CURSOR_NUMBER_MAX (UINT64_C(1) << 53)

struct slot {
    struct slot *newer; /* neighbours in order of use; free slots are linked through newer */
    struct slot *older;
    uint64_t generation;
    uint64_t used_ns;
    char *key; /* NULL: free, or the empty key */
    size_t key_len;
    unsigned space;
    bool in_use;
};

struct cursors {
    struct mutex mu;
    struct clock *clock;
    uint32_t max;
    size_t bytes_max;
    struct slot *slots GUARDED_BY(mu); /* NULL: none was made yet */
    struct slot *free GUARDED_BY(mu);
    struct slot ends GUARDED_BY(mu); /* ends.newer is the oldest slot, ends.older the newest */
    size_t bytes GUARDED_BY(mu);     /* of keys */
};

enum kvs_status cursors_new(struct clock *clock, uint32_t max, size_t bytes_max,
                            struct cursors **ret)
{
    CHECK(max != 0 && (max & (max - 1)) == 0 && max <= CURSORS_MAX);
    struct cursors *cursors = calloc(1, sizeof *cursors);
    if (cursors == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "cursors");
    mutex_init(&cursors->mu);
    cursors->clock = clock;
    cursors->max = max;
    cursors->bytes_max = bytes_max;
    cursors->ends.newer = cursors->ends.older = &cursors->ends;
    *ret = cursors;
    return KVS_OK;
}

void cursors_free(struct cursors *cursors)
{
    if (cursors == NULL)
        return;
    for (uint32_t i = 0; cursors->slots != NULL && i < cursors->max; i++)
        free(cursors->slots[i].key);
    free(cursors->slots);
    mutex_done(&cursors->mu);
    free(cursors);
}

static void unlink_slot(struct slot *slot)
{
    slot->newer->older = slot->older;
    slot->older->newer = slot->newer;
}

static void link_newest(struct cursors *cursors, struct slot *slot) REQUIRES(&cursors->mu)
{
    slot->newer = &cursors->ends;
    slot->older = cursors->ends.older;
    slot->older->newer = slot;
    cursors->ends.older = slot;
}

static void drop(struct cursors *cursors, struct slot *slot) REQUIRES(&cursors->mu)
{
    unlink_slot(slot);
    cursors->bytes -= slot->key_len;
    free(slot->key);
    slot->key = NULL;
    slot->key_len = 0;
    slot->in_use = false;
    slot->newer = cursors->free;
    cursors->free = slot;
}

static bool make_slots(struct cursors *cursors) REQUIRES(&cursors->mu)
{
    if (cursors->slots != NULL)
        return true;
    cursors->slots = calloc(cursors->max, sizeof *cursors->slots);
    if (cursors->slots == NULL)
        return false;
    for (uint32_t i = cursors->max; i-- > 0;) {
        cursors->slots[i].newer = cursors->free;
        cursors->free = &cursors->slots[i];
    }
    return true;
}

/* Makes room for one more with @key_len bytes: what is too old goes, then what was used longest ago. */
static void make_room(struct cursors *cursors, size_t key_len, uint64_t now_ns)
    REQUIRES(&cursors->mu)
{
    while (cursors->ends.newer != &cursors->ends) {
        struct slot *oldest = cursors->ends.newer;
        bool expired = now_ns - oldest->used_ns > CURSORS_AGE_S * UINT64_C(1000000000);
        if (!expired && cursors->free != NULL && cursors->bytes + key_len <= cursors->bytes_max)
            return;
        drop(cursors, oldest);
    }
}

uint64_t cursors_open(struct cursors *cursors, unsigned space, struct kvs_bytes last_key)
{
    uint64_t cursor = 0;
    char *key = malloc(last_key.len != 0 ? last_key.len : 1);
    if (key == NULL)
        return 0;
    if (last_key.len != 0)
        memcpy(key, last_key.data, last_key.len);
    uint64_t now_ns = clock_monotonic_ns(cursors->clock);

    mutex_lock(&cursors->mu);
    if (make_slots(cursors)) {
        make_room(cursors, last_key.len, now_ns);
        struct slot *slot = cursors->free;
        cursors->free = slot->newer;
        slot->key = key;
        key = NULL;
        slot->key_len = last_key.len;
        slot->space = space;
        slot->used_ns = now_ns;
        slot->in_use = true;
        slot->generation =
            slot->generation + 1 < CURSOR_NUMBER_MAX / cursors->max ? slot->generation + 1 : 1;
        cursors->bytes += last_key.len;
        link_newest(cursors, slot);
        cursor = slot->generation * cursors->max + (uint64_t)(slot - cursors->slots);
    }
    mutex_unlock(&cursors->mu);
    free(key);
    return cursor;
}

bool cursors_find(struct cursors *cursors, uint64_t cursor, unsigned space,
                  struct buf *ret_last_key)
{
    bool found = false;
    uint64_t now_ns = clock_monotonic_ns(cursors->clock);
    mutex_lock(&cursors->mu);
    if (cursors->slots != NULL) {
        struct slot *slot = &cursors->slots[cursor % cursors->max];
        found = slot->in_use && slot->generation == cursor / cursors->max && slot->space == space;
        if (found && now_ns - slot->used_ns > CURSORS_AGE_S * UINT64_C(1000000000)) {
            drop(cursors, slot);
            found = false;
        }
        if (found) {
            buf_append(ret_last_key, slot->key, slot->key_len);
            found = ret_last_key->failed == KVS_OK;
            unlink_slot(slot);
            link_newest(cursors, slot);
            slot->used_ns = now_ns;
        }
    }
    mutex_unlock(&cursors->mu);
    return found;
}
