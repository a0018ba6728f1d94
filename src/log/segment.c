/*
 * segment.c - one segment: frame, file, slot. The argument about who may see what is in segment.h.
 */
#include "log/segment.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/check.h"
#include "log/state.h"

/* ---- Frames ---- */

struct frame *frame_new(size_t bytes)
{
    static const size_t huge_bytes = 2 * 1024 * 1024;
    struct frame *frame = calloc(1, sizeof *frame);
    if (frame == NULL)
        return NULL;
    /* Not reserved: most of it is touched long after, and some of it never. */
    void *data = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED) {
        free(frame);
        return NULL;
    }
    if (bytes >= 8 * huge_bytes)
        (void)madvise(data, bytes,
                      MADV_HUGEPAGE); /* a hint: fewer translation misses when reading at random */
    frame->data = data;
    frame->bytes = bytes;
    return frame;
}

void frame_free(struct frame *frame)
{
    if (frame == NULL)
        return;
    CHECK(munmap(frame->data, frame->bytes) == 0);
    free(frame);
}

static void frame_free_retired(struct epoch_node *node)
{
    frame_free((struct frame *)node);
}

void segment_publish_frame(struct segment *segment, struct frame *frame)
{
    uint64_t limit =
        segment->header.capacity < frame->bytes ? segment->header.capacity : frame->bytes;
    segment->frame = frame;
    /* relaxed: published by the frame. A segment's frame changes only while the log is being opened. */
    atomic_store_explicit(&segment->slot->limit, (uint32_t)limit, memory_order_relaxed);
    /* release: the content loaded so far is visible to who finds the frame. pairs with: log_peek */
    atomic_store_explicit(&segment->slot->frame, frame->data, memory_order_release);
}

void segment_retire_frame(struct segment *segment)
{
    struct frame *frame = segment->frame;
    if (frame == NULL)
        return;
    segment->frame = NULL;
    /* relaxed: epoch_retire() orders this before the wait for those who loaded it earlier. */
    atomic_store_explicit(&segment->slot->frame, NULL, memory_order_relaxed);
    log_retire(segment->log, &frame->node, frame_free_retired);
}

/* ---- Names ---- */

void segment_name(uint64_t id, char ret[32])
{
    (void)snprintf(ret, 32, "%08" PRIx64 ".seg", id);
}

