/*
 * blobs.h - the blobs that commands make themselves (APPEND to a large value, RENAME of one), until the transaction that
 * stores them is over.
 *
 * A blob given to a transaction stays its giver's until the commit answers KVS_OK, which consumes it. A command
 * is over before that, so it leaves its blobs here, and the runner ends their lives:
 *     before each run of a command or of EXEC's queue     command_blobs_free()
 *     after a commit that answered KVS_OK                 command_blobs_consumed()
 *     after anything else that ends the request           command_blobs_free()
 * One thread at a time.
 */
#ifndef COMMAND_BLOBS_H
#define COMMAND_BLOBS_H

#include <stddef.h>

#include <kvs/kvs.h>

/* All zero: empty. */
struct command_blobs {
    struct kvs_blob **items;
    size_t count;
    size_t capacity;
};

/* Takes @blob over, also when it fails (KVS_NO_MEMORY: the blob is freed). */
KVS_MUST_CHECK enum kvs_status command_blobs_keep(struct command_blobs *blobs, struct kvs *db,
                                                  struct kvs_blob *blob);

/* Frees the blobs, and the list's own memory; it is empty and usable again. */
void command_blobs_free(struct command_blobs *blobs, struct kvs *db);

/* The same, but the blobs have become values. */
void command_blobs_consumed(struct command_blobs *blobs);

#endif
