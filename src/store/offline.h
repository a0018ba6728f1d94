/*
 * offline.h - a store's directory that nobody has open, taken for looking at it. Thread: any.
 */
#ifndef STORE_OFFLINE_H
#define STORE_OFFLINE_H

#include <kvs/kvs.h>

#include "io/env.h"

struct offline {
    struct kvs_env env;
    struct io_file *lock;
    const struct kvs_engine_ops *ops;
    struct kvs_engine_config config; /* read-only; borrows env */
};

/* Finds out whose @dir is, and locks it. With @damaged, a marker that names no engine is no obstacle when @options names one.
 * KVS_NOT_FOUND: there is no store in it. */
KVS_MUST_CHECK enum kvs_status offline_begin(struct offline *offline, const char *dir,
                                             const struct kvs_options *options, bool damaged);
void offline_end(struct offline *offline);

#endif
