/*
 * state.h - what struct log is made of; private to the room.
 *
 * Locks, in the order they are taken: manifest_mu, side_sync_mu, dirty_mu, segment.side_mu, space_mu, append_mu, table_mu, then reap_mu,
 * fail_mu, progress_mu or checkpoint_mu. The leaderships of writing and syncing (commit.c) are like locks too: their holders may
 * take all but manifest_mu, and who waits for one holds none of them.
 */
#ifndef LOG_STATE_H
#define LOG_STATE_H

#include <pthread.h>

#include "base/fail.h"
#include "io/random.h"
#include "log/checkpoint.h"
#include "log/gate.h"
#include "log/manifest.h"
#include "log/segment.h"
#include "log/stage.h"

enum {
    TAIL_BYTES_MAX = 64 * 1024 * 1024,  /* published and not yet written, before appenders wait */
    WRITE_BYTES = 4 * 1024 * 1024,      /* so much unwritten is written without being asked for */
    WRITE_DELAY_MS = 2,                 /* weaker modes: gather this long */
    SYNC_DELAY_MS = 1000,               /* what nobody asked for is synced after this long */
    SPACE_STEP_MIN = 64 * 1024,         /* disk space is reserved in steps from this … */
    SPACE_STEP_MAX = 4 * 1024 * 1024,   /* … to this */
    READ_PIECE_BYTES = 4 * 1024 * 1024, /* replay reads in pieces */
    SIDE_FLUSH_BYTES = 1024 * 1024,     /* a side writer hands over at least so much at once */
    RESIDENT_SEGMENTS_MIN = 4,
};

struct log {
    char *dir;
    struct io *io;
    struct clock *clock;
    uint64_t segment_bytes;
    uint64_t memory_bytes;
    enum kvs_durability durability;
    bool read_only;
    bool background;
    bool opening; /* one thread only, extents are being found out */

    struct slot *slots; /* SLOT_COUNT of them, reserved, touched as used */

    /* Segments that the manifest names (or is about to). Changed under manifest_mu and table_mu, read under either. */
    struct mutex manifest_mu;
    struct mutex table_mu;
    struct segment **segments; /* by ascending id */
    size_t segment_count;
    size_t segment_capacity;
    uint32_t slot_hint; /* GUARDED_BY(table_mu) */
    size_t trim_hand;   /* GUARDED_BY(table_mu) */

    /* GUARDED_BY(manifest_mu) */
    uint8_t store_id[STORE_ID_BYTES];
    bool manifest_exists;
    uint64_t next_id;
    uint64_t manifest_next_id; /* as the opening found it */
    uint64_t next_base;
    struct random random;
    bool session_begun;       /* something was appended since the opening */
    struct segment *spare[2]; /* created, but the manifest may not name it: main, side */

    /* Checkpoints by ascending id. Changed under manifest_mu and checkpoint_mu, read under either. */
    struct mutex checkpoint_mu;
    struct checkpoint_file *checkpoints;
    size_t checkpoint_count;
    size_t checkpoint_first;          /* the next manifest names them from this one on */
    struct io_file **old_checkpoints; /* named no more, perhaps still being read */
    size_t old_checkpoint_count;

    /* Appending. GUARDED_BY(append_mu) */
    struct mutex append_mu;
    struct segment *active; /* where the next batch goes unless sealed; NULL: none yet */
    struct segment *next;   /* prepared: where it goes then */
    struct segment *
        resume; /* closed in good order: continued by the first append; changed under manifest_mu too */
    struct segment *commit_head; /* the oldest main segment that may not be synced to its end */
    struct segment *write_head;  /* the oldest main segment that may not be written to its end */
    uint64_t group_off;      /* of the header of the group being gathered, in the active segment */
    uint64_t tail_off;       /* end of the published records */
    uint64_t placed_off;     /* end of the batch placed and not yet published; else tail_off */
    uint64_t placed_version; /* likewise */
    uint64_t
        bell_off; /* the committer is rung when the tail passes it: there is something to prepare */
    uint32_t chain;           /* checksum of the last sealed group's header */
    _Atomic uint32_t session; /* as the manifest has it */
    struct mutex space_mu;
    struct stage stage;
    struct stage_image *stage_image; /* while opening */

