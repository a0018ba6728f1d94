/*
 * queue.c - many writers, one transaction: who finds no leader leads, takes what has queued up, applies it job by job, and
 * commits once.
 *
 * A job that fails (not one whose condition does not hold) spoils the transaction: it is aborted and the others are applied
 * again without the culprit. So a job's apply() may run several times, and may change nothing outside the transaction
 * but what is saved and put back here: the counts and the fresh removals. A failed commit fails the group.
 *
 * Where cursors do not see a transaction's own changes, a job that scans is the first of its group that changes anything.
 */
#include <string.h>

#include "base/check.h"
#include "engine/adapter/room.h"

enum {
    GROUP_JOBS_MAX = 256
};

#define VERSION_LEASE (UINT64_C(1) << 32)

/* What a transaction that is not committed has changed in memory. */
struct saved {
    uint64_t keys[KEY_CLASSES];
    size_t fresh_count;
    uint64_t fresh_forgotten;
};

static void state_save(const struct adapter *adapter, struct saved *saved)
{
    memcpy(saved->keys, adapter->state.keys, sizeof saved->keys);
    saved->fresh_count = adapter->fresh.count;
    saved->fresh_forgotten = adapter->fresh.forgotten;
}

static void state_restore(struct adapter *adapter, const struct saved *saved)
{
    memcpy(adapter->state.keys, saved->keys, sizeof saved->keys);
    removals_cut(&adapter->fresh, saved->fresh_count, saved->fresh_forgotten);
}

/* A group under way. */
struct group {
    struct job *jobs; /* a list; settled ones have failed already */
    struct job *rest; /* where this transaction ends; NULL: takes all */
    struct job *culprit;
    uint64_t version; /* of the last job that changes something */
    bool changes;
};

static bool settled(const struct job *job)
{
    return job->status != KVS_OK && job->status != KVS_CONFLICT;
}

static void job_fail(struct job *job, enum kvs_status status)
{
    job->status = status;
    fail_save(job->why);
}

static void group_apply(struct adapter *adapter, struct driver_txn *txn, struct group *group)
{
    group->version = adapter->state.version;
    group->changes = false;
    group->culprit = NULL;
    struct job *job = group->jobs;
    for (; job != NULL; job = job->next) {
        if (settled(job))
            continue;
        if (job->scans && group->changes && !adapter->ops->cursors_see_changes)
            break;
        job->version = group->version + 1;
        job->now_ms = adapter_now_ms(adapter);
        job->status = job->apply(adapter, txn, job);
        if (settled(job)) {
            job_fail(job, job->status);
            group->culprit = job;
            return;
        }
        if (job->status == KVS_OK && job->changes) {
            group->version++;
            group->changes = true;
        }
    }
    group->rest = job;
}

static enum kvs_status put_state(struct adapter *adapter, struct driver_txn *txn, uint64_t version)
{
    unsigned char bytes[STATE_BYTES_MAX];
    unsigned char key[SMALL_KEY_BYTES];
    struct state *state = &adapter->state;
    state->version = version;
    while (state->ceiling < version)
        state->ceiling += VERSION_LEASE;
    state->now_ms = adapter_now_ms(adapter);
    size_t len = state_encode(state, bytes);
    struct driver_value value = { .head = { bytes, len } };
    return adapter->ops->txn_put(txn, raw_section(SECTION_STATE, key), value);
}

static enum kvs_status group_commit(struct adapter *adapter, struct driver_txn *txn,
                                    const struct group *group)
{
    uint64_t ceiling = adapter->state.ceiling;
    enum kvs_status status = put_state(adapter, txn, group->version);
    if (status != KVS_OK) {
        adapter->ops->txn_abort(txn);
        return status;
    }
    /* release: a reader that sees the group's changes finds at least this. pairs with: absence_position */
    atomic_store_explicit(&adapter->issued, group->version, memory_order_release);
    status = adapter->ops->txn_commit(txn);
    if (status == KVS_OK && adapter->state.ceiling != ceiling && !adapter->commits_durable)
        status = adapter->ops->sync(
            adapter->driver); /* no version above the old ceiling goes out before this */
    return status;
}

static void removals_publish(struct adapter *adapter, uint64_t version)
{
    if (adapter->fresh.count == 0 && adapter->fresh.forgotten == 0)
        return;
    mutex_lock(&adapter->snapshots_mu);
    bool keep = false;
    for (const struct kvs_snapshot *snapshot = adapter->snapshots; snapshot != NULL && !keep;
         snapshot = snapshot->next)
        keep = snapshot->version < version;
    removals_add(&adapter->removals, &adapter->fresh, keep);
    mutex_unlock(&adapter->snapshots_mu);
}

