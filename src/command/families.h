/*
 * families.h - the command functions, by family (one file each), and what they share. Private to the room.
 */
#ifndef COMMAND_FAMILIES_H
#define COMMAND_FAMILIES_H

#include "command/command.h"

/* string.c, counter.c, string_range.c */
command_fn cmd_append, cmd_decr, cmd_decrby, cmd_get, cmd_getdel, cmd_getex, cmd_getrange,
    cmd_getset, cmd_incr, cmd_incrby, cmd_incrbyfloat, cmd_mget, cmd_mset, cmd_msetnx, cmd_psetex,
    cmd_set, cmd_setex, cmd_setnx, cmd_setrange, cmd_strlen;

/* bitmap.c, bitfield.c, bitop.c, lcs.c */
command_fn cmd_bitcount, cmd_bitfield, cmd_bitop, cmd_bitpos, cmd_getbit, cmd_lcs, cmd_setbit;

/* dump.c, object.c, swap.c */
command_fn cmd_swapdb, cmd_dump, cmd_memory_doctor, cmd_memory_help, cmd_memory_malloc_stats, cmd_memory_purge,
    cmd_memory_stats, cmd_memory_usage, cmd_object_encoding, cmd_object_freq, cmd_object_help,
    cmd_object_idletime, cmd_object_refcount, cmd_restore, cmd_sort;

/* generic.c, expire.c, scan.c */
command_fn cmd_copy, cmd_del, cmd_exists, cmd_expire, cmd_expireat, cmd_expiretime, cmd_keys, cmd_move, cmd_persist,
    cmd_pexpire, cmd_pexpireat, cmd_pexpiretime, cmd_pttl, cmd_randomkey, cmd_rename, cmd_renamenx,
    cmd_scan, cmd_touch, cmd_ttl, cmd_type, cmd_unlink;

/* ordered.c */
command_fn cmd_countprefix, cmd_delprefix, cmd_delrange, cmd_prefix, cmd_range;

/* conditional.c, snapshot.c */
command_fn cmd_batch, cmd_cad, cmd_cas, cmd_getv, cmd_snapshot_close, cmd_snapshot_help,
    cmd_snapshot_open, cmd_snapshot_read;

/* transaction.c */
command_fn cmd_discard, cmd_exec, cmd_multi, cmd_unwatch, cmd_watch;

/* connection.c */
command_fn cmd_auth, cmd_echo, cmd_hello, cmd_ping, cmd_quit, cmd_reset, cmd_select;

/* connection_client.c */
command_fn cmd_client_getname, cmd_client_help, cmd_client_id, cmd_client_info, cmd_client_kill,
    cmd_client_list, cmd_client_no_evict, cmd_client_no_touch, cmd_client_setinfo,
    cmd_client_setname;

/* connection_modes.c, tracking.c */
command_fn cmd_client_caching, cmd_client_getredir, cmd_client_pause, cmd_client_reply,
    cmd_client_tracking, cmd_client_trackinginfo, cmd_client_unblock, cmd_client_unpause;

/* monitor.c */
command_fn cmd_monitor, cmd_slowlog_get, cmd_slowlog_help, cmd_slowlog_len, cmd_slowlog_reset;

/* subscribe.c */
command_fn cmd_psubscribe, cmd_publish, cmd_pubsub_channels, cmd_pubsub_help, cmd_pubsub_numpat,
    cmd_pubsub_numsub, cmd_pubsub_shardchannels, cmd_pubsub_shardnumsub, cmd_punsubscribe,
    cmd_spublish, cmd_ssubscribe, cmd_subscribe, cmd_sunsubscribe, cmd_unsubscribe;

/* server.c */
command_fn cmd_backup, cmd_bgsave, cmd_config_get, cmd_config_help, cmd_config_resetstat, cmd_config_set,
    cmd_dbsize, cmd_flushall, cmd_flushdb, cmd_info, cmd_lastsave, cmd_save, cmd_shutdown, cmd_time, cmd_wait;

/* introspect.c */
command_fn cmd_command, cmd_command_count, cmd_command_docs, cmd_command_getkeys,
    cmd_command_getkeysandflags, cmd_command_help, cmd_command_info, cmd_command_list;

/* run.c: what every family uses to reach the data. */

/* Begins the transaction of a DIRECT command that turns out to need one: ctx->txn is there afterwards. */
KVS_MUST_CHECK enum kvs_status command_begin(struct command_ctx *ctx);

/*
 * Reads one key for a command that only reads (flag it DIRECT in table.c when it uses nothing else): past the transaction when the command stands alone (no conditions are kept, no
 * commit follows), through it inside EXEC. A command uses either this or ctx->txn, never both. KVS_OK (@visit was called),
 * KVS_NOT_FOUND, or what is to be returned to the runner.
 */
KVS_MUST_CHECK enum kvs_status command_visit(struct command_ctx *ctx, struct kvs_bytes key,
                                             kvs_visit_fn *visit, void *arg);

/* The reader for a value over KVS_INLINE_MAX that command_visit() met, opened the same way. */
KVS_MUST_CHECK enum kvs_status command_reader(struct command_ctx *ctx, struct kvs_bytes key,
                                              struct kvs_entry *ret_entry, struct kvs_reader **ret);

/*
 * Sets one key without having read anything: one write past the transaction when there is none (DIRECT). It must be the command's
 * last act: the reply must be complete before (KVS_WOULD_BLOCK and failures rewind it). Uses request->blob
 * when that stands for the value (@value is ignored then).
 */
KVS_MUST_CHECK enum kvs_status command_set_one(struct command_ctx *ctx, struct kvs_bytes key,
                                               struct kvs_bytes value, int64_t expire_ms);

/* How this command reads past the transaction: the newest version, or that of SNAPSHOT READ. */
static inline struct kvs_read command_read(const struct command_ctx *ctx)
{
    return (struct kvs_read){
        .snapshot = ctx->snapshot,
        .no_block = !ctx->may_wait,
        .park = true,
    };
}

/* Argument @i; and whether it is @word, in any case. */
static inline struct kvs_bytes command_arg(const struct command_ctx *ctx, size_t i)
{
    return ctx->request->args[i];
}

bool command_arg_is(const struct command_ctx *ctx, size_t i, const char *word);

/* The name as replies show it: "client|list". */
enum {
    COMMAND_NAME_CHARS = 64
};

void command_name_lower(const struct command *command, char ret[COMMAND_NAME_CHARS]);

#endif
