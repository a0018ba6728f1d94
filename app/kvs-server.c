/*
 * kvs-server.c - the server's main: settings, then serve until told to stop.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <kvs/kvs.h>

#include "server/config.h"
#include "server/server.h"

static int serve(struct config *config)
{
    struct server *server = NULL;
    server_block_signals();
    if (server_open(config, &server) != KVS_OK)
        return EXIT_FAILURE; /* the reason is in the log */
    server_run(server);
    return server_close(server) == KVS_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    struct config *config = NULL;
    enum config_action action = CONFIG_RUN;
    int code = EXIT_FAILURE;
    if (config_new(&config) != KVS_OK ||
        config_load(config, argc, argv, environ, &action) != KVS_OK) {
        (void)fprintf(stderr, "kvs-server: %s\n", kvs_error());
    } else if (action == CONFIG_HELP) {
        config_print_help(stdout);
        code = EXIT_SUCCESS;
    } else if (action == CONFIG_VERSION) {
        (void)printf("kvs-server %s\n", kvs_version());
        code = EXIT_SUCCESS;
    } else {
        code = serve(config);
    }
    config_free(config);
    return code;
}
