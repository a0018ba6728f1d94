/*
 * stress_test.c - everything at once: writers, readers, snapshots and iterators, over tiny segments and hardly any memory, while the
 * background thread compacts; then everything is closed, opened again and verified.
 *
 * Accounts hold numbers whose sum never changes: transfers move amounts between accounts in one conditional batch. Whoever reads all
 * of them at one version must find that sum.
 */
#include <pthread.h>

#include "base/hash.h"
#include "engine/native/rig_test.h"

enum {
    ACCOUNTS = 16,
    START_AMOUNT = 1000,
    COUNTERS = 4,
    CHURN_KEYS = 3000,
#ifdef KVS_SANITIZED
    SCALE = 1,
#else
    SCALE = 5,
#endif
    TRANSFERS = 4000 * SCALE,
    INCREMENTS = 4000 * SCALE,
    CHURNS = 10000 * SCALE,
    READS = 600 * SCALE,
};

struct stress {
    struct rig *rig;
    uint64_t seed;
    atomic_uint increments;
    atomic_bool failed;
    atomic_bool done;
};

struct worker {
    struct stress *stress;
    pthread_t thread;
    struct random random;
};

/* cmocka's assertions belong to the main thread: others leave a note. */
#define expect(stress, condition)                                                              \
    do {                                                                                       \
        if (!(condition)) {                                                                    \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, fail_text());   \
            atomic_store_explicit(&(stress)->failed, true, memory_order_relaxed); /* a flag */ \
        }                                                                                      \
    } while (0)

static bool has_failed(struct stress *stress)
{
    return atomic_load_explicit(&stress->failed,
                                memory_order_relaxed); /* a flag, read again after joining */
}

struct number {
    uint64_t value;
    uint64_t version;
};

static void take_number(void *ctx, const struct kvs_entry *entry)
{
    struct number *number = ctx;
    memcpy(&number->value, entry->value.data, sizeof number->value);
    number->version = entry->version;
}

static enum kvs_status put_if(struct rig *rig, struct kvs_op *ops, struct kvs_condition *conditions,
                              size_t count)
{
    struct kvs_write write = { .ops = ops,
                               .op_count = count,
                               .conditions = conditions,
                               .condition_count = count,
                               .durability = KVS_DURABILITY_ALWAYS };
    struct kvs_written written;
    return native_engine_ops.write(rig->engine, &write, &written);
}

static void account_names(char names[ACCOUNTS][16], struct kvs_bytes keys[ACCOUNTS])
{
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        snprintf(names[i], 16, "account%02u", i);
        keys[i] = text_of(names[i]);
    }
}

/* Reads all accounts at one version and checks their sum. */
static void read_accounts(struct stress *stress, const struct kvs_snapshot *snapshot,
                          struct number numbers[ACCOUNTS])
{
    char names[ACCOUNTS][16];
    struct kvs_bytes keys[ACCOUNTS];
    void *ctxs[ACCOUNTS];
    enum kvs_status statuses[ACCOUNTS];
    account_names(names, keys);
    for (unsigned i = 0; i < ACCOUNTS; i++)
        ctxs[i] = &numbers[i];
    struct kvs_read read = { .snapshot = snapshot };
    uint64_t position;
    enum kvs_status status = native_engine_ops.multi_get(stress->rig->engine, &read, ACCOUNTS, keys,
                                                         take_number, ctxs, statuses, &position);
    expect(stress, status == KVS_OK);
    uint64_t sum = 0;
    for (unsigned i = 0; status == KVS_OK && i < ACCOUNTS; i++) {
        expect(stress, statuses[i] == KVS_OK);
        sum += numbers[i].value;
    }
    expect(stress, status != KVS_OK || sum == (uint64_t)ACCOUNTS * START_AMOUNT);
}

/* Spreads the sum of 2 to 16 accounts over them anew. */
static void *transfer(void *arg)
{
    struct worker *worker = arg;
    struct stress *stress = worker->stress;
    for (unsigned i = 0; i < TRANSFERS && !has_failed(stress); i++) {
        struct number numbers[ACCOUNTS] = { 0 };
        char names[ACCOUNTS][16];
        struct kvs_bytes keys[ACCOUNTS];
        struct kvs_op ops[ACCOUNTS];
        struct kvs_condition conditions[ACCOUNTS];
        account_names(names, keys);
        read_accounts(stress, NULL, numbers);
        size_t count = 2 + (size_t)random_below(&worker->random, ACCOUNTS - 1);
        uint64_t amount = random_below(&worker->random, 50);
        if (numbers[0].value < amount)
            amount = numbers[0].value;
        numbers[0].value -= amount;
        numbers[count - 1].value += amount;
        for (size_t k = 0; k < count; k++) {
            ops[k] = (struct kvs_op){ .kind = KVS_OP_SET,
                                      .key = keys[k],
                                      .value = bytes_of(&numbers[k].value, 8) };
            conditions[k] = (struct kvs_condition){ .kind = KVS_IF_VERSION,
                                                    .key = keys[k],
                                                    .version = numbers[k].version };
        }
        enum kvs_status status = put_if(stress->rig, ops, conditions, count);
        expect(stress, status == KVS_OK || status == KVS_CONFLICT);
    }
    return NULL;
}

