/*
 * checkpoint.h - the files of index checkpoints: made, named by the manifest, found again, removed.
 *
 * The log gives each a name, a header and a place in the manifest, and knows where the tail of the log behind it begins. What is in
 * them is the owner's (engine/native/checkpoint.c); the layout of all is in docs/format.md. The newest file may refer to the ones
 * before it, so all that the manifest names are kept, until one is written that stands alone.
 *
 * Threads: one writer at a time, by its owner's lock; reading any thread.
 */
#ifndef LOG_CHECKPOINT_H
#define LOG_CHECKPOINT_H

#include "log/format.h"

struct checkpoint_writer;

enum {
    CHECKPOINT_HEADER_BYTES = 64,
    CHECKPOINT_ID_BITS = 28, /* of a place: id of the file, then … */
    CHECKPOINT_OFF_BITS = 36 /* … offset / 8 in it */
};

/* Where something lies in some checkpoint file. Never 0. */
static inline uint64_t checkpoint_place(uint64_t id, uint64_t off)
{
    return id << CHECKPOINT_OFF_BITS | off / RECORD_ALIGN;
}

static inline uint64_t place_id(uint64_t place)
{
    return place >> CHECKPOINT_OFF_BITS;
}

static inline uint64_t place_off(uint64_t place)
{
    return (place & ((UINT64_C(1) << CHECKPOINT_OFF_BITS) - 1)) * RECORD_ALIGN;
}

/* ---- Writing ---- */

/* Where a replay has to begin if the index is captured from now on. */
void log_take_mark(struct log *log, struct log_mark *ret);

/* A new file, not named yet. KVS_DISK_FULL, KVS_IO, KVS_NO_MEMORY, KVS_READ_ONLY: none of them is the log's failure. */
KVS_MUST_CHECK enum kvs_status checkpoint_begin(struct log *log, struct checkpoint_writer **ret);
uint64_t checkpoint_writer_id(const struct checkpoint_writer *writer);
uint64_t checkpoint_writer_seed(const struct checkpoint_writer *writer);
/* Where the next byte will be: a multiple of 8 if all pieces are. */
uint64_t checkpoint_writer_off(const struct checkpoint_writer *writer);
/* A failure stays with the writer, and is what the end answers. */
void checkpoint_put(struct checkpoint_writer *writer, const void *data, size_t len);

/*
 * Makes the file durable and the manifest name it, behind those before it, or (@alone) instead of them, whose files go then. Everything that
 * the file refers to in the log must be durable when this is called, side segments too (log_sides_durable()). Frees the writer.
 * On failure the file is not, or may be, named by the manifest: it is whole either way, and the ones before it are still there.
 */
KVS_MUST_CHECK enum kvs_status checkpoint_commit(struct checkpoint_writer *writer, bool alone);
/* Removes the file. NULL is allowed. */
void checkpoint_abort(struct checkpoint_writer *writer);

/* Makes all of the side segments that was appended so far durable. */
KVS_MUST_CHECK enum kvs_status log_sides_durable(struct log *log);

/* The checkpoints are not used any more: out of the manifest, durably, and off the disk. */
enum kvs_status checkpoint_forget(struct log *log);

/* ---- Reading ---- */

/* How many files there are, and bytes in them, by the manifest. */
size_t checkpoint_count(struct log *log, uint64_t *ret_bytes);

/* The newest one: its id and size. KVS_NOT_FOUND: there is none. */
KVS_MUST_CHECK enum kvs_status checkpoint_newest(struct log *log, uint64_t *ret_id, uint64_t *ret_bytes);

/* Reads exactly @len bytes of file @id at @off; the file is opened, and its header compared, at its first use. KVS_CORRUPT with file and
 * offset: it ends before, is missing, or is another. */
KVS_MUST_CHECK enum kvs_status checkpoint_read(struct log *log, uint64_t id, uint64_t off,
                                               void *buf, size_t len);
/* The seed of checksums in file @id, which has been read from. */
uint64_t checkpoint_seed(struct log *log, uint64_t id);
/* For texts: "dir/name" of file @id. */
struct checkpoint_name {
    char text[32];
};
struct checkpoint_name checkpoint_name(uint64_t id);
bool checkpoint_parse_name(const char *name, uint64_t *ret_id);

/* ---- The account of segments ---- */

/* What a checkpoint remembers of a segment; taken from struct log_segment_info. */
struct log_segment_account {
    uint64_t id;
    uint64_t end; /* it may have grown since */
    int64_t live_units;
    int64_t idle_units;
    int64_t expiring_units;
    uint64_t gross_units;
    uint64_t gross_bytes;
    int64_t expire_max_ms;
    uint64_t min_version;
    uint64_t max_version;
    uint64_t stale_version;
};

/* During the opening: gives the segment these figures, if it is there. */
void log_restore_account(struct log *log, const struct log_segment_account *account);

/* After the opening: a segment that the checkpoint did not know (@account NULL) or that has grown since may hold copies of values
 * that nothing refers to; so the tombstones that hide them have to stay. */
void log_distrust(struct log *log, uint64_t id);

/* Does @locator lie within a segment that is there? */
bool log_holds(struct log *log, uint64_t locator);

/* The smallest version in its segment: at most the version of the record there. */
uint64_t log_least_version(struct log *log, uint64_t locator);

/* Bytes of the log handed out so far, main and side: what a replay would have to go through. */
uint64_t log_grown_bytes(struct log *log);

/* ---- Private to the room ---- */

/* Files named like checkpoints that the manifest does not name. */
struct checkpoint_file {
    uint64_t id;
    uint64_t incarnation;
    uint64_t bytes;
    uint64_t seed;
    struct io_file *file; /* NULL: not opened yet */
};

KVS_MUST_CHECK enum kvs_status checkpoint_check_leftover(struct log *log, const char *path,
                                                         uint64_t id);
void checkpoints_done(struct log *log);

#endif
