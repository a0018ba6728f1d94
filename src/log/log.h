/*
 * log.h - the log as its owner (engine/native) sees it: append batches, commit groups, read records, replay, reclaim.
 *
 * The log knows records and segments, no index. Two kinds of segments:
 *   main  the stream of batches in version order. A byte of the stream has a position: base position of its segment plus
 *         offset. A batch's version is the position of its end; a record's version is its own position plus the distance to
 *         the end of its batch, so it costs nothing for a batch of one.
 *   side  records that were moved (with their version written out) and chunks of large values. Order means nothing there.
 *
 * Locator: 48 bits, segment slot (18) | offset / 8 (24) | size class (6), so a cold read is one I/O of known size.
 *
 * Threads: any, unless a function says otherwise. The append lock is the one lock writers meet at: it orders versions,
 * and everything the owner must do in the same order (installing in the index, opening a snapshot) is done under it.
 */
#ifndef LOG_LOG_H
#define LOG_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include <kvs/engine.h>
#include <kvs/status.h>

#include "base/buf.h"
#include "concurrent/mutex.h"
#include "io/env.h"

enum log_kind {
    LOG_SET = 1,
    LOG_REMOVE = 2,       /* a tombstone */
    LOG_REMOVE_RANGE = 3, /* key: start; value: end */
    LOG_CHUNK =
        4, /* key: empty (not known yet when it is written); value: the bytes; side segments only */
};

enum {
    LOG_WEAK = 1, /* written with less than KVS_DURABILITY_ALWAYS: nobody waits for it */
    LOG_LARGE =
        2, /* LOG_SET whose value is a chunk list: chunk count × 8 bytes little-endian, locator | 0 */
    LOG_MOVED = 4,     /* a copy: the version is written out */
    LOG_MORE = 8,      /* further records of the same batch follow */
    LOG_OPEN_END = 16, /* LOG_REMOVE_RANGE without an end */
    LOG_CHUNK_BYTES = 64 * 1024,
    LOG_INLINE_VALUE_MAX = 1024 * 1024, /* = KVS_INLINE_MAX: larger values are chunked */
};

/* What the writer of a record found in the index for its key: so that a replay need not read what was replaced. */
enum log_replaced {
    LOG_REPLACED_UNKNOWN = 0, /* not said: a tombstone, or a record of format version 1 */
    LOG_REPLACED_NOTHING = 1, /* the key had no slot; of a removal: nothing was removed, nothing installed */
    LOG_REPLACED_VALUE = 2,
    LOG_REPLACED_EXPIRING = 3, /* a value with an expiry */
};

/* A record, decoded. key and value point into the log's memory or a scratch buffer. */
struct log_record {
    enum log_kind kind;
    enum log_replaced replaced;
    unsigned flags;
    struct kvs_bytes key;
    struct kvs_bytes value;
    uint64_t value_bytes; /* LOG_LARGE: the whole value; else value.len */
    uint64_t version;
    int64_t expire_ms;     /* 0: never */
    uint32_t stored_bytes; /* on disk, padded */
};

struct log;

/* Where a replay may begin: everything before it is in a checkpoint. See checkpoint.h. */
struct log_mark {
    uint64_t base;    /* of the main segment in which the tail begins, or of the next one … */
    uint64_t off;     /* … and where in it a group's header is, or will be */
    uint32_t chain;   /* checksum of the group header before */
    uint64_t version; /* all versions up to this one lie before */
    uint64_t id;      /* segments made by a recovery count as before when their ids are smaller */
};

/* Asked at an opening when the manifest names a checkpoint. KVS_OK: what lies before *ret is known, replay only the rest. KVS_NOT_FOUND: it
 * cannot be used, replay everything. @log is there, its segments have neither content nor extents yet. */
typedef enum kvs_status log_cover_fn(void *ctx, struct log *log, struct log_mark *ret);

