/*
 * index.h - the ordered map from keys to 48-bit locators. Keys are not kept here: they are in the log, and the owner
 * shows the one behind a locator through a callback.
 *
 * Locators are non-zero and below 2^48; two live slots never hold the same locator. Order is bytes_compare().
 *
 * Threads: readers (find, scan, sample, stats) any number, no lock, no shared write, inside an epoch section where the
 * function says so. Mutators (put, remove): one thread at a time, the caller's lock; they never block readers.
 */
#ifndef INDEX_INDEX_H
#define INDEX_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include <kvs/status.h>

#include "base/buf.h"

struct index;

struct index_owner {
    /*
     * Shows the key of the record at @locator in *ret_key: memory of the log, or @scratch (whatever it held may be
     * overwritten). Lent until the calling section ends or @scratch changes. KVS_WOULD_BLOCK: not in memory and @no_block.
     * KVS_NOT_FOUND: the record has moved, read the slot again. Else a failure that the index passes on.
     * Called inside an epoch section when @no_block, outside of one when it may wait.
     */
    enum kvs_status (*load_key)(void *ctx, uint64_t locator, bool no_block, struct buf *scratch,
                                struct kvs_bytes *ret_key);
    /* Starts loading what load_key(no_block) will touch. A hint; inside an epoch section. NULL: not there. */
    void (*prefetch_key)(void *ctx, uint64_t locator);
    void *ctx;
    uint64_t
        seed; /* of the hash of keys: unknown to those who choose the keys, they cannot make tags collide */
};

/* What @scratch can grow to. */
enum {
    INDEX_SCRATCH_MAX = 4 * 1024 * 1024
};

KVS_MUST_CHECK enum kvs_status index_new(const struct index_owner *owner, struct index **ret);
void index_free(
    struct index
        *index); /* no reader may be inside, nor the caller in a section; NULL is allowed */

/*
 * Offers the locators whose tag fits @key to @match, until it says INDEX_MATCH (then *ret_locator is that one and the
 * answer KVS_OK) or INDEX_STOP (KVS_WOULD_BLOCK). KVS_NOT_FOUND: no slot matched. The caller is inside an epoch section. A
 * locator offered was in the index during the call; one that stays in the index for the whole call is always offered.
 */
enum index_match {
    INDEX_MATCH,
    INDEX_DIFFERENT,
    INDEX_STOP
};
typedef enum index_match index_match_fn(void *ctx, uint64_t locator);
enum kvs_status index_find(struct index *index, struct kvs_bytes key, index_match_fn *match,
                           void *ctx, uint64_t *ret_locator);

/*
 * The same in steps, so that the misses of several keys overlap: index_probe() goes down the tree with all keys side by side and
 * starts loading their leaves; index_probe_peek() tells a locator whose tag fits (0: none), to start loading its record;
 * index_find_at() then answers as index_find() would. All within one epoch section. What a find answers was so at a moment
 * after the probe began.
 */
enum {
    INDEX_PROBES_MAX = 32
};

struct index_probe {
    void *node;
    uint16_t tag;
};

void index_probe(struct index *index, size_t count, const struct kvs_bytes *keys,
                 struct index_probe *ret_probes);
uint64_t index_probe_peek(const struct index_probe *probe);
enum kvs_status index_find_at(const struct index_probe *probe, index_match_fn *match, void *ctx,
                              uint64_t *ret_locator);

/*
 * Puts @locator for @key. @replaced 0: inserts a new slot (the key must not have one). Else the slot that holds @replaced
 * is overwritten in place. An insert may have to split a leaf, and so load keys: KVS_WOULD_BLOCK (only with @no_block),
 * KVS_NO_MEMORY or the owner's failure, with nothing changed; KVS_INVALID if it comes upon the key in another slot. An
 * overwrite never fails but with KVS_NOT_FOUND: no slot holds @replaced. Mutator; not inside an epoch section when it may wait.
 */
KVS_MUST_CHECK enum kvs_status index_put(struct index *index, struct kvs_bytes key,
                                         uint64_t replaced, uint64_t locator, bool no_block);

/* Removes the slot that holds @locator. Never fails but with KVS_NOT_FOUND. Mutator. */
enum kvs_status index_remove(struct index *index, struct kvs_bytes key, uint64_t locator);

/*
 * Copies up to @max locators (at least INDEX_SCAN_MIN) in key order, or descending with @reverse, of the keys that follow
 * @from: keys >= @from (or > with @exclusive); in reverse keys <= @from (or <). @unbounded: from the first (last) key,
 * @from ignored. *ret_count 0: the end. Each locator was in the index at some moment of the call, and every key that was in
 * the index for the whole call between the first and the last returned is there, once. Not inside an epoch section.
 * It may stop before @max is reached, so go on until *ret_count is 0. Errors: KVS_WOULD_BLOCK (only with @no_block, and when
 * there is nothing before what blocks), KVS_NO_MEMORY, KVS_CORRUPT (the owner denies a locator that stays), the owner's.
 */
enum {
    INDEX_SCAN_MIN = 128
};

struct index_scan {
    struct kvs_bytes from;
    bool unbounded;
    bool exclusive;
    bool reverse;
    bool no_block;
    size_t enough; /* so many will do, more are taken as they come; 0: up to @max */
};
KVS_MUST_CHECK enum kvs_status index_scan(struct index *index, const struct index_scan *scan,
                                          uint64_t *ret_locators, size_t max, size_t *ret_count);

/* A locator near a random place of the index, for sampling; 0 when empty. Inside an epoch section. */
uint64_t index_sample(struct index *index, uint64_t random);

struct index_stats {
    uint64_t slots; /* in use */
    uint64_t leaves;
    uint64_t inner_nodes;
    uint64_t bytes; /* of memory */
    uint32_t height;
};

void index_stats(struct index *index, struct index_stats *ret);

/* Walks everything and checks all invariants (order by loading every key). For tests and checks; no mutator may run. */
KVS_MUST_CHECK enum kvs_status index_verify(struct index *index);

#endif
