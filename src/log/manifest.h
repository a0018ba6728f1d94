/*
 * manifest.h - the file MANIFEST: which segments make up the log, and what is known for certain about each.
 *
 * A segment exists when the manifest names it. The file is replaced atomically, so it is always whole: one that does not
 * verify is damage. Layout in docs/format.md.
 *
 * Threads: any; writers are serialised by the caller.
 */
#ifndef LOG_MANIFEST_H
#define LOG_MANIFEST_H

#include "log/format.h"

#define MANIFEST_NAME "MANIFEST"

enum {
    MANIFEST_SIDE = 1,  /* a side segment */
    MANIFEST_FINAL = 2, /* the segment ends at `proven`: what lies behind never counts */
    MANIFEST_CHAIN = 4, /* start_chain is known */
    MANIFEST_RECOVERED = 8, /* side: holds what a recovery cut off the stream, in version order */
    MANIFEST_CHECKPOINTS_MAX = 256,
};

struct manifest_entry {
    uint64_t id;
    uint64_t incarnation;
    uint64_t base;
    uint64_t
        proven; /* bytes from the start that must verify (main: only with MANIFEST_FINAL, else 0) */
    uint32_t capacity;
    uint32_t slot;
    uint32_t start_chain; /* checksum of the group header before the first one here */
    uint32_t flags;
};

/* A checkpoint file, whole and durable. */
struct manifest_checkpoint {
    uint64_t id;
    uint64_t incarnation;
    uint64_t bytes;
};

struct manifest {
    uint8_t store_id[STORE_ID_BYTES];
    uint64_t next_id;
    uint64_t next_base; /* of the next main segment: no version at or beyond it was ever issued */
    uint64_t durable;   /* known to be durable when this was written */
    int64_t time_ms;    /* store time when this was written */
    uint32_t session;   /* counts the openings that wrote */
    uint32_t count;
    struct manifest_entry *entries; /* owned; by ascending id */
    uint32_t checkpoint_count;
    struct manifest_checkpoint *checkpoints; /* owned; by ascending id: the last is the newest, and refers to those before */
};

void manifest_done(struct manifest *manifest);

/* KVS_NOT_FOUND: there is none. KVS_CORRUPT, KVS_WRONG_FORMAT, KVS_IO, KVS_NO_MEMORY. manifest_done() what was read. */
KVS_MUST_CHECK enum kvs_status manifest_read(struct io *io, const char *dir, struct manifest *ret);

/* Durable when it answers KVS_OK. After a failure either the old or the new one is there. */
KVS_MUST_CHECK enum kvs_status manifest_write(struct io *io, const char *dir,
                                              const struct manifest *manifest);

/* The two halves of that, for tests. *ret is malloc'd. */
KVS_MUST_CHECK enum kvs_status manifest_encode(const struct manifest *manifest, uint8_t **ret,
                                               size_t *ret_len);
KVS_MUST_CHECK enum kvs_status manifest_decode(const uint8_t *data, size_t len, const char *name,
                                               struct manifest *ret);

#endif
