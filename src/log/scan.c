/*
 * scan.c - see scan.h. The stop rules: the first thing that does not verify ends the walk, whatever follows it.
 */
#include "log/scan.h"

uint64_t scan_batch(const struct segment *segment, const uint8_t *data, uint64_t off, uint64_t end,
                    uint64_t *ret_bad_off, uint64_t *ret_records)
{
    uint64_t batch_end = 0;
    uint64_t records = 0;
    for (;;) {
        struct log_record record;
        uint32_t stored = record_decode(data + off, end - off, segment->header.base + off, &record);
        *ret_bad_off = off;
        if (stored == 0 || (record.flags & LOG_MOVED) || record.kind == LOG_CHUNK ||
            !record_verify(data + off, stored, place_seed(segment->seed, off)))
            return 0;
        uint64_t says =
            record.version - segment->header.base; /* where this record says its batch ends */
        if (says > end || (batch_end != 0 && says != batch_end))
            return 0;
        batch_end = says;
        off += stored;
        records++;
        if (!(record.flags & LOG_MORE)) {
            *ret_records += records;
            return batch_end;
        }
    }
}

/* Walks the batches of the group whose records are [off, end). True when it is whole. */
static bool scan_group(const struct segment *segment, const uint8_t *data, uint64_t off,
                       uint64_t end, struct main_scan *scan)
{
    while (off < end) {
        uint64_t batch_end = scan_batch(segment, data, off, end, &scan->bad_off, &scan->records);
        if (batch_end == 0)
            return false;
        off = batch_end;
        scan->valid_end = off;
    }
    return true;
}

void scan_main(const struct segment *segment, const uint8_t *data, uint64_t first, uint64_t size,
               uint32_t chain, struct main_scan *ret)
{
    struct main_scan scan = {
        .end = first,
        .valid_end = first,
        .bad_off = first,
        .chain = chain,
    };
    for (;;) {
        uint64_t off = scan.end;
        struct group_header group;
        uint32_t checksum;
        scan.bad_off = off;
        if (size < off || size - off < GROUP_HEADER_BYTES ||
            !group_header_decode(data + off, segment->seed, segment->header.base, off, &group,
                                 &checksum) ||
            group.previous != scan.chain)
            break;
        if (group.durable > scan.claim)
            scan.claim = group.durable;
        if (group.time_ms > scan.time_ms)
            scan.time_ms = group.time_ms;
        if (group.length == 0) {
            scan.marker = true;
            scan.closed = group.flags & GROUP_CLOSED;
            scan.session = group.session;
            break;
        }
        if (off == first)
            scan.matched = true;
        uint64_t start = off + GROUP_HEADER_BYTES;
        /* A group that goes beyond what is there is followed as far as it is there. */
        bool fits = group.length <= size - start;
        uint64_t end = fits ? start + group.length : size;
        if (!scan_group(segment, data, start, end, &scan))
            break;
        if (!fits) {
            scan.bad_off = end;
            break;
        }
        scan.end = end;
        scan.valid_end = end;
        scan.chain = checksum;
        scan.groups++;
    }
    *ret = scan;
}

uint64_t scan_claims(const struct segment *segment, const uint8_t *data, uint64_t from,
                     uint64_t size)
{
    uint64_t claim = 0;
    for (uint64_t off = from; size >= GROUP_HEADER_BYTES && off <= size - GROUP_HEADER_BYTES;
         off += RECORD_ALIGN) {
        struct group_header group;
        uint32_t checksum;
        if (group_header_decode(data + off, segment->seed, segment->header.base, off, &group,
                                &checksum) &&
            group.durable > claim)
            claim = group.durable;
    }
    return claim;
}

uint64_t scan_used(const uint8_t *data, uint64_t from, uint64_t size)
{
    while (size > from && data[size - 1] == 0)
        size--;
    return size > from ? size : from;
}

uint64_t scan_side(const struct segment *segment, const uint8_t *data, uint64_t size,
                   uint64_t *ret_records)
{
    return scan_side_from(segment, data + SEGMENT_HEADER_BYTES, SEGMENT_HEADER_BYTES, size,
                          ret_records);
}

uint64_t scan_side_from(const struct segment *segment, const uint8_t *data, uint64_t off,
                        uint64_t size, uint64_t *ret_records)
{
    const uint64_t first = off;
    while (off < size) {
        struct log_record record;
        const uint8_t *at = data + (off - first);
        uint32_t stored = record_decode(at, size - off, 0, &record);
        if (stored == 0 || !(record.flags & LOG_MOVED) ||
            !record_verify(at, stored, place_seed(segment->seed, off)))
            break;
        off += stored;
        ++*ret_records;
    }
    return off;
}
