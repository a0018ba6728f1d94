/*
 * server.c - putting the parts together, and taking them apart in the right order.
 *
 * Stopping: no more connections; every session finishes; the loops end; the pool runs out; the store is made durable and closed.
 * Each step leaves nothing that could still call into a later one.
 */
#include "server/server.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/fail.h"
#include "command/command.h"
#include "io/random.h"
#include "server/notify.h"
#include "server/state.h"

/* ---- Settings as the parts want them ---- */

enum kvs_durability server_durability(const struct server *server)
{
    switch (config_number(server->config, SETTING_DURABILITY)) {
    case DURABILITY_EVERYSEC:
        return KVS_DURABILITY_EVERYSEC;
    case DURABILITY_NO:
        return KVS_DURABILITY_NO;
    default:
        return KVS_DURABILITY_ALWAYS;
    }
}

static unsigned processors(void)
{
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : (unsigned)count;
}

static unsigned count_or_auto(struct server *server, enum setting setting, unsigned least)
{
    int64_t count = config_number(server->config, setting);
    if (count != 0)
        return (unsigned)count;
    unsigned automatic = processors();
    return automatic < least ? least : automatic;
}

static void start_trace(struct server *server)
{
    enum trace_level level;
    char *text = config_text(server->config, SETTING_LOG_LEVEL);
    trace_init(&server->trace, STDERR_FILENO, server->clock);
    if (text != NULL && trace_level_parse(text, &level))
        atomic_init(&server->trace.level, (int)level);
    atomic_init(&server->trace.json, config_number(server->config, SETTING_LOG_FORMAT) == 1);
    free(text);
}

/* ---- The store ---- */

/* "NAME=VALUE NAME=VALUE" to an array; *@text is cut up. */
static enum kvs_status parse_engine_options(char *text, struct kvs_setting **ret, size_t *ret_count)
{
    struct kvs_setting *settings = NULL;
    size_t count = 0;
    char *save = NULL;
    for (char *part = strtok_r(text, " ", &save); part != NULL; part = strtok_r(NULL, " ", &save)) {
        struct kvs_setting *more = reallocarray(settings, count + 1, sizeof *more);
        if (more == NULL) {
            free(settings);
            return fail(KVS_NO_MEMORY, ENOMEM, "engine options");
        }
        settings = more;
        char *equals = strchr(part, '=');
        *equals = '\0'; /* there is one: the setting was checked */
        settings[count++] = (struct kvs_setting){ part, equals + 1 };
    }
    *ret = settings;
    *ret_count = count;
    return KVS_OK;
}

static const char *remedy(enum kvs_status status)
{
    switch ((int)status) {
    case KVS_LOCKED:
        return "; stop that process, or use another directory (--dir)";
    case KVS_WRONG_ENGINE:
        return "; leave --engine out to use the engine the directory was made with, or use another "
               "directory (--dir)";
    case KVS_CORRUPT:
        return "; 'kvs check' shows all of the damage; restore the directory from a copy";
    case KVS_WRONG_FORMAT:
        return "; use the version of kvs that wrote it, or another directory (--dir)";
    case KVS_IO:
        return "; check that the directory exists, and its permissions";
    default:
        return "";
    }
}

static enum kvs_status check_engine_name(const char *engine)
{
    struct buf names;
    const char *name;
    if (engine[0] == '\0')
        return KVS_OK;
    buf_init(&names, 1024);
    for (size_t i = 0; (name = kvs_engine_name(i)) != NULL; i++) {
        if (strcmp(name, engine) == 0) {
            buf_done(&names);
            return KVS_OK;
        }
        buf_printf(&names, "%s%s", i == 0 ? "" : ", ", name);
    }
    enum kvs_status status = fail(KVS_INVALID, 0, "unknown engine '%s'; this build has: %.*s",
                                  engine, (int)names.len, names.data);
    buf_done(&names);
    return status;
}

static void warn_of_cut(void *ctx, const char *name, uint64_t value)
{
    struct server *server = ctx;
    if (value != 0 && strcmp(name, "log_torn_bytes") == 0)
        trace_line(&server->trace, TRACE_WARN,
                   "the end of the log was torn: %" PRIu64
                   " bytes that no sync had made durable were cut",
                   value);
}

