/*
 * rocksdb_engine.c - the table of operations of the engine "rocksdb".
 */
#include "engine/rocksdb/rocksdb_engine.h"

#include "engine/adapter/adapter.h"
#include "engine/rocksdb/room.h"

static enum kvs_status rocks_engine_open(const struct kvs_engine_config *config,
                                         struct kvs_engine **ret)
{
    return adapter_open(&rocksdb_engine_ops, &rocks_driver_ops, config, ret);
}

static enum kvs_status rocks_engine_check(const struct kvs_engine_config *config,
                                          kvs_report_fn *report, void *ctx)
{
    return adapter_check(&rocksdb_engine_ops, &rocks_driver_ops, config, report, ctx);
}

const struct kvs_engine_ops rocksdb_engine_ops = {
    .abi = KVS_ENGINE_ABI,
    .name = "rocksdb",
    .summary = "RocksDB, a log-structured merge tree: compressed, for data much larger than memory",
    .capabilities = ADAPTER_CAPABILITIES(KVS_ENGINE_KEY_MAX),
    .open = rocks_engine_open,
    .check = rocks_engine_check,
    ADAPTER_OPS,
};
