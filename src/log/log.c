/*
 * log.c - opening and closing, memory of resident segments, figures.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/check.h"
#include "base/hash.h"
#include "log/state.h"

/* ---- Failure ---- */

enum kvs_status log_fail(struct log *log, enum kvs_status status)
{
    mutex_lock(&log->fail_mu);
    if (!log_has_failed(log)) {
        fail_save(log->fail_text);
        /* release: the text. pairs with: log_has_failed */
        atomic_store_explicit(&log->failed, true, memory_order_release);
    }
    mutex_unlock(&log->fail_mu);
    gate_notify(&log->gate);
    return status;
}

enum kvs_status log_failure(struct log *log)
{
    if (likely(!log_has_failed(log)))
        return KVS_OK;
    return fail_restore(KVS_READ_ONLY, log->fail_text); /* never changes once set */
}

enum kvs_status log_health(struct log *log)
{
    enum kvs_status status = log_failure(log);
    if (status != KVS_OK)
        return status;
    /* relaxed: a mark */
    if (atomic_load_explicit(&log->disk_full, memory_order_relaxed))
        return fail(KVS_DISK_FULL, 0, "no disk space left for %s", log->dir);
    return KVS_OK;
}

/* ---- Time ---- */

void log_raise_now(struct log *log, int64_t ms)
{
    /* relaxed: one number that only grows; nothing else depends on it. */
    int64_t now = atomic_load_explicit(&log->now_ms, memory_order_relaxed);
    while (now < ms && !atomic_compare_exchange_weak_explicit(
                           &log->now_ms, &now, ms, memory_order_relaxed, memory_order_relaxed))
        ;
}

int64_t log_now_ms(struct log *log)
{
    log_raise_now(log, clock_wall_ms(log->clock));
    return atomic_load_explicit(&log->now_ms, memory_order_relaxed); /* relaxed: see above */
}

/* ---- Opening ---- */

struct mutex *log_append_mutex(struct log *log)
{
    return &log->append_mu;
}

/* The compiler does not see that log_append_mutex() is the lock. */
void log_lock(struct log *log) NO_THREAD_SAFETY_ANALYSIS
{
    mutex_lock(&log->append_mu);
}

void log_unlock(struct log *log) NO_THREAD_SAFETY_ANALYSIS
{
    mutex_unlock(&log->append_mu);
}

uint64_t log_last_version(struct log *log)
{
    return atomic_load_explicit(&log->appended,
                                memory_order_acquire); /* pairs with: log_append_publish */
}

static void init_locks(struct log *log)
{
    mutex_init(&log->manifest_mu);
    mutex_init(&log->table_mu);
    mutex_init(&log->append_mu);
    mutex_init(&log->space_mu);
    mutex_init(&log->side_sync_mu);
    mutex_init(&log->dirty_mu);
    mutex_init(&log->fail_mu);
    mutex_init(&log->progress_mu);
    cond_init(&log->progress_cond);
    mutex_init(&log->reap_mu);
    mutex_init(&log->checkpoint_mu);
}

static void done_locks(struct log *log)
{
    mutex_done(&log->manifest_mu);
    mutex_done(&log->table_mu);
    mutex_done(&log->append_mu);
    mutex_done(&log->space_mu);
    mutex_done(&log->side_sync_mu);
    mutex_done(&log->dirty_mu);
    mutex_done(&log->fail_mu);
    mutex_done(&log->progress_mu);
    cond_done(&log->progress_cond);
    mutex_done(&log->reap_mu);
    mutex_done(&log->checkpoint_mu);
}

