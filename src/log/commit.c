/*
 * commit.c - group commit: many appenders, one write, one sync.
 *
 * Invariant: durable <= written <= appended, and all three only grow. A position counts as durable when every main segment
 * is synced up to it, and every side segment up to what was appended before that position was published.
 *
 * The leaders. At most one thread leads the writing and at most one the syncing (claims taken by compare-and-swap, so nobody
 * queues for them). Who leads the writing seals the group under the append lock, lets go of the lock, and writes what is sealed. Who
 * leads the syncing does that first, gives the writing up, and syncs what was written; so while a sync is under way, however long, the
 * next group gathers and may be written. A caller of log_wait_durable() or log_wait_written() that finds no leader leads, else the
 * committer thread, or, where weak writes are the rule, the writer thread. What they need of older segments cannot change under
 * them: sealed bytes are final, frames stay until written; only who leads the writing moves `written` of main segments, and only who leads
 * the syncing `synced`. When one is done it moves the marks, gives up the claim and opens the gate: those whose position is
 * reached leave without meeting anyone, the first of the others leads next.
 *
 * Tried on paper and left: two syncs of one segment at once. The kernel tells a failure of writing back to one of the two calls only, so the
 * other could acknowledge what is lost; it would take a second open file for each segment.
 *
 * Order within one round: write groups; sync side segments; sync main segments, oldest first; advance durable; when nothing has
 * followed meanwhile, take the writing again and write an end marker with the new durable position where the next group's header will be. The marker
 * is not synced: it only ever tells more than its absence.
 *
 * Failure: a failed write or sync is never retried (the kernel may have dropped the dirty pages). The log stops accepting
 * writes, every waiter gets KVS_READ_ONLY with the first error's text, durable stays where it is.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>

#include "base/check.h"
#include "log/state.h"

/* ---- Leadership ---- */

static bool claim_take(_Atomic bool *claim)
{
    bool taken = false;
    /* acquire: what the leader before left behind. pairs with: claim_give */
    return !atomic_load_explicit(claim, memory_order_relaxed) &&
           atomic_compare_exchange_strong_explicit(claim, &taken, true, memory_order_acquire,
                                                   memory_order_relaxed);
}

static void claim_give(struct log *log, _Atomic bool *claim)
{
    /* release: pairs with: claim_take */
    atomic_store_explicit(claim, false, memory_order_release);
    gate_notify(&log->gate);
}

/* The syncer needs the writing for a moment: nobody has it for longer than a write. */
static void claim_wait(struct log *log, _Atomic bool *claim)
{
    for (;;) {
        uint32_t ticket = gate_ticket(&log->gate);
        if (claim_take(claim))
            return;
        gate_wait(&log->gate, ticket, GATE_FOR_EVER);
    }
}

static bool committer_has_work(struct log *log)
{
    /* relaxed: asked again after the bell. */
    return atomic_load_explicit(&log->want_sync, memory_order_relaxed) > log_durable(log) ||
           (!log->writer_runs && atomic_load_explicit(&log->want_write, memory_order_relaxed));
}

/* ---- One round ---- */

/* What one round covers: the main segments first..last, the last one up to last_to. */
struct round {
    struct segment *first;
    struct segment *first_unwritten;
    struct segment *last;
    uint64_t last_to;
};

static uint64_t round_end_of(const struct round *round, const struct segment *segment)
{
    return segment == round->last ? round->last_to : extent_get(&segment->end);
}

static bool round_begin(struct log *log, struct round *ret)
{
    mutex_lock(&log->append_mu);
    append_seal_group(log);
    *ret = (struct round){ .first = log->commit_head,
                           .first_unwritten = log->write_head,
                           .last = log->active,
                           .last_to = log->group_off };
    mutex_unlock(&log->append_mu);
    return ret->last != NULL;
}

