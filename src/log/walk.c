/*
 * walk.c - see walk.h. Everything stands at a multiple of 8, and its checksum is bound to the segment and the place: so after a gap each
 * such place is tried, and what verifies there was written there.
 */
#include "log/walk.h"

#include "log/scan.h"

struct state {
    const struct segment *segment;
    const uint8_t *data;
    uint64_t size;
    const struct walk *walk;
    uint64_t gap;        /* where it began; UINT64_MAX: there is none */
    uint64_t batch_end;  /* of the batch that was looked at last */
    bool batch_left_out; /* it is torn, and was never durable */
};

static enum kvs_status end_gap(struct state *state, uint64_t to, bool last)
{
    uint64_t from = state->gap;
    if (from == UINT64_MAX)
        return KVS_OK;
    state->gap = UINT64_MAX;
    if (last)
        to = scan_used(state->data, from, to);
    if (to == from || state->walk->gap == NULL)
        return KVS_OK;
    return state->walk->gap(state->walk->ctx, state->segment, from, to, last);
}

static bool group_at(const struct state *state, uint64_t off, struct group_header *ret)
{
    uint32_t checksum;
    return !state->segment->header.side && state->size - off >= GROUP_HEADER_BYTES &&
           group_header_decode(state->data + off, state->segment->seed, state->segment->header.base,
                               off, ret, &checksum);
}

/* Its stored bytes, 0: there is none. */
static uint32_t record_at(const struct state *state, uint64_t off, struct log_record *ret)
{
    const struct segment *segment = state->segment;
    bool side = segment->header.side;
    uint32_t stored = record_decode(state->data + off, state->size - off,
                                    side ? 0 : segment->header.base + off, ret);
    bool moved = stored != 0 && (ret->flags & LOG_MOVED) != 0;
    if (stored == 0 || moved != side || (!side && ret->kind == LOG_CHUNK) ||
        !record_verify(state->data + off, stored, place_seed(segment->seed, off)))
        return 0;
    return stored;
}

/* Whether the batch that begins with the record at @off is to be left out. */
static bool is_torn(const struct state *state, uint64_t off, const struct log_record *record)
{
    uint64_t bad_off;
    uint64_t records = 0;
    return record->version > state->walk->durable &&
           scan_batch(state->segment, state->data, off, state->size, &bad_off, &records) == 0;
}

static enum kvs_status show(struct state *state, uint64_t off, const struct log_record *record)
{
    const struct segment *segment = state->segment;
    if (!segment->header.side) {
        uint64_t position = segment->header.base + off;
        if (position >= state->batch_end) {
            state->batch_left_out = is_torn(state, off, record);
            state->batch_end = record->version;
        }
        if (state->batch_left_out)
            return KVS_OK;
    }
    return state->walk->record == NULL
               ? KVS_OK
               : state->walk->record(state->walk->ctx, segment, off, record);
}

enum kvs_status walk_segment(const struct segment *segment, const uint8_t *data, uint64_t size,
                             const struct walk *walk)
{
    struct state state = {
        .segment = segment, .data = data, .size = size, .walk = walk, .gap = UINT64_MAX
    };
    enum kvs_status status = KVS_OK;
    uint64_t off = SEGMENT_HEADER_BYTES;
    while (off < size && size - off >= RECORD_ALIGN && status == KVS_OK) {
        struct group_header group;
        struct log_record record;
        uint32_t stored;
        if (group_at(&state, off, &group)) {
            status = end_gap(&state, off, false);
            if (status == KVS_OK && walk->group != NULL)
                status = walk->group(walk->ctx, segment, off, &group);
            off += GROUP_HEADER_BYTES;
        } else if ((stored = record_at(&state, off, &record)) != 0) {
            status = end_gap(&state, off, false);
            if (status == KVS_OK)
                status = show(&state, off, &record);
            off += stored;
        } else {
            if (state.gap == UINT64_MAX)
                state.gap = off;
            off += RECORD_ALIGN;
        }
    }
    return status == KVS_OK ? end_gap(&state, size, true) : status;
}
