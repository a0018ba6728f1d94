/*
 * model.c - opening, choosing, comparing.
 */
#include "tests/model/model.h"

#include "base/bytes.h"

void model_check(const struct model *model, bool condition, const char *text, const char *file,
                 int line)
{
    if (condition)
        return;
    print_error("%s:%d: step %llu (%s): %s does not hold (%s)\n", file, line,
                (unsigned long long)model->step, model->what, text, kvs_error());
    _fail(file, line);
}

enum kvs_status model_check_status(const struct model *model, enum kvs_status real,
                                   enum kvs_status truth, const char *file, int line)
{
    if (real != truth) {
        print_error("%s:%d: step %llu (%s): %s, but in truth %s (%s)\n", file, line,
                    (unsigned long long)model->step, model->what, kvs_status_name(real),
                    kvs_status_name(truth), kvs_error());
        _fail(file, line);
    }
    model_check(model, real == KVS_OK || real == KVS_NOT_FOUND || real == KVS_CONFLICT,
                "a healthy answer", file, line);
    return real;
}

/* ---- Opening ---- */

static void open_real(struct model *model)
{
    same_status(model, kvs_open(model->dir, &model->options, &model->spaces[0].real), KVS_OK);
    same_status(model, kvs_space(model->spaces[0].real, 3, &model->spaces[1].real), KVS_OK);
    same_status(model, kvs_txn_new(model->spaces[0].real, &model->real_txn), KVS_OK);
}

void model_open(struct model *model, const char *engine, struct io *io, uint64_t seed)
{
    *model = (struct model){ 0 };
    random_seed(&model->random, seed);
    model->bytes = malloc(MODEL_LARGE_BYTES);
    model->real_buf = malloc(MODEL_LARGE_BYTES);
    model->truth_buf = malloc(MODEL_LARGE_BYTES);
    same(model, model->bytes != NULL && model->real_buf != NULL && model->truth_buf != NULL);
    for (size_t i = 0; i < MODEL_LARGE_BYTES; i += 8)
        memcpy(model->bytes + i, &(uint64_t){ random_u64(&model->random) }, 8);

    struct clock *clock = clock_manual_new(MODEL_START_MS * 1000);
    same(model, clock != NULL);
    model->env = (struct kvs_env){ .io = io, .clock = clock, .seed = seed | 1 };
    model->truth_env = (struct kvs_env){ .clock = clock, .seed = 1 };
    model->dir = io != NULL ? "/model" : test_dir();
    /* Small segments and little memory, so that everything rolls, compacts and goes cold often. */
    static const uint64_t segment_bytes[] = { 64 * 1024, 128 * 1024, 1024 * 1024, 0 };
    static const uint64_t memory_bytes[] = { 512 * 1024, 4 * 1024 * 1024, 0 };

    static const enum kvs_durability durabilities[] = { KVS_DURABILITY_ALWAYS, KVS_DURABILITY_NO,
                                                        KVS_DURABILITY_EVERYSEC };

    model->options = (struct kvs_options){
        .engine = engine,
        .env = &model->env,
        .segment_bytes = segment_bytes[pick(model, 4)],
        .memory_bytes = memory_bytes[pick(model, 3)],
        .durability = durabilities[pick(model, 3)],
        .no_background = chance(model, 2),
    };
    open_real(model);
    struct kvs_options truth = { .engine = "memory", .env = &model->truth_env };
    same_status(model, kvs_open("/nowhere", &truth, &model->spaces[0].truth), KVS_OK);
    same_status(model, kvs_space(model->spaces[0].truth, 3, &model->spaces[1].truth), KVS_OK);
    same_status(model, kvs_txn_new(model->spaces[0].truth, &model->truth_txn), KVS_OK);
}

