/*
 * backup.c - kvs_backup(): one version of the store into another directory, verified; and checking such a directory.
 *
 * The engine's own files where it can give them, else a file of records made from a snapshot. Then every file is read back and
 * verified, and only then the file BACKUP lists them: a directory without it is no backup.
 */
#include "store/backup.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "io/copy.h"
#include "store/open.h"
#include "store/records.h"
#include "store/registry.h"
#include "store/store.h"

enum {
    PIECE_BYTES = 256 * 1024
};

/* ---- Progress ---- */

bool backup_note(void *ctx, uint64_t bytes)
{
    struct backup_amount *amount = ctx;
    amount->done += bytes;
    return amount->fn == NULL || amount->fn(amount->ctx, amount->what, amount->done, amount->total);
}

enum kvs_status backup_note_at(struct backup_amount *amount, uint64_t done)
{
    return backup_note(amount, done - amount->done) ? KVS_OK
                                                    : fail(KVS_CLOSED, 0, "stopped on demand");
}

/* ---- A file of records ---- */

static enum kvs_status put_large(struct store *store, const struct kvs_snapshot *snapshot,
                                 const struct kvs_entry *entry, struct records_writer *writer,
                                 unsigned char *piece)
{
    const struct kvs_engine_ops *ops = store->ops;
    struct kvs_read read = { .snapshot = snapshot };
    struct kvs_entry whole;
    uint64_t position;
    struct kvs_reader *reader;
    enum kvs_status status =
        ops->reader_open(store->engine, &read, entry->key, &whole, &position, &reader);
    if (status == KVS_NOT_FOUND)
        return fail(KVS_CORRUPT, 0, "a key of the snapshot has no value in it");
    if (status != KVS_OK)
        return status;
    for (uint64_t off = 0; off < entry->value_bytes && status == KVS_OK;) {
        uint64_t left = entry->value_bytes - off;
        size_t len = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
        status = ops->reader_read(reader, false, off, piece, len);
        if (status == KVS_OK)
            status = records_put_bytes(writer, piece, len);
        off += len;
    }
    ops->reader_close(reader);
    return status;
}

static enum kvs_status put_all(struct store *store, const struct kvs_snapshot *snapshot,
                               struct records_writer *writer, struct backup_amount *amount)
{
    const struct kvs_engine_ops *ops = store->ops;
    struct kvs_read read = { .snapshot = snapshot };
    struct kvs_range all = { .has_end = false };
    struct kvs_iterator *iterator;
    unsigned char *piece = malloc(PIECE_BYTES);
    if (piece == NULL)
        return fail(KVS_NO_MEMORY, 0, "buffer of %d bytes", PIECE_BYTES);
    enum kvs_status status = ops->iterator_open(store->engine, &read, &all, false, &iterator);
    if (status != KVS_OK) {
        free(piece);
        return status;
    }
    uint64_t bytes = 0;
    while (status == KVS_OK) {
        struct kvs_entry entry;
        status = ops->iterator_next(iterator, false, &entry);
        if (status != KVS_OK)
            break;
        status = records_put(writer, &entry);
        bytes += entry.key.len + entry.value_bytes;
        if (status == KVS_OK && entry.value_bytes > KVS_INLINE_MAX)
            status = put_large(store, snapshot, &entry, writer, piece);
        else if (status == KVS_OK)
            status = records_put_bytes(writer, entry.value.data, entry.value.len);
        if (status == KVS_OK)
            status = backup_note_at(amount, bytes);
    }
    uint64_t position = ops->iterator_position(iterator);
    ops->iterator_close(iterator);
    free(piece);
    if (status == KVS_NOT_FOUND) /* the end. Nothing leaves that a power cut could take back. */
        status = ops->wait_durable(store->engine, position);
    return status;
}

static enum kvs_status write_records(struct store *store, const char *dir,
                                     struct backup_amount *amount, uint64_t *ret_position)
{
    const struct kvs_engine_ops *ops = store->ops;
    if (!ops->capabilities.snapshots)
        return fail(KVS_UNSUPPORTED, 0, "engine %s cannot show one version while others write",
                    ops->name);
    struct io *io = store->env.io;
    struct records_writer *writer = NULL;
    struct kvs_snapshot *snapshot = NULL;
    char *path = directory_path(dir, RECORDS_NAME);
    if (path == NULL)
        return KVS_NO_MEMORY;
    enum kvs_status status = ops->snapshot_open(store->engine, "backup", &snapshot);
    if (status == KVS_OK) {
        *ret_position = ops->snapshot_version(snapshot);
        status =
            records_writer_new(io, path, *ret_position, clock_wall_ms(store->env.clock), &writer);
    }
    if (status == KVS_OK)
        status = put_all(store, snapshot, writer, amount);
    if (status == KVS_OK)
        status = records_writer_finish(writer);
    if (status == KVS_OK)
        status = io->ops->sync_dir(io, dir);
    records_writer_free(writer);
    if (snapshot != NULL)
        ops->snapshot_close(store->engine, snapshot);
    free(path);
    return status;
}

