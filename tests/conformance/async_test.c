/*
 * async_test.c - positions, marks, waiting and not waiting, running a call elsewhere.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "concurrent/mutex.h"
#include "tests/conformance/suite.h"

static struct kvs_batch *batch_of(struct kvs *db, const char *key, const char *value)
{
    struct kvs_batch *batch;
    must_ok(kvs_batch_new(&batch));
    kvs_batch_set(batch, db, text_bytes(key), text_bytes(value), 0);
    return batch;
}

TEST(a_parked_write_is_visible_at_once_and_durable_when_its_position_is)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs *db = suite.db;
    put(db, "first", "x"); /* makes what a store's first write makes, which may have to wait */
    struct kvs_batch *batch = batch_of(db, "k", "v");
    struct kvs_write_options options = { .no_block = !suite_may_block(), .park = true };
    struct kvs_written written = { 0 };
    struct kvs_marks marks;
    must_ok(kvs_write(db, batch, &options, &written));
    kvs_marks(db, &marks);
    assert_true(marks.visible >= written.position);
    struct kvs_read read = { .no_block = !suite_may_block(), .park = true };
    struct kvs_value value = { 0 };
    must_ok(kvs_get_at(db, &read, B("k"), &value));
    assert_int_equal(value.position, written.position);
    kvs_value_done(&value);
    kvs_request_sync(db, written.position);
    must_ok(kvs_wait_durable(db, written.position));
    kvs_marks(db, &marks);
    assert_true(marks.durable >= written.position && marks.written >= marks.durable &&
                marks.visible >= marks.written);
    must_ok(kvs_sync(db));
    kvs_batch_free(batch);
    suite_close(&suite);
}

TEST(marks_only_grow_and_positions_follow_writes)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs_marks last = { 0 };
    uint64_t position = 0;
    struct kvs_batch *batch = batch_of(suite.db, "k", "v");

    static const enum kvs_durability kinds[] = { KVS_DURABILITY_ALWAYS, KVS_DURABILITY_NO,
                                                 KVS_DURABILITY_EVERYSEC, KVS_DURABILITY_DEFAULT };

    for (int i = 0; i < 40; i++) {
        struct kvs_write_options options = { .durability = kinds[i % 4], .park = i % 3 == 0 };
        struct kvs_written written = { 0 };
        struct kvs_marks marks;
        must_ok(kvs_write(suite.db, batch, &options, &written));
        assert_true(written.position > position);
        position = written.position;
        kvs_marks(suite.db, &marks);
        assert_true(marks.visible >= position);
        assert_true(marks.visible >= last.visible && marks.written >= last.written &&
                    marks.durable >= last.durable);
        if (!options.park)
            assert_true(marks.written >= position);
        if (!options.park && (i % 4 == 0 || i % 4 == 3))
            assert_true(marks.durable >= position);
        last = marks;
    }
    kvs_batch_free(batch);
    suite_close(&suite);
}

TEST(weaker_stores_work_the_same)
{
    static const enum kvs_durability kinds[] = { KVS_DURABILITY_EVERYSEC, KVS_DURABILITY_NO };

    for (int i = 0; i < 2; i++) {
        struct suite suite;
        suite_init(&suite);
        suite.options.durability = kinds[i];
        must_ok(kvs_open(suite.dir, &suite.options, &suite.db));
        must_ok(kvs_set(suite.db, B("k"), B("v")));
        must_hold(suite.db, "k", "v");
        must_ok(kvs_remove(suite.db, B("k")));
        must_lack(suite.db, "k");
        must_ok(kvs_set(suite.db, B("l"), B("v")));
        if (suite_persistent()) {
            suite_reopen(&suite); /* closing makes everything durable */
            must_list(suite.db, NULL, "l");
        }
        suite_close(&suite);
    }
}

