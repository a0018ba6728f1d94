/*
 * loader.h - fills an engine with records, as fast as it takes them; for restoring and repairing. Keys are engine keys. One thread.
 */
#ifndef STORE_LOADER_H
#define STORE_LOADER_H

#include <kvs/engine.h>

struct loader;

/* @engine stays the caller's, and must have nobody else writing to it. */
KVS_MUST_CHECK enum kvs_status loader_new(struct kvs_engine *engine, struct loader **ret);
void loader_free(struct loader *loader); /* NULL is allowed; what was not finished is not durable */

/* Stores a record; a value over KVS_INLINE_MAX is read with @read, front to back. KVS_CORRUPT only from @read: then nothing of it is
 * stored, and the next may be put. */
KVS_MUST_CHECK enum kvs_status loader_put(struct loader *loader, const struct kvs_entry *entry,
                                          kvs_salvage_read_fn *read, void *read_ctx);

/* Everything put is in the engine, and durable. */
KVS_MUST_CHECK enum kvs_status loader_finish(struct loader *loader);

uint64_t loader_count(const struct loader *loader);

#endif
