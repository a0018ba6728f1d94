/*
 * write.c - applying a batch.
 *
 *   1. Encode the records, outside all locks.
 *   2. Take the append lock (log_append_begin); look up every key; check the conditions. A slot whose record is on disk
 *      cannot be judged under the lock: let go, read it, begin again (the lookups remember what they learnt).
 *   3. Place the records; put what is replaced into the version table where a snapshot, or a reader during the installing of a batch of
 *      several, may need it; install slot by slot. Whatever fails here (memory, a split that needs the disk) is undone in
 *      reverse: nothing of it was visible, and the place in the log is given back.
 *   4. Publish to the log, advance `visible`, do the accounting, let go.
 *
 * So versions, log order, index order and visibility agree, and KVS_CONFLICT or a failure has changed nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/fail.h"
#include "base/hash.h"
#include "concurrent/epoch.h"
#include "engine/native/state.h"

/* One operation that counts (later ones on the same key have replaced earlier ones), with its place in the batch. */
struct op_state {
    const struct kvs_op *op;
    struct lookup lookup;
    struct version_entry *older; /* what it put into the version table */
    uint64_t locator;            /* of the new record */
    size_t record;               /* its number in the batch */
    bool older_is_temporary;
};

struct write_scratch {
    struct write_scratch *next;
    struct log_batch batch;
    struct op_state *ops;
    size_t op_capacity;
    size_t op_count;
    struct lookup *conditions;
    size_t condition_capacity;
    uint32_t *table; /* op numbers + 1 by hash of key, for finding repeated keys */
    size_t table_capacity;
    struct buf cold;
    size_t range_count;
};

static void scratch_free(struct write_scratch *scratch)
{
    if (scratch == NULL)
        return;
    log_batch_done(&scratch->batch);
    buf_done(&scratch->cold);
    free(scratch->ops);
    free(scratch->conditions);
    free(scratch->table);
    free(scratch);
}

static struct write_scratch *scratch_take(struct native *native)
{
    mutex_lock(&native->scratch_mu);
    struct write_scratch *scratch = native->scratch_free;
    if (scratch != NULL)
        native->scratch_free = scratch->next;
    mutex_unlock(&native->scratch_mu);
    if (scratch == NULL) {
        scratch = calloc(1, sizeof *scratch);
        if (scratch == NULL)
            return NULL;
        log_batch_init(&scratch->batch);
        buf_init(&scratch->cold, 2 * LOG_INLINE_VALUE_MAX);
    }
    return scratch;
}

static void scratch_give(struct native *native, struct write_scratch *scratch)
{
    enum {
        KEEP_BYTES = 256 * 1024,
        KEEP_OPS = 1024
    };

    if (scratch->batch.bytes.capacity > KEEP_BYTES || scratch->op_capacity > KEEP_OPS ||
        scratch->condition_capacity > KEEP_OPS || scratch->cold.capacity > KEEP_BYTES) {
        scratch_free(scratch);
        return;
    }
    mutex_lock(&native->scratch_mu);
    scratch->next = native->scratch_free;
    native->scratch_free = scratch;
    mutex_unlock(&native->scratch_mu);
}

void write_scratch_free_all(struct native *native)
{
    while (native->scratch_free != NULL) {
        struct write_scratch *scratch = native->scratch_free;
        native->scratch_free = scratch->next;
        scratch_free(scratch);
    }
}

/* ---- 1. Encoding ---- */

