/*
 * ahead.c - see ahead.h.
 */
#include "server/ahead.h"

#include "base/bytes.h"
#include "base/check.h"
#include "command/command.h"
#include "protocol/resp_quick.h"
#include "server/session.h"
#include "server/state.h"
#include "server/upload.h"

void ahead_clear(struct ahead *ahead)
{
    ahead->request_count = 0;
    ahead->arg_count = 0;
    ahead->key_count = 0;
}

void ahead_prefetch(struct ahead *ahead)
{
    if (ahead->key_count > 1) /* one alone would only be looked up twice */
        kvs_prefetch(ahead->db, ahead->key_count, ahead->keys);
    ahead->key_count = 0;
}

static void note_keys(struct ahead *ahead, const struct request *request)
{
    const struct command *command = request->command;
    if (command->first_key <= 0 || (command->flags & (COMMAND_READONLY | COMMAND_WRITE)) == 0)
        return;
    size_t last = command->last_key >= 0 ? (size_t)command->last_key
                                         : request->count - (size_t)-command->last_key;
    size_t step = command->key_step > 0 ? (size_t)command->key_step : 1;
    if (last >= request->count)
        return; /* too few arguments: the command will say so */
    for (size_t i = (size_t)command->first_key; i <= last && ahead->key_count < AHEAD_KEYS;
         i += step)
        ahead->keys[ahead->key_count++] = request->args[i];
}

/* One more request from the start of @input; how many bytes it takes, 0: none is plain and whole, or there is no room. */
static size_t take_one(struct ahead *ahead, struct kvs_bytes input)
{
    size_t count;
    struct kvs_bytes *args = ahead->args + ahead->arg_count;
    if (ahead_full(ahead))
        return 0;
    size_t used = resp_quick(input, AHEAD_BULK_MAX, args, AHEAD_ARGS - ahead->arg_count, &count);
    if (used == 0)
        return 0;
    const struct command *container;
    const struct command *command = command_lookup(args, count, &container);
    struct request *request = &ahead->requests[ahead->request_count];
    *request = (struct request){ .args = args, .count = count, .command = command };
    ahead->used[ahead->request_count] = (uint32_t)used;
    ahead->request_count++;
    ahead->arg_count += count;
    if (command != NULL)
        note_keys(ahead, request);
    return used;
}

bool ahead_fill(struct ahead *ahead, struct session *session)
{
    if (session->kind != PROTOCOL_RESP || session->limited || upload_under_way(session) ||
        !decoder_between_requests(&session->decoder))
        return false;
    /* relaxed: only this thread stores it */
    struct kvs *db = session->reactor->server->spaces[atomic_load_explicit(&session->client.space,
                                                                           memory_order_relaxed)];
    if (ahead->db != db) {
        ahead_prefetch(ahead);
        ahead->db = db;
    }
    struct kvs_bytes input = conn_input(&session->conn);
    size_t first = ahead->request_count;
    for (size_t used; input.len != 0 && (used = take_one(ahead, input)) != 0;)
        input = bytes_from(input, used);
    if (ahead->request_count == first)
        return false;
    session->ahead = ahead;
    session->ahead_next = (uint16_t)first;
    session->ahead_end = (uint16_t)ahead->request_count;
    return true;
}
