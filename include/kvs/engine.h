/*
 * engine.h - what a storage engine fills in. The only door to storage.
 *
 * An engine is an ordered map from byte strings to byte strings with versions. store/ opens one by name and gives
 * everyone above it the one API of kvs.h; nobody else calls an engine. An engine sees keys as opaque bytes in memcmp order
 * (a shorter key before its extensions); the first byte is the key space that store/ puts there, and the only thing an
 * engine may know about it is that count() of exactly one such space is asked often.
 *
 * Versions and positions. Every successful write() gets a number, larger than all numbers given before, also across restarts
 * and crashes. It is the batch's version (order, snapshots, conditions) and its position (durability): the batch is on
 * disk when marks().durable >= that number. Everything a reader learns has a dependency position; whoever passes the answer
 * on must first wait until that position is durable, so that nobody can observe what a power cut could take back.
 *
 * Threads: unless a function says otherwise, any thread may call it, concurrently, on one engine. Callbacks run with
 * no lock of the engine held that another engine call could need, except visit functions (see kvs_visit_fn).
 */
#ifndef KVS_ENGINE_H
#define KVS_ENGINE_H

#include <kvs/status.h>

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    KVS_ENGINE_ABI = 1,
    KVS_KEY_MAX = 65535,                    /* bytes of a key as the user sees it */
    KVS_ENGINE_KEY_MAX = KVS_KEY_MAX + 256, /* what an engine must take: encodings add to the user's key */
    KVS_VALUE_MAX = 512 * 1024 * 1024,      /* bytes of a value */
    KVS_INLINE_MAX = 1024 * 1024,           /* values up to this are passed whole, larger ones through blobs and readers */
    KVS_BATCH_OPS_MAX = 1024 * 1024,        /* operations in a batch */
    KVS_BATCH_BYTES_MAX = 64 * 1024 * 1024, /* keys and inline values in a batch */
};

/* What an acknowledgement promises. */
enum kvs_durability {
    KVS_DURABILITY_DEFAULT = 0, /* the store's own setting, KVS_DURABILITY_ALWAYS unless told otherwise */
    KVS_DURABILITY_ALWAYS,      /* on disk: survives power loss */
    KVS_DURABILITY_EVERYSEC,    /* handed to the system, on disk within about a second */
    KVS_DURABILITY_NO,          /* handed to the system */
};

struct kvs_engine;   /* an open engine; engines embed it as their first member */
struct kvs_snapshot; /* a version to read at */
struct kvs_iterator;
struct kvs_blob;   /* a large value on its way in */
struct kvs_reader; /* a large value on its way out */
struct kvs_env;    /* files, clock, randomness: see io/env.h inside the project; NULL means the real ones */

/* One record as a reader sees it. */
struct kvs_entry {
    struct kvs_bytes key;
    struct kvs_bytes value; /* data is NULL and len 0 when value_bytes > KVS_INLINE_MAX: use a reader */
    uint64_t value_bytes;   /* the value's whole length */
    uint64_t version;       /* of the batch that wrote it */
    int64_t expire_ms;      /* Unix time in milliseconds at which it is gone; 0: never */
};

/**
 * Called with a record that was found. @entry and the bytes it points to are lent for the call only; the function must be
 * short, must not block, and must not call the engine.
 */
typedef void kvs_visit_fn(void *ctx, const struct kvs_entry *entry);

/* A half-open range of keys [start, end). has_end false: no upper bound. */
struct kvs_range {
    struct kvs_bytes start;
    struct kvs_bytes end;
    bool has_end;
};

/* How to read. All zero: newest version, may wait for the disk. */
struct kvs_read {
    const struct kvs_snapshot *snapshot; /* NULL: the newest visible version */
    bool no_block;                       /* answer KVS_WOULD_BLOCK instead of waiting for the disk */
    bool park; /* kvs.h only: the caller waits for the dependency position itself; otherwise the call does */
};

enum kvs_op_kind {
    KVS_OP_SET,
    KVS_OP_REMOVE,       /* of an absent key: allowed, no effect */
    KVS_OP_REMOVE_RANGE, /* every key in [key, end) as of this batch, before its other operations; O(1), see engines */
};

struct kvs_op {
    enum kvs_op_kind kind;
    struct kvs_bytes key;
    struct kvs_bytes end;   /* REMOVE_RANGE: exclusive end */
    bool has_end;           /* REMOVE_RANGE: false means to the last key */
    struct kvs_bytes value; /* SET, at most KVS_INLINE_MAX bytes; ignored when blob is set */
    struct kvs_blob *blob;  /* SET: the value is this finished blob; consumed when write() answers KVS_OK */
    int64_t expire_ms;      /* SET: as in kvs_entry */
};