    _Atomic uint64_t appended; /* largest version found or published */
    _Atomic uint64_t written;
    _Atomic uint64_t staged; /* version up to which all is in the ring or written */
    _Atomic uint64_t durable;
    _Atomic uint64_t unwritten_bytes;
    _Atomic int64_t now_ms;

    /* Commit. */
    _Atomic bool writing; /* somebody leads the writing */
    _Atomic bool
        syncing; /* somebody leads the syncing; he may take the other, too, never the other way round */
    struct gate gate;       /* written, durable, failure, leadership: something moved */
    struct gate work;       /* the committer's bell */
    struct gate write_work; /* the writer's */
    pthread_t committer;
    pthread_t writer; /* only where weak writes are the rule: it writes while the committer syncs */
    bool committer_runs;
    bool writer_runs;
    _Atomic bool stopping;
    _Atomic bool committer_idle;
    _Atomic bool want_write;
    _Atomic bool want_room;     /* an appender found no space or segment prepared */
    _Atomic uint64_t want_sync; /* position */

    /* Side segments with something to sync. GUARDED_BY(dirty_mu) */
    struct mutex side_sync_mu; /* held while they are worked off */
    struct mutex dirty_mu;
    struct segment *dirty_sides;

    /* The failure that stopped the log. */
    struct mutex fail_mu;
    _Atomic bool failed;
    char fail_text[FAIL_TEXT_BYTES];
    _Atomic bool disk_full;

    struct mutex progress_mu;
    struct cond progress_cond;
    kvs_progress_fn *progress_fn;
    void *progress_ctx;
    unsigned progress_running;

    _Atomic bool retired; /* something was handed to the epoch: closing must wait for it */
    struct mutex reap_mu;
    struct segment *reap_list;

    /* Figures. Relaxed. */
    _Atomic uint64_t stat_groups;
    _Atomic uint64_t stat_syncs;
    _Atomic uint64_t stat_written_bytes;
    _Atomic uint64_t stat_side_bytes;
    _Atomic uint64_t stat_disk_reads;
    _Atomic uint64_t stat_torn_tails;
    _Atomic uint64_t stat_torn_bytes;
    _Atomic uint64_t stat_rewritten_records;
    _Atomic uint64_t stat_leftovers;
};

static inline void stat_add(_Atomic uint64_t *stat, uint64_t by)
{
    atomic_fetch_add_explicit(stat, by, memory_order_relaxed); /* relaxed: a figure */
}

/* ---- log.c ---- */

/* An object without segments; and what the manifest of its directory names, files not opened. */
KVS_MUST_CHECK enum kvs_status log_new(const struct log_config *config, struct log **ret);
KVS_MUST_CHECK enum kvs_status log_load_manifest(struct log *log);
/* Files of ours that the manifest does not name go; reading only, they are looked at. Those of others are refused. */
KVS_MUST_CHECK enum kvs_status log_remove_leftovers(struct log *log);
void log_free(struct log *log);

/* Records why the log stops accepting writes; the first reason stays. Wakes all waiters. Returns @status. */
enum kvs_status log_fail(struct log *log, enum kvs_status status);
/* KVS_OK, or KVS_READ_ONLY with that reason as the detail. */
enum kvs_status log_failure(struct log *log);

static inline bool log_has_failed(struct log *log)
{
    return atomic_load_explicit(&log->failed, memory_order_acquire); /* pairs with: log_fail */
}

/* Raises the store time to at least @ms. */
void log_raise_now(struct log *log, int64_t ms);

/* ---- segments.c ---- */

/* Makes a new segment with a durable header and lists it, durably. @min_bytes: of records it must have room for.
 * @resident: with a frame. KVS_DISK_FULL, KVS_NO_MEMORY, KVS_OVER_BUDGET change nothing; what else fails stops the log. */