struct log_config {
    const char *dir;
    struct kvs_env *env;
    uint64_t segment_bytes; /* 0: 64 MiB; at least 64 KiB */
    uint64_t
        memory_bytes; /* for resident segments; at least 4 segments are used whatever it says */
    enum kvs_durability
        durability; /* EVERYSEC and NO: the committer writes promptly and syncs each second (or never) */
    uint64_t stage_bytes; /* EVERYSEC and NO: of the ring in TAIL; 0: an eighth of a segment; 64 KiB to 8 MiB */
    bool read_only;
    bool no_background; /* no committer thread: waiting callers lead; nothing happens by itself */
    log_cover_fn *cover; /* NULL: checkpoints are not looked at */
    kvs_amount_fn
        *amount; /* log_check, log_salvage, log_dump: told how far they are; may be NULL */
    void *amount_ctx;
};

/* ---- Opening ---- */

/* Called for each record of each whole batch found, in no particular order; compare versions. @record is lent. For
 * LOG_REMOVE_RANGE too. Chunks are shown as well, for accounting. A failure stops the opening. Of a tail behind a checkpoint
 * only the records of the stream are shown, in version order, chunks are not. */
typedef enum kvs_status log_replay_fn(void *ctx, uint64_t locator, const struct log_record *record);

/*
 * Opens the log in config->dir (creating it when the directory holds none), replays it through @fn, cuts the torn tail, makes
 * the unproven part of the tail durable in a new segment (its records are shown with their new locators), and is ready.
 * All segments count as fully dead at first: fn (or later calls) say what lives with log_account().
 * Inside @fn the log may already be read with log_fetch()/log_peek() through *ret, which is set before the first call.
 * Errors: KVS_CORRUPT with file and offset, KVS_WRONG_FORMAT, KVS_IO, KVS_NO_MEMORY.
 */
KVS_MUST_CHECK enum kvs_status log_open(const struct log_config *config, log_replay_fn *fn,
                                        void *ctx, struct log **ret);

/* Commits what is left, syncs, writes the end marker, frees. Reports a failure of that; frees all the same. */
enum kvs_status log_close(struct log *log);

/* Verifies every byte of the log in config->dir without changing anything; findings to @report. */
KVS_MUST_CHECK enum kvs_status log_check(const struct log_config *config, kvs_report_fn *report,
                                         void *ctx);

/*
 * Writes the log as it is durable at one moment of the call into the empty directory @dir: what log_open() would find there after a power
 * cut at that moment. Segments that are complete are linked where that is possible, unless @copy. Never holds up appending or
 * committing. *ret_position: the durable position it ends at. KVS_CLOSED: @amount said so.
 */
KVS_MUST_CHECK enum kvs_status log_backup(struct log *log, const char *dir, bool copy,
                                          kvs_amount_fn *amount, void *amount_ctx,
                                          uint64_t *ret_position);

/* The largest version found or handed out so far. */
uint64_t log_last_version(struct log *log);

/* ---- Building a batch, outside all locks ---- */

struct log_batch {
    struct buf bytes; /* encoded records back to back, checksums not yet bound to their place */
    uint32_t *offs;   /* of each record in bytes */
    size_t count;
    size_t capacity;
    uint32_t last_bytes; /* private: of the last record, without padding */
};

void log_batch_init(struct log_batch *batch);
void log_batch_done(struct log_batch *batch);
void log_batch_clear(struct log_batch *batch);
/* version, stored_bytes and LOG_MORE of @record are ignored. KVS_NO_MEMORY, KVS_TOO_LONG. */
KVS_MUST_CHECK enum kvs_status log_batch_add(struct log_batch *batch,
                                             const struct log_record *record);
/* After the last add: fills in distances and checksums. At least one record. */
void log_batch_seal(struct log_batch *batch);
/* The stored size of record @i. */
uint32_t log_batch_record_bytes(const struct log_batch *batch, size_t i);
/* Says what record @i replaces. After the seal, before the batch is placed; may be said again. */
void log_batch_replaces(struct log_batch *batch, size_t i, enum log_replaced replaced);

/* ---- Appending ---- */

struct mutex *log_append_mutex(struct log *log);

/* Takes the append lock. For work that must be ordered with appends but appends nothing. */
void log_lock(struct log *log) ACQUIRE(log_append_mutex(log));
void log_unlock(struct log *log) RELEASE(log_append_mutex(log));

/*
 * Makes sure a batch of @bytes can be placed next, and takes the append lock when it answers KVS_OK. May wait for room in the
 * tail or create a segment. Without the lock: KVS_WOULD_BLOCK (only with @no_block), KVS_DISK_FULL, KVS_READ_ONLY,
 * KVS_TOO_LONG, KVS_NO_MEMORY, KVS_IO.
 */
