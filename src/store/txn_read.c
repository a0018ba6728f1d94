/*
 * txn_read.c - reading in a run: its own writes first, then the store; what the store answered becomes a condition.
 */
#include "base/bytes.h"
#include "store/blob.h"
#include "store/txn.h"

bool txn_node_lives(const struct kvs_txn *txn, const struct keyset_node *node)
{
    if (node->kind != TXN_SET)
        return false;
    return node->expire_ms == 0 || node->expire_ms > clock_wall_ms(txn->store->env.clock);
}

enum txn_own txn_own(struct kvs_txn *txn, struct kvs_bytes engine_key, uint32_t *ret_node)
{
    *ret_node = keyset_find(&txn->writes, engine_key);
    if (*ret_node != KEYSET_NONE)
        return txn_node_lives(txn, keyset_at(&txn->writes, *ret_node)) ? TXN_OWN_VALUE
                                                                       : TXN_OWN_ABSENT;
    return rangeset_covers(&txn->removed, engine_key) ? TXN_OWN_ABSENT : TXN_OWN_NONE;
}

struct kvs_entry txn_own_entry(struct kvs_txn *txn, uint32_t node)
{
    const struct keyset_node *from = keyset_at(&txn->writes, node);
    struct kvs_entry entry = {
        .key = key_strip(keyset_key(&txn->writes, node)),
        .expire_ms = from->expire_ms,
    };
    if (from->blob != NULL) {
        entry.value_bytes = kvs_blob_bytes(&txn->store->handles[0], from->blob);
    } else {
        entry.value = keyset_value(&txn->writes, node);
        entry.value_bytes = from->value_len;
    }
    return entry;
}

/* Remembers that the store holds @version (0: nothing) under the key. */
static enum kvs_status note_read(struct kvs_txn *txn, struct kvs_bytes engine_key, uint64_t version)
{
    uint32_t id;
    bool new;
    enum kvs_status status = keyset_put(&txn->reads, engine_key, &id, &new);
    if (status != KVS_OK)
        return status;
    struct keyset_node *node = keyset_at(&txn->reads, id);
    if (new) {
        node->version = version;
        txn->newest_reads += txn->snapshot == NULL;
    } else if (node->version != version) {
        txn->doomed = true;
    }
    return KVS_OK;
}

struct seen {
    kvs_visit_fn *visit;
    void *ctx;
    uint64_t version;
};

static void visit_seen(void *ctx, const struct kvs_entry *entry)
{
    struct seen *seen = ctx;
    seen->version = entry->version;
    if (seen->visit == NULL)
        return;
    struct kvs_entry own = *entry;
    own.key = key_strip(entry->key);
    seen->visit(seen->ctx, &own);
}

/* Reads the store, past the run's own writes. @visit may be NULL. */
static enum kvs_status read_store(struct kvs_txn *txn, struct kvs_bytes engine_key,
                                  kvs_visit_fn *visit, void *ctx)
{
    struct store *store = txn->store;
    struct kvs_read read = txn_read(txn);
    struct seen seen = { visit, ctx, 0 };
    uint64_t position = 0;
    enum kvs_status status =
        store->ops->get(store->engine, &read, engine_key, visit_seen, &seen, &position);
    if (status != KVS_OK && status != KVS_NOT_FOUND)
        return status;
    txn_depend(txn, position);
    enum kvs_status noted = note_read(txn, engine_key, seen.version);
    return noted != KVS_OK ? noted : status;
}

enum kvs_status kvs_txn_visit(struct kvs_txn *txn, struct kvs *db, struct kvs_bytes key,
                              kvs_visit_fn *visit, void *ctx)
{
    enum kvs_status status = txn_enter(txn, db);
    if (status != KVS_OK)
        return status;
    struct key_scratch scratch;
    struct kvs_bytes engine_key;
    status = key_make(db, key, &scratch, &engine_key);
    if (status != KVS_OK)
        return status;
    uint32_t node;
    switch (txn_own(txn, engine_key, &node)) {
    case TXN_OWN_NONE:
        status = read_store(txn, engine_key, visit, ctx);
        break;
    case TXN_OWN_ABSENT:
        status = KVS_NOT_FOUND;
        break;
    case TXN_OWN_VALUE: {
        struct kvs_entry entry = txn_own_entry(txn, node);
        visit(ctx, &entry);
        break;
    }
    }
    key_done(&scratch);
    return status;
}

