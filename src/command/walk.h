/*
 * walk.h - going through a range of keys, and collecting what is to be answered. Private to the room.
 *
 * A walk sees one version of the store: through the transaction inside EXEC (its own writes included), past it otherwise.
 */
#ifndef COMMAND_WALK_H
#define COMMAND_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "command/bound.h"
#include "command/command.h"

enum {
    SEEN_ON_LOOP_MAX = 512 /* keys that a thread which may not wait looks at in one command */
};

/* Zero it, release it with walk_done(). */
struct walk {
    struct command_ctx *ctx;
    struct kvs_iterator *iterator; /* past the transaction */
    struct kvs_txn_iterator *txn_iterator;
    uint64_t seen; /* keys */
};

KVS_MUST_CHECK enum kvs_status walk_open(struct command_ctx *ctx, const struct bounds *bounds,
                                         bool reverse, struct walk *ret);

/*
 * The next key; *ret is lent until the next call. KVS_NOT_FOUND: no more. KVS_WOULD_BLOCK also when a thread that may not wait
 * has seen as many keys as is decent: the command starts again on one that may.
 */
KVS_MUST_CHECK enum kvs_status walk_next(struct walk *walk, struct kvs_entry *ret);

void walk_done(struct walk *walk);

/*
 * The elements of an array, whose number must be known before the first can be answered. At most DATA_REPLY_BYTES_MAX. Zero it with harvest_init(), release it with harvest_done().
 */
struct harvest {
    struct command_ctx *ctx;
    struct buf
        elements; /* each: a uint64_t length, then the bytes, or a struct kvs_reader * for what is streamed */
    uint64_t bytes; /* of the reply */
    size_t count;
};

void harvest_init(struct harvest *harvest, struct command_ctx *ctx);
void harvest_done(struct harvest *harvest);

/* Adds a copy of @bytes. KVS_TOO_LONG: the harvest is full, nothing was added. KVS_WOULD_BLOCK: too much for a thread that may not
 * wait. KVS_NO_MEMORY. */
KVS_MUST_CHECK enum kvs_status harvest_bytes(struct harvest *harvest, struct kvs_bytes bytes);

/* Adds the value of an entry that @walk has just returned. Also what reading can answer. */
KVS_MUST_CHECK enum kvs_status harvest_value(struct harvest *harvest, const struct walk *walk,
                                             const struct kvs_entry *entry);

/* How far the harvest has come, and back to there: what was added since is dropped. */
struct harvest_mark {
    size_t len;
    uint64_t bytes;
    size_t count;
};
struct harvest_mark harvest_mark(const struct harvest *harvest);
void harvest_rewind(struct harvest *harvest, struct harvest_mark mark);

/* Answers the array; the harvest is empty then. */
KVS_MUST_CHECK enum kvs_status harvest_reply(struct harvest *harvest);

#endif
