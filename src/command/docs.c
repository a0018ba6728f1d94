/*
 * docs.c - key uses, tips and argument trees of the commands.
 *
 * Redis keeps argument trees as nested structures; one line of text each is easier to read and to keep right, and is only taken
 * apart when somebody asks for COMMAND DOCS.
 */
#include "command/docs.h"

#include <string.h>

#include "base/bytes.h"

static const struct command_docs rows[] = {
    { .name = "APPEND", .key_flags = "RW insert", .arguments = "key key@0,value string" },
    { .name = "AUTH", .arguments = "username string^6.0.0?,password string" },
    { .name = "BACKUP",
      .arguments = "name string,records pure-token=RECORDS?,copy pure-token=COPY?" },
    { .name = "BATCH",
      .key_flags = "RW access update",
      .arguments = "step block*(what oneof(if pure-token=IF,ifversion pure-token=IFVERSION,set "
                   "pure-token=SET,pexpire pure-token=PEXPIRE,incrby pure-token=INCRBY,del "
                   "pure-token=DEL),key key@0,argument string)" },
    { .name = "BGSAVE", .arguments = "schedule pure-token=SCHEDULE^3.2.2?" },
    { .name = "BITCOUNT",
      .key_flags = "RO access",
      .arguments = "key key@0,index block?(start integer,end integer,index_unit oneof^7.0.0?(byte "
                   "pure-token=BYTE,bit pure-token=BIT))" },
    { .name = "BITFIELD",
      .key_flags = "RW access update variable_flags",
      .key_notes = "also reads: `GET` changes nothing",
      .arguments =
          "key key@0,operation oneof?*(encoding_offset block=GET(encoding string,offset "
          "integer),write block(wrap_sat_fail oneof=OVERFLOW?(wrap pure-token=WRAP,sat "
          "pure-token=SAT,fail pure-token=FAIL),write_operation oneof(encoding_offset_value "
          "block=SET(encoding string,offset integer,value integer),encoding_offset_increment "
          "block=INCRBY(encoding string,offset integer,increment integer))))" },
    { .name = "BITFIELD_RO",
      .key_flags = "RO access",
      .arguments = "key key@0,encoding_offset block=GET?*+(encoding string,offset integer)" },
    { .name = "BITOP",
      .key_flags = "OW update;RO access",
      .arguments = "operation string,destkey key@0,key key@1*" },
    { .name = "BITPOS",
      .key_flags = "RO access",
      .arguments = "key key@0,bit integer,index block?(start integer,end_index block?(end "
                   "integer,index_unit oneof^7.0.0?(byte pure-token=BYTE,bit pure-token=BIT)))" },
    { .name = "CAD",
      .key_flags = "RW access delete",
      .arguments = "key key@0,expectation oneof(expected string,version integer=VERSION)" },
    { .name = "CAS",
      .key_flags = "RW access update",
      .arguments =
          "key key@0,expectation oneof(expected string,version integer=VERSION),new string" },
    { .name = "CLIENT|CACHING", .arguments = "mode oneof(yes pure-token=YES,no pure-token=NO)" },
    { .name = "CLIENT|INFO", .tips = "nondeterministic_output" },
    { .name = "CLIENT|KILL",
      .arguments =
          "filter oneof(ip:port string~2.8.12,new-format oneof*(client-id "
          "integer=ID^2.8.12?,normal_master_slave_pubsub oneof=TYPE^2.8.12?(normal "
          "pure-token=NORMAL,master pure-token=MASTER^3.2.0,slave pure-token=SLAVE,replica "
          "pure-token=REPLICA^5.0.0,pubsub pure-token=PUBSUB),username string=USER?,ip:port "
          "string=ADDR?,ip:port string=LADDR^6.2.0?,yes/no string=SKIPME?))" },
    { .name = "CLIENT|LIST",
      .tips = "nondeterministic_output",
      .arguments = "normal_master_replica_pubsub oneof=TYPE^5.0.0?(normal pure-token=NORMAL,master "
                   "pure-token=MASTER,replica pure-token=REPLICA,pubsub pure-token=PUBSUB),id "
                   "block=ID^6.2.0?(client-id integer*)" },
    { .name = "CLIENT|NO-EVICT",
      .arguments = "enabled oneof(on pure-token=ON,off pure-token=OFF)" },
    { .name = "CLIENT|NO-TOUCH",
      .arguments = "enabled oneof(on pure-token=ON,off pure-token=OFF)" },
    { .name = "CLIENT|PAUSE",
      .arguments = "timeout integer,mode oneof^6.2.0?(write pure-token=WRITE,all pure-token=ALL)" },
    { .name = "CLIENT|REPLY",
      .arguments = "on_off_skip oneof(on pure-token=ON,off pure-token=OFF,skip pure-token=SKIP)" },
    { .name = "CLIENT|SETINFO",
      .arguments = "attr oneof(libname string=LIB-NAME,libver string=LIB-VER)" },
    { .name = "CLIENT|SETNAME", .arguments = "connection-name string" },
    { .name = "CLIENT|TRACKING",
      .arguments = "status oneof(on pure-token=ON,off pure-token=OFF),client-id "
                   "integer=REDIRECT?,prefix string=PREFIX?*+,bcast pure-token=BCAST?,optin "
                   "pure-token=OPTIN?,optout pure-token=OPTOUT?,noloop pure-token=NOLOOP?" },
    { .name = "CLIENT|UNBLOCK",
      .arguments = "client-id integer,timeout_error oneof?(timeout pure-token=TIMEOUT,error "
                   "pure-token=ERROR)" },
    { .name = "COMMAND", .tips = "nondeterministic_output_order" },
    { .name = "COMMAND|DOCS",
      .tips = "nondeterministic_output_order",
      .arguments = "command-name string?*" },
    { .name = "COMMAND|INFO",
      .tips = "nondeterministic_output_order",
      .arguments = "command-name string?*" },
    { .name = "COMMAND|LIST",
      .tips = "nondeterministic_output_order",
      .arguments = "filterby oneof=FILTERBY?(module-name string=MODULE,category "
                   "string=ACLCAT,pattern pattern=PATTERN)" },
    { .name = "CONFIG|GET", .arguments = "parameter block*(parameter string)" },
    { .name = "CONFIG|SET",
      .tips = "request_policy:all_nodes,response_policy:all_succeeded",
      .arguments = "parameter_value block*(parameter string,value string)" },
    { .name = "COPY",
      .key_flags = "RO access;OW update",
      .arguments =
          "source key@0,destination key@1,destination-db integer=DB?,replace pure-token=REPLACE?" },
    { .name = "COUNTPREFIX", .arguments = "prefix string" },
    { .name = "DBSIZE", .tips = "request_policy:all_shards,response_policy:agg_sum" },
    { .name = "DECR", .key_flags = "RW access update", .arguments = "key key@0" },
    { .name = "DECRBY",
      .key_flags = "RW access update",
      .arguments = "key key@0,decrement integer" },
    { .name = "DEL",
      .key_flags = "RM delete",
      .tips = "request_policy:multi_shard,response_policy:agg_sum",
      .arguments = "key key@0*" },
    { .name = "DELPREFIX", .arguments = "prefix string,nocount pure-token=NOCOUNT?" },
    { .name = "DELRANGE", .arguments = "start string,end string,nocount pure-token=NOCOUNT?" },
    { .name = "DUMP",
      .key_flags = "RO access",
      .tips = "nondeterministic_output",
      .arguments = "key key@0" },
    { .name = "ECHO", .arguments = "message string" },
    { .name = "EXISTS",
      .key_flags = "RO",
      .tips = "request_policy:multi_shard,response_policy:agg_sum",
      .arguments = "key key@0*" },
    { .name = "EXPIRE",
      .key_flags = "RW update",
      .arguments = "key key@0,seconds integer,condition oneof^7.0.0?(nx pure-token=NX,xx "
                   "pure-token=XX,gt pure-token=GT,lt pure-token=LT)" },
    { .name = "EXPIREAT",
      .key_flags = "RW update",
      .arguments = "key key@0,unix-time-seconds unix-time,condition oneof^7.0.0?(nx "
                   "pure-token=NX,xx pure-token=XX,gt pure-token=GT,lt pure-token=LT)" },
    { .name = "EXPIRETIME", .key_flags = "RO access", .arguments = "key key@0" },
    { .name = "FLUSHALL",
      .tips = "request_policy:all_shards,response_policy:all_succeeded",
      .arguments = "async oneof?(async pure-token=ASYNC^4.0.0,sync pure-token=SYNC^6.2.0)" },
    { .name = "FLUSHDB",
      .tips = "request_policy:all_shards,response_policy:all_succeeded",
      .arguments = "async oneof?(async pure-token=ASYNC^4.0.0,sync pure-token=SYNC^6.2.0)" },
    { .name = "GET", .key_flags = "RO access", .arguments = "key key@0" },
    { .name = "GETBIT", .key_flags = "RO access", .arguments = "key key@0,offset integer" },
    { .name = "GETDEL", .key_flags = "RW access delete", .arguments = "key key@0" },
    { .name = "GETEX",
      .key_flags = "RW access update",
      .key_notes = "also writes: its options change the expiry",
      .arguments = "key key@0,expiration oneof?(seconds integer=EX,milliseconds "
                   "integer=PX,unix-time-seconds unix-time=EXAT,unix-time-milliseconds "
                   "unix-time=PXAT,persist pure-token=PERSIST)" },
    { .name = "GETRANGE",
      .key_flags = "RO access",
      .arguments = "key key@0,start integer,end integer" },
    { .name = "GETSET",
      .key_flags = "RW access update",
      .arguments = "key key@0,value string",
      .doc_flags = "deprecated",
      .deprecated_since = "6.2.0",
      .replaced_by = "`SET key value GET`" },
    { .name = "GETV", .key_flags = "RO access", .arguments = "key key@0" },
    { .name = "HELLO",
      .arguments = "arguments block?(protover integer,username_password block=AUTH?(username "
                   "string,password string),clientname string=SETNAME?)" },
    { .name = "INCR", .key_flags = "RW access update", .arguments = "key key@0" },
    { .name = "INCRBY",
      .key_flags = "RW access update",
      .arguments = "key key@0,increment integer" },
    { .name = "INCRBYFLOAT",
      .key_flags = "RW access update",
      .arguments = "key key@0,increment double" },
    { .name = "INFO",
      .tips = "nondeterministic_output,request_policy:all_shards,response_policy:special",
      .arguments = "section string?*" },
    { .name = "KEYS",
      .tips = "request_policy:all_shards,nondeterministic_output_order",
      .arguments = "pattern pattern" },
    { .name = "LASTSAVE", .tips = "nondeterministic_output" },
    { .name = "LCS",
      .key_flags = "RO access",
      .arguments = "key1 key@0,key2 key@0,len pure-token=LEN?,idx pure-token=IDX?,len "
                   "integer=MINMATCHLEN?,withmatchlen pure-token=WITHMATCHLEN?" },
    { .name = "MEMORY|DOCTOR",
      .tips = "nondeterministic_output,request_policy:all_shards,response_policy:special" },
    { .name = "MEMORY|MALLOC-STATS",
      .tips = "nondeterministic_output,request_policy:all_shards,response_policy:special" },
    { .name = "MEMORY|PURGE", .tips = "request_policy:all_shards,response_policy:all_succeeded" },
    { .name = "MEMORY|STATS",
      .tips = "nondeterministic_output,request_policy:all_shards,response_policy:special" },
    { .name = "MEMORY|USAGE", .key_flags = "RO", .arguments = "key key@0,count integer=SAMPLES?" },
    { .name = "MGET",
      .key_flags = "RO access",
      .tips = "request_policy:multi_shard",
      .arguments = "key key@0*" },
    { .name = "MOVE", .key_flags = "RW access update", .arguments = "key key@0,db integer" },
    { .name = "MSET",
      .key_flags = "OW update",
      .tips = "request_policy:multi_shard,response_policy:all_succeeded",
      .arguments = "key_value block*(key key@0,value string)" },
    { .name = "MSETNX",
      .key_flags = "OW insert",
      .tips = "request_policy:multi_shard,response_policy:agg_min",
      .arguments = "key_value block*(key key@0,value string)" },
    { .name = "OBJECT|ENCODING",
      .key_flags = "RO",
      .tips = "nondeterministic_output",
      .arguments = "key key@0" },
    { .name = "OBJECT|FREQ",
      .key_flags = "RO",
      .tips = "nondeterministic_output",
      .arguments = "key key@0" },
    { .name = "OBJECT|IDLETIME",
      .key_flags = "RO",
      .tips = "nondeterministic_output",
      .arguments = "key key@0" },
    { .name = "OBJECT|REFCOUNT",
      .key_flags = "RO",
      .tips = "nondeterministic_output",
      .arguments = "key key@0" },
    { .name = "PERSIST", .key_flags = "RW update", .arguments = "key key@0" },
    { .name = "PEXPIRE",
      .key_flags = "RW update",
      .arguments = "key key@0,milliseconds integer,condition oneof^7.0.0?(nx pure-token=NX,xx "
                   "pure-token=XX,gt pure-token=GT,lt pure-token=LT)" },
    { .name = "PEXPIREAT",
      .key_flags = "RW update",
      .arguments = "key key@0,unix-time-milliseconds unix-time,condition oneof^7.0.0?(nx "
                   "pure-token=NX,xx pure-token=XX,gt pure-token=GT,lt pure-token=LT)" },
    { .name = "PEXPIRETIME", .key_flags = "RO access", .arguments = "key key@0" },
    { .name = "PING",
      .tips = "request_policy:all_shards,response_policy:all_succeeded",
      .arguments = "message string?" },
    { .name = "PREFIX",
      .arguments = "prefix string,rev pure-token=REV?,count integer=LIMIT?,what oneof?(keys "
                   "pure-token=KEYS,values pure-token=VALUES),cursor string=CURSOR?" },
    { .name = "PSETEX",
      .key_flags = "OW update",
      .arguments = "key key@0,milliseconds integer,value string" },
    { .name = "PSUBSCRIBE", .arguments = "pattern block*(pattern pattern)" },
    { .name = "PTTL",
      .key_flags = "RO access",
      .tips = "nondeterministic_output",
      .arguments = "key key@0" },
    { .name = "PUBLISH", .arguments = "channel string,message string" },
    { .name = "PUBSUB|CHANNELS", .arguments = "pattern pattern?" },
    { .name = "PUBSUB|NUMSUB", .arguments = "channel string?*" },
    { .name = "PUBSUB|SHARDCHANNELS", .arguments = "pattern pattern?" },
    { .name = "PUBSUB|SHARDNUMSUB", .arguments = "shardchannel string?*" },
    { .name = "PUNSUBSCRIBE", .arguments = "pattern pattern?*" },
    { .name = "RANDOMKEY", .tips = "request_policy:all_shards,nondeterministic_output" },
    { .name = "RANGE",
      .arguments = "start string,end string,rev pure-token=REV?,count integer=LIMIT?,what "
                   "oneof?(keys pure-token=KEYS,values pure-token=VALUES),cursor string=CURSOR?" },
    { .name = "RENAME",
      .key_flags = "RW access delete;OW update",
      .arguments = "key key@0,newkey key@1" },
    { .name = "RENAMENX",
      .key_flags = "RW access delete;OW insert",
      .arguments = "key key@0,newkey key@1" },
    { .name = "RESTORE",
      .key_flags = "OW update",
      .arguments = "key key@0,ttl integer,serialized-value string,replace "
                   "pure-token=REPLACE^3.0.0?,absttl pure-token=ABSTTL^5.0.0?,seconds "
                   "integer=IDLETIME^5.0.0?,frequency integer=FREQ^5.0.0?" },
    { .name = "SCAN",
      .tips = "nondeterministic_output,request_policy:special",
      .arguments =
          "cursor integer,pattern pattern=MATCH?,count integer=COUNT?,type string=TYPE^6.0.0?" },
    { .name = "SELECT", .arguments = "index integer" },
    { .name = "SET",
      .key_flags = "RW access update variable_flags",
      .key_notes = "also reads: `GET` answers the old value",
      .arguments =
          "key key@0,value string,condition oneof^2.6.12?(nx pure-token=NX,xx pure-token=XX),get "
          "pure-token=GET^6.2.0?,expiration oneof?(seconds integer=EX^2.6.12,milliseconds "
          "integer=PX^2.6.12,unix-time-seconds unix-time=EXAT^6.2.0,unix-time-milliseconds "
          "unix-time=PXAT^6.2.0,keepttl pure-token=KEEPTTL^6.0.0)" },
    { .name = "SETBIT",
      .key_flags = "RW access update",
      .arguments = "key key@0,offset integer,value integer" },
    { .name = "SETEX",
      .key_flags = "OW update",
      .arguments = "key key@0,seconds integer,value string" },
    { .name = "SETNX", .key_flags = "OW insert", .arguments = "key key@0,value string" },
    { .name = "SETRANGE",
      .key_flags = "RW update",
      .arguments = "key key@0,offset integer,value string" },
    { .name = "SHUTDOWN",
      .arguments =
          "nosave_save oneof?(nosave pure-token=NOSAVE,save pure-token=SAVE),now "
          "pure-token=NOW^7.0.0?,force pure-token=FORCE^7.0.0?,abort pure-token=ABORT^7.0.0?" },
    { .name = "SLOWLOG|GET",
      .tips = "request_policy:all_nodes,nondeterministic_output",
      .arguments = "count integer?" },
    { .name = "SLOWLOG|LEN",
      .tips = "request_policy:all_nodes,response_policy:agg_sum,nondeterministic_output" },
    { .name = "SLOWLOG|RESET", .tips = "request_policy:all_nodes,response_policy:all_succeeded" },
    { .name = "SNAPSHOT|CLOSE", .arguments = "snapshot integer" },
    { .name = "SNAPSHOT|OPEN", .arguments = "seconds integer=EX?" },
    { .name = "SNAPSHOT|READ", .arguments = "snapshot integer,command string,arg string?*" },
    { .name = "SORT",
      .key_flags = "RO access;?RO access;?OW update",
      .key_notes = ";of BY and GET: named by what is sorted;of STORE, anywhere among the options",
      .arguments = "key key@0,pattern pattern@1=BY?,offset_count block=LIMIT?(offset integer,count "
                   "integer),pattern pattern@1=GET?*+,order oneof?(asc pure-token=ASC,desc "
                   "pure-token=DESC),sorting pure-token=ALPHA?,destination key@2=STORE?" },
    { .name = "SORT_RO",
      .key_flags = "RO access;?RO access",
      .key_notes = ";of BY and GET: named by what is sorted",
      .arguments = "key key@0,pattern pattern@1=BY?,offset_count block=LIMIT?(offset integer,count "
                   "integer),pattern pattern@1=GET?*+,order oneof?(asc pure-token=ASC,desc "
                   "pure-token=DESC),sorting pure-token=ALPHA?" },
    { .name = "SPUBLISH",
      .key_flags = "not_key",
      .arguments = "shardchannel string,message string" },
    { .name = "SSUBSCRIBE", .key_flags = "not_key", .arguments = "shardchannel string*" },
    { .name = "STRLEN", .key_flags = "RO", .arguments = "key key@0" },
    { .name = "SUBSCRIBE", .arguments = "channel string*" },
    { .name = "SUBSTR",
      .key_flags = "RO access",
      .arguments = "key key@0,start integer,end integer",
      .doc_flags = "deprecated",
      .deprecated_since = "2.0.0",
      .replaced_by = "`GETRANGE`" },
    { .name = "SUNSUBSCRIBE", .key_flags = "not_key", .arguments = "shardchannel string?*" },
    { .name = "SWAPDB", .arguments = "index1 integer,index2 integer" },
    { .name = "TIME", .tips = "nondeterministic_output" },
    { .name = "TOUCH",
      .key_flags = "RO",
      .tips = "request_policy:multi_shard,response_policy:agg_sum",
      .arguments = "key key@0*" },
    { .name = "TTL",
      .key_flags = "RO access",
      .tips = "nondeterministic_output",
      .arguments = "key key@0" },
    { .name = "TYPE", .key_flags = "RO", .arguments = "key key@0" },
    { .name = "UNLINK",
      .key_flags = "RM delete",
      .tips = "request_policy:multi_shard,response_policy:agg_sum",
      .arguments = "key key@0*" },
    { .name = "WAIT",
      .tips = "request_policy:all_shards,response_policy:agg_min",
      .arguments = "numreplicas integer,timeout integer" },
    { .name = "UNSUBSCRIBE", .arguments = "channel string?*" },
    { .name = "WATCH", .key_flags = "RO", .arguments = "key key@0*" },
};

