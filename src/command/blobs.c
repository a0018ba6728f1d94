/*
 * blobs.c - the list of blobs that commands made and that no commit has consumed yet.
 */
#include "command/blobs.h"

#include <errno.h>
#include <stdlib.h>

#include "base/fail.h"

enum kvs_status command_blobs_keep(struct command_blobs *blobs, struct kvs *db,
                                   struct kvs_blob *blob)
{
    if (blobs->count == blobs->capacity) {
        size_t capacity = blobs->capacity == 0 ? 4 : blobs->capacity * 2;
        struct kvs_blob **items = reallocarray(blobs->items, capacity, sizeof(struct kvs_blob *));
        if (items == NULL) {
            kvs_blob_free(db, blob);
            return fail(KVS_NO_MEMORY, ENOMEM, "list of %zu large values", capacity);
        }
        blobs->items = items;
        blobs->capacity = capacity;
    }
    blobs->items[blobs->count++] = blob;
    return KVS_OK;
}

void command_blobs_free(struct command_blobs *blobs, struct kvs *db)
{
    for (size_t i = 0; i < blobs->count; i++)
        kvs_blob_free(db, blobs->items[i]);
    command_blobs_consumed(blobs);
}

void command_blobs_consumed(struct command_blobs *blobs)
{
    free(blobs->items);
    *blobs = (struct command_blobs){ 0 };
}