static enum kvs_status open_store(struct server *server)
{
    struct config *config = server->config;
    char *dir = config_text(config, SETTING_DIR);
    char *engine = config_text(config, SETTING_ENGINE);
    char *options_text = config_text(config, SETTING_ENGINE_OPTION);
    struct kvs_setting *settings = NULL;
    struct kvs_options options = {
        .durability = server_durability(server),
        .memory_bytes = (uint64_t)config_number(config, SETTING_MEMORY),
        .segment_bytes = (uint64_t)config_number(config, SETTING_SEGMENT_SIZE),
    };
    enum kvs_status status = KVS_OK;
    if (dir == NULL || engine == NULL || options_text == NULL)
        status = fail(KVS_NO_MEMORY, ENOMEM, "settings");
    if (status == KVS_OK)
        status = parse_engine_options(options_text, &settings, &options.setting_count);
    if (status == KVS_OK)
        status = check_engine_name(engine);
    if (status == KVS_OK) {
        options.engine = engine[0] != '\0' ? engine : NULL;
        options.settings = settings;
        server->opened_durability = options.durability;
        status = kvs_open(dir, &options, &server->spaces[0]);
    }
    if (status != KVS_OK)
        trace_line(&server->trace, TRACE_ERROR, "cannot open the store: %s%s", kvs_error(),
                   remedy(status));
    free(settings);
    free(options_text);
    free(engine);
    free(dir);
    for (unsigned i = 1; status == KVS_OK && i < KVS_SPACES; i++) {
        status = kvs_space(server->spaces[0], i, &server->spaces[i]);
        if (status != KVS_OK)
            trace_line(&server->trace, TRACE_ERROR, "cannot open the store: %s", kvs_error());
    }
    if (status == KVS_OK)
        kvs_stats(server->spaces[0], warn_of_cut, server);
    return status;
}

static void store_progress(void *ctx)
{
    struct server *server = ctx;
    for (unsigned i = 0; i < server->reactor_count; i++)
        reactor_on_progress(&server->reactors[i]);
}

/* ---- Listening ---- */

/* Makes room for one more. */
static enum kvs_status reserve_listener(struct server *server)
{
    struct listener **more =
        reallocarray(server->listeners, server->listener_count + 1, sizeof *more);
    if (more == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "listener");
    server->listeners = more;
    return KVS_OK;
}

static void count_listener(struct server *server)
{
    if (!address_is_loopback(listener_address(server->listeners[server->listener_count])))
        server->exposed = true;
    server->listener_count++;
}

static enum kvs_status listen_on(struct server *server, const struct address *address,
                                 unsigned mode)
{
    int backlog = (int)config_number(server->config, SETTING_TCP_BACKLOG);
    enum kvs_status status = reserve_listener(server);
    if (status == KVS_OK)
        status = listener_open(address, backlog, mode, &server->listeners[server->listener_count]);
    if (status == KVS_OK)
        count_listener(server);
    return status;
}

/* The sockets that whoever started us has opened for us: then the addresses are his business. */
static enum kvs_status adopt_sockets(struct server *server, int count)
{
    int backlog = (int)config_number(server->config, SETTING_TCP_BACKLOG);
    enum kvs_status status = KVS_OK;
    for (int i = 0; i < count && status == KVS_OK; i++) {
        status = reserve_listener(server);
        if (status == KVS_OK)
            status = listener_adopt(NOTIFY_FIRST_FD + i, backlog,
                                    &server->listeners[server->listener_count]);
        if (status == KVS_OK)
            count_listener(server);
    }
    return status;
}

static enum kvs_status listen_on_path(struct server *server)
{
    char *path = config_text(server->config, SETTING_UNIXSOCKET);
    char *mode = config_text(server->config, SETTING_UNIXSOCKETPERM);
    struct address address;
    enum kvs_status status = KVS_OK;
    if (path == NULL || mode == NULL)
        status = fail(KVS_NO_MEMORY, ENOMEM, "settings");
    else if (path[0] != '\0')
        status = address_of_path(path, &address);
    if (status == KVS_OK && path[0] != '\0')
        status = listen_on(server, &address, (unsigned)strtoul(mode, NULL, 8));
    free(mode);
    free(path);
    return status;
}

