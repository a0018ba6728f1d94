/*
 * notify.c - see notify.h, sd_listen_fds(3) and sd_notify(3).
 */
#include "server/notify.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/number.h"

static bool number_of(const char *name, uint64_t *ret)
{
    const char *text = getenv(name);
    return text != NULL && number_parse_u64(bytes_str(text), ret);
}

int notify_take_sockets(void)
{
    enum {
        SOCKETS_MAX = 64
    };

    uint64_t pid = 0;
    uint64_t count = 0;
    bool ours = number_of("LISTEN_PID", &pid) && pid == (uint64_t)getpid() &&
                number_of("LISTEN_FDS", &count) && count <= SOCKETS_MAX;
    (void)unsetenv("LISTEN_PID"); /* fails only for a bad name */
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
    if (!ours)
        return 0;
    for (uint64_t i = 0; i < count; i++)
        (void)fcntl(NOTIFY_FIRST_FD + (int)i, F_SETFD,
                    FD_CLOEXEC); /* listening tells if it is none */
    return (int)count;
}

bool notify_tell(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    size_t len = path != NULL ? strlen(path) : 0;
    if (len < 2 || len >= sizeof to.sun_path || (path[0] != '/' && path[0] != '@'))
        return false;
    memcpy(to.sun_path, path, len);
    if (path[0] == '@')
        to.sun_path[0] = '\0'; /* a name that is in no directory */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    socklen_t to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    size_t bytes = strlen(state);
    ssize_t sent = sendto(fd, state, bytes, MSG_NOSIGNAL, (struct sockaddr *)&to, to_len);
    (void)close(fd);
    return sent == (ssize_t)bytes;
}
