/*
 * model_test.c - random operations on an engine and on the oracle.
 *
 * KVS_MODEL_OPS: how many (default below); KVS_TEST_SEED repeats a run; KVS_MODEL_ENGINE: another engine than the one under test.
 * A run is a row of rounds, each with its own options and a fresh store.
 */
#include "base/bytes.h"
#include "tests/model/model.h"

enum {
    OPS_DEFAULT = 200000,
    ROUND_OPS = 8000,
    COMPARE_ALL_EVERY = 500
};

static unsigned char key_buf[MODEL_KEY_BYTES];
static unsigned char start_buf[MODEL_KEY_BYTES];
static unsigned char end_buf[MODEL_KEY_BYTES];

static void note_version(void *ctx, const struct kvs_entry *entry)
{
    *(uint64_t *)ctx = entry->version;
}

static uint64_t version_of(struct kvs *db, struct kvs_bytes key)
{
    struct kvs_read read = { .park = true };
    uint64_t version = 0;
    (void)!kvs_visit(db, &read, key, note_version, &version, NULL);
    return version;
}

/* ---- Writing ---- */

/* A large value goes through a blob, in pieces of any size; small ones sometimes too. */
static struct kvs_blob *blob_of(struct model *model, struct kvs *db, struct kvs_bytes value,
                                size_t piece)
{
    struct kvs_blob *blob = NULL;
    same_status(model, kvs_blob_new(db, &blob), KVS_OK);
    while (value.len != 0) {
        size_t take = value.len < piece ? value.len : piece;
        same_status(model, kvs_blob_append(db, blob, bytes_of(value.data, take)), KVS_OK);
        value = bytes_from(value, take);
    }
    return blob;
}

struct blobs {
    struct kvs_blob *real[4];
    struct kvs_blob *truth[4];
    size_t count;
};

static void add_set(struct model *model, struct both db, struct kvs_batch *real,
                    struct kvs_batch *truth, struct blobs *blobs)
{
    struct kvs_bytes key = model_key(model, key_buf);
    struct kvs_bytes value = model_value(model);
    int64_t expire_ms = model_expiry(model);
    bool blob = value.len > KVS_INLINE_MAX || chance(model, 50);
    if (blob && blobs->count == 4) {
        value.len = 10;
        blob = false;
    }
    if (!blob) {
        kvs_batch_set(real, db.real, key, value, expire_ms);
        kvs_batch_set(truth, db.truth, key, value, expire_ms);
        return;
    }
    size_t piece = 1 + pick(model, 300000);
    blobs->real[blobs->count] = blob_of(model, db.real, value, piece);
    blobs->truth[blobs->count] = blob_of(model, db.truth, value, piece);
    kvs_batch_set_blob(real, db.real, key, blobs->real[blobs->count], expire_ms);
    kvs_batch_set_blob(truth, db.truth, key, blobs->truth[blobs->count], expire_ms);
    blobs->count++;
}

static void add_condition(struct model *model, struct both db, struct kvs_batch *real,
                          struct kvs_batch *truth)
{
    struct kvs_bytes key = model_key(model, key_buf);
    uint64_t real_version = version_of(db.real, key);
    uint64_t truth_version = version_of(db.truth, key);
    same(model, (real_version == 0) == (truth_version == 0));
    if (real_version == 0 || chance(model, 10)) {
        kvs_batch_if_absent(real, db.real, key);
        kvs_batch_if_absent(truth, db.truth, key);
    } else {
        uint64_t wrong = chance(model, 10);
        kvs_batch_if_version(real, db.real, key, real_version + wrong);
        kvs_batch_if_version(truth, db.truth, key, truth_version + wrong);
    }
}

