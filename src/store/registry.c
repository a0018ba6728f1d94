/*
 * registry.c - which engines this build has. The #ifdefs for optional ones live here and nowhere else.
 */
#include "store/registry.h"

#include <string.h>

#include <kvs/kvs.h>

#include "base/buf.h"
#include "base/fail.h"
#ifdef KVS_WITH_LMDB
#include "engine/lmdb/lmdb_engine.h"
#endif
#include "engine/memory/memory.h"
#include "engine/native/native.h"
#ifdef KVS_WITH_ROCKSDB
#include "engine/rocksdb/rocksdb_engine.h"
#endif

static const struct kvs_engine_ops *const engines[] = {
    &native_engine_ops,
    &memory_engine_ops,
#ifdef KVS_WITH_LMDB
    &lmdb_engine_ops,
#endif
#ifdef KVS_WITH_ROCKSDB
    &rocksdb_engine_ops,
#endif
};

const struct kvs_engine_ops *registry_engine(size_t index)
{
    return index < sizeof engines / sizeof engines[0] ? engines[index] : NULL;
}

enum kvs_status registry_find(const char *name, const struct kvs_engine_ops **ret)
{
    char known[256];
    size_t len = 0;
    known[0] = '\0';
    for (size_t i = 0; registry_engine(i) != NULL; i++) {
        const struct kvs_engine_ops *ops = registry_engine(i);
        if (strcmp(ops->name, name) == 0) {
            *ret = ops;
            return KVS_OK;
        }
        size_t name_len = strlen(ops->name);
        if (len + name_len + 3 > sizeof known)
            continue;
        len = (size_t)(stpcpy(stpcpy(known + len, i == 0 ? "" : ", "), ops->name) - known);
    }
    return fail(KVS_INVALID, 0, "unknown engine '%s'; this build has: %s", name, known);
}

const char *kvs_engine_name(size_t index)
{
    const struct kvs_engine_ops *ops = registry_engine(index);
    return ops != NULL ? ops->name : NULL;
}

const char *kvs_engine_summary(size_t index)
{
    const struct kvs_engine_ops *ops = registry_engine(index);
    return ops != NULL ? ops->summary : NULL;
}
