/*
 * snapshots.h - the snapshots of SNAPSHOT OPEN: numbered, bounded in number, each with a time to live after which it is closed. One in
 * use is closed when its last user is done. Numbers are not given twice. Thread: any.
 */
#ifndef SERVER_SNAPSHOTS_H
#define SERVER_SNAPSHOTS_H

#include <stdbool.h>
#include <stdint.h>

#include <kvs/kvs.h>

#include "io/clock.h"

struct snapshots;

enum {
    SNAPSHOTS_MAX = 64
};

KVS_MUST_CHECK enum kvs_status snapshots_new(struct clock *clock, struct snapshots **ret);

/* Closes what is left; before the store is. NULL is allowed. */
void snapshots_free(struct snapshots *snapshots, struct kvs *db);

/* A new one; 0: there are SNAPSHOTS_MAX already, or the store could not open one. */
uint64_t snapshots_open(struct snapshots *snapshots, struct kvs *db, int64_t ttl_s);

/* Lends it until snapshots_release(). NULL: there is none of that number (any more). */
const struct kvs_snapshot *snapshots_use(struct snapshots *snapshots, uint64_t id);
void snapshots_release(struct snapshots *snapshots, struct kvs *db, uint64_t id);

/* False: there is none of that number. */
bool snapshots_close(struct snapshots *snapshots, struct kvs *db, uint64_t id);

/* Closes those whose time has come; to be called about once a second. Returns how many are open. */
unsigned snapshots_expire(struct snapshots *snapshots, struct kvs *db);

/* How many are open. */
unsigned snapshots_count(struct snapshots *snapshots);

#endif