/* Each word of @text is an address, or with @port an IP, for which a '-' in front means that it may be missing on this machine. */
static enum kvs_status listen_all(struct server *server, char *text, int port)
{
    char *save = NULL;
    enum kvs_status status = KVS_OK;
    for (char *part = strtok_r(text, " ", &save); part != NULL && status == KVS_OK;
         part = strtok_r(NULL, " ", &save)) {
        struct address address;
        bool optional = port >= 0 && part[0] == '-';
        status = port >= 0 ? address_parse_ip(part + optional, (uint16_t)port, &address)
                           : address_parse(part, &address);
        if (status == KVS_OK)
            status = listen_on(server, &address, 0);
        if (status != KVS_OK && optional) {
            trace_line(&server->trace, TRACE_DEBUG, "%s: left out: %s", part, kvs_error());
            status = KVS_OK;
        }
    }
    if (status == KVS_OK && server->listener_count == 0)
        status = fail(KVS_INVALID, 0, "no address to listen on");
    return status;
}

/* Settings then say what is true: the addresses it really listens on. */
static enum kvs_status show_addresses(struct server *server)
{
    struct buf all;
    buf_init(&all, 65536);
    for (size_t i = 0; i < server->listener_count; i++) {
        char text[ADDRESS_CHARS];
        if (address_path(listener_address(server->listeners[i])) != NULL)
            continue;
        address_format(listener_address(server->listeners[i]), text);
        buf_printf(&all, "%s%s", all.len == 0 ? "" : " ", text);
    }
    buf_append_char(&all, '\0');
    char port[8];
    (void)snprintf(port, sizeof port, "%u", address_port(listener_address(server->listeners[0])));
    enum kvs_status status = all.failed;
    if (status == KVS_OK)
        status = config_put(server->config, SETTING_ADDR, all.data, SOURCE_LIVE);
    if (status == KVS_OK)
        status = config_put(server->config, SETTING_PORT, port, SOURCE_LIVE);
    buf_done(&all);
    return status;
}

static enum kvs_status open_listeners(struct server *server)
{
    struct config *config = server->config;
    char *addr = config_text(config, SETTING_ADDR);
    char *bind = config_text(config, SETTING_BIND);
    enum kvs_status status;
    int handed_over = notify_take_sockets();
    enum setting_source older = config_source(config, SETTING_PORT);
    if (config_source(config, SETTING_BIND) > older)
        older = config_source(config, SETTING_BIND);
    if (addr == NULL || bind == NULL)
        status = fail(KVS_NO_MEMORY, ENOMEM, "settings");
    else if (handed_over != 0)
        status = adopt_sockets(server, handed_over);
    else if (addr[0] != '\0' && config_source(config, SETTING_ADDR) >= older)
        status = listen_all(server, addr, -1);
    else
        status = listen_all(server, bind, (int)config_number(config, SETTING_PORT));
    if (status == KVS_OK)
        status = listen_on_path(server);
    if (status == KVS_OK)
        status = show_addresses(server);
    if (status != KVS_OK)
        trace_line(&server->trace, TRACE_ERROR,
                   "cannot listen: %s; choose another address with --addr IP:PORT", kvs_error());
    free(bind);
    free(addr);
    return status;
}

/* ---- Starting ---- */

static void log_setting(void *ctx, const char *name, const char *value)
{
    struct buf *line = ctx;
    enum setting setting;
    const char *close;
    if (!config_find(bytes_str(name), &setting, &close) ||
        strcmp(config_row(setting)->name, name) != 0)
        return; /* an alias */
    buf_printf(line, "%s%s=%s", line->len == 0 ? "" : " ", name,
               setting == SETTING_REQUIREPASS && value[0] != '\0' ? "..." : value);
}

