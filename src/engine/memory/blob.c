/*
 * blob.c - values that arrive in pieces: a growing buffer that a batch takes over.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "engine/memory/room.h"

struct memory_value *memory_value_new(struct kvs_bytes bytes, size_t capacity)
{
    if (capacity < bytes.len)
        capacity = bytes.len;
    struct memory_value *value = malloc(sizeof *value + capacity);
    if (value == NULL) {
        (void)fail(KVS_NO_MEMORY, ENOMEM, "value of %zu bytes", capacity);
        return NULL;
    }
    value->refs = 1;
    value->len = bytes.len;
    value->capacity = capacity;
    if (bytes.len != 0)
        memcpy(value->data, bytes.data, bytes.len);
    return value;
}

enum kvs_status memory_blob_new(struct kvs_engine *engine, struct kvs_blob **ret)
{
    struct kvs_blob *blob = calloc(1, sizeof *blob);
    if (blob == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "blob");
    blob->engine = memory_engine_of(engine);
    blob->value = memory_value_new((struct kvs_bytes){ NULL, 0 }, 0);
    if (blob->value == NULL) {
        free(blob);
        return KVS_NO_MEMORY;
    }
    *ret = blob;
    return KVS_OK;
}

enum kvs_status memory_blob_append(struct kvs_blob *blob, struct kvs_bytes bytes)
{
    struct memory_value *value = blob->value;
    if (bytes.len > KVS_VALUE_MAX - value->len)
        return fail(KVS_TOO_LONG, 0, "value over %d bytes", KVS_VALUE_MAX);
    if (bytes.len > value->capacity - value->len) {
        size_t capacity = value->capacity < 4096 ? 4096 : value->capacity * 2;
        if (capacity < value->len + bytes.len)
            capacity = value->len + bytes.len;
        value = realloc(value, sizeof *value + capacity);
        if (value == NULL)
            return fail(KVS_NO_MEMORY, ENOMEM, "value of %zu bytes", capacity);
        value->capacity = capacity;
        blob->value = value;
    }
    if (bytes.len != 0)
        memcpy(value->data + value->len, bytes.data, bytes.len);
    value->len += bytes.len;
    return KVS_OK;
}

uint64_t memory_blob_bytes(const struct kvs_blob *blob)
{
    return blob->value->len;
}

void memory_blob_free(struct kvs_blob *blob)
{
    if (blob == NULL)
        return;
    memory_value_unref(blob->value); /* never shared: no lock needed */
    free(blob);
}