static enum kvs_status check_limits(const struct kvs_write *write)
{
    size_t bytes = 0;
    if (write->op_count > KVS_BATCH_OPS_MAX)
        return fail(KVS_TOO_LONG, 0, "batch of %zu operations, at most %d", write->op_count,
                    KVS_BATCH_OPS_MAX);
    for (size_t i = 0; i < write->op_count; i++) {
        const struct kvs_op *op = &write->ops[i];
        if (op->key.len > KVS_ENGINE_KEY_MAX || op->end.len > KVS_ENGINE_KEY_MAX)
            return fail(KVS_TOO_LONG, 0, "key of %zu bytes, at most %d", op->key.len,
                        KVS_ENGINE_KEY_MAX);
        if (op->kind == KVS_OP_SET && op->blob == NULL && op->value.len > KVS_INLINE_MAX)
            return fail(KVS_TOO_LONG, 0, "value of %zu bytes in a batch, at most %d", op->value.len,
                        KVS_INLINE_MAX);
        bytes += op->key.len + op->end.len;
        if (op->kind == KVS_OP_SET && op->blob == NULL)
            bytes += op->value.len;
        else if (op->kind == KVS_OP_SET && !blob_is_chunked(op->blob))
            bytes += (size_t)native_blob_bytes(op->blob); /* becomes an ordinary record */
    }
    if (bytes > KVS_BATCH_BYTES_MAX)
        return fail(KVS_TOO_LONG, 0, "batch of %zu bytes, at most %d", bytes, KVS_BATCH_BYTES_MAX);
    return KVS_OK;
}

static enum kvs_status scratch_reserve(struct write_scratch *scratch, const struct kvs_write *write)
{
    if (write->op_count > scratch->op_capacity) {
        struct op_state *ops = realloc(scratch->ops, write->op_count * sizeof *ops);
        if (ops == NULL)
            return fail(KVS_NO_MEMORY, 0, "batch of %zu operations", write->op_count);
        scratch->ops = ops;
        scratch->op_capacity = write->op_count;
    }
    if (write->condition_count > scratch->condition_capacity) {
        struct lookup *conditions =
            realloc(scratch->conditions, write->condition_count * sizeof *conditions);
        if (conditions == NULL)
            return fail(KVS_NO_MEMORY, 0, "batch of %zu conditions", write->condition_count);
        scratch->conditions = conditions;
        scratch->condition_capacity = write->condition_count;
    }
    size_t table = 16;
    while (table < write->op_count * 2)
        table *= 2;
    if (write->op_count > 1) {
        if (table > scratch->table_capacity) {
            uint32_t *more = realloc(scratch->table, table * sizeof *more);
            if (more == NULL)
                return fail(KVS_NO_MEMORY, 0, "batch of %zu operations", write->op_count);
            scratch->table = more;
            scratch->table_capacity = table;
        }
        memset(scratch->table, 0, table * sizeof *scratch->table);
    }
    return KVS_OK;
}

/* Collects the operations that count into scratch->ops. */
static void collapse(struct write_scratch *scratch, struct native *native,
                     const struct kvs_write *write)
{
    size_t mask = 16;
    while (mask < write->op_count * 2)
        mask *= 2;
    mask--;
    scratch->op_count = 0;
    scratch->range_count = 0;
    for (size_t i = 0; i < write->op_count; i++) {
        const struct kvs_op *op = &write->ops[i];
        if (op->kind == KVS_OP_REMOVE_RANGE) {
            scratch->range_count++;
            continue;
        }
        struct op_state *state = NULL;
        if (write->op_count > 1) {
            size_t at = hash_bytes(op->key, 0) & mask;
            while (scratch->table[at] != 0 &&
                   !bytes_equal(scratch->ops[scratch->table[at] - 1].op->key, op->key))
                at = (at + 1) & mask;
            if (scratch->table[at] != 0)
                state = &scratch->ops[scratch->table[at] - 1];
            else
                scratch->table[at] = (uint32_t)scratch->op_count + 1;
        }
        if (state == NULL)
            state = &scratch->ops[scratch->op_count++];
        state->op = op;
        lookup_init(&state->lookup, native, op->key);
        state->older = NULL;
    }
}

