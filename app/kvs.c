/*
 * kvs.c - the command line on a store in a directory.
 *
 * Commands that only read never make a store: a directory without one is an empty one to them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kvs/kvs.h>

#include "app/args.h"
#include "app/care.h"
#include "app/transfer.h"
#include "base/bytes.h"
#include "base/fail.h"
#include "base/number.h"

enum command_index {
    BACKUP,
    CHECK_STORE,
    COMPACT,
    DUMP,
    EXPORT,
    GET,
    IMPORT,
    REPAIR,
    RESTORE,
    RM,
    SCAN,
    SET,
    STATS,
    COMMAND_COUNT,
};

static const struct args_command commands[] = {
    [BACKUP] = { "backup", "DEST", 1, 1, "write one version of the store into the directory DEST",
                 false },
    [CHECK_STORE] = { "check", "", 0, 0, "read and verify everything in a store or a backup",
                      false },
    [COMPACT] = { "compact", "", 0, 0, "give dead space back now", false },
    [DUMP] = { "dump", "", 0, 0, "print what the files of the store hold", false },
    [EXPORT] = { "export", "[FILE]", 0, 1, "write all keys to a file", false },
    [GET] = { "get", "KEY", 1, 1, "print a key's value", false },
    [IMPORT] = { "import", "[FILE]", 0, 1, "store what a file holds", false },
    [REPAIR] = { "repair", "DEST", 1, 1, "make a new store in DEST of all that is intact", false },
    [RESTORE] = { "restore", "BACKUP", 1, 1, "make a store of a backup", false },
    [RM] = { "rm", "KEY", 1, 1, "remove a key", false },
    [SCAN] = { "scan", "[PREFIX]", 0, 1, "print keys in order", false },
    [SET] = { "set", "KEY VALUE", 2, 2, "set a key to a value", false },
    [STATS] = { "stats", "", 0, 0, "print figures about the store", false },
};

enum option_index {
    OPTION_DIR,
    OPTION_ENGINE,
    OPTION_ENGINE_OPTION,
    OPTION_DURABILITY,
    OPTION_MEMORY,
    OPTION_LIMIT,
    OPTION_REVERSE,
    OPTION_VALUES,
    OPTION_FORMAT,
    OPTION_PREFIX,
    OPTION_SKIP,
    OPTION_COPY,
    OPTION_RECORDS,
    OPTION_COUNT,
};

#define FOR(command) (UINT32_C(1) << (command))

static const struct args_option options[] = {
    [OPTION_DIR] = { "dir", "DIR", "KVS_DIR", "directory of the store (default: .)", 0 },
    [OPTION_ENGINE] = { "engine", "NAME", "KVS_ENGINE",
                        "storage engine (default: the directory's, else kvs)", 0 },
    [OPTION_ENGINE_OPTION] = { "engine-option", "NAME=VALUE", NULL,
                               "a setting of the engine; may be given several times", 0 },
    [OPTION_DURABILITY] = { "durability", "WHEN", "KVS_DURABILITY",
                            "sync writes always (default), everysec or no", 0 },
    [OPTION_MEMORY] = { "memory", "SIZE", "KVS_MEMORY",
                        "budget of the engine, as 512mb (default: a quarter of the machine's)", 0 },
    [OPTION_LIMIT] = { "limit", "N", NULL, "scan: at most so many keys", FOR(SCAN) },
    [OPTION_REVERSE] = { "reverse", NULL, NULL, "scan: from the last to the first", FOR(SCAN) },
    [OPTION_VALUES] = { "values", NULL, NULL, "scan: each value too, behind a tab", FOR(SCAN) },
    [OPTION_FORMAT] = { "format", "FORMAT", NULL,
                        "export, import: jsonl or resp (default: jsonl; by the first byte)",
                        FOR(EXPORT) | FOR(IMPORT) },
    [OPTION_PREFIX] = { "prefix", "PREFIX", NULL, "export: keys that begin with it", FOR(EXPORT) },
    [OPTION_SKIP] = { "skip", "N", NULL, "import: leave out the first N records", FOR(IMPORT) },
    [OPTION_COPY] = { "copy", NULL, NULL, "backup: copy all files, link none", FOR(BACKUP) },
    [OPTION_RECORDS] = { "records", NULL, NULL,
                         "backup: a file of records, which any engine can restore", FOR(BACKUP) },
};

static const struct args_program program = {
    .name = "kvs",
    .summary = "a key-value store in a directory",
    .commands = commands,
    .command_count = COMMAND_COUNT,
    .options = options,
    .option_count = OPTION_COUNT,
    .notes =
        "\n"
        "get prints the value and a newline, or \"Key not found\"; rm of a missing key prints that "
        "too and exits\n"
        "with 1. FILE is \"-\", standard input or output, when it is not given. JSON lines hold\n"
        "{\"key\":\"k\",\"value\":\"v\",\"expire_ms\":1700000000000}, with key_b64 and value_b64 "
        "for what is not UTF-8;\n"
        "resp is what redis-cli --pipe reads. \"--\" ends the options.\n"
        "backup, repair and restore write into a directory that is empty or missing: DEST, or that "
        "of "
        "the store.\n"
        "check exits with 1 when it finds damage, repair when anything was lost.\n",
};

/* What the command line says about the store. */
struct settings {
    const char *dir;
    struct kvs_options store;
    struct kvs_setting *engine_settings;
    char *engine_text; /* they point into it */
};

