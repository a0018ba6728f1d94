/*
 * kvs.h - the embeddable store.
 *
 *     struct kvs *db;
 *     if (kvs_open("data", NULL, &db) != KVS_OK)
 *         errx(1, "%s", kvs_error());
 *     kvs_set(db, KVS_BYTES("answer"), KVS_BYTES("42"));       // on disk when it returns
 *     struct kvs_value value = { 0 };
 *     if (kvs_get(db, KVS_BYTES("answer"), &value) == KVS_OK)
 *         printf("%.*s\n", (int)value.len, (const char *)value.data);
 *     kvs_value_done(&value);
 *     kvs_close(db);
 *
 * Handles. A struct kvs is a shared handle: pass it to any number of threads, kvs_ref() it for each owner, kvs_close() each
 * reference; the last one closes the store. A handle is bound to one key space, a number 0..15: each is an ordered
 * map of its own, all of them share the log, and one batch may write to several. kvs_open() binds to space 0; kvs_space() gives
 * handles on the others. (The server's SELECT n, and the command lines, use the same spaces: a key set here is what
 * GET finds there.)
 *
 * Keys are 0..KVS_KEY_MAX bytes, values 0..KVS_VALUE_MAX bytes, any bytes. Order is memcmp order, a shorter key first.
 *
 * Durability. By default a call that writes returns when the write is on disk, and a call that reads returns when what it
 * read is on disk, so nothing that was ever observed can be taken back by a power cut. With `park` set, calls return at once
 * with a position, and the caller waits (kvs_wait_durable) or watches (kvs_marks, kvs_on_progress) itself.
 *
 * Threads: everything may be called from any thread unless it says otherwise. No global state but the thread-local kvs_error().
 */
#ifndef KVS_KVS_H
#define KVS_KVS_H

#include <kvs/engine.h>
#include <kvs/status.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KVS_VERSION "0.1.0"

enum { KVS_SPACES = 16 };

/* A string literal as bytes. */
#define KVS_BYTES(literal) ((struct kvs_bytes){ (literal), sizeof(literal) - 1 })

struct kvs;

struct kvs_options {
    const char *engine;             /* NULL: the engine the directory was made with, else "kvs" */
    enum kvs_durability durability; /* default for calls that do not say */
    uint64_t memory_bytes;          /* 0: a quarter of the machine's memory */
    uint64_t segment_bytes;         /* 0: default of the engine */
    bool must_exist;                /* refuse to create a store */
    bool read_only;
    bool no_background;                 /* see kvs_engine_config */
    unsigned pool_threads;              /* threads for kvs_submit; 0: 4, started on first use */
    const struct kvs_setting *settings; /* engine-specific, by name */
    size_t setting_count;
    struct kvs_env *env; /* NULL: the real file system, clock and randomness; must outlive the store */
    kvs_amount_fn *amount; /* kvs_check, kvs_restore, kvs_repair, kvs_dump: told how far they are; may be NULL */
    void *amount_ctx;
};

/** The version of the library, KVS_VERSION of its build. */
KVS_API const char *kvs_version(void);

/** Names and one-line summaries of the engines in this build, in order; NULL past the last. */
KVS_API const char *kvs_engine_name(size_t index);
KVS_API const char *kvs_engine_summary(size_t index);

/** The engine @dir was made with ("" when the directory holds no store yet) into @ret, at most 32 bytes with the NUL. */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_engine_of(const char *dir, char ret[32]);

/**
 * Opens the store in @dir, creating both where missing. @options NULL: defaults.
 * Errors: KVS_INVALID (options), KVS_LOCKED, KVS_WRONG_ENGINE, KVS_WRONG_FORMAT, KVS_CORRUPT (file and offset in kvs_error()),
 * KVS_IO, KVS_NOT_FOUND (must_exist), KVS_NO_MEMORY.
 */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_open(const char *dir, const struct kvs_options *options, struct kvs **ret);

/** One more reference; returns @db. */
KVS_API struct kvs *kvs_ref(struct kvs *db);

/** Drops a reference; the last one makes everything durable and closes the store. NULL is allowed. */
KVS_API enum kvs_status kvs_close(struct kvs *db);

/** A handle on key space @space (0..KVS_SPACES-1) of the same store; a reference of its own, to be closed. */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_space(struct kvs *db, unsigned space, struct kvs **ret);

KVS_API const struct kvs_capabilities *kvs_capabilities(const struct kvs *db);
KVS_API const char *kvs_engine(const struct kvs *db); /* the engine's name */

