/*
 * stats.c - adding up, and errors by code.
 */
#include "server/stats.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "command/command.h"

enum kvs_status stats_init(struct stats *stats)
{
    size_t count;
    (void)command_table(&count);
    memset(stats, 0, sizeof *stats);
    stats->by_command = calloc(count, sizeof *stats->by_command);
    if (stats->by_command == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "statistics");
    return KVS_OK;
}

void stats_done(struct stats *stats)
{
    free(stats->by_command);
    stats->by_command = NULL;
}

void stats_add(struct stats_sum *sum, const struct stats *stats)
{
#define STATS_ADD(name) sum->name += counter_get(&stats->name);
    STATS_MAP(STATS_ADD)
#undef STATS_ADD
}

void stats_subtract(struct stats_sum *sum, const struct stats_sum *base)
{
#define STATS_SUBTRACT(name) sum->name -= base->name;
    STATS_MAP(STATS_SUBTRACT)
#undef STATS_SUBTRACT
}

void error_stats_init(struct error_stats *errors)
{
    memset(errors, 0, sizeof *errors);
    mutex_init(&errors->mu);
}

void error_stats_done(struct error_stats *errors)
{
    mutex_done(&errors->mu);
}

void error_stats_note(struct error_stats *errors, struct kvs_bytes text)
{
    const char *chars = text.data;
    char code[ERROR_CODE_CHARS];
    size_t len = 0;
    while (len < text.len && len < sizeof code - 1 &&
           (isupper((unsigned char)chars[len]) || chars[len] == '_')) {
        code[len] = chars[len];
        len++;
    }
    if (len == 0)
        return;
    code[len] = '\0';
    mutex_lock(&errors->mu);
    size_t i = 0;
    while (i < errors->count && strcmp(errors->codes[i].code, code) != 0)
        i++;
    if (i == errors->count && i < ERROR_CODES_MAX) {
        memcpy(errors->codes[i].code, code, sizeof code);
        errors->count++;
    }
    if (i < errors->count)
        errors->codes[i].count++;
    mutex_unlock(&errors->mu);
}

void error_stats_reset(struct error_stats *errors)
{
    mutex_lock(&errors->mu);
    memset(errors->codes, 0, sizeof errors->codes);
    errors->count = 0;
    mutex_unlock(&errors->mu);
}

void error_stats_print(struct error_stats *errors, struct buf *out)
{
    mutex_lock(&errors->mu);
    for (size_t i = 0; i < errors->count; i++)
        buf_printf(out, "errorstat_%s:count=%llu\r\n", errors->codes[i].code,
                   (unsigned long long)errors->codes[i].count);
    mutex_unlock(&errors->mu);
}
