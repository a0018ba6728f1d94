/*
 * table.c - the one command table, and finding a command in it.
 *
 * Rows stand in name order, subcommands right behind their container. What Redis has too carries its
 * arity, flags and key positions (7.0); the words are ours. Tests hold both to that. Lookup is an open-addressing
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
    PUBSUB = COMMAND_PUBSUB,
};

/* name, function, arity, flags, first key, last key, key step, stream argument, group, since, summary, syntax, complexity */
static const struct command rows[] = {
    { "APPEND", cmd_append, 3, WRITE | FAST | DENY_OOM, 1, 1, 1, 0, "string", "2.0.0",
      "Adds bytes to the end of a string, or sets it; answers the new length", "key value",
      "O(log N + L), N keys stored, L bytes of the new value" },
    { "AUTH", cmd_auth, -2, FAST | NO_AUTH | EFFECT | LOADING | STALE | NO_SCRIPT | ALLOW_BUSY, 0,
      0, 0, 0, "connection", "1.0.0", "Logs in with a password, for a user name if one is given",
      "[username] password", "O(1)" },
    { "BACKUP", cmd_backup, -2,
      ADMIN | NO_MULTI | SLOW | EFFECT | NO_SCRIPT | NO_ASYNC_LOADING | OURS, 0, 0, 0, 0, "server",
      "0.1.0",
      "Writes one version of the whole store into a directory of that name below backup-dir",
      "name [RECORDS] [COPY]", "O(N), N bytes on disk" },
    { "BATCH", cmd_batch, -4, WRITE | DENY_OOM | OURS, 2, -2, 3, 0, "ordered", "0.1.0",
      "Writes to several keys as one, if all conditions hold: 1 when done, 0 when nothing was. A "
      "step "
      "is IF (the key holds the argument), IFVERSION (it has that version; 0: it does not exist), "
      "SET, PEXPIRE, INCRBY or DEL (whose argument is not used), with a key and an argument",
      "step key argument [step key argument ...]", "O(M log N), M steps, N keys stored" },
    { "BGSAVE", cmd_bgsave, -1, ADMIN | EFFECT | NO_SCRIPT | NO_ASYNC_LOADING, 0, 0, 0, 0, "server",
      "1.0.0", "Writes what is not yet on disk, behind the answer", "[SCHEDULE]",
      "O(1); the writing goes on behind" },
    { "BITCOUNT", cmd_bitcount, -2, READONLY | DIRECT, 1, 1, 1, 0, "bitmap", "2.6.0",
      "How many bits of a string are set, in all or from one byte or bit to another",
      "key [start end [BYTE|BIT]]", "O(L), L bytes looked at" },
    { "BITFIELD", cmd_bitfield, -2, WRITE | DENY_OOM, 1, 1, 1, 0, "bitmap", "3.2.0",
      "Reads, sets and adds to integers of 1 to 64 bits anywhere in a string",
      "key [GET type offset|[OVERFLOW WRAP|SAT|FAIL] SET type offset value|INCRBY type offset "
      "increment ...]",
      "O(log N + M), N keys stored, M operations" },
    { "BITFIELD_RO", cmd_bitfield, -2, READONLY | FAST | DIRECT, 1, 1, 1, 0, "bitmap", "6.0.0",
      "Reads integers of 1 to 64 bits anywhere in a string", "key [GET type offset ...]",
      "O(log N + M), N keys stored, M operations" },
    { "BITOP", cmd_bitop, -4, WRITE | DENY_OOM, 2, -1, 1, 0, "bitmap", "2.6.0",
      "Sets a key to strings combined bit by bit (AND, OR, XOR), or to one turned over (NOT)",
      "operation destkey key [key ...]", "O(L), L bytes of the sources" },
    { "BITPOS", cmd_bitpos, -3, READONLY | DIRECT, 1, 1, 1, 0, "bitmap", "2.8.7",
      "Where the first bit of a kind is, in all or from one byte or bit to another",
      "key bit [start [end [BYTE|BIT]]]", "O(L), L bytes looked at" },
    { "CAD", cmd_cad, -3, WRITE | FAST | OURS, 1, 1, 1, 0, "ordered", "0.1.0",
      "Removes a key if it holds the expected value, or has the version: 1 when removed, else 0",
      "key [VERSION] expected", "O(log N), N keys stored" },
    { "CAS", cmd_cas, -4, WRITE | FAST | DENY_OOM | OURS, 1, 1, 1, 0, "ordered", "0.1.0",
      "Sets a key to a new value if it holds the expected one, or has the version (0: does not "
      "exist): 1 when set, else 0",
      "key [VERSION] expected new", "O(log N), N keys stored" },
    { "CLIENT", NULL, -2, CONTAINER, 0, 0, 0, 0, "connection", "2.4.0",
      "Connections: listing, naming, closing", "", "as the subcommand" },
    { "CLIENT|CACHING", cmd_client_caching, 3, EFFECT | LOADING | STALE | NO_SCRIPT, 0, 0, 0, 0,
      "connection", "6.0.0",
      "Says whether the keys of the next command are to be tracked, in the modes OPTIN and OPTOUT",
      "YES|NO", "O(1)" },
    { "CLIENT|GETNAME", cmd_client_getname, 2, LOADING | STALE | NO_SCRIPT, 0, 0, 0, 0,
      "connection", "2.6.9", "Name of this connection, or nil", "", "O(1)" },
    { "CLIENT|GETREDIR", cmd_client_getredir, 2, LOADING | STALE | NO_SCRIPT, 0, 0, 0, 0,
      "connection", "6.0.0",
      "Number of the connection that invalidations are sent to: 0 for this one, -1 without "
      "tracking",
      "", "O(1)" },
    { "CLIENT|HELP", cmd_client_help, 2, LOADING | STALE, 0, 0, 0, 0, "connection", "5.0.0",
      "Lists the subcommands of CLIENT", "", "O(1)" },
    { "CLIENT|ID", cmd_client_id, 2, LOADING | STALE | NO_SCRIPT, 0, 0, 0, 0, "connection", "5.0.0",
      "Number of this connection, never used twice while the server runs", "", "O(1)" },
    { "CLIENT|INFO", cmd_client_info, 2, LOADING | STALE | NO_SCRIPT, 0, 0, 0, 0, "connection",
      "6.2.0", "This connection, in the form of CLIENT LIST", "", "O(1)" },
    { "CLIENT|KILL", cmd_client_kill, -3, ADMIN | EFFECT | LOADING | STALE | NO_SCRIPT, 0, 0, 0, 0,
      "connection", "2.4.0",
      "Closes the connection from an address, or all that pass every filter given",
      "ip:port|[ID client-id] [TYPE NORMAL|MASTER|SLAVE|REPLICA|PUBSUB] [USER username] [ADDR "
      "ip:port] [LADDR ip:port] [SKIPME yes|no]",
      "O(N), N connections" },
    { "CLIENT|LIST", cmd_client_list, -2, ADMIN | LOADING | STALE | NO_SCRIPT, 0, 0, 0, 0,
      "connection", "2.4.0", "One line about each connection",
      "[TYPE NORMAL|MASTER|REPLICA|PUBSUB] [ID client-id [client-id ...]]", "O(N), N connections" },
    { "CLIENT|NO-EVICT", cmd_client_no_evict, 3, ADMIN | EFFECT | LOADING | STALE | NO_SCRIPT, 0, 0,
      0, 0, "connection", "7.0.0",
      "Accepted without effect: no connection is closed to save memory of others", "ON|OFF",
      "O(1)" },
    { "CLIENT|NO-TOUCH", cmd_client_no_touch, 3, EFFECT | LOADING | STALE | NO_SCRIPT, 0, 0, 0, 0,
      "connection", "7.2.0", "Accepted without effect: when a key was last used is not kept",
      "ON|OFF", "O(1)" },
    { "CLIENT|PAUSE", cmd_client_pause, -3, ADMIN | EFFECT | LOADING | STALE | NO_SCRIPT, 0, 0, 0,
      0, "connection", "2.9.50",
      "Lets commands wait for so many milliseconds, all of them or those that write",
      "timeout [WRITE|ALL]", "O(1)" },
    { "CLIENT|REPLY", cmd_client_reply, 3, EFFECT | LOADING | STALE | NO_SCRIPT, 0, 0, 0, 0,
      "connection", "3.2.0", "Switches answers to this connection off or on, or skips the next one",
      "ON|OFF|SKIP", "O(1)" },
    { "CLIENT|SETINFO", cmd_client_setinfo, 4, EFFECT | LOADING | STALE | NO_SCRIPT, 0, 0, 0, 0,
      "connection", "7.2.0", "Notes name or version of the client library, for CLIENT LIST",
      "LIB-NAME libname|LIB-VER libver", "O(1)" },
    { "CLIENT|SETNAME", cmd_client_setname, 3, EFFECT | LOADING | STALE | NO_SCRIPT, 0, 0, 0, 0,
      "connection", "2.6.9", "Names this connection", "connection-name", "O(1)" },
    { "CLIENT|TRACKING", cmd_client_tracking, -3, EFFECT | LOADING | STALE | NO_SCRIPT, 0, 0, 0, 0,
      "connection", "6.0.0",
      "Tells this connection, or another one, when keys that it has read are changed",
      "ON|OFF [REDIRECT client-id] [PREFIX prefix] [PREFIX prefix ...] [BCAST] [OPTIN] [OPTOUT] "
      "[NOLOOP]",
      "O(1)" },
    { "CLIENT|TRACKINGINFO", cmd_client_trackinginfo, 2, LOADING | STALE | NO_SCRIPT, 0, 0, 0, 0,
      "connection", "6.2.0", "How this connection tracks keys", "", "O(1)" },
    { "CLIENT|UNBLOCK", cmd_client_unblock, -3, ADMIN | EFFECT | LOADING | STALE | NO_SCRIPT, 0, 0,
      0, 0, "connection", "5.0.0",
      "Ends the waiting of another connection; none ever waits here, so it answers 0",
      "client-id [TIMEOUT|ERROR]", "O(1)" },
    { "CLIENT|UNPAUSE", cmd_client_unpause, 2, ADMIN | EFFECT | LOADING | STALE | NO_SCRIPT, 0, 0,
      0, 0, "connection", "6.2.0", "Ends CLIENT PAUSE", "", "O(1)" },
    { "COMMAND", cmd_command, -1, LOADING | STALE | CAT_CONNECTION | CONTAINER, 0, 0, 0, 0,
      "server", "2.8.13", "All commands with arity, flags and key positions", "",
      "O(N), N commands" },
    { "COMMAND|COUNT", cmd_command_count, 2, LOADING | STALE | CAT_CONNECTION, 0, 0, 0, 0, "server",
      "2.8.13", "How many commands there are", "", "O(1)" },
    { "COMMAND|DOCS", cmd_command_docs, -2, LOADING | STALE | CAT_CONNECTION, 0, 0, 0, 0, "server",
      "7.0.0", "Words, arguments and options of commands, all if none is named",
      "[command-name [command-name ...]]", "O(N), N commands answered" },
    { "COMMAND|GETKEYS", cmd_command_getkeys, -4, LOADING | STALE | CAT_CONNECTION, 0, 0, 0, 0,
      "server", "2.8.13", "Picks the keys out of a command line", "", "O(N), N arguments" },
    { "COMMAND|GETKEYSANDFLAGS", cmd_command_getkeysandflags, -4, LOADING | STALE | CAT_CONNECTION,
      0, 0, 0, 0, "server", "7.0.0",
      "Picks the keys out of a command line, and tells what is done with each", "",
      "O(N), N arguments" },
    { "COMMAND|HELP", cmd_command_help, 2, LOADING | STALE | CAT_CONNECTION, 0, 0, 0, 0, "server",
      "5.0.0", "Lists the subcommands of COMMAND", "", "O(1)" },
    { "COMMAND|INFO", cmd_command_info, -2, LOADING | STALE | CAT_CONNECTION, 0, 0, 0, 0, "server",
      "2.8.13", "Arity, flags and key positions of commands, all if none is named",
      "[command-name [command-name ...]]", "O(N), N commands answered" },
    { "COMMAND|LIST", cmd_command_list, -2, LOADING | STALE | CAT_CONNECTION, 0, 0, 0, 0, "server",
      "7.0.0", "Names of commands, all or those that pass a filter",
      "[FILTERBY MODULE module-name|ACLCAT category|PATTERN pattern]", "O(N), N commands" },
    { "CONFIG", NULL, -2, CONTAINER, 0, 0, 0, 0, "server", "2.0.0", "Settings of the server", "",
      "as the subcommand" },
    { "CONFIG|GET", cmd_config_get, -3, ADMIN | LOADING | STALE | NO_SCRIPT, 0, 0, 0, 0, "server",
      "2.0.0", "Settings whose names match a pattern, with their values",
      "parameter [parameter ...]", "O(N), N patterns" },
    { "CONFIG|HELP", cmd_config_help, 2, LOADING | STALE, 0, 0, 0, 0, "server", "5.0.0",
      "Lists the subcommands of CONFIG", "", "O(1)" },
    { "CONFIG|RESETSTAT", cmd_config_resetstat, 2, ADMIN | EFFECT | LOADING | STALE | NO_SCRIPT, 0,
      0, 0, 0, "server", "2.0.0", "Sets the counters of INFO back to zero", "", "O(1)" },
    { "CONFIG|SET", cmd_config_set, -4, ADMIN | EFFECT | LOADING | STALE | NO_SCRIPT, 0, 0, 0, 0,
      "server", "2.0.0", "Changes settings, all of them or, on an error, none",
      "parameter value [parameter value ...]", "O(N), N settings given" },
    { "COPY", cmd_copy, -3, WRITE | DENY_OOM, 1, 2, 1, 0, "generic", "6.2.0",
      "Copies value and expiry to another key, of another key space too: 1 when copied, else 0",
      "source destination [DB destination-db] [REPLACE]",
      "O(log N + L), N keys stored, L bytes of the value" },
    { "COUNTPREFIX", cmd_countprefix, 2, READONLY | SLOW | DIRECT | OURS, 0, 0, 0, 0, "ordered",
      "0.1.0", "How many keys begin with a prefix", "prefix",
      "O(log N + M), N keys stored, M counted" },
    { "DBSIZE", cmd_dbsize, 1, READONLY | DIRECT | FAST | CAT_KEYSPACE, 0, 0, 0, 0, "server",
      "1.0.0", "How many keys the selected key space holds", "",
      "O(1); O(N), N keys, while a removed range is being cleared" },
    { "DECR", cmd_decr, 2, WRITE | FAST | DENY_OOM, 1, 1, 1, 0, "string", "1.0.0",
      "Subtracts one from the integer at a key; a missing key counts as 0", "key",
      "O(log N), N keys stored" },
    { "DECRBY", cmd_decrby, 3, WRITE | FAST | DENY_OOM, 1, 1, 1, 0, "string", "1.0.0",
      "Subtracts from the integer at a key; a missing key counts as 0", "key decrement",
      "O(log N), N keys stored" },
    { "DEL", cmd_del, -2, WRITE, 1, -1, 1, 0, "generic", "1.0.0",
      "Removes keys; answers how many there were", "key [key ...]",
      "O(M log N), M keys given, N stored" },
    { "DELPREFIX", cmd_delprefix, -2, WRITE | OURS, 0, 0, 0, 0, "ordered", "0.1.0",
      "Removes every key that begins with a prefix, in one step; answers how many, which takes "
      "going "
      "through them, or, with NOCOUNT, OK at once",
      "prefix [NOCOUNT]", "O(log N + M), N keys stored, M counted; with NOCOUNT O(log N)" },
    { "DELRANGE", cmd_delrange, -3, WRITE | OURS, 0, 0, 0, 0, "ordered", "0.1.0",
      "Removes every key from start up to, not including, end, in one step, as DELPREFIX; bounds "
      "as "
      "in RANGE",
      "start end [NOCOUNT]", "O(log N + M), N keys stored, M counted; with NOCOUNT O(log N)" },
    { "DISCARD", cmd_discard, 1,
      FAST | IN_MULTI | EFFECT | LOADING | STALE | NO_SCRIPT | ALLOW_BUSY, 0, 0, 0, 0,
      "transactions", "2.0.0", "Ends a transaction without running what was queued", "",
      "O(N), N commands queued" },
    { "DUMP", cmd_dump, 2, READONLY | DIRECT, 1, 1, 1, 0, "generic", "2.6.0",
      "The value of a key as RESTORE takes it, here or in Redis", "key",
      "O(log N + L), N keys stored, L bytes of the value" },
    { "ECHO", cmd_echo, 2, FAST | LOADING | STALE, 0, 0, 0, 0, "connection", "1.0.0",
      "Answers its argument", "message", "O(1)" },
    { "EXEC", cmd_exec, 1, IN_MULTI | EFFECT | LOADING | STALE | NO_SCRIPT | SKIP_SLOWLOG, 0, 0, 0,
      0, "transactions", "1.2.0",
      "Runs what was queued since MULTI as one transaction; nil if a watched key has changed", "",
      "as the queued commands together" },
    { "EXISTS", cmd_exists, -2, READONLY | DIRECT | FAST, 1, -1, 1, 0, "generic", "1.0.0",
      "How many of the given keys exist; a key given twice counts twice", "key [key ...]",
      "O(M log N), M keys given, N stored" },
    { "EXPIRE", cmd_expire, -3, WRITE | FAST, 1, 1, 1, 0, "generic", "1.0.0",
      "Gives a key a time to live in seconds, with conditions on the one it has",
      "key seconds [NX|XX|GT|LT]", "O(log N), N keys stored" },
    { "EXPIREAT", cmd_expireat, -3, WRITE | FAST, 1, 1, 1, 0, "generic", "1.2.0",
      "Lets a key expire at a Unix time in seconds, with conditions on the time it has",
      "key unix-time-seconds [NX|XX|GT|LT]", "O(log N), N keys stored" },
    { "EXPIRETIME", cmd_expiretime, 2, READONLY | FAST | DIRECT, 1, 1, 1, 0, "generic", "7.0.0",
      "Unix time in seconds at which a key expires; -1: never, -2: no such key", "key",
      "O(log N), N keys stored" },
    { "FLUSHALL", cmd_flushall, -1, WRITE | CAT_DANGEROUS | CAT_KEYSPACE, 0, 0, 0, 0, "server",
      "1.0.0", "Removes all keys of all key spaces in one step", "[ASYNC|SYNC]",
      "O(1); the space comes back later" },
    { "FLUSHDB", cmd_flushdb, -1, WRITE | CAT_DANGEROUS | CAT_KEYSPACE, 0, 0, 0, 0, "server",
      "1.0.0", "Removes all keys of the selected key space in one step", "[ASYNC|SYNC]",
      "O(1); the space comes back later" },
    { "GET", cmd_get, 2, READONLY | DIRECT | FAST, 1, 1, 1, 0, "string", "1.0.0",
      "Value of a key, or nil", "key", "O(log N), N keys stored" },
    { "GETBIT", cmd_getbit, 3, READONLY | FAST | DIRECT, 1, 1, 1, 0, "bitmap", "2.2.0",
      "The bit of a string at an offset; 0 behind its end", "key offset",
      "O(log N), N keys stored" },
    { "GETDEL", cmd_getdel, 2, WRITE | FAST, 1, 1, 1, 0, "string", "6.2.0",
      "Value of a key, which is removed", "key", "O(log N), N keys stored" },
    { "GETEX", cmd_getex, -2, WRITE | FAST, 1, 1, 1, 0, "string", "6.2.0",
      "Value of a key, whose expiry can be set or taken away",
      "key [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT unix-time-milliseconds|PERSIST]",
      "O(log N), N keys stored" },
    { "GETRANGE", cmd_getrange, 4, READONLY | DIRECT, 1, 1, 1, 0, "string", "2.4.0",
      "Part of a string, both ends included; negative offsets count from its end", "key start end",
      "O(log N + L), N keys stored, L bytes answered" },
    { "GETSET", cmd_getset, 3, WRITE | FAST | DENY_OOM | STREAMS, 1, 1, 1, 2, "string", "1.0.0",
      "Sets a key to a string; answers what it held before", "key value",
      "O(log N), N keys stored" },
    { "GETV", cmd_getv, 2, READONLY | FAST | DIRECT | OURS, 1, 1, 1, 0, "ordered", "0.1.0",
      "Version and value of a key, or nil; the version is another after each write to the key",
      "key", "O(log N), N keys stored" },
    { "HELLO", cmd_hello, -1, FAST | NO_AUTH | EFFECT | LOADING | STALE | NO_SCRIPT | ALLOW_BUSY, 0,
      0, 0, 0, "connection", "6.0.0",
      "Chooses RESP2 or RESP3, logs in and names the connection; answers what the server is",
      "[protover [AUTH username password] [SETNAME clientname]]", "O(1)" },
    { "INCR", cmd_incr, 2, WRITE | FAST | DENY_OOM, 1, 1, 1, 0, "string", "1.0.0",
      "Adds one to the integer at a key; a missing key counts as 0", "key",
      "O(log N), N keys stored" },
    { "INCRBY", cmd_incrby, 3, WRITE | FAST | DENY_OOM, 1, 1, 1, 0, "string", "1.0.0",
      "Adds to the integer at a key; a missing key counts as 0", "key increment",
      "O(log N), N keys stored" },
    { "INCRBYFLOAT", cmd_incrbyfloat, 3, WRITE | FAST | DENY_OOM, 1, 1, 1, 0, "string", "2.6.0",
      "Adds to the decimal number at a key; a missing key counts as 0", "key increment",
      "O(log N), N keys stored" },
    { "INFO", cmd_info, -1, LOADING | STALE | CAT_DANGEROUS, 0, 0, 0, 0, "server", "1.0.0",
      "State and counters of the server, all or by section", "[section [section ...]]", "O(1)" },
    { "KEYS", cmd_keys, 2, READONLY | DIRECT | SLOW | CAT_DANGEROUS, 0, 0, 0, 0, "generic", "1.0.0",
      "All keys that match a pattern, in byte order", "pattern",
      "O(N), N keys that begin like the pattern up to its first wildcard" },
    { "LASTSAVE", cmd_lastsave, 1, FAST | LOADING | STALE | CAT_ADMIN | CAT_DANGEROUS, 0, 0, 0, 0,
      "server", "1.0.0", "Unix time of the last successful SAVE or BGSAVE", "", "O(1)" },
    { "LCS", cmd_lcs, -3, READONLY, 1, 2, 1, 0, "string", "7.0.0",
      "Longest common subsequence of two strings, its length, or where it lies in both",
      "key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]",
      "O(L * M), L and M bytes of the two strings" },
    { "MEMORY", NULL, -2, CONTAINER, 0, 0, 0, 0, "server", "4.0.0", "Figures of memory", "",
      "as the subcommand" },
    { "MEMORY|DOCTOR", cmd_memory_doctor, 2, NONE, 0, 0, 0, 0, "server", "4.0.0",
      "Says that all is well: memory is one budget here", "", "O(1)" },
    { "MEMORY|HELP", cmd_memory_help, 2, LOADING | STALE, 0, 0, 0, 0, "server", "4.0.0",
      "Lists the subcommands of MEMORY", "", "O(1)" },
    { "MEMORY|MALLOC-STATS", cmd_memory_malloc_stats, 2, NONE, 0, 0, 0, 0, "server", "4.0.0",
      "Answers that the allocator has none to show", "", "O(1)" },
    { "MEMORY|PURGE", cmd_memory_purge, 2, SLOW, 0, 0, 0, 0, "server", "4.0.0",
      "Asks the allocator to give back what is free", "", "O(M), M bytes allocated" },
    { "MEMORY|STATS", cmd_memory_stats, 2, NONE, 0, 0, 0, 0, "server", "4.0.0",
      "Use of memory, under the names of Redis", "", "O(1)" },
    { "MEMORY|USAGE", cmd_memory_usage, -3, READONLY | DIRECT, 2, 2, 1, 0, "server", "4.0.0",
      "About how many bytes a key and its value take, on disk and in the index",
      "key [SAMPLES count]", "O(log N), N keys stored" },
    { "MGET", cmd_mget, -2, READONLY | DIRECT | FAST, 1, -1, 1, 0, "string", "1.0.0",
      "Values of several keys at one moment, nil for those that do not exist", "key [key ...]",
      "O(M log N), M keys given, N stored" },
    { "MONITOR", cmd_monitor, 1, ADMIN | EFFECT | LOADING | STALE | NO_SCRIPT, 0, 0, 0, 0, "server",
      "1.0.0", "Shows every command of all connections from now on", "", "O(1)" },
    { "MOVE", cmd_move, 3, WRITE | FAST, 1, 1, 1, 0, "generic", "1.0.0",
      "Moves a key to another key space, unless it exists there: 1 when moved, else 0", "key db",
      "O(log N + L), N keys stored, L bytes of the value" },
    { "MSET", cmd_mset, -3, WRITE | DENY_OOM, 1, -1, 2, 0, "string", "1.0.1",
      "Sets several keys at once", "key value [key value ...]",
      "O(M log N), M keys given, N stored" },
    { "MSETNX", cmd_msetnx, -3, WRITE | DENY_OOM, 1, -1, 2, 0, "string", "1.0.1",
      "Sets several keys at once if none of them exists: 1 when set, else 0",
      "key value [key value ...]", "O(M log N), M keys given, N stored" },
    { "MULTI", cmd_multi, 1, FAST | IN_MULTI | EFFECT | LOADING | STALE | NO_SCRIPT | ALLOW_BUSY, 0,
      0, 0, 0, "transactions", "1.2.0", "Begins a transaction: what follows is queued until EXEC",
      "", "O(1)" },
    { "OBJECT", NULL, -2, CONTAINER, 0, 0, 0, 0, "generic", "2.2.3",
      "What Redis tells of the inside of a value", "", "as the subcommand" },
    { "OBJECT|ENCODING", cmd_object_encoding, 3, READONLY | DIRECT, 2, 2, 1, 0, "generic", "2.2.3",
      "How Redis would hold the value: int, embstr or raw", "key", "O(log N), N keys stored" },
    { "OBJECT|FREQ", cmd_object_freq, 3, READONLY | DIRECT, 2, 2, 1, 0, "generic", "4.0.0",
      "An error: how often a key is used is not kept", "key", "O(log N), N keys stored" },
    { "OBJECT|HELP", cmd_object_help, 2, LOADING | STALE | CAT_KEYSPACE, 0, 0, 0, 0, "generic",
      "6.2.0", "Lists the subcommands of OBJECT", "", "O(1)" },
    { "OBJECT|IDLETIME", cmd_object_idletime, 3, READONLY | DIRECT, 2, 2, 1, 0, "generic", "2.2.3",
      "0: when a key was last used is not kept", "key", "O(log N), N keys stored" },
    { "OBJECT|REFCOUNT", cmd_object_refcount, 3, READONLY | DIRECT, 2, 2, 1, 0, "generic", "2.2.3",
      "References to the value in Redis: 2147483647 for integers below 10000, else 1", "key",
      "O(log N), N keys stored" },
    { "PERSIST", cmd_persist, 2, WRITE | FAST, 1, 1, 1, 0, "generic", "2.2.0",
      "Takes the expiry from a key: 1 when it had one, else 0", "key", "O(log N), N keys stored" },
    { "PEXPIRE", cmd_pexpire, -3, WRITE | FAST, 1, 1, 1, 0, "generic", "2.6.0",
      "Gives a key a time to live in milliseconds, with conditions on the one it has",
      "key milliseconds [NX|XX|GT|LT]", "O(log N), N keys stored" },
    { "PEXPIREAT", cmd_pexpireat, -3, WRITE | FAST, 1, 1, 1, 0, "generic", "2.6.0",
      "Lets a key expire at a Unix time in milliseconds, with conditions on the time it has",
      "key unix-time-milliseconds [NX|XX|GT|LT]", "O(log N), N keys stored" },
    { "PEXPIRETIME", cmd_pexpiretime, 2, READONLY | FAST | DIRECT, 1, 1, 1, 0, "generic", "7.0.0",
      "Unix time in milliseconds at which a key expires; -1: never, -2: no such key", "key",
      "O(log N), N keys stored" },
    { "PING", cmd_ping, -1, FAST, 0, 0, 0, 0, "connection", "1.0.0",
      "Answers PONG, or its argument", "[message]", "O(1)" },
    { "PREFIX", cmd_prefix, -2, READONLY | DIRECT | OURS, 0, 0, 0, 0, "ordered", "0.1.0",
      "Keys that begin with a prefix, in byte order, with their values; with CURSOR as RANGE",
      "prefix [REV] [LIMIT count] [KEYS|VALUES] [CURSOR cursor]",
      "O(log N + M), N keys stored, M answered" },
    { "PSETEX", cmd_psetex, 4, WRITE | DENY_OOM | STREAMS | DIRECT, 1, 1, 1, 3, "string", "2.6.0",
      "Sets a key to a string that expires after milliseconds", "key milliseconds value",
      "O(log N), N keys stored" },
    { "PSUBSCRIBE", cmd_psubscribe, -2, PUBSUB | EFFECT | LOADING | STALE | NO_SCRIPT, 0, 0, 0, 0,
      "pubsub", "2.0.0", "Listens to all channels whose names match one of the patterns",
      "pattern [pattern ...]", "O(N), N patterns given" },
    { "PTTL", cmd_pttl, 2, READONLY | DIRECT | FAST, 1, 1, 1, 0, "generic", "2.6.0",
      "Milliseconds until a key expires; -1: never, -2: no such key", "key",
      "O(log N), N keys stored" },
    { "PUBLISH", cmd_publish, 3, PUBSUB | EFFECT | FAST | LOADING | STALE, 0, 0, 0, 0, "pubsub",
      "2.0.0", "Sends a message to all that listen to a channel; answers how many there are",
      "channel message", "O(N + M), N listeners, M patterns listened to" },
    { "PUBSUB", NULL, -2, CONTAINER, 0, 0, 0, 0, "pubsub", "2.8.0",
      "Channels and patterns: what is listened to", "", "as the subcommand" },
    { "PUBSUB|CHANNELS", cmd_pubsub_channels, -2, PUBSUB | LOADING | STALE, 0, 0, 0, 0, "pubsub",
      "2.8.0", "Channels that somebody listens to, all or those that match", "[pattern]",
      "O(N), N channels" },
    { "PUBSUB|HELP", cmd_pubsub_help, 2, LOADING | STALE, 0, 0, 0, 0, "pubsub", "6.2.0",
      "Lists the subcommands of PUBSUB", "", "O(1)" },
    { "PUBSUB|NUMPAT", cmd_pubsub_numpat, 2, PUBSUB | LOADING | STALE, 0, 0, 0, 0, "pubsub",
      "2.8.0", "How many patterns are listened to", "", "O(1)" },
    { "PUBSUB|NUMSUB", cmd_pubsub_numsub, -2, PUBSUB | LOADING | STALE, 0, 0, 0, 0, "pubsub",
      "2.8.0", "How many listen to each of the channels, patterns not counted",
      "[channel [channel ...]]", "O(N), N channels given" },
    { "PUBSUB|SHARDCHANNELS", cmd_pubsub_shardchannels, -2, PUBSUB | LOADING | STALE, 0, 0, 0, 0,
      "pubsub", "7.0.0", "Shard channels that somebody listens to, all or those that match",
      "[pattern]", "O(N), N shard channels" },
    { "PUBSUB|SHARDNUMSUB", cmd_pubsub_shardnumsub, -2, PUBSUB | LOADING | STALE, 0, 0, 0, 0,
      "pubsub", "7.0.0", "How many listen to each of the shard channels",
      "[shardchannel [shardchannel ...]]", "O(N), N shard channels given" },
    { "PUNSUBSCRIBE", cmd_punsubscribe, -1, PUBSUB | EFFECT | LOADING | STALE | NO_SCRIPT, 0, 0, 0,
      0, "pubsub", "2.0.0", "Listens to patterns no more, all if none is named",
      "[pattern [pattern ...]]", "O(N), N patterns" },
    { "QUIT", cmd_quit, -1,
      FAST | NO_AUTH | IN_MULTI | EFFECT | LOADING | STALE | NO_SCRIPT | ALLOW_BUSY, 0, 0, 0, 0,
      "connection", "1.0.0", "Answers OK and closes the connection", "", "O(1)" },
    { "RANDOMKEY", cmd_randomkey, 1, READONLY | DIRECT, 0, 0, 0, 0, "generic", "1.0.0",
      "Some key of the selected key space, or nil if it is empty", "", "O(log N), N keys stored" },
    { "RANGE", cmd_range, -3, READONLY | DIRECT | OURS, 0, 0, 0, 0, "ordered", "0.1.0",
      "Keys from start up to, not including, end, in byte order, with their values. [key includes "
      "and (key leaves out a bound, - is before the first key and + behind the last. With CURSOR 0 "
      "it answers a cursor and, unless LIMIT says, 100 keys; the cursor goes on there, at any "
      "time, "
      "and is 0 when there is no more",
      "start end [REV] [LIMIT count] [KEYS|VALUES] [CURSOR cursor]",
      "O(log N + M), N keys stored, M answered" },
    { "RENAME", cmd_rename, 3, WRITE, 1, 2, 1, 0, "generic", "1.0.0",
      "Moves value and expiry to another key, replacing what it holds", "key newkey",
      "O(log N + L), N keys stored, L bytes of the value" },
    { "RENAMENX", cmd_renamenx, 3, WRITE | FAST, 1, 2, 1, 0, "generic", "1.0.0",
      "Moves value and expiry to a key that does not exist: 1 when moved, else 0", "key newkey",
      "O(log N + L), N keys stored, L bytes of the value" },
    { "RESET", cmd_reset, 1,
      FAST | NO_AUTH | IN_MULTI | EFFECT | LOADING | STALE | NO_SCRIPT | ALLOW_BUSY, 0, 0, 0, 0,
      "connection", "6.2.0",
      "Makes the connection as new: no transaction, no name, RESP2, key space 0, logged out", "",
      "O(1)" },
    { "RESTORE", cmd_restore, -4, WRITE | DENY_OOM | CAT_DANGEROUS, 1, 1, 1, 0, "generic", "2.6.0",
      "Makes a key from what DUMP answered, here or in Redis, with a time to live",
      "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]",
      "O(log N + L), N keys stored, L bytes of the value" },
    { "SAVE", cmd_save, 1, ADMIN | NO_MULTI | SLOW | EFFECT | NO_SCRIPT | NO_ASYNC_LOADING, 0, 0, 0,
      0, "server", "1.0.0", "Writes what is not yet on disk, and waits for it", "",
      "O(L), L bytes to write" },
    { "SCAN", cmd_scan, -2, READONLY | DIRECT, 0, 0, 0, 0, "generic", "2.8.0",
      "Some keys, and a cursor to go on with until it is 0",
      "cursor [MATCH pattern] [COUNT count] [TYPE type]",
      "O(log N + M) each time, N keys stored, M looked at" },
    { "SELECT", cmd_select, 2, FAST | EFFECT | LOADING | STALE, 0, 0, 0, 0, "connection", "1.0.0",
      "Chooses the key space, 0 to 15, for this connection", "index", "O(1)" },
    { "SET", cmd_set, -3, WRITE | DENY_OOM | STREAMS | DIRECT, 1, 1, 1, 2, "string", "1.0.0",
      "Sets a key to a string, with options for expiry and conditions",
      "key value [NX|XX] [GET] [EX seconds|PX milliseconds|EXAT unix-time-seconds|PXAT "
      "unix-time-milliseconds|KEEPTTL]",
      "O(log N), N keys stored" },
    { "SETBIT", cmd_setbit, 4, WRITE | DENY_OOM, 1, 1, 1, 0, "bitmap", "2.2.0",
      "Sets a bit of a string, with zeros up to the offset; answers what it was",
      "key offset value", "O(log N + L), N keys stored, L bytes of the value" },
    { "SETEX", cmd_setex, 4, WRITE | DENY_OOM | STREAMS | DIRECT, 1, 1, 1, 3, "string", "2.0.0",
      "Sets a key to a string that expires after seconds", "key seconds value",
      "O(log N), N keys stored" },
    { "SETNX", cmd_setnx, 3, WRITE | FAST | DENY_OOM | STREAMS, 1, 1, 1, 2, "string", "1.0.0",
      "Sets a key to a string if it does not exist: 1 when set, else 0", "key value",
      "O(log N), N keys stored" },
    { "SETRANGE", cmd_setrange, 4, WRITE | DENY_OOM, 1, 1, 1, 0, "string", "2.2.0",
      "Writes over part of a string, with zeros up to the offset; answers its length",
      "key offset value", "O(log N + L), N keys stored, L bytes of the new value" },
    { "SHUTDOWN", cmd_shutdown, -1,
      ADMIN | NO_MULTI | EFFECT | LOADING | STALE | NO_SCRIPT | ALLOW_BUSY, 0, 0, 0, 0, "server",
      "1.0.0", "Stops the server when what was acknowledged is on disk",
      "[NOSAVE|SAVE] [NOW] [FORCE] [ABORT]", "O(L), L bytes to write" },
    { "SLOWLOG", NULL, -2, CONTAINER, 0, 0, 0, 0, "server", "2.2.12", "Commands that took long", "",
      "as the subcommand" },
    { "SLOWLOG|GET", cmd_slowlog_get, -2, ADMIN | LOADING | STALE, 0, 0, 0, 0, "server", "2.2.12",
      "The newest entries: number, Unix time, microseconds, arguments, client; -1 for all",
      "[count]", "O(N), N entries answered" },
    { "SLOWLOG|HELP", cmd_slowlog_help, 2, LOADING | STALE, 0, 0, 0, 0, "server", "6.2.0",
      "Lists the subcommands of SLOWLOG", "", "O(1)" },
    { "SLOWLOG|LEN", cmd_slowlog_len, 2, ADMIN | LOADING | STALE, 0, 0, 0, 0, "server", "2.2.12",
      "How many entries there are", "", "O(1)" },
    { "SLOWLOG|RESET", cmd_slowlog_reset, 2, ADMIN | EFFECT | LOADING | STALE, 0, 0, 0, 0, "server",
      "2.2.12", "Forgets all entries", "", "O(N), N entries" },
    { "SNAPSHOT", NULL, -2, CONTAINER | OURS, 0, 0, 0, 0, "ordered", "0.1.0",
      "Several commands at one version of the store", "", "as the subcommand" },
    { "SNAPSHOT|CLOSE", cmd_snapshot_close, 3, NO_MULTI | EFFECT | OURS, 0, 0, 0, 0, "ordered",
      "0.1.0", "Lets go of a version", "snapshot", "O(1)" },
    { "SNAPSHOT|HELP", cmd_snapshot_help, 2, LOADING | STALE | OURS, 0, 0, 0, 0, "ordered", "0.1.0",
      "Lists the subcommands of SNAPSHOT", "", "O(1)" },
    { "SNAPSHOT|OPEN", cmd_snapshot_open, -2, NO_MULTI | EFFECT | OURS, 0, 0, 0, 0, "ordered",
      "0.1.0",
      "Keeps the version of now, of all key spaces, for READ from any connection; for 60 seconds "
      "unless EX says, at most 3600; answers its number",
      "[EX seconds]", "O(1)" },
    { "SNAPSHOT|READ", cmd_snapshot_read, -4, READONLY | NO_MULTI | OURS | DIRECT, 0, 0, 0, 0,
      "ordered", "0.1.0",
      "Runs a command that reads keys (GET, MGET, RANGE, SCAN, BITCOUNT …) at a version",
      "snapshot command [arg ...]", "as the command" },
    { "SORT", cmd_sort, -2, WRITE | DENY_OOM | COMMAND_MOVABLE_KEYS | CAT_DANGEROUS, 1, 1, 1, 0,
      "generic", "1.0.0",
      "Sorts a list or set; there are none yet, so a key is empty or of the wrong type",
      "key [BY pattern] [LIMIT offset count] [GET pattern ...] [ASC|DESC] [ALPHA] [STORE "
      "destination]",
      "O(log N), N keys stored" },
    { "SORT_RO", cmd_sort, -2, READONLY | COMMAND_MOVABLE_KEYS | CAT_DANGEROUS | DIRECT, 1, 1, 1, 0,
      "generic", "7.0.0", "The same without STORE",
      "key [BY pattern] [LIMIT offset count] [GET pattern ...] [ASC|DESC] [ALPHA]",
      "O(log N), N keys stored" },
    { "SPUBLISH", cmd_spublish, 3, PUBSUB | EFFECT | FAST | LOADING | STALE, 1, 1, 1, 0, "pubsub",
      "7.0.0", "Sends a message to all that listen to a shard channel; answers how many there are",
      "shardchannel message", "O(N), N listeners" },
    { "SSUBSCRIBE", cmd_ssubscribe, -2, PUBSUB | EFFECT | LOADING | STALE | NO_SCRIPT, 1, -1, 1, 0,
      "pubsub", "7.0.0", "Listens to shard channels", "shardchannel [shardchannel ...]",
      "O(N), N shard channels given" },
    { "STRLEN", cmd_strlen, 2, READONLY | DIRECT | FAST, 1, 1, 1, 0, "string", "2.2.0",
      "Length of a string in bytes, 0 if there is none", "key", "O(log N), N keys stored" },
    { "SUBSCRIBE", cmd_subscribe, -2, PUBSUB | EFFECT | LOADING | STALE | NO_SCRIPT, 0, 0, 0, 0,
      "pubsub", "2.0.0", "Listens to channels", "channel [channel ...]", "O(N), N channels given" },
    { "SUBSTR", cmd_getrange, 4, READONLY | DIRECT, 1, 1, 1, 0, "string", "1.0.0",
      "Old name of GETRANGE", "key start end", "O(log N + L), N keys stored, L bytes answered" },
    { "SUNSUBSCRIBE", cmd_sunsubscribe, -1, PUBSUB | EFFECT | LOADING | STALE | NO_SCRIPT, 1, -1, 1,
      0, "pubsub", "7.0.0", "Listens to shard channels no more, all if none is named",
      "[shardchannel [shardchannel ...]]", "O(N), N shard channels" },
    { "SWAPDB", cmd_swapdb, 3, WRITE | FAST | SLOW | CAT_KEYSPACE | CAT_DANGEROUS, 0, 0, 0, 0,
      "server", "4.0.0",
      "Makes two key spaces change places, as one step; for at most a million keys and 64 MiB in "
      "each",
      "index1 index2", "O(N), N keys in the two spaces" },
    { "TIME", cmd_time, 1, FAST | LOADING | STALE, 0, 0, 0, 0, "server", "2.6.0",
      "Clock of the server: Unix time in seconds, and microseconds", "", "O(1)" },
    { "TOUCH", cmd_touch, -2, READONLY | DIRECT | FAST, 1, -1, 1, 0, "generic", "3.2.1",
      "How many of the given keys exist; when they were last used is not kept", "key [key ...]",
      "O(M log N), M keys given, N stored" },
    { "TTL", cmd_ttl, 2, READONLY | DIRECT | FAST, 1, 1, 1, 0, "generic", "1.0.0",
      "Seconds until a key expires; -1: never, -2: no such key", "key", "O(log N), N keys stored" },
    { "TYPE", cmd_type, 2, READONLY | DIRECT | FAST, 1, 1, 1, 0, "generic", "1.0.0",
      "Type of the value at a key, none if there is no such key", "key",
      "O(log N), N keys stored" },
    { "UNLINK", cmd_unlink, -2, WRITE | FAST, 1, -1, 1, 0, "generic", "4.0.0",
      "Same as DEL: removing never waits for space to be freed", "key [key ...]",
      "O(M log N), M keys given, N stored" },
    { "UNSUBSCRIBE", cmd_unsubscribe, -1, PUBSUB | EFFECT | LOADING | STALE | NO_SCRIPT, 0, 0, 0, 0,
      "pubsub", "2.0.0", "Listens to channels no more, all if none is named",
      "[channel [channel ...]]", "O(N), N channels" },
    { "UNWATCH", cmd_unwatch, 1, FAST | EFFECT | LOADING | STALE | NO_SCRIPT | ALLOW_BUSY, 0, 0, 0,
      0, "transactions", "2.2.0", "Forgets the keys that are watched", "", "O(N), N keys watched" },
    { "WAIT", cmd_wait, 3, NO_SCRIPT | CAT_CONNECTION, 0, 0, 0, 0, "generic", "3.0.0",
      "A barrier: answers, always 0, when everything written before is on disk",
      "numreplicas timeout", "O(1)" },
    { "WATCH", cmd_watch, -2, FAST | IN_MULTI | EFFECT | LOADING | STALE | NO_SCRIPT | ALLOW_BUSY,
      1, -1, 1, 0, "transactions", "2.2.0",
      "Makes the next EXEC answer nil if one of the keys has changed until then", "key [key ...]",
      "O(M log N), M keys given, N stored" },
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
