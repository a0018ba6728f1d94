/*
 * state.h - the engine's parts and what holds between them; private to engine/native.
 *
 * Lock order: the log's append lock, then versions.mu, then larges.mu, then tombs.mu. The append lock is the one place
 * where versions are issued, the index is changed, `visible` advances and snapshots are taken, so each of these sees the others
 * in one order. Readers take none of them, except versions.mu when they need an older version.
 *
 * Visibility. A batch is installed slot by slot under the append lock, then `visible` becomes its version. Readers ignore
 * records above the version they read at. A batch of one slot is visible with that slot: a reader that meets it first
 * advances `visible` itself (visible_help), which is what the writer is about to do. A batch of several announces itself in
 * `installing` before its first slot, and puts what it replaces into the version table, where readers find it until the batch is
 * visible.
 */
#ifndef ENGINE_NATIVE_STATE_H
#define ENGINE_NATIVE_STATE_H

#include <pthread.h>
#include <stdatomic.h>

#include <kvs/engine.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "concurrent/mutex.h"
#include "engine/native/large.h"
#include "engine/native/ranges.h"
#include "engine/native/versions.h"
#include "index/index.h"
#include "io/env.h"
#include "log/log.h"

enum {
    NATIVE_FIRST_BYTES = 256,
    NATIVE_KNOWN_MAX = 8,    /* cold slots one lookup remembers */
    NATIVE_MOVE_BATCH = 128, /* index slots moved under one hold of the append lock */
};

/* What a reader must know of the record behind a slot; kept when the record itself was cold. */
struct slot_info {
    uint64_t locator; /* 0: no slot */
    uint64_t version;
    int64_t expire_ms;
    uint32_t stored_bytes;
    uint8_t kind;  /* enum log_kind */
    uint8_t flags; /* LOG_x */
};

/* Tombstones whose slots can go once they are durable and older than every snapshot; in version order. */
struct tombs {
    struct mutex mu;

    struct tomb {
        uint64_t version;
        uint64_t locator;
    } * ring; /* GUARDED_BY(mu) */

    size_t head;
    size_t count;
    size_t capacity; /* a power of two */
};

struct write_scratch;

struct native {
    struct kvs_engine base;
    struct kvs_env *env;
    struct log *log;
    struct index *index;
    enum kvs_durability durability;
    uint64_t memory_bytes;
    uint64_t segment_bytes;
    bool read_only;
    bool no_background;

    /* pairs with each other: a reader that saw a slot of version v (acquire, in the index) and then reads installing != v
     * knows that v is not half installed */
    _Atomic uint64_t visible;
    _Atomic uint64_t installing;
    /* slots removed from the index so far: what a multi-key read compares before and after */
    _Atomic uint64_t slots_dropped;
    /* counted up before a locator that was in the index may come to mean another record, or a range removal that hides one is
     * forgotten: what an iterator compares */
    _Atomic uint64_t places_reused;
    atomic_bool over_budget;

    /* slots that are not tombstones, by the first byte of the key; changed under the append lock */
    _Atomic int64_t keys[NATIVE_FIRST_BYTES];
    _Atomic int64_t keys_expiring;

    struct versions versions;
    struct ranges ranges;
    struct larges larges;
    struct tombs tombs;

    struct mutex scratch_mu;
    struct write_scratch *scratch_free; /* GUARDED_BY(scratch_mu) */

    struct mutex chunk_mu;
    struct log_side
        *chunk_side; /* GUARDED_BY(chunk_mu): where large values go; opened with the first */

    struct mutex compact_mu; /* one compaction or sweep at a time; taken before the append lock */
    struct log_side
        *move_side; /* GUARDED_BY(compact_mu): where moved records go; opened with the first */

    struct mutex background_mu;
    struct cond background_cond;
    bool background_stop; /* GUARDED_BY(background_mu) */
    bool background_running;
    pthread_t background;

    _Atomic uint64_t compactions;
    _Atomic uint64_t compacted_bytes;
    _Atomic uint64_t read_cold;
    _Atomic uint64_t write_conflicts;
};

static inline struct native *native_of(struct kvs_engine *engine)
{
    return (struct native *)engine;
}

static inline uint8_t first_byte(struct kvs_bytes key)
{
    return key.len == 0 ? 0 : *(const uint8_t *)key.data;
}

/* ---- lookup.c ---- */

/* One lookup of a key's slot, and what it learnt about cold slots on the way. */
struct lookup {
    struct native *native;
    struct kvs_bytes key;
    struct slot_info known[NATIVE_KNOWN_MAX]; /* slots that were read from disk … */
    bool same[NATIVE_KNOWN_MAX];              /* … and whether they are this key's */
    size_t known_count;
    uint64_t cold; /* the slot that has to be read before the lookup can go on; 0: none */
    bool stale;    /* a slot's segment was gone: look again */
    enum kvs_status failed;
    struct slot_info slot;    /* the answer; locator 0: none */
    struct log_record record; /* of the answer, where it is in memory (resident) */
    bool resident;
};

