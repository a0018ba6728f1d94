/*
 * check.c - how a failed CHECK ends the process: one line on stderr, then abort() for the core file.
 */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>

void check_failed(const char *file, int line, const char *condition)
{
    /* The one place where the library prints: the process is about to end, and nobody is left to ask kvs_error(). */
    fprintf(stderr, "kvs: %s:%d: check failed: %s\n", file, line, condition);
    abort();
}
