/*
 * registry.h - the engines of this build, by name. The only place that knows which there are. Thread: any.
 */
#ifndef STORE_REGISTRY_H
#define STORE_REGISTRY_H

#include <kvs/engine.h>

/* The @index-th engine; NULL past the last. The first is the default. */
const struct kvs_engine_ops *registry_engine(size_t index);

/* The engine called @name. KVS_INVALID with the known names in the text. */
KVS_MUST_CHECK enum kvs_status registry_find(const char *name, const struct kvs_engine_ops **ret);

#endif
