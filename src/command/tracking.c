/*
 * tracking.c - CLIENT TRACKING and its kin, and remembering what is read.
 */
#include "command/tracking.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/number.h"
#include "command/connection.h"
#include "command/families.h"
#include "command/keys.h"
#include "command/transaction.h"

/* ---- Remembering ---- */

bool tracking_wants(const struct command_ctx *ctx)
{
    const struct client *client = ctx->client;
    unsigned options = client->tracking_options;
    bool caching = client_is(client, CLIENT_CACHING);
    if ((options & HOST_TRACK_BCAST) != 0 || ctx->host == NULL)
        return false;
    if ((options & HOST_TRACK_OPTIN) != 0 && !caching)
        return false;
    if ((options & HOST_TRACK_OPTOUT) != 0 && caching)
        return false;
    return (ctx->command->flags & COMMAND_READONLY) != 0 || ctx->command->run == cmd_exec;
}

struct remembering {
    struct command_ctx *ctx;
    const struct kvs_bytes *args;
    unsigned space;
};

static bool remember_key(void *arg, size_t position)
{
    struct remembering *remembering = arg;
    struct command_ctx *ctx = remembering->ctx;
    ctx->host->remember(ctx->host->ctx, ctx->client, remembering->space,
                        remembering->args[position]);
    return true;
}

static void remember_command(void *arg, const struct command *command,
                             const struct request *request)
{
    struct remembering *remembering = arg;
    remembering->args = request->args;
    if (command->run == cmd_select) {
        int64_t space;
        if (number_parse_i64(request->args[1], &space) && space >= 0 && space < KVS_SPACES)
            remembering->space = (unsigned)space;
    }
    if ((command->flags & COMMAND_READONLY) != 0)
        (void)keys_each(command, request->args, request->count, remember_key, remembering);
}

void tracking_remember(struct command_ctx *ctx)
{
    struct remembering remembering = { .ctx = ctx };
    while (remembering.space < KVS_SPACES - 1 && ctx->spaces[remembering.space] != ctx->db)
        remembering.space++;
    if (ctx->command->run == cmd_exec)
        transaction_each(ctx->client, remember_command, &remembering);
    else
        remember_command(&remembering, ctx->command, ctx->request);
}

void command_over(struct client *client, const struct command *command)
{
    bool is_client = command != NULL && strncmp(command->name, "CLIENT|", 7) == 0;
    if (!is_client && !client->in_multi)
        client_unmark(client, CLIENT_CACHING);
}

/* ---- CLIENT TRACKING ---- */

struct tracking_args {
    struct host_tracking tracking;
    bool on;
    struct kvs_bytes *prefixes;
    size_t count;
};

static bool refuse(struct command_ctx *ctx, const char *text)
{
    reply_error(ctx->reply, "ERR %s", text);
    return false;
}

static bool parse_redirect(struct command_ctx *ctx, size_t at, struct host_tracking *tracking)
{
    int64_t id;
    if (tracking->redirect != 0)
        return refuse(ctx, "A client can only redirect to a single other client");
    if (!number_parse_i64(command_arg(ctx, at), &id))
        return refuse(ctx, "value is not an integer or out of range");
    if (id <= 0 || !ctx->host->client_exists(ctx->host->ctx, (uint64_t)id))
        return refuse(ctx, "The client ID you want redirect to does not exist");
    tracking->redirect = (uint64_t)id;
    return true;
}

static bool parse_options(struct command_ctx *ctx, struct tracking_args *args)
{
    static const struct {
        const char *word;
        unsigned option;
    } words[] = {
        { "BCAST", HOST_TRACK_BCAST },
        { "OPTIN", HOST_TRACK_OPTIN },
        { "OPTOUT", HOST_TRACK_OPTOUT },
        { "NOLOOP", HOST_TRACK_NOLOOP },
    };

    size_t count = ctx->request->count;
    for (size_t i = 3; i < count; i++) {
        unsigned option = 0;
        for (size_t w = 0; w < sizeof words / sizeof words[0]; w++)
            if (command_arg_is(ctx, i, words[w].word))
                option = words[w].option;
        if (option != 0) {
            args->tracking.options |= option;
        } else if (command_arg_is(ctx, i, "REDIRECT") && i + 1 < count) {
            if (!parse_redirect(ctx, ++i, &args->tracking))
                return false;
        } else if (command_arg_is(ctx, i, "PREFIX") && i + 1 < count) {
            args->prefixes[args->count++] = command_arg(ctx, ++i);
        } else {
            return refuse(ctx, "syntax error");
        }
    }
    return true;
}

static bool overlap(struct kvs_bytes a, struct kvs_bytes b)
{
    return bytes_starts_with(a, b) || bytes_starts_with(b, a);
}

struct overlapping {
    struct command_ctx *ctx;
    const struct tracking_args *args;
    bool found;
};

