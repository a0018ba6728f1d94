/*
 * txn.c - one transaction on both stores, step by step, with writes from outside in between.
 */
#include "base/bytes.h"
#include "tests/model/model.h"

/* What a visit saw, copied. */
struct seen {
    unsigned char *buf;
    size_t len;
    uint64_t value_bytes;
    int64_t expire_ms;
    bool own;
};

static void see(void *ctx, const struct kvs_entry *entry)
{
    struct seen *seen = ctx;
    seen->len = entry->value.len;
    seen->value_bytes = entry->value_bytes;
    seen->expire_ms = entry->expire_ms;
    seen->own = entry->version == 0;
    if (entry->value.len != 0)
        memcpy(seen->buf, entry->value.data, entry->value.len);
}

static void txn_visit(struct model *model, struct both db, struct kvs_bytes key)
{
    struct seen real = { .buf = model->real_buf };
    struct seen truth = { .buf = model->truth_buf };
    if (same_status(model, kvs_txn_visit(model->real_txn, db.real, key, see, &real),
                    kvs_txn_visit(model->truth_txn, db.truth, key, see, &truth)) != KVS_OK)
        return;
    same(model, real.len == truth.len && memcmp(real.buf, truth.buf, real.len) == 0);
    same(model, real.value_bytes == truth.value_bytes && real.expire_ms == truth.expire_ms &&
                    real.own == truth.own);
}

static void txn_iterate(struct model *model, struct both db)
{
    static unsigned char start[MODEL_KEY_BYTES];
    static unsigned char end[MODEL_KEY_BYTES];
    struct kvs_range range = model_range(model, start, end);
    struct kvs_txn_iterator *real;
    struct kvs_txn_iterator *truth;
    bool reverse = chance(model, 2);
    same_status(model, kvs_txn_iterator_open(model->real_txn, db.real, &range, reverse, &real),
                KVS_OK);
    same_status(model, kvs_txn_iterator_open(model->truth_txn, db.truth, &range, reverse, &truth),
                KVS_OK);
    for (uint64_t left = pick(model, 30); left > 0; left--) {
        struct kvs_entry real_entry;
        struct kvs_entry truth_entry;
        if (same_status(model, kvs_txn_iterator_next(real, &real_entry),
                        kvs_txn_iterator_next(truth, &truth_entry)) == KVS_NOT_FOUND)
            break;
        model_compare_entry(model, &real_entry, &truth_entry);
        if (chance(model, 10)) {
            kvs_txn_remove(model->real_txn, db.real, truth_entry.key);
            kvs_txn_remove(model->truth_txn, db.truth, truth_entry.key);
            model_blur(model);
        }
    }
    kvs_txn_iterator_close(real);
    kvs_txn_iterator_close(truth);
}

static void txn_count(struct model *model, struct both db)
{
    uint64_t real;
    uint64_t truth;
    if (same_status(model, kvs_txn_count(model->real_txn, db.real, &real),
                    kvs_txn_count(model->truth_txn, db.truth, &truth)) == KVS_OK)
        same(model, model->expiry_used ? real >= truth : real == truth);
}

static void txn_write(struct model *model, struct both db, struct kvs_bytes key)
{
    static unsigned char start[MODEL_KEY_BYTES];
    static unsigned char end[MODEL_KEY_BYTES];
    if (chance(model, 8)) {
        struct kvs_range range = model_range(model, start, end);
        kvs_txn_remove_range(model->real_txn, db.real, &range);
        kvs_txn_remove_range(model->truth_txn, db.truth, &range);
        model_blur(model);
    } else if (chance(model, 3)) {
        kvs_txn_remove(model->real_txn, db.real, key);
        kvs_txn_remove(model->truth_txn, db.truth, key);
        model_note_removal(model, db, key);
    } else {
        struct kvs_bytes value = model_value(model);
        int64_t expire_ms = model_expiry(model);
        if (value.len > KVS_INLINE_MAX)
            value.len = KVS_INLINE_MAX;
        kvs_txn_set(model->real_txn, db.real, key, value, expire_ms);
        kvs_txn_set(model->truth_txn, db.truth, key, value, expire_ms);
    }
}

/* A write by somebody else, exact in what it touches: only what exists is removed. */
static void outside_write(struct model *model, struct both db, struct kvs_bytes key)
{
    if (chance(model, 3)) {
        same_status(model, kvs_remove(db.real, key), kvs_remove(db.truth, key));
        return;
    }
    struct kvs_bytes value = { model->bytes, pick(model, 100) };
    same_status(model, kvs_set(db.real, key, value), kvs_set(db.truth, key, value));
}

void model_transaction(struct model *model)
{
    static unsigned char buf[MODEL_KEY_BYTES];
    bool with_snapshot = chance(model, 2);
    struct snapshot_pair watch =
        model_snapshot(model); /* its answers are exact, or it is not asked */
    same_status(model, kvs_txn_begin(model->real_txn, with_snapshot, false), KVS_OK);
    same_status(model, kvs_txn_begin(model->truth_txn, with_snapshot, false), KVS_OK);
    bool writes = !chance(model, 4);
    bool disturbed = chance(model, 2);
    for (uint64_t left = 1 + pick(model, 8); left > 0; left--) {
        struct both db = model_space(model);
        struct kvs_bytes key = model_key(model, buf);
        switch (pick(model, 8)) {
        case 0:
            txn_iterate(model, db);
            break;
        case 1:
            txn_count(model, db);
            break;
        case 2:
            if (watch.real == NULL || watch.blurred)
                break;
            kvs_txn_if_untouched(model->real_txn, db.real, key,
                                 kvs_snapshot_version(db.real, watch.real));
            kvs_txn_if_untouched(model->truth_txn, db.truth, key,
                                 kvs_snapshot_version(db.truth, watch.truth));
            break;
        case 3:
        case 4:
        case 5:
            if (writes)
                txn_write(model, db, key);
            break;
        default:
            txn_visit(model, db, key);
            break;
        }
        if (disturbed && chance(model, 4))
            outside_write(model, db, model_key(model, buf));
    }
    if (chance(model, 20)) {
        kvs_txn_abort(model->real_txn);
        kvs_txn_abort(model->truth_txn);
        return;
    }
    bool real_wrote = false;
    bool truth_wrote = false;
    enum kvs_status status = same_status(
        model, kvs_txn_commit(model->real_txn, KVS_DURABILITY_DEFAULT, NULL, &real_wrote),
        kvs_txn_commit(model->truth_txn, KVS_DURABILITY_DEFAULT, NULL, &truth_wrote));
    if (status == KVS_OK && writes)
        same(model, real_wrote == truth_wrote);
}
