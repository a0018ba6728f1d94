/*
 * replay.h - what opening has found; between replay.c, which finds it, and recover.c, which makes the tail safe.
 */
#ifndef LOG_REPLAY_H
#define LOG_REPLAY_H

#include "log/scan.h"
#include "log/state.h"

/* A main segment, as found. */
struct found {
    struct segment *segment;
    struct main_scan scan;
    uint64_t start;      /* the first group's header, or the first that is not covered by a checkpoint */
    uint64_t size;       /* of the file */
    uint64_t proven_end; /* of the last group that is proven durable */
    uint32_t proven_chain;
    bool joined; /* part of the stream */
    bool shown;
};

struct replay {
    struct log *log;
    log_replay_fn *fn;
    void *ctx;
    const struct log_mark *mark; /* what lies before it is covered by a checkpoint; NULL: nothing is */
    struct found *mains; /* by ascending base; not the covered ones */
    size_t main_count;
    size_t last;         /* of the stream; main_count: the stream is empty */
    uint64_t durable;    /* proven */
    uint64_t torn_bytes; /* behind the end of what counts */
    bool unproven;       /* there are whole batches behind the proven end */
    uint64_t max_version;
    struct cut_off *cut_offs; /* by ascending first version */
    size_t cut_off_count;
    size_t cut_off_next; /* to be shown */
};

/* A side segment with what an earlier recovery cut off the stream: shown in its place in the stream. */
struct cut_off {
    struct segment *segment;
    uint64_t first_version;
};

/* Shows one record, after noting its version. */
KVS_MUST_CHECK enum kvs_status replay_show(struct replay *replay, struct segment *segment,
                                           uint64_t locator, const struct log_record *record);

/* Calls @fn for the records of all whole batches of the stream behind the proven end, in order, until @fn fails. @may is asked
 * before each batch, with its first record's place: false ends the walk. */
typedef enum kvs_status unproven_fn(void *ctx, struct segment *segment, uint64_t off,
                                    const struct log_record *record);
typedef enum kvs_status unproven_may_fn(void *ctx, struct segment *segment, const uint8_t *data,
                                        uint64_t off, uint64_t end, bool *ret_may);
KVS_MUST_CHECK enum kvs_status replay_each_unproven(struct replay *replay, unproven_may_fn *may,
                                                    unproven_fn *fn, void *ctx);

/* Makes what follows the proven end durable in new side segments, cuts it off where it was, and shows it. */
KVS_MUST_CHECK enum kvs_status recover_tail(struct replay *replay);

#endif
