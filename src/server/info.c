/*
 * info.c - INFO, in Redis's sections and names, with true numbers; and ours in "# Kvs".
 *
 * A field of Redis's that has no meaning here is left out, unless clients are known to look for it and there is a
 * true value (evicted_keys is 0: nothing is ever evicted).
 */
#include <ctype.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/bytes.h"
#include "command/command.h"
#include "server/state.h"

#define REDIS_VERSION \
    "7.0.15" /* whose commands and answers we follow; clients choose features by it */

static uint64_t uptime_s(struct server *server)
{
    int64_t us = clock_wall_us(server->clock) - server->started_us;
    return us > 0 ? (uint64_t)us / 1000000 : 0;
}

static void print_server(struct server *server, struct buf *out)
{
    struct utsname system;
    int64_t now_us = clock_wall_us(server->clock);
    uint64_t up_s = uptime_s(server);
    if (uname(&system) != 0)
        memset(&system, 0, sizeof system);
    buf_printf(out, "redis_version:%s\r\nredis_mode:standalone\r\nkvs_version:%s\r\n",
               REDIS_VERSION, kvs_version());
    buf_printf(out, "os:%s %s %s\r\n", system.sysname, system.release, system.machine);
    buf_printf(out, "arch_bits:%zu\r\nmultiplexing_api:epoll\r\n", sizeof(void *) * 8);
    buf_printf(out, "gcc_version:%d.%d.%d\r\n", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
    buf_printf(out, "process_id:%d\r\nrun_id:%s\r\n", (int)getpid(), server->run_id);
    buf_printf(out, "tcp_port:%u\r\n", address_port(listener_address(server->listeners[0])));
    buf_printf(out, "server_time_usec:%" PRId64 "\r\n", now_us);
    buf_printf(out, "uptime_in_seconds:%" PRIu64 "\r\nuptime_in_days:%" PRIu64 "\r\n", up_s,
               up_s / 86400);
    buf_printf(out, "hz:1\r\nevent_loops:%u\r\n", server->reactor_count);
    for (size_t i = 0; i < server->listener_count; i++) {
        char text[ADDRESS_CHARS];
        address_format(listener_address(server->listeners[i]), text);
        buf_printf(out, "listener%zu:name=tcp,addr=%s\r\n", i, text);
    }
}

static void print_clients(struct server *server, struct buf *out)
{
    /* relaxed: figures */
    unsigned clients = atomic_load_explicit(&server->client_count, memory_order_relaxed);
    buf_printf(out,
               "connected_clients:%u\r\ncluster_connections:0\r\nmaxclients:%" PRId64
               "\r\nblocked_clients:0\r\n",
               clients, config_number(server->config, SETTING_MAXCLIENTS));
}

/* Resident bytes of the process, now and at most. */
static void resident(uint64_t *ret_now, uint64_t *ret_peak)
{
    struct rusage usage;
    unsigned long long total = 0;
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file != NULL) {
        if (fscanf(file, "%llu %llu", &total, &pages) != 2)
            pages = 0;
        (void)fclose(file);
    }
    *ret_now = pages * (uint64_t)sysconf(_SC_PAGESIZE);
    *ret_peak = getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
    if (*ret_peak < *ret_now)
        *ret_peak = *ret_now;
}

static void human(uint64_t bytes, char ret[32])
{
    static const char units[] = { 'B', 'K', 'M', 'G', 'T' };
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < sizeof units) {
        value /= 1024;
        unit++;
    }
    (void)snprintf(ret, 32, unit == 0 ? "%.0f%c" : "%.2f%c", value, units[unit]);
}

static void print_bytes(struct buf *out, const char *name, uint64_t bytes)
{
    char text[32];
    human(bytes, text);
    buf_printf(out, "%s:%" PRIu64 "\r\n%s_human:%s\r\n", name, bytes, name, text);
}

void info_memory(struct host_memory *ret)
{
    struct mallinfo2 heap = mallinfo2();
    resident(&ret->resident, &ret->peak);
    ret->used = heap.uordblks + heap.hblkhd;
    if (ret->used == 0) /* some allocators do not tell */
        ret->used = ret->resident;
}

static void print_memory(struct server *server, struct buf *out)
{
    struct host_memory memory;
    info_memory(&memory);
    print_bytes(out, "used_memory", memory.used);
    print_bytes(out, "used_memory_rss", memory.resident);
    print_bytes(out, "used_memory_peak", memory.peak);
    print_bytes(out, "total_system_memory",
                (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE));
    print_bytes(out, "maxmemory", (uint64_t)config_number(server->config, SETTING_MAXMEMORY));
    buf_printf(out, "maxmemory_policy:noeviction\r\nmem_allocator:libc\r\n");
}

