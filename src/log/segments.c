/*
 * segments.c - the list of segments and what the manifest says of them: creating, listing, dropping.
 *
 * Order on disk. Creating: header written and synced, directory synced, manifest replaced, and only then the first record.
 * Dropping: manifest replaced, and only then, when nobody needs it, the file removed. So at any moment every segment
 * that the manifest names is there with a good header, and a file of ours that it does not name holds nothing.
 *
 * When replacing the manifest fails, either the old or the new one is on disk and nobody knows which. A segment being created
 * is then kept aside (spare) with its file, so that both are right, and the next creation takes it up; the ones being dropped
 * keep their files for the same reason.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/hash.h"
#include "log/state.h"

/* The lowest free slot from the hint on; false when all are taken. */
static bool slot_take(struct log *log, uint32_t *ret)
{
    bool found = false;
    mutex_lock(&log->table_mu);
    for (uint32_t i = 0; i < SLOT_COUNT && !found; i++) {
        uint32_t slot = (log->slot_hint + i) % SLOT_COUNT;
        /* acquire: the slot's last user is done with it. pairs with: segment_leave_slot */
        if (atomic_load_explicit(&log->slots[slot].segment, memory_order_acquire) != NULL)
            continue;
        /* Round and round: a slot rests as long as possible, and the search is short. Small logs start over at 4096. */
        log->slot_hint = slot + 1 < SLOT_COUNT && (slot + 1) % 4096 != 0 ? slot + 1 : 0;
        *ret = slot;
        found = true;
    }
    mutex_unlock(&log->table_mu);
    return found;
}

enum kvs_status segments_add(struct log *log, struct segment *segment)
{
    enum kvs_status status = KVS_OK;
    mutex_lock(&log->table_mu);
    if (log->segment_count == log->segment_capacity) {
        size_t capacity = log->segment_capacity == 0 ? 16 : log->segment_capacity * 2;
        struct segment **more = realloc(log->segments, capacity * sizeof(struct segment *));
        if (more == NULL) {
            status = fail(KVS_NO_MEMORY, ENOMEM, "list of %zu segments", capacity);
        } else {
            log->segments = more;
            log->segment_capacity = capacity;
        }
    }
    if (status == KVS_OK) {
        size_t at = log->segment_count++;
        for (; at > 0 && log->segments[at - 1]->header.id > segment->header.id; at--)
            log->segments[at] = log->segments[at - 1];
        log->segments[at] = segment;
    }
    mutex_unlock(&log->table_mu);
    return status;
}

static void segments_remove(struct log *log, const struct segment *segment)
{
    mutex_lock(&log->table_mu);
    size_t kept = 0;
    for (size_t i = 0; i < log->segment_count; i++) {
        if (log->segments[i] != segment)
            log->segments[kept++] = log->segments[i];
    }
    log->segment_count = kept;
    mutex_unlock(&log->table_mu);
}

/* What the manifest shall say of @segment. */
static struct manifest_entry entry_of(const struct segment *segment)
{
    struct manifest_entry entry = {
        .id = segment->header.id,
        .incarnation = segment->header.incarnation,
        .base = segment->header.base,
        .capacity = segment->header.capacity,
        .slot = segment->header.slot,
        .start_chain = segment->start_chain,
        .flags = segment->chain_known ? MANIFEST_CHAIN : 0,
    };
    /* Sealed before end before synced: a segment that looks complete is. */
    bool sealed = segment_is_sealed(segment);
    uint64_t synced = extent_get(&segment->synced);
    bool complete = sealed && synced == extent_get(&segment->end);
    if (segment->header.side) {
        entry.flags |= MANIFEST_SIDE;
        /* What was found behind the proven end at opening stays unproven. */
        complete = complete && segment->shown_end == UINT64_MAX;
        entry.proven = segment->shown_end == UINT64_MAX ? synced : segment->proven;
    } else if (complete || segment->final) {
        entry.proven = segment->final ? segment->proven : synced;
    }
    if (complete || segment->final)
        entry.flags |= MANIFEST_FINAL;
    if (segment->recovered)
        entry.flags |= MANIFEST_RECOVERED;
    return entry;
}