static void *increment(void *arg)
{
    struct worker *worker = arg;
    struct stress *stress = worker->stress;
    for (unsigned i = 0; i < INCREMENTS && !has_failed(stress); i++) {
        char name[16];
        snprintf(name, sizeof name, "counter%u", (unsigned)random_below(&worker->random, COUNTERS));
        struct number number = { 0 };
        struct kvs_read read = { 0 };
        uint64_t position;
        enum kvs_status found = native_engine_ops.get(stress->rig->engine, &read, text_of(name),
                                                      take_number, &number, &position);
        expect(stress, found == KVS_OK || found == KVS_NOT_FOUND);
        number.value++;
        struct kvs_op op = { .kind = KVS_OP_SET,
                             .key = text_of(name),
                             .value = bytes_of(&number.value, 8) };
        struct kvs_condition condition = { .kind = found == KVS_OK ? KVS_IF_VERSION : KVS_IF_ABSENT,
                                           .key = text_of(name),
                                           .version = number.version };
        enum kvs_status status = put_if(stress->rig, &op, &condition, 1);
        expect(stress, status == KVS_OK || status == KVS_CONFLICT);
        if (status == KVS_OK)
            atomic_fetch_add_explicit(&stress->increments, 1,
                                      memory_order_relaxed); /* read after joining */
    }
    return NULL;
}

/* New keys, overwrites, removals, ranges; half of them not allowed to wait, so that batches are taken back in the middle. */
static void *churn(void *arg)
{
    struct worker *worker = arg;
    struct stress *stress = worker->stress;
    static const char filler[600] = { 'x' };
    for (unsigned i = 0; i < CHURNS && !has_failed(stress); i++) {
        enum {
            MANY = 20
        };

        char names[MANY][32];
        char range_end[40];
        struct kvs_op ops[MANY];
        size_t count = i % 3 == 0 ? 2 + (size_t)random_below(&worker->random, MANY - 1) : 1;
        for (size_t k = 0; k < count; k++) {
            snprintf(names[k], sizeof names[k], "k%05u",
                     (unsigned)random_below(&worker->random, CHURN_KEYS));
            ops[k] =
                random_below(&worker->random, 4) == 0
                    ? op_remove(names[k])
                    : op_set(names[k],
                             bytes_of(filler, 20 + (size_t)random_below(&worker->random, 500)));
        }
        if (i % 97 == 0) {
            snprintf(range_end, sizeof range_end, "%s~", names[0]);
            ops[0] = op_range(names[0], range_end);
        }
        struct kvs_write write = { .ops = ops,
                                   .op_count = count,
                                   .durability = KVS_DURABILITY_ALWAYS,
                                   .no_block = random_below(&worker->random, 2) == 0 };
        struct kvs_written written;
        enum kvs_status status = native_engine_ops.write(stress->rig->engine, &write, &written);
        if (status == KVS_WOULD_BLOCK && write.no_block) {
            write.no_block = false;
            status = native_engine_ops.write(stress->rig->engine, &write, &written);
        }
        expect(stress, status == KVS_OK);
    }
    return NULL;
}

/* A digest of all a snapshot shows; the order of keys is checked, and does not matter to the digest. */
static uint64_t digest(struct stress *stress, const struct kvs_snapshot *snapshot, bool reverse)
{
    struct kvs_read read = { .snapshot = snapshot };
    struct kvs_range all = { 0 };
    struct kvs_iterator *it;
    struct kvs_entry entry;
    struct buf last;
    uint64_t sum = 0;
    bool first = true;
    enum kvs_status status =
        native_engine_ops.iterator_open(stress->rig->engine, &read, &all, reverse, &it);
    expect(stress, status == KVS_OK);
    if (status != KVS_OK)
        return 0;
    buf_init(&last, KVS_ENGINE_KEY_MAX);
    while ((status = native_engine_ops.iterator_next(it, false, &entry)) == KVS_OK) {
        int order = bytes_compare(buf_bytes(&last), entry.key);
        expect(stress, first || (reverse ? order > 0 : order < 0));
        first = false;
        sum += hash_bytes(entry.key, entry.version) ^ hash_bytes(entry.value, 1);
        buf_truncate(&last, 0);
        buf_append_bytes(&last, entry.key);
    }
    expect(stress, status == KVS_NOT_FOUND);
    native_engine_ops.iterator_close(it);
    buf_done(&last);
    return sum;
}

