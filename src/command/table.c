/*
 * table.c - the one command table, and finding a command in it.
 *
 * Rows stand in name order, subcommands right behind their container. What Redis has too carries its
 * arity, flags, key positions and words (7.0); tests hold both to that. Lookup is an open-addressing
 * hash over the folded names, built once.
 */
#include <assert.h>
#include <pthread.h>

#include "base/bytes.h"
#include "base/check.h"
#include "command/command.h"
#include "command/families.h"

/* Short names for the rows. */
enum {
    NONE = 0,
    WRITE = COMMAND_WRITE,
    READONLY = COMMAND_READONLY,
    FAST = COMMAND_FAST,
    ADMIN = COMMAND_ADMIN,
    NO_AUTH = COMMAND_NO_AUTH,
    NO_MULTI = COMMAND_NO_MULTI,
    IN_MULTI = COMMAND_IN_MULTI,
    SLOW = COMMAND_SLOW,
    EFFECT = COMMAND_EFFECT,
    DENY_OOM = COMMAND_DENY_OOM,
    LOADING = COMMAND_LOADING,
    STALE = COMMAND_STALE,
    STREAMS = COMMAND_STREAMS,
    OURS = COMMAND_OURS,
    CONTAINER = COMMAND_CONTAINER,
    DIRECT = COMMAND_DIRECT,
    NO_SCRIPT = COMMAND_NO_SCRIPT,
    SKIP_SLOWLOG = COMMAND_SKIP_SLOWLOG,
    ALLOW_BUSY = COMMAND_ALLOW_BUSY,
    NO_ASYNC_LOADING = COMMAND_NO_ASYNC_LOADING,
    CAT_ADMIN = COMMAND_CAT_ADMIN,
    CAT_DANGEROUS = COMMAND_CAT_DANGEROUS,
    CAT_KEYSPACE = COMMAND_CAT_KEYSPACE,
    CAT_CONNECTION = COMMAND_CAT_CONNECTION,
};

