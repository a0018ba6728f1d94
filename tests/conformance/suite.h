/*
 * suite.h - one suite that every engine passes. Each engine gets an executable of its own; KVS_SUITE_IO=memory runs it on the
 * simulated disk instead of the real one.
 *
 * A failed expectation ends the test; what it leaves open ends with the program.
 */
#ifndef TESTS_CONFORMANCE_SUITE_H
#define TESTS_CONFORMANCE_SUITE_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <kvs/kvs.h>

#include "io/env.h"
#include "tests/harness/test.h"

/* The engine this executable is about. */
extern const char *const suite_engine;

struct suite {
    struct kvs *db;
    struct kvs_options options;
    struct kvs_env env; /* a manual clock; the real or the simulated disk */
    char *dir;
};

enum {
    SUITE_NOW_MS = 1700000000, /* times a thousand: where the clock starts */
    MIB = 1024 * 1024
};

#define SUITE_START_MS (SUITE_NOW_MS * INT64_C(1000))

/* A store of the engine in a directory of its own; suite_init() alone prepares without opening. */
void suite_init(struct suite *suite);
void suite_open(struct suite *suite);
/* Closes and, for engines that keep data, opens again; others start empty. */
void suite_reopen(struct suite *suite);
void suite_close(struct suite *suite); /* also when nothing was opened */
void suite_advance_ms(struct suite *suite, int64_t by_ms);

bool suite_persistent(void);
bool suite_may_block(void); /* calls that may not wait are always refused */
size_t suite_key_max(void);  /* bytes of a user's key */
const struct kvs_engine_ops *suite_ops(void);

#define B(literal) KVS_BYTES(literal)

static inline struct kvs_bytes text_bytes(const char *text)
{
    return (struct kvs_bytes){ text, strlen(text) };
}

/* assert_ok() with what kvs_error() says. */
#define must_ok(call)      must_status((call), KVS_OK, #call, __FILE__, __LINE__)
#define must(wanted, call) must_status((call), (wanted), #call, __FILE__, __LINE__)
void must_status(enum kvs_status got, enum kvs_status wanted, const char *call, const char *file,
                 int line);

/* Sets without waiting for the disk; and with. */
void put(struct kvs *db, const char *key, const char *value);
void put_bytes(struct kvs *db, struct kvs_bytes key, struct kvs_bytes value);
void put_until(struct kvs *db, const char *key, const char *value, int64_t expire_ms);

#define must_hold(db, key, value) must_hold_at((db), NULL, text_bytes(key), text_bytes(value))
#define must_lack(db, key)        must_lack_at((db), NULL, text_bytes(key))
void must_hold_at(struct kvs *db, const struct kvs_snapshot *snapshot, struct kvs_bytes key,
                  struct kvs_bytes value);
void must_lack_at(struct kvs *db, const struct kvs_snapshot *snapshot, struct kvs_bytes key);

/* The keys of @range (NULL: all) in the iterator's order, as "a b c". */
#define must_list(db, range, keys) must_list_at((db), NULL, (range), false, (keys))
void must_list_at(struct kvs *db, const struct kvs_snapshot *snapshot,
                  const struct kvs_range *range, bool reverse, const char *keys);

/* "a" to "c" without "c"; NULL: open. */
struct kvs_range range_of(const char *start, const char *end);

/* The newest version of a key; 0: absent. */
uint64_t version_of(struct kvs *db, const char *key);

/* The count of all keys; exact ones only. */
uint64_t count_of(struct kvs *db);

/* Bytes that are not the same anywhere and depend on @seed; free() them. */
unsigned char *pattern(size_t len, unsigned seed);

#endif
