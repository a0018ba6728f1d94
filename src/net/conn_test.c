#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/conn.h"
#include "net/listener.h"
#include "tests/harness/test.h"

enum {
    IN_MAX = 1024 * 1024
};

struct end {
    struct conn conn; /* first */
    int fd;           /* the other side */
    struct loop *loop;
    size_t consume; /* how much each input call takes */
    int inputs;
    int writables;
    int failures;
    int failure;
    size_t seen;
};

static void on_input(struct conn *conn)
{
    struct end *end = (struct end *)conn;
    end->inputs++;
    end->seen = conn_input(conn).len;
    conn_consume(conn, end->consume < end->seen ? end->consume : end->seen);
}

static void on_writable(struct conn *conn)
{
    ((struct end *)conn)->writables++;
}

static void on_failed(struct conn *conn, int errnum)
{
    struct end *end = (struct end *)conn;
    end->failures++;
    end->failure = errnum;
    conn_close(conn);
}

static const struct conn_ops ops = { on_input, on_writable, on_failed };

static void open_end(struct end *end)
{
    int fds[2];
    *end = (struct end){ .consume = SIZE_MAX };
    assert_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds));
    assert_ok(loop_new(NULL, NULL, &end->loop));
    assert_ok(conn_open(&end->conn, end->loop, fds[0], IN_MAX, &ops));
    end->fd = fds[1];
}

static void close_end(struct end *end)
{
    conn_done(&end->conn);
    if (end->fd >= 0)
        close(end->fd);
    loop_free(end->loop);
}

TEST(input_consumed_at_once_costs_no_memory)
{
    struct end end;
    open_end(&end);
    assert_int_equal(write(end.fd, "hello", 5), 5);
    loop_turn(end.loop, true);
    assert_int_equal(end.inputs, 1);
    assert_int_equal(end.seen, 5);
    assert_int_equal(conn_memory(&end.conn), 0);
    close_end(&end);
}

TEST(input_left_over_is_kept_and_grows)
{
    struct end end;
    open_end(&end);
    end.consume = 2;
    assert_int_equal(write(end.fd, "hello", 5), 5);
    loop_turn(end.loop, true);
    assert_memory_equal(conn_input(&end.conn).data, "llo", 3);
    assert_int_equal(write(end.fd, "world", 5), 5);
    loop_turn(end.loop, true);
    assert_int_equal(end.seen, 8);
    struct kvs_bytes left = conn_input(&end.conn);
    assert_int_equal(left.len, 6);
    assert_memory_equal(left.data, "oworld", 6);
    conn_consume(&end.conn, 6);
    conn_trim(&end.conn);
    assert_int_equal(conn_memory(&end.conn), 0);
    close_end(&end);
}

TEST(input_stays_put_while_paused)
{
    struct end end;
    open_end(&end);
    end.consume = 0;
    assert_int_equal(write(end.fd, "abc", 3), 3);
    loop_turn(end.loop, true);
    const void *where = conn_input(&end.conn).data;
    conn_pause(&end.conn);
    assert_int_equal(write(end.fd, "def", 3), 3);
    loop_turn(end.loop, true);
    loop_turn(end.loop, false);
    assert_int_equal(end.inputs, 1);
    assert_ptr_equal(conn_input(&end.conn).data, where);
    conn_resume(&end.conn);
    loop_turn(end.loop, true);
    assert_int_equal(end.seen, 6);
    close_end(&end);
}

TEST(input_over_the_limit_fails_the_connection)
{
    struct end end;
    open_end(&end);
    end.consume = 0;
    static char block[65536];
    while (end.failures == 0) {
        (void)!write(end.fd, block, sizeof block);
        loop_turn(end.loop, true);
    }
    assert_int_equal(end.failure, ENOBUFS);
    assert_true(end.seen == IN_MAX);
    close_end(&end);
}