static int shown(struct kvs_bytes text)
{
    return text.len < 256 ? (int)text.len : 256;
}

static void check_overlap(void *arg, struct kvs_bytes name)
{
    struct overlapping *overlapping = arg;
    for (size_t i = 0; i < overlapping->args->count && !overlapping->found; i++) {
        struct kvs_bytes prefix = overlapping->args->prefixes[i];
        if (!overlap(prefix, name))
            continue;
        overlapping->found = true;
        reply_error(overlapping->ctx->reply,
                    "ERR Prefix '%.*s' overlaps with an existing prefix '%.*s'. Prefixes for a "
                    "single client must not overlap.",
                    shown(prefix), (const char *)prefix.data, shown(name), (const char *)name.data);
    }
}

static bool prefixes_fit(struct command_ctx *ctx, const struct tracking_args *args)
{
    struct overlapping overlapping = { .ctx = ctx, .args = args };
    ctx->host->tracking_prefixes(ctx->host->ctx, ctx->client, check_overlap, &overlapping);
    for (size_t i = 0; i < args->count && !overlapping.found; i++) {
        for (size_t j = i + 1; j < args->count && !overlapping.found; j++) {
            if (!overlap(args->prefixes[i], args->prefixes[j]))
                continue;
            overlapping.found = true;
            reply_error(ctx->reply,
                        "ERR Prefix '%.*s' overlaps with another provided prefix '%.*s'. Prefixes "
                        "for a single client must not overlap.",
                        shown(args->prefixes[i]), (const char *)args->prefixes[i].data,
                        shown(args->prefixes[j]), (const char *)args->prefixes[j].data);
        }
    }
    return !overlapping.found;
}

/* The order of the checks, and the texts, are Redis's. */
static bool options_fit(struct command_ctx *ctx, const struct tracking_args *args)
{
    const struct client *client = ctx->client;
    unsigned now = args->tracking.options;
    unsigned before = client->tracking_options;
    unsigned opt = HOST_TRACK_OPTIN | HOST_TRACK_OPTOUT;
    bool tracks = client_is(client, CLIENT_TRACKS);
    if ((now & HOST_TRACK_BCAST) == 0 && args->count != 0)
        return refuse(ctx, "PREFIX option requires BCAST mode to be enabled");
    if (tracks && ((now ^ before) & HOST_TRACK_BCAST) != 0)
        return refuse(ctx, "You can't switch BCAST mode on/off before disabling tracking for this "
                           "client, and then re-enabling it with a different mode.");
    if ((now & HOST_TRACK_BCAST) != 0 && (now & opt) != 0)
        return refuse(ctx, "OPTIN and OPTOUT are not compatible with BCAST");
    if ((now & opt) == opt)
        return refuse(ctx, "You can't specify both OPTIN mode and OPTOUT mode");
    if (tracks && (((now & HOST_TRACK_OPTIN) != 0 && (before & HOST_TRACK_OPTOUT) != 0) ||
                   ((now & HOST_TRACK_OPTOUT) != 0 && (before & HOST_TRACK_OPTIN) != 0)))
        return refuse(ctx, "You can't switch OPTIN/OPTOUT mode before disabling tracking for this "
                           "client, and then re-enabling it with a different mode.");
    return (now & HOST_TRACK_BCAST) == 0 || prefixes_fit(ctx, args);
}

static enum kvs_status switch_on(struct command_ctx *ctx, struct tracking_args *args)
{
    struct client *client = ctx->client;
    enum kvs_status status = ctx->host->tracking_on(ctx->host->ctx, client, &args->tracking,
                                                    args->prefixes, args->count);
    if (status != KVS_OK)
        return status;
    client->tracking_options = args->tracking.options;
    /* relaxed: a figure for CLIENT LIST */
    atomic_store_explicit(&client->redirect_shown, args->tracking.redirect, memory_order_relaxed);
    client_unmark(client, CLIENT_BCAST | CLIENT_BROKEN | CLIENT_CACHING);
    client_mark(client, CLIENT_TRACKS |
                            ((args->tracking.options & HOST_TRACK_BCAST) != 0 ? CLIENT_BCAST : 0));
    return KVS_OK;
}

static void switch_off(struct command_ctx *ctx)
{
    if (!client_is(ctx->client, CLIENT_TRACKS))
        return;
    ctx->host->tracking_off(ctx->host->ctx, ctx->client);
    ctx->client->tracking_options = 0;
    client_unmark(ctx->client, CLIENT_TRACKS | CLIENT_BCAST | CLIENT_BROKEN | CLIENT_CACHING);
}

void tracking_reset(struct command_ctx *ctx)
{
    switch_off(ctx);
}

