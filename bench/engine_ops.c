/*
 * engine_ops.c - the workloads: operations, and how they are put together.
 */
#include <string.h>

#include "bench/engine.h"

enum {
    SEEK_RECORDS = 50,
    SCAN_MAX = 100, /* YCSB E: 1 to this many */
    KIND_READ = 0,
    KIND_WRITE,
    KIND_INSERT,
    KIND_SCAN,
    KIND_CHANGE
};

void key_write(uint64_t number, char key[BENCH_KEY_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = BENCH_KEY_BYTES - 1; i >= 0; i--, number >>= 4)
        key[i] = digits[number & 15];
}

/* ---- Keys ---- */

static uint64_t my_number(const struct worker *worker)
{
    return worker->done * worker->count + worker->number;
}

static void next_in_order(struct worker *worker)
{
    key_write(my_number(worker), worker->keys);
}

static void next_scattered(struct worker *worker)
{
    key_write(key_scattered(my_number(worker)), worker->keys);
}

static void next_batch(struct worker *worker)
{
    uint64_t batch = worker->load->options->batch;
    for (uint64_t i = 0; i < batch; i++)
        key_write(key_scattered(my_number(worker) * batch + i), worker->keys + i * BENCH_KEY_BYTES);
}

static uint64_t any_number(struct worker *worker)
{
    return random_below(&worker->random, worker->load->options->keys);
}

static void any_key(struct worker *worker)
{
    key_write(key_scattered(any_number(worker)), worker->keys);
}

static void any_keys(struct worker *worker, size_t count)
{
    for (size_t i = 0; i < count; i++)
        key_write(key_scattered(any_number(worker)), worker->keys + i * BENCH_KEY_BYTES);
}

static void any_16(struct worker *worker)
{
    any_keys(worker, 16);
}

static void any_32(struct worker *worker)
{
    any_keys(worker, 32);
}

static void missing_key(struct worker *worker)
{
    key_write(random_u64(&worker->random), worker->keys);
    worker->keys[BENCH_KEY_BYTES - 1] = '.'; /* never a digit */
}

static void any_place(struct worker *worker)
{
    key_write(random_u64(&worker->random), worker->keys);
}

static void no_key(struct worker *worker)
{
    (void)worker;
}

/* ---- What is done with them ---- */

static int do_put(struct worker *worker)
{
    return worker->load->ops->put(worker->thread, worker->keys, worker->load->value) ? 1 : -1;
}

static int do_put_batch(struct worker *worker)
{
    const struct load *load = worker->load;
    return load->ops->put_batch(worker->thread, worker->keys, load->options->batch, load->value)
               ? (int)load->options->batch
               : -1;
}

static int do_get(struct worker *worker)
{
    return worker->load->ops->get(worker->thread, worker->keys) < 0 ? -1 : 1;
}

static int do_get_16(struct worker *worker)
{
    return worker->load->ops->get_many(worker->thread, worker->keys, 16) < 0 ? -1 : 16;
}

static int do_get_32(struct worker *worker)
{
    return worker->load->ops->get_many(worker->thread, worker->keys, 32) < 0 ? -1 : 32;
}

static int do_walk(struct worker *worker)
{
    const struct store_ops *ops = worker->load->ops;
    int seen = ops->walk(worker->thread, WALK_RECORDS);
    return seen != 0 ? seen
                     : ops->walk(worker->thread, WALK_RECORDS); /* it had ended exactly there */
}

static int do_seek(struct worker *worker)
{
    return worker->load->ops->scan(worker->thread, worker->keys, SEEK_RECORDS) < 0 ? -1 : 1;
}

static int do_remove(struct worker *worker)
{
    return worker->load->ops->remove(worker->thread, worker->keys) ? 1 : -1;
}

/* ---- YCSB: which of its operations, on which key ---- */

static void pick(struct worker *worker, unsigned percent_reads, int otherwise)
{
    struct load *load = worker->load;
    worker->kind = random_below(&worker->random, 100) < percent_reads ? KIND_READ : otherwise;
    uint64_t number;
    if (worker->kind == KIND_INSERT) {
        /* relaxed: a number that nobody else gets */
        number = load->options->keys +
                 atomic_fetch_add_explicit(&load->inserted, 1, memory_order_relaxed);
    } else {
        uint64_t drawn = zipf_draw(&load->zipf, random_u64(&worker->random));
        number = hash_u64(drawn) % load->options->keys;
    }
    key_write(key_scattered(number), worker->keys);
}

static void pick_a(struct worker *worker)
{
    pick(worker, 50, KIND_WRITE);
}

static void pick_b(struct worker *worker)
{
    pick(worker, 95, KIND_WRITE);
}

static void pick_c(struct worker *worker)
{
    pick(worker, 100, KIND_READ);
}

/* D reads what was inserted last. */
static void pick_d(struct worker *worker)
{
    struct load *load = worker->load;
    pick(worker, 95, KIND_INSERT);
    if (worker->kind == KIND_INSERT)
        return;
    uint64_t newest =
        load->options->keys + atomic_load_explicit(&load->inserted, memory_order_relaxed);
    uint64_t back = zipf_draw(&load->zipf, random_u64(&worker->random));
    key_write(key_scattered(newest - 1 - (back < newest ? back : newest - 1)), worker->keys);
}