static enum kvs_status encode_op(struct write_scratch *scratch, struct op_state *state,
                                 unsigned weak)
{
    const struct kvs_op *op = state->op;
    struct log_record record = { .kind = op->kind == KVS_OP_SET ? LOG_SET : LOG_REMOVE,
                                 .flags = weak,
                                 .key = op->key };
    if (op->kind == KVS_OP_SET) {
        record.expire_ms = op->expire_ms;
        record.value = op->value;
        record.value_bytes = op->value.len;
        if (op->blob != NULL) {
            enum kvs_status status = blob_finish(op->blob);
            if (status != KVS_OK)
                return status;
            bool chunked = blob_is_chunked(op->blob);
            record.value = chunked ? blob_list(op->blob) : blob_value(op->blob);
            record.value_bytes = native_blob_bytes(op->blob);
            record.flags |= chunked ? LOG_LARGE : 0u;
        }
    }
    state->record = scratch->batch.count;
    return log_batch_add(&scratch->batch, &record);
}

static enum kvs_status encode_records(struct write_scratch *scratch, const struct kvs_write *write)
{
    enum kvs_status status = KVS_OK;
    log_batch_clear(&scratch->batch);
    unsigned weak = write->durability == KVS_DURABILITY_ALWAYS ? 0 : LOG_WEAK;
    for (size_t i = 0; scratch->range_count != 0 && i < write->op_count; i++) {
        const struct kvs_op *op = &write->ops[i];
        if (op->kind != KVS_OP_REMOVE_RANGE)
            continue;
        struct log_record record = { .kind = LOG_REMOVE_RANGE,
                                     .flags = weak | (op->has_end ? 0u : LOG_OPEN_END),
                                     .key = op->key,
                                     .value = op->has_end ? op->end : bytes_of(NULL, 0),
                                     .value_bytes = op->has_end ? op->end.len : 0 };
        status = log_batch_add(&scratch->batch, &record);
        if (status != KVS_OK)
            return status;
    }
    for (size_t i = 0; i < scratch->op_count; i++) {
        status = encode_op(scratch, &scratch->ops[i], weak);
        if (status != KVS_OK)
            return status;
    }
    if (scratch->batch.count != 0)
        log_batch_seal(&scratch->batch);
    return KVS_OK;
}

/* Starts loading what the lookups under the lock will touch: there, others would wait for it too. */
static void prefetch_several(const struct write_scratch *scratch, struct native *native)
{
    struct kvs_bytes keys[INDEX_PROBES_MAX];
    for (size_t done = 0; done < scratch->op_count; done += INDEX_PROBES_MAX) {
        size_t left = scratch->op_count - done;
        size_t group = left < INDEX_PROBES_MAX ? left : INDEX_PROBES_MAX;
        for (size_t i = 0; i < group; i++)
            keys[i] = scratch->ops[done + i].op->key;
        native_prefetch(&native->base, group, keys);
    }
}

static enum kvs_status encode(struct write_scratch *scratch, struct native *native,
                              const struct kvs_write *write)
{
    enum kvs_status status = scratch_reserve(scratch, write);
    if (status != KVS_OK)
        return status;
    collapse(scratch, native, write);
    for (size_t i = 0; i < write->condition_count; i++)
        lookup_init(&scratch->conditions[i], native, write->conditions[i].key);
    if (scratch->op_count != 1 || scratch->ops[0].op->blob != NULL) {
        status = encode_records(scratch, write);
        prefetch_several(scratch, native);
        return status;
    }
    /* The leaf is on its way while the record is encoded, then the old record. */
    struct index_probe probe;
    epoch_enter();
    index_probe(native->index, 1, &scratch->ops[0].op->key, &probe);
    status = encode_records(scratch, write);
    uint64_t locator = index_probe_peek(&probe);
    if (locator != 0)
        log_prefetch(native->log, locator);
    epoch_leave();
    return status;
}

/* ---- 2. Looking up and checking, under the append lock and inside an epoch section ---- */

/* What the newest version of the key is, range removals counted in. */
static bool key_exists(struct native *native, const struct lookup *lookup, uint64_t *ret_position)
{
    if (lookup->slot.locator == 0) {
        *ret_position = 0;
        return false;
    }
    uint64_t removed = ranges_cover(&native->ranges, lookup->key, lookup->slot.version, UINT64_MAX);
    *ret_position = removed != 0                           ? removed
                    : (lookup->slot.flags & LOG_WEAK) != 0 ? 0
                                                           : lookup->slot.version;
    return removed == 0 && slot_lives(native, &lookup->slot, 0);
}