const struct command_docs *command_docs(const struct command *command)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].name, command->name) == 0)
            return &rows[i];
    return NULL;
}

size_t command_docs_total(void)
{
    return sizeof rows / sizeof rows[0];
}

/* ---- Lists ---- */

size_t command_docs_count(const char *list, char mark)
{
    size_t count = 0;
    while (*list != '\0') {
        (void)command_docs_next(&list, mark);
        count++;
    }
    return count;
}

struct kvs_bytes command_docs_next(const char **list, char mark)
{
    const char *start = *list;
    const char *end = strchrnul(start, mark);
    *list = *end == mark ? end + 1 : end;
    return bytes_of(start, (size_t)(end - start));
}

/* ---- Arguments ---- */

struct argument {
    struct kvs_bytes name;
    struct kvs_bytes type;
    struct kvs_bytes key_spec; /* empty: not there; so are the next three */
    struct kvs_bytes token;
    struct kvs_bytes since;
    struct kvs_bytes deprecated;
    bool optional;
    bool multiple;
    bool multiple_token;
    struct kvs_bytes inner; /* arguments */
};

/* The characters of @text from *at up to one that begins something else. */
static struct kvs_bytes take_word(struct kvs_bytes text, size_t *at)
{
    const char *data = text.data;
    size_t start = *at;
    while (*at < text.len && strchr("@=^~?*+(", data[*at]) == NULL)
        (*at)++;
    return bytes_of(data + start, *at - start);
}

