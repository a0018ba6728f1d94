/*
 * stats.h - what the server counts. Every reactor counts for itself; readers add the reactors up. So counting costs
 * no shared cache line and no locked instruction.
 */
#ifndef SERVER_STATS_H
#define SERVER_STATS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <kvs/status.h>

#include "base/buf.h"
#include "concurrent/mutex.h"

/* Written by one thread, read by any. relaxed everywhere: figures, nothing is ordered by them. */
struct counter {
    _Atomic uint64_t value;
};

static inline void counter_add(struct counter *counter, uint64_t more)
{
    /* no read-modify-write: there is one writer */
    atomic_store_explicit(&counter->value,
                          atomic_load_explicit(&counter->value, memory_order_relaxed) + more,
                          memory_order_relaxed);
}

static inline uint64_t counter_get(const struct counter *counter)
{
    return atomic_load_explicit(&counter->value, memory_order_relaxed);
}

/* Of one command. */
struct command_stats {
    struct counter calls;
    struct counter nsec;
    struct counter failed; /* calls that answered an error */
};

/* X(name) */
#define STATS_MAP(X)                                                 \
    X(connections) /* accepted and handed to a session */            \
    X(commands)    /* run to a reply, refused ones too */            \
    X(bytes_in)                                                      \
    X(bytes_out)                                                     \
    X(error_replies)                                                 \
    X(protocol_errors)                                               \
    X(parked)        /* replies that had to wait for the disk */     \
    X(pool_commands) /* commands that went to the pool */            \
    X(streamed_in)   /* bytes of values streamed to the store */     \
    X(streamed_out)                                                  \
    X(output_limit) /* connections closed over their output limit */ \
    X(query_limit)  /* … over their input limit */                 \
    X(idle_closed)                                                   \
    X(evicted_clients) /* killed by CLIENT KILL */

struct stats {
#define STATS_FIELD(name) struct counter name;
    STATS_MAP(STATS_FIELD)
#undef STATS_FIELD
    struct command_stats *by_command; /* in the order of command_table() */
};

KVS_MUST_CHECK enum kvs_status stats_init(struct stats *stats);
void stats_done(struct stats *stats);

/* A sum over reactors; plain numbers. */
struct stats_sum {
#define STATS_SUM_FIELD(name) uint64_t name;
    STATS_MAP(STATS_SUM_FIELD)
#undef STATS_SUM_FIELD
};

void stats_add(struct stats_sum *sum, const struct stats *stats);
/* Takes @base away: CONFIG RESETSTAT notes where the counters were, and leaves them to their writers. */
void stats_subtract(struct stats_sum *sum, const struct stats_sum *base);

/* Error replies by their code ("ERR", "WRONGTYPE" …). Errors are rare enough for a lock. Thread: any. */
enum {
    ERROR_CODES_MAX = 64,
    ERROR_CODE_CHARS = 24
};

struct error_stats {
    struct mutex mu;
    size_t count GUARDED_BY(mu);

    struct error_code {
        char code[ERROR_CODE_CHARS];
        uint64_t count;
    } codes[ERROR_CODES_MAX] GUARDED_BY(mu);
};

void error_stats_init(struct error_stats *errors);
void error_stats_done(struct error_stats *errors);
void error_stats_note(struct error_stats *errors, struct kvs_bytes text); /* "CODE the rest" */
void error_stats_reset(struct error_stats *errors);
void error_stats_print(struct error_stats *errors, struct buf *out); /* INFO's lines */

#endif
