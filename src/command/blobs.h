/*
 * blobs.h - the blobs that commands make themselves (APPEND to a large value, RENAME of one), until the transaction that
 * stores them is over.
 *
 * A blob given to a transaction stays its giver's until the commit answers KVS_OK, which consumes it. A command
 * is over before that, so it leaves its blobs here, and the runner ends their lives:
 *     before each run of a command or of EXEC's queue     command_blobs_free()
 *     after a commit that answered KVS_OK                 command_blobs_consumed()
 *     after anything else that ends the request           command_blobs_free()
 *
 * A blob cannot be read before it is stored, but later commands of an EXEC may ask for its value (SET, then EXPIRE). So what is in a
 * blob is remembered with it: lent where the memory outlives the run, as a queued argument does, else as a copy, of which a run
 * may hold COMMAND_BLOBS_COPY_MAX bytes.
 * One thread at a time.
 */
#ifndef COMMAND_BLOBS_H
#define COMMAND_BLOBS_H

#include <stdbool.h>
#include <stddef.h>

#include <kvs/kvs.h>

enum {
    COMMAND_BLOBS_COPY_MAX = 64 * 1024 * 1024
};

struct command_blob {
    struct kvs_blob *blob;
    const struct kvs *db;
    char *key; /* copied */
    size_t key_bytes;
    struct kvs_bytes value; /* data NULL: not remembered */
    void *copy;             /* what value points to, if it is ours */
};

/* All zero: empty. */
struct command_blobs {
    struct command_blob *items;
    size_t count;
    size_t capacity;
    size_t copy_bytes;
};

/* Takes @blob over, the value of @key from now on; also when it fails (KVS_NO_MEMORY: the blob is freed). */
KVS_MUST_CHECK enum kvs_status command_blobs_keep(struct command_blobs *blobs, struct kvs *db,
                                                  struct kvs_bytes key, struct kvs_blob *blob);

/* Memory for a copy of the value kept last, of @bytes; NULL: over the limit, or there is none. Not to be freed. */
void *command_blobs_copy(struct command_blobs *blobs, size_t bytes);

/* What the blob kept last holds, in memory that outlives the run. */
void command_blobs_remember(struct command_blobs *blobs, struct kvs_bytes value);

/* What the blob kept last for @key holds, lent until the run ends. False: not remembered. */
bool command_blobs_find(const struct command_blobs *blobs, const struct kvs *db,
                        struct kvs_bytes key, struct kvs_bytes *ret);

/* Frees the blobs, and the list's own memory; it is empty and usable again. */
void command_blobs_free(struct command_blobs *blobs, struct kvs *db);

/* The same, but the blobs have become values. */
void command_blobs_consumed(struct command_blobs *blobs);

#endif