enum kvs_condition_kind {
    KVS_IF_ABSENT,    /* the key does not exist (or has expired) */
    KVS_IF_VERSION,   /* the key exists and its version is exactly @version */
    KVS_IF_UNTOUCHED, /* neither written nor removed in [key, end) after @version (has_end false: this one key);
                         exact while a snapshot at or before @version is held. capability: untouched */
};

struct kvs_condition {
    enum kvs_condition_kind kind;
    struct kvs_bytes key;
    struct kvs_bytes end;
    bool has_end; /* IF_UNTOUCHED: true makes it a range, false a single key */
    uint64_t version;
};

/*
 * A batch. All operations become visible together, or none. Operations apply in order; of several on one key the last
 * counts. Conditions are checked against the state right before the batch, atomically with it.
 */
struct kvs_write {
    const struct kvs_op *ops;
    size_t op_count;
    const struct kvs_condition *conditions;
    size_t condition_count;
    enum kvs_durability durability; /* never DEFAULT when an engine sees it: store/ resolves it */
    bool no_block;                  /* answer KVS_WOULD_BLOCK, with nothing changed, instead of waiting */
    bool park;                      /* kvs.h only: do not wait for durability, the caller watches the position */
};

struct kvs_written {
    uint64_t position;       /* version and position of the batch; KVS_CONFLICT: dependency of that answer */
    size_t failed_condition; /* KVS_CONFLICT: index of the first condition that does not hold */
};

/* How far the engine is. Each only grows. */
struct kvs_marks {
    uint64_t visible; /* readers see all batches up to here */
    uint64_t written; /* handed to the operating system: survives the end of the process */
    uint64_t durable; /* on disk: survives power loss */
};

/* Called, from a thread of the engine, whenever written or durable grew or the store turned read-only. Must be short. */
typedef void kvs_progress_fn(void *ctx);

/* Receives one named figure of stats(). @name is static, lower_case_with_units. */
typedef void kvs_stat_fn(void *ctx, const char *name, uint64_t value);

/* Receives one finding or step of check(): @ok false is damage. @text is lent. */
typedef void kvs_report_fn(void *ctx, bool ok, const char *text);

/* Told how far a long operation is: what it does now ("copying"; static), so many bytes done of so many (0: not known). It may begin
 * again with another @what. False asks it to stop: the operation then ends with KVS_CLOSED and leaves nothing behind. */
typedef bool kvs_amount_fn(void *ctx, const char *what, uint64_t done, uint64_t total);

/* Reads a large value that salvage() has found: exactly @len bytes from @off. KVS_CORRUPT: this part of it is lost. */
typedef enum kvs_status kvs_salvage_read_fn(void *ctx, uint64_t off, void *buf, size_t len);

/* Receives one record that salvage() has found; a value over KVS_INLINE_MAX comes without data, to be read with @read. A failure ends the
 * salvage, but for KVS_CORRUPT: then this one record counts as lost. */
typedef enum kvs_status kvs_salvage_fn(void *ctx, const struct kvs_entry *entry,
                                       kvs_salvage_read_fn *read, void *read_ctx);

/* What an engine can do; layers above read it, nobody compares engine names. */
struct kvs_capabilities {
    bool persistent;      /* keeps data in the directory */
    bool atomic_batches;  /* over the whole store */
    bool snapshots;
    bool reverse;         /* reverse iteration */
    bool conditions;      /* KVS_IF_ABSENT, KVS_IF_VERSION */
    bool untouched;       /* KVS_IF_UNTOUCHED */
    bool expiry;          /* expired records are absent, and reclaimed */
    bool remove_range;    /* in O(1) */
    bool durable_ack;     /* KVS_DURABILITY_ALWAYS is honest */
    bool exact_count;     /* count() */
    bool local_files;
    bool shared;          /* several processes may open it */
    bool may_block;       /* some calls always wait for a disk or a network: no_block answers KVS_WOULD_BLOCK at once */
    size_t key_max;       /* bytes */
    uint64_t value_max;   /* bytes */
};

/* An engine-specific setting, by name. */
struct kvs_setting {
    const char *name;
    const char *value;
};

