/*
 * env.h - everything that differs from run to run, as it comes in at open: files, clock, randomness.
 */
#ifndef IO_ENV_H
#define IO_ENV_H

#include "io/clock.h"
#include "io/io.h"

struct kvs_env {
    struct io *io;       /* NULL: io_posix() */
    struct clock *clock; /* NULL: clock_system() */
    uint64_t seed;       /* 0: from the system */
};

/* The real ones. Never freed. */
struct kvs_env *env_system(void);

#endif
