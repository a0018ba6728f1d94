/*
 * blob.h - what a struct kvs_blob of kvs.h is: a handle around the engine's, so that it stays a valid object for its owner when
 * the engine has taken the value but the call that gave it then failed to wait for the disk. One thread at a time.
 */
#ifndef STORE_BLOB_H
#define STORE_BLOB_H

#include "store/store.h"

struct blob {
    struct kvs_blob *engine; /* NULL: the engine has taken it */
    bool claimed;            /* by an operation of the write being built */
};

static inline struct blob *blob_inner(struct kvs_blob *blob)
{
    return (struct blob *)(void *)blob;
}

static inline const struct blob *blob_inner_const(const struct kvs_blob *blob)
{
    return (const struct blob *)(const void *)blob;
}

/* Claims @blob for an operation. KVS_INVALID: another one has it, or the engine took it before. */
KVS_MUST_CHECK enum kvs_status blob_claim(struct kvs_blob *blob);
void blob_unclaim(struct kvs_blob *blob);

/* The engine has taken what is inside. With @consume the handle goes too. */
void blob_taken(struct kvs_blob *blob, bool consume);

#endif