void lookup_init(struct lookup *lookup, struct native *native, struct kvs_bytes key);

/* Inside an epoch section, never waits. KVS_OK: slot and, when resident, record. KVS_NOT_FOUND: no slot. KVS_WOULD_BLOCK: `cold`
 * must be read first. Else a failure. */
enum kvs_status lookup_slot(struct lookup *lookup);

/* Inside an epoch section; leaves it. Reads the cold slot into @scratch and remembers what it is; *ret_same: it is the key's, and
 * *ret_record is its record (in @scratch). The caller enters a section again. */
enum kvs_status lookup_read_cold(struct lookup *lookup, bool no_block, struct buf *scratch,
                                 bool *ret_same, struct log_record *ret_record);

/* The callbacks of the index. */
void native_prefetch_key(void *ctx, uint64_t locator);
enum kvs_status native_load_key(void *ctx, uint64_t locator, bool no_block, struct buf *scratch,
                                struct kvs_bytes *ret_key);

/* Fetches @locator's record outside of an epoch section, pinned for the call. KVS_NOT_FOUND: its segment is gone. */
enum kvs_status native_fetch(struct native *native, uint64_t locator, bool no_block,
                             struct buf *scratch, struct log_record *ret);

/* The same, inside an epoch section, which it leaves: @locator is as the section found it. */
enum kvs_status native_fetch_here(struct native *native, uint64_t locator, bool no_block,
                                  struct buf *scratch, struct log_record *ret);

/* To be called before index_scan(), for native_fetch_found(). */
static inline uint64_t native_places(struct native *native)
{
    /* acquire: before the index is read. pairs with: undo_ops (write.c), reclaim (compact.c) */
    return atomic_load_explicit(&native->places_reused, memory_order_acquire);
}

/* Fetches the record at @locator, which index_scan() has found since @places; its value only when the record is cold. May wait.
 * KVS_NOT_FOUND: the locator may mean another record by now, scan again. */
enum kvs_status native_fetch_found(struct native *native, uint64_t locator, uint64_t places,
                                   struct buf *scratch, struct log_record *ret);

/* Is what @slot names a value at @now_ms? 0: now, asked for only when the slot has an expiry. */
bool slot_lives(struct native *native, const struct slot_info *slot, int64_t now_ms);

/* Newest version readers may see; advances it for a single-slot batch @version that was met in the index. False: @version is
 * part of a batch that is still being installed. */
bool visible_help(struct native *native, uint64_t version);

/* ---- read.c ---- */

/* How far a read can see, and at what time. */
struct view {
    uint64_t at;      /* UINT64_MAX: the newest */
    int64_t now_ms;   /* for expiry; 0: now */
    bool is_snapshot; /* at is a snapshot's version, so what it sees is kept */
};

/* What a read at @snapshot sees; a snapshot's time stands still. NULL: the newest, now. */
static inline struct view view_of(const struct kvs_snapshot *snapshot)
{
    if (snapshot == NULL)
        return (struct view){ .at = UINT64_MAX };
    return (struct view){ snapshot->version, snapshot->now_ms, true };
}

/*
 * Finds @key as @view sees it. Calls @use with the record, inside an epoch section or with the record
 * in a scratch buffer. KVS_OK, KVS_NOT_FOUND (position set in both), KVS_WOULD_BLOCK, failures; KVS_CONFLICT: something newer than
 * view->at was met, and that is neither a snapshot nor UINT64_MAX.
 */
typedef void view_fn(void *ctx, const struct log_record *record);
enum kvs_status native_view(struct native *native, struct kvs_bytes key, const struct view *view,
                            bool no_block, view_fn *use, void *ctx, uint64_t *ret_position);

enum kvs_status native_get(struct kvs_engine *engine, const struct kvs_read *read,
                           struct kvs_bytes key, kvs_visit_fn *visit, void *ctx,
                           uint64_t *ret_position);

/* The record at @locator as an entry; value.data NULL when large. */
struct kvs_entry entry_of(const struct log_record *record);

/* ---- multi.c ---- */
enum kvs_status native_multi_get(struct kvs_engine *engine, const struct kvs_read *read,
                                 size_t count, const struct kvs_bytes *keys, kvs_visit_fn *visit,
                                 void *const *ctxs, enum kvs_status *statuses,
                                 uint64_t *ret_position);
void native_prefetch(struct kvs_engine *engine, size_t count, const struct kvs_bytes *keys);

/* ---- write.c ---- */
enum kvs_status native_write(struct kvs_engine *engine, const struct kvs_write *write,
                             struct kvs_written *ret);
void write_scratch_free_all(struct native *native);