/* Looks at the record of one key of a range; *ret_more false: the key is past its end. */
static enum kvs_status key_untouched(const struct kvs_range *range, uint64_t version,
                                     const struct log_record *record, struct buf *last,
                                     uint64_t *ret_position, bool *ret_more)
{
    if (!range_has(range, record->key)) {
        *ret_more = false;
        return KVS_OK;
    }
    if (record->version > version) {
        *ret_position = (record->flags & LOG_WEAK) != 0 ? 0 : record->version;
        return KVS_CONFLICT;
    }
    buf_truncate(last, 0);
    buf_append_bytes(last, record->key);
    return last->failed;
}

/*
 * KVS_OK, KVS_CONFLICT: something in the range was touched after its version; KVS_WOULD_BLOCK; failures. Costs a look at every
 * key of the range. A caller who may wait reads cold records under the lock.
 */
static enum kvs_status range_untouched(struct native *native, const struct kvs_condition *condition,
                                       bool no_block, struct buf *cold, uint64_t *ret_position)
{
    struct kvs_range range = { .start = condition->key, .end = condition->end, .has_end = true };
    uint64_t removed = ranges_meet(&native->ranges, &range, condition->version);
    if (removed != 0) {
        *ret_position = removed;
        return KVS_CONFLICT;
    }
    uint64_t locators[INDEX_SCAN_MIN];
    struct buf last;
    buf_init(&last, KVS_ENGINE_KEY_MAX);
    struct index_scan scan = { .from = condition->key, .no_block = no_block };
    enum kvs_status status = KVS_OK;
    bool more = true;
    while (status == KVS_OK && more) {
        size_t count;
        status = index_scan(native->index, &scan, locators, INDEX_SCAN_MIN, &count);
        if (status != KVS_OK || count == 0)
            break;
        for (size_t i = 0; status == KVS_OK && more && i < count; i++) {
            struct log_record record;
            epoch_enter();
            status = log_peek(native->log, locators[i], &record);
            if (status == KVS_OK)
                status =
                    key_untouched(&range, condition->version, &record, &last, ret_position, &more);
            epoch_leave();
            if (status != KVS_WOULD_BLOCK || no_block)
                continue;
            status = native_fetch(native, locators[i], false, cold, &record);
            if (status == KVS_OK)
                status =
                    key_untouched(&range, condition->version, &record, &last, ret_position, &more);
        }
        scan.from = buf_bytes(&last);
        scan.exclusive = true;
    }
    buf_done(&last);
    return status;
}

static enum kvs_status check_condition(struct native *native, const struct kvs_condition *condition,
                                       bool no_block, struct buf *cold, struct lookup *lookup,
                                       uint64_t *ret_position)
{
    if (condition->kind == KVS_IF_UNTOUCHED && condition->has_end)
        return range_untouched(native, condition, no_block, cold, ret_position);
    epoch_enter();
    enum kvs_status status = lookup_slot(lookup);
    epoch_leave();
    if (status != KVS_OK && status != KVS_NOT_FOUND)
        return status;
    bool exists = key_exists(native, lookup, ret_position);
    bool holds = false;
    switch (condition->kind) {
    case KVS_IF_ABSENT:
        holds = !exists;
        break;
    case KVS_IF_VERSION:
        holds = exists && lookup->slot.version == condition->version;
        break;
    case KVS_IF_UNTOUCHED:
        /* A range removal touches a key that was there, not one that was absent. */
        holds =
            lookup->slot.locator == 0 ||
            (lookup->slot.version <= condition->version &&
             (lookup->slot.kind != LOG_SET ||
              ranges_cover(&native->ranges, condition->key, condition->version, UINT64_MAX) == 0));
        break;
    }
    return holds ? KVS_OK : KVS_CONFLICT;
}

