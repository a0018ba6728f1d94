/*
 * configuration-md - docs/configuration.md from the server's table of settings. `configuration-md --check FILE` compares.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "server/config.h"
#include "tools/document.h"

static const char head[] =
    "# Configuration of kvs-server\n"
    "\n"
    "This file is made from the table of settings (`src/server/config_table.c`) by "
    "`configuration-md`; edit those, not this.\n"
    "`kvs-server --help` tells the same in short.\n"
    "\n"
    "## Where a setting comes from\n"
    "\n"
    "Every setting has one name, and can be given in three places. A place wins over those below "
    "it:\n"
    "\n"
    "| place | form | a mistake in it |\n"
    "|---|---|---|\n"
    "| command line | `--some-name VALUE` or `--some-name=VALUE` | the server does not start, and "
    "names the flag |\n"
    "| environment | `KVS_SOME_NAME=VALUE` | the same; variables that begin with `KVS_` and name "
    "no "
    "setting are left alone |\n"
    "| file | a line `some-name VALUE` | the same, with file and line |\n"
    "| default | as below | |\n"
    "\n"
    "Of several lines or flags for one setting the last counts; those of a *list* add up, within "
    "one place. Names are taken in any case, with `_` for `-` too.\n"
    "`addr` and the pair `bind`, `port` say the same in two ways: the one from the stronger place "
    "counts, and `addr` when both come from the same.\n"
    "\n"
    "Others see the command line of a process: give `requirepass` in the file or the environment.\n"
    "\n"
    "## The file\n"
    "\n"
    "`kvs-server FILE` or `kvs-server --config FILE`; without either no file is read. It has the "
    "form of a `redis.conf`: a name and its value in each line; empty lines and lines that\n"
    "begin with `#` are skipped. A value of several words needs no quotes. Words may stand in "
    "`\"double quotes\"`, with `\\n` `\\r` `\\t` `\\a` `\\b` `\\\\` `\\\"` and `\\xHH` inside, or "
    "in\n"
    "`'single quotes'`, with `\\'`. `include` and settings that are not in this document are "
    "refused by name. The file is at most 1 MiB.\n"
    "\n"
    "```\n"
    "# a server for the machines around it\n"
    "bind 0.0.0.0\n"
    "port 6379\n"
    "requirepass \"two words\"\n"
    "dir /var/lib/kvs\n"
    "memory 4gb\n"
    "client-output-buffer-limit normal 256mb 1mb 60\n"
    "```\n"
    "\n"
    "## While it runs\n"
    "\n"
    "`CONFIG GET pattern …` shows settings as they are in force: sizes in bytes, a setting with an "
    "alias under each of the two names that matches.\n"
    "`CONFIG SET name value …` changes those that are marked *live* below: all that are named, or "
    "none and an error. A change is logged, and\n"
    "lasts until the server stops: there is no `CONFIG REWRITE`.\n"
    "\n"
    "## Redis's names\n"
    "\n"
    "Names that Redis has too mean what they mean there. Where ours is another, Redis's is an "
    "alias, "
    "good in every place. Some are\n"
    "accepted because configurations and clients set them, though there is nothing for them to "
    "change; their descriptions say so.\n"
    "\n"
    "## Values\n"
    "\n"
    "A *size* is a number of bytes, or one with a unit: `k` `m` `g` are 1000, 1000² and 1000³ "
    "bytes, "
    "`kb` `mb` `gb` 1024, 1024² and 1024³. A *yes or no* is one of the two words.\n"
    "A *choice* is one of the words shown. A *list* is words with blanks between them.\n"
    "\n"
    "## Settings\n";

static void print_upper(FILE *out, const char *name)
{
    for (; *name != '\0'; name++)
        (void)fputc(*name == '-' ? '_' : toupper((unsigned char)*name), out);
}

static void print_size(FILE *out, int64_t bytes)
{
    static const char *const units[] = { "", "kb", "mb", "gb" };
    size_t unit = 0;
    while (unit < 3 && bytes != 0 && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    (void)fprintf(out, "%lld%s", (long long)bytes, units[unit]);
}

/* A largest value that is only what fits is no news. */
static void print_limits(FILE *out, const struct setting_row *row)
{
    bool sizes = row->type == TYPE_BYTES;
    bool bounded = row->max != INT64_MAX && row->max != INT32_MAX;
    (void)fputs(bounded ? ", " : ", at least ", out);
    sizes ? print_size(out, row->min) : (void)fprintf(out, "%lld", (long long)row->min);
    if (!bounded)
        return;
    (void)fputs(" to ", out);
    sizes ? print_size(out, row->max) : (void)fprintf(out, "%lld", (long long)row->max);
}

static void print_choices(FILE *out, const char *choices)
{
    (void)fputs(strchr(choices, ' ') != NULL ? "choice of `" : "only `", out);
    for (; *choices != '\0'; choices++) {
        if (*choices == ' ')
            (void)fputs("` `", out);
        else
            (void)fputc(*choices, out);
    }
    (void)fputc('`', out);
}

static void print_type(FILE *out, const struct setting_row *row)
{
    switch (row->type) {
    case TYPE_TEXT:
    case TYPE_LIST:
        (void)fprintf(out, "%s `%s`", row->type == TYPE_TEXT ? "text" : "list of", row->argument);
        break;
    case TYPE_NUMBER:
    case TYPE_BYTES:
        (void)fputs(row->type == TYPE_BYTES ? "size" : "number", out);
        print_limits(out, row);
        if (strcmp(row->initial, "auto") == 0)
            (void)fputs(", or `auto`", out);
        break;
    case TYPE_BOOL:
        (void)fputs("yes or no", out);
        break;
    case TYPE_CHOICE:
        print_choices(out, row->choices);
        break;
    }
}

static void print_setting(FILE *out, const struct setting_row *row)
{
    (void)fprintf(out, "\n### %s\n", row->name);
    (void)fprintf(out, "flag `--%s`, variable `KVS_", row->name);
    print_upper(out, row->name);
    (void)fprintf(out, "`, in the file `%s`", row->name);
    if (row->aliases[0] != '\0')
        (void)fprintf(out, "; alias `%s`", row->aliases);
    (void)fputs("  \n", out);
    print_type(out, row);
    if (row->initial[0] != '\0')
        (void)fprintf(out, "; default `%s`; ", row->initial);
    else
        (void)fputs("; default: empty; ", out);
    (void)fprintf(out, "%s  \n", row->live ? "*live*" : "read at start only");
    (void)fprintf(out, "%c%s.\n", toupper((unsigned char)row->help[0]), row->help + 1);
}

static bool print_document(FILE *out)
{
    (void)fputs(head, out);
    for (unsigned i = 0; i < SETTING_COUNT; i++)
        print_setting(out, config_row((enum setting)i));
    return ferror(out) == 0;
}

int main(int argc, char **argv)
{
    return document_main("configuration-md", print_document, argc, argv);
}
