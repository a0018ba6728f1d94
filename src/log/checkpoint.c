/*
 * checkpoint.c - files of checkpoints, see checkpoint.h.
 *
 * Order on disk, as for segments: a file is written whole and synced, then the directory, and only then a manifest names it. So
 * one that is named is whole; one that is not is a leftover, and removed by the next opening. When replacing the manifest fails
 * nobody knows which one is there: then the new file and those before it all stay.
 */
#include "log/checkpoint.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/crc.h"
#include "base/hash.h"
#include "log/state.h"

static const uint8_t checkpoint_magic[8] = { 'K', 'V', 'S', 'C', 'K', 'P', '\r', '\n' };

enum {
    AT_MAGIC = 0,
    AT_VERSION = 8,
    AT_CHECKSUM = 12, /* CRC of the other bytes of the header */
    AT_STORE_ID = 16,
    AT_ID = 32,
    AT_INCARNATION = 40,
    AT_USED = 48, /* the rest is zeros */
    WRITE_PIECE = 1024 * 1024,
};

static_assert((int)AT_USED <= (int)CHECKPOINT_HEADER_BYTES, "header of a checkpoint");

/* ---- Names and headers ---- */

struct checkpoint_name checkpoint_name(uint64_t id)
{
    struct checkpoint_name name;
    (void)snprintf(name.text, sizeof name.text, "%08" PRIx64 ".ckp", id);
    return name;
}

bool checkpoint_parse_name(const char *name, uint64_t *ret_id)
{
    size_t len = strlen(name);
    char segment[32];
    if (len < 12 || len >= sizeof segment || strcmp(name + len - 4, ".ckp") != 0)
        return false;
    memcpy(segment, name, len + 1);
    memcpy(segment + len - 3, "seg", 3);
    return segment_parse_name(segment, ret_id);
}

static uint32_t header_checksum(const uint8_t in[CHECKPOINT_HEADER_BYTES])
{
    uint32_t crc = crc32c(0, in, AT_CHECKSUM);
    return crc32c(crc, in + AT_CHECKSUM + 4, CHECKPOINT_HEADER_BYTES - AT_CHECKSUM - 4);
}

static void header_encode(const struct log *log, uint64_t id, uint64_t incarnation,
                          uint8_t out[CHECKPOINT_HEADER_BYTES])
{
    memset(out, 0, CHECKPOINT_HEADER_BYTES);
    memcpy(out + AT_MAGIC, checkpoint_magic, sizeof checkpoint_magic);
    put_u32(out + AT_VERSION, FORMAT_VERSION);
    memcpy(out + AT_STORE_ID, log->store_id, STORE_ID_BYTES);
    put_u64(out + AT_ID, id);
    put_u64(out + AT_INCARNATION, incarnation);
    put_u32(out + AT_CHECKSUM, header_checksum(out));
}

static enum kvs_status header_check(const struct log *log, const char *path, uint64_t id,
                                    const uint8_t in[CHECKPOINT_HEADER_BYTES])
{
    if (memcmp(in + AT_MAGIC, checkpoint_magic, sizeof checkpoint_magic) != 0)
        return fail(KVS_CORRUPT, 0, "%s is not a checkpoint of kvs", path);
    uint32_t version = get_u32(in + AT_VERSION);
    if (version > FORMAT_VERSION)
        return fail(KVS_WRONG_FORMAT, 0,
                    "%s has format version %" PRIu32 ", this kvs knows versions up to %d", path,
                    version, FORMAT_VERSION);
    if (version == 0 || get_u32(in + AT_CHECKSUM) != header_checksum(in))
        return fail(KVS_CORRUPT, 0, "%s: damaged header at offset 0", path);
    if (memcmp(in + AT_STORE_ID, log->store_id, STORE_ID_BYTES) != 0)
        return fail(KVS_WRONG_FORMAT, 0, "%s belongs to another store", path);
    if (get_u64(in + AT_ID) != id)
        return fail(KVS_CORRUPT, 0, "%s is a copy of another checkpoint", path);
    return KVS_OK;
}

