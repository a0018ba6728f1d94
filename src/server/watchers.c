/*
 * watchers.c - lines for MONITOR, entries for SLOWLOG.
 *
 * A line is made once and put into the boxes of the loops that have monitors; the last loop frees it.
 */
#include "server/watchers.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "command/monitor.h"
#include "server/push.h"
#include "server/state.h"

enum {
    SHOWN_ARGS = 32,   /* of a slow command … */
    SHOWN_BYTES = 128, /* … and of each argument, as in Redis */
    LINE_BYTES_MAX = 512 * 1024 * 1024
};

/* ---- MONITOR ---- */

struct monitor_line {
    struct mail mail;
    size_t len;
    char text[];
};

void monitors_add(struct session *session)
{
    struct server *server = session->reactor->server;
    list_append(&session->reactor->monitors, &session->monitoring);
    /* seq_cst: before the bit is set; a line made after it finds this loop. pairs with: monitors_show */
    atomic_fetch_add_explicit(&session->reactor->monitor_count, 1, memory_order_seq_cst);
    mutex_lock(&server->pause_mu);
    server->monitor_count++;
    server_watch(server, HOST_MONITORED, true);
    mutex_unlock(&server->pause_mu);
}

void monitors_remove(struct session *session)
{
    struct server *server = session->reactor->server;
    if (list_empty(&session->monitoring))
        return;
    list_remove(&session->monitoring);
    atomic_fetch_sub_explicit(&session->reactor->monitor_count, 1, memory_order_seq_cst);
    mutex_lock(&server->pause_mu);
    if (--server->monitor_count == 0)
        server_watch(server, HOST_MONITORED, false);
    mutex_unlock(&server->pause_mu);
}

static void drop_line(struct mail *mail)
{
    free(mail);
}

static void deliver_line(struct reactor *reactor, struct mail *mail)
{
    struct monitor_line *line = (struct monitor_line *)mail;
    for (struct list_node *node = reactor->monitors.next; node != &reactor->monitors;) {
        struct session *session = list_member(node, struct session, monitoring);
        struct push push;
        node = node->next;
        if (!push_begin(&push, session))
            continue;
        push.reply->ops->status(push.reply, bytes_of(line->text, line->len));
        push_end(&push, 0);
    }
    free(line);
}

/* As Redis quotes: what is printable stays, the rest becomes an escape. */
static void append_quoted(struct buf *out, struct kvs_bytes text)
{
    const unsigned char *bytes = text.data;
    buf_append_char(out, '"');
    for (size_t i = 0; i < text.len; i++) {
        switch (bytes[i]) {
        case '\\':
        case '"':
            buf_append_char(out, '\\');
            buf_append_char(out, (char)bytes[i]);
            break;
        case '\n':
            buf_append_str(out, "\\n");
            break;
        case '\r':
            buf_append_str(out, "\\r");
            break;
        case '\t':
            buf_append_str(out, "\\t");
            break;
        case '\a':
            buf_append_str(out, "\\a");
            break;
        case '\b':
            buf_append_str(out, "\\b");
            break;
        default:
            if (bytes[i] >= ' ' && bytes[i] <= '~')
                buf_append_char(out, (char)bytes[i]);
            else
                buf_printf(out, "\\x%02x", bytes[i]);
        }
    }
    buf_append_char(out, '"');
}

void monitors_show(struct server *server, const struct client *client, unsigned space,
                   const struct kvs_bytes *args, size_t count, size_t redacted)
{
    const struct session *session = session_of_client(client);
    struct buf text;
    int64_t now_us = clock_wall_us(server->clock);
    buf_init(&text, LINE_BYTES_MAX);
    buf_printf(&text, "%" PRId64 ".%06" PRId64 " [%u %s]", now_us / 1000000, now_us % 1000000,
               space, session->peer);
    for (size_t i = 0; i < count; i++) {
        buf_append_char(&text, ' ');
        append_quoted(&text, i < redacted ? args[i] : BYTES("(redacted)"));
    }
    for (unsigned i = 0; i < server->reactor_count; i++) {
        struct reactor *reactor = &server->reactors[i];
        /* seq_cst: pairs with: monitors_add */
        if (atomic_load_explicit(&reactor->monitor_count, memory_order_seq_cst) == 0)
            continue;
        struct monitor_line *line = text.failed == KVS_OK ? malloc(sizeof *line + text.len) : NULL;
        if (line == NULL) {
            mailbox_lose(&reactor->mailbox);
            continue;
        }
        line->mail = (struct mail){ .deliver = deliver_line,
                                    .drop = drop_line,
                                    .bytes = sizeof *line + text.len };
        line->len = text.len;
        memcpy(line->text, text.data, text.len);
        if (!mailbox_put(&reactor->mailbox, &line->mail))
            free(line);
    }
    buf_done(&text);
}

