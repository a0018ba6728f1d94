/*
 * large.h - which record owns which chunks of a large value.
 *
 * A value over KVS_INLINE_MAX is a row of LOG_CHUNK records and one LOG_SET record that lists them. This table knows both
 * ways: from the record's locator to its chunks, so that they die with it, and from a chunk to its record, so that compaction can
 * move it. About 40 bytes per 64 KiB of value.
 *
 * Threads: any, under larges.mu.
 */
#ifndef ENGINE_NATIVE_LARGE_H
#define ENGINE_NATIVE_LARGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kvs/status.h>

#include "concurrent/mutex.h"

struct chunk {
    uint64_t locator;
    uint32_t stored_bytes;
};

/* The chunks of one value. owner 0: its record is not committed yet. */
struct large {
    uint64_t owner;
    size_t count;
    size_t capacity;
    struct chunk *chunks;
    bool kept;          /* its record is an older version, kept for snapshots alone */
    struct large *next; /* in the bucket of its owner */
};

struct chunk_entry;

struct larges {
    struct mutex mu;
    struct large **owners; /* by owner's locator */
    size_t owner_buckets;
    size_t owner_count;
    struct chunk_entry **chunks; /* by chunk's locator */
    size_t chunk_buckets;
    size_t chunk_count;
};

void larges_init(struct larges *larges);
void larges_done(struct larges *larges);

/* A new, unowned one. */
KVS_MUST_CHECK enum kvs_status large_new(struct large **ret);
/* Adds a chunk to an unowned value, so that compaction knows it is in use. */
KVS_MUST_CHECK enum kvs_status large_add(struct larges *larges, struct large *large,
                                         struct chunk chunk);
/* Gives it to the record at @owner. Never fails: buckets were made by large_new/large_add. */
void large_own(struct larges *larges, struct large *large, uint64_t owner);
/* The record has moved. Unknown owners are ignored. */
void large_move_owner(struct larges *larges, uint64_t from, uint64_t to);
/* The record at @owner is kept (with @more; else: no longer) for snapshots alone: noted here, and for each chunk in the log's account. */
struct log;
void large_keep(struct larges *larges, struct log *log, uint64_t owner, bool more);
/* Takes the value of @owner out of the table; the caller frees it with large_free(). NULL: not known. */
struct large *large_take(struct larges *larges, uint64_t owner);
/* Takes an unowned one out and frees nothing. */
void large_forget(struct larges *larges, struct large *large);
void large_free(struct large *large);

enum chunk_state {
    CHUNK_DEAD,
    CHUNK_PENDING,
    CHUNK_LIVE
};
/* Whose is the chunk at @locator? *ret_owner: the record's locator when CHUNK_LIVE. */
enum chunk_state large_chunk_state(struct larges *larges, uint64_t locator, uint64_t *ret_owner);

/* Shows every chunk of a value that a record owns, with larges.mu held, until @fn fails. */
typedef enum kvs_status large_each_fn(void *ctx, uint64_t locator, uint32_t stored_bytes);
enum kvs_status large_each_chunk(struct larges *larges, large_each_fn *fn, void *ctx);

/* Copies the list of @owner's chunks, with @from replaced by @to in the copy; *ret is malloc'd. KVS_NOT_FOUND: not known. */
KVS_MUST_CHECK enum kvs_status large_copy(struct larges *larges, uint64_t owner, struct chunk **ret,
                                          size_t *ret_count);
/* Puts @chunks, a changed copy of the same length, in place of the list of @owner, which has moved to @to. */
KVS_MUST_CHECK enum kvs_status large_replace(struct larges *larges, uint64_t owner, uint64_t to,
                                             const struct chunk *chunks, size_t count);

#endif