/* ---- Reading ---- */

/*
 * A value in memory of the caller's: zero it before first use, reuse it for any number of calls, release it once with
 * kvs_value_done(). data stays valid until the next call that fills it.
 */
struct kvs_value {
    const void *data;
    size_t len;
    uint64_t version;
    uint64_t position; /* dependency of the answer; set for KVS_NOT_FOUND too */
    int64_t expire_ms; /* 0: never */
    void *heap;        /* private */
    size_t heap_bytes; /* private */
};

KVS_API void kvs_value_done(struct kvs_value *value);

/** Reads the newest value of @key, of any size. KVS_OK or KVS_NOT_FOUND, or a failure. */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_get(struct kvs *db, struct kvs_bytes key, struct kvs_value *ret);

/** The same, with options (NULL: defaults). */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_get_at(struct kvs *db, const struct kvs_read *read, struct kvs_bytes key,
                                                  struct kvs_value *ret);

/** Calls @visit with the record in place, without a copy; see kvs_visit_fn. @ret_position may be NULL. */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_visit(struct kvs *db, const struct kvs_read *read, struct kvs_bytes key,
                                                 kvs_visit_fn *visit, void *ctx, uint64_t *ret_position);

/** Reads @count keys at one version; @values[i] is filled where @statuses[i] is KVS_OK (else KVS_NOT_FOUND). */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_multi_get(struct kvs *db, const struct kvs_read *read, size_t count,
                                                     const struct kvs_bytes *keys, struct kvs_value *values,
                                                     enum kvs_status *statuses);

/** The visiting form: @visit with ctxs[i] for each key found. */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_multi_visit(struct kvs *db, const struct kvs_read *read, size_t count,
                                                       const struct kvs_bytes *keys, kvs_visit_fn *visit,
                                                       void *const *ctxs, enum kvs_status *statuses,
                                                       uint64_t *ret_position);

/**
 * A hint that @keys will be read or written soon, one by one, by this thread. Calls that follow find them in the processor's caches:
 * what is waited for when keys are read one after the other, is waited for once. For batches of requests that have nothing to do
 * with each other, some tens at a time. Never waits, never fails.
 */
KVS_API void kvs_prefetch(struct kvs *db, size_t count, const struct kvs_bytes *keys);

/* A large value, piecewise. What was opened stays readable until closed. One thread at a time per reader. */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_reader_open(struct kvs *db, const struct kvs_read *read, struct kvs_bytes key,
                                                       struct kvs_entry *ret_entry, uint64_t *ret_position,
                                                       struct kvs_reader **ret);
KVS_API KVS_MUST_CHECK enum kvs_status kvs_reader_read(struct kvs *db, struct kvs_reader *reader, bool no_block,
                                                       uint64_t off, void *buf, size_t len);
KVS_API void kvs_reader_close(struct kvs *db, struct kvs_reader *reader);

/* ---- Iterating ---- */

/** All keys that begin with @prefix, as a range; @end_buf (prefix.len bytes, yours) backs the range's end. */
KVS_API struct kvs_range kvs_prefix_range(struct kvs_bytes prefix, void *end_buf);

/**
 * Opens an iterator over @range (NULL: everything) of this key space at one version. Entries have the space's own
 * keys. See the engine's contract for lifetimes. One thread at a time.
 */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_iterator_open(struct kvs *db, const struct kvs_read *read,
                                                         const struct kvs_range *range, bool reverse,
                                                         struct kvs_iterator **ret);
KVS_API KVS_MUST_CHECK enum kvs_status kvs_iterator_next(struct kvs *db, struct kvs_iterator *iterator, bool no_block,
                                                         struct kvs_entry *ret_entry);
KVS_API const struct kvs_snapshot *kvs_iterator_snapshot(struct kvs *db, const struct kvs_iterator *iterator);
KVS_API uint64_t kvs_iterator_position(struct kvs *db, const struct kvs_iterator *iterator);
KVS_API void kvs_iterator_close(struct kvs *db, struct kvs_iterator *iterator);

/** Number of keys in @range (NULL: the whole space). @ret_position may be NULL. */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_count(struct kvs *db, const struct kvs_read *read,
                                                 const struct kvs_range *range, uint64_t *ret_count, bool *ret_exact,
                                                 uint64_t *ret_position);

/** Visits one existing key, about uniformly chosen. KVS_NOT_FOUND: the space is empty. */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_sample(struct kvs *db, const struct kvs_read *read, uint64_t random,
                                                  kvs_visit_fn *visit, void *ctx, uint64_t *ret_position);

