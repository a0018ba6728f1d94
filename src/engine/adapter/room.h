/*
 * room.h - what the files of engine/adapter share: the open engine, its marks, its queue of writes, its snapshots.
 *
 * Locks: mu (queue of writes), marks_mu, snapshots_mu, progress_mu. None is held while another is taken or the driver is called.
 */
#ifndef ENGINE_ADAPTER_ROOM_H
#define ENGINE_ADAPTER_ROOM_H

#include <stdatomic.h>

#include "base/fail.h"
#include "concurrent/mutex.h"
#include "engine/adapter/adapter.h"
#include "engine/adapter/record.h"
#include "engine/adapter/removals.h"
#include "io/env.h"

struct adapter;

enum {
    ADAPTER_OWNER_BYTES = 48
};

/* A version to read at. Its owner, iterators over it and readers from it each hold a reference. */
struct kvs_snapshot {
    struct kvs_snapshot *next; /* snapshots_mu */
    struct kvs_snapshot *prev;
    struct adapter *adapter;
    struct driver_view *view;
    unsigned refs GUARDED_BY(snapshots_mu);
    uint64_t version;
    int64_t now_ms;
    char owner[ADAPTER_OWNER_BYTES];
};

/* Something to do in the group's transaction. */
struct job {
    struct job *next;
    enum kvs_status (*apply)(struct adapter *adapter, struct driver_txn *txn, struct job *job);
    bool scans;       /* it needs cursors or range removals in the transaction */
    bool changes;     /* KVS_OK takes a version */
    uint64_t version; /* the one it would get; filled in by the leader */
    int64_t now_ms;
    const struct kvs_write *write; /* of a batch */
    size_t failed_condition;
    struct kvs_blob *blob; /* of a chunk, or of chunks that go */
    uint64_t number;       /* of a chunk; and what a job answers */
    bool done;
    enum kvs_status status;
    struct cond turn;
    char why[FAIL_TEXT_BYTES];
};

struct adapter {
    struct kvs_engine base;
    const struct driver_ops *ops;
    struct driver *driver;
    struct clock *clock;
    size_t key_max;
    bool read_only;
    bool commits_durable; /* a committed transaction is on disk */
    bool no_background;
    bool periodic_sync;
    _Atomic int64_t now_ms; /* store time: never goes back */

    struct mutex mu;
    struct job *queue GUARDED_BY(mu);
    struct job **queue_end GUARDED_BY(mu);
    bool leading GUARDED_BY(mu);

    /* Of the leader alone (or of opening and closing). */
    struct state state;
    bool state_found; /* on disk, when the store was opened or since */
    struct removals_fresh fresh;
    unsigned char *raw;  /* a raw key */
    unsigned char *raw2; /* another */

    struct mutex marks_mu;
    struct cond marks_moved;
    bool syncing GUARDED_BY(marks_mu);
    enum kvs_status failed GUARDED_BY(marks_mu); /* sticky */
    char failed_why[FAIL_TEXT_BYTES] GUARDED_BY(marks_mu);
    _Atomic uint64_t visible; /* written under marks_mu */
    _Atomic uint64_t durable;
    _Atomic uint64_t
        issued; /* before a group is committed: the highest version that it can make visible */
    _Atomic uint64_t keys[KEY_CLASSES]; /* what state.keys was at the last commit */

    struct mutex snapshots_mu;
    struct kvs_snapshot *snapshots GUARDED_BY(snapshots_mu);
    struct removals removals GUARDED_BY(snapshots_mu);

    struct mutex progress_mu;
    struct cond progress_idle;
    kvs_progress_fn *progress_fn GUARDED_BY(progress_mu);
    void *progress_ctx GUARDED_BY(progress_mu);
    unsigned progress_calls GUARDED_BY(progress_mu);