TEST(a_short_send_is_followed_by_writable)
{
    struct end end;
    open_end(&end);
    static char block[4 * 1024 * 1024];
    size_t sent = 0;
    assert_ok(conn_send(&end.conn, (struct kvs_bytes){ block, sizeof block }, &sent));
    assert_true(sent < sizeof block);
    size_t more = 1;
    assert_ok(conn_send(&end.conn, (struct kvs_bytes){ block, 1 }, &more));
    assert_int_equal(more, 0);
    size_t got = 0;
    while (got < sent) {
        ssize_t n = read(end.fd, block, sizeof block);
        assert_true(n > 0);
        got += (size_t)n;
    }
    loop_turn(end.loop, true);
    assert_int_equal(end.writables, 1);
    loop_turn(end.loop, false);
    assert_int_equal(end.writables, 1);
    close_end(&end);
}

TEST(the_end_of_input_is_told_once_and_output_still_goes)
{
    struct end end;
    open_end(&end);
    assert_int_equal(write(end.fd, "x", 1), 1);
    assert_ok(shutdown(end.fd, SHUT_WR));
    loop_turn(end.loop, true);
    loop_turn(end.loop, true);
    loop_turn(end.loop, false);
    assert_int_equal(end.inputs, 2);
    assert_true(end.conn.at_end);
    assert_int_equal(end.failures, 0);
    size_t sent = 0;
    assert_ok(conn_send(&end.conn, (struct kvs_bytes){ "bye", 3 }, &sent));
    assert_int_equal(sent, 3);
    char text[8];
    assert_int_equal(read(end.fd, text, sizeof text), 3);
    close_end(&end);
}

TEST(sending_to_a_gone_peer_is_a_network_error_and_no_signal)
{
    struct end end;
    open_end(&end);
    close(end.fd);
    end.fd = -1;
    size_t sent = 0;
    assert_int_equal(conn_send(&end.conn, (struct kvs_bytes){ "x", 1 }, &sent), KVS_NETWORK);
    close_end(&end);
}

/* ---- Input of several connections, looked at together ---- */

enum {
    TOGETHER = 8,
    SENT_BYTES = 60 * 1024
};

struct together {
    struct end ends[TOGETHER];
    struct loop *loop;
    struct end *waiting[TOGETHER];
    size_t waiting_count;
    size_t gathers;
    size_t most; /* that waited at once */
    size_t consumed;
    bool take_half;
};

static struct together together;

static void on_input_later(struct conn *conn)
{
    together.waiting[together.waiting_count++] = (struct end *)conn;
    conn_defer(conn);
}

static void take_all(void *ctx)
{
    struct together *all = ctx;
    all->gathers += all->waiting_count != 0;
    if (all->waiting_count > all->most)
        all->most = all->waiting_count;
    for (size_t i = 0; i < all->waiting_count; i++) {
        struct end *end = all->waiting[i];
        struct kvs_bytes input = conn_input(&end->conn);
        size_t len = all->take_half ? input.len / 2 : input.len;
        for (size_t j = 0; j < input.len; j++)
            assert_int_equal(((const char *)input.data)[j], 'a' + (end - all->ends));
        conn_consume(&end->conn, len);
        all->consumed += len;
        conn_settle(&end->conn);
        assert_int_equal(conn_input(&end->conn).len, input.len - len);
    }
    all->waiting_count = 0;
}

static const struct conn_ops later_ops = { on_input_later, on_writable, on_failed };

static void open_together(void)
{
    memset(&together, 0, sizeof together);
    assert_ok(loop_new(NULL, NULL, &together.loop));
    loop_set_gather(together.loop, take_all, &together);
    for (int i = 0; i < TOGETHER; i++) {
        int fds[2];
        int size = 4 * SENT_BYTES;
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds),
                         0);
        assert_int_equal(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size), 0);
        assert_ok(conn_open(&together.ends[i].conn, together.loop, fds[0], IN_MAX, &later_ops));
        together.ends[i].fd = fds[1];
    }
}

