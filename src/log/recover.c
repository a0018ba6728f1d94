/*
 * recover.c - what lies behind the proven end is either made durable somewhere else, or gone.
 *
 * After a crash of the process the tail may be in the page cache only, and whether a sync of the old file would reach the disk nobody
 * can tell (an earlier one may have failed, and a failed sync forgets). So the whole batches behind the proven end are copied,
 * as moved records with the versions they have, into new side segments; these are synced; and then one manifest says all at
 * once: the copies are proven, the old segments end at the proven end, later ones are gone. Chunks of large values are copied as well,
 * for the same reason, and the copies of their lists name the new ones. A batch whose chunks are not whole ends the tail.
 *
 * A crash at any point leaves the old manifest, and then all of this is done again (what was copied is unproven, so it does not
 * count), or the new one, and then it is done.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/check.h"
#include "log/replay.h"

struct recovery {
    struct replay *replay;
    struct log_side *side;
    struct buf chunk; /* as fetched */
    struct buf list;  /* of new locators */
    uint64_t records;
};

/* Reads one chunk of @record; *ret_good false when there is none that verifies. */
static enum kvs_status fetch_chunk(struct recovery *recovery, const struct log_record *record,
                                   size_t i, struct log_record *ret, bool *ret_good)
{
    struct log *log = recovery->replay->log;
    uint64_t locator = get_u64((const uint8_t *)record->value.data + i * 8);
    enum kvs_status status = log_fetch(log, locator, false, &recovery->chunk, ret);
    *ret_good = status == KVS_OK && ret->kind == LOG_CHUNK;
    return status == KVS_CORRUPT ? KVS_OK : status;
}

/* Whether the large values of the batch are whole. */
static enum kvs_status batch_may_stay(void *ctx, struct segment *segment, const uint8_t *data,
                                      uint64_t off, uint64_t end, bool *ret_may)
{
    struct recovery *recovery = ctx;
    while (off < end) {
        struct log_record record;
        uint32_t stored = record_decode(data + off, end - off, segment->header.base + off, &record);
        CHECK(stored != 0); /* verified by the walk that found the batch */
        size_t chunks = record.flags & LOG_LARGE ? record.value.len / 8 : 0;
        uint64_t bytes = 0;
        for (size_t i = 0; i < chunks; i++) {
            struct log_record chunk;
            enum kvs_status status = fetch_chunk(recovery, &record, i, &chunk, ret_may);
            if (status != KVS_OK || !*ret_may)
                return status;
            bytes += chunk.value.len;
        }
        if ((record.flags & LOG_LARGE) && bytes != record.value_bytes)
            *ret_may = false;
        if (!*ret_may)
            return KVS_OK;
        off += stored;
    }
    return KVS_OK;
}

static enum kvs_status copy_chunks(struct recovery *recovery, const struct log_record *record)
{
    buf_truncate(&recovery->list, 0);
    for (size_t i = 0; i < record->value.len / 8; i++) {
        struct log_record chunk;
        bool good = false;
        enum kvs_status status = fetch_chunk(recovery, record, i, &chunk, &good);
        if (status != KVS_OK)
            return status;
        if (!good)
            return fail(KVS_CORRUPT, 0, "a chunk has changed while it was copied");
        uint64_t locator = 0;
        uint32_t stored;
        status = log_side_append(recovery->side, &chunk, &locator, &stored);
        if (status != KVS_OK)
            return status;
        uint8_t bytes[8];
        put_u64(bytes, locator);
        buf_append(&recovery->list, bytes, sizeof bytes);
    }
    return recovery->list.failed;
}

static enum kvs_status copy_record(void *ctx, struct segment *segment, uint64_t off,
                                   const struct log_record *record)
{
    (void)segment;
    (void)off;
    struct recovery *recovery = ctx;
    struct log_record copy = *record;
    enum kvs_status status = KVS_OK;
    if (recovery->side == NULL)
        status = log_side_open(recovery->replay->log, true, &recovery->side);
    if (status == KVS_OK && (record->flags & LOG_LARGE)) {
        status = copy_chunks(recovery, record);
        copy.value = buf_bytes(&recovery->list);
    }
    uint64_t locator;
    uint32_t stored;
    if (status == KVS_OK)
        status = log_side_append(recovery->side, &copy, &locator, &stored);
    if (status == KVS_OK)
        recovery->records++;
    return status;
}

/* The one manifest that makes it so. */
static enum kvs_status cut(struct replay *replay)
{
    struct log *log = replay->log;
    struct segment **gone = calloc(replay->main_count + 1, sizeof(struct segment *));
    if (gone == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "list of %zu segments", replay->main_count);
    size_t gone_count = 0;
    for (size_t i = 0; i < replay->main_count; i++) {
        struct found *found = &replay->mains[i];
        segment_seal(found->segment);
        if (found->proven_end == SEGMENT_HEADER_BYTES) {
            gone[gone_count++] = found->segment;
            continue;
        }
        found->segment->final = true;
        found->segment->proven = found->proven_end;
    }
    mutex_lock(&log->manifest_mu);
    enum kvs_status status = segments_drop(log, gone, gone_count);
    mutex_unlock(&log->manifest_mu);
    free(gone);
    return status;
}

struct show_copies {
    struct replay *replay;
    struct segment *segment;
};

static enum kvs_status show_copy(void *ctx, uint64_t locator, const struct log_record *record)
{
    struct show_copies *show = ctx;
    return replay_show(show->replay, show->segment, locator, record);
}

enum kvs_status recover_tail(struct replay *replay)
{
    struct log *log = replay->log;
    struct recovery recovery = { .replay = replay };
    buf_init(&recovery.chunk, RECORD_BYTES_MAX);
    buf_init(&recovery.list, LOG_INLINE_VALUE_MAX);
    uint64_t first_id = log->next_id;

    enum kvs_status status = replay_each_unproven(replay, batch_may_stay, copy_record, &recovery);
    if (status == KVS_OK && recovery.side != NULL)
        status = side_finish(recovery.side);
    side_free(recovery.side);
    for (size_t i = 0; i < log->segment_count; i++) /* the cut says so too */
        log->segments[i]->recovered |= log->segments[i]->header.id >= first_id;
    if (status == KVS_OK)
        status = cut(replay);
    for (size_t i = 0; i < log->segment_count && status == KVS_OK; i++) {
        struct show_copies show = { .replay = replay, .segment = log->segments[i] };
        if (show.segment->header.id >= first_id)
            status = segment_scan(show.segment, show_copy, &show);
    }
    stat_add(&log->stat_rewritten_records, recovery.records);
    buf_done(&recovery.chunk);
    buf_done(&recovery.list);
    return status;
}