static void publish_counts(struct adapter *adapter, const struct saved *before)
{
    for (unsigned i = 0; i < KEY_CLASSES; i++)
        if (adapter->state.keys[i] != before->keys[i])
            /* release: the count is of a group that is issued. pairs with: count_now */
            atomic_store_explicit(&adapter->keys[i], adapter->state.keys[i], memory_order_release);
}

static void group_fail(struct group *group, enum kvs_status status)
{
    for (struct job *job = group->jobs; job != group->rest; job = job->next)
        if (!settled(job))
            job_fail(job, status);
}

/* Runs what @jobs begins with in one transaction. Returns the jobs that are left for another one. */
static struct job *group_run(struct adapter *adapter, struct job *jobs)
{
    struct group group = { .jobs = jobs };
    struct saved saved;
    state_save(adapter, &saved);
    struct driver_txn *txn;
    enum kvs_status status;
    do {
        group.rest = NULL;
        status = marks_health(adapter);
        if (status == KVS_OK)
            status = adapter->ops->txn_begin(adapter->driver, &txn);
        if (status != KVS_OK) {
            group_fail(&group, status);
            return NULL;
        }
        group_apply(adapter, txn, &group);
        if (group.culprit != NULL || !group.changes)
            adapter->ops->txn_abort(txn);
        if (group.culprit != NULL)
            state_restore(adapter, &saved);
    } while (group.culprit != NULL);
    if (!group.changes)
        return group.rest;

    status = group_commit(adapter, txn, &group);
    if (status == KVS_OK) {
        removals_publish(adapter, group.version);
        publish_counts(adapter, &saved);
    } else {
        state_restore(adapter, &saved);
        group_fail(&group, status);
        if (status == KVS_IO)
            marks_fail(adapter, status); /* nobody knows what of it is on disk */
    }
    adapter->state.version = group.version; /* not given again, even if the commit has failed */
    atomic_fetch_add_explicit(&adapter->groups, 1, memory_order_relaxed); /* relaxed: a figure */
    marks_group_done(adapter, group.version, adapter->commits_durable);
    return group.rest;
}

/* Takes the first jobs off the queue. */
static struct job *take_jobs(struct adapter *adapter) REQUIRES(adapter->mu)
{
    struct job *first = adapter->queue;
    struct job *last = first;
    for (int i = 1; i < GROUP_JOBS_MAX && last->next != NULL; i++)
        last = last->next;
    adapter->queue = last->next;
    if (adapter->queue == NULL)
        adapter->queue_end = &adapter->queue;
    last->next = NULL;
    return first;
}

static void finish_jobs(struct adapter *adapter, struct job *jobs, struct job *rest)
    REQUIRES(adapter->mu)
{
    for (struct job *job = jobs; job != rest;) {
        struct job *next = job->next; /* once done it may be gone */
        job->done = true;
        cond_signal(&job->turn);
        job = next;
    }
    if (rest == NULL)
        return;
    struct job *last = rest;
    while (last->next != NULL)
        last = last->next;
    last->next = adapter->queue;
    if (adapter->queue == NULL)
        adapter->queue_end = &last->next;
    adapter->queue = rest;
}

static void lead(struct adapter *adapter) REQUIRES(adapter->mu)
{
    struct job *jobs = take_jobs(adapter);
    mutex_unlock(&adapter->mu);
    struct job *rest = group_run(adapter, jobs);
    adapter_tell_progress(adapter);
    mutex_lock(&adapter->mu);
    finish_jobs(adapter, jobs, rest);
}

enum kvs_status queue_run(struct adapter *adapter, struct job *job)
{
    job->next = NULL;
    job->done = false;
    job->status = KVS_OK;
    cond_init(&job->turn);
    mutex_lock(&adapter->mu);
    *adapter->queue_end = job;
    adapter->queue_end = &job->next;
    while (!job->done && (adapter->leading || adapter->queue != job))
        cond_wait(&job->turn, &adapter->mu);
    if (!job->done) {
        adapter->leading = true;
        lead(adapter);
        adapter->leading = false;
        CHECK(job->done);
        if (adapter->queue != NULL)
            cond_signal(&adapter->queue->turn);
    }
    mutex_unlock(&adapter->mu);
    cond_done(&job->turn);
    if (settled(job))
        return fail_restore(job->status, job->why);
    return job->status;
}