static void log_start(struct server *server)
{
    struct buf line;
    buf_init(&line, 4096);
    config_get(server->config, BYTES("*"), log_setting, &line);
    trace_line(&server->trace, TRACE_INFO, "kvs-server %s, engine %s, process %d", kvs_version(),
               kvs_engine(server->spaces[0]), (int)getpid());
    for (size_t i = 0; i < server->listener_count; i++) {
        char text[ADDRESS_CHARS];
        address_format(listener_address(server->listeners[i]), text);
        trace_line(&server->trace, TRACE_INFO, "address %s", text);
    }
    trace_line(&server->trace, TRACE_INFO, "configuration: %.*s", (int)line.len,
               line.data != NULL ? line.data : "");
    if (server->exposed && config_number(server->config, SETTING_PROTECTED_MODE) == 0 &&
        !config_secret_is_set(server->config, SETTING_REQUIREPASS))
        trace_line(&server->trace, TRACE_WARN,
                   "anybody who can reach this machine can read and write: set requirepass");
    buf_done(&line);
}

static void log_ready(struct server *server)
{
    const struct address *address = listener_address(server->listeners[0]);
    char text[ADDRESS_CHARS];
    address_format(address, text);
    if (address_path(address) != NULL)
        trace_line(&server->trace, TRACE_INFO, "ready on %s; try: redis-cli -s %s", text,
                   address_path(address));
    else
        trace_line(&server->trace, TRACE_INFO,
                   "ready on %s; try: redis-cli -p %u, or kvs-client set KEY VALUE --addr %s", text,
                   address_port(address), text);
    (void)notify_tell("READY=1\nSTATUS=ready"); /* most often there is nobody to tell */
}

/* Every client needs a descriptor. The limit is raised as far as may be, and maxclients lowered to what is left. */
static enum kvs_status fit_descriptors(struct server *server)
{
    enum {
        OTHERS = 256
    }; /* segments, sockets to listen on, what the system libraries open */
    struct rlimit limit;
    uint64_t wanted = (uint64_t)config_number(server->config, SETTING_MAXCLIENTS) + OTHERS;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= wanted)
        return KVS_OK;
    uint64_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        limit.rlim_cur = before;
    if (limit.rlim_cur >= wanted)
        return KVS_OK;
    if (limit.rlim_cur <= OTHERS)
        return fail(KVS_IO, 0,
                    "only %llu file descriptors are allowed (ulimit -n): at least %d are needed",
                    (unsigned long long)limit.rlim_cur, OTHERS + 1);
    char text[24];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)(limit.rlim_cur - OTHERS));
    trace_line(&server->trace, TRACE_WARN,
               "maxclients lowered to %s: only %llu file descriptors are allowed (ulimit -n)", text,
               (unsigned long long)limit.rlim_cur);
    return config_put(server->config, SETTING_MAXCLIENTS, text, SOURCE_LIVE);
}

static enum kvs_status start_pool(struct server *server)
{
    char *kind = config_text(server->config, SETTING_POOL);
    if (kind == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "settings");
    enum kvs_status status =
        pool_new(kind, count_or_auto(server, SETTING_THREADS, 4), &server->pool);
    free(kind);
    return status;
}

static enum kvs_status start_reactors(struct server *server)
{
    unsigned wanted = count_or_auto(server, SETTING_LOOPS, 1);
    enum kvs_status status = KVS_OK;
    server->reactors = calloc(wanted, sizeof *server->reactors);
    if (server->reactors == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "%u event loops", wanted);
    server->broker.reactors = server->reactors;
    server->broker.reactor_count = wanted;
    while (status == KVS_OK && server->reactor_count < wanted) {
        status =
            reactor_init(&server->reactors[server->reactor_count], server, server->reactor_count);
        server->reactor_count++; /* a half-built one is taken apart like the others */
    }
    for (size_t i = 0; status == KVS_OK && i < server->listener_count; i++)
        status =
            listener_start(server->listeners[i], server->reactors[0].loop, server_accept, server);
    if (status != KVS_OK)
        return status;
    kvs_on_progress(server->spaces[0], store_progress, server);
    for (unsigned i = 0; status == KVS_OK && i < server->reactor_count; i++)
        status = reactor_start(&server->reactors[i]);
    return status;
}

