/*
 * run.c - programs with files for their standard streams, which cannot fill up as pipes do.
 */
#include "tests/cli/run.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

const char *program_path(const char *name)
{
    static char path[1024];
    const char *bin = getenv("KVS_BIN");
    assert_non_null(bin);
    assert_true(snprintf(path, sizeof path, "%s/%s", bin, name) < (int)sizeof path);
    return path;
}

const char *new_dir(void)
{
    static char path[64][300];
    static unsigned count;
    static const char *root;
    if (root == NULL)
        root = test_dir();
    char *dir = path[count % 64];
    (void)snprintf(dir, sizeof path[0], "%s/d%u", root, count++);
    assert_int_equal(mkdir(dir, 0777), 0);
    return dir;
}

bool is_empty_dir(const char *dir)
{
    DIR *open = opendir(dir);
    assert_non_null(open);
    size_t count = 0;
    while (readdir(open) != NULL)
        count++;
    closedir(open);
    return count == 2;
}

void write_file(const char *path, const void *data, size_t len)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

char *read_file(const char *path, size_t *ret_len)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    long len = ftell(file);
    assert_true(len >= 0);
    rewind(file);
    char *data = malloc((size_t)len + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, (size_t)len, file), (size_t)len);
    data[len] = '\0';
    fclose(file);
    *ret_len = (size_t)len;
    return data;
}

static void child(const char *dir, const char *streams[3], const char *const *argv)
{
    char *path = strdup(program_path(argv[0]));
    static const int flags[3] = { O_RDONLY, O_WRONLY | O_CREAT | O_TRUNC,
                                  O_WRONLY | O_CREAT | O_TRUNC };
    for (int i = 0; i < 3; i++) {
        int fd = open(streams[i], flags[i], 0666);
        if (fd < 0 || dup2(fd, i) < 0)
            _exit(125);
    }
    if (path == NULL || chdir(dir) != 0)
        _exit(125);
    char **args = calloc(64, sizeof *args);
    if (args == NULL)
        _exit(125);
    for (size_t i = 0; argv[i] != NULL && i < 63; i++)
        args[i] = strdup(argv[i]);
    execv(path, args);
    _exit(126);
}

void run_program(struct run *ret, const char *dir, const void *input, size_t input_len,
                 const char *const *argv)
{
    static const char *streams_dir;
    if (streams_dir == NULL)
        streams_dir = test_dir();
    char names[3][300];
    const char *streams[3];
    for (int i = 0; i < 3; i++) {
        (void)snprintf(names[i], sizeof names[i], "%s/stream%d", streams_dir, i);
        streams[i] = names[i];
    }
    write_file(streams[0], input, input_len);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        child(dir, streams, argv);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    ret->code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    ret->out = read_file(streams[1], &ret->out_len);
    ret->err = read_file(streams[2], &ret->err_len);
}

void run_done(struct run *run)
{
    free(run->out);
    free(run->err);
}

void check_run(const char *dir, int code, const char *out, const char *err, const char *const *argv)
{
    struct run run;
    run_program(&run, dir, "", 0, argv);
    bool err_right = err != NULL ? strstr(run.err, err) != NULL : run.err_len == 0;
    if (run.code != code || strcmp(run.out, out) != 0 || !err_right) {
        fprintf(stderr, "running");
        for (size_t i = 0; argv[i] != NULL; i++)
            fprintf(stderr, " %s", argv[i]);
        fprintf(stderr,
                "\nexit code %d, expected %d\nout: %s\nexpected: %s\nerr: %s\nexpected: %s\n",
                run.code, code, run.out, out, run.err, err != NULL ? err : "nothing");
        fail_msg("see above");
    }
    run_done(&run);
}