void segments_describe(struct log *log, struct manifest *manifest)
{
    memcpy(manifest->store_id, log->store_id, STORE_ID_BYTES);
    manifest->next_id = log->next_id;
    manifest->next_base = log->next_base;
    manifest->durable = log_durable(log);
    manifest->time_ms = log_now_ms(log);
    manifest->session =
        atomic_load_explicit(&log->session, memory_order_relaxed); /* relaxed: under manifest_mu */
    for (size_t i = log->checkpoint_first; i < log->checkpoint_count; i++) {
        const struct checkpoint_file *file = &log->checkpoints[i];
        manifest->checkpoints[manifest->checkpoint_count++] =
            (struct manifest_checkpoint){ file->id, file->incarnation, file->bytes };
    }
    mutex_lock(&log->append_mu);                                   /* for start_chain */
    for (size_t i = 0; i < log->segment_count; i++) {
        if (!log->segments[i]->dropping)
            manifest->entries[manifest->count++] = entry_of(log->segments[i]);
    }
    mutex_unlock(&log->append_mu);
}

/* The manifest is durable: remember what it proves. */
static void note_proven(struct log *log, const struct manifest *manifest)
{
    size_t at = 0;
    for (uint32_t i = 0; i < manifest->count; i++) {
        while (log->segments[at]->header.id != manifest->entries[i].id)
            at++;
        log->segments[at]->proven = manifest->entries[i].proven;
        log->segments[at]->final = manifest->entries[i].flags & MANIFEST_FINAL;
    }
}

enum kvs_status segments_store(struct log *log)
{
    CHECK(!log->read_only);
    struct manifest manifest = {
        .entries = calloc(log->segment_count + 1, sizeof *manifest.entries),
        .checkpoints = calloc(log->checkpoint_count + 1, sizeof *manifest.checkpoints),
    };
    if (manifest.entries == NULL || manifest.checkpoints == NULL) {
        manifest_done(&manifest);
        return fail(KVS_NO_MEMORY, ENOMEM, "manifest of %zu segments", log->segment_count);
    }
    segments_describe(log, &manifest);
    enum kvs_status status = manifest_write(log->io, log->dir, &manifest);
    if (status == KVS_OK)
        note_proven(log, &manifest);
    else if (status != KVS_DISK_FULL && status != KVS_NO_MEMORY)
        (void)log_fail(log, status);
    manifest_done(&manifest);
    return status;
}

/* The file of a new segment: reserved, with a durable header, in a durable directory. */
static enum kvs_status create_file(struct segment *segment, uint64_t first_allocation)
{
    struct log *log = segment->log;
    char *path = log_path(log, segment->name);
    if (path == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "path of %s", segment->name);
    uint64_t first = first_allocation < SPACE_STEP_MIN ? SPACE_STEP_MIN : first_allocation;
    if (first > segment->header.capacity)
        first = segment->header.capacity;
    uint8_t bytes[SEGMENT_HEADER_BYTES];
    segment_header_encode(&segment->header, bytes);

    enum kvs_status status = io_open(log->io, path, IO_CREATE, &segment->file);
    bool made = status == KVS_OK;
    if (status == KVS_OK)
        status = segment->file->ops->allocate(segment->file, 0, first);
    if (status == KVS_OK)
        status = segment->file->ops->write(segment->file, 0, bytes, sizeof bytes);
    if (status == KVS_OK)
        status = segment->file->ops->sync(segment->file);
    if (status == KVS_OK)
        status = log->io->ops->sync_dir(log->io, log->dir);
    if (status == KVS_OK)
        extent_set(&segment->allocated, first);
    if (status != KVS_OK && made) {
        char text[FAIL_TEXT_BYTES];
        fail_save(text);
        (void)log->io->ops->unlink(log->io,
                                   path); /* a leftover would be removed by the next opening */
        (void)fail_restore(status, text);
    }
    free(path);
    return status;
}

