/*
 * run.h - running the programs of KVS_BIN as a person would, and looking at what they say.
 */
#ifndef TESTS_CLI_RUN_H
#define TESTS_CLI_RUN_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/harness/test.h"

struct run {
    int code;  /* exit code; 128 + n when signal n ended it */
    char *out; /* NUL behind them, for tests that know there is none within */
    size_t out_len;
    char *err;
    size_t err_len;
};

/* Runs @argv (the program's name first, NULL last) in @dir with @input as its standard input. Release with run_done(). */
void run_program(struct run *ret, const char *dir, const void *input, size_t input_len,
                 const char *const *argv);
void run_done(struct run *run);

#define run_in(ret, dir, ...) \
    run_program((ret), (dir), "", 0, (const char *const[]){ __VA_ARGS__, NULL })

/* Runs and compares: exit code and standard output; standard error must be empty exactly when the code is 0 and @err is NULL, else
 * contain @err. */
void check_run(const char *dir, int code, const char *out, const char *err,
               const char *const *argv);

#define check(dir, code, out, err, ...) \
    check_run((dir), (code), (out), (err), (const char *const[]){ __VA_ARGS__, NULL })

/* The path of program @name; lent until the next call. */
const char *program_path(const char *name);

/* A new directory's path below test_dir(), made. */
const char *new_dir(void);
bool is_empty_dir(const char *dir);

void write_file(const char *path, const void *data, size_t len);
/* The file's bytes with a NUL behind; free() them. */
char *read_file(const char *path, size_t *ret_len);

#endif