static void pick_e(struct worker *worker)
{
    pick(worker, 95, KIND_INSERT);
    if (worker->kind == KIND_READ)
        worker->kind = KIND_SCAN;
    worker->scan_records = 1 + (int)random_below(&worker->random, SCAN_MAX);
}

static void pick_f(struct worker *worker)
{
    pick(worker, 50, KIND_CHANGE);
}

static int do_picked(struct worker *worker)
{
    const struct load *load = worker->load;
    switch (worker->kind) {
    case KIND_READ:
        return do_get(worker);
    case KIND_SCAN:
        return load->ops->scan(worker->thread, worker->keys, worker->scan_records) < 0 ? -1 : 1;
    case KIND_CHANGE:
        return do_get(worker) < 0 ? -1 : do_put(worker);
    default:
        return do_put(worker);
    }
}

static const struct op put_in_order = { next_in_order, do_put };
static const struct op put_scattered = { next_scattered, do_put };
static const struct op put_batches = { next_batch, do_put_batch };
static const struct op put_any = { any_key, do_put };
static const struct op get_any = { any_key, do_get };
static const struct op get_any_16 = { any_16, do_get_16 };
static const struct op get_any_32 = { any_32, do_get_32 };
static const struct op get_missing = { missing_key, do_get };
static const struct op walk_all = { no_key, do_walk };
static const struct op seek_any = { any_place, do_seek };
static const struct op remove_scattered = { next_scattered, do_remove };
static const struct op ycsb_a = { pick_a, do_picked };
static const struct op ycsb_b = { pick_b, do_picked };
static const struct op ycsb_c = { pick_c, do_picked };
static const struct op ycsb_d = { pick_d, do_picked };
static const struct op ycsb_e = { pick_e, do_picked };
static const struct op ycsb_f = { pick_f, do_picked };

const struct workload workloads[] = {
    { .name = "fillseq",
      .op = &put_in_order,
      .fills = true,
      .times = 1,
      .what = "each key once, in order" },
    { .name = "fillbatch",
      .op = &put_batches,
      .fills = true,
      .times = 1,
      .what = "each key once, --batch at a time" },
    { .name = "fillrandom",
      .op = &put_scattered,
      .fills = true,
      .times = 1,
      .what = "each key once, in random order" },
    { .name = "overwrite", .op = &put_any, .times = 1, .what = "random keys that exist" },
    { .name = "overwrite3", .op = &put_any, .times = 3, .what = "as many as three times the keys" },
    { .name = "fillsync",
      .op = &put_any,
      .threads = 1,
      .synced = true,
      .at_most = 40000,
      .what = "random keys, each on disk; 1 thread" },
    { .name = "fillsync4",
      .op = &put_any,
      .threads = 4,
      .synced = true,
      .at_most = 80000,
      .what = "4 threads" },
    { .name = "fillsync16",
      .op = &put_any,
      .threads = 16,
      .synced = true,
      .at_most = 160000,
      .what = "16 threads" },
    { .name = "readrandom", .op = &get_any, .times = 1, .what = "random keys that exist" },
    { .name = "readrandom2", .op = &get_any, .threads = 2, .times = 1, .what = "2 threads" },
    { .name = "multiget16", .op = &get_any_16, .times = 1, .what = "16 random keys at a time" },
    { .name = "multiget32", .op = &get_any_32, .times = 1, .what = "32 random keys at a time" },
    { .name = "readmissing",
      .op = &get_missing,
      .times = 1,
      .what = "random keys that do not exist" },
    { .name = "readseq",
      .op = &walk_all,
      .ordered = true,
      .times = 1,
      .what = "all records in order, again and again" },
    { .name = "seekrandom",
      .op = &seek_any,
      .ordered = true,
      .times = 1,
      .what = "50 records from a random place on" },
    { .name = "readwhilewriting",
      .op = &get_any,
      .beside = &put_any,
      .times = 1,
      .what = "readrandom beside one thread that overwrites" },
    { .name = "ycsba",
      .op = &ycsb_a,
      .zipf = true,
      .times = 1,
      .what = "50 % reads, 50 % updates, zipfian" },
    { .name = "ycsbb",
      .op = &ycsb_b,
      .zipf = true,
      .times = 1,
      .what = "95 % reads, 5 % updates, zipfian" },
    { .name = "ycsbc", .op = &ycsb_c, .zipf = true, .times = 1, .what = "reads, zipfian" },
    { .name = "ycsbd",
      .op = &ycsb_d,
      .zipf = true,
      .times = 1,
      .what = "95 % reads of the latest, 5 % inserts" },
    { .name = "ycsbe",
      .op = &ycsb_e,
      .ordered = true,
      .zipf = true,
      .times = 1,
      .what = "95 % scans of 1 to 100, 5 % inserts" },
    { .name = "ycsbf",
      .op = &ycsb_f,
      .zipf = true,
      .times = 1,
      .what = "50 % reads, 50 % read and update" },
    { .name = "deleterandom",
      .op = &remove_scattered,
      .times = 1,
      .what = "each key once, in random order" },
    { .name = NULL },
};

const struct workload *workload_find(const char *name)
{
    for (const struct workload *workload = workloads; workload->name != NULL; workload++)
        if (strcmp(workload->name, name) == 0)
            return workload;
    return NULL;
}
