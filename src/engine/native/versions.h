/*
 * versions.h - older versions that somebody may still read, and the snapshots that do.
 *
 * Maps (key, version) to the locator of a record that a newer one has replaced. An entry is kept by the newest snapshot that sees it
 * (version <= snapshot < superseded); when that one closes, by the next older one that does, else it goes. So closing a
 * snapshot costs what it alone kept. Entries of a batch that is being installed are kept by the batch.
 *
 * Threads: any, under versions.mu; snapshots open under the log's append lock, so no batch installs meanwhile.
 */
#ifndef ENGINE_NATIVE_VERSIONS_H
#define ENGINE_NATIVE_VERSIONS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <kvs/status.h>

#include "concurrent/mutex.h"

struct slot_info;

struct version_entry;

struct kvs_snapshot {
    uint64_t version;
    uint64_t opened_ns;
    int64_t now_ms; /* store time when it was opened: what had not expired then has not for it */
    struct kvs_snapshot *older;
    struct kvs_snapshot *newer;
    struct version_entry *kept;
    char owner[32];
};

struct native;

struct versions {
    struct native *native; /* whose accounts are told what is kept; NULL: nobody's */
    struct mutex mu;
    struct version_entry **buckets; /* GUARDED_BY(mu) */
    size_t bucket_count;            /* a power of two, or 0 */
    size_t count;
    size_t bytes; /* of memory */
    struct kvs_snapshot *oldest;
    struct kvs_snapshot *newest;
    atomic_uint snapshot_count;
    _Atomic uint64_t oldest_version; /* of the oldest snapshot; UINT64_MAX: none */
};

void versions_init(struct versions *versions, struct native *native);
void versions_done(struct versions *versions);

/* Called for entries that are dropped: their record is dead. With versions.mu held. */
typedef void version_dead_fn(void *ctx, const struct slot_info *slot);

/* Adds the record @slot of @key, hidden since @superseded: by the record that replaces it, or by a range removal before that. *ret_entry
 * may be NULL. Kept by the newest snapshot that sees it; if none does by the caller, who drops it with versions_drop().
 * KVS_NO_MEMORY. */
KVS_MUST_CHECK enum kvs_status versions_add(struct versions *versions, struct kvs_bytes key,
                                            const struct slot_info *slot, uint64_t superseded,
                                            struct version_entry **ret_entry);

/* Does a snapshot see a record of @version that @superseded has hidden? Under the append lock. */
bool versions_needed(struct versions *versions, uint64_t version, uint64_t superseded);

/* Gives up an entry of versions_add(): when no snapshot keeps it, it goes (and @dead is called unless NULL). */
void versions_drop(struct versions *versions, struct version_entry *entry, version_dead_fn *dead,
                   void *ctx);
/* Takes an entry back altogether, whoever keeps it; the write was undone. */
void versions_undo(struct versions *versions, struct version_entry *entry);

/* The version of @key that a reader at @at sees. KVS_OK or KVS_NOT_FOUND. */
enum kvs_status versions_find(struct versions *versions, struct kvs_bytes key, uint64_t at,
                              struct slot_info *ret);

/* Is the record at @locator kept? And: it is now @to. */
bool versions_keeps(struct versions *versions, struct kvs_bytes key, uint64_t locator);
bool versions_move(struct versions *versions, struct kvs_bytes key, uint64_t from,
                   const struct slot_info *to);

/* Shows every record kept, with versions.mu held, until @fn fails. */
typedef enum kvs_status version_each_fn(void *ctx, uint64_t locator, uint32_t stored_bytes);
enum kvs_status versions_each(struct versions *versions, version_each_fn *fn, void *ctx);

/* Under the append lock. */
KVS_MUST_CHECK enum kvs_status versions_snapshot_open(struct versions *versions, const char *owner,
                                                      uint64_t version, uint64_t now_ns,
                                                      struct kvs_snapshot **ret);
void versions_snapshot_close(struct versions *versions, struct kvs_snapshot *snapshot,
                             version_dead_fn *dead, void *ctx);

#endif
