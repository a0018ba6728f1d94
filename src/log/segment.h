/*
 * segment.h - one segment: its file, its memory, how far it is, who still needs it; and the table that finds it by slot.
 *
 * States of a segment, one way only:
 *   created   file and header are durable, the manifest does not name it yet; nobody can see it
 *   listed    named by the manifest, found through its slot; records are appended to it
 *   sealed    nothing is appended any more
 *   dropped   the manifest no longer names it; log_peek() and log_pin() do not find it
 *   reaped    no epoch section and no pin of before the drop is left: file removed, slot free, memory returned
 *
 * Extents of a segment, in bytes from its start, each only growing: synced <= written <= end <= allocated, all but for a
 * moment <= capacity. The frame holds [0, end) while the segment is resident; only segments that are sealed and written to
 * their end lose their frame before they are reaped.
 *
 * Why a freed frame cannot be read. A reader finds a frame through its slot inside an epoch section. log_trim() first
 * takes the frame out of the slot, then hands it to epoch_retire(), which frees it after every section that may have seen it.
 * A dropped segment takes its frame out of the slot and retires itself; the reference that the table holds is given back by
 * that callback, so the count cannot reach zero while a section is open in which log_pin() may still raise it. Only at zero
 * the slot is emptied and may be given to another segment: a locator found in an index inside a section, or pinned, never
 * leads to a stranger.
 */
#ifndef LOG_SEGMENT_H
#define LOG_SEGMENT_H

#include <stdatomic.h>

#include "concurrent/epoch.h"
#include "concurrent/mutex.h"
#include "io/io.h"
#include "log/format.h"

struct log;

/* Memory that records are placed in and read from. */
struct frame {
    struct epoch_node node; /* first: the epoch's callback casts */
    uint8_t *data;
    size_t bytes; /* mapped */
};

/* What the read path needs, one slot in half a cache line. Reached without a lock; frame and segment are published with
 * release, so base and limit, written before, are seen by who acquires them. */
struct slot {
    _Atomic(uint8_t *) frame; /* NULL: not resident */
    _Atomic(struct segment *) segment;
    _Atomic uint64_t base;
    _Atomic uint32_t limit;      /* bytes of the frame */
    _Atomic uint32_t referenced; /* read since log_trim() last came by */
};

struct segment {
    struct epoch_node node; /* first: the epoch's callback casts */
    struct log *log;
    struct segment_header header;
    uint64_t seed;
    struct io_file *file;
    char name[32];
    struct slot *slot;

    struct frame *frame;  /* GUARDED_BY(table_mu), and by being the one who writes or loads it */
    unsigned frame_holds; /* GUARDED_BY(table_mu): who reads the frame without an epoch section */

    _Atomic uint32_t refs; /* the table's, and pins */
    _Atomic bool dropped;
    _Atomic bool sealed;

    _Atomic uint64_t end;     /* main: of published records; side: of appended ones */
    _Atomic uint64_t written; /* main: changed by the commit leader; side: under side_mu */
    _Atomic uint64_t synced;  /* likewise */
    _Atomic uint64_t
        allocated; /* disk space reserved; changed under space_mu, or by the side's writer */

    /* What the manifest says, or will say next; GUARDED_BY(manifest_mu) once the log is open. */
    uint64_t proven;
    bool final;
    bool dropping;
    bool
        recovered; /* side: what a recovery cut off the stream; what is in it replays as the stream does */
    bool staged;          /* reading only: part of it is in memory only, so its frame must stay */
    bool chain_known;     /* GUARDED_BY(append_mu) */
    uint32_t start_chain; /* likewise */

    uint64_t
        shown_end; /* side, found at opening: moved records from here on were never proven and do not count */

    /* Accounting. Relaxed: figures, nothing is ordered by them. */
    _Atomic int64_t live; /* units, see account.c */
    _Atomic int64_t kept; /* of these, only for older versions that somebody may read */
    _Atomic int64_t pending;
    _Atomic int64_t idle;
    _Atomic int64_t expiring;
    _Atomic uint64_t gross_units; /* of all that ever began to live here */
    _Atomic uint64_t gross_bytes; /* the same in bytes as stored */
    _Atomic int64_t expire_max_ms;
    _Atomic uint64_t min_version;
    _Atomic uint64_t max_version;
    _Atomic uint64_t stale_version; /* the smallest of a superseded value; UINT64_MAX: none */

    struct segment *commit_next; /* main: the next younger one; GUARDED_BY(append_mu) */
    struct segment *reap_next;   /* GUARDED_BY(reap_mu) */

    struct mutex side_mu;      /* side: written and end, between its writer and the commit leader */
    struct segment *side_next; /* list of dirty side segments; GUARDED_BY(dirty_mu) */
    bool side_listed;          /* likewise */
};

/* ---- Frames ---- */

/* Memory for @bytes, zero, touched only when used. NULL: no memory. */
struct frame *frame_new(size_t bytes);
void frame_free(struct frame *frame); /* NULL is allowed */

/* Gives the segment its frame and shows it to readers. */
void segment_publish_frame(struct segment *segment, struct frame *frame);
/* Takes it away and frees it when no reader is left. */
void segment_retire_frame(struct segment *segment);

/* ---- Segments ---- */

/* "0000000a.seg", and back; false when @name is none of ours. */
void segment_name(uint64_t id, char ret[32]);
bool segment_parse_name(const char *name, uint64_t *ret_id);
KVS_MUST_CHECK char *log_path(const struct log *log,
                              const char *name); /* malloc'd "dir/name"; NULL: no memory */

/* An object without a file, in @header's slot. */
KVS_MUST_CHECK enum kvs_status segment_new(struct log *log, const struct segment_header *header,
                                           struct segment **ret);
/* Closes and frees; the slot is free again. Nobody may know the segment. NULL is allowed. */
void segment_free(struct segment *segment);

/* Opens the file of a listed segment and compares its header with the manifest's entry. */
KVS_MUST_CHECK enum kvs_status segment_open(struct segment *segment, bool read_only);

/* Reserves disk space so that [0, need) and some more can be written. KVS_DISK_FULL sets the log's mark. */
KVS_MUST_CHECK enum kvs_status segment_allocate(struct segment *segment, uint64_t need);

/* Seals are release: who sees one sees the final end. */
static inline bool segment_is_sealed(const struct segment *segment)
{
    return atomic_load_explicit(&segment->sealed,
                                memory_order_acquire); /* pairs with: segment_seal */
}

static inline void segment_seal(struct segment *segment)
{
    atomic_store_explicit(&segment->sealed, true,
                          memory_order_release); /* pairs with: segment_is_sealed */
}

/* Extents are counters whose holder's lock or leadership orders the rest; readers elsewhere only report them. */
static inline uint64_t extent_get(const _Atomic uint64_t *extent)
{
    return atomic_load_explicit(extent, memory_order_acquire); /* pairs with: extent_set */
}

static inline void extent_set(_Atomic uint64_t *extent, uint64_t value)
{
    atomic_store_explicit(extent, value, memory_order_release); /* pairs with: extent_get */
}

/* Notes that @record is in the segment, for min_version and max_version. One writer at a time. */
void segment_note_version(struct segment *segment, const struct log_record *record);
void segment_note_versions(struct segment *segment, uint64_t min, uint64_t max);

/* ---- Going ---- */

/* Gives back one reference. */
void segment_unref(struct segment *segment);
/* Removes what nobody needs any more. Calls the system; outside all locks. */
void segments_reap(struct log *log, bool alone);

#endif
