/*
 * removals.h - which keys were removed lately: what KVS_IF_UNTOUCHED needs besides the versions of records that are there.
 *
 * A removal is remembered as long as a snapshot older than it is open. What is not remembered (or no longer) raises `forgotten`:
 * conditions relative to a version below it do not hold. So a condition may conflict needlessly, but never overlooks a removal;
 * and while a snapshot at or before its version is held, it is exact, up to REMOVALS_MAX removals.
 *
 * Threads: struct removals under its owner's lock; struct removals_fresh belongs to the one who writes.
 */
#ifndef ENGINE_ADAPTER_REMOVALS_H
#define ENGINE_ADAPTER_REMOVALS_H

#include <kvs/engine.h>

enum {
    REMOVALS_MAX = 65536,                  /* and at most this many */
    REMOVALS_BYTES_MAX = 16 * 1024 * 1024, /* bytes of keys */
};

struct removal {
    uint64_t version;
    struct kvs_bytes start; /* one block with end */
    struct kvs_bytes end;
    bool has_end;
    bool range; /* false: the one key start */
};

struct removals {
    struct removal *list; /* ascending by version */
    size_t first;         /* those before it are gone */
    size_t count;         /* one past the last */
    size_t capacity;
    size_t bytes;
    uint64_t forgotten;
};

/* Removals of a transaction that is not committed yet. */
struct removals_fresh {
    struct removal *list;
    size_t count;
    size_t capacity;
    size_t bytes;
    uint64_t forgotten; /* 0, or what it raises */
};

/* Never fails: what cannot be kept is forgotten. */
void removals_note(struct removals_fresh *fresh, uint64_t version, const struct kvs_range *range,
                   bool is_range);
void removals_note_forgotten(struct removals_fresh *fresh, uint64_t version);
/* Back to the length that was @count and @forgotten. */
void removals_cut(struct removals_fresh *fresh, size_t count, uint64_t forgotten);

/* Takes over what is fresh; @keep: a snapshot is open that is older. */
void removals_add(struct removals *removals, struct removals_fresh *fresh, bool keep);
/* Lets go of what no snapshot at or after @oldest can ask for. */
void removals_prune(struct removals *removals, uint64_t oldest);

/* Was anything in @range (or the one key range->start) removed after @version? */
bool removals_hit(const struct removals *removals, const struct kvs_range *range, bool is_range,
                  uint64_t version);
bool removals_fresh_hit(const struct removals_fresh *fresh, const struct kvs_range *range,
                        bool is_range, uint64_t version);

void removals_done(struct removals *removals);
void removals_fresh_done(struct removals_fresh *fresh);

#endif
