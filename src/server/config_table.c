/*
 * config_table.c - the one table of settings, and finding a row by name.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kvs/kvs.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/number.h"
#include "command/notify.h"
#include "net/address.h"
#include "server/config.h"
#include "server/trace.h"

#define KIB INT64_C(1024)
#define MIB (KIB * 1024)
#define GIB (MIB * 1024)

static bool valid_addresses(const char *text, char *ret_reason, size_t size)
{
    char *copy = strdup(text);
    if (copy == NULL)
        return true; /* listening will tell */
    bool good = true;
    char *save = NULL;
    for (char *part = strtok_r(copy, " ", &save); part != NULL && good;
         part = strtok_r(NULL, " ", &save)) {
        struct address address;
        good = address_parse(part, &address) == KVS_OK;
        if (!good)
            (void)snprintf(ret_reason, size, "%s", kvs_error());
    }
    free(copy);
    return good;
}

static bool valid_binds(const char *text, char *ret_reason, size_t size)
{
    char *copy = strdup(text);
    if (copy == NULL)
        return true;
    bool good = true;
    char *save = NULL;
    for (char *part = strtok_r(copy, " ", &save); part != NULL && good;
         part = strtok_r(NULL, " ", &save)) {
        struct address address;
        good = address_parse_ip(part[0] == '-' ? part + 1 : part, 0, &address) == KVS_OK;
        if (!good)
            (void)snprintf(ret_reason, size, "%s", kvs_error());
    }
    free(copy);
    return good;
}

static bool valid_socket_path(const char *text, char *ret_reason, size_t size)
{
    struct address address;
    if (text[0] == '\0' || address_of_path(text, &address) == KVS_OK)
        return true;
    (void)snprintf(ret_reason, size, "%s", kvs_error());
    return false;
}

static bool valid_permissions(const char *text, char *ret_reason, size_t size)
{
    size_t len = strspn(text, "01234567");
    if (len != 0 && len <= 4 && text[len] == '\0' && strtoul(text, NULL, 8) <= 0777)
        return true;
    (void)snprintf(ret_reason, size, "expected permissions in octal, 0 to 777");
    return false;
}

static bool valid_log_level(const char *text, char *ret_reason, size_t size)
{
    enum trace_level level;
    if (trace_level_parse(text, &level))
        return true;
    (void)snprintf(ret_reason, size, "expected error, warn, info or debug");
    return false;
}

