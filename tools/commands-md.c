/*
 * commands-md - docs/commands.md from the command table. `commands-md --check FILE` compares.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "command/command.h"
#include "tools/document.h"

static const char head[] =
    "# Commands\n"
    "\n"
    "This file is made from the command table (`src/command/table.c`) by `commands-md`; edit that, "
    "not this.\n"
    "Commands, their options, replies and error texts are those of Redis 7.0. Ours have their own "
    "section.\n"
    "\n"
    "## Not implemented\n"
    "\n"
    "These answer `ERR unknown command`, never a wrong result:\n"
    "\n"
    "- scripts and functions: `EVAL` `EVAL_RO` `EVALSHA` `EVALSHA_RO` `SCRIPT` `FCALL` `FCALL_RO` "
    "`FUNCTION`\n"
    "- replication, cluster, failover: `REPLICAOF` `SLAVEOF` `PSYNC` `SYNC` `REPLCONF` `ROLE` "
    "`FAILOVER` "
    "`CLUSTER` `ASKING` `READONLY` `READWRITE` `MIGRATE`\n"
    "- modules: `MODULE`\n"
    "- collections: every command on hashes, lists, sets, sorted sets, streams, HyperLogLogs and "
    "geographic positions\n"
    "- of the server: `ACL` `LATENCY` `DEBUG` `BGREWRITEAOF` "
    "`LOLWUT`, "
    "`CONFIG REWRITE`, `COMMAND` beside what is listed below\n"
    "\n"
    "## How they differ\n"
    "\n"
    "- A write is answered when it is on disk (`durability always`, the default), and a read when "
    "what it shows is.\n"
    "- `SAVE` and `BGSAVE` make durable what is not yet; nothing is dumped, nothing forks.\n"
    "- `FLUSHDB` and `FLUSHALL` take one step whatever the number of keys; `ASYNC` and `SYNC` are "
    "the same.\n"
    "- Keys are kept in byte order. `SCAN` returns every key that was there from its beginning to "
    "its end exactly once.\n"
    "- `DUMP` does not compress; `RESTORE` takes every form of a string that Redis writes, and no "
    "other type.\n"
    "- `OBJECT` tells what Redis would of a value just set; `OBJECT IDLETIME` is 0: when a key was "
    "last used is not kept.\n"
    "- `WAIT` is a barrier: it answers 0, as there are no replicas, when everything written before "
    "it is on disk.\n"
    "- Every difference that a program could see is in [differences.md](differences.md).\n"
    "- `MULTI` queues at most 64 MiB; `WATCH` keeps at most 1 MiB of keys.\n"
    "- A message that a client sends to itself (RESP3) comes behind the answer of the command that "
    "sent it, and out of `EXEC` behind the whole answer, as in Redis from 7.2 on. All subscribers "
    "see all messages in one order. A client subscribes to at most 64 MiB of names.\n";

struct group {
    const char *name;
    const char *title;
};

static const struct group groups[] = {
    { "string", "Strings" },
    { "bitmap", "Bits" },
    { "generic", "Keys" },
    { "ordered", "Ordered keys (ours)" },
    { "transactions", "Transactions" },
    { "pubsub", "Publish and subscribe" },
    { "connection", "Connections" },
    { "server", "Server" },
};

static void print_command(FILE *out, const struct command *command)
{
    char name[64];
    (void)snprintf(name, sizeof name, "%s", command->name);
    char *bar = strchr(name, '|');
    if (bar != NULL)
        *bar = ' ';
    (void)fprintf(out, "- `%s%s%s`  \n  %s%s  \n  *%s %s; %s*\n", name,
                  command->syntax[0] != '\0' ? " " : "", command->syntax, command->summary,
                  command->summary[strlen(command->summary) - 1] == '.' ? "" : ".",
                  (command->flags & COMMAND_OURS) != 0 ? "since kvs" : "as in Redis since",
                  command->since, command->complexity);
}

static bool print_document(FILE *out)
{
    size_t count;
    const struct command *table = command_table(&count);
    size_t printed = 0;
    (void)fputs(head, out);
    for (size_t g = 0; g < sizeof groups / sizeof groups[0]; g++) {
        (void)fprintf(out, "\n## %s\n\n", groups[g].title);
        for (size_t i = 0; i < count; i++) {
            if (strcmp(table[i].group, groups[g].name) != 0)
                continue;
            printed++;
            if (table[i].run != NULL)
                print_command(out, &table[i]);
        }
    }
    if (printed != count)
        (void)fprintf(stderr, "commands-md: %zu commands are in a group that has no title here\n",
                      count - printed);
    return printed == count && ferror(out) == 0;
}

int main(int argc, char **argv)
{
    return document_main("commands-md", print_document, argc, argv);
}