enum kvs_status kvs_txn_reader(struct kvs_txn *txn, struct kvs *db, struct kvs_bytes key,
                               struct kvs_entry *ret_entry, struct kvs_reader **ret)
{
    enum kvs_status status = txn_enter(txn, db);
    if (status != KVS_OK)
        return status;
    struct key_scratch scratch;
    struct kvs_bytes engine_key;
    status = key_make(db, key, &scratch, &engine_key);
    if (status != KVS_OK)
        return status;
    struct store *store = txn->store;
    uint32_t node;
    enum txn_own own = txn_own(txn, engine_key, &node);
    if (own == TXN_OWN_VALUE)
        status = fail(KVS_INVALID, 0, "a reader on a value that the transaction itself has set");
    else if (own == TXN_OWN_ABSENT)
        status = KVS_NOT_FOUND;
    if (status == KVS_OK) {
        struct kvs_read read = txn_read(txn);
        struct kvs_entry entry = { 0 };
        struct kvs_reader *reader = NULL;
        uint64_t position = 0;
        status =
            store->ops->reader_open(store->engine, &read, engine_key, &entry, &position, &reader);
        if (status == KVS_OK || status == KVS_NOT_FOUND) {
            txn_depend(txn, position);
            enum kvs_status noted = note_read(txn, engine_key, entry.version);
            if (noted != KVS_OK && status == KVS_OK)
                store->ops->reader_close(reader);
            status = noted != KVS_OK ? noted : status;
        }
        if (status == KVS_OK) {
            *ret_entry = entry;
            *ret = reader;
        }
    }
    key_done(&scratch);
    return status;
}

/* ---- Counting ---- */

/* keyset_node.note in writes: whether the store has the key, as far as it is known. Fixed for a run, which has one snapshot. */
enum {
    IN_STORE_UNKNOWN,
    IN_STORE_YES,
    IN_STORE_NO
};

static enum kvs_status count_store(struct kvs_txn *txn, const struct kvs_range *range,
                                   uint64_t *ret)
{
    struct store *store = txn->store;
    struct kvs_read read = txn_read(txn);
    uint64_t position = 0;
    bool exact;
    enum kvs_status status = store->ops->count(store->engine, &read, range, ret, &exact, &position);
    if (status == KVS_OK)
        txn_depend(txn, position);
    return status;
}

/* Keys of the store in @range that the run's removed ranges take away. */
static enum kvs_status count_removed(struct kvs_txn *txn, const struct kvs_range *range,
                                     uint64_t *ret)
{
    *ret = 0;
    uint32_t node = keyset_below(&txn->removed, range->start);
    if (node == KEYSET_NONE)
        node = keyset_first(&txn->removed);
    for (; node != KEYSET_NONE; node = keyset_next(&txn->removed, node)) {
        struct kvs_range cut = { keyset_key(&txn->removed, node), keyset_value(&txn->removed, node),
                                 true };
        if (bytes_compare(cut.start, range->end) >= 0)
            break;
        if (bytes_compare(cut.start, range->start) < 0)
            cut.start = range->start;
        if (bytes_compare(cut.end, range->end) > 0)
            cut.end = range->end;
        if (bytes_compare(cut.start, cut.end) >= 0)
            continue;
        uint64_t count;
        enum kvs_status status = count_store(txn, &cut, &count);
        if (status != KVS_OK)
            return status;
        *ret += count;
    }
    return KVS_OK;
}

