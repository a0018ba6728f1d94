/*
 * room.h - the functions of the memory engine that its operations table names, file by file. See <kvs/engine.h>.
 */
#ifndef ENGINE_MEMORY_ROOM_H
#define ENGINE_MEMORY_ROOM_H

#include "engine/memory/table.h"

/* read.c */
enum kvs_status memory_get(struct kvs_engine *engine, const struct kvs_read *read,
                           struct kvs_bytes key, kvs_visit_fn *visit, void *ctx,
                           uint64_t *ret_position);
enum kvs_status memory_multi_get(struct kvs_engine *engine, const struct kvs_read *read,
                                 size_t count, const struct kvs_bytes *keys, kvs_visit_fn *visit,
                                 void *const *ctxs, enum kvs_status *statuses,
                                 uint64_t *ret_position);
enum kvs_status memory_count(struct kvs_engine *engine, const struct kvs_read *read,
                             const struct kvs_range *range, uint64_t *ret_count, bool *ret_exact,
                             uint64_t *ret_position);
enum kvs_status memory_sample(struct kvs_engine *engine, const struct kvs_read *read,
                              const struct kvs_range *range, uint64_t random, kvs_visit_fn *visit,
                              void *ctx, uint64_t *ret_position);
enum kvs_status memory_reader_open(struct kvs_engine *engine, const struct kvs_read *read,
                                   struct kvs_bytes key, struct kvs_entry *ret_entry,
                                   uint64_t *ret_position, struct kvs_reader **ret);
enum kvs_status memory_reader_read(struct kvs_reader *reader, bool no_block, uint64_t off,
                                   void *buf, size_t len);
void memory_reader_close(struct kvs_reader *reader);
struct kvs_entry memory_entry(const struct memory_key *key, const struct memory_version *version);

/* write.c */
enum kvs_status memory_write(struct kvs_engine *engine, const struct kvs_write *write,
                             struct kvs_written *ret);

/* blob.c */
struct kvs_blob {
    struct memory_engine *engine;
    struct memory_value *value; /* NULL: empty so far, or taken by a batch */
    bool claimed;               /* by an operation of the batch being prepared */
};
enum kvs_status memory_blob_new(struct kvs_engine *engine, struct kvs_blob **ret);
enum kvs_status memory_blob_append(struct kvs_blob *blob, struct kvs_bytes bytes);
uint64_t memory_blob_bytes(const struct kvs_blob *blob);
void memory_blob_free(struct kvs_blob *blob);
/* A value of its own with @bytes and room for @capacity; refs is 1. NULL: out of memory, recorded. */
struct memory_value *memory_value_new(struct kvs_bytes bytes, size_t capacity);

/* snapshot.c */
enum kvs_status memory_snapshot_open(struct kvs_engine *engine, const char *owner,
                                     struct kvs_snapshot **ret);
uint64_t memory_snapshot_version(const struct kvs_snapshot *snapshot);
void memory_snapshot_close(struct kvs_engine *engine, struct kvs_snapshot *snapshot);

/* iterator.c */
enum kvs_status memory_iterator_open(struct kvs_engine *engine, const struct kvs_read *read,
                                     const struct kvs_range *range, bool reverse,
                                     struct kvs_iterator **ret);
enum kvs_status memory_iterator_next(struct kvs_iterator *iterator, bool no_block,
                                     struct kvs_entry *ret_entry);
const struct kvs_snapshot *memory_iterator_snapshot(const struct kvs_iterator *iterator);
uint64_t memory_iterator_position(const struct kvs_iterator *iterator);
void memory_iterator_close(struct kvs_iterator *iterator);

/* memory.c: tells the one who listens that marks have grown. No lock held. */
void memory_tell_progress(struct memory_engine *engine) EXCLUDES(engine->mu);

#endif
