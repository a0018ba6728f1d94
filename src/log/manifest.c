/*
 * manifest.c - reading and replacing MANIFEST.
 */
#include "log/manifest.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/crc.h"
#include "base/fail.h"

static const uint8_t manifest_magic[8] = { 'K', 'V', 'S', 'M', 'A', 'N', '\r', '\n' };

enum {
    AT_MAGIC = 0,
    AT_VERSION = 8,
    AT_CHECKSUM = 12, /* CRC-32C of all other bytes */
    AT_STORE_ID = 16,
    AT_NEXT_ID = 32,
    AT_NEXT_BASE = 40,
    AT_DURABLE = 48,
    AT_TIME = 56,
    AT_SESSION = 64,
    AT_COUNT = 68,
    HEAD_BYTES_1 = 72, /* of version 1 */
    AT_CHECKPOINTS = 72,
    HEAD_BYTES = 80,
};

enum {
    ENTRY_ID = 0,
    ENTRY_INCARNATION = 8,
    ENTRY_BASE = 16,
    ENTRY_PROVEN = 24,
    ENTRY_CAPACITY = 32,
    ENTRY_SLOT = 36,
    ENTRY_START_CHAIN = 40,
    ENTRY_FLAGS = 44,
    ENTRY_BYTES = 48,
};

enum {
    CHECKPOINT_ID = 0,
    CHECKPOINT_INCARNATION = 8,
    CHECKPOINT_BYTES = 16,
    CHECKPOINT_ENTRY_BYTES = 24,
};

static const size_t manifest_bytes_max = HEAD_BYTES + (size_t)SLOT_COUNT * ENTRY_BYTES +
                                         (size_t)MANIFEST_CHECKPOINTS_MAX * CHECKPOINT_ENTRY_BYTES;
static_assert(ENTRY_FLAGS + 4 == ENTRY_BYTES && AT_COUNT + 4 == HEAD_BYTES_1, "manifest layout");

void manifest_done(struct manifest *manifest)
{
    free(manifest->entries);
    free(manifest->checkpoints);
    manifest->entries = NULL;
    manifest->checkpoints = NULL;
    manifest->count = 0;
    manifest->checkpoint_count = 0;
}

static uint32_t manifest_checksum(const uint8_t *data, size_t len)
{
    uint32_t crc = crc32c(0, data, AT_CHECKSUM);
    return crc32c(crc, data + AT_CHECKSUM + 4, len - AT_CHECKSUM - 4);
}

enum kvs_status manifest_encode(const struct manifest *manifest, uint8_t **ret, size_t *ret_len)
{
    size_t len = HEAD_BYTES + (size_t)manifest->count * ENTRY_BYTES +
                 (size_t)manifest->checkpoint_count * CHECKPOINT_ENTRY_BYTES;
    uint8_t *data = calloc(1, len);
    if (data == NULL)
        return fail(KVS_NO_MEMORY, 0, "manifest of %zu bytes", len);
    memcpy(data + AT_MAGIC, manifest_magic, sizeof manifest_magic);
    put_u32(data + AT_VERSION, FORMAT_VERSION);
    memcpy(data + AT_STORE_ID, manifest->store_id, STORE_ID_BYTES);
    put_u64(data + AT_NEXT_ID, manifest->next_id);
    put_u64(data + AT_NEXT_BASE, manifest->next_base);
    put_u64(data + AT_DURABLE, manifest->durable);
    put_u64(data + AT_TIME, (uint64_t)manifest->time_ms);
    put_u32(data + AT_SESSION, manifest->session);
    put_u32(data + AT_COUNT, manifest->count);
    put_u32(data + AT_CHECKPOINTS, manifest->checkpoint_count);
    for (uint32_t i = 0; i < manifest->count; i++) {
        const struct manifest_entry *entry = &manifest->entries[i];
        uint8_t *out = data + HEAD_BYTES + (size_t)i * ENTRY_BYTES;
        put_u64(out + ENTRY_ID, entry->id);
        put_u64(out + ENTRY_INCARNATION, entry->incarnation);
        put_u64(out + ENTRY_BASE, entry->base);
        put_u64(out + ENTRY_PROVEN, entry->proven);
        put_u32(out + ENTRY_CAPACITY, entry->capacity);
        put_u32(out + ENTRY_SLOT, entry->slot);
        put_u32(out + ENTRY_START_CHAIN, entry->start_chain);
        put_u32(out + ENTRY_FLAGS, entry->flags);
    }
    for (uint32_t i = 0; i < manifest->checkpoint_count; i++) {
        const struct manifest_checkpoint *checkpoint = &manifest->checkpoints[i];
        uint8_t *out = data + HEAD_BYTES + (size_t)manifest->count * ENTRY_BYTES +
                       (size_t)i * CHECKPOINT_ENTRY_BYTES;
        put_u64(out + CHECKPOINT_ID, checkpoint->id);
        put_u64(out + CHECKPOINT_INCARNATION, checkpoint->incarnation);
        put_u64(out + CHECKPOINT_BYTES, checkpoint->bytes);
    }
    put_u32(data + AT_CHECKSUM, manifest_checksum(data, len));
    *ret = data;
    *ret_len = len;
    return KVS_OK;
}

