/*
 * open.c - opening and closing a store, its handles and references.
 *
 * Order of opening: options, marker, directory, lock, marker again (now nobody else can change it), engine. A failure undoes
 * what was done in reverse; what an engine has written is never touched.
 */
#include "store/open.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fail.h"
#include "io/random.h"
#include "pool/pool.h"
#include "store/directory.h"
#include "store/registry.h"
#include "store/store.h"

enum {
    POOL_THREADS_DEFAULT = 4,
    POOL_THREADS_MAX = 1024,
    MEMORY_BYTES_UNKNOWN = 256 * 1024 * 1024, /* where the system does not tell how much it has */
};

const char *kvs_version(void)
{
    return KVS_VERSION;
}

/* Everything that can be wrong with options, in one place. */
enum kvs_status open_check_options(const char *dir, const struct kvs_options *options)
{
    if (dir == NULL || dir[0] == '\0')
        return fail(KVS_INVALID, 0, "the store's directory has no name");
    if (options->durability < KVS_DURABILITY_DEFAULT || options->durability > KVS_DURABILITY_NO)
        return fail(KVS_INVALID, 0, "durability %d is none of always, everysec and no",
                    (int)options->durability);
    if (options->pool_threads > POOL_THREADS_MAX)
        return fail(KVS_INVALID, 0, "pool of %u threads, at most %d", options->pool_threads,
                    POOL_THREADS_MAX);
    if (options->setting_count != 0 && options->settings == NULL)
        return fail(KVS_INVALID, 0, "setting_count is %zu but settings is NULL",
                    options->setting_count);
    for (size_t i = 0; i < options->setting_count; i++)
        if (options->settings[i].name == NULL || options->settings[i].value == NULL)
            return fail(KVS_INVALID, 0, "setting %zu has no name or no value", i);
    return KVS_OK;
}

static uint64_t memory_default(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    long page_bytes = sysconf(_SC_PAGESIZE);
    if (pages <= 0 || page_bytes <= 0)
        return MEMORY_BYTES_UNKNOWN;
    return (uint64_t)pages / 4 * (uint64_t)page_bytes;
}

struct kvs_env open_env(const struct kvs_env *given)
{
    struct kvs_env env = given != NULL ? *given : (struct kvs_env){ 0 };
    if (env.io == NULL)
        env.io = io_posix();
    if (env.clock == NULL)
        env.clock = clock_system();
    while (env.seed == 0)
        env.seed = random_system_u64();
    return env;
}

const struct kvs_options open_options_default;

struct kvs_engine_config open_config(const char *dir, struct kvs_env *env,
                                     const struct kvs_options *options)
{
    return (struct kvs_engine_config){
        .dir = dir,
        .env = env,
        .durability = options->durability != KVS_DURABILITY_DEFAULT ? options->durability
                                                                    : KVS_DURABILITY_ALWAYS,
        .memory_bytes = options->memory_bytes != 0 ? options->memory_bytes : memory_default(),
        .segment_bytes = options->segment_bytes,
        .read_only = options->read_only,
        .no_background = options->no_background,
        .settings = options->settings,
        .setting_count = options->setting_count,
        .amount = options->amount,
        .amount_ctx = options->amount_ctx,
    };
}

/* The marker names an engine this build does not have: another build's, or one that a damaged byte made up. */
static enum kvs_status fail_other_engine(const char *dir)
{
    char why[FAIL_TEXT_BYTES];
    fail_save(why);
    return fail(KVS_WRONG_ENGINE, 0, "%s was made by another engine, says %s/%s: %s", dir, dir,
                DIRECTORY_MARKER, why);
}