enum kvs_status checkpoint_check_leftover(struct log *log, const char *path, uint64_t id)
{
    struct io_file *file = NULL;
    uint8_t bytes[CHECKPOINT_HEADER_BYTES] = { 0 };
    size_t got = 0;
    enum kvs_status status = io_open(log->io, path, IO_READ, &file);
    if (status == KVS_OK)
        status = file->ops->read(file, 0, bytes, sizeof bytes, false, &got);
    io_close(file);
    if (status != KVS_OK)
        return status;
    /* What a crash left of the first write: a beginning of the header, then nothing or zeros. */
    uint8_t whole[CHECKPOINT_HEADER_BYTES];
    header_encode(log, id, get_u64(bytes + AT_INCARNATION), whole);
    size_t same = 0;
    while (same < sizeof whole &&
           (bytes[same] == whole[same] || (same >= AT_CHECKSUM && same < AT_STORE_ID)))
        same++;
    size_t zeros = same;
    while (zeros < sizeof whole && bytes[zeros] == 0)
        zeros++;
    if (same > 0 && zeros == sizeof whole)
        return KVS_OK;
    if (same == 0 && zeros == sizeof whole && id < log->manifest_next_id + 256)
        return KVS_OK;
    status = header_check(log, path, id, bytes);
    return status == KVS_CORRUPT
               ? fail(KVS_WRONG_FORMAT, 0,
                      "%s is named like a checkpoint and is none of this store; move it away", path)
               : status;
}

/* ---- Writing ---- */

struct checkpoint_writer {
    struct log *log;
    struct checkpoint_file file;
    char *path;
    struct buf buf;
    uint64_t written;
    enum kvs_status failed;
    char fail_text[FAIL_TEXT_BYTES];
};

void log_take_mark(struct log *log, struct log_mark *ret)
{
    mutex_lock(&log->manifest_mu);
    mutex_lock(&log->append_mu);
    *ret = (struct log_mark){ .base = log->next_base,
                              .off = SEGMENT_HEADER_BYTES,
                              .chain = log->chain,
                              .version = log_last_version(log),
                              .id = log->next_id };
    const struct segment *spares[] = { log->next, log->spare[0] };
    for (size_t i = 0; i < sizeof spares / sizeof *spares; i++) {
        if (spares[i] != NULL && spares[i]->header.base < ret->base)
            ret->base = spares[i]->header.base;
    }
    if (log->active != NULL && !segment_is_sealed(log->active)) {
        ret->base = log->active->header.base;
        ret->off = log->group_off;
    } else if (log->resume != NULL) {
        ret->base = log->resume->header.base;
        ret->off = extent_get(&log->resume->end);
    }
    mutex_unlock(&log->append_mu);
    mutex_unlock(&log->manifest_mu);
}

static void note_failure(struct checkpoint_writer *writer, enum kvs_status status)
{
    if (writer->failed != KVS_OK || status == KVS_OK)
        return;
    writer->failed = status;
    fail_save(writer->fail_text);
}

static void flush(struct checkpoint_writer *writer)
{
    if (writer->failed == KVS_OK && writer->buf.len > 0) {
        struct io_file *file = writer->file.file;
        note_failure(writer,
                     file->ops->write(file, writer->written, writer->buf.data, writer->buf.len));
    }
    writer->written += writer->buf.len;
    buf_truncate(&writer->buf, 0);
}

enum kvs_status checkpoint_begin(struct log *log, struct checkpoint_writer **ret)
{
    enum kvs_status status = log_failure(log);
    if (status != KVS_OK)
        return status;
    if (log->read_only)
        return fail(KVS_READ_ONLY, 0, "%s was opened for reading only", log->dir);
    struct checkpoint_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "checkpoint");
    writer->log = log;
    buf_init(&writer->buf, 2 * WRITE_PIECE);
    mutex_lock(&log->manifest_mu);
    writer->file.id = log->next_id++;
    writer->file.incarnation = hash_u64(writer->file.id ^ random_u64(&log->random));
    mutex_unlock(&log->manifest_mu);
    writer->file.seed = segment_seed(log->store_id, writer->file.incarnation);
    writer->path = log_path(log, checkpoint_name(writer->file.id).text);
    if (writer->path == NULL || writer->file.id >> CHECKPOINT_ID_BITS != 0) {
        checkpoint_abort(writer);
        return fail(KVS_NO_MEMORY, ENOMEM, "name of a checkpoint");
    }
    status = io_open(log->io, writer->path, IO_CREATE, &writer->file.file);
    if (status != KVS_OK) {
        checkpoint_abort(writer);
        return status;
    }
    uint8_t header[CHECKPOINT_HEADER_BYTES];
    header_encode(log, writer->file.id, writer->file.incarnation, header);
    checkpoint_put(writer, header, sizeof header);
    *ret = writer;
    return KVS_OK;
}

