/*
 * directory.c - engine marker and lock.
 *
 * The marker is written, under the lock, before the engine creates its first file, so an engine's files never lie in a
 * directory that does not say whose they are. The lock file is never removed: a process that has opened it and one that finds it
 * gone would both believe they hold the lock.
 */
#include "store/directory.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/fail.h"

#define MARKER_NAME DIRECTORY_MARKER
#define LOCK_NAME   DIRECTORY_LOCK

enum {
    PATH_BYTES_MAX = 64 * 1024
};

static enum kvs_status path_make(struct buf *path, const char *dir, const char *name)
{
    buf_init(path, PATH_BYTES_MAX);
    buf_printf(path, "%s/%s", dir, name);
    buf_append_char(path, '\0');
    enum kvs_status status = path->failed;
    if (status != KVS_OK)
        buf_done(path);
    return status;
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

/* Names are lower case words; anything else in the marker is not ours. */
static enum kvs_status marker_parse(const char *dir, const char *text, size_t len,
                                    char ret[DIRECTORY_NAME_BYTES])
{
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    bool good = len > 0 && len < DIRECTORY_NAME_BYTES;
    for (size_t i = 0; good && i < len; i++)
        good = is_name_char(text[i]);
    if (!good)
        return fail(KVS_WRONG_FORMAT, 0, "%s/" MARKER_NAME " does not hold the name of an engine",
                    dir);
    memcpy(ret, text, len);
    ret[len] = '\0';
    return KVS_OK;
}

enum kvs_status directory_engine(struct io *io, const char *dir, char ret[DIRECTORY_NAME_BYTES])
{
    struct buf path;
    enum kvs_status status = path_make(&path, dir, MARKER_NAME);
    if (status != KVS_OK)
        return status;
    char *text = NULL;
    size_t len = 0;
    status = io_read_file(io, path.data, 4096, &text, &len);
    buf_done(&path);
    if (status == KVS_NOT_FOUND) {
        ret[0] = '\0';
        return KVS_OK;
    }
    if (status != KVS_OK)
        return status;
    status = marker_parse(dir, text, len, ret);
    free(text);
    return status;
}

/* What a listing found. */
struct found {
    char segment[64]; /* the first file that looks like a segment; "" none */
    bool others;      /* anything besides marker and lock */
    bool backup;
    bool unfinished;
};

static bool looks_like_segment(const char *name)
{
    size_t digits = strspn(name, "0123456789abcdef");
    return digits == 8 && strcmp(name + digits, ".seg") == 0;
}

static void note_name(void *ctx, const char *name)
{
    struct found *found = ctx;
    if (strcmp(name, MARKER_NAME) != 0 && strcmp(name, LOCK_NAME) != 0)
        found->others = true;
    found->backup |= strcmp(name, DIRECTORY_BACKUP) == 0;
    found->unfinished |= strcmp(name, DIRECTORY_UNFINISHED) == 0;
    if (found->segment[0] == '\0' && looks_like_segment(name))
        memcpy(found->segment, name, strlen(name) + 1);
}

static enum kvs_status fail_not_whole(const char *dir, const struct found *found)
{
    if (found->unfinished)
        return fail(
            KVS_WRONG_FORMAT, 0,
            "%s was left unfinished by a restore or a repair, says %s/%s; remove the directory "
            "and run that again",
            dir, dir, DIRECTORY_UNFINISHED);
    return fail(KVS_WRONG_FORMAT, 0, "%s is a backup; kvs restore makes a store of it", dir);
}

enum kvs_status directory_check_whole(struct io *io, const char *dir)
{
    struct found found = { 0 };
    enum kvs_status status = io->ops->list(io, dir, note_name, &found);
    if (status == KVS_OK && (found.unfinished || found.backup))
        status = fail_not_whole(dir, &found);
    return status;
}

enum kvs_status directory_check_unmarked(struct io *io, const char *dir)
{
    struct found found = { 0 };
    enum kvs_status status = io->ops->list(io, dir, note_name, &found);
    if (status == KVS_NOT_FOUND)
        return KVS_OK;
    if (status != KVS_OK)
        return status;
    if (found.unfinished || found.backup)
        return fail_not_whole(dir, &found);
    if (found.segment[0] == '\0')
        return KVS_OK;
    return fail(KVS_WRONG_FORMAT, 0,
                "%s holds %s but no file " MARKER_NAME
                " that says whose it is; put the marker back (its one line is the "
                "engine's name, such as \"kvs\"), or use another directory",
                dir, found.segment);
}

enum kvs_status directory_lock(struct io *io, const char *dir, struct io_file **ret)
{
    struct buf path;
    enum kvs_status status = path_make(&path, dir, LOCK_NAME);
    if (status != KVS_OK)
        return status;
    status = io->ops->lock(io, path.data, ret);
    buf_done(&path);
    return status;
}

enum kvs_status directory_mark(struct io *io, const char *dir, const char *engine)
{
    char line[DIRECTORY_NAME_BYTES + 1];
    size_t len = (size_t)(stpcpy(stpcpy(line, engine), "\n") - line);
    return io_replace_file(io, dir, MARKER_NAME, line, len);
}

void directory_unmark_empty(struct io *io, const char *dir)
{
    struct found found = { 0 };
    if (io->ops->list(io, dir, note_name, &found) != KVS_OK || found.others)
        return;
    struct buf path;
    if (path_make(&path, dir, MARKER_NAME) != KVS_OK)
        return;
    (void)io->ops->unlink(io,
                          path.data); /* left behind it does no harm: it only fixes the engine */
    buf_done(&path);
}
