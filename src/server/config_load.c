/*
 * config_load.c - settings from the command line, the environment and a file.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "server/config.h"

enum {
    FILE_BYTES_MAX = 1024 * 1024,
    NAME_BYTES = 64
};

/* ---- The file: redis.conf's syntax ---- */

struct line {
    const char *path;
    size_t number;
};

static enum kvs_status refuse_line(const struct line *line, const char *text)
{
    return fail(KVS_INVALID, 0, "%s:%zu: %s", line->path, line->number, text);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* One character of a "quoted" word, escapes resolved, from *at on. */
static char unescape(const char **at)
{
    const char *p = *at;
    if (p[0] != '\\' || p[1] == '\0') {
        *at = p + 1;
        return p[0];
    }
    if (p[1] == 'x' && hex_digit(p[2]) >= 0 && hex_digit(p[3]) >= 0) {
        *at = p + 4;
        return (char)(hex_digit(p[2]) * 16 + hex_digit(p[3]));
    }
    *at = p + 2;
    switch (p[1]) {
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'a':
        return '\a';
    case 'b':
        return '\b';
    default:
        return p[1];
    }
}

/* Takes the next word from *at into @out (as long as the line at most). False: no more. *ret_good false: unbalanced quotes. */
static bool next_word(const char **at, char *out, bool *ret_good)
{
    const char *p = *at;
    *ret_good = true;
    while (isspace((unsigned char)*p))
        p++;
    if (*p == '\0')
        return false;
    char quote = *p == '"' || *p == '\'' ? *p : '\0';
    if (quote != '\0')
        p++;
    while (*p != '\0' && (quote != '\0' ? *p != quote : !isspace((unsigned char)*p))) {
        if (quote == '"')
            *out++ = unescape(&p);
        else if (quote == '\'' && p[0] == '\\' && p[1] == '\'') {
            *out++ = '\'';
            p += 2;
        } else
            *out++ = *p++;
    }
    *out = '\0';
    if (quote != '\0') {
        if (*p != quote || (p[1] != '\0' && !isspace((unsigned char)p[1])))
            *ret_good = false;
        else
            p++;
    }
    *at = p;
    return true;
}

static enum kvs_status put_line(struct config *config, const struct line *line, const char *name,
                                const char *value)
{
    enum setting setting;
    const char *close;
    char text[FAIL_TEXT_BYTES];
    if (!config_find(bytes_str(name), &setting, &close)) {
        if (close != NULL)
            (void)snprintf(text, sizeof text, "unknown setting '%.64s', did you mean '%s'?", name,
                           close);
        else
            (void)snprintf(text, sizeof text, "unknown setting '%.64s'", name);
        return refuse_line(line, text);
    }
    enum kvs_status status = config_put(config, setting, value, SOURCE_FILE);
    if (status == KVS_OK)
        return KVS_OK;
    fail_save(text);
    return fail(status, 0, "%s:%zu: %s", line->path, line->number, text);
}

/* "name word word" sets name to "word word". */
static enum kvs_status read_line(struct config *config, const struct line *line, const char *text)
{
    size_t room = strlen(text) + 1;
    char *word = malloc(room);
    char *value = malloc(room);
    char name[NAME_BYTES] = "";
    bool good = true;
    size_t words = 0;
    size_t value_len = 0;
    enum kvs_status status = KVS_OK;
    if (word == NULL || value == NULL) {
        status = fail(KVS_NO_MEMORY, ENOMEM, "%s", line->path);
        goto done;
    }
    while (good && next_word(&text, word, &good)) {
        size_t len = strlen(word);
        if (words == 0) {
            (void)snprintf(name, sizeof name, "%s", word);
        } else {
            if (words > 1)
                value[value_len++] = ' ';
            memcpy(value + value_len, word, len);
            value_len += len;
        }
        words++;
    }
    value[value_len] = '\0';
    if (!good)
        status = refuse_line(line, "unbalanced quotes");
    else if (words == 1)
        status = refuse_line(line, "expected 'name value'");
    else if (words > 1)
        status = put_line(config, line, name, value);
done:
    free(word);
    free(value);
    return status;
}

enum kvs_status config_read_file(struct config *config, const char *path)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return fail(KVS_IO, errno, "configuration file %s", path);
    struct line line = { .path = path };
    char *text = NULL;
    size_t capacity = 0;
    size_t total = 0;
    ssize_t len;
    enum kvs_status status = KVS_OK;
    while (status == KVS_OK && (len = getline(&text, &capacity, file)) >= 0) {
        line.number++;
        total += (size_t)len;
        const char *start = text;
        while (isspace((unsigned char)*start))
            start++;
        if (total > FILE_BYTES_MAX)
            status = refuse_line(&line, "the file is over 1 MiB: not a configuration file");
        else if (strlen(text) != (size_t)len)
            status = refuse_line(&line, "the line contains a zero byte");
        else if (*start != '#' && *start != '\0')
            status = read_line(config, &line, start);
    }
    if (status == KVS_OK && ferror(file))
        status = fail(KVS_IO, errno, "configuration file %s", path);
    free(text);
    (void)fclose(file);
    return status;
}

/* ---- The environment ---- */

