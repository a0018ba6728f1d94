/*
 * snapshots.c - a small table under one mutex. The store is called with the mutex held: opening and closing a snapshot are short.
 */
#include "server/snapshots.h"

#include <errno.h>
#include <stdlib.h>

#include "base/fail.h"
#include "concurrent/mutex.h"

struct place {
    uint64_t id; /* 0: free */
    struct kvs_snapshot *snapshot;
    uint64_t expires_ns;
    unsigned users;
    bool closed; /* cannot be used any more; goes with its last user */
};

struct snapshots {
    struct mutex mu;
    struct clock *clock;
    uint64_t last_id GUARDED_BY(mu);
    unsigned count GUARDED_BY(mu);
    struct place places[SNAPSHOTS_MAX] GUARDED_BY(mu);
};

enum kvs_status snapshots_new(struct clock *clock, struct snapshots **ret)
{
    struct snapshots *snapshots = calloc(1, sizeof *snapshots);
    if (snapshots == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "snapshots");
    mutex_init(&snapshots->mu);
    snapshots->clock = clock;
    *ret = snapshots;
    return KVS_OK;
}

static void drop(struct snapshots *snapshots, struct kvs *db, struct place *place)
    REQUIRES(&snapshots->mu)
{
    place->closed = true;
    if (place->users != 0)
        return;
    kvs_snapshot_close(db, place->snapshot);
    *place = (struct place){ .id = 0 };
    snapshots->count--;
}

static struct place *find(struct snapshots *snapshots, uint64_t id) REQUIRES(&snapshots->mu)
{
    for (size_t i = 0; i < SNAPSHOTS_MAX && id != 0; i++)
        if (snapshots->places[i].id == id)
            return &snapshots->places[i];
    return NULL;
}

/* One that can be used, which one whose time has come cannot, whether or not it is closed already. */
static struct place *find_open(struct snapshots *snapshots, uint64_t id) REQUIRES(&snapshots->mu)
{
    struct place *place = find(snapshots, id);
    bool open =
        place != NULL && !place->closed && clock_monotonic_ns(snapshots->clock) < place->expires_ns;
    return open ? place : NULL;
}

void snapshots_free(struct snapshots *snapshots, struct kvs *db)
{
    if (snapshots == NULL)
        return;
    for (size_t i = 0; i < SNAPSHOTS_MAX; i++) /* nobody else is there any more */
        if (snapshots->places[i].id != 0)
            kvs_snapshot_close(db, snapshots->places[i].snapshot);
    mutex_done(&snapshots->mu);
    free(snapshots);
}

static void expire(struct snapshots *snapshots, struct kvs *db) REQUIRES(&snapshots->mu)
{
    uint64_t now_ns = clock_monotonic_ns(snapshots->clock);
    for (size_t i = 0; i < SNAPSHOTS_MAX && snapshots->count != 0; i++) {
        struct place *place = &snapshots->places[i];
        if (place->id != 0 && now_ns >= place->expires_ns)
            drop(snapshots, db, place);
    }
}

uint64_t snapshots_open(struct snapshots *snapshots, struct kvs *db, int64_t ttl_s)
{
    uint64_t id = 0;
    mutex_lock(&snapshots->mu);
    expire(snapshots, db);
    struct place *free_place = NULL;
    for (size_t i = 0; i < SNAPSHOTS_MAX && free_place == NULL; i++)
        if (snapshots->places[i].id == 0)
            free_place = &snapshots->places[i];
    if (free_place != NULL && kvs_snapshot_open(db, "SNAPSHOT", &free_place->snapshot) == KVS_OK) {
        id = ++snapshots->last_id;
        free_place->id = id;
        free_place->expires_ns =
            clock_monotonic_ns(snapshots->clock) + (uint64_t)ttl_s * UINT64_C(1000000000);
        snapshots->count++;
    }
    mutex_unlock(&snapshots->mu);
    return id;
}

const struct kvs_snapshot *snapshots_use(struct snapshots *snapshots, uint64_t id)
{
    const struct kvs_snapshot *snapshot = NULL;
    mutex_lock(&snapshots->mu);
    struct place *place = find_open(snapshots, id);
    if (place != NULL) {
        place->users++;
        snapshot = place->snapshot;
    }
    mutex_unlock(&snapshots->mu);
    return snapshot;
}

void snapshots_release(struct snapshots *snapshots, struct kvs *db, uint64_t id)
{
    mutex_lock(&snapshots->mu);
    struct place *place = find(snapshots, id);
    if (place != NULL && --place->users == 0 && place->closed)
        drop(snapshots, db, place);
    mutex_unlock(&snapshots->mu);
}

bool snapshots_close(struct snapshots *snapshots, struct kvs *db, uint64_t id)
{
    mutex_lock(&snapshots->mu);
    struct place *place = find_open(snapshots, id);
    if (place != NULL)
        drop(snapshots, db, place);
    mutex_unlock(&snapshots->mu);
    return place != NULL;
}

unsigned snapshots_expire(struct snapshots *snapshots, struct kvs *db)
{
    mutex_lock(&snapshots->mu);
    expire(snapshots, db);
    unsigned count = snapshots->count;
    mutex_unlock(&snapshots->mu);
    return count;
}

unsigned snapshots_count(struct snapshots *snapshots)
{
    mutex_lock(&snapshots->mu);
    unsigned count = snapshots->count;
    mutex_unlock(&snapshots->mu);
    return count;
}
