/*
 * changes.h - what a batch holds so far, by key: RocksDB's own batches cannot be looked into, and its indexed ones take no
 * removed ranges.
 *
 * A hash table over copies of keys and values in blocks of memory; and the ranges that were removed. A key that was changed after a
 * range that holds it was removed is in the table, so the table is asked first.
 *
 * Threads: one at a time.
 */
#ifndef ENGINE_ROCKSDB_CHANGES_H
#define ENGINE_ROCKSDB_CHANGES_H

#include <kvs/engine.h>

struct change {
    struct kvs_bytes key; /* data NULL: an empty slot (keys have at least one byte) */
    struct kvs_bytes value;
    bool removed;
};

struct changed_range {
    struct kvs_bytes start;
    struct kvs_bytes end;
};

struct changes_block;

struct changes {
    struct change *slots; /* a power of two of them */
    size_t slot_count;
    size_t count;
    struct changed_range *ranges;
    size_t range_count;
    size_t range_capacity;
    struct changes_block *blocks; /* the newest first */
};

/* What is known of @key: KVS_OK with the value, KVS_NOT_FOUND: it was removed; KVS_WOULD_BLOCK: nothing, ask the store. */
KVS_MUST_CHECK enum kvs_status changes_find(const struct changes *changes, struct kvs_bytes key,
                                            struct kvs_bytes *ret);
KVS_MUST_CHECK enum kvs_status changes_put(struct changes *changes, struct kvs_bytes key,
                                           struct kvs_bytes head, struct kvs_bytes tail);
KVS_MUST_CHECK enum kvs_status changes_remove(struct changes *changes, struct kvs_bytes key);
KVS_MUST_CHECK enum kvs_status changes_remove_range(struct changes *changes, struct kvs_bytes start,
                                                    struct kvs_bytes end);
/* Empty again; keeps some memory. */
void changes_clear(struct changes *changes);
void changes_done(struct changes *changes);

#endif