static void print_persistence(struct server *server, struct buf *out)
{
    enum kvs_status health = kvs_health(server->spaces[0]);
    /* relaxed: figures */
    buf_printf(out,
               "loading:0\r\nasync_loading:0\r\nrdb_changes_since_last_save:0\r\nrdb_bgsave_in_"
               "progress:%d\r\n",
               atomic_load_explicit(&server->saving, memory_order_relaxed));
    buf_printf(out, "rdb_last_save_time:%" PRId64 "\r\nrdb_last_bgsave_status:%s\r\n",
               atomic_load_explicit(&server->last_save_s, memory_order_relaxed),
               atomic_load_explicit(&server->last_save_ok, memory_order_relaxed) ? "ok" : "err");
    buf_printf(out, "aof_enabled:%d\r\naof_rewrite_in_progress:0\r\naof_last_write_status:%s\r\n",
               kvs_capabilities(server->spaces[0])->persistent, health == KVS_OK ? "ok" : "err");
}

static void print_stats(struct server *server, struct buf *out)
{
    struct stats_sum sum;
    server_sum_stats(server, &sum);
    buf_printf(out,
               "total_connections_received:%" PRIu64 "\r\ntotal_commands_processed:%" PRIu64 "\r\n",
               sum.connections, sum.commands);
    buf_printf(out, "total_net_input_bytes:%" PRIu64 "\r\ntotal_net_output_bytes:%" PRIu64 "\r\n",
               sum.bytes_in, sum.bytes_out);
    buf_printf(
        out, "rejected_connections:%" PRIu64 "\r\n",
        atomic_load_explicit(&server->rejected, memory_order_relaxed)); /* relaxed: a figure */
    buf_printf(out,
               "evicted_keys:0\r\nevicted_clients:%" PRIu64
               "\r\npubsub_channels:%zu\r\npubsub_patterns:%zu\r\npubsubshard_channels:%zu\r\n",
               sum.evicted_clients, broker_count(&server->broker, HOST_CHANNEL),
               broker_count(&server->broker, HOST_PATTERN),
               broker_count(&server->broker, HOST_SHARD));
    struct keytrack_figures tracking;
    keytrack_figures(&server->keytrack, &tracking);
    buf_printf(out,
               "tracking_total_keys:%zu\r\ntracking_total_items:%zu\r\n"
               "tracking_total_prefixes:%zu\r\n",
               tracking.keys, tracking.items, tracking.prefixes);
    buf_printf(out, "total_error_replies:%" PRIu64 "\r\n", sum.error_replies);
    buf_printf(out, "client_query_buffer_limit_disconnections:%" PRIu64 "\r\n", sum.query_limit);
    buf_printf(out, "client_output_buffer_limit_disconnections:%" PRIu64 "\r\n", sum.output_limit);
}

static void print_replication(struct server *server, struct buf *out)
{
    buf_printf(out,
               "role:master\r\nconnected_slaves:0\r\nmaster_replid:%s\r\nmaster_repl_offset:0\r\n",
               server->run_id);
}

static void print_seconds(struct buf *out, const char *name, struct timeval time)
{
    buf_printf(out, "%s:%lld.%06lld\r\n", name, (long long)time.tv_sec, (long long)time.tv_usec);
}

static void print_cpu(struct server *server, struct buf *out)
{
    struct rusage usage;
    (void)server;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return;
    print_seconds(out, "used_cpu_sys", usage.ru_stime);
    print_seconds(out, "used_cpu_user", usage.ru_utime);
    if (getrusage(RUSAGE_CHILDREN, &usage) != 0)
        return;
    print_seconds(out, "used_cpu_sys_children", usage.ru_stime);
    print_seconds(out, "used_cpu_user_children", usage.ru_utime);
}

static void print_nothing(struct server *server, struct buf *out)
{
    (void)server;
    (void)out;
}

static void print_errors(struct server *server, struct buf *out)
{
    error_stats_print(&server->errors, out);
}

static void print_commands(struct server *server, struct buf *out)
{
    size_t count;
    const struct command *table = command_table(&count);
    for (size_t i = 0; i < count; i++) {
        uint64_t sums[3];
        char name[64];
        size_t len = 0;
        server_sum_command(server, i, sums);
        if (sums[0] == 0)
            continue;
        for (const char *c = table[i].name; *c != '\0' && len < sizeof name - 1; c++)
            name[len++] = (char)tolower((unsigned char)*c);
        name[len] = '\0';
        buf_printf(out,
                   "cmdstat_%s:calls=%" PRIu64 ",usec=%" PRIu64
                   ",usec_per_call=%.2f,rejected_calls=0,failed_calls=%" PRIu64 "\r\n",
                   name, sums[0], sums[1] / 1000, (double)sums[1] / 1000 / (double)sums[0],
                   sums[2]);
    }
}

static void print_cluster(struct server *server, struct buf *out)
{
    (void)server;
    buf_append_str(out, "cluster_enabled:0\r\n");
}

static void print_keyspace(struct server *server, struct buf *out)
{
    for (unsigned i = 0; i < KVS_SPACES; i++) {
        uint64_t keys = 0;
        bool exact = false;
        struct kvs_read read = { .no_block = true, .park = true };
        if (kvs_count(server->spaces[i], &read, NULL, &keys, &exact, NULL) == KVS_OK && keys != 0)
            buf_printf(out, "db%u:keys=%" PRIu64 ",expires=0,avg_ttl=0\r\n", i, keys);
    }
}

