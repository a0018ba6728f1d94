/*
 * blobs.c - the list of blobs that commands made and that no commit has consumed yet.
 */
#include "command/blobs.h"

#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/fail.h"

static bool reserve(struct command_blobs *blobs)
{
    if (blobs->count < blobs->capacity)
        return true;
    size_t capacity = blobs->capacity == 0 ? 4 : blobs->capacity * 2;
    struct command_blob *items = reallocarray(blobs->items, capacity, sizeof *items);
    if (items == NULL)
        return false;
    blobs->items = items;
    blobs->capacity = capacity;
    return true;
}

enum kvs_status command_blobs_keep(struct command_blobs *blobs, struct kvs *db,
                                   struct kvs_bytes key, struct kvs_blob *blob)
{
    char *key_copy = malloc(key.len + 1);
    if (key_copy == NULL || !reserve(blobs)) {
        free(key_copy);
        kvs_blob_free(db, blob);
        return fail(KVS_NO_MEMORY, ENOMEM, "keeping a large value");
    }
    if (key.len > 0)
        memcpy(key_copy, key.data, key.len);
    blobs->items[blobs->count++] = (struct command_blob){
        .blob = blob,
        .db = db,
        .key = key_copy,
        .key_bytes = key.len,
    };
    return KVS_OK;
}

void *command_blobs_copy(struct command_blobs *blobs, size_t bytes)
{
    if (bytes > COMMAND_BLOBS_COPY_MAX - blobs->copy_bytes)
        return NULL;
    struct command_blob *last = &blobs->items[blobs->count - 1];
    last->copy = malloc(bytes);
    if (last->copy != NULL)
        blobs->copy_bytes += bytes;
    return last->copy;
}

void command_blobs_remember(struct command_blobs *blobs, struct kvs_bytes value)
{
    blobs->items[blobs->count - 1].value = value;
}

bool command_blobs_find(const struct command_blobs *blobs, const struct kvs *db,
                        struct kvs_bytes key, struct kvs_bytes *ret)
{
    for (size_t i = blobs->count; i > 0; i--) {
        const struct command_blob *item = &blobs->items[i - 1];
        if (item->db != db || !bytes_equal(bytes_of(item->key, item->key_bytes), key))
            continue;
        *ret = item->value;
        return item->value.data != NULL;
    }
    return false;
}

void command_blobs_free(struct command_blobs *blobs, struct kvs *db)
{
    for (size_t i = 0; i < blobs->count; i++)
        kvs_blob_free(db, blobs->items[i].blob);
    command_blobs_consumed(blobs);
}

void command_blobs_consumed(struct command_blobs *blobs)
{
    for (size_t i = 0; i < blobs->count; i++) {
        free(blobs->items[i].key);
        free(blobs->items[i].copy);
    }
    free(blobs->items);
    *blobs = (struct command_blobs){ 0 };
}
