/*
 * rocksdb_engine.h - the engine "rocksdb": the log-structured merge tree of librocksdb, made an engine by engine/adapter.
 *
 * Threads: any, as <kvs/engine.h> says.
 */
#ifndef ENGINE_ROCKSDB_ROCKSDB_ENGINE_H
#define ENGINE_ROCKSDB_ROCKSDB_ENGINE_H

#include <kvs/engine.h>

extern const struct kvs_engine_ops rocksdb_engine_ops;

#endif
