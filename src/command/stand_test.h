/*
 * stand_test.h - for tests: a store of the memory engine, a client, and commands run on them as a server would: first on a thread that
 * may not wait, then, where they say so, on one that may. Private to the room's tests.
 */
#ifndef COMMAND_STAND_TEST_H
#define COMMAND_STAND_TEST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "command/command.h"
#include "io/env.h"
#include "protocol/encode.h"
#include "tests/harness/test.h"

enum {
    STAND_CURSORS = 64,
    STAND_ARGS_MAX = 64,
    STAND_OUT_BYTES_MAX = 1024 * 1024 * 1024
};

struct stand_cursor {
    unsigned space;
    size_t len;
    char key[KVS_KEY_MAX];
};

struct stand {
    struct kvs *spaces[KVS_SPACES];
    struct kvs_env env;
    struct clock *clock; /* NULL: the real one */
    struct host host;
    struct client client;
    const struct reply_ops *ops;
    struct buf out;   /* as the encoder leaves it */
    struct buf reply; /* with what is streamed in its place: what a client sees */
    struct command_result result;
    size_t waits; /* runs that had to be done again where waiting is allowed */
    size_t streams;
    uint64_t random;
    struct stand_cursor *cursors[STAND_CURSORS];
    uint64_t cursor_count;
};

static inline int64_t stand_now_us(void *ctx)
{
    const struct stand *stand = ctx;
    return clock_wall_us(stand->clock != NULL ? stand->clock : clock_system());
}

static inline uint64_t stand_random(void *ctx)
{
    struct stand *stand = ctx;
    return hash_u64(++stand->random);
}

static inline uint64_t stand_cursor_open(void *ctx, unsigned space, struct kvs_bytes last_key)
{
    struct stand *stand = ctx;
    size_t slot = stand->cursor_count % STAND_CURSORS;
    if (stand->cursors[slot] == NULL)
        stand->cursors[slot] = malloc(sizeof *stand->cursors[slot]);
    struct stand_cursor *cursor = stand->cursors[slot];
    if (cursor == NULL)
        return 0;
    cursor->space = space;
    cursor->len = last_key.len;
    if (last_key.len != 0)
        memcpy(cursor->key, last_key.data, last_key.len);
    return ++stand->cursor_count;
}

static inline bool stand_cursor_find(void *ctx, uint64_t number, unsigned space,
                                     struct buf *ret_last_key)
{
    const struct stand *stand = ctx;
    if (number == 0 || number > stand->cursor_count ||
        number + STAND_CURSORS <= stand->cursor_count)
        return false;
    const struct stand_cursor *cursor = stand->cursors[(number - 1) % STAND_CURSORS];
    if (cursor->space != space)
        return false;
    buf_append(ret_last_key, cursor->key, cursor->len);
    return ret_last_key->failed == KVS_OK;
}

static inline void stand_reader_close(void *ctx, struct kvs_reader *reader)
{
    struct stand *stand = ctx;
    kvs_reader_close(stand->spaces[0], reader);
}

/* @clock NULL: the real one. False: it cannot be opened, see kvs_error(). */
static inline bool stand_open(struct stand *stand, const char *dir, struct clock *clock)
{
    *stand = (struct stand){ .clock = clock, .env = { .clock = clock }, .ops = &reply_resp2 };
    stand->host = (struct host){
        .ctx = stand,
        .now_us = stand_now_us,
        .random = stand_random,
        .cursor_open = stand_cursor_open,
        .cursor_find = stand_cursor_find,
    };
    buf_init(&stand->out, STAND_OUT_BYTES_MAX);
    buf_init(&stand->reply, STAND_OUT_BYTES_MAX);
    const char *engine = getenv("KVS_TEST_ENGINE"); /* for runs by hand */
    struct kvs_options options = {
        .engine = engine != NULL ? engine : "memory",
        .env = &stand->env,
    };
    char own[256]; /* a new one for each: another engine keeps what it is given */
    if (snprintf(own, sizeof own, "%s/XXXXXX", dir) >= (int)sizeof own || mkdtemp(own) == NULL ||
        kvs_open(own, &options, &stand->spaces[0]) != KVS_OK)
        return false;
    for (unsigned i = 1; i < KVS_SPACES; i++)
        if (kvs_space(stand->spaces[0], i, &stand->spaces[i]) != KVS_OK)
            return false;
    return client_init(&stand->client, stand->spaces[0], 1) == KVS_OK;
}

static inline void stand_close(struct stand *stand)
{
    client_done(&stand->client, stand->spaces[0]);
    for (unsigned i = 0; i < KVS_SPACES; i++)
        (void)kvs_close(stand->spaces[i]);
    for (size_t i = 0; i < STAND_CURSORS; i++)
        free(stand->cursors[i]);
    buf_done(&stand->out);
    buf_done(&stand->reply);
}

