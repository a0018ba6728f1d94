/*
 * store.h - one face for the stores that `kvs-bench engine` compares: engines of this library through kvs.h, and the peers through
 * their own interfaces, each used as its experts use it.
 *
 * A found value is touched (first and last byte), never copied where the store can lend it. Functions that fail say why on stderr.
 * Threads: a struct store_thread belongs to one thread; everything else is any.
 */
#ifndef BENCH_STORE_H
#define BENCH_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BENCH_KEY_BYTES = 16
};

struct store;
struct store_thread;

struct store_config {
    const char *dir; /* exists */
    const char *engine;
    bool synced;           /* every write waits for the disk; false: it is handed to the system */
    bool large;            /* the data does not fit memory: no reading ahead */
    uint64_t memory_bytes; /* 0: the store's own choice */
    uint64_t keys;         /* about how many there will be */
    unsigned threads;      /* of asynchronous gets */
};

struct store_value {
    const char *data;
    size_t len;
};

struct store_ops {
    const char *name;
    const char *what;
    bool ordered;
    bool syncs; /* can wait for the disk at each write */
    struct store *(*open)(const struct store_config *config);
    bool (*close)(struct store *store);
    /* Waits until what works in the background after the writes is done, so that the next store has the machine. */
    void (*settle)(struct store *store);
    struct store_thread *(*thread_new)(struct store *store);
    void (*thread_free)(struct store_thread *thread);
    bool (*put)(struct store_thread *thread, const char *key, struct store_value value);
    bool (*put_batch)(struct store_thread *thread, const char *keys, size_t count,
                      struct store_value value);
    bool (*remove)(struct store_thread *thread, const char *key);
    /* How many were found; negative: it failed. */
    int (*get)(struct store_thread *thread, const char *key);
    int (*get_many)(struct store_thread *thread, const char *keys, size_t count);
    /* Reads @count records from the first at or after @key on. Returns how many, negative: it failed. */
    int (*scan)(struct store_thread *thread, const char *key, int count);
    /* The next @count records of a walk through everything; fewer: it was the end, the next call begins again. */
    int (*walk)(struct store_thread *thread, int count);
    /* Many gets under way at a time, from one thread; NULL: only with a thread for each. */
    bool (*get_async)(struct store *store, const char *key, void (*done)(void *ctx, bool ok),
                      void *ctx);
    /* Upkeep while others work; NULL: has none. */
    bool (*compact)(struct store *store);
    bool (*checkpoint)(struct store *store);
};

/* By name: "lmdb", "rocksdb", "tkrzw", any engine of the library, "kvs-lmdb" and "kvs-rocksdb" for its adapters. NULL: unknown. */
const struct store_ops *store_find(const char *name, const char **ret_engine);
const struct store_ops *store_at(size_t index); /* NULL past the last */

extern const struct store_ops store_kvs;
extern const struct store_ops store_lmdb;
extern const struct store_ops store_rocksdb;
extern const struct store_ops store_tkrzw;

/* Keeps the compiler from leaving a read out. */
static inline void store_touch(const void *data, size_t len)
{
    if (len == 0)
        return;
    const volatile char *bytes = data;
    (void)bytes[0];
    (void)bytes[len - 1];
}

#endif