static struct argument argument_parse(struct kvs_bytes text)
{
    struct argument argument = { 0 };
    const char *data = text.data;
    size_t at = 0;
    while (at < text.len && data[at] != ' ')
        at++;
    argument.name = bytes_of(data, at);
    at += at < text.len;
    argument.type = take_word(text, &at);
    while (at < text.len) {
        char mark = data[at++];
        if (mark == '@')
            argument.key_spec = take_word(text, &at);
        else if (mark == '=')
            argument.token = take_word(text, &at);
        else if (mark == '^')
            argument.since = take_word(text, &at);
        else if (mark == '~')
            argument.deprecated = take_word(text, &at);
        else if (mark == '?')
            argument.optional = true;
        else if (mark == '*')
            argument.multiple = true;
        else if (mark == '+')
            argument.multiple_token = true;
        else if (mark == '(') {
            argument.inner = bytes_of(data + at, text.len - at - 1);
            break;
        }
    }
    return argument;
}

static void reply_field(struct reply *reply, const char *name, struct kvs_bytes value)
{
    if (value.len == 0)
        return;
    reply_bulk_str(reply, name);
    reply_bulk(reply, value);
}

static void reply_flags(struct reply *reply, const struct argument *argument)
{
    size_t count = (size_t)argument->optional + argument->multiple + argument->multiple_token;
    if (count == 0)
        return;
    reply_bulk_str(reply, "flags");
    reply_set(reply, count);
    if (argument->optional)
        reply_status(reply, "optional");
    if (argument->multiple)
        reply_status(reply, "multiple");
    if (argument->multiple_token)
        reply_status(reply, "multiple_token");
}

