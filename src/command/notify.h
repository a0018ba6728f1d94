/*
 * notify.h - keyspace notifications: which event a write is, by the command that made it. Private to the room.
 */
#ifndef COMMAND_NOTIFY_H
#define COMMAND_NOTIFY_H

#include "command/command.h"

/* One class or more of events, of the setting notify-keyspace-events. */
enum notify_class {
    NOTIFY_KEYSPACE = 1u << 0, /* K */
    NOTIFY_KEYEVENT = 1u << 1, /* E */
    NOTIFY_GENERIC = 1u << 2,  /* g */
    NOTIFY_STRING = 1u << 3,   /* $ */
    NOTIFY_LIST = 1u << 4,     /* l */
    NOTIFY_SET = 1u << 5,      /* s */
    NOTIFY_HASH = 1u << 6,     /* h */
    NOTIFY_ZSET = 1u << 7,     /* z */
    NOTIFY_EXPIRED = 1u << 8,  /* x */
    NOTIFY_EVICTED = 1u << 9,  /* e */
    NOTIFY_STREAM = 1u << 10,  /* t */
    NOTIFY_MISS = 1u << 11,    /* m */
    NOTIFY_MODULE = 1u << 12,  /* d */
    NOTIFY_NEW = 1u << 13,     /* n */
    NOTIFY_ALL = NOTIFY_GENERIC | NOTIFY_STRING | NOTIFY_LIST | NOTIFY_SET | NOTIFY_HASH |
                 NOTIFY_ZSET | NOTIFY_EXPIRED | NOTIFY_EVICTED | NOTIFY_STREAM | NOTIFY_MODULE,
};

/* The classes that a setting's text names; false: it has another character. And the text of classes, as Redis shows it. */
bool notify_parse(const char *text, unsigned *ret_classes);
void notify_print(unsigned classes, char ret[24]);

/* Tells of @event in @class when that is among @classes. */
void notify_event(const struct host *host, unsigned classes, enum notify_class class,
                  const char *event, unsigned space, struct kvs_bytes key, uint64_t position);

/* Tells of what @command did to a key: set it (to run out when @expire_ms is not 0; @keeps_time: as it did before) or removed it. */
void notify_set(const struct host *host, unsigned classes, const struct command *command,
                bool keeps_time, unsigned space, struct kvs_bytes key, int64_t expire_ms,
                uint64_t position);
void notify_removed(const struct host *host, unsigned classes, const struct command *command,
                    unsigned space, struct kvs_bytes key, uint64_t position);

#endif
