/*
 * lmdb_engine.c - the table of operations of the engine "lmdb".
 */
#include "engine/lmdb/lmdb_engine.h"

#include "engine/adapter/adapter.h"
#include "engine/lmdb/room.h"

static enum kvs_status lmdb_open(const struct kvs_engine_config *config, struct kvs_engine **ret)
{
    return adapter_open(&lmdb_engine_ops, &lmdb_driver_ops, config, ret);
}

static enum kvs_status lmdb_check(const struct kvs_engine_config *config, kvs_report_fn *report,
                                  void *ctx)
{
    return adapter_check(&lmdb_engine_ops, &lmdb_driver_ops, config, report, ctx);
}

const struct kvs_engine_ops lmdb_engine_ops = {
    .abi = KVS_ENGINE_ABI,
    .name = "lmdb",
    .summary = "LMDB, a memory-mapped B+tree: reads by mapping, one writing transaction at a time",
    .capabilities = ADAPTER_CAPABILITIES(LMDB_KEY_MAX),
    .open = lmdb_open,
    .check = lmdb_check,
    ADAPTER_OPS,
};