enum kvs_status log_new(const struct log_config *config, struct log **ret)
{
    struct log *log = calloc(1, sizeof *log);
    if (log == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "log");
    init_locks(log);
    log->io = config->env->io != NULL ? config->env->io : io_posix();
    log->clock = config->env->clock != NULL ? config->env->clock : clock_system();
    log->durability =
        config->durability == KVS_DURABILITY_DEFAULT ? KVS_DURABILITY_ALWAYS : config->durability;
    log->read_only = config->read_only;
    log->background = !config->no_background && !config->read_only;
    log->memory_bytes = config->memory_bytes;
    uint64_t bytes = config->segment_bytes == 0 ? SEGMENT_BYTES_DEFAULT : config->segment_bytes;
    if (bytes < SEGMENT_BYTES_MIN)
        bytes = SEGMENT_BYTES_MIN;
    if (bytes > SEGMENT_BYTES_MAX)
        bytes = SEGMENT_BYTES_MAX;
    log->segment_bytes = align_up(bytes);
    /* Small segments, small ring: there is less to gather. */
    uint64_t stage_bytes = config->stage_bytes != 0 ? config->stage_bytes : log->segment_bytes / 8;
    if (stage_bytes > STAGE_BYTES)
        stage_bytes = STAGE_BYTES;
    if (stage_bytes < STAGE_BYTES_MIN)
        stage_bytes = STAGE_BYTES_MIN;
    log->stage.bytes = align_up(stage_bytes);
    random_seed(&log->random, config->env->seed != 0 ? config->env->seed : random_system_u64());
    log->dir = strdup(config->dir);
    void *slots = mmap(NULL, SLOT_COUNT * sizeof *log->slots, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    log->slots = slots == MAP_FAILED ? NULL : slots;
    if (log->dir == NULL || log->slots == NULL) {
        log_free(log);
        return fail(KVS_NO_MEMORY, ENOMEM, "log");
    }
    *ret = log;
    return KVS_OK;
}

void log_retire(struct log *log, struct epoch_node *node, epoch_free_fn *free_fn)
{
    atomic_store_explicit(&log->retired, true,
                          memory_order_relaxed); /* relaxed: read when all threads have gone */
    epoch_retire(node, free_fn);
}

void log_free(struct log *log)
{
    if (log == NULL)
        return;
    if (atomic_load_explicit(&log->retired,
                             memory_order_relaxed)) /* relaxed: nobody else is here any more */
        epoch_barrier(); /* dropped segments and retired frames; takes some milliseconds */
    for (struct segment *segment = log->commit_head, *next; segment != NULL; segment = next) {
        next = segment == log->active ? NULL : segment->commit_next;
        segment_unref(segment); /* held since append_activate() */
    }
    stage_unload(log);
    stage_close(log, false);
    segments_reap(log, true);
    for (size_t i = 0; i < log->segment_count; i++)
        segment_free(log->segments[i]);
    segment_free(log->spare[0]);
    segment_free(log->spare[1]);
    checkpoints_done(log);
    free(log->segments);
    if (log->slots != NULL)
        CHECK(munmap(log->slots, SLOT_COUNT * sizeof *log->slots) == 0);
    free(log->dir);
    done_locks(log);
    free(log);
}

/* ---- What is in the directory ---- */

static const uint64_t CHECKPOINT_BIT = UINT64_C(1) << 63;

struct listing {
    struct log *log;
    uint64_t *ids; /* of segment files and (with CHECKPOINT_BIT) checkpoints; owned */
    size_t count;
    size_t capacity;
    bool no_memory;
};

static void list_one(void *ctx, const char *name)
{
    struct listing *listing = ctx;
    uint64_t id;
    if (listing->no_memory)
        return;
    if (checkpoint_parse_name(name, &id) && id < CHECKPOINT_BIT)
        id |= CHECKPOINT_BIT;
    else if (!segment_parse_name(name, &id) || id >= CHECKPOINT_BIT)
        return;
    if (listing->count == listing->capacity) {
        size_t capacity = listing->capacity == 0 ? 64 : listing->capacity * 2;
        uint64_t *ids = realloc(listing->ids, capacity * sizeof *ids);
        if (ids == NULL) {
            listing->no_memory = true;
            return;
        }
        listing->ids = ids;
        listing->capacity = capacity;
    }
    listing->ids[listing->count++] = id;
}

static bool is_listed(const struct log *log, uint64_t id)
{
    for (size_t i = 0; i < log->checkpoint_count; i++) {
        if ((log->checkpoints[i].id | CHECKPOINT_BIT) == id)
            return true;
    }
    size_t low = 0;
    size_t high = log->segment_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (log->segments[middle]->header.id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < log->segment_count && log->segments[low]->header.id == id;
}

/* Whether @path, a file named like segment @id that the manifest does not name, is ours to remove: a segment that was being created
 * when the process ended, or was dropped and not removed yet. KVS_WRONG_FORMAT: it is something else, and stays. */
static enum kvs_status check_leftover(struct log *log, const char *path, uint64_t id)
{
    enum {
        CREATED_AT_ONCE = 256 /* ids that may have been given since the manifest was written */
    };

    struct io_file *file = NULL;
    uint8_t bytes[SEGMENT_HEADER_BYTES] = { 0 };
    size_t got = 0;
    struct segment_header header;
    enum kvs_status status = io_open(log->io, path, IO_READ, &file);
    if (status == KVS_OK)
        status = file->ops->read(file, 0, bytes, sizeof bytes, false, &got);
    io_close(file);
    if (status != KVS_OK)
        return status;
    if (got < sizeof bytes || segment_header_is_torn(bytes, log->store_id))
        return id < log->manifest_next_id + CREATED_AT_ONCE
                   ? KVS_OK
                   : fail(KVS_WRONG_FORMAT, 0,
                          "%s is named like a segment and is none; move it away", path);
    status = segment_header_decode(bytes, path, &header);
    if (status == KVS_OK && memcmp(header.store_id, log->store_id, STORE_ID_BYTES) != 0)
        status = fail(KVS_WRONG_FORMAT, 0, "%s belongs to another store", path);
    if (status == KVS_OK && header.id != id)
        status = fail(KVS_WRONG_FORMAT, 0, "%s is a copy of segment %08" PRIx64 "; move it away",
                      path, header.id);
    return status;
}

static enum kvs_status remove_leftover(struct log *log, uint64_t id)
{
    char name[32];
    bool is_checkpoint = (id & CHECKPOINT_BIT) != 0;
    id &= ~CHECKPOINT_BIT;
    if (is_checkpoint)
        memcpy(name, checkpoint_name(id).text, sizeof name);
    else
        segment_name(id, name);
    char *path = log_path(log, name);
    if (path == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "path of %s", name);
    enum kvs_status status = KVS_OK;
    if (!log->manifest_exists)
        status =
            fail(KVS_CORRUPT, 0, "%s is there, but the file %s is missing", path, MANIFEST_NAME);
    else
        status = is_checkpoint ? checkpoint_check_leftover(log, path, id)
                               : check_leftover(log, path, id);
    if (status == KVS_OK) {
        stat_add(&log->stat_leftovers, 1);
        if (!log->read_only)
            status = log->io->ops->unlink(log->io, path);
    }
    if (id >= log->next_id)
        log->next_id =
            id + 1; /* so that a name is not used again while its removal is not durable */
    free(path);
    return status;
}

enum kvs_status log_remove_leftovers(struct log *log)
{
    struct listing listing = { .log = log };
    enum kvs_status status = log->io->ops->list(log->io, log->dir, list_one, &listing);
    if (status == KVS_OK && listing.no_memory)
        status = fail(KVS_NO_MEMORY, ENOMEM, "list of files");
    for (size_t i = 0; i < listing.count && status == KVS_OK; i++) {
        if (!is_listed(log, listing.ids[i]))
            status = remove_leftover(log, listing.ids[i]);
    }
    free(listing.ids);
    return status;
}

static enum kvs_status add_listed(struct log *log, const struct manifest_entry *entry)
{
    struct segment_header header = {
        .id = entry->id,
        .incarnation = entry->incarnation,
        .base = entry->base,
        .capacity = entry->capacity,
        .slot = entry->slot,
        .side = entry->flags & MANIFEST_SIDE,
    };
    memcpy(header.store_id, log->store_id, STORE_ID_BYTES);
    if (atomic_load_explicit(&log->slots[entry->slot].segment, memory_order_relaxed) !=
        NULL) /* relaxed: opening */
        return fail(KVS_CORRUPT, 0, "%s/%s gives one slot to two segments", log->dir,
                    MANIFEST_NAME);
    struct segment *segment = NULL;
    enum kvs_status status = segment_new(log, &header, &segment);
    if (status != KVS_OK)
        return status;
    segment->proven = entry->proven;
    segment->final = entry->flags & MANIFEST_FINAL;
    segment->recovered = entry->flags & MANIFEST_RECOVERED;
    segment->chain_known = entry->flags & MANIFEST_CHAIN;
    segment->start_chain = entry->start_chain;
    mutex_lock(&log->manifest_mu);
    status = segments_add(log, segment);
    mutex_unlock(&log->manifest_mu);
    if (status != KVS_OK)
        segment_free(segment);
    return status;
}

static enum kvs_status add_checkpoints(struct log *log, const struct manifest *manifest)
{
    log->checkpoints = calloc(manifest->checkpoint_count + 1, sizeof *log->checkpoints);
    if (log->checkpoints == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "list of checkpoints");
    for (uint32_t i = 0; i < manifest->checkpoint_count; i++) {
        const struct manifest_checkpoint *entry = &manifest->checkpoints[i];
        log->checkpoints[log->checkpoint_count++] = (struct checkpoint_file){
            .id = entry->id, .incarnation = entry->incarnation, .bytes = entry->bytes
        };
    }
    return KVS_OK;
}

/* A directory without a log becomes one with an empty one. */
static enum kvs_status make_first_manifest(struct log *log)
{
    put_u64(log->store_id, random_u64(&log->random) ^ (uint64_t)clock_wall_us(log->clock));
    put_u64(log->store_id + 8, random_u64(&log->random));
    log->next_id = 1;
    log->manifest_next_id = 1;
    enum kvs_status status = log_remove_leftovers(log); /* refuses segments without a manifest */
    if (status != KVS_OK || log->read_only)
        return status;
    mutex_lock(&log->manifest_mu);
    status = segments_store(log);
    mutex_unlock(&log->manifest_mu);
    log->manifest_exists = status == KVS_OK;
    return status;
}

enum kvs_status log_load_manifest(struct log *log)
{
    struct manifest manifest;
    enum kvs_status status = manifest_read(log->io, log->dir, &manifest);
    if (status == KVS_NOT_FOUND)
        return make_first_manifest(log);
    if (status != KVS_OK)
        return status;
    log->manifest_exists = true;
    memcpy(log->store_id, manifest.store_id, STORE_ID_BYTES);
    log->next_id = manifest.next_id;
    log->manifest_next_id = manifest.next_id;
    log->next_base = manifest.next_base;
    /* relaxed: nobody else is here yet */
    atomic_store_explicit(&log->session, manifest.session, memory_order_relaxed);
    atomic_store_explicit(&log->durable, manifest.durable, memory_order_relaxed);
    log_raise_now(log, manifest.time_ms);
    for (uint32_t i = 0; i < manifest.count && status == KVS_OK; i++)
        status = add_listed(log, &manifest.entries[i]);
    if (status == KVS_OK)
        status = add_checkpoints(log, &manifest);
    manifest_done(&manifest);
    return status;
}

enum kvs_status log_open(const struct log_config *config, log_replay_fn *fn, void *ctx,
                         struct log **ret)
{
    struct log *log = NULL;
    enum kvs_status status = log_new(config, &log);
    if (status != KVS_OK)
        return status;
    log->opening = true;
    status = log_load_manifest(log);
    for (size_t i = 0; i < log->segment_count && status == KVS_OK; i++)
        status = segment_open(log->segments[i], log->read_only);
    if (status == KVS_OK && log->manifest_exists)
        status = log_remove_leftovers(log);
    if (status == KVS_OK)
        status = stage_load(log);
    *ret = log; /* so that @fn may read */
    struct log_mark mark;
    bool covered = false;
    if (status == KVS_OK && config->cover != NULL && log->checkpoint_count > 0) {
        status = config->cover(ctx, log, &mark);
        covered = status == KVS_OK;
        if (status == KVS_NOT_FOUND)
            status = KVS_OK;
    }
    if (status == KVS_OK)
        status = replay_run(log, fn, ctx, covered ? &mark : NULL);
    log->opening = false;
    stage_unload(log);
    if (status == KVS_OK)
        status = commit_start(log);
    if (status != KVS_OK) {
        char text[FAIL_TEXT_BYTES];
        fail_save(text);
        log_free(log);
        *ret = NULL;
        return fail_restore(status, text);
    }
    return KVS_OK;
}

/* A segment that was prepared and not needed goes again. */
static enum kvs_status drop_prepared(struct log *log)
{
    struct segment *next = log->next;
    if (next == NULL)
        return KVS_OK;
    log->next = NULL;
    mutex_lock(&log->manifest_mu);
    enum kvs_status status = segments_drop(log, &next, 1);
    mutex_unlock(&log->manifest_mu);
    return status == KVS_DISK_FULL ? KVS_OK : status; /* then the next opening finds it empty */
}

/* The manifest learns where the log ends, so that a file that is cut short afterwards is damage and no torn tail. */
static enum kvs_status store_end(struct log *log)
{
    mutex_lock(&log->manifest_mu);
    enum kvs_status status = segments_store(log);
    mutex_unlock(&log->manifest_mu);
    return status == KVS_DISK_FULL ? KVS_OK : status; /* then the end marker alone says it */
}

enum kvs_status log_close(struct log *log)
{
    if (log == NULL)
        return KVS_OK;
    commit_stop(log);
    enum kvs_status status = KVS_OK;
    if (!log->read_only) {
        status = commit_close(log);
        if (status == KVS_OK)
            status = drop_prepared(log);
        if (status == KVS_OK && log->session_begun)
            status = store_end(log);
        if (status == KVS_OK)
            stage_close(log, true);
    }
    char text[FAIL_TEXT_BYTES];
    fail_save(text);
    log_free(log);
    return status == KVS_OK ? KVS_OK : fail_restore(status, text);
}

/* ---- Memory ---- */

void log_set_memory(struct log *log, uint64_t memory_bytes)
{
    log->memory_bytes = memory_bytes;
}

void log_trim(struct log *log)
{
    if (log->background == false)
        segments_reap(log, false);
    uint64_t budget = log->memory_bytes;
    if (budget < RESIDENT_SEGMENTS_MIN * log->segment_bytes)
        budget = RESIDENT_SEGMENTS_MIN * log->segment_bytes;
    mutex_lock(&log->table_mu);
    uint64_t resident = 0;
    for (size_t i = 0; i < log->segment_count; i++) {
        if (log->segments[i]->frame != NULL)
            resident += extent_get(&log->segments[i]->end);
    }
    /* Twice round at most: once to clear the marks, once to take. */
    for (size_t step = 0; resident > budget && step < 2 * log->segment_count; step++) {
        log->trim_hand = log->trim_hand + 1 < log->segment_count ? log->trim_hand + 1 : 0;
        struct segment *segment = log->segments[log->trim_hand];
        uint64_t end = extent_get(&segment->end);
        bool may_go = segment->frame != NULL && segment->frame_holds == 0 && !segment->staged &&
                      (segment_is_sealed(segment) || (log->opening && segment != log->resume)) &&
                      extent_get(&segment->written) == end;
        if (!may_go)
            continue;
        /* relaxed: a hint, see log_peek */
        if (atomic_exchange_explicit(&segment->slot->referenced, 0, memory_order_relaxed) != 0)
            continue;
        segment_retire_frame(segment);
        resident -= end;
    }
    mutex_unlock(&log->table_mu);
}
