/*
 * repair.c - kvs_repair(): what is intact in a directory, however damaged, into a new store. The old one is only read.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/fail.h"
#include "store/directory.h"
#include "store/loader.h"
#include "store/offline.h"
#include "store/open.h"

struct repair {
    const struct offline *source;
    struct loader *loader;
    kvs_report_fn *report;
    void *ctx;
    uint64_t losses;
};

static void note(void *ctx, bool ok, const char *text)
{
    struct repair *repair = ctx;
    repair->losses += !ok;
    if (repair->report != NULL)
        repair->report(repair->ctx, ok, text);
}

static enum kvs_status put(void *ctx, const struct kvs_entry *entry, kvs_salvage_read_fn *read,
                           void *read_ctx)
{
    struct repair *repair = ctx;
    return loader_put(repair->loader, entry, read, read_ctx);
}

/* ---- Engines that can only be opened: from both ends as far as it goes ---- */

struct value {
    const struct kvs_engine_ops *ops;
    struct kvs_reader *reader;
};

static enum kvs_status read_value(void *ctx, uint64_t off, void *buf, size_t len)
{
    const struct value *value = ctx;
    return value->ops->reader_read(value->reader, false, off, buf, len);
}

static enum kvs_status put_entry(struct repair *repair, struct kvs_engine *engine,
                                 const struct kvs_iterator *iterator, const struct kvs_entry *entry)
{
    const struct kvs_engine_ops *ops = repair->source->ops;
    if (entry->value_bytes <= KVS_INLINE_MAX)
        return loader_put(repair->loader, entry, NULL, NULL);
    struct kvs_read read = { .snapshot = ops->iterator_snapshot(iterator) };
    struct kvs_entry whole;
    uint64_t position;
    struct value value = { .ops = ops };
    enum kvs_status status =
        ops->reader_open(engine, &read, entry->key, &whole, &position, &value.reader);
    if (status != KVS_OK)
        return status;
    status = loader_put(repair->loader, entry, read_value, &value);
    ops->reader_close(value.reader);
    return status;
}

/* Copies in one direction until the end (KVS_NOT_FOUND), a failure, or, in reverse, @stop, which is there already. */
static enum kvs_status copy_from(struct repair *repair, struct kvs_engine *engine, bool reverse,
                                 struct buf *stop)
{
    const struct kvs_engine_ops *ops = repair->source->ops;
    struct kvs_read read = { .no_block = false };
    struct kvs_range all = { .has_end = false };
    struct kvs_iterator *iterator;
    enum kvs_status status = ops->iterator_open(engine, &read, &all, reverse, &iterator);
    if (status != KVS_OK)
        return status;
    while (status == KVS_OK) {
        struct kvs_entry entry;
        status = ops->iterator_next(iterator, false, &entry);
        if (status == KVS_OK && reverse && bytes_compare(entry.key, buf_bytes(stop)) <= 0)
            status = KVS_NOT_FOUND;
        if (status != KVS_OK)
            break;
        status = put_entry(repair, engine, iterator, &entry);
        if (!reverse) {
            buf_truncate(stop, 0);
            buf_append_bytes(stop, entry.key);
        }
    }
    ops->iterator_close(iterator);
    return status;
}

static enum kvs_status salvage_by_iterating(struct repair *repair)
{
    const struct kvs_engine_ops *ops = repair->source->ops;
    struct kvs_engine *engine;
    enum kvs_status status = ops->open(&repair->source->config, &engine);
    if (status != KVS_OK)
        return status;
    struct buf last;
    buf_init(&last, KVS_ENGINE_KEY_MAX);
    status = copy_from(repair, engine, false, &last);
    if (status == KVS_CORRUPT || status == KVS_IO) {
        char text[FAIL_TEXT_BYTES];
        fail_save(text);
        note(repair, false, text);
        status = ops->capabilities.reverse ? copy_from(repair, engine, true, &last) : KVS_NOT_FOUND;
        if (status == KVS_CORRUPT || status == KVS_IO) {
            fail_save(text);
            note(repair, false, text);
            status = KVS_NOT_FOUND;
        }
    }
    buf_done(&last);
    char why[FAIL_TEXT_BYTES];
    fail_save(why);
    (void)ops->close(engine); /* it was read only */
    return status == KVS_NOT_FOUND ? KVS_OK : fail_restore(status, why);
}

/* ---- The new store ---- */

static enum kvs_status fill(struct repair *repair, struct kvs_engine *engine)
{
    const struct kvs_engine_ops *ops = repair->source->ops;
    enum kvs_status status = loader_new(engine, &repair->loader);
    if (status == KVS_OK)
        status = ops->salvage != NULL
                     ? ops->salvage(&repair->source->config, put, repair, note, repair)
                     : salvage_by_iterating(repair);
    if (status == KVS_OK)
        status = loader_finish(repair->loader);
    return status;
}

static enum kvs_status repair_into(struct repair *repair, const char *new_dir,
                                   const struct kvs_options *options, uint64_t *ret_keys)
{
    struct kvs_env env = repair->source->env;
    const struct kvs_engine_ops *ops = repair->source->ops;
    struct io_file *lock;
    enum kvs_status status = directory_begin(env.io, new_dir, &lock);
    if (status != KVS_OK)
        return status;
    struct kvs_engine_config config = open_config(new_dir, &env, options);
    config.read_only = false;
    struct kvs_engine *engine;
    status = ops->open(&config, &engine);
    if (status == KVS_OK) {
        status = fill(repair, engine);
        if (status == KVS_OK)
            *ret_keys = loader_count(repair->loader);
        loader_free(repair->loader);
        char why[FAIL_TEXT_BYTES];
        fail_save(why);
        enum kvs_status closed = ops->close(engine);
        status = status == KVS_OK ? closed : fail_restore(status, why);
    }
    if (status == KVS_OK)
        status = directory_finish(env.io, new_dir, ops->name);
    if (status != KVS_OK)
        directory_clear(env.io, new_dir);
    io_close(lock);
    return status;
}

enum kvs_status kvs_repair(const char *dir, const char *new_dir, const struct kvs_options *options,
                           kvs_report_fn *report, void *ctx, struct kvs_repaired *ret)
{
    if (options == NULL)
        options = &open_options_default;
    if (new_dir == NULL || new_dir[0] == '\0')
        return fail(KVS_INVALID, 0, "the new store's directory has no name");
    struct offline source;
    enum kvs_status status = offline_begin(&source, dir, options, true);
    if (status != KVS_OK)
        return status;
    struct repair repair = { .source = &source, .report = report, .ctx = ctx };
    struct kvs_repaired repaired = { .keys = 0 };
    if (!source.ops->capabilities.persistent)
        status = fail(KVS_UNSUPPORTED, 0, "engine %s keeps nothing: there is nothing to repair",
                      source.ops->name);
    else
        status = repair_into(&repair, new_dir, options, &repaired.keys);
    repaired.losses = repair.losses;
    if (status == KVS_OK && ret != NULL)
        *ret = repaired;
    offline_end(&source);
    return status;
}
