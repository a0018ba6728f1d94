/*
 * fail.c - the thread's latest failure, and the texts of the status enum.
 *
 * Invariant: fail_record.text is always terminated; nothing here allocates, so failing works when memory is out.
 * Threads:   each has its own record.
 */
#include "base/fail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    ORIGIN_BYTES = 128
};

struct fail_record {
    char text[FAIL_TEXT_BYTES];
    char origin[ORIGIN_BYTES]; /* built from file and line when asked for */
    const char *file;          /* a string literal: __FILE__ */
    int line;
};

static _Thread_local struct fail_record record;

/* "../src/log/segment.c" is the build directory's affair; "log/segment.c" is the file. */
static const char *file_in_source(const char *file)
{
    const char *cut = strstr(file, "src/");
    return cut != NULL ? cut + strlen("src/") : file;
}

enum kvs_status fail_at(const char *file, int line, enum kvs_status status, int errnum,
                        const char *format, ...)
{
    int saved = errno;
    /* Through a second buffer: an argument may be the text of the failure before (fail(..., "%s", fail_text())). */
    char text[FAIL_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (len < 0) {
        text[0] = '\0';
        len = 0;
    }
    if (errnum != 0 && (size_t)len < sizeof text) {
        char reason[128];
        (void)snprintf(text + len, sizeof text - (size_t)len, "%s%s", len > 0 ? ": " : "",
                       strerror_r(errnum, reason, sizeof reason));
    }
    memcpy(record.text, text, sizeof text);
    record.file = file;
    record.line = line;
    errno = saved;
    return status;
}

const char *fail_text(void)
{
    return record.text;
}

const char *fail_origin(void)
{
    if (record.file == NULL)
        return "";
    (void)snprintf(record.origin, sizeof record.origin, "%s:%d", file_in_source(record.file),
                   record.line);
    return record.origin;
}

void fail_save(char ret_text[FAIL_TEXT_BYTES])
{
    memcpy(ret_text, record.text, FAIL_TEXT_BYTES);
}

enum kvs_status fail_restore(enum kvs_status status, const char *text)
{
    (void)snprintf(record.text, sizeof record.text, "%s", text);
    record.file = NULL;
    record.line = 0;
    return status;
}

const char *kvs_error(void)
{
    return record.text;
}

const char *kvs_status_name(enum kvs_status status)
{
    switch (status) {
#define STATUS_NAME(name, number, text) \
    case name:                          \
        return #name;
        KVS_STATUS_MAP(STATUS_NAME)
#undef STATUS_NAME
    }
    return "KVS_UNKNOWN";
}

const char *kvs_status_text(enum kvs_status status)
{
    switch (status) {
#define STATUS_TEXT(name, number, text) \
    case name:                          \
        return text;
        KVS_STATUS_MAP(STATUS_TEXT)
#undef STATUS_TEXT
    }
    return "unknown status";
}