TEST(a_store_without_background_threads_works_the_same)
{
    struct suite suite;
    suite_init(&suite);
    suite.options.no_background = true;
    must_ok(kvs_open(suite.dir, &suite.options, &suite.db));
    char key[16];
    for (int i = 0; i < 50; i++) {
        (void)snprintf(key, sizeof key, "k%02d", i);
        must_ok(kvs_set(suite.db, text_bytes(key), B("v")));
    }
    struct kvs_batch *batch = batch_of(suite.db, "weak", "v");
    struct kvs_write_options options = { .durability = KVS_DURABILITY_NO };
    must_ok(kvs_write(suite.db, batch, &options, NULL));
    kvs_batch_free(batch);
    put(suite.db, "parked", "v");
    must_hold(suite.db, "parked", "v"); /* a read that waits leads the commit itself */
    must_ok(kvs_compact(suite.db));
    assert_int_equal(count_of(suite.db), 52);
    if (suite_persistent()) {
        suite_reopen(&suite);
        assert_int_equal(count_of(suite.db), 52);
    }
    suite_close(&suite);
}

struct progress {
    struct mutex mu;
    struct cond moved;
    int calls;
};

static void note_progress(void *ctx)
{
    struct progress *progress = ctx;
    mutex_lock(&progress->mu);
    progress->calls++;
    cond_broadcast(&progress->moved);
    mutex_unlock(&progress->mu);
}

TEST(progress_is_told_until_it_is_taken_back)
{
    struct suite suite;
    suite_open(&suite);
    struct progress progress = { .calls = 0 };
    mutex_init(&progress.mu);
    cond_init(&progress.moved);
    kvs_on_progress(suite.db, note_progress, &progress);
    put(suite.db, "k", "v");
    struct kvs_marks marks;
    kvs_marks(suite.db, &marks);
    kvs_request_sync(suite.db, marks.visible);
    mutex_lock(&progress.mu);
    while (progress.calls == 0)
        cond_wait(&progress.moved, &progress.mu);
    mutex_unlock(&progress.mu);
    must_ok(kvs_set(suite.db, B("k"), B("w")));
    kvs_on_progress(suite.db, NULL, NULL);
    mutex_lock(&progress.mu);
    int calls = progress.calls;
    mutex_unlock(&progress.mu);
    must_ok(kvs_set(suite.db, B("k"), B("x")));
    must_ok(kvs_set(suite.db, B("k"), B("y")));
    mutex_lock(&progress.mu);
    assert_int_equal(progress.calls, calls);
    mutex_unlock(&progress.mu);
    cond_done(&progress.moved);
    mutex_done(&progress.mu);
    suite_close(&suite);
}

TEST(without_park_a_call_that_may_not_wait_says_so_and_changes_nothing)
{
    struct suite suite;
    suite_open(&suite);
    struct kvs *db = suite.db;
    struct kvs_batch *batch = batch_of(db, "k", "v");
    struct kvs_write_options options = { .no_block = true };
    enum kvs_status status = kvs_write(db, batch, &options, NULL);
    if (suite_persistent()) {
        must(KVS_WOULD_BLOCK, status);
        must_lack(db, "k");
    } else {
        must_ok(status);
    }
    kvs_batch_free(batch);
    must_ok(kvs_set(db, B("k"), B("w")));
    struct kvs_read read = { .no_block = true };
    struct kvs_value value = { 0 };
    struct kvs_iterator *iterator;
    struct kvs_entry entry;
    if (suite_may_block()) { /* an engine that cannot tell beforehand refuses all */
        struct kvs_reader *reader;
        must(KVS_WOULD_BLOCK, kvs_get_at(db, &read, B("k"), &value));
        must(KVS_WOULD_BLOCK, kvs_iterator_open(db, &read, NULL, false, &iterator));
        must(KVS_WOULD_BLOCK, kvs_reader_open(db, &read, B("k"), &entry, NULL, &reader));
        must_ok(kvs_iterator_open(db, NULL, NULL, false, &iterator));
        must(KVS_WOULD_BLOCK, kvs_iterator_next(db, iterator, true, &entry));
        must_ok(kvs_iterator_next(db, iterator, false, &entry)); /* it has stayed where it was */
        assert_memory_equal(entry.key.data, "k", 1);
        kvs_iterator_close(db, iterator);
        suite_close(&suite);
        return;
    }
    /* A read of what is durable does not wait. */
    must_ok(kvs_get_at(db, &read, B("k"), &value));
    kvs_value_done(&value);
    must_ok(kvs_iterator_open(db, &read, NULL, false, &iterator));
    must_ok(kvs_iterator_next(db, iterator, true, &entry));
    must(KVS_NOT_FOUND, kvs_iterator_next(db, iterator, true, &entry));
    kvs_iterator_close(db, iterator);
    suite_close(&suite);
}

