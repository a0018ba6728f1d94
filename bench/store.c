/*
 * store.c - the stores of this build, by name.
 */
#include "bench/store.h"

#include <string.h>

#include <kvs/kvs.h>

static const struct store_ops *const stores[] = {
    &store_kvs,
#ifdef KVS_WITH_LMDB
    &store_lmdb,
#endif
#ifdef KVS_WITH_ROCKSDB
    &store_rocksdb,
#endif
#ifdef KVS_WITH_TKRZW
    &store_tkrzw,
#endif
};

const struct store_ops *store_at(size_t index)
{
    return index < sizeof stores / sizeof stores[0] ? stores[index] : NULL;
}

static bool is_engine(const char *name)
{
    for (size_t i = 0; kvs_engine_name(i) != NULL; i++)
        if (strcmp(kvs_engine_name(i), name) == 0)
            return true;
    return false;
}

const struct store_ops *store_find(const char *name, const char **ret_engine)
{
    for (size_t i = 1; store_at(i) != NULL; i++) {
        if (strcmp(store_at(i)->name, name) == 0) {
            *ret_engine = name;
            return store_at(i);
        }
    }
    if (strncmp(name, "kvs-", 4) == 0)
        name += 4;
    *ret_engine = name;
    return is_engine(name) ? &store_kvs : NULL;
}
