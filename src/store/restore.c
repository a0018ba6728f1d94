/*
 * restore.c - kvs_restore(): a store out of a backup.
 *
 * The engine's own files are copied, and compared with the checksums of the list on the way; records go into a new engine. Then the engine
 * opens what there is, once, so that a backup that cannot be opened does not end as a store that cannot.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "io/copy.h"
#include "store/backup.h"
#include "store/loader.h"
#include "store/open.h"
#include "store/records.h"
#include "store/registry.h"

struct restore {
    struct io *io;
    const char *from;
    const char *to;
    const struct kvs_engine_ops *ops;
    struct kvs_engine_config config; /* of the store that becomes */
    struct backup_list list;
    struct backup_amount amount;
};

static enum kvs_status copy_file(struct restore *restore, const struct backup_file *file)
{
    char *from = directory_path(restore->from, file->name);
    char *to = directory_path(restore->to, file->name);
    uint64_t bytes = 0;
    uint32_t crc = 0;
    enum kvs_status status = from != NULL && to != NULL ? KVS_OK : KVS_NO_MEMORY;
    if (status == KVS_OK)
        status = io_copy_file(restore->io, from, to, UINT64_MAX, backup_note, &restore->amount,
                              &bytes, &crc);
    if (status == KVS_NOT_FOUND)
        status = fail(KVS_CORRUPT, 0, "%s is missing, though %s/%s names it", from, restore->from,
                      DIRECTORY_BACKUP);
    else if (status == KVS_OK && (bytes != file->bytes || crc != file->crc))
        status = fail(KVS_CORRUPT, 0, "%s is damaged: it is not what %s/%s says of it", from,
                      restore->from, DIRECTORY_BACKUP);
    free(from);
    free(to);
    return status;
}

static enum kvs_status copy_files(struct restore *restore)
{
    restore->amount.what = "copying";
    for (size_t i = 0; i < restore->list.count; i++)
        restore->amount.total += restore->list.files[i].bytes;
    enum kvs_status status = KVS_OK;
    for (size_t i = 0; i < restore->list.count && status == KVS_OK; i++)
        status = copy_file(restore, &restore->list.files[i]);
    if (status == KVS_OK)
        status = restore->io->ops->sync_dir(restore->io, restore->to);
    return status;
}

static enum kvs_status read_value(void *ctx, uint64_t off, void *buf, size_t len)
{
    (void)off; /* front to back */
    return records_read_value(ctx, buf, len);
}

static enum kvs_status load_all(struct restore *restore, struct records_reader *reader,
                                struct loader *loader)
{
    restore->amount.what = "loading";
    restore->amount.total = records_total(reader);
    enum kvs_status status = KVS_OK;
    while (status == KVS_OK) {
        struct kvs_entry entry;
        status = records_next(reader, &entry);
        if (status == KVS_OK)
            status = loader_put(loader, &entry, read_value, reader);
        if (status == KVS_OK)
            status = backup_note_at(&restore->amount, records_done(reader));
    }
    return status == KVS_NOT_FOUND ? loader_finish(loader) : status;
}

static enum kvs_status load_records(struct restore *restore, struct kvs_engine *engine)
{
    struct records_reader *reader = NULL;
    struct loader *loader = NULL;
    char *path = directory_path(restore->from, RECORDS_NAME);
    enum kvs_status status =
        path != NULL ? records_reader_new(restore->io, path, &reader) : KVS_NO_MEMORY;
    if (status == KVS_OK)
        status = loader_new(engine, &loader);
    if (status == KVS_OK)
        status = load_all(restore, reader, loader);
    loader_free(loader);
    records_reader_free(reader);
    free(path);
    return status;
}

/* Keeps the first failure, with its detail, over that of closing. */
static enum kvs_status close_engine(const struct kvs_engine_ops *ops, struct kvs_engine *engine,
                                    enum kvs_status status)
{
    char why[FAIL_TEXT_BYTES];
    fail_save(why);
    enum kvs_status closed = ops->close(engine);
    if (status != KVS_OK)
        return fail_restore(status, why);
    return closed;
}

static enum kvs_status fill(struct restore *restore)
{
    struct kvs_engine *engine;
    enum kvs_status status = restore->list.records ? KVS_OK : copy_files(restore);
    if (status == KVS_OK)
        status = restore->ops->open(&restore->config, &engine);
    if (status != KVS_OK)
        return status;
    if (restore->list.records)
        status = load_records(restore, engine);
    return close_engine(restore->ops, engine, status);
}

static enum kvs_status choose_engine(struct restore *restore, const struct kvs_options *options)
{
    const char *name = options->engine != NULL ? options->engine : restore->list.engine;
    enum kvs_status status = registry_find(name, &restore->ops);
    if (status != KVS_OK)
        return status;
    if (!restore->list.records && strcmp(name, restore->list.engine) != 0)
        return fail(
            KVS_WRONG_ENGINE, 0,
            "%s holds files of engine %s, which no other can read; a backup made as records "
            "can be restored into any",
            restore->from, restore->list.engine);
    if (!restore->ops->capabilities.persistent)
        return fail(KVS_UNSUPPORTED, 0, "engine %s keeps nothing: there is nothing to restore into",
                    name);
    return KVS_OK;
}

enum kvs_status kvs_restore(const char *backup, const char *dir, const struct kvs_options *options)
{
    if (options == NULL)
        options = &open_options_default;
    enum kvs_status status = open_check_options(dir, options);
    if (status == KVS_OK && (backup == NULL || backup[0] == '\0'))
        status = fail(KVS_INVALID, 0, "the backup's directory has no name");
    if (status != KVS_OK)
        return status;
    struct kvs_env env = open_env(options->env);
    struct restore restore = { .io = env.io,
                               .from = backup,
                               .to = dir,
                               .amount = { .fn = options->amount, .ctx = options->amount_ctx } };
    status = backup_list_read(env.io, backup, &restore.list);
    if (status == KVS_NOT_FOUND)
        return fail(KVS_WRONG_FORMAT, 0,
                    "%s is no backup, or an unfinished one: there is no file %s in it", backup,
                    DIRECTORY_BACKUP);
    if (status != KVS_OK)
        return status;
    struct io_file *lock = NULL;
    status = choose_engine(&restore, options);
    if (status == KVS_OK)
        status = directory_begin(env.io, dir, &lock);
    if (status == KVS_OK) {
        restore.config = open_config(dir, &env, options);
        restore.config.read_only = false;
        status = fill(&restore);
        if (status == KVS_OK)
            status = directory_finish(env.io, dir, restore.ops->name);
        if (status != KVS_OK)
            directory_clear(env.io, dir);
        io_close(lock);
    }
    backup_list_done(&restore.list);
    return status;
}