struct call {
    struct kvs *db;
    int key;
    atomic_int tries;
    atomic_bool done;
    enum kvs_status status;
};

static enum kvs_status call_set(void *ctx, bool may_wait)
{
    struct call *call = ctx;
    /* relaxed: the pool's hand-over orders the two tries */
    atomic_fetch_add_explicit(&call->tries, 1, memory_order_relaxed);
    char key[16];
    (void)snprintf(key, sizeof key, "k%03d", call->key);
    struct kvs_batch *batch;
    if (kvs_batch_new(&batch) != KVS_OK)
        return KVS_NO_MEMORY;
    kvs_batch_set(batch, call->db, text_bytes(key), B("v"), 0);
    struct kvs_write_options options = { .no_block = !may_wait };
    enum kvs_status status = kvs_write(call->db, batch, &options, NULL);
    kvs_batch_free(batch);
    return status;
}

static enum kvs_status call_fails(void *ctx, bool may_wait)
{
    (void)ctx;
    return may_wait ? KVS_CORRUPT : KVS_WOULD_BLOCK;
}

static void call_done(void *ctx, enum kvs_status status)
{
    struct call *call = ctx;
    call->status = status;
    /* release: status is visible with it. pairs with: call_wait */
    atomic_store_explicit(&call->done, true, memory_order_release);
}

static void call_wait(struct call *call)
{
    while (!atomic_load_explicit(&call->done, memory_order_acquire)) /* pairs with: call_done */
        sched_yield();
}

TEST(a_submitted_call_runs_here_if_it_can_and_in_the_pool_if_not)
{
    struct suite suite;
    suite_open(&suite);

    enum {
        CALLS = 100
    };
    static struct call calls[CALLS];
    for (int i = 0; i < CALLS; i++) {
        calls[i] = (struct call){ .db = suite.db, .key = i };
        enum kvs_status status = KVS_INVALID;
        if (kvs_submit(suite.db, call_set, call_done, &calls[i], &status)) {
            must_ok(status);
            assert_false(suite_persistent());
            assert_int_equal(atomic_load_explicit(&calls[i].tries, memory_order_relaxed), 1);
            calls[i].done = true;
        }
    }
    for (int i = 0; i < CALLS; i++) {
        call_wait(&calls[i]);
        must_ok(calls[i].status);
    }
    assert_int_equal(count_of(suite.db), CALLS);
    enum kvs_status status = KVS_OK;
    calls[0] = (struct call){ .db = suite.db };
    assert_false(kvs_submit(suite.db, call_fails, call_done, &calls[0], &status));
    call_wait(&calls[0]);
    assert_int_equal(calls[0].status, KVS_CORRUPT);
    suite_close(&suite);
}

TEST(closing_runs_what_was_submitted)
{
    struct suite suite;
    suite_open(&suite);
    static struct call calls[20];
    for (int i = 0; i < 20; i++) {
        calls[i] = (struct call){ .db = suite.db, .key = i };
        enum kvs_status status = KVS_OK;
        if (kvs_submit(suite.db, call_fails, call_done, &calls[i], &status))
            call_done(&calls[i], status);
    }
    suite_close(&suite);
    for (int i = 0; i < 20; i++)
        assert_true(atomic_load_explicit(&calls[i].done, memory_order_relaxed));
}
