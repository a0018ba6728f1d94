/*
 * open.h - what opening a store shares with the operations on directories that nobody has open. Thread: any.
 */
#ifndef STORE_OPEN_H
#define STORE_OPEN_H

#include <kvs/kvs.h>

#include "io/env.h"

extern const struct kvs_options open_options_default;

/* Everything that can be wrong with options, in one place. */
KVS_MUST_CHECK enum kvs_status open_check_options(const char *dir,
                                                  const struct kvs_options *options);

/* @given (may be NULL) with what it leaves out. */
struct kvs_env open_env(const struct kvs_env *given);

/* Which engine: the one asked for, else the marker's, else the first of the build. All three must fit. */
KVS_MUST_CHECK enum kvs_status open_choose_engine(const char *dir, const char *asked,
                                                  const char *marker,
                                                  const struct kvs_engine_ops **ret);

/* What an engine is given; borrows @dir, @env and what @options points to. */
struct kvs_engine_config open_config(const char *dir, struct kvs_env *env,
                                     const struct kvs_options *options);

#endif