/* ---- Settings ---- */

static bool parse_durability(const char *text, enum kvs_durability *ret)
{
    if (strcmp(text, "always") == 0)
        *ret = KVS_DURABILITY_ALWAYS;
    else if (strcmp(text, "everysec") == 0)
        *ret = KVS_DURABILITY_EVERYSEC;
    else if (strcmp(text, "no") == 0)
        *ret = KVS_DURABILITY_NO;
    else
        return false;
    return true;
}

/* Cuts "name=value" at its '='. */
static int add_engine_setting(struct settings *settings, char *text)
{
    char *equals = strchr(text, '=');
    if (equals == NULL || equals == text)
        return args_usage_error(&program, "--engine-option \"%s\": expected NAME=VALUE", text);
    *equals = '\0';
    settings->engine_settings[settings->store.setting_count++] =
        (struct kvs_setting){ .name = text, .value = equals + 1 };
    return 0;
}

static int read_engine_settings(const struct args *args, struct settings *settings)
{
    size_t count = 0;
    size_t bytes = 0;
    const char *text;
    for (size_t at = 0; (text = args_next(args, OPTION_ENGINE_OPTION, &at)) != NULL; count++)
        bytes += strlen(text) + 1;
    if (count == 0)
        return 0;
    settings->engine_settings = calloc(count, sizeof *settings->engine_settings);
    settings->engine_text = malloc(bytes);
    if (settings->engine_settings == NULL || settings->engine_text == NULL) {
        (void)fprintf(stderr, "kvs: out of memory\n");
        return EXIT_FAILURE;
    }
    char *copy = settings->engine_text;
    int code = 0;
    for (size_t at = 0; code == 0 && (text = args_next(args, OPTION_ENGINE_OPTION, &at)) != NULL;) {
        size_t len = strlen(text) + 1;
        memcpy(copy, text, len);
        code = add_engine_setting(settings, copy);
        copy += len;
    }
    settings->store.settings = settings->engine_settings;
    return code;
}

static int read_settings(const struct args *args, struct settings *ret)
{
    *ret = (struct settings){ .dir = args_value(args, OPTION_DIR) };
    if (ret->dir == NULL)
        ret->dir = ".";
    ret->store.engine = args_value(args, OPTION_ENGINE);
    const char *durability = args_value(args, OPTION_DURABILITY);
    if (durability != NULL && !parse_durability(durability, &ret->store.durability))
        return args_usage_error(&program, "durability \"%s\": expected always, everysec or no",
                                durability);
    const char *memory = args_value(args, OPTION_MEMORY);
    if (memory != NULL && !number_parse_bytes(bytes_str(memory), &ret->store.memory_bytes))
        return args_usage_error(&program, "memory \"%s\": expected a size, as 512mb", memory);
    return read_engine_settings(args, ret);
}