/* ---- Snapshots ---- */

/** Pins the newest visible version of the whole store (all spaces). @owner names it in stats. */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_snapshot_open(struct kvs *db, const char *owner, struct kvs_snapshot **ret);
KVS_API uint64_t kvs_snapshot_version(struct kvs *db, const struct kvs_snapshot *snapshot);
KVS_API void kvs_snapshot_close(struct kvs *db, struct kvs_snapshot *snapshot);

/* ---- Writing ---- */

/** Sets @key to @value, with the store's durability. */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_set(struct kvs *db, struct kvs_bytes key, struct kvs_bytes value);

/** Removes @key. KVS_NOT_FOUND when it does not exist. */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_remove(struct kvs *db, struct kvs_bytes key);

/*
 * A batch under construction. Bytes are copied into it. Reuse with kvs_batch_clear(). A failed append (out of memory, over a
 * limit) makes the batch refuse to be written with that status, so its calls need no checking one by one.
 * One thread at a time.
 */
struct kvs_batch;

KVS_API KVS_MUST_CHECK enum kvs_status kvs_batch_new(struct kvs_batch **ret);
KVS_API void kvs_batch_free(struct kvs_batch *batch);
KVS_API void kvs_batch_clear(struct kvs_batch *batch);
KVS_API size_t kvs_batch_count(const struct kvs_batch *batch);

/* @db names the key space. expire_ms 0: never. */
KVS_API void kvs_batch_set(struct kvs_batch *batch, struct kvs *db, struct kvs_bytes key, struct kvs_bytes value,
                           int64_t expire_ms);
/* @blob stays the caller's until a kvs_write() of the batch answers KVS_OK, which consumes it. */
KVS_API void kvs_batch_set_blob(struct kvs_batch *batch, struct kvs *db, struct kvs_bytes key, struct kvs_blob *blob,
                                int64_t expire_ms);
KVS_API void kvs_batch_remove(struct kvs_batch *batch, struct kvs *db, struct kvs_bytes key);
/* Removes every key of @range (NULL: of the whole space) as of this batch, before its other operations. */
KVS_API void kvs_batch_remove_range(struct kvs_batch *batch, struct kvs *db, const struct kvs_range *range);

KVS_API void kvs_batch_if_absent(struct kvs_batch *batch, struct kvs *db, struct kvs_bytes key);
KVS_API void kvs_batch_if_version(struct kvs_batch *batch, struct kvs *db, struct kvs_bytes key, uint64_t version);
/* @range NULL: the one @key. Hold a snapshot at or before @version for an exact answer. */
KVS_API void kvs_batch_if_untouched(struct kvs_batch *batch, struct kvs *db, struct kvs_bytes key,
                                    const struct kvs_range *range, uint64_t version);

/* How to write. All zero: the store's durability, waiting for it. */
struct kvs_write_options {
    enum kvs_durability durability;
    bool no_block; /* KVS_WOULD_BLOCK, nothing changed, instead of waiting for room or for a cold record */
    bool park;     /* do not wait for durability: the caller watches ret->position */
};

/** Applies @batch atomically. @options and @ret may be NULL. The batch keeps its content, except consumed blobs. */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_write(struct kvs *db, struct kvs_batch *batch,
                                                 const struct kvs_write_options *options, struct kvs_written *ret);

/* A value that arrives in pieces; one thread at a time. Appending may wait for the disk. */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_blob_new(struct kvs *db, struct kvs_blob **ret);
KVS_API KVS_MUST_CHECK enum kvs_status kvs_blob_append(struct kvs *db, struct kvs_blob *blob, struct kvs_bytes bytes);
KVS_API uint64_t kvs_blob_bytes(struct kvs *db, const struct kvs_blob *blob);
KVS_API void kvs_blob_free(struct kvs *db, struct kvs_blob *blob);

/* ---- Transactions: optimistic, serializable ---- */

/*
 * Reads go to the transaction's own writes first, then to one version of the store (with_snapshot) or to the newest. Writes are
 * kept until kvs_txn_commit(), which applies them as one batch on the condition that nothing that was read has changed;
 * KVS_CONFLICT means it had: clear and run again. After a few conflicts in a row on one transaction object, it locks other writers
 * out for one run, so retries are bounded. One thread at a time; no call on a transaction waits for durability.
 */
struct kvs_txn;

KVS_API KVS_MUST_CHECK enum kvs_status kvs_txn_new(struct kvs *db, struct kvs_txn **ret);
KVS_API void kvs_txn_free(struct kvs_txn *txn);