KVS_MUST_CHECK enum kvs_status log_append_begin(struct log *log, size_t bytes,
                                                bool no_block) NO_THREAD_SAFETY_ANALYSIS;

struct log_place {
    uint64_t version;       /* of the batch, and its position */
    uint64_t first_locator; /* private: see log_place_locator() */
    uint32_t segment_slot;
    uint64_t off; /* of the first record in its segment */
};

/* Copies the sealed batch to the end of the tail. Readable through its locators at once; committed only after publish. */
void log_append_place(struct log *log, const struct log_batch *batch, struct log_place *ret)
    REQUIRES(log_append_mutex(log));
uint64_t log_place_locator(const struct log_place *place, const struct log_batch *batch, size_t i);

/* Makes the placed batch part of the log, for the next commit group. Never fails. Keeps the lock. */
void log_append_publish(struct log *log) REQUIRES(log_append_mutex(log));
/* Takes the placed batch back. Keeps the lock. */
void log_append_cancel(struct log *log) REQUIRES(log_append_mutex(log));

/* ---- Commit ---- */

/* written and durable positions; visible is the owner's. Plain atomic loads. */
uint64_t log_written(struct log *log);
uint64_t log_durable(struct log *log);

/* Asks the committer for a sync up to @position, without waiting. Without background threads: does nothing. */
void log_request_sync(struct log *log, uint64_t position);

/* Asks the committer to hand what is published to the system soon, without a sync. */
void log_request_write(struct log *log);

/* Waits for durability; leads the commit when nobody else does. KVS_READ_ONLY: a sync failed, it never will be. */
KVS_MUST_CHECK enum kvs_status log_wait_durable(struct log *log, uint64_t position);

/* The same for what is written: handed to the system, so that it survives the end of the process. */
KVS_MUST_CHECK enum kvs_status log_wait_written(struct log *log, uint64_t position);

/* One callback, from the thread that committed, with no lock held; NULL removes it and waits for one under way. */
void log_on_progress(struct log *log, kvs_progress_fn *fn, void *ctx);

/* KVS_OK, KVS_READ_ONLY (a sync failed), KVS_DISK_FULL (for now). */
enum kvs_status log_health(struct log *log);

/* ---- Reading ---- */

/* The record, when it is in memory. Inside an epoch section; what it points to is valid in that section.
 * KVS_WOULD_BLOCK: on disk only. KVS_NOT_FOUND: the segment is gone. */
enum kvs_status log_peek(struct log *log, uint64_t locator, struct log_record *ret);

/* Keeps the locator's segment from going until log_unpin(). Inside an epoch section. KVS_NOT_FOUND: it is gone. */
KVS_MUST_CHECK enum kvs_status log_pin(struct log *log, uint64_t locator);
void log_unpin(struct log *log, uint64_t locator);

/* Reads and verifies the record, from memory or disk, into @scratch. Outside epoch sections; the locator is pinned by
 * the caller. KVS_WOULD_BLOCK (only with @no_block), KVS_CORRUPT (file and offset in the text), KVS_IO, KVS_NO_MEMORY. */
KVS_MUST_CHECK enum kvs_status log_fetch(struct log *log, uint64_t locator, bool no_block,
                                         struct buf *scratch, struct log_record *ret);

/* Brings the record (of a long one the beginning) into the processor's cache; or what is looked at of its key first. Hints; inside
 * an epoch section. */
void log_prefetch(struct log *log, uint64_t locator);
void log_prefetch_key(struct log *log, uint64_t locator);

/* ---- Side segments: moved records and chunks ---- */

struct log_side; /* one writer into side segments; one thread at a time */

/* @resident: keep what is written in memory too (moved records), or not (chunks). */
KVS_MUST_CHECK enum kvs_status log_side_open(struct log *log, bool resident, struct log_side **ret);

/* Appends a copy of @record (its version is kept and written out) and tells its locator and stored size. Readable at once. May
 * wait for the disk. Segments are created and rolled as needed. */