/* *ret_blocked: the lookup that met a cold slot (NULL with KVS_WOULD_BLOCK: a range did). */
static enum kvs_status look_and_check(struct native *native, struct write_scratch *scratch,
                                      const struct kvs_write *write, struct kvs_written *ret,
                                      struct lookup **ret_blocked)
{
    *ret_blocked = NULL;
    for (size_t i = 0; i < write->condition_count; i++) {
        struct lookup *lookup = &scratch->conditions[i];
        uint64_t position = 0;
        enum kvs_status status = check_condition(native, &write->conditions[i], write->no_block,
                                                 &scratch->cold, lookup, &position);
        ret->failed_condition = i;
        ret->position = position;
        if (status == KVS_WOULD_BLOCK && lookup->cold != 0)
            *ret_blocked = lookup;
        if (status != KVS_OK)
            return status;
    }
    epoch_enter();
    for (size_t i = 0; i < scratch->op_count; i++) {
        struct lookup *lookup = &scratch->ops[i].lookup;
        enum kvs_status status = lookup_slot(lookup);
        if (status == KVS_WOULD_BLOCK)
            *ret_blocked = lookup;
        if (status != KVS_OK && status != KVS_NOT_FOUND) {
            epoch_leave();
            return status;
        }
    }
    epoch_leave();
    return KVS_OK;
}

/* Reads what a lookup stopped at, with no lock held. */
static enum kvs_status unblock(struct write_scratch *scratch, const struct kvs_write *write,
                               struct lookup *blocked)
{
    if (blocked == NULL)
        return KVS_WOULD_BLOCK; /* a range condition that may not wait */
    bool same;
    struct log_record record;
    epoch_enter();
    return lookup_read_cold(blocked, write->no_block, &scratch->cold, &same, &record);
}

/* ---- 3. Installing ---- */

/*
 * Takes a half installed batch back. Readers may have met its slots, know its version from them, and look for what they replace in
 * the version table: so the slots are put back first, then all readers of before are waited for, and only then do the table's
 * entries go and may version and place be given to the next batch.
 */
static void undo_ops(struct native *native, struct write_scratch *scratch, size_t installed)
{
    for (size_t i = installed; i-- > 0;) {
        struct op_state *state = &scratch->ops[i];
        enum kvs_status status = KVS_OK;
        if (state->locator == 0)
            continue; /* a removal of nothing: not installed */
        if (state->lookup.slot.locator != 0)
            status = index_put(native->index, state->op->key, state->locator,
                               state->lookup.slot.locator, true);
        else
            status = index_remove(native->index, state->op->key, state->locator);
        CHECK(status == KVS_OK); /* putting back in place and removing never fail */
    }
    if (installed != 0) {
        /* release: before the place is used again. pairs with: look (iterate.c) */
        atomic_fetch_add_explicit(&native->places_reused, 1, memory_order_release);
        epoch_wait();
    }
    /* release: nobody has the version any more, and the next batch may get the same. pairs with: visible_help */
    atomic_store_explicit(&native->installing, 0, memory_order_release);
    for (size_t i = 0; i < scratch->op_count; i++) {
        if (scratch->ops[i].older != NULL)
            versions_undo(&native->versions, scratch->ops[i].older);
        scratch->ops[i].older = NULL;
    }
}

static bool removes_nothing(const struct op_state *state)
{
    const struct slot_info *old = &state->lookup.slot;
    return state->op->kind == KVS_OP_REMOVE && (old->locator == 0 || old->kind == LOG_REMOVE);
}

