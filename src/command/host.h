/*
 * host.h - what commands need from the program around them (its clients, configuration, statistics, life), as a struct of
 * functions that server/ fills in. Every function is called on the thread that runs the command and must be thread-safe.
 * Any member may be NULL where there is no such thing (the command lines): the command then answers an error.
 */
#ifndef COMMAND_HOST_H
#define COMMAND_HOST_H

#include "base/buf.h"

#include <kvs/status.h>

#include <stdbool.h>
#include <stdint.h>

struct client;
struct kvs_snapshot;

typedef void host_setting_fn(void *ctx, const char *name, const char *value);

struct host_client_filter {
    uint64_t id;        /* 0: any */
    const char *addr;   /* "127.0.0.1:1234", NULL: any */
    const char *laddr;
    const char *user;
    const char *type;   /* "normal", "pubsub", "master", "replica"; NULL: any */
    int64_t max_age_s;  /* at least that old; 0: any */
    bool skip_me;
};

/* Of this process, in bytes. */
struct host_memory {
    uint64_t used;
    uint64_t resident;
    uint64_t peak;
};

struct host {
    void *ctx;
    int64_t (*now_us)(void *ctx); /* wall clock */
    uint64_t (*random)(void *ctx);

    /* CONFIG GET: each setting whose name matches the glob @pattern. CONFIG SET: all or none; a failed name and reason go to
     * @ret_error as Redis words them ("Unknown option or number of arguments for CONFIG SET - 'x'"). */
    void (*config_get)(void *ctx, struct kvs_bytes pattern, host_setting_fn *fn, void *fn_ctx);
    enum kvs_status (*config_set)(void *ctx, const struct kvs_bytes *names, const struct kvs_bytes *values, size_t count,
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
    void (*client_list)(void *ctx, const struct host_client_filter *filter, const uint64_t *ids, size_t id_count,
                        struct buf *ret);
    void (*client_info)(void *ctx, const struct client *client, struct buf *ret);
    uint64_t (*client_kill)(void *ctx, const struct client *self, const struct host_client_filter *filter);

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