KVS_MUST_CHECK enum kvs_status segment_create(struct log *log, bool side, bool resident,
                                              size_t min_bytes, uint64_t first_allocation,
                                              struct segment **ret) REQUIRES(&log->manifest_mu);

KVS_MUST_CHECK enum kvs_status segments_add(struct log *log, struct segment *segment)
    REQUIRES(&log->manifest_mu);

/* What the manifest should say as the segments stand; @manifest->entries has room for all of them. */
void segments_describe(struct log *log, struct manifest *manifest) REQUIRES(&log->manifest_mu);

/* Writes the manifest as the segments stand. */
KVS_MUST_CHECK enum kvs_status segments_store(struct log *log) REQUIRES(&log->manifest_mu);

/* Takes @segments out of the manifest, then out of sight; they are reaped when nobody needs them. */
KVS_MUST_CHECK enum kvs_status segments_drop(struct log *log, struct segment *const *segments,
                                             size_t count) REQUIRES(&log->manifest_mu);

/* epoch_retire() that log_free() knows of. */
void log_retire(struct log *log, struct epoch_node *node, epoch_free_fn *free_fn);

/* ---- append.c ---- */

/* Closes the group being gathered, if anything is in it: fills in its header, begins the next. */
void append_seal_group(struct log *log) REQUIRES(&log->append_mu);
/* Makes @segment the active one. The one before is sealed, its group too. */
void append_activate(struct log *log, struct segment *segment) REQUIRES(&log->append_mu);
/* Committer: a segment and disk space ahead of need. */
void append_prepare(struct log *log);

/* ---- commit.c ---- */

KVS_MUST_CHECK enum kvs_status commit_start(struct log *log);
void commit_stop(struct log *log);
/* Leads once when nobody does; false when somebody does. */
bool commit_try_lead(struct log *log, bool sync);
/* Writes and syncs everything, then the mark of an orderly close. */
KVS_MUST_CHECK enum kvs_status commit_close(struct log *log);
/* Something was published. */
void commit_note_published(struct log *log) REQUIRES(&log->append_mu);
void commit_progress(struct log *log);

/* ---- side.c ---- */

/* Writes and syncs every side segment that needs it. What fails is not yet the log's failure. */
KVS_MUST_CHECK enum kvs_status side_sync_all(struct log *log);
/* Syncs and seals @side's segments as log_side_close() does, but leaves the manifest to the caller. */
KVS_MUST_CHECK enum kvs_status side_finish(struct log_side *side);
void side_free(struct log_side *side);

/* ---- read.c ---- */

/* Reads and verifies the record at @off of @segment into @scratch, @bytes of it at first try. */
KVS_MUST_CHECK enum kvs_status segment_read_record(struct segment *segment, uint64_t off,
                                                   size_t bytes, bool no_block, struct buf *scratch,
                                                   struct log_record *ret);
/* A frame with the segment's bytes, from memory or read; give it back with segment_release_frame(). */
KVS_MUST_CHECK enum kvs_status segment_hold_frame(struct segment *segment, struct frame **ret);
void segment_release_frame(struct segment *segment, struct frame *frame);

/* Shows every record of @segment, whose end is known, to @fn. Verifies what it reads from disk. */
KVS_MUST_CHECK enum kvs_status segment_scan(struct segment *segment, log_replay_fn *fn, void *ctx);
/* The same for a main segment from the group at @start on. */
KVS_MUST_CHECK enum kvs_status segment_scan_from(struct segment *segment, uint64_t start,
                                                 log_replay_fn *fn, void *ctx);

/* ---- replay.c ---- */

/* Fills the log from the directory; @mark: only what lies behind it is replayed. NULL: everything. */
KVS_MUST_CHECK enum kvs_status replay_run(struct log *log, log_replay_fn *fn, void *ctx,
                                          const struct log_mark *mark);

#endif
