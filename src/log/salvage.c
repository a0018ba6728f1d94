/*
 * salvage.c - see salvage.h.
 *
 * What makes a record believable is its checksum, which is bound to store, segment, use of the file and place. So all that is needed from
 * outside is which segments count, and what their seeds are made of: the manifest says both, and the segments' own headers say the
 * second. Without a manifest every segment of the directory counts, also one that was dropped and whose file was still there, so
 * what was removed may come back: that is reported.
 *
 * A piece of a file that cannot be read counts as zeros, so as damage of that size.
 */
#include "log/salvage.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "log/scan.h"
#include "log/state.h"
#include "log/walk.h"

enum {
    PIECE_BYTES = 64 * 1024,
};

struct gap {
    const struct segment *segment;
    uint64_t from;
    uint64_t to;
    bool last;
};

struct log_salvage {
    const struct log_config *config;
    struct log *log;
    bool has_manifest;
    kvs_report_fn *report;
    void *ctx;
    struct log_survey survey;
    struct gap *gaps;
    size_t gap_count;
    size_t gap_capacity;
    uint64_t done; /* bytes, of the present pass */
};

__attribute__((format(printf, 3, 4))) static void say(struct log_salvage *salvage, bool ok,
                                                      const char *format, ...)
{
    char text[FAIL_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (salvage->report != NULL)
        salvage->report(salvage->ctx, ok, text);
}

/* ---- Which segments ---- */

static enum kvs_status add_segment(struct log_salvage *salvage, const struct segment_header *header,
                                   struct segment **ret)
{
    struct log *log = salvage->log;
    /* relaxed: one thread */
    if (atomic_load_explicit(&log->slots[header->slot].segment, memory_order_relaxed) != NULL)
        return fail(KVS_CORRUPT, 0, "segment %08" PRIx64 ": its slot has another already",
                    header->id);
    enum kvs_status status = segment_new(log, header, ret);
    if (status != KVS_OK)
        return status;
    mutex_lock(&log->manifest_mu);
    status = segments_add(log, *ret);
    mutex_unlock(&log->manifest_mu);
    if (status != KVS_OK)
        segment_free(*ret);
    return status;
}

static enum kvs_status take_manifest(struct log_salvage *salvage, const struct manifest *manifest)
{
    struct log *log = salvage->log;
    memcpy(log->store_id, manifest->store_id, STORE_ID_BYTES);
    salvage->survey.durable = manifest->durable;
    for (uint32_t i = 0; i < manifest->count; i++) {
        const struct manifest_entry *entry = &manifest->entries[i];
        struct segment_header header = {
            .id = entry->id,
            .incarnation = entry->incarnation,
            .base = entry->base,
            .capacity = entry->capacity,
            .slot = entry->slot,
            .side = entry->flags & MANIFEST_SIDE,
        };
        memcpy(header.store_id, log->store_id, STORE_ID_BYTES);
        struct segment *segment;
        enum kvs_status status = add_segment(salvage, &header, &segment);
        if (status == KVS_CORRUPT)
            say(salvage, false, "%s", fail_text());
        else if (status != KVS_OK)
            return status;
        if (status != KVS_OK)
            continue;
        segment->proven = entry->proven;
        segment->final = entry->flags & MANIFEST_FINAL;
    }
    return KVS_OK;
}

/* Reads the header that stands in the file. */
static enum kvs_status read_header(struct io *io, const char *path, struct io_file **ret_file,
                                   struct segment_header *ret)
{
    uint8_t bytes[SEGMENT_HEADER_BYTES] = { 0 };
    size_t got = 0;
    enum kvs_status status = io_open(io, path, IO_READ, ret_file);
    if (status != KVS_OK)
        return status;
    status = (*ret_file)->ops->read(*ret_file, 0, bytes, sizeof bytes, false, &got);
    if (status == KVS_OK && got < sizeof bytes)
        status = fail(KVS_CORRUPT, 0, "%s ends inside its header", path);
    return status == KVS_OK ? segment_header_decode(bytes, path, ret) : status;
}

static bool same_segment(const struct segment_header *a, const struct segment_header *b)
{
    return memcmp(a->store_id, b->store_id, STORE_ID_BYTES) == 0 && a->id == b->id &&
           a->incarnation == b->incarnation;
}

/* Opens the file of a segment the manifest names. False: lost, and reported. */
static bool open_named(struct log_salvage *salvage, struct segment *segment)
{
    char *path = log_path(salvage->log, segment->name);
    struct segment_header header;
    if (path == NULL)
        return false;
    enum kvs_status status = read_header(salvage->log->io, path, &segment->file, &header);
    free(path);
    if (segment->file == NULL) {
        say(salvage, false, "%s: %s", segment->name, fail_text());
        return false;
    }
    if (status == KVS_OK && !same_segment(&header, &segment->header)) {
        say(salvage, false, "%s is not the segment that the manifest means", segment->name);
        return false;
    }
    if (status != KVS_OK) /* what the manifest says will do */
        say(salvage, false, "%s: its header is damaged: %s", segment->name, fail_text());
    return true;
}

struct listing {
    uint64_t *ids;
    size_t count;
    size_t capacity;
    bool no_memory;
};

static void note_file(void *ctx, const char *name)
{
    struct listing *listing = ctx;
    uint64_t id;
    if (listing->no_memory || !segment_parse_name(name, &id))
        return;
    if (listing->count == listing->capacity) {
        size_t capacity = listing->capacity == 0 ? 64 : listing->capacity * 2;
        uint64_t *ids = realloc(listing->ids, capacity * sizeof *ids);
        listing->no_memory = ids == NULL;
        if (ids == NULL)
            return;
        listing->ids = ids;
        listing->capacity = capacity;
    }
    listing->ids[listing->count++] = id;
}

/* A segment that only its own header knows. */
static enum kvs_status take_file(struct log_salvage *salvage, uint64_t id, bool *has_store)
{
    struct log *log = salvage->log;
    char name[32];
    segment_name(id, name);
    char *path = log_path(log, name);
    if (path == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "path of %s", name);
    struct io_file *file = NULL;
    struct segment_header header;
    struct segment *segment;
    enum kvs_status status = read_header(log->io, path, &file, &header);
    if (status == KVS_OK && *has_store &&
        memcmp(header.store_id, log->store_id, STORE_ID_BYTES) != 0)
        status = fail(KVS_WRONG_FORMAT, 0, "%s belongs to another store than those before", path);
    if (status == KVS_OK && header.id != id)
        status = fail(KVS_WRONG_FORMAT, 0, "%s is a copy of segment %08" PRIx64, path, header.id);
    if (status == KVS_OK)
        status = add_segment(salvage, &header, &segment);
    free(path);
    if (status == KVS_OK) {
        segment->file = file;
        memcpy(log->store_id, header.store_id, STORE_ID_BYTES);
        *has_store = true;
        return KVS_OK;
    }
    io_close(file);
    if (status == KVS_NO_MEMORY)
        return status;
    say(salvage, false, "%s: %s", name, fail_text());
    return KVS_OK;
}

static int by_id(const void *a, const void *b)
{
    const uint64_t *x = a;
    const uint64_t *y = b;
    return *x < *y ? -1 : *x > *y;
}

static enum kvs_status take_files(struct log_salvage *salvage)
{
    struct log *log = salvage->log;
    struct listing listing = { .ids = NULL };
    bool has_store = false;
    enum kvs_status status = log->io->ops->list(log->io, log->dir, note_file, &listing);
    if (status == KVS_OK && listing.no_memory)
        status = fail(KVS_NO_MEMORY, ENOMEM, "list of files");
    if (status == KVS_OK && listing.count == 0)
        status = fail(KVS_NOT_FOUND, 0, "%s holds no segments", log->dir);
    if (listing.count > 0)
        qsort(listing.ids, listing.count, sizeof *listing.ids, by_id);
    for (size_t i = 0; i < listing.count && status == KVS_OK; i++)
        status = take_file(salvage, listing.ids[i], &has_store);
    free(listing.ids);
    return status;
}

static enum kvs_status find_segments(struct log_salvage *salvage)
{
    struct log *log = salvage->log;
    struct manifest manifest = { .count = 0 };
    enum kvs_status status = manifest_read(log->io, log->dir, &manifest);
    salvage->has_manifest = status == KVS_OK;
    if (status == KVS_OK) {
        status = take_manifest(salvage, &manifest);
        manifest_done(&manifest);
        for (size_t i = 0; i < log->segment_count && status == KVS_OK; i++) {
            struct segment *segment = log->segments[i];
            if (!open_named(salvage, segment)) {
                io_close(segment->file);
                segment->file = NULL;
            }
        }
        return status;
    }
    if (status == KVS_NO_MEMORY)
        return status;
    char why[FAIL_TEXT_BYTES];
    fail_save(why);
    status = take_files(salvage);
    if (status == KVS_OK)
        say(salvage, false, "%s: %s; all segments there are count, so what was removed may be back",
            MANIFEST_NAME, why);
    return status;
}

/* ---- Reading one ---- */

/* What can be read of the file; the rest is zeros, reported when @loud. */
static void read_pieces(struct log_salvage *salvage, const struct segment *segment, uint8_t *data,
                        uint64_t size, bool loud)
{
    for (uint64_t off = 0; off < size;) {
        size_t piece = size - off < PIECE_BYTES ? (size_t)(size - off) : PIECE_BYTES;
        size_t got = 0;
        if (segment->file->ops->read(segment->file, off, data + off, piece, false, &got) !=
                KVS_OK &&
            loud)
            say(salvage, false, "%s: offsets %" PRIu64 " to %" PRIu64 " cannot be read: %s",
                segment->name, off, off + piece, fail_text());
        off += piece;
    }
}

static enum kvs_status walk_one(struct log_salvage *salvage, struct segment *segment, bool loud,
                                const char *what, const struct walk *walk)
{
    uint64_t size = 0;
    if (segment->file == NULL)
        return KVS_OK;
    enum kvs_status status = segment->file->ops->size(segment->file, &size);
    if (status != KVS_OK) {
        if (loud)
            say(salvage, false, "%s: %s", segment->name, fail_text());
        return KVS_OK;
    }
    if (size > segment->header.capacity)
        size = segment->header.capacity;
    if (segment->final && size > segment->proven)
        size = segment->proven;
    if (loud && size < segment->proven)
        say(salvage, false, "%s ends at offset %" PRIu64 ", before its proven end %" PRIu64,
            segment->name, size, segment->proven);
    size -= size % RECORD_ALIGN;
    if (size <= SEGMENT_HEADER_BYTES)
        return KVS_OK;
    /* What was staged is not in the file: such a segment stays in memory, for log_salvage_fetch() to find it there. */
    bool kept = segment->frame != NULL;
    struct frame *frame = kept ? segment->frame : frame_new(size);
    if (frame == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "memory to read %s", segment->name);
    if (!kept) {
        extent_set(&segment->end, size);
        read_pieces(salvage, segment, frame->data, size, loud);
        kept = stage_overlay(salvage->log, segment, frame->data, size);
        if (kept)
            segment_publish_frame(segment, frame);
    }
    status = walk_segment(segment, frame->data, size, walk);
    if (!kept)
        frame_free(frame);
    salvage->done += size;
    kvs_amount_fn *amount = salvage->config->amount;
    if (status == KVS_OK && amount != NULL &&
        !amount(salvage->config->amount_ctx, what, salvage->done, salvage->survey.bytes))
        status = fail(KVS_CLOSED, 0, "stopped on demand");
    return status;
}

static enum kvs_status walk_all(struct log_salvage *salvage, bool loud, const char *what,
                                const struct walk *walk)
{
    enum kvs_status status = KVS_OK;
    salvage->done = 0;
    for (size_t i = 0; i < salvage->log->segment_count && status == KVS_OK; i++)
        status = walk_one(salvage, salvage->log->segments[i], loud, what, walk);
    return status;
}

/* ---- The survey ---- */

static enum kvs_status survey_group(void *ctx, const struct segment *segment, uint64_t off,
                                    const struct group_header *group)
{
    (void)segment;
    (void)off;
    struct log_salvage *salvage = ctx;
    if (group->durable > salvage->survey.durable)
        salvage->survey.durable = group->durable;
    return KVS_OK;
}

static enum kvs_status survey_record(void *ctx, const struct segment *segment, uint64_t off,
                                     const struct log_record *record)
{
    (void)segment;
    (void)off;
    struct log_salvage *salvage = ctx;
    salvage->survey.records += record->kind != LOG_CHUNK;
    return KVS_OK;
}

static enum kvs_status survey_gap(void *ctx, const struct segment *segment, uint64_t from,
                                  uint64_t to, bool last)
{
    struct log_salvage *salvage = ctx;
    if (salvage->gap_count == salvage->gap_capacity) {
        size_t capacity = salvage->gap_capacity == 0 ? 64 : salvage->gap_capacity * 2;
        struct gap *more = realloc(salvage->gaps, capacity * sizeof *more);
        if (more == NULL)
            return fail(KVS_NO_MEMORY, ENOMEM, "list of %zu damaged places", capacity);
        salvage->gaps = more;
        salvage->gap_capacity = capacity;
    }
    salvage->gaps[salvage->gap_count++] = (struct gap){ segment, from, to, last };
    return KVS_OK;
}

/* Judged when all is seen: what lies behind the durable end was never acknowledged. */
static void report_gap(struct log_salvage *salvage, const struct gap *gap)
{
    const struct segment *segment = gap->segment;
    bool torn = segment->header.side ? gap->last && gap->from >= segment->proven
                                     : segment->header.base + gap->from >= salvage->survey.durable;
    if (torn)
        say(salvage, true, "%s: a torn tail at offset %" PRIu64 ", never acknowledged",
            segment->name, gap->from);
    else
        say(salvage, false,
            "%s: offsets %" PRIu64 " to %" PRIu64
            " are damaged; keys whose newest value or removal was there are lost, or older",
            segment->name, gap->from, gap->to);
}

static void sum_sizes(struct log_salvage *salvage)
{
    for (size_t i = 0; i < salvage->log->segment_count; i++) {
        const struct segment *segment = salvage->log->segments[i];
        uint64_t size = 0;
        if (segment->file != NULL && segment->file->ops->size(segment->file, &size) == KVS_OK)
            salvage->survey.bytes += size;
    }
}

enum kvs_status log_salvage_open(const struct log_config *config, kvs_report_fn *report, void *ctx,
                                 struct log_survey *ret_survey, struct log_salvage **ret)
{
    struct log_salvage *salvage = calloc(1, sizeof *salvage);
    if (salvage == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "salvage");
    salvage->config = config;
    salvage->report = report;
    salvage->ctx = ctx;
    struct log_config read_only = *config;
    read_only.read_only = true;
    struct walk walk = { .ctx = salvage,
                         .group = survey_group,
                         .record = survey_record,
                         .gap = survey_gap,
                         .durable = UINT64_MAX };
    enum kvs_status status = log_new(&read_only, &salvage->log);
    if (status == KVS_OK)
        status = find_segments(salvage);
    if (status == KVS_OK && stage_load(salvage->log) != KVS_OK)
        say(salvage, false, "%s is left out: %s", STAGE_NAME, fail_text());
    if (status == KVS_OK) {
        sum_sizes(salvage);
        status = walk_all(salvage, true, "looking", &walk);
    }
    for (size_t i = 0; i < salvage->gap_count && status == KVS_OK; i++)
        report_gap(salvage, &salvage->gaps[i]);
    if (status != KVS_OK) {
        char why[FAIL_TEXT_BYTES];
        fail_save(why);
        log_salvage_close(salvage);
        return fail_restore(status, why);
    }
    *ret_survey = salvage->survey;
    *ret = salvage;
    return KVS_OK;
}

void log_salvage_close(struct log_salvage *salvage)
{
    if (salvage == NULL)
        return;
    log_free(salvage->log);
    free(salvage->gaps);
    free(salvage);
}

/* ---- Records ---- */

struct show {
    log_replay_fn *fn;
    void *ctx;
};

static enum kvs_status show_record(void *ctx, const struct segment *segment, uint64_t off,
                                   const struct log_record *record)
{
    struct show *show = ctx;
    return show->fn(show->ctx, locator_make(segment->header.slot, off, record->stored_bytes),
                    record);
}

enum kvs_status log_salvage_walk(struct log_salvage *salvage, log_replay_fn *fn, void *ctx)
{
    struct show show = { .fn = fn, .ctx = ctx };
    struct walk walk = { .ctx = &show, .record = show_record, .durable = salvage->survey.durable };
    return walk_all(salvage, false, "collecting", &walk);
}

static const struct segment *segment_of(const struct log_salvage *salvage, uint64_t locator)
{
    /* relaxed: one thread */
    return atomic_load_explicit(&salvage->log->slots[locator_slot(locator)].segment,
                                memory_order_relaxed);
}

enum kvs_status log_salvage_fetch(struct log_salvage *salvage, uint64_t locator,
                                  struct buf *scratch, struct log_record *ret)
{
    const struct segment *segment = segment_of(salvage, locator);
    if (segment == NULL || segment->file == NULL)
        return fail(KVS_CORRUPT, 0, "a segment of it is lost");
    return log_fetch(salvage->log, locator, false, scratch, ret);
}

uint64_t log_salvage_segment_of(const struct log_salvage *salvage, uint64_t locator)
{
    const struct segment *segment = segment_of(salvage, locator);
    return segment != NULL ? segment->header.id : 0;
}

/* ---- Describing ---- */

/* A key as text: what is not printable as \xNN; long ones end in dots. */
static void print_key(struct kvs_bytes key, char *out, size_t room)
{
    const uint8_t *from = key.data;
    size_t at = 0;
    for (size_t i = 0; i < key.len; i++) {
        if (at + 8 > room) {
            (void)snprintf(out + at, room - at, "...");
            return;
        }
        bool plain = from[i] > ' ' && from[i] <= '~' && from[i] != '\\';
        at += (size_t)snprintf(out + at, room - at, plain ? "%c" : "\\x%02x", from[i]);
    }
    out[at] = '\0';
}

static enum kvs_status dump_group(void *ctx, const struct segment *segment, uint64_t off,
                                  const struct group_header *group)
{
    if (group->length == 0)
        say(ctx, true, "%s %" PRIu64 " end%s, durable %" PRIu64, segment->name, off,
            group->flags & GROUP_CLOSED ? " by an orderly close" : "", group->durable);
    else
        say(ctx, true, "%s %" PRIu64 " group of %" PRIu32 " bytes, durable %" PRIu64, segment->name,
            off, group->length, group->durable);
    return KVS_OK;
}

static enum kvs_status dump_record(void *ctx, const struct segment *segment, uint64_t off,
                                   const struct log_record *record)
{
    static const char *const kinds[] = { [LOG_SET] = "set",
                                         [LOG_REMOVE] = "remove",
                                         [LOG_REMOVE_RANGE] = "remove range",
                                         [LOG_CHUNK] = "chunk" };
    char key[200];
    char expiry[48] = "";
    if (record->kind == LOG_CHUNK) {
        say(ctx, true, "%s %" PRIu64 " chunk of %zu bytes", segment->name, off, record->value.len);
        return KVS_OK;
    }
    print_key(record->key, key, sizeof key);
    if (record->expire_ms != 0)
        (void)snprintf(expiry, sizeof expiry, ", expires %" PRId64, record->expire_ms);
    say(ctx, true, "%s %" PRIu64 " %s %s, version %" PRIu64 ", %" PRIu64 " bytes%s%s%s%s",
        segment->name, off, kinds[record->kind], key, record->version, record->value_bytes, expiry,
        record->flags & LOG_MOVED ? ", moved" : "", record->flags & LOG_MORE ? ", more follow" : "",
        record->flags & LOG_WEAK ? ", weak" : "");
    return KVS_OK;
}

enum kvs_status log_dump(const struct log_config *config, kvs_report_fn *report, void *ctx)
{
    struct log_salvage *salvage = NULL;
    struct log_survey survey;
    enum kvs_status status = log_salvage_open(config, report, ctx, &survey, &salvage);
    if (status != KVS_OK)
        return status;
    say(salvage, true, "%zu segments of %" PRIu64 " bytes, durable up to %" PRIu64,
        salvage->log->segment_count, survey.bytes, survey.durable);
    struct walk walk = {
        .ctx = salvage, .group = dump_group, .record = dump_record, .durable = UINT64_MAX
    };
    for (size_t i = 0; i < salvage->log->segment_count && status == KVS_OK; i++) {
        struct segment *segment = salvage->log->segments[i];
        say(salvage, true, "%s %s segment, base %" PRIu64 ", slot %" PRIu32 ", capacity %" PRIu32,
            segment->name, segment->header.side ? "side" : "main", segment->header.base,
            segment->header.slot, segment->header.capacity);
        status = walk_one(salvage, segment, false, "dumping", &walk);
    }
    log_salvage_close(salvage);
    return status;
}
