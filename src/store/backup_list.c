/*
 * backup_list.c - see backup_list.h. Text, so that it can be read without kvs; docs/format.md describes it.
 */
#include "store/backup_list.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/crc.h"
#include "base/fail.h"
#include "base/number.h"

enum {
    FORMAT_VERSION = 1,
    TEXT_BYTES_MAX = 64 * 1024 * 1024,
    END_LINE_BYTES = 13, /* "end 01234567\n" */
};

/* Names of files an engine makes: no paths, nothing a line could not hold. */
static bool name_is_possible(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len > 255 || name[0] == '.')
        return false;
    for (size_t i = 0; i < len; i++)
        if (name[i] <= ' ' || name[i] > '~' || name[i] == '/')
            return false;
    return strcmp(name, DIRECTORY_BACKUP) != 0 && strcmp(name, DIRECTORY_MARKER) != 0 &&
           strcmp(name, DIRECTORY_UNFINISHED) != 0;
}

enum kvs_status backup_list_add(struct backup_list *list, const char *name, uint64_t bytes,
                                uint32_t crc)
{
    if (!name_is_possible(name))
        return fail(KVS_INVALID, 0, "no file of a backup can be called \"%s\"", name);
    if (list->count == list->capacity) {
        size_t capacity = list->capacity == 0 ? 64 : list->capacity * 2;
        struct backup_file *more = realloc(list->files, capacity * sizeof *more);
        if (more == NULL)
            return fail(KVS_NO_MEMORY, ENOMEM, "backup of %zu files", capacity);
        list->files = more;
        list->capacity = capacity;
    }
    char *copy = strdup(name);
    if (copy == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "backup of %s", name);
    list->files[list->count++] = (struct backup_file){ copy, bytes, crc };
    return KVS_OK;
}

void backup_list_done(struct backup_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->files[i].name);
    free(list->files);
    *list = (struct backup_list){ .count = 0 };
}

enum kvs_status backup_list_write(struct io *io, const char *dir, const struct backup_list *list)
{
    struct buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    buf_printf(&text,
               "kvs backup %d\nengine %s\ncontent %s\nposition %" PRIu64 "\ntime %" PRId64 "\n",
               FORMAT_VERSION, list->engine, list->records ? "records" : "files", list->position,
               list->time_ms);
    for (size_t i = 0; i < list->count; i++)
        buf_printf(&text, "file %s %" PRIu64 " %08" PRIx32 "\n", list->files[i].name,
                   list->files[i].bytes, list->files[i].crc);
    enum kvs_status status = text.failed;
    if (status == KVS_OK)
        buf_printf(&text, "end %08" PRIx32 "\n", crc32c(0, text.data, text.len));
    if (status == KVS_OK)
        status = text.failed;
    if (status == KVS_OK)
        status = io_replace_file(io, dir, DIRECTORY_BACKUP, text.data, text.len);
    buf_done(&text);
    return status;
}

/* Takes "word " off *line; false when it does not begin so. */
static bool take_word(char **line, const char *word)
{
    size_t len = strlen(word);
    if (strncmp(*line, word, len) != 0 || (*line)[len] != ' ')
        return false;
    *line += len + 1;
    return true;
}

static bool take_u64(const char *text, uint64_t *ret)
{
    return number_parse_u64(bytes_str(text), ret);
}

static enum kvs_status take_file(struct backup_list *list, char *line, bool *ret_good)
{
    char *size = strchr(line, ' ');
    char *crc = size != NULL ? strchr(size + 1, ' ') : NULL;
    *ret_good = false;
    if (crc == NULL)
        return KVS_OK;
    *size++ = '\0';
    *crc++ = '\0';
    uint64_t bytes;
    char *end;
    unsigned long value = strtoul(crc, &end, 16);
    if (strlen(crc) != 8 || *end != '\0' || !take_u64(size, &bytes) || !name_is_possible(line))
        return KVS_OK;
    *ret_good = true;
    return backup_list_add(list, line, bytes, (uint32_t)value);
}

/* The lines of @text, which the checksum has shown to be whole, are as they were written. */
static enum kvs_status parse(char *text, struct backup_list *list, bool *ret_good)
{
    uint64_t number = 0;
    enum kvs_status status = KVS_OK;
    char *rest = text;
    for (size_t at = 0; status == KVS_OK; at++) {
        char *line = strsep(&rest, "\n");
        *ret_good = false;
        if (line == NULL || (rest == NULL && line[0] != '\0'))
            return KVS_OK;
        if (rest == NULL)
            break; /* behind the last line */
        if (at == 0) {
            *ret_good = strncmp(line, "kvs backup ", 11) == 0;
        } else if (at == 1) {
            *ret_good = take_word(&line, "engine") && strlen(line) < sizeof list->engine;
            if (*ret_good)
                memcpy(list->engine, line, strlen(line) + 1);
        } else if (at == 2) {
            list->records = strcmp(line, "content records") == 0;
            *ret_good = list->records || strcmp(line, "content files") == 0;
        } else if (at == 3) {
            *ret_good = take_word(&line, "position") && take_u64(line, &list->position);
        } else if (at == 4) {
            *ret_good = take_word(&line, "time") && take_u64(line, &number);
            list->time_ms = (int64_t)number;
        } else if (take_word(&line, "file")) {
            status = take_file(list, line, ret_good);
        }
        if (!*ret_good)
            return status;
    }
    *ret_good = status == KVS_OK && list->engine[0] != '\0';
    return status;
}

/* Whether @text ends with the checksum of what comes before. */
static bool is_whole(const char *text, size_t len)
{
    if (len < END_LINE_BYTES)
        return false;
    char end[END_LINE_BYTES + 1];
    (void)snprintf(end, sizeof end, "end %08" PRIx32 "\n", crc32c(0, text, len - END_LINE_BYTES));
    return memcmp(text + len - END_LINE_BYTES, end, END_LINE_BYTES) == 0;
}

enum kvs_status backup_list_read(struct io *io, const char *dir, struct backup_list *ret)
{
    char *path = directory_path(dir, DIRECTORY_BACKUP);
    if (path == NULL)
        return KVS_NO_MEMORY;
    char *text = NULL;
    size_t len = 0;
    uint64_t version = 0;
    struct backup_list list = { .count = 0 };
    enum kvs_status status = io_read_file(io, path, TEXT_BYTES_MAX, &text, &len);
    if (status != KVS_OK) {
        free(path);
        return status;
    }
    bool ours = len > 11 && strncmp(text, "kvs backup ", 11) == 0;
    size_t digits = ours ? strspn(text + 11, "0123456789") : 0;
    if (ours && number_parse_u64(bytes_of(text + 11, digits), &version) &&
        version > FORMAT_VERSION) {
        status = fail(KVS_WRONG_FORMAT, 0,
                      "%s has format version %" PRIu64 ", this kvs knows versions up to %d", path,
                      version, FORMAT_VERSION);
    } else if (!ours || !is_whole(text, len)) {
        status = fail(KVS_CORRUPT, 0, "%s is damaged: it does not end with its checksum", path);
    } else {
        bool good = false;
        text[len - END_LINE_BYTES] = '\0';
        status = parse(text, &list, &good);
        if (status == KVS_OK && !good)
            status = fail(KVS_CORRUPT, 0, "%s is not understood", path);
    }
    free(text);
    free(path);
    if (status != KVS_OK) {
        backup_list_done(&list);
        return status;
    }
    *ret = list;
    return KVS_OK;
}
