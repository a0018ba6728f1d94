/*
 * notify.h - systemd's two small protocols: sockets handed over at the start, and telling how far the start has come.
 *
 * Both are environment variables; without them nothing is done. Thread: the main one, before others are started.
 */
#ifndef SERVER_NOTIFY_H
#define SERVER_NOTIFY_H

#include <stdbool.h>

/*
 * How many sockets were handed over (LISTEN_PID, LISTEN_FDS): descriptors NOTIFY_FIRST_FD and on. They are marked to be closed on exec, and
 * the variables are removed, so that the answer is 0 the next time.
 */
enum {
    NOTIFY_FIRST_FD = 3
};

int notify_take_sockets(void);

/* Sends @state ("READY=1", lines separated by line feeds) to NOTIFY_SOCKET. False: there is nobody to tell, or it was not taken. Thread:
 * any that does not run beside one that changes the environment. */
bool notify_tell(const char *state);

#endif
