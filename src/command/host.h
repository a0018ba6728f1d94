/*
 * host.h - what commands need from the program around them (its clients, configuration, statistics, life), as a struct of
 * functions that server/ fills in. Every function is called on the thread that runs the command and must be thread-safe.
 * Any member may be NULL where there is no such thing (the command lines): the command then answers an error.
 */
#ifndef COMMAND_HOST_H
#define COMMAND_HOST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <kvs/status.h>

#include "base/buf.h"

struct client;
struct kvs_snapshot;

typedef void host_setting_fn(void *ctx, const char *name, const char *value);

struct host_client_filter {
    uint64_t id;      /* 0: any */
    const char *addr; /* "127.0.0.1:1234", NULL: any */
    const char *laddr;
    const char *user;
    const char *type;  /* "normal", "pubsub", "master", "replica"; NULL: any */
    int64_t max_age_s; /* at least that old; 0: any */
    bool skip_me;
};

/* Of this process, in bytes. */
struct host_memory {
    uint64_t used;
    uint64_t resident;
    uint64_t peak;
};

/* What can be listened to. */
enum host_topic {
    HOST_CHANNEL,
    HOST_PATTERN,
    HOST_SHARD,
    HOST_TOPICS
};

typedef void host_name_fn(void *ctx, struct kvs_bytes name);

/* What publishing does when messages pile up: answers KVS_WOULD_BLOCK, waits a while, or goes on. */
enum host_pressure {
    HOST_PRESSURE_REFUSE,
    HOST_PRESSURE_WAIT,
    HOST_PRESSURE_IGNORE
};

/* What somebody waits for: bits of host->watching. */
enum {
    HOST_WATCHES_KEYS = 1u << 0,   /* client-side caches */
    HOST_WATCHES_EVENTS = 1u << 1, /* keyspace notifications */
    HOST_WATCHES_CHANGES = HOST_WATCHES_KEYS | HOST_WATCHES_EVENTS,
    HOST_MONITORED = 1u << 3,
    HOST_PAUSED = 1u << 2, /* CLIENT PAUSE is in force, or was not long ago */
};

enum host_change_kind {
    HOST_SET,
    HOST_REMOVED,
    HOST_REMOVED_RANGE, /* from key up to, not including, end; has_end false: to the last key */
};

/* A write that has been committed. */
struct host_change {
    enum host_change_kind kind;
    unsigned space;
    uint64_t client_id;
    struct kvs_bytes key;
    struct kvs_bytes end;
    bool has_end;
    bool repeated; /* another whole key space of the same FLUSHALL */
    int64_t expire_ms;
    uint64_t position;
};

/* How a client's keys are tracked. */
enum {
    HOST_TRACK_BCAST = 1u << 0,
    HOST_TRACK_OPTIN = 1u << 1,
    HOST_TRACK_OPTOUT = 1u << 2,
    HOST_TRACK_NOLOOP = 1u << 3,
    HOST_TRACK_BROKEN = 1u << 4, /* the client its invalidations were redirected to has gone */
};

struct host_tracking {
    unsigned options;  /* HOST_TRACK_… */
    uint64_t redirect; /* 0: none */
};

enum host_pause {
    HOST_PAUSE_WRITE,
    HOST_PAUSE_ALL
};

struct host_slow {
    uint64_t id;
    int64_t time_s;
    uint64_t took_us;
    const struct kvs_bytes *args;
    size_t count;
    const char *addr;
    const char *name;
};

typedef void host_slow_fn(void *ctx, const struct host_slow *slow);

struct host {
    void *ctx;
    const atomic_uint *
        watching; /* HOST_WATCHES_…; NULL: nobody does. acquire: who set a bit was answered afterwards */
    const atomic_uint *
        notify; /* classes of keyspace notifications, see notify.h; NULL: none. relaxed: a setting */
    int64_t (*now_us)(void *ctx); /* wall clock */
    uint64_t (*random)(void *ctx);

    /* CONFIG GET: each setting whose name matches the glob @pattern. CONFIG SET: all or none; a failed name and reason go to
     * @ret_error as Redis words them ("Unknown option or number of arguments for CONFIG SET - 'x'"). */
    void (*config_get)(void *ctx, struct kvs_bytes pattern, host_setting_fn *fn, void *fn_ctx);
    enum kvs_status (*config_set)(void *ctx, const struct kvs_bytes *names,
                                  const struct kvs_bytes *values, size_t count,
                                  struct buf *ret_error);
    void (*config_resetstat)(void *ctx);

    /* AUTH: does the password open the door; is one needed at all. */
    bool (*password_needed)(void *ctx);
    bool (*password_matches)(void *ctx, struct kvs_bytes user, struct kvs_bytes password);

    /* Text of INFO for the sections asked for (lower case names; none: the default ones; "all", "everything"). */
    void (*info)(void *ctx, const struct kvs_bytes *sections, size_t count, struct buf *ret);

    /* MEMORY STATS. */
    void (*memory)(void *ctx, struct host_memory *ret);