static void *look(void *arg)
{
    struct worker *worker = arg;
    struct stress *stress = worker->stress;
    for (unsigned i = 0; i < READS && !has_failed(stress); i++) {
        struct number numbers[ACCOUNTS];
        struct number again[ACCOUNTS];
        read_accounts(stress, NULL, numbers);
        if (i % 8 != 0)
            continue;
        struct kvs_snapshot *snapshot;
        enum kvs_status status =
            native_engine_ops.snapshot_open(stress->rig->engine, "look", &snapshot);
        expect(stress, status == KVS_OK);
        if (status != KVS_OK)
            break;
        memset(numbers, 0, sizeof numbers);
        memset(again, 0, sizeof again);
        read_accounts(stress, snapshot, numbers);
        uint64_t forward = digest(stress, snapshot, false);
        expect(stress, forward == digest(stress, snapshot, true));
        read_accounts(stress, snapshot, again);
        expect(stress, memcmp(numbers, again, sizeof numbers) == 0);
        native_engine_ops.snapshot_close(stress->rig->engine, snapshot);
    }
    return NULL;
}

/* Beside the background thread: all that is dead, again and again. */
static void *compact(void *arg)
{
    struct worker *worker = arg;
    struct stress *stress = worker->stress;
    while (!atomic_load_explicit(&stress->done, memory_order_relaxed)) /* a flag */
        expect(stress, native_engine_ops.compact(stress->rig->engine) == KVS_OK);
    return NULL;
}

static uint64_t sum_counters(struct rig *rig)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < COUNTERS; i++) {
        char name[16];
        struct number number = { 0 };
        struct kvs_read read = { 0 };
        uint64_t position;
        snprintf(name, sizeof name, "counter%u", i);
        must(native_engine_ops.get(rig->engine, &read, text_of(name), take_number, &number,
                                   &position));
        sum += number.value;
    }
    return sum;
}

TEST(writers_readers_and_compaction_at_once_lose_nothing)
{
    static void *(*const jobs[])(
        void *) = { transfer, transfer, increment, churn, churn, look, look };

    enum {
        WORKERS = sizeof jobs / sizeof jobs[0]
    };
    struct rig rig;
    rig_init(&rig);
    rig.config.no_background = false;
    rig.config.durability = KVS_DURABILITY_NO; /* the committer hands over by itself */
    rig.config.memory_bytes = 512 * 1024;
    rig_open(&rig);
    struct stress stress = { .rig = &rig, .seed = test_seed() };
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        char name[16];
        uint64_t amount = START_AMOUNT;
        snprintf(name, sizeof name, "account%02u", i);
        struct kvs_op op = op_set(name, bytes_of(&amount, sizeof amount));
        must(rig_write(&rig, &op, 1, NULL));
    }
    rig_fill(&rig, "ballast", 3000, 400,
             0); /* more than there is memory for, and nobody writes it */
    struct worker workers[WORKERS];
    struct worker compactor = { .stress = &stress };
    assert_int_equal(pthread_create(&compactor.thread, NULL, compact, &compactor), 0);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i].stress = &stress;
        random_seed(&workers[i].random, stress.seed + i);
        assert_int_equal(pthread_create(&workers[i].thread, NULL, jobs[i], &workers[i]), 0);
    }
    for (unsigned i = 0; i < WORKERS; i++)
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
    atomic_store_explicit(&stress.done, true, memory_order_relaxed); /* a flag */
    assert_int_equal(pthread_join(compactor.thread, NULL), 0);
    assert_false(has_failed(&stress));
    printf("%llu compactions, %llu cold reads, %llu conflicts\n",
           (unsigned long long)rig_figure(&rig, "compactions"),
           (unsigned long long)rig_figure(&rig, "log_disk_reads_total"),
           (unsigned long long)rig_figure(&rig, "write_conflicts"));
    assert_true(rig_figure(&rig, "compactions") > 0);
    assert_true(rig_figure(&rig, "log_disk_reads_total") > 0);
    assert_int_equal(rig_figure(&rig, "older_versions"), 0);
    uint64_t before = digest(&stress, NULL, false);
    rig.config.no_background = true; /* nobody else while it is verified */
    for (unsigned i = 0; i < 2; i++) {
        rig_reopen(&rig);
        rig_verify(&rig);
        assert_true(digest(&stress, NULL, true) == before);
        assert_int_equal(
            sum_counters(&rig),
            atomic_load_explicit(&stress.increments, memory_order_relaxed)); /* joined */
        rig_compact(&rig);
        rig_verify(&rig);
    }
    struct number numbers[ACCOUNTS];
    read_accounts(&stress, NULL, numbers);
    rig_expect_filled(&rig, NULL, "ballast", 3000, 400, 0);
    assert_false(has_failed(&stress));
    rig_done(&rig);
}