static void step_write(struct model *model)
{
    struct kvs_batch *real;
    struct kvs_batch *truth;
    struct blobs blobs = { .count = 0 };
    same_status(model, kvs_batch_new(&real), KVS_OK);
    same_status(model, kvs_batch_new(&truth), KVS_OK);
    for (uint64_t left = chance(model, 3) ? 1 + pick(model, 20) : 1; left > 0; left--) {
        struct both db = model_space(model);
        if (chance(model, 5)) {
            struct kvs_bytes key = model_key(model, key_buf);
            kvs_batch_remove(real, db.real, key);
            kvs_batch_remove(truth, db.truth, key);
            model_note_removal(model, db, key);
        } else {
            add_set(model, db, real, truth, &blobs);
        }
        if (chance(model, 40)) {
            struct kvs_range range = model_range(model, start_buf, end_buf);
            kvs_batch_remove_range(real, db.real, &range);
            kvs_batch_remove_range(truth, db.truth, &range);
            model_blur(model);
        }
        if (chance(model, 8))
            add_condition(model, db, real, truth);
    }
    struct kvs_write_options options = { .durability = (enum kvs_durability)pick(model, 4),
                                         .park = !chance(model, 4) };
    struct kvs_written real_written = { 0 };
    struct kvs_written truth_written = { 0 };
    enum kvs_status status =
        same_status(model, kvs_write(model->spaces[0].real, real, &options, &real_written),
                    kvs_write(model->spaces[0].truth, truth, &options, &truth_written));
    if (status == KVS_CONFLICT) {
        same(model, real_written.failed_condition == truth_written.failed_condition);
        for (size_t i = 0; i < blobs.count; i++) {
            kvs_blob_free(model->spaces[0].real, blobs.real[i]);
            kvs_blob_free(model->spaces[0].truth, blobs.truth[i]);
        }
    }
    kvs_batch_free(real);
    kvs_batch_free(truth);
}

static void step_remove(struct model *model)
{
    struct both db = model_space(model);
    struct kvs_bytes key = model_key(model, key_buf);
    same_status(model, kvs_remove(db.real, key), kvs_remove(db.truth, key));
}

/* Nothing but a question: was this key, or range, touched since the snapshot? */
static void step_untouched(struct model *model)
{
    struct snapshot_pair since = model_snapshot(model);
    if (since.real == NULL)
        return;
    struct both db = model_space(model);
    struct kvs_batch *real;
    struct kvs_batch *truth;
    same_status(model, kvs_batch_new(&real), KVS_OK);
    same_status(model, kvs_batch_new(&truth), KVS_OK);
    struct kvs_bytes key = model_key(model, key_buf);
    struct kvs_range range = model_range(model, start_buf, end_buf);
    const struct kvs_range *ranged = chance(model, 2) ? &range : NULL;
    kvs_batch_if_untouched(real, db.real, key, ranged, kvs_snapshot_version(db.real, since.real));
    kvs_batch_if_untouched(truth, db.truth, key, ranged,
                           kvs_snapshot_version(db.truth, since.truth));
    enum kvs_status real_status = kvs_write(db.real, real, NULL, NULL);
    enum kvs_status truth_status = kvs_write(db.truth, truth, NULL, NULL);
    if (!(since.blurred && real_status == KVS_CONFLICT && truth_status == KVS_OK))
        same_status(model, real_status, truth_status);
    kvs_batch_free(real);
    kvs_batch_free(truth);
}

/* ---- Reading ---- */

static void step_get(struct model *model)
{
    model_compare_get(model, model_space(model), model_snapshot(model), model_key(model, key_buf));
}

static void step_multi_get(struct model *model)
{
    enum {
        MANY = 20
    };

    static unsigned char bufs[MANY][MODEL_KEY_BYTES];
    struct kvs_bytes keys[MANY];
    struct kvs_value real[MANY] = { 0 };
    struct kvs_value truth[MANY] = { 0 };
    enum kvs_status real_statuses[MANY];
    enum kvs_status truth_statuses[MANY];
    size_t count = 1 + pick(model, MANY);
    for (size_t i = 0; i < count; i++)
        keys[i] = model_key(model, bufs[i]);
    struct both db = model_space(model);
    struct snapshot_pair at = model_snapshot(model);
    struct kvs_read real_read = { .snapshot = at.real, .park = true };
    struct kvs_read truth_read = { .snapshot = at.truth, .park = true };
    same_status(model, kvs_multi_get(db.real, &real_read, count, keys, real, real_statuses),
                kvs_multi_get(db.truth, &truth_read, count, keys, truth, truth_statuses));
    for (size_t i = 0; i < count; i++) {
        if (same_status(model, real_statuses[i], truth_statuses[i]) == KVS_OK) {
            same(model, real[i].len == truth[i].len && real[i].expire_ms == truth[i].expire_ms);
            same(model, real[i].len == 0 || memcmp(real[i].data, truth[i].data, real[i].len) == 0);
        }
        kvs_value_done(&real[i]);
        kvs_value_done(&truth[i]);
    }
}

static void step_range(struct model *model)
{
    struct kvs_range range = model_range(model, start_buf, end_buf);
    model_compare_range(model, model_space(model), model_snapshot(model), &range, chance(model, 2),
                        pick(model, 200));
}