static void reply_list(struct reply *reply, struct kvs_bytes list);

static void reply_argument(struct reply *reply, struct kvs_bytes text)
{
    struct argument argument = argument_parse(text);
    bool flags = argument.optional || argument.multiple || argument.multiple_token;
    reply_map(reply, 2 + (size_t)(argument.key_spec.len != 0) + (argument.token.len != 0) +
                         (argument.since.len != 0) + (argument.deprecated.len != 0) + flags +
                         (argument.inner.len != 0));
    reply_field(reply, "name", argument.name);
    reply_field(reply, "type", argument.type);
    if (argument.key_spec.len != 0) {
        reply_bulk_str(reply, "key_spec_index");
        reply_integer(reply, *(const char *)argument.key_spec.data - '0');
    }
    reply_field(reply, "token", argument.token);
    reply_field(reply, "since", argument.since);
    reply_field(reply, "deprecated_since", argument.deprecated);
    reply_flags(reply, &argument);
    if (argument.inner.len != 0) {
        reply_bulk_str(reply, "arguments");
        reply_list(reply, argument.inner);
    }
}

/* Where the item that begins at @at ends. */
static size_t list_item_end(struct kvs_bytes list, size_t at)
{
    const char *data = list.data;
    int depth = 0;
    while (at < list.len && (depth != 0 || data[at] != ',')) {
        depth += (data[at] == '(') - (data[at] == ')');
        at++;
    }
    return at;
}

static void reply_list(struct reply *reply, struct kvs_bytes list)
{
    const char *data = list.data;
    size_t count = 0;
    for (size_t at = 0; at < list.len; at = list_item_end(list, at) + 1)
        count++;
    reply_array(reply, count);
    for (size_t at = 0; at < list.len;) {
        size_t end = list_item_end(list, at);
        reply_argument(reply, bytes_of(data + at, end - at));
        at = end + 1;
    }
}

void command_docs_reply_arguments(struct reply *reply, const char *arguments)
{
    reply_list(reply, bytes_str(arguments));
}