void model_let_go(struct model *model)
{
    struct both db = model->spaces[0];
    for (size_t i = 0; i < MODEL_ITERATORS; i++) {
        struct iterator_pair *iterator = &model->iterators[i];
        struct both space = model->spaces[iterator->space];
        if (iterator->real == NULL)
            continue;
        kvs_iterator_close(space.real, iterator->real);
        kvs_iterator_close(space.truth, iterator->truth);
        *iterator = (struct iterator_pair){ 0 };
    }
    for (size_t i = 0; i < MODEL_READERS; i++) {
        kvs_reader_close(db.real, model->readers[i].real);
        kvs_reader_close(db.truth, model->readers[i].truth);
        model->readers[i] = (struct reader_pair){ 0 };
    }
    for (size_t i = 0; i < MODEL_SNAPSHOTS; i++) {
        kvs_snapshot_close(db.real, model->snapshots[i].real);
        kvs_snapshot_close(db.truth, model->snapshots[i].truth);
        model->snapshots[i] = (struct snapshot_pair){ 0 };
    }
}

static void close_real(struct model *model)
{
    model_let_go(model);
    kvs_txn_free(model->real_txn);
    same_status(model, kvs_close(model->spaces[1].real), KVS_OK);
    same_status(model, kvs_close(model->spaces[0].real), KVS_OK);
}

void model_reopen(struct model *model)
{
    if (!kvs_capabilities(model->spaces[0].real)->persistent)
        return;
    close_real(model);
    open_real(model);
    /* A transaction remembers its conflicts: both begin anew. */
    kvs_txn_free(model->truth_txn);
    same_status(model, kvs_txn_new(model->spaces[0].truth, &model->truth_txn), KVS_OK);
}

void model_close(struct model *model)
{
    close_real(model);
    kvs_txn_free(model->truth_txn);
    same_status(model, kvs_close(model->spaces[1].truth), KVS_OK);
    same_status(model, kvs_close(model->spaces[0].truth), KVS_OK);
    io_free(model->env.io);
    free(model->env.clock);
    free(model->bytes);
    free(model->real_buf);
    free(model->truth_buf);
}

/* ---- Choosing ---- */

struct kvs_bytes model_key(struct model *model, unsigned char *buf)
{
    uint64_t i = pick(model, MODEL_KEYS);
    size_t len;
    if (i == 0)
        return (struct kvs_bytes){ NULL, 0 };
    if (i < 50) {
        len = (size_t)snprintf((char *)buf, 16, "k%02u", (unsigned)i);
    } else if (i < 85) {
        len = (size_t)snprintf((char *)buf, 32, "p/%c/%u", (char)('a' + i % 3), (unsigned)i);
    } else if (i < 110) { /* zeros, 255s, extensions of each other */
        len = 1 + (i - 85) / 5;
        memset(buf, i % 2 == 0 ? 0xff : 0x00, len);
        buf[len - 1] = (unsigned char)(i % 5 * 63);
    } else {
        static const size_t lens[] = { 300, 511, 512, 513, 1000, 5000, 20000, 65000, 65534, 65535 };
        size_t key_max = kvs_capabilities(model->spaces[0].real)->key_max - 1;
        len = lens[i - 110];
        if (len > key_max) /* an engine with shorter keys: ten different ones all the same */
            len = key_max - (size_t)(i - 110);
        memset(buf, 'l', len);
    }
    return (struct kvs_bytes){ buf, len };
}

struct kvs_bytes model_value(struct model *model)
{
    size_t len;
    uint64_t kind = pick(model, 400);
    if (kind < 300)
        len = pick(model, 200);
    else if (kind < 390)
        len = pick(model, 3000);
    else if (kind < 398)
        len = pick(model, 100000);
    else if (kind == 398)
        len = KVS_INLINE_MAX - 2 + pick(model, 5);
    else
        len = pick(model, MODEL_LARGE_BYTES);
    return (struct kvs_bytes){ model->bytes + pick(model, MODEL_LARGE_BYTES - len + 1), len };
}

int64_t model_expiry(struct model *model)
{
    if (!chance(model, 6))
        return 0;
    model->expiry_used = true;
    return clock_wall_ms(model->env.clock) - 1000 + (int64_t)pick(model, 20000);
}

