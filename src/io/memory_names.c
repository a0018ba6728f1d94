/*
 * memory_names.c - names on the simulated disk.
 *
 * Invariant: applying all changes in order to `durable` gives `now`.
 */
#include "io/memory_names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/fail.h"

enum {
    NOT_THERE = -1
};

void names_init(struct names *names)
{
    *names = (struct names){ 0 };
}

static void table_clear(struct name_table *table, bool is_now)
{
    for (size_t i = 0; i < table->count; i++) {
        free(table->names[i].path);
        if (is_now)
            table->names[i].inode->name_count--;
        inode_unref(table->names[i].inode);
    }
    table->count = 0;
}

static void change_done(struct name_change *change)
{
    free(change->from);
    free(change->path);
    inode_unref(change->inode);
}

void names_done(struct names *names)
{
    for (size_t i = 0; i < names->change_count; i++)
        change_done(&names->changes[i]);
    table_clear(&names->now, true);
    table_clear(&names->durable, false);
    for (size_t i = 0; i < names->dir_count; i++)
        free(names->dirs[i]);
    free(names->changes);
    free(names->now.names);
    free(names->durable.names);
    free(names->dirs);
    names_init(names);
}

char *path_clean(const char *path)
{
    char *clean = malloc(strlen(path) + 2);
    if (clean == NULL)
        return NULL;
    size_t len = 0;
    if (path[0] == '/')
        clean[len++] = '/';
    while (*path != '\0') {
        size_t part = strcspn(path, "/");
        if (part > 0 && !(part == 1 && path[0] == '.')) {
            if (len > 0 && clean[len - 1] != '/')
                clean[len++] = '/';
            memcpy(clean + len, path, part);
            len += part;
        }
        path += part;
        path += strspn(path, "/");
    }
    if (len == 0)
        clean[len++] = '.';
    clean[len] = '\0';
    return clean;
}

/* The directory of "a/b" is "a", of "/a" it is "/", of "a" it is ".". */
static bool is_in_dir(const char *path, const char *dir)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return strcmp(dir, ".") == 0 && strcmp(path, ".") != 0;
    size_t len = slash == path ? 1 : (size_t)(slash - path);
    return strlen(dir) == len && memcmp(path, dir, len) == 0 && slash[1] != '\0';
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static ptrdiff_t table_find(const struct name_table *table, const char *path)
{
    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->names[i].path, path) == 0)
            return (ptrdiff_t)i;
    }
    return NOT_THERE;
}

struct inode *names_find(const struct names *names, const char *path)
{
    ptrdiff_t at = table_find(&names->now, path);
    return at == NOT_THERE ? NULL : names->now.names[at].inode;
}

bool names_has_dir(const struct names *names, const char *path)
{
    if (strcmp(path, "/") == 0 || strcmp(path, ".") == 0)
        return true;
    for (size_t i = 0; i < names->dir_count; i++) {
        if (strcmp(names->dirs[i], path) == 0)
            return true;
    }
    return false;
}

bool names_has_parent(const struct names *names, const char *path)
{
    if (is_in_dir(path, "/") || is_in_dir(path, "."))
        return true;
    for (size_t i = 0; i < names->dir_count; i++) {
        if (is_in_dir(path, names->dirs[i]))
            return true;
    }
    return false;
}

/* Room for one more element of @bytes each in the array *@base. */
static enum kvs_status array_reserve(void **base, size_t count, size_t *capacity, size_t bytes)
{
    if (count < *capacity)
        return KVS_OK;
    size_t more = *capacity == 0 ? 16 : *capacity * 2;
    void *grown = realloc(*base, more * bytes);
    if (grown == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "simulated directory");
    *base = grown;
    *capacity = more;
    return KVS_OK;
}

static enum kvs_status table_reserve(struct name_table *table)
{
    void *base = table->names;
    enum kvs_status status =
        array_reserve(&base, table->count, &table->capacity, sizeof *table->names);
    table->names = base;
    return status;
}

static void table_remove(struct name_table *table, const char *path, bool is_now)
{
    ptrdiff_t at = table_find(table, path);
    if (at == NOT_THERE)
        return;
    struct name gone = table->names[at];
    table->names[at] = table->names[--table->count];
    free(gone.path);
    if (is_now)
        gone.inode->name_count--;
    inode_unref(gone.inode);
}

/* Room has been reserved; @path (owned from here on) begins to mean @inode. */
static void table_set(struct name_table *table, char *path, struct inode *inode, bool is_now)
{
    inode_ref(inode);
    if (is_now)
        inode->name_count++;
    table_remove(table, path, is_now);
    table->names[table->count++] = (struct name){ path, inode };
}