struct kvs_engine_config {
    const char *dir;                    /* exists; NULL only for engines that are not persistent */
    struct kvs_env *env;                /* never NULL here; outlives the engine */
    enum kvs_durability durability;     /* the store's default; EVERYSEC and NO start the periodic sync */
    uint64_t memory_bytes;              /* budget for index, cache and buffers; 0: the engine chooses */
    uint64_t segment_bytes;             /* size of a log segment; 0: the engine chooses */
    bool read_only;
    bool no_background;                 /* no threads of its own: commits and compaction run inside calls (tests) */
    const struct kvs_setting *settings; /* engine-specific; unknown names are refused */
    size_t setting_count;
    kvs_amount_fn *amount; /* check, salvage, dump: told how far they are; NULL: nobody is */
    void *amount_ctx;
};

struct kvs_engine_ops {
    uint32_t abi; /* KVS_ENGINE_ABI */
    const char *name;
    const char *summary; /* one line for --help */
    struct kvs_capabilities capabilities;

    /** Opens, recovering first. On failure nothing in the directory has been lost. */
    enum kvs_status (*open)(const struct kvs_engine_config *config, struct kvs_engine **ret);

    /** Makes everything durable and closes. No other call may be under way or follow. Reports a failed sync. */
    enum kvs_status (*close)(struct kvs_engine *engine);

    /**
     * Finds @key and, when it exists, calls @visit once. *ret_position: dependency of the answer, set for KVS_OK
     * and KVS_NOT_FOUND. Errors: KVS_NOT_FOUND, KVS_WOULD_BLOCK, KVS_CORRUPT, KVS_IO, KVS_NO_MEMORY.
     */
    enum kvs_status (*get)(struct kvs_engine *engine, const struct kvs_read *read, struct kvs_bytes key,
                           kvs_visit_fn *visit, void *ctx, uint64_t *ret_position);

    /**
     * Reads @count keys at one version. @visit is called for each key that exists, in order, with ctxs[i]. @statuses[i] is
     * KVS_OK or KVS_NOT_FOUND when the call answers KVS_OK.
     */
    enum kvs_status (*multi_get)(struct kvs_engine *engine, const struct kvs_read *read, size_t count,
                                 const struct kvs_bytes *keys, kvs_visit_fn *visit, void *const *ctxs,
                                 enum kvs_status *statuses, uint64_t *ret_position);

    /* Says that these keys will be looked at soon, one by one: what is in memory of them may be loaded together. A hint, without an
     * answer; never waits. NULL: of no use to this engine. */
    void (*prefetch)(struct kvs_engine *engine, size_t count, const struct kvs_bytes *keys);

    /**
     * Applies a batch. Returns when it is visible, not when it is durable. KVS_CONFLICT changes nothing.
     * Errors: KVS_CONFLICT, KVS_WOULD_BLOCK, KVS_TOO_LONG, KVS_INVALID, KVS_DISK_FULL, KVS_READ_ONLY, KVS_OVER_BUDGET,
     * KVS_NO_MEMORY, KVS_IO; after any of them nothing of the batch is visible.
     */
    enum kvs_status (*write)(struct kvs_engine *engine, const struct kvs_write *write, struct kvs_written *ret);

    /* A large value in: bytes are appended as they arrive (one thread at a time), the blob is then given to an
     * operation. Appending may wait for the disk. blob_free(NULL) is allowed; a consumed blob is not freed again. */
    enum kvs_status (*blob_new)(struct kvs_engine *engine, struct kvs_blob **ret);
    enum kvs_status (*blob_append)(struct kvs_blob *blob, struct kvs_bytes bytes);
    uint64_t (*blob_bytes)(const struct kvs_blob *blob);
    void (*blob_free)(struct kvs_blob *blob);

    /* A value of any size out, piecewise: what was opened stays readable until closed, whatever happens to the key.
     * reader_open fills *ret_entry (value.data NULL; key empty). reader_read copies exactly @len bytes from @off. One
     * thread at a time per reader. */
    enum kvs_status (*reader_open)(struct kvs_engine *engine, const struct kvs_read *read, struct kvs_bytes key,
                                   struct kvs_entry *ret_entry, uint64_t *ret_position, struct kvs_reader **ret);
    enum kvs_status (*reader_read)(struct kvs_reader *reader, bool no_block, uint64_t off, void *buf, size_t len);
    void (*reader_close)(struct kvs_reader *reader);

    /* Ordered iteration over one version of the store. next: KVS_OK with *ret_entry lent until the next call on the
     * iterator, KVS_NOT_FOUND at the end; KVS_WOULD_BLOCK leaves the iterator where it was. One thread at a time. The range
     * is copied. A value over KVS_INLINE_MAX comes without data; open a reader with the iterator's snapshot for it. */
    enum kvs_status (*iterator_open)(struct kvs_engine *engine, const struct kvs_read *read,
                                     const struct kvs_range *range, bool reverse, struct kvs_iterator **ret);
    enum kvs_status (*iterator_next)(struct kvs_iterator *iterator, bool no_block, struct kvs_entry *ret_entry);
    const struct kvs_snapshot *(*iterator_snapshot)(const struct kvs_iterator *iterator);
    uint64_t (*iterator_position)(const struct kvs_iterator *iterator); /* dependency of all answers so far */
    void (*iterator_close)(struct kvs_iterator *iterator);

