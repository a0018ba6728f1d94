/*
 * listener.c - listening, accepting, and what to do when descriptors run out.
 *
 * A spare descriptor is kept: when accept() fails for want of descriptors, it is given up, the connection is accepted and closed
 * at once, and the spare is taken again. Otherwise the connection would stay in the queue, and a level-triggered loop would spin on it.
 */
#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fail.h"

enum {
    ACCEPTS_PER_TURN = 64
};

struct listener {
    struct loop_source source;
    struct loop *loop; /* NULL: not started */
    struct address address;
    listener_accept_fn *accept;
    void *ctx;
    int spare_fd;
    int backlog;
    bool owns_file; /* of a Unix socket */
};

static int spare_open(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static enum kvs_status failed(const char *what, const struct address *address)
{
    int errnum = errno;
    char text[ADDRESS_CHARS];
    address_format(address, text);
    return fail(KVS_IO, errnum, "%s %s", what, text);
}

/* A server that was killed leaves the file of its Unix socket behind, and nobody answers there. */
static void remove_stale(const struct address *address)
{
    const char *path = address_path(address);
    struct stat stat;
    if (path == NULL || lstat(path, &stat) != 0 || !S_ISSOCK(stat.st_mode))
        return;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)&address->storage, address->len) != 0 &&
        errno == ECONNREFUSED)
        (void)unlink(path); /* without it, bind() tells */
    (void)close(fd);
}

static enum kvs_status note_address(struct listener *listener, const struct address *address)
{
    listener->address.len = sizeof listener->address.storage;
    if (getsockname(listener->source.fd, (struct sockaddr *)&listener->address.storage,
                    &listener->address.len) != 0)
        return failed("listen on", address);
    return KVS_OK;
}

static enum kvs_status bind_to(struct listener *listener, const struct address *address,
                               unsigned mode)
{
    int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return failed("listen on", address);
    listener->source.fd = fd;
    int on = 1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on); /* without it, bind() tells */
    if (address->storage.ss_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    remove_stale(address);
    if (bind(fd, (const struct sockaddr *)&address->storage, address->len) != 0)
        return failed("bind", address);
    const char *path = address_path(address);
    listener->owns_file = path != NULL;
    if (path != NULL && mode != 0 && chmod(path, (mode_t)mode) != 0)
        return failed("permissions of", address);
    return note_address(listener, address);
}

static struct listener *listener_new(int backlog)
{
    struct listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL)
        return NULL;
    listener->source.fd = -1;
    listener->backlog = backlog;
    listener->spare_fd = spare_open();
    return listener;
}

enum kvs_status listener_open(const struct address *address, int backlog, unsigned mode,
                              struct listener **ret)
{
    struct listener *listener = listener_new(backlog);
    if (listener == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "listener");
    enum kvs_status status = bind_to(listener, address, mode);
    if (status != KVS_OK) {
        listener_close(listener);
        return status;
    }
    *ret = listener;
    return KVS_OK;
}

enum kvs_status listener_adopt(int fd, int backlog, struct listener **ret)
{
    int type = 0;
    socklen_t len = sizeof type;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0 || type != SOCK_STREAM ||
        fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return fail(KVS_IO, errno, "descriptor %d, which was handed over, is no stream socket", fd);
    struct listener *listener = listener_new(backlog);
    if (listener == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "listener");
    static const struct address unknown;
    listener->source.fd = fd;
    enum kvs_status status = note_address(listener, &unknown);
    if (status != KVS_OK) {
        listener->source.fd = -1;
        listener_close(listener);
        return status;
    }
    *ret = listener;
    return KVS_OK;
}

const struct address *listener_address(const struct listener *listener)
{
    return &listener->address;
}

static void refuse_one(struct listener *listener)
{
    if (listener->spare_fd >= 0)
        (void)close(listener->spare_fd);
    int fd = accept4(listener->source.fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        (void)close(fd);
    listener->spare_fd = spare_open();
}

static void listener_ready(struct loop_source *source, unsigned events)
{
    struct listener *listener = source->ctx;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct address peer = { .len = sizeof peer.storage };
        int fd = accept4(source->fd, (struct sockaddr *)&peer.storage, &peer.len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE) {
                refuse_one(listener);
                continue;
            }
            if (errno == EINTR || errno == ECONNABORTED)
                continue;
            return; /* EAGAIN; or a network error of the connection, which is gone */
        }
        int on = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on,
                         sizeof on); /* a hint: replies go out whole anyway */
        struct address local = { .len = sizeof local.storage };
        if (getsockname(fd, (struct sockaddr *)&local.storage, &local.len) != 0)
            local = listener->address;
        bool nameless = peer.storage.ss_family == AF_UNIX && address_path(&peer) == NULL;
        listener->accept(listener->ctx, fd, nameless ? &local : &peer, &local);
    }
}

enum kvs_status listener_start(struct listener *listener, struct loop *loop,
                               listener_accept_fn *accept, void *ctx)
{
    if (listen(listener->source.fd, listener->backlog) != 0)
        return failed("listen on", &listener->address);
    listener->accept = accept;
    listener->ctx = ctx;
    listener->source.ready = listener_ready;
    listener->source.ctx = listener;
    enum kvs_status status = loop_add(loop, &listener->source, LOOP_READ);
    if (status == KVS_OK)
        listener->loop = loop;
    return status;
}

void listener_stop(struct listener *listener)
{
    if (listener->loop == NULL)
        return;
    loop_remove(listener->loop, &listener->source);
    listener->loop = NULL;
}

void listener_close(struct listener *listener)
{
    if (listener == NULL)
        return;
    if (listener->source.fd >= 0)
        (void)close(listener->source.fd);
    if (listener->owns_file)
        (void)unlink(address_path(&listener->address)); /* somebody may have done it already */
    if (listener->spare_fd >= 0)
        (void)close(listener->spare_fd);
    free(listener);
}

void socket_set_keepalive(int fd, int idle_s)
{
    int on = idle_s > 0;
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on); /* hints, all of them */
    if (!on)
        return;
    int interval_s = idle_s / 3 > 0 ? idle_s / 3 : 1;
    int probes = 3;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}
