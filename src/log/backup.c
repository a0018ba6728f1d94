/*
 * backup.c - the log as it is durable at one moment, written into another directory while everything goes on.
 *
 * What is written is the crash image of that moment: the manifest that a replacement then would have written, and of each segment the
 * bytes that a power cut would have left for certain. So whatever recovery guarantees after a crash holds for a backup, and nothing
 * needs an argument of its own:
 *
 * - manifest_mu is held while the image is taken (not while it is copied). Segments come and go only under it, so each record
 *   that counts lies in a segment of the image: a segment is dropped only when what replaces its records is durable, so up to
 *   the durable position read here, or by a manifest written before, so in this list as well.
 * - The durable position is read first, the extents of side segments after it. A batch's chunks are synced before the batch is,
 *   so every chunk that the batches up to that position list is in the image.
 * - Of a main segment that is still written to, the bytes below the durable position are copied. They never change again: the
 *   next group header, and the end marker, are at or behind it.
 * - Segments are referred to until they are copied, so none is removed (or used again) meanwhile.
 *
 * Checkpoints stay behind: they only save reading, and the segments are there whole.
 *
 * Only segments that the manifest calls final are linked: nothing is ever written to them again, as long as nobody uses a file
 * again whose link count is above 1.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/copy.h"
#include "log/state.h"

struct image {
    struct log *log;
    const char *dir;
    bool copy;
    struct manifest manifest;
    struct segment **segments; /* referred to, one for each entry */
    uint64_t *bytes;           /* of each that count */
    kvs_amount_fn *amount;
    void *amount_ctx;
    uint64_t done;
    uint64_t total;
};

static uint64_t bytes_of_main(const struct segment *segment, const struct manifest_entry *entry,
                              uint64_t durable)
{
    if (entry->flags & MANIFEST_FINAL)
        return entry->proven;
    uint64_t end = extent_get(&segment->end);
    if (durable <= segment->header.base + SEGMENT_HEADER_BYTES)
        return SEGMENT_HEADER_BYTES;
    uint64_t bytes = durable - segment->header.base;
    return bytes < end ? bytes : end;
}

static uint64_t bytes_of_side(const struct segment *segment, const struct manifest_entry *entry)
{
    if (entry->flags & MANIFEST_FINAL)
        return entry->proven;
    /* What an opening found unproven are chunks that count as far as they verify: all of it. */
    return segment->shown_end == UINT64_MAX ? entry->proven : extent_get(&segment->end);
}

static enum kvs_status take(struct image *image)
{
    struct log *log = image->log;
    mutex_lock(&log->manifest_mu);
    size_t room = log->segment_count + 1;
    image->manifest.entries = calloc(room, sizeof *image->manifest.entries);
    image->manifest.checkpoints =
        calloc(log->checkpoint_count + 1, sizeof *image->manifest.checkpoints);
    image->segments = calloc(room, sizeof(struct segment *));
    image->bytes = calloc(room, sizeof *image->bytes);
    bool taken = image->manifest.entries != NULL && image->segments != NULL && image->bytes != NULL;
    if (taken) {
        segments_describe(log, &image->manifest);
        image->manifest.checkpoint_count = 0; /* the first opening replays everything */
        size_t at = 0;
        for (uint32_t i = 0; i < image->manifest.count; i++) {
            const struct manifest_entry *entry = &image->manifest.entries[i];
            while (log->segments[at]->header.id != entry->id)
                at++;
            struct segment *segment = log->segments[at];
            /* relaxed: the list's own reference is there, and stays while manifest_mu is held */
            atomic_fetch_add_explicit(&segment->refs, 1, memory_order_relaxed);
            image->segments[i] = segment;
            uint64_t bytes = entry->flags & MANIFEST_SIDE
                                 ? bytes_of_side(segment, entry)
                                 : bytes_of_main(segment, entry, image->manifest.durable);
            image->bytes[i] = bytes < SEGMENT_HEADER_BYTES ? SEGMENT_HEADER_BYTES : bytes;
            image->total += image->bytes[i];
        }
    }
    mutex_unlock(&log->manifest_mu);
    return taken ? KVS_OK : fail(KVS_NO_MEMORY, ENOMEM, "backup of %zu segments", room - 1);
}

static void done(struct image *image)
{
    for (uint32_t i = 0; image->segments != NULL && i < image->manifest.count; i++)
        segment_unref(image->segments[i]);
    free(image->segments);
    free(image->bytes);
    manifest_done(&image->manifest);
}

static bool note_copied(void *ctx, uint64_t bytes)
{
    struct image *image = ctx;
    image->done += bytes;
    return image->amount == NULL ||
           image->amount(image->amount_ctx, "copying", image->done, image->total);
}

static enum kvs_status put_segment(struct image *image, uint32_t i)
{
    struct log *log = image->log;
    const struct segment *segment = image->segments[i];
    bool final = image->manifest.entries[i].flags & MANIFEST_FINAL;
    char *to = NULL;
    char *from = log_path(log, segment->name);
    if (asprintf(&to, "%s/%s", image->dir, segment->name) < 0)
        to = NULL; /* undefined after a failure */
    enum kvs_status status = from != NULL && to != NULL
                                 ? KVS_OK
                                 : fail(KVS_NO_MEMORY, ENOMEM, "path of %s", segment->name);
    if (status == KVS_OK && final && !image->copy &&
        log->io->ops->link(log->io, from, to) == KVS_OK) {
        if (!note_copied(image, image->bytes[i]))
            status = fail(KVS_CLOSED, 0, "stopped on demand");
    } else if (status == KVS_OK) {
        /* Another file system, or one without links. */
        status = io_copy_file(log->io, from, to, image->bytes[i], note_copied, image, NULL, NULL);
    }
    free(from);
    free(to);
    return status;
}

enum kvs_status log_backup(struct log *log, const char *dir, bool copy, kvs_amount_fn *amount,
                           void *amount_ctx, uint64_t *ret_position)
{
    struct image image = {
        .log = log, .dir = dir, .copy = copy, .amount = amount, .amount_ctx = amount_ctx
    };
    enum kvs_status status = take(&image);
    for (uint32_t i = 0; i < image.manifest.count && status == KVS_OK; i++)
        status = put_segment(&image, i);
    if (status == KVS_OK)
        status = log->io->ops->sync_dir(log->io, dir);
    if (status == KVS_OK)
        status = manifest_write(log->io, dir, &image.manifest);
    if (status == KVS_OK)
        *ret_position = image.manifest.durable;
    done(&image);
    return status;
}
