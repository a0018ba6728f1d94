/*
 * totals.c - the counters of all reactors, added up when somebody asks, and forgotten by subtraction.
 */
#include <string.h>

#include "command/command.h"
#include "server/state.h"

static void add_all(struct server *server, struct stats_sum *ret)
{
    memset(ret, 0, sizeof *ret);
    for (unsigned i = 0; i < server->reactor_count; i++)
        stats_add(ret, &server->reactors[i].stats);
}

static void add_command(struct server *server, size_t index, uint64_t ret[3])
{
    memset(ret, 0, 3 * sizeof *ret);
    for (unsigned i = 0; i < server->reactor_count; i++) {
        const struct command_stats *stats = &server->reactors[i].stats.by_command[index];
        ret[0] += counter_get(&stats->calls);
        ret[1] += counter_get(&stats->nsec);
        ret[2] += counter_get(&stats->failed);
    }
}

void server_sum_stats(struct server *server, struct stats_sum *ret)
{
    add_all(server, ret);
    mutex_lock(&server->reset_mu);
    stats_subtract(ret, &server->reset);
    mutex_unlock(&server->reset_mu);
}

void server_sum_command(struct server *server, size_t index, uint64_t ret[3])
{
    add_command(server, index, ret);
    mutex_lock(&server->reset_mu);
    for (size_t i = 0; i < 3; i++)
        ret[i] -= server->reset_commands[index * 3 + i];
    mutex_unlock(&server->reset_mu);
}

void server_reset_stats(struct server *server)
{
    size_t count;
    (void)command_table(&count);
    mutex_lock(&server->reset_mu);
    add_all(server, &server->reset);
    for (size_t i = 0; i < count; i++)
        add_command(server, i, &server->reset_commands[i * 3]);
    mutex_unlock(&server->reset_mu);
    error_stats_reset(&server->errors);
    atomic_store_explicit(&server->rejected, 0, memory_order_relaxed); /* relaxed: a figure */
}
