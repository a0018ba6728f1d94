/*
 * trace.h - lines for humans (and their log collectors) on a descriptor: levelled, as text or as JSON lines.
 *
 * A line is written with one write(), so lines of several threads do not mix. Thread: any.
 */
#ifndef SERVER_TRACE_H
#define SERVER_TRACE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "io/clock.h"

enum trace_level {
    TRACE_ERROR,
    TRACE_WARN,
    TRACE_INFO,
    TRACE_DEBUG,
};

struct trace {
    int fd;
    struct clock *clock;
    atomic_int level; /* lines above it are not written */
    atomic_bool json;
};

void trace_init(struct trace *trace, int fd, struct clock *clock);

/* "error", "warn", "info", "debug"; Redis's "warning", "notice", "verbose" too. False: unknown. */
bool trace_level_parse(const char *name, enum trace_level *ret);

static inline bool trace_enabled(const struct trace *trace, enum trace_level level)
{
    /* relaxed: a setting, nothing is ordered by it */
    return (int)level <= atomic_load_explicit(&trace->level, memory_order_relaxed);
}

/* Longer lines than 2 KiB are cut. Control characters are escaped, so that input from the network cannot forge lines. */
void trace_line(struct trace *trace, enum trace_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
