/*
 * load_server.c - `kvs-bench server`: a closed loop over many connections from one thread, so that the server is what is
 * measured. Each connection keeps `pipeline` requests under way: it sends them together, waits for all their replies, and goes on. A
 * request's latency is from the sending of its batch to the reading of its reply.
 *
 * The CPU figure is the server process's own user and system time over the run, divided by requests: it hardly depends on
 * how busy the machine is otherwise.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/bytes.h"
#include "base/number.h"
#include "bench/options.h"
#include "bench/report.h"
#include "io/random.h"

enum {
    MULTI_KEYS = 10,
    READ_BYTES = 256 * 1024,
    KEY_CHARS = 16
};

struct connection {
    int fd;
    struct buf out;
    size_t sent;
    struct buf in;
    bool wants_out;   /* the socket is full */
    unsigned waiting; /* replies still to come of this batch */
    uint64_t started_ns;
    int64_t nested;    /* elements of an aggregate reply still to be skipped */
    int64_t bulk_left; /* bytes of a bulk reply still to be skipped, with its line end */
};

struct load {
    const struct bench_options *options;
    const char *workload;
    bool memcached;
    struct random random;
    char *value;
    struct connection *connections;
    int epoll;
    uint64_t started;  /* requests sent */
    uint64_t finished; /* replies read */
    uint64_t wanted;
    uint64_t errors;
    char first_error[128];
    struct histogram latency;
    char name[32];
    int pid;
    bool failed;
};

static void complain(struct load *load, const char *what)
{
    fprintf(stderr, "kvs-bench: %s: %s\n", what, errno != 0 ? strerror(errno) : "failed");
    load->failed = true;
}

bool bench_parse_addr(const char *addr, struct sockaddr_in *ret)
{
    char host[64];
    const char *colon = strrchr(addr, ':');
    uint64_t port;
    if (colon == NULL || (size_t)(colon - addr) >= sizeof host ||
        !number_parse_u64(bytes_str(colon + 1), &port) || port > 65535)
        return false;
    snprintf(host, sizeof host, "%.*s", (int)(colon - addr), addr);
    *ret = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    return inet_pton(AF_INET, host, &ret->sin_addr) == 1;
}

