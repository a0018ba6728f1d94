/*
 * lmdb_engine.h - the engine "lmdb": one memory-mapped B+tree of the library liblmdb, made an engine by engine/adapter.
 *
 * Threads: any, as <kvs/engine.h> says.
 */
#ifndef ENGINE_LMDB_LMDB_ENGINE_H
#define ENGINE_LMDB_LMDB_ENGINE_H

#include <kvs/engine.h>

extern const struct kvs_engine_ops lmdb_engine_ops;

#endif