static void step_count(struct model *model)
{
    struct both db = model_space(model);
    struct kvs_range range = model_range(model, start_buf, end_buf);
    const struct kvs_range *ranged = chance(model, 2) ? &range : NULL;
    uint64_t real;
    uint64_t truth;
    bool exact;
    same_status(model, kvs_count(db.real, NULL, ranged, &real, &exact, NULL),
                kvs_count(db.truth, NULL, ranged, &truth, NULL, NULL));
    if (exact) /* what has expired may be counted until it is reclaimed */
        same(model, model->expiry_used ? real >= truth : real == truth);
}

struct sampled {
    unsigned char key[MODEL_KEY_BYTES];
    size_t len;
};

static void note_key(void *ctx, const struct kvs_entry *entry)
{
    struct sampled *sampled = ctx;
    sampled->len = entry->key.len;
    if (entry->key.len != 0)
        memcpy(sampled->key, entry->key.data, entry->key.len);
}

static void step_sample(struct model *model)
{
    static struct sampled sampled;
    struct both db = model_space(model);
    uint64_t truth;
    same_status(model, kvs_count(db.truth, NULL, NULL, &truth, NULL, NULL), KVS_OK);
    enum kvs_status status =
        kvs_sample(db.real, NULL, random_u64(&model->random), note_key, &sampled, NULL);
    same(model, status == (truth == 0 ? KVS_NOT_FOUND : KVS_OK));
    if (status == KVS_OK)
        model_compare_get(model, db, (struct snapshot_pair){ 0 },
                          bytes_of(sampled.key, sampled.len));
}

/* ---- What is held over many steps ---- */

static void step_snapshot(struct model *model)
{
    struct snapshot_pair *pair = &model->snapshots[pick(model, MODEL_SNAPSHOTS)];
    struct both db = model->spaces[0];
    if (pair->real != NULL) {
        kvs_snapshot_close(db.real, pair->real);
        kvs_snapshot_close(db.truth, pair->truth);
        *pair = (struct snapshot_pair){ 0 };
        return;
    }
    same_status(model, kvs_snapshot_open(db.real, "model", &pair->real), KVS_OK);
    same_status(model, kvs_snapshot_open(db.truth, "model", &pair->truth), KVS_OK);
    pair->blurred = false;
}

static void step_iterator(struct model *model)
{
    struct iterator_pair *pair = &model->iterators[pick(model, MODEL_ITERATORS)];
    if (pair->real == NULL) {
        pair->space = chance(model, 4);
        struct both db = model->spaces[pair->space];
        struct kvs_range range = model_range(model, start_buf, end_buf);
        bool reverse = chance(model, 2);
        struct kvs_read read = { .park = true };
        same_status(model, kvs_iterator_open(db.real, &read, &range, reverse, &pair->real), KVS_OK);
        same_status(model, kvs_iterator_open(db.truth, &read, &range, reverse, &pair->truth),
                    KVS_OK);
    }
    struct both db = model->spaces[pair->space];
    for (uint64_t left = 1 + pick(model, 10); left > 0; left--) {
        struct kvs_entry real;
        struct kvs_entry truth;
        if (same_status(model, kvs_iterator_next(db.real, pair->real, false, &real),
                        kvs_iterator_next(db.truth, pair->truth, false, &truth)) == KVS_OK) {
            model_compare_entry(model, &real, &truth);
            continue;
        }
        kvs_iterator_close(db.real, pair->real);
        kvs_iterator_close(db.truth, pair->truth);
        *pair = (struct iterator_pair){ 0 };
        return;
    }
}

static void step_reader(struct model *model)
{
    struct reader_pair *pair = &model->readers[pick(model, MODEL_READERS)];
    struct both db = model->spaces[0];
    if (pair->real == NULL) {
        struct kvs_bytes key = model_key(model, key_buf);
        struct snapshot_pair at = model_snapshot(model);
        struct kvs_read real_read = { .snapshot = at.real, .park = true };
        struct kvs_read truth_read = { .snapshot = at.truth, .park = true };
        struct kvs_entry real;
        struct kvs_entry truth;
        if (same_status(model, kvs_reader_open(db.real, &real_read, key, &real, NULL, &pair->real),
                        kvs_reader_open(db.truth, &truth_read, key, &truth, NULL, &pair->truth)) !=
            KVS_OK) {
            *pair = (struct reader_pair){ 0 };
            return;
        }
        same(model, real.value_bytes == truth.value_bytes && real.expire_ms == truth.expire_ms);
        pair->value_bytes = truth.value_bytes;
    }
    uint64_t off = pick(model, pair->value_bytes + 1);
    size_t len = (size_t)pick(model, pair->value_bytes - off + 1);
    same_status(model, kvs_reader_read(db.real, pair->real, false, off, model->real_buf, len),
                KVS_OK);
    same_status(model, kvs_reader_read(db.truth, pair->truth, false, off, model->truth_buf, len),
                KVS_OK);
    same(model, memcmp(model->real_buf, model->truth_buf, len) == 0);
    if (chance(model, 3)) {
        kvs_reader_close(db.real, pair->real);
        kvs_reader_close(db.truth, pair->truth);
        *pair = (struct reader_pair){ 0 };
    }
}

