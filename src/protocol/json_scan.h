/*
 * json_scan.h - where a JSON value ends, without parsing it. Private to the room.
 */
#ifndef PROTOCOL_JSON_SCAN_H
#define PROTOCOL_JSON_SCAN_H

#include "protocol/decode.h"

enum {
    JSON_DEPTH_MAX = 64,
    JSON_PARTS_MAX =
        256, /* braces, brackets and commas: bounds what a parser makes of a value beyond its text */
};

enum json_scan {
    SCAN_MORE,
    SCAN_WHOLE, /* decoder->scanned is behind the value */
    SCAN_TOO_DEEP,
    SCAN_TOO_MANY,  /* parts */
    SCAN_NOT_VALUE, /* begins with something that opens no object, array or string */
};

/* Looks on from decoder->scanned, which is 0 at the value's first byte; linear over all calls for one value. */
enum json_scan json_scan_value(struct decoder *decoder, struct kvs_bytes input);

/* Forgets what it knows of a value. */
void json_scan_reset(struct decoder *decoder);

static inline bool json_is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

#endif
