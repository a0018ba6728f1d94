/*
 * introspect.c - COMMAND: the table, told to clients.
 */
#include <string.h>

#include "base/bytes.h"
#include "base/glob.h"
#include "command/connection.h"
#include "command/docs.h"
#include "command/families.h"

/* ---- Names of flags and categories, in Redis's order ---- */

struct named_flag {
    uint32_t flag;
    const char *name;
};

static const struct named_flag shown_flags[] = {
    { COMMAND_WRITE, "write" },
    { COMMAND_READONLY, "readonly" },
    { COMMAND_DENY_OOM, "denyoom" },
    { COMMAND_ADMIN, "admin" },
    { COMMAND_PUBSUB, "pubsub" },
    { COMMAND_NO_SCRIPT, "noscript" },
    { COMMAND_LOADING, "loading" },
    { COMMAND_STALE, "stale" },
    { COMMAND_SKIP_MONITOR, "skip_monitor" },
    { COMMAND_SKIP_SLOWLOG, "skip_slowlog" },
    { COMMAND_FAST, "fast" },
    { COMMAND_NO_AUTH, "no_auth" },
    { COMMAND_NO_ASYNC_LOADING, "no_async_loading" },
    { COMMAND_NO_MULTI, "no_multi" },
    { COMMAND_MOVABLE_KEYS, "movablekeys" },
    { COMMAND_ALLOW_BUSY, "allow_busy" },
};

enum {
    SHOWN_FLAG_COUNT = sizeof shown_flags / sizeof shown_flags[0]
};

enum category {
    CATEGORY_KEYSPACE,
    CATEGORY_READ,
    CATEGORY_WRITE,
    CATEGORY_SET,
    CATEGORY_SORTEDSET,
    CATEGORY_LIST,
    CATEGORY_STRING,
    CATEGORY_BITMAP,
    CATEGORY_PUBSUB,
    CATEGORY_ADMIN,
    CATEGORY_FAST,
    CATEGORY_SLOW,
    CATEGORY_DANGEROUS,
    CATEGORY_CONNECTION,
    CATEGORY_TRANSACTION,
    CATEGORY_COUNT,
};

static const char *const category_names[CATEGORY_COUNT] = {
    "@keyspace", "@read",   "@write", "@set",  "@sortedset", "@list",       "@string",     "@bitmap",
    "@pubsub",   "@admin", "@fast",  "@slow", "@dangerous", "@connection", "@transaction",
};

static bool group_is(const struct command *command, const char *group)
{
    return strcmp(command->group, group) == 0;
}

/* Redis derives most categories from flags and group; the table has the others. */
static bool in_category(const struct command *command, enum category category)
{
    uint32_t flags = command->flags;
    switch (category) {
    case CATEGORY_KEYSPACE:
        if (command->run == NULL || command->run == cmd_sort || command->run == cmd_wait)
            return false;
        return group_is(command, "generic") || group_is(command, "ordered") ||
               (flags & COMMAND_CAT_KEYSPACE) != 0;
    case CATEGORY_READ:
        return (flags & COMMAND_READONLY) != 0;
    case CATEGORY_WRITE:
        return (flags & COMMAND_WRITE) != 0;
    case CATEGORY_SET:
    case CATEGORY_SORTEDSET:
    case CATEGORY_LIST:
        return command->run == cmd_sort;
    case CATEGORY_STRING:
        return group_is(command, "string");
    case CATEGORY_BITMAP:
        return group_is(command, "bitmap");
    case CATEGORY_PUBSUB:
        return (flags & COMMAND_PUBSUB) != 0;
    case CATEGORY_ADMIN:
        return (flags & (COMMAND_ADMIN | COMMAND_CAT_ADMIN)) != 0;
    case CATEGORY_FAST:
        return (flags & COMMAND_FAST) != 0;
    case CATEGORY_SLOW:
        return (flags & COMMAND_FAST) == 0;
    case CATEGORY_DANGEROUS:
        return (flags & (COMMAND_ADMIN | COMMAND_CAT_DANGEROUS)) != 0;
    case CATEGORY_CONNECTION: /* a mere container is in none but "slow" */
        return (group_is(command, "connection") && command->run != NULL) ||
               (flags & COMMAND_CAT_CONNECTION) != 0;
    case CATEGORY_TRANSACTION:
        return group_is(command, "transactions");
    case CATEGORY_COUNT:
        break;
    }
    return false;
}

