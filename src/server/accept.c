/*
 * accept.c - new connections: who may come in, and which loop serves them.
 *
 * One loop accepts and hands connections out in turn, so that every loop has its share from the first connection on;
 * listening sockets of the loops' own would leave it to the kernel's hash.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "server/state.h"

static const char denied[] = "-DENIED kvs is running in protected mode because protected mode is "
                             "enabled and no password is set for the default user. "
                             "In this mode connections are only accepted from the loopback "
                             "interface. If you want to connect from external computers to "
                             "kvs you may adopt one of the following solutions: 1) Just disable "
                             "protected mode sending the command 'CONFIG SET "
                             "protected-mode no' from the loopback interface by connecting to kvs "
                             "from the same host the server is running, however MAKE "
                             "SURE kvs is not publicly accessible from internet if you do so. 2) "
                             "Alternatively you can just disable the protected mode by "
                             "editing the configuration file, and setting the protected mode "
                             "option to 'no', and then restarting the server. 3) If you "
                             "started the server manually just for testing, restart it with the "
                             "'--protected-mode no' option. 4) Setup an authentication "
                             "password for the default user. NOTE: You only need to do one of the "
                             "above things in order for the server to start accepting "
                             "connections from the outside.\r\n";

static void turn_away(int fd, struct kvs_bytes text)
{
    /* What the new socket's buffer does not take is not waited for. */
    (void)!send(fd, text.data, text.len, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)close(fd);
}

static bool is_refused(struct server *server, const struct address *peer)
{
    return !address_is_loopback(peer) &&
           config_number(server->config, SETTING_PROTECTED_MODE) != 0 &&
           !config_secret_is_set(server->config, SETTING_REQUIREPASS);
}

void server_accept(void *ctx, int fd, const struct address *peer, const struct address *local)
{
    struct server *server = ctx;
    char who[ADDRESS_CHARS];
    address_format(peer, who);
    if (is_refused(server, peer)) {
        trace_line(&server->trace, TRACE_WARN, "client %s: refused: protected mode and no password",
                   who);
        turn_away(fd, BYTES(denied));
        return;
    }
    /* relaxed: this loop alone counts up; a count that goes down meanwhile only refuses one too many */
    int64_t clients = atomic_load_explicit(&server->client_count, memory_order_relaxed);
    if (clients >= config_number(server->config, SETTING_MAXCLIENTS)) {
        atomic_fetch_add_explicit(&server->rejected, 1,
                                  memory_order_relaxed); /* relaxed: a figure */
        trace_line(&server->trace, TRACE_DEBUG, "client %s: refused: maxclients", who);
        turn_away(fd, BYTES("-ERR max number of clients reached\r\n"));
        return;
    }
    struct reactor *reactor = &server->reactors[server->next_reactor];
    server->next_reactor = (server->next_reactor + 1) % server->reactor_count;
    struct session *session;
    socket_set_keepalive(fd, (int)config_number(server->config, SETTING_TCP_KEEPALIVE));
    if (session_new(reactor, fd, peer, local, &session) != KVS_OK) {
        trace_line(&server->trace, TRACE_ERROR, "client %s: refused: %s", who, kvs_error());
        turn_away(fd, BYTES("-ERR out of memory\r\n"));
        return;
    }
    if (reactor->index == 0)
        session_start(session); /* this is its loop */
    else
        loop_post(reactor->loop, &session->adopt);
}
