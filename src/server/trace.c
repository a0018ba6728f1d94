/*
 * trace.c - one line at a time.
 */
#include "server/trace.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

enum {
    TEXT_BYTES = 2048,
    LINE_BYTES = TEXT_BYTES * 6 + 128
};

static const char *const level_names[] = { "error", "warn", "info", "debug" };

void trace_init(struct trace *trace, int fd, struct clock *clock)
{
    trace->fd = fd;
    trace->clock = clock;
    atomic_init(&trace->level, TRACE_INFO);
    atomic_init(&trace->json, false);
}

bool trace_level_parse(const char *name, enum trace_level *ret)
{
    static const struct {
        const char *name;
        enum trace_level level;
    } names[] = {
        { "error", TRACE_ERROR },   { "warn", TRACE_WARN },   { "warning", TRACE_WARN },
        { "info", TRACE_INFO },     { "notice", TRACE_INFO }, { "debug", TRACE_DEBUG },
        { "verbose", TRACE_DEBUG },
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcasecmp(names[i].name, name) == 0) {
            *ret = names[i].level;
            return true;
        }
    }
    return false;
}

/* Copies @text with control characters (and, for JSON, quotes and backslashes) escaped; returns the length. */
static size_t escape(char *out, const char *text, bool json)
{
    size_t len = 0;
    for (; *text != '\0'; text++) {
        unsigned char byte = (unsigned char)*text;
        if (json && (byte == '"' || byte == '\\')) {
            out[len++] = '\\';
            out[len++] = (char)byte;
        } else if (byte < 0x20 || byte == 0x7f) {
            len += (size_t)snprintf(out + len, 7, json ? "\\u%04x" : "\\x%02x", byte);
        } else if (json && byte >= 0x80) {
            len +=
                (size_t)snprintf(out + len, 7, "\\u%04x", byte); /* as Latin-1: always valid JSON */
        } else {
            out[len++] = (char)byte;
        }
    }
    return len;
}

void trace_line(struct trace *trace, enum trace_level level, const char *format, ...)
{
    if (!trace_enabled(trace, level))
        return;
    char text[TEXT_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);

    int64_t now_us = clock_wall_us(trace->clock);
    time_t now_s = (time_t)(now_us / 1000000);
    struct tm tm;
    char when[32] = "";
    if (gmtime_r(&now_s, &tm) != NULL)
        (void)strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);

    char line[LINE_BYTES];
    /* relaxed: a setting */
    bool json = atomic_load_explicit(&trace->json, memory_order_relaxed);
    int head =
        snprintf(line, sizeof line,
                 json ? "{\"time\":\"%s.%03dZ\",\"level\":\"%s\",\"message\":\"" : "%s.%03dZ %-5s ",
                 when, (int)(now_us / 1000 % 1000), level_names[level]);
    size_t len = (size_t)head;
    len += escape(line + len, text, json);
    if (json) {
        line[len++] = '"';
        line[len++] = '}';
    }
    line[len++] = '\n';
    ssize_t put = write(trace->fd, line, len);
    (void)put; /* there is no place to tell that the log cannot be written */
}
