/*
 * fail.h - where a failure is first seen, its detail is recorded, once; layers above only pass the status on.
 *
 *     return fail(KVS_IO, errno, "append %zu bytes to %s", rec.len, seg->name);
 *
 * The text is thread-local and what kvs_error() returns: "append 128 bytes to 00000001.seg: No space left on device".
 */
#ifndef BASE_FAIL_H
#define BASE_FAIL_H

#include <kvs/status.h>

/* Records text and error number (0: none) and returns @status (seen by the compiler, so that it knows the call has failed;
 * evaluated twice: a constant or a variable). Never allocates. */
#define fail(status, errnum, ...) \
    ((void)fail_at(__FILE__, __LINE__, (status), (errnum), __VA_ARGS__), (enum kvs_status)(status))

enum kvs_status fail_at(const char *file, int line, enum kvs_status status, int errnum,
                        const char *format, ...) __attribute__((format(printf, 5, 6), cold));

/* The recorded text; and the source line it was born on, for traces. Valid until the next fail() on this thread. */
const char *fail_text(void);
const char *fail_origin(void); /* "log/segment.c:120" */

/* Carries a failure from one thread to another: copies the text out, and records it there. */
enum {
    FAIL_TEXT_BYTES = 512
};

void fail_save(char ret_text[FAIL_TEXT_BYTES]);
enum kvs_status fail_restore(enum kvs_status status, const char *text);

#endif