/* The record of a range removal is in the log. */
void native_account_range(struct native *native, uint64_t locator, uint32_t stored_bytes);

/* A record that nothing refers to any more: accounting, and what hangs on it. Any lock may be held but larges.mu. */
void native_record_dead(struct native *native, const struct slot_info *slot);

/* ---- blob.c, reader.c ---- */
enum kvs_status native_blob_new(struct kvs_engine *engine, struct kvs_blob **ret);
enum kvs_status native_blob_append(struct kvs_blob *blob, struct kvs_bytes bytes);
uint64_t native_blob_bytes(const struct kvs_blob *blob);
void native_blob_free(struct kvs_blob *blob);
/* Writes out the last piece; then the list of chunks for the record. */
enum kvs_status blob_finish(struct kvs_blob *blob);
struct kvs_bytes blob_list(const struct kvs_blob *blob);
/* Is the value a row of chunks? If not, it is at most KVS_INLINE_MAX long, and here whole. */
bool blob_is_chunked(const struct kvs_blob *blob);
struct kvs_bytes blob_value(const struct kvs_blob *blob);
/* The record at @locator now owns the chunks; frees the blob's own memory. */
void blob_commit(struct kvs_blob *blob, uint64_t locator);

enum kvs_status native_reader_open(struct kvs_engine *engine, const struct kvs_read *read,
                                   struct kvs_bytes key, struct kvs_entry *ret_entry,
                                   uint64_t *ret_position, struct kvs_reader **ret);
enum kvs_status native_reader_read(struct kvs_reader *reader, bool no_block, uint64_t off,
                                   void *buf, size_t len);
void native_reader_close(struct kvs_reader *reader);

/* ---- iterate.c ---- */
enum kvs_status native_iterator_open(struct kvs_engine *engine, const struct kvs_read *read,
                                     const struct kvs_range *range, bool reverse,
                                     struct kvs_iterator **ret);
enum kvs_status native_iterator_next(struct kvs_iterator *iterator, bool no_block,
                                     struct kvs_entry *ret_entry);
const struct kvs_snapshot *native_iterator_snapshot(const struct kvs_iterator *iterator);
uint64_t native_iterator_position(const struct kvs_iterator *iterator);
void native_iterator_close(struct kvs_iterator *iterator);
enum kvs_status native_count(struct kvs_engine *engine, const struct kvs_read *read,
                             const struct kvs_range *range, uint64_t *ret_count, bool *ret_exact,
                             uint64_t *ret_position);
enum kvs_status native_sample(struct kvs_engine *engine, const struct kvs_read *read,
                              const struct kvs_range *range, uint64_t random, kvs_visit_fn *visit,
                              void *ctx, uint64_t *ret_position);

/* ---- snapshot.c ---- */
enum kvs_status native_snapshot_open(struct kvs_engine *engine, const char *owner,
                                     struct kvs_snapshot **ret);
uint64_t native_snapshot_version(const struct kvs_snapshot *snapshot);
void native_snapshot_close(struct kvs_engine *engine, struct kvs_snapshot *snapshot);

/* ---- verify.c ---- */

/* Walks everything: index, version table, chunks, what is accounted where, counts of keys. Nobody writes or compacts meanwhile, and
 * no value is on its way in. KVS_CORRUPT with what does not agree. */
KVS_MUST_CHECK enum kvs_status native_verify(struct native *native);

/* ---- recover.c ---- */
enum kvs_status native_recover(struct native *native, const struct log_config *config);

/* ---- compact.c, sweep.c, background.c ---- */

/* Moves what lives in the segments most worth reclaiming, and drops them. @all: whatever has any dead byte.
 * *ret_did: something was reclaimed. */
enum kvs_status compact_round(struct native *native, bool all, bool *ret_did);
enum kvs_status native_compact(struct kvs_engine *engine);

/* Up to when a record must have expired to be reclaimed: now, or the time of the oldest snapshot, to which it may be alive. */
int64_t reclaim_ms(struct native *native);

/* Removes slots of tombstones and of range-removed keys that no reader needs any more. */
void sweep_tombs(struct native *native);
enum kvs_status sweep_ranges(struct native *native);
/* Remembers a tombstone's slot for sweep_tombs(). */
void tombs_push(struct native *native, uint64_t version, uint64_t locator);

/* Keeps to the memory budget. With compact_mu held. */
void native_trim(struct native *native);
/* Has background_stop() been called? */
bool background_stopping(struct native *native);
enum kvs_status background_start(struct native *native);
void background_stop(struct native *native);

/* ---- salvage.c ---- */

KVS_MUST_CHECK enum kvs_status native_salvage(const struct kvs_engine_config *config,
                                              const struct log_config *log_config,
                                              kvs_salvage_fn *put, void *put_ctx,
                                              kvs_report_fn *report, void *report_ctx);

#endif
