/*
 * expiry.h - expiry times in arguments, and the options of SET and GETEX, by Redis's rules. Private to the room.
 */
#ifndef COMMAND_EXPIRY_H
#define COMMAND_EXPIRY_H

#include <stdbool.h>
#include <stdint.h>

#include "command/command.h"

/* What a number that stands for an expiry means. */
struct expiry_unit {
    bool seconds;  /* else milliseconds */
    bool absolute; /* Unix time, else from now */
};

enum expiry_verdict {
    EXPIRY_OK,
    EXPIRY_NOT_INTEGER,
    EXPIRY_INVALID, /* zero, negative, or beyond what 64 bits hold */
};

/* For SET and its like, where only the future can be named: *ret_ms > 0, Unix time. An absolute time may have passed. */
enum expiry_verdict expiry_parse(struct kvs_bytes text, struct expiry_unit unit, int64_t now_ms,
                                 int64_t *ret_ms);

/* Replies the error that @verdict (not EXPIRY_OK) stands for; returns KVS_OK. */
enum kvs_status expiry_error(struct command_ctx *ctx, enum expiry_verdict verdict);

/* Options of SET and GETEX. */
struct expiry_options {
    bool nx;
    bool xx;
    bool get;
    bool keepttl;
    bool persist;
    bool has_time;
    struct expiry_unit unit;
    struct kvs_bytes time;
};

/*
 * Reads the arguments from @first on: for SET, NX XX GET KEEPTTL and the four times; for GETEX, PERSIST and the times. False
 * where Redis finds a syntax error, which it does for a second, different choice, but not for the same one again.
 */
bool expiry_options(const struct command_ctx *ctx, size_t first, bool is_set,
                    struct expiry_options *ret);

#endif