/* ---- Walking the table ---- */

static bool is_subcommand(const struct command *command)
{
    return strchr(command->name, '|') != NULL;
}

static const struct command *table_end(void)
{
    size_t count;
    const struct command *table = command_table(&count);
    return table + count;
}

static size_t subcommand_count(const struct command *container)
{
    size_t count = 0;
    if ((container->flags & COMMAND_CONTAINER) != 0)
        for (const struct command *sub = container + 1; sub < table_end() && is_subcommand(sub);
             sub++)
            count++;
    return count;
}

static size_t top_count(void)
{
    size_t count;
    size_t top = 0;
    const struct command *table = command_table(&count);
    for (size_t i = 0; i < count; i++)
        top += !is_subcommand(&table[i]);
    return top;
}

/* By the name that COMMAND LIST shows, "get" or "config|get". */
static const struct command *find_shown(struct kvs_bytes name)
{
    struct kvs_bytes parts[2] = { name, { NULL, 0 } };
    const char *bar = name.len == 0 ? NULL : memchr(name.data, '|', name.len);
    const struct command *container;
    if (bar == NULL)
        return command_lookup(parts, 1, &container);
    parts[0].len = (size_t)(bar - (const char *)name.data);
    parts[1] = bytes_from(name, parts[0].len + 1);
    const struct command *found = command_lookup(parts, 2, &container);
    return container != NULL ? found : NULL;
}

static void reply_name(struct reply *reply, const struct command *command)
{
    char name[COMMAND_NAME_CHARS];
    command_name_lower(command, name);
    reply_bulk_str(reply, name);
}

/* ---- COMMAND INFO ---- */

static void reply_flags(struct reply *reply, const struct command *command)
{
    size_t count = 0;
    for (size_t i = 0; i < SHOWN_FLAG_COUNT; i++)
        count += (command->flags & shown_flags[i].flag) != 0;
    reply_set(reply, count);
    for (size_t i = 0; i < SHOWN_FLAG_COUNT; i++)
        if ((command->flags & shown_flags[i].flag) != 0)
            reply_status(reply, shown_flags[i].name);
}

static void reply_categories(struct reply *reply, const struct command *command)
{
    size_t count = 0;
    for (enum category c = 0; c < CATEGORY_COUNT; c++)
        count += in_category(command, c);
    reply_set(reply, count);
    for (enum category c = 0; c < CATEGORY_COUNT; c++)
        if (in_category(command, c))
            reply_status(reply, category_names[c]);
}

static void reply_tips(struct reply *reply, const struct command_docs *docs)
{
    const char *tips = docs != NULL && docs->tips != NULL ? docs->tips : "";
    reply_set(reply, command_docs_count(tips, ','));
    while (*tips != '\0')
        reply_bulk(reply, command_docs_next(&tips, ','));
}

/* Words separated by spaces, as a set of statuses. */
static void reply_words(struct reply *reply, struct kvs_bytes words)
{
    char text[128];
    size_t len = words.len < sizeof text - 1 ? words.len : sizeof text - 1;
    memcpy(text, words.data, len);
    text[len] = '\0';
    reply_set(reply, command_docs_count(text, ' '));
    for (const char *rest = text; *rest != '\0';)
        reply->ops->status(reply, command_docs_next(&rest, ' '));
}

/* How the keys are used when nobody has said so. */
static const char *key_flags_of(const struct command *command, const struct command_docs *docs)
{
    if (docs != NULL && docs->key_flags != NULL)
        return docs->key_flags;
    return (command->flags & COMMAND_WRITE) != 0 ? "RW access update" : "RO access";
}

