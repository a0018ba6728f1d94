/*
 * model.h - two stores side by side: the engine under test, and the engine "memory", which is the truth.
 *
 * Every step does the same to both and compares what they answer. A difference ends the run with the step's number; the seed, printed
 * at the start, repeats it.
 */
#ifndef TESTS_MODEL_MODEL_H
#define TESTS_MODEL_MODEL_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kvs/kvs.h>

#include "io/env.h"
#include "io/random.h"
#include "tests/harness/test.h"

enum {
    MODEL_KEYS = 120,
    MODEL_SPACES = 2,
    MODEL_SNAPSHOTS = 6,
    MODEL_ITERATORS = 3,
    MODEL_READERS = 3,
    MODEL_LARGE_BYTES = 3 * 1024 * 1024
};

#define MODEL_START_MS INT64_C(1700000000000)

/* One thing that both stores have. */
struct both {
    struct kvs *real;
    struct kvs *truth;
};

struct snapshot_pair {
    struct kvs_snapshot *real; /* NULL: not open */
    struct kvs_snapshot *truth;
    /* Something absent was removed since, or a range, or time has passed: then the engine may take more for touched than the truth
     * does, because a removal of what is absent, or has expired, is a removal all the same. */
    bool blurred;
};

struct iterator_pair {
    struct kvs_iterator *real; /* NULL: not open */
    struct kvs_iterator *truth;
    unsigned space;
};

struct reader_pair {
    struct kvs_reader *real; /* NULL: not open */
    struct kvs_reader *truth;
    uint64_t value_bytes;
};

struct model {
    struct random random;
    uint64_t step;
    const char *what;   /* it is doing */
    struct kvs_env env; /* of the real store; the clock is shared */
    struct kvs_env truth_env;
    const char *dir;
    struct kvs_options options;
    struct both spaces[MODEL_SPACES];
    struct kvs_txn *real_txn;
    struct kvs_txn *truth_txn;
    struct snapshot_pair snapshots[MODEL_SNAPSHOTS];
    struct iterator_pair iterators[MODEL_ITERATORS];
    struct reader_pair readers[MODEL_READERS];
    bool expiry_used;
    unsigned char *bytes; /* MODEL_LARGE_BYTES of noise, the source of all values */
    unsigned char *real_buf;
    unsigned char *truth_buf;
};

/* Fails the test, naming the step, unless @condition. */
#define same(model, condition) model_check((model), (condition), #condition, __FILE__, __LINE__)
void model_check(const struct model *model, bool condition, const char *text, const char *file,
                 int line);

/* Both answers are the same, and one of those a healthy store gives. */
#define same_status(model, real, truth) \
    model_check_status((model), (real), (truth), __FILE__, __LINE__)
enum kvs_status model_check_status(const struct model *model, enum kvs_status real,
                                   enum kvs_status truth, const char *file, int line);

/* Opens both, fresh. @io is the real store's disk; NULL: the real one. */
void model_open(struct model *model, const char *engine, struct io *io, uint64_t seed);
/* Closes and opens the store under test; the truth stays. Snapshots, iterators and readers go before. */
void model_reopen(struct model *model);
void model_close(struct model *model);
/* Closes what is held on both. */
void model_let_go(struct model *model);

/* Random choices. */
static inline uint64_t pick(struct model *model, uint64_t bound)
{
    return random_below(&model->random, bound);
}

static inline bool chance(struct model *model, uint64_t one_in)
{
    return pick(model, one_in) == 0;
}

/* A key of the pool, mostly; @buf has MODEL_KEY_BYTES. */
enum {
    MODEL_KEY_BYTES = KVS_KEY_MAX
};
struct kvs_bytes model_key(struct model *model, unsigned char *buf);
struct kvs_bytes model_value(struct model *model);
int64_t model_expiry(struct model *model);
/* Bounds from the pool; start may lie behind end. */
struct kvs_range model_range(struct model *model, unsigned char *start_buf, unsigned char *end_buf);
struct both model_space(struct model *model);
/* A snapshot that is open, or one with NULLs: the newest. */
struct snapshot_pair model_snapshot(struct model *model);

/* From now on the open snapshots' answers to "touched since?" may differ, see snapshot_pair. */
void model_blur(struct model *model);
/* @key is about to be removed without looking; if it is not there, that blurs. */
void model_note_removal(struct model *model, struct both db, struct kvs_bytes key);

/* Comparing. */
void model_compare_get(struct model *model, struct both db, struct snapshot_pair at,
                       struct kvs_bytes key);
void model_compare_range(struct model *model, struct both db, struct snapshot_pair at,
                         const struct kvs_range *range, bool reverse, size_t limit);
void model_compare_entry(const struct model *model, const struct kvs_entry *real,
                         const struct kvs_entry *truth);
void model_compare_all(struct model *model);

/* txn.c: one transaction, from begin to commit or abort. */
void model_transaction(struct model *model);

#endif