KVS_MUST_CHECK enum kvs_status log_side_append(struct log_side *side,
                                               const struct log_record *record,
                                               uint64_t *ret_locator, uint32_t *ret_stored_bytes);

/* Everything appended is durable when it answers KVS_OK (data and manifest). */
KVS_MUST_CHECK enum kvs_status log_side_sync(struct log_side *side);

/* Syncs, seals the segment, frees the writer. */
enum kvs_status log_side_close(struct log_side *side);

/* What was appended through any side writer before a batch is published is durable before that batch is. */

/* ---- Accounting and reclaiming ---- */

/* The record at @locator has begun (+stored_bytes) or ceased (-stored_bytes) to live; @expire_ms as in the record. */
void log_account(struct log *log, uint64_t locator, int64_t stored_bytes, int64_t expire_ms);

/* The tombstone at @locator, counted as living, is needed only as long as something older that it hides is on disk. */
void log_account_idle(struct log *log, uint64_t locator);

/* The record at @locator, counted as living, is (with @more; else: is no longer) kept only for those who read older versions, and
 * would be dead if the store were opened anew. Under the append lock. */
void log_account_kept(struct log *log, uint64_t locator, bool more);

/* The chunk at @locator belongs (with @more; else: no longer) to a value that is still on its way in: not counted as living. */
void log_account_pending(struct log *log, uint64_t locator, bool more);

/* What the record at @locator counts for: the bytes of its size class. */
uint32_t log_units(uint64_t locator);

/* The value of @version at @locator has been superseded, or copied: while it is on disk, what hides it has to stay there too. */
void log_note_stale(struct log *log, uint64_t locator, uint64_t version);

struct log_segment_info {
    uint64_t id; /* unique for ever, ascending by creation */
    uint32_t slot;
    bool side;
    bool sealed;  /* nothing is appended any more */
    bool durable; /* sealed, and all of it on disk */
    bool resident;
    uint64_t bytes; /* of records and headers */
    uint64_t live_bytes;     /* this and the next two are calculated from the units below */
    uint64_t idle_bytes;     /* live bytes of tombstones that nothing refers to */
    uint64_t expiring_bytes; /* live bytes with an expiry */
    int64_t expire_max_ms;   /* latest expiry ever accounted here */
    uint64_t min_version;    /* of any record ever in it; UINT64_MAX when empty */
    uint64_t max_version;
    uint64_t
        stale_version; /* the smallest of a superseded value in it; UINT64_MAX: there is none */
    int64_t live_units;
    int64_t kept_units;
    int64_t idle_units;
    int64_t expiring_units;
    uint64_t gross_units;
    uint64_t gross_bytes;
};

/* The id of the segment that @locator lies in; 0: it is gone. Of two copies of a record, the one with the larger (id, offset)
 * is the later. Thread: any. */
uint64_t log_segment_of(struct log *log, uint64_t locator);

/* Copies the segments' figures, ordered by id; *ret is malloc'd, free() it. */
KVS_MUST_CHECK enum kvs_status log_segments(struct log *log, struct log_segment_info **ret,
                                            size_t *ret_count);

/* Shows every record of the sealed segment @id to @fn. Waits for the disk. Verifies checksums of what it reads from disk. */
KVS_MUST_CHECK enum kvs_status log_scan(struct log *log, uint64_t id, log_replay_fn *fn, void *ctx);

/* Drops the sealed segments @ids: out of the manifest (durably, one update), then off the disk when no pin and no epoch needs
 * them. Their locators must be in no index any more. */
KVS_MUST_CHECK enum kvs_status log_drop(struct log *log, const uint64_t *ids, size_t count);

/* Seals the present main segment and makes it durable, so that it can be compacted. Nothing happens when it is empty. */
KVS_MUST_CHECK enum kvs_status log_roll(struct log *log);

/* Frees memory of the coldest resident sealed segments until the budget holds. Called by the owner now and then. */
void log_trim(struct log *log);

/* Changes the budget: what the owner needs for other things is not the log's. One thread, the one that calls log_trim(). */
void log_set_memory(struct log *log, uint64_t memory_bytes);

/* Store time: the larger of the wall clock and the time in the log, in ms; never goes back. */
int64_t log_now_ms(struct log *log);

void log_stats(struct log *log, kvs_stat_fn *fn, void *ctx);

#endif
