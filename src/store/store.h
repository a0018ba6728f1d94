/*
 * store.h - what is behind a struct kvs, and what the files of this room share.
 *
 * A handle is a pointer into its store's array of handles, one for each key space; all of them count on one reference count.
 * Inside, keys are engine keys: one byte with the space's number, then the user's key.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdatomic.h>

#include <kvs/kvs.h>

#include "io/env.h"
#include "store/gate.h"

struct pool;
struct store;

struct kvs {
    struct store *store;
    unsigned char space;
};

struct store {
    const struct kvs_engine_ops *ops;
    struct kvs_engine *engine;
    struct kvs handles[KVS_SPACES];
    atomic_uint refs;

    /* Fixed at open. */
    struct kvs_env env; /* every member filled in */
    char *dir;
    struct io_file *lock; /* NULL: the engine keeps nothing in a directory */
    enum kvs_durability durability;
    bool read_only;
    unsigned pool_threads;

    struct gate gate;
    struct mutex pool_mu;
    struct pool *pool GUARDED_BY(pool_mu); /* NULL: nothing was submitted yet */
    atomic_uint_fast64_t conflicts;        /* transactions that ran into one, for stats */
};

/* open.c: kvs_open() with the engine given by its operations; @ops NULL: by options and marker. For tests. */
KVS_MUST_CHECK enum kvs_status store_open(const char *dir, const struct kvs_options *options,
                                          const struct kvs_engine_ops *ops, struct kvs **ret);

/* ---- key.c: engine keys ---- */

enum {
    KEY_STACK_BYTES = 512,
    KEY_BOUND_MAX = KVS_KEY_MAX + 1, /* a bound may be the successor of the longest key */
};

/* Room for an engine key: short ones on the stack. */
struct key_scratch {
    unsigned char *heap; /* NULL: not needed */
    unsigned char stack[KEY_STACK_BYTES];
};

/* Makes the engine key of @key; valid until key_done(), which must follow KVS_OK. KVS_TOO_LONG, KVS_NO_MEMORY. */
KVS_MUST_CHECK enum kvs_status key_make(const struct kvs *db, struct kvs_bytes key,
                                        struct key_scratch *scratch, struct kvs_bytes *ret);
void key_done(struct key_scratch *scratch);

/* The limit alone, recorded with fail(). */
KVS_MUST_CHECK enum kvs_status key_check(const struct kvs *db, struct kvs_bytes key);
KVS_MUST_CHECK enum kvs_status range_check(const struct kvs_range *range);

/* An engine range within the space of @db; @range NULL: the whole space. Bounds live until range_done(). */
struct range_scratch {
    struct key_scratch start;
    struct key_scratch end;
};
KVS_MUST_CHECK enum kvs_status range_make(const struct kvs *db, const struct kvs_range *range,
                                          struct range_scratch *scratch, struct kvs_range *ret);
void range_done(struct range_scratch *scratch);

/* The user's key in an engine key. */
static inline struct kvs_bytes key_strip(struct kvs_bytes key)
{
    return (struct kvs_bytes){ (const unsigned char *)key.data + 1, key.len - 1 };
}

/* ---- read.c ---- */

extern const struct kvs_read store_read_default;

/* Waits until @position is durable, when @read wants that of the call. KVS_WOULD_BLOCK, or why it never will be. */
KVS_MUST_CHECK enum kvs_status store_settle(struct store *store, const struct kvs_read *read,
                                            uint64_t position);

/* ---- write.c ---- */

/* What a batch asks of an engine; checked against its capabilities. */
struct write_needs {
    bool conditions;
    bool untouched;
    bool expiry;
    bool remove_range;
};

/* KVS_UNSUPPORTED with the reason, KVS_READ_ONLY, or KVS_OK. */
KVS_MUST_CHECK enum kvs_status store_check_needs(const struct store *store,
                                                 const struct write_needs *needs, size_t op_count);
/* Limits of one operation of @db: value (NULL: none), expiry, blob. */
KVS_MUST_CHECK enum kvs_status store_check_value(const struct kvs *db, struct kvs_bytes value,
                                                 int64_t expire_ms);
KVS_MUST_CHECK enum kvs_status store_check_blob(const struct kvs *db, const struct kvs_blob *blob,
                                                int64_t expire_ms);

/* What became of a write, whatever the call answered. */
struct applied {
    struct kvs_written written;
    bool
        done; /* the engine has the batch, and its blobs; a failure is one of waiting for the disk */
};

/*
 * Applies @write, through the gate unless the caller @holds_gate. Resolves the durability, and waits for it (or for the
 * dependency of a conflict) unless write->park.
 */
KVS_MUST_CHECK enum kvs_status store_apply(struct store *store, struct kvs_write *write,
                                           bool holds_gate, struct applied *ret);

/* Grows *array to hold @count elements of @size bytes. KVS_NO_MEMORY. */
KVS_MUST_CHECK enum kvs_status store_grow(void **array, size_t *capacity, size_t count,
                                          size_t size);

#endif