static bool valid_notify(const char *text, char *ret_reason, size_t size)
{
    unsigned classes;
    if (notify_parse(text, &classes))
        return true;
    (void)snprintf(ret_reason, size, "Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
    return false;
}

static bool valid_engine_option(const char *text, char *ret_reason, size_t size)
{
    const char *part = text;
    while (*part != '\0') {
        size_t len = strcspn(part, " ");
        const char *equals = memchr(part, '=', len);
        if (equals == NULL || equals == part) {
            (void)snprintf(ret_reason, size, "expected NAME=VALUE");
            return false;
        }
        part += len;
        part += strspn(part, " ");
    }
    return true;
}

static const struct setting_row rows[SETTING_COUNT] = {
    [SETTING_ADDR] = { .name = "addr",
                       .aliases = "",
                       .type = TYPE_LIST,
                       .initial = "",
                       .valid = valid_addresses,
                       .argument = "IP:PORT",
                       .help =
                           "listen there; may be given several times (default: 127.0.0.1:4000)" },
    [SETTING_APPENDONLY] = { .name = "appendonly",
                             .aliases = "",
                             .type = TYPE_BOOL,
                             .initial = "yes",
                             .live = true,
                             .help = "accepted for Redis's sake: every write goes to the log "
                                     "either way" },
    [SETTING_BACKUP_DIR] = { .name = "backup-dir",
                             .aliases = "",
                             .type = TYPE_TEXT,
                             .initial = "",
                             .argument = "DIR",
                             .help =
                                 "where BACKUP makes its directories (default: backups in dir); "
                                 "clients cannot change it" },
    [SETTING_BIND] = { .name = "bind",
                       .aliases = "",
                       .type = TYPE_LIST,
                       .initial = "127.0.0.1",
                       .valid = valid_binds,
                       .argument = "IP",
                       .help = "with port: addresses to listen on when no addr is given" },
    [SETTING_CLIENT_OUTPUT_BUFFER_LIMIT] = { .name = "client-output-buffer-limit",
                                             .aliases = "",
                                             .type = TYPE_TEXT,
                                             .initial = "normal 256mb 1mb 60",
                                             .live = true,
                                             .argument = "CLASS HARD SOFT SECONDS",
                                             .help = "replies a connection may have waiting: over "
                                                     "SOFT it is served no "
                                                     "more commands until it reads, and is closed "
                                                     "when it has read "
                                                     "nothing for SECONDS (0: never); over HARD it "
                                                     "is closed" },
    [SETTING_CLIENT_QUERY_BUFFER_LIMIT] = { .name = "client-query-buffer-limit",
                                            .aliases = "",
                                            .type = TYPE_BYTES,
                                            .initial = "64mb",
                                            .min = MIB,
                                            .max = 4 * GIB,
                                            .help = "longest request of a connection (streamed "
                                                    "values do not count)" },
    [SETTING_DATABASES] = { .name = "databases",
                            .aliases = "",
                            .type = TYPE_NUMBER,
                            .initial = "16",
                            .min = 16,
                            .max = 16,
                            .help = "key spaces for SELECT; always 16" },
    [SETTING_DIR] = { .name = "dir",
                      .aliases = "",
                      .type = TYPE_TEXT,
                      .initial = ".",
                      .argument = "DIR",
                      .help = "directory of the store" },
    [SETTING_DURABILITY] = { .name = "durability",
                             .aliases = "appendfsync",
                             .type = TYPE_CHOICE,
                             .initial = "always",
                             .live = true,
                             .choices = "always everysec no",
                             .help = "when a write is acknowledged: once it is on disk (always), "
                                     "or once the system has it, with a sync "
                                     "every second (everysec) or whenever the system likes (no)" },
    [SETTING_ENGINE] = { .name = "engine",
                         .aliases = "",
                         .type = TYPE_TEXT,
                         .initial = "",
                         .argument = "NAME",
                         .help = "storage engine (default: the one the directory was made with, "
                                 "else kvs)" },
    [SETTING_ENGINE_OPTION] = { .name = "engine-option",
                                .aliases = "",
                                .type = TYPE_LIST,
                                .initial = "",
                                .valid = valid_engine_option,
                                .argument = "NAME=VALUE",
                                .help = "a setting of the engine; may be given several times" },
    [SETTING_LOG_FORMAT] = { .name = "log-format",
                             .aliases = "",
                             .type = TYPE_CHOICE,
                             .initial = "text",
                             .live = true,
                             .choices = "text json",
                             .help = "form of the lines on stderr" },
    [SETTING_LOG_LEVEL] = { .name = "log-level",
                            .aliases = "loglevel",
                            .type = TYPE_TEXT,
                            .initial = "info",
                            .live = true,
                            .valid = valid_log_level,
                            .argument = "error|warn|info|debug",
                            .help = "least important lines to write; also KVS_LOG" },
    [SETTING_LOOPS] = { .name = "loops",
                        .aliases = "io-threads",
                        .type = TYPE_NUMBER,
                        .initial = "auto",
                        .min = 1,
                        .max = 256,
                        .help = "event loops; auto: one per processor" },
    [SETTING_MAXCLIENTS] = { .name = "maxclients",
                             .aliases = "",
                             .type = TYPE_NUMBER,
                             .initial = "10000",
                             .live = true,
                             .min = 1,
                             .max = 1000000,
                             .help = "connections at a time" },
    [SETTING_MAXMEMORY] = { .name = "maxmemory",
                            .aliases = "",
                            .type = TYPE_BYTES,
                            .initial = "0",
                            .live = true,
                            .min = 0,
                            .max = INT64_MAX,
                            .help = "accepted for Redis's sake: data is on disk, memory is bounded "
                                    "by --memory" },
    [SETTING_MAXMEMORY_POLICY] = { .name = "maxmemory-policy",
                                   .aliases = "",
                                   .type = TYPE_CHOICE,
                                   .initial = "noeviction",
                                   .live = true,
                                   .choices = "noeviction",
                                   .help = "nothing is ever evicted" },
    [SETTING_MEMORY] = { .name = "memory",
                         .aliases = "",
                         .type = TYPE_BYTES,
                         .initial = "0",
                         .min = 0,
                         .max = INT64_MAX,
                         .help = "budget for index, cache and buffers of the engine; 0: a quarter "
                                 "of the machine's memory" },
    [SETTING_NOTIFY_KEYSPACE_EVENTS] = { .name = "notify-keyspace-events",
                                         .aliases = "",
                                         .type = TYPE_TEXT,
                                         .initial = "",
                                         .live = true,
                                         .valid = valid_notify,
                                         .argument = "CLASSES",
                                         .help = "events of keys to publish: letters of "
                                                 "Ag$lshzxeKEtmdn as in Redis; needs K or E" },
    [SETTING_POOL] = { .name = "pool",
                       .aliases = "",
                       .type = TYPE_CHOICE,
                       .initial = "shared-queue",
                       .choices = "naive shared-queue stealing",
                       .help = "thread pool for what would block a loop" },
    [SETTING_PORT] = { .name = "port",
                       .aliases = "",
                       .type = TYPE_NUMBER,
                       .initial = "4000",
                       .min = 0,
                       .max = 65535,
                       .help =
                           "with bind: port to listen on when no addr is given; 0: any free one" },
    [SETTING_PROTECTED_MODE] = { .name = "protected-mode",
                                 .aliases = "",
                                 .type = TYPE_BOOL,
                                 .initial = "yes",
                                 .live = true,
                                 .help = "without a password, refuse clients from other hosts" },
    [SETTING_PROTO_MAX_BULK_LEN] = { .name = "proto-max-bulk-len",
                                     .aliases = "",
                                     .type = TYPE_BYTES,
                                     .initial = "512mb",
                                     .live = true,
                                     .min = MIB,
                                     .max = 512 * MIB,
                                     .help = "longest argument of a request" },
    [SETTING_REQUIREPASS] = { .name = "requirepass",
                              .aliases = "",
                              .type = TYPE_TEXT,
                              .initial = "",
                              .live = true,
                              .argument = "PASSWORD",
                              .help = "clients must AUTH with it; empty: no password" },
    [SETTING_SAVE] = { .name = "save",
                       .aliases = "",
                       .type = TYPE_LIST,
                       .initial = "",
                       .live = true,
                       .argument = "TEXT",
                       .help = "accepted for Redis's sake: there are no dumps to schedule, every "
                               "write is in the log" },
    [SETTING_SEGMENT_SIZE] = { .name = "segment-size",
                               .aliases = "",
                               .type = TYPE_BYTES,
                               .initial = "0",
                               .min = 0,
                               .max = 128 * MIB,
                               .help = "size of a log segment, at least 64kb; 0: the engine's "
                                       "default" },
    [SETTING_SHUTDOWN_TIMEOUT] = { .name = "shutdown-timeout",
                                   .aliases = "",
                                   .type = TYPE_NUMBER,
                                   .initial = "10",
                                   .live = true,
                                   .min = 0,
                                   .max = 3600,
                                   .help = "seconds to finish what is running when told to stop" },
    [SETTING_SLOWLOG_LOG_SLOWER_THAN] = { .name = "slowlog-log-slower-than",
                                          .aliases = "",
                                          .type = TYPE_NUMBER,
                                          .initial = "10000",
                                          .live = true,
                                          .min = -1,
                                          .max = INT64_MAX,
                                          .help = "microseconds from which on a command is noted "
                                                  "in SLOWLOG; 0: all, -1: none" },
    [SETTING_SLOWLOG_MAX_LEN] = { .name = "slowlog-max-len",
                                  .aliases = "",
                                  .type = TYPE_NUMBER,
                                  .initial = "128",
                                  .live = true,
                                  .min = 0,
                                  .max = 1000000,
                                  .help = "entries that SLOWLOG keeps" },
    [SETTING_TCP_BACKLOG] = { .name = "tcp-backlog",
                              .aliases = "",
                              .type = TYPE_NUMBER,
                              .initial = "511",
                              .min = 1,
                              .max = 65535,
                              .help = "connections the system may keep waiting to be accepted" },
    [SETTING_TCP_KEEPALIVE] = { .name = "tcp-keepalive",
                                .aliases = "",
                                .type = TYPE_NUMBER,
                                .initial = "300",
                                .live = true,
                                .min = 0,
                                .max = 86400,
                                .help =
                                    "seconds of silence before a connection is probed; 0: never" },
    [SETTING_THREADS] = { .name = "threads",
                          .aliases = "",
                          .type = TYPE_NUMBER,
                          .initial = "auto",
                          .min = 1,
                          .max = 1024,
                          .help = "threads of the pool; auto: one per processor, at least 4" },
    [SETTING_TIMEOUT] = { .name = "timeout",
                          .aliases = "",
                          .type = TYPE_NUMBER,
                          .initial = "0",
                          .live = true,
                          .min = 0,
                          .max = INT32_MAX,
                          .help = "seconds after which an idle client is disconnected; 0: never" },
    [SETTING_TRACKING_TABLE_MAX_KEYS] = { .name = "tracking-table-max-keys",
                                          .aliases = "",
                                          .type = TYPE_NUMBER,
                                          .initial = "1000000",
                                          .live = true,
                                          .min = 0,
                                          .max = INT64_MAX,
                                          .help = "keys remembered for client-side caches (CLIENT "
                                                  "TRACKING); over it the oldest are invalidated; "
                                                  "0: as many as fit into 512 MiB" },
    [SETTING_UNIXSOCKET] = { .name = "unixsocket",
                             .aliases = "",
                             .type = TYPE_TEXT,
                             .initial = "",
                             .valid = valid_socket_path,
                             .argument = "PATH",
                             .help = "path of a Unix socket to listen on as well" },
    [SETTING_UNIXSOCKETPERM] = { .name = "unixsocketperm",
                                 .aliases = "",
                                 .type = TYPE_TEXT,
                                 .initial = "0",
                                 .valid = valid_permissions,
                                 .argument = "MODE",
                                 .help = "its permissions, in octal, such as 770; 0: as the umask "
                                         "of the process says" },
};

const struct setting_row *config_row(enum setting setting)
{
    CHECK(setting < SETTING_COUNT);
    return &rows[setting];
}

static char fold(char byte)
{
    return byte == '_' ? '-' : (char)tolower((unsigned char)byte);
}

static bool same_name(struct kvs_bytes name, const char *known, size_t len)
{
    if (name.len != len)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (fold(((const char *)name.data)[i]) != known[i])
            return false;
    }
    return true;
}