static int read_count(const struct args *args, enum option_index option, uint64_t initial,
                      uint64_t *ret)
{
    const char *text = args_value(args, option);
    *ret = initial;
    if (text == NULL || number_parse_u64(bytes_str(text), ret))
        return 0;
    return args_usage_error(&program, "--%s \"%s\": expected a number", options[option].name, text);
}

/* ---- Commands ---- */

/* What was printed has reached its reader: else the command has failed. */
static int printed(void)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return EXIT_SUCCESS;
    (void)fprintf(stderr, "kvs: cannot write to standard output\n");
    return EXIT_FAILURE;
}

/* Opens for a command that only reads: *ret is NULL when there is no store. */
static enum kvs_status open_existing(const struct settings *settings, struct kvs **ret)
{
    char engine[32];
    *ret = NULL;
    enum kvs_status status = kvs_engine_of(settings->dir, engine);
    if (status != KVS_OK)
        return status;
    struct kvs_options store = settings->store;
    store.must_exist = true;
    status = kvs_open(settings->dir, &store, ret);
    /* Without a marker, opening is still what tells an empty directory from a foreign one. */
    return status == KVS_NOT_FOUND && engine[0] == '\0' ? KVS_OK : status;
}

/* Closes; what a failed command left in kvs_error() was printed before. */
static int close_store(struct kvs *db, int code)
{
    if (kvs_close(db) != KVS_OK && code == EXIT_SUCCESS)
        return args_failure(&program);
    return code;
}

static int run_set(const struct settings *settings, const struct args *args)
{
    struct kvs *db;
    if (kvs_open(settings->dir, &settings->store, &db) != KVS_OK)
        return args_failure(&program);
    int code = EXIT_SUCCESS;
    if (kvs_set(db, bytes_str(args->operands[0]), bytes_str(args->operands[1])) != KVS_OK)
        code = args_failure(&program);
    return close_store(db, code);
}

static int run_get(const struct settings *settings, const struct args *args)
{
    struct kvs *db;
    if (open_existing(settings, &db) != KVS_OK)
        return args_failure(&program);
    struct kvs_value value = { .len = 0 };
    enum kvs_status status =
        db != NULL ? kvs_get(db, bytes_str(args->operands[0]), &value) : KVS_NOT_FOUND;
    int code = EXIT_SUCCESS;
    if (status == KVS_OK) {
        if (value.len > 0)
            (void)fwrite(value.data, 1, value.len, stdout);
        (void)fputc('\n', stdout);
    } else if (status == KVS_NOT_FOUND) {
        (void)fputs("Key not found\n", stdout);
    } else {
        code = args_failure(&program);
    }
    kvs_value_done(&value);
    if (code == EXIT_SUCCESS)
        code = printed();
    return close_store(db, code);
}

static int run_rm(const struct settings *settings, const struct args *args)
{
    struct kvs *db;
    if (open_existing(settings, &db) != KVS_OK)
        return args_failure(&program);
    enum kvs_status status =
        db != NULL ? kvs_remove(db, bytes_str(args->operands[0])) : KVS_NOT_FOUND;
    int code = EXIT_SUCCESS;
    if (status == KVS_NOT_FOUND) {
        (void)fputs("Key not found\n", stdout);
        (void)printed();
        code = EXIT_FAILURE;
    } else if (status != KVS_OK) {
        code = args_failure(&program);
    }
    return close_store(db, code);
}

static void put_bytes(struct kvs_bytes bytes)
{
    if (bytes.len > 0)
        (void)fwrite(bytes.data, 1, bytes.len, stdout);
}