    /** Number of keys in @range (expired ones not yet reclaimed may be included). *ret_exact tells which it is. */
    enum kvs_status (*count)(struct kvs_engine *engine, const struct kvs_read *read, const struct kvs_range *range,
                             uint64_t *ret_count, bool *ret_exact, uint64_t *ret_position);

    /** Visits one existing key of @range, chosen about uniformly with @random as the source. */
    enum kvs_status (*sample)(struct kvs_engine *engine, const struct kvs_read *read, const struct kvs_range *range,
                              uint64_t random, kvs_visit_fn *visit, void *ctx, uint64_t *ret_position);

    /* Pins the newest visible version until released. @owner is copied, for stats. Never blocks writers. */
    enum kvs_status (*snapshot_open)(struct kvs_engine *engine, const char *owner, struct kvs_snapshot **ret);
    uint64_t (*snapshot_version)(const struct kvs_snapshot *snapshot);
    void (*snapshot_close)(struct kvs_engine *engine, struct kvs_snapshot *snapshot);

    void (*marks)(struct kvs_engine *engine, struct kvs_marks *ret);

    /** Asks for @position to become durable soon; does not wait. */
    void (*request_sync)(struct kvs_engine *engine, uint64_t position);

    /** Asks for @position to be handed to the system soon; does not wait. */
    void (*request_write)(struct kvs_engine *engine, uint64_t position);

    /** Waits until @position is handed to the system. Errors as wait_durable. */
    enum kvs_status (*wait_written)(struct kvs_engine *engine, uint64_t position);

    /** Waits until @position is durable. KVS_READ_ONLY/KVS_IO: it never will be (a sync failed). */
    enum kvs_status (*wait_durable)(struct kvs_engine *engine, uint64_t position);

    /** Sets the one callback told of progress; NULL removes it and waits until no call of it is under way. */
    void (*on_progress)(struct kvs_engine *engine, kvs_progress_fn *fn, void *ctx);

    /** KVS_OK, or the sticky failure (KVS_READ_ONLY, KVS_IO, KVS_DISK_FULL …) that refuses writes now. */
    enum kvs_status (*health)(struct kvs_engine *engine);

    void (*stats)(struct kvs_engine *engine, kvs_stat_fn *fn, void *ctx);

    /** Makes everything durable and, where the engine has them, takes a checkpoint for a fast start. Waits. */
    enum kvs_status (*checkpoint)(struct kvs_engine *engine);

    /** Reclaims dead space now until nothing worthwhile is left. Waits. */
    enum kvs_status (*compact)(struct kvs_engine *engine);

    /** Reads and verifies everything in @dir, offline. KVS_OK: intact. NULL: not supported. */
    enum kvs_status (*check)(const struct kvs_engine_config *config, kvs_report_fn *report, void *ctx);

    /**
     * Writes into the empty directory @dir the files of a store as it was at one moment of the call, durably: what open() there would find.
     * Files that never change may be links to the store's own, unless @copy. Never blocks writers. *ret_position: everything
     * up to there is in it. NULL: store/ iterates over a snapshot and writes a file of records.
     */
    enum kvs_status (*backup)(struct kvs_engine *engine, const char *dir, bool copy,
                              kvs_amount_fn *amount, void *amount_ctx, uint64_t *ret_position);

    /**
     * Offline, whatever state the files in config->dir are in, and without changing them: gives every key whose newest value can still be
     * found to @put, in any order, each once; what is lost goes to @report. KVS_OK: all was looked at, however little was
     * found. NULL: store/ opens the store and iterates from both ends.
     */
    enum kvs_status (*salvage)(const struct kvs_engine_config *config, kvs_salvage_fn *put,
                               void *put_ctx, kvs_report_fn *report, void *report_ctx);

    /** Offline: describes what the files in config->dir hold, a line for each thing. NULL: store/ lists the keys. */
    enum kvs_status (*dump)(const struct kvs_engine_config *config, kvs_report_fn *report,
                            void *ctx);
};

struct kvs_engine {
    const struct kvs_engine_ops *ops;
};

#ifdef __cplusplus
}
#endif

#endif