/* Does the store, without the removed ranges, have the key of @node? */
static enum kvs_status node_in_store(struct kvs_txn *txn, uint32_t node, bool *ret)
{
    struct kvs_bytes key = keyset_key(&txn->writes, node);
    *ret = false;
    if (rangeset_covers(&txn->removed, key))
        return KVS_OK;
    struct keyset_node *at = keyset_at(&txn->writes, node);
    if (at->note == IN_STORE_UNKNOWN) {
        enum kvs_status status = read_store(txn, key, NULL, NULL);
        if (status != KVS_OK && status != KVS_NOT_FOUND)
            return status;
        at->note = status == KVS_OK ? IN_STORE_YES : IN_STORE_NO;
    }
    *ret = at->note == IN_STORE_YES;
    return KVS_OK;
}

static enum kvs_status count_merged(struct kvs_txn *txn, const struct kvs_range *range,
                                    uint64_t *ret)
{
    uint64_t count;
    uint64_t removed;
    enum kvs_status status = count_store(txn, range, &count);
    if (status == KVS_OK)
        status = count_removed(txn, range, &removed);
    if (status != KVS_OK)
        return status;
    count -= removed < count ? removed : count;
    uint32_t node = keyset_at_least(&txn->writes, range->start, false);
    for (; node != KEYSET_NONE; node = keyset_next(&txn->writes, node)) {
        if (bytes_compare(keyset_key(&txn->writes, node), range->end) >= 0)
            break;
        bool had;
        status = node_in_store(txn, node, &had);
        if (status != KVS_OK)
            return status;
        bool has = txn_node_lives(txn, keyset_at(&txn->writes, node));
        count += has && !had;
        count -= had && !has && count > 0;
    }
    *ret = count;
    return KVS_OK;
}

/* Counts at the run's snapshot; any write to the range becomes a conflict. */
static enum kvs_status count_covered(struct kvs_txn *txn, const struct kvs_range *range,
                                     uint64_t *ret)
{
    enum kvs_status status = txn_prepare_ranges(txn);
    if (status == KVS_OK)
        status = rangeset_add(&txn->covers, range->start, range->end);
    return status == KVS_OK ? count_merged(txn, range, ret) : status;
}

/* Is this the first thing a run without a snapshot does? */
static bool run_is_fresh(const struct kvs_txn *txn)
{
    return txn->snapshot == NULL && txn->writes.count == 0 && txn->removed.count == 0 &&
           txn->reads.count == 0 && txn->watches.count == 0 && txn->iterators == NULL &&
           !txn->doomed;
}

enum kvs_status kvs_txn_count(struct kvs_txn *txn, struct kvs *db, uint64_t *ret_count)
{
    bool alone = !txn->lone_count && run_is_fresh(txn);
    enum kvs_status status = txn_enter(txn, db);
    if (status != KVS_OK)
        return status;
    struct range_scratch scratch;
    struct kvs_range space;
    status = range_make(db, NULL, &scratch, &space);
    if (status != KVS_OK)
        return status;
    if (alone) {
        /* A count of the newest state costs an engine least, and when nothing else is done in the run it needs no validation;
         * if something is, the run is doomed and the next one counts at a snapshot. */
        status = count_store(txn, &space, ret_count);
        txn->lone_count = status == KVS_OK && !txn->holds_gate;
    } else {
        status = count_covered(txn, &space, ret_count);
    }
    range_done(&scratch);
    return status;
}

enum kvs_status kvs_txn_count_range(struct kvs_txn *txn, struct kvs *db,
                                    const struct kvs_range *range, uint64_t *ret_count)
{
    enum kvs_status status = txn_enter(txn, db);
    if (status != KVS_OK)
        return status;
    struct range_scratch scratch;
    struct kvs_range bounded;
    status = range_make(db, range, &scratch, &bounded);
    if (status != KVS_OK)
        return status;
    status = count_covered(txn, &bounded, ret_count);
    range_done(&scratch);
    return status;
}