static enum kvs_status round_write(struct log *log, const struct round *round)
{
    for (struct segment *segment = round->first_unwritten;; segment = segment->commit_next) {
        uint64_t from = extent_get(&segment->written);
        uint64_t to = round_end_of(round, segment);
        if (from < to) {
            CHECK(to <= extent_get(&segment->allocated));
            enum kvs_status status = segment->file->ops->write(
                segment->file, from, segment->frame->data + from, (size_t)(to - from));
            if (status != KVS_OK)
                return status;
            extent_set(&segment->written, to);
            atomic_fetch_sub_explicit(&log->unwritten_bytes, to - from,
                                      memory_order_relaxed); /* relaxed: a bound */
            stat_add(&log->stat_written_bytes, to - from);
            /* release: pairs with: log_written */
            atomic_store_explicit(&log->written, segment->header.base + to, memory_order_release);
        }
        if (segment == round->last)
            break;
    }
    mutex_lock(&log->append_mu);
    log->write_head = round->last;
    mutex_unlock(&log->append_mu);
    return KVS_OK;
}

static enum kvs_status round_sync(struct log *log, const struct round *round)
{
    enum kvs_status status = side_sync_all(log);
    for (struct segment *segment = round->first; status == KVS_OK; segment = segment->commit_next) {
        uint64_t to = round_end_of(round, segment);
        if (extent_get(&segment->synced) < to) {
            status = segment->file->ops->sync(segment->file);
            if (status != KVS_OK)
                break;
            stat_add(&log->stat_syncs, 1);
            extent_set(&segment->synced, to);
            /* release: pairs with: log_durable */
            atomic_store_explicit(&log->durable, segment->header.base + to, memory_order_release);
        }
        if (segment == round->last)
            break;
    }
    return status;
}

/* The main segments before the last one are complete on disk. */
static void round_forget(struct log *log, const struct round *round)
{
    mutex_lock(&log->append_mu);
    while (log->commit_head != round->last) {
        struct segment *done = log->commit_head;
        log->commit_head = done->commit_next;
        segment_unref(done); /* held since append_activate() */
    }
    mutex_unlock(&log->append_mu);
}

/* Says where the durable log ends, if it ends where this round did. With the writing held: nobody puts a header there meanwhile. */
static enum kvs_status write_end_marker(struct log *log, const struct round *round, uint32_t flags)
{
    mutex_lock(&log->append_mu);
    bool idle = log->active == round->last && log->group_off == round->last_to &&
                log->tail_off == round->last_to + GROUP_HEADER_BYTES;
    uint32_t chain = log->chain;
    mutex_unlock(&log->append_mu);
    if (!idle)
        return KVS_OK; /* the next group's header will say it */
    const struct segment *last = round->last;
    struct group_header header = {
        .position = last->header.base + round->last_to,
        .flags = flags,
        .durable = log_durable(log),
        .previous = chain,
        .session = atomic_load_explicit(&log->session,
                                        memory_order_relaxed), /* relaxed: set before any append */
        .time_ms = log_now_ms(log),
    };
    uint8_t bytes[GROUP_HEADER_BYTES];
    (void)group_header_encode(&header, last->seed, round->last_to, bytes);
    return last->file->ops->write(last->file, round->last_to, bytes, sizeof bytes);
}

/* With the writing held: everything published goes to the segments. False in *ret_any: there is no segment yet. */
static enum kvs_status lead_write(struct log *log, struct round *round, bool *ret_any)
{
    enum kvs_status status = log_failure(log);
    *ret_any = status == KVS_OK && round_begin(log, round);
    if (*ret_any)
        status = round_write(log, round);
    return status;
}

/* With the syncing held. While the disk is busy, others may write what comes next. */
static enum kvs_status lead_sync(struct log *log)
{
    struct round round;
    bool any;
    claim_wait(log, &log->writing);
    enum kvs_status status = lead_write(log, &round, &any);
    claim_give(log, &log->writing);
    if (status != KVS_OK || !any ||
        (round.first == round.last && extent_get(&round.last->synced) >= round.last_to))
        return status;
    status = round_sync(log, &round);
    if (status != KVS_OK)
        return status;
    round_forget(log, &round);
    if (claim_take(&log->writing)) { /* else more is on its way already */
        status = write_end_marker(log, &round, 0);
        claim_give(log, &log->writing);
    }
    return status;
}

bool commit_try_lead(struct log *log, bool sync)
{
    _Atomic bool *claim = sync ? &log->syncing : &log->writing;
    if (!claim_take(claim))
        return false;
    struct round round;
    bool any;
    enum kvs_status status = sync ? lead_sync(log) : lead_write(log, &round, &any);
    if (status != KVS_OK)
        (void)log_fail(log, status); /* everybody sees it there */
    claim_give(log, claim);
    if (log->committer_runs && committer_has_work(log))
        gate_notify(&log->work);
    commit_progress(log);
    return true;
}