/* name, function, arity, flags, first key, last key, key step, stream argument, group, since, summary, syntax, complexity */
static const struct command rows[] = {
    { "APPEND", cmd_append, 3, WRITE | FAST | DENY_OOM, 1, 1, 1, 0, "string", "2.0.0",
      "Append a value to a key", "key value",
      "O(1). The amortized time complexity is O(1) assuming the appended value is small and the "
      "already present value is of any size, since the dynamic string library used by Redis will "
      "double the free space available on every reallocation." },
    { "AUTH", cmd_auth, -2, FAST | NO_AUTH | EFFECT | LOADING | STALE | NO_SCRIPT | ALLOW_BUSY, 0,
      0, 0, 0, "connection", "1.0.0", "Authenticate to the server", "[username] password",
      "O(N) where N is the number of passwords defined for the user" },
    { "BGSAVE", cmd_bgsave, -1, ADMIN | EFFECT | NO_SCRIPT | NO_ASYNC_LOADING, 0, 0, 0, 0, "server",
      "1.0.0", "Asynchronously save the dataset to disk", "[SCHEDULE]", "O(1)" },
    { "CAS", cmd_cas, 4, WRITE | FAST | DENY_OOM | OURS, 1, 1, 1, 0, "ordered", "0.1.0",
      "Set a key to a new value, only if it holds the expected one: 1 when set, 0 when it holds "
      "another or there is none",
      "key expected new", "O(1)" },
    { "CLIENT", NULL, -2, CONTAINER, 0, 0, 0, 0, "connection", "2.4.0",
      "A container for client connection commands", "", "Depends on subcommand." },
    { "CLIENT|GETNAME", cmd_client_getname, 2, LOADING | STALE | NO_SCRIPT, 0, 0, 0, 0,
      "connection", "2.6.9", "Get the current connection name", "", "O(1)" },
    { "CLIENT|HELP", cmd_client_help, 2, LOADING | STALE, 0, 0, 0, 0, "connection", "5.0.0",
      "Show helpful text about the different subcommands", "", "O(1)" },
    { "CLIENT|ID", cmd_client_id, 2, LOADING | STALE | NO_SCRIPT, 0, 0, 0, 0, "connection", "5.0.0",
      "Returns the client ID for the current connection", "", "O(1)" },
    { "CLIENT|INFO", cmd_client_info, 2, LOADING | STALE | NO_SCRIPT, 0, 0, 0, 0, "connection",
      "6.2.0", "Returns information about the current client connection.", "", "O(1)" },
    { "CLIENT|KILL", cmd_client_kill, -3, ADMIN | EFFECT | LOADING | STALE | NO_SCRIPT, 0, 0, 0, 0,
      "connection", "2.4.0", "Kill the connection of a client",
      "ip:port|[ID client-id] [TYPE NORMAL|MASTER|SLAVE|REPLICA|PUBSUB] [USER username] [ADDR "
      "ip:port] [LADDR ip:port] [SKIPME yes|no]",
      "O(N) where N is the number of client connections" },
    { "CLIENT|LIST", cmd_client_list, -2, ADMIN | LOADING | STALE | NO_SCRIPT, 0, 0, 0, 0,
      "connection", "2.4.0", "Get the list of client connections",
      "[TYPE NORMAL|MASTER|REPLICA|PUBSUB] [ID client-id [client-id ...]]",
      "O(N) where N is the number of client connections" },
    { "CLIENT|NO-EVICT", cmd_client_no_evict, 3, ADMIN | EFFECT | LOADING | STALE | NO_SCRIPT, 0, 0,
      0, 0, "connection", "7.0.0", "Set client eviction mode for the current connection", "ON|OFF",
      "O(1)" },
    { "CLIENT|NO-TOUCH", cmd_client_no_touch, 3, EFFECT | LOADING | STALE | NO_SCRIPT, 0, 0, 0, 0,
      "connection", "7.2.0",
      "Controls whether commands sent by the client affect the LRU/LFU of accessed keys.", "ON|OFF",
      "O(1)" },
    { "CLIENT|SETINFO", cmd_client_setinfo, 4, EFFECT | LOADING | STALE | NO_SCRIPT, 0, 0, 0, 0,
      "connection", "7.2.0", "Sets information specific to the client or connection.",
      "LIB-NAME libname|LIB-VER libver", "O(1)" },
    { "CLIENT|SETNAME", cmd_client_setname, 3, EFFECT | LOADING | STALE | NO_SCRIPT, 0, 0, 0, 0,
      "connection", "2.6.9", "Set the current connection name", "connection-name", "O(1)" },
    { "COMMAND", cmd_command, -1, LOADING | STALE | CAT_CONNECTION | CONTAINER, 0, 0, 0, 0,
      "server", "2.8.13", "Get array of Redis command details", "",
      "O(N) where N is the total number of Redis commands" },
    { "COMMAND|COUNT", cmd_command_count, 2, LOADING | STALE | CAT_CONNECTION, 0, 0, 0, 0, "server",
      "2.8.13", "Get total number of Redis commands", "", "O(1)" },
    { "COMMAND|DOCS", cmd_command_docs, -2, LOADING | STALE | CAT_CONNECTION, 0, 0, 0, 0, "server",
      "7.0.0", "Get array of specific Redis command documentation",
      "[command-name [command-name ...]]", "O(N) where N is the number of commands to look up" },
    { "COMMAND|GETKEYS", cmd_command_getkeys, -4, LOADING | STALE | CAT_CONNECTION, 0, 0, 0, 0,
      "server", "2.8.13", "Extract keys given a full Redis command", "",
      "O(N) where N is the number of arguments to the command" },
    { "COMMAND|GETKEYSANDFLAGS", cmd_command_getkeysandflags, -4, LOADING | STALE | CAT_CONNECTION,
      0, 0, 0, 0, "server", "7.0.0", "Extract keys and access flags given a full Redis command", "",
      "O(N) where N is the number of arguments to the command" },
    { "COMMAND|HELP", cmd_command_help, 2, LOADING | STALE | CAT_CONNECTION, 0, 0, 0, 0, "server",
      "5.0.0", "Show helpful text about the different subcommands", "", "O(1)" },
    { "COMMAND|INFO", cmd_command_info, -2, LOADING | STALE | CAT_CONNECTION, 0, 0, 0, 0, "server",
      "2.8.13", "Get array of specific Redis command details, or all when no argument is given.",
      "[command-name [command-name ...]]", "O(N) where N is the number of commands to look up" },
    { "COMMAND|LIST", cmd_command_list, -2, LOADING | STALE | CAT_CONNECTION, 0, 0, 0, 0, "server",
      "7.0.0", "Get an array of Redis command names",
      "[FILTERBY MODULE module-name|ACLCAT category|PATTERN pattern]",
      "O(N) where N is the total number of Redis commands" },
    { "CONFIG", NULL, -2, CONTAINER, 0, 0, 0, 0, "server", "2.0.0",
      "A container for server configuration commands", "", "Depends on subcommand." },
    { "CONFIG|GET", cmd_config_get, -3, ADMIN | LOADING | STALE | NO_SCRIPT, 0, 0, 0, 0, "server",
      "2.0.0", "Get the values of configuration parameters", "parameter [parameter ...]",
      "O(N) when N is the number of configuration parameters provided" },
    { "CONFIG|HELP", cmd_config_help, 2, LOADING | STALE, 0, 0, 0, 0, "server", "5.0.0",
      "Show helpful text about the different subcommands", "", "O(1)" },
    { "CONFIG|RESETSTAT", cmd_config_resetstat, 2, ADMIN | EFFECT | LOADING | STALE | NO_SCRIPT, 0,
      0, 0, 0, "server", "2.0.0", "Reset the stats returned by INFO", "", "O(1)" },
    { "CONFIG|SET", cmd_config_set, -4, ADMIN | EFFECT | LOADING | STALE | NO_SCRIPT, 0, 0, 0, 0,
      "server", "2.0.0", "Set configuration parameters to the given values",
      "parameter value [parameter value ...]",
      "O(N) when N is the number of configuration parameters provided" },
    { "COUNTPREFIX", cmd_countprefix, 2, READONLY | SLOW | DIRECT | OURS, 0, 0, 0, 0, "ordered",
      "0.1.0", "Number of keys that begin with a prefix", "prefix",
      "Depends on the engine; at worst O(N) where N is the number of those keys" },
    { "DBSIZE", cmd_dbsize, 1, READONLY | DIRECT | FAST | CAT_KEYSPACE, 0, 0, 0, 0, "server",
      "1.0.0", "Return the number of keys in the selected database", "", "O(1)" },
    { "DECR", cmd_decr, 2, WRITE | FAST | DENY_OOM, 1, 1, 1, 0, "string", "1.0.0",
      "Decrement the integer value of a key by one", "key", "O(1)" },
    { "DECRBY", cmd_decrby, 3, WRITE | FAST | DENY_OOM, 1, 1, 1, 0, "string", "1.0.0",
      "Decrement the integer value of a key by the given number", "key decrement", "O(1)" },
    { "DEL", cmd_del, -2, WRITE, 1, -1, 1, 0, "generic", "1.0.0", "Delete a key", "key [key ...]",
      "O(N) where N is the number of keys that will be removed. When a key to remove holds a value "
      "other than a string, the individual complexity for this key is O(M) where M is the number "
      "of elements in the list, set, sorted set or hash. Removing a single key that holds a string "
      "value is O(1)." },
    { "DELPREFIX", cmd_delprefix, 2, WRITE | SLOW | OURS, 0, 0, 0, 0, "ordered", "0.1.0",
      "Delete every key that begins with a prefix", "prefix",
      "O(log(N)) for the removal; counting the keys depends on the engine" },
    { "DELRANGE", cmd_delrange, 3, WRITE | SLOW | OURS, 0, 0, 0, 0, "ordered", "0.1.0",
      "Delete every key from start up to, not including, end; bounds as in RANGE", "start end",
      "O(log(N)) for the removal; counting the keys depends on the engine" },
    { "DISCARD", cmd_discard, 1,
      FAST | IN_MULTI | EFFECT | LOADING | STALE | NO_SCRIPT | ALLOW_BUSY, 0, 0, 0, 0,
      "transactions", "2.0.0", "Discard all commands issued after MULTI", "",
      "O(N), when N is the number of queued commands" },
    { "ECHO", cmd_echo, 2, FAST | LOADING | STALE, 0, 0, 0, 0, "connection", "1.0.0",
      "Echo the given string", "message", "O(1)" },
    { "EXEC", cmd_exec, 1, IN_MULTI | EFFECT | LOADING | STALE | NO_SCRIPT | SKIP_SLOWLOG, 0, 0, 0,
      0, "transactions", "1.2.0", "Execute all commands issued after MULTI", "",
      "Depends on commands in the transaction" },
    { "EXISTS", cmd_exists, -2, READONLY | DIRECT | FAST, 1, -1, 1, 0, "generic", "1.0.0",
      "Determine if a key exists", "key [key ...]",
      "O(N) where N is the number of keys to check." },
    { "EXPIRE", cmd_expire, -3, WRITE | FAST, 1, 1, 1, 0, "generic", "1.0.0",
      "Set a key's time to live in seconds", "key seconds [NX|XX|GT|LT]", "O(1)" },
    { "EXPIREAT", cmd_expireat, -3, WRITE | FAST, 1, 1, 1, 0, "generic", "1.2.0",
      "Set the expiration for a key as a UNIX timestamp", "key unix-time-seconds [NX|XX|GT|LT]",
      "O(1)" },
    { "EXPIRETIME", cmd_expiretime, 2, READONLY | FAST | DIRECT, 1, 1, 1, 0, "generic", "7.0.0",
      "Get the expiration Unix timestamp for a key", "key", "O(1)" },
    { "FLUSHALL", cmd_flushall, -1, WRITE | CAT_DANGEROUS | CAT_KEYSPACE, 0, 0, 0, 0, "server",
      "1.0.0", "Remove all keys from all databases", "[ASYNC|SYNC]",
      "O(N) where N is the total number of keys in all databases" },
    { "FLUSHDB", cmd_flushdb, -1, WRITE | CAT_DANGEROUS | CAT_KEYSPACE, 0, 0, 0, 0, "server",
      "1.0.0", "Remove all keys from the current database", "[ASYNC|SYNC]",
      "O(N) where N is the number of keys in the selected database" },
    { "GET", cmd_get, 2, READONLY | DIRECT | FAST, 1, 1, 1, 0, "string", "1.0.0",
      "Get the value of a key", "key", "O(1)" },
    { "GETDEL", cmd_getdel, 2, WRITE | FAST, 1, 1, 1, 0, "string", "6.2.0",
      "Get the value of a key and delete the key", "key", "O(1)" },
    { "GETEX", cmd_getex, -2, WRITE | FAST, 1, 1, 1, 0, "string", "6.2.0",
      "Get the value of a key and optionally set its expiration",
      "key [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|PERSIST]",
      "O(1)" },
    { "GETRANGE", cmd_getrange, 4, READONLY | DIRECT, 1, 1, 1, 0, "string", "2.4.0",
      "Get a substring of the string stored at a key", "key start end",
      "O(N) where N is the length of the returned string. The complexity is ultimately determined "
      "by the returned length, but because creating a substring from an existing string is very "
      "cheap, it can be considered O(1) for small strings." },
    { "GETSET", cmd_getset, 3, WRITE | FAST | DENY_OOM | STREAMS, 1, 1, 1, 2, "string", "1.0.0",
      "Set the string value of a key and return its old value", "key value", "O(1)" },
    { "HELLO", cmd_hello, -1, FAST | NO_AUTH | EFFECT | LOADING | STALE | NO_SCRIPT | ALLOW_BUSY, 0,
      0, 0, 0, "connection", "6.0.0", "Handshake with Redis",
      "[protover [AUTH username password] [SETNAME clientname]]", "O(1)" },
    { "INCR", cmd_incr, 2, WRITE | FAST | DENY_OOM, 1, 1, 1, 0, "string", "1.0.0",
      "Increment the integer value of a key by one", "key", "O(1)" },
    { "INCRBY", cmd_incrby, 3, WRITE | FAST | DENY_OOM, 1, 1, 1, 0, "string", "1.0.0",
      "Increment the integer value of a key by the given amount", "key increment", "O(1)" },
    { "INCRBYFLOAT", cmd_incrbyfloat, 3, WRITE | FAST | DENY_OOM, 1, 1, 1, 0, "string", "2.6.0",
      "Increment the float value of a key by the given amount", "key increment", "O(1)" },
    { "INFO", cmd_info, -1, LOADING | STALE | CAT_DANGEROUS, 0, 0, 0, 0, "server", "1.0.0",
      "Get information and statistics about the server", "[section [section ...]]", "O(1)" },
    { "KEYS", cmd_keys, 2, READONLY | DIRECT | SLOW | CAT_DANGEROUS, 0, 0, 0, 0, "generic", "1.0.0",
      "Find all keys matching the given pattern", "pattern",
      "O(N) with N being the number of keys in the database, under the assumption that the key "
      "names in the database and the given pattern have limited length." },
    { "LASTSAVE", cmd_lastsave, 1, FAST | LOADING | STALE | CAT_ADMIN | CAT_DANGEROUS, 0, 0, 0, 0,
      "server", "1.0.0", "Get the UNIX time stamp of the last successful save to disk", "",
      "O(1)" },
    { "MGET", cmd_mget, -2, READONLY | DIRECT | FAST, 1, -1, 1, 0, "string", "1.0.0",
      "Get the values of all the given keys", "key [key ...]",
      "O(N) where N is the number of keys to retrieve." },
    { "MSET", cmd_mset, -3, WRITE | DENY_OOM, 1, -1, 2, 0, "string", "1.0.1",
      "Set multiple keys to multiple values", "key value [key value ...]",
      "O(N) where N is the number of keys to set." },
    { "MSETNX", cmd_msetnx, -3, WRITE | DENY_OOM, 1, -1, 2, 0, "string", "1.0.1",
      "Set multiple keys to multiple values, only if none of the keys exist",
      "key value [key value ...]", "O(N) where N is the number of keys to set." },
    { "MULTI", cmd_multi, 1, FAST | IN_MULTI | EFFECT | LOADING | STALE | NO_SCRIPT | ALLOW_BUSY, 0,
      0, 0, 0, "transactions", "1.2.0", "Mark the start of a transaction block", "", "O(1)" },
    { "PERSIST", cmd_persist, 2, WRITE | FAST, 1, 1, 1, 0, "generic", "2.2.0",
      "Remove the expiration from a key", "key", "O(1)" },
    { "PEXPIRE", cmd_pexpire, -3, WRITE | FAST, 1, 1, 1, 0, "generic", "2.6.0",
      "Set a key's time to live in milliseconds", "key milliseconds [NX|XX|GT|LT]", "O(1)" },
    { "PEXPIREAT", cmd_pexpireat, -3, WRITE | FAST, 1, 1, 1, 0, "generic", "2.6.0",
      "Set the expiration for a key as a UNIX timestamp specified in milliseconds",
      "key unix-time-milliseconds [NX|XX|GT|LT]", "O(1)" },
    { "PEXPIRETIME", cmd_pexpiretime, 2, READONLY | FAST | DIRECT, 1, 1, 1, 0, "generic", "7.0.0",
      "Get the expiration Unix timestamp for a key in milliseconds", "key", "O(1)" },
    { "PING", cmd_ping, -1, FAST, 0, 0, 0, 0, "connection", "1.0.0", "Ping the server", "[message]",
      "O(1)" },
    { "PREFIX", cmd_prefix, -2, READONLY | DIRECT | OURS, 0, 0, 0, 0, "ordered", "0.1.0",
      "Keys that begin with a prefix, in byte order, with their values",
      "prefix [REV] [LIMIT count] [KEYS|VALUES]",
      "O(log(N)+M) where N is the number of keys and M the number of keys returned" },
    { "PSETEX", cmd_psetex, 4, WRITE | DENY_OOM | STREAMS | DIRECT, 1, 1, 1, 3, "string", "2.6.0",
      "Set the value and expiration in milliseconds of a key", "key milliseconds value", "O(1)" },
    { "PTTL", cmd_pttl, 2, READONLY | DIRECT | FAST, 1, 1, 1, 0, "generic", "2.6.0",
      "Get the time to live for a key in milliseconds", "key", "O(1)" },
    { "QUIT", cmd_quit, -1,
      FAST | NO_AUTH | IN_MULTI | EFFECT | LOADING | STALE | NO_SCRIPT | ALLOW_BUSY, 0, 0, 0, 0,
      "connection", "1.0.0", "Close the connection", "", "O(1)" },
    { "RANDOMKEY", cmd_randomkey, 1, READONLY | DIRECT, 0, 0, 0, 0, "generic", "1.0.0",
      "Return a random key from the keyspace", "", "O(1)" },
    { "RANGE", cmd_range, -3, READONLY | DIRECT | OURS, 0, 0, 0, 0, "ordered", "0.1.0",
      "Keys from start up to, not including, end, in byte order, with their values. [key includes "
      "and (key "
      "leaves out a bound, - is before the first key and + behind the last",
      "start end [REV] [LIMIT count] [KEYS|VALUES]",
      "O(log(N)+M) where N is the number of keys and M the number of keys returned" },
    { "RENAME", cmd_rename, 3, WRITE, 1, 2, 1, 0, "generic", "1.0.0", "Rename a key", "key newkey",
      "O(1)" },
    { "RENAMENX", cmd_renamenx, 3, WRITE | FAST, 1, 2, 1, 0, "generic", "1.0.0",
      "Rename a key, only if the new key does not exist", "key newkey", "O(1)" },
    { "RESET", cmd_reset, 1,
      FAST | NO_AUTH | IN_MULTI | EFFECT | LOADING | STALE | NO_SCRIPT | ALLOW_BUSY, 0, 0, 0, 0,
      "connection", "6.2.0", "Reset the connection", "", "O(1)" },
    { "SAVE", cmd_save, 1, ADMIN | NO_MULTI | SLOW | EFFECT | NO_SCRIPT | NO_ASYNC_LOADING, 0, 0, 0,
      0, "server", "1.0.0", "Synchronously save the dataset to disk", "",
      "O(N) where N is the total number of keys in all databases" },
    { "SCAN", cmd_scan, -2, READONLY | DIRECT, 0, 0, 0, 0, "generic", "2.8.0",
      "Incrementally iterate the keys space", "cursor [MATCH pattern] [COUNT count] [TYPE type]",
      "O(1) for every call. O(N) for a complete iteration, including enough command calls for the "
      "cursor to return back to 0. N is the number of elements inside the collection." },
    { "SELECT", cmd_select, 2, FAST | EFFECT | LOADING | STALE, 0, 0, 0, 0, "connection", "1.0.0",
      "Change the selected database for the current connection", "index", "O(1)" },
    { "SET", cmd_set, -3, WRITE | DENY_OOM | STREAMS | DIRECT, 1, 1, 1, 2, "string", "1.0.0",
      "Set the string value of a key",
      "key value [NX|XX] [GET] [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT "
      "unix-time-milliseconds|KEEPTTL]",
      "O(1)" },
    { "SETEX", cmd_setex, 4, WRITE | DENY_OOM | STREAMS | DIRECT, 1, 1, 1, 3, "string", "2.0.0",
      "Set the value and expiration of a key", "key seconds value", "O(1)" },
    { "SETNX", cmd_setnx, 3, WRITE | FAST | DENY_OOM | STREAMS, 1, 1, 1, 2, "string", "1.0.0",
      "Set the value of a key, only if the key does not exist", "key value", "O(1)" },
    { "SETRANGE", cmd_setrange, 4, WRITE | DENY_OOM, 1, 1, 1, 0, "string", "2.2.0",
      "Overwrite part of a string at key starting at the specified offset", "key offset value",
      "O(1), not counting the time taken to copy the new string in place. Usually, this string is "
      "very small so the amortized complexity is O(1). Otherwise, complexity is O(M) with M being "
      "the length of the value argument." },
    { "SHUTDOWN", cmd_shutdown, -1,
      ADMIN | NO_MULTI | EFFECT | LOADING | STALE | NO_SCRIPT | ALLOW_BUSY, 0, 0, 0, 0, "server",
      "1.0.0", "Synchronously save the dataset to disk and then shut down the server",
      "[NOSAVE|SAVE] [NOW] [FORCE] [ABORT]",
      "O(N) when saving, where N is the total number of keys in all databases when saving data, "
      "otherwise O(1)" },
    { "STRLEN", cmd_strlen, 2, READONLY | DIRECT | FAST, 1, 1, 1, 0, "string", "2.2.0",
      "Get the length of the value stored in a key", "key", "O(1)" },
    { "SUBSTR", cmd_getrange, 4, READONLY | DIRECT, 1, 1, 1, 0, "string", "1.0.0",
      "Get a substring of the string stored at a key", "key start end",
      "O(N) where N is the length of the returned string. The complexity is ultimately determined "
      "by the returned length, but because creating a substring from an existing string is very "
      "cheap, it can be considered O(1) for small strings." },
    { "TIME", cmd_time, 1, FAST | LOADING | STALE, 0, 0, 0, 0, "server", "2.6.0",
      "Return the current server time", "", "O(1)" },
    { "TOUCH", cmd_touch, -2, READONLY | DIRECT | FAST, 1, -1, 1, 0, "generic", "3.2.1",
      "Alters the last access time of a key(s). Returns the number of existing keys specified.",
      "key [key ...]", "O(N) where N is the number of keys that will be touched." },
    { "TTL", cmd_ttl, 2, READONLY | DIRECT | FAST, 1, 1, 1, 0, "generic", "1.0.0",
      "Get the time to live for a key in seconds", "key", "O(1)" },
    { "TYPE", cmd_type, 2, READONLY | DIRECT | FAST, 1, 1, 1, 0, "generic", "1.0.0",
      "Determine the type stored at key", "key", "O(1)" },
    { "UNLINK", cmd_unlink, -2, WRITE | FAST, 1, -1, 1, 0, "generic", "4.0.0",
      "Delete a key asynchronously in another thread. Otherwise it is just as DEL, but non "
      "blocking.",
      "key [key ...]",
      "O(1) for each key removed regardless of its size. Then the command does O(N) work in a "
      "different thread in order to reclaim memory, where N is the number of allocations the "
      "deleted objects where composed of." },
    { "UNWATCH", cmd_unwatch, 1, FAST | EFFECT | LOADING | STALE | NO_SCRIPT | ALLOW_BUSY, 0, 0, 0,
      0, "transactions", "2.2.0", "Forget about all watched keys", "", "O(1)" },
    { "WATCH", cmd_watch, -2, FAST | IN_MULTI | EFFECT | LOADING | STALE | NO_SCRIPT | ALLOW_BUSY,
      1, -1, 1, 0, "transactions", "2.2.0",
      "Watch the given keys to determine execution of the MULTI/EXEC block", "key [key ...]",
      "O(1) for every key." },
};

