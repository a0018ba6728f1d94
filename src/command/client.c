/*
 * client.c - the beginning and the end of a client's state.
 */
#include "command/client.h"

#include <stdlib.h>

#include "command/events.h"
#include "command/transaction.h"

enum kvs_status client_init(struct client *client, struct kvs *db, uint64_t id)
{
    (void)
        db; /* transaction and batch are made when first needed: most of many idle connections never do */
    *client = (struct client){ .id = id };
    atomic_init(&client->space, 0);
    atomic_init(&client->protocol, 2);
    atomic_init(&client->last_command, NULL);
    atomic_init(&client->multi_shown, -1);
    atomic_init(&client->watch_shown, 0);
    return KVS_OK;
}

void client_done(struct client *client, struct kvs *db)
{
    if (client == NULL)
        return;
    transaction_discard(client, db);
    events_clear(client);
    free(client->queued);
    free(client->watched);
    kvs_txn_free(client->txn);
    kvs_batch_free(client->batch);
    free(client->name);
    free(client->lib_name);
    free(client->lib_version);
    client->queued = NULL;
    client->watched = NULL;
    client->txn = NULL;
    client->batch = NULL;
    client->name = NULL;
    client->lib_name = NULL;
    client->lib_version = NULL;
    client->queued_capacity = 0;
    client->watched_capacity = 0;
}
