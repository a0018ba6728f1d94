/*
 * rig_test.h - for the tests of this room: a store of the memory engine, a host that answers from its fields, clients, and
 * requests as text to replies as RESP text. KVS_TEST_ENGINE names another engine.
 */
#ifndef COMMAND_RIG_TEST_H
#define COMMAND_RIG_TEST_H

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/glob.h"
#include "command/command.h"
#include "io/clock.h"
#include "io/env.h"
#include "protocol/encode.h"
#include "tests/harness/test.h"

enum {
    RIG_ARGS_MAX = 64,
    RIG_REPLY_MAX = 64 * 1024 * 1024,
    RIG_START_MS = 1000000
};

struct rig {
    struct clock *clock;
    struct kvs_env kvs_env;
    struct kvs *spaces[KVS_SPACES];
    struct host host;
    struct command_env env;
    const char *password; /* NULL: none needed */
    struct kvs_bytes config_refused;
    uint64_t killed;
    struct host_client_filter kill_filter;
    size_t list_ids;
    bool stopped;
    bool stop_saves;
    unsigned saves;
    /* CONFIG GET calls it, so that a test can act in the middle of a transaction. NULL: nothing. */
    void (*meanwhile)(struct rig *rig);
    unsigned meanwhile_count;
};

struct rig_client {
    struct rig *rig;
    struct client client;
    struct buf out;
    struct reply reply;
    bool may_wait;
    struct command_result result;
    enum kvs_status status; /* of the last command_run() */
};

#define RIG_UNUSED __attribute__((unused))

/* ---- Host ---- */

static int64_t rig_now_us(void *ctx)
{
    return clock_wall_us(((struct rig *)ctx)->clock);
}

static bool rig_password_needed(void *ctx)
{
    return ((struct rig *)ctx)->password != NULL;
}

static bool rig_password_matches(void *ctx, struct kvs_bytes user, struct kvs_bytes password)
{
    struct rig *rig = ctx;
    return bytes_equal(user, BYTES("default")) && bytes_equal(password, bytes_str(rig->password));
}

static void rig_config_get(void *ctx, struct kvs_bytes pattern, host_setting_fn *fn, void *fn_ctx)
{
    struct rig *rig = ctx;
    if (rig->meanwhile != NULL) {
        rig->meanwhile_count++;
        rig->meanwhile(rig);
    }
    static const char *const settings[][2] = { { "port", "4000" }, { "maxmemory", "0" } };
    for (size_t i = 0; i < 2; i++)
        if (glob_match(pattern, bytes_str(settings[i][0]), true))
            fn(fn_ctx, settings[i][0], settings[i][1]);
}

static enum kvs_status rig_config_set(void *ctx, const struct kvs_bytes *names,
                                      const struct kvs_bytes *values, size_t count,
                                      struct buf *ret_error)
{
    (void)ctx;
    (void)values;
    for (size_t i = 0; i < count; i++) {
        if (bytes_equal_nocase(names[i], BYTES("maxmemory")))
            continue;
        buf_printf(ret_error, "Unknown option or number of arguments for CONFIG SET - '%.*s'",
                   (int)names[i].len, (const char *)names[i].data);
        return KVS_INVALID;
    }
    return KVS_OK;
}

static void rig_info(void *ctx, const struct kvs_bytes *sections, size_t count, struct buf *ret)
{
    (void)ctx;
    buf_append_str(ret, "# Sections");
    for (size_t i = 0; i < count; i++) {
        buf_append_char(ret, ' ');
        buf_append_bytes(ret, sections[i]);
    }
}

static void rig_client_list(void *ctx, const struct host_client_filter *filter, const uint64_t *ids,
                            size_t id_count, struct buf *ret)
{
    ((struct rig *)ctx)->list_ids = id_count;
    buf_printf(ret, "type=%s first=%d\n", filter->type != NULL ? filter->type : "any",
               id_count != 0 ? (int)ids[0] : 0);
}

static uint64_t rig_client_kill(void *ctx, const struct client *self,
                                const struct host_client_filter *filter)
{
    struct rig *rig = ctx;
    (void)self;
    rig->kill_filter = *filter; /* its texts are gone after the call */
    return rig->killed;
}

static void rig_shutdown(void *ctx, bool save, bool force)
{
    struct rig *rig = ctx;
    (void)force;
    rig->stopped = true;
    rig->stop_saves = save;
}

static void rig_background_save(void *ctx)
{
    ((struct rig *)ctx)->saves++;
}

static int64_t rig_last_save_s(void *ctx)
{
    (void)ctx;
    return 77;
}

