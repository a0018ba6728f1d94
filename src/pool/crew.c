/*
 * crew.c - worker threads that are replaced when a job ends them.
 *
 * A worker runs under a cleanup handler. When a job calls pthread_exit(), the handler, still on the dying thread, starts the
 * successor in the same slot; the successor first joins the thread it replaces. So every slot has exactly one thread that is
 * not joined, however often it was replaced, and crew_join() joins exactly those.
 *
 * When no successor can be started, the slot is missing until crew_repair() succeeds, and the others carry on. The very last
 * thread does not leave like that: accepted jobs may be waiting and nobody would run them. It tries again until it can be
 * replaced or the crew is told to stop (whoever stops it runs what is left).
 */
#include "pool/crew.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "base/fail.h"
#include "pool/thread.h"

enum {
    RETRY_MS = 10
};

static void *slot_main(void *arg);

/* Starts a thread in @slot. 0 or an errno value; then nothing has changed. */
static int slot_start(struct crew *crew, struct crew_slot *slot, bool has_predecessor)
    REQUIRES(&crew->mu);

static int slot_start(struct crew *crew, struct crew_slot *slot, bool has_predecessor)
{
    slot->crew = crew;
    pthread_t before = slot->thread;
    slot->predecessor = before;
    slot->has_predecessor = has_predecessor;
    int error = thread_start(&slot->thread, slot_main, slot);
    if (error != 0)
        slot->thread = before; /* unspecified after a failure */
    return error;
}

/* Whether the dying thread of @slot may leave: it has a successor, or can be done without. */
static bool succeed(struct crew_slot *slot)
{
    struct crew *crew = slot->crew;
    bool may_leave = true;
    mutex_lock(&crew->mu);
    if (slot_start(crew, slot, true) != 0) {
        if (crew->live > 1 || crew->is_stopping) {
            slot->is_missing = true;
            /* relaxed: a hint where to look; slots are read under the lock */
            atomic_fetch_add_explicit(&crew->missing, 1, memory_order_relaxed);
            crew->live--;
            cond_broadcast(&crew->left);
        } else {
            may_leave = false;
        }
    }
    mutex_unlock(&crew->mu);
    return may_leave;
}

static void slot_died(void *arg)
{
    struct crew_slot *slot = arg;
    slot->crew->died(slot->crew->owner, slot->index);
    while (!succeed(slot)) {
        const struct timespec pause = { 0, RETRY_MS * 1000000L };
        (void)nanosleep(&pause, NULL);
    }
}

static void *slot_main(void *arg)
{
    struct crew_slot *slot = arg;
    struct crew *crew = slot->crew;
    thread_begin();
    if (slot->has_predecessor)
        thread_join(slot->predecessor);

    pthread_cleanup_push(slot_died, slot);
    crew->work(crew->owner, slot->index);
    pthread_cleanup_pop(0);

    mutex_lock(&crew->mu);
    crew->live--;
    cond_broadcast(&crew->left);
    mutex_unlock(&crew->mu);
    return NULL;
}

static void crew_done(struct crew *crew)
{
    cond_done(&crew->left);
    mutex_done(&crew->mu);
    free(crew->slots);
}

enum kvs_status crew_start(struct crew *crew, unsigned slot_count, crew_work_fn *work,
                           crew_died_fn *died, void *owner)
{
    *crew = (struct crew){ .work = work, .died = died, .owner = owner, .slot_count = slot_count };
    mutex_init(&crew->mu);
    cond_init(&crew->left);
    struct crew_slot *slots = calloc(slot_count, sizeof *slots);
    if (slots == NULL) {
        crew->slot_count = 0; /* nothing to join */
        return fail(KVS_NO_MEMORY, ENOMEM, "a pool of %u threads", slot_count);
    }
    mutex_lock(&crew->mu);
    crew->slots = slots;
    int error = 0;
    while (crew->live < slot_count) {
        struct crew_slot *slot = &slots[crew->live];
        slot->index = crew->live;
        error = slot_start(crew, slot, false);
        if (error != 0)
            break;
        crew->live++;
    }
    crew->slot_count = crew->live;
    mutex_unlock(&crew->mu);
    if (error == 0)
        return KVS_OK;
    return fail(KVS_NO_MEMORY, error, "start thread %u of %u", crew->slot_count + 1, slot_count);
}

void crew_repair(struct crew *crew)
{
    /* relaxed: a slot overlooked now is seen by the next call */
    if (likely(atomic_load_explicit(&crew->missing, memory_order_relaxed) == 0))
        return;
    mutex_lock(&crew->mu);
    for (unsigned i = 0; i < crew->slot_count; i++) {
        struct crew_slot *slot = &crew->slots[i];
        if (!slot->is_missing)
            continue;
        if (crew->is_stopping || slot_start(crew, slot, true) != 0)
            break;
        slot->is_missing = false;
        crew->live++;
        /* relaxed: see above */
        atomic_fetch_sub_explicit(&crew->missing, 1, memory_order_relaxed);
    }
    mutex_unlock(&crew->mu);
}

unsigned crew_live(struct crew *crew)
{
    mutex_lock(&crew->mu);
    unsigned live = crew->live;
    mutex_unlock(&crew->mu);
    return live;
}

void crew_stopping(struct crew *crew)
{
    mutex_lock(&crew->mu);
    crew->is_stopping = true;
    mutex_unlock(&crew->mu);
}

void crew_join(struct crew *crew)
{
    mutex_lock(&crew->mu);
    while (crew->live > 0)
        cond_wait(&crew->left, &crew->mu);
    mutex_unlock(&crew->mu);
    /* Nobody starts a thread any more: a slot's thread is its last. */
    for (unsigned i = 0; i < crew->slot_count; i++)
        thread_join(crew->slots[i].thread);
    crew_done(crew);
}