    /* CLIENT LIST lines for the clients that pass @filter (ids: count 0 means all); CLIENT INFO's line of one; KILL's count. */
    void (*client_list)(void *ctx, const struct host_client_filter *filter, const uint64_t *ids,
                        size_t id_count, struct buf *ret);
    void (*client_info)(void *ctx, const struct client *client, struct buf *ret);
    uint64_t (*client_kill)(void *ctx, const struct client *self,
                            const struct host_client_filter *filter);

    /* Puts @text (malloc'd or NULL; taken over) in place of one of a client's texts (name, lib_name, lib_version) and frees the
     * old one, under the lock that client_list() reads them with. NULL: nobody else reads them. */
    void (*client_text)(void *ctx, char **field, char *text);

    /* SCAN cursors: a bounded, expiring table of positions (the last key returned). open: a new number below 2^63. */
    uint64_t (*cursor_open)(void *ctx, unsigned space, struct kvs_bytes last_key);
    bool (*cursor_find)(void *ctx, uint64_t cursor, unsigned space, struct buf *ret_last_key);

    /* SNAPSHOT: a bounded table of versions to read at, each with a time to live. open: 0 when there are too many, or memory is missing.
     * use: lends the snapshot until snapshot_release(), NULL: there is none of that number. close: false likewise. */
    uint64_t (*snapshot_open)(void *ctx, int64_t ttl_s);
    const struct kvs_snapshot *(*snapshot_use)(void *ctx, uint64_t id);
    void (*snapshot_release)(void *ctx, uint64_t id);
    bool (*snapshot_close)(void *ctx, uint64_t id);

    /*
     * Publish and subscribe. What was published is delivered behind all that its receivers have been sent so far, the publisher's own
     * answer included. Subscribing twice is no error; client->topic_counts says how many there are. The functions given are
     * called under a lock and must not call back. publish: @position as in command_result.
     */
    enum kvs_status (*subscribe)(void *ctx, struct client *client, enum host_topic kind,
                                 struct kvs_bytes name);
    void (*unsubscribe)(void *ctx, struct client *client, enum host_topic kind,
                        struct kvs_bytes name);
    void (*subscriptions)(void *ctx, struct client *client, enum host_topic kind, host_name_fn *fn,
                          void *fn_ctx);
    enum kvs_status (*publish)(void *ctx, enum host_topic kind, struct kvs_bytes channel,
                               struct kvs_bytes payload, uint64_t position,
                               enum host_pressure pressure, uint64_t *ret_receivers);
    uint64_t (*receivers)(void *ctx, enum host_topic kind, struct kvs_bytes channel);
    /* Names listened to that match @pattern (data NULL: all); how many listen to one; how many names there are. */
    void (*channels)(void *ctx, enum host_topic kind, struct kvs_bytes pattern, host_name_fn *fn,
                     void *fn_ctx);
    uint64_t (*subscribers)(void *ctx, enum host_topic kind, struct kvs_bytes name);
    uint64_t (*topic_count)(void *ctx, enum host_topic kind);

    /*
     * Client-side caching. tracking_on: adds @prefixes (BCAST; none: every key) to those the client has; client->tracking says how it
     * tracks. remember: the client is about to read @key, or has just read it. changed: a write was committed.
     */
    enum kvs_status (*tracking_on)(void *ctx, struct client *client,
                                   const struct host_tracking *tracking,
                                   const struct kvs_bytes *prefixes, size_t count);
    void (*tracking_off)(void *ctx, struct client *client);
    bool (*tracking)(void *ctx, struct client *client,
                     struct host_tracking *ret); /* false: it does not track */
    void (*tracking_prefixes)(void *ctx, struct client *client, host_name_fn *fn, void *fn_ctx);
    void (*remember)(void *ctx, struct client *client, unsigned space, struct kvs_bytes key);
    void (*changed)(void *ctx, const struct host_change *change);
    bool (*client_exists)(void *ctx, uint64_t id);

    /* MONITOR: the client sees all commands from now on. And a command that has run, for those that do; @redacted: from this argument
     * on, they are secret. */
    void (*monitor)(void *ctx, struct client *client, bool on);
    void (*show_command)(void *ctx, const struct client *client, unsigned space,
                         const struct kvs_bytes *args, size_t count, size_t redacted);

    /* SLOWLOG: at most @max entries (negative: all), the newest first; answers how many there are. */
    size_t (*slowlog_each)(void *ctx, int64_t max, host_slow_fn *fn, void *fn_ctx);
    void (*slowlog_reset)(void *ctx);

    /* CLIENT PAUSE for so long from now, UNPAUSE, and whether a command (one that writes?) has to wait. */
    void (*pause)(void *ctx, uint64_t ms, enum host_pause mode);
    void (*unpause)(void *ctx);
    bool (*is_paused)(void *ctx, bool writes);

    /* SHUTDOWN; the reply is not sent. @save false: NOSAVE (everything acknowledged is durable either way). */
    void (*shutdown)(void *ctx, bool save, bool force);
    /* SAVE/BGSAVE: the time of the last one, in seconds; and setting it. BGSAVE itself runs detached. */
    void (*background_save)(void *ctx);
    int64_t (*last_save_s)(void *ctx);
    void (*note_save)(void *ctx, bool ok);

    /* BACKUP: appends the path of the directory that backups are made in. */
    enum kvs_status (*backup_dir)(void *ctx, struct buf *ret);
};

#endif
