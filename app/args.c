/*
 * args.c - reading command lines.
 */
#include "app/args.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <kvs/kvs.h>

/* What is written to a terminal that has gone away is lost, and there is nobody left to tell. */
static void put(FILE *file, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(FILE *file, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vfprintf(file, format, args);
    va_end(args);
}

static void put_commands(const struct args_program *program, FILE *file)
{
    for (size_t i = 0; i < program->command_count; i++) {
        const struct args_command *command = &program->commands[i];
        put(file, "  %s%s%-*s  %s\n", command->name, command->operands[0] != '\0' ? " " : "",
            (int)(28 - strlen(command->name) - (command->operands[0] != '\0')), command->operands,
            command->help);
    }
}

static void put_options(const struct args_program *program, FILE *file)
{
    for (size_t i = 0; i < program->option_count; i++) {
        const struct args_option *option = &program->options[i];
        char flag[64];
        (void)snprintf(flag, sizeof flag, "--%s%s%s", option->name,
                       option->value != NULL ? " " : "",
                       option->value != NULL ? option->value : "");
        put(file, "  %-28s  %s", flag, option->help);
        if (option->env != NULL)
            put(file, " [%s]", option->env);
        put(file, "\n");
    }
    put(file, "  %-28s  %s\n", "-h, --help", "show this");
    put(file, "  %-28s  %s\n", "-V, --version", "show name and version");
}

static void put_usage(const struct args_program *program, FILE *file)
{
    put(file, "usage: %s [OPTIONS] COMMAND\n\ncommands:\n", program->name);
    put_commands(program, file);
}

static void put_help(const struct args_program *program)
{
    put(stdout, "%s - %s\n\n", program->name, program->summary);
    put_usage(program, stdout);
    put(stdout, "\noptions [environment]:\n");
    put_options(program, stdout);
    put(stdout, "%s", program->notes);
}

int args_usage_error(const struct args_program *program, const char *format, ...)
{
    put(stderr, "%s: ", program->name);
    va_list args;
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    put(stderr, "\n\n");
    put_usage(program, stderr);
    put(stderr, "\n\"%s --help\" shows everything.\n", program->name);
    return ARGS_EXIT_USAGE;
}

int args_failure(const struct args_program *program)
{
    put(stderr, "%s: %s\n", program->name, kvs_error());
    return EXIT_FAILURE;
}

static enum args_result wrong(const struct args_program *program, const char *reason,
                              const char *what)
{
    (void)args_usage_error(program, "%s \"%s\"", reason, what);
    return ARGS_WRONG;
}

static bool is_operand(const char *arg)
{
    return arg[0] != '-' || arg[1] == '\0' || isdigit((unsigned char)arg[1]);
}

static size_t find_option(const struct args_program *program, const char *name, size_t len)
{
    size_t i = 0;
    while (i < program->option_count && (strlen(program->options[i].name) != len ||
                                         memcmp(program->options[i].name, name, len) != 0))
        i++;
    return i;
}

/* At the flag argv[*at]; moves *at over its value. */
static enum args_result read_option(struct args *args, int argc, char **argv, int *at)
{
    const struct args_program *program = args->program;
    const char *flag = argv[*at];
    if (strncmp(flag, "--", 2) != 0)
        return wrong(program, "unknown option", flag);
    const char *equals = strchr(flag, '=');
    size_t len = equals != NULL ? (size_t)(equals - flag) - 2 : strlen(flag) - 2;
    size_t option = find_option(program, flag + 2, len);
    if (option == program->option_count)
        return wrong(program, "unknown option", flag);
    const char *value = equals != NULL ? equals + 1 : NULL;
    if (program->options[option].value == NULL) {
        if (value != NULL)
            return wrong(program, "no value is expected with", flag);
        value = "";
    } else if (value == NULL) {
        if (*at + 1 >= argc)
            return wrong(program, "a value is missing behind", flag);
        value = argv[++*at];
    }
    args->given[args->given_count++] = (struct args_given){ option, value };
    return ARGS_RUN;
}

static enum args_result add_operand(struct args *args, char *arg)
{
    const struct args_program *program = args->program;
    if (args->command < program->command_count) {
        args->operands[args->operand_count++] = arg;
        return ARGS_RUN;
    }
    for (size_t i = 0; i < program->command_count; i++) {
        if (strcmp(program->commands[i].name, arg) == 0) {
            args->command = i;
            return ARGS_RUN;
        }
    }
    return wrong(program, "unknown command", arg);
}

/* What was given belongs together. */
static enum args_result check(const struct args *args)
{
    const struct args_program *program = args->program;
    if (args->command == program->command_count)
        return ARGS_RUN;
    const struct args_command *command = &program->commands[args->command];
    if (args->operand_count < command->min) {
        (void)args_usage_error(program, "missing arguments: %s %s %s", program->name, command->name,
                               command->operands);
        return ARGS_WRONG;
    }
    if (args->operand_count > command->max) {
        (void)args_usage_error(program, "unexpected argument \"%s\": %s %s%s%s",
                               args->operands[command->max], program->name, command->name,
                               command->operands[0] != '\0' ? " " : "", command->operands);
        return ARGS_WRONG;
    }
    for (size_t i = 0; i < args->given_count; i++) {
        const struct args_option *option = &program->options[args->given[i].option];
        if (option->commands != 0 && (option->commands & UINT32_C(1) << args->command) == 0) {
            (void)args_usage_error(program, "option --%s does not go with %s", option->name,
                                   command->name);
            return ARGS_WRONG;
        }
    }
    return ARGS_RUN;
}

static enum args_result read_all(struct args *args, int argc, char **argv)
{
    const struct args_program *program = args->program;
    bool options_over = false;
    for (int at = 1; at < argc; at++) {
        char *arg = argv[at];
        enum args_result result = ARGS_RUN;
        if (options_over || is_operand(arg)) {
            result = add_operand(args, arg);
            if (args->command < program->command_count && args->operand_count > 0 &&
                program->commands[args->command].takes_rest)
                options_over = true;
        } else if (strcmp(arg, "--") == 0) {
            options_over = true;
        } else if (strcmp(arg, "-h") == 0 || strcmp(arg, "--help") == 0) {
            put_help(program);
            return ARGS_SHOWN;
        } else if (strcmp(arg, "-V") == 0 || strcmp(arg, "--version") == 0) {
            put(stdout, "%s %s\n", program->name, KVS_VERSION);
            return ARGS_SHOWN;
        } else {
            result = read_option(args, argc, argv, &at);
        }
        if (result != ARGS_RUN)
            return result;
    }
    return check(args);
}

enum args_result args_read(const struct args_program *program, int argc, char **argv,
                           struct args *ret)
{
    size_t places = argc > 0 ? (size_t)argc : 1;
    *ret = (struct args){
        .program = program,
        .command = program->command_count,
        .operands = calloc(places, sizeof *ret->operands),
        .given = calloc(places, sizeof *ret->given),
    };
    if (ret->operands == NULL || ret->given == NULL) {
        put(stderr, "%s: out of memory\n", program->name);
        return ARGS_WRONG;
    }
    return read_all(ret, argc, argv);
}

void args_done(struct args *args)
{
    free(args->operands);
    free(args->given);
}

const char *args_value(const struct args *args, size_t option)
{
    for (size_t i = args->given_count; i > 0; i--) {
        if (args->given[i - 1].option == option)
            return args->given[i - 1].value;
    }
    const char *env = args->program->options[option].env;
    const char *value = env != NULL ? getenv(env) : NULL;
    return value != NULL && value[0] != '\0' ? value : NULL;
}

const char *args_next(const struct args *args, size_t option, size_t *position)
{
    while (*position < args->given_count) {
        const struct args_given *given = &args->given[(*position)++];
        if (given->option == option)
            return given->value;
    }
    return NULL;
}