enum {
    ROW_COUNT = sizeof rows / sizeof rows[0],
    SLOT_COUNT = 512,
    NAME_LEN_MAX = 64 /* of any command's name */
};

static_assert(ROW_COUNT * 4 <= SLOT_COUNT * 2, "the hash stays at most half full");

struct slot {
    uint16_t row_plus_1; /* 0: empty */
    uint16_t name_len;
};

/* Written once, under pthread_once. */
static struct slot slots[SLOT_COUNT];
static pthread_once_t slots_once = PTHREAD_ONCE_INIT;

/* FNV-1a over the letters folded to upper case: names are short, and it is only ever asked about this table. */
static uint32_t name_hash(const char *name, size_t len)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c >= 'a' && c <= 'z')
            c = (unsigned char)(c - 'a' + 'A');
        hash = (hash ^ c) * 16777619u;
    }
    return hash ^ (hash >> 15);
}

static void slots_build(void)
{
    for (size_t row = 0; row < ROW_COUNT; row++) {
        if (strchr(rows[row].name, '|') != NULL)
            continue;
        size_t len = strlen(rows[row].name);
        size_t slot = name_hash(rows[row].name, len) % SLOT_COUNT;
        while (slots[slot].row_plus_1 != 0)
            slot = (slot + 1) % SLOT_COUNT;
        slots[slot] = (struct slot){ (uint16_t)(row + 1), (uint16_t)len };
    }
}

