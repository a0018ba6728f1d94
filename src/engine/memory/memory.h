/*
 * memory.h - the engine "memory": a sorted array under one mutex. Slow and obvious on purpose: it is the oracle that the
 * model tests compare every other engine with. Keeps nothing when it is closed.
 *
 * Threads: any, as <kvs/engine.h> says.
 */
#ifndef ENGINE_MEMORY_MEMORY_H
#define ENGINE_MEMORY_MEMORY_H

#include <kvs/engine.h>

extern const struct kvs_engine_ops memory_engine_ops;

#endif