static void make_run_id(struct server *server)
{
    for (unsigned i = 0; i < 40; i += 8)
        (void)snprintf(server->run_id + i, 9, "%08x", (unsigned)random_system_u64());
}

static enum kvs_status init_parts(struct server *server)
{
    size_t command_count;
    (void)command_table(&command_count);
    server->reset_commands = calloc(command_count * 3, sizeof *server->reset_commands);
    if (server->reset_commands == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "statistics");
    server->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (server->wake_fd < 0)
        return fail(KVS_IO, errno, "eventfd");
    enum kvs_status status = snapshots_new(server->clock, &server->snapshots);
    if (status != KVS_OK)
        return status;
    return cursors_new(server->clock, CURSORS_MAX, CURSORS_BYTES_MAX, &server->cursors);
}

enum kvs_status server_open(struct config *config, struct server **ret)
{
    struct server *server = calloc(1, sizeof *server);
    if (server == NULL)
        return fail(KVS_NO_MEMORY, ENOMEM, "server");
    server->config = config;
    server->clock = clock_system();
    server->wake_fd = -1;
    server->started_us = clock_wall_us(server->clock);
    atomic_init(&server->last_save_s, server->started_us / 1000000);
    atomic_init(&server->last_save_ok, true);
    mutex_init(&server->reset_mu);
    mutex_init(&server->pause_mu);
    slowlog_init(&server->slowlog);
    error_stats_init(&server->errors);
    server->hash_seed = random_system_u64();
    enum kvs_status status = registry_init(&server->registry);
    if (status == KVS_OK)
        status = broker_init(&server->broker);
    if (status == KVS_OK)
        status = keytrack_init(&server->keytrack, server);
    make_run_id(server);
    start_trace(server);
    host_init(server);
    server_set_notify(server);
    server_set_slow(server);

    if (status == KVS_OK)
        status = open_listeners(server);
    if (status == KVS_OK)
        status = open_store(server);
    if (status != KVS_OK)
        goto undo; /* the reason was logged */
    log_start(server);
    status = fit_descriptors(server);
    if (status == KVS_OK)
        status = init_parts(server);
    if (status == KVS_OK)
        status = start_pool(server);
    if (status == KVS_OK)
        status = start_reactors(server);
    if (status != KVS_OK) {
        trace_line(&server->trace, TRACE_ERROR, "cannot start: %s", kvs_error());
        goto undo;
    }
    log_ready(server);
    *ret = server;
    return KVS_OK;

undo:
    (void)server_close(server);
    return status;
}

/* ---- Running ---- */

void server_block_signals(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    int errnum = pthread_sigmask(SIG_BLOCK, &set, NULL);
    CHECK(errnum == 0);
    CHECK(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
}

/* From now on a signal that ends the process ends it at once. */
static void unblock_signals(void)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    int errnum = pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    CHECK(errnum == 0);
}

void server_wake(struct server *server)
{
    uint64_t one = 1;
    ssize_t put = write(server->wake_fd, &one, sizeof one);
    CHECK(put == (ssize_t)sizeof one || errno == EAGAIN || errno == EINTR);
}

void server_stop(struct server *server)
{
    /* release: pairs with: server_run */
    atomic_store_explicit(&server->stop_wanted, true, memory_order_release);
    server_wake(server);
}

/* The name of the signal that asked to stop; NULL: it was another one. */
static const char *read_signal(struct server *server, int signal_fd)
{
    struct signalfd_siginfo info;
    if (read(signal_fd, &info, sizeof info) != (ssize_t)sizeof info)
        return NULL;
    if (info.ssi_signo == SIGTERM)
        return "SIGTERM";
    if (info.ssi_signo == SIGINT)
        return "SIGINT";
    trace_line(&server->trace, TRACE_INFO, "SIGHUP: nothing to do");
    return NULL;
}

/* Syncs every second when `everysec` was chosen while running: the store itself does it only when it was opened that way. */
static int main_timeout_ms(struct server *server)
{
    bool needed = server_durability(server) == KVS_DURABILITY_EVERYSEC &&
                  server->opened_durability != KVS_DURABILITY_EVERYSEC;
    return needed ? 1000 : -1;
}