enum kvs_status open_choose_engine(const char *dir, const char *asked, const char *marker,
                                   const struct kvs_engine_ops **ret)
{
    if (asked != NULL) {
        enum kvs_status status = registry_find(asked, ret);
        if (status != KVS_OK)
            return status;
        if (marker[0] != '\0' && strcmp(marker, asked) != 0)
            return fail(KVS_WRONG_ENGINE, 0, "%s was made by engine %s, not %s (says %s/%s)", dir,
                        marker, asked, dir, DIRECTORY_MARKER);
        return KVS_OK;
    }
    if (marker[0] == '\0') {
        *ret = registry_engine(0);
        return KVS_OK;
    }
    if (registry_find(marker, ret) != KVS_OK)
        return fail_other_engine(dir);
    return KVS_OK;
}

static enum kvs_status engine_check(const struct kvs_engine_ops *ops,
                                    enum kvs_durability durability)
{
    if (ops->abi != KVS_ENGINE_ABI)
        return fail(KVS_UNSUPPORTED, 0, "engine %s was built for interface %u, this is %d",
                    ops->name, (unsigned)ops->abi, KVS_ENGINE_ABI);
    const struct kvs_capabilities *can = &ops->capabilities;
    if (can->persistent && !can->durable_ack && durability == KVS_DURABILITY_ALWAYS)
        return fail(
            KVS_UNSUPPORTED, 0,
            "engine %s cannot promise durability always: it does not know when data is on disk",
            ops->name);
    return KVS_OK;
}

/* Directory, lock and marker of a persistent engine. *ret_fresh: the marker is new. */
static enum kvs_status directory_take(struct store *store, const struct kvs_options *options,
                                      bool *ret_fresh)
{
    struct io *io = store->env.io;
    char marker[DIRECTORY_NAME_BYTES];
    *ret_fresh = false;
    enum kvs_status status = directory_engine(io, store->dir, marker);
    if (status != KVS_OK)
        return status;
    if (marker[0] == '\0') {
        status = directory_check_unmarked(io, store->dir);
        if (status != KVS_OK)
            return status;
        if (options->must_exist || options->read_only)
            return fail(KVS_NOT_FOUND, 0, "there is no store in %s", store->dir);
        status = io->ops->make_dir(io, store->dir);
        if (status != KVS_OK)
            return status;
    }
    status = directory_lock(io, store->dir, &store->lock);
    if (status != KVS_OK)
        return status;
    /* Another process may have made a store here since we looked; under the lock nobody can. */
    status = directory_engine(io, store->dir, marker);
    if (status == KVS_OK)
        status = directory_check_whole(io, store->dir);
    if (status != KVS_OK)
        return status;
    if (marker[0] == '\0') {
        *ret_fresh = true;
        return directory_mark(io, store->dir, store->ops->name);
    }
    if (strcmp(marker, store->ops->name) != 0)
        return fail(KVS_WRONG_ENGINE, 0, "%s was made by engine %s, not %s (says %s/%s)",
                    store->dir, marker, store->ops->name, store->dir, DIRECTORY_MARKER);
    return KVS_OK;
}

static enum kvs_status engine_open(struct store *store, const struct kvs_options *options)
{
    bool fresh = false;
    if (store->ops->capabilities.persistent) {
        enum kvs_status status = directory_take(store, options, &fresh);
        if (status != KVS_OK)
            return status;
    } else if (options->must_exist) {
        return fail(KVS_NOT_FOUND, 0, "engine %s keeps nothing: there is no store to find",
                    store->ops->name);
    }
    struct kvs_engine_config config = open_config(store->dir, &store->env, options);
    config.durability = store->durability;
    enum kvs_status status = store->ops->open(&config, &store->engine);
    if (status != KVS_OK && fresh) {
        char why[FAIL_TEXT_BYTES];
        fail_save(why);
        directory_unmark_empty(store->env.io, store->dir);
        status = fail_restore(status, why);
    }
    return status;
}

static void store_free(struct store *store)
{
    if (store->lock != NULL)
        io_close(store->lock);
    mutex_done(&store->pool_mu);
    gate_done(&store->gate);
    free(store->dir);
    free(store);
}

