/*
 * check.c - log_check(): verifies every byte that counts, changes nothing, and goes on after damage to report all of it.
 *
 * The rules are those of replay.c; here each segment is judged for itself, so that one damaged segment does not hide the
 * state of the others.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "log/scan.h"
#include "log/state.h"

struct checked {
    struct segment *segment;
    struct main_scan scan;
    uint32_t start; /* chain before its first group */
    uint64_t used;  /* one past the last byte that is not zero */
    bool good;      /* could be opened and read */
};

struct check {
    const struct log_config *config;
    struct log *log;
    uint64_t done;  /* bytes of segments */
    uint64_t total; /* all of them may be; capacities, until their files were opened */
    kvs_report_fn *report;
    void *ctx;
    struct checked *mains;
    size_t main_count;
    uint64_t durable;
    uint64_t damages;
    bool no_memory; /* what could not be looked at for that is not damaged */
    char why[FAIL_TEXT_BYTES];
};

__attribute__((format(printf, 3, 4))) static void say(struct check *check, bool ok,
                                                      const char *format, ...)
{
    char text[FAIL_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    check->damages += !ok;
    if (check->report != NULL)
        check->report(check->ctx, ok, text);
}

/* Opens and reads the whole segment; *ret is the caller's to free. False: reported. */
static bool read_segment(struct check *check, struct segment *segment, struct frame **ret,
                         uint64_t *ret_size)
{
    uint64_t size = 0;
    enum kvs_status status = segment_open(segment, true);
    if (status == KVS_OK)
        status = segment->file->ops->size(segment->file, &size);
    if (size > segment->header.capacity)
        size = segment->header.capacity;
    size -= size % RECORD_ALIGN;
    extent_set(&segment->end, size);
    if (status == KVS_OK)
        status = segment_hold_frame(segment, ret); /* not published: ours */
    if (status == KVS_NO_MEMORY) {
        check->no_memory = true;
        fail_save(check->why);
    } else if (status != KVS_OK) {
        say(check, false, "%s", fail_text());
    }
    if (status != KVS_OK)
        return false;
    *ret_size = size;
    return true;
}

static void check_side(struct check *check, struct segment *segment)
{
    struct frame *frame = NULL;
    uint64_t size;
    uint64_t records = 0;
    if (!read_segment(check, segment, &frame, &size))
        return;
    uint64_t limit = segment->final && segment->proven < size ? segment->proven : size;
    uint64_t end = scan_side(segment, frame->data, limit, &records);
    segment_release_frame(segment, frame);
    if (end < segment->proven)
        say(check, false, "%s: damaged at offset %" PRIu64 ", before its proven end %" PRIu64,
            segment->name, end, segment->proven);
    else
        say(check, true, "%s: side segment, %" PRIu64 " records in %" PRIu64 " bytes",
            segment->name, records, end);
}

static void check_main(struct check *check, struct checked *checked, uint32_t *chain)
{
    struct segment *segment = checked->segment;
    struct frame *frame = NULL;
    uint64_t size;
    if (!read_segment(check, segment, &frame, &size))
        return;
    checked->good = true;
    uint64_t limit = segment->final && segment->proven < size ? segment->proven : size;
    struct group_header first;
    uint32_t checksum;
    checked->start = segment->chain_known ? segment->start_chain : *chain;
    bool has_first =
        limit >= SEGMENT_HEADER_BYTES + GROUP_HEADER_BYTES &&
        group_header_decode(frame->data + SEGMENT_HEADER_BYTES, segment->seed, segment->header.base,
                            SEGMENT_HEADER_BYTES, &first, &checksum);
    if (has_first &&
        !segment->chain_known) /* whether that fits is judged when all have been seen */
        checked->start = first.previous;
    scan_main(segment, frame->data, SEGMENT_HEADER_BYTES, limit, checked->start, &checked->scan);
    uint64_t claim = checked->scan.claim;
    if (!segment->final) {
        uint64_t past = scan_claims(segment, frame->data, checked->scan.bad_off, size);
        claim = past > claim ? past : claim;
    }
    if (claim > check->durable)
        check->durable = claim;
    checked->used = scan_used(frame->data, checked->scan.valid_end, limit);
    segment_release_frame(segment, frame);
    *chain = checked->scan.chain;
}

/* Whether the stream goes on from segment @i into a later one. */
static bool goes_on(const struct check *check, size_t i)
{
    const struct checked *checked = &check->mains[i];
    for (size_t j = i + 1; j < check->main_count; j++) {
        if (check->mains[j].good && check->mains[j].scan.matched)
            return checked->scan.valid_end == checked->scan.end &&
                   check->mains[j].start == checked->scan.chain;
    }
    return false;
}

static void judge_main(struct check *check, size_t i)
{
    const struct checked *checked = &check->mains[i];
    const struct segment *segment = checked->segment;
    if (!checked->good)
        return;
    const struct main_scan *scan = &checked->scan;
    bool whole = segment->final
                     ? scan->end == segment->proven
                     : goes_on(check, i) || check->durable <= segment->header.base + scan->bad_off;
    if (!whole && !segment->final && !scan->matched && scan->bad_off == SEGMENT_HEADER_BYTES &&
        checked->used == SEGMENT_HEADER_BYTES && i + 1 < check->main_count)
        whole = true; /* prepared and passed over, empty */
    if (!whole)
        say(check, false, "%s: damaged at offset %" PRIu64 ", before the durable end of the log",
            segment->name, scan->bad_off);
    else if (!segment->final && !goes_on(check, i) &&
             checked->used > scan->valid_end + (scan->marker ? GROUP_HEADER_BYTES : 0))
        say(check, true,
            "%s: main segment, %" PRIu64 " groups, %" PRIu64 " records in %" PRIu64
            " bytes; a torn tail from offset %" PRIu64 " on, which no sync had covered",
            segment->name, scan->groups, scan->records, scan->valid_end, scan->bad_off);
    else
        say(check, true,
            "%s: main segment, %" PRIu64 " groups, %" PRIu64 " records in %" PRIu64 " bytes",
            segment->name, scan->groups, scan->records, scan->valid_end);
}

static int by_base(const void *a, const void *b)
{
    const struct checked *x = a;
    const struct checked *y = b;
    return x->segment->header.base < y->segment->header.base
               ? -1
               : x->segment->header.base > y->segment->header.base;
}

/* One more segment was looked at. False: stop. */
static bool note_amount(struct check *check, const struct segment *segment)
{
    if (check->no_memory)
        return false;
    check->done += segment->header.capacity;
    return check->config->amount == NULL ||
           check->config->amount(check->config->amount_ctx, "checking", check->done, check->total);
}

static enum kvs_status check_segments(struct check *check)
{
    struct log *log = check->log;
    bool go_on = true;
    for (size_t i = 0; i < log->segment_count; i++)
        check->total += log->segments[i]->header.capacity;
    check->durable = log_durable(log);
    check->mains = calloc(log->segment_count + 1, sizeof *check->mains);
    if (check->mains == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "list of %zu segments", log->segment_count);
    for (size_t i = 0; i < log->segment_count && go_on; i++) {
        struct segment *segment = log->segments[i];
        if (!segment->header.side) {
            check->mains[check->main_count++].segment = segment;
            continue;
        }
        check_side(check, segment);
        go_on = note_amount(check, segment);
    }
    qsort(check->mains, check->main_count, sizeof *check->mains, by_base);
    uint32_t chain = 0;
    for (size_t i = 0; i < check->main_count && go_on; i++) {
        check_main(check, &check->mains[i], &chain);
        go_on = note_amount(check, check->mains[i].segment);
    }
    for (size_t i = 0; i < check->main_count && go_on; i++)
        judge_main(check, i);
    free(check->mains);
    if (check->no_memory)
        return fail_restore(KVS_NO_MEMORY, check->why);
    return go_on ? KVS_OK : fail(KVS_CLOSED, 0, "stopped on demand");
}

enum kvs_status log_check(const struct log_config *config, kvs_report_fn *report, void *ctx)
{
    struct log_config read_only = *config;
    read_only.read_only = true;
    struct check check = { .config = config, .report = report, .ctx = ctx };
    enum kvs_status status = log_new(&read_only, &check.log);
    if (status != KVS_OK)
        return status;
    status = log_load_manifest(check.log);
    if (status == KVS_OK)
        status = log_remove_leftovers(check.log); /* reading only: looks at them */
    if (status == KVS_OK)
        status = stage_load(check.log);
    check.log->opening = true; /* each segment with what was staged of it */
    if (status != KVS_OK) {
        char text[FAIL_TEXT_BYTES];
        fail_save(text);
        if (status != KVS_NO_MEMORY)
            say(&check, false, "%s", text);
        log_free(check.log);
        return fail_restore(status, text);
    }
    say(&check, true, "%s: %zu segments, durable up to %" PRIu64, MANIFEST_NAME,
        check.log->segment_count, log_durable(check.log));
    status = check_segments(&check);
    log_free(check.log);
    if (status == KVS_OK && check.damages > 0)
        status = fail(KVS_CORRUPT, 0, "%s: %" PRIu64 " damaged places", config->dir, check.damages);
    return status;
}
