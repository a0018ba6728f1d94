/*
 * report.c - see report.h.
 */
#include "bench/report.h"

#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void report_header(bool json)
{
    if (!json)
        printf("%-10s %-22s %7s %5s %10s %10s %9s %9s %9s %9s %9s %8s %8s %9s %6s %8s\n", "subject",
               "workload", "clients", "pipe", "operations", "op/s", "p50 us", "p99 us", "p99.9 us",
               "max us", "cpu us/op", "rss MiB", "disk MiB", "wrote MiB", "w.amp", "read MiB");
}

static double us(uint64_t ns)
{
    return (double)ns / 1000.0;
}

void report_print(const struct report *report, bool json)
{
    double rate = report->seconds > 0 ? (double)report->operations / report->seconds : 0;
    double cpu = report->cpu_seconds >= 0 && report->operations != 0
                     ? report->cpu_seconds * 1e6 / (double)report->operations
                     : -1;
    uint64_t p50 = histogram_at(report->latency, 0.5);
    uint64_t p99 = histogram_at(report->latency, 0.99);
    uint64_t p999 = histogram_at(report->latency, 0.999);
    const char *format =
        json ? "{\"subject\":\"%s\",\"workload\":\"%s\",\"clients\":%u,"
               "\"pipeline\":%u,\"operations\":%" PRIu64
               ",\"ops_per_second\":%.0f,\"p50_us\":%.2f,\"p99_us\":%.2f,\"p999_"
               "us\":%.2f,\"max_us\":%.2f,"
               "\"cpu_us_per_op\":%.3f,\"rss_mib\":%.1f,\"disk_mib\":%.1f,"
               "\"written_mib\":%.1f,\"write_amplification\":%.2f,"
               "\"read_mib\":%.1f}\n"
             : "%-10s %-22s %7u %5u %10" PRIu64
               " %10.0f %9.2f %9.2f %9.2f %9.0f %9.3f %8.1f %8.1f %9.1f %6.2f %8.1f\n";
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* one of the two literals above */
    printf(format, report->subject, report->workload, report->clients, report->pipeline,
           report->operations, rate, us(p50), us(p99), us(p999), us(report->latency->max_ns), cpu,
           (double)report->memory_bytes / 1048576.0, (double)report->disk_bytes / 1048576.0,
           (double)report->written_bytes / 1048576.0,
           report->user_bytes != 0 ? (double)report->written_bytes / (double)report->user_bytes : 0,
           (double)report->read_bytes / 1048576.0);
#pragma GCC diagnostic pop
    fflush(stdout);
}

static bool read_proc(int pid, const char *file, char *text, size_t size)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t len = read(fd, text, size - 1);
    close(fd);
    if (len <= 0)
        return false;
    text[len] = '\0';
    return true;
}

bool process_cpu_seconds(int pid, double *ret)
{
    char text[1024];
    if (!read_proc(pid, "stat", text, sizeof text))
        return false;
    const char *after = strrchr(text, ')'); /* the name may hold anything */
    unsigned long long user;
    unsigned long long system;
    if (after == NULL || sscanf(after + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu",
                                &user, &system) != 2)
        return false;
    *ret = (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
    return true;
}

bool process_memory_bytes(int pid, uint64_t *ret)
{
    char text[256];
    unsigned long long pages;
    if (!read_proc(pid, "statm", text, sizeof text) || sscanf(text, "%*u %llu", &pages) != 1)
        return false;
    *ret = (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
    return true;
}

uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static bool io_field(int pid, const char *field, uint64_t *ret)
{
    char text[1024];
    if (!read_proc(pid, "io", text, sizeof text))
        return false;
    const char *at = strstr(text, field);
    unsigned long long bytes;
    if (at == NULL || sscanf(at + strlen(field), "%llu", &bytes) != 1)
        return false;
    *ret = bytes;
    return true;
}

bool process_written_bytes(int pid, uint64_t *ret)
{
    return io_field(pid, "\nwrite_bytes: ", ret);
}

bool process_read_bytes(int pid, uint64_t *ret)
{
    return io_field(pid, "\nread_bytes: ", ret);
}

bool child_ended_well(int pid)
{
    int status;
    return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static uint64_t walk_bytes; /* nftw() has no context */

static int add_bytes(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)path;
    (void)walk;
    if (type == FTW_F)
        walk_bytes += (uint64_t)info->st_blocks * 512;
    return 0;
}

uint64_t directory_bytes(const char *path)
{
    walk_bytes = 0;
    /* A file that goes while it is looked at ends the walk: once more, then with what was seen. */
    if (nftw(path, add_bytes, 16, FTW_PHYS) != 0) {
        walk_bytes = 0;
        (void)nftw(path, add_bytes, 16, FTW_PHYS);
    }
    return walk_bytes;
}