static bool entry_is_possible(const struct manifest_entry *entry,
                              const struct manifest_entry *before, const struct manifest *manifest)
{
    if (entry->id >= manifest->next_id || (before != NULL && entry->id <= before->id))
        return false;
    if (entry->slot >= SLOT_COUNT || entry->capacity < SEGMENT_HEADER_BYTES + GROUP_HEADER_BYTES ||
        entry->capacity > SEGMENT_BYTES_MAX || entry->capacity % RECORD_ALIGN != 0)
        return false;
    if (entry->proven > entry->capacity || entry->proven % RECORD_ALIGN != 0)
        return false;
    if (entry->flags & MANIFEST_SIDE)
        return true;
    return entry->base <= manifest->next_base &&
           manifest->next_base - entry->base >= entry->capacity;
}

static bool length_is_right(const uint8_t *data, size_t len, uint32_t version)
{
    size_t head = version == 1 ? HEAD_BYTES_1 : HEAD_BYTES;
    uint32_t checkpoints = version == 1 ? 0 : get_u32(data + AT_CHECKPOINTS);
    return checkpoints <= MANIFEST_CHECKPOINTS_MAX &&
           len == head + (uint64_t)get_u32(data + AT_COUNT) * ENTRY_BYTES +
                      (uint64_t)checkpoints * CHECKPOINT_ENTRY_BYTES;
}

static enum kvs_status decode_checkpoints(const uint8_t *in, const char *name,
                                          struct manifest *manifest)
{
    uint32_t count = manifest->checkpoint_count;
    manifest->checkpoints = calloc(count == 0 ? 1 : count, sizeof *manifest->checkpoints);
    if (manifest->checkpoints == NULL)
        return fail(KVS_NO_MEMORY, 0, "manifest of %" PRIu32 " checkpoints", count);
    for (uint32_t i = 0; i < count; i++, in += CHECKPOINT_ENTRY_BYTES) {
        struct manifest_checkpoint *checkpoint = &manifest->checkpoints[i];
        checkpoint->id = get_u64(in + CHECKPOINT_ID);
        checkpoint->incarnation = get_u64(in + CHECKPOINT_INCARNATION);
        checkpoint->bytes = get_u64(in + CHECKPOINT_BYTES);
        if (checkpoint->id >= manifest->next_id ||
            (i > 0 && checkpoint->id <= checkpoint[-1].id))
            return fail(KVS_CORRUPT, 0, "%s is damaged: checkpoint %" PRIu32 " is impossible", name,
                        i);
    }
    return KVS_OK;
}