uint64_t checkpoint_writer_id(const struct checkpoint_writer *writer)
{
    return writer->file.id;
}

uint64_t checkpoint_writer_seed(const struct checkpoint_writer *writer)
{
    return writer->file.seed;
}

uint64_t checkpoint_writer_off(const struct checkpoint_writer *writer)
{
    return writer->written + writer->buf.len;
}

void checkpoint_put(struct checkpoint_writer *writer, const void *data, size_t len)
{
    while (len > 0) {
        size_t piece = len < WRITE_PIECE ? len : WRITE_PIECE;
        buf_append(&writer->buf, data, piece);
        if (writer->buf.failed != KVS_OK) {
            note_failure(writer, fail(KVS_NO_MEMORY, ENOMEM, "writing a checkpoint"));
            buf_truncate(&writer->buf, 0);
        }
        if (writer->buf.len >= WRITE_PIECE)
            flush(writer);
        data = (const char *)data + piece;
        len -= piece;
    }
}

static void writer_free(struct checkpoint_writer *writer)
{
    io_close(writer->file.file);
    buf_done(&writer->buf);
    free(writer->path);
    free(writer);
}

void checkpoint_abort(struct checkpoint_writer *writer)
{
    if (writer == NULL)
        return;
    char text[FAIL_TEXT_BYTES];
    fail_save(text);
    if (writer->file.file != NULL) /* a file that stays is removed by the next opening */
        (void)writer->log->io->ops->unlink(writer->log->io, writer->path);
    writer_free(writer);
    (void)fail_restore(KVS_OK, text);
}

static void unlink_file(struct log *log, uint64_t id)
{
    char *path = log_path(log, checkpoint_name(id).text);
    if (path != NULL) /* likewise */
        (void)log->io->ops->unlink(log->io, path);
    free(path);
}

/* Readers may be on their way to the file: it is closed when the log is. */
static void leave(struct log *log, struct checkpoint_file *file) REQUIRES(&log->checkpoint_mu)
{
    if (file->file == NULL)
        return;
    struct io_file **more =
        realloc(log->old_checkpoints, (log->old_checkpoint_count + 1) * sizeof *more);
    if (more == NULL)
        return; /* a file that stays open */
    log->old_checkpoints = more;
    log->old_checkpoints[log->old_checkpoint_count++] = file->file;
}

/* The manifest with @file, and without the first @gone ones. */
static enum kvs_status list(struct log *log, const struct checkpoint_file *file, size_t gone)
    REQUIRES(&log->manifest_mu)
{
    mutex_lock(&log->checkpoint_mu);
    size_t count = log->checkpoint_count;
    size_t capacity = count + 1;
    struct checkpoint_file *files = realloc(log->checkpoints, capacity * sizeof *files);
    enum kvs_status status = KVS_OK;
    if (files == NULL) {
        status = fail(KVS_NO_MEMORY, ENOMEM, "list of %zu checkpoints", capacity);
    } else {
        log->checkpoints = files;
        if (file != NULL)
            files[log->checkpoint_count++] = *file;
        log->checkpoint_first = gone;
    }
    mutex_unlock(&log->checkpoint_mu);
    if (status != KVS_OK)
        return status;
    status = segments_store(log);
    mutex_lock(&log->checkpoint_mu);
    log->checkpoint_first = 0;
    if (status != KVS_OK) {
        log->checkpoint_count = count;
    } else if (gone > 0) {
        for (size_t i = 0; i < gone; i++) {
            unlink_file(log, files[i].id);
            leave(log, &files[i]);
        }
        log->checkpoint_count -= gone;
        memmove(files, files + gone, log->checkpoint_count * sizeof *files);
    }
    mutex_unlock(&log->checkpoint_mu);
    return status;
}

