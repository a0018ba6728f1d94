/*
 * args.h - command lines of all programs: subcommands, options from flags and environment, --help, --version.
 *
 * Options stand anywhere: "--name value", "--name=value", a switch "--name". "--" ends them, and so does the first operand of a command
 * that takes the rest as it is. A lone "-" and negative numbers are operands. Reading a command line has no effect but messages.
 */
#ifndef APP_ARGS_H
#define APP_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct args_option {
    const char *name;  /* "addr" for --addr */
    const char *value; /* what follows, as the help shows it; NULL: a switch */
    const char *env;   /* used when the flag is not given; NULL: none */
    const char *help;
    uint32_t commands; /* bit n: command n takes it; 0: all do */
};

struct args_command {
    const char *name;
    const char *operands; /* as the help shows them; "" for none */
    size_t min;
    size_t max;
    const char *help;
    bool takes_rest; /* nothing behind the first operand is an option */
};

struct args_program {
    const char *name;
    const char *summary;
    const struct args_command *commands;
    size_t command_count;
    const struct args_option *options;
    size_t option_count;
    const char *notes; /* the end of the help */
};

struct args_given {
    size_t option;
    const char *value;
};

struct args {
    const struct args_program *program;
    size_t command; /* its index; command_count: none was given */
    char **operands;
    size_t operand_count;
    struct args_given *given;
    size_t given_count;
};

enum args_result {
    ARGS_RUN,   /* *ret is complete, but for the case that there is no command */
    ARGS_SHOWN, /* help or version: exit with success */
    ARGS_WRONG, /* the reason and the usage were written to stderr: exit with ARGS_EXIT_USAGE */
};

enum {
    ARGS_EXIT_USAGE = 2
};

/* @ret is to be released with args_done() whatever the answer is; it borrows from @argv and the environment. */
enum args_result args_read(const struct args_program *program, int argc, char **argv,
                           struct args *ret);
void args_done(struct args *args);

/* The option's value, given last or from the environment, or NULL; of a switch "" when it is on. */
const char *args_value(const struct args *args, size_t option);

/* The values of an option that may be given several times: from *position (0 at first) on; NULL past the last. */
const char *args_next(const struct args *args, size_t option, size_t *position);

/* Writes "PROGRAM: reason" and the usage to stderr; returns ARGS_EXIT_USAGE. */
int args_usage_error(const struct args_program *program, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Writes "PROGRAM: " and kvs_error() to stderr; returns EXIT_FAILURE. */
int args_failure(const struct args_program *program);

#endif