/* ---- Waiting and asking ---- */

/* In the segments. */
static uint64_t segments_written(struct log *log)
{
    return atomic_load_explicit(&log->written, memory_order_acquire); /* pairs with: round_write */
}

uint64_t log_written(struct log *log)
{
    uint64_t written = segments_written(log);
    uint64_t staged =
        atomic_load_explicit(&log->staged, memory_order_acquire); /* pairs with: stage_batch */
    return staged > written ? staged : written;
}

uint64_t log_durable(struct log *log)
{
    return atomic_load_explicit(&log->durable, memory_order_acquire); /* pairs with: round_sync */
}

static enum kvs_status wait_for(struct log *log, uint64_t position, bool sync)
{
    uint64_t last = log_last_version(log);
    if (position > last) {
        /* A batch may be readable a moment before it is published: behind the lock it is. */
        mutex_lock(&log->append_mu);
        last = log_last_version(log);
        mutex_unlock(&log->append_mu);
    }
    if (position > last)
        position = last; /* nothing beyond exists to wait for */
    for (;;) {
        uint32_t ticket = gate_ticket(&log->gate);
        if ((sync ? log_durable(log) : log_written(log)) >= position)
            return KVS_OK;
        enum kvs_status status = log_failure(log);
        if (status != KVS_OK)
            return status;
        if (!commit_try_lead(log, sync))
            gate_wait(&log->gate, ticket, GATE_FOR_EVER);
    }
}

enum kvs_status log_wait_durable(struct log *log, uint64_t position)
{
    return wait_for(log, position, true);
}

enum kvs_status log_wait_written(struct log *log, uint64_t position)
{
    return wait_for(log, position, false);
}

void log_request_sync(struct log *log, uint64_t position)
{
    if (!log->background || position <= log_durable(log))
        return;
    /* relaxed: the bell orders it; a larger wish stays. */
    uint64_t wish = atomic_load_explicit(&log->want_sync, memory_order_relaxed);
    while (wish < position) {
        if (atomic_compare_exchange_weak_explicit(&log->want_sync, &wish, position,
                                                  memory_order_relaxed, memory_order_relaxed)) {
            gate_notify(&log->work);
            return;
        }
    }
}

void log_request_write(struct log *log)
{
    /* relaxed: the bell orders it. */
    if (log->background && !atomic_exchange_explicit(&log->want_write, true, memory_order_relaxed))
        gate_notify(log->writer_runs ? &log->write_work : &log->work);
}

void commit_note_published(struct log *log)
{
    if (!log->background)
        return;
    if (log->tail_off >= log->bell_off) {
        log->bell_off = UINT64_MAX; /* once; append_prepare() sets the next */
        gate_notify(&log->work);
    }
    /* relaxed: a bound, and a hint; the committer looks at the real state under the lock. */
    if (atomic_load_explicit(&log->unwritten_bytes, memory_order_relaxed) >=
        (log->stage.file != NULL ? log->stage.bytes / STAGE_WRITE_SHARE : WRITE_BYTES))
        log_request_write(log);
    else if (atomic_load_explicit(&log->committer_idle, memory_order_relaxed) &&
             atomic_exchange_explicit(&log->committer_idle, false, memory_order_relaxed))
        gate_notify(&log->work);
}

/* ---- Progress ---- */

void commit_progress(struct log *log)
{
    mutex_lock(&log->progress_mu);
    kvs_progress_fn *fn = log->progress_fn;
    void *ctx = log->progress_ctx;
    if (fn != NULL)
        log->progress_running++;
    mutex_unlock(&log->progress_mu);
    if (fn == NULL)
        return;
    fn(ctx);
    mutex_lock(&log->progress_mu);
    if (--log->progress_running == 0)
        cond_broadcast(&log->progress_cond);
    mutex_unlock(&log->progress_mu);
}

