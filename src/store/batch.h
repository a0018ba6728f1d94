/*
 * batch.h - what is inside a struct kvs_batch. One thread at a time.
 */
#ifndef STORE_BATCH_H
#define STORE_BATCH_H

#include "base/buf.h"
#include "base/fail.h"
#include "store/store.h"

/* A piece of the arena. */
struct slice {
    uint32_t off;
    uint32_t len;
};

struct batch_op {
    enum kvs_op_kind kind;
    struct slice key;   /* with the space's byte, as the engine sees it */
    struct slice value; /* SET: the value; REMOVE_RANGE: the end */
    struct kvs_blob *blob;
    int64_t expire_ms;
};

struct batch_condition {
    enum kvs_condition_kind kind;
    bool has_end;
    struct slice key;
    struct slice end;
    uint64_t version;
};

struct kvs_batch {
    struct buf arena;
    struct batch_op *ops;
    size_t op_count;
    size_t op_capacity;
    size_t op_bytes; /* of keys and inline values of operations */
    struct batch_condition *conditions;
    size_t condition_count;
    size_t condition_capacity;
    struct write_needs needs;
    bool has_blobs;
    enum kvs_status failed;
    char why[FAIL_TEXT_BYTES]; /* with failed */

    struct kvs_op *built_ops; /* scratch of batch_build() */
    size_t built_op_capacity;
    struct kvs_condition *built_conditions;
    size_t built_condition_capacity;
};

/* Fills operations and conditions of *ret; they point into the batch and are valid until it changes. The sticky failure, or
 * KVS_NO_MEMORY. */
KVS_MUST_CHECK enum kvs_status batch_build(struct kvs_batch *batch, struct kvs_write *ret);

/* The engine has taken the blobs of a write; with @consume their handles go too. The batch refuses to be written again before it is
 * cleared, if it had any. */
void batch_blobs_taken(struct kvs_batch *batch, bool consume);

#endif