enum kvs_status checkpoint_commit(struct checkpoint_writer *writer, bool alone)
{
    struct log *log = writer->log;
    flush(writer);
    if (writer->failed == KVS_OK)
        note_failure(writer, writer->file.file->ops->sync(writer->file.file));
    if (writer->failed == KVS_OK)
        note_failure(writer, log->io->ops->sync_dir(log->io, log->dir));
    if (writer->failed != KVS_OK) {
        enum kvs_status failed = writer->failed;
        char text[FAIL_TEXT_BYTES];
        memcpy(text, writer->fail_text, sizeof text);
        checkpoint_abort(writer);
        return fail_restore(failed, text);
    }
    writer->file.bytes = writer->written;
    mutex_lock(&log->manifest_mu);
    size_t before = log->checkpoint_count; /* only we change it */
    enum kvs_status status =
        !alone && before >= MANIFEST_CHECKPOINTS_MAX
            ? fail(KVS_INVALID, 0, "more than %d checkpoints", MANIFEST_CHECKPOINTS_MAX)
            : list(log, &writer->file, alone ? before : 0);
    mutex_unlock(&log->manifest_mu);
    if (status == KVS_OK) /* it may be named even so: then it stays, and the next opening decides */
        writer->file.file = NULL;
    writer_free(writer);
    return status;
}

enum kvs_status log_sides_durable(struct log *log)
{
    enum kvs_status status = log_failure(log);
    if (status != KVS_OK)
        return status;
    status = side_sync_all(log);
    return status == KVS_OK ? KVS_OK : log_fail(log, status);
}

enum kvs_status checkpoint_forget(struct log *log)
{
    enum kvs_status status = KVS_OK;
    mutex_lock(&log->manifest_mu);
    if (log->read_only || log_has_failed(log)) {
        status = log->read_only ? KVS_OK : log_failure(log);
    } else if (log->checkpoint_count > 0) {
        status = list(log, NULL, log->checkpoint_count);
    }
    mutex_unlock(&log->manifest_mu);
    return status;
}

/* ---- Reading ---- */

size_t checkpoint_count(struct log *log, uint64_t *ret_bytes)
{
    mutex_lock(&log->checkpoint_mu);
    size_t count = log->checkpoint_count;
    *ret_bytes = 0;
    for (size_t i = 0; i < count; i++)
        *ret_bytes += log->checkpoints[i].bytes;
    mutex_unlock(&log->checkpoint_mu);
    return count;
}

enum kvs_status checkpoint_newest(struct log *log, uint64_t *ret_id, uint64_t *ret_bytes)
{
    enum kvs_status status = KVS_NOT_FOUND;
    mutex_lock(&log->checkpoint_mu);
    if (log->checkpoint_count > 0) {
        const struct checkpoint_file *newest = &log->checkpoints[log->checkpoint_count - 1];
        *ret_id = newest->id;
        *ret_bytes = newest->bytes;
        status = KVS_OK;
    }
    mutex_unlock(&log->checkpoint_mu);
    return status;
}

static struct checkpoint_file *find(struct log *log, uint64_t id) REQUIRES(&log->checkpoint_mu)
{
    for (size_t i = 0; i < log->checkpoint_count; i++) {
        if (log->checkpoints[i].id == id)
            return &log->checkpoints[i];
    }
    return NULL;
}

static enum kvs_status open_file(struct log *log, struct checkpoint_file *file)
    REQUIRES(&log->checkpoint_mu)
{
    char *path = log_path(log, checkpoint_name(file->id).text);
    if (path == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "path of a checkpoint");
    uint8_t bytes[CHECKPOINT_HEADER_BYTES] = { 0 };
    uint64_t size = 0;
    struct io_file *opened = NULL;
    enum kvs_status status = io_open(log->io, path, IO_READ, &opened);
    if (status == KVS_NOT_FOUND)
        status = fail(KVS_CORRUPT, 0, "%s is missing, though the manifest names it", path);
    if (status == KVS_OK)
        status = opened->ops->size(opened, &size);
    if (status == KVS_OK && size != file->bytes)
        status = fail(KVS_CORRUPT, 0, "%s ends at offset %" PRIu64 ", not at %" PRIu64, path, size,
                      file->bytes);
    if (status == KVS_OK)
        status = io_read_exact(opened, 0, bytes, sizeof bytes);
    if (status == KVS_OK)
        status = header_check(log, path, file->id, bytes);
    if (status == KVS_OK && get_u64(bytes + AT_INCARNATION) != file->incarnation)
        status = fail(KVS_CORRUPT, 0, "%s is not the checkpoint that the manifest means", path);
    free(path);
    if (status != KVS_OK) {
        io_close(opened);
        return status;
    }
    file->seed = segment_seed(log->store_id, file->incarnation);
    file->file = opened;
    return KVS_OK;
}