static bool row_has_name(const struct setting_row *row, struct kvs_bytes name)
{
    if (same_name(name, row->name, strlen(row->name)))
        return true;
    for (const char *alias = row->aliases; *alias != '\0';) {
        size_t len = strcspn(alias, " ");
        if (same_name(name, alias, len))
            return true;
        alias += len;
        alias += strspn(alias, " ");
    }
    return false;
}

/* How many single-character changes lead from one name to the other (Levenshtein); long names count as far apart. */
static size_t edit_distance(struct kvs_bytes name, const char *known)
{
    enum {
        LONGEST = 48
    };

    size_t known_len = strlen(known);
    if (name.len >= LONGEST || known_len >= LONGEST)
        return LONGEST;
    size_t row[LONGEST + 1];
    for (size_t j = 0; j <= known_len; j++)
        row[j] = j;
    for (size_t i = 1; i <= name.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= known_len; j++) {
            size_t change = diagonal + (fold(((const char *)name.data)[i - 1]) != known[j - 1]);
            diagonal = row[j];
            size_t shorter = row[j] + 1 < row[j - 1] + 1 ? row[j] + 1 : row[j - 1] + 1;
            row[j] = change < shorter ? change : shorter;
        }
    }
    return row[known_len];
}

bool config_find(struct kvs_bytes name, enum setting *ret, const char **ret_close)
{
    size_t least = name.len < 6 ? 2 : 3; /* as many changes are too many */
    *ret_close = NULL;
    for (unsigned i = 0; i < SETTING_COUNT; i++) {
        if (row_has_name(&rows[i], name)) {
            *ret = (enum setting)i;
            return true;
        }
        size_t distance = edit_distance(name, rows[i].name);
        if (distance < least) {
            least = distance;
            *ret_close = rows[i].name;
        }
    }
    return false;
}

