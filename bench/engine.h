/*
 * engine.h - what the files of `kvs-bench engine` share: a store under load, its workers, the table of workloads.
 *
 * Each store has a process of its own, so that its memory and its writes are its own, and one that is killed does not end the
 * benchmark. Keys are made before the clock of an operation starts, in the same way for every store.
 */
#ifndef BENCH_ENGINE_H
#define BENCH_ENGINE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/hash.h"
#include "bench/histogram.h"
#include "bench/options.h"
#include "bench/store.h"
#include "bench/zipf.h"
#include "io/random.h"

enum {
    BATCH_MAX = 10000,
    WALK_RECORDS = 1000
};

struct load {
    const struct bench_options *options;
    const char *name; /* of the store, as the user wrote it */
    const struct store_ops *ops;
    struct store_config config;
    char dir[4096];
    struct store *store; /* NULL: closed */
    struct store_value value;
    struct zipf zipf;    /* n 0: not made yet */
    uint64_t operations; /* of each worker, at most */
    uint64_t seconds;    /* 0: no limit */
    const struct workload *workload;
    _Atomic uint64_t inserted; /* keys beyond options->keys */
    atomic_bool stop;
    atomic_bool failed;
};

struct worker {
    struct load *load;
    const struct op *op;
    struct store_thread *thread;
    pthread_t native;
    unsigned number;
    unsigned count; /* of workers beside it with the same operation */
    bool beside;    /* goes on until it is told to stop */
    struct random random;
    uint64_t done;
    uint64_t records;
    int kind; /* of the operation that was prepared */
    int scan_records;
    char *keys; /* BATCH_MAX of them */
    struct histogram latency;
};

/* One operation: prepare() makes its keys, outside the clock. run() answers how many records it was about, negative: it failed. */
struct op {
    void (*prepare)(struct worker *worker);
    int (*run)(struct worker *worker);
};

struct workload {
    const char *name;
    const struct op *op;
    const struct op *beside; /* one more worker meanwhile; NULL */
    unsigned threads;        /* 0: as --threads says */
    bool fills;              /* begins with an empty store, does each key once */
    bool synced;
    bool ordered;   /* needs a store that is */
    bool zipf;      /* draws its keys with it */
    uint64_t times; /* operations as a multiple of the keys; 0: at_most */
    uint64_t at_most;
    const char *what;
};

extern const struct workload workloads[];
const struct workload *workload_find(const char *name); /* NULL: there is none */

/* The key of a number, 16 hexadecimal digits; numbers scattered over all keys, none twice. */
void key_write(uint64_t number, char key[BENCH_KEY_BYTES]);

static inline uint64_t key_scattered(uint64_t number)
{
    return hash_u64(number + 1);
}

/* engine_run.c */
bool load_open(struct load *load, bool synced);
bool load_close(struct load *load);
bool load_empty(struct load *load); /* closed, and nothing in its directory */
bool load_run(struct load *load, const struct workload *workload);
bool worker_init(struct worker *worker, struct load *load, const struct op *op, unsigned number,
                 unsigned count);
void worker_done(struct worker *worker);

/* engine_cold.c, engine_reopen.c, engine_pause.c: experiments with processes of their own. */
bool cold_run(struct load *load);
bool reopen_run(struct load *load);
bool pause_run(struct load *load);

/* Runs @run in a process of its own; false: it failed. */
bool in_child(struct load *load, bool (*run)(struct load *load));
bool directory_clear(const char *dir);

#endif