/* What each operation replaces goes into the version table where somebody may need it. */
static enum kvs_status keep_older(struct native *native, struct write_scratch *scratch,
                                  uint64_t version, bool several)
{
    for (size_t i = 0; i < scratch->op_count; i++) {
        struct op_state *state = &scratch->ops[i];
        const struct slot_info *old = &state->lookup.slot;
        if (old->locator == 0 || removes_nothing(state))
            continue;
        /* A range removal may have hidden it before. Then a snapshot that is newer than the removal must not keep it: the removal is
         * forgotten when no snapshot is older, and the record would come back. */
        uint64_t removed = ranges_first_cover(&native->ranges, state->op->key, old->version);
        uint64_t superseded = removed != 0 ? removed : version;
        bool needed = versions_needed(&native->versions, old->version, superseded);
        if (!needed && !several)
            continue;
        enum kvs_status status =
            versions_add(&native->versions, state->op->key, old, superseded, &state->older);
        if (status != KVS_OK)
            return status;
        state->older_is_temporary = !needed;
    }
    return KVS_OK;
}

static enum kvs_status install_ranges(struct native *native, const struct kvs_write *write,
                                      uint64_t version)
{
    for (size_t i = 0; i < write->op_count; i++) {
        const struct kvs_op *op = &write->ops[i];
        if (op->kind != KVS_OP_REMOVE_RANGE)
            continue;
        struct kvs_range range = { .start = op->key, .end = op->end, .has_end = op->has_end };
        enum kvs_status status = ranges_add(&native->ranges, &range, version);
        if (status != KVS_OK)
            return status;
    }
    return KVS_OK;
}

static enum kvs_status install_slots(struct native *native, struct write_scratch *scratch,
                                     bool no_block, size_t *ret_installed)
{
    enum kvs_status status = KVS_OK;
    size_t i = 0;
    for (; i < scratch->op_count; i++) {
        struct op_state *state = &scratch->ops[i];
        uint64_t old = state->lookup.slot.locator;
        if (removes_nothing(state)) {
            state->locator = 0;
            continue;
        }
        /* A split may need keys from the disk. A caller who may wait then waits under the lock, for the few keys of one leaf. */
        if (no_block)
            epoch_enter();
        status = index_put(native->index, state->op->key, old, state->locator, no_block);
        if (no_block)
            epoch_leave();
        if (status != KVS_OK)
            break;
    }
    *ret_installed = i;
    return status;
}

/* For the replay: what is true of the index now, and can be relied on whatever compaction and sweeping do without a record. So
 * nothing is said of a tombstone, which may be an expired value at the replay. */
static enum log_replaced replaced_by(const struct op_state *state)
{
    const struct slot_info *old = &state->lookup.slot;
    if (old->locator == 0 || removes_nothing(state))
        return LOG_REPLACED_NOTHING;
    if (old->kind != LOG_SET)
        return LOG_REPLACED_UNKNOWN;
    return old->expire_ms != 0 ? LOG_REPLACED_EXPIRING : LOG_REPLACED_VALUE;
}

/* Places, installs, publishes; all or nothing. Under the append lock. */
static enum kvs_status install(struct native *native, struct write_scratch *scratch,
                               const struct kvs_write *write, struct log_place *ret_place)
    REQUIRES(log_append_mutex(native->log))
{
    struct log_place place;
    for (size_t i = 0; i < scratch->op_count; i++)
        log_batch_replaces(&scratch->batch, scratch->ops[i].record, replaced_by(&scratch->ops[i]));
    log_append_place(native->log, &scratch->batch, &place);
    for (size_t i = 0; i < scratch->op_count; i++)
        scratch->ops[i].locator =
            log_place_locator(&place, &scratch->batch, scratch->ops[i].record);
    bool several = scratch->op_count + scratch->range_count > 1;

    size_t installed = 0;
    enum kvs_status status = keep_older(native, scratch, place.version, several);
    if (status == KVS_OK)
        status = install_ranges(native, write, place.version);
    if (status == KVS_OK) {
        /* release: before the first slot. pairs with: visible_help */
        if (several)
            atomic_store_explicit(&native->installing, place.version, memory_order_release);
        status = install_slots(native, scratch, write->no_block, &installed);
    }
    if (status != KVS_OK) {
        undo_ops(native, scratch, installed);
        if (scratch->range_count != 0)
            ranges_undo(&native->ranges, place.version);
        log_append_cancel(native->log);
        return status;
    }
    log_append_publish(native->log);
    /* release: the slots and what they refer to. pairs with: every load of visible. Never backwards: a reader may have helped. */
    atomic_store_explicit(&native->visible, place.version, memory_order_release);
    *ret_place = place;
    return KVS_OK;
}