struct key_spec {
    struct kvs_bytes flags;
    struct kvs_bytes notes; /* empty: none */
    bool unknown;           /* which arguments, depends on others */
    int index;
    int last;
    int step;
};

static void reply_unknown(struct reply *reply, const char *what)
{
    reply_bulk_str(reply, what);
    reply_map(reply, 2);
    reply_bulk_str(reply, "type");
    reply_bulk_str(reply, "unknown");
    reply_bulk_str(reply, "spec");
    reply_map(reply, 0);
}

static void reply_key_spec(struct reply *reply, const struct key_spec *spec)
{
    reply_map(reply, spec->notes.len != 0 ? 4 : 3);
    if (spec->notes.len != 0) {
        reply_bulk_str(reply, "notes");
        reply_bulk(reply, spec->notes);
    }
    reply_bulk_str(reply, "flags");
    reply_words(reply, spec->flags);
    if (spec->unknown) {
        reply_unknown(reply, "begin_search");
        reply_unknown(reply, "find_keys");
        return;
    }
    reply_bulk_str(reply, "begin_search");
    reply_map(reply, 2);
    reply_bulk_str(reply, "type");
    reply_bulk_str(reply, "index");
    reply_bulk_str(reply, "spec");
    reply_map(reply, 1);
    reply_bulk_str(reply, "index");
    reply_integer(reply, spec->index);
    reply_bulk_str(reply, "find_keys");
    reply_map(reply, 2);
    reply_bulk_str(reply, "type");
    reply_bulk_str(reply, "range");
    reply_bulk_str(reply, "spec");
    reply_map(reply, 3);
    reply_bulk_str(reply, "lastkey");
    reply_integer(reply, spec->last);
    reply_bulk_str(reply, "keystep");
    reply_integer(reply, spec->step);
    reply_bulk_str(reply, "limit");
    reply_integer(reply, 0);
}

static void reply_key_specs(struct reply *reply, const struct command *command,
                            const struct command_docs *docs)
{
    if (command->first_key == 0) {
        reply_set(reply, 0);
        return;
    }
    const char *flags = key_flags_of(command, docs);
    const char *notes = docs != NULL && docs->key_notes != NULL ? docs->key_notes : "";
    reply_set(reply, command_docs_count(flags, ';'));
    for (int i = 0; *flags != '\0'; i++) {
        struct key_spec spec = {
            .flags = command_docs_next(&flags, ';'),
            .notes = command_docs_next(&notes, ';'),
            .index = command->first_key + i,
            .step = command->key_step,
        };
        spec.unknown = spec.flags.len > 0 && *(const char *)spec.flags.data == '?';
        if (spec.unknown)
            spec.flags = bytes_from(spec.flags, 1);
        if (*flags == '\0') /* the last one has what keys are left */
            spec.last = command->last_key < 0 ? command->last_key : command->last_key - spec.index;
        reply_key_spec(reply, &spec);
    }
}

static void reply_info(struct reply *reply, const struct command *command)
{
    const struct command_docs *docs = command_docs(command);
    reply_array(reply, 10);
    reply_name(reply, command);
    reply_integer(reply, command->arity);
    reply_flags(reply, command);
    reply_integer(reply, command->first_key);
    reply_integer(reply, command->last_key);
    reply_integer(reply, command->key_step);
    reply_categories(reply, command);
    reply_tips(reply, docs);
    reply_key_specs(reply, command, docs);
    size_t count = subcommand_count(command);
    if (count == 0) {
        reply_set(reply, 0);
        return;
    }
    reply_array(reply, count);
    for (size_t i = 1; i <= count; i++)
        reply_info(reply, command + i); /* one level deep: a subcommand has none of its own */
}

enum kvs_status cmd_command(struct command_ctx *ctx)
{
    size_t count;
    const struct command *table = command_table(&count);
    reply_array(ctx->reply, top_count());
    for (size_t i = 0; i < count; i++)
        if (!is_subcommand(&table[i]))
            reply_info(ctx->reply, &table[i]);
    return KVS_OK;
}