enum kvs_status names_change(struct names *names, const char *from, const char *path,
                             struct inode *inode)
{
    void *base = names->changes;
    enum kvs_status status =
        array_reserve(&base, names->change_count, &names->change_capacity, sizeof *names->changes);
    names->changes = base;
    if (status == KVS_OK)
        status = table_reserve(&names->now);
    if (status != KVS_OK)
        return status;
    struct name_change change = {
        .from = from != NULL ? strdup(from) : NULL,
        .path = path != NULL ? strdup(path) : NULL,
        .inode = inode != NULL ? inode_ref(inode) : NULL,
    };
    char *path_copy = path != NULL ? strdup(path) : NULL;
    if ((from != NULL && change.from == NULL) ||
        (path != NULL && (change.path == NULL || path_copy == NULL))) {
        change_done(&change);
        free(path_copy);
        return fail(KVS_NO_MEMORY, ENOMEM, "simulated directory");
    }
    if (path != NULL)
        table_set(&names->now, path_copy, inode, true);
    if (from != NULL)
        table_remove(&names->now, from, true);
    names->changes[names->change_count++] = change;
    return KVS_OK;
}

static enum kvs_status add_dir(struct names *names, const char *path)
{
    if (names_has_dir(names, path))
        return KVS_OK;
    if (names_find(names, path) != NULL)
        return fail(KVS_IO, ENOTDIR, "make directory %s", path);
    void *base = names->dirs;
    enum kvs_status status =
        array_reserve(&base, names->dir_count, &names->dir_capacity, sizeof *names->dirs);
    names->dirs = base;
    if (status != KVS_OK)
        return status;
    char *copy = strdup(path);
    if (copy == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "make directory %s", path);
    names->dirs[names->dir_count++] = copy;
    return KVS_OK;
}

enum kvs_status names_make_dir(struct names *names, const char *path)
{
    char *part = strdup(path);
    if (part == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "make directory %s", path);
    enum kvs_status status = KVS_OK;
    for (char *slash = strchr(part + 1, '/'); slash != NULL && status == KVS_OK;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        status = add_dir(names, part);
        *slash = '/';
    }
    if (status == KVS_OK)
        status = add_dir(names, part);
    free(part);
    return status;
}

/* Moves the change's strings and reference into the durable table as far as it can use them, and lets go of the rest. */
static void make_durable(struct names *names, struct name_change *change)
{
    if (change->path != NULL) {
        table_set(&names->durable, change->path, change->inode, false);
        change->path = NULL;
    }
    if (change->from != NULL)
        table_remove(&names->durable, change->from, false);
    change_done(change);
}

enum kvs_status names_sync_dir(struct names *names, const char *path)
{
    size_t kept = 0;
    for (size_t i = 0; i < names->change_count; i++) {
        struct name_change change = names->changes[i];
        bool here = (change.from != NULL && is_in_dir(change.from, path)) ||
                    (change.path != NULL && is_in_dir(change.path, path));
        if (!here) {
            names->changes[kept++] = change;
            continue;
        }
        enum kvs_status status = table_reserve(&names->durable);
        if (status != KVS_OK) {
            memmove(names->changes + kept, names->changes + i,
                    (names->change_count - i) * sizeof change);
            names->change_count -= i - kept;
            return status;
        }
        make_durable(names, &change);
    }
    names->change_count = kept;
    return KVS_OK;
}

static enum kvs_status add_copy(char **list, size_t *count, const char *text)
{
    list[*count] = strdup(text);
    if (list[*count] == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "list a simulated directory");
    (*count)++;
    return KVS_OK;
}

enum kvs_status names_list(const struct names *names, const char *path, char ***ret,
                           size_t *ret_count)
{
    char **list = malloc((names->now.count + names->dir_count + 1) * sizeof *list);
    if (list == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "list %s", path);
    size_t count = 0;
    enum kvs_status status = KVS_OK;
    for (size_t i = 0; i < names->now.count && status == KVS_OK; i++) {
        if (is_in_dir(names->now.names[i].path, path))
            status = add_copy(list, &count, last_part(names->now.names[i].path));
    }
    for (size_t i = 0; i < names->dir_count && status == KVS_OK; i++) {
        if (is_in_dir(names->dirs[i], path))
            status = add_copy(list, &count, last_part(names->dirs[i]));
    }
    if (status != KVS_OK) {
        while (count > 0)
            free(list[--count]);
        free(list);
        return status;
    }
    *ret = list;
    *ret_count = count;
    return KVS_OK;
}

void names_crash(struct names *names, struct random *random)
{
    for (size_t i = 0; i < names->change_count; i++) {
        if (random == NULL || random_below(random, 2) == 0) {
            change_done(&names->changes[i]);
            continue;
        }
        CHECK(table_reserve(&names->durable) == KVS_OK);
        make_durable(names, &names->changes[i]);
    }
    names->change_count = 0;

    table_clear(&names->now, true);
    for (size_t i = 0; i < names->durable.count; i++) {
        const struct name *name = &names->durable.names[i];
        char *path = strdup(name->path);
        CHECK(path != NULL && table_reserve(&names->now) == KVS_OK);
        table_set(&names->now, path, name->inode, true);
    }
}