void log_on_progress(struct log *log, kvs_progress_fn *fn, void *ctx)
{
    mutex_lock(&log->progress_mu);
    log->progress_fn = fn;
    log->progress_ctx = ctx;
    while (fn == NULL && log->progress_running > 0)
        cond_wait(&log->progress_cond, &log->progress_mu);
    mutex_unlock(&log->progress_mu);
}

/* ---- The committer thread ---- */

/* What is there to do, and how long may it wait. */
struct outlook {
    bool unwritten;
    bool unsynced; /* and this mode syncs by itself */
    bool full;     /* a full segment is unsynced */
    uint64_t seen; /* the version up to which this looks */
};

static struct outlook look_out(struct log *log)
{
    uint64_t seen = log_last_version(log);
    struct outlook outlook = {
        .unwritten = !log->writer_runs && segments_written(log) < seen,
        .unsynced = log->durability != KVS_DURABILITY_NO && log_durable(log) < seen,
        .seen = seen,
    };
    if (log->durability == KVS_DURABILITY_NO) {
        /* Nobody asks for these syncs but compaction, which takes nothing that is not on disk; and the system's memory is not ours
         * to fill. */
        mutex_lock(&log->append_mu);
        outlook.full = log->commit_head != log->active;
        mutex_unlock(&log->append_mu);
    }
    return outlook;
}

/* How long what is published may gather before it is written: while it is staged it is safe, and more of it makes larger writes. */
static uint64_t write_delay_ms(const struct log *log)
{
    /* relaxed: a hint */
    return atomic_load_explicit(&log->stage.on, memory_order_relaxed) ? SYNC_DELAY_MS
                                                                      : WRITE_DELAY_MS;
}

/* Until something falls due for which nobody will ring. */
static uint64_t pause_ms(struct log *log, const struct outlook *outlook)
{
    if (log_has_failed(log))
        return GATE_FOR_EVER;
    if (outlook->unwritten && log->durability != KVS_DURABILITY_ALWAYS)
        return write_delay_ms(log);
    return outlook->unsynced ? SYNC_DELAY_MS : GATE_FOR_EVER;
}

/* How long newly published data may wait until the committer notices by itself. */
static uint64_t patience_ms(const struct log *log)
{
    return log->durability == KVS_DURABILITY_ALWAYS ? SYNC_DELAY_MS : write_delay_ms(log);
}

/* Sleeps until rung for, or @pause_ms; a pause longer than newly published data may wait must be announced. */
static void committer_sleep(struct log *log, uint32_t ticket, uint64_t pause, uint64_t seen)
{
    uint64_t patience = patience_ms(log);
    if (pause > patience) {
        /* relaxed: publishers look at it under the append lock. Who published before we hold it is seen in appended, who
         * does so after sees us idle. */
        atomic_store_explicit(&log->committer_idle, true, memory_order_relaxed);
        mutex_lock(&log->append_mu);
        bool news = log_last_version(log) != seen;
        mutex_unlock(&log->append_mu);
        if (news)
            pause = patience;
    }
    gate_wait(&log->work, ticket, pause);
    atomic_store_explicit(&log->committer_idle, false,
                          memory_order_relaxed); /* relaxed: likewise */
}

static void *committer_main(void *arg)
{
    struct log *log = arg;
    uint64_t unsynced_ns = 0; /* since when something is unsynced; 0: nothing is */
    bool paused = false;      /* unwritten data has been given its time to gather */
    bool active = false;      /* something was published lately, so more may be */
    uint64_t last_seen = 0;
    for (;;) {
        uint32_t ticket = gate_ticket(&log->work);
        if (atomic_load_explicit(&log->stopping,
                                 memory_order_acquire)) /* pairs with: commit_stop */
            return NULL;
        segments_reap(log, false);
        append_prepare(log);

        struct outlook outlook = look_out(log);
        uint64_t now_ns = clock_monotonic_ns(log->clock);
        if (!outlook.unsynced)
            unsynced_ns = 0;
        else if (unsynced_ns == 0)
            unsynced_ns = now_ns;
        bool due = outlook.full ||
                   (outlook.unsynced && now_ns - unsynced_ns >= (uint64_t)SYNC_DELAY_MS * 1000000);
        /* relaxed: wishes, rung for after they were made. */
        bool sync =
            due || atomic_load_explicit(&log->want_sync, memory_order_relaxed) > log_durable(log);
        bool write = (!log->writer_runs &&
                      atomic_exchange_explicit(&log->want_write, false, memory_order_relaxed)) ||
                     (paused && outlook.unwritten && log->durability != KVS_DURABILITY_ALWAYS);
        paused = false;
        if ((sync || write) && !log_has_failed(log)) {
            if (commit_try_lead(log, sync)) {
                if (sync)
                    unsynced_ns = 0;
                continue;
            }
            if (write) /* the present leader rings when it is done */
                atomic_store_explicit(&log->want_write, true, memory_order_relaxed);
        }
        /* Going idle makes the next publisher ring, which costs it a system call and a switch: under load that is dearer than
         * looking again after a while. */
        uint64_t pause = pause_ms(log, &outlook);
        if (pause == GATE_FOR_EVER && active && !log_has_failed(log))
            pause = patience_ms(log);
        active = outlook.seen != last_seen;
        last_seen = outlook.seen;
        committer_sleep(log, ticket, pause, outlook.seen);
        paused = outlook.unwritten;
    }
}