/* ---- 4. Accounting ---- */

void native_account_range(struct native *native, uint64_t locator, uint32_t stored_bytes)
{
    log_account(native->log, locator, stored_bytes, 0);
    log_account_idle(native->log, locator);
}

void native_record_dead(struct native *native, const struct slot_info *slot)
{
    log_account(native->log, slot->locator, -(int64_t)slot->stored_bytes, slot->expire_ms);
    if ((slot->flags & LOG_LARGE) == 0)
        return;
    struct large *large = large_take(&native->larges, slot->locator);
    for (size_t i = 0; large != NULL && i < large->count; i++)
        log_account(native->log, large->chunks[i].locator, -(int64_t)large->chunks[i].stored_bytes,
                    0);
    large_free(large);
}

static void record_dead(void *ctx, const struct slot_info *slot)
{
    native_record_dead(ctx, slot);
}

static void count_key(struct native *native, struct kvs_bytes key, const struct slot_info *old,
                      const struct kvs_op *op)
{
    bool was = old->locator != 0 && old->kind == LOG_SET;
    bool is = op->kind == KVS_OP_SET;
    int64_t keys = (int64_t)is - (int64_t)was;
    int64_t expiring = (int64_t)(is && op->expire_ms != 0) - (int64_t)(was && old->expire_ms != 0);
    /* relaxed: figures; changed under the append lock only */
    if (keys != 0)
        atomic_fetch_add_explicit(&native->keys[first_byte(key)], keys, memory_order_relaxed);
    if (expiring != 0)
        atomic_fetch_add_explicit(&native->keys_expiring, expiring, memory_order_relaxed);
}

static void account(struct native *native, struct write_scratch *scratch,
                    const struct log_place *place)
{
    uint64_t version = place->version;
    for (size_t i = 0; i < scratch->range_count; i++) /* the first records of the batch */
        native_account_range(native, log_place_locator(place, &scratch->batch, i),
                             log_batch_record_bytes(&scratch->batch, i));
    for (size_t i = 0; i < scratch->op_count; i++) {
        struct op_state *state = &scratch->ops[i];
        const struct slot_info *old = &state->lookup.slot;
        if (state->locator == 0)
            continue;
        int64_t bytes = log_batch_record_bytes(&scratch->batch, state->record);
        log_account(native->log, state->locator, bytes,
                    state->op->kind == KVS_OP_SET ? state->op->expire_ms : 0);
        count_key(native, state->op->key, old, state->op);
        if (state->op->kind == KVS_OP_REMOVE)
            tombs_push(native, version, state->locator);
        else if (state->op->blob != NULL)
            blob_commit(state->op->blob, state->locator);
        if (old->locator == 0)
            continue;
        if (old->kind == LOG_SET)
            log_note_stale(native->log, old->locator, old->version);
        if (state->older == NULL)
            native_record_dead(native, old);
        else if (state->older_is_temporary)
            versions_drop(&native->versions, state->older, record_dead, native);
    }
}

/* Blobs whose operation was replaced by a later one of the same batch are consumed as well. */
static void free_collapsed_blobs(struct write_scratch *scratch, const struct kvs_write *write)
{
    for (size_t i = 0; i < write->op_count; i++) {
        const struct kvs_op *op = &write->ops[i];
        if (op->kind != KVS_OP_SET || op->blob == NULL)
            continue;
        bool used = false;
        for (size_t j = 0; !used && j < scratch->op_count; j++)
            used = scratch->ops[j].op == op;
        if (!used)
            native_blob_free(op->blob);
    }
}

/* ---- The whole ---- */

static bool nothing_to_do(const struct write_scratch *scratch)
{
    if (scratch->range_count != 0)
        return false;
    for (size_t i = 0; i < scratch->op_count; i++) {
        if (!removes_nothing(&scratch->ops[i]))
            return false;
    }
    return true;
}