static enum kvs_status put_variable(struct config *config, const char *variable, const char *value,
                                    enum setting setting)
{
    char text[FAIL_TEXT_BYTES];
    enum kvs_status status = config_put(config, setting, value, SOURCE_ENVIRONMENT);
    if (status == KVS_OK)
        return KVS_OK;
    fail_save(text);
    return fail(status, 0, "environment variable %s: %s", variable, text);
}

/* Variables that begin with KVS_ and name no setting belong to somebody else. */
static enum kvs_status read_environment(struct config *config, char *const *environment)
{
    for (; *environment != NULL; environment++) {
        const char *equals = strchr(*environment, '=');
        char variable[NAME_BYTES];
        enum setting setting;
        const char *close;
        if (strncmp(*environment, "KVS_", 4) != 0 || equals == NULL ||
            equals - *environment >= NAME_BYTES)
            continue;
        size_t len = (size_t)(equals - *environment);
        memcpy(variable, *environment, len);
        variable[len] = '\0';
        struct kvs_bytes name = bytes_of(variable + 4, len - 4);
        if (bytes_equal(name, BYTES("LOG")))
            setting = SETTING_LOG_LEVEL;
        else if (!config_find(name, &setting, &close))
            continue;
        enum kvs_status status = put_variable(config, variable, equals + 1, setting);
        if (status != KVS_OK)
            return status;
    }
    return KVS_OK;
}

/* ---- The command line ---- */

struct flags {
    int argc;
    char *const *argv;
    int next;
    const char *file;
    enum config_action action;
};

/* Splits "--name=value" or takes the next argument as the value. */
static enum kvs_status flag_value(struct flags *flags, const char *flag, struct kvs_bytes *ret_name,
                                  const char **ret_value)
{
    const char *equals = strchr(flag, '=');
    if (equals != NULL) {
        *ret_name = bytes_of(flag + 2, (size_t)(equals - flag - 2));
        *ret_value = equals + 1;
        return KVS_OK;
    }
    *ret_name = bytes_str(flag + 2);
    if (flags->next >= flags->argc)
        return fail(KVS_INVALID, 0, "%s: a value is missing", flag);
    *ret_value = flags->argv[flags->next++];
    return KVS_OK;
}

static enum kvs_status read_file_name(struct flags *flags, const char *name)
{
    if (flags->file != NULL)
        return fail(KVS_INVALID, 0, "'%s': a configuration file was already given: %s", name,
                    flags->file);
    flags->file = name;
    return KVS_OK;
}

static enum kvs_status read_flag(struct config *config, struct flags *flags)
{
    const char *flag = flags->argv[flags->next++];
    struct kvs_bytes name;
    const char *value;
    enum setting setting;
    const char *close;

    if (strcmp(flag, "-h") == 0 || strcmp(flag, "--help") == 0) {
        flags->action = CONFIG_HELP;
        return KVS_OK;
    }
    if (strcmp(flag, "-V") == 0 || strcmp(flag, "--version") == 0) {
        flags->action = CONFIG_VERSION;
        return KVS_OK;
    }
    if (flag[0] != '-')
        return read_file_name(flags, flag);
    if (strncmp(flag, "--", 2) != 0 || flag[2] == '\0')
        return fail(KVS_INVALID, 0, "unknown flag '%s'; --help lists them all", flag);

    const char *equals = strchr(flag, '=');
    struct kvs_bytes bare =
        bytes_of(flag + 2, equals != NULL ? (size_t)(equals - flag - 2) : strlen(flag + 2));
    bool is_file = bytes_equal(bare, BYTES("config"));
    if (!is_file && !config_find(bare, &setting, &close))
        return fail(KVS_INVALID, 0, "unknown flag '--%.*s'%s%s%s; --help lists them all",
                    (int)bare.len, (const char *)bare.data,
                    close != NULL ? ", did you mean --" : "", close != NULL ? close : "",
                    close != NULL ? "?" : "");
    enum kvs_status status = flag_value(flags, flag, &name, &value);
    if (status != KVS_OK)
        return status;
    if (is_file)
        return read_file_name(flags, value);
    return config_put(config, setting, value, SOURCE_FLAG);
}

enum kvs_status config_load(struct config *config, int argc, char *const *argv,
                            char *const *environment, enum config_action *ret_action)
{
    /* Twice over the flags: they name the file, whose lines they then win over. */
    struct config *trial = NULL;
    struct flags flags = { .argc = argc, .argv = argv, .next = 1, .action = CONFIG_RUN };
    enum kvs_status status = config_new(&trial);
    while (status == KVS_OK && flags.next < argc)
        status = read_flag(trial, &flags);
    config_free(trial);
    if (status != KVS_OK)
        return status;
    *ret_action = flags.action;
    if (flags.action != CONFIG_RUN)
        return KVS_OK;

    if (flags.file != NULL)
        status = config_read_file(config, flags.file);
    if (status == KVS_OK)
        status = read_environment(config, environment);
    flags = (struct flags){ .argc = argc, .argv = argv, .next = 1 };
    while (status == KVS_OK && flags.next < argc)
        status = read_flag(config, &flags);
    return status;
}