enum kvs_status cmd_command_info(struct command_ctx *ctx)
{
    size_t count = ctx->request->count;
    if (count == 2)
        return cmd_command(ctx);
    reply_array(ctx->reply, count - 2);
    for (size_t i = 2; i < count; i++) {
        const struct command *command = find_shown(command_arg(ctx, i));
        if (command == NULL)
            reply_null(ctx->reply);
        else
            reply_info(ctx->reply, command);
    }
    return KVS_OK;
}

enum kvs_status cmd_command_count(struct command_ctx *ctx)
{
    reply_integer(ctx->reply, (int64_t)top_count());
    return KVS_OK;
}

/* ---- COMMAND DOCS ---- */

static void reply_field(struct reply *reply, const char *name, const char *value)
{
    reply_bulk_str(reply, name);
    reply_bulk_str(reply, value);
}

static void reply_docs(struct reply *reply, const struct command *command)
{
    static const struct command_docs none = { .name = "" };
    const struct command_docs *docs = command_docs(command);
    if (docs == NULL)
        docs = &none;
    size_t subcommands = subcommand_count(command);
    reply_name(reply, command);
    reply_map(reply, 4 + (size_t)(docs->doc_flags != NULL) + (docs->deprecated_since != NULL) +
                         (docs->replaced_by != NULL) + (docs->arguments != NULL) +
                         (subcommands != 0));
    reply_field(reply, "summary", command->summary);
    reply_field(reply, "since", command->since);
    reply_field(reply, "group", command->group);
    reply_field(reply, "complexity", command->complexity);
    if (docs->doc_flags != NULL) {
        reply_bulk_str(reply, "doc_flags");
        reply_words(reply, bytes_str(docs->doc_flags));
    }
    if (docs->deprecated_since != NULL)
        reply_field(reply, "deprecated_since", docs->deprecated_since);
    if (docs->replaced_by != NULL)
        reply_field(reply, "replaced_by", docs->replaced_by);
    if (docs->arguments != NULL) {
        reply_bulk_str(reply, "arguments");
        command_docs_reply_arguments(reply, docs->arguments);
    }
    if (subcommands != 0) {
        reply_bulk_str(reply, "subcommands");
        reply_map(reply, subcommands);
        for (size_t i = 1; i <= subcommands; i++)
            reply_docs(reply, command + i);
    }
}

enum kvs_status cmd_command_docs(struct command_ctx *ctx)
{
    if (ctx->request->count == 2) {
        size_t count;
        const struct command *table = command_table(&count);
        reply_map(ctx->reply, top_count());
        for (size_t i = 0; i < count; i++)
            if (!is_subcommand(&table[i]))
                reply_docs(ctx->reply, &table[i]);
        return KVS_OK;
    }
    size_t known = 0;
    for (size_t i = 2; i < ctx->request->count; i++)
        known += find_shown(command_arg(ctx, i)) != NULL;
    reply_map(ctx->reply, known);
    for (size_t i = 2; i < ctx->request->count; i++) {
        const struct command *command = find_shown(command_arg(ctx, i));
        if (command != NULL)
            reply_docs(ctx->reply, command);
    }
    return KVS_OK;
}

/* ---- COMMAND LIST ---- */

enum list_filter {
    LIST_ALL,
    LIST_NONE,
    LIST_CATEGORY,
    LIST_PATTERN
};

static bool list_passes(const struct command *command, enum list_filter filter,
                        struct kvs_bytes text)
{
    char name[COMMAND_NAME_CHARS];
    switch (filter) {
    case LIST_ALL:
        return true;
    case LIST_NONE:
        return false;
    case LIST_CATEGORY:
        for (enum category c = 0; c < CATEGORY_COUNT; c++)
            if (bytes_equal_nocase(text, bytes_str(category_names[c] + 1)))
                return in_category(command, c);
        return false;
    case LIST_PATTERN:
        command_name_lower(command, name);
        return glob_match(text, bytes_str(name), true);
    }
    return false;
}

