/*
 * native.h - the engine "kvs": a log that is the database, with an ordered index in memory. See README.md.
 */
#ifndef ENGINE_NATIVE_NATIVE_H
#define ENGINE_NATIVE_NATIVE_H

#include <kvs/engine.h>

extern const struct kvs_engine_ops native_engine_ops;

#endif