enum kvs_status cmd_client_tracking(struct command_ctx *ctx)
{
    if (ctx->host == NULL || ctx->host->tracking_on == NULL)
        return connection_unavailable(ctx);
    struct tracking_args args = { 0 };
    args.prefixes = calloc(ctx->request->count, sizeof *args.prefixes);
    if (args.prefixes == NULL)
        return fail(KVS_NO_MEMORY, 0, "prefixes");
    enum kvs_status status = KVS_OK;
    bool fits = parse_options(ctx, &args);
    if (fits && command_arg_is(ctx, 2, "ON")) {
        fits = options_fit(ctx, &args);
        if (fits)
            status = switch_on(ctx, &args);
    } else if (fits && command_arg_is(ctx, 2, "OFF")) {
        switch_off(ctx);
    } else if (fits) {
        fits = refuse(ctx, "syntax error");
    }
    if (fits && status == KVS_OK)
        reply_ok(ctx->reply);
    free(args.prefixes);
    return status;
}

/* ---- Its kin ---- */

enum kvs_status cmd_client_caching(struct command_ctx *ctx)
{
    struct client *client = ctx->client;
    unsigned options = client->tracking_options;
    bool yes = command_arg_is(ctx, 2, "YES");
    if (!client_is(client, CLIENT_TRACKS) ||
        (options & (HOST_TRACK_OPTIN | HOST_TRACK_OPTOUT)) == 0) {
        (void)refuse(ctx, "CLIENT CACHING can be called only when the client is in tracking mode "
                          "with OPTIN or OPTOUT mode enabled");
    } else if (!yes && !command_arg_is(ctx, 2, "NO")) {
        (void)refuse(ctx, "syntax error");
    } else if (yes && (options & HOST_TRACK_OPTIN) == 0) {
        (void)refuse(ctx, "CLIENT CACHING YES is only valid when tracking is enabled in OPTIN "
                          "mode.");
    } else if (!yes && (options & HOST_TRACK_OPTOUT) == 0) {
        (void)refuse(ctx, "CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT "
                          "mode.");
    } else {
        client_mark(client, CLIENT_CACHING);
        reply_ok(ctx->reply);
    }
    return KVS_OK;
}

enum kvs_status cmd_client_getredir(struct command_ctx *ctx)
{
    struct host_tracking tracking;
    if (ctx->host == NULL || ctx->host->tracking == NULL)
        return connection_unavailable(ctx);
    if (ctx->host->tracking(ctx->host->ctx, ctx->client, &tracking))
        reply_integer(ctx->reply, (int64_t)tracking.redirect);
    else
        reply_integer(ctx->reply, -1);
    return KVS_OK;
}

static void reply_flags(struct command_ctx *ctx, bool on, unsigned options)
{
    const char *flags[8];
    size_t count = 0;
    bool caching = client_is(ctx->client, CLIENT_CACHING);
    flags[count++] = on ? "on" : "off";
    if ((options & HOST_TRACK_BCAST) != 0)
        flags[count++] = "bcast";
    if ((options & HOST_TRACK_OPTIN) != 0) {
        flags[count++] = "optin";
        if (caching)
            flags[count++] = "caching-yes";
    }
    if ((options & HOST_TRACK_OPTOUT) != 0) {
        flags[count++] = "optout";
        if (caching)
            flags[count++] = "caching-no";
    }
    if ((options & HOST_TRACK_NOLOOP) != 0)
        flags[count++] = "noloop";
    if ((options & HOST_TRACK_BROKEN) != 0)
        flags[count++] = "broken_redirect";
    reply_set(ctx->reply, count);
    for (size_t i = 0; i < count; i++)
        reply_bulk_str(ctx->reply, flags[i]);
}

static void count_name(void *arg, struct kvs_bytes name)
{
    (void)name;
    (*(size_t *)arg)++;
}

static void reply_name(void *arg, struct kvs_bytes name)
{
    reply_bulk(arg, name);
}

enum kvs_status cmd_client_trackinginfo(struct command_ctx *ctx)
{
    struct host_tracking tracking = { 0 };
    size_t count = 0;
    if (ctx->host == NULL || ctx->host->tracking == NULL)
        return connection_unavailable(ctx);
    bool on = ctx->host->tracking(ctx->host->ctx, ctx->client, &tracking);
    reply_map(ctx->reply, 3);
    reply_bulk_str(ctx->reply, "flags");
    reply_flags(ctx, on, tracking.options);
    reply_bulk_str(ctx->reply, "redirect");
    reply_integer(ctx->reply, on ? (int64_t)tracking.redirect : -1);
    reply_bulk_str(ctx->reply, "prefixes");
    ctx->host->tracking_prefixes(ctx->host->ctx, ctx->client, count_name, &count);
    reply_array(ctx->reply, count);
    ctx->host->tracking_prefixes(ctx->host->ctx, ctx->client, reply_name, ctx->reply);
    return KVS_OK;
}
