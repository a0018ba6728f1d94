/*
 * read.c - a key as seen at a version.
 *
 * Linearizability of a read without a snapshot: it takes effect when the slot is read from the index (or, when the slot belongs
 * to a batch that is still being installed, when `visible` was read: the version table has what that batch replaced). A reader
 * that returns a record of version v has made sure that visible >= v first, so no later read can miss it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "concurrent/epoch.h"
#include "engine/native/state.h"

enum {
    COLD_BYTES_MAX = 2 * LOG_INLINE_VALUE_MAX /* what is read is rounded up to the size class */
};

struct kvs_entry entry_of(const struct log_record *record)
{
    struct kvs_entry entry = { .key = record->key,
                               .value = record->value,
                               .value_bytes = record->value_bytes,
                               .version = record->version,
                               .expire_ms = record->expire_ms };
    if ((record->flags & LOG_LARGE) != 0)
        entry.value = bytes_of(NULL, 0);
    return entry;
}

static uint64_t dependency(const struct slot_info *slot)
{
    return (slot->flags & LOG_WEAK) != 0 ? 0 : slot->version;
}

/* What the slot of @lookup means to a reader with @view (at UINT64_MAX: at what is visible now). KVS_OK: *slot is the version to show (maybe an older one than the index has, then
 * *ret_older). KVS_CONFLICT: met something newer than @at. */
static enum kvs_status judge(struct lookup *lookup, const struct view *view, bool *ret_older,
                             uint64_t *ret_position)
{
    struct native *native = lookup->native;
    uint64_t at = view->at;
    bool newest = at == UINT64_MAX;
    *ret_older = false;
    if (lookup->slot.locator == 0) {
        *ret_position = 0;
        return KVS_NOT_FOUND;
    }
    if (newest) {
        /* After this, either the slot's batch is visible, or it is being installed and all before it are visible. */
        (void)visible_help(native, lookup->slot.version);
        /* acquire. pairs with: write.c */
        at = atomic_load_explicit(&native->visible, memory_order_acquire);
    }
    if (lookup->slot.version > at) {
        if (!view->is_snapshot && !newest)
            return KVS_CONFLICT;
        struct slot_info older;
        if (versions_find(&native->versions, lookup->key, at, &older) != KVS_OK) {
            /* Not there before; or the batch became visible meanwhile and has taken its entries away. */
            if (newest && visible_help(native, lookup->slot.version))
                return KVS_CONFLICT;
            *ret_position = ranges_cover(&native->ranges, lookup->key, 0, at);
            return KVS_NOT_FOUND;
        }
        lookup->slot = older;
        *ret_older = true;
    }
    uint64_t removed = ranges_cover(&native->ranges, lookup->key, lookup->slot.version, at);
    if (removed != 0) {
        *ret_position = removed;
        return KVS_NOT_FOUND;
    }
    *ret_position = dependency(&lookup->slot);
    return slot_lives(native, &lookup->slot, view->now_ms) ? KVS_OK : KVS_NOT_FOUND;
}

/* Shows the record of an older version. Inside an epoch section; leaves it. */
static enum kvs_status use_older(struct lookup *lookup, bool no_block, view_fn *use, void *ctx)
{
    struct native *native = lookup->native;
    struct log_record record;
    enum kvs_status status = log_peek(native->log, lookup->slot.locator, &record);
    if (status == KVS_OK) {
        use(ctx, &record);
        epoch_leave();
        return KVS_OK;
    }
    epoch_leave();
    if (status == KVS_NOT_FOUND)
        return KVS_CONFLICT; /* moved: look again */
    if (status != KVS_WOULD_BLOCK)
        return status;
    struct buf scratch;
    buf_init(&scratch, COLD_BYTES_MAX);
    status = native_fetch(native, lookup->slot.locator, no_block, &scratch, &record);
    if (status == KVS_OK)
        use(ctx, &record);
    buf_done(&scratch);
    return status == KVS_NOT_FOUND ? KVS_CONFLICT : status;
}

/* One try; KVS_CONFLICT: try again. */
static enum kvs_status view_once(struct lookup *lookup, const struct view *view, bool no_block,
                                 view_fn *use, void *ctx, uint64_t *ret_position)
{
    struct buf scratch;
    buf_init(&scratch, COLD_BYTES_MAX);
    struct log_record cold_record;
    bool have_cold = false;
    enum kvs_status status;
    for (;;) {
        epoch_enter();
        status = lookup_slot(lookup);
        if (status == KVS_WOULD_BLOCK) {
            status = lookup_read_cold(lookup, no_block, &scratch, &have_cold, &cold_record);
            if (status != KVS_OK)
                break;
            continue;
        }
        if (status != KVS_OK && status != KVS_NOT_FOUND) {
            epoch_leave();
            break;
        }
        bool older;
        status = judge(lookup, view, &older, ret_position);
        if (status != KVS_OK) {
            epoch_leave();
            break;
        }
        if (older) {
            status = use_older(lookup, no_block, use, ctx);
            break;
        }
        if (lookup->resident) {
            use(ctx, &lookup->record);
            epoch_leave();
            break;
        }
        epoch_leave();
        if (have_cold && lookup->known[lookup->known_count - 1].locator == lookup->slot.locator) {
            use(ctx, &cold_record); /* the record just read is the one the slot names */
        } else {
            /* read in an earlier round, before another cold slot: read it again */
            status = native_fetch(lookup->native, lookup->slot.locator, no_block, &scratch,
                                  &cold_record);
            if (status == KVS_OK)
                use(ctx, &cold_record);
            else if (status == KVS_NOT_FOUND)
                status = KVS_CONFLICT;
        }
        break;
    }
    buf_done(&scratch);
    return status;
}

enum kvs_status native_view(struct native *native, struct kvs_bytes key, const struct view *view,
                            bool no_block, view_fn *use, void *ctx, uint64_t *ret_position)
{
    for (;;) {
        struct lookup lookup;
        lookup_init(&lookup, native, key);
        *ret_position = 0;
        enum kvs_status status = view_once(&lookup, view, no_block, use, ctx, ret_position);
        if (status != KVS_CONFLICT || (view->at != UINT64_MAX && !view->is_snapshot))
            return status;
    }
}

struct get {
    kvs_visit_fn *visit;
    void *ctx;
};

static void show(void *ctx, const struct log_record *record)
{
    struct get *get = ctx;
    struct kvs_entry entry = entry_of(record);
    get->visit(get->ctx, &entry);
}

enum kvs_status native_get(struct kvs_engine *engine, const struct kvs_read *read,
                           struct kvs_bytes key, kvs_visit_fn *visit, void *ctx,
                           uint64_t *ret_position)
{
    struct get get = { visit, ctx };
    struct view view = view_of(read->snapshot);
    return native_view(native_of(engine), key, &view, read->no_block, show, &get, ret_position);
}
