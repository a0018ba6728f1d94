/*
 * kvs-client.c - the command line of a server; on a terminal, without a command, a prompt.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <kvs/client.h>

#include "app/args.h"
#include "app/prompt.h"
#include "app/show.h"
#include "app/transfer.h"
#include "base/bytes.h"
#include "base/number.h"

enum command_index {
    BACKUP,
    CALL,
    EXPORT,
    GET,
    IMPORT,
    RM,
    SET,
    COMMAND_COUNT,
};

static const struct args_command commands[] = {
    [BACKUP] = { "backup", "NAME", 1, 1, "have the server make a backup in its backup-dir", false },
    [CALL] = { "call", "COMMAND [ARG...]", 1, SIZE_MAX, "run any command of the server", true },
    [EXPORT] = { "export", "[FILE]", 0, 1, "write all keys to a file", false },
    [GET] = { "get", "KEY", 1, 1, "print a key's value", false },
    [IMPORT] = { "import", "[FILE]", 0, 1, "store what a file holds", false },
    [RM] = { "rm", "KEY", 1, 1, "remove a key", false },
    [SET] = { "set", "KEY VALUE", 2, 2, "set a key to a value", false },
};

enum option_index {
    OPTION_ADDR,
    OPTION_USER,
    OPTION_PASSWORD,
    OPTION_DB,
    OPTION_TIMEOUT,
    OPTION_FORMAT,
    OPTION_PREFIX,
    OPTION_SKIP,
    OPTION_COPY,
    OPTION_RECORDS,
    OPTION_COUNT,
};

#define FOR(command) (UINT32_C(1) << (command))

static const struct args_option options[] = {
    [OPTION_ADDR] = { "addr", "IP:PORT", "KVS_ADDR",
                      "the server, or unix:PATH (default: 127.0.0.1:4000)", 0 },
    [OPTION_USER] = { "user", "NAME", "KVS_USER", "user to log in as (default: default)", 0 },
    [OPTION_PASSWORD] = { "password", "PASSWORD", "KVS_PASSWORD",
                          "password; the environment keeps it off process lists", 0 },
    [OPTION_DB] = { "db", "N", NULL, "key space, as by SELECT (default: 0)", 0 },
    [OPTION_TIMEOUT] = { "timeout", "MS", NULL,
                         "give up after waiting so long for the server (default: never)", 0 },
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
    .name = "kvs-client",
    .summary = "the command line of a kvs server",
    .commands = commands,
    .command_count = COMMAND_COUNT,
    .options = options,
    .option_count = OPTION_COUNT,
    .notes = "\n"
             "On a terminal, without a command: a prompt for the server's commands. \"help\" there "
             "lists them.\n"
             "get prints the value and a newline, or \"Key not found\"; rm of a missing key says "
             "that on standard error\n"
             "and exits with 1. call prints as redis-cli does: readable on a terminal, bare "
             "elsewhere. FILE is \"-\",\n"
             "standard input or output, when it is not given; \"kvs --help\" tells the formats. "
             "\"--\" ends the options.\n",
};

static int read_number(const struct args *args, enum option_index option, uint64_t max,
                       uint64_t *ret)
{
    const char *text = args_value(args, option);
    *ret = 0;
    if (text == NULL || (number_parse_u64(bytes_str(text), ret) && *ret <= max))
        return 0;
    return args_usage_error(&program, "--%s \"%s\": expected a number", options[option].name, text);
}

static int read_options(const struct args *args, struct kvs_client_options *ret)
{
    uint64_t database;
    uint64_t timeout_ms;
    int code = read_number(args, OPTION_DB, UINT_MAX, &database);
    if (code == 0)
        code = read_number(args, OPTION_TIMEOUT, INT_MAX, &timeout_ms);
    if (code != 0)
        return code;
    *ret = (struct kvs_client_options){
        .addr = args_value(args, OPTION_ADDR),
        .user = args_value(args, OPTION_USER),
        .password = args_value(args, OPTION_PASSWORD),
        .database = (unsigned)database,
        .timeout_ms = (unsigned)timeout_ms,
    };
    return 0;
}

/* What was printed has reached its reader: else the command has failed. */
static int printed(void)
{
    if (fflush(stdout) == 0 && ferror(stdout) == 0)
        return EXIT_SUCCESS;
    (void)fprintf(stderr, "kvs-client: cannot write to standard output\n");
    return EXIT_FAILURE;
}

