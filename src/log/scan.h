/*
 * scan.h - following the groups, batches and records of one segment as found on disk. Pure; nothing is believed unverified.
 */
#ifndef LOG_SCAN_H
#define LOG_SCAN_H

#include "log/segment.h"

/* What following a main segment from its start has found. Offsets in the segment. */
struct main_scan {
    bool matched;     /* there is a first group, and it continues the chain */
    bool marker;      /* ended at an end marker, at bad_off */
    bool closed;      /* which an orderly close has written … */
    uint32_t session; /* … in this session */
    uint64_t end;     /* of the last whole group */
    uint64_t
        valid_end; /* of the last whole batch, in a group that is not whole or in the last that is */
    uint64_t bad_off; /* the first place that does not verify */
    uint32_t chain;   /* checksum of the last whole group's header */
    uint64_t groups;
    uint64_t records;
    uint64_t claim;  /* the largest durable position seen in headers and markers */
    int64_t time_ms; /* the latest store time seen */
};

/* Follows @data, the first @size bytes of main segment @segment, from the group at @start; @chain is the checksum before it. */
void scan_main(const struct segment *segment, const uint8_t *data, uint64_t start, uint64_t size,
               uint32_t chain, struct main_scan *ret);

/* The end of the whole, verified batch that begins at @off and ends at or before @end; 0: there is none, and *ret_bad_off
 * tells the first record that does not verify. */
uint64_t scan_batch(const struct segment *segment, const uint8_t *data, uint64_t off, uint64_t end,
                    uint64_t *ret_bad_off, uint64_t *ret_records);

/* The largest durable position that any valid group header or end marker in [from, size) claims; 0: none does. */
uint64_t scan_claims(const struct segment *segment, const uint8_t *data, uint64_t from,
                     uint64_t size);

/* One past the last byte in [from, size) that is not zero; from: all are. */
uint64_t scan_used(const uint8_t *data, uint64_t from, uint64_t size);

/* What following a side segment has found: the end of the verified records, without a gap. */
uint64_t scan_side(const struct segment *segment, const uint8_t *data, uint64_t size,
                   uint64_t *ret_records);

/* The same from @off on, where a record begins; @data are the bytes from there to @size. */
uint64_t scan_side_from(const struct segment *segment, const uint8_t *data, uint64_t off,
                        uint64_t size, uint64_t *ret_records);

#endif