    /* The keeper: syncs when asked or due, and lets go of what has expired. */
    pthread_t keeper;
    bool keeper_runs;
    struct mutex keeper_mu;
    struct cond keeper_wake;
    bool keeper_stop GUARDED_BY(keeper_mu);
    bool sync_wanted GUARDED_BY(keeper_mu);

    _Atomic uint64_t gets;
    _Atomic uint64_t groups;
    _Atomic uint64_t batches;
    _Atomic uint64_t syncs;
    _Atomic uint64_t reclaimed;
};

static inline struct adapter *adapter_of(struct kvs_engine *engine)
{
    return (struct adapter *)(void *)engine;
}

/* adapter.c */
int64_t adapter_now_ms(struct adapter *adapter);
void adapter_tell_progress(struct adapter *adapter);

/* queue.c: runs the job in a group's transaction. KVS_CONFLICT: see failed_condition. */
KVS_MUST_CHECK enum kvs_status queue_run(struct adapter *adapter, struct job *job);

/* marks.c */
void marks_group_done(struct adapter *adapter, uint64_t version, bool durable);
void marks_fail(struct adapter *adapter, enum kvs_status status); /* with fail_text() */
KVS_MUST_CHECK enum kvs_status marks_health(struct adapter *adapter);
KVS_MUST_CHECK enum kvs_status marks_sync(struct adapter *adapter, uint64_t position);

/* snapshot.c: another reference; the oldest version somebody may read at (UINT64_MAX: none). */
void adapter_snapshot_ref(struct kvs_snapshot *snapshot);
void adapter_snapshot_unref(struct kvs_snapshot *snapshot);
uint64_t snapshot_oldest(struct adapter *adapter);
/* The state as it is in the snapshot's view; all zero in a store that was never written. */
KVS_MUST_CHECK enum kvs_status snapshot_state(const struct kvs_snapshot *snapshot,
                                              struct state *ret);

/* change.c: changes to single records within a transaction, with all that hangs on them. */
KVS_MUST_CHECK enum kvs_status change_find(struct adapter *adapter, struct driver_txn *txn,
                                           struct kvs_bytes key, struct record *ret);
KVS_MUST_CHECK enum kvs_status change_set(struct adapter *adapter, struct driver_txn *txn,
                                          const struct kvs_op *op, uint64_t version);
KVS_MUST_CHECK enum kvs_status change_remove(struct adapter *adapter, struct driver_txn *txn,
                                             struct kvs_bytes key, const struct record *record);
KVS_MUST_CHECK enum kvs_status change_remove_range(struct adapter *adapter, struct driver_txn *txn,
                                                   const struct kvs_range *range,
                                                   uint64_t *ret_removed);
KVS_MUST_CHECK enum kvs_status change_drop_chunks(struct driver_txn *txn,
                                                  const struct driver_ops *ops, uint64_t blob_id);

/* blob.c */
struct kvs_blob {
    struct adapter *adapter;
    unsigned char *bytes; /* what is not in a chunk yet */
    size_t len;
    size_t capacity;
    uint64_t id; /* 0: nothing is in chunks */
    uint32_t chunk_count;
    uint64_t total;
    bool claimed; /* by an operation of the batch being looked at */
};
/* Puts the rest of the blob's bytes into a chunk, and takes the blob off the pending ones. */
KVS_MUST_CHECK enum kvs_status adapter_blob_finish(struct kvs_blob *blob, struct driver_txn *txn);
void blob_consumed(struct kvs_blob *blob);
/* Chunks that no record owns, from a process that ended too early. */
KVS_MUST_CHECK enum kvs_status blob_drop_pending(struct adapter *adapter);

/* expire.c: lets go of up to some hundred expired records. *ret: how many. */
KVS_MUST_CHECK enum kvs_status expire_some(struct adapter *adapter, uint64_t *ret);

/* keeper.c */
KVS_MUST_CHECK enum kvs_status keeper_start(struct adapter *adapter);
void keeper_stop(struct adapter *adapter);

#endif