static void close_together(void)
{
    for (int i = 0; i < TOGETHER; i++) {
        conn_done(&together.ends[i].conn);
        close(together.ends[i].fd);
    }
    loop_free(together.loop);
}

static void send_letters(size_t len)
{
    char letters[SENT_BYTES];
    for (int i = 0; i < TOGETHER; i++) {
        memset(letters, 'a' + i, len);
        assert_int_equal(write(together.ends[i].fd, letters, len), len);
    }
}

TEST(deferred_input_of_all_connections_is_there_together)
{
    open_together();
    send_letters(100);
    loop_turn(together.loop, true);
    assert_int_equal(together.gathers, 1);
    assert_int_equal(together.most, TOGETHER);
    assert_int_equal(together.consumed, TOGETHER * 100);
    for (int i = 0; i < TOGETHER; i++)
        assert_int_equal(conn_memory(&together.ends[i].conn), 0);
    close_together();
}

TEST(deferred_input_that_is_not_consumed_is_kept_after_settling)
{
    open_together();
    together.take_half = true;
    send_letters(100);
    loop_turn(together.loop, true);
    for (int i = 0; i < TOGETHER; i++)
        assert_int_equal(conn_input(&together.ends[i].conn).len, 50);
    send_letters(10);
    loop_turn(together.loop, true);
    for (int i = 0; i < TOGETHER; i++)
        assert_int_equal(conn_input(&together.ends[i].conn).len, 30);
    close_together();
}

TEST(when_memory_for_deferred_input_is_short_it_is_gathered_earlier)
{
    open_together();
    send_letters(SENT_BYTES);
    while (together.consumed < (size_t)TOGETHER * SENT_BYTES)
        loop_turn(together.loop, true);
    assert_true(together.gathers > 1);
    assert_true(together.most > 1);
    close_together();
}

TEST(closing_a_connection_forgets_its_deferred_input)
{
    open_together();
    send_letters(100);
    conn_close(&together.ends[1].conn);
    conn_defer(&together.ends[0].conn);
    conn_close(&together.ends[0].conn);
    conn_settle(&together.ends[0].conn);
    loop_turn(together.loop, true);
    assert_int_equal(together.most, TOGETHER - 2);
    close_together();
}

struct accepted {
    int fd;
    char peer[ADDRESS_CHARS];
};

static void on_accept(void *ctx, int fd, const struct address *peer, const struct address *local)
{
    struct accepted *accepted = ctx;
    accepted->fd = fd;
    address_format(peer, accepted->peer);
    assert_true(address_is_loopback(local));
}

TEST(a_listener_accepts_on_the_port_the_system_chose)
{
    struct loop *loop = NULL;
    struct address address;
    struct listener *listener = NULL;
    struct accepted accepted = { .fd = -1 };
    assert_ok(loop_new(NULL, NULL, &loop));
    assert_ok(address_parse("127.0.0.1:0", &address));
    assert_ok(listener_open(&address, 16, 0, &listener));
    assert_true(address_port(listener_address(listener)) != 0);
    const struct address *to = listener_address(listener);
    int early = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(early, (const struct sockaddr *)&to->storage, to->len), -1);
    assert_int_equal(errno, ECONNREFUSED); /* the one who would serve is not ready */
    close(early);
    assert_ok(listener_start(listener, loop, on_accept, &accepted));

    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_ok(connect(fd, (const struct sockaddr *)&to->storage, to->len));
    loop_turn(loop, true);
    assert_true(accepted.fd >= 0);
    assert_memory_equal(accepted.peer, "127.0.0.1:", 10);

    struct listener *second = NULL;
    assert_int_equal(listener_open(to, 16, 0, &second), KVS_IO); /* in use */

    close(accepted.fd);
    close(fd);
    listener_stop(listener);
    listener_close(listener);
    loop_free(loop);
}