bool segment_parse_name(const char *name, uint64_t *ret_id)
{
    uint64_t id = 0;
    size_t digits = 0;
    for (; name[digits] != '\0' && name[digits] != '.'; digits++) {
        char c = name[digits];
        if (digits == 16 || !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        id = id << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    char exact[32];
    segment_name(id, exact);
    if (digits < 8 || strcmp(exact, name) != 0)
        return false;
    *ret_id = id;
    return true;
}

char *log_path(const struct log *log, const char *name)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", log->dir, name) < 0)
        return NULL;
    return path;
}

/* ---- Segments ---- */

enum kvs_status segment_new(struct log *log, const struct segment_header *header,
                            struct segment **ret)
{
    struct segment *segment = calloc(1, sizeof *segment);
    if (segment == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "segment %08" PRIx64, header->id);
    segment->log = log;
    segment->header = *header;
    segment->seed = segment_seed(header->store_id, header->incarnation);
    segment->slot = &log->slots[header->slot];
    segment->shown_end = UINT64_MAX;
    segment_name(header->id, segment->name);
    mutex_init(&segment->side_mu);
    atomic_init(&segment->refs, 1);
    atomic_init(&segment->end, SEGMENT_HEADER_BYTES);
    atomic_init(&segment->written, SEGMENT_HEADER_BYTES);
    atomic_init(&segment->synced, SEGMENT_HEADER_BYTES);
    atomic_init(&segment->min_version, UINT64_MAX);
    atomic_init(&segment->stale_version, UINT64_MAX);

    struct slot *slot = segment->slot;
    /* relaxed: published by the segment below, and by the frame. */
    atomic_store_explicit(&slot->base, header->side ? 0 : header->base, memory_order_relaxed);
    atomic_store_explicit(&slot->referenced, 1, memory_order_relaxed);
    /* release: the segment's fields. pairs with: segment_at */
    atomic_store_explicit(&slot->segment, segment, memory_order_release);
    *ret = segment;
    return KVS_OK;
}

/* From here on no locator leads to the segment, and its slot may have another. */
static void segment_leave_slot(struct segment *segment)
{
    /* relaxed: who loaded it is in an epoch section. The slot's next user publishes anew. */
    atomic_store_explicit(&segment->slot->frame, NULL, memory_order_relaxed);
    /* release: all that was done with the slot before. pairs with: slot_take */
    atomic_store_explicit(&segment->slot->segment, NULL, memory_order_release);
}

static void segment_destroy(struct segment *segment)
{
    frame_free(segment->frame);
    io_close(segment->file);
    mutex_done(&segment->side_mu);
    free(segment);
}

void segment_free(struct segment *segment)
{
    if (segment == NULL)
        return;
    segment_leave_slot(segment);
    segment_destroy(segment);
}

static void segment_free_retired(struct epoch_node *node)
{
    segment_destroy((struct segment *)node);
}

static bool headers_agree(const struct segment_header *a, const struct segment_header *b)
{
    return memcmp(a->store_id, b->store_id, STORE_ID_BYTES) == 0 && a->id == b->id &&
           a->incarnation == b->incarnation && a->base == b->base && a->capacity == b->capacity &&
           a->slot == b->slot && a->side == b->side;
}

enum kvs_status segment_open(struct segment *segment, bool read_only)
{
    struct log *log = segment->log;
    char *path = log_path(log, segment->name);
    if (path == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "path of %s", segment->name);
    uint8_t bytes[SEGMENT_HEADER_BYTES];
    struct segment_header header;
    uint64_t size = 0;
    enum kvs_status status =
        io_open(log->io, path, read_only ? IO_READ : IO_READ_WRITE, &segment->file);
    if (status == KVS_NOT_FOUND)
        status = fail(KVS_CORRUPT, 0, "%s is missing, though the manifest names it", path);
    if (status == KVS_OK)
        status = segment->file->ops->size(segment->file, &size);
    if (status == KVS_OK && size < SEGMENT_HEADER_BYTES)
        status =
            fail(KVS_CORRUPT, 0, "%s ends at offset %" PRIu64 ", inside its header", path, size);
    if (status == KVS_OK)
        status = io_read_exact(segment->file, 0, bytes, sizeof bytes);
    if (status == KVS_OK)
        status = segment_header_decode(bytes, path, &header);
    if (status == KVS_OK && memcmp(header.store_id, segment->header.store_id, STORE_ID_BYTES) != 0)
        status = fail(KVS_WRONG_FORMAT, 0, "%s belongs to another store", path);
    if (status == KVS_OK && !headers_agree(&header, &segment->header))
        status = fail(KVS_CORRUPT, 0,
                      "%s is not the segment that the manifest means: its header differs", path);
    if (status == KVS_OK) {
        segment->header.created_ms = header.created_ms;
        segment->header.version = header.version;
        extent_set(&segment->allocated, size);
    }
    free(path);
    return status;
}

enum kvs_status segment_allocate(struct segment *segment, uint64_t need)
{
    struct log *log = segment->log;
    enum kvs_status status = KVS_OK;
    mutex_lock(&log->space_mu);
    uint64_t have = extent_get(&segment->allocated);
    if (have < need) {
        uint64_t step = have;
        if (step < SPACE_STEP_MIN)
            step = SPACE_STEP_MIN;
        if (step > SPACE_STEP_MAX)
            step = SPACE_STEP_MAX;
        uint64_t want = need + step;
        if (want > segment->header.capacity)
            want = segment->header.capacity;
        if (want < need)
            want = need;
        status = segment->file->ops->allocate(segment->file, have, want - have);
        if (status == KVS_DISK_FULL && want > need) {
            want = need; /* the last drop */
            status = segment->file->ops->allocate(segment->file, have, want - have);
        }
        if (status == KVS_OK)
            extent_set(&segment->allocated, want);
        /* relaxed: a mark for log_health() */
        atomic_store_explicit(&log->disk_full, status == KVS_DISK_FULL, memory_order_relaxed);
    }
    mutex_unlock(&log->space_mu);
    return status;
}

void segment_note_versions(struct segment *segment, uint64_t min, uint64_t max)
{
    /* relaxed: one writer at a time, readers want figures. */
    if (min < atomic_load_explicit(&segment->min_version, memory_order_relaxed))
        atomic_store_explicit(&segment->min_version, min, memory_order_relaxed);
    if (max > atomic_load_explicit(&segment->max_version, memory_order_relaxed))
        atomic_store_explicit(&segment->max_version, max, memory_order_relaxed);
}

void segment_note_version(struct segment *segment, const struct log_record *record)
{
    if (record->kind != LOG_CHUNK) /* chunks have no version of their own */
        segment_note_versions(segment, record->version, record->version);
}

/* ---- Going ---- */

void segment_unref(struct segment *segment)
{
    struct log *log = segment->log;
    /* acq_rel: all uses of the segment happen before it is reaped. pairs with: itself */
    if (atomic_fetch_sub_explicit(&segment->refs, 1, memory_order_acq_rel) != 1)
        return;
    mutex_lock(&log->reap_mu);
    segment->reap_next = log->reap_list;
    log->reap_list = segment;
    mutex_unlock(&log->reap_mu);
    if (log->background)
        gate_notify(&log->work);
}

void segments_reap(struct log *log, bool alone)
{
    for (;;) {
        mutex_lock(&log->reap_mu);
        struct segment *segment = log->reap_list;
        if (segment != NULL)
            log->reap_list = segment->reap_next;
        mutex_unlock(&log->reap_mu);
        if (segment == NULL)
            return;
        char *path = log_path(log, segment->name);
        /* A file that stays is no harm: the manifest does not name it, the next opening removes it. */
        if (path != NULL)
            (void)log->io->ops->unlink(log->io, path);
        free(path);
        /* Nobody has it pinned, but a reader with a locator of before may have just found it in its slot, to see that it was
         * dropped: it goes when those have left too. */
        segment_leave_slot(segment);
        if (alone)
            segment_destroy(segment);
        else
            log_retire(log, &segment->node, segment_free_retired);
    }
}