enum kvs_status manifest_decode(const uint8_t *data, size_t len, const char *name,
                                struct manifest *ret)
{
    if (len < AT_CHECKSUM + 4 ||
        memcmp(data + AT_MAGIC, manifest_magic, sizeof manifest_magic) != 0)
        return fail(KVS_WRONG_FORMAT, 0, "%s is not a manifest of kvs", name);
    uint32_t version = get_u32(data + AT_VERSION);
    if (version > FORMAT_VERSION)
        return fail(KVS_WRONG_FORMAT, 0,
                    "%s has format version %" PRIu32 ", this kvs knows versions up to %d", name,
                    version, FORMAT_VERSION);
    size_t head = version == 1 ? HEAD_BYTES_1 : HEAD_BYTES;
    if (version == 0 || len < head || !length_is_right(data, len, version) ||
        get_u32(data + AT_CHECKSUM) != manifest_checksum(data, len))
        return fail(KVS_CORRUPT, 0, "%s is damaged: its checksum or length is wrong", name);

    struct manifest manifest = {
        .next_id = get_u64(data + AT_NEXT_ID),
        .next_base = get_u64(data + AT_NEXT_BASE),
        .durable = get_u64(data + AT_DURABLE),
        .time_ms = (int64_t)get_u64(data + AT_TIME),
        .session = get_u32(data + AT_SESSION),
        .count = get_u32(data + AT_COUNT),
        .checkpoint_count = version == 1 ? 0 : get_u32(data + AT_CHECKPOINTS),
    };
    memcpy(manifest.store_id, data + AT_STORE_ID, STORE_ID_BYTES);
    manifest.entries = calloc(manifest.count == 0 ? 1 : manifest.count, sizeof *manifest.entries);
    if (manifest.entries == NULL)
        return fail(KVS_NO_MEMORY, 0, "manifest of %" PRIu32 " segments", manifest.count);
    for (uint32_t i = 0; i < manifest.count; i++) {
        const uint8_t *in = data + head + (size_t)i * ENTRY_BYTES;
        struct manifest_entry *entry = &manifest.entries[i];
        *entry = (struct manifest_entry){
            .id = get_u64(in + ENTRY_ID),
            .incarnation = get_u64(in + ENTRY_INCARNATION),
            .base = get_u64(in + ENTRY_BASE),
            .proven = get_u64(in + ENTRY_PROVEN),
            .capacity = get_u32(in + ENTRY_CAPACITY),
            .slot = get_u32(in + ENTRY_SLOT),
            .start_chain = get_u32(in + ENTRY_START_CHAIN),
            .flags = get_u32(in + ENTRY_FLAGS),
        };
        if (!entry_is_possible(entry, i == 0 ? NULL : entry - 1, &manifest)) {
            manifest_done(&manifest);
            return fail(KVS_CORRUPT, 0, "%s is damaged: entry %" PRIu32 " is impossible", name, i);
        }
    }
    enum kvs_status status =
        decode_checkpoints(data + head + (size_t)manifest.count * ENTRY_BYTES, name, &manifest);
    if (status != KVS_OK) {
        manifest_done(&manifest);
        return status;
    }
    *ret = manifest;
    return KVS_OK;
}

enum kvs_status manifest_read(struct io *io, const char *dir, struct manifest *ret)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", dir, MANIFEST_NAME) < 0)
        return fail(KVS_NO_MEMORY, 0, "path of the manifest");
    char *data = NULL;
    size_t len = 0;
    enum kvs_status status = io_read_file(io, path, manifest_bytes_max, &data, &len);
    if (status == KVS_OK)
        status = manifest_decode((const uint8_t *)data, len, path, ret);
    free(data);
    free(path);
    return status;
}

enum kvs_status manifest_write(struct io *io, const char *dir, const struct manifest *manifest)
{
    uint8_t *data = NULL;
    size_t len = 0;
    enum kvs_status status = manifest_encode(manifest, &data, &len);
    if (status == KVS_OK)
        status = io_replace_file(io, dir, MANIFEST_NAME, data, len);
    free(data);
    return status;
}