/* What the answer of a batch that changes nothing depends on. */
static uint64_t learnt_position(struct native *native, const struct write_scratch *scratch,
                                const struct kvs_write *write)
{
    uint64_t newest = 0;
    for (size_t i = 0; i < scratch->op_count + write->condition_count; i++) {
        const struct lookup *lookup = i < scratch->op_count
                                          ? &scratch->ops[i].lookup
                                          : &scratch->conditions[i - scratch->op_count];
        uint64_t position;
        (void)key_exists(native, lookup, &position);
        if (position > newest)
            newest = position;
    }
    return newest;
}

static enum kvs_status over_budget(struct native *native, const struct write_scratch *scratch)
{
    if (!atomic_load_explicit(&native->over_budget,
                              memory_order_relaxed)) /* a hint, set now and then */
        return KVS_OK;
    for (size_t i = 0; i < scratch->op_count; i++) {
        if (scratch->ops[i].op->kind != KVS_OP_SET || scratch->ops[i].lookup.slot.locator != 0)
            continue;
        struct index_stats stats;
        index_stats(native->index, &stats);
        return fail(KVS_OVER_BUDGET, 0,
                    "the index takes %llu bytes of a budget of %llu; new keys are refused",
                    (unsigned long long)stats.bytes, (unsigned long long)native->memory_bytes);
    }
    return KVS_OK;
}

/* One try. KVS_WOULD_BLOCK with *ret_retry: something cold was read in, try again. */
static enum kvs_status try_write(struct native *native, struct write_scratch *scratch,
                                 const struct kvs_write *write, struct kvs_written *ret,
                                 bool *ret_retry) NO_THREAD_SAFETY_ANALYSIS
{
    *ret_retry = false;
    bool appends = scratch->batch.count != 0;
    if (appends) {
        enum kvs_status status =
            log_append_begin(native->log, scratch->batch.bytes.len, write->no_block);
        if (status != KVS_OK)
            return status;
    } else {
        log_lock(native->log);
    }
    struct lookup *blocked;
    enum kvs_status status = look_and_check(native, scratch, write, ret, &blocked);
    if (status == KVS_WOULD_BLOCK) {
        log_unlock(native->log);
        status = unblock(scratch, write, blocked);
        *ret_retry = status == KVS_OK;
        return status;
    }
    if (status == KVS_OK && (!appends || nothing_to_do(scratch))) {
        ret->position = learnt_position(native, scratch, write);
        free_collapsed_blobs(scratch, write);
        log_unlock(native->log);
        return KVS_OK;
    }
    if (status == KVS_OK)
        status = over_budget(native, scratch);
    struct log_place place;
    if (status == KVS_OK)
        status = install(native, scratch, write, &place);
    if (status == KVS_OK) {
        ret->position = place.version;
        free_collapsed_blobs(scratch, write);
        account(native, scratch, &place);
    }
    log_unlock(native->log);
    return status;
}

enum kvs_status native_write(struct kvs_engine *engine, const struct kvs_write *write,
                             struct kvs_written *ret)
{
    struct native *native = native_of(engine);
    *ret = (struct kvs_written){ 0 };
    if (native->read_only && write->op_count != 0)
        return fail(KVS_READ_ONLY, 0, "the store was opened read-only");
    enum kvs_status status = check_limits(write);
    if (status != KVS_OK)
        return status;
    struct write_scratch *scratch = scratch_take(native);
    if (scratch == NULL)
        return fail(KVS_NO_MEMORY, 0, "write");
    status = encode(scratch, native, write);
    bool retry = status == KVS_OK;
    while (retry)
        status = try_write(native, scratch, write, ret, &retry);
    scratch_give(native, scratch);

    if (status == KVS_CONFLICT)
        atomic_fetch_add_explicit(&native->write_conflicts, 1,
                                  memory_order_relaxed); /* a statistic */
    return status;
}