/* ---- SLOWLOG ---- */

struct slow_entry {
    struct list_node node;
    struct host_slow slow;
    struct kvs_bytes args[SHOWN_ARGS];
    char addr[ADDRESS_CHARS];
    char *name;
    struct buf text;
};

void slowlog_init(struct slowlog *slowlog)
{
    *slowlog = (struct slowlog){ 0 };
    mutex_init(&slowlog->mu);
    list_init(&slowlog->entries);
}

static void entry_free(struct slow_entry *entry)
{
    buf_done(&entry->text);
    free(entry->name);
    free(entry);
}

static void cut_to(struct slowlog *slowlog, size_t count) REQUIRES(&slowlog->mu)
{
    while (slowlog->count > count) {
        struct slow_entry *entry = list_member(slowlog->entries.prev, struct slow_entry, node);
        list_remove(&entry->node);
        slowlog->count--;
        entry_free(entry);
    }
}

void slowlog_done(struct slowlog *slowlog)
{
    cut_to(slowlog, 0);
    mutex_done(&slowlog->mu);
}

/* One argument as it is shown; its bytes go to the entry's text. */
static struct kvs_bytes shown_arg(struct slow_entry *entry, struct kvs_bytes arg)
{
    size_t at = entry->text.len;
    size_t kept = arg.len <= SHOWN_BYTES ? arg.len : SHOWN_BYTES;
    if (arg.data == NULL)
        kept = 0; /* a value that was streamed to the store */
    buf_append(&entry->text, arg.data, kept);
    if (arg.len > SHOWN_BYTES)
        buf_printf(&entry->text, "... (%zu more bytes)", arg.len - SHOWN_BYTES);
    return bytes_of(NULL, entry->text.len - at); /* where it lies is known when all is there */
}

static void fill_args(struct slow_entry *entry, const struct command *command,
                      const struct request *request)
{
    size_t redacted = monitor_redacted(command, request->args, request->count);
    size_t count = request->count <= SHOWN_ARGS ? request->count : SHOWN_ARGS;
    for (size_t i = 0; i < count; i++) {
        struct kvs_bytes arg = i < redacted ? request->args[i] : BYTES("(redacted)");
        char more[64];
        if (request->count > SHOWN_ARGS && i == SHOWN_ARGS - 1) {
            (void)snprintf(more, sizeof more, "... (%zu more arguments)",
                           request->count - SHOWN_ARGS + 1);
            arg = bytes_str(more);
        }
        entry->args[i] = shown_arg(entry, arg);
    }
    const char *at = entry->text.data;
    for (size_t i = 0; i < count; i++) {
        entry->args[i].data = at;
        at += entry->args[i].len;
    }
    entry->slow.args = entry->args;
    entry->slow.count = count;
}

void slowlog_note(struct server *server, const struct session *session,
                  const struct command *command, const struct request *request, uint64_t took_ns)
{
    struct slowlog *slowlog = &server->slowlog;
    size_t max = (size_t)config_number(server->config, SETTING_SLOWLOG_MAX_LEN);
    struct slow_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return; /* a log that helps people: its loss harms nobody */
    buf_init(&entry->text, SHOWN_ARGS * (SHOWN_BYTES + 64));
    fill_args(entry, command, request);
    (void)snprintf(entry->addr, sizeof entry->addr, "%s", session->peer);
    entry->name = strdup(session->client.name != NULL ? session->client.name : "");
    entry->slow.addr = entry->addr;
    entry->slow.name = entry->name != NULL ? entry->name : "";
    entry->slow.took_us = took_ns / 1000;
    entry->slow.time_s = clock_wall_us(server->clock) / 1000000;
    mutex_lock(&slowlog->mu);
    entry->slow.id = slowlog->next_id++;
    list_append(slowlog->entries.next, &entry->node); /* in front of the newest so far */
    slowlog->count++;
    cut_to(slowlog, max);
    mutex_unlock(&slowlog->mu);
}

size_t slowlog_each(struct slowlog *slowlog, int64_t max, host_slow_fn *fn, void *ctx)
{
    size_t count = 0;
    mutex_lock(&slowlog->mu);
    for (struct list_node *node = slowlog->entries.next;
         node != &slowlog->entries && (max < 0 || (int64_t)count < max); node = node->next) {
        fn(ctx, &list_member(node, struct slow_entry, node)->slow);
        count++;
    }
    mutex_unlock(&slowlog->mu);
    return count;
}

void slowlog_reset(struct slowlog *slowlog)
{
    mutex_lock(&slowlog->mu);
    cut_to(slowlog, 0);
    mutex_unlock(&slowlog->mu);
}
