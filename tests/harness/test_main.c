/*
 * test_main.c - runs the registered tests of one program in the order they stand in the file.
 */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "tests/harness/test.h"

enum { TEST_MAX = 512 };

static struct test_entry *first;
static struct test_entry **last = &first;

void test_register(struct test_entry *entry)
{
    *last = entry;
    last = &entry->next;
}

uint64_t test_seed(void)
{
    static uint64_t seed;
    if (seed != 0)
        return seed;
    const char *text = getenv("KVS_TEST_SEED");
    if (text != NULL)
        seed = strtoull(text, NULL, 0);
    else if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        seed = 1;
    if (seed == 0)
        seed = 1;
    printf("seed: KVS_TEST_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    return seed;
}

static char **dirs;
static size_t dir_count;

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)type;
    (void)walk;
    return remove(path);
}

static void remove_dirs(void)
{
    for (size_t i = 0; i < dir_count; i++) {
        (void)nftw(dirs[i], remove_one, 16, FTW_DEPTH | FTW_PHYS);
        free(dirs[i]);
    }
    free(dirs);
    dirs = NULL;
    dir_count = 0;
}

const char *test_dir(void)
{
    const char *parent = getenv("TMPDIR");
    char *path = NULL;
    if (asprintf(&path, "%s/kvs-test-XXXXXX", parent != NULL ? parent : "/tmp") < 0 || mkdtemp(path) == NULL) {
        perror("test_dir");
        exit(2);
    }
    if (dir_count == 0)
        atexit(remove_dirs);
    char **more = realloc(dirs, (dir_count + 1) * sizeof *dirs);
    if (more == NULL)
        exit(2);
    dirs = more;
    dirs[dir_count++] = path;
    return path;
}

int main(int argc, char **argv)
{
    static struct CMUnitTest tests[TEST_MAX];
    size_t count = 0;
    for (struct test_entry *entry = first; entry != NULL; entry = entry->next) {
        if (argc > 1 && strstr(entry->name, argv[1]) == NULL)
            continue;
        if (count == TEST_MAX) {
            fprintf(stderr, "more than %d tests in one program\n", TEST_MAX);
            return 2;
        }
        tests[count++] = (struct CMUnitTest){ .name = entry->name, .test_func = entry->run };
    }
    if (count == 0) {
        fprintf(stderr, "no test is called like %s\n", argc > 1 ? argv[1] : "that");
        return 2;
    }
    return _cmocka_run_group_tests(argv[0], tests, count, NULL, NULL);
}