/* A value over KVS_INLINE_MAX of an entry that an iterator stands on. */
static enum kvs_status put_large(struct kvs *db, const struct kvs_iterator *iterator,
                                 const struct kvs_entry *entry)
{
    struct kvs_read read = { .snapshot = kvs_iterator_snapshot(db, iterator) };
    struct kvs_value value = { .len = 0 };
    enum kvs_status status = kvs_get_at(db, &read, entry->key, &value);
    if (status == KVS_OK)
        put_bytes(bytes_of(value.data, value.len));
    kvs_value_done(&value);
    return status;
}

static enum kvs_status scan(struct kvs *db, struct kvs_iterator *iterator, uint64_t limit,
                            bool values)
{
    for (uint64_t count = 0; count < limit; count++) {
        struct kvs_entry entry;
        enum kvs_status status = kvs_iterator_next(db, iterator, false, &entry);
        if (status != KVS_OK)
            return status == KVS_NOT_FOUND ? KVS_OK : status;
        put_bytes(entry.key);
        if (values) {
            (void)fputc('\t', stdout);
            if (entry.value_bytes > KVS_INLINE_MAX)
                status = put_large(db, iterator, &entry);
            else
                put_bytes(entry.value);
        }
        if (status != KVS_OK)
            return status;
        (void)fputc('\n', stdout);
    }
    return KVS_OK;
}

static int run_scan(const struct settings *settings, const struct args *args)
{
    uint64_t limit;
    int code = read_count(args, OPTION_LIMIT, UINT64_MAX, &limit);
    if (code != 0)
        return code;
    struct kvs_bytes prefix = args->operand_count > 0 ? bytes_str(args->operands[0]) : BYTES("");
    struct kvs *db;
    if (open_existing(settings, &db) != KVS_OK)
        return args_failure(&program);
    if (db == NULL)
        return EXIT_SUCCESS;
    void *end = malloc(prefix.len + 1);
    if (end == NULL) {
        (void)fprintf(stderr, "kvs: out of memory\n");
        return close_store(db, EXIT_FAILURE);
    }
    struct kvs_range range = kvs_prefix_range(prefix, end);
    struct kvs_iterator *iterator;
    enum kvs_status status =
        kvs_iterator_open(db, NULL, &range, args_value(args, OPTION_REVERSE) != NULL, &iterator);
    if (status == KVS_OK) {
        status = scan(db, iterator, limit, args_value(args, OPTION_VALUES) != NULL);
        kvs_iterator_close(db, iterator);
    }
    code = status == KVS_OK ? printed() : args_failure(&program);
    free(end);
    return close_store(db, code);
}

static void print_stat(void *ctx, const char *name, uint64_t value)
{
    (void)ctx;
    (void)printf("%s %" PRIu64 "\n", name, value);
}

/* For commands that make no sense without a store. */
static int no_store(const struct settings *settings)
{
    (void)fprintf(stderr, "kvs: there is no store in %s\n", settings->dir);
    return EXIT_FAILURE;
}

static int run_stats(const struct settings *settings, const struct args *args)
{
    (void)args;
    struct kvs *db;
    if (open_existing(settings, &db) != KVS_OK)
        return args_failure(&program);
    if (db == NULL)
        return no_store(settings);
    (void)printf("engine %s\n", kvs_engine(db));
    kvs_stats(db, print_stat, NULL);
    return close_store(db, printed());
}

static int run_check(const struct settings *settings, const struct args *args)
{
    (void)args;
    return care_check(&program, settings->dir, &settings->store);
}

static int run_dump(const struct settings *settings, const struct args *args)
{
    (void)args;
    return care_dump(&program, settings->dir, &settings->store);
}

static int run_repair(const struct settings *settings, const struct args *args)
{
    return care_repair(&program, settings->dir, args->operands[0], &settings->store);
}

static int run_restore(const struct settings *settings, const struct args *args)
{
    return care_restore(&program, args->operands[0], settings->dir, &settings->store);
}