/** Starts a run, forgetting reads and writes of an earlier one. */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_txn_begin(struct kvs_txn *txn, bool with_snapshot, bool no_block);

/**
 * Ends a run without applying anything, and lets go of what it held: its snapshot, its place in front of other writers. Beginning
 * again, committing and freeing do that too; call this where none of them follows soon. A transaction not begun is fine.
 */
KVS_API void kvs_txn_abort(struct kvs_txn *txn);

/** As kvs_visit(). Records a condition on @key, unless the run has a snapshot and never writes. */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_txn_visit(struct kvs_txn *txn, struct kvs *db, struct kvs_bytes key,
                                                     kvs_visit_fn *visit, void *ctx);
/** A reader for a value over KVS_INLINE_MAX that kvs_txn_visit() met; not for values of the run's own writes. */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_txn_reader(struct kvs_txn *txn, struct kvs *db, struct kvs_bytes key,
                                                      struct kvs_entry *ret_entry, struct kvs_reader **ret);

/** What is done to a key, or a range of keys, by a transaction. */
enum kvs_txn_change {
    KVS_TXN_SETS,
    KVS_TXN_REMOVES,
    KVS_TXN_REMOVES_RANGE, /* the key is empty, the range tells (NULL: all of the key space) */
};

typedef void kvs_txn_observer(void *ctx, struct kvs *db, enum kvs_txn_change change, struct kvs_bytes key,
                              const struct kvs_range *range, int64_t expire_ms);

/** @fn is told of every write when it is put into the transaction, before anybody knows whether it will be committed. It stays until
 * another one, or NULL, is given. */
KVS_API void kvs_txn_observe(struct kvs_txn *txn, kvs_txn_observer *fn, void *ctx);

/* Kept until commit. The same limits as a batch; failures surface at commit. A blob stays the caller's until the commit
 * answers KVS_OK, which consumes it. */
KVS_API void kvs_txn_set(struct kvs_txn *txn, struct kvs *db, struct kvs_bytes key, struct kvs_bytes value,
                         int64_t expire_ms);
KVS_API void kvs_txn_set_blob(struct kvs_txn *txn, struct kvs *db, struct kvs_bytes key, struct kvs_blob *blob,
                              int64_t expire_ms);
KVS_API void kvs_txn_remove(struct kvs_txn *txn, struct kvs *db, struct kvs_bytes key);
KVS_API void kvs_txn_remove_range(struct kvs_txn *txn, struct kvs *db, const struct kvs_range *range);

/** Adds the condition that @key was not touched after @version; for WATCH. */
KVS_API void kvs_txn_if_untouched(struct kvs_txn *txn, struct kvs *db, struct kvs_bytes key, uint64_t version);

/* An iterator over the run's own writes merged with the store. Makes the run conflict with any write to @range. */
struct kvs_txn_iterator;
KVS_API KVS_MUST_CHECK enum kvs_status kvs_txn_iterator_open(struct kvs_txn *txn, struct kvs *db,
                                                             const struct kvs_range *range, bool reverse,
                                                             struct kvs_txn_iterator **ret);
KVS_API KVS_MUST_CHECK enum kvs_status kvs_txn_iterator_next(struct kvs_txn_iterator *iterator,
                                                             struct kvs_entry *ret_entry);
KVS_API void kvs_txn_iterator_close(struct kvs_txn_iterator *iterator);

/** Number of keys in the space of @db, the run's own writes included. */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_txn_count(struct kvs_txn *txn, struct kvs *db, uint64_t *ret_count);

/** The same for @range (NULL: the whole space). Makes the run conflict with any write to it, as an iterator over all of it would. */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_txn_count_range(struct kvs_txn *txn, struct kvs *db,
                                                           const struct kvs_range *range, uint64_t *ret_count);

/**
 * Ends the run: applies its writes, if there are any, and tells the dependency position of everything read and written in
 * *ret_position. KVS_CONFLICT: something read has changed, begin again; KVS_WOULD_BLOCK: begin again where waiting is allowed.
 * *ret_wrote tells whether a batch was written. Both may be NULL.
 */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_txn_commit(struct kvs_txn *txn, enum kvs_durability durability,
                                                      uint64_t *ret_position, bool *ret_wrote);

/* ---- Durability, waiting, running elsewhere ---- */

KVS_API void kvs_marks(struct kvs *db, struct kvs_marks *ret);
KVS_API void kvs_request_sync(struct kvs *db, uint64_t position);
/**
 * Asks for @position to be handed to the system soon; does not wait. A parked write with weaker durability is handed over within
 * milliseconds by itself: this is for callers who park many, and want them handed over together, now.
 */