static enum kvs_status create_unlisted(struct log *log, bool side, bool resident, size_t min_bytes,
                                       uint64_t first_allocation, struct segment **ret)
    REQUIRES(&log->manifest_mu)
{
    uint64_t capacity =
        SEGMENT_HEADER_BYTES + align_up(min_bytes) + (side ? 0 : 2 * GROUP_HEADER_BYTES);
    if (capacity < log->segment_bytes)
        capacity = log->segment_bytes;
    CHECK(capacity <= SEGMENT_BYTES_MAX);
    struct segment_header header = {
        .id = log->next_id,
        .incarnation = hash_u64(log->next_id ^ random_u64(&log->random)),
        .base = side ? 0 : log->next_base,
        .capacity = (uint32_t)capacity,
        .side = side,
        .created_ms = log_now_ms(log),
    };
    memcpy(header.store_id, log->store_id, STORE_ID_BYTES);
    if (!slot_take(log, &header.slot))
        return fail(KVS_OVER_BUDGET, 0, "all %d segments are in use", SLOT_COUNT);
    struct segment *segment = NULL;
    enum kvs_status status = segment_new(log, &header, &segment);
    if (status != KVS_OK)
        return status;
    log->next_id++; /* never given again, not even when this fails */
    if (!side)
        log->next_base += capacity;
    if (resident) {
        struct frame *frame = frame_new(capacity);
        if (frame == NULL)
            status = fail(KVS_NO_MEMORY, ENOMEM, "memory for %s", segment->name);
        else
            segment_publish_frame(segment, frame);
    }
    if (status == KVS_OK)
        status = create_file(segment, first_allocation);
    if (status != KVS_OK) {
        segment_free(segment);
        return status;
    }
    *ret = segment;
    return KVS_OK;
}

/* What an earlier creation left behind: of use again, or listed as it is, empty, for compaction to drop. */
static enum kvs_status take_spare(struct log *log, bool side, bool resident, size_t min_bytes,
                                  struct segment **ret) REQUIRES(&log->manifest_mu)
{
    struct segment *spare = log->spare[side];
    *ret = NULL;
    if (spare == NULL)
        return KVS_OK;
    uint64_t room =
        spare->header.capacity - SEGMENT_HEADER_BYTES - (side ? 0 : 2 * GROUP_HEADER_BYTES);
    if (room >= align_up(min_bytes) && resident == (spare->frame != NULL)) {
        log->spare[side] = NULL;
        *ret = spare;
        return KVS_OK;
    }
    enum kvs_status status = segments_add(log, spare);
    if (status == KVS_OK) {
        segment_seal(spare);
        log->spare[side] = NULL;
    }
    return status;
}

enum kvs_status segment_create(struct log *log, bool side, bool resident, size_t min_bytes,
                               uint64_t first_allocation, struct segment **ret)
{
    enum kvs_status status = log_failure(log);
    struct segment *segment = NULL;
    if (status == KVS_OK)
        status = take_spare(log, side, resident, min_bytes, &segment);
    if (status == KVS_OK && segment == NULL)
        status = create_unlisted(log, side, resident, min_bytes, first_allocation, &segment);
    if (status == KVS_OK) {
        mutex_lock(&log->append_mu);
        segment->chain_known = side || log->active == NULL || segment_is_sealed(log->active);
        segment->start_chain = side ? 0 : log->chain;
        mutex_unlock(&log->append_mu);
        status = segments_add(log, segment);
        if (status != KVS_OK) {
            log->spare[side] = segment;
            return status;
        }
        status = segments_store(log);
        if (status != KVS_OK) {
            segments_remove(log, segment);
            log->spare[side] = segment;
        }
    }
    /* relaxed: a mark for log_health() */
    if (status == KVS_OK || status == KVS_DISK_FULL)
        atomic_store_explicit(&log->disk_full, status == KVS_DISK_FULL, memory_order_relaxed);
    if (status != KVS_OK && status != KVS_DISK_FULL && status != KVS_NO_MEMORY &&
        status != KVS_OVER_BUDGET)
        return log_fail(log, status);
    if (status == KVS_OK)
        *ret = segment;
    return status;
}

static void unref_dropped(struct epoch_node *node)
{
    segment_unref((struct segment *)node);
}

enum kvs_status segments_drop(struct log *log, struct segment *const *segments, size_t count)
{
    for (size_t i = 0; i < count; i++)
        segments[i]->dropping = true;
    enum kvs_status status = segments_store(log);
    for (size_t i = 0; i < count; i++) {
        struct segment *segment = segments[i];
        segment->dropping = false;
        if (status != KVS_OK)
            continue;
        segments_remove(log, segment);
        /* release: nothing special; relaxed would do, the epoch orders it. pairs with: log_pin */
        atomic_store_explicit(&segment->dropped, true, memory_order_release);
        atomic_store_explicit(&segment->slot->frame, NULL,
                              memory_order_relaxed); /* relaxed: likewise */
        log_retire(log, &segment->node, unref_dropped);
    }
    return status;
}