/* ---- Verifying ---- */

enum kvs_status backup_check_records(struct io *io, const char *dir, struct backup_amount *amount)
{
    char *path = directory_path(dir, RECORDS_NAME);
    if (path == NULL)
        return KVS_NO_MEMORY;
    struct records_reader *reader = NULL;
    enum kvs_status status = records_reader_new(io, path, &reader);
    if (status == KVS_OK) {
        amount->done = 0;
        amount->total = records_total(reader);
    }
    while (status == KVS_OK) {
        struct kvs_entry entry;
        status = records_next(reader, &entry);
        if (status == KVS_OK)
            status = backup_note_at(amount, records_done(reader));
    }
    records_reader_free(reader);
    free(path);
    return status == KVS_NOT_FOUND ? KVS_OK : status;
}

/* Sizes of all files, for the progress. */
static enum kvs_status sum_sizes(struct io *io, const char *dir,
                                 const struct directory_names *names, uint64_t *ret)
{
    uint64_t total = 0;
    for (size_t i = 0; i < names->count; i++) {
        char *path = directory_path(dir, names->names[i]);
        if (path == NULL)
            return KVS_NO_MEMORY;
        struct io_file *file;
        uint64_t bytes = 0;
        enum kvs_status status = io_open(io, path, IO_READ, &file);
        free(path);
        if (status != KVS_OK)
            return status;
        status = file->ops->size(file, &bytes);
        io_close(file);
        if (status != KVS_OK)
            return status;
        total += bytes;
    }
    *ret = total;
    return KVS_OK;
}

static enum kvs_status read_through(struct io *io, const char *dir, const char *name,
                                    struct backup_amount *amount, uint64_t *ret_bytes,
                                    uint32_t *ret_crc)
{
    char *path = directory_path(dir, name);
    if (path == NULL)
        return KVS_NO_MEMORY;
    struct io_file *file;
    enum kvs_status status = io_open(io, path, IO_READ, &file);
    if (status == KVS_OK) {
        status = io_copy(file, NULL, UINT64_MAX, backup_note, amount, ret_bytes, ret_crc);
        io_close(file);
    }
    free(path);
    return status;
}

/* Lists what is in @dir, with checksums of what can be read back there. */
static enum kvs_status list_files(struct io *io, const char *dir, struct backup_amount *amount,
                                  struct backup_list *list)
{
    struct directory_names names;
    enum kvs_status status = directory_list(io, dir, &names);
    if (status != KVS_OK)
        return status;
    amount->done = 0;
    status = sum_sizes(io, dir, &names, &amount->total);
    for (size_t i = 0; i < names.count && status == KVS_OK; i++) {
        uint64_t bytes = 0;
        uint32_t crc = 0;
        status = read_through(io, dir, names.names[i], amount, &bytes, &crc);
        if (status == KVS_OK)
            status = backup_list_add(list, names.names[i], bytes, crc);
    }
    directory_names_done(&names);
    return status;
}

/* What must be true of a backup before it may call itself one. */
static enum kvs_status verify(struct store *store, const char *dir, bool records,
                              struct backup_amount *amount)
{
    if (records)
        return backup_check_records(store->env.io, dir, amount);
    if (store->ops->check == NULL)
        return KVS_OK;
    struct kvs_options options = { .amount = amount->fn, .amount_ctx = amount->ctx };
    struct kvs_engine_config config = open_config(dir, &store->env, &options);
    config.read_only = true;
    config.no_background = true;
    return store->ops->check(&config, NULL, NULL);
}

