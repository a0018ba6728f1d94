/*
 * snapshot.c - versions to read at: a list, walked whenever somebody wants to know whether a version is still needed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/fail.h"
#include "engine/memory/room.h"

enum kvs_status memory_snapshot_open(struct kvs_engine *base, const char *owner,
                                     struct kvs_snapshot **ret)
{
    struct memory_engine *engine = memory_engine_of(base);
    struct kvs_snapshot *snapshot = calloc(1, sizeof *snapshot);
    if (snapshot == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "snapshot");
    (void)snprintf(snapshot->owner, sizeof snapshot->owner, "%s", owner);
    mutex_lock(&engine->mu);
    snapshot->view = memory_view_of(engine, NULL);
    snapshot->next = engine->snapshots;
    engine->snapshots = snapshot;
    mutex_unlock(&engine->mu);
    *ret = snapshot;
    return KVS_OK;
}

uint64_t memory_snapshot_version(const struct kvs_snapshot *snapshot)
{
    return snapshot->view.version;
}

void memory_snapshot_close(struct kvs_engine *base, struct kvs_snapshot *snapshot)
{
    if (snapshot == NULL)
        return;
    struct memory_engine *engine = memory_engine_of(base);
    mutex_lock(&engine->mu);
    struct kvs_snapshot **link = &engine->snapshots;
    while (*link != NULL && *link != snapshot)
        link = &(*link)->next;
    CHECK(*link == snapshot);
    *link = snapshot->next;
    if (engine->old_versions != 0)
        memory_table_prune_all(engine);
    mutex_unlock(&engine->mu);
    free(snapshot);
}
