/*
 * progress.h - how far a transfer is, on stderr when that is a terminal, and its summary.
 */
#ifndef APP_PROGRESS_H
#define APP_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *verb;     /* "imported" */
    uint64_t bytes_total; /* 0: not known */
    uint64_t records;     /* done; the caller counts these three */
    uint64_t bytes;
    uint64_t errors;
    int64_t started_ns; /* private */
    int64_t shown_ns;
    bool is_terminal;
    bool line_open;
};

void progress_begin(struct progress *progress, const char *verb, uint64_t bytes_total);

/* Call it often: it draws a few times a second. */
void progress_tick(struct progress *progress);

/* For operations without records: @done of @total bytes (0: not known) of what is going on. Draws as often as progress_tick(). */
void progress_amount(struct progress *progress, const char *what, uint64_t done, uint64_t total);

/* Ends the line being drawn, before something else is written to stderr. */
void progress_clear(struct progress *progress);

/* "imported 60000 records, 71.2 MB in 1.52 s (39473 records/s, 46.8 MB/s), 0 errors" */
void progress_end(struct progress *progress);

#endif
