/*
 * docs.h - what COMMAND INFO and COMMAND DOCS tell beyond the table: optional, a command works without. Private to the room.
 */
#ifndef COMMAND_DOCS_H
#define COMMAND_DOCS_H

#include "command/command.h"

struct command_docs {
    const char *name; /* as in the table */
    /* How the keys are used: Redis's key spec flags, "RW access update". With ';' one set for each key in turn (RENAME), the last for
     * all that are left; behind '?' one for keys that stand nobody knows where (SORT). Notes as well. */
    const char *key_flags;
    const char *key_notes;
    const char *tips; /* separated by commas */
    /*
     * The arguments, in Redis's terms, separated by commas. Each is
     *     name type [@key spec] [=TOKEN] [^since] [~deprecated since] [?] [*] [+] [(arguments)]
     * where ? is optional, * multiple and + multiple with the token repeated; without the spaces after the type.
     */
    const char *arguments;
    const char *doc_flags;
    const char *deprecated_since;
    const char *replaced_by;
};

/* NULL where there is nothing to tell. */
const struct command_docs *command_docs(const struct command *command);

/* How many there are, for tests: each must belong to a command. */
size_t command_docs_total(void);

/* Answers arguments in the notation above as COMMAND DOCS does: an array of maps. */
void command_docs_reply_arguments(struct reply *reply, const char *arguments);

/* How many items @list has, separated by @mark; 0 when empty. And the next one: advances *list past it. */
size_t command_docs_count(const char *list, char mark);
struct kvs_bytes command_docs_next(const char **list, char mark);

#endif