static int dial(const struct bench_options *options)
{
    struct sockaddr_in addr;
    if (!bench_parse_addr(options->addr, &addr)) {
        fprintf(stderr, "kvs-bench: --addr wants an IPv4 address and a port, not \"%s\"\n",
                options->addr);
        return -1;
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof addr) != 0 ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
        fprintf(stderr, "kvs-bench: connecting to %s: %s\n", options->addr, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

/* ---- Asking the server who it is ---- */

/* Is @answer a whole RESP reply of one line or one bulk? */
static bool is_whole(const char *answer, size_t have)
{
    const char *line_end = strstr(answer, "\r\n");
    if (line_end == NULL)
        return false;
    int64_t bytes;
    if (answer[0] != '$' ||
        !number_parse_i64(bytes_of(answer + 1, (size_t)(line_end - answer) - 1), &bytes) ||
        bytes < 0)
        return true;
    return have >= (size_t)(line_end - answer) + 2 + (size_t)bytes + 2;
}

/* Sends @question and reads its answer: up to @end or, when that is NULL, one RESP reply. */
static bool ask(int fd, const char *question, char *answer, size_t size, const char *end)
{
    size_t len = strlen(question);
    if (send(fd, question, len, MSG_NOSIGNAL) != (ssize_t)len)
        return false;
    size_t have = 0;
    while (have + 1 < size) {
        ssize_t got = recv(fd, answer + have, size - 1 - have, 0);
        if (got <= 0)
            return false;
        have += (size_t)got;
        answer[have] = '\0';
        if (end != NULL ? strstr(answer, end) != NULL : is_whole(answer, have))
            return true;
    }
    return false;
}

static void identify(struct load *load, int fd)
{
    char answer[65536];
    const char *found;
    snprintf(load->name, sizeof load->name, "%s", load->memcached ? "memcached" : "server");
    load->pid = (int)load->options->pid;
    if (load->memcached) {
        if (ask(fd, "stats\r\n", answer, sizeof answer, "END\r\n") &&
            (found = strstr(answer, "STAT pid ")) != NULL && load->pid == 0)
            load->pid = atoi(found + 9);
    } else if (ask(fd, "INFO server\r\n", answer, sizeof answer, NULL)) {
        if ((found = strstr(answer, "process_id:")) != NULL && load->pid == 0)
            load->pid = atoi(found + 11);
        if (strstr(answer, "kvs_version") != NULL)
            snprintf(load->name, sizeof load->name, "kvs");
        else if (strstr(answer, "redis_version") != NULL)
            snprintf(load->name, sizeof load->name, "redis");
    }
    if (load->options->name != NULL)
        snprintf(load->name, sizeof load->name, "%s", load->options->name);
}

/* ---- Requests ---- */

static void random_key(struct load *load, char key[KEY_CHARS + 1])
{
    snprintf(key, KEY_CHARS + 1, "key:%012llu",
             (unsigned long long)random_below(&load->random, load->options->keys));
}

static void put_args(struct buf *out, const struct kvs_bytes *args, size_t count)
{
    buf_append_char(out, '*');
    buf_append_u64(out, count);
    buf_append(out, "\r\n", 2);
    for (size_t i = 0; i < count; i++) {
        buf_append_char(out, '$');
        buf_append_u64(out, args[i].len);
        buf_append(out, "\r\n", 2);
        buf_append_bytes(out, args[i]);
        buf_append(out, "\r\n", 2);
    }
}

static void put_memcached(struct load *load, struct buf *out, bool set)
{
    char key[KEY_CHARS + 1];
    random_key(load, key);
    if (!set) {
        buf_printf(out, "get %s\r\n", key);
        return;
    }
    buf_printf(out, "set %s 0 0 %llu\r\n", key, (unsigned long long)load->options->value_bytes);
    buf_append(out, load->value, load->options->value_bytes);
    buf_append(out, "\r\n", 2);
}

static void put_multi(struct load *load, struct buf *out, bool set)
{
    char keys[MULTI_KEYS][KEY_CHARS + 1];
    struct kvs_bytes args[1 + 2 * MULTI_KEYS];
    size_t count = 0;
    args[count++] = set ? BYTES("MSET") : BYTES("MGET");
    for (size_t i = 0; i < MULTI_KEYS; i++) {
        random_key(load, keys[i]);
        args[count++] = bytes_str(keys[i]);
        if (set)
            args[count++] = bytes_of(load->value, load->options->value_bytes);
    }
    put_args(out, args, count);
}

static void put_request(struct load *load, struct buf *out)
{
    const char *workload = load->workload;
    bool set = strcmp(workload, "set") == 0 ||
               (strcmp(workload, "mixed") == 0 && random_below(&load->random, 2) == 0);
    if (load->memcached) {
        put_memcached(load, out, set);
        return;
    }
    if (strcmp(workload, "mset") == 0 || strcmp(workload, "mget") == 0) {
        put_multi(load, out, workload[1] == 's');
        return;
    }
    char key[KEY_CHARS + 1];
    random_key(load, key);
    if (strcmp(workload, "ping") == 0)
        put_args(out, (struct kvs_bytes[]){ BYTES("PING") }, 1);
    else if (strcmp(workload, "incr") == 0)
        put_args(out, (struct kvs_bytes[]){ BYTES("INCR"), bytes_str(key + 3) },
                 2); /* not the keys of set */
    else if (set)
        put_args(out,
                 (struct kvs_bytes[]){ BYTES("SET"), bytes_str(key),
                                       bytes_of(load->value, load->options->value_bytes) },
                 3);
    else
        put_args(out, (struct kvs_bytes[]){ BYTES("GET"), bytes_str(key) }, 2);
}

/* ---- Replies: only counted, not built ---- */

/* A line without its end, or false when it is not there yet. */
static bool take_line(const struct connection *c, size_t *at, struct kvs_bytes *ret)
{
    const char *start = c->in.data + *at;
    const char *end = memchr(start, '\n', c->in.len - *at);
    if (end == NULL)
        return false;
    *ret = bytes_of(start, (size_t)(end - start) - (end > start && end[-1] == '\r'));
    *at += (size_t)(end - start) + 1;
    return true;
}

static void note_error(struct load *load, struct kvs_bytes line)
{
    if (load->errors++ == 0)
        snprintf(load->first_error, sizeof load->first_error, "%.*s", (int)line.len,
                 (const char *)line.data);
}

/* What one line of a RESP reply announces. */
static void read_resp_line(struct load *load, struct connection *c, struct kvs_bytes line,
                           bool *ret_whole)
{
    const char *text = line.data;
    int64_t number = 0;
    bool counted = line.len > 1 && number_parse_i64(bytes_from(line, 1), &number);
    if (c->nested > 0)
        c->nested--;
    if (line.len != 0 && text[0] == '$' && counted && number >= 0)
        c->bulk_left = number + 2;
    else if (line.len != 0 && text[0] == '*' && counted && number > 0)
        c->nested += number;
    else if (line.len != 0 && text[0] == '-')
        note_error(load, line);
    *ret_whole = c->nested == 0 && c->bulk_left == 0;
}

static void read_memcached_line(struct load *load, struct connection *c, struct kvs_bytes line,
                                bool *ret_whole)
{
    *ret_whole = true;
    if (bytes_starts_with(line, BYTES("VALUE "))) {
        *ret_whole = false;
        const char *length = memrchr(line.data, ' ', line.len); /* the last word; a digit follows */
        c->bulk_left = strtoll(length, NULL, 10) + 2;
    } else if (!bytes_equal(line, BYTES("END")) && !bytes_equal(line, BYTES("STORED"))) {
        note_error(load, line);
    }
}

/* Counts whole replies in the input and drops them; the number. */
static unsigned take_replies(struct load *load, struct connection *c)
{
    unsigned replies = 0;
    size_t at = 0;
    for (;;) {
        if (c->bulk_left > 0) {
            size_t have = c->in.len - at;
            size_t take = (uint64_t)c->bulk_left < have ? (size_t)c->bulk_left : have;
            at += take;
            c->bulk_left -= (int64_t)take;
            if (c->bulk_left > 0)
                break;
            if (!load->memcached && c->nested == 0)
                replies++;
            continue;
        }
        struct kvs_bytes line;
        bool whole;
        if (!take_line(c, &at, &line))
            break;
        if (load->memcached)
            read_memcached_line(load, c, line, &whole);
        else
            read_resp_line(load, c, line, &whole);
        replies += whole;
    }
    buf_consume(&c->in, at);
    return replies;
}

/* ---- The loop ---- */

static void flush(struct load *load, struct connection *c)
{
    while (c->sent < c->out.len) {
        ssize_t wrote =
            send(c->fd, c->out.data + c->sent, c->out.len - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (wrote < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (wrote < 0) {
            complain(load, "sending");
            return;
        }
        c->sent += (size_t)wrote;
    }
    bool more = c->sent < c->out.len;
    if (more == c->wants_out)
        return;
    c->wants_out = more;
    struct epoll_event event = { .events = EPOLLIN | (more ? (uint32_t)EPOLLOUT : 0u),
                                 .data.ptr = c };
    if (epoll_ctl(load->epoll, EPOLL_CTL_MOD, c->fd, &event) != 0)
        complain(load, "waiting");
}

static void start_batch(struct load *load, struct connection *c)
{
    buf_truncate(&c->out, 0);
    c->sent = 0;
    while (c->waiting < load->options->pipeline && load->started < load->wanted) {
        put_request(load, &c->out);
        c->waiting++;
        load->started++;
    }
    if (c->waiting == 0)
        return;
    if (c->out.failed != KVS_OK) {
        errno = ENOMEM;
        complain(load, "building requests");
        return;
    }
    c->started_ns = now_ns();
    flush(load, c);
}

static void on_input(struct load *load, struct connection *c)
{
    if (buf_reserve(&c->in, READ_BYTES) != KVS_OK) {
        complain(load, "reading");
        return;
    }
    ssize_t got = recv(c->fd, c->in.data + c->in.len, READ_BYTES, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        errno = got == 0 ? ECONNRESET : errno;
        complain(load, "reading a reply");
        return;
    }
    c->in.len += (size_t)got;
    unsigned replies = take_replies(load, c);
    if (replies == 0)
        return;
    histogram_add(&load->latency, now_ns() - c->started_ns, replies);
    load->finished += replies;
    c->waiting = replies < c->waiting ? c->waiting - replies : 0;
    if (c->waiting == 0)
        start_batch(load, c);
}

static void drive(struct load *load)
{
    uint64_t end_ns =
        load->options->seconds != 0 ? now_ns() + load->options->seconds * 1000000000u : UINT64_MAX;
    for (uint64_t i = 0; i < load->options->clients && !load->failed; i++)
        start_batch(load, &load->connections[i]);
    struct epoll_event events[256];
    while (!load->failed && load->finished < load->started) {
        int count = epoll_wait(load->epoll, events, 256, 1000);
        if (count < 0 && errno != EINTR)
            complain(load, "waiting");
        for (int i = 0; i < count && !load->failed; i++) {
            struct connection *c = events[i].data.ptr;
            if ((events[i].events & EPOLLOUT) != 0)
                flush(load, c);
            if ((events[i].events & ~(uint32_t)EPOLLOUT) != 0)
                on_input(load, c);
        }
        if (now_ns() > end_ns)
            load->wanted = load->started;
    }
}

static bool run_workload(void *ctx, const char *workload)
{
    struct load *load = ctx;
    if (strstr(" set get mixed incr ping mset mget ", workload) == NULL ||
        (load->memcached && strcmp(workload, "set") != 0 && strcmp(workload, "get") != 0 &&
         strcmp(workload, "mixed") != 0)) {
        fprintf(stderr, "kvs-bench: unknown workload \"%s\"; see kvs-bench --help\n", workload);
        load->failed = true;
        return false;
    }
    load->workload = workload;
    load->started = load->finished = load->errors = 0;
    load->wanted = load->options->operations != 0 ? load->options->operations : load->options->keys;
    memset(&load->latency, 0, sizeof load->latency);

    double cpu_before = 0;
    double cpu_after = 0;
    bool cpu_known = load->pid != 0 && process_cpu_seconds(load->pid, &cpu_before);
    uint64_t start_ns = now_ns();
    drive(load);
    struct report report = { .subject = load->name,
                             .workload = workload,
                             .clients = (unsigned)load->options->clients,
                             .pipeline = (unsigned)load->options->pipeline,
                             .operations = load->finished,
                             .seconds = (double)(now_ns() - start_ns) / 1e9,
                             .cpu_seconds = -1,
                             .latency = &load->latency };
    if (cpu_known && process_cpu_seconds(load->pid, &cpu_after))
        report.cpu_seconds = cpu_after - cpu_before;
    if (load->pid != 0)
        (void)process_memory_bytes(load->pid, &report.memory_bytes); /* stays 0: not known */
    report_print(&report, load->options->json);
    if (load->errors != 0) {
        fprintf(stderr, "kvs-bench: %llu errors, the first: %s\n", (unsigned long long)load->errors,
                load->first_error);
        load->failed = true;
    }
    return !load->failed;
}

static bool connect_all(struct load *load)
{
    const struct bench_options *options = load->options;
    load->connections = calloc(options->clients, sizeof *load->connections);
    load->value = malloc(options->value_bytes + 1);
    load->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (load->connections == NULL || load->value == NULL || load->epoll < 0) {
        complain(load, "starting");
        return false;
    }
    for (uint64_t i = 0; i < options->value_bytes; i++)
        load->value[i] = (char)('a' + random_below(&load->random, 26));
    for (uint64_t i = 0; i < options->clients; i++) {
        struct connection *c = &load->connections[i];
        buf_init(&c->in, SIZE_MAX / 2);
        buf_init(&c->out, SIZE_MAX / 2);
        c->fd = dial(options);
        if (c->fd < 0)
            return false;
        char answer[256];
        char auth[512];
        if (options->password != NULL) {
            snprintf(auth, sizeof auth, "AUTH %s\r\n", options->password);
            if (!ask(c->fd, auth, answer, sizeof answer, NULL) || answer[0] != '+') {
                fprintf(stderr, "kvs-bench: AUTH was refused\n");
                return false;
            }
        }
        if (i == 0)
            identify(load, c->fd);
        struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };
        if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, c->fd, &event) != 0) {
            complain(load, "starting");
            return false;
        }
    }
    return true;
}

int bench_server(const struct bench_options *options)
{
    if (strcmp(options->protocol, "resp") != 0 && strcmp(options->protocol, "memcached") != 0) {
        fprintf(stderr, "kvs-bench: --protocol is resp or memcached, not \"%s\"\n",
                options->protocol);
        return 2;
    }
    static struct load load;
    load.options = options;
    load.memcached = strcmp(options->protocol, "memcached") == 0;
    random_seed(&load.random, options->seed);
    if (connect_all(&load)) {
        report_header(options->json);
        (void)for_each_name(options->workloads != NULL ? options->workloads : "set,get",
                            run_workload, &load);
    } else {
        load.failed = true;
    }
    for (uint64_t i = 0; load.connections != NULL && i < options->clients; i++) {
        buf_done(&load.connections[i].in);
        buf_done(&load.connections[i].out);
        if (load.connections[i].fd > 0)
            close(load.connections[i].fd);
    }
    free(load.connections);
    free(load.value);
    return load.failed ? 1 : 0;
}
