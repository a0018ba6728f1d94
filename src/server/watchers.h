/*
 * watchers.h - clients that MONITOR, and the log of slow commands.
 */
#ifndef SERVER_WATCHERS_H
#define SERVER_WATCHERS_H

#include <stdint.h>

#include "command/host.h"
#include "concurrent/mutex.h"
#include "server/list.h"

struct command;
struct request;
struct server;
struct session;

/* Slow commands, the newest first; bounded in number by a setting, each in size. Thread: any. */
struct slowlog {
    struct mutex mu;
    struct list_node entries GUARDED_BY(mu);
    size_t count GUARDED_BY(mu);
    uint64_t next_id GUARDED_BY(mu);
};

void slowlog_init(struct slowlog *slowlog);
void slowlog_done(struct slowlog *slowlog);
void slowlog_note(struct server *server, const struct session *session,
                  const struct command *command, const struct request *request, uint64_t took_ns);
size_t slowlog_each(struct slowlog *slowlog, int64_t max, host_slow_fn *fn, void *ctx);
void slowlog_reset(struct slowlog *slowlog);

/* A session begins to monitor, or ends. Thread: its loop. */
void monitors_add(struct session *session);
void monitors_remove(struct session *session);

/* Shows a command to all that monitor. Thread: any. */
void monitors_show(struct server *server, const struct client *client, unsigned space,
                   const struct kvs_bytes *args, size_t count, size_t redacted);

#endif