const struct command *command_table(size_t *ret_count)
{
    *ret_count = ROW_COUNT;
    return rows;
}

static const struct command *find_name(struct kvs_bytes name)
{
    CHECK(pthread_once(&slots_once, slots_build) == 0);
    if (name.len > NAME_LEN_MAX)
        return NULL; /* and need not be hashed */
    size_t slot = name_hash(name.data, name.len) % SLOT_COUNT;
    for (; slots[slot].row_plus_1 != 0; slot = (slot + 1) % SLOT_COUNT) {
        const struct command *row = &rows[slots[slot].row_plus_1 - 1];
        if (slots[slot].name_len == name.len &&
            bytes_equal_nocase(name, bytes_of(row->name, name.len)))
            return row;
    }
    return NULL;
}

static const struct command *find_subcommand(const struct command *container, struct kvs_bytes name)
{
    size_t skip = strlen(container->name) + 1;
    for (const struct command *row = container + 1; row < rows + ROW_COUNT; row++) {
        if (strncmp(row->name, container->name, skip - 1) != 0 || row->name[skip - 1] != '|')
            break;
        if (bytes_equal_nocase(name, bytes_str(row->name + skip)))
            return row;
    }
    return NULL;
}

const struct command *command_lookup(const struct kvs_bytes *args, size_t count,
                                     const struct command **ret_container)
{
    *ret_container = NULL;
    if (count == 0)
        return NULL;
    const struct command *row = find_name(args[0]);
    if (row == NULL || count == 1 || (row->flags & COMMAND_CONTAINER) == 0)
        return row;
    *ret_container = row;
    return find_subcommand(row, args[1]);
}