static void sync_now_and_then(struct server *server)
{
    struct kvs_marks marks;
    kvs_marks(server->spaces[0], &marks);
    if (marks.durable < marks.visible)
        kvs_request_sync(server->spaces[0], marks.visible);
}

static void stop_listening(struct loop_task *task)
{
    struct server *server = task->ctx;
    for (size_t i = 0; i < server->listener_count; i++)
        listener_stop(server->listeners[i]);
    for (unsigned i = 0; i < server->reactor_count; i++)
        reactor_stop(&server->reactors[i]);
}

void server_run(struct server *server)
{
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaddset(&set, SIGHUP);
    int signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    CHECK(signal_fd >= 0);
    const char *why = NULL;
    while (why == NULL) {
        struct pollfd fds[2] = { { .fd = signal_fd, .events = POLLIN },
                                 { .fd = server->wake_fd, .events = POLLIN } };
        int timeout_ms = main_timeout_ms(server);
        int ready = poll(fds, 2, timeout_ms);
        uint64_t count;
        if (ready > 0 && fds[0].revents != 0)
            why = read_signal(server, signal_fd);
        if (ready > 0 && fds[1].revents != 0)
            (void)!read(server->wake_fd, &count, sizeof count);
        /* acquire: pairs with: server_stop */
        if (why == NULL && atomic_load_explicit(&server->stop_wanted, memory_order_acquire))
            why = "SHUTDOWN";
        if (ready == 0)
            sync_now_and_then(server);
    }
    (void)close(signal_fd);
    unblock_signals();
    trace_line(&server->trace, TRACE_INFO, "%s: stopping; again to stop at once", why);
    (void)notify_tell("STOPPING=1\nSTATUS=finishing what is under way");
    server->stop_listening = (struct loop_task){ .run = stop_listening, .ctx = server };
    loop_post(server->reactors[0].loop, &server->stop_listening);
    for (unsigned i = 0; i < server->reactor_count; i++)
        reactor_join(&server->reactors[i]);
}

/* ---- Taking apart ---- */

static void end_loops(struct server *server)
{
    for (unsigned i = 0; i < server->reactor_count;
         i++) { /* after a failed start: they have no sessions */
        if (server->reactors[i].running) {
            reactor_stop(&server->reactors[i]);
            reactor_join(&server->reactors[i]);
        }
    }
    for (size_t i = 0; i < server->listener_count; i++) {
        listener_stop(server->listeners[i]);
        listener_close(server->listeners[i]);
    }
    free(server->listeners);
}

static enum kvs_status close_store(struct server *server)
{
    struct kvs *db = server->spaces[0];
    if (db == NULL)
        return KVS_OK;
    for (unsigned i = 1; i < KVS_SPACES; i++)
        (void)kvs_close(server->spaces[i]); /* a reference each; the last one below tells */
    bool persistent = kvs_capabilities(db)->persistent;
    enum kvs_status status = kvs_close(db);
    if (status != KVS_OK)
        trace_line(&server->trace, TRACE_ERROR, "closing the store failed: %s", kvs_error());
    else
        trace_line(&server->trace, TRACE_INFO,
                   persistent ? "stopped: everything is on disk" : "stopped");
    return status;
}

enum kvs_status server_close(struct server *server)
{
    if (server == NULL)
        return KVS_OK;
    end_loops(server);
    pool_free(server->pool);
    if (server->spaces[0] != NULL)
        kvs_on_progress(server->spaces[0], NULL, NULL);
    for (unsigned i = 0; i < server->reactor_count; i++)
        reactor_done(&server->reactors[i]);
    free(server->reactors);
    snapshots_free(server->snapshots, server->spaces[0]);
    enum kvs_status status = close_store(server);
    broker_done(&server->broker);
    keytrack_done(&server->keytrack);
    slowlog_done(&server->slowlog);
    mutex_done(&server->pause_mu);
    cursors_free(server->cursors);
    error_stats_done(&server->errors);
    registry_done(&server->registry);
    mutex_done(&server->reset_mu);
    free(server->reset_commands);
    if (server->wake_fd >= 0)
        (void)close(server->wake_fd);
    free(server);
    return status;
}
