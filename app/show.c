/*
 * show.c - printing replies. Write errors are found at the end, by who closes the file.
 */
#include "app/show.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

static void put_bytes(FILE *file, struct kvs_bytes bytes)
{
    if (bytes.len > 0)
        (void)fwrite(bytes.data, 1, bytes.len, file);
}

void show_quoted(FILE *file, struct kvs_bytes bytes)
{
    static const char names[] = "\\\"\n\r\t\a\b";
    static const char letters[] = "\\\"nrtab";
    const unsigned char *byte = bytes.data;
    (void)fputc('"', file);
    for (size_t i = 0; i < bytes.len; i++) {
        const char *name = byte[i] != 0 ? strchr(names, byte[i]) : NULL;
        if (name != NULL)
            (void)fprintf(file, "\\%c", letters[name - names]);
        else if (byte[i] >= 0x20 && byte[i] < 0x7f)
            (void)fputc(byte[i], file);
        else
            (void)fprintf(file, "\\x%02x", byte[i]);
    }
    (void)fputc('"', file);
}

/* ---- Bare ---- */

static void show_bare(FILE *file, const struct kvs_reply *reply)
{
    switch (reply->type) {
    case KVS_REPLY_NULL:
        break;
    case KVS_REPLY_INTEGER:
        (void)fprintf(file, "%" PRId64, reply->integer);
        break;
    case KVS_REPLY_BOOLEAN:
        (void)fputs(reply->integer ? "true" : "false", file);
        break;
    case KVS_REPLY_STATUS:
    case KVS_REPLY_ERROR:
    case KVS_REPLY_BULK:
    case KVS_REPLY_REAL:
    case KVS_REPLY_VERBATIM:
    case KVS_REPLY_BIG_NUMBER:
        put_bytes(file, reply->text);
        break;
    case KVS_REPLY_ARRAY:
    case KVS_REPLY_MAP:
    case KVS_REPLY_SET:
    case KVS_REPLY_PUSH:
        for (size_t i = 0; i < reply->item_count; i++) {
            if (i > 0)
                (void)fputc('\n', file);
            show_bare(file, &reply->items[i]);
        }
        break;
    }
}

/* ---- Readable ---- */

static void show_readable(FILE *file, const struct kvs_reply *reply, unsigned indent);

static unsigned digits_of(size_t number)
{
    unsigned digits = 1;
    while (number >= 10) {
        number /= 10;
        digits++;
    }
    return digits;
}

/* The first item stands on the line begun by the caller, the others are indented as far as that one is. */
static void show_items(FILE *file, const struct kvs_reply *reply, unsigned indent)
{
    bool is_map = reply->type == KVS_REPLY_MAP;
    char mark = ')';
    if (is_map)
        mark = '#';
    else if (reply->type == KVS_REPLY_SET)
        mark = '~';
    size_t count = is_map ? reply->item_count / 2 : reply->item_count;
    unsigned width = digits_of(count);
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            (void)fprintf(file, "%*s", (int)indent, "");
        (void)fprintf(file, "%*zu%c ", (int)width, i + 1, mark);
        show_readable(file, &reply->items[is_map ? 2 * i : i], indent + width + 2);
        if (is_map) {
            (void)fputs(" => ", file);
            show_readable(file, &reply->items[2 * i + 1], indent + width + 2);
        }
        if (i + 1 < count)
            (void)fputc('\n', file);
    }
}

static void show_readable(FILE *file, const struct kvs_reply *reply, unsigned indent)
{
    switch (reply->type) {
    case KVS_REPLY_NULL:
        (void)fputs("(nil)", file);
        return;
    case KVS_REPLY_INTEGER:
        (void)fprintf(file, "(integer) %" PRId64, reply->integer);
        return;
    case KVS_REPLY_BOOLEAN:
        (void)fputs(reply->integer ? "(true)" : "(false)", file);
        return;
    case KVS_REPLY_REAL:
        (void)fputs("(double) ", file);
        put_bytes(file, reply->text);
        return;
    case KVS_REPLY_ERROR:
        (void)fputs("(error) ", file);
        put_bytes(file, reply->text);
        return;
    case KVS_REPLY_STATUS:
    case KVS_REPLY_VERBATIM:
    case KVS_REPLY_BIG_NUMBER:
        put_bytes(file, reply->text);
        return;
    case KVS_REPLY_BULK:
        show_quoted(file, reply->text);
        return;
    case KVS_REPLY_ARRAY:
    case KVS_REPLY_MAP:
    case KVS_REPLY_SET:
    case KVS_REPLY_PUSH:
        break;
    }
    if (reply->item_count > 0)
        show_items(file, reply, indent);
    else if (reply->type == KVS_REPLY_MAP)
        (void)fputs("(empty hash)", file);
    else if (reply->type == KVS_REPLY_SET)
        (void)fputs("(empty set)", file);
    else
        (void)fputs("(empty array)", file);
}

void show_reply(FILE *file, const struct kvs_reply *reply, bool readable)
{
    if (readable)
        show_readable(file, reply, 0);
    else
        show_bare(file, reply);
    bool ends_line = reply->type == KVS_REPLY_VERBATIM && reply->text.len > 0 &&
                     ((const char *)reply->text.data)[reply->text.len - 1] == '\n';
    if (!ends_line)
        (void)fputc('\n', file);
}
