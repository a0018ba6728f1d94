/*
 * notify.c - the events of the commands, and the channels they are published on.
 */
#include "command/notify.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "command/families.h"

static const struct {
    char letter;
    unsigned class;
} letters[] = {
    /* in the order in which Redis shows them */
    { 'g', NOTIFY_GENERIC }, { '$', NOTIFY_STRING },   { 'l', NOTIFY_LIST },
    { 's', NOTIFY_SET },     { 'h', NOTIFY_HASH },     { 'z', NOTIFY_ZSET },
    { 'x', NOTIFY_EXPIRED }, { 'e', NOTIFY_EVICTED },  { 't', NOTIFY_STREAM },
    { 'd', NOTIFY_MODULE },  { 'K', NOTIFY_KEYSPACE }, { 'E', NOTIFY_KEYEVENT },
    { 'm', NOTIFY_MISS },    { 'n', NOTIFY_NEW },
};

enum {
    LETTER_COUNT = sizeof letters / sizeof letters[0]
};

bool notify_parse(const char *text, unsigned *ret_classes)
{
    unsigned classes = 0;
    for (const char *c = text; *c != '\0'; c++) {
        unsigned class = *c == 'A' ? NOTIFY_ALL : 0;
        for (size_t i = 0; i < LETTER_COUNT; i++)
            if (letters[i].letter == *c)
                class = letters[i].class;
        if (class == 0)
            return false;
        classes |= class;
    }
    *ret_classes = classes;
    return true;
}

void notify_print(unsigned classes, char ret[24])
{
    size_t len = 0;
    bool all = (classes & NOTIFY_ALL) == NOTIFY_ALL;
    if (all)
        ret[len++] = 'A';
    for (size_t i = 0; i < LETTER_COUNT; i++)
        if ((classes & letters[i].class) != 0 && !(all && (letters[i].class & NOTIFY_ALL) != 0))
            ret[len++] = letters[i].letter;
    ret[len] = '\0';
}

static void publish(const struct host *host, struct kvs_bytes channel, struct kvs_bytes message,
                    uint64_t position)
{
    uint64_t receivers;
    /* it has happened: nothing refuses it, nobody waits */
    (void)host->publish(host->ctx, HOST_CHANNEL, channel, message, position, HOST_PRESSURE_IGNORE,
                        &receivers);
}

void notify_event(const struct host *host, unsigned classes, enum notify_class class,
                  const char *event, unsigned space, struct kvs_bytes key, uint64_t position)
{
    if ((classes & class) == 0 || host->publish == NULL)
        return;
    char prefix[64];
    struct buf channel;
    buf_init(&channel, key.len + sizeof prefix);
    if ((classes & NOTIFY_KEYSPACE) != 0) {
        buf_printf(&channel, "__keyspace@%u__:", space);
        buf_append_bytes(&channel, key);
        if (channel.failed == KVS_OK)
            publish(host, buf_bytes(&channel), bytes_str(event), position);
    }
    if ((classes & NOTIFY_KEYEVENT) != 0) {
        (void)snprintf(prefix, sizeof prefix, "__keyevent@%u__:%s", space, event);
        publish(host, bytes_str(prefix), key, position);
    }
    buf_done(&channel);
}

/* What a write is called; NULL: nothing is said of it. */
struct row {
    command_fn *run;
    unsigned set_class;
    const char *set;
    const char *removed;
};

static const struct row rows[] = {
    { cmd_append, NOTIFY_STRING, "append", "del" },
    { cmd_decr, NOTIFY_STRING, "incrby", "del" },
    { cmd_decrby, NOTIFY_STRING, "incrby", "del" },
    { cmd_incr, NOTIFY_STRING, "incrby", "del" },
    { cmd_incrby, NOTIFY_STRING, "incrby", "del" },
    { cmd_incrbyfloat, NOTIFY_STRING, "incrbyfloat", "del" },
    { cmd_setrange, NOTIFY_STRING, "setrange", "del" },
    { cmd_expire, NOTIFY_GENERIC, "expire", "del" },
    { cmd_expireat, NOTIFY_GENERIC, "expire", "del" },
    { cmd_pexpire, NOTIFY_GENERIC, "expire", "del" },
    { cmd_pexpireat, NOTIFY_GENERIC, "expire", "del" },
    { cmd_persist, NOTIFY_GENERIC, "persist", "del" },
    { cmd_rename, NOTIFY_GENERIC, "rename_to", "rename_from" },
    { cmd_renamenx, NOTIFY_GENERIC, "rename_to", "rename_from" },
};

/* Commands of other families, whose functions other versions may not have, by name. */
static const struct {
    const char *name;
    unsigned set_class;
    const char *set;
    const char *removed;
} named_rows[] = {
    { "BITFIELD", NOTIFY_STRING, "setbit", "del" },
    { "SETBIT", NOTIFY_STRING, "setbit", "del" },
    { "COPY", NOTIFY_GENERIC, "copy_to", "del" },
    { "MOVE", NOTIFY_GENERIC, "move_to", "move_from" },
    { "RESTORE", NOTIFY_GENERIC, "restore", "del" },
};

static struct row find(const struct command *command)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (command != NULL && rows[i].run == command->run)
            return rows[i];
    for (size_t i = 0; i < sizeof named_rows / sizeof named_rows[0]; i++)
        if (command != NULL && strcmp(named_rows[i].name, command->name) == 0)
            return (struct row){ NULL, named_rows[i].set_class, named_rows[i].set,
                                 named_rows[i].removed };
    return (struct row){ NULL, NOTIFY_STRING, "set", "del" };
}

void notify_set(const struct host *host, unsigned classes, const struct command *command,
                bool keeps_time, unsigned space, struct kvs_bytes key, int64_t expire_ms,
                uint64_t position)
{
    if (command != NULL && command->run == cmd_getex) {
        notify_event(host, classes, NOTIFY_GENERIC, expire_ms != 0 ? "expire" : "persist", space,
                     key, position);
        return;
    }
    struct row row = find(command);
    notify_event(host, classes, (enum notify_class)row.set_class, row.set, space, key, position);
    bool timed = command != NULL && (command->run == cmd_set || command->run == cmd_setex ||
                                     command->run == cmd_psetex);
    if (timed && !keeps_time && expire_ms != 0)
        notify_event(host, classes, NOTIFY_GENERIC, "expire", space, key, position);
}

void notify_removed(const struct host *host, unsigned classes, const struct command *command,
                    unsigned space, struct kvs_bytes key, uint64_t position)
{
    notify_event(host, classes, NOTIFY_GENERIC, find(command).removed, space, key, position);
}
