/*
 * walk.h - through one segment as found on disk, past whatever does not verify. Pure; nothing is believed unverified.
 */
#ifndef LOG_WALK_H
#define LOG_WALK_H

#include "log/segment.h"

struct walk {
    void *ctx;
    /* Any may be NULL. A failure ends the walk. */
    enum kvs_status (*group)(void *ctx, const struct segment *segment, uint64_t off,
                             const struct group_header *group);
    enum kvs_status (*record)(void *ctx, const struct segment *segment, uint64_t off,
                              const struct log_record *record);
    /* [from, to) holds nothing that verifies; something does behind it, unless @last. */
    enum kvs_status (*gap)(void *ctx, const struct segment *segment, uint64_t from, uint64_t to,
                           bool last);
    uint64_t
        durable; /* main: of a batch that is not whole, records are left out when it ends behind this */
};

/* Walks through @data, the first @size bytes of @segment. */
KVS_MUST_CHECK enum kvs_status walk_segment(const struct segment *segment, const uint8_t *data,
                                            uint64_t size, const struct walk *walk);

#endif
