/*
 * scenario.h - a life of a store, every step of which may fail: opened, written to in all ways, compacted, read, closed, opened again, backed
 * up and restored. It goes on after failures, and knows afterwards what may be there: what was acknowledged, or what was tried since.
 */
#ifndef TESTS_FAILURE_SCENARIO_H
#define TESTS_FAILURE_SCENARIO_H

#include <stdbool.h>

#include <kvs/kvs.h>

#include "io/env.h"

enum {
    SCENARIO_KEYS = 16,
    SCENARIO_TRIES = 8, /* values of one key that may be there */
};

struct scenario;

/* Told of every status of a call that may fail; fails the test when it is one that must not be. */
typedef void scenario_status_fn(struct scenario *scenario, enum kvs_status status,
                                const char *call);

struct scenario {
    const char *engine;
    struct kvs_env env;
    char dir[128];
    char backup[128];
    char restored[128];
    scenario_status_fn *seen;
    void *ctx;

    struct kvs *db;

    struct {
        unsigned values[SCENARIO_TRIES]; /* 0: absent. The first is the acknowledged one */
        unsigned count;
    } keys[SCENARIO_KEYS];

    bool large_acknowledged;
    unsigned failures;
};

/* Directories below @base, whose files of an earlier run are removed. */
void scenario_init(struct scenario *scenario, const char *engine, const char *base);
void scenario_run(struct scenario *scenario);

/* Nothing fails any more: the open store must be of use, or else when it is opened again; what is there must be what may be there. */
void scenario_verify(struct scenario *scenario, bool same_handle);

#endif
