/*
 * inline.c - no threads: a job runs in pool_spawn(). For tests, where everything should happen in one order.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/fail.h"
#include "pool/kind.h"

static enum kvs_status inline_open(unsigned threads, struct pool **ret)
{
    (void)threads;
    struct pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "a pool");
    pool_init(pool, &pool_kind_inline);
    *ret = pool;
    return KVS_OK;
}

static void inline_stats(struct pool *pool, struct pool_stats *ret)
{
    (void)pool;
    ret->threads = 0;
    ret->queued = 0;
}

static void inline_close(struct pool *pool)
{
    pool_done(pool);
    free(pool);
}

const struct pool_kind pool_kind_inline = {
    .name = "inline",
    .open = inline_open,
    .spawn = pool_run_in_caller,
    .stats = inline_stats,
    .close = inline_close,
};