enum kvs_status cmd_command_list(struct command_ctx *ctx)
{
    enum list_filter filter = LIST_ALL;
    struct kvs_bytes text = { NULL, 0 };
    bool filtered = ctx->request->count == 5 && command_arg_is(ctx, 2, "FILTERBY");
    if (filtered && command_arg_is(ctx, 3, "MODULE")) {
        filter = LIST_NONE; /* there are no modules */
    } else if (filtered && command_arg_is(ctx, 3, "ACLCAT")) {
        filter = LIST_CATEGORY;
    } else if (filtered && command_arg_is(ctx, 3, "PATTERN")) {
        filter = LIST_PATTERN;
    } else if (ctx->request->count != 2) {
        reply_error(ctx->reply, "ERR syntax error");
        return KVS_OK;
    }
    if (filtered)
        text = command_arg(ctx, 4);
    size_t count;
    size_t passing = 0;
    const struct command *table = command_table(&count);
    for (size_t i = 0; i < count; i++)
        passing += list_passes(&table[i], filter, text);
    reply_array(ctx->reply, passing);
    for (size_t i = 0; i < count; i++)
        if (list_passes(&table[i], filter, text))
            reply_name(ctx->reply, &table[i]);
    return KVS_OK;
}

/* ---- COMMAND GETKEYS ---- */

/* The command that the arguments from the third on make; NULL, with the error replied, when it has no keys. */
static const struct command *inner_command(struct command_ctx *ctx)
{
    const struct kvs_bytes *args = ctx->request->args + 2;
    size_t count = ctx->request->count - 2;
    const struct command *container;
    const struct command *command = command_lookup(args, count, &container);
    if (command == NULL) {
        reply_error(ctx->reply, "ERR Invalid command specified");
    } else if (command->first_key == 0) {
        reply_error(ctx->reply, "ERR The command has no key arguments");
        command = NULL;
    } else if (command->arity > 0 ? count != (size_t)command->arity
                                  : count < (size_t)-command->arity) {
        reply_error(ctx->reply, "ERR Invalid number of arguments specified for command");
        command = NULL;
    }
    return command;
}

/* The flags of SET depend on whether it also reads. */
static struct kvs_bytes used_flags(struct command_ctx *ctx, struct kvs_bytes flags)
{
    struct kvs_bytes variable = BYTES(" variable_flags");
    if (flags.len < variable.len ||
        !bytes_equal(bytes_from(flags, flags.len - variable.len), variable))
        return flags;
    for (size_t i = 5; i < ctx->request->count; i++)
        if (command_arg_is(ctx, i, "GET"))
            return bytes_of(flags.data, flags.len - variable.len);
    return BYTES("OW update");
}

static enum kvs_status reply_keys(struct command_ctx *ctx, bool with_flags)
{
    const struct command *command = inner_command(ctx);
    if (command == NULL)
        return KVS_OK;
    const struct kvs_bytes *args = ctx->request->args + 2;
    size_t arg_count = ctx->request->count - 2;
    size_t first = (size_t)command->first_key;
    size_t step = (size_t)command->key_step;
    size_t last =
        command->last_key >= 0 ? (size_t)command->last_key : arg_count - (size_t)-command->last_key;
    const char *flags = key_flags_of(command, command_docs(command));
    bool one_for_all = command_docs_count(flags, ';') == 1;
    struct kvs_bytes key_flags = command_docs_next(&flags, ';');
    reply_array(ctx->reply, (last - first) / step + 1);
    for (size_t i = first; i <= last; i += step) {
        if (i != first && !one_for_all)
            key_flags = command_docs_next(&flags, ';');
        if (with_flags)
            reply_array(ctx->reply, 2);
        reply_bulk(ctx->reply, args[i]);
        if (with_flags)
            reply_words(ctx->reply, used_flags(ctx, key_flags));
    }
    return KVS_OK;
}

enum kvs_status cmd_command_getkeys(struct command_ctx *ctx)
{
    return reply_keys(ctx, false);
}

enum kvs_status cmd_command_getkeysandflags(struct command_ctx *ctx)
{
    return reply_keys(ctx, true);
}

enum kvs_status cmd_command_help(struct command_ctx *ctx)
{
    return connection_help(ctx, "COMMAND");
}
