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

static void draw_bar(uint64_t done, uint64_t total)
{
    (void)fputs("\r\033[K", stderr);
    if (total == 0)
        return;
    double part = (double)done / (double)total;
    part = part > 1 ? 1 : part;
    int full = (int)(part * BAR_CHARS);
    (void)fprintf(stderr, "[%.*s%*s] %3d%%  ", full, "##############################",
                  BAR_CHARS - full, "", (int)(part * 100));
}

static void draw(struct progress *progress, double seconds)
{
    double mb = (double)progress->bytes / 1e6;
    draw_bar(progress->bytes, progress->bytes_total);
    (void)fprintf(stderr, "%" PRIu64 " records, %.1f MB, %.0f records/s, %.1f MB/s",
                  progress->records, mb, (double)progress->records / seconds, mb / seconds);
    (void)fflush(stderr);
    progress->line_open = true;
}

/* Whether it is time to draw again. */
static bool is_due(struct progress *progress, int64_t *ret_now)
{
    if (!progress->is_terminal)
        return false;
    *ret_now = now_ns();
    if (*ret_now - progress->shown_ns < DRAW_EVERY_NS)
        return false;
    progress->shown_ns = *ret_now;
    return true;
}

void progress_tick(struct progress *progress)
{
    int64_t now;
    if (is_due(progress, &now))
        draw(progress, (double)(now - progress->started_ns + 1) / 1e9);
}

void progress_amount(struct progress *progress, const char *what, uint64_t done, uint64_t total)
{
    int64_t now;
    if (!is_due(progress, &now))
        return;
    draw_bar(done, total);
    (void)fprintf(stderr, "%s, %.1f MB", what, (double)done / 1e6);
    if (total > 0)
        (void)fprintf(stderr, " of %.1f MB", (double)total / 1e6);
    (void)fflush(stderr);
    progress->line_open = true;
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
