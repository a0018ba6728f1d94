/*
 * progress.c - drawing progress.
 */
#include "app/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum {
    DRAW_EVERY_NS = 200 * 1000 * 1000,
    BAR_CHARS = 30,
};

static int64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void progress_begin(struct progress *progress, const char *verb, uint64_t bytes_total)
{
    *progress = (struct progress){
        .verb = verb,
        .bytes_total = bytes_total,
        .started_ns = now_ns(),
        .is_terminal = isatty(STDERR_FILENO) == 1,
    };
}

static void draw(struct progress *progress, double seconds)
{
    double mb = (double)progress->bytes / 1e6;
    (void)fputs("\r\033[K", stderr);
    if (progress->bytes_total > 0) {
        double part = (double)progress->bytes / (double)progress->bytes_total;
        int full = (int)(part * BAR_CHARS);
        full = full > BAR_CHARS ? BAR_CHARS : full;
        (void)fprintf(stderr, "[%.*s%*s] %3d%%  ", full, "##############################",
                      BAR_CHARS - full, "", (int)(part * 100));
    }
    (void)fprintf(stderr, "%" PRIu64 " records, %.1f MB, %.0f records/s, %.1f MB/s",
                  progress->records, mb, (double)progress->records / seconds, mb / seconds);
    (void)fflush(stderr);
    progress->line_open = true;
}

void progress_tick(struct progress *progress)
{
    if (!progress->is_terminal)
        return;
    int64_t now = now_ns();
    if (now - progress->shown_ns < DRAW_EVERY_NS)
        return;
    progress->shown_ns = now;
    draw(progress, (double)(now - progress->started_ns + 1) / 1e9);
}

void progress_clear(struct progress *progress)
{
    if (progress->line_open)
        (void)fputs("\r\033[K", stderr);
    progress->line_open = false;
}

void progress_end(struct progress *progress)
{
    progress_clear(progress);
    double seconds = (double)(now_ns() - progress->started_ns + 1) / 1e9;
    double mb = (double)progress->bytes / 1e6;
    (void)fprintf(stderr,
                  "%s %" PRIu64 " records, %.1f MB in %.2f s (%.0f records/s, %.1f MB/s), %" PRIu64
                  " errors\n",
                  progress->verb, progress->records, mb, seconds,
                  (double)progress->records / seconds, mb / seconds, progress->errors);
}