struct kvs_range model_range(struct model *model, unsigned char *start_buf, unsigned char *end_buf)
{
    struct kvs_range range = { .start = model_key(model, start_buf) };
    if (chance(model, 4))
        return kvs_prefix_range(chance(model, 2) ? KVS_BYTES("p/") : range.start, end_buf);
    range.has_end = !chance(model, 6);
    if (range.has_end)
        range.end = model_key(model, end_buf);
    return range;
}

struct both model_space(struct model *model)
{
    return model->spaces[chance(model, 4)];
}

struct snapshot_pair model_snapshot(struct model *model)
{
    return model->snapshots[pick(model, MODEL_SNAPSHOTS)];
}

void model_blur(struct model *model)
{
    for (size_t i = 0; i < MODEL_SNAPSHOTS; i++)
        model->snapshots[i].blurred = true;
}

static void found_it(void *ctx, const struct kvs_entry *entry)
{
    (void)ctx;
    (void)entry;
}

void model_note_removal(struct model *model, struct both db, struct kvs_bytes key)
{
    if (kvs_visit(db.truth, NULL, key, found_it, NULL, NULL) == KVS_NOT_FOUND)
        model_blur(model);
}

/* ---- Comparing ---- */

void model_compare_get(struct model *model, struct both db, struct snapshot_pair at,
                       struct kvs_bytes key)
{
    struct kvs_read real_read = { .snapshot = at.real, .park = !chance(model, 4) };
    struct kvs_read truth_read = { .snapshot = at.truth };
    struct kvs_value real = { 0 };
    struct kvs_value truth = { 0 };
    enum kvs_status status = same_status(model, kvs_get_at(db.real, &real_read, key, &real),
                                         kvs_get_at(db.truth, &truth_read, key, &truth));
    if (status == KVS_OK) {
        same(model, real.len == truth.len);
        same(model, real.len == 0 || memcmp(real.data, truth.data, real.len) == 0);
        same(model, real.expire_ms == truth.expire_ms);
    }
    kvs_value_done(&real);
    kvs_value_done(&truth);
}

void model_compare_entry(const struct model *model, const struct kvs_entry *real,
                         const struct kvs_entry *truth)
{
    same(model, bytes_equal(real->key, truth->key));
    same(model, real->value_bytes == truth->value_bytes);
    same(model, real->value.len == truth->value.len);
    same(model, bytes_equal(real->value, truth->value));
    same(model, real->expire_ms == truth->expire_ms);
}

void model_compare_range(struct model *model, struct both db, struct snapshot_pair at,
                         const struct kvs_range *range, bool reverse, size_t limit)
{
    struct kvs_read real_read = { .snapshot = at.real, .park = true };
    struct kvs_read truth_read = { .snapshot = at.truth, .park = true };
    struct kvs_iterator *real;
    struct kvs_iterator *truth;
    same_status(model, kvs_iterator_open(db.real, &real_read, range, reverse, &real), KVS_OK);
    same_status(model, kvs_iterator_open(db.truth, &truth_read, range, reverse, &truth), KVS_OK);
    for (size_t i = 0; i < limit; i++) {
        struct kvs_entry real_entry;
        struct kvs_entry truth_entry;
        if (same_status(model, kvs_iterator_next(db.real, real, false, &real_entry),
                        kvs_iterator_next(db.truth, truth, false, &truth_entry)) == KVS_NOT_FOUND)
            break;
        model_compare_entry(model, &real_entry, &truth_entry);
    }
    kvs_iterator_close(db.real, real);
    kvs_iterator_close(db.truth, truth);
}

void model_compare_all(struct model *model)
{
    for (size_t i = 0; i < MODEL_SPACES; i++) {
        model_compare_range(model, model->spaces[i], (struct snapshot_pair){ 0 }, NULL, false,
                            SIZE_MAX);
        model_compare_range(model, model->spaces[i], (struct snapshot_pair){ 0 }, NULL, true,
                            SIZE_MAX);
        for (size_t j = 0; j < MODEL_SNAPSHOTS; j++)
            if (model->snapshots[j].real != NULL)
                model_compare_range(model, model->spaces[i], model->snapshots[j], NULL, j % 2,
                                    SIZE_MAX);
    }
}
