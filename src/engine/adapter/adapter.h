/*
 * adapter.h - a whole engine on top of a driver. An engine's own file fills in a struct kvs_engine_ops with these functions, and
 * an open() that calls adapter_open() with its driver. See <kvs/engine.h> for what each does, README.md for how.
 */
#ifndef ENGINE_ADAPTER_ADAPTER_H
#define ENGINE_ADAPTER_ADAPTER_H

#include "engine/adapter/driver.h"

/* @self: the engine's ops; @key_max: of an engine key, as its capabilities say. */
KVS_MUST_CHECK enum kvs_status adapter_open(const struct kvs_engine_ops *self,
                                            const struct driver_ops *driver,
                                            const struct kvs_engine_config *config,
                                            struct kvs_engine **ret);
KVS_MUST_CHECK enum kvs_status adapter_check(const struct kvs_engine_ops *self,
                                             const struct driver_ops *driver,
                                             const struct kvs_engine_config *config,
                                             kvs_report_fn *report, void *ctx);

/* KVS_INVALID with the name when @config has a setting that is none of @names (a NULL ends them). */
KVS_MUST_CHECK enum kvs_status adapter_check_settings(const char *engine,
                                                      const struct kvs_engine_config *config,
                                                      const char *const *names);
/* The value of the setting @name, "yes" or "no"; @otherwise when it is not given. KVS_INVALID: neither. */
KVS_MUST_CHECK enum kvs_status adapter_setting_bool(const struct kvs_engine_config *config,
                                                    const char *name, bool otherwise, bool *ret);

enum kvs_status adapter_close(struct kvs_engine *engine);
enum kvs_status adapter_get(struct kvs_engine *engine, const struct kvs_read *read,
                            struct kvs_bytes key, kvs_visit_fn *visit, void *ctx,
                            uint64_t *ret_position);
enum kvs_status adapter_multi_get(struct kvs_engine *engine, const struct kvs_read *read,
                                  size_t count, const struct kvs_bytes *keys, kvs_visit_fn *visit,
                                  void *const *ctxs, enum kvs_status *statuses,
                                  uint64_t *ret_position);
enum kvs_status adapter_write(struct kvs_engine *engine, const struct kvs_write *write,
                              struct kvs_written *ret);
enum kvs_status adapter_blob_new(struct kvs_engine *engine, struct kvs_blob **ret);
enum kvs_status adapter_blob_append(struct kvs_blob *blob, struct kvs_bytes bytes);
uint64_t adapter_blob_bytes(const struct kvs_blob *blob);
void adapter_blob_free(struct kvs_blob *blob);
enum kvs_status adapter_reader_open(struct kvs_engine *engine, const struct kvs_read *read,
                                    struct kvs_bytes key, struct kvs_entry *ret_entry,
                                    uint64_t *ret_position, struct kvs_reader **ret);
enum kvs_status adapter_reader_read(struct kvs_reader *reader, bool no_block, uint64_t off,
                                    void *buf, size_t len);
void adapter_reader_close(struct kvs_reader *reader);
enum kvs_status adapter_iterator_open(struct kvs_engine *engine, const struct kvs_read *read,
                                      const struct kvs_range *range, bool reverse,
                                      struct kvs_iterator **ret);
enum kvs_status adapter_iterator_next(struct kvs_iterator *iterator, bool no_block,
                                      struct kvs_entry *ret_entry);
const struct kvs_snapshot *adapter_iterator_snapshot(const struct kvs_iterator *iterator);
uint64_t adapter_iterator_position(const struct kvs_iterator *iterator);
void adapter_iterator_close(struct kvs_iterator *iterator);
enum kvs_status adapter_count(struct kvs_engine *engine, const struct kvs_read *read,
                              const struct kvs_range *range, uint64_t *ret_count, bool *ret_exact,
                              uint64_t *ret_position);
enum kvs_status adapter_sample(struct kvs_engine *engine, const struct kvs_read *read,
                               const struct kvs_range *range, uint64_t random, kvs_visit_fn *visit,
                               void *ctx, uint64_t *ret_position);
enum kvs_status adapter_snapshot_open(struct kvs_engine *engine, const char *owner,
                                      struct kvs_snapshot **ret);
uint64_t adapter_snapshot_version(const struct kvs_snapshot *snapshot);
void adapter_snapshot_close(struct kvs_engine *engine, struct kvs_snapshot *snapshot);
void adapter_marks(struct kvs_engine *engine, struct kvs_marks *ret);
void adapter_request_sync(struct kvs_engine *engine, uint64_t position);
void adapter_request_write(struct kvs_engine *engine, uint64_t position);
enum kvs_status adapter_wait_written(struct kvs_engine *engine, uint64_t position);
enum kvs_status adapter_wait_durable(struct kvs_engine *engine, uint64_t position);
void adapter_on_progress(struct kvs_engine *engine, kvs_progress_fn *fn, void *ctx);
enum kvs_status adapter_health(struct kvs_engine *engine);
void adapter_stats(struct kvs_engine *engine, kvs_stat_fn *fn, void *ctx);
enum kvs_status adapter_checkpoint(struct kvs_engine *engine);
enum kvs_status adapter_compact(struct kvs_engine *engine);

/* What every adapter can do; @key_max differs. */
#define ADAPTER_CAPABILITIES(key_bytes)                                                   \
    {                                                                                     \
        .persistent = true, .atomic_batches = true, .snapshots = true, .reverse = true,   \
        .conditions = true, .untouched = true, .expiry = true, .remove_range = true,      \
        .durable_ack = true, .exact_count = true, .local_files = true, .may_block = true, \
        .key_max = (key_bytes), .value_max = KVS_VALUE_MAX                                \
    }

/* The functions of the table, all but open and check. */
#define ADAPTER_OPS                                                                           \
    .close = adapter_close, .get = adapter_get, .multi_get = adapter_multi_get,               \
    .write = adapter_write, .blob_new = adapter_blob_new, .blob_append = adapter_blob_append, \
    .blob_bytes = adapter_blob_bytes, .blob_free = adapter_blob_free,                         \
    .reader_open = adapter_reader_open, .reader_read = adapter_reader_read,                   \
    .reader_close = adapter_reader_close, .iterator_open = adapter_iterator_open,             \
    .iterator_next = adapter_iterator_next, .iterator_snapshot = adapter_iterator_snapshot,   \
    .iterator_position = adapter_iterator_position, .iterator_close = adapter_iterator_close, \
    .count = adapter_count, .sample = adapter_sample, .snapshot_open = adapter_snapshot_open, \
    .snapshot_version = adapter_snapshot_version, .snapshot_close = adapter_snapshot_close,   \
    .marks = adapter_marks, .request_sync = adapter_request_sync,                             \
    .request_write = adapter_request_write, .wait_written = adapter_wait_written,             \
    .wait_durable = adapter_wait_durable, .on_progress = adapter_on_progress,                 \
    .health = adapter_health, .stats = adapter_stats, .checkpoint = adapter_checkpoint,       \
    .compact = adapter_compact

#endif