/* ---- Time and upkeep ---- */

static void step_clock(struct model *model)
{
    model_blur(model);
    if (!chance(model, 5)) {
        clock_manual_advance_us(model->env.clock, (int64_t)pick(model, 3000000));
        return;
    }
    /* The clock jumps back. Both must have seen how late it was: a durable write tells them. */
    struct both db = model->spaces[0];
    struct kvs_bytes value = bytes_of(model->bytes, 8);
    struct kvs_batch *batch;
    same_status(model, kvs_batch_new(&batch), KVS_OK);
    kvs_batch_set(batch, db.real, KVS_BYTES("time"), value, 0);
    struct kvs_write_options options = { .durability = KVS_DURABILITY_ALWAYS };
    same_status(model, kvs_write(db.real, batch, &options, NULL), KVS_OK);
    kvs_batch_free(batch);
    same_status(model, kvs_set(db.truth, KVS_BYTES("time"), value), KVS_OK);
    clock_manual_advance_us(model->env.clock, -(int64_t)pick(model, 5000000));
}

static void step_care(struct model *model)
{
    struct both db = model->spaces[0];
    if (chance(model, 2))
        same_status(model, kvs_compact(db.real), KVS_OK);
    else if (chance(model, 2))
        same_status(model, kvs_checkpoint(db.real), KVS_OK);
    else
        same_status(model, kvs_sync(db.real), KVS_OK);
    if (chance(model, 4))
        same_status(model, kvs_compact(db.truth), KVS_OK);
    same_status(model, kvs_health(db.real), KVS_OK);
}

/* What a step may be, and how often of a thousand. */
static const struct {
    unsigned share;
    void (*run)(struct model *model);
    const char *name;
} steps[] = {
    { 350, step_write, "write" },        { 50, step_remove, "remove" },
    { 40, step_untouched, "untouched" }, { 220, step_get, "get" },
    { 30, step_multi_get, "multi_get" }, { 50, step_range, "range" },
    { 20, step_count, "count" },         { 20, step_sample, "sample" },
    { 40, step_snapshot, "snapshot" },   { 40, step_iterator, "iterator" },
    { 30, step_reader, "reader" },       { 80, model_transaction, "transaction" },
    { 15, step_clock, "clock" },         { 12, step_care, "care" },
    { 3, model_reopen, "reopen" },
};

static void step(struct model *model)
{
    uint64_t at = pick(model, 1000);
    size_t i = 0;
    for (; at >= steps[i].share; i++)
        at -= steps[i].share;
    model->what = steps[i].name;
    steps[i].run(model);
    if (model->step % COMPARE_ALL_EVERY != 0)
        return;
    model->what = "comparing all";
    model_compare_all(model);
}

static uint64_t ops_wanted(void)
{
    const char *text = getenv("KVS_MODEL_OPS");
    return text != NULL ? strtoull(text, NULL, 10) : OPS_DEFAULT;
}

static void run(const char *disk, uint64_t ops)
{
    const char *engine = getenv("KVS_MODEL_ENGINE");
    static struct model model;
    uint64_t seed = test_seed();
    for (uint64_t round = 0; ops > 0; round++) {
        uint64_t left = ops < ROUND_OPS ? ops : ROUND_OPS;
        ops -= left;
        struct io *io = strcmp(disk, "memory") == 0 ? io_memory_new() : NULL;
        model_open(&model, engine != NULL ? engine : KVS_MODEL_DEFAULT, io, seed + round);
        for (model.step = 1; model.step <= left; model.step++)
            step(&model);
        model_compare_all(&model);
        model_reopen(&model);
        model_compare_all(&model);
        model_close(&model);
    }
}

TEST(random_operations_agree_with_the_oracle_on_a_simulated_disk)
{
    run("memory", ops_wanted());
}

TEST(random_operations_agree_with_the_oracle_on_a_real_disk)
{
    run("posix", ops_wanted() / 10);
}
