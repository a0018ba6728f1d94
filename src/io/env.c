/*
 * env.c - the real environment.
 */
#include "io/env.h"

static struct kvs_env real;

/* Before main(), so that any thread may ask for it. */
__attribute__((constructor)) static void fill_real(void)
{
    real.io = io_posix();
    real.clock = clock_system();
}

struct kvs_env *env_system(void)
{
    return &real;
}
