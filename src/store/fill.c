/*
 * fill.c - directories that are filled with something whole: backups, and the stores that a restore or a repair makes.
 *
 * A directory must be empty before, so whatever is in it after a failure is what has failed, and goes. A store on its way is marked
 * by a file UNFINISHED, which is durable before anything else of it, and removed when the engine's marker is: whatever
 * happens in between, nobody opens it as a store.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "store/directory.h"

char *directory_path(const char *dir, const char *name)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", dir, name) >= 0)
        return path;
    (void)fail(KVS_NO_MEMORY, ENOMEM, "path of %s", name);
    return NULL;
}

static void add_name(void *ctx, const char *name)
{
    struct directory_names *names = ctx;
    if (names->no_memory)
        return;
    if (names->count == names->capacity) {
        size_t capacity = names->capacity == 0 ? 64 : names->capacity * 2;
        char **more = realloc(names->names, capacity * sizeof(char *));
        names->no_memory = more == NULL;
        if (more == NULL)
            return;
        names->names = more;
        names->capacity = capacity;
    }
    char *copy = strdup(name);
    names->no_memory = copy == NULL;
    if (copy != NULL)
        names->names[names->count++] = copy;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

enum kvs_status directory_list(struct io *io, const char *dir, struct directory_names *ret)
{
    struct directory_names names = { 0 };
    enum kvs_status status = io->ops->list(io, dir, add_name, &names);
    if (status == KVS_OK && names.no_memory)
        status = fail(KVS_NO_MEMORY, ENOMEM, "list of the files in %s", dir);
    if (status != KVS_OK) {
        directory_names_done(&names);
        return status;
    }
    if (names.count > 0)
        qsort(names.names, names.count, sizeof(char *), by_name);
    *ret = names;
    return KVS_OK;
}

void directory_names_done(struct directory_names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->names[i]);
    free(names->names);
    *names = (struct directory_names){ 0 };
}

static void find_any(void *ctx, const char *name)
{
    char *found = ctx;
    /* The lock of an attempt before stays: see directory.c. */
    if (found[0] == '\0' && strcmp(name, DIRECTORY_LOCK) != 0)
        (void)snprintf(found, 64, "%s", name);
}

enum kvs_status directory_make_empty(struct io *io, const char *dir)
{
    char found[64] = "";
    enum kvs_status status = io->ops->list(io, dir, find_any, found);
    if (status == KVS_NOT_FOUND)
        return io->ops->make_dir(io, dir);
    if (status == KVS_OK && found[0] != '\0')
        status = fail(KVS_INVALID, 0, "%s is not empty: there is %s", dir, found);
    return status;
}

void directory_clear(struct io *io, const char *dir)
{
    char why[FAIL_TEXT_BYTES];
    fail_save(why);
    struct directory_names names = { 0 };
    if (directory_list(io, dir, &names) == KVS_OK) {
        for (size_t i = 0; i < names.count; i++) {
            if (strcmp(names.names[i], DIRECTORY_LOCK) == 0)
                continue;
            char *path = directory_path(dir, names.names[i]);
            /* What stays says that it is unfinished, or does not say that it is a backup. */
            if (path != NULL)
                (void)io->ops->unlink(io, path);
            free(path);
        }
        directory_names_done(&names);
    }
    (void)fail_restore(KVS_IO, why);
}

enum kvs_status directory_begin(struct io *io, const char *dir, struct io_file **ret_lock)
{
    static const char text[] = "A restore or a repair fills this directory. While this file is "
                               "here, it has not succeeded.\n";
    enum kvs_status status = directory_make_empty(io, dir);
    if (status != KVS_OK)
        return status;
    status = io_replace_file(io, dir, DIRECTORY_UNFINISHED, text, sizeof text - 1);
    if (status == KVS_OK)
        status = directory_lock(io, dir, ret_lock);
    if (status != KVS_OK)
        directory_clear(io, dir);
    return status;
}

enum kvs_status directory_finish(struct io *io, const char *dir, const char *engine)
{
    char *path = directory_path(dir, DIRECTORY_UNFINISHED);
    if (path == NULL)
        return KVS_NO_MEMORY;
    enum kvs_status status = io->ops->sync_dir(io, dir);
    if (status == KVS_OK)
        status = directory_mark(io, dir, engine);
    if (status == KVS_OK)
        status = io->ops->unlink(io, path);
    if (status == KVS_OK)
        status = io->ops->sync_dir(io, dir);
    free(path);
    return status;
}
