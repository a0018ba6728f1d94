/*
 * calls_test.c - every system call of a store's life fails, in every way, once or for ever: nothing acknowledged is lost, no answer is
 * wrong, and the store opens afterwards.
 *
 * The calls are caught where the linker joins them to the program (--wrap), so what is tested is the real io_posix with the
 * system's own error numbers. By default each call fails in two of the ways, taking turns; KVS_FAILURE_FULL=1 tries all.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/fail.h"
#include "tests/failure/scenario.h"
#include "tests/harness/test.h"

/* ---- Failing calls ---- */

enum {
    SHORT_TRANSFER = -1, /* instead of an error number */
    EINTR_MAX = 100,     /* nobody is interrupted for ever */
};

static struct {
    unsigned long nth; /* 0: none */
    int error;
    bool forever;
    unsigned long calls;
    unsigned long hits;
} inject;

/* Whether this call is to fail; @transfer: it may also be short. */
static bool fails(bool transfer)
{
    inject.calls++;
    bool now = inject.nth != 0 &&
               (inject.forever ? inject.calls >= inject.nth : inject.calls == inject.nth);
    if (!now || (inject.error == SHORT_TRANSFER && !transfer) ||
        (inject.error == EINTR && inject.hits >= EINTR_MAX))
        return false;
    inject.hits++;
    if (inject.error != SHORT_TRANSFER)
        errno = inject.error;
    return true;
}

#define WRAP(type, name, parameters, arguments)                   \
    type __real_##name parameters;                                \
    type __wrap_##name parameters;                                \
    type __wrap_##name parameters                                 \
    {                                                             \
        return fails(false) ? (type)-1 : __real_##name arguments; \
    }

WRAP(int, fdatasync, (int fd), (fd))
WRAP(int, fsync, (int fd), (fd))
WRAP(int, fallocate64, (int fd, int mode, off_t off, off_t len), (fd, mode, off, len))
WRAP(int, ftruncate64, (int fd, off_t len), (fd, len))
WRAP(int, fstat64, (int fd, struct stat *to), (fd, to))
WRAP(int, stat64, (const char *path, struct stat *to), (path, to))
WRAP(int, statvfs64, (const char *path, struct statvfs *to), (path, to))
WRAP(int, flock, (int fd, int how), (fd, how))
WRAP(int, link, (const char *from, const char *to), (from, to))
WRAP(int, unlink, (const char *path), (path))
WRAP(int, rename, (const char *from, const char *to), (from, to))
WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode))

DIR *__real_opendir(const char *path);
DIR *__wrap_opendir(const char *path);

DIR *__wrap_opendir(const char *path)
{
    return fails(false) ? NULL : __real_opendir(path);
}

struct dirent *__real_readdir64(DIR *dir);
struct dirent *__wrap_readdir64(DIR *dir);

struct dirent *__wrap_readdir64(DIR *dir)
{
    return fails(false) ? NULL : __real_readdir64(dir);
}

int __real_open64(const char *path, int flags, ...);
int __wrap_open64(const char *path, int flags, ...);

int __wrap_open64(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return fails(false) ? -1 : __real_open64(path, flags, mode);
}

ssize_t __real_pwrite64(int fd, const void *data, size_t len, off_t off);
ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t off);

ssize_t __wrap_pwrite64(int fd, const void *data, size_t len, off_t off)
{
    if (!fails(len > 1))
        return __real_pwrite64(fd, data, len, off);
    return inject.error == SHORT_TRANSFER ? __real_pwrite64(fd, data, len / 2, off) : -1;
}

ssize_t __real_preadv64v2(int fd, const struct iovec *to, int count, off_t off, int flags);
ssize_t __wrap_preadv64v2(int fd, const struct iovec *to, int count, off_t off, int flags);

ssize_t __wrap_preadv64v2(int fd, const struct iovec *to, int count, off_t off, int flags)
{
    struct iovec half = { to[0].iov_base, to[0].iov_len / 2 };
    if (!fails(half.iov_len > 0))
        return __real_preadv64v2(fd, to, count, off, flags);
    return inject.error == SHORT_TRANSFER ? __real_preadv64v2(fd, &half, 1, off, flags) : -1;
}

/* ---- The test ---- */

struct way {
    int error;
    const char *name;
};

static const struct way ways[] = {
    { EIO, "EIO" },       { ENOSPC, "ENOSPC" }, { EDQUOT, "EDQUOT" },           { EINTR, "EINTR" },
    { EAGAIN, "EAGAIN" }, { EMFILE, "EMFILE" }, { SHORT_TRANSFER, "is short" },
};

enum {
    WAYS = sizeof ways / sizeof ways[0]
};

static const char *base_dir(void)
{
    static char dir[64];
    if (dir[0] == '\0') {
        /* Memory, where there is some: a disk would be asked to sync a hundred thousand times. */
        const char *shm = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : test_dir();
        (void)snprintf(dir, sizeof dir, "%s/kvs-calls-%d", shm, (int)getpid());
        assert_int_equal(mkdir(dir, 0700), 0);
    }
    return dir;
}

static void fail_call(unsigned long nth, const struct way *way, bool forever)
{
    struct scenario scenario;
    inject.nth = 0;
    scenario_init(&scenario, "kvs", base_dir());
    inject.calls = 0;
    inject.hits = 0;
    inject.error = way->error;
    inject.forever = forever;
    inject.nth = nth;
    scenario_run(&scenario);
    inject.nth = 0;
    if (getenv("KVS_TEST_VERBOSE") != NULL)
        print_message("call %lu %s %s: %u failures\n", nth, way->name,
                      forever ? "for ever" : "once", scenario.failures);
    /* What the system continues by itself nobody may notice. */
    bool unnoticed = way->error == SHORT_TRANSFER;
    if (unnoticed && scenario.failures > 0)
        fail_msg("call %lu %s: noticed: %s", nth, way->name, kvs_error());
    scenario_verify(&scenario, false);
}

static unsigned long count_calls(void)
{
    fail_call(0, &ways[0], false);
    struct scenario scenario;
    scenario_init(&scenario, "kvs", base_dir());
    inject.calls = 0;
    scenario_run(&scenario);
    unsigned long calls = inject.calls;
    assert_int_equal(scenario.failures, 0);
    scenario_verify(&scenario, false);
    return calls;
}

TEST(every_system_call_fails_in_every_way_and_nothing_acknowledged_is_lost)
{
    unsigned long calls = count_calls();
    bool full = getenv("KVS_FAILURE_FULL") != NULL;
    const char *step_text = getenv("KVS_FAILURE_STEP");
    unsigned long step = step_text != NULL && !full ? strtoul(step_text, NULL, 10) : 1;
    const char *only = getenv("KVS_FAILURE_CALL");
    print_message("%lu calls\n", calls);
    for (unsigned long nth = 1; nth <= calls; nth += step) {
        if (only != NULL && nth != strtoul(only, NULL, 10))
            continue;
        for (size_t i = 0; i < 2 * WAYS; i++) {
            /* Two of the fourteen ways for each call, others for its neighbours. */
            if (!full && only == NULL && i != nth / step % WAYS &&
                i != WAYS + (nth / step + 3) % WAYS)
                continue;
            fail_call(nth, &ways[i % WAYS], i >= WAYS);
        }
    }
    struct scenario scenario;
    scenario_init(&scenario, "kvs", base_dir()); /* removes the files */
    assert_int_equal(rmdir(base_dir()), 0);
}