/* Writes what is published, when there is enough of it or it has waited long enough. */
static void *writer_main(void *arg)
{
    struct log *log = arg;
    for (;;) {
        uint32_t ticket = gate_ticket(&log->write_work);
        if (atomic_load_explicit(&log->stopping,
                                 memory_order_acquire)) /* pairs with: commit_stop */
            return NULL;
        /* relaxed: rung for after it was set */
        bool asked = atomic_exchange_explicit(&log->want_write, false, memory_order_relaxed);
        bool failed = log_has_failed(log);
        bool unwritten = segments_written(log) < log_last_version(log);
        uint64_t before = log_last_version(log);
        if (asked && unwritten && !failed) {
            (void)commit_try_lead(log, false); /* who leads now writes it */
            continue;
        }
        gate_wait(&log->write_work, ticket,
                  failed || !unwritten ? SYNC_DELAY_MS : write_delay_ms(log));
        /* What has had its time to gather goes now. */
        if (!log_has_failed(log) && segments_written(log) < before)
            (void)commit_try_lead(log, false);
    }
}

/* What says which threads there are is looked at by all of them: it is set before the first begins, and cleared behind the last. */
static void join_threads(struct log *log, bool writer)
{
    atomic_store_explicit(&log->stopping, true,
                          memory_order_release); /* pairs with: committer_main, writer_main */
    gate_notify(&log->work);
    gate_notify(&log->write_work);
    CHECK(pthread_join(log->committer, NULL) == 0);
    if (writer)
        CHECK(pthread_join(log->writer, NULL) == 0);
    log->committer_runs = false;
    log->writer_runs = false;
}

enum kvs_status commit_start(struct log *log)
{
    if (!log->background)
        return KVS_OK;
    log->committer_runs = true;
    log->writer_runs = log->durability != KVS_DURABILITY_ALWAYS;
    int error = pthread_create(&log->committer, NULL, committer_main, log);
    if (error != 0) {
        log->committer_runs = false;
        log->writer_runs = false;
        return fail(KVS_NO_MEMORY, error, "start the committer thread");
    }
    if (!log->writer_runs)
        return KVS_OK;
    error = pthread_create(&log->writer, NULL, writer_main, log);
    if (error != 0) {
        join_threads(log, false);
        return fail(KVS_NO_MEMORY, error, "start the writer thread");
    }
    return KVS_OK;
}

void commit_stop(struct log *log)
{
    if (log->committer_runs)
        join_threads(log, log->writer_runs);
}

enum kvs_status commit_close(struct log *log)
{
    enum kvs_status status = log_wait_durable(log, log_last_version(log));
    if (status != KVS_OK || !log->session_begun || log->active == NULL)
        return status;
    /* Nobody else is here any more. */
    CHECK(claim_take(&log->syncing) && claim_take(&log->writing));
    struct round round;
    (void)round_begin(log, &round);
    status = write_end_marker(log, &round, GROUP_CLOSED);
    if (status == KVS_OK)
        status = round.last->file->ops->sync(round.last->file);
    claim_give(log, &log->writing);
    claim_give(log, &log->syncing);
    return status == KVS_OK ? KVS_OK : log_fail(log, status);
}