static int run_backup(const struct settings *settings, const struct args *args)
{
    struct kvs *db;
    enum kvs_status status = open_existing(settings, &db);
    if (status != KVS_OK) {
        int code = args_failure(&program);
        if (status == KVS_LOCKED)
            (void)fprintf(stderr, "kvs: a server that has it open makes one with: kvs-client "
                                  "backup NAME\n");
        return code;
    }
    if (db == NULL)
        return no_store(settings);
    struct kvs_backup_options how = {
        .copy = args_value(args, OPTION_COPY) != NULL,
        .records = args_value(args, OPTION_RECORDS) != NULL,
    };
    return close_store(db, care_backup(&program, db, args->operands[0], &how));
}

static int run_compact(const struct settings *settings, const struct args *args)
{
    (void)args;
    struct kvs *db;
    if (open_existing(settings, &db) != KVS_OK)
        return args_failure(&program);
    if (db == NULL)
        return no_store(settings);
    int code = kvs_compact(db) == KVS_OK ? EXIT_SUCCESS : args_failure(&program);
    return close_store(db, code);
}

static int read_transfer(const struct args *args, struct transfer *ret)
{
    *ret = (struct transfer){ .program = "kvs", .path = "-" };
    if (args->operand_count > 0)
        ret->path = args->operands[0];
    const char *format = args_value(args, OPTION_FORMAT);
    if (format != NULL && record_format_parse(format, &ret->format) != KVS_OK)
        return args_usage_error(&program, "%s", kvs_error());
    const char *prefix = args_value(args, OPTION_PREFIX);
    ret->prefix = bytes_str(prefix != NULL ? prefix : "");
    return read_count(args, OPTION_SKIP, 0, &ret->skip);
}

static int run_export(const struct settings *settings, const struct args *args)
{
    struct transfer transfer;
    int code = read_transfer(args, &transfer);
    if (code != 0)
        return code;
    struct kvs *db;
    if (open_existing(settings, &db) != KVS_OK)
        return args_failure(&program);
    return close_store(db, transfer_export_local(&transfer, db));
}

static int run_import(const struct settings *settings, const struct args *args)
{
    struct transfer transfer;
    int code = read_transfer(args, &transfer);
    if (code != 0)
        return code;
    if (strcmp(transfer.path, "-") != 0 && access(transfer.path, R_OK) != 0) {
        perror(transfer.path); /* before a store is made for nothing */
        return EXIT_FAILURE;
    }
    struct kvs *db;
    struct sink *sink;
    if (kvs_open(settings->dir, &settings->store, &db) != KVS_OK)
        return args_failure(&program);
    if (sink_local_new(db, &sink) == KVS_OK) {
        code = transfer_import(&transfer, sink);
        sink->ops->free(sink);
    } else {
        code = args_failure(&program);
    }
    return close_store(db, code);
}

typedef int run_fn(const struct settings *settings, const struct args *args);

static run_fn *const runs[] = {
    [BACKUP] = run_backup, [CHECK_STORE] = run_check, [COMPACT] = run_compact,
    [DUMP] = run_dump,     [EXPORT] = run_export,     [GET] = run_get,
    [IMPORT] = run_import, [REPAIR] = run_repair,     [RESTORE] = run_restore,
    [RM] = run_rm,         [SCAN] = run_scan,         [SET] = run_set,
    [STATS] = run_stats,
};

int main(int argc, char **argv)
{
    struct args args;
    int code = ARGS_EXIT_USAGE;
    switch (args_read(&program, argc, argv, &args)) {
    case ARGS_SHOWN:
        code = printed();
        break;
    case ARGS_WRONG:
        break;
    case ARGS_RUN:
        if (args.command == COMMAND_COUNT) {
            code = args_usage_error(&program, "a command is missing");
            break;
        }
        struct settings settings;
        code = read_settings(&args, &settings);
        if (code == 0)
            code = runs[args.command](&settings, &args);
        free(settings.engine_settings);
        free(settings.engine_text);
        break;
    }
    args_done(&args);
    return code;
}