/* NULL: out of memory, recorded. */
static struct store *store_new(const char *dir, const struct kvs_options *options)
{
    struct store *store = aligned_alloc(GATE_LINE_BYTES, sizeof *store);
    if (store == NULL) {
        (void)fail(KVS_NO_MEMORY, ENOMEM, "store");
        return NULL;
    }
    memset(store, 0, sizeof *store);
    for (unsigned i = 0; i < KVS_SPACES; i++)
        store->handles[i] = (struct kvs){ .store = store, .space = (unsigned char)i };
    atomic_init(&store->refs, 1);
    atomic_init(&store->conflicts, 0);
    gate_init(&store->gate);
    mutex_init(&store->pool_mu);
    store->env = open_env(options->env);
    store->durability =
        options->durability != KVS_DURABILITY_DEFAULT ? options->durability : KVS_DURABILITY_ALWAYS;
    store->read_only = options->read_only;
    store->pool_threads = options->pool_threads != 0 ? options->pool_threads : POOL_THREADS_DEFAULT;
    store->dir = strdup(dir);
    if (store->dir == NULL) {
        store_free(store);
        (void)fail(KVS_NO_MEMORY, ENOMEM, "store");
        return NULL;
    }
    return store;
}

enum kvs_status store_open(const char *dir, const struct kvs_options *options,
                           const struct kvs_engine_ops *ops, struct kvs **ret)
{
    if (options == NULL)
        options = &open_options_default;
    enum kvs_status status = open_check_options(dir, options);
    if (status != KVS_OK)
        return status;
    struct store *store = store_new(dir, options);
    if (store == NULL)
        return KVS_NO_MEMORY;
    store->ops = ops;
    if (ops == NULL) {
        char marker[DIRECTORY_NAME_BYTES];
        status = directory_engine(store->env.io, dir, marker);
        if (status == KVS_OK)
            status = open_choose_engine(dir, options->engine, marker, &store->ops);
    }
    if (status == KVS_OK)
        status = engine_check(store->ops, store->durability);
    if (status == KVS_OK)
        status = engine_open(store, options);
    if (status != KVS_OK) {
        store_free(store);
        return status;
    }
    *ret = &store->handles[0];
    return KVS_OK;
}

enum kvs_status kvs_open(const char *dir, const struct kvs_options *options, struct kvs **ret)
{
    return store_open(dir, options, NULL, ret);
}

struct kvs *kvs_ref(struct kvs *db)
{
    /* relaxed: the caller has a reference already, so the store cannot go meanwhile */
    atomic_fetch_add_explicit(&db->store->refs, 1, memory_order_relaxed);
    return db;
}

enum kvs_status kvs_space(struct kvs *db, unsigned space, struct kvs **ret)
{
    if (space >= KVS_SPACES)
        return fail(KVS_INVALID, 0, "key space %u, at most %d", space, KVS_SPACES - 1);
    *ret = kvs_ref(&db->store->handles[space]);
    return KVS_OK;
}

enum kvs_status kvs_close(struct kvs *db)
{
    if (db == NULL)
        return KVS_OK;
    struct store *store = db->store;
    /* acq_rel: what other owners did with the store is before its end. pairs with: itself */
    if (atomic_fetch_sub_explicit(&store->refs, 1, memory_order_acq_rel) != 1)
        return KVS_OK;
    mutex_lock(&store->pool_mu);
    struct pool *pool = store->pool;
    mutex_unlock(&store->pool_mu);
    pool_free(pool);
    store->ops->on_progress(store->engine, NULL, NULL);
    enum kvs_status status = store->ops->close(store->engine);
    store_free(store);
    return status;
}

const struct kvs_capabilities *kvs_capabilities(const struct kvs *db)
{
    return &db->store->ops->capabilities;
}

const char *kvs_engine(const struct kvs *db)
{
    return db->store->ops->name;
}

enum kvs_status kvs_engine_of(const char *dir, char ret[32])
{
    _Static_assert(DIRECTORY_NAME_BYTES == 32, "kvs_engine_of() promises 32 bytes");
    return directory_engine(io_posix(), dir, ret);
}