KVS_API void kvs_request_write(struct kvs *db, uint64_t position);
KVS_API KVS_MUST_CHECK enum kvs_status kvs_wait_durable(struct kvs *db, uint64_t position);
/** Makes everything written so far durable. */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_sync(struct kvs *db);
/** One callback for the store, told of progress; NULL removes it. */
KVS_API void kvs_on_progress(struct kvs *db, kvs_progress_fn *fn, void *ctx);
KVS_API enum kvs_status kvs_health(struct kvs *db);

/*
 * The asynchronous form of every call above. kvs_submit() runs call(ctx, false) on this thread; the function makes its kvs
 * calls with no_block = !may_wait. If it answers KVS_WOULD_BLOCK, it is run again, as call(ctx, true), on a thread of the
 * store's pool, and done(ctx, status) follows there. Returns true when the call finished at once (done is not called,
 * *ret_status is set), false when it went to the pool.
 */
typedef enum kvs_status kvs_call_fn(void *ctx, bool may_wait);
typedef void kvs_done_fn(void *ctx, enum kvs_status status);
KVS_API bool kvs_submit(struct kvs *db, kvs_call_fn *call, kvs_done_fn *done, void *ctx, enum kvs_status *ret_status);

/* ---- Looking after it ---- */

KVS_API void kvs_stats(struct kvs *db, kvs_stat_fn *fn, void *ctx);
KVS_API KVS_MUST_CHECK enum kvs_status kvs_checkpoint(struct kvs *db);
KVS_API KVS_MUST_CHECK enum kvs_status kvs_compact(struct kvs *db);
/** Verifies a directory that no process has open, a store or a backup. @options as for kvs_open(). */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_check(const char *dir, const struct kvs_options *options,
                                                 kvs_report_fn *report, void *ctx);

/* How to back up. All zero: the engine's own files, linked where they never change and lie on the same file system. */
struct kvs_backup_options {
    bool copy; /* link nothing */
    bool
        records; /* a file of records, which any engine can restore, instead of the engine's own files */
    kvs_amount_fn *amount;
    void *amount_ctx;
};

/**
 * Writes one version of the whole store (all spaces) into @dir, which must be empty or missing, while everybody goes on reading and
 * writing; everything that was acknowledged before the call is in it. Verified by reading it back; complete when, and only
 * when, it holds a file BACKUP, which is written last. A failure leaves no files in @dir. @options and @ret_position may be NULL.
 * Errors: KVS_INVALID (@dir is not empty), KVS_DISK_FULL, KVS_CORRUPT, KVS_IO, KVS_UNSUPPORTED, KVS_CLOSED (stopped).
 */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_backup(struct kvs *db, const char *dir,
                                                  const struct kvs_backup_options *options,
                                                  uint64_t *ret_position);

/**
 * Makes a store in @dir, which must be empty or missing, of the backup in @backup, every byte of which is verified on the way; the
 * backup stays as it is, and shares no file with the store. The engine is the backup's, or, for a file of records, @options->engine.
 * Until it is complete, kvs_open() refuses @dir. A failure leaves no files there.
 * Errors: KVS_WRONG_FORMAT (no backup, or an unfinished one), KVS_CORRUPT, KVS_INVALID, KVS_WRONG_ENGINE, KVS_DISK_FULL, KVS_IO.
 */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_restore(const char *backup, const char *dir,
                                                   const struct kvs_options *options);

/* What kvs_repair() found. */
struct kvs_repaired {
    uint64_t keys;   /* in the new store */
    uint64_t losses; /* findings reported as lost */
};

/**
 * Makes a store in @new_dir, which must be empty or missing, of everything that is intact in @dir, however damaged that is; what was lost
 * goes to @report, one finding each (ok false). @dir is only read, and stays locked meanwhile. The engine is that of @dir, or
 * @options->engine where its marker is damaged.
 */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_repair(const char *dir, const char *new_dir,
                                                  const struct kvs_options *options,
                                                  kvs_report_fn *report, void *ctx,
                                                  struct kvs_repaired *ret);

/** Describes what the files of a store that no process has open hold, a line for each thing. Changes nothing. */
KVS_API KVS_MUST_CHECK enum kvs_status kvs_dump(const char *dir, const struct kvs_options *options,
                                                kvs_report_fn *report, void *ctx);

#ifdef __cplusplus
}
#endif

#endif