void config_print_help(FILE *out)
{
    (void)fputs("usage: kvs-server [FILE] [--config FILE] [--NAME VALUE]...\n"
                "\n"
                "A key-value store on a TCP port: Redis's protocol (RESP2, RESP3), and JSON. Every "
                "acknowledged write is on disk.\n"
                "\n"
                "      --config FILE       read settings from FILE, lines of 'name value'\n"
                "  -h, --help              show this and exit\n"
                "  -V, --version           show the version and exit\n"
                "\n"
                "Settings: a flag --some-name VALUE wins over the variable KVS_SOME_NAME, which "
                "wins over a line of the file.\n"
                "Those marked * can be changed while it runs, with CONFIG SET.\n",
                out);
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct setting_row *row = &rows[i];
        const char *argument = row->argument;
        if (argument == NULL)
            argument = row->type == TYPE_BYTES  ? "BYTES"
                       : row->type == TYPE_BOOL ? "yes|no"
                                                : "NUMBER";
        (void)fprintf(out, "\n    %c --%s ", row->live ? '*' : ' ', row->name);
        if (row->type == TYPE_CHOICE) {
            for (const char *c = row->choices; *c != '\0'; c++)
                (void)fputc(*c == ' ' ? '|' : *c, out);
        } else {
            (void)fputs(argument, out);
        }
        if (row->aliases[0] != '\0')
            (void)fprintf(out, "   (also %s)", row->aliases);
        if (row->initial[0] != '\0')
            (void)fprintf(out, "   [%s]", row->initial);
        (void)fprintf(out, "\n          %s\n", row->help);
    }
    (void)fputs("\nEngines:", out);
    const char *name;
    for (size_t i = 0; (name = kvs_engine_name(i)) != NULL; i++)
        (void)fprintf(out, "\n    %-10s %s", name, kvs_engine_summary(i));
    (void)fputc('\n', out);
}