static int run_get(struct kvs_client *client, const struct args *args)
{
    struct kvs_bytes value = { NULL, 0 };
    enum kvs_status status = kvs_client_get(client, bytes_str(args->operands[0]), &value);
    if (status == KVS_NOT_FOUND)
        (void)fputs("Key not found\n", stdout);
    else if (status != KVS_OK)
        return args_failure(&program);
    if (value.len > 0)
        (void)fwrite(value.data, 1, value.len, stdout);
    if (status == KVS_OK)
        (void)fputc('\n', stdout);
    return printed();
}

static int run_set(struct kvs_client *client, const struct args *args)
{
    enum kvs_status status =
        kvs_client_set(client, bytes_str(args->operands[0]), bytes_str(args->operands[1]));
    return status == KVS_OK ? EXIT_SUCCESS : args_failure(&program);
}

static int run_rm(struct kvs_client *client, const struct args *args)
{
    enum kvs_status status = kvs_client_remove(client, bytes_str(args->operands[0]));
    if (status == KVS_OK)
        return EXIT_SUCCESS;
    if (status != KVS_NOT_FOUND)
        return args_failure(&program);
    (void)fputs("Key not found\n", stderr);
    return EXIT_FAILURE;
}

static int run_call(struct kvs_client *client, const struct args *args)
{
    struct kvs_bytes *words = calloc(args->operand_count, sizeof *words);
    if (words == NULL) {
        (void)fprintf(stderr, "kvs-client: out of memory\n");
        return EXIT_FAILURE;
    }
    for (size_t i = 0; i < args->operand_count; i++)
        words[i] = bytes_str(args->operands[i]);
    const struct kvs_reply *reply;
    enum kvs_status status = kvs_client_call(client, words, args->operand_count, &reply);
    free(words);
    if (status != KVS_OK)
        return args_failure(&program);
    show_reply(stdout, reply, isatty(STDOUT_FILENO) == 1);
    return printed();
}

/* Says where it is, as the server sees it. */
static int run_backup(struct kvs_client *client, const struct args *args)
{
    struct kvs_bytes words[4] = { BYTES("BACKUP"), bytes_str(args->operands[0]) };
    size_t count = 2;
    if (args_value(args, OPTION_RECORDS) != NULL)
        words[count++] = BYTES("RECORDS");
    if (args_value(args, OPTION_COPY) != NULL)
        words[count++] = BYTES("COPY");
    const struct kvs_reply *reply;
    if (kvs_client_call(client, words, count, &reply) != KVS_OK)
        return args_failure(&program);
    show_reply(stdout, reply, false);
    return printed();
}

static int read_transfer(const struct args *args, struct transfer *ret)
{
    *ret = (struct transfer){ .program = "kvs-client", .path = "-" };
    if (args->operand_count > 0)
        ret->path = args->operands[0];
    const char *format = args_value(args, OPTION_FORMAT);
    if (format != NULL && record_format_parse(format, &ret->format) != KVS_OK)
        return args_usage_error(&program, "%s", kvs_error());
    const char *prefix = args_value(args, OPTION_PREFIX);
    ret->prefix = bytes_str(prefix != NULL ? prefix : "");
    return read_number(args, OPTION_SKIP, UINT64_MAX, &ret->skip);
}

static int run_transfer(struct kvs_client *client, const struct args *args)
{
    struct transfer transfer;
    int code = read_transfer(args, &transfer);
    if (code != 0)
        return code;
    if (args->command == EXPORT)
        return transfer_export_remote(&transfer, client);
    struct sink *sink;
    if (sink_remote_new(client, &sink) != KVS_OK)
        return args_failure(&program);
    code = transfer_import(&transfer, sink);
    sink->ops->free(sink);
    return code;
}

typedef int run_fn(struct kvs_client *client, const struct args *args);

static run_fn *const runs[] = {
    [BACKUP] = run_backup,   [CALL] = run_call, [EXPORT] = run_transfer, [GET] = run_get,
    [IMPORT] = run_transfer, [RM] = run_rm,     [SET] = run_set,
};

static int run(const struct args *args)
{
    bool on_terminal = isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1;
    if (args->command == COMMAND_COUNT && !on_terminal)
        return args_usage_error(&program, "a command is missing");
    struct kvs_client_options connect;
    int code = read_options(args, &connect);
    if (code != 0)
        return code;
    if (args->command == COMMAND_COUNT)
        return prompt_run(&connect);
    struct kvs_client *client;
    if (kvs_client_open(&connect, &client) != KVS_OK)
        return args_failure(&program);
    code = runs[args->command](client, args);
    kvs_client_close(client);
    return code;
}

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
        code = run(&args);
        break;
    }
    args_done(&args);
    return code;
}
