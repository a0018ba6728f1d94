/*
 * salvage.h - reading a log that may be damaged anywhere: every record that verifies, whatever stands around it. Reads only.
 * One thread.
 */
#ifndef LOG_SALVAGE_H
#define LOG_SALVAGE_H

#include "log/log.h"

struct log_salvage;

/* What the survey has found. */
struct log_survey {
    uint64_t records; /* that verify, chunks not counted */
    uint64_t bytes;   /* of all files */
    uint64_t durable; /* the largest position that anything says was durable */
};

/*
 * Finds the segments, by the manifest or, where that is damaged, by their own headers, and looks through all of them. Damage goes to
 * @report: what lies before the durable end with ok false. KVS_CLOSED: stopped. KVS_NOT_FOUND: there is no log.
 */
KVS_MUST_CHECK enum kvs_status log_salvage_open(const struct log_config *config,
                                                kvs_report_fn *report, void *ctx,
                                                struct log_survey *ret_survey,
                                                struct log_salvage **ret);
void log_salvage_close(struct log_salvage *salvage); /* NULL is allowed */

/* Shows every record that verifies, in no order; but those of a batch that is torn and was never durable. */
KVS_MUST_CHECK enum kvs_status log_salvage_walk(struct log_salvage *salvage, log_replay_fn *fn,
                                                void *ctx);

/* Reads one of them again. KVS_CORRUPT: it is none, or not any more. */
KVS_MUST_CHECK enum kvs_status log_salvage_fetch(struct log_salvage *salvage, uint64_t locator,
                                                 struct buf *scratch, struct log_record *ret);

/* Of two copies of a record, the one with the larger (id, offset) is the later. */
uint64_t log_salvage_segment_of(const struct log_salvage *salvage, uint64_t locator);

/* Describes all groups and records of the log in config->dir, and what verifies as neither. */
KVS_MUST_CHECK enum kvs_status log_dump(const struct log_config *config, kvs_report_fn *report,
                                        void *ctx);

#endif