static void print_stat(void *ctx, const char *name, uint64_t value)
{
    buf_printf(ctx, "engine_%s:%" PRIu64 "\r\n", name, value);
}

static void print_kvs(struct server *server, struct buf *out)
{
    struct stats_sum sum;
    struct kvs_marks marks;
    struct pool_stats pool;
    const struct kvs_capabilities *can = kvs_capabilities(server->spaces[0]);
    server_sum_stats(server, &sum);
    kvs_marks(server->spaces[0], &marks);
    pool_stats(server->pool, &pool);
    buf_printf(out, "version:%s\r\nengine:%s\r\nhealth:%s\r\n", kvs_version(),
               kvs_engine(server->spaces[0]), kvs_status_name(kvs_health(server->spaces[0])));
    buf_printf(out,
               "capabilities:persistent=%d,atomic_batches=%d,snapshots=%d,reverse=%d,conditions=%d,"
               "untouched=%d,expiry=%d",
               can->persistent, can->atomic_batches, can->snapshots, can->reverse, can->conditions,
               can->untouched, can->expiry);
    buf_printf(
        out,
        ",remove_range=%d,durable_ack=%d,exact_count=%d,local_files=%d,shared=%d,may_block=%d\r\n",
        can->remove_range, can->durable_ack, can->exact_count, can->local_files, can->shared,
        can->may_block);
    buf_printf(out, "snapshots_open:%u\r\nsnapshots_max:%d\r\n", snapshots_count(server->snapshots),
               SNAPSHOTS_MAX);
    buf_printf(out,
               "position_visible:%" PRIu64 "\r\nposition_written:%" PRIu64
               "\r\nposition_durable:%" PRIu64 "\r\n",
               marks.visible, marks.written, marks.durable);
    buf_printf(out,
               "parked_replies:%" PRIu64 "\r\npool_commands:%" PRIu64 "\r\nprotocol_errors:%" PRIu64
               "\r\n",
               sum.parked, sum.pool_commands, sum.protocol_errors);
    buf_printf(out,
               "streamed_in_bytes:%" PRIu64 "\r\nstreamed_out_bytes:%" PRIu64
               "\r\nidle_closed:%" PRIu64 "\r\n",
               sum.streamed_in, sum.streamed_out, sum.idle_closed);
    buf_printf(out,
               "pool_threads:%u\r\npool_spawned:%" PRIu64 "\r\npool_finished:%" PRIu64
               "\r\npool_died:%" PRIu64 "\r\npool_queued:%" PRIu64 "\r\n",
               pool.threads, pool.spawned, pool.finished, pool.died, pool.queued);
    for (unsigned i = 0; i < server->reactor_count; i++) {
        struct loop_stats loop;
        loop_stats(server->reactors[i].loop, &loop);
        buf_printf(out,
                   "loop%u:turns=%" PRIu64 ",events=%" PRIu64 ",tasks=%" PRIu64 ",wakes=%" PRIu64
                   "\r\n",
                   i, loop.turns, loop.events, loop.tasks, loop.wakes);
    }
    kvs_stats(server->spaces[0], print_stat, out);
}

static const struct section {
    const char *name;
    bool by_default;
    void (*print)(struct server *server, struct buf *out);
} sections_table[] = {
    { "Server", true, print_server },
    { "Clients", true, print_clients },
    { "Memory", true, print_memory },
    { "Persistence", true, print_persistence },
    { "Stats", true, print_stats },
    { "Replication", true, print_replication },
    { "CPU", true, print_cpu },
    { "Modules", true, print_nothing },
    { "Commandstats", false, print_commands },
    { "Errorstats", true, print_errors },
    { "Cluster", true, print_cluster },
    { "Keyspace", true, print_keyspace },
    { "Kvs", true, print_kvs },
};

static bool wanted(const struct section *section, const struct kvs_bytes *names, size_t count)
{
    if (count == 0)
        return section->by_default;
    for (size_t i = 0; i < count; i++) {
        if (bytes_equal_nocase(names[i], bytes_str(section->name)) ||
            bytes_equal_nocase(names[i], BYTES("all")) ||
            bytes_equal_nocase(names[i], BYTES("everything")))
            return true;
        if (bytes_equal_nocase(names[i], BYTES("default")) && section->by_default)
            return true;
    }
    return false;
}

void info_print(struct server *server, const struct kvs_bytes *sections, size_t count,
                struct buf *out)
{
    bool first = true;
    for (size_t i = 0; i < sizeof sections_table / sizeof *sections_table; i++) {
        const struct section *section = &sections_table[i];
        if (!wanted(section, sections, count))
            continue;
        buf_printf(out, "%s# %s\r\n", first ? "" : "\r\n", section->name);
        first = false;
        section->print(server, out);
    }
}
