/*
 * prompt_words.c - walks over the command table; a line is cut at blanks here, since hints need no quotes.
 */
#include "app/prompt_words.h"

#include <ctype.h>
#include <string.h>

#include "base/bytes.h"
#include "command/command.h"

/* The word that begins at or behind *off; *off moves behind it. */
static struct kvs_bytes next_word(struct kvs_bytes line, size_t *off)
{
    const char *byte = line.data;
    while (*off < line.len && byte[*off] == ' ')
        (*off)++;
    size_t start = *off;
    while (*off < line.len && byte[*off] != ' ')
        (*off)++;
    return bytes_of(byte + start, *off - start);
}

/* "CLIENT|LIST" as it is typed. */
static void put_name(struct buf *out, const struct command *command)
{
    for (const char *byte = command->name; *byte != '\0'; byte++)
        buf_append_char(out, *byte == '|' ? ' ' : *byte);
}

/* Whether what is typed so far, one or two words, can become @name: then the offset of the rest in @name, else SIZE_MAX. */
static size_t match(const char *name, struct kvs_bytes typed)
{
    const char *byte = typed.data;
    size_t at = 0;
    bool blank = false;
    for (size_t i = 0; i < typed.len; i++) {
        if (byte[i] == ' ' && blank)
            continue; /* several blanks are one */
        blank = byte[i] == ' ';
        char wanted = name[at] == '|' ? ' ' : name[at];
        if (wanted == '\0' || toupper((unsigned char)byte[i]) != wanted)
            return SIZE_MAX;
        at++;
    }
    return at;
}

size_t words_complete(struct kvs_bytes line, struct buf *ret_rest, struct buf *ret_names)
{
    size_t count;
    const struct command *table = command_table(&count);
    size_t fits = 0;
    const char *first = NULL; /* the first rest; common: how much of it all share */
    size_t common = 0;
    bool small = line.len > 0 && islower((unsigned char)((const char *)line.data)[line.len - 1]);
    for (size_t i = 0; i < count; i++) {
        bool is_sub = strchr(table[i].name, '|') != NULL;
        bool wants_sub = line.len > 0 && memchr(line.data, ' ', line.len) != NULL;
        size_t at = is_sub == wants_sub ? match(table[i].name, line) : SIZE_MAX;
        if (at == SIZE_MAX)
            continue;
        const char *rest = table[i].name + at;
        if (fits++ == 0) {
            first = rest;
            common = strlen(rest);
        }
        for (size_t same = 0; same < common; same++)
            if (rest[same] != first[same])
                common = same;
        if (fits > 1)
            buf_append_char(ret_names, ' ');
        put_name(ret_names, &table[i]);
    }
    for (size_t i = 0; i < common; i++)
        buf_append_char(ret_rest, small ? (char)tolower((unsigned char)first[i]) : first[i]);
    if (fits == 1)
        buf_append_char(ret_rest, ' ');
    return fits;
}

/* Moves over one argument in a syntax: a word, or what stands in brackets. */
static const char *skip_argument(const char *syntax)
{
    int depth = 0;
    while (*syntax != '\0' && (depth > 0 || *syntax != ' ')) {
        if (*syntax == '[' || *syntax == '<')
            depth++;
        else if (*syntax == ']' || *syntax == '>')
            depth--;
        syntax++;
    }
    while (*syntax == ' ')
        syntax++;
    return syntax;
}

void words_hint(struct kvs_bytes line, struct buf *ret)
{
    size_t off = 0;
    struct kvs_bytes args[2];
    args[0] = next_word(line, &off);
    if (args[0].len == 0 || off == line.len)
        return; /* the name may not be complete */
    size_t behind_name = off;
    args[1] = next_word(line, &off);
    const struct command *container = NULL;
    const struct command *command = command_lookup(args, args[1].len > 0 ? 2 : 1, &container);
    if (command == NULL)
        return;
    if (strchr(command->name, '|') == NULL)
        off = behind_name;
    const char *syntax = command->syntax;
    /* What is optional stays until it is all typed: nobody can tell which of it is meant. */
    while (syntax[0] != '\0' && syntax[0] != '[' && next_word(line, &off).len > 0) {
        if (off == line.len)
            break; /* being typed */
        syntax = skip_argument(syntax);
    }
    buf_append_str(ret, syntax);
}

static void put_command(FILE *file, const struct command *command)
{
    struct buf name;
    buf_init(&name, 256);
    put_name(&name, command);
    (void)fprintf(file, "  %.*s %s\n    %s\n", (int)name.len, name.data, command->syntax,
                  command->summary);
    buf_done(&name);
}

bool words_help(FILE *file, struct kvs_bytes name)
{
    size_t count;
    const struct command *table = command_table(&count);
    size_t shown = 0;
    for (size_t i = 0; i < count; i++) {
        if (table[i].run == NULL || match(table[i].name, name) == SIZE_MAX)
            continue;
        size_t end = match(table[i].name, name);
        char behind = table[i].name[end];
        /* "help get" is about GET, not about GETDEL. */
        if (name.len > 0 && behind != '\0' && behind != '|')
            continue;
        put_command(file, &table[i]);
        shown++;
    }
    return shown > 0;
}
