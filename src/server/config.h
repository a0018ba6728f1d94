/*
 * config.h - the server's settings: one table for flags, environment, file, CONFIG GET/SET, and --help.
 *
 * Precedence: flag, environment, file, default. Numbers, sizes, choices and booleans are read lock-free at any
 * time; texts are copied out under a lock.
 *
 * Threads: loading is for one thread; everything else for any.
 */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <kvs/status.h>

#include "base/buf.h"

enum setting {
    SETTING_ADDR,
    SETTING_APPENDONLY,
    SETTING_BACKUP_DIR,
    SETTING_BIND,
    SETTING_CLIENT_OUTPUT_BUFFER_LIMIT,
    SETTING_CLIENT_QUERY_BUFFER_LIMIT,
    SETTING_DATABASES,
    SETTING_DIR,
    SETTING_DURABILITY,
    SETTING_ENGINE,
    SETTING_ENGINE_OPTION,
    SETTING_LOG_FORMAT,
    SETTING_LOG_LEVEL,
    SETTING_LOOPS,
    SETTING_MAXCLIENTS,
    SETTING_MAXMEMORY,
    SETTING_MAXMEMORY_POLICY,
    SETTING_MEMORY,
    SETTING_NOTIFY_KEYSPACE_EVENTS,
    SETTING_POOL,
    SETTING_PORT,
    SETTING_PROTECTED_MODE,
    SETTING_PROTO_MAX_BULK_LEN,
    SETTING_REQUIREPASS,
    SETTING_SAVE,
    SETTING_SEGMENT_SIZE,
    SETTING_SHUTDOWN_TIMEOUT,
    SETTING_SLOWLOG_LOG_SLOWER_THAN,
    SETTING_SLOWLOG_MAX_LEN,
    SETTING_TCP_BACKLOG,
    SETTING_TCP_KEEPALIVE,
    SETTING_THREADS,
    SETTING_TIMEOUT,
    SETTING_TRACKING_TABLE_MAX_KEYS,
    SETTING_UNIXSOCKET,
    SETTING_UNIXSOCKETPERM,
    SETTING_COUNT,
};

enum setting_type {
    TYPE_TEXT,
    TYPE_LIST, /* a text that may be given several times; the parts are joined by spaces */
    TYPE_NUMBER,
    TYPE_BYTES,  /* "64mb" */
    TYPE_BOOL,   /* yes, no */
    TYPE_CHOICE, /* one of row->choices; the number is its index */
};

/* Order of the choices of SETTING_DURABILITY. */
enum {
    DURABILITY_ALWAYS,
    DURABILITY_EVERYSEC,
    DURABILITY_NO
};

struct setting_row {
    const char *name;
    const char *aliases; /* separated by spaces; shown by CONFIG GET as well */
    enum setting_type type;
    const char *initial;
    bool live; /* CONFIG SET may change it */
    int64_t min;
    int64_t max;
    const char *choices;                                            /* separated by spaces */
    bool (*valid)(const char *text, char *ret_reason, size_t size); /* further check; NULL: none */
    const char *argument;                                           /* for --help */
    const char *help;
};

/* Where a setting's value came from; a later one wins. */
enum setting_source {
    SOURCE_DEFAULT,
    SOURCE_FILE,
    SOURCE_ENVIRONMENT,
    SOURCE_FLAG,
    SOURCE_LIVE,
};

struct config;

/* The classes of client-output-buffer-limit that have members here. */
enum output_class {
    OUTPUT_NORMAL,
    OUTPUT_PUBSUB, /* clients that have subscribed to something */
    OUTPUT_CLASSES
};

/* What it says of one of them. */
struct output_limits {
    uint64_t hard_bytes;
    uint64_t soft_bytes;
    uint64_t soft_s;
};

KVS_MUST_CHECK enum kvs_status config_new(struct config **ret);
void config_free(struct config *config); /* NULL is allowed */

enum config_action {
    CONFIG_RUN,
    CONFIG_HELP,
    CONFIG_VERSION,
};

/*
 * Reads the command line (and the file it names), and the environment. KVS_INVALID or KVS_IO: the message, which names the
 * flag, variable or file and line, is the recorded failure.
 */
KVS_MUST_CHECK enum kvs_status config_load(struct config *config, int argc, char *const *argv,
                                           char *const *environment,
                                           enum config_action *ret_action);

/* Reads one file of settings. */
KVS_MUST_CHECK enum kvs_status config_read_file(struct config *config, const char *path);

const struct setting_row *config_row(enum setting setting);

/* The setting with that name or alias, any case, '_' as '-'. False: there is none; *ret_close is then the name of one that is
 * spelt much like it, or NULL. */
bool config_find(struct kvs_bytes name, enum setting *ret, const char **ret_close);

enum setting_source config_source(const struct config *config, enum setting setting);

/* Number (auto: 0), bytes, 0/1 of a boolean, index of a choice; of a text whether it is not empty. */
int64_t config_number(const struct config *config, enum setting setting);

/* A copy of the text as CONFIG GET shows it, to be freed. NULL: out of memory. */
char *config_text(struct config *config, enum setting setting);

struct output_limits config_output_limits(const struct config *config, enum output_class class);

/* Sets one value, checked, whatever it is; KVS_INVALID with a message. */
KVS_MUST_CHECK enum kvs_status config_put(struct config *config, enum setting setting,
                                          const char *value, enum setting_source source);

/* CONFIG GET and CONFIG SET; see command/host.h. @changed is told of each setting that was set, after all of them were. */
typedef void config_show_fn(void *ctx, const char *name, const char *value);
void config_get(struct config *config, struct kvs_bytes pattern, config_show_fn *fn, void *ctx);
typedef void config_changed_fn(void *ctx, enum setting setting);
KVS_MUST_CHECK enum kvs_status config_set(struct config *config, const struct kvs_bytes *names,
                                          const struct kvs_bytes *values, size_t count,
                                          struct buf *ret_error, config_changed_fn *changed,
                                          void *ctx);

/* Compares in constant time for a given length of @text. "" is never equal to a secret that is set. */
bool config_secret_equals(struct config *config, enum setting setting, struct kvs_bytes text);
bool config_secret_is_set(const struct config *config, enum setting setting);

void config_print_help(FILE *out);

#endif