enum kvs_status kvs_backup(struct kvs *db, const char *dir,
                           const struct kvs_backup_options *options, uint64_t *ret_position)
{
    static const struct kvs_backup_options defaults;
    struct store *store = db->store;
    struct io *io = store->env.io;
    if (options == NULL)
        options = &defaults;
    if (dir == NULL || dir[0] == '\0')
        return fail(KVS_INVALID, 0, "the backup's directory has no name");
    enum kvs_status status = directory_make_empty(io, dir);
    if (status != KVS_OK)
        return status;
    struct backup_amount amount = { .fn = options->amount, .ctx = options->amount_ctx };
    struct backup_list list = { .records = options->records || store->ops->backup == NULL,
                                .time_ms = clock_wall_ms(store->env.clock) };
    (void)snprintf(list.engine, sizeof list.engine, "%s", store->ops->name);
    amount.what = "copying";
    status = list.records ? write_records(store, dir, &amount, &list.position)
                          : store->ops->backup(store->engine, dir, options->copy, options->amount,
                                               options->amount_ctx, &list.position);
    amount.what = "verifying";
    if (status == KVS_OK)
        status = verify(store, dir, list.records, &amount);
    amount.what = "summing up";
    if (status == KVS_OK)
        status = list_files(io, dir, &amount, &list);
    if (status == KVS_OK)
        status = backup_list_write(io, dir, &list);
    if (status != KVS_OK)
        directory_clear(io, dir);
    else if (ret_position != NULL)
        *ret_position = list.position;
    backup_list_done(&list);
    return status;
}

/* ---- Checking one ---- */

struct checking {
    kvs_report_fn *report;
    void *ctx;
    uint64_t damages;
};

__attribute__((format(printf, 3, 4))) static void say(struct checking *checking, bool ok,
                                                      const char *format, ...)
{
    char text[FAIL_TEXT_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    checking->damages += !ok;
    if (checking->report != NULL)
        checking->report(checking->ctx, ok, text);
}

static enum kvs_status check_file(struct io *io, const char *dir, const struct backup_file *file,
                                  struct backup_amount *amount, struct checking *checking)
{
    uint64_t bytes = 0;
    uint32_t crc = 0;
    enum kvs_status status = read_through(io, dir, file->name, amount, &bytes, &crc);
    if (status == KVS_CLOSED || status == KVS_NO_MEMORY)
        return status;
    if (status != KVS_OK)
        say(checking, false, "%s", fail_text());
    else if (bytes != file->bytes)
        say(checking, false, "%s has %" PRIu64 " bytes, not %" PRIu64, file->name, bytes,
            file->bytes);
    else if (crc != file->crc)
        say(checking, false, "%s is damaged: its checksum is %08" PRIx32 ", not %08" PRIx32,
            file->name, crc, file->crc);
    else
        say(checking, true, "%s: %" PRIu64 " bytes", file->name, bytes);
    return KVS_OK;
}

static enum kvs_status check_content(const char *dir, const struct backup_list *list,
                                     struct kvs_engine_config *config, struct checking *checking)
{
    struct backup_amount amount = { .fn = config->amount, .ctx = config->amount_ctx };
    enum kvs_status status = KVS_OK;
    const struct kvs_engine_ops *ops;
    amount.what = "checking records";
    if (list->records) {
        status = backup_check_records(config->env->io, dir, &amount);
        if (status == KVS_CORRUPT || status == KVS_WRONG_FORMAT) {
            say(checking, false, "%s", fail_text());
            status = KVS_OK;
        }
    } else if (registry_find(list->engine, &ops) == KVS_OK && ops->check != NULL) {
        status = ops->check(config, checking->report, checking->ctx);
        if (status == KVS_CORRUPT) {
            checking->damages++;
            status = KVS_OK;
        }
    }
    return status;
}

enum kvs_status backup_check(const char *dir, struct kvs_engine_config *config,
                             kvs_report_fn *report, void *ctx)
{
    struct io *io = config->env->io;
    struct checking checking = { .report = report, .ctx = ctx };
    struct backup_list list;
    enum kvs_status status = backup_list_read(io, dir, &list);
    if (status != KVS_OK)
        return status;
    say(&checking, true, "%s: backup of engine %s, %zu files, position %" PRIu64, DIRECTORY_BACKUP,
        list.engine, list.count, list.position);
    struct backup_amount amount = { .fn = config->amount,
                                    .ctx = config->amount_ctx,
                                    .what = "checking files" };
    for (size_t i = 0; i < list.count; i++)
        amount.total += list.files[i].bytes;
    for (size_t i = 0; i < list.count && status == KVS_OK; i++)
        status = check_file(io, dir, &list.files[i], &amount, &checking);
    if (status == KVS_OK)
        status = check_content(dir, &list, config, &checking);
    backup_list_done(&list);
    if (status == KVS_OK && checking.damages > 0)
        status = fail(KVS_CORRUPT, 0, "%s: %" PRIu64 " damaged places", dir, checking.damages);
    return status;
}
