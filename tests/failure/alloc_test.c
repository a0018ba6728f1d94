/*
 * alloc_test.c - every allocation of a store's life fails, once or for ever: the operation that needed it answers KVS_NO_MEMORY, and nothing
 * else happens. As soon as there is memory again everything goes on, with the same handle.
 *
 * The library's calls of malloc() and its like are caught where the linker joins them to the program (--wrap).
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"
#include "tests/failure/scenario.h"
#include "tests/harness/test.h"

static struct {
    unsigned long nth; /* 0: none */
    bool forever;
    bool counting;
    unsigned long calls;
    unsigned long hits;
} inject;

static bool fails(void)
{
    if (!inject.counting)
        return false;
    inject.calls++;
    bool now = inject.nth != 0 &&
               (inject.forever ? inject.calls >= inject.nth : inject.calls == inject.nth);
    inject.hits += now;
    if (now)
        errno = ENOMEM;
    return now;
}

void *__real_malloc(size_t bytes);
void *__wrap_malloc(size_t bytes);

void *__wrap_malloc(size_t bytes)
{
    return fails() ? NULL : __real_malloc(bytes);
}

void *__real_calloc(size_t count, size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);

void *__wrap_calloc(size_t count, size_t bytes)
{
    return fails() ? NULL : __real_calloc(count, bytes);
}

void *__real_realloc(void *old, size_t bytes);
void *__wrap_realloc(void *old, size_t bytes);

void *__wrap_realloc(void *old, size_t bytes)
{
    return fails() ? NULL : __real_realloc(old, bytes);
}

void *__real_aligned_alloc(size_t align, size_t bytes);
void *__wrap_aligned_alloc(size_t align, size_t bytes);

void *__wrap_aligned_alloc(size_t align, size_t bytes)
{
    return fails() ? NULL : __real_aligned_alloc(align, bytes);
}

int __real_posix_memalign(void **ret, size_t align, size_t bytes);
int __wrap_posix_memalign(void **ret, size_t align, size_t bytes);

int __wrap_posix_memalign(void **ret, size_t align, size_t bytes)
{
    return fails() ? ENOMEM : __real_posix_memalign(ret, align, bytes);
}

void *__real_mmap64(void *at, size_t bytes, int prot, int flags, int fd, off_t off);
void *__wrap_mmap64(void *at, size_t bytes, int prot, int flags, int fd, off_t off);

void *__wrap_mmap64(void *at, size_t bytes, int prot, int flags, int fd, off_t off)
{
    return fails() ? MAP_FAILED : __real_mmap64(at, bytes, prot, flags, fd, off);
}

char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);

char *__wrap_strdup(const char *text)
{
    return fails() ? NULL : __real_strdup(text);
}

int __wrap_asprintf(char **ret, const char *format, ...) __attribute__((format(printf, 2, 3)));

int __wrap_asprintf(char **ret, const char *format, ...)
{
    if (fails())
        return -1;
    va_list args;
    va_start(args, format);
    int len = vasprintf(ret, format, args);
    va_end(args);
    return len;
}

/* ---- The test ---- */

static const char *base_dir(void)
{
    static char dir[64];
    if (dir[0] == '\0') {
        const char *shm = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : test_dir();
        (void)snprintf(dir, sizeof dir, "%s/kvs-alloc-%d", shm, (int)getpid());
        assert_int_equal(mkdir(dir, 0700), 0);
    }
    return dir;
}

static void must_be_memory(struct scenario *scenario, enum kvs_status status, const char *call)
{
    (void)scenario;
    if (status != KVS_NO_MEMORY || inject.hits == 0)
        fail_msg("allocation %lu%s: %s answers %s (%s)", inject.nth,
                 inject.forever ? " and all later ones" : "", call, kvs_status_name(status),
                 kvs_error());
}

static unsigned long fail_allocation(unsigned long nth, bool forever)
{
    struct scenario scenario;
    inject.counting = false;
    scenario_init(&scenario, "kvs", base_dir());
    scenario.seen = must_be_memory;
    inject.calls = 0;
    inject.hits = 0;
    inject.forever = forever;
    inject.nth = nth;
    inject.counting = true;
    scenario_run(&scenario);
    inject.counting = false;
    if (!forever && scenario.failures > 1)
        fail_msg("allocation %lu: %u operations have failed, not one", nth, scenario.failures);
    scenario_verify(&scenario, true);
    return inject.calls;
}

TEST(every_allocation_fails_and_only_the_operation_that_needed_it)
{
    unsigned long calls = fail_allocation(0, false);
    bool full = getenv("KVS_FAILURE_FULL") != NULL;
    const char *step_text = getenv("KVS_FAILURE_STEP");
    unsigned long step = step_text != NULL && !full ? strtoul(step_text, NULL, 10) : 1;
    const char *only = getenv("KVS_FAILURE_CALL");
    print_message("%lu allocations\n", calls);
    for (unsigned long nth = 1; nth <= calls; nth += step) {
        if (only != NULL && nth != strtoul(only, NULL, 10))
            continue;
        (void)fail_allocation(nth, false);
        if (full || only != NULL || nth / step % 4 == 0)
            (void)fail_allocation(nth, true);
    }
    struct scenario scenario;
    inject.counting = false;
    scenario_init(&scenario, "kvs", base_dir()); /* removes the files */
    assert_int_equal(rmdir(base_dir()), 0);
}