/* Puts the streamed values in their places, a small piece at a time. False: a read failed. */
static inline bool stand_send(struct stand *stand, struct reply *reply)
{
    static char piece[10000];
    size_t sent = 0;
    bool good = true;
    for (size_t i = 0; i < reply->stream_count; i++) {
        struct reply_stream *stream = &reply->streams[i];
        buf_append(&stand->reply, stand->out.data + sent, stream->out_off - sent);
        sent = stream->out_off;
        for (uint64_t done = 0; done < stream->value_bytes && good;) {
            uint64_t left = stream->value_bytes - done;
            size_t len = left < sizeof piece ? (size_t)left : sizeof piece;
            good = kvs_reader_read(stand->spaces[0], stream->reader, false,
                                   stream->value_off + done, piece, len) == KVS_OK;
            buf_append(&stand->reply, piece, len);
            done += len;
        }
        kvs_reader_close(stand->spaces[0], stream->reader);
    }
    buf_append(&stand->reply, stand->out.data + sent, stand->out.len - sent);
    free(reply->streams);
    return good && stand->reply.failed == KVS_OK;
}

/* The argument that a server would have streamed to a blob becomes one. */
static inline bool stand_stream(struct stand *stand, struct request *request)
{
    for (size_t i = 1; i < request->count; i++) {
        struct kvs_bytes *arg = &request->args[i];
        if (arg->len <= KVS_INLINE_MAX ||
            !command_streams(&stand->host, &stand->client, request->args, i, i, arg->len))
            continue;
        if (kvs_blob_new(stand->spaces[0], &request->blob) != KVS_OK ||
            kvs_blob_append(stand->spaces[0], request->blob, *arg) != KVS_OK)
            return false;
        request->blob_arg = i;
        *arg = (struct kvs_bytes){ NULL, 0 };
        return true;
    }
    return true;
}

/* Runs one command; stand->reply is the answer. @args may be changed. */
static inline bool stand_run(struct stand *stand, struct kvs_bytes *args, size_t count)
{
    struct request request = { .args = args, .count = count };
    struct reply reply = {
        .ops = stand->ops,
        .out = &stand->out,
        .reader_close = stand_reader_close,
        .reader_ctx = stand,
    };
    struct command_env env = {
        .host = &stand->host,
        .spaces = stand->spaces,
        .durability = KVS_DURABILITY_ALWAYS,
    };
    buf_truncate(&stand->out, 0);
    buf_truncate(&stand->reply, 0);
    bool good = stand_stream(stand, &request);
    enum kvs_status status =
        command_run(&env, &stand->client, &request, &reply, false, &stand->result);
    if (status == KVS_WOULD_BLOCK) {
        stand->waits++;
        good = good && stand->out.len == 0 && reply.stream_count == 0;
        status = command_run(&env, &stand->client, &request, &reply, true, &stand->result);
    }
    stand->streams = reply.stream_count;
    if (request.blob != NULL)
        kvs_blob_free(stand->spaces[0], request.blob);
    return stand_send(stand, &reply) && good && status == KVS_OK;
}

/* Splits @command at spaces; ~ is an empty argument. */
static inline size_t stand_split(const char *command, struct kvs_bytes args[STAND_ARGS_MAX])
{
    size_t count = 0;
    for (;;) {
        size_t len = strcspn(command, " ");
        assert_true(count < STAND_ARGS_MAX);
        args[count] = bytes_of(command, len);
        if (bytes_equal(args[count], BYTES("~")))
            args[count].len = 0;
        count++;
        if (command[len] == '\0')
            return count;
        command += len + 1;
    }
}

static inline void stand_expect(struct stand *stand, const char *command, struct kvs_bytes expected)
{
    struct kvs_bytes args[STAND_ARGS_MAX];
    size_t count = stand_split(command, args);
    if (!stand_run(stand, args, count))
        fail_msg("%s: %s", command, kvs_error());
    if (!bytes_equal(buf_bytes(&stand->reply), expected))
        fail_msg("%s\nexpected %.*s\nanswered %.*s", command, (int)expected.len,
                 (const char *)expected.data, (int)stand->reply.len, stand->reply.data);
}

/* The answer to @command is @text, a literal. */
#define EXPECT(stand, command, text) stand_expect((stand), (command), BYTES(text))

/* A stand for one test, with a clock of its own. */
static inline struct stand *stand_new(void)
{
    struct stand *stand = malloc(sizeof *stand);
    struct clock *clock = clock_manual_new(1700000000000000);
    assert_non_null(stand);
    assert_non_null(clock);
    if (!stand_open(stand, test_dir(), clock))
        fail_msg("%s", kvs_error());
    return stand;
}

static inline void stand_free(struct stand *stand)
{
    struct clock *clock = stand->clock;
    stand_close(stand);
    free(clock);
    free(stand);
}

#endif