enum kvs_status checkpoint_read(struct log *log, uint64_t id, uint64_t off, void *buf, size_t len)
{
    mutex_lock(&log->checkpoint_mu);
    struct checkpoint_file *file = find(log, id);
    enum kvs_status status = KVS_OK;
    if (file == NULL)
        status = fail(KVS_CORRUPT, 0, "%s/%s is referred to, but the manifest does not name it",
                      log->dir, checkpoint_name(id).text);
    else if (file->file == NULL)
        status = open_file(log, file);
    struct io_file *opened = status == KVS_OK ? file->file : NULL; /* stays open, see leave() */
    mutex_unlock(&log->checkpoint_mu);
    size_t got = 0;
    if (status == KVS_OK)
        status = opened->ops->read(opened, off, buf, len, false, &got);
    if (status == KVS_OK && got < len)
        status = fail(KVS_CORRUPT, 0, "%s/%s ends at offset %" PRIu64 ", inside of something",
                      log->dir, checkpoint_name(id).text, off + got);
    return status;
}

uint64_t checkpoint_seed(struct log *log, uint64_t id)
{
    mutex_lock(&log->checkpoint_mu);
    const struct checkpoint_file *file = find(log, id);
    uint64_t seed = file != NULL ? file->seed : 0;
    mutex_unlock(&log->checkpoint_mu);
    return seed;
}

void checkpoints_done(struct log *log)
{
    for (size_t i = 0; i < log->checkpoint_count; i++)
        io_close(log->checkpoints[i].file);
    for (size_t i = 0; i < log->old_checkpoint_count; i++)
        io_close(log->old_checkpoints[i]);
    free(log->checkpoints);
    free(log->old_checkpoints);
}

/* ---- The account of segments ---- */

void log_restore_account(struct log *log, const struct log_segment_account *account)
{
    for (size_t i = 0; i < log->segment_count; i++) {
        struct segment *segment = log->segments[i];
        if (segment->header.id != account->id)
            continue;
        /* relaxed: nobody else is here yet */
        atomic_store_explicit(&segment->live, account->live_units, memory_order_relaxed);
        atomic_store_explicit(&segment->idle, account->idle_units, memory_order_relaxed);
        atomic_store_explicit(&segment->expiring, account->expiring_units, memory_order_relaxed);
        atomic_store_explicit(&segment->gross_units, account->gross_units, memory_order_relaxed);
        atomic_store_explicit(&segment->gross_bytes, account->gross_bytes, memory_order_relaxed);
        atomic_store_explicit(&segment->expire_max_ms, account->expire_max_ms,
                              memory_order_relaxed);
        atomic_store_explicit(&segment->stale_version, account->stale_version,
                              memory_order_relaxed);
        segment_note_versions(segment, account->min_version, account->max_version);
    }
}

void log_distrust(struct log *log, uint64_t id)
{
    for (size_t i = 0; i < log->segment_count; i++) {
        struct segment *segment = log->segments[i];
        if (segment->header.id == id) /* relaxed: opening */
            atomic_store_explicit(&segment->stale_version, 0, memory_order_relaxed);
    }
}

static const struct segment *segment_at(struct log *log, uint64_t locator)
{
    /* acquire: pairs with: segment_new */
    return atomic_load_explicit(&log->slots[locator_slot(locator)].segment, memory_order_acquire);
}

bool log_holds(struct log *log, uint64_t locator)
{
    const struct segment *segment = segment_at(log, locator);
    return segment != NULL && locator_off(locator) < extent_get(&segment->end);
}

uint64_t log_least_version(struct log *log, uint64_t locator)
{
    const struct segment *segment = segment_at(log, locator);
    /* relaxed: it only gets smaller */
    return segment == NULL ? 0
                           : atomic_load_explicit(&segment->min_version, memory_order_relaxed);
}

uint64_t log_grown_bytes(struct log *log)
{
    /* relaxed: figures */
    return atomic_load_explicit(&log->stat_written_bytes, memory_order_relaxed) +
           atomic_load_explicit(&log->unwritten_bytes, memory_order_relaxed) +
           atomic_load_explicit(&log->stat_side_bytes, memory_order_relaxed);
}