static void rig_note_save(void *ctx, bool ok)
{
    ((struct rig *)ctx)->saves += ok;
}

/* ---- Store ---- */

static RIG_UNUSED void rig_init(struct rig *rig)
{
    *rig = (struct rig){ .clock = clock_manual_new((int64_t)RIG_START_MS * 1000) };
    assert_non_null(rig->clock);
    rig->kvs_env = (struct kvs_env){ .clock = rig->clock, .seed = 1 };
    const char *engine = getenv("KVS_TEST_ENGINE");
    struct kvs_options options = {
        .engine = engine != NULL ? engine : "memory",
        .env = &rig->kvs_env,
    };
    char dir[256]; /* a new one for each: another engine may keep what it is given */
    (void)snprintf(dir, sizeof dir, "%s/XXXXXX", test_dir());
    assert_non_null(mkdtemp(dir));
    assert_ok(kvs_open(dir, &options, &rig->spaces[0]));
    for (unsigned space = 1; space < KVS_SPACES; space++)
        assert_ok(kvs_space(rig->spaces[0], space, &rig->spaces[space]));
    rig->host = (struct host){
        .ctx = rig,
        .now_us = rig_now_us,
        .config_get = rig_config_get,
        .config_set = rig_config_set,
        .password_needed = rig_password_needed,
        .password_matches = rig_password_matches,
        .info = rig_info,
        .client_list = rig_client_list,
        .client_kill = rig_client_kill,
        .shutdown = rig_shutdown,
        .background_save = rig_background_save,
        .last_save_s = rig_last_save_s,
        .note_save = rig_note_save,
    };
    rig->env = (struct command_env){ .host = &rig->host, .spaces = rig->spaces };
}

static RIG_UNUSED void rig_done(struct rig *rig)
{
    for (unsigned space = 0; space < KVS_SPACES; space++)
        assert_ok(kvs_close(rig->spaces[space]));
    free(rig->clock);
}

static void rig_reader_close(void *ctx, struct kvs_reader *reader)
{
    kvs_reader_close(((struct rig *)ctx)->spaces[0], reader);
}

static RIG_UNUSED void rig_client_init(struct rig_client *client, struct rig *rig, uint64_t id)
{
    *client = (struct rig_client){ .rig = rig, .may_wait = true };
    assert_ok(client_init(&client->client, rig->spaces[0], id));
    buf_init(&client->out, RIG_REPLY_MAX);
    client->reply = (struct reply){
        .ops = &reply_resp2,
        .out = &client->out,
        .versions = { &reply_resp2, &reply_resp3 },
        .reader_close = rig_reader_close,
        .reader_ctx = rig,
    };
}

static RIG_UNUSED void rig_client_done(struct rig_client *client)
{
    reply_rewind(&client->reply, (struct reply_mark){ 0 });
    free(client->reply.streams);
    client_done(&client->client, client->rig->spaces[0]);
    buf_done(&client->out);
}

/* Runs one request; the reply is in client->out, NUL terminated, and returned. */
static RIG_UNUSED const char *rig_run(struct rig_client *client, struct request *request)
{
    reply_rewind(&client->reply, (struct reply_mark){ 0 });
    client->status = command_run(&client->rig->env, &client->client, request, &client->reply,
                                 client->may_wait, &client->result);
    if (client->status == KVS_WOULD_BLOCK)
        assert_int_equal(client->out.len, 0);
    buf_append_char(&client->out, '\0');
    assert_int_equal(client->out.failed, KVS_OK);
    return client->out.data;
}

/* The arguments are the words of @line; "" is an empty one. */
static RIG_UNUSED const char *rig_send(struct rig_client *client, const char *line)
{
    struct kvs_bytes args[RIG_ARGS_MAX];
    size_t count = 0;
    while (*line != '\0' && count < RIG_ARGS_MAX) {
        size_t len = strcspn(line, " ");
        bool empty = len == 2 && memcmp(line, "\"\"", 2) == 0;
        args[count++] = bytes_of(line, empty ? 0 : len);
        line += len;
        line += strspn(line, " ");
    }
    struct request request = { .args = args, .count = count };
    return rig_run(client, &request);
}

#define assert_reply(client, line, expected) \
    assert_string_equal(rig_send((client), (line)), (expected))

/* A rig with one client, for tests that need no more. */
#define RIG(rig, client)      \
    struct rig rig;           \
    rig_init(&rig);           \
    struct rig_client client; \
    rig_client_init(&client, &rig, 7)

#define RIG_DONE(rig, client) \
    rig_client_done(&client); \
    rig_done(&rig)

#endif
